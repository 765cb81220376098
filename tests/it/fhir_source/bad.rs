//! Bad input: a clear answer, and nothing half-done.

use std::io::{Read, Write};

use super::*;

const PATIENT: &str = r#"{"resourceType":"Patient"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_has_its_answer() {
    let endpoint = Endpoint::to_files("max_size = \"64 KiB\"");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let nested = format!(
        r#"{{"resourceType":"Patient","contained":[{}1{}]}}"#,
        "{\"a\":".repeat(5_000),
        "}".repeat(5_000)
    );
    let big = format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, "1".repeat(70_000));
    let entity = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Patient xmlns=\"http://hl7.org/fhir\"/>";
    let last_bad = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/../1"}}]}"#;
    let xml = ("content-type", "application/fhir+xml");
    type Case<'c> = (&'c str, Vec<(&'c str, &'c str)>, &'c str, &'c str);
    let cases: Vec<Case<'_>> = vec![
        ("POST /Patient", vec![JSON], "", "400 structure W2701"),
        ("POST /Patient", vec![JSON], "{\"resourceType\":\"Pat", "400 structure W2701"),
        ("POST /Patient", vec![JSON], "[]", "400 structure W2720"),
        ("POST /Patient", vec![JSON], "nul", "400 structure W2701"),
        ("POST /Patient", vec![JSON], &deep, "400 structure W2702"),
        ("POST /Patient", vec![JSON], &nested, "400 structure W2702"),
        ("POST /Patient", vec![JSON], &big, "413 too-long W2329"),
        (
            "POST /Patient",
            vec![JSON],
            r#"{"resourceType":"Patient","resourceType":"Group"}"#,
            "422 duplicate W2731",
        ),
        ("POST /Patient", vec![JSON], r#"{"resourceType":"Nobody"}"#, "400 structure W2720"),
        ("POST /Patient", vec![JSON], r#"{"resourceType":"Group"}"#, "400 invalid W2326"),
        (
            "PUT /Patient/1",
            vec![JSON],
            r#"{"resourceType":"Patient","id":"2"}"#,
            "400 invalid W2326",
        ),
        ("POST /Patient", vec![xml], "<Patient", "400 structure W2705"),
        ("POST /Patient", vec![xml], entity, "400 structure W2706"),
        ("POST /Patient", vec![xml], PATIENT, "400 structure W2705"),
        ("POST /Patient", vec![], PATIENT, "415 not-supported W2327"),
        ("POST /Patient", vec![("content-type", "text/plain")], PATIENT, "415 not-supported W2327"),
        (
            "POST /Patient",
            vec![("content-type", "application/fhir+json; charset=latin1")],
            PATIENT,
            "415 not-supported W2327",
        ),
        (
            "POST /Patient",
            vec![JSON, ("content-encoding", "br")],
            PATIENT,
            "415 not-supported W2327",
        ),
        ("POST /Patient", vec![JSON, ("content-encoding", "gzip")], PATIENT, "400 invalid W2331"),
        ("POST /Patient", vec![JSON, ("accept", "text/html")], PATIENT, "406 not-supported W2328"),
        ("POST /Patient?_format=ttl", vec![JSON], PATIENT, "406 not-supported W2328"),
        ("POST /Patien", vec![JSON], PATIENT, "404 not-supported W2321"),
        ("POST /patient", vec![JSON], PATIENT, "404 not-supported W2321"),
        ("GET /Patient/..%2f..%2fetc", vec![], "", "400 invalid W2322"),
        ("GET /Patient/%2e%2e", vec![], "", "400 invalid W2322"),
        ("GET /Patient/a_b", vec![], "", "400 invalid W2322"),
        ("PUT /Patient", vec![JSON], PATIENT, "400 invalid W2325"),
        ("TRACE /Patient/1", vec![], "", "405 not-supported W2323"),
        ("POST /Patient/1", vec![JSON], PATIENT, "405 not-supported W2323"),
        ("POST /$validate", vec![JSON], PATIENT, "404 not-found W2320"),
        ("GET /nowhere/1/2/3/4/5", vec![], "", "404 not-found W2320"),
        ("GET /Patient/1", vec![], "", "405 not-supported W2334"),
        ("GET /Patient?name=x", vec![], "", "405 not-supported W2334"),
        ("DELETE /Patient/1", vec![], "", "405 not-supported W2332"),
        ("GET /.well-known/smart-configuration", vec![], "", "404 not-found W2320"),
        ("POST /Patient", vec![JSON, ("if-match", "W/\"1\"")], PATIENT, "400 invalid W2324"),
        ("PUT /Patient/1", vec![JSON, ("if-none-exist", "a=1")], PATIENT, "400 invalid W2324"),
        ("PUT /Patient/1", vec![JSON, ("if-match", "3-x y")], PATIENT, "400 invalid W2324"),
        ("POST /Patient", vec![JSON, ("if-none-exist", "")], PATIENT, "400 invalid W2325"),
        ("POST /", vec![JSON], PATIENT, "400 invalid W2326"),
        ("POST /", vec![JSON], r#"{"resourceType":"Bundle"}"#, "400 invalid W2326"),
        (
            "POST /",
            vec![JSON],
            r#"{"resourceType":"Bundle","type":"searchset"}"#,
            "400 invalid W2326",
        ),
        (
            "POST /$process-message",
            vec![JSON],
            r#"{"resourceType":"Bundle","type":"batch"}"#,
            "400 invalid W2326",
        ),
        ("POST /", vec![JSON], last_bad, "400 invalid W2322"),
        (
            "POST /Patient",
            vec![("content-type", "application/json-patch+json")],
            "[]",
            "415 not-supported W2327",
        ),
    ];
    for (line, headers, body, expected) in &cases {
        let told = endpoint.send(line, headers, (*body).to_owned()).await;
        let text = &told.body[..told.body.len().min(300)];
        if line.contains("xml") || headers.contains(&xml) {
            assert!(told.body.starts_with("<?xml"), "{line}: {text}");
            assert!(told.body.contains(expected.split(' ').nth(2).unwrap()), "{line}: {text}");
            assert_eq!(told.status.to_string(), expected[..3], "{line}: {text}");
        } else {
            assert_eq!(told.brief(), *expected, "{line} {headers:?}: {text}");
        }
    }
    let said = endpoint.json("POST /", last_bad).await;
    assert_eq!(said.at("/issue/0/expression/0"), "Bundle.entry[1]", "{}", said.body);
    assert_eq!(endpoint.files().len(), 0, "nothing went on");
    let log = endpoint.site.log();
    assert!(!log.contains("panicked") && !log.contains("\"W9"), "{log}");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_is_where_it_is() {
    let endpoint = Endpoint::to_files("path = \"/hospital/r4\"");
    assert_eq!(endpoint.get("/metadata").await.brief(), "404 not-found W2320");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_do_not_hold_a_place() {
    let endpoint = Endpoint::to_files("body_timeout = \"200ms\"\nidle_timeout = \"300ms\"");
    let talk = |text: &str| {
        #[allow(clippy::disallowed_methods, reason = "tests open real sockets")]
        let mut stream = std::net::TcpStream::connect(endpoint.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    let head = "POST /fhir/Patient HTTP/1.1\r\nhost: a\r\ncontent-type: application/fhir+json\r\n\
                content-length: 100\r\n\r\n{\"resourceType\"";
    let said = talk(head);
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("W2330"), "{said}");
    assert_eq!(talk("POST /fhir/Patient HTTP/1.1\r\nhost"), "", "closed without a word");
    let large = format!("GET /fhir/metadata HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    assert!(talk(&large).starts_with("HTTP/1.1 431 "));
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_paused_senders_come_again() {
    let endpoint = Endpoint::to_files("");
    endpoint.site.ok(&["channel", "pause", "in", "source", "--reason", "test"]);
    for _ in 0..200 {
        let told = endpoint.json("POST /Patient", PATIENT).await;
        if told.status == 503 {
            assert_eq!(told.brief(), "503 transient W2333");
            assert!(told.header("retry-after").is_some());
            endpoint.site.ok(&["channel", "resume", "in", "source"]);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..200 {
        if endpoint.json("POST /Patient", PATIENT).await.status == 202 {
            endpoint.stop();
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{}", endpoint.site.log());
}
