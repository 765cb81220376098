//! Hostile and odd input against the real binary over real sockets: each case gets the
//! answer it should, the next message on the same connection and one on another are taken,
//! and memory stays within a small multiple of the frame.

#![allow(clippy::disallowed_methods, reason = "tests open real sockets and wait for a process")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::support::sink::Sink;
use super::support::site::{Running, Site};
use super::support::{Dice, free_address, number};

/// Bounds of both channels, short enough to wait for.
const LIMITS: &str = "max_size = \"32 MiB\"\nframe_timeout = \"4s\"\nwrite_timeout = \"2s\"\n";

/// Largest frame of the channels.
const LIMIT: usize = 32 << 20;

/// Memory for each byte of a frame: as it was read, its index, the entry of the journal
/// and the body that waits.
const MEMORY_FACTOR: usize = 12;

/// Memory besides: what an engine at work takes in a build without optimization.
const MEMORY_BASE: usize = 64 << 20;

/// Answers each order by its number.
const ORL: &str = r#"
[mapping]
from = "hl7v2:2.5.1:OML_O21"
to = "hl7v2:2.5.1:ORL_O22"
[rule.PID]
each = "PID in PATIENT"
[rule.PID.set]
"PID-3[]" = "each PID-3"
"PID-5[]" = "each PID-5"
[rule.ORC]
each = "ORC in ORDER"
[rule.ORC.set]
"ORC-1" = "'OK'"
"ORC-2" = "ORC-2"
"#;

struct Lab {
    site: Site,
    running: Running,
    lenient: SocketAddr,
    strict: SocketAddr,
    /// Takes XML, joins fragments, checks numbers and answers questions.
    odd: SocketAddr,
    sink: Sink,
    runtime: tokio::runtime::Runtime,
    probes: std::cell::Cell<u32>,
}

impl Lab {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let sink = runtime.block_on(Sink::start(None));
        let site = Site::new();
        let (lenient, strict, odd) = (free_address(), free_address(), free_address());
        let odd_settings = "encoding = \"any\"\ncontinuation = \"join\"\nsequence = \"check\"\n\
                            [answer]\nmap = [\"mappings/orl.toml\"]\n\
                            [validate]\non_fail = \"record\"";
        site.file("mappings/orl.toml", ORL);
        for (name, listen, more) in [
            ("odd", odd, odd_settings),
            ("lenient", lenient, "framing = \"lenient\""),
            ("strict", strict, "framing = \"strict\"\ntolerance = []"),
        ] {
            let source = format!("{LIMITS}{more}");
            site.relay(name, listen, sink.address, &source);
        }
        let running = site.start();
        Self { site, running, lenient, strict, odd, sink, runtime, probes: std::cell::Cell::new(0) }
    }

    fn close(self) {
        let log = self.site.log();
        for word in ["stage_panicked", "W9002", "task_restarted", "panicked at"] {
            assert!(!log.contains(word), "{word}: {log}");
        }
        assert!(self.running.stop().success());
        self.runtime.block_on(self.sink.stop());
    }

    /// A message that must be taken, with an ID of its own.
    fn probe(&self) -> (Vec<u8>, String) {
        self.probes.set(self.probes.get() + 1);
        let id = format!("PROBE{}", self.probes.get());
        (frame(msh(&id)), id)
    }

    /// A message on a new connection is taken.
    fn is_alive(&self, name: &str) {
        let (wire, id) = self.probe();
        let mut peer = connect(self.lenient);
        peer.write_all(&wire).unwrap();
        let found = answers(&mut peer, 1);
        assert_eq!(found, [("AA".to_owned(), id.into_bytes())], "{name}: the next connection");
    }

    /// Writes a case and a message behind it, and compares the answers.
    fn play(&self, case: &Case) {
        self.play_at(self.lenient, case);
    }

    fn play_at(&self, listen: SocketAddr, case: &Case) {
        let begin = self.running.memory();
        self.running.forget_peak();
        let mut peer = connect(listen);
        let (probe, id) = self.probe();
        let sent = peer.write_all(&case.wire).and_then(|()| peer.write_all(&probe)).is_ok();
        let found = answers(&mut peer, case.codes.len() + 1);
        let shown: Vec<String> = found
            .iter()
            .map(|(code, id)| format!("{code} {}", id[..id.len().min(60)].escape_ascii()))
            .collect();
        let name = case.name;
        for (at, codes) in case.codes.iter().enumerate() {
            let Some((code, control)) = found.get(at) else {
                panic!("{name}: no answer {at}: {shown:?}, sent: {sent}")
            };
            assert!(codes.contains(&code.as_str()), "{name}: answer {at}: {shown:?}");
            if let Some(expected) = case.ids.get(at) {
                assert_eq!(control, expected, "{name}: MSA-2 byte for byte: {shown:?}");
            }
        }
        match found.get(case.codes.len()) {
            Some(last) => {
                assert!(!case.closes, "{name}: the connection should be closed: {shown:?}");
                assert_eq!(*last, ("AA".to_owned(), id.into_bytes()), "{name}: {shown:?}");
            }
            None => assert!(case.closes, "{name}: the next message has no answer: {shown:?}"),
        }
        drop(peer);
        self.is_alive(name);
        let took = self.running.peak().saturating_sub(begin);
        let most = MEMORY_BASE + MEMORY_FACTOR * case.wire.len();
        assert!(took <= most, "{name}: {took} bytes of memory for {} sent", case.wire.len());
    }
}

