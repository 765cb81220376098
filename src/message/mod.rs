//! A message on its way: what came in, what the gates said, what is owed to whom, and the
//! records of it that the journal keeps.
//!
//! Records are serde types encoded by the store; a change of a record's shape needs a new
//! record version there. Nothing here decides; gates (layer 4) and `channel` (layer 5) do.

mod content;
mod decision;
mod delivery;
mod envelope;
mod gate;
mod record;
mod said;
mod trail;

pub use content::{Body, Content, ContentKind};
pub use decision::{Decision, RuleRef, Verdict};
pub use delivery::{Delivery, LaneKey, Receipt, State};
pub use envelope::{Envelope, Peer, Revision};
pub use gate::{Context, Gate, Passage, Recipient};
pub use record::{
    ActionRecord, ConsentRecord, Entry, Fate, FaultRecord, Leaf, MessageRecord, Outcome,
    OutcomeRecord, Owed, PatientKey, RecordAnswer, RecordMethod, RecordVersion, RecordsRecord,
    SearchKey,
};
pub use said::Said;
pub use trail::{Stage, Step, Trail};
