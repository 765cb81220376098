//! What becomes of messages that wait for a destination that a reload takes away: the
//! reload is refused, they are given up, or another destination adopts them.
//!
//! An adopted delivery is a message of its own in the journal: the original, its keys, the
//! body that was made, owed to the heir; only then the old delivery ends as `skipped`, with
//! the heir in its audit leaf. A crash in between leaves both: sent twice, never lost.

use std::sync::Arc;

use super::actions::Actor;
use super::channel::Channel;
use super::running::Engine;
use super::task;
use crate::audit::{self, Subject};
use crate::base::{ChannelName, DestinationName, MessageId};
use crate::config::Plan;
use crate::fault::codes::{W6021, W6905, W6906, W6907};
use crate::fault::{Fault, Place};
use crate::filter::{Field, Filter, Term};
use crate::message::{Entry, Fate, MessageRecord, Outcome, Owed, State, Trail};
use crate::observe::happened;
use crate::store::{DeliveryRow, QueueRow};

/// Adopted deliveries whose commits share a flush of the disk.
const AT_ONCE: usize = 64;

/// What becomes of messages that wait for destinations that go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stranded {
    /// There must be none, else the reload is refused.
    #[default]
    Refuse,
    /// They are given up, with a reason.
    Drop,
    /// Other destinations get them.
    Adopt(Heirs),
}

/// Who adopts what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heir {
    /// Its channel; none: the channel of the message.
    pub channel: Option<ChannelName>,
    /// Its name.
    pub destination: DestinationName,
}

impl Heir {
    /// Reads `DESTINATION` or `CHANNEL/DESTINATION`.
    ///
    /// # Errors
    /// `W6905` or `W6906` when a part is not a name.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (channel, destination) = match text.split_once('/') {
            Some((channel, destination)) => (Some(channel), destination),
            None => (None, text),
        };
        let channel = channel.map(ChannelName::parse).transpose();
        Ok(Self {
            channel: channel.map_err(|_| Fault::new(W6905))?,
            destination: DestinationName::parse(destination).map_err(|_| Fault::new(W6906))?,
        })
    }
}

/// Who adopts what waits for which destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heirs(Vec<(Option<Heir>, Heir)>);

impl Heirs {
    /// Reads `NEW` for all that waits, or `OLD=NEW,OLD=NEW`, each as [`Heir::parse`] does.
    ///
    /// # Errors
    /// `W6905` or `W6906` when a part is not a name.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let one = |text: &str| match text.split_once('=') {
            Some((old, new)) => Ok((Some(Heir::parse(old.trim())?), Heir::parse(new.trim())?)),
            None => Ok((None, Heir::parse(text.trim())?)),
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Who adopts what waits for a destination: the first that is named for it.
    fn of(&self, gone: &Gone) -> Option<&Heir> {
        let named = |old: &Heir| {
            old.destination == gone.destination
                && old.channel.as_ref().is_none_or(|channel| *channel == gone.channel)
        };
        let found = self.0.iter().find(|(old, _)| old.as_ref().is_some_and(named));
        found.or_else(|| self.0.iter().find(|(old, _)| old.is_none())).map(|(_, heir)| heir)
    }
}

/// A destination that goes, and how much waits for it.
pub(super) struct Gone {
    channel: ChannelName,
    destination: DestinationName,
    count: u64,
}

impl Gone {
    fn place(&self) -> Place {
        Place::destination(self.channel.shared(), self.destination.shared())
    }

    /// What waits, with these states.
    fn filter(&self) -> Filter {
        let term = |field, any: Vec<String>| Term { negated: false, field, any };
        let states = [State::Waiting, State::Held].map(|state| state.name().to_owned());
        Filter {
            terms: vec![
                term(Field::Channel, vec![self.channel.to_string()]),
                term(Field::Destination, vec![self.destination.to_string()]),
                term(Field::State, states.to_vec()),
            ],
        }
    }

    /// Who adopts it, when somebody is named and the plan has such a destination.
    fn heir(&self, heirs: &Heirs, next: &Plan) -> Result<(ChannelName, DestinationName), Fault> {
        let heir = heirs.of(self).ok_or_else(|| refused(self))?;
        let name = heir.channel.as_ref().unwrap_or(&self.channel);
        let channel = next.channel(name.as_str());
        let channel = channel.ok_or_else(|| Fault::new(W6905).at(Place::channel(name.shared())))?;
        if channel.destination(&heir.destination).is_none() {
            let place = Place::destination(name.shared(), heir.destination.shared());
            return Err(Fault::new(W6906).at(place));
        }
        Ok((name.clone(), heir.destination.clone()))
    }
}

