//! Edits: an overlay of changed, added and removed segments, merged when written.
//!
//! Invariant: outside of the edited place every byte is written as it came. An edited
//! segment is a small copy of its own; all others stay ranges of the original.

mod many;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::charset::Charset;
use super::delimiters::Delimiters;
use super::escape::{self, Unfit};
use super::marks;
use super::message::{Base, Message};
use super::path::{Path, Pick};
use super::scan::{self, Parts, SegmentId};
use super::structure::Tree;
use super::tolerance::Tolerance;
use crate::fault::Fault;
use crate::fault::codes::{W2031, W2032, W2033, W2034};

pub use many::Change;

/// Highest field, repetition, component or subcomponent number that an edit fills up to:
/// the longest segments of the standard have some 90 fields, and a slip in a path must
/// not add a million delimiters to every message.
pub const EDIT_NUMBER_MAX: usize = 9_999;

/// The segments of an edited message in their order.
#[derive(Clone)]
pub(super) struct Overlay {
    pub pieces: Vec<Piece>,
    pub tree: OnceLock<Tree>,
}

/// One segment of an edited message.
#[derive(Clone)]
pub(super) enum Piece {
    /// The segment number so and so of the original, from 0.
    Kept(u32),
    /// A changed or added one.
    Edited(Edited),
}

/// A changed or added segment.
#[derive(Clone)]
pub(super) struct Edited {
    pub content: Vec<u8>,
    id: SegmentId,
    /// The segment of the original it stands for, whose terminator it takes over.
    origin: Option<u32>,
}

impl Edited {
    pub fn id_ref(&self) -> &SegmentId {
        &self.id
    }
}

/// Where in a segment a value stands or has to be put, and the delimiters before it.
struct Spot {
    range: Range<usize>,
    fill: Vec<u8>,
}

/// Checks the name of a segment to be added.
pub(super) fn check_id(id: &str) -> Result<SegmentId, Fault> {
    SegmentId::new(id.as_bytes())
        .ok_or_else(|| Fault::new(W2033).because("a segment name is three letters or digits"))
}

impl Message {
    /// Puts text at a place, escaped as needed; what is missing before it is made.
    ///
    /// A path without repetition means the whole field, or its first repetition where the
    /// path goes on to a component; `[*]` means all that are there. A segment that does
    /// not exist is added at the end when it would be the next of its name.
    ///
    /// # Errors
    /// `W2031` MSH-1 or MSH-2 or no field, `W2032` too far, `W2033` no such segment,
    /// `W2034` the text cannot be written.
    pub fn set(&mut self, path: &Path, text: &str) -> Result<(), Fault> {
        let raw = escape::escape(text, &self.base.delimiters, self.base.write_charset())
            .map_err(|fault| fault.at(path))?;
        self.put(path, &raw, true)
    }

    /// Puts raw bytes at a place; delimiters below the field keep their meaning.
    ///
    /// # Errors
    /// As [`Message::set`]; `W2034` also when the bytes hold a field separator or a
    /// segment terminator.
    pub fn set_raw(&mut self, path: &Path, raw: &[u8]) -> Result<(), Fault> {
        self.check_raw(raw).map_err(|fault| fault.at(path))?;
        self.put(path, raw, true)
    }

    /// Refuses bytes that would end a field.
    fn check_raw(&self, raw: &[u8]) -> Result<(), Fault> {
        let bad = |cause: &'static str| Err(Fault::new(W2034).because(cause));
        if scan::find(raw, 0, self.base.delimiters.field, self.base.charset).is_some() {
            return bad("the bytes hold a field separator");
        }
        let text_lf = self.base.tolerances.contains(Tolerance::LineFeedInText);
        if raw.contains(&b'\r') || (raw.contains(&b'\n') && !text_lf) {
            return bad("the bytes hold a segment terminator");
        }
        Ok(())
    }

    /// Puts the null of HL7, `""`, at a place: the sender says that there is no value.
    ///
    /// # Errors
    /// As [`Message::set`].
    pub fn set_null(&mut self, path: &Path) -> Result<(), Fault> {
        self.put(path, b"\"\"", true)
    }

    /// Puts text at a place as [`Message::set`], with a choice for characters that the
    /// message's character set lacks.
    ///
    /// # Errors
    /// As [`Message::set`].
    pub fn set_with(&mut self, path: &Path, text: &str, unfit: Unfit) -> Result<(), Fault> {
        let charset = self.base.write_charset();
        let raw = escape::escape_with(text, &self.base.delimiters, charset, unfit)
            .map_err(|fault| fault.at(path))?;
        self.put(path, &raw, true)
    }

