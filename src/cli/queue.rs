//! `weir queue`: lists what waits and acts on it.

use serde_json::{Value, json};

use super::args::{FilterArgs, QueueAction, QueueArgs};
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};
use super::table::Table;

pub fn run(args: &QueueArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    match &args.action {
        QueueAction::Ls(filter) => ls(&server, filter, shell),
        QueueAction::Show { id } => {
            let path = format!("/api/v1/trace?id={}", escaped(id));
            let answer = block_on(server.get(&path))?;
            super::trace::show(&answer, shell)
        }
        QueueAction::Retry(filter) => act(&server, "retry", filter, shell),
        QueueAction::Skip(filter) => {
            shell.reason_needed("`queue skip`")?;
            act(&server, "skip", filter, shell)
        }
        QueueAction::Hold(filter) => act(&server, "hold", filter, shell),
        QueueAction::Release(filter) => act(&server, "release", filter, shell),
    }
}

fn ls(server: &Server, args: &FilterArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let answer = block_on(page_by_page(server, &args.filter.join(" "), args.limit))?;
    if !shell.is_text() {
        shell.json(&answer)?;
        return Ok(Exit::Done);
    }
    let headings =
        ["RECEIVED", "CHANNEL", "DESTINATION", "TYPE", "STATE", "CODE", ">TRIES", "MESSAGE"];
    let mut table = Table::new(&headings);
    for row in list(&answer, "rows") {
        table.row([
            word(row, "received"),
            word(row, "channel"),
            word(row, "destination"),
            word(row, "type"),
            word(row, "state"),
            word(row, "code"),
            word(row, "attempts"),
            word(row, "message"),
        ]);
    }
    shell.table(&table)?;
    if !answer["next"].is_null() {
        shell.note(format!(
            "more: only the first {} are shown; raise `--limit`",
            list(&answer, "rows").len()
        ));
    }
    Ok(Exit::Done)
}

/// Reads as many rows as were asked for, however few the server gives at a time.
async fn page_by_page(server: &Server, filter: &str, limit: usize) -> Result<Value, Stop> {
    let query = escaped(filter);
    let mut rows: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let left = limit.max(1).saturating_sub(rows.len());
        let path = format!("/api/v1/queue?q={query}&limit={left}{after}");
        let mut answer = server.get(&path).await?;
        let page = list(&answer, "rows").to_vec();
        let empty = page.is_empty();
        rows.extend(page);
        let next = answer["next"].as_u64();
        match next {
            Some(next) if rows.len() < limit && !empty => after = format!("&after={next}"),
            _ => {
                answer["rows"] = Value::Array(rows);
                return Ok(answer);
            }
        }
    }
}

fn act(server: &Server, action: &str, args: &FilterArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let query = args.filter.join(" ");
    if query.trim().is_empty() {
        let text = format!("`queue {action}` needs a filter, such as `dest:ehr state:dead`");
        return Err(Stop::Said(Exit::Usage, text));
    }
    let path = format!("/api/v1/queue/{action}");
    let bulk = Bulk { path: &path, body: json!({ "q": query }), verb: action, named: true };
    planned(server, bulk, shell)
}

/// An action on many deliveries.
pub struct Bulk<'a> {
    /// Route of the API.
    pub path: &'a str,
    /// What is asked of it, without reason and dry run.
    pub body: Value,
    /// The word for it.
    pub verb: &'a str,
    /// Whether it may concern several destinations, since they were named.
    pub named: bool,
}

/// Names of a list, for people.
fn names(plan: &Value, key: &str) -> String {
    list(plan, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// Shows the plan of a bulk action, asks, does it, and says what was done.
pub fn planned(server: &Server, bulk: Bulk<'_>, shell: &mut Shell) -> Result<Exit, Stop> {
    let Bulk { path, mut body, verb, named } = bulk;
    body["reason"] = json!(shell.reason.clone().unwrap_or_default());
    body["dry_run"] = json!(true);
    let plan = block_on(server.post(path, &body))?;
    let count = plan["count"].as_u64().unwrap_or_default();
    if shell.is_text() {
        let line = match count {
            0 => format!("{verb}: 0 deliveries in no channel"),
            _ => format!(
                "{verb}: {count} deliveries in {} to {}, oldest {}, newest {}",
                names(&plan, "channels"),
                names(&plan, "destinations"),
                word(&plan, "oldest"),
                word(&plan, "newest"),
            ),
        };
        shell.line(line)?;
    } else if shell.dry_run {
        shell.json(&plan)?;
    }
    if shell.dry_run {
        return Ok(Exit::Done);
    }
    if count == 0 {
        if !shell.is_text() {
            shell.json(&plan)?;
        }
        return Ok(Exit::NotFound);
    }
    let destinations = names(&plan, "destinations");
    if !named && list(&plan, "destinations").len() > 1 {
        let text = format!(
            "these go to several destinations ({destinations}): name one with `--to` or with \
             `dest:` in the filter, or say `--to all`"
        );
        return Err(Stop::Said(Exit::Usage, text));
    }
    shell.confirm(&format!("{verb} {count} deliveries to {destinations}?"))?;
    body["dry_run"] = json!(false);
    let done = block_on(server.post(path, &body))?;
    let failed = done["failed_count"].as_u64().unwrap_or_default();
    if shell.is_text() {
        let line = format!("{} done, {failed} not done", done["done"].as_u64().unwrap_or_default());
        let tone = if failed > 0 { Tone::Bad } else { Tone::Good };
        let line = shell.paint(tone, line);
        shell.line(line)?;
        for one in list(&done, "failed") {
            let fault = &one["fault"];
            let (phrase, cause) = (word(fault, "phrase"), word(fault, "cause"));
            let cause = if cause.is_empty() { cause } else { format!(": {cause}") };
            shell.line(format!(
                "  {} {}  {} {phrase}{cause}",
                word(one, "message"),
                word(one, "destination"),
                word(fault, "code"),
            ))?;
        }
    } else {
        shell.json(&done)?;
    }
    Ok(if failed > 0 { Exit::Partly } else { Exit::Done })
}
