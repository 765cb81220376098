//! Encounter, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain Encounter "Encounter" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::EncounterStatus>>,
    status_history "statusHistory": Vec<EncounterStatusHistory>,
    class "class": Option<Box<Coding>>,
    class_history "classHistory": Vec<EncounterClassHistory>,
    type_ "type": Vec<CodeableConcept>,
    service_type "serviceType": Option<Box<CodeableConcept>>,
    priority "priority": Option<Box<CodeableConcept>>,
    subject "subject": Option<Box<Reference>>,
    episode_of_care "episodeOfCare": Vec<Reference>,
    based_on "basedOn": Vec<Reference>,
    participant "participant": Vec<EncounterParticipant>,
    appointment "appointment": Vec<Reference>,
    period "period": Option<Box<Period>>,
    length "length": Option<Box<Quantity>>,
    reason_code "reasonCode": Vec<CodeableConcept>,
    reason_reference "reasonReference": Vec<Reference>,
    diagnosis "diagnosis": Vec<EncounterDiagnosis>,
    account "account": Vec<Reference>,
    hospitalization "hospitalization": Option<Box<EncounterHospitalization>>,
    location "location": Vec<EncounterLocation>,
    service_provider "serviceProvider": Option<Box<Reference>>,
    part_of "partOf": Option<Box<Reference>>,
} }

record! { backbone EncounterStatusHistory {
    status "status": Primitive<Coded<codes::EncounterStatus>>,
    period "period": Option<Box<Period>>,
} }

record! { backbone EncounterClassHistory {
    class "class": Option<Box<Coding>>,
    period "period": Option<Box<Period>>,
} }

record! { backbone EncounterParticipant {
    type_ "type": Vec<CodeableConcept>,
    period "period": Option<Box<Period>>,
    individual "individual": Option<Box<Reference>>,
} }

record! { backbone EncounterDiagnosis {
    condition "condition": Option<Box<Reference>>,
    use_ "use": Option<Box<CodeableConcept>>,
    rank "rank": Primitive<u32>,
} }

record! { backbone EncounterHospitalization {
    pre_admission_identifier "preAdmissionIdentifier": Option<Box<Identifier>>,
    origin "origin": Option<Box<Reference>>,
    admit_source "admitSource": Option<Box<CodeableConcept>>,
    re_admission "reAdmission": Option<Box<CodeableConcept>>,
    diet_preference "dietPreference": Vec<CodeableConcept>,
    special_courtesy "specialCourtesy": Vec<CodeableConcept>,
    special_arrangement "specialArrangement": Vec<CodeableConcept>,
    destination "destination": Option<Box<Reference>>,
    discharge_disposition "dischargeDisposition": Option<Box<CodeableConcept>>,
} }

record! { backbone EncounterLocation {
    location "location": Option<Box<Reference>>,
    status "status": Primitive<Coded<codes::EncounterLocationStatus>>,
    physical_type "physicalType": Option<Box<CodeableConcept>>,
    period "period": Option<Box<Period>>,
} }
