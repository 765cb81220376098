//! The first 256 bytes of a segment file.
//!
//! A segment that the keep rules removed leaves its header behind, marked as removed, with
//! the positions it covered, the audit chain's head after it and the ledger totals of the
//! deliveries that went with it; so positions, chain and ledger stay whole without it.

use serde::{Deserialize, Serialize};

use super::Position;
use crate::audit::ChainHead;
use crate::base::{ChannelName, DestinationName, Timestamp};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 256;
const MAGIC: [u8; 8] = *b"WEIRJRNL";
/// Format of segment files.
pub const FORMAT: u16 = 1;
/// Format of segments written anew without content; its own, so that a version of weir that
/// knows nothing of the table behind their frames refuses them.
const LEAN_FORMAT: u16 = 2;
/// Longest id of a rest key, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 64;
const FLAG_REMOVED: u16 = 2;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub number: u32,
    pub first: Position,
    pub created: Timestamp,
    pub salt: [u8; 32],
    /// Head of the audit chain before the first entry.
    pub chain: ChainHead,
    /// Id of the rest key it is sealed with; empty: in clear.
    pub key: String,
    pub removed: Option<Removed>,
    /// Of a removed segment: position from which its leaves and those of removed segments
    /// before it are in archives; 0 when none are.
    pub leaves_from: Position,
    /// Of a segment written anew without content: its table.
    pub lean: Option<Lean>,
}

/// Where the table of a segment lies that was written anew without content, see
/// [`super::lean`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lean {
    /// Byte of its first row, which is where the frames end.
    pub table_at: u64,
    /// Rows: one an entry.
    pub rows: u32,
    /// CRC-32 of the rows.
    pub checksum: u32,
    /// Entries whose content is still there, since something about their message waits.
    pub left: u32,
}

/// What is left of a removed segment and of removed ones before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Last position it covered.
    pub last: Position,
    /// Head of the audit chain after it.
    pub chain: [u8; 32],
    /// Committed and states in the order of `State::ALL`, per channel and destination.
    pub totals: Vec<(ChannelName, DestinationName, [u64; 8])>,
}

/// Why a header was not read.
#[derive(Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Not whole, or not a header.
    Torn,
    /// Whole, but of a format this version does not know.
    Format(u16),
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], HeaderError> {
    bytes.get(at..at + N).and_then(|b| b.try_into().ok()).ok_or(HeaderError::Torn)
}

impl Header {
    /// Its bytes; longer than [`HEADER_BYTES`] for a removed segment.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let key = &self.key.as_bytes()[..self.key.len().min(KEY_ID_BYTES_MAX)];
        let rest = self.removed.as_ref().map(|removed| {
            let text = postcard::to_stdvec(removed).unwrap_or_default();
            (u32::try_from(text.len()).unwrap_or(0), crc32fast::hash(&text), text)
        });
        let flags = if rest.is_some() { FLAG_REMOVED } else { 0 };
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, &MAGIC);
        let format = if self.lean.is_some() { LEAN_FORMAT } else { FORMAT };
        put(8, &format.to_le_bytes());
        put(10, &flags.to_le_bytes());
        put(16, &self.number.to_le_bytes());
        put(24, &self.first.to_le_bytes());
        put(32, &self.created.micros().to_le_bytes());
        put(40, &self.salt);
        put(72, &self.chain.0);
        put(104, &[u8::try_from(key.len()).unwrap_or(0)]);
        put(105, key);
        if let Some((length, checksum, _)) = &rest {
            put(176, &length.to_le_bytes());
            put(180, &checksum.to_le_bytes());
        }
        put(184, &self.leaves_from.to_le_bytes());
        if let Some(lean) = &self.lean {
            put(192, &lean.table_at.to_le_bytes());
            put(200, &lean.rows.to_le_bytes());
            put(204, &lean.checksum.to_le_bytes());
            put(208, &lean.left.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes.extend(rest.into_iter().flat_map(|(_, _, text)| text));
        bytes
    }

    /// Reads the first bytes of a file, all of it for a removed segment.
    pub fn read(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut head: [u8; HEADER_BYTES] = array(bytes, 0)?;
        let checksum = u32::from_le_bytes(array(&head, 12)?);
        head[12..16].fill(0);
        if array(&head, 0)? != MAGIC || crc32fast::hash(&head) != checksum {
            return Err(HeaderError::Torn);
        }
        let format = u16::from_le_bytes(array(&head, 8)?);
        let lean = match format {
            FORMAT => None,
            LEAN_FORMAT => Some(Lean {
                table_at: u64::from_le_bytes(array(&head, 192)?),
                rows: u32::from_le_bytes(array(&head, 200)?),
                checksum: u32::from_le_bytes(array(&head, 204)?),
                left: u32::from_le_bytes(array(&head, 208)?),
            }),
            _ => return Err(HeaderError::Format(format)),
        };
        let removed = if u16::from_le_bytes(array(&head, 10)?) & FLAG_REMOVED == 0 {
            None
        } else {
            let length = u32::from_le_bytes(array(&head, 176)?) as usize;
            let checksum = u32::from_le_bytes(array(&head, 180)?);
            let text = bytes.get(HEADER_BYTES..HEADER_BYTES + length).ok_or(HeaderError::Torn)?;
            if crc32fast::hash(text) != checksum {
                return Err(HeaderError::Torn);
            }
            Some(postcard::from_bytes(text).map_err(|_| HeaderError::Torn)?)
        };
        let length = usize::from(head[104]).min(KEY_ID_BYTES_MAX);
        let key = head.get(105..105 + length).unwrap_or_default();
        Ok(Self {
            number: u32::from_le_bytes(array(&head, 16)?),
            first: u64::from_le_bytes(array(&head, 24)?),
            created: Timestamp::from_micros(i64::from_le_bytes(array(&head, 32)?)),
            salt: array(&head, 40)?,
            chain: ChainHead(array(&head, 72)?),
            key: String::from_utf8_lossy(key).into_owned(),
            removed,
            // Zero in headers of before.
            leaves_from: u64::from_le_bytes(array(&head, 184)?),
            lean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let removed = Removed {
            last: 99,
            chain: [3; 32],
            totals: vec![(
                ChannelName::parse("adt").unwrap(),
                DestinationName::parse("ehr").unwrap(),
                [9, 0, 0, 8, 1, 0, 0, 0],
            )],
        };
        let lean = Lean { table_at: 70_000, rows: 900, checksum: 7, left: 3 };
        for (removed, lean) in [(None, None), (Some(removed), None), (None, Some(lean))] {
            let header = Header {
                number: 7,
                first: 42,
                created: Timestamp::from_millis(1_700_000_000_000),
                salt: [5; 32],
                chain: ChainHead([6; 32]),
                key: "rest-2026".into(),
                removed,
                leaves_from: 17,
                lean,
            };
            let bytes = header.write();
            assert_eq!(Header::read(&bytes), Ok(header));
            assert_eq!(Header::read(&bytes[..bytes.len() - 1]), Err(HeaderError::Torn));
            for at in [0, 9, 30, 75, 106, bytes.len() - 1] {
                let mut bad = bytes.clone();
                bad[at] ^= 1;
                assert_eq!(Header::read(&bad), Err(HeaderError::Torn), "{at}");
            }
        }
        assert_eq!(Header::read(&[0; 256]), Err(HeaderError::Torn));
    }
}
