//! `weir schema`: JSON Schemas for editors.

use serde_json::{Map, Value};

use super::args::SchemaArgs;
use super::exit::{Exit, Stop};
use super::shell::Shell;
use crate::config;

pub fn run(args: &SchemaArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let schemas = config::schemas();
    if !args.write {
        let all: Map<String, Value> = schemas.into_iter().collect();
        shell.json(&Value::Object(all))?;
        return Ok(Exit::Done);
    }
    let directory = shell.root.join(".weir/schema");
    std::fs::create_dir_all(&directory).map_err(Stop::io)?;
    for (name, schema) in schemas {
        let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        text.push('\n');
        std::fs::write(directory.join(&name), text).map_err(Stop::io)?;
        shell.line(format!("wrote .weir/schema/{name}"))?;
    }
    Ok(Exit::Done)
}
