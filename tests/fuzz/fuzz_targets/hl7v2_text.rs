//! See `targets::hl7v2_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::targets::hl7v2_text(data));
