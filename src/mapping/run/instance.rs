//! Which resources a message becomes, and their ids.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use uuid::Uuid;

use super::super::datum::{Datum, Input};
use super::super::pick::{Go, Here, Pick};
use super::super::program::{Each, Rule, Write};
use super::{ENTRIES_MAX, Run};
use crate::cda::Element;
use crate::fault::{Fault, Place, codes as w};
use crate::hl7v2::Segment;

/// Namespace of the ids that mappings make: a UUID of our own, made once.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_0d3a_52c4_4e0b_9a57_3d1c_88e2_77f1);

/// Separates parts of a key; never part of a text, since control characters are removed.
const PART: char = '\u{1f}';

/// One resource to be made.
#[derive(Clone, Copy)]
pub(super) struct Instance<'r> {
    pub rule: u16,
    pub group: u32,
    pub segment: Option<Segment<'r>>,
    /// Element of a document that it was made from.
    pub element: Option<Element<'r>>,
    pub own: Option<Datum<'r>>,
    /// Ordinal among its rule's instances in the enclosing group, from 1.
    pub position: u64,
    pub id: Uuid,
    /// Whether another instance stands for it: same type, same key.
    pub merged: bool,
    known: bool,
}

/// How many instances each group has so far; most have theirs one behind the other.
#[derive(Default)]
struct Counts {
    last: Option<(u32, u64)>,
    others: HashMap<u32, u64>,
}

impl Counts {
    fn of(&mut self, group: u32) -> &mut u64 {
        if let Some((before, count)) = self.last
            && before != group
        {
            self.others.insert(before, count);
            self.last = None;
        }
        let others = &self.others;
        let count = || (group, others.get(&group).copied().unwrap_or(0));
        &mut self.last.get_or_insert_with(count).1
    }
}

impl<'r> Run<'r> {
    /// Finds the instances of every rule.
    pub(super) fn find_instances(&mut self) -> Result<(), Fault> {
        let program = self.program;
        for (at, rule) in (0u16..).zip(&*program.rules) {
            self.starts.push(self.instances.len());
            self.find_of(at, rule);
            if self.instances.len() > ENTRIES_MAX {
                return Err(Self::too_many());
            }
        }
        self.starts.push(self.instances.len());
        Ok(())
    }

    fn find_of(&mut self, at: u16, rule: &'r Rule) {
        let root = Instance {
            rule: at,
            group: 0,
            segment: None,
            element: None,
            own: None,
            position: 1,
            id: Uuid::nil(),
            merged: false,
            known: false,
        };
        let mut found = std::mem::take(&mut self.found);
        let whole = Here::of(self.input);
        let whole = Here { groups: Some(self.groups), used: Some(self.used), ..whole };
        match &rule.each {
            Each::Message => found.push(root),
            Each::Group(node) => found
                .extend(self.groups.instances_of(*node).map(|group| Instance { group, ..root })),
            Each::Segment(pick) => {
                pick.segments(&whole, &mut |segment| {
                    let group = self.groups.of_segment(segment.index());
                    found.push(Instance { group, segment: Some(segment), ..root });
                    enough(&found)
                });
            }
            Each::Field(pick) => {
                pick.visit(&whole, &mut |value| {
                    if value.value.is_null() {
                        return Go::On;
                    }
                    let group = value.segment.map_or(0, |s| self.groups.of_segment(s.index()));
                    let own = Some(value.value);
                    found.push(Instance { group, segment: value.segment, own, ..root });
                    enough(&found)
                });
            }
            Each::Tree(pick) => {
                pick.visit(&whole, &mut |value| {
                    if !value.value.is_null() {
                        let element = value.value.element();
                        found.push(Instance { element, ..root });
                    }
                    enough(&found)
                });
            }
        }
        let by_group = matches!(&rule.each, Each::Group(_));
        let mut counts = Counts::default();
        for mut instance in found.drain(..) {
            let outer = match &rule.each {
                Each::Message => 0,
                _ if by_group || self.is_single(instance.group, &rule.each) => {
                    self.groups.parent(instance.group)
                }
                _ => instance.group,
            };
            let count = counts.of(outer);
            instance.position = *count + 1;
            let passes = match &rule.when {
                Some(when) => super::super::pick::holds(when, &self.here(&instance)),
                None => true,
            };
            if passes {
                *count += 1;
                self.instances.push(instance);
            }
        }
        self.found = found;
    }

    /// Whether a segment is the only one of its kind in its group, so that positions count
    /// groups.
    fn is_single(&self, group: u32, each: &Each) -> bool {
        let (Each::Segment(pick) | Each::Field(pick)) = each else { return false };
        let super::super::pick::Find::Scope { leaves, .. } = &pick.find else { return false };
        let Some(structure) = &self.program.structure else { return false };
        group != 0 && leaves.iter().all(|leaf| !structure.repeats(*leaf))
    }

