//! OperationOutcome, which weir writes itself; the structs of resources are in
//! [`model`](super::model).

mod outcome;

pub(in crate::fhir) use outcome::outcome_of;
pub use outcome::{Issue, IssueSeverity, OUTCOME_SYSTEM, informed, issues, outcome};
