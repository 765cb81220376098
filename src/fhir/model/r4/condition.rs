//! Condition, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::datatypes::*;

record! { domain Condition "Condition" {
    identifier "identifier": Vec<Identifier>,
    clinical_status "clinicalStatus": Option<Box<CodeableConcept>>,
    verification_status "verificationStatus": Option<Box<CodeableConcept>>,
    category "category": Vec<CodeableConcept>,
    severity "severity": Option<Box<CodeableConcept>>,
    code "code": Option<Box<CodeableConcept>>,
    body_site "bodySite": Vec<CodeableConcept>,
    subject "subject": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    onset "onsetDateTime" | "onsetAge" | "onsetPeriod" | "onsetRange" | "onsetString": Option<ConditionOnset>,
    abatement "abatementDateTime" | "abatementAge" | "abatementPeriod" | "abatementRange"
        | "abatementString": Option<ConditionAbatement>,
    recorded_date "recordedDate": Primitive<DateTime>,
    recorder "recorder": Option<Box<Reference>>,
    asserter "asserter": Option<Box<Reference>>,
    stage "stage": Vec<ConditionStage>,
    evidence "evidence": Vec<ConditionEvidence>,
    note "note": Vec<Annotation>,
} }

choice! { ConditionOnset {
    DateTime "onsetDateTime": Primitive<DateTime>,
    Age "onsetAge": Box<Quantity>,
    Period "onsetPeriod": Box<Period>,
    Range "onsetRange": Box<Range>,
    String "onsetString": Primitive<String>,
} }

choice! { ConditionAbatement {
    DateTime "abatementDateTime": Primitive<DateTime>,
    Age "abatementAge": Box<Quantity>,
    Period "abatementPeriod": Box<Period>,
    Range "abatementRange": Box<Range>,
    String "abatementString": Primitive<String>,
} }

record! { backbone ConditionStage {
    summary "summary": Option<Box<CodeableConcept>>,
    assessment "assessment": Vec<Reference>,
    type_ "type": Option<Box<CodeableConcept>>,
} }

record! { backbone ConditionEvidence {
    code "code": Vec<CodeableConcept>,
    detail "detail": Vec<Reference>,
} }
