//! Nodes as a serde deserializer.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Error;
use super::types::{ANY, DECIMAL, EXTRA, PRIMITIVE};
use crate::fhir::doc::{Node, NodeKind};

/// A value with what stands beside it.
#[derive(Clone, Copy)]
pub(super) struct Value<'d> {
    node: Option<Node<'d>>,
    beside: Option<Node<'d>>,
}

impl<'d> Value<'d> {
    pub fn of(node: Node<'d>) -> Self {
        Self { node: Some(node), beside: None }
    }

    /// The node, unless it only fills a place.
    fn filled(&self) -> Option<Node<'d>> {
        self.node.filter(|node| node.kind() != NodeKind::Null)
    }

    fn place(&self, error: Error) -> Error {
        match self.node.or(self.beside) {
            Some(node) => error.at(node),
            None => error,
        }
    }

    fn any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(node) = self.filled() else {
            return if self.beside.is_some_and(|beside| beside.kind() == NodeKind::Array) {
                visitor.visit_seq(Items::of(self))
            } else {
                visitor.visit_unit()
            };
        };
        match node.kind() {
            NodeKind::Object => visitor.visit_map(Members::all(node)),
            NodeKind::Array => visitor.visit_seq(Items::of(self)),
            NodeKind::String => match node.text().unwrap_or_default() {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            NodeKind::Number => number(node.number().unwrap_or_default(), visitor),
            NodeKind::Bool => visitor.visit_bool(node.bool().unwrap_or_default()),
            NodeKind::Null => visitor.visit_unit(),
        }
    }
}

/// Whole numbers as such; all else as the nearest `f64`, which a struct has to ask for.
fn number<'d, V: Visitor<'d>>(text: &str, visitor: V) -> Result<V::Value, Error> {
    if let Ok(number) = text.parse::<u64>() {
        visitor.visit_u64(number)
    } else if let Ok(number) = text.parse::<i64>() {
        visitor.visit_i64(number)
    } else {
        visitor.visit_f64(text.parse().map_err(|_| Error::new("expected a number"))?)
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor).map_err(|error| self.place(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let done =
            if self.filled().is_some() { visitor.visit_some(self) } else { visitor.visit_none() };
        done.map_err(|error| self.place(error))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let done = match (name, self.node) {
            (ANY, Some(node)) => match node.json() {
                Cow::Borrowed(text) => {
                    visitor.visit_str(std::str::from_utf8(text).unwrap_or("null"))
                }
                Cow::Owned(text) => {
                    visitor.visit_string(String::from_utf8(text).unwrap_or_default())
                }
            },
            (DECIMAL, Some(node)) => match node.number() {
                Some(number) => visitor.visit_str(number),
                None => Err(Error::new("expected a number")),
            },
            _ => visitor.visit_newtype_struct(self),
        };
        done.map_err(|error| self.place(error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let done = if name == PRIMITIVE {
            visitor.visit_map(Members::primitive(self))
        } else {
            match self.filled().filter(|node| node.kind() == NodeKind::Object) {
                Some(node) => visitor.visit_map(Members::of(node, fields)),
                None => self.any(visitor),
            }
        };
        done.map_err(|error| self.place(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let code = self.filled().and_then(|node| node.string());
        let done = match code {
            Some(code) => visitor.visit_enum(CowStrDeserializer::<Error>::new(code)),
            None => Err(Error::new("expected a code")),
        };
        done.map_err(|error| self.place(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The items of an array with what stands beside each.
struct Items<'d> {
    all: std::vec::IntoIter<Value<'d>>,
}

impl<'d> Items<'d> {
    fn of(value: Value<'d>) -> Self {
        let mut besides = value.beside.into_iter().flat_map(|beside| beside.items());
        let mut all = Vec::new();
        for node in value.filled().into_iter().flat_map(|node| node.items()) {
            all.push(Value { node: Some(node), beside: filled(besides.next()) });
        }
        all.extend(besides.map(|beside| Value { node: None, beside: filled(Some(beside)) }));
        Self { all: all.into_iter() }
    }
}

fn filled(node: Option<Node<'_>>) -> Option<Node<'_>> {
    node.filter(|node| node.kind() != NodeKind::Null)
}

impl<'d> SeqAccess<'d> for Items<'d> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'d>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.all.next().map(|value| seed.deserialize(value)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.all.len())
    }
}

/// Members of an object, those of a primitive, or those that a struct does not name.
struct Members<'d> {
    all: VecDeque<(&'d str, Entry<'d>)>,
    value: Option<Entry<'d>>,
}

/// The value of a member.
enum Entry<'d> {
    One(Value<'d>),
    Extra(Vec<(&'d str, Node<'d>)>),
}

impl<'d> Members<'d> {
    /// Every member under its own name.
    fn all(node: Node<'d>) -> Self {
        let one = |(name, node)| (name, Entry::One(Value::of(node)));
        Self { all: node.members().map(one).collect(), value: None }
    }

    /// The members that a struct names, each with what stands beside it.
    fn of(node: Node<'d>, fields: &'static [&'static str]) -> Self {
        let named = |name: &str| fields.contains(&name);
        let shadow = |name: &'d str| {
            let plain = name.strip_prefix('_')?;
            (!named(name) && named(plain)).then_some(plain)
        };
        let mut besides: BTreeMap<&'d str, Node<'d>> = BTreeMap::new();
        for (name, value) in node.members() {
            if let Some(plain) = shadow(name) {
                besides.entry(plain).or_insert(value);
            }
        }
        let takes_extra = named(EXTRA);
        let (mut all, mut extra) = (VecDeque::new(), Vec::new());
        for (name, value) in node.members() {
            if named(name) && name != EXTRA {
                let beside = besides.remove(name);
                all.push_back((name, Entry::One(Value { node: Some(value), beside })));
            } else if takes_extra && shadow(name).is_none() {
                extra.push((name, value));
            } else if !takes_extra && shadow(name).is_none() {
                // For structs that refuse what they do not name.
                all.push_back((name, Entry::One(Value::of(value))));
            }
        }
        for (name, beside) in besides {
            all.push_back((name, Entry::One(Value { node: None, beside: Some(beside) })));
        }
        if takes_extra {
            all.push_back((EXTRA, Entry::Extra(extra)));
        }
        Self { all, value: None }
    }

    /// The parts of a primitive.
    fn primitive(value: Value<'d>) -> Self {
        let mut all = VecDeque::new();
        if let Some(node) = value.filled() {
            all.push_back(("value", Entry::One(Value::of(node))));
        }
        for (name, node) in value.beside.into_iter().flat_map(|beside| beside.members()) {
            if name != "value" {
                all.push_back((name, Entry::One(Value::of(node))));
            }
        }
        Self { all, value: None }
    }
}

impl<'d> MapAccess<'d> for Members<'d> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'d>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, entry)) = self.all.pop_front() else { return Ok(None) };
        self.value = Some(entry);
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'d>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(Entry::One(value)) => seed.deserialize(value),
            Some(Entry::Extra(members)) => {
                let one = |(name, node)| (name, Entry::One(Value::of(node)));
                let all = members.into_iter().map(one).collect();
                let members = Members { all, value: None };
                seed.deserialize(serde::de::value::MapAccessDeserializer::new(members))
            }
            None => Err(Error::new("a value is asked for before its name")),
        }
    }
}
