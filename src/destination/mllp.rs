//! The destination `mllp`.

use std::sync::Arc;
use std::time::Duration;

use super::{Destination, DestinationPlan};
use crate::ports::Ports;
use crate::ports::tls::TlsClientPlan;
use crate::settings::Table;

/// The keys of the destination `mllp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MllpPlan {
    /// `host:port` to connect to.
    pub connect: Arc<str>,
    /// TLS; `None`: plain TCP.
    pub tls: Option<TlsClientPlan>,
    /// Longest wait for an answer; `None`: the courier's time-out holds.
    pub ack_timeout: Option<Duration>,
    /// Whether a commit acknowledgment is enough, or the application's is waited for too.
    pub await_application: bool,
}

pub(super) fn read(_table: &mut Table<'_>) -> Option<MllpPlan> {
    None
}

#[expect(clippy::todo, reason = "lands next")]
pub(super) fn build(_plan: &MllpPlan, _ports: &Ports) -> Box<dyn Destination> {
    let _ = |plan: MllpPlan| DestinationPlan::Mllp(plan);
    todo!()
}
