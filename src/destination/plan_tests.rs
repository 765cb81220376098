//! What settings become, and what each kind owes to the table.

use std::time::Duration;

use super::*;
use crate::fault::Problems;
use crate::settings::{Document, SecretRef, SourceFile};

/// Reads the lines of a `[destination.X]`: its plan, and the codes and lines of problems.
fn read_text(text: &str) -> (Option<DestinationPlan>, Vec<String>) {
    let mut problems = Problems::new();
    let document = Document::parse(SourceFile::new("test.toml", text), &mut problems);
    let mut table = document.root(&mut problems);
    let plan = read(&mut table);
    table.finish();
    let told = problems.iter().map(|problem| {
        let place = problem.fault.place().file.as_ref();
        let line = place.map_or(0, |place| place.line);
        format!("{}:{line}", problem.fault.code())
    });
    (plan, told.collect())
}

#[test]
fn good_settings_become_plans() {
    let check = |text: &str, kind: &str, target: &str| {
        let (plan, problems) = read_text(text);
        assert_eq!(problems, [""; 0], "{text}");
        let plan = plan.unwrap();
        assert_eq!((plan.kind_name(), plan.target().as_str()), (kind, target));
        assert_eq!(read_text(text).0, Some(plan), "equal settings are equal plans");
    };
    check("type = \"mllp\"\nconnect = \"lis.example:6661\"\n", "mllp", "lis.example:6661");
    check(
        "type = \"fhir\"\nurl = \"https://fhir.example/r4/\"\n",
        "fhir",
        "https://fhir.example/r4",
    );
    let batch = "batch = { max = 256, wait = \"5s\" }\n";
    check(&format!("type = \"fhir\"\nurl = \"https://a\"\n{batch}"), "fhir", "https://a");
    check("type = \"file\"\ndir = \"out\"\nname = \"{type}-{message_id}.hl7\"\n", "file", "out");
    let text = "type = \"mllp\"\nconnect = \"lis.example:6661\"\nack_timeout = \"45s\"\n\
                tls = { ca = \"ca.pem\", cert = \"a.pem\", key = \"cred:a\" }\n";
    let plan = read_text(text).0.unwrap();
    assert_eq!(plan.answer_timeout(), Some(Duration::from_secs(45)));
    let text = "type = \"fhir\"\nurl = \"https://a\"\n\
                auth = { type = \"smart-backend\", client_id = \"weir\", key = \"cred:jwk\" }\n";
    let Some(DestinationPlan::Fhir(plan)) = read_text(text).0 else { unreachable!() };
    assert_eq!(
        plan.auth,
        Auth::SmartBackend {
            client_id: "weir".into(),
            key: SecretRef::Cred("jwk".into()),
            token_url: None,
            scope: "system/*.*".into()
        }
    );
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let check = |text: &str, expected: &[&str]| {
        let (plan, mut problems) = read_text(text);
        problems.sort();
        assert_eq!(problems, expected, "{text}");
        assert!(plan.is_none() || !expected.is_empty());
    };
    let mllp = "type = \"mllp\"\nconnect = \"a:1\"\n";
    check(&format!("{mllp}charset = \"ebcdic\"\n"), &["W1011:3"]);
    check(&format!("{mllp}charset = \"UNICODE UTF-16\"\n"), &["W1011:3"]);
    check(&format!("{mllp}unfit = \"hex\"\n"), &["W1011:3"]);
    check(&format!("{mllp}sequence = 1\n"), &["W1011:3"]);
    check(&format!("{mllp}charset = \"8859/1\"\nunfit = \"drop\"\n"), &["W1013:4"]);
    check("", &["W1010:1"]);
    check("type = \"mlpp\"\n", &["W1040:1"]);
    check("type = \"mllp\"\n", &["W1010:1"]);
    check("type = \"mllp\"\nconnect = \"lis\"\n", &["W7505:2"]);
    check("type = \"mllp\"\nconnect = \"a:1\"\ntls = { cert = \"a\" }\n", &["W1010:3"]);
    check("type = \"fhir\"\nurl = \"fhir.example\"\n", &["W7505:2"]);
    for (batch, problems) in [
        ("{ max = 1 }", &["W1021:3"][..]),
        ("{ max = 257, wait = \"6s\" }", &["W1021:3", "W1021:3"]),
        ("{ wait = \"0s\" }", &["W1021:3"]),
        ("{ size = 2 }", &["W1012:3"]),
        ("{ max = 2 }\nrespond_async = true", &["W1011:3"]),
    ] {
        check(&format!("type = \"fhir\"\nurl = \"https://a\"\nbatch = {batch}\n"), problems);
    }
    check("type = \"fhir\"\nurl = \"https://a\"\nauth = { type = \"oauth\" }\n", &["W1013:3"]);
    check("type = \"fhir\"\nurl = \"https://a\"\nauth = { type = \"bearer\" }\n", &["W1010:3"]);
    check(
        "type = \"fhir\"\nurl = \"https://a\"\nauth = { type = \"bearer\", token = \"abc\" }\n",
        &["W1031:3"],
    );
    check(
        "type = \"fhir\"\nurl = \"https://a\"\nauth = { type = \"none\", token = \"env:A\" }\n",
        &["W1012:3"],
    );
    check("type = \"file\"\ndir = \"out\"\nname = \"same.hl7\"\n", &["W1011:3"]);
    check("type = \"records\"\ncollection = \"A b\"\n", &["W1011:2"]);
}

#[test]
fn every_kind_keeps_its_promises() {
    assert_eq!(KIND_ROWS.len(), KINDS.len());
    for (kind, row) in KINDS.iter().zip(KIND_ROWS) {
        assert_eq!(kind.row.name, row.name);
        assert!(row.about.ends_with('.'), "{}: a sentence", row.name);
        let mut names: Vec<&str> = row.keys.iter().map(|key| key.name).collect();
        for key in row.keys {
            assert!(key.about.ends_with('.'), "{}.{}: a sentence", row.name, key.name);
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}: a key twice", row.name);
        let (plan, problems) = read_text(&format!("type = \"{}\"\n", row.name));
        // weir's own record store needs no address.
        let needs_more = row.name != "records";
        assert_eq!(plan.is_none() && !problems.is_empty(), needs_more, "{}", row.name);
    }
}

/// What no kind may send is refused for good, whatever the kind, without connecting.
#[tokio::test]
async fn bodies_that_do_not_suit_are_permanent_faults() {
    use crate::message::ContentKind;
    let ports = Ports::system();
    for text in [
        "type = \"mllp\"\nconnect = \"127.0.0.1:1\"\n",
        "type = \"fhir\"\nurl = \"http://127.0.0.1:1\"\n",
    ] {
        let mut destination = read_text(text).0.unwrap().build(&ports);
        let delivery = tests::delivery("x", ContentKind::Raw);
        let error = destination.deliver(&delivery).await.unwrap_err();
        assert_eq!(error.fault.class(), crate::fault::Class::Permanent, "{text}");
        destination.close().await;
    }
}
