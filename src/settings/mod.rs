//! Settings: TOML text with spans to checked values, every problem of a run at once.
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
pub use stub::*;
