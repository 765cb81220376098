//! What a write changes, and what it refuses.

use super::*;
use crate::fault::codes::*;
use crate::records::memory::{Memory, put};

fn origin(message_type: &str, number: usize) -> Origin {
    Origin {
        message: MessageId::from_u128(number as u128),
        channel: ChannelName::parse("adt").unwrap(),
        mapping: Some("adt-to-fhir".into()),
        revision: "rev 1".into(),
        message_type: message_type.into(),
        at: Timestamp::from_millis(1_800_000_000_000 + i64::try_from(number).unwrap()),
        base: "https://x/fhir".into(),
    }
}

/// Writes and keeps what it gives; without the Provenance.
fn write(all: &mut Memory, ty: &str, json: &str) -> Result<(Applied, Told), Refused> {
    let body = Bytes::from(json.to_owned());
    let begin = all.all.len();
    let mut count = begin;
    let mut new_id = || {
        count += 1;
        format!("n{count}")
    };
    let origin = origin(ty, begin);
    let applied = apply(&body, &*all, &origin, &mut new_id)?;
    all.all.extend(applied.versions.iter().cloned());
    let asked = Asked { message_type: ty, base: &origin.base, now: origin.at };
    let told = say(&body, &asked, &applied.answers, &*all)?;
    Ok((applied, told))
}

fn written(applied: &Applied) -> String {
    let shown = |v: &Version| format!("{} {}", v.method.name(), v.address());
    let own = applied.versions.iter().filter(|v| &*v.kind != "Provenance");
    own.map(shown).collect::<Vec<_>>().join(", ")
}

fn check(all: &mut Memory, ty: &str, json: &str, status: u16, expected: &str) {
    let (applied, told) = write(all, ty, json).unwrap_or_else(|r| panic!("{json}: {:?}", r.fault));
    assert_eq!((told.status, written(&applied).as_str()), (status, expected), "{json}");
}

