//! Consent: facility policies, patient directives, and the decision for one recipient and
//! purpose.
//!
//! A [`Policy`] is a file; a [`Directive`] is a FHIR R4 Consent compiled once when it
//! comes; [`decide()`] asks both about the [`Facts`] of a content and reads no text. Where
//! consents are kept ([`ConsentBook`]) and what a channel does with an answer is not known
//! here.
//!
//! Invariant: what is not known narrows. A condition that cannot be checked never makes a
//! permit apply and never keeps a deny from applying; a Consent that holds something not
//! understood which could change its meaning is refused.

mod accept;
mod code;
mod compile;
mod condition;
mod decide;
mod directive;
mod facts;
mod lint;
mod policy;
mod purpose;
mod redact;
#[cfg(test)]
mod tests;
mod time;

use std::sync::Arc;

pub use accept::{accept, patients_of};
pub use decide::{LOSERS_MAX, Question, decide};
pub use directive::{Directive, PROVISION_DEPTH_MAX, PROVISIONS_MAX};
pub use facts::{Facts, ITEMS_MAX, Item};
pub use policy::{Combine, Directives, POLICY_KEYS, Policy, RULE_KEYS, Speaking};
pub use purpose::{PURPOSES, Purpose, is_purpose};
pub use redact::redact;

use crate::fault::Fault;
use crate::message::PatientKey;

/// Gives the directives of a patient: kept by the engine over the store.
pub trait ConsentBook: Send + Sync {
    /// Directives that bind a patient, in no particular order; empty when there are none.
    ///
    /// # Errors
    /// That of the store. No answer may be taken for "no directives".
    fn directives(&self, patient: &PatientKey) -> Result<Arc<[Directive]>, Fault>;
}
