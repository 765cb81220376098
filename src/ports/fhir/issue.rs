//! What of an OperationOutcome may be told: codes and the path of an element.
//!
//! Its texts stay out: they may quote what was sent.

use crate::fhir::Node;

/// Most issues of an outcome that are looked at.
const ISSUES_MAX: usize = 20;

/// Longest path kept, in bytes.
const PATH_BYTES_MAX: usize = 200;

/// Codes and place of one issue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// Its `code`.
    pub code: Option<String>,
    /// First code of its `details`.
    pub detail: Option<String>,
    /// Path of the element that it is about.
    pub path: Option<String>,
}

impl Issue {
    /// The status and the codes, as the cause of a fault.
    #[must_use]
    pub fn cause(&self, status: u16) -> String {
        let mut cause = status.to_string();
        for part in [&self.code, &self.detail].into_iter().flatten() {
            cause.push(' ');
            cause.push_str(part);
        }
        cause
    }
}

/// The first issue that is an error, else the first one.
#[must_use]
pub fn issue_of(outcome: Node<'_>) -> Option<Issue> {
    if outcome.resource_type().as_deref() != Some("OperationOutcome") {
        return None;
    }
    let issues = outcome.get("issue")?;
    let mut issues = issues.items().take(ISSUES_MAX);
    let first = issues.next()?;
    let severe = |issue: &Node<'_>| {
        let severity = issue.get("severity").and_then(|s| s.text());
        matches!(severity.as_deref(), Some("error" | "fatal"))
    };
    let issue = if severe(&first) { first } else { issues.find(severe).unwrap_or(first) };
    let coding = issue.get("details").and_then(|d| d.get("coding"));
    let detail = coding.and_then(|c| c.items().next()).and_then(|c| c.get("code"));
    let first_of = |name: &str| issue.get(name).and_then(|list| list.items().next());
    let path = first_of("expression").or_else(|| first_of("location"));
    Some(Issue {
        code: issue.get("code").and_then(|n| n.text()).and_then(|t| token(&t)),
        detail: detail.and_then(|n| n.text()).and_then(|t| token(&t)),
        path: path.and_then(|n| n.text()).and_then(|t| element_path(&t)),
    })
}

/// A code: short, without anything that free text would have.
fn token(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    ((1..=40).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
}

/// An element path: names, points and numbers in brackets. A path with a condition in it
/// may quote a value and is left out.
fn element_path(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".[]".contains(&b);
    let named = text.starts_with(|c: char| c.is_ascii_alphabetic());
    (named && text.len() <= PATH_BYTES_MAX && text.bytes().all(plain)).then(|| text.to_owned())
}
