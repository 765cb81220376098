//! MessageHeader, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain MessageHeader "MessageHeader" {
    event "eventCoding" | "eventUri": Option<MessageHeaderEvent>,
    destination "destination": Vec<MessageHeaderDestination>,
    sender "sender": Option<Box<Reference>>,
    enterer "enterer": Option<Box<Reference>>,
    author "author": Option<Box<Reference>>,
    source "source": Option<Box<MessageHeaderSource>>,
    responsible "responsible": Option<Box<Reference>>,
    reason "reason": Option<Box<CodeableConcept>>,
    response "response": Option<Box<MessageHeaderResponse>>,
    focus "focus": Vec<Reference>,
    definition "definition": Primitive<String>,
} }

choice! { MessageHeaderEvent {
    Coding "eventCoding": Box<Coding>,
    Uri "eventUri": Primitive<String>,
} }

record! { backbone MessageHeaderDestination {
    name "name": Primitive<String>,
    target "target": Option<Box<Reference>>,
    endpoint "endpoint": Primitive<String>,
    receiver "receiver": Option<Box<Reference>>,
} }

record! { backbone MessageHeaderSource {
    name "name": Primitive<String>,
    software "software": Primitive<String>,
    version "version": Primitive<String>,
    contact "contact": Option<Box<ContactPoint>>,
    endpoint "endpoint": Primitive<String>,
} }

record! { backbone MessageHeaderResponse {
    identifier "identifier": Primitive<String>,
    code "code": Primitive<Coded<codes::ResponseCode>>,
    details "details": Option<Box<Reference>>,
} }
