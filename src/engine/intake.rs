//! Intake: stamps what a source hands over, has it decided, commits it, and answers.
//!
//! Order: an entry is handed to the store before the first wait, or behind the gate when
//! the channel is full, so that messages of one connection reach their lane in the order
//! in which they came. The answer leaves after the commit, never before.
//!
//! With `ack = "on-receipt"` the stages after the header run behind the answer (`receipt`);
//! with `ack = "after-delivery"` the answer waits for the couriers.
//!
//! A repetition (same sender, control ID and bytes within [`DUPLICATE_WINDOW`]) is answered
//! as the first was and not taken again: a sender that lost our answer sends once more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::application::{self, Late};
use super::batch::{Unpacked, unpacked};
use super::channel::{Channel, Live, Pressure};
use super::commit::{self, Enduring, Flight, Hold, Reached, Written};
use super::core::Watch;
use super::shelves::Metered;
use super::{hearing, panics, receipt, sequence};
use crate::base::{MessageId, Timestamp};
use crate::channel::{self, ChannelRules, Processed, Reply};
use crate::destination::DestinationPlan;
use crate::fault::codes::{W6903, W6910, W9002};
use crate::fault::{Fault, Place};
use crate::hl7v2::Tolerances;
use crate::hl7v2::ack::AckCode;
use crate::message::{Leaf, MessageRecord};
use crate::observe::happened;
use crate::records::Reader;
use crate::source::{
    self, AckWhen, Answer, Back, Command, Heard, Intake, ReplyWhen, Sequence, SourceKind, Standing,
    Taken,
};

/// How long a repetition is told from a new message. Senders repeat within minutes; a
/// sender that was down over a weekend starts with what it holds to be unanswered.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(72 * 3600);

/// Longest wait for room in a full queue before the sender is refused: shorter than the
/// answer time-out of common senders (30 s), so that they hear a reason instead of nothing.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// How often a waiting message looks for room.
const ROOM_LOOK: Duration = Duration::from_millis(50);

/// The intake of one channel.
pub(crate) struct Door(pub(crate) Arc<Channel>);

#[async_trait]
impl Intake for Door {
    async fn take(&self, arrival: source::Arrival) -> Answer {
        match unpacked(&self.0, &arrival) {
            Unpacked::One => self.take_one(arrival).await,
            // On the heap, as all that is rare here: each message in flight holds room for it.
            Unpacked::Batch(batch, parts) => Box::pin(self.take_batch(&batch, parts)).await,
            Unpacked::Refused(fault) => self.reject(&arrival, fault).await,
        }
    }

    async fn refuse(&self, arrival: source::Arrival, fault: Fault) -> Answer {
        let live = self.0.live();
        let mut answer = match refused_key(&self.0, &live, &arrival) {
            Some(key) => self.reject_once(&arrival, fault, (live, key)).await,
            None => self.reject(&arrival, fault).await,
        };
        answer.close = true;
        answer
    }

    async fn standing(&self, message: MessageId) -> Result<Option<Standing>, Fault> {
        commit::standing(&self.0, message)
    }

    fn reader(&self) -> Option<Arc<dyn Reader>> {
        let live = self.0.live();
        let SourceKind::Fhir(plan) = &live.plan.source.kind else { return None };
        let own = live.plan.destinations.iter().find_map(|to| match &to.kind {
            DestinationPlan::Records(plan) => Some(plan.collection.clone()),
            _ => None,
        });
        let name = plan.records.clone().or(own)?;
        let (core, collection) = (self.0.core.clone(), self.0.core.store.collection(&name));
        Some(Arc::new(Metered { core, name, collection }))
    }

    fn own_secret(&self, purpose: &str) -> Option<Arc<str>> {
        let store = &self.0.core.store;
        let [one, two] = ["one", "two"].map(|half| {
            let value = format!("{half} {}/{purpose}", self.0.name);
            u128::from_be_bytes(store.keyed_hash("source secret", value.as_bytes()))
        });
        Some(format!("{one:032x}{two:032x}").into())
    }

