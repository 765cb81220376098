//! A value of the input, whatever its form: the seam between sentences and what they read.
//!
//! Everything that picks, compares, converts and traces values does so by these few
//! questions; what a form needs besides stands in its own module (`types::cda`).

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use crate::cda::{self, Element, Found, Kind};
use crate::hl7v2::{Message, Value};

/// Most digits that a whole number without a type has: longer ones are times.
const INT_DIGITS_MAX: usize = 9;

/// A value of the input.
#[derive(Clone, Copy)]
pub(crate) enum Datum<'r> {
    Hl7(Value<'r>),
    Cda(Found<'r>),
}

/// What a run reads.
#[derive(Clone, Copy)]
pub(crate) enum Input<'r> {
    Hl7(&'r Message),
    Cda(&'r Tree<'r>),
}

/// A document being read.
pub(crate) struct Tree<'r> {
    pub document: &'r cda::Document,
    /// Elements that may still be looked at.
    looks: Cell<usize>,
    /// Whether a path would have looked at more.
    pub is_spent: Cell<bool>,
}

impl<'r> Tree<'r> {
    pub(crate) fn new(document: &'r cda::Document) -> Self {
        let looks = Cell::new(cda::READER_LOOKS_MAX);
        Self { document, looks, is_spent: Cell::new(false) }
    }

    /// What a path finds; nothing once too many elements were looked at, which is told when
    /// the run is over.
    pub(crate) fn select(&self, path: &cda::Path, from: Element<'r>) -> Vec<Found<'r>> {
        let mut looks = self.looks.get();
        let found = path.select_within(from, &mut looks);
        self.looks.set(looks);
        found.unwrap_or_else(|_| {
            self.is_spent.set(true);
            Vec::new()
        })
    }
}

impl<'r> Datum<'r> {
    /// Bytes of the input that it stands in.
    pub(crate) fn range(self) -> Range<usize> {
        match self {
            Self::Hl7(value) => value.range(),
            Self::Cda(Found::Element(element)) => match lead(element) {
                Some(attribute) => attribute.range(),
                None => element.inside(),
            },
            Self::Cda(found) => found.range(),
        }
    }

    /// Whether nothing stands there.
    pub(crate) fn is_empty(self) -> bool {
        match self {
            Self::Hl7(value) => value.is_empty(),
            Self::Cda(Found::Element(element)) => {
                element.inside().is_empty() && element.attributes().is_empty()
            }
            Self::Cda(found) => found.range().is_empty(),
        }
    }

    /// Whether the sender says that there is no value: `""`, or a null flavor on what has
    /// none and nothing in it that has.
    pub(crate) fn is_null(self) -> bool {
        match self {
            Self::Hl7(value) => value.is_null(),
            Self::Cda(Found::Element(element)) => is_null(element),
            Self::Cda(Found::Attribute(element, "root", _)) => is_null_identifier(element),
            Self::Cda(_) => false,
        }
    }

    /// Its text: of an element the value it says, else what stands in it.
    pub(crate) fn text(self) -> Cow<'r, str> {
        self.told().0
    }

    /// Its text, and whether it is of an element that references may mean: one that a
    /// document may ask for any number of times.
    pub(crate) fn told(self) -> (Cow<'r, str>, bool) {
        let element = match self {
            Self::Hl7(value) => return (value.text(), false),
            Self::Cda(Found::Element(element)) => match lead(element) {
                Some(attribute) => return (attribute.text(), false),
                None => said(element),
            },
            Self::Cda(Found::Text(element)) => element,
            Self::Cda(found @ Found::Attribute(..)) => return (found.text(), false),
        };
        match element.referred_text() {
            Some(text) => (text, true),
            None => (element.text().into(), false),
        }
    }

    /// Component `n` from 1; of what has none the first is itself.
    pub(crate) fn component(self, n: usize) -> Option<Self> {
        match self {
            Self::Hl7(value) => value.component(n).map(Self::Hl7),
            Self::Cda(_) => (n == 1).then_some(self),
        }
    }

    /// Subcomponent `n` from 1; of what has none the first is itself.
    pub(crate) fn subcomponent(self, n: usize) -> Option<Self> {
        match self {
            Self::Hl7(value) => value.subcomponent(n).map(Self::Hl7),
            Self::Cda(_) => (n == 1).then_some(self),
        }
    }

