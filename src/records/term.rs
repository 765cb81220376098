//! One condition of a search: a parameter, what is asked of it, and whether a resource fits.
//!
//! Source: FHIR R4 search.html.

use std::collections::{BTreeMap, BTreeSet};

use super::Key;
use super::parameter::{Kind, Parameter};
use super::values::{Found, is_indexed, many, named};
use super::wanted::{Seen, Wanted};
use crate::fault::codes::W7611;
use crate::fault::{Fault, Place};
use crate::fhir::Node;

/// Most values of one condition, apart by commas: what a client asks for that shows a page
/// of patients with their observations.
pub(super) const VALUES_MAX: usize = 1000;

/// Where and when a search is asked: its time for `ap` of dates, and the base of the endpoint,
/// below which absolute references are ours; empty where it is not known.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub now: i64,
    pub base: &'a str,
}

/// A condition. Patient data: it is never shown.
#[derive(Clone)]
pub(super) struct Term {
    pub parameter: &'static Parameter,
    pub asked: Asked,
}

/// What is asked of the values.
#[derive(Clone)]
pub(super) enum Asked {
    /// Whether there is none.
    Missing(bool),
    /// Whether one fits one of these.
    Any(Vec<Wanted>),
    /// Whether one is a reference to one of these: ids by type.
    Refers(BTreeMap<String, BTreeSet<String>>),
    /// Whether none fits any of these (`:not`).
    None(Vec<Wanted>),
}

pub(super) fn wrong(parameter: &Parameter, why: &'static str) -> Fault {
    Fault::new(W7611).at(Place::path(parameter.code)).because(why)
}

/// A modifier that a parameter does not have.
pub(super) struct NoSuchModifier;

impl Term {
    /// Reads a condition; `Err(Ok(..))` for a modifier that the parameter does not have.
    pub fn read(
        parameter: &'static Parameter,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Self, Result<NoSuchModifier, Fault>> {
        if modifier == Some("missing") {
            return match value {
                "true" | "false" => Ok(Self { parameter, asked: Asked::Missing(value == "true") }),
                _ => Err(Err(wrong(parameter, "`:missing` is `true` or `false`"))),
            };
        }
        let parts = split(value, ',');
        if parts.len() > VALUES_MAX {
            return Err(Err(wrong(parameter, "it has too many values")));
        }
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            if part.is_empty() {
                return Err(Err(wrong(parameter, "a value is empty")));
            }
            all.push(Wanted::read(parameter, modifier, part)?);
        }
        let asked = match (modifier, parameter.kind) {
            (Some("not" | "not-in"), Kind::Token) => Asked::None(all),
            _ => Asked::Any(all),
        };
        Ok(Self { parameter, asked })
    }

    /// A condition that a reference names one of these resources.
    pub fn refers(parameter: &'static Parameter, to: Vec<(String, String)>) -> Self {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (kind, id) in to {
            all.entry(kind).or_default().insert(id);
        }
        Self { parameter, asked: Asked::Refers(all) }
    }

    /// Whether a resource fits. One on which the parameter's path fails has no values, as for
    /// the index.
    pub fn fits(&self, resource: Node<'_>, here: Here<'_>) -> bool {
        let values = self.parameter.values(resource).unwrap_or_default();
        let any = |wanted: &[Wanted]| {
            let fits = |seen: &Seen<'_>| wanted.iter().any(|wanted| wanted.fits(seen, here));
            values.iter().any(|found| fits(&Seen::of(found)))
        };
        let refers = |all: &BTreeMap<String, BTreeSet<String>>| {
            let fits = |(kind, id): (&str, &str)| all.get(kind).is_some_and(|ids| ids.contains(id));
            values.iter().any(|found| match found {
                Found::Reference(reference) => reference.here(here.base).is_some_and(fits),
                _ => false,
            })
        };
        match &self.asked {
            Asked::Missing(missing) => values.is_empty() == *missing,
            Asked::Any(wanted) => any(wanted),
            Asked::Refers(all) => refers(all),
            Asked::None(wanted) => !any(wanted),
        }
    }

    /// Whether it is compared with words of the whole resource or narrative.
    pub fn reads_words(&self) -> bool {
        self.parameter.kind == Kind::Words
    }

    /// Lists of keys of each of which every resource that fits has one; none where no list
    /// has them all. A composite has a list for each of its parts.
    pub fn keys(&self, here: Here<'_>) -> Vec<Vec<Key>> {
        let wanted = match &self.asked {
            Asked::Any(wanted) => wanted,
            Asked::Refers(all) => {
                let each = |(kind, ids): (&String, &BTreeSet<String>)| {
                    let one = |id: &String| Wanted::Reference(Some(kind.clone()), id.clone());
                    ids.iter().map(one).collect::<Vec<_>>()
                };
                let all: Vec<Wanted> = all.iter().flat_map(each).collect();
                return keys_of(self.parameter, &all.iter().collect::<Vec<_>>(), here)
                    .into_iter()
                    .collect();
            }
            Asked::Missing(_) | Asked::None(_) => return Vec::new(),
        };
        if self.parameter.kind != Kind::Composite {
            let all: Vec<&Wanted> = wanted.iter().collect();
            return keys_of(self.parameter, &all, here).into_iter().collect();
        }
        let part = |(at, part): (usize, &Parameter)| {
            let own: Option<Vec<&Wanted>> = wanted.iter().map(|wanted| wanted.part(at)).collect();
            keys_of(part, &own?, here)
        };
        self.parameter.parts.iter().enumerate().filter_map(part).collect()
    }
}

fn keys_of(parameter: &Parameter, wanted: &[&Wanted], here: Here<'_>) -> Option<Vec<Key>> {
    if !is_indexed(parameter) {
        return None;
    }
    let mut keys = vec![many(parameter)];
    for wanted in wanted {
        keys.extend(wanted.keys(here)?.iter().map(|key| named(parameter, key)));
    }
    Some(keys)
}

/// Splits at a character that no backslash stands before.
pub(super) fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut begin, mut escaped) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == at => {
                parts.push(text.get(begin..place).unwrap_or_default());
                begin = place + at.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests;
