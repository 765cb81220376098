//! What senders of HL7 v2 may do besides one message after another, through the real binary
//! over real sockets and files: batches, and messages in XML.

#![allow(clippy::disallowed_methods, reason = "tests open real sockets and files")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::support::free_address;
use super::support::site::{Running, Site, until};

/// A site with one channel `in` over MLLP, which writes what it takes to files.
pub struct Lab {
    pub site: Site,
    pub running: Running,
    pub listen: SocketAddr,
}

/// The rest of a channel whose messages go to files.
const REST: &str = r#"
[consent]
policy = "none"
why = "synthetic input"
[destination.out]
type = "file"
dir = "out"
name = "{message_id}.hl7"
recipient = "Organization/out"
purpose = "TREAT"
"#;

impl Lab {
    /// Starts it; `source` are further lines of `[source]`.
    pub fn open(source: &str) -> Self {
        Self::open_with(source, "")
    }

    /// The same with further lines of its destination.
    pub fn open_with(source: &str, destination: &str) -> Self {
        let (site, listen) = (Site::new(), free_address());
        write_channel(&site, listen, source);
        let text = std::fs::read_to_string(site.root().join("channels/in.toml")).unwrap();
        site.file("channels/in.toml", &format!("{text}{destination}"));
        Self { running: site.start(), site, listen }
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.listen)
    }

    /// Bodies that were delivered, sorted.
    pub fn out(&self) -> Vec<String> {
        let mut paths: Vec<_> = std::fs::read_dir(self.site.root().join("out"))
            .map(|found| found.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "hl7"));
        let read = |path| latin1(&std::fs::read(path).unwrap());
        let mut bodies: Vec<String> = paths.iter().map(read).collect();
        bodies.sort();
        bodies
    }

    /// Waits until so many bodies were delivered.
    pub fn delivered(&self, count: usize) -> Vec<String> {
        until(&format!("{count} are delivered"), || self.out().len() >= count);
        let out = self.out();
        assert_eq!(out.len(), count, "{out:?}");
        out
    }

    /// Every message that was committed is in one state, and the server stops.
    pub fn close(self) {
        let ledger = self.site.json(&["ledger"]);
        assert_eq!(ledger["total"]["unaccounted"], 0, "{ledger}");
        let log = self.site.log();
        for word in ["stage_panicked", "W9002", "task_restarted"] {
            assert!(!log.contains(word), "{word}: {log}");
        }
        assert!(self.running.stop().success());
    }
}

/// Text in which each byte is one character.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Writes the channel of a lab.
pub fn write_channel(site: &Site, listen: SocketAddr, source: &str) {
    let head = "[channel]\nname = \"in\"\n[source]\ntype = \"mllp\"\n";
    site.file("channels/in.toml", &format!("{head}listen = \"{listen}\"\n{source}\n{REST}"));
}

/// A connection of a sender.
pub struct Peer(TcpStream);

impl Peer {
    pub fn connect(listen: SocketAddr) -> Self {
        let stream = TcpStream::connect(listen).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream)
    }

    pub fn say(&mut self, body: impl AsRef<[u8]>) {
        self.0.write_all(&[b"\x0b", body.as_ref(), b"\x1c\r"].concat()).unwrap();
    }

    /// The next frame, CR shown as LF; empty at the end.
    pub fn hear(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while self.0.read(&mut byte).is_ok_and(|read| read == 1) {
            match byte[0] {
                0x0b => bytes.clear(),
                0x1c => {
                    let _ = self.0.read(&mut byte);
                    break;
                }
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).unwrap().replace('\r', "\n")
    }

    pub fn ask(&mut self, body: impl AsRef<[u8]>) -> String {
        self.say(body);
        self.hear()
    }
}

pub fn adt(id: &str) -> String {
    format!("MSH|^~\\&|LAB|L|EHR|E|20260101||ADT^A01^ADT_A01|{id}|P|2.5.1\rPID|1||7\r")
}

/// The lines of an answer that say something of its messages: MSA, and the counts of trailers.
pub fn told(answer: &str) -> Vec<&str> {
    let wanted = |line: &&str| ["MSA", "BTS", "FTS"].iter().any(|id| line.starts_with(id));
    answer.lines().filter(wanted).collect()
}

