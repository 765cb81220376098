//! The guard against callers of every kind: keys, passwords, certificates, tokens of an
//! authorization server on loopback.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RsaKeyPair,
};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::base::{Rate, Timestamp};
use crate::ports::Clock;
use crate::ports::http::Url;
use crate::settings::SecretRef;

/// A clock that a test sets. Both times go together.
struct Hands(AtomicU64);

const START: i64 = 1_767_225_600;

impl Hands {
    fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn seconds(&self) -> i64 {
        START + i64::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.seconds() * 1000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1000 + self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _duration: Duration) {}
}

fn ports() -> (Ports, Arc<Hands>) {
    let hands = Arc::new(Hands(AtomicU64::new(0)));
    (Ports { clock: hands.clone(), ..Ports::system() }, hands)
}

fn peer(address: &str, subject: Option<&str>) -> Peer {
    Peer { address: address.into(), subject: subject.map(Into::into) }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

/// `200 name`, or status, code and challenge.
async fn told(guard: &Guard, pairs: &[(&str, &str)]) -> String {
    tell(guard.admit(&headers(pairs), &peer("10.0.0.7:4711", None)).await)
}

fn tell(admitted: Result<Client, Denied>) -> String {
    match admitted {
        Ok(client) => format!("200 {}", client.name()),
        Err(denied) => {
            let rest: String = denied
                .headers()
                .map(|(name, value)| format!(" {name}: {}", value.to_str().unwrap()))
                .collect();
            format!("{} {}{rest}", denied.status, denied.fault.code())
        }
    }
}

/// Secrets in files that a test changes.
struct Safe(tempfile::TempDir);

impl Safe {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &str) -> SecretRef {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        SecretRef::File(path.display().to_string())
    }

    fn drop(&self, name: &str) {
        std::fs::remove_file(self.0.path().join(name)).unwrap();
    }
}

fn client_plan(name: &str, secrets: Vec<SecretRef>, scopes: &str) -> ClientPlan {
    ClientPlan { name: name.into(), secrets, scopes: Scopes::parse(scopes) }
}

fn unlimited(auth: Auth) -> GuardPlan {
    GuardPlan { auth, failures: None, ..GuardPlan::default() }
}

const INVALID: &str = "www-authenticate: Bearer realm=\"weir\", error=\"invalid_token\"";

#[tokio::test]
async fn keys_open_for_the_client_they_are_of() {
    let safe = Safe::new();
    let lab = vec![safe.put("a", "key-a\n"), safe.put("b", "key-b")];
    let clients = vec![
        client_plan("lab", lab, "system/Observation.c"),
        client_plan("pas", vec![safe.put("c", "key-c")], "system/*.cruds"),
    ];
    let guard = Guard::new(&unlimited(Auth::ApiKey(clients)), &ports().0);
    guard.ready().await.unwrap();
    let check = async |pairs: &[(&str, &str)], expected: &str| {
        assert_eq!(told(&guard, pairs).await, expected, "{pairs:?}");
    };
    check(&[("x-api-key", "key-a")], "200 lab").await;
    check(&[("authorization", "Bearer key-b")], "200 lab").await;
    check(&[("authorization", "bearer  key-c ")], "200 pas").await;
    check(&[("x-api-key", "key-c"), ("authorization", "Bearer key-a")], "200 pas").await;
    check(&[], "401 W2350 www-authenticate: Bearer realm=\"weir\"").await;
    check(&[("authorization", "Basic key-a")], "401 W2350 www-authenticate: Bearer realm=\"weir\"")
        .await;
    for bad in ["", "key", "key-aa", "KEY-A", "lab"] {
        check(&[("x-api-key", bad)], &format!("401 W2351 {INVALID}")).await;
    }
    let twice = [("x-api-key", "key-a"), ("x-api-key", "key-c")];
    check(&twice, &format!("401 W2351 {INVALID}")).await;
    let mut unreadable = HeaderMap::new();
    unreadable.insert("x-api-key", HeaderValue::from_bytes(b"\xff").unwrap());
    let admitted = guard.admit(&unreadable, &peer("10.0.0.7:1", None)).await;
    assert_eq!(tell(admitted), format!("401 W2351 {INVALID}"));
    assert!(guard.services().is_empty());
}

