//! Consent, asked for one destination: at intake, and again before a delivery leaves.

use std::sync::Arc;

use super::{ChannelRules, DestinationRules, OnDeny, OnUnknown, keys};
use crate::audit;
use crate::base::Timestamp;
use crate::consent::{self, ConsentBook, Directive, Facts, Question};
use crate::fault::Fault;
use crate::message::{Content, Decision, Delivery, Leaf, Verdict};

/// What consent says about a delivery now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redecision {
    /// It may leave as it is.
    Go,
    /// It may leave without some paths. Where the body was made under the same rule it
    /// stands; else it is made anew.
    Redact(Decision),
    /// It may not leave.
    Denied(Decision),
    /// It may not leave, and the channel holds what is denied.
    Held(Decision),
}

/// The action that sending is, a code of FHIR `consent-action`.
const ACTION: &str = "disclose";

/// Asks consent again before a delivery leaves: what was revoked after the message was
/// taken does not leave any more.
///
/// # Errors
/// When the consents of the patient cannot be read.
pub fn redecide(
    rules: &ChannelRules,
    to: &DestinationRules,
    delivery: &Delivery,
    consents: &dyn ConsentBook,
    now: Timestamp,
) -> Result<Redecision, Fault> {
    if rules.consent.policy.is_none() {
        return Ok(Redecision::Go);
    }
    let original = &delivery.original;
    let (whose, facts) = match super::parse_as(original.kind, original.bytes.clone(), rules.charset)
    {
        Ok(parsed) => {
            let whose = Whose::of(rules, &parsed.content, consents)?;
            (whose, Facts::of(&parsed.content))
        }
        // It was read when it came; what cannot be read now is about nobody known.
        Err(_) => (Whose::default(), Facts::default()),
    };
    Ok(decide(rules, to, &whose, &facts, now).map_or(Redecision::Go, |(_, said)| said))
}

/// What the patients of a message said.
#[derive(Clone, Debug, Default)]
pub(super) struct Whose {
    /// Directives of everybody the message may be about, each once.
    pub(super) directives: Arc<[Directive]>,
    /// Whether the message says whom it is about.
    pub(super) is_known: bool,
}

impl Whose {
    /// Asks for each value of the patient path, since which of several identifiers a
    /// consent names is not known: one rule for what comes and for what leaves.
    pub(super) fn of(
        rules: &ChannelRules,
        content: &Content,
        consents: &dyn ConsentBook,
    ) -> Result<Self, Fault> {
        let patients = keys::patients(rules, content);
        let is_known = !patients.is_empty();
        if let [one] = patients.as_slice() {
            return Ok(Self { directives: consents.directives(one)?, is_known });
        }
        let mut all: Vec<Directive> = Vec::new();
        for patient in &patients {
            for directive in consents.directives(patient)?.iter() {
                if !all.iter().any(|known| known.id() == directive.id()) {
                    all.push(directive.clone());
                }
            }
        }
        Ok(Self { directives: all.into(), is_known })
    }
}

/// Whether the leaves of the entry that holds the body of a delivery show that it was made
/// under this very decision, so that a redaction needs no new body.
#[must_use]
pub fn same_decision(leaves: &[Leaf], delivery: &Delivery, decision: &Decision) -> bool {
    let Delivery { message, channel, destination, received, .. } = delivery;
    let subject = audit::Subject::delivery(*message, channel, destination);
    let now = audit::consent_decided(*received, subject, decision);
    let decided = |leaf: &&Leaf| leaf.action == now.action && leaf.destination == now.destination;
    leaves
        .iter()
        .rfind(decided)
        .is_some_and(|leaf| leaf.decision == now.decision && leaf.digest == now.digest)
}

/// Decides for one destination; none where the channel has no policy.
///
/// Where the channel says where the
/// patient stands and nothing stands there, nobody can tell who objected: a permit or a
/// redaction counts as unknown then; but where an unknown passes, a redaction stays one.
pub(super) fn decide(
    rules: &ChannelRules,
    to: &DestinationRules,
    whose: &Whose,
    facts: &Facts,
    now: Timestamp,
) -> Option<(Decision, Redecision)> {
    let policy = rules.consent.policy.as_ref()?;
    let unknown_passes = rules.consent.on_unknown == OnUnknown::Permit;
    let question = Question {
        recipient: &to.recipient,
        purpose: &to.purpose,
        action: ACTION,
        content: facts,
        now,
        unknown_passes,
    };
    let mut decision = consent::decide(policy, &whose.directives, &question);
    if !whose.is_known && rules.consent.patient.is_some() {
        let unknown = match decision.verdict {
            Verdict::Permit => true,
            Verdict::Redact(_) => !unknown_passes,
            Verdict::Unknown | Verdict::Deny => false,
        };
        if unknown {
            decision.verdict = Verdict::Unknown;
        }
    }
    let denied = match (&decision.verdict, rules.consent.on_unknown) {
        (Verdict::Permit, _) | (Verdict::Unknown, OnUnknown::Permit) => false,
        (Verdict::Redact(_), _) => return Some((decision.clone(), Redecision::Redact(decision))),
        (Verdict::Deny, _) | (Verdict::Unknown, OnUnknown::Deny) => true,
    };
    let said = match (denied, rules.consent.on_deny) {
        (false, _) => Redecision::Go,
        (true, OnDeny::Hold) => Redecision::Held(decision.clone()),
        (true, OnDeny::Record | OnDeny::Nak) => Redecision::Denied(decision.clone()),
    };
    Some((decision, said))
}
