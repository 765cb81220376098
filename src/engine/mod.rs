//! The engine: two loops around a pure core. [`intake`](self) takes what sources hand over,
//! has it decided and commits it; the couriers take what is owed from the queues and send
//! it. Around them: pauses, queue actions, replay, consents, reload, the monitor, the stop.
//!
//! This is the one place that reports: metrics and events are written here from the facts
//! that the pure rooms return. It owns every task (`task` alone spawns) and keeps no truth
//! of its own: what must survive is an entry in the store.
//!
//! Invariant: no answer leaves before the store has the message, and nothing leaves for a
//! destination without consent being asked again.

mod actions;
mod adopt;
mod alerts;
mod application;
mod batch;
mod book;
mod channel;
mod commit;
mod consents;
mod core;
mod courier;
mod fragments;
mod hearing;
mod intake;
mod meters;
mod monitor;
mod panics;
mod query;
mod queue;
mod rate;
mod receipt;
mod records;
mod reload;
mod replay;
mod running;
mod sequence;
mod serve;
mod shelves;
mod task;
mod tell;
mod vitals;

pub use actions::Actor;
pub use adopt::{Heir, Heirs, Stranded};
pub use alerts::AlertStatus;
pub use channel::Target;
pub use consents::StoredConsent;
pub use intake::DUPLICATE_WINDOW;
pub use panics::mask_panics;
pub use query::{ChannelStatus, DestinationStatus, Revealed, Status, Traced, Which};
pub use queue::{Done, QueueAction, QueuePlanned};
pub use replay::{Replay, Through};
pub use running::{Engine, Start};
pub use shelves::{ExportPage, Exported};
pub use task::Owned;
