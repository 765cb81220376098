//! Settings: TOML text with spans to checked values, every problem of a run at once.
//!
//! A [`Document`] is a parsed file, maybe with others laid over it; a [`Table`] of it is
//! read key by key with [`Key`] constants; `finish` reports what nobody asked for. The same
//! constants give the JSON Schemas for editors and the reference for people, so the three
//! cannot drift apart.
//!
//! Nothing here opens a file or knows what a channel is. Serde derive on configuration was
//! rejected: tagged, untagged and flattened types forget the line a value came from.
//!
//! Invariant: a span given out by a document is unique over all files laid into it, so a
//! problem found later still names the right file.

mod document;
mod key;
mod nearest;
mod net;
mod node;
pub mod reference;
mod scan;
pub mod schema;
mod secret;
mod table;
mod types;
mod value;

pub use document::{Document, Part, SourceFile};
pub use key::{Key, KeyRow, KindRow, Shape};
pub use nearest::nearest;
pub use net::IpNet;
pub use secret::SecretRef;
pub use table::Table;
pub use value::{Setting, Spanned, Value, Word, Wrong};

/// Largest settings file: the largest mapping or code map in practice is a tenth of this.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// Most dots between two keys of one line: deeper tables exist only by mistake, and reading
/// them must not exhaust a stack.
const DOTS_MAX: usize = 32;
