//! Encryption of entries at rest.
//!
//! Each segment has its own key, derived from the rest key and the segment's salt, and each
//! entry its position as nonce. A position is written at most once in a segment: opening
//! always begins a new one, so that an entry cut off as torn is never encrypted again under
//! the same key and nonce.
//!
//! AES-256-GCM of `ring`, not of `aes-gcm` as in the pure layers: every byte of the journal
//! passes here, and sealing in `aes-gcm` was a third of the work of reading the journal.
//! The bytes are the same.

use std::sync::Arc;

use hkdf::Hkdf;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Position;
use crate::store::RestKey;

/// Bytes that sealing adds to a payload.
pub const TAG_BYTES: usize = 16;

/// The cipher of one segment.
#[derive(Clone)]
pub struct Sealer {
    /// None for a key that is not one, which HKDF never gives.
    key: Option<Arc<LessSafeKey>>,
    segment: u32,
}

impl Sealer {
    /// Derives the key of a segment.
    pub fn new(rest: &RestKey, salt: &[u8; 32], segment: u32) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let derive = Hkdf::<Sha256>::new(Some(salt), rest.bytes.as_slice());
        // 32 bytes are within what HKDF-SHA-256 can give, so this cannot fail.
        let _ = derive.expand(b"weir journal segment 1", key.as_mut_slice());
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).ok();
        Self { key: key.map(|key| Arc::new(LessSafeKey::new(key))), segment }
    }

    fn bound(&self, position: Position, flags: u8) -> (Nonce, Aad<[u8; 13]>) {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&position.to_be_bytes());
        let mut aad = [0; 13];
        aad[..4].copy_from_slice(&self.segment.to_le_bytes());
        aad[4..12].copy_from_slice(&position.to_le_bytes());
        aad[12] = flags;
        (Nonce::assume_unique_for_key(nonce), Aad::from(aad))
    }

    /// Encrypts in place; the tag goes behind the text. None when the text is too long.
    pub fn seal(&self, position: Position, flags: u8, text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        let (nonce, aad) = self.bound(position, flags);
        let tag = self.key.as_ref()?.seal_in_place_separate_tag(nonce, aad, text).ok()?;
        tag.as_ref().first_chunk::<TAG_BYTES>().copied()
    }

    /// Decrypts a payload in place and gives the length of the text; none when it is not
    /// what was sealed.
    pub fn open(&self, position: Position, flags: u8, payload: &mut [u8]) -> Option<usize> {
        let (nonce, aad) = self.bound(position, flags);
        let text = self.key.as_ref()?.open_in_place(nonce, aad, payload).ok()?;
        Some(text.len())
    }
}

#[cfg(test)]
mod tests {
    use aes_gcm::aead::AeadInPlace as _;
    use aes_gcm::{Aes256Gcm, KeyInit as _};

    use super::*;

    #[test]
    fn seals_the_bytes_that_journals_of_before_hold() {
        let rest = RestKey { id: "rest-1".into(), bytes: Zeroizing::new([7; 32]) };
        let mut key = [0; 32];
        let derive = Hkdf::<Sha256>::new(Some(&[5; 32]), &[7; 32]);
        derive.expand(b"weir journal segment 1", &mut key).unwrap();
        let other = Aes256Gcm::new(key.as_slice().into());
        let sealer = Sealer::new(&rest, &[5; 32], 9);
        for length in [0, 1, 16, 1000, 70_000] {
            let text: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (mut nonce, mut aad) = ([0; 12], [0; 13]);
            nonce[4..].copy_from_slice(&42u64.to_be_bytes());
            aad[..4].copy_from_slice(&9u32.to_le_bytes());
            aad[4..12].copy_from_slice(&42u64.to_le_bytes());
            aad[12] = 1;
            let mut expected = text.clone();
            let tag = other.encrypt_in_place_detached(&nonce.into(), &aad, &mut expected).unwrap();
            let mut sealed = text.clone();
            assert_eq!(sealer.seal(42, 1, &mut sealed).unwrap(), *tag);
            assert_eq!(sealed, expected);
            sealed.extend_from_slice(&tag);
            for (position, flags) in [(43, 1), (42, 0)] {
                assert_eq!(sealer.open(position, flags, &mut sealed.clone()), None);
            }
            assert_eq!(sealer.open(42, 1, &mut sealed), Some(text.len()));
            assert_eq!(sealed[..text.len()], text);
        }
        assert_eq!(sealer.open(42, 1, &mut [0; 15]), None);
    }
}
