//! DiagnosticReport, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Instant, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain DiagnosticReport "DiagnosticReport" {
    identifier "identifier": Vec<Identifier>,
    based_on "basedOn": Vec<Reference>,
    status "status": Primitive<Coded<codes::DiagnosticReportStatus>>,
    category "category": Vec<CodeableConcept>,
    code "code": Option<Box<CodeableConcept>>,
    subject "subject": Option<Box<Reference>>,
    encounter "encounter": Option<Box<Reference>>,
    effective "effectiveDateTime" | "effectivePeriod": Option<DiagnosticReportEffective>,
    issued "issued": Primitive<Instant>,
    performer "performer": Vec<Reference>,
    results_interpreter "resultsInterpreter": Vec<Reference>,
    specimen "specimen": Vec<Reference>,
    result "result": Vec<Reference>,
    imaging_study "imagingStudy": Vec<Reference>,
    media "media": Vec<DiagnosticReportMedia>,
    conclusion "conclusion": Primitive<String>,
    conclusion_code "conclusionCode": Vec<CodeableConcept>,
    presented_form "presentedForm": Vec<Attachment>,
} }

choice! { DiagnosticReportEffective {
    DateTime "effectiveDateTime": Primitive<DateTime>,
    Period "effectivePeriod": Box<Period>,
} }

record! { backbone DiagnosticReportMedia {
    comment "comment": Primitive<String>,
    link "link": Option<Box<Reference>>,
} }
