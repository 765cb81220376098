//! Intake: stamps what a source hands over, has it decided, commits it, and answers.
//!
//! Order: an entry is handed to the store before the first wait, or behind the gate when
//! the channel is full, so that messages of one connection reach their lane in the order
//! in which they came. The answer leaves after the commit, never before.
//!
//! With `ack = "on-receipt"` the answer leaves after the commit too: the stages cost
//! microseconds, so answering before them would save nothing and say less.
//!
//! A repetition (same sender, control ID and bytes within [`DUPLICATE_WINDOW`]) is answered
//! as the first was and not taken again: a sender that lost our answer sends once more.

use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::channel::{Channel, Live, Outlet, Pressure};
use super::panics;
use crate::base::{MessageId, Timestamp};
use crate::channel::{self, Processed, Reply};
use crate::fault::codes::{W2001, W6903, W6910, W9002};
use crate::fault::{Fault, Place};
use crate::hl7v2::{self, Tolerances};
use crate::message::{self, Fate, MessageRecord, Stage, Verdict};
use crate::observe::{Event, Level, happened};
use crate::source::{self, AckWhen, Answer, Intake, SourceKind, Taken};

/// How long a repetition is told from a new message. Senders repeat within minutes; a
/// sender that was down over a weekend starts with what it holds to be unanswered.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(72 * 3600);

/// Longest wait for room in a full queue before the sender is refused: shorter than the
/// answer time-out of common senders (30 s), so that they hear a reason instead of nothing.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// How often a waiting message looks for room.
const ROOM_LOOK: Duration = Duration::from_millis(50);

/// Longest wait for delivery with `ack = "after-delivery"`.
const DELIVERY_WAIT: Duration = Duration::from_secs(30);

/// The intake of one channel.
pub(crate) struct Door(pub(crate) Arc<Channel>);

#[async_trait]
impl Intake for Door {
    async fn take(&self, arrival: source::Arrival) -> Answer {
        match unpacked(&self.0, &arrival) {
            Some(parts) => self.take_batch(parts).await,
            None => self.take_one(arrival).await,
        }
    }

    async fn refuse(&self, arrival: source::Arrival, fault: Fault) -> Answer {
        let channel = &*self.0;
        let live = channel.live();
        let now = channel.core.now();
        let stamped = stamp(channel, &arrival, now);
        let processed = channel::reject(&live.plan.rules, &stamped, fault, now);
        let mut answer = self.commit(&live, processed).await;
        answer.close = true;
        answer
    }
}

/// The messages of a batch that came in one frame, as arrivals of their own; `None` for a
/// single message, and for a batch that cannot be taken apart, which is refused as it is.
fn unpacked(channel: &Channel, arrival: &source::Arrival) -> Option<Vec<source::Arrival>> {
    if !hl7v2::is_batch(&arrival.bytes) {
        return None;
    }
    let batch = hl7v2::batch::split(&arrival.bytes).ok()?;
    let parent = channel.core.new_id(channel.core.now());
    // Each part is told from the others, so that none counts as a repetition of another.
    let part = |(number, bytes): (u64, bytes::Bytes)| source::Arrival {
        bytes,
        parent: Some(parent),
        origin: arrival.origin.map(|origin| source::Origin { part: number, ..origin }),
        ..arrival.clone()
    };
    Some((0..).zip(batch.messages).map(part).collect())
}

/// How bad an end is for the sender: what was not kept must be offered again.
const fn rank(taken: &Taken) -> u8 {
    match taken {
        Taken::Committed(_) => 0,
        Taken::Refused(_) => 1,
        Taken::NotKept(_) => 2,
    }
}

