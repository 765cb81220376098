//! Tests of the structs.

use super::r4::*;
use super::*;
use crate::fhir::doc::doc;
use crate::fhir::typed::Coded;
use crate::fhir::{Builder, typed};

/// Read and written, without white space.
fn through<T: Record + Default>(text: &str) -> String {
    let found: T = read(doc(text).root()).unwrap_or_else(|fault| panic!("{fault:?}"));
    String::from_utf8(write(&found).to_json().to_vec()).unwrap()
}

/// The text without white space.
fn plain(text: &str) -> String {
    let mut out = Builder::new();
    out.node(doc(text).root());
    String::from_utf8(out.finish().to_json().to_vec()).unwrap()
}

#[test]
fn what_is_read_is_written() {
    let text = r#"{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":"2026-01-02T03:04:05.678Z"},
      "text":{"status":"empty","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
      "contained":[{"resourceType":"Basic","id":"c","zip":1.50}],
      "extension":[{"url":"u","valueDecimal":7.10},{"extension":[{"url":"w","_valueCode":{"id":"i"}}],"url":"v"}],
      "active":true,"name":[{"use":"x-nick","family":"Doe","_family":{"extension":[{"url":"own"}]},
        "given":["Jo",null,"Ann"],"_given":[null,{"id":"g"},null]}],
      "gender":"male","birthDate":"1970-01","_birthDate":{"id":"b"},"deceasedDateTime":"2020",
      "multipleBirthInteger":2,"contact":[{"gender":"female"}],
      "link":[{"other":{"reference":"Patient/2"},"type":"seealso"}],"zip":{"a":[1,2]},"_zap":null}"#;
    assert_eq!(through::<Patient>(text), plain(text));
    let text = r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","valueQuantity":{"value":1.50}},
      {"name":"c","resource":{"resourceType":"Zebra"}}]}]}"#;
    assert_eq!(through::<Parameters>(text), plain(text));
    let text = r#"{"resourceType":"Consent","status":"active","scope":{"text":"s"},"category":[{"text":"c"}],
      "provision":{"provision":[{"type":"deny","provision":[{"type":"permit"}]}]}}"#;
    assert_eq!(through::<Consent>(text), plain(text));
}

#[test]
fn members_come_in_the_order_of_the_specification() {
    let text = r#"{"_birthDate":{"id":"b"},"zip":1,"name":[{"given":["a"],"family":"b"}],"resourceType":"Patient","birthDate":"1970","valueX":2,"id":"p"}"#;
    let expected = r#"{"resourceType":"Patient","id":"p","name":[{"family":"b","given":["a"]}],"birthDate":"1970","_birthDate":{"id":"b"},"zip":1,"valueX":2}"#;
    assert_eq!(through::<Patient>(text), expected);
    // What stands twice or beside what is no primitive is kept as well.
    let text = r#"{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020","active":true,"active":false,"_name":[{"id":"x"}]}"#;
    let expected = r#"{"resourceType":"Patient","active":true,"deceasedBoolean":true,"active":false,"_name":[{"id":"x"}],"deceasedDateTime":"2020"}"#;
    assert_eq!(through::<Patient>(text), expected);
}

#[test]
fn members_are_seen_as_their_types() {
    let text = r#"{"resourceType":"Patient","name":[{"family":"Doe","use":"x-nick"}],"gender":"male","deceasedBoolean":false,"birthDate":"1970-01"}"#;
    let mut patient: Patient = read(doc(text).root()).unwrap();
    assert_eq!(patient.name[0].family.value.as_deref(), Some("Doe"));
    let use_ = patient.name[0].use_.value.clone();
    assert_eq!(use_, Some(Coded::Other("x-nick".to_owned())));
    let male = Coded::Known(codes::AdministrativeGender::Male);
    assert_eq!(patient.gender.value, Some(male));
    assert_eq!(patient.birth_date.value.as_ref().unwrap().precision(), typed::Precision::Month);
    let Some(PatientDeceased::Boolean(dead)) = &patient.deceased else { panic!() };
    assert_eq!(dead.value, Some(false));
    patient.gender = Coded::Known(codes::AdministrativeGender::Other).into();
    patient.deceased = None;
    patient.name.clear();
    assert_eq!(
        write(&patient).to_json(),
        r#"{"resourceType":"Patient","gender":"other","birthDate":"1970-01"}"#
    );
    assert_eq!(format!("{patient:?}"), "Patient(<phi>)");
    assert!(patient.clone() == patient && patient != Patient::default());
    assert_eq!(codes::QuantityComparator::of("<="), Some(codes::QuantityComparator::LessOrEqualTo));
}

