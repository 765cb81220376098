//! Intervals and measures of CDA to `Period`, `Quantity`, `Range` and `Ratio`.
//!
//! A bound that is not written is reckoned from the other and the width; what cannot be
//! reckoned is left out and told, never made up.
//!
//! Source: HL7 v3 data types R1, IVL and PQ; FHIR R4 datatypes.html#Period, #Range.

use std::borrow::Cow;

use super::super::arena::At;
use super::super::datum::{Datum, lead};
use super::cda::{attribute, child, element, whole};
use super::time::{self, Wrong};
use super::{Given, Made, Make};
use crate::cda::Element;
use crate::fault::codes;
use crate::fhir::tables::Primitive;

const OPEN: Wrong = "a bound that is not part of the interval is written as if it were";
const MIDDLE: Wrong = "a middle is no beginning and no end";
const NOT_ONE: Wrong = "not a single number";

/// Most digits of numbers that are added: far more than a measure has, and what fits.
const DIGITS_MAX: usize = 18;

/// Whether a bound is not part of its interval.
fn is_open(bound: Element<'_>) -> bool {
    bound.attribute("inclusive").as_deref() == Some("false")
}

/// Tells of bounds that are not part of the interval, where the type cannot say it.
fn tell_open<'r>(make: &mut Make<'r>, bounds: [Option<Element<'r>>; 2]) {
    for bound in bounds.into_iter().flatten().filter(|bound| is_open(*bound)) {
        make.leave(codes::W4101, Some(whole(bound)), OPEN);
    }
}

/// IVL_TS to `Period`; a moment is one that begins then.
pub(super) fn period<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let (low, high) = (child(element, "low"), child(element, "high"));
    let value = |part: Option<Element<'r>>| part.and_then(|part| attribute(part, "value"));
    let (start, end) = (value(low).or_else(|| attribute(element, "value")), value(high));
    if start.is_none() || end.is_none() {
        match value(child(element, "center")) {
            Some(_) if start.is_none() && end.is_none() => return Err(MIDDLE),
            Some(center) => make.leave(codes::W4101, Some(center), MIDDLE),
            None => {}
        }
    }
    let width = child(element, "width");
    let mark = make.arena.mark();
    let object = make.arena.object();
    let started = match (start, end, width) {
        (None, Some(end), Some(width)) => reckoned(make, (object, "start"), end, (width, -1)),
        (start, ..) => make.member(object, "start", Primitive::DateTime, start),
    };
    let ended = match (value(low), end, width) {
        (Some(low), None, Some(width)) => reckoned(make, (object, "end"), low, (width, 1)),
        _ => make.member(object, "end", Primitive::DateTime, end),
    };
    if started && !ended && end.is_none() {
        ended_unknown(make, object, element);
    }
    tell_open(make, [low, high]);
    make.finish(mark, object, started || ended)
}

/// Says that there is an end which nobody told, where the sender does: without it the
/// period looks as if it went on.
fn ended_unknown<'r>(make: &mut Make<'r>, object: At, element: Element<'r>) {
    let Some(high) = element.child("high") else { return };
    let null = whole(high);
    // One that does not apply, or lies in the infinite, is none.
    let flavor = high.attribute("nullFlavor");
    if null.is_null() && !matches!(flavor.as_deref(), None | Some("NA" | "PINF")) {
        make.used.mark(null.range());
        let absent = make.absent(Some(null));
        make.arena.attach(object, "_end", absent);
    }
}

