//! A view of one segment.

use std::fmt;

use super::message::Base;
use super::path::{Path, Pick};
use super::scan::{self, Parts, SegmentId};
use super::seek::{self, Wanted};
use super::value::{Level, Value};

/// One segment of a message: a view, cheap to copy. `Debug` shows the name only.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    base: &'m Base,
    raw: &'m [u8],
    id: &'m SegmentId,
    index: u32,
    /// Offset in the message as it came; `u32::MAX` for an edited segment.
    start: u32,
}

impl<'m> Segment<'m> {
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer segments than bytes")]
    pub(super) fn new(
        base: &'m Base,
        raw: &'m [u8],
        index: usize,
        id: &'m SegmentId,
        start: u32,
    ) -> Self {
        Self { base, raw, id, index: index as u32, start }
    }

    pub(super) fn empty(base: &'m Base) -> Self {
        Self { base, raw: &[], id: &SegmentId::NONE, index: 0, start: u32::MAX }
    }

    /// Place in the message, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// Name in capitals, such as `PID`; empty for a line without one.
    #[must_use]
    pub fn id(&self) -> &'m str {
        self.id.as_str()
    }

    /// Bytes without the terminator.
    #[must_use]
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// Byte range in [`super::Message::bytes`] without the terminator; `0..0` for a segment
    /// that an edit made or changed.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        if self.start == u32::MAX {
            return 0..0;
        }
        let start = self.start as usize;
        start..start + self.raw.len()
    }

    /// Whether MSH, FHS or BHS, whose first field is the field separator itself.
    #[must_use]
    pub fn is_header(&self) -> bool {
        self.id.is_header()
    }

    /// Number of the last field there is.
    #[must_use]
    pub fn field_count(&self) -> usize {
        let parts = scan::count(self.raw, self.base.delimiters.field, self.base.charset);
        if self.id.is_header() { parts } else { parts - 1 }
    }

    /// Field `n` from 1, with all its repetitions. MSH-1 is the field separator itself.
    #[must_use]
    pub fn field(&self, n: usize) -> Option<Value<'m>> {
        let (part, level) = match (self.id.is_header(), n) {
            (_, 0) => return None,
            (true, 1) => {
                let raw = self.raw.get(3..4)?;
                return Some(Value::new(self.base, raw, self.offset(3), Level::Verbatim));
            }
            (true, 2) => (1, Level::Verbatim),
            (true, n) => (n - 1, Level::Field),
            (false, n) => (n, Level::Field),
        };
        let base = self.base;
        if base.charset.hides_delimiters() {
            let range = scan::part(self.raw, base.delimiters.field, part, base.charset)?;
            let raw = self.raw.get(range.clone())?;
            return Some(Value::new(base, raw, self.offset(range.start), level));
        }
        let (bytes, segment) = self.bytes();
        let from = segment.start;
        let range = seek::field(base.vectors, bytes, segment, part, base.delimiters.field)?;
        let raw = bytes.get(range.clone())?;
        Some(Value::new(base, raw, self.offset(range.start - from), level))
    }

    /// The bytes around it, and where it lies in them: those of the whole message, so that a
    /// block of them may reach beyond its end; its own where an edit made it.
    #[inline]
    fn bytes(&self) -> (&'m [u8], std::ops::Range<usize>) {
        match self.start {
            u32::MAX => (self.raw, 0..self.raw.len()),
            start => (&self.base.bytes, start as usize..start as usize + self.raw.len()),
        }
    }

    /// Fields from 1 in order.
    pub fn fields(&self) -> impl Iterator<Item = Value<'m>> + use<'m> {
        let segment = *self;
        let is_header = self.id.is_header();
        let separator = if is_header { self.field(1) } else { None };
        let parts = Parts::new(self.raw, Some(self.base.delimiters.field), self.base.charset);
        // One walk: asking for each by its number would begin anew at the first.
        separator.into_iter().chain(parts.skip(1).enumerate().filter_map(move |(at, range)| {
            let level = if is_header && at == 0 { Level::Verbatim } else { Level::Field };
            let raw = segment.raw.get(range.clone())?;
            Some(Value::new(segment.base, raw, segment.offset(range.start), level))
        }))
    }

    /// A value for a field that is not there.
    pub(super) fn nothing(&self) -> Value<'m> {
        Value::new(self.base, &[], u32::MAX, Level::Field)
    }

    /// The whole segment as a value.
    pub(super) fn whole(&self) -> Value<'m> {
        Value::new(self.base, self.raw, self.offset(0), Level::Verbatim)
    }

    #[expect(clippy::cast_possible_truncation, reason = "messages are shorter than 32 bits")]
    fn offset(&self, at: usize) -> u32 {
        if self.start == u32::MAX { u32::MAX } else { self.start + at as u32 }
    }

    /// First value of this segment at a path, by one walk over its field.
    pub(super) fn read(&self, path: &Path) -> Option<Value<'m>> {
        let Some(n) = path.field() else { return Some(self.whole()) };
        let base = self.base;
        let is_plain = path.repetition() != Pick::All
            && !base.charset.hides_delimiters()
            && !(self.id.is_header() && n <= 2);
        if !is_plain {
            return self.descend(path).next();
        }
        let part = if self.id.is_header() { n - 1 } else { n };
        let repetition = if let Pick::Nth(n) = path.repetition() { n as usize } else { 1 };
        let inside = [repetition, path.component().unwrap_or(0), path.subcomponent().unwrap_or(0)];
        let level = match inside {
            [_, 0, _] => Level::Repetition,
            [_, _, 0] => Level::Component,
            _ => Level::Subcomponent,
        };
        let (bytes, segment) = self.bytes();
        let from = segment.start;
        let wanted = Wanted { part, inside };
        let range = seek::seek(base.vectors, bytes, segment, wanted, &base.delimiters)?;
        let raw = bytes.get(range.clone())?;
        Some(Value::new(base, raw, self.offset(range.start - from), level))
    }

    /// Values of this segment that a path means.
    pub(super) fn descend(&self, path: &Path) -> Descend<'m> {
        let Some(n) = path.field() else { return Descend::one(Some(self.whole()), path) };
        let Some(field) = self.field(n) else { return Descend::one(None, path) };
        match path.repetition() {
            Pick::Nth(n) => Descend::one(field.repetition(n as usize), path),
            Pick::Open | Pick::All => Descend {
                repetitions: Some(field.parts()),
                one: None,
                component: path.component(),
                subcomponent: path.subcomponent(),
            },
        }
    }
}

/// The values of one segment at a path.
pub(super) struct Descend<'m> {
    repetitions: Option<super::value::Children<'m>>,
    one: Option<Value<'m>>,
    component: Option<usize>,
    subcomponent: Option<usize>,
}

impl<'m> Descend<'m> {
    fn one(value: Option<Value<'m>>, path: &Path) -> Self {
        Self {
            repetitions: None,
            one: value,
            component: path.component(),
            subcomponent: path.subcomponent(),
        }
    }
}

impl<'m> Iterator for Descend<'m> {
    type Item = Value<'m>;

    fn next(&mut self) -> Option<Value<'m>> {
        loop {
            let value = match &mut self.repetitions {
                Some(repetitions) => repetitions.next()?,
                None => self.one.take()?,
            };
            let value = match self.component {
                None => Some(value),
                Some(n) => value.component(n),
            };
            let value = match self.subcomponent {
                None => value,
                Some(n) => value.and_then(|v| v.subcomponent(n)),
            };
            if value.is_some() {
                return value;
            }
        }
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({} <phi>)", self.id())
    }
}
