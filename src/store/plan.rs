//! Plans, keys and the rows that readers see.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Position;
use crate::base::{ByteSize, ChannelName, DestinationName, MessageId, Timestamp};
use crate::fault::Fault;
use crate::message::{LaneKey, State};
use crate::seal::Keyring;

/// `[store]` of `config.toml`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlan {
    /// Where the store lives.
    pub directory: PathBuf,
    /// `commit = "each"`: one sync per entry; else (`"group"`) one per batch.
    pub commit_each: bool,
    /// Size of a segment file, preallocated.
    pub segment_bytes: ByteSize,
    /// Largest size of the journal; reached, new messages are refused.
    pub max_size: Option<ByteSize>,
    /// Free space of the disk below which new messages are refused.
    pub min_free: ByteSize,
    /// How long messages stay whose deliveries all ended well.
    pub keep_delivered: Duration,
    /// How long messages stay of which a delivery is dead.
    pub keep_dead: Duration,
    /// How long content stays of messages whose deliveries all ended well; what happened to
    /// them stays `keep_delivered`.
    pub keep_content: Duration,
    /// How long audit leaves stay, whatever else goes; as `[audit] keep`.
    pub keep_audit: Duration,
    /// Where the index lives, and with it who drives the writer.
    pub index: IndexHome,
}

/// Where the index lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexHome {
    /// sled, in `index` below the store's directory; threads write and index.
    Directory,
    /// In memory, made from the journal at each start; nothing runs but tasks of the
    /// caller's runtime. For simulation and tests.
    Memory,
}

impl StorePlan {
    /// The defaults of `[store]`, below a directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            directory,
            commit_each: false,
            // A roll every 50,000 messages of 1 KB: rare enough to cost nothing, often
            // enough to give space back by the day.
            segment_bytes: ByteSize(64 << 20),
            max_size: None,
            min_free: ByteSize(1 << 30),
            keep_delivered: 30 * day,
            keep_dead: 180 * day,
            keep_content: 7 * day,
            keep_audit: 6 * 365 * day,
            index: IndexHome::Directory,
        }
    }
}

/// Key that seals the journal at rest, with its id in the keyring.
#[derive(Clone)]
pub struct RestKey {
    /// Its id; at most 64 bytes.
    pub id: Arc<str>,
    /// The key.
    pub bytes: zeroize::Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for RestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RestKey({})", self.id)
    }
}

/// The keys of the journal at rest: the first seals what is written from now on, all of
/// them open what was written before. None: written in clear.
#[derive(Clone, Debug, Default)]
pub struct RestKeys(Arc<[RestKey]>);

impl RestKeys {
    /// Takes keys, the one for writing first.
    #[must_use]
    pub fn new(keys: Vec<RestKey>) -> Self {
        Self(keys.into())
    }

    /// Those of a keyring: its active `rest` key, then the retired ones.
    ///
    /// # Errors
    /// `W5003` when none is active.
    pub fn of(keyring: &Keyring) -> Result<Self, Fault> {
        let keys = keyring.rest_keys()?.into_iter();
        Ok(Self(keys.map(|(id, bytes)| RestKey { id, bytes }).collect()))
    }

    /// The key that seals what is written.
    pub(super) fn newest(&self) -> Option<&RestKey> {
        self.0.first()
    }

    /// The key of an id.
    pub(super) fn find(&self, id: &str) -> Option<&RestKey> {
        self.0.iter().find(|key| *key.id == *id)
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Entries of the journal, pruned ones included.
    pub entries: u64,
    /// Bytes of a torn tail that were cut off; none of them was acknowledged.
    pub torn_bytes: u64,
    /// Entries read to bring the index up to date.
    pub replayed_into_index: u64,
    /// Whether the index was made anew, because it was missing, damaged, of another format,
    /// ahead of the journal, or because the machine went down without stopping weir.
    pub index_rebuilt: bool,
    /// How long it took.
    pub duration: Duration,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The channel.
    pub channel: ChannelName,
    /// Its destination.
    pub destination: DestinationName,
    /// Deliveries committed.
    pub committed: u64,
    /// In the queue.
    pub waiting: u64,
    /// Kept back.
    pub held: u64,
    /// Delivered.
    pub delivered: u64,
    /// Filtered.
    pub filtered: u64,
    /// Denied.
    pub denied: u64,
    /// Skipped.
    pub skipped: u64,
    /// Dead.
    pub dead: u64,
    /// Committed less the sum of the states; 0 or a message is missing.
    pub unaccounted: i64,
}

/// Metadata of a delivery for lists; no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Which message.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// Where to.
    pub destination: DestinationName,
    /// Its state.
    pub state: State,
    /// Its lane.
    pub lane: LaneKey,
    /// Position of the message in the journal; `search` continues after it.
    pub position: Position,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not to be tried before.
    pub next_try: Timestamp,
    /// When the message arrived.
    pub received: Timestamp,
    /// When it came to its state.
    pub changed: Timestamp,
    /// Sent again by a person.
    pub replay: bool,
    /// Code of its last fault.
    pub code: Option<Arc<str>>,
    /// Message type, such as `ADT^A08`.
    pub message_type: Arc<str>,
}

/// How a queue stands, for metrics and lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// The channel.
    pub channel: ChannelName,
    /// The destination.
    pub destination: DestinationName,
    /// Deliveries waiting, those between attempts included.
    pub waiting: u64,
    /// Lanes whose head waits for its next attempt, of those in memory.
    pub retrying: u64,
    /// Deliveries leased.
    pub leased: u64,
    /// Kept back.
    pub held: u64,
    /// Dead.
    pub dead: u64,
    /// Bytes of the bodies that wait.
    pub bytes: u64,
    /// When the oldest waiting message arrived.
    pub oldest: Option<Timestamp>,
    /// Earliest next attempt of a head that waits for one.
    pub next_due: Option<Timestamp>,
}

/// A delivery that the store settled itself, since its body could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Its message.
    pub message: MessageId,
    /// Why.
    pub fault: Fault,
    /// Actions of the audit leaves that were written with it.
    pub audited: Vec<Arc<str>>,
}

/// What the journal takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Bytes of its files.
    pub bytes: u64,
    /// Free bytes of its disk.
    pub free_bytes: u64,
    /// Position of the last entry on disk.
    pub last_position: Position,
    /// Segment files.
    pub segments: u64,
    /// How long the last batch took to be on disk.
    pub commit_seconds_last: f64,
    /// Entries of the last batch.
    pub commit_entries_last: u64,
    /// Whether new messages are refused for want of space (W6005).
    pub full: bool,
    /// Entries on disk that the index has not taken yet.
    pub index_lag: u64,
}
