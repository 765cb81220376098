//! MLLP framing without I/O: bytes in, frames out.
//!
//! A frame is VT, content, FS, CR. Invariants: the buffer never holds more than one frame
//! of the allowed size and what one read brought; each byte is looked at a fixed number
//! of times however the reads are cut; what comes out does not depend on the cuts.
//! Source: HL7 v2 Transport Specification: MLLP, Release 1.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use crate::fault::Fault;
use crate::fault::codes::{W2020, W2021};

/// Start block.
pub const VT: u8 = 0x0b;
/// End block, before CR.
pub const FS: u8 = 0x1c;
/// Content of a commit block of MLLP release 2 that says: taken and safe.
/// Source: HL7 v3 transport specification, MLLP release 2.
pub const ACK: u8 = 0x06;
/// Content of a commit block that says: not taken.
pub const NAK: u8 = 0x15;

/// Whether a frame is a commit block of MLLP release 2.
#[must_use]
pub fn is_commit(frame: &[u8]) -> bool {
    matches!(frame, [ACK | NAK])
}

/// Blanks between a start block and the header that are looked past when a frame may
/// have begun anew: room for a byte order mark and some line ends.
const BLANKS_MAX: usize = 16;

/// How strict the framing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// VT, content, FS, CR and nothing else.
    Strict,
    /// Also frames that end with FS alone, FS LF or FS CR LF, and bytes between frames.
    Lenient,
}

/// What the decoder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Content between start and end block, both left out.
    Frame(Bytes),
    /// This many bytes belong to no frame: outside of any, or of one that was never ended
    /// before the next began. Worth an event, not an answer.
    Junk(usize),
}

/// Oddities seen on a connection since its begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Bytes outside of frames, blanks left out.
    pub junk_bytes: u64,
    /// CR, LF, NUL, space and tab between frames.
    pub blank_bytes: u64,
    /// Frames that began anew before their end.
    pub restarts: u64,
    /// Frames that ended without the CR after FS.
    pub loose_ends: u64,
}

impl Oddities {
    /// What came since an earlier look.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            junk_bytes: self.junk_bytes - earlier.junk_bytes,
            blank_bytes: self.blank_bytes - earlier.blank_bytes,
            restarts: self.restarts - earlier.restarts,
            loose_ends: self.loose_ends - earlier.loose_ends,
        }
    }
}

/// Collects bytes of one connection and gives frames.
pub struct Decoder {
    framing: Framing,
    max_bytes: usize,
    buffer: BytesMut,
    /// Whether the start block of a frame was seen, and taken off the buffer.
    in_frame: bool,
    /// Bytes at the begin of the buffer that were searched already.
    searched: usize,
    /// A CR and then an LF after the end block may still come and are passed over.
    after_frame: bool,
    oddities: Oddities,
}

/// What stands behind an FS.
enum End {
    /// The frame ends; so many bytes belong to the end block.
    Here(usize),
    /// FS is content.
    Content,
    /// The next byte decides.
    Wait,
}

impl Decoder {
    /// Makes a decoder that refuses content of more than `max_bytes`.
    #[must_use]
    pub fn new(framing: Framing, max_bytes: usize) -> Self {
        Self {
            framing,
            max_bytes,
            buffer: BytesMut::new(),
            in_frame: false,
            searched: 0,
            after_frame: false,
            oddities: Oddities::default(),
        }
    }

    /// Takes bytes read from the connection; without a copy when nothing is waiting.
    pub fn push(&mut self, bytes: BytesMut) {
        if self.buffer.is_empty() {
            self.buffer = bytes;
        } else {
            self.buffer.extend_from_slice(&bytes);
        }
    }

    /// Gives the next event; `None` when more bytes are needed.
    ///
    /// # Errors
    /// `W2020` as soon as a frame passes the limit, `W2021` when strict framing is broken.
    /// The connection cannot go on after either; [`Decoder::remains`] still holds the
    /// begin of the frame for a refusal.
    #[expect(clippy::should_implement_trait, reason = "it is fallible and can go on after None")]
    pub fn next(&mut self) -> Result<Option<Event>, Fault> {
        if !self.in_frame
            && let Some(junk) = self.seek_start()?
        {
            return Ok(Some(Event::Junk(junk)));
        }
        if !self.in_frame {
            return Ok(None);
        }
        self.seek_end()
    }

