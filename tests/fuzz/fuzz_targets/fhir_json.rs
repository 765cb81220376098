//! Any bytes as a FHIR document.
#![no_main]

#[path = "../../it/properties/fhir.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod fhir;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fhir::json_survives(bytes));
