//! Pruning by whole segments under the keep rules.
//!
//! A segment goes when nothing in it is needed: every delivery of its messages has ended
//! and is past its keep, and every outcome in it is about a message that goes with it or
//! went before. Waiting and held deliveries keep their segment for ever. Consents and
//! settings that are still current are appended again first. What remains is a small file
//! with the ledger totals and the audit chain's head, so that ledger, chain and positions
//! stay whole, and an archive of the audit leaves, which stay for `[audit] keep`. What goes
//! earlier, within a segment that stays, is content (`content`).

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::index::row::{ConsentRow, Head, Row};
use super::index::{CARRIED, Index, decode, keys, read_setting};
use super::journal::{Archive, Header, Removed, SegmentInfo, Walked, file_path, replace};
use super::open::queues_of;
use super::shared::Shared;
use super::{IndexHome, Position, RestKeys, Store};
use crate::base::{ChannelName, DestinationName, Timestamp};
use crate::fault::{Fault, codes};
use crate::message::{ActionRecord, Entry, State};

type Totals = HashMap<(ChannelName, DestinationName), [u64; 8]>;

/// A segment that may go, and what must be done first.
struct Candidate {
    segment: Arc<SegmentInfo>,
    last: Position,
    heads: Vec<(Position, Arc<Head>)>,
    /// Consents and settings to append again.
    carry: Vec<Entry>,
    /// Consents in it: id and offset.
    consents: Vec<(Arc<str>, u32)>,
    leaves: Archive,
}

impl Store {
    /// Removes segments that the keep rules allow; how many.
    ///
    /// Deliveries that ended well stay `keep_delivered`, dead ones `keep_dead`, both from
    /// when they ended; waiting and held ones are never removed. Ledger totals stay.
    ///
    /// # Errors
    /// `W6009`, `W6010`, and those of `commit` for what is appended again.
    pub async fn prune(&self, now: Timestamp) -> Result<u64, Fault> {
        let _alone = self.read().pruning.lock().await;
        let mut removed = 0;
        let Some(files) = self.read().journal.segment_files() else { return Ok(0) };
        let all = files.segments().all();
        for pair in all.windows(2) {
            let [segment, next] = pair else { continue };
            if segment.removed.is_some() {
                continue;
            }
            let least = self.read().plan.keep_delivered.min(self.read().plan.keep_dead);
            if next.created.after(least) > now {
                break;
            }
            let (segment, next) = (segment.clone(), next.clone());
            let found = self.off_thread(move |shared| candidate(shared, &segment, &next, now));
            let Some(mut candidate) = found.await? else { continue };
            for entry in std::mem::take(&mut candidate.carry) {
                self.commit(entry).await?;
            }
            let gone = self.off_thread(move |shared| remove(shared, candidate, now)).await?;
            removed += u64::from(gone);
        }
        self.off_thread(move |shared| expire_leaves(shared, now)).await?;
        if removed > 0 {
            self.read().flush_wanted.store(true, Ordering::Release);
        }
        Ok(removed)
    }

    /// Runs blocking work beside the tasks, where there are threads.
    pub(super) async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let shared = self.0.shared.clone();
        if shared.plan.index == IndexHome::Memory {
            return work(&shared);
        }
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|_| Err(Fault::new(codes::W9002).because("pruning ended early")))
    }
}

/// Whether all deliveries of a message have ended and are past their keep.
fn is_over(shared: &Shared, row: &Row, now: Timestamp) -> Result<bool, Fault> {
    let plan = &shared.plan;
    if row.deliveries.is_empty() {
        let over = row.received.after(plan.keep_delivered) <= now;
        return Ok(over && !shared.is_unprocessed(row)?);
    }
    Ok(row.deliveries.iter().all(|delivery| {
        let keep = match delivery.state {
            State::Waiting | State::Held => return false,
            State::Dead => plan.keep_dead,
            State::Delivered | State::Filtered | State::Denied | State::Skipped => {
                plan.keep_delivered
            }
        };
        delivery.changed.after(keep) <= now
    }))
}

/// Reads a segment; none when something in it is still needed.
fn candidate(
    shared: &Shared,
    segment: &Arc<SegmentInfo>,
    next: &SegmentInfo,
    now: Timestamp,
) -> Result<Option<Candidate>, Fault> {
    let last = next.first.saturating_sub(1);
    let mut found = Candidate {
        segment: segment.clone(),
        last,
        heads: Vec::new(),
        carry: Vec::new(),
        consents: Vec::new(),
        leaves: shared.files()?.begin_archive(&shared.ports, segment, next.created)?,
    };
    if is_blocked(shared, segment.number, now)? {
        return Ok(None);
    }
    let mut needed = false;
    shared.files()?.walk_segment(segment, last, segment.first, &mut |walked| {
        // The rest is read for nothing then, but a walk has no early end.
        if !needed {
            needed = !goes(shared, &mut found, walked, now)?;
        }
        Ok(())
    })?;
    Ok((!needed).then_some(found))
}

