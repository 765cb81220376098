//! Gates: pure steps that let a message on or stop it.

use std::sync::Arc;

use super::{Decision, Envelope, FaultRecord, Stage};
use crate::base::{DestinationName, Timestamp};

/// For whom a message is being prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The destination.
    pub destination: DestinationName,
    /// FHIR reference or name, such as `Organization/hie`.
    pub recipient: Arc<str>,
    /// Purpose of use, such as `TREAT`.
    pub purpose: Arc<str>,
}

/// What a gate may look at besides the envelope. All of it is handed in, so that the same
/// envelope in the same context gives the same passage.
pub struct Context<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// For whom; none in gates that stand before the destinations part.
    pub recipient: Option<&'a Recipient>,
    /// Fills a buffer with random bytes, for nonces.
    pub entropy: &'a mut dyn FnMut(&mut [u8]),
}

/// What a gate answers.
#[derive(Debug)]
pub enum Passage {
    /// The message goes on, changed or not.
    Onward(Envelope),
    /// A condition of the channel kept it.
    Filtered {
        /// The condition, where it stands: `channels/lab.toml:17`.
        rule: Arc<str>,
    },
    /// Consent kept it.
    Denied(Decision),
    /// Kept back until a person or a consent releases it.
    Held(Decision),
    /// It cannot go on.
    Dead(FaultRecord),
}

/// A pure step on the way of a message.
pub trait Gate: Send + Sync {
    /// Its name in logs and metrics.
    fn stage(&self) -> Stage;

    /// Decides on one envelope. Same input, same context: same passage.
    fn pass(&self, envelope: Envelope, context: &mut Context<'_>) -> Passage;
}
