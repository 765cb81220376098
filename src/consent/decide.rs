//! The decision: facility policy and patient directives, item by item, to one answer.
//!
//! Every item of a content is decided by itself, and the strictest answer is that of the
//! whole: deny, unknown, redact, permit. Within one item the policy's `combine` says who
//! wins; who lost is listed.

use std::sync::Arc;

use super::code::Match;
use super::directive::{Answer, Directive, Horizon, Vote};
use super::facts::{Facts, Item};
use super::policy::{Combine, Default, Directives, Inner, Policy, Rule, Speaking, Then};
use crate::base::Timestamp;
use crate::message::{Decision, RuleRef, Verdict};

/// Most losers listed: a person reads the first, and a decision is kept for each message.
pub const LOSERS_MAX: usize = 16;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who would get it: a reference or name as in settings, such as `Organization/hie`.
    pub recipient: &'a str,
    /// What for: a code of PurposeOfUse.
    pub purpose: &'a str,
    /// What would be done: a code of `consent-action`, `disclose` for sending.
    pub action: &'a str,
    /// What it is about.
    pub content: &'a Facts,
    /// When.
    pub now: Timestamp,
    /// Whether an item about which nothing binds may leave, redacted as the rest: else one
    /// of them keeps the whole content.
    pub unknown_passes: bool,
}

impl<'a> Question<'a> {
    /// A question about sending a content; recipient, purpose and time are to be filled in.
    #[must_use]
    pub fn new(content: &'a Facts) -> Self {
        let now = Timestamp::default();
        let action = "disclose";
        Self { recipient: "", purpose: "", action, content, now, unknown_passes: false }
    }
}

/// An answer without its paths, from mild to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Permit,
    Unknown,
    Deny,
}

impl Said {
    fn passes(self, unknown_passes: bool) -> bool {
        match self {
            Self::Permit => true,
            Self::Unknown => unknown_passes,
            Self::Deny => false,
        }
    }
}

/// What the rules of the facility say about one item.
struct Facility<'p> {
    said: Said,
    rule: Option<&'p RuleRef>,
    /// Whether a rule said so, and not the default.
    by_rule: bool,
    directives: Directives,
    redacts: Vec<&'p Rule>,
    /// Rules that said otherwise.
    others: Vec<&'p RuleRef>,
}

/// The answer for one item.
struct Outcome<'p> {
    said: Said,
    rule: Option<&'p RuleRef>,
    redacts: Vec<&'p Rule>,
    losers: Vec<&'p RuleRef>,
}

impl Outcome<'_> {
    /// Strictness: permit, redact, unknown, deny; permit, unknown, redact, deny where an
    /// unknown passes.
    fn rank(&self, unknown_passes: bool) -> (Said, bool, Said) {
        let kept = if self.said.passes(unknown_passes) { Said::Permit } else { self.said };
        (kept, !self.redacts.is_empty(), self.said)
    }
}

/// Asks the rules of a policy about one item.
fn facility<'p>(policy: &'p Inner, question: &Question<'_>, item: &Item) -> Facility<'p> {
    let (mut permit, mut deny, mut redacts, mut sure) = (None, None, Vec::new(), false);
    for rule in &policy.rules {
        match (rule.then, rule.conditions.hold(question, item)) {
            (_, Match::No) | (Then::Permit, Match::Unsure) => {}
            (Then::Permit, Match::Yes) => permit = permit.or(Some(rule)),
            (Then::Deny, _) => deny = deny.or(Some(rule)),
            (Then::Redact, found) => {
                sure |= found == Match::Yes;
                redacts.push(rule);
            }
        }
    }
    let passes = permit.is_some() || sure;
    let denies = deny.is_some() && !(policy.combine == Combine::PermitOverrides && passes);
    let passing = redacts.first().copied().or(permit);
    let winner = match (denies, passes) {
        (true, _) => deny,
        (false, true) => passing,
        (false, false) => None,
    };
    let said = match (denies, passes, policy.default) {
        (true, ..) => Said::Deny,
        (false, true, _) => Said::Permit,
        (false, false, Default::Permit) => Said::Permit,
        (false, false, Default::Deny) => Said::Deny,
        (false, false, Default::Unknown) => Said::Unknown,
    };
    let default = (policy.default != Default::Unknown).then_some(&policy.default_rule);
    let loser = if denies { passing.filter(|_| passes) } else { deny };
    Facility {
        said,
        rule: winner.map(|rule| &rule.rule).or(default),
        by_rule: winner.is_some(),
        directives: winner.and_then(|rule| rule.directives).unwrap_or(policy.directives),
        redacts,
        others: loser.map(|rule| &rule.rule).into_iter().collect(),
    }
}

/// What patients said about one item: the first denial, the first permit.
#[derive(Clone, Copy, Default)]
struct Patient<'p> {
    deny: Option<&'p RuleRef>,
    permit: Option<&'p RuleRef>,
}

