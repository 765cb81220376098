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
use crate::fault::Fault;
use crate::fault::codes::W8902;
use crate::filter::Filter;
use crate::message::{Fate, Outcome, State};
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
            for row in &mut rows {
                row.destination = to.clone();
            }
        }
        Ok(rows)
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
