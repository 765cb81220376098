//! The command line as its users meet it: exit codes, JSON, closed pipes, no color.

mod act;
mod service;
mod view;
mod view_check;

use std::io::Read;
use std::process::Stdio;

use super::support::free_address;
use super::support::site::{Site, weir};

fn exit(site: &Site, arguments: &[&str], expected: i32) -> (String, String) {
    let done = site.run(arguments);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(expected), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

#[test]
fn exit_codes_are_as_documented() {
    let site = Site::new();
    exit(&site, &["--help"], 0);
    exit(&site, &["--version"], 0);
    exit(&site, &["no-such-command"], 2);
    exit(&site, &["send", "nonsense", "x"], 2);
    exit(&site, &["errors", "W2001"], 0);
    exit(&site, &["errors", "W0000"], 6);
    exit(&site, &["view", "missing.hl7"], 6);
    exit(&site, &["status"], 3);
    exit(&site, &["trace", "--patient", "1"], 4);
    exit(&site, &["-C", "nowhere", "run"], 78);
    site.file("message.hl7", "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5.1\rPID|1||7\r");
    let nobody = format!("mllp://{}", free_address());
    exit(&site, &["send", &nobody, "message.hl7"], 3);
    site.file("garbage.hl7", "hello");
    exit(&site, &["view", "garbage.hl7"], 1);
    exit(&site, &["view", "message.hl7", "--path", "PID-3"], 0);
    let (_, said) = exit(&site, &["view", "message.hl7", "--path", "PID-4"], 6);
    assert!(said.contains("nothing has a value at `PID-4`"), "{said}");
    let (_, said) = exit(&site, &["view", "--check", "id:01J"], 2);
    assert!(said.contains("weir view id:01J --reveal"), "{said}");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let site = Site::new();
    let mut child = weir(site.root(), &["errors"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{status} {said}");
    assert_eq!(said, "");
}

#[test]
fn color_is_only_for_terminals_and_never_in_json() {
    let site = Site::new();
    let (plain, _) = exit(&site, &["errors", "W2001"], 0);
    assert!(!plain.contains('\x1b'));
    let (forced, _) = exit(&site, &["--color", "always", "errors", "W2001"], 0);
    assert!(forced.contains('\x1b'));
    let (json, _) = exit(&site, &["--color", "always", "errors", "W2001", "--json"], 0);
    assert!(!json.contains('\x1b'));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["schema"], "weir.error.v1");
}

#[test]
fn completions_and_manual_are_written() {
    let site = Site::new();
    for shell in ["bash", "zsh", "fish"] {
        let (script, _) = exit(&site, &["completion", shell], 0);
        assert!(script.contains("weir"), "{shell}");
    }
    exit(&site, &["completions", "bash"], 0);
    let (page, _) = exit(&site, &["man"], 0);
    assert!(page.contains(".TH") && page.contains("weir\\-ledger") || page.contains("ledger"));
}

#[test]
fn check_reports_all_problems_at_once_with_their_lines() {
    let site = Site::new();
    site.file(
        "channels/bad.toml",
        "[channel]\nname = \"Bad Name\"\nordered = 1\n[source]\ntype = \"mlpp\"\n\
         [consent]\npolicy = \"nobody\"\non_unknwon = \"deny\"\n",
    );
    let (_, said) = exit(&site, &["check"], 1);
    for line in ["channels/bad.toml:2:", "channels/bad.toml:3:", "channels/bad.toml:5:"] {
        assert!(said.contains(line), "{line} is missing in\n{said}");
    }
    assert!(said.contains("did you mean `on_unknown`"), "{said}");
    let (json, _) = exit(&site, &["check", "--json"], 1);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(value["errors"].as_u64().unwrap() >= 4, "{value}");
    assert!(value["problems"][0]["line"].is_u64(), "{value}");
    exit(&site, &["run"], 78);
}

#[test]
fn init_writes_a_tree_that_checks_and_passes_its_tests() {
    let site = Site::shipped();
    exit(&site, &["init", "."], 1);
    let (out, err) = exit(&site, &["check", "--deny", "warnings"], 0);
    assert!(out.contains("no problems"), "{out}{err}");
    let (out, _) = exit(&site, &["test"], 0);
    assert!(out.contains(" 0 failed"), "{out}");
    exit(&site, &["test", "-k", "no such test"], 6);
    exit(&site, &["explain", "adt-main", "fixtures/adt-a08.hl7"], 0);
    exit(&site, &["explain", "nobody", "fixtures/adt-a08.hl7"], 6);
    let explain = |name: &str, code| {
        let file = format!("fixtures/fhir-{name}.json");
        let (out, _) = exit(&site, &["explain", "fhir-intake", &file], code);
        out
    };
    let out = explain("patient", 0);
    assert!(out.contains("create:Patient") && out.contains("answer accepted"), "{out}");
    assert!(explain("transaction", 0).contains("transaction:Patient"));
    let out = explain("patient-bad-gender", 1);
    assert!(out.contains("answer refused") && out.contains("Patient.gender"), "{out}");
    assert!(!out.contains("Okafor"), "{out}");
    let out = explain("group", 1);
    assert!(out.contains("create:Group") && out.contains("answer refused"), "{out}");
    let only = |path| ["explain", "adt-main", "fixtures/adt-a08.hl7", "--only", path];
    exit(&site, &only("birthDate"), 0);
    let (_, said) = exit(&site, &only("birthdaet"), 6);
    assert!(said.contains("did you mean `") && said.contains("birthDate`"), "{said}");
    exit(&site, &only("birthdaet").into_iter().chain(["--json"]).collect::<Vec<_>>(), 6);
    exit(&site, &["schema", "--write"], 0);
    assert!(site.root().join(".weir/schema/channel.json").exists());
}

/// Takes MLLP messages one a connection: answers and closes, `count` times.
#[allow(clippy::disallowed_methods, reason = "tests bind real ports")]
fn closing_peer(count: usize) -> (std::net::SocketAddr, std::thread::JoinHandle<usize>) {
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let task = std::thread::spawn(move || {
        (0..count)
            .map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut got = Vec::new();
                let mut byte = [0];
                while !got.ends_with(b"\x1c\r") && stream.read(&mut byte).unwrap() == 1 {
                    got.push(byte[0]);
                }
                let ack = b"\x0bMSH|^~\\&|B|B|A|A|20260101||ACK|9|P|2.5.1\rMSA|AA|1\r\x1c\r";
                stream.write_all(ack).unwrap();
            })
            .count()
    });
    (address, task)
}

