//! The source `file`: what its settings say. `watcher` finds and takes files, `split` cuts them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::mllp::{CONTINUATION, CONTINUATION_TIMEOUT, read_continuation};
use crate::base::parse_duration;
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1022};
use crate::settings::{Key, KeyRow, KindRow, Setting, Shape, Table, Value, Word, Wrong};

mod acks;
mod split;
mod take;
mod watcher;

pub(super) use watcher::bind;

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
    /// The file is one document of CDA.
    Cda,
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
    /// Directory to which the acknowledgments of each file are written; `None`: nowhere.
    pub ack_dir: Option<PathBuf>,
    /// How long the next fragment of a message is waited for; none where fragments (MSH-14,
    /// DSC) are not put together.
    pub continuation: Option<Duration>,
}

impl Word for Split {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("whole", Self::Whole),
        ("hl7-batch", Self::Hl7Batch),
        ("lines", Self::Lines),
        ("ndjson", Self::Ndjson),
        ("cda", Self::Cda),
    ];
}

impl Setting for Ready {
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let text = value.as_str().ok_or_else(Wrong::kind)?;
        if let Some(ending) = text.strip_prefix('*') {
            let plain = ending.len() > 1 && ending.starts_with('.') && !ending.contains(['*', '/']);
            return if plain {
                Ok(Self::Marker(ending.into()))
            } else {
                Err(Wrong::from("a marker is `*` and an ending, such as `*.done`"))
            };
        }
        parse_duration(text).map(Self::Unchanged).map_err(|e| Wrong::new(W1022, e.to_string()))
    }
}

/// Long enough for a copy that pauses, short enough for a person who waits.
const READY_DEFAULT: Duration = Duration::from_secs(5);

/// A look costs one directory listing.
const POLL_DEFAULT: Duration = Duration::from_secs(2);

const DIR: Key<PathBuf> =
    Key::new("dir", "the path of a directory", "Directory from which files are taken.");
const MATCH: Key<Arc<str>> = Key::new(
    "match",
    "a pattern such as `*.hl7`",
    "Names of files taken; `*` stands for any characters, `?` for one.",
)
.default("*");
const READY: Key<Ready> = Key::new(
    "ready",
    "a duration such as `5s`, or a marker such as `*.done`",
    "When a file is complete: its size has not changed this long, or a marker lies beside it.",
)
.default("5s");
const SPLIT: Key<Split> = Key::new(
    "split",
    "`whole`, `hl7-batch`, `lines`, `ndjson` or `cda`",
    "How a file is cut into messages; `cda` takes it whole, as a document of CDA.",
)
.default("whole");
const DEDUP: Key<Duration> = Key::new(
    "dedup",
    "a duration such as `24h`",
    "Time within which the same message is taken once.",
);
const POLL: Key<Duration> =
    Key::new("poll", "a duration such as `2s`", "Time between two looks at the directory.")
        .default("2s");
const MOVE: Key<PathBuf> = Key::new(
    "move",
    "the path of a directory on the same file system",
    "Directory to which a taken file is moved.",
);
const DELETE: Key<bool> = Key::new(
    "delete",
    "`true`",
    "A taken file is deleted; its messages are in the journal. One with refused messages is \
         kept as `.NAME.refused`.",
);

const ACK_DIR: Key<PathBuf> = Key::new(
    "ack_dir",
    "the path of a directory",
    "Directory to which the acknowledgments of each file are written, as a batch in a file \
     `NAME.ack`.",
)
.default("none");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "file",
    about: "Takes files from a directory once they are complete.",
    keys: &[
        DIR.required().row(),
        MATCH.row(),
        READY.row(),
        SPLIT.row(),
        KeyRow::of(
            "then",
            "What becomes of a taken file: `{ move = \"DIR\" }` or `{ delete = true }`.",
            Shape::Table(&[MOVE.row(), DELETE.row()]),
        )
        .required(),
        DEDUP.row(),
        POLL.row(),
        ACK_DIR.row(),
        CONTINUATION.row(),
        CONTINUATION_TIMEOUT.row(),
    ],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<FilePlan> {
    let dir = table.required(&DIR);
    let name = table.or(&MATCH, "*".into());
    let ready = table.or(&READY, Ready::Unchanged(READY_DEFAULT));
    let split = table.or(&SPLIT, Split::Whole);
    let then = read_then(table, dir.as_deref());
    let dedup = table.optional(&DEDUP);
    let poll = table.or(&POLL, POLL_DEFAULT).max(POLL_MIN);
    let ack_dir = table.spanned(&ACK_DIR);
    if let Some(ack_dir) = &ack_dir {
        let cause = match split {
            Split::Ndjson | Split::Cda => {
                Some("only HL7 v2 has acknowledgments that could be written")
            }
            _ if dir.as_ref() == Some(&ack_dir.value) => {
                Some("the same directory as `dir`: acknowledgments would be taken as messages")
            }
            _ => None,
        };
        if let Some(cause) = cause {
            table.error(Fault::new(W1011).because(cause), &ack_dir.span);
        }
    }
    let ack_dir = ack_dir.map(|ack_dir| ack_dir.value);
    let continuation = read_continuation(table);
    if let (Split::Ndjson | Split::Cda, Some(_), Some(span)) =
        (split, continuation, table.key_span("continuation"))
    {
        let cause = "only HL7 v2 has fragments";
        table.error(Fault::new(W1011).because(cause), &span);
    }
    let (dir, then) = (dir?, then?);
    Some(FilePlan { dir, name, ready, split, then, dedup, poll, ack_dir, continuation })
}

/// Looking more often would keep a core busy with listing.
const POLL_MIN: Duration = Duration::from_millis(10);

fn read_then(table: &mut Table<'_>, dir: Option<&Path>) -> Option<Then> {
    let mut then = table.required_table("then")?;
    let target = then.spanned(&MOVE);
    let delete = then.or(&DELETE, false);
    let span = then.span();
    let read = match (target, delete) {
        (Some(target), false) => {
            if dir == Some(target.value.as_path()) {
                let cause = "the same directory as `dir`: files would be taken again for ever";
                then.error(Fault::new(W1011).because(cause), &target.span);
            }
            Some(Then::Move(target.value))
        }
        (None, true) => Some(Then::Delete),
        _ => {
            let cause = "expected either `move = \"DIR\"` or `delete = true`";
            then.error(Fault::new(W1011).because(cause), &span);
            None
        }
    };
    then.finish();
    read
}

#[cfg(test)]
mod tests;
