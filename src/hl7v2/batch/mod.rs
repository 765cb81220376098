//! Files and frames with several messages: FHS, BHS, BTS and FTS, or no envelope.
//!
//! [`split`] divides what is in memory, [`Splitter`] and [`Reader`] what is read piece by
//! piece, [`Joiner`] puts messages together that came in fragments.
//!
//! Invariant: each byte that belongs to a message is in exactly one slice of the result,
//! and the slices of [`split`] share the memory of the input.

mod envelope;
mod held;
mod join;
mod stream;

use std::ops::Range;

use bytes::Bytes;

pub use envelope::Envelope;
pub use held::{Cut, Held};
pub use join::{
    Ended, FRAGMENT_BYTES_MAX, FRAGMENTS_MAX, Joined, Joiner, Offer, Offered, incomplete,
    is_fragment,
};
pub use stream::{BETWEEN_BYTES_MAX, Part, REFUSED_BYTES, Reader, Splitter};

use super::delimiters::Delimiters;
use super::scan::{self, SegmentId};
use super::tolerance::Tolerances;
use crate::fault::Fault;
use crate::fault::codes::{W2001, W2002, W2050};

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
    /// FHS without its terminator.
    pub file_header: Option<Bytes>,
    /// Each BHS without its terminator, and which of the messages stand in its batch.
    pub batches: Vec<(Bytes, Range<usize>)>,
    /// Problems that lose no message, such as counts of trailers that differ (`W2051`).
    pub warnings: Vec<Fault>,
}

/// Divides content into messages.
///
/// Takes FHS/BHS/BTS/FTS envelopes, complete or not, and messages without any. Counts in
/// BTS-1 and FTS-1 are compared with what is there, and trailers that are missing are told.
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
    for entry in &*entries {
        let (from, to) = (entry.start as usize, entry.end as usize);
        let raw = &bytes[from..to];
        // A header may declare delimiters of its own, so the name alone is looked at.
        let id = raw.get(..3).and_then(SegmentId::new).unwrap_or(SegmentId::NONE);
        state.take(bytes, id.as_str(), from, to)?;
    }
    state.close(bytes, bytes.len());
    let State { mut batch, envelope, .. } = state;
    if batch.messages.is_empty() && !envelope.is_open_or_was() {
        return Err(Fault::new(W2050).because("it holds no message"));
    }
    batch.warnings = envelope.finish();
    Ok(batch)
}

/// What has been seen of a file or frame.
#[derive(Default)]
struct State {
    batch: Batch,
    envelope: Envelope,
    /// Where the open message begins.
    open: Option<usize>,
}

impl State {
    fn take(&mut self, bytes: &Bytes, id: &str, from: usize, to: usize) -> Result<(), Fault> {
        match id {
            "MSH" => {
                self.close(bytes, from);
                if self.batch.messages.len() >= MESSAGES_MAX {
                    return Err(Fault::new(W2050).because("it holds more messages than allowed"));
                }
                self.open = Some(from);
                self.envelope.message();
            }
            "FHS" | "BHS" | "BTS" | "FTS" => {
                self.close(bytes, from);
                self.envelope.segment(&bytes[from..to]);
                let next = self.batch.messages.len();
                match id {
                    "FHS" => self.batch.file_header = Some(bytes.slice(from..to)),
                    "BHS" => self.batch.batches.push((bytes.slice(from..to), next..next)),
                    _ => {}
                }
                if id.ends_with("HS") && self.batch.control_id.is_none() {
                    self.batch.control_id = control_id(bytes, from, to);
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
            if self.envelope.has_batch()
                && let Some((_, messages)) = self.batch.batches.last_mut()
            {
                messages.end = self.batch.messages.len();
            }
        }
    }
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
        check(&format!("BHS|^~\\&|\r{a}"), &[a], &["W2050 BTS"]);
        check(&format!("FHS|^~\\&|\rBHS|^~\\&|\r{a}BTS|1\r"), &[a], &["W2050 FTS"]);
        check(&format!("FHS|^~\\&|\r{a}BTS|x\rFTS\r"), &[a], &["W2050 BTS"]);
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
        assert_eq!(batch.file_header.as_deref(), Some(&b"FHS|^~\\&|A|B|C|D|2026||n||F7"[..]));
        assert_eq!(batch.batches.len(), 1);
        assert_eq!(batch.batches[0].1, 0..1);
    }
}
