//! The lossless FHIR document: flat nodes over the shared bytes of a message.
//!
//! Scalars are spans of the text, so number text, member order, unknown members and
//! duplicates are kept, and a document without edits is written by handing the same bytes
//! out again. Edits are an overlay: new text goes to a second buffer, changed containers
//! are written anew from their children, all else is copied. A tree of owned values was
//! the alternative: it costs an allocation a member and loses what it does not model.
//!
//! Invariant: `nodes[0]` is the root; every span lies in `text` followed by `added`.

mod builder;
mod edit;
mod node;
mod scan;
mod text;
mod writer;
mod xml;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::limits;
use crate::fault::codes::{W2700, W2701, W2702, W2703};
use crate::fault::{Fault, FilePlace};

pub use builder::Builder;
#[cfg(test)]
pub(crate) use node::doc;
pub(super) use node::shown;
pub use node::{Items, Members, Node};
pub use writer::{Sink, Writer};
pub(super) use xml::Flaw;

/// Largest document, text and edits each: offsets are 32 bits, and frames end here too.
pub const DOC_BYTES_MAX: usize = limits::FRAME_BYTES_MAX.0 as usize;

/// Longest name of a member in bytes: R4 names stay below 50, and the length is 16 bits.
pub const NAME_BYTES_MAX: usize = u16::MAX as usize;

/// Stands for no node and no name.
const NONE: u32 = u32::MAX;

/// Number of a node in its document. Stays valid over edits, until the node is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// The JSON type of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// `{..}`
    Object,
    /// `[..]`
    Array,
    /// `".."`
    String,
    /// A number, kept as it was written.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A FHIR document. Cheap to clone: shared until one of the clones is edited.
#[derive(Clone)]
pub struct Doc(Arc<Tree>);

/// What a document is made of.
#[derive(Clone)]
struct Tree {
    text: Bytes,
    /// Text of edits and names freed of their escapes; its offsets follow those of `text`.
    added: Vec<u8>,
    nodes: Vec<Raw>,
    /// The XML it was read from, if it was.
    source: Option<Arc<xml::Source>>,
}

/// One node. Offsets count bytes through `text` and on through `added`.
#[derive(Clone, Copy)]
struct Raw {
    start: u32,
    end: u32,
    /// First byte of the member's name inside its quotes.
    name: u32,
    next: u32,
    parent: u32,
    first: u32,
    name_len: u16,
    kind: NodeKind,
    flags: u8,
}

/// The string holds escapes.
const ESCAPED: u8 = 1;
/// The name held escapes; its span is the text freed of them.
const COOKED: u8 = 2;
/// A child was changed, so the container is written anew.
const DIRTY: u8 = 4;
/// The value was replaced.
const REPLACED: u8 = 8;
/// The node is gone.
const REMOVED: u8 = 16;
/// The node came by an edit.
const INSERTED: u8 = 32;

impl Tree {
    fn raw(&self, id: u32) -> Option<&Raw> {
        self.nodes.get(id as usize)
    }

    /// Bytes of a span, which lies in one of the two buffers.
    fn slice(&self, start: u32, end: u32) -> &[u8] {
        let base = self.text.len();
        let (start, end) = (start as usize, end as usize);
        match start.checked_sub(base) {
            None => self.text.get(start..end),
            Some(from) => self.added.get(from..end.saturating_sub(base)),
        }
        .unwrap_or_default()
    }

    /// Next child that is not removed, from `id` on.
    fn live(&self, mut id: u32) -> Option<u32> {
        while let Some(raw) = self.raw(id) {
            if raw.flags & REMOVED == 0 {
                return Some(id);
            }
            id = raw.next;
        }
        None
    }
}

