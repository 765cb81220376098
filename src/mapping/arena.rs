//! The tree a rule writes before it becomes part of the bundle.
//!
//! Nodes lie flat in one vector that is used again for each resource. What a value was read
//! from is noted beside it when lineage is asked for, and costs a branch when it is not.

use std::borrow::Cow;
use std::ops::Range;

use crate::fhir::Sink;
use crate::fhir::tables::Element;

/// No node.
const NONE: u32 = u32::MAX;

/// A node by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(u32);

impl At {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct Node<'r> {
    name: &'r str,
    value: Leaf<'r>,
    next: u32,
    first: u32,
    last: u32,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaf<'r> {
    Object,
    Array,
    Text(Cow<'r, str>),
    Number(Cow<'r, str>),
    Bool(bool),
}

/// Who is shown each leaf with the path to it, if anybody.
pub(crate) type Seen<'s> = Option<&'s mut dyn FnMut(&str, At)>;

/// Where a leaf came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub node: At,
    /// Bytes of the message.
    pub range: Range<usize>,
}

/// The nodes of one resource.
#[derive(Debug, Default)]
pub(crate) struct Arena<'r> {
    nodes: Vec<Node<'r>>,
    /// Origins of leaves, in order of their nodes; kept only for lineage.
    origins: Option<Vec<Origin>>,
}

impl<'r> Arena<'r> {
    pub(crate) fn new(trace: bool) -> Self {
        Self { nodes: Vec::with_capacity(128), origins: trace.then(Vec::new) }
    }

    /// Forgets all nodes, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        if let Some(origins) = &mut self.origins {
            origins.clear();
        }
    }

    /// Number of nodes made so far; a mark to go back to.
    pub(crate) fn mark(&self) -> At {
        At(u32::try_from(self.nodes.len()).unwrap_or(NONE))
    }

    /// Forgets the nodes made since a mark; none of them may be attached to an older one.
    pub(crate) fn forget(&mut self, since: At) {
        self.nodes.truncate(since.index());
        if let Some(origins) = &mut self.origins {
            while origins.last().is_some_and(|o| o.node.0 >= since.0) {
                origins.pop();
            }
        }
    }

    pub(crate) fn add(&mut self, value: Leaf<'r>) -> At {
        let at = self.mark();
        self.nodes.push(Node { name: "", value, next: NONE, first: NONE, last: NONE });
        at
    }

    pub(crate) fn object(&mut self) -> At {
        self.add(Leaf::Object)
    }

    /// Notes where a leaf came from.
    pub(crate) fn came_from(&mut self, node: At, range: Range<usize>) {
        if let Some(origins) = &mut self.origins {
            // Nearly always the newest; a binary search finds it later.
            let at = origins.partition_point(|o| o.node.0 <= node.0);
            origins.insert(at, Origin { node, range });
        }
    }

    /// Notes where the leaves of a node came from, itself being one or their object.
    pub(crate) fn came_from_below(&mut self, node: At, range: Range<usize>) {
        if self.origins.is_none() {
            return;
        }
        match self.value(node) {
            Some(Leaf::Object | Leaf::Array) => {
                let leaf = self
                    .children(node)
                    .find(|at| !matches!(self.value(*at), None | Some(Leaf::Object | Leaf::Array)));
                if let Some(leaf) = leaf {
                    self.came_from(leaf, range);
                }
            }
            _ => self.came_from(node, range),
        }
    }

    pub(crate) fn origin(&self, node: At) -> Option<&Origin> {
        let origins = self.origins.as_ref()?;
        let at = origins.binary_search_by_key(&node.0, |o| o.node.0).ok()?;
        origins.get(at)
    }

    pub(crate) fn value(&self, at: At) -> Option<&Leaf<'r>> {
        self.nodes.get(at.index()).map(|node| &node.value)
    }

    /// Puts a node behind the last child.
    pub(crate) fn attach(&mut self, parent: At, name: &'r str, child: At) {
        let Some(last) = self.nodes.get(parent.index()).map(|node| node.last) else { return };
        if let Some(node) = self.nodes.get_mut(child.index()) {
            node.name = name;
        }
        if let Some(before) = self.nodes.get_mut(last as usize) {
            before.next = child.0;
        }
        if let Some(node) = self.nodes.get_mut(parent.index()) {
            node.last = child.0;
            if node.first == NONE {
                node.first = child.0;
            }
        }
    }

    /// Puts an item into the list member `name`, making the list where it is missing.
    pub(crate) fn push(&mut self, parent: At, name: &'r str, child: At) {
        let list = match self.get(parent, name) {
            Some(list) => list,
            None => {
                let list = self.add(Leaf::Array);
                self.attach(parent, name, list);
                list
            }
        };
        self.attach(list, "", child);
    }

    /// Attaches as list item or as the only one.
    pub(crate) fn put(&mut self, parent: At, name: &'r str, list: bool, child: At) {
        if list { self.push(parent, name, child) } else { self.attach(parent, name, child) }
    }

    /// Adds a text made by weir itself.
    pub(crate) fn say(&mut self, parent: At, name: &'r str, text: impl Into<Cow<'r, str>>) -> At {
        let node = self.add(Leaf::Text(text.into()));
        self.attach(parent, name, node);
        node
    }

    /// Sets a member in the place the specification gives it, replacing one of the name.
    pub(crate) fn set(&mut self, parent: At, order: &[Element], name: &'r str, child: At) {
        let rank = |name: &str| order.iter().position(|e| is_member(e, name));
        let wanted = rank(name).unwrap_or(usize::MAX);
        let (mut before, mut after) = (NONE, NONE);
        for at in self.children(parent).collect::<Vec<_>>() {
            let Some(node) = self.nodes.get(at.index()) else { continue };
            let place = rank(node.name).unwrap_or(usize::MAX);
            if node.name == name || (place == wanted && wanted != usize::MAX) {
                after = node.next;
                break;
            }
            if place > wanted {
                after = at.0;
                break;
            }
            before = at.0;
        }
        if let Some(node) = self.nodes.get_mut(child.index()) {
            node.name = name;
            node.next = after;
        }
        if let Some(node) = self.nodes.get_mut(before as usize) {
            node.next = child.0;
        }
        if let Some(node) = self.nodes.get_mut(parent.index()) {
            if before == NONE {
                node.first = child.0;
            }
            if after == NONE {
                node.last = child.0;
            }
        }
    }

    pub(crate) fn children(&self, at: At) -> impl Iterator<Item = At> + '_ {
        let mut next = self.nodes.get(at.index()).map_or(NONE, |node| node.first);
        std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            let at = At(next);
            next = node.next;
            Some(at)
        })
    }

    pub(crate) fn get(&self, parent: At, name: &str) -> Option<At> {
        self.children(parent).find(|at| self.name(*at) == name)
    }

    pub(crate) fn name(&self, at: At) -> &'r str {
        self.nodes.get(at.index()).map_or("", |node| node.name)
    }

    /// The text of a leaf.
    pub(crate) fn text(&self, at: At) -> Option<&str> {
        match self.value(at)? {
            Leaf::Text(text) | Leaf::Number(text) => Some(text),
            Leaf::Bool(true) => Some("true"),
            Leaf::Bool(false) => Some("false"),
            Leaf::Object | Leaf::Array => None,
        }
    }

    /// Writes a node and all below it, `see` being shown each leaf with the path to it.
    /// Gives the number of leaves.
    pub(crate) fn write<S: Sink>(&self, at: At, out: &mut S, see: &mut Seen<'_>) -> usize {
        let mut path = String::new();
        self.walk(at, out, see, &mut path, 0)
    }

    fn walk<S: Sink>(
        &self,
        at: At,
        out: &mut S,
        see: &mut Seen<'_>,
        path: &mut String,
        depth: usize,
    ) -> usize {
        // The compiler bounds targets far below this; a bound here costs nothing.
        const DEPTH_MAX: usize = 48;
        let Some(value) = self.value(at).filter(|_| depth < DEPTH_MAX) else { return 0 };
        let mut leaves = 0;
        match value {
            Leaf::Object | Leaf::Array => {
                let is_object = *value == Leaf::Object;
                if is_object {
                    out.start_object()
                } else {
                    out.start_array()
                };
                for (index, child) in self.children(at).enumerate() {
                    let length = path.len();
                    if is_object {
                        out.name(self.name(child));
                    }
                    if see.is_some() {
                        if is_object {
                            if !path.is_empty() {
                                path.push('.');
                            }
                            path.push_str(self.name(child));
                        } else {
                            path.push_str(&format!("[{index}]"));
                        }
                    }
                    leaves += self.walk(child, out, see, path, depth + 1);
                    path.truncate(length);
                }
                if is_object {
                    out.end_object()
                } else {
                    out.end_array()
                };
                return leaves;
            }
            Leaf::Text(text) => out.string(text),
            Leaf::Number(text) => out.number(text),
            Leaf::Bool(yes) => out.bool(*yes),
        };
        if let Some(see) = see {
            see(path, at);
        }
        1
    }
}

