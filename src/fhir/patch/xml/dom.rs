//! A tree of XML that can be changed: what a selector walks over.
//!
//! Texts and attributes stay as they are written, escapes included; only names and
//! namespaces are understood. Well-formedness was checked before. An element that came from
//! a place with other namespaces declares its own when it is written.

use std::borrow::Cow;
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::fault::Fault;
use crate::fault::codes::{W2705, W2785};

/// Deepest nesting of elements, as in documents that are read.
const DEPTH_MAX: usize = 128;

/// The namespace of `xml:` names.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Number of a node in its tree; 0 is the document around the outermost element.
pub(super) type Id = usize;

/// A tree; nodes are never taken out, only unhooked.
pub(super) struct Dom {
    nodes: Vec<Node>,
}

pub(super) struct Node {
    pub parent: Id,
    pub kind: NodeKind,
}

pub(super) enum NodeKind {
    Element(Element),
    /// Text as written; sections of `CDATA` as text.
    Text(String),
    /// What stands between `<!--` and `-->`.
    Comment(String),
    /// What stands between `<?` and `?>`.
    Instruction(String),
}

#[derive(Clone)]
pub(super) struct Element {
    /// Name as written, with its prefix.
    pub name: Rc<str>,
    pub space: Rc<str>,
    /// Names and values as written, declarations of namespaces included.
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Id>,
}

impl Element {
    pub fn local(&self) -> &str {
        self.name.rsplit_once(':').map_or(&self.name, |(_, local)| local)
    }

    fn prefix(&self) -> &str {
        self.name.rsplit_once(':').map_or("", |(prefix, _)| prefix)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Prefixes with what they mean, inner ones last.
type Scope = Vec<(String, Rc<str>)>;

fn meaning(scope: &Scope, prefix: &str) -> Option<Rc<str>> {
    let found = scope.iter().rev().find(|(known, _)| known == prefix);
    found.map(|(_, uri)| Rc::clone(uri))
}

/// The prefix that an attribute declares; the empty one for `xmlns`.
pub(super) fn declared(attribute: &str) -> Option<&str> {
    let rest = attribute.strip_prefix("xmlns")?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
}

/// What a text says, freed of its escapes.
pub(super) fn plain(raw: &str) -> Cow<'_, str> {
    unescape(raw).unwrap_or(Cow::Borrowed(raw))
}

/// A text written so that it can stand in an attribute, whichever quotes it has.
pub(super) fn for_attribute(raw: &str) -> String {
    raw.replace('"', "&quot;").replace('\'', "&apos;").replace('\n', "&#10;")
}

impl Dom {
    /// Reads a text that was checked before.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let document =
            Element { name: "".into(), space: "".into(), attributes: vec![], children: vec![] };
        let mut dom = Self { nodes: vec![Node { parent: 0, kind: NodeKind::Element(document) }] };
        let (mut open, mut scope): (Id, Scope) = (0, vec![("xml".to_owned(), XML.into())]);
        let mut marks = Vec::new();
        let mut reader = Reader::from_str(text);
        loop {
            let event = reader.read_event().map_err(|_| Fault::new(W2705))?;
            match event {
                Event::Start(start) => {
                    marks.push(scope.len());
                    let element = element(&start, &mut scope)?;
                    open = dom.push(open, NodeKind::Element(element));
                }
                Event::Empty(start) => {
                    let mark = scope.len();
                    let element = element(&start, &mut scope)?;
                    dom.push(open, NodeKind::Element(element));
                    scope.truncate(mark);
                }
                Event::End(_) => {
                    scope.truncate(marks.pop().unwrap_or_default());
                    open = dom.parent(open);
                }
                Event::Text(raw) if open != 0 => dom.text(open, &raw),
                Event::CData(raw) if open != 0 => {
                    dom.text(open, &quick_xml::escape::escape(&*raw));
                }
                Event::GeneralRef(name) if open != 0 => dom.text(open, &format!("&{};", &*name)),
                Event::Comment(raw) => {
                    dom.push(open, NodeKind::Comment((*raw).to_owned()));
                }
                Event::PI(raw) => {
                    dom.push(open, NodeKind::Instruction((*raw).to_owned()));
                }
                Event::Eof => return Ok(dom),
                _ => {}
            }
        }
    }

