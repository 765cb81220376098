//! Consent between intake and destination: what a redaction keeps back stays back, whatever
//! happens to a message on the way, and who holds it decides when it goes on.

use std::path::Path;
use std::time::Duration;

use weir::base::DestinationName;
use weir::config::Plan;
use weir::engine::{Actor, Engine, QueueAction, Replay, Stranded, Target, Through};
use weir::filter::Filter;
use weir::ports::{Ports, sim};

use super::bench::{Sender, Sink, adt, channel_with, consent, ledger, plan, start, until};

/// A policy `gate` with these lines behind its head.
fn gate(root: &Path, rest: &str) {
    std::fs::create_dir_all(root.join("policies")).unwrap();
    let text = format!("[policy]\nname = \"gate\"\nabout = \"a test\"\n{rest}");
    std::fs::write(root.join("policies/gate.toml"), text).unwrap();
}

/// A channel `adt` under the policy `gate` to `ehr` on 6000, with these lines in `[consent]`.
fn gated(root: &Path, consent: &str) -> Plan {
    let consent = format!("policy = \"gate\"\npatient = \"PID-3.1\"\n{consent}");
    plan(root, &[("adt", &channel_with("adt", 2575, &consent, &[("ehr", 6000)]))])
}

/// An engine under the policy, and a sender; nobody listens on 6000 yet.
async fn under(seed: u64, root: &Path, (policy, consent): (&str, &str)) -> (Engine, Ports, Sender) {
    let (ports, _) = sim::ports(seed);
    gate(root, policy);
    let engine = start(gated(root, consent), &ports).await;
    let sender = Sender::connect(&ports, 2575).await;
    (engine, ports, sender)
}

fn by() -> Actor {
    Actor::new("test", "maintenance")
}

fn all(engine: &Engine) -> Filter {
    engine.filter("channel:adt").unwrap()
}

/// What consent decided, as the audit log has it on disk: the first word of each leaf.
fn decided(engine: &Engine) -> Vec<String> {
    let mut words = Vec::new();
    let visited = engine.store().leaves(&mut |_, leaves| {
        let asked = leaves.iter().filter(|leaf| &*leaf.action == "consent_decided");
        words.extend(
            asked.filter_map(|leaf| leaf.decision.as_deref()?.split(' ').next()?.parse().ok()),
        );
        Ok(())
    });
    visited.unwrap();
    words
}

async fn act(engine: &Engine, action: QueueAction) -> (u64, u64) {
    let done = engine.queue_act(action, &all(engine), &by()).await.unwrap();
    (done.done, done.failed_count)
}

async fn replay(engine: &Engine, through: Through) -> (u64, u64) {
    let replay = Replay { filter: all(engine), to: None, through, rate: None };
    let done = engine.replay(&replay, &by()).await.unwrap();
    (done.done, done.failed_count)
}

/// Names of patients are left out; about everything else nothing is said.
const NAMELESS: &str = "[[rule]]\nname = \"names\"\nclass = [\"Patient\"]\nthen = \"redact\"\n\
                        paths = [\"PID-5\"]\n";

#[tokio::test(start_paused = true)]
async fn an_unknown_that_passes_leaves_redacted() {
    let dir = tempfile::tempdir().unwrap();
    let rules = (NAMELESS, "on_unknown = \"permit\"");
    let (engine, ports, mut sender) = under(71, dir.path(), rules).await;
    // The visit is unknown beside the patient; of the second nobody knows whose it is.
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    assert_eq!(sender.send(&adt("C2", "")).await, "AA");
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "delivered", || sink.count() == 2).await;
    assert_eq!(sink.fields("PID", 5), ["", ""]);
    engine.stop("test").await.unwrap();
}

/// Everything may leave.
const OPEN: &str = "default = \"permit\"\n";

