//! Looking for a duplicate key among all messages of a window, for each message.
//!
//! The index keeps duplicate keys by epoch. Of an epoch that is over, a Bloom filter in
//! memory says which keys it cannot have, so that a key that is new costs no look into it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::Position;
use super::index::{Kv, keys, read_duplicate};
use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;

/// Bits of a filter: 16 per key of an epoch, which lets one key in 400 through.
const FILTER_BITS: usize = 1 << 18;
/// Filters kept, 32 KiB each: the latest two million messages. Older epochs within the
/// window are looked into each time.
const FILTERS_MAX: u32 = 128;

/// What is known of an epoch that is over.
struct Epoch {
    /// Latest arrival in it; none when nothing in it has a key.
    newest: Option<Timestamp>,
    filter: Option<Box<[u64]>>,
}

/// The filters.
#[derive(Default)]
pub struct Duplicates(Mutex<HashMap<u32, Arc<Epoch>>>);

/// Bits of a key: parts of it, which is a keyed hash already.
fn bits(key: &[u8; 16]) -> impl Iterator<Item = usize> + '_ {
    key.chunks_exact(4).filter_map(|part| {
        let part = part.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*part)).ok().map(|bit| bit % FILTER_BITS)
    })
}

impl Epoch {
    fn read(kv: &Kv, epoch: u32, filtered: bool) -> Result<Self, Fault> {
        let mut filter = filtered.then(|| vec![0; FILTER_BITS / 64].into_boxed_slice());
        let mut newest = None;
        let prefix = keys::duplicates(epoch);
        kv.walk_prefix(&prefix, &mut |key, value| {
            if let Some((_, received)) = read_duplicate(value) {
                newest = newest.max(Some(received));
            }
            let hash = key.get(prefix.len()..).and_then(|hash| hash.first_chunk::<16>());
            if let (Some(filter), Some(hash)) = (&mut filter, hash) {
                for bit in bits(hash) {
                    if let Some(word) = filter.get_mut(bit / 64) {
                        *word |= 1 << (bit % 64);
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self { newest, filter })
    }

    fn may_have(&self, key: &[u8; 16]) -> bool {
        let Some(filter) = &self.filter else { return true };
        bits(key).all(|bit| filter.get(bit / 64).is_some_and(|w| w & (1 << (bit % 64)) != 0))
    }
}

impl Duplicates {
    /// The latest message under a key that the index has, of epochs in which something
    /// arrived after `since`; `indexed` is the last position of the index.
    pub fn find(
        &self,
        kv: &Kv,
        indexed: Position,
        key: &[u8; 16],
        since: Timestamp,
    ) -> Result<Option<(MessageId, Timestamp)>, Fault> {
        let current = keys::epoch(indexed);
        for epoch in (0..=current).rev() {
            if epoch < current {
                let known = self.epoch(kv, epoch, epoch + FILTERS_MAX >= current)?;
                match known.newest {
                    Some(newest) if newest < since => break,
                    Some(_) if known.may_have(key) => {}
                    Some(_) | None => continue,
                }
            }
            let found = kv.read(&keys::duplicate(epoch, key))?;
            if let Some(found) = found.and_then(|value| read_duplicate(&value)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn epoch(&self, kv: &Kv, epoch: u32, filtered: bool) -> Result<Arc<Epoch>, Fault> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&epoch).cloned();
        if let Some(known) = known.filter(|known| known.filter.is_some() == filtered) {
            return Ok(known);
        }
        let read = Arc::new(Epoch::read(kv, epoch, filtered)?);
        lock().insert(epoch, read.clone());
        Ok(read)
    }
}
