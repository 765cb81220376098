//! Of which types a search is, and which of its parameters all of them know.
//!
//! Source: FHIR R4 search.html#xsystem, `_type`.

use std::collections::BTreeSet;

use super::compartment;
use super::look::{Look, Search};
use super::plan::{TYPES, is_known, unknown};
use crate::fault::codes::W7611;
use crate::fault::{Fault, Place};
use crate::fhir::rest::Query;
use crate::fhir::tables;

/// The types of a search.
pub(super) struct Kinds {
    /// Their names, sorted.
    pub names: Vec<String>,
    /// Types whose parameters are asked by: each parameter is one of all of these.
    asked_by: Vec<String>,
}

impl Kinds {
    /// The types that a search is of. One of all types knows the parameters that every resource
    /// has, so that what it finds does not depend on which types there are.
    pub fn of(look: &dyn Look, search: &Search<'_>) -> Result<Self, Fault> {
        let wrong = |why| Fault::new(W7611).at(Place::path(TYPES)).because(why);
        let mut all = Self { names: Vec::new(), asked_by: vec!["Resource".to_owned()] };
        match (search.kind, types(search.query)) {
            (Some(kind), _) => all.names = vec![kind.to_owned()],
            (None, Some(named)) => {
                if let Some(unknown) = named.iter().find(|kind| !tables::is_resource(kind)) {
                    let near = tables::resources().find(|own| own.eq_ignore_ascii_case(unknown));
                    return Err(match near {
                        Some(near) => wrong("a type is not one of R4")
                            .because(format!("a type is not one of R4; did you mean `{near}`?")),
                        None => wrong("a type is not one of R4"),
                    });
                }
                all.names = named.into_iter().collect();
            }
            (None, None) => {
                let counts = look.counts()?;
                all.names = counts.into_iter().map(|(kind, _)| kind.to_string()).collect();
                all.names.sort_unstable();
            }
        }
        if search.kind.is_some() || search.query.first(TYPES).is_some() {
            all.asked_by.clone_from(&all.names);
        }
        if let Some(within) = &search.within {
            let alone = search.kind.filter(|kind| !compartment::holds(within, kind));
            if alone.is_some() || !compartment::is_compartment(within.kind) {
                let cause = "resources of this type do not belong to such a compartment";
                return Err(Fault::new(W7611).because(cause));
            }
            all.names.retain(|kind| compartment::holds(within, kind));
        }
        Ok(all)
    }

    /// The names of parameters that not all of the types know, each once.
    ///
    /// # Errors
    /// `W7610` for the first of them, when the search is strict.
    pub fn unknown(&self, search: &Search<'_>) -> Result<Vec<String>, Fault> {
        let known = |name: &str| {
            // `_type` of one type says nothing that its address does not.
            let own = name != TYPES || search.kind.is_none();
            own && self.asked_by.iter().all(|kind| is_known(kind, name))
        };
        let mut all: Vec<String> = Vec::new();
        for asked in search.query.iter().filter(|asked| !known(&asked.name)) {
            if search.strict {
                return Err(unknown(&asked.name));
            }
            if !all.contains(&asked.name) {
                all.push(asked.name.clone());
            }
        }
        Ok(all)
    }
}

/// The types that `_type` names: where it stands several times, those that all name.
fn types(query: &Query) -> Option<BTreeSet<String>> {
    let mut found: Option<BTreeSet<String>> = None;
    for asked in query.iter().filter(|asked| asked.name == TYPES) {
        let named = asked.value.split(',').map(str::trim).filter(|name| !name.is_empty());
        let named: BTreeSet<String> = named.map(str::to_owned).collect();
        found = Some(match found {
            Some(before) => before.intersection(&named).cloned().collect(),
            None => named,
        });
    }
    found
}
