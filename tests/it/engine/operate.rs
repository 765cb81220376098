//! What people do: pause, resume, drain, skip, hold, reload.

use std::time::Duration;

use weir::base::{ChannelName, DestinationName};
use weir::engine::{Actor, QueueAction, Replay, Stranded, Target, Through, Which};
use weir::ports::sim;

use super::bench::{Sender, Sink, adt, adt_to_ehr, channel, ledger, plan, start, until};

fn name() -> ChannelName {
    ChannelName::parse("adt").unwrap()
}

fn by() -> Actor {
    Actor::new("test", "maintenance")
}

fn state(engine: &weir::engine::Engine) -> &'static str {
    engine.status().unwrap().channels.first().unwrap().state
}

#[tokio::test(start_paused = true)]
async fn pauses_hold_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, handles) = sim::ports(21);
    let ehr = Sink::listen(&ports, 6000).await;
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let to = Target::Destination(DestinationName::parse("ehr").unwrap());
    engine.pause(&name(), to.clone(), &by()).await.unwrap();
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    ports.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!((ehr.count(), state(&engine)), (0, "running"));
    engine.stop("test").await.unwrap();

    let ports = handles.ports();
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    ports.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(ehr.count(), 0, "still paused after a restart");
    engine.resume(&name(), Target::All, &by()).await.unwrap();
    until(&ports, 10, "delivered", || ehr.count() == 1).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_takes_no_more_and_delivers_the_rest() {
    let (engine, ports, mut sender) = adt_to_ehr(22).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    engine.drain(&name(), &by()).await.unwrap();
    ports.clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(state(&engine), "draining");
    let ehr = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "drained", || state(&engine) == "drained").await;
    assert_eq!(ehr.count(), 1);
    let answer = sender.send(&adt("A2", "P1")).await;
    assert_eq!(answer, "", "nothing is taken any more");
    engine.resume(&name(), Target::All, &by()).await.unwrap();
    until(&ports, 60, "what waited in the socket is taken", || ehr.count() == 2).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_held_released_and_skipped() {
    let (engine, ports, mut sender) = adt_to_ehr(23).await;
    for n in 1..=3 {
        assert_eq!(sender.send(&adt(&format!("A{n}"), &format!("P{n}"))).await, "AA");
    }
    ports.clock.sleep(Duration::from_secs(2)).await;
    let only = |control: &str| engine.filter(&format!("control:{control}")).unwrap();
    let done = engine.queue_act(QueueAction::Hold, &only("A1"), &by()).await.unwrap();
    assert_eq!(done.done, 1);
    let refused = engine.queue_act(QueueAction::Skip, &only("A2"), &Actor::new("x", "")).await;
    assert_eq!(refused.unwrap_err().code().as_str(), "W8901");
    let planned = engine.queue_plan(QueueAction::Skip, &only("A2")).unwrap();
    assert_eq!(planned.count, 1);
    engine.queue_act(QueueAction::Skip, &only("A2"), &by()).await.unwrap();
    let ehr = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "the third", || ehr.count() == 1).await;
    assert_eq!(ehr.controls(), ["A3"]);
    until(&ports, 10, "settled", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    let row = ledger(&engine, "adt", "ehr");
    assert_eq!((row.held, row.skipped, row.unaccounted), (1, 1, 0));
    engine.queue_act(QueueAction::Release, &only("A1"), &by()).await.unwrap();
    until(&ports, 60, "released", || ehr.controls() == ["A3", "A1"]).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_or_held_behind_a_slow_attempt_is_not_sent() {
    let (engine, ports, mut sender) = adt_to_ehr(27).await;
    let ehr = Sink::listen(&ports, 6000).await;
    let to = Target::Destination(DestinationName::parse("ehr").unwrap());
    engine.pause(&name(), to.clone(), &by()).await.unwrap();
    for n in 1..=3 {
        assert_eq!(sender.send(&adt(&format!("A{n}"), &format!("P{n}"))).await, "AA");
    }
    // All three are taken from the queue at once, and the first attempt hangs.
    ehr.mute(true);
    engine.resume(&name(), to, &by()).await.unwrap();
    ports.clock.sleep(Duration::from_secs(1)).await;
    let only = |control: &str| engine.filter(&format!("control:{control}")).unwrap();
    engine.queue_act(QueueAction::Skip, &only("A2"), &by()).await.unwrap();
    engine.queue_act(QueueAction::Hold, &only("A3"), &by()).await.unwrap();
    ehr.mute(false);
    until(&ports, 60, "delivered", || ehr.count() > 0).await;
    ports.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(ehr.controls(), ["A1"]);
    let row = ledger(&engine, "adt", "ehr");
    assert_eq!((row.delivered, row.skipped, row.held), (1, 1, 1));
    engine.queue_act(QueueAction::Release, &only("A3"), &by()).await.unwrap();
    until(&ports, 60, "released", || ehr.controls() == ["A1", "A3"]).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_tries_at_once() {
    let (engine, ports, mut sender) = adt_to_ehr(26).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    // Long enough that the next try is far away.
    ports.clock.sleep(Duration::from_secs(600)).await;
    let ehr = Sink::listen(&ports, 6000).await;
    let waiting = engine.filter("channel:adt state:waiting").unwrap();
    let done = engine.queue_act(QueueAction::Retry, &waiting, &by()).await.unwrap();
    assert_eq!(done.done, 1);
    until(&ports, 2, "tried at once", || ehr.count() == 1).await;
    until(&ports, 10, "settled", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_connections_of_an_unchanged_listener() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(24);
    let ehr = Sink::listen(&ports, 6000).await;
    let lab = Sink::listen(&ports, 6001).await;
    let before = channel("adt", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &before)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    until(&ports, 10, "delivered", || ehr.count() == 1).await;

    let after = channel("adt", 2575, &[("ehr", 6000), ("lab", 6001)]);
    let other = channel("more", 2576, &[("ehr", 6000)]);
    let next = plan(dir.path(), &[("adt", &after), ("more", &other)]);
    let changes = engine.reload(next, &Stranded::Refuse, &by()).await.unwrap();
    assert_eq!(changes.changed.len(), 1);
    assert!(!changes.changed[0].source, "the listener is kept");
    assert_eq!(sender.send(&adt("A2", "P1")).await, "AA", "on the same connection");
    until(&ports, 10, "delivered to both", || ehr.count() == 2 && lab.count() == 1).await;
    let mut second = Sender::connect(&ports, 2576).await;
    assert_eq!(second.send(&adt("A3", "P1")).await, "AA");

    let next = plan(dir.path(), &[("adt", &after)]);
    until(&ports, 10, "delivered", || ehr.count() == 3).await;
    until(&ports, 10, "settled", || ledger(&engine, "more", "ehr").waiting == 0).await;
    engine.reload(next, &Stranded::Refuse, &by()).await.unwrap();
    assert_eq!(second.send(&adt("A4", "P1")).await, "", "the channel is gone");
    assert_eq!(sender.send(&adt("A5", "P1")).await, "AA");
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_would_strand_messages_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(25);
    let before = channel("adt", 2575, &[("ehr", 6000), ("lab", 6001)]);
    let engine = start(plan(dir.path(), &[("adt", &before)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    let revision = engine.plan().revision.clone();
    let after = channel("adt", 2575, &[("ehr", 6000)]);
    let next = plan(dir.path(), &[("adt", &after)]);
    let refused = engine.reload(next.clone(), &Stranded::Refuse, &by()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "W6021");
    assert_eq!(engine.plan().revision, revision);
    engine.reload(next, &Stranded::Drop, &by()).await.unwrap();
    assert_eq!(ledger(&engine, "adt", "lab").skipped, 1);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn content_past_its_time_is_gone_and_everybody_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, handles) = sim::ports(28);
    let ehr = Sink::listen(&ports, 6000).await;
    let text = channel("adt", 2575, &[("ehr", 6000), ("lis", 6001)]);
    let mut plan = plan(dir.path(), &[("adt", &text)]);
    plan.server.store.keep_content = Duration::from_secs(1800);
    let engine = start(plan.clone(), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    until(&ports, 10, "delivered", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    // Started again, so that the segment is one of before.
    engine.stop("test").await.unwrap();
    let ports = handles.ports();
    let engine = start(plan, &ports).await;
    ports.clock.sleep(Duration::from_secs(3600)).await;
    let filter = engine.filter("control:A1").unwrap();
    let traced = async || engine.trace(&filter, &by()).await.unwrap().0.remove(0).record;
    assert!(!traced().await.original.is_removed(), "it waits for the other destination");
    engine.queue_act(QueueAction::Skip, &filter, &by()).await.unwrap();
    ports.clock.sleep(Duration::from_secs(3600)).await;
    let record = traced().await;
    assert!(record.original.is_removed());
    let shown = engine.reveal(record.id, &Which::Original, "TREAT", &by()).await;
    assert_eq!(shown.unwrap_err().code().as_str(), "W6015");
    for through in [Through::Then, Through::Now] {
        let replay = Replay { filter: filter.clone(), to: None, through, rate: None };
        let refused = engine.replay(&replay, &Actor::new("test", "")).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "W8901", "without a reason");
        let done = engine.replay(&replay, &by()).await.unwrap();
        let codes: Vec<_> = done.failed.iter().map(|(_, fault)| fault.code().as_str()).collect();
        assert_eq!((done.done, codes), (0, vec!["W6015", "W6015"]));
    }
    let row = ledger(&engine, "adt", "ehr");
    assert_eq!((row.delivered, row.unaccounted, ehr.count()), (1, 0, 1));
    engine.stop("test").await.unwrap();
}
