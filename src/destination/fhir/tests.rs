//! The FHIR destination against scripted servers on loopback.

use std::sync::{Arc, Mutex};

use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Auth, FhirPlan, Format, OnConflict, build};
use crate::destination::tests::delivery;
use crate::destination::{Delivered, DeliveryError, Outlook};
use crate::message::{ContentKind, Receipt};
use crate::ports::Ports;
use crate::ports::fhir::testing::p384_jwk;
use crate::ports::http::Url;
use crate::settings::SecretRef;

/// A request as a test looks at it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub line: String,
    headers: String,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A server that gives these answers (status and body) in turn, on any connection, and
/// keeps what it saw. `{url}` in a body is its own address.
pub(super) struct Server {
    pub url: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    _task: tokio::task::JoinHandle<()>,
}

pub(super) async fn server(answers: &[(&str, &str)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r4", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let own = |text: &str| text.replace("{url}", &url);
    let answers: Vec<(String, String)> =
        answers.iter().map(|(status, body)| (own(status), own(body))).collect();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let saw = seen.clone();
    let task = tokio::task::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            connections.spawn(serve(stream, answers.clone(), saw.clone()));
        }
    });
    Server { url, seen, _task: task }
}

async fn serve(
    mut stream: tokio::net::TcpStream,
    answers: Arc<Mutex<std::vec::IntoIter<(String, String)>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    loop {
        let mut bytes = Vec::new();
        let request = loop {
            if let Some(request) = request(&bytes) {
                break request;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        seen.lock().unwrap().push(request);
        let Some((status, body)) = answers.lock().unwrap().next() else { return };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn request(bytes: &[u8]) -> Option<Seen> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 4..]);
    let (line, headers) = head.split_once("\r\n")?;
    let headers = headers.replace("\r\n", "\n");
    let length = headers.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    (body.len() >= length.unwrap_or(0)).then(|| Seen {
        line: line.to_owned(),
        headers,
        body: String::from_utf8_lossy(body).into_owned(),
    })
}

pub(super) fn plan(url: &str, auth: Auth) -> FhirPlan {
    FhirPlan { auth, ..FhirPlan::new(Url::parse(url).unwrap()) }
}

pub(super) fn told(result: Result<Delivered, DeliveryError>) -> String {
    match result.map(|delivered| delivered.receipt) {
        Ok(Receipt::Http { status, locations }) => format!("{status} {}", locations.join(" ")),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{} {}", error.fault.class().name(), error.fault.code()),
    }
}

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"transaction","entry":[]}"#;
const DONE: &str = r#"{"resourceType":"Bundle","type":"transaction-response","entry":[
    {"response":{"status":"201 Created","location":"Patient/1/_history/1"}}]}"#;

