//! Speed of the pure core: the scan of HL7 v2 messages, reading and writing them.
//!
//! Allocations are counted too: reading fields makes none.
#![allow(missing_docs, clippy::unwrap_used)]

mod fhir;
mod mapping;
mod privacy;
mod sample;

use bytes::{Bytes, BytesMut};
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use weir::hl7v2::mllp::{Decoder, Event, Framing};
use weir::hl7v2::{Message, Path};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn adt() -> Bytes {
    Bytes::from(sample::adt())
}

/// An ORU^R01 with 200 results.
fn oru() -> Bytes {
    let mut text =
        String::from_utf8(adt().to_vec()).unwrap().replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01");
    text.truncate(text.find("OBX|").unwrap());
    text.push_str("OBR|1|ORD42|FIL42|24323-8^Comprehensive metabolic panel^LN|||20260102030000\r");
    for n in 1..=200 {
        text.push_str(&format!(
            "OBX|{n}|NM|2345-7^Glucose [Mass/volume] in Serum or Plasma^LN||{n}|mg/dL^mg/dL^UCUM|70-110|N|||F|||20260102030000\r"
        ));
    }
    Bytes::from(text)
}

/// A message with one field of 4 MB.
fn document() -> Bytes {
    let mut text = String::from_utf8(adt().to_vec()).unwrap();
    text.push_str("OBX|2|ED|PDF||^application^pdf^Base64^");
    text.push_str(&"QUJDREVGR0g".repeat(4 * 1024 * 1024 / 11));
    text.push_str("||||||F\r");
    Bytes::from(text)
}

fn sample(name: &str) -> Bytes {
    match name {
        "adt" => adt(),
        "oru" => oru(),
        _ => document(),
    }
}

const SAMPLES: [&str; 3] = ["adt", "oru", "document"];

/// An ORU^R01 with 60 results, about 11 KB; its groups as the structure has them.
fn results() -> Bytes {
    let mut text = String::from_utf8(oru().to_vec()).unwrap();
    for segment in ["EVN|", "PD1|", "NK1|", "AL1|", "DG1|"] {
        let from = text.find(segment).unwrap_or(text.len());
        let to = text[from..].find('\r').map_or(text.len(), |end| from + end + 1);
        text.replace_range(from..to, "");
    }
    text.truncate(text.find("OBX|61|").unwrap());
    Bytes::from(text)
}

/// The baseline: `memchr` alone over segment terminators.
#[divan::bench(args = SAMPLES)]
fn baseline_memchr(bencher: Bencher, name: &str) {
    let bytes = sample(name);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| memchr::memchr_iter(b'\r', black_box(&bytes)).count());
}

#[divan::bench(args = SAMPLES)]
fn index(bencher: Bencher, name: &str) {
    let bytes = sample(name);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| Message::parse(black_box(&bytes).clone()).unwrap());
}

const FIELDS: [&str; 10] = [
    "MSH-9.1", "MSH-9.2", "MSH-10", "PID-3.1", "PID-5.1", "PID-5.2", "PID-7", "PID-8", "PV1-19.1",
    "DG1-3.1",
];

fn paths() -> Vec<Path> {
    FIELDS.iter().map(|path| Path::parse(path).unwrap()).collect()
}

#[divan::bench]
fn index_and_read_10_fields(bencher: Bencher) {
    let (bytes, paths) = (adt(), paths());
    bencher.bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        paths.iter().map(|path| message.read(path).map_or(0, |v| v.text().len())).sum::<usize>()
    });
}

#[divan::bench]
fn read_10_fields(bencher: Bencher) {
    let (message, paths) = (Message::parse(adt()).unwrap(), paths());
    bencher.bench(|| {
        let message = black_box(&message);
        paths.iter().map(|path| message.read(path).map_or(0, |v| v.text().len())).sum::<usize>()
    });
}

#[divan::bench(args = SAMPLES)]
fn write_unchanged(bencher: Bencher, name: &str) {
    let bytes = sample(name);
    let message = Message::parse(bytes.clone()).unwrap();
    bencher.counter(BytesCount::new(bytes.len())).bench(|| black_box(&message).write());
}

#[divan::bench(args = SAMPLES)]
fn write_with_3_edits(bencher: Bencher, name: &str) {
    let bytes = sample(name);
    let mut message = Message::parse(bytes.clone()).unwrap();
    for (path, text) in [("PID-5.1", "Other"), ("PV1-19", "V1"), ("MSH-5", "X")] {
        message.set(&Path::parse(path).unwrap(), text).unwrap();
    }
    bencher.counter(BytesCount::new(bytes.len())).bench(|| black_box(&message).write());
}

#[divan::bench(args = ["adt", "oru"])]
fn structure_tree(bencher: Bencher, name: &str) {
    let bytes = sample(name);
    bencher.bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        message.tree().deviation_count()
    });
}

/// Every level of the standard: structure, types, lengths and codes.
#[divan::bench(args = ["adt", "results"])]
fn validate(bencher: Bencher, name: &str) {
    let text = String::from_utf8(if name == "adt" { adt() } else { results() }.to_vec()).unwrap();
    // Without a finding: PID-30 says that nobody died, and codes are those of the version.
    let text = text.replace("|||||||||||N\r", "||||||||||||N\r").replace("|INP|", "|IP|");
    let bytes = Bytes::from(text.replace("^^10042", "^^1042"));
    let checker = weir::hl7v2::check::Checker::standard();
    let message = Message::parse(bytes.clone()).unwrap();
    assert!(checker.check(&message).is_empty(), "{:#?}", checker.check(&message));
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        checker.check(&message).list.len()
    });
}

#[divan::bench(args = ["adt", "document"])]
fn frame(bencher: Bencher, name: &str) {
    let content = sample(name);
    let mut wire = BytesMut::new();
    weir::hl7v2::mllp::encode(&content, &mut wire);
    bencher.counter(BytesCount::new(wire.len())).bench(|| {
        let mut decoder = Decoder::new(Framing::Lenient, 16 << 20);
        let mut frames = 0;
        for read in wire.chunks(64 << 10) {
            decoder.push(BytesMut::from(read));
            while let Ok(Some(event)) = decoder.next() {
                frames += usize::from(matches!(event, Event::Frame(_)));
            }
        }
        frames
    });
}
