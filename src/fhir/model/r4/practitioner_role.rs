//! PractitionerRole, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Primitive, Time};

use super::codes;
use super::datatypes::*;

record! { domain PractitionerRole "PractitionerRole" {
    identifier "identifier": Vec<Identifier>,
    active "active": Primitive<bool>,
    period "period": Option<Box<Period>>,
    practitioner "practitioner": Option<Box<Reference>>,
    organization "organization": Option<Box<Reference>>,
    code "code": Vec<CodeableConcept>,
    specialty "specialty": Vec<CodeableConcept>,
    location "location": Vec<Reference>,
    healthcare_service "healthcareService": Vec<Reference>,
    telecom "telecom": Vec<ContactPoint>,
    available_time "availableTime": Vec<PractitionerRoleAvailableTime>,
    not_available "notAvailable": Vec<PractitionerRoleNotAvailable>,
    availability_exceptions "availabilityExceptions": Primitive<String>,
    endpoint "endpoint": Vec<Reference>,
} }

record! { backbone PractitionerRoleAvailableTime {
    days_of_week "daysOfWeek": Vec<Primitive<Coded<codes::DaysOfWeek>>>,
    all_day "allDay": Primitive<bool>,
    available_start_time "availableStartTime": Primitive<Time>,
    available_end_time "availableEndTime": Primitive<Time>,
} }

record! { backbone PractitionerRoleNotAvailable {
    description "description": Primitive<String>,
    during "during": Option<Box<Period>>,
} }
