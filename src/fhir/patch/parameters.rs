//! FHIRPath Patch over a document.
//!
//! Two readings beyond the text of R4: `delete` of what is not there does nothing ("if
//! found", as the corrected text has it), and a primitive is written as the element has it
//! when its text fits, so that a `valueString` serves where an `xhtml` or `markdown` is
//! meant. What is deleted takes the containers along that are empty without it.
//!
//! Source: FHIR R4 fhirpatch.html.

use std::borrow::Cow;

use super::super::path::FhirPath;
use super::super::tables::{self, Element, Primitive};
use super::super::{Doc, Node, NodeId, NodeKind};
use super::elements::{self, Piece, Spot};
use super::{Budget, counted, fault, unread, within};
use crate::fault::Fault;
use crate::fault::codes::{W2780, W2781, W2782, W2783, W2785};

/// What a part `value` gives.
enum Given<'p> {
    /// `value[x]` with the name of its type, and what stands beside it.
    Typed(&'static str, Option<Node<'p>>, Option<Node<'p>>),
    Resource(Node<'p>),
    /// Parts with the elements of a type without name.
    Parts(Vec<(Cow<'p, str>, Given<'p>)>),
}

/// An operation as it was read.
struct Operation<'p> {
    kind: Cow<'p, str>,
    path: Cow<'p, str>,
    name: Option<Cow<'p, str>>,
    value: Option<Given<'p>>,
    index: Option<usize>,
    source: Option<usize>,
    destination: Option<usize>,
}

/// Applies the operations one after the other to a copy.
pub(super) fn apply(doc: &Doc, patch: &Doc) -> Result<Doc, Fault> {
    let parameters = patch.root().get("parameter");
    let listed: Vec<Node<'_>> = parameters.into_iter().flat_map(Node::each).collect();
    counted(listed.len())?;
    let mut read = Vec::new();
    for (number, node) in listed.into_iter().enumerate() {
        read.push(operation(node).map_err(|fault| within(fault, number, ""))?);
    }
    let mut patched =
        Patched { doc: doc.clone(), steps: 0, budget: Budget::new(doc.to_json().len()) };
    for (number, operation) in read.iter().enumerate() {
        patched.run(operation).map_err(|fault| within(fault, number, &operation.path))?;
    }
    Ok(patched.doc)
}

fn operation(node: Node<'_>) -> Result<Operation<'_>, Fault> {
    let name_of = |node: Node<'_>| node.get("name")?.string().map(Cow::into_owned);
    if name_of(node).as_deref() != Some("operation") {
        return Err(unread("a parameter is not named `operation`"));
    }
    let (mut kind, mut path, mut name, mut value) = (None, None, None, None);
    let (mut index, mut source, mut destination) = (None, None, None);
    let number = |part: Node<'_>| -> Result<usize, Fault> {
        let number = value_of(part).and_then(|node| node.text()?.parse().ok());
        number.ok_or_else(|| unread("`index`, `source` and `destination` are counted from 0"))
    };
    let word = |part| value_of(part).and_then(|node| node.text());
    for part in node.get("part").into_iter().flat_map(Node::each) {
        let twice = match name_of(part).as_deref() {
            Some("type") => set(&mut kind, word(part)),
            Some("path") => set(&mut path, word(part)),
            Some("name") => set(&mut name, word(part)),
            Some("value") => set(&mut value, Some(given(part)?)),
            Some("index") => set(&mut index, Some(number(part)?)),
            Some("source") => set(&mut source, Some(number(part)?)),
            Some("destination") => set(&mut destination, Some(number(part)?)),
            _ => return Err(unread("a part is none that an operation has")),
        };
        if twice {
            return Err(unread("a part stands twice in an operation"));
        }
    }
    let kind = kind.ok_or_else(|| unread("an operation has no `type`"))?;
    let path = path.ok_or_else(|| unread("an operation has no `path`"))?;
    Ok(Operation { kind, path, name, value, index, source, destination })
}

/// Fills a place; true when it was full.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let was = place.is_some();
    *place = value;
    was
}

