//! The listener over real sockets, and its time-outs over pipes with a paused clock.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{MllpPlan, listener::Shared, talk};
use crate::base::ByteSize;
use crate::hl7v2::mllp::{self, Framing};
use crate::message::Peer;
use crate::ports::testing::Authority;
use crate::ports::tls::PeerTls;
use crate::ports::{Ports, Stream, tls};
use crate::settings::IpNet;
use crate::source::testing::Rig;
use crate::source::{Command, Common, SourceEvent, SourceKind, SourcePlan};

fn plan(change: impl FnOnce(&mut MllpPlan, &mut Common)) -> SourcePlan {
    let mut plan = MllpPlan::new("127.0.0.1:0".parse().unwrap());
    let mut common = Common { max_size: ByteSize(100_000), ..Common::default() };
    change(&mut plan, &mut common);
    SourcePlan { common, kind: SourceKind::Mllp(plan) }
}

fn frames(texts: &[&str]) -> BytesMut {
    let mut out = BytesMut::new();
    for text in texts {
        mllp::encode(text.as_bytes(), &mut out);
    }
    out
}

/// Reads until so many answers came, or the end.
async fn answers(stream: &mut (impl AsyncReadExt + Unpin), count: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    let ends = |bytes: &[u8]| bytes.iter().filter(|b| **b == 0x1c).count();
    while ends(&bytes) < count {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    String::from_utf8_lossy(&bytes)
        .split_terminator("\u{1c}\r")
        .map(|frame| frame.trim_start_matches('\u{b}').to_owned())
        .collect()
}

struct Served {
    rig: Rig,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

async fn served(plan: &SourcePlan) -> Served {
    let rig = Rig::new();
    let (address, task) = rig.serve(plan, &Ports::system()).await;
    Served { rig, address: address.unwrap(), task }
}

#[tokio::test]
async fn answers_each_message_of_a_burst_in_order() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    let texts: Vec<String> = (0..200).map(|n| format!("m{n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    peer.write_all(&frames(&texts)).await.unwrap();
    let expected: Vec<String> = texts.iter().map(|text| format!("ACK {text}")).collect();
    assert_eq!(answers(&mut peer, 200).await, expected);
    assert_eq!(served.rig.intake.texts(), texts);
    drop(peer);
    assert_eq!(served.rig.closed().await, ("ByPeer".to_owned(), 200));
}

#[tokio::test]
async fn a_slow_message_holds_back_later_answers_but_not_later_messages() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["wait", "b", "c"])).await.unwrap();
    for text in ["wait", "b", "c"] {
        assert_eq!(served.rig.seen.recv().await.unwrap(), text);
    }
    served.rig.intake.permits.add_permits(1);
    assert_eq!(answers(&mut peer, 3).await, ["ACK wait", "ACK b", "ACK c"]);
}

#[tokio::test]
async fn no_more_than_a_few_are_in_flight() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["wait"; 40])).await.unwrap();
    for _ in 0..16 {
        served.rig.seen.recv().await.unwrap();
    }
    assert!(served.rig.seen.try_recv().is_err());
    served.rig.intake.permits.add_permits(40);
    assert_eq!(answers(&mut peer, 40).await.len(), 40);
}

#[tokio::test]
async fn large_messages_in_flight_are_fewer() {
    let size = 3 << 20;
    let mut served = served(&plan(|_, common| common.max_size = ByteSize(8 << 20))).await;
    let peer = TcpStream::connect(served.address).await.unwrap();
    let (mut read, mut write) = peer.into_split();
    let large = format!("wait{}", "x".repeat(size));
    let wire = frames(&[large.as_str(); 6]);
    let writer = tokio::task::spawn(async move { write.write_all(&wire).await.map(|()| write) });
    // One, and those beside it until 4 MiB are passed: 3, then 6.
    for _ in 0..3 {
        served.rig.seen.recv().await.unwrap();
    }
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(served.rig.seen.try_recv().is_err(), "a fourth is in flight");
    served.rig.intake.permits.add_permits(6);
    let mut ends = 0;
    let mut bytes = BytesMut::new();
    while ends < 6 && read.read_buf(&mut bytes).await.unwrap() > 0 {
        ends += bytes.iter().filter(|b| **b == 0x1c).count();
        bytes.clear();
    }
    assert_eq!(served.rig.intake.texts().len(), 6);
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn commit_blocks_say_what_is_safe_and_are_never_answered() {
    let mut served = served(&plan(|plan, _| plan.commit_bytes = true)).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["a", "\u{6}", "fail b", "refuse c"])).await.unwrap();
    let expected = ["\u{6}", "ACK a", "\u{15}", "ACK fail b", "\u{6}", "ACK refuse c"];
    assert_eq!(answers(&mut peer, 6).await, expected);
    drop(peer);
    assert_eq!(served.rig.closed().await, ("ByPeer".to_owned(), 3));
}

