//! Small messages that wait at the same time leave together, as entries of one batch.
//!
//! Each lane comes with one message at a time, so two of one lane are never in one batch: its
//! entries are independent, and nothing says which is done first. Whoever has the turn waits
//! for others to join, takes what is there, sends it over its own connection, and tells each
//! what the server said of its entry. A lane that gives up takes its message back while that
//! still waits; when the one that sends is broken off, the others hear that, and try again.
//! Nothing is spawned: the lanes do all of it.
//!
//! Source: FHIR R4 http.html#transaction, batch processing rules.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use tokio::sync::{Notify, oneshot};

use crate::base::Timestamp;
use crate::destination::DeliveryError;
use crate::fault::{Fault, codes::*};
use crate::fhir::{self, Builder, Doc, Node, rest};
use crate::ports::Clock;
use crate::ports::http::Answer;
use crate::settings::{Key, KeyRow, Shape, Table};

/// Largest message that goes with others, in bytes: a larger one gains nothing by company.
pub(super) const PART_BYTES_MAX: usize = 256 << 10;

/// Largest sum of what goes together: what common servers take without a change of settings.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Most messages of one batch: as many as a destination may have lanes.
const MAX_MAX: u32 = 256;

/// Longest wait for others: longer, and senders who wait for delivery notice.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Failed attempts after which a message goes alone: whatever fails in company then says why.
pub(super) const ALONE_AFTER: u32 = 2;

/// How small messages leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// Most messages of one batch, from 2.
    pub max: u32,
    /// Longest wait for others.
    pub wait: Duration,
}

impl Default for BatchPlan {
    /// At most 50, and 50 ms.
    fn default() -> Self {
        Self { max: 50, wait: Duration::from_millis(50) }
    }
}

const MAX: Key<u32> =
    Key::new("max", "a whole number from 2 to 256", "Most messages of one batch.").default("50");
const WAIT: Key<Duration> = Key::new(
    "wait",
    "a duration such as `200ms`, at most `5s`",
    "Longest wait of a message for others.",
)
.default("50ms");

/// Row of `batch`.
pub(super) const ROW: KeyRow = KeyRow::of(
    "batch",
    "Sends small messages of different lanes together as one Bundle of type `batch`, for servers \
     that are far away; `parallel` is `max` then, where nothing else is said.",
    Shape::Table(&[MAX.row(), WAIT.row()]),
);

/// Reads `batch`.
pub(super) fn read(table: &mut Table<'_>) -> Option<BatchPlan> {
    let mut table = table.table("batch")?;
    let default = BatchPlan::default();
    let max = table.spanned(&MAX);
    let wait = table.spanned(&WAIT);
    if let Some(max) = max.as_ref().filter(|max| !(2..=MAX_MAX).contains(&max.value)) {
        let cause = format!("expected a whole number from 2 to {MAX_MAX}");
        table.error(Fault::new(W1021).because(cause), &max.span);
    }
    if let Some(wait) = wait.as_ref().filter(|w| w.value.is_zero() || w.value > WAIT_MAX) {
        let fault = Fault::new(W1021).because("expected more than nothing and at most `5s`");
        table.error(fault, &wait.span);
    }
    table.finish();
    let max = max.map_or(default.max, |max| max.value);
    Some(BatchPlan { max, wait: wait.map_or(default.wait, |wait| wait.value) })
}

/// A message as an entry of a batch.
#[derive(Clone)]
pub(super) struct Part {
    pub method: &'static str,
    /// Below the base.
    pub url: String,
    pub conditions: Vec<(HeaderName, String)>,
    pub resource: Option<Doc>,
    /// Size of the resource.
    pub bytes: usize,
}

impl Part {
    /// What it writes, where two of a kind would not be independent.
    fn key(&self) -> Option<String> {
        let condition = self.conditions.iter().find(|(name, _)| name == "if-none-exist");
        match (self.method, condition) {
            ("POST", None) => None,
            ("POST", Some((_, search))) => Some(format!("{}?{search}", self.url)),
            _ => Some(self.url.clone()),
        }
    }

    fn write(&self, out: &mut Builder) {
        out.start_object();
        if let Some(resource) = &self.resource {
            out.name("resource").node(resource.root());
        }
        out.name("request").start_object();
        out.member("method", self.method).member("url", &self.url);
        for (name, value) in &self.conditions {
            let member = if *name == IF_MATCH { "ifMatch" } else { "ifNoneExist" };
            out.member(member, value);
        }
        out.end_object().end_object();
    }
}

/// The Bundle of some messages.
pub(super) fn bundle<'p>(parts: impl Iterator<Item = &'p Part>) -> Doc {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "batch");
    out.name("entry").start_array();
    parts.for_each(|part| part.write(&mut out));
    out.end_array().end_object();
    out.finish()
}

/// What became of a message in a batch.
pub(super) enum Told {
    /// What the server said of it, as if it had come alone.
    Answered(Box<Answer>),
    /// Nothing was carried out for all that is known.
    Failed(Box<DeliveryError>),
    /// It is sent by itself.
    Alone,
}

/// A message that waits, or is on its way in a batch.
pub(super) struct Joined {
    number: u64,
    since: Duration,
    pub part: Part,
    tell: oneshot::Sender<Told>,
}

impl Joined {
    /// Tells its lane; one that gave up hears nothing.
    pub(super) fn tell(self, told: Told) {
        let _ = self.tell.send(told);
    }
}

#[derive(Default)]
struct Waiting {
    next: u64,
    parts: VecDeque<Joined>,
}

/// What the lanes of one destination gather in. Holds at most one message for each lane.
#[derive(Default)]
pub(super) struct Gathering {
    waiting: Mutex<Waiting>,
    /// Whose turn it is to gather.
    turn: tokio::sync::Mutex<()>,
    grew: Notify,
    lanes: AtomicUsize,
}

