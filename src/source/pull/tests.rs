//! What the settings of these sources become, and what is told of mistakes in them.

use std::time::Duration;

use super::{BulkPlan, Export, SubscriptionPlan};
use crate::fault::Problems;
use crate::fhir::rest::Id;
use crate::ports::http::Url;
use crate::settings::{Document, SourceFile};
use crate::source::{self, SourceKind};

fn read(lines: &str) -> (Option<BulkPlan>, String) {
    let text = format!("type = \"fhir-bulk\"\nurl = \"https://fhir.example/r4/\"\n{lines}\n");
    let (kind, told) = read_text(&text);
    let plan = kind.and_then(|kind| match kind {
        SourceKind::FhirBulk(plan) => Some(plan),
        _ => None,
    });
    (plan, told)
}

fn read_text(text: &str) -> (Option<SourceKind>, String) {
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
    (plan.map(|plan| plan.kind), told.join(" "))
}

#[test]
fn settings_become_plans() {
    let check = |lines: &str, change: &dyn Fn(&mut BulkPlan)| {
        let mut expected = BulkPlan::new(Url::parse("https://fhir.example/r4").unwrap());
        change(&mut expected);
        assert_eq!(read(lines), (Some(expected), String::new()), "{lines}");
    };
    check("", &|_| {});
    check("export = \"patient\"", &|plan| plan.export = Export::Patient);
    check("export = \"group/g-1\"", &|plan| {
        plan.export = Export::Group(Id::parse("g-1").unwrap());
    });
    check("every = \"1h\"\ntypes = [\"Patient\"]", &|plan| {
        plan.every = Some(Duration::from_secs(3600));
        plan.types = vec!["Patient".into()];
    });
    check("since = \"2026-01-01\"", &|plan| plan.since = Some("2026-01-01T00:00:00Z".into()));
    check("since = \"2026-01-01T08:00:00+01:00\"", &|plan| {
        plan.since = Some("2026-01-01T08:00:00+01:00".into());
    });
    check("filters = [\"Observation?status=final\"]", &|plan| {
        plan.filters = vec!["Observation?status=final".into()];
    });
    check(
        "hosts = [\"https://A.example\"]\ntoken_hosts = [\"https://b.example:8443/\"]",
        &|plan| {
            plan.hosts = vec![Url::parse("https://a.example").unwrap()];
            plan.token_hosts = vec![Url::parse("https://b.example:8443").unwrap()];
        },
    );
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let check = |lines: &str, expected: &str| assert_eq!(read(lines).1, expected, "{lines}");
    check("export = \"everything\"", "W1011:3");
    check("export = \"group/\"", "W1011:3");
    check("export = \"group/../x\"", "W1011:3");
    check("types = [\"Patient\", \"Pateint\"]", "W1011:3");
    check("filters = [\"Observation\"]", "W1011:3");
    check("filters = [\"Nothing?a=b\"]", "W1011:3");
    check("since = \"yesterday\"", "W1011:3");
    check("since = \"2026-01-01T08:00:00\"", "W1011:3");
    check("every = \"0s\"\ntimeout = \"1ms\"", "W1021:3 W1021:4");
    check("hosts = [\"https://a.example/path\"]", "W1011:3");
    check("hosts = [\"a.example\"]", "W7505:3");
    check("token_hosts = [\"http://a.example\"]", "W1011:3");
    let basic = "auth = { type = \"basic\", user = \"u\", password = \"cred:p\" }";
    check(&format!("token_hosts = [\"https://a.example\"]\n{basic}"), "W1011:3");
    check(&format!("hosts = [\"http://a.example\"]\n{basic}"), "");
    check("allow = []", "W1012:3");
    check("auth = { type = \"bearer\" }", "W1010:3");
}

#[test]
fn subscriptions_are_read() {
    let base = "type = \"fhir-subscription\"\nurl = \"https://fhir.example/r4\"\n\
                endpoint = \"https://weir.example/notify\"\nlisten = \"127.0.0.1:9444\"\n";
    let check = |lines: &str, change: &dyn Fn(&mut SubscriptionPlan)| {
        let server = Url::parse("https://fhir.example/r4").unwrap();
        let endpoint = Url::parse("https://weir.example/notify").unwrap();
        let listen = "127.0.0.1:9444".parse().unwrap();
        let mut expected = SubscriptionPlan::new(server, "Patient?active=true", endpoint, listen);
        change(&mut expected);
        let text = format!("{base}criteria = \"Patient?active=true\"\n{lines}\n");
        let expected = SourceKind::FhirSubscription(expected);
        assert_eq!(read_text(&text), (Some(expected), String::new()), "{lines}");
    };
    check("", &|_| {});
    check("payload = false\nevery = \"1m\"\nlease = \"1d\"", &|plan| {
        plan.payload = false;
        plan.every = Duration::from_secs(60);
        plan.lease = Duration::from_secs(86_400);
    });
    check("since = \"2026-01-01\"", &|plan| plan.since = Some("2026-01-01T00:00:00Z".into()));
    let wrong = |lines: &str, expected: &str| {
        assert_eq!(read_text(&format!("{base}{lines}\n")).1, expected, "{lines}");
    };
    wrong("", "W1010:1");
    wrong("criteria = \"Pateint\"", "W1011:5");
    wrong("criteria = \"Patient?name=M\u{fc}ller\"", "W1011:5");
    wrong("criteria = \"Patient?active=true&_count=5\"", "W1011:5");
    wrong("criteria = \"Patient\"\nevery = \"0s\"", "W1021:6");
    wrong("criteria = \"Patient\"\nsince = \"now\"", "W1011:6");
    let open = base.replace("https://weir", "http://weir").replace("127.0.0.1", "0.0.0.0");
    assert_eq!(read_text(&format!("{open}criteria = \"Patient\"\n")).1, "W2363:3");
}
