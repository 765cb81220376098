//! `weir init`: writes a working tree.

use serde_json::json;

use super::args::InitArgs;
use super::exit::{Exit, Stop};
use super::shell::Shell;
use super::{keys, quoted, shown, tree};
use crate::config;

/// Keys that the shipped channels name.
const KEYS: &[&str] = &["patient-ids", "research"];

pub fn run(args: &InitArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let root = &args.directory;
    if root.join("config.toml").exists() {
        let text = format!("`{}` already holds a config.toml; nothing was written", shown(root));
        return Err(Stop::Said(Exit::No, text));
    }
    let mut written = tree::write(root).map_err(Stop::io)?;
    let keyring = write_keyring(root)?;
    let directory = root.join(".weir/schema");
    std::fs::create_dir_all(&directory).map_err(Stop::io)?;
    for (name, schema) in config::schemas() {
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        std::fs::write(directory.join(name), text + "\n").map_err(Stop::io)?;
    }
    let here = shown(root) == ".";
    let at = if here { String::new() } else { format!(" -C {}", quoted(&shown(root))) };
    let message = quoted(&shown(&root.join("fixtures/adt-a08.hl7")));
    let next = [
        format!("weir{at} check"),
        format!("weir{at} test"),
        format!("weir{at} run --dev"),
        format!("weir send mllp://127.0.0.1:2575 {message}"),
    ];
    if !shell.is_text() {
        written.extend([keyring, ".weir/schema/"].map(str::to_owned));
        shell.json(&json!({
            "schema": "weir.init.v1", "directory": shown(root), "written": written, "next": next,
        }))?;
        return Ok(Exit::Done);
    }
    for line in written {
        shell.line(format!("wrote {line}"))?;
    }
    shell.line(format!("wrote {keyring} (keep it apart from backups of data/)"))?;
    shell.line("wrote .weir/schema/ (completion in editors)")?;
    shell.line(format!("\nNext:\n  {}", next.join("\n  ")))?;
    Ok(Exit::Done)
}

/// Makes a keyring in the working tree; an existing one stays. Gives its name.
pub fn write_keyring(root: &std::path::Path) -> Result<&'static str, Stop> {
    const NAME: &str = "keys/keyring";
    let path = root.join(NAME);
    if !path.exists() {
        let names: Vec<String> = KEYS.iter().map(|name| (*name).to_owned()).collect();
        keys::make(&path, &names)?;
    }
    Ok(NAME)
}
