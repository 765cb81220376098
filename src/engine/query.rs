//! What people and the API ask: status, lists, journeys, content.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::actions::Actor;
use super::channel::{Channel, Outlet, Target};
use super::core::Disk;
use super::running::Engine;
use crate::audit::{self, Subject};
use crate::base::{DestinationName, MessageId, Timestamp};
use crate::config::ChannelPlan;
use crate::fault::Fault;
use crate::fault::codes::{W6015, W6907, W6909, W8901};
use crate::filter::{Field, Filter, Term};
use crate::message::{Body, Fate, FaultRecord, MessageRecord, Outcome, OutcomeRecord, State};
use crate::observe::{happened, meter};
use crate::store::{DeliveryRow, LedgerRow, QueueRow, Usage};

/// The engine at a glance.
#[derive(Clone, Debug)]
pub struct Status {
    /// When it came up.
    pub started: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether it takes messages on every channel that should.
    pub ready: bool,
    /// The store.
    pub usage: Usage,
    /// `free`, `low` or `full`.
    pub disk: &'static str,
    /// Messages without an end state.
    pub unaccounted: i64,
    /// The channels, disabled ones too, by name.
    pub channels: Vec<ChannelStatus>,
    /// What waits for destinations that no channel has.
    pub stranded: Vec<QueueRow>,
}

/// One channel at a glance.
#[derive(Clone, Debug)]
pub struct ChannelStatus {
    /// Its plan.
    pub plan: std::sync::Arc<ChannelPlan>,
    /// Its state in one word.
    pub state: &'static str,
    /// Why its source is paused.
    pub paused: Option<std::sync::Arc<str>>,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// Address it listens on.
    pub address: Option<std::net::SocketAddr>,
    /// Open connections.
    pub connections: u64,
    /// When the last message came.
    pub last_received: Option<Timestamp>,
    /// Messages received since the start.
    pub received: u64,
    /// Its destinations.
    pub destinations: Vec<DestinationStatus>,
}

/// One destination at a glance.
#[derive(Clone, Debug)]
pub struct DestinationStatus {
    /// Its name.
    pub name: DestinationName,
    /// Its type.
    pub kind: &'static str,
    /// Where it sends to.
    pub target: String,
    /// Why it is paused.
    pub paused: Option<std::sync::Arc<str>>,
    /// Since when it is down.
    pub down_since: Option<Timestamp>,
    /// The last failure.
    pub last_fault: Option<(Timestamp, FaultRecord)>,
    /// When the last delivery was confirmed.
    pub last_delivered: Option<Timestamp>,
    /// Deliveries confirmed since the start.
    pub delivered: u64,
    /// Its queue.
    pub queue: Option<QueueRow>,
    /// Upper bound of the 95th percentile of delivery.
    pub p95: Option<Duration>,
}

/// A message with what became of it.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The record.
    pub record: MessageRecord,
    /// What happened since, in order.
    pub outcomes: Vec<OutcomeRecord>,
    /// The state of each delivery, in the order of the record's rows and then of others.
    pub states: Vec<(DestinationName, State)>,
    /// What the sender heard, where it is not what the record says: `AE W6903`.
    pub answered: Option<std::sync::Arc<str>>,
}

/// Which content is revealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// As it came.
    Original,
    /// As it leaves for a destination.
    Destination(DestinationName),
}

/// Revealed content.
#[derive(Debug)]
pub struct Revealed {
    /// The content, patient data.
    pub body: Body,
}

/// Most messages of one page of a trace: each is read whole.
const TRACED_MAX: usize = 100;

impl Engine {
    /// The engine at a glance.
    ///
    /// # Errors
    /// The store's fault.
    pub fn status(&self) -> Result<Status, Fault> {
        let core = &self.0.core;
        let queues = core.store.queues()?;
        let ledger = core.store.ledger(&Filter::all())?;
        let plan = self.plan();
        let channels = plan.channels.iter().map(|plan| match self.channel(plan.name()) {
            Ok(channel) => channel_status(&channel, &queues),
            Err(_) => disabled(plan, &queues),
        });
        Ok(Status {
            started: self.0.started,
            now: core.now(),
            ready: self.is_ready(),
            usage: core.store.usage(),
            disk: match core.disk() {
                Disk::Free => "free",
                Disk::Low => "low",
                Disk::Full => "full",
            },
            unaccounted: ledger.iter().map(|row| row.unaccounted).sum(),
            channels: channels.collect(),
            stranded: self.stranded_rows()?,
        })
    }

