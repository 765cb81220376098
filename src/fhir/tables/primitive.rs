//! Primitive types and the forms of their values.

/// A primitive type of R4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the types")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// Longest string and longest text of other primitives, in bytes of UTF-8.
///
/// Source: FHIR R4 datatypes.html#string ("not exceed 1MB in size").
const STRING_BYTES_MAX: usize = 1 << 20;

/// The types with their names.
const NAMES: [(&str, Primitive); 20] = [
    ("base64Binary", Primitive::Base64Binary),
    ("boolean", Primitive::Boolean),
    ("canonical", Primitive::Canonical),
    ("code", Primitive::Code),
    ("date", Primitive::Date),
    ("dateTime", Primitive::DateTime),
    ("decimal", Primitive::Decimal),
    ("id", Primitive::Id),
    ("instant", Primitive::Instant),
    ("integer", Primitive::Integer),
    ("markdown", Primitive::Markdown),
    ("oid", Primitive::Oid),
    ("positiveInt", Primitive::PositiveInt),
    ("string", Primitive::String),
    ("time", Primitive::Time),
    ("unsignedInt", Primitive::UnsignedInt),
    ("uri", Primitive::Uri),
    ("url", Primitive::Url),
    ("uuid", Primitive::Uuid),
    ("xhtml", Primitive::Xhtml),
];

impl Primitive {
    /// The type of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, primitive)| *primitive)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// Whether its values may be codes that a binding speaks of.
    #[must_use]
    pub const fn is_coded(self) -> bool {
        matches!(self, Self::Code | Self::String | Self::Uri)
    }

    /// Whether JSON writes it as a number.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt)
    }

    /// Whether a text has the form of the type.
    ///
    /// Source: FHIR R4 datatypes.html#primitive, with days checked against the calendar.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        match self {
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Integer => int(text).is_some(),
            Self::UnsignedInt => int(text).is_some_and(|n| n >= 0),
            Self::PositiveInt => int(text).is_some_and(|n| n > 0),
            Self::Decimal => decimal(text),
            Self::Code => code(text),
            Self::Id => {
                let part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
                text.len() <= 64 && text.bytes().all(part)
            }
            Self::Uri | Self::Url | Self::Canonical => !text.bytes().any(|b| b <= b' '),
            Self::Oid => oid(text),
            Self::Uuid => text.strip_prefix("urn:uuid:").is_some_and(uuid),
            Self::Base64Binary => base64(text.as_bytes()),
            Self::Date => date(text).is_some_and(|(_, rest)| rest.is_empty()),
            Self::DateTime => date_time(text, false),
            Self::Instant => date_time(text, true),
            Self::Time => time(text).is_some_and(str::is_empty),
            Self::Xhtml => text.trim_start().starts_with('<'),
            Self::String | Self::Markdown => {
                text.len() <= STRING_BYTES_MAX && !text.bytes().any(control) && !blank(text)
            }
        }
    }
}

fn control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

fn blank(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_whitespace())
}

fn int(text: &str) -> Option<i32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    if plain { text.parse().ok() } else { None }
}

fn decimal(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (rest, None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = number.split_once('.').map_or((number, None), |(w, p)| (w, Some(p)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && part.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// No white space at the ends and single blanks inside.
fn code(text: &str) -> bool {
    let fits = |word: &str| !word.is_empty() && !word.contains(|c: char| c.is_ascii_whitespace());
    text.split(' ').all(fits)
}

fn oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else { return false };
    let arc = |arc: &str| {
        arc.bytes().all(|b| b.is_ascii_digit())
            && !arc.is_empty()
            && (arc == "0" || !arc.starts_with('0'))
    };
    oid.starts_with(['0', '1', '2'])
        && oid.as_bytes().get(1) == Some(&b'.')
        && oid.split('.').all(arc)
}

fn uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Groups of four with padding at the end; white space between is allowed.
fn base64(text: &[u8]) -> bool {
    let (mut signs, mut padding) = (0_usize, 0_usize);
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => signs += 1,
            b'=' => padding += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return false,
        }
    }
    padding <= 2 && (signs + padding).is_multiple_of(4) && signs > 0
}

/// Precision of a date: parts given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    Year,
    Month,
    Day,
}

