//! Where things stand in a document: elements around one, the path to a byte, its leaves.

use std::fmt::Write as _;
use std::ops::Range;

use super::{Document, Element, Found};
use crate::xml::{self, Tag};

/// Attributes that say what an element is and not what is known of the patient.
const STRUCTURAL: [&str; 9] = [
    "classCode",
    "moodCode",
    "typeCode",
    "determinerCode",
    "contextControlCode",
    "contextConductionInd",
    "nullFlavor",
    "codeSystemName",
    "ID",
];

/// Elements that say which rules others follow.
const RULES: [&str; 3] = ["realmCode", "typeId", "templateId"];

/// The element around each.
pub(super) fn parents(tags: &[Tag]) -> Vec<u32> {
    let mut parents = vec![xml::NONE; tags.len()];
    for (id, tag) in (0u32..).zip(tags) {
        let mut child = tag.first;
        while let Some(next) = tags.get(child as usize).map(|tag| tag.next) {
            if let Some(parent) = parents.get_mut(child as usize) {
                *parent = id;
            }
            child = next;
        }
    }
    parents
}

impl Document {
    /// What holds a range of bytes: the attribute, else the innermost element.
    #[must_use]
    pub fn holding(&self, range: &Range<usize>) -> Option<Found<'_>> {
        let found = self.at(range.start)?;
        let Found::Element(mut element) = found else { return Some(found) };
        // What begins where the range does stands in it.
        let is_part =
            |tag: &Tag| tag.start as usize >= range.start || tag.end as usize <= range.end;
        while element.tag().is_some_and(is_part) {
            element = element.parent()?;
        }
        Some(Found::Element(element))
    }

    /// What stands at a byte: the attribute, else the innermost element.
    fn at(&self, byte: usize) -> Option<Found<'_>> {
        let after = self.tags.partition_point(|tag| tag.start as usize <= byte);
        let id = u32::try_from(after.checked_sub(1)?).ok()?;
        let mut element = Element { document: self, id };
        while element.tag().is_some_and(|tag| tag.end as usize <= byte) {
            element = element.parent()?;
        }
        let tag = element.tag()?;
        if byte >= tag.head as usize {
            return Some(Found::Element(element));
        }
        let mut found = Found::Element(element);
        let _ = tag.attributes(&self.text, &mut |name, raw| {
            if element.range_of(raw).contains(&byte) {
                found = Found::Attribute(element, name, raw);
            }
            Ok(())
        });
        Some(found)
    }

    /// Every value of the document, element by element, at its first byte: attributes but those of
    /// its structure, and the texts of elements, a narrative being one.
    pub fn leaves<'d>(&'d self, see: &mut dyn FnMut(Found<'d>, usize)) {
        let mut next = Some(self.root());
        while let Some(element) = next {
            let is_rule = RULES.contains(&element.name());
            let narrative = element.is_narrative();
            if let Some(tag) = element.tag().filter(|_| !is_rule) {
                let _ = tag.attributes(&self.text, &mut |name, raw| {
                    let known = name == "xmlns" || name.contains(':') || STRUCTURAL.contains(&name);
                    if !known && !raw.is_empty() {
                        let found = Found::Attribute(element, name, raw);
                        see(found, element.range_of(raw).start);
                    }
                    Ok(())
                });
                if narrative && !element.inside().is_empty() {
                    see(Found::Element(element), tag.head as usize);
                } else if tag.ink != xml::NONE {
                    see(Found::Element(element), tag.ink as usize);
                }
            }
            next = element.after(!narrative && !is_rule);
        }
    }
}

impl<'d> Element<'d> {
    /// Whether it is what people read of a section.
    #[must_use]
    pub fn is_narrative(&self) -> bool {
        self.name() == "text" && self.parent().is_some_and(|around| around.name() == "section")
    }

    /// The next element in order of the document, those in it first where `deeper`.
    fn after(self, deeper: bool) -> Option<Self> {
        let inner = self.tag().filter(|_| deeper).and_then(|tag| self.at(tag.first));
        if inner.is_some() {
            return inner;
        }
        let mut at = self;
        loop {
            if let Some(next) = at.at(at.tag()?.next) {
                return Some(next);
            }
            at = at.parent()?;
        }
    }

    /// The number after that of the last element in it.
    #[must_use]
    pub fn end_index(&self) -> u32 {
        let Some(end) = self.tag().map(|tag| tag.end) else { return self.id };
        let after = self.document.tags.partition_point(|tag| tag.start < end);
        u32::try_from(after).unwrap_or(self.id)
    }

    /// The path to it, with the number of those that have siblings of their name.
    #[must_use]
    pub fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = *self;
        while let Some(around) = at.parent() {
            let same = || around.children().filter(|child| child.name() == at.name());
            let number = same().position(|child| child.id == at.id).unwrap_or(0) + 1;
            let sdtc = if at.space() == xml::Space::Sdtc { "sdtc:" } else { "" };
            steps.push(match same().nth(1) {
                Some(_) => format!("{sdtc}{}[{number}]", at.name()),
                None => format!("{sdtc}{}", at.name()),
            });
            at = around;
        }
        steps.reverse();
        steps.join("/")
    }
}

impl Found<'_> {
    /// The path to it: `recordTarget/patientRole/id[2]/@extension`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = self.element().path();
        if let Self::Attribute(_, name, _) = self {
            let gap = if path.is_empty() { "" } else { "/" };
            let _ = write!(path, "{gap}@{name}");
        }
        path
    }

    /// Line and column of its first byte, from 1.
    #[must_use]
    pub fn place(&self) -> (usize, usize) {
        let range: Range<usize> = match self {
            Self::Element(element) | Self::Text(element) => return element.place(),
            Self::Attribute(..) => self.range(),
        };
        let text = self.element().document().text();
        let before = text.get(..range.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}
