//! One sealed value: its text, its cipher, and what can be wrong with it.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keyring::{ID_CHARS, Key, Keyring, base32, hmac};
use crate::base::MessageId;
use crate::fault::codes::{W5013, W5020, W5021, W5022, W5023, W5024};
use crate::fault::{Fault, Place as FaultPlace};

/// What every sealed value begins with.
pub(super) const MARK: &str = "weir1";

/// Bytes before the nonce: message, check, entry, length.
const HEADER_BYTES: usize = 16 + 4 + 4 + 4;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Stands for no Bundle entry.
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// Where a value stands: what its seal is bound to besides key and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Canonical place: `PID[1]-3[2].1.1` or `Patient.identifier[1].value`.
    pub place: String,
    /// Bundle entry from 0, or [`NO_ENTRY`].
    pub entry: u32,
    /// What people are shown: a path as they would write it.
    pub shown: String,
}

/// Letters that a sealed value may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// base64url and dots.
    Base64,
    /// Hex, and `x` in the place of dots.
    Hex,
}

impl Letters {
    /// Letters that none of the delimiters is among. Delimiters are never letters or
    /// digits, which is checked when a message is read.
    pub fn for_delimiters(delimiters: &[u8]) -> Self {
        let used = delimiters.iter().any(|b| matches!(b, b'-' | b'_' | b'.'));
        if used { Self::Hex } else { Self::Base64 }
    }
}

/// Seals the values of one message with one key.
pub(super) struct Sealer<'k> {
    key: &'k Key,
    cipher: Aes256Gcm,
    message: MessageId,
}

fn cipher(key: &Key, message: MessageId) -> Aes256Gcm {
    let mut derived = Zeroizing::new([0; 32]);
    let info = [b"weir/seal/1".as_slice(), &message.to_bytes()];
    #[expect(clippy::expect_used, reason = "32 bytes are a length HKDF gives")]
    Hkdf::<Sha256>::new(None, &*key.secret)
        .expand_multi_info(&info, &mut *derived)
        .expect("32 bytes");
    Aes256Gcm::new((&*derived).into())
}

/// What the seal is bound to: all of it with lengths, so that no two differ and join.
fn additional(spot: &Spot, message: MessageId, key_id: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(64 + spot.place.len());
    data.extend_from_slice(b"weir/seal/1\0");
    data.extend_from_slice(&message.to_bytes());
    data.extend_from_slice(&spot.entry.to_be_bytes());
    for text in [key_id, &spot.place] {
        data.extend_from_slice(&(text.len() as u64).to_be_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data
}

fn check_of(place: &str) -> [u8; 4] {
    let hash = Sha256::digest(place.as_bytes());
    std::array::from_fn(|n| hash.get(n).copied().unwrap_or_default())
}

impl<'k> Sealer<'k> {
    /// Derives the key of a message.
    pub fn new(key: &'k Key, message: MessageId) -> Self {
        Self { key, cipher: cipher(key, message), message }
    }

    /// Whether it seals with this key.
    pub fn is_of(&self, key: &Key) -> bool {
        self.key.id == key.id
    }

    /// Seals a plain text in its place.
    pub fn seal(
        &self,
        plain: &[u8],
        spot: &Spot,
        letters: Letters,
        entropy: &mut dyn FnMut(&mut [u8]),
    ) -> Result<String, Fault> {
        let too_long = || Fault::new(W5013).at(FaultPlace::path(spot.shown.as_str()));
        let length = u32::try_from(plain.len()).map_err(|_| too_long())?;
        let mut nonce = [0; NONCE_BYTES];
        entropy(&mut nonce);
        let aad = additional(spot, self.message, &self.key.id);
        let sealed = self
            .cipher
            .encrypt(Nonce::from_slice(&nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| too_long())?;
        let mut data = Vec::with_capacity(HEADER_BYTES + NONCE_BYTES + sealed.len());
        data.extend_from_slice(&self.message.to_bytes());
        data.extend_from_slice(&check_of(&spot.place));
        data.extend_from_slice(&spot.entry.to_be_bytes());
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(&nonce);
        data.extend_from_slice(&sealed);
        let id = &self.key.id;
        Ok(match letters {
            Letters::Base64 => format!("{MARK}.{id}.{}", URL_SAFE_NO_PAD.encode(&data)),
            Letters::Hex => {
                let hex: String = data.iter().map(|b| format!("{b:02X}")).collect();
                format!("{MARK}x{id}x{hex}")
            }
        })
    }
}

/// The pseudonym of a text under a key: 26 letters, the same for the same text in every
/// message and form.
pub(super) fn pseudonym(key: &Key, text: &str) -> String {
    let own = Zeroizing::new(hmac(&key.secret, &[b"weir/token/1"]));
    base32(&hmac(&own, &[text.as_bytes()]), 26)
}

/// A sealed value taken apart.
struct Parts {
    key_id: String,
    message: MessageId,
    check: [u8; 4],
    entry: u32,
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).ok().filter(|d| !d.starts_with('+'))?;
        u8::from_str_radix(digits, 16).ok()
    };
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks(2).map(pair).collect())?
}

