//! The map on disk: sled below, and over it what was changed lately.
//!
//! Rows of an index are scattered, and each that comes alone costs sled a page. So changes
//! gather in memory and are merged into the leaves together, on a thread of its own. A read
//! asks the newest first: what gathers, what is being merged, then sled.
//!
//! Only the merge writes. It leaves the changes in a file first, so that a process that ends
//! in the midst of it is made up for at the next start; without that file sled holds what it
//! held after the merge before. Changes that were only gathered are lost with the process:
//! the journal has them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use super::kv::{Changes, Order, Visit};
use super::leaf::{self, Leaf};
use super::redo;
use crate::fault::{Fault, codes};

/// Memory sled may take for its cache: the working set is the right edge of a few trees.
const CACHE_BYTES: u64 = 32 << 20;

/// How often sled flushes by itself. Nothing waits for it: the journal is the truth.
const FLUSH_MILLIS: u64 = 1000;

/// Bytes that gather before they are merged. The more, the more rows share the write of a
/// leaf; twice as much is in memory while a merge runs.
const GATHERED_BYTES: usize = 8 << 20;

/// How many times as much gathers while a merge does not end; then who brings more waits.
const GATHERED_TIMES: usize = 4;

/// Changes that are taken after a failed merge before the next attempt: a full disk is not
/// written to again by each of them.
const RESTS: u32 = 256;

/// What a row costs in memory beside its bytes.
const ROW_BYTES: usize = 96;

/// Leaves written at once: reads wait for one batch of sled at most.
const LEAVES_AT_ONCE: usize = 128;

/// Changed rows that one step of a walk copies; it begins with the fewest, since many walks
/// look at one row.
const COPIED_LEAST: usize = 16;
const COPIED_MOST: usize = 512;

/// First byte of a leaf's key in sled.
const LEAF: u8 = b'L';

/// The map on disk.
pub struct Tree {
    /// None once closed: sled lets go of its files when its last handle goes, and handles
    /// of a closed store live on.
    db: RwLock<Option<sled::Db>>,
    recent: Arc<RwLock<Recent>>,
    merging: Mutex<Merging>,
    /// File with the changes that are being merged.
    redo: PathBuf,
    /// Bytes that gather.
    most: usize,
}

type Work = JoinHandle<Result<(), Fault>>;

/// The merge under way. Who holds its lock begins merges.
#[derive(Default)]
struct Merging {
    work: Option<Work>,
    /// Why the last one failed, and how many changes are taken before the next attempt.
    failed: Option<(Fault, u32)>,
    closed: bool,
}

impl Merging {
    /// Waits for the merge under way.
    fn end(&mut self) -> Result<(), Fault> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let panicked = |_| Err(Fault::new(codes::W6009).because("sled panicked"));
        let ended = work.join().unwrap_or_else(panicked);
        self.failed = ended.as_ref().err().map(|fault| (fault.clone(), RESTS));
        ended
    }
}

/// Changes that sled may not have.
#[derive(Default)]
struct Recent {
    gathering: Changes,
    bytes: usize,
    merging: Option<Arc<Changes>>,
}

impl Recent {
    fn insert(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let size = value.as_ref().map_or(0, Vec::len);
        let cost = key.len() + ROW_BYTES;
        match self.gathering.insert(key, value) {
            Some(old) => self.bytes -= old.map_or(0, |old| old.len()).min(self.bytes),
            None => self.bytes += cost,
        }
        self.bytes += size;
    }

    /// The newest change of a key: its value, or that it was removed.
    fn find(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let merging = || self.merging.as_ref().and_then(|merging| merging.get(key));
        self.gathering.get(key).or_else(merging)
    }
}

type Key = Bound<Vec<u8>>;
type Row = (Vec<u8>, Option<Vec<u8>>);

fn failed(error: sled::Error) -> Fault {
    Fault::new(codes::W6009).because(error.to_string())
}

impl Tree {
    /// Opens sled in a directory and ends a merge that was under way there.
    ///
    /// # Errors
    /// `W6009`, also where sled panics, as over some damaged files.
    pub fn open(directory: &Path) -> Result<Self, Fault> {
        Self::open_with(directory, GATHERED_BYTES)
    }

