//! Observation, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Instant, Primitive, Time};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Observation "Observation" {
    identifier "identifier": Vec<Identifier>,
    based_on "basedOn": Vec<Reference>,
    part_of "partOf": Vec<Reference>,
    status "status": Primitive<Coded<codes::ObservationStatus>>,
    category "category": Vec<CodeableConcept>,
    code "code": Option<Box<CodeableConcept>>,
    subject "subject": Option<Box<Reference>>,
    focus "focus": Vec<Reference>,
    encounter "encounter": Option<Box<Reference>>,
    effective "effectiveDateTime" | "effectivePeriod" | "effectiveTiming" | "effectiveInstant": Option<ObservationEffective>,
    issued "issued": Primitive<Instant>,
    performer "performer": Vec<Reference>,
    value "valueQuantity" | "valueCodeableConcept" | "valueString" | "valueBoolean"
        | "valueInteger" | "valueRange" | "valueRatio" | "valueSampledData" | "valueTime"
        | "valueDateTime" | "valuePeriod": Option<ObservationValue>,
    data_absent_reason "dataAbsentReason": Option<Box<CodeableConcept>>,
    interpretation "interpretation": Vec<CodeableConcept>,
    note "note": Vec<Annotation>,
    body_site "bodySite": Option<Box<CodeableConcept>>,
    method "method": Option<Box<CodeableConcept>>,
    specimen "specimen": Option<Box<Reference>>,
    device "device": Option<Box<Reference>>,
    reference_range "referenceRange": Vec<ObservationReferenceRange>,
    has_member "hasMember": Vec<Reference>,
    derived_from "derivedFrom": Vec<Reference>,
    component "component": Vec<ObservationComponent>,
} }

choice! { ObservationEffective {
    DateTime "effectiveDateTime": Primitive<DateTime>,
    Period "effectivePeriod": Box<Period>,
    Timing "effectiveTiming": Box<Timing>,
    Instant "effectiveInstant": Primitive<Instant>,
} }

choice! { ObservationValue {
    Quantity "valueQuantity": Box<Quantity>,
    CodeableConcept "valueCodeableConcept": Box<CodeableConcept>,
    String "valueString": Primitive<String>,
    Boolean "valueBoolean": Primitive<bool>,
    Integer "valueInteger": Primitive<i32>,
    Range "valueRange": Box<Range>,
    Ratio "valueRatio": Box<Ratio>,
    SampledData "valueSampledData": Box<SampledData>,
    Time "valueTime": Primitive<Time>,
    DateTime "valueDateTime": Primitive<DateTime>,
    Period "valuePeriod": Box<Period>,
} }

record! { backbone ObservationReferenceRange {
    low "low": Option<Box<Quantity>>,
    high "high": Option<Box<Quantity>>,
    type_ "type": Option<Box<CodeableConcept>>,
    applies_to "appliesTo": Vec<CodeableConcept>,
    age "age": Option<Box<Range>>,
    text "text": Primitive<String>,
} }

record! { backbone ObservationComponent {
    code "code": Option<Box<CodeableConcept>>,
    value "valueQuantity" | "valueCodeableConcept" | "valueString" | "valueBoolean"
        | "valueInteger" | "valueRange" | "valueRatio" | "valueSampledData" | "valueTime"
        | "valueDateTime" | "valuePeriod": Option<ObservationComponentValue>,
    data_absent_reason "dataAbsentReason": Option<Box<CodeableConcept>>,
    interpretation "interpretation": Vec<CodeableConcept>,
    reference_range "referenceRange": Vec<ObservationReferenceRange>,
} }

choice! { ObservationComponentValue {
    Quantity "valueQuantity": Box<Quantity>,
    CodeableConcept "valueCodeableConcept": Box<CodeableConcept>,
    String "valueString": Primitive<String>,
    Boolean "valueBoolean": Primitive<bool>,
    Integer "valueInteger": Primitive<i32>,
    Range "valueRange": Box<Range>,
    Ratio "valueRatio": Box<Ratio>,
    SampledData "valueSampledData": Box<SampledData>,
    Time "valueTime": Primitive<Time>,
    DateTime "valueDateTime": Primitive<DateTime>,
    Period "valuePeriod": Box<Period>,
} }
