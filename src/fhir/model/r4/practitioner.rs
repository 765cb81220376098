//! Practitioner, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Date, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain Practitioner "Practitioner" {
    identifier "identifier": Vec<Identifier>,
    active "active": Primitive<bool>,
    name "name": Vec<HumanName>,
    telecom "telecom": Vec<ContactPoint>,
    address "address": Vec<Address>,
    gender "gender": Primitive<Coded<codes::AdministrativeGender>>,
    birth_date "birthDate": Primitive<Date>,
    photo "photo": Vec<Attachment>,
    qualification "qualification": Vec<PractitionerQualification>,
    communication "communication": Vec<CodeableConcept>,
} }

record! { backbone PractitionerQualification {
    identifier "identifier": Vec<Identifier>,
    code "code": Option<Box<CodeableConcept>>,
    period "period": Option<Box<Period>>,
    issuer "issuer": Option<Box<Reference>>,
} }
