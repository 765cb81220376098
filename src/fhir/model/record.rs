//! How structs are read from nodes and written to documents: by tables of their members,
//! with no code that is generic over them.
//!
//! A struct is a [`Record`]: it finds a [`Slot`] by the name of a member and gives all of
//! them in the order of the specification. The macros of this file make both from one line
//! a member, so that a hundred structs cost the compiler little.

use crate::fault::codes::W2740;
use crate::fault::{Fault, Place};
use crate::fhir::typed::{Any, Extra, Primitive};
use crate::fhir::{Builder, Doc, Node, NodeKind};

/// A struct of members.
pub trait Record {
    /// Name of the resource; empty for data types and nested elements.
    fn resource(&self) -> &'static str;
    /// The place for a member of that JSON name.
    fn slot(&mut self, name: &str) -> Option<&mut dyn Slot>;
    /// All places with their names, in the order of the specification.
    fn each(&self, f: &mut dyn FnMut(&'static str, &dyn Slot));
    /// Members that the struct has no place for.
    fn extra(&self) -> &Extra;
    /// As [`Record::extra`].
    fn extra_mut(&mut self) -> &mut Extra;
}

/// A place for a member.
pub trait Slot {
    /// Reads what stands under a name, and beside it under the name with `_`.
    ///
    /// # Errors
    /// `W2740` where it has another form.
    fn read(
        &mut self,
        name: &str,
        value: Option<Node<'_>>,
        beside: Option<Node<'_>>,
    ) -> Result<(), Fault>;
    /// Writes it under a name; nothing when it is empty.
    fn write(&self, name: &'static str, out: &mut Builder);
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;
    /// Whether id and extensions may stand beside it.
    fn is_primitive(&self) -> bool {
        false
    }
}

/// A choice of types: an enum whose variants are places.
pub trait Choice: Sized {
    /// The empty place for the type that a JSON name ends in.
    fn of(name: &str) -> Option<Self>;
    /// The JSON name of its type, and its place.
    fn slot(&self) -> (&'static str, &dyn Slot);
    /// As [`Choice::slot`].
    fn slot_mut(&mut self) -> &mut dyn Slot;
}

/// A value of a primitive type.
pub trait Scalar: Sized {
    /// Reads a value; none where it has another form.
    fn take(node: Node<'_>) -> Option<Self>;
    /// Writes the value.
    fn put(&self, out: &mut Builder);
}

pub(super) fn misfit(node: Node<'_>, cause: &'static str) -> Fault {
    Fault::new(W2740).at(Place::path(node.path())).because(cause)
}

/// Reads the members of an object into a record. Recursion is bounded by the depth of
/// documents.
pub(super) fn read(record: &mut dyn Record, node: Node<'_>) -> Result<(), Fault> {
    if node.kind() != NodeKind::Object {
        return Err(misfit(node, "expected an object"));
    }
    let resource = record.resource();
    if !resource.is_empty() && node.resource_type().as_deref() != Some(resource) {
        let cause = format!("expected a resource of type `{resource}`");
        return Err(Fault::new(W2740).at(Place::path(node.path())).because(cause));
    }
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for (name, value) in node.members() {
        if name == "resourceType" && !resource.is_empty() {
            continue;
        }
        if !paired(record, &mut pairs, name, value) {
            record.extra_mut().0.push((name.to_owned(), any(value)?));
        }
    }
    for (name, value, beside) in pairs {
        match record.slot(name).filter(|slot| slot.is_empty()) {
            Some(slot) => slot.read(name, value, beside)?,
            // A second type of a choice.
            None => {
                let extra = &mut record.extra_mut().0;
                if let Some(value) = value {
                    extra.push((name.to_owned(), any(value)?));
                }
                if let Some(beside) = beside {
                    extra.push((format!("_{name}"), any(beside)?));
                }
            }
        }
    }
    Ok(())
}

/// A member with what stands beside it.
type Pair<'d> = (&'d str, Option<Node<'d>>, Option<Node<'d>>);

/// Lists a member that the record has a place for; false for others, and for a second one
/// of a name. The list stays as short as the record.
fn paired<'d>(
    record: &mut dyn Record,
    pairs: &mut Vec<Pair<'d>>,
    name: &'d str,
    node: Node<'d>,
) -> bool {
    let (plain, is_beside) = match name.strip_prefix('_') {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    match record.slot(plain) {
        Some(slot) if !is_beside || slot.is_primitive() => {}
        _ => return false,
    }
    let at = pairs.iter().position(|(known, ..)| *known == plain);
    let at = at.unwrap_or_else(|| {
        pairs.push((plain, None, None));
        pairs.len() - 1
    });
    let Some((_, value, beside)) = pairs.get_mut(at) else { return false };
    let half = if is_beside { beside } else { value };
    let is_first = half.is_none();
    half.get_or_insert(node);
    is_first
}

/// Writes the members of a record as an object.
pub(super) fn write(record: &dyn Record, out: &mut Builder) {
    out.start_object();
    if !record.resource().is_empty() {
        out.member("resourceType", record.resource());
    }
    record.each(&mut |name, slot| {
        if !slot.is_empty() {
            slot.write(name, out);
        }
    });
    for (name, value) in &record.extra().0 {
        out.name(name).node(value.0.root());
    }
    out.end_object();
}

/// A record as a document.
pub(super) fn document(record: &dyn Record) -> Doc {
    let mut out = Builder::new();
    write(record, &mut out);
    out.finish()
}

fn is_blank(record: &dyn Record) -> bool {
    let mut blank = record.resource().is_empty() && record.extra().0.is_empty();
    record.each(&mut |_, slot| blank &= slot.is_empty());
    blank
}

fn any(node: Node<'_>) -> Result<Any, Fault> {
    Doc::parse_json(node.json().into_owned().into()).map(Any)
}

/// An item of an array with what stands beside it; none for `null`.
type Item<'d> = (Option<Node<'d>>, Option<Node<'d>>);

/// Refuses what stands beside a type of a choice that is no primitive.
fn alone(beside: Option<Node<'_>>) -> Result<(), Fault> {
    beside.map_or(Ok(()), |node| Err(misfit(node, "only primitives have something beside them")))
}

/// The items of an array, each with what stands beside it.
fn items<'d>(value: Option<Node<'d>>, beside: Option<Node<'d>>) -> Result<Vec<Item<'d>>, Fault> {
    for node in value.into_iter().chain(beside) {
        if node.kind() != NodeKind::Array {
            return Err(misfit(node, "expected an array"));
        }
    }
    let full = |node: Option<Node<'d>>| node.filter(|node| node.kind() != NodeKind::Null);
    let mut values = value.into_iter().flat_map(|node| node.items());
    let mut besides = beside.into_iter().flat_map(|node| node.items());
    let mut all = Vec::new();
    loop {
        match (values.next(), besides.next()) {
            (None, None) => return Ok(all),
            (value, beside) => all.push((full(value), full(beside))),
        }
    }
}

impl<T: Record + Default> Slot for Box<T> {
    fn read(
        &mut self,
        _: &str,
        value: Option<Node<'_>>,
        beside: Option<Node<'_>>,
    ) -> Result<(), Fault> {
        alone(beside)?;
        value.map_or(Ok(()), |node| read(&mut **self, node))
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        out.name(name);
        write(&**self, out);
    }

    fn is_empty(&self) -> bool {
        is_blank(&**self)
    }
}

impl<T: Record + Default> Slot for Option<Box<T>> {
    fn read(&mut self, _: &str, value: Option<Node<'_>>, _: Option<Node<'_>>) -> Result<(), Fault> {
        value.map_or(Ok(()), |node| read(&mut **self.insert(Box::default()), node))
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        if let Some(record) = self {
            out.name(name);
            write(&**record, out);
        }
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T: Record + Default> Slot for Vec<T> {
    fn read(&mut self, _: &str, value: Option<Node<'_>>, _: Option<Node<'_>>) -> Result<(), Fault> {
        for (item, _) in items(value, None)? {
            let mut record = T::default();
            item.map_or(Ok(()), |node| read(&mut record, node))?;
            self.push(record);
        }
        Ok(())
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        out.name(name).start_array();
        for record in self {
            write(record, out);
        }
        out.end_array();
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// A value that is kept as it stands, such as a resource within another.
impl Slot for Option<Any> {
    fn read(
        &mut self,
        _: &str,
        value: Option<Node<'_>>,
        beside: Option<Node<'_>>,
    ) -> Result<(), Fault> {
        alone(beside)?;
        *self = value.map(any).transpose()?;
        Ok(())
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        if let Some(value) = self {
            out.name(name).node(value.0.root());
        }
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl Slot for Vec<Any> {
    fn read(&mut self, _: &str, value: Option<Node<'_>>, _: Option<Node<'_>>) -> Result<(), Fault> {
        for (item, _) in items(value, None)? {
            self.extend(item.map(any).transpose()?);
        }
        Ok(())
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        out.name(name).start_array();
        for value in self {
            out.node(value.0.root());
        }
        out.end_array();
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// The id of an element, which is an attribute and has nothing beside it.
impl Slot for Option<String> {
    fn read(&mut self, _: &str, value: Option<Node<'_>>, _: Option<Node<'_>>) -> Result<(), Fault> {
        let Some(node) = value else { return Ok(()) };
        let text = node.string().ok_or_else(|| misfit(node, "expected a text"))?;
        *self = Some(text.into_owned());
        Ok(())
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        if let Some(text) = self {
            out.member(name, text);
        }
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T: Scalar> Slot for Primitive<T> {
    fn read(
        &mut self,
        _: &str,
        value: Option<Node<'_>>,
        beside: Option<Node<'_>>,
    ) -> Result<(), Fault> {
        if let Some(node) = value {
            let value = T::take(node);
            self.value = Some(value.ok_or_else(|| misfit(node, "the value has another form"))?);
        }
        besides(&mut self.id, &mut self.extension, beside)
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        if let Some(value) = &self.value {
            out.name(name);
            value.put(out);
        }
        if self.id.is_some() || !self.extension.is_empty() {
            out.name(&format!("_{name}"));
            write_beside(self.id.as_deref(), &self.extension, out);
        }
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn is_primitive(&self) -> bool {
        true
    }
}

impl<T: Scalar> Slot for Vec<Primitive<T>> {
    fn read(
        &mut self,
        name: &str,
        value: Option<Node<'_>>,
        beside: Option<Node<'_>>,
    ) -> Result<(), Fault> {
        for (value, beside) in items(value, beside)? {
            let mut item = Primitive::default();
            item.read(name, value, beside)?;
            self.push(item);
        }
        Ok(())
    }

    fn write(&self, name: &'static str, out: &mut Builder) {
        if self.iter().any(|item| item.value.is_some()) {
            out.name(name).start_array();
            for item in self {
                match &item.value {
                    Some(value) => value.put(out),
                    None => drop(out.null()),
                }
            }
            out.end_array();
        }
        let stands = |item: &Primitive<T>| item.id.is_some() || !item.extension.is_empty();
        if self.iter().any(stands) {
            out.name(&format!("_{name}")).start_array();
            for item in self {
                if stands(item) {
                    write_beside(item.id.as_deref(), &item.extension, out);
                } else {
                    out.null();
                }
            }
            out.end_array();
        }
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn is_primitive(&self) -> bool {
        true
    }
}

/// Reads what stands beside a primitive.
fn besides(
    id: &mut Option<String>,
    extensions: &mut Vec<Any>,
    beside: Option<Node<'_>>,
) -> Result<(), Fault> {
    let Some(node) = beside.filter(|node| node.kind() != NodeKind::Null) else { return Ok(()) };
    if node.kind() != NodeKind::Object {
        return Err(misfit(node, "expected an object"));
    }
    for (name, value) in node.members() {
        match name {
            "id" if id.is_none() => id.read(name, Some(value), None)?,
            "extension" if extensions.is_empty() => extensions.read(name, Some(value), None)?,
            _ => return Err(misfit(value, "only id and extensions stand beside a primitive")),
        }
    }
    Ok(())
}

fn write_beside(id: Option<&str>, extensions: &[Any], out: &mut Builder) {
    out.start_object();
    if let Some(id) = id {
        out.member("id", id);
    }
    if !extensions.is_empty() {
        out.name("extension").start_array();
        for extension in extensions {
            out.node(extension.0.root());
        }
        out.end_array();
    }
    out.end_object();
}
