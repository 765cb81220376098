//! The commit of one message: from the decision until its entry is on disk, and the wait
//! for delivery where the answer depends on it.
//!
//! A commit that began goes on to its end, whoever waits for it: the entry is written in
//! any case, so what belongs to it (duplicate detection, counts, the guard against a
//! reload) lasts as long as it does. A connection that dies meanwhile changes nothing.

use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedSemaphorePermit};

use super::channel::{Channel, Live, Outlet};
use super::core::{Core, Watch};
use super::task;
use crate::audit;
use crate::base::{DestinationName, MessageId, Timestamp};
use crate::channel::{self, Processed, Reply};
use crate::fault::Fault;
use crate::message::{self, Fate, MessageRecord, Outcome, Stage, State, Verdict};
use crate::observe::{Event, Level, happened};
use crate::source::{Stand, Standing};
use crate::store::Store;

/// Longest wait for delivery with `ack = "after-delivery"`.
const DELIVERY_WAIT: Duration = Duration::from_secs(30);

/// Longest time for which an outcome that took effect may not be readable yet, counted from
/// the arrival of its message: many times what the disk takes.
const OUTCOME_LAG: Duration = Duration::from_secs(60);

/// What a commit keeps until its end.
#[derive(Default)]
pub(super) struct Hold {
    /// No reload takes destinations away meanwhile.
    pub(super) _taking: Option<OwnedRwLockReadGuard<bool>>,
    /// The same message waits meanwhile.
    pub(super) _flight: Option<Flight>,
    /// Room in the backlog, for what is processed behind its answer.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// A future that is run to its end: dropped before, it goes on as a task of its own.
pub(super) struct Enduring<T: Send + 'static> {
    core: Arc<Core>,
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T: Send + 'static> Enduring<T> {
    pub(super) fn new(core: &Arc<Core>, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { core: core.clone(), future: Some(Box::pin(future)) }
    }
}

impl<T: Send + 'static> Future for Enduring<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Enduring<T> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else { return };
        // What panicked cannot go on; at the end of the engine the journal has the rest.
        if std::thread::panicking() || self.core.stopping() || !task::can_spawn() {
            return;
        }
        // Its owner is the store, which ends it by its answer.
        drop(task::spawn(async move { drop(future.await) }));
    }
}

/// A commit under way; tells those with the same message when it ends.
pub(super) struct Flight {
    channel: Arc<Channel>,
    key: [u8; 16],
    done: Arc<Notify>,
}

impl Flight {
    /// Begins, after those with the same message have ended. Waits for nobody else.
    pub(super) async fn begin(channel: Arc<Channel>, key: [u8; 16]) -> Self {
        loop {
            let done = Arc::new(Notify::new());
            let other = {
                let mut in_flight =
                    channel.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
                match in_flight.entry(key) {
                    Entry::Occupied(other) => other.get().clone().notified_owned(),
                    Entry::Vacant(place) => {
                        place.insert(done.clone());
                        drop(in_flight);
                        return Self { channel, key, done };
                    }
                }
            };
            other.await;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut in_flight = self.channel.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&self.key);
        drop(in_flight);
        self.done.notify_waiters();
    }
}

/// What a commit came to.
pub(super) enum Written {
    /// On disk; what the sender hears.
    Kept(Reply),
    /// Not on disk, with the refusal.
    NotKept(Fault, Reply),
}

/// Commits what was decided, counts and reports it.
pub(super) async fn write(
    channel: Arc<Channel>,
    live: Arc<Live>,
    processed: Processed,
    hold: Hold,
) -> Written {
    let core = &channel.core;
    let Processed { record, reply, left, read_past: _ } = processed;
    let audited = super::vitals::actions(&record.leaves);
    let (id, now) = (record.id, record.received);
    let kept = Kept::of(&record, &live.outlets);
    let kind = live.plan.rules.answering(record.original.kind);
    let original = record.original.bytes.clone();
    kept.enter(&live.outlets, 1);
    let begin = core.ports.clock.monotonic();
    if let Err(fault) = core.store.commit(message::Entry::Message(Box::new(record))).await {
        kept.enter(&live.outlets, -1);
        let refused = channel::refuse(&kind, &original, fault.clone(), (id, core.now()));
        let event = core.event(&happened::MESSAGE_NOT_KEPT).channel(channel.name.shared());
        core.observer.emit(event.message(id).fault(&fault));
        return Written::NotKept(fault, refused);
    }
    drop(hold);
    let took = core.ports.clock.monotonic().saturating_sub(begin);
    core.commit_duration.observe(took);
    core.audited.count(&audited);
    live.meters.unused.add(left.unused);
    left.unmapped.iter().for_each(|table| live.meters.unmapped(table));
    live.meters.stage(Stage::Commit, took);
    kept.count(&live);
    kept.report(&channel, id, now, &reply);
    Written::Kept(reply)
}

