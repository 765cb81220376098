//! What people do to deliveries: retry now, skip, hold, release. Each action is planned
//! first, then done row by row, and says to which rows it was not done and why.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::actions::Actor;
use super::running::Engine;
use crate::audit::{self, Subject};
use crate::base::{ChannelName, DestinationName, Timestamp};
use crate::fault::codes::{W6015, W6907, W6908, W8901, W8902};
use crate::fault::{Fault, Place};
use crate::filter::{Field, Filter};
use crate::message::{
    Entry, Fate, FaultRecord, Leaf, MessageRecord, Outcome, OutcomeRecord, Revision, State,
};
use crate::observe::{EventRow, happened};
use crate::store::DeliveryRow;

/// What is done to deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAction {
    /// Tries waiting ones now, dead ones again.
    Retry,
    /// Gives them up.
    Skip,
    /// Holds waiting ones.
    Hold,
    /// Lets held ones go on, if consent allows.
    Release,
}

impl QueueAction {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// Finds an action by its word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::Retry, Self::Skip, Self::Hold, Self::Release].into_iter().find(|a| a.name() == word)
    }

    const fn takes(self, state: State) -> bool {
        match self {
            Self::Retry => matches!(state, State::Waiting | State::Dead),
            Self::Skip => matches!(state, State::Waiting | State::Held | State::Dead),
            Self::Hold => matches!(state, State::Waiting),
            Self::Release => matches!(state, State::Held),
        }
    }
}

/// What an action concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePlanned {
    /// Deliveries.
    pub count: u64,
    /// Their channels.
    pub channels: BTreeSet<ChannelName>,
    /// The destinations they go to.
    pub destinations: BTreeSet<DestinationName>,
    /// Arrival of the oldest.
    pub oldest: Option<Timestamp>,
    /// Arrival of the newest.
    pub newest: Option<Timestamp>,
}

impl QueuePlanned {
    pub(crate) fn add(&mut self, row: &DeliveryRow) {
        self.count += 1;
        self.channels.insert(row.channel.clone());
        self.destinations.insert(row.destination.clone());
        self.oldest = Some(self.oldest.map_or(row.received, |old| old.min(row.received)));
        self.newest = self.newest.max(Some(row.received));
    }
}

/// What an action did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// To how many deliveries.
    pub done: u64,
    /// To which not, and why; at most [`Done::FAILED_MAX`].
    pub failed: Vec<(DeliveryRow, Fault)>,
    /// To how many not.
    pub failed_count: u64,
}

impl Done {
    /// Most rows that are named: enough to see what is wrong.
    pub const FAILED_MAX: usize = 100;

    pub(crate) fn note(&mut self, row: DeliveryRow, result: Result<(), Fault>) {
        match result {
            Ok(()) => self.done += 1,
            Err(fault) => {
                self.failed_count += 1;
                if self.failed.len() < Self::FAILED_MAX {
                    self.failed.push((row, fault));
                }
            }
        }
    }
}

/// Rows read from the store at a time.
const PAGE: usize = 500;

impl Engine {
    /// Reads a filter as of now; `tag:` terms become the channels that carry the tag.
    ///
    /// # Errors
    /// The fault of the filter.
    pub fn filter(&self, text: &str) -> Result<Filter, Fault> {
        self.filter_for(text, "")
    }

    /// Reads a filter as [`Engine::filter`]; a search by patient needs a reason.
    ///
    /// # Errors
    /// `W8901` for a patient without a reason, and the fault of the filter.
    pub fn filter_for(&self, text: &str, reason: &str) -> Result<Filter, Fault> {
        let plan = self.plan();
        let indexed = plan.channels.iter().flat_map(|channel| &channel.rules.index);
        let names: Vec<&str> = indexed.map(|(name, _)| &**name).collect();
        let zone = jiff::tz::TimeZone::UTC;
        let mut filter = Filter::parse_in(text, self.0.core.now(), &zone, Some(&names))?;
        let by_patient = filter.terms.iter().any(|term| term.field == Field::Patient);
        if by_patient && reason.trim().is_empty() {
            return Err(Fault::new(W8901).because("a search by patient is explained"));
        }
        for term in &mut filter.terms {
            if term.field == Field::Tag {
                let tagged = plan.channels.iter().filter(|channel| {
                    channel.tags.iter().any(|tag| term.any.iter().any(|asked| **tag == **asked))
                });
                term.any = tagged.map(|channel| channel.name().to_string()).collect();
                term.field = Field::Channel;
            }
        }
        Ok(filter)
    }

