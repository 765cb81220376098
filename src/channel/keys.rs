//! Keys of a message: lane, search keys, duplicate key. All are keyed hashes, so that the
//! index names no patient.

use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

use super::{ChannelRules, Parsed};
use crate::message::{Content, LaneKey, PatientKey, SearchKey};

/// Hashes a value under the store's search key: domain and value to 16 bytes.
pub(super) type Hash<'a> = &'a (dyn Fn(&str, &[u8]) -> [u8; 16] + 'a);

/// The names of search keys that every channel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchName {
    /// MSH-10.
    Control,
    /// The patient at the channel's `patient` path.
    Patient,
}

impl SearchName {
    /// The name, as in a filter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Patient => "patient",
        }
    }
}

/// The domain under which the value of a search key is hashed: its name.
///
/// One function for writers and readers, so that a search finds what was written.
#[must_use]
pub fn search_hash_domain(name: &str) -> &str {
    name
}

static CONTROL: LazyLock<Arc<str>> = LazyLock::new(|| SearchName::Control.as_str().into());
static PATIENT: LazyLock<Arc<str>> = LazyLock::new(|| SearchName::Patient.as_str().into());

/// Most values of one `index` path that become keys: a repeating field may hold thousands.
const VALUES_MAX: usize = 16;

/// Every patient identifier a message may be about, each once.
pub(super) fn patients(rules: &ChannelRules, content: &Content) -> Vec<PatientKey> {
    let Some(path) = &rules.consent.patient else { return Vec::new() };
    let mut found: Vec<PatientKey> = Vec::new();
    for value in path.read_all(content) {
        let key = PatientKey::new(value.reveal());
        if !key.reveal().is_empty() && !found.contains(&key) {
            found.push(key);
        }
    }
    found
}

/// The lane of a message; lane 0 where `order_by` is not set or finds nothing.
pub(super) fn lane(rules: &ChannelRules, content: &Content, hash: Hash<'_>) -> LaneKey {
    let Some(value) = rules.order_by.as_ref().and_then(|path| path.read(content)) else {
        return LaneKey::default();
    };
    if value.reveal().is_empty() {
        return LaneKey::default();
    }
    let digest = hash("lane", value.reveal().as_bytes());
    LaneKey(u64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()))
}

/// The search keys of a message.
pub(super) fn search(
    rules: &ChannelRules,
    parsed: &Parsed,
    patients: &[PatientKey],
    hash: Hash<'_>,
) -> Vec<SearchKey> {
    let key = |name: &Arc<str>, value: &str| SearchKey {
        name: name.clone(),
        hash: hash(search_hash_domain(name), value.trim().as_bytes()),
    };
    let mut keys = Vec::with_capacity(1 + patients.len() + rules.index.len());
    if let Some(control) = &parsed.control_id {
        keys.push(key(&CONTROL, control.reveal()));
    }
    for patient in patients.iter().take(VALUES_MAX) {
        keys.push(key(&PATIENT, patient.reveal()));
    }
    for (name, path) in &rules.index {
        for value in path.read_all(&parsed.content).into_iter().take(VALUES_MAX) {
            if !value.reveal().trim().is_empty() {
                keys.push(key(name, value.reveal()));
            }
        }
    }
    keys
}

/// The duplicate key: in which channel, who sent it (MSH-3, MSH-4), under which control ID,
/// and which bytes. None without a control ID. One message sent to two channels is two.
pub(super) fn duplicate(
    rules: &ChannelRules,
    parsed: &Parsed,
    digest: &[u8; 32],
    hash: Hash<'_>,
) -> Option<[u8; 16]> {
    let control = parsed.control_id.as_ref()?;
    let mut value = Vec::with_capacity(192);
    value.extend_from_slice(rules.name.as_str().as_bytes());
    value.push(0);
    value.extend_from_slice(parsed.sender.reveal().as_bytes());
    value.push(0);
    value.extend_from_slice(control.reveal().as_bytes());
    value.push(0);
    value.extend_from_slice(digest);
    Some(hash("duplicate", &value))
}

/// The key by which a repetition of a message is known; none without a control ID.
#[must_use]
pub fn duplicate_key(
    rules: &ChannelRules,
    parsed: &Parsed,
    bytes: &[u8],
    hash: &dyn Fn(&str, &[u8]) -> [u8; 16],
) -> Option<[u8; 16]> {
    duplicate(rules, parsed, &Sha256::digest(bytes).into(), hash)
}
