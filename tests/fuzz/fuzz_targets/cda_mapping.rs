//! See `targets::cda_mapping`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::targets::cda_mapping(data));
