//! Immunization, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, Date, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Immunization "Immunization" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::ImmunizationStatus>>,
    status_reason "statusReason": Option<Box<CodeableConcept>>,
    vaccine_code "vaccineCode": Option<Box<CodeableConcept>>,
    patient "patient": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    occurrence "occurrenceDateTime" | "occurrenceString": Option<ImmunizationOccurrence>,
    recorded "recorded": Primitive<DateTime>,
    primary_source "primarySource": Primitive<bool>,
    report_origin "reportOrigin": Option<Box<CodeableConcept>>,
    location "location": Option<Box<Reference>>,
    manufacturer "manufacturer": Option<Box<Reference>>,
    lot_number "lotNumber": Primitive<String>,
    expiration_date "expirationDate": Primitive<Date>,
    site "site": Option<Box<CodeableConcept>>,
    route "route": Option<Box<CodeableConcept>>,
    dose_quantity "doseQuantity": Option<Box<Quantity>>,
    performer "performer": Vec<ImmunizationPerformer>,
    note "note": Vec<Annotation>,
    reason_code "reasonCode": Vec<CodeableConcept>,
    reason_reference "reasonReference": Vec<Reference>,
    is_subpotent "isSubpotent": Primitive<bool>,
    subpotent_reason "subpotentReason": Vec<CodeableConcept>,
    education "education": Vec<ImmunizationEducation>,
    program_eligibility "programEligibility": Vec<CodeableConcept>,
    funding_source "fundingSource": Option<Box<CodeableConcept>>,
    reaction "reaction": Vec<ImmunizationReaction>,
    protocol_applied "protocolApplied": Vec<ImmunizationProtocolApplied>,
} }

choice! { ImmunizationOccurrence {
    DateTime "occurrenceDateTime": Primitive<DateTime>,
    String "occurrenceString": Primitive<String>,
} }

record! { backbone ImmunizationPerformer {
    function "function": Option<Box<CodeableConcept>>,
    actor "actor": Option<Box<Reference>>,
} }

record! { backbone ImmunizationEducation {
    document_type "documentType": Primitive<String>,
    reference "reference": Primitive<String>,
    publication_date "publicationDate": Primitive<DateTime>,
    presentation_date "presentationDate": Primitive<DateTime>,
} }

record! { backbone ImmunizationReaction {
    date "date": Primitive<DateTime>,
    detail "detail": Option<Box<Reference>>,
    reported "reported": Primitive<bool>,
} }

record! { backbone ImmunizationProtocolApplied {
    series "series": Primitive<String>,
    authority "authority": Option<Box<Reference>>,
    target_disease "targetDisease": Vec<CodeableConcept>,
    dose_number "doseNumberPositiveInt" | "doseNumberString": Option<ImmunizationProtocolAppliedDoseNumber>,
    series_doses "seriesDosesPositiveInt" | "seriesDosesString": Option<ImmunizationProtocolAppliedSeriesDoses>,
} }

choice! { ImmunizationProtocolAppliedDoseNumber {
    PositiveInt "doseNumberPositiveInt": Primitive<u32>,
    String "doseNumberString": Primitive<String>,
} }

choice! { ImmunizationProtocolAppliedSeriesDoses {
    PositiveInt "seriesDosesPositiveInt": Primitive<u32>,
    String "seriesDosesString": Primitive<String>,
} }