/// How a message stands after the wait for its destinations, or for the one whose answer its
/// sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Every destination that gets it has it.
    Delivered,
    /// Some destination is still to get it.
    OnTheWay,
    /// Some destination does not have it, and nothing more happens by itself.
    Stopped,
}

/// Waits until every destination that gets a message has it; at most for a time.
pub(super) async fn delivered(core: &Arc<Core>, message: MessageId) -> bool {
    let watch = core.waiters.watch(core, message);
    reached(core, &watch).await == Reached::Delivered
}

/// As [`delivered`], for who watches already: one that is held, dead or skipped has it not,
/// one that it was kept from by a condition or by consent does not count. Who listens to a
/// destination waits for that one alone.
pub(super) async fn reached(core: &Arc<Core>, watch: &Watch) -> Reached {
    let message = watch.message();
    let to = watch.listens_to();
    let patience = core.ports.clock.sleep(DELIVERY_WAIT);
    tokio::pin!(patience);
    loop {
        let settled = watch.settled();
        tokio::pin!(settled);
        // Before the look, so that what is settled after it is heard.
        settled.as_mut().enable();
        if let Some(reached) = stands(core, message, to.as_ref()) {
            return reached;
        }
        tokio::select! {
            () = settled => {}
            () = &mut patience => return Reached::OnTheWay,
        }
    }
}

/// How it stands with all destinations, or with this one; none while some still wait.
fn stands(core: &Core, message: MessageId, with: Option<&DestinationName>) -> Option<Reached> {
    // A message that the store cannot show is not known to be delivered.
    let Ok(Some(states)) = core.store.states(message) else { return Some(Reached::Stopped) };
    let mut waits = false;
    for (name, state) in states {
        if with.is_some_and(|with| *with != name) {
            continue;
        }
        match state {
            State::Waiting => waits = true,
            State::Delivered | State::Filtered | State::Denied => {}
            // Whether a person lets it go is seen later, by who listens; nothing is refused.
            State::Held if with.is_some() => return Some(Reached::OnTheWay),
            State::Held | State::Dead | State::Skipped => return Some(Reached::Stopped),
        }
    }
    (!waits).then_some(Reached::Delivered)
}

/// How a message of a channel stands, for its sender; none when the channel has none such.
pub(super) fn standing(channel: &Channel, message: MessageId) -> Result<Option<Standing>, Fault> {
    let store = &channel.core.store;
    let Some(record) = store.message(message)?.filter(|record| record.channel == channel.name)
    else {
        return Ok(None);
    };
    let states = store.states(message)?.unwrap_or_default();
    let outcomes = store.outcomes(message)?;
    let stand = |(name, state): (DestinationName, State)| {
        let own = |outcome: &&message::OutcomeRecord| outcome.destination == name;
        let mut stand = Stand { state, receipt: None, fault: None };
        if let Some(Fate::Dead(fault)) =
            record.owed.iter().find(|owed| owed.destination == name).map(|owed| &owed.fate)
        {
            stand.fault = Some(fault.clone());
        }
        for outcome in outcomes.iter().filter(own) {
            match &outcome.outcome {
                Outcome::Delivered(receipt) => stand.receipt = Some(receipt.clone()),
                Outcome::Retry { fault, .. } | Outcome::Dead(fault) => {
                    stand.fault = Some(fault.clone());
                }
                Outcome::Denied(_)
                | Outcome::Held
                | Outcome::Skipped
                | Outcome::Released
                | Outcome::Requeued { .. } => {}
            }
        }
        // Its outcome is on its way to disk still, and is read in a moment.
        let unread = match stand.state {
            State::Delivered => stand.receipt.is_none(),
            State::Dead => stand.fault.is_none(),
            State::Waiting | State::Held | State::Filtered | State::Denied | State::Skipped => {
                false
            }
        };
        if unread && channel.core.now().since(record.received) < OUTCOME_LAG {
            stand.state = State::Waiting;
        }
        stand
    };
    let destinations = states.into_iter().map(stand).collect();
    let sender = record.peer.subject.clone();
    Ok(Some(Standing { sender, refused: record.fault.clone(), destinations }))
}

