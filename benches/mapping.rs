//! Mapping: the shipped mappings from message to bundle, and all stages around them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use divan::{Bencher, black_box};
use weir::base::{ChannelName, DestinationName, MessageId, Timestamp};
use weir::channel::{
    Accept, AckMode, Arrival, ChannelRules, ConsentRules, DestinationRules, Encoding, OnDeny,
    OnReject, OnUnknown, RetryPlan, Surroundings, process,
};
use weir::consent::{ConsentBook, Directive, Policy};
use weir::fault::{Fault, Problems};
use weir::hl7v2::Message;
use weir::mapping::{Library, Mapping, ValuePath};
use weir::message::{Content, ContentKind, PatientKey, Peer, Revision};
use weir::settings::{Document, SourceFile};

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

/// From bytes to the bytes of the bundle, as the pipeline does it.
#[divan::bench(args = [0, 1])]
fn bundle(bencher: Bencher, case: usize) {
    let (name, file) = CASES[case];
    let mapping = mapping(name);
    let bytes = fixture(file);
    bencher.bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        mapping.write(&Content::Hl7(message), "bench").unwrap().content.bytes
    });
}

/// To a document that can be looked into, as sealing needs it.
#[divan::bench(args = [0, 1])]
fn document(bencher: Bencher, case: usize) {
    let (name, file) = CASES[case];
    let mapping = mapping(name);
    let bytes = fixture(file);
    bencher.bench(|| {
        let message = Message::parse(black_box(&bytes).clone()).unwrap();
        mapping.run(&Content::Hl7(message), "bench").unwrap().content
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

/// A book without consents: the policy decides.
struct NoConsents;

impl ConsentBook for NoConsents {
    fn directives(&self, _patient: &PatientKey) -> Result<Arc<[Directive]>, Fault> {
        Ok(Arc::from([]))
    }
}

fn rules(mapping: Option<Mapping>) -> ChannelRules {
    let policy = {
        let path = "policies/hie-default.toml";
        let mut problems = Problems::new();
        let file = SourceFile::new(path, text(path).unwrap());
        let document = Document::parse(file, &mut problems);
        Policy::read(&document, &mut problems).unwrap()
    };
    ChannelRules {
        name: ChannelName::parse("bench").unwrap(),
        revision: Revision("r1".into()),
        site: "bench".into(),
        input: ContentKind::Hl7,
        accept: Accept::default(),
        charset: None,
        encoding: Encoding::Er7,
        filter: None,
        validate: None,
        tolerance: weir::hl7v2::Tolerances::USUAL,
        consent: ConsentRules {
            policy: Some(Arc::new(policy)),
            patient: Some(ValuePath::parse("PID-3.1").unwrap()),
            on_deny: OnDeny::Record,
            on_unknown: OnUnknown::Deny,
        },
        destinations: vec![DestinationRules {
            name: DestinationName::parse("hie").unwrap(),
            recipient: "Organization/hie".into(),
            purpose: "TREAT".into(),
            when: None,
            mapping: mapping.map(Arc::new),
            seal: Arc::from([]),
            retry: RetryPlan::default(),
            on_reject: OnReject::DeadLetter,
            recode: None,
        }],
        order_by: Some(ValuePath::parse("PID-3.1").unwrap()),
        index: Vec::new(),
        ack_mode: AckMode::Auto,
        responses: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no engine's clock")]
fn stages(bencher: Bencher, rules: &ChannelRules, file: &str) {
    let bytes = fixture(file);
    let begin = Instant::now();
    let peer = Peer { address: "192.0.2.1:1".into(), subject: None };
    bencher.bench_local(|| {
        let mut around = Surroundings {
            now: Timestamp::from_millis(2),
            entropy: &mut |buffer: &mut [u8]| buffer.fill(1),
            consents: &NoConsents,
            keyring: None,
            hash: &|_, value| {
                let mut hash = [0; 16];
                for (at, byte) in value.iter().enumerate() {
                    hash[at % 16] ^= byte;
                }
                hash
            },
            monotonic: &|| -> Duration { begin.elapsed() },
        };
        let arrival = Arrival {
            id: MessageId::from_u128(7),
            received: Timestamp::from_millis(1),
            peer: peer.clone(),
            parent: None,
            bytes: black_box(&bytes).clone(),
            message_type: None,
        };
        process(rules, arrival, &mut around)
    });
}

/// Parse, accept, keys, consent by the shipped policy, acknowledgment.
#[divan::bench]
fn gates_without_mapping(bencher: Bencher) {
    stages(bencher, &rules(None), CASES[0].1);
}

/// The same with the shipped mapping.
#[divan::bench]
fn gates_with_mapping(bencher: Bencher) {
    stages(bencher, &rules(Some(mapping(CASES[0].0))), CASES[0].1);
}
