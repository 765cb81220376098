//! Writes the FHIR R4 tables under `src/fhir/tables/` from the published definitions.
//!
//! Input: `types.jsonl`, `elements.jsonl`, `valuesets-required.jsonl` and
//! `extensions.jsonl`. Output: three texts, one fact a line, in the order of the
//! specification, so that two runs give the same bytes and a difference can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

const OUT: &str = "src/fhir/tables";
const VALUE_SET: &str = "http://hl7.org/fhir/ValueSet/";
const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Reads the definitions in `dir` and writes the tables.
pub fn run(dir: &Path) -> io::Result<()> {
    let types = rows(&dir.join("types.jsonl"))?;
    let elements = rows(&dir.join("elements.jsonl"))?;
    fs::write(Path::new(OUT).join("elements.txt"), elements_table(&types, &elements))?;
    let sets = rows(&dir.join("valuesets-required.jsonl"))?;
    fs::write(Path::new(OUT).join("codes.txt"), codes_table(&sets))?;
    let extensions = rows(&dir.join("extensions.jsonl"))?;
    fs::write(Path::new(OUT).join("extensions.txt"), extensions_table(&extensions))
}

fn rows(file: &Path) -> io::Result<Vec<Value>> {
    fs::read_to_string(file)?
        .lines()
        .map(|line| serde_json::from_str(line).map_err(io::Error::other))
        .collect()
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or("")
}

fn list(row: &Value, name: &str) -> String {
    let items = row[name].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

/// Writes types with their own elements; what a type inherits stands at its base only.
fn elements_table(types: &[Value], elements: &[Value]) -> String {
    let mut facts: BTreeMap<&str, Vec<(&str, String, String)>> = BTreeMap::new();
    for row in elements.iter().filter(|row| row.get("sd").is_none()) {
        let path = text(row, "path");
        let Some((root, rest)) = path.split_once('.') else { continue };
        facts.entry(root).or_default().push((rest, fact(row), list(row, "types")));
    }
    let inherited: BTreeMap<&str, BTreeSet<(String, String)>> = facts
        .iter()
        .map(|(root, rows)| {
            let own = rows.iter().filter(|(rest, ..)| !rest.contains('.'));
            (*root, own.map(|(rest, fact, _)| ((*rest).to_owned(), fact.clone())).collect())
        })
        .collect();
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) types and their elements, in the order of the specification.\n",
        "# @ type, kind, base; then a line an element, one blank a level: name, cardinality,\n",
        "# types, and after marks: > reference targets, ! value set of a required binding,\n",
        "# # element whose definition it shares. Elements of the base are not repeated.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for row in types {
        let (name, kind, base) = (text(row, "name"), text(row, "kind"), text(row, "base"));
        if kind == "logical" || row.get("constraint").is_some() {
            continue;
        }
        let kind = match kind {
            _ if row.get("abstract").is_some() => "abstract",
            "resource" => "resource",
            "primitive-type" => "primitive",
            _ => "complex",
        };
        let _ = writeln!(out, "@ {name} {kind} {base}");
        let rows = facts.get(name).map(Vec::as_slice).unwrap_or_default();
        let within: BTreeMap<&str, &str> =
            rows.iter().map(|(rest, _, types)| (*rest, types.as_str())).collect();
        for (rest, fact, _) in rows {
            let (parent, leaf) = match rest.rsplit_once('.') {
                Some((parent, leaf)) => (within.get(parent).copied().unwrap_or(""), leaf),
                None => (base, *rest),
            };
            let known = inherited.get(parent);
            if known.is_some_and(|known| known.contains(&(leaf.to_owned(), fact.clone())))
                || (kind == "primitive" && leaf == "value")
            {
                continue;
            }
            let indent = " ".repeat(rest.matches('.').count() + 1);
            let _ = writeln!(out, "{indent}{leaf} {fact}");
        }
    }
    out
}

/// Cardinality, types and marks of one element.
fn fact(row: &Value) -> String {
    let mut types = list(row, "types");
    // The snapshots give ids of resources the type of their FHIRPath value.
    if text(row, "path").strip_suffix(".id").is_some_and(|parent| !parent.contains('.'))
        && row.get("repr").is_none()
    {
        types = "id".to_owned();
    }
    types = types.replace("http://hl7.org/fhirpath/System.String", "string");
    if types.is_empty() {
        types = "-".to_owned();
    }
    let mut out = format!("{}..{} {types}", row["min"], text(row, "max"));
    if row.get("targets").is_some() {
        let _ = write!(out, " >{}", list(row, "targets"));
    }
    if row["binding"][0] == "required" {
        let url = row["binding"][1].as_str().unwrap_or("");
        let _ = write!(out, " !{}", short(url.split('|').next().unwrap_or(url), VALUE_SET));
    }
    if row.get("contentRef").is_some() {
        let _ = write!(out, " #{}", text(row, "contentRef").trim_start_matches('#'));
    }
    out
}

fn short<'u>(url: &'u str, base: &str) -> &'u str {
    url.strip_prefix(base).unwrap_or(url)
}

/// Writes the value sets of required bindings that can be listed.
fn codes_table(sets: &[Value]) -> String {
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) value sets of required bindings. @ value set, = code system,\n",
        "# then a line a code: code, display. Sets of outside code systems have no codes here.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for set in sets {
        let Some(systems) = set["codes"].as_object() else { continue };
        let _ = writeln!(out, "@{}", short(text(set, "url"), VALUE_SET));
        for (system, codes) in systems {
            let _ = writeln!(out, "={system}");
            for code in codes.as_array().map(Vec::as_slice).unwrap_or_default() {
                let display = code[1].as_str().unwrap_or("").replace(['\t', '\n', '\r'], " ");
                let _ = writeln!(out, "{}\t{display}", code[0].as_str().unwrap_or(""));
            }
        }
    }
    out
}

/// Writes the extensions of the core specification.
fn extensions_table(extensions: &[Value]) -> String {
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) extensions: id (full url where it is not the common one),\n",
        "# cardinality, value types, contexts, reference targets, parts it is made of\n",
        "# (name:cardinality:types), tab between, `-` for none.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    let or_dash = |s: String| if s.is_empty() { "-".to_owned() } else { s };
    for row in extensions {
        let parts = row["sub"].as_object().map_or_else(String::new, |subs| {
            let part = |(name, sub): (&String, &Value)| {
                format!("{name}:{}..{}:{}", sub["min"], text(sub, "max"), list(sub, "value"))
            };
            subs.iter().map(part).collect::<Vec<_>>().join("|")
        });
        let _ = writeln!(
            out,
            "{}\t{}\t{}..{}\t{}\t{}\t{}\t{}",
            text(row, "id"),
            short(text(row, "url"), EXTENSION),
            row["min"],
            text(row, "max"),
            or_dash(list(row, "value")),
            or_dash(list(row, "context")),
            or_dash(list(row, "targets")),
            or_dash(parts),
        );
    }
    out
}
