//! OperationOutcome, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain OperationOutcome "OperationOutcome" {
    issue "issue": Vec<OperationOutcomeIssue>,
} }

record! { backbone OperationOutcomeIssue {
    severity "severity": Primitive<Coded<codes::IssueSeverity>>,
    code "code": Primitive<Coded<codes::IssueType>>,
    details "details": Option<Box<CodeableConcept>>,
    diagnostics "diagnostics": Primitive<String>,
    location "location": Vec<Primitive<String>>,
    expression "expression": Vec<Primitive<String>>,
} }
