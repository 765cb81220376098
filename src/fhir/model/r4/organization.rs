//! Organization, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Extra, Primitive};

use super::datatypes::*;

record! { domain Organization "Organization" {
    identifier "identifier": Vec<Identifier>,
    active "active": Primitive<bool>,
    type_ "type": Vec<CodeableConcept>,
    name "name": Primitive<String>,
    alias "alias": Vec<Primitive<String>>,
    telecom "telecom": Vec<ContactPoint>,
    address "address": Vec<Address>,
    part_of "partOf": Option<Box<Reference>>,
    contact "contact": Vec<OrganizationContact>,
    endpoint "endpoint": Vec<Reference>,
} }

record! { backbone OrganizationContact {
    purpose "purpose": Option<Box<CodeableConcept>>,
    name "name": Option<Box<HumanName>>,
    telecom "telecom": Vec<ContactPoint>,
    address "address": Option<Box<Address>>,
} }
