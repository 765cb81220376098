//! FHIR XML, the second form of a document.
//!
//! Reading goes in two steps: [`tags`] finds the elements of the text, [`read()`] follows
//! them through the tables and writes the document as its JSON says it, with the place of
//! each value in the XML. [`write()`] goes the other way. What FHIR has no place for
//! (attributes, text between elements, wrong order) becomes a [`Flaw`], which the check
//! tells of; elements that R4 does not know are kept.
//!
//! No entity is expanded but the five of XML and numbers, and a document type is refused
//! before it is looked at. A reader with a schema in XSD was the alternative: it needs the
//! same tables a second time, and refuses where a peer's extra element should be kept.
//!
//! Source: FHIR R4 xml.html.

mod read;
mod tags;
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;

use crate::fault::Code;

pub(super) use read::read;
pub(super) use write::write;

/// The namespace of resources.
const FHIR: &str = "http://hl7.org/fhir";

/// The namespace of narratives.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Most flaws that are kept: a person reads the first ones.
const FLAWS_MAX: usize = 100;

/// What a document was read from, when that was XML.
pub(super) struct Source {
    pub text: Bytes,
    /// First byte of each node's element, by the number of the node.
    pub places: Vec<u32>,
    pub flaws: Vec<Flaw>,
}

/// Something in XML that the document has no place for.
#[derive(Clone, Debug)]
pub(in crate::fhir) struct Flaw {
    /// Where: `Patient.name[0].family`.
    pub path: String,
    /// First byte of the element.
    pub at: usize,
    pub code: Code,
    /// What is wrong: lower case, no period, no values of the document.
    pub what: &'static str,
}

/// Whether a text can be the name of an element without prefix. Letters beyond ASCII are
/// taken as they are: what is no letter among them harms no reader we know.
fn is_name(name: &str) -> bool {
    let inner =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || !c.is_ascii();
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii())
        && name.chars().all(inner)
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || is_no_character(c))
}

/// Whether XML has no way to write a character.
///
/// Source: XML 1.0 §2.2.
fn is_no_character(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}
