//! See `targets::fhir_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::targets::fhir_json(data));
