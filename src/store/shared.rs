//! What the handles of a store, its writer and its indexer share.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::driver::PENDING_EAGER;
use super::duplicates::Duplicates;
use super::index::row::{QueueId, QueueItem, Row};
use super::index::{Event, Index, Kv, Mark, Names, Order, keys, read_item, read_setting};
use super::journal::{Journal, Location, Reader};
use super::live::Live;
use super::prune::Blocker;
use super::queue::{LaneWant, Waiting, Want};
use super::secret::Secret;
use super::{IndexHome, Position, StorePlan, Trouble};
use crate::base::MessageId;
use crate::fault::{Fault, codes};
use crate::message::{LaneKey, State};
use crate::observe::Histogram;
use crate::ports::Ports;

/// Deliveries read from the index at once.
const REFILL_MAX: usize = 2048;

/// Unread bodies that are remembered until somebody asks: who does not ask soon has more to
/// look at than this.
pub const TROUBLES_MAX: usize = 64;

/// Shared state. Lock order: `index` before `live`.
pub struct Shared {
    pub plan: StorePlan,
    pub ports: Ports,
    pub live: Mutex<Live>,
    pub index: Mutex<Index>,
    /// The index's map, for reads that need not be up to date.
    pub kv: Kv,
    pub names: Arc<Names>,
    pub journal: Arc<dyn Journal>,
    pub secret: Secret,
    pub duplicates: Duplicates,
    /// What kept segments when pruning last read them.
    pub blockers: Mutex<HashMap<u32, Blocker>>,
    pub broken: OnceLock<Fault>,
    indexed: AtomicU64,
    pub full: AtomicBool,
    pub flush_wanted: AtomicBool,
    /// Held by the one who removes segments or content.
    pub pruning: tokio::sync::Mutex<()>,
    /// Held by the one who writes to the record store, with the time of the last write of
    /// each collection.
    pub recording: tokio::sync::Mutex<super::records::Times>,
    /// Entries of the record store that were read.
    pub record_cache: super::records::Cache,
    commit_micros: AtomicU64,
    commit_entries: AtomicU64,
    /// Told of the size of each batch.
    pub batches: OnceLock<Histogram>,
    closed: AtomicBool,
    work: (Mutex<bool>, Condvar),
    troubles: Mutex<VecDeque<Trouble>>,
    /// Held until the store is closed or gone.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// What [`Shared::new`] takes over.
pub struct Parts {
    pub plan: StorePlan,
    pub ports: Ports,
    pub live: Live,
    pub index: Index,
    pub journal: Arc<dyn Journal>,
    pub secret: Secret,
    pub lock: Box<dyn Send + Sync>,
}

impl Shared {
    pub fn new(parts: Parts) -> Self {
        let indexed = AtomicU64::new(parts.index.position);
        let (kv, names) = (parts.index.kv.clone(), parts.index.names.clone());
        Self {
            plan: parts.plan,
            ports: parts.ports,
            live: Mutex::new(parts.live),
            index: Mutex::new(parts.index),
            kv,
            names,
            journal: parts.journal,
            secret: parts.secret,
            duplicates: Duplicates::default(),
            blockers: Mutex::default(),
            broken: OnceLock::new(),
            indexed,
            full: AtomicBool::new(false),
            flush_wanted: AtomicBool::new(false),
            pruning: tokio::sync::Mutex::default(),
            recording: tokio::sync::Mutex::default(),
            record_cache: super::records::Cache::default(),
            commit_micros: AtomicU64::new(0),
            commit_entries: AtomicU64::new(0),
            batches: OnceLock::new(),
            closed: AtomicBool::new(false),
            work: (Mutex::new(false), Condvar::new()),
            troubles: Mutex::default(),
            lock: Mutex::new(Some(parts.lock)),
        }
    }

    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn index_path(&self) -> PathBuf {
        self.plan.directory.join("index")
    }

    /// Entries on disk that the index has not taken.
    pub fn pending(&self) -> usize {
        self.live().pending.len()
    }

    /// Takes note that a batch is on disk: live queues see it, those who wait are woken.
    pub fn landed(&self, places: &[Location], took: Duration) {
        let mut woken = Vec::new();
        let pending = {
            let mut live = self.live();
            for at in places {
                live.landed(*at, &mut woken);
            }
            live.pending.len()
        };
        for notify in woken {
            notify.notify_waiters();
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commit_micros.store(micros, Ordering::Relaxed);
        self.commit_entries.store(places.len() as u64, Ordering::Relaxed);
        if let Some(batches) = self.batches.get() {
            batches.observe_size(places.len() as u64);
        }
        if pending >= PENDING_EAGER {
            self.wake_indexer();
        }
    }

    /// Ends the store: everything from now on answers with this fault.
    pub fn poison(&self, fault: &Fault) {
        // The first fault stays.
        let _ = self.broken.set(fault.clone());
    }

    pub fn commit_last(&self) -> (u64, u64) {
        let micros = self.commit_micros.load(Ordering::Relaxed);
        (micros, self.commit_entries.load(Ordering::Relaxed))
    }

    /// Remembers a delivery that could not be read, for who asks.
    pub fn note_trouble(&self, trouble: Trouble) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() >= TROUBLES_MAX {
            troubles.pop_front();
        }
        troubles.push_back(trouble);
    }

