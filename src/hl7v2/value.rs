//! A view of a piece of a segment: field, repetition, component or subcomponent.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::charset::Charset;
use super::escape;
use super::marks;
use super::message::Base;
use super::path::Path;
use super::scan::{self, Parts};

/// What a piece is, so what divides it further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Delimiters as such (MSH-1, MSH-2) or a whole segment: not divided, not unescaped.
    Verbatim,
    Field,
    Repetition,
    Component,
    Subcomponent,
}

/// A piece of a message: raw bytes with the delimiters to read them.
///
/// Copies are free; `Debug` prints `<phi>`.
#[derive(Clone, Copy)]
pub struct Value<'m> {
    base: &'m Base,
    raw: &'m [u8],
    start: u32,
    level: Level,
}

impl<'m> Value<'m> {
    pub(super) fn new(base: &'m Base, raw: &'m [u8], start: u32, level: Level) -> Self {
        Self { base, raw, start, level }
    }

    /// Bytes as they stand in the message.
    #[must_use]
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// Whether nothing stands here but delimiters of lower parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
            || self.level != Level::Verbatim
                && self.raw.iter().all(|b| self.base.delimiters.splits_field(*b))
    }

    /// Whether it is delimiters as such or a whole segment.
    pub(super) fn is_verbatim(&self) -> bool {
        self.level == Level::Verbatim
    }

    /// Exactly `""`: the sender says that there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.raw == b"\"\""
    }

    /// Neither empty nor null.
    #[must_use]
    pub fn is_valued(&self) -> bool {
        !self.is_null() && !self.is_empty()
    }

    /// Text with escape sequences replaced, decoded from the message's character set.
    ///
    /// Never fails: bytes that mean nothing become replacement characters, and escape
    /// sequences for formatting stay as text, except `\.br\`, which becomes a line feed.
    #[must_use]
    pub fn text(&self) -> Cow<'m, str> {
        let escape = self.base.delimiters.escape.filter(|_| self.level != Level::Verbatim);
        // Nearly all values are plain: nothing to replace and nothing to decode.
        if !matches!(self.base.charset, Charset::Iso2022(_))
            && let Some(text) = marks::plain(self.raw, escape)
        {
            return Cow::Borrowed(text);
        }
        let has_escape = escape.is_some_and(|escape| memchr::memchr(escape, self.raw).is_some());
        let charset = self.base.text_charset();
        if has_escape {
            escape::text(self.raw, &self.base.delimiters, charset)
        } else {
            charset.decode(self.raw)
        }
    }

    /// Text of formatted data (FT) in lines: line breaks, blanks and indents carried out,
    /// highlighting left out.
    #[must_use]
    pub fn plain(&self) -> String {
        escape::plain(self.raw, &self.base.delimiters, self.base.text_charset())
    }

    /// As [`Value::plain`], without the control characters that FHIR strings may not hold.
    #[must_use]
    pub fn fhir_text(&self) -> String {
        escape::fhir_text(self.raw, &self.base.delimiters, self.base.text_charset())
    }

    /// Whether the sender says that it cut the value off: its last byte is the truncation
    /// character, which MSH-2 declares from 2.7 on. Source: HL7 v2.7 chapter 2.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.level != Level::Verbatim
            && self.base.delimiters.truncation.is_some_and(|mark| self.raw.last() == Some(&mark))
    }

    /// The component and subcomponent of a repetition that a path means.
    pub(super) fn below(self, path: &Path) -> Option<Self> {
        let value = match path.component() {
            None => self,
            Some(n) => self.component(n)?,
        };
        match path.subcomponent() {
            None => Some(value),
            Some(n) => value.subcomponent(n),
        }
    }

    /// Repetitions of a field; anything else is its own only one.
    pub fn repetitions(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        self.parts_at(Level::Field)
    }

    /// Components: of the first repetition where this is a field.
    pub fn components(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        self.parts_at(Level::Repetition)
    }

    /// Subcomponents: of the first component where this is more.
    pub fn subcomponents(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        self.parts_at(Level::Component)
    }

    /// Repetition `n` from 1.
    #[must_use]
    pub fn repetition(&self, n: usize) -> Option<Value<'m>> {
        self.part_at(Level::Field, n)
    }

    /// Component `n` from 1.
    #[must_use]
    pub fn component(&self, n: usize) -> Option<Value<'m>> {
        self.part_at(Level::Repetition, n)
    }

    /// Subcomponent `n` from 1.
    #[must_use]
    pub fn subcomponent(&self, n: usize) -> Option<Value<'m>> {
        self.part_at(Level::Component, n)
    }

    /// Byte range in [`super::Message::bytes`], end exclusive; `0..0` in a segment that
    /// an edit made or changed.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        if self.start == u32::MAX {
            return 0..0;
        }
        let start = self.start as usize;
        start..start + self.raw.len()
    }

    /// The byte that divides this piece further.
    fn mark(&self) -> Option<u8> {
        let delimiters = &self.base.delimiters;
        match self.level {
            Level::Field => Some(delimiters.repetition),
            Level::Repetition => Some(delimiters.component),
            Level::Component => delimiters.subcomponent,
            Level::Verbatim | Level::Subcomponent => None,
        }
    }

    /// Goes down to a level by first parts; `Err` when it is below that level already,
    /// and so its own only part.
    fn at_level(self, level: Level) -> Result<Self, Self> {
        let mut value = self;
        while (value.level as u8) < (level as u8) && value.level != Level::Verbatim {
            let Some(mark) = value.mark() else { break };
            let end = scan::find(value.raw, 0, mark, self.base.charset);
            value = value.child(0..end.unwrap_or(value.raw.len()));
        }
        if value.level == level { Ok(value) } else { Err(value) }
    }

    /// Part `n`, from 1, of what stands at a level.
    fn part_at(self, level: Level, n: usize) -> Option<Self> {
        if self.level as u8 <= level as u8
            && self.level != Level::Verbatim
            && !self.base.charset.hides_delimiters()
        {
            return self.walk_to(level, n);
        }
        let n = n.checked_sub(1)?;
        let value = match self.at_level(level) {
            Ok(value) => value,
            Err(value) => return (n == 0).then_some(value),
        };
        let Some(mark) = value.mark() else {
            return (n == 0).then(|| value.child(0..value.raw.len()));
        };
        let range = scan::part(value.raw, mark, n, value.base.charset)?;
        Some(value.child(range))
    }

    /// Part `n`, from 1, of what stands at a level, by one walk: of the first parts above.
    fn walk_to(self, level: Level, n: usize) -> Option<Self> {
        let (wanted, level) = match level {
            Level::Field => ([n, 0, 0], Level::Repetition),
            Level::Repetition => ([1, n, 0], Level::Component),
            _ => ([1, 1, n], Level::Subcomponent),
        };
        if n == 0 {
            return None;
        }
        let range = scan::walk(self.raw, 0, wanted, &self.base.delimiters)?;
        Some(self.narrow(range, level))
    }

    /// Parts of what stands at a level.
    fn parts_at(self, level: Level) -> Children<'m> {
        match self.at_level(level) {
            Ok(value) => value.parts(),
            Err(value) => Children {
                value,
                parts: Parts::new(value.raw, None, value.base.charset),
                divides: false,
            },
        }
    }

    /// Parts one level down.
    pub(super) fn parts(self) -> Children<'m> {
        Children {
            parts: Parts::new(self.raw, self.mark(), self.base.charset),
            value: self,
            divides: true,
        }
    }

    fn child(self, range: Range<usize>) -> Self {
        let level = match self.level {
            Level::Verbatim => Level::Verbatim,
            Level::Field => Level::Repetition,
            Level::Repetition => Level::Component,
            Level::Component | Level::Subcomponent => Level::Subcomponent,
        };
        self.narrow(range, level)
    }

    #[expect(clippy::cast_possible_truncation, reason = "messages are shorter than 32 bits")]
    fn narrow(self, range: Range<usize>, level: Level) -> Self {
        let start = if self.start == u32::MAX { u32::MAX } else { self.start + range.start as u32 };
        let raw = self.raw.get(range).unwrap_or_default();
        Self { base: self.base, raw, start, level }
    }
}

/// Parts of a value in order.
#[derive(Clone)]
pub(super) struct Children<'m> {
    value: Value<'m>,
    parts: Parts<'m>,
    /// False where the value is its own only part.
    divides: bool,
}

impl<'m> Iterator for Children<'m> {
    type Item = Value<'m>;

    fn next(&mut self) -> Option<Value<'m>> {
        let range = self.parts.next()?;
        Some(if self.divides { self.value.child(range) } else { self.value })
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}
