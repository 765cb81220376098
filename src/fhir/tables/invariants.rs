//! Invariants of the core specification.

use std::sync::OnceLock;

/// A rule that elements have to keep.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// Its name, such as `pat-1`; some names stand for several rules.
    pub key: &'static str,
    /// Whether breaking it is an error; else it is a warning.
    pub is_error: bool,
    /// Types and elements it holds on; `*` for every element, resource or extension.
    pub paths: Vec<&'static str>,
    /// The rule as FHIRPath, with known slips of the publication mended.
    pub expression: &'static str,
    /// The rule for people.
    pub human: &'static str,
}

/// All invariants, in the order of the specification.
#[must_use]
pub fn invariants() -> &'static [Invariant] {
    static ROWS: OnceLock<Vec<Invariant>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let lines = include_str!("invariants.txt").lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(read).collect()
    })
}

fn read(line: &'static str) -> Option<Invariant> {
    let mut cells = line.split('\t');
    let (key, severity) = (cells.next()?, cells.next()?);
    let paths = cells.next()?.split(',').collect();
    let (expression, human) = (cells.next()?, cells.next()?);
    Some(Invariant { key, is_error: severity == "!", paths, expression, human })
}

#[cfg(test)]
mod tests {
    use super::super::{element, is_type};
    use super::*;

    #[test]
    fn every_invariant_has_a_place() {
        assert_eq!(invariants().len(), 241);
        let errors = invariants().iter().filter(|row| row.is_error).count();
        assert_eq!((errors, invariants().len() - errors), (207, 34));
        for row in invariants() {
            for path in &row.paths {
                let known = is_type(path) || element(path).is_some();
                let profile = matches!(*path, "SimpleQuantity" | "MoneyQuantity" | "*");
                assert!(known || profile, "{} {path}", row.key);
            }
        }
    }

    #[test]
    fn known_slips_are_mended() {
        let row = invariants().iter().find(|row| row.key == "app-4").unwrap();
        assert!(row.expression.contains("'noshow'") && !row.expression.contains("no-show"));
    }
}
