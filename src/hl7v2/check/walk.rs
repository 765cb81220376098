//! The walk over the bytes of a message: every value once, against its definition.
//!
//! One pass, without allocation: delimiters are found by a table of 256 classes, values
//! are compared as they are passed. What is found is handed to [`Notes`], off this path.

use super::notes::{Notes, Spot};
use super::schema::{Field, Part, Plain, Schema, Segment, Type, UNLIMITED};
use super::value::{self, Kind};
use crate::fault::codes as w;
use crate::hl7v2::marks::{self, BLOCK};
use crate::hl7v2::message::Message;
use crate::hl7v2::scan::SegmentId;
use crate::hl7v2::tables::Usage;

/// The marks of a segment in order, found a block at a time.
#[derive(Default)]
struct Cursor {
    /// Where the block begins whose marks are left.
    at: usize,
    /// Its marks that are left, the first byte lowest.
    bits: u32,
    /// Where the next block begins.
    next: usize,
}

impl Cursor {
    /// Goes to a place: marks before it are passed over.
    fn seek(&mut self, from: usize) {
        *self = Self { at: from, bits: 0, next: from };
    }

    /// The next mark.
    #[inline]
    fn next(&mut self, raw: &[u8], marks: [u8; 5]) -> Option<usize> {
        while self.bits == 0 {
            let rest = raw.get(self.next..)?;
            self.at = self.next;
            self.next += BLOCK;
            match rest.first_chunk() {
                Some(block) => self.bits = marks::any_of(block, marks),
                None if rest.is_empty() => return None,
                None => {
                    let hit = |(i, b): (usize, &u8)| u32::from(marks.contains(b)) << i;
                    self.bits = rest.iter().enumerate().map(hit).fold(0, |all, bit| all | bit);
                }
            }
        }
        let found = self.at + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(found)
    }
}

const TEXT: u8 = 0;
const ESCAPE: u8 = 1;
const SUBCOMPONENT: u8 = 2;
const COMPONENT: u8 = 3;
const REPETITION: u8 = 4;
const FIELD: u8 = 5;

pub(super) struct Walk<'m, 's, 'n> {
    message: &'m Message,
    schema: &'s Schema,
    pub notes: &'n mut Notes<'m, 's>,
    classes: [u8; 256],
    marks: [u8; 5],
    cursor: Cursor,
    /// Copy of a segment whose characters hide delimiters, without those.
    masked: Vec<u8>,
    /// The type that OBX-2 named last, and how it is checked.
    named: Option<(Box<[u8]>, Option<Part>)>,
    spot: Spot,
}

/// A value between delimiters.
struct Leaf {
    from: usize,
    to: usize,
    class: u8,
    has_escape: bool,
}

/// A repetition or component while it is walked.
#[derive(Default)]
struct Open {
    from: usize,
    /// Parts that hold something, bit 0 for the first.
    seen: u64,
    /// Where the code stands, when it is a coded type.
    code: (usize, usize),
    /// Where its code system stands.
    system: (usize, usize),
    /// Whether a part too many was noted.
    has_extra: bool,
}

impl Open {
    fn at(from: usize) -> Self {
        Self { from, ..Self::default() }
    }

    /// Notes that part `n`, from 1, holds something.
    fn see(&mut self, n: u32, from: usize, to: usize) {
        if n <= 64 {
            self.seen |= 1 << (n - 1);
        }
        match n {
            1 => self.code = (from, to),
            3 => self.system = (from, to),
            _ => {}
        }
    }
}

impl<'m, 's, 'n> Walk<'m, 's, 'n> {
    pub(super) fn new(
        message: &'m Message,
        schema: &'s Schema,
        notes: &'n mut Notes<'m, 's>,
    ) -> Self {
        let marks = message.delimiters();
        let mut classes = [TEXT; 256];
        let mut set = |mark: u8, class: u8| classes[usize::from(mark)] = class;
        // A delimiter that is not declared gets the class of one that is.
        let subcomponent = marks.subcomponent.unwrap_or(marks.field);
        let escape = marks.escape.unwrap_or(marks.field);
        set(escape, ESCAPE);
        set(subcomponent, SUBCOMPONENT);
        set(marks.component, COMPONENT);
        set(marks.repetition, REPETITION);
        set(marks.field, FIELD);
        let marks = [marks.field, marks.component, marks.repetition, escape, subcomponent];
        Self {
            message,
            schema,
            notes,
            classes,
            marks,
            cursor: Cursor::default(),
            masked: Vec::new(),
            named: None,
            spot: Spot::default(),
        }
    }

