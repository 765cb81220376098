//! Checks that read the whole journal: does the index count what the journal holds, and is
//! the audit chain whole.

use std::collections::{HashMap, HashSet};

use super::index::Names;
use super::index::row::{Change, Counts, Head, QueueId, Standing};
use super::journal::{SegmentInfo, VisitLeaves, Walked};
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
    /// Versions of resources in the journal, each once, and those that the index counts.
    pub versions: (u64, u64),
}

impl Recount {
    /// Whether both say the same and nothing is unaccounted.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.versions.0 == self.versions.1
            && self.journal == self.index
            && self.journal.iter().all(|row| row.unaccounted == 0)
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
        let indexed: u64;
        let (position, index) = {
            let index = shared.caught_up()?;
            indexed = super::records::shelves(&index.kv)?.iter().map(|(_, row)| row.versions).sum();
            (index.position, index.counts.clone())
        };
        let mut counts: Vec<Counts> = vec![Counts::default(); index.len()];
        for gone in shared.journal.gone() {
            for (channel, destination, totals) in &gone.totals {
                let queue = shared.names.number(channel, destination);
                if let Some(counts) = counts.get_mut(queue.slot()) {
                    counts.add_removed(totals);
                }
            }
        }
        let mut standings: HashMap<(MessageId, QueueId), Standing> = HashMap::new();
        let (mut entries, mut versions) = (0, HashSet::new());
        shared.journal.walk(1, position, &mut |walked| {
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
                Entry::Records(record) => {
                    versions.extend(super::records::versions_of(record, &shared.secret));
                }
                Entry::Consent(_) | Entry::Action(_) => {}
            }
            Ok(())
        })?;
        for standing in standings.values() {
            if let Some(counts) = counts.get_mut(standing.queue.slot()) {
                counts.commit(standing);
            }
        }
        progress(position, position);
        let rows = |counts: &[Counts]| rows(&shared.names, counts);
        let versions = (versions.len() as u64, indexed);
        Ok(Recount { entries, journal: rows(&counts), index: rows(&index), versions })
    }

    /// Walks the audit chain from the first leaf that is kept, those of removed segments
    /// included. Blocking; reads everything.
    ///
    /// # Errors
    /// `W6013` with the position where it breaks; `W6003`, `W6007`, `W6010`.
    pub fn verify_chain(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<ChainCheck, Fault> {
        let last = self.read().live().durable;
        let mut check = ChainCheck { entries: 0, leaves: 0, last, head: ChainHead::default() };
        let head = self.walk_leaves(last, &mut |position, leaves| {
            check.entries += 1;
            if check.entries.is_multiple_of(8192) {
                progress(position, last);
            }
            check.leaves += leaves.len() as u64;
            Ok(())
        })?;
        progress(last, last);
        Ok(ChainCheck { head, ..check })
    }

    /// Visits the audit leaves that are kept, in order, with the position of their entry;
    /// entries without any as well, but for those of removed segments. The chain is checked
    /// on the way: what is visited has been found whole up to there. Blocking.
    ///
    /// # Errors
    /// Those of `visit`; `W6013` with the position where the chain breaks; `W6003`,
    /// `W6007`, `W6010`.
    pub fn leaves(&self, visit: VisitLeaves<'_>) -> Result<ChainHead, Fault> {
        let last = self.read().live().durable;
        self.walk_leaves(last, visit)
    }

    fn walk_leaves(&self, last: Position, visit: VisitLeaves<'_>) -> Result<ChainHead, Fault> {
        let shared = self.read();
        let Some(files) = shared.journal.segment_files() else {
            let mut head = ChainHead::default();
            shared.journal.walk(1, last, &mut |walked| follow(&mut head, &walked, visit))?;
            return Ok(head);
        };
        let all = files.segments().all();
        let (mut head, mut before) = (ChainHead::default(), 0);
        for (at, segment) in all.iter().enumerate() {
            if segment.chain != head {
                return Err(broken(segment.first));
            }
            if let Some(removed) = &segment.removed {
                if segment.leaves_from > 0 {
                    head = self.walk_archives(before, segment, visit)?;
                    if head.0 != removed.chain {
                        return Err(broken(removed.last));
                    }
                }
                head = ChainHead(removed.chain);
            } else {
                let end = all.get(at + 1).map_or(last, |next| next.first.saturating_sub(1));
                files.walk_segment(segment, end.min(last), segment.first, &mut |walked| {
                    follow(&mut head, &walked, visit)
                })?;
            }
            before = segment.number;
        }
        Ok(head)
    }

    /// Leaves of removed segments behind the one numbered `before`: the head after them.
    fn walk_archives(
        &self,
        before: u32,
        segment: &SegmentInfo,
        visit: VisitLeaves<'_>,
    ) -> Result<ChainHead, Fault> {
        let reader = self.read().files()?;
        let own = before + 1..=segment.number;
        // Where older leaves are gone, the chain is taken up where the first kept one says.
        let begins = segment.leaves_from == segment.first;
        let mut head = begins.then_some(segment.chain);
        let mut found = false;
        for number in reader.archives()?.into_iter().filter(|number| own.contains(number)) {
            let archive = reader.archive(number)?;
            if archive.first < segment.leaves_from {
                continue;
            }
            let follows = found || archive.first == segment.leaves_from;
            if !follows || head.is_some_and(|head| head != archive.chain) {
                return Err(broken(archive.first));
            }
            found = true;
            let mut running = archive.chain;
            reader.walk_archive(number, &mut |position, leaves| {
                running = leaves.iter().fold(running, |head, leaf| head.next(leaf));
                visit(position, leaves)
            })?;
            head = Some(running);
        }
        head.filter(|_| found).ok_or_else(|| broken(segment.leaves_from))
    }
}

/// Follows the chain over an entry, and shows its leaves.
fn follow(head: &mut ChainHead, walked: &Walked, visit: VisitLeaves<'_>) -> Result<(), Fault> {
    let leaves = walked.entry.leaves();
    *head = leaves.iter().fold(*head, |head, leaf| head.next(leaf));
    let expected = walked.chain.or(leaves.is_empty().then_some(*head));
    if expected != Some(*head) {
        return Err(broken(walked.position));
    }
    visit(walked.position, leaves)
}

fn broken(position: Position) -> Fault {
    Fault::new(codes::W6013).because(format!("at entry {position} of the journal"))
}

fn rows(names: &Names, counts: &[Counts]) -> Vec<LedgerRow> {
    let rows = counts.iter().enumerate().filter_map(|(slot, counts)| {
        let (channel, destination) = names.name(QueueId(u32::try_from(slot).ok()?))?;
        Some(ledger_row(channel, destination, counts))
    });
    rows.filter(|row| row.committed > 0).collect()
}