/// What is written, and what is answered.
struct Case {
    name: &'static str,
    wire: Vec<u8>,
    /// MSA-1 allowed for each answer.
    codes: Vec<&'static [&'static str]>,
    /// MSA-2 of the answers, as far as it matters.
    ids: Vec<Vec<u8>>,
    /// Whether nothing is taken on the connection afterwards.
    closes: bool,
}

const TAKEN: &[&str] = &["AA"];
const REFUSED: &[&str] = &["AE", "AR"];
const EITHER: &[&str] = &["AA", "AE", "AR"];
/// A batch without acknowledgments.
const NOTHING: &[&str] = &[""];

fn case(name: &'static str, wire: Vec<u8>, codes: &[&'static [&'static str]]) -> Case {
    Case { name, wire, codes: codes.to_vec(), ids: Vec::new(), closes: false }
}

/// One frame that is taken.
fn taken(name: &'static str, body: impl AsRef<[u8]>) -> Case {
    case(name, frame(body), &[TAKEN])
}

impl Case {
    /// What may be an answer itself, and then gets none.
    fn or_silent(mut self) -> Self {
        self.codes.clear();
        self
    }

    /// A commit acknowledgment, which is all that the message may ask for.
    fn committed(mut self) -> Self {
        self.codes = vec![&["CA"]];
        self
    }
}

/// One frame that is refused.
fn refused(name: &'static str, body: impl AsRef<[u8]>) -> Case {
    case(name, frame(body), &[REFUSED])
}

/// Bytes that get no answer of their own.
fn silent(name: &'static str, wire: impl AsRef<[u8]>) -> Case {
    case(name, wire.as_ref().to_vec(), &[])
}

fn msh(id: &str) -> String {
    format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A01^ADT_A01|{id}|P|2.5.1\rPID|1||7\r")
}

/// A message whose last segment ends with `tail`.
fn with(tail: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = msh("N1").into_bytes();
    out.extend_from_slice(tail.as_ref());
    out.push(b'\r');
    out
}

fn frame(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"\x0b", body.as_ref(), b"\x1c\r"].concat()
}

fn connect(to: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(to).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    peer
}

/// MSA-1 and MSA-2 of so many answers, or of those before the end.
fn answers(peer: &mut TcpStream, count: usize) -> Vec<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut from = 0;
    let mut out = Vec::new();
    while out.len() < count {
        match peer.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
        if bytes[from..].windows(2).any(|pair| *pair == *b"\x1c\r") {
            out = told(&bytes);
        }
        from = bytes.len() - 1;
    }
    out
}

