//! Looking for a duplicate key among all messages of a window, for each message.
//!
//! The index keeps duplicate keys by epoch. For epochs that are over, Bloom filters in
//! memory say which keys they cannot have, so that a key that is new costs no look into the
//! index. The filters of 64 epochs lie bit beside bit in one word, so that one read answers
//! for all of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Position;
use super::index::{Kv, keys, read_duplicate};
use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;

/// Epochs of a group: the bits of a word.
const EPOCHS: u32 = u64::BITS;
/// Bits of the filter of one epoch. An epoch has 16,384 entries of the journal, of which half
/// or less are messages: one key in 400 passes one filter.
const FILTER_BITS: usize = 1 << 17;
/// Groups with filters, 1 MiB each: the latest 67 million entries. Epochs before them are
/// looked into each time.
const GROUPS_MAX: usize = 64;

/// What is known of 64 epochs.
struct Group {
    /// A word for each bit of a filter; empty when filters are not kept.
    filters: Box<[u64]>,
    /// The epochs that were read.
    known: u64,
    /// Latest arrival of each epoch; none where nothing has a key.
    newest: [Option<Timestamp>; EPOCHS as usize],
}

/// What a group says of a key, an epoch a bit.
struct Look {
    /// Not read yet.
    unknown: u64,
    /// May have the key.
    may: u64,
    /// Everything in them came before the window.
    past: u64,
}

impl Default for Group {
    fn default() -> Self {
        let filters = vec![0; FILTER_BITS].into_boxed_slice();
        Self { filters, known: 0, newest: [None; EPOCHS as usize] }
    }
}

/// Bits of a key: parts of it, which is a keyed hash already.
fn bits(key: &[u8; 16]) -> impl Iterator<Item = usize> + '_ {
    key.chunks_exact(4).filter_map(|part| {
        let part = part.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*part)).ok().map(|bit| bit % FILTER_BITS)
    })
}

impl Group {
    /// Looks at the first `over` epochs.
    fn look(&self, key: &[u8; 16], since: Timestamp, over: u32) -> Look {
        let all = u64::MAX.checked_shr(EPOCHS - over).unwrap_or(0);
        let (mut with, mut past) = (0, 0);
        for (bit, newest) in self.newest.iter().enumerate() {
            with |= u64::from(newest.is_some()) << bit;
            past |= u64::from(newest.is_some_and(|newest| newest < since)) << bit;
        }
        let may = match self.filters.is_empty() {
            true => u64::MAX,
            false => bits(key)
                .filter_map(|bit| self.filters.get(bit))
                .fold(u64::MAX, |may, word| may & word),
        };
        Look { unknown: all & !self.known, may: all & with & may, past: all & past }
    }

    /// Takes note of an epoch by its number in the group.
    fn note(&mut self, number: u32, read: &Epoch) {
        let bit = 1 << number;
        self.known |= bit;
        if let Some(newest) = self.newest.get_mut(number as usize) {
            *newest = read.newest;
        }
        for at in &read.bits {
            if let Some(word) = self.filters.get_mut(*at) {
                *word |= bit;
            }
        }
    }
}

/// What the index says of an epoch.
#[derive(Default)]
struct Epoch {
    newest: Option<Timestamp>,
    bits: Vec<usize>,
}

impl Epoch {
    fn read(kv: &Kv, epoch: u32) -> Result<Self, Fault> {
        let mut read = Self::default();
        let prefix = keys::duplicates(epoch);
        kv.walk_prefix(&prefix, &mut |key, value| {
            if let Some((_, received)) = read_duplicate(value) {
                read.newest = read.newest.max(Some(received));
            }
            let hash = key.get(prefix.len()..).and_then(|hash| hash.first_chunk::<16>());
            read.bits.extend(hash.into_iter().flat_map(bits));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(read)
    }
}

/// The filters.
#[derive(Default)]
pub struct Duplicates(Mutex<BTreeMap<u32, Group>>);

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
        let read = |epoch| {
            let value = kv.read(&keys::duplicate(epoch, key))?;
            Ok::<_, Fault>(value.and_then(|value| read_duplicate(&value)))
        };
        let current = keys::epoch(indexed);
        if let Some(found) = read(current)? {
            return Ok(Some(found));
        }
        for group in (0..=current / EPOCHS).rev() {
            let first = group * EPOCHS;
            // Those that are over and not looked at yet: the latest first.
            let mut left = (current - first).min(EPOCHS);
            while left > 0 {
                let look = self.group(group).entry(group).or_default().look(key, since, left);
                let next = look.unknown | look.may | look.past;
                let Some(number) = next.checked_ilog2() else { break };
                let bit = 1 << number;
                if look.unknown & bit != 0 {
                    let epoch = Epoch::read(kv, first + number)?;
                    self.group(group).entry(group).or_default().note(number, &epoch);
                    left = number + 1;
                    continue;
                }
                if look.past & bit != 0 {
                    return Ok(None);
                }
                if let Some(found) = read(first + number)? {
                    return Ok(Some(found));
                }
                left = number;
            }
        }
        Ok(None)
    }