fn refused(all: &mut Memory, ty: &str, json: &str, status: u16, code: crate::fault::Code) {
    let before = all.all.len();
    let refused = write(all, ty, json).map(|(applied, _)| written(&applied)).unwrap_err();
    assert_eq!((refused.status, refused.fault.code()), (status, code), "{json}: {}", refused.fault);
    assert_eq!(all.all.len(), before);
    let told = refusal(&refused);
    assert!(told.body.starts_with(br#"{"resourceType":"OperationOutcome""#));
}

#[test]
fn one_resource_is_created_or_updated() {
    let mut all = Memory::default();
    let patient = r#"{"resourceType":"Patient","id":"a","gender":"male"}"#;
    check(&mut all, "create:Patient", patient, 201, "POST Patient/n1/_history/1");
    check(&mut all, "update:Patient", patient, 201, "PUT Patient/a/_history/1");
    check(&mut all, "update:Patient", patient, 200, "PUT Patient/a/_history/2");
    check(&mut all, "ADT^A01", patient, 200, "PUT Patient/a/_history/3");
    let known =
        r#"{"resourceType":"Patient","identifier":[{"value":"x"},{"system":"m","value":"a,|$1"}]}"#;
    check(&mut all, "ADT^A01", known, 201, "POST Patient/n9/_history/1");
    check(&mut all, "ADT^A01", known, 200, "");
    check(&mut all, "create:Patient", known, 201, "POST Patient/n11/_history/1");
    refused(&mut all, "ADT^A01", known, 412, W7604);
    refused(&mut all, "update:Patient", known, 400, W7605);
    refused(&mut all, "create:Patient", r#"{"id":"a"}"#, 400, W7600);
    refused(&mut all, "x", "[1]", 400, W7600);
    refused(&mut all, "x", "{", 400, W2701);
    refused(&mut all, "x", r#"{"resourceType":"Bundle","type":"searchset"}"#, 422, W7608);
    let collection = r#"{"resourceType":"Bundle","id":"d","type":"document"}"#;
    check(&mut all, "document:", collection, 201, "PUT Bundle/d/_history/1");
    check(&mut all, "create:Bundle", collection, 201, "POST Bundle/n15/_history/1");
}

#[test]
fn the_answer_names_the_version_and_has_it() {
    let mut all = Memory::default();
    let json = r#"{"resourceType":"Patient","id":"a","x":1.50}"#;
    let (_, told) = write(&mut all, "update:Patient", json).unwrap();
    assert_eq!(told.location.as_deref(), Some("Patient/a/_history/1"));
    assert_eq!(told.etag.as_deref(), Some("W/\"1\""));
    let at = told.last_modified.unwrap();
    let body = String::from_utf8_lossy(&told.body).into_owned();
    let meta = format!(r#""meta":{{"versionId":"1","lastUpdated":"{at}"}}"#);
    assert_eq!(body, format!(r#"{{"resourceType":"Patient","id":"a","x":1.50,{meta}}}"#));
}

fn wrapped(request: &str, resource: &str) -> String {
    let resource =
        if resource.is_empty() { String::new() } else { format!(r#""resource":{resource},"#) };
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{{resource}"request":{{{request}}}}}]}}"#
    )
}

#[test]
fn conditions_are_met_or_nothing_is_written() {
    let mut all = Memory::default();
    let a = r#"{"resourceType":"Patient","id":"a","identifier":[{"system":"m","value":"1"}]}"#;
    let plain = r#"{"resourceType":"Patient","identifier":[{"system":"m","value":"1"}]}"#;
    let bare = r#"{"resourceType":"Patient","identifier":[{"system":"m","value":"7"}]}"#;
    put(&mut all, a);
    let update =
        |tag: &str| wrapped(&format!(r#""method":"PUT","url":"Patient/a","ifMatch":"{tag}""#), a);
    check(&mut all, "update:Patient", &update("W/\\\"1\\\""), 200, "PUT Patient/a/_history/2");
    refused(&mut all, "update:Patient", &update("W/\\\"1\\\""), 412, W7603);
    check(&mut all, "update:Patient", &update("W/\\\"2\\\""), 200, "PUT Patient/a/_history/3");
    let create = |search: &str, resource: &str| {
        wrapped(&format!(r#""method":"POST","url":"Patient","ifNoneExist":"{search}""#), resource)
    };
    check(&mut all, "create:Patient", &create("identifier=m|1", plain), 200, "");
    check(
        &mut all,
        "create:Patient",
        &create("identifier=m|7", bare),
        201,
        "POST Patient/n6/_history/1",
    );
    refused(&mut all, "create:Patient", &create("identifier=m|1,m|7", bare), 412, W7604);
    refused(&mut all, "create:Patient", &create("color=blue", bare), 400, W7610);
    refused(&mut all, "create:Patient", &create("birthdate=x", bare), 400, W7611);
    let conditional = |search: &str, resource: &str| {
        wrapped(&format!(r#""method":"PUT","url":"Patient?{search}""#), resource)
    };
    check(
        &mut all,
        "update:Patient",
        &conditional("identifier=m|1", plain),
        200,
        "PUT Patient/a/_history/4",
    );
    check(
        &mut all,
        "update:Patient",
        &conditional("identifier=m|1", a),
        200,
        "PUT Patient/a/_history/5",
    );
    let other = r#"{"resourceType":"Patient","id":"b"}"#;
    refused(&mut all, "update:Patient", &conditional("identifier=m|1", other), 400, W7605);
    check(
        &mut all,
        "update:Patient",
        &conditional("identifier=m|9", other),
        201,
        "PUT Patient/b/_history/1",
    );
    refused(&mut all, "update:Patient", &conditional("identifier=m|1,m|7", plain), 412, W7604);
    let delete = |url: &str| wrapped(&format!(r#""method":"DELETE","url":"{url}""#), "");
    check(&mut all, "delete:Patient", &delete("Patient/b"), 204, "DELETE Patient/b/_history/2");
    check(&mut all, "delete:Patient", &delete("Patient/b"), 204, "");
    check(&mut all, "delete:Patient", &delete("Patient/zz"), 204, "");
    check(&mut all, "delete:Patient", &delete("Patient?identifier=m|99"), 204, "");
    check(
        &mut all,
        "delete:Patient",
        &delete("Patient?identifier=m|7"),
        204,
        "DELETE Patient/n6/_history/2",
    );
    check(&mut all, "update:Patient", other, 201, "PUT Patient/b/_history/3");
}

#[test]
fn the_bundle_of_a_client_is_a_resource() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Patient","id":"a"}"#);
    let delete = wrapped(r#""method":"DELETE","url":"Patient/a""#, "");
    check(&mut all, "create:Bundle", &delete, 201, "POST Bundle/n2/_history/1");
    let named = delete.replacen("\"type\"", "\"id\":\"b\",\"type\"", 1);
    check(&mut all, "update:Bundle", &named, 201, "PUT Bundle/b/_history/1");
    // An entry that is as the wrapper would be: the source wraps it, so it stays whole.
    let inner = r#"{"resourceType":"Bundle","id":"x","type":"collection"}"#;
    let inner = wrapped(r#""method":"POST","url":"Bundle""#, inner);
    let doc = Doc::parse_json(inner.clone().into()).unwrap();
    let create = rest::Interaction::Create { kind: "Bundle", if_none_exist: None };
    let outer = rest::wrapped(&create, &rest::Change::Resource(&doc)).unwrap();
    let outer = String::from_utf8(outer.to_json().to_vec()).unwrap();
    check(&mut all, "create:Bundle", &outer, 201, "POST Bundle/n6/_history/1");
    let kept = all.latest("Bundle", "n6").unwrap().unwrap().doc().unwrap();
    assert_eq!(one::text(kept.root(), "type").as_deref(), Some("transaction"));
    assert!(!all.latest("Patient", "a").unwrap().unwrap().deleted);
    // Where the types do not agree, it is a transaction as any other.
    let (_, told) = write(&mut all, "update:Patient", &delete).unwrap();
    assert!(String::from_utf8_lossy(&told.body).contains("transaction-response"));
}

#[test]
fn a_condition_overwrites_nothing_that_it_does_not_fit() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    let own = r#"{"resourceType":"Patient","id":"a","gender":"female"}"#;
    let update = wrapped(r#""method":"PUT","url":"Patient?identifier=m|1""#, own);
    refused(&mut all, "update:Patient", &update, 409, W7605);
    let spaces = wrapped(r#""method":"DELETE","url":"Patient?family=%20""#, "");
    refused(&mut all, "delete:Patient", &spaces, 400, W7611);
    let when = wrapped(
        r#""method":"POST","url":"Patient","ifNoneExist":"_lastUpdated=ge2000&gender=male""#,
        r#"{"resourceType":"Patient"}"#,
    );
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"t","gender":"male",
            "meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}"#,
    );
    check(&mut all, "create:Patient", &when, 200, "");
    let equal = when.replace("ge2000", "2020-01-01");
    check(&mut all, "create:Patient", &equal, 200, "");
}

#[test]
fn resources_are_patched() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    let patch = |url: &str, data: &str| {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(data);
        let binary = format!(
            r#"{{"resourceType":"Binary","contentType":"application/json-patch+json","data":"{data}"}}"#
        );
        wrapped(&format!(r#""method":"PATCH","url":"{url}""#), &binary)
    };
    let good = r#"[{"op":"replace","path":"/gender","value":"female"}]"#;
    let bad = r#"[{"op":"test","path":"/gender","value":"male"}]"#;
    check(&mut all, "patch:Patient", &patch("Patient/a", good), 200, "PATCH Patient/a/_history/2");
    let now = all.latest("Patient", "a").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&now.body).contains(r#""gender":"female""#));
    let refusal = write(&mut all, "patch:Patient", &patch("Patient/a", bad)).unwrap_err();
    assert_eq!(refusal.status, 422);
    refused(&mut all, "patch:Patient", &patch("Patient/z", good), 404, W7601);
    refused(&mut all, "patch:Patient", &patch("Patient?identifier=m|1", good), 404, W7601);
    let delete = wrapped(r#""method":"DELETE","url":"Patient/a""#, "");
    check(&mut all, "delete:Patient", &delete, 204, "DELETE Patient/a/_history/3");
    refused(&mut all, "patch:Patient", &patch("Patient/a", good), 410, W7602);
}

const TRANSACTION: &str = r#"{"resourceType":"Bundle","type":"transaction","entry":[
  {"fullUrl":"urn:uuid:00000000-0000-0000-0000-000000000001","resource":{"resourceType":"Patient",
   "identifier":[{"system":"m","value":"1"}]},
   "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=m|1"}},
  {"fullUrl":"urn:uuid:00000000-0000-0000-0000-000000000002","resource":{"resourceType":"Encounter",
   "id":"e","subject":{"reference":"urn:uuid:00000000-0000-0000-0000-000000000001"},
   "serviceProvider":{"reference":"Organization?identifier=o|1"}},
   "request":{"method":"PUT","url":"Encounter/e"}},
  {"request":{"method":"GET","url":"Encounter/e"}},
  {"request":{"method":"GET","url":"Patient?identifier=m|1"}},
  {"request":{"method":"DELETE","url":"Device/d"}}]}"#;

#[test]
fn a_transaction_is_whole() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Device","id":"d"}"#);
    refused(&mut all, "transaction:", TRANSACTION, 412, W7609);
    put(
        &mut all,
        r#"{"resourceType":"Organization","id":"org","identifier":[{"system":"o","value":"1"}]}"#,
    );
    let (applied, told) = write(&mut all, "transaction:", TRANSACTION).unwrap();
    assert_eq!(
        written(&applied),
        "DELETE Device/d/_history/2, POST Patient/n3/_history/1, PUT Encounter/e/_history/1"
    );
    let encounter = all.latest("Encounter", "e").unwrap().unwrap();
    let body = String::from_utf8_lossy(&encounter.body).into_owned();
    assert!(body.contains(r#""subject":{"reference":"Patient/n3"}"#), "{body}");
    assert!(body.contains(r#"{"reference":"Organization/org"}"#), "{body}");
    let answer = Doc::parse_json(told.body).unwrap();
    let entries: Vec<String> = answer
        .root()
        .get("entry")
        .unwrap()
        .items()
        .map(|entry| {
            let response = entry.get("response").unwrap();
            let text = |name| one::text(response, name).unwrap_or_default();
            let resource = entry.get("resource").and_then(|r| r.resource_type());
            format!("{} {} {:?}", text("status"), text("location"), resource)
        })
        .collect();
    assert_eq!(
        entries,
        [
            "201 Created Patient/n3/_history/1 None",
            "201 Created Encounter/e/_history/1 None",
            "200 OK  Some(\"Encounter\")",
            "200 OK  Some(\"Bundle\")",
            "204 No Content Device/d/_history/2 None",
        ]
    );
    // The same again finds what the first one wrote.
    let (applied, _) = write(&mut all, "transaction:", TRANSACTION).unwrap();
    assert_eq!(written(&applied), "PUT Encounter/e/_history/2");
}

#[test]
fn one_bad_entry_spoils_a_transaction_and_no_batch() {
    let mut all = Memory::default();
    let bundle = |ty: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"{ty}","entry":[
            {{"resource":{{"resourceType":"Patient","id":"a"}},"request":{{"method":"PUT","url":"Patient/a"}}}},
            {{"request":{{"method":"GET","url":"Patient/zz"}}}},
            {{"resource":{{"resourceType":"Patient","id":"b"}},"request":{{"method":"PUT","url":"Patient/b"}}}}]}}"#
        )
    };
    refused(&mut all, "transaction:", &bundle("transaction"), 404, W7601);
    let (applied, told) = write(&mut all, "batch:", &bundle("batch")).unwrap();
    assert_eq!(written(&applied), "PUT Patient/a/_history/1, PUT Patient/b/_history/1");
    assert_eq!(told.status, 200);
    let fault = applied.refused().unwrap();
    assert_eq!((fault.code(), fault.place().path.as_deref()), (W7607, Some("Bundle.entry[1]")));
    let statuses: Vec<u16> = applied.answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 404, 201]);
}

#[test]
fn the_same_resource_twice_is_refused_and_the_same_condition_is_one() {
    let mut all = Memory::default();
    let twice = |request: &str| {
        let entry = format!(
            r#"{{"resource":{{"resourceType":"Patient","id":"a","identifier":[{{"system":"m","value":"1"}}]}},"request":{{{request}}}}}"#
        );
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entry},{entry}]}}"#)
    };
    refused(&mut all, "t", &twice(r#""method":"PUT","url":"Patient/a""#), 400, W2790);
    refused(&mut all, "t", &twice(r#""method":"PUT","url":"Patient?identifier=m|1""#), 400, W2790);
    let create = twice(r#""method":"POST","url":"Patient","ifNoneExist":"identifier=m|1""#);
    check(&mut all, "t", &create, 200, "POST Patient/n1/_history/1");
}

const PUT_AND_POST: &str = r#"{"resourceType":"Bundle","type":"KIND","entry":[
    {"resource":{"resourceType":"Patient","gender":"male"},
     "request":{"method":"PUT","url":"Patient?identifier=m|1"}},
    {"resource":{"resourceType":"Patient","identifier":[{"system":"m","value":"1"}]},
     "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=m|1"}}]}"#;

#[test]
fn entries_are_planned_in_the_order_in_which_they_are_done() {
    let mut all = Memory::default();
    let transaction = PUT_AND_POST.replace("KIND", "transaction");
    refused(&mut all, "t", &transaction, 400, W2790);
    let batch = PUT_AND_POST.replace("KIND", "batch");
    check(&mut all, "b", &batch, 200, "POST Patient/n1/_history/1, PUT Patient/n1/_history/2");
}

#[test]
fn conditional_references_mean_what_stands_afterwards() {
    let mut all = Memory::default();
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"old","identifier":[{"system":"m","value":"1"}]}"#,
    );
    let bundle = |entry: &str, search: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":
            {{"resourceType":"Encounter","id":"e","subject":{{"reference":"Patient?{search}"}}}},
            "request":{{"method":"PUT","url":"Encounter/e"}}}},{entry}]}}"#
        )
    };
    let delete = r#"{"request":{"method":"DELETE","url":"Patient/old"}}"#;
    refused(&mut all, "t", &bundle(delete, "identifier=m|1"), 412, W7609);
    let create = r#"{"resource":{"resourceType":"Patient","identifier":
        [{"system":"m","value":"2"}]},"request":{"method":"POST","url":"Patient"}}"#;
    let both = format!("{create},{delete}");
    let subject = |all: &Memory| {
        let encounter = all.latest("Encounter", "e").unwrap().unwrap().doc().unwrap();
        one::text(encounter.root().get("subject").unwrap(), "reference").unwrap()
    };
    write(&mut all, "t", &bundle(create, "identifier=m|2")).unwrap();
    assert_eq!(subject(&all), "Patient/n2");
    refused(&mut all, "t", &bundle(create, "identifier=m|2"), 412, W7609);
    write(&mut all, "t", &bundle(&both, "identifier=m|1,m|3&identifier=m|1")).unwrap_err();
    let change = r#"{"resource":{"resourceType":"Patient","id":"old","gender":"other"},
        "request":{"method":"PUT","url":"Patient/old"}}"#;
    refused(&mut all, "t", &bundle(change, "identifier=m|1"), 412, W7609);
    write(&mut all, "t", &bundle(change, "gender=other")).unwrap();
    assert_eq!(subject(&all), "Patient/old");
}

