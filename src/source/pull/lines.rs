//! Cutting NDJSON into lines while it comes, in constant memory.

use bytes::{Bytes, BytesMut};

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the file, from 1; blank ones count.
    pub number: u64,
    /// Its bytes without the end of line; the first of them where it is too large.
    pub bytes: Bytes,
    /// Whether it is larger than a message may be.
    pub too_large: bool,
}

/// How much of a line that is too large is kept.
const CUT: usize = 4 << 10;

/// Collects pieces, gives lines.
pub(super) struct Lines {
    max: usize,
    held: BytesMut,
    too_large: bool,
    /// Lines that are over.
    pub seen: u64,
    /// Of these, lines that are not blank.
    pub filled: u64,
}

impl Lines {
    pub(super) fn new(max: usize) -> Self {
        Self { max, held: BytesMut::new(), too_large: false, seen: 0, filled: 0 }
    }

    /// Takes the next piece; gives the lines that end in it.
    pub(super) fn push(&mut self, mut piece: &[u8], lines: &mut Vec<Line>) {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(end);
            self.hold(line);
            self.end(lines);
            piece = rest.get(1..).unwrap_or_default();
        }
        self.hold(piece);
    }

    /// The file ended: gives what is left.
    pub(super) fn finish(&mut self, lines: &mut Vec<Line>) {
        if !self.held.is_empty() {
            self.end(lines);
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.too_large {
            return;
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() > self.max {
            self.too_large = true;
            self.held.truncate(CUT.min(self.max));
        }
    }

    fn end(&mut self, lines: &mut Vec<Line>) {
        self.seen += 1;
        let mut bytes = self.held.split().freeze();
        let too_large = std::mem::take(&mut self.too_large);
        while bytes.last().is_some_and(u8::is_ascii_whitespace) {
            bytes.truncate(bytes.len() - 1);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) && !too_large {
            return;
        }
        self.filled += 1;
        lines.push(Line { number: self.seen, bytes, too_large });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let check = |max: usize, text: &str, expected: &[&str]| {
            for size in [1, 2, 3, 7, text.len().max(1)] {
                let mut lines = Lines::new(max);
                let mut found = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    lines.push(piece, &mut found);
                }
                lines.finish(&mut found);
                let found: Vec<String> = found
                    .iter()
                    .map(|line| match line.too_large {
                        true => format!("{} too large", line.number),
                        false => {
                            format!("{} {}", line.number, String::from_utf8_lossy(&line.bytes))
                        }
                    })
                    .collect();
                assert_eq!(found, expected, "pieces of {size} of {text:?}");
            }
        };
        check(9, "", &[]);
        check(9, "\n\r\n \n", &[]);
        check(9, "a\nb\r\n\nc", &["1 a", "2 b", "4 c"]);
        check(3, "ab\nabcdefghij\nab\n", &["1 ab", "2 too large", "3 ab"]);
        check(3, "abcd", &["1 too large"]);
    }
}
