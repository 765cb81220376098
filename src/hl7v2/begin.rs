//! The begin of a message: where its header stands, and what stands before it.

use super::charset::{Charset, Wide};
use super::delimiters::Delimiters;
use super::scan;
use super::tolerance::{Tolerance, Tolerances};
use crate::fault::Fault;
use crate::fault::codes::{W2001, W2002, W2005};

/// Most text before MSH that is looked past: a banner or the log line of a serial device.
const LEADING_TEXT_MAX: usize = 1024;

/// What stands before the header: its length, noting what it is.
fn skip_leading(bytes: &[u8], tolerances: &mut Tolerances) -> usize {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        if rest.starts_with(b"\xef\xbb\xbf") {
            tolerances.insert(Tolerance::ByteOrderMark);
            at += 3;
        } else if rest.first().is_some_and(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0)) {
            tolerances.insert(Tolerance::LeadingBlank);
            at += 1;
        } else {
            return at;
        }
    }
}

/// Where MSH begins, noting what stands before it and how it is written.
pub(super) fn header(bytes: &[u8], tolerances: &mut Tolerances) -> Result<usize, Fault> {
    let start = skip_leading(bytes, tolerances);
    let content = &bytes[start..];
    match content.get(..3) {
        Some(b"MSH") => Ok(start),
        Some(b"FHS" | b"BHS") => Err(Fault::new(W2005)),
        // The scan notes the lower case.
        Some(id) if id.eq_ignore_ascii_case(b"MSH") => Ok(start),
        _ if content.is_empty() => Err(Fault::new(W2001)),
        _ => match header_behind_text(content) {
            Some(at) => {
                tolerances.insert(Tolerance::LeadingText);
                Ok(start + at)
            }
            None => Err(Fault::new(W2002).because(likeness(content))),
        },
    }
}

/// Where MSH stands behind text that is neither a segment nor a document of another kind.
#[cold]
fn header_behind_text(content: &[u8]) -> Option<usize> {
    if matches!(content, [b'{' | b'[' | b'<' | b'%' | 0x1f, ..] | [b'P', b'K', 3, 4, ..]) {
        return None;
    }
    let head = content.get(..LEADING_TEXT_MAX).unwrap_or(content);
    let at = memchr::memmem::find_iter(head, b"MSH").find(|&at| {
        let before = at.checked_sub(1).and_then(|at| content.get(at));
        before.is_some_and(|b| !b.is_ascii_alphanumeric())
            && Delimiters::read(&content[at..]).is_ok_and(|marks| marks.subcomponent.is_some())
    })?;
    let separator = *content.get(at + 3)?;
    let mut lines = content[..at].split(|b| matches!(b, b'\r' | b'\n'));
    let holds_segment = lines.any(|line| scan::begins_segment(line, separator));
    (!holds_segment).then_some(at)
}

/// Whether MSH-12 names a version before 2.7, which brought the truncation character.
pub(super) fn is_before_truncation(header: &[u8], separator: u8) -> bool {
    let version = scan::part(header, separator, 11, Charset::Latin1).map(|range| &header[range]);
    version.is_some_and(|version| matches!(version, [b'2', b'.', b'1'..=b'6', ..]))
}

/// What content without MSH looks like, in our own words.
fn likeness(content: &[u8]) -> &'static str {
    match content {
        [b'{' | b'[', ..] => "it looks like JSON",
        [b'<', ..] => "it looks like XML",
        [b'P', b'K', 3, 4, ..] | [0x1f, 0x8b, ..] => "it looks like a compressed file",
        [b'%', b'P', b'D', b'F', ..] => "it looks like a PDF document",
        _ if content.iter().take(64).any(|b| *b < 9) => "it is not text",
        _ => "the first segment is another one or none",
    }
}

/// Whether content begins with a file or batch header instead of a message.
#[must_use]
pub fn is_batch(bytes: &[u8]) -> bool {
    if let Some(text) = Wide::of(bytes).and_then(|wide| wide.decode(bytes)) {
        return is_batch(text.as_bytes());
    }
    let start = skip_leading(bytes, &mut Tolerances::default());
    matches!(bytes.get(start..start + 3), Some(b"FHS" | b"BHS"))
}
