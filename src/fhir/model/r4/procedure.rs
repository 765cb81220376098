//! Procedure, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Procedure "Procedure" {
    identifier "identifier": Vec<Identifier>,
    instantiates_canonical "instantiatesCanonical": Vec<Primitive<String>>,
    instantiates_uri "instantiatesUri": Vec<Primitive<String>>,
    based_on "basedOn": Vec<Reference>,
    part_of "partOf": Vec<Reference>,
    status "status": Primitive<Coded<codes::EventStatus>>,
    status_reason "statusReason": Option<Box<CodeableConcept>>,
    category "category": Option<Box<CodeableConcept>>,
    code "code": Option<Box<CodeableConcept>>,
    subject "subject": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    performed "performedDateTime" | "performedPeriod" | "performedString" | "performedAge"
        | "performedRange": Option<ProcedurePerformed>,
    recorder "recorder": Option<Box<Reference>>,
    asserter "asserter": Option<Box<Reference>>,
    performer "performer": Vec<ProcedurePerformer>,
    location "location": Option<Box<Reference>>,
    reason_code "reasonCode": Vec<CodeableConcept>,
    reason_reference "reasonReference": Vec<Reference>,
    body_site "bodySite": Vec<CodeableConcept>,
    outcome "outcome": Option<Box<CodeableConcept>>,
    report "report": Vec<Reference>,
    complication "complication": Vec<CodeableConcept>,
    complication_detail "complicationDetail": Vec<Reference>,
    follow_up "followUp": Vec<CodeableConcept>,
    note "note": Vec<Annotation>,
    focal_device "focalDevice": Vec<ProcedureFocalDevice>,
    used_reference "usedReference": Vec<Reference>,
    used_code "usedCode": Vec<CodeableConcept>,
} }

choice! { ProcedurePerformed {
    DateTime "performedDateTime": Primitive<DateTime>,
    Period "performedPeriod": Box<Period>,
    String "performedString": Primitive<String>,
    Age "performedAge": Box<Quantity>,
    Range "performedRange": Box<Range>,
} }

record! { backbone ProcedurePerformer {
    function "function": Option<Box<CodeableConcept>>,
    actor "actor": Option<Box<Reference>>,
    on_behalf_of "onBehalfOf": Option<Box<Reference>>,
} }

record! { backbone ProcedureFocalDevice {
    action "action": Option<Box<CodeableConcept>>,
    manipulated "manipulated": Option<Box<Reference>>,
} }
