//! OperationOutcome: ours from faults, and what may be kept of a peer's.

use crate::fault::{Class, Fault};
use crate::fhir::{Builder, Doc, Node, tables};

/// Code system of our codes in `issue.details`.
pub const OUTCOME_SYSTEM: &str = "urn:weir:code";

/// Most issues kept of a peer's answer: the first ones tell why.
const ISSUES_MAX: usize = 100;

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueSeverity {
    /// For information.
    Information,
    /// May matter.
    Warning,
    /// The interaction failed, or will.
    Error,
    /// Nothing further was looked at.
    Fatal,
}

impl IssueSeverity {
    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// What may be kept of an issue that a peer reports: texts and places are patient data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Issue {
    /// How bad it is; what is not a severity of R4 counts as an error.
    pub severity: IssueSeverity,
    /// One of the codes of R4 (`required`, `value`, ..), `unknown` for all others.
    pub code: &'static str,
}

const TYPES: &str = "http://hl7.org/fhir/ValueSet/issue-type";

/// Severities and codes of an OperationOutcome; none when the node is something else.
#[must_use]
pub fn issues(node: Node<'_>) -> Vec<Issue> {
    if node.resource_type().as_deref() != Some("OperationOutcome") {
        return Vec::new();
    }
    let issues = node.get("issue").into_iter().flat_map(|all| all.items());
    let read = |issue: Node<'_>| {
        let text = |name: &str| issue.get(name).and_then(|value| value.string());
        let severity = match text("severity").as_deref() {
            Some("information") => IssueSeverity::Information,
            Some("warning") => IssueSeverity::Warning,
            Some("fatal") => IssueSeverity::Fatal,
            _ => IssueSeverity::Error,
        };
        let code = text("code").unwrap_or_default();
        let known = tables::codes(TYPES).unwrap_or_default().into_iter().find(|(_, c)| *c == code);
        Issue { severity, code: known.map_or("unknown", |(_, code)| code) }
    };
    issues.take(ISSUES_MAX).map(read).collect()
}

/// Makes an OperationOutcome that tells of faults: code, place, sentence and remedy.
#[must_use]
pub fn outcome(faults: &[Fault]) -> Doc {
    outcome_of(faults.iter().map(|fault| {
        let fatal = fault.class() == Class::Bug;
        let severity = if fatal { IssueSeverity::Fatal } else { IssueSeverity::Error };
        (severity, issue_type(fault), fault.clone())
    }))
}

/// Makes an OperationOutcome that tells that all went well, and how.
#[must_use]
pub fn informed(diagnostics: &str) -> Doc {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "OperationOutcome");
    out.name("issue").start_array().start_object();
    out.member("severity", "information").member("code", "informational");
    out.member("diagnostics", diagnostics);
    out.end_object().end_array().end_object();
    out.finish()
}

