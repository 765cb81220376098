//! Leaves: many small rows packed into one value of sled.
//!
//! sled keeps at most 16 items in a page and clones the page for each of them, so that a
//! small row costs some 10 µs and a lot of memory there (measured: 77 µs and 8 KB for the
//! seven rows of a message, and minutes to open). Packed some hundred to a leaf, most rows
//! of a batch share one write. A leaf is found under its first key; it covers the keys up
//! to the next leaf.

use std::collections::btree_map;
use std::iter::Peekable;

/// Bytes at which a leaf is divided: a page of 16 leaves stays far below the size at which
/// sled moves values into files of their own.
const LEAF_BYTES: usize = 4096;

/// Reads a packed leaf in order.
pub struct Leaf<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

impl<'a> Leaf<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, key: Vec::with_capacity(48) }
    }

    /// The next row; its key is in [`Leaf::key`].
    pub fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &mut self.rest;
        let shared = take_number(rest)?;
        let own = take_number(rest)?;
        let length = take_number(rest)?;
        let (suffix, after) = rest.split_at_checked(own)?;
        let (value, after) = after.split_at_checked(length)?;
        *rest = after;
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        Some(value)
    }

    /// Key of the row that `next` gave.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value of a key.
    pub fn find(mut self, key: &[u8]) -> Option<&'a [u8]> {
        while let Some(value) = self.next() {
            match self.key.as_slice().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }
}

/// Packs rows into leaves of at most `limit` bytes.
struct Packer {
    limit: usize,
    done: Vec<(Vec<u8>, Vec<u8>)>,
    first: Vec<u8>,
    last: Vec<u8>,
    bytes: Vec<u8>,
}

impl Packer {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        if !self.bytes.is_empty() && self.bytes.len() + key.len() + value.len() > self.limit {
            let leaf = (std::mem::take(&mut self.first), std::mem::take(&mut self.bytes));
            self.done.push(leaf);
        }
        let mut shared = 0;
        if self.bytes.is_empty() {
            self.first = key.to_vec();
        } else {
            shared = key.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        }
        put_number(&mut self.bytes, shared);
        put_number(&mut self.bytes, key.len() - shared);
        put_number(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(key.get(shared..).unwrap_or_default());
        self.bytes.extend_from_slice(value);
        self.last.clear();
        self.last.extend_from_slice(key);
    }
}

/// Changes in order of their keys.
pub type ChangesIn<'a> = Peekable<btree_map::Iter<'a, Vec<u8>, Option<Vec<u8>>>>;

/// Merges the changes below `end` into a leaf: the leaves that come of it, each with its
/// first key; none when nothing is left.
pub fn merge(
    old: &[u8],
    changes: &mut ChangesIn<'_>,
    end: Option<&[u8]>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows: Vec<(Vec<u8>, Option<&[u8]>)> = Vec::new();
    let mut leaf = Leaf::new(old);
    let mut size = 0;
    let mut ours = leaf.next().map(|value| (leaf.key().to_vec(), value));
    let mut behind = true;
    loop {
        let change = changes.peek().filter(|(key, _)| end.is_none_or(|end| key.as_slice() < end));
        match (&ours, change) {
            (None, None) => break,
            (Some((key, _)), Some((new, _))) if key < *new => {}
            (Some(_), None) => {}
            (_, Some((new, value))) => {
                let replaced = ours.as_ref().is_some_and(|(key, _)| key == *new);
                behind &= ours.is_none();
                if let Some(value) = value {
                    size += new.len() + value.len() + 4;
                    rows.push(((*new).clone(), Some(value.as_slice())));
                }
                changes.next();
                if replaced {
                    ours = leaf.next().map(|value| (leaf.key().to_vec(), value));
                }
                continue;
            }
        }
        if let Some((key, value)) = ours.take() {
            size += key.len() + value.len() + 4;
            rows.push((key, Some(value)));
        }
        ours = leaf.next().map(|value| (leaf.key().to_vec(), value));
    }
    // Rows that come behind all others fill leaves; rows in between leave room in both.
    let parts = size.div_ceil(LEAF_BYTES).max(1);
    let limit = if behind { LEAF_BYTES } else { (size / parts + 256).min(LEAF_BYTES) };
    let mut packer = Packer {
        limit,
        done: Vec::new(),
        first: Vec::new(),
        last: Vec::new(),
        bytes: Vec::with_capacity(size.min(LEAF_BYTES)),
    };
    for (key, value) in &rows {
        packer.push(key, value.unwrap_or_default());
    }
    if !packer.bytes.is_empty() {
        packer.done.push((packer.first, packer.bytes));
    }
    packer.done
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ports::sim::SplitMix;

    #[test]
    fn merging_is_what_a_map_does() {
        let random = SplitMix::new(1);
        for _ in 0..200 {
            let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let mut leaves: Vec<(Vec<u8>, Vec<u8>)> = vec![(Vec::new(), Vec::new())];
            for _ in 0..random.below(5) {
                let mut changes = BTreeMap::new();
                for _ in 0..random.below(300) {
                    let key = format!("key {}", random.below(500)).into_bytes();
                    let length = usize::try_from(random.below(60)).unwrap();
                    let value = (!random.once_in(3)).then(|| vec![7; length]);
                    match &value {
                        Some(value) => model.insert(key.clone(), value.clone()),
                        None => model.remove(&key),
                    };
                    changes.insert(key, value);
                }
                let mut changes = changes.iter().peekable();
                let mut next = Vec::new();
                for (at, (first, bytes)) in leaves.iter().enumerate() {
                    let end = leaves.get(at + 1).map(|(first, _)| first.as_slice());
                    let mut merged = merge(bytes, &mut changes, end);
                    match merged.first_mut() {
                        Some(leaf) => leaf.0.clone_from(first),
                        None if at == 0 => merged.push((Vec::new(), Vec::new())),
                        None => {}
                    }
                    next.extend(merged);
                }
                leaves = next;
            }
            let mut found = BTreeMap::new();
            for (first, bytes) in &leaves {
                assert!(bytes.len() <= LEAF_BYTES + 200);
                let mut leaf = Leaf::new(bytes);
                while let Some(value) = leaf.next() {
                    assert!(leaf.key() >= first.as_slice());
                    found.insert(leaf.key().to_vec(), value.to_vec());
                }
            }
            assert_eq!(found, model);
            for (key, value) in &model {
                let at = leaves.partition_point(|(first, _)| first <= key) - 1;
                assert_eq!(Leaf::new(&leaves[at].1).find(key), Some(value.as_slice()));
            }
        }
    }
}
