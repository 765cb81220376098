//! What a write has changed so far, over what stands.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::super::look::{Key, Look, Place, Scope, Visit};
use super::super::search::{LOOKS_MAX, Looks, Run};
use super::{Method, NewId, Origin, Version, stamp};
use crate::fault::Fault;
use crate::fhir::Doc;

/// The state that an entry of a write sees: its own changes, then what is kept.
pub(in crate::records) struct Stage<'a> {
    look: &'a dyn Look,
    pub origin: &'a Origin,
    new_id: NewId<'a>,
    pub versions: Vec<Version>,
    /// What all conditions and searches of this write may look at together.
    pub looks: Looks,
    /// Place of the latest version of each resource that was changed.
    latest: HashMap<(Arc<str>, Arc<str>), usize>,
}

impl<'a> Stage<'a> {
    pub fn new(look: &'a dyn Look, origin: &'a Origin, new_id: NewId<'a>) -> Self {
        let looks = Looks::new(LOOKS_MAX);
        Self { look, origin, new_id, versions: Vec::new(), looks, latest: HashMap::new() }
    }

    /// A search by what stood before this write.
    pub fn run(&self) -> Run<'_> {
        Run { look: self.look, now: self.origin.at, base: &self.origin.base, looks: &self.looks }
    }

    /// What stood before this write.
    pub fn before(&self) -> &'a dyn Look {
        self.look
    }

    pub fn new_id(&mut self) -> String {
        (self.new_id)()
    }

    /// Adds the next version of a resource; a deletion has no body.
    pub fn add(
        &mut self,
        kind: &str,
        id: &str,
        method: Method,
        body: Option<Doc>,
    ) -> Result<Version, Fault> {
        let version = self.next(kind, id, method, body)?;
        let name = (version.kind.clone(), version.id.clone());
        self.latest.insert(name, self.versions.len());
        self.versions.push(version.clone());
        Ok(version)
    }

    /// The next version of a resource, which is not added.
    pub fn next(
        &self,
        kind: &str,
        id: &str,
        method: Method,
        body: Option<Doc>,
    ) -> Result<Version, Fault> {
        let number = self.latest(kind, id)?.map_or(1, |version| version.number + 1);
        let at = self.origin.at;
        let body = match body {
            Some(doc) => stamp::stamp(doc, id, number, at)?.to_json(),
            None => Bytes::new(),
        };
        Ok(Version {
            kind: kind.into(),
            id: id.into(),
            number,
            at,
            deleted: method == Method::Delete,
            method,
            body,
            message: self.origin.message,
            channel: self.origin.channel.clone(),
            revision: self.origin.revision.clone(),
        })
    }
}

impl Look for Stage<'_> {
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        let own = self.latest.get(&(kind.into(), id.into())).and_then(|at| self.versions.get(*at));
        match own {
            Some(version) => Ok(Some(version.clone())),
            None => self.look.latest(kind, id),
        }
    }

    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        let named = |v: &&Version| (&*v.kind, &*v.id, v.number) == (kind, id, number);
        match self.versions.iter().find(named) {
            Some(version) => Ok(Some(version.clone())),
            None => self.look.version(kind, id, number),
        }
    }

    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        let mut known: HashSet<Arc<str>> = HashSet::new();
        for ((_, id), at) in self.latest.iter().filter(|((own, _), _)| **own == *kind) {
            known.insert(id.clone());
            let version = self.versions.get(*at).filter(|version| !version.deleted);
            if let Some(version) = version.filter(|_| after.is_none())
                && visit(version.clone())?.is_break()
            {
                return Ok(());
            }
        }
        self.look.visit(kind, keys, after, &mut |version| {
            let seen = known.contains(&version.id);
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