    /// Checks one segment by its place in the message.
    pub(super) fn segment(&mut self, index: usize, id: SegmentId, raw: &[u8]) {
        self.spot = Spot::of(index);
        let Some(number) = self.schema.find(id) else {
            if id == SegmentId::NONE {
                self.notes.note(w::W2121, self.spot, "no name of three letters stands here");
            }
            return;
        };
        let Some(rule) = self.schema.segments.get(number) else { return };
        let charset = self.message.charset();
        if charset.may_hide(raw) {
            let mut plain = std::mem::take(&mut self.masked);
            plain.clear();
            plain.extend_from_slice(raw);
            let mut at = 0;
            while at < raw.len() {
                let width = charset.width(raw.get(at..).unwrap_or_default()).max(1);
                if width > 1 {
                    let end = (at + width).min(raw.len());
                    plain.get_mut(at..end).unwrap_or_default().fill(b'x');
                }
                at += width;
            }
            self.fields(rule, id, &plain);
            self.masked = plain;
        } else {
            self.fields(rule, id, raw);
        }
    }

    fn fields(&mut self, rule: &'s Segment, id: SegmentId, raw: &[u8]) {
        let schema = self.schema;
        let separator = self.marks[0];
        let mut seen = [0u64; 2];
        let (mut at, mut n) = (4, 1usize);
        if id.is_header() {
            // The first two fields are the delimiters themselves.
            seen[0] = 0b11;
            at = memchr::memchr(separator, raw.get(4..).unwrap_or_default())
                .map_or(raw.len(), |end| end + 5);
            n = 3;
        }
        self.cursor.seek(at);
        let mut observed = None;
        while at < raw.len() {
            if raw[at] == separator {
                self.cursor.next(raw, self.marks);
                at += 1;
                n += 1;
                continue;
            }
            let first = rule.first as usize;
            let known = n <= rule.count as usize;
            let field = known.then(|| schema.fields.get(first + n - 1)).flatten();
            let Some(field) = field.filter(|field| field.is_defined) else {
                at = self.undefined(raw, at, n);
                self.cursor.seek(at);
                n += 1;
                continue;
            };
            let mut part = field.part;
            if rule.is_observation {
                match n {
                    2 => observed = self.named(self.until(raw, at)),
                    5 if part.kind == Kind::Varies => part = observed.unwrap_or(part),
                    _ => {}
                }
            }
            let (end, is_valued) = match self.plain(raw, at, field, part) {
                Some(seen) => seen,
                None => {
                    self.cursor.seek(at);
                    self.spot.field = n as u32;
                    self.field(raw, at, field, part)
                }
            };
            if is_valued {
                if let Some(word) = seen.get_mut((n - 1) / 64) {
                    *word |= 1 << ((n - 1) % 64);
                }
                if !field.is_current {
                    self.outdated(field, n);
                }
            }
            at = end + 1;
            n += 1;
        }
        for (word, (required, seen)) in rule.required.iter().zip(&seen).enumerate() {
            let missing = required & !seen;
            if missing != 0 {
                self.missing(word, missing);
            }
        }
        if !rule.relations.is_empty() {
            self.relations(rule, &seen);
        }
    }

    /// How a field is checked whose type another names: mostly the one that was asked for
    /// last.
    fn named(&mut self, name: &[u8]) -> Option<Part> {
        match &self.named {
            Some((known, part)) if **known == *name => *part,
            _ => {
                let part = self.schema.named(name);
                self.named = Some((name.into(), part));
                part
            }
        }
    }

