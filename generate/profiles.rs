//! Writes the packages of profiles under `src/fhir/profiles/` from the published facts.
//!
//! Input: a folder for each version with `profiles.jsonl`. Output: one text a version, a
//! profile a line, without what no check asks for (must-support, notes of the guide,
//! bindings that only recommend) and without rows that say what R4 says.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Map, Value};

const OUT: &str = "src/fhir/profiles";

/// What a check asks for, as `profiles/package.rs` reads it.
const KEPT: [&str; 10] = [
    "id",
    "min",
    "max",
    "types",
    "profiles",
    "targets",
    "binding",
    "slicing",
    "constraint",
    "maxLength",
];

/// Reads the versions in `dir` and writes a package of each.
pub fn run(dir: &Path) -> io::Result<()> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(dir)?.flatten().map(|entry| entry.path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    for folder in folders {
        let version = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut out = String::new();
        for line in fs::read_to_string(folder.join("profiles.jsonl"))?.lines() {
            let row: Value = serde_json::from_str(line).map_err(io::Error::other)?;
            out.push_str(&profile(&row).to_string());
            out.push('\n');
        }
        fs::write(Path::new(OUT).join(format!("us-core-{version}.jsonl")), out)?;
    }
    Ok(())
}

fn profile(row: &Value) -> Value {
    let mut out = Map::new();
    for name in ["url", "type", "base"] {
        if let Some(value) = row.get(name).filter(|value| !value.is_null()) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    let elements = row["elements"].as_array().into_iter().flatten();
    out.insert("elements".to_owned(), elements.filter_map(element).collect());
    out.into()
}

/// An element with what it asks for beyond R4, if that is anything.
fn element(row: &Value) -> Option<Value> {
    let mut out = Map::new();
    for (name, value) in row.as_object()? {
        let is_value = name.starts_with("fixed") || name.starts_with("pattern");
        let recommends = name == "binding" && value[0] != "required";
        if (is_value || KEPT.contains(&name.as_str())) && !recommends {
            out.insert(name.clone(), value.clone());
        }
    }
    let id = row["id"].as_str()?;
    let of_base = id.ends_with(".id") || id.ends_with(".extension");
    let plain = |name: &String| matches!(name.as_str(), "id" | "min" | "max" | "types");
    let says = if of_base { !out.keys().all(plain) || row["min"] == 1 } else { out.len() > 1 };
    says.then(|| out.into())
}