#[test]
fn a_batch_is_answered_by_a_batch_when_all_of_it_is_on_disk() {
    let lab = Lab::open("accept = [\"ADT\"]");
    let mut peer = lab.connect();
    let (a, b, c) = (adt("A"), adt("B"), adt("C"));
    let head = "FHS|^~\\&|LAB|L|EHR|E|2026||||F7\rBHS|^~\\&|LAB|L|EHR|E|2026||||B7\r";
    let answer = peer.ask(format!("{head}{a}{b}BTS|2\rFTS|1\r"));
    assert_eq!(told(&answer), ["MSA|AA|A", "MSA|AA|B", "BTS|2", "FTS|1"]);
    let lines: Vec<&str> = answer.lines().collect();
    assert!(
        lines[0].starts_with("FHS|^~\\&|EHR|E|LAB|L|") && lines[0].ends_with("|F7"),
        "{answer}"
    );
    assert!(
        lines[1].starts_with("BHS|^~\\&|EHR|E|LAB|L|") && lines[1].ends_with("|B7"),
        "{answer}"
    );
    assert_eq!(lab.delivered(2), [a.clone(), b.clone()]);

    // One of them is refused, the count is wrong, and the first was sent before.
    let other = c.replace("ADT^A01^ADT_A01", "ORU^R01");
    let answer = peer.ask(format!("BHS|^~\\&|LAB\r{a}{other}BTS|7\r"));
    let told_all = told(&answer);
    assert_eq!(told_all[0], "MSA|AA|A");
    assert!(told_all[1].starts_with("MSA|AR|C"), "{answer}");
    assert_eq!(told_all[2], "BTS|2|W2051 BTS-1");
    assert!(answer.contains("W2014"), "{answer}");
    until("the count is told", || lab.site.log().contains("W2051"));

    // Without messages: nothing is asked and nothing is said, or something is missing.
    let empty = peer.ask("BHS|^~\\&|LAB||||||||B8\rBTS|0\r");
    assert!(empty.starts_with("BHS|") && told(&empty) == ["BTS|0"], "{empty}");
    let lost = peer.ask("BHS|^~\\&|LAB||||||||B9\rBTS|3\r");
    assert!(lost.contains("MSA|AR") && lost.contains("W2051"), "{lost}");
    let stray = peer.ask("BHS|^~\\&|LAB\rPID|1\rBTS|1\r");
    assert!(stray.contains("MSA|AR") && stray.contains("W2002"), "{stray}");

    // Who asks for word of errors only hears by an empty batch that there were none; who
    // asks for no word hears nothing.
    let quiet =
        |id: &str, when: &str| adt(id).replace("|2.5.1\r", &format!("|2.5.1|||{when}|NE\r"));
    let answer =
        peer.ask(format!("BHS|^~\\&|LAB\r{}{}BTS|2\r", quiet("E1", "ER"), quiet("E2", "ER")));
    assert_eq!(told(&answer), ["BTS|0"]);
    peer.say(format!("BHS|^~\\&|LAB\r{}BTS|1\r", quiet("N1", "NE")));
    assert_eq!(told(&peer.ask(adt("D"))), ["MSA|AA|D"]);
    assert_eq!(lab.delivered(6).len(), 6);
    lab.close();
}

#[test]
fn a_batch_is_as_safe_as_its_messages() {
    let mut lab = Lab::open("");
    let batch: String = (0..300).map(|n| adt(&format!("K{n:03}"))).collect();
    let batch = format!("BHS|^~\\&|LAB\r{batch}BTS|300\r");
    let answer = lab.connect().ask(&batch);
    assert_eq!(told(&answer).len(), 301, "{answer}");
    lab.running.kill();
    lab.running = lab.site.start();
    // The sender did not hear, and sends all of it again: nothing is taken twice.
    let again = lab.connect().ask(&batch);
    assert_eq!(told(&again), told(&answer));
    let out = lab.delivered(300);
    assert!((0..300).all(|n| out[n].contains(&format!("|K{n:03}|"))));
    lab.close();
}