#[tokio::test]
async fn what_is_said_later_leaves_on_the_connection() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["a", "b"])).await.unwrap();
    assert_eq!(answers(&mut peer, 2).await, ["ACK a", "ACK b"]);
    let back = served.rig.intake.taken.lock().unwrap()[0].back.clone().unwrap();
    assert!(back.say("later".into()));
    assert_eq!(answers(&mut peer, 1).await, ["later"]);
    drop(peer);
    served.rig.closed().await;
    assert!(!back.say("too late".into()));
}

#[tokio::test]
async fn a_half_closed_peer_gets_its_answer() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["wait a"])).await.unwrap();
    peer.shutdown().await.unwrap();
    served.rig.seen.recv().await.unwrap();
    served.rig.intake.permits.add_permits(1);
    assert_eq!(answers(&mut peer, 9).await, ["ACK wait a"]);
    assert_eq!(served.rig.closed().await, ("ByPeer".to_owned(), 1));
}

#[tokio::test]
async fn bad_frames_are_refused_and_the_connection_closed() {
    let check = async |framing, wire: &[u8], answer: &[&str], why: &str| {
        let plan = plan(|plan, common| {
            plan.framing = framing;
            common.max_size = ByteSize(10);
        });
        let mut served = served(&plan).await;
        let mut peer = TcpStream::connect(served.address).await.unwrap();
        peer.write_all(wire).await.unwrap();
        peer.shutdown().await.unwrap();
        assert_eq!(answers(&mut peer, 99).await, answer, "{wire:?}");
        assert_eq!(served.rig.closed().await.0, why, "{wire:?}");
    };
    use Framing::{Lenient, Strict};
    check(Strict, b"\x0b12345678901234567890\x1c\r", &["NAK W2020"], "W2020").await;
    check(Strict, b"GET / HTTP/1.1\r\n\r\n", &["NAK W2021"], "W2021").await;
    check(Lenient, b"GET / HTTP/1.1\r\n\r\n", &[], "ByPeer").await;
    check(Lenient, b"\x0babc", &[], "W2307").await;
    check(Lenient, b"\x0babc\x1c", &["ACK abc"], "ByPeer").await;
    check(Lenient, b"\r\n\x0ba\x1c\x0bb\x1c\r\n", &["ACK a", "ACK b"], "ByPeer").await;
    // What was handed over already is answered before the connection closes.
    check(Strict, b"\x0bclose\x1c\r\x0bb\x1c\r", &["ACK close", "ACK b"], "ByAnswer").await;
    check(Strict, b"\x0bnone\x1c\r\x0bb\x1c\r", &["ACK b"], "ByPeer").await;
}

#[tokio::test]
async fn the_begin_of_a_refused_frame_is_handed_over() {
    let served = served(&plan(|_, common| common.max_size = ByteSize(8))).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(b"\x0bMSH|^~\\&|APP").await.unwrap();
    assert_eq!(answers(&mut peer, 1).await, ["NAK W2020"]);
    let refused = served.rig.intake.refused.lock().unwrap();
    assert!(refused[0].0.bytes.starts_with(b"MSH|^~"));
}

#[tokio::test]
async fn junk_is_told_and_too_much_of_it_ends_the_connection() {
    let mut served = served(&plan(|plan, _| plan.framing = Framing::Lenient)).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(b"noise\x0ba\x1c\r").await.unwrap();
    assert_eq!(answers(&mut peer, 1).await, ["ACK a"]);
    let junk = served.rig.event(|event| matches!(event, SourceEvent::Junk { .. })).await;
    assert!(matches!(junk, SourceEvent::Junk { bytes: 5, .. }));
    // The source may close before all of it is written.
    let _ = peer.write_all(&[b'x'; 100_000]).await;
    assert_eq!(served.rig.closed().await.0, "W2309");
}

#[tokio::test]
async fn strangers_and_too_many_are_turned_away() {
    let net = |text| IpNet::parse(text).unwrap();
    let mut served1 = served(&plan(|_, common| common.allow = vec![net("10.0.0.0/8")])).await;
    let mut peer = TcpStream::connect(served1.address).await.unwrap();
    assert!(answers(&mut peer, 1).await.is_empty());
    let event = served1.rig.event(|e| matches!(e, SourceEvent::TurnedAway { .. })).await;
    assert!(format!("{event:?}").contains("W2302"), "{event:?}");

    let plan = plan(|plan, common| {
        plan.max_connections = 1;
        common.allow = vec![net("127.0.0.0/8")];
    });
    let mut served2 = served(&plan).await;
    let mut first = TcpStream::connect(served2.address).await.unwrap();
    first.write_all(&frames(&["a"])).await.unwrap();
    assert_eq!(answers(&mut first, 1).await, ["ACK a"]);
    let mut second = TcpStream::connect(served2.address).await.unwrap();
    assert!(answers(&mut second, 1).await.is_empty());
    let event = served2.rig.event(|e| matches!(e, SourceEvent::TurnedAway { .. })).await;
    assert!(format!("{event:?}").contains("W2303"), "{event:?}");
    first.write_all(&frames(&["b"])).await.unwrap();
    assert_eq!(answers(&mut first, 1).await, ["ACK b"]);
}

