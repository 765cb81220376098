//! The courier of one destination: takes deliveries from the queue, asks consent again,
//! sends, and writes down what became of it.
//!
//! `parallel` workers share one queue and one breaker; each owns a connection. A lane is
//! leased by one worker at a time, so order within it holds whatever the number of workers.
//! Outcomes are settled without waiting for the disk; after a crash the last of them are
//! sent again (DESIGN D3).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::channel::{Channel, Live, Outlet, Target};
use super::panics;
use super::task::Guarded;
use crate::audit::{self, Subject};
use crate::base::Timestamp;
use crate::channel::{self, DestinationRules, Redecision, Settlement};
use crate::destination::{Delivered, DeliveryError, Destination};
use crate::fault::codes::{W6904, W6907, W7901, W9001, W9002};
use crate::fault::{Class, Fault, Place};
use crate::message::{Decision, Delivery, Fate, FaultRecord, Leaf, Outcome, OutcomeRecord};
use crate::observe::{Event, Level, happened};
use crate::store::Store;

/// Deliveries a lone worker takes at a time, each of another lane: spares calls of the
/// store; few enough that a pause takes hold soon.
const BATCH: usize = 16;

/// Longest sleep of a worker with nothing to do: bounds how late it notices what no event
/// told it of.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// One worker of a destination.
pub(crate) struct Worker {
    pub(crate) channel: Arc<Channel>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Worker {
    /// Works until told to stop.
    pub(crate) async fn run(mut self) {
        let mut destination = self.build();
        while !*self.stop.borrow() {
            let now = self.channel.core.now();
            let outlet = self.outlet.clone();
            let (allowed, busy) = self.allowance(now, &outlet);
            let leased = match allowed {
                0 => Vec::new(),
                _ => self.lease(now, allowed).await,
            };
            if leased.is_empty() {
                drop(busy);
                self.idle(now).await;
                continue;
            }
            if self.outlet.plan.parallel > 1 {
                // There may be more for those who sleep.
                self.outlet.wake.notify_one();
            }
            self.work_off(leased, &mut destination).await;
            drop(busy);
            if self.outlet.plan.parallel > 1 {
                self.outlet.wake.notify_one();
            }
        }
        destination.close().await;
    }

    fn build(&self) -> Box<dyn Destination> {
        let (channel, destination) = (self.channel.clone(), self.outlet.name.clone());
        let keeper = Arc::new(super::records::Keeper { channel, destination });
        self.outlet.plan.kind.build_with(&self.channel.core.ports, Some(keeper))
    }

    fn target(&self) -> Target {
        Target::Destination(self.outlet.name.clone())
    }

    /// How many deliveries may be taken now; when any, this worker counts as busy until
    /// the guard goes.
    fn allowance<'o>(&self, now: Timestamp, outlet: &'o Outlet) -> (usize, Option<Busy<'o>>) {
        if self.channel.pause_reason(&self.target()).is_some() {
            return (0, None);
        }
        let batch = if self.outlet.plan.parallel > 1 { 1 } else { BATCH };
        let running = self.outlet.running.load(Ordering::Acquire);
        let mut breaker = self.outlet.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = breaker.allowance(now, batch, running);
        // Counted before the lease, so that two workers do not both probe.
        (allowed, (allowed > 0).then(|| Busy::new(outlet)))
    }

    async fn lease(&self, now: Timestamp, max: usize) -> Vec<Lease> {
        let core = &self.channel.core;
        let leased = core.store.lease(&self.channel.name, &self.outlet.name, now, max).await;
        for trouble in core.store.troubles() {
            core.audited.count(&trouble.audited);
            let event = core.event(&happened::STORE_TROUBLE).message(trouble.message);
            core.observer.emit(event.fault(&trouble.fault));
        }
        match leased {
            Ok(leased) => leased.into_iter().map(|d| Lease::new(&core.store, d)).collect(),
            Err(fault) => {
                let event = core.event(&happened::STORE_TROUBLE);
                let event = event.channel(self.channel.name.shared());
                core.observer.emit(event.destination(self.outlet.name.shared()).fault(&fault));
                core.pause_for(Duration::from_secs(1)).await;
                Vec::new()
            }
        }
    }

