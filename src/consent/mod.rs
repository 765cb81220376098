//! Consent: policies, FHIR Consent resources compiled to directives, decisions.
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
pub use stub::*;