    /// Ends a frame whose FS came last, when nothing follows for a while.
    ///
    /// Whether FS alone ends a frame or is content shows in the next byte. A sender that
    /// writes no CR and waits for its answer sends none, so the owner of the connection
    /// calls this after a short silence (100 ms, say) while [`Decoder::awaits_end`].
    pub fn release(&mut self) -> Option<Event> {
        if !self.awaits_end() {
            return None;
        }
        self.oddities.loose_ends += 1;
        let length = self.buffer.len() - 1;
        Some(self.take_frame(length, 1))
    }

    /// Whether a frame lacks but the byte after FS, so that [`Decoder::release`] may end it.
    #[must_use]
    pub fn awaits_end(&self) -> bool {
        self.in_frame && self.framing == Framing::Lenient && self.buffer.last() == Some(&FS)
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub fn in_frame(&self) -> bool {
        self.in_frame
    }

    /// Bytes of the unfinished frame, or those not yet looked at.
    #[must_use]
    pub fn remains(&self) -> &[u8] {
        &self.buffer
    }

    /// What was odd so far.
    #[must_use]
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Takes all up to and with a start block off the buffer; gives the count of junk.
    fn seek_start(&mut self) -> Result<Option<usize>, Fault> {
        let found = memchr::memchr(VT, &self.buffer);
        let before = found.unwrap_or(self.buffer.len());
        let gap = &self.buffer[..before];
        if self.framing == Framing::Strict && !gap.is_empty() {
            return Err(Fault::new(W2021).because("bytes stand outside of a frame"));
        }
        // The LF of an end block FS CR LF is the mark of a line-oriented sender, not junk.
        let junk = gap.iter().filter(|b| !is_blank(**b)).count();
        let rest_of_end = usize::from(self.after_frame && gap.first() == Some(&b'\n'));
        self.oddities.junk_bytes += junk as u64;
        self.oddities.blank_bytes += (before - junk - rest_of_end) as u64;
        self.after_frame = self.after_frame && before == 0 && found.is_none();
        self.buffer.advance(before + usize::from(found.is_some()));
        self.in_frame = found.is_some();
        self.searched = 0;
        Ok((junk > 0).then_some(junk))
    }

    /// Looks for the end block, or for a start block where the sender began anew.
    fn seek_end(&mut self) -> Result<Option<Event>, Fault> {
        while let Some(at) = memchr2(FS, VT, &self.buffer[self.searched..]) {
            let at = self.searched + at;
            if at > self.max_bytes {
                return Err(self.too_large());
            }
            if self.buffer[at] == VT {
                match self.begins_anew(at) {
                    // At most `BLANKS_MAX` and two bytes more are needed to tell.
                    None => {
                        self.searched = at;
                        return Ok(None);
                    }
                    Some(true) => {
                        if self.framing == Framing::Strict {
                            return Err(Fault::new(W2021).because("a frame began inside another"));
                        }
                        self.oddities.restarts += 1;
                        self.buffer.advance(at + 1);
                        self.searched = 0;
                        return Ok(Some(Event::Junk(at + 1)));
                    }
                    Some(false) => self.searched = at + 1,
                }
                continue;
            }
            match self.end(at)? {
                End::Here(length) => return Ok(Some(self.take_frame(at, length))),
                End::Content => self.searched = at + 1,
                End::Wait => {
                    self.searched = at;
                    return self.wait();
                }
            }
        }
        self.searched = self.buffer.len();
        self.wait()
    }

    /// Nothing more to find: waits unless the frame is too large already.
    fn wait(&self) -> Result<Option<Event>, Fault> {
        // FS of a frame of just the allowed size may be the last byte.
        if self.buffer.len() > self.max_bytes.saturating_add(1) {
            Err(self.too_large())
        } else {
            Ok(None)
        }
    }

    fn too_large(&self) -> Fault {
        Fault::new(W2020).because(format!("the limit is {} bytes", self.max_bytes))
    }

    /// What the FS at a place means.
    fn end(&mut self, at: usize) -> Result<End, Fault> {
        let next = self.buffer.get(at + 1);
        if self.framing == Framing::Strict {
            return match next {
                Some(b'\r') => Ok(End::Here(2)),
                Some(_) => Err(Fault::new(W2021).because("FS is not followed by CR")),
                None => Ok(End::Wait),
            };
        }
        let loose = match next {
            None => return Ok(End::Wait),
            Some(b'\r') => return Ok(End::Here(2)),
            Some(b'\n') => 2,
            Some(&VT | 0) => 1,
            Some(_) => return Ok(End::Content),
        };
        self.oddities.loose_ends += 1;
        Ok(End::Here(loose))
    }

    /// Whether a header follows the VT at a place, so that the sender began anew; `None`
    /// when too few bytes are here to tell.
    fn begins_anew(&self, at: usize) -> Option<bool> {
        let rest = &self.buffer[at + 1..];
        let blanks = rest
            .iter()
            .take(BLANKS_MAX)
            .take_while(|b| is_blank(**b) || matches!(b, 0xef | 0xbb | 0xbf))
            .count();
        let id = rest.get(blanks..).unwrap_or_default();
        let id = id.get(..3).unwrap_or(id);
        if !["MSH", "FHS", "BHS"].iter().any(|name| name.as_bytes().starts_with(id)) {
            return Some(false);
        }
        (id.len() == 3).then_some(true)
    }

    fn take_frame(&mut self, length: usize, end: usize) -> Event {
        let frame = self.buffer.split_to(length).freeze();
        self.buffer.advance(end);
        self.in_frame = false;
        self.after_frame = true;
        self.searched = 0;
        Event::Frame(frame)
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0)
}

/// Appends VT, the content, FS and CR.
pub fn encode(content: &[u8], out: &mut BytesMut) {
    out.reserve(content.len() + 3);
    out.extend_from_slice(&[VT]);
    out.extend_from_slice(content);
    out.extend_from_slice(&[FS, b'\r']);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Events as text: frames as they are, junk as a count, a fault as its code.
    fn decode(framing: Framing, max: usize, reads: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::new(framing, max);
        let mut events = Vec::new();
        let mut junk = 0;
        for read in reads {
            decoder.push(BytesMut::from(*read));
            loop {
                match decoder.next() {
                    Ok(None) => break,
                    Ok(Some(Event::Junk(n))) => junk += n,
                    Ok(Some(Event::Frame(frame))) => {
                        events.push(String::from_utf8_lossy(&frame).into_owned());
                    }
                    Err(fault) => {
                        events.push(fault.code().to_string());
                        return events;
                    }
                }
            }
        }
        if let Some(Event::Frame(frame)) = decoder.release() {
            events.push(format!("released {}", String::from_utf8_lossy(&frame)));
        }
        if junk > 0 {
            events.push(format!("junk {junk}"));
        }
        if decoder.in_frame() {
            events.push("unfinished".to_owned());
        }
        events
    }

    /// Checks lenient framing at once and byte by byte: both must find the same.
    fn check(wire: &str, expected: &[&str]) {
        let whole = decode(Framing::Lenient, 64, &[wire.as_bytes()]);
        assert_eq!(whole, expected, "{wire:?} at once");
        let bytes: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
        assert_eq!(decode(Framing::Lenient, 64, &bytes), expected, "{wire:?} by bytes");
    }

    #[test]
    fn lenient_framing() {
        check("\x0ba\x1c\r", &["a"]);
        check("\x0ba\x1c\r\x0bb\x1c\r", &["a", "b"]);
        check("\x0ba\x1c\x0bb\x1c\r", &["a", "b"]);
        check("\x0ba\x1c\n\x0bb\x1c\n", &["a", "b"]);
        check("\x0ba\x1c\r\n\x0bb\x1c\r\n", &["a", "b"]);
        check("\x0ba\x1c\r\0\0\x0bb\x1c\r", &["a", "b"]);
        check("\x0ba\x1c\0\x0bb\x1c\r", &["a", "b"]);
        check("\r\n  \x0ba\x1c\r", &["a"]);
        check("GET / HTTP/1.1\r\n", &["junk 12"]);
        check("xy\x0ba\x1c\r", &["a", "junk 2"]);
        check("\x0b\x1c\r\x0ba\x1c\r", &["", "a"]);
        check("\x0ba\x1cb\x1c\r", &["a\x1cb"]);
        check("\x0ba\x1c", &["released a"]);
        check("\x0ba\x1c\x1c\r", &["a\x1c"]);
        check("\x0bMSH|a\x0bMSH|b\x1c\r", &["MSH|b", "junk 6"]);
        check("\x0bMSH|a\x0b\r\nMSH|b\x1c\r", &["\r\nMSH|b", "junk 6"]);
        check("\x0bMSH|a\x0bb\x1c\r", &["MSH|a\x0bb"]);
        check("\x0bMSH|a", &["unfinished"]);
        check("", &[]);
    }

    #[test]
    fn strict_framing() {
        let check = |wire: &str, expected: &[&str]| {
            assert_eq!(decode(Framing::Strict, 64, &[wire.as_bytes()]), expected, "{wire:?}");
        };
        check("\x0ba\x1c\r\x0bb\x1c\r", &["a", "b"]);
        check("\x0ba\x1c\r\n\x0bb\x1c\r", &["a", "W2021"]);
        check("\x0ba\x1cb", &["W2021"]);
        check("\x0bMSH\x0bMSH|b", &["W2021"]);
        check("x", &["W2021"]);
    }

    #[test]
    fn the_limit_counts_content() {
        let check = |length: usize, expected: &str| {
            let wire = format!("\x0b{}\x1c\r", "x".repeat(length));
            let bytes: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
            for reads in [&[wire.as_bytes()][..], &bytes] {
                let found = decode(Framing::Lenient, 8, reads);
                assert_eq!(found.first().map(String::as_str), Some(expected), "{length}");
            }
        };
        check(8, "xxxxxxxx");
        check(9, "W2020");
        let endless: Vec<&[u8]> = std::iter::once(&b"\x0b"[..]).chain([&b"xxxx"[..]; 9]).collect();
        assert_eq!(decode(Framing::Lenient, 8, &endless), ["W2020"]);
    }

    #[test]
    fn frames_in_one_read_share_its_memory() {
        let read = BytesMut::from(&b"\x0babc\x1c\r\x0bdef\x1c\r"[..]);
        let start = read.as_ptr() as usize;
        let mut decoder = Decoder::new(Framing::Lenient, 64);
        decoder.push(read);
        for offset in [1, 7] {
            let Ok(Some(Event::Frame(frame))) = decoder.next() else { panic!("a frame") };
            assert_eq!(frame.as_ptr() as usize, start + offset);
        }
    }

    proptest! {
        #[test]
        fn cuts_between_reads_change_nothing(
            wire in proptest::collection::vec(
                prop_oneof![
                    Just(b"\x0b".to_vec()), Just(b"\x1c\r".to_vec()), Just(b"\x1c".to_vec()),
                    Just(b"MSH|".to_vec()), Just(b"\n".to_vec()), Just(b"ab".to_vec()),
                    Just(b"\0".to_vec()), Just(vec![0xef, 0xbb, 0xbf]),
                ], 0..24),
            size in 1usize..9,
        ) {
            let wire = wire.concat();
            let cut: Vec<&[u8]> = wire.chunks(size).collect();
            prop_assert_eq!(
                decode(Framing::Lenient, 16, &[&wire]), decode(Framing::Lenient, 16, &cut)
            );
        }

        #[test]
        fn written_frames_are_read(contents in proptest::collection::vec("[a-z|\r]{0,40}", 0..6)) {
            let mut wire = BytesMut::new();
            contents.iter().for_each(|content| encode(content.as_bytes(), &mut wire));
            for framing in [Framing::Strict, Framing::Lenient] {
                prop_assert_eq!(&decode(framing, 64, &[&wire]), &contents);
            }
        }
    }
}
