//! FHIR R4: the lossless document, JSON, tables of elements, paths, structural checks.
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
pub use stub::*;
