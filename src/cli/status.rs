//! `weir status`: summary of the running server.

use serde_json::Value;

use super::block_on;
use super::client::Server;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::table::Table;

pub fn run(shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    let status = block_on(server.get("/api/v1/status"))?;
    if !shell.is_text() {
        shell.json(&status)?;
        return Ok(Exit::Done);
    }
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| status[key].as_u64().unwrap_or_default();
    let head = format!(
        "weir {} {}  since {}  waiting {}  held {}  dead {}  unaccounted {}",
        text("site"),
        text("revision"),
        text("started"),
        number("waiting"),
        number("held"),
        number("dead"),
        status["unaccounted"].as_i64().unwrap_or_default(),
    );
    let head = shell.paint(Tone::Strong, head);
    shell.line(head)?;
    table(list(&status, "list"), shell)?;
    for row in list(&status, "stranded") {
        let (channel, destination) = (word(row, "channel"), word(row, "destination"));
        let waiting = format!("{} waiting, {} held", word(row, "waiting"), word(row, "held"));
        let says = shell
            .paint(Tone::Bad, format!("{channel}/{destination} is in no configuration: {waiting}"));
        shell.line(format!("{says}; see `weir reload --help` for --adopt and --drop"))?;
    }
    Ok(Exit::Done)
}

/// The table of channels and their destinations.
pub fn table(channels: &[Value], shell: &mut Shell) -> Result<(), Stop> {
    let headings = ["CHANNEL", "PEER", "STATE", ">WAIT", ">HELD", ">DEAD", "OLDEST", "CODE"];
    let mut table = Table::new(&headings);
    for channel in channels {
        let state = word(channel, "state");
        let (kind, listen) = (word(channel, "source"), word(channel, "listen"));
        table.row([
            word(channel, "name"),
            format!("<- {kind} {listen}").trim_end().to_owned(),
            tone(&state, shell),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            word(&channel["fault"], "code"),
        ]);
        for destination in list(channel, "destinations") {
            table.row([
                String::new(),
                format!("-> {}", word(destination, "name")),
                tone(&word(destination, "state"), shell),
                word(destination, "waiting"),
                word(destination, "held"),
                word(destination, "dead"),
                word(destination, "oldest"),
                trouble(destination),
            ]);
        }
    }
    shell.table(&table)
}

/// Code of the last failure, while it explains something: a destination that is up and has
/// nothing left got over it.
fn trouble(destination: &Value) -> String {
    let left = ["waiting", "held", "dead"].iter().any(|key| destination[key].as_u64() != Some(0));
    match left || word(destination, "state") != "up" {
        true => word(&destination["last_fault"], "code"),
        false => String::new(),
    }
}

fn tone(state: &str, shell: &Shell) -> String {
    let tone = match state {
        "running" | "up" => Tone::Good,
        "down" | "failed" => Tone::Bad,
        _ => Tone::Warn,
    };
    shell.paint(tone, state)
}

/// The rows of a list in an answer.
pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A member as text; empty when absent.
pub fn word(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_while_it_explains_something() {
        let check = |state: &str, waiting: u64, expected: &str| {
            let destination = serde_json::json!({
                "state": state, "waiting": waiting, "held": 0, "dead": 0,
                "last_fault": { "code": "W7101" },
            });
            assert_eq!(trouble(&destination), expected, "{state} {waiting}");
        };
        check("up", 0, "");
        check("up", 3, "W7101");
        check("down", 0, "W7101");
        check("paused", 0, "W7101");
    }
}
