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

pub use check::{ChainCheck, Recount};
pub use damage::{Damage, Survey};
pub use index::Mark;
pub use journal::{Position, VisitLeaves};
pub use plan::{
    DeliveryRow, IndexHome, LedgerRow, QueueRow, Recovery, RestKey, RestKeys, StorePlan, Trouble,
    Usage,
};
pub use read::Setting;
pub use records::{Collection, RecordWrite, Shelf, Wrote, aside};
pub use shared::TROUBLES_MAX;

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
