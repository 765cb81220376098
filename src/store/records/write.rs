//! Writes to the record store, one after another.

use std::collections::HashSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Collection, shelf_of, version_at, write_key};
use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};
use crate::fault::Fault;
use crate::message::{ActionRecord, Entry, RecordsRecord, Revision};
use crate::records::{Key, Look, Place, Scope, Version, Visit};
use crate::store::Store;
use crate::store::index::{Order, decode, keys::after_prefix, record_keys as key};

/// Bytes of versions in memory at which a writer helps the index along: what it has taken
/// needs no memory.
const FRESH_BYTES_MAX: usize = 32 << 20;

/// Versions in memory that a writer looks at one by one; beyond, it helps the index along
/// first. Small, since each is parsed, and not smaller, since the index takes entries best
/// by the thousand.
const FRESH_LOOKS_MAX: usize = 64;

/// Bytes that a write may grow by on its way to disk, beyond its body: versions are the
/// body with ids and times, and a Provenance names each.
const GROWTH: usize = 2;

/// Who writes, and what.
#[derive(Clone, Debug)]
pub struct RecordWrite {
    /// The collection.
    pub collection: Arc<str>,
    /// The message that writes.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// The destination.
    pub destination: DestinationName,
    /// Configuration that made the body.
    pub revision: Revision,
    /// Keyed hash of the body.
    pub body: [u8; 16],
    /// Bytes of the body.
    pub bytes: usize,
    /// The time of day.
    pub now: Timestamp,
}

/// What became of a write.
#[derive(Clone, Debug)]
pub struct Wrote {
    /// The entry, on disk.
    pub record: Arc<RecordsRecord>,
    /// Whether it was written before, by the same message with the same body.
    pub again: bool,
}

impl RecordWrite {
    /// The entry of this write without versions and answers, at a time.
    fn begin(&self, at: Timestamp) -> RecordsRecord {
        RecordsRecord {
            collection: self.collection.clone(),
            message: self.message,
            channel: self.channel.clone(),
            destination: self.destination.clone(),
            body: self.body,
            revision: self.revision.clone(),
            at,
            versions: Vec::new(),
            answers: Vec::new(),
            leaves: Vec::new(),
        }
    }
}

impl Store {
    /// Writes to the record store: `make` fills the entry by what stands, alone among
    /// writers; returns when it is on disk. The same body of the same message is not made
    /// again: its entry is given as it was written.
    ///
    /// When the caller goes away meanwhile, the entry is written whole or not at all.
    ///
    /// # Errors
    /// Those of `make`, with which nothing is written; `W6004` when the journal failed, now or
    /// before; `W6005` when the disk or `max_size` is full; `W6006`, `W6009`, `W6011`.
    pub async fn write_records(
        &self,
        write: &RecordWrite,
        make: impl FnOnce(&dyn Look, &mut RecordsRecord) -> Result<(), Fault> + Send,
    ) -> Result<Wrote, Fault> {
        self.has_space()?;
        let permit = self.reserve(write.bytes.saturating_mul(GROWTH)).await?;
        let collection = self.collection(&write.collection);
        let mut times = self.read().recording.lock().await;
        let last = match times.get(&write.collection) {
            Some(last) => *last,
            None => collection.last_write()?,
        };
        let mut record = write.begin(write.now.max(Timestamp::from_micros(last.micros() + 1)));
        if let Some((record, durable)) = self.written(&record)? {
            drop(times);
            if !durable {
                // Entries reach the disk in order: when this one has, so has that.
                let (at, settings, leaves) = (write.now, Vec::new(), Vec::new());
                let entry = Entry::Action(Box::new(ActionRecord { at, settings, leaves }));
                self.commit(entry).await?;
            }
            return Ok(Wrote { record, again: true });
        }
        if self.read().live().records.bytes > FRESH_BYTES_MAX {
            drop(self.read().caught_up()?);
        }
        aside(|| make(&Writing(&collection), &mut record))?;
        let at = record.at;
        let record = Arc::new(record);
        let mut ready = self.ready_to_send(Entry::Records(Box::new((*record).clone())))?;
        ready.versions = Some(record.clone());
        let (done, answer) = oneshot::channel();
        self.hand_over(ready, Some(done), None, permit)?;
        times.insert(write.collection.clone(), at);
        drop(times);
        answer.await.unwrap_or_else(|_| Err(self.gone()))?;
        Ok(Wrote { record, again: false })
    }