/// MSA-1 and MSA-2 of each message in the frames that are whole; of a frame without any,
/// nothing.
fn told(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for answer in bytes.split(|b| *b == 0x0b).skip(1).filter(|frame| frame.ends_with(b"\x1c\r")) {
        // A message in UTF-16 is answered in UTF-16.
        let wide = answer.windows(6).any(|part| part == b"M\0S\0A\0");
        let answer: Vec<u8> = answer.iter().copied().filter(|b| !wide || *b != 0).collect();
        let before = out.len();
        let part = |name: &str| {
            let text = String::from_utf8_lossy(&answer).into_owned();
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(value, _)| value.to_owned())
        };
        if let Some(code) = part("MSA.1") {
            out.push((code, part("MSA.2").unwrap_or_default().into_bytes()));
        }
        for msa in answer.split(|b| *b == b'\r').filter(|line| line.starts_with(b"MSA")) {
            let mark = msa[3];
            // Delimiters inside of an ID that weir echoes are those of the message.
            let mut fields = msa.split(|b| *b == mark).skip(1);
            let code = String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
            out.push((code, fields.next().unwrap_or_default().to_vec()));
        }
        if out.len() == before {
            out.push((String::new(), Vec::new()));
        }
    }
    out
}

/// Sizes: giant parts, many parts, deep nesting.
fn sizes() -> Vec<Case> {
    let many = |part: &str, times: usize| with(format!("NTE|1||{}", part.repeat(times)));
    let exact = LIMIT - with("NTE|1||").len();
    let mut over = case("one byte over the limit", frame(many("x", exact + 1)), &[REFUSED]);
    over.closes = true;
    vec![
        taken("a field of 16 MB", many("x", 16 << 20)),
        taken("1e6 subcomponents", many("a&", 1_000_000)),
        taken("1e6 components", many("a^", 1_000_000)),
        taken("2e5 repetitions", many("5^^^H&1&ISO^MR~", 200_000)),
        taken("1e6 repetitions of nothing", many("~", 1_000_000)),
        taken("1e6 fields", many("|", 1_000_000)),
        taken("1e5 segments", [msh("N1"), "OBX|1|ST|1||x\r".repeat(100_000)].concat()),
        taken("1e5 segments in lower case", [msh("N1"), "obx|1\r".repeat(100_000)].concat()),
        taken("2e5 groups", [msh("N1"), "OBR|1\rOBX|1\r".repeat(200_000)].concat()),
        refused("more segments than the limit", [msh("N1"), "Z\r".repeat(1_000_001)].concat()),
        taken("1e6 blank lines", [msh("N1"), "\r".repeat(1_000_000)].concat()),
        taken("1e6 line feeds in text", many("a\n", 1_000_000)),
        taken("1e6 escapes", many("\\E\\", 1_000_000)),
        taken("1e6 open escapes", many("\\", 1_000_000)),
        taken("a hex escape of 4 MB", many(&format!("\\X{}\\", "41".repeat(2_000_000)), 1)),
        taken("1e5 charset switches", many("\\C2842\\a\\M2941\\", 100_000)),
        taken(
            "MSH of 1e6 fields",
            msh("N1").replace("2.5.1\r", &format!("2.5.1{}\r", "|".repeat(1_000_000))),
        ),
        taken(
            "1e5 character sets",
            msh("N1").replace("2.5.1\r", &format!("2.5.1||||||{}\r", "ASCII~".repeat(100_000))),
        ),
        case("MSH-9 of 1 MB", frame(msh("N1").replace("ADT^", &"A".repeat(1 << 20))), &[EITHER]),
        case(
            "MSH-12 of 1 MB",
            frame(msh("N1").replace("2.5.1", &"2.5".repeat(1 << 19))),
            &[EITHER],
        ),
        case(
            "MSH-3 of 1 MB",
            frame(msh("N1").replace("|A|", &format!("|{}|", "a".repeat(1 << 20)))),
            &[EITHER],
        ),
        taken("exactly the limit", many("x", exact)),
        over,
    ]
}