impl Doc {
    /// Reads JSON text, in one pass and without copying it.
    ///
    /// A byte order mark before the text is passed over and kept.
    ///
    /// # Errors
    /// `W2700` not UTF-8, `W2701` not JSON, `W2702` nested deeper than
    /// [`limits::DEPTH_MAX`], `W2703` larger than [`DOC_BYTES_MAX`]; each with line and
    /// column, never with content.
    ///
    /// Source: RFC 8259; FHIR R4 json.html.
    pub fn parse_json(bytes: Bytes) -> Result<Self, Fault> {
        if bytes.len() > DOC_BYTES_MAX {
            return Err(Fault::new(W2703));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            place(Fault::new(W2700), valid, error.valid_up_to())
        })?;
        let mut tree = Tree {
            text: Bytes::new(),
            added: Vec::new(),
            source: None,
            // Measured on Bundles: a node every 25 to 40 bytes without white space.
            nodes: Vec::with_capacity(bytes.len() / 32 + 1),
        };
        let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let cooked = scan::Cooked { to: &mut tree.added, base: bytes.len() };
        scan::scan(&bytes, start..bytes.len(), 0, &mut tree.nodes, cooked, 0)
            .map_err(|flaw| flaw.fault(&bytes))?;
        tree.text = bytes;
        Ok(Self(Arc::new(tree)))
    }

    /// The text of the document; the very bytes it was read from when nothing was edited.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        match self.0.raw(0) {
            Some(root) if root.flags & (DIRTY | REPLACED) != 0 => Bytes::from(edit::write(&self.0)),
            _ => self.0.text.clone(),
        }
    }

    /// Reads XML text.
    ///
    /// What FHIR XML has no place for (attributes, text between elements, elements in
    /// another order) is passed over and told by [`validate`](super::validate) later;
    /// elements that R4 does not know are kept as what they look like: a text, an object,
    /// or an array of them where they are repeated.
    ///
    /// # Errors
    /// `W2700` not UTF-8, `W2705` not well formed, `W2706` a document type or an entity,
    /// `W2702` nested too deeply, `W2703` larger than [`DOC_BYTES_MAX`], `W2720` not of the
    /// namespace of FHIR; each with line and column, never with content.
    ///
    /// Source: XML 1.0; FHIR R4 xml.html.
    pub fn parse_xml(bytes: Bytes) -> Result<Self, Fault> {
        xml::read(bytes)
    }

    /// Reads XML when the first character is `<`, else JSON.
    ///
    /// # Errors
    /// As [`Doc::parse_json`] and [`Doc::parse_xml`].
    pub fn parse(bytes: Bytes) -> Result<Self, Fault> {
        if is_xml(&bytes) { Self::parse_xml(bytes) } else { Self::parse_json(bytes) }
    }

    /// The XML of the document: the very bytes it was read from when it was read from XML
    /// and not edited, else elements in the order of the specification.
    ///
    /// Types of members that R4 does not know are lost: XML has texts only.
    ///
    /// # Errors
    /// `W2707` where the document is none that XML can hold: a narrative that is no XML, a
    /// name that no element may have, a resource without type, a control character.
    ///
    /// Source: FHIR R4 xml.html.
    pub fn to_xml(&self) -> Result<Bytes, Fault> {
        let edited = self.0.raw(0).is_some_and(|root| root.flags & (DIRTY | REPLACED) != 0);
        match &self.0.source {
            Some(source) if !edited => Ok(source.text.clone()),
            _ => xml::write(self).map(Bytes::from),
        }
    }

    /// The form it was read from: `JSON` or `XML`.
    #[must_use]
    pub fn form(&self) -> &'static str {
        self.original().0
    }

    /// The name of the form it was read from, and its text as it was read, without edits.
    pub(in crate::fhir) fn original(&self) -> (&'static str, &[u8]) {
        match &self.0.source {
            Some(source) => ("XML", &source.text),
            None => ("JSON", &self.0.text),
        }
    }

    /// What it was read from has no place for in a document of FHIR.
    pub(in crate::fhir) fn flaws(&self) -> &[Flaw] {
        self.0.source.as_ref().map_or(&[], |source| &source.flaws)
    }

    /// The outermost node.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node::of(&self.0, 0)
    }

    /// A node by its number; none when it does not exist or was removed.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<Node<'_>> {
        edit::alive(&self.0, id.0).then(|| Node::of(&self.0, id.0))
    }

    /// The type of the resource that the document is, as it says of itself.
    #[must_use]
    pub fn resource_type(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.root().resource_type()
    }

    /// Number of nodes, removed ones among them: what work over the document is bounded by.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.0.nodes.len()
    }
}

/// Shows the number of nodes only: the content is patient data.
impl fmt::Debug for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doc(<phi> {} nodes)", self.0.nodes.len())
    }
}

/// Same text, edits included.
impl PartialEq for Doc {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.to_json() == other.to_json()
    }
}

impl Eq for Doc {}

/// Whether a text is XML by its first character.
#[must_use]
pub fn is_xml(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().first() == Some(&b'<')
}

/// Adds line and column of byte `at` to a fault.
fn place(fault: Fault, text: &[u8], at: usize) -> Fault {
    let text = std::str::from_utf8(text).unwrap_or_default();
    fault.at(FilePlace::find("JSON", text, at..at))
}

impl scan::Flaw {
    fn fault(self, text: &[u8]) -> Fault {
        let code = if self.too_deep { W2702 } else { W2701 };
        place(Fault::new(code).because(self.what), text, self.at)
    }
}
