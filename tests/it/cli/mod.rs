//! The command line as its users meet it: exit codes, JSON, closed pipes, no color.

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
    exit(&site, &["view", "message.hl7", "--path", "PID-4"], 6);
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
    exit(&site, &["schema", "--write"], 0);
    assert!(site.root().join(".weir/schema/channel.json").exists());
}
