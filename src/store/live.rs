//! What the store holds in memory between the journal and the index: entries on their way
//! to disk, entries the index has not taken, queues and ledger counts.
//!
//! Order of events: an entry gets its position when it is handed to the writer. Outcomes
//! take effect on states and counts at once; messages, and deliveries put at the end of
//! their lane, when they are on disk, in order of position.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::Position;
use super::driver::Request;
use super::index::row::{Change, Counts, Head, QueueId, Standing};
use super::index::{ConsentChange, Event, RecordsChange};
use super::journal::Location;
use super::queue::{Handed, Queue, Waiting};
use super::records::Fresh as FreshRecords;
use crate::base::{MessageId, Timestamp};
use crate::message::{Body, State};

/// Bytes of content, bodies and originals, kept in memory for couriers, over all queues;
/// past it they are read from the journal, from the page cache as a rule.
pub const LIVE_BYTES_MAX: usize = 32 << 20;

/// An entry on its way to disk.
pub enum Inflight {
    Message { head: Arc<Head>, content: Content },
    Outcome(Change),
    Consent(ConsentChange),
    Settings(Vec<(Arc<str>, Arc<str>)>),
    Records(Arc<RecordsChange>),
}

/// The content of a message on its way to disk.
pub struct Content {
    pub original: Body,
    /// What each destination gets, in order of what is owed.
    pub bodies: Vec<Option<Body>>,
}

/// How a delivery stands by entries that the index has not taken yet.
pub struct Fresh {
    pub standing: Standing,
    /// The message's own entry.
    pub at: Location,
    /// Position of the last entry about it.
    pub last: Position,
}

/// A queue and who waits for it.
pub struct LiveQueue {
    pub queue: Queue,
    pub notify: Arc<Notify>,
}

impl LiveQueue {
    fn new(queue: Queue) -> Self {
        Self { queue, notify: Arc::default() }
    }
}

/// The state.
#[derive(Default)]
pub struct Live {
    /// Position the next entry gets.
    pub next: Position,
    /// Last position on disk.
    pub durable: Position,
    pub inflight: VecDeque<Inflight>,
    /// On disk, not in the index.
    pub pending: VecDeque<Event>,
    /// Of those and of what is in flight, entries other than about messages.
    pub unindexed_records: usize,
    pub fresh: HashMap<(MessageId, QueueId), Fresh>,
    /// Versions of resources that the index has not taken.
    pub records: FreshRecords,
    pub duplicates: HashMap<[u8; 16], (MessageId, Timestamp, Position)>,
    pub counts: Vec<Counts>,
    pub queues: Vec<LiveQueue>,
    /// The way to the writer; none once closed, so that the writer ends after what it was
    /// given.
    pub requests: Option<mpsc::UnboundedSender<Request>>,
}

impl Live {
    /// The queue of a number, made when it is new.
    pub fn queue(&mut self, queue: QueueId) -> &mut LiveQueue {
        let slot = queue.slot();
        // One that comes while running has nothing in the index.
        while self.queues.len() <= slot {
            self.queues.push(LiveQueue::new(Queue::complete()));
        }
        #[expect(clippy::indexing_slicing, reason = "made large enough just above")]
        &mut self.queues[slot]
    }

    /// Begins with what the index holds.
    pub fn begin(&mut self, last: Position, counts: Vec<Counts>) {
        self.next = last + 1;
        self.durable = last;
        self.queues = counts.iter().map(|_| LiveQueue::new(Queue::default())).collect();
        self.counts = counts;
    }

    /// How a delivery stands and where its message lies, when that is known without the
    /// index.
    pub fn standing(&mut self, message: MessageId, queue: QueueId) -> Option<(Standing, Location)> {
        if let Some(fresh) = self.fresh.get(&(message, queue)) {
            return Some((fresh.standing.clone(), fresh.at));
        }
        let live = self.queues.get(queue.slot())?;
        live.queue.find(message, None).map(|w| (w.standing(queue), w.at))
    }

    /// Applies an outcome that is on its way to disk: state, counts, and what leaves its
    /// lane.
    pub fn outcome(
        &mut self,
        (old, at): (Standing, Location),
        change: &Change,
        position: Position,
    ) -> Arc<Notify> {
        let new = old.after(change, position);
        let (message, queue) = (change.message, change.queue);
        if let Some(new) = &new {
            Counts::of_queue(&mut self.counts, queue).shift(&old, new);
        }
        let standing = new.clone().unwrap_or_else(|| old.clone());
        self.fresh.insert((message, queue), Fresh { standing, at, last: position });
        // An attempt raises the count; a person's retry does not, and the attempt that may
        // be under way keeps its lease.
        let by_person = new.as_ref().is_some_and(|new| {
            new.state == State::Waiting && new.place == old.place && new.attempts == old.attempts
        });
        let live = self.queue(queue);
        if let Some(new) = new
            && old.state == State::Waiting
        {
            if new.state == State::Waiting && new.place == old.place {
                live.queue.retry(message, &new);
            } else {
                live.queue.remove(message, old.lane, old.place);
            }
        }
        if !by_person {
            live.queue.unlease(message);
        }
        live.notify.clone()
    }

