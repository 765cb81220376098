//! The message, the resource and the expressions that the benches share.
#![allow(dead_code, reason = "not every bench uses all")]

/// An ADT^A01 of about 1 KB.
pub fn adt() -> String {
    let segments = [
        r"MSH|^~\&|EMR|EAST|WEIR|SE|20260102030405.678+0100||ADT^A01^ADT_A01|MSG000042|P|2.5.1|||AL|NE",
        "EVN|A01|20260102030405|||OP123^Miller^Ada^^^Dr^^^EAST",
        "PID|1||5550042^^^EAST^MR~999887766^^^SSA^SS||Sample^Jordan^Quinn^^Mx^^L||19800229|F||2106-3^White^HL70005|12 Long Street^Apt 4^Springfield^IL^62701^USA^H||(217)555-0142^PRN^PH^^1^217^5550142|(217)555-0199^WPN|en|M|CHR|ACC0012345^^^EAST|||||||||||N",
        "PD1|||EAST CLINIC^^10042|1234^Primary^Pat^^^Dr^^^EAST",
        "NK1|1|Sample^Robin^^^^^L|SPO^Spouse^HL70063|12 Long Street^^Springfield^IL^62701^USA|(217)555-0143|EC",
        "PV1|1|I|4W^412^A^EAST^^^^4|E|||1234^Attend^Alex^^^Dr^^^EAST|5678^Refer^Robin^^^Dr^^^EAST|9012^Consult^Casey|MED||||7|||1234^Attend^Alex|INP|V000987^^^EAST^VN|||||||||||||||||||||||||20260102025500",
        "OBX|1|NM|8302-2^Body height^LN||172|cm^cm^UCUM|||||F|||20260102030000",
        "AL1|1|DA|00000741^Penicillin^RXNORM|SV|Hives~Rash",
        "DG1|1||J18.9^Pneumonia, unspecified organism^I10|Pneumonia|20260102|A",
    ];
    segments.join("\r") + "\r"
}

/// A result.
pub const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose [Mass/volume] in Serum or Plasma"}]},"subject":{"reference":"Patient/555"},"effectiveDateTime":"2026-01-02T03:04:05+01:00","valueQuantity":{"value":98.10,"unit":"mg/dL"}}"#;

/// Thirteen expressions such as mappings, searches and policies ask of a resource.
pub const PATHS: [&str; 13] = [
    "Observation.status = 'final'",
    "Observation.status in ('final' | 'amended')",
    "Observation.code.coding.where(system = 'http://loinc.org').code",
    "Observation.code.coding.exists(code = '2345-7')",
    "Observation.code.coding.display.first().startsWith('Glucose')",
    "Observation.category.coding.code",
    "Observation.value.ofType(Quantity).value",
    "Observation.value.ofType(Quantity).where(value > 98.0).unit",
    "Observation.subject.reference",
    "Observation.subject.reference.startsWith('Patient/')",
    "Observation.effective.ofType(dateTime).first()",
    "Observation.effective <= today()",
    "Observation.component.exists() or Observation.value.exists()",
];
