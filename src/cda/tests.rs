//! Documents of all shapes, the odd ones most.

use super::*;

const DOCUMENT: &str = r#"<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc">
  <id root="1.2.3" extension="D&amp;1"/>
  <code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/>
  <title>Summary of <i>care</i> &lt;1&gt;</title>
  <recordTarget><patientRole>
    <id root="1.2.3.4" extension="555"/><id root="9.9" extension="x"/>
    <patient><name><given>Test</given><given>B</given><family>Patient</family></name>
      <raceCode code="1"/><sdtc:raceCode code="2"/></patient>
  </patientRole></recordTarget>
  <component><structuredBody>
    <component><section>
      <templateId root="2.16.840.1.113883.10.20.22.2.6.1" extension="2015-08-01"/>
      <code code="48765-2" codeSystem="2.16.840.1.113883.6.1" displayName="Allergies"/>
      <title>Allergies</title>
      <text><list><item>No   known</item><item>aller<content>g</content>ies</item></list></text>
      <entry typeCode="DRIV"><act classCode="ACT" moodCode="EVN"><code code="CONC"/></act></entry>
    </section></component>
    <component><section><title>Vital signs</title>
      <component><section><title>Inner</title>
        <entry><observation><code code="8867-4"/><value value="72" unit="/min"/></observation></entry>
        <entry><observation><code code="9279-1"/><value value="16"/></observation></entry>
      </section></component>
    </section></component>
  </structuredBody></component>
</ClinicalDocument>"#;

fn document() -> Document {
    Document::parse(&Bytes::from_static(DOCUMENT.as_bytes())).unwrap()
}

fn found(path: &str) -> Vec<String> {
    let document = document();
    let found = Path::parse(path).unwrap().select(document.root()).unwrap();
    found.iter().map(|found| found.text().into_owned()).collect()
}

#[test]
fn paths_find_elements_attributes_and_text() {
    let check = |path: &str, expected: &[&str]| assert_eq!(found(path), expected, "{path}");
    check("id/@extension", &["D&1"]);
    check("/id/@root", &["1.2.3"]);
    check("title", &["Summary of care <1>"]);
    check("title/text()", &["Summary of care <1>"]);
    check("recordTarget/patientRole/id[@root = '1.2.3.4']/@extension", &["555"]);
    check("recordTarget/patientRole/id[2]/@extension", &["x"]);
    check("recordTarget/patientRole/id/@extension", &["555", "x"]);
    check("//name/given", &["Test", "B"]);
    check("//given[1]", &["Test"]);
    check("//raceCode/@code", &["1"]);
    check("//sdtc:raceCode/@code", &["2"]);
    check("//observation[code/@code='8867-4']/value/@value", &["72"]);
    check("//observation[value/@unit]/code/@code", &["8867-4"]);
    check("//section[entry/observation]/title", &["Inner"]);
    check("//section//value/@value", &["72", "16"]);
    check("recordTarget/*/patient/*[1]/family", &["Patient"]);
    check("nothing/@here", &[]);
    check("//section[title = 'it''s']", &[]);
}

#[test]
fn paths_that_mean_nothing_are_refused_with_their_column() {
    let check = |path: &str, column: &str| {
        let fault = Path::parse(path).unwrap_err();
        assert_eq!(fault.code(), crate::fault::codes::W2771, "{path}");
        assert!(fault.cause().unwrap().contains(column), "{path}: {fault}");
    };
    check("", "column 1 ");
    check("id[", "column 3 ");
    check("id[@root = '1", "column 3 ");
    check("id/@root/x", "column 9 ");
    check("a b", "column 3 ");
    check("//", "column 3 ");
    check("@a[1]", "column 3 ");
    check(&"a[b".repeat(20), "column");
    check(&"a/".repeat(600), "1,024 bytes");
}

#[test]
fn sections_come_in_order_with_those_in_them() {
    let document = document();
    let all: Vec<_> = document.sections().collect();
    let titles: Vec<_> = all.iter().map(|s| (s.level(), s.title())).collect();
    let expected = [(0, "Allergies"), (0, "Vital signs"), (1, "Inner")];
    assert_eq!(titles, expected.map(|(level, title)| (level, title.to_owned())));
    let allergies = &all[0];
    let code = allergies.code().unwrap();
    assert_eq!((&*code.code, &*code.display), ("48765-2", "Allergies"));
    assert!(allergies.follows("2.16.840.1.113883.10.20.22.2.6.1"));
    assert_eq!(allergies.narrative().unwrap().text(), "No known allergies");
    assert_eq!(allergies.entries().map(|e| e.name()).collect::<Vec<_>>(), ["act"]);
    assert_eq!(all[2].entries().count(), 2);
    assert_eq!(allergies.element().place(), (12, 16));
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let check = |text: &str, expected: &str| {
        let fault = Document::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        assert_eq!(fault.code().as_str(), expected, "{text}");
    };
    check("", "W2705");
    check("<ClinicalDocument/>", "W2770");
    check("<Patient xmlns=\"http://hl7.org/fhir\"/>", "W2770");
    check("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">", "W2705");
    check("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>", "W2706");
    check("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">&bomb;</ClinicalDocument>", "W2706");
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    check(&deep, "W2702");
    assert!(Document::parse(&Bytes::from_static(b"<a>\xff</a>")).is_err());
}

#[test]
fn a_path_that_looks_at_too_much_ends() {
    let inner = "<a><a><a><a/></a></a></a>".repeat(2000);
    let text = format!("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">{inner}</ClinicalDocument>");
    let document = Document::parse(&Bytes::from(text)).unwrap();
    let path = Path::parse("//a[//a[//a[//b]]]").unwrap();
    assert!(path.select(document.root()).unwrap().is_empty());
    let path = Path::parse("*[1]//a").unwrap();
    assert_eq!(path.select(document.root()).unwrap().len(), 3);
    let mut spent = 3;
    assert_eq!(
        path.select_within(document.root(), &mut spent).unwrap_err().code().as_str(),
        "W2772"
    );
}

#[test]
fn nothing_of_a_document_is_printed() {
    let document = document();
    let patient = document.sections().next().unwrap();
    let values = Path::parse("//@extension").unwrap().select(document.root()).unwrap();
    assert_eq!(values.len(), 4);
    for text in [format!("{document:?}"), format!("{patient:?}"), format!("{values:?}")] {
        assert!(!text.contains("Allergies") && !text.contains("555"), "{text}");
    }
}

#[test]
fn documents_are_told_from_other_xml() {
    assert!(is_cda(DOCUMENT.as_bytes()));
    assert!(!is_cda(b"<Patient xmlns=\"http://hl7.org/fhir\"/>"));
    assert!(!is_cda(b"MSH|^~\\&|"));
}
