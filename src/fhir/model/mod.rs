//! Structs of the resources that weir itself understands, and of their data types.
//!
//! [`r4`] is written by the generator (`cargo run --example generate -- fhir`) and never by
//! hand. Each struct has the elements of R4 under their names: primitives with what stands
//! beside them ([`Primitive`](super::typed::Primitive)), codes of required bindings as enums
//! that keep others ([`Coded`](super::typed::Coded)), choices of types as enums, decimals by
//! their digits, and members that R4 does not know in `extra`. Resources within others stay
//! documents ([`Any`]). What is written has the members in the order of the specification,
//! unknown ones last; all else is as it was read, token for token.
//!
//! Structs are read with [`read`] and written with [`write()`], by tables and not by code
//! that is generic over them: with serde's derive, so many structs cost several times as
//! long to compile, and lose digits and what stands beside primitives. Serde's traits go the
//! same way, so that a struct can be part of any other type.

#[macro_use]
mod macros;
pub mod r4;
mod record;
mod scalar;
#[cfg(test)]
mod tests;

use serde::de::Error as _;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};
use serde::{Deserialize as _, Deserializer};

use super::typed::{Any, Decimal};
use super::{Doc, Node, NodeKind};
use crate::fault::Fault;

pub use record::{Choice, Record, Scalar, Slot};
pub use scalar::Code;

/// Reads a resource, data type or nested element.
///
/// # Errors
/// `W2740` with the place of what has another form; never with a value.
pub fn read<T: Record + Default>(node: Node<'_>) -> Result<T, Fault> {
    let mut found = T::default();
    record::read(&mut found, node)?;
    Ok(found)
}

/// Reads a resource of whatever type; none of a type that has no struct.
///
/// # Errors
/// As [`read`].
#[must_use]
pub fn read_any(node: Node<'_>) -> Option<Result<Box<dyn Record>, Fault>> {
    let mut found = r4::of(&node.resource_type()?)?;
    Some(record::read(&mut *found, node).map(|()| found))
}

/// Makes a document of a struct; what is empty is left out.
#[must_use]
pub fn write(record: &dyn Record) -> Doc {
    record::document(record)
}

fn same(a: &dyn Record, b: &dyn Record) -> bool {
    record::document(a) == record::document(b)
}

fn same_choice<T: Choice>(a: &T, b: &T) -> bool {
    let text = |choice: &T| {
        let mut out = super::Builder::new();
        out.start_object();
        let (name, slot) = choice.slot();
        slot.write(name, &mut out);
        out.finish()
    };
    text(a) == text(b)
}

fn serialize<S: Serializer>(record: &dyn Record, out: S) -> Result<S::Ok, S::Error> {
    let doc = record::document(record);
    serde::Serialize::serialize(&Shown(doc.root()), out)
}

fn deserialize<'de, T: Record + Default, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let any = Any::deserialize(from)?;
    read(any.0.root()).map_err(|_| D::Error::custom("no such resource or element"))
}

/// A node for any serializer. Numbers that would lose digits are given as [`Decimal`].
struct Shown<'d>(Node<'d>);

impl serde::Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let node = self.0;
        match node.kind() {
            NodeKind::Object => {
                let mut map = out.serialize_map(None)?;
                for (name, value) in node.members() {
                    map.serialize_entry(name, &Shown(value))?;
                }
                map.end()
            }
            NodeKind::Array => {
                let mut items = out.serialize_seq(None)?;
                for item in node.items() {
                    items.serialize_element(&Shown(item))?;
                }
                items.end()
            }
            NodeKind::Number => {
                let text = node.number().unwrap_or_default();
                match (text.parse::<i64>(), text.parse::<f64>(), Decimal::new(text)) {
                    (Ok(number), ..) if number.to_string() == text => out.serialize_i64(number),
                    (_, Ok(number), _) if number.to_string() == text => out.serialize_f64(number),
                    (.., Some(decimal)) => serde::Serialize::serialize(&decimal, out),
                    _ => out.serialize_none(),
                }
            }
            NodeKind::Bool => out.serialize_bool(node.bool().unwrap_or_default()),
            NodeKind::String => out.serialize_str(&node.text().unwrap_or_default()),
            NodeKind::Null => out.serialize_none(),
        }
    }
}
