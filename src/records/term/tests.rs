//! Conditions, and which resources fit them.

use super::*;
use crate::fhir::Doc;
use crate::records::parameter::parameter;
use crate::records::span::Span;
use crate::records::values::keys;
use crate::records::wanted::unescaped;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","active":true,"gender":"male",
    "identifier":[{"system":"urn:mrn","value":"A1"},{"value":"B,2"},
                  {"type":{"text":"Member Number","coding":[{"system":"v2","code":"MB"}]},"system":"urn:x","value":"9"}],
    "name":[{"family":"Müller","given":["Jo","Ann"]}],"birthDate":"1970-05-02",
    "address":[{"city":"Zürich","line":["Main St 5"]}],
    "telecom":[{"system":"email","value":"Jo@X.org"}],
    "managingOrganization":{"reference":"Organization/o1"},
    "generalPractitioner":[{"identifier":{"system":"npi","value":"55"}},
                           {"reference":"http://y/Practitioner/7"},
                           {"reference":"https://x/fhir/Practitioner/8/_history/2"}],
    "meta":{"lastUpdated":"2024-02-03T10:00:00Z","profile":["http://p/a/b"],"tag":[{"system":"t","code":"vip"}]}}"#;

const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final",
    "code":{"coding":[{"system":"http://loinc.org","code":"1234-5","display":"Glucose in Blood"}],
    "text":"Sugar"},"valueQuantity":{"value":5.40,"unit":"mmol/l",
    "system":"http://unitsofmeasure.org","code":"mmol/L"},
    "effectiveDateTime":"2024-02-03T10:00:00Z"}"#;

fn fits(json: &'static str, name: &str, value: &str) -> Option<bool> {
    let doc = Doc::parse_json(json.into()).unwrap();
    let kind = doc.resource_type().unwrap().into_owned();
    let (code, modifier) = name.split_once(':').map_or((name, None), |(c, m)| (c, Some(m)));
    let parameter = parameter(&kind, code).expect(name);
    let here = Here { now: Span::parse("2024-06-01").unwrap().low, base: "https://x/fhir" };
    let term = Term::read(parameter, modifier, value).ok()?;
    let fits = term.fits(doc.root(), here);
    let kept = keys(&doc);
    for wanted in term.keys(here).iter().filter(|_| fits) {
        assert!(wanted.iter().any(|key| kept.contains(key)), "{name}={value} by key");
    }
    Some(fits)
}

