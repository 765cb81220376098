//! `[validate]` for FHIR: the check of R4, the profiles a channel asks for, and its grades.

use std::sync::Arc;

use crate::fault::codes::W2116;
use crate::fault::{Code, Severity};
use crate::fhir::Doc;
use crate::fhir::resources::IssueSeverity;
use crate::fhir::validate::{self, Finding, Knowledge, Options};
use crate::hl7v2::check::Grade;
use crate::message::Content;

use super::SiteRule;

/// What a channel asks of FHIR resources.
#[derive(Clone, Debug, Default)]
pub struct FhirRules {
    /// Definitions that are loaded, and the profiles that every resource of a type has to
    /// fit.
    pub knowledge: Arc<Knowledge>,
    /// What the check is called in trails; empty for that of the standard.
    pub name: Arc<str>,
    /// How much a code counts; the first row of a code wins.
    pub codes: Vec<(Code, Grade)>,
    /// Whether warnings that no row speaks of are errors.
    pub is_strict: bool,
}

/// The severity as reports have it.
#[must_use]
pub const fn severity(finding: &Finding) -> Severity {
    match finding.severity {
        IssueSeverity::Fatal | IssueSeverity::Error => Severity::Error,
        IssueSeverity::Warning => Severity::Warning,
        IssueSeverity::Information => Severity::Note,
    }
}

impl FhirRules {
    /// Checks a document by R4 and the profiles, then by rules of the site.
    #[must_use]
    pub fn check(&self, doc: &Doc, rules: &[SiteRule]) -> Vec<Finding> {
        let options = Options { knowledge: Some(&self.knowledge), ..Options::default() };
        let mut findings = validate::resource(doc, &options);
        findings.retain_mut(|finding| self.grade(finding));
        if !rules.is_empty() {
            let content = Content::Fhir(doc.clone());
            findings.extend(rules.iter().filter_map(|rule| broken(rule, doc, &content)));
        }
        findings
    }

    /// Grades a finding; false where it does not count.
    fn grade(&self, finding: &mut Finding) -> bool {
        let row = self.codes.iter().find(|(code, _)| *code == finding.code);
        match row.map(|(_, grade)| *grade) {
            Some(Grade::Ignore) => return false,
            Some(Grade::Count(severity)) => finding.severity = issue(severity),
            None if self.is_strict && finding.severity == IssueSeverity::Warning => {
                finding.severity = IssueSeverity::Error;
            }
            None => {}
        }
        true
    }
}

const fn issue(severity: Severity) -> IssueSeverity {
    match severity {
        Severity::Error => IssueSeverity::Error,
        Severity::Warning => IssueSeverity::Warning,
        Severity::Note => IssueSeverity::Information,
    }
}

/// The finding of a rule that does not hold.
fn broken(rule: &SiteRule, doc: &Doc, content: &Content) -> Option<Finding> {
    let counts = rule.when.as_ref().is_none_or(|when| when.test(content));
    (counts && !rule.must.test(content)).then(|| Finding {
        path: doc.root().path(),
        code: W2116,
        what: rule.message.to_string(),
        severity: issue(rule.severity),
        key: None,
        line_column: doc.root().line_column(),
        form: doc.form(),
    })
}
