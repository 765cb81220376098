//! Strings and numbers of JSON: where they end, what they say, how they are written.

use std::borrow::Cow;

/// Number of bytes before the first quote, backslash or control character.
///
/// Eight bytes at a time by plain arithmetic: most strings of FHIR are shorter than what
/// a call of `memchr` costs, and control characters must be seen as well.
pub(super) fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (chunks, rest) = text.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let hits = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control;
        if hits != 0 {
            // Borrows spoil only bytes after the first hit.
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    chunks.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Length and meaning of the escape sequence that `text` starts with.
pub(super) fn escape(text: &[u8]) -> Result<(usize, char), &'static str> {
    let meaning = match text.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(text),
        _ => return Err("a backslash starts no escape sequence of JSON"),
    };
    Ok((2, meaning))
}

fn unicode(text: &[u8]) -> Result<(usize, char), &'static str> {
    const LONE: &str = "half of a surrogate pair stands alone";
    let unit = |from: usize| {
        let digits = text.get(from..from + 4)?;
        let mut value = 0;
        for digit in digits {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        Some(value)
    };
    let first = unit(2).ok_or("expected four hexadecimal digits after `\\u`")?;
    if !(0xd800..0xe000).contains(&first) {
        return char::from_u32(first).map(|c| (6, c)).ok_or(LONE);
    }
    if first >= 0xdc00 || text.get(6..8) != Some(b"\\u") {
        return Err(LONE);
    }
    let second = unit(8).filter(|s| (0xdc00..0xe000).contains(s)).ok_or(LONE)?;
    let point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    char::from_u32(point).map(|c| (12, c)).ok_or(LONE)
}

/// What the inside of a JSON string says. Its escapes were checked when it was read.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, str> {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, _)) = rest.split_once('\\') {
        out.push_str(before);
        let tail = rest.get(before.len()..).unwrap_or_default();
        let (len, meaning) = escape(tail.as_bytes()).unwrap_or((1, '\\'));
        out.push(meaning);
        rest = tail.get(len..).unwrap_or_default();
    }
    if out.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Appends a text as a JSON string; true when it needed escapes.
///
/// Escapes only what JSON demands, so that the same text always gives the same bytes.
pub(super) fn quote(text: &str, out: &mut Vec<u8>) -> bool {
    let mut rest = text.as_bytes();
    let mut escaped = false;
    out.push(b'"');
    loop {
        let (before, after) = rest.split_at(plain(rest).min(rest.len()));
        out.extend_from_slice(before);
        let Some((byte, after)) = after.split_first() else { break };
        escaped = true;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = after;
    }
    out.push(b'"');
    escaped
}

/// Length of the number that `text` starts with, or the place of the digit it lacks.
pub(super) fn number(text: &[u8]) -> Result<usize, usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let len = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        if len == 0 { Err(from) } else { Ok(from + len) }
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(sign))?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_stops_at_quote_backslash_and_control() {
        let check = |text: &[u8], expected| assert_eq!(plain(text), expected, "{text:?}");
        check(b"", 0);
        check(b"abc", 3);
        check(b"abcdefgh", 8);
        check(b"abcdefg\"", 7);
        check(b"abcdefghij\\k", 10);
        check(b"\x1fabcdefgh", 0);
        check(b"abcdefghi\n", 9);
        check("äöüäöü\"".as_bytes(), 12);
        check(b"\x7f\x80\xff !#[]", 8);
    }

    #[test]
    fn escapes_are_read() {
        let check = |text: &str, expected| assert_eq!(escape(text.as_bytes()), expected, "{text}");
        check("\\n", Ok((2, '\n')));
        check("\\u00e9x", Ok((6, 'é')));
        check("\\ud83d\\ude00", Ok((12, '😀')));
        check("\\x", Err("a backslash starts no escape sequence of JSON"));
        check("\\u12g4", Err("expected four hexadecimal digits after `\\u`"));
        check("\\u12", Err("expected four hexadecimal digits after `\\u`"));
        for lone in ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\ud83d"] {
            check(lone, Err("half of a surrogate pair stands alone"));
        }
    }

    #[test]
    fn quoted_text_reads_back() {
        for text in ["", "plain", "a\"b\\c", "\u{1}\n\r\t\u{1f}", "é😀\u{2028}", "\\u0041"] {
            let mut out = Vec::new();
            let escaped = quote(text, &mut out);
            assert_eq!(unescape(&out[1..out.len() - 1]), text);
            assert_eq!(escaped, out.len() != text.len() + 2, "{text:?}");
        }
    }

    #[test]
    fn numbers_follow_the_grammar() {
        let check = |text: &str, expected| assert_eq!(number(text.as_bytes()), expected, "{text}");
        check("0", Ok(1));
        check("-0.10e+5,", Ok(8));
        check("120.500]", Ok(7));
        check("01", Ok(1));
        check("-", Err(1));
        check("1.", Err(2));
        check("1e", Err(2));
        check("1e-x", Err(3));
        check("-.5", Err(1));
    }
}
