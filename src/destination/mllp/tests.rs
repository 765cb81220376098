//! The MLLP destination against scripted peers on loopback.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{MllpPlan, build};
use crate::destination::tests::delivery;
use crate::destination::{Delivered, DeliveryError};
use crate::fault::Class;
use crate::hl7v2::mllp;
use crate::message::{ContentKind, Delivery, Receipt};
use crate::ports::testing::Authority;
use crate::ports::{Ports, tls};

/// What a scripted peer does for one message: answers (framed), or closes.
#[derive(Clone, Copy)]
enum Do {
    Answer(&'static [&'static str]),
    Close,
    Nothing,
}

/// A peer that follows a script per connection; gives the number of messages it saw.
async fn peer(script: Vec<Vec<Do>>) -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::task::spawn(async move {
        let mut seen = 0;
        for connection in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            'steps: for step in connection {
                while !bytes.ends_with(b"\x1c\r") {
                    if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                        break 'steps;
                    }
                }
                bytes.clear();
                seen += 1;
                match step {
                    Do::Answer(answers) => {
                        let mut out = BytesMut::new();
                        answers.iter().for_each(|a| mllp::encode(a.as_bytes(), &mut out));
                        stream.write_all(&out).await.unwrap();
                    }
                    Do::Nothing => {}
                    Do::Close => break,
                }
            }
            // A connection whose script ended is closed, but only after its messages.
        }
        seen
    });
    (address, task)
}

fn plan(connect: &str) -> MllpPlan {
    MllpPlan {
        connect: connect.into(),
        tls: None,
        ack_timeout: None,
        await_application: false,
        commit_bytes: false,
        recode: None,
        sequence: false,
    }
}

fn message(id: &str, conditions: &str) -> Delivery {
    let text = format!("MSH|^~\\&|A|B|C|D|2026||ADT^A08|{id}|P|2.5.1|||{conditions}\rPID|1\r");
    delivery(&text, ContentKind::Hl7)
}

macro_rules! ack {
    ($code:literal, $id:literal) => {
        concat!("MSH|^~\\&|C|D|A|B|2026||ACK|9|P|2.5.1\rMSA|", $code, "|", $id, "\r")
    };
    ($code:literal, $id:literal, $err:literal) => {
        concat!("MSH|^~\\&|C|D|A|B|2026||ACK|9|P|2.5.1\rMSA|", $code, "|", $id, "\r", $err, "\r")
    };
}

fn told(result: Result<Delivered, DeliveryError>, address: &str) -> String {
    match result.map(|delivered| delivered.receipt) {
        Ok(Receipt::Ack { code }) => format!("delivered {code}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => {
            let text = error.fault.line().replace(address, "peer");
            format!("{} {text}", error.fault.class().name())
        }
    }
}

#[tokio::test]
async fn answers_become_receipts_and_faults() {
    let check = async |answer: &'static str, expected: &str| {
        let (address, _task) = peer(vec![vec![Do::Answer(Box::leak(Box::new([answer])))]]).await;
        let mut destination = build(&plan(&address), &Ports::system());
        let found = told(destination.deliver(&message("M1", "")).await, &address);
        assert!(found.starts_with(expected), "{answer}: {found}");
    };
    check(ack!("AA", "M1"), "delivered AA").await;
    check(ack!("CA", "M1"), "delivered CA").await;
    check(ack!("AR", "M1"), "permanent W7201: the peer rejected the message: peer: AR").await;
    check(ack!("CR", "M1"), "permanent W7201").await;
    check(ack!("AE", "M1"), "transient W7202").await;
    check(ack!("CE", "M1"), "transient W7202").await;
    check(
        ack!("AE", "M1", "ERR||PID^1^3|101|E|X7|||Doe is not known"),
        "permanent W7203: the peer found an error in the message: peer: AE 101 X7 at PID[1]-3",
    )
    .await;
    check(ack!("AE", "M1", "ERR|||207|E"), "transient W7202").await;
    check(ack!("AR", "M1", "ERR|||207|E"), "transient W7202").await;
    check(ack!("AR", "M1", "ERR|||200|E"), "permanent W7201").await;
    check(ack!("AE", "M1", "ERR|||102|W"), "transient W7202").await;
    check(ack!("AA", "OTHER"), "transient W7110").await;
    check("MSH|^~\\&|C|D|A|B|2026||ADT^A01|9|P|2.5.1\r", "transient W7109").await;
    check("hello", "transient W7109").await;
}