/// Whether a JSON name is a member of this element: `_birthDate`, `valueQuantity`.
fn is_member(element: &Element, name: &str) -> bool {
    let name = name.strip_prefix('_').unwrap_or(name);
    let base = element.name();
    if !element.is_choice() {
        return name == base;
    }
    name.strip_prefix(base).is_some_and(|ty| {
        element
            .types
            .iter()
            .any(|t| t.len() == ty.len() && t.get(1..) == ty.get(1..) && t.eq_ignore_ascii_case(ty))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Builder, tables};

    fn json(arena: &Arena<'_>, at: At) -> String {
        let mut out = Builder::new();
        arena.write(at, &mut out, &mut None);
        String::from_utf8(out.finish().to_json().to_vec()).unwrap()
    }

    #[test]
    fn members_set_later_stand_where_the_specification_puts_them() {
        let order = tables::children("Identifier").unwrap();
        let mut arena = Arena::new(false);
        let object = arena.object();
        arena.say(object, "system", "s");
        arena.say(object, "value", "v");
        for (name, text) in [("use", "usual"), ("value", "w"), ("period", "p")] {
            let node = arena.add(Leaf::Text(text.into()));
            arena.set(object, order, name, node);
        }
        assert_eq!(
            json(&arena, object),
            r#"{"use":"usual","system":"s","value":"w","period":"p"}"#
        );
    }

    #[test]
    fn lists_are_made_when_needed_and_marks_go_back() {
        let mut arena = Arena::new(true);
        let object = arena.object();
        let mark = arena.mark();
        let lost = arena.add(Leaf::Bool(true));
        arena.came_from(lost, 0..1);
        arena.forget(mark);
        assert!(arena.origin(lost).is_none());
        for text in ["a", "b"] {
            let item = arena.add(Leaf::Text(text.into()));
            arena.push(object, "given", item);
        }
        let mut paths = Vec::new();
        let mut out = Builder::new();
        let mut see = |path: &str, _| paths.push(path.to_owned());
        assert_eq!(arena.write(object, &mut out, &mut Some(&mut see)), 2);
        assert_eq!(paths, ["given[0]", "given[1]"]);
        assert_eq!(json(&arena, object), r#"{"given":["a","b"]}"#);
    }
}
