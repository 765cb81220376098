//! Commands that act: what they refuse to do, and what they say of it.

#![allow(clippy::disallowed_methods, reason = "tests run real processes and sockets")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use super::{FILE_CHANNEL, exit};
use crate::support::free_address;
use crate::support::site::{Site, until, weir};

const MESSAGE: &str = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5.1\rPID|1||7\r";

#[test]
fn a_command_without_a_plan_refuses_a_dry_run() {
    let site = Site::new();
    site.file("m.hl7", MESSAGE);
    for arguments in [
        ["init", "new"].as_slice(),
        &["send", "mllp://127.0.0.1:1", "m.hl7"],
        &["test", "--bless"],
        &["schema", "--write"],
        &["alert", "mute", "old"],
        &["store", "rebuild"],
        &["run"],
    ] {
        let (_, said) = exit(&site, &[&["--dry-run"], arguments].concat(), 2);
        assert!(said.contains("--dry-run"), "{said}");
    }
    assert!(!site.root().join("new").exists() && !site.root().join(".weir").exists());
    exit(&site, &["--dry-run", "errors"], 0);
}

#[test]
fn init_speaks_json_and_says_what_a_shell_can_run() {
    let site = Site::new();
    let (out, _) = exit(&site, &["init", "my site"], 0);
    assert!(out.contains("  weir -C 'my site' check\n"), "{out}");
    assert!(out.contains(" 'my site/fixtures/adt-a08.hl7'"), "{out}");
    let (out, _) = exit(&site, &["init", "other", "--json"], 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&value["schema"], &value["directory"]), (&"weir.init.v1".into(), &"other".into()));
    assert_eq!(value["next"][0], "weir -C other check", "{value}");
}

#[test]
fn a_golden_file_is_made_by_blessing() {
    let site = Site::new();
    let test = "[[test]]\nname = \"as it came\"\ninput = \"m.hl7\"\n\
                golden = { archive = \"expected/m.hl7\" }\n";
    site.file("m.hl7", MESSAGE);
    site.file("channels/adt.toml", &(FILE_CHANNEL.replace("LISTEN", "127.0.0.1:2575") + test));
    let (_, said) = exit(&site, &["check"], 0);
    assert!(said.contains("W1043") && said.contains("weir test --bless"), "{said}");
    let (out, _) = exit(&site, &["test"], 1);
    assert!(out.contains("no such file: write it with `weir test --bless`"), "{out}");
    let (out, said) = exit(&site, &["test", "--bless"], 0);
    assert!(out.contains("0 failed") && !said.contains("W1043"), "{out}{said}");
    let written = std::fs::read_to_string(site.root().join("expected/m.hl7")).unwrap();
    assert!(written.contains("ADT^A01"), "{written}");
    exit(&site, &["test"], 0);
    exit(&site, &["check", "--deny", "warnings"], 0);
}

#[test]
fn an_address_that_is_taken_keeps_the_engine_from_starting() {
    let site = Site::new();
    site.file("channels/adt.toml", &FILE_CHANNEL.replace("LISTEN", "127.0.0.1:0"));
    let taken = TcpListener::bind(site.metrics).unwrap();
    let (_, said) = exit(&site, &["run"], 78);
    assert!(said.contains("W8905") && said.contains(&site.metrics.to_string()), "{said}");
    assert!(!said.contains("engine_started") && !site.root().join("data").exists(), "{said}");
    drop(taken);
    let path = site.root().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let long = format!("{}/weir.sock", "long".repeat(40));
    site.file("config.toml", &config.replace("weir.sock", &long));
    let (_, said) = exit(&site, &["run"], 78);
    assert!(said.contains("W8905") && said.contains("108"), "{said}");
    assert!(!said.contains("engine_started"), "{said}");
}