#[test]
fn a_patient_is_found() {
    let check = |name: &str, value: &str, expected: bool| {
        assert_eq!(fits(PATIENT, name, value), Some(expected), "{name}={value}");
    };
    check("family", "mul", true);
    check("family", "MULLER", true);
    check("family", "ller", false);
    check("family:contains", "LLE", true);
    check("family:exact", "Müller", true);
    check("family:exact", "müller", false);
    check("name", "an", true);
    check("given", "x,jo", true);
    check("address", "main", true);
    check("address-city", "zurich", true);
    check("identifier", "urn:mrn|A1", true);
    check("identifier", "urn:mrn|a1", false);
    check("identifier", "A1", true);
    check("identifier", "|A1", false);
    check("identifier", r"|B\,2", true);
    check("identifier", "urn:mrn|", true);
    check("identifier", "urn:other|A1", false);
    check("identifier:not", "urn:mrn|A1", false);
    check("identifier:not", "urn:mrn|A2", true);
    check("identifier:text", "number", true);
    check("identifier:of-type", "v2|MB|9", true);
    check("identifier:of-type", "v2|MR|9", false);
    check("identifier:of-type", "v2|MB|A1", false);
    check("gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender", true);
    check("gender:not-in", "http://hl7.org/fhir/ValueSet/administrative-gender", false);
    check("_profile:above", "http://p/a/b/c", true);
    check("_profile:above", "http://p/a", false);
    check("_text", "female", false);
    check("_content", "zürich JO", true);
    check("_content", "zurich nobody", false);
    check("_content", "nobody,ann", true);
    check("gender", "male", true);
    check("gender", "MALE", true);
    check("gender", "http://hl7.org/fhir/administrative-gender|male", true);
    check("gender", "female,male", true);
    check("gender", "female", false);
    check("gender:missing", "false", true);
    check("death-date:missing", "true", true);
    check("active", "true", true);
    check("deceased", "false", true);
    check("birthdate", "1970", true);
    check("birthdate", "1970-05-02", true);
    check("birthdate", "gt1970-05-02", false);
    check("birthdate", "ge1970-05-02", true);
    check("birthdate", "lt1971,gt2000", true);
    check("email", "jo@x.ORG", true);
    check("organization", "Organization/o1", true);
    check("organization", "o1", true);
    check("organization:Organization", "o1", true);
    check("organization:Patient", "o1", false);
    check("general-practitioner:identifier", "npi|55", true);
    check("general-practitioner:identifier", "npi|56", false);
    check("general-practitioner", "http://y/Practitioner/7", true);
    check("general-practitioner", "Practitioner/7", false);
    check("general-practitioner", "7", false);
    for own in ["Practitioner/8", "8", "https://x/fhir/Practitioner/8"] {
        check("general-practitioner", own, true);
    }
    check("general-practitioner:Practitioner", "https://x/fhir/Practitioner/8", true);
    check("general-practitioner", "https://z/fhir/Practitioner/8", false);
    check("organization", "https://x/fhir/Organization/o1", true);
    check("organization:Organization", "https://x/fhir/Organization/o1", true);
    check("organization", "https://z/fhir/Organization/o1", false);
    check("_profile", "http://p/a/b", true);
    check("_profile:below", "http://p/", true);
    check("_tag", "t|vip", true);
    check("_lastUpdated", "2024-02-03", true);
    check("_lastUpdated", "2024", true);
    check("general-practitioner:Practitioner", "http://y/Practitioner/7", true);
}

#[test]
fn an_observation_is_found() {
    let check = |name: &str, value: &str, expected: bool| {
        assert_eq!(fits(OBSERVATION, name, value), Some(expected), "{name}={value}");
    };
    check("code", "http://loinc.org|1234-5", true);
    check("code:text", "sug", true);
    check("code:text", "blood", true);
    check("code:text", "lood", false);
    check("value-quantity", "5.4", true);
    check("value-quantity", "5.40", true);
    check("value-quantity", "5.41", false);
    check("value-quantity", "5", true);
    check("value-quantity", "ne5.4", false);
    check("value-quantity", "gt5.4", false);
    check("value-quantity", "le5.40|http://unitsofmeasure.org|mmol/L", true);
    check("value-quantity", "5.4||mmol/l", true);
    check("value-quantity", "5.4||mg", false);
    check("value-quantity", "ap5", true);
    check("value-quantity", "54e-1", true);
    check("value-quantity", "5e0", true);
    check("date", "2024-02-03", true);
    check("date", "ap2024-02", true);
    check("date", "sa2024-02-02", true);
    check("status", "final", true);
    const UCUM: &str = "http://unitsofmeasure.org";
    for (quantity, expected) in [
        (format!("5400|{UCUM}|umol/L"), true),
        (format!("5.4|{UCUM}|mol/m3"), true),
        (format!("5400|{UCUM}|mg/L"), false),
        (format!("gt0.0053|{UCUM}|mol/L"), true),
        (format!("gt0.0055|{UCUM}|mol/L"), false),
        (format!("lt5500|{UCUM}|umol/L"), true),
        (format!("ap5000|{UCUM}|umol/L"), true),
        ("5400||umol/L".to_owned(), false),
    ] {
        check("value-quantity", &quantity, expected);
        check("code-value-quantity", &format!("1234-5${quantity}"), expected);
    }
    check("code-value-quantity", "http://loinc.org|1234-5$gt5", true);
    check("code-value-quantity", "http://loinc.org|1234-6$gt5", false);
    check("combo-code-value-quantity", "1234-5$5.4", true);
    check("code-value-quantity:missing", "false", true);
    check("component-code-value-quantity:missing", "true", true);
    check("code:in", "http://hl7.org/fhir/ValueSet/administrative-gender", false);
}

