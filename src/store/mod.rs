//! The store: the journal (truth), the index over it (sled), the ledger and the queues.
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
pub use stub::*;
