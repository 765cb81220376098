//! Appointment, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Instant, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain Appointment "Appointment" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::Appointmentstatus>>,
    cancelation_reason "cancelationReason": Option<Box<CodeableConcept>>,
    service_category "serviceCategory": Vec<CodeableConcept>,
    service_type "serviceType": Vec<CodeableConcept>,
    specialty "specialty": Vec<CodeableConcept>,
    appointment_type "appointmentType": Option<Box<CodeableConcept>>,
    reason_code "reasonCode": Vec<CodeableConcept>,
    reason_reference "reasonReference": Vec<Reference>,
    priority "priority": Primitive<u32>,
    description "description": Primitive<String>,
    supporting_information "supportingInformation": Vec<Reference>,
    start "start": Primitive<Instant>,
    end "end": Primitive<Instant>,
    minutes_duration "minutesDuration": Primitive<u32>,
    slot "slot": Vec<Reference>,
    created "created": Primitive<DateTime>,
    comment "comment": Primitive<String>,
    patient_instruction "patientInstruction": Primitive<String>,
    based_on "basedOn": Vec<Reference>,
    participant "participant": Vec<AppointmentParticipant>,
    requested_period "requestedPeriod": Vec<Period>,
} }

record! { backbone AppointmentParticipant {
    type_ "type": Vec<CodeableConcept>,
    actor "actor": Option<Box<Reference>>,
    required "required": Primitive<Coded<codes::Participantrequired>>,
    status "status": Primitive<Coded<codes::Participationstatus>>,
    period "period": Option<Box<Period>>,
} }
