//! Connections: HTTP/2 that is agreed on in TLS, heads that never end, and the stop.

#![allow(clippy::disallowed_methods, reason = "tests talk to a real process, and take its time")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::forms::Spawn;
use super::*;
use crate::support::http::HttpPeer;
use crate::support::site::until;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;
const WAITS: &str = "reply = \"after-delivery\"";

fn config(root: &CertificateDer<'static>, protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_agrees_on_the_protocol() {
    let (site, address) = (Site::new(), free_address());
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    site.file("tls/cert.pem", &made.cert.pem());
    site.file("tls/key.pem", &made.signing_key.serialize_pem());
    let source = "tls = { cert = \"tls/cert.pem\", key = \"file:tls/key.pem\" }";
    channel(&site, "in", address, source, "type = \"file\"\ndir = \"out\"");
    let endpoint = Endpoint::run(site, address);
    let root = made.cert.der().clone();
    let shake = async |protocols: &[&[u8]]| {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(std::sync::Arc::new(config(&root, protocols)));
        connector.connect(name, stream).await
    };
    let agreed = async |protocols: &[&[u8]]| {
        let stream = shake(protocols).await.unwrap();
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    };
    assert_eq!(agreed(&[b"http/1.1", b"h2"]).await.as_deref(), Some(&b"h2"[..]));
    assert_eq!(agreed(&[b"http/1.1"]).await.as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(agreed(&[]).await, None, "HTTP/1.1 is spoken where nothing is agreed on");
    assert!(shake(&[b"spdy/3"]).await.is_err(), "nothing in common");

    let request = |version| {
        let uri = format!("https://localhost:{}/fhir/Patient", address.port());
        hyper::Request::post(uri)
            .version(version)
            .header("content-type", "application/fhir+json")
            .header("host", "localhost")
            .body(Full::new(Bytes::from(PATIENT.replace(r#","id":"1""#, ""))))
            .unwrap()
    };
    let io = hyper_util::rt::TokioIo::new(shake(&[b"h2"]).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(Spawn, io).await.unwrap();
    hyper::rt::Executor::execute(&Spawn, async move {
        let _ = connection.await;
    });
    let answer = sender.send_request(request(hyper::Version::HTTP_2)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (202, hyper::Version::HTTP_2));
    let status = answer.headers()["content-location"].to_str().unwrap().to_owned();
    assert!(status.starts_with("https://localhost:"), "{status}");
    answer.into_body().collect().await.unwrap();
    let io = hyper_util::rt::TokioIo::new(shake(&[b"http/1.1"]).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    hyper::rt::Executor::execute(&Spawn, async move {
        let _ = connection.await;
    });
    let answer = sender.send_request(request(hyper::Version::HTTP_11)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (202, hyper::Version::HTTP_11));
    endpoint.wait_files(2).await;
    endpoint.stop();
}

/// Bytes that come one at a time, and so slowly that no head is ever whole.
fn drip(address: SocketAddr, first: &[u8], rest: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(40))).unwrap();
    let begin = Instant::now();
    stream.write_all(first).unwrap();
    let mut rest = rest.iter().cycle();
    while begin.elapsed() < Duration::from_secs(20) {
        match stream.read(&mut [0; 512]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        if let Some(byte) = rest.next()
            && stream.write_all(&[*byte]).is_err()
        {
            break;
        }
    }
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_hold_no_place() {
    let endpoint = Endpoint::to_files("idle_timeout = \"300ms\"\nmax_connections = 8");
    let address = endpoint.address;
    const CASES: [(&[u8], &[u8]); 6] = [
        (b"", b""),
        (b"P", b""),
        (b"", b"PRI * HTTP/2.0\r\n\r"),
        (b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n", b"X"),
        (b"GET /fhir/metadata HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET /", b"a"),
    ];
    let talks = CASES.map(|(first, rest)| std::thread::spawn(move || drip(address, first, rest)));
    // Others are served meanwhile.
    assert_eq!(endpoint.get("/metadata").await.status, 200);
    for (talk, (first, _)) in talks.into_iter().zip(CASES) {
        let lasted = talk.join().unwrap();
        let first = String::from_utf8_lossy(first);
        assert!(lasted < Duration::from_secs(10), "{first:?} lasted {lasted:?}");
    }
    assert!(endpoint.site.log().contains("W2305"), "{}", endpoint.site.log());
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_in_hand_and_takes_nothing_new() {
    // One that answers late, and one that does not answer in time.
    for (seconds, expected) in [(1, 201), (60, 202)] {
        let peer = HttpPeer::start(move |_| {
            std::thread::sleep(Duration::from_secs(seconds));
            (201, "Location: /r4/Patient/1/_history/1\r\n", String::new())
        });
        let to = format!("type = \"fhir\"\nurl = \"{}\"", peer.url);
        let Endpoint { site, running, address } = Endpoint::start(WAITS, &to);
        let begin = Instant::now();
        let stop = async {
            tokio::task::spawn_blocking(move || {
                until("the request is in hand", || !peer.asked().is_empty());
                running.stop()
            })
            .await
            .unwrap()
        };
        let refused = async {
            loop {
                if site.log().contains("engine_stopping")
                    && tokio::net::TcpStream::connect(address).await.is_err()
                {
                    return begin.elapsed();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let sent = send_to(address, "PUT /Patient/1", &[JSON], PATIENT);
        let (told, status, refused) = tokio::join!(sent, stop, refused);
        assert_eq!(told.status, expected, "{}", told.body);
        assert!(status.success());
        // The listener went before the engine did.
        assert!(refused <= begin.elapsed());
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        if expected == 202 {
            assert!(told.header("content-location").unwrap().contains("/_status/"));
        }
    }
}