    /// Passes over a field in which nothing asks for a second look; gives its end and whether
    /// it holds something. None where something does: an escape sequence, subcomponents, a
    /// null, or whatever breaks a rule; [`Self::field`] then tells what it is.
    #[inline]
    fn plain(
        &mut self,
        raw: &[u8],
        from: usize,
        field: &Field,
        part: Part,
    ) -> Option<(usize, bool)> {
        let schema = self.schema;
        let top = schema.composite(part.of);
        let is_free = matches!(part.kind, Kind::Any | Kind::Varies);
        let parts = top.map_or(&[][..], |top| schema.plain_parts(top));
        let (required, is_coded) =
            top.map_or((0, false), |top| (top.required, top.is_coded && part.table != 0));
        let (mut begin, mut start) = (from, from);
        let (mut c, mut count, mut seen) = (0usize, 1u32, 0u64);
        let (mut code, mut system) = (&[][..], &[][..]);
        let mut is_valued = false;
        loop {
            let to = self.cursor.next(raw, self.marks).unwrap_or(raw.len());
            let class = raw.get(to).map_or(FIELD, |mark| self.classes[usize::from(*mark)]);
            if class < COMPONENT {
                return None;
            }
            let value = raw.get(start..to).unwrap_or_default();
            if let Some(first) = value.first() {
                let plain = match top {
                    Some(_) => *parts.get(c)?,
                    None if c > 0 && !is_free => return None,
                    None => Plain { kind: part.kind, table: part.table, length: part.length },
                };
                let is_long = value.len() > plain.length as usize;
                if is_long || *first == b'"' || !self.fits(value, plain) {
                    return None;
                }
                seen |= 1u64.checked_shl(c as u32).unwrap_or(0);
                if is_coded {
                    match c {
                        0 => code = value,
                        2 => system = value,
                        _ => {}
                    }
                }
            }
            start = to + 1;
            if class == COMPONENT {
                c += 1;
                continue;
            }
            if seen != 0 {
                is_valued = true;
                let lacks = required & !seen != 0 || count > field.max;
                if lacks || to - begin > part.length as usize {
                    return None;
                }
                if is_coded && seen & 1 != 0 && !self.is_known(code, system, part.table) {
                    return None;
                }
            }
            if class == FIELD {
                return Some((to, is_valued));
            }
            (begin, c, seen, code, system) = (start, 0, 0, &[], &[]);
            count += 1;
        }
    }

    /// Whether a value has the form of its kind, and a code its table.
    #[inline]
    fn fits(&self, value: &[u8], plain: Plain) -> bool {
        match plain.kind {
            Kind::Text | Kind::Any | Kind::Varies => true,
            Kind::Code => self.schema.codes(plain.table).is_none_or(|codes| codes.has(value)),
            kind => kind.misfit(value).is_none(),
        }
    }

    /// Whether a code is in its table, or of a system that is not meant to be in it.
    fn is_known(&self, code: &[u8], system: &[u8], table: u16) -> bool {
        let Some(codes) = self.schema.codes(table) else { return true };
        let is_ours = match system {
            [] => true,
            [b'H', b'L', b'7', number @ ..] => number == codes.id.as_bytes(),
            _ => false,
        };
        !is_ours || codes.has(code)
    }

