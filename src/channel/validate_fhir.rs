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
    /// How much a place and all below it counts: paths from a type of resource on, without
    /// indexes (`Patient.name.given`); the longest wins, and wins over codes.
    pub paths: Vec<(Arc<str>, Grade)>,
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
        findings.retain_mut(|finding| self.grade(doc, finding));
        if !rules.is_empty() {
            let content = Content::Fhir(doc.clone());
            findings.extend(rules.iter().filter_map(|rule| broken(rule, doc, &content)));
        }
        findings
    }

    /// The grade of the most exact path that a finding stands at or below.
    fn by_path(&self, doc: &Doc, path: &str) -> Option<Grade> {
        if self.paths.is_empty() {
            return None;
        }
        let forms = forms(doc, path);
        let covers = |rule: &str| {
            let below = |form: &String| {
                form.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            forms.iter().any(below)
        };
        let fits = self.paths.iter().filter(|(rule, _)| covers(rule));
        // The first of several of one length, which is what the channel says itself.
        fits.rev().max_by_key(|(rule, _)| rule.len()).map(|(_, grade)| *grade)
    }

    /// Grades a finding; false where it does not count.
    fn grade(&self, doc: &Doc, finding: &mut Finding) -> bool {
        let row = || self.codes.iter().find(|(code, _)| *code == finding.code);
        match self.by_path(doc, &finding.path).or_else(|| row().map(|(_, grade)| *grade)) {
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

/// A path of a finding as paths of rules are written, from each resource around it on:
/// `Bundle.entry.resource.gender` and `Patient.gender`.
fn forms(doc: &Doc, path: &str) -> Vec<String> {
    let mut forms: Vec<String> = Vec::new();
    let mut at = Some(doc.root());
    for (depth, step) in path.split('.').enumerate() {
        let (name, indexes) = step.find('[').map_or((step, ""), |at| step.split_at(at));
        if depth > 0 {
            at = at.and_then(|node| node.get(name));
        }
        for index in indexes.split(['[', ']']).filter_map(|text| text.parse::<usize>().ok()) {
            at = at.and_then(|node| node.items().nth(index));
        }
        for form in &mut forms {
            form.push('.');
            form.push_str(name);
        }
        forms.extend(at.and_then(|node| node.resource_type()).map(|name| name.into_owned()));
    }
    forms
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_how_much_a_finding_counts() {
        let check = |text: &str, paths: &[(&str, Grade)], expected: &[&str]| {
            let doc = Doc::parse_json(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap();
            let paths = paths.iter().map(|(path, grade)| ((*path).into(), *grade)).collect();
            let rules = FhirRules { paths, ..FhirRules::default() };
            let found = rules.check(&doc, &[]);
            let lines: Vec<String> = found
                .iter()
                .filter(|finding| finding.severity != IssueSeverity::Information)
                .filter(|finding| finding.key.is_none())
                .map(|finding| format!("{:?} {}", finding.severity, finding.path))
                .collect();
            assert_eq!(lines, expected, "{text}");
        };
        let text = r#"{"resourceType":"Patient","gender":"x","name":[{"use":"y","given":[1]}]}"#;
        let note = Grade::Count(Severity::Warning);
        check(
            text,
            &[],
            &[
                "Error Patient.gender",
                "Error Patient.name[0].use",
                "Error Patient.name[0].given[0]",
            ],
        );
        check(
            text,
            &[("Patient.gender", Grade::Ignore)],
            &["Error Patient.name[0].use", "Error Patient.name[0].given[0]"],
        );
        check(
            text,
            &[("Patient.name", note), ("Patient.name.given", Grade::Ignore)],
            &["Error Patient.gender", "Warning Patient.name[0].use"],
        );
        check(text, &[("Patient.name.us", Grade::Ignore), ("Patient", Grade::Ignore)], &[]);
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"urn:uuid:c1f3f5a1-5c5e-4b7a-8a3e-0b6f3c5d7e9f","resource":{text}}}]}}"#
        );
        check(
            &bundle,
            &[("Patient.name", Grade::Ignore)],
            &["Error Bundle.entry[0].resource.gender"],
        );
        check(&bundle, &[("Bundle.entry", Grade::Ignore)], &[]);
    }
}