#[test]
fn a_replay_goes_where_it_was_told_to() {
    let site = Site::new();
    let listen = free_address().to_string();
    let second = "[destination.copy]\ntype = \"file\"\ndir = \"out2\"\n";
    site.file("channels/adt.toml", &(FILE_CHANNEL.replace("LISTEN", &listen) + second));
    site.file("m.hl7", MESSAGE);
    let _server = site.start();
    exit(&site, &["send", &format!("mllp://{listen}"), "m.hl7"], 0);
    let delivered = || site.json(&["ledger"])["total"]["delivered"] == 2;
    until("both are delivered", delivered);
    let replay = |more: &[&str], expected| {
        exit(&site, &[&["replay", "channel:adt", "--yes"], more].concat(), expected)
    };
    let (_, said) = replay(&[], 4);
    assert!(said.contains("needs a reason"), "{said}");
    let (out, _) = replay(&["--dry-run"], 0);
    assert!(out.contains("replay: 2 deliveries in adt to archive, copy, oldest"), "{out}");
    let (_, said) = replay(&["--reason", "lost"], 2);
    assert!(said.contains("archive, copy") && said.contains("--to all"), "{said}");
    let done = |more: &[&str], count: &str| {
        let (out, _) = replay(&[&["--reason", "lost"], more].concat(), 0);
        assert!(out.contains(&format!("{count} done, 0 not done")), "{out}");
        until("delivered again", delivered);
    };
    done(&["--to", "copy"], "1");
    done(&["dest:archive"], "1");
    done(&["--to", "all"], "2");
}

#[test]
fn what_a_server_does_not_know_is_said_with_its_code_and_name() {
    let site = Site::new();
    site.file("channels/adt.toml", &FILE_CHANNEL.replace("LISTEN", "127.0.0.1:0"));
    let _server = site.start();
    let (_, said) = exit(&site, &["tail", "bogus:1", "--count", "1"], 2);
    assert!(said.contains("W6030"), "{said}");
    let (_, said) = exit(&site, &["channel", "show", "nope"], 6);
    assert!(said.contains("W6905: no channel has this name: nope"), "{said}");
    let (_, said) = exit(&site, &["ledger", "channel:atd"], 6);
    assert!(said.contains("no channel is named `atd`; did you mean `adt`?"), "{said}");
    let (_, said) = exit(&site, &["ledger", "dest:nowhere"], 6);
    assert!(said.contains("no destination is named `nowhere`"), "{said}");
    exit(&site, &["ledger", "channel:a*"], 0);
    exit(&site, &["ledger", "channel:adt", "--json"], 0);
}

#[test]
fn a_sandbox_answers_as_its_channel_does() {
    let site = Site::shipped();
    let merge = "fixtures/adt-a40-merge.hl7";
    let (out, _) = exit(&site, &["explain", "adt-main", merge], 1);
    assert!(out.contains("answer AR") && out.contains("W2015"), "{out}");
    let target = format!("mllp://{}", free_address());
    let arguments = ["listen", &target, "--explain", "adt-main", "--count", "1"];
    let mut listen = weir(site.root(), &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(listen.stderr.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.contains("listening"), "{ready}");
    let (out, _) = exit(&site, &["send", &target, merge], 1);
    assert!(out.contains(": AR ") && out.contains("W2015"), "{out}");
    let out = listen.wait_with_output().unwrap().stdout;
    let out = String::from_utf8_lossy(&out).into_owned();
    assert!(out.contains("-> AR"), "{out}");
}

#[test]
fn a_batch_is_explained_as_its_channel_cuts_it() {
    let site = Site::shipped();
    let explain = ["explain", "lab-files", "fixtures/batch-oru-three.hl7"];
    let done = site.run(&explain);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(out.contains("message 1 of 3") && out.contains("message 3 of 3"), "{out}");
    let done = site.run(&[explain.as_slice(), &["--json"]].concat());
    let value: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(value["schema"], "weir.explain-batch.v1");
    assert_eq!(value["messages"].as_array().unwrap().len(), 3);
    // Another channel takes no batch.
    exit(&site, &["explain", "adt-main", "fixtures/batch-oru-three.hl7"], 1);
}
