//! Tests of transactions, batches and their links.

use std::time::Instant;

use super::*;
use crate::fhir::doc::doc;

fn bundle(kind: &str, entries: &str) -> Doc {
    doc(&format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#))
}

fn request(method: &str, url: &str) -> String {
    let resource = match (method, url.split(['/', '?']).collect::<Vec<_>>().as_slice()) {
        ("POST", [kind]) => format!(r#""resource":{{"resourceType":"{kind}"}},"#),
        ("PUT", [kind, id]) if !url.contains('?') => {
            format!(r#""resource":{{"resourceType":"{kind}","id":"{id}"}},"#)
        }
        ("PUT", [kind, ..]) => format!(r#""resource":{{"resourceType":"{kind}"}},"#),
        ("PATCH", _) => r#""resource":{"resourceType":"Parameters"},"#.to_owned(),
        _ => String::new(),
    };
    format!(r#"{{{resource}"request":{{"method":"{method}","url":"{url}"}}}}"#)
}

fn refusal(refused: &Refused) -> String {
    let fault = &refused.fault;
    format!(
        "{} {} {}: {}",
        refused.status,
        fault.code(),
        fault.place(),
        fault.cause().unwrap_or("")
    )
}

#[test]
fn entries_are_done_in_the_order_of_the_rules() {
    let asked = [
        ("GET", "Patient?name=x"),
        ("PUT", "Patient/1"),
        ("POST", "Patient"),
        ("PATCH", "Patient/2"),
        ("DELETE", "Patient/3"),
        ("HEAD", "Patient/9"),
        ("POST", "Observation"),
        ("DELETE", "Observation?code=1"),
        ("PUT", "Patient?identifier=1"),
    ];
    let entries: Vec<String> = asked.iter().map(|(method, url)| request(method, url)).collect();
    let read = bundle("transaction", &entries.join(","));
    let transaction = Transaction::read(&read).map_err(|r| refusal(&r)).unwrap();
    let order: Vec<usize> = transaction.order().iter().map(|entry| entry.index).collect();
    assert_eq!(order, [4, 7, 2, 6, 1, 3, 8, 0, 5]);
}

#[test]
fn bad_transactions_are_refused_as_a_whole() {
    let check = |entries: &[String], expected: &str| {
        let read = bundle("transaction", &entries.join(","));
        let found = Transaction::read(&read).map_or_else(|r| refusal(&r), |_| "fine".to_owned());
        assert_eq!(found, expected, "{entries:?}");
    };
    let ask = |method, url| request(method, url);
    check(&[], "fine");
    check(
        &[ask("PUT", "Patient/1"), ask("DELETE", "Patient/1")],
        "400 W2790 Bundle.entry[1]: `Bundle.entry[0]` changes the same resource",
    );
    check(&[ask("PUT", "Patient/1"), ask("GET", "Patient/1"), ask("PUT", "Basic/1")], "fine");
    check(&["{}".to_owned()], "400 W2752 Bundle.entry[0].request: the entry has no request");
    check(
        &[r#"{"request":{"method":"GET"}}"#.to_owned()],
        "400 W2752 Bundle.entry[0].request: the request has no method or no url",
    );
    check(
        &[r#"{"request":{"method":"POST","url":"Patient"}}"#.to_owned()],
        "400 W2791 Bundle.entry[0].resource: the entry has no resource",
    );
    check(
        &[ask("GET", "Patient/1"), ask("TRACE", "Patient/1")],
        "405 W2323 Bundle.entry[1].request: ",
    );
    check(&[ask("GET", "Zebra/1")], "404 W2321 Bundle.entry[0].request: ");
    check(&[ask("PUT", "Patient/../1")], "400 W2322 Bundle.entry[0].request: ");
    check(&[ask("PUT", "Patient/../../1")], "404 W2320 Bundle.entry[0].request: ");
    let other =
        r#"{"resource":{"resourceType":"Basic"},"request":{"method":"POST","url":"Patient"}}"#;
    let read = bundle("transaction", other);
    let found = Transaction::read(&read).map_or_else(|r| refusal(&r), |_| "fine".to_owned());
    assert!(found.starts_with("400 W2326 "), "{found}");
    let twice = r#"{"fullUrl":"urn:uuid:1","request":{"method":"GET","url":"Patient/1"}}"#;
    check(
        &[twice.to_owned(), twice.to_owned()],
        "400 W2752 Bundle.entry[1].fullUrl: another entry has the same `fullUrl`",
    );
    let read = bundle("collection", "");
    let found = Transaction::read(&read).map_or_else(|r| refusal(&r), |_| "fine".to_owned());
    assert_eq!(found, "400 W2752 Bundle.type: it is neither transaction nor batch");
}

#[test]
fn entries_of_a_batch_stand_for_themselves() {
    let entries =
        [request("PUT", "Patient/1"), request("PUT", "Zebra/1"), request("PUT", "Patient/1")];
    let read = bundle("batch", &entries.join(","));
    let batch = Transaction::read(&read).map_err(|r| refusal(&r)).unwrap();
    assert!(batch.is_batch());
    let bad: Vec<bool> = batch.entries().iter().map(|entry| entry.request.is_err()).collect();
    assert_eq!(bad, [false, true, false]);
    assert_eq!(batch.order().last().map(|entry| entry.index), Some(1));
}

fn patient(id: &str, version: Option<&str>) -> Identity {
    let version = version.and_then(Id::parse);
    Identity { kind: "Patient", id: Id::parse(id).unwrap(), version }
}

/// The resource with its links as they are written when `urn:uuid:1` is `Patient/p`,
/// version 3, and `http://a/fhir/Patient/7` is `Patient/q`.
fn rewritten(resource: &str, full_url: Option<&str>) -> String {
    let mut links = Links::default();
    links.add("urn:uuid:1", patient("p", Some("3")));
    links.add("urn:oid:1.2.3", patient("o", None));
    links.add("http://a/fhir/Patient/7", patient("q", None));
    links.found("Patient?identifier=x%7C1", patient("r", None));
    let doc = links.rewrite_doc(doc(resource), full_url).unwrap();
    String::from_utf8(doc.to_json().to_vec()).unwrap()
}

#[test]
fn links_are_rewritten_everywhere() {
    let check = |resource: &str, expected: &str| {
        assert_eq!(rewritten(resource, None), expected, "{resource}");
    };
    let same = |resource: &str| check(resource, resource);
    check(
        r#"{ "resourceType":"Observation", "subject": {"reference":"urn:uuid:1"}, "x":1.50 }"#,
        r#"{ "resourceType":"Observation", "subject": {"reference":"Patient/p"}, "x":1.50 }"#,
    );
    check(
        r#"{"resourceType":"Group","member":[{"entity":{"reference":"urn:oid:1.2.3"}},{"entity":{"reference":"http://a/fhir/Patient/7"}}]}"#,
        r#"{"resourceType":"Group","member":[{"entity":{"reference":"Patient/o"}},{"entity":{"reference":"Patient/q"}}]}"#,
    );
    check(
        r#"{"resourceType":"Basic","subject":{"reference":"urn:uuid:1/_history/1"}}"#,
        r#"{"resourceType":"Basic","subject":{"reference":"Patient/p/_history/3"}}"#,
    );
    check(
        r#"{"resourceType":"Basic","subject":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific","valueBoolean":true}],"reference":"urn:uuid:1"}}"#,
        r#"{"resourceType":"Basic","subject":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific","valueBoolean":true}],"reference":"Patient/p/_history/3"}}"#,
    );
    check(
        r#"{"resourceType":"Basic","subject":{"reference":"Patient?identifier=x%7C1"}}"#,
        r#"{"resourceType":"Basic","subject":{"reference":"Patient/r"}}"#,
    );
    // By the type of the element: uri, url, oid and uuid, but neither canonical nor string.
    check(
        r#"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"urn:uuid:1","title":"urn:uuid:1"}}]}"#,
        r#"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"Patient/p","title":"urn:uuid:1"}}]}"#,
    );
    check(
        r#"{"resourceType":"Basic","extension":[{"url":"u","valueUri":"urn:uuid:1"},{"url":"u","valueUuid":"urn:uuid:1"},{"url":"u","valueOid":"urn:oid:1.2.3"},{"url":"u","valueCanonical":"urn:uuid:1"}]}"#,
        r#"{"resourceType":"Basic","extension":[{"url":"u","valueUri":"Patient/p"},{"url":"u","valueUuid":"Patient/p"},{"url":"u","valueOid":"Patient/o"},{"url":"u","valueCanonical":"urn:uuid:1"}]}"#,
    );
    check(
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueReference":{"reference":"urn:uuid:1"}}]},"contained":[{"resourceType":"Basic","subject":{"reference":"urn:uuid:1#x"}}]}"#,
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueReference":{"reference":"Patient/p"}}]},"contained":[{"resourceType":"Basic","subject":{"reference":"Patient/p#x"}}]}"#,
    );
    check(
        r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"value","valueReference":{"reference":"urn:uuid:1"}}]}]}"#,
        r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"value","valueReference":{"reference":"Patient/p"}}]}]}"#,
    );
    same(
        r##"{"resourceType":"Basic","subject":{"reference":"#1"},"identifier":[{"value":"urn:uuid:1"}]}"##,
    );
    same(r#"{"resourceType":"Basic","subject":{"reference":"urn:uuid:2"}}"#);
    same(r#"{"resourceType":"Basic","subject":{"reference":"Patient/7"}}"#);
    same(r#"{"resourceType":"Zebra","subject":{"reference":"urn:uuid:1"}}"#);
    same(r#"{"resourceType":"Basic","id":"Patient?identifier=x%7C1"}"#);
}

#[test]
fn relative_references_follow_the_address_of_their_entry() {
    let resource = r#"{"resourceType":"Basic","subject":{"reference":"Patient/7"}}"#;
    let check = |full_url: &str, changes: bool| {
        let found = rewritten(resource, Some(full_url));
        assert_eq!(found.contains("Patient/q"), changes, "{full_url} {found}");
    };
    check("http://a/fhir/Basic/1", true);
    check("http://b/fhir/Basic/1", false);
    check("urn:uuid:5", false);
    check("http://a/fhir/Zebra/1", false);
    let html = r#"{"resourceType":"Basic","text":{"div":"<a href='Patient/7'/>"}}"#;
    assert!(rewritten(html, Some("http://a/fhir/Basic/1")).contains("href='Patient/q'"));
}

#[test]
fn narratives_are_rewritten_in_their_links_only() {
    let check = |html: &str, expected: &str| {
        let resource = |html: &str| {
            let div = serde_json::Value::from(html).to_string();
            format!(r#"{{"resourceType":"Basic","text":{{"div":{div}}}}}"#)
        };
        assert_eq!(rewritten(&resource(html), None), resource(expected), "{html}");
    };
    check(
        r#"<div><a href="urn:uuid:1">urn:uuid:1</a></div>"#,
        r#"<div><a href="Patient/p">urn:uuid:1</a></div>"#,
    );
    check(
        "<div><img alt = 'a>b' src = 'urn:uuid:1'/></div>",
        "<div><img alt = 'a>b' src = 'Patient/p'/></div>",
    );
    check("<h:a class='x' href='urn:uuid:1#y'/>", "<h:a class='x' href='Patient/p#y'/>");
    for html in [
        r#"<div><p href="urn:uuid:1">href="urn:uuid:1"</p></div>"#,
        r#"<div><!-- <a href="urn:uuid:1"/> --></div>"#,
        r#"<div><a title="urn:uuid:1"/></div>"#,
        r#"<a href=urn:uuid:1 "#,
        r#"<a href="urn:uuid:1"#,
        "<!-- ",
        "<",
    ] {
        check(html, html);
    }
}

#[test]
fn searches_are_listed_once() {
    let entry = |reference: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Basic","subject":{{"reference":"{reference}"}}}},"request":{{"method":"POST","url":"Basic"}}}}"#
        )
    };
    let listed = |kind: &str, references: &[&str]| {
        let entries: Vec<String> = references.iter().map(|r| entry(r)).collect();
        let read = bundle(kind, &entries.join(","));
        let transaction = Transaction::read(&read).map_err(|r| refusal(&r)).unwrap();
        transaction.conditional().map_err(|r| refusal(&r))
    };
    let found = listed(
        "transaction",
        &[
            "Patient?identifier=a%7C1",
            "Patient?identifier=a%7C1",
            "http://x/Patient?identifier=1",
            "Patient/1",
            "Practitioner?name=x&_format=json",
        ],
    )
    .unwrap();
    let all: Vec<_> =
        found.iter().map(|c| format!("{} {} {}", c.kind, c.search.encode(), c.place)).collect();
    assert_eq!(
        all,
        [
            "Patient identifier=a%7C1 Bundle.entry[0].resource.subject.reference",
            "Practitioner name=x Bundle.entry[4].resource.subject.reference",
        ]
    );
    let refused = found[0].refused(0);
    assert_eq!(
        refusal(&refused),
        "412 W2792 Bundle.entry[0].resource.subject.reference: it finds nothing"
    );
    assert_eq!(found[0].refused(2).fault.cause(), Some("it finds several resources"));
    assert_eq!(listed("batch", &["Patient?identifier=1"]).unwrap(), []);
    assert_eq!(
        listed("transaction", &["Patient?"]).unwrap_err(),
        "412 W2792 Bundle.entry[0].resource.subject.reference: it names no parameter"
    );
    assert!(listed("transaction", &["Patient?x=%zz"]).unwrap_err().starts_with("400 W2325"));
}

#[test]
fn resolved_requests_claim_their_resource() {
    let entries = [request("PUT", "Patient/1"), request("PUT", "Patient?identifier=1")];
    let read = bundle("transaction", &entries.join(","));
    let transaction = Transaction::read(&read).map_err(|r| refusal(&r)).unwrap();
    let mut targets = Targets::default();
    let [first, second] = transaction.entries() else { panic!() };
    targets.claim_written(first).unwrap();
    targets.claim_written(second).unwrap();
    let one = Id::parse("1").unwrap();
    targets.claim(second, "Basic", &one).unwrap();
    assert_eq!(
        refusal(&targets.claim(second, "Patient", &one).unwrap_err()),
        "400 W2790 Bundle.entry[1]: `Bundle.entry[0]` changes the same resource"
    );
}

/// 10,000 entries in a ring, each with a reference to the next: the time of ten times as
/// many is about ten times as long.
#[test]
#[allow(clippy::disallowed_methods, reason = "the test measures real time")]
fn large_transactions_stay_linear() {
    let ring = |entries: usize| {
        let all: Vec<String> = (0..entries).map(|at| {
            let next = (at + 1) % entries;
            format!(r#"{{"fullUrl":"urn:uuid:{at}","resource":{{"resourceType":"Basic","subject":{{"reference":"urn:uuid:{next}"}}}},"request":{{"method":"POST","url":"Basic"}}}}"#)
        }).collect();
        bundle("transaction", &all.join(","))
    };
    let run = |entries: usize| {
        let read = ring(entries);
        let start = Instant::now();
        let transaction = Transaction::read(&read).map_err(|r| refusal(&r)).unwrap();
        assert!(transaction.conditional().unwrap().is_empty());
        let links = transaction.links(|entry| {
            Some(Identity {
                kind: "Basic",
                id: Id::parse(&format!("b{}", entry.index))?,
                version: None,
            })
        });
        for entry in transaction.order() {
            let doc = links.rewrite(entry).unwrap().unwrap();
            let next = (entry.index + 1) % entries;
            let reference = doc.root().get("subject").unwrap().get("reference").unwrap();
            assert_eq!(reference.string().unwrap(), format!("Basic/b{next}"));
        }
        start.elapsed()
    };
    run(100);
    let (small, large) = (run(1_000), run(10_000));
    // Quadratic work would take a hundred times as long.
    assert!(large < small * 40 + std::time::Duration::from_millis(200), "{small:?} {large:?}");
}
