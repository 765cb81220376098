//! The check of a document against R4.
//!
//! Here: elements, cardinality, JSON types, forms of primitives, codes, choices,
//! extensions, invariants, references, rules of Bundles and narratives. Not here: what
//! needs a terminology server. Findings name places and types, never values.
//!
//! One walk over the nodes: each resource carries an index of what is contained in it, each
//! Bundle one of its entries, so that references cost a look-up. Rules that ask for the
//! whole resource again at each place (`ref-1`, `dom-3`, `ctm-1`) are therefore functions
//! here; the others run as the FHIRPath that R4 publishes, compiled once.

mod answers;
mod bundle;
mod coded;
mod conform;
mod enabled;
mod extension;
mod findings;
mod knowledge;
mod narrative;
mod reference;
mod rules;
mod walk;

use super::doc::Doc;
use crate::fault::Code;
use crate::fault::codes::{self, W2740};

pub use findings::{FINDINGS_MAX, Finding, WARNINGS_MAX, outcome};
pub use knowledge::{KNOWLEDGE_MAX, Knowledge};

/// What is checked beside the structure.
#[derive(Clone, Copy, Debug)]
pub struct Options<'k> {
    /// Invariants, references, Bundles, narratives and places of extensions too.
    pub rules: bool,
    /// Whether extensions that R4 does not define are errors.
    pub refuse_unknown_extensions: bool,
    /// Whether texts that look like markup are errors.
    pub refuse_markup: bool,
    /// Questionnaires, value sets and profiles to check against.
    pub knowledge: Option<&'k Knowledge>,
    /// URL of the profile that the outermost resource has to fit, besides those it claims.
    pub profile: Option<&'k str>,
}

impl Default for Options<'_> {
    /// All rules; extensions of sites and markup in texts are let through.
    fn default() -> Self {
        Self {
            rules: true,
            refuse_unknown_extensions: false,
            refuse_markup: false,
            knowledge: None,
            profile: None,
        }
    }
}

/// The codes that findings may have.
pub fn finding_codes() -> impl Iterator<Item = Code> {
    let of_check = |code: &Code| ("W2720".."W2760").contains(&code.as_str()) && *code != W2740;
    codes::all().map(|row| row.code).filter(of_check)
}

/// Checks the structure of a document; nothing found means that it is as R4 has it.
///
/// Elements, cardinality, types, required codes, choices, form of extensions and types of
/// references; all findings are errors.
#[must_use]
pub fn structure(doc: &Doc) -> Vec<Finding> {
    resource(doc, &Options { rules: false, ..Options::default() })
}

/// Checks a resource, Bundles with all they hold among them.
///
/// At most [`FINDINGS_MAX`] errors and [`WARNINGS_MAX`] lesser findings, in the order of the document but for rules about a
/// whole element, which come after what stands in it. It is valid when none is an error.
#[must_use]
pub fn resource(doc: &Doc, options: &Options<'_>) -> Vec<Finding> {
    let mut check = walk::Check::new(options);
    check.findings.flaws(doc);
    check.resource(doc.root());
    check.findings.finish(doc)
}

#[cfg(test)]
mod tests;
