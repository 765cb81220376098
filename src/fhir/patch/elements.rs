//! Elements of FHIR in their JSON: a member and the member with `_` beside it as one.

use super::super::{Doc, Node, NodeId, NodeKind, tables};
use crate::fault::Fault;
use crate::fault::codes::W2783;

/// The JSON of one element: its value, and what stands beside a primitive.
#[derive(Clone, Default)]
pub(super) struct Piece {
    pub value: Option<String>,
    pub shadow: Option<String>,
}

impl Piece {
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.shadow.is_none()
    }
}

/// Where an element stands: in which object, under which name without `_`, and at which
/// place when it is one of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub holder: NodeId,
    pub name: String,
    pub index: Option<usize>,
}

impl Spot {
    /// The place of a node; none for the root and what stands in no object.
    pub fn of(node: Node<'_>) -> Option<Self> {
        let (member, index) = match node.name() {
            Some(_) => (node, None),
            None => (node.parent()?, Some(node.index()?)),
        };
        let name = member.name()?;
        let name = name.strip_prefix('_').unwrap_or(name).to_owned();
        Some(Self { holder: member.parent()?.id(), name, index })
    }
}

/// The name of the type or nested element that the members of a node belong to.
pub(super) fn container(node: Node<'_>) -> Option<&'static str> {
    if let Some(name) = node.resource_type() {
        return tables::type_name(&name);
    }
    let mut names = Vec::new();
    let mut at = node;
    let mut within = loop {
        names.extend(at.name());
        at = at.parent()?;
        if let Some(name) = at.resource_type() {
            break tables::type_name(&name)?;
        }
    };
    for name in names.iter().rev() {
        let (element, ty) = tables::resolve(within, name)?;
        within = if tables::is_primitive(ty) { "Element" } else { element.inside(ty) };
    }
    Some(within)
}

fn shadow(name: &str) -> String {
    format!("_{name}")
}

fn member(doc: &Doc, holder: NodeId, name: &str) -> Option<NodeId> {
    doc.node(holder)?.get(name).map(|node| node.id())
}

/// Whether an element has a value or extensions under a name.
pub(super) fn stands(doc: &Doc, holder: NodeId, name: &str) -> bool {
    member(doc, holder, name).is_some() || member(doc, holder, &shadow(name)).is_some()
}

/// How many elements a list has.
pub(super) fn count(doc: &Doc, holder: NodeId, name: &str) -> usize {
    let items = |id| doc.node(id).map_or(0, |node| node.items().count());
    let value = member(doc, holder, name).map_or(0, items);
    value.max(member(doc, holder, &shadow(name)).map_or(0, items))
}

/// Sets a member to a JSON text, or takes it away.
fn set(doc: &mut Doc, holder: NodeId, name: &str, json: Option<&str>) -> Result<(), Fault> {
    match (member(doc, holder, name), json) {
        (Some(id), Some(json)) => doc.set_json(id, json),
        (Some(id), None) => doc.remove(id),
        (None, Some(json)) => doc.insert_member(holder, name, json),
        (None, None) => Ok(()),
    }
}

/// Sets the one value of an element.
pub(super) fn put(doc: &mut Doc, holder: NodeId, name: &str, piece: &Piece) -> Result<(), Fault> {
    set(doc, holder, name, piece.value.as_deref())?;
    set(doc, holder, &shadow(name), piece.shadow.as_deref())
}

/// Takes the objects and arrays away that hold nothing, from one of them up to the root.
pub(super) fn prune(doc: &mut Doc, holder: NodeId) -> Result<(), Fault> {
    match doc.node(holder) {
        Some(node) if node.is_empty() && holder.0 != 0 => doc.remove_with_empty(holder),
        _ => Ok(()),
    }
}

/// Changes the elements of a list, both arrays together.
///
/// # Errors
/// `W2783` when the member is no list.
pub(super) fn edit(
    doc: &mut Doc,
    holder: NodeId,
    name: &str,
    change: impl FnOnce(&mut Vec<Piece>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let items = |name: &str| -> Result<Vec<Option<String>>, Fault> {
        let Some(node) = doc.node(holder).and_then(|holder| holder.get(name)) else {
            return Ok(Vec::new());
        };
        if node.kind() != NodeKind::Array {
            return Err(Fault::new(W2783).because("the element is sent as a single value, no list"));
        }
        let text = |item: Node<'_>| String::from_utf8_lossy(&item.json()).into_owned();
        let full = |item: &Node<'_>| item.kind() != NodeKind::Null;
        Ok(node.items().map(|item| Some(item).filter(full).map(text)).collect())
    };
    let (mut values, mut shadows) = (items(name)?, items(&shadow(name))?);
    let length = values.len().max(shadows.len());
    values.resize(length, None);
    shadows.resize(length, None);
    let pairs = values.into_iter().zip(shadows);
    let mut pieces = pairs.map(|(value, shadow)| Piece { value, shadow }).collect();
    change(&mut pieces)?;
    let (values, shadows): (Vec<_>, Vec<_>) =
        pieces.into_iter().filter(|p| !p.is_empty()).map(|p| (p.value, p.shadow)).unzip();
    set(doc, holder, name, array(&values).as_deref())?;
    set(doc, holder, &shadow(name), array(&shadows).as_deref())
}

/// The JSON of an array with `null` for what is missing; none when all is.
pub(super) fn array(items: &[Option<String>]) -> Option<String> {
    items.iter().any(Option::is_some).then(|| {
        let items: Vec<&str> = items.iter().map(|i| i.as_deref().unwrap_or("null")).collect();
        format!("[{}]", items.join(","))
    })
}

/// Whether anything stands beside the values of a list, so that both arrays have to change.
pub(super) fn is_twofold(doc: &Doc, holder: NodeId, name: &str) -> bool {
    member(doc, holder, &shadow(name)).is_some()
}

/// The array of the values of a list.
pub(super) fn list(doc: &Doc, holder: NodeId, name: &str) -> Option<NodeId> {
    let id = member(doc, holder, name)?;
    doc.node(id).filter(|node| node.kind() == NodeKind::Array).map(|node| node.id())
}
