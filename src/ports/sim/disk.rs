//! A simulated disk that forgets.
//!
//! What was written but not synced may, when the machine goes down, be there, be missing, or
//! be there in part, sector by sector. Names made, changed or removed in a directory that
//! was not synced are lost from some point on. A sync that fails drops what it was asked to
//! keep, as Linux does: a later one that succeeds does not bring it back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SplitMix;
use crate::ports::{File, Files, Identity};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Default)]
struct Inode {
    /// What readers see.
    data: Vec<u8>,
    /// What survives.
    durable: Vec<u8>,
    unsynced: Vec<Op>,
}

enum Op {
    Write(usize, Vec<u8>),
    Length(usize),
}

enum NameOp {
    Make(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameOp {
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Make(path, _) | Self::Rename(_, path) | Self::Remove(path) => path.parent(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Make(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

#[derive(Default)]
struct State {
    inodes: HashMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<NameOp>,
    locks: BTreeSet<PathBuf>,
    /// Counts starts of the process; handles of earlier ones fail.
    run: u64,
    /// Counts starts of the machine.
    boot: u64,
    next_inode: u64,
    fail_syncs: u32,
    short_writes: u32,
    capacity: Option<u64>,
    /// Calls until the machine goes down; none: it stays up.
    dies_in: Option<u64>,
    syncs: u64,
}

/// The disk. Shared by all runs of the simulated process.
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    random: SplitMix,
}

/// The files of one run of the process.
#[derive(Clone)]
pub struct SimFiles {
    state: Arc<Mutex<State>>,
    run: u64,
}

struct SimFile {
    state: Arc<Mutex<State>>,
    run: u64,
    inode: u64,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if data.len() < at + bytes.len() {
        data.resize(at + bytes.len(), 0);
    }
    if let Some(place) = data.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl Op {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => put(data, *at, bytes),
            Self::Length(length) => data.resize(*length, 0),
        }
    }

    /// Applies it as a machine that goes down does: whole, not at all, or in part.
    fn apply_torn(&self, data: &mut Vec<u8>, random: &SplitMix) {
        match (self, random.below(3)) {
            (_, 0) => {}
            (Self::Length(_), _) | (_, 1) => self.apply(data),
            (Self::Write(at, bytes), _) => {
                let first = SECTOR_BYTES - at % SECTOR_BYTES;
                let mut from = 0;
                let mut to = first.min(bytes.len());
                while from < to {
                    if random.once_in(2) {
                        put(data, at + from, bytes.get(from..to).unwrap_or_default());
                    }
                    from = to;
                    to = (to + SECTOR_BYTES).min(bytes.len());
                }
            }
        }
    }
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: Arc::default(), random: SplitMix::new(seed) }
    }

    /// The files as this run of the process sees them.
    #[must_use]
    pub fn files(&self) -> SimFiles {
        SimFiles { state: self.state.clone(), run: lock(&self.state).run }
    }

    /// The next `count` syncs fail.
    pub fn fail_syncs(&self, count: u32) {
        lock(&self.state).fail_syncs = count;
    }

    /// The next `count` writes write a part and fail.
    pub fn short_writes(&self, count: u32) {
        lock(&self.state).short_writes = count;
    }

    /// Bytes the disk takes in all; none: no limit.
    pub fn capacity(&self, bytes: Option<u64>) {
        lock(&self.state).capacity = bytes;
    }

    /// The machine goes down after `calls` more calls: those behind fail until it is started
    /// again.
    pub fn dies_in(&self, calls: Option<u64>) {
        lock(&self.state).dies_in = calls;
    }

    /// Syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        lock(&self.state).syncs
    }

