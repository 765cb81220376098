//! Writes the FHIR R4 tables under `src/fhir/tables/` from the published definitions.
//!
//! Input: `types.jsonl`, `elements.jsonl`, `invariants.jsonl`, `valuesets-required.jsonl`,
//! `valuesets-other.jsonl` and `extensions.jsonl`. Output: four texts, one fact a line, in
//! the order of the specification, so that two runs give the same bytes and a difference
//! can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

const OUT: &str = "src/fhir/tables";
const VALUE_SET: &str = "http://hl7.org/fhir/ValueSet/";
const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Largest value set of an extensible binding that is listed: a code beyond it is a warning
/// only, and the large ones are lists of classes whose members a receiver never sees.
const EXTENSIBLE_CODES_MAX: u64 = 100;

/// Invariants that 4.0.1 publishes with a slip: what they say, as their text means it.
const ERRATA: &[(&str, &str)] = &[
    // The code is `noshow`; as published no reason for one is ever accepted.
    ("app-4", "cancelationReason.exists() implies (status = 'noshow' or status = 'cancelled')"),
    // `in` takes one item, and an event may have several `when`.
    (
        "tim-9",
        "offset.empty() or (when.exists() and when.where($this in ('C' | 'CM' | 'CD' | 'CV')).empty())",
    ),
    // The answer is the FHIR type; the text asks for a Boolean answer.
    ("que-7", "operator = 'exists' implies (answer is boolean)"),
];

/// Reads the definitions in `dir` and writes the tables.
pub fn run(dir: &Path) -> io::Result<()> {
    let types = rows(&dir.join("types.jsonl"))?;
    let elements = rows(&dir.join("elements.jsonl"))?;
    fs::write(Path::new(OUT).join("elements.txt"), elements_table(&types, &elements))?;
    let required = rows(&dir.join("valuesets-required.jsonl"))?;
    let others = rows(&dir.join("valuesets-other.jsonl"))?;
    let mut sets: Vec<&Value> = required.iter().filter(|set| set.get("codes").is_some()).collect();
    let known: BTreeSet<&str> = required.iter().map(|set| text(set, "url")).collect();
    sets.extend(
        others.iter().filter(|set| is_extensible(set) && !known.contains(text(set, "url"))),
    );
    fs::write(Path::new(OUT).join("codes.txt"), codes_table(&sets))?;
    let invariants = rows(&dir.join("invariants.jsonl"))?;
    fs::write(Path::new(OUT).join("invariants.txt"), invariants_table(&invariants))?;
    let extensions = rows(&dir.join("extensions.jsonl"))?;
    fs::write(Path::new(OUT).join("extensions.txt"), extensions_table(&extensions))
}

pub(crate) fn rows(file: &Path) -> io::Result<Vec<Value>> {
    fs::read_to_string(file)?
        .lines()
        .map(|line| serde_json::from_str(line).map_err(io::Error::other))
        .collect()
}

pub(crate) fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or("")
}

pub(crate) fn list(row: &Value, name: &str) -> String {
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
        "# ? of an extensible one, ~ profile of a type, # element whose definition it shares.\n",
        "# Elements of the base are not repeated.\n",
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
    let mark = match row["binding"][0].as_str() {
        Some("required") => " !",
        Some("extensible") => " ?",
        _ => "",
    };
    if !mark.is_empty() {
        let url = row["binding"][1].as_str().unwrap_or("");
        let _ = write!(out, "{mark}{}", short(url.split('|').next().unwrap_or(url), VALUE_SET));
    }
    if row.get("profiles").is_some() {
        let _ = write!(out, " ~{}", list(row, "profiles"));
    }
    if row.get("contentRef").is_some() {
        let _ = write!(out, " #{}", text(row, "contentRef").trim_start_matches('#'));
    }
    out
}

fn short<'u>(url: &'u str, base: &str) -> &'u str {
    url.strip_prefix(base).unwrap_or(url)
}

/// Whether a value set of an extensible binding is listed: whole, and not too long.
fn is_extensible(set: &Value) -> bool {
    set["strengths"].get("extensible").is_some()
        && set.get("codes").is_some()
        && set.get("external").is_none()
        && set.get("truncated").is_none()
        && set["codeCount"].as_u64().is_some_and(|count| count <= EXTENSIBLE_CODES_MAX)
}

/// Writes the value sets of required and extensible bindings that can be listed.
fn codes_table(sets: &[&Value]) -> String {
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) value sets of required bindings, then those of extensible ones.\n",
        "# @ value set, = code system, then a line a code: code, display. Sets of outside code\n",
        "# systems and the longest extensible ones have no codes here.\n",
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

/// Writes the invariants: where they hold, and what they say.
fn invariants_table(invariants: &[Value]) -> String {
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) invariants: key, ! error or ? warning, elements they hold on\n",
        "# (`*` for every element, every resource or every extension), FHIRPath, text for\n",
        "# people; tab between. Known slips of the publication are mended.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for row in invariants {
        let key = text(row, "key");
        // Those of profiles of Quantity hold where an element names the profile.
        let paths = match key {
            "mqty-1" => "MoneyQuantity".to_owned(),
            "sqty-1" => "SimpleQuantity".to_owned(),
            _ if row["paths"] == "*" => "*".to_owned(),
            _ => list(row, "paths"),
        };
        // Of a type nothing can be made from in a document.
        if paths == "MetadataResource" {
            continue;
        }
        let mended = ERRATA.iter().find(|(known, _)| *known == key).map(|(_, mended)| *mended);
        let expression = mended.unwrap_or_else(|| text(row, "expression"));
        let severity = if text(row, "severity") == "warning" { '?' } else { '!' };
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            out,
            "{key}\t{severity}\t{paths}\t{}\t{}",
            expression.replace(['\t', '\n', '\r'], " ").trim(),
            plain(text(row, "human")),
        );
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
