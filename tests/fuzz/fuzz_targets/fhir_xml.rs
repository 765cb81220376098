//! See `targets::fhir_xml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::targets::fhir_xml(data));