    /// Puts text before what stands at a place: that and what follows moves on by one.
    ///
    /// The path ends with the part that is to be new: `PID-3[2]` a repetition, `PID-5.2` a
    /// component, `PID-5.1.2` a subcomponent, `ZB1-4` a field. Behind the last part this is
    /// the same as [`Message::set`].
    ///
    /// # Errors
    /// As [`Message::set`]; `W2031` also for a path that leaves open which place is meant.
    pub fn insert(&mut self, path: &Path, text: &str) -> Result<(), Fault> {
        let raw = escape::escape(text, &self.base.delimiters, self.base.write_charset())
            .map_err(|fault| fault.at(path))?;
        let Some((index, levels)) = self.part_at(path)? else {
            return self.put(path, &raw, true);
        };
        let Some(segment) = self.segment(index) else { return Ok(()) };
        let mut content = segment.raw().to_vec();
        let (delimiters, charset) = (self.base.delimiters, self.base.charset);
        let spot = locate(&content, &levels, &delimiters, charset).map_err(|f| f.at(path))?;
        if !spot.fill.is_empty() {
            return self.put(path, &raw, true);
        }
        let mark = levels.mark(&delimiters).ok_or_else(|| Fault::new(W2034).at(path))?;
        let new: Vec<u8> = raw.into_iter().chain([mark]).collect();
        content.splice(spot.range.start..spot.range.start, new);
        self.replace(index, path.id(), content);
        Ok(())
    }

    /// Takes a part out: what follows moves up by one, and no delimiter stays behind.
    ///
    /// The path ends with the part that goes, as in [`Message::insert`]; a path to a
    /// segment takes the segment out. What is not there stays so.
    ///
    /// # Errors
    /// `W2031` for MSH-1, MSH-2 or a path that leaves open which place is meant, `W2033`
    /// for MSH.
    pub fn remove(&mut self, path: &Path) -> Result<(), Fault> {
        if path.field().is_none() {
            let place = self.places_of(path).next();
            return place.map_or(Ok(()), |index| self.remove_segment(index));
        }
        let Some((index, levels)) = self.part_at(path)? else { return Ok(()) };
        let Some(segment) = self.segment(index) else { return Ok(()) };
        let mut content = segment.raw().to_vec();
        let (delimiters, charset) = (self.base.delimiters, self.base.charset);
        let spot = locate(&content, &levels, &delimiters, charset).map_err(|f| f.at(path))?;
        if !spot.fill.is_empty() {
            return Ok(());
        }
        let mark = levels.mark(&delimiters);
        let Range { mut start, mut end } = spot.range;
        let at = |n: Option<usize>| n.and_then(|n| content.get(n).copied());
        if at(Some(end)).is_some() && at(Some(end)) == mark {
            end += 1;
        } else if at(start.checked_sub(1)).is_some() && at(start.checked_sub(1)) == mark {
            start -= 1;
        }
        content.splice(start..end, []);
        self.replace(index, path.id(), content);
        Ok(())
    }

    /// The segment that a path means, and the one part of it; `None` without the segment.
    fn part_at(&self, path: &Path) -> Result<Option<(usize, Levels)>, Fault> {
        let bad = |cause: &'static str| Err(Fault::new(W2031).at(path).because(cause));
        let Some(field) = path.field() else { return bad("the path names no field") };
        let is_header = path.id().is_header();
        if is_header && field <= 2 {
            return Err(Fault::new(W2031).at(path));
        }
        let is_open = path.occurrence() == Pick::All
            || path.repetition() == Pick::All
            || path.groups().iter().any(|group| group.pick == Pick::All);
        if is_open {
            return bad("the path means several places");
        }
        let below = path.component().is_some();
        let levels = Levels {
            part: if is_header { field - 1 } else { field },
            repetition: match path.repetition() {
                Pick::Nth(n) => n as usize,
                Pick::Open | Pick::All => usize::from(below),
            },
            component: path.component().unwrap_or(0),
            subcomponent: path.subcomponent().unwrap_or(0),
        };
        Ok(self.places_of(path).next().map(|index| (index, levels)))
    }

