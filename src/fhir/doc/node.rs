//! One node of a document, looked at.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use super::{DIRTY, ESCAPED, NONE, NodeId, NodeKind, Raw, Tree, edit, text};

/// A value in a document: cheap to copy, valid as long as the document is not edited.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    tree: &'d Tree,
    raw: &'d Raw,
    id: u32,
}

/// Stands in for a root that is missing, which the reader makes impossible.
static NOTHING: Raw = Raw {
    start: 0,
    end: 0,
    name: NONE,
    next: NONE,
    parent: NONE,
    first: NONE,
    name_len: 0,
    kind: NodeKind::Null,
    flags: 0,
};

impl<'d> Node<'d> {
    pub(super) fn of(tree: &'d Tree, id: u32) -> Self {
        Self { tree, raw: tree.raw(id).unwrap_or(&NOTHING), id }
    }

    pub(super) fn raw(&self) -> &'d Raw {
        self.raw
    }

    /// Its number, for edits.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.id)
    }

    /// Its JSON type.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.raw.kind
    }

    /// The first member of that name. A second one, which FHIR forbids but a peer may
    /// send, is seen by [`Node::members`] only.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Node<'d>> {
        let tree = self.tree;
        self.children().find(|node| node.is_named(name.as_bytes())).map(|n| Node::of(tree, n.id))
    }

    /// The members of an object in the order of the text; nothing for other kinds.
    #[must_use]
    pub fn members(&self) -> Members<'d> {
        let object = self.raw.kind == NodeKind::Object;
        Members(Children { tree: self.tree, next: if object { self.raw.first } else { NONE } })
    }

    /// The items of an array; nothing for other kinds.
    #[must_use]
    pub fn items(&self) -> Items<'d> {
        let array = self.raw.kind == NodeKind::Array;
        Items(Children { tree: self.tree, next: if array { self.raw.first } else { NONE } })
    }

    /// The items of an array, or the node itself when it is none.
    pub fn each(self) -> impl Iterator<Item = Node<'d>> {
        let single = (self.raw.kind != NodeKind::Array).then_some(self);
        self.items().chain(single)
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = Node<'d>> + use<'d> {
        Children { tree: self.tree, next: self.raw.first }
    }

    /// Whether it is an object or array without content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.raw.kind, NodeKind::Object | NodeKind::Array)
            && self.children().next().is_none()
    }

    /// What a string says, number and Boolean as written; nothing for objects, arrays and
    /// null. Copies only strings with escapes.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'d, str>> {
        match self.raw.kind {
            NodeKind::String => {
                let (start, end) = (self.raw.start + 1, self.raw.end.saturating_sub(1));
                let inside = self.tree.slice(start, end);
                Some(if self.raw.flags & ESCAPED == 0 {
                    Cow::Borrowed(std::str::from_utf8(inside).unwrap_or_default())
                } else {
                    text::unescape(inside)
                })
            }
            NodeKind::Number | NodeKind::Bool => Some(Cow::Borrowed(self.written())),
            NodeKind::Object | NodeKind::Array | NodeKind::Null => None,
        }
    }

    /// What a string says; nothing for all other kinds.
    #[must_use]
    pub fn string(&self) -> Option<Cow<'d, str>> {
        if self.raw.kind == NodeKind::String { self.text() } else { None }
    }

    /// The text of a number as it was written, such as `7.10`; nothing for other kinds.
    #[must_use]
    pub fn number(&self) -> Option<&'d str> {
        (self.raw.kind == NodeKind::Number).then(|| self.written())
    }

    /// The value of a Boolean.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        (self.raw.kind == NodeKind::Bool).then(|| self.written() == "true")
    }

    fn written(&self) -> &'d str {
        let bytes = self.tree.slice(self.raw.start, self.raw.end);
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Its JSON text, edits included.
    #[must_use]
    pub fn json(&self) -> Cow<'d, [u8]> {
        if self.raw.flags & DIRTY == 0 {
            return Cow::Borrowed(self.tree.slice(self.raw.start, self.raw.end));
        }
        let mut out = Vec::new();
        edit::render(self.tree, self.id, &mut out);
        Cow::Owned(out)
    }

    /// The name of the member it is the value of; nothing for array items and the root.
    #[must_use]
    pub fn name(&self) -> Option<&'d str> {
        (self.raw.name != NONE).then(|| std::str::from_utf8(self.name_bytes()).unwrap_or_default())
    }

    fn name_bytes(&self) -> &'d [u8] {
        let end = self.raw.name.saturating_add(u32::from(self.raw.name_len));
        self.tree.slice(self.raw.name, end)
    }

    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.raw.name != NONE
            && usize::from(self.raw.name_len) == name.len()
            && self.name_bytes() == name
    }

    /// The object or array that holds it; nothing for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Node<'d>> {
        let tree = self.tree;
        (self.raw.parent != NONE).then(|| Node::of(tree, self.raw.parent))
    }

    /// Its place in the array that holds it, from 0; nothing outside of arrays.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.parent()?.items().position(|item| item.id == self.id)
    }

    /// The type of the resource that starts here, as it says of itself.
    #[must_use]
    pub fn resource_type(&self) -> Option<Cow<'d, str>> {
        self.get("resourceType")?.string()
    }

    /// The outermost node of the document.
    #[must_use]
    pub fn root(&self) -> Node<'d> {
        Node::of(self.tree, 0)
    }

    /// Where it stands, such as `Bundle.entry[0].resource.gender`; arrays without index.
    ///
    /// Only element-like names are shown: a peer may have put anything into the others.
    #[must_use]
    pub fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = *self;
        while let Some(parent) = at.parent() {
            steps.push(at);
            at = parent;
        }
        let root = at.resource_type();
        let mut out = match root.as_deref() {
            Some(name) if super::super::tables::is_resource(name) => name.to_owned(),
            _ => "$this".to_owned(),
        };
        for step in steps.iter().rev() {
            let _ = match (step.name(), step.index()) {
                (Some(name), _) => write!(out, ".{}", shown(name)),
                (None, index) => write!(out, "[{}]", index.unwrap_or_default()),
            };
        }
        out
    }

    /// First byte in the text as it was read; nothing for edits.
    pub(in crate::fhir) fn offset(&self) -> Option<usize> {
        let start = self.raw.start as usize;
        if start >= self.tree.text.len() {
            return None;
        }
        let Some(source) = &self.tree.source else { return Some(start) };
        source.places.get(self.id as usize).map(|place| *place as usize)
    }

    /// Line and column in the text as it was read, both from 1; nothing for edits.
    #[must_use]
    pub fn line_column(&self) -> Option<(u32, u32)> {
        let text = self.tree.source.as_ref().map_or(&self.tree.text, |source| &source.text);
        let text = std::str::from_utf8(text).ok()?;
        let start = self.offset()?;
        let found = crate::fault::FilePlace::find("", text, start..start);
        Some((found.line, found.column))
    }
}

