//! What the XML and the JSON form of messages share: taking a message apart into lines and
//! repetitions, and putting it together again byte for byte.
//!
//! Both forms say what a message means; what they cannot say (a stray escape character,
//! bytes outside of the character set, CR LF between segments) travels beside it as a
//! *hint*: the exact bytes. A hint only counts where it means the same as what stands in
//! the form, so that who edits the form is never overruled by it.

use std::ops::Range;

use bytes::Bytes;

use super::charset::{Charset, Wide};
use super::delimiters::Delimiters;
use super::edit::EDIT_NUMBER_MAX;
use super::escape::{self, Unfit};
use super::message::Message;
use super::scan::{self, Parts, SegmentId};
use crate::fault::Fault;
use crate::fault::codes::{W2032, W2034, W2071};

/// Delimiters and character set in which values stand.
#[derive(Clone, Copy)]
pub(super) struct Script {
    pub delimiters: Delimiters,
    pub charset: Charset,
}

/// The parts of one repetition: components of subcomponents.
pub(super) type Parted<T> = Vec<Vec<T>>;

/// A message without edits, as lines.
pub(super) struct Lines {
    pub message: Message,
    pub script: Script,
    /// What ends most segments.
    pub terminator: Vec<u8>,
    /// The set in which text stands, where MSH-18 does not say so.
    pub charset_hint: Option<&'static str>,
    pub wide: Option<Wide>,
}

impl Lines {
    pub fn of(message: &Message) -> Result<Self, Fault> {
        let message = if message.is_edited() {
            Message::parse_as(message.write(), Some(message.charset()))?
        } else {
            message.clone()
        };
        let charset = message.base.text_charset();
        let declared = Charset::declared(
            message.header().field(18).raw(),
            Some(message.delimiters().repetition),
        );
        let script = Script { delimiters: *message.delimiters(), charset };
        let wide = message.base.wide.as_ref().map(|(wide, _)| *wide);
        // Without a hint a reader takes what is not stated to be UTF-8.
        let is_told = charset == declared
            || charset == Charset::Utf8 && declared.encode("\u{fc}\u{20ac}").is_some_and(is_utf8);
        let charset_hint = (!is_told).then(|| charset.name());
        let first = message.base.entries.first().map_or(0, |entry| entry.end as usize);
        let rest = message.bytes().get(first..).unwrap_or_default();
        let terminator: &[u8] = match rest {
            [b'\r', b'\n', ..] => b"\r\n",
            [b'\n', ..] => b"\n",
            _ => b"\r",
        };
        Ok(Self { terminator: terminator.to_vec(), charset_hint, wide, script, message })
    }

    /// What stands before the first segment.
    pub fn before(&self) -> &[u8] {
        let start = self.message.base.entries.first().map_or(0, |entry| entry.start as usize);
        self.message.bytes().get(..start).unwrap_or_default()
    }

    /// What stands between a segment and the next.
    pub fn gap(&self, index: usize) -> &[u8] {
        let entries = &self.message.base.entries;
        let from = entries.get(index).map_or(0, |entry| entry.end as usize);
        let to = entries.get(index + 1).map_or(self.message.bytes().len(), |e| e.start as usize);
        self.message.bytes().get(from..to).unwrap_or_default()
    }
}

fn is_utf8(bytes: std::borrow::Cow<'_, [u8]>) -> bool {
    std::str::from_utf8(&bytes).is_ok()
}

impl Script {
    /// Fields of a segment by their numbers, each with its whole bytes. MSH-1 is left out.
    pub fn fields(self, segment: &[u8], id: SegmentId) -> impl Iterator<Item = (usize, &[u8])> {
        let first = if id.is_header() { 2 } else { 1 };
        let parts = Parts::new(segment, Some(self.delimiters.field), self.charset).skip(1);
        parts
            .enumerate()
            .map(move |(at, range)| (at + first, segment.get(range).unwrap_or_default()))
    }

    /// Repetitions of a field.
    pub fn repetitions(self, field: &[u8]) -> impl Iterator<Item = &[u8]> {
        parts(field, Some(self.delimiters.repetition), self.charset)
    }

