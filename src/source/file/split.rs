//! Cutting a file into messages while it is read, piece by piece, in constant memory.

use bytes::Bytes;

use super::Split;
use crate::fault::{Fault, codes::W2404};
use crate::hl7v2::batch::{self, Held};

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
    held: Held,
}

impl Splitter {
    pub(super) fn new(split: Split, max: usize) -> Self {
        let by_line = match split {
            Split::Hl7Batch => return Self::Batch(Box::new(batch::Splitter::new(max))),
            Split::Whole | Split::Cda => false,
            Split::Lines | Split::Ndjson => true,
        };
        Self::Plain(Plain { by_line, held: Held::new(max) })
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
                plain.cut(plain.held.bytes().len(), parts);
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

    /// Segments of the envelope behind the last message, after the end.
    pub(super) fn trailers(&mut self) -> Vec<Bytes> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Batch(batch) => batch.trailers(),
        }
    }
}

impl Plain {
    fn push(&mut self, piece: &[u8], parts: &mut Vec<Part>) {
        self.held.push(piece);
        self.lines(parts);
        self.held.bound();
    }

    fn lines(&mut self, parts: &mut Vec<Part>) {
        if !self.by_line {
            return;
        }
        loop {
            let seen = self.held.seen;
            let rest = self.held.bytes().get(seen..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else { break };
            self.cut(seen + end + 1, parts);
        }
        self.held.seen = self.held.bytes().len();
    }

    /// Gives out the first `end` bytes as a part; blank ones are passed over.
    fn cut(&mut self, end: usize, parts: &mut Vec<Part>) {
        let mut cut = self.held.cut(end);
        if cut.is_blank() {
            return;
        }
        while self.by_line && matches!(cut.bytes.last(), Some(b'\n' | b'\r')) {
            cut.bytes.truncate(cut.bytes.len() - 1);
        }
        let fault = cut.too_large.then(|| Fault::new(W2404));
        parts.push(Part { offset: cut.offset, bytes: cut.bounded(), fault, envelope: Vec::new() });
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