#[tokio::test]
async fn bytes_that_frame_messages_never_leave_in_a_body() {
    for text in
        ["MSH|^~\\&|A|B|C|D|2026||ADT^A08|M1|P|2.5.1\rPID|a\u{1c}\rb\r", "MSH|^~\\&|\u{b}\r"]
    {
        let mut destination = build(&plan("127.0.0.1:1"), &Ports::system());
        let found = told(destination.deliver(&delivery(text, ContentKind::Hl7)).await, "no one");
        assert!(found.starts_with("permanent W7206"), "{found}");
    }
}

#[tokio::test]
async fn commit_blocks_come_before_answers() {
    let check = async |answers: &'static [&'static str], expected: &str| {
        let (address, _task) = peer(vec![vec![Do::Answer(answers)]]).await;
        let plan = MllpPlan { commit_bytes: true, ..plan(&address) };
        let mut destination = build(&plan, &Ports::system());
        let found = told(destination.deliver(&message("M1", "")).await, &address);
        assert!(found.starts_with(expected), "{answers:?}: {found}");
    };
    check(&["\u{6}", ack!("AA", "M1")], "delivered AA").await;
    check(&["\u{15}"], "transient W7111").await;
    check(&[ack!("AA", "M1")], "transient W7109").await;
}

#[tokio::test]
async fn an_acknowledgment_as_a_message_waits_for_its_commit_alone() {
    let text = |conditions: &str| {
        let msh = format!("MSH|^~\\&|A|B|C|D|2026||ACK^A08|M1|P|2.5.1|||{conditions}");
        delivery(&format!("{msh}\rMSA|AA|X\r"), ContentKind::Hl7)
    };
    let (address, _task) = peer(vec![vec![Do::Answer(&[ack!("CA", "M1")])]]).await;
    let mut destination = build(&plan(&address), &Ports::system());
    assert_eq!(told(destination.deliver(&text("AL|NE")).await, &address), "delivered CA");
    let (address, _task) = peer(vec![vec![Do::Nothing]]).await;
    let mut destination = build(&plan(&address), &Ports::system());
    assert_eq!(told(destination.deliver(&text("NE|NE")).await, &address), "delivered ");
}

#[tokio::test]
async fn texts_of_the_peer_never_stand_in_a_fault() {
    let answer = ack!("AE", "M1", "ERR||PID^1^5|Doe John|E|Doe^Doe||Doe|Doe");
    let (address, _task) = peer(vec![vec![Do::Answer(Box::leak(Box::new([answer])))]]).await;
    let mut destination = build(&plan(&address), &Ports::system());
    let found = told(destination.deliver(&message("M1", "")).await, &address);
    assert!(!found.contains("John") && !found.contains("Doe|"), "{found}");
}

#[tokio::test]
async fn one_connection_serves_many_messages_and_is_renewed_when_the_peer_closed() {
    let script = vec![
        vec![Do::Answer(&[ack!("AA", "M1")]), Do::Answer(&[ack!("AR", "M2")])],
        vec![Do::Answer(&[ack!("AA", "M3")]), Do::Close],
        vec![Do::Answer(&[ack!("AA", "M5")])],
    ];
    let (address, task) = peer(script).await;
    let mut destination = build(&plan(&address), &Ports::system());
    let mut send = async |id| told(destination.deliver(&message(id, "")).await, &address);
    assert_eq!(send("M1").await, "delivered AA");
    assert!(send("M2").await.starts_with("permanent W7201"));
    assert_eq!(send("M3").await, "delivered AA");
    assert!(send("M4").await.starts_with("transient W7107"));
    assert_eq!(send("M5").await, "delivered AA");
    assert_eq!(task.await.unwrap(), 5);
}

#[tokio::test]
async fn late_answers_of_this_connection_are_passed_over() {
    let script = vec![vec![
        Do::Answer(&[ack!("CA", "M1")]),
        // The application acknowledgment of the first message comes with the second's.
        Do::Answer(&[ack!("AA", "M1"), ack!("CA", "M2")]),
    ]];
    let (address, _task) = peer(script).await;
    let mut destination = build(&plan(&address), &Ports::system());
    for id in ["M1", "M2"] {
        let found = told(destination.deliver(&message(id, "AL|AL")).await, &address);
        assert_eq!(found, "delivered CA");
    }
}

