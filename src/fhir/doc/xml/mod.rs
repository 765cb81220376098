//! FHIR XML, the second form of a document.
//!
//! Reading goes in two steps: [`crate::xml`] finds the elements of the text, [`read()`] follows
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
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;

use crate::fault::Code;
use crate::xml::{XHTML, is_name, is_no_character};

pub(super) use read::read;
pub(super) use write::write;

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
