//! FHIR R4: the lossless document, JSON and XML, tables of elements, paths, structural checks.
//!
//! Pure values: nothing here knows of sources, channels or HTTP. Faults and findings name
//! places and types, never content.

mod doc;
pub mod model;
pub mod patch;
mod path;
mod profiles;
pub mod requests;
pub mod resources;
pub mod rest;
pub mod smart;
pub mod systems;
pub mod tables;
pub mod transaction;
pub mod typed;
pub mod validate;

pub use doc::{
    Builder, DOC_BYTES_MAX, Doc, Items, Members, NAME_BYTES_MAX, Node, NodeId, NodeKind, Sink,
    Writer, is_xml,
};
pub use path::{
    Context, FhirPath, PATH_BYTES_MAX, PathError, STEPS_MAX, Value, canonical, functions, type_of,
};