#[test]
fn a_file_is_acknowledged_by_a_file() {
    let (site, listen) = (Site::new(), free_address());
    write_channel(&site, listen, "");
    let text = "[channel]\nname = \"drop\"\n[source]\ntype = \"file\"\ndir = \"in\"\n\
        split = \"hl7-batch\"\nready = \"*.done\"\npoll = \"50ms\"\nack_dir = \"acks\"\n\
        accept = [\"ADT\"]\nthen = { move = \"done\" }\n";
    site.file("channels/drop.toml", &format!("{text}{REST}").replace("\"out\"", "\"out2\""));
    let bad = adt("B").replace("ADT^A01^ADT_A01", "ORU^R01");
    let batch = format!("BHS|^~\\&|LAB||||||||B7\r{}{bad}BTS|2\r", adt("A"));
    site.file("in/lab.hl7", &batch);
    site.file("in/lab.done", "");
    let running = site.start();
    let ack = site.root().join("acks/lab.hl7.ack");
    until("the acknowledgments are there", || ack.exists());
    let told_all = std::fs::read_to_string(&ack).unwrap().replace('\r', "\n");
    assert!(told_all.starts_with("BHS|^~\\&|||LAB|") && told_all.contains("|B7\n"), "{told_all}");
    let lines = told(&told_all);
    assert_eq!((lines[0], lines[2]), ("MSA|AA|A", "BTS|2"), "{told_all}");
    assert!(lines[1].starts_with("MSA|AR|B"), "{told_all}");
    until("the file moves after them", || site.root().join("done/lab.hl7").exists());
    assert!(running.stop().success());
}

/// The message of [`adt`] as XML, written by the command.
fn in_xml(site: &Site, er7: &str) -> String {
    site.file("m.hl7", er7);
    site.ok(&["view", "m.hl7", "-o", "xml"])
}

#[test]
fn xml_is_taken_answered_in_xml_and_goes_on_with_delimiters() {
    let lab = Lab::open("encoding = \"any\"\nack = \"on-receipt\"");
    let mut peer = lab.connect();
    let xml = in_xml(&lab.site, &adt("X1"));
    let answer = peer.ask(&xml);
    assert!(answer.starts_with("<?xml") && answer.contains("<ACK xmlns=\"urn:hl7-org:v2xml\">"));
    assert!(answer.contains("<MSA.1>AA</MSA.1>") && answer.contains("<MSA.2>X1</MSA.2>"));
    assert_eq!(told(&peer.ask(adt("X2"))), ["MSA|AA|X2"], "both are taken");
    assert_eq!(lab.delivered(2), [adt("X1"), adt("X2")]);

    // The original is what came.
    let rows = lab.site.json(&["queue", "ls", "control:X1 state:delivered"]);
    let id = format!("id:{}", rows["rows"][0]["message"].as_str().unwrap());
    let kept = lab.site.ok(&["view", &id, "--reveal", "--reason", "test", "-o", "hl7"]);
    assert_eq!(kept, adt("X1"), "{kept}");

    // What cannot be read is answered in XML, for the message it is about where MSH says it.
    let broken = [
        (xml.replace("</PID>", "<PID.x/></PID>"), "X1", "W2070"),
        (xml.replace("</PID>", ""), "X1", "W2070"),
        (xml.replace("<PID>", "<!DOCTYPE a><PID>"), "X1", "W2072"),
        ("<html><body>MSH|^~\\&amp;|</body></html>".to_owned(), "", "W2070"),
        ("<".to_owned(), "", "W2070"),
    ];
    for (text, id, code) in broken {
        let answer = peer.ask(&text);
        assert!(answer.contains("<MSA.1>AR</MSA.1>"), "{text}: {answer}");
        assert!(answer.contains(&format!("<MSA.2>{id}</MSA.2>")), "{answer}");
        assert!(answer.contains(code), "{text}: {answer}");
    }
    peer.say(xml.replace(">ADT<", ">ACK<").replace("X1", "X9"));
    assert_eq!(told(&peer.ask(adt("X3"))), ["MSA|AA|X3"], "acknowledgments are not answered");
    lab.close();
}

