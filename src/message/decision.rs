//! What consent said, for whom, and by which rule.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// What a consent policy answers for one recipient and purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// May be sent.
    Permit,
    /// May be sent without these paths.
    Redact(Vec<Arc<str>>),
    /// May not be sent.
    Deny,
    /// Nothing binds: no directive and no default.
    Unknown,
}

impl Verdict {
    /// The word for it in tables, metrics and JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Redact(_) => "redact",
            Self::Deny => "deny",
            Self::Unknown => "unknown",
        }
    }
}

/// The rule that decided: where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    /// Policy name and line, `hie-default:14`, or consent id and provision,
    /// `Consent/01JD..#provision.provision[0]`.
    pub name: Arc<str>,
    /// Version of what it stands in: a content digest or version id.
    pub version: Arc<str>,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A verdict with its reasons, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// The rule that gave it; none when nothing binds.
    pub rule: Option<RuleRef>,
    /// Rules that said otherwise and lost.
    pub losers: Vec<RuleRef>,
    /// For whom.
    pub recipient: Arc<str>,
    /// What for, a code of HL7 PurposeOfUse such as `TREAT`.
    pub purpose: Arc<str>,
    /// When it stops holding by itself, as when a provision's period ends.
    pub valid_until: Option<Timestamp>,
}
