//! The web side: the JSON API on the admin socket, `/metrics` and `/health` on the metrics
//! listener, and `POST /fhir/Consent`.
//!
//! Handlers translate: they read a request, call the engine, and show what it says as a
//! view of `api::types`. They decide nothing and hold nothing. Who asks is known by the
//! listener: the socket tells the user of the other process, a loopback listener only that
//! it is this machine.

mod alerts;
pub mod api;
mod consent;
mod events;
mod handlers;
mod problem;
mod records;
mod serve;
mod views;

pub use serve::{Doors, Web, WebTask};
