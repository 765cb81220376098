//! Numbers of a search: what their precision covers, and the buckets of the index that they
//! are found by.
//!
//! Source: FHIR R4 search.html#number, search.html#quantity.

use rust_decimal::Decimal;

use super::span::Prefix;
use crate::fhir::canonical;

/// A number with what its precision covers.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    value: Decimal,
    low: Decimal,
    high: Decimal,
}

/// A number of JSON or of a search.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

impl Measure {
    /// Reads a number; what it covers is half a unit of its last digit on both sides.
    ///
    /// Source: FHIR R4 search.html#number.
    pub fn parse(text: &str) -> Option<Self> {
        let value = decimal(text)?;
        let exponent =
            text.split_once(['e', 'E']).map_or(Some(0), |(_, e)| e.parse::<i32>().ok())?;
        let places = i32::try_from(value.scale()).ok()?;
        let last = if text.contains(['e', 'E']) {
            let mantissa = text.split(['e', 'E']).next()?;
            let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
            i32::try_from(fraction).ok()? - exponent
        } else {
            places
        };
        let half = match u32::try_from(last) {
            Ok(places) if places < 28 => Decimal::new(5, places + 1),
            Ok(_) => Decimal::ZERO,
            Err(_) => {
                let power = u32::try_from(-last).ok()?;
                Decimal::from(10_u64.checked_pow(power)?).checked_div(Decimal::TWO)?
            }
        };
        let (low, high) = (value.checked_sub(half)?, value.checked_add(half)?);
        Some(Self { value, low, high })
    }

    /// The same in base units of UCUM, and the name of what it measures.
    pub fn canonical(self, unit: &str) -> Option<(Self, String)> {
        let (value, measured) = canonical(self.value, unit)?;
        let (low, high) = (canonical(self.low, unit)?.0, canonical(self.high, unit)?.0);
        Some((Self { value, low, high }, measured))
    }

    fn tenth(self) -> Decimal {
        self.value.abs().checked_div(Decimal::TEN).unwrap_or_default()
    }

    /// Whether a value fits `self`, the number of a search.
    pub fn fits(self, prefix: Prefix, value: Decimal) -> bool {
        let within = self.low <= value && value < self.high;
        match prefix {
            Prefix::Eq => within,
            Prefix::Ne => !within,
            Prefix::Gt | Prefix::Sa => value > self.value,
            Prefix::Lt | Prefix::Eb => value < self.value,
            Prefix::Ge => value >= self.value,
            Prefix::Le => value <= self.value,
            Prefix::Ap => {
                let distance = value.checked_sub(self.value).map(|d| d.abs());
                within || distance.is_some_and(|distance| distance <= self.tenth())
            }
        }
    }

    /// The buckets in which every number lies that fits; none when no list of them has all.
    pub fn searched(self, prefix: Prefix) -> Option<Vec<String>> {
        let (from, to) = match prefix {
            Prefix::Ne => return None,
            Prefix::Eq => (place(self.low), place(self.high)),
            Prefix::Gt | Prefix::Sa | Prefix::Ge => (place(self.value), PLACE_MAX),
            Prefix::Lt | Prefix::Eb | Prefix::Le => (-PLACE_MAX, place(self.value)),
            Prefix::Ap => {
                let low = self.value.checked_sub(self.tenth())?.min(self.low);
                let high = self.value.checked_add(self.tenth())?.max(self.high);
                (place(low), place(high))
            }
        };
        if to - from <= FINE_MAX {
            return Some((from..=to).map(|place| place.to_string()).collect());
        }
        Some((power(from)..=power(to)).map(|power| format!("e{power}")).collect())
    }
}

/// Powers of ten that have buckets of their own: what is smaller or larger shares the first
/// or the last. Laboratories report from picomoles to cells by the billion.
const POWERS: std::ops::RangeInclusive<i32> = -12..=15;

/// The last bucket: nine for each power, by the first digit.
const PLACE_MAX: i32 = (*POWERS.end() - *POWERS.start() + 1) * 9;

