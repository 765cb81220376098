//! Items of a collection: nodes of the document and values computed, with equality and
//! order between them.

use std::borrow::Cow;
use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::ast::{SystemType, TypeName};
use super::moment::{Moment, MomentKind};
use super::quantity::{Quantity, Unit};
use super::types;
use crate::fhir::doc::{Node, NodeKind};
use crate::fhir::tables;

/// Source: HL7 FHIR R4 terminologies-systems.html.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// A value found or computed.
#[derive(Clone)]
pub(super) enum Item<'d> {
    Node(Node<'d>),
    Bool(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Cow<'d, str>),
    Moment(Moment),
    Quantity(Box<Quantity>),
    /// A type as `type()` gives it: namespace and name.
    Type(&'static str, Cow<'d, str>),
}

impl<'d> Item<'d> {
    pub fn quantity(quantity: Quantity) -> Self {
        Item::Quantity(Box::new(quantity))
    }

    pub fn node(self) -> Option<Node<'d>> {
        if let Item::Node(node) = self { Some(node) } else { None }
    }

    /// What it says as text; nothing for objects.
    pub fn into_text(self) -> Option<Cow<'d, str>> {
        Some(match self {
            Item::Node(node) => return node.text(),
            Item::Text(text) => text,
            Item::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Item::Integer(number) => Cow::Owned(number.to_string()),
            Item::Decimal(number) => Cow::Owned(number.to_string()),
            Item::Moment(moment) => Cow::Owned(moment.to_string()),
            Item::Quantity(quantity) => Cow::Owned(quantity.to_string()),
            Item::Type(space, name) => Cow::Owned(format!("{space}.{name}")),
        })
    }

    /// A scalar node as the value it holds; dates stay texts.
    pub fn plain(&self) -> Item<'d> {
        let Item::Node(node) = self else { return self.clone() };
        match node.kind() {
            NodeKind::Bool => Item::Bool(node.bool() == Some(true)),
            NodeKind::Number => number(node.number().unwrap_or_default()),
            NodeKind::String => Item::Text(node.text().unwrap_or_default()),
            NodeKind::Object | NodeKind::Array | NodeKind::Null => self.clone(),
        }
    }

    /// The value with dates, times and quantities told by the type of the element.
    pub fn typed(&self) -> Item<'d> {
        if let Some(moment) = self.moment() {
            return Item::Moment(moment);
        }
        match self.as_quantity() {
            Some(quantity) if matches!(self, Item::Node(_)) => Item::quantity(quantity),
            _ => self.plain(),
        }
    }

    /// The moment that an element of such a type holds.
    pub fn moment(&self) -> Option<Moment> {
        match self {
            Item::Moment(moment) => Some(*moment),
            Item::Node(node) if node.kind() == NodeKind::String => {
                let text = node.string()?;
                if !text.starts_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                let kind = match types::type_of(*node)? {
                    "date" => MomentKind::Date,
                    "dateTime" | "instant" => MomentKind::DateTime,
                    "time" => MomentKind::Time,
                    _ => return None,
                };
                Moment::parse(&text, kind)
            }
            _ => None,
        }
    }

    /// The quantity that an element of such a type holds.
    pub fn as_quantity(&self) -> Option<Quantity> {
        let node = match self {
            Item::Quantity(quantity) => return Some(quantity.as_ref().clone()),
            Item::Node(node) if node.kind() == NodeKind::Object => node,
            _ => return None,
        };
        if !tables::is_a(types::type_of(*node)?, "Quantity") {
            return None;
        }
        let value = decimal(node.get("value")?.number()?)?;
        let text = |name| node.get(name).and_then(|n| n.string()).map(Cow::into_owned);
        let ucum = text("system").is_some_and(|system| system == UCUM);
        let unit = match (text("code").filter(|_| ucum), text("code").or_else(|| text("unit"))) {
            (Some(code), _) => Unit::Ucum(code),
            (None, Some(other)) => Unit::Text(other),
            (None, None) => Unit::None,
        };
        Some(Quantity { value, unit })
    }

    /// The number, when it is one.
    pub fn decimal(&self) -> Option<Decimal> {
        match self.plain() {
            Item::Integer(number) => Some(Decimal::from(number)),
            Item::Decimal(number) => Some(number),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn string(&self) -> Option<Cow<'d, str>> {
        if let Item::Text(text) = self.plain() { Some(text) } else { None }
    }

    /// Whether two values are equal; none when precision or units leave that open.
    pub fn equals(&self, other: &Item<'d>) -> Option<bool> {
        match (self.plain(), other.plain()) {
            (Item::Text(a), Item::Text(b)) => {
                if a == b {
                    return Some(true);
                }
                match (self.moment(), other.moment()) {
                    (Some(a), Some(b)) => same_moment(&a, &b),
                    _ => Some(false),
                }
            }
            (Item::Moment(a), Item::Moment(b)) => same_moment(&a, &b),
            (Item::Moment(a), Item::Text(b)) => match as_moment(other, &b) {
                Some(b) => same_moment(&a, &b),
                None => Some(false),
            },
            (Item::Text(_), Item::Moment(_)) => other.equals(self),
            (Item::Bool(a), Item::Bool(b)) => Some(a == b),
            (Item::Integer(a), Item::Integer(b)) => Some(a == b),
            (Item::Integer(a), Item::Decimal(b)) | (Item::Decimal(b), Item::Integer(a)) => {
                Some(Decimal::from(a) == b)
            }
            (Item::Decimal(a), Item::Decimal(b)) => Some(a == b),
            (Item::Type(a, b), Item::Type(c, d)) => Some(a == c && b == d),
            (a, b) => match (self.as_quantity(), other.as_quantity()) {
                (Some(a), Some(b)) => a.is_equal(&b),
                (Some(a), None) => a.is_equal(&Quantity::number(b.decimal()?)),
                (None, Some(b)) => b.is_equal(&Quantity::number(a.decimal()?)),
                (None, None) => match (a, b) {
                    (Item::Node(a), Item::Node(b)) => Some(same(a, b)),
                    _ => Some(false),
                },
            },
        }
    }

    /// Which of two comes first; none when precision or units leave that open.
    ///
    /// # Errors
    /// When values of these kinds have no order.
    pub fn order(&self, other: &Item<'d>) -> Result<Option<Ordering>, ()> {
        match (self.plain(), other.plain()) {
            (Item::Integer(a), Item::Integer(b)) => Ok(Some(a.cmp(&b))),
            (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
                Ok(self.decimal().zip(other.decimal()).map(|(a, b)| a.cmp(&b)))
            }
            (Item::Text(a), Item::Text(b)) => match (self.moment(), other.moment()) {
                (None, None) => Ok(Some(a.cmp(&b))),
                (Some(left), right) => {
                    let right = right.or_else(|| as_moment(other, &b)).ok_or(())?;
                    left.compare(&right).ok_or(())
                }
                (None, Some(right)) => as_moment(self, &a).ok_or(())?.compare(&right).ok_or(()),
            },
            (Item::Moment(a), Item::Moment(b)) => a.compare(&b).ok_or(()),
            (Item::Moment(a), Item::Text(b)) => {
                a.compare(&as_moment(other, &b).ok_or(())?).ok_or(())
            }
            (Item::Text(a), Item::Moment(b)) => {
                as_moment(self, &a).ok_or(())?.compare(&b).ok_or(())
            }
            (a, b) => {
                let number = |item: &Item<'_>| item.decimal().map(Quantity::number);
                let a = self.as_quantity().or_else(|| number(&a)).ok_or(())?;
                let b = other.as_quantity().or_else(|| number(&b)).ok_or(())?;
                Ok(a.order(&b))
            }
        }
    }

    /// Equality for people: case, spaces, further digits and the order of members left aside.
    pub fn equivalent(&self, other: &Item<'d>) -> bool {
        match (self.plain(), other.plain()) {
            (Item::Text(a), Item::Text(b)) => match (self.moment(), other.moment()) {
                (Some(a), Some(b)) => same_moment(&a, &b) == Some(true),
                _ => bare(&a) == bare(&b),
            },
            (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
                let (Some(a), Some(b)) = (self.decimal(), other.decimal()) else { return false };
                let scale = a.scale().min(b.scale());
                a.round_dp(scale) == b.round_dp(scale)
            }
            (a, b) => match (self.as_quantity(), other.as_quantity()) {
                (Some(a), Some(b)) => a.is_equivalent(&b),
                (None, None) => match (a, b) {
                    (Item::Node(a), Item::Node(b)) => alike(a, b),
                    _ => self.equals(other) == Some(true),
                },
                _ => self.equals(other) == Some(true),
            },
        }
    }

    /// Whether it has a type. `exact` takes primitives of that very type only, as the
    /// published suite has it of `ofType`, and types made from a complex one as well.
    pub fn has_type(&self, ty: TypeName, exact: bool) -> bool {
        let ty = match ty {
            TypeName::Nothing => return false,
            TypeName::System(SystemType::Any) => return true,
            TypeName::System(ty) => return self.system_type() == Some(ty),
            TypeName::Fhir(ty) => ty,
        };
        let Item::Node(node) = self else {
            return ty == "Quantity" && self.system_type() == Some(SystemType::Quantity);
        };
        match types::type_of(*node) {
            Some(found) if exact && tables::is_primitive(ty) => found == ty,
            Some(found) => tables::is_a(found, ty),
            None => {
                let name = node.name().or_else(|| node.parent().and_then(|p| p.name()));
                let known = name.and_then(|name| {
                    (1..name.len()).find_map(|at| types::choice(name, name.get(..at)?))
                });
                known == Some(ty)
            }
        }
    }

    /// The type of a computed value.
    pub fn system_type(&self) -> Option<SystemType> {
        Some(match self {
            Item::Node(_) | Item::Type(..) => return None,
            Item::Bool(_) => SystemType::Boolean,
            Item::Integer(_) => SystemType::Integer,
            Item::Decimal(_) => SystemType::Decimal,
            Item::Text(_) => SystemType::String,
            Item::Moment(moment) => match moment.kind {
                MomentKind::Date => SystemType::Date,
                MomentKind::DateTime => SystemType::DateTime,
                MomentKind::Time => SystemType::Time,
            },
            Item::Quantity(_) => SystemType::Quantity,
        })
    }

    /// Tells values apart that count once: kind and text.
    pub fn content(&self) -> (u8, Vec<u8>) {
        match self {
            Item::Node(node) => (0, node.json().into_owned()),
            Item::Integer(number) => {
                (2, Decimal::from(*number).normalize().to_string().into_bytes())
            }
            Item::Decimal(number) => (2, number.normalize().to_string().into_bytes()),
            Item::Bool(value) => (3, vec![u8::from(*value)]),
            Item::Text(text) => (1, text.as_bytes().to_vec()),
            other => (4, other.clone().into_text().unwrap_or_default().as_bytes().to_vec()),
        }
    }

    /// The number as an index or count.
    pub fn integer(&self) -> Option<i64> {
        match self.plain() {
            Item::Integer(number) => Some(number),
            Item::Decimal(number) if number.is_integer() => number.to_i64(),
            _ => None,
        }
    }
}

