//! FHIR: reading, writing, checking and asking of documents, each beside `serde_json`.

use std::path::Path;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use weir::fhir::{Builder, Doc, FhirPath, validate};

/// A transaction of 200 resources, and published Bundles where they are at hand.
const SAMPLES: [&str; 3] = ["own", "bundle-188kB.json", "bundle-1.0MB.json"];

fn own() -> Bytes {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "transaction");
    out.name("entry").start_array();
    for n in 0..200 {
        out.start_object().member("fullUrl", &format!("urn:uuid:{n}")).name("resource");
        out.start_object().member("resourceType", "Observation").member("status", "final");
        out.name("code").start_object().name("coding").start_array().start_object();
        out.member("system", "http://loinc.org").member("code", "2345-7");
        out.member("display", "Glucose [Mass/volume] in Serum or Plasma");
        out.end_object().end_array().end_object();
        out.name("subject").start_object().member("reference", "Patient/555").end_object();
        out.member("effectiveDateTime", "2026-01-02T03:04:05+01:00");
        out.name("valueQuantity").start_object().name("value").number("98.10");
        out.member("unit", "mg/dL").end_object().end_object();
        out.name("request").start_object().member("method", "POST").member("url", "Observation");
        out.end_object().end_object();
    }
    out.end_array().end_object();
    out.finish().to_json()
}

/// Bytes of a sample; none when it is not at hand.
fn sample(name: &str) -> Option<Bytes> {
    if name == "own" {
        return Some(own());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("WEIR_SHARED").map_or(root, Into::into);
    std::fs::read(root.join("corpus/fhir-synthea").join(name)).ok().map(Bytes::from)
}

fn doc(name: &str) -> Option<(Doc, BytesCount)> {
    let bytes = sample(name)?;
    let count = BytesCount::new(bytes.len());
    Some((Doc::parse_json(bytes).unwrap(), count))
}

#[divan::bench(args = SAMPLES)]
fn parse(bencher: Bencher, name: &str) {
    let Some(bytes) = sample(name) else { return };
    let count = BytesCount::new(bytes.len());
    bencher.counter(count).bench(|| Doc::parse_json(black_box(&bytes).clone()).unwrap());
}

#[divan::bench(args = SAMPLES)]
fn parse_by_serde_json(bencher: Bencher, name: &str) {
    let Some(bytes) = sample(name) else { return };
    let parse = || serde_json::from_slice::<serde_json::Value>(black_box(&bytes)).unwrap();
    bencher.counter(BytesCount::new(bytes.len())).bench(parse);
}

#[divan::bench(args = SAMPLES)]
fn write_unchanged(bencher: Bencher, name: &str) {
    let Some((doc, count)) = doc(name) else { return };
    bencher.counter(count).bench(|| black_box(&doc).to_json());
}

#[divan::bench(args = SAMPLES)]
fn write_with_3_edits(bencher: Bencher, name: &str) {
    let Some((mut doc, count)) = doc(name) else { return };
    for at in [1, 10, 19] {
        let path = FhirPath::parse(&format!("entry[{at}].fullUrl")).unwrap();
        let found: Vec<_> = path.select(doc.root()).iter().map(|node| node.id()).collect();
        for id in found {
            doc.set_string(id, "urn:uuid:other").unwrap();
        }
    }
    bencher.counter(count).bench(|| black_box(&doc).to_json());
}

#[divan::bench(args = SAMPLES)]
fn check_structure(bencher: Bencher, name: &str) {
    let Some((doc, count)) = doc(name) else { return };
    bencher.counter(count).bench(|| validate::structure(black_box(&doc)).len());
}

#[divan::bench(args = SAMPLES)]
fn check_with_rules(bencher: Bencher, name: &str) {
    let Some((doc, count)) = doc(name) else { return };
    let options = validate::Options::default();
    bencher.counter(count).bench(|| validate::resource(black_box(&doc), &options).len());
}

#[divan::bench(args = [
    "Bundle.entry[0].resource.status",
    "Observation.code.coding.where(system = 'http://loinc.org').code",
    "Observation.value.ofType(Quantity).value",
    "Observation.subject.resolve()",
])]
fn select(bencher: Bencher, path: &str) {
    let Some((doc, _)) = doc("own") else { return };
    let path = FhirPath::parse(path).unwrap();
    bencher.bench(|| path.select(black_box(&doc).root()).len());
}

#[divan::bench]
fn build(bencher: Bencher) {
    bencher.counter(BytesCount::new(own().len())).bench(own);
}
