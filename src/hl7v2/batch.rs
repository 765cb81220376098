//! Files and frames with several messages: FHS, BHS, BTS and FTS, or no envelope.
//!
//! Invariant: each byte that belongs to a message is in exactly one slice of the result,
//! and the slices share the memory of the input.

use bytes::Bytes;

use super::delimiters::Delimiters;
use super::scan::{self, SegmentId};
use super::tolerance::Tolerances;
use crate::fault::codes::{W2001, W2002, W2050, W2051};
use crate::fault::{Fault, Place};

/// Most messages in one file: at some hundred bytes each the frame limit allows no more.
pub const MESSAGES_MAX: usize = 1_000_000;

/// The messages of a batch, and what is odd about its envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The messages in order, as they came, each from MSH to the terminator of its last
    /// segment.
    pub messages: Vec<Bytes>,
    /// FHS-11 or BHS-11 as it stands: the control ID of the outermost envelope.
    pub control_id: Option<Bytes>,
    /// Problems that lose no message, such as counts of trailers that differ (`W2051`).
    pub warnings: Vec<Fault>,
}

/// Divides content into messages.
///
/// Takes FHS/BHS/BTS/FTS envelopes, complete or not, and messages without any. Counts in
/// BTS-1 and FTS-1 are compared with what is there.
///
/// # Errors
/// `W2001` when there is nothing, `W2002` when segments stand outside of any message,
/// `W2003` and `W2004` when the first header is unusable, `W2050` without any message.
pub fn split(bytes: &Bytes) -> Result<Batch, Fault> {
    let start = bytes
        .windows(3)
        .take(64)
        .position(|id| matches!(id, b"FHS" | b"BHS" | b"MSH"))
        .filter(|at| !bytes[..*at].iter().any(u8::is_ascii_alphanumeric));
    let Some(start) = start else {
        let is_blank = bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0);
        return Err(Fault::new(if is_blank { W2001 } else { W2002 }));
    };
    let delimiters = Delimiters::read(&bytes[start..])?;
    let entries = scan::segments(bytes, start, delimiters.field, &mut Tolerances::default())?;
    let mut state = State::default();
    for entry in &entries {
        let (from, to) = (entry.start as usize, entry.end as usize);
        let raw = &bytes[from..to];
        // A header may declare delimiters of its own, so the name alone is looked at.
        let id = raw.get(..3).and_then(SegmentId::new).unwrap_or(SegmentId::NONE);
        state.take(bytes, id.as_str(), from, to)?;
    }
    state.close(bytes, bytes.len());
    let State { mut batch, batches, .. } = state;
    if batch.messages.is_empty() && batches == 0 && batch.control_id.is_none() {
        return Err(Fault::new(W2050).because("it holds no message"));
    }
    batch.warnings.dedup();
    Ok(batch)
}

/// What has been seen of an envelope.
#[derive(Default)]
struct State {
    batch: Batch,
    /// Where the open message begins.
    open: Option<usize>,
    /// Batches seen, for FTS-1.
    batches: usize,
    /// Messages of the open batch, for BTS-1.
    in_batch: usize,
    has_file: bool,
    has_batch: bool,
}

