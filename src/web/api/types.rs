//! What the API says and takes: views of their own, so that no record of the core is shown
//! by accident. `weir` the command reads and writes exactly these.
//!
//! Every answer carries `schema: weir.NAME.v1`. Times are RFC 3339 in UTC. Within a version
//! members are only added; readers ignore what they do not know. No content of messages
//! stands here but in [`ContentView`], [`RecordView`] and
//! [`RecordPageView`], whose requests are audited.

use serde::{Deserialize, Serialize};

pub use super::record_types::{
    RecordPageQuery, RecordPageView, RecordQuery, RecordView, RecordsView, ShelfView,
};

/// The schema names of answers.
pub mod schema {
    /// [`super::StatusView`].
    pub const STATUS: &str = "weir.status.v1";
    /// [`super::ChannelsView`].
    pub const CHANNELS: &str = "weir.channels.v1";
    /// [`super::ChannelView`].
    pub const CHANNEL: &str = "weir.channel.v1";
    /// [`super::QueueView`].
    pub const QUEUE: &str = "weir.queue.v1";
    /// [`super::PlannedView`].
    pub const PLANNED: &str = "weir.planned.v1";
    /// [`super::DoneView`].
    pub const DONE: &str = "weir.done.v1";
    /// [`super::LedgerView`].
    pub const LEDGER: &str = "weir.ledger.v1";
    /// [`super::TraceView`].
    pub const TRACE: &str = "weir.trace.v1";
    /// [`super::ContentView`].
    pub const CONTENT: &str = "weir.content.v1";
    /// [`super::ReloadView`].
    pub const RELOAD: &str = "weir.reload.v1";
    /// [`super::EventView`].
    pub const EVENT: &str = "weir.event.v1";
    /// [`super::ConsentsView`].
    pub const CONSENTS: &str = "weir.consents.v1";
    /// [`super::RecordsView`].
    pub const RECORDS: &str = "weir.records.v1";
    /// [`super::RecordView`].
    pub const RECORD: &str = "weir.record.v1";
    /// [`super::RecordPageView`].
    pub const RECORD_PAGE: &str = "weir.record-page.v1";
    /// [`super::OkView`].
    pub const OK: &str = "weir.ok.v1";
}

/// An error: `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `https://weir.invalid/errors/W6905`: a name, not an address.
    #[serde(rename = "type")]
    pub kind: String,
    /// The phrase of the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Place and cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The code, such as `W6905`.
    pub code: String,
    /// The phrase of the code.
    pub phrase: String,
    /// What to type or change.
    pub help: String,
}

/// `GET /api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// `weir.status.v1`.
    pub schema: String,
    /// Version of weir.
    pub version: String,
    /// `[weir] site`.
    pub site: String,
    /// Configuration in force.
    pub revision: String,
    /// When the engine came up.
    pub started: String,
    /// Now, by the engine's clock.
    pub now: String,
    /// Whether it takes messages on every channel that should.
    pub ready: bool,
    /// Channels that run.
    pub running: usize,
    /// Channels configured and enabled.
    pub channels: usize,
    /// Deliveries waiting.
    pub waiting: u64,
    /// Deliveries held.
    pub held: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages without an end state; anything but 0 is a loss.
    pub unaccounted: i64,
    /// Arrival of the oldest waiting message.
    pub oldest: Option<String>,
    /// The store.
    pub store: StoreView,
    /// The channels, by name.
    pub list: Vec<ChannelView>,
    /// What waits for destinations that no channel has; counted in `waiting` and `held`.
    #[serde(default)]
    pub stranded: Vec<StrandedView>,
}

/// Deliveries that wait for a destination that no channel has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrandedView {
    /// The channel they came by.
    pub channel: String,
    /// The destination they are for.
    pub destination: String,
    /// Waiting.
    pub waiting: u64,
    /// Held.
    pub held: u64,
    /// Arrival of the oldest waiting message.
    pub oldest: Option<String>,
}

/// The store in `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreView {
    /// Bytes of the journal.
    pub bytes: u64,
    /// Free bytes on its disk.
    pub free_bytes: u64,
    /// `[store] min_free`.
    pub min_free: u64,
    /// `free`, `low` or `full`.
    pub disk: String,
    /// Position of the last entry.
    pub last_position: u64,
    /// Segment files.
    pub segments: u64,
    /// Whether the journal is sealed at rest.
    pub sealed: bool,
}

/// `GET /api/v1/channels`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelsView {
    /// `weir.channels.v1`.
    pub schema: String,
    /// By name.
    pub channels: Vec<ChannelView>,
}