#[tokio::test]
async fn a_changed_key_counts_soon_and_a_removed_one_no_more() {
    let safe = Safe::new();
    let (ports, hands) = ports();
    let plan = client_plan("lab", vec![safe.put("a", "old"), safe.put("b", "other")], "");
    let guard = Guard::new(&unlimited(Auth::ApiKey(vec![plan])), &ports);
    let refused = format!("401 W2351 {INVALID}");
    assert_eq!(told(&guard, &[("x-api-key", "old")]).await, "200 lab");
    safe.put("a", "new");
    // Unknown keys make weir read again, but not with every call.
    assert_eq!(told(&guard, &[("x-api-key", "new")]).await, refused);
    hands.forward(5);
    assert_eq!(told(&guard, &[("x-api-key", "new")]).await, "200 lab");
    assert_eq!(told(&guard, &[("x-api-key", "old")]).await, refused);
    safe.drop("a");
    assert_eq!(told(&guard, &[("x-api-key", "new")]).await, "200 lab");
    hands.forward(61);
    assert_eq!(told(&guard, &[("x-api-key", "new")]).await, refused);
    assert_eq!(told(&guard, &[("x-api-key", "other")]).await, "200 lab");
    assert_eq!(guard.trouble().map(|fault| fault.code()), Some(W1032));
    assert_eq!(guard.trouble(), None);
    assert_eq!(guard.ready().await.unwrap_err().code(), W1032);
}

#[tokio::test]
async fn names_and_passwords_go_together() {
    let safe = Safe::new();
    let clients = vec![
        client_plan("lab", vec![safe.put("a", "pa:ss")], ""),
        client_plan("pas", vec![safe.put("b", "word")], ""),
    ];
    let guard = Guard::new(&unlimited(Auth::Basic(clients)), &ports().0);
    let check = async |pair: &str, expected: &str| {
        let value = format!("Basic {}", STANDARD.encode(pair));
        assert_eq!(told(&guard, &[("authorization", &value)]).await, expected, "{pair}");
    };
    let challenge = "www-authenticate: Basic realm=\"weir\", charset=\"UTF-8\"";
    check("lab:pa:ss", "200 lab").await;
    check("pas:word", "200 pas").await;
    for bad in ["lab:word", "pas:pa:ss", "lab", "lab:", ":pa:ss", "x:word", ""] {
        check(bad, &format!("401 W2351 {challenge}")).await;
    }
    let found = told(&guard, &[("authorization", "Basic !")]).await;
    assert_eq!(found, format!("401 W2351 {challenge}"));
    assert_eq!(told(&guard, &[]).await, format!("401 W2350 {challenge}"));
    assert_eq!(guard.services(), ["Basic"]);
}

#[tokio::test]
async fn certificates_name_clients() {
    let subject = |name: &str, subject: &str| SubjectPlan {
        name: name.into(),
        subject: subject.into(),
        scopes: Scopes::parse("system/Patient.r"),
    };
    let (ports, _) = ports();
    let guard = Guard::new(&unlimited(Auth::Mtls(vec![subject("lab", "CN=lab, O=H")])), &ports);
    guard.ready().await.unwrap();
    let admit = async |guard: &Guard, subject: Option<&str>| {
        tell(guard.admit(&HeaderMap::new(), &peer("10.0.0.7:1", subject)).await)
    };
    assert_eq!(admit(&guard, Some("CN=lab, O=H")).await, "200 lab");
    assert_eq!(admit(&guard, Some("CN=lab")).await, "401 W2351");
    assert_eq!(admit(&guard, None).await, "401 W2350");
    assert_eq!((guard.services(), guard.trouble()), (&["Certificates"][..], None));
    let open = Guard::new(&GuardPlan::default(), &ports);
    assert_eq!(admit(&open, Some("CN=lab")).await, "200 CN=lab");
    assert_eq!(admit(&open, None).await, "200 anyone");
    assert_eq!(open.ready().await, Ok(()));
}

