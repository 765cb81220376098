//! Mappings to HL7 v2: rules make segments, which are laid out after the target structure.
//!
//! What is written keeps the sender's delimiters and character set, so that a value which is
//! carried over as a whole stays byte for byte what it was.

mod lay;
mod run;

use super::pick::Pick;
use super::program::{Each, From};
use super::sentence::{Condition, Quantity};
use super::structure::Structure;

pub(crate) use run::{Made, run};

/// What a mapping to HL7 v2 makes.
#[derive(Debug)]
pub(crate) struct Target {
    pub structure: Structure,
    /// MSH-9.1 and MSH-9.2 where those of the input do not go with the structure.
    pub kind: (Box<str>, Box<str>),
    pub makes: Box<[Make]>,
}

/// A rule: makes segments.
#[derive(Debug)]
pub(crate) struct Make {
    pub name: Box<str>,
    pub id: Box<str>,
    pub home: Home,
    pub each: Each,
    pub when: Option<Condition<Pick>>,
    pub puts: Vec<Put>,
}

/// Where a segment stands in the target structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// At its place.
    Leaf(u16),
    /// Behind everything else in a group: segments the structure does not know.
    End(u16),
}

/// A target and what gives its value.
#[derive(Debug)]
pub(crate) struct Put {
    /// From 1.
    pub field: u16,
    /// Which repetition; `None` appends one for each value.
    pub repetition: Option<u16>,
    /// Component and subcomponent from 1; 0 is the whole.
    pub parts: [u16; 2],
    pub value: Vec<Choice>,
}

/// One alternative of a sentence.
#[derive(Debug)]
pub(crate) struct Choice {
    pub quantity: Option<Quantity>,
    pub from: From,
    /// Code map and its direction.
    pub via: Option<(u16, bool)>,
    /// Whether only the first component of the value is wanted: the target has none.
    pub first: bool,
    pub when: Option<Condition<Pick>>,
    pub filter: Option<Condition<Pick>>,
    /// Whether `""` is carried over.
    pub null: bool,
    pub line: u32,
}

#[cfg(test)]
mod tests;
