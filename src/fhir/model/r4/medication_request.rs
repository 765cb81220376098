//! MedicationRequest, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain MedicationRequest "MedicationRequest" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::MedicationrequestStatus>>,
    status_reason "statusReason": Option<Box<CodeableConcept>>,
    intent "intent": Primitive<Coded<codes::MedicationrequestIntent>>,
    category "category": Vec<CodeableConcept>,
    priority "priority": Primitive<Coded<codes::RequestPriority>>,
    do_not_perform "doNotPerform": Primitive<bool>,
    reported "reportedBoolean" | "reportedReference": Option<MedicationRequestReported>,
    medication "medicationCodeableConcept" | "medicationReference": Option<MedicationRequestMedication>,
    subject "subject": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    supporting_information "supportingInformation": Vec<Reference>,
    authored_on "authoredOn": Primitive<DateTime>,
    requester "requester": Option<Box<Reference>>,
    performer "performer": Option<Box<Reference>>,
    performer_type "performerType": Option<Box<CodeableConcept>>,
    recorder "recorder": Option<Box<Reference>>,
    reason_code "reasonCode": Vec<CodeableConcept>,
    reason_reference "reasonReference": Vec<Reference>,
    instantiates_canonical "instantiatesCanonical": Vec<Primitive<String>>,
    instantiates_uri "instantiatesUri": Vec<Primitive<String>>,
    based_on "basedOn": Vec<Reference>,
    group_identifier "groupIdentifier": Option<Box<Identifier>>,
    course_of_therapy_type "courseOfTherapyType": Option<Box<CodeableConcept>>,
    insurance "insurance": Vec<Reference>,
    note "note": Vec<Annotation>,
    dosage_instruction "dosageInstruction": Vec<Dosage>,
    dispense_request "dispenseRequest": Option<Box<MedicationRequestDispenseRequest>>,
    substitution "substitution": Option<Box<MedicationRequestSubstitution>>,
    prior_prescription "priorPrescription": Option<Box<Reference>>,
    detected_issue "detectedIssue": Vec<Reference>,
    event_history "eventHistory": Vec<Reference>,
} }

choice! { MedicationRequestReported {
    Boolean "reportedBoolean": Primitive<bool>,
    Reference "reportedReference": Box<Reference>,
} }

choice! { MedicationRequestMedication {
    CodeableConcept "medicationCodeableConcept": Box<CodeableConcept>,
    Reference "medicationReference": Box<Reference>,
} }

record! { backbone MedicationRequestDispenseRequest {
    initial_fill "initialFill": Option<Box<MedicationRequestDispenseRequestInitialFill>>,
    dispense_interval "dispenseInterval": Option<Box<Quantity>>,
    validity_period "validityPeriod": Option<Box<Period>>,
    number_of_repeats_allowed "numberOfRepeatsAllowed": Primitive<u32>,
    quantity "quantity": Option<Box<Quantity>>,
    expected_supply_duration "expectedSupplyDuration": Option<Box<Quantity>>,
    performer "performer": Option<Box<Reference>>,
} }

record! { backbone MedicationRequestSubstitution {
    allowed "allowedBoolean" | "allowedCodeableConcept": Option<MedicationRequestSubstitutionAllowed>,
    reason "reason": Option<Box<CodeableConcept>>,
} }

choice! { MedicationRequestSubstitutionAllowed {
    Boolean "allowedBoolean": Primitive<bool>,
    CodeableConcept "allowedCodeableConcept": Box<CodeableConcept>,
} }

record! { backbone MedicationRequestDispenseRequestInitialFill {
    quantity "quantity": Option<Box<Quantity>>,
    duration "duration": Option<Box<Quantity>>,
} }
