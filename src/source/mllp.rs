//! The source `mllp`.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Bound, Common};
use crate::fault::Fault;
use crate::hl7v2::mllp::Framing;
use crate::ports::Ports;
use crate::settings::Table;

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

/// Which acknowledgment rules hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckMode {
    /// As MSH-15 and MSH-16 ask.
    #[default]
    Auto,
    /// Always one application acknowledgment.
    Original,
    /// Commit acknowledgment first, also where MSH-15 and MSH-16 are empty.
    Enhanced,
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
    pub max_connections: usize,
}

pub(super) fn read(_table: &mut Table<'_>) -> Option<MllpPlan> {
    None
}

#[expect(clippy::todo, reason = "lands next")]
pub(super) async fn bind(
    _plan: &MllpPlan,
    _common: &Common,
    _ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    todo!()
}