/// Reads `YYYY[-MM[-DD]]`; what comes after it.
fn date(text: &str) -> Option<(Parts, &str)> {
    let (year, rest) = number(text, 4)?;
    if year == 0 {
        return None;
    }
    let Some(rest) = rest.strip_prefix('-') else { return Some((Parts::Year, rest)) };
    let (month, rest) = number(rest, 2)?;
    let Some(rest) = rest.strip_prefix('-') else {
        return (1..=12).contains(&month).then_some((Parts::Month, rest));
    };
    let (day, rest) = number(rest, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    (1..=days).contains(&day).then_some((Parts::Day, rest))
}

fn number(text: &str, len: usize) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(len)?;
    let fits = digits.bytes().all(|b| b.is_ascii_digit());
    Some((fits.then(|| digits.parse().ok())??, rest))
}

/// Reads `hh:mm:ss[.fff]`, a leap second allowed; what comes after it.
fn time(text: &str) -> Option<&str> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let Some(fraction) = rest.strip_prefix('.') else { return Some(rest) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// A date with time and zone; the whole of it when `whole`, else a date alone will do.
fn date_time(text: &str, whole: bool) -> bool {
    let Some((parts, rest)) = date(text) else { return false };
    if rest.is_empty() {
        return !whole;
    }
    let zone = rest.strip_prefix('T').filter(|_| parts == Parts::Day).and_then(time);
    match zone {
        Some("Z") => true,
        Some(zone) => zone.strip_prefix(['+', '-']).is_some_and(|offset| {
            let read = || {
                let (hours, rest) = number(offset, 2)?;
                let (minutes, rest) = number(rest.strip_prefix(':')?, 2)?;
                let fits = hours * 60 + minutes <= 14 * 60 && minutes < 60;
                Some(fits && rest.is_empty())
            };
            read().unwrap_or(false)
        }),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_from_others() {
        let check = |name: &str, good: &[&str], bad: &[&str]| {
            let ty = Primitive::of(name).unwrap();
            for text in good {
                assert!(ty.accepts(text), "{name} {text:?}");
            }
            for text in bad.iter().chain(&[""]) {
                assert!(!ty.accepts(text), "{name} {text:?}");
            }
        };
        check("boolean", &["true", "false"], &["True", "1"]);
        check("integer", &["0", "-5", "2147483647"], &["01", "+1", "1.0", "2147483648", "-"]);
        check("unsignedInt", &["0", "7"], &["-1"]);
        check("positiveInt", &["1"], &["0", "-1"]);
        check("decimal", &["0.10", "-1.5e-7", "100"], &["1.", ".5", "01", "1e", "NaN"]);
        check("code", &["final", "a b"], &[" a", "a ", "a  b", "a\tb"]);
        check("id", &["a-1.B"], &["a_b", "a/b", &"x".repeat(65)]);
        check("uri", &["urn:x", "Patient/1", "http://a/b?c"], &["a b", "a\n"]);
        check("oid", &["urn:oid:2.16.840"], &["2.16", "urn:oid:3.1", "urn:oid:2.016", "urn:oid:2"]);
        check(
            "uuid",
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &["urn:uuid:c757873d", "c757873d-ec9a-4326-a141-556f43239520"],
        );
        check("base64Binary", &["QQ==", "QUJD", "QU\nJD"], &["Q", "Q===", "QQ=a", "Q_-="]);
        check(
            "date",
            &["2026", "2026-02", "2024-02-29"],
            &["26", "2026-13", "2026-02-29", "2026-1-1", "20260101", "0000"],
        );
        check(
            "dateTime",
            &["2026", "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+14:00"],
            &[
                "2026-01-02T03:04:05",
                "2026-01-02T03:04Z",
                "2026-01T03:04:05Z",
                "2026-01-02T24:00:00Z",
                "2026-01-02T03:04:05+15:00",
            ],
        );
        check("instant", &["2026-01-02T03:04:05Z"], &["2026-01-02", "2026-01-02T03:04:05.Z"]);
        check("time", &["03:04:05", "23:59:60.5"], &["3:04:05", "03:04", "03:04:05Z", "24:00:00"]);
        check("string", &["a\n b", "é"], &[" ", "a\u{1}"]);
        check("xhtml", &["<div>a</div>"], &["a"]);
    }
}
