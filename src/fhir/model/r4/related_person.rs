//! RelatedPerson, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Date, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain RelatedPerson "RelatedPerson" {
    identifier "identifier": Vec<Identifier>,
    active "active": Primitive<bool>,
    patient "patient": Option<Box<Reference>>,
    relationship "relationship": Vec<CodeableConcept>,
    name "name": Vec<HumanName>,
    telecom "telecom": Vec<ContactPoint>,
    gender "gender": Primitive<Coded<codes::AdministrativeGender>>,
    birth_date "birthDate": Primitive<Date>,
    address "address": Vec<Address>,
    photo "photo": Vec<Attachment>,
    period "period": Option<Box<Period>>,
    communication "communication": Vec<RelatedPersonCommunication>,
} }

record! { backbone RelatedPersonCommunication {
    language "language": Option<Box<CodeableConcept>>,
    preferred "preferred": Primitive<bool>,
} }