fn patient<'p>(
    directives: &'p [Directive],
    question: &Question<'_>,
    item: &Item,
    horizon: &mut Horizon,
) -> Patient<'p> {
    let mut said = Patient::default();
    for directive in directives {
        match directive.vote(question, item, horizon) {
            Some(Vote { answer: Answer::Deny, rule }) => said.deny = said.deny.or(Some(rule)),
            Some(Vote { answer: Answer::Permit, rule }) => {
                said.permit = said.permit.or(Some(rule));
            }
            None => {}
        }
    }
    said
}

/// Brings facility and patient to one answer.
fn combine<'p>(
    how: Combine,
    facility: &Facility<'p>,
    patient: Patient<'p>,
) -> (Said, Option<&'p RuleRef>) {
    let own = (facility.said, facility.rule);
    let denied = (Said::Deny, patient.deny);
    let permitted = (Said::Permit, patient.permit);
    let required = facility.directives == Directives::Required;
    // Without the permit that is required nobody has permitted; a denial stays one.
    let without = if required && own.0 != Said::Deny { (Said::Unknown, own.1) } else { own };
    let (deny, permit) = (patient.deny.is_some(), patient.permit.is_some());
    match how {
        Combine::DenyOverrides => match (own.0, deny, permit) {
            (Said::Deny, ..) => own,
            (_, true, _) => denied,
            (Said::Unknown, false, true) => permitted,
            (Said::Permit, false, true) => {
                if required {
                    permitted
                } else {
                    own
                }
            }
            (_, false, false) => without,
        },
        Combine::PermitOverrides => match (own.0, deny, permit) {
            (_, _, true) => permitted,
            (Said::Permit, ..) if facility.by_rule && !required => own,
            (_, true, false) => denied,
            (_, false, false) => without,
        },
        Combine::PatientFirst => match (deny, permit) {
            (true, _) => denied,
            (false, true) => permitted,
            (false, false) => without,
        },
    }
}

/// Decides about one item.
fn item_outcome<'p>(
    policy: &'p Inner,
    directives: &'p [Directive],
    question: &Question<'_>,
    item: &Item,
    horizon: &mut Horizon,
) -> Outcome<'p> {
    let facility = facility(policy, question, item);
    let patient = match facility.directives {
        Directives::Ignored => Patient::default(),
        Directives::Required | Directives::Honored => patient(directives, question, item, horizon),
    };
    let (said, rule) = combine(policy.combine, &facility, patient);
    let mut losers = facility.others;
    losers.extend(facility.rule.filter(|_| facility.said != said));
    losers.extend(patient.deny.filter(|_| said != Said::Deny));
    losers.extend(patient.permit.filter(|_| said != Said::Permit));
    losers.retain(|loser| Some(*loser) != rule);
    let passes = said.passes(question.unknown_passes);
    let redacts = if passes { facility.redacts } else { Vec::new() };
    let rule = redacts.first().map(|redact| &redact.rule).or(rule);
    Outcome { said, rule, redacts, losers }
}

/// Decides for one recipient and purpose: facility policy, then patient directives.
///
/// Only active consents speak, the newest version of each; with `consents = "newest"` in
/// the policy, of those with one scope the one that was given last. An unknown content is
/// asked about as one unknown item. Where an unknown passes, it stands beside what is
/// redacted without lifting it. `valid_until` is the next moment
/// at which a period begins or ends that could change the answer.
#[must_use]
pub fn decide(policy: &Policy, directives: &[Directive], question: &Question<'_>) -> Decision {
    let unknown = [Item::default()];
    let items = match question.content.items() {
        [] => &unknown,
        items => items,
    };
    let mut horizon = Horizon::default();
    let speaking: Vec<Directive>;
    let directives = match policy.0.consents {
        Speaking::All => directives,
        Speaking::Newest => {
            let older =
                |one: &&Directive| one.is_superseded(directives, question.now, &mut horizon);
            let mut older = older;
            speaking = directives.iter().filter(|one| !older(one)).cloned().collect();
            &speaking
        }
    };
    let mut strictest: Option<Outcome<'_>> = None;
    let mut losers: Vec<&RuleRef> = Vec::new();
    let mut paths: Vec<Arc<str>> = Vec::new();
    for item in items {
        let outcome = item_outcome(&policy.0, directives, question, item, &mut horizon);
        for loser in &outcome.losers {
            if losers.len() < LOSERS_MAX && !losers.contains(loser) {
                losers.push(loser);
            }
        }
        for path in outcome.redacts.iter().flat_map(|rule| &rule.paths) {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        let rank = |outcome: &Outcome<'_>| outcome.rank(question.unknown_passes);
        if strictest.as_ref().is_none_or(|before| rank(before) < rank(&outcome)) {
            strictest = Some(outcome);
        }
    }
    let (said, rule) = strictest.map_or((Said::Unknown, None), |found| (found.said, found.rule));
    Decision {
        verdict: match said {
            said if said.passes(question.unknown_passes) && !paths.is_empty() => {
                Verdict::Redact(paths)
            }
            Said::Permit => Verdict::Permit,
            Said::Unknown => Verdict::Unknown,
            Said::Deny => Verdict::Deny,
        },
        rule: rule.cloned(),
        losers: losers.into_iter().filter(|loser| Some(*loser) != rule).cloned().collect(),
        recipient: question.recipient.into(),
        purpose: question.purpose.into(),
        valid_until: horizon.0,
    }
}
