//! Writes the search parameters of FHIR R4 to `src/records/parameters.txt` from
//! `searchparams.jsonl`: one fact a line, by type of resource, in the order of the
//! specification, so that two runs give the same bytes. Beside it the compartments, from
//! `compartments.jsonl`, and the elements of a summary and
//! those that change a meaning, from `elements.jsonl`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

use crate::fhir::{list, rows, text};

const OUT: &str = "src/records/parameters.txt";

/// Kinds that need more than the values of one path, and are not searched by.
const LEFT_OUT: &[&str] = &["special"];

/// Parts of composites that 4.0.1 publishes with each other's definition: path and parameter.
const SWAPPED: &[(&str, &str, &str)] = &[
    ("DocumentReference-relationship", "code", "relation"),
    ("DocumentReference-relationship", "target", "relatesto"),
];

/// Parameters about all words of a resource, which have no path of their own.
const WORDS: &str = "_content\twords\t$this\t-\n_text\twords\ttext.div\t-\n";

const COMPARTMENTS: &str = "src/records/compartments.txt";
const SUMMARIES: &str = "src/records/summaries.txt";
const MODIFIERS: &str = "src/records/modifiers.txt";

/// Parameters whose meaning is not in their path: what they would find is something else.
const NOT_BY_PATH: &[&str] = &["phonetic"];

/// Reads the definitions in `dir` and writes the table.
pub fn run(dir: &Path) -> io::Result<()> {
    let rows = rows(&dir.join("searchparams.jsonl"))?;
    let mut types: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let codes: BTreeMap<&str, &str> =
        rows.iter().map(|row| (text(row, "id"), text(row, "code"))).collect();
    for row in &rows {
        let (kind, expression) = (text(row, "type"), text(row, "expression"));
        let other = NOT_BY_PATH.contains(&text(row, "code"));
        if other || LEFT_OUT.contains(&kind) || expression.is_empty() {
            continue;
        }
        for base in row["base"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let Some(line) = line(row, base, (kind, expression), &codes) else { continue };
            types.entry(base).or_default().push(line);
        }
    }
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) search parameters. @ type of resource, then a line a parameter:\n",
        "# code, kind, FHIRPath, types that a reference is looked at for (`*` for any), or the\n",
        "# parts of a composite, `;` between: the parameter each is like, and its path; tab\n",
        "# between. `(x as T)` is written `x.ofType(T)`, which takes several values, and\n",
        "# `where(resolve() is T)` as the type of the reference.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for (name, mut lines) in types {
        lines.sort();
        lines.dedup();
        let _ = writeln!(out, "@{name}");
        lines.iter().for_each(|line| out.push_str(line));
        if name == "Resource" {
            out.push_str(WORDS);
        }
    }
    fs::write(OUT, out)?;
    fs::write(COMPARTMENTS, compartments(&crate::fhir::rows(&dir.join("compartments.jsonl"))?))?;
    let elements = crate::fhir::rows(&dir.join("elements.jsonl"))?;
    fs::write(MODIFIERS, modifiers(&elements))?;
    fs::write(SUMMARIES, summaries(&elements))
}

/// By which parameters a resource belongs to a compartment.
fn compartments(rows: &[Value]) -> String {
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) compartments. @ type of the compartment, then a line a type of\n",
        "# resource: the parameters by which it belongs to it; tab between.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for row in rows {
        let _ = writeln!(out, "@{}", text(row, "code"));
        let resources: BTreeMap<_, _> =
            row["resources"].as_object().into_iter().flatten().collect();
        for name in resources.keys() {
            let _ = writeln!(out, "{name}\t{}", list(&row["resources"], name));
        }
    }
    out
}

/// The elements of resources that are part of a summary.
fn summaries(rows: &[Value]) -> String {
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["summary"] == true && row.get("sd").is_none()) {
        if let Some((kind, rest)) = text(row, "path").split_once('.') {
            types.entry(kind).or_default().push(rest);
        }
    }
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) elements that are part of a summary: a line a type; tab between.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for (kind, elements) in types {
        let _ = writeln!(out, "{kind}\t{}", elements.join(","));
    }
    out
}

