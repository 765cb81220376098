//! The source `fhir-bulk`: what its settings say.
//!
//! Source: Bulk Data Access IG v2.0.0, export; v1.0.1 is a part of it.

use std::sync::Arc;
use std::time::Duration;

use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1021};
use crate::fhir::{rest, tables};
use crate::ports::fhir::{self, Server};
use crate::ports::http::Url;
use crate::ports::tls;
use crate::settings::{Key, KeyRow, KindRow, Setting, Shape, Spanned, Table, Value, Wrong};

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// All that the server has.
    System,
    /// All of every patient.
    Patient,
    /// All of the patients of a group.
    Group(rest::Id),
}

impl Export {
    /// Path of the operation below the base.
    pub(super) fn path(&self) -> String {
        match self {
            Self::System => "$export".to_owned(),
            Self::Patient => "Patient/$export".to_owned(),
            Self::Group(id) => format!("Group/{}/$export", id.as_str()),
        }
    }
}

impl Setting for Export {
    fn schema() -> serde_json::Value {
        serde_json::json!({
            "type": "string",
            "pattern": "^(system|patient|group/[A-Za-z0-9.-]{1,64})$"
        })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        match value.as_str().ok_or_else(Wrong::kind)? {
            "system" => Ok(Self::System),
            "patient" => Ok(Self::Patient),
            text => {
                let id = text.strip_prefix("group/").and_then(rest::Id::parse);
                let wrong = || Wrong::from("expected `system`, `patient` or `group/ID`");
                id.map(Self::Group).ok_or_else(wrong)
            }
        }
    }
}

/// The keys of the source `fhir-bulk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkPlan {
    /// The server that exports.
    pub server: Server,
    /// What is exported.
    pub export: Export,
    /// Types that are asked for; empty: all.
    pub types: Vec<Arc<str>>,
    /// Searches that narrow types down: `Observation?status=final`.
    pub filters: Vec<Arc<str>>,
    /// Time from the begin of an export to that of the next; `None`: one at each start.
    pub every: Option<Duration>,
    /// From when on the first export asks, as an instant; `None`: everything.
    pub since: Option<Arc<str>>,
    /// Longest time until the manifest is there, and then from a line to the next.
    pub timeout: Duration,
    /// Other servers from which files may be read, without showing who weir is.
    pub hosts: Vec<Url>,
    /// Other servers from which files may be read, showing who weir is where the manifest
    /// asks for it.
    pub token_hosts: Vec<Url>,
}

impl BulkPlan {
    /// A plan with the default of every key that has one.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            server: Server { url, tls: None, auth: fhir::Auth::None },
            export: Export::System,
            types: Vec::new(),
            filters: Vec::new(),
            every: None,
            since: None,
            timeout: TIMEOUT_DEFAULT,
            hosts: Vec::new(),
            token_hosts: Vec::new(),
        }
    }
}

/// A night and a day: whole hospitals take hours.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// Asking more often would keep a server busy with exports.
const EVERY_MIN: Duration = Duration::from_secs(1);

pub(super) const URL: Key<Arc<str>> =
    Key::new("url", "a URL such as `https://fhir.example/r4`", "Base of the FHIR server.");
const EXPORT: Key<Export> = Key::new(
    "export",
    "`system`, `patient` or `group/ID`",
    "What is exported: all that the server has, all of its patients, or all of a group of them.",
)
.default("system");
const TYPES: Key<Vec<Arc<str>>> = Key::new(
    "types",
    "a list of types such as `[\"Patient\", \"Observation\"]`",
    "Types of resources that are asked for.",
)
.default("all");
const FILTERS: Key<Vec<Arc<str>>> = Key::new(
    "filters",
    "a list of searches such as `[\"Observation?status=final\"]`",
    "Searches that narrow types down, for servers that know `_typeFilter`.",
)
.default("none");
const EVERY: Key<Duration> = Key::new(
    "every",
    "a duration such as `1h`, at least `1s`",
    "Time from the begin of an export to that of the next. Without it one is pulled at each \
     start of the channel. Resuming a paused source begins one at once.",
)
.default("none");
const SINCE: Key<Arc<str>> = Key::new(
    "since",
    "a date such as `2026-01-01`, or an instant such as `2026-01-01T08:00:00Z`",
    "From when on the first export asks for changes. Each later one asks from the time that the \
     server named for the one before.",
)
.default("everything");
const TIMEOUT: Key<Duration> = Key::new(
    "timeout",
    "a duration such as `24h`",
    "Longest time that the server may take until an export is there, and then from a line of its \
     files that is taken to the next.",
)
.default("24h");
const HOSTS: Key<Vec<Arc<str>>> = Key::new(
    "hosts",
    "a list of servers such as `[\"https://files.example\"]`",
    "Other servers from which files of an export may be read; they are not told who weir is.",
)
.default("none");
const TOKEN_HOSTS: Key<Vec<Arc<str>>> = Key::new(
    "token_hosts",
    "a list of servers such as `[\"https://files.example\"]`",
    "Other servers from which files may be read and that are shown the same token, where the \
     manifest says that they ask for it.",
)
.default("none");

