//! Dividing a batch into messages while it is read, in constant memory.

use std::io::{self, Read};

use bytes::Bytes;

use super::envelope::Envelope;
use super::held::Held;
use crate::fault::Fault;
use crate::fault::codes::{W2060, W2404, W2407};
use crate::hl7v2::charset::Wide;

/// Bytes of a message that is too large that are kept: enough to read MSH.
pub const REFUSED_BYTES: usize = 64 << 10;

/// Bytes that a [`Reader`] reads at a time.
const PIECE: usize = 64 << 10;

/// One message of a batch, or what stands in the place of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Offset of its first byte, from 0.
    pub offset: u64,
    /// Its bytes; cut where it is too large.
    pub bytes: Bytes,
    /// Why it cannot be taken: `W2404` too large, `W2407` no message.
    pub fault: Option<Fault>,
    /// Segments of the envelope between the part before and this one, without terminators;
    /// at most [`BETWEEN_BYTES_MAX`] of them.
    pub envelope: Vec<Bytes>,
}

/// Bytes of the envelope that are kept between two messages: four segments are usual, and a
/// file of nothing but envelopes must not fill memory. What is past it is still counted.
pub const BETWEEN_BYTES_MAX: usize = 64 << 10;

/// Collects pieces of a batch, gives messages.
///
/// Holds one message at most, and of one that is larger than may be only its begin.
pub struct Splitter {
    held: Held,
    /// A message has begun: envelope segments before it are passed over.
    in_message: bool,
    /// The begin of the whole was looked at for marks.
    has_begun: bool,
    /// Nothing can be found in what is read: it is of wider characters.
    is_wide: bool,
    envelope: Envelope,
    /// Segments of the envelope since the last message.
    between: Vec<Bytes>,
    between_bytes: usize,
}

impl Splitter {
    /// `max` is the largest message, in bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            held: Held::new(max),
            in_message: false,
            has_begun: false,
            is_wide: false,
            envelope: Envelope::default(),
            between: Vec::new(),
            between_bytes: 0,
        }
    }

    /// Takes the next bytes; gives the messages that end in them.
    pub fn push(&mut self, piece: &[u8], parts: &mut Vec<Part>) {
        self.held.push(piece);
        if !self.has_begun && self.held.bytes().len() < 8 {
            return;
        }
        self.begin();
        if !self.is_wide {
            self.segments(parts, false);
        }
        self.held.bound();
    }

    /// Nothing follows: gives what is left.
    pub fn finish(&mut self, parts: &mut Vec<Part>) {
        self.begin();
        if !self.is_wide {
            self.segments(parts, true);
        }
        self.end_message(self.held.bytes().len(), parts);
    }

    /// What is wrong with the envelope so far; whole after [`Splitter::finish`].
    #[must_use]
    pub fn findings(&self) -> Vec<Fault> {
        self.envelope.clone().finish()
    }

    /// Segments of the envelope behind the last message; whole after [`Splitter::finish`].
    #[must_use]
    pub fn trailers(&mut self) -> Vec<Bytes> {
        self.between_bytes = 0;
        std::mem::take(&mut self.between)
    }

    /// Most bytes that are held now; for tests of the bound.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.bytes().len()
    }

    /// Looks at the first bytes: passes over a byte order mark, finds wider characters.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        if self.held.bytes().starts_with(b"\xef\xbb\xbf") {
            self.held.skip(3);
        }
        self.is_wide = Wide::of(self.held.bytes()).is_some();
    }

    /// Cuts before each `MSH` and at envelope segments.
    fn segments(&mut self, parts: &mut Vec<Part>, ended: bool) {
        loop {
            let start = if self.held.seen == 0 { Some(0) } else { self.next_segment() };
            let Some(start) = start else { break };
            let held = self.held.bytes();
            // A tag that is not all here yet is looked at again with the next piece.
            if held.len() - start < 4 && !ended {
                self.held.seen = start.saturating_sub(1);
                break;
            }
            let tag = held.get(start..start + 3).unwrap_or_default();
            // A letter or a blank after the name means text that follows a line feed.
            let separator = held.get(start + 3);
            let is_name = separator.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b' ');
            let envelope = is_name && matches!(tag, b"FHS" | b"BHS" | b"BTS" | b"FTS");
            let message = is_name && tag == b"MSH";
            if (envelope || message) && start > 0 {
                self.end_message(start, parts);
            }
            if envelope && !self.envelope(ended) {
                break;
            }
            if message {
                self.in_message = true;
                self.held.seen = 3;
            } else if !envelope {
                self.held.seen = start + 1;
            }
            if self.held.bytes().is_empty() {
                break;
            }
        }
    }

    /// Where the next segment begins: after a terminator at or behind `seen - 1`.
    fn next_segment(&mut self) -> Option<usize> {
        let held = self.held.bytes();
        let mut at = self.held.seen.saturating_sub(1);
        let seen = loop {
            let Some(found) = memchr::memchr2(b'\r', b'\n', held.get(at..)?) else {
                break held.len();
            };
            let next = at + found + 1;
            match held.get(next) {
                Some(b'\r' | b'\n') => at = next,
                Some(_) => return Some(next),
                None => break next,
            }
        };
        self.held.seen = seen;
        None
    }

    fn end_message(&mut self, end: usize, parts: &mut Vec<Part>) {
        // Bytes before the first MSH belong to no message: they are refused, not dropped.
        let is_stray = !std::mem::take(&mut self.in_message);
        let cut = self.held.cut(end);
        if cut.is_blank() {
            return;
        }
        if !is_stray {
            self.envelope.message();
        }
        let fault = match (is_stray, cut.too_large) {
            _ if self.is_wide => {
                let cause = "batches of UTF-16 or UTF-32 are not divided; put each message \
                    into a file of its own";
                Some(Fault::new(W2060).because(cause))
            }
            (true, _) => Some(Fault::new(W2407)),
            (false, true) => Some(Fault::new(W2404)),
            (false, false) => None,
        };
        let envelope = self.trailers();
        parts.push(Part { offset: cut.offset, bytes: cut.bounded(), fault, envelope });
    }

    /// Passes over an envelope segment at the begin of what is held; false when its end is
    /// not here yet.
    fn envelope(&mut self, ended: bool) -> bool {
        let held = self.held.bytes();
        let end = memchr::memchr2(b'\r', b'\n', held);
        let Some(end) = end.or_else(|| ended.then_some(held.len())) else {
            self.held.seen = 0;
            return false;
        };
        let raw = held.get(..end).unwrap_or_default();
        self.envelope.segment(raw);
        if self.between_bytes + raw.len() <= BETWEEN_BYTES_MAX {
            self.between_bytes += raw.len();
            self.between.push(Bytes::copy_from_slice(raw));
        }
        let rest = held.get(end..).unwrap_or_default();
        let blanks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.held.skip(end + blanks);
        true
    }
}

