//! Any text as a path into an HL7 v2 message.
#![no_main]

#[path = "../../it/properties/hl7v2.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod hl7v2;

libfuzzer_sys::fuzz_target!(|text: &str| hl7v2::path_survives(text));
