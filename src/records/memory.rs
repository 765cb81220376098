//! Versions in memory, for tests of this room.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::look::{Key, Look, Place, Scope, Visit};
use super::version::{Method, Version};
use crate::base::{ChannelName, MessageId, Timestamp};
use crate::fault::Fault;
use crate::fhir::Doc;

/// Versions in order of writing.
#[derive(Default)]
pub(super) struct Memory {
    pub all: Vec<Version>,
    /// How often each resource is visited, to pretend there are many.
    pub repeat: usize,
}

impl Memory {
    fn current(&self) -> BTreeMap<(Arc<str>, Arc<str>), &Version> {
        self.all.iter().map(|v| ((v.kind.clone(), v.id.clone()), v)).collect()
    }
}

/// Adds the next version of a resource.
pub(super) fn put(memory: &mut Memory, json: &str) {
    let doc = Doc::parse_json(json.to_owned().into()).unwrap();
    let kind: Arc<str> = doc.resource_type().unwrap().into_owned().into();
    let id: Arc<str> = doc.root().get("id").unwrap().text().unwrap().into_owned().into();
    let number = memory.all.iter().filter(|v| (&v.kind, &v.id) == (&kind, &id)).count() as u64 + 1;
    memory.all.push(Version {
        kind,
        id,
        number,
        at: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(memory.all.len()).unwrap()),
        deleted: false,
        method: Method::Put,
        body: doc.to_json(),
        message: MessageId::from_u128(1),
        channel: ChannelName::parse("adt").unwrap(),
        revision: "r1".into(),
    });
}

impl Look for Memory {
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        Ok(self.all.iter().rfind(|v| (&*v.kind, &*v.id) == (kind, id)).cloned())
    }

    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        let own = |v: &&Version| (&*v.kind, &*v.id, v.number) == (kind, id, number);
        Ok(self.all.iter().find(own).cloned())
    }

    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        for ((own, id), version) in self.current() {
            if *own != *kind || version.deleted || after.is_some_and(|after| *id <= *after) {
                continue;
            }
            let kept = super::keys(&version.doc()?);
            if !keys.iter().all(|any| any.iter().any(|key| kept.contains(key))) {
                continue;
            }
            for _ in 0..self.repeat.max(1) {
                if visit(version.clone())?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn log(
        &self,
        scope: Scope<'_>,
        before: Option<Place>,
        visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        for (at, version) in self.all.iter().enumerate().rev() {
            let place = Place(at as u64, 0);
            let own = match scope {
                Scope::System => true,
                Scope::Type(kind) => *version.kind == *kind,
                Scope::Instance(kind, id) => (&*version.kind, &*version.id) == (kind, id),
            };
            if own
                && before.is_none_or(|before| place < before)
                && visit(place, version.clone())?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        let mut counts = BTreeMap::new();
        for ((kind, _), version) in self.current() {
            *counts.entry(kind).or_insert(0) += u64::from(!version.deleted);
        }
        Ok(counts.into_iter().collect())
    }
}
