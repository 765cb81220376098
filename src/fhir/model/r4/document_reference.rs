//! DocumentReference, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Instant, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain DocumentReference "DocumentReference" {
    master_identifier "masterIdentifier": Option<Box<Identifier>>,
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::DocumentReferenceStatus>>,
    doc_status "docStatus": Primitive<Coded<codes::CompositionStatus>>,
    type_ "type": Option<Box<CodeableConcept>>,
    category "category": Vec<CodeableConcept>,
    subject "subject": Option<Box<Reference>>,
    date "date": Primitive<Instant>,
    author "author": Vec<Reference>,
    authenticator "authenticator": Option<Box<Reference>>,
    custodian "custodian": Option<Box<Reference>>,
    relates_to "relatesTo": Vec<DocumentReferenceRelatesTo>,
    description "description": Primitive<String>,
    security_label "securityLabel": Vec<CodeableConcept>,
    content "content": Vec<DocumentReferenceContent>,
    context "context": Option<Box<DocumentReferenceContext>>,
} }

record! { backbone DocumentReferenceRelatesTo {
    code "code": Primitive<Coded<codes::DocumentRelationshipType>>,
    target "target": Option<Box<Reference>>,
} }

record! { backbone DocumentReferenceContent {
    attachment "attachment": Option<Box<Attachment>>,
    format "format": Option<Box<Coding>>,
} }

record! { backbone DocumentReferenceContext {
    encounter "encounter": Vec<Reference>,
    event "event": Vec<CodeableConcept>,
    period "period": Option<Box<Period>>,
    facility_type "facilityType": Option<Box<CodeableConcept>>,
    practice_setting "practiceSetting": Option<Box<CodeableConcept>>,
    source_patient_info "sourcePatientInfo": Option<Box<Reference>>,
    related "related": Vec<Reference>,
} }
