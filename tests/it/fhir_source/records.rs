//! A FHIR server: the source `fhir` with a record store behind, and with another server.

use super::*;

fn patient(id: &str, family: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!(r#""id":"{id}","#) };
    format!(
        r#"{{"resourceType":"Patient",{id}"identifier":[{{"system":"urn:x","value":"{family}"}}],"name":[{{"family":"{family}"}}]}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_lives_through_all_interactions() {
    let endpoint = Endpoint::of_records();
    let told = endpoint.json("POST /Patient", &patient("", "Abel")).await;
    assert_eq!(told.status, 201, "{}", told.body);
    let location = told.header("location").unwrap().to_owned();
    assert!(location.starts_with(&endpoint.base()), "{location}");
    assert_eq!(told.header("etag"), Some("W/\"1\""));
    let id = told.at("/id");
    let path = format!("/Patient/{id}");
    assert_eq!(location, format!("{}{path}/_history/1", endpoint.base()));

    let read = endpoint.get(&path).await;
    assert_eq!((read.status, read.at("/name/0/family").as_str()), (200, "Abel"));
    assert!(read.header("last-modified").is_some());
    let same = [("if-none-match", "W/\"1\"")];
    assert_eq!(endpoint.send(&format!("GET {path}"), &same, "").await.status, 304);

    let put = format!("PUT {path}");
    let held = |tag| [JSON, ("if-match", tag)];
    let told = endpoint.send(&put, &held("W/\"1\""), patient(&id, "Baker")).await;
    assert_eq!((told.status, told.header("etag")), (200, Some("W/\"2\"")), "{}", told.body);
    let told = endpoint.send(&put, &held("W/\"1\""), patient(&id, "Cole")).await;
    assert_eq!(told.status, 412, "{}", told.body);
    assert_eq!(told.at("/resourceType"), "OperationOutcome");
    let minimal = [JSON, ("prefer", "return=minimal")];
    let told = endpoint.send(&put, &minimal, patient(&id, "Dale")).await;
    assert_eq!((told.status, told.body.as_str()), (200, ""));

    let patch = [("content-type", "application/json-patch+json")];
    let body = r#"[{"op":"replace","path":"/name/0/family","value":"Earl"}]"#;
    let told = endpoint.send(&format!("PATCH {path}"), &patch, body).await;
    assert_eq!((told.status, told.at("/name/0/family").as_str()), (200, "Earl"), "{}", told.body);

    let old = endpoint.get(&format!("{path}/_history/1")).await;
    assert_eq!((old.status, old.at("/name/0/family").as_str()), (200, "Abel"));
    let history = endpoint.get(&format!("{path}/_history")).await;
    assert_eq!((history.at("/type").as_str(), history.at("/total").as_str()), ("history", "4"));
    let found = endpoint.get("/Patient?family=earl").await;
    assert_eq!((found.at("/type").as_str(), found.at("/total").as_str()), ("searchset", "1"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let found = endpoint.send("POST /Patient/_search", &form, "family=earl").await;
    assert_eq!((found.status, found.at("/total").as_str()), (200, "1"), "{}", found.body);

    let told = endpoint.send(&format!("DELETE {path}"), &[], "").await;
    assert!(matches!(told.status, 200 | 204), "{} {}", told.status, told.body);
    assert_eq!(endpoint.get(&path).await.brief(), "410 not-found W2338");
    assert_eq!(endpoint.get("/Patient/never").await.brief(), "404 not-found W2337");
    assert_eq!(endpoint.get(&format!("{path}/_history/99")).await.status, 404);
    let ledger = endpoint.ledger();
    let total: Vec<&str> = ledger.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(total[7..10], ["1", "0", "0"], "the 412 was heard by its sender:\n{ledger}");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_kept() {
    let endpoint = Endpoint::of_records();
    let new = [JSON, ("if-none-exist", "identifier=urn:x|Fox")];
    let told = endpoint.send("POST /Patient", &new, patient("", "Fox")).await;
    assert_eq!(told.status, 201, "{}", told.body);
    let first = told.header("location").unwrap().to_owned();
    let told = endpoint.send("POST /Patient", &new, patient("", "Fox")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.header("location"), Some(&*first));
    let put = "PUT /Patient?identifier=urn:x|Gray";
    assert_eq!(endpoint.json(put, &patient("", "Gray")).await.status, 201);
    assert_eq!(endpoint.json(put, &patient("", "Gray")).await.status, 200);
    let told = endpoint.json("PUT /Patient/own-1", &patient("own-1", "Hill")).await;
    assert_eq!(told.status, 201, "an id of the client's: {}", told.body);
    let told = endpoint.json("PUT /Patient?family=zz&_count=1", &patient("", "Ivy")).await;
    assert!(told.status < 500, "{}", told.body);
    let headers = [JSON, ("prefer", "respond-async")];
    let told = endpoint.send("POST /Patient", &headers, patient("", "Jay")).await;
    assert_eq!((told.status, told.body.as_str()), (202, ""));
    let done = endpoint.outcome(told.header("content-location").unwrap()).await;
    assert_eq!(done.at("/entry/0/response/status"), "201 Created", "{}", done.body);
    let path = done.header("location").unwrap().strip_prefix(&endpoint.base()).unwrap().to_owned();
    assert_eq!(endpoint.get(&path).await.at("/name/0/family"), "Jay");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_whole_or_nothing() {
    let endpoint = Endpoint::of_records();
    let bundle = |last: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[
            {{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","resource":{},
              "request":{{"method":"POST","url":"Patient"}}}},
            {{"resource":{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
              "subject":{{"reference":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"}}}},
              "request":{{"method":"POST","url":"Observation"}}}}{last}]}}"#,
            patient("", "Kent")
        )
    };
    let unmet = r#",{"resource":{"resourceType":"Patient","id":"nobody"},
        "request":{"method":"PUT","url":"Patient/nobody","ifMatch":"W/\"7\""}}"#;
    let told = endpoint.json("POST /", &bundle(unmet)).await;
    assert!(matches!(told.status, 404 | 409 | 412), "{} {}", told.status, told.body);
    assert_eq!(endpoint.get("/Patient").await.at("/total"), "0", "nothing is half-done");
    let told = endpoint.json("POST /", &bundle("")).await;
    assert_eq!((told.status, told.at("/type").as_str()), (200, "transaction-response"));
    assert!(told.at("/entry/0/response/status").starts_with("201"), "{}", told.body);
    let found = endpoint.get("/Observation?subject:Patient.family=kent").await;
    assert_eq!(found.at("/total"), "1", "{}", found.body);
    assert!(found.at("/entry/0/resource/subject/reference").starts_with("Patient/"));
    let id = endpoint.get("/Patient").await.at("/entry/0/resource/id");
    let within = endpoint.get(&format!("/Patient/{id}/Observation")).await;
    assert_eq!(within.at("/total"), "1", "{}", within.body);
    let batch = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[
        {{"request":{{"method":"GET","url":"Patient/{id}"}}}},
        {{"request":{{"method":"GET","url":"Patient?family=kent"}}}},
        {{"request":{{"method":"GET","url":"Patient/never"}}}}]}}"#
    );
    let told = endpoint.json("POST /", &batch).await;
    assert_eq!((told.status, told.at("/type").as_str()), (200, "batch-response"));
    assert_eq!(told.at("/entry/0/resource/id"), id);
    assert_eq!(told.at("/entry/1/resource/total"), "1");
    assert_eq!(told.at("/entry/2/response/status"), "404 Not Found");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_says_what_is_served() {
    let endpoint = Endpoint::of_records();
    let told = endpoint.get("/metadata").await;
    let statement = weir::fhir::Doc::parse_json(told.body.clone().into()).unwrap();
    assert_eq!(weir::fhir::validate::structure(&statement).len(), 0);
    let told = told.value();
    let resources = told["rest"][0]["resource"].as_array().unwrap();
    let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
    let codes: Vec<_> =
        patient["interaction"].as_array().unwrap().iter().map(|i| i["code"].as_str()).collect();
    for code in ["create", "update", "patch", "delete", "read", "vread", "search-type"] {
        assert!(codes.contains(&Some(code)), "{code}: {codes:?}");
    }
    let names = patient["searchParam"].as_array().unwrap();
    assert!(names.iter().any(|row| row["name"] == "birthdate" && row["type"] == "date"));
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_server_says_is_handed_on() {
    let site = Site::new();
    let (front, back) = (free_address(), free_address());
    let to = format!("type = \"fhir\"\nurl = \"http://{back}/fhir\"");
    let source = "reply = \"after-delivery\"\naccept = [\"*\"]";
    channel(&site, "front", front, source, &to);
    channel(&site, "back", back, "reply = \"after-delivery\"", "type = \"records\"");
    let endpoint = Endpoint::run(site, front);
    let told = endpoint.json("PUT /Patient/1", &patient("1", "Lee")).await;
    assert_eq!(told.status, 201, "{}", told.body);
    assert_eq!(told.header("etag"), Some("W/\"1\""), "{:?}", told.headers);
    let held = [JSON, ("if-match", "W/\"9\"")];
    let told = endpoint.send("PUT /Patient/1", &held, patient("1", "Moss")).await;
    assert_eq!(told.status, 412, "{}", told.body);
    let told = endpoint.send("DELETE /Patient/1", &[], "").await;
    assert!(matches!(told.status, 200 | 204), "{}", told.body);
    let ledger = endpoint.ledger();
    assert!(ledger.contains("front"), "{ledger}");
    endpoint.stop();
}

/// What entries of a transaction read is written down as other reads are.
#[tokio::test(flavor = "multi_thread")]
async fn reads_beside_writes_are_audited() {
    let endpoint = Endpoint::of_records();
    assert_eq!(endpoint.json("PUT /Patient/p", &patient("p", "Pine")).await.status, 201);
    let audited = || {
        let metrics = endpoint.site.http("/metrics");
        let mut lines = metrics.lines().filter(|line| line.contains("action=\"records_read\""));
        lines.next().and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    assert_eq!(audited(), Some(0.0));
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
        {{"resource":{},"request":{{"method":"PUT","url":"Patient/q"}}}},
        {{"request":{{"method":"GET","url":"Patient?family=pine"}}}}]}}"#,
        patient("q", "Quill")
    );
    let told = endpoint.json("POST /", &bundle).await;
    assert_eq!(told.at("/entry/1/resource/entry/0/resource/id"), "p", "{}", told.body);
    assert_eq!(audited(), Some(1.0));
    endpoint.stop();
}

