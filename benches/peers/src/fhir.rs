//! FHIR beside others: reading and writing of JSON, checks, FHIRPath.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use weir::fhir::transaction::Transaction;
use weir::fhir::{Context, Doc, FhirPath, validate};

use super::sample::{OBSERVATION, PATHS};
use super::{Row, nice, table, time};

/// The Bundle of 1 MB, 323 resources.
const BUNDLE: &str = "bundle-1.0MB.json";

/// Prints all tables of FHIR.
pub fn tables() {
    for (name, bytes) in bundles() {
        json(&name, &bytes);
        entries(&name, &bytes);
    }
    checks();
}

fn published(name: &str) -> String {
    let shared = std::env::var("WEIR_SHARED").unwrap_or_else(|_| "../../../shared".to_owned());
    format!("{shared}/corpus/fhir-synthea/{name}")
}

/// A Bundle of our own, and published ones where they are at hand.
fn bundles() -> Vec<(String, Bytes)> {
    let entry = format!(r#"{{"fullUrl":"urn:uuid:1","resource":{OBSERVATION}}}"#);
    let entries = vec![entry; 200].join(",");
    let own = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#);
    let mut all = vec![("Bundle of 200".to_owned(), Bytes::from(own))];
    for name in ["bundle-188kB.json", BUNDLE] {
        if let Ok(bytes) = std::fs::read(published(name)) {
            all.push((name.to_owned(), Bytes::from(bytes)));
        }
    }
    all
}

/// Reading and writing of FHIR JSON. `sonic-rs` keeps the digits of numbers here, as weir does;
/// `serde_json` does not.
fn json(name: &str, bytes: &Bytes) {
    let doc = Doc::parse_json(bytes.clone()).expect("JSON");
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let sonic: sonic_rs::Value = sonic_rs::from_slice(bytes).expect("JSON");
    let rows = [
        Row { name: "weir", took: time(|| Doc::parse_json(bytes.clone()).is_ok()) },
        Row {
            name: "serde_json",
            took: time(|| serde_json::from_slice::<serde_json::Value>(bytes).is_ok()),
        },
        Row {
            name: "sonic-rs",
            took: time(|| sonic_rs::from_slice::<sonic_rs::Value>(bytes).is_ok()),
        },
    ];
    table(&format!("parse JSON, {name}"), bytes.len(), &rows);
    let mut edited = doc.clone();
    let _ = edited.insert_member(edited.root().id(), "language", "\"en\"");
    let rows = [
        Row { name: "weir", took: time(|| edited.to_json().len()) },
        Row { name: "serde_json", took: time(|| serde_json::to_vec(&value).map(|v| v.len()).ok()) },
        Row { name: "sonic-rs", took: time(|| sonic_rs::to_vec(&sonic).map(|v| v.len()).ok()) },
    ];
    table(&format!("write JSON after an edit, {name}"), bytes.len(), &rows);
}

/// From bytes to the entries of a Bundle: what each asks for, and where it stands.
fn entries(name: &str, bytes: &Bytes) {
    let ours = time(|| {
        let doc = Doc::parse_json(bytes.clone()).ok()?;
        Transaction::read(&doc).ok().map(|read| read.order().len())
    });
    let theirs = time(|| {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let entries = value["entry"].as_array()?;
        let urls = entries.iter().filter_map(|entry| entry["fullUrl"].as_str());
        let at: std::collections::HashMap<&str, usize> = urls.zip(0..).collect();
        Some(at.len())
    });
    let rows = [Row { name: "weir", took: ours }, Row { name: "serde_json", took: theirs }];
    table(&format!("index of entries, {name}"), bytes.len(), &rows);
}

/// Checks of a Bundle and expressions over a resource, beside JavaScript and Python.
fn checks() {
    let Ok(bytes) = std::fs::read(published(BUNDLE)) else { return };
    let doc = Doc::parse_json(Bytes::from(bytes)).expect("JSON");
    let count = FhirPath::parse("entry.resource").expect("a path").select(doc.root()).len();
    let count = u32::try_from(count).unwrap_or(1);
    let structure = time(|| validate::structure(&doc).len()) / count;
    let options = validate::Options::default();
    let rules = time(|| validate::resource(&doc, &options).len()) / count;
    let asked = json!({ "bundle": published(BUNDLE), "resource": OBSERVATION, "paths": PATHS });
    let node = run(Command::new("node").arg("fhir.mjs"), &asked.to_string());
    let python = std::env::var_os("WEIR_PEERS_PYTHON").unwrap_or_else(|| "python3".into());
    let python = run(Command::new(python).arg("fhir.py").arg(published(BUNDLE)), "");
    let of = |value: &Value| value.as_f64().map(|micros| Duration::from_secs_f64(micros / 1e6));
    let mut others = vec![("@medplum/core", of(&node["check"]["@medplum/core"]))];
    others.push(("fhir.resources", of(&python)));
    line("check structure and required bindings, a resource", structure, &others);
    line("the same with invariants, a resource", rules, &others);
    let resource = Doc::parse_json(Bytes::from_static(OBSERVATION.as_bytes())).expect("JSON");
    let context = Context::default();
    let each = PATHS.map(|path| {
        let path = FhirPath::parse(path).expect("a path");
        time(|| path.evaluate(resource.root(), &context).map(|found| found.len()))
    });
    let mean = each.iter().sum::<Duration>() / 13;
    let others = ["@medplum/core", "fhirpath"].map(|name| (name, of(&node["path"][name])));
    line("13 FHIRPath expressions, the mean of one", mean, &others);
}

/// A row without rates; the others that did not run are left out.
fn line(title: &str, ours: Duration, others: &[(&str, Option<Duration>)]) {
    let ran = others.iter().filter_map(|(name, took)| Some((name, (*took)?)));
    let best = ran.clone().map(|(_, took)| took).min();
    let ratio = best.map_or(String::from("–"), |best| {
        format!("{:.1}", best.as_secs_f64() / ours.as_secs_f64())
    });
    let shown: Vec<String> = ran.map(|(name, took)| format!("{name} {}", nice(took))).collect();
    println!("| {title} | {} | {} | {ratio} |", nice(ours), shown.join(", "));
}

/// What a program says to this; null where it is not there.
fn run(command: &mut Command, input: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let started = command
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return Value::Null };
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(input.as_bytes());
    }
    let Ok(output) = child.wait_with_output() else { return Value::Null };
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}
