//! Audit leaves of a message: one for the message, one for each consent decision.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use super::{Arrival, ChannelRules};
use crate::base::{DestinationName, Timestamp};
use crate::message::{Decision, Leaf};

static ENGINE: LazyLock<Arc<str>> = LazyLock::new(|| "weir".into());
static ACCEPTED: LazyLock<Arc<str>> = LazyLock::new(|| "message_accepted".into());
static REFUSED: LazyLock<Arc<str>> = LazyLock::new(|| "message_refused".into());
static DECIDED: LazyLock<Arc<str>> = LazyLock::new(|| "consent_decided".into());

/// A decision in one line: `permit hie-default:14@5f3a`; without a rule the verdict alone.
#[must_use]
pub fn decision_text(decision: &Decision) -> Arc<str> {
    let mut text = String::from(decision.verdict.name());
    if let Some(rule) = &decision.rule {
        let _ = write!(text, " {}@{}", rule.name, rule.version);
    }
    text.into()
}

/// The leaf that says a message was taken or refused.
pub(super) fn message(
    rules: &ChannelRules,
    arrival: &Arrival,
    refused_with: Option<&str>,
    digest: [u8; 32],
) -> Leaf {
    Leaf {
        action: if refused_with.is_some() { REFUSED.clone() } else { ACCEPTED.clone() },
        at: arrival.received,
        actor: ENGINE.clone(),
        message: Some(arrival.id),
        channel: Some(rules.name.clone()),
        destination: None,
        decision: refused_with.map(Into::into),
        reason: None,
        digest: Some(digest),
    }
}

/// The leaf of one consent decision.
pub(super) fn decision(
    rules: &ChannelRules,
    arrival: &Arrival,
    destination: &DestinationName,
    (decision, at): (&Decision, Timestamp),
) -> Leaf {
    Leaf {
        action: DECIDED.clone(),
        at,
        actor: ENGINE.clone(),
        message: Some(arrival.id),
        channel: Some(rules.name.clone()),
        destination: Some(destination.clone()),
        decision: Some(decision_text(decision)),
        reason: None,
        digest: None,
    }
}
