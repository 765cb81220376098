//! The destination `file`: each message in a file of its own, complete or not there.
//!
//! A file is written under a hidden name, flushed to disk, renamed, and the directory
//! flushed: who lists the directory never sees half a message, and a receipt outlives a
//! power cut. The name is made from the message ID, so that a second attempt writes the
//! same file again.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{Delivered, DeliveryError, Destination};
use crate::fault::{Fault, codes::*};
use crate::hl7v2::Recode;
use crate::message::{Body, ContentKind, Delivery, Receipt};
use crate::ports::{File, Files, Ports};
use crate::settings::{Key, KindRow, Setting, Table, Value, Wrong};

/// Longest file name in bytes that every file system takes, less room for the hidden name.
const NAME_BYTES_MAX: usize = 200;

/// The keys of the destination `file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// Directory to write to.
    pub dir: PathBuf,
    /// How files are named.
    pub name: NamePattern,
    /// Character set in which HL7 v2 messages leave; `None`: their own.
    pub recode: Option<Recode>,
}

/// How files are named: text with `{message_id}`, `{channel}`, `{destination}`, `{type}`
/// and `{ext}` in it. Holds `{message_id}`, which makes each name the message's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(Arc<str>);

const PLACES: &[&str] = &["message_id", "channel", "destination", "type", "ext"];

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').ok_or("`{` has no `}`")?;
            if !PLACES.contains(&place) {
                let known = PLACES.map_join();
                return Err(format!("`{{{place}}}` is unknown; there are {known}"));
            }
            if before.contains('}') {
                return Err("`}` has no `{`".to_owned());
            }
            rest = after;
        }
        if text.contains(['/', '\0']) || text.starts_with('.') {
            return Err("a file name has no `/` and does not begin with a point".to_owned());
        }
        if !text.contains("{message_id}") {
            return Err("without `{message_id}` messages would replace each other".to_owned());
        }
        Ok(Self(text.into()))
    }

    /// The name for one delivery: letters, digits, `.`, `-` and `_` only.
    fn name(&self, delivery: &Delivery) -> String {
        let id = delivery.message.to_string();
        let name = self
            .0
            .replace("{channel}", delivery.channel.as_str())
            .replace("{destination}", delivery.destination.as_str())
            .replace("{type}", &delivery.message_type)
            .replace("{ext}", extension(delivery.body.kind));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '{' | '}');
        let mut name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        name.truncate(NAME_BYTES_MAX);
        if name.contains("{message_id}") { name.replace("{message_id}", &id) } else { id }
    }
}

/// Lists known places for a message.
trait MapJoin {
    fn map_join(&self) -> String;
}

impl MapJoin for &[&str] {
    fn map_join(&self) -> String {
        self.iter().map(|place| format!("`{{{place}}}`")).collect::<Vec<_>>().join(", ")
    }
}

const fn extension(kind: ContentKind) -> &'static str {
    match kind {
        ContentKind::Hl7 => "hl7",
        ContentKind::FhirJson => "json",
        ContentKind::Cda => "xml",
        ContentKind::Raw | ContentKind::Removed => "bin",
    }
}

impl Setting for NamePattern {
    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "pattern": "\\{message_id\\}" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        Self::parse(value.as_str().ok_or_else(Wrong::kind)?).map_err(Wrong::from)
    }
}

const DIR: Key<PathBuf> =
    Key::new("dir", "the path of a directory", "Directory to which files are written.");
const NAME: Key<NamePattern> = Key::new(
    "name",
    "a pattern such as `{message_id}.hl7`",
    "Names of files; `{message_id}`, `{channel}`, `{destination}`, `{type}` and `{ext}` are \
     filled in.",
)
.default("{message_id}.{ext}");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "file",
    about: "Writes each message to a file of its own.",
    keys: &[DIR.required().row(), NAME.row(), super::CHARSET.row(), super::UNFIT.row()],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<FilePlan> {
    let dir = table.required(&DIR);
    let name = table.or(&NAME, NamePattern("{message_id}.{ext}".into()));
    let recode = super::recode(table);
    Some(FilePlan { dir: dir?, name, recode })
}

/// Makes one; touches nothing.
pub(super) fn build(plan: &FilePlan, ports: &Ports) -> Box<dyn Destination> {
    Box::new(FileDestination { plan: plan.clone(), files: ports.files.clone(), open: false })
}

struct FileDestination {
    plan: FilePlan,
    files: Arc<dyn Files>,
    open: bool,
}

