//! The FHIR destination against scripted servers on loopback.

use std::sync::{Arc, Mutex};

use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Auth, FhirPlan, build, jwk};
use crate::destination::tests::delivery;
use crate::destination::{Delivered, DeliveryError};
use crate::message::{ContentKind, Receipt};
use crate::ports::Ports;
use crate::ports::http::Url;
use crate::settings::SecretRef;

/// A request as a test looks at it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: String,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A server that gives these answers (status and body) in turn, on any connection, and
/// keeps what it saw. `{url}` in a body is its own address.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _task: tokio::task::JoinHandle<()>,
}

async fn server(answers: &[(&'static str, &str)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r4", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let answers: Vec<(&str, String)> =
        answers.iter().map(|(status, body)| (*status, body.replace("{url}", &url))).collect();
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
    answers: Arc<Mutex<std::vec::IntoIter<(&'static str, String)>>>,
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
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (line, headers) = head.split_once("\r\n")?;
    let headers = headers.replace("\r\n", "\n");
    let length = headers.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    (body.len() >= length.unwrap_or(0)).then(|| Seen {
        line: line.to_owned(),
        headers,
        body: body.to_owned(),
    })
}

fn plan(url: &str, auth: Auth) -> FhirPlan {
    FhirPlan { url: Url::parse(url).unwrap(), tls: None, auth }
}

fn told(result: Result<Delivered, DeliveryError>) -> String {
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
    let (_dir, key) = secret(&jwk::tests::p384_jwk().0);
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
    let (_dir, key) = secret(&jwk::tests::p384_jwk().0);
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
