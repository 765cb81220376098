//! Units of UCUM: the part that clinical messages use.
//!
//! Known are the units of [`ATOMS`] with the metric prefixes, exponents, `.` and `/`,
//! parentheses, `10*n` and annotations in braces. Not known are units with an offset or a
//! logarithm (`Cel` is one of its own beside `K`), and arbitrary units are each their own
//! dimension. A unit that is not known is equal to itself only.
//!
//! Source: UCUM 2.1 (case sensitive), <https://ucum.org/ucum>.

use rust_decimal::Decimal;

/// Base quantities: length, time, mass, angle, temperature, charge, luminous intensity,
/// amount of substance, and one for all arbitrary units, told apart by name.
type Dimension = [i8; 8];

/// A unit as a multiple of base units.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    pub factor: Decimal,
    pub dimension: (Dimension, String),
}

/// Deepest parentheses: units in use have one.
const DEPTH_MAX: usize = 8;

const ONE: Dimension = [0; 8];
const LENGTH: Dimension = [1, 0, 0, 0, 0, 0, 0, 0];
const TIME: Dimension = [0, 1, 0, 0, 0, 0, 0, 0];
const MASS: Dimension = [0, 0, 1, 0, 0, 0, 0, 0];
const ANGLE: Dimension = [0, 0, 0, 1, 0, 0, 0, 0];
const HEAT: Dimension = [0, 0, 0, 0, 1, 0, 0, 0];
const CHARGE: Dimension = [0, 0, 0, 0, 0, 1, 0, 0];
const LIGHT: Dimension = [0, 0, 0, 0, 0, 0, 1, 0];
const AMOUNT: Dimension = [0, 0, 0, 0, 0, 0, 0, 1];
const VOLUME: Dimension = [3, 0, 0, 0, 0, 0, 0, 0];
const PRESSURE: Dimension = [-1, -2, 1, 0, 0, 0, 0, 0];
const ENERGY: Dimension = [2, -2, 1, 0, 0, 0, 0, 0];
const RATE: Dimension = [0, -1, 0, 0, 0, 0, 0, 0];

/// Code, whether it takes prefixes, how many base units (m, s, g, rad, K, C, cd, mol), and
/// its dimension.
const ATOMS: [(&str, bool, &str, Dimension); 62] = [
    ("1", false, "1", ONE),
    ("10*", false, "10", ONE),
    ("10^", false, "10", ONE),
    ("%", false, "0.01", ONE),
    ("[ppth]", false, "0.001", ONE),
    ("[ppm]", false, "0.000001", ONE),
    ("m", true, "1", LENGTH),
    ("[in_i]", false, "0.0254", LENGTH),
    ("[ft_i]", false, "0.3048", LENGTH),
    ("[yd_i]", false, "0.9144", LENGTH),
    ("[mi_i]", false, "1609.344", LENGTH),
    ("Ao", false, "0.0000000001", LENGTH),
    ("s", true, "1", TIME),
    ("min", false, "60", TIME),
    ("h", false, "3600", TIME),
    ("d", false, "86400", TIME),
    ("wk", false, "604800", TIME),
    ("mo", false, "2629800", TIME),
    ("a", false, "31557600", TIME),
    ("g", true, "1", MASS),
    ("t", true, "1000000", MASS),
    ("u", true, "0.0000000000000000000000016605", MASS),
    ("[lb_av]", false, "453.59237", MASS),
    ("[oz_av]", false, "28.349523125", MASS),
    ("[gr]", false, "0.06479891", MASS),
    ("[stone_av]", false, "6350.29318", MASS),
    ("rad", true, "1", ANGLE),
    ("deg", false, "0.0174532925199432957692369077", ANGLE),
    ("K", true, "1", HEAT),
    ("C", true, "1", CHARGE),
    ("cd", true, "1", LIGHT),
    ("mol", true, "1", AMOUNT),
    ("eq", true, "1", AMOUNT),
    ("osm", true, "1", AMOUNT),
    ("L", true, "0.001", VOLUME),
    ("l", true, "0.001", VOLUME),
    ("[foz_us]", false, "0.0000295735295625", VOLUME),
    ("[cup_us]", false, "0.0002365882365", VOLUME),
    ("[tsp_us]", false, "0.00000492892159375", VOLUME),
    ("[tbs_us]", false, "0.00001478676478125", VOLUME),
    ("[pt_us]", false, "0.000473176473", VOLUME),
    ("[qt_us]", false, "0.000946352946", VOLUME),
    ("[gal_us]", false, "0.003785411784", VOLUME),
    ("Pa", true, "1000", PRESSURE),
    ("bar", true, "100000000", PRESSURE),
    ("atm", false, "101325000", PRESSURE),
    ("m[Hg]", true, "133322000", PRESSURE),
    ("m[H2O]", true, "9806650", PRESSURE),
    ("[psi]", false, "6894757.293168", PRESSURE),
    ("J", true, "1000", ENERGY),
    ("cal", true, "4184", ENERGY),
    ("eV", true, "0.000000000000000160217733", ENERGY),
    ("N", true, "1000", [1, -2, 1, 0, 0, 0, 0, 0]),
    ("W", true, "1000", [2, -3, 1, 0, 0, 0, 0, 0]),
    ("Hz", true, "1", RATE),
    ("Bq", true, "1", RATE),
    ("Gy", true, "1", [2, -2, 0, 0, 0, 0, 0, 0]),
    ("Sv", true, "1", [2, -2, 0, 0, 0, 0, 0, 0]),
    ("A", true, "1", [0, -1, 0, 0, 0, 1, 0, 0]),
    ("V", true, "1000", [2, -2, 1, 0, 0, -1, 0, 0]),
    ("kat", true, "1", [0, -1, 0, 0, 0, 0, 0, 1]),
    ("U", true, "0.0000000166666666666666666667", [0, -1, 0, 0, 0, 0, 0, 1]),
];

