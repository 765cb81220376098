//! Published FHIR R4 resources through reader, writer and structure check. Passes without
//! them: they are not part of the repository.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use weir::fhir::{Builder, Doc, validate};

use super::support::{fetched, shared};

/// Published instances that R4 itself refuses.
const KNOWN: &[&str] = &[
    // References to types that the element does not allow.
    "DeviceMetric-example.json",
    "DeviceUseStatement-example.json",
    "MedicationRequest-medrx0301.json",
    "Observation-clinical-gender.json",
    // Items without `linkId`.
    "Questionnaire-qs1.json",
];

fn json_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            json_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "json") {
            out.push(path);
        }
    }
}

/// Takes out empty objects and arrays, as the builder does.
fn prune(value: &mut serde_json::Value) {
    let empty = |value: &serde_json::Value| {
        value.as_object().is_some_and(|o| o.is_empty())
            || value.as_array().is_some_and(Vec::is_empty)
    };
    if let Some(members) = value.as_object_mut() {
        members.values_mut().for_each(prune);
        members.retain(|_, value| !empty(value));
    } else if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(prune);
        items.retain(|value| !empty(value));
    }
}

#[test]
fn what_is_read_is_written_byte_for_byte() {
    let mut files = Vec::new();
    let corpora = ["fhir-r4", "fhir-synthea", "fhir-validation", "fhirpath-r4"];
    let corpora = corpora.map(|name| shared(&format!("corpus/{name}")));
    for folder in corpora.into_iter().chain([fetched("package")]).flatten() {
        json_files(&folder, &mut files);
    }
    for file in files {
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let Ok(doc) = Doc::parse_json(bytes.clone()) else {
            let serde = serde_json::from_slice::<serde_json::Value>(&bytes);
            assert!(serde.is_err(), "refused: {}", file.display());
            continue;
        };
        assert_eq!(doc.to_json(), bytes, "{}", file.display());
        let _ = validate::structure(&doc);
        let mut copy = Builder::new();
        copy.node(doc.root());
        let copy = copy.finish().to_json();
        let mark = "\u{feff}".as_bytes();
        let plain = |bytes: &[u8]| bytes.strip_prefix(mark).unwrap_or(bytes).to_vec();
        let read = |bytes: &[u8]| serde_json::from_slice(&plain(bytes)).unwrap();
        let (mut a, b): (serde_json::Value, serde_json::Value) = (read(&bytes), read(&copy));
        prune(&mut a);
        assert!(a == b, "{}", file.display());
    }
}

#[test]
fn published_examples_are_accepted() {
    let Some(root) = shared("corpus/fhir-r4/hl7-fhir-r4-examples") else { return };
    let mut files = Vec::new();
    json_files(&root, &mut files);
    files.sort();
    let mut refused = Vec::new();
    for file in &files {
        let doc = Doc::parse_json(Bytes::from(std::fs::read(file).unwrap())).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let known = KNOWN.contains(&name.as_str());
        for finding in validate::structure(&doc).iter().filter(|_| !known) {
            refused.push(format!("{name}: {}", finding.fault()));
        }
    }
    assert!(refused.is_empty(), "{} of {}\n{}", refused.len(), files.len(), refused.join("\n"));
}

#[test]
fn cases_of_the_validator_suite_raise_no_false_alarm() {
    let Some(root) = shared("corpus/fhir-validation") else { return };
    let manifest = std::fs::read_to_string(root.join("manifest.jsonl")).unwrap();
    let (mut cases, mut agreed, mut alarms) = (0, 0, Vec::new());
    for line in manifest.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (name, file) = (case["name"].as_str().unwrap(), case["file"].as_str().unwrap());
        let Some(valid) = case["base"]["valid"].as_bool().filter(|_| case["format"] == "json")
        else {
            continue;
        };
        let Ok(bytes) = std::fs::read(root.join("files").join(file)) else { continue };
        let findings = match Doc::parse_json(Bytes::from(bytes)) {
            Ok(doc) => validate::structure(&doc).iter().map(|f| f.fault().line()).collect(),
            Err(fault) => vec![fault.line()],
        };
        cases += 1;
        agreed += usize::from(valid == findings.is_empty());
        if valid && !findings.is_empty() {
            alarms.push(format!("{name}: {}", findings.join("; ")));
        }
    }
    println!("{agreed} of {cases} agree");
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}