    /// The groups. Where one is to be added and there are many, the oldest lose their filters.
    fn group(&self, group: u32) -> MutexGuard<'_, BTreeMap<u32, Group>> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !groups.contains_key(&group) && groups.len() >= GROUPS_MAX {
            let many = groups.len() + 1 - GROUPS_MAX;
            let newer = groups.keys().next_back().is_some_and(|last| *last < group);
            if newer {
                groups.values_mut().take(many).for_each(|old| old.filters = Box::default());
            } else {
                let none = Group { filters: Box::default(), ..Group::default() };
                groups.insert(group, none);
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 16_384;

    fn hash(number: u64) -> [u8; 16] {
        use sha2::Digest as _;
        let digest: [u8; 32] = sha2::Sha256::digest(number.to_be_bytes()).into();
        *digest.first_chunk().unwrap()
    }

    /// An index with one key in each epoch, which came in the second of its number.
    fn index(epochs: u32) -> Kv {
        let kv = Kv::memory();
        let rows = (0..epochs).map(|epoch| {
            let id = MessageId::from_u128(u128::from(epoch));
            let micros = i64::from(epoch) * 1_000_000;
            let value = [&id.to_bytes()[..], &micros.to_be_bytes()].concat();
            (keys::duplicate(epoch, &hash(epoch.into())), Some(value))
        });
        kv.apply(rows.collect()).unwrap();
        kv
    }

    #[test]
    fn keys_are_found_in_any_epoch_of_the_window_and_in_none_before() {
        let epochs = 3 * EPOCHS + 5;
        let kv = index(epochs);
        let duplicates = Duplicates::default();
        let find = |number: u32, since: i64| {
            let indexed = u64::from(epochs) * EPOCH - 1;
            let since = Timestamp::from_micros(since * 1_000_000);
            let found = duplicates.find(&kv, indexed, &hash(number.into()), since).unwrap();
            found.map(|(id, _)| id.as_u128())
        };
        for _again in 0..2 {
            for number in [0, 1, 63, 64, 100, 127, 128, 190, epochs - 2, epochs - 1] {
                assert_eq!(find(number, 0), Some(number.into()), "{number}");
                assert_eq!(find(number, i64::from(number)), Some(number.into()), "{number}");
            }
            assert_eq!(find(100, 101), None, "before the window");
            assert_eq!(find(epochs, 0), None, "new");
        }
    }

    #[test]
    fn a_new_key_costs_no_look_into_epochs_with_a_filter() {
        let kv = index(2 * EPOCHS);
        let duplicates = Duplicates::default();
        let mut passed = 0;
        for number in 0..1000 {
            let key = hash(1_000_000 + number);
            let indexed = u64::from(2 * EPOCHS) * EPOCH - 1;
            assert!(duplicates.find(&kv, indexed, &key, Timestamp::default()).unwrap().is_none());
            let groups = duplicates.0.lock().unwrap();
            for group in groups.values() {
                passed += group.look(&key, Timestamp::default(), EPOCHS).may.count_ones();
            }
        }
        assert_eq!(passed, 0);
    }

    #[test]
    fn filters_are_kept_for_the_latest_groups_only() {
        let groups_max = u32::try_from(GROUPS_MAX).unwrap();
        let kv = index(2);
        let duplicates = Duplicates::default();
        let find = |epochs: u32| {
            let indexed = u64::from(epochs) * EPOCH - 1;
            duplicates.find(&kv, indexed, &hash(1), Timestamp::default()).unwrap()
        };
        for groups in [groups_max, groups_max + 2] {
            assert!(find(groups * EPOCHS).is_some(), "{groups}");
        }
        let kept = duplicates.0.lock().unwrap();
        let with = kept.values().filter(|group| !group.filters.is_empty()).count();
        assert_eq!((with, kept.len()), (GROUPS_MAX, GROUPS_MAX + 2));
        assert!(kept[&0].filters.is_empty() && !kept[&(groups_max + 1)].filters.is_empty());
    }
}
