//! Objects of a resource, their members in the order of the specification.

use super::super::arena::{At, Leaf};
use super::super::datum::Datum;
use super::super::pick::{Here, holds};
use super::super::program::{Body, Item, Member, Object, Required};
use super::Run;
use crate::fault::{Fault, Place, codes as w};
use crate::fhir::tables;

/// What was written into an object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrote {
    any: bool,
    /// Whether the message had a part in it.
    dynamic: bool,
}

impl<'r> Run<'r> {
    /// Fills an object.
    pub(super) fn object(&mut self, object: &'r Object, node: At, here: &Here<'r>) -> Wrote {
        let mut wrote = Wrote::default();
        for member in &object.members {
            for item in &member.items {
                if item.when.as_ref().is_some_and(|when| !holds(when, here)) {
                    continue;
                }
                let one = self.item(member, item, node, here);
                wrote.any |= one.any;
                wrote.dynamic |= one.dynamic;
            }
        }
        if object.root || (wrote.any && (wrote.dynamic || !object.dynamic)) {
            for required in &object.required {
                self.demand(required, node);
            }
        }
        wrote
    }

    fn item(&mut self, member: &'r Member, item: &'r Item, node: At, here: &Here<'r>) -> Wrote {
        match &item.body {
            Body::Value(list) => {
                let mut out = self.begin_yield();
                self.alternatives(list, here, &mut out);
                let wrote = Wrote { any: !out.nodes.is_empty(), dynamic: out.dynamic };
                for (value, name) in &out.nodes {
                    self.make.arena.put(node, name, member.list, *value);
                }
                self.end_yield(out);
                wrote
            }
            Body::Object(inner) => {
                let mark = self.make.arena.mark();
                let child = self.make.arena.object();
                let wrote = self.object(inner, child, here);
                if !wrote.any || (inner.dynamic && !wrote.dynamic) {
                    self.make.arena.forget(mark);
                    return Wrote::default();
                }
                self.make.arena.put(node, &item.name, member.list, child);
                wrote
            }
            Body::Extension { url, value, shadow } => {
                let mut out = self.begin_yield();
                self.alternatives(value, here, &mut out);
                let wrote = Wrote { any: !out.nodes.is_empty(), dynamic: out.dynamic };
                for (value, name) in out.nodes.drain(..) {
                    let extension = self.make.arena.object();
                    self.make.arena.say(extension, "url", &**url);
                    self.make.arena.attach(extension, name, value);
                    let holder = if *shadow { self.shadow(member, node) } else { node };
                    self.make.arena.push(holder, "extension", extension);
                }
                self.end_yield(out);
                wrote
            }
        }
    }

    /// The object that holds extensions of an element: `_birthDate`, or the element.
    fn shadow(&mut self, member: &'r Member, node: At) -> At {
        let primitive = member.element.types.iter().all(|ty| tables::is_primitive(ty));
        let name: &'r str = if primitive { &member.shadow_name } else { member.element.name() };
        if let Some(found) = self.make.arena.get(node, name) {
            return found;
        }
        let object = self.make.arena.object();
        self.make.arena.attach(node, name, object);
        object
    }

    /// What stands in the place of a value that is absent; with the null (`""`) that says so.
    pub(super) fn absent(&mut self, null: Option<Datum<'r>>) -> At {
        self.make.absent(null)
    }

    /// Says that an element FHIR demands is absent, where nothing set it.
    fn demand(&mut self, required: &'r Required, node: At) {
        let arena = &self.make.arena;
        let is_there = arena.children(node).any(|child| {
            let name = arena.name(child);
            let name = name.strip_prefix('_').unwrap_or(name);
            required.names.iter().any(|known| **known == *name)
        });
        if is_there {
            return;
        }
        self.warn(Fault::new(w::W4103).at(Place::path(required.element.path)));
        let Some(name) = &required.absent else { return };
        if self.trace.on {
            self.trace.lines.push((self.make.arena.mark(), u32::MAX));
        }
        let absent = self.absent(None);
        let arena = &mut self.make.arena;
        let value = if required.element.is_list() {
            let list = arena.add(Leaf::Array);
            arena.attach(list, "", absent);
            list
        } else {
            absent
        };
        arena.set(node, required.order, name, value);
    }
}