#[tokio::test]
async fn each_form_of_body_goes_to_its_place() {
    let check = async |body: &str, line: &str, if_none_exist: Option<&str>| {
        let server = server(&[("200 OK", "")]).await;
        let mut destination = build(&plan(&server.url, Auth::None), &Ports::system());
        let delivery = delivery(body, ContentKind::FhirJson);
        destination.deliver(&delivery).await.unwrap();
        let seen = server.seen.lock().unwrap()[0].clone();
        assert_eq!(seen.line, format!("{line} HTTP/1.1"));
        assert_eq!(seen.header("if-none-exist"), if_none_exist);
        assert_eq!(seen.header("prefer"), Some("return=minimal"));
        assert_eq!(seen.header("content-type"), Some("application/fhir+json"));
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.body, body);
    };
    check(BUNDLE, "POST /r4", None).await;
    check(r#"{"resourceType":"Bundle","type":"batch"}"#, "POST /r4", None).await;
    check(r#"{"resourceType":"Bundle","type":"message"}"#, "POST /r4/$process-message", None).await;
    check(r#"{"resourceType":"Bundle","type":"collection"}"#, "POST /r4/Bundle", None).await;
    check(r#"{"resourceType":"Patient"}"#, "POST /r4/Patient", None).await;
    check(r#"{"resourceType":"Patient","id":"a-1"}"#, "PUT /r4/Patient/a-1", None).await;
    check(r#"{"resourceType":"Patient","id":"../x"}"#, "POST /r4/Patient", None).await;
    check(
        r#"{"resourceType":"Patient","identifier":[{"value":"x"},{"system":"urn:a","value":"1|2"}]}"#,
        "POST /r4/Patient",
        Some("identifier=urn%3Aa%7C1%7C2"),
    )
    .await;
}

#[tokio::test]
async fn one_connection_carries_good_and_bad_answers() {
    let server = server(&[
        ("200 OK", DONE),
        ("422 Unprocessable", ""),
        ("503 Busy\r\nRetry-After: 9", ""),
        ("200 OK", DONE),
    ])
    .await;
    let mut destination = build(&plan(&server.url, Auth::None), &Ports::system());
    let delivery = delivery(BUNDLE, ContentKind::FhirJson);
    let mut found = Vec::new();
    for _ in 0..4 {
        found.push(told(destination.deliver(&delivery).await));
    }
    let done = "200 Patient/1/_history/1";
    assert_eq!(found, [done, "permanent W7102", "transient W7302", done]);
}

#[tokio::test]
async fn what_is_no_resource_is_not_sent() {
    let check = async |body: &str, kind, code: &str| {
        let mut destination = build(&plan("http://127.0.0.1:1", Auth::None), &Ports::system());
        let found = destination.deliver(&delivery(body, kind)).await.unwrap_err();
        assert_eq!(found.fault.code().as_str(), code, "{body}");
    };
    check("MSH|^~\\&|", ContentKind::Hl7, "W7205").await;
    check("{}", ContentKind::FhirJson, "W7205").await;
    check(r#"{"resourceType":"../Patient"}"#, ContentKind::FhirJson, "W7205").await;
    check("{", ContentKind::FhirJson, "W2701").await;
}

/// A secret in a file, which must outlive its use.
fn secret(content: &str) -> (tempfile::TempDir, SecretRef) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, content).unwrap();
    (dir, SecretRef::File(path.display().to_string()))
}

#[tokio::test]
async fn fixed_credentials_stand_in_the_header() {
    let (_dir, reference) = secret("s3cret\n");
    let basic = Auth::Basic { user: "weir".into(), password: reference.clone() };
    for (auth, expected) in
        [(Auth::Bearer(reference), "Bearer s3cret"), (basic, "Basic d2VpcjpzM2NyZXQ=")]
    {
        let server = server(&[("401 No", ""), ("403 No", "")]).await;
        let mut destination = build(&plan(&server.url, auth), &Ports::system());
        let delivery = delivery(BUNDLE, ContentKind::FhirJson);
        // A 401 makes weir read the secret again and ask once more, not for ever.
        assert_eq!(told(destination.deliver(&delivery).await), "operator W7301");
        let seen = server.seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].header("authorization"), Some(expected));
    }
    let missing = Auth::Bearer(SecretRef::File("/nonexistent".to_owned()));
    let mut destination = build(&plan("http://127.0.0.1:1", missing), &Ports::system());
    let delivery = delivery(BUNDLE, ContentKind::FhirJson);
    assert_eq!(told(destination.deliver(&delivery).await), "operator W1032");
}

fn smart(key: SecretRef, token_url: Option<&str>) -> Auth {
    Auth::SmartBackend {
        client_id: "weir".into(),
        key,
        token_url: token_url.map(|url| Url::parse(url).unwrap()),
        scope: "system/*.*".into(),
    }
}

#[tokio::test]
async fn a_token_is_bought_kept_and_renewed_once_when_refused() {
    let (_dir, key) = secret(&p384_jwk().0);
    let server = server(&[
        ("200 OK", r#"{"token_endpoint":"{url}/token"}"#),
        ("200 OK", r#"{"access_token":"t1","expires_in":300}"#),
        ("200 OK", DONE),
        ("200 OK", DONE),
        ("401 Expired", ""),
        ("200 OK", r#"{"access_token":"t2","expires_in":300}"#),
        ("200 OK", DONE),
    ])
    .await;
    let mut destination = build(&plan(&server.url, smart(key, None)), &Ports::system());
    let delivery = delivery(BUNDLE, ContentKind::FhirJson);
    for _ in 0..3 {
        assert!(told(destination.deliver(&delivery).await).starts_with("200"));
    }
    let seen = server.seen.lock().unwrap();
    let story: Vec<String> = seen
        .iter()
        .map(|seen| {
            let path = seen.line.split(' ').nth(1).unwrap();
            format!("{path} {}", seen.header("authorization").unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        story,
        [
            "/r4/.well-known/smart-configuration -",
            "/r4/token -",
            "/r4 Bearer t1",
            "/r4 Bearer t1",
            "/r4 Bearer t1",
            "/r4/token -",
            "/r4 Bearer t2"
        ]
    );
    let form = &seen[1].body;
    assert!(form.starts_with("grant_type=client_credentials&scope=system%2F%2A.%2A&"), "{form}");
    let assertion = form.rsplit_once("client_assertion=").unwrap().1;
    let claims = assertion.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "weir");
    assert_eq!(claims["sub"], "weir");
    assert_eq!(claims["aud"], format!("{}/token", server.url));
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=300).contains(&life));
}

#[tokio::test]
async fn token_endpoints_that_refuse_or_fail_are_told_apart() {
    let (_dir, key) = secret(&p384_jwk().0);
    let check = async |status: &'static str, body: &str, expected: &str| {
        let server = server(&[(status, body)]).await;
        let auth = smart(key.clone(), Some(&format!("{}/token", server.url)));
        let mut destination = build(&plan(&server.url, auth), &Ports::system());
        let delivery = delivery(BUNDLE, ContentKind::FhirJson);
        assert_eq!(told(destination.deliver(&delivery).await), expected, "{status} {body}");
    };
    check("400 Bad", r#"{"error":"invalid_client"}"#, "operator W7306").await;
    check("401 No", "", "operator W7306").await;
    check("500 Oops", "", "transient W7307").await;
    check("200 OK", "{}", "transient W7307").await;
    check("200 OK", "<html>", "transient W7307").await;
    let (_dir, bad) = secret("not a key");
    let auth = smart(bad, Some("http://127.0.0.1:1/token"));
    let mut destination = build(&plan("http://127.0.0.1:1", auth), &Ports::system());
    let delivery = delivery(BUNDLE, ContentKind::FhirJson);
    assert_eq!(told(destination.deliver(&delivery).await), "operator W7502");
}

/// A delivery of a message of this type.
pub(super) fn typed(body: &str, message_type: &str) -> crate::message::Delivery {
    crate::message::Delivery {
        message_type: message_type.into(),
        ..delivery(body, ContentKind::FhirJson)
    }
}

pub(super) fn lone(request: &str, resource: &str) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{{resource}"request":{{{request}}}}}]}}"#
    )
}

