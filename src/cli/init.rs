//! `weir init`: writes a working tree.

use super::args::InitArgs;
use super::exit::{Exit, Stop};
use super::shell::Shell;
use super::{keys, shown, tree};
use crate::config;

/// Keys that the shipped channels name.
const KEYS: &[&str] = &["patient-ids", "research"];

pub fn run(args: &InitArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let root = &args.directory;
    if root.join("config.toml").exists() {
        let text = format!("`{}` already holds a config.toml; nothing was written", shown(root));
        return Err(Stop::Said(Exit::No, text));
    }
    for line in tree::write(root).map_err(Stop::io)? {
        shell.line(format!("wrote {line}"))?;
    }
    let keyring = write_keyring(root)?;
    shell.line(format!("wrote {keyring} (keep it apart from backups of data/)"))?;
    let directory = root.join(".weir/schema");
    std::fs::create_dir_all(&directory).map_err(Stop::io)?;
    for (name, schema) in config::schemas() {
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        std::fs::write(directory.join(name), text + "\n").map_err(Stop::io)?;
    }
    shell.line("wrote .weir/schema/ (completion in editors)")?;
    let at = if shown(root) == "." { String::new() } else { format!(" -C {}", shown(root)) };
    shell.line(format!(
        "\nNext:\n  weir{at} check\n  weir{at} test\n  weir{at} run --dev\n  \
         weir send mllp://127.0.0.1:2575 {}",
        shown(&root.join("fixtures/adt-a08.hl7"))
    ))?;
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
