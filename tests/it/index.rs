//! The index is made anew from the journal: same ledger, same queues, same search results.

use std::fs;

use serde_json::Value;
use weir::ports::Ports;
use weir::tool::client::MllpClient;
use weir::tool::load;

use super::support::free_address;
use super::support::sink::Sink;
use super::support::site::{Site, until};

/// A channel with a destination that answers, one that nobody listens on, and a filter.
const CHANNEL: &str = r#"[channel]
name = "three-ways"
order_by = "PID-3.1"
[source]
type = "mllp"
listen = "LISTEN"
[consent]
policy = "none"
why = "synthetic"
[destination.up]
type = "mllp"
connect = "SINK"
recipient = "Organization/up"
purpose = "TREAT"
[destination.down]
type = "mllp"
connect = "NOBODY"
recipient = "Organization/down"
purpose = "TREAT"
retry = { first = "1h", max = "2h" }
[destination.never]
type = "mllp"
connect = "NOBODY"
recipient = "Organization/never"
purpose = "TREAT"
when = "PV1-2 = 'X'"
"#;

/// Everything a reader can see of the store.
fn seen(site: &Site) -> Vec<Value> {
    let ledger = site.json(&["ledger"]);
    let queue = site.json(&["queue", "ls", "--limit", "1000"]);
    let by_control = site.json(&["trace", "--control", "I-7"]);
    let filtered = site.json(&["queue", "ls", "dest:never", "state:filtered", "--limit", "1000"]);
    let delivered = site.json(&["queue", "ls", "dest:up", "state:delivered", "--limit", "1000"]);
    vec![ledger, queue, by_control, filtered, delivered]
}

#[test]
fn a_deleted_index_comes_back_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sink = runtime.block_on(Sink::start(None));
    let (listen, nobody) = (free_address(), free_address());
    let site = Site::new();
    let text = CHANNEL
        .replace("LISTEN", &listen.to_string())
        .replace("SINK", &sink.address.to_string())
        .replace("NOBODY", &nobody.to_string());
    site.file("channels/three-ways.toml", &text);
    let running = site.start();
    runtime.block_on(async {
        let ports = Ports::system();
        let wait = std::time::Duration::from_secs(10);
        let mut client = MllpClient::connect(&ports, &listen.to_string(), None).await.unwrap();
        for number in 0..40u64 {
            let message = load::message(&format!("I-{number}"), number % 8, 600);
            client.ask(&ports, &message, wait).await.unwrap();
        }
    });
    until("the good destination has all", || sink.seen().len() == 40);
    site.ok(&["queue", "skip", "dest:down control:I-3", "--reason", "test", "--yes"]);
    site.ok(&["queue", "hold", "dest:down control:I-4", "--yes"]);
    // No attempt may come between the two looks.
    site.ok(&["channel", "pause", "three-ways", "down"]);
    let before = seen(&site);
    assert!(running.stop().success());
    fs::remove_dir_all(site.root().join("data/index")).unwrap();
    let running = site.start();
    let after = seen(&site);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(sink.seen().len(), 40, "nothing is sent twice");
    assert!(running.stop().success());
    let check = site.ok(&["store", "check"]);
    assert!(check.contains("0 problems"), "{check}");
    runtime.block_on(sink.stop());
}
