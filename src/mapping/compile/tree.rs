//! Paths through documents, checked and typed by the classes of CDA.

use super::super::file::Text;
use super::super::pick::{Find, Pick};
use super::super::program::Each;
use super::super::sentence::{Path, Repetition};
use super::path::{Inside, Resolved};
use super::{Compiler, Scope};
use crate::cda::{self, Kind, Walk};
use crate::fault::codes as w;

/// Types of which people have several.
const LISTS: [&str; 4] = ["cda:II", "cda:EN", "cda:AD", "cda:TEL"];

/// The element that a rule is made for.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: cda::Path,
    kind: Kind,
}

impl Compiler<'_> {
    /// The scope of a rule that is made for elements of a document.
    pub(super) fn tree_scope(&mut self, path: &Path, text: &Text, root: Scope) -> Option<Scope> {
        let tree = path.tree.as_deref()?;
        let walk = self.walk(path, Kind::DOCUMENT, text)?;
        if walk.is_text {
            let cause = "a rule is made for elements, not for an attribute or a text";
            self.report.error(w::W4001, &text.span, cause);
            return None;
        }
        let path = tree.clone().from_document();
        let each = Each::Tree(pick(&path, false));
        let place = Place { path, kind: walk.kind };
        Some(Scope { each, repeats: walk.repeats, tree: Some(Box::new(place)), ..root })
    }

    /// Resolves a path through a document.
    pub(super) fn tree_path(
        &mut self,
        path: &Path,
        text: &Text,
        scope: &Scope,
        inside: Inside,
    ) -> Option<Resolved> {
        let tree = path.tree.as_deref()?;
        let of_item = inside != Inside::Rule && !tree.is_absolute();
        let from = match (of_item, &scope.tree) {
            // What a value under `where` is, is known when it is there.
            (true, _) => Kind::UNKNOWN,
            (false, Some(place)) => place.kind,
            (false, None) => Kind::DOCUMENT,
        };
        let walk = self.walk(path, from, text)?;
        let datatype = walk.kind.datatype().unwrap_or(walk.kind.name());
        Some(Resolved {
            pick: pick(tree, of_item),
            datatype,
            table: None,
            segments: false,
            repetitions: walk.ends_in_list && LISTS.contains(&datatype),
            required: walk.required,
        })
    }

    /// Follows a path through the classes; a step that leads nowhere is told.
    fn walk(&mut self, path: &Path, from: Kind, text: &Text) -> Option<Walk> {
        match path.tree.as_deref()?.walk(from) {
            Ok(walk) => Some(walk),
            Err(wrong) => {
                let cause = wrong.to_string();
                let name = wrong.name.trim_start_matches('@');
                let span = text.inside(&path.span);
                self.report.unknown(w::W4003, &span, cause, (name, wrong.known));
                None
            }
        }
    }
}

fn pick(tree: &cda::Path, of_item: bool) -> Pick {
    Pick {
        find: Find::Tree { path: Box::new(tree.clone()), of_item },
        segment: Repetition::Open,
        field: 0,
        repetition: Repetition::Open,
        parts: [0, 0],
    }
}

/// Whether a reference from one rule to another may mean several of its instances: all but
/// that which is made once, of the same element or of one around it.
pub(super) fn may_mean_several(target: &Scope, from: &Scope) -> bool {
    match (&target.tree, &from.tree) {
        (None, _) => false,
        (Some(to), Some(from)) => target.repeats && !from.path.is_within(&to.path),
        (Some(_), None) => target.repeats,
    }
}