#[tokio::test]
async fn each_client_has_its_rate() {
    let safe = Safe::new();
    let clients = vec![
        client_plan("lab", vec![safe.put("a", "a")], ""),
        client_plan("pas", vec![safe.put("b", "b")], ""),
    ];
    let rate = Some(Rate { count: 2, per: Duration::from_secs(1) });
    let (ports, hands) = ports();
    let plan = GuardPlan { rate, burst: 3, ..GuardPlan::default() };
    let guard = Guard::new(&GuardPlan { auth: Auth::ApiKey(clients), ..plan.clone() }, &ports);
    for _ in 0..3 {
        assert_eq!(told(&guard, &[("x-api-key", "a")]).await, "200 lab");
    }
    assert_eq!(told(&guard, &[("x-api-key", "a")]).await, "429 W2360 retry-after: 1");
    assert_eq!(told(&guard, &[("x-api-key", "b")]).await, "200 pas");
    hands.forward(1);
    assert_eq!(told(&guard, &[("x-api-key", "a")]).await, "200 lab");
    // Where nobody is asked who they are, each address counts.
    let open = Guard::new(&plan, &ports);
    let from =
        async |address: &str| tell(open.admit(&HeaderMap::new(), &peer(address, None)).await);
    for _ in 0..3 {
        assert_eq!(from("10.0.0.7:1").await, "200 anyone");
    }
    assert_eq!(from("10.0.0.7:2").await, "429 W2360 retry-after: 1");
    assert_eq!(from("10.0.0.8:1").await, "200 anyone");
    let visit = |address: &str| open.visit(&peer(address, None)).map_err(|denied| denied.status);
    assert_eq!((visit("10.0.0.7:3"), visit("10.0.0.9:3")), (Err(429), Ok(())));
    assert_eq!(Guard::new(&GuardPlan::default(), &ports).visit(&peer("a", None)), Ok(()));
}

#[tokio::test]
async fn who_tries_keys_is_not_listened_to() {
    let safe = Safe::new();
    let clients = vec![client_plan("lab", vec![safe.put("a", "right")], "")];
    let (ports, hands) = ports();
    let failures = Some(Rate { count: 3, per: Duration::from_secs(60) });
    let plan = GuardPlan { auth: Auth::ApiKey(clients), failures, ..GuardPlan::default() };
    let guard = Guard::new(&plan, &ports);
    for _ in 0..5 {
        assert!(told(&guard, &[]).await.starts_with("401 W2350"));
    }
    for n in 0..3 {
        let found = told(&guard, &[("x-api-key", "wrong")]).await;
        assert!(found.starts_with("401 W2351"), "{n}: {found}");
    }
    assert_eq!(told(&guard, &[("x-api-key", "right")]).await, "429 W2361 retry-after: 20");
    let (right, elsewhere) = (headers(&[("x-api-key", "right")]), peer("10.0.0.8:1", None));
    assert_eq!(tell(guard.admit(&right, &elsewhere).await), "200 lab");
    hands.forward(20);
    assert_eq!(told(&guard, &[("x-api-key", "right")]).await, "200 lab");
}

