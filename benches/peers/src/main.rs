//! weir's HL7 v2 and FHIR JSON beside other crates: the same inputs, the same work, one run.
//!
//! Checks and FHIRPath run beside packages for JavaScript and Python too, where `node` finds
//! them beside `fhir.mjs` and `WEIR_PEERS_PYTHON` names an interpreter that has them.
//!
//! Prints the table that stands in `docs/performance.md`. Each figure is the fastest of up to a
//! hundred rounds of some milliseconds, so that one round at least is undisturbed on a machine
//! that does other things too; what a crate does not offer is left out. Every crate is given its
//! own best way: queries read beforehand, values as they stand where it can give them so.

#[path = "../../sample.rs"]
mod sample;

mod fhir;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hl7_parser::query::LocationQuery;
use sample::adt;
use tokio_util::codec::Decoder as _;
use weir::hl7v2::check::Checker;
use weir::hl7v2::mllp::{Decoder, Event, Framing, encode};
use weir::hl7v2::{Message, Path};

/// How long one round lasts at least.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 100;
/// How long rounds go on, once there were three.
const LONGEST: Duration = Duration::from_secs(2);

/// Time of one call: of the fastest of some rounds.
fn time<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut calls = 1_u32;
    let mut best = Duration::MAX;
    let mut rounds = 0;
    let all = Instant::now();
    while rounds < ROUNDS && (rounds < 3 || all.elapsed() < LONGEST) {
        let begin = Instant::now();
        for _ in 0..calls {
            black_box(work());
        }
        let took = begin.elapsed();
        if took < ROUND && rounds == 0 && calls < 1 << 28 {
            calls *= 2;
            continue;
        }
        best = best.min(took / calls);
        rounds += 1;
    }
    best
}

/// A panel of sixty results, about 11 KB.
fn oru() -> String {
    let mut text = adt().replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01");
    text.truncate(text.find("OBX|").unwrap_or(text.len()));
    text.push_str("OBR|1|ORD42|FIL42|24323-8^Comprehensive metabolic panel^LN|||20260102030000\r");
    for n in 1..=60 {
        text.push_str(&format!(
            "OBX|{n}|NM|2345-7^Glucose [Mass/volume] in Serum or Plasma^LN||{n}.5|mg/dL^milligrams per deciliter^UCUM|70-110|N|||F|||20260102030000|LAB^Main laboratory|1204^Tech^Terry\\T\\Co\r"
        ));
    }
    text
}

/// A document of 4 MB in one field.
fn document() -> String {
    let mut text = adt();
    text.push_str("OBX|2|ED|PDF||^application^pdf^Base64^");
    text.push_str(&"QUJDREVGR0g".repeat(4 * 1024 * 1024 / 11));
    text.push_str("||||||F\r");
    text
}

/// What an interface sees in a day, in small: mostly short messages, some results.
fn mix() -> Vec<String> {
    let (adt, oru) = (adt(), oru());
    let short = adt.split_inclusive('\r').take(3).collect::<String>();
    let mut all = Vec::new();
    for n in 0..20 {
        all.push(match n % 10 {
            0..4 => adt.clone(),
            4..6 => short.clone(),
            6..9 => oru.clone(),
            _ => oru.replace("NM|", "ST|"),
        });
    }
    all
}

/// The ten fields, as paths of weir, hl7-parser and er7, and of rust-hl7.
const FIELDS: [(&str, &str, &str); 10] = [
    ("MSH-9.1", "MSH.9.1", "MSH.F8.R1.C1"),
    ("MSH-9.2", "MSH.9.2", "MSH.F8.R1.C2"),
    ("MSH-10", "MSH.10", "MSH.F9"),
    ("PID-3.1", "PID.3.1", "PID.F3.R1.C1"),
    ("PID-5.1", "PID.5.1", "PID.F5.R1.C1"),
    ("PID-5.2", "PID.5.2", "PID.F5.R1.C2"),
    ("PID-7", "PID.7", "PID.F7"),
    ("PID-8", "PID.8", "PID.F8"),
    ("PID-11.3", "PID.11.3", "PID.F11.R1.C3"),
    ("PID-3.5", "PID.3.5", "PID.F3.R1.C5"),
];

/// The edits: family name, sex, receiving application.
const EDITS: [(&str, &str); 3] = [("PID-5.1", "Other"), ("PID-8", "M"), ("MSH-5", "X")];

struct Row {
    name: &'static str,
    took: Duration,
}