    /// Puts new content into the place of a segment.
    fn replace(&mut self, index: usize, id: SegmentId, content: Vec<u8>) {
        match self.overlay().pieces.get_mut(index) {
            Some(Piece::Edited(edited)) => edited.content = content,
            Some(piece @ Piece::Kept(_)) => {
                let origin = if let Piece::Kept(at) = piece { Some(*at) } else { None };
                *piece = Piece::Edited(Edited { content, id, origin });
            }
            None => {}
        }
    }

    /// Empties a place; what is not there stays so. Paths mean what they mean in
    /// [`Message::set`].
    ///
    /// # Errors
    /// `W2031` for MSH-1, MSH-2 or a path without a field.
    pub fn clear(&mut self, path: &Path) -> Result<(), Fault> {
        self.put(path, b"", false)
    }

    /// Empties every place that the path leaves open: all segments of the name, all
    /// repetitions, as [`Message::read_all`] reads them.
    ///
    /// # Errors
    /// `W2031` for MSH-1, MSH-2 or a path without a field.
    pub fn clear_all(&mut self, path: &Path) -> Result<(), Fault> {
        let places: Vec<usize> = self.places_of(path).collect();
        for index in places {
            self.put_in(index, path, b"", false, true)?;
        }
        Ok(())
    }

    /// Adds a segment so that it stands at `index`, counted from 0; at the end when there
    /// are fewer. `raw` is the segment without terminator.
    ///
    /// # Errors
    /// `W2033` when `raw` does not begin with a segment name or `index` is 0 (MSH),
    /// `W2034` when it holds a terminator.
    pub fn insert_segment(&mut self, index: usize, raw: &[u8]) -> Result<(), Fault> {
        let id = SegmentId::of(raw, self.base.delimiters.field);
        if id == SegmentId::NONE || index == 0 {
            return Err(Fault::new(W2033).because("a segment begins with its name, after MSH"));
        }
        if raw.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            return Err(Fault::new(W2034).because("the bytes hold a segment terminator"));
        }
        let edited = Edited { content: raw.to_vec(), id, origin: None };
        let overlay = self.overlay();
        let index = index.min(overlay.pieces.len());
        overlay.pieces.insert(index, Piece::Edited(edited));
        Ok(())
    }

    /// Takes out the segment at `index`, counted from 0.
    ///
    /// # Errors
    /// `W2033` when there is none or it is MSH.
    pub fn remove_segment(&mut self, index: usize) -> Result<(), Fault> {
        if index == 0 || index >= self.segment_count() {
            return Err(Fault::new(W2033).because("there is no segment that could be removed"));
        }
        self.overlay().pieces.remove(index);
        Ok(())
    }

    /// Whether anything was edited.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.edits.is_some()
    }

    /// The bytes with edits applied; the very same bytes, not copied, when unedited.
    #[must_use]
    pub fn write(&self) -> Bytes {
        match (&self.edits, &self.base.wide) {
            (None, None) => self.base.bytes.clone(),
            (None, Some((_, original))) => original.clone(),
            (Some(overlay), None) => Bytes::from(merge(&self.base, &overlay.pieces)),
            (Some(overlay), Some((wide, _))) => {
                let bytes = merge(&self.base, &overlay.pieces);
                Bytes::from(wide.encode(&String::from_utf8_lossy(&bytes)))
            }
        }
    }

    fn overlay(&mut self) -> &mut Overlay {
        let count = u32::try_from(self.base.entries.len()).unwrap_or(u32::MAX);
        let edits = self.edits.get_or_insert_with(|| {
            let pieces = (0..count).map(Piece::Kept).collect();
            Arc::new(Overlay { pieces, tree: OnceLock::new() })
        });
        let overlay = Arc::make_mut(edits);
        overlay.tree = OnceLock::new();
        overlay
    }

    fn put(&mut self, path: &Path, raw: &[u8], make: bool) -> Result<(), Fault> {
        let all = path.occurrence() == Pick::All
            || path.groups().iter().any(|group| group.pick == Pick::All);
        let places: Vec<usize> =
            self.places_of(path).take(if all { usize::MAX } else { 1 }).collect();
        if places.is_empty() && make {
            let index = self.add_next(path)?;
            return self.put_in(index, path, raw, make, false);
        }
        for index in places {
            self.put_in(index, path, raw, make, false)?;
        }
        Ok(())
    }

    /// Adds the segment a path means, when it would be the next of its name.
    fn add_next(&mut self, path: &Path) -> Result<usize, Fault> {
        let there =
            (0..self.segment_count()).filter(|i| self.segment_id(*i) == Some(path.id())).count();
        let wanted = match path.occurrence() {
            Pick::Open => 1,
            Pick::Nth(n) => n as usize,
            Pick::All => return Ok(self.segment_count()),
        };
        if !path.groups().is_empty() || wanted != there + 1 {
            return Err(Fault::new(W2033).at(path));
        }
        let index = self.segment_count();
        self.insert_segment(index, path.segment().as_bytes())?;
        Ok(index)
    }

    /// Changes one segment. `all` takes every repetition where the path names none.
    fn put_in(
        &mut self,
        index: usize,
        path: &Path,
        raw: &[u8],
        make: bool,
        all: bool,
    ) -> Result<(), Fault> {
        let Some(segment) = self.segment(index) else { return Ok(()) };
        let Some(field) = path.field() else {
            return Err(Fault::new(W2031).at(path).because("the path names no field"));
        };
        let is_header = path.id().is_header();
        if is_header && field <= 2 {
            return Err(Fault::new(W2031).at(path));
        }
        let below = path.component().is_some();
        let repetition = match path.repetition() {
            Pick::Nth(n) => n as usize,
            Pick::Open if !below => 0,
            Pick::Open if !all => 1,
            Pick::Open | Pick::All => EVERY,
        };
        let levels = Levels {
            part: if is_header { field - 1 } else { field },
            repetition,
            component: path.component().unwrap_or(0),
            subcomponent: path.subcomponent().unwrap_or(0),
        };
        let new = New { raw, make, delimiters: self.base.delimiters, charset: self.base.charset };
        let mut content = Vec::with_capacity(segment.raw().len() + raw.len() + 1);
        match repetition {
            EVERY => new.put_in_each(segment.raw(), levels, &mut content),
            _ => new.put_in(segment.raw(), &levels, &mut content),
        }
        .map_err(|fault| fault.at(path))?;
        self.replace(index, path.id(), content);
        Ok(())
    }
}