/// Arbitrary units: each is comparable with itself only. Those that take prefixes first.
const ARBITRARY: [(&str, bool); 14] = [
    ("[iU]", true),
    ("[IU]", true),
    ("[arb'U]", false),
    ("Cel", true),
    ("[degF]", false),
    ("[pH]", false),
    ("[CFU]", false),
    ("[PFU]", false),
    ("[USP'U]", false),
    ("[beth'U]", false),
    ("[drp]", false),
    ("[HPF]", false),
    ("[LPF]", false),
    ("[dye'U]", false),
];

const PREFIXES: [(&str, i32); 20] = [
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// Reads a unit; none when a part of it is not known or its factor has too many digits.
pub(super) fn read(text: &str) -> Option<Measure> {
    let mut reader = Reader { rest: text, depth: 0 };
    let measure = reader.term()?;
    reader.rest.is_empty().then_some(measure)
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, sign: char) -> bool {
        let found = self.rest.strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Components joined by `.` and `/`, from left to right.
    fn term(&mut self) -> Option<Measure> {
        let mut all = if self.take('/') { self.component()?.power(-1)? } else { self.component()? };
        loop {
            if self.take('.') {
                all = all.times(&self.component()?)?;
            } else if self.take('/') {
                all = all.times(&self.component()?.power(-1)?)?;
            } else {
                return Some(all);
            }
        }
    }

    fn component(&mut self) -> Option<Measure> {
        if self.take('(') {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return None;
            }
            let inner = self.term()?;
            self.depth -= 1;
            return self.take(')').then_some(inner);
        }
        if self.rest.starts_with('{') {
            self.annotation()?;
            return Some(Measure::one());
        }
        let end = self.end_of_atom();
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let measure = simple(word)?;
        if self.rest.starts_with('{') {
            self.annotation()?;
        }
        Some(measure)
    }

    fn annotation(&mut self) -> Option<()> {
        let end = self.rest.find('}')?;
        self.rest = self.rest.get(end + 1..)?;
        Some(())
    }

    /// Where a unit with its exponent ends; signs in brackets belong to it.
    fn end_of_atom(&self) -> usize {
        let mut inside = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                '.' | '/' | '(' | ')' | '{' if !inside => return at,
                _ => {}
            }
        }
        self.rest.len()
    }
}