    fn recall(&self, name: &str) -> Result<Option<Arc<str>>, Fault> {
        self.0.core.store.setting(&note(&self.0, name))
    }

    async fn remember(&self, notes: Vec<(&'static str, String)>) -> Result<(), Fault> {
        let written = |(name, text): (&str, String)| (note(&self.0, name).into(), text.into());
        self.0.core.act(notes.into_iter().map(written).collect(), Vec::new()).await
    }

    async fn testify(&self, leaves: Vec<Leaf>) -> Result<(), Fault> {
        self.0.core.act(Vec::new(), leaves).await
    }
}

impl Door {
    /// Journals and answers what is refused as it came.
    pub(super) async fn reject(&self, arrival: &source::Arrival, fault: Fault) -> Answer {
        let channel = &*self.0;
        let live = channel.live();
        let now = channel.core.now();
        let stamped = stamp(channel, arrival, now);
        let processed = channel::reject(&live.plan.rules, &stamped, fault, now);
        let hold = Hold::default();
        self.commit(live, processed, hold, (None, false)).await
    }

    /// As [`Door::reject`], unless the same was refused before.
    async fn reject_once(
        &self,
        arrival: &source::Arrival,
        fault: Fault,
        (live, key): (Arc<Live>, [u8; 16]),
    ) -> Answer {
        let channel = &self.0;
        let flight = Flight::begin(channel.clone(), key).await;
        let now = channel.core.now();
        let stamped = stamp(channel, arrival, now);
        let mut processed = channel::reject(&live.plan.rules, &stamped, fault.clone(), now);
        processed.record.duplicate_key = Some(key);
        match channel.core.store.duplicate(&key, now, window(&live)) {
            Ok(Some(first)) => {
                live.meters.duplicates.increment();
                let event = channel.core.event(&happened::MESSAGE_DUPLICATE);
                let event = event.channel(channel.name.shared());
                channel.core.observer.emit(event.message(first));
                answer(Taken::Refused(fault), processed.reply)
            }
            Ok(None) => {
                let hold = Hold { _flight: Some(flight), ..Hold::default() };
                self.commit(live, processed, hold, (None, false)).await
            }
            Err(fault) => not_kept(channel, &live, &processed.record, fault, now),
        }
    }

    /// Takes one message, or what a sender says about the link.
    pub(super) async fn take_one(&self, arrival: source::Arrival) -> Answer {
        let live = self.0.live();
        match sequence::wanted(&live) {
            Sequence::Off => self.take_fragments(arrival).await,
            Sequence::Check | Sequence::Require => {
                Box::pin(self.take_numbered(&live, arrival)).await
            }
        }
    }