/// Stands for every repetition there is.
const EVERY: usize = usize::MAX;

/// What is put into a place.
struct New<'a> {
    raw: &'a [u8],
    /// Whether the place is made where it is missing.
    make: bool,
    delimiters: Delimiters,
    charset: Charset,
}

impl New<'_> {
    /// Writes content to `out` with one place of it changed.
    fn put_in(&self, content: &[u8], levels: &Levels, out: &mut Vec<u8>) -> Result<(), Fault> {
        let spot = locate(content, levels, &self.delimiters, self.charset)?;
        marks::work(content.len());
        if !spot.fill.is_empty() && !self.make {
            out.extend_from_slice(content);
            return Ok(());
        }
        out.extend_from_slice(content.get(..spot.range.start).unwrap_or_default());
        out.extend_from_slice(&spot.fill);
        out.extend_from_slice(self.raw);
        out.extend_from_slice(content.get(spot.range.end..).unwrap_or_default());
        Ok(())
    }

    /// Writes a segment to `out` with the same place of every repetition changed, in one
    /// pass: finding each by its number would take time like the square of how many they are.
    fn put_in_each(&self, content: &[u8], levels: Levels, out: &mut Vec<u8>) -> Result<(), Fault> {
        let field = Levels { repetition: 0, component: 0, subcomponent: 0, ..levels };
        let spot = locate(content, &field, &self.delimiters, self.charset)?;
        if !spot.fill.is_empty() {
            return self.put_in(content, &Levels { repetition: 1, ..levels }, out);
        }
        out.extend_from_slice(content.get(..spot.range.start).unwrap_or_default());
        let below = Levels { part: 0, repetition: 0, ..levels };
        let mark = self.delimiters.repetition;
        let field = content.get(spot.range.clone()).unwrap_or_default();
        for (n, range) in Parts::new(field, Some(mark), self.charset).enumerate() {
            if n > 0 {
                out.push(mark);
            }
            self.put_in(field.get(range).unwrap_or_default(), &below, out)?;
        }
        out.extend_from_slice(content.get(spot.range.end..).unwrap_or_default());
        Ok(())
    }
}

/// The numbers of a place in a segment; 0 stands for the whole of what is above.
#[derive(Clone, Copy)]
struct Levels {
    /// Place among the parts that the field separator divides, from 0.
    part: usize,
    repetition: usize,
    component: usize,
    subcomponent: usize,
}

impl Levels {
    /// The delimiter between parts of the level that they end at.
    fn mark(&self, delimiters: &Delimiters) -> Option<u8> {
        match (self.repetition, self.component, self.subcomponent) {
            (0, _, _) => Some(delimiters.field),
            (_, 0, _) => Some(delimiters.repetition),
            (_, _, 0) => Some(delimiters.component),
            _ => delimiters.subcomponent,
        }
    }
}