/// The messages of a batch that is read, one by one.
///
/// An error of the input ends it; what was given out before stays good.
pub struct Reader<R> {
    input: R,
    splitter: Splitter,
    parts: std::collections::VecDeque<Part>,
    piece: Vec<u8>,
    has_ended: bool,
}

impl<R: Read> Reader<R> {
    /// `max` is the largest message, in bytes.
    pub fn new(input: R, max: usize) -> Self {
        Self {
            input,
            splitter: Splitter::new(max),
            parts: std::collections::VecDeque::new(),
            piece: vec![0; PIECE],
            has_ended: false,
        }
    }

    /// What is wrong with the envelope; whole after the last message.
    #[must_use]
    pub fn findings(&self) -> Vec<Fault> {
        self.splitter.findings()
    }

    /// Bytes that are held now: of the message under way, and of those that the last piece
    /// completed.
    #[must_use]
    pub fn held(&self) -> usize {
        self.splitter.held() + self.parts.iter().map(|part| part.bytes.len()).sum::<usize>()
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<Part>;

    fn next(&mut self) -> Option<io::Result<Part>> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Some(Ok(part));
            }
            if self.has_ended {
                return None;
            }
            let mut parts = Vec::new();
            match self.input.read(&mut self.piece) {
                Ok(0) => {
                    self.has_ended = true;
                    self.splitter.finish(&mut parts);
                }
                Ok(length) => {
                    self.splitter.push(self.piece.get(..length).unwrap_or_default(), &mut parts);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.has_ended = true;
                    return Some(Err(error));
                }
            }
            self.parts.extend(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a text fed in pieces of every size from 1 to 7 and as a whole.
    fn check(max: usize, text: &str, expected: &[&str]) {
        for size in [1, 2, 3, 5, 7, text.len().max(1)] {
            let mut splitter = Splitter::new(max);
            let mut parts = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                splitter.push(piece, &mut parts);
            }
            splitter.finish(&mut parts);
            let found: Vec<String> = parts
                .iter()
                .map(|part| match &part.fault {
                    Some(fault) => fault.code().to_string(),
                    None => String::from_utf8_lossy(&part.bytes).into_owned(),
                })
                .collect();
            assert_eq!(found, expected, "pieces of {size} of {text:?}");
            for part in parts.iter().filter(|part| part.fault.is_none()) {
                let at = usize::try_from(part.offset).unwrap();
                assert!(text.as_bytes()[at..].starts_with(&part.bytes), "{text:?}");
            }
        }
    }

