//! Reading a segment from front to back.

use std::io;
use std::sync::Arc;

use super::frame::{HEAD_BYTES, Head, MAGIC};
use super::header::HEADER_BYTES;
use super::segments::SegmentInfo;
use super::{Location, Position, lean};
use crate::fault::{Fault, Place, codes};
use crate::ports::File;

/// Bytes read at once: large enough that a scan runs at the speed of the disk.
const CHUNK_BYTES: usize = 1 << 20;

/// Walks the frames of one segment.
pub struct Scan {
    file: Arc<dyn File>,
    segment: Arc<SegmentInfo>,
    /// Position the next frame must have.
    pub expected: Position,
    /// Offset of the next frame; after `next` gave none, the end of what is whole.
    pub at: u64,
    end: u64,
    /// Of a segment written anew: by what places its entries are known.
    table: Option<Vec<lean::Row>>,
    buffer: Vec<u8>,
    buffer_at: u64,
    payload: std::ops::Range<usize>,
    head: Option<Head>,
    /// Offset of the first frame of the last batch seen.
    pub batch_at: u64,
}

/// What lies behind the last whole frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// Bytes of a batch that was never acknowledged.
    Torn(u64),
    /// A whole entry of a later batch: bytes that were on disk have changed.
    Damaged,
}

impl Scan {
    pub fn new(file: Arc<dyn File>, segment: Arc<SegmentInfo>) -> io::Result<Self> {
        let mut end = file.len()?;
        let mut table = None;
        if let Some(lean) = &segment.lean {
            table = lean::table(&*file, lean)?;
            // Without its table nothing in it is whole.
            end = table.as_ref().map_or(HEADER_BYTES as u64 - 1, |_| lean.table_at);
        }
        Ok(Self {
            file,
            expected: segment.first,
            segment,
            at: HEADER_BYTES as u64,
            end,
            table,
            buffer: Vec::new(),
            buffer_at: 0,
            payload: 0..0,
            head: None,
            batch_at: HEADER_BYTES as u64,
        })
    }

    /// Makes `length` bytes at `at` available; none past the end of the file.
    fn fill(&mut self, at: u64, length: usize) -> io::Result<Option<usize>> {
        if at + length as u64 > self.end {
            return Ok(None);
        }
        let have = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if !(have.contains(&at) && at + length as u64 <= have.end) {
            let rest = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            self.buffer.resize(length.max(CHUNK_BYTES).min(rest), 0);
            self.buffer_at = at;
            self.file.read_at(&mut self.buffer, at)?;
        }
        Ok(usize::try_from(at - self.buffer_at).ok())
    }

    /// The head and payload at `at` when they are whole.
    fn frame_at(&mut self, at: u64) -> io::Result<Option<(Head, std::ops::Range<usize>)>> {
        let Some(start) = self.fill(at, HEAD_BYTES)? else { return Ok(None) };
        let bytes = self.buffer.get(start..).and_then(|b| b.first_chunk::<HEAD_BYTES>());
        let Some(head) = bytes.and_then(Head::read) else { return Ok(None) };
        let length = HEAD_BYTES + head.length as usize;
        let Some(start) = self.fill(at, length)? else { return Ok(None) };
        let payload = start + HEAD_BYTES..start + length;
        let bytes = self.buffer.get(payload.clone()).unwrap_or_default();
        let whole = head.checksum_of(self.segment.number, bytes) == head.checksum;
        Ok(whole.then_some((head, payload)))
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    /// The offset by which the entry at `at` is known; none when the table of a segment
    /// written anew has another there.
    fn place(&self, at: u64) -> Option<u32> {
        let at = u32::try_from(at).ok()?;
        let Some(table) = &self.table else { return Some(at) };
        let row = usize::try_from(self.expected.checked_sub(self.segment.first)?).ok()?;
        table.get(row).filter(|row| row.at == at).map(|row| row.place)
    }

    /// Goes to the next frame; none where no whole frame with the expected position is.
    pub fn next(&mut self) -> io::Result<Option<(Position, Location, u8)>> {
        let at = self.at;
        let Some((head, payload)) = self.frame_at(at)? else { return Ok(None) };
        if head.position != self.expected {
            return Ok(None);
        }
        let Some(offset) = self.place(at) else { return Ok(None) };
        let location = Location { segment: self.segment.number, offset, length: head.length };
        if head.batch == 0 {
            self.batch_at = at;
        }
        self.payload = payload;
        self.head = Some(head);
        self.expected += 1;
        self.at = at + HEAD_BYTES as u64 + u64::from(head.length);
        Ok(Some((head.position, location, head.flags)))
    }

    /// Text of the frame that `next` gave; decrypted in place, so once only.
    ///
    /// # Errors
    /// `W6003` when it does not decrypt.
    pub fn text(&mut self) -> Result<&[u8], Fault> {
        let damaged = || {
            Fault::new(codes::W6003)
                .at(Place::file(super::segments::file_name(self.segment.number)))
                .because("a whole entry does not decrypt")
        };
        let head = self.head.ok_or_else(damaged)?;
        let bytes = self.buffer.get_mut(self.payload.clone()).unwrap_or_default();
        let length = match &self.segment.sealer {
            Some(sealer) => sealer.open(head.position, head.flags, bytes).ok_or_else(damaged)?,
            None => bytes.len(),
        };
        Ok(bytes.get(..length).unwrap_or_default())
    }

    /// Looks at what lies behind the last whole frame.
    pub fn tail(&mut self) -> io::Result<Tail> {
        let from = self.at;
        let mut last_byte = None;
        let mut at = from;
        while at < self.end {
            let rest = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            // Chunks overlap by a head, so that a magic across their border is seen.
            let length = rest.min(CHUNK_BYTES);
            let Some(start) = self.fill(at, length)? else { break };
            let chunk = self.buffer.get(start..start + length).unwrap_or_default().to_vec();
            if let Some(last) = chunk.iter().rposition(|b| *b != 0) {
                last_byte = Some(at + last as u64 + 1);
                for found in memchr::memmem::find_iter(&chunk, &MAGIC) {
                    if let Some((head, _)) = self.frame_at(at + found as u64)?
                        && head.batch_start() > self.expected
                    {
                        return Ok(Tail::Damaged);
                    }
                }
            }
            if length == rest {
                break;
            }
            at += (length - HEAD_BYTES) as u64;
        }
        Ok(last_byte.map_or(Tail::Clean, |end| Tail::Torn(end.saturating_sub(from))))
    }
}
