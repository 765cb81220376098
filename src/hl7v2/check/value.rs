//! The forms of primitive values: numbers, dates, times, escapes.
//!
//! Works on the bytes as they stand in the message: a value with an escape sequence in it
//! is none of these, which is right, since none of them has a character that needs one.

use std::cmp::Ordering;

/// What a primitive value has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, of any form.
    Text,
    /// Anything, divided or not: what no definition says more about.
    Any,
    /// `OBX-5` and others whose type another field tells.
    Varies,
    /// `NM`
    Number,
    /// `SI`
    Sequence,
    /// `DT`
    Date,
    /// `TM`
    Time,
    /// `DTM`, and the first component of `TS`
    Moment,
    /// `ID` and `IS`: a code.
    Code,
}

impl Kind {
    /// By the name of a primitive type.
    pub(super) fn of(datatype: &str) -> Self {
        match datatype {
            "NM" => Self::Number,
            "SI" => Self::Sequence,
            "DT" => Self::Date,
            "TM" => Self::Time,
            "DTM" | "TS" => Self::Moment,
            "ID" | "IS" => Self::Code,
            "" | "CM" | "varies" | "NUL" => Self::Any,
            _ => Self::Text,
        }
    }

    /// What is wrong with a value, in our words; none where it has the form.
    pub(super) fn misfit(self, value: &[u8]) -> Option<&'static str> {
        match self {
            Self::Text | Self::Any | Self::Varies | Self::Code => None,
            Self::Number => (!is_number(value)).then_some("it is not a number such as `-1.5`"),
            Self::Sequence => {
                (!value.iter().all(u8::is_ascii_digit)).then_some("it is not a whole number")
            }
            Self::Date => match Moment::read(value) {
                Ok(moment) if moment.precision <= 3 && moment.offset.is_none() => None,
                Ok(_) => Some("it has a time, where only a date is allowed"),
                Err(cause) => Some(cause),
            },
            Self::Moment => Moment::read(value).err(),
            Self::Time => Moment::read_time(value).err(),
        }
    }
}

fn is_number(value: &[u8]) -> bool {
    let digits = match value {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    let mut points = 0;
    let mut count = 0;
    for byte in digits {
        match byte {
            b'0'..=b'9' => count += 1,
            b'.' => points += 1,
            _ => return false,
        }
    }
    count > 0 && points <= 1
}

/// A date or time with the precision in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Year, month, day, hour, minute, second, ten-thousandths.
    parts: [u16; 7],
    /// How many of the parts were written.
    pub precision: u8,
    /// Minutes east of Greenwich.
    pub offset: Option<i16>,
}

impl Moment {
    /// Reads `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.
    ///
    /// Source: HL7 v2.5.1 chapter 2A, DTM.
    pub(super) fn read(value: &[u8]) -> Result<Self, &'static str> {
        let (digits, fraction, offset) = divide(value)?;
        let (precision, year) = match digits.len() {
            4 => (1, digits),
            6 => (2, digits),
            8 => (3, digits),
            10 => (4, digits),
            12 => (5, digits),
            14 => (6, digits),
            _ => return Err("it is not a date and time such as `20260102` or `202601020304`"),
        };
        let mut parts = [0, 1, 1, 0, 0, 0, 0];
        parts[0] = number(year.get(..4).unwrap_or_default());
        for (at, pair) in digits.get(4..).unwrap_or_default().chunks_exact(2).enumerate() {
            parts[at + 1] = number(pair);
        }
        if !(1..=12).contains(&parts[1]) {
            return Err("there is no such month");
        }
        if !(1..=days(parts[0], parts[1])).contains(&parts[2]) {
            return Err("the month has no such day");
        }
        let precision = clock(&mut parts, precision, fraction)?;
        Ok(Self { parts, precision, offset })
    }

    /// Reads `HH[MM[SS[.S[S[S[S]]]]]][+/-ZZZZ]`, on a day of no meaning.
    ///
    /// Source: HL7 v2.5.1 chapter 2A, TM.
    pub(super) fn read_time(value: &[u8]) -> Result<Self, &'static str> {
        let (digits, fraction, offset) = divide(value)?;
        let precision = match digits.len() {
            2 => 4,
            4 => 5,
            6 => 6,
            _ => return Err("it is not a time such as `0304` or `030405`"),
        };
        let mut parts = [0, 1, 1, 0, 0, 0, 0];
        for (at, pair) in digits.chunks_exact(2).enumerate() {
            parts[at + 3] = number(pair);
        }
        let precision = clock(&mut parts, precision, fraction)?;
        Ok(Self { parts, precision, offset })
    }

    /// Which comes first, as far as both were written; equal where that cannot be told.
    ///
    /// Offsets count where both have one and say the minute; a value without one is taken
    /// to be in the zone of the other.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        if let (Some(here), Some(there)) = (self.offset, other.offset)
            && self.precision.min(other.precision) >= 5
        {
            return (self.minutes() - i64::from(here), &self.parts[5..])
                .cmp(&(other.minutes() - i64::from(there), &other.parts[5..]));
        }
        let both = usize::from(self.precision.min(other.precision));
        self.parts[..both].cmp(&other.parts[..both])
    }

    /// Minutes since a day of no meaning.
    fn minutes(&self) -> i64 {
        let [year, month, day, hour, minute, ..] = self.parts.map(i64::from);
        // Days of the civil calendar: years begin in March, so that leap days come last.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (153 * month + 2) / 5
            + day;
        (days * 24 + hour) * 60 + minute
    }
}

