//! A compiled mapping: what the checks have left of sentences once every name is resolved.
//!
//! Nothing in it is text to be interpreted; a run follows it from top to bottom.

use std::sync::Arc;

use super::codes::CodeMap;
use super::pick::Pick;
use super::segments::Target;
use super::sentence::{Condition, Quantity};
use super::structure::Structure;
use super::types::Cast;
use super::types::time::Zone;
use crate::fault::FilePlace;
use crate::fhir::tables::{Element, Primitive};

/// A compiled mapping.
#[derive(Debug)]
pub(crate) struct Program {
    pub file: Arc<str>,
    /// Structure of the messages it reads; none where it reads documents.
    pub structure: Option<Structure>,
    pub zone: Option<Zone>,
    pub rules: Box<[Rule]>,
    /// What is made instead where the mapping is one to HL7 v2; it has no `rules` then.
    pub target: Option<Target>,
    pub maps: Box<[CodeMap]>,
    /// Places of the sentences, by their number.
    pub lines: Box<[FilePlace]>,
}

/// A rule: makes resources.
#[derive(Debug)]
pub(crate) struct Rule {
    pub name: Box<str>,
    pub make: &'static str,
    pub each: Each,
    pub when: Option<Condition<Pick>>,
    pub key: Box<[Alternatives]>,
    pub write: Write,
    pub object: Object,
    pub line: u32,
}

/// What a rule makes one resource of.
#[derive(Clone, Debug)]
pub(crate) enum Each {
    Message,
    Group(u16),
    Segment(Pick),
    /// Each repetition of a field.
    Field(Pick),
    /// Each element of a document.
    Tree(Pick),
}

/// How a resource is written at the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    /// `ifNoneExist` by identifier.
    CreateIfNone,
    /// Conditional update by identifier.
    Update,
}

/// An object: its members in the order of the specification.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub members: Vec<Member>,
    /// Elements FHIR demands.
    pub required: Vec<Required>,
    /// Whether anything in it comes from the message: fixed values alone then make nothing.
    pub dynamic: bool,
    /// Whether it is the resource itself, which is made in any case.
    pub root: bool,
}

/// An element FHIR demands.
#[derive(Debug)]
pub(crate) struct Required {
    pub element: &'static Element,
    /// JSON names it may stand under.
    pub names: Vec<Box<str>>,
    /// Name under which it says that its value is absent; none where that cannot be said.
    pub absent: Option<Box<str>>,
    /// Siblings in order of the specification.
    pub order: &'static [Element],
}

/// A member of an object.
#[derive(Debug)]
pub(crate) struct Member {
    pub element: &'static Element,
    pub list: bool,
    /// Whether it is the `_name` beside a member.
    pub shadow: bool,
    pub shadow_name: Box<str>,
    pub items: Vec<Item>,
}

/// One value, or one source of values, of a member.
#[derive(Debug)]
pub(crate) struct Item {
    /// Name of the instance; empty for `[]` and for elements that are no list.
    pub instance: Box<str>,
    /// JSON name, where the body does not know better.
    pub name: Box<str>,
    pub when: Option<Condition<Pick>>,
    pub body: Body,
}

/// What gives the value.
#[derive(Debug)]
pub(crate) enum Body {
    Value(Alternatives),
    Object(Object),
    /// An extension on the object (`shadow` false) or on the element itself.
    Extension {
        url: Box<str>,
        value: Alternatives,
        shadow: bool,
    },
}

/// Alternatives: the first that yields wins.
pub(crate) type Alternatives = Vec<Alternative>;

/// One alternative of a sentence.
#[derive(Clone, Debug)]
pub(crate) struct Alternative {
    pub quantity: Option<Quantity>,
    pub from: From,
    pub shape: Shape,
    /// JSON name of the member it makes.
    pub member: Box<str>,
    pub with: Vec<With>,
    pub when: Option<Condition<Pick>>,
    /// Looks at each value.
    pub filter: Option<Condition<Pick>>,
    /// Whether the standard demands the source's value.
    pub certain: bool,
    /// Name under which the bundle says that the sender has no value (`""`); none where that
    /// is left out, empty where the type that the message names says it.
    pub null: Option<Box<str>>,
    pub line: u32,
}

/// Where values come from.
#[derive(Clone, Debug)]
pub(crate) enum From {
    Pick {
        pick: Pick,
        deep: bool,
        table: Option<&'static str>,
    },
    Literal(Box<str>),
    Position,
    Join {
        separator: Box<str>,
        parts: Vec<JoinPart>,
    },
    Split {
        pick: Pick,
        separator: Box<str>,
        nth: usize,
    },
    Period {
        start: Pick,
        end: Pick,
    },
    Ref(RefTo),
    /// Nothing of the message: the shape says it all.
    Nothing,
}

/// A part of a join.
#[derive(Clone, Debug)]
pub(crate) enum JoinPart {
    Pick(Pick),
    Literal(Box<str>),
}

/// A reference to what another rule makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefTo {
    pub rule: u16,
    /// Group within which the instance is looked for.
    pub climb: u16,
    /// Only instances of the same segment.
    pub same_segment: bool,
}

/// What is made of them.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Cast(Cast),
    /// A value known at load.
    Text(Box<str>),
    Number(Box<str>),
    Bool(bool),
    Code {
        system: Option<Box<str>>,
        code: Box<str>,
        as_: CodeAs,
    },
    Via {
        map: u16,
        reversed: bool,
        as_: ViaAs,
        coded: bool,
    },
    Reference,
    Period,
    /// Chosen by a field of the message (`as OBX-2`), or by the type that the value itself
    /// has.
    ByType {
        by: TypeBy,
        branches: Vec<Branch>,
        otherwise: Vec<Attempt>,
    },
    /// Plain text, for keys.
    Plain,
}

/// What says the type of a value.
#[derive(Clone, Debug)]
pub(crate) enum TypeBy {
    /// A field of the message.
    Field(Pick),
    /// The value itself.
    Own,
    /// The value itself, which is a moment or an interval of time.
    Time,
}

/// How a code of the mapping stands in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeAs {
    Concept,
    Coding,
    Code,
}

/// How a mapped code stands in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViaAs {
    Concept,
    Coding,
    Scalar(Primitive),
}

/// Conversions for one type of the message.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub name: &'static str,
    pub attempts: Vec<Attempt>,
}

/// A conversion and the member it makes.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub member: Box<str>,
    pub cast: Cast,
    /// Name under which it says that there is no value.
    pub null: Option<Box<str>>,
}

/// `with member = value`.
#[derive(Clone, Debug)]
pub(crate) struct With {
    pub list: bool,
    /// Siblings in order of the specification.
    pub order: &'static [Element],
    pub value: Alternative,
}

impl Alternative {
    /// Whether it always gives a value.
    pub(crate) fn is_certain(&self) -> bool {
        self.when.is_none()
            && self.filter.is_none()
            && matches!(
                self.shape,
                Shape::Text(_) | Shape::Number(_) | Shape::Bool(_) | Shape::Code { .. }
            )
    }

    /// Whether its value is the mapping's own, not the message's.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(
            self.shape,
            Shape::Text(_) | Shape::Number(_) | Shape::Bool(_) | Shape::Code { .. }
        )
    }
}