/// What a client calls this server does not make a reference to another one ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_host_finds_nothing_more() {
    let endpoint = Endpoint::of_records();
    let elsewhere = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "subject":{"reference":"http://other.example/fhir/Patient/p1"}}"#;
    let told = endpoint.json("POST /Observation", elsewhere).await;
    assert_eq!(told.status, 201, "{}", told.body);
    let forged = [("host", "other.example")];
    for (search, total) in [
        ("subject=Patient/p1", "0"),
        ("patient=p1", "0"),
        ("subject=http://other.example/fhir/Patient/p1", "1"),
    ] {
        for headers in [&[][..], &forged[..]] {
            let told = endpoint.send(&format!("GET /Observation?{search}"), headers, "").await;
            assert_eq!(told.at("/total"), total, "{search} {headers:?} {}", told.body);
        }
    }
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_by_a_message() {
    let endpoint = Endpoint::of_records();
    let message = |second: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"message","entry":[
            {{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","resource":
              {{"resourceType":"MessageHeader","id":"m1","eventUri":"urn:x:admit","source":
              {{"name":"Ward","endpoint":"https://ward.example/in"}},
              "focus":[{{"reference":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b"}}]}}}},
            {{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b"{second}}}]}}"#
        )
    };
    let good = message(&format!(r#","resource":{}"#, patient("", "Nash")));
    let told = endpoint.json("POST /$process-message", &good).await;
    assert_eq!((told.status, told.at("/type").as_str()), (200, "message"), "{}", told.body);
    let answer = weir::fhir::Doc::parse_json(told.body.clone().into()).unwrap();
    let found = weir::fhir::validate::structure(&answer);
    assert!(found.is_empty(), "{found:?} {}", told.body);
    let header = "/entry/0/resource";
    let at = |told: &Told, path: &str| told.at(&format!("{header}{path}"));
    assert_eq!(at(&told, "/resourceType"), "MessageHeader");
    assert_eq!(at(&told, "/response/identifier"), "m1");
    assert_eq!(at(&told, "/response/code"), "ok");
    assert_eq!(at(&told, "/eventUri"), "urn:x:admit");
    assert_eq!(at(&told, "/destination/0/endpoint"), "https://ward.example/in");
    assert_eq!(endpoint.get("/Patient?family=nash").await.at("/total"), "1");

    let told = endpoint.json("POST /$process-message", &message("")).await;
    assert_eq!((told.status, told.at("/type").as_str()), (400, "message"), "{}", told.body);
    assert_eq!(at(&told, "/response/code"), "fatal-error");
    let outcome = at(&told, "/response/details/reference");
    assert_eq!(told.at("/entry/1/fullUrl"), outcome);
    assert_eq!(told.at("/entry/1/resource/resourceType"), "OperationOutcome", "{}", told.body);
    let headless = good.replacen("MessageHeader", "Basic", 1);
    let told = endpoint.json("POST /$process-message", &headless).await;
    assert_eq!(told.brief(), "400 invalid W2326");
    assert_eq!(told.at("/issue/0/expression/0"), "Bundle.entry[0].resource");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_returns_what_its_sender_prefers() {
    let endpoint = Endpoint::of_records();
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
        {{"resource":{},"request":{{"method":"POST","url":"Patient",
          "ifNoneExist":"identifier=urn:x|Oak"}}}},
        {{"request":{{"method":"DELETE","url":"Patient/none"}}}}]}}"#,
        patient("", "Oak")
    );
    let send = async |prefer: &str| {
        let headers = [JSON, ("prefer", prefer)];
        let told = endpoint.send("POST /", &headers, bundle.clone()).await;
        assert_eq!((told.status, told.at("/type").as_str()), (200, "transaction-response"));
        told
    };
    let told = send("return=representation").await;
    assert!(told.at("/entry/0/response/status").starts_with("201"), "{}", told.body);
    assert_eq!(told.at("/entry/0/resource/name/0/family"), "Oak", "{}", told.body);
    let location = told.at("/entry/0/response/location");
    assert_eq!(location, format!("Patient/{}/_history/1", told.at("/entry/0/resource/id")));
    assert_eq!(told.at("/entry/1/resource"), "");
    let again = send("return=representation").await;
    assert!(again.at("/entry/0/response/status").starts_with("200"), "{}", again.body);
    assert_eq!(again.at("/entry/0/resource/id"), told.at("/entry/0/resource/id"));
    let told = send("return=minimal").await;
    assert_eq!(
        (told.at("/entry/0/resource"), told.at("/entry/0/response/outcome")),
        Default::default()
    );
    let told = send("return=OperationOutcome").await;
    assert_eq!(told.at("/entry/0/resource"), "");
    for entry in ["/entry/0", "/entry/1"] {
        let issue = format!("{entry}/response/outcome/issue/0/severity");
        assert_eq!(told.at(&issue), "information", "{}", told.body);
    }
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_where_and_where_to_go() {
    let endpoint = Endpoint::of_records_with_url();
    assert_eq!(endpoint.json("PUT /Patient/p", &patient("p", "Pike")).await.status, 201);
    let held = [JSON, ("if-match", "W/\"9\"")];
    let told = endpoint.send("PUT /Patient/p", &held, patient("p", "Pike")).await;
    assert_eq!((told.status, told.at("/issue/0/expression/0").as_str()), (412, "Patient"));
    let document = r#"{"resourceType":"Bundle","type":"document"}"#;
    let told = endpoint.json("POST /", document).await;
    assert_eq!(told.brief(), "400 invalid W2326");
    assert!(told.at("/issue/0/diagnostics").contains("`POST [base]/Bundle`"), "{}", told.body);
    assert_eq!(endpoint.json("POST /Bundle", document).await.status, 201);

    // A reference below the base that the settings name is one of ours.
    let own = format!("{}/Patient/p", endpoint.base());
    let observation = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
        "subject":{{"reference":"{own}"}}}}"#
    );
    assert_eq!(endpoint.json("POST /Observation", &observation).await.status, 201);
    for query in
        ["subject=Patient/p", "patient=p", &format!("subject={own}"), "subject:Patient.family=pike"]
    {
        let found =
            endpoint.get(&format!("/Observation?{query}&_include=Observation:subject")).await;
        assert_eq!(found.at("/total"), "1", "{query} {}", found.body);
        assert_eq!(found.at("/entry/1/resource/id"), "p", "{query}");
    }
    assert_eq!(endpoint.get("/Patient/p/Observation").await.at("/total"), "1");
    let first = endpoint.get("/Patient?_sort=family&_count=1&_total=none").await;
    assert!(!first.body.contains("_page="), "{}", first.body);
    assert_eq!(endpoint.json("PUT /Patient/q", &patient("q", "Quill")).await.status, 201);
    let first = endpoint.get("/Patient?_sort=family&_count=1").await;
    assert!(first.at("/link/1/url").ends_with("&_page=p~v1"), "{}", first.body);
    let next = first.at("/link/1/url").replace(&endpoint.base(), "");
    assert_eq!(endpoint.get(&next).await.at("/entry/0/resource/id"), "q");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_reach_units_composites_compartments_and_all_types() {
    let endpoint = Endpoint::of_records();
    for id in ["p", "q"] {
        let told = endpoint.json(&format!("PUT /Patient/{id}"), &patient(id, "Rowe")).await;
        assert_eq!(told.status, 201, "{}", told.body);
    }
    let observation = |id: &str, of: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","text":{{"status":
            "generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Weight of <b>food</b></div>"}},
            "code":{{"coding":[{{"system":"http://loinc.org","code":"1-8"}}]}},
            "subject":{{"reference":"Patient/{of}"}},"performer":[{{"reference":"Patient/p"}}],
            "valueQuantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"mg"}}}}"#
        )
    };
    for (id, of, value) in [("o1", "p", "1500"), ("o2", "q", "900")] {
        let told =
            endpoint.json(&format!("PUT /Observation/{id}"), &observation(id, of, value)).await;
        assert_eq!(told.status, 201, "{}", told.body);
    }
    let check = async |path: &str, expected: &[&str]| {
        let found = endpoint.get(path).await;
        assert_eq!(found.status, 200, "{path}: {}", found.body);
        let value = found.value();
        let entries = value["entry"].as_array().unwrap();
        let mut ids: Vec<&str> =
            entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap_or("?")).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{path}: {}", found.body);
    };
    check("/Observation?value-quantity=1.5%7Chttp://unitsofmeasure.org%7Cg", &["o1"]).await;
    check("/Observation?value-quantity=lt1%7Chttp://unitsofmeasure.org%7Cg", &["o2"]).await;
    check("/Observation?code-value-quantity=http://loinc.org%7C1-8$gt1000", &["o1"]).await;
    check("/Observation?_text=food%20weight&subject=Patient/q", &["o2"]).await;
    check("/?_type=Patient,Observation&_lastUpdated=ge2020", &["o1", "o2", "p", "q"]).await;
    check("/Patient/q/Observation", &["o2"]).await;
    check("/Patient/p/Observation?value-quantity=900", &["o2"]).await;
    check("/Patient/q/*?_type=Patient,Observation", &["o2", "q"]).await;
    // Another patient, who performed it, is not shown.
    check("/Patient/q/$everything?_type=Patient,Observation", &["o2", "q"]).await;
    let all = endpoint.get("/Patient/q/$everything").await;
    assert!(all.body.contains("\"Provenance\""), "{}", all.body);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let found = endpoint.send("POST /_search", &form, "_type=Observation&_count=1").await;
    assert_eq!((found.status, found.at("/total").as_str()), (200, "2"), "{}", found.body);
    let next = found.at("/link/1/url").replace(&endpoint.base(), "");
    assert!(next.starts_with("?_type=Observation&_count=1&_page=Observation~o"), "{next}");
    assert_eq!(
        endpoint.get(&format!("/{next}")).await.value()["entry"].as_array().unwrap().len(),
        1
    );
    let short = endpoint.get("/Observation?_id=o1&_summary=true").await;
    assert_eq!(short.at("/entry/0/resource/text"), "");
    assert_eq!(short.at("/entry/0/resource/meta/tag/0/code"), "SUBSETTED", "{}", short.body);
    assert_eq!(endpoint.get("/Patient/none/$everything").await.brief(), "404 not-found W2337");
    assert_eq!(endpoint.get("/Patient/p/Organization").await.status, 400);
    let told = endpoint.get("/metadata").await;
    let statement = weir::fhir::Doc::parse_json(told.body.clone().into()).unwrap();
    assert_eq!(weir::fhir::validate::structure(&statement).len(), 0);
    assert!(told.body.contains(r#""name":"code-value-quantity","type":"composite""#));
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_exported_and_counted() {
    let endpoint = Endpoint::of_records();
    let lines: Vec<String> = (0..1200).map(|n| patient("", &format!("Nr{n}"))).collect();
    let ndjson = ("content-type", "application/fhir+ndjson");
    let told = endpoint.send("POST /", &[ndjson], lines.join("\n")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let organization = r#"{"resourceType":"Organization","id":"o",
        "name":"Ward"}"#;
    assert_eq!(endpoint.json("PUT /Organization/o", organization).await.status, 201);
    assert_eq!(endpoint.json("PUT /Patient/gone", &patient("gone", "Gone")).await.status, 201);
    assert!(endpoint.send("DELETE /Patient/gone", &[], "").await.status < 300);
    for _ in 0..2000 {
        if endpoint.get("/Patient?_summary=count").await.at("/total") == "1200" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let site = &endpoint.site;
    let (to, only) = (site.root().join("export"), site.root().join("only"));
    let export = |to: &std::path::Path, more: &[&str]| {
        let to = to.display().to_string();
        let reason = ["--reason", "a test"];
        let all = [&["records", "export", "--to", &to][..], &reason, more].concat();
        let out = site.run(&all);
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    assert_eq!(export(&to, &[]).0, Some(0));
    let text = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
    assert_eq!(text("Patient.ndjson").lines().count(), 1200);
    for line in text("Organization.ndjson").lines() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["id"], "o");
    }
    let manifest: serde_json::Value = serde_json::from_str(&text("manifest.json")).unwrap();
    let files = manifest["output"].as_array().unwrap();
    let patients = files.iter().find(|file| file["type"] == "Patient").unwrap();
    assert_eq!((&patients["count"], &patients["url"]), (&1200.into(), &"Patient.ndjson".into()));
    assert!(files.iter().any(|file| file["type"] == "Provenance"));
    let left: Vec<_> =
        std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");

    let (code, said) = export(&to, &[]);
    assert!(code == Some(1) && said.contains("already holds"), "{code:?} {said}");
    let (code, said) = export(&only, &["--type", "patient"]);
    assert!(code != Some(0) && said.contains("did you mean `Patient`?"), "{said}");
    let (code, said) = export(&only, &["--type", "Organization", "--since", "soon"]);
    assert!(code != Some(0) && said.contains("W7614"), "{said}");
    assert_eq!(std::fs::read_dir(&only).map(Iterator::count).unwrap_or(0), 0, "nothing half-done");
    assert_eq!(export(&only, &["--type", "Organization", "--since", "2020-01-01"]).0, Some(0));
    let mut names: Vec<_> =
        std::fs::read_dir(&only).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["Organization.ndjson", "manifest.json"]);
    let out = site.run(&["records", "export", "--to", "elsewhere"]);
    assert_ne!(out.status.code(), Some(0), "an export says why");

    let metrics = site.http("/metrics");
    for row in [
        "weir_records_searches_total{collection=\"main\",result=\"found\"}",
        "weir_records_looks_total{collection=\"main\"}",
        "weir_records_write_duration_seconds_count{collection=\"main\"}",
    ] {
        assert!(metrics.contains(row), "{row}: {metrics}");
    }
    endpoint.stop();
}
