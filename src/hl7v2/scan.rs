//! The scan: where segments begin and end, and where the n-th part of a piece lies.
//!
//! Segments are found once, by one pass over their terminators; parts below are found on
//! demand, by a pass over their own segment. Nothing here allocates but the list of the
//! segments of long messages. In character sets whose second bytes look like delimiters, parts
//! are found by a slower walk over whole characters.

use std::ops::Range;

use memchr::{memchr, memchr2_iter};

use super::charset::Charset;
use super::delimiters::Delimiters;
use super::marks::{self, BLOCK, Blocks};
use super::tolerance::{Tolerance, Tolerances};
use crate::base::limits::SEGMENTS_MAX;
use crate::fault::Fault;
use crate::fault::codes::{W2006, W2007};

/// One segment: its bytes without terminator, and its name in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub start: u32,
    pub end: u32,
    pub id: SegmentId,
}

/// A segment name in capitals: three letters or digits, or nothing for a line without one.
/// The fourth byte is NUL, so that two names are compared as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentId([u8; 4]);

/// What a byte may be in a segment name.
const UPPER: u8 = 1;
const DIGIT: u8 = 2;
const LOWER: u8 = 4;

/// What each byte is in a segment name; 0 for those of none.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < classes.len() {
        let byte = at as u8;
        classes[at] = match byte {
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' => LOWER,
            _ => 0,
        };
        at += 1;
    }
    classes
};

impl SegmentId {
    pub const NONE: Self = Self([0; 4]);

    /// Takes exactly three ASCII letters or digits, the first a letter; capitals them.
    pub fn new(name: &[u8]) -> Option<Self> {
        let &[a, b, c] = name else { return None };
        let fits =
            a.is_ascii_alphabetic() && b.is_ascii_alphanumeric() && c.is_ascii_alphanumeric();
        fits.then(|| Self([a, b, c, 0].map(|b| b.to_ascii_uppercase())))
    }

    /// Name at the begin of a segment, which a field separator or nothing follows.
    pub fn of(segment: &[u8], separator: u8) -> Self {
        Self::read(segment, separator).0
    }

    /// As [`SegmentId::of`], and whether it has a letter of lower case.
    #[inline]
    fn read(segment: &[u8], separator: u8) -> (Self, bool) {
        let [a, b, c, rest @ ..] = segment else { return (Self::NONE, false) };
        let kinds = [a, b, c].map(|byte| CLASSES[usize::from(*byte)]);
        let [first, second, third] = kinds;
        let ends = rest.first().is_none_or(|next| *next == separator);
        if !ends || first & (UPPER | LOWER) == 0 || second == 0 || third == 0 {
            return (Self::NONE, false);
        }
        let id = [*a, *b, *c, 0];
        match (first | second | third) & LOWER {
            0 => (Self(id), false),
            _ => (Self(id.map(|b| b.to_ascii_uppercase())), true),
        }
    }

    /// Its three bytes; zeros for a line without a name.
    pub fn bytes(self) -> [u8; 3] {
        let [a, b, c, _] = self.0;
        [a, b, c]
    }

    pub fn as_str(&self) -> &str {
        let [name @ .., _] = &self.0;
        if *self == Self::NONE { "" } else { std::str::from_utf8(name).unwrap_or("") }
    }

    /// Whether MSH, FHS or BHS: segments whose first field is the separator itself.
    pub fn is_header(self) -> bool {
        matches!(&self.0, b"MSH\0" | b"FHS\0" | b"BHS\0")
    }
}

/// The segments of a message. The first few stand in place, so that indexing an ordinary
/// message takes no memory of its own.
#[derive(Clone)]
pub(super) struct Entries {
    few: [Entry; FEW],
    count: usize,
    /// All of them, once they are more than a few.
    many: Vec<Entry>,
}

/// Segments that stand in place: most messages that are no result have fewer.
const FEW: usize = 16;

impl Entries {
    fn new() -> Self {
        let none = Entry { start: 0, end: 0, id: SegmentId::NONE };
        Self { few: [none; FEW], count: 0, many: Vec::new() }
    }

