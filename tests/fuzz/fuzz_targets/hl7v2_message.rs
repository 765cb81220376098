//! Any bytes as an HL7 v2 message.
#![no_main]

#[path = "../../it/properties/hl7v2.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod hl7v2;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hl7v2::message_survives(bytes));
