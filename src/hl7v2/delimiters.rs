//! The delimiters of a message, as its header declares them.
//!
//! Invariant: the delimiters of one [`Delimiters`] are distinct ASCII punctuation or
//! control bytes, never letters, digits, or segment terminators.

use super::tolerance::{Tolerance, Tolerances};
use crate::fault::codes::{W2003, W2004};
use crate::fault::{Fault, Place};

/// `| ^ ~ \ &` as the message declares them.
///
/// A truncated MSH-2, such as `^~\`, leaves later delimiters unset: their bytes are then
/// plain text. Source: HL7 v2.5.1 §2.5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields: MSH-1, mostly `|`.
    pub field: u8,
    /// Between components: the first of MSH-2, mostly `^`.
    pub component: u8,
    /// Between repetitions: the second of MSH-2, mostly `~`.
    pub repetition: u8,
    /// Around escape sequences: the third of MSH-2, mostly `\`.
    pub escape: Option<u8>,
    /// Between subcomponents: the fourth of MSH-2, mostly `&`.
    pub subcomponent: Option<u8>,
    /// After truncated values, from 2.7: the fifth of MSH-2, mostly `#`.
    pub truncation: Option<u8>,
}

impl Delimiters {
    /// The delimiters that nearly everyone uses: `|^~\&`.
    pub const STANDARD: Self = Self {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: Some(b'\\'),
        subcomponent: Some(b'&'),
        truncation: None,
    };

    /// Reads them from a header segment (MSH, FHS or BHS), which begins at the first byte.
    ///
    /// # Errors
    /// `W2003` when the segment ends before them, `W2004` when they cannot be used.
    pub fn read(header: &[u8]) -> Result<Self, Fault> {
        Self::read_noting(header, &mut Tolerances::default())
    }

    /// Like [`Delimiters::read`], and notes what is unusual about them.
    pub(super) fn read_noting(header: &[u8], tolerances: &mut Tolerances) -> Result<Self, Fault> {
        // What nearly everyone declares.
        if header.get(3..9) == Some(br"|^~\&|") {
            return Ok(Self::STANDARD);
        }
        let at = |n: u8| {
            let id = header.get(..3).and_then(|id| std::str::from_utf8(id).ok()).unwrap_or("MSH");
            Place::path(format!("{id}-{n}"))
        };
        let Some(&field) = header.get(3) else {
            return Err(Fault::new(W2003).at(at(1)).because("the segment ends after its name"));
        };
        if !is_usable(field) {
            return Err(Fault::new(W2004).at(at(1)).because("the field separator is not a mark"));
        }
        let rest = &header[4..];
        let end =
            rest.iter().position(|&b| b == field || b == b'\r' || b == b'\n').unwrap_or(rest.len());
        // Source code copied into messages doubles the backslash: `^~\\&` means `^~\&`.
        let declared = match &rest[..end] {
            [c, r, b'\\', b'\\', s] => {
                tolerances.insert(Tolerance::DoubledEscape);
                &[*c, *r, b'\\', *s]
            }
            marks => marks,
        };
        // Which of more than five is which is a guess: the first five, as in the standard.
        let marks = declared.get(..5).unwrap_or(declared);
        let bad = |cause: &'static str| Err(Fault::new(W2004).at(at(2)).because(cause));
        if marks.is_empty() {
            return bad("no encoding characters are given");
        }
        if !declared.iter().all(|&b| is_usable(b)) {
            return bad("an encoding character is a letter, a digit or not ASCII");
        }
        if marks.iter().enumerate().any(|(i, b)| marks[..i].contains(b)) {
            return bad("an encoding character is given twice");
        }
        if declared.len() > 5 {
            tolerances.insert(Tolerance::ManyDelimiters);
        } else if declared.len() < 4 {
            tolerances.insert(Tolerance::FewDelimiters);
        }
        if field != b'|' || !marks.iter().zip(br"^~\&").all(|(a, b)| a == b) {
            tolerances.insert(Tolerance::OtherDelimiters);
        }
        let mut next = marks.iter().copied();
        let component = next.next().unwrap_or(b'^');
        let fallback = [b'~', b'^', b'*'].into_iter().find(|b| *b != field && *b != component);
        Ok(Self {
            field,
            component,
            repetition: next.next().or(fallback).unwrap_or(b'~'),
            escape: next.next(),
            subcomponent: next.next(),
            truncation: next.next(),
        })
    }

    /// MSH-2 that declares these delimiters.
    #[must_use]
    pub fn encoding_characters(&self) -> Vec<u8> {
        let mut out = vec![self.component, self.repetition];
        for mark in [self.escape, self.subcomponent, self.truncation] {
            let Some(mark) = mark else { break };
            out.push(mark);
        }
        out
    }

    /// Whether a byte separates parts inside a field.
    #[must_use]
    pub fn splits_field(&self, byte: u8) -> bool {
        byte == self.component || byte == self.repetition || Some(byte) == self.subcomponent
    }
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Whether a byte may be a delimiter: ASCII, no letter, no digit, no terminator.
fn is_usable(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'\r' | b'\n' | 0 | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_declared_delimiters() {
        let check = |header: &str, expected: (u8, &str)| {
            let read = Delimiters::read(header.as_bytes()).unwrap();
            let marks = String::from_utf8(read.encoding_characters()).unwrap();
            assert_eq!((read.field, marks.as_str()), expected, "{header}");
        };
        check(r"MSH|^~\&|A", (b'|', r"^~\&"));
        check(r"MSH|^~\&#|A", (b'|', r"^~\&#"));
        check("MSH#!@%$#A", (b'#', "!@%$"));
        check(r"MSH|^~\|A", (b'|', r"^~\"));
        check("MSH|^~|A", (b'|', "^~"));
        check("MSH|^", (b'|', "^~"));
        check("MSH^~^A", (b'^', "~*"));
        check(r"MSH|^~\&#!|A", (b'|', r"^~\&#"));
        check(r"MSH|^~\\&|A", (b'|', r"^~\&"));
        check("BHS|^~\\&\rMSH", (b'|', r"^~\&"));
    }

    #[test]
    fn refuses_delimiters_that_cannot_be_told_apart() {
        let check = |header: &str, code: &str, place: &str| {
            let fault = Delimiters::read(header.as_bytes()).unwrap_err();
            assert_eq!(fault.code().as_str(), code, "{header}");
            assert_eq!(fault.place().to_string(), place, "{header}");
        };
        check("MSH", "W2003", "MSH-1");
        check("MSHA", "W2004", "MSH-1");
        check("MSH||A", "W2004", "MSH-2");
        check("MSH|", "W2004", "MSH-2");
        check(r"MSH|^~\&#A!|A", "W2004", "MSH-2");
        check(r"MSH|^^\&|A", "W2004", "MSH-2");
        check("MSH|^~A&|", "W2004", "MSH-2");
        check("MSH\r", "W2004", "MSH-1");
    }
}