/// The row of this kind.
pub(in crate::source) const ROW: KindRow = KindRow {
    name: "fhir-bulk",
    about: "Pulls exports of a FHIR server (Bulk Data API): what changed since the last one, a \
            message a resource.",
    keys: &[
        URL.required().row(),
        KeyRow::of(
            "tls",
            "Roots and client certificate for `https`; the roots of the machine without.",
            Shape::Table(tls::CLIENT_KEYS),
        ),
        fhir::AUTH_ROW,
        EXPORT.row(),
        TYPES.row(),
        FILTERS.row(),
        EVERY.row(),
        SINCE.row(),
        TIMEOUT.row(),
        HOSTS.row(),
        TOKEN_HOSTS.row(),
    ],
};

/// Reads the keys of this kind.
pub(in crate::source) fn read(table: &mut Table<'_>) -> Option<BulkPlan> {
    let server = read_server(table, "tls");
    let export = table.or(&EXPORT, Export::System);
    let types = table.spanned(&TYPES).map_or_else(Vec::new, |types| known_types(table, types));
    let filters = table.spanned(&FILTERS).map_or_else(Vec::new, |found| {
        let wrong = found.value.iter().find(|filter| !is_filter(filter));
        if let Some(wrong) = wrong {
            let cause = format!("`{wrong}` is no search such as `Observation?status=final`");
            table.error(Fault::new(W1011).because(cause), &found.span);
        }
        found.value
    });
    let every = bounded(table, &EVERY);
    let since = table.spanned(&SINCE).and_then(|found| {
        let instant = instant(&found.value);
        if instant.is_none() {
            let cause = "expected a date such as `2026-01-01`, or an instant with its zone";
            table.error(Fault::new(W1011).because(cause), &found.span);
        }
        instant
    });
    let timeout = bounded(table, &TIMEOUT).unwrap_or(TIMEOUT_DEFAULT);
    let hosts = origins(table, &HOSTS);
    let token_hosts = origins(table, &TOKEN_HOSTS);
    if let (Some(server), Some(found)) = (&server, table.spanned(&TOKEN_HOSTS)) {
        let open = |url: &&Url| server.url.https && !url.https;
        let cause = match (&server.auth, token_hosts.iter().find(open)) {
            (fhir::Auth::Basic { .. }, _) if !token_hosts.is_empty() => {
                Some("a password is for the server of `url` only; use `hosts`".to_owned())
            }
            (_, Some(open)) => {
                Some(format!("`{open}` would get the token in the clear; use `https`"))
            }
            _ => None,
        };
        if let Some(cause) = cause {
            table.error(Fault::new(W1011).because(cause), &found.span);
        }
    }
    Some(BulkPlan {
        server: server?,
        export,
        types,
        filters,
        every,
        since,
        timeout,
        hosts,
        token_hosts,
    })
}

/// Reads `url`, `auth` and the table of the client's side of TLS.
pub(super) fn read_server(table: &mut Table<'_>, tls: &str) -> Option<Server> {
    let url = table.required_spanned(&URL);
    let tls = tls::read_client_at(table, tls);
    let auth = fhir::read_auth(table);
    let url = url?;
    match Url::parse(&url.value) {
        Ok(url) => Some(Server { url, tls, auth: auth? }),
        Err(fault) => {
            table.error(fault, &url.span);
            None
        }
    }
}

pub(super) fn bounded(table: &mut Table<'_>, key: &Key<Duration>) -> Option<Duration> {
    let found = table.spanned(key)?;
    if found.value < EVERY_MIN {
        table.error(Fault::new(W1021).because("expected at least 1s"), &found.span);
    }
    Some(found.value)
}

fn known_types(table: &mut Table<'_>, types: Spanned<Vec<Arc<str>>>) -> Vec<Arc<str>> {
    if let Some(wrong) = types.value.iter().find(|name| !tables::is_resource(name)) {
        let cause = format!("`{wrong}` is no type of resource of R4");
        table.error(Fault::new(W1011).because(cause), &types.span);
    }
    types.value
}

/// Whether a text is a type and a search.
pub(super) fn is_filter(text: &str) -> bool {
    let Some((kind, search)) = text.split_once('?') else { return false };
    tables::is_resource(kind) && rest::Query::parse(search).is_ok_and(|query| !query.is_empty())
}

/// A date or instant as an instant.
pub(super) fn instant(text: &str) -> Option<Arc<str>> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse(&whole).map(|_| whole.into())
}

/// Servers without a path.
fn origins(table: &mut Table<'_>, key: &Key<Vec<Arc<str>>>) -> Vec<Url> {
    let Some(found) = table.spanned(key) else { return Vec::new() };
    let mut urls = Vec::new();
    for text in &found.value {
        match Url::parse(text) {
            Ok(url) if url.path.is_empty() => urls.push(url.origin()),
            Ok(_) => {
                let cause = format!("`{text}` has a path; the whole server is allowed or not");
                table.error(Fault::new(W1011).because(cause), &found.span);
            }
            Err(fault) => table.error(fault, &found.span),
        }
    }
    urls
}
