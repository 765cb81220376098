//! Coverage, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Coverage "Coverage" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::FmStatus>>,
    type_ "type": Option<Box<CodeableConcept>>,
    policy_holder "policyHolder": Option<Box<Reference>>,
    subscriber "subscriber": Option<Box<Reference>>,
    subscriber_id "subscriberId": Primitive<String>,
    beneficiary "beneficiary": Option<Box<Reference>>,
    dependent "dependent": Primitive<String>,
    relationship "relationship": Option<Box<CodeableConcept>>,
    period "period": Option<Box<Period>>,
    payor "payor": Vec<Reference>,
    class "class": Vec<CoverageClass>,
    order "order": Primitive<u32>,
    network "network": Primitive<String>,
    cost_to_beneficiary "costToBeneficiary": Vec<CoverageCostToBeneficiary>,
    subrogation "subrogation": Primitive<bool>,
    contract "contract": Vec<Reference>,
} }

record! { backbone CoverageClass {
    type_ "type": Option<Box<CodeableConcept>>,
    value "value": Primitive<String>,
    name "name": Primitive<String>,
} }

record! { backbone CoverageCostToBeneficiary {
    type_ "type": Option<Box<CodeableConcept>>,
    value "valueQuantity" | "valueMoney": Option<CoverageCostToBeneficiaryValue>,
    exception "exception": Vec<CoverageCostToBeneficiaryException>,
} }

choice! { CoverageCostToBeneficiaryValue {
    Quantity "valueQuantity": Box<Quantity>,
    Money "valueMoney": Box<Money>,
} }

record! { backbone CoverageCostToBeneficiaryException {
    type_ "type": Option<Box<CodeableConcept>>,
    period "period": Option<Box<Period>>,
} }
