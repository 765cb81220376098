//! Consents and policies as a whole: what is decided, by which rule, and until when.

use bytes::Bytes;

use super::*;
use crate::base::Timestamp;
use crate::fault::codes::{W3010, W3011, W3012, W3013, W3014, W3015};
use crate::fault::{Code, Problems};
use crate::fhir::Doc;
use crate::message::{Decision, Verdict};
use crate::settings::{Document, SourceFile};

pub(super) fn doc(json: &str) -> Doc {
    Doc::parse_json(Bytes::from(json.to_owned())).unwrap()
}

pub(super) fn policy(text: &str) -> Policy {
    let text = format!("[policy]\nname = \"p\"\n{text}");
    let mut problems = Problems::new();
    let file = Document::parse(SourceFile::new("policies/p.toml", text), &mut problems);
    let policy = Policy::read(&file, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    policy.unwrap()
}

/// A Consent with these members besides the usual ones.
fn consent(rest: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","id":"c1","status":"active",
        "scope":{{"coding":[{{"code":"patient-privacy",
            "system":"http://terminology.hl7.org/CodeSystem/consentscope"}}]}},
        "category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0"}}]}}],
        "patient":{{"reference":"Patient/123"}}{rest}}}"#
    )
}

fn directive(rest: &str) -> Directive {
    Directive::compile(&doc(&consent(rest)), "c1", 3).unwrap().0
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const NOW: &str = "2026-06-01T00:00:00Z";

struct Ask<'a> {
    recipient: &'a str,
    purpose: &'a str,
    classes: &'a [&'a str],
    labels: &'a [&'a str],
    now: &'a str,
}

const ASK: Ask<'_> = Ask {
    recipient: "Organization/hie",
    purpose: "TREAT",
    classes: &["Patient"],
    labels: &[],
    now: NOW,
};

fn ask(policy: &Policy, directives: &[Directive], ask: &Ask<'_>) -> Decision {
    let facts = Facts::from_classes(ask.classes, ask.labels);
    let question = Question {
        recipient: ask.recipient,
        purpose: ask.purpose,
        now: at(ask.now),
        ..Question::new(&facts)
    };
    decide(policy, directives, &question)
}

/// What one consent alone says, where the facility has no opinion.
#[track_caller]
fn says(rest: &str, question: Ask<'_>, expected: &str) {
    let decision = ask(&policy(""), &[directive(rest)], &question);
    assert_eq!(decision.verdict.name(), expected, "{rest}");
}