    /// Takes one message that is whole.
    pub(super) async fn take_plain(&self, arrival: source::Arrival) -> Answer {
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

/// Name of the setting in the journal that a source's note is kept under.
fn note(channel: &Channel, name: &str) -> String {
    format!("source {}/{name}", channel.name)
}

pub(super) fn stamp(
    channel: &Channel,
    arrival: &source::Arrival,
    now: Timestamp,
) -> channel::Arrival {
    channel::Arrival {
        id: channel.core.new_id(now),
        received: arrival.received,
        peer: arrival.peer.clone(),
        parent: arrival.parent,
        bytes: arrival.bytes.clone(),
        message_type: arrival.message_type.clone(),
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
        &rules.answering(rules.input),
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
    let replies = reply.body.into_iter().collect();
    Answer { taken, replies, close: false, heard: Heard::Nothing }
}

impl Door {
    /// Answers that a message could not be kept, for no fault of its own.
    pub(super) fn not_kept(&self, live: &Live, arrival: &source::Arrival, fault: Fault) -> Answer {
        let now = self.0.core.now();
        turn_away(&self.0, live, &stamp(&self.0, arrival, now), fault, now)
    }

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
        let channel = &self.0;
        let room = match acknowledges(&channel.live()) {
            AckWhen::OnReceipt => receipt::room(channel, stamped.bytes.len()).await,
            AckWhen::AfterCommit | AckWhen::AfterDelivery => None,
        };
        // While a reload takes destinations away nobody decides with the plan before it.
        let taking = channel.taking.clone().read_owned().await;
        let now = channel.core.now();
        let live = channel.live();
        if !*taking {
            let fault = Fault::new(W6910).at(Place::channel(channel.name.shared()));
            let mut answer = turn_away(channel, &live, &stamped, fault, now);
            answer.close = true;
            return answer;
        }
        let asks = (arrival.back.clone(), arrival.waits);
        let stages = match acknowledges(&live) {
            AckWhen::OnReceipt => channel::receive,
            AckWhen::AfterCommit | AckWhen::AfterDelivery => channel::process,
        };
        let mut processed = decide(channel, &live, stamped, now, stages);
        let record = &mut processed.record;
        if processed.reply.accepted
            && let Some(key) = origin_key(channel, &live, arrival)
        {
            record.duplicate_key = Some(key);
        }
        tell_read_past(channel, &live, record, processed.read_past);
        live.meters.received(&record.message_type);
        live.meters.trail(&record.trail);
        let Some(key) = record.duplicate_key else {
            let hold = Hold { _taking: Some(taking), _flight: None, room };
            return self.commit(live, processed, hold, asks).await;
        };
        let flight = Flight::begin(channel.clone(), key).await;
        match channel.core.store.duplicate(&key, now, window(&live)) {
            Ok(Some(first)) => {
                // Only its commit concerns others, and that is over.
                drop((flight, taking, room));
                self.repeated(&live, first, processed, asks).await
            }
            Ok(None) => {
                let hold = Hold { _taking: Some(taking), _flight: Some(flight), room };
                self.commit(live, processed, hold, asks).await
            }
            Err(fault) => not_kept(channel, &live, &processed.record, fault, now),
        }
    }

    /// Commits what was decided and answers.
    pub(super) async fn commit(
        &self,
        live: Arc<Live>,
        processed: Processed,
        hold: Hold,
        asks: (Option<Back>, bool),
    ) -> Answer {
        let channel = &self.0;
        let record = &processed.record;
        let (id, asked) = (record.id, Asked::of(&live, record, asks));
        let pending = processed.reply.accepted
            && record.owed.is_empty()
            && acknowledges(&live) == AckWhen::OnReceipt;
        // Before the commit: a courier may be faster than the answer to it.
        let watch = (processed.reply.accepted && asked.when == AckWhen::AfterDelivery)
            .then(|| self.watch(&live, id, &processed.record));
        let write = match pending {
            true => {
                let receipt = receipt::keep(channel.clone(), processed, hold, asked.late.clone());
                Enduring::new(&channel.core, receipt)
            }
            false => {
                let write = commit::write(channel.clone(), live.clone(), processed, hold);
                Enduring::new(&channel.core, write)
            }
        };
        let reply = match write.await {
            Written::Kept(reply) => reply,
            Written::NotKept(fault, refused) => {
                live.meters.acknowledged(refused.code_text());
                return answer(Taken::NotKept(fault), refused);
            }
        };
        if let (Some(fault), false) = (&reply.fault, reply.accepted) {
            live.meters.acknowledged(reply.code_text());
            return answer(Taken::Refused(fault.clone()), reply);
        }
        let (reply, heard) = self.when_delivered(id, &asked, reply, watch).await;
        live.meters.acknowledged(reply.code_text());
        Answer { heard, ..answer(Taken::Committed(id), reply) }
    }

    /// Watches what becomes of a message, as its source answers.
    fn watch(&self, live: &Live, message: MessageId, record: &MessageRecord) -> Watch {
        match &live.plan.source.kind {
            SourceKind::Fhir(plan) => {
                let from = plan.reply_from.as_ref();
                hearing::listen(&self.0.core, (message, record), &live.plan.destinations, from)
            }
            SourceKind::Mllp(_)
            | SourceKind::File(_)
            | SourceKind::FhirBulk(_)
            | SourceKind::FhirSubscription(_) => self.0.core.waiters.watch(&self.0.core, message),
        }
    }

    /// Answers a repetition as the first was answered: where the answer depends on
    /// delivery, by how the first stands.
    async fn repeated(
        &self,
        live: &Live,
        first: MessageId,
        processed: Processed,
        asks: (Option<Back>, bool),
    ) -> Answer {
        let channel = &*self.0;
        let asked = Asked::of(live, &processed.record, asks);
        live.meters.duplicates.increment();
        let event = channel.core.event(&happened::MESSAGE_DUPLICATE).channel(channel.name.shared());
        channel.core.observer.emit(event.message(first));
        let watch = (asked.when == AckWhen::AfterDelivery)
            .then(|| self.watch(live, first, &processed.record));
        let (reply, heard) = self.when_delivered(first, &asked, processed.reply, watch).await;
        live.meters.acknowledged(reply.code_text());
        Answer { heard, ..answer(Taken::Committed(first), reply) }
    }

    /// With `ack = "after-delivery"` waits until every destination has the message; else
    /// the answer says that it is kept but not delivered.
    ///
    /// A commit acknowledgment never waits: the application acknowledgment follows it as a
    /// message of its own, where it is asked for and there is something to wait for or an
    /// address for it.
    ///
    /// A sender that hears what destinations say is told that the message is on its way when
    /// patience ends, and need not be told otherwise.
    async fn when_delivered(
        &self,
        message: MessageId,
        asked: &Asked,
        reply: Reply,
        watch: Option<Watch>,
    ) -> (Reply, Heard) {
        let channel = &*self.0;
        if reply.code.is_some_and(AckCode::is_commit) {
            if reply.application {
                self.say_later(message, asked).await;
            }
            return (reply, Heard::Nothing);
        }
        let Some(mut watch) = watch else { return (reply, Heard::Nothing) };
        let to = watch.listens_to();
        let stands = tokio::select! {
            stands = commit::reached(&channel.core, &watch) => stands,
            // It is kept, and its sender hears so while there is time.
            () = stopped(channel), if to.is_some() => Reached::OnTheWay,
        };
        let (said, dead) = watch.heard();
        let why = match &to {
            Some(to) => hearing::given_up((&channel.name, to), dead.as_ref()),
            None => Fault::new(W6903).at(Place::channel(channel.name.shared())),
        };
        match (stands, said) {
            (Reached::Delivered, said) => return (reply, Heard::All(said)),
            (_, Some(said)) => return (reply, Heard::Not(why, Some(said))),
            (Reached::OnTheWay, None) if to.is_some() => return (reply, Heard::OnTheWay),
            (Reached::OnTheWay | Reached::Stopped, None) => {}
        }
        let heard = Heard::Not(why.clone(), None);
        let refused = channel::refuse(
            &asked.late.kind,
            &asked.late.original,
            why,
            (message, channel.core.now()),
        );
        commit::note_answer(channel, message, &refused).await;
        (refused, heard)
    }

    /// Has the application acknowledgment follow, once the result is known. On receipt it
    /// follows the processing of the message.
    async fn say_later(&self, message: MessageId, asked: &Asked) {
        let (channel, core) = (&self.0, self.0.core.clone());
        let late = asked.late.clone();
        match asked.when {
            AckWhen::AfterCommit => {
                late.owe(channel, message, true).await;
                late.say_later(channel, message, std::future::ready(None)).await;
            }
            AckWhen::AfterDelivery => {
                late.owe(channel, message, false).await;
                let place = Place::channel(channel.name.shared());
                let result = async move {
                    let delivered = commit::delivered(&core, message).await;
                    (!delivered).then(|| Fault::new(W6903).at(place))
                };
                late.say_later(channel, message, result).await;
            }
            AckWhen::OnReceipt => {}
        }
    }
}

/// What an answer that leaves later is made of.
struct Asked {
    when: AckWhen,
    late: Late,
}

impl Asked {
    fn of(live: &Live, record: &MessageRecord, (back, waits): (Option<Back>, bool)) -> Self {
        let late = Late {
            kind: live.plan.rules.answering(record.original.kind),
            original: record.original.bytes.clone(),
            back,
            target: application::target(live),
        };
        let when = match acknowledges(live) {
            AckWhen::AfterDelivery if !waits => AckWhen::AfterCommit,
            when => when,
        };
        Self { when, late }
    }
}

/// Leaves the line at the gate when dropped.
struct Leave<'a>(&'a Channel);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.at_gate.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The pure steps of a message: all of them, or those before the answer.
pub(super) type Stages =
    fn(&ChannelRules, channel::Arrival, &mut channel::Surroundings<'_>) -> Processed;

/// Runs the stages under a guard: a panic becomes dead letters, not a lost message.
pub(super) fn decide(
    channel: &Channel,
    live: &Live,
    arrival: channel::Arrival,
    now: Timestamp,
    stages: Stages,
) -> Processed {
    let rules = &live.plan.rules;
    let copy = arrival.clone();
    let run = || channel.core.surrounded(now, |around| stages(rules, arrival, around));
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

/// Longest wait for a destination after the stop was asked for; less than sources have for
/// their stop.
const STOP_WAIT: Duration = Duration::from_secs(3);

/// Comes when the channel is to stop and some time has passed.
async fn stopped(channel: &Channel) {
    let mut command = channel.command.subscribe();
    // A dropped sender means stop as well.
    let _ = command.wait_for(|command| *command == Command::Stop).await;
    channel.core.ports.clock.sleep(STOP_WAIT).await;
}

/// The key of a part of a file, by where it came from: the same part offered again after a
/// crash is the same message, while two equal parts are two.
fn origin_key(channel: &Channel, live: &Live, arrival: &source::Arrival) -> Option<[u8; 16]> {
    let origin = arrival.origin?;
    match &live.plan.source.kind {
        SourceKind::File(plan) if plan.dedup.is_some() => None,
        SourceKind::File(_)
        | SourceKind::Mllp(_)
        | SourceKind::Fhir(_)
        | SourceKind::FhirBulk(_)
        | SourceKind::FhirSubscription(_) => {
            let mut value = origin.digest.to_vec();
            value.extend_from_slice(&origin.part.to_be_bytes());
            // What two channels take from one place is two messages.
            value.extend_from_slice(channel.name.as_str().as_bytes());
            Some(channel.core.store.keyed_hash("origin", &value))
        }
    }
}

/// The key of what is refused before it is a message, where a source offers the same again
/// by itself. What a person offers again is looked at anew.
fn refused_key(channel: &Channel, live: &Live, arrival: &source::Arrival) -> Option<[u8; 16]> {
    match &live.plan.source.kind {
        SourceKind::FhirBulk(_) | SourceKind::FhirSubscription(_) => {
            origin_key(channel, live, arrival)
        }
        SourceKind::Mllp(_) | SourceKind::File(_) | SourceKind::Fhir(_) => None,
    }
}

fn window(live: &Live) -> Duration {
    match &live.plan.source.kind {
        SourceKind::File(plan) => plan.dedup.unwrap_or(DUPLICATE_WINDOW),
        SourceKind::Mllp(_)
        | SourceKind::Fhir(_)
        | SourceKind::FhirBulk(_)
        | SourceKind::FhirSubscription(_) => DUPLICATE_WINDOW,
    }
}

/// When the answer leaves. A file and an export have nobody to answer.
fn acknowledges(live: &Live) -> AckWhen {
    match &live.plan.source.kind {
        SourceKind::Mllp(plan) => plan.ack,
        SourceKind::File(_) | SourceKind::FhirBulk(_) | SourceKind::FhirSubscription(_) => {
            AckWhen::AfterCommit
        }
        SourceKind::Fhir(plan) => match plan.reply {
            ReplyWhen::AfterCommit => AckWhen::AfterCommit,
            ReplyWhen::AfterDelivery => AckWhen::AfterDelivery,
        },
    }
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
        message_type: None,
    };
    turn_away(channel, live, &arrival, fault, now)
}
