//! `weir test`: the `[[test]]`s of channels and mappings.

use std::fmt::Write as _;

use serde_json::json;

use super::args::TestArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::{check, shown};
use crate::config::Plan;
use crate::fault::codes::W1043;
use crate::fault::{Problem, Severity};
use crate::mapping::Mapping;
use crate::tool::testing::{self, Tested};

pub fn run(args: &TestArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let plan = load(args.bless, shell)?;
    let asked: Vec<String> = args.paths.iter().map(|path| shown(path)).collect();
    let within = |file: &str| asked.is_empty() || asked.iter().any(|path| path.ends_with(file));
    let named = |name: &str| args.name.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let mut tested = Vec::new();
    for channel in plan.channels.iter().filter(|channel| within(&channel.file)) {
        for case in channel.tests.iter().filter(|case| named(&case.name)) {
            if args.bless {
                let written =
                    testing::bless(channel, case, &plan.root).map_err(|(file, error)| {
                        Stop::Said(Exit::No, format!("cannot write `{file}`: {error}"))
                    })?;
                if written > 0 {
                    shell.note(format!("wrote {written} golden files of `{}`", case.name));
                }
            }
            tested.push(testing::run(channel, case, &plan.root));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    let mut never_used = 0;
    for mapping in mappings(&plan) {
        let file = mapping.file();
        if !within(file) || seen.iter().any(|done| done == file) {
            continue;
        }
        seen.push(file.to_owned());
        let (results, unused) = testing::mapping(mapping);
        tested.extend(results.into_iter().filter(|test| named(&test.name)));
        never_used += unused.len();
        if shell.verbose {
            for rule in unused {
                shell.note(format!("never used by a test: {rule}"));
            }
        }
    }
    if tested.is_empty() {
        return Err(Stop::Said(Exit::NotFound, "no test matches".to_owned()));
    }
    let failed = tested.iter().filter(|test| !test.failures.is_empty()).count();
    if let Some(file) = &args.junit {
        std::fs::write(file, junit(&tested)).map_err(Stop::io)?;
    }
    if shell.is_text() {
        for test in &tested {
            show(test, shell)?;
        }
        let mut line = format!("{} tests, {failed} failed", tested.len());
        if never_used > 0 && args.name.is_none() {
            line.push_str(&format!(", {never_used} rules never used (see --verbose)"));
        }
        shell.line(line)?;
    } else {
        let rows: Vec<_> = tested.iter().map(as_json).collect();
        shell.json(&json!({
            "schema": "weir.test.v1", "tests": rows, "count": tested.len(), "failed": failed,
        }))?;
    }
    Ok(if failed > 0 { Exit::No } else { Exit::Done })
}

/// Loads the configuration, or draws its problems and stops. Of a golden file that is
/// about to be written nobody needs to hear that it is missing.
fn load(bless: bool, shell: &mut Shell) -> Result<Plan, Stop> {
    let (plan, problems, sources) = check::load(shell);
    let told = |problem: &&Problem| {
        let is_warning = problem.severity == Severity::Warning;
        !(bless && is_warning && problem.fault.code() == W1043)
    };
    shell.problems(problems.iter().filter(told), |file| sources.text(file).map(str::to_owned));
    plan.ok_or(Stop::Exit(Exit::No))
}

/// The mappings of all channels.
fn mappings(plan: &Plan) -> impl Iterator<Item = &Mapping> {
    let rules = plan.channels.iter().flat_map(|channel| &channel.rules.destinations);
    rules.filter_map(|destination| destination.mapping.as_deref())
}

fn show(test: &Tested, shell: &mut Shell) -> Result<(), Stop> {
    if test.failures.is_empty() {
        let ok = shell.paint(Tone::Good, "ok  ");
        return shell.line(format!("{ok}  {:<24}  {}", test.subject, test.name));
    }
    let fail = shell.paint(Tone::Bad, "FAIL");
    let place = &test.place;
    shell.line(format!(
        "{fail}  {:<24}  {}  {}:{}",
        test.subject, test.name, place.file, place.line
    ))?;
    for failure in &test.failures {
        let from = failure.from.as_ref().map(|f| format!("   from {f}")).unwrap_or_default();
        shell.line(format!(
            "        {}   expected \"{}\"   got \"{}\"{from}",
            failure.what, failure.expected, failure.found
        ))?;
    }
    Ok(())
}

fn as_json(test: &Tested) -> serde_json::Value {
    let failures: Vec<_> = test
        .failures
        .iter()
        .map(
            |f| json!({ "what": f.what, "expected": f.expected, "found": f.found, "from": f.from }),
        )
        .collect();
    json!({
        "subject": &*test.subject, "name": &*test.name, "file": &*test.place.file,
        "line": test.place.line, "passed": test.failures.is_empty(), "failures": failures,
    })
}

fn junit(tested: &[Tested]) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let failed = tested.iter().filter(|test| !test.failures.is_empty()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ =
        writeln!(xml, "<testsuite name=\"weir\" tests=\"{}\" failures=\"{failed}\">", tested.len());
    for test in tested {
        let (class, name) = (escape(&test.subject), escape(&test.name));
        let _ = write!(xml, "  <testcase classname=\"{class}\" name=\"{name}\"");
        if test.failures.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for failure in &test.failures {
            let text = format!(
                "{}: expected \"{}\", got \"{}\"",
                failure.what, failure.expected, failure.found
            );
            let _ = writeln!(xml, "    <failure message=\"{}\"/>", escape(&text));
        }
        xml.push_str("  </testcase>\n");
    }
    xml.push_str("</testsuite>\n");
    xml
}
