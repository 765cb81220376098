//! When answers leave, what they promise, and what the journal says of them.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use weir::engine::Actor;
use weir::ports::sim;

use super::bench::{
    Sender, Sink, adt, channel, field, ledger, plan, running, start, start_poisoned, until,
};

fn by() -> Actor {
    Actor::new("test", "a look")
}

fn acking(text: &str, ack: &str) -> String {
    text.replace(
        "type   = \"mllp\"\nlisten",
        &format!("type   = \"mllp\"\nack = \"{ack}\"\nlisten"),
    )
}

/// A connection that dies while the disk is at work leaves the message on its way: the same
/// message on another connection is a repetition.
#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_during_the_commit_leaves_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, handles) = sim::ports(71);
    let sink = Sink::listen(&ports, 6000).await;
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    drop(Sender::connect(&ports, 2575).await);
    for n in 0..40 {
        let message = adt(&format!("C{n:02}"), "P1");
        let mut frame = vec![0x0b];
        frame.extend_from_slice(&message);
        frame.extend_from_slice(&[0x1c, 0x0d]);
        let mut first = ports.net.connect("127.0.0.1:2575").await.unwrap();
        first.write_all(&frame).await.unwrap();
        // Some die before the message is read, some while it is decided or committed.
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        handles.net.reset_port(2575);
        drop(first);
        let mut second = Sender::connect(&ports, 2575).await;
        assert_eq!(second.send(&message).await, "AA");
    }
    until(&ports, 120, "delivered", || ledger(&engine, "adt", "ehr").waiting == 0).await;
    let controls = sink.controls();
    assert_eq!(controls.len(), 40, "each once: {controls:?}");
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 40);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repetition_after_delivery_tells_how_the_first_stands() {
    let text = acking(&channel("adt", 2575, &[("ehr", 6000)]), "after-delivery");
    let (engine, ports, mut sender) = running(72, &text).await;
    let message = adt("C1", "P1");
    assert_eq!(sender.send(&message).await, "AE", "kept, but nobody has it");
    let (traced, _) = engine.trace(&weir::filter::Filter::all(), &by()).await.unwrap();
    assert_eq!(&*traced[0].record.ack, "AA", "as it was committed");
    assert_eq!(traced[0].answered.as_deref(), Some("AE W6903"), "as it was heard");
    let begin = ports.clock.monotonic();
    let again = sender.exchange(&message).await;
    let again = String::from_utf8_lossy(&again).into_owned();
    assert!(again.contains("MSA|AE|C1") && again.contains("W6903"), "{again}");
    assert!(ports.clock.monotonic() - begin >= Duration::from_secs(25), "it waits like the first");
    let sink = Sink::listen(&ports, 6000).await;
    // The next attempt may be a minute away; the repetition after it hears of it.
    let mut answer = String::new();
    for _ in 0..4 {
        if answer != "AA" {
            answer = sender.send(&message).await;
        }
    }
    assert_eq!(answer, "AA", "delivered while one of them waited");
    assert_eq!(sender.send(&message).await, "AA", "and known to be");
    assert_eq!(sink.controls(), ["C1"]);
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 1);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn on_receipt_answers_first_and_processes_then() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, handles) = sim::ports(73);
    let sink = Sink::listen(&ports, 6000).await;
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"";
    let text = super::bench::channel_with("adt", 2575, gate, &[("ehr", 6000)]);
    let text = acking(&text, "on-receipt");
    let engine = start_poisoned(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    for n in 1..=5 {
        assert_eq!(sender.send(&adt(&format!("C{n}"), "P1")).await, "AA");
    }
    assert_eq!(sender.send(&adt("C5", "P1")).await, "AA", "a repetition");
    assert_eq!(sender.send(b"MSH|^~\\&|A|B|C|D|2026||QQQ|X|P|9.9\r").await, "AR", "by its header");
    until(&ports, 30, "delivered", || sink.count() == 5).await;
    assert_eq!(sink.controls(), ["C1", "C2", "C3", "C4", "C5"]);
    // A gate that panics after the answer makes a dead letter.
    assert_eq!(sender.send(&adt("C6", "POISON")).await, "AA");
    until(&ports, 30, "dead", || ledger(&engine, "adt", "ehr").dead == 1).await;
    // Killed right after an answer: processed at the next start, once.
    for round in 0..6 {
        assert_eq!(sender.send(&adt(&format!("K{round}"), "P1")).await, "AA");
    }
    engine.abort();
    drop(engine);
    ports.clock.sleep(Duration::from_millis(1)).await;
    let ports = handles.kill();
    let again = Sink::listen(&ports, 6000).await;
    let engine = start_poisoned(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let all = || {
        let mut controls = sink.controls();
        controls.extend(again.controls());
        controls.retain(|control| control.starts_with('K'));
        controls.sort();
        controls.dedup();
        controls.len()
    };
    until(&ports, 60, "all delivered", || all() == 6).await;
    until(&ports, 60, "settled", || ledger(&engine, "adt", "ehr").waiting == 0).await;
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 12, "each message once");
    let filter = engine.filter("control:K5").unwrap();
    let (traced, _) = engine.trace(&filter, &by()).await.unwrap();
    let receipt = traced.iter().find(|t| t.record.owed.is_empty()).unwrap();
    let child = traced.iter().find(|t| !t.record.owed.is_empty()).unwrap();
    assert_eq!(traced.len(), 2);
    assert_eq!((&*receipt.record.ack, &*child.record.ack), ("AA", ""));
    assert_eq!(child.record.parent, Some(receipt.record.id));
    engine.stop("test").await.unwrap();
    drop(engine);

    // Nothing is taken up again.
    let ports = handles.ports();
    let engine = start_poisoned(plan(dir.path(), &[("adt", &text)]), &ports).await;
    ports.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 12);
    engine.stop("test").await.unwrap();
}

