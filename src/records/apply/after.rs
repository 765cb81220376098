//! What will stand when a transaction is done: what its conditional references mean.
//!
//! Source: FHIR R4 http.html#trules: they are resolved after all that is written.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::look::{Key, Look, Place, Scope, Visit};
use super::super::values::keys;
use super::Version;
use crate::fault::Fault;

/// What stands, and over it what the entries of a transaction make of it.
pub(super) struct After<'a> {
    look: &'a dyn Look,
    /// By type and id; none for what is deleted.
    changed: HashMap<(Arc<str>, Arc<str>), Option<Version>>,
    /// Ids of changed resources by type and key, so that many references to many new
    /// resources stay linear.
    under: HashMap<(Arc<str>, Key), Vec<Arc<str>>>,
}

impl<'a> After<'a> {
    pub fn new(look: &'a dyn Look) -> Self {
        Self { look, changed: HashMap::new(), under: HashMap::new() }
    }

    pub fn delete(&mut self, kind: &str, id: &str) {
        self.changed.insert((kind.into(), id.into()), None);
    }

    pub fn put(&mut self, version: Version) -> Result<(), Fault> {
        let (kind, id) = (version.kind.clone(), version.id.clone());
        for key in keys(&version.doc()?) {
            self.under.entry((kind.clone(), key)).or_default().push(id.clone());
        }
        self.changed.insert((kind, id), Some(version));
        Ok(())
    }

    /// Ids of changed resources that may fit: those under one of the first list of keys, all
    /// of the type without such a list.
    fn candidates(&self, kind: &str, keys: &[Vec<Key>]) -> BTreeSet<Arc<str>> {
        let kind: Arc<str> = kind.into();
        match keys.first() {
            Some(any) => {
                let found =
                    any.iter().filter_map(|key| self.under.get(&(kind.clone(), key.clone())));
                found.flatten().cloned().collect()
            }
            None => {
                let own = self.changed.keys().filter(|(own, _)| *own == kind);
                own.map(|(_, id)| id.clone()).collect()
            }
        }
    }
}

impl Look for After<'_> {
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        match self.changed.get(&(kind.into(), id.into())) {
            Some(version) => Ok(version.clone()),
            None => self.look.latest(kind, id),
        }
    }

    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        self.look.version(kind, id, number)
    }

    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        if after.is_none() {
            for id in self.candidates(kind, keys) {
                if let Some(Some(version)) = self.changed.get(&(kind.into(), id))
                    && visit(version.clone())?.is_break()
                {
                    return Ok(());
                }
            }
        }
        self.look.visit(kind, keys, after, &mut |version| {
            let seen = self.changed.contains_key(&(version.kind.clone(), version.id.clone()));
            if seen { Ok(ControlFlow::Continue(())) } else { visit(version) }
        })
    }

    fn log(
        &self,
        scope: Scope<'_>,
        before: Option<Place>,
        visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        self.look.log(scope, before, visit)
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        self.look.counts()
    }
}