    #[inline]
    fn push(&mut self, entry: Entry) -> Result<(), Fault> {
        match self.few.get_mut(self.count) {
            Some(place) => *place = entry,
            None => self.push_many(entry)?,
        }
        self.count += 1;
        Ok(())
    }

    #[inline(never)]
    fn push_many(&mut self, entry: Entry) -> Result<(), Fault> {
        if self.count >= SEGMENTS_MAX {
            return Err(Fault::new(W2006));
        }
        if self.many.is_empty() {
            self.many.reserve(8 * FEW);
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(entry);
        Ok(())
    }
}

impl std::ops::Deref for Entries {
    type Target = [Entry];

    #[inline]
    fn deref(&self) -> &[Entry] {
        if self.many.is_empty() {
            self.few.get(..self.count).unwrap_or_default()
        } else {
            &self.many
        }
    }
}

/// Finds the segments of a message from `from` on.
///
/// CR always ends a segment; LF does after CR, where a segment name and a separator
/// follow, and where the message has no CR at all. Any other LF is text.
pub(super) fn segments(
    bytes: &[u8],
    from: usize,
    separator: u8,
    tolerances: &mut Tolerances,
) -> Result<Entries, Fault> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Fault::new(W2007));
    }
    let mut pass = Pass {
        bytes,
        separator,
        has_cr: None,
        start: from,
        entries: Entries::new(),
        tolerances: *tolerances,
    };
    pass.run(from)?;
    *tolerances = pass.tolerances;
    Ok(pass.entries)
}

/// The pass over a message that finds its segments.
struct Pass<'a> {
    bytes: &'a [u8],
    separator: u8,
    /// Whether there is any CR, once that was asked.
    has_cr: Option<bool>,
    /// Where the segment begins that is not ended yet.
    start: usize,
    entries: Entries,
    tolerances: Tolerances,
}

impl Pass<'_> {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the feature that the function needs was asked for")]
    fn run(&mut self, from: usize) -> Result<(), Fault> {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: this machine has AVX2.
            return unsafe { self.run_avx2(from) };
        }
        self.run_portable(from)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn run(&mut self, from: usize) -> Result<(), Fault> {
        self.run_portable(from)
    }

    /// By `memchr`, which has vectors of its own for every machine it knows.
    fn run_portable(&mut self, from: usize) -> Result<(), Fault> {
        for found in memchr2_iter(b'\r', b'\n', self.bytes.get(from..).unwrap_or_default()) {
            self.line_end(from + found)?;
        }
        self.finish()
    }

    /// By one pass of 64 bytes a step, whose line ends are then bits of one word: between
    /// two of them lie some hundred bytes, about what a call of `memchr` costs.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(&mut self, from: usize) -> Result<(), Fault> {
        let bytes = self.bytes;
        let mut at = from;
        while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let mut bits = mask(line_ends(block));
            while bits != 0 {
                self.line_end(at + bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
            }
            at += block.len();
            if at > self.start.saturating_add(LONG) {
                at = behind_quiet(bytes, at);
            }
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let mut bits = match bytes.last_chunk() {
            _ if rest.is_empty() => 0,
            Some(block) => mask(line_ends(block)) >> (64 - rest.len()),
            None => {
                let mut block = [0; 64];
                block.get_mut(..rest.len()).unwrap_or_default().copy_from_slice(rest);
                mask(line_ends(&block))
            }
        };
        while bits != 0 {
            self.line_end(at + bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
        }
        self.finish()
    }

    /// Whether there is any CR; a message that has one in place of the first LF has one.
    #[cold]
    fn has_cr(&mut self) -> bool {
        *self.has_cr.get_or_insert_with(|| memchr(b'\r', self.bytes).is_some())
    }

    /// Takes one CR or LF.
    #[inline(always)]
    fn line_end(&mut self, at: usize) -> Result<(), Fault> {
        let bytes = self.bytes;
        marks::work(1);
        if at < self.start {
            return Ok(());
        }
        let mut next = at + 1;
        if bytes[at] == b'\r' {
            if bytes.get(next) == Some(&b'\n') {
                next += 1;
                self.tolerances.insert(Tolerance::CarriageReturnLineFeed);
            }
        } else if self.has_cr() && !begins_segment(&bytes[next..], self.separator) {
            self.tolerances.insert(Tolerance::LineFeedInText);
            return Ok(());
        } else {
            self.tolerances.insert(Tolerance::LineFeed);
        }
        self.push(self.start..at)?;
        self.start = next;
        Ok(())
    }

    /// Takes what stands behind the last line end.
    fn finish(&mut self) -> Result<(), Fault> {
        if self.start < self.bytes.len() {
            self.tolerances.insert(Tolerance::NoFinalTerminator);
            self.push(self.start..self.bytes.len())?;
        }
        if self.tolerances.contains(Tolerance::UnnamedSegment) {
            tell_trailing(&self.entries, &mut self.tolerances);
        }
        Ok(())
    }

    /// Notes one segment, or that it is a blank line.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the length was checked to fit 32 bits")]
    fn push(&mut self, range: Range<usize>) -> Result<(), Fault> {
        let segment = self.bytes.get(range.clone()).unwrap_or_default();
        if segment.is_empty() {
            self.tolerances.insert(Tolerance::BlankLine);
            return Ok(());
        }
        let (id, is_lower) = SegmentId::read(segment, self.separator);
        if id == SegmentId::NONE {
            self.tolerances.insert(Tolerance::UnnamedSegment);
        } else if is_lower {
            self.tolerances.insert(match self.entries.count {
                0 => Tolerance::LowerCaseHeader,
                _ => Tolerance::LowerCaseName,
            });
        }
        if segment.len() > 4 && segment.last() == Some(&self.separator) {
            self.tolerances.insert(Tolerance::TrailingDelimiters);
        }
        self.entries.push(Entry { start: range.start as u32, end: range.end as u32, id })
    }
}