/// Bytes that mean something to the framing or to nobody.
fn bytes() -> Vec<Case> {
    let (a, b) = (msh("A1"), msh("B1"));
    let ids = |mut case: Case, ids: &[&str]| {
        case.ids = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        case
    };
    let noise: Vec<u8> = {
        let mut dice = Dice::new(7);
        let mut next = || u8::try_from(dice.roll(256)).unwrap();
        (0..40_000).map(|_| next()).filter(|b| !matches!(b, 0x0b | 0x1c)).collect()
    };
    vec![
        taken("NUL in a field", with("NTE|1||a\0b")),
        taken("VT in a field", with("NTE|1||a\x0bb")),
        taken("VT and MS in a field", with("NTE|1||a\x0bMS|")),
        taken("FS in a field", with("NTE|1||a\x1cb")),
        taken("many FS in a field", with(format!("NTE|1||{}", "\x1cx".repeat(10_000)))),
        taken("many VT in a field", with(format!("NTE|1||{}", "\x0bMSx".repeat(10_000)))),
        refused("a frame of NUL", [0; 4096]),
        refused("a frame of 0xff", [0xff; 4096]),
        refused("noise in a frame", &noise),
        silent("noise outside of frames", &noise),
        silent("a greeting of SSH", "SSH-2.0-OpenSSH_9.6\r\n"),
        silent("a greeting of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        silent("blank lines", "\r\n \t\0".repeat(2000)),
        ids(
            case(
                "frames end with FS alone",
                [b"\x0b", a.as_bytes(), b"\x1c\x0b", b.as_bytes(), b"\x1c"].concat(),
                &[TAKEN, TAKEN],
            ),
            &["A1", "B1"],
        ),
        ids(
            case(
                "frames end with FS LF",
                [b"\x0b", a.as_bytes(), b"\x1c\n\x0b", b.as_bytes(), b"\x1c\n"].concat(),
                &[TAKEN, TAKEN],
            ),
            &["A1", "B1"],
        ),
        ids(
            case(
                "frames end with FS CR LF",
                [b"\x0b", a.as_bytes(), b"\x1c\r\n\x0b", b.as_bytes(), b"\x1c\r\n"].concat(),
                &[TAKEN, TAKEN],
            ),
            &["A1", "B1"],
        ),
        ids(
            case(
                "a frame begins anew",
                [b"\x0b", &a.as_bytes()[..40], b"\x0b", b.as_bytes(), b"\x1c\r"].concat(),
                &[TAKEN],
            ),
            &["B1"],
        ),
        ids(
            case(
                "a frame begins anew 500 times",
                [[b"\x0b", &a.as_bytes()[..40]].concat().repeat(500), frame(&b)].concat(),
                &[TAKEN],
            ),
            &["B1"],
        ),
        ids(
            case("two start blocks", [b"\x0b\x0b", b.as_bytes(), b"\x1c\r"].concat(), &[TAKEN]),
            &["B1"],
        ),
        case("1000 empty frames", frame("").repeat(1000), &[REFUSED; 1000]),
        refused("JSON", "{\"a\": \"MSH|^~\\\\&|\"}"),
        refused("XML", "<ADT_A01><MSH.1>|</MSH.1></ADT_A01>"),
        refused("a bomb of entities", "<!DOCTYPE a [<!ENTITY b \"bbb\">]><a>&b;</a>"),
        refused("a zip archive", b"PK\x03\x04\x14\0\0\0MSH|^~\\&|A"),
        refused("another segment first", "PID|1||7\rMSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5\r"),
        taken(
            "UTF-16 without a word about it",
            msh("N1").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        ),
        refused("MSH alone", "MSH"),
        refused("MSH and a mark", "MSH|"),
        refused("delimiters of letters", msh("N1").replace("^~\\&", "abcd")),
        refused("a delimiter twice", msh("N1").replace("^~\\&", "^^\\&")),
        refused("delimiters beyond ASCII", msh("N1").replace("^~\\&", "\u{e9}\u{e8}")),
        refused("text before MSH", format!("hello {}", msh("N1"))),
        refused("msh in lower case", msh("N1").replace("MSH", "msh")),
        refused("too many delimiters", msh("N1").replace("^~\\&", "^~\\&#$%")),
        taken("few delimiters", msh("N1").replace("^~\\&", "^~")),
        taken("names of no segment", with("P\rPIDX|1\r1ID|2\rpi d|\r|||\r^~\\&\r")),
        taken(
            "CR and LF mixed",
            msh("N1").replacen('\r', "\n", 1).replace("7\r", "7\r\n\n\rNTE|1\n\r"),
        ),
        taken("a byte order mark", [b"\xef\xbb\xbf", msh("N1").as_bytes()].concat()),
    ]
}

/// Headers, answers and envelopes.
fn protocol() -> Vec<Case> {
    let echo = |name, id: &[u8], set: &str| {
        let text = format!(
            "MSH|^~\\&|A|B|C|D|20260101||ADT^A01^ADT_A01|ID|P|2.5.1||||||{set}\rPID|1||7\r"
        );
        let at = text.find("|ID|").unwrap() + 1;
        let body = [&text.as_bytes()[..at], id, &text.as_bytes()[at + 2..]].concat();
        Case { ids: vec![id.to_vec()], ..case(name, frame(body), &[EITHER]) }
    };
    let pipelined: Vec<u8> = (0..1000).flat_map(|n| frame(msh(&format!("P{n:04}")))).collect();
    let batch: String = (0..500).map(|n| msh(&format!("B{n:03}"))).collect();
    let batch = format!("FHS|^~\\&|\rBHS|^~\\&|\r{batch}BTS|500\rFTS|1\r");
    let numbered = |letter: char, count: usize, width: usize| -> Vec<Vec<u8>> {
        (0..count).map(|n| format!("{letter}{n:0width$}").into_bytes()).collect()
    };
    let ack = "MSH|^~\\&|A|B|C|D|20260101||ACK^A01^ACK|1|P|2.5.1\rMSA|AA|7\r";
    vec![
        Case {
            ids: numbered('P', 1000, 4),
            ..case("1000 messages in one write", pipelined, &[TAKEN; 1000])
        },
        Case {
            ids: numbered('B', 500, 3),
            ..case("500 messages in a batch", frame(&batch), &[TAKEN; 500])
        },
        echo("an ID with escapes", b"0\\T\\7\\F\\8\\X41\\", ""),
        echo("an ID with blanks", b" 1 2 ", ""),
        echo("an ID with components", b"A^B&C", ""),
        echo("an ID with repetitions", b"A~B", ""),
        echo("an ID in 8859/1", b"M\xfcller", "8859/1"),
        echo("an ID in UTF-8", "M\u{fc}ller \u{1f600}".as_bytes(), "UNICODE UTF-8"),
        echo("an ID that is no UTF-8", b"a\xff\xfe", "UNICODE UTF-8"),
        echo("an ID of 300 characters", &[b'x'; 300], ""),
        echo("an ID of 1 MB", &vec![b'x'; 1 << 20], ""),
        echo("an ID with NUL", b"a\0b", ""),
        refused("no ID", msh("")),
        refused("an ID of nothing", msh("\"\"")),
        refused("no type", msh("N1").replace("ADT^A01^ADT_A01", "")),
        refused("a version of another world", msh("N1").replace("2.5.1", "9.9")),
        case("a version of words", frame(msh("N1").replace("2.5.1", "two")), &[EITHER]),
        silent("an acknowledgment", frame(ack)),
        silent("100 acknowledgments", frame(ack).repeat(100)),
        silent("an acknowledgment in lower case", frame(ack.replace("|ACK^A01^ACK|", "|ack|"))),
        silent("an acknowledgment by its MSA", frame(ack.replace("ACK^A01^ACK", "ORU^R01"))),
        silent("a delayed acknowledgment", frame(ack.replace("ACK^A01^ACK", "MCF^A01"))),
        silent("an acknowledgment of an error", frame(ack.replace("|AA|", "|AE|"))),
        refused("two messages without an envelope", [msh("A1"), msh("A2")].concat()),
        case("an envelope without messages", frame("BHS|^~\\&|\rBTS|0\r"), &[NOTHING]),
        refused("an envelope that lost its messages", "BHS|^~\\&|\rBTS|2\r"),
        case(
            "an envelope within another",
            frame(format!("BHS|^~\\&|\rBHS|^~\\&|\r{}BTS|1\rBTS|1\r", msh("A1"))),
            &[EITHER],
        ),
        case(
            "a batch with one bad message",
            frame(format!(
                "BHS|^~\\&|\r{}{}BTS|2\r",
                msh("A1"),
                msh("").replace("ADT^A01^ADT_A01", "")
            )),
            &[TAKEN, REFUSED],
        ),
        case(
            "a batch with a wrong count",
            frame(format!("BHS|^~\\&|\r{}BTS|9\r", msh("A7"))),
            &[TAKEN],
        ),
        case("the same message 50 times", frame(msh("SAME")).repeat(50), &[TAKEN; 50]),
    ]
}

/// Questions, XML, fragments and numbers, as no peer should send them.
fn odd() -> Vec<Case> {
    let as_type = |kind: &str, rest: &str| {
        let head = msh("N1").replace("ADT^A01^ADT_A01", kind);
        format!("{}{rest}", head.replace("PID|1||7\r", ""))
    };
    let query = |qpd: &str| as_type("QBP^Q22^QBP_Q21", &format!("QPD|{qpd}\rRCP|I\r"));
    let orders = |count: usize| {
        let orders: String = (0..count).map(|n| format!("ORC|NW|P{n}\rOBR|{n}||P\r")).collect();
        as_type("OML^O21^OML_O21", &format!("PID|1||7||Doe\r{orders}"))
    };
    let xml = |inner: &str| {
        format!(
            "<ADT_A01 xmlns=\"urn:hl7-org:v2xml\"><MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2>\
             <MSH.9><MSG.1>ADT</MSG.1><MSG.2>A01</MSG.2></MSH.9><MSH.10>N1</MSH.10>\
             <MSH.11><PT.1>P</PT.1></MSH.11><MSH.12><VID.1>2.5.1</VID.1></MSH.12></MSH>\
             {inner}</ADT_A01>"
        )
    };
    let nte = |text: &str| xml(&format!("<NTE><NTE.3>{text}</NTE.3></NTE>"));
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let with_14 = |pointer: &str, rest: &str| {
        msh("N1").replace("|2.5.1\r", &format!("|2.5.1||{pointer}\r")) + rest
    };
    let with_13 = |number: &str| msh("N1").replace("|2.5.1\r", &format!("|2.5.1|{number}\r"));
    let many_begun: Vec<u8> =
        (0..200).flat_map(|n| frame(msh(&format!("F{n}")) + &format!("DSC|p{n}\r"))).collect();
    let begun: Vec<&'static [&'static str]> = vec![EITHER; 200];
    vec![
        taken("a query of 4 MB", query(&format!("Q22^Find|T|@PID.5.1^{}", "x".repeat(4 << 20)))),
        taken("a query of 1e6 parts", query(&format!("Q22|T|{}", "a^b~".repeat(1_000_000)))),
        taken("a query of escapes", query("Q22^\\F\\|T\\R\\1\\X00\\|@PID.5.1^\\\\")),
        taken("a query of nothing", query("")),
        taken("a query without QPD", as_type("QBP^Q22^QBP_Q21", "RCP|I\r")),
        taken("a query of no name", as_type("QBP^Z99", "QPD|Z99|T\r")),
        taken("20,000 orders", orders(20_000)),
        taken("more orders than an answer holds", orders(60_000)),
        taken("an order of nothing", as_type("OML^O21^OML_O21", "")),
        taken("orders out of order", as_type("OML^O21^OML_O21", "OBR|1\rPID|1\rORC|NW\rMSA|\r"))
            .or_silent(),
        taken("XML", xml("<PID><PID.3><CX.1>7</CX.1></PID.3></PID>")),
        taken("a text of 8 MB in XML", nte(&"x".repeat(8 << 20))),
        taken("1e6 character references in XML", nte(&"&#65;".repeat(1_000_000))),
        taken("1e5 segments in XML", xml(&"<OBX><OBX.1>1</OBX.1></OBX>".repeat(100_000))),
        taken("CDATA in XML", nte("<![CDATA[a|b^<c>]]>")),
        taken("a comment of 1 MB in XML", xml(&format!("<!--{}-->", "x".repeat(1 << 20)))),
        refused("an entity in XML", nte("&nobody;")),
        refused(
            "entities that grow in XML",
            format!(
                "<!DOCTYPE a [<!ENTITY b \"{}\"><!ENTITY c \"&b;&b;\">]>{}",
                "b".repeat(1000),
                nte("&c;")
            ),
        ),
        refused("XML of 1e5 levels", xml(&deep)),
        refused("XML that ends in the midst", xml("<PID>").replace("</ADT_A01>", "")),
        refused("XML that closes another", xml("<PID></PV1>")),
        refused("XML of another world", "<html><body>hello</body></html>"),
        refused("XML of a field of 1e9", xml("<PID><PID.999999999>x</PID.999999999></PID>")),
        refused("XML of two documents", xml("") + &xml("")),
        refused("XML that is no UTF-8", [xml("").as_bytes(), b"<!--\xff-->"].concat()),
        refused("a part of nothing", with_14("nowhere", "OBX|1\r")),
        refused("a part of itself", with_14("me", "DSC|me\r")),
        refused("a part with a pointer of 1 MB", with_14(&"p".repeat(1 << 20), "OBX|1\r")),
        case("200 messages begun", many_begun, &begun),
        taken("ADD without a cause", with("ADD|1|2")),
        taken("a number", with_13("0000000001")),
        refused("a number that was", with_13("1").replace("N1", "N2")),
        refused("a number of words", with_13("one")),
        refused("a number of 1e6 digits", with_13(&"9".repeat(1_000_000))),
        refused("a number below", with_13("-2")),
        refused("a start that carries more", with_13("0")),
        taken("unknown conditions", msh("N1").replace("|2.5.1\r", "|2.5.1|||XX|NE\r")).committed(),
        silent("no answer wanted", frame(msh("N1").replace("|2.5.1\r", "|2.5.1|||NE|NE\r"))),
    ]
}

