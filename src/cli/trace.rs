//! `weir trace`: the journey of a message.

use serde_json::Value;

use super::args::TraceArgs;
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};

pub fn run(args: &TraceArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let which = &args.which;
    let query = if let Some(control) = &which.control {
        format!("control={}", escaped(control))
    } else if let Some(patient) = &which.patient {
        let reason = shell.reason_needed("a search by patient")?;
        format!("patient={}&reason={}", escaped(patient), escaped(&reason))
    } else {
        format!("id={}", escaped(which.id.as_deref().unwrap_or_default()))
    };
    let server = Server::find(shell)?;
    let answer = block_on(page_by_page(&server, &query, args.limit))?;
    show(&answer, shell)
}

/// Reads as many messages as were asked for, however few the server gives at a time.
async fn page_by_page(server: &Server, query: &str, limit: usize) -> Result<Value, Stop> {
    let mut messages: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let left = limit.max(1).saturating_sub(messages.len());
        let path = format!("/api/v1/trace?{query}&limit={left}{after}");
        let mut answer = server.get(&path).await?;
        messages.extend_from_slice(list(&answer, "messages"));
        match answer["next"].as_u64() {
            Some(next) if messages.len() < limit => after = format!("&after={next}"),
            _ => {
                answer["messages"] = Value::Array(messages);
                return Ok(answer);
            }
        }
    }
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
    if answer["more"] == true {
        let shown = messages.len();
        shell.note(format!("more: only the newest {shown} are shown; raise `--limit`"));
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
    let answered = match (word(message, "ack"), word(message, "application_ack")) {
        (ack, then) if then.is_empty() => ack,
        (ack, then) => format!("{ack}, then {then}"),
    };
    let client = match word(message, "client") {
        client if client.is_empty() => String::new(),
        client => format!(" ({client})"),
    };
    let line = format!(
        "  received {} from {}{client}, answered {answered} {}",
        word(message, "received"),
        word(message, "peer"),
        word(message, "ack_code"),
    );
    shell.line(line.trim_end())?;
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
