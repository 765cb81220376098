//! Bytes that were read and not given out yet, of which there is a bound.

use bytes::{Bytes, BytesMut};

use super::stream::REFUSED_BYTES;

/// Bytes at the end of a part that is dropped that stay: a terminator, a name or a line feed
/// may be cut by the end of the piece.
const TAIL: usize = 8;

/// What is read of a file or batch, from the begin of a part on.
///
/// Of a part that is larger than may be, only the begin is kept.
pub struct Held {
    max: usize,
    bytes: BytesMut,
    /// Bytes that were looked at, from the begin of the part.
    pub seen: usize,
    offset: u64,
    /// The part is larger than may be; its bytes past the kept ones are dropped.
    dropping: bool,
}

/// A part that was cut off.
pub struct Cut {
    /// Offset of its first byte, from 0.
    pub offset: u64,
    /// Its bytes; of one that is too large the begin and the end.
    pub bytes: Bytes,
    /// Whether it is larger than may be.
    pub too_large: bool,
}

impl Cut {
    /// Whether there is nothing in it but blanks.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        !self.too_large && self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// Its bytes, of one that is too large the first [`REFUSED_BYTES`].
    #[must_use]
    pub fn bounded(mut self) -> Bytes {
        if self.too_large {
            self.bytes.truncate(REFUSED_BYTES);
        }
        self.bytes
    }
}

impl Held {
    /// `max` is the largest part, in bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, bytes: BytesMut::new(), seen: 0, offset: 0, dropping: false }
    }

    /// Takes the next bytes that were read.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// What is held.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Cuts the first `end` bytes off as a part; nothing was looked at then.
    pub fn cut(&mut self, end: usize) -> Cut {
        let offset = self.offset;
        let bytes = self.bytes.split_to(end.min(self.bytes.len())).freeze();
        self.offset += bytes.len() as u64;
        self.seen = 0;
        let too_large = std::mem::take(&mut self.dropping) || bytes.len() > self.max;
        Cut { offset, bytes, too_large }
    }

    /// Passes over the first `bytes` bytes, which belong to no part.
    pub fn skip(&mut self, bytes: usize) {
        self.cut(bytes);
    }

    /// Drops the bytes of a part that is larger than may be, all but its begin and what may
    /// be cut by the end of the piece. What was dropped still counts for offsets.
    pub fn bound(&mut self) {
        let keep = self.max.min(REFUSED_BYTES);
        let length = self.bytes.len();
        if length <= self.max.max(4) && !self.dropping || length <= keep + TAIL {
            return;
        }
        self.dropping = true;
        let tail = self.bytes.split_off(length - TAIL);
        let dropped = self.bytes.len() - keep;
        self.bytes.truncate(keep);
        self.bytes.extend_from_slice(&tail);
        self.offset += dropped as u64;
        self.seen = self.seen.saturating_sub(dropped).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_offsets_and_their_bound() {
        let mut held = Held::new(10);
        held.push(b"abc\ndef");
        let cut = held.cut(4);
        assert_eq!((cut.offset, &cut.bytes[..], cut.too_large), (0, &b"abc\n"[..], false));
        held.push(&[b'x'; 100]);
        held.bound();
        assert!(held.bytes().len() <= 10 + TAIL && held.bytes().starts_with(b"defx"));
        held.push(b"\n");
        let cut = held.cut(usize::MAX);
        assert!(cut.too_large && cut.bytes.ends_with(b"x\n") && cut.offset >= 4);
        held.push(b" \r\n");
        assert!(held.cut(3).is_blank());
        assert_eq!(held.cut(0).offset, 4 + 103 + 1 + 3);
    }
}
