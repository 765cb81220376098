//! What stays of a removed segment's audit leaves: `00000012.wl` beside the segments.
//!
//! A header as of a segment, with a salt of its own, then frames that each hold the leaves
//! of some entries in order. Positions in frame heads count frames, from 1. The chain can
//! be walked from the head in the header on, and must come out where the next one begins.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame;
use super::header::Header;
use super::record::{self, LeavesOf};
use super::scan::Scan;
use super::segments::SegmentInfo;
use super::{Position, Reader};
use crate::audit::ChainHead;
use crate::base::Timestamp;
use crate::fault::{Fault, Place, codes};
use crate::message::Leaf;
use crate::ports::{Files, Ports};
use crate::store::RestKeys;

/// Entries whose leaves share a frame: the head and tag of a frame weigh little then, and a
/// reader holds little.
const FRAME_ENTRIES: usize = 256;

fn file_name(number: u32) -> String {
    format!("{number:08}.wl")
}

/// Path of an archive.
pub fn archive_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(file_name(number))
}

fn file_number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".wl")?;
    (name.len() == 8).then(|| name.parse().ok())?
}

/// An archive in the making; some hundred bytes for each leaf, in memory.
pub struct Archive {
    info: SegmentInfo,
    bytes: Vec<u8>,
    batch: Vec<LeavesOf>,
    next: Position,
}

impl Archive {
    /// Begins the archive of a segment that ended at `ended`.
    ///
    /// # Errors
    /// None in practice: the header fits its own key.
    pub fn begin(
        ports: &Ports,
        rest: &RestKeys,
        segment: &SegmentInfo,
        ended: Timestamp,
    ) -> Result<Self, Fault> {
        let mut salt = [0; 32];
        ports.entropy.fill(&mut salt);
        let header = Header {
            number: segment.number,
            first: segment.first,
            created: ended,
            salt,
            chain: segment.chain,
            key: rest.newest().map_or(String::new(), |rest| rest.id.to_string()),
            removed: None,
            leaves_from: 0,
            lean: None,
        };
        let info = SegmentInfo::from_header(&header, rest, 0)?;
        Ok(Self { info, bytes: header.write(), batch: Vec::new(), next: 1 })
    }

    /// Takes the leaves of the next entry.
    ///
    /// # Errors
    /// `W9001` when they cannot be encoded, which all can.
    pub fn add(&mut self, position: Position, leaves: Vec<Leaf>) -> Result<(), Fault> {
        if leaves.is_empty() {
            return Ok(());
        }
        self.batch.push((position, leaves));
        if self.batch.len() >= FRAME_ENTRIES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let text = record::encode_leaves(&self.batch)?;
        self.batch.clear();
        let (number, sealer) = (self.info.number, self.info.sealer.as_ref());
        let head = frame::Head { length: 0, checksum: 0, batch: 0, flags: 0, position: self.next };
        frame::put(&mut self.bytes, (number, sealer), head, &[&text])
            .ok_or_else(|| Fault::new(codes::W6006))?;
        self.next += 1;
        Ok(())
    }

    /// Writes it; on disk when this returns.
    ///
    /// # Errors
    /// `W6002` when the disk refuses.
    pub fn finish(mut self, files: &dyn Files, directory: &Path) -> Result<(), Fault> {
        self.flush()?;
        let path = archive_path(directory, self.info.number);
        replace(files, &directory.join("leaves.tmp"), &path, &self.bytes)
            .map_err(|e| Fault::new(codes::W6002).caused_by(e))
    }
}

/// Puts a whole file in the place of another, or none, so that either is there in the end.
pub fn replace(files: &dyn Files, unready: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = files.open(unready, true)?;
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    files.rename(unready, path)?;
    let directory = path.parent().unwrap_or(path);
    files.sync_dir(directory)
}

/// Takes the leaves of an entry, with its position.
pub type VisitLeaves<'a> = &'a mut dyn FnMut(Position, &[Leaf]) -> Result<(), Fault>;

/// What an archive says of itself.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveInfo {
    /// First position of its segment.
    pub first: Position,
    /// Head of the chain before its first leaf.
    pub chain: ChainHead,
    /// When its segment ended: no leaf in it is younger.
    pub ended: Timestamp,
}

impl Reader {
    /// Numbers of the archives there are, in order.
    ///
    /// # Errors
    /// `W6010`.
    pub fn archives(&self) -> Result<Vec<u32>, Fault> {
        let list = self.files.list(&self.directory);
        let list = list.map_err(|e| Fault::new(codes::W6010).caused_by(e))?;
        let mut numbers: Vec<u32> = list.iter().filter_map(|path| file_number(path)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What an archive says of itself.
    ///
    /// # Errors
    /// `W6010`, `W6003`, `W6008`.
    pub fn archive(&self, number: u32) -> Result<ArchiveInfo, Fault> {
        self.open_archive(number).map(|(info, _)| info)
    }

    fn open_archive(&self, number: u32) -> Result<(ArchiveInfo, Scan), Fault> {
        let place = || Place::file(file_name(number));
        let failed = |e: io::Error| Fault::new(codes::W6010).at(place()).caused_by(e);
        let file =
            self.files.open(&archive_path(&self.directory, number), false).map_err(failed)?;
        let mut head = vec![0; super::header::HEADER_BYTES];
        file.read_at(&mut head, 0).map_err(failed)?;
        let header = Header::read(&head).ok().filter(|header| header.number == number);
        let header = header.ok_or_else(|| {
            Fault::new(codes::W6003).at(place()).because("its header is not whole")
        })?;
        let info = ArchiveInfo { first: header.first, chain: header.chain, ended: header.created };
        let segment = SegmentInfo::from_header(&header, &self.rest, 0)?;
        let mut scan = Scan::new(file, Arc::new(segment)).map_err(failed)?;
        scan.expected = 1;
        Ok((info, scan))
    }

    /// Reads the leaves of an archive in order, by position of their entry.
    ///
    /// # Errors
    /// Those of `visit`; `W6010`, `W6003`, `W6007`, `W6008`.
    pub fn walk_archive(&self, number: u32, visit: VisitLeaves<'_>) -> Result<(), Fault> {
        let (_, mut scan) = self.open_archive(number)?;
        let place = || Place::file(file_name(number));
        let failed = |e: io::Error| Fault::new(codes::W6010).at(place()).caused_by(e);
        let damaged = |at: u64| {
            let text = format!("no whole frame at byte {at}, where one must be");
            Fault::new(codes::W6003).at(place()).because(text)
        };
        while !scan.is_at_end() {
            let at = scan.at;
            scan.next().map_err(failed)?.ok_or_else(|| damaged(at))?;
            let parts = record::split(scan.text()?, false).ok_or_else(|| damaged(at))?;
            for (position, leaves) in record::decode_leaves(&parts)? {
                visit(position, &leaves)?;
            }
        }
        Ok(())
    }

    /// Removes an archive.
    ///
    /// # Errors
    /// `W6002` when the disk refuses.
    pub fn remove_archive(&self, number: u32) -> Result<(), Fault> {
        let path = archive_path(&self.directory, number);
        self.files.remove(&path).map_err(|e| Fault::new(codes::W6002).caused_by(e))
    }
}
