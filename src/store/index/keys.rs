//! Keys of the index. The first byte names the table; numbers are big-endian, so that keys
//! sort as they do.
//!
//! | key | value | for |
//! | --- | --- | --- |
//! | `!format`, `!position`, `!boot`, `!clean` | | format, journal position it reflects, boot of the machine, whether it was closed |
//! | `!removed` segment | | segments whose messages were taken out |
//! | `c` queue | counts | ledger |
//! | `b` message id, rest | location | a write to the record store |
//! | `d` epoch, duplicate key | message id, received | duplicate detection |
//! | `h` scope, time, slot | shelf, record, number | versions of resources in order |
//! | `i` message id | position | a message by id; ids sort by time |
//! | `k` epoch, name hash, value hash, position | | search keys |
//! | `m` position | row | messages in order |
//! | `n` consent id | consent row | a consent by id |
//! | `p` patient hash, consent id | | consents of a patient |
//! | `q` queue, place | lane, queue item | waiting deliveries in order |
//! | `r` shelf, record | record row | the latest version of a resource |
//! | `s` key | position, value | action settings |
//! | `u` queue | channel, destination | names of queues |
//! | `v` shelf, record, number | version row | a version of a resource |
//! | `x` shelf, search key, record | | resources by what they are found by |
//! | `y` shelf | shelf row | names of shelves: collection and type, and how many they hold |
//! | `z` state, position, queue | | deliveries by state, but delivered and filtered |
//!
//! Hashes have no order, and rows of one batch should lie together. So they are kept by
//! epoch: 16,384 positions. A search by key looks once into each epoch.

use super::Position;
use super::row::QueueId;
use crate::base::{ChannelName, MessageId};
use crate::message::State;

pub const FORMAT: &[u8] = b"!format";
pub const POSITION: &[u8] = b"!position";
pub const BOOT: &[u8] = b"!boot";
pub const CLEAN: &[u8] = b"!clean";

pub(super) fn key(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    key.push(table);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// The first key behind all keys with this prefix. Tables are ASCII, so one exists.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

pub fn removed(segment: u32) -> Vec<u8> {
    [b"!removed".as_slice(), &segment.to_be_bytes()].concat()
}

pub fn counts(queue: QueueId) -> Vec<u8> {
    key(b'c', &[&queue.0.to_be_bytes()])
}

/// Positions of an epoch, as a power of two.
const EPOCH_BITS: u32 = 14;

/// The epoch of a position.
pub fn epoch(position: Position) -> u32 {
    u32::try_from(position >> EPOCH_BITS).unwrap_or(u32::MAX)
}

/// All duplicate keys of an epoch have this prefix.
pub fn duplicates(epoch: u32) -> Vec<u8> {
    key(b'd', &[&epoch.to_be_bytes()])
}

pub fn duplicate(epoch: u32, hash: &[u8; 16]) -> Vec<u8> {
    key(b'd', &[&epoch.to_be_bytes(), hash])
}

pub fn id(id: MessageId) -> Vec<u8> {
    key(b'i', &[&id.to_bytes()])
}

/// A search key: short form of its name, and its hash.
pub type Search = ([u8; 4], [u8; 16]);

/// All positions of an epoch under a search key have this prefix.
pub fn search_prefix(epoch: u32, (name, hash): &Search) -> Vec<u8> {
    key(b'k', &[&epoch.to_be_bytes(), name, hash])
}

pub fn search(search: &Search, position: Position) -> Vec<u8> {
    let mut key = search_prefix(epoch(position), search);
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// All messages have this prefix.
pub const MESSAGES: &[u8] = b"m";

pub fn message(position: Position) -> Vec<u8> {
    key(b'm', &[&position.to_be_bytes()])
}

pub fn consent(id: &str) -> Vec<u8> {
    key(b'n', &[id.as_bytes()])
}

pub fn patient_prefix(hash: &[u8; 16]) -> Vec<u8> {
    key(b'p', &[hash])
}

pub fn patient(hash: &[u8; 16], id: &str) -> Vec<u8> {
    key(b'p', &[hash, id.as_bytes()])
}

pub fn queue(queue: QueueId, place: Position) -> Vec<u8> {
    key(b'q', &[&queue.0.to_be_bytes(), &place.to_be_bytes()])
}

/// All waiting deliveries of a queue have this prefix.
pub fn queue_prefix(queue: QueueId) -> Vec<u8> {
    key(b'q', &[&queue.0.to_be_bytes()])
}

pub fn setting(name: &str) -> Vec<u8> {
    key(b's', &[name.as_bytes()])
}

/// Name of the action setting with the answer a sender heard in the place of the one that
/// the message's own entry names. It goes with its message.
pub fn answered(id: MessageId) -> String {
    format!("{ANSWERED}{id}")
}

const ANSWERED: &str = "answered ";

/// The message that a setting of [`answered`] is about; none for other settings.
pub fn answered_message(name: &str) -> Option<MessageId> {
    name.strip_prefix(ANSWERED)?.parse().ok()
}

/// What marks one message until something about it is done: the setting `WORD CHANNEL/ID`.
/// While it is set, the message and its content stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was acknowledged and is not processed yet (`ack = "on-receipt"`).
    Received,
    /// It is a fragment whose message is not whole yet.
    Fragment,
    /// Its application acknowledgment is due.
    Application,
}

impl Mark {
    const ALL: [Self; 3] = [Self::Received, Self::Fragment, Self::Application];

    const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Fragment => "fragment",
            Self::Application => "app-ack",
        }
    }

    /// What the names of these marks begin with, for messages of a channel.
    #[must_use]
    pub fn prefix(self, channel: &ChannelName) -> String {
        format!("{} {channel}/", self.word())
    }

    /// Name of the setting for a message.
    #[must_use]
    pub fn of(self, channel: &ChannelName, message: MessageId) -> String {
        format!("{} {channel}/{message}", self.word())
    }
}

/// Names of the settings that may mark a message.
pub fn marks(channel: &ChannelName, id: MessageId) -> impl Iterator<Item = String> {
    Mark::ALL.into_iter().map(move |mark| mark.of(channel, id))
}

/// The message that a setting of [`marks`] is about; none for other settings.
pub fn marked_message(name: &str) -> Option<MessageId> {
    let (word, rest) = name.split_once(' ')?;
    let (_, id) = rest.rsplit_once('/')?;
    Mark::ALL.iter().any(|mark| mark.word() == word).then(|| id.parse().ok()).flatten()
}

pub fn names(queue: QueueId) -> Vec<u8> {
    key(b'u', &[&queue.0.to_be_bytes()])
}

pub fn state(state: State, position: Position, queue: QueueId) -> Vec<u8> {
    key(b'z', &[&[state as u8], &position.to_be_bytes(), &queue.0.to_be_bytes()])
}

pub fn state_at(state: State, position: Position) -> Vec<u8> {
    key(b'z', &[&[state as u8], &position.to_be_bytes()])
}

/// The number in the last 8 bytes.
pub fn last_number(key: &[u8]) -> Position {
    key.last_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b))
}

/// Eight bytes from `at` on, as a number.
pub fn number_at(key: &[u8], at: usize) -> Position {
    key.get(at..).and_then(|k| k.first_chunk::<8>()).map_or(0, |b| u64::from_be_bytes(*b))
}

/// Short form of a search key's name: names are few, so four bytes tell them apart, and
/// one that meets another by chance only costs a second look.
pub fn name_hash(name: &str) -> [u8; 4] {
    crc32fast::hash(name.as_bytes()).to_be_bytes()
}
