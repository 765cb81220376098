//! An ordered map of bytes: sled, or memory for simulation.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use crate::fault::{Fault, codes};

/// Memory sled may take for its cache: the working set is the right edge of a few trees.
const CACHE_BYTES: u64 = 32 << 20;
/// How often sled flushes by itself. Nothing waits for it: the journal is the truth.
const FLUSH_MILLIS: u64 = 1000;

/// The map. Cheap to clone.
#[derive(Clone)]
pub enum Kv {
    Sled(sled::Db),
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
            Ok(opened) => opened.map(Self::Sled).map_err(failed),
            Err(_) => Err(Fault::new(codes::W6009).because("sled panicked while opening")),
        }
    }

    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Self::Sled(db) => Ok(db.get(key).map_err(failed)?.map(|v| v.to_vec())),
            Self::Memory(map) => {
                Ok(map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
            }
        }
    }

    pub fn has(&self, key: &[u8]) -> Result<bool, Fault> {
        match self {
            Self::Sled(db) => db.contains_key(key).map_err(failed),
            Self::Memory(map) => {
                Ok(map.read().unwrap_or_else(PoisonError::into_inner).contains_key(key))
            }
        }
    }

    /// Applies all changes or, after a crash, none of them.
    pub fn apply(&self, changes: Changes) -> Result<(), Fault> {
        match self {
            Self::Sled(db) => {
                let mut batch = sled::Batch::default();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                db.apply_batch(batch).map_err(failed)
            }
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
        match self {
            Self::Sled(db) => {
                let mut range = db.range((from, to));
                while let Some(item) = match order {
                    Order::Up => range.next(),
                    Order::Down => range.next_back(),
                } {
                    let (key, value) = item.map_err(failed)?;
                    if visit(&key, &value)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Self::Memory(map) => {
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
            Self::Sled(db) => db.flush().map(|_| ()).map_err(failed),
            Self::Memory(_) => Ok(()),
        }
    }
}
