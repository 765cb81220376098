//! Escape sequences: reading what they stand for, and writing text safely.
//!
//! Three ways to read: [`unescape`] gives bytes and leaves formatting as it stands,
//! [`text`] gives characters and follows switches of the character set, [`plain`] lays
//! formatted text out in lines. Sequences of a site and those that are not closed stay as
//! they came in all of them: they are text that nobody asked to read.
//! Source: HL7 v2.5.1 §2.7.

use std::borrow::Cow;

use super::charset::{Charset, designator};
use super::delimiters::Delimiters;
use super::scan::find;
use crate::fault::Fault;
use crate::fault::codes::W2034;

/// Longest sequence, between its escape characters, that is taken for one when it is not
/// known: longer ones are a stray escape character in text.
const UNKNOWN_MAX: usize = 32;

/// Most lines or blanks that one formatting command makes: a page has fewer, and
/// `\.sp999999999\` must not fill the memory.
const LAYOUT_MAX: usize = 200;

/// A piece of a value: bytes that stand for themselves, or an escape sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text, a stray escape character included.
    Plain(&'a [u8]),
    /// A delimiter, written as `\F\` and the like, and the letter it is written with.
    Mark(u8, &'a [u8]),
    /// Pairs of hexadecimal digits: `\X0D\` without what surrounds them.
    Hex(&'a [u8]),
    /// A sequence that stands for no character of its own, by its name: `.br`, `H`, `Z1`.
    Other(&'a [u8]),
}

/// Divides a value into pieces, in order; every byte is in exactly one.
pub(super) struct Pieces<'a> {
    rest: &'a [u8],
    delimiters: &'a Delimiters,
    charset: Charset,
    /// The sequence that ends the plain text just given.
    next: Option<(Piece<'a>, usize)>,
}

impl<'a> Pieces<'a> {
    pub fn new(raw: &'a [u8], delimiters: &'a Delimiters, charset: Charset) -> Self {
        Self { rest: raw, delimiters, charset, next: None }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some((piece, length)) = self.next.take() {
            self.rest = self.rest.get(length..).unwrap_or_default();
            return Some(piece);
        }
        let Some(escape) = self.delimiters.escape else {
            let rest = std::mem::take(&mut self.rest);
            return (!rest.is_empty()).then_some(Piece::Plain(rest));
        };
        let mut from = 0;
        let mut end = self.rest.len();
        while let Some(open) = find(self.rest, from, escape, self.charset) {
            let close = find(self.rest, open + 1, escape, self.charset);
            // Without a close there is no sequence any more.
            let Some(close) = close else { break };
            let name = self.rest.get(open + 1..close).unwrap_or_default();
            if let Some(piece) = meaning(name, self.delimiters) {
                self.next = Some((piece, close + 1 - open));
                end = open;
                break;
            }
            from = open + 1;
        }
        let (plain, rest) = self.rest.split_at(end);
        self.rest = rest;
        if plain.is_empty() {
            self.next.is_some().then(|| self.next())?
        } else {
            Some(Piece::Plain(plain))
        }
    }
}

/// What a sequence of this name is; `None` where the escape character is text.
fn meaning<'a>(name: &'a [u8], delimiters: &Delimiters) -> Option<Piece<'a>> {
    let mark = match name {
        b"F" => Some(delimiters.field),
        b"S" => Some(delimiters.component),
        b"R" => Some(delimiters.repetition),
        b"T" => Some(delimiters.subcomponent.unwrap_or(b'&')),
        b"E" => delimiters.escape,
        b"P" => Some(delimiters.truncation.unwrap_or(b'#')),
        _ => None,
    };
    if let Some(mark) = mark {
        return Some(Piece::Mark(mark, name));
    }
    if let [b'X', digits @ ..] = name
        && !digits.is_empty()
        && digits.len().is_multiple_of(2)
        && digits.iter().all(u8::is_ascii_hexdigit)
    {
        return Some(Piece::Hex(digits));
    }
    // Formatting commands may take a blank: `\.sp 3\`.
    let (is_command, has_blank) = (name.starts_with(b"."), name.contains(&b' '));
    let looks_like_one = name.len() <= UNKNOWN_MAX
        && name.first().is_some_and(|b| b.is_ascii_uppercase() || *b == b'.')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b".+- ".contains(b));
    (looks_like_one && (is_command || !has_blank)).then_some(Piece::Other(name))
}

