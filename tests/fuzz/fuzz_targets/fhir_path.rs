//! See `fhir::fhir_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::fhir::fhir_path(data));
