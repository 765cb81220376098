//! Reading entries: one by its location, or all from a position on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

use super::archive::Archive;
use super::frame::{FLAG_CHAIN, HEAD_BYTES, Head};
use super::lean::LeanSegment;
use super::port::{Gone, Journal, VisitEntry};
use super::record;
use super::scan::Scan;
use super::segments::{SegmentInfo, Segments, file_name, file_path};
use super::{Location, Position, lean};
use crate::audit::ChainHead;
use crate::base::Timestamp;
use crate::fault::{Fault, Place, codes};
use crate::message::Entry;
use crate::ports::{File, Files, Ports};
use crate::store::RestKeys;

/// Segment files kept open for reading: deliveries come from few segments at a time, and
/// a store has thousands.
const HANDLES_MAX: usize = 64;

/// Reads the journal. Blocking; short reads only.
pub struct Reader {
    pub(super) files: Arc<dyn Files>,
    pub(super) directory: PathBuf,
    pub(super) rest: RestKeys,
    segments: Arc<Segments>,
    handles: Mutex<Vec<(u32, Arc<dyn File>)>>,
    /// Held for reading while a segment's facts and its file are looked up, which must fit
    /// each other, and for writing while both are exchanged.
    exchange: RwLock<()>,
}

/// An entry on a walk.
pub struct Walked {
    pub position: Position,
    pub location: Location,
    /// Head of the audit chain after it, where it has leaves.
    pub chain: Option<ChainHead>,
    pub entry: Entry,
}

impl Reader {
    pub fn new(
        files: Arc<dyn Files>,
        directory: PathBuf,
        segments: Arc<Segments>,
        rest: RestKeys,
    ) -> Self {
        let (handles, exchange) = (Mutex::default(), RwLock::default());
        Self { files, directory, rest, segments, handles, exchange }
    }

    /// Begins the archive of a segment's leaves.
    ///
    /// # Errors
    /// As [`Archive::begin`].
    pub fn begin_archive(
        &self,
        ports: &Ports,
        segment: &SegmentInfo,
        ended: Timestamp,
    ) -> Result<Archive, Fault> {
        Archive::begin(ports, &self.rest, segment, ended)
    }

    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    fn handle(&self, number: u32) -> Result<Arc<dyn File>, Fault> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = handles.iter().position(|(n, _)| *n == number) {
            let found = handles.remove(at);
            let file = found.1.clone();
            handles.push(found);
            return Ok(file);
        }
        let file = self
            .files
            .open(&file_path(&self.directory, number), false)
            .map_err(|e| unreadable(number).caused_by(e))?;
        if handles.len() >= HANDLES_MAX {
            handles.remove(0);
        }
        handles.push((number, file.clone()));
        Ok(file)
    }

    /// A segment as it is now, with its file. Both stay good to read from when the segment
    /// is exchanged meanwhile.
    fn current(&self, number: u32) -> Result<(Arc<SegmentInfo>, Arc<dyn File>), Fault> {
        let _still = self.exchange.read().unwrap_or_else(PoisonError::into_inner);
        let segment = self.segments.find(number).ok_or_else(|| unreadable(number))?;
        if segment.removed.is_some() {
            return Err(unreadable(number).because("its keep time is over"));
        }
        let file = self.handle(number)?;
        Ok((segment, file))
    }

    /// Keeps readers from looking up a segment while its file and what is known of it are
    /// exchanged.
    pub fn exchanging(&self) -> RwLockWriteGuard<'_, ()> {
        self.exchange.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to write a segment anew.
    ///
    /// # Errors
    /// As [`LeanSegment::begin`].
    pub fn begin_lean(&self, ports: &Ports, segment: &SegmentInfo) -> Result<LeanSegment, Fault> {
        LeanSegment::begin(ports, &self.rest, &self.directory, segment)
    }

    /// Puts a segment written anew in the place of the one it was made from: either is there
    /// whenever the machine goes down.
    ///
    /// # Errors
    /// `W6002` when the disk refuses.
    pub fn exchange(&self, made: LeanSegment) -> Result<(), Fault> {
        let (unready, info) = made.finish(&self.rest)?;
        let number = info.number;
        let _alone = self.exchanging();
        self.files
            .rename(&unready, &file_path(&self.directory, number))
            .map_err(|e| Fault::new(codes::W6002).caused_by(e))?;
        self.segments.replace(info);
        self.forget(number);
        self.files.sync_dir(&self.directory).map_err(|e| Fault::new(codes::W6002).caused_by(e))
    }

    /// Where content is left in a segment written anew.
    ///
    /// # Errors
    /// `W6010` when the disk does not give it, `W6003` when its table is damaged.
    pub fn left(&self, number: u32) -> Result<Vec<Location>, Fault> {
        let (segment, file) = self.current(number)?;
        let Some(lean) = &segment.lean else { return Ok(Vec::new()) };
        let left = lean::left(&*file, number, lean).map_err(|e| unreadable(number).caused_by(e))?;
        left.ok_or_else(|| damaged(number).because("its table is not whole"))
    }

    /// Closes the file of a segment that is no more.
    pub fn forget(&self, number: u32) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|(n, _)| *n != number);
    }

    /// Reads the entries of one segment from `from` to `last`, both included.
    ///
    /// # Errors
    /// As [`Journal::walk`].
    pub fn walk_segment(
        &self,
        segment: &Arc<SegmentInfo>,
        last: Position,
        from: Position,
        visit: VisitEntry<'_>,
    ) -> Result<(), Fault> {
        let number = segment.number;
        let failed = |e: std::io::Error| unreadable(number).caused_by(e);
        let damaged = |at: u64| {
            damaged(number).because(format!("no whole entry at byte {at}, where one must be"))
        };
        let (segment, file) = self.current(number)?;
        let mut scan = Scan::new(file, segment).map_err(failed)?;
        while scan.expected <= last {
            let at = scan.at;
            let Some((position, location, flags)) = scan.next().map_err(failed)? else {
                return Err(damaged(at));
            };
            if position < from {
                continue;
            }
            let text = scan.text()?;
            let parts = record::split(text, flags & FLAG_CHAIN != 0).ok_or_else(|| damaged(at))?;
            let entry = record::decode(&parts)?;
            visit(Walked { position, location, chain: parts.chain, entry })?;
        }
        Ok(())
    }
}

