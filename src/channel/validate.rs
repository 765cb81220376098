//! The gate `[validate]`: what the tables find in a message, and what rules of the site do.
//!
//! The rules of the standard are checked by [`hl7v2::check`](crate::hl7v2::check) and
//! [`crate::fhir::validate`]; a rule of the site is a condition of the mapping language with a
//! sentence. Both make one list.

use std::sync::Arc;

use bytes::Bytes;

use super::prepare::Shared;
use super::{ChannelRules, FhirRules, Surroundings, fhir_severity};
use crate::fault::codes::W2116;
use crate::fault::{Fault, Severity};
use crate::fhir::{self, Doc};
use crate::hl7v2::check::{Checker, Finding, Findings, Level};
use crate::hl7v2::tables::Site;
use crate::hl7v2::{Message, Path};
use crate::mapping::Condition;
use crate::message::{Content, Decision, Fate, LaneKey, Owed, RuleRef, Stage, Verdict};

/// Begin of the rule's name in a decision that this gate made, for those who release.
pub const RULE_PREFIX: &str = "validate:";

/// `[validate]` of a channel.
#[derive(Clone, Debug)]
pub struct ValidateRules {
    /// Tables, site and profile.
    pub checker: Checker,
    /// Rules of the site, in the order of the file.
    pub rules: Arc<[SiteRule]>,
    /// What becomes of a message with an error.
    pub on_fail: OnFail,
    /// What is asked of FHIR resources.
    pub fhir: FhirRules,
}

/// A rule of the site.
#[derive(Clone, Debug)]
pub struct SiteRule {
    /// Its name in reports.
    pub name: Arc<str>,
    /// For which messages it counts; all without it.
    pub when: Option<Condition>,
    /// What has to hold.
    pub must: Condition,
    /// Where the finding stands.
    pub at: Option<Path>,
    /// What is wrong where it does not hold: lower case, no period.
    pub message: Arc<str>,
    /// How much it counts.
    pub severity: Severity,
}

/// What becomes of a message with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFail {
    /// Refused, with the place in the answer.
    #[default]
    Nak,
    /// Acknowledged, and held until a person releases it.
    Hold,
    /// Acknowledged and sent; the findings are recorded.
    Record,
}

impl ValidateRules {
    /// Checks a message: the standard first, then the rules of the site.
    #[must_use]
    pub fn check(&self, message: &Message) -> Findings {
        let mut findings = self.checker.check(message);
        if self.rules.is_empty() {
            return findings;
        }
        let content = Content::Hl7(message.clone());
        for rule in self.rules.iter() {
            let counts = rule.when.as_ref().is_none_or(|when| when.test(&content));
            if counts && !rule.must.test(&content) {
                findings.add(rule.finding(message, self.checker.site()));
            }
        }
        findings
    }
}

impl SiteRule {
    fn finding(&self, message: &Message, site: &Site) -> Finding {
        let path = self.at.as_ref().map_or_else(|| "MSH".to_owned(), ToString::to_string);
        Finding {
            code: W2116,
            level: Level::Site,
            severity: self.severity,
            segment: None,
            path,
            group: String::new(),
            name: self.at.as_ref().and_then(|at| message.describe_by(at, site)).unwrap_or_default(),
            cause: self.message.to_string().into(),
        }
    }
}

/// Most findings that the trail of a message keeps.
const WARNINGS_MAX: usize = 32;

/// What a check says of a message, whatever its form.
struct Told {
    errors: usize,
    warnings: usize,
    /// Code and path of what counts.
    lines: Vec<Arc<str>>,
    /// The first of the worst errors, with its code and path.
    worst: Option<(Fault, String)>,
    /// What the check is called.
    by: String,
    /// Everything that was found, as an answer to who sent FHIR.
    answer: Option<Bytes>,
}

impl Told {
    fn hl7(gate: &ValidateRules, message: &Message) -> Self {
        let findings = gate.check(message);
        let profile = gate.checker.profile();
        let worst = findings.worst().filter(|worst| worst.severity == Severity::Error);
        let lines = findings.list.iter().filter(|found| found.severity > Severity::Note);
        let line = |found: &Finding| format!("{} {}", found.code, found.path);
        Self {
            errors: findings.count(Severity::Error),
            warnings: findings.count(Severity::Warning),
            lines: lines.take(WARNINGS_MAX).map(|found| line(found).into()).collect(),
            worst: worst.map(|worst| (worst.to_fault(), line(worst))),
            by: match (profile.name.as_str(), profile.version.as_str()) {
                ("", _) => "standard".to_owned(),
                (name, "") => name.to_owned(),
                (name, version) => format!("{name} {version}"),
            },
            answer: None,
        }
    }

    fn fhir(gate: &ValidateRules, doc: &Doc) -> Self {
        let findings = gate.fhir.check(doc, &gate.rules);
        let count = |of| findings.iter().filter(|found| fhir_severity(found) == of).count();
        let errors = count(Severity::Error);
        let worst = findings.iter().find(|found| found.is_error());
        let lines = findings.iter().filter(|found| fhir_severity(found) > Severity::Note);
        let line = |found: &fhir::validate::Finding| format!("{} {}", found.code, found.path);
        Self {
            errors,
            warnings: count(Severity::Warning),
            lines: lines.take(WARNINGS_MAX).map(|found| line(found).into()).collect(),
            worst: worst.map(|worst| (worst.fault(), line(worst))),
            by: if gate.fhir.name.is_empty() {
                "R4".to_owned()
            } else {
                gate.fhir.name.to_string()
            },
            answer: (errors > 0).then(|| fhir::validate::outcome(&findings).to_json()),
        }
    }
}

/// Why a message is refused, and the answer that says all of it.
pub(super) struct Refused {
    pub fault: Fault,
    /// The OperationOutcome, for FHIR.
    pub answer: Option<Bytes>,
}

/// Checks a message and notes in its trail what was found. Gives what every destination is
/// owed where the message is held; nothing where it goes on.
///
/// # Errors
/// The first of the worst findings, where the channel refuses messages with errors.
pub(super) fn pass(
    rules: &ChannelRules,
    lane: LaneKey,
    shared: &mut Shared<'_>,
    around: &mut Surroundings<'_>,
) -> Result<Option<Vec<Owed>>, Refused> {
    let Some(gate) = &rules.validate else { return Ok(None) };
    let begin = (around.monotonic)();
    let told = match &shared.parsed.content {
        Content::Hl7(message) => Told::hl7(gate, message),
        Content::Fhir(doc) => Told::fhir(gate, doc),
        Content::Cda(_) | Content::Raw(_) => return Ok(None),
    };
    shared.step(Stage::Validate, None, (around.monotonic)().saturating_sub(begin));
    shared.note(format!("{} errors, {} warnings by {}", told.errors, told.warnings, told.by));
    shared.warn(told.lines);
    let Some((fault, line)) = told.worst else { return Ok(None) };
    match gate.on_fail {
        OnFail::Record => Ok(None),
        OnFail::Nak => Err(Refused { fault, answer: told.answer }),
        OnFail::Hold => {
            let rule =
                RuleRef { name: format!("{RULE_PREFIX}{line}").into(), version: told.by.into() };
            let owe = |to: &super::DestinationRules| Owed {
                destination: to.name.clone(),
                lane,
                fate: Fate::Held(Decision {
                    verdict: Verdict::Unknown,
                    rule: Some(rule.clone()),
                    losers: Vec::new(),
                    recipient: to.recipient.clone(),
                    purpose: to.purpose.clone(),
                    valid_until: None,
                }),
            };
            Ok(Some(rules.destinations.iter().map(owe).collect()))
        }
    }
}