#[test]
fn send_connects_again_when_the_peer_closes_between_messages() {
    let site = Site::new();
    site.file("message.hl7", "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5.1\rPID|1||7\r");
    let (address, peer) = closing_peer(3);
    let to = format!("mllp://{address}");
    let (out, _) = exit(&site, &["send", &to, "message.hl7", "--count", "3"], 0);
    assert_eq!(out.matches("AA").count(), 3, "{out}");
    assert_eq!(peer.join().unwrap(), 3);
}

const FILE_CHANNEL: &str = "[channel]\nname = \"adt\"\n[source]\ntype = \"mllp\"\n\
    listen = \"LISTEN\"\n[consent]\npolicy = \"none\"\nwhy = \"a test\"\n\
    [destination.archive]\ntype = \"file\"\ndir = \"out\"\n";

#[test]
fn a_message_is_replayed_to_a_destination_it_never_had() {
    let site = Site::new();
    let listen = free_address().to_string();
    let before = FILE_CHANNEL.replace("LISTEN", &listen);
    site.file("channels/adt.toml", &before);
    let _server = site.start();
    for id in ["N1", "N2"] {
        let text = format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|{id}|P|2.5.1\rPID|1||7\r");
        site.file("m.hl7", &text);
        exit(&site, &["send", &format!("mllp://{listen}"), "m.hl7"], 0);
    }
    let counts = |destination: &str| {
        let value = site.json(&["ledger", &format!("dest:{destination}")]);
        let row = &value["rows"][0];
        (row["committed"].as_u64().unwrap_or(0), row["delivered"].as_u64().unwrap_or(0))
    };
    let wait = |destination: &str, expected: (u64, u64)| {
        // Each look starts a process, which takes its time.
        let came = (0..1000).any(|_| counts(destination) == expected);
        assert!(came, "{:?}", counts(destination));
    };
    wait("archive", (2, 2));
    // A destination that comes later, and takes some of the messages only.
    let late = "[destination.late]\ntype = \"file\"\ndir = \"late\"\n\
                when = \"MSH-10 = 'N1'\"\n";
    site.file("channels/adt.toml", &format!("{before}{late}"));
    exit(&site, &["reload"], 0);
    let replay = ["replay", "channel:adt", "--to", "late", "--yes", "--reason", "joined"];
    // One is sent; the condition keeps the other back.
    let (out, said) = exit(&site, &replay, 5);
    assert!(out.contains("W6908") && out.contains("a condition of the channel"), "{out}{said}");
    wait("late", (1, 1));
    let files = std::fs::read_dir(site.root().join("late")).unwrap();
    let texts: Vec<String> =
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(texts.len() == 1 && texts[0].contains("|N1|"), "{texts:?}");
    // It is a message of its own, with the first as its parent, and goes there once a replay.
    let traced = site.json(&["trace", "--control", "N1"]);
    let messages = traced["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "{traced}");
    let child = messages.iter().find(|message| !message["parent"].is_null()).unwrap();
    assert_eq!(child["deliveries"][0]["destination"], "late");
    let parent = messages.iter().find(|message| message["parent"].is_null()).unwrap();
    assert_eq!(child["parent"], parent["message"]);
    exit(&site, &["replay", "control:N1", "--to", "late", "--yes", "--reason", "again"], 0);
    wait("late", (1, 1));
    assert_eq!(counts("archive"), (2, 2));
}

#[test]
fn what_a_server_is_asked_is_answered_at_once_and_whole() {
    let site = Site::new();
    let listen = free_address().to_string();
    site.file("channels/adt.toml", &FILE_CHANNEL.replace("LISTEN", &listen));
    let _server = site.start();
    let message =
        |id: &str| format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A01|{id}|P|2.5.1\rPID|1||7\r");
    let ids = ["plain", "a,b", "x -y:z", "say \"hi\""];
    let all: Vec<String> = ids.iter().map(|id| message(id)).collect();
    for (at, text) in all.iter().enumerate() {
        site.file(&format!("m{at}.hl7"), text);
    }
    let to = format!("mllp://{listen}");
    exit(&site, &["send", &to, "m0.hl7", "m1.hl7", "m2.hl7", "m3.hl7"], 0);
    // A destination that nobody has is refused before anything is searched or asked.
    let typo = ["replay", "channel:adt", "--to", "archvie", "--yes", "--reason", "a test"];
    let (_, said) = exit(&site, &typo, 6);
    assert!(said.contains("W6906") && said.contains("did you mean `archive`"), "{said}");
    // Cells are values, whatever they would mean in a filter.
    let csv = "control_id\nplain\n\"a,b\"\nx -y:z\n\"say \"\"hi\"\"\"\n\"-state:dead\"\n";
    site.file("sent.csv", csv);
    let (out, _) = exit(&site, &["ledger", "--against", "sent.csv", "--json"], 1);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["listed"], 5, "{value}");
    assert_eq!(value["missing"], serde_json::json!(["-state:dead"]), "{value}");
    // More rows than the server gives at a time are read page by page.
    exit(&site, &["send", &to, "m0.hl7", "--count", "1100"], 0);
    let every = "state:waiting,delivered,dead";
    let (out, _) = exit(&site, &["queue", "ls", every, "--limit", "5000", "--json"], 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["rows"].as_array().unwrap().len(), 1104);
    assert!(value["next"].is_null());
    let (out, said) = exit(&site, &["queue", "ls", every, "--limit", "1050"], 0);
    assert_eq!(out.lines().count(), 1051);
    assert!(said.contains("only the first 1050"), "{said}");
    // So are journeys; the ids of one minute begin alike.
    let begin = &value["rows"][0]["message"].as_str().unwrap()[..6];
    let (out, said) = exit(&site, &["trace", begin], 0);
    assert_eq!(out.matches("answered AA").count(), 100, "{said}");
    assert!(said.contains("only the newest 100"), "{said}");
    let (out, _) = exit(&site, &["trace", begin, "--limit", "250", "--json"], 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["messages"].as_array().unwrap().len(), 250);
    assert_eq!(value["more"], true);
    let (_, said) = exit(&site, &["trace", begin, "--limit", "2000"], 0);
    assert!(said.is_empty(), "{said}");
}