    /// Appends text, to the text before it where there is one.
    fn text(&mut self, parent: Id, raw: &str) {
        let last = self.element(parent).and_then(|element| element.children.last().copied());
        if let Some(Node { kind: NodeKind::Text(before), .. }) =
            last.and_then(|id| self.nodes.get_mut(id))
        {
            before.push_str(raw);
        } else if !raw.is_empty() {
            self.push(parent, NodeKind::Text(raw.to_owned()));
        }
    }

    fn push(&mut self, parent: Id, kind: NodeKind) -> Id {
        let id = self.add(kind);
        let end = self.element(parent).map_or(0, |element| element.children.len());
        self.hang(parent, end, vec![id]);
        id
    }

    /// Adds a node that hangs nowhere yet.
    pub fn add(&mut self, kind: NodeKind) -> Id {
        self.nodes.push(Node { parent: 0, kind });
        self.nodes.len() - 1
    }

    /// Hangs nodes under an element, in front of its child of that place.
    pub fn hang(&mut self, parent: Id, place: usize, ids: Vec<Id>) {
        for id in &ids {
            if let Some(node) = self.nodes.get_mut(*id) {
                node.parent = parent;
            }
        }
        if let Some(element) = self.element_mut(parent) {
            let place = place.min(element.children.len());
            element.children.splice(place..place, ids);
        }
    }

    /// How many nodes an element is, itself and all below.
    pub fn size(&self, id: Id) -> usize {
        let (mut open, mut size) = (vec![id], 0);
        while let Some(id) = open.pop() {
            size += 1;
            open.extend(self.children(id));
        }
        size
    }

    /// Unhooks a node, and makes the texts before and after it one.
    pub fn unhook(&mut self, id: Id) {
        let parent = self.parent(id);
        let Some(place) = self.place(id) else { return };
        let Some(element) = self.element_mut(parent) else { return };
        element.children.remove(place);
        let before = place.checked_sub(1).and_then(|before| element.children.get(before)).copied();
        let after = element.children.get(place).copied();
        let (Some(before), Some(after)) = (before, after) else { return };
        let Some(NodeKind::Text(tail)) = self.kind(after) else { return };
        let tail = tail.clone();
        if let Some(Node { kind: NodeKind::Text(text), .. }) = self.nodes.get_mut(before) {
            text.push_str(&tail);
            if let Some(element) = self.element_mut(parent) {
                element.children.remove(place);
            }
        }
    }

    /// Copies a node of another tree with all below it, to hang nowhere yet. Recursion is
    /// bounded by the depth of documents.
    pub fn adopt(&mut self, from: &Self, id: Id) -> Id {
        let kind = match from.kind(id) {
            Some(NodeKind::Element(element)) => {
                NodeKind::Element(Element { children: Vec::new(), ..element.clone() })
            }
            Some(NodeKind::Text(text)) => NodeKind::Text(text.clone()),
            Some(NodeKind::Comment(text)) => NodeKind::Comment(text.clone()),
            Some(NodeKind::Instruction(text)) => NodeKind::Instruction(text.clone()),
            None => NodeKind::Text(String::new()),
        };
        let copy = self.add(kind);
        for (place, child) in from.children(id).iter().enumerate() {
            let child = self.adopt(from, *child);
            self.hang(copy, place, vec![child]);
        }
        copy
    }

    pub fn kind(&self, id: Id) -> Option<&NodeKind> {
        self.nodes.get(id).map(|node| &node.kind)
    }

    pub fn kind_mut(&mut self, id: Id) -> Option<&mut NodeKind> {
        self.nodes.get_mut(id).map(|node| &mut node.kind)
    }

    pub fn element(&self, id: Id) -> Option<&Element> {
        match self.kind(id) {
            Some(NodeKind::Element(element)) => Some(element),
            _ => None,
        }
    }

    pub fn element_mut(&mut self, id: Id) -> Option<&mut Element> {
        match self.kind_mut(id) {
            Some(NodeKind::Element(element)) => Some(element),
            _ => None,
        }
    }

    pub fn children(&self, id: Id) -> &[Id] {
        self.element(id).map_or(&[], |element| &element.children)
    }

    pub fn parent(&self, id: Id) -> Id {
        self.nodes.get(id).map_or(0, |node| node.parent)
    }

    /// The place of a node among the children of its parent.
    pub fn place(&self, id: Id) -> Option<usize> {
        self.children(self.parent(id)).iter().position(|child| *child == id)
    }

    /// The outermost element.
    pub fn root(&self) -> Option<Id> {
        self.children(0).iter().copied().find(|id| self.element(*id).is_some())
    }

