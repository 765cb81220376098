//! Consent between intake and destination: what a redaction keeps back stays back, whatever
//! happens to a message on the way, and who holds it decides when it goes on.

use std::path::Path;

use weir::config::Plan;
use weir::engine::Engine;
use weir::ports::{Ports, sim};

use super::bench::{Sender, Sink, adt, channel_with, plan, start, until};

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