#[test]
fn parts_of_a_composite_stand_together() {
    const PRESSURE: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[
        {"system":"http://loinc.org","code":"85354-9"}]},"component":[
        {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
         "valueQuantity":{"value":150,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
        {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
         "valueQuantity":{"value":90,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;
    let check = |name: &str, value: &str, expected: bool| {
        assert_eq!(fits(PRESSURE, name, value), Some(expected), "{name}={value}");
    };
    check("component-code-value-quantity", "http://loinc.org|8480-6$gt140", true);
    check("component-code-value-quantity", "http://loinc.org|8462-4$gt140", false);
    check("component-code-value-quantity", "8462-4$gt140,8480-6$gt140", true);
    check("component-code-value-quantity", r"8480-6$0.15|http://unitsofmeasure.org|m[Hg]", true);
    check("combo-code-value-quantity", "8462-4$90", true);
    check("code-value-quantity", "85354-9$gt1", false);
    const LETTER: &str = r#"{"resourceType":"DocumentReference","status":"current","relatesTo":[
        {"code":"replaces","target":{"reference":"DocumentReference/1"}},
        {"code":"appends","target":{"reference":"DocumentReference/2"}}]}"#;
    let check = |value: &str, expected: bool| {
        assert_eq!(fits(LETTER, "relationship", value), Some(expected), "{value}");
    };
    check("replaces$DocumentReference/1", true);
    check("replaces$DocumentReference/2", false);
    check("appends$https://x/fhir/DocumentReference/2", true);
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let check = |json, name: &str, value: &str| {
        assert_eq!(fits(json, name, value), None, "{name}={value}");
    };
    check(PATIENT, "birthdate", "yesterday");
    check(PATIENT, "birthdate", "");
    check(PATIENT, "birthdate:exact", "1970");
    check(PATIENT, "gender:missing", "maybe");
    check(PATIENT, "identifier", "|");
    check(PATIENT, "family", "a,,b");
    check(PATIENT, "family:nothing", "a");
    check(PATIENT, "organization:Nothing", "a");
    check(PATIENT, "organization:Organization", "Patient/o1");
    check(PATIENT, "general-practitioner:Practitioner", "http://y/Patient/7");
    check(PATIENT, "general-practitioner:identifier", "|");
    for blank in [" ", " \u{a0}", "a, "] {
        check(PATIENT, "family", blank);
        check(PATIENT, "family:contains", blank);
        check(PATIENT, "identifier:text", blank);
    }
    check(PATIENT, "_profile:below", "\\");
    check(PATIENT, "identifier:of-type", "MB|9");
    check(PATIENT, "identifier:of-type", "v2||9");
    check(PATIENT, "gender:in", "http://x/unknown");
    check(PATIENT, "gender:below", "male");
    check(PATIENT, "_content", "-");
    check(PATIENT, "_content:exact", "a");
    check(OBSERVATION, "code-value-quantity", "1234-5");
    check(OBSERVATION, "code-value-quantity", "1234-5$5$5");
    check(OBSERVATION, "code-value-quantity", "$5");
    check(OBSERVATION, "code-value-quantity", "1234-5$much");
    check(OBSERVATION, "code-value-quantity:not", "1234-5$5");
    check(OBSERVATION, "value-quantity", "much");
    check(OBSERVATION, "value-quantity", "1e99");
    check(OBSERVATION, "value-quantity", "|a|b");
    check(PATIENT, "family", &"a,".repeat(2000));
}

#[test]
fn values_are_split_where_no_backslash_stands() {
    let check = |text: &str, expected: &[&str]| assert_eq!(split(text, ','), expected, "{text}");
    check("a,b", &["a", "b"]);
    check(r"a\,b", &[r"a\,b"]);
    check(r"a\\,b", &[r"a\\", "b"]);
    check("", &[""]);
    check("é,", &["é", ""]);
    assert_eq!(unescaped(r"a\,b\|c\\d\"), r"a,b|c\d");
}