#[test]
fn other_forms_are_refused_with_their_place() {
    let check = |text: &str, expected: &str| {
        let fault = read::<Patient>(doc(text).root()).unwrap_err();
        let found = format!("{} {}: {}", fault.code(), fault.place(), fault.cause().unwrap());
        assert_eq!(found, expected, "{text}");
    };
    check("[]", "W2740 $this: expected an object");
    check(r#"{"resourceType":"Basic"}"#, "W2740 Basic: expected a resource of type `Patient`");
    check(r#"{"resourceType":"Patient","name":{}}"#, "W2740 Patient.name: expected an array");
    check(
        r#"{"resourceType":"Patient","active":"true"}"#,
        "W2740 Patient.active: the value has another form",
    );
    check(
        r#"{"resourceType":"Patient","multipleBirthInteger":1.0}"#,
        "W2740 Patient.multipleBirthInteger: the value has another form",
    );
    check(
        r#"{"resourceType":"Patient","birthDate":"Jan 1"}"#,
        "W2740 Patient.birthDate: the value has another form",
    );
    check(
        r#"{"resourceType":"Patient","_birthDate":[]}"#,
        "W2740 Patient._birthDate: expected an object",
    );
    check(
        r#"{"resourceType":"Patient","contact":[{"name":[]}]}"#,
        "W2740 Patient.contact[0].name: expected an object",
    );
}

#[test]
fn any_resource_that_has_a_struct_is_read() {
    let found = read_any(doc(r#"{"resourceType":"Task","for":{"reference":"x"}}"#).root());
    let found = found.unwrap().unwrap();
    assert_eq!((found.resource(), write(&*found).root().get("for").is_some()), ("Task", true));
    assert!(read_any(doc(r#"{"resourceType":"Basic"}"#).root()).is_none());
    assert!(read_any(doc("[]").root()).is_none());
}

#[test]
fn structs_stand_in_types_of_serde() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Mine {
        who: Patient,
        amount: Quantity,
    }
    let text = r#"{"who":{"resourceType":"Patient","birthDate":"1970","_birthDate":{"id":"b"}},"amount":{"value":7.10}}"#;
    let mine: Mine = typed::read(doc(text).root()).unwrap();
    assert_eq!(typed::write(&mine).unwrap().to_json(), text);
    let json = serde_json::to_string(&mine.who).unwrap();
    assert_eq!(serde_json::from_str::<Patient>(&json).unwrap(), mine.who);
}

#[test]
fn every_struct_has_the_elements_of_the_tables() {
    fn check(record: &mut dyn Record, path: &str) {
        let children = crate::fhir::tables::children(path).unwrap();
        for child in children {
            for ty in child.types.iter().take(if child.is_choice() { 60 } else { 1 }) {
                assert!(record.slot(&child.member(ty)).is_some(), "{} {ty}", child.path);
            }
        }
        let mut count = 0;
        record.each(&mut |_, _| count += 1);
        assert_eq!(count, children.len(), "{path}");
    }
    check(&mut Patient::default(), "Patient");
    check(&mut Bundle::default(), "Bundle");
    check(&mut BundleEntry::default(), "Bundle.entry");
    check(&mut ConsentProvision::default(), "Consent.provision");
    check(&mut Observation::default(), "Observation");
    check(&mut Extension::default(), "Extension");
    check(&mut Timing::default(), "Timing");
    check(&mut TaskInput::default(), "Task.input");
    check(&mut CapabilityStatementRestResource::default(), "CapabilityStatement.rest.resource");
}
