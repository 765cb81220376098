//! The journal as a port: what the store above needs of it, whoever keeps the entries.
//!
//! Two traits, since two hands use it. [`Appender`] belongs to the one writer: batches in,
//! places out when they are durable. [`Journal`] is read by many: an entry by its place,
//! entries in order from a position on, what is left of parts that went. Positions count
//! entries from 1 without a gap and are given by the order of appends; a [`Location`] is the
//! home's own name of an entry, kept by index and queues and never looked into there.
//!
//! Homes: segment files (`writer`, `reader`); entries in memory, for a test of this seam. A
//! replicated one (DESIGN D14) implements both: an append returns when a majority has the
//! batch, a walk reads the stream from a sequence on.
//!
//! What is not behind the port, on purpose: recovery, which each home does in its own way
//! before it gives an [`Opened`], and retention. Removing by whole segments, archiving their
//! leaves and removing content within them is the segment files' own business
//! ([`Journal::segment_files`]); another home has its own means, such as the limits of a
//! stream, and would only be bent by these.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Location, Position, Reader, Walked};
use crate::base::{ChannelName, DestinationName, Timestamp};
use crate::fault::Fault;
use crate::message::{Entry, Leaf};

/// One entry to append.
pub struct Append<'a> {
    /// Kind, version and record, from [`super::encode`].
    pub text: &'a [u8],
    /// Its audit leaves, to be chained.
    pub leaves: &'a [Leaf],
}

/// Takes an entry on a walk.
pub type VisitEntry<'a> = &'a mut dyn FnMut(Walked) -> Result<(), Fault>;

/// Work that makes later appends quicker; it may be done beside them, and ends early when
/// the flag is set.
pub type Preparation = Box<dyn FnOnce(&AtomicBool) -> io::Result<()> + Send>;

/// The one writer of a journal. Blocking; one call a batch.
pub trait Appender: Send {
    /// Position the next entry gets.
    fn next(&self) -> Position;

    /// Appends a batch and returns when all of it is durable: where each entry lies, in
    /// order. Positions go on from [`Appender::next`].
    ///
    /// # Errors
    /// `W6004` when it could not be made durable, and for ever after: what is kept is then
    /// unknown. `W6006` for an entry that is too large.
    fn append(&mut self, batch: &[Append<'_>]) -> Result<Vec<Location>, Fault>;

    /// Counts up when a part of the journal has ended, so that the index is worth writing.
    fn part(&self) -> u32 {
        0
    }

    /// Something to be prepared now, if anything.
    fn preparation(&self) -> Option<Preparation> {
        None
    }
}

/// A part of the journal that retention removed.
pub struct Gone {
    /// Its number, from 1.
    pub number: u32,
    /// Committed and states in the order of `State::ALL`, per channel and destination.
    pub totals: Vec<(ChannelName, DestinationName, [u64; 8])>,
}

/// A journal that is read. Blocking; short reads but for the walk.
pub trait Journal: Send + Sync {
    /// Reads one entry.
    ///
    /// # Errors
    /// `W6010` when it is not given now, `W6003` when it is not what was written, `W6007`
    /// when its version is unknown.
    fn read(&self, at: Location) -> Result<Entry, Fault>;

    /// Reads every entry from `from` to `to`, both included, in order; those of removed
    /// parts are passed over.
    ///
    /// # Errors
    /// Those of `visit`; `W6003` where entries are missing, `W6007`, `W6010`.
    fn walk(&self, from: Position, to: Position, visit: VisitEntry<'_>) -> Result<(), Fault>;

    /// A position before which nothing was appended after `since`.
    fn first_since(&self, _since: Timestamp) -> Position {
        1
    }

    /// Parts that stand and the bytes they take.
    fn size(&self) -> (u64, u64);

    /// What is left of removed parts, for ledger and index.
    fn gone(&self) -> Vec<Gone> {
        Vec::new()
    }

    /// The segment files, where the journal is made of them: retention works on those.
    fn segment_files(&self) -> Option<&Reader> {
        None
    }
}

/// A journal that is open.
pub struct Opened {
    pub appender: Box<dyn Appender>,
    pub journal: Arc<dyn Journal>,
    /// Last position that is durable; 0 for none.
    pub last: Position,
    /// Bytes cut off as torn.
    pub torn_bytes: u64,
}
