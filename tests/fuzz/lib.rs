//! The properties of the test suite, for the fuzzer.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

#[path = "../it/properties/cda.rs"]
pub mod cda;
#[path = "../it/properties/fhir.rs"]
pub mod fhir;
#[path = "../it/properties/hl7v2.rs"]
pub mod hl7v2;
#[path = "../it/properties/hl7v2_text.rs"]
pub mod hl7v2_text;
#[path = "../it/properties/patch.rs"]
pub mod patch;
#[path = "../it/properties/records.rs"]
pub mod records;
#[path = "../it/properties/rest.rs"]
pub mod rest;
#[path = "../it/properties/targets.rs"]
pub mod targets;
#[path = "../it/properties/token.rs"]
pub mod token;
