//! The changes of a merge in a file: what a start applies again when the merge did not end.
//!
//! Rows one after the other: lengths of key and value in four bytes each, a removal by the
//! largest length; at the end the checksum of all.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::kv::Changes;
use crate::fault::{Fault, codes};
use crate::ports::{Files, SystemFiles};

/// Its name in the directory of the index.
pub const FILE: &str = "changes";

/// Length that stands for a removed row.
const REMOVED: u32 = u32::MAX;

/// Bytes of a length, and of the checksum.
const NUMBER: usize = 4;

fn failed(error: std::io::Error) -> Fault {
    Fault::new(codes::W6009).caused_by(error)
}

/// Writes the file, whole or not at all as far as a killed process goes.
///
/// # Errors
/// `W6009`.
pub fn write(path: &Path, changes: &Changes) -> Result<(), Fault> {
    let new = path.with_extension("new");
    // What an earlier attempt left may be longer.
    remove(&new)?;
    let file = SystemFiles.open(&new, true).map_err(failed)?;
    file.write_at(&encode(changes)?, 0).map_err(failed)?;
    SystemFiles.rename(&new, path).map_err(failed)
}

/// Removes the file; fine when there is none.
///
/// # Errors
/// `W6009`.
pub fn remove(path: &Path) -> Result<(), Fault> {
    match SystemFiles.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The changes in the file; none when there is no file.
///
/// # Errors
/// `W6009` when it cannot be read or is damaged.
pub fn read(path: &Path) -> Result<Option<Changes>, Fault> {
    match fs::read(path) {
        Ok(bytes) => {
            let damaged = || Fault::new(codes::W6009).because("the file of changes is damaged");
            decode(&bytes).map(Some).ok_or_else(damaged)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn encode(changes: &Changes) -> Result<Vec<u8>, Fault> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|n| *n != REMOVED);
    let mut out = Vec::new();
    for (key, value) in changes {
        let lengths = match value {
            Some(value) => length(key).zip(length(value)),
            None => length(key).map(|key| (key, REMOVED)),
        };
        let too_long = || Fault::new(codes::W9001).because("an index row is too long");
        let (key_length, value_length) = lengths.ok_or_else(too_long)?;
        out.extend_from_slice(&key_length.to_be_bytes());
        out.extend_from_slice(&value_length.to_be_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    Ok(out)
}

fn decode(bytes: &[u8]) -> Option<Changes> {
    let (mut rest, sum) = bytes.split_last_chunk::<NUMBER>()?;
    if crc32fast::hash(rest) != u32::from_be_bytes(*sum) {
        return None;
    }
    let mut changes = Changes::new();
    while !rest.is_empty() {
        let (key_length, after) = rest.split_first_chunk::<NUMBER>()?;
        let (value_length, after) = after.split_first_chunk::<NUMBER>()?;
        let value_length = u32::from_be_bytes(*value_length);
        let key_length = usize::try_from(u32::from_be_bytes(*key_length)).ok()?;
        let (key, after) = after.split_at_checked(key_length)?;
        let removed = value_length == REMOVED;
        let value_length = if removed { 0 } else { usize::try_from(value_length).ok()? };
        let (value, after) = after.split_at_checked(value_length)?;
        changes.insert(key.to_vec(), (!removed).then(|| value.to_vec()));
        rest = after;
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_it_wrote(
            changes: std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>,
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = encode(&changes).unwrap();
            prop_assert_eq!(decode(&bytes), Some(changes));
            let short = bytes.get(..cut.index(bytes.len())).unwrap();
            prop_assert_eq!(decode(short), None);
        }
    }
}