impl Door {
    /// Takes the messages of a batch one after the other, with an answer for each.
    async fn take_batch(&self, parts: Vec<source::Arrival>) -> Answer {
        let mut whole: Option<Answer> = None;
        for part in parts {
            let answer = self.take_one(part).await;
            let Some(whole) = &mut whole else {
                whole = Some(answer);
                continue;
            };
            whole.replies.extend(answer.replies);
            whole.close |= answer.close;
            // The worst that became of any of them is what became of the batch.
            if rank(&answer.taken) > rank(&whole.taken) {
                whole.taken = answer.taken;
            }
        }
        whole.unwrap_or_else(|| Answer {
            taken: Taken::Refused(Fault::new(W2001)),
            replies: Vec::new(),
            close: false,
        })
    }

    /// Takes one message.
    async fn take_one(&self, arrival: source::Arrival) -> Answer {
        let channel = &*self.0;
        let live = channel.live();
        live.meters.bytes.add(arrival.bytes.len() as u64);
        let now = channel.core.now();
        let stamped = stamp(channel, &arrival, now);
        channel.last_received.store(now.micros(), Ordering::Relaxed);
        live.meters.last_received.set(now.seconds());
        let crowded = channel.at_gate.load(Ordering::Acquire) > 0;
        match channel.pressure(&live) {
            Pressure::Free if !crowded => self.keep(&arrival, stamped).await,
            Pressure::Slow(wait) if !crowded => {
                let answer = self.keep(&arrival, stamped).await;
                channel.core.pause_for(wait).await;
                answer
            }
            Pressure::Refuse(fault) => turn_away(channel, &live, &stamped, fault, now),
            Pressure::Free | Pressure::Slow(_) | Pressure::Wait(_) => {
                self.wait_and_keep(&live, &arrival, stamped).await
            }
        }
    }
}

fn stamp(channel: &Channel, arrival: &source::Arrival, now: Timestamp) -> channel::Arrival {
    channel::Arrival {
        id: channel.core.new_id(now),
        received: arrival.received,
        peer: arrival.peer.clone(),
        parent: arrival.parent,
        bytes: arrival.bytes.clone(),
    }
}

/// Refuses without touching the store: the sender keeps the message.
fn turn_away(
    channel: &Channel,
    live: &Live,
    arrival: &channel::Arrival,
    fault: Fault,
    now: Timestamp,
) -> Answer {
    let rules = &live.plan.rules;
    let reply = channel::refuse(
        (rules.ack_mode, rules.input),
        &arrival.bytes,
        fault.clone(),
        (arrival.id, now),
    );
    let event = channel.core.event(&happened::MESSAGE_NOT_KEPT).channel(channel.name.shared());
    channel.core.observer.emit(event.fault(&fault));
    live.meters.acknowledged(reply.code_text());
    answer(Taken::NotKept(fault), reply)
}

fn answer(taken: Taken, reply: Reply) -> Answer {
    Answer { taken, replies: reply.body.into_iter().collect(), close: false }
}

impl Door {
    /// Waits in line for room, then keeps the message; refuses when there is none in time.
    async fn wait_and_keep(
        &self,
        live: &Live,
        arrival: &source::Arrival,
        stamped: channel::Arrival,
    ) -> Answer {
        let channel = &*self.0;
        let clock = &channel.core.ports.clock;
        let begin = clock.monotonic();
        channel.at_gate.fetch_add(1, Ordering::AcqRel);
        let leave = Leave(channel);
        let _gate = channel.gate.lock().await;
        loop {
            let fault = match channel.pressure(live) {
                Pressure::Free | Pressure::Slow(_) => {
                    // Behind the gate to the end of the commit: those who wait are slow
                    // already, and their order is worth more.
                    let answer = self.keep(arrival, stamped).await;
                    drop(leave);
                    return answer;
                }
                Pressure::Refuse(fault) | Pressure::Wait(fault) => fault,
            };
            let waited = clock.monotonic().saturating_sub(begin);
            if waited >= ROOM_WAIT || !channel.core.pause_for(ROOM_LOOK).await {
                let now = channel.core.now();
                return turn_away(channel, live, &stamped, fault, now);
            }
        }
    }

