//! Requests and what they ask for.

use super::*;
use crate::fault::Code;
use crate::fault::codes::W2326;
use crate::fhir::doc::doc;
use bytes::Bytes;
use proptest::prelude::*;

fn request<'a>(line: &'a str) -> Request<'a> {
    let (method, url) = line.split_once(' ').unwrap();
    let (path, query) = url.split_once('?').map_or((url, None), |(path, q)| (path, Some(q)));
    Request { method, path, query, ..Request::default() }
}

/// Its code, type, id and what else matters.
fn told(interaction: &Interaction) -> String {
    let mut out = interaction.code().to_owned();
    out.extend(interaction.kind().iter().flat_map(|kind| [" ", kind]));
    out.extend(interaction.id().iter().flat_map(|id| ["/", id.as_str()]));
    match interaction {
        Interaction::Search { query, compartment, .. } => {
            if let Some((kind, id)) = compartment {
                out.push_str(&format!(" in {kind}/{}", id.as_str()));
            }
            out.push_str(&format!(" ?{}", query.encode()));
        }
        Interaction::ConditionalUpdate { search, .. }
        | Interaction::ConditionalPatch { search, .. }
        | Interaction::ConditionalDelete { search, .. }
        | Interaction::Create { if_none_exist: Some(search), .. } => {
            out.push_str(&format!(" ?{}", search.encode()));
        }
        Interaction::Vread { version, .. } => out.push_str(&format!(" v{}", version.as_str())),
        Interaction::Operation { name, .. } => out.push_str(&format!(" ${name}")),
        _ => {}
    }
    out
}

#[test]
fn every_interaction_of_r4_has_its_address() {
    let check = |line: &str, expected: &str| {
        let found = parse(&request(line)).map(|found| told(&found));
        assert_eq!(found.as_deref(), Ok(expected), "{line}");
    };
    check("GET metadata", "capabilities");
    check("GET /metadata?mode=full", "capabilities");
    check("GET Patient/1", "read Patient/1");
    check("HEAD /Patient/1/", "read Patient/1");
    check("GET Patient/1/_history/2", "vread Patient/1 v2");
    check("GET Patient/1/_history?_count=2", "history-instance Patient/1");
    check("GET Patient/_history", "history-type Patient");
    check("GET _history", "history-system");
    check("GET Patient", "search-type Patient ?");
    check("GET Patient?name=a&_format=json", "search-type Patient ?name=a&_format=json");
    check("GET ?_type=Patient", "search-system ?_type=Patient");
    check("GET ", "search-system ?");
    check("POST Patient/_search?name=a", "search-type Patient ?name=a");
    check("POST _search", "search-system ?");
    check("GET Patient/1/Observation?code=1", "search-type Observation in Patient/1 ?code=1");
    check("GET Patient/1/*", "search-system in Patient/1 ?");
    check("POST Patient", "create Patient");
    check("POST Patient?_format=xml", "create Patient");
    check("PUT Patient/a-b.1", "update Patient/a-b.1");
    check("PUT Patient?identifier=a|1&_format=json", "update Patient ?identifier=a%7C1");
    check("PATCH Patient/1", "patch Patient/1");
    check("PATCH Patient?identifier=1", "patch Patient ?identifier=1");
    check("DELETE Patient/1", "delete Patient/1");
    check("DELETE Patient?identifier=1", "delete Patient ?identifier=1");
    check("POST /", "transaction");
    check("POST ", "transaction");
    check("POST $process-message?async=true", "operation");
    check("POST %24process-message", "operation");
    check("GET Patient/1/$everything", "operation Patient/1 $everything");
    check("POST Patient/$match", "operation Patient $match");
    check("GET $export", "operation $export");
}

