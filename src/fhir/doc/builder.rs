//! Writes a new document from its first byte to its last.

use std::sync::Arc;

use bytes::Bytes;

use super::xml::Source;
use super::{COOKED, Doc, ESCAPED, NONE, Node, NodeKind, Raw, Tree, text};
use crate::base::limits::DEPTH_MAX;

/// Deepest nesting that is written: what a reader takes, and the levels of a Bundle around it.
const BUILT_DEPTH_MAX: usize = DEPTH_MAX + 8;

/// Builds a document in writing order; text and nodes at once, so nothing is parsed.
///
/// Objects and arrays that stay empty are taken back with their name, as FHIR demands,
/// but for the root. Calls that make no sense (a value without a name in an object, a
/// name in an array, a second root) write nothing. Nothing is cut off in silence: what is a
/// few levels deeper than [`DEPTH_MAX`] is written whole, for its reader to refuse
/// (`W2702`); what is deeper still comes out as `null`, which nobody takes for a resource.
#[derive(Default)]
pub struct Builder {
    out: Vec<u8>,
    /// Names that needed escapes, as they read.
    cooked: Vec<(u32, String)>,
    nodes: Vec<Raw>,
    open: Vec<Open>,
    /// Name that waits for its value.
    name: Option<Name>,
    /// Containers that write nothing and are not closed yet.
    skipped: usize,
    /// Whether something was nested deeper than is written.
    too_deep: bool,
    /// Place in another text that the next value was read from.
    place: Option<u32>,
    /// Such places by the number of the node.
    places: Vec<u32>,
}

struct Open {
    id: u32,
    /// Last child so far.
    last: u32,
    /// Where the container's own name or comma begins, to take it back.
    mark: usize,
    /// The sibling before it.
    before: u32,
}

struct Name {
    mark: usize,
    start: u32,
    len: u16,
    cooked: Option<String>,
}

impl Builder {
    /// Starts an empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts an object.
    pub fn start_object(&mut self) -> &mut Self {
        self.start(NodeKind::Object, b'{')
    }

    /// Ends the object begun last.
    pub fn end_object(&mut self) -> &mut Self {
        self.end(b'}')
    }

    /// Starts an array.
    pub fn start_array(&mut self) -> &mut Self {
        self.start(NodeKind::Array, b'[')
    }

    /// Ends the array begun last.
    pub fn end_array(&mut self) -> &mut Self {
        self.end(b']')
    }

