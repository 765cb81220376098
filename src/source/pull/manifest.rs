//! The manifest of an export: which files it came to.
//!
//! Source: Bulk Data Access IG v2.0.0, export, response - output manifest.

use sha2::{Digest, Sha256};

use super::bulk::BulkPlan;
use super::lean::{Part, Wrong};
use crate::base::Timestamp;
use crate::fault::{Fault, codes::*};
use crate::fhir::tables;
use crate::ports::fhir::{Address, Auth};

/// Most files of an export: servers cut at a few thousand resources a file, or more.
const FILES_MAX: usize = 100_000;

/// Members of a manifest that are read; the others are skipped.
const MEMBERS: &[&str] = &[
    "transactionTime",
    "requiresAccessToken",
    "output",
    "deleted",
    "error",
    "link",
    "relation",
    "type",
    "url",
    "count",
];

/// Most parts of a manifest that are kept: a file has four, and some for what else there is.
const PARTS_MAX: usize = FILES_MAX * 4 + 1000;

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Resources of this type, as they are now.
    Resources(&'static str),
    /// Transactions that delete.
    Deleted,
    /// OperationOutcomes of what could not be exported.
    Errors,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Where it stands in the manifest: `output[2]`.
    pub name: String,
    /// What its lines are.
    pub holds: Holds,
    /// Where it lies.
    pub at: Address,
    /// Whether it is read showing who weir is.
    pub shows: bool,
    /// How many lines it has, where the manifest says so.
    pub count: Option<u64>,
}

/// What an export came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The server's time that the next export asks from.
    pub time: String,
    /// Files in the order in which they are taken: output, deleted, errors.
    pub files: Vec<File>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// `W2383` naming what is missing or wrong, `W2384` for a file on a server that the
    /// settings do not name.
    pub(super) fn read(body: &[u8], plan: &BulkPlan) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::new(W2383).because(why);
        let too_many = || wrong(format!("it names more than {FILES_MAX} files"));
        let json = Part::read(body, MEMBERS, PARTS_MAX).map_err(|why| match why {
            Wrong::NoJson => wrong("it is no JSON".to_owned()),
            Wrong::TooMany => too_many(),
        })?;
        let time = json.get("transactionTime").and_then(Part::as_str);
        let time = time.filter(|time| Timestamp::parse(time).is_some());
        let time = time.ok_or_else(|| wrong("`transactionTime` is no instant".to_owned()))?;
        let token = json.get("requiresAccessToken").and_then(Part::as_bool);
        let token = token.ok_or_else(|| wrong("`requiresAccessToken` is no boolean".to_owned()))?;
        let mut files = Vec::new();
        for (list, needed) in [("output", true), ("deleted", false), ("error", false)] {
            let rows = match json.get(list) {
                None | Some(Part::Null) if !needed => continue,
                rows => rows.and_then(Part::as_array),
            };
            let rows = rows.ok_or_else(|| wrong(format!("`{list}` is no list")))?;
            if files.len() + rows.len() > FILES_MAX {
                return Err(too_many());
            }
            for (at, row) in rows.iter().enumerate() {
                files.push(file(row, (list, at), token, plan)?);
            }
        }
        let pages = json.get("link").and_then(Part::as_array).into_iter().flatten();
        let mut relations = pages.filter_map(|link| link.get("relation").and_then(Part::as_str));
        if relations.any(|relation| relation == "next") {
            // Only who asks for `allowPartialManifests` gets one in parts.
            return Err(wrong("it comes in parts, which was not asked for".to_owned()));
        }
        Ok(Self { time: time.to_owned(), files })
    }

    /// Tells whether another manifest names the same files in the same order: addresses may
    /// differ, as signatures in them do.
    pub(super) fn outline(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.time.as_bytes());
        for file in &self.files {
            digest.update(format!("|{} {:?} {:?}", file.name, file.holds, file.count));
        }
        digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn file(
    row: &Part,
    (list, at): (&str, usize),
    token: bool,
    plan: &BulkPlan,
) -> Result<File, Fault> {
    let name = format!("{list}[{at}]");
    let wrong = |why: &str| Fault::new(W2383).because(format!("`{name}`: {why}"));
    let kind = row.get("type").and_then(Part::as_str).and_then(tables::type_name);
    let holds = match (list, kind) {
        ("output", Some(kind)) if tables::is_resource(kind) => Holds::Resources(kind),
        ("output", _) => return Err(wrong("`type` is no type of resource of R4")),
        ("deleted", _) => Holds::Deleted,
        _ => Holds::Errors,
    };
    let url = row.get("url").and_then(Part::as_str).ok_or_else(|| wrong("no `url`"))?;
    let address = Address::resolve(url, &plan.server.url);
    let address = address.ok_or_else(|| wrong("`url` is none that can be read"))?;
    let count = row.get("count").and_then(Part::as_u64);
    let shows = leave(&address, token, plan).map_err(|fault| {
        let cause = format!("`{name}` lies on {}", fault.cause().unwrap_or_default());
        fault.because(cause)
    })?;
    Ok(File { name, holds, at: address, shows, count })
}

/// Whether an address may be read, and showing who weir is. A password is for the server's
/// own files in any case: a manifest speaks of tokens only.
///
/// # Errors
/// `W2384` where it may not be read; its cause is the server.
pub(super) fn leave(at: &Address, token: bool, plan: &BulkPlan) -> Result<bool, Fault> {
    let named =
        |urls: &[crate::ports::http::Url]| urls.iter().any(|url| url.same_origin(&at.origin));
    if at.origin.same_origin(&plan.server.url) {
        return Ok(token || matches!(plan.server.auth, Auth::Basic { .. }));
    }
    if named(&plan.token_hosts) {
        return Ok(token);
    }
    if named(&plan.hosts) {
        return Ok(false);
    }
    Err(Fault::new(W2384).because(at.origin.to_string()))
}