#[tokio::test]
async fn stop_ends_at_a_message_boundary() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    busy.write_all(&frames(&["wait 1"])).await.unwrap();
    busy.write_all(b"\x0bha").await.unwrap();
    for _ in 0..2 {
        served.rig.event(|event| matches!(event, SourceEvent::Opened { .. })).await;
    }
    served.rig.seen.recv().await.unwrap();
    served.rig.command.send(Command::Stop).unwrap();
    assert!(answers(&mut idle, 1).await.is_empty());
    drop(idle);
    assert_eq!(served.rig.closed().await, ("Stopped".to_owned(), 0));
    busy.write_all(b"lf\x1c\r\x0bnext\x1c\r").await.unwrap();
    assert_eq!(served.rig.seen.recv().await.unwrap(), "half");
    served.rig.intake.permits.add_permits(1);
    assert_eq!(answers(&mut busy, 9).await, ["ACK wait 1", "ACK half"]);
    drop(busy);
    served.task.await.unwrap();
    assert_eq!(served.rig.intake.texts(), ["wait 1", "half"]);
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_paused_source_takes_nothing_and_goes_on_after() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["wait"])).await.unwrap();
    served.rig.seen.recv().await.unwrap();
    served.rig.command.send(Command::Pause).unwrap();
    served.rig.intake.permits.add_permits(1);
    assert_eq!(answers(&mut peer, 1).await, ["ACK wait"]);
    peer.write_all(&frames(&["later"])).await.unwrap();
    let mut new = TcpStream::connect(served.address).await.unwrap();
    new.write_all(&frames(&["new"])).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.rig.intake.texts(), ["wait"]);
    served.rig.command.send(Command::Run).unwrap();
    assert_eq!(answers(&mut peer, 1).await, ["ACK later"]);
    assert_eq!(answers(&mut new, 1).await, ["ACK new"]);
}

#[tokio::test]
async fn a_panic_ends_one_connection_only() {
    let mut served = served(&plan(|_, _| {})).await;
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["panic"])).await.unwrap();
    assert!(answers(&mut peer, 1).await.is_empty());
    let event = served.rig.event(|e| matches!(e, SourceEvent::Trouble { .. })).await;
    assert!(format!("{event:?}").contains("W9002"));
    let mut peer = TcpStream::connect(served.address).await.unwrap();
    peer.write_all(&frames(&["a"])).await.unwrap();
    assert_eq!(answers(&mut peer, 1).await, ["ACK a"]);
}

#[tokio::test]
async fn an_address_in_use_is_for_the_operator() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = plan(|plan, _| plan.listen = held.local_addr().unwrap());
    let fault = plan.bind(&Ports::system()).await.err().unwrap();
    assert_eq!(fault.code().as_str(), "W2301");
}

#[tokio::test]
async fn tls_asks_for_known_certificates() {
    let authority = Authority::new();
    let plan = plan(|_, common| common.tls = Some(authority.server(2100, true)));
    let mut served = served(&plan).await;
    let target = served.address.to_string();
    let check = async |certificate| {
        let peer = PeerTls::new(&authority.client(certificate), "127.0.0.1").unwrap();
        let dialed = tls::dial(&crate::ports::SystemNet, &target, Some(&peer)).await;
        let Ok(mut stream) = dialed else { return vec![] };
        // With TLS 1.3 the refusal comes after the client's side is done.
        let _ = stream.write_all(&frames(&["a"])).await;
        answers(&mut stream, 1).await
    };
    assert_eq!(check(Some(authority.issue("emr", 2100))).await, ["ACK a"]);
    let opened = served.rig.event(|e| matches!(e, SourceEvent::Opened { .. })).await;
    let SourceEvent::Opened { peer } = opened else { unreachable!() };
    assert_eq!(peer.subject.as_deref(), Some("CN=emr"));
    let other = Authority::new();
    let strangers = [None, Some(authority.issue("old", 2001)), Some(other.issue("x", 2100))];
    for certificate in strangers {
        assert!(check(certificate).await.is_empty());
        let event = served.rig.event(|e| matches!(e, SourceEvent::TurnedAway { .. })).await;
        assert!(format!("{event:?}").contains("W2308"), "{event:?}");
    }
    assert_eq!(served.rig.intake.texts(), ["a"]);
}

