//! Published FHIR resources through both forms. Passes without them: they are not part of
//! the repository.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use weir::fhir::{Doc, Node, NodeKind, validate};

use super::support::{fetched, shared};

fn files(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files(&path, ending, out);
        } else if path.extension().is_some_and(|e| e == ending) {
            out.push(path);
        }
    }
    out.sort();
}

/// Where two documents differ, other than in the order of members; numbers by their digits.
fn difference(a: Node<'_>, b: Node<'_>) -> Option<String> {
    let text = |node: Node<'_>| node.text().map(|text| text.trim().to_owned());
    if a.kind() != b.kind() || text(a) != text(b) {
        return Some(a.path());
    }
    let (one, other) = (below(a), below(b));
    if one.iter().map(|(name, _)| name).ne(other.iter().map(|(name, _)| name)) {
        return Some(a.path());
    }
    one.into_iter().zip(other).find_map(|((_, a), (_, b))| difference(a, b))
}

/// Members by their names, or items in order.
fn below<'d>(node: Node<'d>) -> Vec<(&'d str, Node<'d>)> {
    let items = node.items().map(|item| ("", item));
    let mut all: Vec<_> =
        node.members().chain(items).filter(|(_, value)| !is_hollow(*value)).collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

/// Whether nothing is in it, which FHIR forbids and our writers leave out.
fn is_hollow(node: Node<'_>) -> bool {
    let container = matches!(node.kind(), NodeKind::Object | NodeKind::Array);
    container && node.members().map(|(_, n)| n).chain(node.items()).all(is_hollow)
}

fn read(file: &Path) -> Bytes {
    Bytes::from(std::fs::read(file).unwrap())
}

/// Published documents that are no FHIR and come back mended.
const MENDED: &[(&str, &str)] = &[
    ("test_resources_fhirengine_smoketest_valid_fhir.fhir.json", "an array stands twice"),
    ("patient-hs-1.json", "more stands beside an array than is in it"),
];

#[test]
fn published_resources_go_to_xml_and_back() {
    let mut all = Vec::new();
    let corpora = [shared("corpus/fhir-r4"), shared("corpus/fhir-synthea"), fetched("package")];
    corpora.into_iter().flatten().for_each(|folder| files(&folder, "json", &mut all));
    let mut wrong = Vec::new();
    for file in &all {
        let Ok(doc) = Doc::parse_json(read(file)) else { continue };
        if doc.resource_type().is_none() {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy();
        if MENDED.iter().any(|(mended, _)| *mended == name) {
            continue;
        }
        match doc.to_xml().and_then(Doc::parse_xml) {
            Ok(again) => {
                let path = difference(doc.root(), again.root());
                wrong.extend(path.map(|path| format!("{name} {path}")));
                let flaws = validate::structure(&again).into_iter();
                let flaw = flaws.filter(|f| f.code.as_str() == "W2734");
                wrong.extend(flaw.map(|flaw| format!("{name} {}", flaw.fault().line())));
                // What came from the other form is written the same again.
                let json = Doc::parse_json(again.to_json()).unwrap();
                assert_eq!(json.to_xml().unwrap(), again.to_xml().unwrap(), "{name}");
            }
            Err(fault) => wrong.push(format!("{name} {}", fault.line())),
        }
    }
    println!("{} of {} documents differ", wrong.len(), all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn published_xml_goes_to_json_and_back() {
    let mut all = Vec::new();
    let corpora = [shared("corpus/fhir-validation"), shared("corpus/fhir-r4")];
    corpora.into_iter().flatten().for_each(|folder| files(&folder, "xml", &mut all));
    let mut read_count = 0;
    for file in &all {
        let bytes = read(file);
        let Ok(doc) = Doc::parse_xml(bytes.clone()) else { continue };
        read_count += 1;
        assert_eq!(doc.to_xml().unwrap(), bytes, "{}", file.display());
        let json = Doc::parse_json(doc.to_json()).unwrap();
        let Ok(xml) = json.to_xml() else { continue };
        let again = Doc::parse_xml(xml).unwrap();
        assert_eq!(difference(doc.root(), again.root()), None, "{}", file.display());
    }
    println!("{read_count} of {} are read", all.len());
    assert!(read_count * 100 >= all.len() * 95, "{read_count} of {}", all.len());
}