/// A message that asks for both acknowledgments, or as `conditions` say.
fn asking(control: &str, conditions: &str) -> Vec<u8> {
    let text = String::from_utf8(adt(control, "P1")).unwrap();
    text.replacen("|T|2.5.1", &format!("|T|2.5.1|||{conditions}"), 1).into_bytes()
}

#[tokio::test(start_paused = true)]
async fn the_application_acknowledgment_follows_the_commit() {
    let text = acking(&channel("adt", 2575, &[("ehr", 6000)]), "after-delivery");
    let (engine, ports, mut sender) = running(74, &text).await;
    let begin = ports.clock.monotonic();
    assert_eq!(sender.send(&asking("C1", "AL|AL")).await, "CA");
    assert!(ports.clock.monotonic() - begin < Duration::from_secs(1), "at once");
    let late = sender.next().await;
    assert_eq!((field(&late, "MSA", 1), field(&late, "MSA", 2)), ("AE".into(), "C1".into()));
    assert_eq!((field(&late, "MSH", 15), field(&late, "MSH", 16)), ("NE".into(), "NE".into()));
    assert!(String::from_utf8_lossy(&late).contains("W6903"));
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "delivered", || sink.count() == 1).await;
    assert_eq!(sender.send(&asking("C2", "AL|SU")).await, "CA");
    assert_eq!(field(&sender.next().await, "MSA", 1), "AA");
    // Asked for on error only, or never: nothing follows.
    assert_eq!(sender.send(&asking("C3", "AL|ER")).await, "CA");
    assert_eq!(sender.send(&asking("C4", "AL|NE")).await, "CA");
    assert_eq!(sender.send(&asking("C5", "NE|AL")).await, "AA", "one answer, once delivered");
    assert_eq!(sender.send(&asking("C6", "")).await, "AA");
    assert_eq!(sink.count(), 6);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn application_acknowledgments_have_an_address_of_their_own() {
    let text = channel("adt", 2575, &[("ehr", 6000)]).replace(
        "type   = \"mllp\"\nlisten",
        "type   = \"mllp\"\napp_ack = \"mllp://127.0.0.1:7000\"\nlisten",
    );
    let (engine, ports, mut sender) = running(75, &text).await;
    let ehr = Sink::listen(&ports, 6000).await;
    assert_eq!(sender.send(&asking("C1", "AL|AL")).await, "CA");
    assert_eq!(sender.send(&asking("C2", "AL|NE")).await, "CA");
    assert_eq!(sender.send(&asking("C3", "AL|AL")).await, "CA");
    ports.clock.sleep(Duration::from_secs(2)).await;
    // Nobody listened there until now: they are sent again.
    let acks = Sink::listen(&ports, 7000).await;
    until(&ports, 60, "both came", || acks.count() == 2).await;
    assert_eq!(acks.fields("MSA", 2), ["C1", "C3"]);
    assert_eq!(acks.fields("MSA", 1), ["AA", "AA"]);
    assert_eq!(acks.fields("MSH", 15), ["AL", "AL"], "they wait for their own commit");
    until(&ports, 60, "delivered", || ehr.count() == 3).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn application_acknowledgments_that_are_due_survive_a_restart() {
    for (seed, ack) in [(77, "after-commit"), (78, "after-delivery"), (79, "on-receipt")] {
        let dir = tempfile::tempdir().unwrap();
        let (ports, handles) = sim::ports(seed);
        let ehr = Sink::listen(&ports, 6000).await;
        let text = acking(&channel("adt", 2575, &[("ehr", 6000)]), ack).replace(
            "type   = \"mllp\"\n",
            "type   = \"mllp\"\napp_ack = \"mllp://127.0.0.1:7000\"\n",
        );
        let plan = || plan(dir.path(), &[("adt", &text)]);
        let engine = start(plan(), &ports).await;
        let mut sender = Sender::connect(&ports, 2575).await;
        for control in ["C1", "C2"] {
            assert_eq!(sender.send(&asking(control, "AL|AL")).await, "CA", "{ack}");
        }
        // One that is asked for on error only is not due.
        assert_eq!(sender.send(&asking("C3", "AL|ER")).await, "CA", "{ack}");
        until(&ports, 60, "delivered", || ehr.count() == 3).await;
        // Nobody took them when everything ended.
        ports.clock.sleep(Duration::from_secs(2)).await;
        engine.abort();
        drop(engine);
        ports.clock.sleep(Duration::from_millis(1)).await;
        let ports = handles.kill();
        let _ehr = Sink::listen(&ports, 6000).await;
        let acks = Sink::listen(&ports, 7000).await;
        let engine = start(plan(), &ports).await;
        until(&ports, 120, "both came", || acks.count() == 2).await;
        let mut about = acks.fields("MSA", 2);
        about.sort();
        assert_eq!(
            (about, acks.fields("MSA", 1)),
            (vec!["C1".into(), "C2".into()], vec!["AA".to_owned(); 2])
        );
        ports.clock.sleep(Duration::from_secs(5)).await;
        engine.stop("test").await.unwrap();
        // What was said is not due any more.
        let ports = handles.ports();
        let engine = start(plan(), &ports).await;
        ports.clock.sleep(Duration::from_secs(120)).await;
        assert_eq!(acks.count(), 2, "{ack}");
        engine.stop("test").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn on_receipt_the_application_acknowledgment_follows_the_processing() {
    let text = acking(&channel("adt", 2575, &[("ehr", 6000)]), "on-receipt");
    let (engine, ports, mut sender) = running(76, &text).await;
    let ehr = Sink::listen(&ports, 6000).await;
    assert_eq!(sender.send(&asking("C1", "AL|AL")).await, "CA");
    assert_eq!(field(&sender.next().await, "MSA", 1), "AA");
    until(&ports, 60, "delivered", || ehr.count() == 1).await;
    engine.stop("test").await.unwrap();
}