/// A message with a sequence number.
fn numbered(id: &str, number: &str) -> String {
    adt(id).replace("|2.5.1\r", &format!("|2.5.1|{number}\r"))
}

/// A message that only starts or resynchronizes the link.
fn greeting(id: &str, number: &str) -> String {
    format!("MSH|^~\\&|LAB|L|EHR|E|20260101||^|{id}|P|2.5.1|{number}\rPID|||\r")
}

/// MSA-1 and MSA-4 of an answer.
fn expects(answer: &str) -> (String, String) {
    let msa = answer.lines().find(|line| line.starts_with("MSA")).unwrap_or_default();
    let field = |n: usize| msa.split('|').nth(n).unwrap_or_default().to_owned();
    (field(1), field(4))
}

#[test]
fn sequence_numbers_are_checked_and_kept_over_a_crash() {
    let mut lab = Lab::open("sequence = \"require\"");
    let check = |peer: &mut Peer, text: String, code: &str, number: &str| {
        let answer = peer.ask(&text);
        assert_eq!(expects(&answer), (code.to_owned(), number.to_owned()), "{text} {answer}");
        answer
    };
    let mut peer = lab.connect();
    // The link is new: any number may be the first.
    check(&mut peer, greeting("G1", "0"), "AA", "-1");
    check(&mut peer, numbered("S5", "5"), "AA", "5");
    check(&mut peer, numbered("S6", "6"), "AA", "6");
    // One is missing, one came before, and one came before word for word.
    let refused = check(&mut peer, numbered("S8", "8"), "AR", "7");
    assert!(refused.contains("W2080") && refused.contains("MSA|AR|S8"), "{refused}");
    check(&mut peer, numbered("S6b", "6"), "AR", "7");
    check(&mut peer, numbered("S6", "6"), "AA", "7");
    // What is refused does not use its number up.
    let bad = numbered("S7", "7").replace("2.5.1", "9.9");
    check(&mut peer, bad, "AR", "7");
    // No number, or none that could be one; the link starts with nothing else.
    let refused = check(&mut peer, adt("S0"), "AR", "7");
    assert!(refused.contains("W2081"), "{refused}");
    for number in ["x", "-2", "1.5", "99999999999999999999"] {
        check(&mut peer, numbered("SX", number), "AR", "7");
    }
    let refused = check(&mut peer, numbered("S9", "0"), "AR", "7");
    assert!(refused.contains("W2082"), "{refused}");
    // Another sender has its own numbers.
    let other = |id: &str, n: &str| numbered(id, n).replace("|LAB|", "|RAD|");
    check(&mut peer, other("R100", "100"), "AA", "100");
    // Several in one write, on several connections: one after the other.
    let mut second = lab.connect();
    for n in 7..=9 {
        second.say(numbered(&format!("S{n}"), &n.to_string()));
    }
    for n in 7..=9 {
        assert_eq!(expects(&second.hear()), ("AA".to_owned(), n.to_string()));
    }

    lab.running.kill();
    lab.running = lab.site.start();
    let mut peer = lab.connect();
    check(&mut peer, greeting("G2", "0"), "AA", "10");
    check(&mut peer, numbered("S10", "10"), "AA", "10");
    check(&mut peer, other("R101", "101"), "AA", "101");
    // The sender lost count: the next number of its own is the one to go on from.
    check(&mut peer, greeting("G3", "-1"), "AA", "-1");
    lab.running.kill();
    lab.running = lab.site.start();
    let mut peer = lab.connect();
    check(&mut peer, numbered("S1", "1"), "AA", "1");
    check(&mut peer, numbered("S2", "2"), "AA", "2");
    check(&mut peer, other("R102", "102"), "AA", "102");
    let out = lab.delivered(11).concat();
    assert!(!out.contains("|S8b|") && !out.contains("S6b") && !out.contains("|^|"), "{out}");
    lab.close();
}

