//! Conversions between kinds of values, arithmetic and boundaries.

use std::borrow::Cow;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::ast::{Call, Function, Operator};
use super::eval::{Found, Stop, wrong};
use super::moment::{Moment, MomentKind};
use super::quantity::Quantity;
use super::value::Item;
use crate::fhir::doc::NodeKind;

/// Most digits after the point that a boundary may have: those of a decimal.
const SCALE_MAX: i64 = 28;

/// Applies a function to one value; none when it is no function of this place.
pub(super) fn call<'d>(
    call: &Call,
    item: &Item<'d>,
    given: &[&Item<'d>],
) -> Result<Option<Vec<Item<'d>>>, Stop> {
    let yes = |value: bool| Ok(Some(vec![Item::Bool(value)]));
    let maybe = |item: Option<Item<'d>>| Ok(Some(item.into_iter().collect()));
    if let Item::Node(node) = item
        && node.kind() == NodeKind::Object
        && matches!(call.function, Function::ToString)
        && item.as_quantity().is_none()
    {
        return wrong("`toString` is applied to an element that has no text");
    }
    match call.function {
        Function::ToBoolean => maybe(to_boolean(item).map(Item::Bool)),
        Function::ConvertsToBoolean => yes(to_boolean(item).is_some()),
        Function::ToInteger => maybe(to_integer(item).map(Item::Integer)),
        Function::ConvertsToInteger => yes(to_integer(item).is_some()),
        Function::ToDecimal => maybe(to_decimal(item).map(Item::Decimal)),
        Function::ConvertsToDecimal => yes(to_decimal(item).is_some()),
        Function::ToQuantity => maybe(to_quantity(item, given).map(Item::quantity)),
        Function::ConvertsToQuantity => yes(to_quantity(item, given).is_some()),
        Function::ToString => maybe(to_text(item).map(Item::Text)),
        Function::ConvertsToString => yes(to_text(item).is_some()),
        Function::ToDate => maybe(to_moment(item, MomentKind::Date).map(Item::Moment)),
        Function::ConvertsToDate => yes(to_moment(item, MomentKind::Date).is_some()),
        Function::ToDateTime => maybe(to_moment(item, MomentKind::DateTime).map(Item::Moment)),
        Function::ConvertsToDateTime => yes(to_moment(item, MomentKind::DateTime).is_some()),
        Function::ToTime => maybe(to_moment(item, MomentKind::Time).map(Item::Moment)),
        Function::ConvertsToTime => yes(to_moment(item, MomentKind::Time).is_some()),
        Function::LowBoundary | Function::HighBoundary => {
            let digits = match given.first() {
                Some(item) => match item.integer() {
                    Some(digits) => Some(digits),
                    None => return wrong(format!("`{}` takes a whole number", call.name)),
                },
                None => None,
            };
            boundary(call, item, digits).map(|found| Some(found.into_iter().collect()))
        }
        Function::Precision => match item.typed() {
            Item::Moment(moment) => maybe(Some(Item::Integer(moment.precision_digits()))),
            Item::Integer(_) => maybe(Some(Item::Integer(0))),
            Item::Decimal(number) => maybe(Some(Item::Integer(i64::from(number.scale())))),
            _ => wrong("`precision` is applied to what is no number, date or time"),
        },
        Function::Comparable => {
            let other = given.first().and_then(|item| item.as_quantity());
            match (item.as_quantity(), other) {
                (Some(a), Some(b)) => yes(a.is_comparable(&b)),
                _ => wrong("`comparable` is applied to what is no quantity"),
            }
        }
        Function::Abs
        | Function::Ceiling
        | Function::Exp
        | Function::Floor
        | Function::Ln
        | Function::Log
        | Function::Power
        | Function::Round
        | Function::Sqrt
        | Function::Truncate => math(call, item, given).map(Some),
        _ => Ok(None),
    }
}

fn to_boolean(item: &Item<'_>) -> Option<bool> {
    match item.plain() {
        Item::Bool(value) => Some(value),
        Item::Integer(_) | Item::Decimal(_) => {
            let number = item.decimal()?;
            (number.is_zero() || number == Decimal::ONE).then(|| !number.is_zero())
        }
        Item::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn to_integer(item: &Item<'_>) -> Option<i64> {
    match item.plain() {
        Item::Bool(value) => Some(i64::from(value)),
        Item::Integer(number) => Some(number),
        Item::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn to_decimal(item: &Item<'_>) -> Option<Decimal> {
    match item.plain() {
        Item::Bool(value) => Some(Decimal::from(u8::from(value))),
        Item::Text(text) => {
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
            let digits = text.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c));
            (plain && digits && !text.ends_with('.')).then(|| text.parse().ok()).flatten()
        }
        other => other.decimal(),
    }
}

fn to_quantity(item: &Item<'_>, given: &[&Item<'_>]) -> Option<Quantity> {
    let quantity = match item.typed() {
        Item::Quantity(quantity) => *quantity,
        Item::Bool(value) => Quantity::number(Decimal::from(u8::from(value))),
        Item::Text(text) => Quantity::parse(&text)?,
        other => Quantity::number(other.decimal()?),
    };
    let Some(unit) = given.first() else { return Some(quantity) };
    let unit = super::quantity::Unit::of_text(&unit.string()?);
    let target = Quantity { value: Decimal::ONE, unit };
    let value = target.converted(&quantity, false)?;
    Some(Quantity { value, ..target })
}

fn to_text<'d>(item: &Item<'d>) -> Option<Cow<'d, str>> {
    if let Some(quantity) = item.as_quantity() {
        return Some(Cow::Owned(quantity.to_string()));
    }
    match item {
        Item::Type(..) => None,
        other => other.clone().into_text(),
    }
}

