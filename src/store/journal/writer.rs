//! The one writer of the journal: a synchronous state machine over `ports::Files`.
//!
//! A thread or, in simulation, a task drives it (`store::driver`). After the first failed
//! write or sync it refuses everything: what is on disk is then unknown, and a second sync
//! that succeeds would prove nothing about the first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::frame::{self, BATCH_ENTRIES_MAX, FLAG_CHAIN, HEAD_BYTES, Head, PAYLOAD_BYTES_MAX};
use super::header::{HEADER_BYTES, Header};
use super::port::{Append, Appender, Preparation};
use super::record::{CHAIN_BYTES, PREFIX_BYTES};
use super::seal::TAG_BYTES;
use super::segments::{SegmentInfo, Segments, file_path};
use super::{Location, Position, lean};
use crate::audit::ChainHead;
use crate::base::ByteSize;
use crate::fault::{Fault, codes};
use crate::ports::{File, Files, Ports};
use crate::store::RestKeys;

/// Bytes of the first segment after a start when no spare is ready: zeroing a full one
/// would delay the start by its size over the speed of the disk.
const FIRST_BYTES: u64 = 4 << 20;
/// Bytes zeroed between two syncs, so that commits in between wait little.
const ZERO_BYTES: usize = 1 << 20;
/// Buffer kept between batches.
const BUFFER_BYTES: usize = 4 << 20;

/// Where and how segments are made.
#[derive(Clone)]
pub struct Place {
    pub ports: Ports,
    pub directory: PathBuf,
    pub segment_bytes: ByteSize,
    pub rest: RestKeys,
    /// Whether spare segments are prepared by somebody else.
    pub spares: bool,
}

struct Current {
    file: Arc<dyn File>,
    info: SegmentInfo,
    offset: u64,
    end: u64,
}

/// The writer.
pub struct Writer {
    place: Place,
    segments: Arc<Segments>,
    current: Current,
    next: Position,
    chain: ChainHead,
    buffer: Vec<u8>,
    broken: Option<Fault>,
}

impl Place {
    fn files(&self) -> &dyn Files {
        &*self.ports.files
    }

    fn spare(&self) -> PathBuf {
        self.directory.join("spare")
    }

    /// Prepares a zeroed segment file, so that rolling need not wait for it. Blocking.
    ///
    /// # Errors
    /// Those of the disk, or `Interrupted` when `ending`; then the next roll makes its file
    /// itself.
    pub fn prepare_spare(&self, ending: &AtomicBool) -> io::Result<()> {
        let unready = self.directory.join("spare.tmp");
        // What an earlier try left may still be open somewhere: never write into it.
        match self.files().remove(&unready) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.files().open(&unready, true)?;
        zero(&*file, self.segment_bytes.0.max(HEADER_BYTES as u64), ending)?;
        self.files().rename(&unready, &self.spare())?;
        self.files().sync_dir(&self.directory)
    }

    /// Makes a segment durable with room for `need` bytes of frames.
    fn begin(
        &self,
        number: u32,
        first: Position,
        chain: ChainHead,
        need: u64,
    ) -> io::Result<Current> {
        let need = need + HEADER_BYTES as u64;
        let path = file_path(&self.directory, number);
        let mut made = self.directory.join("new.tmp");
        let spare = self.files().open(&self.spare(), false).ok();
        let spare = spare.filter(|file| file.len().is_ok_and(|length| length >= need));
        let file = if let Some(file) = spare {
            made = self.spare();
            file
        } else {
            let full = self.segment_bytes.0;
            let bytes = if self.spares { full.min(FIRST_BYTES) } else { full };
            let file = self.files().open(&made, true)?;
            file.set_len(0)?;
            zero(&*file, bytes.max(need), &AtomicBool::new(false))?;
            file
        };
        let mut salt = [0; 32];
        self.ports.entropy.fill(&mut salt);
        let header = Header {
            number,
            first,
            created: self.ports.clock.now(),
            salt,
            chain,
            key: self.rest.newest().map_or(String::new(), |rest| rest.id.to_string()),
            removed: None,
            leaves_from: 0,
            lean: None,
        };
        file.write_at(&header.write(), 0)?;
        file.sync()?;
        self.files().rename(&made, &path)?;
        self.files().sync_dir(&self.directory)?;
        let end = file.len()?;
        let info = SegmentInfo::from_header(&header, &self.rest, end)
            .map_err(|_| io::Error::other("the header does not fit its own key"))?;
        Ok(Current { file, info, offset: HEADER_BYTES as u64, end })
    }
}

