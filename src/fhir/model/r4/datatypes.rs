//! Data types.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, Date, DateTime, Decimal, Extra, Instant, Primitive, Time};
use crate::fhir::{Builder, Node};

use super::codes;

record! { data Address {
    use_ "use": Primitive<Coded<codes::AddressUse>>,
    type_ "type": Primitive<Coded<codes::AddressType>>,
    text "text": Primitive<String>,
    line "line": Vec<Primitive<String>>,
    city "city": Primitive<String>,
    district "district": Primitive<String>,
    state "state": Primitive<String>,
    postal_code "postalCode": Primitive<String>,
    country "country": Primitive<String>,
    period "period": Option<Box<Period>>,
} }

record! { data Annotation {
    author "authorReference" | "authorString": Option<AnnotationAuthor>,
    time "time": Primitive<DateTime>,
    text "text": Primitive<String>,
} }

choice! { AnnotationAuthor {
    Reference "authorReference": Box<Reference>,
    String "authorString": Primitive<String>,
} }

record! { data Attachment {
    content_type "contentType": Primitive<String>,
    language "language": Primitive<String>,
    data "data": Primitive<String>,
    url "url": Primitive<String>,
    size "size": Primitive<u32>,
    hash "hash": Primitive<String>,
    title "title": Primitive<String>,
    creation "creation": Primitive<DateTime>,
} }

record! { data CodeableConcept {
    coding "coding": Vec<Coding>,
    text "text": Primitive<String>,
} }

record! { data Coding {
    system "system": Primitive<String>,
    version "version": Primitive<String>,
    code "code": Primitive<String>,
    display "display": Primitive<String>,
    user_selected "userSelected": Primitive<bool>,
} }

record! { data ContactDetail {
    name "name": Primitive<String>,
    telecom "telecom": Vec<ContactPoint>,
} }

record! { data ContactPoint {
    system "system": Primitive<Coded<codes::ContactPointSystem>>,
    value "value": Primitive<String>,
    use_ "use": Primitive<Coded<codes::ContactPointUse>>,
    rank "rank": Primitive<u32>,
    period "period": Option<Box<Period>>,
} }

record! { backbone Dosage {
    sequence "sequence": Primitive<i32>,
    text "text": Primitive<String>,
    additional_instruction "additionalInstruction": Vec<CodeableConcept>,
    patient_instruction "patientInstruction": Primitive<String>,
    timing "timing": Option<Box<Timing>>,
    as_needed "asNeededBoolean" | "asNeededCodeableConcept": Option<DosageAsNeeded>,
    site "site": Option<Box<CodeableConcept>>,
    route "route": Option<Box<CodeableConcept>>,
    method "method": Option<Box<CodeableConcept>>,
    dose_and_rate "doseAndRate": Vec<DosageDoseAndRate>,
    max_dose_per_period "maxDosePerPeriod": Option<Box<Ratio>>,
    max_dose_per_administration "maxDosePerAdministration": Option<Box<Quantity>>,
    max_dose_per_lifetime "maxDosePerLifetime": Option<Box<Quantity>>,
} }

choice! { DosageAsNeeded {
    Boolean "asNeededBoolean": Primitive<bool>,
    CodeableConcept "asNeededCodeableConcept": Box<CodeableConcept>,
} }

record! { data DosageDoseAndRate {
    type_ "type": Option<Box<CodeableConcept>>,
    dose "doseRange" | "doseQuantity": Option<DosageDoseAndRateDose>,
    rate "rateRatio" | "rateRange" | "rateQuantity": Option<DosageDoseAndRateRate>,
} }

choice! { DosageDoseAndRateDose {
    Range "doseRange": Box<Range>,
    Quantity "doseQuantity": Box<Quantity>,
} }

choice! { DosageDoseAndRateRate {
    Ratio "rateRatio": Box<Ratio>,
    Range "rateRange": Box<Range>,
    Quantity "rateQuantity": Box<Quantity>,
} }

