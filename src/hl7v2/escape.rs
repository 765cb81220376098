//! Escape sequences: reading what they stand for, and writing text safely.
//!
//! Sequences of formatting, highlighting and character set switches, those of a site and
//! those that are not closed stay as they came: they are text that nobody asked to read.
//! Source: HL7 v2.5.1 §2.7.

use std::borrow::Cow;

use super::charset::Charset;
use super::delimiters::Delimiters;
use super::scan::find;
use crate::fault::Fault;
use crate::fault::codes::W2034;

/// Longest sequence, between its escape characters, that is taken for one when it is not
/// known: longer ones are a stray escape character in text.
const UNKNOWN_MAX: usize = 32;

/// Replaces escape sequences by the bytes they stand for.
///
/// Works on bytes in the message's own character set, before decoding.
#[must_use]
pub fn unescape<'a>(raw: &'a [u8], delimiters: &Delimiters, charset: Charset) -> Cow<'a, [u8]> {
    let Some(escape) = delimiters.escape else { return Cow::Borrowed(raw) };
    let Some(first) = find(raw, 0, escape, charset) else { return Cow::Borrowed(raw) };
    let mut out = Vec::with_capacity(raw.len());
    let (mut at, mut next) = (0, Some(first));
    while let Some(open) = next {
        out.extend_from_slice(&raw[at..open]);
        let close = find(raw, open + 1, escape, charset);
        let name = close.map(|close| &raw[open + 1..close]);
        at = match (name, close) {
            (Some(name), Some(close)) => match meaning(name, delimiters, &mut out) {
                Meaning::Replaced => close + 1,
                Meaning::Kept => {
                    out.extend_from_slice(&raw[open..=close]);
                    close + 1
                }
                Meaning::Stray => {
                    out.push(escape);
                    open + 1
                }
            },
            _ => {
                out.push(escape);
                open + 1
            }
        };
        next = find(raw, at, escape, charset);
    }
    out.extend_from_slice(&raw[at..]);
    Cow::Owned(out)
}

/// What a sequence turned out to be.
enum Meaning {
    /// Its bytes are in `out`.
    Replaced,
    /// A sequence that stays as it came.
    Kept,
    /// No sequence: the escape character is text.
    Stray,
}

fn meaning(name: &[u8], delimiters: &Delimiters, out: &mut Vec<u8>) -> Meaning {
    let mark = match name {
        b"F" => Some(delimiters.field),
        b"S" => Some(delimiters.component),
        b"R" => Some(delimiters.repetition),
        b"T" => Some(delimiters.subcomponent.unwrap_or(b'&')),
        b"E" => delimiters.escape,
        b"P" => Some(delimiters.truncation.unwrap_or(b'#')),
        b".br" | b".BR" => Some(b'\n'),
        _ => None,
    };
    if let Some(mark) = mark {
        out.push(mark);
        return Meaning::Replaced;
    }
    if let [b'X', digits @ ..] = name
        && !digits.is_empty()
        && digits.len().is_multiple_of(2)
        && digits.iter().all(u8::is_ascii_hexdigit)
    {
        out.extend(digits.chunks_exact(2).map(|pair| hex(pair[0]) << 4 | hex(pair[1])));
        return Meaning::Replaced;
    }
    // Formatting commands may take a blank: `\.sp 3\`.
    let (is_command, has_blank) = (name.starts_with(b"."), name.contains(&b' '));
    let looks_like_one = name.len() <= UNKNOWN_MAX
        && name.first().is_some_and(|b| b.is_ascii_uppercase() || *b == b'.')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b".+- ".contains(b));
    if looks_like_one && (is_command || !has_blank) { Meaning::Kept } else { Meaning::Stray }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Writes text so that it stands as data: delimiters and control characters as escape
/// sequences, LF as `\.br\`, CR as `\X0D\`.
///
/// # Errors
/// `W2034` when the character set lacks a character, or a sequence is needed and the
/// message declares no escape character.
pub fn escape(text: &str, delimiters: &Delimiters, charset: Charset) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let Some(name) = sequence(byte, delimiters) else { continue };
        let Some(mark) = delimiters.escape else {
            return Err(Fault::new(W2034).because("no escape character is declared"));
        };
        append(&mut out, &text[plain..at], charset)?;
        plain = at + 1;
        out.push(mark);
        match name {
            Name::Letter(letter) => out.push(letter),
            Name::Break => out.extend_from_slice(b".br"),
            Name::Hex => out.extend_from_slice(format!("X{byte:02X}").as_bytes()),
        }
        out.push(mark);
    }
    append(&mut out, &text[plain..], charset)?;
    Ok(out)
}