#[test]
fn conditional_references_mean_what_a_patch_makes() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    let bundle = |search: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":
            {{"resourceType":"Encounter","id":"e","subject":{{"reference":"Patient?{search}"}}}},
            "request":{{"method":"PUT","url":"Encounter/e"}}}},
            {{"resource":{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[
            {{"name":"type","valueCode":"replace"}},{{"name":"path","valueString":"Patient.gender"}},
            {{"name":"value","valueCode":"{value}"}}]}}]}},
            "request":{{"method":"PATCH","url":"Patient/a"}}}}]}}"#
        )
    };
    refused(&mut all, "t", &bundle("gender=male", "female"), 412, W7609);
    write(&mut all, "t", &bundle("gender=female", "female")).unwrap();
    let encounter = all.latest("Encounter", "e").unwrap().unwrap().doc().unwrap();
    let subject = one::text(encounter.root().get("subject").unwrap(), "reference");
    assert_eq!(subject.as_deref(), Some("Patient/a"));
}

#[test]
fn conditions_of_entries_mean_what_stood_before() {
    let mut all = Memory::default();
    put(
        &mut all,
        r#"{"resourceType":"Patient","id":"a","gender":"male",
            "identifier":[{"system":"m","value":"1"}]}"#,
    );
    let entry = |request: &str, resource: &str| {
        format!(r#"{{"resource":{resource},"request":{{{request}}}}}"#)
    };
    let bundle = |entries: &[String]| {
        let entries = entries.join(",");
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
    };
    // The update takes the identifier away and another gets it: by what stood before, the
    // condition still fits the first.
    let away = entry(
        r#""method":"PUT","url":"Patient/a""#,
        r#"{"resourceType":"Patient","id":"a","gender":"female"}"#,
    );
    let unless = entry(
        r#""method":"POST","url":"Patient","ifNoneExist":"identifier=m|1""#,
        r#"{"resourceType":"Patient","identifier":[{"system":"m","value":"1"}]}"#,
    );
    check(&mut all, "t", &bundle(&[away, unless]), 200, "PUT Patient/a/_history/2");
    // One that the transaction creates is not there before: this creates another.
    let create = entry(
        r#""method":"POST","url":"Patient""#,
        r#"{"resourceType":"Patient","identifier":[{"system":"m","value":"9"}]}"#,
    );
    let unless = entry(
        r#""method":"POST","url":"Patient","ifNoneExist":"identifier=m|9""#,
        r#"{"resourceType":"Patient","identifier":[{"system":"m","value":"9"}]}"#,
    );
    let (applied, _) = write(&mut all, "t", &bundle(&[create, unless])).unwrap();
    assert_eq!(written(&applied).matches("POST").count(), 2);
    // What a condition fits counts as what its entry is about.
    let update = entry(
        r#""method":"PUT","url":"Patient?gender=female""#,
        r#"{"resourceType":"Patient","gender":"other"}"#,
    );
    let delete = r#"{"request":{"method":"DELETE","url":"Patient/a"}}"#.to_owned();
    refused(&mut all, "t", &bundle(&[update, delete]), 400, W2790);
}