#[test]
fn everything_else_is_refused_with_the_right_status() {
    let check = |line: &str, status: u16, code: Code| {
        let refused = parse(&request(line)).expect_err(line);
        assert_eq!((refused.status, refused.fault.code()), (status, code), "{line}");
        assert_eq!(status == 405, !refused.allow.is_empty(), "{line}");
    };
    for path in [
        "patient/1",
        "Patien/1",
        "Resource/1",
        "DomainResource",
        "HumanName/1",
        "../Patient/1",
        "%50atient/1",
    ] {
        check(&format!("GET {path}"), 404, W2321);
        check(&format!("PUT {path}"), 404, W2321);
    }
    for id in [
        "..", ".", "...", "%2e%2e", "%2E", "a%2Fb", "1%00", "a_b", "é", "a b", "1;x", "", "a:b",
        "a\\b",
    ] {
        check(&format!("GET Patient/{id}/_history/1"), 400, W2322);
    }
    check(&format!("GET Patient/{}", "a".repeat(65)), 400, W2322);
    check("GET Patient/1/_history/..", 400, W2322);
    check("GET Patient//1", 400, W2322);
    check("GET Patient/1//", 404, W2321);
    check("GET Patient/1/_history/1/2", 404, W2320);
    check("GET Patient/1/2/3/4/5", 404, W2320);
    check("GET Patient/1/2/3", 404, W2320);
    check("GET Patient/1/_search", 404, W2321);
    check("GET $a/b", 404, W2321);
    check("GET $", 404, W2320);
    check("GET $a.b", 404, W2320);
    check(&format!("GET {}", "a".repeat(PATH_BYTES_MAX + 1)), 404, W2320);
    for (method, path) in [
        ("TRACE", "Patient/1"),
        ("get", "Patient/1"),
        ("", "Patient"),
        ("OPTIONS", "metadata"),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "Patient/1"),
        ("POST", "metadata"),
        ("PUT", "Patient/1/_history/2"),
        ("DELETE", "Patient/1/_history"),
        ("GET", "Patient/_search"),
        ("PUT", "Patient/_search"),
        ("DELETE", "$export"),
        ("PUT", "Patient/1/Observation"),
    ] {
        check(&format!("{method} {path}"), 405, W2323);
    }
    for line in [
        "PUT Patient",
        "PATCH Patient?_format=json",
        "DELETE Patient?",
        "GET Patient?=1",
        "GET Patient?a=%zz",
    ] {
        check(line, 400, W2325);
    }
}

#[test]
fn conditions_belong_to_their_interactions() {
    let check = |line: &str, name: &str, value: &str, expected: Result<&str, Code>| {
        let mut asked = request(line);
        let place = match name {
            "if-match" => &mut asked.conditions.if_match,
            "if-none-match" => &mut asked.conditions.if_none_match,
            "if-none-exist" => &mut asked.conditions.if_none_exist,
            _ => &mut asked.conditions.if_modified_since,
        };
        *place = Some(value);
        let found = parse(&asked).map(|found| told(&found)).map_err(|refused| refused.fault.code());
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{line} {name}: {value}");
    };
    check("POST Patient", "if-none-exist", "identifier=1", Ok("create Patient ?identifier=1"));
    check("POST Patient", "if-none-exist", "?identifier=1", Ok("create Patient ?identifier=1"));
    check("POST Patient", "if-none-exist", " Patient?a=1 ", Ok("create Patient ?a=1"));
    check("POST Patient", "if-none-exist", "", Err(W2325));
    check("POST Patient", "if-none-exist", "_format=json", Err(W2325));
    check("POST Patient", "if-none-exist", "Group?a=1", Err(W2325));
    check("POST ", "if-none-exist", "a=1", Err(W2324));
    check("PUT Patient/1", "if-none-exist", "a=1", Err(W2324));
    check("PUT Patient/1", "if-match", "W/\"1\"", Ok("update Patient/1"));
    check("PUT Patient/1", "if-match", "W/1", Err(W2324));
    check("PATCH Patient?a=1", "if-match", "\"1\"", Ok("patch Patient ?a=1"));
    check("DELETE Patient/1", "if-match", "*", Ok("delete Patient/1"));
    check("DELETE Patient?a=1", "if-match", "*", Err(W2324));
    check("POST Patient", "if-match", "\"1\"", Err(W2324));
    check("PUT Patient/1", "if-none-match", "*", Err(W2324));
    check("GET Patient/1", "if-none-match", "W/\"1\"", Ok("read Patient/1"));
    check("GET Patient/1", "if-none-match", "W/x\"", Err(W2324));
    check(
        "GET Patient/1",
        "if-modified-since",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        Ok("read Patient/1"),
    );
    check("GET Patient/1", "if-modified-since", "yesterday", Ok("read Patient/1"));
}

