//! Parameters, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Extra, Primitive};

use super::datatypes::*;

record! { resource Parameters "Parameters" {
    parameter "parameter": Vec<ParametersParameter>,
} }

record! { backbone ParametersParameter {
    name "name": Primitive<String>,
    value "valueBase64Binary" | "valueBoolean" | "valueCanonical" | "valueCode" | "valueDate"
        | "valueDateTime" | "valueDecimal" | "valueId" | "valueInstant" | "valueInteger"
        | "valueMarkdown" | "valueOid" | "valuePositiveInt" | "valueString" | "valueTime"
        | "valueUnsignedInt" | "valueUri" | "valueUrl" | "valueUuid" | "valueAddress"
        | "valueAge" | "valueAnnotation" | "valueAttachment" | "valueCodeableConcept"
        | "valueCoding" | "valueContactPoint" | "valueCount" | "valueDistance" | "valueDuration"
        | "valueHumanName" | "valueIdentifier" | "valueMoney" | "valuePeriod" | "valueQuantity"
        | "valueRange" | "valueRatio" | "valueReference" | "valueSampledData" | "valueSignature"
        | "valueTiming" | "valueContactDetail" | "valueContributor" | "valueDataRequirement"
        | "valueExpression" | "valueParameterDefinition" | "valueRelatedArtifact"
        | "valueTriggerDefinition" | "valueUsageContext" | "valueDosage" | "valueMeta": Option<Value>,
    resource "resource": Option<Any>,
    part "part": Vec<ParametersParameter>,
} }