#[test]
fn numbers_are_optional_where_they_are_only_checked() {
    let lab = Lab::open("sequence = \"check\"\nencoding = \"any\"");
    let mut peer = lab.connect();
    assert_eq!(expects(&peer.ask(adt("A"))), ("AA".to_owned(), String::new()));
    assert_eq!(expects(&peer.ask(numbered("B", "1"))), ("AA".to_owned(), "1".to_owned()));
    // In XML, and in a batch.
    let xml = in_xml(&lab.site, &numbered("C", "2"));
    let answer = peer.ask(&xml);
    assert!(
        answer.contains("<MSA.1>AA</MSA.1>") && answer.contains("<MSA.4>2</MSA.4>"),
        "{answer}"
    );
    let batch = format!("BHS|^~\\&|LAB\r{}{}BTS|2\r", numbered("D", "3"), numbered("E", "5"));
    let answer = peer.ask(batch);
    assert_eq!(told(&answer)[0], "MSA|AA|D||3");
    assert!(answer.contains("MSA|AR|E||4"), "{answer}");
    lab.delivered(4);
    lab.close();
}

/// A part of a result: its ID, the pointer it goes on from, its segments, the pointer it ends
/// with.
fn part(id: &str, from: &str, segments: &str, to: &str) -> String {
    let dsc = if to.is_empty() { String::new() } else { format!("DSC|{to}|F\r") };
    format!("MSH|^~\\&|LAB|L|EHR|E|20260101||ORU^R01^ORU_R01|{id}|P|2.5.1||{from}\r{segments}{dsc}")
}

#[test]
fn fragments_make_one_message_also_over_a_crash() {
    let mut lab = Lab::open("continuation = \"join\"\nsequence = \"check\"");
    let mut peer = lab.connect();
    let (one, two, three) = (
        part("F1", "", "PID|1||7\rOBR|1\rOBX|1|ST|a||12\rADD\r", "p1"),
        part("F2", "p1", "ADD|34||x\rOBX|2|ST|b||5\r", "p2"),
        part("F3", "p2", "OBX|3|ST|c||6\r", ""),
    );
    assert_eq!(told(&peer.ask(&one)), ["MSA|AA|F1"]);
    // A message in between, and the same fragment again since its answer was lost.
    assert_eq!(told(&peer.ask(adt("M1"))), ["MSA|AA|M1"]);
    assert_eq!(told(&peer.ask(&one)), ["MSA|AA|F1"]);
    assert_eq!(told(&peer.ask(&two)), ["MSA|AA|F2"]);
    lab.delivered(1);
    lab.running.kill();
    lab.running = lab.site.start();
    let mut peer = lab.connect();
    assert_eq!(told(&peer.ask(&two)), ["MSA|AA|F2"], "known after the crash");
    assert_eq!(told(&peer.ask(&three)), ["MSA|AA|F3"], "the answer is for the last part");
    let whole = "PID|1||7\rOBR|1\rOBX|1|ST|a||1234||x\rOBX|2|ST|b||5\rOBX|3|ST|c||6\r";
    let out = lab.delivered(2);
    assert!(out[1].starts_with("MSH|") && out[1].contains("|F1|"), "{out:?}");
    assert!(out[1].ends_with(whole), "{out:?}");
    // The last part again, and all of them again: one message all the same.
    assert_eq!(told(&peer.ask(&three)), ["MSA|AA|F3"]);
    for (text, id) in [(&one, "F1"), (&two, "F2"), (&three, "F3")] {
        assert_eq!(told(&peer.ask(text)), [format!("MSA|AA|{id}")]);
    }
    assert_eq!(lab.delivered(2).len(), 2);

    // A part of nothing is refused; so is one that the channel would not take whole.
    let stray = peer.ask(part("F9", "nowhere", "OBX|1\r", ""));
    assert!(stray.contains("MSA|AR|F9") && stray.contains("W2052"), "{stray}");
    // Many senders and pipelined parts keep their order.
    for n in 0..20 {
        peer.say(part(&format!("A{n}"), "", "PID|1||7\r", &format!("q{n}")));
        peer.say(part(&format!("B{n}"), &format!("q{n}"), &format!("OBX|{n}\r"), ""));
        peer.say(adt(&format!("C{n}")));
    }
    for n in 0..20 {
        for letter in ["A", "B", "C"] {
            assert_eq!(told(&peer.hear()), [format!("MSA|AA|{letter}{n}")]);
        }
    }
    lab.delivered(42);
    lab.close();
}

