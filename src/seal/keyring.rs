//! The keyring: named keys in a text file that is the root of trust.
//!
//! ```toml
//! version = 1
//!
//! [[key]]
//! name = "patient-ids"
//! id = "7K2M9QXT"
//! created = "2026-01-02T03:04:05.000Z"
//! state = "active"
//! secret = "base64 of 32 bytes"
//! ```
//!
//! Every name has at most one active key, which seals; retired keys only open. `rest` is the
//! key of the journal, `search` that of keyed hashes. The id of a key is derived from its
//! secret, so that a secret changed by hand is noticed and one id never means two secrets.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base::Timestamp;
use crate::fault::codes::{W5001, W5002, W5003};
use crate::fault::{Fault, Place};

/// Name of the key of the journal at rest.
pub const REST: &str = "rest";

/// Id and secret of a key of the journal at rest.
pub type RestSecret = (Arc<str>, Zeroizing<[u8; 32]>);

/// Name of the key of keyed hashes: search keys, lanes, duplicate detection.
pub const SEARCH: &str = "search";

/// Largest keyring taken, in bytes: thousands of keys fit.
pub const KEYRING_BYTES_MAX: usize = 1 << 20;

/// Most keys of a keyring: lookups walk the list, and a site rotates a few names a year.
pub const KEYS_MAX: usize = 4096;

/// The version of the form that this program reads and writes.
const VERSION: u32 = 1;

/// Letters of key ids: none is a delimiter of HL7 v2 in any message seen.
const ID_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Length of a key id in characters.
pub(super) const ID_CHARS: usize = 8;

/// One key.
pub(super) struct Key {
    pub name: Arc<str>,
    pub id: Arc<str>,
    created: Option<Timestamp>,
    active: bool,
    pub secret: Zeroizing<[u8; 32]>,
}

/// Named keys. Copies share them; they are wiped when the last copy goes.
#[derive(Clone)]
pub struct Keyring(Arc<[Key]>);

/// Shows names and ids, never secrets.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|key| (&key.name, &key.id))).finish()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u32,
    #[serde(default)]
    key: Vec<KeyForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    name: String,
    id: String,
    created: Option<String>,
    state: String,
    secret: String,
}

/// SHA-256 keyed.
pub(super) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The first `chars` digits of base 32 of bytes.
pub(super) fn base32(bytes: &[u8], chars: usize) -> String {
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| usize::from(byte >> (7 - n % 8)) & 1);
    let digit = |place: usize| (0..5).fold(0, |value, n| value << 1 | bit(place * 5 + n));
    (0..chars).filter_map(|place| ID_ALPHABET.get(digit(place)).map(|b| char::from(*b))).collect()
}

/// The id of a secret.
fn id_of(secret: &[u8; 32]) -> String {
    base32(&hmac(secret, &[b"weir/key-id/1"]), ID_CHARS)
}

fn is_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(letter)
}

impl KeyForm {
    fn read(self) -> Result<Key, &'static str> {
        if !is_name(&self.name) {
            return Err("a name has 1 to 64 characters of a-z, 0-9, `-` and `_`");
        }
        let mut secret = Zeroizing::new([0; 32]);
        let text = Zeroizing::new(self.secret);
        let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
        match bytes.as_deref() {
            Ok(bytes) if bytes.len() == secret.len() => secret.copy_from_slice(bytes),
            _ => return Err("its secret is not the base64 of 32 bytes"),
        }
        if id_of(&secret) != self.id {
            return Err("its id does not belong to its secret");
        }
        let created = match self.created.as_deref().map(Timestamp::parse) {
            Some(None) => return Err("`created` is not a time such as `2026-01-02T03:04:05Z`"),
            created => created.flatten(),
        };
        let active = match self.state.as_str() {
            "active" => true,
            "retired" => false,
            _ => return Err("its state is neither `active` nor `retired`"),
        };
        Ok(Key { name: self.name.into(), id: self.id.into(), created, active, secret })
    }
}

