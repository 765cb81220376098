use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::base::{ByteSize, ChannelName, DestinationName, MessageId, Timestamp};
use crate::fault::Fault;
use crate::filter::Filter;
use crate::message::*;
use crate::ports::Ports;

/// `[store]` of config.toml, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlan {
    pub directory: PathBuf,
    /// "group" (default) or "each"
    pub commit_each: bool,
    pub segment_bytes: ByteSize,
    pub max_size: Option<ByteSize>,
    pub min_free: ByteSize,
    pub keep_delivered: Duration,
    pub keep_dead: Duration,
    pub keep_content: Duration,
}

/// Key that seals the journal at rest; 32 bytes from the keyring, with its id. `None` in the store = journal in clear only for tests.
#[derive(Clone)]
pub struct RestKey {
    pub id: Arc<str>,
    pub bytes: zeroize::Zeroizing<[u8; 32]>,
}

/// Position of an entry: counts entries from 1 over the life of the journal.
pub type Position = u64;

/// The journal as a port (DESIGN D14): segment files now, a replicated stream later.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends entries as one atomic unit each; resolves when all are on disk. Positions of the entries, in order.
    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Position>, Fault>;
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    pub entries: u64,
    pub torn_bytes: u64,
    pub replayed_into_index: u64,
    pub index_rebuilt: bool,
    pub duration: Duration,
}

/// A ledger row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    pub channel: ChannelName,
    pub destination: DestinationName,
    pub committed: u64,
    pub waiting: u64,
    pub held: u64,
    pub delivered: u64,
    pub filtered: u64,
    pub denied: u64,
    pub skipped: u64,
    pub dead: u64,
    /* committed - sum of states; must be 0 */ pub unaccounted: i64,
}

/// Metadata of a delivery for lists (no content).
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub message: MessageId,
    pub channel: ChannelName,
    pub destination: DestinationName,
    pub state: State,
    pub lane: LaneKey,
    pub position: Position,
    pub attempts: u32,
    pub next_try: Timestamp,
    pub received: Timestamp,
    pub code: Option<Arc<str>>,
    pub message_type: Arc<str>,
}

/// The queue of one destination.
#[derive(Clone, Debug)]
pub struct QueueRow {
    pub channel: ChannelName,
    pub destination: DestinationName,
    pub waiting: u64,
    pub retrying: u64,
    pub leased: u64,
    pub held: u64,
    pub dead: u64,
    pub oldest: Option<Timestamp>,
    pub next_due: Option<Timestamp>,
}

/// The open store. Cheap to clone.
#[derive(Clone)]
pub struct Store(());

impl Store {
    /// Opens or makes the store; recovers the journal (torn tail cut and reported), catches the index up or rebuilds it. One writer per directory (lock), else W6xxx. `progress(done, total)` is called during rebuild.
    pub async fn open(
        _ports: &Ports,
        _plan: &StorePlan,
        _rest: Option<RestKey>,
        _progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(Self, Recovery), Fault> {
        todo!()
    }

    /// Durable append of one entry; resolves when on disk (group commit with its neighbors) AND visible to `lease`/reads below.
    pub async fn commit(&self, _entry: Entry) -> Result<Position, Fault> {
        todo!()
    }
    /// Queues an outcome for the next group commit without waiting for the disk (bounded; waits when the queue is full). Reads see it at once.
    pub async fn settle(&self, _outcome: OutcomeRecord) -> Result<(), Fault> {
        todo!()
    }

    /// Takes up to `max` deliveries of a destination that are ready at `now`: heads of lanes that are not leased already, in order of position. A lane stays leased until its delivery is settled or `release`d. A head whose `next_try` is in the future blocks its lane only.
    pub async fn lease(
        &self,
        _channel: &ChannelName,
        _destination: &DestinationName,
        _now: Timestamp,
        _max: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        todo!()
    }
    /// Gives a leased delivery back untried (stop, pause).
    pub async fn release(&self, _delivery: &Delivery) {
        todo!()
    }
    /// Resolves when something may have become ready for this destination (new delivery, released, requeued). Cancel-safe; may wake spuriously.
    pub async fn ready(&self, _channel: &ChannelName, _destination: &DestinationName) {
        todo!()
    }
    /// Earliest `next_try` of a waiting lane head that is in the future.
    pub fn next_due(
        &self,
        _channel: &ChannelName,
        _destination: &DestinationName,
    ) -> Option<Timestamp> {
        todo!()
    }

    /// Message seen within the window under this duplicate key, if any.
    pub fn duplicate(
        &self,
        _key: &[u8; 16],
        _now: Timestamp,
        _window: Duration,
    ) -> Result<Option<MessageId>, Fault> {
        todo!()
    }
    /// Keyed hash for search, lane and duplicate keys (HMAC under the store's search key).
    pub fn keyed_hash(&self, _domain: &str, _value: &[u8]) -> [u8; 16] {
        todo!()
    }

    pub fn message(&self, _id: MessageId) -> Result<Option<MessageRecord>, Fault> {
        todo!()
    }
    /// Outcomes of a message in order (attempts, skips, replays).
    pub fn outcomes(&self, _id: MessageId) -> Result<Vec<OutcomeRecord>, Fault> {
        todo!()
    }
    /// Deliveries matching a filter (channel, dest, state, type, code, since/until, id, control, patient, index names), newest first unless `oldest_first`; at most `limit`, continuing after `after`.
    pub fn search(
        &self,
        _filter: &Filter,
        _oldest_first: bool,
        _limit: usize,
        _after: Option<Position>,
    ) -> Result<Vec<DeliveryRow>, Fault> {
        todo!()
    }
    pub fn ledger(&self, _filter: &Filter) -> Result<Vec<LedgerRow>, Fault> {
        todo!()
    }

    pub fn queues(&self) -> Result<Vec<QueueRow>, Fault> {
        todo!()
    }
    pub fn find_messages(
        &self,
        _filter: &Filter,
        _limit: usize,
        _after: Option<Position>,
    ) -> Result<Vec<(Position, MessageId)>, Fault> {
        todo!()
    }
    /// Current consents of a patient (latest version of each id, deleted left out).
    pub fn consents(&self, _patient: &PatientKey) -> Result<Vec<ConsentRecord>, Fault> {
        todo!()
    }
    pub fn consent(&self, _id: &str) -> Result<Option<ConsentRecord>, Fault> {
        todo!()
    }
    /// Latest value of an action setting (`pause adt-main/ehr`).
    pub fn setting(&self, _key: &str) -> Result<Option<Arc<str>>, Fault> {
        todo!()
    }
    pub fn settings(&self, _prefix: &str) -> Result<Vec<(Arc<str>, Arc<str>)>, Fault> {
        todo!()
    }

    /// Bytes the journal takes, bytes free on its disk, oldest waiting per destination etc. for metrics.
    pub fn usage(&self) -> Usage {
        todo!()
    }
    /// Removes whole segments that the keep rules allow (waiting and dead never early). Returns removed segments.
    pub async fn prune(&self, _now: Timestamp) -> Result<u64, Fault> {
        todo!()
    }
    /// Writes everything queued, records the position, closes.
    pub async fn close(&self) -> Result<(), Fault> {
        todo!()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub bytes: u64,
    pub free_bytes: u64,
    pub last_position: Position,
    pub segments: u64,
    pub commit_seconds_last: f64,
}