#[async_trait]
impl Destination for FileDestination {
    async fn open(&mut self, _ports: &Ports) -> Result<(), DeliveryError> {
        if !self.open {
            let (files, dir) = (self.files.clone(), self.plan.dir.clone());
            blocking(move || {
                files.create_dir(&dir).map_err(|error| {
                    Fault::new(W7401).because(format!("`{}`: {error}", dir.display()))
                })
            })
            .await?;
            self.open = true;
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        let dir = self.plan.dir.clone();
        let name = self.plan.name.name(delivery);
        let (files, body) = (self.files.clone(), delivery.body.clone());
        if !self.open {
            let dir = dir.clone();
            let made = files.clone();
            blocking(move || made.create_dir(&dir).map_err(|error| write_fault(&error))).await?;
            self.open = true;
        }
        let written = blocking(move || write(&*files, &dir, &name, &body)).await;
        self.open = written.is_ok();
        Ok(written?.into())
    }
}

/// Runs file calls where they may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Fault::new(W7402).because("the runtime is stopping")),
    }
}

fn write(
    files: &dyn Files,
    dir: &std::path::Path,
    name: &str,
    body: &Body,
) -> Result<Receipt, Fault> {
    let target = dir.join(name);
    let sha256: [u8; 32] = Sha256::digest(&body.bytes).into();
    let receipt = Receipt::File { name: name.into(), sha256 };
    if let Ok(there) = files.open_read(&target) {
        // An attempt before this one got as far as here, or the file is somebody else's.
        let same = holds(&*there, &body.bytes).map_err(|error| write_fault(&error))?;
        if !same {
            return Err(Fault::new(W7403));
        }
        // That attempt may have ended before its name was on disk.
        files.sync_dir(dir).map_err(|error| write_fault(&error))?;
        return Ok(receipt);
    }
    let hidden = dir.join(format!(".{name}.part"));
    let written = (|| {
        let file = files.open(&hidden, true)?;
        file.set_len(0)?;
        file.write_at(&body.bytes, 0)?;
        file.sync()?;
        files.rename(&hidden, &target)?;
        files.sync_dir(dir)
    })();
    written.map_err(|error| {
        // What is left of the attempt is replaced by the next one.
        let _ = files.remove(&hidden);
        write_fault(&error)
    })?;
    Ok(receipt)
}

fn holds(file: &dyn File, bytes: &[u8]) -> std::io::Result<bool> {
    if file.len()? != bytes.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; bytes.len()];
    file.read_at(&mut found, 0)?;
    Ok(found == bytes)
}

fn write_fault(error: &std::io::Error) -> Fault {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    let code = match error.kind() {
        NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem => W7401,
        _ => W7402,
    };
    Fault::new(code).because(error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::tests::delivery;

    #[test]
    fn patterns_are_checked() {
        let check = |pattern: &str, good: bool| {
            assert_eq!(NamePattern::parse(pattern).is_ok(), good, "{pattern}");
        };
        check("{message_id}.hl7", true);
        check("{channel}-{type}-{message_id}.{ext}", true);
        for bad in
            ["", "a.hl7", "{message_id", "{id}-{message_id}", "a/{message_id}", ".{message_id}"]
        {
            check(bad, false);
        }
    }

    #[test]
    fn names_are_plain_and_unique() {
        let mut delivery = delivery("MSH|^~\\&|", ContentKind::Hl7);
        delivery.message_type = "ADT^A08/../x".into();
        let id = delivery.message.to_string();
        let name = |pattern: &str| NamePattern::parse(pattern).unwrap().name(&delivery);
        assert_eq!(name("{message_id}.{ext}"), format!("{id}.hl7"));
        assert_eq!(name("{type}-{message_id}"), format!("ADT_A08_.._x-{id}"));
        assert_eq!(name(&format!("{}{{message_id}}", "x".repeat(300))), id);
    }

    #[tokio::test]
    async fn writes_once_and_knows_its_own_file() {
        let dir = tempfile::tempdir().unwrap();
        let plan = FilePlan {
            dir: dir.path().join("out"),
            name: NamePattern::parse("{message_id}.{ext}").unwrap(),
            recode: None,
        };
        let ports = Ports::system();
        let delivery = delivery("MSH|1\r", ContentKind::Hl7);
        let mut destination = build(&plan, &ports);
        destination.open(&ports).await.unwrap();
        let first = destination.deliver(&delivery).await.unwrap();
        let again = destination.deliver(&delivery).await.unwrap();
        assert_eq!(first, again);
        let names: Vec<_> =
            std::fs::read_dir(&plan.dir).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(names.len(), 1, "no hidden file is left: {names:?}");
        assert_eq!(std::fs::read(&names[0]).unwrap(), b"MSH|1\r");
        std::fs::write(&names[0], b"other").unwrap();
        let refused = destination.deliver(&delivery).await.unwrap_err();
        assert_eq!(refused.fault.code(), W7403);
        assert_eq!(std::fs::read(&names[0]).unwrap(), b"other");
    }

    #[tokio::test]
    async fn a_missing_directory_is_for_the_operator() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let plan = FilePlan {
            dir: dir.path().join("file/out"),
            name: NamePattern::parse("{message_id}").unwrap(),
            recode: None,
        };
        let mut destination = build(&plan, &Ports::system());
        let refused = destination.deliver(&delivery("x", ContentKind::Raw)).await.unwrap_err();
        assert_eq!(refused.fault.code(), W7401);
    }
}