    #[test]
    fn batches_are_cut_at_msh() {
        check(100, "MSH|1\rPID\rMSH|2\rPID\r", &["MSH|1\rPID\r", "MSH|2\rPID\r"]);
        check(
            100,
            "FHS|^\rBHS|^\rMSH|1\rPID|MSH\rMSH|2\rBTS|2\rFTS|1\r",
            &["MSH|1\rPID|MSH\r", "MSH|2\r"],
        );
        check(100, "MSH|1\nPID\nMSH|2", &["MSH|1\nPID\n", "MSH|2"]);
        check(100, "MSH|1\r\nPID\r\n\r\nMSH|2\r\n", &["MSH|1\r\nPID\r\n\r\n", "MSH|2\r\n"]);
        check(100, "MSH|1\rNTE|a\nMSH is text\rMSH|2", &["MSH|1\rNTE|a\nMSH is text\r", "MSH|2"]);
        check(100, "\u{feff}MSH|1\rMSH|2\r", &["MSH|1\r", "MSH|2\r"]);
        check(100, "FHS|\rBHS|\rBTS|0\rFTS|1", &[]);
        check(100, "", &[]);
        check(100, "MSH", &["MSH"]);
    }

    #[test]
    fn bytes_outside_messages_are_refused() {
        check(100, "not HL7 at all\r\nreally\r\n", &["W2407"]);
        check(100, "BHS|\rPID|1\rMSH|1\r", &["W2407", "MSH|1\r"]);
        check(100, "MSH|1\rBTS|1\rPID|1\r", &["MSH|1\r", "W2407"]);
        check(100, "\r\n\r\nMSH|1\r", &["MSH|1\r"]);
        check(100, "M\0S\0H\0|\0^\0\r\0M\0S\0H\0", &["W2060"]);
    }

    #[test]
    fn a_message_that_is_too_large_does_not_hide_the_next() {
        let large = format!("MSH|1\rZZZ|{}\rMSH|2\rPID\r", "x".repeat(300_000));
        check(1000, &large, &["W2404", "MSH|2\rPID\r"]);
    }

    #[test]
    fn envelopes_are_checked() {
        let check = |text: &str, expected: &[&str]| {
            let mut reader = Reader::new(text.as_bytes(), 1000);
            while reader.next().is_some() {}
            let found: Vec<String> = reader.findings().iter().map(Fault::line).collect();
            let found: Vec<&str> = found.iter().map(|line| line.get(..5).unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("BHS|\rMSH|1\rBTS|1\r", &[]);
        check("BHS|\rMSH|1\rBTS|2\r", &["W2051"]);
        check("MSH|1\r", &[]);
        check("BHS|\rMSH|1\rBTS|1\rBHS|\rMSH|2\rBTS|1\r", &[]);
        check("FHS|\rBHS|\rMSH|1\rBTS|1\rFTS|2\r", &["W2051"]);
        check("FHS|\rBHS|\rMSH|1\r", &["W2050", "W2050"]);
        check("MSH|1\rBTS|1\r", &["W2050"]);
    }

    /// Gives a batch without end of the same message.
    struct Many {
        left: usize,
        at: usize,
    }

    const MESSAGE: &[u8] = b"MSH|^~\\&|A|B|||20260102||ADT^A01|7|P|2.5\rEVN|A01\rPID|1||5\r";

    impl Read for Many {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Ok(0);
            }
            let rest = &MESSAGE[self.at..];
            let length = rest.len().min(out.len());
            out[..length].copy_from_slice(&rest[..length]);
            self.at = (self.at + length) % MESSAGE.len();
            self.left -= usize::from(self.at == 0);
            Ok(length)
        }
    }

    #[test]
    fn a_hundred_thousand_messages_take_the_memory_of_one_piece() {
        let mut reader = Reader::new(Many { left: 100_000, at: 0 }, 10_000);
        let (mut count, mut most) = (0, 0);
        while let Some(part) = reader.next() {
            let part = part.unwrap();
            assert_eq!((&*part.bytes, &part.fault), (MESSAGE, &None));
            assert_eq!(part.offset, count * MESSAGE.len() as u64);
            count += 1;
            most = most.max(reader.held());
        }
        assert_eq!(count, 100_000);
        assert!(most <= 2 * PIECE, "{most} bytes were held");
    }

    #[test]
    fn memory_stays_bounded_in_one_message() {
        let mut splitter = Splitter::new(1000);
        splitter.push(b"MSH|1\rOBX|", &mut Vec::new());
        for _ in 0..200 {
            splitter.push(&[b'x'; 65536], &mut Vec::new());
            assert!(splitter.held() < 200_000);
        }
    }
}
