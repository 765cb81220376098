//! Marked patients go through every path; the marks appear nowhere but where they belong.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weir::ports::Ports;
use weir::tool::client::MllpClient;
use weir::tool::receiver::Receiver;

use super::support::free_address;
use super::support::site::{Site, until};

/// What no log, metric, list, error or file of the store may show.
const MARKS: &[&str] = &[
    "Kanarienvogel",
    "Canaryname",
    "CANARYMRN",
    "900-77-0001",
    "19010203",
    "Canary Lane",
    "canary@mail",
    "CANARYNOTE",
];

fn message(control_id: &str, mrn: &str, family: &str, extra: &str) -> String {
    format!(
        "MSH|^~\\&|CARE|ELSEWHERE|WEIR|HIE|20260114083012+0100||ADT^A08^ADT_A01|{control_id}|P|2.5.1\r\
         EVN|A08|20260114083000+0100\r\
         PID|1||{mrn}^^^ELSEWHERE^MR||{family}^Kanarienvogel||19010203|F|||Canary Lane 1^^Elsewhere||+49 211 1^PRN^PH~^NET^Internet^canary@mail.example||||||900-77-0001\r\
         PV1|1|O|W1\r{extra}"
    )
}

fn search(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            for mark in MARKS {
                if memchr::memmem::find(&bytes, mark.as_bytes()).is_some() {
                    found.push(format!("{} has {mark}", path.display()));
                }
            }
        }
    }
}

#[test]
fn no_mark_of_a_patient_leaves_its_place() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let refuse = Arc::new(|body: &serde_json::Value| {
        body.to_string().contains("CANARYMRN-REFUSED").then_some(422)
    });
    let receiver = Receiver::new(refuse);
    let (fhir, serving) =
        runtime.block_on(receiver.clone().serve("127.0.0.1:0".parse().unwrap())).unwrap();
    runtime.spawn(serving);
    let site = Site::shipped();
    let listen = free_address();
    site.file(
        "sites/canary.toml",
        &format!(
            "[metrics]\nlisten = \"{}\"\n[log]\nlevel = \"trace\"\n\
             [channel.adt-main.source]\nlisten = \"{listen}\"\n\
             [channel.adt-main.destination.ehr]\nurl = \"http://{fhir}/fhir\"\n\
             [channel.lab-results]\nenabled = false\n[channel.lab-files]\nenabled = false\n\
             [channel.fhir-intake]\nenabled = false\n",
            site.metrics
        ),
    );
    site.file("config.toml", &{
        let text = fs::read_to_string(site.root().join("config.toml")).unwrap();
        text.replacen("site     = ", "site = ", 1)
    });
    let running = site.start_as(Some("canary"));
    let good = message("CANARY-1", "CANARYMRN1", "Canaryname", "NTE|1||CANARYNOTE\r");
    let refused = message("CANARY-2", "CANARYMRN-REFUSED", "Canaryname", "");
    let bad_date =
        message("CANARY-3", "CANARYMRN3", "Canaryname", "").replace("19010203", "1901XX03");
    let bad_type =
        message("CANARY-4", "CANARYMRN4", "Canaryname", "").replace("ADT^A08^ADT_A01", "ZZZ^Z99");
    let no_id = message("", "CANARYMRN5", "Canaryname", "");
    let garbage = "PID|1||CANARYMRN6||Canaryname".to_owned();
    let open_escape = message("CANARY-7", "CANARYMRN7", "Canary\\name Canaryname", "");
    runtime.block_on(async {
        let ports = Ports::system();
        let mut client = MllpClient::connect(&ports, &listen.to_string(), None).await.unwrap();
        for text in [&good, &refused, &bad_date, &bad_type, &no_id, &open_escape, &garbage] {
            let answer = client.ask(&ports, text.as_bytes(), Duration::from_secs(10)).await;
            let answer =
                answer.map(|a| String::from_utf8_lossy(&a).into_owned()).unwrap_or_default();
            for mark in MARKS {
                assert!(!answer.contains(mark), "the answer repeats {mark}: {answer}");
            }
        }
    });
    until("all is sent or dead", || site.json(&["ledger"])["total"]["waiting"] == 0);
    assert!(receiver.refused() > 0, "the planted refusal was never sent");
    let mut shown = String::new();
    for command in [
        &["status"][..],
        &["ledger"],
        &["queue", "ls"],
        &["queue", "ls", "state:dead"],
        &["channel", "ls"],
        &["channel", "show", "adt-main"],
        &["trace", "--control", "CANARY-2"],
        &["doctor"],
    ] {
        for json in [false, true] {
            let mut command = command.to_vec();
            if json {
                command.push("--json");
            }
            let done = site.run(&command);
            shown += &String::from_utf8_lossy(&done.stdout);
            shown += &String::from_utf8_lossy(&done.stderr);
        }
    }
    shown += &site.http("/metrics");
    shown += &site.http("/health/ready");
    shown += &site.log();
    assert!(running.stop().success());
    shown += &site.log();
    for mark in MARKS {
        let at = shown.find(mark).map(|at| &shown[at.saturating_sub(200)..at]);
        assert!(at.is_none(), "{mark} is shown after: {at:?}");
    }
    assert!(shown.contains("W7"), "the refusal shows its code");
    let mut found = Vec::new();
    search(&site.root().join("data/journal"), &mut found);
    search(&site.root().join("data/index"), &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
    search(&site.root().join("data/out"), &mut found);
    assert!(found.iter().any(|line| line.contains("Canaryname")), "nothing was delivered");
    // The one mark that the channel seals does not reach its destinations either.
    found.retain(|line| line.contains("900-77-0001"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}