#[test]
fn entries_of_bundles_are_read_alike() {
    let check = |method: &str, url: &str, expected: Result<&str, Code>| {
        let found = entry(method, url, Conditions::default());
        let found = found.map(|found| told(&found)).map_err(|refused| refused.fault.code());
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{method} {url}");
    };
    check("POST", "Patient", Ok("create Patient"));
    check("PUT", "/Patient/1", Ok("update Patient/1"));
    check("PUT", "Patient?identifier=a|b", Ok("update Patient ?identifier=a%7Cb"));
    check("GET", "Patient?name=x", Ok("search-type Patient ?name=x"));
    check("HEAD", "Patient/1", Ok("read Patient/1"));
    check("POST", "", Err(W2323));
    check("POST", "$process-message", Err(W2323));
    check("POST", "Patient/_search", Err(W2323));
    check("PUT", "https://elsewhere.example/Patient/1", Err(W2320));
    check("PUT", "Patient/../1", Err(W2322));
    check("PURGE", "Patient/1", Err(W2323));
}

#[test]
fn writes_with_conditions_travel_as_transactions() {
    let patient = doc(r#"{"resourceType":"Patient","id":"1"}"#);
    let check = |line: &str, conditions: Conditions<'_>, change: &Change<'_>, expected: &str| {
        let found = parse(&Request { conditions, ..request(line) }).unwrap();
        let found =
            wrapped(&found, change).map(|doc| String::from_utf8(doc.to_json().to_vec()).unwrap());
        let whole =
            format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{{expected}}}]}}"#);
        assert_eq!(
            found.unwrap_or_default(),
            if expected.is_empty() { "" } else { &*whole },
            "{line}"
        );
    };
    let none = Conditions::default();
    let resource = Change::Resource(&patient);
    check("POST Patient", none, &resource, "");
    check("PUT Patient/1", none, &resource, "");
    check("POST ", none, &resource, "");
    let held = Conditions { if_match: Some("3"), ..none };
    check(
        "PUT Patient/1",
        held,
        &resource,
        r#""resource":{"resourceType":"Patient","id":"1"},"request":{"method":"PUT","url":"Patient/1","ifMatch":"W/\"3\""}"#,
    );
    let new = Conditions { if_none_exist: Some("identifier=a|b&x=ö"), ..none };
    check(
        "POST Patient",
        new,
        &resource,
        r#""resource":{"resourceType":"Patient","id":"1"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a%7Cb&x=%C3%B6"}"#,
    );
    check(
        "DELETE Patient?a=1",
        none,
        &Change::Nothing,
        r#""request":{"method":"DELETE","url":"Patient?a=1"}"#,
    );
    let bytes = Bytes::from_static(b"[]");
    let patch = Change::Patch { content_type: "application/json-patch+json", bytes: &bytes };
    check(
        "PATCH Patient/1",
        none,
        &patch,
        r#""resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10="},"request":{"method":"PATCH","url":"Patient/1"}"#,
    );
}

