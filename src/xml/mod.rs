//! XML as bytes with the places of its elements: what the readers of FHIR XML and of CDA
//! stand on.
//!
//! No entity is expanded but the five of XML and numbers, and a document type is refused
//! before it is looked at. What an element means is for the rooms above to say.

mod tags;

pub use tags::{Flaw, Space, Tag, scan, value};

/// The namespace of FHIR resources.
pub const FHIR: &str = "http://hl7.org/fhir";

/// The namespace of XHTML.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// The namespace of HL7 v3, in which CDA is written.
pub const V3: &str = "urn:hl7-org:v3";

/// The namespace of what the Structured Documents work group adds to CDA.
pub const SDTC: &str = "urn:hl7-org:sdtc";

/// No offset, no element.
pub const NONE: u32 = u32::MAX;

/// Whether a text can be the name of an element without prefix. Letters beyond ASCII are
/// taken as they are: what is no letter among them harms no reader we know.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inner =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || !c.is_ascii();
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii())
        && name.chars().all(inner)
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || is_no_character(c))
}

/// Whether XML has no way to write a character.
///
/// Source: XML 1.0 §2.2.
#[must_use]
pub fn is_no_character(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}