#[test]
fn odd_questions_and_forms_are_answered_within_bounds() {
    let lab = Lab::open();
    odd().iter().for_each(|case| lab.play_at(lab.odd, case));
    lab.close();
}

#[test]
fn hostile_sizes_are_answered_within_bounds() {
    let lab = Lab::open();
    sizes().iter().for_each(|case| lab.play(case));
    lab.close();
}

#[test]
fn hostile_bytes_are_answered_within_bounds() {
    let lab = Lab::open();
    bytes().iter().for_each(|case| lab.play(case));
    let text = lab.site.http("/metrics");
    for name in ["frame-restarted", "loose-end", "bytes-between-frames", "lower-case-msh"] {
        let series = format!("weir_deviations_total{{channel=\"lenient\",deviation=\"{name}\"}}");
        assert!(text.contains(&series), "{series}");
    }
    lab.close();
}

#[test]
fn the_protocol_holds_against_odd_senders() {
    let lab = Lab::open();
    protocol().iter().for_each(|case| lab.play(case));

    // Strict framing and the letter of the standard: the reason is told, then it closes.
    for (wire, code) in [
        ([b"\x0b", msh("S1").as_bytes(), b"\x1c\n"].concat(), "W2021"),
        ([b"\r\n".to_vec(), frame(msh("S1"))].concat(), "W2021"),
        (frame([b"\xef\xbb\xbf", msh("S1").as_bytes()].concat()), "byte-order-mark"),
        (frame(msh("S1").replace('\r', "\n")), "`lf`"),
        (frame(msh("S1").trim_end()), "no-final-cr"),
        (frame(msh("S1").replace("PID", "pid")), "lower-case-name"),
        (frame(msh("S1").replace("7\r", "7||\r")), "trailing-delimiters"),
    ] {
        let mut peer = connect(lab.strict);
        peer.write_all(&wire).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let mut text = Vec::new();
        let _ = peer.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("MSA|AR|") && text.contains(code), "{code}: {text}");
    }
    lab.close();
}