    /// Paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.state).names.keys().cloned().collect()
    }

    /// Changes bytes of a file behind everybody's back, as a dying disk does.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = lock(&self.state);
        let Some(inode) = state.names.get(path).copied() else { return };
        if let Some(inode) = state.inodes.get_mut(&inode) {
            change(&mut inode.data);
            inode.durable.clone_from(&inode.data);
            inode.unsynced.clear();
        }
    }

    /// The process dies: its handles fail, its locks are gone, its writes stay.
    pub(super) fn reopen(&self) {
        let mut state = lock(&self.state);
        state.run += 1;
        state.dies_in = None;
        state.locks.clear();
    }

    /// The machine goes down.
    pub(super) fn crash(&self) {
        self.reopen();
        let mut state = lock(&self.state);
        state.boot += 1;
        let state = &mut *state;
        let mut order: Vec<u64> = state.inodes.keys().copied().collect();
        order.sort_unstable();
        for inode in order {
            let Some(inode) = state.inodes.get_mut(&inode) else { continue };
            for op in inode.unsynced.drain(..) {
                op.apply_torn(&mut inode.durable, &self.random);
            }
            inode.data.clone_from(&inode.durable);
        }
        let ops = std::mem::take(&mut state.unsynced_names);
        let kept = self.random.below(ops.len() as u64 + 1);
        for op in ops.iter().take(usize::try_from(kept).unwrap_or(0)) {
            op.apply(&mut state.durable_names);
        }
        state.names.clone_from(&state.durable_names);
        let alive: BTreeSet<u64> = state.names.values().copied().collect();
        state.inodes.retain(|inode, _| alive.contains(inode));
    }
}

fn down() -> io::Error {
    io::Error::other("the machine went down")
}

impl State {
    fn used(&self) -> u64 {
        self.inodes.values().map(|inode| inode.data.len() as u64).sum()
    }

    fn check(&mut self, run: u64) -> io::Result<()> {
        let alive = match &mut self.dies_in {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        };
        if alive && self.run == run { Ok(()) } else { Err(down()) }
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.state);
        state.check(self.run)?;
        Ok(state)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let data = &state.inode(self.inode)?.data;
        let end = at.saturating_add(buffer.len());
        let bytes = data.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut length = bytes.len();
        let mut failure = None;
        if let Some(capacity) = state.capacity {
            let have = state.inode(self.inode)?.data.len();
            let grows = (at + length).saturating_sub(have) as u64;
            let room = capacity.saturating_sub(state.used());
            if grows > room {
                length -= usize::try_from(grows - room).unwrap_or(length).min(length);
                failure = Some(io::Error::from(io::ErrorKind::StorageFull));
            }
        }
        if state.short_writes > 0 {
            state.short_writes -= 1;
            length /= 2;
            failure = Some(io::Error::from(io::ErrorKind::WriteZero));
        }
        let inode = state.inode(self.inode)?;
        let written = bytes.get(..length).unwrap_or_default();
        put(&mut inode.data, at, written);
        inode.unsynced.push(Op::Write(at, written.to_vec()));
        failure.map_or(Ok(()), Err)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.syncs += 1;
        let fails = state.fail_syncs > 0;
        state.fail_syncs = state.fail_syncs.saturating_sub(1);
        let inode = state.inode(self.inode)?;
        let ops = std::mem::take(&mut inode.unsynced);
        if fails {
            return Err(io::Error::other("the disk did not take it"));
        }
        for op in ops {
            op.apply(&mut inode.durable);
        }
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok([0, self.inode, 0])
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.inode(self.inode)?.data.len() as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let inode = state.inode(self.inode)?;
        inode.data.resize(length, 0);
        inode.unsynced.push(Op::Length(length));
        Ok(())
    }
}

impl SimFiles {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.state);
        state.check(self.run)?;
        Ok(state)
    }
}

/// A held lock.
struct Held {
    state: Arc<Mutex<State>>,
    run: u64,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.run == self.run {
            state.locks.remove(&self.path);
        }
    }
}

