//! Paths resolved against a place in a message, and conditions over them.
//!
//! A [`Pick`] knows where its segment is looked for: in the whole message (conditions of
//! `[filter]`), at the anchor of a rule's instance, or in the nearest enclosing group.
//! Reading is lazy and stops as soon as the reader has enough.

use std::borrow::Cow;

use super::datum::{Datum, Input};
use super::group::Groups;
use super::sentence::{Condition, Measure, Operand, Repetition};
use super::used::Used;
use crate::cda;
use crate::hl7v2::{Message, Segment};

/// A path that knows where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub find: Find,
    pub segment: Repetition<Pick>,
    /// From 1; 0 where `find` gives a value already.
    pub field: u16,
    pub repetition: Repetition<Pick>,
    /// Component and subcomponent from 1; 0 is the whole.
    pub parts: [u16; 2],
}

/// Where the segment, or the value, of a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Find {
    /// Every segment of this name.
    Message(Box<str>),
    /// The segment the instance was made from.
    Anchor,
    /// The repetition the instance was made from (`each = "PD1-4"`).
    Own,
    /// The repetition or segment in brackets or under `where`.
    Item,
    /// Segments at these places of the structure, within the enclosing group of a kind.
    Scope { climb: u16, leaves: Box<[u16]> },
    /// What a path through a document finds, from the element of the instance on, or of the
    /// value under `where`.
    Tree { path: Box<cda::Path>, of_item: bool },
}

/// Where a reader stands.
#[derive(Clone, Copy)]
pub(crate) struct Here<'r> {
    pub input: Input<'r>,
    pub groups: Option<&'r Groups>,
    pub used: Option<&'r Used>,
    /// Group instance.
    pub group: u32,
    pub segment: Option<Segment<'r>>,
    /// Element of a document that the instance was made from.
    pub element: Option<cda::Element<'r>>,
    pub own: Option<Datum<'r>>,
    pub item: Item<'r>,
    /// Ordinal of the instance, from 1.
    pub position: u64,
}

/// What a bracket or `where` looks at.
#[derive(Clone, Copy)]
pub(crate) enum Item<'r> {
    None,
    Value(Datum<'r>),
    Segment(Segment<'r>),
}

/// A value and the segment it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Found<'r> {
    pub value: Datum<'r>,
    pub segment: Option<Segment<'r>>,
}

/// Whether a visitor wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Stop,
}

impl<'r> Here<'r> {
    /// A whole message, outside any rule.
    pub(crate) fn whole(message: &'r Message) -> Self {
        Self::of(Input::Hl7(message))
    }

    /// A whole input, outside any rule.
    pub(crate) fn of(input: Input<'r>) -> Self {
        Self {
            input,
            groups: None,
            used: None,
            group: 0,
            segment: None,
            element: None,
            own: None,
            item: Item::None,
            position: 0,
        }
    }

    fn read(&self, value: Datum<'r>) {
        if let Some(used) = self.used {
            used.mark(value.range());
        }
    }
}

