//! Settings, and answers of destinations as senders hear them.

use super::*;
use crate::fault::Problems;
use crate::settings::{Document, SourceFile};
use crate::source::{self, SourceKind};

fn read_text(lines: &str) -> (Option<FhirPlan>, String) {
    let text = format!("type = \"fhir\"\nlisten = \"127.0.0.1:0\"\n{lines}");
    let mut problems = Problems::new();
    let document = Document::parse(SourceFile::new("test.toml", text), &mut problems);
    let plan = source::read(document.root(&mut problems));
    let told: Vec<String> = problems
        .iter()
        .map(|problem| {
            let line = problem.fault.place().file.as_ref().map_or(0, |place| place.line);
            format!("{}:{line}", problem.fault.code())
        })
        .collect();
    let plan = plan.and_then(|plan| match plan.kind {
        SourceKind::Fhir(plan) => Some(plan),
        _ => None,
    });
    (plan, told.join(" "))
}

#[test]
fn settings_become_plans() {
    let check = |lines: &str, problems: &str, change: &dyn Fn(&mut FhirPlan)| {
        let mut expected = FhirPlan::new("127.0.0.1:0".parse().unwrap());
        change(&mut expected);
        let (plan, told) = read_text(lines);
        assert_eq!(told, problems, "{lines}");
        if problems.is_empty() {
            assert_eq!(plan, Some(expected), "{lines}");
        }
    };
    check("", "", &|_| {});
    check("path = \"/\"", "", &|plan| plan.path = "".into());
    check("path = \"/hospital/r4/\"", "", &|plan| plan.path = "/hospital/r4".into());
    check("reply = \"after-delivery\"", "", &|plan| plan.reply = ReplyWhen::AfterDelivery);
    check("reply = \"after-delivery\"\nreply_from = \"store\"", "", &|plan| {
        plan.reply = ReplyWhen::AfterDelivery;
        plan.reply_from = Some(DestinationName::parse("store").unwrap());
    });
    check("reply_from = \"store\"", "W1011:3", &|_| {});
    check("reply = \"after-delivery\"\nreply_from = \"a b\"", "W1011:4", &|_| {});
    check("operators = [\"lab\"]", "W1011:3", &|_| {});
    let keys = "auth = { type = \"api-key\", client = { lab = { keys = [\"cred:k\"] } } }";
    check(&format!("{keys}\noperators = [\"lap\"]"), "W1011:4", &|_| {});
    check("records = \"main\"", "", &|plan| plan.records = Some("main".into()));
    check("body_timeout = \"5s\"\nmax_connections = 7", "", &|plan| {
        plan.body_timeout = Duration::from_secs(5);
        plan.max_connections = 7;
    });
    check("public_url = \"https://fhir.example/r4\"", "", &|plan| {
        plan.public_url = Some(Url::parse("https://fhir.example/r4").unwrap());
    });
    for path in ["fhir", "/a b", "/../x", "//", "/a//b", "/a?b", ""] {
        let expected = if path == "//" { "" } else { "W1011:3" };
        let (_, told) = read_text(&format!("path = \"{path}\""));
        assert_eq!(told, expected, "{path}");
    }
    check("public_url = \"fhir.example\"", "W7505:3", &|_| {});
    check("reply = \"later\"\nidle_timeout = \"0s\"", "W1013:3 W1021:4", &|_| {});
    check("max_connections = 0\nwrite_timeout = \"0s\"", "W1021:4 W1021:3", &|_| {});
}
