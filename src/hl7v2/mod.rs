//! HL7 v2: bytes to message and back.
//!
//! Framing, delimiters, index, paths, escapes, character sets, edits, acknowledgments,
//! batches, message structures, and the tables of the standard by version. What a channel
//! does with a message lives elsewhere.
//!
//! Invariant: what was not edited is written back byte for byte; reading never fails and
//! never changes anything; no fault holds a value of a message.

pub mod ack;
pub mod batch;
mod begin;
mod charset;
pub mod check;
mod declared;
mod delimiters;
mod edit;
pub mod escape;
mod form;
mod header;
pub mod json;
mod marks;
mod message;
pub mod mllp;
mod path;
mod recode;
mod scan;
mod seek;
mod segment;
pub mod skeleton;
pub mod structure;
pub mod tables;
#[cfg(test)]
mod testing;
mod tolerance;
mod value;
pub mod xml;

pub use begin::is_batch;
pub use charset::{Charset, Switching};
pub use delimiters::Delimiters;
pub use edit::{Change, EDIT_NUMBER_MAX};
pub use header::Header;
pub use message::{Found, Message};
pub use path::{GroupStep, PATH_NUMBER_MAX, Path, Pick};
pub use recode::Recode;
pub use segment::Segment;
pub use tolerance::{Tolerance, Tolerances};
pub use value::Value;

/// Bytes that some work looks at, for tests of other rooms.
#[cfg(test)]
pub(crate) use marks::worked;
