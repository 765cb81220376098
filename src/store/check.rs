//! Checks that read the whole journal: does the index count what the journal holds, and is
//! the audit chain whole.

use std::collections::HashMap;

use super::index::Names;
use super::index::row::{Change, Counts, Head, QueueId, Standing};
use super::open::queues_of;
use super::search::ledger_row;
use super::{LedgerRow, Position, Store};
use crate::audit::ChainHead;
use crate::base::MessageId;
use crate::fault::{Fault, codes};
use crate::message::Entry;

/// The ledger by the journal, beside the ledger by the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recount {
    /// Entries read.
    pub entries: u64,
    /// The ledger as the journal has it, removed segments included.
    pub journal: Vec<LedgerRow>,
    /// The ledger as the index has it, at the same position.
    pub index: Vec<LedgerRow>,
}

impl Recount {
    /// Whether both say the same and nothing is unaccounted.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.journal == self.index && self.journal.iter().all(|row| row.unaccounted == 0)
    }
}

/// What a walk of the audit chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainCheck {
    /// Entries read.
    pub entries: u64,
    /// Leaves checked.
    pub leaves: u64,
    /// Last position.
    pub last: Position,
    /// The chain's head.
    pub head: ChainHead,
}

impl Store {
    /// Counts every delivery anew from the journal and compares with the index. Blocking;
    /// reads everything; takes some 40 bytes of memory per delivery.
    ///
    /// # Errors
    /// `W6003`, `W6007`, `W6009`, `W6010`.
    pub fn recount(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Recount, Fault> {
        let shared = self.read();
        let (position, index) = {
            let index = shared.caught_up()?;
            (index.position, index.counts.clone())
        };
        let mut counts: Vec<Counts> = vec![Counts::default(); index.len()];
        for segment in shared.reader.segments().all() {
            for (channel, destination, totals) in
                segment.removed.iter().flat_map(|removed| &removed.totals)
            {
                let queue = shared.names.number(channel, destination);
                if let Some(counts) = counts.get_mut(queue.slot()) {
                    counts.add_removed(totals);
                }
            }
        }
        let mut standings: HashMap<(MessageId, QueueId), Standing> = HashMap::new();
        let mut entries = 0;
        shared.reader.walk(1, position, &mut |walked| {
            entries += 1;
            if entries % 8192 == 0 {
                progress(walked.position, position);
            }
            match &walked.entry {
                Entry::Message(record) => {
                    let head = Head::new(record, &queues_of(record, &shared.names));
                    for standing in head.standings(walked.position) {
                        standings.insert((head.id, standing.queue), standing);
                    }
                }
                Entry::Outcome(record) => {
                    let queue = shared.names.find(&record.channel, &record.destination);
                    let found = queue.and_then(|q| standings.get_mut(&(record.message, q)));
                    if let (Some(standing), Some(queue)) = (found, queue) {
                        let change = Change::new(record, queue);
                        let next = standing.after(&change, walked.position);
                        *standing = next.unwrap_or_else(|| standing.clone());
                    }
                }
                Entry::Consent(_) | Entry::Action(_) => {}
            }
            Ok(())
        })?;
        for standing in standings.values() {
            if let Some(counts) = counts.get_mut(standing.queue.slot()) {
                counts.commit(standing.state);
            }
        }
        progress(position, position);
        let rows = |counts: &[Counts]| rows(&shared.names, counts);
        Ok(Recount { entries, journal: rows(&counts), index: rows(&index) })
    }

    /// Walks the audit chain from the first leaf that is kept. Blocking; reads everything.
    ///
    /// # Errors
    /// `W6013` with the position where it breaks; `W6003`, `W6007`, `W6010`.
    pub fn verify_chain(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<ChainCheck, Fault> {
        let shared = self.read();
        let last = shared.live().durable;
        let broken = |position: Position| {
            Fault::new(codes::W6013).because(format!("at entry {position} of the journal"))
        };
        let mut check = ChainCheck { entries: 0, leaves: 0, last, head: ChainHead::default() };
        let all = shared.reader.segments().all();
        for (at, segment) in all.iter().enumerate() {
            if segment.chain != check.head {
                return Err(broken(segment.first));
            }
            if let Some(removed) = &segment.removed {
                check.head = ChainHead(removed.chain);
                continue;
            }
            let end = all.get(at + 1).map_or(last, |next| next.first.saturating_sub(1));
            shared.reader.walk_segment(segment, end.min(last), segment.first, &mut |walked| {
                check.entries += 1;
                if check.entries.is_multiple_of(8192) {
                    progress(walked.position, last);
                }
                let leaves = walked.entry.leaves();
                check.leaves += leaves.len() as u64;
                check.head = leaves.iter().fold(check.head, |head, leaf| head.next(leaf));
                let expected = walked.chain.or(leaves.is_empty().then_some(check.head));
                if expected == Some(check.head) { Ok(()) } else { Err(broken(walked.position)) }
            })?;
        }
        progress(last, last);
        Ok(check)
    }
}

fn rows(names: &Names, counts: &[Counts]) -> Vec<LedgerRow> {
    let rows = counts.iter().enumerate().filter_map(|(slot, counts)| {
        let (channel, destination) = names.name(QueueId(u32::try_from(slot).ok()?))?;
        Some(ledger_row(channel, destination, counts))
    });
    rows.filter(|row| row.committed > 0).collect()
}
