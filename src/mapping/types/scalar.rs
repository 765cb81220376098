//! Primitive types.

use std::borrow::Cow;

use super::super::arena::Leaf;
use super::super::datum::Datum;
use super::time::{Moment, Wrong, Zone};
use super::{Given, Made, Make, time};
use crate::fault::codes;
use crate::fhir::tables::Primitive;

/// The leaf of a text, in the form the type has in JSON.
pub(super) fn leaf<'r>(
    kind: Primitive,
    text: Cow<'r, str>,
    zone: Option<&Zone>,
) -> Result<Leaf<'r>, Wrong> {
    Ok(match kind {
        Primitive::Boolean => Leaf::Bool(truth(&text).ok_or("not yes or no")?),
        Primitive::Decimal => Leaf::Number(number(text).ok_or("not a number")?),
        Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
            Leaf::Number(number(text).ok_or("not a number")?)
        }
        Primitive::Code => Leaf::Text(single_spaced(text)),
        Primitive::Date => Leaf::Text(Moment::read(&text)?.date().into()),
        Primitive::DateTime => Leaf::Text(Moment::read(&text)?.date_time(zone).into()),
        Primitive::Instant => {
            let moment = Moment::read(&text)?;
            let why = if moment.needs_zone() {
                "no offset from UTC, and the mapping has no `zone`"
            } else {
                "no time of day"
            };
            Leaf::Text(moment.instant(zone).ok_or(why)?.into())
        }
        Primitive::Time => Leaf::Text(time::time(&text)?.into()),
        Primitive::Base64Binary => Leaf::Text(unspaced(text)),
        _ => Leaf::Text(text),
    })
}

/// Why a text does not have the form of a type.
pub(super) fn refusal(kind: Primitive) -> Wrong {
    match kind {
        Primitive::Base64Binary => "not base64",
        Primitive::Code => "not a code",
        Primitive::Decimal => "not a number",
        Primitive::Id => "not an id",
        Primitive::Integer => "not a whole number of 32 bits",
        Primitive::PositiveInt => "not a whole number above 0",
        Primitive::UnsignedInt => "not a whole number from 0",
        Primitive::Uri | Primitive::Url | Primitive::Canonical => "not a URI",
        Primitive::Date | Primitive::DateTime | Primitive::Instant | Primitive::Time => {
            "not a date or time"
        }
        _ => "not of the form its type has",
    }
}

/// Yes and no as v2 senders write them.
///
/// Source: HL7 table 0136, and what is seen besides.
fn truth(text: &str) -> Option<bool> {
    let is = |list: &[&str]| list.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["Y", "YES", "T", "TRUE", "1"]) {
        return Some(true);
    }
    is(&["N", "NO", "F", "FALSE", "0"]).then_some(false)
}

/// A v2 NM in the form of JSON, digits kept: `+007.50` is `7.50`, `.5` is `0.5`.
///
/// Source: HL7 v2.5.1 §2.A.47.
pub(super) fn number(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, &*text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    // More digits than any measure has are a mistake, and a burden to readers.
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() > 40 {
        return None;
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let short = match whole.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    let sign = if negative { "-" } else { "" };
    let written = sign.len() + short.len() + dot.len() + fraction.len();
    if written == text.len() && !whole.is_empty() {
        return Some(text);
    }
    Some(format!("{sign}{short}{dot}{fraction}").into())
}

fn single_spaced(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains("  ") || text.contains(['\n', '\r', '\t']) {
        return text.split_whitespace().collect::<Vec<_>>().join(" ").into();
    }
    text
}

fn unspaced(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(char::is_whitespace) {
        return text.split_whitespace().collect::<String>().into();
    }
    text
}

/// The value whose text a simple type has: the first component. Unescaped `&` in it is
/// taken for text.
fn first<'r>(given: &Given<'r>) -> Option<Datum<'r>> {
    match given {
        Given::Value { value, .. } => Some(value.component(1).unwrap_or(*value)),
        Given::Text(_) => None,
    }
}

fn scalar<'r>(make: &mut Make<'r>, given: &Given<'r>, kind: Primitive) -> Made {
    let (text, from) = match given {
        Given::Text(text) => (Some(super::clean(text.clone())).filter(|t| !t.is_empty()), None),
        Given::Value { deep: true, value, .. } => (make.text(*value), Some(*value)),
        Given::Value { .. } => {
            let value = first(given).filter(|v| !v.is_empty());
            (value.and_then(|value| make.text(value)), value)
        }
    };
    match text {
        Some(text) => make.scalar(kind, text, from),
        None => Ok(None),
    }
}

macro_rules! scalars {
    ($($name:ident $kind:ident;)*) => {$(
        pub(super) fn $name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
            scalar(make, given, Primitive::$kind)
        }
    )*};
}

scalars! {
    string String;
    markdown Markdown;
    code Code;
    id Id;
    uri Uri;
    boolean Boolean;
    decimal Decimal;
    integer Integer;
    positive PositiveInt;
    unsigned UnsignedInt;
    base64 Base64Binary;
    date Date;
    date_time DateTime;
    instant Instant;
    time Time;
}

/// A time of day, of a time alone or of a moment.
pub(super) fn any_time<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(text) = make.part_text(given, 1) else { return Ok(None) };
    let time = match Moment::read(&text) {
        Ok(moment) => moment.time().ok_or("no time of day")?,
        Err(_) => time::time(&text)?,
    };
    let node = make.arena.add(Leaf::Text(time.into()));
    if let Some(value) = first(given) {
        make.arena.came_from(node, value.range());
    }
    Ok(Some(node))
}

/// The first part of a type made of parts.
pub(super) fn first_part<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let value = make.part(given, 1);
    match make.part_text(given, 1) {
        Some(text) => make.scalar(Primitive::String, text, value),
        None => Ok(None),
    }
}

/// A note that is text alone.
pub(super) fn annotation<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    match scalar(make, given, Primitive::Markdown) {
        Ok(Some(node)) => {
            make.arena.attach(object, "text", node);
            Ok(Some(object))
        }
        Ok(None) => make.finish(mark, object, false),
        Err(wrong) => {
            make.leave(codes::W4101, first(given), wrong);
            make.finish(mark, object, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(number(text.into()).as_deref(), expected, "{text}");
        };
        check("98", Some("98"));
        check("7.10", Some("7.10"));
        check("+7.10", Some("7.10"));
        check("-0.5", Some("-0.5"));
        check(".5", Some("0.5"));
        check("-.5", Some("-0.5"));
        check("5.", Some("5"));
        check("007", Some("7"));
        check("0", Some("0"));
        check("000", Some("0"));
        check("1e5", None);
        check("", None);
        check("-", None);
        check(".", None);
        check("1,5", None);
        check("<5", None);
        check("٣", None);
    }

    #[test]
    fn yes_and_no() {
        for (text, yes) in [("Y", Some(true)), ("n", Some(false)), ("maybe", None), ("", None)] {
            assert_eq!(truth(text), yes, "{text}");
        }
    }
}
