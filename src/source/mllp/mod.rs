//! The source `mllp`: what its settings say. `listener` accepts, `talk` serves one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::common::{ALLOW_ROW, TLS_ROW};
use crate::channel::AckMode;
use crate::fault::{
    Fault,
    codes::{W1011, W1021},
};
use crate::hl7v2::mllp::Framing;
use crate::ports::tls::{self, TlsClientPlan};
use crate::settings::{Key, KeyRow, KindRow, Shape, Table, Word};

mod listener;
mod talk;

pub(super) use listener::bind;

/// When the answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckWhen {
    /// The pipeline has run and the result is on disk: the answer tells the truth.
    #[default]
    AfterCommit,
    /// The original is on disk.
    OnReceipt,
    /// Every destination has it.
    AfterDelivery,
}

/// Where application acknowledgments go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAck {
    /// `host:port`.
    pub connect: Arc<str>,
    /// TLS; `None`: plain TCP.
    pub tls: Option<TlsClientPlan>,
}

/// The keys of the source `mllp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MllpPlan {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// When the answer leaves (for the intake).
    pub ack: AckWhen,
    /// Which rules hold (for the intake).
    pub ack_mode: AckMode,
    /// How strictly start and end blocks are asked for.
    pub framing: Framing,
    /// Longest time from the first to the last byte of a frame.
    pub frame_timeout: Duration,
    /// Longest silence between frames; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// Longest time a peer may leave an answer unread.
    pub write_timeout: Duration,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Where application acknowledgments go that come after the commit acknowledgment;
    /// `None`: the connection of the message.
    pub app_ack: Option<AppAck>,
    /// Whether each message is answered by a commit block (ACK or NAK) of MLLP release 2,
    /// before its acknowledgment.
    pub commit_bytes: bool,
    /// Whether sequence numbers are checked (for the intake).
    pub sequence: Sequence,
    /// How long the rest of a message in fragments is waited for; `None`: fragments are
    /// messages of their own (for the intake).
    pub continuation: Option<Duration>,
}

/// Whether the sequence numbers of messages (MSH-13) are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sequence {
    /// They are not looked at.
    #[default]
    Off,
    /// Where a message has one.
    Check,
    /// Each message must have one.
    Require,
}

/// What becomes of messages in fragments (MSH-14, DSC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuation {
    /// Each is a message of its own.
    Pass,
    /// They are put together.
    Join,
}

impl MllpPlan {
    /// A plan with the default of every key that has one.
    #[must_use]
    pub const fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            ack: AckWhen::AfterCommit,
            ack_mode: AckMode::Auto,
            framing: Framing::Strict,
            frame_timeout: FRAME_TIMEOUT_DEFAULT,
            idle_timeout: None,
            write_timeout: WRITE_TIMEOUT_DEFAULT,
            max_connections: CONNECTIONS_DEFAULT,
            app_ack: None,
            commit_bytes: false,
            sequence: Sequence::Off,
            continuation: None,
        }
    }
}

/// A frame of `max_size` takes a second on any hospital network; this leaves room for a
/// modem line and still frees a connection whose sender died.
const FRAME_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// As long as most senders wait for an answer at all.
const WRITE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// More than any interface has, and 5,000 idle ones fit the memory budget.
const CONNECTIONS_DEFAULT: u32 = 5000;

impl Word for AckWhen {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("after-commit", Self::AfterCommit),
        ("on-receipt", Self::OnReceipt),
        ("after-delivery", Self::AfterDelivery),
    ];
}

impl Word for AckMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("original", Self::Original), ("enhanced", Self::Enhanced)];
}

impl Word for Sequence {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("check", Self::Check), ("require", Self::Require)];
}

impl Word for Continuation {
    const WORDS: &'static [(&'static str, Self)] = &[("pass", Self::Pass), ("join", Self::Join)];
}

impl Word for Framing {
    const WORDS: &'static [(&'static str, Self)] =
        &[("strict", Self::Strict), ("lenient", Self::Lenient)];
}

const LISTEN: Key<SocketAddr> = Key::new(
    "listen",
    "an address such as `0.0.0.0:2575`",
    "Address on which the channel takes connections.",
);
const ACK: Key<AckWhen> = Key::new(
    "ack",
    "`after-commit`, `on-receipt` or `after-delivery`",
    "When the answer leaves: after the pipeline ran, when the original is on disk, or when \
     every destination has the message.",
)
.default("after-commit");
const ACK_MODE: Key<AckMode> = Key::new(
    "ack_mode",
    "`auto`, `original` or `enhanced`",
    "Acknowledgment rules: as MSH-15 and MSH-16 ask, or always one of the two modes.",
)
.default("auto");
const FRAMING: Key<Framing> = Key::new(
    "framing",
    "`strict` or `lenient`",
    "How strictly start and end blocks are asked for.",
)
.default("strict");
const FRAME_TIMEOUT: Key<Duration> = Key::new(
    "frame_timeout",
    "a duration such as `30s`",
    "Longest time from the first to the last byte of a frame.",
)
.default("30s");
const IDLE_TIMEOUT: Key<Duration> = Key::new(
    "idle_timeout",
    "a duration such as `1h`",
    "Longest silence between messages before a connection is closed.",
)
.default("none");
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
.default("5000");

const APP_ACK: Key<Arc<str>> = Key::new(
    "app_ack",
    "an address such as `mllp://emr.example:2600` or `mllps://emr.example:2601`",
    "Where application acknowledgments go that a message asks for besides the commit \
     acknowledgment; without it the connection of the message, once the result is known.",
)
.default("none");
const COMMIT_BYTES: Key<bool> = Key::new(
    "commit_bytes",
    "`true` or `false`",
    "Answers each message by a commit block of MLLP release 2 before its acknowledgment.",
)
.default("false");