fn to_moment(item: &Item<'_>, kind: MomentKind) -> Option<Moment> {
    match item.typed() {
        Item::Moment(moment) => match (moment.kind, kind) {
            (MomentKind::DateTime, MomentKind::Date) => Some(moment.date()),
            (MomentKind::Date, MomentKind::DateTime) => Some(moment.date_time()),
            (a, b) => (a == b).then_some(moment),
        },
        Item::Text(text) => Moment::parse(&text, kind),
        _ => None,
    }
}

/// Reckons with two values; division by zero and overflow give nothing.
///
/// Source: FHIRPath N1 (2.0.0) §math.
pub(super) fn reckon<'d>(a: &Item<'d>, operator: Operator, b: &Item<'d>) -> Found<'d> {
    let some = |item: Option<Item<'d>>| Ok(item.into_iter().collect());
    match (a, b) {
        (Item::Integer(x), Item::Integer(y)) if operator != Operator::Divided => {
            let found = match operator {
                Operator::Plus => x.checked_add(*y),
                Operator::Minus => x.checked_sub(*y),
                Operator::Times => x.checked_mul(*y),
                Operator::Div => x.checked_div(*y),
                _ => x.checked_rem(*y),
            };
            some(found.map(Item::Integer))
        }
        (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
            let (Some(x), Some(y)) = (a.decimal(), b.decimal()) else { return Ok(Vec::new()) };
            let found = match operator {
                Operator::Plus => x.checked_add(y),
                Operator::Minus => x.checked_sub(y),
                Operator::Times => x.checked_mul(y),
                Operator::Divided => x.checked_div(y).map(|d| d.normalize()),
                Operator::Div => {
                    let whole = x.checked_div(y).and_then(|d| d.trunc().to_i64());
                    return some(whole.map(Item::Integer));
                }
                _ => x.checked_rem(y),
            };
            some(found.map(Item::Decimal))
        }
        (Item::Text(x), Item::Text(y)) if operator == Operator::Plus => {
            some(Some(Item::Text(Cow::Owned(format!("{x}{y}")))))
        }
        (Item::Moment(moment), Item::Quantity(by))
            if matches!(operator, Operator::Plus | Operator::Minus) =>
        {
            let Some(part) = by.unit.part() else {
                return wrong("a date or time takes years down to milliseconds of the calendar");
            };
            let Some(number) = by.value.trunc().to_i64() else { return Ok(Vec::new()) };
            let number = if operator == Operator::Minus { -number } else { number };
            some(moment.add(number, part).map(Item::Moment))
        }
        (Item::Quantity(_), _) | (_, Item::Quantity(_)) => {
            let whole = |item: &Item<'d>| match item {
                Item::Quantity(quantity) => Some(quantity.as_ref().clone()),
                other => other.decimal().map(Quantity::number),
            };
            let (Some(x), Some(y)) = (whole(a), whole(b)) else {
                return wrong("a quantity is reckoned with quantities and numbers only");
            };
            some(
                match operator {
                    Operator::Plus => x.plus(&y, false),
                    Operator::Minus => x.plus(&y, true),
                    Operator::Times => x.times(&y),
                    Operator::Divided => x.divided(&y),
                    _ => return wrong("`div` and `mod` take numbers only"),
                }
                .map(Item::quantity),
            )
        }
        _ => wrong("values of these kinds cannot be reckoned with"),
    }
}

