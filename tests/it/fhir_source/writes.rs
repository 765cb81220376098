//! Every way to write, and what becomes of it with `reply = "after-commit"`.

use super::*;

const PATIENT: &str = r#"{"resourceType":"Patient","gender":"male"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_kept_and_its_status_says_what_became_of_it() {
    let endpoint = Endpoint::to_files("");
    let told = endpoint.json("POST /Patient", PATIENT).await;
    assert_eq!((told.status, told.at("/issue/0/severity").as_str()), (202, "information"));
    assert_eq!(told.header("content-type"), Some("application/fhir+json; charset=utf-8"));
    let address = told.header("content-location").unwrap().to_owned();
    let done = endpoint.outcome(&address).await;
    assert_eq!((done.status, done.at("/type").as_str()), (200, "batch-response"));
    assert_eq!(done.at("/entry/0/response/status"), "200 OK");
    assert_eq!(endpoint.files(), [PATIENT]);
    let minimal = [JSON, ("prefer", "return=minimal")];
    let told = endpoint.send("POST /Patient", &minimal, PATIENT).await;
    assert_eq!((told.status, told.body.as_str()), (202, ""));
    for path in ["/_status/01J00000000000000000000000", "/_status/../x", "/_status/"] {
        assert_eq!(endpoint.get(path).await.brief(), "404 not-found W2335", "{path}");
    }
    let told = endpoint.send("DELETE /_status/1", &[], "").await;
    assert_eq!(told.brief(), "405 not-supported W2323");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_interaction_travels_in_its_form() {
    let accept = "accept = [\"create\", \"update\", \"patch\", \"delete\", \"transaction\", \
                  \"batch\", \"message\"]";
    let endpoint = Endpoint::to_files(accept);
    let one = r#"{"resourceType":"Patient","id":"1"}"#;
    let xml = ("content-type", "application/fhir+xml");
    let patch = ("content-type", "application/json-patch+json");
    let entry = |request: &str, resource: &str| {
        let resource = match resource {
            "" => String::new(),
            resource => format!(r#""resource":{resource},"#),
        };
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{{resource}"request":{{{request}}}}}]}}"#
        )
    };
    let parameters = r#"{"resourceType":"Parameters","parameter":[{"name":"operation"}]}"#;
    let transaction = entry(r#""method":"POST","url":"Patient""#, PATIENT);
    let message = r#"{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader"}}]}"#;
    let batch = transaction.replace("transaction", "batch");
    type Case<'c> = (&'c str, Vec<(&'c str, &'c str)>, &'c str, &'c str, String);
    let cases: Vec<Case<'_>> = vec![
        ("POST /Patient", vec![JSON], PATIENT, "create:Patient", PATIENT.into()),
        ("PUT /Patient/1", vec![JSON], one, "update:Patient", one.into()),
        (
            "POST /Patient",
            vec![xml],
            "<Patient xmlns=\"http://hl7.org/fhir\"><gender value=\"male\"/></Patient>",
            "create:Patient",
            PATIENT.into(),
        ),
        (
            "POST /Patient",
            vec![JSON, ("if-none-exist", "identifier=urn:x|1")],
            PATIENT,
            "create:Patient",
            entry(
                r#""method":"POST","url":"Patient","ifNoneExist":"identifier=urn:x%7C1""#,
                PATIENT,
            ),
        ),
        (
            "PUT /Patient/1",
            vec![JSON, ("if-match", "W/\"3\"")],
            one,
            "update:Patient",
            entry(r#""method":"PUT","url":"Patient/1","ifMatch":"W/\"3\"""#, one),
        ),
        (
            "PUT /Patient?identifier=1",
            vec![JSON],
            PATIENT,
            "update:Patient",
            entry(r#""method":"PUT","url":"Patient?identifier=1""#, PATIENT),
        ),
        (
            "DELETE /Patient/1",
            vec![],
            "",
            "delete:Patient",
            entry(r#""method":"DELETE","url":"Patient/1""#, ""),
        ),
        (
            "DELETE /Patient?identifier=1",
            vec![],
            "",
            "delete:Patient",
            entry(r#""method":"DELETE","url":"Patient?identifier=1""#, ""),
        ),
        (
            "PATCH /Patient/1",
            vec![patch],
            "[]",
            "patch:Patient",
            entry(
                r#""method":"PATCH","url":"Patient/1""#,
                r#"{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10="}"#,
            ),
        ),
        (
            "PATCH /Patient/1",
            vec![("content-type", "application/xml-patch+xml")],
            "<diff/>",
            "patch:Patient",
            entry(
                r#""method":"PATCH","url":"Patient/1""#,
                r#"{"resourceType":"Binary","contentType":"application/xml-patch+xml","data":"PGRpZmYvPg=="}"#,
            ),
        ),
        (
            "PATCH /Patient/1",
            vec![JSON],
            parameters,
            "patch:Patient",
            entry(r#""method":"PATCH","url":"Patient/1""#, parameters),
        ),
        ("POST ", vec![JSON], &transaction, "transaction:Patient", transaction.clone()),
        ("POST /", vec![JSON], &batch, "batch:Patient", batch.clone()),
        ("POST /$process-message", vec![JSON], message, "message:MessageHeader", message.into()),
        ("POST /%24process-message", vec![JSON], message, "message:MessageHeader", message.into()),
    ];
    for (line, headers, body, kind, written) in &cases {
        let told = endpoint.send(line, headers, (*body).to_owned()).await;
        assert_eq!(told.status, 202, "{line}: {}", told.body);
        let id = told.header("content-location").unwrap().rsplit_once('/').unwrap().1.to_owned();
        let address = told.header("content-location").unwrap();
        assert_eq!(endpoint.outcome(address).await.status, 200, "{line}");
        let file = endpoint.site.root().join(format!("out/{id}.json"));
        assert_eq!(&std::fs::read_to_string(file).unwrap(), written, "{line}");
        let trace = endpoint.site.ok(&["trace", &id]);
        assert!(trace.contains(kind), "{line}: {trace}");
    }
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_takes_what_it_accepts() {
    let endpoint = Endpoint::to_files("accept = [\"create:Patient\", \"transaction:Observation\"]");
    let check = async |line: &str, body: &str, expected: &str| {
        assert_eq!(endpoint.json(line, body).await.brief(), expected, "{line} {body}");
    };
    check("POST /Patient", PATIENT, "202 informational").await;
    check("PUT /Patient/1", r#"{"resourceType":"Patient","id":"1"}"#, "405 not-supported W2332")
        .await;
    check("POST /Group", r#"{"resourceType":"Group"}"#, "405 not-supported W2332").await;
    let bundle = |kind: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{{"resourceType":"{kind}"}},"request":{{"method":"POST","url":"{kind}"}}}}]}}"#
        )
    };
    check("POST /", &bundle("Observation"), "202 informational").await;
    check("POST /", &bundle("Patient"), "422 invalid W2015").await;
    let told = endpoint.json("PUT /Patient/1", "{}").await;
    assert_eq!(told.header("allow"), Some("POST"));
    let told = endpoint.get("/metadata").await;
    let rest = &told.value()["rest"][0];
    let kinds: Vec<_> = rest["resource"].as_array().unwrap().iter().map(|r| &r["type"]).collect();
    assert_eq!(kinds, ["Patient"]);
    assert_eq!(rest["resource"][0]["interaction"][0]["code"], "create");
    assert_eq!(rest["interaction"].as_array().unwrap().len(), 1);
    let statement = weir::fhir::Doc::parse_json(told.body.clone().into()).unwrap();
    assert_eq!(weir::fhir::validate::structure(&statement).len(), 0);
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_messages_of_their_own() {
    let endpoint = Endpoint::to_files("max_size = \"1 KiB\"");
    let ndjson = ("content-type", "application/fhir+ndjson");
    let lines = "{\"resourceType\":\"Patient\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"2\"}\r\n{\"resourceType\":\"Group\"}";
    let told = endpoint.send("POST ", &[ndjson], lines).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.at("/issue/0/diagnostics"), "3 lines are kept, 0 are refused.");
    assert_eq!(endpoint.wait_files(3).await.len(), 3);
    let long = format!("{{\"resourceType\":\"Patient\",\"id\":\"{}\"}}", "1".repeat(2000));
    let mixed = format!(
        "{{\"resourceType\":\"Patient\"}}\n{{\"resourceType\":\n{long}\n{{\"resourceType\":\"Nope\"}}\n\
         {{\"resourceType\":\"Patient\",\"id\":\"..\"}}\n{{\"resourceType\":\"Patient\"}}\n"
    );
    let told = endpoint.send("POST /", &[ndjson], mixed).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.at("/issue/0/diagnostics"), "2 lines are kept, 4 are refused.");
    let told = told.value();
    let issues = told["issue"].as_array().unwrap();
    let codes: Vec<_> =
        issues[1..].iter().map(|i| i["details"]["coding"][0]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["W2329", "W2701", "W2720", "W2326"], "{issues:?}");
    assert!(issues[2]["diagnostics"].as_str().unwrap().contains("line 2"), "{issues:?}");
    let told = endpoint.send("POST /", &[ndjson], "{").await;
    assert_eq!(told.status, 400);
    endpoint.stop();
}