/// Digits before the point, digits after it, and the offset.
#[expect(clippy::type_complexity, reason = "three parts of one value, used at once")]
fn divide(value: &[u8]) -> Result<(&[u8], Option<&[u8]>, Option<i16>), &'static str> {
    if value.iter().all(u8::is_ascii_digit) {
        return Ok((value, None, None));
    }
    let sign = value.iter().rposition(|b| matches!(b, b'+' | b'-'));
    let (local, offset) = match sign {
        None => (value, None),
        Some(at) => {
            let (local, zone) = value.split_at(at);
            let digits = zone.get(1..).unwrap_or_default();
            if digits.len() != 4 || !digits.iter().all(u8::is_ascii_digit) {
                return Err("its offset is not of the form `+0100`");
            }
            let (hours, minutes) = (number(&digits[..2]), number(&digits[2..]));
            if hours > 14 || minutes > 59 {
                return Err("there is no such offset from UTC");
            }
            let minutes = i16::try_from(hours * 60 + minutes).unwrap_or(0);
            (local, Some(if zone.first() == Some(&b'-') { -minutes } else { minutes }))
        }
    };
    let point = local.iter().position(|b| *b == b'.');
    let (digits, fraction) = match point {
        None => (local, None),
        Some(at) => (&local[..at], Some(&local[at + 1..])),
    };
    if !digits.iter().chain(fraction.unwrap_or_default()).all(u8::is_ascii_digit) {
        return Err("it holds something other than digits");
    }
    Ok((digits, fraction, offset))
}

/// Checks the time of day and takes the fraction; gives the precision.
fn clock(parts: &mut [u16; 7], precision: u8, fraction: Option<&[u8]>) -> Result<u8, &'static str> {
    // 24 is none of ISO 8601:2019, but the end of a day in many systems.
    if parts[3] > 23 && !(parts[3] == 24 && parts[4] == 0 && parts[5] == 0) {
        return Err("the day has no such hour");
    }
    if parts[4] > 59 {
        return Err("the hour has no such minute");
    }
    // 60 is a leap second.
    if parts[5] > 60 {
        return Err("the minute has no such second");
    }
    let Some(fraction) = fraction else { return Ok(precision) };
    if precision != 6 || fraction.is_empty() || fraction.len() > 4 {
        return Err("the fraction of a second has one to four digits, after the seconds");
    }
    parts[6] = number(fraction) * 10u16.pow(4 - u32::try_from(fraction.len()).unwrap_or(0));
    Ok(7)
}

fn number(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |n, b| n * 10 + u16::from(b & 0x0f))
}