/// Takes the first `N` bytes off.
fn take<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(*first)
}

impl Parts {
    /// None when it is not whole.
    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MARK)?;
        let (key_id, data) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (id, data) = rest.split_once('.')?;
                (id, URL_SAFE_NO_PAD.decode(data).ok()?)
            }
            None => {
                let (id, data) = rest.strip_prefix('x')?.split_once('x')?;
                (id, unhex(data)?)
            }
        };
        if key_id.len() != ID_CHARS {
            return None;
        }
        let mut data = &*data;
        let message = MessageId::from_u128(u128::from_be_bytes(take(&mut data)?));
        let check = take(&mut data)?;
        let entry = u32::from_be_bytes(take(&mut data)?);
        let length = u32::from_be_bytes(take(&mut data)?) as usize;
        let nonce = take(&mut data)?;
        (data.len() == length.checked_add(TAG_BYTES)?).then(|| Self {
            key_id: key_id.to_owned(),
            message,
            check,
            entry,
            nonce,
            sealed: data.to_vec(),
        })
    }
}

/// Opens the sealed values of one message or resource.
pub(super) struct Opener<'k> {
    keyring: &'k Keyring,
    /// The message that all values must belong to: given, or that of the first value.
    message: Option<MessageId>,
    ciphers: Vec<(String, Aes256Gcm)>,
}

impl<'k> Opener<'k> {
    pub fn new(keyring: &'k Keyring, message: Option<MessageId>) -> Self {
        Self { keyring, message, ciphers: Vec::new() }
    }

    /// Opens a value that stands in a place. A spot without entry opens values of any
    /// entry: a resource that was taken out of its Bundle.
    pub fn open(&mut self, text: &str, spot: &Spot) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let at = |code| Fault::new(code).at(FaultPlace::path(spot.shown.as_str()));
        let parts = Parts::read(text).ok_or_else(|| at(W5020))?;
        let key = self
            .keyring
            .by_id(&parts.key_id)
            .ok_or_else(|| at(W5021).because(format!("key {}", shown_id(&parts.key_id))))?;
        if *self.message.get_or_insert(parts.message) != parts.message {
            return Err(at(W5022).because(format!("it belongs to {}", parts.message)));
        }
        let moved = spot.entry != NO_ENTRY && spot.entry != parts.entry;
        if moved || parts.check != check_of(&spot.place) {
            return Err(at(W5023));
        }
        if !self.ciphers.iter().any(|(id, _)| *id == *key.id) {
            self.ciphers.push((key.id.to_string(), cipher(key, parts.message)));
        }
        let bound = Spot { entry: parts.entry, ..spot.clone() };
        let aad = additional(&bound, parts.message, &key.id);
        let payload = Payload { msg: &parts.sealed, aad: &aad };
        let cipher = self.ciphers.iter().find(|(id, _)| *id == *key.id);
        cipher
            .and_then(|(_, cipher)| cipher.decrypt(Nonce::from_slice(&parts.nonce), payload).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| at(W5024))
    }

    /// Goes on to another resource, whose values may belong to another message.
    pub fn next_resource(&mut self, expected: Option<MessageId>) {
        self.message = expected;
        self.ciphers.clear();
    }
}

/// A key id as it may be shown: what is none may be anything.
fn shown_id(id: &str) -> &str {
    if id.bytes().all(|b| b.is_ascii_alphanumeric()) { id } else { "?" }
}

#[cfg(test)]
mod tests {
    use super::super::keyring::tests::{counting, keyring};
    use super::*;
    use crate::fault::Code;
    use proptest::prelude::*;

    fn spot(place: &str, entry: u32) -> Spot {
        Spot { place: place.to_owned(), entry, shown: place.to_owned() }
    }

    fn seal(keyring: &Keyring, name: &str, plain: &[u8], spot: &Spot, letters: Letters) -> String {
        let sealer = Sealer::new(keyring.active(name).unwrap(), MessageId::from_u128(7));
        assert!(sealer.is_of(keyring.active(name).unwrap()));
        sealer.seal(plain, spot, letters, &mut counting()).unwrap()
    }

    fn opened(keyring: &Keyring, text: &str, spot: &Spot) -> Result<Vec<u8>, Code> {
        let open = Opener::new(keyring, None).open(text, spot);
        open.map(|plain| plain.to_vec()).map_err(|fault| fault.code())
    }