    /// What was remembered since the last time.
    pub fn take_troubles(&self) -> Vec<Trouble> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.drain(..).collect()
    }

    /// The segment files of the journal, for what works on those alone.
    ///
    /// # Errors
    /// `W9001` when it is not made of them; callers look before.
    pub fn files(&self) -> Result<&Reader, Fault> {
        let none = || Fault::new(codes::W9001).because("the journal has no segment files");
        self.journal.segment_files().ok_or_else(none)
    }

    /// Looks whether new messages have room.
    pub fn look_at_space(&self) {
        let (_, bytes) = self.journal.size();
        let over = self.plan.max_size.is_some_and(|most| bytes > most.0);
        let free = self.ports.files.free_space(&self.plan.directory);
        // A disk that does not say is found out by the write.
        let low = free.is_ok_and(|free| free < self.plan.min_free.0);
        self.full.store(over || low, Ordering::Relaxed);
    }

    /// Position up to which the index reflects the journal, a lower bound.
    pub fn indexed(&self) -> Position {
        self.indexed.load(Ordering::Acquire)
    }

    /// Takes everything on disk into the index and gives it, locked.
    ///
    /// # Errors
    /// `W6009`; what was to be taken stays pending.
    pub fn caught_up(&self) -> Result<MutexGuard<'_, Index>, Fault> {
        let mut index = self.index();
        loop {
            let events: Vec<Event> = {
                let mut live = self.live();
                let count = live.pending.len().min(PENDING_EAGER);
                live.pending.drain(..count).collect()
            };
            if events.is_empty() {
                return Ok(index);
            }
            let applied = index.apply(&events);
            let mut live = self.live();
            if let Err(fault) = applied {
                for event in events.into_iter().rev() {
                    live.pending.push_front(event);
                }
                return Err(fault);
            }
            self.indexed.store(index.position, Ordering::Release);
            live.indexed(&events);
        }
    }

    /// Brings the index up to date; a failure shows again, to the next reader.
    pub fn catch_up_or_note(&self) {
        drop(self.caught_up());
    }

    /// Writes the index to disk, so that a start resumes from here.
    pub fn flush_index(&self) {
        // Only speed hangs on it: the journal is the truth.
        let _ = self.kv.flush();
    }

    pub fn wait_for_work(&self, most: Duration) {
        let (flag, condvar) = &self.work;
        let guard = flag.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = condvar.wait_timeout_while(guard, most, |work| !*work);
        let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *guard = false;
    }

    pub fn wake_indexer(&self) {
        if self.plan.index == IndexHome::Directory {
            let (flag, condvar) = &self.work;
            *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
            condvar.notify_one();
        }
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_indexer();
    }

    /// Lets another process open the store.
    pub fn unlock(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The row of a message as it stands now, outcomes on their way to disk included.
    ///
    /// # Errors
    /// `W6009`.
    pub fn row(&self, id: MessageId) -> Result<Option<(Position, Row)>, Fault> {
        let index = self.caught_up()?;
        let Some(position) = index.position_of(id)? else { return Ok(None) };
        let Some(mut row) = index.row(position)? else { return Ok(None) };
        self.overlay(&mut row);
        Ok(Some((position, row)))
    }

    /// Whether a message that owes nothing was acknowledged and not processed yet, or is a
    /// fragment of one.
    ///
    /// # Errors
    /// `W6009`.
    pub fn is_unprocessed(&self, row: &Row) -> Result<bool, Fault> {
        for mark in [Mark::Received, Mark::Fragment] {
            let value = self.kv.read(&keys::setting(&mark.of(&row.channel, row.id)))?;
            let text = value.as_deref().and_then(read_setting).map(|(_, text)| text);
            if text.is_some_and(|text| !text.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts outcomes that the index has not taken over a row.
    pub fn overlay(&self, row: &mut Row) {
        let live = self.live();
        for standing in &mut row.deliveries {
            if let Some(fresh) = live.fresh.get(&(row.id, standing.queue)) {
                *standing = fresh.standing.clone();
            }
        }
    }

    /// Reads waiting deliveries from the index into a queue's window.
    ///
    /// # Errors
    /// `W6009`.
    pub fn refill(&self, queue: QueueId) -> Result<(), Fault> {
        let index = self.caught_up()?;
        let (want, free) = {
            let mut live = self.live();
            let window = &live.queue(queue).queue;
            (window.want(), window.free().clamp(1, REFILL_MAX))
        };
        let Some(want) = want else { return Ok(()) };
        match want {
            Want::Horizon(after) => {
                let (items, end) = read_queue(&index.kv, queue, after, free)?;
                let reached = items.last().map_or(after, |(place, _)| *place);
                let mut live = self.live();
                for (place, item) in items {
                    take(&mut live, queue, item, place, false);
                }
                live.queue(queue).queue.refilled(reached, end);
                if end {
                    // What came to disk while the index was read.
                    take_pending(&mut live, queue, index.position);
                }
            }
            Want::Lanes(wants, horizon) => {
                let end = horizon.unwrap_or(index.position);
                let read = read_lanes(&index.kv, queue, &wants, end)?;
                let mut live = self.live();
                let window = &mut live.queue(queue).queue;
                wants.iter().for_each(|want| window.begin_lane(want.lane));
                for (place, item) in read.items {
                    take(&mut live, queue, item, place, true);
                }
                for want in wants {
                    let full = read.full.contains(&want.lane);
                    let (reached, more) = (read.reached, full || read.reached < end);
                    let reached = if full { 0 } else { reached };
                    live.queue(queue).queue.refilled_lane(want.lane, horizon, reached, more);
                }
                if horizon.is_none() {
                    take_pending(&mut live, queue, index.position);
                }
            }
        }
        Ok(())
    }
}

/// Takes an item read from the index into the window, unless an outcome that the index has
/// not taken says otherwise.
fn take(live: &mut Live, queue: QueueId, item: QueueItem, place: Position, one_lane: bool) {
    let mut waiting = Waiting::from_item(item, place);
    if let Some(fresh) = live.fresh.get(&(waiting.message, queue)) {
        let standing = &fresh.standing;
        if standing.state != State::Waiting || standing.place != place {
            return;
        }
        waiting.attempts = standing.attempts;
        waiting.next_try = standing.next_try;
        waiting.since = standing.changed;
    }
    let window = &mut live.queue(queue).queue;
    if one_lane {
        window.refill_lane(waiting);
    } else {
        window.refill(waiting);
    }
}

/// Offers deliveries of entries that are on disk but not in the index. Those that the
/// window has are told by their place.
fn take_pending(live: &mut Live, queue: QueueId, indexed: Position) {
    let mut waiting: Vec<Waiting> = live
        .fresh
        .iter()
        .filter(|((_, q), fresh)| {
            let standing = &fresh.standing;
            *q == queue
                && standing.state == State::Waiting
                && standing.place > indexed
                && standing.place <= live.durable
        })
        .map(|((message, _), fresh)| Waiting::from_standing(*message, fresh.at, &fresh.standing))
        .collect();
    waiting.sort_by_key(|w| w.place);
    for waiting in waiting {
        live.queue(queue).queue.offer(waiting);
    }
}

/// Up to `most` waiting deliveries behind a place, and whether that is all.
fn read_queue(
    kv: &Kv,
    queue: QueueId,
    after: Position,
    most: usize,
) -> Result<(Vec<(Position, QueueItem)>, bool), Fault> {
    let mut items = Vec::new();
    let mut end = true;
    kv.walk(
        Bound::Excluded(keys::queue(queue, after)),
        Bound::Included(keys::queue(queue, Position::MAX)),
        Order::Up,
        &mut |key, value| {
            if items.len() >= most {
                end = false;
                return Ok(ControlFlow::Break(()));
            }
            items.push((keys::last_number(key), read_item(value)?.1));
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok((items, end))
}

/// What a walk for some lanes found.
struct LanesRead {
    items: Vec<(Position, QueueItem)>,
    /// Lanes that took all they have room for.
    full: HashSet<LaneKey>,
    /// Last place that was looked at.
    reached: Position,
}

/// Waiting deliveries of some lanes, up to a place.
fn read_lanes(
    kv: &Kv,
    queue: QueueId,
    wants: &[LaneWant],
    end: Position,
) -> Result<LanesRead, Fault> {
    let mut open: HashMap<u64, (Position, usize)> =
        wants.iter().map(|want| (want.lane.0, (want.after, want.room))).collect();
    let first = wants.iter().map(|want| want.after).min().unwrap_or(0);
    let mut read = LanesRead { items: Vec::new(), full: HashSet::new(), reached: end };
    kv.walk(
        Bound::Excluded(keys::queue(queue, first)),
        Bound::Included(keys::queue(queue, end)),
        Order::Up,
        &mut |key, value| {
            let place = keys::last_number(key);
            let lane = keys::number_at(value, 0);
            let Some((after, room)) = open.get_mut(&lane) else {
                return Ok(ControlFlow::Continue(()));
            };
            if place <= *after {
                return Ok(ControlFlow::Continue(()));
            }
            if *room == 0 {
                read.full.insert(LaneKey(lane));
                open.remove(&lane);
            } else {
                *room -= 1;
                read.items.push((place, read_item(value)?.1));
            }
            if open.is_empty() || read.items.len() >= REFILL_MAX {
                read.reached = place;
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(read)
}