/// A name as it may be shown: `?` unless it looks like the name of an element.
pub(in crate::fhir) fn shown(name: &str) -> &str {
    let fits = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits && !name.is_empty() { name } else { "?" }
}

/// Shows kind and number only: the content is patient data.
impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}(<phi>)", self.raw.kind, self.id)
    }
}

/// The same place of the same document.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.tree, other.tree)
    }
}

impl Eq for Node<'_> {}

#[derive(Clone)]
struct Children<'d> {
    tree: &'d Tree,
    next: u32,
}

impl<'d> Iterator for Children<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        let id = self.tree.live(self.next)?;
        let node = Node::of(self.tree, id);
        self.next = node.raw.next;
        Some(node)
    }
}

/// Members of an object, in order.
#[derive(Clone)]
pub struct Members<'d>(Children<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = (&'d str, Node<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|node| (node.name().unwrap_or_default(), node))
    }
}

/// Items of an array, in order.
#[derive(Clone)]
pub struct Items<'d>(Children<'d>);

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        self.0.next()
    }
}

/// Reads the text of a test.
#[cfg(test)]
pub(crate) fn doc(text: &str) -> super::Doc {
    super::Doc::parse_json(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

#[cfg(test)]
mod tests {
    use super::super::Doc;
    use super::*;
    use crate::fault::codes::{W2700, W2701, W2702};
    use bytes::Bytes;

    #[test]
    fn nodes_are_found_and_named() {
        let doc = doc(concat!(
            r#"{"resourceType":"Bundle","entry":[{"resource":{"gender":"male","#,
            r#""n\u0061me":"M\u00fcller","n":[1.50,null,true,{},[]]}}]}"#
        ));
        let resource =
            doc.root().get("entry").unwrap().items().next().unwrap().get("resource").unwrap();
        let gender = resource.get("gender").unwrap();
        assert_eq!(gender.path(), "Bundle.entry[0].resource.gender");
        assert_eq!(gender.text().as_deref(), Some("male"));
        assert_eq!(resource.get("name").unwrap().text().as_deref(), Some("Müller"));
        let names: Vec<&str> = resource.members().map(|(name, _)| name).collect();
        assert_eq!(names, ["gender", "name", "n"]);
        let items: Vec<Node<'_>> = resource.get("n").unwrap().items().collect();
        assert_eq!(items[0].number(), Some("1.50"));
        assert_eq!(items[2].bool(), Some(true));
        assert_eq!(items[3].path(), "Bundle.entry[0].resource.n[3]");
        assert_eq!(items.iter().filter(|i| i.is_empty()).count(), 2);
        assert_eq!(doc.root().path(), "Bundle");
        assert_eq!(format!("{doc:?} {gender:?}"), "Doc(<phi> 13 nodes) String#5(<phi>)");
        assert_eq!(doc.node(gender.id()), Some(gender));
        assert!(doc.node(NodeId(99)).is_none());
    }

    #[test]
    fn names_that_are_no_element_names_stay_hidden() {
        let doc = doc(r#"{"resourceType":"Jo Doe","Jo Doe":{"x":1}}"#);
        let node = doc.root().get("Jo Doe").unwrap().get("x").unwrap();
        assert_eq!(node.path(), "$this.?.x");
    }

    #[test]
    fn text_is_kept_as_it_came() {
        for text in [
            "null",
            " {} ",
            "\u{feff}[1,2]\n",
            "{\"a\" : 1.0e5 , \"a\":\t[ ] }",
            "[1E-7,-0,0.10,\"\\/\\ud83d\\ude00\"]",
        ] {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            let doc = Doc::parse_json(bytes.clone()).unwrap();
            assert_eq!(doc.to_json(), bytes);
            assert_eq!(doc.to_json().as_ptr(), bytes.as_ptr(), "copied: {text:?}");
        }
    }

    #[test]
    fn bad_text_is_refused_with_its_place() {
        let check = |text: &str, code, expected: &str| {
            let fault = Doc::parse_json(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
            assert_eq!(fault.code(), code, "{text:?}");
            let place = fault.place().to_string();
            assert_eq!(format!("{place} {}", fault.cause().unwrap()), expected, "{text:?}");
        };
        check("", W2701, "JSON:1:1 the text ends where a value is expected");
        check("{", W2701, "JSON:1:2 expected the name of a member in quotes");
        check("[1,]", W2701, "JSON:1:4 expected a value, as after a last comma");
        check("{\"a\":1,}", W2701, "JSON:1:8 expected the name of a member in quotes");
        check("{\"a\" 1}", W2701, "JSON:1:6 expected `:` after the name of a member");
        check("{\"a\":1 \"b\":2}", W2701, "JSON:1:8 expected `,` or `}`");
        check("[1}", W2701, "JSON:1:3 expected `,` or `]`");
        check("[1\n, 2 3]", W2701, "JSON:2:5 expected `,` or `]`");
        check("1 2", W2701, "JSON:1:3 text goes on after the end of the value");
        check("01", W2701, "JSON:1:2 text goes on after the end of the value");
        check("+1", W2701, "JSON:1:1 expected a value");
        check("[.5]", W2701, "JSON:1:2 expected a value");
        check("nul", W2701, "JSON:1:1 expected a value");
        check("NaN", W2701, "JSON:1:1 expected a value");
        check("'a'", W2701, "JSON:1:1 expected a value");
        check("\"a", W2701, "JSON:1:3 the text ends inside a string");
        check("\"é\\x\"", W2701, "JSON:1:3 a backslash starts no escape sequence of JSON");
        check("\"\\ud800\"", W2701, "JSON:1:2 half of a surrogate pair stands alone");
        check("\"a\tb\"", W2701, "JSON:1:3 a control character stands in a string unescaped");
        check("[1, // no\n2]", W2701, "JSON:1:5 expected a value");
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        check(&deep(65), W2702, "JSON:1:65 containers are nested deeper than 64 levels");
        check(&"[".repeat(100_000), W2702, "JSON:1:65 containers are nested deeper than 64 levels");
        assert!(Doc::parse_json(Bytes::from(deep(64))).is_ok());
        let fault = Doc::parse_json(Bytes::from_static(b"\"\xc3(\"")).unwrap_err();
        assert_eq!((fault.code(), fault.place().to_string()), (W2700, "JSON:1:2".to_owned()));
    }
}