    /// Components and subcomponents of a repetition, each read by `read`.
    pub fn parted<T>(self, repetition: &[u8], mut read: impl FnMut(&[u8]) -> T) -> Parted<T> {
        let (delimiters, charset) = (self.delimiters, self.charset);
        parts(repetition, Some(delimiters.component), charset)
            .map(|component| {
                parts(component, delimiters.subcomponent, charset).map(&mut read).collect()
            })
            .collect()
    }

    /// Bytes of parts that are written already.
    pub fn join(self, parted: &Parted<Vec<u8>>) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        for (at, component) in parted.iter().enumerate() {
            if at > 0 {
                out.push(self.delimiters.component);
            }
            for (at, part) in component.iter().enumerate() {
                if at > 0 {
                    let Some(mark) = self.delimiters.subcomponent else {
                        let cause = "no subcomponent separator is declared";
                        return Err(Fault::new(W2034).because(cause));
                    };
                    out.push(mark);
                }
                out.extend_from_slice(part);
            }
        }
        Ok(out)
    }

    /// Writes text as data; what cannot be written makes `fits` false.
    ///
    /// Gives some bytes for every text, so that a hint can be compared with what stands
    /// in a form even where only the hint can be written.
    pub fn write(self, text: &str, fits: &mut bool) -> Vec<u8> {
        if let Ok(raw) = escape::escape(text, &self.delimiters, self.charset) {
            return raw;
        }
        *fits = false;
        escape::escape_with(text, &self.delimiters, self.charset, Unfit::Hex)
            .unwrap_or_else(|_| text.as_bytes().to_vec())
    }

    /// Bytes to write for a repetition: the hint where it means what stands there.
    ///
    /// `written` are the bytes made of the form, `canonical` makes such bytes of a hint.
    pub fn settle(
        self,
        written: Vec<u8>,
        fits: bool,
        hint: Option<Vec<u8>>,
        canonical: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<Vec<u8>, Fault> {
        if let Some(hint) = hint
            && !hint.contains(&b'\r')
            && scan::find(&hint, 0, self.delimiters.field, self.charset).is_none()
            && canonical(&hint) == written
        {
            return Ok(hint);
        }
        if fits { Ok(written) } else { Err(Fault::new(W2034)) }
    }
}

fn parts(bytes: &[u8], mark: Option<u8>, charset: Charset) -> impl Iterator<Item = &[u8]> {
    let get = move |range: Range<usize>| bytes.get(range).unwrap_or_default();
    Parts::new(bytes, mark, charset).map(get)
}

/// A message that is put together, with a bound on how long it may grow.
pub(super) struct Builder {
    pub out: Vec<u8>,
    most: usize,
}

impl Builder {
    /// `form_bytes` is the length of what is read: empty places cost less there than they
    /// make, but a form that grows this much under reading is no message of anyone.
    pub fn new(form_bytes: usize) -> Self {
        Self { out: Vec::new(), most: form_bytes.saturating_mul(4).saturating_add(64 << 10) }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.out.len() + bytes.len() > self.most {
            return Err(Fault::new(W2071).because("it holds more empty places than values"));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds a segment: its name and fields by number, in order, without the separator.
    pub fn segment(
        &mut self,
        name: &[u8],
        fields: &[(usize, Vec<u8>)],
        separator: u8,
    ) -> Result<(), Fault> {
        self.push(name)?;
        let is_header = SegmentId::new(name).is_some_and(SegmentId::is_header);
        let mut at = usize::from(is_header);
        for (number, field) in fields {
            if is_header && *number == 1 {
                continue;
            }
            if *number > EDIT_NUMBER_MAX {
                return Err(Fault::new(W2032));
            }
            while at < *number {
                self.push(&[separator])?;
                at += 1;
            }
            self.push(field)?;
        }
        Ok(())
    }

    /// The finished message, in the form that it came in.
    pub fn finish(self, wide: Option<Wide>) -> Bytes {
        match wide {
            None => Bytes::from(self.out),
            Some(wide) => Bytes::from(wide.encode(&String::from_utf8_lossy(&self.out))),
        }
    }
}

/// Bytes as digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// Bytes of digits; `None` where they are not pairs of hexadecimal digits.
pub(super) fn of_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim().as_bytes();
    let fits = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    fits.then(|| escape::from_hex(digits).collect())
}