fn goes(
    shared: &Shared,
    found: &mut Candidate,
    mut walked: Walked,
    now: Timestamp,
) -> Result<bool, Fault> {
    found.leaves.add(walked.position, walked.entry.take_leaves())?;
    match walked.entry {
        Entry::Message(record) => {
            let head = Arc::new(Head::new(&record, &queues_of(&record, &shared.names)));
            found.heads.push((walked.position, head));
            let row = shared.caught_up()?.row(walked.position)?;
            let goes = row.map_or(Ok(true), |row| is_over(shared, &row, now))?;
            if !goes {
                block(shared, found, Blocker::NotOver(walked.position));
            }
            Ok(goes)
        }
        Entry::Outcome(record) => {
            let about = shared.caught_up()?.position_of(record.message)?;
            let own = found.segment.first..=found.last;
            match about.filter(|position| !own.contains(position)) {
                Some(position) => {
                    block(shared, found, Blocker::Stays(position));
                    Ok(false)
                }
                None => Ok(true),
            }
        }
        Entry::Consent(record) => {
            if is_current(shared, &record.id, walked.location.segment, walked.location.offset)? {
                found.consents.push((record.id.clone(), walked.location.offset));
                found.carry.push(Entry::Consent(record));
            }
            Ok(true)
        }
        Entry::Records(record) => {
            // Versions stay for ever, so they are appended again; not those that were before.
            if super::records::is_current(shared, &record, walked.location)? {
                found.carry.push(Entry::Records(record));
            }
            Ok(true)
        }
        Entry::Action(record) => {
            let mut settings = Vec::new();
            for (name, value) in record.settings {
                let current = shared.kv.read(&keys::setting(&name))?;
                let current = current.as_deref().and_then(read_setting);
                // Empty values stay as well: they hide older ones appended again. Ended marks
                // of a message go with it.
                let is_current = current.is_some_and(|(position, _)| position == walked.position);
                if is_current && !(value.is_empty() && ends_here(shared, found, &name)?) {
                    settings.push((name, value));
                }
            }
            if !settings.is_empty() {
                settings.push((CARRIED.into(), found.last.to_string().into()));
                let record = ActionRecord { at: record.at, settings, leaves: Vec::new() };
                found.carry.push(Entry::Action(Box::new(record)));
            }
            Ok(true)
        }
    }
}

/// A message that keeps a segment, by its position.
#[derive(Clone, Copy, Debug)]
pub enum Blocker {
    /// One in the segment, until it is past its keep.
    NotOver(Position),
    /// One elsewhere with an outcome in the segment, until it is gone.
    Stays(Position),
}

fn block(shared: &Shared, found: &Candidate, blocker: Blocker) {
    let mut known = shared.blockers.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(found.segment.number, blocker);
}

/// Whether what kept a segment when it was last read keeps it still: one dead letter keeps
/// its segment for months, and reading it costs more than asking after the letter.
fn is_blocked(shared: &Shared, segment: u32, now: Timestamp) -> Result<bool, Fault> {
    let index = shared.caught_up()?;
    let known = shared.blockers.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(blocker) = known.get(&segment).copied() else { return Ok(false) };
    drop(known);
    Ok(match blocker {
        Blocker::NotOver(position) => {
            let row = index.row(position)?;
            drop(index);
            row.map_or(Ok(false), |row| is_over(shared, &row, now).map(|over| !over))?
        }
        Blocker::Stays(position) => index.row(position)?.is_some(),
    })
}

/// Whether a setting marks a message that goes with this segment or went before.
fn ends_here(shared: &Shared, found: &Candidate, name: &str) -> Result<bool, Fault> {
    let Some(message) = keys::marked_message(name) else { return Ok(false) };
    let position = shared.caught_up()?.position_of(message)?;
    let own = found.segment.first..=found.last;
    Ok(position.is_none_or(|position| own.contains(&position)))
}

fn is_current(shared: &Shared, id: &str, segment: u32, offset: u32) -> Result<bool, Fault> {
    let Some(value) = shared.kv.read(&keys::consent(id))? else { return Ok(false) };
    let row: ConsentRow = decode(&value)?;
    Ok(row.at.segment == segment && row.at.offset == offset)
}

