//! The story of one message through the gates.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A step of the way, by its name in logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Bytes to message.
    Parse,
    /// Conditions of `[filter]` and `when`.
    Filter,
    /// `[validate]`.
    Validate,
    /// `[consent]`.
    Consent,
    /// `[map]`.
    Map,
    /// `[deidentify]`.
    Deidentify,
    /// `[[encrypt]]`.
    Encrypt,
    /// The durable append.
    Commit,
    /// Sending.
    Deliver,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Filter => "filter",
            Self::Validate => "validate",
            Self::Consent => "consent",
            Self::Map => "map",
            Self::Deidentify => "deidentify",
            Self::Encrypt => "encrypt",
            Self::Commit => "commit",
            Self::Deliver => "deliver",
        }
    }
}

/// One step of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// For which destination; none for steps before they part.
    pub destination: Option<Arc<str>>,
    /// How long it took, in microseconds.
    pub micros: u32,
    /// What it found, in our words: `41 values, 2 fields unused`, `permit by hie-default:14`.
    pub note: Option<Arc<str>>,
    /// Codes of warnings it raised, with their paths: `W4102 PID-7`.
    pub warnings: Vec<Arc<str>>,
}

/// The steps of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trail {
    /// The steps.
    pub steps: Vec<Step>,
}
