//! A destination that is down: order, neighbors, and everything afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use weir::ports::sim;

use super::bench::{Sender, Sink, adt, adt_to_ehr, channel, ledger, plan, running, start, until};

#[tokio::test(start_paused = true)]
async fn down_for_an_hour_keeps_order_and_neighbors() {
    let text = channel("adt", 2575, &[("ehr", 6000), ("lab", 6001)]);
    let (engine, ports, mut sender) = running(11, &text).await;
    let lab = Sink::listen(&ports, 6001).await;
    let mut sent = 0;
    for minute in 0..60 {
        for patient in 0..5 {
            let control = format!("M{minute:02}P{patient}");
            assert_eq!(sender.send(&adt(&control, &format!("P{patient}"))).await, "AA");
            sent += 1;
        }
        ports.clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(lab.count(), sent, "the neighbor is not affected");
    }
    assert_eq!(ledger(&engine, "adt", "ehr").waiting, 300);
    let ehr = Sink::listen(&ports, 6000).await;
    until(&ports, 300, "everything delivered", || ehr.count() == 300).await;
    let mut lanes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (control, patient) in ehr.got() {
        lanes.entry(patient).or_default().push(control);
    }
    for (patient, controls) in lanes {
        assert!(controls.is_sorted(), "{patient}: {controls:?}");
        assert_eq!(controls.len(), 60);
    }
    until(&ports, 10, "settled", || ledger(&engine, "adt", "ehr").delivered == 300).await;
    assert_eq!(ledger(&engine, "adt", "ehr").dead, 0);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_blocks_its_lane_only() {
    let (engine, ports, mut sender) = adt_to_ehr(12).await;
    let ehr = Sink::listen(&ports, 6000).await;
    ehr.answer("AE");
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    ports.clock.sleep(Duration::from_millis(200)).await;
    ehr.answer("AA");
    assert_eq!(sender.send(&adt("B1", "P2")).await, "AA");
    until(&ports, 10, "the other lane goes on", || ehr.controls().contains(&"B1".into())).await;
    until(&ports, 120, "settled", || ledger(&engine, "adt", "ehr").waiting == 0).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_never_answers_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(13);
    let ehr = Sink::listen(&ports, 6000).await;
    ehr.mute(true);
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    ports.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(ledger(&engine, "adt", "ehr").waiting, 1);
    ehr.mute(false);
    until(&ports, 120, "delivered", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_dead_letter_that_can_be_replayed() {
    use weir::engine::{Actor, Replay, Through};
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(14);
    let ehr = Sink::listen(&ports, 6000).await;
    ehr.answer("AR");
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    for n in 0..5 {
        assert_eq!(sender.send(&adt(&format!("A{n}"), "P1")).await, "AA");
    }
    until(&ports, 60, "dead", || ledger(&engine, "adt", "ehr").dead == 5).await;
    ehr.answer("AA");
    let replay = Replay {
        filter: engine.filter("channel:adt state:dead").unwrap(),
        to: None,
        through: Through::Then,
        rate: None,
    };
    assert_eq!(engine.replay_plan(&replay).unwrap().count, 5);
    let done = engine.replay(&replay, &Actor::new("test", "repaired")).await.unwrap();
    assert_eq!((done.done, done.failed_count), (5, 0));
    until(&ports, 60, "delivered", || ehr.count() == 5).await;
    assert_eq!(ehr.controls(), ["A0", "A1", "A2", "A3", "A4"]);
    until(&ports, 60, "settled", || ledger(&engine, "adt", "ehr").delivered == 5).await;
    engine.stop("test").await.unwrap();
}
