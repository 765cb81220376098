//! Mappings: checked sentences, compiled programs, lineage.
mod condition;
#[allow(dead_code)]
mod group;
mod pick;
#[allow(dead_code)]
mod sentence;
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
mod used;

pub use condition::{Condition, ValuePath};
pub use stub::{Library, Lineage, LineageRow, Mapped, Mapping, Unused};
