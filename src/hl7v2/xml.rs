//! Messages in the XML encoding of HL7 v2: `urn:hl7-org:v2xml`, both ways.
//!
//! Elements are named by the message structure, its groups, and the data types of the
//! message's version. Where the standard has no name (Z segments, values of more parts than
//! their type has), elements carry the name of the place: `ZB1.2.1`. Delimiters are plain
//! text here; other escape sequences are `<escape V=".br"/>`.
//!
//! Empty places are left out, but for the last of a list that ends with them, so that
//! nothing of the message is lost. What XML cannot say stands in processing instructions
//! that begin with `er7`, which other readers pass over: see `hl7v2::form`.
//!
//! Reading takes no notice of types: the last number of an element's name is its place. It
//! refuses document types and entities of a document's own, and its memory is bounded by
//! the length of the text. Source: HL7 Version 2: XML Encoding Syntax.

mod read;
mod write;

pub use read::{DEPTH_MAX, head, read};
pub use write::write;

use super::escape::{Piece, Pieces, switched};
use super::form::Script;

/// Media type of the encoding.
pub const CONTENT_TYPE: &str = "application/hl7-v2+xml";

/// Namespace of the encoding.
pub const NAMESPACE: &str = "urn:hl7-org:v2xml";

/// Whether bytes begin as an XML document, in UTF-8 or UTF-16, and so are no message with
/// delimiters.
#[must_use]
pub fn is_document(bytes: &[u8]) -> bool {
    if let [0xff, 0xfe, b'<', 0, ..] | [0xfe, 0xff, 0, b'<', ..] | [b'<', 0, ..] | [0, b'<', ..] =
        bytes
    {
        return true;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<')
}

/// A piece of the content of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    /// `<escape V=".."/>`, by its `V`.
    Escape(String),
}

/// Whether XML 1.0 has a character at all.
fn is_xml(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Content that stands for a value that is not divided further.
fn items(raw: &[u8], script: Script) -> Vec<Item> {
    let mut out = Vec::new();
    let (raw, charset) = switched(raw, &script.delimiters, script.charset);
    for piece in Pieces::new(&raw, &script.delimiters, charset) {
        match piece {
            Piece::Plain(plain) => push_text(&charset.decode(plain), &mut out),
            Piece::Mark(mark, _) => push_text(char::from(mark).encode_utf8(&mut [0; 4]), &mut out),
            Piece::Hex(digits) => {
                out.push(Item::Escape(format!("X{}", String::from_utf8_lossy(digits))));
            }
            Piece::Other(name) => {
                out.push(Item::Escape(String::from_utf8_lossy(name).into_owned()));
            }
        }
    }
    out
}

/// Adds text; what XML lacks becomes digits.
fn push_text(text: &str, out: &mut Vec<Item>) {
    for run in text.split_inclusive(|c| !is_xml(c)) {
        let bad = run.chars().next_back().filter(|c| !is_xml(*c));
        let good = &run[..run.len() - bad.map_or(0, char::len_utf8)];
        if !good.is_empty() {
            match out.last_mut() {
                Some(Item::Text(text)) => text.push_str(good),
                _ => out.push(Item::Text(good.to_owned())),
            }
        }
        if let Some(bad) = bad {
            let digits = super::form::to_hex(bad.encode_utf8(&mut [0; 4]).as_bytes());
            out.push(Item::Escape(format!("X{digits}")));
        }
    }
}

/// Bytes of a value that is not divided further.
fn bytes(items: &[Item], script: Script, fits: &mut bool) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        match (item, script.delimiters.escape) {
            (Item::Text(text), _) => out.extend(script.write(text, fits)),
            (Item::Escape(name), Some(mark)) => {
                out.push(mark);
                out.extend_from_slice(name.as_bytes());
                out.push(mark);
            }
            (Item::Escape(_), None) => *fits = false,
        }
    }
    out
}

/// The bytes that reading the XML of a repetition makes, and whether they can be written.
fn canonical(raw: &[u8], script: Script) -> (Vec<u8>, bool) {
    let mut fits = true;
    let parted = script.parted(raw, |part| bytes(&items(part, script), script, &mut fits));
    (script.join(&parted).unwrap_or_default(), fits)
}

#[cfg(test)]
mod tests;
