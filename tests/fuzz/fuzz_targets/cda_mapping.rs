//! See `cda::mapping_survives`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| weir_fuzz::cda::mapping_survives(data));
