//! Provenance, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Instant, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Provenance "Provenance" {
    target "target": Vec<Reference>,
    occurred "occurredPeriod" | "occurredDateTime": Option<ProvenanceOccurred>,
    recorded "recorded": Primitive<Instant>,
    policy "policy": Vec<Primitive<String>>,
    location "location": Option<Box<Reference>>,
    reason "reason": Vec<CodeableConcept>,
    activity "activity": Option<Box<CodeableConcept>>,
    agent "agent": Vec<ProvenanceAgent>,
    entity "entity": Vec<ProvenanceEntity>,
    signature "signature": Vec<Signature>,
} }

choice! { ProvenanceOccurred {
    Period "occurredPeriod": Box<Period>,
    DateTime "occurredDateTime": Primitive<DateTime>,
} }

record! { backbone ProvenanceAgent {
    type_ "type": Option<Box<CodeableConcept>>,
    role "role": Vec<CodeableConcept>,
    who "who": Option<Box<Reference>>,
    on_behalf_of "onBehalfOf": Option<Box<Reference>>,
} }

record! { backbone ProvenanceEntity {
    role "role": Primitive<Coded<codes::ProvenanceEntityRole>>,
    what "what": Option<Box<Reference>>,
    agent "agent": Vec<ProvenanceAgent>,
} }
