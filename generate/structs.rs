//! Writes the structs under `src/fhir/model/r4/`: the resources that weir itself
//! understands with their nested elements, the data types they use, and the codes of their
//! required bindings. One file a resource, one line a member.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

use super::fhir::{rows, text};

const OUT: &str = "src/fhir/model/r4";

/// What weir itself understands; DESIGN.md D5 and what issue after issue added.
const RESOURCES: &[&str] = &[
    "AllergyIntolerance",
    "Appointment",
    "AuditEvent",
    "Binary",
    "Bundle",
    "CapabilityStatement",
    "Condition",
    "Consent",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Immunization",
    "Location",
    "Medication",
    "MedicationRequest",
    "MessageHeader",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Parameters",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
    "Subscription",
    "Task",
];

/// Data types that only stand in open choices and that weir has no use for: kept as they are.
const KEPT: &[&str] = &[
    "Contributor",
    "DataRequirement",
    "Expression",
    "ParameterDefinition",
    "RelatedArtifact",
    "TriggerDefinition",
];

/// Most codes of an enum: longer lists name all types and are texts.
const CODES_MAX: usize = 40;

const KEYWORDS: &[&str] =
    &["abstract", "for", "type", "use", "mod", "ref", "where", "final", "virtual", "const"];

/// An element as the schema has it.
struct Row {
    path: String,
    max: bool,
    types: Vec<String>,
    set: Option<String>,
    same: Option<String>,
}

struct Writer {
    rows: BTreeMap<String, Vec<Row>>,
    /// Codes with their texts by the name of the value set.
    sets: BTreeMap<String, Vec<(String, String)>>,
    /// Value sets that some member uses.
    used: BTreeSet<String>,
    /// Data types that some member uses.
    types: BTreeSet<String>,
}

/// Reads the definitions in `dir` and writes the structs.
pub fn run(dir: &Path) -> io::Result<()> {
    let mut writer = Writer {
        rows: elements(&rows(&dir.join("elements.jsonl"))?),
        sets: value_sets(&rows(&dir.join("valuesets-required.jsonl"))?),
        used: BTreeSet::new(),
        types: ["Extension", "Meta", "Narrative"].map(str::to_owned).into(),
    };
    let mut modules = Vec::new();
    for name in RESOURCES {
        let body = writer.structs(name);
        let module = snake(name);
        save(&module, &format!("{name}, as R4 has it."), &body)?;
        modules.push(module);
    }
    let mut done = BTreeSet::new();
    let mut body = String::new();
    while let Some(name) = writer.types.difference(&done).next().cloned() {
        body.push_str(&writer.structs(&name));
        done.insert(name);
    }
    save("datatypes", "Data types.", &body)?;
    let mut body = String::new();
    for set in writer.used.clone() {
        body.push_str(&writer.codes(&set));
    }
    save("codes", "Codes of the value sets of required bindings.", &body)?;
    modules.extend(["codes".to_owned(), "datatypes".to_owned()]);
    modules.sort();
    let mut out = String::from(concat!(
        "//! The structs, by file of their resource.\n",
        "//!\n",
        "//! Written by `cargo run --example generate -- fhir`.\n\n",
        "#![allow(missing_docs, reason = \"the names are those of R4, whose pages explain them\")]\n\n",
    ));
    for module in &modules {
        let _ = writeln!(out, "{}mod {module};", if module == "codes" { "pub " } else { "" });
    }
    out.push('\n');
    for module in modules.iter().filter(|module| *module != "codes") {
        let _ = writeln!(out, "pub use {module}::*;");
    }
    out.push_str(concat!(
        "\n/// An empty resource of a type; none of a type that has no struct.\n",
        "#[must_use]\n",
        "pub fn of(name: &str) -> Option<Box<dyn super::Record>> {\n",
        "    Some(match name {\n",
    ));
    for name in RESOURCES {
        let _ = writeln!(out, "        \"{name}\" => Box::new({name}::default()),");
    }
    out.push_str("        _ => return None,\n    })\n}\n");
    fs::write(Path::new(OUT).join("mod.rs"), out)
}

