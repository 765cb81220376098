//! A delivery: one message owed to one destination.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Body, Revision};
use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};

/// The lane of a delivery: those with one key leave in order. A keyed hash of the value of
/// `order_by`, so that it names no patient; 0 for the one lane of a channel without it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LaneKey(pub u64);

/// The state of a delivery in the ledger: exactly one at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// In the queue, ready or between attempts.
    Waiting,
    /// In the queue, kept back by a person or by consent until released.
    Held,
    /// The peer has it and said so.
    Delivered,
    /// A condition of the channel kept it from this destination.
    Filtered,
    /// Consent or policy kept it from this destination.
    Denied,
    /// A person gave it up, with a reason.
    Skipped,
    /// Stopped trying; waits for a person.
    Dead,
}

impl State {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Held,
        Self::Delivered,
        Self::Filtered,
        Self::Denied,
        Self::Skipped,
        Self::Dead,
    ];

    /// The word for it in tables, filters, metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Denied => "denied",
            Self::Skipped => "skipped",
            Self::Dead => "dead",
        }
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Held)
    }
}

/// One message owed to one destination, as the courier takes it from the queue.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which message.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// Where to.
    pub destination: DestinationName,
    /// Its lane.
    pub lane: LaneKey,
    /// Place in the queue: the journal position that put it there.
    pub position: u64,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the message arrived.
    pub received: Timestamp,
    /// Not to be tried before.
    pub next_try: Timestamp,
    /// Sent again by a person.
    pub replay: bool,
    /// Configuration that made the body.
    pub revision: Revision,
    /// What to send.
    pub body: Body,
    /// The message as it came: what it is about, and whom, is asked of it again before
    /// sending.
    pub original: Body,
    /// Message type, such as `ADT^A08`.
    pub message_type: Arc<str>,
}

/// The peer's proof that it has the message. Texts of the peer are not kept: they may hold
/// patient data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// MLLP: MSA-1; MSA-2 was compared with what was sent.
    Ack {
        /// Acknowledgment code, `AA` or `CA`.
        code: Arc<str>,
    },
    /// HTTP: status and, where given, the version ids of what was written.
    Http {
        /// Status, such as 200.
        status: u16,
        /// `Location` or `ETag` of each entry, at most [`Receipt::LOCATIONS_MAX`].
        locations: Vec<Arc<str>>,
    },
    /// File: name below the directory and SHA-256 of the content.
    File {
        /// Name.
        name: Arc<str>,
        /// Digest.
        sha256: [u8; 32],
    },
}

impl Receipt {
    /// Most locations kept of one answer: enough to find a bundle's main resources, and
    /// a bundle of thousands must not grow the journal.
    pub const LOCATIONS_MAX: usize = 16;
}
