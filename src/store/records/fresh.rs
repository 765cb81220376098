//! Versions that were handed to the journal and are not in the index.

use std::collections::HashMap;
use std::sync::Arc;

use crate::message::RecordsRecord;
use crate::store::Position;
use crate::store::index::{RecordsChange, WriteKey};

/// One version: where its entry stands, and where it stands in it.
#[derive(Clone)]
pub struct FreshVersion {
    pub shelf: [u8; 8],
    pub number: u64,
    pub slot: usize,
    pub record: Arc<RecordsRecord>,
}

/// What was handed over.
#[derive(Default)]
pub struct Fresh {
    /// By resource, oldest first.
    versions: HashMap<[u8; 16], Vec<FreshVersion>>,
    writes: HashMap<WriteKey, (Position, Arc<RecordsRecord>)>,
    /// Bytes of the bodies.
    pub bytes: usize,
}

fn bytes_of(record: &RecordsRecord) -> usize {
    record.versions.iter().map(|version| version.body.len()).sum()
}

impl Fresh {
    /// Takes note of an entry on its way to disk.
    pub fn handed_over(
        &mut self,
        change: &RecordsChange,
        record: Arc<RecordsRecord>,
        position: Position,
    ) {
        for (slot, version) in change.versions.iter().enumerate() {
            self.versions.entry(version.record).or_default().push(FreshVersion {
                shelf: version.shelf,
                number: version.number,
                slot,
                record: record.clone(),
            });
        }
        self.bytes += bytes_of(&record);
        self.writes.insert(change.write, (position, record));
    }

    /// Forgets an entry that the index has taken.
    pub fn indexed(&mut self, change: &RecordsChange, position: Position) {
        // One that pruning appended again was never taken note of.
        if self.writes.get(&change.write).is_none_or(|(own, _)| *own != position) {
            return;
        }
        let Some((_, record)) = self.writes.remove(&change.write) else { return };
        self.bytes = self.bytes.saturating_sub(bytes_of(&record));
        for version in &change.versions {
            let Some(own) = self.versions.get_mut(&version.record) else { continue };
            own.retain(|fresh| fresh.number != version.number);
            if own.is_empty() {
                self.versions.remove(&version.record);
            }
        }
    }

    /// Versions of a resource, oldest first.
    pub fn of(&self, record: &[u8; 16]) -> &[FreshVersion] {
        self.versions.get(record).map(Vec::as_slice).unwrap_or_default()
    }

    /// The latest versions of a shelf.
    pub fn on(&self, shelf: &[u8; 8]) -> Vec<([u8; 16], FreshVersion)> {
        let latest = |(record, all): (&[u8; 16], &Vec<FreshVersion>)| {
            all.last().filter(|fresh| fresh.shelf == *shelf).map(|fresh| (*record, fresh.clone()))
        };
        self.versions.iter().filter_map(latest).collect()
    }

    /// A write that is on its way.
    pub fn write(&self, key: &WriteKey) -> Option<Arc<RecordsRecord>> {
        self.writes.get(key).map(|(_, record)| record.clone())
    }
}
