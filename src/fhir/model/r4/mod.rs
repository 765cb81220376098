//! The structs, by file of their resource.
//!
//! Written by `cargo run --example generate -- fhir`.

#![allow(missing_docs, reason = "the names are those of R4, whose pages explain them")]

mod allergy_intolerance;
mod appointment;
mod audit_event;
mod binary;
mod bundle;
mod capability_statement;
pub mod codes;
mod condition;
mod consent;
mod coverage;
mod datatypes;
mod device;
mod diagnostic_report;
mod document_reference;
mod encounter;
mod immunization;
mod location;
mod medication;
mod medication_request;
mod message_header;
mod observation;
mod operation_outcome;
mod organization;
mod parameters;
mod patient;
mod practitioner;
mod practitioner_role;
mod procedure;
mod provenance;
mod related_person;
mod service_request;
mod specimen;
mod subscription;
mod task;

pub use allergy_intolerance::*;
pub use appointment::*;
pub use audit_event::*;
pub use binary::*;
pub use bundle::*;
pub use capability_statement::*;
pub use condition::*;
pub use consent::*;
pub use coverage::*;
pub use datatypes::*;
pub use device::*;
pub use diagnostic_report::*;
pub use document_reference::*;
pub use encounter::*;
pub use immunization::*;
pub use location::*;
pub use medication::*;
pub use medication_request::*;
pub use message_header::*;
pub use observation::*;
pub use operation_outcome::*;
pub use organization::*;
pub use parameters::*;
pub use patient::*;
pub use practitioner::*;
pub use practitioner_role::*;
pub use procedure::*;
pub use provenance::*;
pub use related_person::*;
pub use service_request::*;
pub use specimen::*;
pub use subscription::*;
pub use task::*;

/// An empty resource of a type; none of a type that has no struct.
#[must_use]
pub fn of(name: &str) -> Option<Box<dyn super::Record>> {
    Some(match name {
        "AllergyIntolerance" => Box::new(AllergyIntolerance::default()),
        "Appointment" => Box::new(Appointment::default()),
        "AuditEvent" => Box::new(AuditEvent::default()),
        "Binary" => Box::new(Binary::default()),
        "Bundle" => Box::new(Bundle::default()),
        "CapabilityStatement" => Box::new(CapabilityStatement::default()),
        "Condition" => Box::new(Condition::default()),
        "Consent" => Box::new(Consent::default()),
        "Coverage" => Box::new(Coverage::default()),
        "Device" => Box::new(Device::default()),
        "DiagnosticReport" => Box::new(DiagnosticReport::default()),
        "DocumentReference" => Box::new(DocumentReference::default()),
        "Encounter" => Box::new(Encounter::default()),
        "Immunization" => Box::new(Immunization::default()),
        "Location" => Box::new(Location::default()),
        "Medication" => Box::new(Medication::default()),
        "MedicationRequest" => Box::new(MedicationRequest::default()),
        "MessageHeader" => Box::new(MessageHeader::default()),
        "Observation" => Box::new(Observation::default()),
        "OperationOutcome" => Box::new(OperationOutcome::default()),
        "Organization" => Box::new(Organization::default()),
        "Parameters" => Box::new(Parameters::default()),
        "Patient" => Box::new(Patient::default()),
        "Practitioner" => Box::new(Practitioner::default()),
        "PractitionerRole" => Box::new(PractitionerRole::default()),
        "Procedure" => Box::new(Procedure::default()),
        "Provenance" => Box::new(Provenance::default()),
        "RelatedPerson" => Box::new(RelatedPerson::default()),
        "ServiceRequest" => Box::new(ServiceRequest::default()),
        "Specimen" => Box::new(Specimen::default()),
        "Subscription" => Box::new(Subscription::default()),
        "Task" => Box::new(Task::default()),
        _ => return None,
    })
}