fn math<'d>(call: &Call, item: &Item<'d>, given: &[&Item<'d>]) -> Found<'d> {
    if let (Function::Abs, Some(quantity)) = (call.function, item.as_quantity()) {
        let value = quantity.value.abs();
        return Ok(vec![Item::quantity(Quantity { value, ..quantity })]);
    }
    let Some(number) = item.decimal() else {
        return wrong(format!("`{}` is applied to what is no number", call.name));
    };
    let mut second = None;
    if let Some(item) = given.first() {
        second = item.decimal();
        if second.is_none() {
            return wrong(format!("`{}` takes a number", call.name));
        }
    }
    let integer = matches!(item.plain(), Item::Integer(_));
    let whole = |number: Decimal| number.to_i64().map(Item::Integer);
    let found = match call.function {
        Function::Abs if integer => whole(number.abs()),
        Function::Abs => Some(Item::Decimal(number.abs())),
        Function::Ceiling => whole(number.ceil()),
        Function::Floor => whole(number.floor()),
        Function::Truncate => whole(number.trunc()),
        Function::Exp => number.checked_exp().map(Item::Decimal),
        Function::Ln => number.checked_ln().map(Item::Decimal),
        Function::Log => {
            let base = second.and_then(|base| base.checked_ln()).filter(|ln| !ln.is_zero());
            let logarithm = number.checked_ln().zip(base).and_then(|(a, b)| a.checked_div(b));
            // The quotient of two rounded logarithms is off in its last digits.
            logarithm.map(|l| Item::Decimal(l.round_dp(16).normalize()))
        }
        Function::Power => power(number, second.unwrap_or(Decimal::ONE), integer),
        Function::Round => {
            let digits = second.unwrap_or(Decimal::ZERO).to_u32();
            let Some(digits) = digits else {
                return wrong("`round` takes a number of digits from 0");
            };
            let way = RoundingStrategy::MidpointAwayFromZero;
            Some(Item::Decimal(number.round_dp_with_strategy(digits.min(28), way)))
        }
        _ => number.sqrt().map(|root| Item::Decimal(root.normalize())),
    };
    Ok(found.into_iter().collect())
}

fn power<'d>(number: Decimal, by: Decimal, integer: bool) -> Option<Item<'d>> {
    if number.is_sign_negative() && !by.is_integer() {
        return None;
    }
    let found = match by.to_i64().filter(|_| by.is_integer()) {
        Some(whole) => number.checked_powi(whole)?,
        None => number.checked_powd(by)?,
    };
    if integer && by.is_integer() && !by.is_sign_negative() {
        return found.to_i64().map(Item::Integer);
    }
    Some(Item::Decimal(found))
}

/// The least or greatest value that an imprecise one may stand for.
fn boundary<'d>(
    call: &Call,
    item: &Item<'d>,
    digits: Option<i64>,
) -> Result<Option<Item<'d>>, Stop> {
    let high = call.function == Function::HighBoundary;
    Ok(match item.typed() {
        Item::Moment(moment) => moment.boundary(high, digits).map(Item::Moment),
        Item::Quantity(quantity) => {
            let scale = i64::from(quantity.value.scale());
            let value = of_number(quantity.value, scale, high, digits);
            value.map(|value| Item::quantity(Quantity { value, ..*quantity }))
        }
        Item::Integer(number) => {
            of_number(Decimal::from(number), 0, high, digits).map(Item::Decimal)
        }
        Item::Decimal(number) => {
            let written = match item {
                Item::Node(node) => node.number().map(scale_of),
                _ => None,
            };
            let scale = written.unwrap_or_else(|| i64::from(number.scale()));
            of_number(number, scale, high, digits).map(Item::Decimal)
        }
        _ => {
            return wrong(format!("`{}` is applied to what has no boundaries", call.name));
        }
    })
}

/// Digits after the point of a number as written; fewer than none for `9.5e2`.
fn scale_of(text: &str) -> i64 {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = number.split_once('.').map_or(0, |(_, digits)| digits.len());
    i64::try_from(digits).unwrap_or(0) - exponent.parse::<i64>().unwrap_or(0)
}

/// Half a unit of the last digit below or above, cut to a number of digits outwards.
fn of_number(number: Decimal, scale: i64, high: bool, digits: Option<i64>) -> Option<Decimal> {
    let to = digits.unwrap_or(8);
    if !(0..=SCALE_MAX).contains(&to) {
        return None;
    }
    let to_scale = u32::try_from(to).ok()?;
    let mut out = if scale > to && !number.is_zero() && number.trunc_with_scale(to_scale).is_zero()
    {
        // All digits lie below what is asked for.
        let mut zero = Decimal::ZERO;
        zero.set_sign_negative(number.is_sign_negative());
        zero
    } else {
        let half = if scale >= 0 {
            Decimal::try_new(5, u32::try_from(scale + 1).ok()?).ok()?
        } else {
            Decimal::TEN.checked_powi(-scale - 1)?.checked_mul(Decimal::from(5))?
        };
        let bound = if high { number.checked_add(half)? } else { number.checked_sub(half)? };
        let way = if high {
            RoundingStrategy::ToPositiveInfinity
        } else {
            RoundingStrategy::ToNegativeInfinity
        };
        bound.round_dp_with_strategy(to_scale, way)
    };
    let negative = out.is_sign_negative();
    out.rescale(to_scale);
    out.set_sign_negative(negative);
    Some(out)
}