/// `GET /api/v1/channels/NAME`, and a row of lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelView {
    /// `weir.channel.v1`.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `running`, `paused`, `draining`, `drained`, `failed`, `stopped` or `disabled`.
    pub state: String,
    /// Why it is paused: `by uid:1000: maintenance`.
    pub paused: Option<String>,
    /// Why it failed.
    pub fault: Option<FaultView>,
    /// Its tags.
    pub tags: Vec<String>,
    /// One sentence about it.
    pub about: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Type of its source.
    pub source: String,
    /// Address it listens on.
    pub listen: Option<String>,
    /// Open connections.
    pub connections: u64,
    /// When the last message came.
    pub last_received: Option<String>,
    /// Messages received since the start.
    pub received: u64,
    /// Configuration that handles its messages.
    pub revision: String,
    /// Its destinations, in the order of the file.
    pub destinations: Vec<DestinationView>,
}

/// One destination of a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DestinationView {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Where it sends to.
    pub target: String,
    /// `up`, `down` or `paused`.
    pub state: String,
    /// Why it is paused.
    pub paused: Option<String>,
    /// Since when it is down.
    pub down_since: Option<String>,
    /// The last failure.
    pub last_fault: Option<FaultView>,
    /// When that was.
    pub last_fault_at: Option<String>,
    /// When the last delivery was confirmed.
    pub last_delivered: Option<String>,
    /// Deliveries confirmed since the start.
    pub delivered: u64,
    /// Deliveries waiting.
    pub waiting: u64,
    /// Of these, between attempts.
    pub retrying: u64,
    /// Deliveries held.
    pub held: u64,
    /// Dead letters.
    pub dead: u64,
    /// Arrival of the oldest waiting message.
    pub oldest: Option<String>,
    /// When the next attempt is due.
    pub next_try: Option<String>,
    /// Upper bound of the 95th percentile of delivery, in milliseconds.
    pub p95_ms: Option<f64>,
}

/// A fault: code, phrase, place, cause, help. Never a value of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// `W7101`.
    pub code: String,
    /// The phrase of the code.
    pub phrase: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Why, in our words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to type or change.
    pub help: String,
}

/// Body of `POST /api/v1/channels/NAME/{pause,resume,drain}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelAction {
    /// `source`, `all` or the name of a destination; `drain` takes none.
    #[serde(default)]
    pub target: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Query of `GET /api/v1/queue`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueQuery {
    /// Filter; empty: all deliveries that wait, are held or dead.
    pub q: String,
    /// Control ID, taken as it is, whatever characters it has.
    pub control: Option<String>,
    /// Most rows; default 100, at most 1000.
    pub limit: Option<usize>,
    /// `next` of the answer before.
    pub after: Option<u64>,
}

/// `GET /api/v1/queue`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// `weir.queue.v1`.
    pub schema: String,
    /// The deliveries.
    pub rows: Vec<QueueRowView>,
    /// For `after`, when there are more.
    pub next: Option<u64>,
}

/// One delivery in a list; metadata only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRowView {
    /// Message id.
    pub message: String,
    /// Channel.
    pub channel: String,
    /// Destination.
    pub destination: String,
    /// `waiting`, `held`, `delivered`, `filtered`, `denied`, `skipped` or `dead`.
    pub state: String,
    /// Message type.
    #[serde(rename = "type")]
    pub message_type: String,
    /// Lane, 16 hexadecimal digits; it names no patient.
    pub lane: String,
    /// Attempts made.
    pub attempts: u32,
    /// When the message came.
    pub received: String,
    /// When the next attempt is due; for waiting ones that failed.
    pub next_try: Option<String>,
    /// Code of the last fault.
    pub code: Option<String>,
    /// Place in the queue.
    pub position: u64,
}

/// Body of `POST /api/v1/queue/{retry,skip,hold,release}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueActionBody {
    /// Filter; must not be empty.
    pub q: String,
    /// Why; needed for `skip`.
    #[serde(default)]
    pub reason: String,
    /// Answer with the plan and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Body of `POST /api/v1/replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayBody {
    /// Filter; must not be empty.
    pub q: String,
    /// Destination to send to; `all`, or none where the filter names destinations by `dest:`:
    /// each delivery to its own.
    #[serde(default)]
    pub to: Option<String>,
    /// `then` (default): the body it had; `now`: mapped anew.
    #[serde(default)]
    pub config: Option<String>,
    /// Most messages a second; none: as fast as the store takes them.
    #[serde(default)]
    pub rate: Option<u32>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Answer with the plan and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an action would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedView {
    /// `weir.planned.v1`.
    pub schema: String,
    /// Deliveries it concerns.
    pub count: u64,
    /// Channels they belong to.
    pub channels: Vec<String>,
    /// Destinations they go to.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// Arrival of the oldest message.
    pub oldest: Option<String>,
    /// Arrival of the newest.
    pub newest: Option<String>,
}

