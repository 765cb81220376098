//! The integration tests: one binary, one module a subject. A file that is not listed here
//! fails `architecture::no_test_file_is_forgotten`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod allocations;
mod architecture;
mod canary;
mod cli;
mod consent_corpus;
mod documents;
mod engine;
mod exchange;
mod fhir_clients;
mod fhir_corpus;
mod fhir_patch;
mod fhir_pull;
mod fhir_source;
mod fhir_structs;
mod fhir_validation;
mod fhir_xml;
mod fhirpath_suite;
mod foreign;
mod hl7v2;
mod index;
mod kill;
mod mapping;
mod nasty;
mod peers;
mod properties;
mod readme;
mod settings;
mod standard;
mod support;