/// As JSON of a provision.
fn provision(rest: &str) -> String {
    format!(r#","provision":{{{rest}}}"#)
}

#[test]
fn the_root_is_the_rule_and_the_nested_are_exceptions() {
    let permit = provision(
        r#""type":"permit","provision":[
        {"type":"deny","purpose":[{"code":"HRESCH"}],"provision":[
            {"type":"permit","actor":[{"reference":{"reference":"Organization/uni"}}]}]},
        {"type":"deny","actor":[{"reference":{"reference":"Organization/bad"}}]}]"#,
    );
    says(&permit, ASK, "permit");
    says(&permit, Ask { purpose: "HRESCH", ..ASK }, "deny");
    says(&permit, Ask { purpose: "CLINTRCH", ..ASK }, "deny");
    says(&permit, Ask { purpose: "HRESCH", recipient: "Organization/uni", ..ASK }, "permit");
    says(&permit, Ask { recipient: "Organization/bad", ..ASK }, "deny");
    let decision = ask(&policy(""), &[directive(&permit)], &Ask { purpose: "HRESCH", ..ASK });
    let rule = decision.rule.unwrap();
    assert_eq!((&*rule.name, &*rule.version), ("Consent/c1#provision.provision[0]", "3"));
    // A denial beside a permit wins, whichever stands first.
    let both = provision(
        r#""type":"permit","provision":[{"type":"permit"},{"type":"deny"},{"type":"permit"}]"#,
    );
    says(&both, ASK, "deny");
    let deny =
        provision(r#""type":"deny","provision":[{"type":"permit","class":[{"code":"Patient"}]}]"#);
    says(&deny, ASK, "permit");
    says(&deny, Ask { classes: &["Observation"], ..ASK }, "deny");
    says(&deny, Ask { classes: &["Patient", "Observation"], ..ASK }, "deny");
    says(&deny, Ask { classes: &[], ..ASK }, "deny");
}

#[test]
fn policy_rule_is_the_base() {
    let rule = |code: &str| format!(r#","policyRule":{{"coding":[{{"code":"{code}"}}]}}"#);
    says(&rule("OPTIN"), ASK, "permit");
    says(&rule("OPTINR"), ASK, "permit");
    says(&rule("OPTOUT"), ASK, "deny");
    says(&rule("OPTOUTE"), ASK, "deny");
    let both = r#","policyRule":{"coding":[{"code":"OPTIN"},{"code":"OPTOUT"}]}"#;
    says(both, ASK, "deny");
    let with = |code: &str, inner: &str| format!("{}{}", rule(code), provision(inner));
    let research = r#""purpose":[{"code":"HRESCH"}]"#;
    let in_research = || Ask { purpose: "HRESCH", ..ASK };
    // The root is an exception to the other base.
    let text = with("OPTIN", &format!(r#""type":"deny",{research}"#));
    says(&text, ASK, "permit");
    says(&text, in_research(), "deny");
    let text = with("OPTOUT", &format!(r#""type":"permit",{research}"#));
    says(&text, ASK, "deny");
    says(&text, in_research(), "permit");
    // With the same base the narrower permit and the wider denial hold.
    says(&with("OPTIN", &format!(r#""type":"permit",{research}"#)), ASK, "unknown");
    says(&with("OPTOUT", &format!(r#""type":"deny",{research}"#)), ASK, "deny");
    // A root without type takes the base.
    says(&with("OPTIN", research), in_research(), "permit");
    says(&with("OPTIN", research), ASK, "unknown");
    let exceptions = provision(r#""provision":[{"type":"deny","purpose":[{"code":"HRESCH"}]}]"#);
    says(&exceptions, ASK, "unknown");
    says(&exceptions, in_research(), "deny");
}

#[test]
fn only_active_consents_bind() {
    for status in ["draft", "proposed", "rejected", "inactive", "entered-in-error"] {
        let text = consent(&provision(r#""type":"deny""#)).replace("active", status);
        let (directive, patients) = Directive::compile(&doc(&text), "c1", 1).unwrap();
        assert!(!directive.binds() && patients.len() == 2, "{status}");
        assert_eq!(ask(&policy(""), &[directive], &ASK).verdict, Verdict::Unknown);
    }
    let one = directive(&provision(r#""type":"deny""#));
    assert!(one.binds() && one.id() == "c1" && one.version() == 3);
    assert_eq!(format!("{one:?}"), "Consent/c1@3 <phi>");
}

#[test]
fn scope_says_what_a_consent_is_about() {
    let with = |scope: &str, kind: &str| {
        let text = consent(&provision(&format!(r#""type":"{kind}""#)));
        let text = text.replace("patient-privacy", scope);
        let (directive, _) = Directive::compile(&doc(&text), "c1", 1).unwrap();
        move |purpose: &str| {
            let asked = Ask { purpose, ..ASK };
            ask(&policy(""), std::slice::from_ref(&directive), &asked).verdict.name()
        }
    };
    assert_eq!(with("research", "permit")("TREAT"), "unknown");
    assert_eq!(with("research", "permit")("HRESCH"), "permit");
    assert_eq!(with("research", "deny")("CLINTRCH"), "deny");
    assert_eq!(with("treatment", "permit")("TREAT"), "unknown");
    assert_eq!(with("adr", "deny")("TREAT"), "unknown");
    assert_eq!(with("local", "permit")("TREAT"), "unknown");
    assert_eq!(with("local", "deny")("TREAT"), "deny");
    // The scope may stand in a category, and may be left out.
    let text = consent(&provision(r#""type":"permit""#));
    let none = text.replace("\"scope\":", "\"_scope\":");
    let (directive, _) = Directive::compile(&doc(&none), "c1", 1).unwrap();
    assert_eq!(ask(&policy(""), &[directive], &ASK).verdict, Verdict::Permit);
    let other =
        none.replace("http://loinc.org", "http://terminology.hl7.org/CodeSystem/consentscope");
    let (directive, _) = Directive::compile(&doc(&other), "c1", 1).unwrap();
    assert_eq!(ask(&policy(""), &[directive], &ASK).verdict, Verdict::Unknown);
}

#[test]
fn actors_are_recipients_by_reference_or_identifier() {
    let actor = |inner: &str| provision(&format!(r#""type":"permit","actor":[{inner}]"#));
    let deny = |inner: &str| actor(inner).replace("permit", "deny");
    let hie =
        r#"{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/hie"}}"#;
    says(&actor(hie), ASK, "permit");
    says(&actor(hie), Ask { recipient: "Organization/lab", ..ASK }, "unknown");
    let named = r#"{"reference":{"identifier":{"system":"urn:n","value":"42"}}}"#;
    says(&actor(named), Ask { recipient: "42", ..ASK }, "permit");
    says(&actor(named), Ask { recipient: "urn:n|42", ..ASK }, "permit");
    says(&actor(named), ASK, "unknown");
    // Who cannot be told: a permit does not hold, a denial does.
    for inner in [
        r#"{"reference":{"display":"the lab"}}"#,
        "{}",
        r#"{"role":{"coding":[{"code":"AUT"}]},"reference":{"reference":"Organization/hie"}}"#,
        r#"{"reference":{"reference":"https://x.org/Organization/hie"}}"#,
    ] {
        says(&actor(inner), ASK, "unknown");
        says(&deny(inner), ASK, "deny");
    }
}

#[test]
fn what_cannot_be_checked_narrows() {
    let both = |inner: &str, question: fn() -> Ask<'static>, permit: &str, deny: &str| {
        says(&provision(&format!(r#""type":"permit",{inner}"#)), question(), permit);
        says(&provision(&format!(r#""type":"deny",{inner}"#)), question(), deny);
    };
    let plain = || ASK;
    both(r#""action":[{"coding":[{"code":"access"}]}]"#, plain, "permit", "deny");
    both(r#""action":[{"coding":[{"code":"collect"}]}]"#, plain, "unknown", "unknown");
    both(r#""action":[{"text":"share"}]"#, plain, "unknown", "deny");
    both(r#""purpose":[{"system":"urn:x","code":"TREAT"}]"#, plain, "unknown", "deny");
    both(r#""purpose":[{"display":"x"}]"#, plain, "unknown", "deny");
    both(r#""class":[{"display":"x"}]"#, plain, "unknown", "deny");
    both(
        r#""code":[{"coding":[{"system":"http://loinc.org","code":"1"}]}]"#,
        plain,
        "unknown",
        "unknown",
    );
    both(r#""code":[{"text":"x"}]"#, plain, "unknown", "deny");
    both(
        r#""data":[{"meaning":"dependents","reference":{"reference":"Encounter/1"}}]"#,
        plain,
        "unknown",
        "deny",
    );
    both(
        r#""data":[{"meaning":"instance","reference":{"reference":"Encounter/1"}}]"#,
        plain,
        "unknown",
        "unknown",
    );
    both(r#""data":[{"meaning":"instance"}]"#, plain, "unknown", "deny");
    both(r#""dataPeriod":{"start":"2020"}"#, plain, "unknown", "deny");
    let labeled = || Ask { labels: &["R"], ..ASK };
    both(r#""securityLabel":[{"code":"R"}]"#, labeled, "permit", "deny");
    both(r#""securityLabel":[{"code":"V"}]"#, labeled, "unknown", "unknown");
    both(r#""securityLabel":[{"code":"R"}]"#, plain, "unknown", "unknown");
    let unknown = || Ask { classes: &[], ..ASK };
    both(r#""code":[{"coding":[{"code":"1"}]}]"#, unknown, "unknown", "deny");
    both(r#""class":[{"code":"Patient"}]"#, unknown, "unknown", "deny");
}

#[test]
fn periods_bind_and_tell_until_when() {
    let text = provision(
        r#""type":"permit","period":{"start":"2026-01-01","end":"2026-12-31"},
        "provision":[{"type":"deny","period":{"start":"2026-08-01"}},
            {"type":"deny","purpose":[{"code":"HRESCH"}],"period":{"start":"2026-07-01"}}]"#,
    );
    let check = |now: &str, expected: &str, until: Option<&str>| {
        let decision = ask(&policy(""), &[directive(&text)], &Ask { now, ..ASK });
        assert_eq!(decision.verdict.name(), expected, "{now}");
        assert_eq!(decision.valid_until, until.map(at), "{now}");
    };
    check("2025-06-01T00:00:00Z", "unknown", Some("2026-01-01T00:00:00Z"));
    check("2026-06-01T00:00:00Z", "permit", Some("2026-08-01T00:00:00Z"));
    check("2026-09-01T00:00:00Z", "deny", Some("2027-01-01T00:00:00Z"));
    check("2026-12-31T23:59:59Z", "deny", Some("2027-01-01T00:00:00Z"));
    check("2027-01-01T00:00:00Z", "unknown", None);
    // A permit does not hold before it was given; a denial does at once.
    let given = r#","dateTime":"2026-07-01""#;
    let early =
        |kind: &str| directive(&format!("{given}{}", provision(&format!(r#""type":"{kind}""#))));
    let decision = ask(&policy(""), &[early("permit")], &ASK);
    assert_eq!(decision.verdict, Verdict::Unknown);
    assert_eq!(decision.valid_until, Some(at("2026-07-01T00:00:00Z")));
    assert_eq!(ask(&policy(""), &[early("deny")], &ASK).verdict, Verdict::Deny);
}

#[test]
fn what_is_not_understood_is_refused() {
    let compile = |text: &str| Directive::compile(&doc(text), "c1", 1).map(|_| ());
    let check = |text: &str, expected: Code| {
        assert_eq!(compile(text).map_err(|fault| fault.code()), Err(expected), "{text}");
    };
    let inner = |rest: &str| consent(&provision(rest));
    check(r#"{"resourceType":"Patient"}"#, W3010);
    check(&consent("").replace("\"status\":\"active\",", ""), W3010);
    check(&consent("").replace("active", "superseded"), W3011);
    check(&consent(r#","modifierExtension":[{"url":"urn:x"}]"#), W3011);
    check(&consent(r#","implicitRules":"urn:x""#), W3011);
    check(&consent(r#","decision":"permit""#), W3011);
    check(&consent(r#","status":"inactive""#), W3011);
    check(&inner(r#""type":"permit","modifierExtension":[{"url":"urn:x"}]"#), W3011);
    check(&inner(r#""type":"permit","actor":[{"modifierExtension":[{"url":"urn:x"}]}]"#), W3011);
    check(&inner(r#""type":"maybe""#), W3011);
    check(&inner(r#""type":1"#), W3011);
    check(&inner(r#""type":"permit","documentType":[]"#), W3011);
    check(&inner(r#""type":"permit","provision":[{"type":"deny","except":[]}]"#), W3011);
    check(&inner(r#""type":"permit","provision":[{}]"#), W3013);
    check(&inner(r#""purpose":[{"code":"TREAT"}]"#), W3013);
    check(&consent(""), W3013);
    check(&inner(r#""type":"permit","period":{"start":"soon"}"#), W3015);
    check(&inner(r#""type":"permit","period":"2026""#), W3015);
    check(&inner(r#""type":"permit","dataPeriod":{"end":"2026-13"}"#), W3015);
    check(&consent(&format!(r#","dateTime":"soon"{}"#, provision(r#""type":"deny""#))), W3015);
    let nested = (0..PROVISION_DEPTH_MAX).fold(r#""type":"deny""#.to_owned(), |inner, _| {
        format!(r#""type":"permit","provision":[{{{inner}}}]"#)
    });
    check(&inner(&nested), W3014);
    let many = vec![r#"{"type":"deny"}"#; PROVISIONS_MAX].join(",");
    check(&inner(&format!(r#""type":"permit","provision":[{many}]"#)), W3014);
    let fault = compile(&inner(r#""type":"maybe""#)).unwrap_err();
    assert_eq!(fault.place().to_string(), "Consent.provision.type");
    assert!(!fault.line().contains("maybe"));
}

#[test]
fn patients_are_bound_by_reference_and_identifier() {
    let keys = |patient: &str| {
        let text = consent(&provision(r#""type":"deny""#))
            .replace(r#"{"reference":"Patient/123"}"#, patient);
        let found = Directive::compile(&doc(&text), "c1", 1).map(|(_, keys)| keys);
        let shown =
            found.map(|keys| keys.iter().map(|k| k.reveal().to_owned()).collect::<Vec<_>>());
        shown.map_err(|fault| fault.code())
    };
    let check = |patient: &str, expected: &[&str]| {
        let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(keys(patient), Ok(expected), "{patient}");
    };
    check(r#"{"reference":"Patient/123"}"#, &["Patient/123", "123"]);
    check(r#"{"reference":"Patient/123/_history/2"}"#, &["Patient/123", "123"]);
    check(r#"{"reference":"https://x.org/Patient/1"}"#, &["https://x.org/Patient/1"]);
    check(r#"{"identifier":{"value":" 555 "}}"#, &["555"]);
    check(r#"{"identifier":{"system":"urn:m","value":"5"}}"#, &["5", "urn:m|5"]);
    check(
        r#"{"reference":"Patient/5","identifier":{"system":"urn:m","value":"5"}}"#,
        &["Patient/5", "5", "urn:m|5"],
    );
    let contained = r##"{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p",
        "identifier":[{"value":"7"},{"system":"urn:m"}]},{"resourceType":"Patient","id":"q"}]"##;
    check(contained, &["7"]);
    for none in ["{}", r#"{"display":"Jo"}"#, r##"{"reference":"#x"}"##, r#"{"reference":" "}"#] {
        assert_eq!(keys(none), Err(W3012), "{none}");
    }
}

#[test]
fn what_is_sent_must_have_the_structure_of_r4() {
    let good = consent(&format!(
        r#","dateTime":"2026-01-02","policyRule":{{"coding":[{{"code":"OPTIN"}}]}}{}"#,
        provision(r#""type":"deny""#)
    ));
    let (directive, patients) = accept(&doc(&good)).unwrap();
    assert_eq!((directive.id(), directive.version(), patients.len()), ("c1", 0, 2));
    let bad = good.replace(r#""code":"59284-0""#, r#""code":59284"#);
    let fault = accept(&doc(&bad)).unwrap_err();
    assert_eq!(fault.code(), W3010);
    assert!(fault.place().to_string().starts_with("Consent.category"), "{fault}");
    assert_eq!(accept(&doc("{}")).unwrap_err().code(), W3010);
}

#[test]
fn the_newest_consent_of_a_scope_speaks_where_the_policy_says_so() {
    let given = |id: &str, scope: &str, when: &str, kind: &str| {
        let when = if when.is_empty() { String::new() } else { format!(r#","dateTime":"{when}""#) };
        let text = consent(&format!("{when}{}", provision(&format!(r#""type":"{kind}""#))));
        let text = text.replace("patient-privacy", scope);
        Directive::compile(&doc(&text), id, 1).unwrap().0
    };
    let privacy = |id: &str, when: &str, kind: &str| given(id, "patient-privacy", when, kind);
    let check = |all: &[Directive], every: &str, newest: &str, until: Option<&str>| {
        let decision = ask(&policy(""), all, &ASK);
        assert_eq!(decision.verdict.name(), every, "{all:?}");
        let decision = ask(&policy("consents = \"newest\"\n"), all, &ASK);
        assert_eq!(decision.verdict.name(), newest, "{all:?}");
        assert_eq!(decision.valid_until, until.map(at));
    };
    let (old_no, new_yes) =
        (privacy("a", "2020-01-01", "deny"), privacy("b", "2024-01-01", "permit"));
    check(&[old_no.clone(), new_yes.clone()], "deny", "permit", None);
    check(&[new_yes.clone(), old_no.clone()], "deny", "permit", None);
    check(&[privacy("a", "2020", "permit"), privacy("b", "2024", "deny")], "deny", "deny", None);
    // Of one moment, or without one, both speak.
    check(&[old_no.clone(), privacy("b", "2020-01-01", "permit")], "deny", "deny", None);
    check(&[privacy("a", "", "deny"), new_yes.clone()], "deny", "deny", None);
    // One that is not yet given replaces nothing before its day.
    let later = privacy("b", "2026-09-01", "permit");
    let until = Some("2026-09-01T00:00:00Z");
    check(&[old_no.clone(), later], "deny", "deny", until);
    // Another scope is another matter, and what does not bind replaces nothing.
    check(&[old_no.clone(), given("b", "research", "2024", "permit")], "deny", "deny", None);
    let text = consent(&format!(r#","dateTime":"2024"{}"#, provision(r#""type":"permit""#)));
    let withdrawn =
        Directive::compile(&doc(&text.replace("active", "entered-in-error")), "b", 1).unwrap().0;
    check(&[old_no, withdrawn], "deny", "deny", None);
}

const PERMIT: &str = "[[rule]]\nthen = \"permit\"\n";
const DENY: &str = "[[rule]]\nthen = \"deny\"\n";
const REDACT: &str = "[[rule]]\nthen = \"redact\"\npaths = [\"PID-19\"]\n";

/// Facility and patient in all combinations: the answer and who gave it.
#[test]
fn facility_and_patient_come_to_one_answer() {
    let permit = || directive(&provision(r#""type":"permit""#));
    let deny = || {
        let text = consent(&provision(r#""type":"deny""#));
        Directive::compile(&doc(&text), "c2", 1).unwrap().0
    };
    let check = |text: &str, patient: &[Directive], expected: &str, losers: usize| {
        let decision = ask(&policy(text), patient, &ASK);
        let rule = decision.rule.as_ref().map_or("-", |rule| &*rule.name);
        let rule = rule.split(['#', ':']).next().unwrap();
        let said = format!("{} {rule}", decision.verdict.name());
        assert_eq!(
            (said.as_str(), decision.losers.len()),
            (expected, losers),
            "{text} {patient:?}"
        );
    };
    let (by_permit, by_deny) = ("permit Consent/c1", "deny Consent/c2");
    // Deny overrides: a patient only narrows.
    check(PERMIT, &[], "permit p", 0);
    check(PERMIT, &[permit()], "permit p", 0);
    check(PERMIT, &[deny()], by_deny, 1);
    check(PERMIT, &[permit(), deny()], by_deny, 2);
    check(DENY, &[permit()], "deny p", 1);
    check(DENY, &[deny()], "deny p", 0);
    check("", &[], "unknown -", 0);
    check("", &[permit()], by_permit, 0);
    check("", &[deny()], by_deny, 0);
    check("default = \"deny\"", &[permit()], "deny p", 1);
    check("default = \"permit\"", &[], "permit p", 0);
    check("default = \"permit\"", &[deny()], by_deny, 1);
    check(REDACT, &[], "redact p", 0);
    check(REDACT, &[deny()], by_deny, 1);
    // Required: silence is not a permit.
    let required = "directives = \"required\"\n";
    check(&format!("{required}{PERMIT}"), &[], "unknown p", 0);
    check(&format!("{required}{PERMIT}"), &[permit()], by_permit, 0);
    check(&format!("{required}{REDACT}"), &[permit()], "redact p", 0);
    check(&format!("{required}{DENY}"), &[], "deny p", 0);
    check(&format!("{required}default = \"deny\""), &[], "deny p", 0);
    check(&format!("{PERMIT}{required}"), &[], "unknown p", 0);
    // Ignored: patients are not asked.
    check(&format!("directives = \"ignored\"\n{PERMIT}"), &[deny()], "permit p", 0);
    check(&format!("{PERMIT}directives = \"ignored\"\n"), &[deny()], "permit p", 0);
    // Permit overrides.
    let over = "combine = \"permit-overrides\"\n";
    check(&format!("{over}{DENY}"), &[permit()], by_permit, 1);
    check(&format!("{over}{DENY}"), &[], "deny p", 0);
    check(&format!("{over}{PERMIT}"), &[deny()], "permit p", 1);
    check(&format!("{over}default = \"permit\""), &[deny()], by_deny, 1);
    check(over, &[deny(), permit()], by_permit, 1);
    check(over, &[], "unknown -", 0);
    check(&format!("{over}{required}{PERMIT}"), &[], "unknown p", 0);
    check(&format!("{over}{required}{PERMIT}"), &[deny()], by_deny, 1);
    // Patient first.
    let first = "combine = \"patient-first\"\n";
    check(&format!("{first}{DENY}"), &[permit()], by_permit, 1);
    check(&format!("{first}{PERMIT}"), &[deny()], by_deny, 1);
    check(&format!("{first}{REDACT}"), &[permit()], "redact p", 0);
    check(&format!("{first}{DENY}"), &[], "deny p", 0);
    check(&format!("{first}{PERMIT}"), &[permit(), deny()], by_deny, 2);
}

#[test]
fn rules_of_one_policy_combine() {
    let treat = "[[rule]]\npurpose = [\"TREAT\"]\n";
    let check = |text: &str, question: Ask<'_>, expected: &str, by: Option<&str>, losers: usize| {
        let decision = ask(&policy(text), &[], &question);
        let rule = decision.rule.as_ref().map(|rule| &*rule.name);
        assert_eq!((decision.verdict.name(), rule), (expected, by), "{text}");
        assert_eq!(decision.losers.len(), losers, "{text}");
    };
    let both = format!("{PERMIT}{treat}then = \"deny\"\n");
    check(&both, ASK, "deny", Some("p:5"), 1);
    check(&both, Ask { purpose: "HRESCH", ..ASK }, "permit", Some("p:3"), 0);
    let over = format!("combine = \"permit-overrides\"\n{treat}then = \"permit\"\n{DENY}");
    check(&over, ASK, "permit", Some("p:4"), 1);
    check(&over, Ask { purpose: "HPAYMT", ..ASK }, "deny", Some("p:7"), 0);
    let redacts = format!("{treat}then = \"redact\"\npaths = [\"PID-19\"]\n{PERMIT}");
    check(&redacts, ASK, "redact", Some("p:3"), 0);
    check(&redacts, Ask { purpose: "HPAYMT", ..ASK }, "permit", Some("p:7"), 0);
    // What may be meant is redacted, but not permitted by that.
    let classed = "[[rule]]\nclass = [\"Patient\"]\nthen = \"redact\"\npaths = [\"PID-19\"]\n";
    let unknown = || Ask { classes: &[], ..ASK };
    check(&format!("{classed}{PERMIT}"), unknown(), "redact", Some("p:3"), 0);
    check(classed, unknown(), "unknown", None, 0);
    check("[[rule]]\nclass = [\"Patient\"]\nthen = \"permit\"\n", unknown(), "unknown", None, 0);
    check("[[rule]]\nclass = [\"Patient\"]\nthen = \"deny\"\n", unknown(), "deny", Some("p:3"), 0);
    let glob = "[[rule]]\nrecipient = [\"Organization/*\"]\nthen = \"permit\"\n";
    check(glob, ASK, "permit", Some("p:3"), 0);
    check(glob, Ask { recipient: "Practitioner/1", ..ASK }, "unknown", None, 0);
}

#[test]
fn the_strictest_item_is_the_answer_for_all() {
    let text = "[[rule]]\nclass = [\"Patient\", \"Encounter\"]\nthen = \"permit\"\n\
        [[rule]]\nclass = [\"Encounter\"]\nthen = \"redact\"\npaths = [\"PV1-3\", \"PV1-7\"]\n\
        [[rule]]\nclass = [\"Coverage\"]\nthen = \"deny\"\n";
    let check = |classes: &[&str], expected: &str| {
        let decision = ask(&policy(text), &[], &Ask { classes, ..ASK });
        assert_eq!(decision.verdict.name(), expected, "{classes:?}");
        decision
    };
    check(&["Patient"], "permit");
    let decision = check(&["Patient", "Encounter"], "redact");
    assert_eq!(decision.verdict, Verdict::Redact(vec!["PV1-3".into(), "PV1-7".into()]));
    check(&["Encounter", "Patient"], "redact");
    check(&["Patient", "Observation", "Encounter"], "unknown");
    check(&["Coverage", "Patient", "Observation"], "deny");
    assert_eq!((&*decision.recipient, &*decision.purpose), ("Organization/hie", "TREAT"));
}

#[test]
fn an_unknown_that_passes_lifts_no_redaction() {
    let check = |text: &str, classes: &[&str], expected: &str, by: Option<&str>| {
        let facts = Facts::from_classes(classes, &[]);
        let asked = Question {
            recipient: ASK.recipient,
            purpose: ASK.purpose,
            now: at(NOW),
            unknown_passes: true,
            ..Question::new(&facts)
        };
        let decision = decide(&policy(text), &[], &asked);
        let rule = decision.rule.as_ref().map(|rule| &*rule.name);
        assert_eq!((decision.verdict.name(), rule), (expected, by), "{text} {classes:?}");
    };
    let encounter = "[[rule]]\nclass = [\"Encounter\"]\nthen = \"redact\"\npaths = [\"PV1-3\"]\n";
    check(encounter, &["Patient"], "unknown", None);
    check(encounter, &["Encounter"], "redact", Some("p:3"));
    check(encounter, &["Patient", "Encounter"], "redact", Some("p:3"));
    check(encounter, &["Encounter", "Patient"], "redact", Some("p:3"));
    // What may be meant is redacted, too.
    check(encounter, &[], "redact", Some("p:3"));
    // A permit of the patient that is required and not there lifts nothing.
    let required = format!("directives = \"required\"\n{REDACT}");
    check(&required, &["Patient"], "redact", Some("p:4"));
    let denied = format!("{encounter}[[rule]]\nclass = [\"Coverage\"]\nthen = \"deny\"\n");
    check(&denied, &["Patient", "Encounter", "Coverage"], "deny", Some("p:7"));
}

#[test]
fn losers_are_bounded() {
    let many: Vec<Directive> = (0..40)
        .map(|n| {
            let text = consent(&provision(
                r#""type":"deny","provision":[{"type":"permit","class":[{"code":"Patient"}]}]"#,
            ));
            Directive::compile(&doc(&text), &format!("c{n}"), 1).unwrap().0
        })
        .collect();
    let classes: Vec<String> = (0..40).map(|n| format!("Class{n}")).collect();
    let classes: Vec<&str> = classes.iter().map(String::as_str).chain(["Patient"]).collect();
    let rules: String =
        (0..40).map(|n| format!("[[rule]]\nlabel = [\"L{n}\"]\nthen = \"permit\"\n")).collect();
    let labels: Vec<String> = (0..40).map(|n| format!("L{n}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let decision = ask(&policy(&rules), &many, &Ask { classes: &classes, labels: &labels, ..ASK });
    assert_eq!(decision.verdict, Verdict::Deny);
    assert!(decision.losers.len() <= LOSERS_MAX);
}

proptest::proptest! {
    /// A patient's denial is never lost under deny-overrides, and nothing panics.
    #[test]
    fn a_denial_of_everything_always_holds(
        permits in 0usize..4, place in 0usize..4,
        classes in proptest::collection::vec("[A-Z][a-z]{2,8}", 0..4),
    ) {
        let mut all: Vec<Directive> =
            (0..permits).map(|_| directive(&provision(r#""type":"permit""#))).collect();
        all.insert(place.min(permits), directive(&provision(r#""type":"deny""#)));
        let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
        let decision = ask(&policy(PERMIT), &all, &Ask { classes: &classes, ..ASK });
        proptest::prop_assert_eq!(decision.verdict, Verdict::Deny);
    }

    /// Any JSON is compiled or refused without a panic.
    #[test]
    fn any_consent_is_taken_or_refused(inner in "[\\[\\]{}\":,a-z0-9]{0,60}") {
        let text = consent(&format!(r#","provision":{{"type":"permit","actor":{inner}}}"#));
        if let Ok(doc) = Doc::parse_json(Bytes::from(text)) {
            let _ = accept(&doc);
        }
    }
}