impl Files for SimFiles {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>> {
        let mut state = self.state()?;
        let inode = match state.names.get(path).copied() {
            Some(inode) => inode,
            None if create => {
                state.next_inode += 1;
                let inode = state.next_inode;
                state.inodes.insert(inode, Inode::default());
                state.names.insert(path.to_owned(), inode);
                state.unsynced_names.push(NameOp::Make(path.to_owned(), inode));
                inode
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(SimFile { state: self.state.clone(), run: self.run, inode }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state()?;
        Ok(state.names.keys().filter(|p| p.parent() == Some(directory)).cloned().collect())
    }

    fn create_dir(&self, _directory: &Path) -> io::Result<()> {
        self.state().map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let op = NameOp::Rename(from.to_owned(), to.to_owned());
        op.apply(&mut state.names);
        state.unsynced_names.push(op);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        if state.names.remove(path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.unsynced_names.push(NameOp::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let ops = std::mem::take(&mut state.unsynced_names);
        for op in ops {
            if op.directory() == Some(directory) {
                op.apply(&mut state.durable_names);
            } else {
                state.unsynced_names.push(op);
            }
        }
        Ok(())
    }

    fn free_space(&self, _path: &Path) -> io::Result<u64> {
        let state = self.state()?;
        Ok(state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut state = self.state()?;
        if !state.locks.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Held { state: self.state.clone(), run: self.run, path: path.to_owned() })))
    }

    fn remove_tree(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let gone: Vec<PathBuf> =
            state.names.keys().filter(|p| p.starts_with(directory)).cloned().collect();
        for path in gone {
            state.names.remove(&path);
            state.unsynced_names.push(NameOp::Remove(path));
        }
        Ok(())
    }

    fn sync_tree(&self, _directory: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let ops = std::mem::take(&mut state.unsynced_names);
        for op in ops {
            op.apply(&mut state.durable_names);
        }
        for inode in state.inodes.values_mut() {
            for op in std::mem::take(&mut inode.unsynced) {
                op.apply(&mut inode.durable);
            }
        }
        Ok(())
    }

    fn boot_id(&self) -> Option<String> {
        Some(lock(&self.state).boot.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &SimFiles, path: &str) -> Option<Vec<u8>> {
        let file = files.open(Path::new(path), false).ok()?;
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    #[test]
    fn synced_bytes_and_names_survive_others_may_not() {
        let (mut whole, mut gone) = (0, 0);
        for seed in 0..64 {
            let disk = SimDisk::new(seed);
            let files = disk.files();
            let file = files.open(Path::new("/d/a"), true).unwrap();
            file.write_at(b"kept", 0).unwrap();
            file.sync().unwrap();
            files.sync_dir(Path::new("/d")).unwrap();
            file.write_at(&[7; 2000], 4).unwrap();
            files.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
            disk.crash();
            assert!(file.sync().is_err() && files.list(Path::new("/d")).is_err());
            let files = disk.files();
            let bytes = read(&files, "/d/a").or_else(|| read(&files, "/d/b")).unwrap();
            assert_eq!(&bytes[..4], b"kept");
            whole += usize::from(bytes.len() == 2004 && bytes[4..].iter().all(|b| *b == 7));
            gone += usize::from(bytes.len() == 4);
        }
        assert!(whole > 0 && gone > 0 && whole + gone < 64);
    }

    #[test]
    fn a_killed_process_loses_nothing_written() {
        let disk = SimDisk::new(1);
        let files = disk.files();
        let _lock = files.lock(Path::new("/d/lock")).unwrap().unwrap();
        assert!(files.lock(Path::new("/d/lock")).unwrap().is_none());
        files.open(Path::new("/d/a"), true).unwrap().write_at(b"kept", 0).unwrap();
        disk.reopen();
        let files = disk.files();
        assert_eq!(read(&files, "/d/a").unwrap(), b"kept");
        assert!(files.lock(Path::new("/d/lock")).unwrap().is_some());
    }

    #[test]
    fn faults_come_as_ordered() {
        let disk = SimDisk::new(1);
        let files = disk.files();
        let file = files.open(Path::new("/a"), true).unwrap();
        disk.short_writes(1);
        assert!(file.write_at(b"1234", 0).is_err());
        assert_eq!(read(&files, "/a").unwrap(), b"12");
        disk.fail_syncs(1);
        assert!(file.sync().is_err() && file.sync().is_ok());
        disk.capacity(Some(4));
        let error = file.write_at(b"123456", 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(files.free_space(Path::new("/")).unwrap(), 0);
        disk.crash();
        assert!(read(&disk.files(), "/a").is_none_or(|bytes| bytes.len() <= 4));
    }
}
