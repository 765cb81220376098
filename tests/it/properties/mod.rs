//! Properties: plain functions over bytes, called here by proptest and in `tests/fuzz/` by
//! the fuzzer.

mod cda;
mod fhir;
mod fuzz;
mod hl7v2;
mod hl7v2_text;
mod patch;
mod records;
mod rest;
pub mod targets;
mod token;