/// Makes one from faults whose severity and issue type are known.
pub(in crate::fhir) fn outcome_of(
    issues: impl Iterator<Item = (IssueSeverity, &'static str, Fault)>,
) -> Doc {
    let mut none = true;
    let mut out = Builder::new();
    out.start_object().member("resourceType", "OperationOutcome");
    out.name("issue").start_array();
    for (severity, issue_type, fault) in issues {
        none = false;
        out.start_object();
        out.member("severity", severity.code()).member("code", issue_type);
        out.name("details").start_object().name("coding").start_array().start_object();
        out.member("system", OUTCOME_SYSTEM).member("code", fault.code().as_str());
        out.end_object().end_array().member("text", fault.code().row().phrase).end_object();
        out.member("diagnostics", &sentence(&fault));
        let path = fault.place().path.as_deref().filter(|path| is_expression(path));
        if let Some(path) = path {
            out.name("expression").start_array().string(path).end_array();
        }
        out.end_object();
    }
    if none {
        out.start_object();
        out.member("severity", "information").member("code", "informational");
        out.member("diagnostics", "All OK.").end_object();
    }
    out.end_array().end_object();
    out.finish()
}

/// What is wrong and what to do, for people.
fn sentence(fault: &Fault) -> String {
    let mut out = String::new();
    let mut letters = fault.code().row().phrase.chars();
    out.extend(letters.next().map(|c| c.to_ascii_uppercase()));
    out.push_str(letters.as_str());
    if let Some(cause) = fault.cause() {
        out.push_str(": ");
        out.push_str(cause);
    }
    let place = fault.place();
    if let Some(file) = &place.file {
        out.push_str(&format!(" (line {}, column {})", file.line, file.column));
    } else if let Some(path) = place.path.as_deref().filter(|path| !is_expression(path)) {
        out.push_str(&format!(" ({path})"));
    }
    out.push_str(". ");
    out.push_str(fault.help());
    out
}

/// Whether a place is a path in FHIR, not one in HL7 v2.
fn is_expression(path: &str) -> bool {
    path.split(['.', '[']).next().is_some_and(tables::is_resource)
}

/// The code of R4 that comes closest to ours.
fn issue_type(fault: &Fault) -> &'static str {
    match (fault.code().as_str(), fault.class()) {
        ("W2360" | "W2361", _) => "throttled",
        ("W2350" | "W2351" | "W2352" | "W2353" | "W2354" | "W2355" | "W2357", _) => "login",
        ("W2358" | "W2359", _) => "forbidden",
        ("W2330", _) => "timeout",
        (_, Class::Transient) => "transient",
        ("W2703", _) => "too-long",
        ("W2700" | "W2701" | "W2702", _) => "structure",
        ("W2722", _) => "required",
        ("W2725", _) => "value",
        ("W2726", _) => "code-invalid",
        ("W2731", _) => "duplicate",
        ("W7601" | "W7609", _) => "not-found",
        ("W7602", _) => "deleted",
        ("W7603", _) => "conflict",
        ("W7604", _) => "multiple-matches",
        ("W7605" | "W7611" | "W7613", _) => "invalid",
        ("W7608" | "W7610", _) => "not-supported",
        ("W7612", _) => "too-costly",
        ("W6907" | "W6911" | "W2320" | "W2335" | "W2337" | "W2338", _) => "not-found",
        ("W2321" | "W2323" | "W2327" | "W2328" | "W2332" | "W2334", _) => "not-supported",
        ("W2329", _) => "too-long",
        // A request that is wrong, not one that is not allowed.
        ("W8902" | "W8903", _) => "invalid",
        (code, class) => match code.as_bytes().get(1) {
            Some(b'2') if code.starts_with("W27") => "structure",
            Some(b'2') => "invalid",
            Some(b'3') => "suppressed",
            Some(b'8') => "forbidden",
            Some(b'4') => "processing",
            _ if class == Class::Permanent => "processing",
            _ => "exception",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;
    use crate::fault::codes::{W2722, W6901, W6911, W8901, W8903, W9001};
    use crate::fhir::doc::doc;
    use crate::fhir::validate;

    #[test]
    fn faults_become_issues() {
        let missing =
            Fault::new(W2722).at(Place::path("Patient.name")).because("R4 requires a value here");
        let broken = Doc::parse_json("[1,".into()).unwrap_err();
        let made = outcome(&[missing, broken, Fault::new(W9001).at(Place::path("PID-3"))]);
        assert!(validate::structure(&made).is_empty());
        let lines: Vec<String> = made
            .root()
            .get("issue")
            .unwrap()
            .items()
            .map(|issue| {
                let text = |name: &str| issue.get(name).unwrap().text().unwrap().into_owned();
                let path = issue
                    .get("expression")
                    .map(|e| e.items().next().unwrap().text().unwrap().into_owned());
                format!("{} {} {:?} {}", text("severity"), text("code"), path, text("diagnostics"))
            })
            .collect();
        assert_eq!(
            lines[0],
            "error required Some(\"Patient.name\") A required element is missing: R4 requires a value here. Give the element a value."
        );
        assert_eq!(
            lines[1],
            "error structure None JSON is malformed: the text ends where a value is expected (line 1, column 4). Correct the text at the line and column shown; RFC 8259 has the grammar."
        );
        assert!(
            lines[2].starts_with("fatal exception None Weir met a condition")
                && lines[2].contains("(PID-3)"),
            "{}",
            lines[2]
        );
        assert!(validate::structure(&outcome(&[])).is_empty());
    }

    #[test]
    fn the_issue_type_is_that_of_the_status() {
        let check = |code, expected| assert_eq!(issue_type(&Fault::new(code)), expected, "{code}");
        check(W8901, "forbidden");
        check(W8903, "invalid");
        check(W6911, "not-found");
        check(W6901, "transient");
        check(W9001, "exception");
    }

    #[test]
    fn of_a_peer_only_severities_and_codes_are_kept() {
        let doc = doc(r#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"warning","code":"required","diagnostics":"Jo Doe"},
            {"severity":"Jo","code":"Doe"},{"severity":"fatal","code":"exception"}]}"#);
        let kept = issues(doc.root());
        let expected = [
            Issue { severity: IssueSeverity::Warning, code: "required" },
            Issue { severity: IssueSeverity::Error, code: "unknown" },
            Issue { severity: IssueSeverity::Fatal, code: "exception" },
        ];
        assert_eq!(kept, expected);
        assert_eq!(issues(doc.root().get("issue").unwrap()), []);
    }
}
