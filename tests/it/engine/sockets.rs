//! The engine on real sockets and a real disk.

use weir::ports::Ports;
use weir::store::IndexHome;
use weir::web::Web;

use super::bench::{Sender, Sink, adt, channel, channel_with, ledger, plan, start, until};

#[tokio::test]
async fn a_message_crosses_real_sockets_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::system();
    let sink = Sink::listen(&ports, 0).await;
    let text = channel("adt", 0, &[("ehr", sink.port)]);
    let mut plan = plan(dir.path(), &[("adt", &text)]);
    plan.server.store.index = IndexHome::Directory;
    let engine = start(plan.clone(), &ports).await;
    let name = weir::base::ChannelName::parse("adt").unwrap();
    until(&ports, 10, "listening", || engine.address(&name).is_some()).await;
    let port = engine.address(&name).unwrap().port();
    let mut sender = Sender::connect(&ports, port).await;
    for n in 0..20 {
        assert_eq!(sender.send(&adt(&format!("A{n:02}"), "PATIENT1")).await, "AA");
    }
    until(&ports, 20, "delivered", || sink.count() == 20).await;
    assert!(sink.controls().is_sorted());
    engine.stop("test").await.unwrap();

    let engine = start(plan, &ports).await;
    until(&ports, 10, "listening", || engine.address(&name).is_some()).await;
    assert_eq!(ledger(&engine, "adt", "ehr").committed, 20);
    let port = engine.address(&name).unwrap().port();
    let mut sender = Sender::connect(&ports, port).await;
    assert_eq!(sender.send(&adt("A20", "PATIENT1")).await, "AA");
    until(&ports, 20, "delivered", || sink.controls().contains(&"A20".to_owned())).await;
    engine.stop("test").await.unwrap();
}

