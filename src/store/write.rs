//! Commits, outcomes and leases.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::driver::Request;
use super::index::ConsentChange;
use super::index::row::{Change, Head, QueueId};
use super::journal::{encode, room_for};
use super::live::{Content, Inflight};
use super::open::{patient_hash, queues_of};
use super::queue::{Handed, Waiting};
use super::shared::Shared;
use super::{Position, Store, Trouble};
use crate::audit::{self, Subject};
use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};
use crate::fault::{Class, Fault, Place, codes};
use crate::message::{
    ActionRecord, Body, Delivery, Entry, Fate, FaultRecord, Leaf, MessageRecord, Outcome,
    OutcomeRecord, RecordsRecord,
};

/// Entries on their way to disk, in KiB: two batches of full frames at the default size,
/// or 64 thousand small ones. Who comes when it is used up waits.
pub const ROOM_KIB: usize = 64 << 10;

/// Reads of the index before one lease: each serves one lane. What is left is read before
/// the next lease, for which `ready` returns at once.
const REFILLS_MAX: usize = 64;

/// First pause of a delivery whose body the disk did not give; each next one is twice as
/// long, up to this often: at most some four minutes.
const UNREADABLE_FIRST: Duration = Duration::from_secs(1);
const UNREADABLE_DOUBLED: u32 = 8;

/// Largest entry: its frame must fit a segment's 32-bit offsets.
const ENTRY_BYTES_MAX: usize = 3 << 30;

/// Room of an entry in KiB.
pub fn room_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024).clamp(1, ROOM_KIB)).unwrap_or(1)
}

/// An entry made ready: everything that needs no lock is done.
pub(super) struct Ready {
    text: Vec<u8>,
    leaves: Vec<Leaf>,
    inflight: Inflight,
    /// What it wrote to the record store, when that is new.
    pub versions: Option<Arc<RecordsRecord>>,
}

/// What became of an entry that was handed over.
pub(super) enum Sent {
    Taken,
    /// An attempt's outcome that is about nothing any more; its leaves.
    Late(Vec<Leaf>),
}

