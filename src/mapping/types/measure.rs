//! Quantities, ranges, ratios, periods and attachments.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::arena::{At, Leaf};
use super::super::datum::Datum;
use super::identity::joined;
use super::time::Wrong;
use super::{Given, Made, Make, systems};
use crate::fhir::tables::Primitive;

const COMPARATORS: &[&str] = &["<=", ">=", "<", ">"];

/// The comparator a number begins with, and the rest.
fn comparator(text: &str) -> (Option<&'static str>, &str) {
    let found = COMPARATORS.iter().find(|c| text.starts_with(**c));
    (found.copied(), found.and_then(|c| text.strip_prefix(c)).map_or(text, str::trim_start))
}

/// A `Quantity` of a number, its comparator and its unit.
fn quantity_of<'r>(
    make: &mut Make<'r>,
    number: (Cow<'r, str>, Option<Datum<'r>>),
    sign: Option<&'static str>,
    unit: Option<&Given<'r>>,
) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let node = match make.scalar(Primitive::Decimal, number.0, number.1) {
        Ok(Some(node)) => node,
        Ok(None) => return make.finish(mark, object, false),
        Err(wrong) => {
            make.arena.forget(mark);
            return Err(wrong);
        }
    };
    make.arena.attach(object, "value", node);
    if let Some(sign) = sign {
        make.arena.say(object, "comparator", sign);
    }
    if let Some(unit) = unit {
        unit_of(make, object, unit);
    }
    Ok(Some(object))
}

/// Unit, system and code from a CE or CWE; a code without a system says nothing to FHIR.
fn unit_of<'r>(make: &mut Make<'r>, object: At, unit: &Given<'r>) {
    let (code, text) = (make.part(unit, 1), make.part(unit, 2));
    make.member(object, "unit", Primitive::String, text.or(code));
    let Some(name) = make.part(unit, 3) else { return };
    let Some(uri) = systems::of_message(&name.text()) else { return };
    let Some(code) = code else { return };
    make.used.mark(name.range());
    let node = make.arena.say(object, "system", uri);
    make.arena.came_from(node, name.range());
    make.member(object, "code", Primitive::Code, Some(code));
}

/// The unit that belongs to a value: OBX-6 beside OBX-5.
fn unit_beside<'r>(given: &Given<'r>) -> Option<Given<'r>> {
    let Given::Value { segment: Some(segment), .. } = given else { return None };
    if segment.id() != "OBX" {
        return None;
    }
    let value = segment.field(6)?.repetition(1)?;
    let value = Datum::Hl7(value);
    Some(Given::Value { value, deep: false, segment: None, table: None })
}

/// A number, maybe with a comparator in front (`<5` in an NM is wrong and common).
pub(super) fn quantity<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let from = make.part(given, 1);
    let Some(text) = make.part_text(given, 1) else { return Ok(None) };
    let (sign, rest) = comparator(&text);
    let rest: Cow<'r, str> = if sign.is_some() { rest.to_owned().into() } else { text };
    let unit = unit_beside(given);
    quantity_of(make, (rest, from), sign, unit.as_ref())
}

pub(super) fn quantity_of_cq<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let from = make.part(given, 1);
    let Some(text) = make.part_text(given, 1) else { return Ok(None) };
    let unit = given.below(2);
    quantity_of(make, (text, from), None, unit.as_ref())
}

/// What an SN says.
struct Structured<'r> {
    sign: Option<Cow<'r, str>>,
    first: Option<(Cow<'r, str>, Option<Datum<'r>>)>,
    separator: Option<Cow<'r, str>>,
    second: Option<(Cow<'r, str>, Option<Datum<'r>>)>,
}

fn structured<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Structured<'r> {
    let number = |make: &mut Make<'r>, n| {
        let from = make.part(given, n);
        make.part_text(given, n).map(|text| (text, from))
    };
    Structured {
        first: number(make, 2),
        second: number(make, 4),
        sign: make.part_text(given, 1),
        separator: make.part_text(given, 3),
    }
}

pub(super) fn quantity_of_sn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    const SHAPE: Wrong = "not a single number";
    let sn = structured(make, given);
    let Some(first) = sn.first else { return Ok(None) };
    if sn.separator.is_some() || sn.second.is_some() {
        return Err(SHAPE);
    }
    let sign = match sn.sign.as_deref() {
        None | Some("=") => None,
        Some(sign) => Some(*COMPARATORS.iter().find(|c| **c == sign).ok_or(SHAPE)?),
    };
    let unit = unit_beside(given);
    quantity_of(make, first, sign, unit.as_ref())
}

/// Two numbers put under two names.
fn pair<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    separators: &[&str],
    names: [&'static str; 2],
) -> Made {
    let sn = structured(make, given);
    let fits = sn.separator.as_deref().is_some_and(|s| separators.contains(&s));
    let (Some(first), Some(second), true, None) = (sn.first, sn.second, fits, sn.sign) else {
        return Err("not two numbers of that kind");
    };
    let unit = unit_beside(given);
    let mark = make.arena.mark();
    let object = make.arena.object();
    for (name, number) in names.into_iter().zip([first, second]) {
        match quantity_of(make, number, None, unit.as_ref()) {
            Ok(Some(node)) => make.arena.attach(object, name, node),
            Ok(None) | Err(_) => {
                make.arena.forget(mark);
                return Err("not a number");
            }
        }
    }
    Ok(Some(object))
}