    /// Decides and commits one message.
    async fn keep(&self, arrival: &source::Arrival, stamped: channel::Arrival) -> Answer {
        let channel = &*self.0;
        // While a reload takes destinations away nobody decides with the plan before it.
        let taking = channel.taking.read().await;
        let now = channel.core.now();
        let live = &*channel.live();
        if !*taking {
            let fault = Fault::new(W6910).at(Place::channel(channel.name.shared()));
            let mut answer = turn_away(channel, live, &stamped, fault, now);
            answer.close = true;
            return answer;
        }
        let mut processed = decide(channel, live, stamped, now);
        let record = &mut processed.record;
        if processed.reply.accepted
            && let Some(key) = origin_key(channel, live, arrival)
        {
            record.duplicate_key = Some(key);
        }
        tell_read_past(channel, live, record, processed.read_past);
        live.meters.received(&record.message_type);
        live.meters.trail(&record.trail);
        let Some(key) = record.duplicate_key else {
            return self.commit(live, processed).await;
        };
        let _flight = Flight::begin(channel, key).await;
        match channel.core.store.duplicate(&key, now, window(live)) {
            Ok(Some(first)) => repeated(channel, live, first, processed.reply),
            Ok(None) => self.commit(live, processed).await,
            Err(fault) => not_kept(channel, live, &processed.record, fault, now),
        }
    }

    /// Commits what was decided and answers.
    async fn commit(&self, live: &Live, processed: Processed) -> Answer {
        let channel = &*self.0;
        let core = &channel.core;
        let Processed { record, reply, left, read_past: _ } = processed;
        let audited = super::vitals::actions(&record.leaves);
        let (id, now) = (record.id, record.received);
        let kept = Kept::of(&record, &live.outlets);
        let wait = after_delivery(live) && kept.owed > 0;
        let delivered = wait.then(|| core.waiters.expect(id, kept.owed));
        let kind = (live.plan.rules.ack_mode, record.original.kind);
        let original = record.original.bytes.clone();
        kept.enter(&live.outlets, 1);
        let begin = core.ports.clock.monotonic();
        if let Err(fault) = core.store.commit(message::Entry::Message(Box::new(record))).await {
            kept.enter(&live.outlets, -1);
            core.waiters.forget(id);
            let refused = channel::refuse(kind, &original, fault.clone(), (id, core.now()));
            let event = core.event(&happened::MESSAGE_NOT_KEPT).channel(channel.name.shared());
            core.observer.emit(event.message(id).fault(&fault));
            live.meters.acknowledged(refused.code_text());
            return answer(Taken::NotKept(fault), refused);
        }
        let took = core.ports.clock.monotonic().saturating_sub(begin);
        core.commit_duration.observe(took);
        core.commits.increment();
        core.audited.count(&audited);
        live.meters.unused.add(left.unused);
        live.meters.unmapped.add(left.unmapped);
        live.meters.stage(Stage::Commit, took);
        kept.count(live);
        kept.report(channel, id, now, &reply);
        let reply = match delivered {
            Some(delivered) => self.await_delivery(id, delivered, reply, kind, &original).await,
            None => reply,
        };
        live.meters.acknowledged(reply.code_text());
        let taken = match (&reply.fault, reply.accepted) {
            (Some(fault), false) => Taken::Refused(fault.clone()),
            _ => Taken::Committed(id),
        };
        answer(taken, reply)
    }

    /// Waits until every destination has the message; else the answer says that it is kept
    /// but not delivered.
    async fn await_delivery(
        &self,
        id: MessageId,
        delivered: tokio::sync::oneshot::Receiver<bool>,
        reply: Reply,
        kind: (channel::AckMode, message::ContentKind),
        original: &bytes::Bytes,
    ) -> Reply {
        let core = &self.0.core;
        let told = tokio::select! {
            told = delivered => told.unwrap_or(false),
            () = core.ports.clock.sleep(DELIVERY_WAIT) => false,
        };
        core.waiters.forget(id);
        if told {
            return reply;
        }
        let fault = Fault::new(W6903).at(Place::channel(self.0.name.shared()));
        channel::refuse(kind, original, fault, (id, core.now()))
    }
}

