//! What the envelope of a batch says, compared with what is there.

use crate::fault::codes::{W2050, W2051};
use crate::fault::{Code, Fault, Place};

/// Most problems of one envelope that are told: a file may hold as many batches as messages.
const FINDINGS_MAX: usize = 100;

/// The envelope of a file or frame, followed segment by segment.
///
/// Source: HL7 v2.5.1 §2.10.3: `[FHS] { [BHS] { messages } [BTS] } [FTS]`.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// Batches of the open file, for FTS-1.
    batches: u64,
    /// Messages of the open batch, for BTS-1.
    messages: u64,
    has_file: bool,
    has_batch: bool,
    was_open: bool,
    findings: Vec<Fault>,
}

impl Envelope {
    /// Takes note of a message.
    pub fn message(&mut self) {
        self.messages += 1;
    }

    /// Takes note of FHS, BHS, BTS or FTS, without its terminator; of others, nothing.
    pub fn segment(&mut self, raw: &[u8]) {
        match raw.get(..3) {
            Some(b"FHS") => {
                self.close_batch();
                if self.has_file {
                    self.note(W2050, "FHS", "the file before it has no FTS");
                }
                (self.has_file, self.batches) = (true, 0);
            }
            Some(b"BHS") => {
                if self.has_batch {
                    self.note(W2050, "BHS", "the batch before it has no BTS");
                }
                self.has_batch = true;
                self.batches += 1;
                self.messages = 0;
            }
            Some(b"BTS") => {
                if !self.has_batch {
                    self.note(W2050, "BTS", "there is no header for this trailer");
                }
                self.compare(raw, "BTS-1", self.messages);
                self.has_batch = false;
                self.messages = 0;
            }
            Some(b"FTS") => {
                self.close_batch();
                if !self.has_file {
                    self.note(W2050, "FTS", "there is no header for this trailer");
                }
                // A file of messages without BHS counts as one batch.
                self.compare(raw, "FTS-1", self.batches.max(1));
                self.has_file = false;
            }
            _ => return,
        }
        self.was_open = true;
    }

    /// Whether a batch is open.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.has_batch
    }

    /// Whether there was any segment of an envelope.
    #[must_use]
    pub fn is_open_or_was(&self) -> bool {
        self.was_open
    }

    /// What is wrong, when nothing follows any more: `W2050` for segments that are missing,
    /// `W2051` for counts that differ. No problem loses a message.
    #[must_use]
    pub fn finish(mut self) -> Vec<Fault> {
        self.close_batch();
        if self.has_file {
            self.note(W2050, "FTS", "the file has no trailer; part of it may be missing");
        }
        self.findings
    }

    fn close_batch(&mut self) {
        if std::mem::take(&mut self.has_batch) {
            self.note(W2050, "BTS", "the batch has no trailer; part of it may be missing");
        }
    }

    fn compare(&mut self, raw: &[u8], place: &'static str, seen: u64) {
        if let Some(stated) = stated_count(raw).filter(|stated| *stated != seen) {
            self.note(W2051, place, format!("it says {stated}, and there are {seen}"));
        }
    }

    fn note(&mut self, code: Code, place: &'static str, cause: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Fault::new(code).at(Place::path(place)).because(cause.into()));
        }
    }
}

/// BTS-1 or FTS-1, where it is a number.
fn stated_count(trailer: &[u8]) -> Option<u64> {
    let separator = *trailer.get(3)?;
    let field = trailer.get(4..)?.split(|b| *b == separator).next()?;
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}
