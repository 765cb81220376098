//! What a damaged journal still gives: which segments cannot be read through, and which
//! messages and outcomes in them are lost. An entry is found by the index without those
//! before it, so one that is damaged hides none behind it.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::index::row::Row;
use super::index::{decode, keys};
use super::journal::SegmentInfo;
use super::{Position, Store};
use crate::base::{ChannelName, MessageId};
use crate::fault::Fault;

/// What a look at every segment found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Entries that can be read from the start of their segment on.
    pub entries: u64,
    /// Audit leaves in them.
    pub leaves: u64,
    /// The damaged segments, in order.
    pub damaged: Vec<Damage>,
}

/// A segment that cannot be read through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where reading ends, and why.
    pub fault: Fault,
    /// Messages in it that cannot be read; the first [`Damage::NAMED_MAX`] of them.
    pub messages: Vec<(ChannelName, MessageId)>,
    /// How many there are.
    pub message_count: u64,
    /// Attempts and acts of people in it that cannot be read.
    pub outcome_count: u64,
}

impl Damage {
    /// Most messages that are named: enough to ask their senders.
    pub const NAMED_MAX: usize = 100;
}

impl Store {
    /// Reads every segment as far as it goes, and of those that are damaged every entry that
    /// the index names. Blocking; reads everything, and for each damaged segment the whole
    /// index.
    ///
    /// # Errors
    /// `W6009`; `W9001` for a journal that is not made of segments.
    pub fn survey(&self) -> Result<Survey, Fault> {
        let shared = self.read();
        let last = shared.live().durable;
        let all = shared.files()?.segments().all();
        let mut survey = Survey::default();
        for (at, segment) in all.iter().enumerate().filter(|(_, s)| s.removed.is_none()) {
            let end = all.get(at + 1).map_or(last, |next| next.first.saturating_sub(1));
            if let Err(fault) = self.look_through(segment, end.min(last), &mut survey) {
                survey.damaged.push(self.damage(segment.number, fault)?);
            }
        }
        Ok(survey)
    }

    fn look_through(
        &self,
        segment: &Arc<SegmentInfo>,
        end: Position,
        survey: &mut Survey,
    ) -> Result<(), Fault> {
        self.read().files()?.walk_segment(segment, end, segment.first, &mut |walked| {
            survey.entries += 1;
            survey.leaves += walked.entry.leaves().len() as u64;
            Ok(())
        })
    }

    /// Tries every entry of a segment that belongs to a message.
    fn damage(&self, segment: u32, fault: Fault) -> Result<Damage, Fault> {
        let mut damage = Damage { fault, messages: Vec::new(), message_count: 0, outcome_count: 0 };
        let journal = &self.read().journal;
        let lost = |at| journal.read(at).is_err();
        let index = self.read().caught_up()?;
        index.kv.walk_prefix(keys::MESSAGES, &mut |_, value| {
            let row: Row = decode(value)?;
            if row.at.segment == segment && lost(row.at) {
                damage.message_count += 1;
                if damage.messages.len() < Damage::NAMED_MAX {
                    damage.messages.push((row.channel, row.id));
                }
            }
            let outcomes = row.outcomes.iter().filter(|(_, at)| at.segment == segment);
            damage.outcome_count += outcomes.filter(|(_, at)| lost(*at)).count() as u64;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(damage)
    }
}
