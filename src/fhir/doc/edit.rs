//! Edits of a document and the writing of an edited one.
//!
//! An edit touches the nodes on the way to the root and appends its text to the second
//! buffer; the text that was read is never changed. What is not on the way to an edit is
//! copied as it stands, white space included.

use std::sync::Arc;

use super::{
    COOKED, DIRTY, DOC_BYTES_MAX, Doc, ESCAPED, INSERTED, NAME_BYTES_MAX, NONE, Node, NodeId,
    NodeKind, REMOVED, REPLACED, Raw, Tree, scan, text,
};
use crate::fault::Fault;
use crate::fault::codes::{W2703, W2704};

impl Doc {
    /// Replaces a value by a string.
    ///
    /// # Errors
    /// `W2704` when the node does not exist (any more), `W2703` when edits grow too large.
    pub fn set_string(&mut self, id: NodeId, text: &str) -> Result<(), Fault> {
        let mut json = Vec::with_capacity(text.len() + 2);
        let escaped = text::quote(text, &mut json);
        let tree = open(&mut self.0, id, json.len())?;
        let start = tree.append(&json);
        let flags = if escaped { ESCAPED } else { 0 };
        let end = tree.end();
        let value =
            Raw { start, end, first: NONE, kind: NodeKind::String, flags, ..tree.copy(id.0) };
        tree.replace(id.0, value);
        Ok(())
    }

    /// Replaces a value by a JSON text.
    ///
    /// # Errors
    /// `W2701` when the text is not JSON, and as [`Doc::set_string`].
    pub fn set_json(&mut self, id: NodeId, json: &str) -> Result<(), Fault> {
        let tree = open(&mut self.0, id, json.len())?;
        let value = tree.adopt(id.0, json, tree.depth(id.0))?;
        tree.replace(id.0, value);
        Ok(())
    }

