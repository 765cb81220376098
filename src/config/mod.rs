//! Configuration: the tree of files to a checked [`Plan`], and the difference of two plans.
//!
//! `check`, `run` and `reload` all call [`load`], so what one accepts the others start.
//! Loading reads files and nothing else: it opens no socket, resolves no name and starts
//! nothing; the keyring is read only for the names of its keys.
//!
//! Invariant: a plan exists only when no error was found, and never changes afterwards.
//! Two plans are equal when the settings, mappings, code maps and policies they were made
//! of are, whatever their layout and comments.

mod across;
mod answer;
mod answering;
mod cases;
mod channel;
mod channel_keys;
mod destination;
mod diff;
mod hl7;
mod keys;
mod places;
mod plan;
mod revision;
mod schemas;
mod seen;
mod server;
mod tree;
mod validate;
mod watch;
mod words;

use std::path::{Path, PathBuf};

use crate::fault::{Problems, Severity};
use crate::hl7v2::tables::Site;

pub use answering::answer_order;
pub use diff::{Changes, ChannelChange, Gone, diff};
pub use plan::*;
pub use schemas::{reference, schemas};
pub use seen::Seen;
pub use tree::Sources;

/// Loads the configuration under `root` as `site` sees it (else as `[weir] site` says).
///
/// Gives the plan when there is no error; every problem found, in order of file and line;
/// and the texts of the files, to draw them with.
#[must_use]
pub fn load(root: &Path, site: Option<&str>) -> (Option<Plan>, Problems, Sources) {
    let mut problems = Problems::new();
    let tree = tree::Tree::new(root);
    let plan = read(&tree, site, &mut problems);
    for fault in tree.mangled() {
        problems.error(fault);
    }
    problems.sort();
    let sources = tree.into_sources(&problems);
    (plan.filter(|_| !problems.any(Severity::Error)), problems, sources)
}

/// The socket of the server that runs on this configuration, as far as it can be read:
/// mistakes elsewhere in the files must not keep an operator from the running server.
#[must_use]
pub fn socket(root: &Path, site: Option<&str>) -> PathBuf {
    let mut unread = Problems::new();
    let tree = tree::Tree::new(root);
    server::Files::open(&tree, site, &mut unread)
        .map_or_else(|| root.join("data/weir.sock"), |files| server::socket(&tree, &files))
}

/// What the configuration says of HL7 v2 (`hl7/*.toml`), as far as it can be read: mistakes
/// elsewhere in the files must not keep anybody from seeing what a segment is called.
#[must_use]
pub fn definitions(root: &Path, site: Option<&str>) -> Site {
    let mut unread = Problems::new();
    let tree = tree::Tree::new(root);
    server::Files::open(&tree, site, &mut unread)
        .map_or(Site::NONE, |files| server::definitions(&tree, &files))
}

fn read(tree: &tree::Tree, site: Option<&str>, problems: &mut Problems) -> Option<Plan> {
    let mut files = server::Files::open(tree, site, problems)?;
    let server = server::read(tree, &files, problems);
    tree.define(server.hl7.clone());
    let mut channels = Vec::new();
    let mut maker = channel::Maker::new(tree, &server);
    for file in &files.channels {
        let document = files.channel(tree, file, problems);
        channels.extend(document.and_then(|d| maker.channel(&d, problems)));
    }
    files.finish(tree, &channels, problems);
    across::check(&server, &channels, problems);
    Some(Plan::new(tree.root(), server, channels))
}