/// Tells lines without a name behind the last segment from those between segments.
#[cold]
fn tell_trailing(entries: &[Entry], tolerances: &mut Tolerances) {
    let named = entries.iter().rposition(|e| e.id != SegmentId::NONE).map_or(0, |at| at + 1);
    let (before, after) = entries.split_at(named);
    if !after.is_empty() {
        tolerances.insert(Tolerance::TrailingText);
        if before.iter().all(|e| e.id != SegmentId::NONE) {
            tolerances.remove(Tolerance::UnnamedSegment);
        }
    }
}

/// Length from which a segment is taken to hold a document: its bytes are then looked at by
/// four blocks at once, as long as none of them ends a line.
#[cfg(target_arch = "x86_64")]
const LONG: usize = 1024;

/// Where four blocks in a row that end no line are followed by something else.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline(never)]
fn behind_quiet(bytes: &[u8], from: usize) -> usize {
    use std::arch::x86_64::{_mm256_or_si256, _mm256_testz_si256};
    let mut at = from;
    while let Some(four) = bytes.get(at..).and_then(|rest| rest.first_chunk::<256>()) {
        let (blocks, _) = four.as_chunks::<64>();
        let [one, two, three, other] = blocks else { break };
        let [one, two] = [line_ends(one), line_ends(two)];
        let [three, other] = [line_ends(three), line_ends(other)];
        let or = |pair: [_; 2]| _mm256_or_si256(pair[0], pair[1]);
        let any = _mm256_or_si256(
            _mm256_or_si256(or(one), or(two)),
            _mm256_or_si256(or(three), or(other)),
        );
        if _mm256_testz_si256(any, any) == 0 {
            break;
        }
        at += four.len();
    }
    at
}

/// Bits of the bytes that were found, the first byte lowest.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn mask(found: [std::arch::x86_64::__m256i; 2]) -> u64 {
    use std::arch::x86_64::_mm256_movemask_epi8;
    let bits = |half| u64::from(_mm256_movemask_epi8(half).cast_unsigned());
    bits(found[0]) | bits(found[1]) << 32
}

