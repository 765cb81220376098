//! Messages of several lanes that leave together, against scripted servers on loopback.

use std::time::Duration;

use tokio::net::TcpListener;

use super::tests::{PATIENT, lone, plan, server, told, typed};
use super::*;
use crate::message::ContentKind;

const OUTCOME: &str = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","diagnostics":"Doe","expression":["Patient.name"]}]}"#;

fn settings(url: &str) -> FhirPlan {
    let batch = BatchPlan { max: 50, wait: Duration::from_millis(20) };
    FhirPlan { batch: Some(batch), ..plan(url, Auth::None) }
}

fn answer(entries: &str) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{entries}]}}"#)
}

fn patient(id: &str) -> Delivery {
    typed(&format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#), "update:Patient")
}

/// Delivers each message by a lane of its own, all at once.
async fn together(settings: &FhirPlan, all: &[Delivery]) -> Vec<String> {
    let found = delivered(settings, all).await;
    found.into_iter().map(told).collect()
}

async fn delivered(settings: &FhirPlan, all: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
    let ports = Ports::system();
    let mut lanes: Vec<_> = all.iter().map(|_| build(settings, &ports)).collect();
    let mut waits: Vec<_> =
        lanes.iter_mut().zip(all).map(|(lane, delivery)| lane.deliver(delivery)).collect();
    let mut done: Vec<_> = waits.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (wait, done) in waits.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(result) = wait.as_mut().poll(context)
            {
                *done = Some(result);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn each_message_hears_of_its_own_entry() {
    let told_of = answer(&format!(
        r#"{{"response":{{"status":"201 Created","location":"{{url}}/Patient/9/_history/1","etag":"W/\"1\"",
            "lastModified":"2026-01-02T03:04:05Z"}},"resource":{PATIENT}}},
           {{"response":{{"status":"422 Unprocessable","outcome":{OUTCOME}}}}},
           {{"response":{{"status":"204"}}}},
           {{"response":{{"status":"503"}}}}"#
    ));
    let server = server(&[("200 OK", &told_of)]).await;
    let create = r#"{"resourceType":"Patient","identifier":[{"system":"urn:a","value":"1"}]}"#;
    let held = lone(
        r#""method":"PUT","url":"Patient/2","ifMatch":"W/\"3\"""#,
        r#""resource":{"resourceType":"Patient","id":"2"},"#,
    );
    let gone = lone(r#""method":"DELETE","url":"Patient?identifier=x""#, "");
    let all = [
        typed(create, "create:Patient"),
        typed(&held, "update:Patient"),
        typed(&gone, "delete:Patient"),
        patient("4"),
    ];
    let found = delivered(&settings(&server.url), &all).await;
    let said = found[0].as_ref().unwrap().said.clone().unwrap();
    assert_eq!((said.status, said.location.as_deref()), (201, Some("Patient/9/_history/1")));
    assert_eq!(said.etag.as_deref(), Some("W/\"1\""));
    assert_eq!(said.last_modified.as_deref(), Some("Fri, 02 Jan 2026 03:04:05 GMT"));
    assert_eq!((&said.body[..], said.bundled), (PATIENT.as_bytes(), false));
    let refused = found[1].as_ref().unwrap_err();
    assert_eq!(refused.said.as_ref().unwrap().body, OUTCOME);
    let line = refused.fault.to_string();
    assert!(line.ends_with("422 value") && line.contains("Patient.name"), "{line}");
    let found: Vec<String> = found.into_iter().map(told).collect();
    assert_eq!(found, ["201 Patient/9/_history/1", "permanent W7102", "204 ", "transient W7302"]);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /r4 HTTP/1.1");
    let entry = |resource: &str, request: &str| {
        let resource = match resource {
            "" => String::new(),
            resource => format!(r#""resource":{resource},"#),
        };
        format!(r#"{{{resource}"request":{{{request}}}}}"#)
    };
    let entries = [
        entry(create, r#""method":"POST","url":"Patient","ifNoneExist":"identifier=urn%3Aa%7C1""#),
        entry(
            r#"{"resourceType":"Patient","id":"2"}"#,
            r#""method":"PUT","url":"Patient/2","ifMatch":"W/\"3\"""#,
        ),
        entry("", r#""method":"DELETE","url":"Patient?identifier=x""#),
        entry(r#"{"resourceType":"Patient","id":"4"}"#, r#""method":"PUT","url":"Patient/4""#),
    ];
    let expected =
        format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{}]}}"#, entries.join(","));
    assert_eq!(seen[0].body, expected);
}

#[tokio::test]
async fn what_befalls_a_batch_befalls_each_message() {
    let all = [patient("1"), patient("2"), patient("3")];
    let check = async |answers: &[(&str, &str)], expected: [&str; 3], requests: usize| {
        let server = server(answers).await;
        assert_eq!(together(&settings(&server.url), &all).await, expected);
        assert_eq!(server.seen.lock().unwrap().len(), requests, "{answers:?}");
    };
    check(&[("401 No", ""), ("401 No", "")], ["operator W7301"; 3], 1).await;
    check(&[("503 Busy", "")], ["transient W7302"; 3], 1).await;
    check(&[], ["transient W7107"; 3], 1).await;
    // The server would rather see each by itself.
    for status in ["400 Bad", "404 No", "405 No", "413 Large", "422 No", "501 No"] {
        let answers = [(status, ""), ("200 OK", ""), ("200 OK", ""), ("200 OK", "")];
        check(&answers, ["200 "; 3], 4).await;
    }
    let good = r#"{"response":{"status":"200"}}"#;
    let lost = "transient W7310";
    // An entry that is left out may be anyone's.
    check(&[("200 OK", &answer(good))], [lost; 3], 1).await;
    check(&[("200 OK", &answer(&[good; 2].join(",")))], [lost; 3], 1).await;
    let other = answer(&[good; 3].join(",")).replace("batch-response", "searchset");
    check(&[("200 OK", &other)], [lost; 3], 1).await;
    check(&[("200 OK", &answer(&[good, "{}", good].join(",")))], ["200 ", lost, "200 "], 1).await;
    check(&[("200 OK", &answer(&[good; 4].join(",")))], [lost; 3], 1).await;
    check(&[("200 OK", "")], [lost; 3], 1).await;
    check(&[("200 OK", "<html>")], [lost; 3], 1).await;

    let server = server(&[("429 Slow\r\nRetry-After: 7", "")]).await;
    for result in delivered(&settings(&server.url), &all).await {
        let error = result.unwrap_err();
        assert_eq!(error.fault.code(), W7303);
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        assert!(error.fault.cause().unwrap().starts_with("127.0.0.1:"), "{}", error.fault);
    }
}

#[tokio::test]
async fn what_needs_a_request_of_its_own_has_one() {
    let check = async |all: &[Delivery], lines: &[&str]| {
        let answers = [("200 OK", ""); 4];
        let server = server(&answers).await;
        let found = together(&settings(&server.url), all).await;
        assert!(found.iter().all(|told| told == "200 "), "{found:?}");
        let seen = server.seen.lock().unwrap();
        let mut found: Vec<&str> =
            seen.iter().map(|seen| seen.line.trim_end_matches(" HTTP/1.1")).collect();
        found.sort_unstable();
        assert_eq!(found, lines);
    };
    let bundle = |kind: &str| {
        let entry = r#"{"request":{"method":"GET","url":"Patient"}}"#;
        format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entry}]}}"#)
    };
    // A transaction is whole or nothing.
    let whole = typed(&bundle("transaction"), "transaction:Patient");
    check(&[whole, patient("1")], &["POST /r4", "PUT /r4/Patient/1"]).await;
    let batch = typed(&bundle("batch"), "batch:Patient");
    let message = typed(&bundle("message"), "message:MessageHeader");
    check(&[batch, message], &["POST /r4", "POST /r4/$process-message"]).await;
    // Two that write the same are not independent.
    check(&[patient("1"), patient("1")], &["PUT /r4/Patient/1"; 2]).await;
    let same = r#"{"resourceType":"Patient","identifier":[{"system":"urn:a","value":"1"}]}"#;
    let same = || typed(same, "create:Patient");
    check(&[same(), same()], &["POST /r4/Patient"; 2]).await;
    // What failed twice goes alone.
    let again = |id| Delivery { attempts: together::ALONE_AFTER, ..patient(id) };
    check(&[again("1"), again("2")], &["PUT /r4/Patient/1", "PUT /r4/Patient/2"]).await;
    let large = format!(
        r#"{{"resourceType":"Patient","id":"1","language":"{}"}}"#,
        "x".repeat(together::PART_BYTES_MAX)
    );
    let large = typed(&large, "update:Patient");
    check(&[large, patient("2")], &["PUT /r4/Patient/1", "PUT /r4/Patient/2"]).await;
    let binary = r#""resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10="},"#;
    let patch = typed(&lone(r#""method":"PATCH","url":"Patient/1""#, binary), "patch:Patient");
    check(&[patch, patient("2")], &["PATCH /r4/Patient/1", "PUT /r4/Patient/2"]).await;
    // One lane waits for nobody.
    check(&[patient("1")], &["PUT /r4/Patient/1"]).await;
}

#[tokio::test]
async fn a_conflict_in_company_is_settled_alone() {
    let conflict = answer(r#"{"response":{"status":"412"}},{"response":{"status":"200"}}"#);
    let current = ("200 OK\r\nETag: W/\"5\"", PATIENT);
    let server = server(&[("200 OK", &conflict), current, ("200 OK", "")]).await;
    let settings = FhirPlan { on_conflict: OnConflict::Reread, ..settings(&server.url) };
    assert_eq!(together(&settings, &[patient("1"), patient("2")]).await, ["200 ", "200 "]);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[2].line, "PUT /r4/Patient/1 HTTP/1.1");
    assert_eq!(seen[2].header("if-match"), Some("W/\"5\""));
}

#[tokio::test]
async fn at_most_so_many_go_together() {
    let good = r#"{"response":{"status":"200"}}"#;
    let (two, one) = (answer(&[good; 2].join(",")), "");
    let server = server(&[("200 OK", &two), ("200 OK", &two), ("200 OK", one)]).await;
    let batch = BatchPlan { max: 2, wait: Duration::from_secs(5) };
    let settings = FhirPlan { batch: Some(batch), ..settings(&server.url) };
    let all: Vec<Delivery> = ["1", "2", "3", "4"].map(patient).into();
    assert_eq!(together(&settings, &all).await, ["200 "; 4]);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.body.matches("\"PUT\"").count() == 2));
}

