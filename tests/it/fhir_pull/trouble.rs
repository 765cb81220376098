//! Servers that do not do as the specification says.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const TOKEN: &str = "auth = { type = \"bearer\", token = \"file:keys/token\" }";

/// Runs a channel of exports against a server until the log has a text.
async fn told(server: &Foreign, source: &str, text: &str) -> Site {
    let site = Site::new();
    site.file("keys/token", "Zzsecrettoken");
    channel(&site, &format!("type = \"fhir-bulk\"\nurl = \"{}/r4\"\n{source}", server.url));
    let running = site.start();
    until(&site, text, || site.log().contains(text)).await;
    assert!(running.stop().success());
    assert!(!site.log().contains("Zzsecret"), "{}", site.log());
    site
}

fn begun(server: &Foreign) -> Said {
    Said::new(202, "").with("Content-Location", format!("{}/r4/status", server.url))
}

/// A server whose exports have this manifest.
async fn with_manifest(manifest: String) -> Foreign {
    Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        "GET /r4/status" => Said::new(200, manifest.clone()),
        _ => Said::new(404, ""),
    })
    .await
}

fn manifest(output: &str) -> String {
    format!(
        "{{\"transactionTime\":\"2026-05-01T10:00:00Z\",\"requiresAccessToken\":true,\
         \"output\":[{output}]}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_no_export_is_told_by_status_and_codes() {
    let outcome = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\
         \"code\":\"not-supported\",\"diagnostics\":\"Zzsecretname\"}]}";
    for (status, cause) in [
        (400, "W2380"),
        (401, "401 not-supported"),
        (403, "403 not-supported"),
        (404, "404 not-supported"),
        (200, "W2380"),
        (302, "302 not-supported"),
        (500, "W2381"),
    ] {
        let server = Foreign::start(move |_, _| Said::new(status, outcome)).await;
        let site = told(&server, TOKEN, cause).await;
        assert!(files(&site).is_empty());
    }
    let server = Foreign::start(|_, _| Said::new(202, "")).await;
    told(&server, "", "no `Content-Location`").await;
    let server =
        Foreign::start(|_, _| Said::new(202, "").with("Content-Location", "http://127.0.0.2:9/x"))
            .await;
    told(&server, TOKEN, "leads to another server").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_cannot_be_used_are_told_by_what_is_missing() {
    for (text, cause) in [
        ("<html>Zzsecretname</html>".to_owned(), "it is no JSON"),
        ("{}".to_owned(), "`transactionTime` is no instant"),
        (manifest("").replace("true", "null"), "`requiresAccessToken` is no boolean"),
        (manifest("").replace("output", "outputs"), "`output` is no list"),
        (manifest("{\"url\":\"/f\"}"), "`output[0]`: `type` is no type"),
        (manifest("{\"type\":\"Patient\"}"), "`output[0]`: no `url`"),
        (manifest("{\"type\":\"Patient\",\"url\":\"file:///etc/passwd\"}"), "W2383"),
        (
            manifest("{\"type\":\"Patient\",\"url\":\"http://127.0.0.2:9/x\"}"),
            "`output[0]` lies on http://127.0.0.2:9",
        ),
    ] {
        let server = with_manifest(text).await;
        told(&server, TOKEN, cause).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_not_followed_to_servers_that_nobody_named() {
    let inner = Foreign::start(|_, _| Said::new(200, patient("p1", 1))).await;
    let to = format!("{}/f", inner.url);
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        "GET /r4/status" => Said::new(200, manifest("{\"type\":\"Patient\",\"url\":\"/f\"}")),
        "GET /f" => Said::new(302, "").with("Location", to.clone()),
        _ => Said::new(404, ""),
    })
    .await;
    told(&server, TOKEN, "W2384").await;
    assert!(inner.seen("").is_empty());
    // Named, it is followed, without the token.
    let site = Site::new();
    site.file("keys/token", "Zzsecrettoken");
    let source = format!(
        "type = \"fhir-bulk\"\nurl = \"{}/r4\"\nhosts = [\"{}\"]\n{TOKEN}",
        server.url, inner.url
    );
    channel(&site, &source);
    let running = site.start();
    until(&site, "the file is taken", || files(&site).len() == 1).await;
    assert_eq!(inner.seen("GET /f")[0].header("authorization"), "");
    assert!(running.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_servers_are_waited_for_and_forgotten_exports_begun_anew() {
    let asked = AtomicUsize::new(0);
    let server = Foreign::start(move |server, seen| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        match (number, seen.line().as_str()) {
            (0, _) => Said::new(429, "").with("Retry-After", "0"),
            (1, "GET /r4/$export") => begun(server),
            (2, "GET /r4/status") => Said::new(503, "").with("Retry-After", "0"),
            (3, "GET /r4/status") => Said::new(404, ""),
            (4, "GET /r4/$export") => begun(server),
            (5.., "GET /r4/status") => {
                Said::new(200, manifest("{\"type\":\"Patient\",\"url\":\"/f\",\"count\":1}"))
            }
            (_, "GET /f") => Said::new(200, patient("p1", 1)),
            (_, "DELETE /r4/status") => Said::new(202, ""),
            _ => Said::new(418, ""),
        }
    })
    .await;
    let site = told(&server, TOKEN, "W2382").await;
    // Told once; the next one, which the operator need not wait for, takes all.
    let running = site.start();
    until(&site, "the export is taken", || files(&site).len() == 1).await;
    until(&site, "it is deleted", || !server.seen("DELETE /r4/status").is_empty()).await;
    assert!(running.stop().success());
}

/// Runs a channel of exports until so many messages came out; the lines of its log.
async fn taken(server: &Foreign, source: &str, count: usize) -> (Vec<String>, String) {
    let site = Site::new();
    channel(&site, &format!("type = \"fhir-bulk\"\nurl = \"{}/r4\"\n{source}", server.url));
    let running = site.start();
    until(&site, "the messages are there", || files(&site).len() >= count).await;
    until(&site, "it is deleted", || !server.seen("DELETE /r4/status").is_empty()).await;
    assert!(running.stop().success());
    (files(&site), site.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delete_in_a_later_export_at_the_same_address_is_another() {
    let deleted = "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[\
         {\"request\":{\"method\":\"DELETE\",\"url\":\"Patient/gone\"}}]}";
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        line if line.starts_with("GET /r4/$export") => begun(server),
        "GET /r4/status" => Said::new(
            200,
            manifest("").replace("[]", "[],\"deleted\":[{\"type\":\"Bundle\",\"url\":\"/d\"}]"),
        ),
        "DELETE /r4/status" => Said::new(202, ""),
        "GET /d" => Said::new(200, deleted),
        _ => Said::new(404, ""),
    })
    .await;
    taken(&server, "every = \"1s\"", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_written_anew_is_taken_from_its_front() {
    let lines: Vec<String> = (0..1200).map(|n| patient(&format!("p{n}"), 1)).collect();
    let reads = AtomicUsize::new(0);
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        "GET /r4/status" => Said::new(200, manifest("{\"type\":\"Patient\",\"url\":\"/f\"}")),
        "DELETE /r4/status" => Said::new(202, ""),
        _ => match reads.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let text = lines.join("\n");
                let cut = text.len() * 4 / 5;
                Said::new(200, text).breaking(cut)
            }
            _ => {
                let turned: Vec<_> = lines.iter().rev().cloned().collect();
                Said::new(200, turned.join("\n"))
            }
        },
    })
    .await;
    let (mut found, log) = taken(&server, "", 1200).await;
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1200, "every version once, none left out");
    assert_eq!(server.seen("GET /f").len(), 3, "broken, compared, whole");
    assert!(!log.contains("W2382"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_with_files_that_break_comes_to_its_end() {
    let (looks, reads) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        "GET /r4/status" => match looks.fetch_add(1, Ordering::Relaxed) {
            // At the next look `timeout` is over.
            0 => Said::new(202, "").with("Retry-After", "3"),
            _ => Said::new(200, manifest("{\"type\":\"Patient\",\"url\":\"/f\"}")),
        },
        "DELETE /r4/status" => Said::new(202, ""),
        _ => match reads.fetch_add(1, Ordering::Relaxed) {
            0 => Said::new(503, "").with("Retry-After", "0"),
            1 => {
                let whole = format!("{}\n{}", patient("p1", 1), patient("p2", 1));
                Said::new(200, whole).breaking(patient("p1", 1).len() + 5)
            }
            _ => Said::new(200, format!("{}\n{}", patient("p1", 1), patient("p2", 1))),
        },
    })
    .await;
    let (found, log) = taken(&server, "timeout = \"2s\"", 2).await;
    assert_eq!(found.len(), 2);
    assert_eq!(server.seen("GET /r4/$export").len(), 1, "{log}");
    // The server that was busy was asked again for the file, not for the manifest.
    assert_eq!(server.seen("GET /r4/status").len(), 3, "{log}");
    assert_eq!(server.seen("GET /f").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_takes_too_long_is_given_up() {
    let server = Foreign::start(|server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        _ => Said::new(202, "").with("Retry-After", "1"),
    })
    .await;
    told(&server, "timeout = \"1s\"", "longer than `timeout`").await;
    assert_eq!(server.seen("DELETE /r4/status").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_off_that_may_have_arrived_is_not_sent_again() {
    let server = Foreign::start(|_, _| Said::new(202, "x").breaking(0)).await;
    told(&server, "", "W7107").await;
    assert_eq!(server.seen("GET /r4/$export").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_lines_are_kept_and_told_once_when_a_file_breaks() {
    let text = format!("{{\"Zzsecretname\"}}\n{}\n{}", patient("p1", 1), patient("p2", 1));
    let reads = AtomicUsize::new(0);
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        // A file of another manifest begins at its front.
        "GET /r4/status" => {
            let time = format!("T10:00:0{}Z", reads.load(Ordering::Relaxed));
            let manifest = manifest("{\"type\":\"Patient\",\"url\":\"/f\"}");
            Said::new(200, manifest.replace("T10:00:00Z", &time))
        }
        "DELETE /r4/status" => Said::new(202, ""),
        _ => match reads.fetch_add(1, Ordering::Relaxed) {
            0 => Said::new(200, text.clone()).breaking(text.len() - 5),
            _ => Said::new(200, text.clone()),
        },
    })
    .await;
    let site = Site::new();
    channel(&site, &format!("type = \"fhir-bulk\"\nurl = \"{}/r4\"", server.url));
    let running = site.start();
    until(&site, "it is deleted", || !server.seen("DELETE /r4/status").is_empty()).await;
    until(&site, "both are there", || files(&site).len() == 2).await;
    assert!(running.stop().success());
    let log = site.log();
    assert_eq!(log.matches("message_refused").count(), 1, "{log}");
    assert_eq!(log.matches("W2387").count(), 2, "each pass tells what it met: {log}");
    assert!(!log.contains("Zzsecret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_mostly_refused_is_given_up() {
    let packed = bulk::gzip(&"x\n".repeat(300_000));
    let server = Foreign::start(move |server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        "GET /r4/status" => Said::new(200, manifest("{\"type\":\"Patient\",\"url\":\"/f\"}")),
        "DELETE /r4/status" => Said::new(202, ""),
        _ => Said::new(200, packed.clone()),
    })
    .await;
    let site = told(&server, "", "W2396").await;
    // What was with the intake when the last one was counted may follow.
    let log = site.log();
    let (_, told) = log.split_once("`output[0]`: 10").expect("W2387 with a number of five digits");
    assert!(told.starts_with("0"), "{told}");
    assert!(log.contains("the first in line 1:"), "{log}");
    assert_eq!(server.seen("DELETE /r4/status").len(), 1);
    assert_eq!(server.seen("GET /f").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_other_settings_is_deleted_before_the_next() {
    let server = Foreign::start(|server, seen| match seen.line().as_str() {
        "GET /r4/$export" => begun(server),
        "GET /r4/Patient/$export" => {
            Said::new(202, "").with("Content-Location", format!("{}/r4/second", server.url))
        }
        "GET /r4/second" => Said::new(200, manifest("")),
        line if line.starts_with("DELETE ") => Said::new(202, ""),
        _ => Said::new(202, "").with("Retry-After", "60"),
    })
    .await;
    let site = Site::new();
    let source = format!("type = \"fhir-bulk\"\nurl = \"{}/r4\"", server.url);
    channel(&site, &source);
    let running = site.start();
    until(&site, "it waits", || !server.seen("GET /r4/status").is_empty()).await;
    assert!(running.stop().success());
    channel(&site, &format!("{source}\nexport = \"patient\""));
    let running = site.start();
    until(&site, "the next is done", || !server.seen("DELETE /r4/second").is_empty()).await;
    assert!(running.stop().success());
    let lines: Vec<String> = server.seen("").iter().map(Seen::line).collect();
    let at = |line: &str| lines.iter().position(|seen| seen == line).unwrap();
    assert!(at("DELETE /r4/status") < at("GET /r4/Patient/$export"), "{lines:?}");
}
