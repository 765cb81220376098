//! The source `fhir`: a FHIR R4 endpoint. `auth` is its guard.

pub mod auth;