/// Finds a place in a segment, and the delimiters that have to be put before it.
fn locate(
    content: &[u8],
    levels: &Levels,
    delimiters: &Delimiters,
    charset: Charset,
) -> Result<Spot, Fault> {
    let mut spot = Spot { range: 0..content.len(), fill: Vec::new() };
    let steps = [
        (levels.part + 1, Some(delimiters.field)),
        (levels.repetition, Some(delimiters.repetition)),
        (levels.component, Some(delimiters.component)),
        (levels.subcomponent, delimiters.subcomponent),
    ];
    for (n, mark) in steps {
        let Some(n) = n.checked_sub(1) else { continue };
        if n > EDIT_NUMBER_MAX {
            return Err(Fault::new(W2032));
        }
        let Some(mark) = mark else {
            if n == 0 {
                continue;
            }
            return Err(Fault::new(W2034).because("no subcomponent separator is declared"));
        };
        if !spot.fill.is_empty() {
            spot.fill.resize(spot.fill.len() + n, mark);
            continue;
        }
        let start = spot.range.start;
        let within = content.get(spot.range.clone()).unwrap_or_default();
        if let Some(range) = scan::part(within, mark, n, charset) {
            spot.range = start + range.start..start + range.end;
        } else {
            let missing = n + 1 - scan::count(within, mark, charset);
            spot.fill.resize(missing, mark);
            spot.range = spot.range.end..spot.range.end;
        }
    }
    Ok(spot)
}

/// Writes the segments of an edited message in order, copying runs of kept ones at once.
fn merge(base: &Base, pieces: &[Piece]) -> Vec<u8> {
    let added: usize = pieces
        .iter()
        .map(|piece| if let Piece::Edited(edited) = piece { edited.content.len() + 2 } else { 0 })
        .sum();
    let mut out = Vec::with_capacity(base.bytes.len() + added);
    let start = base.entries.first().map_or(0, |entry| entry.start as usize);
    out.extend_from_slice(base.bytes.get(..start).unwrap_or_default());
    let terminator = terminator(base);
    // Bytes of the original not yet copied.
    let mut run = start..start;
    for (at, piece) in pieces.iter().enumerate() {
        let (gap, kept) = match piece {
            Piece::Kept(i) => (after(base, *i), Some(base.start_of(*i))),
            Piece::Edited(Edited { origin: Some(i), .. }) => (after(base, *i), None),
            Piece::Edited(_) => (0..0, None),
        };
        match (piece, kept) {
            (Piece::Kept(_), Some(start)) if run.end == start => run.end = gap.end,
            (Piece::Kept(_), Some(start)) => {
                out.extend_from_slice(base.bytes.get(run).unwrap_or_default());
                run = start..gap.end;
            }
            (Piece::Kept(_), None) => {}
            (Piece::Edited(edited), _) => {
                out.extend_from_slice(base.bytes.get(run).unwrap_or_default());
                out.extend_from_slice(&edited.content);
                run = gap.clone();
            }
        }
        let is_added = matches!(piece, Piece::Edited(Edited { origin: None, .. }));
        if gap.is_empty() && (at + 1 < pieces.len() || is_added) {
            out.extend_from_slice(base.bytes.get(run).unwrap_or_default());
            out.extend_from_slice(terminator);
            run = gap.end..gap.end;
        }
    }
    out.extend_from_slice(base.bytes.get(run).unwrap_or_default());
    out
}

/// The bytes between a segment of the original and the next: its terminator.
fn after(base: &Base, i: u32) -> Range<usize> {
    let Some(entry) = base.entries.get(i as usize) else { return 0..0 };
    let next = base.entries.get(i as usize + 1);
    entry.end as usize..next.map_or(base.bytes.len(), |next| next.start as usize)
}

/// What ends the first segment, so what an added one should end with.
fn terminator(base: &Base) -> &'static [u8] {
    match base.bytes.get(after(base, 0)) {
        Some([b'\r', b'\n', ..]) => b"\r\n",
        Some([b'\n', ..]) => b"\n",
        _ => b"\r",
    }
}

impl Base {
    fn start_of(&self, i: u32) -> usize {
        self.entries.get(i as usize).map_or(0, |entry| entry.start as usize)
    }
}

#[cfg(test)]
mod tests;
