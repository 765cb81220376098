//! A collection that is read: what is durable, by the index.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::{record_of, search_of, shelf_of, shelves, version_at};
use crate::fault::Fault;
use crate::records::{Key, Look, Place, Scope, Version, Visit};
use crate::store::Store;
use crate::store::index::{
    Order, RecordRow, VersionRow, decode, keys::after_prefix, record_keys as key,
};
use crate::store::journal::Location;
use crate::store::shared::Shared;

/// Resources under one search key that are gathered before it counts as no help: then
/// another condition narrows the search, or all are looked at.
const GATHERED_MAX: usize = 20_000;

/// Rows read from the index at once: between, others may write.
const STRIDE: usize = 256;

/// Versions of one type, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The collection.
    pub collection: Arc<str>,
    /// The type.
    pub kind: Arc<str>,
    /// Resources that are not deleted.
    pub resources: u64,
    /// Versions, deletions included.
    pub versions: u64,
}

/// A collection of the record store, to read from. Cheap to clone.
#[derive(Clone)]
pub struct Collection {
    pub(super) store: Store,
    pub(super) name: Arc<str>,
}

impl Store {
    /// A collection; one that nobody wrote to is empty.
    #[must_use]
    pub fn collection(&self, name: &str) -> Collection {
        Collection { store: self.clone(), name: name.into() }
    }

    /// What the record store holds, by collection and type.
    ///
    /// # Errors
    /// `W6009`.
    pub fn shelves(&self) -> Result<Vec<Shelf>, Fault> {
        drop(self.records()?);
        let rows = shelves(&self.read().kv)?;
        let mut all: Vec<Shelf> = rows
            .into_iter()
            .map(|(_, row)| Shelf {
                collection: row.collection,
                kind: row.kind,
                resources: row.alive,
                versions: row.versions,
            })
            .collect();
        all.sort_by(|a, b| (&a.collection, &a.kind).cmp(&(&b.collection, &b.kind)));
        Ok(all)
    }
}

impl Collection {
    pub(super) fn shared(&self) -> &Shared {
        self.store.read()
    }

    pub(super) fn shelf(&self, kind: &str) -> [u8; 8] {
        shelf_of(&self.shared().secret, &self.name, Some(kind))
    }

    pub(super) fn record(&self, kind: &str, id: &str) -> [u8; 16] {
        record_of(&self.shared().secret, &self.name, kind, id)
    }

    fn at(&self, at: Location, slot: u32) -> Result<Option<Version>, Fault> {
        let shared = self.shared();
        let record = shared.record_cache.read(shared, at)?;
        Ok(version_at(&record, slot as usize))
    }

    /// Takes what is durable into the index.
    pub(super) fn catch_up(&self) -> Result<(), Fault> {
        drop(self.store.records()?);
        Ok(())
    }