    /// Writes the name of the next member; a name that gets no value is taken back.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.unname();
        let Some(open) = self.open.last().filter(|_| self.skipped == 0) else { return self };
        let object = self.nodes.get(open.id as usize).is_some_and(|n| n.kind == NodeKind::Object);
        let Ok(len) = u16::try_from(name.len()) else { return self };
        if object {
            let mark = self.out.len();
            if open.last != NONE {
                self.out.push(b',');
            }
            let start = offset(self.out.len() + 1);
            let cooked = text::quote(name, &mut self.out).then(|| name.to_owned());
            self.out.push(b':');
            self.name = Some(Name { mark, start, len, cooked });
        }
        self
    }

    /// Writes a string value.
    pub fn string(&mut self, text: &str) -> &mut Self {
        if let Some(id) = self.value(NodeKind::String) {
            let escaped = text::quote(text, &mut self.out);
            self.seal(id, if escaped { ESCAPED } else { 0 });
        }
        self
    }

    /// Writes a number as it shall stand, such as `7.10`. What is no number of JSON is
    /// written as a string, which the check of structure then finds.
    pub fn number(&mut self, text: &str) -> &mut Self {
        if text::number(text.as_bytes()) != Ok(text.len()) {
            return self.string(text);
        }
        self.word(NodeKind::Number, text)
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.word(NodeKind::Bool, if value { "true" } else { "false" })
    }

    /// Writes `null`, which FHIR allows only to fill places in arrays of primitives.
    pub fn null(&mut self) -> &mut Self {
        self.word(NodeKind::Null, "null")
    }

    /// Writes a member with a string value.
    pub fn member(&mut self, name: &str, text: &str) -> &mut Self {
        self.name(name).string(text)
    }

    /// Copies a value of another document.
    pub fn node(&mut self, node: Node<'_>) -> &mut Self {
        match node.kind() {
            NodeKind::Object => {
                self.start_object();
                for (name, value) in node.members() {
                    self.name(name).node(value);
                }
                self.end_object()
            }
            NodeKind::Array => {
                self.start_array();
                for item in node.items() {
                    self.node(item);
                }
                self.end_array()
            }
            NodeKind::String => self.string(&node.text().unwrap_or_default()),
            NodeKind::Number => self.word(NodeKind::Number, node.number().unwrap_or("0")),
            NodeKind::Bool => self.bool(node.bool().unwrap_or_default()),
            NodeKind::Null => self.null(),
        }
    }

    /// Ends what is open and gives the document; `null` when nothing was written.
    #[must_use]
    pub fn finish(mut self) -> Doc {
        if self.too_deep {
            self = Self::default();
        }
        self.unname();
        self.skipped = 0;
        while let Some(open) = self.open.last() {
            let object = self.nodes.get(open.id as usize).map(|n| n.kind == NodeKind::Object);
            self.end(if object == Some(true) { b'}' } else { b']' });
        }
        if self.nodes.is_empty() {
            self.null();
        }
        let mut added = Vec::new();
        for (id, name) in self.cooked {
            if let Some(raw) = self.nodes.get_mut(id as usize) {
                raw.name = offset(self.out.len() + added.len());
                raw.flags |= COOKED;
                added.extend_from_slice(name.as_bytes());
            }
        }
        Doc(Arc::new(Tree { text: Bytes::from(self.out), added, nodes: self.nodes, source: None }))
    }

    /// Says where in another text the values that follow were read.
    pub(super) fn set_place(&mut self, place: u32) {
        self.place = Some(place);
    }

    /// As [`Builder::finish`], for a document that was read from another form, given the
    /// place of each node there.
    pub(super) fn finish_from(mut self, source: impl FnOnce(Vec<u32>) -> Source) -> Doc {
        let places = std::mem::take(&mut self.places);
        let mut doc = self.finish();
        if let Some(tree) = Arc::get_mut(&mut doc.0) {
            tree.source = Some(Arc::new(source(places)));
        }
        doc
    }

    /// Takes back a name that waits for a value.
    fn unname(&mut self) {
        if let Some(name) = self.name.take() {
            self.out.truncate(name.mark);
        }
    }

    /// Begins a value: its node, after a comma where one is needed. None where no value
    /// may stand.
    fn value(&mut self, kind: NodeKind) -> Option<u32> {
        if self.skipped > 0 {
            return None;
        }
        let name = self.name.take();
        let id = offset(self.nodes.len());
        let mut raw = Raw {
            start: 0,
            end: 0,
            name: NONE,
            next: NONE,
            parent: NONE,
            first: NONE,
            name_len: 0,
            kind,
            flags: 0,
        };
        if let Some(open) = self.open.last_mut() {
            let parent = self.nodes.get_mut(open.id as usize)?;
            match name {
                Some(name) => {
                    (raw.name, raw.name_len) = (name.start, name.len);
                    if let Some(text) = name.cooked {
                        self.cooked.push((id, text));
                    }
                }
                None if parent.kind == NodeKind::Object => return None,
                None if open.last != NONE => self.out.push(b','),
                None => {}
            }
            raw.parent = open.id;
            if open.last == NONE {
                parent.first = id;
            } else if let Some(last) = self.nodes.get_mut(open.last as usize) {
                last.next = id;
            }
            open.last = id;
        } else if !self.nodes.is_empty() {
            return None;
        }
        raw.start = offset(self.out.len());
        self.nodes.push(raw);
        if let Some(place) = self.place {
            self.places.resize(id as usize, place);
            self.places.push(place);
        }
        Some(id)
    }

    fn seal(&mut self, id: u32, flags: u8) {
        let end = offset(self.out.len());
        if let Some(raw) = self.nodes.get_mut(id as usize) {
            raw.end = end;
            raw.flags |= flags;
        }
    }

    fn word(&mut self, kind: NodeKind, word: &str) -> &mut Self {
        if let Some(id) = self.value(kind) {
            self.out.extend_from_slice(word.as_bytes());
            self.seal(id, 0);
        }
        self
    }

    fn start(&mut self, kind: NodeKind, bracket: u8) -> &mut Self {
        let mark = self.name.as_ref().map_or(self.out.len(), |name| name.mark);
        let before = self.open.last().map_or(NONE, |open| open.last);
        let fits = self.open.len() < BUILT_DEPTH_MAX;
        self.too_deep |= !fits;
        match if fits { self.value(kind) } else { None } {
            Some(id) => {
                self.out.push(bracket);
                self.open.push(Open { id, last: NONE, mark, before });
            }
            None => {
                self.unname();
                self.skipped += 1;
            }
        }
        self
    }

    fn end(&mut self, bracket: u8) -> &mut Self {
        self.unname();
        if self.skipped > 0 {
            self.skipped -= 1;
            return self;
        }
        let Some(open) = self.open.pop() else { return self };
        if open.last == NONE && !self.open.is_empty() {
            return self.take_back(&open);
        }
        self.out.push(bracket);
        self.seal(open.id, 0);
        self
    }

    /// Unwrites an empty container.
    fn take_back(&mut self, open: &Open) -> &mut Self {
        self.out.truncate(open.mark);
        self.nodes.truncate(open.id as usize);
        self.places.truncate(open.id as usize);
        self.cooked.retain(|(id, _)| *id < open.id);
        if let Some(outer) = self.open.last_mut() {
            outer.last = open.before;
            if let Some(before) = self.nodes.get_mut(open.before as usize) {
                before.next = NONE;
            } else if let Some(parent) = self.nodes.get_mut(outer.id as usize) {
                parent.first = NONE;
            }
        }
        self
    }
}

