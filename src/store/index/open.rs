//! Opening the index, or throwing it away.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::row::{Counts, QueueId};
use super::{Changes, Index, Kv, Names, Position, keys};
use crate::base::{ChannelName, DestinationName};
use crate::fault::{Fault, codes};
use crate::ports::Files;

/// Format of the index. Another one on disk is removed and made again.
const FORMAT: u32 = 6;

/// The index, and whether it begins empty because what was there could not be used.
pub struct OpenedIndex {
    pub index: Index,
    pub fresh: bool,
}

impl Index {
    /// An index in memory, empty.
    pub fn memory() -> Self {
        Self::empty(Kv::memory())
    }

    fn empty(kv: Kv) -> Self {
        Self { kv, names: Arc::new(Names::default()), named: 0, counts: Vec::new(), position: 0 }
    }

    /// Opens the index in a directory; one that is damaged, of another format, ahead of the
    /// journal, left behind by a machine that went down, or without one of the `removed`
    /// segments taken out, is removed.
    ///
    /// After a power cut sled may hold less than it was given, or, silently, parts of it:
    /// its flush does not reach the disk. So it is trusted only after a clean close or
    /// within one boot of the machine, whose page cache survives a killed process.
    ///
    /// # Errors
    /// `W6009` when even an empty one cannot be made.
    pub fn open(
        files: &dyn Files,
        directory: &Path,
        last: Position,
        removed: &[u32],
    ) -> Result<OpenedIndex, Fault> {
        let boot = files.boot_id().unwrap_or_default();
        if let Ok(kv) = Kv::disk(directory)
            && let Ok(Some(index)) = Self::load(kv, last, &boot)
            && removed.iter().all(|segment| index.kv.has(&keys::removed(*segment)) == Ok(true))
        {
            index.mark(&boot, false)?;
            return Ok(OpenedIndex { index, fresh: false });
        }
        files.remove_tree(directory).map_err(|e| Fault::new(codes::W6009).caused_by(e))?;
        let index = Self::empty(Kv::disk(directory)?);
        index.mark(&boot, false)?;
        let mut changes = Changes::new();
        for segment in removed {
            changes.insert(keys::removed(*segment), Some(Vec::new()));
        }
        index.kv.apply(changes)?;
        Ok(OpenedIndex { index, fresh: true })
    }

    /// Writes which run of the machine this is and whether it was closed, to disk before
    /// anything else: a mark of a clean close must not outlive what comes after it.
    fn mark(&self, boot: &str, clean: bool) -> Result<(), Fault> {
        let mut changes = Changes::new();
        changes.insert(keys::FORMAT.to_vec(), Some(FORMAT.to_be_bytes().to_vec()));
        changes.insert(keys::BOOT.to_vec(), Some(boot.as_bytes().to_vec()));
        changes.insert(keys::CLEAN.to_vec(), clean.then(|| vec![1]));
        self.kv.apply(changes)?;
        self.kv.flush()
    }

    fn load(kv: Kv, last: Position, boot: &str) -> Result<Option<Self>, Fault> {
        let format = kv.read(keys::FORMAT)?;
        if format.as_deref() != Some(FORMAT.to_be_bytes().as_slice()) {
            return Ok(None);
        }
        let same_boot = kv.read(keys::BOOT)?.is_some_and(|b| b == boot.as_bytes());
        if !same_boot && !kv.has(keys::CLEAN)? {
            return Ok(None);
        }
        let position = kv.read(keys::POSITION)?.map_or(0, |value| keys::last_number(&value));
        if position > last {
            return Ok(None);
        }
        let mut index = Self::empty(kv.clone());
        index.position = position;
        let mut whole = true;
        kv.walk_prefix(b"u", &mut |_, value| {
            match postcard::from_bytes::<(ChannelName, DestinationName)>(value) {
                Ok((channel, destination)) => {
                    index.names.number(&channel, &destination);
                    index.named += 1;
                }
                Err(_) => whole = false,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        index.counts.resize(index.named, Counts::default());
        for slot in 0..index.named {
            let queue = QueueId(u32::try_from(slot).unwrap_or(u32::MAX));
            let counts = kv.read(&keys::counts(queue))?;
            let counts = counts.and_then(|value| postcard::from_bytes(&value).ok());
            match (index.counts.get_mut(slot), counts) {
                (Some(place), Some(counts)) => *place = counts,
                _ => whole = false,
            }
        }
        Ok(whole.then_some(index))
    }

    /// Writes everything and marks it as closed, so that the next start trusts it.
    ///
    /// # Errors
    /// `W6009`.
    pub fn close(&self, files: &dyn Files, directory: &Path) -> Result<(), Fault> {
        if matches!(self.kv, Kv::Memory(_)) {
            return Ok(());
        }
        let failed = |e: std::io::Error| Fault::new(codes::W6009).caused_by(e);
        self.kv.flush()?;
        files.sync_tree(directory).map_err(failed)?;
        // Only now may it say so: the mark must not reach the disk before the rest.
        self.mark(&files.boot_id().unwrap_or_default(), true)?;
        files.sync_tree(directory).map_err(failed)
    }
}
