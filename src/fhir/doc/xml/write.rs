//! Writes a document as XML, elements in the order of the specification.

use std::collections::HashMap;

use super::super::{Doc, Node, NodeKind};
use super::{is_name, is_no_character};
use crate::fault::codes::W2707;
use crate::fault::{Fault, Place};
use crate::fhir::tables::{self, Container, Entry, Inside, Primitive};
use crate::xml::{self, Space};

/// Writes a document; see [`Doc::to_xml`].
pub(in crate::fhir::doc) fn write(doc: &Doc) -> Result<Vec<u8>, Fault> {
    let mut writing = Writing { out: String::with_capacity(doc.0.text.len() + 64) };
    writing.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    writing.resource(doc.root(), true)?;
    Ok(writing.out.into_bytes())
}

fn misfit(node: Node<'_>, cause: &'static str) -> Fault {
    Fault::new(W2707).because(cause).at(Place::path(node.path()))
}

/// The namespace as the outermost element declares it.
const ROOT: &str = " xmlns=\"http://hl7.org/fhir\"";

/// A member with what stands beside it.
struct Slot<'d> {
    /// Place of its element among its siblings; those that R4 does not know come last.
    order: u16,
    name: &'d str,
    entry: Option<&'static Entry>,
    value: Option<Node<'d>>,
    shadow: Option<Node<'d>>,
}

struct Writing {
    out: String,
}

type Done = Result<(), Fault>;

impl Writing {
    fn resource(&mut self, node: Node<'_>, is_root: bool) -> Done {
        let Some(name) = node.resource_type().filter(|_| node.kind() == NodeKind::Object) else {
            return Err(misfit(node, "a resource without `resourceType` has no element in XML"));
        };
        if !is_name(&name) {
            return Err(misfit(node, "`resourceType` is no name that an element may have"));
        }
        let mark = self.out.len();
        self.out.push('<');
        self.out.push_str(&name);
        self.out.push_str(if is_root { ROOT } else { "" });
        let known = if tables::is_resource(&name) { tables::container(&name) } else { None };
        let slots = slots(node, known, &["resourceType"])?;
        self.content(&name, mark, &slots)?;
        if self.out.len() == mark {
            // A resource without elements is still one.
            self.out.push('<');
            self.out.push_str(&name);
            self.out.push_str(if is_root { ROOT } else { "" });
            self.out.push_str("/>");
        }
        Ok(())
    }

