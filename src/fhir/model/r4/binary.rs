//! Binary, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Extra, Primitive};

use super::datatypes::*;

record! { resource Binary "Binary" {
    content_type "contentType": Primitive<String>,
    security_context "securityContext": Option<Box<Reference>>,
    data "data": Primitive<String>,
} }
