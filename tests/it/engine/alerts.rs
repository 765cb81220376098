//! Alerts of a whole engine: one notice when it opens, one when it ends, through a program.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir::engine::Actor;
use weir::ports::{Ports, Stream, sim};

use super::bench::{Sender, Sink, adt, channel, plan, start, until};

/// Adds alerts to the configuration and reads it again.
fn with(root: &Path, channels: &[(&str, &str)], more: &str) -> weir::config::Plan {
    let _ = plan(root, channels);
    let path = root.join("config.toml");
    let notes = root.join("notes.jsonl");
    let config = std::fs::read_to_string(&path).unwrap();
    let program = format!(
        "[exec.note]\nargv = [\"sh\", \"-c\", \"cat >> '{}'; echo >> '{0}'\"]\n\
         [notify.desk]\ntype = \"exec\"\nprogram = \"note\"\n",
        notes.display()
    );
    std::fs::write(&path, config + &program + more).unwrap();
    let (plan, problems, _) = weir::config::load(root, None);
    plan.unwrap_or_else(|| panic!("{:?}", problems.iter().collect::<Vec<_>>()))
}

/// `kind alert subject code` of each notice so far.
fn notes(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join("notes.jsonl")).unwrap_or_default();
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["schema"], "weir.notice.v1");
        let part = |key: &str| value[key].as_str().unwrap_or("-").to_owned();
        [part("kind"), part("alert"), part("subject"), part("code")].join(" ")
    };
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

/// Sends a message until it is taken: on a loaded machine the paused clock outruns the thread
/// that writes the journal, and a message that comes again is not taken twice.
async fn taken(sender: &mut Sender, ports: &Ports) {
    for _ in 0..20 {
        if sender.send(&adt("A1", "P1")).await == "AA" {
            return;
        }
        *sender = Sender::connect(ports, 2575).await;
    }
    panic!("the message is not taken");
}

