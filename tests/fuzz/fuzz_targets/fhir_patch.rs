//! See `targets::fhir_patch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::targets::fhir_patch(data));