fn save(module: &str, title: &str, body: &str) -> io::Result<()> {
    let uses = if module == "codes" {
        "use crate::fhir::model::Code;\n".to_owned()
    } else {
        let has = |word: &str| body.contains(word);
        let mut out = String::new();
        if has("choice! {") {
            out.push_str("use crate::fault::Fault;\n");
            out.push_str("use crate::fhir::model::{Choice, Record, Slot};\n");
        } else {
            out.push_str("use crate::fhir::model::{Record, Slot};\n");
        }
        let mut typed = vec!["Extra", "Primitive"];
        let named = [
            ("Any", "Any"),
            ("Coded<", "Coded"),
            ("Primitive<Date>", "Date"),
            ("Primitive<DateTime>", "DateTime"),
            ("Primitive<Decimal>", "Decimal"),
            ("Primitive<Instant>", "Instant"),
            ("Primitive<Time>", "Time"),
        ];
        typed.extend(named.iter().filter(|(word, _)| has(word)).map(|(_, name)| *name));
        // `domain` names it in the macro.
        if has("record! { domain") && !typed.contains(&"Any") {
            typed.push("Any");
        }
        typed.sort_unstable();
        let _ = writeln!(out, "use crate::fhir::typed::{{{}}};", typed.join(", "));
        if has("choice! {") {
            out.push_str("use crate::fhir::{Builder, Node};\n");
        }
        out.push('\n');
        if has("codes::") {
            out.push_str("use super::codes;\n");
        }
        if module != "datatypes" {
            let _ = writeln!(out, "use super::datatypes::*;");
        }
        out
    };
    let mut out =
        format!("//! {title}\n//!\n//! Written by `cargo run --example generate -- fhir`.\n\n");
    let _ = write!(out, "{uses}\n{}", body.trim_start());
    fs::write(Path::new(OUT).join(format!("{module}.rs")), out)
}

fn elements(all: &[Value]) -> BTreeMap<String, Vec<Row>> {
    let mut found: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in all.iter().filter(|row| row.get("sd").is_none()) {
        let path = text(row, "path").to_owned();
        let Some((parent, _)) = path.rsplit_once('.') else { continue };
        let types = row["types"].as_array().map(Vec::as_slice).unwrap_or_default();
        let set = row.get("binding").filter(|binding| binding[0] == "required");
        let set = set.and_then(|binding| binding[1].as_str());
        let same = row.get("contentRef").and_then(Value::as_str);
        found.entry(parent.to_owned()).or_default().push(Row {
            max: text(row, "max") != "1",
            types: types.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            set: set.map(|set| {
                let plain = set.split('|').next().unwrap_or(set);
                plain.rsplit('/').next().unwrap_or(plain).to_owned()
            }),
            same: same.map(str::to_owned),
            path,
        });
    }
    found
}

fn value_sets(all: &[Value]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut found = BTreeMap::new();
    for row in all {
        let Some(name) = text(row, "url").rsplit('/').next() else { continue };
        let mut codes = Vec::new();
        for (_, listed) in row["codes"].as_object().into_iter().flatten() {
            for code in listed.as_array().map(Vec::as_slice).unwrap_or_default() {
                let part = |at: usize| code[at].as_str().unwrap_or_default().to_owned();
                codes.push((part(0), part(1)));
            }
        }
        found.insert(name.to_owned(), codes);
    }
    found
}

impl Writer {
    /// A resource or data type with its nested elements and choices.
    fn structs(&mut self, name: &str) -> String {
        let mut out = String::new();
        let mut open = vec![name.to_owned()];
        while let Some(path) = open.pop() {
            out.push_str(&self.record(&path, &mut open));
        }
        out
    }

    fn record(&mut self, path: &str, open: &mut Vec<String>) -> String {
        let rows = self.rows.remove(path).unwrap_or_default();
        let has = |name: &str| rows.iter().any(|row| row.path == format!("{path}.{name}"));
        let (kind, base): (String, &[&str]) = if !path.contains('.') && RESOURCES.contains(&path) {
            let base: &[&str] = &["id", "meta", "implicitRules", "language"];
            if has("contained") {
                (
                    format!("domain {} \"{path}\"", path),
                    &[
                        "id",
                        "meta",
                        "implicitRules",
                        "language",
                        "text",
                        "contained",
                        "extension",
                        "modifierExtension",
                    ],
                )
            } else {
                (format!("resource {} \"{path}\"", path), base)
            }
        } else if has("modifierExtension") {
            (format!("backbone {}", named(path)), &["id", "extension", "modifierExtension"])
        } else {
            (format!("data {}", named(path)), &["id", "extension"])
        };
        let (mut fields, mut choices) = (String::new(), String::new());
        for row in rows.iter() {
            let name = row.path.rsplit('.').next().unwrap_or_default();
            if base.contains(&name) {
                continue;
            }
            if let Some(name) = name.strip_suffix("[x]") {
                self.choice(path, name, row, &mut fields, &mut choices);
                continue;
            }
            let ty = self.member(row, open);
            let _ = writeln!(fields, "    {} \"{name}\": {ty},", field(name));
        }
        format!("\nrecord! {{ {kind} {{\n{fields}}} }}\n{choices}")
    }

