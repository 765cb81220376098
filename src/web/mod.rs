//! The web side: the JSON API on the admin socket, `/metrics` and `/health` on the metrics
//! listener, and `POST /fhir/Consent`.
//!
//! Handlers translate: they read a request, call the engine, and show what it says as a
//! view of `api::types`. They decide nothing and hold nothing.

pub mod api;