/// The `value[x]` of a part, whatever its type.
fn value_of(part: Node<'_>) -> Option<Node<'_>> {
    part.members().find(|(name, _)| name.starts_with("value")).map(|(_, node)| node)
}

/// Reads what a part gives. Recursion is bounded by the depth of documents.
fn given(part: Node<'_>) -> Result<Given<'_>, Fault> {
    let parts = part.get("part").filter(|parts| !parts.is_empty());
    let resource = part.get("resource");
    let mut typed: Option<(&'static str, Option<Node<'_>>, Option<Node<'_>>)> = None;
    for (name, node) in part.members() {
        let (plain, is_shadow) = name.strip_prefix('_').map_or((name, false), |n| (n, true));
        if !plain.starts_with("value") {
            continue;
        }
        let Some((_, ty)) = tables::resolve("Parameters.parameter", plain) else {
            return Err(unread("`value` is of no type that a parameter may have"));
        };
        let (_, value, shadow) = typed.get_or_insert((ty, None, None));
        *(if is_shadow { shadow } else { value }) = Some(node);
        if typed.is_some_and(|(first, ..)| first != ty) {
            return Err(unread("`value` is given twice"));
        }
    }
    match (typed, resource, parts) {
        (Some((ty, value, shadow)), None, None) => Ok(Given::Typed(ty, value, shadow)),
        (None, Some(resource), None) => Ok(Given::Resource(resource)),
        (None, None, Some(parts)) => {
            let mut all = Vec::new();
            for part in parts.each() {
                let name = part.get("name").and_then(|name| name.string());
                let name = name.ok_or_else(|| unread("a part of a value has no name"))?;
                all.push((name, given(part)?));
            }
            Ok(Given::Parts(all))
        }
        (None, None, None) => Err(unread("`value` is empty")),
        _ => Err(unread("`value` is given twice")),
    }
}

impl Given<'_> {
    /// The JSON of the value as an element, and the JSON name it has there.
    fn fit(&self, element: &'static Element) -> Result<(String, Piece), Fault> {
        let misfit = || fault(W2783, "the element cannot be of the type of `value`");
        match self {
            Self::Typed(ty, value, shadow) => {
                let target = fitting(element, ty).ok_or_else(misfit)?;
                let value = value.map(|node| written(node, target)).transpose()?;
                let shadow = shadow.map(|node| json(node));
                Ok((element.member(target), Piece { value, shadow }))
            }
            Self::Resource(resource) => {
                if !element.types.contains(&"Resource") {
                    return Err(misfit());
                }
                Ok((
                    element.member("Resource"),
                    Piece { value: Some(json(*resource)), shadow: None },
                ))
            }
            Self::Parts(parts) => {
                let [ty] = element.types else {
                    return match element.content_ref {
                        Some(path) => object(path, parts).map(|piece| (element.member(""), piece)),
                        None => Err(misfit()),
                    };
                };
                if tables::is_primitive(ty) || *ty == "Resource" {
                    return Err(misfit());
                }
                Ok((element.member(ty), object(element.inside(ty), parts)?))
            }
        }
    }
}

/// The type of an element that a value of a type may stand for.
fn fitting(element: &'static Element, ty: &str) -> Option<&'static str> {
    if let Some(same) = element.types.iter().find(|known| **known == ty) {
        return Some(same);
    }
    let [only] = element.types else { return None };
    let primitives = tables::is_primitive(only) && tables::is_primitive(ty);
    let made = tables::is_a(ty, only) || tables::is_a(only, ty);
    let open = matches!(*only, "BackboneElement" | "Element");
    (primitives || (made && !open)).then_some(*only)
}

fn json(node: Node<'_>) -> String {
    String::from_utf8_lossy(&node.json()).into_owned()
}

/// The JSON of a value; a primitive as its target has it.
fn written(node: Node<'_>, target: &str) -> Result<String, Fault> {
    let Some(primitive) = Primitive::of(target) else {
        if node.kind() == NodeKind::Object {
            return Ok(json(node));
        }
        return Err(fault(W2783, "`value` has the wrong JSON type"));
    };
    let text = node.text().filter(|text| primitive.accepts(text));
    let text = text.ok_or_else(|| fault(W2783, "`value` does not have the form of the type"))?;
    if primitive.is_number() || primitive == Primitive::Boolean {
        return Ok(text.into_owned());
    }
    Ok(quoted(&text))
}

fn quoted(text: &str) -> String {
    let mut out = super::super::Builder::new();
    out.string(text);
    String::from_utf8_lossy(&out.finish().to_json()).into_owned()
}

/// An object made of parts, members in the order in which they first come.
fn object(within: &str, parts: &[(Cow<'_, str>, Given<'_>)]) -> Result<Piece, Fault> {
    let mut members: Vec<(String, bool, Vec<Piece>)> = Vec::new();
    for (name, given) in parts {
        let element = element_of(within, name)?;
        let (member, piece) = given.fit(element)?;
        match members.iter_mut().find(|(known, ..)| *known == member) {
            Some((_, true, pieces)) => pieces.push(piece),
            Some(_) => return Err(fault(W2783, "a part stands twice, but the element is no list")),
            None => members.push((member, element.is_list(), vec![piece])),
        }
    }
    let mut out: Vec<String> = Vec::new();
    for (name, is_list, pieces) in members {
        let (values, shadows): (Vec<_>, Vec<_>) =
            pieces.into_iter().map(|piece| (piece.value, piece.shadow)).unzip();
        let text = |items: Vec<Option<String>>| {
            if is_list { elements::array(&items) } else { items.into_iter().next().flatten() }
        };
        let mut member = |name: String, text: Option<String>| {
            out.extend(text.map(|text| format!("{}:{text}", quoted(&name))));
        };
        member(name.clone(), text(values));
        member(format!("_{name}"), text(shadows));
    }
    if out.is_empty() {
        return Err(unread("`value` is empty"));
    }
    Ok(Piece { value: Some(format!("{{{}}}", out.join(","))), shadow: None })
}

/// The element of a name, be it that of the specification or that of JSON.
fn element_of(within: &str, name: &str) -> Result<&'static Element, Fault> {
    let children = tables::children(within).unwrap_or_default();
    let found = children.iter().find(|element| element.name() == name);
    found
        .or_else(|| tables::resolve(within, name).map(|(element, _)| element))
        .ok_or_else(|| fault(W2783, "the element has no child of that name"))
}

struct Patched {
    doc: Doc,
    /// Steps of all paths together.
    steps: u64,
    budget: Budget,
}

impl Patched {
    fn run(&mut self, operation: &Operation<'_>) -> Result<(), Fault> {
        let value = || {
            let missing = || unread("an operation has no `value`");
            operation.value.as_ref().ok_or_else(missing)
        };
        let count = |number: Option<usize>| {
            number.ok_or_else(|| unread("an operation has no `index`, `source` or `destination`"))
        };
        match &*operation.kind {
            "add" => {
                let name = operation.name.as_deref();
                let name = name.ok_or_else(|| unread("an operation has no `name`"))?;
                self.add(&operation.path, name, value()?)
            }
            "insert" => self.insert(&operation.path, count(operation.index)?, value()?),
            "delete" => self.delete(&operation.path),
            "replace" => self.replace(&operation.path, value()?),
            "move" => {
                let (from, to) = (count(operation.source)?, count(operation.destination)?);
                self.shift(&operation.path, from, to)
            }
            _ => Err(unread("`type` is none of add, insert, delete, replace and move")),
        }
    }

    fn select(&mut self, path: &str) -> Result<Vec<NodeId>, Fault> {
        let path =
            FhirPath::read(path).map_err(|_| Fault::new(W2780).because("`path` is no FHIRPath"))?;
        let cut = |fault: Fault| match fault.code().as_str() {
            "W2711" => Fault::new(W2785).because("its operations walk over too many elements"),
            _ => Fault::new(W2780).because("the values of the resource do not fit `path`"),
        };
        let found = path.select_counted(self.doc.root(), &mut self.steps).map_err(cut)?;
        let found = found.ok_or_else(|| fault(W2780, "`path` computes a value"))?;
        Ok(found.into_iter().map(|node| node.id()).collect())
    }

    /// The one place that a path finds.
    fn one(&mut self, path: &str) -> Result<Option<NodeId>, Fault> {
        match *self.select(path)? {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            _ => Err(fault(W2782, "`path` finds several elements")),
        }
    }

    fn there(found: Option<NodeId>) -> Result<NodeId, Fault> {
        found.ok_or_else(|| fault(W2781, "`path` finds nothing"))
    }

    fn add(&mut self, path: &str, name: &str, given: &Given<'_>) -> Result<(), Fault> {
        let found = self.one(path)?;
        let id = Self::there(found)?;
        let Some(node) = self.doc.node(id) else { return Ok(()) };
        let unknown = || fault(W2783, "R4 does not know the element that `path` finds");
        let within = elements::container(node).ok_or_else(unknown)?;
        let element = element_of(within, name)?;
        let (member, piece) = given.fit(element)?;
        if node.kind() == NodeKind::Object {
            return self.append(id, element, &member, piece);
        }
        // Id and extensions of a primitive stand beside it.
        let spot = Spot::of(node).ok_or_else(unknown)?;
        let json = self.beside(&spot, element, &member, piece)?;
        self.place(&spot, |piece| piece.shadow = Some(json))
    }

    /// The object beside a primitive with one more member.
    fn beside(
        &mut self,
        spot: &Spot,
        element: &'static Element,
        member: &str,
        piece: Piece,
    ) -> Result<String, Fault> {
        let shadow = self.doc.node(spot.holder).and_then(|n| n.get(&format!("_{}", spot.name)));
        let shadow = match spot.index {
            Some(index) => shadow.and_then(|array| array.items().nth(index)),
            None => shadow,
        };
        let shadow = shadow.filter(|node| node.kind() == NodeKind::Object);
        let text = shadow.map_or_else(|| "{}".to_owned(), json);
        self.budget.copy(text.len())?;
        let mut beside =
            Self { doc: Doc::parse_json(text.into())?, steps: 0, budget: Budget::new(0) };
        beside.append(NodeId(0), element, member, piece)?;
        Ok(json(beside.doc.root()))
    }

    /// Adds a child to an object: at the end of a list, or where nothing is yet.
    fn append(
        &mut self,
        holder: NodeId,
        element: &'static Element,
        member: &str,
        piece: Piece,
    ) -> Result<(), Fault> {
        if element.is_list() {
            let end = elements::count(&self.doc, holder, member);
            let spot = Spot { holder, name: member.to_owned(), index: Some(end) };
            return self.insert_at(&spot, end, piece);
        }
        let mut names = element.types.iter().map(|ty| element.member(ty));
        let taken = names.any(|name| elements::stands(&self.doc, holder, &name));
        if taken || elements::stands(&self.doc, holder, member) {
            return Err(fault(W2783, "the element is there already, and may be there once"));
        }
        elements::put(&mut self.doc, holder, member, &piece)
    }

    fn insert_at(&mut self, spot: &Spot, index: usize, piece: Piece) -> Result<(), Fault> {
        let (holder, name) = (spot.holder, &*spot.name);
        let simple = piece.shadow.is_none() && !elements::is_twofold(&self.doc, holder, name);
        match (elements::list(&self.doc, holder, name), &piece.value) {
            (Some(list), Some(json)) if simple => {
                self.budget.spend(index)?;
                return self.doc.insert_item(list, index, json);
            }
            _ => {}
        }
        self.pay(spot)?;
        elements::edit(&mut self.doc, holder, name, |pieces| {
            pieces.insert(index.min(pieces.len()), piece);
            Ok(())
        })
    }

    /// Pays for a list that is written anew.
    fn pay(&mut self, spot: &Spot) -> Result<(), Fault> {
        let length = |name: &str| {
            let list = elements::list(&self.doc, spot.holder, name);
            list.and_then(|list| self.doc.node(list)).map_or(0, |n| n.json().len())
        };
        // The list of values, and that of what stands beside them.
        let both = length(&spot.name) + length(&format!("_{}", spot.name));
        self.budget.copy(both)
    }

    /// Changes the element at a place, keeping that of a list.
    fn place(&mut self, spot: &Spot, change: impl FnOnce(&mut Piece)) -> Result<(), Fault> {
        let (holder, name) = (spot.holder, &*spot.name);
        if let Some(index) = spot.index {
            self.pay(spot)?;
            return elements::edit(&mut self.doc, holder, name, |pieces| {
                pieces.get_mut(index).map(change);
                Ok(())
            });
        }
        let text = |name: &str| self.doc.node(holder).and_then(|n| n.get(name)).map(json);
        let mut piece = Piece { value: text(name), shadow: text(&format!("_{name}")) };
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.budget.copy(length(&piece.value) + length(&piece.shadow))?;
        change(&mut piece);
        elements::put(&mut self.doc, holder, name, &piece)
    }

    fn spot(&self, id: NodeId) -> Result<Spot, Fault> {
        let spot = self.doc.node(id).and_then(Spot::of);
        spot.ok_or_else(|| {
            fault(W2783, "`path` finds the resource itself, not one of its elements")
        })
    }

    /// The element that stands at a place, by the tables.
    fn element(&self, spot: &Spot) -> Result<&'static Element, Fault> {
        let holder = self.doc.node(spot.holder);
        let within = holder.and_then(elements::container);
        let found = within.and_then(|within| tables::resolve(within, &spot.name));
        let unknown = || fault(W2783, "R4 does not know the element that `path` finds");
        found.map(|(element, _)| element).ok_or_else(unknown)
    }

    /// The list whose elements, all of them, a path finds; and how many they are.
    fn whole(&mut self, path: &str) -> Result<(Spot, usize), Fault> {
        let found = self.select(path)?;
        let first = found.first().copied();
        let spot = self.spot(Self::there(first)?)?;
        let no_list = || fault(W2783, "`path` finds no list");
        if spot.index.is_none() {
            return Err(no_list());
        }
        let count = elements::count(&self.doc, spot.holder, &spot.name);
        let parent = |id: NodeId| self.doc.node(id).and_then(|n| n.parent()).map(|n| n.id());
        let holder = |id: NodeId| parent(id).and_then(parent);
        if found.iter().any(|id| holder(*id) != Some(spot.holder)) || found.len() != count {
            return Err(fault(W2782, "`path` finds elements of several lists, or some of one"));
        }
        self.budget.spend(count)?;
        Ok((spot, count))
    }

    fn insert(&mut self, path: &str, index: usize, given: &Given<'_>) -> Result<(), Fault> {
        let (spot, count) = self.whole(path)?;
        if index > count {
            return Err(fault(W2781, "the list has no such place to insert at"));
        }
        let (_, piece) = given.fit(self.element(&spot)?)?;
        self.insert_at(&spot, index, piece)
    }

    fn delete(&mut self, path: &str) -> Result<(), Fault> {
        let Some(id) = self.one(path)? else { return Ok(()) };
        let spot = self.spot(id)?;
        let (holder, name) = (spot.holder, &*spot.name);
        match spot.index {
            Some(_) if !elements::is_twofold(&self.doc, holder, name) => {
                return self.doc.remove_with_empty(id);
            }
            Some(index) => {
                self.pay(&spot)?;
                elements::edit(&mut self.doc, holder, name, |pieces| {
                    if index < pieces.len() {
                        pieces.remove(index);
                    }
                    Ok(())
                })?;
            }
            None => elements::put(&mut self.doc, holder, name, &Piece::default())?,
        }
        elements::prune(&mut self.doc, holder)
    }

    fn replace(&mut self, path: &str, given: &Given<'_>) -> Result<(), Fault> {
        let found = self.one(path)?;
        let id = Self::there(found)?;
        let spot = self.spot(id)?;
        let (member, new) = given.fit(self.element(&spot)?)?;
        let simple = new.shadow.is_none() && spot.index.is_some();
        if let (Some(json), true) = (&new.value, simple)
            && !elements::is_twofold(&self.doc, spot.holder, &spot.name)
        {
            return self.doc.set_json(id, json);
        }
        if member != spot.name {
            elements::put(&mut self.doc, spot.holder, &spot.name, &Piece::default())?;
            return elements::put(&mut self.doc, spot.holder, &member, &new);
        }
        self.place(&spot, |piece| *piece = new)
    }

    fn shift(&mut self, path: &str, from: usize, to: usize) -> Result<(), Fault> {
        let (spot, count) = self.whole(path)?;
        if from >= count || to >= count {
            return Err(fault(W2781, "the list has no such place to move from or to"));
        }
        self.pay(&spot)?;
        elements::edit(&mut self.doc, spot.holder, &spot.name, |pieces| {
            let piece = pieces.remove(from);
            pieces.insert(to, piece);
            Ok(())
        })
    }
}