/// The bytes of a block that are CR or LF, all their bits set.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn line_ends(block: &[u8; 64]) -> [std::arch::x86_64::__m256i; 2] {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setr_epi64x,
    };
    let (cr, lf) = (_mm256_set1_epi8(13), _mm256_set1_epi8(10));
    let (words, _) = block.as_chunks::<8>();
    let word = |i: usize| words.get(i).map_or(0, |word| i64::from_le_bytes(*word));
    // Four words in a row become one load, without a pointer.
    let load = |i: usize| _mm256_setr_epi64x(word(i), word(i + 1), word(i + 2), word(i + 3));
    let ends = |bytes: __m256i| {
        _mm256_or_si256(_mm256_cmpeq_epi8(bytes, cr), _mm256_cmpeq_epi8(bytes, lf))
    };
    [ends(load(0)), ends(load(4))]
}

/// Whether a segment name and a separator stand here.
pub(super) fn begins_segment(bytes: &[u8], separator: u8) -> bool {
    bytes.get(3) == Some(&separator) && bytes.get(..3).and_then(SegmentId::new).is_some()
}

/// Position of the first `mark` at or after `from`.
#[inline]
pub(super) fn find(bytes: &[u8], from: usize, mark: u8, charset: Charset) -> Option<usize> {
    let rest = bytes.get(from..)?;
    if charset.hides_delimiters() {
        // Looks no further than the mark: a look at all of the rest for each part of a long
        // segment would take time like its square.
        let at = memchr(mark, rest)?;
        if !charset.may_hide(&rest[..at]) {
            return Some(from + at);
        }
        return find_wide(bytes, from, mark, charset);
    }
    // Most parts end within a block, which costs less than a call of `memchr`.
    let found = match rest.split_first_chunk::<BLOCK>() {
        None => rest.iter().position(|b| *b == mark),
        Some((block, more)) => match marks::any_of(block, [mark]) {
            0 => memchr(mark, more).map(|at| BLOCK + at),
            bits => Some(bits.trailing_zeros() as usize),
        },
    };
    marks::work(found.unwrap_or(rest.len()));
    found.map(|at| from + at)
}

/// Like [`find`], stepping over the second bytes of characters.
#[cold]
fn find_wide(bytes: &[u8], from: usize, mark: u8, charset: Charset) -> Option<usize> {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        if byte == mark {
            return Some(at);
        }
        at += charset.width(bytes.get(at..).unwrap_or_default());
    }
    None
}

/// Range of the part number `n`, from 0, of bytes divided by `mark`.
pub(super) fn part(bytes: &[u8], mark: u8, n: usize, charset: Charset) -> Option<Range<usize>> {
    let start = match n {
        0 => 0,
        _ if charset.may_hide(bytes) => {
            let mut start = 0;
            for _ in 0..n {
                start = find_wide(bytes, start, mark, charset)? + 1;
            }
            start
        }
        _ => nth(bytes, mark, n - 1)? + 1,
    };
    let end = find(bytes, start, mark, charset).unwrap_or(bytes.len());
    Some(start..end)
}

/// Where the part number `n`, from 0, of bytes divided by `mark` begins.
pub(super) fn start_of(bytes: &[u8], mark: u8, n: usize) -> Option<usize> {
    if n == 0 { Some(0) } else { nth(bytes, mark, n - 1).map(|at| at + 1) }
}

/// Range of a repetition, component or subcomponent of the field that begins at `start`.
///
/// `wanted` holds their numbers from 1, 0 for those that are not asked for. One walk from
/// mark to mark over the few bytes of a field costs less than a search for each level.
#[inline]
pub(super) fn walk(
    bytes: &[u8],
    start: usize,
    wanted: [usize; 3],
    delimiters: &Delimiters,
) -> Option<Range<usize>> {
    let [mut repetitions, mut components, mut subcomponents] = wanted.map(|n| n.saturating_sub(1));
    let (by_component, by_subcomponent) = (wanted[1] > 0, wanted[2] > 0);
    let (field, repetition) = (delimiters.field, delimiters.repetition);
    let component = delimiters.component;
    // No byte of a field is its separator, which so stands for none.
    let subcomponent = delimiters.subcomponent.unwrap_or(field);
    let mut from = start;
    for (at, mut bits) in Blocks::new(bytes, start, [field, repetition, component, subcomponent]) {
        while bits != 0 {
            let at = at + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let byte = bytes.get(at).copied().unwrap_or(field);
            let left = if byte == field {
                return (repetitions == 0 && components == 0 && subcomponents == 0)
                    .then_some(from..at);
            } else if byte == repetition {
                // The repetition ends, and with it whatever was looked for in it.
                if repetitions == 0 {
                    return (components == 0 && subcomponents == 0).then_some(from..at);
                }
                &mut repetitions
            } else if repetitions > 0 || !by_component {
                continue;
            } else if byte == component {
                if components == 0 {
                    return (subcomponents == 0).then_some(from..at);
                }
                &mut components
            } else if components > 0 || !by_subcomponent {
                continue;
            } else {
                if subcomponents == 0 {
                    return Some(from..at);
                }
                &mut subcomponents
            };
            *left -= 1;
            from = at + 1;
        }
    }
    (repetitions == 0 && components == 0 && subcomponents == 0).then_some(from..bytes.len())
}