    fn open_with(directory: &Path, most: usize) -> Result<Self, Fault> {
        let config = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(FLUSH_MILLIS))
            .mode(sled::Mode::HighThroughput);
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()));
        let panicked = |_| Fault::new(codes::W6009).because("sled panicked while opening");
        let db = opened.map_err(panicked)?.map_err(failed)?;
        let redo = directory.join(redo::FILE);
        if let Some(changes) = redo::read(&redo)? {
            write(&db, &changes, &redo)?;
        }
        let (recent, merging) = Default::default();
        Ok(Self { db: RwLock::new(Some(db)), recent, merging, redo, most })
    }

    /// Lets go of the files, as soon as reads under way are done. What was not flushed is
    /// lost.
    pub fn close(&self) {
        let mut merging = self.merging();
        merging.closed = true;
        // What failed is in the journal.
        let _ = merging.end();
        self.db.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn merging(&self) -> std::sync::MutexGuard<'_, Merging> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle of an open one. A copy, so that no lock is held while a visitor reads more.
    fn db(&self) -> Result<sled::Db, Fault> {
        let open = self.db.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| Fault::new(codes::W6011))
    }

    fn recent(&self) -> std::sync::RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let db = self.db()?;
        if let Some(changed) = self.recent().find(key) {
            return Ok(changed.clone());
        }
        let Some((_, bytes)) = leaf_of(&db, key)? else { return Ok(None) };
        Ok(Leaf::new(&bytes).find(key).map(<[u8]>::to_vec))
    }

    pub fn has(&self, key: &[u8]) -> Result<bool, Fault> {
        let db = self.db()?;
        if let Some(changed) = self.recent().find(key) {
            return Ok(changed.is_some());
        }
        let found = leaf_of(&db, key)?;
        Ok(found.is_some_and(|(_, bytes)| Leaf::new(&bytes).find(key).is_some()))
    }

    /// Takes changes. When enough gathered, a merge begins; nobody waits for one unless it
    /// falls far behind.
    ///
    /// # Errors
    /// `W6009` when merges fail and no more can gather; nothing of `changes` is taken then.
    pub fn apply(&self, changes: Changes) -> Result<(), Fault> {
        let gathered = self.recent().bytes;
        if gathered >= self.most * GATHERED_TIMES {
            self.make_room()?;
        } else if gathered >= self.most {
            self.tend();
        }
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        if db.is_none() {
            return Err(Fault::new(codes::W6011));
        }
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            recent.insert(key, value);
        }
        Ok(())
    }

    /// Begins a merge unless one is under way or one failed just now.
    fn tend(&self) {
        // Somebody waits for a merge: that one serves.
        let Ok(mut merging) = self.merging.try_lock() else { return };
        if merging.work.as_ref().is_some_and(|work| !work.is_finished()) {
            return;
        }
        if let Some((_, rests)) = &mut merging.failed
            && *rests > 0
        {
            *rests -= 1;
            return;
        }
        // A failure is kept there, for who has to wait.
        if merging.end().is_ok() {
            let begun = self.begin(&mut merging);
            merging.failed = begun.err().map(|fault| (fault, RESTS));
        }
    }

    /// Waits until what gathered is being merged.
    fn make_room(&self) -> Result<(), Fault> {
        let mut merging = self.merging();
        if let Some((fault, rests)) = &mut merging.failed
            && *rests > 0
        {
            *rests -= 1;
            return Err(fault.clone());
        }
        merging.end()?;
        if self.begin(&mut merging)? {
            // One that failed before, and what gathered since.
            merging.end()?;
            self.begin(&mut merging)?;
        }
        Ok(())
    }

    /// Writes everything to disk.
    ///
    /// # Errors
    /// `W6009`; `W6011` when it was closed.
    pub fn flush(&self) -> Result<(), Fault> {
        let mut merging = self.merging();
        // What fails now is tried again, and says so itself then.
        let _ = merging.end();
        if self.begin(&mut merging)? {
            merging.end()?;
            self.begin(&mut merging)?;
        }
        merging.end()?;
        drop(merging);
        self.db()?.flush().map(|_| ()).map_err(failed)
    }

    /// Begins a merge of what gathered, or of what one before left; whether it was the latter.
    fn begin(&self, merging: &mut Merging) -> Result<bool, Fault> {
        if merging.closed {
            return Err(Fault::new(codes::W6011));
        }
        let db = self.db()?;
        let (changes, left) = {
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            match recent.merging.clone() {
                Some(left) => (left, true),
                None if recent.gathering.is_empty() => return Ok(false),
                None => {
                    let gathered = Arc::new(std::mem::take(&mut recent.gathering));
                    recent.bytes = 0;
                    recent.merging = Some(gathered.clone());
                    (gathered, false)
                }
            }
        };
        merging.failed = None;
        merging.work = Some(self.spawn(db, changes)?);
        Ok(left)
    }

    fn spawn(&self, db: sled::Db, changes: Arc<Changes>) -> Result<Work, Fault> {
        let (recent, redo) = (self.recent.clone(), self.redo.clone());
        let work = move || {
            redo::write(&redo, &changes)?;
            write(&db, &changes, &redo)?;
            drop(changes);
            let mut recent = recent.write().unwrap_or_else(PoisonError::into_inner);
            let merged = recent.merging.take();
            drop(recent);
            drop(merged);
            Ok(())
        };
        let thread = std::thread::Builder::new().name("weir-merge".into());
        thread.spawn(work).map_err(|error| Fault::new(codes::W6009).caused_by(error))
    }

    /// Visits keys of a range in order until the visitor breaks. No lock is held meanwhile;
    /// a row changed during the walk is shown as it was or as it is.
    pub fn walk(&self, from: Key, to: Key, order: Order, visit: Visit<'_>) -> Result<(), Fault> {
        match order {
            Order::Up => self.walk_up(from, &to, visit),
            Order::Down => self.walk_down(&from, to, visit),
        }
    }

    fn walk_up(&self, mut from: Key, to: &Key, visit: Visit<'_>) -> Result<(), Fault> {
        let db = self.db()?;
        let mut most = COPIED_LEAST;
        while !is_empty(&from, to) {
            // Before the leaf: what a merge takes from the one is in the other then.
            let copied = self.recent().up(&from, to, most);
            let cut = copied.last().filter(|_| copied.len() == most).map(|(key, _)| key.clone());
            let start = key_of(&from).unwrap_or_default();
            let covering = leaf_of(&db, start)?;
            let behind = covering.as_ref().map_or_else(|| leaf_key(start), |(n, _)| n.to_vec());
            let behind = (Bound::Excluded(behind), Bound::Unbounded);
            let next = match &covering {
                Some(_) => db.range::<Vec<u8>, _>(behind).next(),
                None => db.iter().next(),
            };
            let next = next.transpose().map_err(failed)?;
            let end = next.as_ref().and_then(|(name, _)| name.get(1..));
            if end.is_some_and(|end| end <= start) {
                // A merge divided the leaf between the two looks: another covers it now.
                continue;
            }
            let bytes = covering.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let mut rows = Merged::new(bytes, copied.iter().peekable());
            while let Some((key, value)) = rows.next() {
                let past = end.is_some_and(|end| key >= end)
                    || cut.as_deref().is_some_and(|cut| key > cut);
                if past {
                    break;
                }
                if let Some(value) = value
                    && is_in(key, &from, to)
                    && visit(key, value)?.is_break()
                {
                    return Ok(());
                }
            }
            from = match (cut, end) {
                (Some(cut), Some(end)) if cut.as_slice() >= end => Bound::Included(end.to_vec()),
                (Some(cut), _) => Bound::Excluded(cut),
                (None, Some(end)) => Bound::Included(end.to_vec()),
                (None, None) => return Ok(()),
            };
            most = (most * 2).min(COPIED_MOST);
        }
        Ok(())
    }

    fn walk_down(&self, from: &Key, mut to: Key, visit: Visit<'_>) -> Result<(), Fault> {
        let db = self.db()?;
        let mut most = COPIED_LEAST;
        while !is_empty(from, &to) {
            let copied = self.recent().down(from, &to, most);
            let cut = copied.first().filter(|_| copied.len() == most).map(|(key, _)| key.clone());
            let covering = match &to {
                Bound::Included(key) => db.range(..=leaf_key(key)).next_back(),
                Bound::Excluded(key) => db.range(..leaf_key(key)).next_back(),
                Bound::Unbounded => db.iter().next_back(),
            };
            let covering = covering.transpose().map_err(failed)?;
            // The first leaf has an empty name; below it there is nothing.
            let begin = covering.as_ref().and_then(|(name, _)| name.get(1..));
            let begin = begin.filter(|begin| !begin.is_empty());
            let bytes = covering.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let mut merged = Merged::new(bytes, copied.iter().peekable());
            let (mut keys, mut rows) = (Vec::new(), Vec::new());
            while let Some((key, value)) = merged.next() {
                let before = begin.is_some_and(|begin| key < begin)
                    || cut.as_deref().is_some_and(|cut| key < cut);
                if let Some(value) = value
                    && !before
                    && is_in(key, from, &to)
                {
                    let at = keys.len();
                    keys.extend_from_slice(key);
                    rows.push((at..keys.len(), value));
                }
            }
            for (at, value) in rows.into_iter().rev() {
                if visit(keys.get(at).unwrap_or_default(), value)?.is_break() {
                    return Ok(());
                }
            }
            to = match (cut, begin) {
                (Some(cut), Some(begin)) if cut.as_slice() < begin => {
                    Bound::Excluded(begin.to_vec())
                }
                (Some(cut), _) => Bound::Excluded(cut),
                (None, Some(begin)) => Bound::Excluded(begin.to_vec()),
                (None, None) => return Ok(()),
            };
            most = (most * 2).min(COPIED_MOST);
        }
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The files must be free for who opens them next.
        self.close();
    }
}

