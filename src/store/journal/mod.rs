//! The journal: every durable fact, once, in order.
//!
//! Segment files `00000001.wj` hold entries one after the other. An entry is a frame with a
//! length, a checksum and its position, sealed when a rest key is given. Appends come in
//! batches, one write and one sync each; a failed write or sync ends the writer for good.
//! The store knows it as a
//! port (`port`). What lives elsewhere: finding things (`index`), and what is owed (`queue`).

mod archive;
mod frame;
mod header;
mod lean;
mod open;
mod port;
mod reader;
mod record;
mod scan;
mod seal;
mod segments;
mod writer;

use serde::{Deserialize, Serialize};

pub use archive::VisitLeaves;
pub(super) use archive::{Archive, replace};
pub(super) use header::{Header, Removed};
pub(super) use lean::LeanSegment;
pub(super) use open::open;
#[cfg(test)]
pub(super) use port::VisitEntry;
pub(super) use port::{Append, Appender, Journal, Opened};
pub(super) use reader::{Reader, Walked};
pub(super) use record::{encode, room_for};
pub(super) use segments::{SegmentInfo, file_path};
pub(super) use writer::Place as WriterPlace;

/// Position of an entry: counts entries from 1 over the life of the journal.
pub type Position = u64;

/// Where the frame of an entry lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Byte of the frame's first byte in it, from 0.
    pub offset: u32,
    /// Bytes of the payload, without the frame's head.
    pub length: u32,
}

/// Decodes what [`encode`] wrote.
#[cfg(test)]
pub(super) fn decode_text(text: &[u8]) -> Result<crate::message::Entry, crate::fault::Fault> {
    let parts = record::split(text, false);
    parts.map_or_else(
        || Err(crate::fault::Fault::new(crate::fault::codes::W6003)),
        |parts| record::decode(&parts),
    )
}