#[test]
fn slow_silent_and_deaf_peers_hurt_nobody() {
    let lab = Lab::open();
    let text = msh("T1");
    let wire = frame(&text);

    // Byte by byte, and with a pause inside of a frame that lasts as long as another peer's
    // message takes; how long it may be is measured on a paused clock (`source::mllp`).
    let mut peer = connect(lab.lenient);
    peer.set_nodelay(true).unwrap();
    for byte in wire.chunks(1) {
        peer.write_all(byte).unwrap();
    }
    assert_eq!(answers(&mut peer, 1), [("AA".to_owned(), b"T1".to_vec())]);
    let later = frame(msh("T2"));
    peer.write_all(&later[..50]).unwrap();
    lab.is_alive("beside a frame that pauses");
    peer.write_all(&later[50..]).unwrap();
    assert_eq!(answers(&mut peer, 1), [("AA".to_owned(), b"T2".to_vec())]);

    // Half a frame, then: the end, a reset, silence beyond the time-out. No answer, no delivery.
    let half = |id: &str| frame(msh(id))[..60].to_vec();
    let mut peer = connect(lab.lenient);
    peer.write_all(&half("H1")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers(&mut peer, 1), []);
    let mut silent = connect(lab.lenient);
    silent.write_all(&half("H2")).unwrap();
    for _ in 0..200 {
        let mut peer = connect(lab.lenient);
        peer.write_all(&half("H3")).unwrap();
    }
    lab.is_alive("beside half frames");

    // Idle connections, and peers that never read what they are answered.
    let idle: Vec<TcpStream> = (0..300).map(|_| connect(lab.lenient)).collect();
    let deaf: Vec<TcpStream> = (0..4)
        .map(|n| {
            let mut peer = connect(lab.lenient);
            peer.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
            let burst = frame(msh(&format!("D{n}"))).repeat(20_000);
            let mut written = 0;
            while let Ok(more @ 1..) = peer.write(&burst[written..]) {
                written += more;
            }
            peer
        })
        .collect();
    lab.is_alive("beside deaf and idle peers");
    drop((idle, deaf));
    assert_eq!(answers(&mut silent, 1), [], "the time-out frees the connection");

    let seen = lab.sink.seen();
    assert!(seen.iter().all(|id| !id.starts_with('H')), "no half message is delivered");
    assert!(lab.running.peak() < 400 << 20, "{}", lab.running.peak());
    lab.close();
}

