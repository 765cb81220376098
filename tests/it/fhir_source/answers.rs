//! Whose answer a sender hears, what it hears where there is none, and who may ask later.

use super::*;
use crate::support::http::{Asked, HttpPeer};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;
const RECORDS: (&str, &str) = ("store", "type = \"records\"");
const REFUSED: &str = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"business-rule","diagnostics":"no Doe here"}]}"#;

/// A channel with these destinations.
fn several(source: &str, destinations: &[(&str, &str)]) -> Endpoint {
    let (site, address) = (Site::new(), free_address());
    site.file("channels/in.toml", &text(address, source, destinations));
    Endpoint::run(site, address)
}

fn text(address: SocketAddr, source: &str, destinations: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[channel]\nname = \"in\"\n\
         [source]\ntype = \"fhir\"\nlisten = \"{address}\"\n{source}\n\
         [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n"
    );
    for (name, keys) in destinations {
        text.push_str(&format!(
            "[destination.{name}]\n{keys}\nrecipient = \"Organization/x\"\npurpose = \"TREAT\"\n"
        ));
    }
    text
}

fn always(status: u16, body: &'static str) -> impl Fn(&Asked) -> (u16, &'static str, String) {
    move |_| (status, "", body.to_owned())
}

/// Delivered, dead and skipped of each destination, in the order of the ledger.
fn ends(endpoint: &Endpoint) -> Vec<(String, [u64; 3])> {
    let ledger = endpoint.site.json(&["ledger"]);
    let rows = ledger["rows"].as_array().unwrap_or_else(|| panic!("{ledger:#}"));
    let count = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap();
    rows.iter()
        .map(|row| {
            let name = row["destination"].as_str().unwrap().to_owned();
            (name, ["delivered", "dead", "skipped"].map(|key| count(row, key)))
        })
        .collect()
}