#[test]
fn a_refusal_names_its_place_as_the_sender_knows_it() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    let place = |all: &mut Memory, ty: &str, json: &str| {
        let refused = write(all, ty, json).unwrap_err();
        refused.fault.place().path.clone().unwrap_or_default().to_string()
    };
    let body = r#"{"resourceType":"Patient","id":"a"}"#;
    let update = wrapped(r#""method":"PUT","url":"Patient/a","ifMatch":"W/\"9\"""#, body);
    assert_eq!(place(&mut all, "update:Patient", &update), "Patient");
    assert_eq!(place(&mut all, "t", &update), "Bundle.entry[0]");
    let other = wrapped(
        r#""method":"PUT","url":"Patient?gender=male""#,
        r#"{"resourceType":"Patient","id":"b"}"#,
    );
    assert_eq!(place(&mut all, "update:Patient", &other), "Patient.id");
    assert_eq!(place(&mut all, "t", &other), "Bundle.entry[0].resource.id");
    let refers = wrapped(
        r#""method":"PUT","url":"Encounter/e","ifMatch":"W/\"1\"""#,
        r#"{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient?gender=x"}}"#,
    );
    assert_eq!(place(&mut all, "update:Encounter", &refers), "Encounter.subject.reference");
}

#[test]
fn conditions_know_our_own_base() {
    let mut all = Memory::default();
    put(&mut all, r#"{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/a"}}"#);
    put(
        &mut all,
        r#"{"resourceType":"Encounter","id":"f","subject":{"reference":"https://x/fhir/Patient/b"}}"#,
    );
    let unless = |search: &str| {
        wrapped(
            &format!(r#""method":"POST","url":"Encounter","ifNoneExist":"subject={search}""#),
            r#"{"resourceType":"Encounter"}"#,
        )
    };
    for known in ["https://x/fhir/Patient/a", "Patient/b", "https://x/fhir/Patient/b"] {
        check(&mut all, "create:Encounter", &unless(known), 200, "");
    }
}

#[test]
fn all_conditions_of_a_bundle_look_at_a_bounded_number_together() {
    let mut all = Memory { repeat: 30_000, ..Memory::default() };
    put(&mut all, r#"{"resourceType":"Patient","id":"a","gender":"male"}"#);
    let entry = |other: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Patient"}},"request":{{"method":"POST",
            "url":"Patient","ifNoneExist":"gender:not=male&birthdate:missing={other}"}}}}"#
        )
    };
    let bundle = |entries: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#)
    };
    let two = format!("{},{}", entry("true"), entry("false"));
    assert_eq!(write(&mut all, "t", &bundle(&two)).unwrap_err().fault.code(), W7612);
    check(&mut all, "t", &bundle(&entry("true")), 200, "POST Patient/n2/_history/1");
}

