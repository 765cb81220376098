//! Cutting a file into messages while it is read, piece by piece, in constant memory.

use bytes::{Bytes, BytesMut};

use super::Split;
use crate::fault::{Fault, codes::*};

/// Bytes of a message that is too large that are kept: enough to read MSH.
const REFUSED_BYTES: usize = 64 << 10;

/// One message of a file, or what stands in the place of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Offset of its first byte in the file, from 0.
    pub offset: u64,
    /// Its bytes; cut where it is too large.
    pub bytes: Bytes,
    /// Why it cannot be taken.
    pub fault: Option<Fault>,
}

/// Collects pieces of a file, gives parts.
pub(super) struct Splitter {
    split: Split,
    max: usize,
    /// Bytes not given out yet, from the begin of a part on.
    held: BytesMut,
    /// Bytes of `held` that were looked at.
    seen: usize,
    /// Offset of the first byte of `held`.
    offset: u64,
    /// The part is larger than may be; its bytes past the kept ones are dropped.
    dropping: bool,
    /// A message of a batch has begun: envelope segments before it are passed over.
    in_message: bool,
    /// Messages of the batch so far, and what its trailers say.
    messages: u64,
    promised: Option<u64>,
}

impl Splitter {
    pub(super) fn new(split: Split, max: usize) -> Self {
        Self {
            split,
            max,
            held: BytesMut::new(),
            seen: 0,
            offset: 0,
            dropping: false,
            in_message: false,
            messages: 0,
            promised: None,
        }
    }

    /// Takes the next bytes of the file; gives the parts that end in them.
    pub(super) fn push(&mut self, piece: &[u8], parts: &mut Vec<Part>) {
        self.held.extend_from_slice(piece);
        match self.split {
            Split::Whole => {}
            Split::Lines | Split::Ndjson => self.lines(parts),
            Split::Hl7Batch => self.segments(parts, false),
        }
        self.bound();
    }

    /// The file ended: gives what is left.
    pub(super) fn finish(&mut self, parts: &mut Vec<Part>) {
        match self.split {
            Split::Whole => self.cut(self.held.len(), parts),
            Split::Lines | Split::Ndjson => {
                self.lines(parts);
                self.cut(self.held.len(), parts);
            }
            Split::Hl7Batch => {
                self.segments(parts, true);
                self.end_message(self.held.len(), parts);
            }
        }
    }

    /// The number of messages that the trailer of an HL7 batch names, where it differs
    /// from the number found.
    pub(super) fn miscount(&self) -> Option<(u64, u64)> {
        self.promised.filter(|p| *p != self.messages).map(|p| (p, self.messages))
    }

    fn lines(&mut self, parts: &mut Vec<Part>) {
        while let Some(end) = memchr::memchr(b'\n', self.held.get(self.seen..).unwrap_or(&[])) {
            self.cut(self.seen + end + 1, parts);
        }
        self.seen = self.held.len();
    }

    /// Cuts before each `MSH` and at envelope segments (`FHS BHS BTS FTS`).
    fn segments(&mut self, parts: &mut Vec<Part>, ended: bool) {
        loop {
            let start = if self.seen == 0 { Some(0) } else { self.next_segment() };
            let Some(start) = start else { break };
            // A tag that is not all here yet is looked at again with the next piece.
            if self.held.len() - start < 4 && !ended {
                self.seen = start;
                if start == 0 {
                    break;
                }
                self.seen = start - 1;
                break;
            }
            let tag = self.held.get(start..start + 3).unwrap_or(&[]);
            let envelope = matches!(tag, b"FHS" | b"BHS" | b"BTS" | b"FTS");
            let message = tag == b"MSH";
            if (envelope || message) && start > 0 {
                self.end_message(start, parts);
            }
            if envelope && !self.envelope(ended) {
                break;
            }
            if message {
                self.in_message = true;
                self.seen = 3;
            } else if !envelope {
                self.seen = start + 1;
            }
            if self.held.is_empty() {
                break;
            }
        }
    }

