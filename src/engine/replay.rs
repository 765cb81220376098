//! Replay: messages sent again by a person, in their order, marked as replays.
//!
//! Each goes to the destination its delivery belongs to, or to the one destination named,
//! never to another. Consent is asked again before each leaves, as for every delivery.

use std::collections::BTreeSet;
use std::time::Duration;

use super::actions::Actor;
use super::queue::{Done, QueuePlanned};
use super::running::Engine;
use crate::audit::{self, Subject};
use crate::base::DestinationName;
use crate::fault::codes::{W6906, W8902};
use crate::fault::{Fault, Place};
use crate::filter::Filter;
use crate::message::{Fate, Outcome, State};
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
        for row in self.to_replay(replay)? {
            planned.add(&row);
        }
        Ok(planned)
    }

    /// Sends messages again, oldest first. Returns when all are queued.
    ///
    /// # Errors
    /// `W8902` for a filter without terms, or the store's fault. Messages that fail alone
    /// are in [`Done`].
    pub async fn replay(&self, replay: &Replay, by: &Actor) -> Result<Done, Fault> {
        let rows = self.to_replay(replay)?;
        let pause = replay.rate.map(|rate| Duration::from_secs(1) / rate.max(1));
        let mut done = Done::default();
        for row in rows {
            let result = self.replay_one(replay, &row, by).await;
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
    fn to_replay(&self, replay: &Replay) -> Result<Vec<DeliveryRow>, Fault> {
        if replay.filter.terms.is_empty() {
            return Err(Fault::new(W8902));
        }
        if let Some(to) = &replay.to {
            self.known_anywhere(to)?;
        }
        let ended = |row: &DeliveryRow| match row.state {
            State::Delivered | State::Dead | State::Skipped => true,
            State::Waiting | State::Held | State::Filtered | State::Denied => {
                row.state != State::Waiting && replay.through == Through::Now
            }
        };
        let mut rows = self.rows(&replay.filter, ended)?;
        if let Some(to) = &replay.to {
            let mut seen = BTreeSet::new();
            rows.retain(|row| seen.insert((row.channel.clone(), row.message)));
            let channels: BTreeSet<_> = rows.iter().map(|row| row.channel.clone()).collect();
            for name in channels {
                let known = self.channel(&name)?.live();
                let known = known.plan.destinations.iter().map(|known| &known.name);
                is_among(to, known).map_err(|fault| fault.at(Place::channel(name.shared())))?;
            }
            for row in &mut rows {
                row.destination = to.clone();
            }
        }
        Ok(rows)
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
        let outcome = match replay.through {
            Through::Then => self.requeued(row, None, revision)?,
            Through::Now => match self.remade(row)? {
                (Fate::Deliver(body), _) => Outcome::Requeued { body: Some(body), revision },
                (fate, _) => return Err(Self::not_sent(row, &fate)),
            },
        };
        let subject = Subject::delivery(row.message, &row.channel, &row.destination);
        let now = self.0.core.now();
        let leaf = audit::delivery_requeued(now, subject, &by.name, &by.reason);
        self.commit_outcome(row, outcome, vec![leaf]).await
    }
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