/// The other bound of an interval of time.
fn reckoned<'r>(
    make: &mut Make<'r>,
    (object, name): (At, &'static str),
    from: Datum<'r>,
    (width, sign): (Element<'r>, i64),
) -> bool {
    let Some(amount) = attribute(width, "value") else { return false };
    let unit = attribute(width, "unit").and_then(|unit| make.text(unit)).unwrap_or_default();
    let (Some(from), Some(text)) = (make.text(from), make.text(amount)) else { return false };
    let moment = time::shift(&from, &text, (&unit, sign));
    match moment.and_then(|text| make.scalar(Primitive::DateTime, text.into(), Some(amount))) {
        Ok(Some(node)) => {
            make.arena.attach(object, name, node);
            true
        }
        Ok(None) => false,
        Err(wrong) => {
            make.leave(codes::W4101, Some(amount), wrong);
            false
        }
    }
}

/// One PQ, INT or REAL to a `Quantity`, with a comparator where it is a bound.
fn measured<'r>(make: &mut Make<'r>, element: Element<'r>, sign: Option<&'static str>) -> Made {
    let Some(value) = attribute(element, "value") else { return Ok(None) };
    let Some(text) = make.text(value) else { return Ok(None) };
    number(make, element, (text, value), sign)
}

/// A number with the unit of an element.
fn number<'r>(
    make: &mut Make<'r>,
    element: Element<'r>,
    (text, value): (Cow<'r, str>, Datum<'r>),
    sign: Option<&'static str>,
) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let node = match make.scalar(Primitive::Decimal, text, Some(value)) {
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
    if let Some(unit) = attribute(element, "unit") {
        // Units of PQ are of UCUM; one with a blank in it is none.
        let is_code = !unit.text().contains(char::is_whitespace);
        if unit.text() != "1" || !is_code {
            make.member(object, "unit", Primitive::String, Some(unit));
        }
        if is_code {
            make.arena.say(object, "system", "http://unitsofmeasure.org");
            make.member(object, "code", Primitive::Code, Some(unit));
        }
    }
    Ok(Some(object))
}

/// PQ and IVL_PQ to `Quantity`: an interval with one bound as one with a comparator.
pub(super) fn quantity<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    if lead(element).is_some() {
        return measured(make, element, None);
    }
    // With a width the other bound is known, too.
    let is_wide = child(element, "width").is_some();
    match (child(element, "low"), child(element, "high"), child(element, "center")) {
        (Some(_), None, _) | (None, Some(_), _) if is_wide => Err(NOT_ONE),
        (Some(low), None, _) => measured(make, low, Some(if is_open(low) { ">" } else { ">=" })),
        (None, Some(high), _) => measured(make, high, Some(if is_open(high) { "<" } else { "<=" })),
        (None, None, Some(center)) => measured(make, center, None),
        (None, None, None) => Ok(None),
        (Some(_), Some(_), _) => Err(NOT_ONE),
    }
}

/// IVL_PQ to `Range`.
pub(super) fn range<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let (low, high) = (child(element, "low"), child(element, "high"));
    let width = child(element, "width");
    let mark = make.arena.mark();
    let object = make.arena.object();
    let mut made = false;
    for (name, own, other, sign) in [("low", low, high, -1), ("high", high, low, 1)] {
        let bound = match (own, other, width) {
            (Some(own), ..) => measured(make, own, None),
            (None, Some(other), Some(width)) => beyond(make, other, width, sign),
            (None, ..) => Ok(None),
        };
        match bound {
            Ok(Some(node)) => {
                make.arena.attach(object, name, node);
                made = true;
            }
            Ok(None) => {}
            Err(wrong) if own.is_none() => make.leave(codes::W4101, width.map(whole), wrong),
            Err(wrong) => {
                make.arena.forget(mark);
                return Err(wrong);
            }
        }
    }
    if made {
        tell_open(make, [low, high]);
    }
    make.finish(mark, object, made)
}

/// The other bound of an interval of measures.
fn beyond<'r>(make: &mut Make<'r>, from: Element<'r>, width: Element<'r>, sign: i128) -> Made {
    let unit = |of: Element<'r>| of.attribute("unit").unwrap_or(Cow::Borrowed("1"));
    let (Some(base), Some(amount)) = (attribute(from, "value"), attribute(width, "value")) else {
        return Ok(None);
    };
    if unit(from) != unit(width) {
        return Err("its width is of another unit");
    }
    if let Some(unit) = attribute(width, "unit") {
        make.used.mark(unit.range());
    }
    let (Some(base), Some(text)) = (make.text(base), make.text(amount)) else { return Ok(None) };
    let sum = sum(&base, &text, sign).ok_or("its width is no number that can be added")?;
    number(make, from, (sum.into(), amount), None)
}

