//! `weir records export`: the latest resources of a collection as NDJSON, one file a type.
//!
//! Pages of the running server go to files under names of their own; when all are on disk they
//! get their names, and the manifest comes last: where it stands, the export is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, progress};
use super::status::{list, word};
use super::table::Table;
use crate::base::Timestamp;
use crate::fhir::tables;

const MANIFEST: &str = "manifest.json";

/// How much earlier than its begin an export says that it was: a version has its time before
/// it can be seen. What is exported twice by the next one, with `--since`, does no harm; what
/// is left out by both is lost.
const EARLIER: Duration = Duration::from_secs(10);

/// What is exported, and to where.
pub struct Asked<'a> {
    pub to: &'a Path,
    pub collection: &'a str,
    /// Types; empty: all.
    pub kinds: &'a [String],
    pub since: Option<&'a str>,
}

/// Files that are not whole, removed unless they are released.
#[derive(Default)]
struct Parts(Vec<(PathBuf, PathBuf)>);

impl Drop for Parts {
    fn drop(&mut self) {
        for (part, _) in &self.0 {
            let _ = fs::remove_file(part);
        }
    }
}

/// A file of one type.
struct Written {
    kind: String,
    name: String,
    count: u64,
    bytes: u64,
    digest: String,
}

pub fn run(server: &Server, asked: &Asked<'_>, shell: &mut Shell) -> Result<Exit, Stop> {
    let reason = shell.reason_needed("an export of resources")?;
    if let Some(unknown) = asked.kinds.iter().find(|kind| !tables::is_resource(kind)) {
        let near = tables::resources().find(|own| own.eq_ignore_ascii_case(unknown));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let text = format!("`{unknown}` is no type of resource of R4{near}");
        return Err(Stop::Said(Exit::Usage, text));
    }
    let shelves = block_on(server.get("/api/v1/records"))?;
    let begun = begun(&shelves);
    let kinds: Vec<(String, u64)> = list(&shelves, "shelves")
        .iter()
        .filter(|shelf| shelf["collection"].as_str() == Some(asked.collection))
        .map(|shelf| (word(shelf, "type"), shelf["resources"].as_u64().unwrap_or(0)))
        .filter(|(kind, count)| {
            *count > 0 && (asked.kinds.is_empty() || asked.kinds.contains(kind))
        })
        .collect();
    fs::create_dir_all(asked.to).map_err(Stop::io)?;
    let taken = |name: &str| asked.to.join(name).exists().then(|| name.to_owned());
    let files = kinds.iter().map(|(kind, _)| file_of(kind));
    if let Some(taken) = files.chain([MANIFEST.to_owned()]).find_map(|name| taken(&name)) {
        let text = format!(
            "`{}` already holds `{taken}`: name another directory with `--to`",
            asked.to.display()
        );
        return Err(Stop::Said(Exit::No, text));
    }
    let bar = progress(shell, kinds.iter().map(|(_, count)| count).sum(), "resources");
    let (mut parts, mut written) = (Parts::default(), Vec::new());
    for (kind, _) in &kinds {
        let path = |after: &str| page_path(asked, kind, after, &reason);
        let found = one(server, asked.to, (kind, &path), (&mut parts, &bar))?;
        written.extend((found.count > 0).then_some(found));
    }
    bar.finish_and_clear();
    let manifest = manifest(asked, begun.as_deref(), &written);
    let mut file = begin(asked.to, MANIFEST, &mut parts)?;
    writeln!(file, "{manifest:#}").map_err(Stop::io)?;
    end(file)?;
    release(asked.to, parts, &written)?;
    show(&written, &manifest, shell)
}

/// From when on the next export is to ask: the time of the server before it was asked for
/// anything else, and somewhat earlier.
fn begun(shelves: &Value) -> Option<String> {
    let at = Timestamp::parse(shelves["at"].as_str()?)?;
    Some(at.before(EARLIER).to_string())
}

fn file_of(kind: &str) -> String {
    format!("{kind}.ndjson")
}

fn page_path(asked: &Asked<'_>, kind: &str, after: &str, reason: &str) -> String {
    let mut path =
        format!("/api/v1/records/{}/{kind}?reason={}", escaped(asked.collection), escaped(reason));
    for (name, value) in [("after", Some(after)), ("since", asked.since)] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            path.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    path
}