/// A place among those who wait, given up when it goes.
pub(super) struct Ticket {
    gathering: Arc<Gathering>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gathering.lock().parts.retain(|joined| joined.number != self.number);
    }
}

/// A lane that may join, for as long as it lives.
pub(super) struct Lane(Arc<Gathering>);

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.lanes.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gathering {
    /// One lane more.
    pub(super) fn lane(self: &Arc<Self>) -> Lane {
        self.lanes.fetch_add(1, Ordering::AcqRel);
        Lane(self.clone())
    }

    /// Puts a message in line.
    pub(super) fn join(
        self: &Arc<Self>,
        part: Part,
        clock: &dyn Clock,
    ) -> (Ticket, oneshot::Receiver<Told>) {
        let (tell, told) = oneshot::channel();
        let number = {
            let mut waiting = self.lock();
            let number = waiting.next;
            waiting.next += 1;
            waiting.parts.push_back(Joined { number, since: clock.monotonic(), part, tell });
            number
        };
        self.grew.notify_one();
        (Ticket { gathering: self.clone(), number }, told)
    }

    /// Waits for the turn, then for others, and takes what goes together; nothing when the
    /// message of the ticket was taken by another meanwhile.
    pub(super) async fn gather(
        &self,
        ticket: &Ticket,
        plan: BatchPlan,
        clock: &dyn Clock,
    ) -> Vec<Joined> {
        let _turn = self.turn.lock().await;
        loop {
            let mut grew = pin!(self.grew.notified());
            grew.as_mut().enable();
            let (count, since) = {
                let waiting = self.lock();
                if !waiting.parts.iter().any(|joined| joined.number == ticket.number) {
                    return Vec::new();
                }
                let since = waiting.parts.front().map_or(Duration::ZERO, |first| first.since);
                (waiting.parts.len(), since)
            };
            // When every lane waits nobody else can join.
            let max = usize::try_from(plan.max).unwrap_or(usize::MAX);
            let full = max.min(self.lanes.load(Ordering::Acquire));
            let left = plan.wait.saturating_sub(clock.monotonic().saturating_sub(since));
            if count >= full || left.is_zero() {
                return self.take(max);
            }
            tokio::select! {
                () = grew => {}
                () = clock.sleep(left) => {}
            }
        }
    }

    /// Takes the first in line, and those behind it that are independent of each other.
    fn take(&self, max: usize) -> Vec<Joined> {
        let mut waiting = self.lock();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        let (mut keys, mut bytes) = (HashSet::new(), 0);
        for joined in waiting.parts.drain(..) {
            let fits = taken.len() < max
                && (taken.is_empty() || bytes + joined.part.bytes <= BATCH_BYTES_MAX)
                && joined.part.key().is_none_or(|key| keys.insert(key));
            if fits {
                bytes += joined.part.bytes;
                taken.push(joined);
            } else {
                left.push_back(joined);
            }
        }
        waiting.parts = left;
        taken
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a message is not known to have been carried out.
pub(super) fn unanswered(cause: &'static str) -> Told {
    Told::Failed(Box::new(Fault::new(W7310).because(cause).into()))
}

/// Whether a server that answers a batch so would rather see its messages one by one: it
/// takes no batches, or one of the messages spoils the others.
pub(super) const fn asks_for_each(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 409 | 410 | 412 | 413 | 415 | 422 | 501)
}

/// Tells each message what the answer to its batch says of it. Entries answer by their order
/// alone: where one is missing or too many nobody knows whose the others are, and each message
/// counts as unanswered.
///
/// Source: FHIR R4 http.html#transaction-response.
pub(super) fn tell_each(answer: &Answer, all: Vec<Joined>) {
    let doc = answer.body.as_ref().and_then(|body| match fhir::is_xml(body) {
        true => Doc::parse_xml(body.clone()).ok(),
        false => Doc::parse_json(body.clone()).ok(),
    });
    let root = doc.as_ref().map(Doc::root).filter(|root| {
        let own = root.get("type");
        own.and_then(|own| own.string()).as_deref() == Some("batch-response")
    });
    let entries = root.and_then(|root| root.get("entry"));
    let entries: Vec<Node<'_>> = entries.iter().flat_map(Node::items).collect();
    let cause = match root {
        None => "the answer is no Bundle of type `batch-response`",
        Some(_) => "the answer has not one entry for each that was sent",
    };
    if entries.len() != all.len() {
        all.into_iter().for_each(|joined| joined.tell(unanswered(cause)));
        return;
    }
    for (joined, entry) in all.into_iter().zip(&entries) {
        joined.tell(match said_of(entry, &answer.headers) {
            Some(answer) => Told::Answered(Box::new(answer)),
            None => unanswered("the answer says nothing of this entry"),
        });
    }
}

/// The entry of an answer as the answer to a request of its own.
fn said_of(entry: &Node<'_>, outer: &HeaderMap) -> Option<Answer> {
    let response = entry.get("response")?;
    let text = |name: &str| response.get(name)?.string();
    let status = text("status")?.get(..3)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    };
    put(LOCATION, text("location").map(|text| text.to_string()));
    put(ETAG, text("etag").map(|text| text.to_string()));
    let date = text("lastModified").and_then(|at| Timestamp::parse(&at));
    put(LAST_MODIFIED, date.map(rest::http_date));
    if let Some(wait) = outer.get(RETRY_AFTER) {
        headers.insert(RETRY_AFTER, wait.clone());
    }
    let body = entry.get("resource").or_else(|| response.get("outcome"));
    let body = body.map(|node| node.json().into_owned().into()).unwrap_or_default();
    Some(Answer { status, headers, body: Some(body) })
}