/// The elements of resources that change what the others mean.
fn modifiers(rows: &[Value]) -> String {
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["modifier"] == true && row.get("sd").is_none()) {
        if let Some((kind, rest)) = text(row, "path").split_once('.')
            && !rest.contains('.')
        {
            types.entry(kind).or_default().push(rest);
        }
    }
    let mut out = String::from(concat!(
        "# FHIR R4 (4.0.1) modifier elements of resources: a line a type; tab between.\n",
        "# Written by `cargo run --example generate -- fhir`.\n",
    ));
    for (kind, elements) in types {
        let _ = writeln!(out, "{kind}\t{}", elements.join(","));
    }
    out
}

/// The line of a parameter for one type: of a union over several types, its own part.
fn line(
    row: &Value,
    base: &str,
    (kind, expression): (&str, &str),
    codes: &BTreeMap<&str, &str>,
) -> Option<String> {
    let own = |part: &&str| {
        let part = part.trim_start_matches('(');
        let inside = |rest: &str| rest.is_empty() || rest.starts_with('.');
        base == "Resource" || part.strip_prefix(base).is_some_and(inside)
    };
    let expression = expression.strip_prefix("Resource.").unwrap_or(expression);
    let parts: Vec<&str> = expression.split(" | ").map(str::trim).filter(own).collect();
    if parts.is_empty() {
        return None;
    }
    let joined = parts.iter().map(|part| of_type(part)).collect::<Vec<_>>().join(" | ");
    let (path, only) = without_resolve(&joined);
    let targets = match only {
        _ if kind == "composite" => components(row, codes),
        _ if kind != "reference" => "-".to_owned(),
        Some(only) => only,
        None => match list(row, "target") {
            all if all.matches(',').count() > 100 || all.is_empty() => "*".to_owned(),
            some => some,
        },
    };
    Some(format!("{}\t{kind}\t{path}\t{targets}\n", text(row, "code")))
}

/// The parts of a composite: the parameter each is like, and where its values are.
fn components(row: &Value, codes: &BTreeMap<&str, &str>) -> String {
    let part = |part: &Value| {
        let path = part[1].as_str()?;
        let swapped = |(id, own, _): &&(&str, &str, &str)| (*id, *own) == (text(row, "id"), path);
        let code = match SWAPPED.iter().find(swapped) {
            Some((.., code)) => code,
            None => codes.get(part[0].as_str()?)?,
        };
        let path = path.split(" | ").map(of_type).collect::<Vec<_>>().join(" | ");
        // The type is `dateTime`; as published there is none.
        Some(format!("{code}={}", path.replace("(DateTime)", "(dateTime)")))
    };
    let parts = row["component"].as_array().into_iter().flatten();
    parts.filter_map(part).collect::<Vec<_>>().join(";")
}

/// `(x as T)` and `x.as(T)` as `x.ofType(T)`: as published, both fail on several values.
fn of_type(part: &str) -> String {
    // `hasExtension` is no function of any version of FHIRPath.
    let part = part.replace(".as(", ".ofType(").replace("isSubject'))", "isSubject').exists())");
    let part = part.replace("hasExtension(", "extension(");
    let Some(open) = part.strip_prefix('(') else { return part };
    let Some((inner, rest)) = open.split_once(')') else { return part };
    match inner.split_once(" as ") {
        Some((path, ty)) => format!("{path}.ofType({ty}){rest}"),
        None => format!("{inner}{rest}"),
    }
}

/// The path without `.where(resolve() is T)`, and `T`.
fn without_resolve(path: &str) -> (String, Option<String>) {
    const MARK: &str = ".where(resolve() is ";
    let (mut out, mut rest, mut only) = (String::new(), path, None);
    while let Some((before, after)) = rest.split_once(MARK) {
        let (ty, behind) = after.split_once(')').unwrap_or((after, ""));
        out.push_str(before);
        only = Some(ty.trim().to_owned());
        rest = behind;
    }
    out.push_str(rest);
    (out, only)
}
