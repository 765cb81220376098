//! Task, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain Task "Task" {
    identifier "identifier": Vec<Identifier>,
    instantiates_canonical "instantiatesCanonical": Primitive<String>,
    instantiates_uri "instantiatesUri": Primitive<String>,
    based_on "basedOn": Vec<Reference>,
    group_identifier "groupIdentifier": Option<Box<Identifier>>,
    part_of "partOf": Vec<Reference>,
    status "status": Primitive<Coded<codes::TaskStatus>>,
    status_reason "statusReason": Option<Box<CodeableConcept>>,
    business_status "businessStatus": Option<Box<CodeableConcept>>,
    intent "intent": Primitive<Coded<codes::TaskIntent>>,
    priority "priority": Primitive<Coded<codes::RequestPriority>>,
    code "code": Option<Box<CodeableConcept>>,
    description "description": Primitive<String>,
    focus "focus": Option<Box<Reference>>,
    for_ "for": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    execution_period "executionPeriod": Option<Box<Period>>,
    authored_on "authoredOn": Primitive<DateTime>,
    last_modified "lastModified": Primitive<DateTime>,
    requester "requester": Option<Box<Reference>>,
    performer_type "performerType": Vec<CodeableConcept>,
    owner "owner": Option<Box<Reference>>,
    location "location": Option<Box<Reference>>,
    reason_code "reasonCode": Option<Box<CodeableConcept>>,
    reason_reference "reasonReference": Option<Box<Reference>>,
    insurance "insurance": Vec<Reference>,
    note "note": Vec<Annotation>,
    relevant_history "relevantHistory": Vec<Reference>,
    restriction "restriction": Option<Box<TaskRestriction>>,
    input "input": Vec<TaskInput>,
    output "output": Vec<TaskOutput>,
} }

record! { backbone TaskRestriction {
    repetitions "repetitions": Primitive<u32>,
    period "period": Option<Box<Period>>,
    recipient "recipient": Vec<Reference>,
} }

record! { backbone TaskInput {
    type_ "type": Option<Box<CodeableConcept>>,
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
} }

record! { backbone TaskOutput {
    type_ "type": Option<Box<CodeableConcept>>,
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
} }
