//! Quantities: a number and a unit, compared over units of one dimension.
//!
//! Units are those of UCUM as far as [`ucum`] knows them, words of the calendar, and texts
//! of peers, which are equal to themselves only.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;

use super::moment::Part;
use super::ucum;

/// A number of a unit of UCUM in base units, with the name of what it measures: two are
/// comparable when they measure the same. None for a unit that is not known here, and for a
/// number that leaves the 28 digits that are kept.
#[must_use]
pub fn canonical(value: Decimal, unit: &str) -> Option<(Decimal, String)> {
    let measure = ucum::read(unit)?;
    let base = value.checked_mul(measure.factor)?;
    let (powers, names) = measure.dimension;
    let powers: Vec<String> = powers.iter().map(i8::to_string).collect();
    let whole = base.is_zero() == value.is_zero();
    whole.then(|| (base.normalize(), format!("{} {names}", powers.join(","))))
}

/// What a quantity counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nothing is said.
    None,
    /// A word of the calendar, such as `month`.
    Calendar(Part),
    /// A code of UCUM.
    Ucum(String),
    /// What a peer wrote for people.
    Text(String),
}

/// A number with its unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantity {
    pub value: Decimal,
    pub unit: Unit,
}

const WORDS: [(&str, Part, &str); 8] = [
    ("year", Part::Year, "a"),
    ("month", Part::Month, "mo"),
    ("week", Part::Week, "wk"),
    ("day", Part::Day, "d"),
    ("hour", Part::Hour, "h"),
    ("minute", Part::Minute, "min"),
    ("second", Part::Second, "s"),
    ("millisecond", Part::Millisecond, "ms"),
];

impl Unit {
    /// A word of the calendar, singular or plural.
    pub fn calendar(word: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(name, ..)| {
            word == *name || word.strip_suffix('s').is_some_and(|single| single == *name)
        });
        found.map(|(_, part, _)| Unit::Calendar(*part))
    }

    /// What stands in quotes after a number.
    pub fn of_text(text: &str) -> Self {
        Self::calendar(text).unwrap_or_else(|| Unit::Ucum(text.to_owned()))
    }

    /// Its code in UCUM; years and months of the calendar only loosely have one.
    fn code(&self, loose: bool) -> Option<&str> {
        match self {
            Unit::Ucum(code) => Some(code),
            Unit::Calendar(part) => {
                let (.., code) = WORDS.iter().find(|(_, known, _)| known == part)?;
                (loose || *part > Part::Month).then_some(code)
            }
            Unit::None | Unit::Text(_) => None,
        }
    }

    /// The part of a moment that it can be added to. Years and months of UCUM have a fixed
    /// length and cannot.
    pub fn part(&self) -> Option<Part> {
        match self {
            Unit::Calendar(part) => Some(*part),
            Unit::Ucum(code) => {
                let (_, part, _) = WORDS.iter().find(|(.., known)| known == code)?;
                (*part > Part::Month).then_some(*part)
            }
            Unit::None | Unit::Text(_) => None,
        }
    }
}

impl Quantity {
    /// A number without a unit, which is of the unit `1`.
    pub fn number(value: Decimal) -> Self {
        Self { value, unit: Unit::Ucum("1".to_owned()) }
    }

