//! Shipped mappings over every message of the fixtures and, where it is there, of the
//! shared corpus: no panic, and each bundle is valid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weir::fault::{DrawStyle, Problems, Severity, draw};
use weir::fhir::validate;
use weir::hl7v2::{self, Message};
use weir::mapping::{Library, Mapping};
use weir::message::Content;
use weir::settings::SourceFile;

struct Tree(PathBuf);

impl Library for Tree {
    fn file(&self, path: &str) -> Option<SourceFile> {
        let text = std::fs::read_to_string(self.0.join(path)).ok()?;
        Some(SourceFile::new(path, text))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn load(name: &str) -> Mapping {
    let tree = Tree(root());
    let source = tree.file(name).unwrap();
    let mut problems = Problems::new();
    let mapping = Mapping::load(source.clone(), &tree, &mut problems);
    let shown: Vec<_> = problems
        .iter()
        .filter(|p| p.severity > Severity::Note)
        .map(|p| draw(p, Some(&source.text), DrawStyle::Plain))
        .collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    mapping.unwrap()
}

/// Messages of a file: one, or those of a batch.
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text: Vec<u8> = bytes
        .iter()
        .filter(|b| !matches!(b, 0x0b | 0x1c))
        .map(|b| if *b == b'\n' { b'\r' } else { *b })
        .collect();
    let mut all: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|b| *b == b'\r') {
        if line.starts_with(b"MSH") {
            all.push(Vec::new());
        }
        if let Some(last) = all.last_mut()
            && line.len() > 3
        {
            last.extend_from_slice(line);
            last.push(b'\r');
        }
    }
    all
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// Runs both mappings over a directory; gives how many messages were mapped.
fn check(dir: &Path) -> usize {
    let adt = load("mappings/adt-to-fhir.toml");
    let oru = load("mappings/oru-to-fhir.toml");
    let mut paths = Vec::new();
    files(dir, &mut paths);
    paths.sort();
    let mut findings: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut mapped = 0;
    for path in paths {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for bytes in messages(&bytes) {
            let Ok(message) = Message::parse(bytes.into()) else { continue };
            let mapping = match &*message.header().message_code() {
                "ADT" => &adt,
                "ORU" => &oru,
                _ => continue,
            };
            let content = Content::Hl7(message);
            let run = mapping.run(&content, "test").unwrap_or_else(|f| panic!("{path:?}: {f}"));
            let again = mapping.run(&content, "test").unwrap();
            let (Content::Fhir(doc), Content::Fhir(twin)) = (&run.content, &again.content) else {
                panic!("not FHIR")
            };
            assert_eq!(doc.to_json(), twin.to_json(), "{path:?}: not the same twice");
            for finding in validate::structure(doc) {
                let what = format!("{} {}", finding.code, finding.what);
                let entry = findings
                    .entry(what)
                    .or_insert_with(|| (0, format!("{} in {}", finding.path, path.display())));
                entry.0 += 1;
            }
            mapped += 1;
        }
    }
    let shown: Vec<_> =
        findings.iter().map(|(what, (n, at))| format!("{n} x {what}: {at}")).collect();
    assert!(shown.is_empty(), "{mapped} messages\n{}", shown.join("\n"));
    mapped
}

#[test]
fn fixtures_map_to_valid_bundles() {
    assert!(check(&root().join("fixtures")) > 20);
}

#[test]
fn the_corpus_maps_to_valid_bundles() {
    let shared =
        std::env::var_os("WEIR_SHARED").map_or_else(|| root().join("../shared"), Into::into);
    let corpus = shared.join("corpus/hl7v2");
    if corpus.is_dir() {
        assert!(check(&corpus) > 500);
    }
}

#[test]
fn every_part_of_a_message_is_used_or_listed() {
    let oru = load("mappings/oru-to-fhir.toml");
    let path = root().join("fixtures/oru-r01-cmp.hl7");
    for bytes in messages(&std::fs::read(path).unwrap()) {
        let content = Content::Hl7(Message::parse(bytes.into()).unwrap());
        let (mapped, lineage) = oru.explain(&content, "test").unwrap();
        assert_eq!(mapped.unused, lineage.unused.len());
        assert!(lineage.rows.len() > 50 && mapped.values == lineage.rows.len());
    }
    assert!(hl7v2::tables::versions().count() > 10);
}