/// Text of a value a condition compares: of its first component where the path stops at
/// the field.
pub(crate) fn plain(value: Datum<'_>) -> Cow<'_, str> {
    value.component(1).unwrap_or(value).text()
}

impl Pick {
    /// Shows each value to `see`, in order of the message, empty ones left out.
    pub(crate) fn visit<'r>(&self, here: &Here<'r>, see: &mut dyn FnMut(Found<'r>) -> Go) -> Go {
        match &self.find {
            Find::Own => match here.own {
                Some(value) => self.parts_of(Found { value, segment: here.segment }, see),
                None => Go::On,
            },
            Find::Item => match here.item {
                Item::None => Go::On,
                Item::Value(value) => self.parts_of(Found { value, segment: None }, see),
                Item::Segment(segment) => self.fields_of(here, segment, see),
            },
            Find::Anchor => match here.segment {
                Some(segment) => self.fields_of(here, segment, see),
                None => Go::On,
            },
            Find::Message(_) | Find::Scope { .. } => {
                self.segments(here, &mut |segment| self.fields_of(here, segment, see))
            }
            Find::Tree { path, of_item } => {
                let Input::Cda(tree) = here.input else { return Go::On };
                let item = match here.item {
                    Item::Value(value) if *of_item => value.element(),
                    Item::Value(_) | Item::Segment(_) | Item::None => None,
                };
                if *of_item && item.is_none() {
                    return Go::On;
                }
                let from = item.or(here.element).unwrap_or_else(|| tree.document.root());
                for found in tree.select(path, from) {
                    let value = Datum::Cda(found);
                    if !value.is_empty() && see(Found { value, segment: None }) == Go::Stop {
                        return Go::Stop;
                    }
                }
                Go::On
            }
        }
    }

    /// Shows each segment of the path, filters of the segment applied.
    pub(crate) fn segments<'r>(
        &self,
        here: &Here<'r>,
        see: &mut dyn FnMut(Segment<'r>) -> Go,
    ) -> Go {
        let mut nth = 0;
        let mut chosen = |segment: Segment<'r>| {
            nth += 1;
            match &self.segment {
                Repetition::Open => see(segment),
                Repetition::Nth(n) if *n > nth => Go::On,
                Repetition::Nth(_) => {
                    see(segment);
                    Go::Stop
                }
                Repetition::Filter(condition) => {
                    let inside = Here { item: Item::Segment(segment), ..*here };
                    if holds(condition, &inside) { see(segment) } else { Go::On }
                }
            }
        };
        match &self.find {
            Find::Anchor => here.segment.map_or(Go::On, chosen),
            Find::Own | Find::Tree { .. } => Go::On,
            Find::Item => match here.item {
                Item::Segment(segment) => chosen(segment),
                Item::None | Item::Value(_) => Go::On,
            },
            Find::Message(id) => {
                let Input::Hl7(message) = here.input else { return Go::On };
                for segment in message.segments() {
                    if segment.id() == &**id && chosen(segment) == Go::Stop {
                        return Go::Stop;
                    }
                }
                Go::On
            }
            Find::Scope { climb, leaves } => {
                let (Some(groups), Input::Hl7(message)) = (here.groups, here.input) else {
                    return Go::On;
                };
                let within = groups.enclosing(here.group, *climb);
                groups.segments_within(within, leaves, &mut |index| {
                    message.segment(index).map_or(Go::On, &mut chosen)
                })
            }
        }
    }

    fn fields_of<'r>(
        &self,
        here: &Here<'r>,
        segment: Segment<'r>,
        see: &mut dyn FnMut(Found<'r>) -> Go,
    ) -> Go {
        let field = segment.field(usize::from(self.field));
        // Most fields that a mapping asks for are empty.
        let Some(field) = field.filter(|field| !field.raw().is_empty()) else { return Go::On };
        let found = |value| Found { value: Datum::Hl7(value), segment: Some(segment) };
        match &self.repetition {
            Repetition::Nth(n) => match field.repetition(*n as usize) {
                Some(value) => self.parts_of(found(value), see),
                None => Go::On,
            },
            Repetition::Open => {
                for value in field.repetitions() {
                    if self.parts_of(found(value), see) == Go::Stop {
                        return Go::Stop;
                    }
                }
                Go::On
            }
            Repetition::Filter(condition) => {
                for value in field.repetitions() {
                    let inside = Here { item: Item::Value(Datum::Hl7(value)), ..*here };
                    if holds(condition, &inside) && self.parts_of(found(value), see) == Go::Stop {
                        return Go::Stop;
                    }
                }
                Go::On
            }
        }
    }

    fn parts_of<'r>(&self, found: Found<'r>, see: &mut dyn FnMut(Found<'r>) -> Go) -> Go {
        let component = |n: u16, value: Datum<'r>| match n {
            0 => Some(value),
            n => value.component(usize::from(n)),
        };
        let value = component(self.parts[0], found.value).and_then(|value| match self.parts[1] {
            0 => Some(value),
            n => value.subcomponent(usize::from(n)),
        });
        match value {
            Some(value) if !value.is_empty() => see(Found { value, ..found }),
            _ => Go::On,
        }
    }

    /// The first value, empty and null ones passed over.
    pub(crate) fn first<'r>(&self, here: &Here<'r>) -> Option<Found<'r>> {
        let mut first = None;
        self.visit(here, &mut |found| {
            if found.value.is_null() {
                return Go::On;
            }
            first = Some(found);
            Go::Stop
        });
        first
    }

    /// Whether more than one value stands at the path.
    pub(crate) fn has_several(&self, here: &Here<'_>) -> bool {
        let mut count = 0;
        self.visit(here, &mut |_| {
            count += 1;
            if count > 1 { Go::Stop } else { Go::On }
        }) == Go::Stop
    }

    /// Whether the path names a segment and no field of it.
    fn is_segment(&self) -> bool {
        self.field == 0 && matches!(self.find, Find::Message(_) | Find::Scope { .. } | Find::Anchor)
    }

    fn count(&self, here: &Here<'_>, valued_only: bool) -> u64 {
        let mut count = 0;
        if self.is_segment() {
            self.segments(here, &mut |_| {
                count += 1;
                Go::On
            });
        } else {
            self.visit(here, &mut |found| {
                count += u64::from(!valued_only || !found.value.is_null());
                Go::On
            });
        }
        count
    }

    /// Whether any value at the path passes; null values are shown as the text `""`.
    fn some(&self, here: &Here<'_>, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut yes = false;
        self.visit(here, &mut |found| {
            let value = if self.parts[0] == 0 {
                found.value.component(1).unwrap_or(found.value)
            } else {
                found.value
            };
            here.read(value);
            yes = test(value.text().trim());
            if yes { Go::Stop } else { Go::On }
        });
        yes
    }
}