/// A connection over a pipe on a paused clock.
async fn piped(
    change: impl FnOnce(&mut MllpPlan),
    buffer: usize,
) -> (Rig, tokio::io::DuplexStream, tokio::task::JoinHandle<String>) {
    let rig = Rig::new();
    let (near, far) = tokio::io::duplex(buffer);
    let mut plan = MllpPlan::new("127.0.0.1:0".parse().unwrap());
    change(&mut plan);
    let shared = Shared::for_test(plan, &rig.serving);
    let command = rig.serving.command.clone();
    let task = tokio::task::spawn(async move {
        let peer = Peer { address: "test".into(), subject: None };
        let stream: Box<dyn Stream> = Box::new(far);
        match talk::talk(&shared, stream, peer, command).await.0 {
            Ok(why) => format!("{why:?}"),
            Err(fault) => fault.code().to_string(),
        }
    });
    (rig, near, task)
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn an_unfinished_frame_ends_in_time() {
    let (_rig, mut near, task) = piped(|_| {}, 1024).await;
    let start = tokio::time::Instant::now();
    near.write_all(b"\x0bMSH").await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    // Trickling does not help: the frame as a whole has its time.
    near.write_all(b"|").await.unwrap();
    drop(answers(&mut near, 1).await);
    drop(near);
    assert_eq!(task.await.unwrap(), "W2304");
    assert!(start.elapsed() < Duration::from_secs(33));
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_a_frame_below_its_time_changes_nothing() {
    let (_rig, mut near, task) = piped(|_| {}, 1024).await;
    let bytes = frames(&["a"]);
    let (first, rest) = bytes.split_at(2);
    near.write_all(first).await.unwrap();
    tokio::time::sleep(Duration::from_secs(29)).await;
    near.write_all(rest).await.unwrap();
    assert_eq!(answers(&mut near, 1).await, ["ACK a"]);
    // The time of the next frame begins with it.
    tokio::time::sleep(LONG).await;
    near.write_all(&frames(&["b"])).await.unwrap();
    assert_eq!(answers(&mut near, 1).await, ["ACK b"]);
    drop(near);
    assert_eq!(task.await.unwrap(), "ByPeer");
}

#[tokio::test(start_paused = true)]
async fn idle_connections_stay_unless_told_otherwise() {
    let (_rig, mut near, task) = piped(|_| {}, 1024).await;
    tokio::time::sleep(LONG).await;
    near.write_all(&frames(&["a"])).await.unwrap();
    assert_eq!(answers(&mut near, 1).await, ["ACK a"]);
    drop(near);
    assert_eq!(task.await.unwrap(), "ByPeer");

    let (_rig, mut near, task) = piped(|plan| plan.idle_timeout = Some(LONG), 1024).await;
    near.write_all(&frames(&["a"])).await.unwrap();
    assert_eq!(answers(&mut near, 9).await, ["ACK a"]);
    drop(near);
    assert_eq!(task.await.unwrap(), "W2305");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_its_answers_is_closed() {
    let (rig, mut near, task) = piped(|_| {}, 64).await;
    let writer = tokio::task::spawn(async move {
        let _ = near.write_all(&frames(&["some message"; 1000])).await;
        near
    });
    assert_eq!(task.await.unwrap(), "W2306");
    assert!(rig.intake.texts().len() < 50, "reading stops while an answer waits");
    drop(writer.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_intake_is_not_the_senders_silence() {
    let (mut rig, mut near, task) = piped(|plan| plan.idle_timeout = Some(LONG), 1024).await;
    near.write_all(&frames(&["wait"])).await.unwrap();
    near.write_all(b"\x0bbegun").await.unwrap();
    rig.seen.recv().await.unwrap();
    rig.command.send(Command::Pause).unwrap();
    tokio::time::sleep(LONG * 3).await;
    rig.intake.permits.add_permits(1);
    assert_eq!(answers(&mut near, 1).await, ["ACK wait"]);
    rig.command.send(Command::Run).unwrap();
    near.write_all(b" and done\x1c\r").await.unwrap();
    assert_eq!(answers(&mut near, 1).await, ["ACK begun and done"]);
    drop(near);
    assert_eq!(task.await.unwrap(), "ByPeer");
}

#[tokio::test(start_paused = true)]
async fn an_end_block_without_cr_ends_a_frame_after_a_short_silence() {
    let (_rig, mut near, task) = piped(|plan| plan.framing = Framing::Lenient, 1024).await;
    for text in ["a", "b"] {
        near.write_all(format!("\u{b}{text}\u{1c}").as_bytes()).await.unwrap();
        assert_eq!(answers(&mut near, 1).await, [format!("ACK {text}")]);
    }
    drop(near);
    assert_eq!(task.await.unwrap(), "ByPeer");
}