fn table(title: &str, bytes: usize, rows: &[Row]) {
    let Some((ours, others)) = rows.split_first() else { return };
    let rate = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e6;
    let shown = |row: &Row| format!("{} {} ({:.0} MB/s)", row.name, nice(row.took), rate(row.took));
    let best = others.iter().map(|row| row.took).min();
    let ratio = best.map_or(String::from("–"), |best| {
        format!("{:.1}", best.as_secs_f64() / ours.took.as_secs_f64())
    });
    let others: Vec<String> = others.iter().map(shown).collect();
    println!(
        "| {title} | {} ({:.0} MB/s) | {} | {ratio} |",
        nice(ours.took),
        rate(ours.took),
        others.join(", ")
    );
}

fn nice(took: Duration) -> String {
    match took.as_nanos() {
        n @ 0..1_000 => format!("{n} ns"),
        n @ 1_000..1_000_000 => format!("{:.2} µs", n as f64 / 1e3),
        n => format!("{:.2} ms", n as f64 / 1e6),
    }
}

fn main() {
    println!("| work | weir | others | times the best |\n| --- | --- | --- | --- |");
    let inputs = [
        ("1 KB ADT", vec![adt()]),
        ("11 KB ORU, 60 OBX", vec![oru()]),
        ("4 MB document", vec![document()]),
        ("mix of 20", mix()),
    ];
    for (name, texts) in &inputs {
        let owned: Vec<Bytes> = texts.iter().map(|t| Bytes::from(t.clone())).collect();
        let bytes = owned.iter().map(Bytes::len).sum();
        parse(name, bytes, texts, &owned);
        read(name, bytes, texts, &owned);
        edit(name, bytes, texts, &owned);
        structure(name, bytes, texts, &owned);
    }
    frames();
    fhir::tables();
}

fn parse(name: &str, bytes: usize, texts: &[String], owned: &[Bytes]) {
    let rows = [
        Row { name: "weir", took: time(|| all(owned, |b| Message::parse(b.clone()).is_ok())) },
        Row {
            name: "hl7-parser",
            took: time(|| all(texts, |t| hl7_parser::Message::parse(t).is_ok())),
        },
        Row {
            name: "rust-hl7",
            took: time(|| {
                all(texts, |t| !rusthl7::message::Message::new(t.trim_end()).segments.is_empty())
            }),
        },
        Row { name: "er7", took: time(|| all(texts, |t| er7::parse(t).is_ok())) },
        Row { name: "hl7-2", took: time(|| all(texts, |t| hl7_2::parse(t).is_ok())) },
    ];
    table(&format!("parse, {name}"), bytes, &rows);
}

fn all<I>(items: &[I], mut work: impl FnMut(&I) -> bool) -> bool {
    items.iter().fold(true, |yes, item| work(black_box(item)) & yes)
}

fn read(name: &str, bytes: usize, texts: &[String], owned: &[Bytes]) {
    let paths: Vec<Path> = FIELDS.iter().map(|f| Path::parse(f.0).expect("a path")).collect();
    let queries: Vec<LocationQuery> =
        FIELDS.iter().map(|f| LocationQuery::parse(f.1).expect("a query")).collect();
    let er7_paths: Vec<er7::Path> =
        FIELDS.iter().map(|f| er7::Path::parse(f.0).expect("a path")).collect();
    let ours = |b: &Bytes| {
        let message = Message::parse(b.clone()).expect("a message");
        paths.iter().filter_map(|p| message.read(p)).map(|v| v.text().len()).sum::<usize>()
    };
    let parser = |t: &String| {
        let message = hl7_parser::Message::parse(t).expect("a message");
        let value = |q: &LocationQuery| message.query(q.clone()).map(|v| v.raw_value().len());
        queries.iter().filter_map(value).sum::<usize>()
    };
    let rusty = |t: &String| {
        let message = rusthl7::message::Message::new(t.trim_end());
        FIELDS.iter().map(|f| message.query(f.2).len()).sum::<usize>()
    };
    let er = |t: &String| {
        let message = er7::parse(t).expect("a message");
        let value = |p: &er7::Path| message.query_path(p).first().map_or(0, String::len);
        er7_paths.iter().map(value).sum::<usize>()
    };
    let two = |t: &String| {
        let message = hl7_2::parse(t).expect("a message");
        FIELDS.iter().map(|f| message.get(f.0).ok().flatten().map_or(0, |v| v.len())).sum::<usize>()
    };
    // All of them read the same.
    for (text, bytes) in texts.iter().zip(owned) {
        let expected = ours(bytes);
        for (name, got) in [("hl7-parser", parser(text)), ("er7", er(text)), ("hl7-2", two(text))] {
            assert_eq!(got, expected, "{name}");
        }
        if rusty(text) != expected {
            eprintln!("rust-hl7 reads {} bytes where others read {expected}", rusty(text));
        }
    }
    let rows = [
        Row { name: "weir", took: time(|| all(owned, |b| ours(b) > 0)) },
        Row { name: "hl7-parser", took: time(|| all(texts, |t| parser(t) > 0)) },
        Row { name: "rust-hl7", took: time(|| all(texts, |t| rusty(t) > 0)) },
        Row { name: "er7", took: time(|| all(texts, |t| er(t) > 0)) },
        Row { name: "hl7-2", took: time(|| all(texts, |t| two(t) > 0)) },
    ];
    table(&format!("parse, read 10 fields, {name}"), bytes, &rows);
}

