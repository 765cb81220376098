//! JSON, XML, gzip, HTTP/2, keys: the forms of a request and its answer.

use super::*;

const PATIENT: &str = r#"{"resourceType":"Patient","active":true}"#;

/// A body in gzip, from a server's own answer: the tests have no other packer.
fn packed(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    let feed = std::thread::Builder::new().spawn(move || stdin.write_all(&text)).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    feed.join().unwrap().unwrap();
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_form_that_is_wanted() {
    let endpoint = Endpoint::to_files("");
    let check = async |path: &str, accept: &str, expected: &str| {
        let headers: &[(&str, &str)] = &[("accept", accept)];
        let told = endpoint.send(&format!("GET {path}"), headers, "").await;
        assert_eq!(told.header("content-type").unwrap(), expected, "{path} {accept}");
        let begin = if expected.contains("xml") { "<?xml" } else { "{" };
        assert!(told.body.starts_with(begin), "{path} {accept}");
    };
    let (json, xml) =
        ("application/fhir+json; charset=utf-8", "application/fhir+xml; charset=utf-8");
    check("/metadata", "*/*", json).await;
    check("/metadata", "application/fhir+xml", xml).await;
    check("/metadata", "application/xml;q=0.9, application/json", json).await;
    check("/metadata?_format=xml", "application/fhir+json", xml).await;
    check("/metadata?_format=application/fhir+json", "application/fhir+xml", json).await;
    check("/Patient/1", "application/fhir+xml", xml).await;
    let told = endpoint.send("HEAD /metadata", &[], "").await;
    assert_eq!((told.status, told.body.as_str()), (200, ""));
    let length: usize = told.header("content-length").unwrap().parse().unwrap();
    assert_eq!(length, endpoint.get("/metadata").await.body.len());
    let headers = [JSON, ("x-request-id", "abc-1")];
    let told = endpoint.send("POST /Patient", &headers, PATIENT).await;
    assert_eq!(told.header("x-request-id"), Some("abc-1"));
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_goes_both_ways_within_bounds() {
    let endpoint = Endpoint::to_files("max_size = \"1 MiB\"");
    let gzip = ("content-encoding", "gzip");
    let told = endpoint.send("POST /Patient", &[JSON, gzip], packed(PATIENT.as_bytes())).await;
    assert_eq!(told.status, 202, "{}", told.body);
    assert_eq!(endpoint.wait_files(1).await, [PATIENT]);
    let bomb = packed(&vec![b' '; 20 << 20]);
    assert!(bomb.len() < 100_000);
    let told = endpoint.send("POST /Patient", &[JSON, gzip], bomb).await;
    assert_eq!(told.brief(), "413 too-long W2329");
    let cut = packed(PATIENT.as_bytes());
    let told = endpoint.send("POST /Patient", &[JSON, gzip], cut[..cut.len() - 4].to_vec()).await;
    assert_eq!(told.brief(), "400 invalid W2331");
    let told = endpoint.send("GET /metadata", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(told.header("content-encoding"), Some("gzip"));
    let lines = format!("{PATIENT}\n").repeat(100);
    let ndjson = ("content-type", "application/fhir+ndjson");
    let told = endpoint.send("POST /", &[ndjson, gzip], packed(lines.as_bytes())).await;
    assert_eq!(told.at("/issue/0/diagnostics"), "100 lines are kept, 0 are refused.");
    endpoint.stop();
}

/// Keeps futures of a connection on the runtime of the test.
#[derive(Clone)]
pub(super) struct Spawn;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    #[allow(clippy::disallowed_methods, reason = "the test's runtime ends with it")]
    fn execute(&self, task: F) {
        tokio::spawn(task);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_takes_many_requests_at_once() {
    use http_body_util::{BodyExt, Full};
    let endpoint = Endpoint::to_files("");
    let stream = tokio::net::TcpStream::connect(endpoint.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(Spawn, io).await.unwrap();
    hyper::rt::Executor::execute(&Spawn, async move {
        let _ = connection.await;
    });
    let one = async |n: usize| {
        let request = hyper::Request::post(format!("{}/Patient", endpoint.base()))
            .header("content-type", "application/fhir+json")
            .body(Full::new(Bytes::from(PATIENT.replace("true", &n.is_multiple_of(2).to_string()))))
            .unwrap();
        let mut sender = sender.clone();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        answer.into_body().collect().await.unwrap();
        status
    };
    let (a, b, c, d) = tokio::join!(one(1), one(2), one(3), one(4));
    assert_eq!([a, b, c, d], [202; 4]);
    assert_eq!(endpoint.wait_files(4).await.len(), 4);
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_says_who_may_do_what() {
    let site = Site::new();
    site.file("keys/lab", "swordfish-swordfish-swordfish");
    let address = free_address();
    let source = "auth = { type = \"api-key\", client.lab = { keys = [\"file:keys/lab\"], \
                  scopes = [\"system/Patient.c\"] } }";
    channel(&site, "in", address, source, "type = \"file\"\ndir = \"out\"");
    let endpoint = Endpoint::run(site, address);
    assert_eq!(endpoint.get("/metadata").await.status, 200, "for everybody");
    let told = endpoint.json("POST /Patient", PATIENT).await;
    assert_eq!(told.brief(), "401 login W2350");
    assert!(told.header("www-authenticate").is_some());
    let key = ("x-api-key", "swordfish-swordfish-swordfish");
    let told = endpoint.send("POST /Patient", &[JSON, key], PATIENT).await;
    assert_eq!(told.status, 202, "{}", told.body);
    let other = r#"{"resourceType":"Group"}"#;
    let told = endpoint.send("POST /Group", &[JSON, key], other).await;
    assert_eq!(told.brief(), "403 forbidden W2358");
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Group"},"request":{"method":"POST","url":"Group"}}]}"#;
    let told = endpoint.send("POST /", &[JSON, key], bundle).await;
    assert_eq!(told.brief(), "403 forbidden W2358", "every entry is asked for");
    endpoint.stop();
}