    #[test]
    fn opens_in_its_own_place_only() {
        let ring = keyring(&["a", "b"]);
        let here = spot("PID[1]-19[1].1.1", NO_ENTRY);
        for letters in [Letters::Base64, Letters::Hex] {
            let text = seal(&ring, "a", b"123-45", &here, letters);
            assert_eq!(opened(&ring, &text, &here), Ok(b"123-45".to_vec()));
            assert_eq!(opened(&ring, &text, &spot("PID[1]-3[1].1.1", NO_ENTRY)), Err(W5023));
            assert_eq!(opened(&ring, &text, &spot(&here.place, 4)), Err(W5023));
            let other = keyring(&["b"]);
            let other = Keyring::parse(other.rotated("a", None, &mut |out| out.fill(9)).as_bytes())
                .unwrap();
            let foreign = seal(&other, "a", b"123-45", &here, letters);
            assert_eq!(opened(&ring, &foreign, &here), Err(W5021));
            for cut in 0..text.len() {
                assert_eq!(opened(&ring, &text[..cut], &here), Err(W5020), "{cut}");
            }
            let last = if text.ends_with('0') { '1' } else { '0' };
            let changed = format!("{}{last}", &text[..text.len() - 1]);
            assert!(matches!(opened(&ring, &changed, &here), Err(W5024 | W5020)));
        }
    }

    #[test]
    fn a_value_of_a_bundle_opens_in_its_entry_and_alone() {
        let ring = keyring(&["a"]);
        let text = seal(&ring, "a", b"x", &spot("Patient.id", 2), Letters::Base64);
        assert_eq!(opened(&ring, &text, &spot("Patient.id", 2)), Ok(b"x".to_vec()));
        assert_eq!(opened(&ring, &text, &spot("Patient.id", NO_ENTRY)), Ok(b"x".to_vec()));
        assert_eq!(opened(&ring, &text, &spot("Patient.id", 1)), Err(W5023));
    }

    #[test]
    fn a_value_of_another_message_is_told_apart() {
        let ring = keyring(&["a"]);
        let here = spot("PID[1]-19[1].1.1", NO_ENTRY);
        let text = seal(&ring, "a", b"x", &here, Letters::Base64);
        let mut opener = Opener::new(&ring, Some(MessageId::from_u128(8)));
        assert_eq!(opener.open(&text, &here).unwrap_err().code(), W5022);
        opener.next_resource(None);
        assert!(opener.open(&text, &here).is_ok());
        assert!(opener.open(&text, &here).is_ok(), "with the cipher of before");
        // The message id in the text is bound, too.
        let (head, data) = text.rsplit_once('.').unwrap();
        let mut data = URL_SAFE_NO_PAD.decode(data).unwrap();
        data[0] ^= 1;
        let forged = format!("{head}.{}", URL_SAFE_NO_PAD.encode(data));
        assert_eq!(opened(&ring, &forged, &here), Err(W5024));
    }

    #[test]
    fn pseudonyms_are_stable_and_differ_by_key() {
        let ring = keyring(&["a", "b"]);
        let (a, b) = (ring.active("a").unwrap(), ring.active("b").unwrap());
        assert_eq!(pseudonym(a, "555"), pseudonym(a, "555"));
        assert_eq!(pseudonym(a, "555").len(), 26);
        assert_ne!(pseudonym(a, "555"), pseudonym(b, "555"));
        assert_ne!(pseudonym(a, "555"), pseudonym(a, "556"));
    }

    #[test]
    fn letters_avoid_delimiters() {
        let check = |delimiters: &[u8], expected| {
            assert_eq!(Letters::for_delimiters(delimiters), expected, "{delimiters:?}");
        };
        check(b"|^~\\&", Letters::Base64);
        check(b"|^~\\.", Letters::Hex);
        check(b"|^-_#", Letters::Hex);
    }

    #[test]
    fn an_unknown_key_is_named_only_if_it_looks_like_one() {
        assert_eq!(shown_id("7K2M9QXT"), "7K2M9QXT");
        assert_eq!(shown_id("Doe^John"), "?");
    }

    proptest! {
        #[test]
        fn sealed_then_opened_is_equal_and_hides(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            place in "[A-Z]{3}-[0-9]{1,2}", entry in any::<u32>(),
        ) {
            let ring = keyring(&["a"]);
            let here = spot(&place, entry);
            for letters in [Letters::Base64, Letters::Hex] {
                let text = seal(&ring, "a", &plain, &here, letters);
                prop_assert_eq!(opened(&ring, &text, &here), Ok(plain.clone()));
                prop_assert!(text.is_ascii());
            }
        }

        #[test]
        fn any_text_is_refused_without_panic(text in ".{0,120}", tail in "[.x]?[ -~]{0,120}") {
            let ring = keyring(&["a"]);
            let here = spot("PID-3", NO_ENTRY);
            prop_assert!(opened(&ring, &text, &here).is_err());
            let marked = format!("{MARK}{tail}");
            prop_assert!(opened(&ring, &marked, &here).is_err());
        }
    }
}