/// A lane whose time is over takes its message back, and one that was sending tells the
/// others by going.
#[tokio::test]
async fn lanes_that_are_broken_off_hold_up_nobody() {
    let server = server(&[("200 OK", "")]).await;
    let batch = BatchPlan { max: 50, wait: Duration::from_millis(200) };
    let patient_plan = FhirPlan { batch: Some(batch), ..settings(&server.url) };
    let ports = Ports::system();
    let mut lanes: Vec<_> = (0..3).map(|_| build(&patient_plan, &ports)).collect();
    let [first, second, _] = &mut lanes[..] else { panic!() };
    let (one, two) = (patient("1"), patient("2"));
    let soon = tokio::time::timeout(Duration::from_millis(10), first.deliver(&one));
    let (gone, told_two) = tokio::join!(soon, second.deliver(&two));
    assert!(gone.is_err());
    assert_eq!(told(told_two), "200 ");
    {
        let seen = server.seen.lock().unwrap();
        assert_eq!((seen.len(), seen[0].line.as_str()), (1, "PUT /r4/Patient/2 HTTP/1.1"));
    }

    // Nobody answers there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r4", listener.local_addr().unwrap());
    let deaf = settings(&url);
    let mut lanes: Vec<_> = (0..2).map(|_| build(&deaf, &ports)).collect();
    let [first, second] = &mut lanes[..] else { panic!() };
    let soon = tokio::time::timeout(Duration::from_millis(100), first.deliver(&one));
    let (gone, told_two) = tokio::join!(soon, second.deliver(&two));
    assert!(gone.is_err());
    assert_eq!(told(told_two), "transient W7310");
    assert_eq!(two.body.kind, ContentKind::FhirJson);
}
