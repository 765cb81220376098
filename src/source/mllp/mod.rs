//! The source `mllp`: what its settings say. `listener` accepts, `talk` serves one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::common::{ALLOW_ROW, TLS_ROW};
use crate::channel::AckMode;
use crate::fault::{Fault, codes::W1021};
use crate::hl7v2::mllp::Framing;
use crate::settings::{Key, KindRow, Table, Word};

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
    /// `host:port` for application acknowledgments that come after the commit
    /// acknowledgment; `None`: the connection of the message.
    pub app_ack: Option<Arc<str>>,
    /// Whether each message is answered by a commit block (ACK or NAK) of MLLP release 2,
    /// before its acknowledgment.
    pub commit_bytes: bool,
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
    "an address such as `mllp://emr.example:2600`",
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
        COMMIT_BYTES.row(),
    ],
};

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
    let app_ack = table.spanned(&APP_ACK).and_then(|found| {
        let peer = found.value.strip_prefix("mllp://").unwrap_or_default();
        let read = crate::ports::tls::host_and_port(peer).is_ok();
        if !read {
            let fault = Fault::new(W1021).because("expected an address such as `mllp://emr:2600`");
            table.error(fault, &found.span);
        }
        read.then(|| Arc::from(peer))
    });
    let commit_bytes = table.or(&COMMIT_BYTES, false);
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
    })
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
