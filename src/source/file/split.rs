//! Cutting a file into messages while it is read, piece by piece, in constant memory.

use bytes::BytesMut;

use super::Split;
use crate::fault::{Fault, codes::W2404};
use crate::hl7v2::batch::{self, REFUSED_BYTES};

pub(super) use crate::hl7v2::batch::Part;

/// Collects pieces of a file, gives parts.
pub(super) enum Splitter {
    /// One message, or one a line.
    Plain(Plain),
    /// An HL7 v2 batch.
    Batch(Box<batch::Splitter>),
}

/// Cuts at line feeds or not at all.
pub(super) struct Plain {
    by_line: bool,
    max: usize,
    /// Bytes not given out yet, from the begin of a part on.
    held: BytesMut,
    /// Bytes of `held` that were looked at.
    seen: usize,
    /// Offset of the first byte of `held`.
    offset: u64,
    /// The part is larger than may be; its bytes past the kept ones are dropped.
    dropping: bool,
}

impl Splitter {
    pub(super) fn new(split: Split, max: usize) -> Self {
        let by_line = match split {
            Split::Hl7Batch => return Self::Batch(Box::new(batch::Splitter::new(max))),
            Split::Whole => false,
            Split::Lines | Split::Ndjson => true,
        };
        let held = BytesMut::new();
        Self::Plain(Plain { by_line, max, held, seen: 0, offset: 0, dropping: false })
    }

    /// Takes the next bytes of the file; gives the parts that end in them.
    pub(super) fn push(&mut self, piece: &[u8], parts: &mut Vec<Part>) {
        match self {
            Self::Plain(plain) => plain.push(piece, parts),
            Self::Batch(batch) => batch.push(piece, parts),
        }
    }

    /// The file ended: gives what is left.
    pub(super) fn finish(&mut self, parts: &mut Vec<Part>) {
        match self {
            Self::Plain(plain) => {
                plain.lines(parts);
                plain.cut(plain.held.len(), parts);
            }
            Self::Batch(batch) => batch.finish(parts),
        }
    }

    /// What is wrong with the envelope of a batch, after its end.
    pub(super) fn findings(&self) -> Vec<Fault> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Batch(batch) => batch.findings(),
        }
    }
}

impl Plain {
    fn push(&mut self, piece: &[u8], parts: &mut Vec<Part>) {
        self.held.extend_from_slice(piece);
        self.lines(parts);
        self.bound();
    }

    fn lines(&mut self, parts: &mut Vec<Part>) {
        if !self.by_line {
            return;
        }
        while let Some(end) = memchr::memchr(b'\n', self.held.get(self.seen..).unwrap_or(&[])) {
            self.cut(self.seen + end + 1, parts);
        }
        self.seen = self.held.len();
    }

    /// Gives out the first `end` bytes as a part; blank ones are passed over.
    fn cut(&mut self, end: usize, parts: &mut Vec<Part>) {
        let offset = self.offset;
        let taken = self.held.split_to(end.min(self.held.len()));
        self.offset += taken.len() as u64;
        self.seen = 0;
        let too_large = std::mem::take(&mut self.dropping) || taken.len() > self.max;
        let mut bytes = taken.freeze();
        while self.by_line && matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.truncate(bytes.len() - 1);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) && !too_large {
            return;
        }
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
        // The last bytes stay: a line feed may be among them.
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
        check(
            Split::Hl7Batch,
            100,
            "FHS|^\rBHS|^\rMSH|1\rPID|MSH\rMSH|2\rBTS|2\rFTS|1\r",
            &["MSH|1\rPID|MSH\r", "MSH|2\r"],
        );
        check(Split::Hl7Batch, 100, "not HL7 at all\r\nreally\r\n", &["W2407"]);
        let mut splitter = Splitter::new(Split::Hl7Batch, 1000);
        splitter.push(b"BHS|\rMSH|1\rBTS|2\r", &mut Vec::new());
        splitter.finish(&mut Vec::new());
        assert_eq!(splitter.findings().len(), 1);
    }
}