    /// The entry of the same write before, and whether it is on disk.
    fn written(&self, like: &RecordsRecord) -> Result<Option<(Arc<RecordsRecord>, bool)>, Fault> {
        let shared = self.read();
        let own = write_key(&shared.secret, like);
        if let Some(record) = shared.live().records.write(&own) {
            return Ok(Some((record, false)));
        }
        let Some(at) = shared.kv.read(&key::write(&own))? else { return Ok(None) };
        let record = shared.record_cache.read(shared, decode(&at)?)?;
        Ok(Some((record, true)))
    }
}

/// Does what may read much of the index, while other tasks of this thread go on elsewhere.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread, as of a test, has no elsewhere.
        _ => work(),
    }
}

impl Collection {
    /// When the collection was last written to, by the index.
    fn last_write(&self) -> Result<Timestamp, Fault> {
        drop(self.shared().caught_up()?);
        let scope = shelf_of(&self.shared().secret, &self.name, None);
        let from = Bound::Included(key::log_of(&scope));
        let to = Bound::Excluded(after_prefix(&key::log_of(&scope)));
        let mut last = Timestamp::default();
        self.shared().kv.walk(from, to, Order::Down, &mut |row, _| {
            last = Timestamp::from_micros(key::log_place(row).map_or(0, |(micros, _)| micros));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(last)
    }
}

/// A collection as a writer sees it: with what was handed over and is not in the index.
struct Writing<'a>(&'a Collection);

impl Look for Writing<'_> {
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        let record = self.0.record(kind, id);
        // First memory, then the index: what leaves the one is in the other before.
        let fresh = self.0.shared().live().records.of(&record).last().cloned();
        match fresh {
            Some(fresh) => Ok(version_at(&fresh.record, fresh.slot)),
            None => self.0.indexed_latest(kind, id),
        }
    }

    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        let record = self.0.record(kind, id);
        let own = |live: &super::fresh::Fresh| {
            live.of(&record).iter().find(|fresh| fresh.number == number).cloned()
        };
        let fresh = own(&self.0.shared().live().records);
        match fresh {
            Some(fresh) => Ok(version_at(&fresh.record, fresh.slot)),
            None => self.0.indexed_version(kind, id, number),
        }
    }

    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        // What the index has is narrowed by keys; the little that it has not is looked at
        // whole. First memory, then the index, as above.
        let shelf = self.0.shelf(kind);
        let mut fresh = self.0.shared().live().records.on(&shelf);
        if fresh.len() > FRESH_LOOKS_MAX {
            self.0.catch_up()?;
            fresh = self.0.shared().live().records.on(&shelf);
        }
        let known: HashSet<[u8; 16]> = fresh.iter().map(|(record, _)| *record).collect();
        if after.is_none() {
            for (_, fresh) in &fresh {
                let version = version_at(&fresh.record, fresh.slot).filter(|v| !v.deleted);
                if let Some(version) = version
                    && visit(version)?.is_break()
                {
                    return Ok(());
                }
            }
        }
        self.0.indexed_visit(kind, keys, after, &mut |record, version| {
            if known.contains(&record) { Ok(ControlFlow::Continue(())) } else { visit(version) }
        })
    }

    fn log(
        &self,
        scope: Scope<'_>,
        before: Option<Place>,
        visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        self.0.log(scope, before, visit)
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        Look::counts(self.0)
    }
}
