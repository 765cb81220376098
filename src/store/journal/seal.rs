//! Encryption of entries at rest.
//!
//! Each segment has its own key, derived from the rest key and the segment's salt, and each
//! entry its position as nonce. A position is written at most once in a segment: opening
//! always begins a new one, so that an entry cut off as torn is never encrypted again under
//! the same key and nonce.

use aes_gcm::aead::AeadInPlace as _;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Position;
use crate::store::RestKey;

/// Bytes that sealing adds to a payload.
pub const TAG_BYTES: usize = 16;

/// The cipher of one segment.
#[derive(Clone)]
pub struct Sealer {
    cipher: Aes256Gcm,
    segment: u32,
}

impl Sealer {
    /// Derives the key of a segment.
    pub fn new(rest: &RestKey, salt: &[u8; 32], segment: u32) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let derive = Hkdf::<Sha256>::new(Some(salt), rest.bytes.as_slice());
        // 32 bytes are within what HKDF-SHA-256 can give, so this cannot fail.
        let _ = derive.expand(b"weir journal segment 1", key.as_mut_slice());
        Self { cipher: Aes256Gcm::new(key.as_slice().into()), segment }
    }

    fn bound(&self, position: Position, flags: u8) -> ([u8; 12], [u8; 13]) {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&position.to_be_bytes());
        let mut aad = [0; 13];
        aad[..4].copy_from_slice(&self.segment.to_le_bytes());
        aad[4..12].copy_from_slice(&position.to_le_bytes());
        aad[12] = flags;
        (nonce, aad)
    }

    /// Encrypts in place; the tag goes behind the text. None when the text is too long.
    pub fn seal(&self, position: Position, flags: u8, text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        let (nonce, aad) = self.bound(position, flags);
        let tag = self.cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), &aad, text);
        tag.ok().map(Into::into)
    }

    /// Decrypts a payload in place and gives the length of the text; none when it is not
    /// what was sealed.
    pub fn open(&self, position: Position, flags: u8, payload: &mut [u8]) -> Option<usize> {
        let (text, tag) = payload.split_last_chunk_mut::<TAG_BYTES>()?;
        let (nonce, aad) = self.bound(position, flags);
        self.cipher
            .decrypt_in_place_detached(
                Nonce::from_slice(&nonce),
                &aad,
                text,
                Tag::from_slice(tag.as_slice()),
            )
            .ok()?;
        Some(text.len())
    }
}