    /// Reads `4 days`, `1.5 'mg'`, `3`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'));
        let (number, unit) = text.split_at_checked(end.unwrap_or(text.len()))?;
        let value: Decimal = number.parse().ok()?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Self::number(value));
        }
        if let Some(code) = unit.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return Some(Self { value, unit: Unit::Ucum(code.to_owned()) });
        }
        Some(Self { value, unit: Unit::calendar(unit)? })
    }

    /// The value of the other in the unit of this one; none when the units do not fit.
    pub fn converted(&self, other: &Self, loose: bool) -> Option<Decimal> {
        if self.unit == other.unit {
            return Some(other.value);
        }
        if let (Unit::Calendar(Part::Year), Unit::Calendar(Part::Month)) = (&self.unit, &other.unit)
        {
            return other.value.checked_div(Decimal::from(12));
        }
        if let (Unit::Calendar(Part::Month), Unit::Calendar(Part::Year)) = (&self.unit, &other.unit)
        {
            return other.value.checked_mul(Decimal::from(12));
        }
        let (to, from) = (self.unit.code(loose)?, other.unit.code(loose)?);
        if to == from {
            return Some(other.value);
        }
        let (to, from) = (ucum::read(to)?, ucum::read(from)?);
        if to.dimension != from.dimension {
            return None;
        }
        other.value.checked_mul(from.factor)?.checked_div(to.factor)
    }

    /// Whether the units measure the same.
    pub fn is_comparable(&self, other: &Self) -> bool {
        let known = |unit: &Unit| match unit {
            Unit::Ucum(code) => ucum::read(code).is_some(),
            _ => true,
        };
        known(&self.unit) && known(&other.unit) && self.converted(other, true).is_some()
    }

    pub fn order(&self, other: &Self) -> Option<Ordering> {
        // The finer unit is the one both are put into, so that no digit is lost.
        self.converted(other, false).map(|other| self.value.cmp(&other))
    }

    pub fn is_equal(&self, other: &Self) -> Option<bool> {
        self.order(other).map(Ordering::is_eq)
    }

    /// Equality to the digits of the less precise number.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        let Some(converted) = self.converted(other, true) else { return false };
        let scale = self.value.scale().min(other.value.scale());
        self.value.round_dp(scale) == converted.round_dp(scale)
    }

    /// The product; its unit is that of both together.
    pub fn times(&self, other: &Self) -> Option<Self> {
        let value = self.value.checked_mul(other.value)?;
        Some(Self { value, unit: self.joined(other, '.')? })
    }

    /// The quotient; none for division by zero.
    pub fn divided(&self, other: &Self) -> Option<Self> {
        let value = self.value.checked_div(other.value)?;
        Some(Self { value, unit: self.joined(other, '/')? })
    }

    fn joined(&self, other: &Self, sign: char) -> Option<Unit> {
        let (a, b) = (self.unit.code(true)?, other.unit.code(true)?);
        Some(Unit::Ucum(match (a, b, sign) {
            (a, "1", _) => a.to_owned(),
            ("1", b, '.') => b.to_owned(),
            (a, b, sign) => format!("({a}){sign}({b})"),
        }))
    }

    /// The sum in the unit of this one.
    pub fn plus(&self, other: &Self, minus: bool) -> Option<Self> {
        let other = self.converted(other, false)?;
        let value =
            if minus { self.value.checked_sub(other) } else { self.value.checked_add(other) };
        Some(Self { value: value?, unit: self.unit.clone() })
    }
}

/// As FHIRPath writes it: `1 week`, `5.5 'mg'`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::None => write!(f, "{}", self.value),
            Unit::Calendar(part) => {
                let word = WORDS.iter().find(|(_, known, _)| known == part).map_or("", |w| w.0);
                let plural = if self.value == Decimal::ONE { "" } else { "s" };
                write!(f, "{} {word}{plural}", self.value)
            }
            Unit::Ucum(code) | Unit::Text(code) => write!(f, "{} '{code}'", self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_over_units() {
        let read = |text: &str| Quantity::parse(text).unwrap();
        let equal = |a: &str, b: &str, expected: Option<bool>| {
            assert_eq!(read(a).is_equal(&read(b)), expected, "{a} {b}");
        };
        equal("4.0000 'g'", "4000.0 'mg'", Some(true));
        equal("7 days", "1 week", Some(true));
        equal("7 days", "1 'wk'", Some(true));
        equal("1 year", "1 'a'", None);
        equal("1 year", "12 months", Some(true));
        equal("1 'mg/dL'", "10 'mg/L'", Some(true));
        equal("1 'kg'", "1 'm'", None);
        equal("1", "1 '1'", Some(true));
        equal("1 'foo'", "1 'foo'", Some(true));
        equal("1 'foo'", "1 'bar'", None);
        assert!(read("1 year").is_equivalent(&read("1 'a'")));
        assert!(read("4 'g'").is_equivalent(&read("4040 'mg'")));
        let area = read("2.0 'cm'").times(&read("2.0 'm'")).unwrap();
        assert_eq!(area.is_equal(&read("0.040 'm2'")), Some(true));
        assert!(Quantity::parse("1 wk").is_none() && Quantity::parse("x").is_none());
        assert_eq!(read("4 days").to_string(), "4 days");
        assert_eq!(read("1 'wk'").to_string(), "1 'wk'");
    }
}
