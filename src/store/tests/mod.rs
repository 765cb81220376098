//! Tests of the whole store.

mod basics;
mod content;
mod faults;
mod lanes;
mod port;
mod power;
mod rebuild;
mod records;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::{IndexHome, RestKey, RestKeys, Store, StorePlan};
use crate::base::{ByteSize, ChannelName, DestinationName, MessageId, Timestamp};
use crate::filter::Filter;
use crate::message::{
    Body, ContentKind, Entry, Fate, FaultRecord, LaneKey, Leaf, MessageRecord, Outcome,
    OutcomeRecord, Owed, Peer, Receipt, Revision, SearchKey, Trail,
};
use crate::ports::Ports;

pub fn plan(directory: PathBuf, index: IndexHome) -> StorePlan {
    StorePlan {
        segment_bytes: ByteSize(16 << 10),
        min_free: ByteSize(0),
        index,
        ..StorePlan::new(directory)
    }
}

/// Rest keys of these numbers, the one for writing first.
pub fn keys(numbers: &[u8]) -> RestKeys {
    let key = |number: &u8| RestKey {
        id: format!("rest-{number}").into(),
        bytes: zeroize::Zeroizing::new([*number; 32]),
    };
    RestKeys::new(numbers.iter().map(key).collect())
}

pub fn key() -> RestKeys {
    keys(&[1])
}

pub async fn open(ports: &Ports, plan: &StorePlan) -> (Store, super::Recovery) {
    Store::open(ports, plan, key(), &|_, _| {}).await.unwrap()
}

pub fn channel() -> ChannelName {
    ChannelName::parse("adt").unwrap()
}

pub fn destination(name: &str) -> DestinationName {
    DestinationName::parse(name).unwrap()
}

pub fn id(number: u64) -> MessageId {
    let at = Timestamp::from_millis(1_767_225_600_000 + i64::try_from(number).unwrap());
    MessageId::new(at, u128::from(number))
}

pub fn body(number: u64) -> Body {
    Body {
        kind: ContentKind::Hl7,
        bytes: Bytes::from(format!("body {number} {}", "x".repeat(200))),
    }
}

pub fn leaf(action: &str, message: MessageId) -> Leaf {
    Leaf {
        action: action.into(),
        at: Timestamp::from_millis(1_767_225_600_000),
        actor: "weir".into(),
        message: Some(message),
        channel: Some(channel()),
        destination: None,
        decision: None,
        reason: None,
        digest: Some([9; 32]),
    }
}

pub fn record(number: u64, owed: Vec<(&str, u64, Fate)>, store: Option<&Store>) -> MessageRecord {
    let control = format!("C{number}");
    let keys = store.map(|store| SearchKey {
        name: "control".into(),
        hash: store.keyed_hash("control", control.as_bytes()),
    });
    MessageRecord {
        id: id(number),
        channel: channel(),
        received: id(number).arrived(),
        revision: Revision("rev-1".into()),
        peer: Peer { address: "10.0.0.1:1".into(), subject: None },
        parent: None,
        message_type: "ADT^A08".into(),
        version: "2.5.1".into(),
        original: body(number),
        digest: [1; 32],
        patient: None,
        keys: keys.into_iter().collect(),
        duplicate_key: Some(u128::from(number).to_be_bytes()),
        ack: "AA".into(),
        fault: None,
        trail: Trail::default(),
        owed: owed
            .into_iter()
            .map(|(name, lane, fate)| Owed {
                destination: destination(name),
                lane: LaneKey(lane),
                fate,
            })
            .collect(),
        leaves: vec![leaf("message_accepted", id(number))],
    }
}

pub fn message(number: u64, lane: u64) -> Entry {
    let owed = vec![("ehr", lane, Fate::Deliver(body(number)))];
    Entry::Message(Box::new(record(number, owed, None)))
}

pub fn outcome(number: u64, name: &str, outcome: Outcome) -> OutcomeRecord {
    OutcomeRecord {
        message: id(number),
        channel: channel(),
        destination: destination(name),
        at: Timestamp::from_millis(1_767_225_700_000),
        attempts: 1,
        outcome,
        leaves: vec![leaf("delivery_settled", id(number))],
    }
}

pub fn delivered() -> Outcome {
    Outcome::Delivered(Receipt::Ack { code: "AA".into() })
}

pub fn fault() -> FaultRecord {
    FaultRecord { code: "W7102".into(), place: "adt/ehr".into(), cause: None }
}

pub fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_800_000)
}

/// Numbers of the messages that a lease gives.
pub async fn lease(store: &Store, name: &str, at: Timestamp, max: usize) -> Vec<u64> {
    let leased = store.lease(&channel(), &destination(name), at, max).await.unwrap();
    for delivery in &leased {
        let number = number_of(delivery.message);
        assert_eq!(delivery.body, body(number), "{number}");
    }
    leased.iter().map(|d| number_of(d.message)).collect()
}

pub fn number_of(id: MessageId) -> u64 {
    u64::try_from(id.arrived().millis() - 1_767_225_600_000).unwrap()
}

/// Everything a reader sees, to compare.
pub fn picture(store: &Store) -> String {
    let ledger = store.ledger(&Filter::all()).unwrap();
    let rows = store.search(&Filter::all(), true, usize::MAX, None).unwrap();
    format!("{ledger:#?}\n{rows:#?}")
}

pub fn sim(seed: u64) -> (Ports, crate::ports::sim::Handles, StorePlan) {
    let (ports, handles) = crate::ports::sim::ports(seed);
    (ports, handles, plan(PathBuf::from("/store"), IndexHome::Memory))
}

pub fn real() -> (Ports, tempfile::TempDir, StorePlan) {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(home.path().join("store"), IndexHome::Directory);
    (Ports::system(), home, plan)
}

pub const HOUR: Duration = Duration::from_secs(3600);
