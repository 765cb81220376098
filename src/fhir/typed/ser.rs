//! Values of any type as a document.

use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, Serializer,
};

use super::Error;
use super::types::{ANY, DECIMAL, EXTRA, PRIMITIVE};
use crate::fhir::doc::{Builder, Doc};

/// A value on its way. It is held whole because what stands beside the items of an array
/// is written after all of them.
enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Any(Doc),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
    /// A value and what stands beside it.
    Primitive(Box<Tree>, Vec<(String, Tree)>),
}

pub(super) fn document<T: Serialize>(value: &T) -> Result<Doc, Error> {
    let tree = value.serialize(Value)?;
    let mut out = Builder::new();
    tree.write(&mut out);
    Ok(out.finish())
}

impl Tree {
    fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Array(items) => items.iter().all(Self::is_empty),
            Self::Object(members) => members.iter().all(|(_, value)| value.is_empty()),
            Self::Primitive(value, beside) => {
                value.is_empty() && beside.iter().all(|(_, value)| value.is_empty())
            }
            Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Any(_) => false,
        }
    }

    fn write(&self, out: &mut Builder) {
        match self {
            Self::Null => drop(out.null()),
            Self::Bool(value) => drop(out.bool(*value)),
            Self::Number(text) => drop(out.number(text)),
            Self::Text(text) => drop(out.string(text)),
            Self::Any(doc) => drop(out.node(doc.root())),
            Self::Array(items) => {
                out.start_array();
                items.iter().for_each(|item| item.write(out));
                out.end_array();
            }
            Self::Object(members) => {
                out.start_object();
                members.iter().for_each(|(name, value)| value.member(name, out));
                out.end_object();
            }
            Self::Primitive(value, _) => value.write(out),
        }
    }

    /// Writes a member, and `_name` where something stands beside its value.
    fn member(&self, name: &str, out: &mut Builder) {
        if self.is_empty() {
            return;
        }
        let shadow = || format!("_{name}");
        match self {
            Self::Primitive(value, beside) => {
                value.member(name, out);
                if !beside.is_empty() {
                    out.name(&shadow()).start_object();
                    beside.iter().for_each(|(name, value)| value.member(name, out));
                    out.end_object();
                }
            }
            Self::Array(items) if items.iter().any(|i| matches!(i, Self::Primitive(..))) => {
                let bare = |item: &Self| match item {
                    Self::Primitive(value, _) => value.is_empty(),
                    other => other.is_empty(),
                };
                if !items.iter().all(bare) {
                    out.name(name);
                    self.write(out);
                }
                let beside = |item: &Self| match item {
                    Self::Primitive(_, beside) => beside.iter().any(|(_, value)| !value.is_empty()),
                    _ => false,
                };
                if !items.iter().any(beside) {
                    return;
                }
                out.name(&shadow()).start_array();
                for item in items {
                    match item {
                        Self::Primitive(_, members) if beside(item) => {
                            out.start_object();
                            members.iter().for_each(|(name, value)| value.member(name, out));
                            out.end_object();
                        }
                        _ => drop(out.null()),
                    }
                }
                out.end_array();
            }
            _ => {
                out.name(name);
                self.write(out);
            }
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The serializer of one value.
struct Value;

/// Takes the parts of an array or object.
struct Parts {
    name: &'static str,
    items: Vec<Tree>,
    members: Vec<(String, Tree)>,
    key: Option<String>,
}

impl Parts {
    const fn new(name: &'static str) -> Self {
        Self { name, items: Vec::new(), members: Vec::new(), key: None }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.items.push(value.serialize(Value)?);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        match (name, value.serialize(Value)?) {
            (EXTRA, Tree::Object(members)) => self.members.extend(members),
            (name, value) => self.members.push((name.to_owned(), value)),
        }
        Ok(())
    }

    fn object(self) -> Tree {
        if self.name != PRIMITIVE {
            return Tree::Object(self.members);
        }
        let (value, beside): (Vec<_>, Vec<_>) =
            self.members.into_iter().partition(|(name, _)| name == "value");
        let value = value.into_iter().next().map_or(Tree::Null, |(_, value)| value);
        let beside = beside.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Tree::Primitive(Box::new(value), beside)
    }
}

fn none<T>() -> Result<T, Error> {
    Err(Error::new("a value has no form in FHIR"))
}

macro_rules! numbers {
    ($($name:ident $ty:ty)*) => {$(
        fn $name(self, value: $ty) -> Result<Tree, Error> {
            Ok(Tree::Number(value.to_string()))
        }
    )*};
}

impl Serializer for Value {
    type Ok = Tree;
    type Error = Error;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Impossible<Tree, Error>;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    numbers! {
        serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64
        serialize_u8 u8 serialize_u16 u16 serialize_u32 u32 serialize_u64 u64
        serialize_i128 i128 serialize_u128 u128
    }

    fn serialize_bool(self, value: bool) -> Result<Tree, Error> {
        Ok(Tree::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Result<Tree, Error> {
        if value.is_finite() { Ok(Tree::Number(format!("{value:?}"))) } else { none() }
    }

    fn serialize_f64(self, value: f64) -> Result<Tree, Error> {
        if value.is_finite() { Ok(Tree::Number(format!("{value:?}"))) } else { none() }
    }

    fn serialize_char(self, value: char) -> Result<Tree, Error> {
        Ok(Tree::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Tree, Error> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Tree, Error> {
        none()
    }

    fn serialize_none(self) -> Result<Tree, Error> {
        Ok(Tree::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree, Error> {
        Ok(Tree::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, Error> {
        Ok(Tree::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Tree, Error> {
        Ok(Tree::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Tree, Error> {
        let tree = value.serialize(self)?;
        match name {
            DECIMAL => Ok(Tree::Number(tree.text().unwrap_or_default())),
            ANY => match Doc::parse_json(tree.text().unwrap_or_default().into()) {
                Ok(doc) => Ok(Tree::Any(doc)),
                Err(_) => none(),
            },
            _ => Ok(tree),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, Error> {
        Ok(Tree::Object(vec![(variant.to_owned(), value.serialize(self)?)]))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Error> {
        Ok(Parts::new(""))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Error> {
        Ok(Parts::new(""))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Error> {
        Ok(Parts::new(""))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        none()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Error> {
        Ok(Parts::new(""))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts, Error> {
        Ok(Parts::new(name))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, Error> {
        none()
    }
}

macro_rules! sequence {
    ($($name:ident $method:ident)*) => {$(
        impl $name for Parts {
            type Ok = Tree;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<Tree, Error> {
                Ok(Tree::Array(self.items))
            }
        }
    )*};
}

sequence! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
}

impl SerializeMap for Parts {
    type Ok = Tree;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = key.serialize(Value)?.text();
        if self.key.is_some() { Ok(()) } else { none() }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().unwrap_or_default();
        self.field(&key, value)
    }

    fn end(self) -> Result<Tree, Error> {
        Ok(self.object())
    }
}

impl SerializeStruct for Parts {
    type Ok = Tree;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<Tree, Error> {
        Ok(self.object())
    }
}

impl SerializeStructVariant for Parts {
    type Ok = Tree;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<Tree, Error> {
        Ok(self.object())
    }
}