impl Keyring {
    /// Reads the text of a keyring.
    ///
    /// # Errors
    /// `W5001` when it is no keyring of a known version, `W5002` when one of its keys is not
    /// valid; the cause names the key by its number and never holds its secret.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let unreadable = |cause: &'static str| Fault::new(W5001).because(cause);
        if bytes.len() > KEYRING_BYTES_MAX {
            return Err(unreadable("larger than 1 MiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable("not text"))?;
        // The parser's own words quote what they found, which may be a secret.
        let file: FileForm = toml::from_str(text).map_err(|error| {
            let line = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = line.bytes().filter(|b| *b == b'\n').count() + 1;
            Fault::new(W5001).because(format!("line {line} is not that of a keyring"))
        })?;
        if file.version != VERSION {
            return Err(unreadable("of a version that this program does not know"));
        }
        if file.key.len() > KEYS_MAX {
            return Err(unreadable("more than 4096 keys"));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(file.key.len());
        for (number, form) in file.key.into_iter().enumerate() {
            let key = form.read().and_then(|key| {
                if keys.iter().any(|other| other.id == key.id) {
                    return Err("the same key stands there before");
                }
                let rival = |other: &&Key| other.active && key.active && other.name == key.name;
                match keys.iter().find(rival) {
                    Some(_) => Err("its name has an active key before; retire one of them"),
                    None => Ok(key),
                }
            });
            keys.push(key.map_err(|cause| {
                Fault::new(W5002).because(format!("key number {}: {cause}", number + 1))
            })?);
        }
        Ok(Self(keys.into()))
    }

    /// Whether it has an active key of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.active(name).is_ok()
    }

    /// Names of the active keys, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|key| key.active).map(|key| &*key.name)
    }

    /// When the active keys were made, by name; without those whose age is not noted.
    pub fn created(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let active = self.0.iter().filter(|key| key.active);
        active.filter_map(|key| Some((&*key.name, key.created?)))
    }

    /// The active key of a name.
    pub(super) fn active(&self, name: &str) -> Result<&Key, Fault> {
        let found = self.0.iter().find(|key| key.active && *key.name == *name);
        found.ok_or_else(|| {
            Fault::new(W5003)
                .at(Place::path(name))
                .remedy(format!("Add a key named `{name}` to the keyring, or name one of it."))
        })
    }

    /// The key of an id, active or not.
    pub(super) fn by_id(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| *key.id == *id)
    }

    /// The key of the journal at rest for new segments: id and secret.
    ///
    /// # Errors
    /// `W5003` when there is none.
    pub fn rest_key(&self) -> Result<(Arc<str>, Zeroizing<[u8; 32]>), Fault> {
        self.active(REST).map(|key| (key.id.clone(), key.secret.clone()))
    }

    /// All keys of the journal at rest, the one for new segments first: id and secret.
    ///
    /// # Errors
    /// `W5003` when none is active.
    pub fn rest_keys(&self) -> Result<Vec<RestSecret>, Fault> {
        let newest = self.active(REST)?;
        let retired = self.0.iter().filter(|key| *key.name == *REST && key.id != newest.id);
        Ok(std::iter::once(newest)
            .chain(retired)
            .map(|key| (key.id.clone(), key.secret.clone()))
            .collect())
    }