    /// All rows of a filter, oldest first. Taken before anything changes, so that an
    /// action never meets its own results.
    pub(crate) fn rows(
        &self,
        filter: &Filter,
        wanted: impl Fn(&DeliveryRow) -> bool,
    ) -> Result<Vec<DeliveryRow>, Fault> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.0.core.store.search(filter, true, PAGE, after)?;
            // A page may be short without being the last: messages are not parted.
            let Some(last) = page.last() else { return Ok(rows) };
            after = Some(last.position);
            rows.extend(page.into_iter().filter(&wanted));
        }
    }

    /// What an action on these deliveries would concern.
    ///
    /// # Errors
    /// `W8902` for a filter without terms, or the store's fault.
    pub fn queue_plan(&self, action: QueueAction, filter: &Filter) -> Result<QueuePlanned, Fault> {
        if filter.terms.is_empty() {
            return Err(Fault::new(W8902));
        }
        let mut planned = QueuePlanned::default();
        for row in self.rows(filter, |row| action.takes(row.state))? {
            planned.add(&row);
        }
        Ok(planned)
    }

    /// Does an action to these deliveries, oldest first.
    ///
    /// # Errors
    /// `W8902` for a filter without terms, `W8901` for a skip without a reason, or the
    /// store's fault. Rows that fail alone are in [`Done`].
    pub async fn queue_act(
        &self,
        action: QueueAction,
        filter: &Filter,
        by: &Actor,
    ) -> Result<Done, Fault> {
        if filter.terms.is_empty() {
            return Err(Fault::new(W8902));
        }
        if action == QueueAction::Skip && by.reason.is_empty() {
            return Err(Fault::new(W8901));
        }
        let rows = self.rows(filter, |row| action.takes(row.state))?;
        let mut done = Done::default();
        let mut tried = BTreeSet::new();
        for row in rows {
            let result = self.act_on(action, &row, by).await;
            tried.insert((row.channel.clone(), row.destination.clone()));
            done.note(row, result);
        }
        if action == QueueAction::Retry {
            for (channel, destination) in tried {
                self.probe(&channel, &destination);
            }
        }
        Ok(done)
    }

    /// Tries a destination that is held to be down at once.
    fn probe(&self, channel: &ChannelName, destination: &DestinationName) {
        let outlet = self.channel(channel).ok().and_then(|c| c.outlet(destination));
        if let Some(outlet) = outlet {
            outlet.breaker.lock().unwrap_or_else(PoisonError::into_inner).probe_now();
            outlet.wake.notify_waiters();
        }
    }

    async fn act_on(
        &self,
        action: QueueAction,
        row: &DeliveryRow,
        by: &Actor,
    ) -> Result<(), Fault> {
        let now = self.0.core.now();
        let subject = Subject::delivery(row.message, &row.channel, &row.destination);
        let leaf = |make: fn(Timestamp, Subject<'_>, &str, &str) -> Leaf| {
            make(now, subject, &by.name, &by.reason)
        };
        let (outcome, leaves) = match (action, row.state) {
            (QueueAction::Retry, State::Dead) => {
                let revision = self.plan().revision.clone();
                let (outcome, mut leaves) = self.requeued(row, revision).await?;
                leaves.push(leaf(audit::delivery_requeued));
                (outcome, leaves)
            }
            (QueueAction::Retry, _) => {
                // Never tried: it waits for its lane or its destination only.
                let Some(code) = row.code.clone() else { return Ok(()) };
                let cause = Some("to be tried at once, as a person asked".into());
                let fault = FaultRecord { code, place: "".into(), cause };
                (Outcome::Retry { next_try: now, fault }, vec![leaf(audit::delivery_released)])
            }
            (QueueAction::Skip, _) => (Outcome::Skipped, vec![leaf(audit::delivery_skipped)]),
            (QueueAction::Hold, _) => (Outcome::Held, vec![leaf(audit::delivery_held)]),
            (QueueAction::Release, _) => {
                self.released(row, by, leaf(audit::delivery_released)).await?
            }
        };
        self.commit_outcome(row, outcome, leaves).await
    }

    /// A requeue with the body the delivery had, where it had one; else made anew, with the
    /// leaves of what was decided for that.
    pub(crate) async fn requeued(
        &self,
        row: &DeliveryRow,
        revision: Revision,
    ) -> Result<(Outcome, Vec<Leaf>), Fault> {
        if self.has_body(row)? {
            return Ok((Outcome::Requeued { body: None, revision }, Vec::new()));
        }
        self.requeued_anew(row, revision).await
    }

    /// A requeue with a body made with the rules of now, with the leaves of what was decided
    /// for that. Where nothing may be sent those are in the audit log when it returns.
    pub(crate) async fn requeued_anew(
        &self,
        row: &DeliveryRow,
        revision: Revision,
    ) -> Result<(Outcome, Vec<Leaf>), Fault> {
        match self.remade(row)? {
            (Fate::Deliver(body), leaves) => {
                Ok((Outcome::Requeued { body: Some(body), revision }, leaves))
            }
            (fate, leaves) => Err(self.not_sent(row, &fate, leaves).await),
        }
    }

    /// Why a delivery is not sent with what was made of it. What was decided for that is in
    /// the audit log when it returns, else it is the fault of the store.
    pub(crate) async fn not_sent(
        &self,
        row: &DeliveryRow,
        fate: &Fate,
        leaves: Vec<Leaf>,
    ) -> Fault {
        if !leaves.is_empty()
            && let Err(fault) = self.0.core.act(Vec::new(), leaves).await
        {
            return fault;
        }
        let place = Place::destination(row.channel.shared(), row.destination.shared());
        let fault = Fault::new(W6908).at(place);
        match fate {
            Fate::Denied(_) | Fate::Held(_) => fault.because("consent does not allow it"),
            Fate::Filtered(_) => fault.because("a condition of the channel keeps it back"),
            Fate::Dead(dead) => fault.because(format!("it cannot be made: {}", dead.code)),
            Fate::Deliver(_) => fault,
        }
    }

    /// What releasing a held delivery leads to: consent is asked, and a body is made where
    /// there was none.
    async fn released(
        &self,
        row: &DeliveryRow,
        by: &Actor,
        leaf: Leaf,
    ) -> Result<(Outcome, Vec<Leaf>), Fault> {
        if &*by.name == "weir" && !self.is_held_by_consent(row)? {
            return Err(Fault::new(W6908).because("it is held until a person releases it"));
        }
        if self.has_body(row)? {
            return Ok((Outcome::Released, vec![leaf]));
        }
        let revision = self.plan().revision.clone();
        let (outcome, mut leaves) = self.requeued_anew(row, revision).await?;
        leaves.push(leaf);
        Ok((outcome, leaves))
    }

    /// Whether consent holds a delivery: one that comes lets go of nothing that a person, the
    /// findings of `[validate]` or a damaged disk hold.
    fn is_held_by_consent(&self, row: &DeliveryRow) -> Result<bool, Fault> {
        let store = &self.0.core.store;
        let outcomes = store.outcomes(row.message)?;
        let held = outcomes.iter().rfind(|outcome| {
            outcome.destination == row.destination && outcome.outcome == Outcome::Held
        });
        if let Some(held) = held {
            let decided = audit::Action::ConsentDecided.name();
            return Ok(held.leaves.iter().any(|leaf| &*leaf.action == decided));
        }
        let record = store.message(row.message)?.ok_or_else(|| Fault::new(W6907))?;
        let owed = record.owed.iter().find(|owed| owed.destination == row.destination);
        Ok(owed.is_some_and(|owed| match &owed.fate {
            Fate::Held(decision) => !decision
                .rule
                .as_ref()
                .is_some_and(|rule| rule.name.starts_with(crate::channel::RULE_PREFIX)),
            Fate::Deliver(_) | Fate::Filtered(_) | Fate::Denied(_) | Fate::Dead(_) => false,
        }))
    }

    /// Whether a body for this delivery is in the journal.
    fn has_body(&self, row: &DeliveryRow) -> Result<bool, Fault> {
        let store = &self.0.core.store;
        let record = store.message(row.message)?.ok_or_else(|| Fault::new(W6907))?;
        if record.original.is_removed() {
            return Err(content_gone(row));
        }
        let owed = record.owed.iter().find(|owed| owed.destination == row.destination);
        if owed.is_some_and(|owed| matches!(owed.fate, Fate::Deliver(_))) {
            return Ok(true);
        }
        let made = |outcome: &OutcomeRecord| {
            outcome.destination == row.destination
                && matches!(outcome.outcome, Outcome::Requeued { body: Some(_), .. })
        };
        Ok(store.outcomes(row.message)?.iter().any(made))
    }

    /// The fate of a delivery with the rules of now, made from the original.
    pub(crate) fn remade(&self, row: &DeliveryRow) -> Result<(Fate, Vec<Leaf>), Fault> {
        let core = &self.0.core;
        let record = core.store.message(row.message)?.ok_or_else(|| Fault::new(W6907))?;
        self.remade_of(&record, row)
    }

    /// The same of a record at hand.
    pub(crate) fn remade_of(
        &self,
        record: &MessageRecord,
        row: &DeliveryRow,
    ) -> Result<(Fate, Vec<Leaf>), Fault> {
        let core = &self.0.core;
        if record.original.is_removed() {
            return Err(content_gone(row));
        }
        let channel = self.channel(&row.channel)?;
        let live = channel.live();
        let rules = live.plan.rules.destination(&row.destination).ok_or_else(|| {
            let place = Place::destination(row.channel.shared(), row.destination.shared());
            Fault::new(crate::fault::codes::W6906).at(place)
        })?;
        core.surrounded(core.now(), |around| {
            crate::channel::remake(&live.plan.rules, rules, record, around)
        })
    }

    /// Commits an outcome that a person caused, counts it and wakes the courier.
    pub(crate) async fn commit_outcome(
        &self,
        row: &DeliveryRow,
        outcome: Outcome,
        leaves: Vec<Leaf>,
    ) -> Result<(), Fault> {
        let core = &self.0.core;
        let after = outcome.state();
        let told: &'static EventRow = match &outcome {
            Outcome::Skipped => &happened::DELIVERY_SKIPPED,
            Outcome::Held => &happened::DELIVERY_HELD,
            Outcome::Requeued { .. } => &happened::DELIVERY_REQUEUED,
            Outcome::Delivered(_)
            | Outcome::Retry { .. }
            | Outcome::Dead(_)
            | Outcome::Denied(_)
            | Outcome::Released => &happened::DELIVERY_RELEASED,
        };
        let replayed = matches!(outcome, Outcome::Requeued { .. });
        let record = OutcomeRecord {
            message: row.message,
            channel: row.channel.clone(),
            destination: row.destination.clone(),
            at: core.now(),
            attempts: row.attempts,
            outcome,
            leaves,
        };
        let audited = super::vitals::actions(&record.leaves);
        core.store.commit(Entry::Outcome(Box::new(record))).await?;
        core.audited.count(&audited);
        let mut event = core.event(told).channel(row.channel.shared());
        event.state = Some(after);
        core.observer.emit(event.destination(row.destination.shared()).message(row.message));
        if after != State::Waiting {
            core.waiters.settled(row.message);
        }
        let outlet = self.channel(&row.channel).ok().and_then(|c| c.outlet(&row.destination));
        let Some(outlet) = outlet else { return Ok(()) };
        let change = i64::from(after == State::Waiting) - i64::from(row.state == State::Waiting);
        outlet.waiting.fetch_add(change, Ordering::Relaxed);
        match after {
            State::Skipped => outlet.meters.skipped.increment(),
            State::Waiting if replayed => outlet.meters.replayed.increment(),
            _ => {}
        }
        outlet.wake.notify_waiters();
        Ok(())
    }
}

/// Why a message cannot be sent again whose content was removed.
fn content_gone(row: &DeliveryRow) -> Fault {
    let place = Place::destination(row.channel.shared(), row.destination.shared());
    Fault::new(W6015).at(place)
}