#[test]
fn fragments_in_files_make_one_message() {
    let site = Site::new();
    let text = "[channel]\nname = \"drop\"\n[source]\ntype = \"file\"\ndir = \"in\"\n\
        split = \"hl7-batch\"\nready = \"*.done\"\npoll = \"50ms\"\ncontinuation = \"join\"\n\
        then = { move = \"done\" }\n";
    site.file("channels/drop.toml", &format!("{text}{REST}"));
    let (one, two, three) = (
        part("F1", "", "PID|1||7\rOBX|1|ST|a||12\rADD\r", "p1"),
        part("F2", "p1", "ADD|34||x\r", "p2"),
        part("F3", "p2", "OBX|3|ST|c||6\r", ""),
    );
    // All in one file, and the next message begun in one and ended in another.
    let next = part("G1", "", "PID|1||8\r", "p9");
    site.file("in/1.hl7", &format!("{one}{two}{}{three}{next}", adt("M1")));
    site.file("in/1.done", "");
    let running = site.start();
    let lab = Lab { site, running, listen: free_address() };
    lab.delivered(2);
    lab.site.file("in/2.hl7", &part("G2", "p9", "OBX|1\r", ""));
    lab.site.file("in/2.done", "");
    let out = lab.delivered(3);
    let whole = "PID|1||7\rOBX|1|ST|a||1234||x\rOBX|3|ST|c||6\r";
    assert!(out.iter().any(|body| body.contains("|F1|") && body.ends_with(whole)), "{out:?}");
    assert!(out.iter().any(|body| body.contains("|G1|") && body.ends_with("PID|1||8\rOBX|1\r")));
    // The same file once more: nothing new, and nothing is begun anew.
    lab.site.file("in/3.hl7", &format!("{one}{two}{three}"));
    lab.site.file("in/3.done", "");
    until("the file is taken", || lab.site.root().join("done/3.hl7").exists());
    assert_eq!(lab.out().len(), 3);
    assert!(!lab.site.json(&["status"]).to_string().contains("\"dead\":1"));
    lab.close();
}

#[test]
fn a_message_whose_rest_does_not_come_is_a_dead_letter() {
    let lab = Lab::open("continuation = \"join\"\ncontinuation_timeout = \"1s\"");
    let mut peer = lab.connect();
    assert_eq!(told(&peer.ask(part("F1", "", "PID|1||7\rOBX|1\r", "p1"))), ["MSA|AA|F1"]);
    let dead = || lab.site.json(&["ledger"])["total"]["dead"] == 1;
    until("it is given up", dead);
    assert!(lab.site.log().contains("W2052"));
    // Half of a message is not sent, whoever asks.
    lab.site.run(&["queue", "retry", "state:dead", "--yes"]);
    assert!(lab.out().is_empty() && dead());
    let late = peer.ask(part("F2", "p1", "OBX|2\r", ""));
    assert!(late.contains("MSA|AR|F2"), "{late}");
    lab.close();
}