/// Number of parts of bytes divided by `mark`: at least one.
pub(super) fn count(bytes: &[u8], mark: u8, charset: Charset) -> usize {
    if charset.may_hide(bytes) {
        return Parts::new(bytes, Some(mark), charset).count();
    }
    marks::work(bytes.len());
    memchr::memchr_iter(mark, bytes).count() + 1
}

/// Position of the mark number `n`, from 0.
///
/// Counts in blocks: a call of `memchr` for each mark would cost more than the few bytes
/// between two marks.
#[inline]
fn nth(bytes: &[u8], mark: u8, n: usize) -> Option<usize> {
    let mut left = n;
    for (at, mut bits) in Blocks::new(bytes, 0, [mark]) {
        let found = bits.count_ones() as usize;
        if found > left {
            for _ in 0..left {
                bits &= bits - 1;
            }
            return Some(at + bits.trailing_zeros() as usize);
        }
        left -= found;
    }
    None
}

/// Ranges of the parts of bytes divided by a mark; one part where no mark is declared.
#[derive(Clone)]
pub(super) struct Parts<'a> {
    bytes: &'a [u8],
    mark: Option<u8>,
    charset: Charset,
    next: Option<usize>,
}

impl<'a> Parts<'a> {
    pub fn new(bytes: &'a [u8], mark: Option<u8>, charset: Charset) -> Self {
        Self { bytes, mark, charset, next: Some(0) }
    }
}

