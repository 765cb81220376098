//! What settings become, and what each kind owes to the table.

use std::time::Duration;

use super::*;
use crate::channel::AckMode;
use crate::fault::{Problems, Severity};
use crate::settings::{Document, SourceFile};

/// Reads the lines of a `[source]` table: its plan, and the codes and causes of problems.
fn read_text(text: &str) -> (Option<SourcePlan>, Vec<String>) {
    let mut problems = Problems::new();
    let document = Document::parse(SourceFile::new("test.toml", text), &mut problems);
    let plan = read(document.root(&mut problems));
    assert!(problems.iter().all(|problem| problem.severity == Severity::Error));
    let told = problems.iter().map(|problem| {
        let place = problem.fault.place().file.as_ref();
        let line = place.map_or(0, |place| place.line);
        format!("{}:{line}", problem.fault.code())
    });
    (plan, told.collect())
}

#[test]
fn good_settings_become_plans() {
    let check = |text: &str, expected: SourcePlan| {
        assert_eq!(read_text(text), (Some(expected), vec![]), "{text}");
    };
    let address = "0.0.0.0:2575".parse().unwrap();
    check(
        "type = \"mllp\"\nlisten = \"0.0.0.0:2575\"\n",
        SourcePlan { common: Common::default(), kind: SourceKind::Mllp(MllpPlan::new(address)) },
    );
    let (plan, problems) = read_text(
        "type = \"mllp\"\nlisten = \"0.0.0.0:2575\"\naccept = [\"ADT^A01\"]\n\
         allow = [\"10.20.0.0/16\"]\nack_mode = \"enhanced\"\nframing = \"lenient\"\n\
         idle_timeout = \"1h\"\nmax_size = \"20 MiB\"\ncharset = \"8859/1\"\n\
         tls = { cert = \"a.crt\", key = \"cred:mllp-key\", client_ca = \"ca.crt\" }\n",
    );
    assert_eq!(problems, [""; 0]);
    let plan = plan.unwrap();
    assert_eq!(plan.common.tolerance, crate::hl7v2::Tolerances::USUAL);
    assert!(plan.common.tls.is_some() && plan.common.allow.len() == 1);
    assert_eq!(plan.common.charset, Charset::Always("8859/1".into()));
    assert_eq!(plan.common.charset.set(), Some(crate::hl7v2::Charset::Latin1));
    assert_eq!(plan.listen(), Some(address));
    let SourceKind::Mllp(mllp) = plan.kind else { unreachable!() };
    assert_eq!(mllp.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(mllp.ack_mode, AckMode::Enhanced);

    let app_ack = |text: &str| {
        let text = format!("type = \"mllp\"\nlisten = \"0.0.0.0:2575\"\n{text}");
        let (plan, problems) = read_text(&text);
        let kind = plan.map(|plan| plan.kind);
        let app_ack = match kind {
            Some(SourceKind::Mllp(mllp)) => mllp.app_ack,
            _ => None,
        };
        (app_ack.map(|to| (to.connect, to.tls.map(|tls| tls.ca.is_some()))), problems.join(" "))
    };
    let to = |port: &str, tls| Some((format!("emr:{port}").into(), tls));
    for (text, expected, problems) in [
        ("", None, ""),
        ("app_ack = \"mllp://emr:2600\"", to("2600", None), ""),
        ("app_ack = \"mllps://emr:2601\"", to("2601", Some(false)), ""),
        (
            "app_ack = \"mllps://emr:2601\"\napp_ack_tls = { ca = \"ca.crt\" }",
            to("2601", Some(true)),
            "",
        ),
        (
            "app_ack = \"mllp://emr:2600\"\napp_ack_tls = { ca = \"ca.crt\" }",
            to("2600", None),
            "W1021:4",
        ),
        ("app_ack_tls = { ca = \"ca.crt\" }", None, "W1021:3"),
        ("app_ack = \"http://emr:2600\"", None, "W1021:3"),
        ("app_ack = \"emr:2600\"", None, "W1021:3"),
    ] {
        assert_eq!(app_ack(text), (expected, problems.to_owned()), "{text}");
    }

    let (plan, problems) = read_text(
        "type = \"mllp\"\nlisten = \"0.0.0.0:2575\"\nencoding = \"any\"\n\
         sequence = \"check\"\ncontinuation = \"join\"\n",
    );
    assert_eq!(problems, [""; 0]);
    let plan = plan.unwrap();
    assert_eq!(plan.common.encoding, Encoding::Any);
    let SourceKind::Mllp(mllp) = plan.kind else { unreachable!() };
    assert_eq!(mllp.sequence, Sequence::Check);
    assert_eq!(mllp.continuation, Some(Duration::from_secs(600)));

    let (plan, problems) = read_text(
        "type = \"file\"\ndir = \"in\"\nmatch = \"*.hl7\"\nready = \"*.done\"\n\
         split = \"hl7-batch\"\nthen = { move = \"done\" }\ndedup = \"24h\"\n\
         ack_dir = \"acks\"\n",
    );
    assert_eq!(problems, [""; 0]);
    let SourceKind::File(file) = plan.unwrap().kind else { unreachable!() };
    assert_eq!(file.ready, Ready::Marker(".done".into()));
    assert_eq!(file.then, Then::Move("done".into()));
    assert_eq!(file.ack_dir.as_deref(), Some(std::path::Path::new("acks")));
}

#[test]
fn tolerances_are_listed_added_and_taken_away() {
    let check = |list: &str, expected: &str| {
        let (plan, problems) =
            read_text(&format!("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ntolerance = {list}\n"));
        assert_eq!(problems, [""; 0], "{list}");
        assert_eq!(plan.unwrap().common.tolerance.to_string(), expected, "{list}");
    };
    let usual = crate::hl7v2::Tolerances::USUAL.to_string();
    check("[]", "");
    check("[\"crlf\", \"no-final-cr\"]", "crlf, no-final-cr");
    check("[\"usual\"]", &usual);
    check("[\"-lf\"]", &usual.replace(", lf,", ","));
    check("[\"all\", \"-leading-text\", \"-lower-case-msh\", \"-many-delimiters\"]", &usual);
    let (_, problems) = read_text(
        "type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ntolerance = [\"trailing-txt\", \"x\"]\n",
    );
    assert_eq!(problems, ["W1011:3"]);
}

#[test]
fn mistakes_are_told_with_their_lines_and_all_at_once() {
    let check = |text: &str, expected: &[&str]| {
        let (_, mut problems) = read_text(text);
        problems.sort();
        assert_eq!(problems, expected, "{text}");
    };
    check("", &["W1010:1"]);
    check("type = \"mlp\"\n", &["W1040:1"]);
    check("type = \"mllp\"\n", &["W1010:1"]);
    check("type = \"mllp\"\nlisten = \"x\"\nallow = [\"10.0.0.1/8\"]\n", &["W1011:2", "W1011:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\nframe_timeout = \"0s\"\n", &["W1021:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\nmax_size = \"2 GiB\"\n", &["W1021:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\nmax_connections = 0\n", &["W1021:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ncharset = \"ebcdic\"\n", &["W1011:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ndir = \"x\"\n", &["W1012:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\nencoding = \"json\"\n", &["W1013:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\nsequence = true\n", &["W1011:3"]);
    check("type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ncontinuation_timeout = \"1m\"\n", &["W1011:3"]);
    check(
        "type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ncontinuation = \"join\"\n\
         continuation_timeout = \"0s\"\n",
        &["W1021:4"],
    );
    let file = "type = \"file\"\ndir = \"in\"\nthen = { delete = true }\n";
    check(&format!("{file}ack_dir = \"in\"\n"), &["W1011:4"]);
    check(&format!("{file}split = \"ndjson\"\nack_dir = \"acks\"\n"), &["W1011:5"]);
    check(&format!("{file}split = \"hl7-batch\"\nencoding = \"any\"\n"), &["W1011:5"]);
    check(&format!("{file}split = \"lines\"\nencoding = \"xml\"\n"), &["W1011:5"]);
    check("type = \"file\"\ndir = \"in\"\n", &["W1014:1"]);
    check("type = \"file\"\ndir = \"in\"\nthen = { move = \"in\" }\n", &["W1011:3"]);
    check("type = \"file\"\ndir = \"in\"\nthen = {}\n", &["W1011:3"]);
    check("type = \"file\"\ndir = \"in\"\nthen = { delete = true, move = \"x\" }\n", &["W1011:3"]);
    check(
        "type = \"file\"\ndir = \"in\"\nthen = { delete = true }\nready = \"done\"\nallow = []\n",
        &["W1012:5", "W1022:4"],
    );
    check(
        "type = \"mllp\"\nlisten = \"0.0.0.0:1\"\ntls = { cert = \"a\", key = \"hunter2\" }\n",
        &["W1031:3"],
    );
}

#[test]
fn every_kind_keeps_its_promises() {
    assert_eq!(KIND_ROWS.len(), KINDS.len());
    for (kind, row) in KINDS.iter().zip(KIND_ROWS) {
        assert_eq!(kind.row.name, row.name);
        assert!(row.about.ends_with('.'), "{}: a sentence", row.name);
        let mut names: Vec<&str> =
            KEYS.iter().chain(row.keys).map(|key| key.name).chain(["type"]).collect();
        for key in row.keys {
            assert!(key.about.ends_with('.'), "{}.{}: a sentence", row.name, key.name);
            assert!(!key.looks_like.is_empty(), "{}.{}", row.name, key.name);
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}: a key twice", row.name);
        assert_eq!(names.contains(&"allow"), kind.listens, "{}", row.name);
        // Without a key the kind is told about what it requires, and gives no plan.
        let (plan, problems) = read_text(&format!("type = \"{}\"\n", row.name));
        assert!(plan.is_none() && !problems.is_empty(), "{}", row.name);
    }
}