/// What an action did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneView {
    /// `weir.done.v1`.
    pub schema: String,
    /// Deliveries it was done to.
    pub done: u64,
    /// Those it was not done to, with the reason; at most 100.
    pub failed: Vec<FailedView>,
    /// How many it was not done to.
    pub failed_count: u64,
}

/// A delivery an action was not done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedView {
    /// Message id.
    pub message: String,
    /// Destination.
    pub destination: String,
    /// Why.
    pub fault: FaultView,
}

/// Query of `GET /api/v1/ledger`, `GET /api/v1/events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterQuery {
    /// Filter; empty: all.
    pub q: String,
}

/// `GET /api/v1/ledger`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// `weir.ledger.v1`.
    pub schema: String,
    /// A row a destination.
    pub rows: Vec<LedgerRowView>,
    /// Sum of `unaccounted`.
    pub unaccounted: i64,
}

/// The ledger of one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRowView {
    /// Channel.
    pub channel: String,
    /// Destination.
    pub destination: String,
    /// Messages owed or decided in all.
    pub committed: u64,
    /// In the queue.
    pub waiting: u64,
    /// Kept back.
    pub held: u64,
    /// Confirmed by the peer.
    pub delivered: u64,
    /// Kept back by a condition.
    pub filtered: u64,
    /// Kept back by consent.
    pub denied: u64,
    /// Given up by a person.
    pub skipped: u64,
    /// Dead letters.
    pub dead: u64,
    /// Without a state; must be 0.
    pub unaccounted: i64,
}

/// Query of `GET /api/v1/trace`: one of `id`, `control`, `patient`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceQuery {
    /// Message id, or the beginning of one.
    pub id: Option<String>,
    /// Control ID.
    pub control: Option<String>,
    /// Patient identifier; needs a reason, is audited.
    pub patient: Option<String>,
    /// Most messages; default 100, at most 100.
    pub limit: Option<usize>,
    /// `next` of the answer before.
    pub after: Option<u64>,
    /// Why.
    pub reason: String,
}

/// `GET /api/v1/trace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// `weir.trace.v1`.
    pub schema: String,
    /// The messages, newest first, at most 100.
    pub messages: Vec<JourneyView>,
    /// Whether there are more.
    pub more: bool,
    /// For `after`, when there are more.
    #[serde(default)]
    pub next: Option<u64>,
}

/// The journey of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyView {
    /// Message id.
    pub message: String,
    /// Channel.
    pub channel: String,
    /// When it came.
    pub received: String,
    /// Type.
    #[serde(rename = "type")]
    pub message_type: String,
    /// HL7 version.
    pub version: String,
    /// Configuration that handled it.
    pub revision: String,
    /// Address it came from.
    pub peer: String,
    /// Who sent it: the name of the client, or the subject of its certificate.
    #[serde(default)]
    pub client: Option<String>,
    /// File batch it was split from.
    pub parent: Option<String>,
    /// Bytes; 0 when the content was removed.
    pub bytes: u64,
    /// Whether the content was removed because `keep.content` was over.
    #[serde(default)]
    pub content_removed: bool,
    /// SHA-256 of the bytes as they came, hexadecimal.
    pub digest: String,
    /// Acknowledgment code that the sender heard first; empty: none.
    pub ack: String,
    /// The application acknowledgment that followed a commit acknowledgment.
    #[serde(default)]
    pub application_ack: Option<String>,
    /// Code of the fault that the last of them told.
    #[serde(default)]
    pub ack_code: Option<String>,
    /// Why it was refused.
    pub fault: Option<FaultView>,
    /// The stages.
    pub steps: Vec<StepView>,
    /// One a destination.
    pub deliveries: Vec<TracedView>,
}

/// One stage of a journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// `parse`, `consent`, `map`, ..
    pub stage: String,
    /// For which destination.
    pub destination: Option<String>,
    /// Microseconds.
    pub micros: u32,
    /// What it found.
    pub note: Option<String>,
    /// Warnings: code and path.
    pub warnings: Vec<String>,
}

/// What became of a message at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedView {
    /// Destination.
    pub destination: String,
    /// State now.
    pub state: String,
    /// How it began: `deliver`, `filtered`, `denied`, `held` or `dead`.
    pub fate: String,
    /// Where the condition stands, the rule that decided, or the code.
    pub why: Option<String>,
    /// What happened since, in order.
    pub outcomes: Vec<OutcomeView>,
}