/// Bytes of pairs of hexadecimal digits.
pub(super) fn from_hex(digits: &[u8]) -> impl Iterator<Item = u8> + '_ {
    digits.chunks_exact(2).map(|pair| hex(pair[0]) << 4 | hex(pair[1]))
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Replaces escape sequences by the bytes they stand for, `\.br\` by LF.
///
/// Works on bytes in the message's own character set, before decoding. All other
/// sequences stay as they came.
#[must_use]
pub fn unescape<'a>(raw: &'a [u8], delimiters: &Delimiters, charset: Charset) -> Cow<'a, [u8]> {
    let Some(escape) = delimiters.escape else { return Cow::Borrowed(raw) };
    if find(raw, 0, escape, charset).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    for piece in Pieces::new(raw, delimiters, charset) {
        match piece {
            Piece::Plain(plain) => out.extend_from_slice(plain),
            Piece::Mark(mark, _) => out.push(mark),
            Piece::Hex(digits) => out.extend(from_hex(digits)),
            Piece::Other(b".br" | b".BR") => out.push(b'\n'),
            Piece::Other(name) => {
                out.push(escape);
                out.extend_from_slice(name);
                out.push(escape);
            }
        }
    }
    Cow::Owned(out)
}

/// Text of a value: [`unescape`], then decoding, with `\C..\` and `\M..\` followed as
/// switches of the character set.
///
/// Never fails: bytes that mean nothing become replacement characters.
#[must_use]
pub fn text<'a>(raw: &'a [u8], delimiters: &Delimiters, charset: Charset) -> Cow<'a, str> {
    let (switched, charset) = switched(raw, delimiters, charset);
    match switched {
        Cow::Borrowed(raw) => match unescape(raw, delimiters, charset) {
            Cow::Borrowed(raw) => charset.decode(raw),
            Cow::Owned(raw) => Cow::Owned(charset.decode(&raw).into_owned()),
        },
        Cow::Owned(raw) => {
            let raw = unescape(&raw, delimiters, charset);
            Cow::Owned(charset.decode(&raw).into_owned())
        }
    }
}

/// Turns switches written as sequences of HL7 into those of ISO 2022, and tells the set to
/// read the result with.
pub(super) fn switched<'a>(
    raw: &'a [u8],
    delimiters: &Delimiters,
    charset: Charset,
) -> (Cow<'a, [u8]>, Charset) {
    let (Some(escape), Some(set)) = (delimiters.escape, charset.switching(raw)) else {
        return (Cow::Borrowed(raw), charset);
    };
    let is_switch = |pair: &[u8]| pair[0] == escape && matches!(pair[1], b'C' | b'M');
    if !raw.windows(2).any(is_switch) {
        return (Cow::Borrowed(raw), charset);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut has_switch = false;
    for piece in Pieces::new(raw, delimiters, charset) {
        let name: &[u8] = match &piece {
            Piece::Plain(plain) => {
                out.extend_from_slice(plain);
                continue;
            }
            Piece::Mark(_, name) | Piece::Hex(name) | Piece::Other(name) => name,
        };
        if let Some(designator) = designator(name) {
            has_switch = true;
            out.push(0x1b);
            out.extend_from_slice(designator);
            continue;
        }
        out.push(escape);
        if matches!(piece, Piece::Hex(_)) {
            out.push(b'X');
        }
        out.extend_from_slice(name);
        out.push(escape);
    }
    if has_switch { (Cow::Owned(out), set) } else { (Cow::Borrowed(raw), charset) }
}

/// Text of a formatted value (FT) in lines: commands for lines and indents are carried out,
/// highlighting and commands that say nothing without a page are left out.
///
/// Centered text begins at the margin, since lines have no width here. What is local to a
/// site stays as it came. Source: HL7 v2.5.1 §2.7.
#[must_use]
pub fn plain(raw: &[u8], delimiters: &Delimiters, charset: Charset) -> String {
    let (raw, charset) = switched(raw, delimiters, charset);
    let mut page =
        Page { charset, run: Vec::new(), out: String::with_capacity(raw.len()), ..Page::default() };
    for piece in Pieces::new(&raw, delimiters, charset) {
        match piece {
            Piece::Plain(plain) => page.run.extend_from_slice(plain),
            Piece::Mark(mark, _) => page.run.push(mark),
            Piece::Hex(digits) => page.run.extend(from_hex(digits)),
            Piece::Other(name) if page.command(name) => {}
            Piece::Other(name) => {
                let escape = delimiters.escape;
                page.run.extend(escape.iter().chain(name).chain(&escape));
            }
        }
    }
    page.flush();
    page.out
}

/// Text that a FHIR string or markdown may hold: [`plain`] without control characters but
/// tab, CR and LF.
///
/// Source: FHIR R4 datatypes.html#string.
#[must_use]
pub fn fhir_text(raw: &[u8], delimiters: &Delimiters, charset: Charset) -> String {
    let mut text = plain(raw, delimiters, charset);
    text.retain(|c| !c.is_control() || matches!(c, '\t' | '\r' | '\n'));
    text
}

/// Lines under construction.
struct Page {
    charset: Charset,
    /// Bytes not yet decoded: characters may take bytes of several pieces.
    run: Vec<u8>,
    out: String,
    /// Blanks before each line, and in addition before this one.
    margin: i32,
    once: i32,
    is_begun: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            charset: Charset::Unstated,
            run: Vec::new(),
            out: String::new(),
            margin: 0,
            once: 0,
            is_begun: false,
        }
    }
}

impl Page {
    /// Carries a formatting command out; false where it is none.
    fn command(&mut self, name: &[u8]) -> bool {
        let Ok(name) = std::str::from_utf8(name) else { return false };
        let name = name.to_ascii_lowercase();
        let (word, number) = match name.as_bytes() {
            [b'.', _, _, ..] => name.split_at(3),
            _ => (name.as_str(), ""),
        };
        let number: Option<i32> = match number.trim().trim_start_matches('+') {
            "" => None,
            digits => match digits.parse() {
                Ok(number) => Some(number),
                Err(_) => return false,
            },
        };
        match (word, number) {
            ("h" | "n" | ".fi" | ".nf", None) => {}
            (".br" | ".ce", None) => self.lines(1),
            (".sp", n) => self.lines(n.unwrap_or(1)),
            (".sk", n) => {
                self.flush();
                self.begin();
                self.blanks(n.unwrap_or(1));
            }
            (".in", n) => {
                self.flush();
                self.margin = n.unwrap_or(0);
            }
            (".ti", n) => {
                self.flush();
                self.once = n.unwrap_or(0);
            }
            _ => return false,
        }
        true
    }

    fn lines(&mut self, count: i32) {
        self.flush();
        for _ in 0..bounded(count).max(1) {
            self.out.push('\n');
        }
        (self.is_begun, self.once) = (false, 0);
    }

    fn blanks(&mut self, count: i32) {
        for _ in 0..bounded(count) {
            self.out.push(' ');
        }
    }

    /// Puts the indent before the first character of a line.
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.blanks(self.margin.saturating_add(self.once));
        }
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.begin();
            let run = std::mem::take(&mut self.run);
            self.out.push_str(&self.charset.decode(&run));
        }
    }
}

fn bounded(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0).min(LAYOUT_MAX)
}

/// What becomes of a character that the message's character set lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfit {
    /// The text is refused: `W2034`.
    #[default]
    Refuse,
    /// It is written as `\X..\` with its bytes in UTF-8, by agreement with the receiver.
    Hex,
}

/// Writes text so that it stands as data: delimiters and control characters as escape
/// sequences, LF as `\.br\`, CR as `\X0D\`.
///
/// # Errors
/// `W2034` when the character set lacks a character, or a sequence is needed and the
/// message declares no escape character.
pub fn escape(text: &str, delimiters: &Delimiters, charset: Charset) -> Result<Vec<u8>, Fault> {
    escape_with(text, delimiters, charset, Unfit::Refuse)
}

/// As [`escape`], with a choice for characters that the character set lacks.
///
/// # Errors
/// As [`escape`].
pub fn escape_with(
    text: &str,
    delimiters: &Delimiters,
    charset: Charset,
    unfit: Unfit,
) -> Result<Vec<u8>, Fault> {
    // Where ESC switches character sets, it cannot be text.
    if matches!(charset, Charset::Iso2022(_)) && text.contains('\u{1b}') {
        return Err(Fault::new(W2034).because("the text holds ESC, which switches sets here"));
    }
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let Some(name) = sequence(byte, delimiters) else { continue };
        let Some(mark) = delimiters.escape else {
            return Err(Fault::new(W2034).because("no escape character is declared"));
        };
        encode(&mut out, &text[plain..at], delimiters, charset, unfit)?;
        plain = at + 1;
        out.push(mark);
        match name {
            Name::Letter(letter) => out.push(letter),
            Name::Break => out.extend_from_slice(b".br"),
            Name::Hex => out.extend_from_slice(format!("X{byte:02X}").as_bytes()),
        }
        out.push(mark);
    }
    encode(&mut out, &text[plain..], delimiters, charset, unfit)?;
    Ok(out)
}

/// Writes text in a character set as it stands, delimiters and all.
///
/// # Errors
/// `W2034` for a character that the set lacks, where it is to be refused or no escape
/// character is declared.
pub(super) fn encode(
    out: &mut Vec<u8>,
    text: &str,
    delimiters: &Delimiters,
    charset: Charset,
    unfit: Unfit,
) -> Result<(), Fault> {
    if let Some(bytes) = charset.encode(text) {
        out.extend_from_slice(&bytes);
        return Ok(());
    }
    let (Unfit::Hex, Some(escape)) = (unfit, delimiters.escape) else {
        return Err(Fault::new(W2034).because("the character set lacks a character of the text"));
    };
    for c in text.chars() {
        let mut buffer = [0; 4];
        let c: &str = c.encode_utf8(&mut buffer);
        if let Some(bytes) = charset.encode(c) {
            out.extend_from_slice(&bytes);
            continue;
        }
        out.extend_from_slice(&[escape, b'X']);
        for byte in c.bytes() {
            out.extend_from_slice(format!("{byte:02X}").as_bytes());
        }
        out.push(escape);
    }
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
    fn switches_of_the_character_set_are_followed() {
        let check = |set: Charset, raw: &[u8], expected: &str| {
            assert_eq!(text(raw, &STANDARD, set), expected, "{raw:?}");
        };
        check(Charset::Latin1, b"\\C2D42\\\xb1\\C2D41\\\xfc", "\u{105}\u{fc}");
        check(Charset::Ascii, b"\\M2442\\;3\\C2842\\\\F\\x", "\u{5c71}|x");
        check(Charset::Ascii, b"\\E\\C2842\\E\\", "\\C2842\\");
        check(Charset::Utf8, b"\\M2842\\ \\C28\\\xc3\xbc", "\\M2842\\ \\C28\\\u{fc}");
        let set = Charset::declared(b"~ISO IR87", Some(b'~'));
        check(set, b"\x1b$B\\F\\T\x1b(B\\F\\", "\u{69ae}\u{6991}|");
    }

    #[test]
    fn formatted_text_becomes_lines() {
        let check = |raw: &str, expected: &str| {
            assert_eq!(plain(raw.as_bytes(), &STANDARD, Charset::Utf8), expected, "{raw}");
        };
        check("plain", "plain");
        check(r"a\.br\b\.sp2\c\.sp\d\.sp +2\e", "a\nb\n\nc\nd\n\ne");
        check(r"\H\bold\N\ \T\ \X41\", "bold & A");
        check(r"\.in+4\\.ti-4\1. one\.br\two\.br\\.in0\three", "1. one\n    two\nthree");
        check(r"\.ti2\a\.br\b", "  a\nb");
        check(r"a\.sk3\b\.ce\mid\.fi\\.nf\x", "a   b\nmidx");
        check(r"\Z1\ \.xy\ C:\temp \.sp\.", "\\Z1\\ \\.xy\\ C:\\temp \n.");
        check(r"\.sp999999999\x", &format!("{}x", "\n".repeat(200)));
        check(r"\.in-5\x\.spx\", r"x\.spx\");
        let check = |raw: &str, expected: &str| {
            assert_eq!(fhir_text(raw.as_bytes(), &STANDARD, Charset::Utf8), expected, "{raw}");
        };
        check(r"a\X00\\X0B\b\X09\\X0D\c\.br\", "ab\t\rc\n");
    }

    #[test]
    fn characters_that_do_not_fit_may_be_written_as_digits() {
        let written = escape_with("a\u{20ac}|\u{fc}", &STANDARD, Charset::Latin1, Unfit::Hex);
        assert_eq!(written.unwrap(), b"a\\XE282AC\\\\F\\\xfc");
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
            for set in [
                Charset::Utf8,
                Charset::Latin1,
                Charset::Table(encoding_rs::GB18030),
                Charset::declared(b"~ISO IR87", Some(b'~')),
            ] {
                let _ = (unescape(&raw, &STANDARD, set), text(&raw, &STANDARD, set));
                let _ = (plain(&raw, &STANDARD, set), fhir_text(&raw, &STANDARD, set));
                let pieces = Pieces::new(&raw, &STANDARD, set);
                let length: usize = pieces
                    .map(|piece| match piece {
                        Piece::Plain(plain) => plain.len(),
                        Piece::Mark(..) => 3,
                        Piece::Hex(digits) => digits.len() + 3,
                        Piece::Other(name) => name.len() + 2,
                    })
                    .sum();
                prop_assert_eq!(length, raw.len());
            }
        }

        #[test]
        fn sequences_in_any_order(raw in "(\\\\[FSTREPXHNCMZ.]?(br|sp|in|ti|sk|ce|fi)?[0-9+ -]{0,3}\\\\?|[a-z|]){0,12}") {
            let read = unescape(raw.as_bytes(), &STANDARD, Charset::Utf8);
            let read = String::from_utf8_lossy(&read).into_owned();
            // Once read, text is written and read the same for ever.
            let again = escape(&read, &STANDARD, Charset::Utf8).unwrap();
            let reread = text(&again, &STANDARD, Charset::Utf8);
            prop_assert_eq!(reread, read.as_str());
            let _ = plain(raw.as_bytes(), &STANDARD, Charset::Utf8);
        }
    }
}
