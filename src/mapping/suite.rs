//! `[[test]]` of a mapping: a message with FHIRPath lines between its segments.
//!
//! A test runs the very program that runs for channels, with a fixed site.

use super::file::{RawMapping, RawTest, Text};
use super::program::Program;
use super::run;
use super::sentence::Span;
use super::{Library, compile::Report};
use crate::fault::{Fault, FilePlace, codes as w};
use crate::fhir::{Builder, FhirPath, validate};
use crate::hl7v2::Message;

/// Site of tests: ids in expectations stay the same everywhere.
const SITE: &str = "test";

/// Most findings of one test that are told.
const FAILURES_MAX: usize = 20;

/// What the tests of a mapping gave.
#[derive(Clone, Debug, Default)]
pub struct TestRun {
    /// One for each test, in order of the file.
    pub outcomes: Vec<TestOutcome>,
    /// Rules that no test exercised.
    pub unused_rules: Vec<String>,
}

/// What one test gave; it passed when nothing failed.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: FilePlace,
    /// What failed, each with its line.
    pub failures: Vec<Fault>,
}

/// A test, read.
pub(super) struct Test {
    name: String,
    place: FilePlace,
    message: String,
    checks: Vec<(FilePlace, FhirPath)>,
    valid: bool,
    unused: Option<Vec<String>>,
    warnings: Option<Vec<String>>,
}

/// Reads all tests of a file.
pub(super) fn read(raw: &RawMapping, library: &dyn Library, report: &mut Report<'_>) -> Vec<Test> {
    raw.tests.iter().filter_map(|test| read_one(test, library, report)).collect()
}

fn read_one(raw: &RawTest, library: &dyn Library, report: &mut Report<'_>) -> Option<Test> {
    let Some(input) = &raw.input else {
        report.error(w::W4002, &raw.span, "a test needs `input`");
        return None;
    };
    let (mut message, mut checks) = (String::new(), Vec::new());
    if !input.text.contains('\n') && input.text.ends_with(".hl7") {
        match library.file(&input.text) {
            Some(file) => message = file.text.replace("\r\n", "\r").replace('\n', "\r"),
            None => report.error(w::W4016, &input.span, format!("`{}`", input.text)),
        }
    } else {
        let mut at = 0;
        for line in input.text.split_inclusive('\n') {
            let start = at + line.len() - line.trim_start().len();
            let content = line.trim();
            at += line.len();
            match content.strip_prefix('@') {
                Some(path) => {
                    let span = start..start + content.len();
                    checks.extend(read_check(path.trim(), input, &span, report));
                }
                None if content.is_empty() => {}
                None => {
                    message.push_str(content);
                    message.push('\r');
                }
            }
        }
    }
    let texts = |list: &Option<Vec<Text>>| {
        list.as_ref().map(|list| list.iter().map(|text| text.text.clone()).collect())
    };
    Some(Test {
        name: raw.name.as_ref().map_or_else(String::new, |name| name.text.clone()),
        place: report.document.place(raw.name.as_ref().map_or(&raw.span, |name| &name.span)),
        message,
        checks,
        valid: raw.valid,
        unused: texts(&raw.unused),
        warnings: texts(&raw.warnings),
    })
}

fn read_check(
    path: &str,
    input: &Text,
    span: &Span,
    report: &mut Report<'_>,
) -> Option<(FilePlace, FhirPath)> {
    let span = input.inside(span);
    match FhirPath::parse(path) {
        Ok(path) => Some((report.document.place(&span), path)),
        Err(fault) => {
            report.fault(fault, &span);
            None
        }
    }
}

/// Runs tests.
pub(super) fn run(program: &Program, tests: &[Test]) -> TestRun {
    let mut made = vec![false; program.rules.len()];
    let outcomes = tests.iter().map(|test| run_one(program, test, &mut made)).collect();
    let unused_rules = program
        .rules
        .iter()
        .zip(&made)
        .filter(|(_, made)| !**made)
        .map(|(rule, _)| rule.name.to_string())
        .collect();
    TestRun { outcomes, unused_rules }
}

fn run_one(program: &Program, test: &Test, made: &mut [bool]) -> TestOutcome {
    let mut outcome =
        TestOutcome { name: test.name.clone(), place: test.place.clone(), failures: Vec::new() };
    let fail = |cause: String| Fault::new(w::W4201).because(cause).at(test.place.clone());
    let output = Message::parse(test.message.clone().into())
        .and_then(|message| run::run(program, &message, SITE, true, Builder::new()));
    let output = match output {
        Ok(output) => output,
        Err(fault) => {
            outcome.failures.push(fault.at(test.place.clone()));
            return outcome;
        }
    };
    for (made, now) in made.iter_mut().zip(&output.made) {
        *made |= now;
    }
    for (place, path) in &test.checks {
        if !path.test(output.done.root()) {
            let fault = Fault::new(w::W4201).because(format!("`{}` does not hold", path.source()));
            outcome.failures.push(fault.at(place.clone()));
        }
    }
    if test.valid {
        for finding in validate::structure(&output.done).into_iter().take(FAILURES_MAX) {
            outcome.failures.push(fail(format!("{}: {}", finding.path, finding.what)));
        }
    }
    if let (Some(expected), Some(lineage)) = (&test.unused, &output.lineage) {
        let mut expected = expected.clone();
        expected.sort();
        let unused = lineage.unused_summary();
        if unused != expected {
            outcome.failures.push(fail(format!("unused: {}", list(&unused))));
        }
    }
    if let Some(expected) = &test.warnings {
        let warnings: Vec<String> = output.warnings.iter().map(short).collect();
        if &warnings != expected {
            outcome.failures.push(fail(format!("warnings: {}", list(&warnings))));
        }
    }
    outcome.failures.truncate(FAILURES_MAX);
    outcome
}

/// `W4101 OBX[4]-5`.
fn short(fault: &Fault) -> String {
    match &fault.place().path {
        Some(path) => format!("{} {path}", fault.code()),
        None => fault.code().to_string(),
    }
}

fn list(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}