pub(super) const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;

#[tokio::test]
async fn what_a_source_wrapped_leaves_as_what_it_was() {
    let check =
        async |body: &str, message_type: &str, line: &str, headers: &[(&str, &str)], sent: &str| {
            let server = server(&[("200 OK", "")]).await;
            let mut destination = build(&plan(&server.url, Auth::None), &Ports::system());
            destination.deliver(&typed(body, message_type)).await.unwrap();
            let seen = server.seen.lock().unwrap()[0].clone();
            assert_eq!(seen.line, format!("{line} HTTP/1.1"));
            for (name, value) in headers {
                assert_eq!(seen.header(name), Some(*value), "{line} {name}");
            }
            for name in ["if-match", "if-none-exist", "content-type"] {
                let wanted = headers.iter().any(|(header, _)| *header == name);
                assert!(wanted || seen.header(name).is_none(), "{line} {name}");
            }
            assert_eq!(seen.body, sent, "{line}");
        };
    let json = ("content-type", "application/fhir+json");
    let resource = format!(r#""resource":{PATIENT},"#);
    // A create is a create, whatever its id.
    check(PATIENT, "create:Patient", "POST /r4/Patient", &[json], PATIENT).await;
    check(PATIENT, "update:Patient", "PUT /r4/Patient/1", &[json], PATIENT).await;
    check(
        &lone(r#""method":"PUT","url":"Patient/1","ifMatch":"W/\"3\"""#, &resource),
        "update:Patient",
        "PUT /r4/Patient/1",
        &[json, ("if-match", "W/\"3\"")],
        PATIENT,
    )
    .await;
    check(
        &lone(r#""method":"PUT","url":"Patient?identifier=a%7Cb""#, &resource),
        "update:Patient",
        "PUT /r4/Patient?identifier=a%7Cb",
        &[json],
        PATIENT,
    )
    .await;
    check(
        &lone(r#""method":"POST","url":"Patient","ifNoneExist":"identifier=x""#, &resource),
        "create:Patient",
        "POST /r4/Patient",
        &[json, ("if-none-exist", "identifier=x")],
        PATIENT,
    )
    .await;
    check(
        &lone(r#""method":"DELETE","url":"Patient/1","ifMatch":"W/\"3\"""#, ""),
        "delete:Patient",
        "DELETE /r4/Patient/1",
        &[("if-match", "W/\"3\"")],
        "",
    )
    .await;
    check(
        &lone(r#""method":"DELETE","url":"Patient?identifier=x""#, ""),
        "delete:Patient",
        "DELETE /r4/Patient?identifier=x",
        &[],
        "",
    )
    .await;
    let binary = r#""resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10="},"#;
    check(
        &lone(r#""method":"PATCH","url":"Patient/1""#, binary),
        "patch:Patient",
        "PATCH /r4/Patient/1",
        &[("content-type", "application/json-patch+json")],
        "[]",
    )
    .await;
    let parameters = r#"{"resourceType":"Parameters","parameter":[{"name":"operation"}]}"#;
    check(
        &lone(
            r#""method":"PATCH","url":"Patient?identifier=x""#,
            &format!(r#""resource":{parameters},"#),
        ),
        "patch:Patient",
        "PATCH /r4/Patient?identifier=x",
        &[json],
        parameters,
    )
    .await;
    // What was a transaction stays one, and so does one with more than one entry.
    let one = lone(r#""method":"DELETE","url":"Patient/1""#, "");
    check(&one, "transaction:Patient", "POST /r4", &[json], &one).await;
    check(BUNDLE, "update:Patient", "POST /r4", &[json], BUNDLE).await;
    let get = lone(r#""method":"GET","url":"Patient/1""#, "");
    check(&get, "update:Patient", "POST /r4", &[json], &get).await;
    // A Bundle of a client that is to be created or updated is never carried out.
    check(&one, "create:Bundle", "POST /r4/Bundle", &[json], &one).await;
    let named = one.replacen("\"type\"", "\"id\":\"b\",\"type\"", 1);
    check(&named, "update:Bundle", "PUT /r4/Bundle/b", &[json], &named).await;
}

#[tokio::test]
async fn a_wrapped_interaction_that_is_none_is_not_sent() {
    let check = async |body: &str, message_type: &str| {
        let mut destination = build(&plan("http://127.0.0.1:1", Auth::None), &Ports::system());
        let found = destination.deliver(&typed(body, message_type)).await.unwrap_err();
        assert_eq!(found.fault.code().as_str(), "W7205", "{body}");
    };
    check(&lone(r#""method":"PUT","url":"../x""#, ""), "update:Patient").await;
    check(&lone(r#""method":"PUT","url":"Patient/1""#, ""), "update:Patient").await;
    check(&lone(r#""url":"Patient/1""#, ""), "delete:Patient").await;
    let binary = r#""resource":{"resourceType":"Binary","contentType":"a/b","data":"!"},"#;
    check(&lone(r#""method":"PATCH","url":"Patient/1""#, binary), "patch:Patient").await;
    let binary = r#""resource":{"resourceType":"Binary","data":"W10="},"#;
    check(&lone(r#""method":"PATCH","url":"Patient/1""#, binary), "patch:Patient").await;
}

#[tokio::test]
async fn what_the_server_said_reaches_who_waits() {
    let outcome =
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict"}]}"#;
    let created = "201 Created\r\nLocation: {url}/Patient/9/_history/1\r\nETag: W/\"1\"\r\n\
                   Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT";
    let server = server(&[(created, PATIENT), ("412 No", outcome), ("422 No", "<html>")]).await;
    let mut destination = build(&plan(&server.url, Auth::None), &Ports::system());
    let delivery = typed(PATIENT, "update:Patient");
    let said = destination.deliver(&delivery).await.unwrap().said.unwrap();
    assert_eq!((said.status, &said.body[..]), (201, PATIENT.as_bytes()));
    assert_eq!(said.etag.as_deref(), Some("W/\"1\""));
    assert_eq!(said.last_modified.as_deref(), Some("Fri, 02 Jan 2026 03:04:05 GMT"));
    let error = destination.deliver(&delivery).await.unwrap_err();
    let said = error.said.unwrap();
    assert_eq!((said.status, &said.body[..]), (412, outcome.as_bytes()));
    assert!(said.refuses());
    // What is no FHIR is not handed on.
    let said = destination.deliver(&delivery).await.unwrap_err().said.unwrap();
    assert_eq!((said.status, said.body.len()), (422, 0));
}

#[tokio::test]
async fn a_server_may_take_its_time() {
    let accepted = "202 Accepted\r\nContent-Location: /r4/status/7?s=1";
    let busy = ("202 Accepted\r\nRetry-After: 0", "");
    let later = ("202 Accepted\r\nRetry-After: 60", "");
    let answers = [
        (accepted, ""),
        busy,
        busy,
        ("200 OK", DONE), // done within the attempt
        (accepted, ""),
        later,            // later: the queue has it meanwhile
        ("503 Busy", ""), // still remembered
        ("200 OK", DONE),
        (accepted, ""),
        ("404 Gone", ""),     // forgotten: sent again
        ("202 Accepted", ""), // no status at all
        ("202 Accepted\r\nContent-Location: https://other/status", ""),
    ];
    let server = server(&answers).await;
    let settings = FhirPlan { respond_async: true, ..plan(&server.url, Auth::None) };
    let done = "200 Patient/1/_history/1";
    let delivery = delivery(BUNDLE, ContentKind::FhirJson);
    let ports = Ports::system();
    let mut found = Vec::new();
    for _ in 0..5 {
        // Any lane may take the message up again.
        let mut destination = build(&settings, &ports);
        let result = destination.deliver(&delivery).await;
        let wait = result.as_ref().err().and_then(|error| error.retry_after);
        found.push(format!("{} {wait:?}", told(result)));
    }
    assert_eq!(
        found,
        [
            format!("{done} None"),
            "transient W7220 Some(60s)".to_owned(),
            "transient W7302 None".to_owned(),
            format!("{done} None"),
            "transient W7302 None".to_owned(),
        ]
    );
    // A transaction whose answer comes without entries, as the first one had.
    let single = typed(PATIENT, "update:Patient");
    let mut destination = build(&settings, &ports);
    assert_eq!(told(destination.deliver(&single).await), "202 ");
    assert_eq!(told(destination.deliver(&single).await), "permanent W7304");
    let seen = server.seen.lock().unwrap();
    let lines: Vec<&str> =
        seen.iter().map(|seen| seen.line.split(" HTTP").next().unwrap()).collect();
    let (post, poll, put) = ("POST /r4", "GET /r4/status/7?s=1", "PUT /r4/Patient/1");
    assert_eq!(lines, [post, poll, poll, poll, post, poll, poll, poll, post, poll, put, put]);
    assert_eq!(seen[0].header("prefer"), Some("return=minimal, respond-async"));
}

#[tokio::test]
async fn an_update_goes_over_the_current_version_where_settings_say_so() {
    let current = ("200 OK\r\nETag: W/\"5\"", PATIENT);
    let check = async |answers: &[(&str, &str)], body: &str, expected: &str, story: &[&str]| {
        let server = server(answers).await;
        let settings =
            FhirPlan { on_conflict: OnConflict::Reread, ..plan(&server.url, Auth::None) };
        let mut destination = build(&settings, &Ports::system());
        let found = told(destination.deliver(&typed(body, "update:Patient")).await);
        assert_eq!(found, expected);
        let seen = server.seen.lock().unwrap();
        let found: Vec<String> = seen
            .iter()
            .map(|seen| {
                let method = seen.line.split(' ').next().unwrap();
                let condition = seen.header("if-match").or_else(|| seen.header("if-none-match"));
                format!("{method} {}", condition.unwrap_or("-"))
            })
            .collect();
        assert_eq!(found, story);
    };
    check(
        &[("412 No", ""), current, ("200 OK", "")],
        PATIENT,
        "200 ",
        &["PUT -", "GET -", "PUT W/\"5\""],
    )
    .await;
    check(
        &[("409 No", ""), ("404 No", ""), ("201 Created", "")],
        PATIENT,
        "201 ",
        &["PUT -", "GET -", "PUT *"],
    )
    .await;
    let lost = ("412 No", "");
    check(
        &[lost, current, lost, current, lost, current, lost],
        PATIENT,
        "transient W7221",
        &["PUT -", "GET -", "PUT W/\"5\"", "GET -", "PUT W/\"5\"", "GET -", "PUT W/\"5\""],
    )
    .await;
    // A version that the sender named is the sender's to decide on.
    let named = lone(
        r#""method":"PUT","url":"Patient/1","ifMatch":"W/\"3\"""#,
        &format!(r#""resource":{PATIENT},"#),
    );
    check(&[lost], &named, "permanent W7102", &["PUT W/\"3\""]).await;
}

#[tokio::test]
async fn bodies_leave_in_xml_and_packed_where_settings_say_so() {
    let outcome = r#"<OperationOutcome xmlns="http://hl7.org/fhir"><issue><severity value="error"/><code value="invalid"/></issue></OperationOutcome>"#;
    let server = server(&[("422 No", outcome), ("200 OK", "")]).await;
    let settings = FhirPlan { format: Format::Xml, ..plan(&server.url, Auth::None) };
    let mut destination = build(&settings, &Ports::system());
    let error = destination.deliver(&typed(PATIENT, "update:Patient")).await.unwrap_err();
    assert!(error.fault.cause().unwrap().ends_with("422 invalid"), "{}", error.fault);
    // Who waits hears it in JSON, as everything within weir.
    let said = error.said.unwrap();
    assert!(said.body.starts_with(br#"{"resourceType":"OperationOutcome""#));
    {
        let seen = server.seen.lock().unwrap();
        assert_eq!(seen[0].header("content-type"), Some("application/fhir+xml"));
        assert_eq!(seen[0].header("accept"), Some("application/fhir+xml"));
        assert!(seen[0].body.contains("<Patient xmlns="), "{}", seen[0].body);
    }
    let settings = FhirPlan { gzip: true, ..plan(&server.url, Auth::None) };
    let mut destination = build(&settings, &Ports::system());
    let long = format!(r#"{{"resourceType":"Patient","language":"{}"}}"#, "x".repeat(5000));
    destination.deliver(&delivery(&long, ContentKind::FhirJson)).await.unwrap();
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[1].header("content-encoding"), Some("gzip"));
    let length: usize = seen[1].header("content-length").unwrap().parse().unwrap();
    assert!(length < 200, "{length}");
}

#[tokio::test]
async fn lanes_share_one_token_and_one_failure() {
    let (_dir, key) = secret(&p384_jwk().0);
    let token = ("200 OK", r#"{"access_token":"t1","expires_in":300}"#);
    let server = server(&[token, ("200 OK", DONE), ("200 OK", DONE), ("200 OK", DONE)]).await;
    let auth = smart(key.clone(), Some(&format!("{}/token", server.url)));
    let settings = plan(&server.url, auth);
    let delivery = delivery(BUNDLE, ContentKind::FhirJson);
    let ports = Ports::system();
    let mut lanes: Vec<_> = (0..3).map(|_| build(&settings, &ports)).collect();
    let [first, second, third] = &mut lanes[..] else { panic!() };
    let (a, b, c) =
        tokio::join!(first.deliver(&delivery), second.deliver(&delivery), third.deliver(&delivery));
    for result in [a, b, c] {
        assert!(told(result).starts_with("200"));
    }
    let bought =
        server.seen.lock().unwrap().iter().filter(|seen| seen.line.contains("/token")).count();
    assert_eq!(bought, 1);

    let server = self::server(&[("500 Oops", "")]).await;
    let settings = plan(&server.url, smart(key, Some(&format!("{}/token", server.url))));
    for _ in 0..3 {
        let mut lane = build(&settings, &ports);
        assert_eq!(told(lane.deliver(&delivery).await), "transient W7307");
    }
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_is_asked_what_it_offers() {
    let statement = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1",
        "format":["json"],"rest":[{"mode":"server","interaction":[{"code":"transaction"}]}]}"#;
    let outlook = Outlook { system: vec!["transaction", "batch"], types: vec![] };
    let check = async |answer: (&str, &str), expected: &[&str]| {
        let server = server(&[answer]).await;
        let (_dir, token) = secret("t");
        let mut destination = build(&plan(&server.url, Auth::Bearer(token)), &Ports::system());
        let problems = destination.probe(&Ports::system(), &outlook).await;
        let found: Vec<String> = problems
            .iter()
            .map(|problem| format!("{} {}", problem.severity.name(), problem.fault.code()))
            .collect();
        assert_eq!(found, expected);
        assert!(problems.iter().all(|p| p.fault.cause().unwrap().starts_with("127.0.0.1:")));
        let seen = server.seen.lock().unwrap();
        assert_eq!(seen[0].line, "GET /r4/metadata HTTP/1.1");
        assert_eq!(seen[0].header("authorization"), Some("Bearer t"));
    };
    check(("200 OK", statement), &["warning W7223"]).await;
    check(("200 OK", &statement.replace("4.0.1", "5.0.0")), &["error W7222", "warning W7223"])
        .await;
    check(("404 No", ""), &["error W7224"]).await;
    check(("200 OK", "<html>"), &["error W7224"]).await;
    check(("200 OK", PATIENT), &["error W7224"]).await;
    let refused = server(&[("401 No", ""), ("403 No", "")]).await;
    let mut destination = build(&plan(&refused.url, Auth::None), &Ports::system());
    for _ in 0..2 {
        let problems = destination.probe(&Ports::system(), &outlook).await;
        let codes: Vec<_> = problems.iter().map(|p| p.fault.code().as_str()).collect();
        assert_eq!(codes, ["W7301"]);
    }
}