/// A number as it is written in JSON.
fn number<'d>(text: &'d str) -> Item<'d> {
    if !text.contains(['.', 'e', 'E'])
        && let Ok(number) = text.parse()
    {
        return Item::Integer(number);
    }
    decimal(text).map_or(Item::Text(Cow::Borrowed(text)), Item::Decimal)
}

/// A decimal as it is written in JSON; none when it has more digits than can be kept.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let read =
        if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { text.parse() };
    read.ok()
}

/// A text beside a moment, read as one.
fn as_moment(item: &Item<'_>, text: &str) -> Option<Moment> {
    item.moment().or_else(|| Moment::guess(text))
}

fn same_moment(a: &Moment, b: &Moment) -> Option<bool> {
    match a.compare(b) {
        Some(order) => order.map(Ordering::is_eq),
        None => Some(false),
    }
}

fn bare(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// Same members in any order, same items in the same order. Depth is that of documents.
fn same(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            a.members().count() == b.members().count()
                && a.members()
                    .all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        (NodeKind::Array, NodeKind::Array) => {
            a.items().count() == b.items().count()
                && a.items().zip(b.items()).all(|(a, b)| same(a, b))
        }
        (NodeKind::Number, NodeKind::Number) => {
            let (a, b) = (a.number().unwrap_or_default(), b.number().unwrap_or_default());
            a == b || decimal(a).zip(decimal(b)).is_some_and(|(a, b)| a == b)
        }
        (x, y) => x == y && a.text() == b.text(),
    }
}

