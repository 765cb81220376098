//! Removing the content of messages by age: `keep.content`.
//!
//! Of a message whose deliveries all ended well, `keep_content` ago or longer, the bodies
//! go: the original, what was made of it, and what it was sent again with. Everything else
//! stays until `keep_delivered` is over: fates, decisions, receipts, faults, trail, audit
//! leaves, and what index and ledger count. What waits, is held or is dead keeps its content,
//! since a person or the courier still needs it.
//!
//! A segment in which such messages lie is written anew without it ([`LeanSegment`]) and put
//! in the place of the old one by a rename, so that either is there whenever the machine
//! goes down; neither index nor queues notice.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::index::row::Row;
use super::index::{Index, Order, decode, keys};
use super::journal::{LeanSegment, SegmentInfo, Walked};
use super::shared::Shared;
use super::{Position, Store};
use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;
use crate::message::{Body, Entry, Fate, Outcome, State};

/// Takes the row of a message with its position, and says whether to go on.
type VisitRow<'a> = &'a mut dyn FnMut(Position, &Row) -> Result<ControlFlow<()>, Fault>;

/// Rows read from the index at once.
const STRIDE: usize = 1024;

/// A segment written anew, not yet in its place.
struct Made {
    lean: LeanSegment,
    segment: Arc<SegmentInfo>,
    last: Position,
    /// Messages in it whose content went.
    messages: BTreeSet<Position>,
    /// Messages, here or elsewhere, of which a body that a replay made went.
    replayed: BTreeSet<MessageId>,
}

impl Store {
    /// Removes the content of messages that ended well and are past `keep_content`; of how
    /// many. What is known of them otherwise stays.
    ///
    /// # Errors
    /// `W6002` when the disk refuses; `W6003`, `W6007`, `W6009`, `W6010`.
    pub async fn remove_content(&self, now: Timestamp) -> Result<u64, Fault> {
        let _alone = self.read().pruning.lock().await;
        let mut messages = 0;
        let Some(files) = self.read().journal.segment_files() else { return Ok(0) };
        let all = files.segments().all();
        for pair in all.windows(2) {
            let [segment, next] = pair else { continue };
            if segment.removed.is_some() || segment.lean.is_some_and(|lean| lean.left == 0) {
                continue;
            }
            if next.created.after(self.read().plan.keep_content) > now {
                break;
            }
            let (segment, last) = (segment.clone(), next.first.saturating_sub(1));
            messages += self.off_thread(move |shared| strip(shared, segment, last, now)).await?;
        }
        Ok(messages)
    }
}

/// Writes a segment anew without the content whose time is over; of how many messages.
fn strip(
    shared: &Shared,
    segment: Arc<SegmentInfo>,
    last: Position,
    now: Timestamp,
) -> Result<u64, Fault> {
    drop(shared.caught_up()?);
    if !worth_it(shared, &segment, last, now)? {
        return Ok(0);
    }
    let lean = shared.files()?.begin_lean(&shared.ports, &segment)?;
    let (messages, replayed) = (BTreeSet::new(), BTreeSet::new());
    let mut made = Made { lean, segment: segment.clone(), last, messages, replayed };
    shared.files()?.walk_segment(&segment, last, segment.first, &mut |mut walked| {
        let holds = made.lighten(shared, &mut walked, now)?;
        made.lean.add(&walked, holds)
    })?;
    put(shared, made, now)
}