    /// Number of elements around a node.
    pub fn depth(&self, id: Id) -> usize {
        let mut at = id;
        let mut depth = 0;
        while at != 0 && depth <= DEPTH_MAX {
            at = self.parent(at);
            depth += 1;
        }
        depth
    }

    /// Levels of elements from a node on.
    fn height(&self, id: Id) -> usize {
        let below = self.children(id).iter().map(|child| self.height(*child)).max();
        usize::from(self.element(id).is_some()) + below.unwrap_or(0)
    }

    /// Refuses a node that would stand too deep under an element.
    pub fn fits(&self, parent: Id, id: Id) -> Result<(), Fault> {
        if self.depth(parent) + self.height(id) > DEPTH_MAX {
            let cause = "elements would be nested deeper than 128 levels";
            return Err(Fault::new(W2785).because(cause));
        }
        Ok(())
    }

    /// The texts within an element, freed of their escapes.
    pub fn said(&self, id: Id) -> String {
        match self.kind(id) {
            Some(NodeKind::Text(raw)) => plain(raw).into_owned(),
            Some(NodeKind::Element(element)) => {
                element.children.iter().map(|child| self.said(*child)).collect()
            }
            _ => String::new(),
        }
    }

    /// What a prefix means at an element; none when it is not declared.
    pub fn meaning(&self, id: Id, prefix: &str) -> Option<String> {
        let mut at = id;
        loop {
            for (name, value) in &self.element(at)?.attributes {
                if declared(name) == Some(prefix) {
                    return Some(plain(value).into_owned());
                }
            }
            if at == 0 {
                return (prefix == "xml").then(|| XML.to_owned());
            }
            at = self.parent(at);
        }
    }

    /// The text of the whole tree.
    pub fn write(&self) -> String {
        let mut out = String::new();
        let mut scope: Scope = vec![("xml".to_owned(), XML.into())];
        for child in self.children(0) {
            self.write_node(*child, &mut scope, &mut out);
        }
        out
    }

    fn write_node(&self, id: Id, scope: &mut Scope, out: &mut String) {
        match self.kind(id) {
            Some(NodeKind::Element(element)) => self.write_element(element, scope, out),
            Some(NodeKind::Text(raw)) => out.push_str(raw),
            Some(NodeKind::Comment(raw)) => out.extend(["<!--", raw, "-->"]),
            Some(NodeKind::Instruction(raw)) => out.extend(["<?", raw, "?>"]),
            None => {}
        }
    }

    /// Recursion is bounded by [`Dom::fits`].
    fn write_element(&self, element: &Element, scope: &mut Scope, out: &mut String) {
        let mark = scope.len();
        out.extend(["<", &*element.name]);
        let prefix = element.prefix();
        for (name, value) in &element.attributes {
            if let Some(prefix) = declared(name) {
                scope.push((prefix.to_owned(), plain(value).into()));
            }
            let quote = if value.contains('"') { "'" } else { "\"" };
            out.extend([" ", name, "=", quote, value, quote]);
        }
        let known = meaning(scope, prefix);
        if known.as_deref().unwrap_or_default() != &*element.space {
            let colon = if prefix.is_empty() { "" } else { ":" };
            let uri = quick_xml::escape::escape(&*element.space);
            out.extend([" xmlns", colon, prefix, "=\"", &uri, "\""]);
            scope.push((prefix.to_owned(), Rc::clone(&element.space)));
        }
        if element.children.is_empty() {
            out.push_str("/>");
        } else {
            out.push('>');
            for child in &element.children {
                self.write_node(*child, scope, out);
            }
            out.extend(["</", &*element.name, ">"]);
        }
        scope.truncate(mark);
    }
}

fn element(start: &BytesStart<'_>, scope: &mut Scope) -> Result<Element, Fault> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Fault::new(W2705))?;
        let (name, value) = (attribute.key.0.to_owned(), attribute.value.into_owned());
        if let Some(prefix) = declared(&name) {
            scope.push((prefix.to_owned(), plain(&value).into()));
        }
        attributes.push((name, value));
    }
    let name: Rc<str> = start.name().0.into();
    let prefix = name.rsplit_once(':').map_or("", |(prefix, _)| prefix);
    let space = meaning(scope, prefix).unwrap_or_else(|| "".into());
    Ok(Element { name, space, attributes, children: Vec::new() })
}
