//! FHIR: reading, writing, checking, asking, patching of documents, beside `serde_json` and
//! `quick-xml` where they do the same.

use std::path::Path;

use super::sample::{OBSERVATION, PATHS};
use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use weir::fhir::patch::{self, Patch};
use weir::fhir::transaction::{Identity, Transaction};
use weir::fhir::{Builder, Doc, FhirPath, model, rest, validate};

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

/// Over one resource, as a mapping or an invariant asks.
#[divan::bench(args = PATHS)]
fn select_in_a_resource(bencher: Bencher, path: &str) {
    let resource = Doc::parse_json(Bytes::from_static(OBSERVATION.as_bytes())).unwrap();
    let path = FhirPath::parse(path).unwrap();
    let context = weir::fhir::Context::default();
    bencher.bench(|| path.evaluate(black_box(&resource).root(), &context).map(|all| all.len()));
}

/// Expressions over all of a Bundle.
const BUNDLE_PATHS: [&str; 4] = [
    "Bundle.entry[0].resource.status",
    "Bundle.entry.count()",
    "Bundle.entry.resource.ofType(Observation).count() > 100",
    "Bundle.entry.resource.where(subject.resolve().exists())",
];

/// Over a Bundle of 200.
#[divan::bench(args = BUNDLE_PATHS)]
fn select(bencher: Bencher, path: &str) {
    let Some((doc, _)) = doc("own") else { return };
    let path = FhirPath::parse(path).unwrap();
    let context = weir::fhir::Context::default();
    bencher.bench(|| path.evaluate(black_box(&doc).root(), &context).map(|all| all.len()));
}

#[divan::bench(args = SAMPLES)]
fn write_by_serde_json(bencher: Bencher, name: &str) {
    let Some(bytes) = sample(name) else { return };
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let write = || serde_json::to_vec(black_box(&value)).unwrap();
    bencher.counter(BytesCount::new(bytes.len())).bench(write);
}

/// Bytes of a sample as XML; none when it is not at hand.
fn xml(name: &str) -> Option<Bytes> {
    Some(Bytes::from(doc(name)?.0.to_xml().unwrap().to_vec()))
}

#[divan::bench(args = SAMPLES)]
fn xml_parse(bencher: Bencher, name: &str) {
    let Some(bytes) = xml(name) else { return };
    let count = BytesCount::new(bytes.len());
    bencher.counter(count).bench(|| Doc::parse_xml(black_box(&bytes).clone()).unwrap());
}

/// The events of the reader below ours, nothing made of them: the least that XML costs.
#[divan::bench(args = SAMPLES)]
fn xml_events_by_quick_xml(bencher: Bencher, name: &str) {
    let Some(bytes) = xml(name) else { return };
    let text = std::str::from_utf8(&bytes).unwrap();
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut reader = quick_xml::Reader::from_str(black_box(text));
        let mut events = 0_usize;
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {
            events += 1;
        }
        events
    });
}

#[divan::bench(args = SAMPLES)]
fn xml_write(bencher: Bencher, name: &str) {
    let Some((doc, _)) = doc(name) else { return };
    let count = BytesCount::new(doc.to_xml().unwrap().len());
    bencher.counter(count).bench(|| black_box(&doc).to_xml().unwrap());
}

/// A resource as a struct, and back.
#[divan::bench]
fn through_a_struct(bencher: Bencher) {
    let whole = doc("own").unwrap().0;
    let first = FhirPath::parse("entry[0].resource").unwrap().select(whole.root());
    bencher.bench(|| {
        let found: model::r4::Observation = model::read(black_box(first[0])).unwrap();
        model::write(&found)
    });
}

/// One operation of each form of patch.
#[divan::bench(args = ["json", "path", "xml"])]
fn patch_a_resource(bencher: Bencher, kind: &str) {
    let resource = Bytes::from_static(
        br#"{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"a","given":["b"]}]}"#,
    );
    let resource = Doc::parse_json(resource).unwrap();
    let patch = match kind {
        "json" => Patch::json(Bytes::from_static(
            br#"[{"op":"replace","path":"/name/0/family","value":"c"}]"#,
        )),
        "path" => Patch::parameters(
            Doc::parse_json(Bytes::from_static(
                br#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[
                {"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.name[0].family"},
                {"name":"value","valueString":"c"}]}]}"#,
            ))
            .unwrap(),
        ),
        _ => Patch::xml(
            br#"<diff xmlns:f="http://hl7.org/fhir"><replace
            sel="f:Patient/f:name[1]/f:family/@value">c</replace></diff>"#,
        ),
    };
    let patch = patch.unwrap();
    bencher.bench(|| patch::apply(black_box(&resource), &patch).unwrap());
}

/// Entries that refer to each other: read, sorted and written with the links of the server.
#[divan::bench(args = [1_000, 10_000])]
fn transaction(bencher: Bencher, entries: usize) {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "transaction");
    out.name("entry").start_array();
    for at in 0..entries {
        out.start_object().member("fullUrl", &format!("urn:uuid:{at}")).name("resource");
        out.start_object().member("resourceType", "Basic").name("subject").start_object();
        out.member("reference", &format!("urn:uuid:{}", (at + 1) % entries)).end_object();
        out.end_object().name("request").start_object();
        out.member("method", "POST").member("url", "Basic").end_object().end_object();
    }
    out.end_array().end_object();
    let bundle = out.finish();
    let count = ItemsCount::new(entries);
    bencher.counter(count).bench(|| {
        let Ok(read) = Transaction::read(black_box(&bundle)) else { return 0 };
        let links = read.links(|entry| {
            let id = rest::Id::parse(&format!("b{}", entry.index))?;
            Some(Identity { kind: "Basic", id, version: None })
        });
        read.order().iter().filter_map(|entry| links.rewrite(entry).ok().flatten()).count()
    });
}

#[divan::bench]
fn build(bencher: Bencher) {
    bencher.counter(BytesCount::new(own().len())).bench(own);
}
