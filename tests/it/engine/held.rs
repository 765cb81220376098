//! What `[validate]` holds: only a person lets it go.

use weir::engine::{Actor, QueueAction};
use weir::ports::sim;

use super::bench::{Sender, Sink, adt, channel_with, field, ledger, plan, start, until};

/// A consent of the patient `P1`.
fn consent(kind: &str) -> bytes::Bytes {
    let text = format!(
        r#"{{"resourceType":"Consent","id":"c","status":"active","scope":{{}},"category":[{{}}],
        "patient":{{"reference":"Patient/P1","identifier":{{"value":"P1"}}}},
        "provision":{{"type":"{kind}"}}}}"#
    );
    bytes::Bytes::from(text)
}

#[tokio::test(start_paused = true)]
async fn what_a_check_holds_no_consent_releases() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, handles) = sim::ports(31);
    let sink = Sink::listen(&ports, 6000).await;
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"\non_deny = \"hold\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)])
        + "[validate]\non_fail = \"hold\"\n[[validate.rule]]\nmust = \"PID-5.1 = 'Doe'\"\n\
           message = \"this channel knows one name\"\n";
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let (weir, person) = (Actor::new("weir", "a consent came"), Actor::new("kim", "looked at it"));
    let mut sender = Sender::connect(&ports, 2575).await;
    let wrong = String::from_utf8(adt("H1", "P1")).unwrap().replace("Doe", "Roe");
    let answer = sender.exchange(wrong.as_bytes()).await;
    assert_eq!(field(&answer, "MSA", 1), "AA", "weir has it");
    assert_eq!(ledger(&engine, "adt", "ehr").held, 1);

    // A consent of the patient releases what consent held, and not this.
    for kind in ["deny", "permit"] {
        let stored = engine.put_consent(consent(kind), None, &person).await.unwrap();
        assert_eq!(stored.released, 0, "{kind}");
    }
    let held = || engine.filter("state:held").unwrap();
    let done = engine.queue_act(QueueAction::Release, &held(), &weir).await.unwrap();
    assert_eq!((done.done, done.failed.len()), (0, 1), "not weir itself either");
    assert_eq!(ledger(&engine, "adt", "ehr").held, 1);
    engine.stop("test").await.unwrap();

    // So it is after a restart, until a person looked at it.
    let ports = handles.ports();
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let held = || engine.filter("state:held").unwrap();
    let done = engine.queue_act(QueueAction::Release, &held(), &weir).await.unwrap();
    assert_eq!(done.done, 0);
    assert_eq!(sink.count(), 0);
    let done = engine.queue_act(QueueAction::Release, &held(), &person).await.unwrap();
    assert_eq!((done.done, done.failed.len()), (1, 0));
    until(&ports, 60, "delivered", || sink.controls() == ["H1"]).await;
    until(&ports, 60, "settled", || ledger(&engine, "adt", "ehr").delivered == 1).await;
    engine.stop("test").await.unwrap();
}
