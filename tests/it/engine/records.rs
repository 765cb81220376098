//! Messages that become resources of the record store, and what happens to them there.

use std::sync::Arc;

use weir::engine::{Actor, Engine, Replay, Through};
use weir::fhir::rest::Query;
use weir::filter::Filter;
use weir::ports::{Ports, sim};
use weir::records::{Look as _, Reader as _, Scope, Search};

use super::bench::{Sender, adt, ledger, plan, start, until};

/// A channel from MLLP through the mapping of the guide into the record store.
const CHANNEL: &str = r#"
[channel]
name     = "adt"
order_by = "PID-3.1"
[source]
type   = "mllp"
listen = "127.0.0.1:2575"
[consent]
policy = "none"
why    = "a test"
[map]
use = "mappings/adt-to-fhir.toml"
[destination.store]
type      = "records"
recipient = "Organization/own"
purpose   = "TREAT"
parallel  = 4
"#;

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["mappings", "codes"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        for file in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            std::fs::copy(file.path(), dir.path().join(folder).join(file.file_name())).unwrap();
        }
    }
    dir
}

fn found(engine: &Engine, ports: &Ports, kind: &str, query: &str) -> Vec<weir::records::Version> {
    let query = Query::parse(query).unwrap();
    let search = Search { strict: true, ..Search::of(kind, &query, ports.clock.now()) };
    let page = engine.records("main").search(&search).unwrap();
    page.entries.into_iter().map(|(_, version)| version).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_become_versions_that_are_found() {
    let dir = site();
    let (ports, _) = sim::ports(91);
    let engine = start(plan(dir.path(), &[("adt", CHANNEL)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    for (control, patient) in [("C1", "P1"), ("C2", "P1"), ("C3", "P2")] {
        assert_eq!(sender.send(&adt(control, patient)).await, "AA");
    }
    until(&ports, 30, "delivered", || ledger(&engine, "adt", "store").delivered == 3).await;
    assert_eq!(ledger(&engine, "adt", "store").dead, 0);
    let patients = found(&engine, &ports, "Patient", "family=doe");
    assert_eq!(patients.len(), 2, "two patients, whatever the number of messages");
    let one = found(&engine, &ports, "Patient", "identifier=P1").remove(0);
    assert_eq!(one.number, 2, "each message is a version");
    let history =
        engine.records("main").history(Scope::Instance("Patient", &one.id), &Query::default());
    assert_eq!(history.unwrap().versions.len(), 2);
    let encounters = found(&engine, &ports, "Encounter", &format!("patient={}", one.id));
    assert!(!encounters.is_empty(), "references lead to the resource under its own id");
    let told = found(&engine, &ports, "Provenance", &format!("target=Patient/{}", one.id));
    assert_eq!(told.len(), 2, "a Provenance for each version");
    let body = String::from_utf8_lossy(&told[0].body).into_owned();
    assert!(
        body.contains("mappings/adt-to-fhir.toml") && body.contains("urn:weir:channel"),
        "{body}"
    );
    let shown = || engine.registry().text();
    let row = "weir_records_writes_total{collection=\"main\",result=\"written\"} 3";
    assert!(shown().contains(row), "{}", shown());
    let row = "weir_records_resources{collection=\"main\"}";
    until(&ports, 30, "counted", || shown().contains(row)).await;
    // What the store shows of itself holds no patient data.
    assert!(!format!("{one:?}").contains("Doe"));
    assert!(!engine.registry().text().contains("Doe"));
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn versions_survive_a_restart_and_a_power_cut() {
    let dir = site();
    let (ports, handles) = sim::ports(92);
    let engine = start(plan(dir.path(), &[("adt", CHANNEL)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    for n in 0..20 {
        assert_eq!(sender.send(&adt(&format!("C{n}"), &format!("P{}", n % 3))).await, "AA");
    }
    until(&ports, 60, "delivered", || ledger(&engine, "adt", "store").delivered == 20).await;
    let versions = |engine: &Engine| {
        let mut all: Vec<(Arc<str>, u64)> = Vec::new();
        for shelf in engine.shelves().unwrap() {
            all.push((shelf.kind, shelf.versions));
        }
        all
    };
    let before = versions(&engine);
    drop((engine, sender));
    let ports = handles.power_cut();
    let engine = start(plan(dir.path(), &[("adt", CHANNEL)]), &ports).await;
    until(&ports, 60, "delivered", || ledger(&engine, "adt", "store").waiting == 0).await;
    // Outcomes that were not on disk are sent again, and write nothing twice.
    assert_eq!(versions(&engine), before);
    assert_eq!(found(&engine, &ports, "Patient", "family=doe").len(), 3);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_writes_nothing_twice() {
    let dir = site();
    let (ports, _) = sim::ports(93);
    let engine = start(plan(dir.path(), &[("adt", CHANNEL)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    until(&ports, 30, "delivered", || ledger(&engine, "adt", "store").delivered == 1).await;
    let before = engine.shelves().unwrap();
    let filter = Filter::parse("control:C1", ports.clock.now()).unwrap();
    let replay = Replay { filter, to: None, through: Through::Then, rate: None };
    let by = Actor::new("test", "once more");
    assert_eq!(engine.replay(&replay, &by).await.unwrap().done, 1);
    until(&ports, 30, "delivered", || ledger(&engine, "adt", "store").waiting == 0).await;
    assert_eq!(ledger(&engine, "adt", "store").delivered, 1);
    assert_eq!(engine.shelves().unwrap(), before);
    assert!(engine.records("main").latest("Patient", "nobody").unwrap().is_none());
    engine.stop("test").await.unwrap();
}