    /// The value of HL7 v2, where it is one.
    pub(crate) fn hl7(self) -> Option<Value<'r>> {
        match self {
            Self::Hl7(value) => Some(value),
            Self::Cda(_) => None,
        }
    }

    /// The element of a document, where it is one.
    pub(crate) fn element(self) -> Option<Element<'r>> {
        match self {
            Self::Cda(Found::Element(element)) => Some(element),
            Self::Hl7(_) | Self::Cda(_) => None,
        }
    }

    /// The type that it says itself, or that its form tells.
    pub(crate) fn own_type(self) -> Option<&'static str> {
        let element = self.element()?;
        let says = element.attributes().into_iter().find(|(name, _)| name.ends_with(":type"));
        if let Some(kind) = says.and_then(|(_, name)| Kind::named(&name).datatype())
            && kind != "cda:ANY"
        {
            return Some(if kind == "cda:IVL_TS" { interval_or_moment(element) } else { kind });
        }
        Some(by_form(element))
    }

    /// Whether a time is a moment or an interval.
    pub(crate) fn time_type(self) -> Option<&'static str> {
        self.element().map(interval_or_moment)
    }

    /// Why the sender has no value: the null flavor, of it or of what stands in it.
    pub(crate) fn null_flavor(self) -> Option<Cow<'r, str>> {
        let mut at = Some(self.element()?);
        while let Some(element) = at {
            if let Some(flavor) = element.attribute("nullFlavor") {
                return Some(flavor);
            }
            at = element.children().next();
        }
        None
    }
}

fn interval_or_moment(element: Element<'_>) -> &'static str {
    if element.child("low").is_some() || element.child("high").is_some() {
        "cda:IVL_TS"
    } else {
        "cda:TS"
    }
}

/// The type of a value that does not say it.
fn by_form(element: Element<'_>) -> &'static str {
    let bound = element.child("low").or_else(|| element.child("high"));
    if let Some(bound) = bound {
        return if bound.attribute("unit").is_some() { "cda:IVL_PQ" } else { "cda:IVL_TS" };
    }
    if element.child("numerator").is_some() {
        return "cda:RTO";
    }
    if element.attribute("code").is_some() || element.child("translation").is_some() {
        return "cda:CD";
    }
    if element.attribute("unit").is_some() {
        return "cda:PQ";
    }
    if element.attribute("root").is_some() {
        return "cda:II";
    }
    match element.attribute("value").as_deref() {
        None => "cda:ST",
        Some("true" | "false") => "cda:BL",
        Some(value) if value.contains(':') => "cda:TEL",
        Some(value) if value.len() <= INT_DIGITS_MAX && value.parse::<i64>().is_ok() => "cda:INT",
        Some(value) if value.parse::<f64>().is_ok() && value.contains('.') => "cda:REAL",
        Some(_) => "cda:TS",
    }
}

/// The attribute that is the value of an element: `value`, `code`, else the identifier.
pub(crate) fn lead(element: Element<'_>) -> Option<Found<'_>> {
    ["value", "code", "extension", "root"].into_iter().find_map(|name| {
        let found = element.found_attribute(name)?;
        // A reference to the narrative is no value of its own.
        (name != "value" || element.name() != "reference" || !found.text().starts_with('#'))
            .then_some(found)
    })
}

/// Where the text of an element stands: in it, else in the narrative that it refers to.
pub(crate) fn said(element: Element<'_>) -> Element<'_> {
    let reference = element.child("reference").and_then(|to| to.attribute("value"));
    let own = if element.name() == "reference" { element.attribute("value") } else { None };
    let referred = reference.or(own).and_then(|to| element.document().referred(&to));
    match referred {
        Some(referred) if element.text().is_empty() => referred,
        _ => element,
    }
}

/// Whether an II says that its number is not known: its root then only tells of what kind
/// the number would be, and is the same for everybody.
///
/// Source: HL7 v3 data types R1, II and NullFlavor.
pub(crate) fn is_null_identifier(element: Element<'_>) -> bool {
    let has = |name| element.attribute(name).is_some_and(|value| !value.trim().is_empty());
    has("nullFlavor") && !["extension", "value", "code"].into_iter().any(has)
}

fn is_null(element: Element<'_>) -> bool {
    let is_root = |value: &Found<'_>| matches!(value, Found::Attribute(_, "root", _));
    if lead(element).is_some_and(|value| is_root(&value) && is_null_identifier(element)) {
        return true;
    }
    if lead(element).is_some_and(|value| !value.range().is_empty()) {
        return false;
    }
    let says = element.attribute("nullFlavor").is_some();
    let mut children = element.children().peekable();
    if children.peek().is_none() {
        return says && element.text().is_empty();
    }
    children.all(is_null)
}
