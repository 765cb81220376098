//! The elements of an XML text, found in one pass and without recursion.
//!
//! Here is all that makes a text well formed, and nothing that a standard says of it. What
//! stands in XHTML is checked like the rest but not listed: it stays text.

use quick_xml::escape::EscapeError;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use super::{FHIR, NONE, SDTC, V3, XHTML, is_name, is_no_character};
use crate::fault::Code;
use crate::fault::codes::{W2702, W2705, W2706};

/// Deepest nesting of elements: twice the levels of a document, the second half for a
/// narrative in it.
const DEPTH_MAX: usize = 128;

/// Most attributes of one element; R4 has at most three with the namespace.
const ATTRIBUTES_MAX: usize = 64;

/// Most namespaces declared at once around one element.
const SPACES_MAX: usize = 64;

/// What a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// FHIR, [`FHIR`].
    Fhir,
    /// XHTML, [`XHTML`].
    Xhtml,
    /// HL7 v3 with CDA, [`V3`].
    V3,
    /// Extensions of CDA, [`SDTC`].
    Sdtc,
    /// None declared.
    None,
    /// Any other.
    Other,
}

impl Space {
    fn of(uri: &str) -> Self {
        match uri {
            FHIR => Self::Fhir,
            XHTML => Self::Xhtml,
            V3 => Self::V3,
            SDTC => Self::Sdtc,
            "" => Self::None,
            _ => Self::Other,
        }
    }
}

/// An element. Offsets count bytes of the text.
#[derive(Clone, Copy)]
pub struct Tag {
    /// Its `<`.
    pub start: u32,
    /// End of the opening tag.
    pub head: u32,
    /// End of the element.
    pub end: u32,
    /// First text in it that is no white space, [`NONE`] without.
    pub ink: u32,
    /// First child, [`NONE`] without, as [`next`](Self::next).
    pub first: u32,
    /// Next sibling.
    pub next: u32,
    /// Length of the name, with its prefix.
    name_len: u16,
    /// Length of the prefix and its colon.
    prefix_len: u16,
    /// Its namespace.
    pub space: Space,
    /// Whether the opening tag closes it.
    pub is_closed: bool,
}

impl Tag {
    /// The name without prefix.
    pub fn name<'t>(&self, text: &'t str) -> &'t str {
        let start = self.start as usize + 1;
        let name = start + usize::from(self.prefix_len)..start + usize::from(self.name_len);
        text.get(name).unwrap_or_default()
    }

    /// The prefix with its colon; empty without one.
    pub fn prefix<'t>(&self, text: &'t str) -> &'t str {
        let start = self.start as usize + 1;
        text.get(start..start + usize::from(self.prefix_len)).unwrap_or_default()
    }

    /// End of the name in the opening tag.
    pub fn name_end(&self) -> usize {
        self.start as usize + 1 + usize::from(self.name_len)
    }

    /// Its attributes in order: name, value as written.
    ///
    /// # Errors
    /// A flaw where one is malformed, or what `each` says.
    pub fn attributes<'t>(
        &self,
        text: &'t str,
        each: &mut dyn FnMut(&'t str, &'t str) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        let close = if self.is_closed { 2 } else { 1 };
        let inner = self.start as usize + 1..(self.head as usize).saturating_sub(close);
        let content = text.get(inner).unwrap_or_default();
        if content.len() == usize::from(self.name_len) {
            return Ok(());
        }
        let start = BytesStart::from_content(content, usize::from(self.name_len));
        let at = self.start as usize;
        for (count, attribute) in start.attributes().enumerate() {
            let malformed = || flaw(at, "an attribute is malformed or stands twice");
            if count >= ATTRIBUTES_MAX {
                return flaw(at, "an element has more than 64 attributes");
            }
            let Ok(attribute) = attribute else { return malformed() };
            let key = part(text, attribute.key.0);
            let value = part(text, &attribute.value);
            let (Some(key), Some(value)) = (key, value) else { return malformed() };
            if value.contains('<') {
                return malformed();
            }
            each(key, value)?;
        }
        Ok(())
    }
}

/// The same text with the life of the whole: the reader ties its parts to its own.
fn part<'t>(text: &'t str, part: &str) -> Option<&'t str> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    text.get(start..start + part.len())
}

/// The value of an attribute as it is to be read: references resolved, line ends and tabs
/// made blanks. `at` is the place that an error names.
///
/// # Errors
/// A flaw where a reference means nothing.
///
/// Source: XML 1.0 §3.3.3.
pub fn value<'t>(raw: &'t str, at: usize) -> Result<std::borrow::Cow<'t, str>, Flaw> {
    let attribute = Attribute { key: quick_xml::name::QName("a"), value: raw.into() };
    match attribute.normalized_value(XmlVersion::Implicit1_0) {
        Ok(value) if value.contains(is_no_character) => {
            flaw(at, "a character reference means no character of XML")
        }
        Ok(value) => Ok(value),
        Err(Error::Escape(EscapeError::UnrecognizedEntity(..))) => entity(at),
        Err(_) => flaw(at, "an `&` begins no reference"),
    }
}

