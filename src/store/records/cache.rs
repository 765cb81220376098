//! Entries of the record store that were read lately: the versions of one Bundle lie in one
//! entry, and a search reads several of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fault::{Fault, codes};
use crate::message::{Entry, RecordsRecord};
use crate::store::journal::Location;
use crate::store::shared::Shared;

/// Bytes of bodies kept: some entries of the largest Bundles, thousands of small ones.
const CACHE_BYTES: usize = 16 << 20;

/// Entries with one version are not kept beyond this many: they are read once each.
const ENTRIES_MAX: usize = 512;

#[derive(Default)]
struct Kept {
    entries: VecDeque<(Location, Arc<RecordsRecord>, usize)>,
    bytes: usize,
}

/// What was read.
#[derive(Default)]
pub struct Cache(Mutex<Kept>);

impl Cache {
    /// Reads an entry.
    ///
    /// # Errors
    /// `W6009` when it is one of another kind; those of the journal.
    pub fn read(&self, shared: &Shared, at: Location) -> Result<Arc<RecordsRecord>, Fault> {
        {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, record, _)) = kept.entries.iter().find(|(own, ..)| *own == at) {
                return Ok(record.clone());
            }
        }
        let Entry::Records(record) = shared.journal.read(at)? else {
            return Err(
                Fault::new(codes::W6009).because("the index names an entry of another kind")
            );
        };
        let record: Arc<RecordsRecord> = Arc::from(record);
        // A lone version is read once; what holds many is worth its room.
        if record.versions.len() > 2 {
            self.keep(at, &record);
        }
        Ok(record)
    }

    fn keep(&self, at: Location, record: &Arc<RecordsRecord>) {
        let bytes: usize = record.versions.iter().map(|version| version.body.len()).sum();
        if bytes > CACHE_BYTES {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += bytes;
        kept.entries.push_front((at, record.clone(), bytes));
        while kept.bytes > CACHE_BYTES || kept.entries.len() > ENTRIES_MAX {
            let Some((_, _, bytes)) = kept.entries.pop_back() else { break };
            kept.bytes = kept.bytes.saturating_sub(bytes);
        }
    }
}
