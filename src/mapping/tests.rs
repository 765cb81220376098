//! Mappings loaded, run and explained as a whole.

use bytes::Bytes;

use super::*;
use crate::base::Phi;
use crate::fault::{DrawStyle, draw};
use crate::hl7v2::Message;
use crate::hl7v2::tables::{
    FieldChange, Site, SiteField, SiteParts, SiteSegment, SiteTable, Usage,
};

/// Files by name.
#[derive(Default)]
struct Files(Vec<(&'static str, &'static str)>, Site);

impl Library for Files {
    fn file(&self, path: &str) -> Option<SourceFile> {
        let (name, text) = self.0.iter().find(|(name, _)| *name == path)?;
        Some(SourceFile::new(*name, *text))
    }

    fn site(&self) -> Site {
        self.1.clone()
    }
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        Files(vec![$(($path, include_str!(concat!("../../", $path)))),*], Site::NONE)
    };
}

fn shipped() -> Files {
    files![
        "mappings/adt-to-fhir.toml",
        "mappings/oru-to-fhir.toml",
        "mappings/ccd-to-fhir.toml",
        "fixtures/ccd.xml",
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

pub(super) fn message(text: &str) -> Content {
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
    for name in
        ["mappings/adt-to-fhir.toml", "mappings/oru-to-fhir.toml", "mappings/ccd-to-fhir.toml"]
    {
        let run = load(name).run_tests();
        let failures: Vec<String> = run
            .outcomes
            .iter()
            .flat_map(|o| o.failures.iter().map(|f| format!("{}: {f}", o.name)))
            .collect();
        assert!(failures.is_empty(), "{name}\n{}", failures.join("\n"));
    }
}

pub(super) fn problems_of(text: &str) -> (Option<Mapping>, Vec<String>) {
    problems_with(text, &shipped())
}

fn problems_with(text: &str, files: &Files) -> (Option<Mapping>, Vec<String>) {
    let mut problems = Problems::new();
    let mapping = Mapping::load(SourceFile::new("m.toml", text), files, &mut problems);
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
            "error W4017 3:6 expected `fhir-r4` or `hl7v2:VERSION:STRUCTURE`"
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

/// A site with a segment behind OBX, one anywhere, and a field of the standard that repeats.
fn site() -> Site {
    let field = |name: &str, datatype: &str, max: u32, table: &str| SiteField {
        name: name.into(),
        datatype: datatype.into(),
        usage: Usage::Optional,
        max,
        length: None,
        table: table.into(),
    };
    let segment = |id: &str, after: Option<&str>, fields: Vec<SiteField>| SiteSegment {
        id: id.into(),
        name: "Own".into(),
        after: after.map(Into::into),
        fields,
    };
    Site::new(SiteParts {
        segments: vec![
            segment(
                "ZLB",
                Some("OBX"),
                vec![
                    field("Set ID", "SI", 1, ""),
                    field("State", "IS", 1, "LAB1"),
                    field("Bench", "CWE", 0, ""),
                    field("Instrument", "ST", 1, ""),
                ],
            ),
            segment("ZLC", Some("ZLB"), vec![field("At", "DTM", 1, "")]),
            segment("ZAN", None, vec![field("Note", "ST", 1, "")]),
        ],
        fields: vec![FieldChange {
            segment: "OBX".into(),
            field: 16,
            datatype: Some("CWE".into()),
            ..FieldChange::default()
        }],
        tables: vec![SiteTable {
            id: "LAB1".into(),
            codes: vec![("F".into(), "Done".into()), ("Q".into(), "Queued".into())],
            replaces: false,
        }],
    })
}

#[test]
fn segments_of_a_site_are_typed_and_checked() {
    let files = Files(shipped().0, site());
    let check = |lines: &str, expected: &[&str]| {
        let status = if lines.contains("status =") { "" } else { "\nstatus = \"'final'\"" };
        let code = if lines.contains("code =") { "" } else { "\ncode = \"OBX-3\"" };
        let text = format!("{HEAD}{lines}{status}{code}\n");
        let (mapping, shown) = problems_with(&text, &files);
        assert_eq!(shown.join("\n"), expected.join("\n"), "{lines}");
        mapping
    };
    check("device.display = 'ZLB-4'", &[]);
    check("issued = 'ZLC-1'", &[]);
    check("device.display = 'ZLB-5'", &["error W4003 14:19 ZLB has 4 fields"]);
    check("issued = 'ZLB-4'", &[]);
    check(
        "valueQuantity = 'ZLC-1'",
        &["error W4007 14:18 DTM cannot become Quantity \
        (Observation.value[x])"],
    );
    check(
        "device.display = 'ZLB-3.2'",
        &["warning W4004 14:19 the field may repeat; the first \
        repetition with a value is taken"],
    );
    check("'category[]' = 'each ZLB-3'", &[]);
    check("device.display = 'ZAN-1'", &["error W4004 14:19 several segments may stand there"]);
    check("device.display = 'first ZAN-1'", &[]);
    check("'category[]' = 'each OBX-16'", &[]);
    check(
        "status = 'ZLB-2 via status'",
        &[
            "warning W4012 14:10 Observation.status has no value that is certain",
            "error W4010 14:21 Observation.status cannot hold `nonsense` in line 6 of m.toml",
            "error W4011 14:21 `status` has no row for Q of table LAB1",
        ],
    );

    let text = format!(
        "{HEAD}status = \"'final'\"\ncode = 'OBX-3'\ndevice.display = 'ZLB-4'\n\
         'category[]' = 'each ZLB-3'\nissued = 'ZLC-1'\nmethod = 'ZLB-2'\n"
    );
    let (mapping, shown) = problems_with(&text, &files);
    let mapping = mapping.unwrap_or_else(|| panic!("{shown:?}"));
    let content = message(
        "MSH|^~\\&|||||||ORU^R01^ORU_R01|1|P|2.5.1\nPID|1||5\nOBR|1\n\
         OBX|1|ST|1^a^L||x\nZLB|1|F|a^A^L~b^B^L|AU680\nZLC|20260102030405+0100\n\
         OBX|2|ST|2^b^L||y\nZLB|2|||AU681\nZAN|note",
    );
    let (mapped, lineage) = mapping.explain(&content, "site").unwrap();
    let shown = json(&mapped.content);
    for part in [
        "\"display\": \"AU680\"",
        "\"display\": \"AU681\"",
        "\"code\": \"b\"",
        "\"issued\": \"2026-01-02T03:04:05+01:00\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("v2-LAB1"), "{shown}");
    let unused: Vec<_> =
        lineage.unused.iter().map(|one| (one.path.as_str(), one.name.as_deref())).collect();
    assert!(unused.contains(&("ZAN-1", Some("Note"))), "{unused:?}");
    assert!(unused.contains(&("ZLB[1]-1", Some("Set ID"))), "{unused:?}");
}

#[test]
fn what_the_sender_takes_back_is_told_where_the_mapping_asks() {
    let mapping = |mapping: &str, rule: &str| {
        let text = format!(
            "[mapping]\nfrom = \"hl7v2:2.5.1:ADT_A01\"\nto = \"fhir-r4\"\n{mapping}\n\
             [codes]\nsex = \"codes/sex.csv\"\n[rule.patient]\nmake = \"Patient\"\neach = \"PID\"\n\
             {rule}\n[rule.patient.set]\nbirthDate = \"PID-7\"\ngender = \"first PID-8 via sex\"\n\
             \"name[]\" = \"each PID-5\"\nmaritalStatus = \"PID-16 else PID-15\"\n\
             \"telecom[home].value\" = \"first PID-13.1 else first PID-14.1\"\n"
        );
        let (mapping, shown) = problems_of(&text);
        (mapping, shown)
    };
    let nulls =
        "MSH|^~\\&|||||||ADT^A01^ADT_A01|1|P|2.5.1\nPID|1||5||\"\"||\"\"|\"\"|||||\"\"|9|\"\"|";
    let patient = |on: &str, rule: &str, text: &str| {
        let (mapping, shown) = mapping(on, rule);
        let mapping = mapping.unwrap_or_else(|| panic!("{shown:?}"));
        let (mapped, lineage) = mapping.explain(&message(text), "site").unwrap();
        assert!(!lineage.unused.iter().any(|one| one.path == "PID-7"), "{:?}", lineage.unused);
        let value: serde_json::Value = serde_json::from_str(&json(&mapped.content)).unwrap();
        value["entry"][0]["resource"].clone()
    };
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let plain = ["resourceType", "telecom"];
    assert_eq!(keys(&patient("", "", nulls)), plain);
    assert_eq!(keys(&patient("on_null = \"omit\"", "", nulls)), plain);
    assert_eq!(keys(&patient("on_null = \"remove\"", "on_null = \"omit\"", nulls)), plain);
    for (on, rule) in [("on_null = \"remove\"", ""), ("", "on_null = \"remove\"")] {
        let told = patient(on, rule, nulls);
        let all = ["_birthDate", "_gender", "maritalStatus", "name", "resourceType", "telecom"];
        let mut found = keys(&told);
        found.sort();
        assert_eq!(found, all);
        let absent = serde_json::json!({ "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "unknown",
        }] });
        assert_eq!(told["_birthDate"], absent);
        assert_eq!(told["name"], serde_json::json!([absent]));
        // Another source that has a value comes first; what was not sent is not spoken of.
        assert_eq!(told["telecom"][0]["value"], "9");
        let absent = nulls.replace("\"\"", "");
        assert_eq!(keys(&patient(on, rule, &absent)), plain);
    }
    let (_, shown) = mapping("on_null = \"delete\"", "");
    assert_eq!(shown, ["error W4002 4:11 expected `omit` or `remove`"]);
}

#[test]
fn references_take_time_like_the_message() {
    let text = "[mapping]\nfrom = \"hl7v2:2.5.1:ORU_R01\"\nto = \"fhir-r4\"\n\
        [rule.order]\nmake = \"ServiceRequest\"\neach = \"OBR\"\nkey = [\"OBR-2\"]\n\
        [rule.order.set]\nstatus = \"'active'\"\nintent = \"'order'\"\n\
        subject = { display = \"'x'\" }\n\"identifier[].value\" = \"OBR-2\"\n\
        [rule.result]\nmake = \"Observation\"\neach = \"OBX in OBSERVATION\"\n\
        key = [\"ref order\", \"OBX-1\"]\n[rule.result.set]\nstatus = \"'final'\"\n\
        code = \"OBX-3\"\n\"basedOn[]\" = \"ref order\"\n\
        [rule.report]\nmake = \"DiagnosticReport\"\neach = \"ORDER_OBSERVATION\"\n\
        key = [\"ref order\"]\n[rule.report.set]\nstatus = \"'final'\"\ncode = \"OBR-4\"\n\
        \"basedOn[]\" = \"ref order\"\n\"result[]\" = \"all ref result\"\n";
    let (mapping, problems) = problems_of(text);
    let mapping = mapping.unwrap_or_else(|| panic!("{problems:?}"));
    let run = |orders: usize| {
        let segments: String = (0..orders)
            .map(|n| format!("OBR|{n}|P{n}|F{n}|1^a^L\rOBX|1|ST|1^a^L||x\rOBX|2|ST|2^b^L||y\r"))
            .collect();
        let content =
            message(&format!("MSH|^~\\&|||||||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||5\r{segments}"));
        let before = run::worked();
        let mapped = mapping.write(&content, "site").unwrap();
        ((run::worked() - before) as f64 / orders as f64, mapped.content.bytes)
    };
    let (few, bytes) = run(100);
    let (many, _) = run(10_000);
    assert!(many < 1.2 * few && many < 40.0, "{few} instances an order, then {many}");
    // Each report names its own two results and its own order.
    let bundle: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let (orders, rest) = entries.split_at(100);
    let (results, reports) = rest.split_at(200);
    for (n, report) in reports.iter().enumerate() {
        let own = &results[2 * n..2 * n + 2];
        assert_eq!(report["resource"]["basedOn"][0]["reference"], orders[n]["fullUrl"]);
        for (at, result) in own.iter().enumerate() {
            assert_eq!(report["resource"]["result"][at]["reference"], result["fullUrl"]);
            assert_eq!(result["resource"]["basedOn"][0]["reference"], orders[n]["fullUrl"]);
        }
        assert_eq!(report["resource"]["result"].as_array().unwrap().len(), 2);
    }
}