/// Opens a file that only its owner reads, under a name of its own.
fn begin(to: &Path, name: &str, parts: &mut Parts) -> Result<BufWriter<File>, Stop> {
    let part = to.join(format!(".{name}.part"));
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
    let file = file.map_err(Stop::io)?;
    parts.0.push((part, to.join(name)));
    Ok(BufWriter::new(file))
}

fn end(file: BufWriter<File>) -> Result<(), Stop> {
    let file = file.into_inner().map_err(|error| Stop::io(error.into_error()))?;
    file.sync_all().map_err(Stop::io)
}

/// Writes the resources of a type, a line each, page by page.
fn one(
    server: &Server,
    to: &Path,
    (kind, path): (&str, &dyn Fn(&str) -> String),
    (parts, bar): (&mut Parts, &indicatif::ProgressBar),
) -> Result<Written, Stop> {
    let name = file_of(kind);
    let mut file = begin(to, &name, parts)?;
    let (mut digest, mut after) = (Sha256::new(), String::new());
    let (mut count, mut bytes) = (0, 0);
    loop {
        let page = block_on(server.get(&path(&after)))?;
        for resource in list(&page, "resources") {
            // A line each: what a peer wrote on several comes as one.
            let mut line = resource.as_str().unwrap_or_default().replace(['\n', '\r'], " ");
            line.push('\n');
            file.write_all(line.as_bytes()).map_err(Stop::io)?;
            digest.update(line.as_bytes());
            (count, bytes) = (count + 1, bytes + line.len() as u64);
        }
        bar.set_message(kind.to_owned());
        bar.inc(list(&page, "resources").len() as u64);
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    end(file)?;
    let digest = digest.finalize().iter().fold(String::new(), |out, b| format!("{out}{b:02x}"));
    Ok(Written { kind: kind.to_owned(), name, count, bytes, digest })
}

/// What was written, as the manifest of a bulk export says it.
///
/// Source: FHIR Bulk Data Access 2.0, export manifest.
fn manifest(asked: &Asked<'_>, begun: Option<&str>, written: &[Written]) -> Value {
    let output: Vec<Value> = written
        .iter()
        .map(|file| {
            json!({
                "type": file.kind, "url": file.name, "count": file.count,
                "bytes": file.bytes, "sha256": file.digest,
            })
        })
        .collect();
    json!({
        "schema": "weir.export.v1",
        "transactionTime": begun,
        "request": format!("records of `{}`", asked.collection),
        "since": asked.since,
        "requiresAccessToken": false,
        "output": output,
        "error": [],
    })
}

/// Gives the files their names, the manifest last.
fn release(to: &Path, mut parts: Parts, written: &[Written]) -> Result<(), Stop> {
    let wanted = |name: &Path| {
        let name = name.file_name().and_then(|name| name.to_str());
        name == Some(MANIFEST) || written.iter().any(|file| Some(file.name.as_str()) == name)
    };
    // Those without a line are removed with what is left.
    for (part, name) in parts.0.iter().filter(|(_, name)| wanted(name)) {
        fs::rename(part, name).map_err(Stop::io)?;
    }
    parts.0.retain(|(_, name)| !wanted(name));
    File::open(to).and_then(|directory| directory.sync_all()).map_err(Stop::io)
}

fn show(written: &[Written], manifest: &Value, shell: &mut Shell) -> Result<Exit, Stop> {
    if !shell.is_text() {
        shell.json(manifest)?;
        return Ok(Exit::Done);
    }
    if written.is_empty() {
        shell.line("there is nothing to export; the manifest says so")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["TYPE", ">RESOURCES", ">BYTES", "FILE"]);
    for file in written {
        let (count, bytes) = (file.count.to_string(), file.bytes.to_string());
        table.row([file.kind.clone(), count, bytes, file.name.clone()]);
    }
    shell.table(&table)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_export_asks_from_before_this_one_began() {
        let begun = begun(&json!({ "at": "2026-01-02T03:04:05Z", "shelves": [] }));
        let at = begun.as_deref().and_then(Timestamp::parse).unwrap();
        assert_eq!(at, Timestamp::parse("2026-01-02T03:03:55Z").unwrap());
        let asked = Asked { to: Path::new("x"), collection: "c", kinds: &[], since: None };
        // Also where nothing was written.
        assert_eq!(manifest(&asked, begun.as_deref(), &[])["transactionTime"], json!(begun));
    }
}