const SEQUENCE: Key<Sequence> = Key::new(
    "sequence",
    "`off`, `check` or `require`",
    "Sequence numbers in MSH-13: not looked at, checked where a message has one, or required; \
     the answer says in MSA-4 which number is expected.",
)
.default("off");
pub(super) const CONTINUATION: Key<Continuation> = Key::new(
    "continuation",
    "`pass` or `join`",
    "Messages in fragments (MSH-14, DSC): taken as messages of their own, or put together.",
)
.default("pass");
pub(super) const CONTINUATION_TIMEOUT: Key<Duration> = Key::new(
    "continuation_timeout",
    "a duration such as `10m`",
    "Longest wait for the next fragment of a message; what there is of it becomes a dead letter.",
)
.default("10m");

/// Fragments follow each other within seconds; a sender that was restarted in between goes on
/// within minutes.
const CONTINUATION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "mllp",
    about: "Takes HL7 v2 messages over TCP in MLLP frames and answers each.",
    keys: &[
        LISTEN.required().row(),
        ALLOW_ROW,
        TLS_ROW,
        ACK.row(),
        ACK_MODE.row(),
        FRAMING.row(),
        FRAME_TIMEOUT.row(),
        IDLE_TIMEOUT.row(),
        WRITE_TIMEOUT.row(),
        MAX_CONNECTIONS.row(),
        APP_ACK.row(),
        KeyRow::of(
            APP_ACK_TLS,
            "TLS to an `app_ack` that begins with `mllps://`; the machine's authorities without.",
            Shape::Table(tls::CLIENT_KEYS),
        ),
        COMMIT_BYTES.row(),
        SEQUENCE.row(),
        CONTINUATION.row(),
        CONTINUATION_TIMEOUT.row(),
    ],
};

/// Table of TLS for `app_ack`.
const APP_ACK_TLS: &str = "app_ack_tls";

/// Reads where application acknowledgments go, and how.
fn read_app_ack(table: &mut Table<'_>) -> Option<AppAck> {
    let trust = table.key_span(APP_ACK_TLS).zip(tls::read_client_at(table, APP_ACK_TLS));
    let found = table.spanned(&APP_ACK);
    let secure = found.as_ref().is_some_and(|found| found.value.starts_with("mllps://"));
    if let Some((span, _)) = trust.as_ref().filter(|_| !secure) {
        let fault = Fault::new(W1021).because("`app_ack_tls` is for an `app_ack` of `mllps://`");
        table.error(fault, span);
    }
    let found = found?;
    let peer = ["mllp://", "mllps://"].iter().find_map(|scheme| found.value.strip_prefix(scheme));
    let peer = peer.unwrap_or_default();
    if crate::ports::tls::host_and_port(peer).is_err() {
        let fault = Fault::new(W1021).because("expected an address such as `mllp://emr:2600`");
        table.error(fault, &found.span);
        return None;
    }
    let tls = secure.then(|| trust.map(|(_, tls)| tls).unwrap_or_default());
    Some(AppAck { connect: peer.into(), tls })
}

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<MllpPlan> {
    let listen = table.required(&LISTEN);
    let ack = table.or(&ACK, AckWhen::AfterCommit);
    let ack_mode = table.or(&ACK_MODE, AckMode::Auto);
    let framing = table.or(&FRAMING, Framing::Strict);
    let frame_timeout = positive(table, &FRAME_TIMEOUT).unwrap_or(FRAME_TIMEOUT_DEFAULT);
    let idle_timeout = positive(table, &IDLE_TIMEOUT);
    let write_timeout = positive(table, &WRITE_TIMEOUT).unwrap_or(WRITE_TIMEOUT_DEFAULT);
    let max_connections = match table.spanned(&MAX_CONNECTIONS) {
        Some(most) if most.value == 0 => {
            table.error(Fault::new(W1021).because("expected at least 1"), &most.span);
            CONNECTIONS_DEFAULT
        }
        most => most.map_or(CONNECTIONS_DEFAULT, |most| most.value),
    };
    let app_ack = read_app_ack(table);
    let commit_bytes = table.or(&COMMIT_BYTES, false);
    let sequence = table.or(&SEQUENCE, Sequence::Off);
    let continuation = read_continuation(table);
    Some(MllpPlan {
        listen: listen?,
        ack,
        ack_mode,
        framing,
        frame_timeout,
        idle_timeout,
        write_timeout,
        max_connections,
        app_ack,
        commit_bytes,
        sequence,
        continuation,
    })
}

/// How long the next fragment of a message is waited for; none where they are not put together.
pub(super) fn read_continuation(table: &mut Table<'_>) -> Option<Duration> {
    let joins = table.or(&CONTINUATION, Continuation::Pass) == Continuation::Join;
    let patience = positive(table, &CONTINUATION_TIMEOUT).unwrap_or(CONTINUATION_TIMEOUT_DEFAULT);
    if let (false, Some(span)) = (joins, table.key_span("continuation_timeout")) {
        let cause = "nothing is waited for without `continuation = \"join\"`";
        table.error(Fault::new(W1011).because(cause), &span);
    }
    joins.then_some(patience)
}

fn positive(table: &mut Table<'_>, key: &Key<Duration>) -> Option<Duration> {
    let found = table.spanned(key)?;
    if found.value.is_zero() {
        table.error(Fault::new(W1021).because("expected more than nothing"), &found.span);
    }
    (!found.value.is_zero()).then_some(found.value)
}

#[cfg(test)]
mod tests;
