//! Which resources belong to a compartment: to a patient, an encounter, a practitioner.
//!
//! Source: FHIR R4 compartmentdefinition.html. The table is written by the generator
//! (`generate/parameters.rs`) and never by hand.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Key;
use super::look::Within;
use super::parameter::{Parameter, parameter};
use super::term::{Here, Term};
use crate::fhir::Node;

/// Parameters by which a resource says of itself whose it is. A compartment of these alone
/// leaves out what somebody only performed or recorded.
const WHOSE: [&str; 4] = ["patient", "subject", "beneficiary", "individual"];

type Table = HashMap<(&'static str, &'static str), Vec<&'static str>>;

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let (mut table, mut current) = (Table::new(), "");
        for line in include_str!("compartments.txt").lines().filter(|line| !line.starts_with('#')) {
            match (line.strip_prefix('@'), line.split_once('\t')) {
                (Some(name), _) => current = name,
                (None, Some((kind, codes))) => {
                    table.insert((current, kind), codes.split(',').collect());
                }
                (None, None) => {}
            }
        }
        table
    });
    &TABLE
}

/// The parameters by which resources of a type belong to a compartment; none where they never
/// do.
fn parameters_of(within: &Within<'_>, kind: &str) -> Option<Vec<&'static Parameter>> {
    let codes = table().iter().find(|((of, own), _)| *of == within.kind && *own == kind)?.1;
    let wanted = |code: &&&str| !within.narrow || WHOSE.contains(*code);
    Some(codes.iter().filter(wanted).filter_map(|code| parameter(kind, code)).collect())
}

/// Whether resources of a type may belong to a compartment.
pub(super) fn holds(within: &Within<'_>, kind: &str) -> bool {
    within.kind == kind || parameters_of(within, kind).is_some_and(|all| !all.is_empty())
}

/// The condition to belong to a compartment.
#[derive(Clone)]
pub(super) struct Member(Vec<Term>);

impl Member {
    /// The condition for resources of a type; none where they do not belong by what they
    /// refer to.
    pub fn of(within: &Within<'_>, kind: &str) -> Option<Self> {
        let owner = || vec![(within.kind.to_owned(), within.id.to_owned())];
        let all = parameters_of(within, kind)?;
        let terms: Vec<Term> = all.into_iter().map(|p| Term::refers(p, owner())).collect();
        (!terms.is_empty()).then_some(Self(terms))
    }

    pub fn fits(&self, resource: Node<'_>, here: Here<'_>) -> bool {
        self.0.iter().any(|term| term.fits(resource, here))
    }

    /// Keys of which every resource that fits has one.
    pub fn keys(&self, here: Here<'_>) -> Option<Vec<Key>> {
        let mut all = Vec::new();
        for term in &self.0 {
            all.extend(term.keys(here).into_iter().next()?);
        }
        Some(all)
    }
}

/// Whether a compartment of R4 is of such a type.
#[must_use]
pub fn is_compartment(kind: &str) -> bool {
    table().keys().any(|(of, _)| *of == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::parameters;

    #[test]
    fn the_table_names_parameters_that_are_known() {
        let mut unknown = Vec::new();
        for ((of, kind), codes) in table() {
            assert!(crate::fhir::tables::is_resource(of) && crate::fhir::tables::is_resource(kind));
            let own = |code: &&&str| parameters(kind).all(|p| p.code != **code);
            unknown.extend(codes.iter().filter(own).map(|code| format!("{of} {kind} {code}")));
        }
        // `{def}` is the resource itself.
        unknown.retain(|line| !line.ends_with(' ') && !line.ends_with("{def}"));
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn types_belong_to_compartments() {
        let check = |of: &str, kind: &str, narrow: bool, expected: &[&str]| {
            let within = Within { kind: of, id: "1", narrow };
            let codes: Vec<&str> =
                parameters_of(&within, kind).unwrap_or_default().iter().map(|p| p.code).collect();
            assert_eq!(codes, expected, "{of} {kind}");
        };
        check("Patient", "Observation", false, &["subject", "performer"]);
        check("Patient", "Observation", true, &["subject"]);
        check("Patient", "Organization", false, &[]);
        check("Encounter", "Observation", false, &["encounter"]);
        assert!(is_compartment("Patient") && !is_compartment("Organization"));
        assert!(holds(&Within { kind: "Patient", id: "1", narrow: true }, "Patient"));
    }
}