    /// A page of deliveries, oldest first. Without terms: those that wait, are held or
    /// dead.
    ///
    /// # Errors
    /// The store's fault.
    pub fn queue(
        &self,
        mut filter: Filter,
        limit: usize,
        after: Option<u64>,
    ) -> Result<Vec<DeliveryRow>, Fault> {
        if !filter.terms.iter().any(|term| term.field == Field::State) {
            let any = [State::Waiting, State::Held, State::Dead];
            let any = any.map(|state| state.name().to_owned()).to_vec();
            filter.terms.push(Term { negated: false, field: Field::State, any });
        }
        self.0.core.store.search(&filter, true, limit, after)
    }

    /// The ledger.
    ///
    /// # Errors
    /// The store's fault.
    pub fn ledger(&self, filter: &Filter) -> Result<Vec<LedgerRow>, Fault> {
        self.0.core.store.ledger(filter)
    }

    /// The journeys of the first 100 messages of a filter, newest first, and whether there
    /// are more; else as [`Engine::trace_page`].
    ///
    /// # Errors
    /// As [`Engine::trace_page`].
    pub async fn trace(&self, filter: &Filter, by: &Actor) -> Result<(Vec<Traced>, bool), Fault> {
        let (traced, next) = self.trace_page(filter, (TRACED_MAX, None), by).await?;
        Ok((traced, next.is_some()))
    }

    /// The journeys of the messages of a filter, newest first: at most `limit` and at most
    /// 100, from behind position `after` on. Gives the position to go on behind when there
    /// are more. A search by patient needs a reason and is audited before it is answered.
    ///
    /// # Errors
    /// `W8901` without a reason where one is needed, or the store's fault.
    pub async fn trace_page(
        &self,
        filter: &Filter,
        (limit, after): (usize, Option<u64>),
        by: &Actor,
    ) -> Result<(Vec<Traced>, Option<u64>), Fault> {
        let core = &self.0.core;
        if filter.terms.iter().any(|term| term.field == Field::Patient) {
            if by.reason.is_empty() {
                return Err(Fault::new(W8901));
            }
            let mut leaf = audit::action_done(audit::Action::MessageRevealed, core.now(), &by.name);
            leaf.reason = Some(by.reason.clone());
            leaf.decision = Some("search by patient".into());
            core.act(Vec::new(), vec![leaf]).await?;
        }
        let limit = limit.clamp(1, TRACED_MAX);
        let mut found = core.store.find_messages(filter, limit + 1, after)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|(position, _)| *position).filter(|_| more);
        let traced: Result<Vec<_>, _> = found.into_iter().map(|(_, id)| self.traced(id)).collect();
        Ok((traced?.into_iter().flatten().collect(), next))
    }

    fn traced(&self, id: MessageId) -> Result<Option<Traced>, Fault> {
        let store = &self.0.core.store;
        let Some(record) = store.message(id)? else { return Ok(None) };
        let outcomes = store.outcomes(id)?;
        let mut states: Vec<_> =
            record.owed.iter().map(|owed| (owed.destination.clone(), owed.fate.state())).collect();
        for outcome in &outcomes {
            let after = outcome.outcome.state();
            match states.iter_mut().find(|(name, _)| *name == outcome.destination) {
                Some((_, state)) => *state = after,
                None => states.push((outcome.destination.clone(), after)),
            }
        }
        let answered = store.answer(id)?;
        Ok(Some(Traced { record, outcomes, states, answered }))
    }

    /// Reveals the content of a message. The look is in the audit log before the content
    /// is given.
    ///
    /// # Errors
    /// `W8901` without a reason, `W6907` for an unknown message, `W6909` when there is no
    /// body for the destination, `W6015` when `keep.content` is over, or the store's fault.
    pub async fn reveal(
        &self,
        id: MessageId,
        which: &Which,
        purpose: &str,
        by: &Actor,
    ) -> Result<Revealed, Fault> {
        let core = &self.0.core;
        if by.reason.is_empty() || purpose.is_empty() {
            return Err(Fault::new(W8901));
        }
        let record = core.store.message(id)?.ok_or_else(|| Fault::new(W6907))?;
        let body = match which {
            Which::Original => Some(record.original.clone()),
            Which::Destination(to) => self.body_for(&record, to)?,
        };
        let body = body.ok_or_else(|| Fault::new(W6909))?;
        if body.is_removed() {
            return Err(Fault::new(W6015));
        }
        let subject = Subject {
            message: Some(id),
            channel: &record.channel,
            destination: match which {
                Which::Original => None,
                Which::Destination(to) => Some(to),
            },
        };
        let mut leaf = audit::message_revealed(core.now(), subject, &by.name, &by.reason);
        leaf.decision = Some(format!("for {purpose}").into());
        core.act(Vec::new(), vec![leaf]).await?;
        // Whoever comes over the socket or the loopback address has every right.
        core.registry.counter(&meter::REVEALS, &["admin"]).increment();
        let event = core.event(&happened::CONTENT_REVEALED).channel(record.channel.shared());
        core.observer.emit(event.message(id));
        Ok(Revealed { body })
    }

    /// The body a destination got or will get: the one made last.
    pub(crate) fn body_for(
        &self,
        record: &MessageRecord,
        to: &DestinationName,
    ) -> Result<Option<Body>, Fault> {
        let outcomes = self.0.core.store.outcomes(record.id)?;
        let requeued = outcomes.into_iter().rev().find_map(|outcome| match outcome.outcome {
            Outcome::Requeued { body: Some(body), .. } if outcome.destination == *to => Some(body),
            _ => None,
        });
        let first = || {
            let owed = record.owed.iter().find(|owed| owed.destination == *to)?;
            match &owed.fate {
                Fate::Deliver(body) => Some(body.clone()),
                Fate::Filtered(_) | Fate::Denied(_) | Fate::Held(_) | Fate::Dead(_) => None,
            }
        };
        Ok(requeued.or_else(first))
    }
}