    /// Ends the opening tag that begins at `mark`, writes what is inside and closes the
    /// element; one without attributes and content is taken back, as FHIR demands.
    fn content(&mut self, name: &str, mark: usize, slots: &[Slot<'_>]) -> Done {
        let start = self.out.len();
        self.out.push('>');
        for slot in slots {
            self.slot(slot)?;
        }
        if self.out.len() > start + 1 {
            self.close(name);
        } else if start == mark + 1 + name.len() {
            self.out.truncate(mark);
        } else {
            self.out.truncate(start);
            self.out.push_str("/>");
        }
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Writes a member, each item of an array as an element of its own.
    fn slot(&mut self, slot: &Slot<'_>) -> Done {
        let (value, shadow) = (slot.value, slot.shadow);
        if let Some(node) = value.or(shadow).filter(|_| slot.entry.is_none() && !is_name(slot.name))
        {
            return Err(misfit(node, "the name of a member is none that an element may have"));
        }
        let array = |node: &Node<'_>| node.kind() == NodeKind::Array;
        if !value.as_ref().is_some_and(array) && !shadow.as_ref().is_some_and(array) {
            return self.element(slot, value, shadow);
        }
        if let Some(node) = value.filter(|value| !array(value)).or(shadow.filter(|s| !array(s))) {
            return Err(misfit(node, "an array stands beside a single value"));
        }
        let mut values = value.into_iter().flat_map(|value| value.items());
        let mut shadows = shadow.into_iter().flat_map(|shadow| shadow.items());
        loop {
            let (value, shadow) = (values.next(), shadows.next());
            if value.is_none() && shadow.is_none() {
                return Ok(());
            }
            self.element(slot, value, shadow)?;
        }
    }

    fn element(
        &mut self,
        slot: &Slot<'_>,
        value: Option<Node<'_>>,
        shadow: Option<Node<'_>>,
    ) -> Done {
        let value = value.filter(|node| node.kind() != NodeKind::Null);
        let shadow = shadow.filter(|node| node.kind() != NodeKind::Null);
        let inside = slot.entry.map(|entry| entry.inside);
        match (value, shadow) {
            (None, None) => Ok(()),
            (Some(node), shadow) if node.kind() == NodeKind::Object => {
                if let Some(shadow) = shadow {
                    return Err(misfit(shadow, "only primitives have a member with `_`"));
                }
                self.object(slot, node, inside)
            }
            (Some(node), _) if node.kind() == NodeKind::Array => {
                Err(misfit(node, "an array in an array has no form in XML"))
            }
            (_, Some(shadow)) if !inside.is_none_or(takes_shadow) => {
                Err(misfit(shadow, "only primitives but narratives have a member with `_`"))
            }
            (Some(node), _) if inside == Some(Inside::Resource) => {
                Err(misfit(node, "a resource is an object"))
            }
            (Some(node), None) if inside == Some(Inside::Primitive(Primitive::Xhtml)) => {
                self.narrative(node)
            }
            (value, shadow) => self.primitive(slot.name, value, shadow),
        }
    }

    fn object(&mut self, slot: &Slot<'_>, node: Node<'_>, inside: Option<Inside>) -> Done {
        let (name, mark) = (slot.name, self.out.len());
        self.out.push('<');
        self.out.push_str(name);
        match inside {
            Some(Inside::Resource) => {
                self.out.push('>');
                self.resource(node, false)?;
                self.close(name);
                Ok(())
            }
            Some(Inside::Container(number)) => {
                let extension = slot.entry.is_some_and(|entry| entry.ty == "Extension");
                let own: &[&str] = if extension { &["id", "url"] } else { &["id"] };
                self.attributes(node, own)?;
                let slots = slots(node, tables::container_at(number), own)?;
                self.content(name, mark, &slots)
            }
            Some(Inside::Primitive(_)) | None => {
                self.attributes(node, &["id"])?;
                let slots = slots(node, tables::container("BackboneElement"), &["id"])?;
                self.content(name, mark, &slots)
            }
        }
    }

    /// Writes the members that XML has as attributes.
    fn attributes(&mut self, node: Node<'_>, names: &[&str]) -> Done {
        for name in names {
            let mut all = node.members().filter(|(member, _)| member == name);
            let Some((_, value)) = all.next() else { continue };
            if let Some((_, second)) = all.next() {
                return Err(misfit(second, "an attribute cannot stand twice"));
            }
            if matches!(value.kind(), NodeKind::Object | NodeKind::Array) {
                return Err(misfit(value, "an attribute has a single value"));
            }
            self.attribute(name, value)?;
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: Node<'_>) -> Done {
        let Some(text) = value.text() else { return Ok(()) };
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        let mut rest = &*text;
        let special =
            |c: char| matches!(c, '&' | '<' | '"' | '\n' | '\r' | '\t') || is_no_character(c);
        while let Some(at) = rest.find(special) {
            let (before, after) = rest.split_at(at);
            self.out.push_str(before);
            let mut letters = after.chars();
            self.out.push_str(match letters.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('"') => "&quot;",
                Some('\n') => "&#10;",
                Some('\r') => "&#13;",
                Some('\t') => "&#9;",
                _ => return Err(misfit(value, "a text holds a character that XML has not")),
            });
            rest = letters.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
        Ok(())
    }

    fn primitive(&mut self, name: &str, value: Option<Node<'_>>, shadow: Option<Node<'_>>) -> Done {
        if let Some(shadow) = shadow.filter(|node| node.kind() != NodeKind::Object) {
            return Err(misfit(shadow, "what stands beside a primitive is an object"));
        }
        let mark = self.out.len();
        self.out.push('<');
        self.out.push_str(name);
        if let Some(shadow) = shadow {
            self.attributes(shadow, &["id"])?;
        }
        if let Some(value) = value {
            self.attribute("value", value)?;
        }
        let slots = match shadow {
            Some(shadow) => slots(shadow, tables::container("Element"), &["id"])?,
            None => Vec::new(),
        };
        self.content(name, mark, &slots)
    }

    /// Writes a narrative as it stands, when it is one element of XML.
    fn narrative(&mut self, node: Node<'_>) -> Done {
        let text = node.text().unwrap_or_default();
        let bad = |_| misfit(node, "the narrative is no XML, as with `&nbsp;` or an open tag");
        let tags = xml::scan(&text, 0).map_err(bad)?;
        let root = tags.first().filter(|tag| {
            let space = matches!(tag.space, Space::Xhtml | Space::None);
            space && tag.name(&text) == "div" && tag.prefix(&text).is_empty()
        });
        let div = root.and_then(|tag| text.get(tag.start as usize..tag.end as usize));
        let Some(div) = div else {
            return Err(misfit(node, "the narrative is no `div` of XHTML"));
        };
        self.out.push_str(div);
        Ok(())
    }
}

/// Whether id and extensions may stand beside a value.
fn takes_shadow(inside: Inside) -> bool {
    matches!(inside, Inside::Primitive(primitive) if primitive != Primitive::Xhtml)
}

/// The members of an object in the order of their elements, without those named.
fn slots<'d>(
    node: Node<'d>,
    container: Option<&'static Container>,
    without: &[&str],
) -> Result<Vec<Slot<'d>>, Fault> {
    let mut slots: Vec<Slot<'d>> = Vec::new();
    // Where the last member of each name is, so that its shadow finds it.
    let mut places: HashMap<&'d str, usize> = HashMap::new();
    let mut has_shadows = false;
    for (name, value) in node.members() {
        let (plain, is_shadow) = match name.strip_prefix('_') {
            Some(plain) if !plain.is_empty() => (plain, true),
            _ => (name, false),
        };
        if without.contains(&plain) {
            if is_shadow {
                return Err(misfit(value, "an attribute has neither id nor extensions"));
            }
            continue;
        }
        if is_shadow && !has_shadows {
            has_shadows = true;
            places.extend(slots.iter().enumerate().map(|(at, slot)| (slot.name, at)));
        }
        // The other half may have come before.
        let half = if has_shadows { places.get(plain).copied() } else { None };
        let half = half.and_then(|at| slots.get_mut(at));
        match half.map(|slot| if is_shadow { &mut slot.shadow } else { &mut slot.value }) {
            Some(empty @ None) => *empty = Some(value),
            _ => {
                if has_shadows {
                    places.insert(plain, slots.len());
                }
                let entry = container.and_then(|container| container.find(plain));
                let order = entry.map_or(u16::MAX, |entry| entry.index);
                let (value, shadow) =
                    if is_shadow { (None, Some(value)) } else { (Some(value), None) };
                slots.push(Slot { order, name: plain, entry, value, shadow });
            }
        }
    }
    slots.sort_by_key(|slot| slot.order);
    Ok(slots)
}
