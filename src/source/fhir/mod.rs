//! The source `fhir`: a FHIR R4 endpoint over HTTP/1.1 and HTTP/2.
//!
//! `serve` owns connections, `request` reads what came, `route` finds what is asked, `write`
//! turns a write into an arrival and its answer into HTTP, `read` serves from a record store,
//! `bulk` takes NDJSON line by line, `metadata` and `status` say what the channel offers and
//! how a message stands, `answer` writes. A write is a message like any other: the intake
//! decides and commits it, and no answer to it leaves before.

pub(in crate::source) mod answer;
pub mod auth;
mod bulk;
pub(in crate::source) mod content;
pub(in crate::source) mod gzip;
mod heard;
mod metadata;
mod patience;
mod read;
pub(in crate::source) mod request;
mod returned;
mod route;
pub(in crate::source) mod serve;
mod status;
#[cfg(test)]
mod tests;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::common::{ALLOW_ROW, Common, TLS_ROW};
use crate::base::DestinationName;
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1021};
use crate::ports::http::Url;
use crate::settings::{Key, KindRow, Table, Word};

use auth::GuardPlan;

pub(super) use serve::bind;

/// When the answer to a write leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyWhen {
    /// The pipeline has run and the result is on disk: 202, and an address that tells more.
    #[default]
    AfterCommit,
    /// The destination that answers has it: what it said.
    AfterDelivery,
}

/// The keys of the source `fhir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirPlan {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Path of the base, such as `/fhir`; empty for the root.
    pub path: Arc<str>,
    /// Base as clients know it; `None`: as each request says.
    pub public_url: Option<Url>,
    /// When the answer leaves (for the intake).
    pub reply: ReplyWhen,
    /// The destination whose answer is handed on; `None`: the first that keeps records, else
    /// the first of the file.
    pub reply_from: Option<DestinationName>,
    /// Clients that may ask what became of messages of others, by name.
    pub operators: Vec<Arc<str>>,
    /// Who may call, and how often.
    pub guard: GuardPlan,
    /// The collection of a record store that reads are served from.
    pub records: Option<Arc<str>>,
    /// Longest time for the body of a request, or for one line of NDJSON.
    pub body_timeout: Duration,
    /// Longest silence on a connection, and longest time for the head of a request.
    pub idle_timeout: Duration,
    /// Longest time a peer may leave an answer unread.
    pub write_timeout: Duration,
    /// Most connections at a time.
    pub max_connections: u32,
}

impl FhirPlan {
    /// A plan with the default of every key that has one.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            path: PATH_DEFAULT.into(),
            public_url: None,
            reply: ReplyWhen::AfterCommit,
            reply_from: None,
            operators: Vec::new(),
            guard: GuardPlan::default(),
            records: None,
            body_timeout: BODY_TIMEOUT_DEFAULT,
            idle_timeout: IDLE_TIMEOUT_DEFAULT,
            write_timeout: WRITE_TIMEOUT_DEFAULT,
            max_connections: CONNECTIONS_DEFAULT,
        }
    }
}

const PATH_DEFAULT: &str = "/fhir";

/// A Bundle of `max_size` takes a second on any hospital network; slower ones are stuck.
const BODY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Longer than the pools of common clients keep a connection, so that these close first and
/// no request meets a connection that is just going.
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(75);

/// As long as most clients wait for an answer at all.
const WRITE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// More than any interface has.
const CONNECTIONS_DEFAULT: u32 = 1000;

impl Word for ReplyWhen {
    const WORDS: &'static [(&'static str, Self)] =
        &[("after-commit", Self::AfterCommit), ("after-delivery", Self::AfterDelivery)];
}

const LISTEN: Key<SocketAddr> = Key::new(
    "listen",
    "an address such as `0.0.0.0:9443`",
    "Address on which the channel takes connections.",
);
const PATH: Key<Arc<str>> =
    Key::new("path", "a path such as `/fhir`, or `/`", "Path of the base of the FHIR interface.")
        .default("/fhir");