fn zero(file: &dyn File, bytes: u64, ending: &AtomicBool) -> io::Result<()> {
    let zeros = vec![0; ZERO_BYTES.min(usize::try_from(bytes).unwrap_or(ZERO_BYTES))];
    let mut at = 0;
    while at < bytes {
        if ending.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = (zeros.len() as u64).min(bytes - at);
        file.write_at(zeros.get(..usize::try_from(length).unwrap_or(0)).unwrap_or(&zeros), at)?;
        at += length;
        if at.is_multiple_of(4 * ZERO_BYTES as u64) {
            file.sync()?;
        }
    }
    file.sync()
}

impl Writer {
    /// Begins a new segment behind everything there is.
    ///
    /// # Errors
    /// `W6002` when it cannot be made.
    pub fn new(
        place: Place,
        segments: Arc<Segments>,
        number: u32,
        next: Position,
        chain: ChainHead,
    ) -> Result<Self, Fault> {
        let current = place
            .begin(number, next, chain, 0)
            .map_err(|e| Fault::new(codes::W6002).caused_by(e))?;
        segments.push(current.info.clone());
        Ok(Self { place, segments, current, next, chain, buffer: Vec::new(), broken: None })
    }

    fn try_append(&mut self, batch: &[Append<'_>]) -> Result<Vec<Location>, Fault> {
        let broken = |e: io::Error| Fault::new(codes::W6004).caused_by(e);
        let mut places = Vec::with_capacity(batch.len());
        self.buffer.clear();
        let mut unsynced = 0u32;
        for append in batch {
            let bytes = frame_bytes(append);
            if bytes > PAYLOAD_BYTES_MAX {
                return Err(Fault::new(codes::W6006));
            }
            let full = self.current.offset + (self.buffer.len() + bytes) as u64 > self.current.end;
            if full || unsynced as usize >= BATCH_ENTRIES_MAX {
                self.flush().map_err(broken)?;
                unsynced = 0;
            }
            if full {
                self.roll(bytes as u64).map_err(broken)?;
            }
            places.push(self.frame(append, unsynced)?);
            unsynced += 1;
        }
        self.flush().map_err(broken)?;
        Ok(places)
    }

    fn frame(&mut self, append: &Append<'_>, batch: u32) -> Result<Location, Fault> {
        let large = || Fault::new(codes::W6006);
        for leaf in append.leaves {
            self.chain = self.chain.next(leaf);
        }
        let flags = if append.leaves.is_empty() { 0 } else { FLAG_CHAIN };
        let start = self.buffer.len();
        let (prefix, record) = append.text.split_at_checked(PREFIX_BYTES).ok_or_else(large)?;
        let chain = if flags == 0 { [].as_slice() } else { &self.chain.0 };
        let head = Head { length: 0, checksum: 0, batch, flags, position: self.next };
        let info = &self.current.info;
        let key = (info.number, info.sealer.as_ref());
        let length = frame::put(&mut self.buffer, key, head, &[prefix, chain, record]);
        let length = length.ok_or_else(large)?;
        let offset = self.current.offset + start as u64;
        self.next += 1;
        Ok(Location {
            segment: self.current.info.number,
            offset: u32::try_from(offset).map_err(|_| large())?,
            length,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.current.file.write_at(&self.buffer, self.current.offset)?;
        self.current.file.sync()?;
        self.current.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the current segment and begins the next; everything before is on disk.
    fn roll(&mut self, need: u64) -> io::Result<()> {
        // Gives the unused rest back; when this is lost in a crash, the next segment's
        // first position still says where this one ends.
        self.current.file.set_len(self.current.offset)?;
        let number = self.current.info.number + 1;
        self.current = self.place.begin(number, self.next, self.chain, need)?;
        self.segments.push(self.current.info.clone());
        Ok(())
    }
}

impl Appender for Writer {
    fn next(&self) -> Position {
        self.next
    }

    /// An entry that is too large ends the writer too, since callers check before.
    fn append(&mut self, batch: &[Append<'_>]) -> Result<Vec<Location>, Fault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        let done = self.try_append(batch);
        if let Err(fault) = &done {
            self.broken = Some(fault.clone());
        }
        if self.buffer.capacity() > BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        done
    }

    /// Number of the segment being written.
    fn part(&self) -> u32 {
        self.current.info.number
    }

    /// A spare segment, where there is none.
    fn preparation(&self) -> Option<Preparation> {
        let wanted =
            self.place.spares && self.place.files().open(&self.place.spare(), false).is_err();
        let place = self.place.clone();
        wanted.then(|| Box::new(move |ending: &AtomicBool| place.prepare_spare(ending)) as _)
    }
}

fn frame_bytes(append: &Append<'_>) -> usize {
    HEAD_BYTES + append.text.len() + CHAIN_BYTES + TAG_BYTES
}

/// Removes what an unfinished preparation left.
pub fn sweep(files: &dyn Files, directory: &Path) {
    for name in ["spare.tmp", "new.tmp", "removed.tmp", "leaves.tmp", lean::UNREADY] {
        // Absent most of the time.
        let _ = files.remove(&directory.join(name));
    }
}