/// Leaves the line at the gate when dropped.
struct Leave<'a>(&'a Channel);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.at_gate.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A commit under way; tells those with the same message when it ends, also when dropped.
struct Flight<'a> {
    channel: &'a Channel,
    key: [u8; 16],
    done: Arc<Notify>,
}

impl<'a> Flight<'a> {
    /// Begins, after those with the same message have ended. Waits for nobody else.
    async fn begin(channel: &'a Channel, key: [u8; 16]) -> Self {
        loop {
            let done = Arc::new(Notify::new());
            let other = {
                let mut in_flight =
                    channel.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
                match in_flight.entry(key) {
                    Entry::Occupied(other) => other.get().clone().notified_owned(),
                    Entry::Vacant(place) => {
                        place.insert(done.clone());
                        return Self { channel, key, done };
                    }
                }
            };
            other.await;
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.channel.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&self.key);
        drop(in_flight);
        self.done.notify_waiters();
    }
}

/// Runs the stages under a guard: a panic becomes dead letters, not a lost message.
fn decide(channel: &Channel, live: &Live, arrival: channel::Arrival, now: Timestamp) -> Processed {
    let rules = &live.plan.rules;
    let copy = arrival.clone();
    let run = || channel.core.surrounded(now, |around| channel::process(rules, arrival, around));
    if let Ok(processed) = catch_unwind(AssertUnwindSafe(run)) {
        return processed;
    }
    let fault = Fault::new(W9002).because(panics::last_place());
    let event = channel.core.event(&happened::STAGE_PANICKED).channel(channel.name.shared());
    channel.core.observer.emit(event.message(copy.id).fault(&fault));
    let wreck = || channel::wreck(rules, &copy, fault.clone(), now, true);
    catch_unwind(AssertUnwindSafe(wreck))
        .unwrap_or_else(|_| channel::wreck(rules, &copy, fault.clone(), now, false))
}

/// Counts what was read past; the first of each notable kind since the start is told.
fn tell_read_past(channel: &Channel, live: &Live, record: &MessageRecord, kinds: Tolerances) {
    if kinds.is_empty() {
        return;
    }
    let new = live.meters.read_past(kinds);
    if !new.is_empty() {
        let event = channel.core.event(&happened::MESSAGE_DEVIATES);
        let mut event = event.channel(channel.name.shared()).message(record.id);
        event.peer = Some(record.peer.address.clone());
        event.detail = Some(new.to_string().into());
        channel.core.observer.emit(event);
    }
}

/// The key of a part of a file, by where it came from: the same part offered again after a
/// crash is the same message, while two equal parts are two.
fn origin_key(channel: &Channel, live: &Live, arrival: &source::Arrival) -> Option<[u8; 16]> {
    let origin = arrival.origin?;
    match &live.plan.source.kind {
        SourceKind::File(plan) if plan.dedup.is_some() => None,
        SourceKind::File(_) | SourceKind::Mllp(_) => {
            let mut value = origin.digest.to_vec();
            value.extend_from_slice(&origin.part.to_be_bytes());
            Some(channel.core.store.keyed_hash("origin", &value))
        }
    }
}

fn window(live: &Live) -> Duration {
    match &live.plan.source.kind {
        SourceKind::File(plan) => plan.dedup.unwrap_or(DUPLICATE_WINDOW),
        SourceKind::Mllp(_) => DUPLICATE_WINDOW,
    }
}

fn after_delivery(live: &Live) -> bool {
    match &live.plan.source.kind {
        SourceKind::Mllp(plan) => plan.ack == AckWhen::AfterDelivery,
        SourceKind::File(_) => false,
    }
}

/// Answers a repetition as the first was answered.
fn repeated(channel: &Channel, live: &Live, first: MessageId, reply: Reply) -> Answer {
    live.meters.duplicates.increment();
    live.meters.acknowledged(reply.code_text());
    let event = channel.core.event(&happened::MESSAGE_DUPLICATE).channel(channel.name.shared());
    channel.core.observer.emit(event.message(first));
    answer(Taken::Committed(first), reply)
}