/// Most buckets by first digit that a search looks into; beyond, it takes whole powers of ten.
const FINE_MAX: i32 = 27;

/// The buckets that a number is kept under: that of its first digit and that of its power.
pub(super) fn buckets(value: Decimal) -> [String; 2] {
    let place = place(value);
    [place.to_string(), format!("e{}", power(place))]
}

/// Where a number stands by its sign, power of ten and first digit: rises with the number.
fn place(value: Decimal) -> i32 {
    let digits = value.mantissa().unsigned_abs().to_string();
    let first = digits.bytes().next().map_or(0, |digit| i32::from(digit - b'0'));
    if first == 0 {
        return 0;
    }
    let whole = i32::try_from(digits.len()).unwrap_or(i32::MAX) - 1;
    let exponent = whole - i32::try_from(value.scale()).unwrap_or_default();
    let place = if exponent < *POWERS.start() {
        1
    } else if exponent > *POWERS.end() {
        PLACE_MAX
    } else {
        (exponent - *POWERS.start()) * 9 + first
    };
    if value.is_sign_negative() { -place } else { place }
}

/// The power of ten of a place, counted from 1; 0 for zero.
const fn power(place: i32) -> i32 {
    match place {
        0 => 0,
        1.. => (place - 1) / 9 + 1,
        _ => -((-place - 1) / 9 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        decimal(text).unwrap()
    }

    #[test]
    fn places_rise_with_numbers() {
        let rising = [
            "-1e20", "-1e15", "-999", "-20", "-2", "-1", "-0.5", "-1e-12", "-1e-20", "0", "1e-20",
            "1e-12", "0.05", "0.5", "1", "1.99", "2", "9.9", "10", "140", "1e9", "1e15", "9e27",
        ];
        let places: Vec<i32> = rising.iter().map(|text| place(number(text))).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(place(number("1.0")), place(number("1.9999")));
        assert_eq!(place(number("9e27")), PLACE_MAX);
        assert_eq!(
            (power(0), power(1), power(9), power(10), power(-9), power(-10)),
            (0, 1, 1, 2, -1, -2)
        );
    }

    #[test]
    fn what_fits_lies_in_a_bucket_that_is_searched() {
        let numbers = ["-150", "-1", "0", "0.004", "0.5", "1", "5.4", "9.95", "99", "140", "1.5e9"];
        for asked in numbers.iter().chain(&["5e0", "1e2", "9", "0.0"]) {
            let measure = Measure::parse(asked).unwrap();
            for prefix in ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"] {
                let (prefix, _) = Prefix::split(prefix);
                let Some(searched) = measure.searched(prefix) else { continue };
                assert!(searched.len() < 60);
                for value in numbers {
                    let value = number(value);
                    let kept = buckets(value);
                    let found = kept.iter().any(|bucket| searched.contains(bucket));
                    assert!(found || !measure.fits(prefix, value), "{asked} {prefix:?} {value}");
                }
            }
        }
    }

    #[test]
    fn units_are_converted() {
        let check = |asked: &str, unit: &str, value: &str, own: &str, expected: Option<bool>| {
            let measure = Measure::parse(asked).unwrap().canonical(unit);
            let fits = measure.zip(canonical(number(value), own)).and_then(|(asked, own)| {
                (asked.1 == own.1).then(|| asked.0.fits(Prefix::Eq, own.0))
            });
            assert_eq!(fits, expected, "{asked} {unit} = {value} {own}");
        };
        check("1.5", "g", "1500", "mg", Some(true));
        check("1.5", "g", "1560", "mg", Some(false));
        check("140", "mm[Hg]", "0.140", "m[Hg]", Some(true));
        check("5.4", "mmol/L", "5400", "umol/L", Some(true));
        check("1.5", "g", "1.5", "L", None);
        check("1.5", "nonsense", "1.5", "nonsense", None);
    }
}
