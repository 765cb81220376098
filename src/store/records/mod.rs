//! The record store: versions of resources in the journal, found by the index.
//!
//! One entry is one write, with all of its versions. Writers of all collections take turns
//! under one lock, in which the write is decided by what stands and handed to the journal;
//! they wait for the disk behind it, so that many share one sync. A writer sees what was
//! handed over before, on disk or not: its own entry lies behind it, so it is never durable
//! without. Readers see what is durable. An answer leaves when its entry is on disk, so
//! whoever heard of a version can read it.

mod cache;
mod collection;
mod fresh;
mod write;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::index::{
    Kv, RecordsChange, ShelfRow, VersionChange, VersionRow, WriteKey, decode, record_keys as key,
};
use super::journal::Location;
use super::secret::Secret;
use super::shared::Shared;
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fhir::Doc;
use crate::message::{RecordMethod, RecordVersion, RecordsRecord};
use crate::records::{Method, Version};

pub use cache::Cache;
pub use collection::{Collection, Shelf};
pub use fresh::Fresh;
pub use write::{RecordWrite, Wrote, aside};

/// Time of the last write of each collection.
pub type Times = HashMap<Arc<str>, Timestamp>;

fn joined(parts: &[&str]) -> Vec<u8> {
    parts.join("\0").into_bytes()
}

fn first_eight(hash: [u8; 16]) -> [u8; 8] {
    hash.first_chunk::<8>().copied().unwrap_or_default()
}

/// Keyed hash of a collection, and of a type in it.
pub fn shelf_of(secret: &Secret, collection: &str, kind: Option<&str>) -> [u8; 8] {
    let parts = [collection, kind.unwrap_or_default()];
    first_eight(secret.hash("record shelf", &joined(&parts)))
}

/// Keyed hash of a resource.
pub fn record_of(secret: &Secret, collection: &str, kind: &str, id: &str) -> [u8; 16] {
    secret.hash("record", &joined(&[collection, kind, id]))
}

/// Keyed hash of something a resource of a shelf is found by.
pub fn search_of(secret: &Secret, search: &crate::records::Key) -> [u8; 8] {
    first_eight(secret.hash("record key", search.0.as_bytes()))
}

/// What tells a write from all others.
pub fn write_key(secret: &Secret, record: &RecordsRecord) -> WriteKey {
    let place = joined(&[&record.collection, record.channel.as_str(), record.destination.as_str()]);
    (record.message, secret.hash("record write", &[&place[..], &record.body].concat()))
}

/// What an entry means to the index.
pub fn change_of(record: &RecordsRecord, secret: &Secret) -> RecordsChange {
    let version = |version: &RecordVersion| {
        let deleted = version.method == RecordMethod::Delete;
        let doc = (!deleted).then(|| Doc::parse_json(version.body.clone()).ok()).flatten();
        let keys = doc.map(|doc| crate::records::keys(&doc)).unwrap_or_default();
        let mut keys: Vec<[u8; 8]> = keys.iter().map(|key| search_of(secret, key)).collect();
        keys.sort_unstable();
        keys.dedup();
        VersionChange {
            shelf: shelf_of(secret, &record.collection, Some(&version.kind)),
            kind: version.kind.clone(),
            record: record_of(secret, &record.collection, &version.kind, &version.id),
            number: version.number,
            deleted,
            keys,
        }
    };
    RecordsChange {
        write: write_key(secret, record),
        collection: shelf_of(secret, &record.collection, None),
        name: record.collection.clone(),
        micros: record.at.micros(),
        versions: record.versions.iter().map(version).collect(),
    }
}

/// Names of the versions of an entry.
pub fn versions_of(
    record: &RecordsRecord,
    secret: &Secret,
) -> impl Iterator<Item = ([u8; 16], u64)> {
    let own = |v: &RecordVersion| (record_of(secret, &record.collection, &v.kind, &v.id), v.number);
    record.versions.iter().map(own).collect::<Vec<_>>().into_iter()
}

/// Whether the index names this place for something of an entry.
///
/// # Errors
/// `W6009`.
pub fn is_current(shared: &Shared, record: &RecordsRecord, at: Location) -> Result<bool, Fault> {
    drop(shared.caught_up()?);
    for version in &record.versions {
        let shelf = shelf_of(&shared.secret, &record.collection, Some(&version.kind));
        let own = record_of(&shared.secret, &record.collection, &version.kind, &version.id);
        let row = shared.kv.read(&key::version(&shelf, &own, version.number))?;
        let row: Option<VersionRow> = row.map(|value| decode(&value)).transpose()?;
        if row.is_some_and(|row| row.at == at) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All shelves with their keys.
///
/// # Errors
/// `W6009`.
pub fn shelves(kv: &Kv) -> Result<Vec<([u8; 8], ShelfRow)>, Fault> {
    let mut all = Vec::new();
    kv.walk_prefix(key::SHELVES, &mut |key, value| {
        let shelf = key.last_chunk::<8>().copied().unwrap_or_default();
        all.push((shelf, decode(value)?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all)
}

/// A version of an entry, as it is read.
fn version_at(record: &RecordsRecord, slot: usize) -> Option<Version> {
    let version = record.versions.get(slot)?;
    let method = match version.method {
        RecordMethod::Post => Method::Post,
        RecordMethod::Put => Method::Put,
        RecordMethod::Patch => Method::Patch,
        RecordMethod::Delete => Method::Delete,
    };
    Some(Version {
        kind: version.kind.clone(),
        id: version.id.clone(),
        number: version.number,
        at: record.at,
        deleted: method == Method::Delete,
        method,
        body: version.body.clone(),
        message: record.message,
        channel: record.channel.clone(),
        revision: record.revision.0.clone(),
    })
}