/// Whether something in a segment may go: writing it anew for nothing, every few minutes,
/// would wear the disk.
fn worth_it(
    shared: &Shared,
    segment: &SegmentInfo,
    last: Position,
    now: Timestamp,
) -> Result<bool, Fault> {
    if segment.lean.is_some() {
        for at in shared.files()?.left(segment.number)? {
            let over = match shared.journal.read(at)? {
                Entry::Message(record) => is_over_by_id(shared, record.id, now)?,
                Entry::Outcome(record) => is_over_by_id(shared, record.message, now)?,
                Entry::Consent(_) | Entry::Action(_) | Entry::Records(_) => false,
            };
            if over {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    // Bodies of replays alone, without a message, are rare: such a segment is written anew
    // once, and then knows what is left in it.
    let (mut any, mut over) = (false, false);
    rows(shared, segment.first, last, &mut |_, row| {
        any = true;
        over = is_over(shared, row, now)?;
        Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(over || !any)
}

/// Visits the rows of messages from `first` to `last`, both included.
fn rows(
    shared: &Shared,
    mut first: Position,
    last: Position,
    visit: VisitRow<'_>,
) -> Result<(), Fault> {
    while first <= last {
        let mut found: Vec<(Position, Row)> = Vec::new();
        let from = Bound::Included(keys::message(first));
        let to = Bound::Included(keys::message(last));
        shared.kv.walk(from, to, Order::Up, &mut |key, value| {
            found.push((keys::last_number(key), decode(value)?));
            let full = found.len() >= STRIDE;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let full = found.len() >= STRIDE;
        for (position, row) in found {
            first = position + 1;
            if visit(position, &row)?.is_break() {
                return Ok(());
            }
        }
        if !full {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether nothing of a message waits for anybody and its content is past its time.
fn is_over(shared: &Shared, row: &Row, now: Timestamp) -> Result<bool, Fault> {
    let keep = shared.plan.keep_content;
    if row.deliveries.is_empty() {
        return Ok(row.received.after(keep) <= now && !shared.is_unprocessed(row)?);
    }
    Ok(row.deliveries.iter().all(|delivery| match delivery.state {
        State::Waiting | State::Held | State::Dead => false,
        State::Delivered | State::Filtered | State::Denied | State::Skipped => {
            delivery.changed.after(keep) <= now
        }
    }))
}

/// The same, of a message by its id; one that is no more is over.
fn is_over_by_id(shared: &Shared, id: MessageId, now: Timestamp) -> Result<bool, Fault> {
    let index = shared.index();
    let Some(position) = index.position_of(id)? else { return Ok(true) };
    index.row(position)?.map_or(Ok(true), |row| is_over(shared, &row, now))
}

impl Made {
    /// Takes content that is over out of an entry; whether some is left in it.
    fn lighten(
        &mut self,
        shared: &Shared,
        walked: &mut Walked,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        match &mut walked.entry {
            Entry::Message(record) => {
                let mut bodies = vec![&mut record.original];
                bodies.extend(record.owed.iter_mut().filter_map(|owed| match &mut owed.fate {
                    Fate::Deliver(body) => Some(body),
                    Fate::Filtered(_) | Fate::Denied(_) | Fate::Held(_) | Fate::Dead(_) => None,
                }));
                if bodies.iter().all(|body| body.is_removed()) {
                    return Ok(false);
                }
                if !is_over_by_id(shared, record.id, now)? {
                    return Ok(true);
                }
                bodies.into_iter().for_each(|body| *body = Body::REMOVED);
                self.messages.insert(walked.position);
                Ok(false)
            }
            Entry::Outcome(record) => {
                let Outcome::Requeued { body: Some(body), .. } = &mut record.outcome else {
                    return Ok(false);
                };
                if body.is_removed() {
                    return Ok(false);
                }
                if !is_over_by_id(shared, record.message, now)? {
                    return Ok(true);
                }
                *body = Body::REMOVED;
                self.replayed.insert(record.message);
                Ok(false)
            }
            // Versions of resources are no content of messages: they stay.
            Entry::Consent(_) | Entry::Action(_) | Entry::Records(_) => Ok(false),
        }
    }

    /// Whether all whose content went are over still: somebody may have sent one again since
    /// it was looked at.
    fn still(&self, shared: &Shared, index: &Index, now: Timestamp) -> Result<bool, Fault> {
        let touched = |row: &Row| {
            let live = shared.live();
            row.deliveries.iter().any(|d| live.fresh.contains_key(&(row.id, d.queue)))
        };
        let mut still = true;
        rows(shared, self.segment.first, self.last, &mut |position, row| {
            if self.messages.contains(&position) {
                still = !touched(row) && is_over(shared, row, now)?;
            }
            Ok(if still { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        for id in &self.replayed {
            let Some(position) = index.position_of(*id)? else { continue };
            let Some(row) = index.row(position)? else { continue };
            still = still && !touched(&row) && is_over(shared, &row, now)?;
        }
        Ok(still)
    }
}

/// Puts a segment written anew in its place, unless something changed meanwhile; then the
/// next look does it. The index is locked, so that nobody sends one of its messages again.
fn put(shared: &Shared, made: Made, now: Timestamp) -> Result<u64, Fault> {
    let index = shared.caught_up()?;
    if !made.still(shared, &index, now)? {
        return Ok(0);
    }
    let gone = made.messages.len() as u64;
    shared.files()?.exchange(made.lean)?;
    Ok(gone)
}