impl Recent {
    /// Changes of a range from its beginning on, in order.
    fn up(&self, from: &Key, to: &Key, most: usize) -> Vec<Row> {
        let range = (from.as_ref(), to.as_ref());
        let mut newer = self.gathering.range::<Vec<u8>, _>(range).peekable();
        let older = self.merging.as_ref().map(|merging| merging.range::<Vec<u8>, _>(range));
        let mut older = older.into_iter().flatten().peekable();
        let next = || first_of(&mut newer, &mut older, std::cmp::Ordering::Less);
        std::iter::from_fn(next).take(most).collect()
    }

    /// Changes of a range up to its end, in order.
    fn down(&self, from: &Key, to: &Key, most: usize) -> Vec<Row> {
        let range = (from.as_ref(), to.as_ref());
        let mut newer = self.gathering.range::<Vec<u8>, _>(range).rev().peekable();
        let older = self.merging.as_ref().map(|merging| merging.range::<Vec<u8>, _>(range).rev());
        let mut older = older.into_iter().flatten().peekable();
        let next = || first_of(&mut newer, &mut older, std::cmp::Ordering::Greater);
        let mut rows: Vec<Row> = std::iter::from_fn(next).take(most).collect();
        rows.reverse();
        rows
    }
}

/// The row that comes first of two; the newer of those with one key.
fn first_of<'a>(
    newer: &mut Peekable<impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>>,
    older: &mut Peekable<impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>>,
    first: std::cmp::Ordering,
) -> Option<Row> {
    let chosen = match (newer.peek(), older.peek()) {
        (Some((new, _)), Some((old, _))) => {
            let ordering = new.cmp(old);
            if ordering.is_eq() {
                older.next();
            }
            if ordering.is_eq() || ordering == first { newer.next() } else { older.next() }
        }
        (Some(_), None) => newer.next(),
        (None, _) => older.next(),
    };
    chosen.map(|(key, value)| (key.clone(), value.clone()))
}

