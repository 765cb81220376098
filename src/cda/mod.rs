//! CDA R2 documents, such as those of C-CDA: elements over the bytes they came in, paths
//! through them, and their sections.
//!
//! A document is read in one pass (`xml`) and never copied into a tree of its own: an
//! element is its place in the text. What belongs to no namespace of CDA is kept where it
//! stands and can be read like the rest. Not here: what a section means, which is for
//! mappings to say.
//!
//! Source: HL7 CDA Release 2; HL7 C-CDA Release 2.1.

mod model;
mod path;
mod place;
mod section;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::base::limits::FRAME_BYTES_MAX;
use crate::fault::codes::{W2007, W2700, W2770};
use crate::fault::{Fault, FilePlace};
use crate::xml::{self, Space, Tag};

pub use model::{Kind, Unknown, Walk};
pub use path::{Found, Path, READER_LOOKS_MAX};
pub use section::{Code, Section};

/// Name of the outermost element.
const ROOT: &str = "ClinicalDocument";

/// Bytes in which the outermost element is looked for: comments and a style sheet may stand
/// before it.
const HEAD_BYTES: usize = 4096;

/// A CDA document. Cheap to clone.
#[derive(Clone)]
pub struct Document {
    text: Arc<str>,
    tags: Arc<[Tag]>,
    /// The element around each.
    parents: Arc<[u32]>,
    /// What references within it mean; found when first asked for.
    ids: Arc<OnceLock<Ids>>,
}

/// Most bytes of text that references mean and that are kept to be read again: narratives
/// of real documents have far less; elements with an ID within others could make more of it
/// than the document is large.
const TEXTS_BYTES_MAX: usize = 64 << 20;

/// What references within a document mean.
#[derive(Default)]
struct Ids {
    /// Elements by what stands in their attribute `ID`.
    elements: HashMap<String, u32>,
    /// The text of each of them, once it was asked for.
    texts: HashMap<u32, OnceLock<Box<str>>>,
    /// Bytes of all texts kept.
    kept: AtomicUsize,
}

/// The text of a document as bytes that are shared with it.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cda::Document(<phi> {} B)", self.text.len())
    }
}

/// Whether bytes begin like a CDA document.
#[must_use]
pub fn is_cda(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let bare = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    bare.trim_ascii_start().starts_with(b"<")
        && memchr::memmem::find(head, ROOT.as_bytes()).is_some()
        && memchr::memmem::find(head, xml::V3.as_bytes()).is_some()
}

impl Document {
    /// Reads a document in UTF-8.
    ///
    /// # Errors
    /// `W2007` when it is too large, `W2700` when it is not UTF-8, `W2705` when it is
    /// malformed, `W2706` for a document type or an entity, `W2702` when it is nested too
    /// deeply, `W2770` when its outermost element is not `ClinicalDocument`; with line and
    /// column, never with content.
    pub fn parse(bytes: &Bytes) -> Result<Self, Fault> {
        if bytes.len() > FRAME_BYTES_MAX.as_usize() {
            return Err(Fault::new(W2007));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let text = std::str::from_utf8(valid).unwrap_or_default();
            place(Fault::new(W2700), text, error.valid_up_to())
        })?;
        let from = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let tags = xml::scan(text, from)
            .map_err(|flaw| place(Fault::new(flaw.code).because(flaw.what), text, flaw.at))?;
        let is_root = |tag: &&Tag| tag.space == Space::V3 && tag.name(text) == ROOT;
        if tags.first().filter(is_root).is_none() {
            let cause = "the outermost element is not `ClinicalDocument` of `urn:hl7-org:v3`";
            return Err(place(Fault::new(W2770).because(cause), text, from));
        }
        let parents = place::parents(&tags).into();
        Ok(Self { text: text.into(), tags: tags.into(), parents, ids: Arc::default() })
    }

    /// The outermost element.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element { document: self, id: 0 }
    }

    /// Its sections, those within sections after the one around them.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        section::all(self.root())
    }

    /// The bytes it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same as bytes, not copied.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        Bytes::from_owner(Shared(self.text.clone()))
    }

    /// What kind of document it is: the code of its root, such as `34133-9` of LOINC.
    #[must_use]
    pub fn code(&self) -> Option<Cow<'_, str>> {
        self.root().child("code")?.attribute("code")
    }

    /// The element that a reference within the document means: `#allergy1`.
    #[must_use]
    pub fn referred(&self, reference: &str) -> Option<Element<'_>> {
        let id = reference.trim().strip_prefix('#')?;
        let ids = self.ids.get_or_init(|| {
            let mut ids = Ids::default();
            for element in (0u32..).zip(&*self.tags).map(|(id, _)| Element { document: self, id }) {
                if let Some(name) = element.attribute("ID") {
                    ids.elements.entry(name.into_owned()).or_insert(element.id);
                    ids.texts.insert(element.id, OnceLock::new());
                }
            }
            ids
        });
        Some(Element { document: self, id: *ids.elements.get(id)? })
    }
}

/// Adds line and column of byte `at` to a fault.
fn place(fault: Fault, text: &str, at: usize) -> Fault {
    fault.at(FilePlace::find("XML", text, at..at))
}

/// An element of a document.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document,
    id: u32,
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element({})", self.name())
    }
}