#[test]
fn messages_are_taken_as_transactions_of_their_resources() {
    let mut all = Memory::default();
    let message = r#"{"resourceType":"Bundle","type":"message","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"MessageHeader","id":"h",
         "focus":[{"reference":"urn:uuid:2"}]}},
        {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Patient",
         "identifier":[{"system":"m","value":"1"}]}}]}"#;
    check(
        &mut all,
        "message:Patient",
        message,
        200,
        "POST Patient/n1/_history/1, PUT MessageHeader/h/_history/1",
    );
    check(&mut all, "message:Patient", message, 200, "PUT MessageHeader/h/_history/2");
    let header = all.latest("MessageHeader", "h").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&header.body).contains("Patient/n1"));
    let empty = r#"{"resourceType":"Bundle","type":"message","entry":[{}]}"#;
    refused(&mut all, "message:", empty, 400, W7600);
}

#[test]
fn a_provenance_tells_where_versions_come_from() {
    let mut all = Memory::default();
    let json = r#"{"resourceType":"Patient","id":"a"}"#;
    let (applied, _) = write(&mut all, "ADT^A01", json).unwrap();
    let provenance = applied.versions.last().unwrap();
    assert_eq!((&*provenance.kind, provenance.number), ("Provenance", 1));
    let doc = provenance.doc().unwrap();
    assert!(crate::fhir::validate::structure(&doc).is_empty());
    let text = String::from_utf8_lossy(&provenance.body).into_owned();
    for part in [
        r#""target":[{"reference":"Patient/a/_history/1"}]"#,
        r#"{"system":"urn:weir:channel","value":"adt"}"#,
        r#"{"system":"urn:weir:mapping","value":"adt-to-fhir"}"#,
        r#"{"system":"urn:weir:message","value":"00000000000000000000000000"}"#,
        r#""policy":["urn:weir:revision:rev1"]"#,
        r#""code":"CREATE""#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let query = crate::fhir::rest::Query::parse("target=Patient/a").unwrap();
    let looks = crate::records::search::Looks::new(9);
    let now = Timestamp::default();
    let run = crate::records::search::Run { look: &all, now, base: "", looks: &looks };
    let found = crate::records::search::first(run, "Provenance", &query, 2).unwrap();
    assert_eq!(found.len(), 1);
    // Nothing written, nothing told.
    let delete = wrapped(r#""method":"DELETE","url":"Patient/zz""#, "");
    let (applied, _) = write(&mut all, "delete:Patient", &delete).unwrap();
    assert!(applied.versions.is_empty());
}
