//! Specimen, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Specimen "Specimen" {
    identifier "identifier": Vec<Identifier>,
    accession_identifier "accessionIdentifier": Option<Box<Identifier>>,
    status "status": Primitive<Coded<codes::SpecimenStatus>>,
    type_ "type": Option<Box<CodeableConcept>>,
    subject "subject": Option<Box<Reference>>,
    received_time "receivedTime": Primitive<DateTime>,
    parent "parent": Vec<Reference>,
    request "request": Vec<Reference>,
    collection "collection": Option<Box<SpecimenCollection>>,
    processing "processing": Vec<SpecimenProcessing>,
    container "container": Vec<SpecimenContainer>,
    condition "condition": Vec<CodeableConcept>,
    note "note": Vec<Annotation>,
} }

record! { backbone SpecimenCollection {
    collector "collector": Option<Box<Reference>>,
    collected "collectedDateTime" | "collectedPeriod": Option<SpecimenCollectionCollected>,
    duration "duration": Option<Box<Quantity>>,
    quantity "quantity": Option<Box<Quantity>>,
    method "method": Option<Box<CodeableConcept>>,
    body_site "bodySite": Option<Box<CodeableConcept>>,
    fasting_status "fastingStatusCodeableConcept" | "fastingStatusDuration": Option<SpecimenCollectionFastingStatus>,
} }

choice! { SpecimenCollectionCollected {
    DateTime "collectedDateTime": Primitive<DateTime>,
    Period "collectedPeriod": Box<Period>,
} }

choice! { SpecimenCollectionFastingStatus {
    CodeableConcept "fastingStatusCodeableConcept": Box<CodeableConcept>,
    Duration "fastingStatusDuration": Box<Quantity>,
} }

record! { backbone SpecimenProcessing {
    description "description": Primitive<String>,
    procedure "procedure": Option<Box<CodeableConcept>>,
    additive "additive": Vec<Reference>,
    time "timeDateTime" | "timePeriod": Option<SpecimenProcessingTime>,
} }

choice! { SpecimenProcessingTime {
    DateTime "timeDateTime": Primitive<DateTime>,
    Period "timePeriod": Box<Period>,
} }

record! { backbone SpecimenContainer {
    identifier "identifier": Vec<Identifier>,
    description "description": Primitive<String>,
    type_ "type": Option<Box<CodeableConcept>>,
    capacity "capacity": Option<Box<Quantity>>,
    specimen_quantity "specimenQuantity": Option<Box<Quantity>>,
    additive "additiveCodeableConcept" | "additiveReference": Option<SpecimenContainerAdditive>,
} }

choice! { SpecimenContainerAdditive {
    CodeableConcept "additiveCodeableConcept": Box<CodeableConcept>,
    Reference "additiveReference": Box<Reference>,
} }
