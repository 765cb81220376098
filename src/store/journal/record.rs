//! Records: entries as bytes.
//!
//! Text of a payload: kind, version, the audit chain's head when the frame's flag says so,
//! then the record in postcard. Reading refuses a kind or version it does not know.

use serde::Serialize;

use super::Position;
use crate::audit::ChainHead;
use crate::fault::{Fault, codes};
use crate::message::{Entry, Fate, Leaf, Outcome};

const MESSAGE: u8 = 1;
const OUTCOME: u8 = 2;
const CONSENT: u8 = 3;
const ACTION: u8 = 4;
/// Leaves of removed entries, in archives only.
const LEAVES: u8 = 5;
const RECORDS: u8 = 6;
/// Version of every record so far. A change of a record's shape counts this up for its
/// kind and keeps a reader of the old shape.
const VERSION: u8 = 1;
/// Bytes of kind and version.
pub const PREFIX_BYTES: usize = 2;
/// Bytes of a chain head.
pub const CHAIN_BYTES: usize = 32;

/// Bytes that an entry takes encoded, guessed from above: contents by their length, and a
/// generous sum for each small thing around them.
pub fn room_for(entry: &Entry) -> usize {
    const SMALL: usize = 320;
    let leaves = |leaves: &[Leaf]| leaves.len() * SMALL;
    let body = |fate: &Fate| match fate {
        Fate::Deliver(body) => body.bytes.len(),
        Fate::Filtered(_) | Fate::Dead(_) => 0,
        Fate::Denied(decision) | Fate::Held(decision) => decision.losers.len() * SMALL,
    };
    SMALL
        + match entry {
            Entry::Message(record) => {
                let owed = record.owed.iter().map(|owed| SMALL + body(&owed.fate));
                let steps = record.trail.steps.iter().map(|s| SMALL + s.warnings.len() * SMALL);
                let keys = record.keys.len() * SMALL;
                let parts = owed.chain(steps).sum::<usize>() + keys + leaves(&record.leaves);
                record.original.bytes.len() + SMALL + parts
            }
            Entry::Outcome(record) => {
                let body = match &record.outcome {
                    Outcome::Requeued { body, .. } => body.as_ref().map_or(0, |b| b.bytes.len()),
                    Outcome::Denied(decision) => decision.losers.len() * SMALL,
                    _ => 0,
                };
                body + SMALL + leaves(&record.leaves)
            }
            Entry::Consent(record) => {
                record.resource.len() + record.patients.len() * SMALL + leaves(&record.leaves)
            }
            Entry::Action(record) => {
                let settings = record.settings.iter().map(|(key, value)| key.len() + value.len());
                settings.sum::<usize>() + leaves(&record.leaves)
            }
            Entry::Records(record) => {
                let versions = record.versions.iter().map(|version| SMALL + version.body.len());
                let answers = record.answers.len() * SMALL;
                versions.sum::<usize>() + answers + leaves(&record.leaves)
            }
        }
}

/// Encodes an entry: prefix and record, without chain head.
///
/// # Errors
/// `W9001` when a record cannot be encoded, which none does.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, Fault> {
    fn put<T: Serialize>(kind: u8, record: &T, room: usize) -> postcard::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(room);
        bytes.extend_from_slice(&[kind, VERSION]);
        postcard::to_extend(record, bytes)
    }
    let room = room_for(entry);
    let bytes = match entry {
        Entry::Message(record) => put(MESSAGE, &**record, room),
        Entry::Outcome(record) => put(OUTCOME, &**record, room),
        Entry::Consent(record) => put(CONSENT, &**record, room),
        Entry::Action(record) => put(ACTION, &**record, room),
        Entry::Records(record) => put(RECORDS, &**record, room),
    };
    bytes.map_err(|_| Fault::new(codes::W9001).because("a record cannot be encoded"))
}

/// Leaves of an entry, by its position.
pub type LeavesOf = (Position, Vec<Leaf>);

/// Encodes leaves of removed entries.
///
/// # Errors
/// `W9001` when they cannot be encoded, which all can.
pub fn encode_leaves(batch: &[LeavesOf]) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(batch, vec![LEAVES, VERSION])
        .map_err(|_| Fault::new(codes::W9001).because("leaves cannot be encoded"))
}

/// Decodes leaves of removed entries.
///
/// # Errors
/// `W6007` for an unknown kind or version, `W6003` when they do not decode.
pub fn decode_leaves(parts: &Parts<'_>) -> Result<Vec<LeavesOf>, Fault> {
    if (parts.kind, parts.version) != (LEAVES, VERSION) {
        return Err(unknown(parts));
    }
    postcard::from_bytes(parts.record)
        .map_err(|_| Fault::new(codes::W6003).because("a whole frame holds no leaves"))
}

fn unknown(parts: &Parts<'_>) -> Fault {
    let what = format!("record kind {} version {}", parts.kind, parts.version);
    Fault::new(codes::W6007).because(what)
}

/// What stands in a text: its chain head, kind, version and record.
pub struct Parts<'a> {
    kind: u8,
    version: u8,
    pub chain: Option<ChainHead>,
    record: &'a [u8],
}

/// Splits a text.
pub fn split(text: &[u8], chained: bool) -> Option<Parts<'_>> {
    let ([kind, version], rest) = text.split_first_chunk::<PREFIX_BYTES>()?;
    let (chain, record) = if chained {
        let (head, record) = rest.split_first_chunk::<CHAIN_BYTES>()?;
        (Some(ChainHead(*head)), record)
    } else {
        (None, rest)
    };
    Some(Parts { kind: *kind, version: *version, chain, record })
}

/// Decodes an entry.
///
/// # Errors
/// `W6007` for an unknown kind or version, `W6003` when the record does not decode.
pub fn decode(parts: &Parts<'_>) -> Result<Entry, Fault> {
    if parts.version != VERSION {
        return Err(unknown(parts));
    }
    let record = match parts.kind {
        MESSAGE => postcard::from_bytes(parts.record).map(|r| Entry::Message(Box::new(r))),
        OUTCOME => postcard::from_bytes(parts.record).map(|r| Entry::Outcome(Box::new(r))),
        CONSENT => postcard::from_bytes(parts.record).map(|r| Entry::Consent(Box::new(r))),
        ACTION => postcard::from_bytes(parts.record).map(|r| Entry::Action(Box::new(r))),
        RECORDS => postcard::from_bytes(parts.record).map(|r| Entry::Records(Box::new(r))),
        _ => return Err(unknown(parts)),
    };
    record.map_err(|_| Fault::new(codes::W6003).because("a whole entry holds no record"))
}