/// The sum of two decimals, or with -1 what is between them; exact.
fn sum(a: &str, b: &str, sign: i128) -> Option<String> {
    let read = |text: &str| {
        let (minus, text) = match text.strip_prefix('-') {
            Some(text) => (-1, text),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = [whole, fraction].concat();
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= DIGITS_MAX;
        let n = digits.parse::<i128>().ok().filter(|_| plain)?;
        Some((minus * n, u32::try_from(fraction.len()).ok()?))
    };
    let ((a, a_scale), (b, b_scale)) = (read(a)?, read(b)?);
    let scale = a_scale.max(b_scale);
    let raised = |n: i128, from: u32| n.checked_mul(10i128.checked_pow(scale - from)?);
    let n = raised(a, a_scale)?.checked_add(sign * raised(b, b_scale)?)?;
    let minus = if n < 0 { "-" } else { "" };
    let one = 10i128.checked_pow(scale)?;
    let (whole, rest) = (n.abs() / one, n.abs() % one);
    Some(match usize::try_from(scale).ok()? {
        0 => format!("{minus}{whole}"),
        places => format!("{minus}{whole}.{rest:0places$}"),
    })
}

/// RTO to `Ratio`.
pub(super) fn ratio<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    let mut made = 0;
    for name in ["numerator", "denominator"] {
        let Some(part) = child(element, name) else { continue };
        match measured(make, part, None) {
            Ok(Some(node)) => {
                make.arena.attach(object, name, node);
                made += 1;
            }
            Ok(None) => {}
            Err(wrong) => {
                make.arena.forget(mark);
                return Err(wrong);
            }
        }
    }
    make.finish(mark, object, made == 2)
}

/// A measure as people write it: `72 /min`, `5 - 10 mg`.
pub(super) fn text_of_measure<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let mut one = |element: Element<'r>| {
        let value = attribute(element, "value").and_then(|value| make.text(value))?;
        let unit = attribute(element, "unit").and_then(|unit| make.text(unit));
        Some(match unit.filter(|unit| *unit != "1") {
            Some(unit) => format!("{value} {unit}"),
            None => value.into_owned(),
        })
    };
    let opens = |name| child(element, name).is_some_and(is_open);
    let text = match one(element) {
        Some(text) => text,
        None => {
            let mut part = |name| child(element, name).and_then(&mut one);
            let ratio = [part("numerator"), part("denominator")];
            let bounds = [part("low"), part("high")];
            let above = if opens("low") { ">" } else { ">=" };
            let below = if opens("high") { "<" } else { "<=" };
            let text = match (ratio, bounds) {
                ([Some(above), Some(below)], _) => format!("{above} / {below}"),
                (_, [Some(low), Some(high)]) if opens("low") || opens("high") => {
                    format!("{above} {low}, {below} {high}")
                }
                (_, [Some(low), Some(high)]) => format!("{low} - {high}"),
                (_, [Some(low), None]) => format!("{above} {low}"),
                (_, [None, Some(high)]) => format!("{below} {high}"),
                _ => return Ok(None),
            };
            match part("width") {
                Some(width) => format!("{text}, width {width}"),
                None => text,
            }
        }
    };
    make.scalar(Primitive::String, text.into(), Some(whole(element)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let check = |a: &str, b: &str, sign: i128, expected: Option<&str>| {
            assert_eq!(sum(a, b, sign).as_deref(), expected, "{a} {sign} {b}");
        };
        check("10", "5", 1, Some("15"));
        check("0.1", "0.2", 1, Some("0.3"));
        check("7.10", "1", 1, Some("8.10"));
        check("1", "1.05", -1, Some("-0.05"));
        check("-3", "5", 1, Some("2"));
        check("1e3", "1", 1, None);
        check("", "1", 1, None);
        check("1234567890123456789", "1", 1, None);
    }
}