#[test]
fn messages_leave_in_the_character_set_of_their_destination() {
    let lab = Lab::open_with("", "charset = \"8859/1\"\nunfit = \"hex\"\n");
    let named = |id: &str, set: &str, name: &str| {
        adt(id)
            .replace("|2.5.1\r", &format!("|2.5.1||||||{set}\r"))
            .replace("||7\r", &format!("||7||{name}\r"))
    };
    let mut peer = lab.connect();
    let utf8 = named("A", "UNICODE UTF-8", "M\u{fc}ller^\u{141}ucja");
    assert_eq!(told(&peer.ask(&utf8)), ["MSA|AA|A"]);
    let out = lab.delivered(1);
    assert_eq!(out[0], named("A", "8859/1", "M\u{fc}ller^\\XC581\\ucja"));
    // Bytes that mean nothing in the set that MSH-18 names are not turned into others.
    let broken = named("B", "UNICODE UTF-8", "M?ller").replace('?', "\u{fc}");
    let broken: Vec<u8> = broken.chars().map(|c| u8::try_from(c).unwrap()).collect();
    assert_eq!(told(&peer.ask(&broken)), ["MSA|AA|B"]);
    until("it is a dead letter", || lab.site.json(&["ledger"])["total"]["dead"] == 1);
    let rows = lab.site.json(&["queue", "ls", "state:dead"]);
    assert_eq!(rows["rows"][0]["code"], "W2060", "{rows}");

    // The commands read as the channel does.
    lab.site.file("w.hl7", &named("C", "ASCII", "?"));
    let mut bytes = std::fs::read(lab.site.root().join("w.hl7")).unwrap();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0x80;
    std::fs::write(lab.site.root().join("w.hl7"), bytes).unwrap();
    let shown = |more: &[&str]| {
        let arguments = [&["view", "w.hl7", "--path", "PID-5"], more].concat();
        lab.site.ok(&arguments).trim().to_owned()
    };
    assert_eq!(shown(&["--charset", "windows-1252"]), "\u{20ac}");
    assert_eq!(shown(&["--charset", "windows-1251"]), "\u{402}");
    let refused = lab.site.run(&["view", "w.hl7", "--charset", "ebcdic"]);
    assert_eq!(refused.status.code(), Some(2));
    lab.close();
}

#[test]
fn messages_are_numbered_as_the_receiver_expects() {
    let (site, front, back) = (Site::new(), free_address(), free_address());
    write_channel(&site, back, "sequence = \"require\"");
    let text = format!(
        "[channel]\nname = \"front\"\n[source]\ntype = \"mllp\"\nlisten = \"{front}\"\n\
         [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n[destination.back]\n\
         type = \"mllp\"\nconnect = \"{back}\"\nsequence = true\nrecipient = \"x\"\n\
         purpose = \"TREAT\"\nretry = {{ first = \"100ms\", max = \"1s\" }}\n"
    );
    site.file("channels/front.toml", &text);
    let lab = Lab { running: site.start(), site, listen: front };
    let mut peer = lab.connect();
    for id in ["A", "B", "C"] {
        assert_eq!(told(&peer.ask(adt(id))), [format!("MSA|AA|{id}")]);
    }
    let all = |ids: &[(&str, &str)]| -> Vec<String> {
        ids.iter().map(|(id, number)| numbered(id, number)).collect()
    };
    assert_eq!(lab.delivered(3), all(&[("A", "1"), ("B", "2"), ("C", "3")]));
    let Lab { site, running, listen } = lab;
    assert!(running.stop().success());
    let lab = Lab { running: site.start(), site, listen };
    assert_eq!(told(&lab.connect().ask(adt("D"))), ["MSA|AA|D"]);
    lab.delivered(4);
    // Another sender takes a number of the link: the next message is numbered behind it.
    let mut other = Peer::connect(back);
    assert_eq!(expects(&other.ask(numbered("X", "5"))), ("AA".to_owned(), "5".to_owned()));
    assert_eq!(told(&lab.connect().ask(adt("E"))), ["MSA|AA|E"]);
    let out = lab.delivered(6);
    assert_eq!(out[3..], all(&[("D", "4"), ("E", "6"), ("X", "5")]));
    assert_eq!(expects(&other.ask(greeting("G", "0"))), ("AA".to_owned(), "7".to_owned()));
    lab.close();
}

/// A mapping that answers laboratory orders.
const ORL: &str = r#"
[mapping]
from = "hl7v2:2.5.1:OML_O21"
to = "hl7v2:2.5.1:ORL_O22"
[rule.PID]
each = "PID in PATIENT"
[rule.PID.set]
"PID-3[]" = "each PID-3"
"PID-5[]" = ["each PID-5", "each PID-9"]
[rule.ORC]
each = "ORC in ORDER"
[rule.ORC.set]
"ORC-1" = "'OK'"
"ORC-2" = "ORC-2"
"ORC-3.1" = "join('', 'F', ORC-2.1)"
[rule.OBR]
each = "OBR in OBSERVATION_REQUEST"
[rule.OBR.set]
"OBR-2" = "ORC-2 in ORDER"
"OBR-4" = "OBR-4"
"#;

