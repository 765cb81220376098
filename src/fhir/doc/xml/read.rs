//! Writes the document that the elements of an XML text mean.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use bytes::Bytes;

use super::super::node::shown;
use super::super::{Builder, DOC_BYTES_MAX, Doc, NONE};
use super::{FLAWS_MAX, Flaw, Source, XHTML};
use crate::base::limits::DEPTH_MAX;
use crate::fault::codes::{W2700, W2702, W2703, W2720, W2730, W2734};
use crate::fault::{Code, Fault, FilePlace};
use crate::fhir::tables::{self, Container, Entry, Inside, Primitive};
use crate::xml::{self, Space, Tag};

/// Reads a document; see [`Doc::parse_xml`].
pub(in crate::fhir::doc) fn read(bytes: Bytes) -> Result<Doc, Fault> {
    if bytes.len() > DOC_BYTES_MAX {
        return Err(Fault::new(W2703));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let text = std::str::from_utf8(valid).unwrap_or_default();
        place(Fault::new(W2700), text, error.valid_up_to())
    })?;
    let from = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let fault = |flaw: xml::Flaw| place(Fault::new(flaw.code).because(flaw.what), text, flaw.at);
    let tags = xml::scan(text, from).map_err(fault)?;
    let mut reading =
        Reading { text, tags: &tags, out: Builder::new(), flaws: Vec::new(), depth: 0 };
    let root = tags.first().filter(|tag| matches!(tag.space, Space::Fhir | Space::None));
    let Some(root) = root else {
        let cause = "the outermost element is not of the namespace `http://hl7.org/fhir`";
        return Err(place(Fault::new(W2720).because(cause), text, from));
    };
    let name = root.name(text);
    let name = if tables::is_resource(name) { name } else { "$this" };
    reading.resource(root, &Step { up: None, name, index: None }).map_err(fault)?;
    let Reading { out, flaws, .. } = reading;
    let doc = out.finish_from(|places| Source { text: bytes.clone(), places, flaws });
    if doc.0.text.len() > DOC_BYTES_MAX {
        return Err(Fault::new(W2703));
    }
    Ok(doc)
}

/// Adds line and column of byte `at` to a fault.
fn place(fault: Fault, text: &str, at: usize) -> Fault {
    fault.at(FilePlace::find("XML", text, at..at))
}

/// A step of a path, with the way up.
#[derive(Clone, Copy)]
struct Step<'s> {
    up: Option<&'s Step<'s>>,
    name: &'s str,
    index: Option<usize>,
}

impl Step<'_> {
    fn path(&self) -> String {
        let mut out = self.up.map_or_else(String::new, |up| up.path() + ".");
        out.push_str(if self.up.is_some() { shown(self.name) } else { self.name });
        if let Some(index) = self.index {
            let _ = write!(out, "[{index}]");
        }
        out
    }
}

/// Children of one name.
struct Group<'t> {
    name: &'t str,
    entry: Option<&'static Entry>,
    first: &'t Tag,
    rest: Vec<&'t Tag>,
}

impl<'t> Group<'t> {
    fn tags(&self) -> impl Iterator<Item = &'t Tag> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }
}

/// The attributes that FHIR has.
#[derive(Default)]
struct Own<'t> {
    value: Option<Cow<'t, str>>,
    id: Option<Cow<'t, str>>,
    url: Option<Cow<'t, str>>,
}

struct Reading<'t> {
    text: &'t str,
    tags: &'t [Tag],
    out: Builder,
    flaws: Vec<Flaw>,
    /// Open objects and arrays.
    depth: usize,
}

type Done = Result<(), xml::Flaw>;

impl<'t> Reading<'t> {
    fn flaw(&mut self, tag: &Tag, step: &Step<'_>, code: Code, what: &'static str) {
        if self.flaws.len() < FLAWS_MAX {
            let (path, at) = (step.path(), tag.start as usize);
            self.flaws.push(Flaw { path, at, code, what });
        }
    }

    /// Goes one container deeper.
    fn deeper(&mut self, tag: &Tag) -> Done {
        self.out.set_place(tag.start);
        self.depth += 1;
        if self.depth <= DEPTH_MAX {
            return Ok(());
        }
        let what = "containers are nested deeper than 64 levels";
        Err(xml::Flaw { at: tag.start as usize, code: W2702, what })
    }

    fn start_object(&mut self, tag: &Tag) -> Done {
        self.deeper(tag)?;
        self.out.start_object();
        Ok(())
    }