impl Journal for Reader {
    /// Reads one entry: one read, one decryption.
    ///
    /// # Errors
    /// `W6010` when the disk does not give it, `W6003` when it is not what was written,
    /// `W6007` when its version is unknown.
    fn read(&self, location: Location) -> Result<Entry, Fault> {
        let number = location.segment;
        let failed = |e: std::io::Error| unreadable(number).caused_by(e);
        let damaged = || damaged(number);
        let (segment, file) = self.current(number)?;
        let (at, length) = match &segment.lean {
            None => (location.offset, location.length),
            Some(lean) => {
                let row = lean::find(&*file, lean, location.offset).map_err(failed)?;
                row.map(|row| (row.at, row.length)).ok_or_else(damaged)?
            }
        };
        let mut bytes = vec![0; HEAD_BYTES + length as usize];
        file.read_at(&mut bytes, u64::from(at)).map_err(failed)?;
        let (head, payload) = bytes.split_first_chunk_mut::<HEAD_BYTES>().ok_or_else(damaged)?;
        let head = Head::read(head).ok_or_else(damaged)?;
        if head.checksum_of(number, payload) != head.checksum {
            return Err(damaged());
        }
        let length = match &segment.sealer {
            Some(sealer) => sealer.open(head.position, head.flags, payload).ok_or_else(damaged)?,
            None => payload.len(),
        };
        let text = payload.get(..length).ok_or_else(damaged)?;
        let parts = record::split(text, head.flags & FLAG_CHAIN != 0).ok_or_else(damaged)?;
        record::decode(&parts)
    }

    /// Reads every entry from `from` to `to`, both included, in order.
    ///
    /// # Errors
    /// Those of `visit`; `W6003` where entries are missing, `W6007`, `W6010`.
    fn walk(&self, from: Position, to: Position, visit: VisitEntry<'_>) -> Result<(), Fault> {
        let all = self.segments.all();
        for (at, segment) in all.iter().enumerate() {
            let next = all.get(at + 1).map(|s| s.first);
            let last = next.map_or(to, |first| first.saturating_sub(1));
            if segment.removed.is_some() || last < from || segment.first > to {
                continue;
            }
            self.walk_segment(segment, last.min(to), from, visit)?;
        }
        Ok(())
    }

    /// Entries of a segment are older than the next segment.
    fn first_since(&self, since: Timestamp) -> Position {
        let all = self.segments.all();
        let old = all.windows(2).filter(|pair| pair.get(1).is_some_and(|s| s.created < since));
        old.filter_map(|pair| pair.get(1)).map(|next| next.first).max().unwrap_or(1)
    }

    fn size(&self) -> (u64, u64) {
        self.segments.size()
    }

    fn gone(&self) -> Vec<Gone> {
        let all = self.segments.all();
        let gone = all.iter().filter_map(|segment| {
            let removed = segment.removed.as_ref()?;
            Some(Gone { number: segment.number, totals: removed.totals.clone() })
        });
        gone.collect()
    }

    fn segment_files(&self) -> Option<&Reader> {
        Some(self)
    }
}

fn damaged(number: u32) -> Fault {
    Fault::new(codes::W6003).at(Place::file(file_name(number)))
}

fn unreadable(number: u32) -> Fault {
    Fault::new(codes::W6010).at(Place::file(file_name(number)))
}
