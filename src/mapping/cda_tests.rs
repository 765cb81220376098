//! Mappings of documents: their paths, types, lineage and what goes wrong.

use bytes::Bytes;

use super::tests::problems_of;
use super::*;
use crate::cda::Document;

const DOCUMENT: &str = r##"<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <id root="1.2.3" extension="D1"/>
  <code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/>
  <title>Summary &amp; more</title>
  <effectiveTime value="20260102030405-0500"/>
  <recordTarget><patientRole>
    <id root="1.2.3.4" extension="555" assigningAuthorityName="Clinic"/>
    <id root="5c1b9b4e-6f4b-4c8e-8e0d-0f7c2f0a1b2c"/>
    <id nullFlavor="UNK"/>
    <addr use="HP PST"><streetAddressLine>1 Road</streetAddressLine><city>Town</city><county>Shire</county></addr>
    <telecom use="MC" value="tel:+1(555)1"/><telecom value="mailto:a@b.c"/><telecom nullFlavor="UNK"/>
    <patient>
      <name use="L"><prefix>Dr</prefix><given>Test</given><given qualifier="CL">T</given><family qualifier="BR">Birth</family><family>Now</family><validTime><low value="2001"/></validTime></name>
      <name>Just text</name>
      <administrativeGenderCode code="F"/><birthTime value="19800229"/>
      <maritalStatusCode nullFlavor="MSK"/>
      <sdtc:deceasedInd value="false"/>
    </patient>
  </patientRole></recordTarget>
  <component><structuredBody>
    <component><section>
      <templateId root="2.16.840.1.113883.10.20.22.2.3.1"/>
      <code code="30954-2" codeSystem="2.16.840.1.113883.6.1"/>
      <title>Results</title>
      <text><paragraph ID="r1">It was <content styleCode="Bold">fine</content> &lt;3</paragraph><table><tbody><tr><td colspan="2" onclick="x">a</td></tr></tbody></table></text>
      <entry><organizer><id root="9.1"/><code code="P1" codeSystem="1.9"/><statusCode code="completed"/>
        <component><observation><id root="9.2"/><code code="A" codeSystem="2.16.840.1.113883.6.1" displayName="Alpha"><originalText><reference value="#r1"/></originalText><translation code="AA" codeSystem="2.16.840.1.113883.6.96"/></code><effectiveTime value="2026010203"/><value xsi:type="PQ" value="7.10" unit="mmol/L"/></observation></component>
        <component><observation><id root="9.3"/><code code="B" codeSystem="1.9"/><effectiveTime><low value="20260102"/><high value="20260103"/></effectiveTime><value xsi:type="IVL_PQ"><high value="5" unit="mg" inclusive="false"/></value></observation></component>
        <component><observation><id root="9.4"/><code code="C" codeSystem="1.9"/><value xsi:type="ST">plain</value></observation></component>
        <component><observation><id root="9.5"/><code code="D" codeSystem="1.9"/><value xsi:type="RTO"><numerator value="1"/><denominator value="128"/></value></observation></component>
        <component><observation><id root="9.6"/><code code="E" codeSystem="1.9"/><effectiveTime value="20260102"/><value xsi:type="BL" value="true"/></observation></component>
        <component><observation><id root="9.7"/><code code="F" codeSystem="1.9"/><value xsi:type="TS" value="202601"/></observation></component>
        <component><observation><id root="9.8"/><code code="G" codeSystem="1.9"/><value xsi:type="PQ" value="many" unit="mg"/></observation></component>
        <component><observation><id root="9.9"/><code code="H" codeSystem="1.9"/><value nullFlavor="NASK"/></observation></component>
      </organizer></entry>
      <entry><organizer><id root="9.10"/><code code="P2" codeSystem="1.9"/><statusCode code="completed"/>
        <component><observation><id root="9.11"/><code code="I" codeSystem="1.9"/><value xsi:type="INT" value="3"/></observation></component>
      </organizer></entry>
    </section></component>
  </structuredBody></component>