impl<'d> Element<'d> {
    fn tag(&self) -> Option<&'d Tag> {
        self.document.tags.get(self.id as usize)
    }

    fn at(&self, id: u32) -> Option<Self> {
        (id != xml::NONE).then_some(Self { document: self.document, id })
    }

    /// Its name without prefix, such as `effectiveTime`.
    #[must_use]
    pub fn name(&self) -> &'d str {
        self.tag().map_or("", |tag| tag.name(&self.document.text))
    }

    /// Its namespace.
    #[must_use]
    pub fn space(&self) -> Space {
        self.tag().map_or(Space::None, |tag| tag.space)
    }

    /// The elements in it, in order. Those of XHTML are text.
    pub fn children(&self) -> impl Iterator<Item = Self> + use<'d> {
        let this = *self;
        let first = this.tag().and_then(|tag| this.at(tag.first));
        std::iter::successors(first, move |child| this.at(child.tag()?.next))
    }

    /// The first child of a name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    /// The value of an attribute, references resolved. The name has its prefix: `xsi:type`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'d, str>> {
        let (tag, text) = (self.tag()?, &*self.document.text);
        let mut found = None;
        let read = tag.attributes(text, &mut |key, raw| {
            if key == name && found.is_none() {
                found = Some(xml::value(raw, tag.start as usize)?);
            }
            Ok(())
        });
        read.ok().and(found)
    }

    /// An attribute as a path finds it.
    #[must_use]
    pub fn found_attribute(&self, name: &str) -> Option<Found<'d>> {
        let mut found = None;
        let this = *self;
        let read = self.tag()?.attributes(&self.document.text, &mut |key, raw| {
            if key == name && found.is_none() {
                found = Some(Found::Attribute(this, key, raw));
            }
            Ok(())
        });
        read.ok().and(found)
    }

    /// The element around it.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.at(*self.document.parents.get(self.id as usize)?)
    }

    /// Its number in the order of the document, from 0.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.id
    }

    /// Bytes between its tags; empty where one tag is both.
    #[must_use]
    pub fn inside(&self) -> Range<usize> {
        let Some(tag) = self.tag() else { return 0..0 };
        let (head, end) = (tag.head as usize, tag.end as usize);
        let content = self.document.text.get(head..end).unwrap_or_default();
        head..head + content.rfind("</").unwrap_or(0)
    }

    /// The document it stands in.
    #[must_use]
    pub const fn document(&self) -> &'d Document {
        self.document
    }

    /// Where a part of the text stands.
    fn range_of(&self, part: &str) -> Range<usize> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.document.text.as_ptr() as usize);
        start..start.saturating_add(part.len())
    }

    /// Its attributes in order, references resolved; declarations of namespaces left out.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'d str, Cow<'d, str>)> {
        let text = &*self.document.text;
        let mut all = Vec::new();
        let Some(tag) = self.tag() else { return all };
        // What is malformed was refused when the document was read.
        let _ = tag.attributes(text, &mut |key, raw| {
            if key != "xmlns" && !key.starts_with("xmlns:") {
                all.push((key, xml::value(raw, tag.start as usize)?));
            }
            Ok(())
        });
        all
    }

    /// All text in it and below, white space made one blank, none at both ends. Elements
    /// stand apart, but those that only mark words within a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let whole = self.tag().map(|tag| tag.start as usize..tag.end as usize);
        let Some(whole) = whole.and_then(|range| self.document.text.get(range)) else { return out };
        let mut reader = Reader::from_str(whole);
        // What is malformed was refused when the document was read.
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Text(text) => add(&mut out, &text),
                Event::CData(text) => add(&mut out, &text),
                Event::GeneralRef(name) => match name.resolve_char_ref() {
                    Ok(Some(c)) => out.push(c),
                    _ => out.push_str(
                        quick_xml::escape::resolve_predefined_entity(&name).unwrap_or_default(),
                    ),
                },
                Event::Start(tag) | Event::Empty(tag) => apart(&mut out, tag.local_name().as_ref()),
                Event::End(tag) => apart(&mut out, tag.local_name().as_ref()),
                Event::Eof => break,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {}
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The text of an element that references may mean, made once for all who ask. None of
    /// an element without an `ID`, or when no reference was followed yet.
    #[must_use]
    pub fn referred_text(&self) -> Option<Cow<'d, str>> {
        let ids = self.document.ids.get()?;
        let kept = ids.texts.get(&self.id)?;
        if let Some(text) = kept.get() {
            return Some(Cow::Borrowed(text));
        }
        let text = self.text();
        let before = ids.kept.fetch_add(text.len(), Ordering::Relaxed);
        if before.saturating_add(text.len()) > TEXTS_BYTES_MAX {
            ids.kept.fetch_sub(text.len(), Ordering::Relaxed);
            return Some(Cow::Owned(text));
        }
        Some(Cow::Borrowed(kept.get_or_init(|| text.into())))
    }

    /// Line and column of its `<`, from 1.
    #[must_use]
    pub fn place(&self) -> (usize, usize) {
        let start = self.tag().map_or(0, |tag| tag.start as usize);
        let before = self.document.text.get(..start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

/// Elements of narratives that stand within a line.
///
/// Source: CDA R2 §4.3.5.
const INLINE: [&str; 5] = ["content", "footnoteRef", "linkHtml", "sub", "sup"];

/// Puts a blank where an element begins or ends that is no part of a line.
fn apart(out: &mut String, name: &str) {
    if !INLINE.contains(&name) {
        add(out, " ");
    }
}

/// Appends text, each run of white space as one blank.
fn add(out: &mut String, text: &str) {
    for c in text.chars() {
        match c.is_whitespace() {
            true if out.is_empty() || out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(c),
        }
    }
}
