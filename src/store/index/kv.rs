//! An ordered map of bytes: on disk, or memory for simulation.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::tree::{Tree, walk_map};
use crate::fault::Fault;

/// The map. Cheap to clone.
#[derive(Clone)]
pub enum Kv {
    Disk(Arc<Tree>),
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

impl Kv {
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Opens the map in a directory.
    ///
    /// # Errors
    /// `W6009`.
    pub fn disk(directory: &Path) -> Result<Self, Fault> {
        Ok(Self::Disk(Arc::new(Tree::open(directory)?)))
    }

    /// Lets go of the files, as soon as reads under way are done. What was not flushed is
    /// left to the journal.
    pub fn close(&self) {
        if let Self::Disk(tree) = self {
            tree.close();
        }
    }

    /// # Errors
    /// `W6009`; `W6011` when it was closed.
    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Self::Disk(tree) => tree.read(key),
            Self::Memory(map) => {
                Ok(map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
            }
        }
    }

    /// # Errors
    /// `W6009`; `W6011` when it was closed.
    pub fn has(&self, key: &[u8]) -> Result<bool, Fault> {
        match self {
            Self::Disk(tree) => tree.has(key),
            Self::Memory(map) => {
                Ok(map.read().unwrap_or_else(PoisonError::into_inner).contains_key(key))
            }
        }
    }

    /// Applies all changes or, after a crash, none of them. One caller at a time.
    ///
    /// # Errors
    /// `W6009`; `W6011` when it was closed.
    pub fn apply(&self, changes: Changes) -> Result<(), Fault> {
        match self {
            Self::Disk(tree) => tree.apply(changes),
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
    ///
    /// # Errors
    /// `W6009`; `W6011` when it was closed; those of the visitor.
    pub fn walk(
        &self,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        order: Order,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        match self {
            Self::Disk(tree) => tree.walk(from, to, order, visit),
            Self::Memory(map) => {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                walk_map(&map, (from, to), order, visit)
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
            Self::Disk(tree) => tree.flush(),
            Self::Memory(_) => Ok(()),
        }
    }
}
