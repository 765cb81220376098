//! The store's search key: under it values become keyed hashes, so that the index names no
//! patient.
//!
//! Random, made with the store, kept in `search.key`, wrapped under the rest key when there
//! is one, and again when there is a newer one. Losing it loses searches by old values, duplicate windows and lanes, so it is
//! never made anew while a journal exists.

use std::path::Path;

use aes_gcm::aead::AeadInPlace as _;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{RestKey, RestKeys};
use crate::fault::{Fault, Place, codes};
use crate::ports::{Files, Ports};

const NAME: &str = "search.key";
const MAGIC: [u8; 8] = *b"WEIRKEY1";
/// Magic, length of the key id, key id, nonce, key, tag.
const BYTES: usize = 8 + 1 + 64 + 12 + 32 + 16;

/// The search key.
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Reads the key, or makes it when `fresh`.
    ///
    /// # Errors
    /// `W6002` when the disk refuses or the key is missing from a store that has a journal,
    /// `W6008` when it is wrapped under a key that is not here.
    pub fn open(
        ports: &Ports,
        directory: &Path,
        rest: &RestKeys,
        fresh: bool,
    ) -> Result<Self, Fault> {
        let path = directory.join(NAME);
        let refused =
            |e: std::io::Error| Fault::new(codes::W6002).at(Place::file(NAME)).caused_by(e);
        let key = match ports.files.open(&path, false) {
            Ok(file) => {
                let mut bytes = [0; BYTES];
                file.read_at(&mut bytes, 0).map_err(refused)?;
                let (key, under) = unwrap(&bytes, rest)?;
                let newest = rest.newest();
                // Wrapped anew, so that the older key may go when nothing else needs it.
                if newest.is_some_and(|newest| *newest.id != *under) {
                    let wrapped = wrap(ports, &key, newest)?;
                    save(&*ports.files, directory, &wrapped).map_err(refused)?;
                }
                key
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && fresh => {
                let mut key = Zeroizing::new([0; 32]);
                ports.entropy.fill(key.as_mut_slice());
                save(&*ports.files, directory, &wrap(ports, &key, rest.newest())?)
                    .map_err(refused)?;
                key
            }
            Err(error) => return Err(refused(error)),
        };
        let mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key.as_slice())
            .map_err(|_| Fault::new(codes::W9001).because("HMAC takes any key"))?;
        Ok(Self(mac))
    }

    /// First 16 bytes of HMAC-SHA-256 over domain and value.
    pub fn hash(&self, domain: &str, value: &[u8]) -> [u8; 16] {
        let mut mac = self.0.clone();
        mac.update(&(domain.len() as u64).to_le_bytes());
        mac.update(domain.as_bytes());
        mac.update(value);
        let digest = mac.finalize().into_bytes();
        digest.first_chunk::<16>().copied().unwrap_or_default()
    }
}

fn save(files: &dyn Files, directory: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unready = directory.join("search.key.tmp");
    let file = files.open(&unready, true)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    files.rename(&unready, &directory.join(NAME))?;
    files.sync_dir(directory)
}

fn cipher(rest: &RestKey) -> Aes256Gcm {
    let mut key = Zeroizing::new([0; 32]);
    // 32 bytes are within what HKDF-SHA-256 can give, so this cannot fail.
    let _ = Hkdf::<Sha256>::new(None, rest.bytes.as_slice())
        .expand(b"weir search key 1", key.as_mut_slice());
    Aes256Gcm::new(key.as_slice().into())
}

fn wrap(ports: &Ports, key: &[u8; 32], rest: Option<&RestKey>) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; BYTES];
    let id = rest.map_or("", |r| &r.id);
    let mut text = Zeroizing::new(*key);
    let mut nonce = [0; 12];
    let mut tag = [0; 16];
    if let Some(rest) = rest {
        ports.entropy.fill(&mut nonce);
        tag = cipher(rest)
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), &MAGIC, text.as_mut_slice())
            .map_err(|_| Fault::new(codes::W9001).because("the search key cannot be wrapped"))?
            .into();
    }
    let mut put = |at: usize, part: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    };
    put(0, &MAGIC);
    put(8, &[u8::try_from(id.len().min(64)).unwrap_or(0)]);
    put(9, id.as_bytes().get(..id.len().min(64)).unwrap_or_default());
    put(73, &nonce);
    put(85, text.as_slice());
    put(117, &tag);
    Ok(bytes)
}

/// The key, and the id of the rest key it was wrapped under; empty: none.
fn unwrap(bytes: &[u8; BYTES], rest: &RestKeys) -> Result<(Zeroizing<[u8; 32]>, String), Fault> {
    let torn = || Fault::new(codes::W6002).at(Place::file(NAME)).because("it is not whole");
    let part = |at: usize, length: usize| bytes.get(at..at + length).ok_or_else(torn);
    if part(0, 8)? != MAGIC {
        return Err(torn());
    }
    let id = String::from_utf8_lossy(part(9, usize::from(bytes[8]).min(64))?).into_owned();
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(part(85, 32)?);
    if id.is_empty() {
        return Ok((key, id));
    }
    let missing =
        || Fault::new(codes::W6008).at(Place::file(NAME)).because(format!("key `{id}` is needed"));
    let rest = rest.find(&id).ok_or_else(missing)?;
    cipher(rest)
        .decrypt_in_place_detached(
            Nonce::from_slice(part(73, 12)?),
            &MAGIC,
            key.as_mut_slice(),
            Tag::from_slice(part(117, 16)?),
        )
        .map_err(|_| missing())?;
    Ok((key, id))
}