impl Store {
    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Appends an entry; returns when it is on disk, together with its neighbors, and seen
    /// by `lease` and every read. Its position counts from 1.
    ///
    /// When the caller goes away meanwhile the entry is still written.
    ///
    /// # Errors
    /// `W6004` when the journal failed, now or before; `W6005` for a message when the disk
    /// or `max_size` is full; `W6006` when it is too large; `W6011` after `close`; `W6012`
    /// for an outcome of an unknown delivery.
    pub async fn commit(&self, entry: Entry) -> Result<Position, Fault> {
        if matches!(entry, Entry::Message(_)) {
            self.has_space()?;
        }
        let (done, answer) = oneshot::channel();
        self.send(entry, Some(done), None).await?;
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Whether there is room for something new.
    ///
    /// # Errors
    /// `W6005` when there is none.
    pub(super) fn has_space(&self) -> Result<(), Fault> {
        if self.shared().full.load(std::sync::atomic::Ordering::Relaxed) {
            self.shared().look_at_space();
            if self.shared().full.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Fault::new(codes::W6005));
            }
        }
        Ok(())
    }

    /// Hands an outcome over for the next batch without waiting for the disk; waits only
    /// while the way there is full. Every read sees it at once.
    ///
    /// After a crash an outcome that was not on disk yet is lost, and its delivery is sent
    /// again.
    ///
    /// # Errors
    /// `W6004` when the journal failed, `W6011` after `close`, `W6012` for an unknown
    /// delivery.
    pub async fn settle(&self, outcome: OutcomeRecord) -> Result<(), Fault> {
        self.send(Entry::Outcome(Box::new(outcome)), None, None).await.map(drop)
    }

    /// As [`Store::settle`], what an attempt came to; false when that comes too late: a person
    /// sent the delivery again or let it go on meanwhile, and only the leaves are kept. What
    /// was delivered counts as long as no other body took the place of the one that was sent.
    ///
    /// # Errors
    /// As [`Store::settle`].
    pub async fn settle_attempt(
        &self,
        attempt: &Delivery,
        outcome: OutcomeRecord,
    ) -> Result<bool, Fault> {
        let at = outcome.at;
        let entry = Entry::Outcome(Box::new(outcome));
        let Sent::Late(leaves) = self.send(entry, None, Some(attempt.position)).await? else {
            return Ok(true);
        };
        if !leaves.is_empty() {
            let action = ActionRecord { at, settings: Vec::new(), leaves };
            self.send(Entry::Action(Box::new(action)), None, None).await?;
        }
        Ok(false)
    }

    pub(super) fn gone(&self) -> Fault {
        let broken = self.shared().broken.get().cloned();
        broken.unwrap_or_else(|| Fault::new(codes::W6011))
    }

    async fn send(
        &self,
        entry: Entry,
        done: Option<oneshot::Sender<Result<Position, Fault>>>,
        attempt: Option<Position>,
    ) -> Result<Sent, Fault> {
        // Room first: who waits for it must not hold an encoded copy meanwhile.
        let permit = self.reserve(room_for(&entry)).await?;
        let ready = self.ready_to_send(entry)?;
        self.hand_over(ready, done, attempt, permit)
    }

    /// Waits until there is room for that many bytes on the way to disk.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let room = self.0.room.clone().acquire_many_owned(room_of(bytes)).await;
        room.map_err(|_| Fault::new(codes::W6011))
    }

    /// Gives an entry its position and hands it to the writer; waits for nothing.
    pub(super) fn hand_over(
        &self,
        ready: Ready,
        done: Option<oneshot::Sender<Result<Position, Fault>>>,
        attempt: Option<Position>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Sent, Fault> {
        let shared = self.shared();
        let Ready { text, leaves, inflight, versions } = ready;
        // An outcome of a delivery that only the index knows: its row is read under the
        // index's lock, which is held until the outcome took effect.
        let (_index, known) = self.known(&inflight)?;
        let mut live = shared.live();
        let requests = live.requests.clone().ok_or_else(|| Fault::new(codes::W6011))?;
        if let Some(fault) = shared.broken.get() {
            return Err(fault.clone());
        }
        let position = live.next;
        let mut woken = None;
        match &inflight {
            Inflight::Outcome(change) => {
                let standing = live.standing(change.message, change.queue).or(known);
                let standing = standing.ok_or_else(|| unknown(change.message))?;
                if attempt.is_some_and(|place| !standing.0.is_of_attempt(place, &change.kind)) {
                    return Ok(Sent::Late(leaves));
                }
                woken = Some(live.outcome(standing, change, position));
            }
            Inflight::Consent(_) | Inflight::Settings(_) => live.unindexed_records += 1,
            Inflight::Records(change) => {
                live.unindexed_records += 1;
                if let Some(versions) = versions {
                    live.records.handed_over(change, versions, position);
                }
            }
            Inflight::Message { .. } => {}
        }
        live.next += 1;
        live.inflight.push_back(inflight);
        let request = Request { position, text, leaves, done, permit };
        // Sent under the lock, so that the order of positions is the order of writing.
        let sent = requests.send(request);
        drop(live);
        if let Some(notify) = woken {
            notify.notify_waiters();
        }
        sent.map(|()| Sent::Taken).map_err(|_| self.gone())
    }

    /// Encodes an entry and takes what is handed over in memory.
    pub(super) fn ready_to_send(&self, mut entry: Entry) -> Result<Ready, Fault> {
        let shared = self.shared();
        let text = encode(&entry)?;
        if text.len() > ENTRY_BYTES_MAX {
            return Err(Fault::new(codes::W6006));
        }
        let leaves = entry.take_leaves();
        let inflight = match entry {
            Entry::Message(record) => {
                let queues = queues_of(&record, &shared.names);
                let head = Arc::new(Head::new(&record, &queues));
                let body = |fate| match fate {
                    Fate::Deliver(body) => Some(body),
                    Fate::Filtered(_) | Fate::Denied(_) | Fate::Held(_) | Fate::Dead(_) => None,
                };
                let bodies = record.owed.into_iter().map(|owed| body(owed.fate)).collect();
                Inflight::Message { head, content: Content { original: record.original, bodies } }
            }
            Entry::Outcome(record) => {
                let queue = shared.names.find(&record.channel, &record.destination);
                let queue = queue.ok_or_else(|| unknown(record.message))?;
                Inflight::Outcome(Change::new(&record, queue))
            }
            Entry::Consent(record) => Inflight::Consent(ConsentChange {
                patients: record.patients.iter().map(|p| patient_hash(&shared.secret, p)).collect(),
                id: record.id,
                version: record.version,
                deleted: record.deleted,
            }),
            Entry::Action(record) => Inflight::Settings(record.settings),
            Entry::Records(record) => {
                Inflight::Records(Arc::new(super::records::change_of(&record, &shared.secret)))
            }
        };
        Ok(Ready { text, leaves, inflight, versions: None })
    }

    /// For an outcome: how its delivery stands by the index, when memory does not know.
    #[expect(clippy::type_complexity, reason = "a lock and a pair, for one caller")]
    fn known(
        &self,
        inflight: &Inflight,
    ) -> Result<
        (
            Option<std::sync::MutexGuard<'_, super::index::Index>>,
            Option<(super::index::row::Standing, super::journal::Location)>,
        ),
        Fault,
    > {
        let Inflight::Outcome(change) = inflight else { return Ok((None, None)) };
        let (message, queue) = (change.message, change.queue);
        if self.shared().live().standing(message, queue).is_some() {
            return Ok((None, None));
        }
        let index = self.shared().caught_up()?;
        let Some(position) = index.position_of(message)? else { return Ok((Some(index), None)) };
        let row = index.row(position)?;
        let known = row.and_then(|row| {
            let at = row.at;
            row.deliveries.into_iter().find(|d| d.queue == queue).map(|d| (d, at))
        });
        Ok((Some(index), known))
    }

    /// Leases up to `max` deliveries that are due at `now`: heads of lanes that are not
    /// leased, in order of place. A lane stays leased until its delivery is settled or
    /// given back by [`Store::give_back`]. A head whose next attempt is later blocks its lane
    /// only. A held delivery is not in its lane; released, it goes to the lane's end.
    ///
    /// A delivery whose body cannot be read is settled here, alone, and told by
    /// [`Store::troubles`]: tried later when the disk may give it again, held when it was
    /// changed on disk, dead when there is none.
    ///
    /// # Errors
    /// `W6009` when the index failed, `W6004` and `W6011` when such a delivery cannot be
    /// settled; then nothing stays leased.
    pub async fn lease(
        &self,
        channel: &ChannelName,
        destination: &DestinationName,
        now: Timestamp,
        max: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        let shared = self.shared();
        let Some(queue) = shared.names.find(channel, destination) else { return Ok(Vec::new()) };
        for _ in 0..REFILLS_MAX {
            if shared.live().queue(queue).queue.want().is_none() {
                break;
            }
            shared.refill(queue)?;
        }
        let leased = shared.live().queue(queue).queue.lease(now, max);
        // Whatever ends this early, an error or a caller that goes away, gives them back.
        let mut leases = Leases { shared, queue, left: leased.iter().map(|w| w.message).collect() };
        let mut deliveries = Vec::with_capacity(leased.len());
        for waiting in &leased {
            let fault = match self.delivery(channel, destination, queue, waiting) {
                Ok(Some(delivery)) => {
                    deliveries.push(delivery);
                    continue;
                }
                Ok(None) => Fault::new(codes::W6014),
                Err(fault) => fault,
            };
            let fault = fault.at(Place::destination(channel.shared(), destination.shared()));
            self.settle_unsendable((channel, destination), waiting, fault, now).await?;
            leases.left.retain(|message| *message != waiting.message);
        }
        leases.left.clear();
        Ok(deliveries)
    }

    /// Settles a leased delivery whose body is not there, so that the others go on.
    ///
    /// One without a body, held or dead before it was mapped and then let go, is dead, as is
    /// one whose content was removed when it was sent again. One the disk does not give now is tried later. One that was changed on disk is held, out
    /// of its lane, until a person has looked.
    async fn settle_unsendable(
        &self,
        (channel, destination): (&ChannelName, &DestinationName),
        waiting: &Waiting,
        fault: Fault,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let record = FaultRecord::from(&fault);
        let later = now.after(UNREADABLE_FIRST * (1 << waiting.attempts.min(UNREADABLE_DOUBLED)));
        let subject = Subject::delivery(waiting.message, channel, destination);
        let (attempts, outcomes) = match (fault.code(), fault.class()) {
            (codes::W6014 | codes::W6015, _) => {
                let leaf = audit::delivery_dead(now, subject, &record);
                (waiting.attempts, vec![(Outcome::Dead(record), Some(leaf))])
            }
            (_, Class::Transient) => {
                let retry = Outcome::Retry { next_try: later, fault: record };
                (waiting.attempts.saturating_add(1), vec![(retry, None)])
            }
            (_, Class::Permanent | Class::Operator | Class::Bug) => {
                let leaf = audit::delivery_held(now, subject, audit::WEIR, &fault.line());
                // Held first, so that nobody leases it between; the retry says why.
                let why = Outcome::Retry { next_try: now, fault: record };
                (waiting.attempts.saturating_add(1), vec![(Outcome::Held, Some(leaf)), (why, None)])
            }
        };
        let leaves = outcomes.iter().filter_map(|(_, leaf)| leaf.as_ref());
        let audited = leaves.map(|leaf| leaf.action.clone()).collect();
        for (outcome, leaf) in outcomes {
            self.settle(OutcomeRecord {
                message: waiting.message,
                channel: channel.clone(),
                destination: destination.clone(),
                at: now,
                attempts,
                outcome,
                leaves: leaf.into_iter().collect(),
            })
            .await?;
        }
        self.shared().note_trouble(Trouble { message: waiting.message, fault, audited });
        Ok(())
    }

    /// Whether a delivery is still leased as it was given: not skipped, held, sent again or
    /// settled meanwhile. Costs a look into memory.
    #[must_use]
    pub fn is_leased(&self, delivery: &Delivery) -> bool {
        let shared = self.shared();
        let queue = shared.names.find(&delivery.channel, &delivery.destination);
        queue.is_some_and(|queue| {
            let mut live = shared.live();
            let window = &live.queue(queue).queue;
            window.is_leased(delivery.message, delivery.lane, delivery.position)
        })
    }

    /// What kept deliveries from being sent since this was last asked: messages whose
    /// bodies could not be read, each with its place and cause. The latest of them, at most
    /// [`super::TROUBLES_MAX`].
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.shared().take_troubles()
    }

    fn delivery(
        &self,
        channel: &ChannelName,
        destination: &DestinationName,
        queue: QueueId,
        waiting: &Waiting,
    ) -> Result<Option<Delivery>, Fault> {
        let made = self.delivery_of(channel, destination, queue, waiting)?;
        match made {
            Some(made) if made.body.is_removed() => Err(Fault::new(codes::W6015)),
            made => Ok(made),
        }
    }

    fn delivery_of(
        &self,
        channel: &ChannelName,
        destination: &DestinationName,
        queue: QueueId,
        waiting: &Waiting,
    ) -> Result<Option<Delivery>, Fault> {
        let delivery = |body: Body, original: Body, head: &Head| Delivery {
            message: waiting.message,
            channel: channel.clone(),
            destination: destination.clone(),
            lane: waiting.lane,
            position: waiting.place,
            attempts: waiting.attempts,
            received: head.received,
            next_try: waiting.next_try,
            replay: waiting.replay,
            revision: head.revision.clone(),
            body,
            original,
            message_type: head.message_type.clone(),
        };
        if let Some(Handed { body, original, head }) = &waiting.live {
            return Ok(Some(delivery(body.clone(), original.clone(), head)));
        }
        let shared = self.shared();
        let Entry::Message(record) = shared.journal.read(waiting.at)? else {
            return Err(
                Fault::new(codes::W6009).because("the index names an entry of another kind")
            );
        };
        let head = Head::new(&record, &[]);
        let original = record.original.clone();
        let Some(from) = waiting.body_from else {
            return Ok(own_body(*record, destination).map(|body| delivery(body, original, &head)));
        };
        // Sent again with another body: the outcome that gave it holds it.
        let row = shared.row(waiting.message)?;
        let at = row.and_then(|(_, row)| row.outcomes.iter().find(|o| o.0 == from).map(|o| o.1));
        let lost = || {
            let text = format!("the body of a replay, queue {}", queue.0);
            Fault::new(codes::W6010).because(text)
        };
        match shared.journal.read(at.ok_or_else(lost)?)? {
            Entry::Outcome(outcome) => match outcome.outcome {
                Outcome::Requeued { body: Some(body), revision } => {
                    Ok(Some(Delivery { revision, ..delivery(body, original, &head) }))
                }
                _ => Err(lost()),
            },
            Entry::Message(_) | Entry::Consent(_) | Entry::Action(_) | Entry::Records(_) => {
                Err(lost())
            }
        }
    }

    /// Waits until a lease for this destination may give something: something new, released
    /// or sent again, a lane set free, or a next attempt that is due when this is called.
    /// Time passing alone does not wake it: see [`Store::next_due`]. Cancel-safe; may
    /// return without need.
    pub async fn ready(&self, channel: &ChannelName, destination: &DestinationName) {
        let shared = self.shared();
        let queue = shared.names.number(channel, destination);
        let notify = shared.live().queue(queue).notify.clone();
        let mut woken = std::pin::pin!(notify.notified());
        woken.as_mut().enable();
        let now = shared.ports.clock.now();
        if shared.live().queue(queue).queue.is_ready(now) {
            return;
        }
        woken.await;
    }

    /// Earliest next attempt of a lane's head that waits for one, of the lanes in memory;
    /// may lie in the past when it was not leased yet.
    #[must_use]
    pub fn next_due(
        &self,
        channel: &ChannelName,
        destination: &DestinationName,
    ) -> Option<Timestamp> {
        let queue = self.shared().names.find(channel, destination)?;
        self.shared().live().queue(queue).queue.next_due()
    }
}

/// Leases that go back when dropped.
struct Leases<'a> {
    shared: &'a Shared,
    queue: QueueId,
    left: Vec<MessageId>,
}

impl Drop for Leases<'_> {
    fn drop(&mut self) {
        if self.left.is_empty() {
            return;
        }
        let notify = {
            let mut live = self.shared.live();
            let live = live.queue(self.queue);
            self.left.iter().for_each(|message| live.queue.unlease(*message));
            live.notify.clone()
        };
        notify.notify_waiters();
    }
}

fn own_body(record: MessageRecord, destination: &DestinationName) -> Option<Body> {
    let owed = record.owed.into_iter().find(|owed| owed.destination == *destination)?;
    match owed.fate {
        Fate::Deliver(body) => Some(body),
        Fate::Filtered(_) | Fate::Denied(_) | Fate::Held(_) | Fate::Dead(_) => None,
    }
}

fn unknown(message: MessageId) -> Fault {
    Fault::new(codes::W6012).because(format!("message {message}"))
}