fn moment(micros: i64) -> Option<Timestamp> {
    (micros > 0).then(|| Timestamp::from_micros(micros))
}

fn channel_status(channel: &Channel, queues: &[QueueRow]) -> ChannelStatus {
    let live = channel.live();
    ChannelStatus {
        state: channel.state(),
        paused: channel.pause_reason(&Target::Source),
        fault: channel.failure.read().unwrap_or_else(PoisonError::into_inner).clone(),
        address: *channel.address.read().unwrap_or_else(PoisonError::into_inner),
        connections: u64::try_from(channel.connections.load(Ordering::Relaxed)).unwrap_or(0),
        last_received: moment(channel.last_received.load(Ordering::Relaxed)),
        received: live.meters.received_total(),
        destinations: live
            .outlets
            .iter()
            .map(|outlet| destination_status(channel, outlet, queues))
            .collect(),
        plan: live.plan.clone(),
    }
}

fn destination_status(
    channel: &Channel,
    outlet: &Outlet,
    queues: &[QueueRow],
) -> DestinationStatus {
    let last_fault = outlet.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
    DestinationStatus {
        name: outlet.name.clone(),
        kind: outlet.plan.kind.kind_name(),
        target: outlet.plan.kind.target(),
        paused: channel.pause_reason(&Target::Destination(outlet.name.clone())),
        down_since: outlet.down_since(),
        last_fault,
        last_delivered: moment(outlet.last_delivered.load(Ordering::Relaxed)),
        delivered: outlet.meters.delivered.value(),
        queue: queues
            .iter()
            .find(|row| row.channel == channel.name && row.destination == outlet.name)
            .cloned(),
        p95: outlet.meters.duration.quantile(95),
    }
}

/// A channel that is configured and does not run; what waits for it is shown.
fn disabled(plan: &std::sync::Arc<ChannelPlan>, queues: &[QueueRow]) -> ChannelStatus {
    ChannelStatus {
        state: "disabled",
        paused: None,
        fault: None,
        address: None,
        connections: 0,
        last_received: None,
        received: 0,
        destinations: plan
            .destinations
            .iter()
            .map(|to| DestinationStatus {
                name: to.name.clone(),
                kind: to.kind.kind_name(),
                target: to.kind.target(),
                paused: None,
                down_since: None,
                last_fault: None,
                last_delivered: None,
                delivered: 0,
                queue: queues
                    .iter()
                    .find(|row| row.channel == *plan.name() && row.destination == to.name)
                    .cloned(),
                p95: None,
            })
            .collect(),
        plan: plan.clone(),
    }
}