/// Answers that a message could not be kept.
fn not_kept(
    channel: &Channel,
    live: &Live,
    record: &MessageRecord,
    fault: Fault,
    now: Timestamp,
) -> Answer {
    let arrival = channel::Arrival {
        id: record.id,
        received: record.received,
        peer: record.peer.clone(),
        parent: record.parent,
        bytes: record.original.bytes.clone(),
    };
    turn_away(channel, live, &arrival, fault, now)
}

/// What is told of a record after it was handed to the store.
struct Kept {
    owed: usize,
    states: Vec<(usize, message::State)>,
    dead: Vec<(usize, Arc<str>)>,
    verdicts: Vec<(usize, &'static str)>,
    message_type: Arc<str>,
    peer: Arc<str>,
}

impl Kept {
    fn of(record: &MessageRecord, outlets: &[Arc<Outlet>]) -> Self {
        let mut kept = Self {
            owed: 0,
            states: Vec::with_capacity(record.owed.len()),
            dead: Vec::new(),
            verdicts: Vec::new(),
            message_type: record.message_type.clone(),
            peer: record.peer.address.clone(),
        };
        for owed in &record.owed {
            let place = outlets.iter().position(|outlet| outlet.name == owed.destination);
            let Some(place) = place else { continue };
            kept.states.push((place, owed.fate.state()));
            match &owed.fate {
                Fate::Deliver(_) => kept.owed += 1,
                Fate::Dead(fault) => kept.dead.push((place, fault.code.clone())),
                Fate::Denied(decision) | Fate::Held(decision) => {
                    kept.verdicts.push((place, decision.verdict.name()));
                }
                Fate::Filtered(_) => {}
            }
        }
        kept
    }

    /// Counts the message into the queues, or with -1 out of them again.
    fn enter(&self, outlets: &[Arc<Outlet>], amount: i64) {
        for (place, state) in &self.states {
            if *state == message::State::Waiting
                && let Some(outlet) = outlets.get(*place)
            {
                outlet.waiting.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }

    fn count(&self, live: &Live) {
        use message::State;
        for (place, state) in &self.states {
            let Some(outlet) = live.outlets.get(*place) else { continue };
            match state {
                State::Filtered => outlet.meters.filtered.increment(),
                State::Denied => outlet.meters.denied.increment(),
                State::Waiting if live.plan.rules.consent.policy.is_some() => {
                    outlet.meters.decided(Verdict::Permit.name());
                }
                State::Waiting | State::Held | State::Delivered | State::Skipped | State::Dead => {}
            }
        }
        for (place, verdict) in &self.verdicts {
            if let Some(outlet) = live.outlets.get(*place) {
                outlet.meters.decided(verdict);
            }
        }
        for (place, code) in &self.dead {
            if let Some(outlet) = live.outlets.get(*place) {
                outlet.meters.dead(code);
            }
            if code.starts_with("W4") {
                live.meters.mapping_failed(code);
            }
        }
    }

    fn report(&self, channel: &Channel, id: MessageId, now: Timestamp, reply: &Reply) {
        let observer = &channel.core.observer;
        let event = |row| {
            let mut event = Event::new(row, now).channel(channel.name.shared()).message(id);
            event.peer = Some(self.peer.clone());
            event.message_type = Some(self.message_type.clone());
            event
        };
        match &reply.fault {
            Some(fault) if !reply.accepted => {
                observer.emit(event(&happened::MESSAGE_REFUSED).fault(fault));
            }
            _ if observer.wants(Level::Debug) => observer.emit(event(&happened::MESSAGE_ACCEPTED)),
            _ => {}
        }
        for (place, code) in &self.dead {
            let live = channel.live();
            let Some(outlet) = live.outlets.get(*place) else { continue };
            let mut dead = event(&happened::DELIVERY_DEAD).destination(outlet.name.shared());
            dead.code = crate::fault::Code::find(code);
            observer.emit(dead);
        }
    }
}
