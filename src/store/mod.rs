//! The store: the journal (truth), the index over it (sled), the ledger and the queues.
//!
//! An entry is committed when the journal has it on disk; everything else is a projection
//! of the journal and can be made again from it. Three layers, each in its room:
//! `journal` appends and reads entries, `index` finds them, `queue` holds a bounded window
//! of what waits. [`Store`] is the one way in.

mod check;
mod content;
mod damage;
mod driver;
mod duplicates;
mod index;
mod journal;
mod leases;
mod live;
mod open;
mod plan;
mod prune;
mod queue;
mod read;
mod records;
mod search;
mod secret;
mod shared;
mod write;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, oneshot};

use crate::base::{ChannelName, MessageId};

pub use check::{ChainCheck, Recount};
pub use damage::{Damage, Survey};
pub use journal::{Position, VisitLeaves};
pub use plan::{
    DeliveryRow, IndexHome, LedgerRow, QueueRow, Recovery, RestKey, RestKeys, StorePlan, Trouble,
    Usage,
};
pub use read::Setting;
pub use records::{Collection, RecordWrite, Shelf, Wrote};
pub use shared::TROUBLES_MAX;

/// Name of the setting that marks a message as acknowledged and not yet processed
/// (`ack = "on-receipt"`); while it is set, the message and its content stay.
#[must_use]
pub fn receipt_mark(channel: &ChannelName, message: MessageId) -> String {
    format!("received {channel}/{message}")
}

/// Name of the setting that marks a fragment whose message is not whole yet; while it is
/// set, the fragment and its content stay.
#[must_use]
pub fn fragment_mark(channel: &ChannelName, fragment: MessageId) -> String {
    format!("fragment {channel}/{fragment}")
}

/// The open store. Cheap to clone; one per directory, which is locked.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

/// What a clone holds. When the last one goes, the writer ends after what it was given.
struct Handle {
    shared: Arc<shared::Shared>,
    /// Entries on their way, in KiB.
    room: Arc<Semaphore>,
    /// One for each thread of the store: fails when the thread has ended.
    threads: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.live().requests = None;
        self.shared.close();
    }
}