    fn end_object(&mut self) {
        self.depth -= 1;
        self.out.end_object();
    }

    fn start_array(&mut self, tag: &Tag) -> Done {
        self.deeper(tag)?;
        self.out.start_array();
        Ok(())
    }

    fn end_array(&mut self) {
        self.depth -= 1;
        self.out.end_array();
    }

    fn children(&self, tag: &Tag) -> impl Iterator<Item = &'t Tag> + use<'t> {
        let tags = self.tags;
        let at = |id: u32| tags.get(id as usize);
        std::iter::successors(at(tag.first), move |tag| at(tag.next))
    }

    /// Reads the attributes; those that FHIR has not in this place are flaws.
    fn own(&mut self, tag: &Tag, names: &[&str], step: &Step<'_>) -> Result<Own<'t>, xml::Flaw> {
        let (mut own, mut odd, at) = (Own::default(), false, tag.start as usize);
        tag.attributes(self.text, &mut |name, raw| {
            let takes = names.contains(&name);
            match name {
                "value" if takes => own.value = Some(xml::value(raw, at)?),
                "id" if takes => own.id = Some(xml::value(raw, at)?),
                "url" if takes => own.url = Some(xml::value(raw, at)?),
                "xmlns" | "xsi:schemaLocation" => {}
                _ if name.starts_with("xmlns:") => {}
                _ => odd = true,
            }
            Ok(())
        })?;
        if odd {
            self.flaw(tag, step, W2734, "an attribute that FHIR has not here");
        }
        if tag.ink != NONE {
            self.flaw(tag, step, W2734, "text stands between the elements");
        }
        Ok(own)
    }

    fn resource(&mut self, tag: &'t Tag, step: &Step<'_>) -> Done {
        let name = tag.name(self.text);
        if tag.space != Space::Fhir {
            self.flaw(tag, step, W2734, "the namespace is not `http://hl7.org/fhir`");
        }
        self.own(tag, &[], step)?;
        self.start_object(tag)?;
        self.out.member("resourceType", name);
        let known = if tables::is_resource(name) { tables::container(name) } else { None };
        self.members(tag, known, step)?;
        self.end_object();
        Ok(())
    }

    /// Reads the children of an element; those of one that R4 does not know are read as if
    /// they stood in an element without own ones.
    fn members(
        &mut self,
        tag: &'t Tag,
        container: Option<&'static Container>,
        step: &Step<'_>,
    ) -> Done {
        let container = container.or_else(|| tables::container("BackboneElement"));
        let mut groups: Vec<Group<'t>> = Vec::new();
        let mut known = [u16::MAX; tables::NAMES_MAX];
        let mut unknown: HashMap<&'t str, usize> = HashMap::new();
        let (mut last, mut furthest) = (usize::MAX, 0);
        for child in self.children(tag) {
            let name = child.name(self.text);
            let found = container.and_then(|container| container.find_numbered(name));
            let entry = found.map(|(_, entry)| entry);
            let xhtml = entry.is_none_or(|e| e.inside == Inside::Primitive(Primitive::Xhtml));
            let inner = Step { up: Some(step), name, index: None };
            match child.space {
                Space::V3 | Space::Sdtc | Space::Other => {
                    self.flaw(child, &inner, W2734, "an element of another namespace");
                    continue;
                }
                Space::Xhtml if !xhtml || name != "div" => {
                    self.flaw(child, &inner, W2734, "XHTML that is no narrative");
                    continue;
                }
                Space::Xhtml | Space::Fhir | Space::None => {}
            }
            let place = match found {
                Some((number, entry)) => {
                    if entry.index < furthest {
                        let what = "stands behind an element that R4 has after it";
                        self.flaw(child, &inner, W2734, what);
                    }
                    furthest = furthest.max(entry.index);
                    let fresh = groups.len();
                    match known.get_mut(number) {
                        Some(place) if *place == u16::MAX => {
                            *place = u16::try_from(fresh).unwrap_or(u16::MAX);
                            fresh
                        }
                        Some(place) => usize::from(*place),
                        None => fresh,
                    }
                }
                None => *unknown.entry(name).or_insert(groups.len()),
            };
            match groups.get_mut(place) {
                Some(group) => {
                    group.rest.push(child);
                    if place != last && entry.is_none_or(|entry| entry.index == furthest) {
                        let what = "stands apart from the others of its name";
                        self.flaw(child, &inner, W2734, what);
                    }
                }
                None => groups.push(Group { name, entry, first: child, rest: Vec::new() }),
            }
            last = place;
        }
        groups.iter().try_for_each(|group| self.group(group, step))
    }

    fn group(&mut self, group: &Group<'t>, step: &Step<'_>) -> Done {
        let Some(entry) = group.entry else { return self.strange(group, step) };
        match entry.inside {
            Inside::Primitive(Primitive::Xhtml) => group.tags().try_for_each(|tag| {
                self.narrative(tag, group.name);
                Ok(())
            }),
            Inside::Primitive(primitive) => {
                self.primitives(group, Some(primitive), entry.element.is_list(), step)
            }
            Inside::Container(_) | Inside::Resource if entry.element.is_list() => {
                self.out.name(group.name);
                self.start_array(group.first)?;
                for (index, tag) in group.tags().enumerate() {
                    let inner = Step { up: Some(step), name: group.name, index: Some(index) };
                    self.value(tag, None, entry, &inner)?;
                }
                self.end_array();
                Ok(())
            }
            Inside::Container(_) | Inside::Resource => group.tags().try_for_each(|tag| {
                let inner = Step { up: Some(step), name: group.name, index: None };
                self.value(tag, Some(group.name), entry, &inner)
            }),
        }
    }

    /// Reads an object or a resource, under a name or as an item.
    fn value(
        &mut self,
        tag: &'t Tag,
        name: Option<&str>,
        entry: &'static Entry,
        step: &Step<'_>,
    ) -> Done {
        let Inside::Container(number) = entry.inside else {
            return self.inner(tag, name, step);
        };
        let extension: &[&str] = &["value", "id", "url"];
        let names = if entry.ty == "Extension" { extension } else { &["value", "id"] };
        self.object(tag, name, tables::container_at(number), names, step)
    }

    /// Reads the resource in `contained` or `resource`.
    fn inner(&mut self, tag: &'t Tag, name: Option<&str>, step: &Step<'_>) -> Done {
        self.own(tag, &[], step)?;
        let mut count = 0;
        for child in self.children(tag) {
            count += 1;
            if matches!(child.space, Space::Fhir | Space::None) {
                if let Some(name) = name {
                    self.out.name(name);
                }
                self.resource(child, step)?;
            } else {
                self.flaw(child, step, W2734, "an element of another namespace");
            }
        }
        if count != 1 {
            self.flaw(tag, step, W2734, "holds not one resource but none or several");
        }
        Ok(())
    }

    fn object(
        &mut self,
        tag: &'t Tag,
        name: Option<&str>,
        container: Option<&'static Container>,
        names: &[&str],
        step: &Step<'_>,
    ) -> Done {
        let own = self.own(tag, names, step)?;
        if let Some(name) = name {
            self.out.name(name);
        }
        let is_bare = tag.first == NONE && own.id.is_none() && own.url.is_none();
        match own.value {
            // Kept as a text, which the check of structure finds.
            Some(value) if is_bare => {
                self.out.set_place(tag.start);
                self.out.string(&value);
                return Ok(());
            }
            Some(_) => self.flaw(tag, step, W2734, "an attribute that FHIR has not here"),
            None if is_bare => self.flaw(tag, step, W2730, "an element without value or content"),
            None => {}
        }
        self.start_object(tag)?;
        self.attributes(&own);
        self.members(tag, container, step)?;
        self.end_object();
        Ok(())
    }

    fn attributes(&mut self, own: &Own<'_>) {
        for (name, value) in [("id", &own.id), ("url", &own.url)] {
            if let Some(value) = value {
                self.out.member(name, value);
            }
        }
    }

    /// Reads elements that R4 does not know, as what they look like.
    fn strange(&mut self, group: &Group<'t>, step: &Step<'_>) -> Done {
        let mut scalars = true;
        for tag in group.tags() {
            let mut has_value = tag.space == Space::Xhtml;
            tag.attributes(self.text, &mut |name, _| {
                has_value |= name == "value";
                Ok(())
            })?;
            scalars &= has_value;
        }
        let several = !group.rest.is_empty();
        if scalars && group.tags().all(|tag| tag.space != Space::Xhtml) {
            return self.primitives(group, None, several, step);
        }
        self.out.name(group.name);
        if several {
            self.start_array(group.first)?;
        }
        for (index, tag) in group.tags().enumerate() {
            let inner = Step { up: Some(step), name: group.name, index: several.then_some(index) };
            if tag.space == Space::Xhtml {
                let text = narrative(self.text, tag);
                self.out.set_place(tag.start);
                self.out.string(&text);
            } else {
                self.object(tag, None, None, &["value", "id"], &inner)?;
            }
        }
        if several {
            self.end_array();
        }
        Ok(())
    }

    /// Takes a narrative as it stands.
    fn narrative(&mut self, tag: &Tag, name: &str) {
        let text = narrative(self.text, tag);
        self.out.name(name);
        self.out.set_place(tag.start);
        self.out.string(&text);
    }

    /// Reads primitives of one name, and what stands beside their values.
    fn primitives(
        &mut self,
        group: &Group<'t>,
        primitive: Option<Primitive>,
        is_list: bool,
        step: &Step<'_>,
    ) -> Done {
        let mut all = Vec::with_capacity(1 + group.rest.len());
        let (mut values, mut shadows) = (false, false);
        for (index, tag) in group.tags().enumerate() {
            let inner = Step { up: Some(step), name: group.name, index: is_list.then_some(index) };
            let own = self.own(tag, &["value", "id"], &inner)?;
            let beside = own.id.is_some() || tag.first != NONE;
            if own.value.is_none() && !beside {
                self.flaw(tag, &inner, W2730, "an element without value or content");
            }
            values |= own.value.is_some();
            shadows |= beside;
            all.push((tag, own, beside));
        }
        if !is_list {
            for (tag, own, beside) in &all {
                if let Some(value) = &own.value {
                    self.out.name(group.name);
                    self.scalar(tag, value, primitive);
                }
                if *beside {
                    self.out.name(&format!("_{}", group.name));
                    let inner = Step { up: Some(step), name: group.name, index: None };
                    self.beside(tag, own, &inner)?;
                }
            }
            return Ok(());
        }
        if values {
            self.out.name(group.name);
            self.start_array(group.first)?;
            for (tag, own, _) in &all {
                match &own.value {
                    Some(value) => self.scalar(tag, value, primitive),
                    None => {
                        self.out.set_place(tag.start);
                        self.out.null();
                    }
                }
            }
            self.end_array();
        }
        if shadows {
            self.out.name(&format!("_{}", group.name));
            self.start_array(group.first)?;
            for (index, (tag, own, beside)) in all.iter().enumerate() {
                let inner = Step { up: Some(step), name: group.name, index: Some(index) };
                if *beside {
                    self.beside(tag, own, &inner)?;
                } else {
                    self.out.set_place(tag.start);
                    self.out.null();
                }
            }
            self.end_array();
        }
        Ok(())
    }

    /// Writes the id and extensions of a primitive.
    fn beside(&mut self, tag: &'t Tag, own: &Own<'_>, step: &Step<'_>) -> Done {
        self.start_object(tag)?;
        self.attributes(own);
        self.members(tag, tables::container("Element"), step)?;
        self.end_object();
        Ok(())
    }

    fn scalar(&mut self, tag: &Tag, value: &str, primitive: Option<Primitive>) {
        self.out.set_place(tag.start);
        match (primitive, value) {
            (Some(Primitive::Boolean), "true") => self.out.bool(true),
            (Some(Primitive::Boolean), "false") => self.out.bool(false),
            (Some(Primitive::Decimal), _) => self.out.number(value),
            // JSON has no sign for numbers above zero; the check refuses `+0` and `+ 5`.
            (Some(primitive), _) if primitive.is_number() => {
                let digits = value.strip_prefix('+').unwrap_or(value);
                let plain = digits.starts_with(|c: char| matches!(c, '1'..='9'));
                self.out.number(if plain { digits } else { value })
            }
            _ => self.out.string(value),
        };
    }
}

/// The text of a narrative; one with a prefix is freed of it, as JSON can declare none
/// around it.
fn narrative<'t>(text: &'t str, tag: &Tag) -> Cow<'t, str> {
    let whole = text.get(tag.start as usize..tag.end as usize).unwrap_or_default();
    let (prefix, head) = (tag.prefix(text), tag.name_end() - tag.start as usize);
    if prefix.is_empty() {
        return Cow::Borrowed(whole);
    }
    let rest = whole.get(head..).unwrap_or_default();
    let rest = rest.replace(&format!("</{prefix}"), "</").replace(&format!("<{prefix}"), "<");
    Cow::Owned(format!("<{} xmlns=\"{XHTML}\"{rest}", tag.name(text)))
}
