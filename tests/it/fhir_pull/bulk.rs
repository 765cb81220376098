//! Exports from kick-off to delete.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const TIME: &str = "2026-05-01T10:00:00.123+02:00";

pub fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// A server whose exports have these files: list, type, address and content.
struct Files(Vec<(&'static str, &'static str, String, Vec<u8>)>);

impl Files {
    fn manifest(&self, token: bool) -> String {
        let rows = |list: &str| -> Vec<serde_json::Value> {
            let own = self.0.iter().filter(|(of, ..)| *of == list);
            own.map(|(_, kind, url, _)| serde_json::json!({"type": kind, "url": url})).collect()
        };
        serde_json::json!({
            "transactionTime": TIME, "request": "x", "requiresAccessToken": token,
            "output": rows("output"), "deleted": rows("deleted"), "error": rows("error"),
        })
        .to_string()
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let found = self.0.iter().find(|(_, _, url, _)| url.ends_with(path));
        found.map(|(.., content)| content.clone())
    }
}

fn kicked_off(server: &Foreign) -> Said {
    Said::new(202, "").with("Content-Location", format!("{}/r4/status/1?job=7", server.url))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_taken_whole_and_the_next_asks_for_what_changed_since() {
    let other_files = Files(vec![(
        "output",
        "Observation",
        "/obs.ndjson".to_owned(),
        gzip(
            "{\"resourceType\":\"Observation\",\"id\":\"o1\"}\n\n{\"resourceType\":\"Observation\",\"id\":\"o2\"}",
        ),
    )]);
    let other = Foreign::start(move |_, seen| match other_files.get(&seen.path) {
        Some(content) => Said::new(200, content),
        None => Said::new(404, ""),
    })
    .await;
    let other_url = other.url.clone();
    let polls = AtomicUsize::new(0);
    let exports = AtomicUsize::new(0);
    let server = Foreign::start(move |server, seen| {
        let first = exports.load(Ordering::Relaxed) <= 1;
        let patients = format!(
            "{}\r\n{{\"resourceType\":\"Patient\",\"id\":\"Zzsecretid\",}}\n{}\n{}\n",
            patient("p1", 1),
            "{\"resourceType\":\"Observation\",\"id\":\"Zzsecretid\"}",
            patient("p2", 1)
        );
        let outcome = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\
             \"code\":\"processing\",\"diagnostics\":\"Zzsecretname\"}]}";
        let deleted = "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[\
             {\"request\":{\"method\":\"DELETE\",\"url\":\"Patient/gone\"}}]}";
        let files = match first {
            true => Files(vec![
                ("output", "Patient", format!("{}/files/patients", server.url), patients.into()),
                ("output", "Observation", format!("{other_url}/obs.ndjson"), Vec::new()),
                ("deleted", "Bundle", format!("{}/files/deleted", server.url), deleted.into()),
                (
                    "error",
                    "OperationOutcome",
                    format!("{}/files/errors", server.url),
                    outcome.into(),
                ),
            ]),
            false => Files(Vec::new()),
        };
        match seen.line().as_str() {
            line if line.starts_with("GET /r4/Group/g-1/$export") => {
                exports.fetch_add(1, Ordering::Relaxed);
                kicked_off(server)
            }
            "GET /r4/status/1?job=7" => match polls.fetch_add(1, Ordering::Relaxed) {
                0 => Said::new(202, "").with("Retry-After", "0").with("X-Progress", "10%"),
                _ => Said::new(200, files.manifest(true)),
            },
            "DELETE /r4/status/1?job=7" => Said::new(202, ""),
            _ => match files.get(&seen.path) {
                Some(content) => Said::new(200, content),
                None => Said::new(404, ""),
            },
        }
    })
    .await;
    let site = Site::new();
    site.file("keys/token", "Zzsecrettoken");
    channel(
        &site,
        &format!(
            "type = \"fhir-bulk\"\nurl = \"{}/r4\"\nexport = \"group/g-1\"\nevery = \"1s\"\n\
             types = [\"Patient\", \"Observation\"]\nsince = \"2026-01-01\"\n\
             hosts = [\"{}\"]\nauth = {{ type = \"bearer\", token = \"file:keys/token\" }}",
            server.url, other.url
        ),
    );
    let running = site.start();
    until(&site, "two exports", || server.seen("DELETE /r4/status/1").len() >= 2).await;
    until(&site, "five messages", || files(&site).len() >= 5).await;
    let taken = files(&site).join("\n");
    for has in ["\"p1\"", "\"p2\"", "\"o1\"", "\"o2\"", "\"Patient/gone\""] {
        assert!(taken.contains(has), "{has}: {taken}");
    }
    assert_eq!(files(&site).len(), 5, "{taken}");
    let begun = server.seen("GET /r4/Group/g-1/$export");
    assert_eq!(
        begun[0].path,
        "/r4/Group/g-1/$export?_type=Patient%2CObservation&_since=2026-01-01T00%3A00%3A00Z"
    );
    assert!(begun[1].path.ends_with("&_since=2026-05-01T10%3A00%3A00.123%2B02%3A00"));
    assert_eq!(begun[0].header("prefer"), "respond-async");
    assert_eq!(begun[0].header("accept"), "application/fhir+json");
    assert_eq!(begun[0].body, "");
    for seen in server.seen("") {
        assert_eq!(seen.header("authorization"), "Bearer Zzsecrettoken", "{}", seen.line());
    }
    let elsewhere = other.seen("");
    assert_eq!(elsewhere.len(), 1);
    assert_eq!(elsewhere[0].header("authorization"), "", "no token to another server");
    assert!(running.stop().success());
    let log = site.log();
    for told in ["W2387", "W2388", "1 error processing", "export_taken", "line 2"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert!(!log.contains("Zzsecret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_where_it_was_after_kill_9() {
    const LINES: usize = 1500;
    let lines: String =
        (0..LINES).map(|n| format!("{{\"resourceType\":\"Patient\",\"id\":\"p{n}\"}}\n")).collect();
    let reads = AtomicUsize::new(0);
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => kicked_off(server),
        "GET /r4/status/1?job=7" => {
            let url = format!("{}/files/1?signature={}", server.url, reads.load(Ordering::Relaxed));
            let files = Files(vec![("output", "Patient", url, Vec::new())]);
            Said::new(200, files.manifest(false))
        }
        "DELETE /r4/status/1?job=7" => Said::new(202, ""),
        _ => {
            let said = Said::new(200, lines.clone());
            match reads.fetch_add(1, Ordering::Relaxed) {
                0 => said.stalling(lines.len() * 4 / 5),
                // A connection that breaks is one more way to stop in the midst.
                1 => said.breaking(lines.len() * 9 / 10),
                _ => said,
            }
        }
    })
    .await;
    let site = Site::new();
    channel(&site, &format!("type = \"fhir-bulk\"\nurl = \"{}/r4\"", server.url));
    let mut running = site.start();
    until(&site, "most lines are taken", || files(&site).len() >= LINES / 2).await;
    running.kill();
    drop(running);
    let running = site.start();
    until(&site, "the export is done", || !server.seen("DELETE /r4/status").is_empty()).await;
    until(&site, "all is delivered", || site.json(&["ledger"])["total"]["waiting"] == 0).await;
    let ledger = site.json(&["ledger"]);
    assert_eq!(ledger["total"]["unaccounted"], 0, "{ledger}");
    assert_eq!(ledger["total"]["delivered"], LINES, "{ledger}");
    let mut ids = files(&site);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), LINES, "every line once");
    assert_eq!(server.seen("GET /r4/$export").len(), 1, "it is the same export");
    assert_eq!(server.seen("GET /files/1").len(), 3);
    assert!(server.seen("").iter().all(|seen| seen.header("authorization").is_empty()));
    assert!(running.stop().success());
}
