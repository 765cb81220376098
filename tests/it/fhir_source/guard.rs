//! Who may call: keys, tokens of an authorization server, scopes, limits.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value as Json, json};

use super::*;

const PATIENT: &str = r#"{"resourceType":"Patient"}"#;
const FILES: &str = "type = \"file\"\ndir = \"out\"";

/// Keys that must never be seen outside their files.
const LAB: &str = "k-lab-5f0e7c2d91";
const PAS: &str = "k-pas-77a1b3e4f2";

impl Endpoint {
    /// One with secrets in files, which stand there before it starts.
    fn guarded(source: &str, secrets: &[(&str, &str)]) -> Self {
        let site = Site::new();
        for (name, secret) in secrets {
            site.file(name, secret);
        }
        let address = free_address();
        channel(&site, "in", address, source, FILES);
        Self::run(site, address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_scopes_hold_and_are_never_told() {
    let auth = "auth = { type = \"api-key\", client = { \
                lab = { keys = [\"file:lab.key\"], scopes = [\"system/Observation.c\"] }, \
                pas = { keys = [\"file:pas.key\"] } } }";
    let endpoint = Endpoint::guarded(auth, &[("lab.key", LAB), ("pas.key", PAS)]);
    let told = endpoint.json("POST /Patient", PATIENT).await;
    assert_eq!(told.brief(), "401 login W2350");
    assert_eq!(told.header("www-authenticate"), Some("Bearer realm=\"weir\""));
    // What the endpoint offers is open to all.
    assert_eq!(endpoint.get("/metadata").await.status, 200);

    let send = async |line: &str, key: &str, body: &str| {
        endpoint.send(line, &[JSON, ("x-api-key", key)], body.to_owned()).await
    };
    assert_eq!(send("POST /Patient", "wrong", PATIENT).await.brief(), "401 login W2351");
    assert_eq!(send("POST /Patient", PAS, PATIENT).await.status, 202);
    let told = send("POST /Patient", LAB, PATIENT).await;
    assert_eq!(told.brief(), "403 forbidden W2358");
    assert!(told.body.contains("system/Patient.c"), "{}", told.body);
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#;
    assert_eq!(send("POST /Observation", LAB, observation).await.status, 202);
    // One entry that may not be is enough for the whole Bundle.
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
            {{"resource":{observation},"request":{{"method":"POST","url":"Observation"}}}},
            {{"request":{{"method":"DELETE","url":"Patient/1"}}}}]}}"#
    );
    assert_eq!(send("POST ", LAB, &bundle).await.brief(), "403 forbidden W2358");
    let batch = bundle.replace("transaction", "batch");
    assert_eq!(send("POST ", LAB, &batch).await.brief(), "403 forbidden W2358");
    let files = endpoint.wait_files(2).await;
    assert_eq!(files.len(), 2);

    let log = endpoint.site.log();
    assert_eq!(log.matches("caller_refused").count(), 5, "{log}");
    assert!(log.contains("W2358") && log.contains("lab: it needs"), "{log}");
    let ledger = endpoint.site.ok(&["ledger", "--json"]);
    for (name, text) in [("log", &log), ("ledger", &ledger)] {
        for secret in [LAB, PAS, "wrong"] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_told_with_the_time_to_wait() {
    let auth = "rate = \"2/m\"\nfailures = \"2/m\"\n\
                auth = { type = \"api-key\", client = { lab = { keys = [\"file:lab.key\"] } } }";
    let endpoint = Endpoint::guarded(auth, &[("lab.key", LAB)]);
    let send = async |key: &str| {
        endpoint.send("POST /Patient", &[JSON, ("x-api-key", key)], PATIENT.to_owned()).await
    };
    assert_eq!(send(LAB).await.status, 202);
    assert_eq!(send(LAB).await.status, 202);
    let told = send(LAB).await;
    assert_eq!(told.brief(), "429 throttled W2360");
    let wait: u64 = told.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    for _ in 0..2 {
        assert_eq!(send("wrong").await.brief(), "401 login W2351");
    }
    assert_eq!(send(LAB).await.brief(), "429 throttled W2361");
    endpoint.stop();
}

/// An authorization server that serves these keys on any path.
#[allow(clippy::disallowed_methods, reason = "tests open real sockets")]
fn issuer(keys: Json) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = keys.to_string();
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_while_they_are_good() {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let point = pair.public_key().as_ref();
    let jwk = json!({ "kty": "EC", "crv": "P-384", "kid": "k1",
        "x": encode(&point[1..49]), "y": encode(&point[49..]) });
    let url = issuer(json!({ "keys": [jwk] }));
    let endpoint = Endpoint::guarded(
        &format!(
            "auth = {{ type = \"oauth2\", issuer = \"https://auth.example\", \
             audience = [\"weir\"], jwks = \"{url}/keys\" }}"
        ),
        &[],
    );
    let token = |algorithm: &str, claims: Json| {
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" });
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = pair.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature.as_ref()))
    };
    // Far in the future, and long gone: the test has no clock of its own.
    let claims = |scope: &str, exp: u64| {
        json!({ "iss": "https://auth.example", "aud": "weir", "azp": "emr", "exp": exp,
            "scope": scope })
    };
    let check = async |token: &str, expected: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [JSON, ("authorization", bearer.as_str())];
        let told = endpoint.send("POST /Patient", &headers, PATIENT.to_owned()).await;
        assert_eq!(told.brief(), expected);
    };
    let (scope, far) = ("openid system/Patient.c", 4_102_444_800);
    check(&token("ES384", claims(scope, far)), "202 informational").await;
    check(&token("ES384", claims("system/Patient.rs", far)), "403 forbidden W2358").await;
    check(&token("ES384", claims("patient/Patient.c", far)), "403 forbidden W2358").await;
    check(&token("ES384", claims(scope, 1_000_000_000)), "401 login W2354").await;
    check(&token("none", claims(scope, far)), "401 login W2357").await;
    check(&token("HS384", claims(scope, far)), "401 login W2357").await;
    let mut other = claims(scope, far);
    other["aud"] = json!("somebody");
    check(&token("ES384", other), "401 login W2355").await;
    check("nonsense", "401 login W2352").await;
    // What is sent along with a read says nothing of whose the resource is that is read.
    let mut own = claims("patient/*.cruds", far);
    own["patient"] = json!("p1");
    let bearer = format!("Bearer {}", token("ES384", own));
    for kind in ["transaction", "batch"] {
        let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [
            { "request": { "method": "GET", "url": "Observation/of-another" },
              "resource": { "resourceType": "Observation", "status": "final",
                "code": { "text": "x" }, "subject": { "reference": "Patient/p1" } } },
            { "request": { "method": "POST", "url": "Observation" },
              "resource": { "resourceType": "Observation", "status": "final",
                "code": { "text": "x" }, "subject": { "reference": "Patient/p1" } } } ] });
        let headers = [JSON, ("authorization", bearer.as_str())];
        let told = endpoint.send("POST /", &headers, bundle.to_string()).await;
        assert_eq!(told.brief(), "403 forbidden W2359", "{kind} {}", told.body);
    }
    let good = token("ES384", claims(scope, far));
    let log = endpoint.site.log();
    assert!(!log.contains(good.split('.').next().unwrap()), "a token in the log");
    assert!(log.contains("emr: it needs"), "{log}");
    endpoint.stop();
}

#[test]
fn open_doors_are_warned_of_before_they_open() {
    let site = Site::new();
    site.file("lab.key", LAB);
    let told = |source: &str| {
        channel(&site, "in", "0.0.0.0:9".parse().unwrap(), source, FILES);
        let report = site.json(&["check"]);
        assert_eq!(report["errors"], 0, "{report}");
        let problems = report["problems"].as_array().unwrap().clone();
        let codes = problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.starts_with("W23")).collect::<Vec<_>>()
    };
    assert_eq!(told(""), ["W2362"]);
    let keys = "auth = { type = \"api-key\", client = { lab = { keys = [\"file:lab.key\"] } } }";
    assert_eq!(told(keys), ["W2363"]);
}