record! { data Extension {
    url "url": Primitive<String>,
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

choice! { Value {
    Base64Binary "valueBase64Binary": Primitive<String>,
    Boolean "valueBoolean": Primitive<bool>,
    Canonical "valueCanonical": Primitive<String>,
    Code "valueCode": Primitive<String>,
    Date "valueDate": Primitive<Date>,
    DateTime "valueDateTime": Primitive<DateTime>,
    Decimal "valueDecimal": Primitive<Decimal>,
    Id "valueId": Primitive<String>,
    Instant "valueInstant": Primitive<Instant>,
    Integer "valueInteger": Primitive<i32>,
    Markdown "valueMarkdown": Primitive<String>,
    Oid "valueOid": Primitive<String>,
    PositiveInt "valuePositiveInt": Primitive<u32>,
    String "valueString": Primitive<String>,
    Time "valueTime": Primitive<Time>,
    UnsignedInt "valueUnsignedInt": Primitive<u32>,
    Uri "valueUri": Primitive<String>,
    Url "valueUrl": Primitive<String>,
    Uuid "valueUuid": Primitive<String>,
    Address "valueAddress": Box<Address>,
    Age "valueAge": Box<Quantity>,
    Annotation "valueAnnotation": Box<Annotation>,
    Attachment "valueAttachment": Box<Attachment>,
    CodeableConcept "valueCodeableConcept": Box<CodeableConcept>,
    Coding "valueCoding": Box<Coding>,
    ContactPoint "valueContactPoint": Box<ContactPoint>,
    Count "valueCount": Box<Quantity>,
    Distance "valueDistance": Box<Quantity>,
    Duration "valueDuration": Box<Quantity>,
    HumanName "valueHumanName": Box<HumanName>,
    Identifier "valueIdentifier": Box<Identifier>,
    Money "valueMoney": Box<Money>,
    Period "valuePeriod": Box<Period>,
    Quantity "valueQuantity": Box<Quantity>,
    Range "valueRange": Box<Range>,
    Ratio "valueRatio": Box<Ratio>,
    Reference "valueReference": Box<Reference>,
    SampledData "valueSampledData": Box<SampledData>,
    Signature "valueSignature": Box<Signature>,
    Timing "valueTiming": Box<Timing>,
    ContactDetail "valueContactDetail": Box<ContactDetail>,
    Contributor "valueContributor": Option<Any>,
    DataRequirement "valueDataRequirement": Option<Any>,
    Expression "valueExpression": Option<Any>,
    ParameterDefinition "valueParameterDefinition": Option<Any>,
    RelatedArtifact "valueRelatedArtifact": Option<Any>,
    TriggerDefinition "valueTriggerDefinition": Option<Any>,
    UsageContext "valueUsageContext": Box<UsageContext>,
    Dosage "valueDosage": Box<Dosage>,
    Meta "valueMeta": Box<Meta>,
} }

record! { data HumanName {
    use_ "use": Primitive<Coded<codes::NameUse>>,
    text "text": Primitive<String>,
    family "family": Primitive<String>,
    given "given": Vec<Primitive<String>>,
    prefix "prefix": Vec<Primitive<String>>,
    suffix "suffix": Vec<Primitive<String>>,
    period "period": Option<Box<Period>>,
} }

record! { data Identifier {
    use_ "use": Primitive<Coded<codes::IdentifierUse>>,
    type_ "type": Option<Box<CodeableConcept>>,
    system "system": Primitive<String>,
    value "value": Primitive<String>,
    period "period": Option<Box<Period>>,
    assigner "assigner": Option<Box<Reference>>,
} }

record! { data Meta {
    version_id "versionId": Primitive<String>,
    last_updated "lastUpdated": Primitive<Instant>,
    source "source": Primitive<String>,
    profile "profile": Vec<Primitive<String>>,
    security "security": Vec<Coding>,
    tag "tag": Vec<Coding>,
} }

record! { data Money {
    value "value": Primitive<Decimal>,
    currency "currency": Primitive<String>,
} }

record! { data Narrative {
    status "status": Primitive<Coded<codes::NarrativeStatus>>,
    div "div": Primitive<String>,
} }

record! { data Period {
    start "start": Primitive<DateTime>,
    end "end": Primitive<DateTime>,
} }

record! { data Quantity {
    value "value": Primitive<Decimal>,
    comparator "comparator": Primitive<Coded<codes::QuantityComparator>>,
    unit "unit": Primitive<String>,
    system "system": Primitive<String>,
    code "code": Primitive<String>,
} }

record! { data Range {
    low "low": Option<Box<Quantity>>,
    high "high": Option<Box<Quantity>>,
} }

record! { data Ratio {
    numerator "numerator": Option<Box<Quantity>>,
    denominator "denominator": Option<Box<Quantity>>,
} }

record! { data Reference {
    reference "reference": Primitive<String>,
    type_ "type": Primitive<String>,
    identifier "identifier": Option<Box<Identifier>>,
    display "display": Primitive<String>,
} }

record! { data SampledData {
    origin "origin": Option<Box<Quantity>>,
    period "period": Primitive<Decimal>,
    factor "factor": Primitive<Decimal>,
    lower_limit "lowerLimit": Primitive<Decimal>,
    upper_limit "upperLimit": Primitive<Decimal>,
    dimensions "dimensions": Primitive<u32>,
    data "data": Primitive<String>,
} }

record! { data Signature {
    type_ "type": Vec<Coding>,
    when "when": Primitive<Instant>,
    who "who": Option<Box<Reference>>,
    on_behalf_of "onBehalfOf": Option<Box<Reference>>,
    target_format "targetFormat": Primitive<String>,
    sig_format "sigFormat": Primitive<String>,
    data "data": Primitive<String>,
} }

record! { backbone Timing {
    event "event": Vec<Primitive<DateTime>>,
    repeat "repeat": Option<Box<TimingRepeat>>,
    code "code": Option<Box<CodeableConcept>>,
} }

record! { data TimingRepeat {
    bounds "boundsDuration" | "boundsRange" | "boundsPeriod": Option<TimingRepeatBounds>,
    count "count": Primitive<u32>,
    count_max "countMax": Primitive<u32>,
    duration "duration": Primitive<Decimal>,
    duration_max "durationMax": Primitive<Decimal>,
    duration_unit "durationUnit": Primitive<Coded<codes::UnitsOfTime>>,
    frequency "frequency": Primitive<u32>,
    frequency_max "frequencyMax": Primitive<u32>,
    period "period": Primitive<Decimal>,
    period_max "periodMax": Primitive<Decimal>,
    period_unit "periodUnit": Primitive<Coded<codes::UnitsOfTime>>,
    day_of_week "dayOfWeek": Vec<Primitive<Coded<codes::DaysOfWeek>>>,
    time_of_day "timeOfDay": Vec<Primitive<Time>>,
    when "when": Vec<Primitive<Coded<codes::EventTiming>>>,
    offset "offset": Primitive<u32>,
} }

choice! { TimingRepeatBounds {
    Duration "boundsDuration": Box<Quantity>,
    Range "boundsRange": Box<Range>,
    Period "boundsPeriod": Box<Period>,
} }

record! { data UsageContext {
    code "code": Option<Box<Coding>>,
    value "valueCodeableConcept" | "valueQuantity" | "valueRange" | "valueReference": Option<UsageContextValue>,
} }

choice! { UsageContextValue {
    CodeableConcept "valueCodeableConcept": Box<CodeableConcept>,
    Quantity "valueQuantity": Box<Quantity>,
    Range "valueRange": Box<Range>,
    Reference "valueReference": Box<Reference>,
} }
