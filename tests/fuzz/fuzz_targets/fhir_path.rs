//! Any text as a FHIRPath.
#![no_main]

#[path = "../../it/properties/fhir.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod fhir;

libfuzzer_sys::fuzz_target!(|text: &str| fhir::path_survives(text));