</ClinicalDocument>"##;

pub(super) fn document() -> Content {
    Content::Cda(Document::parse(&Bytes::from_static(DOCUMENT.as_bytes())).unwrap())
}

const HEAD: &str = "[mapping]\nfrom = \"cda\"\nto = \"fhir-r4\"\n[codes]\n\
    sex = { rows = { F = \"female\" }, unmapped = \"unknown\" }\n";

/// The JSON of the only resource of a rule, without what all have.
fn made(rule: &str) -> String {
    let (mapping, shown) = problems_of(&format!("{HEAD}{rule}"));
    let mapping = mapping.unwrap_or_else(|| panic!("{rule}\n{}", shown.join("\n")));
    let mapped = mapping.run(&document(), "here").unwrap();
    let Content::Fhir(doc) = mapped.content else { panic!() };
    let value: serde_json::Value = serde_json::from_slice(&doc.to_json()).unwrap();
    let mut resource = value["entry"][0]["resource"].clone();
    resource.as_object_mut().unwrap().remove("resourceType");
    resource.to_string()
}

fn patient(line: &str) -> String {
    made(&format!(
        "[rule.patient]\nmake = \"Patient\"\neach = \"recordTarget/patientRole\"\n\
         [rule.patient.set]\n{line}\n"
    ))
}

/// The value and code of the observation of a code.
fn observation(code: &str, line: &str) -> String {
    made(&format!(
        "[rule.o]\nmake = \"Observation\"\neach = \"//observation[code/@code = '{code}']\"\n\
         [rule.o.set]\nstatus = \"'final'\"\ncode = \"code code v2-0203#MR when @x valued\"\n{line}\n"
    ).replace("code = \"code code v2-0203#MR when @x valued\"\n", "code = \"code v2-0203#MR\"\n"))
}

fn check(made: String, expected: &str) {
    let parse = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    assert_eq!(parse(&made), parse(expected), "{made}");
}

