//! Writes the packages of profiles under `src/fhir/profiles/` from the published facts.
//!
//! Input: a folder for each version with `profiles.jsonl`, `valuesets.jsonl` and
//! `codesystems.jsonl`. Output: one text a version, a profile a line, without what no check
//! asks for (must-support, notes of the guide, bindings that only recommend) and without
//! rows that say what R4 says; then a line for each value set of a required binding.

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
        for row in value_sets(&folder, &out)? {
            out.push_str(&row.to_string());
            out.push('\n');
        }
        fs::write(Path::new(OUT).join(format!("us-core-{version}.jsonl")), out)?;
    }
    Ok(())
}

/// The value sets that a package names, as the parts they are made of: codes of a system, all
/// of a system, or another set. Codes of systems that the guide owns are listed; those with
/// parts left out (codes of SNOMED CT or LOINC) keep the system alone, of which a check cannot
/// tell, while a code of any other system is none of the set.
fn value_sets(folder: &Path, package: &str) -> io::Result<Vec<Value>> {
    let systems = super::fhir::rows(&folder.join("codesystems.jsonl"))?;
    let codes = |all: &Value| -> Vec<Value> {
        all.as_array().into_iter().flatten().map(|code| code[0].clone()).collect()
    };
    let owned = |system: &Value| {
        let known =
            systems.iter().find(|row| row["url"] == *system && row["content"] == "complete");
        known.map(|row| codes(&row["codes"]))
    };
    let mut out = Vec::new();
    for row in super::fhir::rows(&folder.join("valuesets.jsonl"))? {
        let named = row["url"].as_str().is_some_and(|url| package.contains(&format!("\"{url}\"")));
        let excludes = row["exclude"].as_array().is_some_and(|all| !all.is_empty());
        if !named || excludes {
            continue;
        }
        let mut parts = Vec::new();
        for include in row["include"].as_array().into_iter().flatten() {
            let mut part = Map::new();
            if let Some(system) = include.get("system") {
                part.insert("system".to_owned(), system.clone());
                let listed = include.get("codes").map(&codes);
                let whole =
                    ["filter", "conceptCount"].iter().all(|name| include.get(name).is_none());
                let listed = listed.or_else(|| owned(system).filter(|_| whole));
                if let Some(listed) = listed {
                    part.insert("codes".to_owned(), listed.into());
                }
            }
            if let Some(sets) = include.get("valueSet") {
                part.insert("sets".to_owned(), sets.clone());
            }
            parts.push(Value::Object(part));
        }
        let mut set = Map::new();
        set.insert("valueSet".to_owned(), row["url"].clone());
        set.insert("parts".to_owned(), parts.into());
        out.push(set.into());
    }
    Ok(out)
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
        let is_value =
            ["fixed", "pattern", "minValue", "maxValue"].iter().any(|word| name.starts_with(word));
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
