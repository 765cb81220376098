//! ServiceRequest, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain ServiceRequest "ServiceRequest" {
    identifier "identifier": Vec<Identifier>,
    instantiates_canonical "instantiatesCanonical": Vec<Primitive<String>>,
    instantiates_uri "instantiatesUri": Vec<Primitive<String>>,
    based_on "basedOn": Vec<Reference>,
    replaces "replaces": Vec<Reference>,
    requisition "requisition": Option<Box<Identifier>>,
    status "status": Primitive<Coded<codes::RequestStatus>>,
    intent "intent": Primitive<Coded<codes::RequestIntent>>,
    category "category": Vec<CodeableConcept>,
    priority "priority": Primitive<Coded<codes::RequestPriority>>,
    do_not_perform "doNotPerform": Primitive<bool>,
    code "code": Option<Box<CodeableConcept>>,
    order_detail "orderDetail": Vec<CodeableConcept>,
    quantity "quantityQuantity" | "quantityRatio" | "quantityRange": Option<ServiceRequestQuantity>,
    subject "subject": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    occurrence "occurrenceDateTime" | "occurrencePeriod" | "occurrenceTiming": Option<ServiceRequestOccurrence>,
    as_needed "asNeededBoolean" | "asNeededCodeableConcept": Option<ServiceRequestAsNeeded>,
    authored_on "authoredOn": Primitive<DateTime>,
    requester "requester": Option<Box<Reference>>,
    performer_type "performerType": Option<Box<CodeableConcept>>,
    performer "performer": Vec<Reference>,
    location_code "locationCode": Vec<CodeableConcept>,
    location_reference "locationReference": Vec<Reference>,
    reason_code "reasonCode": Vec<CodeableConcept>,
    reason_reference "reasonReference": Vec<Reference>,
    insurance "insurance": Vec<Reference>,
    supporting_info "supportingInfo": Vec<Reference>,
    specimen "specimen": Vec<Reference>,
    body_site "bodySite": Vec<CodeableConcept>,
    note "note": Vec<Annotation>,
    patient_instruction "patientInstruction": Primitive<String>,
    relevant_history "relevantHistory": Vec<Reference>,
} }

choice! { ServiceRequestQuantity {
    Quantity "quantityQuantity": Box<Quantity>,
    Ratio "quantityRatio": Box<Ratio>,
    Range "quantityRange": Box<Range>,
} }

choice! { ServiceRequestOccurrence {
    DateTime "occurrenceDateTime": Primitive<DateTime>,
    Period "occurrencePeriod": Box<Period>,
    Timing "occurrenceTiming": Box<Timing>,
} }

choice! { ServiceRequestAsNeeded {
    Boolean "asNeededBoolean": Primitive<bool>,
    CodeableConcept "asNeededCodeableConcept": Box<CodeableConcept>,
} }