    /// Where the next segment begins: after a terminator at or behind `seen - 1`.
    fn next_segment(&mut self) -> Option<usize> {
        let from = self.seen.saturating_sub(1);
        let mut at = from;
        loop {
            let rest = self.held.get(at..)?;
            let found = memchr::memchr2(b'\r', b'\n', rest)?;
            let next = at + found + 1;
            match self.held.get(next) {
                Some(b'\r' | b'\n') => at = next,
                Some(_) => return Some(next),
                None => return None,
            }
        }
    }

    fn end_message(&mut self, end: usize, parts: &mut Vec<Part>) {
        // Bytes before the first MSH belong to no message: they are refused, not dropped.
        let stray = !std::mem::take(&mut self.in_message);
        let before = (parts.len(), self.messages);
        self.cut(end, parts);
        if stray && parts.len() > before.0 {
            self.messages = before.1;
            if let Some(part) = parts.last_mut() {
                part.fault = Some(Fault::new(W2407));
            }
        }
    }

    /// Passes over an envelope segment at the begin of `held`; false when its end is not
    /// here yet.
    fn envelope(&mut self, ended: bool) -> bool {
        let end = memchr::memchr2(b'\r', b'\n', &self.held);
        let Some(end) = end.or_else(|| ended.then_some(self.held.len())) else {
            self.seen = 0;
            return false;
        };
        let segment = self.held.get(..end).unwrap_or(&[]);
        if segment.starts_with(b"BTS") {
            // Source: HL7 v2.5.1 §2.15.3, BTS-1 batch message count.
            let count = segment.get(4..).and_then(|rest| {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                std::str::from_utf8(rest.get(..digits)?).ok()?.parse::<u64>().ok()
            });
            self.promised = match (self.promised, count) {
                (Some(before), Some(count)) => Some(before.saturating_add(count)),
                (before, count) => count.or(before),
            };
        }
        let mut next = end;
        while matches!(self.held.get(next), Some(b'\r' | b'\n')) {
            next += 1;
        }
        self.skip(next);
        true
    }

    fn skip(&mut self, bytes: usize) {
        let _ = self.held.split_to(bytes.min(self.held.len()));
        self.offset += bytes as u64;
        self.seen = 0;
        self.dropping = false;
    }

