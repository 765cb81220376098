//! The keyring that the configuration names: read, or made on the very first start.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::exit::{Exit, Stop};
use super::shell::Shell;
use super::shown;
use crate::config::Plan;
use crate::ports::{Entropy, SystemEntropy, secrets};
use crate::seal::Keyring;
use crate::settings::SecretRef;

/// Reads the keyring; none where the configuration names none.
pub fn read(plan: &Plan) -> Result<Option<Keyring>, Stop> {
    secrets::allow(plan.programs());
    let Some(reference) = &plan.server.keys.keyring else { return Ok(None) };
    let bytes = secrets::resolve(reference)?;
    Ok(Some(Keyring::parse(&bytes)?))
}

/// Reads the keyring. Where its file is missing and nothing was stored yet, makes one: a
/// store that exists already needs the keys it was written with.
pub fn read_or_make(plan: &Plan, shell: &mut Shell) -> Result<Option<Keyring>, Stop> {
    if let Some(SecretRef::File(path)) = &plan.server.keys.keyring {
        let path = Path::new(path);
        let stored = plan.server.data_dir.join("journal").exists();
        if !path.exists() && !stored {
            make(path, &names(plan))?;
            shell.note(format!(
                "made a keyring in `{}`: keep a copy apart from backups of the data",
                shown(path)
            ));
        }
    }
    read(plan)
}

/// Names of the keys that channels use.
fn names(plan: &Plan) -> Vec<String> {
    let rules = plan.channels.iter().flat_map(|c| &c.rules.destinations);
    // What is dropped needs no key.
    let keys = rules.flat_map(|d| d.seal.iter().map(|rule| rule.key().to_owned()));
    let mut names: Vec<String> = keys.filter(|name| !name.is_empty()).collect();
    names.sort();
    names.dedup();
    names
}

/// Writes a keyring with fresh keys, readable by its owner only. An existing file stays.
pub fn make(path: &Path, names: &[String]) -> Result<(), Stop> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(Stop::io)?;
    }
    let entropy = SystemEntropy;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = Keyring::generate(&names, &mut |buffer| entropy.fill(buffer));
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            Stop::Said(Exit::No, format!("cannot make the keyring `{}`: {error}", shown(path)))
        })?;
    file.write_all(text.as_bytes()).map_err(Stop::io)?;
    file.sync_all().map_err(Stop::io)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The repository's own working tree has rules without a key, too.
    #[test]
    fn a_keyring_made_at_the_first_start_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (plan, ..) = crate::config::load(root, None);
        let names = names(&plan.unwrap());
        assert!(!names.is_empty());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/keyring.toml");
        make(&path, &names).map_err(|_| "not made").unwrap();
        let keyring = Keyring::parse(&std::fs::read(path).unwrap());
        assert!(keyring.is_ok(), "{:?}", keyring.err());
    }
}