/// What is wrong with a text, and at which byte.
#[derive(Debug)]
pub struct Flaw {
    /// Byte of the text.
    pub at: usize,
    /// `W2702`, `W2705` or `W2706`.
    pub code: Code,
    /// What is wrong: lower case, no period, no values of the text.
    pub what: &'static str,
}

fn flaw<T>(at: usize, what: &'static str) -> Result<T, Flaw> {
    Err(Flaw { at, code: W2705, what })
}

fn entity<T>(at: usize) -> Result<T, Flaw> {
    Err(Flaw { at, code: W2706, what: "it refers to an entity that is none of the five of XML" })
}

/// Elements while they are found.
struct Scan<'t> {
    text: &'t str,
    tags: Vec<Tag>,
    /// Open elements with their last child.
    open: Vec<(u32, u32)>,
    /// Declared prefixes with the depth of the element that declares them; an empty prefix
    /// is the default.
    spaces: Vec<(usize, &'t str, Space)>,
    /// Depth from which on elements are XHTML and not listed.
    narrative: Option<usize>,
    depth: usize,
}

/// Finds the elements from byte `from` on; the outermost is the first.
///
/// # Errors
/// `W2705` for what is not well formed, `W2706` for a document type or an entity, `W2702`
/// for what is nested too deeply.
pub fn scan(text: &str, from: usize) -> Result<Vec<Tag>, Flaw> {
    let control = |b: u8| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r');
    let other = || {
        memchr::memmem::find(text.as_bytes(), b"\xef\xbf")
            .and_then(|_| text.char_indices().find(|(_, c)| is_no_character(*c)).map(|(at, _)| at))
    };
    if let Some(at) = text.bytes().position(control).or_else(other) {
        return flaw(at, "a control character stands in the text");
    }
    let mut reader = Reader::from_str(text.get(from..).unwrap_or_default());
    reader.config_mut().check_comments = true;
    let mut scan = Scan {
        text,
        // Measured on published resources: an element every 35 to 45 bytes.
        tags: Vec::with_capacity(text.len() / 40 + 1),
        open: Vec::new(),
        spaces: Vec::new(),
        narrative: None,
        depth: 0,
    };
    let offset = |position: u64| from + usize::try_from(position).unwrap_or(usize::MAX - from);
    loop {
        let at = offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return flaw(offset(reader.error_position()), words(&error)),
        };
        let end = offset(reader.buffer_position());
        match event {
            Event::Start(start) => scan.start(&start, at, end)?,
            Event::Empty(start) => {
                scan.start(&start, at, end)?;
                scan.end(end);
            }
            Event::End(_) => scan.end(end),
            Event::Text(inside) => scan.ink(at, inside.trim_ascii().is_empty())?,
            Event::CData(inside) => scan.ink(at, inside.trim_ascii().is_empty())?,
            Event::GeneralRef(reference) => {
                known(&reference, at)?;
                scan.ink(at, false)?;
            }
            Event::DocType(_) => {
                let what = "a document type is declared";
                return Err(Flaw { at, code: W2706, what });
            }
            Event::Decl(declaration) => {
                let utf8 = declaration.encoding().is_none_or(|name| {
                    name.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8") || text.is_ascii())
                });
                if at != from || !utf8 {
                    return flaw(at, "the declaration of XML is out of place or not of UTF-8");
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if scan.depth > 0 || scan.tags.is_empty() {
        return flaw(text.len(), "the text ends where an element is expected or open");
    }
    Ok(scan.tags)
}

/// A reference in a text is to a character or to one of the five entities.
fn known(reference: &BytesRef<'_>, at: usize) -> Result<(), Flaw> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) if is_no_character(c) => {
            flaw(at, "a character reference means no character of XML")
        }
        Ok(Some(_)) => Ok(()),
        Ok(None) if matches!(&**reference, "amp" | "lt" | "gt" | "quot" | "apos") => Ok(()),
        Ok(None) => entity(at),
        Err(_) => flaw(at, "a character reference means no character of XML"),
    }
}

fn words(error: &Error) -> &'static str {
    use quick_xml::errors::IllFormedError;
    match error {
        Error::Syntax(_) => "a tag, comment or instruction is not closed",
        Error::IllFormed(IllFormedError::MissingEndTag(_)) => "an element is not closed",
        Error::IllFormed(
            IllFormedError::UnmatchedEndTag(_) | IllFormedError::MismatchedEndTag { .. },
        ) => "a closing tag is not that of the element open",
        Error::IllFormed(IllFormedError::UnclosedReference) => "an `&` begins no reference",
        _ => "the text is not well formed",
    }
}

