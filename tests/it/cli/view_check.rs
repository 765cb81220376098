//! `weir view --check` over a folder: what people and programs are told, and the exit codes.

use super::super::support::site::Site;
use super::exit;

const CLEAN: &str = "MSH|^~\\&|A|B|C|D|20260102030405||ADT^A01^ADT_A01|1|P|2.5.1\r\
    EVN||20260102030405\rPID|1||7^^^H^MR||Doe^Jane||19800229|F\rPV1|1|I\r";

/// Messages of several versions and types, with and without mistakes, and files that are none.
fn site() -> Site {
    let site = Site::new();
    site.file("in/a-clean.hl7", CLEAN);
    site.file(
        "in/b-old.hl7",
        "MSH|^~\\&|A|B|C|D|20260102||ADT^A04|2|P|2.3\rEVN|A04|20260102\r\
         PID|1||7||Doe^Jane||1980|F\rPV1|1|O\r",
    );
    // A date that is none, a code of no table, a field too much, segments out of place.
    site.file(
        "in/c-result.hl7",
        "MSH|^~\\&|A|B|C|D|20260102||ORU^R01^ORU_R01|3|P|2.5.1\r\
         PID|1||7^^^H^MR||Doe^Jane||19800230|Q\rOBR|1||F1|1^Panel^L\r\
         OBX|1|NM|1^Sodium^L||high|||||||||||||||||||||||||x\rAL1|1|DA|1^a^L\rZLB|1|x\r",
    );
    // Two messages in one file, as they come over the wire; the second lacks its patient.
    let second =
        CLEAN.replace("|1|P|", "|4|P|").replace("PID|1||7^^^H^MR||Doe^Jane||19800229|F\r", "");
    site.file("in/deep/d-two.hl7", &format!("\u{b}{CLEAN}{second}"));
    site.file("in/deep/e-broken.hl7", "MSH|");
    site.file("in/notes.txt", "nothing of HL7");
    site
}

/// Without the path of the temporary folder.
fn plain(site: &Site, text: &str) -> String {
    text.replace(&format!("{}/", site.root().display()), "")
}

#[test]
fn people_are_told_place_and_cause() {
    let site = site();
    let (out, err) = exit(&site, &["view", "--check", "in"], 1);
    assert_eq!(err, "");
    assert!(!out.contains("Doe") && !out.contains("high"), "{out}");
    insta::assert_snapshot!(plain(&site, &out));
}

#[test]
fn programs_are_told_the_same() {
    let site = site();
    let (out, _) = exit(&site, &["view", "--check", "in", "-o", "json"], 1);
    let report: serde_json::Value = serde_json::from_str(&plain(&site, &out)).unwrap();
    assert_eq!(report["schema"], "weir.check.v1");
    let messages = report["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 6);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report["summary"]).unwrap());
    let second = &messages[4];
    assert_eq!((&second["file"], &second["number"]), (&"in/deep/d-two.hl7".into(), &2.into()));
    insta::assert_snapshot!(serde_json::to_string_pretty(second).unwrap());
    // Each finding that is counted is listed.
    let counted = report["summary"]["findings"].as_array().unwrap();
    let counted: u64 = counted.iter().map(|row| row["found"].as_u64().unwrap()).sum();
    let listed: usize = messages.iter().map(|m| m["findings"].as_array().unwrap().len()).sum();
    assert_eq!(counted, listed as u64);
}

#[test]
fn exit_codes_say_whether_there_is_an_error() {
    let site = site();
    exit(&site, &["view", "--check", "in/a-clean.hl7"], 0);
    let (out, _) = exit(&site, &["view", "--check", "in/a-clean.hl7", "in/b-old.hl7"], 0);
    assert!(out.contains("2 messages in 2 files, 2 without an error"), "{out}");
    exit(&site, &["view", "--check", "in/c-result.hl7"], 1);
    exit(&site, &["view", "--check", "in/deep/e-broken.hl7"], 1);
    exit(&site, &["view", "--check", "nowhere"], 6);
    exit(&site, &["view", "--check"], 2);
}

#[test]
fn definitions_of_the_site_count_and_name() {
    let site = site();
    let config = std::fs::read_to_string(site.root().join("config.toml")).unwrap();
    site.file("config.toml", &config.replace("[weir]\n", "[weir]\nhl7 = [\"hl7/*.toml\"]\n"));
    site.file(
        "hl7/lab.toml",
        "[segment.ZLB]\nname = \"Lab Bench\"\nafter = \"OBX\"\n\
         fields = [\"Set ID:SI required\", \"Bench:IS table=BENCH\", \"At:DTM required\"]\n\
         [table.BENCH]\ncodes = { B1 = \"Chemistry\", x = \"The big one\" }\n\
         [table.0001]\ncodes = { Q = \"Not told\" }\n",
    );
    let (out, _) = exit(&site, &["view", "--check", "in/c-result.hl7"], 1);
    assert!(out.contains("At: the field is required and empty"), "{out}");
    assert!(!out.contains("PID-8"), "the site has the code: {out}");
    let (out, _) = exit(&site, &["view", "in/c-result.hl7"], 0);
    assert!(out.contains("ZLB  Lab Bench") && out.contains("(The big one)"), "{out}");
    // A mistake elsewhere does not take the names away.
    site.file("channels/bad.toml", "[channel]\nname = 7\n");
    let (out, _) = exit(&site, &["view", "in/c-result.hl7", "-o", "json"], 0);
    assert!(out.contains("\"meaning\":\"The big one\""), "{out}");
}
