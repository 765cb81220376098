//! Medication, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Medication "Medication" {
    identifier "identifier": Vec<Identifier>,
    code "code": Option<Box<CodeableConcept>>,
    status "status": Primitive<Coded<codes::MedicationStatus>>,
    manufacturer "manufacturer": Option<Box<Reference>>,
    form "form": Option<Box<CodeableConcept>>,
    amount "amount": Option<Box<Ratio>>,
    ingredient "ingredient": Vec<MedicationIngredient>,
    batch "batch": Option<Box<MedicationBatch>>,
} }

record! { backbone MedicationIngredient {
    item "itemCodeableConcept" | "itemReference": Option<MedicationIngredientItem>,
    is_active "isActive": Primitive<bool>,
    strength "strength": Option<Box<Ratio>>,
} }

choice! { MedicationIngredientItem {
    CodeableConcept "itemCodeableConcept": Box<CodeableConcept>,
    Reference "itemReference": Box<Reference>,
} }

record! { backbone MedicationBatch {
    lot_number "lotNumber": Primitive<String>,
    expiration_date "expirationDate": Primitive<DateTime>,
} }