const PUBLIC_URL: Key<Arc<str>> = Key::new(
    "public_url",
    "a URL such as `https://fhir.example/fhir`",
    "Base as clients know it, for the links of answers, where a proxy stands between.",
)
.default("as each request says");
const REPLY: Key<ReplyWhen> = Key::new(
    "reply",
    "`after-commit` or `after-delivery`",
    "Answer to a write: 202 with an address that tells what became of it, once it is on disk; \
     or what the destination answered that `reply_from` names, once it did.",
)
.default("after-commit");
const REPLY_FROM: Key<Arc<str>> = Key::new(
    "reply_from",
    "the name of a destination such as `store`",
    "Destination whose answer is handed on with `reply = \"after-delivery\"`; where a message is \
     not for it, the next answers. The others go on by themselves.",
)
.default("the first of type `records`, else the first of the channel");
const OPERATORS: Key<Vec<Arc<str>>> = Key::new(
    "operators",
    "a list of names of clients such as `[\"helpdesk\"]`",
    "Clients that may ask what became of messages of others; else each hears of its own alone.",
)
.default("none");
const RECORDS: Key<Arc<str>> = Key::new(
    "records",
    "the name of a collection such as `main`",
    "Collection of the record store that reads, searches and histories are served from.",
)
.default("that of the channel's own destination of type `records`");
const BODY_TIMEOUT: Key<Duration> = Key::new(
    "body_timeout",
    "a duration such as `30s`",
    "Longest time for the body of a request, or for one line of NDJSON.",
)
.default("30s");
const IDLE_TIMEOUT: Key<Duration> = Key::new(
    "idle_timeout",
    "a duration such as `75s`",
    "Longest silence on a connection, and longest time for the head of a request.",
)
.default("75s");
const WRITE_TIMEOUT: Key<Duration> = Key::new(
    "write_timeout",
    "a duration such as `30s`",
    "Longest time a peer may leave an answer unread.",
)
.default("30s");
const MAX_CONNECTIONS: Key<u32> = Key::new(
    "max_connections",
    "a whole number from 1",
    "Most connections at a time; further ones are closed at once.",
)
.default("1000");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "fhir",
    about: "Takes FHIR R4 over HTTP: resources, Bundles, messages and NDJSON; serves reads \
            where a record store stands behind.",
    keys: &[
        LISTEN.required().row(),
        PATH.row(),
        PUBLIC_URL.row(),
        ALLOW_ROW,
        TLS_ROW,
        REPLY.row(),
        REPLY_FROM.row(),
        OPERATORS.row(),
        auth::AUTH_ROW,
        auth::RATE_ROW,
        auth::BURST_ROW,
        auth::FAILURES_ROW,
        RECORDS.row(),
        BODY_TIMEOUT.row(),
        IDLE_TIMEOUT.row(),
        WRITE_TIMEOUT.row(),
        MAX_CONNECTIONS.row(),
    ],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>, common: &Common) -> Option<FhirPlan> {
    let listen = table.required(&LISTEN);
    let path = read_path(table);
    let public_url = table.spanned(&PUBLIC_URL).and_then(|found| match Url::parse(&found.value) {
        Ok(url) => Some(url),
        Err(fault) => {
            table.error(fault, &found.span);
            None
        }
    });
    let reply = table.or(&REPLY, ReplyWhen::AfterCommit);
    let reply_from = reply_from(table, reply);
    let tls = table.has("tls");
    let client_ca = common.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let guard = auth::read(table, auth::Around { listen, tls, client_ca });
    let operators = operators(table, guard.as_ref());
    let records = table.optional(&RECORDS);
    let mut positive = |key: &Key<Duration>, default| match table.spanned(key) {
        Some(found) if found.value.is_zero() => {
            table.error(Fault::new(W1021).because("expected more than nothing"), &found.span);
            default
        }
        found => found.map_or(default, |found| found.value),
    };
    let body_timeout = positive(&BODY_TIMEOUT, BODY_TIMEOUT_DEFAULT);
    let idle_timeout = positive(&IDLE_TIMEOUT, IDLE_TIMEOUT_DEFAULT);
    let write_timeout = positive(&WRITE_TIMEOUT, WRITE_TIMEOUT_DEFAULT);
    let max_connections = match table.spanned(&MAX_CONNECTIONS) {
        Some(most) if most.value == 0 => {
            table.error(Fault::new(W1021).because("expected at least 1"), &most.span);
            CONNECTIONS_DEFAULT
        }
        most => most.map_or(CONNECTIONS_DEFAULT, |most| most.value),
    };
    Some(FhirPlan {
        listen: listen?,
        path: path?,
        public_url,
        reply,
        reply_from,
        operators,
        guard: guard?,
        records,
        body_timeout,
        idle_timeout,
        write_timeout,
        max_connections,
    })
}

/// Whether the channel has such a destination, its other settings tell.
fn reply_from(table: &mut Table<'_>, reply: ReplyWhen) -> Option<DestinationName> {
    let found = table.spanned(&REPLY_FROM)?;
    if reply == ReplyWhen::AfterCommit {
        let cause = "nobody waits for an answer without `reply = \"after-delivery\"`";
        table.error(Fault::new(W1011).because(cause), &found.span);
    }
    match DestinationName::parse(&found.value) {
        Ok(name) => Some(name),
        Err(error) => {
            table.error(Fault::new(W1011).because(error.to_string()), &found.span);
            None
        }
    }
}

fn operators(table: &mut Table<'_>, guard: Option<&GuardPlan>) -> Vec<Arc<str>> {
    let Some(found) = table.spanned(&OPERATORS) else { return Vec::new() };
    let unknown = found.value.iter().find(|name| guard.is_some_and(|g| !g.may_be(name)));
    if let Some(name) = unknown {
        let cause = format!("`auth` lets in no client `{name}`");
        table.error(Fault::new(W1011).because(cause), &found.span);
    }
    found.value
}

/// The path of the base without a slash at its end.
fn read_path(table: &mut Table<'_>) -> Option<Arc<str>> {
    let Some(found) = table.spanned(&PATH) else { return Some(PATH_DEFAULT.into()) };
    let path = found.value.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_' | b'~');
    let steps = || path.split('/').skip(1);
    let whole = steps().all(|step| !step.is_empty() && step.bytes().any(|b| b != b'.'));
    let begins = found.value.starts_with('/');
    if !begins || !path.bytes().all(plain) || !whole {
        let cause = "a path begins with `/` and has letters, digits, `-`, `.`, `_` and `~`";
        table.error(Fault::new(W1011).because(cause), &found.span);
        return None;
    }
    Some(path.into())
}
