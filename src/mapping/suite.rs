//! `[[test]]` of a mapping: a message with FHIRPath lines between its segments.
//!
//! A test runs the very program that runs for channels, with a fixed site.

use super::condition::Condition;
use super::file::{RawMapping, RawTest, Text};
use super::lineage::Lineage;
use super::program::Program;
use super::segments;
use super::sentence::Span;
use super::{Library, compile::Report};
use crate::cda::Document;
use crate::fault::{Fault, FilePlace, codes as w};
use crate::fhir::{Builder, FhirPath, validate};
use crate::hl7v2::Message;
use crate::message::Content;

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
    /// Whether it is a document.
    cda: bool,
    checks: Vec<(FilePlace, Condition)>,
    valid: bool,
    unused: Option<Vec<String>>,
    warnings: Option<Vec<String>>,
}

/// Reads all tests of a file.
pub(super) fn read(raw: &RawMapping, library: &dyn Library, report: &mut Report<'_>) -> Vec<Test> {
    let hl7 = raw.to.as_ref().is_some_and(|to| to.text.starts_with("hl7v2"));
    let cda = raw.from.as_ref().is_some_and(|from| from.text == "cda");
    raw.tests.iter().filter_map(|test| read_one((test, hl7, cda), library, report)).collect()
}

fn read_one(
    (raw, hl7, cda): (&RawTest, bool, bool),
    library: &dyn Library,
    report: &mut Report<'_>,
) -> Option<Test> {
    let Some(input) = &raw.input else {
        report.error(w::W4002, &raw.span, "a test needs `input`");
        return None;
    };
    let (mut message, mut checks) = (String::new(), Vec::new());
    let is_file = |ending: &str| !input.text.contains('\n') && input.text.ends_with(ending);
    if is_file(".hl7") || cda && is_file(".xml") {
        match library.file(&input.text) {
            Some(file) if cda => message = file.text.to_string(),
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
                    checks.extend(read_check((path.trim(), hl7), input, &span, report));
                }
                None if cda => message.push_str(line),
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
        cda,
        checks,
        valid: raw.valid,
        unused: texts(&raw.unused),
        warnings: texts(&raw.warnings),
    })
}

fn read_check(
    (path, hl7): (&str, bool),
    input: &Text,
    span: &Span,
    report: &mut Report<'_>,
) -> Option<(FilePlace, Condition)> {
    let span = input.inside(span);
    // A mapping to HL7 v2 is looked at by conditions of its own paths.
    let read = match hl7 {
        true => Condition::parse(path),
        false => FhirPath::parse(path).map(Condition::of_fhir),
    };
    match read {
        Ok(condition) => Some((report.document.place(&span), condition)),
        Err(fault) => {
            report.fault(fault, &span);
            None
        }
    }
}

/// Runs tests.
pub(super) fn run(program: &Program, tests: &[Test]) -> TestRun {
    let names: Vec<&str> = match &program.target {
        Some(target) => target.makes.iter().map(|make| &*make.name).collect(),
        None => program.rules.iter().map(|rule| &*rule.name).collect(),
    };
    let mut made = vec![false; names.len()];
    let outcomes = tests.iter().map(|test| run_one(program, test, &mut made)).collect();
    let unused = names.iter().zip(&made).filter(|(_, made)| !**made);
    TestRun { outcomes, unused_rules: unused.map(|(name, _)| (*name).to_owned()).collect() }
}

/// What one run made, and what a test looks at besides.
struct Ran {
    content: Content,
    lineage: Option<Lineage>,
    warnings: Vec<Fault>,
    made: Vec<bool>,
    /// What is structurally wrong with it.
    wrong: Vec<String>,
}

fn run_over(program: &Program, content: &Content) -> Result<Ran, Fault> {
    if let (Some(target), Content::Hl7(message)) = (&program.target, content) {
        let made = segments::run(program, target, message, true)?;
        let output = made.message(message, target)?;
        // MSA of an answer is not the mapping's.
        let deviations = output.tree().deviations().iter().filter(|one| one.name != "MSA");
        let wrong = deviations.map(|one| one.to_fault().line()).collect();
        let segments::Made { lineage, warnings, made, .. } = made;
        return Ok(Ran { content: Content::Hl7(output), lineage, warnings, made, wrong });
    }
    let output = super::run_over(program, content, SITE, true, Builder::new())?;
    let findings = validate::structure(&output.done).into_iter();
    let wrong = findings.map(|finding| format!("{}: {}", finding.path, finding.what)).collect();
    Ok(Ran {
        content: Content::Fhir(output.done),
        lineage: output.lineage,
        warnings: output.warnings,
        made: output.made,
        wrong,
    })
}

fn run_one(program: &Program, test: &Test, made: &mut [bool]) -> TestOutcome {
    let mut outcome =
        TestOutcome { name: test.name.clone(), place: test.place.clone(), failures: Vec::new() };
    let fail = |cause: String| Fault::new(w::W4201).because(cause).at(test.place.clone());
    let content = match test.cda {
        true => Document::parse(&test.message.clone().into()).map(Content::Cda),
        false => Message::parse(test.message.clone().into()).map(Content::Hl7),
    };
    let output = content.and_then(|content| run_over(program, &content));
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
    for (place, condition) in &test.checks {
        if !condition.test(&output.content) {
            let cause = format!("`{}` does not hold", condition.source());
            outcome.failures.push(Fault::new(w::W4201).because(cause).at(place.clone()));
        }
    }
    if test.valid {
        outcome.failures.extend(output.wrong.into_iter().take(FAILURES_MAX).map(fail));
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