    /// Gives every instance its id.
    pub(super) fn give_ids(&mut self) {
        for at in 0..self.instances.len() {
            self.id_of(at, 0);
        }
        // The nil id never stands: an instance in a circle, which the compiler refuses.
        let mut seen: HashMap<Uuid, usize> = HashMap::with_capacity(self.instances.len());
        for at in 0..self.instances.len() {
            let Some(instance) = self.instances.get(at).copied() else { continue };
            let Some(rule) = self.program.rules.get(usize::from(instance.rule)) else { continue };
            match seen.entry(instance.id) {
                Entry::Vacant(place) => {
                    place.insert(at);
                }
                Entry::Occupied(place) => {
                    let first = self.instances.get(*place.get()).map(|first| first.rule);
                    // People and places named twice are the same; results are not.
                    let same = first != Some(instance.rule)
                        || matches!(rule.each, Each::Field(_) | Each::Tree(_))
                        || rule.write != Write::Create;
                    if same {
                        if let Some(instance) = self.instances.get_mut(at) {
                            instance.merged = true;
                        }
                        continue;
                    }
                    self.tell_apart(at, rule);
                }
            }
        }
    }

    fn tell_apart(&mut self, at: usize, rule: &Rule) {
        let Some(instance) = self.instances.get_mut(at) else { return };
        let name = format!("{}{PART}{at}", instance.id);
        instance.id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        let mut fault =
            Fault::new(w::W4105).at(Place::path(rule.make)).because(rule.name.to_string());
        if let Some(place) = self.place_of(rule.line) {
            fault = fault.at(place);
        }
        self.warn(fault);
    }

    /// The id of an instance, made when first asked for.
    fn id_of(&mut self, at: usize, depth: usize) -> Uuid {
        let Some(instance) = self.instances.get(at).copied() else { return Uuid::nil() };
        if instance.known || depth > self.program.rules.len() {
            return instance.id;
        }
        let Some(rule) = self.program.rules.get(usize::from(instance.rule)) else {
            return Uuid::nil();
        };
        let here = self.here(&instance);
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.push_str(self.site);
        key.push(PART);
        key.push_str(rule.make);
        let mut empty = true;
        for part in &rule.key {
            key.push(PART);
            let before = key.len();
            self.key_part(part, &here, &mut key, depth);
            empty &= key.len() == before;
        }
        if empty {
            let control = match self.input {
                Input::Hl7(message) => message.header().control_id().text(),
                Input::Cda(tree) => number_of(tree.document).into(),
            };
            let ordinal = at - self.starts.get(usize::from(instance.rule)).copied().unwrap_or(0);
            key.push_str(&format!("{PART}{}{PART}{}{PART}{ordinal}", control, rule.name));
            if !rule.key.is_empty() {
                let mut fault =
                    Fault::new(w::W4104).at(Place::path(rule.make)).because(rule.name.to_string());
                if let Some(place) = self.place_of(rule.line) {
                    fault = fault.at(place);
                }
                self.warn(fault);
            }
        }
        let id = Uuid::new_v5(&NAMESPACE, key.as_bytes());
        self.key = key;
        if let Some(instance) = self.instances.get_mut(at) {
            instance.id = id;
            instance.known = true;
        }
        id
    }

    fn key_part(
        &mut self,
        part: &'r [super::super::program::Alternative],
        here: &Here<'r>,
        key: &mut String,
        depth: usize,
    ) {
        use super::super::program::From;
        for alternative in part {
            if alternative.when.as_ref().is_some_and(|c| !super::super::pick::holds(c, here)) {
                continue;
            }
            let before = key.len();
            match &alternative.from {
                From::Ref(to) => {
                    let first = self.referred(to, here).next();
                    if let Some(at) = first {
                        let id = self.id_of(at, depth + 1);
                        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
                        key.push_str(id.hyphenated().encode_lower(&mut text));
                    }
                }
                From::Pick { pick, .. } => {
                    if let Some(found) = pick.first(here) {
                        let value = first_text(found.value, pick);
                        if let Some(text) = self.make.text(value) {
                            key.push_str(&text);
                        }
                    }
                }
                other => {
                    if let Some(text) = self.text_of(other, here) {
                        key.push_str(&text);
                    }
                }
            }
            if key.len() > before {
                return;
            }
        }
    }
}

/// The number of a document.
fn number_of(document: &crate::cda::Document) -> String {
    let id = document.root().child("id");
    let part = |name| id.and_then(|id| id.attribute(name)).unwrap_or_default();
    format!("{}|{}", part("root"), part("extension"))
}

/// Of a composite field the first component is its identity, unless the path says more.
fn first_text<'r>(value: Datum<'r>, pick: &Pick) -> Datum<'r> {
    if pick.parts[0] == 0 { value.component(1).unwrap_or(value) } else { value }
}

fn enough(found: &[Instance<'_>]) -> Go {
    if found.len() > ENTRIES_MAX { Go::Stop } else { Go::On }
}
