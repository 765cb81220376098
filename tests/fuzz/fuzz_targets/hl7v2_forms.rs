//! Any bytes as an HL7 v2 message in XML and JSON, as XML and JSON of one, and as a batch
//! that is read piece by piece.
#![no_main]

#[path = "../../it/properties/hl7v2_text.rs"]
#[allow(dead_code, missing_docs, clippy::unwrap_used)]
mod hl7v2_text;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hl7v2_text::forms_survive(bytes);
    hl7v2_text::xml_survives(bytes);
    hl7v2_text::json_survives(bytes);
    hl7v2_text::stream_survives(bytes);
});
