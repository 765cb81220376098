//! Replay: messages sent again by a person, in their order, marked as replays.
//!
//! Each goes to the destination its delivery belongs to, or to the one destination named,
//! never to another. Consent is asked again before each leaves, as for every delivery.
//!
//! A message that was never owed to the destination named, as to one that was configured
//! later, goes through the channel for it: what its gates and mapping make of the original
//! is a message of its own in the journal, with the first as its parent, so that the ledger
//! counts it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::actions::Actor;
use super::adopt::child_of;
use super::queue::{Done, QueuePlanned};
use super::running::Engine;
use crate::audit::{self, Subject};
use crate::base::DestinationName;
use crate::fault::codes::{W6906, W6907, W8901, W8902};
use crate::fault::{Fault, Place};
use crate::filter::Filter;
use crate::message::{Entry, Fate, Owed, State};
use crate::observe::happened;
use crate::settings::nearest;
use crate::store::DeliveryRow;

/// Through which configuration a message goes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Through {
    /// The body it had.
    #[default]
    Then,
    /// Mapped anew with the rules of now.
    Now,
}

/// What is sent again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Which deliveries.
    pub filter: Filter,
    /// To this destination only; none: each to its own.
    pub to: Option<DestinationName>,
    /// Through which configuration.
    pub through: Through,
    /// Most a second; none: as fast as the store takes them.
    pub rate: Option<u32>,
}

impl Engine {
    /// What a replay would concern.
    ///
    /// # Errors
    /// `W8902` for a filter without terms, or the store's fault.
    pub fn replay_plan(&self, replay: &Replay) -> Result<QueuePlanned, Fault> {
        let mut planned = QueuePlanned::default();
        for again in self.to_replay(replay)? {
            planned.add(&again.row);
        }
        Ok(planned)
    }

    /// Sends messages again, oldest first. Returns when all are queued.
    ///
    /// # Errors
    /// `W8901` without a reason, `W8902` for a filter without terms, or the store's fault.
    /// Messages that fail alone are in [`Done`].
    pub async fn replay(&self, replay: &Replay, by: &Actor) -> Result<Done, Fault> {
        if by.reason.is_empty() {
            return Err(Fault::new(W8901));
        }
        let again = self.to_replay(replay)?;
        let pause = replay.rate.map(|rate| Duration::from_secs(1) / rate.max(1));
        let mut done = Done::default();
        for Again { row, owed } in again {
            let result = match owed {
                true => self.replay_one(replay, &row, by).await,
                false => self.replay_elsewhere(&row, by).await,
            };
            done.note(row, result);
            if let Some(pause) = pause
                && !self.0.core.pause_for(pause).await
            {
                break;
            }
        }
        Ok(done)
    }

