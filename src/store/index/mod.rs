//! The index: everything that must be found, as a projection of the journal.
//!
//! It reflects the journal up to a position that is written with it in one batch. It may
//! lag, since live deliveries are handed over in memory; readers bring it up to date first.
//! It is never the truth: missing, damaged or ahead of the journal, it is made again.

pub mod keys;
mod kv;
mod leaf;
mod open;
mod project;
mod records;
mod redo;
pub mod row;
mod tree;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::journal::{Location, Position};
use crate::base::{ChannelName, DestinationName};

pub use keys::Mark;
pub use kv::{Changes, Kv, Order};
pub use project::{CARRIED, ConsentChange, Event, decode, read_duplicate, read_item, read_setting};
pub use records::key as record_keys;
pub use records::{RecordRow, RecordsChange, ShelfRow, VersionChange, VersionRow, WriteKey};
use row::{Counts, QueueId};

/// Names of queues: pairs of channel and destination, numbered as they come. They are few,
/// since they stand in configuration.
#[derive(Default)]
pub struct Names(RwLock<NameTable>);

#[derive(Default)]
struct NameTable {
    by_name: HashMap<(ChannelName, DestinationName), QueueId>,
    names: Vec<(ChannelName, DestinationName)>,
}

impl Names {
    pub fn find(&self, channel: &ChannelName, destination: &DestinationName) -> Option<QueueId> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.by_name.get(&(channel.clone(), destination.clone())).copied()
    }

    /// Finds the number of a pair, giving it one when it has none.
    pub fn number(&self, channel: &ChannelName, destination: &DestinationName) -> QueueId {
        if let Some(queue) = self.find(channel, destination) {
            return queue;
        }
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let pair = (channel.clone(), destination.clone());
        let next = QueueId(u32::try_from(table.names.len()).unwrap_or(u32::MAX));
        let queue = *table.by_name.entry(pair.clone()).or_insert(next);
        if queue == next {
            table.names.push(pair);
        }
        queue
    }

    pub fn name(&self, queue: QueueId) -> Option<(ChannelName, DestinationName)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.names.get(queue.slot()).cloned()
    }

    /// All pairs from the number `from` on.
    pub fn all(&self, from: usize) -> Vec<(ChannelName, DestinationName)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.names.get(from..).unwrap_or_default().to_vec()
    }
}

/// The index. One holder at a time changes it; reads go to `kv` directly.
pub struct Index {
    pub kv: Kv,
    pub names: Arc<Names>,
    /// Names that are in `kv`.
    named: usize,
    pub counts: Vec<Counts>,
    /// Last journal position it reflects.
    pub position: Position,
}
