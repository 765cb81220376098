//! The JSON API: its routes, and what it says and takes.

pub mod routes;
pub mod types;