fn order(id: &str, rest: &str) -> String {
    format!(
        "MSH|^~\\&|EMR|E|LAB|L|20260102||OML^O21^OML_O21|{id}|P|2.5.1{rest}\r\
         PID|1||9^^^A^MR||Doe^Jo\rORC|NW|P1\rOBR|1|P1||718-7^Hgb^LN\rORC|NW|P2\r\
         OBR|2|P2||2345-7^Glu^LN\r"
    )
}

/// An answer without its time and control ID.
fn steady(answer: &str) -> String {
    let mut fields: Vec<&str> = answer.split('|').collect();
    for n in [6, 9] {
        fields[n] = "*";
    }
    fields.join("|")
}

#[test]
fn questions_are_answered_by_messages_of_their_own() {
    let (site, listen) = (Site::new(), free_address());
    write_channel(&site, listen, "");
    let text = std::fs::read_to_string(site.root().join("channels/in.toml")).unwrap();
    let answer = "[answer]\nmap = [\"mappings/oml-to-orl.toml\"]\n";
    let validate = "[validate]\non_fail = \"nak\"\n";
    site.file("channels/in.toml", &format!("{text}{answer}{validate}"));
    site.file("mappings/oml-to-orl.toml", ORL);
    let lab = Lab { running: site.start(), site, listen };
    let mut peer = lab.connect();
    assert_eq!(
        steady(&peer.ask(order("1", ""))),
        "MSH|^~\\&|LAB|L|EMR|E|*||ORL^O22^ORL_O22|*|P|2.5.1\nMSA|AA|1\n\
         PID|||9^^^A^MR||Doe^Jo\nORC|OK|P1|FP1\nOBR||P1||718-7^Hgb^LN\nORC|OK|P2|FP2\n\
         OBR||P2||2345-7^Glu^LN\n"
    );
    // The commit acknowledgment is ACK; the application acknowledgment is the response.
    assert!(peer.ask(order("2", "|||AL|AL")).contains("||ACK^O21^ACK|"));
    let late = peer.hear();
    assert!(late.contains("||ORL^O22^ORL_O22|") && late.contains("MSA|AA|2\n"), "{late}");
    assert!(late.contains("ORC|OK|P2|FP2\n"), "{late}");
    // A repetition hears the same; a query without a mapping its question.
    assert!(peer.ask(order("1", "")).contains("ORC|OK|P1|FP1\n"));
    let query = |id: &str, name: &str| {
        format!(
            "MSH|^~\\&|EMR|E|LAB|L|20260102||QBP^Q22^QBP_Q21|{id}|P|2.5.1\r\
             QPD|{name}|T{id}|@PID.5.1^Doe\rRCP|I\r"
        )
    };
    assert_eq!(
        steady(&peer.ask(query("3", "Q22^Find"))),
        "MSH|^~\\&|LAB|L|EMR|E|*||RSP^K22^RSP_K21|*|P|2.5.1\nMSA|AA|3\n\
         QAK|T3|NF|Q22^Find\nQPD|Q22^Find|T3|@PID.5.1^Doe\n"
    );
    // Refused: the same message with the reason, and nothing of the mapping.
    let refused = peer.ask(query("4", ""));
    assert!(refused.contains("||RSP^K22^RSP_K21|") && refused.contains("MSA|AE|4\nERR|"));
    assert!(refused.contains("\nQAK|T4|AE\nQPD||T4|"), "{refused}");
    let refused = peer.ask(order("5", "").replace("PID|1||9^^^A^MR|", "PID|1|||"));
    assert!(refused.contains("||ORL^O22^ORL_O22|") && refused.contains("MSA|AE|5\nERR|"));
    assert!(!refused.contains("ORC|"), "{refused}");
    // What has no response of its own is acknowledged.
    assert!(peer.ask(adt("6")).contains("||ACK^"));
    lab.delivered(3);
    lab.close();
}