#[tokio::test(start_paused = true)]
async fn a_body_made_anew_under_a_permit_is_redacted_when_it_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let redacting = format!("{OPEN}{NAMELESS}");
    let (engine, ports, mut sender) = under(72, dir.path(), (&redacting, "")).await;
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    gate(dir.path(), OPEN);
    engine.reload(gated(dir.path(), ""), &Stranded::Refuse, &by()).await.unwrap();
    assert_eq!(act(&engine, QueueAction::Skip).await, (1, 0));
    assert_eq!(replay(&engine, Through::Now).await, (1, 0));
    // The very rule of the intake is back.
    gate(dir.path(), &redacting);
    engine.reload(gated(dir.path(), ""), &Stranded::Refuse, &by()).await.unwrap();
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "delivered", || sink.count() == 1).await;
    assert_eq!(sink.fields("PID", 5), [""]);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_redaction_holds_where_the_condition_changed_since() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, ports, mut sender) = under(73, dir.path(), (OPEN, "")).await;
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    gate(dir.path(), &format!("{OPEN}{NAMELESS}"));
    let gate = "policy = \"gate\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)])
        .replace("timeout   =", "when = \"PID-8 = 'F'\"\ntimeout   =");
    let next = plan(dir.path(), &[("adt", &text)]);
    engine.reload(next, &Stranded::Refuse, &by()).await.unwrap();
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "delivered", || sink.count() == 1).await;
    assert_eq!(sink.fields("PID", 5), [""]);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_redacted_anew_is_in_the_audit_log_before_it_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, ports, mut sender) = under(78, dir.path(), (OPEN, "")).await;
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    gate(dir.path(), &format!("{OPEN}{NAMELESS}"));
    let gate = "policy = \"gate\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)]).replace("\"5s\"", "\"10m\"");
    let next = plan(dir.path(), &[("adt", &text)]);
    engine.reload(next, &Stranded::Refuse, &by()).await.unwrap();
    // A peer that has it and does not answer.
    let sink = Sink::listen(&ports, 6000).await;
    sink.mute(true);
    ports.clock.sleep(Duration::from_secs(120)).await;
    assert_eq!(ledger(&engine, "adt", "ehr").waiting, 1);
    assert_eq!(decided(&engine), ["permit", "redact"]);
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consent_releases_what_consent_held_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let rules = (OPEN, "on_deny = \"hold\"");
    let (engine, ports, mut sender) = under(74, dir.path(), rules).await;
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    assert_eq!(act(&engine, QueueAction::Hold).await, (1, 0));
    assert_eq!(sender.send(&adt("C2", "P1")).await, "AA");
    // The second is held by consent as it is about to leave.
    engine.put_consent(consent("c", "deny"), None, &by()).await.unwrap();
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "held", || ledger(&engine, "adt", "ehr").held == 2).await;
    let stored = engine.put_consent(consent("c", "permit"), None, &by()).await.unwrap();
    assert_eq!(stored.released, 1);
    until(&ports, 120, "delivered", || sink.count() == 1).await;
    ports.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(sink.controls(), ["C2"]);
    assert_eq!(act(&engine, QueueAction::Release).await, (1, 0));
    until(&ports, 120, "released", || sink.controls() == ["C2", "C1"]).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_for_a_body_made_anew_is_audited() {
    let dir = tempfile::tempdir().unwrap();
    let rules = (OPEN, "on_deny = \"hold\"");
    let (engine, ports, mut sender) = under(75, dir.path(), rules).await;
    engine.put_consent(consent("c", "deny"), None, &by()).await.unwrap();
    assert_eq!(sender.send(&adt("C1", "P1")).await, "AA");
    let mut expected = vec!["deny"];
    assert_eq!(decided(&engine), expected);
    // Refused, and the denial stands there.
    assert_eq!(act(&engine, QueueAction::Release).await, (0, 1));
    expected.push("deny");
    assert_eq!(decided(&engine), expected);
    assert_eq!(replay(&engine, Through::Now).await, (0, 1));
    expected.push("deny");
    assert_eq!(decided(&engine), expected);
    assert_eq!(act(&engine, QueueAction::Skip).await, (1, 0));
    assert_eq!(replay(&engine, Through::Then).await, (0, 1));
    expected.push("deny");
    assert_eq!(decided(&engine), expected);
    engine.delete_consent("c", &by()).await.unwrap();
    assert_eq!(replay(&engine, Through::Then).await, (1, 0));
    expected.push("permit");
    assert_eq!(decided(&engine), expected);
    assert_eq!(act(&engine, QueueAction::Skip).await, (1, 0));
    assert_eq!(replay(&engine, Through::Now).await, (1, 0));
    expected.push("permit");
    assert_eq!(decided(&engine), expected);
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "delivered", || sink.count() == 1).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_while_the_rate_makes_it_wait_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(76);
    gate(dir.path(), OPEN);
    let gate = "policy = \"gate\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)])
        .replace("timeout   =", "rate = \"1/m\"\ntimeout   =");
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let to = Target::Destination(DestinationName::parse("ehr").unwrap());
    let name = weir::base::ChannelName::parse("adt").unwrap();
    let sink = Sink::listen(&ports, 6000).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    let mut turn = async |control: &str, patient: &str| {
        assert_eq!(sender.send(&adt(control, patient)).await, "AA");
        ports.clock.sleep(Duration::from_secs(5)).await;
    };
    turn("C1", "P9").await;
    turn("C2", "P1").await;
    engine.put_consent(consent("c", "deny"), None, &by()).await.unwrap();
    until(&ports, 180, "denied", || ledger(&engine, "adt", "ehr").denied == 1).await;
    turn("C3", "P3").await;
    let only = engine.filter("control:C3").unwrap();
    engine.queue_act(QueueAction::Skip, &only, &by()).await.unwrap();
    ports.clock.sleep(Duration::from_secs(180)).await;
    turn("C4", "P4").await;
    turn("C5", "P5").await;
    engine.pause(&name, to, &by()).await.unwrap();
    ports.clock.sleep(Duration::from_secs(180)).await;
    assert_eq!(sink.controls(), ["C1", "C4"]);
    engine.resume(&name, Target::All, &by()).await.unwrap();
    until(&ports, 180, "delivered", || sink.controls() == ["C1", "C4", "C5"]).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_denial_finds_a_patient_named_in_the_character_set_of_the_channel() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(77);
    gate(dir.path(), OPEN);
    let gate = "policy = \"gate\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 2575, gate, &[("ehr", 6000)])
        .replace("type   = \"mllp\"", "type   = \"mllp\"\ncharset = \"8859/1\"");
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    // Two bytes, one character by UTF-8 and two by the set of the channel.
    assert_eq!(sender.send(&adt("C1", "P\u{e9}")).await, "AA");
    let deny = String::from_utf8(consent("c", "deny").to_vec()).unwrap();
    let deny = deny.replace("\"P1\"", "\"P\u{c3}\u{a9}\"");
    engine.put_consent(deny.into(), None, &by()).await.unwrap();
    let sink = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "denied", || ledger(&engine, "adt", "ehr").denied == 1).await;
    assert_eq!(sink.count(), 0);
    engine.stop("test").await.unwrap();
}
