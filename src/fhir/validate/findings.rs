//! What a check found, and how it is told.

use crate::fault::codes::{
    W2722, W2725, W2726, W2731, W2733, W2750, W2751, W2752, W2753, W2755, W2756, W2757, W2758,
};
use crate::fault::{Code, Fault, FilePlace, Place};
use crate::fhir::doc::{Doc, Node, NodeId};
use crate::fhir::resources::IssueSeverity;

/// Most errors on one document: a person reads the first ones, and a hostile document must
/// not make more work than a good one.
pub const FINDINGS_MAX: usize = 500;

/// Most findings less than errors, counted apart, so that they never hide one.
pub const WARNINGS_MAX: usize = 100;

/// One thing that is not as R4 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: `Bundle.entry[0].resource.gender`.
    pub path: String,
    /// Which kind of thing.
    pub code: Code,
    /// What is wrong there: lower case, no period, no values of the document.
    pub what: String,
    /// How bad it is.
    pub severity: IssueSeverity,
    /// Name of the invariant that does not hold: `pat-1`.
    pub key: Option<&'static str>,
    /// Line and column in the text, both from 1.
    pub line_column: Option<(u32, u32)>,
    /// The form of that text: `JSON` or `XML`.
    pub form: &'static str,
}

impl Finding {
    /// The finding as a fault, for answers.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let mut place = Place::path(self.path.as_str());
        if let Some((line, column)) = self.line_column {
            place.file = Some(FilePlace { file: self.form.into(), line, column, span: 0..0 });
        }
        Fault::new(self.code).at(place).because(self.what.clone())
    }

    /// Whether it makes the document invalid.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity >= IssueSeverity::Error
    }

    /// The code of R4's issue types that comes closest.
    ///
    /// Source: FHIR R4 valueset-issue-type.html.
    #[must_use]
    pub fn issue_type(&self) -> &'static str {
        match self.code {
            W2722 => "required",
            W2725 | W2757 => "value",
            W2726 | W2755 => "code-invalid",
            W2731 => "duplicate",
            W2733 => "too-costly",
            W2750 => "invariant",
            W2751 => "not-found",
            W2752 | W2753 | W2756 | W2758 => "invalid",
            _ => "structure",
        }
    }
}

/// Makes an OperationOutcome that tells of findings, with their severity and place.
#[must_use]
pub fn outcome(findings: &[Finding]) -> Doc {
    let issue = |finding: &Finding| (finding.severity, finding.issue_type(), finding.fault());
    crate::fhir::resources::outcome_of(findings.iter().map(issue))
}

/// Findings while they are collected, with the nodes they are about.
#[derive(Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    spots: Vec<Spot>,
    errors: usize,
}

/// What a finding is about.
#[derive(Clone, Copy)]
enum Spot {
    Node(NodeId),
    /// A byte of the text.
    Byte(usize),
}

impl Findings {
    pub fn is_full(&self) -> bool {
        self.errors >= FINDINGS_MAX
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether another finding is kept; asked before its path is written out, which costs.
    pub fn takes(&self, severity: IssueSeverity) -> bool {
        if severity >= IssueSeverity::Error {
            !self.is_full()
        } else {
            self.found.len() - self.errors.min(FINDINGS_MAX) < WARNINGS_MAX
        }
    }

    /// Adds an error about a node, or about something missing in it.
    pub fn add(&mut self, node: Node<'_>, path: String, code: Code, what: String) {
        self.push(node, Finding::error(path, code, what));
    }

    pub fn push(&mut self, node: Node<'_>, finding: Finding) {
        self.put(Spot::Node(node.id()), finding);
    }

    /// Adds what the text of a document holds and the document does not.
    pub fn flaws(&mut self, doc: &Doc) {
        for flaw in doc.flaws() {
            let finding = Finding::error(flaw.path.clone(), flaw.code, flaw.what.to_owned());
            self.put(Spot::Byte(flaw.at), finding);
        }
    }

    fn put(&mut self, spot: Spot, mut finding: Finding) {
        if finding.is_error() {
            self.errors += 1;
            match self.errors {
                ..FINDINGS_MAX => {}
                FINDINGS_MAX => {
                    finding.code = W2733;
                    finding.key = None;
                    finding.what = format!("more than {} errors", FINDINGS_MAX - 1);
                }
                _ => return,
            }
        } else if !self.takes(finding.severity) {
            return;
        }
        self.found.push(finding);
        self.spots.push(spot);
    }

    /// The findings with the lines they are on.
    pub fn finish(mut self, doc: &Doc) -> Vec<Finding> {
        // One pass over the text: a search for each finding would read it anew each time.
        let offset = |spot: &Spot| match spot {
            Spot::Node(id) => doc.node(*id)?.offset(),
            Spot::Byte(at) => Some(*at),
        };
        let mut order: Vec<(usize, usize)> = self
            .spots
            .iter()
            .enumerate()
            .filter_map(|(n, spot)| Some((offset(spot)?, n)))
            .collect();
        order.sort_unstable();
        let (form, text) = doc.original();
        self.found.iter_mut().for_each(|finding| finding.form = form);
        let (mut at, mut line, mut start) = (0, 1_u32, 0);
        for (offset, n) in order {
            let Some(between) = text.get(at..offset) else { continue };
            for newline in memchr::memchr_iter(b'\n', between) {
                line = line.saturating_add(1);
                start = at + newline + 1;
            }
            at = offset;
            let head = text.get(start..offset).unwrap_or_default();
            let letters = head.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
            if let Some(finding) = self.found.get_mut(n) {
                let column = u32::try_from(letters + 1).unwrap_or(u32::MAX);
                finding.line_column = Some((line, column));
            }
        }
        self.found
    }
}

impl Finding {
    pub(super) fn error(path: String, code: Code, what: String) -> Self {
        let severity = IssueSeverity::Error;
        Self { path, code, what, severity, key: None, line_column: None, form: "JSON" }
    }
}
