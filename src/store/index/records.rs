//! Rows of the record store: versions of resources, and what they are found by.
//!
//! Everything is keyed by collection, type, id and number, as keyed hashes: so an entry that
//! pruning appended again changes where a version lies and nothing else, and the index names
//! no patient. The order of versions is the time of their write, which rises with each write
//! of a collection, not the position of the entry.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Location;
use super::project::{Work, decode, encode};
use crate::base::MessageId;
use crate::fault::Fault;

/// Message, then keyed hash of collection, destination and body.
pub type WriteKey = (MessageId, [u8; 16]);

/// What an entry wrote, as keyed hashes.
#[derive(Debug)]
pub struct RecordsChange {
    pub write: WriteKey,
    /// Scope of all versions of the collection.
    pub collection: [u8; 8],
    pub name: Arc<str>,
    /// When it was written, in microseconds.
    pub micros: i64,
    pub versions: Vec<VersionChange>,
}

/// One version of it.
#[derive(Debug)]
pub struct VersionChange {
    /// Collection and type.
    pub shelf: [u8; 8],
    pub kind: Arc<str>,
    /// Collection, type and id.
    pub record: [u8; 16],
    pub number: u64,
    pub deleted: bool,
    /// What it is found by.
    pub keys: Vec<[u8; 8]>,
}

/// The latest version of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRow {
    pub number: u64,
    pub deleted: bool,
    pub at: Location,
    pub slot: u32,
    pub keys: Vec<[u8; 8]>,
}

/// Where a version lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRow {
    pub at: Location,
    pub slot: u32,
}

/// Versions of one type in one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelfRow {
    pub collection: Arc<str>,
    pub kind: Arc<str>,
    /// Resources that are not deleted.
    pub alive: u64,
    /// Versions, deletions included.
    pub versions: u64,
}

/// Parts of a key of a version in order: shelf, record, number.
pub type Ordered = ([u8; 8], [u8; 16], u64);

pub mod key {
    //! Keys of these rows.

    use super::super::keys::key;
    use super::{Ordered, WriteKey};

    pub fn write((message, rest): &WriteKey) -> Vec<u8> {
        key(b'b', &[&message.to_bytes(), rest])
    }

    /// The microseconds of a moment so that they sort.
    fn sorted(micros: i64) -> [u8; 8] {
        (micros.cast_unsigned() ^ (1 << 63)).to_be_bytes()
    }

    pub fn log(scope: &[u8; 8], micros: i64, slot: u32) -> Vec<u8> {
        key(b'h', &[scope, &sorted(micros), &slot.to_be_bytes()])
    }

    pub fn log_of(scope: &[u8; 8]) -> Vec<u8> {
        key(b'h', &[scope])
    }

    /// Time and slot of a key of the log.
    pub fn log_place(key: &[u8]) -> Option<(i64, u32)> {
        let (micros, rest) = key.get(9..)?.split_first_chunk::<8>()?;
        let slot = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        Some(((u64::from_be_bytes(*micros) ^ (1 << 63)).cast_signed(), slot))
    }

    pub fn ordered((shelf, record, number): &Ordered) -> Vec<u8> {
        [shelf.as_slice(), record, &number.to_be_bytes()].concat()
    }

    pub fn read_ordered(value: &[u8]) -> Option<Ordered> {
        let (shelf, rest) = value.split_first_chunk::<8>()?;
        let (record, rest) = rest.split_first_chunk::<16>()?;
        Some((*shelf, *record, u64::from_be_bytes(*rest.first_chunk::<8>()?)))
    }

    pub fn latest(shelf: &[u8; 8], record: &[u8; 16]) -> Vec<u8> {
        key(b'r', &[shelf, record])
    }

    /// All latest versions of a shelf have this prefix.
    pub fn latest_of(shelf: &[u8; 8]) -> Vec<u8> {
        key(b'r', &[shelf])
    }

    pub fn version(shelf: &[u8; 8], record: &[u8; 16], number: u64) -> Vec<u8> {
        key(b'v', &[shelf, record, &number.to_be_bytes()])
    }

    /// All resources of a shelf under a search key have this prefix.
    pub fn found_by(shelf: &[u8; 8], search: &[u8; 8]) -> Vec<u8> {
        key(b'x', &[shelf, search])
    }

    pub fn found(shelf: &[u8; 8], search: &[u8; 8], record: &[u8; 16]) -> Vec<u8> {
        key(b'x', &[shelf, search, record])
    }

    /// All shelves have this prefix.
    pub const SHELVES: &[u8] = b"y";

    pub fn shelf(shelf: &[u8; 8]) -> Vec<u8> {
        key(b'y', &[shelf])
    }

    /// The record in the last 16 bytes of a key.
    pub fn record(key: &[u8]) -> Option<[u8; 16]> {
        key.last_chunk::<16>().copied()
    }
}

impl Work<'_> {
    /// Takes versions in; those that are known only get their new place.
    pub(super) fn records(&mut self, at: Location, change: &RecordsChange) -> Result<(), Fault> {
        self.changes.insert(key::write(&change.write), Some(encode(&at)?));
        for (slot, version) in (0..).zip(&change.versions) {
            self.version(at, slot, change, version)?;
        }
        Ok(())
    }

    fn version(
        &mut self,
        at: Location,
        slot: u32,
        change: &RecordsChange,
        version: &VersionChange,
    ) -> Result<(), Fault> {
        let VersionChange { shelf, record, number, .. } = version;
        let own = key::version(shelf, record, *number);
        let fresh = self.current(&own)?.is_none();
        self.changes.insert(own, Some(encode(&VersionRow { at, slot })?));
        let ordered = key::ordered(&(*shelf, *record, *number));
        for scope in [shelf, &change.collection] {
            self.changes.insert(key::log(scope, change.micros, slot), Some(ordered.clone()));
        }
        let latest = key::latest(shelf, record);
        let before: Option<RecordRow> =
            self.current(&latest)?.map(|value| decode(&value)).transpose()?;
        let was_alive = before.as_ref().is_some_and(|row| !row.deleted);
        if before.as_ref().is_none_or(|row| row.number <= *number) {
            for old in before.iter().flat_map(|row| &row.keys) {
                if !version.keys.contains(old) {
                    self.changes.insert(key::found(shelf, old, record), None);
                }
            }
            for search in &version.keys {
                self.changes.insert(key::found(shelf, search, record), Some(Vec::new()));
            }
            let (deleted, keys) = (version.deleted, version.keys.clone());
            let row = RecordRow { number: *number, deleted, at, slot, keys };
            self.changes.insert(latest, Some(encode(&row)?));
            self.count(change, version, (fresh, was_alive))?;
        } else if fresh {
            // An older one that pruning appended again, read by an index made anew.
            self.count(change, version, (true, !version.deleted))?;
        }
        Ok(())
    }

    fn count(
        &mut self,
        change: &RecordsChange,
        version: &VersionChange,
        (fresh, was_alive): (bool, bool),
    ) -> Result<(), Fault> {
        let name = key::shelf(&version.shelf);
        let mut row = match self.current(&name)? {
            Some(value) => decode(&value)?,
            None => ShelfRow {
                collection: change.name.clone(),
                kind: version.kind.clone(),
                ..ShelfRow::default()
            },
        };
        row.versions += u64::from(fresh);
        row.alive += u64::from(!version.deleted && !was_alive);
        row.alive = row.alive.saturating_sub(u64::from(version.deleted && was_alive));
        self.changes.insert(name, Some(encode(&row)?));
        Ok(())
    }
}
