//! Many changes at once: each segment is written anew one time, however many parts of it
//! change.
//!
//! Setting part after part by path would look each up from the first segment on, and copy
//! its segment each time; of a message with thousands of parts to change that is their
//! square.

use std::ops::Range;

use super::Message;
use crate::fault::Fault;
use crate::fault::codes::{W2031, W2033, W2034};
use crate::hl7v2::escape;
use crate::hl7v2::marks;
use crate::hl7v2::value::Value;

/// A change of one part, made ready by [`Message::change`]. `Debug` prints `<phi>`.
pub struct Change {
    segment: usize,
    range: Range<usize>,
    raw: Vec<u8>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Change(segment {}, {:?}, <phi>)", self.segment, self.range)
    }
}

impl Message {
    /// Makes ready that raw bytes stand in the place of a value of this message, which lies
    /// in the segment at `segment`, from 0. Nothing changes yet.
    ///
    /// # Errors
    /// `W2031` MSH-1, MSH-2 or a whole segment, `W2033` when the segment does not hold the
    /// value, `W2034` when the bytes hold a field separator or a segment terminator.
    pub fn change(&self, segment: usize, value: &Value<'_>, raw: Vec<u8>) -> Result<Change, Fault> {
        if value.is_verbatim() {
            return Err(Fault::new(W2031));
        }
        let content = self.segment(segment).map_or(&[][..], |segment| segment.raw());
        let missing = || Fault::new(W2033).because("the segment does not hold the value");
        let start =
            value.raw().as_ptr().addr().checked_sub(content.as_ptr().addr()).ok_or_else(missing)?;
        let range = start..start + value.raw().len();
        if content.get(range.clone()).is_none() {
            return Err(missing());
        }
        self.check_raw(&raw)?;
        Ok(Change { segment, range, raw })
    }

    /// Makes changes that [`Message::change`] of this very message made ready, in time
    /// linear in the segments they are of.
    ///
    /// # Errors
    /// `W2034` when two of them overlap; nothing has changed then.
    pub fn change_all(&mut self, mut changes: Vec<Change>) -> Result<(), Fault> {
        changes.sort_by_key(|change| (change.segment, change.range.start));
        let overlaps = |pair: &[Change]| match pair {
            [one, other] => one.segment == other.segment && one.range.end > other.range.start,
            _ => false,
        };
        if changes.windows(2).any(overlaps) {
            return Err(Fault::new(W2034).because("two changes are of one place"));
        }
        for changes in changes.chunk_by(|one, other| one.segment == other.segment) {
            let Some(index) = changes.first().map(|change| change.segment) else { continue };
            let Some(id) = self.segment_id(index) else { continue };
            let Some(segment) = self.segment(index) else { continue };
            let added: usize = changes.iter().map(|change| change.raw.len()).sum();
            let mut content = Vec::with_capacity(segment.raw().len() + added);
            let mut from = 0;
            for change in changes {
                let kept = segment.raw().get(from..change.range.start).unwrap_or_default();
                content.extend_from_slice(kept);
                content.extend_from_slice(&change.raw);
                from = change.range.end;
            }
            content.extend_from_slice(segment.raw().get(from..).unwrap_or_default());
            marks::work(content.len());
            self.replace(index, id, content);
        }
        Ok(())
    }

    /// Text as [`Message::set`] writes it: escaped, in the character set of the message.
    ///
    /// # Errors
    /// `W2034` when the text cannot be written.
    pub fn escaped(&self, text: &str) -> Result<Vec<u8>, Fault> {
        escape::escape(text, &self.base.delimiters, self.base.write_charset())
    }

    /// The text that raw bytes of a value of this message stand for, as [`Value::text`] reads
    /// them where they stand.
    #[must_use]
    pub fn text_of(&self, raw: &[u8]) -> String {
        escape::text(raw, &self.base.delimiters, self.base.text_charset()).into_owned()
    }
}