/// Rows of a leaf with changes over them, in order; removed ones too, without a value.
struct Merged<'a> {
    leaf: Leaf<'a>,
    /// Value of the row whose key the leaf has.
    ours: Option<&'a [u8]>,
    /// Whether that row was given, so that the leaf goes on.
    given: bool,
    changes: Peekable<std::slice::Iter<'a, Row>>,
}

impl<'a> Merged<'a> {
    fn new(bytes: &'a [u8], changes: Peekable<std::slice::Iter<'a, Row>>) -> Self {
        Self { leaf: Leaf::new(bytes), ours: None, given: true, changes }
    }

    fn next(&mut self) -> Option<(&[u8], Option<&'a [u8]>)> {
        if self.given {
            self.ours = self.leaf.next();
            self.given = false;
        }
        let change = self.changes.peek();
        let ours_first = match (self.ours, change) {
            (None, None) => return None,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(_), Some((new, _))) => match self.leaf.key().cmp(new.as_slice()) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal => {
                    self.given = true;
                    false
                }
                std::cmp::Ordering::Greater => false,
            },
        };
        if ours_first {
            self.given = true;
            return Some((self.leaf.key(), self.ours));
        }
        let (key, value) = self.changes.next()?;
        Some((key, value.as_deref()))
    }
}