impl State {
    fn take(&mut self, bytes: &Bytes, id: &str, from: usize, to: usize) -> Result<(), Fault> {
        let raw = &bytes[from..to];
        match id {
            "MSH" => {
                self.close(bytes, from);
                if self.batch.messages.len() >= MESSAGES_MAX {
                    return Err(Fault::new(W2050).because("it holds more messages than allowed"));
                }
                self.open = Some(from);
                self.in_batch += 1;
            }
            "FHS" | "BHS" => {
                self.close(bytes, from);
                if id == "BHS" {
                    if self.has_batch {
                        self.warn(W2050, "BHS", "the batch before it has no BTS");
                    }
                    self.has_batch = true;
                    self.batches += 1;
                    self.in_batch = 0;
                } else {
                    self.has_file = true;
                }
                if self.batch.control_id.is_none() {
                    self.batch.control_id = control_id(bytes, from, to);
                }
            }
            "BTS" | "FTS" => {
                self.close(bytes, from);
                let is_batch = id == "BTS";
                let (seen, opened) = if is_batch {
                    (self.in_batch, self.has_batch)
                } else {
                    (self.batches.max(1), self.has_file)
                };
                if !opened {
                    self.warn(W2050, id, "there is no header for this trailer");
                }
                if stated_count(raw).is_some_and(|stated| stated != seen) {
                    self.warn(W2051, if is_batch { "BTS-1" } else { "FTS-1" }, "the counts differ");
                }
                if is_batch {
                    self.has_batch = false;
                    self.in_batch = 0;
                } else {
                    self.has_file = false;
                }
            }
            _ if self.open.is_none() => {
                let cause = "a segment stands between the messages of a batch";
                return Err(Fault::new(W2002).because(cause));
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, bytes: &Bytes, end: usize) {
        if let Some(start) = self.open.take() {
            self.batch.messages.push(bytes.slice(start..end));
        }
    }

    fn warn(&mut self, code: crate::fault::Code, path: &str, cause: &'static str) {
        self.batch.warnings.push(Fault::new(code).at(Place::path(path)).because(cause));
    }
}

/// BTS-1 or FTS-1, where it is a number.
fn stated_count(trailer: &[u8]) -> Option<usize> {
    let separator = *trailer.get(3)?;
    let field = trailer[4..].split(|b| *b == separator).next()?;
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

/// FHS-11 or BHS-11.
fn control_id(bytes: &Bytes, from: usize, to: usize) -> Option<Bytes> {
    let raw = &bytes[from..to];
    let separator = *raw.get(3)?;
    let range = scan::part(raw, separator, 10, super::charset::Charset::Latin1)?;
    (!range.is_empty()).then(|| bytes.slice(from + range.start..from + range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_into_messages() {
        let check = |text: &str, messages: &[&str], warnings: &[&str]| {
            let batch = split(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
            assert_eq!(batch.messages, messages, "{text:?}");
            let found: Vec<String> =
                batch.warnings.iter().map(|w| format!("{} {}", w.code(), w.place())).collect();
            assert_eq!(found, warnings, "{text:?}");
        };
        let (a, b) = ("MSH|^~\\&|1\rPID|1\r", "MSH|^~\\&|2\r");
        check(a, &[a], &[]);
        check(&format!("{a}{b}"), &[a, b], &[]);
        check(&format!("FHS|^~\\&|\rBHS|^~\\&|\r{a}{b}BTS|2\rFTS|1\r"), &[a, b], &[]);
        check(&format!("BHS|^~\\&|\r{a}BTS|2\r"), &[a], &["W2051 BTS-1"]);
        check(&format!("FHS|^~\\&|\r{a}FTS|1\r"), &[a], &[]);
        check(&format!("FHS|^~\\&|\r{a}FTS|3\r"), &[a], &["W2051 FTS-1"]);
        check(&format!("BHS|^~\\&|\r{a}BHS|^~\\&|\r{b}BTS|1\r"), &[a, b], &["W2050 BHS"]);
        check(&format!("{a}BTS|1\r"), &[a], &["W2050 BTS"]);
        check("BHS|^~\\&|\rBTS|0\r", &[], &[]);
        check(&format!("\u{feff}\r\n{a}"), &[a], &[]);
        check("MSH|^~\\&|1\n\nMSH#!@%$#2\n", &["MSH|^~\\&|1\n\n", "MSH#!@%$#2\n"], &[]);
    }

    #[test]
    fn refuses_what_holds_no_message() {
        let check = |text: &str, code: &str| {
            let fault = split(&Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
            assert_eq!(fault.code().as_str(), code, "{text:?}");
        };
        check("", "W2001");
        check(" \r\n", "W2001");
        check("PID|1\rMSH|^~\\&|1", "W2002");
        check("BHS|^~\\&|\rPID|1\r", "W2002");
        check("{\"a\": 1}", "W2002");
        check("MSH||", "W2004");
    }

    #[test]
    fn the_control_id_of_the_envelope_is_kept() {
        let text = "FHS|^~\\&|A|B|C|D|2026||n||F7\rBHS|^~\\&|||||||||B7\rMSH|^~\\&|\r";
        let batch = split(&Bytes::from_static(text.as_bytes())).unwrap();
        assert_eq!(batch.control_id.as_deref(), Some(&b"F7"[..]));
    }
}