/// Whether a condition holds where the reader stands.
///
/// A comparison looks at every value of its path and holds when one passes; `!=`, `not in`
/// and `not valued` are the opposite, so they hold for an empty field.
pub(crate) fn holds(condition: &Condition<Pick>, here: &Here<'_>) -> bool {
    match condition {
        Condition::Any(list) => list.iter().any(|c| holds(c, here)),
        Condition::All(list) => list.iter().all(|c| holds(c, here)),
        Condition::Not(inner) => !holds(inner, here),
        Condition::Equal(path, Operand::Text(text)) if text.is_empty() => {
            path.count(here, false) == 0
        }
        Condition::Equal(path, Operand::Text(text)) => path.some(here, &mut |t| t == text),
        Condition::Equal(path, Operand::Path(other)) => {
            path.some(here, &mut |left| other.some(here, &mut |right| left == right))
        }
        Condition::In(path, list) => path.some(here, &mut |t| list.iter().any(|one| one == t)),
        Condition::Valued(path) if path.is_segment() => path.count(here, true) > 0,
        // Whether something is there says nothing of its parts: only the first is read.
        Condition::Valued(path) => path.first(here).is_some_and(|found| {
            here.read(found.value.component(1).unwrap_or(found.value));
            true
        }),
        Condition::Starts(path, text) => path.some(here, &mut |t| t.starts_with(text.as_str())),
        Condition::Number(Measure::Count, path, order, number) => {
            order.holds(path.count(here, true), *number)
        }
        Condition::Number(Measure::Length, path, order, number) => {
            let mut length = 0;
            path.some(here, &mut |text| {
                length = text.chars().count() as u64;
                true
            });
            order.holds(length, *number)
        }
        Condition::Position(order, number) => order.holds(here.position, *number),
    }
}