    /// The bytes of a field up to the next delimiter.
    fn until<'r>(&self, raw: &'r [u8], from: usize) -> &'r [u8] {
        let rest = raw.get(from..).unwrap_or_default();
        let end = rest.iter().position(|b| self.classes[usize::from(*b)] != TEXT);
        &rest[..end.unwrap_or(rest.len())]
    }

    /// A field the version does not define: noted where it holds something; gives its end.
    #[cold]
    fn undefined(&mut self, raw: &[u8], from: usize, n: usize) -> usize {
        let rest = raw.get(from..).unwrap_or_default();
        let end = memchr::memchr(self.marks[0], rest).unwrap_or(rest.len());
        if rest[..end].iter().any(|b| self.classes[usize::from(*b)] <= ESCAPE) {
            let spot = Spot { field: n as u32, ..Spot::of(self.spot.segment) };
            self.notes.note(w::W2111, spot, "the version defines no such field");
        }
        from + end + 1
    }

    #[cold]
    fn outdated(&mut self, field: &Field, n: usize) {
        let spot = Spot { field: n as u32, ..Spot::of(self.spot.segment) };
        if field.part.usage == Usage::Withdrawn {
            self.notes.note(w::W2113, spot, "the field was withdrawn from this version");
        } else {
            self.notes.note(w::W2114, spot, "the field is kept for older versions");
        }
    }

    #[cold]
    fn missing(&mut self, word: usize, mut missing: u64) {
        while missing != 0 {
            let n = word as u32 * 64 + missing.trailing_zeros() + 1;
            missing &= missing - 1;
            let spot = Spot { field: n, ..Spot::of(self.spot.segment) };
            self.notes.note(w::W2104, spot, "the field is required and empty");
        }
    }

    fn relations(&mut self, rule: &Segment, seen: &[u64; 2]) {
        let Some(segment) = self.message.segment(self.spot.segment) else { return };
        for relation in rule.relations {
            if relation.is_broken(seen, &segment) {
                let spot = Spot { field: u32::from(relation.field), ..Spot::of(self.spot.segment) };
                let code = if relation.is_temporal() { w::W2117 } else { w::W2115 };
                self.notes.note(code, spot, relation.cause);
            }
        }
    }

    /// The next value from `from` on.
    #[inline]
    fn leaf(&mut self, raw: &[u8], from: usize) -> Leaf {
        let mut has_escape = false;
        while let Some(to) = self.cursor.next(raw, self.marks) {
            let class = raw.get(to).map_or(FIELD, |mark| self.classes[usize::from(*mark)]);
            if class > ESCAPE {
                return Leaf { from, to, class, has_escape };
            }
            has_escape = true;
        }
        Leaf { from, to: raw.len(), class: FIELD, has_escape }
    }

    /// Checks a field that begins at `from`; gives its end and whether it holds something.
    fn field(&mut self, raw: &[u8], from: usize, field: &Field, part: Part) -> (usize, bool) {
        let schema = self.schema;
        let top = schema.composite(part.of);
        let mut is_valued = false;
        let mut at = from;
        let (mut repetition, mut count) = (Open::at(from), 1u32);
        let (mut component, mut c) = (Open::at(from), 1u32);
        let mut s = 1u32;
        let mut rule = top.and_then(|top| schema.component(top, 1)).copied();
        loop {
            let leaf = self.leaf(raw, at);
            if leaf.to > leaf.from {
                self.spot = Spot { repetition: count, component: c, subcomponent: s, ..self.spot };
                component.see(s, leaf.from, leaf.to);
                match (top, &rule) {
                    (None, _) => self.alone(raw, &leaf, part, &mut repetition),
                    (Some(top), None) => {
                        self.spot.subcomponent = 0;
                        self.extra(top.name, &mut repetition);
                    }
                    (Some(_), Some(rule)) => self.inside(raw, &leaf, rule, &mut component),
                }
            }
            at = leaf.to + 1;
            if leaf.class == SUBCOMPONENT {
                s += 1;
                continue;
            }
            if component.seen != 0 {
                repetition.see(c, component.from, leaf.to);
                if let Some(rule) = &rule {
                    self.spot = Spot { repetition: count, component: c, ..self.spot };
                    self.end_component(raw, leaf.to, rule, &component);
                }
            }
            s = 1;
            component = Open::at(at);
            if leaf.class == COMPONENT {
                c += 1;
                rule = top.and_then(|top| schema.component(top, c)).copied();
                continue;
            }
            if repetition.seen != 0 {
                is_valued = true;
                self.spot = Spot { repetition: count, component: 0, subcomponent: 0, ..self.spot };
                self.end_repetition(raw, leaf.to, (&part, top), &repetition);
                if count == field.max.saturating_add(1) {
                    self.notes.note(w::W2106, self.spot, too_many(field.max));
                }
            }
            if leaf.class != REPETITION {
                return (leaf.to, is_valued);
            }
            (repetition, count, c) = (Open::at(at), count + 1, 1);
            rule = top.and_then(|top| schema.component(top, 1)).copied();
        }
    }

    /// A value of a field whose type has no components.
    #[inline]
    fn alone(&mut self, raw: &[u8], leaf: &Leaf, part: Part, repetition: &mut Open) {
        let is_whole = self.spot.component == 1 && self.spot.subcomponent == 1;
        if !is_whole && !matches!(part.kind, Kind::Any | Kind::Varies) {
            if self.spot.component > 1 {
                self.spot.subcomponent = 0;
            }
            self.extra("", repetition);
            return;
        }
        let spot = Spot { component: 0, subcomponent: 0, ..self.spot };
        self.value(raw, leaf, (part.kind, part.table), spot);
    }

    /// A value inside of a composite: a component, or a part of one.
    #[inline]
    fn inside(&mut self, raw: &[u8], leaf: &Leaf, rule: &Part, component: &mut Open) {
        let schema = self.schema;
        let s = self.spot.subcomponent;
        let Some(of) = schema.composite(rule.of) else {
            if s > 1 && rule.kind != Kind::Any {
                self.extra("", component);
            } else {
                let spot = Spot { subcomponent: 0, ..self.spot };
                self.value(raw, leaf, (rule.kind, rule.table), spot);
            }
            return;
        };
        let Some(part) = schema.component(of, s) else {
            self.extra(of.name, component);
            return;
        };
        // Deeper than two levels nothing can be divided.
        let kind = schema.composite(part.of).map_or(part.kind, |deeper| deeper.flat);
        let table = if part.of == 0 { part.table } else { 0 };
        let length = leaf.to - leaf.from;
        if length > part.length as usize {
            self.too_long(&raw[leaf.from..leaf.to], part.length, self.spot);
        }
        self.value(raw, leaf, (kind, table), self.spot);
    }

    /// Checks form and code of one value.
    #[inline]
    fn value(&mut self, raw: &[u8], leaf: &Leaf, rule: (Kind, u16), spot: Spot) {
        let Some(value) = raw.get(leaf.from..leaf.to) else { return };
        if leaf.has_escape
            && let Some(escape) = self.message.delimiters().escape
            && let Some(cause) = value::escapes(value, escape)
        {
            self.notes.note(w::W2119, spot, cause);
        }
        let (kind, table) = rule;
        match kind {
            Kind::Text | Kind::Any | Kind::Varies => {}
            Kind::Code => {
                if table != 0 {
                    self.code(value, table, spot);
                }
            }
            kind => {
                if let Some(cause) = kind.misfit(value)
                    && value != b"\"\""
                {
                    self.notes.note(w::W2102, spot, cause);
                }
            }
        }
    }

    #[inline]
    fn code(&mut self, value: &[u8], table: u16, spot: Spot) {
        if let Some(codes) = self.schema.codes(table)
            && !codes.has(value)
            && value != b"\"\""
        {
            self.notes.code(value, codes, spot);
        }
    }

    fn end_component(&mut self, raw: &[u8], to: usize, rule: &Part, component: &Open) {
        let value = raw.get(component.from..to).unwrap_or_default();
        let spot = Spot { subcomponent: 0, ..self.spot };
        if value.len() > rule.length as usize {
            self.too_long(value, rule.length, spot);
        }
        if let Some(of) = self.schema.composite(rule.of) {
            self.composite(raw, (of, rule.table), component, spot);
        }
    }

    fn end_repetition(
        &mut self,
        raw: &[u8],
        to: usize,
        (part, top): (&Part, Option<&Type>),
        repetition: &Open,
    ) {
        let value = raw.get(repetition.from..to).unwrap_or_default();
        if value.len() > part.length as usize {
            self.too_long(value, part.length, self.spot);
        }
        if let Some(top) = top
            && value != b"\"\""
        {
            self.composite(raw, (top, part.table), repetition, self.spot);
        }
    }

    /// What is asked of a composite as a whole: its required parts, and its code.
    fn composite(&mut self, raw: &[u8], (of, table): (&Type, u16), open: &Open, spot: Spot) {
        let mut missing = of.required & !open.seen;
        while missing != 0 {
            let n = missing.trailing_zeros() + 1;
            missing &= missing - 1;
            let spot = match spot.component {
                0 => Spot { component: n, ..spot },
                _ => Spot { subcomponent: n, ..spot },
            };
            self.notes.note(w::W2118, spot, "the component is required and empty");
        }
        if !of.is_coded || table == 0 || open.seen & 1 == 0 {
            return;
        }
        let code = raw.get(open.code.0..open.code.1).unwrap_or_default();
        let system = raw.get(open.system.0..open.system.1).unwrap_or_default();
        let spot = match spot.component {
            0 => Spot { component: 1, ..spot },
            _ => Spot { subcomponent: 1, ..spot },
        };
        // A code of another system is not meant to be in the table.
        let is_ours = match (system, self.schema.codes(table)) {
            ([], _) => true,
            ([b'H', b'L', b'7', number @ ..], Some(codes)) => number == codes.id.as_bytes(),
            _ => false,
        };
        if is_ours {
            self.code(code, table, spot);
        }
    }

    #[cold]
    fn extra(&mut self, datatype: &'static str, open: &mut Open) {
        if std::mem::replace(&mut open.has_extra, true) {
            return;
        }
        let cause = if datatype.is_empty() {
            "its data type is not divided".into()
        } else {
            format!("{datatype} has no such part").into()
        };
        self.notes.add(w::W2107, self.spot, cause);
    }

    /// Notes a value that is longer than allowed, counted in characters of its text.
    #[cold]
    fn too_long(&mut self, value: &[u8], length: u32, spot: Spot) {
        if length == UNLIMITED {
            return;
        }
        let count = self.notes.characters(value);
        if count > length as usize {
            let cause = format!("it has {count} characters, and {length} are allowed");
            self.notes.add(w::W2105, spot, cause.into());
        }
    }
}

fn too_many(max: u32) -> &'static str {
    if max == 1 { "the field does not repeat" } else { "the field repeats too often" }
}