    /// The key of the journal at rest of an id, retired ones included, for old segments.
    ///
    /// # Errors
    /// `W5003` when there is none.
    pub fn rest_key_of(&self, id: &str) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let key = self.by_id(id).filter(|key| *key.name == *REST);
        key.map(|key| key.secret.clone()).ok_or_else(|| {
            Fault::new(W5003).because("a part of the journal was written with another `rest` key")
        })
    }

    /// The key of keyed hashes.
    ///
    /// # Errors
    /// `W5003` when there is none.
    pub fn search_key(&self) -> Result<Zeroizing<[u8; 32]>, Fault> {
        self.active(SEARCH).map(|key| key.secret.clone())
    }

    /// Makes the text of a new keyring with fresh keys of these names, `rest` and `search`.
    #[must_use]
    pub fn generate(names: &[&str], entropy: &mut dyn FnMut(&mut [u8])) -> String {
        Self::generate_at(names, None, entropy)
    }

    /// As [`Keyring::generate`], noting when.
    #[must_use]
    pub fn generate_at(
        names: &[&str],
        now: Option<Timestamp>,
        entropy: &mut dyn FnMut(&mut [u8]),
    ) -> String {
        let mut keys: Vec<Key> = Vec::new();
        for name in [REST, SEARCH].iter().chain(names) {
            if !keys.iter().any(|key| *key.name == **name) {
                keys.push(Key::fresh(name, now, entropy));
            }
        }
        Self(keys.into()).to_text()
    }

    /// The text of this keyring with a fresh key of a name; the one before is retired.
    #[must_use]
    pub fn rotated(
        &self,
        name: &str,
        now: Option<Timestamp>,
        entropy: &mut dyn FnMut(&mut [u8]),
    ) -> String {
        let keep = |key: &Key| Key {
            name: key.name.clone(),
            id: key.id.clone(),
            created: key.created,
            active: key.active && *key.name != *name,
            secret: key.secret.clone(),
        };
        let mut keys: Vec<Key> = self.0.iter().map(keep).collect();
        keys.push(Key::fresh(name, now, entropy));
        Self(keys.into()).to_text()
    }

    /// Its text, secrets in it.
    fn to_text(&self) -> String {
        let mut text = format!(
            "# Keyring of weir. Who has this file can open everything sealed with it.\n\
             version = {VERSION}\n"
        );
        for key in self.0.iter() {
            let state = if key.active { "active" } else { "retired" };
            let created = key.created.map(|at| format!("created = \"{at}\"\n"));
            let _ = write!(
                text,
                "\n[[key]]\nname = \"{}\"\nid = \"{}\"\n{}state = \"{state}\"\nsecret = \"{}\"\n",
                key.name,
                key.id,
                created.unwrap_or_default(),
                *Zeroizing::new(STANDARD.encode(key.secret.as_slice())),
            );
        }
        text
    }
}

impl Key {
    fn fresh(name: &str, now: Option<Timestamp>, entropy: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        entropy(&mut *secret);
        Self { name: name.into(), id: id_of(&secret).into(), created: now, active: true, secret }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Bytes that count up: the same in every run.
    pub fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0u8;
        move |out: &mut [u8]| {
            for byte in out {
                next = next.wrapping_mul(5).wrapping_add(113);
                *byte = next;
            }
        }
    }

    pub fn keyring(names: &[&str]) -> Keyring {
        Keyring::parse(Keyring::generate(names, &mut counting()).as_bytes()).unwrap()
    }

    #[test]
    fn a_new_keyring_reads_back() {
        let now = Some(Timestamp::from_millis(1_767_323_045_678));
        let text = Keyring::generate_at(&["patient-ids", "rest"], now, &mut counting());
        let keyring = Keyring::parse(text.as_bytes()).unwrap();
        assert_eq!(keyring.names().collect::<Vec<_>>(), ["rest", "search", "patient-ids"]);
        assert!(keyring.has("patient-ids") && !keyring.has("warehouse"));
        assert!(text.contains("created = \"2026-01-02T03:04:05.678Z\""));
        let (id, secret) = keyring.rest_key().unwrap();
        assert_eq!(keyring.rest_key_of(&id).unwrap(), secret);
        assert_ne!(keyring.search_key().unwrap(), secret);
        assert_eq!(keyring.to_text(), text);
        let search = &keyring.active(SEARCH).unwrap().id;
        assert_eq!(keyring.rest_key_of(search).unwrap_err().code(), W5003);
        assert!(!format!("{keyring:?}").contains(&STANDARD.encode(secret.as_slice())));
        assert!(format!("{keyring:?}").contains(&*id));
    }

