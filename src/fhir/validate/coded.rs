//! Codes against the value sets of bindings, and what an attachment says of itself.

use std::borrow::Cow;

use super::walk::Check;
use crate::fault::codes::{W2726, W2755, W2758};
use crate::fhir::doc::Node;
use crate::fhir::resources::IssueSeverity;
use crate::fhir::tables::{self, Element};

impl<'d> Check<'d, '_> {
    /// With a binding, one of the codings has to be of the value set.
    ///
    /// Source: FHIR R4 terminologies.html#strength.
    pub fn coded(&mut self, node: Node<'d>, element: &Element) {
        let (set, required) = match (element.required_binding, element.extensible_binding) {
            (Some(set), _) => (set, true),
            (None, Some(set)) if self.options.rules => (set, false),
            _ => return,
        };
        if fits(node, set) != Some(false) {
            return;
        }
        if required {
            self.at(node, W2726, format!("no code is in the value set {set}"));
        } else {
            let what = format!("no code is in the value set {set}");
            self.lesser(node, IssueSeverity::Warning, W2755, what);
        }
    }

    /// The stated size of an attachment is that of its data.
    pub fn attachment(&mut self, node: Node<'d>) {
        let Some(size) = node.get("size").and_then(|size| size.number()) else { return };
        let Some(data) = node.get("data").and_then(|data| data.string()) else { return };
        let signs = data.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=').count();
        let Ok(size) = size.parse::<u64>() else { return };
        // Four signs stand for three bytes; what is left over for one or two.
        if size != signs as u64 * 3 / 4 {
            self.at(node, W2758, "the stated size is not that of the data");
        }
    }
}

/// Whether a Coding or one of a CodeableConcept is of a value set; none when there is no
/// code or the set is not listed.
fn fits(node: Node<'_>, set: &str) -> Option<bool> {
    let mut known = None;
    let mut look = |coding: Node<'_>| {
        let text = |name: &str| coding.get(name).and_then(|value| value.string());
        let Some(code) = text("code") else { return };
        let system: Option<Cow<'_, str>> = text("system");
        let found = tables::has_coding(set, system.as_deref(), &code);
        known = match (known, found) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (known, found) => found.or(known),
        };
    };
    match node.get("coding") {
        Some(codings) => codings.items().for_each(look),
        None => look(node),
    }
    known
}
