//! `weir doctor`: finds and explains trouble.

use serde_json::json;

use super::client::Server;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};
use super::{block_on, check};
use crate::base::ByteSize;
use crate::fault::Severity;
use crate::ports::Ports;
use crate::tool::disk;

/// Syncs measured: enough for a 99th percentile, done in a few seconds on a slow disk.
const SYNCS: usize = 100;

/// Above this a commit is slow enough to hold senders up.
const SYNC_SLOW_MILLIS: u128 = 50;

struct Finding {
    what: &'static str,
    good: bool,
    says: String,
    help: Option<String>,
}

pub fn run(shell: &mut Shell) -> Result<Exit, Stop> {
    let (plan, problems, _) = check::load(shell);
    let mut findings = Vec::new();
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    findings.push(Finding {
        what: "configuration",
        good: errors == 0,
        says: format!("{errors} errors, {} problems in all", problems.len()),
        help: (errors > 0).then(|| "run `weir check`".to_owned()),
    });
    let ports = Ports::system();
    if let Some(plan) = &plan {
        findings.extend(look_at_disk(&ports, plan));
        findings.push(look_at_clock(&ports));
        findings.extend(look_at_server(plan, shell));
    }
    let bad = findings.iter().filter(|finding| !finding.good).count();
    if shell.is_text() {
        for finding in &findings {
            let (mark, tone) = if finding.good { ("ok ", Tone::Good) } else { ("BAD", Tone::Bad) };
            let mark = shell.paint(tone, mark);
            shell.line(format!("{mark}  {:<14} {}", finding.what, finding.says))?;
            if let Some(help) = &finding.help {
                shell.line(format!("     {:<14} help: {help}", ""))?;
            }
        }
    } else {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "good": f.good, "says": f.says, "help": f.help }))
            .collect();
        shell.json(&json!({ "schema": "weir.doctor.v1", "findings": rows, "bad": bad }))?;
    }
    Ok(if bad > 0 { Exit::No } else { Exit::Done })
}

fn look_at_disk(ports: &Ports, plan: &crate::config::Plan) -> Vec<Finding> {
    let directory = &plan.server.data_dir;
    let sync = match disk::sync_latency(ports, directory, SYNCS) {
        Ok(latency) => {
            let p99 = latency.quantile(0.99);
            let slow = p99.as_millis() > SYNC_SLOW_MILLIS;
            Finding {
                what: "disk sync",
                good: !slow,
                says: format!("median {:?}, p99 {p99:?}", latency.quantile(0.5)),
                help: slow.then(|| "answers wait for it: use a faster disk".to_owned()),
            }
        }
        Err(fault) => Finding {
            what: "disk sync",
            good: false,
            says: fault.line(),
            help: Some(fault.help().to_owned()),
        },
    };
    let free = ports.files.free_space(directory).unwrap_or(0);
    let least = plan.server.store.min_free;
    let space = Finding {
        what: "disk space",
        good: free >= least.0,
        says: format!("{} free, {least} wanted", ByteSize(free)),
        help: (free < least.0).then(|| "make room, or lower `[store] min_free`".to_owned()),
    };
    vec![sync, space]
}

fn look_at_clock(ports: &Ports) -> Finding {
    let now = ports.clock.now();
    let year = now.to_string().get(..4).and_then(|y| y.parse::<i32>().ok()).unwrap_or(0);
    let good = (2025..2100).contains(&year);
    let help = (!good).then(|| "set the clock; message ids and audit depend on it".to_owned());
    Finding { what: "clock", good, says: now.to_string(), help }
}

fn look_at_server(plan: &crate::config::Plan, shell: &mut Shell) -> Vec<Finding> {
    let answers = Server::find(shell).and_then(|server| {
        block_on(async {
            Ok((server.get("/api/v1/status").await?, server.get("/api/v1/channels").await?))
        })
    });
    let Ok((status, channels)) = answers else {
        return vec![Finding {
            what: "server",
            good: true,
            says: "not running here".to_owned(),
            help: None,
        }];
    };
    let running = word(&status, "revision");
    let on_disk = plan.revision.to_string();
    let drift = running != on_disk;
    let mut findings = vec![Finding {
        what: "revision",
        good: !drift,
        says: if drift { format!("runs {running}, files are {on_disk}") } else { running },
        help: drift.then(|| "run `weir reload`".to_owned()),
    }];
    for row in list(&status, "stranded") {
        let (channel, destination) = (word(row, "channel"), word(row, "destination"));
        let (waiting, held) = (word(row, "waiting"), word(row, "held"));
        findings.push(Finding {
            what: "stranded",
            good: false,
            says: format!(
                "{channel}/{destination} is in no configuration: {waiting} waiting, {held} held"
            ),
            help: Some("hand them over with `weir reload --adopt NEW`".to_owned()),
        });
    }
    for channel in list(&channels, "channels") {
        for destination in list(channel, "destinations") {
            let state = word(destination, "state");
            let dead = destination["dead"].as_u64().unwrap_or(0);
            if state == "up" && dead == 0 {
                continue;
            }
            let name = format!("{}/{}", word(channel, "name"), word(destination, "name"));
            let waiting = word(destination, "waiting");
            let code = word(&destination["last_fault"], "code");
            findings.push(Finding {
                what: "destination",
                good: state != "down" && dead == 0,
                says: format!("{name} {state} {code}, {waiting} waiting, {dead} dead"),
                help: (dead > 0).then(|| {
                    format!(
                        "look with `weir queue ls channel:{} dest:{} state:dead`",
                        word(channel, "name"),
                        word(destination, "name")
                    )
                }),
            });
        }
    }
    findings
}
