//! AuditEvent, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Instant, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain AuditEvent "AuditEvent" {
    type_ "type": Option<Box<Coding>>,
    subtype "subtype": Vec<Coding>,
    action "action": Primitive<Coded<codes::AuditEventAction>>,
    period "period": Option<Box<Period>>,
    recorded "recorded": Primitive<Instant>,
    outcome "outcome": Primitive<Coded<codes::AuditEventOutcome>>,
    outcome_desc "outcomeDesc": Primitive<String>,
    purpose_of_event "purposeOfEvent": Vec<CodeableConcept>,
    agent "agent": Vec<AuditEventAgent>,
    source "source": Option<Box<AuditEventSource>>,
    entity "entity": Vec<AuditEventEntity>,
} }

record! { backbone AuditEventAgent {
    type_ "type": Option<Box<CodeableConcept>>,
    role "role": Vec<CodeableConcept>,
    who "who": Option<Box<Reference>>,
    alt_id "altId": Primitive<String>,
    name "name": Primitive<String>,
    requestor "requestor": Primitive<bool>,
    location "location": Option<Box<Reference>>,
    policy "policy": Vec<Primitive<String>>,
    media "media": Option<Box<Coding>>,
    network "network": Option<Box<AuditEventAgentNetwork>>,
    purpose_of_use "purposeOfUse": Vec<CodeableConcept>,
} }

record! { backbone AuditEventSource {
    site "site": Primitive<String>,
    observer "observer": Option<Box<Reference>>,
    type_ "type": Vec<Coding>,
} }

record! { backbone AuditEventEntity {
    what "what": Option<Box<Reference>>,
    type_ "type": Option<Box<Coding>>,
    role "role": Option<Box<Coding>>,
    lifecycle "lifecycle": Option<Box<Coding>>,
    security_label "securityLabel": Vec<Coding>,
    name "name": Primitive<String>,
    description "description": Primitive<String>,
    query "query": Primitive<String>,
    detail "detail": Vec<AuditEventEntityDetail>,
} }

record! { backbone AuditEventAgentNetwork {
    address "address": Primitive<String>,
    type_ "type": Primitive<Coded<codes::NetworkType>>,
} }

record! { backbone AuditEventEntityDetail {
    type_ "type": Primitive<String>,
    value "valueString" | "valueBase64Binary": Option<AuditEventEntityDetailValue>,
} }

choice! { AuditEventEntityDetailValue {
    String "valueString": Primitive<String>,
    Base64Binary "valueBase64Binary": Primitive<String>,
} }