    /// Gives out the first `end` bytes as a part; blank ones are passed over.
    fn cut(&mut self, end: usize, parts: &mut Vec<Part>) {
        let offset = self.offset;
        let taken = self.held.split_to(end.min(self.held.len()));
        self.offset += taken.len() as u64;
        self.seen = 0;
        let too_large = std::mem::take(&mut self.dropping) || taken.len() > self.max;
        let mut bytes = taken.freeze();
        match self.split {
            Split::Lines | Split::Ndjson => {
                while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                    bytes.truncate(bytes.len() - 1);
                }
            }
            Split::Whole | Split::Hl7Batch => {}
        }
        if bytes.iter().all(u8::is_ascii_whitespace) && !too_large {
            return;
        }
        self.messages += 1;
        let fault = too_large.then(|| Fault::new(W2404));
        if too_large {
            bytes.truncate(REFUSED_BYTES);
        }
        parts.push(Part { offset, bytes, fault });
    }

    /// Drops the bytes of a part that is larger than may be, all but its begin. What was
    /// dropped still counts for offsets.
    fn bound(&mut self) {
        let keep = self.max.min(REFUSED_BYTES);
        if self.held.len() <= self.max.max(4) && !self.dropping || self.held.len() <= keep + 8 {
            return;
        }
        self.dropping = true;
        // The last bytes stay: a terminator or tag may be cut by the end of the piece.
        let tail = self.held.split_off(self.held.len() - 8);
        let dropped = self.held.len() - keep;
        self.held.truncate(keep);
        self.held.extend_from_slice(&tail);
        self.offset += dropped as u64;
        self.seen = self.seen.saturating_sub(dropped).min(self.held.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits a text fed in pieces of every size from 1 to 7 and as a whole.
    fn check(split: Split, max: usize, text: &str, expected: &[&str]) {
        for size in [1, 2, 3, 5, 7, text.len().max(1)] {
            let mut splitter = Splitter::new(split, max);
            let mut parts = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                splitter.push(piece, &mut parts);
            }
            splitter.finish(&mut parts);
            let found: Vec<String> = parts
                .iter()
                .map(|part| {
                    let text = String::from_utf8_lossy(&part.bytes).into_owned();
                    match &part.fault {
                        Some(fault) if fault.code() == W2404 => "TOO LARGE".to_owned(),
                        Some(fault) => fault.code().to_string(),
                        None => text,
                    }
                })
                .collect();
            assert_eq!(found, expected, "pieces of {size} of {text:?}");
        }
    }

    #[test]
    fn whole_files_stay_whole() {
        check(Split::Whole, 100, "MSH|a\rPID|b\r", &["MSH|a\rPID|b\r"]);
        check(Split::Whole, 100, "", &[]);
        check(Split::Whole, 100, " \r\n", &[]);
        check(Split::Whole, 10, &"x".repeat(200_000), &["TOO LARGE"]);
    }

    #[test]
    fn lines_are_cut_and_blank_ones_passed_over() {
        check(Split::Lines, 100, "a\nb\r\n\nc", &["a", "b", "c"]);
        check(Split::Ndjson, 100, "{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"]);
        check(Split::Lines, 3, "ab\nabcdefghij\nab\n", &["ab", "TOO LARGE", "ab"]);
    }

    #[test]
    fn batches_are_cut_at_msh() {
        check(Split::Hl7Batch, 100, "MSH|1\rPID\rMSH|2\rPID\r", &["MSH|1\rPID\r", "MSH|2\rPID\r"]);
        check(
            Split::Hl7Batch,
            100,
            "FHS|^\rBHS|^\rMSH|1\rPID|MSH\rMSH|2\rBTS|2\rFTS|1\r",
            &["MSH|1\rPID|MSH\r", "MSH|2\r"],
        );
        check(Split::Hl7Batch, 100, "MSH|1\nPID\nMSH|2", &["MSH|1\nPID\n", "MSH|2"]);
        check(
            Split::Hl7Batch,
            100,
            "MSH|1\r\nPID\r\n\r\nMSH|2\r\n",
            &["MSH|1\r\nPID\r\n\r\n", "MSH|2\r\n"],
        );
        check(Split::Hl7Batch, 100, "FHS|\rBHS|\rBTS|0\rFTS|1", &[]);
        check(Split::Hl7Batch, 100, "", &[]);
        check(Split::Hl7Batch, 100, "MSH", &["MSH"]);
    }

    #[test]
    fn bytes_outside_messages_are_refused() {
        check(Split::Hl7Batch, 100, "not HL7 at all\r\nreally\r\n", &["W2407"]);
        check(Split::Hl7Batch, 100, "BHS|\rPID|1\rMSH|1\r", &["W2407", "MSH|1\r"]);
        check(Split::Hl7Batch, 100, "MSH|1\rBTS|1\rPID|1\r", &["MSH|1\r", "W2407"]);
        check(Split::Hl7Batch, 100, "\r\n\r\nMSH|1\r", &["MSH|1\r"]);
    }

    #[test]
    fn a_message_that_is_too_large_does_not_hide_the_next() {
        let large = format!("MSH|1\rZZZ|{}\rMSH|2\rPID\r", "x".repeat(300_000));
        check(Split::Hl7Batch, 1000, &large, &["TOO LARGE", "MSH|2\rPID\r"]);
    }

    #[test]
    fn counts_of_trailers_are_compared() {
        let count = |text: &str| {
            let mut splitter = Splitter::new(Split::Hl7Batch, 1000);
            splitter.push(text.as_bytes(), &mut Vec::new());
            splitter.finish(&mut Vec::new());
            splitter.miscount()
        };
        assert_eq!(count("BHS|\rMSH|1\rBTS|1\r"), None);
        assert_eq!(count("BHS|\rMSH|1\rBTS|2\r"), Some((2, 1)));
        assert_eq!(count("MSH|1\r"), None);
        assert_eq!(count("BHS|\rMSH|1\rBTS|1\rBHS|\rMSH|2\rBTS|1\r"), None);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut splitter = Splitter::new(Split::Hl7Batch, 1000);
        splitter.push(b"MSH|1\rOBX|", &mut Vec::new());
        for _ in 0..200 {
            splitter.push(&[b'x'; 65536], &mut Vec::new());
            assert!(splitter.held.len() < 200_000);
        }
    }
}
