//! Mappings: checked sentences, compiled programs, lineage.
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
pub use stub::*;