    #[test]
    fn rotation_retires_the_key_before() {
        let before = keyring(&["patient-ids"]);
        let mut entropy = counting();
        let _ = Keyring::generate(&["patient-ids"], &mut entropy);
        let text = before.rotated("patient-ids", None, &mut entropy);
        let after = Keyring::parse(text.as_bytes()).unwrap();
        let old = before.active("patient-ids").unwrap().id.clone();
        assert_ne!(after.active("patient-ids").unwrap().id, old);
        assert!(!after.by_id(&old).unwrap().active);
        assert_eq!(after.rest_key().unwrap(), before.rest_key().unwrap());
    }

    #[test]
    fn what_is_wrong_is_named_without_secrets() {
        let good = Keyring::generate(&[], &mut counting());
        let secret = good.lines().find(|l| l.starts_with("secret")).unwrap().to_owned();
        let id = good.lines().find(|l| l.starts_with("id")).unwrap().to_owned();
        let check = |text: String, cause: &str| {
            let fault = Keyring::parse(text.as_bytes()).unwrap_err();
            assert!(fault.line().contains(cause), "{} has no `{cause}`", fault.line());
            assert!(!fault.line().contains(secret.split('"').nth(1).unwrap()));
        };
        check(String::new(), "W5001: the keyring cannot be read: line 1 is not");
        check("version = 2".into(), "of a version");
        check("version = 1\nkeys = 3".into(), "line 2");
        check(good.replacen("secret = ", "secret ", 1), "line 8");
        check(" ".repeat(KEYRING_BYTES_MAX + 1), "larger");
        check(good.replacen("\"rest\"", "\"Rest\"", 1), "W5002");
        check(good.replacen("\"rest\"", "\"Rest\"", 1), "key number 1: a name");
        check(good.replacen(&secret, "secret = \"AAAA\"", 1), "not the base64");
        check(good.replacen(&secret, "secret = \"é\"", 1), "not the base64");
        check(good.replacen(&id, "id = \"00000000\"", 1), "does not belong");
        check(good.replacen("active", "activ", 1), "its state");
        let created = "created = \"now\"\nstate";
        check(good.replacen("state", created, 1), "`created` is not a time");
        check(good.replacen("\"search\"", "\"rest\"", 1), "has an active key before");
        let (head, keys) = good.split_once("[[key]]").unwrap();
        check(format!("{head}[[key]]{keys}[[key]]{keys}"), "the same key");
        let many: String = format!("{head}key = [{}]", "{},".repeat(3));
        check(many, "line 4");
        assert_eq!(Keyring::parse(&[0xff]).unwrap_err().cause(), Some("not text"));
    }

    #[test]
    fn too_many_keys_are_refused() {
        let key = "{name=\"a\",id=\"a\",state=\"active\",secret=\"\"},";
        let text = format!("version = 1\nkey = [{}]", key.repeat(KEYS_MAX + 1));
        let fault = Keyring::parse(text.as_bytes()).unwrap_err();
        assert_eq!(fault.cause(), Some("more than 4096 keys"));
    }

    #[test]
    fn an_empty_keyring_says_which_key_it_misses() {
        let empty = Keyring::parse(b"version = 1").unwrap();
        assert_eq!(empty.rest_key().unwrap_err().code(), W5003);
        assert_eq!(empty.search_key().unwrap_err().place().to_string(), SEARCH);
        assert!(empty.active("x").err().unwrap().help().contains("`x`"));
    }

    #[test]
    fn base_32_takes_five_bits_a_digit() {
        assert_eq!(base32(&[0xff, 0x00, 0xff], 5), "ZW0FY");
        assert_eq!(base32(&[], 2), "00");
    }
}
