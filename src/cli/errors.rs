//! `weir errors`: explains a code.

use serde_json::json;

use super::args::ErrorsArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::table::Table;
use crate::fault::{Code, Row, codes};

pub fn run(args: &ErrorsArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let Some(asked) = &args.code else {
        if shell.is_text() {
            let mut table = Table::new(&["CODE", "CLASS", "WHAT IS WRONG"]);
            for row in codes::all() {
                table.row([row.code.to_string(), row.class.name().into(), row.phrase.into()]);
            }
            shell.table(&table)?;
        } else {
            let rows: Vec<_> = codes::all().map(as_json).collect();
            shell.json(&json!({ "schema": "weir.errors.v1", "errors": rows }))?;
        }
        return Ok(Exit::Done);
    };
    let Some(code) = Code::find(asked) else {
        let text = format!("no code `{asked}`; `weir errors` lists all");
        return Err(Stop::Said(Exit::NotFound, text));
    };
    let row = code.row();
    if !shell.is_text() {
        shell.json(&as_json(row))?;
        return Ok(Exit::Done);
    }
    let head = shell.paint(Tone::Strong, format!("{code}: {}", row.phrase));
    shell.line(head)?;
    shell.line(format!("\nWhy it matters  {}", row.why))?;
    shell.line(format!("What to do      {}", row.remedy))?;
    shell.line(format!("Class           {}: {}", row.class.name(), class_says(row)))?;
    Ok(Exit::Done)
}

fn class_says(row: &Row) -> &'static str {
    use crate::fault::Class;
    match row.class {
        Class::Transient => "weir tries again by itself",
        Class::Permanent => "trying again changes nothing; the message waits as a dead letter",
        Class::Operator => "weir stops here until a person acts",
        Class::Bug => "weir keeps running; please report it",
    }
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "schema": "weir.error.v1",
        "code": row.code.as_str(),
        "class": row.class.name(),
        "phrase": row.phrase,
        "why": row.why,
        "remedy": row.remedy,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::super::args::Cli;
    use super::*;

    /// What stands between backticks and begins with `weir `.
    fn commands(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("weir "))
    }

    #[test]
    fn every_command_that_a_text_names_is_one() {
        let mut count = 0;
        for row in codes::all() {
            for command in [row.phrase, row.why, row.remedy].into_iter().flat_map(commands) {
                count += 1;
                let Err(error) = Cli::try_parse_from(command.split_whitespace()) else { continue };
                // A text need not name what the command is about.
                let rest = [
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::MissingSubcommand,
                    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    ErrorKind::DisplayHelp,
                    ErrorKind::DisplayVersion,
                ];
                assert!(rest.contains(&error.kind()), "{}: `{command}`: {error}", row.code);
            }
        }
        assert!(count > 20, "only {count}");
    }
}