    pub(super) fn indexed_latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        let row = self.shared().kv.read(&key::latest(&self.shelf(kind), &self.record(kind, id)))?;
        let Some(row) = row else { return Ok(None) };
        let row: RecordRow = decode(&row)?;
        self.at(row.at, row.slot)
    }

    pub(super) fn indexed_version(
        &self,
        kind: &str,
        id: &str,
        number: u64,
    ) -> Result<Option<Version>, Fault> {
        let own = key::version(&self.shelf(kind), &self.record(kind, id), number);
        let Some(row) = self.shared().kv.read(&own)? else { return Ok(None) };
        let row: VersionRow = decode(&row)?;
        self.at(row.at, row.slot)
    }

    /// Resources under all of these lists of keys, where one of the lists narrows them.
    fn narrowed(
        &self,
        shelf: &[u8; 8],
        keys: &[Vec<Key>],
    ) -> Result<Option<BTreeSet<[u8; 16]>>, Fault> {
        let mut narrowed: Option<BTreeSet<[u8; 16]>> = None;
        for any in keys {
            let Some(found) = self.under(shelf, any)? else { continue };
            narrowed = Some(match narrowed {
                None => found,
                Some(before) => before.intersection(&found).copied().collect(),
            });
        }
        Ok(narrowed)
    }

    /// Resources under any of these keys; none when they are too many to help.
    fn under(&self, shelf: &[u8; 8], any: &[Key]) -> Result<Option<BTreeSet<[u8; 16]>>, Fault> {
        let mut found = BTreeSet::new();
        for search in any {
            let prefix = key::found_by(shelf, &search_of(&self.shared().secret, search));
            self.shared().kv.walk_prefix(&prefix, &mut |row, _| {
                found.extend(key::record(row));
                let full = found.len() > GATHERED_MAX;
                Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if found.len() > GATHERED_MAX {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Visits resources of the index in the order of their hashes.
    pub(super) fn indexed_visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: &mut dyn FnMut([u8; 16], Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        let shelf = self.shelf(kind);
        let mut after = after.map(|id| self.record(kind, id));
        if let Some(narrowed) = self.narrowed(&shelf, keys)? {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            for record in narrowed.range((from, Bound::Unbounded)) {
                let Some(row) = self.shared().kv.read(&key::latest(&shelf, record))? else {
                    continue;
                };
                let row: RecordRow = decode(&row)?;
                if let Some(version) = self.at(row.at, row.slot)?.filter(|v| !v.deleted)
                    && visit(*record, version)?.is_break()
                {
                    break;
                }
            }
            return Ok(());
        }
        loop {
            let mut rows: Vec<([u8; 16], RecordRow)> = Vec::new();
            let from = match after {
                Some(record) => Bound::Excluded(key::latest(&shelf, &record)),
                None => Bound::Included(key::latest_of(&shelf)),
            };
            let to = Bound::Excluded(after_prefix(&key::latest_of(&shelf)));
            self.shared().kv.walk(from, to, Order::Up, &mut |row, value| {
                rows.extend(key::record(row).zip(decode(value).ok()));
                let full = rows.len() >= STRIDE;
                Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = Some(*last);
            for (record, row) in rows.into_iter().filter(|(_, row)| !row.deleted) {
                if let Some(version) = self.at(row.at, row.slot)?
                    && visit(record, version)?.is_break()
                {
                    return Ok(());
                }
            }
        }
    }

    /// Visits the versions of one resource, the latest first.
    fn log_of_one(
        &self,
        (kind, id): (&str, &str),
        before: Option<Place>,
        visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        let latest = self.indexed_latest(kind, id)?.map_or(0, |version| version.number);
        let last = before.map_or(latest, |before| before.0.saturating_sub(1).min(latest));
        for number in (1..=last).rev() {
            if let Some(version) = self.indexed_version(kind, id, number)?
                && visit(Place(number, 0), version)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// The place of a version in a log, by the time and slot of its key.
fn place(key: &[u8]) -> Option<Place> {
    let (micros, slot) = key::log_place(key)?;
    Some(Place(u64::try_from(micros).unwrap_or(0), slot))
}

impl Look for Collection {
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        self.catch_up()?;
        self.indexed_latest(kind, id)
    }

    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        self.catch_up()?;
        self.indexed_version(kind, id, number)
    }

    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        self.catch_up()?;
        self.indexed_visit(kind, keys, after, &mut |_, version| visit(version))
    }

    fn log(
        &self,
        scope: Scope<'_>,
        before: Option<Place>,
        visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        self.catch_up()?;
        let shelf = match scope {
            Scope::Instance(kind, id) => return self.log_of_one((kind, id), before, visit),
            Scope::Type(kind) => self.shelf(kind),
            Scope::System => shelf_of(&self.shared().secret, &self.name, None),
        };
        let mut to = match before {
            None => Bound::Excluded(after_prefix(&key::log_of(&shelf))),
            Some(Place(micros, slot)) => {
                let micros = i64::try_from(micros).unwrap_or(i64::MAX);
                Bound::Excluded(key::log(&shelf, micros, slot))
            }
        };
        loop {
            let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            let from = Bound::Included(key::log_of(&shelf));
            self.shared().kv.walk(from, to, Order::Down, &mut |row, value| {
                rows.push((row.to_vec(), value.to_vec()));
                let full = rows.len() >= STRIDE;
                Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            to = Bound::Excluded(last.clone());
            for (row, value) in &rows {
                let Some((shelf, record, number)) = key::read_ordered(value) else { continue };
                let version = self.shared().kv.read(&key::version(&shelf, &record, number))?;
                let version: Option<VersionRow> = version.map(|v| decode(&v)).transpose()?;
                let Some((version, place)) = version.zip(place(row)) else { continue };
                if let Some(version) = self.at(version.at, version.slot)?
                    && visit(place, version)?.is_break()
                {
                    return Ok(());
                }
            }
        }
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        let all = self.store.shelves()?.into_iter();
        let own = all.filter(|shelf| shelf.collection == self.name && shelf.resources > 0);
        Ok(own.map(|shelf| (shelf.kind, shelf.resources)).collect())
    }
}