    /// Appends a member to an object.
    ///
    /// # Errors
    /// `W2704` when the node is no object or has a member of that name, else as
    /// [`Doc::set_json`].
    pub fn insert_member(&mut self, object: NodeId, name: &str, json: &str) -> Result<(), Fault> {
        let node = self.node(object).filter(|n| n.kind() == NodeKind::Object);
        let node = node.ok_or_else(|| misfit("a member needs an object to go into"))?;
        if node.get(name).is_some() {
            return Err(misfit("the object has a member of that name"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(misfit("the name of a member is longer than 65535 bytes"));
        }
        let tree = open(&mut self.0, object, json.len() + name.len() * 6)?;
        let number = u32::try_from(tree.nodes.len()).unwrap_or(NONE);
        let mut value = tree.adopt(NONE, json, tree.depth(object.0) + 1)?;
        let mut quoted = Vec::new();
        value.flags |= INSERTED;
        value.name_len = u16::try_from(name.len()).unwrap_or(u16::MAX);
        if text::quote(name, &mut quoted) {
            value.flags |= COOKED;
            value.name = tree.append(name.as_bytes());
        } else {
            quoted.push(b':');
            value.name = tree.append(&quoted) + 1;
        }
        tree.push_child(object.0, number, value);
        Ok(())
    }

    /// Appends an item to an array.
    ///
    /// # Errors
    /// `W2704` when the node is no array, else as [`Doc::set_json`].
    pub fn push_item(&mut self, array: NodeId, json: &str) -> Result<(), Fault> {
        self.node(array)
            .filter(|n| n.kind() == NodeKind::Array)
            .ok_or_else(|| misfit("an item needs an array to go into"))?;
        let tree = open(&mut self.0, array, json.len())?;
        let number = u32::try_from(tree.nodes.len()).unwrap_or(NONE);
        let mut value = tree.adopt(NONE, json, tree.depth(array.0) + 1)?;
        value.flags |= INSERTED;
        tree.push_child(array.0, number, value);
        Ok(())
    }

    /// Inserts an item into an array, in front of the one that has that place now; at its
    /// end when nothing has.
    ///
    /// # Errors
    /// `W2704` when the node is no array or has fewer items, else as [`Doc::set_json`].
    pub fn insert_item(&mut self, array: NodeId, index: usize, json: &str) -> Result<(), Fault> {
        let node = self.node(array).filter(|n| n.kind() == NodeKind::Array);
        let node = node.ok_or_else(|| misfit("an item needs an array to go into"))?;
        let Some(before) = node.items().nth(index).map(|item| item.id().0) else {
            if node.items().count() < index {
                return Err(misfit("the array is shorter than the place for the item"));
            }
            return self.push_item(array, json);
        };
        let tree = open(&mut self.0, array, json.len())?;
        let number = u32::try_from(tree.nodes.len()).unwrap_or(NONE);
        let mut value = tree.adopt(NONE, json, tree.depth(array.0) + 1)?;
        value.flags |= INSERTED;
        tree.insert_child(array.0, before, number, value);
        Ok(())
    }

    /// Removes a member with its name, or an item of an array. Its container stays, even
    /// when it is empty then, which FHIR forbids: see [`Doc::remove_with_empty`].
    ///
    /// # Errors
    /// `W2704` when the node is the root or does not exist (any more).
    pub fn remove(&mut self, id: NodeId) -> Result<(), Fault> {
        if id.0 == 0 {
            return Err(misfit("the root cannot be removed"));
        }
        let tree = open(&mut self.0, id, 0)?;
        if let Some(raw) = tree.nodes.get_mut(id.0 as usize) {
            raw.flags |= REMOVED;
        }
        tree.touch(id.0);
        Ok(())
    }

    /// Removes a node and every container that is empty without it, up to the root.
    ///
    /// # Errors
    /// As [`Doc::remove`].
    pub fn remove_with_empty(&mut self, id: NodeId) -> Result<(), Fault> {
        self.remove(id)?;
        let mut at = self.0.raw(id.0).map_or(NONE, |raw| raw.parent);
        while at != 0 && at != NONE && Node::of(&self.0, at).is_empty() {
            self.remove(NodeId(at))?;
            at = self.0.raw(at).map_or(NONE, |raw| raw.parent);
        }
        Ok(())
    }
}

fn misfit(why: &'static str) -> Fault {
    Fault::new(W2704).because(why)
}

/// Makes the tree ours to change, when the node lives and the edit fits.
fn open(tree: &mut Arc<Tree>, id: NodeId, bytes: usize) -> Result<&mut Tree, Fault> {
    if !alive(tree, id.0) {
        return Err(misfit("the node does not exist"));
    }
    if tree.added.len().saturating_add(bytes) > DOC_BYTES_MAX {
        return Err(Fault::new(W2703));
    }
    Ok(Arc::make_mut(tree))
}

/// Whether the node exists and neither it nor what holds it was removed or replaced.
pub(super) fn alive(tree: &Tree, id: u32) -> bool {
    let mut at = id;
    while let Some(raw) = tree.raw(at) {
        if raw.flags & REMOVED != 0 {
            return false;
        }
        if raw.parent == NONE {
            return at == 0;
        }
        at = raw.parent;
    }
    false
}

impl Tree {
    fn copy(&self, id: u32) -> Raw {
        *Node::of(self, id).raw()
    }

    /// Number of containers around a node.
    fn depth(&self, id: u32) -> usize {
        let parents = std::iter::successors(self.raw(id), |raw| self.raw(raw.parent));
        parents.count().saturating_sub(1)
    }

    fn end(&self) -> u32 {
        u32::try_from(self.text.len() + self.added.len()).unwrap_or(NONE)
    }

    /// Appends text to the second buffer; its offset.
    fn append(&mut self, bytes: &[u8]) -> u32 {
        let start = self.end();
        self.added.extend_from_slice(bytes);
        start
    }

    /// Reads a JSON text into the document. Children of its value get `owner` as parent,
    /// or the number of the value itself when that is none.
    fn adopt(&mut self, owner: u32, json: &str, depth: usize) -> Result<Raw, Fault> {
        let json = json.trim_matches([' ', '\t', '\r', '\n']);
        let (nodes, added) = (self.nodes.len(), self.added.len());
        let base = self.end() as usize;
        self.added.extend_from_slice(json.as_bytes());
        let cooked = scan::Cooked { base: self.text.len(), to: &mut self.added };
        let whole = 0..json.len();
        let read = scan::scan(json.as_bytes(), whole, base, &mut self.nodes, cooked, depth);
        if let Err(flaw) = read {
            self.nodes.truncate(nodes);
            self.added.truncate(added);
            return Err(flaw.fault(json.as_bytes()));
        }
        let top = u32::try_from(nodes).unwrap_or(NONE);
        let value = self.copy(top);
        if owner != NONE {
            let mut at = value.first;
            while let Some(child) = self.nodes.get_mut(at as usize) {
                child.parent = owner;
                at = child.next;
            }
        }
        Ok(value)
    }

    /// Puts a value in the place of another, whose name and neighbors it takes. What the
    /// old value held has no way to the root any more.
    fn replace(&mut self, id: u32, value: Raw) {
        let mut old = self.copy(id).first;
        while let Some(child) = self.nodes.get_mut(old as usize) {
            child.flags |= REMOVED;
            old = child.next;
        }
        if let Some(raw) = self.nodes.get_mut(id as usize) {
            let flags = raw.flags & (COOKED | INSERTED) | REPLACED | value.flags & ESCAPED;
            let (name, name_len) = (raw.name, raw.name_len);
            let (next, parent) = (raw.next, raw.parent);
            *raw = Raw { name, name_len, next, parent, flags, ..value };
        }
        self.touch(id);
    }

    /// Hangs a value that was read in under a container, as its last child.
    fn push_child(&mut self, container: u32, number: u32, value: Raw) {
        if let Some(raw) = self.nodes.get_mut(number as usize) {
            *raw = Raw { parent: container, next: NONE, ..value };
        }
        let mut at = self.copy(container).first;
        if at == NONE
            && let Some(raw) = self.nodes.get_mut(container as usize)
        {
            raw.first = number;
        }
        while let Some(raw) = self.nodes.get_mut(at as usize) {
            if raw.next == NONE {
                raw.next = number;
                break;
            }
            at = raw.next;
        }
        self.touch(number);
    }

    /// Hangs a value that was read in under a container, in front of one of its children.
    fn insert_child(&mut self, container: u32, before: u32, number: u32, value: Raw) {
        if let Some(raw) = self.nodes.get_mut(number as usize) {
            *raw = Raw { parent: container, next: before, ..value };
        }
        let mut at = self.copy(container).first;
        if at == before
            && let Some(raw) = self.nodes.get_mut(container as usize)
        {
            raw.first = number;
        }
        while let Some(raw) = self.nodes.get_mut(at as usize) {
            if raw.next == before {
                raw.next = number;
                break;
            }
            at = raw.next;
        }
        self.touch(number);
    }

    /// Marks what holds a node as changed.
    fn touch(&mut self, id: u32) {
        let mut at = self.copy(id).parent;
        while let Some(raw) = self.nodes.get_mut(at as usize) {
            raw.flags |= DIRTY;
            at = raw.parent;
        }
    }

    /// White space before an offset, in the buffer where the offset lies.
    fn space_before(&self, offset: u32) -> &[u8] {
        let base = u32::try_from(self.text.len()).unwrap_or(NONE);
        let before = self.slice(if offset >= base { base } else { 0 }, offset);
        let ink = before.iter().rposition(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
        before.get(ink.map_or(0, |at| at + 1)..).unwrap_or_default()
    }
}

/// Writes an edited document.
pub(super) fn write(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::with_capacity(tree.text.len() + tree.added.len());
    render(tree, 0, &mut out);
    out
}

/// Writes one node with its edits. Recursion is bounded by the depth of documents.
pub(super) fn render(tree: &Tree, id: u32, out: &mut Vec<u8>) {
    let node = Node::of(tree, id);
    let raw = node.raw();
    if raw.flags & DIRTY == 0 {
        out.extend_from_slice(tree.slice(raw.start, raw.end));
        return;
    }
    let object = raw.kind == NodeKind::Object;
    out.push(if object { b'{' } else { b'[' });
    let mut gap: &[u8] = &[];
    let mut empty = true;
    for child in node.children() {
        if !empty {
            out.push(b',');
        }
        empty = false;
        let own = child.raw();
        let start = if object { own.name.saturating_sub(1) } else { own.start };
        let moved = if object { COOKED | INSERTED } else { REPLACED | INSERTED };
        if own.flags & moved == 0 {
            gap = tree.space_before(start);
        }
        out.extend_from_slice(gap);
        if object {
            name(tree, own, out);
        }
        render(tree, child.id().0, out);
    }
    if !empty {
        out.extend_from_slice(tree.space_before(raw.end.saturating_sub(1)));
    }
    out.push(if object { b'}' } else { b']' });
}

/// Writes the name of a member up to its value, as it stood where it stood.
fn name(tree: &Tree, raw: &Raw, out: &mut Vec<u8>) {
    let end = raw.name.saturating_add(u32::from(raw.name_len));
    if raw.flags & COOKED != 0 {
        let name = std::str::from_utf8(tree.slice(raw.name, end)).unwrap_or_default();
        text::quote(name, out);
        out.push(b':');
        return;
    }
    out.extend_from_slice(tree.slice(raw.name.saturating_sub(1), end + 1));
    let base = u32::try_from(tree.text.len()).unwrap_or(NONE);
    let limit = if end < base { base } else { tree.end() };
    let rest = tree.slice(end, limit);
    let mut colon = false;
    for byte in rest.iter().skip(1) {
        match byte {
            b':' if !colon => colon = true,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => break,
        }
        out.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::doc;
    use super::*;
    use crate::fault::codes::{W2701, W2702};

    fn find(doc: &Doc, path: &[&str]) -> NodeId {
        let mut node = doc.root();
        for step in path {
            node = match step.parse::<usize>() {
                Ok(index) => node.items().nth(index).unwrap(),
                Err(_) => node.get(step).unwrap(),
            };
        }
        node.id()
    }

    fn check(text: &str, expected: &str, edit: impl Fn(&mut Doc)) {
        let mut edited = doc(text);
        let before = edited.clone();
        edit(&mut edited);
        let written = edited.to_json();
        assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
        assert_eq!(before.to_json(), text, "the clone stays");
        // What was written reads as what the nodes say.
        let again = Doc::parse_json(written).unwrap();
        assert_eq!(again.root().json(), edited.root().json());
    }

    #[test]
    fn values_are_replaced_in_place() {
        check(r#"{ "a" : "x", "b": [1, 2 ] }"#, r#"{ "a" : "y\"", "b": [1, 2 ] }"#, |doc| {
            doc.set_string(find(doc, &["a"]), "y\"").unwrap();
            assert_eq!(doc.root().get("a").unwrap().text().as_deref(), Some("y\""));
        });
        check(r#"{"b":[1, 2]}"#, r#"{"b":[1,{"c":[]}]}"#, |doc| {
            doc.set_json(find(doc, &["b", "1"]), " {\"c\":[]} ").unwrap();
            assert_eq!(find(doc, &["b", "1"]), find(doc, &["b", "1"]));
            doc.root().get("b").unwrap().items().nth(1).unwrap().get("c").unwrap();
        });
        check(" [1] ", "\"gone\"", |doc| doc.set_string(NodeId(0), "gone").unwrap());
        // An edit inside an edit.
        check(r#"{"a":1}"#, r#"{"a":{"b":[2,{"d":"e"}],"c":null}}"#, |doc| {
            doc.set_json(find(doc, &["a"]), r#"{"b":[2,{}]}"#).unwrap();
            doc.insert_member(find(doc, &["a"]), "c", "null").unwrap();
            doc.insert_member(find(doc, &["a", "b", "1"]), "d", "\"x\"").unwrap();
            doc.set_string(find(doc, &["a", "b", "1", "d"]), "e").unwrap();
        });
    }

    #[test]
    fn members_and_items_come_and_go() {
        check("{\n  \"a\": 1,\n  \"b\": 2\n}", "{\n  \"b\": 2,\n  \"c\":[true]\n}", |doc| {
            doc.remove(find(doc, &["a"])).unwrap();
            doc.insert_member(NodeId(0), "c", "[true]").unwrap();
        });
        check("[1,2,3]", "[3,4]", |doc| {
            doc.remove(find(doc, &["0"])).unwrap();
            doc.remove(find(doc, &["0"])).unwrap();
            doc.push_item(NodeId(0), "4").unwrap();
        });
        check("[ 1, 3 ]", "[0, 1, 2, 3, 4 ]", |doc| {
            for (index, item) in [(1, "2"), (0, "0"), (4, "4")] {
                doc.insert_item(NodeId(0), index, item).unwrap();
            }
            doc.insert_item(NodeId(0), 6, "6").unwrap_err();
        });
        check("{}", r#"{"a\"b":1,"c":2}"#, |doc| {
            doc.insert_member(NodeId(0), "a\"b", "1").unwrap();
            doc.insert_member(NodeId(0), "c", "2").unwrap();
            assert_eq!(doc.root().get("a\"b").unwrap().number(), Some("1"));
        });
        check(r#"{"\u0061":1, "b":[ ]}"#, r#"{"a":1, "b":[5 ]}"#, |doc| {
            doc.push_item(find(doc, &["b"]), "5").unwrap();
        });
        check(r#"{"a":{"b":[{"c":1}]},"d":1}"#, r#"{"d":1}"#, |doc| {
            doc.remove_with_empty(find(doc, &["a", "b", "0", "c"])).unwrap();
        });
        check(r#"{"a":1}"#, "{}", |doc| {
            doc.remove_with_empty(find(doc, &["a"])).unwrap();
        });
    }

    #[test]
    fn edits_that_do_not_fit_change_nothing() {
        let mut edited = doc(r#"{"a":{"b":1},"c":[]}"#);
        let (a, b) = (find(&edited, &["a"]), find(&edited, &["a", "b"]));
        let code = |result: Result<(), Fault>| result.unwrap_err().code();
        assert_eq!(code(edited.set_json(a, "{")), W2701);
        assert_eq!(code(edited.set_json(a, "1 2")), W2701);
        assert_eq!(code(edited.set_json(a, &("[".repeat(64) + &"]".repeat(64)))), W2702);
        assert_eq!(code(edited.insert_member(a, "b", "1")), W2704);
        assert_eq!(code(edited.insert_member(b, "x", "1")), W2704);
        assert_eq!(code(edited.push_item(a, "1")), W2704);
        assert_eq!(code(edited.remove(NodeId(0))), W2704);
        assert_eq!(code(edited.set_string(NodeId(77), "x")), W2704);
        assert_eq!(edited.to_json(), r#"{"a":{"b":1},"c":[]}"#);
        edited.remove(a).unwrap();
        assert_eq!(code(edited.set_string(b, "x")), W2704);
        assert!(edited.node(b).is_none());
        assert_eq!(edited.to_json(), r#"{"c":[]}"#);
        edited.set_string(find(&edited, &["c"]), "x").unwrap();
        assert_eq!(edited.to_json(), r#"{"c":"x"}"#);
    }
}