fn key_of(bound: &Key) -> Option<&[u8]> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

/// Whether nothing can be in a range, which maps refuse by a panic.
fn is_empty(from: &Key, to: &Key) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}

fn is_in(key: &[u8], from: &Key, to: &Key) -> bool {
    let after = match from {
        Bound::Included(from) => key >= from.as_slice(),
        Bound::Excluded(from) => key > from.as_slice(),
        Bound::Unbounded => true,
    };
    after
        && match to {
            Bound::Included(to) => key <= to.as_slice(),
            Bound::Excluded(to) => key < to.as_slice(),
            Bound::Unbounded => true,
        }
}

/// The key in sled of the leaf that begins with `key`; that of the first leaf is the mark
/// alone, so that each key has a leaf.
fn leaf_key(key: &[u8]) -> Vec<u8> {
    [&[LEAF], key].concat()
}

/// The leaf that covers a key.
fn leaf_of(db: &sled::Db, key: &[u8]) -> Result<Option<(sled::IVec, sled::IVec)>, Fault> {
    db.range(..=leaf_key(key)).next_back().transpose().map_err(failed)
}

/// Merges changes into the leaves, some at a time, and takes the file of them away when sled
/// has all on disk.
fn write(db: &sled::Db, changes: &Changes, redo: &Path) -> Result<(), Fault> {
    let mut changes = changes.iter().peekable();
    let mut batch = sled::Batch::default();
    let mut leaves_in = 0;
    while let Some((key, _)) = changes.peek() {
        let (name, old) = leaf_of(db, key)?.unwrap_or_else(|| ((&[LEAF]).into(), (&[]).into()));
        let behind = (Bound::Excluded(name.clone()), Bound::Unbounded);
        let next = db.range(behind).next().transpose().map_err(failed)?;
        let end = next.as_ref().and_then(|(next, _)| next.get(1..));
        let mut leaves = leaf::merge(&old, &mut changes, end).into_iter();
        match leaves.next() {
            // It keeps its name, even when its first key went.
            Some((_, bytes)) => batch.insert(name, bytes),
            None => batch.remove(name),
        }
        for (first, bytes) in leaves {
            batch.insert(leaf_key(&first), bytes);
            leaves_in += 1;
        }
        leaves_in += 1;
        if leaves_in >= LEAVES_AT_ONCE {
            db.apply_batch(std::mem::take(&mut batch)).map_err(failed)?;
            leaves_in = 0;
        }
    }
    db.apply_batch(batch).map_err(failed)?;
    db.flush().map_err(failed)?;
    redo::remove(redo)
}

/// Walks a map in memory as [`Tree::walk`] walks one on disk.
pub fn walk_map(
    map: &BTreeMap<Vec<u8>, Vec<u8>>,
    (from, to): (Key, Key),
    order: Order,
    visit: Visit<'_>,
) -> Result<(), Fault> {
    if is_empty(&from, &to) {
        return Ok(());
    }
    let mut range = map.range::<Vec<u8>, _>((from, to));
    while let Some((key, value)) = match order {
        Order::Up => range.next(),
        Order::Down => range.next_back(),
    } {
        if visit(key, value)? == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
