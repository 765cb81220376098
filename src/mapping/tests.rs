//! Mappings loaded, run and explained as a whole.

use bytes::Bytes;

use super::*;
use crate::base::Phi;
use crate::fault::{DrawStyle, draw};
use crate::hl7v2::Message;

/// Files by name.
struct Files(Vec<(&'static str, &'static str)>);

impl Library for Files {
    fn file(&self, path: &str) -> Option<SourceFile> {
        let (name, text) = self.0.iter().find(|(name, _)| *name == path)?;
        Some(SourceFile::new(*name, *text))
    }
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        Files(vec![$(($path, include_str!(concat!("../../", $path)))),*])
    };
}

fn shipped() -> Files {
    files![
        "mappings/adt-to-fhir.toml",
        "mappings/oru-to-fhir.toml",
        "codes/sex.csv",
        "codes/marital.csv",
        "codes/patient-class.csv",
        "codes/allergy-category.csv",
        "codes/allergy-criticality.csv",
        "codes/allergy-severity.csv",
        "codes/obs-status.csv",
        "codes/report-status.csv",
        "codes/order-status.csv",
        "codes/interpretation.csv",
    ]
}

fn drawn(problems: &Problems, source: &str) -> String {
    let shown: Vec<_> = problems.iter().map(|p| draw(p, Some(source), DrawStyle::Plain)).collect();
    shown.join("\n")
}

fn load(name: &str) -> Mapping {
    let files = shipped();
    let source = files.file(name).unwrap();
    let mut problems = Problems::new();
    let mapping = Mapping::load(source.clone(), &files, &mut problems);
    assert!(
        problems.iter().all(|p| p.severity == crate::fault::Severity::Note),
        "{}",
        drawn(&problems, &source.text)
    );
    mapping.unwrap()
}

fn message(text: &str) -> Content {
    let text = text.trim().replace('\n', "\r");
    Content::Hl7(Message::parse(Bytes::from(text + "\r")).unwrap())
}

