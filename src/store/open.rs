//! Opening a store and closing it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::driver::{Driver, run_indexer};
use super::index::row::{Change, Head, QueueId};
use super::index::{ConsentChange, Event, Index, Names};
use super::journal::{self, Journal, Opened, Walked};
use super::live::Live;
use super::secret::Secret;
use super::shared::{Parts, Shared};
use super::write::ROOM_KIB;
use super::{Handle, IndexHome, Position, Recovery, RestKeys, Store, StorePlan};
use crate::fault::{Fault, Place, codes};
use crate::message::{Entry, PatientKey};
use crate::ports::Ports;

/// Entries taken into the index at once while it is made: batches sort and coalesce, and
/// their rows are in memory.
const REBUILD_BATCH: usize = 8192;

/// Batches read ahead of the index: enough that neither side waits for the other's moods,
/// some ten MB at most.
const BATCHES_AHEAD: usize = 2;

impl Store {
    /// Opens or makes the store: recovers the journal, cutting a torn tail, and brings the
    /// index up to date or makes it again. `progress(done, total)` counts entries meanwhile.
    ///
    /// # Errors
    /// `W6001` when another process has it, `W6002` when the disk refuses, `W6003` for a
    /// damaged journal, `W6007` for records of an unknown version, `W6008` without the key,
    /// `W6009` when not even an empty index can be made.
    pub async fn open(
        ports: &Ports,
        plan: &StorePlan,
        rest: RestKeys,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(Self, Recovery), Fault> {
        let start = ports.clock.monotonic();
        let refused = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
        let directory = &plan.directory;
        ports
            .files
            .create_dir(directory)
            .map_err(|e| refused(e).at(Place::file(directory.to_string_lossy())))?;
        let lock = ports.files.lock(&directory.join("lock")).map_err(refused)?;
        let lock = lock.ok_or_else(|| Fault::new(codes::W6001))?;
        let opened = journal::open(journal::WriterPlace {
            ports: ports.clone(),
            directory: directory.join("journal"),
            segment_bytes: plan.segment_bytes,
            rest: rest.clone(),
            spares: plan.index == IndexHome::Directory,
        })?;
        Self::over(opened, ports, plan, (rest, lock, start), progress)
    }

    /// Opens the store over a journal, whatever keeps it.
    pub(super) fn over(
        opened: Opened,
        ports: &Ports,
        plan: &StorePlan,
        (rest, lock, start): (RestKeys, Box<dyn Send + Sync>, Duration),
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(Self, Recovery), Fault> {
        let Opened { appender, journal, last, torn_bytes } = opened;
        let secret = Secret::open(ports, &plan.directory, &rest, last == 0)?;
        let (mut index, index_rebuilt) = open_index(ports, plan, &*journal, last)?;
        let replayed = project(&mut index, &*journal, &secret, (last, plan.index), progress)?;
        let mut live = Live::default();
        live.begin(last, index.counts.clone());
        let shared = Arc::new(Shared::new(Parts {
            plan: plan.clone(),
            ports: ports.clone(),
            live,
            index,
            journal,
            secret,
            lock,
        }));
        shared.look_at_space();
        let (requests, waiting) = mpsc::unbounded_channel();
        shared.live().requests = Some(requests);
        let driver = Driver::new(appender, shared.clone(), waiting);
        let threads = Mutex::new(start_threads(driver, &shared, plan.index)?);
        let recovery = Recovery {
            entries: last,
            torn_bytes,
            replayed_into_index: replayed,
            index_rebuilt,
            duration: ports.clock.monotonic().saturating_sub(start),
        };
        let room = Arc::new(Semaphore::new(ROOM_KIB));
        Ok((Self(Arc::new(Handle { shared, room, threads })), recovery))
    }

    /// Waits until everything handed over is on disk, brings the index up to date, writes
    /// it, waits for the store's threads and lets go of the directory: it may be opened
    /// again at once. Every commit and every read of the index after this answers `W6011`.
    ///
    /// # Errors
    /// `W6004` when the journal failed, `W6009` when the index cannot be written; the
    /// next start then makes it again.
    pub async fn close(&self) -> Result<(), Fault> {
        let shared = &self.0.shared;
        if shared.live().requests.take().is_none() {
            return Ok(());
        }
        // All room means that nothing is on its way.
        let all = u32::try_from(ROOM_KIB).unwrap_or(u32::MAX);
        let flushed = self.0.room.acquire_many(all);
        // A broken writer gives room back without writing, so this ends either way.
        drop(flushed.await);
        let done = match shared.broken.get() {
            Some(fault) => Err(fault.clone()),
            None => shared
                .caught_up()
                .and_then(|index| index.close(&*shared.ports.files, &shared.index_path())),
        };
        shared.close();
        let threads = std::mem::take(&mut *lock(&self.0.threads));
        for ended in threads {
            // Nothing is ever sent: it fails when the thread is gone.
            let _ = ended.await;
        }
        shared.kv.close();
        shared.unlock();
        done
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts what works for the store; gives what tells of each end.
fn start_threads(
    driver: Driver,
    shared: &Arc<Shared>,
    home: IndexHome,
) -> Result<Vec<oneshot::Receiver<()>>, Fault> {
    let refused = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
    let (writing, written) = oneshot::channel::<()>();
    match home {
        IndexHome::Directory => {
            let thread = std::thread::Builder::new().name("weir-journal".into());
            let work = move || {
                driver.run();
                drop(writing);
            };
            thread.spawn(work).map_err(refused)?;
            let (indexing, indexed) = oneshot::channel::<()>();
            let thread = std::thread::Builder::new().name("weir-index".into());
            let weak = Arc::downgrade(shared);
            let work = move || {
                run_indexer(&weak);
                drop(indexing);
            };
            thread.spawn(work).map_err(refused)?;
            Ok(vec![written, indexed])
        }
        IndexHome::Memory => {
            #[expect(clippy::disallowed_methods, reason = "the store owns its writer")]
            tokio::spawn(async move {
                driver.run_task().await;
                drop(writing);
            });
            Ok(vec![written])
        }
    }
}

fn open_index(
    ports: &Ports,
    plan: &StorePlan,
    journal: &dyn Journal,
    last: Position,
) -> Result<(Index, bool), Fault> {
    let (mut index, fresh) = match plan.index {
        IndexHome::Memory => (Index::memory(), true),
        IndexHome::Directory => {
            let removed: Vec<u32> = journal.gone().iter().map(|gone| gone.number).collect();
            let path = plan.directory.join("index");
            let opened = Index::open(&*ports.files, &path, last, &removed)?;
            (opened.index, opened.fresh)
        }
    };
    if fresh {
        for gone in journal.gone() {
            for (channel, destination, totals) in &gone.totals {
                let queue = index.names.number(channel, destination);
                index.add_removed(queue, totals);
            }
        }
    }
    Ok((index, fresh && last > 0))
}

/// Takes the rest of the journal into the index; how many entries that was.
///
/// Reading, decrypting and decoding run ahead on a thread of their own, where there are
/// threads: they cost about as much as taking the entries in.
fn project(
    index: &mut Index,
    journal: &dyn Journal,
    secret: &Secret,
    (last, home): (Position, IndexHome),
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<u64, Fault> {
    let from = index.position + 1;
    let total = last.saturating_sub(index.position);
    let names = index.names.clone();
    let mut done = 0;
    let mut take = |events: &[Event]| {
        index.apply(events)?;
        done += events.len() as u64;
        progress(done, total);
        Ok(())
    };
    let walk = |take: &mut dyn FnMut(Vec<Event>) -> Result<(), Fault>| {
        let mut events = Vec::new();
        journal.walk(from, last, &mut |walked| {
            events.push(event_of(&walked, &names, secret));
            if events.len() >= REBUILD_BATCH { take(std::mem::take(&mut events)) } else { Ok(()) }
        })?;
        take(events)
    };
    match home {
        IndexHome::Memory => walk(&mut |events| take(&events))?,
        IndexHome::Directory => std::thread::scope(|scope| {
            let (send, batches) = std::sync::mpsc::sync_channel::<Vec<Event>>(BATCHES_AHEAD);
            let walker = scope.spawn(move || {
                // Fails when the other side ended early, with a fault of its own.
                walk(&mut |events| send.send(events).map_err(|_| Fault::new(codes::W6009)))
            });
            let taken = batches.iter().try_for_each(|events| take(&events));
            drop(batches);
            let ended = || Fault::new(codes::W9002).because("reading the journal ended early");
            let walked = walker.join().unwrap_or_else(|_| Err(ended()));
            taken.and(walked)
        })?,
    }
    if index.position < last {
        // The rest was removed; the totals it left are written with this.
        index.apply(&[Event::Nothing { position: last }])?;
    }
    if total > 0 {
        progress(total, total);
    }
    Ok(done)
}

/// Queues of a message, in order of what it owes.
pub fn queues_of(record: &crate::message::MessageRecord, names: &Names) -> Vec<QueueId> {
    record.owed.iter().map(|owed| names.number(&record.channel, &owed.destination)).collect()
}

/// Keyed hash of a patient, as consents are found by.
pub fn patient_hash(secret: &Secret, patient: &PatientKey) -> [u8; 16] {
    secret.hash("patient", patient.reveal().as_bytes())
}

/// What an entry means to the index.
pub fn event_of(walked: &Walked, names: &Names, secret: &Secret) -> Event {
    let (position, at) = (walked.position, walked.location);
    match &walked.entry {
        Entry::Message(record) => {
            let head = Arc::new(Head::new(record, &queues_of(record, names)));
            Event::Message { position, at, head }
        }
        Entry::Outcome(record) => match names.find(&record.channel, &record.destination) {
            Some(queue) => Event::Outcome { position, at, change: Change::new(record, queue) },
            None => Event::Nothing { position },
        },
        Entry::Consent(record) => {
            let consent = ConsentChange {
                id: record.id.clone(),
                version: record.version,
                deleted: record.deleted,
                patients: record.patients.iter().map(|p| patient_hash(secret, p)).collect(),
            };
            Event::Consent { position, at, consent }
        }
        Entry::Action(record) => Event::Settings { position, values: record.settings.clone() },
        Entry::Records(record) => {
            let records = Arc::new(super::records::change_of(record, secret));
            Event::Records { position, at, records }
        }
    }
}
