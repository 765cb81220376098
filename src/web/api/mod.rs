//! The JSON API: its routes, and what it says and takes.

mod record_types;
pub mod routes;
pub mod types;
