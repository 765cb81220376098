//! `weir alert`: what is open, and what people do about it.

use serde_json::json;

use super::args::{AlertAction, AlertArgs};
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};
use super::table::Table;
use crate::base::format_duration;

pub fn run(args: &AlertArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    let reason = shell.reason.clone().unwrap_or_default();
    let at = |name: &str, action: &str| format!("/api/v1/alerts/{}/{action}", escaped(name));
    match &args.action {
        AlertAction::Ls => ls(&server, shell),
        AlertAction::Ack { name } => {
            let body = json!({ "reason": reason });
            let done = block_on(server.post(&at(name, "ack"), &body))?;
            let count = done["acked"].as_u64().unwrap_or(0);
            if shell.is_text() {
                shell.line(format!("{name}: {count} taken up"))?;
            } else {
                shell.json(&done)?;
            }
            Ok(if count == 0 { Exit::NotFound } else { Exit::Done })
        }
        AlertAction::Mute { name, time } => {
            let body = json!({ "reason": reason, "time": format_duration(*time) });
            let done = block_on(server.post(&at(name, "mute"), &body))?;
            if shell.is_text() {
                shell.line(format!("{name}: muted until {}", word(&done, "until")))?;
            } else {
                shell.json(&done)?;
            }
            Ok(Exit::Done)
        }
        AlertAction::Test { name } => {
            let done = block_on(server.post(&at(name, "test"), &json!({})))?;
            test(&done, name, shell)
        }
    }
}

fn ls(server: &Server, shell: &mut Shell) -> Result<Exit, Stop> {
    let answer = block_on(server.get("/api/v1/alerts"))?;
    if !shell.is_text() {
        shell.json(&answer)?;
        return Ok(Exit::Done);
    }
    let mut table =
        Table::new(&["ALERT", "STATE", "ABOUT", "SINCE", "VALUE", "CONDITION", "CODE", "TAKEN BY"]);
    for alert in list(&answer, "alerts") {
        let muted = word(alert, "muted_until");
        let state = |state: String| match &*muted {
            "" => state,
            until => format!("{state}, muted until {until}"),
        };
        let (name, condition) = (word(alert, "name"), word(alert, "condition"));
        if list(alert, "open").is_empty() {
            let none = String::new;
            let quiet = state(word(alert, "state"));
            table.row([name, quiet, none(), none(), none(), condition, none(), none()]);
            continue;
        }
        for open in list(alert, "open") {
            table.row([
                name.clone(),
                state(word(open, "state")),
                word(open, "subject"),
                word(open, "since"),
                word(open, "value"),
                condition.clone(),
                word(open, "code"),
                word(open, "acked_by"),
            ]);
        }
    }
    shell.table(&table)?;
    Ok(Exit::Done)
}

fn test(done: &serde_json::Value, name: &str, shell: &mut Shell) -> Result<Exit, Stop> {
    let notices = list(done, "notices");
    let failed = notices.iter().filter(|notice| notice["sent"] != true).count();
    if shell.is_text() {
        if notices.is_empty() {
            shell.line(format!("{name} tells nobody: add `notify` to it"))?;
        }
        for notice in notices {
            let (tone, says) = match notice["sent"] == true {
                true => (Tone::Good, "sent".to_owned()),
                false => (Tone::Bad, format!("not sent: {}", word(&notice["fault"], "cause"))),
            };
            let says = shell.paint(tone, says);
            shell.line(format!("{}: {says}", word(notice, "notify")))?;
        }
    } else {
        shell.json(done)?;
    }
    Ok(if failed > 0 { Exit::No } else { Exit::Done })
}
