//! Nothing acknowledged is missing after `kill -9`, however often, at whatever moment.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use weir::ports::Ports;
use weir::tool::load::{self, LoadPlan, Target};

use super::support::sink::Sink;
use super::support::site::{Site, until};
use super::support::{Dice, free_address, number};

/// Kills of one run; `WEIR_KILLS=200` for the long one.
const KILLS: u64 = 6;

/// Deliveries a crash may repeat: those whose outcome was not on disk yet. Two lanes workers
/// and one group of outcomes is what is in flight at most.
const REPEATED_A_KILL_MAX: usize = 4096;

fn channel(listen: std::net::SocketAddr, sink: std::net::SocketAddr) -> String {
    format!(
        r#"[channel]
name = "forward"
order_by = "PID-3.1"
[source]
type = "mllp"
listen = "{listen}"
[consent]
policy = "none"
why = "synthetic load"
[destination.sink]
type = "mllp"
connect = "{sink}"
recipient = "Organization/sink"
purpose = "TREAT"
parallel = 4
retry = {{ first = "100ms", max = "1s" }}
"#
    )
}

#[test]
fn no_acknowledged_message_is_missing_after_kill_9() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sink = runtime.block_on(Sink::start(None));
    let site = Site::new();
    let listen = free_address();
    site.file("channels/forward.toml", &channel(listen, sink.address));
    let mut dice = Dice::new(number("WEIR_SEED", 42));
    let mut acknowledged = HashSet::new();
    let kills = number("WEIR_KILLS", KILLS);
    for round in 0..kills {
        let mut running = site.start();
        let plan = LoadPlan {
            target: Target::Mllp(listen.to_string()),
            connections: 64,
            duration: Duration::from_secs(10),
            rate: None,
            size: 1024,
            timeout: Duration::from_secs(2),
            prefix: format!("K{round}"),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let moment = Duration::from_millis(50 + dice.roll(600));
        let report = runtime.block_on(async {
            let ports = Ports::system();
            let load = load::run(&ports, &plan, true, done.clone(), stop.clone());
            let killer = async {
                tokio::time::sleep(moment).await;
                running.kill();
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            };
            tokio::join!(load, killer).0
        });
        if let Ok(report) = report {
            acknowledged.extend(report.acknowledged_ids);
        }
    }
    let running = site.start();
    until("every message is delivered", || {
        let ledger = site.json(&["ledger"]);
        ledger["total"]["waiting"] == 0
    });
    let ledger = site.json(&["ledger"]);
    assert_eq!(ledger["total"]["unaccounted"], 0, "{ledger}");
    assert_eq!(ledger["total"]["dead"], 0, "{ledger}");
    assert!(running.stop().success());
    let counts = sink.counts();
    let missing: Vec<&String> =
        acknowledged.iter().filter(|id| !counts.contains_key(*id)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} acknowledged messages are missing, such as {:?}",
        missing.len(),
        acknowledged.len(),
        missing.first()
    );
    assert!(!acknowledged.is_empty(), "the load was never answered");
    let repeated: usize = counts.values().map(|count| count - 1).sum();
    assert!(
        repeated <= REPEATED_A_KILL_MAX * usize::try_from(kills).unwrap(),
        "{repeated} repeated deliveries"
    );
    println!(
        "{kills} kills: {} acknowledged, {} delivered, {repeated} repeated, 0 missing",
        acknowledged.len(),
        counts.len()
    );
    runtime.block_on(sink.stop());
}

fn keeping(listen: std::net::SocketAddr) -> String {
    format!(
        r#"[channel]
name = "keep"
order_by = "PID-3.1"
[source]
type = "mllp"
listen = "{listen}"
[consent]
policy = "none"
why = "synthetic load"
[map]
use = "mappings/adt-to-fhir.toml"
[destination.store]
type = "records"
recipient = "Organization/own"
purpose = "TREAT"
parallel = 4
"#
    )
}

/// Copies what the mapping of the guide needs.
fn with_mapping(site: &Site) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["mappings", "codes"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            let name = format!("{folder}/{}", file.file_name().to_string_lossy());
            site.file(&name, &std::fs::read_to_string(file.path()).unwrap());
        }
    }
}

/// Messages a second while versions are written: the disk is at work all the time, and the
/// rest after the last kill takes seconds.
const KEPT_A_SECOND: f64 = 200.0;

#[test]
fn no_version_is_lost_or_double_after_kill_9() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let site = Site::new();
    with_mapping(&site);
    let listen = free_address();
    site.file("channels/keep.toml", &keeping(listen));
    let mut dice = Dice::new(number("WEIR_SEED", 42));
    let kills = number("WEIR_KILLS", KILLS);
    for round in 0..kills {
        let mut running = site.start();
        let plan = LoadPlan {
            target: Target::Mllp(listen.to_string()),
            connections: 8,
            duration: Duration::from_secs(10),
            rate: Some(KEPT_A_SECOND),
            size: 1024,
            timeout: Duration::from_secs(2),
            prefix: format!("R{round}"),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let moment = Duration::from_millis(50 + dice.roll(900));
        runtime.block_on(async {
            let ports = Ports::system();
            let load = load::run(&ports, &plan, true, Arc::default(), stop.clone());
            let killer = async {
                tokio::time::sleep(moment).await;
                running.kill();
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            };
            drop(tokio::join!(load, killer).0);
        });
    }
    let running = site.start();
    until("every message is written", || site.json(&["ledger"])["total"]["waiting"] == 0);
    let ledger = site.json(&["ledger"]);
    assert_eq!(ledger["total"]["unaccounted"], 0, "{ledger}");
    assert_eq!(ledger["total"]["dead"], 0, "{ledger}");
    let records = site.json(&["records", "ls"]);
    let shelves = records["shelves"].as_array().unwrap();
    let told = shelves.iter().find(|shelf| shelf["type"] == "Provenance").unwrap();
    // Each message wrote once: one Provenance of one version, however often it was sent.
    assert_eq!(told["resources"], ledger["total"]["delivered"], "{records} {ledger}");
    assert_eq!(told["versions"], ledger["total"]["delivered"], "{records} {ledger}");
    // A look at a resource is explained, and one that is not there says so.
    let look = ["records", "show", "Patient/nobody"];
    assert_eq!(site.run(&look).status.code(), Some(4));
    let why = [&look[..], &["--reason", "a test"]].concat();
    assert_eq!(site.run(&why).status.code(), Some(6));
    assert!(running.stop().success());
    // Every version of the journal is in the index, each once.
    site.ok(&["store", "check"]);
}
