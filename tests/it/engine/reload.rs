//! Reloads that take destinations away: nothing is left waiting without a courier, and what
//! waits is refused, given up or adopted.

use std::time::Duration;

use weir::base::ChannelName;
use weir::config::Plan;
use weir::engine::{Actor, Engine, Heirs, Stranded};
use weir::ports::sim;

use super::bench::{Sender, Sink, adt, channel, ledger, plan, start, until};

fn by() -> Actor {
    Actor::new("test", "maintenance")
}

/// Reloads beside the test.
#[expect(clippy::disallowed_methods, reason = "a test acts beside the engine")]
fn reload_beside(
    engine: &Engine,
    next: Plan,
    stranded: Stranded,
) -> tokio::task::JoinHandle<Option<String>> {
    let engine = engine.clone();
    tokio::spawn(async move {
        let done = engine.reload(next, &stranded, &by()).await;
        done.err().map(|fault| fault.code().to_string())
    })
}

#[tokio::test(start_paused = true)]
async fn a_message_during_a_reload_is_not_owed_to_what_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(61);
    let ehr = Sink::listen(&ports, 6000).await;
    let lab = Sink::listen(&ports, 6001).await;
    let before = channel("adt", 2575, &[("lab", 6001), ("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &before)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    // An attempt that hangs makes the stop of its courier slow.
    ehr.mute(true);
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    until(&ports, 10, "lab has it", || ledger(&engine, "adt", "lab").delivered == 1).await;
    let after = channel("adt", 2575, &[("ehr", 6000)]).replace("\"5s\"", "\"6s\"");
    let next = plan(dir.path(), &[("adt", &after)]);
    let reload = reload_beside(&engine, next, Stranded::Refuse);
    ports.clock.sleep(Duration::from_secs(1)).await;
    assert!(!reload.is_finished(), "the reload waits for the attempt");
    assert_eq!(sender.send(&adt("A2", "P2")).await, "AA");
    ehr.mute(false);
    assert_eq!(reload.await.unwrap(), None);
    until(&ports, 120, "delivered", || ehr.count() == 2).await;
    assert_eq!(lab.controls(), ["A1"]);
    let row = ledger(&engine, "adt", "lab");
    assert_eq!((row.committed, row.waiting), (1, 0), "nothing waits without a courier");
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_name_adopts_what_waits_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(62);
    let before = channel("adt", 2575, &[("lab", 6001)]);
    let engine = start(plan(dir.path(), &[("adt", &before)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    for n in 0..70 {
        assert_eq!(sender.send(&adt(&format!("A{n:02}"), "P1")).await, "AA");
    }
    let after = channel("adt", 2575, &[("lis", 6002)]);
    let next = plan(dir.path(), &[("adt", &after)]);
    let adopt = |text: &str| Stranded::Adopt(Heirs::parse(text).unwrap());
    let refused = engine.reload(next.clone(), &Stranded::Refuse, &by()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "W6021");
    let refused = engine.reload(next.clone(), &adopt("nobody"), &by()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "W6906");
    let refused = engine.reload(next.clone(), &adopt("other/lis"), &by()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "W6905");
    engine.reload(next, &adopt("lis"), &by()).await.unwrap();
    assert_eq!(sender.send(&adt("A70", "P1")).await, "AA", "on the same connection");
    let lis = Sink::listen(&ports, 6002).await;
    until(&ports, 300, "delivered", || lis.count() == 71).await;
    assert!(lis.controls().is_sorted(), "{:?}", lis.controls());
    until(&ports, 10, "settled", || ledger(&engine, "adt", "lis").delivered == 71).await;
    let old = ledger(&engine, "adt", "lab");
    assert_eq!((old.skipped, old.waiting, old.unaccounted), (70, 0, 0));
    let found = engine.filter("control:A05").unwrap();
    let (traced, _) = engine.trace(&found, &by()).await.unwrap();
    assert_eq!(traced.len(), 2, "the message and its adopted delivery");
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_goes_takes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(63);
    let lab = Sink::listen(&ports, 6001).await;
    let ehr = Sink::listen(&ports, 6000).await;
    let one = channel("one", 2575, &[("lab", 6001)]);
    let two = channel("two", 2576, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("one", &one), ("two", &two)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    lab.mute(true);
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    ports.clock.sleep(Duration::from_millis(100)).await;
    let next = plan(dir.path(), &[("two", &two)]);
    let adopt = Stranded::Adopt(Heirs::parse("two/ehr").unwrap());
    let reload = reload_beside(&engine, next, adopt);
    ports.clock.sleep(Duration::from_millis(100)).await;
    assert!(!reload.is_finished(), "the reload waits for the attempt");
    let answer = sender.exchange(&adt("A2", "P1")).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("MSA|AE|A2") && answer.contains("W6910"), "{answer}");
    assert_eq!(reload.await.unwrap(), None);
    until(&ports, 60, "adopted", || ehr.controls() == ["A1"]).await;
    let row = ledger(&engine, "one", "lab");
    assert_eq!((row.committed, row.waiting, row.skipped), (1, 0, 1));
    assert!(engine.address(&ChannelName::parse("one").unwrap()).is_none());
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_channels_stop_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(64);
    let names = ["one", "two", "three", "four"];
    let texts: Vec<String> =
        (0..).zip(names).map(|(n, name)| channel(name, 2575 + n, &[("ehr", 6000)])).collect();
    let files: Vec<(&str, &str)> =
        names.into_iter().zip(&texts).map(|(name, text)| (name, text.as_str())).collect();
    let engine = start(plan(dir.path(), &files), &ports).await;
    let mut senders = Vec::new();
    for n in 0..4 {
        let mut sender = Sender::connect(&ports, 2575 + n).await;
        // The begin of a frame whose end never comes holds its source to the limit.
        sender.begin(b"MSH|").await;
        senders.push(sender);
    }
    ports.clock.sleep(Duration::from_millis(100)).await;
    let begin = ports.clock.monotonic();
    engine.stop("test").await.unwrap();
    let took = ports.clock.monotonic() - begin;
    assert!(took < Duration::from_secs(25), "{took:?}");
}

/// A channel that was renamed while weir was down: what waits is seen at once.
#[tokio::test(start_paused = true)]
async fn what_waits_for_nobody_after_a_start_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, handles) = sim::ports(59);
    let engine =
        start(plan(dir.path(), &[("adt", &channel("adt", 2575, &[("ehr", 6000)]))]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    assert_eq!(sender.send(&adt("A1", "P1")).await, "AA");
    engine.stop("test").await.unwrap();
    drop(engine);

    let ports = handles.ports();
    let renamed = channel("adt-new", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt-new", &renamed)]), &ports).await;
    let status = engine.status().unwrap();
    assert_eq!(status.stranded.len(), 1);
    let row = &status.stranded[0];
    assert_eq!((row.channel.as_str(), row.destination.as_str(), row.waiting), ("adt", "ehr", 1));
    let shown = || engine.registry().text();
    let row = "weir_queue_messages{channel=\"adt\",destination=\"ehr\",state=\"ready\"} 1";
    until(&ports, 10, "a row in the metrics", || shown().contains(row)).await;
    engine.stop("test").await.unwrap();
}