async fn wait_ends(endpoint: &Endpoint, expected: &[(&str, [u64; 3])]) {
    let expected: Vec<(String, [u64; 3])> =
        expected.iter().map(|(name, counts)| ((*name).to_owned(), *counts)).collect();
    for _ in 0..250 {
        if ends(endpoint) == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ends(endpoint), expected, "{}", endpoint.site.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_destination_answers_and_the_others_go_on_by_themselves() {
    let peer = HttpPeer::start(always(422, REFUSED));
    let to = format!("type = \"fhir\"\nurl = \"{}\"", peer.url);
    // The record store answers, whatever stands before it.
    let waits = "reply = \"after-delivery\"";
    let endpoint = several(waits, &[("ehr", &to), RECORDS]);
    let told = endpoint.json("PUT /Patient/1", PATIENT).await;
    assert_eq!((told.status, told.header("etag")), (201, Some("W/\"1\"")), "{}", told.body);
    wait_ends(&endpoint, &[("ehr", [0, 1, 0]), ("store", [1, 0, 0])]).await;
    let asked = &peer.asked()[0];
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("PUT /r4/Patient/1", PATIENT));
    endpoint.stop();

    // The one that is named answers: its refusal is for the sender, and no dead letter.
    let named = format!("{waits}\nreply_from = \"ehr\"");
    let endpoint = several(&named, &[RECORDS, ("ehr", &to)]);
    let told = endpoint.json("PUT /Patient/1", PATIENT).await;
    assert_eq!((told.status, told.body.as_str()), (422, REFUSED));
    wait_ends(&endpoint, &[("ehr", [0, 0, 1]), ("store", [1, 0, 0])]).await;
    endpoint.stop();

    // A slow one is not waited for.
    let nowhere = format!("type = \"fhir\"\nurl = \"http://{}\"", free_address());
    let endpoint = several(waits, &[("down", &nowhere), RECORDS]);
    let told = endpoint.json("PUT /Patient/1", PATIENT).await;
    assert_eq!(told.status, 201, "{}", told.body);
    endpoint.stop();

    // Where a message is not for the first, the next answers.
    let never = format!("{}\nwhen = \"Patient.active = true\"", RECORDS.1);
    let endpoint = several(waits, &[("ehr", &to), ("store", &never)]);
    let told = endpoint.json("PUT /Patient/1", PATIENT).await;
    assert_eq!(told.status, 422, "{}", told.body);
    endpoint.stop();
}

#[test]
fn a_check_says_who_answers_where_it_is_not_plain() {
    let check = |source: &str, destinations: &[(&str, &str)], expected: &[&str]| {
        let site = Site::new();
        site.file("channels/in.toml", &text(free_address(), source, destinations));
        let done = site.run(&["check"]);
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        for part in expected {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert_eq!(text.contains("W234"), !expected.is_empty(), "{text}");
        assert_eq!(done.status.success(), !text.contains("error["), "{text}");
    };
    let file = |dir| format!("type = \"file\"\ndir = \"{dir}\"");
    let (a, b) = (file("a"), file("b"));
    let waits = "reply = \"after-delivery\"";
    check(waits, &[RECORDS], &[]);
    check(waits, &[("a", &a), RECORDS, ("b", &b)], &[]);
    check("", &[("a", &a), ("b", &b)], &[]);
    check(waits, &[("a", &a), ("b", &b)], &["warning[W2341]", "`a` answers", "reply_from"]);
    let two = [RECORDS, ("two", "type = \"records\"\ncollection = \"two\"")];
    check(waits, &two, &["warning[W2341]", "`store` answers"]);
    let named = |name| format!("{waits}\nreply_from = \"{name}\"");
    check(&named("two"), &two, &[]);
    check(&named("tow"), &two, &["error[W2340]", "there is no `tow`", "did you mean `two`?"]);
    let off = format!("{b}\nenabled = false");
    check(&named("b"), &[("a", &a), ("b", &off)], &["error[W2340]", "`b` is not enabled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_hears_why_a_message_is_given_up() {
    let waits = "reply = \"after-delivery\"";
    let soon = "retry = { first = \"10ms\", max = \"10ms\", give_up = \"20ms\" }";
    let check = async |destination: &str, expected: &str| {
        let endpoint = several(waits, &[("ehr", destination)]);
        let told = endpoint.json("PUT /Patient/1", PATIENT).await;
        assert_eq!(told.brief(), expected, "{}", told.body);
        assert!(told.body.contains("`ehr`"), "{}", told.body);
        assert!(!told.body.contains("127.0.0.1"), "no address of ours: {}", told.body);
        let address = told.header("content-location").unwrap().to_owned();
        wait_ends(&endpoint, &[("ehr", [0, 1, 0])]).await;
        let later = endpoint.outcome(&address).await;
        let status = later.at("/entry/0/response/status");
        assert!(status.starts_with(&expected[..3]), "{status} {expected}");
        let traced = endpoint.site.ok(&["trace", address.rsplit('/').next().unwrap()]);
        assert!(traced.contains(expected.rsplit(' ').next().unwrap()), "{traced}");
        endpoint.stop();
    };
    let to = |peer: &HttpPeer| format!("type = \"fhir\"\nurl = \"{}\"\n{soon}", peer.url);
    let down = format!("type = \"fhir\"\nurl = \"http://{}\"\n{soon}", free_address());
    check(&down, "502 transient W7101").await;
    check(&to(&HttpPeer::start(always(503, ""))), "503 transient W7302").await;
    check(&to(&HttpPeer::start(always(302, ""))), "502 processing W7304").await;
    check(&to(&HttpPeer::start(always(405, ""))), "502 processing W7304").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partly_refused_batch_is_told_entry_by_entry() {
    let batch = r#"{"resourceType":"Bundle","type":"batch","entry":[
        {"resource":{"resourceType":"Patient","id":"1"},
         "request":{"method":"PUT","url":"Patient/1"}},
        {"resource":{"resourceType":"Patient","id":"2"},
         "request":{"method":"PUT","url":"Patient/2","ifMatch":"W/\"7\""}}]}"#;
    let answer = r#"{"resourceType":"Bundle","type":"batch-response","entry":[
        {"response":{"status":"201 Created","location":"Patient/1/_history/1"}},
        {"response":{"status":"412 Precondition Failed","outcome":{
            "resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict"}]}}}]}"#;
    let peer = HttpPeer::start(always(200, answer));
    let to = format!("type = \"fhir\"\nurl = \"{}\"", peer.url);
    let waits = "reply = \"after-delivery\"\naccept = [\"*\"]";
    for destination in [to.as_str(), RECORDS.1] {
        let endpoint = several(waits, &[("out", destination)]);
        let told = endpoint.json("POST /", batch).await;
        assert_eq!((told.status, told.at("/type").as_str()), (200, "batch-response"));
        assert!(told.at("/entry/0/response/status").starts_with("201"), "{}", told.body);
        assert!(told.at("/entry/1/response/status").starts_with("4"), "{}", told.body);
        assert_eq!(told.at("/entry/1/response/outcome/resourceType"), "OperationOutcome");
        // Its sender knows: nobody else looks after it.
        wait_ends(&endpoint, &[("out", [0, 0, 1])]).await;
        // Nobody waits: a dead letter.
        let later = [JSON, ("prefer", "respond-async")];
        let told = endpoint.send("POST /", &later, batch).await;
        assert_eq!(told.status, 202);
        wait_ends(&endpoint, &[("out", [0, 1, 1])]).await;
        endpoint.stop();
    }
}

