//! A sealed segment written anew without the content of messages that are done.
//!
//! The file keeps its name, its entries their order, positions, facts, leaves and chain
//! heads; their offsets change, and so does the key: another salt, so that no position is
//! sealed twice under one. The offset that an entry had when it was first written stays its
//! name, as index, queues and readers know it: a table behind the frames leads from there to
//! where the frame lies now. So nobody needs to hear of the exchange, and an index made anew
//! from such a file has the same places as one made before.
//!
//! ```text
//! row of the table, little-endian, one an entry in order:
//! 0  place  4  offset of the frame's first byte when it was first written
//! 4  at     4  offset now
//! 8  length 4  of the payload now
//! 12 holds  4  1 when content is left in it, else 0
//! ```
//! Rejected: frames at their old offsets with holes between them, which give back less space
//! than blocks of the disk are large; an index that learns the new offsets, which would have
//! to be exchanged in one step with the file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Location;
use super::frame::{self, FLAG_CHAIN};
use super::header::{HEADER_BYTES, Header, Lean};
use super::reader::Walked;
use super::record::{self, PREFIX_BYTES};
use super::segments::SegmentInfo;
use crate::fault::{Fault, codes};
use crate::ports::{File, Ports};
use crate::store::RestKeys;

/// Name of one in the making.
pub const UNREADY: &str = "lean.tmp";
/// Bytes of a row.
const ROW_BYTES: usize = 16;
/// Bytes written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub place: u32,
    pub at: u32,
    pub length: u32,
    pub holds: bool,
}

impl Row {
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>())?;
            Some(u32::from_le_bytes(*bytes))
        };
        Some(Self { place: number(0)?, at: number(4)?, length: number(8)?, holds: number(12)? > 0 })
    }

    fn write(self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        let numbers = [self.place, self.at, self.length, u32::from(self.holds)];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

/// Reads the whole table; none when it is not what was written.
pub fn table(file: &dyn File, lean: &Lean) -> io::Result<Option<Vec<Row>>> {
    let bytes = u64::from(lean.rows) * ROW_BYTES as u64;
    if lean.table_at + bytes > file.len()? {
        return Ok(None);
    }
    let mut rows = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.read_at(&mut rows, lean.table_at)?;
    if crc32fast::hash(&rows) != lean.checksum {
        return Ok(None);
    }
    Ok(Some(rows.chunks_exact(ROW_BYTES).filter_map(Row::read).collect()))
}

/// The row of a place, by halving: some sixteen short reads from the page cache, for entries
/// that are looked at rarely. What a row leads to is checked by the frame's own checksum.
pub fn find(file: &dyn File, lean: &Lean, place: u32) -> io::Result<Option<Row>> {
    let (mut low, mut high) = (0, lean.rows);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut bytes = [0; ROW_BYTES];
        file.read_at(&mut bytes, lean.table_at + u64::from(middle) * ROW_BYTES as u64)?;
        let Some(row) = Row::read(&bytes) else { return Ok(None) };
        match row.place.cmp(&place) {
            std::cmp::Ordering::Equal => return Ok(Some(row)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(None)
}

/// One in the making, in a file of its own beside the segment. Holds a chunk and the table
/// in memory.
pub struct LeanSegment {
    file: Arc<dyn File>,
    unready: PathBuf,
    header: Header,
    info: SegmentInfo,
    buffer: Vec<u8>,
    buffer_at: u64,
    rows: Vec<u8>,
    left: u32,
}

impl LeanSegment {
    /// Begins to write a segment anew, under the newest key.
    ///
    /// # Errors
    /// `W6002` when the disk refuses.
    pub fn begin(
        ports: &Ports,
        rest: &RestKeys,
        directory: &Path,
        segment: &SegmentInfo,
    ) -> Result<Self, Fault> {
        let mut salt = [0; 32];
        ports.entropy.fill(&mut salt);
        let header = Header {
            number: segment.number,
            first: segment.first,
            created: segment.created,
            salt,
            chain: segment.chain,
            key: rest.newest().map_or(String::new(), |rest| rest.id.to_string()),
            removed: None,
            leaves_from: segment.leaves_from,
            lean: None,
        };
        let info = SegmentInfo::from_header(&header, rest, 0)?;
        let unready = directory.join(UNREADY);
        let file = ports.files.open(&unready, true).map_err(refused)?;
        file.set_len(0).map_err(refused)?;
        let (buffer, rows) = (Vec::with_capacity(CHUNK_BYTES), Vec::new());
        let buffer_at = HEADER_BYTES as u64;
        Ok(Self { file, unready, header, info, buffer, buffer_at, rows, left: 0 })
    }

    /// Takes the next entry as it shall stay; `holds` says whether content is left in it.
    ///
    /// # Errors
    /// `W6002` when the disk refuses, `W9001` when it cannot be encoded, which all can.
    pub fn add(&mut self, walked: &Walked, holds: bool) -> Result<(), Fault> {
        let large = || Fault::new(codes::W6006);
        let at = self.buffer_at + self.buffer.len() as u64;
        let at = u32::try_from(at).map_err(|_| large())?;
        let text = record::encode(&walked.entry)?;
        let (prefix, record) = text.split_at_checked(PREFIX_BYTES).ok_or_else(large)?;
        let chain = walked.chain.as_ref().map_or(&[][..], |chain| &chain.0);
        let flags = if walked.chain.is_some() { FLAG_CHAIN } else { 0 };
        let position = walked.position;
        let head = frame::Head { length: 0, checksum: 0, batch: 0, flags, position };
        let key = (self.info.number, self.info.sealer.as_ref());
        let length = frame::put(&mut self.buffer, key, head, &[prefix, chain, record]);
        let length = length.ok_or_else(large)?;
        let row = Row { place: walked.location.offset, at, length, holds };
        self.rows.extend_from_slice(&row.write());
        self.left += u32::from(holds);
        if self.buffer.len() >= CHUNK_BYTES { self.flush().map_err(refused) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.buffer_at)?;
        self.buffer_at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends it: its path and what it is, on disk under its unready name.
    ///
    /// # Errors
    /// `W6002` when the disk refuses.
    pub fn finish(mut self, rest: &RestKeys) -> Result<(PathBuf, SegmentInfo), Fault> {
        self.flush().map_err(refused)?;
        self.header.lean = Some(Lean {
            table_at: self.buffer_at,
            rows: u32::try_from(self.rows.len() / ROW_BYTES).unwrap_or(u32::MAX),
            checksum: crc32fast::hash(&self.rows),
            left: self.left,
        });
        let write = || {
            self.file.write_at(&self.rows, self.buffer_at)?;
            self.file.write_at(&self.header.write(), 0)?;
            self.file.sync()
        };
        write().map_err(refused)?;
        let bytes = self.buffer_at + self.rows.len() as u64;
        Ok((self.unready, SegmentInfo::from_header(&self.header, rest, bytes)?))
    }
}

/// Where the content is that is left in a segment, as its entries are known.
pub fn left(file: &dyn File, segment: u32, lean: &Lean) -> io::Result<Option<Vec<Location>>> {
    let rows = table(file, lean)?;
    let location = |row: Row| Location { segment, offset: row.place, length: row.length };
    Ok(rows.map(|rows| rows.into_iter().filter(|row| row.holds).map(location).collect()))
}

fn refused(error: io::Error) -> Fault {
    Fault::new(codes::W6002).caused_by(error)
}
