//! `weir check`: the code of `run`, without running.

use std::path::Path;

use serde_json::json;

use super::args::CheckArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::{block_on, shown};
use crate::config::{self, ChannelPlan, DestinationPlan, Plan, Sources};
use crate::destination::Outlook;
use crate::fault::{Place, Problem, Problems, Severity};
use crate::ports::Ports;

pub fn run(args: &CheckArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let (plan, mut problems, sources) = load(shell);
    if let (true, Some(plan)) = (args.online, &plan) {
        problems.extend(online(plan)?);
    }
    problems.sort();
    let asked: Vec<String> = args.paths.iter().map(|path| relative(path, &shell.root)).collect();
    for (name, path) in asked.iter().zip(&args.paths) {
        if !sources.files().any(|file| file == name) {
            let text = format!("`{}` is no file of this configuration", shown(path));
            return Err(Stop::Said(Exit::NotFound, text));
        }
    }
    let within = |problem: &&Problem| {
        let file = problem.fault.place().file.as_ref();
        asked.is_empty() || file.is_some_and(|f| asked.iter().any(|a| **a == *f.file))
    };
    let found: Vec<&Problem> = problems.iter().filter(within).collect();
    let count = |severity| found.iter().filter(|p| p.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if shell.is_text() {
        shell.problems(found.iter().copied(), |file| sources.text(file).map(ToOwned::to_owned));
        let channels = plan.as_ref().map_or(0, |plan| plan.channels.len());
        let line = match (errors, warnings) {
            (0, 0) => format!("{channels} channels, no problems"),
            _ => format!("{errors} errors, {warnings} warnings"),
        };
        let tone = if errors > 0 { Tone::Bad } else { Tone::Good };
        let line = shell.paint(tone, line);
        shell.line(line)?;
    } else {
        let rows: Vec<_> = found.iter().map(|problem| problem_json(problem)).collect();
        shell.json(&json!({
            "schema": "weir.check.v1", "errors": errors, "warnings": warnings, "problems": rows,
        }))?;
    }
    let refused = errors > 0 || (args.deny.is_some() && warnings > 0);
    Ok(if refused { Exit::No } else { Exit::Done })
}

/// Loads the configuration that the global options name.
pub fn load(shell: &Shell) -> (Option<Plan>, Problems, Sources) {
    config::load(&shell.root, shell.site.as_deref())
}

/// Loads it, or draws its problems and stops.
pub fn load_or_stop(shell: &mut Shell, exit: Exit) -> Result<(Plan, Sources), Stop> {
    let (plan, problems, sources) = load(shell);
    shell.problems(problems.iter(), |file| sources.text(file).map(ToOwned::to_owned));
    plan.map(|plan| (plan, sources)).ok_or(Stop::Exit(exit))
}

fn relative(path: &Path, root: &Path) -> String {
    shown(path.strip_prefix(root).unwrap_or(path).strip_prefix("./").unwrap_or(path))
}

/// A problem as JSON: file, line, column, code, help.
pub fn problem_json(problem: &Problem) -> serde_json::Value {
    let fault = &problem.fault;
    let place = fault.place();
    json!({
        "severity": problem.severity.name(),
        "code": fault.code().as_str(),
        "phrase": fault.code().row().phrase,
        "cause": fault.cause(),
        "help": fault.help(),
        "file": place.file.as_ref().map(|f| &*f.file),
        "line": place.file.as_ref().map(|f| f.line),
        "column": place.file.as_ref().map(|f| f.column),
        "channel": place.channel.as_deref(),
        "destination": place.destination.as_deref(),
        "path": place.path.as_deref(),
    })
}

/// Dials every destination once, and asks those that can tell what they take.
fn online(plan: &Plan) -> Result<Problems, Stop> {
    block_on(async {
        crate::ports::secrets::allow(plan.programs());
        let ports = Ports::system();
        let mut problems = Problems::new();
        for channel in plan.channels.iter().filter(|channel| channel.enabled) {
            for destination in channel.destinations.iter().filter(|d| d.enabled) {
                let mut way = destination.kind.build(&ports);
                let outlook = outlook(channel, destination);
                let found = tokio::select! {
                    found = way.probe(&ports, &outlook) => found,
                    () = ports.clock.sleep(destination.timeout) => continue,
                };
                let place =
                    || Place::destination(channel.name().shared(), destination.name.shared());
                for problem in found.iter() {
                    let fault = problem.fault.clone().at(place());
                    match problem.severity {
                        Severity::Error => problems.error(fault),
                        Severity::Warning => problems.warning(fault),
                        Severity::Note => problems.note(fault),
                    }
                }
                way.close().await;
            }
        }
        Ok(problems)
    })
}

/// What a destination is going to be sent: what its mapping makes, else what the channel
/// accepts.
fn outlook(channel: &ChannelPlan, destination: &DestinationPlan) -> Outlook {
    let rules = channel.rules.destination(&destination.name);
    let mapping = rules.and_then(|rules| rules.mapping.as_deref());
    let mut outlook = Outlook::default();
    outlook.system.extend(destination.kind.batch_max().map(|_| "batch"));
    if let Some(mapping) = mapping {
        if mapping.makes().is_none() {
            outlook.system.push("transaction");
        }
        outlook.types.extend(mapping.makes_resources().map(|(code, kind)| (code, kind.into())));
    } else {
        for row in &channel.rules.accept.0 {
            let (word, kind) = row.split_once(':').unwrap_or((row, ""));
            let system = ["transaction", "batch"].into_iter().find(|code| *code == word);
            outlook.system.extend(system);
            let codes = ["create", "update", "patch", "delete"];
            let code = codes.into_iter().find(|code| *code == word);
            outlook.types.extend(code.filter(|_| !kind.is_empty()).map(|code| (code, kind.into())));
        }
    }
    outlook.types.sort();
    outlook.types.dedup();
    outlook.system.sort_unstable();
    outlook.system.dedup();
    outlook
}
