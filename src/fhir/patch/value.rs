//! Whether two values of JSON say the same.

use super::super::{Node, NodeKind};

/// Same members in any order, same items in order, numbers by what they count.
///
/// Work is bounded by the smaller of the two. Recursion is bounded by the depth of
/// documents.
///
/// Source: RFC 6902 §4.6.
pub(super) fn same(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            let (Some(one), Some(other)) = (sorted(a, b), sorted(b, a)) else { return false };
            one.len() == other.len()
                && one.iter().zip(&other).all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
        }
        (NodeKind::Array, NodeKind::Array) => {
            let (mut one, mut other) = (a.items(), b.items());
            loop {
                match (one.next(), other.next()) {
                    (None, None) => return true,
                    (Some(a), Some(b)) if same(a, b) => {}
                    _ => return false,
                }
            }
        }
        (NodeKind::Number, NodeKind::Number) => {
            let (a, b) = (a.number().unwrap_or_default(), b.number().unwrap_or_default());
            a == b || Number::read(a) == Number::read(b)
        }
        (x, y) => x == y && a.text() == b.text(),
    }
}

/// Members by name; none when the other has fewer.
fn sorted<'d>(node: Node<'d>, other: Node<'_>) -> Option<Vec<(&'d str, Node<'d>)>> {
    let mut rest = other.members();
    let mut all = Vec::new();
    for member in node.members() {
        rest.next()?;
        all.push(member);
    }
    all.sort_by_key(|(name, _)| *name);
    Some(all)
}

/// A number by its digits without zeros at either end, and the power of ten of the last.
#[derive(PartialEq, Eq)]
struct Number {
    minus: bool,
    digits: Vec<u8>,
    power: i128,
}

impl Number {
    fn read(text: &str) -> Self {
        let (minus, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(part.bytes()).collect();
        let trailing = digits.iter().rev().take_while(|b| **b == b'0').count();
        let leading = digits.iter().take_while(|b| **b == b'0').count();
        let end = digits.len() - trailing;
        let digits = digits.get(leading..end).unwrap_or_default().to_vec();
        if digits.is_empty() {
            return Self { minus: false, digits, power: 0 };
        }
        // An exponent of more digits than these counts beyond all that can be told apart.
        let exponent: i128 = exponent.parse().unwrap_or(i128::from(i64::MAX));
        let power = exponent - part.len() as i128 + trailing as i128;
        Self { minus, digits, power }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::doc::doc;

    #[test]
    fn values_are_told_apart() {
        let check = |a: &str, b: &str, expected: bool| {
            assert_eq!(same(doc(a).root(), doc(b).root()), expected, "{a} {b}");
            assert_eq!(same(doc(b).root(), doc(a).root()), expected, "{b} {a}");
        };
        check("1", "1.0", true);
        check("100", "1e2", true);
        check("0.00120", "12E-4", true);
        check("-0", "0.0", true);
        check("-1", "1", false);
        check("1", "10", false);
        check("1e999999999999999999999", "1", false);
        check("12345678901234567890123456789.1", "12345678901234567890123456789.2", false);
        check("\"1\"", "1", false);
        check("\"\\u0041\"", "\"A\"", true);
        check("null", "false", false);
        check(r#"{"a":1,"b":[]}"#, r#"{"b":[],"a":1.0}"#, true);
        check(r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false);
        check(r#"{"a":1}"#, r#"{"b":1}"#, false);
        check("[1,2]", "[2,1]", false);
        check("[1]", "[1,2]", false);
    }
}