#[test]
fn content_has_to_fit_its_address() {
    let check = |line: &str, json: &str, expected: Option<(Code, &str)>| {
        let found = parse(&request(line)).unwrap();
        let found = addressed(&found, doc(json).root()).err();
        let found = found.map(|fault| (fault.code(), fault.place().to_string()));
        assert_eq!(found, expected.map(|(c, p)| (c, p.to_owned())), "{line} {json}");
    };
    check("POST Patient", r#"{"resourceType":"Patient"}"#, None);
    check("POST Patient", r#"{"resourceType":"Patient","id":"1"}"#, None);
    check("POST Patient", r#"{"resourceType":"Patient","id":"../1"}"#, Some((W2322, "Patient.id")));
    check("POST Patient", r#"{"resourceType":"Group"}"#, Some((W2326, "Patient")));
    check("PUT Patient/1", r#"{"resourceType":"Patient"}"#, Some((W2326, "Patient.id")));
    check("PUT Patient/1", r#"{"resourceType":"Patient","id":"2"}"#, Some((W2326, "Patient.id")));
    check("PUT Patient/1", r#"{"resourceType":"Patient","id":1}"#, Some((W2326, "Patient.id")));
    check("PUT Patient/1", r#"{"resourceType":"Patient","id":"1"}"#, None);
    check("PUT Patient?a=1", r#"{"resourceType":"Patient"}"#, None);
    check("POST ", r#"{"resourceType":"Bundle"}"#, None);
    let named = |line: &str| message_type(&parse(&request(line)).unwrap());
    assert_eq!(named("PUT Patient?a=1").as_deref(), Some("update:Patient"));
    assert_eq!(named("DELETE Patient/1").as_deref(), Some("delete:Patient"));
    assert_eq!((named("POST "), named("GET Patient/1")), (None, None));
    let of = |json: &str| message_type_of(doc(json).root());
    assert_eq!(of(r#"{"resourceType":"Group","id":"1"}"#).as_deref(), Some("update:Group"));
    assert_eq!(of(r#"{"resourceType":"Group"}"#).as_deref(), Some("create:Group"));
    assert_eq!((of(r#"{"resourceType":"Bundle"}"#), of("[]")), (None, None));
}

proptest! {
    /// Whatever comes: no panic, and what is taken holds a type of R4, ids that are ids and a
    /// search that reads back the same.
    #[test]
    fn what_is_taken_is_safe(
        method in "GET|HEAD|POST|PUT|PATCH|DELETE|[A-Z]{0,6}",
        path in "(Patient|Observation|metadata|_history|_search|\\$[a-z-]{0,8}|[ -~é]{0,8}|\\.\\.)?(/([A-Za-z0-9.-]{0,4}|_history|_search|%2e|[ -~]{0,4})){0,4}",
        query in proptest::option::of("([a-z_:.]{0,6}=?[ -~é]{0,6}&?){0,4}"),
        condition in proptest::option::of("[ -~]{0,10}"),
    ) {
        let conditions = Conditions { if_match: condition.as_deref(), ..Conditions::default() };
        let asked = Request { method: &method, path: &path, query: query.as_deref(), form: None, conditions };
        if let Ok(found) = parse(&asked) {
            prop_assert!(found.kind().is_none_or(tables::is_resource));
            prop_assert!(found.id().is_none_or(|id| is_id(id.as_str())));
            if let Interaction::Search { query, .. } | Interaction::ConditionalUpdate { search: query, .. } = &found {
                prop_assert_eq!(&Query::parse(&query.encode()).unwrap(), query);
            }
            if let Some(doc) = wrapped(&found, &Change::Nothing) {
                let request = doc.root().get("entry").unwrap().items().next().unwrap();
                let request = request.get("request").unwrap();
                let text = |name: &str| request.get(name).map(|node| node.text().unwrap().into_owned());
                let if_match = text("ifMatch");
                let again = entry(&text("method").unwrap(), &text("url").unwrap(), Conditions {
                    if_match: if_match.as_deref(), ..Conditions::default()
                });
                prop_assert_eq!(again, Ok(found));
            }
        }
    }
}
