//! Any struct over any resource: serde between documents and types.
//!
//! [`read`] lets a struct with serde's derive lie over a node, [`write()`] makes a document of
//! one. Three things that FHIR has and other JSON has not are built in:
//!
//! - a [`Primitive`] takes what stands in `x` and `_x`, alone and in arrays;
//! - a [`Decimal`] keeps its digits, and nothing goes through `f64` unless a struct asks;
//! - a field `#[serde(rename = "$extra", default)]` of type [`Extra`] takes the members
//!   that the struct does not name, so that they are written again. (`#[serde(flatten)]`
//!   goes through a buffer that knows neither of the two.)
//!
//! Not here: the check of a resource, which is [`validate`](super::validate)'s.

mod de;
mod ser;
#[cfg(test)]
mod tests;
mod types;

use std::fmt;

use super::doc::{Doc, Node};
use crate::fault::codes::W2740;
use crate::fault::{Fault, Place};

pub use types::{
    Any, Coded, Date, DateTime, Decimal, EXTRA, Extra, Instant, Precision, Primitive, Time,
};

/// Reads a node as a type.
///
/// # Errors
/// `W2740` with the place where the node does not fit; never with a value.
pub fn read<'d, T: serde::Deserialize<'d>>(node: Node<'d>) -> Result<T, Fault> {
    T::deserialize(de::Value::of(node)).map_err(|error| error.fault(node.path()))
}

/// Makes a document of a value; members without a value are left out, as FHIR demands.
///
/// # Errors
/// `W2740` where the value has a form that FHIR has not: bytes, keys that are no text,
/// numbers that are none.
pub fn write<T: serde::Serialize>(value: &T) -> Result<Doc, Fault> {
    ser::document(value).map_err(|error| error.fault(String::new()))
}

/// Why a node and a type do not fit.
///
/// The words that serde makes quote the value, so only what was expected is kept of them.
#[derive(Debug)]
struct Error {
    what: String,
    path: Option<String>,
}

impl Error {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), path: None }
    }

    /// Adds where it is, unless a place further inside is known.
    fn at(mut self, node: Node<'_>) -> Self {
        self.path.get_or_insert_with(|| node.path());
        self
    }

    fn fault(self, path: String) -> Fault {
        Fault::new(W2740).because(self.what).at(Place::path(self.path.unwrap_or(path)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("the value is none that the type takes")
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_length(len: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("expected {expected}, not {len} items"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("a member is none of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` stands twice"))
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("a value has no form in FHIR")
    }
}