/// Same members by equivalence, `id` left aside, items in any order.
fn alike<'d>(a: Node<'d>, b: Node<'d>) -> bool {
    match (a.kind(), b.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            let counted = |node: Node<'d>| node.members().filter(|(name, _)| *name != "id").count();
            counted(a) == counted(b)
                && a.members()
                    .filter(|(name, _)| *name != "id")
                    .all(|(name, value)| b.get(name).is_some_and(|other| alike(value, other)))
        }
        (NodeKind::Array, NodeKind::Array) => {
            let others: Vec<Node<'d>> = b.items().collect();
            matched(&a.items().collect::<Vec<_>>(), &others, |a, b| alike(*a, *b))
        }
        _ => Item::Node(a).equivalent(&Item::Node(b)),
    }
}

/// Most pairs that are compared to match two lists: 1,000 items each.
const PAIRS_MAX: usize = 1_000_000;

/// Whether each of one list has its own partner in the other.
pub(super) fn matched<T>(a: &[T], b: &[T], fits: impl Fn(&T, &T) -> bool) -> bool {
    if a.len() != b.len() || a.len().saturating_mul(b.len()) > PAIRS_MAX {
        return false;
    }
    let mut free: Vec<bool> = vec![true; b.len()];
    a.iter().all(|item| {
        let found = b.iter().zip(&mut free).find(|(other, free)| **free && fits(item, other));
        found.map(|(_, free)| *free = false).is_some()
    })
}