/// Removes a segment, unless something changed since it was read. The index is locked
/// meanwhile, so that nobody sends one of its messages again.
fn remove(shared: &Shared, candidate: Candidate, now: Timestamp) -> Result<bool, Fault> {
    let failed = |e: std::io::Error| Fault::new(codes::W6002).caused_by(e);
    let mut index = shared.caught_up()?;
    let Some(totals) = totals(shared, &index, &candidate, now)? else { return Ok(false) };
    for (id, offset) in &candidate.consents {
        if is_current(shared, id, candidate.segment.number, *offset)? {
            return Ok(false);
        }
    }
    let all = shared.files()?.segments().all();
    let number = candidate.segment.number;
    let at = all.iter().position(|s| s.number == number);
    let next = at.and_then(|at| all.get(at + 1));
    let Some(next) = next else { return Ok(false) };
    let before = at.and_then(|at| at.checked_sub(1)).and_then(|at| all.get(at));
    let before = before.filter(|before| before.removed.is_some());
    let merged = merge(totals, before.and_then(|b| b.removed.as_ref()));
    let header = Header {
        number,
        first: before.map_or(candidate.segment.first, |b| b.first),
        created: candidate.segment.created,
        salt: [0; 32],
        chain: before.map_or(candidate.segment.chain, |b| b.chain),
        key: String::new(),
        removed: Some(Removed { last: candidate.last, chain: next.chain.0, totals: merged }),
        leaves_from: before
            .map(|b| b.leaves_from)
            .filter(|from| *from > 0)
            .unwrap_or(candidate.segment.first),
        lean: None,
    };
    let files = &*shared.ports.files;
    let directory = shared.plan.directory.join("journal");
    // Before the segment goes; without it, the archive is written again.
    candidate.leaves.finish(files, &directory)?;
    put_removed(shared, &header)?;
    if let Some(before) = before {
        files.remove(&file_path(&directory, before.number)).map_err(failed)?;
    }
    index.forget(&candidate.heads, number)?;
    Ok(true)
}

/// Writes what is left of a removed segment.
fn put_removed(shared: &Shared, header: &Header) -> Result<(), Fault> {
    let directory = shared.plan.directory.join("journal");
    let bytes = header.write();
    let path = file_path(&directory, header.number);
    let _alone = shared.files()?.exchanging();
    replace(&*shared.ports.files, &directory.join("removed.tmp"), &path, &bytes)
        .map_err(|e| Fault::new(codes::W6002).caused_by(e))?;
    let info = SegmentInfo::from_header(header, &RestKeys::default(), bytes.len() as u64)?;
    shared.files()?.segments().replace(info);
    shared.files()?.forget(header.number);
    Ok(())
}

/// Removes archives of leaves that are past `keep_audit`, oldest first.
fn expire_leaves(shared: &Shared, now: Timestamp) -> Result<(), Fault> {
    let archives = shared.files()?.archives()?;
    let mut before = 0;
    for segment in shared.files()?.segments().all() {
        let own = before + 1..=segment.number;
        before = segment.number;
        if segment.removed.is_none() || segment.leaves_from == 0 {
            continue;
        }
        let (mut over, mut leaves_from) = (Vec::new(), 0);
        for number in archives.iter().copied().filter(|number| own.contains(number)) {
            let archive = shared.files()?.archive(number)?;
            let left = archive.first < segment.leaves_from;
            if !left && archive.ended.after(shared.plan.keep_audit) > now {
                leaves_from = archive.first;
                break;
            }
            over.push(number);
        }
        if leaves_from != segment.leaves_from {
            // First what says where they begin: a missing one would be a broken chain.
            let _index = shared.index();
            put_removed(shared, &Header { leaves_from, ..segment.header() })?;
        }
        for number in over {
            shared.files()?.remove_archive(number)?;
        }
    }
    Ok(())
}

/// What the ledger keeps of a segment; none when something in it is needed after all.
fn totals(
    shared: &Shared,
    index: &Index,
    candidate: &Candidate,
    now: Timestamp,
) -> Result<Option<Totals>, Fault> {
    let mut totals = Totals::new();
    for (position, _) in &candidate.heads {
        let Some(row) = index.row(*position)? else { continue };
        let touched = {
            let live = shared.live();
            row.deliveries.iter().any(|d| live.fresh.contains_key(&(row.id, d.queue)))
        };
        if touched || !is_over(shared, &row, now)? {
            return Ok(None);
        }
        for delivery in &row.deliveries {
            let Some(name) = shared.names.name(delivery.queue) else { continue };
            let [committed, states @ ..] = totals.entry(name).or_default();
            *committed += 1;
            if let Some(count) = states.get_mut(delivery.state as usize) {
                *count += 1;
            }
        }
    }
    Ok(Some(totals))
}

fn merge(
    mut totals: Totals,
    before: Option<&Removed>,
) -> Vec<(ChannelName, DestinationName, [u64; 8])> {
    for (channel, destination, more) in before.iter().flat_map(|removed| &removed.totals) {
        let counts = totals.entry((channel.clone(), destination.clone())).or_default();
        for (count, more) in counts.iter_mut().zip(more) {
            *count += more;
        }
    }
    let mut list: Vec<_> =
        totals.into_iter().map(|((channel, dest), counts)| (channel, dest, counts)).collect();
    list.sort();
    list
}