    /// The Rust type of a member.
    fn member(&mut self, row: &Row, open: &mut Vec<String>) -> String {
        let list = |ty: &str| if row.max { format!("Vec<{ty}>") } else { ty.to_owned() };
        if let Some(same) = &row.same {
            let ty = named(same);
            return if row.max { list(&ty) } else { format!("Option<Box<{ty}>>") };
        }
        let ty = row.types.first().map_or("", String::as_str);
        if self.rows.contains_key(&row.path) && matches!(ty, "BackboneElement" | "Element") {
            open.insert(0, row.path.clone());
            let ty = named(&row.path);
            return if row.max { list(&ty) } else { format!("Option<Box<{ty}>>") };
        }
        match self.value(ty, row.set.as_deref()) {
            Kind::Primitive(ty) => list(&format!("Primitive<{ty}>")),
            Kind::Record(ty) if row.max => list(&ty),
            Kind::Record(ty) => format!("Option<Box<{ty}>>"),
            Kind::Any if row.max => "Vec<Any>".to_owned(),
            Kind::Any => "Option<Any>".to_owned(),
        }
    }

    fn choice(
        &mut self,
        path: &str,
        name: &str,
        row: &Row,
        fields: &mut String,
        choices: &mut String,
    ) {
        let is_open = row.types.len() > 30;
        let mut names = Vec::new();
        let mut variants = String::new();
        for ty in &row.types {
            let suffix = upper(ty);
            let json = format!("{name}{suffix}");
            let inside = match self.value(ty, row.set.as_deref()) {
                Kind::Primitive(ty) => format!("Primitive<{ty}>"),
                Kind::Record(ty) => format!("Box<{ty}>"),
                Kind::Any => "Option<Any>".to_owned(),
            };
            let _ = writeln!(variants, "    {suffix} \"{json}\": {inside},");
            names.push(format!("\"{json}\""));
        }
        let ty = if is_open && name == "value" {
            "Value".to_owned()
        } else {
            format!("{}{}", named(path), upper(name))
        };
        // The names of a long choice take lines of their own.
        let mut joined = String::new();
        let mut line = field(name).len() + 4;
        for (at, json) in names.iter().enumerate() {
            let gap = if at == 0 { " " } else { " | " };
            if line + gap.len() + json.len() > 96 {
                joined.push_str("\n       ");
                line = 7;
            }
            line += gap.len() + json.len();
            joined.push_str(gap);
            joined.push_str(json);
        }
        let _ = writeln!(fields, "    {}{joined}: Option<{ty}>,", field(name));
        if ty != "Value" || path == "Extension" {
            let _ = write!(choices, "\nchoice! {{ {ty} {{\n{variants}}} }}\n");
        }
    }

    fn value(&mut self, ty: &str, set: Option<&str>) -> Kind {
        if KEPT.contains(&ty) || matches!(ty, "Resource" | "") {
            return Kind::Any;
        }
        if ty.starts_with(char::is_uppercase) {
            // Those made from Quantity have its members.
            let ty = match ty {
                "Age" | "Count" | "Distance" | "Duration" | "MoneyQuantity" | "SimpleQuantity" => {
                    "Quantity"
                }
                ty => ty,
            };
            self.types.insert(ty.to_owned());
            return Kind::Record(ty.to_owned());
        }
        let listed = set.filter(|_| ty == "code").and_then(|set| {
            let codes = self.sets.get(set)?;
            (1..=CODES_MAX).contains(&codes.len()).then(|| set.to_owned())
        });
        if let Some(set) = listed {
            let name = pascal(&set);
            self.used.insert(set);
            return Kind::Primitive(format!("Coded<codes::{name}>"));
        }
        Kind::Primitive(
            match ty {
                "boolean" => "bool",
                "integer" => "i32",
                "unsignedInt" | "positiveInt" => "u32",
                "decimal" => "Decimal",
                "date" => "Date",
                "dateTime" => "DateTime",
                "instant" => "Instant",
                "time" => "Time",
                _ => "String",
            }
            .to_owned(),
        )
    }

    fn codes(&self, set: &str) -> String {
        let mut out = format!("\ncodes! {{ {} {{\n", pascal(set));
        let mut taken = BTreeSet::new();
        for (code, display) in self.sets.get(set).map(Vec::as_slice).unwrap_or_default() {
            let short = code.len() == 1 || !code.starts_with(|c: char| c.is_ascii_alphabetic());
            let mut name = pascal(if short && !display.is_empty() { display } else { code });
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                name = format!("V{}", code.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
            }
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            let _ = writeln!(out, "    {name} \"{code}\",");
        }
        out.push_str("} }\n");
        out
    }
}

enum Kind {
    Primitive(String),
    Record(String),
    Any,
}

/// `PatientContact` of `Patient.contact`.
fn named(path: &str) -> String {
    path.split('.').map(upper).collect()
}

fn upper(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// `AdministrativeGender` of `administrative-gender`, `NotDone` of `not-done`; words of
/// capitals are written as others are.
fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let shouted = word.chars().all(|c| !c.is_ascii_lowercase());
            upper(&if shouted { word.to_ascii_lowercase() } else { word.to_owned() })
        })
        .collect()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn field(name: &str) -> String {
    let name = snake(name);
    if KEYWORDS.contains(&name.as_str()) { name + "_" } else { name }
}
