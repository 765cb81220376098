//! `weir ledger`: every committed message is in exactly one state per destination.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::LedgerArgs;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::status::{list, word};
use super::table::Table;
use super::{block_on, read_file};
use crate::filter::{Field, Filter, glob};
use crate::ports::Ports;
use crate::settings::nearest;

const STATES: [&str; 7] = ["waiting", "held", "delivered", "filtered", "denied", "skipped", "dead"];

pub fn run(args: &LedgerArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    if let Some(file) = &args.against {
        return against(&server, args, &String::from_utf8_lossy(&read_file(file)?), shell);
    }
    let query = escaped(&args.filter.join(" "));
    let mut answer = block_on(server.get(&format!("/api/v1/ledger?q={query}")))?;
    let rows = list(&answer, "rows").to_vec();
    if rows.is_empty() {
        known_names(&server, &args.filter.join(" "))?;
    }
    let sum = |key: &str| rows.iter().filter_map(|row| row[key].as_i64()).sum::<i64>();
    let mut total = serde_json::Map::new();
    for key in STATES.iter().chain(["committed", "unaccounted"].iter()) {
        total.insert((*key).to_owned(), json!(sum(key)));
    }
    let unaccounted = sum("unaccounted");
    answer["total"] = Value::Object(total.clone());
    if !shell.is_text() {
        shell.json(&answer)?;
        return Ok(if unaccounted == 0 { Exit::Done } else { Exit::No });
    }
    let mut table = Table::new(&[
        "CHANNEL",
        "DESTINATION",
        ">COMMITTED",
        ">WAITING",
        ">HELD",
        ">DELIVERED",
        ">FILTERED",
        ">DENIED",
        ">SKIPPED",
        ">DEAD",
        ">UNACCOUNTED",
    ]);
    let cells = |row: &Value| {
        let numbers = ["committed"].into_iter().chain(STATES).chain(["unaccounted"]);
        numbers.map(|key| word(row, key)).collect::<Vec<_>>()
    };
    for row in &rows {
        let names = vec![word(row, "channel"), word(row, "destination")];
        table.row(names.into_iter().chain(cells(row)));
    }
    let names = vec!["total".to_owned(), String::new()];
    table.row(names.into_iter().chain(cells(&Value::Object(total))));
    shell.table(&table)?;
    if unaccounted != 0 {
        let line = format!("{unaccounted} deliveries are unaccounted for: run `weir store check`");
        let line = shell.paint(Tone::Bad, line);
        shell.line(line)?;
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

/// Refuses a channel or destination that nobody has: a total of nothing would look like an
/// answer. Asked only where nothing was found, since what is gone from the configuration
/// keeps its rows.
fn known_names(server: &Server, filter: &str) -> Result<(), Stop> {
    let Ok(filter) = Filter::parse(filter, Ports::system().clock.now()) else { return Ok(()) };
    let answer = block_on(server.get("/api/v1/channels"))?;
    let channels = list(&answer, "channels");
    let destinations = channels.iter().flat_map(|channel| list(channel, "destinations"));
    let names = |all: Vec<&Value>| all.into_iter().map(|one| word(one, "name")).collect();
    let (channels, destinations) = (channels.iter().collect(), destinations.collect());
    let known: [(Field, &str, Vec<String>); 2] = [
        (Field::Channel, "channel", names(channels)),
        (Field::Destination, "destination", names(destinations)),
    ];
    for term in filter.terms.iter().filter(|term| !term.negated) {
        let Some((_, kind, known)) = known.iter().find(|(field, ..)| *field == term.field) else {
            continue;
        };
        for asked in &term.any {
            if known.iter().any(|name| glob(asked, name)) {
                continue;
            }
            let near = nearest(asked, known.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let text = format!("no {kind} is named `{asked}`{near}");
            return Err(Stop::Said(Exit::NotFound, text));
        }
    }
    Ok(())
}

/// Compares with a sender's list of control IDs.
fn against(server: &Server, args: &LedgerArgs, csv: &str, shell: &mut Shell) -> Result<Exit, Stop> {
    let ids: BTreeSet<String> = csv
        .trim_start_matches('\u{feff}')
        .lines()
        .map(first_cell)
        .filter(|id| !id.is_empty() && !id.eq_ignore_ascii_case("control_id"))
        .collect();
    let filter = escaped(&format!("{} state:{}", args.filter.join(" "), STATES.join(",")));
    let mut missing = Vec::new();
    block_on(async {
        for id in &ids {
            // A cell is a value, never a part of the filter.
            let path = format!("/api/v1/queue?q={filter}&control={}&limit=1", escaped(id));
            if list(&server.get(&path).await?, "rows").is_empty() {
                missing.push(id.clone());
            }
        }
        Ok(())
    })?;
    if shell.is_text() {
        shell.line(format!("{} control IDs, {} not in the store", ids.len(), missing.len()))?;
        for id in &missing {
            shell.line(format!("missing  {id}"))?;
        }
    } else {
        shell.json(&json!({
            "schema": "weir.ledger-against.v1", "listed": ids.len(), "missing": missing,
        }))?;
    }
    Ok(if missing.is_empty() { Exit::Done } else { Exit::No })
}

/// The first cell of a line of CSV: up to `,`, `;` or a tab, or quoted with `"`, where two
/// quotes stand for one.
///
/// Source: RFC 4180 §2.
fn first_cell(line: &str) -> String {
    let line = line.trim();
    let Some(quoted) = line.strip_prefix('"') else {
        return line.split([',', ';', '\t']).next().unwrap_or_default().trim().to_owned();
    };
    let mut cell = String::new();
    let mut rest = quoted.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => break,
            c => cell.push(c),
        }
    }
    cell.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cell_of_a_line_is_the_id() {
        let check = |line: &str, expected: &str| assert_eq!(first_cell(line), expected, "{line}");
        check("MSG1", "MSG1");
        check(" MSG1 ,x", "MSG1");
        check("MSG1;x", "MSG1");
        check("\"A,B\",x", "A,B");
        check("\"say \"\"hi\"\"\"", "say \"hi\"");
        check("\"open", "open");
        check("", "");
    }
}
