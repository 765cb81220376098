//! `weir unseal`: opens sealed values for the holder of the key.

use bytes::Bytes;
use serde_json::json;

use super::args::UnsealArgs;
use super::exit::{Exit, Stop};
use super::shell::Shell;
use super::{keys, read_file, view};
use crate::seal::{self, Keyring};

pub fn run(args: &UnsealArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let content = view::parse(Bytes::from(read_file(&args.file)?))?;
    let keyring = match &args.keyring {
        Some(file) => Keyring::parse(&read_file(file)?)?,
        None => {
            let (plan, _) = super::check::load_or_stop(shell, Exit::Config)?;
            keys::read(&plan)?.ok_or_else(|| {
                let text = "config.toml names no keyring: give one with `--keyring`".to_owned();
                Stop::Said(Exit::Usage, text)
            })?
        }
    };
    if args.whole {
        let opened = seal::open(&keyring, None, &content)?;
        shell.raw(&opened.content.to_body().bytes)?;
        return Ok(Exit::Done);
    }
    let values = seal::unseal(&keyring, &content)?;
    if shell.is_text() {
        for (path, value) in &values {
            shell.line(format!("{path}  {}", value.reveal()))?;
        }
    } else {
        let rows: Vec<_> = values
            .iter()
            .map(|(path, value)| json!({ "path": path, "value": value.reveal() }))
            .collect();
        shell.json(&json!({ "schema": "weir.unseal.v1", "values": rows }))?;
    }
    if values.is_empty() {
        shell.note("no sealed value was found");
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Done)
}
