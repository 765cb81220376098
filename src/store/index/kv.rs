//! An ordered map of bytes: sled, in packed leaves, or memory for simulation.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::leaf::{self, Leaf};
use crate::fault::{Fault, codes};

/// Memory sled may take for its cache: the working set is the right edge of a few trees.
const CACHE_BYTES: u64 = 32 << 20;
/// How often sled flushes by itself. Nothing waits for it: the journal is the truth.
const FLUSH_MILLIS: u64 = 1000;

/// First byte of a leaf's key in sled.
const LEAF: u8 = b'L';

/// The map. Cheap to clone.
#[derive(Clone)]
pub enum Kv {
    /// None once closed: sled lets go of its files when its last handle goes, and handles
    /// of a closed store live on.
    Sled(Arc<RwLock<Option<sled::Db>>>),
    Memory(Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>),
}

/// Changes applied together: a value to put, or none to remove.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Takes a key and its value, and says whether to go on.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Fault>;

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Up,
    Down,
}

fn failed(error: sled::Error) -> Fault {
    Fault::new(codes::W6009).because(error.to_string())
}

impl Kv {
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Opens sled in a directory; a panic of sled, as over some damaged files, is an error
    /// like any other.
    ///
    /// # Errors
    /// `W6009`.
    pub fn sled(directory: &Path) -> Result<Self, Fault> {
        let config = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(FLUSH_MILLIS))
            .mode(sled::Mode::HighThroughput);
        match std::panic::catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(opened) => {
                let opened = opened.map_err(failed)?;
                Ok(Self::Sled(Arc::new(RwLock::new(Some(opened)))))
            }
            Err(_) => Err(Fault::new(codes::W6009).because("sled panicked while opening")),
        }
    }

    /// Lets go of the files, as soon as reads under way are done.
    pub fn close(&self) {
        if let Self::Sled(slot) = self {
            slot.write().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Self::Sled(slot) => {
                let Some((_, bytes)) = leaf_of(&db(slot)?, key)? else { return Ok(None) };
                Ok(Leaf::new(&bytes).find(key).map(<[u8]>::to_vec))
            }
            Self::Memory(map) => {
                Ok(map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
            }
        }
    }

    pub fn has(&self, key: &[u8]) -> Result<bool, Fault> {
        match self {
            Self::Sled(slot) => {
                let found = leaf_of(&db(slot)?, key)?;
                Ok(found.is_some_and(|(_, bytes)| Leaf::new(&bytes).find(key).is_some()))
            }
            Self::Memory(map) => {
                Ok(map.read().unwrap_or_else(PoisonError::into_inner).contains_key(key))
            }
        }
    }

    /// Applies all changes or, after a crash, none of them. One caller at a time.
    pub fn apply(&self, changes: Changes) -> Result<(), Fault> {
        match self {
            Self::Sled(slot) => apply_leaves(&db(slot)?, &changes),
            Self::Memory(map) => {
                let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
                for (key, value) in changes {
                    match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
                Ok(())
            }
        }
    }

    /// Visits keys of a range in order until the visitor breaks.
    pub fn walk(
        &self,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        order: Order,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        if let (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) =
            (&from, &to)
            && (a > b || (a == b && (from != to || matches!(from, Bound::Excluded(_)))))
        {
            return Ok(());
        }
        match (self, order) {
            (Self::Sled(slot), Order::Up) => walk_up(&db(slot)?, from, &to, visit),
            (Self::Sled(slot), Order::Down) => walk_down(&db(slot)?, &from, to, visit),
            (Self::Memory(map), _) => {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                let mut range = map.range::<Vec<u8>, _>((from, to));
                while let Some((key, value)) = match order {
                    Order::Up => range.next(),
                    Order::Down => range.next_back(),
                } {
                    if visit(key, value)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// Visits all keys with a prefix.
    pub fn walk_prefix(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        let end = super::keys::after_prefix(prefix);
        self.walk(Bound::Included(prefix.to_vec()), Bound::Excluded(end), Order::Up, visit)
    }

    /// Writes everything to disk. Slow; at a roll and on close only.
    pub fn flush(&self) -> Result<(), Fault> {
        match self {
            Self::Sled(slot) => db(slot)?.flush().map(|_| ()).map_err(failed),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// The handle of an open one. A copy, so that no lock is held while a visitor reads more.
fn db(slot: &RwLock<Option<sled::Db>>) -> Result<sled::Db, Fault> {
    let open = slot.read().unwrap_or_else(PoisonError::into_inner);
    open.clone().ok_or_else(|| Fault::new(codes::W6011))
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

fn apply_leaves(db: &sled::Db, changes: &Changes) -> Result<(), Fault> {
    let mut batch = sled::Batch::default();
    let mut changes = changes.iter().peekable();
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
        }
    }
    db.apply_batch(batch).map_err(failed)
}

fn is_in(key: &[u8], from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
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

fn walk_up(
    db: &sled::Db,
    mut from: Bound<Vec<u8>>,
    to: &Bound<Vec<u8>>,
    visit: Visit<'_>,
) -> Result<(), Fault> {
    let start = match &from {
        Bound::Included(key) | Bound::Excluded(key) => key.clone(),
        Bound::Unbounded => Vec::new(),
    };
    let mut found = leaf_of(db, &start)?;
    if found.is_none() {
        found = db.iter().next().transpose().map_err(failed)?;
    }
    while let Some((name, bytes)) = found {
        let past = match to {
            Bound::Included(to) | Bound::Excluded(to) => {
                name.get(1..).unwrap_or_default() > to.as_slice()
            }
            Bound::Unbounded => false,
        };
        if past {
            return Ok(());
        }
        let mut leaf = Leaf::new(&bytes);
        let mut last = None;
        while let Some(value) = leaf.next() {
            if !is_in(leaf.key(), &from, to) {
                continue;
            }
            if visit(leaf.key(), value)?.is_break() {
                return Ok(());
            }
            last = Some(leaf.key().to_vec());
        }
        // A leaf divided meanwhile shows its rows again.
        from = last.map_or(from, Bound::Excluded);
        let behind = (Bound::Excluded(name), Bound::Unbounded);
        found = db.range(behind).next().transpose().map_err(failed)?;
    }
    Ok(())
}

fn walk_down(
    db: &sled::Db,
    from: &Bound<Vec<u8>>,
    mut to: Bound<Vec<u8>>,
    visit: Visit<'_>,
) -> Result<(), Fault> {
    let mut found = match &to {
        Bound::Included(key) | Bound::Excluded(key) => leaf_of(db, key)?,
        Bound::Unbounded => db.iter().next_back().transpose().map_err(failed)?,
    };
    while let Some((name, bytes)) = found {
        let mut rows = Vec::new();
        let mut leaf = Leaf::new(&bytes);
        while let Some(value) = leaf.next() {
            if is_in(leaf.key(), from, &to) {
                rows.push((leaf.key().to_vec(), value));
            }
        }
        for (key, value) in rows.iter().rev() {
            if visit(key, value)?.is_break() {
                return Ok(());
            }
        }
        let before = match from {
            Bound::Included(from) | Bound::Excluded(from) => {
                name.get(1..).unwrap_or_default() <= from.as_slice()
            }
            Bound::Unbounded => false,
        };
        if before {
            return Ok(());
        }
        if let Some((first, _)) = rows.into_iter().next() {
            to = Bound::Excluded(first);
        }
        found = db.range(..name).next_back().transpose().map_err(failed)?;
    }
    Ok(())
}