#[test]
fn any_bytes_are_survived() {
    let lab = Lab::open();
    let mut dice = Dice::new(number("WEIR_SEED", 42));
    let seed = [frame(msh("R1")), frame(with("NTE|1||a\\F\\b\\Z"))].concat();
    for round in 0..number("WEIR_NASTY", 150) {
        let mut wire = seed.clone();
        for _ in 0..=dice.roll(12) {
            let roll =
                |dice: &mut Dice, n: usize| usize::try_from(dice.roll(n as u64 + 1)).unwrap();
            let at = roll(&mut dice, wire.len());
            let to = (at + roll(&mut dice, 30)).min(wire.len());
            match dice.roll(4) {
                0 => drop(wire.drain(at..to)),
                1 => {
                    wire.insert(at, *b"\x0b\x1c\r\n|^~\\&\0M\xff".get(roll(&mut dice, 11)).unwrap())
                }
                2 => {
                    let copy = wire[at..to].to_vec();
                    wire.splice(at..at, copy);
                }
                _ => wire.insert(at, u8::try_from(dice.roll(256)).unwrap()),
            }
        }
        let mut peer = connect(lab.lenient);
        let _ = peer.write_all(&wire);
        let _ = peer.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = peer.read_to_end(&mut answer);
        let frames = wire.iter().filter(|b| **b == 0x1c).count();
        let told = answer.windows(4).filter(|word| *word == b"MSA|").count();
        assert!(told <= frames + 1, "{round}: {told} answers for {frames}");
    }
    lab.is_alive("after all of them");
    lab.close();
}
