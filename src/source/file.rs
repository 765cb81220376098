//! The source `file`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Bound, Common};
use crate::fault::Fault;
use crate::ports::Ports;
use crate::settings::Table;

/// When a file is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Its size has not changed this long.
    Unchanged(Duration),
    /// A file of the same stem and this ending lies beside it: `*.done`.
    Marker(Arc<str>),
}

/// How a file is cut into messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// The file is one message.
    #[default]
    Whole,
    /// An HL7 v2 batch: FHS and BHS envelopes around messages that begin with MSH.
    Hl7Batch,
    /// A message a line.
    Lines,
    /// A JSON document a line.
    Ndjson,
}

/// What becomes of a file that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// It moves to this directory.
    Move(PathBuf),
    /// It is deleted.
    Delete,
}

/// The keys of the source `file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// Directory to watch.
    pub dir: PathBuf,
    /// Names taken: `*` stands for any run of characters, `?` for one.
    pub name: Arc<str>,
    /// When a file is complete.
    pub ready: Ready,
    /// How it is cut.
    pub split: Split,
    /// What becomes of it.
    pub then: Then,
    /// Time within which a repetition is told by its digest; `None`: never.
    pub dedup: Option<Duration>,
    /// Time between two looks.
    pub poll: Duration,
}

pub(super) fn read(_table: &mut Table<'_>) -> Option<FilePlan> {
    None
}

#[expect(clippy::todo, reason = "lands next")]
pub(super) async fn bind(
    _plan: &FilePlan,
    _common: &Common,
    _ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    todo!()
}
