//! `weir trace`: the journey of a message.

use serde_json::Value;

use super::args::TraceArgs;
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};

pub fn run(args: &TraceArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let query = if let Some(control) = &args.control {
        format!("control={}", escaped(control))
    } else if let Some(patient) = &args.patient {
        let reason = shell.reason_needed("a search by patient")?;
        format!("patient={}&reason={}", escaped(patient), escaped(&reason))
    } else {
        format!("id={}", escaped(args.id.as_deref().unwrap_or_default()))
    };
    let server = Server::find(shell)?;
    let answer = block_on(server.get(&format!("/api/v1/trace?{query}")))?;
    show(&answer, shell)
}

/// Shows the journeys of an answer.
pub fn show(answer: &Value, shell: &mut Shell) -> Result<Exit, Stop> {
    let messages = list(answer, "messages");
    if !shell.is_text() {
        shell.json(answer)?;
    } else {
        for message in messages {
            journey(message, shell)?;
        }
    }
    if messages.is_empty() {
        shell.note("no message matches");
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Done)
}

fn journey(message: &Value, shell: &mut Shell) -> Result<(), Stop> {
    let head = format!(
        "{}  {} {}  {}",
        word(message, "message"),
        word(message, "type"),
        word(message, "version"),
        word(message, "channel"),
    );
    let head = shell.paint(Tone::Strong, head);
    shell.line(head)?;
    shell.line(format!(
        "  received {} from {}, answered {} {}",
        word(message, "received"),
        word(message, "peer"),
        word(message, "ack"),
        word(&message["fault"], "code"),
    ))?;
    if message["content_removed"] == Value::Bool(true) {
        let text = "its content was removed under `keep.content`";
        let text = shell.paint(Tone::Warn, text);
        shell.line(format!("  {text}"))?;
    }
    for step in list(message, "steps") {
        let destination = word(step, "destination");
        let at = if destination.is_empty() { String::new() } else { format!("[{destination}] ") };
        let micros = word(step, "micros");
        let line = format!("{at}{} {}", word(step, "stage"), word(step, "note"));
        shell.line(format!("  {line:<60} {micros:>6} us"))?;
        for warning in list(step, "warnings") {
            let text = warning.as_str().unwrap_or_default();
            let text = shell.paint(Tone::Warn, text);
            shell.line(format!("      {text}"))?;
        }
    }
    for delivery in list(message, "deliveries") {
        shell.line(format!(
            "  -> {}  {} {}",
            word(delivery, "destination"),
            word(delivery, "state"),
            word(delivery, "why"),
        ))?;
        for outcome in list(delivery, "outcomes") {
            shell.line(format!(
                "     {}  {} {} {}",
                word(outcome, "at"),
                word(outcome, "what"),
                word(outcome, "detail"),
                word(outcome, "by"),
            ))?;
        }
    }
    Ok(())
}
