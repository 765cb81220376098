//! AllergyIntolerance, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain AllergyIntolerance "AllergyIntolerance" {
    identifier "identifier": Vec<Identifier>,
    clinical_status "clinicalStatus": Option<Box<CodeableConcept>>,
    verification_status "verificationStatus": Option<Box<CodeableConcept>>,
    type_ "type": Primitive<Coded<codes::AllergyIntoleranceType>>,
    category "category": Vec<Primitive<Coded<codes::AllergyIntoleranceCategory>>>,
    criticality "criticality": Primitive<Coded<codes::AllergyIntoleranceCriticality>>,
    code "code": Option<Box<CodeableConcept>>,
    patient "patient": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    onset "onsetDateTime" | "onsetAge" | "onsetPeriod" | "onsetRange" | "onsetString": Option<AllergyIntoleranceOnset>,
    recorded_date "recordedDate": Primitive<DateTime>,
    recorder "recorder": Option<Box<Reference>>,
    asserter "asserter": Option<Box<Reference>>,
    last_occurrence "lastOccurrence": Primitive<DateTime>,
    note "note": Vec<Annotation>,
    reaction "reaction": Vec<AllergyIntoleranceReaction>,
} }

choice! { AllergyIntoleranceOnset {
    DateTime "onsetDateTime": Primitive<DateTime>,
    Age "onsetAge": Box<Quantity>,
    Period "onsetPeriod": Box<Period>,
    Range "onsetRange": Box<Range>,
    String "onsetString": Primitive<String>,
} }

record! { backbone AllergyIntoleranceReaction {
    substance "substance": Option<Box<CodeableConcept>>,
    manifestation "manifestation": Vec<CodeableConcept>,
    description "description": Primitive<String>,
    onset "onset": Primitive<DateTime>,
    severity "severity": Primitive<Coded<codes::ReactionEventSeverity>>,
    exposure_route "exposureRoute": Option<Box<CodeableConcept>>,
    note "note": Vec<Annotation>,
} }