#[test]
fn types_of_people_become_those_of_fhir() {
    check(
        patient(r#""identifier[]" = "each id""#),
        r#"{"identifier":[{"system":"urn:oid:1.2.3.4","value":"555","assigner":{"display":"Clinic"}},
            {"system":"urn:ietf:rfc:3986","value":"urn:uuid:5c1b9b4e-6f4b-4c8e-8e0d-0f7c2f0a1b2c"}]}"#,
    );
    check(
        patient(r#""name[]" = "each patient/name""#),
        r#"{"name":[{"use":"official","family":"Now","given":["Test"],"prefix":["Dr"],
            "period":{"start":"2001"}},{"text":"Just text"}]}"#,
    );
    check(
        patient(r#""address[]" = "each addr""#),
        r#"{"address":[{"use":"home","type":"postal","line":["1 Road"],"city":"Town",
            "district":"Shire"}]}"#,
    );
    check(
        patient(r#""telecom[]" = "each telecom""#),
        r#"{"telecom":[{"system":"phone","value":"+1(555)1","use":"mobile"},
            {"system":"email","value":"a@b.c"}]}"#,
    );
    check(
        patient(r#"gender = "patient/administrativeGenderCode via sex""#),
        r#"{"gender":"female"}"#,
    );
    check(patient(r#"birthDate = "patient/birthTime""#), r#"{"birthDate":"1980-02-29"}"#);
    check(
        patient(r#"deceased = ["patient/sdtc:deceasedTime", "patient/sdtc:deceasedInd"]"#),
        r#"{"deceasedBoolean":false}"#,
    );
    check(
        patient(r#""name[].text" = "first patient/name[2]""#),
        r#"{"name":[{"text":"Just text"}]}"#,
    );
    check(
        patient(r#""name[].family" = "'x' when not patient/maritalStatusCode valued""#),
        r#"{"name":[{"family":"x"}]}"#,
    );
}

#[test]
fn values_have_the_type_they_say() {
    let code = r#""code":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"status":"final""#;
    let value = |of: &str, expected: &str| {
        let sign = if expected.is_empty() { "" } else { "," };
        check(observation(of, r#"value = "first value""#), &format!("{{{code}{sign}{expected}}}"));
    };
    let ucum = "http://unitsofmeasure.org";
    value(
        "A",
        &format!(
            r#""valueQuantity":{{"value":7.10,"unit":"mmol/L","system":"{ucum}","code":"mmol/L"}}"#
        ),
    );
    value(
        "B",
        &format!(
            r#""valueQuantity":{{"value":5,"comparator":"<","unit":"mg","system":"{ucum}","code":"mg"}}"#
        ),
    );
    value("C", r#""valueString":"plain""#);
    value("D", r#""valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}"#);
    value("E", r#""valueBoolean":true"#);
    value("F", r#""valueDateTime":"2026-01""#);
    value("G", r#""valueString":"many mg""#);
    value("H", "");
    value("I", r#""valueInteger":3"#);
    let effective = |of: &str, expected: &str| {
        check(observation(of, "effective = \"effectiveTime\""), &format!("{{{code},{expected}}}"));
    };
    effective("A", r#""effectiveDateTime":"2026-01-02""#);
    effective("E", r#""effectiveDateTime":"2026-01-02""#);
    effective("B", r#""effectivePeriod":{"start":"2026-01-02","end":"2026-01-03"}"#);
    check(
        observation("A", r#""bodySite" = "code""#),
        &format!(
            r#"{{{code},"bodySite":{{"coding":[{{"system":"http://loinc.org","code":"A","display":"Alpha"}},
            {{"system":"http://snomed.info/sct","code":"AA"}}],"text":"It was fine <3"}}}}"#
        ),
    );
}

#[test]
fn narratives_become_xhtml_without_what_may_harm() {
    let made = made(
        "[rule.d]\nmake = \"Composition\"\n[rule.d.set]\nstatus = \"'final'\"\ntype = \"code\"\n\
         date = \"effectiveTime\"\ntitle = \"title\"\n\"author[].display\" = \"'x'\"\n\
         text = \"first section(30954-2)/text\"\n",
    );
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["date"], "2026-01-02T03:04:05-05:00");
    assert_eq!(made["title"], "Summary & more");
    assert_eq!(
        made["text"]["div"],
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>It was <b>fine</b> &lt;3</p>\
         <table><tbody><tr><td colspan=\"2\">a</td></tr></tbody></table></div>"
    );
}

#[test]
fn references_mean_what_is_nearest() {
    let text = format!(
        "{HEAD}[rule.patient]\nmake = \"Patient\"\neach = \"recordTarget[1]/patientRole\"\n\
         [rule.report]\nmake = \"DiagnosticReport\"\neach = \"section(30954-2)/entry/organizer\"\n\
         [rule.report.set]\nstatus = \"'final'\"\ncode = \"code else code v2-0203#MR\"\nsubject = \"ref patient\"\n\
         \"result[]\" = \"all ref result\"\n\
         [rule.result]\nmake = \"Observation\"\n\
         each = \"section(30954-2)/entry/organizer/component/observation\"\nkey = [\"id/@root\"]\n\
         [rule.result.set]\nstatus = \"'final'\"\ncode = \"code\"\nsubject = \"ref patient\"\n\
         \"note[].text\" = \"position\"\n"
    );
    let (mapping, shown) = problems_of(&text);
    assert!(shown.is_empty(), "{shown:?}");
    let mapped = mapping.unwrap().run(&document(), "here").unwrap();
    let Content::Fhir(doc) = &mapped.content else { panic!() };
    let count = |path: &str| crate::fhir::FhirPath::parse(path).unwrap().select(doc.root()).len();
    let reports = "Bundle.entry.resource.ofType(DiagnosticReport)";
    assert_eq!(count(&format!("{reports}[0].result")), 8);
    assert_eq!(count(&format!("{reports}[1].result")), 1);
    assert_eq!(count("Bundle.entry.resource.ofType(Observation).subject.reference"), 9);
}

#[test]
fn lineage_names_paths_with_lines_and_what_nobody_read() {
    let text = format!(
        "{HEAD}[rule.patient]\nmake = \"Patient\"\neach = \"recordTarget/patientRole\"\n\
         [rule.patient.set]\n\"identifier[]\" = \"first id\"\ngender = \"patient/administrativeGenderCode via sex\"\n"
    );
    let (mapping, _) = problems_of(&text);
    let (mapped, lineage) = mapping.unwrap().explain(&document(), "here").unwrap();
    assert_eq!(mapped.unused, lineage.unused.len());
    let rows: Vec<_> = lineage
        .rows
        .iter()
        .map(|row| format!("{} <- {} ({})", row.target, row.source, row.rule))
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    Patient[0].identifier[0].system <- recordTarget/patientRole/id[1]/@root 8:15 (m.toml:10)
    Patient[0].identifier[0].value <- recordTarget/patientRole/id[1]/@extension 8:35 (m.toml:10)
    Patient[0].identifier[0].assigner.display <- recordTarget/patientRole/id[1]/@assigningAuthorityName 8:64 (m.toml:10)
    Patient[0].gender <- recordTarget/patientRole/patient/administrativeGenderCode/@code 16:39 (m.toml:11)
    ");
    let unused: Vec<_> = lineage.unused.iter().map(|unused| unused.path.as_str()).collect();
    for path in [
        "title",
        "recordTarget/patientRole/id[2]/@root",
        "recordTarget/patientRole/addr/city",
        "component/structuredBody/component/section/text",
    ] {
        assert!(unused.contains(&path), "{path} of {unused:#?}");
    }
    for path in ["id/@extension", "component/structuredBody/component/section/templateId/@root"] {
        assert!(!unused.contains(&path), "{path}");
    }
}

#[test]
fn mistakes_are_found_at_load_with_their_place() {
    let check = |line: &str, expected: &[&str]| {
        let text = format!(
            "{HEAD}[rule.patient]\nmake = \"Patient\"\neach = \"recordTarget/patientRole\"\n\
             [rule.patient.set]\n{line}\n"
        );
        let (_, shown) = problems_of(&text);
        assert_eq!(shown, expected, "{line}");
    };
    check(r#"birthDate = "patient/birthtime""#, &["error W4003 10:14 Patient has no `birthtime`"]);
    check(r#"birthDate = "patient/birthTime/@vaule""#, &["error W4003 10:14 TS has no `@vaule`"]);
    check(
        r#"birthDate = "patient/name""#,
        &["error W4007 10:14 cda:EN cannot become date (Patient.birthDate)"],
    );
    check(
        r#"birthDate = "patient""#,
        &["error W4007 10:14 Patient cannot become date (Patient.birthDate)"],
    );
    check(
        r#""name[]" = "patient/name""#,
        &["warning W4004 10:13 the field may repeat; the first repetition with a value is taken"],
    );
    check(
        r#"gender = "patient/administrativeGenderCode""#,
        &["error W4010 10:11 Patient.gender takes codes of administrative-gender only"],
    );
    check(r#"birthDate = "patient/[1]""#, &["error W4001 10:22 expected a step of a path"]);
    check(r#"birthDate = "PID-7""#, &["error W4003 10:14 PatientRole has no `PID-7`"]);
    let (_, shown) = problems_of("[mapping]\nfrom = \"cdx\"\nto = \"fhir-r4\"\n");
    assert_eq!(shown, ["error W4017 2:8 expected `hl7v2:VERSION:STRUCTURE` or `cda`"]);
    let (_, shown) = problems_of("[mapping]\nfrom = \"cda\"\nto = \"hl7v2:2.5.1:ADT_A01\"\n");
    assert_eq!(shown, ["error W4017 3:6 documents become `fhir-r4`; HL7 v2 is made of HL7 v2"]);
}

#[test]
fn null_flavors_are_said_where_that_is_asked_for() {
    let made = made(
        "[rule.patient]\nmake = \"Patient\"\neach = \"recordTarget/patientRole\"\non_null = \"remove\"\n\
         [rule.patient.set]\nmaritalStatus = \"patient/maritalStatusCode\"\n",
    );
    check(
        made,
        r#"{"maritalStatus":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}}"#,
    );
}

#[test]
fn a_form_that_is_not_read_is_refused() {
    let (mapping, _) = problems_of(&format!(
        "{HEAD}[rule.patient]\nmake = \"Patient\"\n[rule.patient.set]\nbirthDate = \"//birthTime\"\n"
    ));
    let mapping = mapping.unwrap();
    let v2 = super::tests::message("MSH|^~\\&|A|||||||ADT^A01|1|P|2.5.1");
    for content in [v2, Content::Raw(Bytes::new())] {
        assert_eq!(mapping.run(&content, "x").unwrap_err().code(), w::W4302);
    }
    assert_eq!(mapping.takes(), ("cda", "ClinicalDocument"));
}

#[test]
fn conditions_and_paths_read_documents_outside_of_mappings() {
    let document = document();
    let holds = |text: &str| Condition::parse(text).unwrap().test(&document);
    assert!(holds("/code/@code = '34133-9'"));
    assert!(holds("not /code/@code = '1' and count(//observation) > 8"));
    assert!(!holds("//birthTime not valued"));
    let path = ValuePath::parse("/recordTarget/patientRole/id[2]/@root").unwrap();
    assert!(path.is_cda());
    assert!(path.read(&document).unwrap().reveal().starts_with("5c1b"));
    assert!(Condition::parse("/code/@code = ").is_err());
    let told = |text: &str| ValuePath::parse(text).unwrap_err().code();
    assert_eq!(told("/recordTarget/patientRol/id"), w::W4003);
    assert_eq!(told("/recordTarget/["), w::W4001);
    assert!(!ValuePath::parse("Patient.birthDate").unwrap().is_cda());
}

#[test]
fn a_path_that_looks_at_too_much_ends_in_a_fault() {
    let many = "<observation><code code=\"x\"/></observation>".repeat(6000);
    let text = format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><entry>{many}</entry></ClinicalDocument>"
    );
    let content = Content::Cda(Document::parse(&Bytes::from(text)).unwrap());
    let (mapping, shown) = problems_of(&format!(
        "{HEAD}[rule.o]\nmake = \"Observation\"\neach = \"//observation\"\n[rule.o.set]\n\
         status = \"'final'\"\ncode = \"first //observation[code/@code = 'y']/code\"\n"
    ));
    let mapping = mapping.unwrap_or_else(|| panic!("{shown:?}"));
    assert_eq!(mapping.run(&content, "x").unwrap_err().code(), w::W2772);
}

/// The first entry that a patient with these elements becomes, and its id.
fn entry(elements: &str) -> serde_json::Value {
    let text = format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"1.2\" extension=\"{}\"/>\
         <recordTarget><patientRole>{elements}</patientRole></recordTarget></ClinicalDocument>",
        elements.len()
    );
    let content = Content::Cda(Document::parse(&Bytes::from(text)).unwrap());
    let (mapping, shown) = problems_of(&format!(
        "{HEAD}[rule.patient]\nmake = \"Patient\"\neach = \"recordTarget[1]/patientRole\"\n\
         key = [\"id[1]/@root\", \"id[1]/@extension\"]\nwrite = \"create-if-none(identifier)\"\n\
         [rule.patient.set]\n\"identifier[]\" = \"each id\"\n"
    ));
    let mapped = mapping.unwrap_or_else(|| panic!("{shown:?}")).run(&content, "x").unwrap();
    let Content::Fhir(doc) = mapped.content else { panic!() };
    let value: serde_json::Value = serde_json::from_slice(&doc.to_json()).unwrap();
    value["entry"][0].clone()
}

#[test]
fn patients_without_a_number_stay_apart() {
    let ssn = r#"<id root="2.16.840.1.113883.4.1" nullFlavor="UNK"/>"#;
    let search = |elements: &str| entry(elements)["request"]["ifNoneExist"].clone();
    let values = |elements: &str| {
        let made = entry(elements);
        let all = made["resource"]["identifier"].as_array().cloned().unwrap_or_default();
        all.iter().map(|id| id["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(values(ssn).is_empty());
    assert!(search(ssn).is_null());
    // Two documents, two patients.
    assert_ne!(entry(ssn)["fullUrl"], entry(&format!("{ssn}<telecom/>"))["fullUrl"]);
    let known = format!("{ssn}<id root=\"1.2.3\" extension=\"7\"/>");
    assert_eq!(values(&known), ["7"]);
    assert_eq!(search(&known), "identifier=urn:oid:1.2.3|7");
    // The number is said, whatever the flavor.
    assert_eq!(values(r#"<id root="1.2.3" extension="7" nullFlavor="UNK"/>"#), ["7"]);
    assert!(values(r#"<id root="1.2.3" extension="" nullFlavor="UNK"/>"#).is_empty());
    // An OID alone is kept, but nobody is found by it.
    let bare = r#"<id root="2.16.840.1.113883.4.1"/>"#;
    assert_eq!(values(bare), ["urn:oid:2.16.840.1.113883.4.1"]);
    assert!(search(bare).is_null());
    let uuid = r#"<id root="5c1b9b4e-6f4b-4c8e-8e0d-0f7c2f0a1b2c"/>"#;
    let found = "identifier=urn:ietf:rfc:3986|urn:uuid:5c1b9b4e-6f4b-4c8e-8e0d-0f7c2f0a1b2c";
    assert_eq!(search(&format!("{bare}{uuid}")), found);
}

/// Runs a rule over observations that each refer to one paragraph.
fn referring(paragraph: usize, count: usize, set: &str) -> Result<usize, crate::fault::Code> {
    let many = "<observation><code code=\"x\"><originalText><reference value=\"#a\"/>\
                </originalText></code><text><reference value=\"#a\"/></text></observation>";
    let text = format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><text><paragraph ID=\"a\">{}</paragraph></text>\
         <entry>{}</entry></ClinicalDocument>",
        "x".repeat(paragraph),
        many.repeat(count)
    );
    let content = Content::Cda(Document::parse(&Bytes::from(text)).unwrap());
    let (mapping, shown) = problems_of(&format!(
        "{HEAD}[rule.o]\nmake = \"Observation\"\neach = \"//observation\"\n[rule.o.set]\n\
         status = \"'final'\"\ncode = \"code\"\n{set}\n"
    ));
    let mapping = mapping.unwrap_or_else(|| panic!("{shown:?}"));
    let mapped = mapping.run(&content, "x").map_err(|fault| fault.code())?;
    let Content::Fhir(doc) = mapped.content else { panic!() };
    Ok(doc.to_json().len())
}

#[test]
fn one_paragraph_is_not_told_without_end() {
    let short = referring(1000, 20, "\"note[]\" = \"text\"").unwrap();
    assert!(short > 2 * 20 * 1000, "{short}");
    assert_eq!(referring(1 << 20, 70, ""), Err(w::W2773));
    assert_eq!(referring(2 << 20, 17, "\"note[]\" = \"text\""), Err(w::W2773));
}

/// What the first observation becomes, and how many warnings there are.
fn interval(elements: &str, line: &str) -> (serde_json::Value, usize) {
    let text = format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><entry><observation>{elements}\
         </observation></entry></ClinicalDocument>"
    );
    let content = Content::Cda(Document::parse(&Bytes::from(text)).unwrap());
    let (mapping, shown) = problems_of(&format!(
        "{HEAD}[rule.o]\nmake = \"Observation\"\neach = \"//observation\"\n[rule.o.set]\n\
         status = \"'final'\"\ncode = \"code v2-0203#MR\"\n{line}\n"
    ));
    let mapped = mapping.unwrap_or_else(|| panic!("{shown:?}")).run(&content, "x").unwrap();
    let warnings = mapped.warnings.len();
    let Content::Fhir(doc) = mapped.content else { panic!() };
    let value: serde_json::Value = serde_json::from_slice(&doc.to_json()).unwrap();
    (value["entry"][0]["resource"].clone(), warnings)
}

#[test]
fn periods_have_the_bounds_that_are_told() {
    let check = |inside: &str, expected: &str, warnings: usize| {
        let time = format!("<effectiveTime>{inside}</effectiveTime>");
        let (made, told) = interval(&time, r#"effective = "effectiveTime as Period""#);
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!((&made["effectivePeriod"], told), (&expected, warnings), "{inside}");
    };
    let low = r#"<low value="20200101"/>"#;
    let ten = r#"<width value="10" unit="d"/>"#;
    check(&format!("{low}{ten}"), r#"{"start":"2020-01-01","end":"2020-01-11"}"#, 0);
    check(
        &format!(r#"{ten}<high value="20200111"/>"#),
        r#"{"start":"2020-01-01","end":"2020-01-11"}"#,
        0,
    );
    check(&format!(r#"{low}<width value="1" unit="kg"/>"#), r#"{"start":"2020-01-01"}"#, 1);
    check(&format!(r#"{low}<width value="3" unit="h"/>"#), r#"{"start":"2020-01-01"}"#, 1);
    check(r#"<center value="20200101"/>"#, "null", 1);
    check(&format!(r#"{low}<center value="20200105"/>"#), r#"{"start":"2020-01-01"}"#, 1);
    check(
        &format!(r#"{low}<high value="20200103" inclusive="false"/>"#),
        r#"{"start":"2020-01-01","end":"2020-01-03"}"#,
        1,
    );
    let unknown = r#"{"start":"2020-01-01","_end":{"extension":[{"url":
        "http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}"#;
    check(&format!(r#"{low}<high nullFlavor="UNK"/>"#), unknown, 0);
    check(&format!(r#"{low}<high nullFlavor="NA"/>"#), r#"{"start":"2020-01-01"}"#, 0);
    check(low, r#"{"start":"2020-01-01"}"#, 0);
}

#[test]
fn measures_have_both_bounds_where_the_width_tells() {
    let check = |inside: &str, name: &str, expected: &str, warnings: usize| {
        let value = format!(r#"<value xsi:type="IVL_PQ">{inside}</value>"#);
        let (made, told) = interval(&value, r#"value = "first value""#);
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!((&made[name], told), (&expected, warnings), "{inside}");
    };
    // That it is no single number is told, too.
    let both = r#"{"low":{"value":10},"high":{"value":15}}"#;
    check(r#"<low value="10"/><width value="5"/>"#, "valueRange", both, 1);
    check(r#"<width value="5"/><high value="15"/>"#, "valueRange", both, 1);
    check(
        r#"<low value="10"/><width value="5" unit="mg"/>"#,
        "valueRange",
        r#"{"low":{"value":10}}"#,
        2,
    );
    check(r#"<low value="10"/>"#, "valueQuantity", r#"{"value":10,"comparator":">="}"#, 0);
    check(r#"<low value="10"/><high value="15" inclusive="false"/>"#, "valueRange", both, 2);
}