/// A unit with or without exponent, such as `m2`, `10*3` or `s-1`.
fn simple(word: &str) -> Option<Measure> {
    if let Ok(number) = word.parse::<u32>() {
        return Some(Measure { factor: Decimal::from(number), ..Measure::one() });
    }
    let digits = word.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (mut unit, mut exponent) = word.split_at_checked(word.len() - digits)?;
    if digits > 0 && unit.ends_with(['-', '+']) {
        let sign = unit.len() - 1;
        (unit, exponent) = word.split_at_checked(sign)?;
    }
    let power = if exponent.is_empty() { 1 } else { exponent.parse().ok()? };
    atom(unit)?.power(power)
}

fn atom(unit: &str) -> Option<Measure> {
    known(unit, false).or_else(|| {
        PREFIXES.iter().find_map(|(prefix, exponent)| {
            let inner = known(unit.strip_prefix(prefix)?, true)?;
            let ten = Measure { factor: Decimal::TEN, ..Measure::one() };
            inner.times(&ten.power(*exponent)?)
        })
    })
}

fn known(unit: &str, prefixed: bool) -> Option<Measure> {
    if let Some((.., factor, dimension)) =
        ATOMS.iter().find(|(code, takes, ..)| *code == unit && (*takes || !prefixed))
    {
        let factor = factor.parse().ok()?;
        return Some(Measure { factor, dimension: (*dimension, String::new()) });
    }
    let (code, _) =
        ARBITRARY.iter().find(|(code, takes)| *code == unit && (*takes || !prefixed))?;
    let code = if *code == "[IU]" { "[iU]" } else { code };
    Some(Measure { factor: Decimal::ONE, dimension: (ONE, format!("{code}1")) })
}

impl Measure {
    fn one() -> Self {
        Self { factor: Decimal::ONE, dimension: (ONE, String::new()) }
    }

    fn times(&self, other: &Self) -> Option<Self> {
        let mut dimension = self.dimension.0;
        for (sum, add) in dimension.iter_mut().zip(other.dimension.0) {
            *sum = sum.checked_add(add)?;
        }
        let names = match (self.dimension.1.as_str(), other.dimension.1.as_str()) {
            ("", name) | (name, "") => name.to_owned(),
            (a, b) => format!("{a}.{b}"),
        };
        let factor = self.factor.checked_mul(other.factor)?;
        // A factor that vanished would make all units of the kind equal.
        (!factor.is_zero()).then_some(Self { factor, dimension: (dimension, names) })
    }

    fn power(&self, exponent: i32) -> Option<Self> {
        if !(-30..=30).contains(&exponent) {
            return None;
        }
        let mut factor = Decimal::ONE;
        for _ in 0..exponent.abs() {
            factor = factor.checked_mul(self.factor)?;
        }
        if exponent < 0 {
            factor = Decimal::ONE.checked_div(factor)?;
        }
        let mut dimension = self.dimension.0;
        for part in &mut dimension {
            *part = i8::try_from(i32::from(*part) * exponent).ok()?;
        }
        let names = match self.dimension.1.strip_suffix('1') {
            Some(name) => format!("{name}{exponent}"),
            None => self.dimension.1.clone(),
        };
        (!factor.is_zero()).then_some(Self { factor, dimension: (dimension, names) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let ratio = |a: &str, b: &str| {
            let (a, b) = (read(a).unwrap(), read(b).unwrap());
            assert_eq!(a.dimension, b.dimension);
            (a.factor / b.factor).normalize().to_string()
        };
        assert_eq!(ratio("mg/dL", "g/L"), "0.01");
        assert_eq!(ratio("10*3/uL", "10*9/L"), "1");
        assert_eq!(ratio("mm[Hg]", "m[Hg]"), "0.001");
        assert_eq!(ratio("kg/m2", "g/cm2"), "0.1");
        assert_eq!(ratio("m.s-2", "m/s2"), "1");
        assert_eq!(ratio("{beats}/min", "/min"), "1");
        assert_eq!(ratio("mL/min/{1.73_m2}", "mL/min"), "1");
        assert_eq!(ratio("ug/(kg.h)", "ug/kg/h"), "1");
        assert_eq!(ratio("m[iU]/L", "[iU]/L"), "0.001");
        for unknown in ["foo", "[s]", "", "m/", "(m", "m)", "{x", "mmin", "m99"] {
            assert!(read(unknown).is_none(), "{unknown}");
        }
        assert_ne!(read("[iU]/L").unwrap().dimension, read("[CFU]/L").unwrap().dimension);
    }
}