    /// Sleeps until something may be ready.
    async fn idle(&mut self, now: Timestamp) {
        let core = &self.channel.core;
        let (channel, to) = (&self.channel.name, &self.outlet.name);
        let paused = self.channel.pause_reason(&self.target()).is_some();
        let (probe, blocked) = {
            let mut breaker = self.outlet.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            match breaker.at(now) {
                channel::BreakerState::Open { until } => (Some(until), true),
                // While another worker probes there is nothing to take, however much is
                // ready: listening would spin. The end of the probe wakes us.
                channel::BreakerState::Probing => {
                    (None, self.outlet.running.load(Ordering::Acquire) > 0)
                }
                channel::BreakerState::Closed => (None, false),
            }
        };
        let due = match (paused, probe) {
            (true, _) => None,
            (false, Some(until)) => Some(until),
            (false, None) => core.store.next_due(channel, to),
        };
        // A due time in the past belongs to a lane that is leased; its settling wakes us.
        let wait = due
            .filter(|due| *due > now)
            .map_or(IDLE_MAX, |due| due.since(now).min(IDLE_MAX))
            .max(Duration::from_millis(1));
        let listening = !paused && !blocked;
        tokio::select! {
            () = core.store.ready(channel, to), if listening => {}
            () = self.outlet.wake.notified() => {}
            () = core.ports.clock.sleep(wait) => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Sends what was leased, one after another; gives back what may not be sent now, and
    /// leaves what was skipped or held since.
    async fn work_off(&mut self, leased: Vec<Lease>, destination: &mut Box<dyn Destination>) {
        let mut halted = false;
        for lease in leased {
            halted = halted || self.is_halted();
            if halted || !lease.store.is_leased(&lease.delivery) {
                continue;
            }
            // What is decided while the rate makes it wait counts: all is looked at after.
            halted = !self.wait_for_turn().await || self.is_halted();
            if halted || !lease.store.is_leased(&lease.delivery) {
                continue;
            }
            let delivery = &lease.delivery;
            let mut stop = self.stop.clone();
            let attempt = Guarded::new(self.attempt(delivery, destination));
            let outcome = tokio::select! {
                outcome = attempt => outcome,
                () = stopped_for_good(&mut stop, &self.channel) => {
                    halted = true;
                    continue;
                }
            };
            let (outcome, leaves) = outcome.unwrap_or_else(|_| {
                // The connection is in an unknown state after a panic.
                *destination = self.build();
                let fault = Fault::new(W9002).because(panics::last_place());
                (Outcome::Dead(FaultRecord::from(&self.place(fault))), Vec::new())
            });
            let failed = matches!(outcome, Outcome::Retry { .. });
            self.settle(lease, outcome, leaves).await;
            // After a failure the breaker is asked again before the next attempt.
            halted = failed && self.outlet.down_since().is_some();
        }
    }

    /// Whether nothing may be sent now.
    fn is_halted(&self) -> bool {
        *self.stop.borrow() || self.channel.pause_reason(&self.target()).is_some()
    }

    /// Waits until `rate` allows an attempt; false when told to stop meanwhile.
    async fn wait_for_turn(&self) -> bool {
        let Some(bucket) = &self.outlet.bucket else { return true };
        let clock = &self.channel.core.ports.clock;
        let wait = bucket.take(clock.monotonic());
        if wait.is_zero() {
            return true;
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            () = clock.sleep(wait) => true,
            // A dropped sender means stop as well.
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }

    fn place(&self, fault: Fault) -> Fault {
        fault.at(Place::destination(self.channel.name.shared(), self.outlet.name.shared()))
    }

    /// One attempt: what it leads to, with the leaves of what was decided on the way.
    async fn attempt(
        &self,
        delivery: &Delivery,
        destination: &mut Box<dyn Destination>,
    ) -> (Outcome, Vec<Leaf>) {
        let core = &self.channel.core;
        let live = self.channel.live();
        let Some(rules) = live.plan.rules.destination(&self.outlet.name).cloned() else {
            // Removed while the delivery was on its way; the queue keeps it.
            let fault = self.place(Fault::new(W6904));
            let next_try = core.now().after(IDLE_MAX);
            return (Outcome::Retry { next_try, fault: FaultRecord::from(&fault) }, Vec::new());
        };
        let remade = match self.redecide(&live, &rules, delivery) {
            Ok(Go::AsItIs) => None,
            // In the audit log before anything leaves.
            Ok(Go::Remade(remade, leaves)) => match core.act(Vec::new(), leaves).await {
                Ok(()) => Some(remade),
                Err(fault) => return (self.failed(&rules, delivery, fault.into()), Vec::new()),
            },
            Ok(Go::Not(outcome, leaves)) => return (outcome, leaves),
            Err(fault) => return (self.failed(&rules, delivery, fault.into()), Vec::new()),
        };
        let delivery = remade.as_deref().unwrap_or(delivery);
        let begin = core.ports.clock.monotonic();
        let result = tokio::select! {
            result = destination.deliver(delivery) => result,
            () = core.ports.clock.sleep(self.outlet.plan.timeout) => {
                Err(DeliveryError::from(Fault::new(W7901)))
            }
        };
        self.outlet.meters.duration.observe(core.ports.clock.monotonic().saturating_sub(begin));
        match result {
            Ok(delivered) => (self.delivered(delivery, delivered), Vec::new()),
            Err(error) => {
                let answered = self.answered_sender(delivery, &error);
                let outcome = self.failed(&rules, delivery, error);
                match answered {
                    Some(leaf) => (Outcome::Skipped, vec![leaf]),
                    None => (outcome, Vec::new()),
                }
            }
        }
    }

    /// Asks consent again.
    fn redecide(
        &self,
        live: &Live,
        rules: &DestinationRules,
        delivery: &Delivery,
    ) -> Result<Go, Fault> {
        let core = &self.channel.core;
        let now = core.now();
        let said = channel::redecide(&live.plan.rules, rules, delivery, core.consents(), now)?;
        let subject = Subject::delivery(delivery.message, &self.channel.name, &self.outlet.name);
        match said {
            Redecision::Go => Ok(Go::AsItIs),
            Redecision::Denied(decision) => {
                self.outlet.meters.decided(decision.verdict.name());
                let leaf = audit::consent_decided(now, subject, &decision);
                Ok(Go::Not(Outcome::Denied(decision), vec![leaf]))
            }
            Redecision::Held(decision) => {
                self.outlet.meters.decided(decision.verdict.name());
                let leaf = audit::consent_decided(now, subject, &decision);
                Ok(Go::Not(Outcome::Held, vec![leaf]))
            }
            Redecision::Redact(decision) => self.redacted((live, rules), delivery, &decision, now),
        }
    }

    /// What leaves of a delivery that consent redacts now: its body, when that was made under
    /// this very decision, else another.
    fn redacted(
        &self,
        (live, rules): (&Live, &DestinationRules),
        delivery: &Delivery,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<Go, Fault> {
        let core = &self.channel.core;
        let record = core.store.message(delivery.message)?;
        let record = record.ok_or_else(|| self.place(Fault::new(W6907)))?;
        let replayed = match delivery.replay {
            true => self.made_by(delivery)?,
            false => None,
        };
        let leaves = replayed.as_ref().map_or(&record.leaves, |outcome| &outcome.leaves);
        if channel::same_decision(leaves, delivery, decision) {
            return Ok(Go::AsItIs);
        }
        // The condition was true when the message came; a later one does not keep it here.
        let rules = DestinationRules { when: None, ..rules.clone() };
        let (fate, leaves) = core
            .surrounded(now, |around| channel::remake(&live.plan.rules, &rules, &record, around))?;
        Ok(match fate {
            Fate::Deliver(body) => {
                Go::Remade(Box::new(Delivery { body, ..delivery.clone() }), leaves)
            }
            Fate::Denied(decision) => Go::Not(Outcome::Denied(decision), leaves),
            Fate::Held(_) => Go::Not(Outcome::Held, leaves),
            Fate::Dead(fault) => Go::Not(Outcome::Dead(fault), leaves),
            Fate::Filtered(_) => {
                let cause = "a delivery without a condition was filtered";
                return Err(self.place(Fault::new(W9001).because(cause)));
            }
        })
    }

    /// The outcome that gave a delivery which was sent again its body; none: the message's own.
    fn made_by(&self, delivery: &Delivery) -> Result<Option<OutcomeRecord>, Fault> {
        let outcomes = self.channel.core.store.outcomes(delivery.message)?;
        let made = |outcome: &OutcomeRecord| match &outcome.outcome {
            Outcome::Requeued { body: Some(body), .. } => {
                outcome.destination == delivery.destination && *body == delivery.body
            }
            _ => false,
        };
        Ok(outcomes.into_iter().rfind(made))
    }

    /// Hands a refusal to the sender, where it waits for one: who hears that its message was
    /// refused still has it, and nobody else needs to look after it.
    fn answered_sender(&self, delivery: &Delivery, error: &DeliveryError) -> Option<Leaf> {
        // Of a batch with refused entries it says 200 and names them within.
        let said = error.said.as_ref()?;
        // One that was sent again by a person has no sender who waits.
        if error.fault.class() != Class::Permanent || delivery.replay {
            return None;
        }
        let core = &self.channel.core;
        let status = said.status;
        core.waiters.tell(delivery.message, &self.outlet.name, (**said).clone()).then(|| {
            let to = (&self.channel.name, &self.outlet.name);
            let subject = Subject::delivery(delivery.message, to.0, to.1);
            let fault = FaultRecord::from(&error.fault);
            audit::delivery_answered(core.now(), subject, &fault, status)
        })
    }

    fn delivered(&self, delivery: &Delivery, delivered: Delivered) -> Outcome {
        let Delivered { receipt, said } = delivered;
        if let Some(said) = said {
            // Whoever waited and gave up looks at the status address.
            let _ = self.channel.core.waiters.tell(delivery.message, &self.outlet.name, *said);
        }
        let core = &self.channel.core;
        let now = core.now();
        let meters = &self.outlet.meters;
        meters.attempts_ok.increment();
        meters.delivered.increment();
        meters.end_to_end.observe(now.since(delivery.received));
        meters.last_delivered.set(now.seconds());
        self.outlet.last_delivered.store(now.micros(), Ordering::Relaxed);
        self.answered();
        Outcome::Delivered(receipt)
    }

    /// Notes that the peer answered, whatever it said.
    fn answered(&self) {
        let core = &self.channel.core;
        let back = {
            let mut breaker = self.outlet.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            breaker.answered()
        };
        if back {
            self.outlet.meters.up.set(1.0);
            let event = core.event(&happened::DESTINATION_UP).channel(self.channel.name.shared());
            core.observer.emit(event.destination(self.outlet.name.shared()));
            self.outlet.wake.notify_waiters();
        }
    }

    fn failed(
        &self,
        rules: &DestinationRules,
        delivery: &Delivery,
        error: DeliveryError,
    ) -> Outcome {
        let core = &self.channel.core;
        let now = core.now();
        let fault = self.place(error.fault);
        self.outlet.meters.attempts_failed.increment();
        let random = u64::try_from(core.ports.entropy.bits() >> 64).unwrap_or(0);
        let Settlement { outcome, counts_against_destination } = channel::settle(
            &rules.retry,
            rules.on_reject,
            (&fault, error.retry_after),
            delivery.attempts + 1,
            (now, random),
        );
        *self.outlet.last_fault.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((now, FaultRecord::from(&fault)));
        if !counts_against_destination {
            self.answered();
        } else if self.down(now) {
            self.outlet.meters.up.set(0.0);
            let event = core.event(&happened::DESTINATION_DOWN).channel(self.channel.name.shared());
            core.observer.emit(event.destination(self.outlet.name.shared()).fault(&fault));
        }
        if fault.class() == Class::Permanent && matches!(outcome, Outcome::Retry { .. }) {
            core.observer.emit(self.told(&happened::DELIVERY_BLOCKED, delivery).fault(&fault));
        }
        outcome
    }

    /// Tells the breaker of a failure; whether an outage began.
    fn down(&self, now: Timestamp) -> bool {
        self.outlet.breaker.lock().unwrap_or_else(PoisonError::into_inner).failed(now)
    }

    fn told(&self, row: &'static crate::observe::EventRow, delivery: &Delivery) -> Event {
        let mut event = self.channel.core.event(row).channel(self.channel.name.shared());
        event.attempt = Some(delivery.attempts + 1);
        event.message_type = Some(delivery.message_type.clone());
        event.destination(self.outlet.name.shared()).message(delivery.message)
    }

    /// Writes down what became of an attempt.
    async fn settle(&self, lease: Lease, outcome: Outcome, mut leaves: Vec<Leaf>) {
        let core = &self.channel.core;
        let delivery = &lease.delivery;
        let now = core.now();
        let subject = Subject::delivery(delivery.message, &self.channel.name, &self.outlet.name);
        let state = outcome.state();
        match &outcome {
            Outcome::Delivered(receipt) => {
                leaves.push(audit::delivery_delivered(now, subject, receipt));
            }
            Outcome::Dead(fault) => {
                leaves.push(audit::delivery_dead(now, subject, fault));
                self.outlet.meters.dead(&fault.code);
                // Before its state can be seen.
                core.waiters.died(delivery.message, &self.outlet.name, fault);
            }
            Outcome::Denied(_) => self.outlet.meters.denied.increment(),
            Outcome::Skipped => self.outlet.meters.skipped.increment(),
            Outcome::Retry { .. }
            | Outcome::Held
            | Outcome::Released
            | Outcome::Requeued { .. } => {}
        }
        self.report(delivery, &outcome);
        let attempts = match outcome {
            // Consent kept it before anything was tried.
            Outcome::Denied(_) | Outcome::Held => delivery.attempts,
            _ => delivery.attempts + 1,
        };
        let record = OutcomeRecord {
            message: delivery.message,
            channel: self.channel.name.clone(),
            destination: self.outlet.name.clone(),
            at: now,
            attempts,
            outcome,
            leaves,
        };
        core.audited.count(&super::vitals::actions(&record.leaves));
        let message = delivery.message;
        match core.store.settle_attempt(delivery, record).await {
            Ok(counts) => {
                lease.settled();
                if counts && state != crate::message::State::Waiting {
                    self.outlet.waiting.fetch_sub(1, Ordering::Relaxed);
                }
            }
            // Not written: the delivery is sent again, which at-least-once allows.
            Err(fault) => {
                let event = self.told(&happened::STORE_TROUBLE, delivery);
                core.observer.emit(event.fault(&fault));
                drop(lease);
                core.pause_for(Duration::from_secs(1)).await;
            }
        }
        if state != crate::message::State::Waiting {
            core.waiters.settled(message);
        }
    }

    fn report(&self, delivery: &Delivery, outcome: &Outcome) {
        let observer = &self.channel.core.observer;
        let row = match outcome {
            Outcome::Delivered(_) => &happened::DELIVERY_DELIVERED,
            Outcome::Retry { .. } => &happened::DELIVERY_RETRY,
            Outcome::Dead(_) => &happened::DELIVERY_DEAD,
            Outcome::Denied(_) => &happened::DELIVERY_DENIED,
            Outcome::Held => &happened::DELIVERY_HELD,
            Outcome::Skipped => &happened::DELIVERY_SKIPPED,
            Outcome::Released => &happened::DELIVERY_RELEASED,
            Outcome::Requeued { .. } => &happened::DELIVERY_REQUEUED,
        };
        if !observer.wants(row.level.min(Level::Debug)) {
            return;
        }
        let mut event = self.told(row, delivery);
        event.state = Some(outcome.state());
        if let Outcome::Retry { fault, .. } | Outcome::Dead(fault) = outcome {
            event = event.fault_record(fault);
        }
        observer.emit(event);
    }
}

/// A delivery in hand. Given back when it goes unsettled, whatever the way: a pause, a stop,
/// a worker that is ended at a wait or panics.
struct Lease {
    store: Store,
    delivery: Delivery,
    settled: bool,
}

impl Lease {
    fn new(store: &Store, delivery: Delivery) -> Self {
        Self { store: store.clone(), delivery, settled: false }
    }

    /// The store has its outcome, which ended the lease.
    fn settled(mut self) {
        self.settled = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.store.give_back(&self.delivery);
        }
    }
}

/// A worker at work; counted down when it goes, also by a panic.
struct Busy<'o>(&'o Outlet);

impl<'o> Busy<'o> {
    fn new(outlet: &'o Outlet) -> Self {
        outlet.running.fetch_add(1, Ordering::AcqRel);
        Self(outlet)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether and how a delivery leaves.
enum Go {
    AsItIs,
    /// With a body made anew.
    Remade(Box<Delivery>, Vec<Leaf>),
    Not(Outcome, Vec<Leaf>),
}

/// Longest time an attempt may go on after the stop was asked for: the peer's answer is
/// worth more than a quick stop, since without it the message is sent twice.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

async fn stopped_for_good(stop: &mut watch::Receiver<bool>, channel: &Channel) {
    // A dropped sender means stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
    channel.core.ports.clock.sleep(STOP_PATIENCE).await;
}