/// Offsets fit: what a mapping writes is bounded far below [`super::DOC_BYTES_MAX`].
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, build: impl Fn(&mut Builder)) {
        let mut builder = Builder::new();
        build(&mut builder);
        let built = builder.finish();
        assert_eq!(built.to_json(), expected);
        // The nodes say what the text says.
        let read = Doc::parse_json(built.to_json()).unwrap();
        let nodes = |doc: &Doc| -> Vec<_> {
            let all = (0..doc.0.nodes.len()).map(|id| Node::of(&doc.0, id as u32));
            all.map(|n| {
                let place = (n.name().map(str::to_owned), n.kind(), n.json().into_owned());
                (place, n.text().map(|t| t.into_owned()), n.parent().map(|p| p.id()), n.index())
            })
            .collect()
        };
        assert_eq!(nodes(&built), nodes(&read));
    }

    #[test]
    fn writes_in_order() {
        check(r#"{"resourceType":"Bundle","entry":[{"n":7.10},true,"\"\n"],"a\"b":null}"#, |b| {
            b.start_object().member("resourceType", "Bundle").name("entry").start_array();
            b.start_object().name("n").number("7.10").end_object().bool(true).string("\"\n");
            b.end_array().name("a\"b").null().end_object();
        });
        check("[\"1,5\",-0.0]", |b| {
            b.start_array().number("1,5").number("-0.0").end_array();
        });
    }

    #[test]
    fn empty_containers_are_taken_back() {
        check(r#"{"a":1,"d":[2]}"#, |b| {
            b.start_object().name("x").start_array().end_array().name("a").number("1");
            b.name("b").start_object().name("c").start_array().start_object().end_object();
            b.end_array().end_object().name("d").start_array().start_array().end_array();
            b.number("2").start_object().end_object().end_array().name("e").end_object();
        });
        check("{}", |b| {
            b.start_object().end_object();
        });
    }

    #[test]
    fn nonsense_writes_nothing() {
        check("null", |_| {});
        check("{\"a\":1}", |b| {
            b.start_object().string("no name").start_array().string("x").end_array();
            b.name("gone").name("a").number("1").end_object().end_object().string("second");
        });
        check("[1]", |b| {
            b.start_array().name("in array").number("1").start_array();
        });
    }

    #[test]
    fn nothing_is_cut_off_by_its_depth() {
        let built = |depth: usize| {
            let mut deep = Builder::new();
            for _ in 0..depth {
                deep.start_array().number("1");
            }
            deep.finish().to_json()
        };
        for depth in [1, DEPTH_MAX, BUILT_DEPTH_MAX] {
            let json = built(depth);
            assert_eq!(json.iter().filter(|b| **b == b'[').count(), depth);
            assert_eq!(Doc::parse_json(json).is_ok(), depth <= DEPTH_MAX, "{depth}");
        }
        assert_eq!(built(BUILT_DEPTH_MAX + 1), "null");
    }

    #[test]
    fn nodes_of_other_documents_are_copied() {
        let from = super::super::node::doc(r#"{"a":[1.0,{"b":"\u0041","e":{}}], "c":null}"#);
        check(r#"[{"a":[1.0,{"b":"A"}],"c":null}]"#, |b| {
            b.start_array().node(from.root()).end_array();
        });
    }
}