/// Running channels that have destinations which are not in the next plan.
pub(super) fn losing(channels: Vec<Arc<Channel>>, next: &Plan) -> Vec<Arc<Channel>> {
    let loses = |channel: &Arc<Channel>| !leaving(channel, next).is_empty();
    channels.into_iter().filter(loses).collect()
}

/// Destinations of a running channel that are not in the next plan.
pub(super) fn leaving(channel: &Channel, next: &Plan) -> Vec<DestinationName> {
    let after = next.channel(channel.name.as_str());
    let stays = |name| after.is_some_and(|after| after.destination(name).is_some());
    let live = channel.live();
    let names = live.plan.destinations.iter().map(|to| &to.name);
    names.filter(|name| !stays(name)).cloned().collect()
}

impl Engine {
    /// Destinations that go while messages wait for them.
    pub(super) fn waiting_for_gone(&self, next: &Plan) -> Result<Vec<Gone>, Fault> {
        let mut gone = Vec::new();
        for row in self.0.core.store.queues()? {
            let count = row.waiting + row.held;
            if !has(next, &row) && count > 0 {
                gone.push(Gone { channel: row.channel, destination: row.destination, count });
            }
        }
        Ok(gone)
    }

    /// Deliveries that wait or are held for destinations that no channel has, as after a
    /// start with other files. A reload says what becomes of them.
    ///
    /// # Errors
    /// The store's fault.
    pub fn stranded_rows(&self) -> Result<Vec<QueueRow>, Fault> {
        let plan = self.plan();
        let mut rows = self.0.core.store.queues()?;
        rows.retain(|row| row.waiting + row.held > 0 && !has(&plan, row));
        Ok(rows)
    }

    /// Tells what waits for destinations that no channel has.
    pub(super) fn report_stranded(&self) -> Result<(), Fault> {
        let core = &self.0.core;
        for gone in self.waiting_for_gone(&self.plan())? {
            let mut event = core.event(&happened::QUEUE_STRANDED).channel(gone.channel.shared());
            event.destination = Some(gone.destination.shared());
            event.count = Some(gone.count);
            core.observer.emit(event.fault(&refused(&gone)));
        }
        Ok(())
    }

    /// What waits for destinations that go, when that is allowed.
    ///
    /// # Errors
    /// `W6021` when it is not or nobody is named for it, `W6905` or `W6906` when the heir is not in the plan.
    pub(super) fn stranded(&self, next: &Plan, stranded: &Stranded) -> Result<Vec<Gone>, Fault> {
        let gone = self.waiting_for_gone(next)?;
        match (gone.first(), stranded) {
            (None, _) | (Some(_), Stranded::Drop) => {}
            (Some(first), Stranded::Refuse) => return Err(refused(first)),
            (Some(_), Stranded::Adopt(heirs)) => {
                for gone in &gone {
                    gone.heir(heirs, next)?;
                }
            }
        }
        Ok(gone)
    }

    /// Gives up or hands over what waits for destinations that go. Their couriers have
    /// stopped and nothing new comes for them.
    ///
    /// # Errors
    /// `W6021` when something still waits afterwards, or the store's fault. What was done
    /// until then stays done.
    pub(super) async fn settle_stranded(
        &self,
        next: &Plan,
        stranded: &Stranded,
        by: &Actor,
    ) -> Result<(), Fault> {
        for gone in self.stranded(next, stranded)? {
            match stranded {
                Stranded::Refuse => {}
                Stranded::Drop => {
                    self.queue_act(super::QueueAction::Skip, &gone.filter(), by).await?;
                }
                Stranded::Adopt(heirs) => {
                    self.adopt(&gone, &gone.heir(heirs, next)?, by).await?;
                }
            }
        }
        self.waiting_for_gone(next)?.first().map_or(Ok(()), |left| Err(refused(left)))
    }

    /// Hands what waits for a destination over to another, in order.
    async fn adopt(
        &self,
        gone: &Gone,
        heir: &(ChannelName, DestinationName),
        by: &Actor,
    ) -> Result<(), Fault> {
        let store = &self.0.core.store;
        let rows = self.rows(&gone.filter(), |_| true)?;
        for rows in rows.chunks(AT_ONCE) {
            let mut commits = Vec::with_capacity(rows.len());
            let mut audited = Vec::with_capacity(rows.len());
            for row in rows {
                let record = Box::new(self.adopted(row, heir, by)?);
                audited.push(super::vitals::actions(&record.leaves));
                commits.push(store.commit(Entry::Message(record)));
            }
            for (committed, actions) in task::all(commits).await.into_iter().zip(audited) {
                committed?;
                self.0.core.audited.count(&actions);
            }
            let why = format!("adopted by {}/{}: {}", heir.0, heir.1, by.reason);
            let skips = rows.iter().map(|row| {
                let subject = Subject::delivery(row.message, &row.channel, &row.destination);
                let now = self.0.core.now();
                let leaf = audit::delivery_skipped(now, subject, &by.name, &why);
                self.commit_outcome(row, Outcome::Skipped, vec![leaf])
            });
            for skipped in task::all(skips.collect()).await {
                skipped?;
            }
        }
        Ok(())
    }