/// Notes an answer other than the one the message's own entry names: durable before the
/// answer leaves.
pub(super) async fn note_answer(channel: &Channel, message: MessageId, reply: &Reply) {
    let core = &channel.core;
    let subject = audit::Subject::message(message, &channel.name);
    let code = reply.fault.as_ref().map_or("", |fault| fault.code().as_str());
    let said = format!("{} {code}", reply.code_text());
    let leaf = audit::message_answered(core.now(), subject, said.trim());
    let setting = Store::answer_setting(message, said.trim());
    if let Err(fault) = core.act(vec![setting], vec![leaf]).await {
        let event = core.event(&happened::STORE_TROUBLE).channel(channel.name.shared());
        core.observer.emit(event.message(message).fault(&fault));
    }
}

/// What is told of a record after it was handed to the store.
struct Kept {
    states: Vec<(usize, message::State)>,
    dead: Vec<(usize, Arc<str>)>,
    verdicts: Vec<(usize, &'static str)>,
    message_type: Arc<str>,
    peer: Arc<str>,
}

impl Kept {
    fn of(record: &MessageRecord, outlets: &[Arc<Outlet>]) -> Self {
        let mut kept = Self {
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
                Fate::Deliver(_) | Fate::Filtered(_) => {}
                Fate::Dead(fault) => kept.dead.push((place, fault.code.clone())),
                Fate::Denied(decision) | Fate::Held(decision) => {
                    kept.verdicts.push((place, decision.verdict.name()));
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::codes::W6901;
    use crate::observe::{Observer, Registry};
    use crate::ports::sim;
    use crate::store::{IndexHome, StorePlan};

    async fn core() -> Arc<Core> {
        let (ports, _) = sim::ports(1);
        let plan = StorePlan { index: IndexHome::Memory, ..StorePlan::new("/data".into()) };
        let (store, _) = Store::open(&ports, &plan, Default::default(), &|_, _| {}).await.unwrap();
        let (observer, registry) = (Arc::new(Observer::silent()), Arc::new(Registry::default()));
        Arc::new(Core::new(ports, store, observer, registry, None))
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_goes_on_when_nobody_waits_any_more() {
        let core = core().await;
        let go = Arc::new(Notify::new());
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let waits = go.clone();
        let mut enduring = Enduring::new(&core, async move {
            waits.notified().await;
            tell.send("done").unwrap();
        });
        tokio::select! {
            biased;
            () = &mut enduring => panic!("it waits"),
            () = tokio::task::yield_now() => {}
        }
        drop(enduring);
        assert!(told.try_recv().is_err());
        go.notify_one();
        assert_eq!(told.recv().await, Some("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_heard_by_who_listens_or_stays_with_the_courier() {
        let core = core().await;
        let id = MessageId::new(Timestamp::from_millis(1), 1);
        let [to, other] = ["ehr", "lab"].map(|name| DestinationName::parse(name).unwrap());
        let tell = |from: &DestinationName, status| {
            core.waiters.tell(id, from, message::Said::status(status))
        };
        assert!(!tell(&to, 412), "nobody is there");
        let watches = core.waiters.watch(&core, id);
        assert!(!tell(&to, 412), "who only watches passes nothing on");
        let mut listens = core.waiters.listen(&core, id, to.clone());
        assert!(!tell(&other, 404), "it listens to another");
        core.waiters.died(id, &other, &message::FaultRecord::from(&Fault::new(W6901)));
        assert!(tell(&to, 412));
        let (said, dead) = listens.heard();
        assert_eq!((said.map(|said| said.status), dead), (Some(412), None));
        assert!(!tell(&to, 404), "who gave up hears nothing any more");
        assert_eq!(listens.heard(), (None, None));
        drop(core.waiters.listen(&core, id, to.clone()));
        assert!(!tell(&to, 404), "who went hears nothing either");
        drop((watches, listens));
        assert!(!core.waiters.is_watched(id));
    }

    #[tokio::test(start_paused = true)]
    async fn watches_are_forgotten_with_the_last_of_them() {
        let core = core().await;
        let id = MessageId::new(Timestamp::from_millis(1), 1);
        let (one, two) = (core.waiters.watch(&core, id), core.waiters.watch(&core, id));
        drop(one);
        {
            let settled = two.settled();
            tokio::pin!(settled);
            settled.as_mut().enable();
            core.waiters.settled(id);
            settled.await;
        }
        drop(two);
        assert!(!core.waiters.is_watched(id));
    }
}