fn days(year: u16, month: u16) -> u16 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What is wrong with the escape sequences of a text, in our words.
///
/// Source: HL7 v2.5.1 chapter 2, use of escape sequences.
pub(super) fn escapes(text: &[u8], escape: u8) -> Option<&'static str> {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b == escape) {
        let inside = rest.get(at + 1..)?;
        let Some(end) = inside.iter().position(|b| *b == escape) else {
            return Some("an escape sequence is not closed");
        };
        let (sequence, after) = inside.split_at(end);
        let known = match sequence {
            b"F" | b"S" | b"T" | b"R" | b"E" | b"P" | b"H" | b"N" | b"L" => true,
            [b'X', hex @ ..] => {
                !hex.is_empty() && hex.len() % 2 == 0 && hex.iter().all(u8::is_ascii_hexdigit)
            }
            [b'C' | b'M', hex @ ..] => {
                matches!(hex.len(), 4 | 6) && hex.iter().all(u8::is_ascii_hexdigit)
            }
            [b'Z' | b'.', ..] => true,
            _ => false,
        };
        if !known {
            return Some("an escape sequence is not known to the standard");
        }
        rest = after.get(1..).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_values() {
        let check = |kind: Kind, good: &[&str], bad: &[&str]| {
            for value in good {
                assert_eq!(kind.misfit(value.as_bytes()), None, "{kind:?} {value}");
            }
            for value in bad {
                assert!(kind.misfit(value.as_bytes()).is_some(), "{kind:?} {value}");
            }
        };
        check(
            Kind::Number,
            &["0", "-1.5", "+3", ".5", "5."],
            &["", "-", "1e5", "1,5", "1.2.3", "<5"],
        );
        check(Kind::Sequence, &["1", "0012"], &["-1", "1.0", "a"]);
        check(
            Kind::Date,
            &["2026", "202601", "20260102", "20240229", "20000229"],
            &[
                "",
                "26",
                "20261301",
                "20260132",
                "20230229",
                "19000229",
                "2026-01-02",
                "202601020304",
            ],
        );
        check(
            Kind::Time,
            &["03", "0304", "030405", "030405.1", "030405.1234+0100", "2400", "235960"],
            &["", "3", "2401", "0360", "030461", "0304.5", "030405.12345", "030405+25", "03:04"],
        );
        check(
            Kind::Moment,
            &[
                "2026",
                "20260102030405.6789-0500",
                "202601020304+0530",
                "20260102-0500",
                "2026010203",
            ],
            &[
                "20260230",
                "2026010225",
                "202601020304050",
                "20260102030405Z",
                "20260102030405.+0100",
                "x",
            ],
        );
        check(Kind::Text, &["", "anything"], &[]);
        check(Kind::Code, &["A"], &[]);
    }

    #[test]
    fn order_of_moments() {
        let check = |one: &str, other: &str, expected: Ordering| {
            let read = |text: &str| Moment::read(text.as_bytes()).unwrap();
            assert_eq!(read(one).order(&read(other)), expected, "{one} {other}");
            assert_eq!(read(other).order(&read(one)), expected.reverse(), "{other} {one}");
        };
        check("2026", "2027", Ordering::Less);
        check("2026", "20260102", Ordering::Equal);
        check("20260102", "20260101", Ordering::Greater);
        check("202601020304+0100", "202601020304+0200", Ordering::Greater);
        check("202601012330-0100", "202601020030+0000", Ordering::Equal);
        check("202601020304", "202601020304+0200", Ordering::Equal);
        check("20260102030405.1", "20260102030405.09", Ordering::Greater);
        check("20240229235959+0000", "20240301000000+0000", Ordering::Less);
    }

    #[test]
    fn escape_sequences() {
        let check = |text: &str, good: bool| {
            assert_eq!(escapes(text.as_bytes(), b'\\').is_none(), good, "{text}");
        };
        check(r"a\T\b", true);
        check(r"\.br\\X0D0A\\H\x\N\", true);
        check(r"\.sp+3\\Zsite\\C2842\\M242042\", true);
        check(r"C:\temp", false);
        check(r"\Q\", false);
        check(r"\X0\", false);
        check(r"\", false);
    }
}