    /// The deliveries, oldest first, each message once a destination. What still waits is
    /// left out: it will be sent anyway.
    fn to_replay(&self, replay: &Replay) -> Result<Vec<Again>, Fault> {
        if replay.filter.terms.is_empty() {
            return Err(Fault::new(W8902));
        }
        if let Some(to) = &replay.to {
            self.known_anywhere(to)?;
        }
        let ended = |state: State| match state {
            State::Delivered | State::Dead | State::Skipped => true,
            State::Waiting | State::Held | State::Filtered | State::Denied => {
                state != State::Waiting && replay.through == Through::Now
            }
        };
        let mut rows = self.rows(&replay.filter, |row| ended(row.state))?;
        let Some(to) = &replay.to else {
            return Ok(rows.into_iter().map(|row| Again { row, owed: true }).collect());
        };
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert((row.channel.clone(), row.message)));
        let channels: BTreeSet<_> = rows.iter().map(|row| row.channel.clone()).collect();
        for name in channels {
            let known = self.channel(&name)?.live();
            let known = known.plan.destinations.iter().map(|known| &known.name);
            is_among(to, known).map_err(|fault| fault.at(Place::channel(name.shared())))?;
        }
        let mut again = Vec::with_capacity(rows.len());
        for mut row in rows {
            row.destination = to.clone();
            let states = self.0.core.store.states(row.message)?.unwrap_or_default();
            let own = states.iter().find(|(name, _)| name == to).map(|(_, state)| *state);
            row.state = own.unwrap_or(row.state);
            if own.is_none_or(ended) {
                again.push(Again { row, owed: own.is_some() });
            }
        }
        self.without_parents(again)
    }

    /// Leaves out messages whose child for this destination is among the others: each goes
    /// there once.
    fn without_parents(&self, mut again: Vec<Again>) -> Result<Vec<Again>, Fault> {
        if again.iter().all(|again| again.owed) {
            return Ok(again);
        }
        let mut parents = BTreeSet::new();
        for child in again.iter().filter(|again| again.owed) {
            let record = self.0.core.store.message(child.row.message)?;
            parents.extend(record.and_then(|record| record.parent));
        }
        again.retain(|again| again.owed || !parents.contains(&again.row.message));
        Ok(again)
    }

    /// Refuses a destination that no channel has, before anything is looked for.
    fn known_anywhere(&self, to: &DestinationName) -> Result<(), Fault> {
        let plan = self.plan();
        let known = plan.channels.iter().flat_map(|channel| &channel.destinations);
        is_among(to, known.map(|known| &known.name))
    }

    async fn replay_one(
        &self,
        replay: &Replay,
        row: &DeliveryRow,
        by: &Actor,
    ) -> Result<(), Fault> {
        let revision = self.plan().revision.clone();
        let (outcome, mut leaves) = match replay.through {
            Through::Then => self.requeued(row, revision).await?,
            Through::Now => self.requeued_anew(row, revision).await?,
        };
        let subject = Subject::delivery(row.message, &row.channel, &row.destination);
        let now = self.0.core.now();
        leaves.push(audit::delivery_requeued(now, subject, &by.name, &by.reason));
        self.commit_outcome(row, outcome, leaves).await
    }

    /// Sends a message to a destination of its channel that it was never owed to.
    async fn replay_elsewhere(&self, row: &DeliveryRow, by: &Actor) -> Result<(), Fault> {
        let core = &self.0.core;
        let record = core.store.message(row.message)?.ok_or_else(|| Fault::new(W6907))?;
        let mut child = child_of(record, core.new_id(row.received), &row.channel);
        let (fate, mut leaves) = self.remade_of(&child, row)?;
        if !matches!(fate, Fate::Deliver(_)) {
            // There is no such child; what was decided is about the message.
            leaves.iter_mut().for_each(|leaf| leaf.message = Some(row.message));
            return Err(self.not_sent(row, &fate, leaves).await);
        }
        let (id, now) = (child.id, core.now());
        let subject = Subject::delivery(id, &row.channel, &row.destination);
        leaves.push(audit::delivery_requeued(now, subject, &by.name, &by.reason));
        let audited = super::vitals::actions(&leaves);
        child.leaves = leaves;
        child.revision = self.plan().revision.clone();
        child.owed = vec![Owed { destination: row.destination.clone(), lane: row.lane, fate }];
        core.store.commit(Entry::Message(Box::new(child))).await?;
        core.audited.count(&audited);
        let mut event = core.event(&happened::DELIVERY_REQUEUED).channel(row.channel.shared());
        event.state = Some(State::Waiting);
        core.observer.emit(event.destination(row.destination.shared()).message(id));
        let outlet = self.channel(&row.channel).ok().and_then(|c| c.outlet(&row.destination));
        if let Some(outlet) = outlet {
            outlet.waiting.fetch_add(1, Ordering::Relaxed);
            outlet.meters.replayed.increment();
            outlet.wake.notify_waiters();
        }
        Ok(())
    }
}

/// One delivery that is made again.
struct Again {
    /// The delivery, or one of the message at another destination.
    row: DeliveryRow,
    /// Whether the message was owed to this destination before.
    owed: bool,
}

/// Whether a destination is one of these; else says the nearest.
fn is_among<'d>(
    to: &DestinationName,
    known: impl Iterator<Item = &'d DestinationName> + Clone,
) -> Result<(), Fault> {
    if known.clone().any(|known| known == to) {
        return Ok(());
    }
    let fault = Fault::new(W6906).because(format!("there is no `{to}`"));
    let known: BTreeSet<&str> = known.map(DestinationName::as_str).collect();
    Err(match nearest(to.as_str(), known.iter().copied()) {
        Some(near) => fault.remedy(format!("did you mean `{near}`?")),
        None if known.is_empty() => fault,
        None => {
            let all: Vec<&str> = known.into_iter().collect();
            fault.remedy(format!("There are: {}.", all.join(", ")))
        }
    })
}