/// A key that signs.
enum Pen {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A key made for these tests alone.
const RSA_DER: &str = concat!(
    "MIIEpAIBAAKCAQEAxD09GZQmmMBXjd8hW+Yz3MoF9lrpSsGxSjk/R8/YNbXtunRY59KdRWcXqzLOLLqq89dfr0ZZ2b3r",
    "24+6RS+Md2pB2ag9vEZ5dC0c/TQeyaj9GmeUd6ec/D+hiH2/dGs/73MdGOQ19+qeg5Nk+u+edddkbkDvjMOeEPt1ftoC",
    "N5eP1+LRrq7GflKCYsn7KylJguyBK057f2HApZxnr5vt26LTX9mAUvm9CDXTeZ1HuPYF6Eum9GT8LUGTPAZ/eE/HTMP0",
    "t7jWU0t4jTkVfjQJ0KuTvgehpS081Kn85C0s5wkGyi34hCJcICF0j2havOTNCzYzcvtHyagHuEXY8DBAPwIDAQABAoIB",
    "AAgAxeUhhOLl48N6g+VmeOb9TXmsX9XRvXzdEYs87IxhTNXBcyGp52dVLythSq6D8UTcJ1oZfGN+XYgRrH8NGV+ZuWXG",
    "SltW8BLmTNNDzClF92PKGfvy43HpBmtBJCRB23d3vf6Wm6WRacEpwmmZcew1G9Wahip1RyCf/ciFItZgCVOEwvC8TqAN",
    "hkxHaIjCWm7tlPZNSg5ZrC3PoDZLX7Wom3YvF/1d+qBLeBVNA/JCzDLONduoSVsyHIdCxFzMqtJhVUkRdNiR6qJxPzXv",
    "BUwFCSjwaI/u/+h1T+sNsWQcSH9lEEQ5M+0SwdvI9YTz4LpGLYaUluUszvoDs/q0UMECgYEA6A146Cf+KkPy+0KAdVni",
    "IhF+M6KT9OIQKtRYrGUcz3+qKbrsLvS67NfaZGtgPBAANuHzsNW4PNifZ4UK8PA8GxHLgxU4ipsf1u1x6Jb2fhD/VOJY",
    "R3vuCTB5tqaqbGbVPZVxUGU/BIuBM592quozrTNS3ejC4ATaHQIkvCu8AMsCgYEA2H2fa1VNr1CvTpk6OWJzgBEo0+Jf",
    "y15WW8VEVsMVJexGtrd9jKOujF2/tTLyzti6U9Er33DXmHmjlyNfCETTe49HZomu9Wz8lSfM3lX1w/Of6EGETEQbnuZa",
    "Ye4MdjW/6w6ErsEf3LnzUiTBSZ9/VK7kvxtCMMcG6z388Sxtk90CgYEA5W+cof4Y4XU5o5CHLoBmg8TEAQ24OKHj1lUK",
    "L7nxmH/joUr+BxdWUqLBfhRknD492AXkSm2lshOE2HfE76C37RPVIpAyzWi/PGSdAZlxsgfgTO9W1acFHfTeAugbDP9H",
    "y5Ic7Z6NhlLgtkfuruLNoWxjfKGNPK3PcmsSIzMiua0CgYAnL/4meKd6P5msGZJvhsGvgeupBwYeEvKA5CFtrxxp4+4c",
    "7vP7/DkBUYr9Kr7G8HYx6+AMLynngMU6+30dSxAZAqODDRMte8/w0+aCrH6zPKtKaGmhQIbbaYkcxvFciHg3/UXJOE4j",
    "L0m7KcoPIJ703j+r1CxUFgLLnEnoAgnHxQKBgQDP7EYAvJHTD59yuuNTaMlPCCmPlZ33HdvF5Q4fa5ueBfrmTXB6S6qw",
    "X51+mxWAVDC9LDwSjp3Xk9uww3VNArl3yIaM+CiAl+MOKK19ImHuC+ZmQiGY3dNH4qSncFnLc7jSbyXam5VG8F7vyBqU",
    "YSTM6yE3DyC/aNHpv08DSFp+fg==",
);

impl Pen {
    fn p256() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn p384() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::P384(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn rsa() -> Self {
        let der = STANDARD.decode(RSA_DER).unwrap();
        Self::Rsa(Box::new(RsaKeyPair::from_der(&der).unwrap()))
    }

    fn jwk(&self, id: &str) -> Json {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
                    "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Self::P384(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-384", "kid": id, "alg": "ES384",
                    "x": encode(&point[1..49]), "y": encode(&point[49..]) })
            }
            Self::Rsa(pair) => {
                let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                let (n, e) = (&public.n[..], &public.e[..]);
                // With a zero before it, as some servers write it.
                json!({ "kty": "RSA", "kid": id, "n": encode(&[&[0], n].concat()),
                    "e": encode(e) })
            }
        }
    }

    fn sign(&self, algorithm: &str, id: Option<&str>, claims: &Json) -> String {
        let mut header = json!({ "alg": algorithm, "typ": "JWT" });
        if let Some(id) = id {
            header["kid"] = json!(id);
        }
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding: &dyn ring::signature::RsaEncoding =
                    if algorithm == "RS384" { &RSA_PKCS1_SHA384 } else { &RSA_PKCS1_SHA256 };
                pair.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An authorization server: its answers by path, and how often it was asked for keys.
struct Server {
    url: String,
    keys: Arc<Mutex<Json>>,
    asked: Arc<AtomicUsize>,
    down: Arc<AtomicBool>,
    /// What its configuration says; `None`: the truth.
    says: Arc<Mutex<Option<Json>>>,
}

impl Server {
    async fn start(keys: &[Json]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/realm", listener.local_addr().unwrap());
        let server = Self {
            url: url.clone(),
            keys: Arc::new(Mutex::new(json!({ "keys": keys }))),
            asked: Arc::default(),
            down: Arc::default(),
            says: Arc::default(),
        };
        let (keys, asked) = (server.keys.clone(), server.asked.clone());
        let (down, says) = (server.down.clone(), server.says.clone());
        tokio::task::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let mut request = Vec::new();
                while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let known = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
                let body = if request.starts_with("GET /realm/.well-known/openid-configuration ") {
                    says.lock().unwrap().clone().unwrap_or(known).to_string()
                } else {
                    asked.fetch_add(1, Ordering::SeqCst);
                    keys.lock().unwrap().to_string()
                };
                let status = if down.load(Ordering::SeqCst) { "503 Busy" } else { "200 OK" };
                let length = body.len();
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        server
    }

    fn plan(&self, jwks: bool) -> GuardPlan {
        unlimited(Auth::Oauth2(IssuerPlan {
            issuer: self.url.as_str().into(),
            audience: vec!["https://weir.example/fhir".into(), "weir".into()],
            jwks: jwks.then(|| Url::parse(&format!("{}/keys", self.url)).unwrap()),
            skew: Duration::from_secs(60),
            tls: None,
        }))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn claims(&self, change: impl FnOnce(&mut Json)) -> Json {
        let mut claims = json!({
            "iss": self.url, "aud": "weir", "azp": "lab", "scope": "system/Patient.rs",
            "iat": START, "exp": START + 300,
        });
        change(&mut claims);
        claims
    }
}

async fn bearer(guard: &Guard, token: &str) -> String {
    told(guard, &[("authorization", &format!("Bearer {token}"))]).await
}

#[tokio::test]
async fn tokens_of_every_algorithm_open_and_their_scopes_hold() {
    let pens = [
        ("RS256", Pen::rsa()),
        ("RS384", Pen::rsa()),
        ("ES256", Pen::p256()),
        ("ES384", Pen::p384()),
    ];
    let keys: Vec<Json> = pens.iter().map(|(name, pen)| pen.jwk(name)).collect();
    let server = Server::start(&keys).await;
    for jwks in [true, false] {
        let guard = Guard::new(&server.plan(jwks), &ports().0);
        assert_eq!(guard.services(), ["OAuth", "SMART-on-FHIR"]);
        guard.ready().await.unwrap();
        for (name, pen) in &pens {
            for id in [Some(*name), None] {
                let token = pen.sign(name, id, &server.claims(|_| {}));
                for _ in 0..2 {
                    assert_eq!(bearer(&guard, &token).await, "200 lab", "{name} {id:?}");
                }
            }
        }
    }
    assert_eq!(server.asked(), 2, "once for each guard");
    let guard = Guard::new(&server.plan(true), &ports().0);
    let token = pens[2].1.sign(
        "ES256",
        None,
        &server.claims(|claims| {
            claims["aud"] = json!(["other", "https://weir.example/fhir"]);
            claims["patient"] = json!("p1");
            claims["azp"] = Json::Null;
        }),
    );
    let header = headers(&[("authorization", &format!("Bearer {token}"))]);
    let client = guard.admit(&header, &peer("10.0.0.7:1", None)).await.unwrap();
    assert_eq!((client.name(), client.patient()), ("unnamed", Some("p1")));
    assert_eq!(format!("{client:?}"), "Client(unnamed)");
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused() {
    let (rsa, ec, stranger) = (Pen::rsa(), Pen::p256(), Pen::p256());
    let server = Server::start(&[rsa.jwk("r"), ec.jwk("e")]).await;
    let guard = Guard::new(&server.plan(true), &ports().0);
    let claims = server.claims(|_| {});
    let check = async |token: String, code: &str| {
        let expected = format!("401 {code} {INVALID}");
        assert_eq!(bearer(&guard, &token).await, expected, "{code}");
    };
    let good = ec.sign("ES256", Some("e"), &claims);
    assert_eq!(bearer(&guard, &good).await, "200 lab");
    // Another key under a known name, under none, and under a name that nobody has.
    check(stranger.sign("ES256", Some("e"), &claims), "W2353").await;
    check(stranger.sign("ES256", None, &claims), "W2353").await;
    check(stranger.sign("ES256", Some("x"), &claims), "W2353").await;
    // The name of one key with the algorithm of the other.
    check(ec.sign("ES256", Some("r"), &claims), "W2353").await;
    check(ec.sign("RS256", Some("e"), &claims), "W2353").await;
    check(ec.sign("ES384", Some("e"), &claims), "W2353").await;
    check(rsa.sign("RS384", Some("e"), &claims), "W2353").await;
    // Signed by RS256, saying RS384.
    let mixed = rsa.sign("RS256", Some("r"), &claims);
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS384", "kid": "r" }).to_string());
    check(format!("{header}.{}", mixed.split_once('.').unwrap().1), "W2353").await;
    // Not signed, or by the public key as if it were a shared secret.
    for alg in ["none", "HS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "r" }).to_string());
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        check(format!("{header}.{payload}."), "W2357").await;
        let secret = rsa.jwk("r").to_string();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = ring::hmac::sign(&key, format!("{header}.{payload}").as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(tag.as_ref());
        check(format!("{header}.{payload}.{tag}"), "W2357").await;
    }
    // The claims of one with the signature of another.
    let other = ec.sign("ES256", Some("e"), &server.claims(|c| c["scope"] = json!("system/*.*")));
    let swapped = other.rsplit_once('.').unwrap().0.to_owned();
    check(format!("{swapped}.{}", good.rsplit_once('.').unwrap().1), "W2353").await;
    check("nonsense".to_owned(), "W2352").await;
    for (change, code) in [
        (json!({ "iss": "https://other.example" }), "W2355"),
        (json!({ "iss": null }), "W2355"),
        (json!({ "iss": format!("{}/", server.url) }), "W2355"),
        (json!({ "aud": "other" }), "W2355"),
        (json!({ "aud": ["other", "weirx"] }), "W2355"),
        (json!({ "aud": [] }), "W2355"),
        (json!({ "exp": START - 60 }), "W2354"),
        (json!({ "exp": 0 }), "W2354"),
        (json!({ "nbf": START + 61 }), "W2354"),
        (json!({ "aud": 1 }), "W2352"),
    ] {
        let claims = server.claims(|claims| {
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
        });
        check(ec.sign("ES256", Some("e"), &claims), code).await;
    }
    for missing in ["exp", "aud", "iss"] {
        let claims = server.claims(|claims| {
            claims.as_object_mut().unwrap().remove(missing);
        });
        let code = if missing == "exp" { "W2354" } else { "W2355" };
        check(ec.sign("ES256", Some("e"), &claims), code).await;
    }
    // Within what clocks may differ.
    for change in [json!({ "exp": START - 59 }), json!({ "nbf": START + 60 })] {
        let claims = server.claims(|claims| {
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
        });
        assert_eq!(bearer(&guard, &ec.sign("ES256", Some("e"), &claims)).await, "200 lab");
    }
}

#[tokio::test]
async fn a_token_ends_though_it_was_good() {
    let pen = Pen::p256();
    let server = Server::start(&[pen.jwk("e")]).await;
    let (ports, hands) = ports();
    let guard = Guard::new(&server.plan(true), &ports);
    let token = pen.sign("ES256", Some("e"), &server.claims(|_| {}));
    assert_eq!(bearer(&guard, &token).await, "200 lab");
    hands.forward(359);
    assert_eq!(bearer(&guard, &token).await, "200 lab");
    hands.forward(1);
    assert_eq!(bearer(&guard, &token).await, format!("401 W2354 {INVALID}"));
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_names_one() {
    let (old, new) = (Pen::p256(), Pen::p384());
    let server = Server::start(&[old.jwk("old")]).await;
    let (ports, hands) = ports();
    let guard = Guard::new(&server.plan(false), &ports);
    let long = |claims: &mut Json| claims["exp"] = json!(START + 86_400);
    let (first, second) = (
        old.sign("ES256", Some("old"), &server.claims(long)),
        new.sign("ES384", Some("new"), &server.claims(long)),
    );
    assert_eq!(bearer(&guard, &first).await, "200 lab");
    *server.keys.lock().unwrap() = json!({ "keys": [new.jwk("new")] });
    // Not within seconds of the last fetch, however often it is asked for.
    for _ in 0..5 {
        assert!(bearer(&guard, &second).await.starts_with("401 W2353"));
    }
    assert_eq!(server.asked(), 1);
    hands.forward(10);
    assert_eq!(bearer(&guard, &second).await, "200 lab");
    assert_eq!(server.asked(), 2);
    // The old key is gone, and what it signed with it, though it was believed before.
    hands.forward(10);
    assert!(bearer(&guard, &first).await.starts_with("401 W2353"));
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn keys_outlive_a_short_failure_of_their_server_and_no_long_one() {
    let pen = Pen::p256();
    let server = Server::start(&[pen.jwk("e")]).await;
    let (ports, hands) = ports();
    let guard = Guard::new(&server.plan(false), &ports);
    let token = pen.sign("ES256", Some("e"), &server.claims(|c| c["exp"] = json!(START + 86_400)));
    server.down.store(true, Ordering::SeqCst);
    assert_eq!(bearer(&guard, &token).await, "503 W2356 retry-after: 10");
    server.down.store(false, Ordering::SeqCst);
    assert_eq!(bearer(&guard, &token).await, "503 W2356 retry-after: 10", "tried a moment ago");
    hands.forward(10);
    assert_eq!(bearer(&guard, &token).await, "200 lab");
    server.down.store(true, Ordering::SeqCst);
    hands.forward(3600);
    assert_eq!(bearer(&guard, &token).await, "200 lab");
    hands.forward(10);
    assert_eq!(bearer(&guard, &token).await, "503 W2356 retry-after: 10");
    server.down.store(false, Ordering::SeqCst);
    hands.forward(10);
    assert_eq!(bearer(&guard, &token).await, "200 lab");
}

#[tokio::test]
async fn a_server_that_lies_gives_no_keys() {
    let pen = Pen::p256();
    let server = Server::start(&[pen.jwk("e")]).await;
    let (ports, hands) = ports();
    let guard = Guard::new(&server.plan(false), &ports);
    let token = pen.sign("ES256", Some("e"), &server.claims(|_| {}));
    for says in [
        json!({ "issuer": "https://other", "jwks_uri": format!("{}/keys", server.url) }),
        json!({ "issuer": server.url }),
        json!({ "issuer": server.url, "jwks_uri": "http://keys.example/keys" }),
        json!({ "issuer": server.url, "jwks_uri": "nonsense" }),
        json!([]),
    ] {
        *server.says.lock().unwrap() = Some(says);
        assert_eq!(bearer(&guard, &token).await, "503 W2356 retry-after: 10");
        hands.forward(10);
    }
    assert_eq!(server.asked(), 0);
    *server.says.lock().unwrap() = None;
    *server.keys.lock().unwrap() = json!({ "keys": [{ "kty": "oct" }] });
    assert_eq!(bearer(&guard, &token).await, "503 W2356 retry-after: 10");
    // Nobody there at all.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut plan = server.plan(false);
    let Auth::Oauth2(issuer) = &mut plan.auth else { panic!() };
    issuer.jwks = Some(Url::parse(&format!("http://{closed}")).unwrap());
    let guard = Guard::new(&plan, &ports);
    assert_eq!(bearer(&guard, &token).await, "503 W2356 retry-after: 10");
}