/// One outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeView {
    /// When.
    pub at: String,
    /// `delivered`, `retry`, `dead`, `denied`, `skipped`, `held`, `released` or `requeued`.
    pub what: String,
    /// Attempts made.
    pub attempts: u32,
    /// Receipt, code, rule or next try, in one line.
    pub detail: Option<String>,
    /// Who, where a person acted.
    pub by: Option<String>,
}

/// Query of `GET /api/v1/messages/ID/content`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContentQuery {
    /// `original` (default) or the name of a destination.
    pub which: String,
    /// What for; needed.
    pub purpose: String,
    /// Why; needed.
    pub reason: String,
}

/// `GET /api/v1/messages/ID/content`: patient data, audited.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentView {
    /// `weir.content.v1`.
    pub schema: String,
    /// Message id.
    pub message: String,
    /// `original` or the destination.
    pub which: String,
    /// Media type.
    pub media_type: String,
    /// The content, where it is UTF-8.
    pub text: Option<String>,
    /// The content in base64, where it is not.
    pub base64: Option<String>,
}

impl std::fmt::Debug for ContentView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContentView({}, {}, <phi>)", self.message, self.which)
    }
}

/// Body of `POST /api/v1/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// Answer with the plan and change nothing.
    #[serde(default)]
    pub plan_only: bool,
    /// The check of whoever asks refused it already: what is wrong is counted and logged,
    /// and nothing is put in force.
    #[serde(default)]
    pub refused: bool,
    /// Give up what waits for destinations that go.
    #[serde(default)]
    pub drop_waiting: bool,
    /// Destination that gets what waits for destinations that go: `DESTINATION` of the same
    /// channel, or `CHANNEL/DESTINATION`; with `OLD=` before it for what waits for one of them,
    /// and several of these with commas between.
    #[serde(default)]
    pub adopt: Option<String>,
    /// Why; needed with `drop_waiting`.
    #[serde(default)]
    pub reason: String,
}

/// `POST /api/v1/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// `weir.reload.v1`.
    pub schema: String,
    /// Configuration before.
    pub from: String,
    /// Configuration after.
    pub to: String,
    /// Whether it is in force now.
    pub applied: bool,
    /// What changes.
    pub changes: Vec<ChangeView>,
    /// Problems of the new files, drawn for people; errors mean that nothing changed.
    pub problems: Vec<String>,
}

/// One change of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// Channel; empty: the server.
    pub channel: String,
    /// `added`, `removed` or `changed`.
    pub what: String,
    /// What of it, such as `listener kept`, `destination ehr`.
    pub details: Vec<String>,
}

/// One line of `GET /api/v1/events` (`application/x-ndjson`): the members of a log line
/// and `schema`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventView {
    /// `weir.event.v1`.
    pub schema: String,
    /// When.
    pub ts: String,
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// Stable name.
    pub event: String,
    /// For people.
    pub msg: String,
    /// Channel.
    pub channel: Option<String>,
    /// Destination.
    pub destination: Option<String>,
    /// Message id.
    pub message_id: Option<String>,
    /// Message type.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
    /// Attempt.
    pub attempt: Option<u32>,
    /// Stage.
    pub stage: Option<String>,
    /// State after it.
    pub state: Option<String>,
    /// Code.
    pub code: Option<String>,
    /// Milliseconds.
    pub duration_ms: Option<f64>,
    /// Peer.
    pub peer: Option<String>,
    /// Configuration.
    pub revision: Option<String>,
    /// How many.
    pub count: Option<u64>,
}

/// Body of `POST /api/v1/stop`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopBody {
    /// Why.
    pub reason: String,
}

/// Done, nothing to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OkView {
    /// `weir.ok.v1`.
    pub schema: String,
}

/// Query of `GET /fhir/Consent/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsentQuery {
    /// Why; needed here or in the header `X-Weir-Reason`.
    pub reason: String,
}

/// Query of `GET /api/v1/consents`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsentsQuery {
    /// Patient identifier, as at the channels' `patient` path; audited.
    pub patient: String,
    /// Why.
    pub reason: String,
}

/// `GET /api/v1/consents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentsView {
    /// `weir.consents.v1`.
    pub schema: String,
    /// The consents in force; ids and versions only.
    pub consents: Vec<ConsentView>,
}

/// One consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentView {
    /// `Consent.id`.
    pub id: String,
    /// Version, from 1.
    pub version: u64,
    /// When weir took it.
    pub at: String,
}