async fn told(ports: &Ports, root: &Path, expected: &[&str]) {
    until(ports, 120, "notices", || notes(root).len() >= expected.len()).await;
    assert_eq!(notes(root), expected);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_down_is_told_once_and_its_return_once() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(71);
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let rules = "[[alert]]\nname = \"down\"\nwhen = \"destination.down > 30s\"\nfor = \"20s\"\n\
                 notify = [\"desk\"]\n[[alert]]\nname = \"other\"\non = [\"lab\"]\n\
                 when = \"queue.messages > 0\"\nnotify = [\"desk\"]\n";
    let engine = start(with(dir.path(), &[("adt", &text)], rules), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    taken(&mut sender, &ports).await;
    ports.clock.sleep(Duration::from_secs(25)).await;
    assert!(notes(dir.path()).is_empty(), "not long enough");
    told(&ports, dir.path(), &["opened down adt/ehr W7101"]).await;
    let text = engine.registry().text();
    assert!(text.contains("weir_alerts_firing{alert=\"down\"} 1"), "{text}");
    assert!(text.contains("weir_alerts_firing{alert=\"other\"} 0"), "{text}");
    ports.clock.sleep(Duration::from_secs(600)).await;
    assert_eq!(notes(dir.path()).len(), 1, "not told twice");
    assert_eq!(engine.alert_ack("down", &Actor::new("kim", "on it")).await.unwrap(), 1);
    let fault = engine.alert_ack("dwon", &Actor::new("kim", "")).await.unwrap_err();
    assert!(fault.help().contains("`down`"), "{fault}");
    let hour = Duration::from_secs(3600);
    let kim = Actor::new("kim", "works in the cellar");
    engine.alert_mute("other", hour, &kim).await.unwrap();
    let text = engine.registry().text();
    for action in ["alert_acked", "alert_muted"] {
        let line = format!("weir_audit_records_total{{action=\"{action}\"}} 1");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    let ehr = Sink::listen(&ports, 6000).await;
    until(&ports, 120, "delivered", || ehr.count() == 1).await;
    told(&ports, dir.path(), &["opened down adt/ehr W7101", "ended down adt/ehr W7101"]).await;
    // No value of a message is in a notice.
    let said = std::fs::read_to_string(dir.path().join("notes.jsonl")).unwrap();
    assert!(!said.contains("P1") && !said.contains("A1"), "{said}");
    let sent = engine.alert_test("down").await.unwrap();
    assert!(sent.iter().all(|(_, fault)| fault.is_none()), "{sent:?}");
    assert_eq!(notes(dir.path()).last().unwrap(), "test down the server -");
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_should_speak_and_is_silent_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(72);
    let _ehr = Sink::listen(&ports, 6000).await;
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let text = text.replace("order_by", "expect = { every = \"10m\" }\norder_by");
    let engine = start(with(dir.path(), &[("adt", &text)], ""), &ports).await;
    ports.clock.sleep(Duration::from_secs(590)).await;
    assert!(notes(dir.path()).is_empty());
    told(&ports, dir.path(), &["opened silent-adt adt -"]).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    taken(&mut sender, &ports).await;
    told(&ports, dir.path(), &["opened silent-adt adt -", "ended silent-adt adt -"]).await;
    engine.stop("test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_audit_chain_is_walked_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(73);
    let _ehr = Sink::listen(&ports, 6000).await;
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    taken(&mut sender, &ports).await;
    let shown = |line: &str| engine.registry().text().lines().any(|known| known.starts_with(line));
    until(&ports, 600, "walked", || shown("weir_audit_chain_valid 1")).await;
    for line in [
        "weir_audit_records_total{action=\"message_accepted\"} 1",
        "weir_audit_records_total{action=\"delivery_delivered\"} 1",
        "weir_audit_records_total{action=\"engine_started\"} 1",
        "weir_audit_verified_timestamp_seconds ",
        "weir_unused_fields_total{channel=\"adt\"} 0",
        "weir_store_commit_messages_count ",
        "weir_queue_bytes{channel=\"adt\",destination=\"ehr\"} 0",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
        "process_open_fds ",
        "process_max_fds ",
        "process_virtual_memory_bytes ",
    ] {
        assert!(shown(line), "{line}\n{}", engine.registry().text());
    }
    engine.stop("test").await.unwrap();
}

/// An HTTP server that keeps what is posted to it; it fails the first time.
#[expect(clippy::disallowed_methods, reason = "a peer is no task of the engine")]
async fn hook(ports: &Ports, port: u16) -> Arc<Mutex<Vec<String>>> {
    let listener = ports.net.listen(([127, 0, 0, 1], port).into()).await.unwrap();
    let kept: Arc<Mutex<Vec<String>>> = Arc::default();
    let all = kept.clone();
    tokio::spawn(async move {
        let mut status = "503 Service Unavailable";
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            all.lock().unwrap().push(request);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            status = "204 No Content";
        }
    });
    kept
}

/// Reads one request: its head and as many bytes as it says.
async fn read_request(stream: &mut Box<dyn Stream>) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(stream.read_u8().await.unwrap()));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_gets_the_notices_of_an_alert() {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(74);
    let kept = hook(&ports, 9009).await;
    let address = dir.path().join("hook.url");
    std::fs::write(&address, "http://127.0.0.1:9009/notices?token=t0ken").unwrap();
    let text = channel("adt", 2575, &[("ehr", 6000)]);
    let rules = format!(
        "[notify.pager]\ntype = \"webhook\"\nurl = \"file:{}\"\n[[alert]]\nname = \"queue\"\n\
         when = \"queue.messages > 0\"\nnotify = [\"pager\"]\n",
        address.display()
    );
    let engine = start(with(dir.path(), &[("adt", &text)], &rules), &ports).await;
    let mut sender = Sender::connect(&ports, 2575).await;
    taken(&mut sender, &ports).await;
    let count = || kept.lock().unwrap().len();
    until(&ports, 60, "told, and told again after the failure", || count() == 2).await;
    let ehr = Sink::listen(&ports, 6000).await;
    until(&ports, 300, "delivered", || ehr.count() == 1).await;
    until(&ports, 60, "the end is told", || count() == 3).await;
    let kept = kept.lock().unwrap().clone();
    for (request, kind) in kept.iter().zip(["opened", "opened", "ended"]) {
        assert!(request.starts_with("POST /notices?token=t0ken HTTP/1.1\r\n"), "{request}");
        assert!(request.to_ascii_lowercase().contains("content-type: application/json"));
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        let part = |key: &str| value[key].as_str().unwrap_or("-").to_owned();
        assert_eq!(
            [part("schema"), part("kind"), part("alert"), part("subject"), part("site")],
            ["weir.notice.v1", kind, "queue", "adt/ehr", "test"]
        );
        assert!(!request.contains("P1") && !request.contains("A1"), "{request}");
    }
    assert_eq!(kept[0].split_once("\r\n\r\n"), kept[1].split_once("\r\n\r\n"));
    engine.stop("test").await.unwrap();
}
