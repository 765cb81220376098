//! The published tests of patches: every case, and an expected error must be an error.
//! Passes without them: they are not part of the repository.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use quick_xml::Reader;
use quick_xml::events::Event;
use weir::fhir::patch::{Patch, apply, apply_to_xml};
use weir::fhir::{Doc, Node, NodeKind};

/// A file of the tests, where they are.
fn file(name: &str) -> Option<Vec<u8>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(beside, PathBuf::from);
    std::fs::read(shared.join("corpus/fhir-patch").join(name)).ok()
}

/// The text between a tag and its end.
fn part<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

/// Cases by name, without those that stand in comments.
fn cases(text: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    for after in text.split("<case name=\"").skip(1) {
        let before = &text[..after.as_ptr() as usize - text.as_ptr() as usize];
        let open = before.rfind("<!--").map_or(0, |at| at + 1);
        let close = before.rfind("-->").map_or(0, |at| at + 1);
        let (name, rest) = after.split_once('"').unwrap();
        if open <= close {
            out.push((name, rest.split("</case>").next().unwrap()));
        }
    }
    out
}

/// What XML says: tags, attributes by name, texts without the space around them.
fn said(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    let mut out: Vec<String> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => out.push(tag(&start)),
            Event::Empty(start) => out.extend([tag(&start), "/".to_owned()]),
            Event::End(_) => out.push("/".to_owned()),
            Event::Text(raw) => out.extend(Some(raw.trim().to_owned()).filter(|t| !t.is_empty())),
            Event::Comment(raw) => out.push(format!("comment {}", raw.trim())),
            Event::Eof => return out,
            other => panic!("{other:?}"),
        }
    }
}

fn tag(start: &quick_xml::events::BytesStart<'_>) -> String {
    let attributes = start.attributes().map(Result::unwrap);
    let mut all: Vec<String> = attributes.map(|a| format!("{}={}", a.key.0, &*a.value)).collect();
    all.sort();
    format!("{} {}", start.name().0, all.join(" "))
}

/// What a document says: members by name, texts without white space.
fn content(node: Node<'_>) -> String {
    match node.kind() {
        NodeKind::Object => {
            let member = |(name, value): (&str, Node<'_>)| format!("{name}:{}", content(value));
            let mut all: Vec<String> = node.members().map(member).collect();
            all.sort();
            format!("{{{}}}", all.join(","))
        }
        NodeKind::Array => {
            let all: Vec<String> = node.items().map(content).collect();
            format!("[{}]", all.join(","))
        }
        _ => {
            let text = node.text().unwrap_or_default().replace("&quot;", "\"");
            text.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace("> ", ">")
                .replace(" <", "<")
        }
    }
}

#[test]
fn published_path_patches() {
    let Some(bytes) = file("fhir-patch-tests.xml") else { return };
    let text = String::from_utf8(bytes).unwrap();
    let cases = cases(&text);
    assert!(cases.len() >= 30, "{}", cases.len());
    for (name, case) in cases {
        let read = |part: &str| Doc::parse_xml(Bytes::from(part.to_owned())).unwrap();
        let input = read(part(case, "input").unwrap());
        let patch = Patch::parameters(read(part(case, "diff").unwrap())).unwrap();
        let patched = apply(&input, &patch);
        match part(case, "output") {
            Some(output) => {
                assert_eq!(
                    content(patched.unwrap().root()),
                    content(read(output).root()),
                    "{name}"
                );
            }
            None => assert!(case.contains("<error") && patched.is_err(), "{name}"),
        }
    }
}

#[test]
fn published_json_patches() {
    let Some(bytes) = file("json-patch-tests.json") else { return };
    let cases: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for case in cases.as_array().unwrap() {
        let bytes = |name: &str| Bytes::from(case[name].to_string());
        let doc = Doc::parse_json(bytes("doc")).unwrap();
        let patched = Patch::json(bytes("patch")).and_then(|patch| apply(&doc, &patch));
        match case.get("expected") {
            Some(expected) => {
                let patched: serde_json::Value =
                    serde_json::from_slice(&patched.unwrap().to_json()).unwrap();
                assert_eq!(patched, *expected, "{}", case["comment"]);
            }
            None => assert!(case.get("error").is_some() && patched.is_err(), "{}", case["comment"]),
        }
    }
}

#[test]
fn published_xml_patches() {
    let Some(bytes) = file("xml-patch-tests.xml") else { return };
    let text = String::from_utf8(bytes).unwrap();
    let cases = cases(&text);
    assert!(cases.len() >= 20, "{}", cases.len());
    for (name, case) in cases {
        let patch = case.find("<patch xmlns").map(|at| &case[at..]).unwrap();
        let patch = &patch[..patch.find("</patch>").unwrap() + "</patch>".len()];
        let target = part(case, "target").unwrap();
        let patched = apply_to_xml(target.as_bytes(), patch.as_bytes());
        match part(case, "patched") {
            Some(expected) => assert_eq!(said(&patched.unwrap()), said(expected), "{name}"),
            None => assert!(case.contains("<error") && patched.is_err(), "{name} {patched:?}"),
        }
    }
}
