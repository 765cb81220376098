//! The invariants of R4 by the place they hold on, each compiled on first use.

use std::sync::OnceLock;

use crate::fault::Fault;
use crate::fhir::doc::Node;
use crate::fhir::path::{Context, FhirPath};
use crate::fhir::tables::{self, Element, Invariant};

/// Text of the invariant on all elements, which the walk itself checks.
pub(super) const ELE_1: &str = "All FHIR elements must have a @value or children";

/// Invariants that functions of this room check, each for a reason: they hold everywhere
/// (`ele-1`, `ext-1`), ask about XHTML (`txt`), or would look through a whole resource or
/// Bundle anew at each place (`dom`, `ref-1`, `ctm-1`).
const BY_FUNCTION: [&str; 11] = [
    "ele-1", "ext-1", "txt-1", "txt-2", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1",
    "ctm-1",
];

/// One invariant, ready to run.
pub(super) struct Rule {
    pub invariant: &'static Invariant,
    path: OnceLock<Result<FhirPath, Fault>>,
}

impl Rule {
    fn new(invariant: &'static Invariant) -> Self {
        Self { invariant, path: OnceLock::new() }
    }

    /// Whether it holds on a node; an empty result counts as satisfied.
    ///
    /// # Errors
    /// `W2711`, `W2712` when it cannot be computed.
    pub fn holds(&self, node: Node<'_>) -> Result<bool, Fault> {
        let path = self.path.get_or_init(|| FhirPath::parse(self.invariant.expression));
        let path = path.as_ref().map_err(Clone::clone)?;
        Ok(path.holds(node, &Context::default())?.unwrap_or(true))
    }
}

#[derive(Default)]
struct Rules {
    containers: Vec<Vec<Rule>>,
    /// By the address of the element in the tables: there are a handful.
    elements: Vec<(usize, Vec<Rule>)>,
    simple_quantity: Vec<Rule>,
}

fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| {
        let mut out = Rules::default();
        out.containers.resize_with(tables::container_count(), Vec::new);
        let all = tables::invariants().iter();
        for invariant in all.filter(|row| !BY_FUNCTION.contains(&row.key)) {
            for path in &invariant.paths {
                out.add(path, invariant);
            }
        }
        out
    })
}

fn address(element: &'static Element) -> usize {
    std::ptr::from_ref(element).addr()
}

impl Rules {
    fn add(&mut self, path: &str, invariant: &'static Invariant) {
        let number = tables::container(path).map(|container| container.number as usize);
        if let Some(place) = number.and_then(|number| self.containers.get_mut(number)) {
            place.push(Rule::new(invariant));
        } else if path == "SimpleQuantity" {
            self.simple_quantity.push(Rule::new(invariant));
        } else if let Some(element) = tables::element(path) {
            let at = address(element);
            match self.elements.iter_mut().find(|(known, _)| *known == at) {
                Some((_, rules)) => rules.push(Rule::new(invariant)),
                None => self.elements.push((at, vec![Rule::new(invariant)])),
            }
        }
    }
}

/// The invariants on a type or nested element.
pub(super) fn of_container(number: u32) -> &'static [Rule] {
    rules().containers.get(number as usize).map_or(&[], Vec::as_slice)
}

/// The invariants on one element whatever its type.
pub(super) fn of_element(element: &'static Element) -> &'static [Rule] {
    let at = address(element);
    let found = rules().elements.iter().find(|(known, _)| *known == at);
    found.map_or(&[], |(_, rules)| rules.as_slice())
}

/// The invariants on quantities without comparator.
pub(super) fn of_simple_quantity() -> &'static [Rule] {
    &rules().simple_quantity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_is_compiled_and_has_its_place() {
        let shared = rules();
        let placed = shared.containers.iter().flatten();
        let placed = placed.chain(shared.elements.iter().flat_map(|(_, rules)| rules));
        let placed: Vec<&Rule> = placed.chain(&shared.simple_quantity).collect();
        for invariant in tables::invariants() {
            let path = FhirPath::parse(invariant.expression);
            assert!(path.is_ok(), "{} {:?}", invariant.key, path.err());
            let here = placed.iter().filter(|rule| std::ptr::eq(rule.invariant, invariant));
            let expected = match invariant.key {
                key if BY_FUNCTION.contains(&key) => 0,
                // Nothing in R4 is bound to amounts of money as quantities.
                "mqty-1" => 0,
                _ => invariant.paths.len(),
            };
            assert_eq!(here.count(), expected, "{}", invariant.key);
        }
    }
}
