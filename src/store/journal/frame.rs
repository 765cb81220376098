//! The frame of an entry: 24 bytes of head, then the payload.
//!
//! ```text
//! 0  magic     4  b"wJe1"          12 batch  3  entries of this batch before this one
//! 4  length    4  of the payload   15 flags  1
//! 8  checksum  4                   16 position 8
//! ```
//! All numbers are little-endian. The checksum covers the segment number, the head but for
//! the checksum itself, and the payload as it lies on disk.
//!
//! The magic makes frames findable behind damage; the batch tells a torn batch, which was
//! never acknowledged, from damage to bytes that had been synced: a batch is written only
//! after the one before it is on disk.

use super::Position;
use super::seal::Sealer;

/// Bytes of a frame's head.
pub const HEAD_BYTES: usize = 24;
/// First bytes of a frame.
pub const MAGIC: [u8; 4] = *b"wJe1";
/// The payload starts with the audit chain's head after this entry.
pub const FLAG_CHAIN: u8 = 1;
/// Most entries of one batch, so that the batch offset fits its three bytes with room.
pub const BATCH_ENTRIES_MAX: usize = 1024;
/// Largest payload: offsets in a segment are 32 bits, and an entry holds the original and
/// a body per destination, each within `FRAME_BYTES_MAX`.
pub const PAYLOAD_BYTES_MAX: usize = 3 << 30;

/// A frame's head, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub length: u32,
    pub checksum: u32,
    pub batch: u32,
    pub flags: u8,
    pub position: Position,
}

impl Head {
    /// Reads a head; none when it does not start with the magic.
    pub fn read(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (batch, rest) = rest.split_first_chunk::<4>()?;
        let (position, _) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC).then(|| Self {
            length: u32::from_le_bytes(*length),
            checksum: u32::from_le_bytes(*checksum),
            batch: u32::from_le_bytes(*batch) & 0x00ff_ffff,
            flags: batch[3],
            position: u64::from_le_bytes(*position),
        })
    }

    /// Writes the head, without checksum.
    pub fn write(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let batch = (self.batch & 0x00ff_ffff) | (u32::from(self.flags) << 24);
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[12..16].copy_from_slice(&batch.to_le_bytes());
        bytes[16..].copy_from_slice(&self.position.to_le_bytes());
        bytes
    }

    /// The checksum this head and payload should have.
    pub fn checksum_of(&self, segment: u32, payload: &[u8]) -> u32 {
        let head = self.write();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&segment.to_le_bytes());
        hasher.update(&head[..8]);
        hasher.update(&head[12..]);
        hasher.update(payload);
        hasher.finalize()
    }

    /// Position of the first entry of its batch.
    pub fn batch_start(&self) -> Position {
        self.position.saturating_sub(u64::from(self.batch))
    }
}

/// Appends a frame to a buffer: the parts of its text, sealed where there is a key, under
/// `head` with length and checksum filled in. Gives the payload's length; none when it is
/// too long.
pub fn put(
    buffer: &mut Vec<u8>,
    (segment, sealer): (u32, Option<&Sealer>),
    mut head: Head,
    text: &[&[u8]],
) -> Option<u32> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD_BYTES]);
    text.iter().for_each(|part| buffer.extend_from_slice(part));
    if let Some(sealer) = sealer {
        let payload = buffer.get_mut(start + HEAD_BYTES..)?;
        let tag = sealer.seal(head.position, head.flags, payload)?;
        buffer.extend_from_slice(&tag);
    }
    let (bytes, payload) = buffer.get_mut(start..)?.split_first_chunk_mut::<HEAD_BYTES>()?;
    head.length = u32::try_from(payload.len()).ok()?;
    head.checksum = head.checksum_of(segment, payload);
    *bytes = head.write();
    Some(head.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_its_checksum_covers_all_of_it() {
        let head = Head { length: 5, checksum: 0, batch: 70_000, flags: 1, position: 1 << 40 };
        assert_eq!(Head::read(&head.write()), Some(head));
        assert_eq!(head.batch_start(), (1 << 40) - 70_000);
        assert_eq!(Head::read(&[0; HEAD_BYTES]), None);
        let sum = head.checksum_of(7, b"hello");
        for other in [
            Head { length: 6, ..head },
            Head { batch: 1, ..head },
            Head { flags: 0, ..head },
            Head { position: 2, ..head },
        ] {
            assert_ne!(other.checksum_of(7, b"hello"), sum, "{other:?}");
        }
        assert_ne!(head.checksum_of(8, b"hello"), sum);
        assert_ne!(head.checksum_of(7, b"hellp"), sum);
        assert_eq!(Head { checksum: 9, ..head }.checksum_of(7, b"hello"), sum);
    }
}
