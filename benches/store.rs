//! How fast the store commits, beside the disk's own sync.
//!
//! `cargo bench --bench store` prints, for messages of 1 KB with a mapped body of 1 KB:
//! commits per second at 64 producers, processor time per message, delivered per second
//! with leases and outcomes beside, start-up, rebuild, and the disk's own `fdatasync`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, clippy::cast_possible_truncation)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use weir::base::{ByteSize, ChannelName, DestinationName, MessageId, Timestamp};
use weir::filter::Filter;
use weir::message::{
    Body, ContentKind, Entry, Fate, LaneKey, Leaf, MessageRecord, Outcome, OutcomeRecord, Owed,
    Peer, Receipt, Revision, SearchKey, Trail,
};
use weir::ports::{Clock as _, Files as _, Ports, SystemClock};
use weir::store::{RestKey, RestKeys, Store, StorePlan};

const PRODUCERS: u64 = 64;

fn main() {
    let count = std::env::var("WEIR_BENCH_MESSAGES").ok().and_then(|v| v.parse().ok());
    let count: u64 = count.unwrap_or(200_000);
    let home = tempfile::tempdir().unwrap();
    disk(home.path());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(home.path(), count));
}

/// The disk's own sync, of 4 KiB written over zeros.
fn disk(home: &Path) {
    let files = weir::ports::SystemFiles;
    let file = files.open(&home.join("probe"), true).unwrap();
    file.write_at(&vec![0; 8 << 20], 0).unwrap();
    file.sync().unwrap();
    let mut times: Vec<Duration> = (0..1000)
        .map(|at| {
            file.write_at(&[1; 4096], at * 4096).unwrap();
            let start = Instant::now();
            file.sync().unwrap();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("disk fdatasync 4 KiB       p50 {:?}  p99 {:?}", times[500], times[990]);
}

fn cpu() -> Duration {
    // User and system time of the process, in ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks() + ticks()) * 10)
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

fn names() -> (ChannelName, DestinationName) {
    (ChannelName::parse("adt-main").unwrap(), DestinationName::parse("ehr").unwrap())
}

fn message(number: u64, now: Timestamp, store: &Store) -> Entry {
    let (channel, destination) = names();
    let id = MessageId::new(now, u128::from(number) << 40);
    let key = |name: &str, value: u64| SearchKey {
        name: name.into(),
        hash: store.keyed_hash(name, &value.to_le_bytes()),
    };
    let body = |fill: u8| Body { kind: ContentKind::Hl7, bytes: Bytes::from(vec![fill; 1024]) };
    Entry::Message(Box::new(MessageRecord {
        id,
        channel: channel.clone(),
        received: now,
        revision: Revision("5f3a91c".into()),
        peer: Peer { address: "10.20.0.7:51234".into(), subject: None },
        parent: None,
        message_type: "ADT^A08".into(),
        version: "2.5.1".into(),
        original: body(1),
        digest: [1; 32],
        patient: None,
        keys: vec![key("control", number), key("patient", number % 10_000)],
        duplicate_key: Some(store.keyed_hash("duplicate", &number.to_le_bytes())),
        ack: "AA".into(),
        fault: None,
        trail: Trail::default(),
        owed: vec![Owed {
            destination,
            lane: LaneKey(number % 1000),
            fate: Fate::Deliver(body(2)),
        }],
        leaves: vec![Leaf {
            action: "message_accepted".into(),
            at: now,
            actor: "weir".into(),
            message: Some(id),
            channel: Some(channel),
            destination: None,
            decision: None,
            reason: None,
            digest: Some([1; 32]),
        }],
    }))
}

async fn produce(store: &Store, count: u64, from: u64) -> Vec<Duration> {
    let next = Arc::new(AtomicU64::new(from));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|_| {
            let (store, next) = (store.clone(), next.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= from + count {
                        return times;
                    }
                    let start = Instant::now();
                    let entry = message(number, SystemClock.now(), &store);
                    store.commit(entry).await.unwrap();
                    times.push(start.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for producer in producers {
        times.extend(producer.await.unwrap());
    }
    times.sort_unstable();
    times
}

async fn deliver(store: Store, count: u64) {
    let (channel, destination) = names();
    let mut done = 0;
    while done < count {
        let now = SystemClock.now();
        let leased = store.lease(&channel, &destination, now, 64).await.unwrap();
        if leased.is_empty() {
            store.ready(&channel, &destination).await;
        }
        for delivery in leased {
            done += 1;
            let outcome = OutcomeRecord {
                message: delivery.message,
                channel: channel.clone(),
                destination: destination.clone(),
                at: now,
                attempts: 1,
                outcome: Outcome::Delivered(Receipt::Ack { code: "AA".into() }),
                leaves: Vec::new(),
            };
            store.settle(outcome).await.unwrap();
        }
    }
}

fn told(what: &str, count: u64, start: Instant, cpu_before: Duration) {
    let took = start.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    let each = (cpu() - cpu_before).as_secs_f64() * 1e6 / count as f64;
    println!("{what:26} {rate:>9.0}/s  cpu {each:.1} us each  memory {}", memory());
}

async fn run(home: &Path, count: u64) {
    let ports = Ports::system();
    let mut plan = StorePlan::new(home.join("store"));
    plan.min_free = ByteSize(0);
    let rest = || RestKeys::new(vec![RestKey { id: "rest-1".into(), bytes: [7; 32].into() }]);
    let (store, _) = Store::open(&ports, &plan, rest(), &|_, _| {}).await.unwrap();
    let (start, before) = (Instant::now(), cpu());
    let times = produce(&store, count, 0).await;
    told("commit, nobody delivers", count, start, before);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!("  commit latency           p50 {:?}  p99 {:?}", at(0.5), at(0.99));
    let (start, before) = (Instant::now(), cpu());
    deliver(store.clone(), count).await;
    told("deliver the backlog", count, start, before);
    let (start, before) = (Instant::now(), cpu());
    let courier = tokio::spawn(deliver(store.clone(), count));
    let times = produce(&store, count, count).await;
    courier.await.unwrap();
    told("commit and deliver", count, start, before);
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!("  commit latency           p50 {:?}  p99 {:?}", at(0.5), at(0.99));
    let start = Instant::now();
    let rows = store.search(&Filter::all(), false, 50, None).unwrap().len();
    println!("search, newest {rows}          {:?}", start.elapsed());
    let ledger = store.ledger(&Filter::all()).unwrap();
    assert_eq!((ledger[0].delivered, ledger[0].unaccounted), (2 * count, 0));
    let start = Instant::now();
    store.close().await.unwrap();
    drop(store);
    println!("close                      {:?}", start.elapsed());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let start = Instant::now();
    let (store, recovery) = Store::open(&ports, &plan, rest(), &|_, _| {}).await.unwrap();
    let entries = recovery.entries;
    println!("open clean, {entries} entries  {:?}  memory {}", start.elapsed(), memory());
    store.close().await.unwrap();
    drop(store);
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::remove_dir_all(plan.directory.join("index")).unwrap();
    let (start, before) = (Instant::now(), cpu());
    let (store, recovery) = Store::open(&ports, &plan, rest(), &|_, _| {}).await.unwrap();
    told("rebuild", recovery.replayed_into_index, start, before);
    store.close().await.unwrap();
}
