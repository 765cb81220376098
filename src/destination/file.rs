//! The destination `file`.

use std::path::PathBuf;
use std::sync::Arc;

use super::Destination;
use crate::ports::Ports;
use crate::settings::Table;

/// The keys of the destination `file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// Directory to write to.
    pub dir: PathBuf,
    /// Pattern of names: `{message_id}.hl7`.
    pub name: Arc<str>,
}

pub(super) fn read(_table: &mut Table<'_>) -> Option<FilePlan> {
    None
}

#[expect(clippy::todo, reason = "lands next")]
pub(super) fn build(_plan: &FilePlan, _ports: &Ports) -> Box<dyn Destination> {
    todo!()
}
