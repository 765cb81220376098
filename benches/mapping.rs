//! Mapping: the shipped mappings from message to bundle, and all stages around them.

use std::path::Path;

use bytes::Bytes;
use divan::{Bencher, black_box};
use weir::fault::Problems;
use weir::hl7v2::Message;
use weir::mapping::{Library, Mapping};
use weir::message::Content;
use weir::settings::SourceFile;

/// The working tree of this repository, which is what `weir init` writes.
struct Tree;

impl Library for Tree {
    fn file(&self, path: &str) -> Option<SourceFile> {
        Some(SourceFile::new(path, text(path)?))
    }
}

fn text(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

fn mapping(name: &str) -> Mapping {
    let path = format!("mappings/{name}.toml");
    let mut problems = Problems::new();
    let file = SourceFile::new(path.as_str(), text(&path).unwrap());
    Mapping::load(file, &Tree, &mut problems).unwrap()
}

fn fixture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    Bytes::from(std::fs::read(path).unwrap())
}

/// An admission with every segment the mapping reads, and a panel of twenty results.
const CASES: [(&str, &str); 2] =
    [("adt-to-fhir", "adt-a01-admit.hl7"), ("oru-to-fhir", "oru-r01-twenty-obx.hl7")];

#[divan::bench(args = [0, 1])]
fn bundle(bencher: Bencher, case: usize) {
    let (name, file) = CASES[case];
    let mapping = mapping(name);
    let bytes = fixture(file);
    bencher.bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        mapping.run(&Content::Hl7(message), "bench").unwrap().content.to_body().bytes
    });
}

#[divan::bench(args = [0, 1])]
fn bundle_with_lineage(bencher: Bencher, case: usize) {
    let (name, file) = CASES[case];
    let mapping = mapping(name);
    let bytes = fixture(file);
    bencher.bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        mapping.explain(&Content::Hl7(message), "bench").unwrap().1.rows.len()
    });
}