impl<'t> Scan<'t> {
    fn start(&mut self, start: &BytesStart<'_>, at: usize, end: usize) -> Result<(), Flaw> {
        if self.depth == 0 && !self.tags.is_empty() {
            return flaw(at, "a second element stands at the top");
        }
        if self.depth >= DEPTH_MAX {
            let what = "elements are nested deeper than 128 levels";
            return Err(Flaw { at, code: W2702, what });
        }
        self.depth += 1;
        let (name, empty) = (start.name(), self.text.get(at..end));
        let (local, prefix) = name.decompose();
        let (name_len, prefix_len) = (name.0.len(), name.0.len() - local.as_ref().len());
        let is_good = is_name(local.as_ref()) && prefix.is_none_or(|p| is_name(p.as_ref()));
        let lengths = (u16::try_from(name_len), u16::try_from(prefix_len));
        let (true, (Ok(name_len), Ok(prefix_len))) = (is_good, lengths) else {
            return flaw(at, "a tag has no name that an element may have");
        };
        let mut tag = Tag {
            start: short(at),
            head: short(end),
            end: short(end),
            ink: NONE,
            first: NONE,
            next: NONE,
            name_len,
            prefix_len,
            space: Space::None,
            is_closed: empty.is_some_and(|tag| tag.ends_with("/>")),
        };
        if tag.name_end() + 2 < end {
            self.declare(&tag)?;
        }
        if self.narrative.is_some() {
            return Ok(());
        }
        let prefix = tag.prefix(self.text);
        let prefix = prefix.strip_suffix(':').unwrap_or(prefix);
        let declared = self.spaces.iter().rev().find(|(_, known, _)| *known == prefix);
        tag.space = match declared {
            Some((_, _, space)) => *space,
            None if prefix.is_empty() => Space::None,
            None => return flaw(at, "the prefix of an element is not declared"),
        };
        if tag.space == Space::Xhtml {
            self.narrative = Some(self.depth);
        }
        self.push(tag);
        Ok(())
    }

    /// Notes the namespaces that a tag declares, and that its attributes are well formed.
    fn declare(&mut self, tag: &Tag) -> Result<(), Flaw> {
        let (depth, listed) = (self.depth, self.narrative.is_none());
        let at = tag.start as usize;
        let spaces = &mut self.spaces;
        tag.attributes(self.text, &mut |name, raw| {
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) => rest.strip_prefix(':').unwrap_or(name),
                None => name,
            };
            if prefix != name && listed {
                if spaces.len() >= SPACES_MAX {
                    return flaw(at, "more than 64 namespaces are declared");
                }
                spaces.push((depth, prefix, Space::of(&value(raw, at)?)));
            } else if raw.contains('&') {
                value(raw, at)?;
            }
            Ok(())
        })
    }

    /// Lists an element under the one open.
    fn push(&mut self, tag: Tag) {
        let id = short(self.tags.len());
        if let Some((parent, last)) = self.open.last_mut() {
            let before = if *last == NONE {
                self.tags.get_mut(*parent as usize).map(|tag| &mut tag.first)
            } else {
                self.tags.get_mut(*last as usize).map(|tag| &mut tag.next)
            };
            if let Some(before) = before {
                *before = id;
            }
            *last = id;
        }
        self.tags.push(tag);
        self.open.push((id, NONE));
    }

    fn end(&mut self, end: usize) {
        let inner = self.narrative.is_some_and(|depth| depth < self.depth);
        if !inner {
            self.narrative = None;
            if let Some((id, _)) = self.open.pop()
                && let Some(tag) = self.tags.get_mut(id as usize)
            {
                tag.end = short(end);
            }
        }
        while self.spaces.last().is_some_and(|(depth, ..)| *depth >= self.depth) {
            self.spaces.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// Notes text; outside of all elements only white space may stand.
    fn ink(&mut self, at: usize, is_blank: bool) -> Result<(), Flaw> {
        if is_blank || self.narrative.is_some() {
            return Ok(());
        }
        let Some((id, _)) = self.open.last() else {
            return flaw(at, "text stands outside of all elements");
        };
        if let Some(tag) = self.tags.get_mut(*id as usize)
            && tag.ink == NONE
        {
            tag.ink = short(at);
        }
        Ok(())
    }
}

/// Offsets fit: whoever reads bounds the length of the text.
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
