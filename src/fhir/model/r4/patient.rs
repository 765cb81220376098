//! Patient, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, Date, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Patient "Patient" {
    identifier "identifier": Vec<Identifier>,
    active "active": Primitive<bool>,
    name "name": Vec<HumanName>,
    telecom "telecom": Vec<ContactPoint>,
    gender "gender": Primitive<Coded<codes::AdministrativeGender>>,
    birth_date "birthDate": Primitive<Date>,
    deceased "deceasedBoolean" | "deceasedDateTime": Option<PatientDeceased>,
    address "address": Vec<Address>,
    marital_status "maritalStatus": Option<Box<CodeableConcept>>,
    multiple_birth "multipleBirthBoolean" | "multipleBirthInteger": Option<PatientMultipleBirth>,
    photo "photo": Vec<Attachment>,
    contact "contact": Vec<PatientContact>,
    communication "communication": Vec<PatientCommunication>,
    general_practitioner "generalPractitioner": Vec<Reference>,
    managing_organization "managingOrganization": Option<Box<Reference>>,
    link "link": Vec<PatientLink>,
} }

choice! { PatientDeceased {
    Boolean "deceasedBoolean": Primitive<bool>,
    DateTime "deceasedDateTime": Primitive<DateTime>,
} }

choice! { PatientMultipleBirth {
    Boolean "multipleBirthBoolean": Primitive<bool>,
    Integer "multipleBirthInteger": Primitive<i32>,
} }

record! { backbone PatientContact {
    relationship "relationship": Vec<CodeableConcept>,
    name "name": Option<Box<HumanName>>,
    telecom "telecom": Vec<ContactPoint>,
    address "address": Option<Box<Address>>,
    gender "gender": Primitive<Coded<codes::AdministrativeGender>>,
    organization "organization": Option<Box<Reference>>,
    period "period": Option<Box<Period>>,
} }

record! { backbone PatientCommunication {
    language "language": Option<Box<CodeableConcept>>,
    preferred "preferred": Primitive<bool>,
} }

record! { backbone PatientLink {
    other "other": Option<Box<Reference>>,
    type_ "type": Primitive<Coded<codes::LinkType>>,
} }