    /// The record of an adopted delivery.
    fn adopted(
        &self,
        row: &DeliveryRow,
        (channel, destination): &(ChannelName, DestinationName),
        by: &Actor,
    ) -> Result<MessageRecord, Fault> {
        let core = &self.0.core;
        let record = core.store.message(row.message)?.ok_or_else(|| Fault::new(W6907))?;
        let fate = match (row.state, self.body_for(&record, &row.destination)?) {
            (State::Waiting, Some(body)) => Fate::Deliver(body),
            // Held by consent: whether it may go is asked again when it is released.
            (_, None) => {
                let owed = record.owed.iter().find(|owed| owed.destination == row.destination);
                owed.map(|owed| owed.fate.clone()).ok_or_else(|| Fault::new(W6907))?
            }
            (_, Some(_)) => {
                let place = Place::destination(row.channel.shared(), row.destination.shared());
                let why = "a person holds one of them: release or skip it first";
                return Err(Fault::new(W6021).at(place).because(why));
            }
        };
        // As old as the message, so that lists and the oldest age stay true.
        let id = core.new_id(record.received);
        let subject = Subject::delivery(id, channel, destination);
        let leaf = audit::delivery_requeued(core.now(), subject, &by.name, &by.reason);
        Ok(MessageRecord {
            owed: vec![Owed { destination: destination.clone(), lane: row.lane, fate }],
            leaves: vec![leaf],
            ..child_of(record, id, channel)
        })
    }
}

/// A message of its own in the journal that is a message again: the original and its keys,
/// the first as its parent. It owes nothing yet.
pub(super) fn child_of(
    record: MessageRecord,
    id: MessageId,
    channel: &ChannelName,
) -> MessageRecord {
    MessageRecord {
        id,
        channel: channel.clone(),
        parent: Some(record.id),
        duplicate_key: None,
        ack: "".into(),
        trail: Trail::default(),
        owed: Vec::new(),
        leaves: Vec::new(),
        ..record
    }
}

/// Whether a plan has the destination of a queue.
pub(super) fn has(plan: &Plan, row: &QueueRow) -> bool {
    let channel = plan.channel(row.channel.as_str());
    channel.is_some_and(|channel| channel.destination(&row.destination).is_some())
}

fn refused(gone: &Gone) -> Fault {
    Fault::new(W6021).at(gone.place()).because(format!("{} messages wait for it", gone.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heirs_are_read() {
        let check = |text: &str, expected: &str| {
            let found = match Heir::parse(text) {
                Ok(heir) => {
                    let channel = heir.channel.map(|name| name.to_string()).unwrap_or_default();
                    format!("{channel}+{}", heir.destination)
                }
                Err(fault) => fault.code().to_string(),
            };
            assert_eq!(found, expected, "{text}");
        };
        check("ehr", "+ehr");
        check("adt/ehr", "adt+ehr");
        check("a b/ehr", "W6905");
        check("adt/", "W6906");
        check("", "W6906");
    }

    #[test]
    fn each_destination_finds_its_heir() {
        let check = |text: &str, gone: &str, expected: &str| {
            let (channel, destination) = gone.split_once('/').unwrap();
            let gone = Gone {
                channel: ChannelName::parse(channel).unwrap(),
                destination: DestinationName::parse(destination).unwrap(),
                count: 1,
            };
            let found = match Heirs::parse(text) {
                Ok(heirs) => heirs.of(&gone).map_or_else(String::new, |heir| {
                    let channel = heir.channel.as_ref().map_or("", |name| name.as_str());
                    format!("{channel}+{}", heir.destination)
                }),
                Err(fault) => fault.code().to_string(),
            };
            assert_eq!(found, expected, "{text} {gone}", gone = gone.destination);
        };
        check("lis", "adt/old", "+lis");
        check("old=lis", "adt/old", "+lis");
        check("old=lis", "adt/other", "");
        check("adt/old=two/lis, old=lab", "adt/old", "two+lis");
        check("adt/old=two/lis, old=lab", "oru/old", "+lab");
        check("old=lis,rest", "adt/other", "+rest");
        check("old=lis,", "adt/old", "W6906");
        check("=lis", "adt/old", "W6906");
    }
}
