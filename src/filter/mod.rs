//! The filter language of CLI, API and search box:
//! `channel:adt-* dest:ehr state:dead type:ADT^A08 code:W7102 since:2h until:06:00 tag:tier1
//! id:01J.. control:.. patient:.. NAME:value`; terms are ANDed, `-` negates, commas are OR.
#[allow(missing_docs, clippy::all, clippy::todo, unused)]
mod stub;
pub use stub::*;
