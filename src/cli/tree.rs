//! The working tree that `init`, `demo` and `bench` write: the repository's own
//! configuration, mappings, policies and fixtures, embedded.

use std::fs;
use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};

static CHANNELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/channels");
static MAPPINGS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/mappings");
static CODES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/codes");
static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");
static SITES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sites");
static HL7: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/hl7");
static FIXTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures");
static CONFIG: &str = include_str!("../../config.toml");

/// What git should not keep of a working tree.
const IGNORED: &str = "data/\nkeys/\n";

/// HL7 v2 files end segments with CR; no tool may change that.
const ATTRIBUTES: &str = "*.hl7 -text\n";

/// Writes the whole tree; what is there already is replaced.
///
/// # Errors
/// When a file cannot be written.
pub fn write(root: &Path) -> io::Result<Vec<String>> {
    let mut written = Vec::new();
    fs::create_dir_all(root)?;
    for (name, text) in
        [("config.toml", CONFIG), (".gitignore", IGNORED), (".gitattributes", ATTRIBUTES)]
    {
        fs::write(root.join(name), text)?;
        written.push(name.to_owned());
    }
    for (name, directory) in [
        ("channels", &CHANNELS),
        ("mappings", &MAPPINGS),
        ("codes", &CODES),
        ("policies", &POLICIES),
        ("sites", &SITES),
        ("hl7", &HL7),
        ("fixtures", &FIXTURES),
    ] {
        let target = root.join(name);
        fs::create_dir_all(&target)?;
        directory.extract(&target)?;
        let files = count(directory);
        written.push(format!("{name}/ ({files} files)"));
    }
    // Where the shipped file channel looks.
    fs::create_dir_all(root.join("drop/lab"))?;
    Ok(written)
}

fn count(directory: &Dir<'_>) -> usize {
    directory.files().count() + directory.dirs().map(count).sum::<usize>()
}

/// The embedded fixture of this name.
pub fn fixture(name: &str) -> Option<&'static [u8]> {
    FIXTURES.get_file(name).map(|file| file.contents())
}

/// Names of embedded fixtures that are messages, sorted.
pub fn messages() -> Vec<&'static str> {
    let names = FIXTURES.files().filter_map(|file| file.path().to_str());
    let mut names: Vec<&str> = names.filter(|name| name.ends_with(".hl7")).collect();
    names.sort_unstable();
    names
}