async fn http(port: u16, request: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn request(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_api_answers() {
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::system();
    let sink = Sink::listen(&ports, 0).await;
    let gate = "policy = \"open\"\npatient = \"PID-3.1\"";
    let text = channel_with("adt", 0, gate, &[("ehr", sink.port)]);
    let engine = start(plan(dir.path(), &[("adt", &text)]), &ports).await;
    let web = Web::new(engine.clone(), None);
    let (_admin, admin) = web.serve_admin("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (_metrics, metrics) = web.serve_metrics("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let _socket = web.serve_socket(&dir.path().join("weir.sock")).unwrap();
    let name = weir::base::ChannelName::parse("adt").unwrap();
    until(&ports, 10, "listening", || engine.address(&name).is_some()).await;
    let port = engine.address(&name).unwrap().port();
    let mut sender = Sender::connect(&ports, port).await;
    assert_eq!(sender.send(&adt("A1", "PATIENT1")).await, "AA");
    until(&ports, 20, "delivered", || sink.count() == 1).await;

    let get = async |path: &str| http(admin.port(), &request("GET", path, "")).await;
    let post =
        async |path: &str, body: &str| http(admin.port(), &request("POST", path, body)).await;
    let (status, body) = get("/api/v1/status").await;
    assert!(status == 200 && body.contains("weir.status.v1"), "{body}");
    let (status, body) = get("/api/v1/trace?control=A1").await;
    assert!(status == 200 && body.contains("\"ADT^A08\""), "{body}");
    assert!(!body.contains("Doe") && !body.contains("PATIENT1"), "no content: {body}");
    let (status, body) = get("/api/v1/trace?patient=PATIENT1").await;
    assert!(status == 403 && body.contains("W8901"), "{body}");
    let (status, _) = get("/api/v1/trace?patient=PATIENT1&reason=test").await;
    assert_eq!(status, 200);
    let (status, body) = post("/api/v1/channels/adt/pause", "{\"target\":\"source\"}").await;
    assert!(status == 200 && body.contains("\"state\":\"paused\""), "{body}");
    let (status, body) = post("/api/v1/channels/nope/pause", "{}").await;
    assert!(status == 404 && body.contains("W6905"), "{body}");
    let (status, body) = post("/api/v1/queue/skip", "{\"q\":\"\"}").await;
    assert!(status == 400 && body.contains("W8902"), "{body}");
    let (status, body) = post("/api/v1/queue/skip", "{\"nope\":1}").await;
    assert!(status == 400 && body.contains("W8903"), "{body}");
    let (status, body) = post("/fhir/Consent", "{\"resourceType\":\"Patient\"}").await;
    assert!((400..500).contains(&status) && body.contains("OperationOutcome"), "{status} {body}");
    let (status, body) = get("/api/v1/events?q=patient:PATIENT1").await;
    assert!(status == 403 && body.contains("W8901"), "{body}");
    consents(admin.port()).await;
    let (status, body) = get("/api/v1/ledger").await;
    assert!(status == 200 && body.contains("\"unaccounted\":0"), "{body}");
    let (status, body) = http(metrics.port(), &request("GET", "/metrics", "")).await;
    assert!(status == 200 && body.contains("weir_messages_received_total"), "{body}");
    let (status, _) = http(metrics.port(), &request("GET", "/health/ready", "")).await;
    assert_eq!(status, 200);
    let (status, _) = http(metrics.port(), &request("GET", "/api/v1/status", "")).await;
    assert_eq!(status, 404, "the metrics listener has no API");
    engine.stop("test").await.unwrap();
}

/// Consents over HTTP: ids of their own, updates under theirs, looks with a reason.
async fn consents(port: u16) {
    let ask =
        async |method: &str, path: &str, body: &str| http(port, &request(method, path, body)).await;
    let text = |id: &str, patient: &str| {
        format!(
            r#"{{"resourceType":"Consent"{id},"status":"active","scope":{{}},"category":[{{}}],
            "patient":{{"reference":"Patient/{patient}"}},"provision":{{"type":"deny"}}}}"#
        )
    };
    let named = r#","id":"c1""#;
    let mut ids = Vec::new();
    for (id, patient) in [(named, "P8"), (named, "P9"), ("", "P9")] {
        let (status, body) = ask("POST", "/fhir/Consent", &text(id, patient)).await;
        assert_eq!(status, 201, "{body}");
        let id = body.split(r#""id":""#).nth(1).and_then(|rest| rest.split('"').next());
        ids.push(id.expect("an id").to_owned());
    }
    assert!(!ids.contains(&"c1".to_owned()) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let path = format!("/fhir/Consent/{}", ids[0]);
    let (status, body) = ask("GET", &path, "").await;
    assert!(status == 403 && body.contains("W8901") && !body.contains("P8"), "{body}");
    let (status, body) = ask("GET", &format!("{path}?reason=asked"), "").await;
    assert!(status == 200 && body.contains("Patient/P8"), "{body}");
    for method in ["GET", "DELETE"] {
        let (status, body) = ask(method, "/fhir/Consent/none?reason=asked", "").await;
        assert!(status == 404 && body.contains("W6911") && body.contains("not-found"), "{body}");
    }
    let (status, _) = ask("PUT", "/fhir/Consent/c1", &text(named, "P8")).await;
    assert_eq!(status, 201);
    let (status, body) = ask("PUT", "/fhir/Consent/c1", &text("", "P8")).await;
    assert!(status == 200 && body.contains(r#""id":"c1""#), "{body}");
    let (status, body) = ask("PUT", "/fhir/Consent/c2", &text(named, "P8")).await;
    assert!(status == 400 && body.contains("W8903") && body.contains("\"invalid\""), "{body}");
    let (status, body) = ask("PUT", "/fhir/Consent/c1", &text(named, "P9")).await;
    assert!(status == 400 && body.contains("W8903"), "{body}");
    let (status, _) = ask("DELETE", "/fhir/Consent/c1", "").await;
    assert_eq!(status, 204);
    let (status, _) = ask("GET", "/fhir/Consent/c1?reason=asked", "").await;
    assert_eq!(status, 410);
}

#[test]
fn the_reference_of_the_api_is_written() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let reference = weir::web::api::routes::reference();
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&path, &reference).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, reference, "write it again with WEIR_BLESS=1");
}
