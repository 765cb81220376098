//! gzip of requests and answers, bounded.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};

/// A request body in gzip, unpacked as it comes.
pub(in crate::source) struct Unpack(MultiGzDecoder<Bounded>);

/// Takes what is unpacked, up to a limit.
struct Bounded {
    out: Vec<u8>,
    room: usize,
    over: bool,
}

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::source) enum Wrong {
    /// It is more than the limit when it is unpacked.
    TooLarge,
    /// It is no gzip, or ends too early.
    Broken,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.room {
            self.over = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.room -= bytes.len();
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Unpack {
    /// Unpacks up to `room` bytes between two calls of [`Unpack::take`].
    pub(in crate::source) fn new(room: usize) -> Self {
        Self(MultiGzDecoder::new(Bounded { out: Vec::new(), room, over: false }))
    }

    /// Adds packed bytes.
    pub(in crate::source) fn push(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        self.0.write_all(bytes).map_err(|_| self.wrong())
    }

    /// Ends the input: what came must be whole.
    pub(in crate::source) fn finish(&mut self) -> Result<(), Wrong> {
        self.0.try_finish().map_err(|_| self.wrong())
    }

    /// Takes what is unpacked so far, and gives its room back.
    pub(in crate::source) fn take(&mut self) -> Vec<u8> {
        let bounded = self.0.get_mut();
        bounded.room += bounded.out.len();
        std::mem::take(&mut bounded.out)
    }

    /// Bytes unpacked and not taken.
    pub(in crate::source) fn len(&self) -> usize {
        self.0.get_ref().out.len()
    }

    fn wrong(&self) -> Wrong {
        if self.0.get_ref().over { Wrong::TooLarge } else { Wrong::Broken }
    }
}

/// Packs an answer, fast rather than small.
pub(in crate::source) fn compress(bytes: &[u8]) -> Bytes {
    let mut out = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    // Writing to memory does not fail.
    let packed = out.write_all(bytes).and_then(|()| out.finish());
    packed.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(packed: &[u8], room: usize) -> Result<Vec<u8>, Wrong> {
        let mut unpack = Unpack::new(room);
        for chunk in packed.chunks(7) {
            unpack.push(chunk)?;
        }
        unpack.finish()?;
        Ok(unpack.take())
    }

    #[test]
    fn what_is_packed_is_unpacked_within_its_bound() {
        let text = "abc".repeat(1000);
        let packed = compress(text.as_bytes());
        assert!(packed.len() < 100);
        assert_eq!(unpack(&packed, 3000).unwrap(), text.as_bytes());
        assert_eq!(unpack(&packed, 2999), Err(Wrong::TooLarge));
        assert_eq!(unpack(&packed[..packed.len() - 1], 3000), Err(Wrong::Broken));
        assert_eq!(unpack(b"{\"resourceType\"", 3000), Err(Wrong::Broken));
        let bomb = compress(&vec![0; 50 << 20]);
        assert_eq!(unpack(&bomb, 1 << 20), Err(Wrong::TooLarge));
    }

    #[test]
    fn several_members_are_one_text_and_room_comes_back() {
        let two = [compress(b"{\"a\":1}\n"), compress(b"{\"b\":2}\n")].concat();
        assert_eq!(unpack(&two, 100).unwrap(), b"{\"a\":1}\n{\"b\":2}\n");
        let mut stream = Unpack::new(8);
        let mut out = Vec::new();
        for byte in &two {
            stream.push(std::slice::from_ref(byte)).unwrap();
            out.extend(stream.take());
        }
        stream.finish().unwrap();
        out.extend(stream.take());
        assert_eq!((out.len(), stream.len()), (16, 0));
    }
}
