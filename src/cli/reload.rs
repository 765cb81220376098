//! `weir reload`: applies the configuration on disk to the running server.

use serde_json::json;

use super::args::ReloadArgs;
use super::client::Server;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};
use super::{block_on, check};

pub fn run(args: &ReloadArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let only_plan = args.plan || shell.dry_run;
    // The same check here first: its problems are drawn with their lines.
    let refused_here = check::load_or_stop(shell, Exit::Config).err();
    let server = Server::find(shell)?;
    if let Some(stop) = refused_here {
        return Err(if only_plan { stop } else { refused(&server, stop, shell) });
    }
    let reason = shell.reason.clone().unwrap_or_default();
    let body = json!({
        "plan_only": only_plan,
        "adopt": (!args.adopt.is_empty()).then(|| args.adopt.join(",")),
        "drop_waiting": args.drop,
        "reason": reason,
    });
    let answer = block_on(server.post("/api/v1/reload", &body))?;
    let applied = answer["applied"] == true;
    let exit = if applied || only_plan { Exit::Done } else { Exit::Config };
    if !shell.is_text() {
        shell.json(&answer)?;
        return Ok(exit);
    }
    for change in list(&answer, "changes") {
        let what = word(change, "what");
        let tone = match what.as_str() {
            "added" => Tone::Good,
            "removed" => Tone::Bad,
            _ => Tone::Warn,
        };
        let what = shell.paint(tone, format!("{what:<8}"));
        shell.line(format!("{what} {}", word(change, "channel")))?;
        for detail in list(change, "details") {
            shell.line(format!("         {}", detail.as_str().unwrap_or_default()))?;
        }
    }
    for problem in list(&answer, "problems") {
        let problem = problem.as_str().unwrap_or_default();
        let problem = shell.paint(Tone::Bad, problem);
        shell.line(problem)?;
    }
    let done = match (only_plan, applied) {
        (true, _) => "would run",
        (false, true) => "runs",
        (false, false) => "refused",
    };
    shell.line(format!("{done} revision {}", word(&answer, "to")))?;
    Ok(exit)
}

/// Tells the server of a reload that stopped at our own check, so that its metrics, alerts
/// and log know of it as they know of one by signal. It reads the files itself; what it
/// would take in spite of our check (it may see another site) is not put in force.
fn refused(server: &Server, stop: Stop, shell: &mut Shell) -> Stop {
    let body = json!({ "refused": true });
    match block_on(server.post("/api/v1/reload", &body)) {
        Ok(answer) if !shell.is_text() => match shell.json(&answer) {
            Ok(()) => stop,
            Err(pipe) => pipe,
        },
        // Nobody runs, so nobody needs to know; the problems are drawn already.
        Ok(_) | Err(_) => stop,
    }
}