/// A Bundle is a resource, too, and what a server returns of it is no answer to entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_kept_is_no_answer_to_a_bundle() {
    for kind in ["batch-response", "transaction-response", "transaction", "collection"] {
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"response":{{"status":"404"}}}}]}}"#
        );
        let returned = bundle.clone();
        let peer = HttpPeer::start(move |_| {
            (201, "Location: /r4/Bundle/9/_history/1\r\n", returned.clone())
        });
        let to = format!("type = \"fhir\"\nurl = \"{}\"", peer.url);
        for (name, destination) in [("fhir", to.as_str()), RECORDS] {
            let endpoint = several("reply = \"after-delivery\"", &[("out", destination)]);
            let new = [JSON, ("if-none-exist", "identifier=urn:x|1")];
            for headers in [&new[..], &[JSON]] {
                let told = endpoint.send("POST /Bundle", headers, bundle.clone()).await;
                assert_eq!(told.status, 201, "{name} {kind}: {}", told.body);
                assert_eq!(told.at("/type"), kind, "{}", told.body);
                assert!(told.header("location").unwrap().contains("/Bundle/"));
            }
            endpoint.stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sent_a_message_may_ask_what_became_of_it() {
    let (site, address) = (Site::new(), free_address());
    for name in ["lab", "pas", "desk"] {
        site.file(&format!("{name}.key"), &format!("key-of-{name}-0123456789"));
    }
    let client = |name| format!("{name} = {{ keys = [\"file:{name}.key\"] }}");
    let source = format!(
        "operators = [\"desk\"]\nauth = {{ type = \"api-key\", client = {{ {}, {}, {} }} }}",
        client("lab"),
        client("pas"),
        client("desk")
    );
    site.file("channels/in.toml", &text(address, &source, &[RECORDS]));
    let endpoint = Endpoint::run(site, address);
    let key = |name| format!("key-of-{name}-0123456789");
    let lab = key("lab");
    let told = endpoint.send("POST /Patient", &[JSON, ("x-api-key", &lab)], PATIENT).await;
    assert_eq!(told.status, 202, "{}", told.body);
    let address = told.header("content-location").unwrap().to_owned();
    let path = address.strip_prefix(&endpoint.base()).unwrap().to_owned();
    wait_ends(&endpoint, &[("store", [1, 0, 0])]).await;
    // Its receipt is written a moment later.
    for _ in 0..250 {
        let told = endpoint.send(&format!("GET {path}"), &[("x-api-key", &lab)], "").await;
        if told.status != 202 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (name, expected) in [("lab", "200"), ("pas", "404 not-found W2335"), ("desk", "200")] {
        let told = endpoint.send(&format!("GET {path}"), &[("x-api-key", &key(name))], "").await;
        assert_eq!(told.brief(), expected, "{name}");
    }
    assert_eq!(endpoint.get(&path).await.brief(), "401 login W2350");
    let traced = endpoint.site.ok(&["trace", address.rsplit('/').next().unwrap()]);
    assert!(traced.contains(" (lab), answered"), "{traced}");
    endpoint.stop();
}

/// What a batch of weir's own holds, and what a server says to it that refuses ids ending in 7.
fn answered(request: &Asked) -> (u16, &'static str, String) {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let of = |id: &str| match id.ends_with('7') {
        true => ("422", r#"{"resourceType":"OperationOutcome","issue":[]}"#),
        false => ("200", "{}"),
    };
    if body["resourceType"] == "Patient" {
        let (status, outcome) = of(body["id"].as_str().unwrap());
        return (status.parse().unwrap(), "", outcome.to_owned());
    }
    assert_eq!((body["type"].as_str(), request.line.as_str()), (Some("batch"), "POST /r4"));
    let entries: Vec<String> = body["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let (status, outcome) = of(entry["resource"]["id"].as_str().unwrap());
            format!(r#"{{"response":{{"status":"{status}","outcome":{outcome}}}}}"#)
        })
        .collect();
    let entries = entries.join(",").replace(r#","outcome":{}"#, "");
    let told =
        format!(r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{entries}]}}"#);
    (200, "", told)
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_of_many_lanes_leave_together() {
    let peer = HttpPeer::start(answered);
    let (site, address) = (Site::new(), free_address());
    let to = format!(
        "type = \"fhir\"\nurl = \"{}\"\nbatch = {{ max = 20, wait = \"100ms\" }}",
        peer.url
    );
    let channel = text(address, "", &[("ehr", &to)]);
    site.file("channels/in.toml", &channel);
    let checked = site.run(&["check"]);
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(said.contains("W7311") && said.contains("order_by"), "one lane: {said}");
    let lanes = channel.replace("name = \"in\"", "name = \"in\"\norder_by = \"Patient.id\"");
    site.file("channels/in.toml", &lanes);
    assert!(site.run(&["check"]).status.success());
    let narrow = lanes.replace("batch =", "parallel = 4\nbatch =");
    site.file("channels/in.toml", &narrow);
    let checked = site.run(&["check"]);
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(said.contains("W7311") && said.contains("no more than 4 lanes"), "{said}");
    site.file("channels/in.toml", &lanes);
    let endpoint = Endpoint::run(site, address);
    endpoint.site.ok(&["channel", "pause", "in", "ehr", "--reason", "test"]);
    // Each lane has two messages, in their order.
    for round in 0..2 {
        for n in 0..30 {
            let patient =
                format!(r#"{{"resourceType":"Patient","id":"{n}","active":{}}}"#, round == 0);
            let told = endpoint.json(&format!("PUT /Patient/{n}"), &patient).await;
            assert_eq!(told.status, 202, "{}", told.body);
        }
    }
    endpoint.site.ok(&["channel", "resume", "in", "ehr"]);
    wait_ends(&endpoint, &[("ehr", [54, 6, 0])]).await;
    let asked = peer.asked();
    assert!(asked.len() <= 20, "{} requests for 60 messages", asked.len());
    for n in 0..30 {
        let own = format!(r#"{{"resourceType":"Patient","id":"{n}","active":"#);
        let seen: Vec<&str> =
            asked.iter().filter_map(|asked| Some(&asked.body.split_once(&own)?.1[..4])).collect();
        assert_eq!(seen, ["true", "fals"], "of {n}, in order, one in each batch");
    }
    assert!(asked.iter().all(|asked| asked.body.matches("\"PUT\"").count() <= 20));
    // Each has a receipt or a dead letter of its own.
    let dead = endpoint.site.json(&["queue", "ls", "state:dead"]);
    assert_eq!(dead["rows"].as_array().unwrap().len(), 6, "{dead:#}");
    endpoint.stop();
}
