//! Structs over resources and back.

use serde::{Deserialize, Serialize};

use super::*;
use crate::fault::codes::W2740;
use crate::fhir::doc::doc;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patient {
    resource_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    name: Vec<HumanName>,
    #[serde(default)]
    gender: Option<Coded<Gender>>,
    #[serde(default)]
    birth_date: Primitive<Date>,
    #[serde(rename = "$extra", default)]
    extra: Extra,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct HumanName {
    family: Option<String>,
    given: Vec<Primitive<String>>,
    #[serde(rename = "$extra")]
    extra: Extra,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Gender {
    Male,
    Female,
    Other,
    Unknown,
}

fn patient(text: &str) -> Result<Patient, crate::fault::Fault> {
    read(doc(text).root())
}

/// What is read is written again, in the order of the struct.
fn check(text: &str) {
    let value = patient(text).unwrap();
    let written = write(&value).unwrap();
    assert_eq!(std::str::from_utf8(&written.to_json()).unwrap(), text);
    assert_eq!(read::<Patient>(written.root()).unwrap(), value);
}

#[test]
fn structs_lie_over_resources() {
    check(r#"{"resourceType":"Patient"}"#);
    check(r#"{"resourceType":"Patient","gender":"male","birthDate":"2020-01"}"#);
    check(r#"{"resourceType":"Patient","gender":"x-other"}"#);
    check(r#"{"resourceType":"Patient","birthDate":"2020","_birthDate":{"id":"b"}}"#);
    check(
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueDecimal":1.50}]}}"#,
    );
    check(
        r#"{"resourceType":"Patient","name":[{"family":"D","given":["A",null,"C"],"_given":[null,{"id":"g"},{"id":"h"}]}]}"#,
    );
    check(r#"{"resourceType":"Patient","name":[{"_given":[{"id":"g"}]}]}"#);
    // Members that the struct does not name are kept as they stand, `_x` among them.
    check(
        r#"{"resourceType":"Patient","name":[{"use":"usual","_use":{"id":"u"}}],"active":true,"x":[1.0,{"y":null}]}"#,
    );
}

#[test]
fn values_are_what_they_say() {
    let read = patient(
        r#"{"resourceType":"Patient","gender":"female","birthDate":"2020-02","name":[{"given":["\u0041"]}]}"#,
    )
    .unwrap();
    assert_eq!(read.gender, Some(Coded::Known(Gender::Female)));
    let date = read.birth_date.value.as_ref().unwrap();
    assert_eq!((date.as_str(), date.precision()), ("2020-02", Precision::Month));
    assert_eq!(read.name[0].given[0], "A".to_owned().into());
    assert!(Primitive::<Date>::default().is_empty() && !read.birth_date.is_empty());
    assert_eq!(format!("{date:?}"), "Date(<phi>)");
}

#[test]
fn precision_follows_the_text() {
    let check = |text: &str, expected| {
        assert_eq!(DateTime::new(text).unwrap().precision(), expected, "{text}");
    };
    check("2026", Precision::Year);
    check("2026-11", Precision::Month);
    check("2026-11-22", Precision::Day);
    check("2026-11-22T06:40:00Z", Precision::Second);
    check("2026-11-22T06:40:00.5+01:00", Precision::Fraction);
    assert_eq!(Time::new("06:40:00").unwrap().precision(), Precision::Second);
    assert!(Date::new("2026-13").is_none() && Instant::new("2026").is_none());
}

#[test]
fn numbers_keep_their_digits() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Quantity {
        value: Primitive<Decimal>,
        count: Option<i32>,
        rough: Option<f64>,
    }
    for text in [r#"{"value":7.10}"#, r#"{"value":-1.50e-7,"count":-3,"rough":0.5}"#] {
        let value: Quantity = read(doc(text).root()).unwrap();
        assert_eq!(write(&value).unwrap().to_json(), text);
    }
    assert!(Decimal::new("1.").is_none() && Decimal::new("7.10").unwrap().as_str() == "7.10");
    assert!(write(&f64::NAN).is_err());
}

#[test]
fn what_does_not_fit_is_told_by_place_and_without_values() {
    let check = |text: &str, expected: &str| {
        let fault = patient(text).unwrap_err();
        assert_eq!(fault.code(), W2740);
        let shown = format!("{} {}", fault.place(), fault.cause().unwrap());
        assert_eq!(shown, expected, "{text}");
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    };
    check("{}", "$this `resourceType` is missing");
    check(r#"{"resourceType":"Patient","gender":["secret"]}"#, "Patient.gender expected a string");
    check(
        r#"{"resourceType":"Patient","birthDate":"secret"}"#,
        "Patient.birthDate the value is none that the type takes",
    );
    check(
        r#"{"resourceType":"Patient","name":[{"family":"a"},{"family":{"secret":1}}]}"#,
        "Patient.name[1].family expected a string",
    );
    check(r#"{"resourceType":"Patient","name":"secret"}"#, "Patient.name expected a sequence");
}

#[test]
fn any_value_goes_through_other_formats() {
    let value = patient(r#"{"resourceType":"Patient","active":true,"n":1.5}"#).unwrap();
    let json = serde_json::to_value(&value.extra).unwrap();
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(2));
    let maps: std::collections::BTreeMap<String, serde_json::Value> =
        read(doc(r#"{"a":{"_b":[1,null,"x",1.25,true]}}"#).root()).unwrap();
    assert_eq!(maps["a"], serde_json::json!({ "_b": [1, null, "x", 1.25, true] }));
    let document: Any = read(doc(r#"{"a":1.50}"#).root()).unwrap();
    assert_eq!(write(&document).unwrap().to_json(), r#"{"a":1.50}"#);
}

#[test]
fn whole_trees_are_written_again() {
    for text in [
        r#"{"resourceType":"Bundle","entry":[{"resource":{"a":[{"b":1.00}]}}]}"#,
        r#"{"a":"\u00e9\n","b":[true,false]}"#,
    ] {
        let from = doc(text);
        let tree: serde_json::Value = read(from.root()).unwrap();
        let written = write(&tree).unwrap();
        let again: serde_json::Value = serde_json::from_slice(&written.to_json()).unwrap();
        assert_eq!(again, tree);
        let any: Any = read(from.root()).unwrap();
        assert_eq!(any.0.to_json(), text);
    }
}