    /// Takes note that the next entry in flight is on disk. Queues that may have become
    /// ready are added to `woken`.
    pub fn landed(&mut self, at: Location, woken: &mut Vec<Arc<Notify>>) {
        let Some(inflight) = self.inflight.pop_front() else { return };
        self.durable += 1;
        let position = self.durable;
        let event = match inflight {
            Inflight::Message { head, content } => {
                self.message_landed(position, at, &head, content, woken);
                Event::Message { position, at, head }
            }
            Inflight::Outcome(change) => {
                self.outcome_landed(position, &change, woken);
                Event::Outcome { position, at, change }
            }
            Inflight::Consent(consent) => Event::Consent { position, at, consent },
            Inflight::Settings(values) => Event::Settings { position, values },
            Inflight::Records(records) => Event::Records { position, at, records },
        };
        self.pending.push_back(event);
    }

    fn message_landed(
        &mut self,
        position: Position,
        at: Location,
        head: &Arc<Head>,
        content: Content,
        woken: &mut Vec<Arc<Notify>>,
    ) {
        if let Some(hash) = head.duplicate_key {
            self.duplicates.insert(hash, (head.id, head.received, position));
        }
        let mut room = LIVE_BYTES_MAX.saturating_sub(self.live_bytes());
        let Content { original, bodies } = content;
        for (standing, body) in head.standings(position).zip(bodies) {
            let queue = standing.queue;
            Counts::of_queue(&mut self.counts, queue).commit(&standing);
            if standing.state == State::Waiting {
                let mut waiting = Waiting::from_standing(head.id, at, &standing);
                let handed = |body| Handed { body, original: original.clone(), head: head.clone() };
                waiting.live = body.map(handed).filter(|handed| handed.bytes() <= room);
                room -= waiting.live.as_ref().map_or(0, Handed::bytes);
                let live = self.queue(queue);
                live.queue.offer(waiting);
                woken.push(live.notify.clone());
            }
            let fresh = Fresh { standing, at, last: position };
            self.fresh.insert((head.id, queue), fresh);
        }
    }

    fn outcome_landed(
        &mut self,
        position: Position,
        change: &Change,
        woken: &mut Vec<Arc<Notify>>,
    ) {
        let Some(fresh) = self.fresh.get(&(change.message, change.queue)) else { return };
        let standing = fresh.standing.clone();
        // Put at the end of its lane by this very entry, and not changed since.
        if standing.state == State::Waiting && standing.place == position {
            let waiting = Waiting::from_standing(change.message, fresh.at, &standing);
            let live = self.queue(change.queue);
            live.queue.offer(waiting);
            woken.push(live.notify.clone());
        }
    }

    /// Bytes of content in memory for couriers.
    pub fn live_bytes(&self) -> usize {
        self.queues.iter().map(|q| q.queue.live_bytes).sum()
    }

    /// Forgets what the index has taken over: events up to `position`.
    pub fn indexed(&mut self, events: &[Event]) {
        for event in events {
            let position = event.position();
            match event {
                Event::Message { head, .. } => {
                    for owed in &head.owed {
                        self.settle_fresh(head.id, owed.queue, position);
                    }
                    if let Some(hash) = head.duplicate_key
                        && self.duplicates.get(&hash).is_some_and(|d| d.2 <= position)
                    {
                        self.duplicates.remove(&hash);
                    }
                }
                Event::Outcome { change, .. } => {
                    self.settle_fresh(change.message, change.queue, position);
                }
                Event::Consent { .. } | Event::Settings { .. } => {
                    self.unindexed_records = self.unindexed_records.saturating_sub(1);
                }
                Event::Records { records, .. } => {
                    self.unindexed_records = self.unindexed_records.saturating_sub(1);
                    self.records.indexed(records, position);
                }
                Event::Nothing { .. } => {}
            }
        }
    }

    fn settle_fresh(&mut self, message: MessageId, queue: QueueId, position: Position) {
        if self.fresh.get(&(message, queue)).is_some_and(|f| f.last <= position) {
            self.fresh.remove(&(message, queue));
        }
    }
}