fn edit(name: &str, bytes: usize, texts: &[String], owned: &[Bytes]) {
    let paths: Vec<Path> = EDITS.iter().map(|e| Path::parse(e.0).expect("a path")).collect();
    let ours = |b: &Bytes| {
        let mut message = Message::parse(b.clone()).expect("a message");
        for (path, (_, value)) in paths.iter().zip(EDITS) {
            message.set(path, value).expect("a value");
        }
        message.write().len()
    };
    let two = |t: &String| {
        let mut message = hl7_2::parse(t).expect("a message");
        for (path, value) in EDITS {
            message.set(path, value).expect("a value");
        }
        message.to_er7().len()
    };
    for (text, bytes) in texts.iter().zip(owned) {
        // hl7-2 leaves out the terminator of the last segment.
        assert!(ours(bytes).abs_diff(two(text)) <= 1);
    }
    let rows = [
        Row { name: "weir", took: time(|| all(owned, |b| ours(b) > 0)) },
        Row { name: "hl7-2", took: time(|| all(texts, |t| two(t) > 0)) },
    ];
    table(&format!("parse, edit 3 fields, write, {name}"), bytes, &rows);
}

/// Validation: structure, required fields, lengths, types and codes here; what `validate`
/// of hl7-2 looks at there.
fn structure(name: &str, bytes: usize, texts: &[String], owned: &[Bytes]) {
    let ours = |b: &Bytes| {
        let message = Message::parse(b.clone()).expect("a message");
        Checker::standard().check(&message).list.len()
    };
    let two = |t: &String| hl7_2::parse(t).expect("a message").validate().len();
    let rows = [
        Row { name: "weir", took: time(|| all(owned, |b| ours(b) < usize::MAX)) },
        Row { name: "hl7-2", took: time(|| all(texts, |t| two(t) < usize::MAX)) },
    ];
    table(&format!("parse, validate, {name}"), bytes, &rows);
}

/// Frames out of reads of 8 KiB.
fn frames() {
    const READ: usize = 8 << 10;
    for (name, content, count) in [
        ("1 KB ADT × 4,000", adt(), 4_000),
        ("11 KB ORU × 400", oru(), 400),
        ("4 MB document", document(), 1),
        ("16 MB of documents", document(), 4),
    ] {
        let mut wire = BytesMut::new();
        for _ in 0..count {
            encode(content.as_bytes(), &mut wire);
        }
        let wire = wire.freeze();
        let ours = || {
            let mut decoder = Decoder::new(Framing::Lenient, 64 << 20);
            let mut frames = 0;
            let mut buffer = BytesMut::with_capacity(READ);
            for read in wire.chunks(READ) {
                // As from a socket: the read lands in a buffer that is handed over.
                buffer.reserve(READ);
                buffer.extend_from_slice(read);
                decoder.push(buffer.split());
                while let Ok(Some(event)) = decoder.next() {
                    frames += usize::from(matches!(event, Event::Frame(_)));
                }
            }
            frames
        };
        assert_eq!(ours(), count);
        let mut rows = vec![Row { name: "weir", took: time(ours) }];
        // The codec knows one message at a time: it is given the frames one by one.
        let frame = wire.slice(..wire.len() / count);
        let codec = || {
            let mut frames = 0;
            for _ in 0..count {
                let mut codec = hl7_mllp_codec::MllpCodec::new();
                let mut buffer = BytesMut::with_capacity(READ);
                for read in frame.chunks(READ) {
                    buffer.reserve(READ);
                    buffer.extend_from_slice(read);
                    frames += usize::from(matches!(codec.decode(&mut buffer), Ok(Some(_))));
                }
            }
            frames
        };
        assert_eq!(codec(), count);
        rows.push(Row { name: "hl7-mllp-codec", took: time(codec) });
        table(&format!("de-frame, {name}"), wire.len(), &rows);
    }
}
