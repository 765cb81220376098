//! weir, a healthcare interface engine: HL7 v2 and FHIR R4 in, through the gates of a
//! channel, into a durable queue, out to destinations.
//!
//! The rooms stand in layers; a room uses only rooms of lower layers, and rooms of one
//! layer do not know each other. Layers 0 to 5 are pure: no clock, randomness, socket,
//! file, `async` or log. They build without the feature `engine`, so the compiler checks
//! the line. `ARCHITECTURE.md` is the map.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::disallowed_methods
    )
)]

// Layer 0
pub mod fault;
// Layer 1
pub mod base;
pub mod xml;
// Layer 2
pub mod cda;
pub mod fhir;
pub mod hl7v2;
pub mod settings;
// Layer 3
pub mod filter;
pub mod message;
// Layer 4
pub mod audit;
pub mod consent;
pub mod mapping;
pub mod records;
pub mod seal;
// Layer 5
pub mod channel;

// The line: async and I/O start here.

// Layer 6
#[cfg(feature = "engine")]
pub mod observe;
#[cfg(feature = "engine")]
pub mod ports;
// Layer 7
#[cfg(feature = "engine")]
pub mod destination;
#[cfg(feature = "engine")]
pub mod source;
#[cfg(feature = "engine")]
pub mod store;
// Layer 8
#[cfg(feature = "engine")]
pub mod config;
// Layer 9
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod tool;
// Layer 10
#[cfg(feature = "engine")]
pub mod cli;
#[cfg(feature = "engine")]
pub mod web;
