//! Any bytes as a value of an HL7 v2 message, and as text put into one.
#![no_main]

#[path = "../../it/properties/hl7v2_text.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod hl7v2_text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hl7v2_text::bytes_survive(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        hl7v2_text::text_survives(text);
    }
});