pub(super) fn range_of_sn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    pair(make, given, &["-"], ["low", "high"])
}

pub(super) fn ratio_of_sn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    pair(make, given, &[":", "/"], ["numerator", "denominator"])
}

pub(super) fn text_of_sn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mut words = Vec::new();
    for n in 1..=4 {
        words.extend(make.part_text(given, n));
    }
    joined(make, given, &words, "")
}

/// DR to `Period`.
pub(super) fn period<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let (start, end) = (make.part(given, 1), make.part(given, 2));
    make.period(start, end)
}

/// A moment as a `Period` that starts then.
pub(super) fn period_of_time<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let start = make.part(given, 1);
    make.period(start, None)
}

/// The MIME type of ED.2 and ED.3.
///
/// Source: HL7 tables 0191 and 0291.
fn mime(kind: &str, subtype: &str) -> Option<String> {
    let (kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
    let token = |t: &str| {
        !t.is_empty()
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'))
    };
    match (kind.as_str(), subtype.as_str()) {
        (_, "pdf") => Some("application/pdf".into()),
        (_, "rtf" | "x-rtf") => Some("application/rtf".into()),
        (_, "html") => Some("text/html".into()),
        (_, "jpeg" | "jpg" | "jot") => Some("image/jpeg".into()),
        (_, "png" | "gif" | "tiff") => Some(format!("image/{subtype}")),
        ("text" | "tx" | "ft" | "txt", "") => Some("text/plain".into()),
        (kind, subtype) if token(kind) && token(subtype) => {
            // A type with a slash in its subtype is written out already.
            matches!(kind, "application" | "audio" | "image" | "text" | "video" | "multipart")
                .then(|| format!("{kind}/{subtype}"))
        }
        _ => None,
    }
}

/// ED to `Attachment`: data as base64, whatever it came in.
pub(super) fn attachment<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(data) = make.part(given, 5) else { return Ok(None) };
    let encoding = make.part_text(given, 4).unwrap_or_default();
    let (kind, subtype) = (make.part_text(given, 2), make.part_text(given, 3));
    let text = make.text(data).unwrap_or_default();
    let encoded: Cow<'r, str> = match encoding.to_ascii_lowercase().as_str() {
        "base64" => text,
        "hex" => STANDARD.encode(unhex(&text).ok_or("not hexadecimal")?).into(),
        "" | "a" => STANDARD.encode(text.as_bytes()).into(),
        _ => return Err("of an unknown encoding"),
    };
    let mark = make.arena.mark();
    let object = make.arena.object();
    if let Some(mime) = mime(&kind.unwrap_or_default(), &subtype.unwrap_or_default()) {
        make.arena.say(object, "contentType", mime);
    }
    match make.scalar(Primitive::Base64Binary, encoded, Some(data)) {
        Ok(Some(node)) => {
            make.arena.attach(object, "data", node);
            Ok(Some(object))
        }
        Ok(None) => make.finish(mark, object, false),
        Err(wrong) => {
            make.arena.forget(mark);
            Err(wrong)
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(pairs.map(|p| p.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// RP to `Attachment`: the pointer, where it is a URL.
pub(super) fn attachment_by_reference<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(pointer) = make.part(given, 1) else { return Ok(None) };
    let text = make.text(pointer).unwrap_or_default();
    if !systems::is_uri(&text) {
        return Err("not a URL");
    }
    let (kind, subtype) = (make.part_text(given, 3), make.part_text(given, 4));
    let object = make.arena.object();
    if let Some(mime) = mime(&kind.unwrap_or_default(), &subtype.unwrap_or_default()) {
        make.arena.say(object, "contentType", mime);
    }
    let node = make.arena.add(Leaf::Text(text));
    make.arena.came_from(node, pointer.range());
    make.arena.attach(object, "url", node);
    Ok(Some(object))
}

/// A text as an attachment of plain text.
pub(super) fn attachment_of_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let from = match given {
        Given::Value { value, .. } => Some(*value),
        Given::Text(_) => None,
    };
    let Some(text) = make.part_text(given, 1) else { return Ok(None) };
    let object = make.arena.object();
    make.arena.say(object, "contentType", "text/plain");
    let data = make.arena.add(Leaf::Text(STANDARD.encode(text.as_bytes()).into()));
    if let Some(from) = from {
        make.arena.came_from(data, from.range());
    }
    make.arena.attach(object, "data", data);
    Ok(Some(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparators_are_split_off() {
        let check = |text: &str, expected: (Option<&str>, &str)| {
            assert_eq!(comparator(text), expected, "{text}");
        };
        check("<5", (Some("<"), "5"));
        check(">= 5", (Some(">="), "5"));
        check("5", (None, "5"));
        check("<>5", (Some("<"), ">5"));
    }

    #[test]
    fn mime_types() {
        let check = |kind: &str, subtype: &str, expected: Option<&str>| {
            assert_eq!(mime(kind, subtype).as_deref(), expected, "{kind} {subtype}");
        };
        check("application", "PDF", Some("application/pdf"));
        check("PDF", "PDF", Some("application/pdf"));
        check("image", "JPEG", Some("image/jpeg"));
        check("TEXT", "", Some("text/plain"));
        check("AP", "Octet-stream", None);
        check("", "", None);
        check("application", "a b", None);
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(unhex("48 65"), Some(b"He".to_vec()));
        assert_eq!(unhex("4"), None);
        assert_eq!(unhex("zz"), None);
    }
}