#[tokio::test]
async fn the_application_acknowledgment_is_waited_for_where_asked() {
    let check = async |conditions: &str, answers: &'static [&'static str], expected: &str| {
        let (address, _task) = peer(vec![vec![Do::Answer(answers)]]).await;
        let plan = MllpPlan { await_application: true, ..plan(&address) };
        let mut destination = build(&plan, &Ports::system());
        let found = told(destination.deliver(&message("M1", conditions)).await, &address);
        assert!(found.starts_with(expected), "{conditions}: {found}");
    };
    check("AL|AL", &[ack!("CA", "M1"), ack!("AA", "M1")], "delivered AA").await;
    check("AL|AL", &[ack!("CA", "M1"), ack!("AR", "M1")], "permanent W7201").await;
    check("AL|NE", &[ack!("CA", "M1")], "delivered CA").await;
    check("NE|AL", &[ack!("AA", "M1")], "delivered AA").await;
    check("NE|NE", &[], "delivered ").await;
}

#[tokio::test]
async fn silence_and_broken_connections_are_transient() {
    let (address, _task) = peer(vec![vec![Do::Nothing, Do::Nothing], vec![]]).await;
    let limit = Some(Duration::from_millis(20));
    let mut destination =
        build(&MllpPlan { ack_timeout: limit, ..plan(&address) }, &Ports::system());
    let found = told(destination.deliver(&message("M1", "")).await, &address);
    assert_eq!(found, "transient W7108: no answer came in time: peer: 20ms");

    let (address, _task) = peer(vec![vec![Do::Close]]).await;
    let mut destination = build(&plan(&address), &Ports::system());
    let found = told(destination.deliver(&message("M1", "")).await, &address);
    assert_eq!(
        found,
        "transient W7107: the connection broke before the answer came: peer: the peer closed"
    );

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut destination = build(&plan(&free.to_string()), &Ports::system());
    let found = destination.deliver(&message("M1", "")).await.unwrap_err().fault;
    assert_eq!((found.code().as_str(), found.class()), ("W7101", Class::Transient));
}

#[tokio::test]
async fn a_dropped_attempt_does_not_confuse_the_next() {
    let script = vec![vec![Do::Nothing, Do::Nothing], vec![Do::Answer(&[ack!("AA", "M1")])]];
    let (address, _task) = peer(script).await;
    let mut destination = build(&plan(&address), &Ports::system());
    let delivery = message("M1", "");
    let attempt = destination.deliver(&delivery);
    assert!(tokio::time::timeout(Duration::from_millis(20), attempt).await.is_err());
    assert_eq!(told(destination.deliver(&delivery).await, &address), "delivered AA");
}

#[tokio::test]
async fn only_messages_with_a_control_id_are_sent() {
    let check = async |delivery: Delivery, code: &str| {
        let mut destination = build(&plan("127.0.0.1:1"), &Ports::system());
        assert_eq!(destination.deliver(&delivery).await.unwrap_err().fault.code().as_str(), code);
    };
    check(message("", ""), "W7204").await;
    check(delivery("{}", ContentKind::FhirJson), "W7205").await;
    check(delivery("nothing", ContentKind::Hl7), "W2002").await;
}

#[tokio::test]
async fn tls_checks_the_peer() {
    let authority = Authority::new();
    let check = async |ends: i32, client: tls::TlsClientPlan, expected: &str| {
        let config = tls::server_config(&authority.server(ends, false)).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let _task = tokio::task::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\x1c\r") {
                stream.read_buf(&mut bytes).await.unwrap();
            }
            let mut out = BytesMut::new();
            mllp::encode(ack!("AA", "M1").as_bytes(), &mut out);
            stream.write_all(&out).await.unwrap();
            stream.flush().await.unwrap();
        });
        let plan = MllpPlan { tls: Some(client), ..plan(&address) };
        let mut destination = build(&plan, &Ports::system());
        let found = told(destination.deliver(&message("M1", "")).await, &address);
        assert!(found.starts_with(expected), "{found}");
    };
    check(2100, authority.client(None), "delivered AA").await;
    check(2001, authority.client(None), "transient W7106").await;
    let stranger = Authority::new();
    check(2100, stranger.client(None), "transient W7106").await;
    let mut other = authority.client(None);
    other.server_name = Some("lis.example".into());
    check(2100, other, "transient W7106").await;
}