impl Iterator for Parts<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.next?;
        let end = self.mark.and_then(|mark| find(self.bytes, start, mark, self.charset));
        self.next = end.map(|end| end + 1);
        Some(start..end.unwrap_or(self.bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7v2::{Message, Path};
    use bytes::Bytes;

    #[test]
    fn terminators() {
        let check = |text: &str, expected: &[&str]| {
            let entries = segments(text.as_bytes(), 0, b'|', &mut Tolerances::default()).unwrap();
            let found: Vec<&str> =
                entries.iter().map(|e| &text[e.start as usize..e.end as usize]).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("MSH|1\rPID|2\r", &["MSH|1", "PID|2"]);
        check("MSH|1\rPID|2", &["MSH|1", "PID|2"]);
        check("MSH|1\nPID|2\n", &["MSH|1", "PID|2"]);
        check("MSH|1\r\nPID|2\r\n", &["MSH|1", "PID|2"]);
        check("MSH|1\r\n\r\n\rPID|2\r\n", &["MSH|1", "PID|2"]);
        check("MSH|1\rNTE|a\nb\nOBX|1\r", &["MSH|1", "NTE|a\nb", "OBX|1"]);
        check("MSH|1\rNTE|a\n\rOBX|1", &["MSH|1", "NTE|a\n", "OBX|1"]);
        check("MSH|1\na b\nPID|2", &["MSH|1", "a b", "PID|2"]);
        check("", &[]);
    }

    #[test]
    fn both_passes_find_the_same() {
        let line = ["OBX|1|", &"x".repeat(61), "\n|a\nNTE|b\r\npid|c\r\r\n", "\nZ|\r"].concat();
        let text = ["MSH|1\r", &line.repeat(9)].concat();
        for from in [0, 3] {
            for end in 0..text.len() {
                let mut passes = [Tolerances::default(); 2].map(|tolerances| Pass {
                    bytes: &text.as_bytes()[..end],
                    separator: b'|',
                    has_cr: Some(end > 5),
                    start: from,
                    entries: Entries::new(),
                    tolerances,
                });
                passes[0].run(from).unwrap();
                passes[1].run_portable(from).unwrap();
                let found = passes.map(|pass| (pass.entries.to_vec(), pass.tolerances));
                assert_eq!(found[0], found[1], "{from} {end}");
            }
        }
    }

    #[test]
    fn nth_mark_agrees_with_a_plain_count() {
        let long = "a|bb||ccc|".repeat(30);
        for text in ["", "|", "||||||||||||", "a|bb|ccc|dddd|eeeee|f|\u{fc}|", "abcdefghij", &long]
        {
            let bytes = text.as_bytes();
            let plain: Vec<usize> = memchr::memchr_iter(b'|', bytes).collect();
            for n in 0..plain.len() + 2 {
                assert_eq!(nth(bytes, b'|', n), plain.get(n).copied(), "{text:?} {n}");
            }
        }
    }

    #[test]
    fn second_bytes_of_characters_do_not_divide() {
        let set = Charset::Table(encoding_rs::GB18030);
        let bytes = b"a|\x83\x7c\x83|b";
        assert_eq!(part(bytes, b'|', 1, set), Some(2..7));
        assert_eq!(part(bytes, b'|', 1, Charset::Latin1), Some(2..3));
        assert_eq!(count(b"\x83\x7c|b", b'|', set), 2);
    }

    /// Reads every part of a message that has `n` of something.
    fn read_all(text: &str, paths: [&str; 3]) -> usize {
        let (bytes, message) = marks::worked(|| {
            let message = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            let values = message.segments().flat_map(|segment| segment.fields());
            let parts = values.flat_map(|f| f.repetitions()).flat_map(|r| r.components());
            let parts = parts.flat_map(|c| c.subcomponents()).filter(|s| !s.is_empty()).count();
            for path in paths.map(|path| Path::parse(path).unwrap()) {
                assert_eq!(message.read_all(&path).len(), message.places(&path).len(), "{path}");
                let _ = message.read(&path);
            }
            parts
        });
        assert!(message > 0);
        bytes
    }

    #[test]
    fn work_grows_with_the_message_and_no_faster() {
        let of = |head: &str, unit: &str, n: usize| {
            ["MSH|^~\\&|A||||||ADT^A01|7|P|2.5\r", head, &unit.repeat(n), "\r"].concat()
        };
        for (head, unit, most, paths) in [
            ("", "NTE|1||text~more^b&c\r", 100_000, ["NTE-3.2", "NTE[*]-3", "NTE[99]-3.1.2"]),
            ("PID|1||", "5^^^E&1&ISO~", 200_000, ["PID-3", "PID-3.4.2", "PID-3[99].4"]),
            ("PID|1||", "x&", 1_000_000, ["PID-3", "PID-3.1.999", "PID-3.1"]),
            ("PID|1||", "x^", 1_000_000, ["PID-3.1", "PID-3.99", "PID-3.2.1"]),
            ("PID", "|x", 100_000, ["PID-1", "PID-9999", "PID-12345.1"]),
            ("NTE|1||", "two\nlines ", 100_000, ["NTE-3", "NTE-3.1", "NTE-3.1.1"]),
        ] {
            // A part shorter than a block costs a block, at each level and for each way of
            // reading; but a hundred times as much input costs a hundred times as much.
            let [few, many] = [most / 100, most].map(|n| {
                let text = of(head, unit, n);
                read_all(&text, paths) as f64 / text.len() as f64
            });
            assert!(many < 1.2 * few && many < 80.0, "{unit}: {few} bytes a byte, then {many}");
        }
    }

    #[test]
    fn names() {
        let check = |segment: &str, name: &str| {
            assert_eq!(SegmentId::of(segment.as_bytes(), b'|').as_str(), name, "{segment}");
        };
        check("PID|1", "PID");
        check("pid|1", "PID");
        check("ZB1", "ZB1");
        check("PIDX|1", "");
        check("PI|1", "");
        check("1ID|1", "");
        check(" PID|1", "");
    }
}