fn append(out: &mut Vec<u8>, text: &str, charset: Charset) -> Result<(), Fault> {
    let Some(bytes) = charset.encode(text) else {
        return Err(Fault::new(W2034).because("the character set lacks a character of the text"));
    };
    out.extend_from_slice(&bytes);
    Ok(())
}

enum Name {
    Letter(u8),
    Break,
    Hex,
}

/// The sequence that has to stand for a byte of text, if any.
fn sequence(byte: u8, delimiters: &Delimiters) -> Option<Name> {
    let some = Some(byte);
    if byte == delimiters.field {
        return Some(Name::Letter(b'F'));
    }
    if byte == delimiters.component {
        return Some(Name::Letter(b'S'));
    }
    if byte == delimiters.repetition {
        return Some(Name::Letter(b'R'));
    }
    if some == delimiters.escape {
        return Some(Name::Letter(b'E'));
    }
    if some == delimiters.subcomponent {
        return Some(Name::Letter(b'T'));
    }
    if some == delimiters.truncation {
        return Some(Name::Letter(b'P'));
    }
    match byte {
        b'\n' => Some(Name::Break),
        b'\t' => None,
        0..=0x1f => Some(Name::Hex),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STANDARD: Delimiters = Delimiters::STANDARD;

    #[test]
    fn sequences_are_replaced_or_kept() {
        let check = |raw: &str, expected: &str| {
            let read = unescape(raw.as_bytes(), &STANDARD, Charset::Utf8);
            assert_eq!(String::from_utf8_lossy(&read), expected, "{raw}");
        };
        check("plain", "plain");
        check(r"a\F\b\S\c\T\d\R\e\E\f\P\g", r"a|b^c&d~e\f#g");
        check(r"\X41\\X4142\", "AAB");
        check(r"\X4g\", r"\X4g\");
        check(r"\X414\", r"\X414\");
        check(r"\X\", r"\X\");
        check(r"a\.br\b", "a\nb");
        check(r"\.sp 3\ \.in+4\ \H\bold\N\", r"\.sp 3\ \.in+4\ \H\bold\N\");
        check(r"\Z1a\ \C2842\ \M2842\", r"\Z1a\ \C2842\ \M2842\");
        check(r"open \F", r"open \F");
        check(r"C:\temp dir\F\x", r"C:\temp dir|x");
        check(r"\\", r"\\");
        check(r"\", r"\");
        check(r"\F\\", r"|\");
    }

    #[test]
    fn text_is_written_as_data() {
        let check = |text: &str, expected: &str| {
            let written = escape(text, &STANDARD, Charset::Utf8).unwrap();
            assert_eq!(String::from_utf8_lossy(&written), expected, "{text:?}");
        };
        check("a|b^c&d~e\\f", r"a\F\b\S\c\T\d\R\e\E\f");
        check("a\nb\r\nc", r"a\.br\b\X0D\\.br\c");
        check("\u{b}\u{1c}\t\u{fc}", "\\X0B\\\\X1C\\\t\u{fc}");
        check("\\.br\\", r"\E\.br\E\");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let bare = Delimiters { escape: None, subcomponent: None, ..STANDARD };
        assert_eq!(escape("a|b", &bare, Charset::Utf8).unwrap_err().code(), W2034);
        assert_eq!(escape("a&b", &bare, Charset::Utf8).unwrap(), b"a&b");
        assert_eq!(escape("\u{20ac}", &STANDARD, Charset::Latin1).unwrap_err().code(), W2034);
    }

    proptest! {
        #[test]
        fn written_text_reads_the_same(text in "(\\PC|[\\\\|^~&#\r\n\u{0}-\u{1f}]){0,60}") {
            for delimiters in [STANDARD, Delimiters { truncation: Some(b'#'), ..STANDARD }] {
                let raw = escape(&text, &delimiters, Charset::Utf8).unwrap();
                prop_assert!(!raw.iter().any(|b| b"|^~&\r\n\x0b\x1c".contains(b)));
                let read = unescape(&raw, &delimiters, Charset::Utf8);
                prop_assert_eq!(String::from_utf8_lossy(&read), text.as_str());
            }
        }

        #[test]
        fn any_bytes_are_read(raw in proptest::collection::vec(any::<u8>(), 0..80)) {
            for set in [Charset::Utf8, Charset::Latin1, Charset::Table(encoding_rs::GB18030)] {
                let _ = unescape(&raw, &STANDARD, set);
            }
        }
    }
}
