//! The table of segments: small, in memory, in order.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::Position;
use super::header::{HEADER_BYTES, Header, Lean, Removed};
use super::seal::Sealer;
use crate::audit::ChainHead;
use crate::base::Timestamp;
use crate::fault::{Fault, Place, codes};
use crate::store::RestKeys;

/// One segment.
#[derive(Clone)]
pub struct SegmentInfo {
    pub number: u32,
    pub first: Position,
    pub created: Timestamp,
    /// Head of the audit chain before its first entry.
    pub chain: ChainHead,
    pub sealer: Option<Sealer>,
    pub removed: Option<Removed>,
    /// Of a removed one: position from which leaves are in archives; 0 for none.
    pub leaves_from: Position,
    /// Of one written anew without content: its table.
    pub lean: Option<Lean>,
    /// Bytes of its file.
    pub bytes: u64,
}

impl SegmentInfo {
    /// Takes what a header says, and derives the segment's key.
    ///
    /// # Errors
    /// `W6008` when it is sealed with a key that is not among `rest`.
    pub fn from_header(header: &Header, rest: &RestKeys, bytes: u64) -> Result<Self, Fault> {
        let sealer = match (header.key.as_str(), rest.find(&header.key)) {
            ("", _) => None,
            (_, Some(rest)) => Some(Sealer::new(rest, &header.salt, header.number)),
            (id, None) => {
                return Err(Fault::new(codes::W6008)
                    .at(Place::file(file_name(header.number)))
                    .because(format!("key `{id}` is needed")));
            }
        };
        Ok(Self {
            number: header.number,
            first: header.first,
            created: header.created,
            chain: header.chain,
            sealer,
            removed: header.removed.clone(),
            leaves_from: header.leaves_from,
            lean: header.lean,
            bytes: bytes.max(HEADER_BYTES as u64),
        })
    }
}

impl SegmentInfo {
    /// The header of a removed segment, as it is.
    pub fn header(&self) -> Header {
        Header {
            number: self.number,
            first: self.first,
            created: self.created,
            salt: [0; 32],
            chain: self.chain,
            key: String::new(),
            removed: self.removed.clone(),
            leaves_from: self.leaves_from,
            lean: None,
        }
    }
}

/// Name of a segment's file.
pub fn file_name(number: u32) -> String {
    format!("{number:08}.wj")
}

/// Path of a segment's file.
pub fn file_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(file_name(number))
}

/// Number of a segment, from its file's name.
pub fn file_number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".wj")?;
    (name.len() == 8).then(|| name.parse().ok())?
}

/// All segments, in order of number and position.
#[derive(Default)]
pub struct Segments(RwLock<Vec<Arc<SegmentInfo>>>);

impl Segments {
    pub fn new(list: Vec<Arc<SegmentInfo>>) -> Self {
        Self(RwLock::new(list))
    }

    /// A copy of the table.
    pub fn all(&self) -> Vec<Arc<SegmentInfo>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The segment of this number.
    pub fn find(&self, number: u32) -> Option<Arc<SegmentInfo>> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let at = list.binary_search_by_key(&number, |s| s.number).ok()?;
        list.get(at).cloned()
    }

    pub fn push(&self, segment: SegmentInfo) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(segment));
    }

    /// Puts a segment in the place of the one with its number, and of removed ones that it
    /// covers.
    pub fn replace(&self, segment: SegmentInfo) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|s| s.number > segment.number || s.first < segment.first);
        let at = list.partition_point(|s| s.number < segment.number);
        list.insert(at, Arc::new(segment));
    }

    /// Segments that stand on disk and the bytes they take.
    pub fn size(&self) -> (u64, u64) {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let live = list.iter().filter(|s| s.removed.is_none());
        (live.clone().count() as u64, live.map(|s| s.bytes).sum())
    }
}