fn json(content: &Content) -> String {
    let Content::Fhir(doc) = content else { panic!("not FHIR") };
    let value: serde_json::Value = serde_json::from_slice(&doc.to_json()).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn shipped_mappings_pass_their_tests() {
    for name in ["mappings/adt-to-fhir.toml", "mappings/oru-to-fhir.toml"] {
        let run = load(name).run_tests();
        let failures: Vec<String> = run
            .outcomes
            .iter()
            .flat_map(|o| o.failures.iter().map(|f| format!("{}: {f}", o.name)))
            .collect();
        assert!(failures.is_empty(), "{name}\n{}", failures.join("\n"));
    }
}

fn problems_of(text: &str) -> (Option<Mapping>, Vec<String>) {
    let files = shipped();
    let mut problems = Problems::new();
    let mapping = Mapping::load(SourceFile::new("m.toml", text), &files, &mut problems);
    let shown = problems
        .iter()
        .map(|p| {
            let place = p.fault.place().file.as_ref().unwrap();
            let (line, column) = (place.line, place.column);
            let cause = p.fault.cause().unwrap_or_default();
            format!("{} {} {line}:{column} {cause}", p.severity.name(), p.fault.code())
        })
        .collect();
    (mapping, shown)
}

const HEAD: &str = "[mapping]\nfrom = \"hl7v2:2.5.1:ORU_R01\"\nto = \"fhir-r4\"\n\
    [codes]\nsex = \"codes/sex.csv\"\nstatus = { rows = { F = \"final\", X = \"nonsense\" } }\n\
    [rule.patient]\nmake = \"Patient\"\neach = \"PID\"\n\
    [rule.result]\nmake = \"Observation\"\neach = \"OBX in OBSERVATION\"\n\
    [rule.result.set]\n";

/// Lines of `[rule.result.set]`, which begins at line 14, and what is wrong with them.
fn check(lines: &str, expected: &[&str]) {
    let required = if lines.contains("\"status\"") || lines.contains("status =") {
        ""
    } else {
        "\nstatus = \"'final'\""
    };
    let code = if lines.contains("code =") { "" } else { "\ncode = \"OBX-3\"" };
    let (mapping, shown) = problems_of(&format!("{HEAD}{lines}{required}{code}\n"));
    assert_eq!(shown.join("\n"), expected.join("\n"), "{lines}");
    assert_eq!(mapping.is_some(), !expected.iter().any(|e| e.starts_with("error")), "{lines}");
}

#[test]
fn mistakes_are_found_at_load_with_their_place() {
    check("subject = \"ref patient\"", &[]);
    check("subject = 'ref patint'", &["error W4014 14:16 there is no rule `patint`"]);
    check(
        "device = 'ref patient'",
        &["error W4014 14:15 `patient` makes Patient; Observation.device refers to Device, \
           DeviceMetric"],
    );
    check(
        "'hasMember[]' = 'ref result'\nfocus = 'ref patient'",
        &["error W4006 15:1 Observation.focus is a list: write `focus[]`"],
    );
    check("specimn = 'OBX-3'", &["error W4005 14:1 Observation has no `specimn`"]);
    check("issued = 'OBX-99'", &["error W4003 14:11 OBX has 25 fields"]);
    check("issued = 'OBX-14.9'", &["error W4003 14:11 TS has 2 components"]);
    check("issued = 'PR1-5'", &["error W4003 14:11 PR1 does not stand in ORU_R01"]);
    check(
        "issued = 'OBX-14 if x'",
        &["error W4001 14:18 expected a word of the sentence language, found `if`"],
    );
    check(
        "value = 'OBX-6 else OBX-5'",
        &[
            "warning W4004 14:21 the field may repeat; the first repetition with a value is taken",
            "error W4008 14:21 varies may become Quantity or CodeableConcept or string or boolean \
             or integer or time or dateTime or Period",
        ],
    );
    check(
        "method = 'each OBX-17'",
        &["error W4006 14:11 `method` holds one value: say `first` or `last`"],
    );
    check("'note[]' = 'NTE-3'", &["error W4004 14:13 several segments may stand there"]);
    check("status = \"'finale'\"", &["error W4010 14:11 observation-status has no code `finale`"]);
    check(
        "status = 'OBX-11 via status'",
        &[
            "warning W4012 14:10 Observation.status has no value that is certain",
            "error W4010 14:22 Observation.status cannot hold `nonsense` in line 6 of m.toml",
            "error W4011 14:22 `status` has no row for C, D, I, N, O, .. of table 0085",
        ],
    );
    check(
        "status = 'OBX-11'",
        &["error W4010 14:11 Observation.status takes codes of observation-status only"],
    );
    check(
        "status = [\"'final'\", \"'amended'\"]",
        &["error W4013 14:23 the one before it is a fixed value without a condition"],
    );
    check(
        "subject = 'OBX-5 as Patient'",
        &[
            "warning W4004 14:12 the field may repeat; the first repetition with a value is taken",
            "error W4007 14:21 Observation.subject is Reference, never Patient",
        ],
    );
    check(
        "'ext:nothing' = 'OBX-4'",
        &["error W4005 14:6 `nothing` is neither an extension of R4 nor under `[extension]`"],
    );
    check(
        "value = 'OBX-5 as OBX-2 with colour = OBX-4'",
        &["error W4005 14:30 Quantity has no `colour`"],
    );
}

#[test]
fn what_a_rule_must_set_is_missed() {
    let (mapping, shown) = problems_of(
        "[mapping]\nfrom = 'hl7v2:2.5.1:ADT_A01'\nto = 'fhir-r4'\n[rule.e]\nmake = 'Encounter'\n",
    );
    assert!(mapping.is_none());
    assert_eq!(
        shown,
        [
            "error W4012 4:7 nothing sets Encounter.status",
            "error W4012 4:7 nothing sets Encounter.class"
        ]
    );
    let (_, shown) = problems_of("[mapping]\nfrom = 'hl7v2:2.5.1:ADT_A0'\nto = 'cda'\n");
    assert_eq!(
        shown,
        [
            "error W4017 2:8 2.5.1 has no structure ADT_A0",
            "error W4017 3:6 the only target so far is `fhir-r4`"
        ]
    );
}

#[test]
fn conditions_look_at_any_value_and_hold_for_empty() {
    let content = message(
        "MSH|^~\\&|A|B|C|D|2026||ORU^R01|1|P|2.5.1\n\
         PID|1||55^^^A^MR~66^^^B^SS||Doe^Jo|||M||||||||||||\"\"\n\
         OBX|1|NM|1^a^L||5||||||F\nOBX|2|ST|2^b^L||x||||||P",
    );
    for (text, holds) in [
        ("PID-8 = 'M'", true),
        ("PID-8 != 'M'", false),
        ("PID-30 != 'Y'", true),
        ("PID-20 valued", false),
        ("PID-20 not valued", true),
        ("PID-3.1 = '66'", true),
        ("PID-3[5 = 'SS'].1 = '66'", true),
        ("PID-3[5 = 'SS'].1 = '55'", false),
        ("PID-3[2].1 = '66'", true),
        ("OBX-11 in ('P', 'X')", true),
        ("OBX-11 not in ('F')", false),
        ("OBX[2 = 'ST']-5 = 'x'", true),
        ("OBX[2]-5 starts 'x'", true),
        ("count(OBX) = 2 and count(PID-3) > 1", true),
        ("length(PID-5.1) = 3", true),
        ("PV1 valued or NK1 valued", false),
        ("not (PID-8 = 'F' or PID-5.1 = 'Roe')", true),
        ("MSH-9.2 = 'R01'", true),
        ("PID-1 = OBX-1", true),
        ("PID-8 = 1", false),
    ] {
        let condition = Condition::parse(text).unwrap_or_else(|f| panic!("{text}: {f}"));
        assert_eq!(condition.test(&content), holds, "{text}");
    }
    for bad in ["PID-8", "PID-8 = ", "PID-3 in OBSERVATION valued", "PID-8 = 'M' or", ""] {
        assert!(Condition::parse(bad).is_err(), "{bad}");
    }
    let fhir = Condition::parse("Patient.gender = 'male'").unwrap();
    assert!(!fhir.test(&content));
}

#[test]
fn value_paths_read_what_they_name() {
    let content =
        message("MSH|^~\\&|A|B|C|D|2026||ORU^R01^ORU_R01|1|P|2.5.1\nPID|1||55^^^A~66^^^B||Doe^Jo");
    let path = |text: &str| ValuePath::parse(text).unwrap();
    assert_eq!(path("PID-3.1").read(&content), Some(Phi::new("55".into())));
    assert_eq!(path("PID-3").read_all(&content).len(), 2);
    assert_eq!(path("MSH-9").read(&content), Some(Phi::new("ORU".into())));
    assert_eq!(path("MSH-9").read_whole(&content), Some(Phi::new("ORU^R01^ORU_R01".into())));
    assert_eq!(path("PID-30").read(&content), None);
    assert!(ValuePath::parse("PID").is_err() && ValuePath::parse("").is_err());
}

#[test]
fn a_report_becomes_this_bundle() {
    let bytes = include_bytes!("../../fixtures/oru-r01-specimen.hl7");
    let content = Content::Hl7(Message::parse(Bytes::from_static(bytes)).unwrap());
    let (mapped, lineage) =
        load("mappings/oru-to-fhir.toml").explain(&content, "st-elsewhere").unwrap();
    insta::assert_snapshot!("report_bundle", json(&mapped.content));
    let rows: Vec<String> = lineage
        .rows
        .iter()
        .filter(|row| row.target.starts_with("Observation[0]"))
        .map(|row| {
            let code = row.code_row.as_deref().unwrap_or_default();
            format!("{}  {}  {}  {code}", row.target, row.source, row.rule).trim_end().to_owned()
        })
        .collect();
    insta::assert_snapshot!("report_lineage", rows.join("\n"));
    insta::assert_snapshot!("report_unused", lineage.unused_summary().join("\n"));
}

#[test]
fn ids_follow_site_and_key_alone() {
    let mapping = load("mappings/adt-to-fhir.toml");
    let one = "MSH|^~\\&|A|B|C|D|20260101||ADT^A08^ADT_A01|1|P|2.5.1\nPID|1||55^^^A^MR||Doe^Jo";
    let two = "MSH|^~\\&|A|B|C|D|20260202||ADT^A08^ADT_A01|2|P|2.5.1\nPID|1||55^^^A^MR||Roe^Jo";
    let url = |text: &str, site: &str| {
        let mapped = mapping.run(&message(text), site).unwrap();
        let Content::Fhir(doc) = &mapped.content else { panic!() };
        let path = crate::fhir::FhirPath::parse("Bundle.entry[0].fullUrl").unwrap();
        path.select(doc.root())[0].text().unwrap().into_owned()
    };
    assert_eq!(url(one, "x"), url(two, "x"));
    assert_ne!(url(one, "x"), url(one, "y"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_message_makes_a_run_panic_or_its_bundle_invalid(
        lines in proptest::collection::vec(
            ("(PID|PV1|NK1|AL1|DG1|IN1|OBR|OBX|ORC|SPM|NTE|ZZZ)", "[-|^~&0-9A-Z\"<.+ a]{0,60}"),
            0..12,
        )
    ) {
        static MAPPINGS: std::sync::OnceLock<[Mapping; 2]> = std::sync::OnceLock::new();
        let mappings = MAPPINGS.get_or_init(|| {
            [load("mappings/adt-to-fhir.toml"), load("mappings/oru-to-fhir.toml")]
        });
        let mut text = String::from("MSH|^~\\&|A|B|C|D|2026||ORU^R01|1|P|2.5.1\n");
        for (id, rest) in lines {
            text.push_str(&format!("{id}|{rest}\n"));
        }
        let content = message(&text);
        for mapping in mappings {
            let (mapped, lineage) = mapping.explain(&content, "s").unwrap();
            let Content::Fhir(doc) = &mapped.content else { panic!() };
            let findings = crate::fhir::validate::structure(doc);
            proptest::prop_assert!(findings.is_empty(), "{findings:?}");
            proptest::prop_assert_eq!(mapped.unused, lineage.unused.len());
            proptest::prop_assert_eq!(mapped.values, lineage.rows.len());
            let plain = mapping.run(&content, "s").unwrap();
            let Content::Fhir(again) = &plain.content else { panic!() };
            proptest::prop_assert_eq!(doc.to_json(), again.to_json());
        }
    }
}
