//! A message in, an answer, a delivery: the ways it can go.

use std::time::Duration;

use weir::base::ChannelName;
use weir::engine::Actor;
use weir::ports::sim;

use super::bench::{
    Sender, Sink, adt, channel, channel_with, consent, field, ledger, plan, running, start,
    start_poisoned, until,
};

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_and_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(1);
    let sink = Sink::listen(&ports, 6000).await;
    let plan = plan(dir.path(), &[("adt", &channel("adt", 2575, &[("ehr", 6000)]))]);
    let engine = start(plan, &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    let message = adt("C1", "P1");
    let answer = sender.exchange(&message).await;
    assert_eq!(field(&answer, "MSA", 1), "AA");
    assert_eq!(field(&answer, "MSA", 2), "C1");
    until(&ports, 10, "delivered", || sink.count() == 1).await;
    assert_eq!(sink.controls(), ["C1"]);
    until(&ports, 10, "settled", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    assert_eq!(ledger(&engine, "adt", "ehr").unaccounted, 0);
    let metrics = engine.registry().text();
    assert!(
        metrics.contains("weir_messages_delivered_total{channel=\"adt\",destination=\"ehr\"} 1")
    );
    assert!(!metrics.contains("P1") && !metrics.contains("Doe"), "no content in metrics");
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_told_and_owes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(2);
    let sink = Sink::listen(&ports, 6000).await;
    let text = channel("adt", 2575, &[("ehr", 6000)])
        .replace("type   = \"mllp\"", "type   = \"mllp\"\naccept = [\"ADT^A01\"]");
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    let answer = sender.exchange(&adt("C1", "P1")).await;
    assert_eq!(field(&answer, "MSA", 1), "AR");
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.contains("W2015"), "{text}");
    assert_eq!(sender.send(b"this is not a message").await, "AR");
    let ok = adt("C2", "P1");
    let ok = String::from_utf8(ok).unwrap().replace("A08^ADT_A01", "A01^ADT_A01");
    assert_eq!(sender.send(ok.as_bytes()).await, "AA", "the connection goes on");
    until(&ports, 10, "delivered", || sink.count() == 1).await;
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 1);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repetition_is_answered_and_not_sent_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(3);
    let sink = Sink::listen(&ports, 6000).await;
    let plan = plan(dir.path(), &[("adt", &channel("adt", 2575, &[("ehr", 6000)]))]);
    let engine = start(plan, &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    for _ in 0..3 {
        assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    }
    let mut other = adt("C1", "P1");
    other.extend_from_slice(b"NTE|1||changed\r");
    assert_eq!(sender.send(&other).await, "AA", "other bytes are another message");
    until(&ports, 10, "delivered", || sink.count() == 2).await;
    ports.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(sink.count(), 2);
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 2);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgment_as_a_message_is_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(4);
    let plan = plan(dir.path(), &[("adt", &channel("adt", 2575, &[("ehr", 6000)]))]);
    let engine = start(plan, &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    let ack = b"MSH|^~\\&|A|B|C|D|20260102||ACK^A08|9|T|2.5.1\rMSA|AA|C1\r";
    assert!(sender.exchange(ack).await.is_empty());
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_revocation_reaches_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(5);
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    // Nobody listens on 6000 yet, so both wait.
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    assert_eq!(sender.send(&adt("C2", "P2")).await, "AA");
    assert_eq!(ledger(&engine, "adt", "ehr").waiting, 2);
    let by = Actor::new("test", "patient asked");
    let stored = engine.put_consent(consent("no", "deny"), None, &by).await.unwrap();
    assert!(stored.created && stored.version == 1);
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "the other one is delivered", || sink.count() == 1).await;
    until(&ports, 120, "denied", || ledger(&engine, "adt", "ehr").denied == 1).await;
    assert_eq!(sink.controls(), ["C2"]);
    assert_eq!(sender.send(&adt("C3", "P1")).await, "AA", "recorded, not sent");
    until(&ports, 10, "denied", || ledger(&engine, "adt", "ehr").denied == 2).await;
    engine.delete_consent("no", &by).await.unwrap();
    assert_eq!(sender.send(&adt("C4", "P1")).await, "AA");
    until(&ports, 120, "sent again", || sink.controls() == ["C2", "C4"]).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_revocation_by_any_identifier_reaches_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(15);
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    // Nobody listens on 6000 yet; the consent names the second identifier of C1 only.
    assert_eq!(sender.send(&adt("C1", "OTHER~P1")).await, "AA");
    assert_eq!(sender.send(&adt("C2", "P2")).await, "AA");
    let by = Actor::new("test", "patient asked");
    engine.put_consent(consent("no", "deny"), None, &by).await.unwrap();
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "the other one is delivered", || sink.count() == 1).await;
    until(&ports, 120, "denied", || ledger(&engine, "adt", "ehr").denied == 1).await;
    assert_eq!(sink.controls(), ["C2"]);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consent_releases_what_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(6);
    let sink = Sink::listen(&ports, 6000).await;
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"\non_deny = \"hold\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let by = Actor::new("test", "patient asked");
    engine.put_consent(consent("c", "deny"), None, &by).await.unwrap();
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    assert_eq!(ledger(&engine, "adt", "ehr").held, 1);
    let stored = engine.put_consent(consent("c", "permit"), None, &by).await.unwrap();
    assert_eq!((stored.version, stored.created, stored.released), (2, false, 1));
    until(&ports, 60, "delivered", || sink.count() == 1).await;
    until(&ports, 60, "settled", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_panics_leaves_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(9);
    let sink = Sink::listen(&ports, 6000).await;
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)]);
    let engine = start_poisoned(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("C1", "POISON")).await, "AA", "weir has it, as a dead letter");
    assert_eq!(sender.send(&adt("C2", "P2")).await, "AA");
    until(&ports, 10, "the next one is delivered", || sink.controls() == ["C2"]).await;
    assert_eq!(ledger(&engine, "adt", "ehr").dead, 1);
    let rows = engine.queue(engine.filter("state:dead").unwrap(), 10, None).unwrap();
    assert_eq!(rows[0].code.as_deref(), Some("W9002"));
    let record = engine.store().message(rows[0].message).unwrap().unwrap();
    assert_eq!(record.original.bytes, adt("C1", "POISON"), "the original is kept");
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_slows_and_then_refuses() {
    let text = channel("adt", 2575, &[("ehr", 6000)]) + "\n[queue]\nmax_messages = 20\n";
    let (engine, ports, mut sender) = running(7, &text).await;
    let begin = ports.clock.monotonic();
    for n in 0..20 {
        assert_eq!(sender.send(&adt(&format!("C{n}"), "P1")).await, "AA");
    }
    let slowed = ports.clock.monotonic() - begin;
    assert!(slowed > Duration::from_millis(100), "{slowed:?}");
    let begin = ports.clock.monotonic();
    let answer = sender.exchange(&adt("C20", "P1")).await;
    assert_eq!(field(&answer, "MSA", 1), "AE");
    assert!(ports.clock.monotonic() - begin >= Duration::from_secs(10), "waited for room");
    assert_eq!(ledger(&engine, "adt", "ehr").waiting, 20);
    let sink = Sink::listen(&ports, 6000).await;
    assert_eq!(sender.send(&adt("C20", "P1")).await, "AA", "there is room again");
    until(&ports, 120, "all delivered", || sink.count() == 21).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_delivery_answers_when_the_peer_has_it() {
    let text = channel("adt", 2575, &[("ehr", 6000)])
        .replace("type   = \"mllp\"", "type   = \"mllp\"\nack = \"after-delivery\"");
    let (engine, ports, mut sender) = running(8, &text).await;
    let answer = sender.exchange(&adt("C1", "P1")).await;
    assert_eq!(field(&answer, "MSA", 1), "AE", "kept, but nobody has it yet");
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "the first is delivered", || sink.count() == 1).await;
    assert_eq!(sender.send(&adt("C2", "P1")).await, "AA");
    assert_eq!(sink.controls(), ["C1", "C2"]);
    let name = ChannelName::parse("adt").unwrap();
    assert!(engine.address(&name).is_some());
    engine.stop("test").await.unwrap();
}
