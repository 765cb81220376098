//! The message: its bytes, the list of its segments, and an overlay of edits.
//!
//! Invariant: `bytes` never change after parsing; what was not edited is written back
//! byte for byte. Below segments nothing is stored, so what is not read costs nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::begin;
use super::charset::{self, Charset};
use super::delimiters::Delimiters;
use super::edit::{Overlay, Piece};
use super::header::Header;
use super::marks;
use super::path::{Path, Pick};
use super::scan::{self, Entries, SegmentId};
use super::seek::{self, Vectors};
use super::segment::Segment;
use super::structure::Tree;
use super::tables::Site;
use super::tolerance::{Tolerance, Tolerances};
use super::value::Value;
use crate::fault::codes::{W2010, W2011, W2060};
use crate::fault::{Fault, Place};

/// An HL7 v2 message: its bytes and an index of its segments, with edits laid over.
///
/// Cheap to clone: the parts are shared. `Debug` prints `<phi>`.
#[derive(Clone)]
pub struct Message {
    pub(super) base: Arc<Base>,
    pub(super) edits: Option<Arc<Overlay>>,
}

/// A value at a path, and where it stands: what [`Message::each_at`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Found<'m> {
    /// Its segment.
    pub segment: Segment<'m>,
    /// Which segment of its name that is, from 1.
    pub occurrence: usize,
    /// Which repetition of the field it stands in, from 1.
    pub repetition: usize,
    /// The whole repetition.
    pub whole: Value<'m>,
    /// What the path means.
    pub value: Value<'m>,
}

/// What was read from the bytes; never changes.
pub(super) struct Base {
    pub bytes: Bytes,
    pub delimiters: Delimiters,
    pub charset: Charset,
    /// The message as it came where that was UTF-16 or UTF-32; `bytes` are then UTF-8.
    pub wide: Option<(charset::Wide, Bytes)>,
    pub entries: Entries,
    pub tolerances: Tolerances,
    /// What values are sought with.
    pub vectors: Option<Vectors>,
    is_utf8: OnceLock<bool>,
    tree: OnceLock<Tree>,
}

impl Base {
    /// The set to read text in: the declared one, or what the bytes tell.
    pub fn text_charset(&self) -> Charset {
        match self.charset {
            Charset::Unstated | Charset::Unknown | Charset::Ascii | Charset::Wide => {
                let is_utf8 =
                    *self.is_utf8.get_or_init(|| std::str::from_utf8(&self.bytes).is_ok());
                if is_utf8 { Charset::Utf8 } else { Charset::Latin1 }
            }
            stated => stated,
        }
    }

    /// The set to write text in: never more than the declared one takes, though more may
    /// have been read past.
    pub fn write_charset(&self) -> Charset {
        match self.charset {
            Charset::Ascii | Charset::Unknown => Charset::Ascii,
            _ => self.text_charset(),
        }
    }
}

impl Message {
    /// Indexes the bytes of one message.
    ///
    /// Reads past every kind of [`Tolerance`] and notes it; see [`Message::tolerances`] and
    /// [`Message::check_tolerances`].
    ///
    /// # Errors
    /// `W2001` empty, `W2002` no MSH, `W2003` and `W2004` unusable delimiters, `W2005` a
    /// batch, `W2006` too many segments, `W2007` too long, `W2060` broken UTF-16 or UTF-32.
    pub fn parse(bytes: Bytes) -> Result<Self, Fault> {
        Self::parse_as(bytes, None)
    }

    /// As [`Message::parse`], read in this character set whatever MSH-18 says.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse_as(bytes: Bytes, charset: Option<Charset>) -> Result<Self, Fault> {
        let (bytes, wide) = match charset::Wide::of(&bytes) {
            None => (bytes, None),
            Some(wide) => match wide.decode(&bytes) {
                Some(text) => (Bytes::from(text), Some((wide, bytes))),
                None => {
                    return Err(Fault::new(W2060).because("it is cut or broken UTF-16 or UTF-32"));
                }
            },
        };
        let mut tolerances = Tolerances::default();
        let start = begin::header(&bytes, &mut tolerances)?;
        let delimiters = Delimiters::read_noting(&bytes[start..], &mut tolerances)?;
        let entries = scan::segments(&bytes, start, delimiters.field, &mut tolerances)?;
        let header = entries.first().map_or(&[][..], |e| &bytes[e.start as usize..e.end as usize]);
        if delimiters.truncation.is_some()
            && !tolerances.contains(Tolerance::ManyDelimiters)
            && begin::is_before_truncation(header, delimiters.field)
        {
            tolerances.insert(Tolerance::EarlyTruncation);
        }
        let vectors = Vectors::of_machine();
        let declared = || {
            let first = entries.first()?;
            let segment = first.start as usize..first.end as usize;
            let range = seek::field(vectors, &bytes, segment, 17, delimiters.field)?;
            Some(match bytes.get(range)? {
                // The two that nearly every message has.
                b"" => Charset::Unstated,
                b"UNICODE UTF-8" => Charset::Utf8,
                names => Charset::declared(names, Some(delimiters.repetition)),
            })
        };
        let charset = match (&wide, charset) {
            (Some(_), _) => Charset::Utf8,
            (None, Some(charset)) => charset,
            (None, None) => declared().unwrap_or(Charset::Unstated),
        };
        Ok(Self {
            base: Arc::new(Base {
                delimiters,
                charset,
                wide,
                entries,
                tolerances,
                vectors,
                is_utf8: OnceLock::new(),
                tree: OnceLock::new(),
                bytes,
            }),
            edits: None,
        })
    }

    /// Starts a new message: MSH with the delimiters, then an empty segment for each name.
    ///
    /// Values are put in by [`Message::set`]; MSH-18 is filled where the set has a name.
    ///
    /// # Errors
    /// `W2033` when a name is not three letters or digits.
    pub fn build(
        delimiters: Delimiters,
        charset: Charset,
        segments: &[&str],
    ) -> Result<Self, Fault> {
        let mut bytes = b"MSH".to_vec();
        bytes.push(delimiters.field);
        bytes.extend_from_slice(&delimiters.encoding_characters());
        if !charset.name().is_empty() {
            bytes.resize(bytes.len() + 16, delimiters.field);
            bytes.extend_from_slice(charset.name().as_bytes());
        }
        bytes.push(b'\r');
        for id in segments {
            super::edit::check_id(id)?;
            bytes.extend_from_slice(id.as_bytes());
            bytes.push(b'\r');
        }
        Self::parse(Bytes::from(bytes))
    }

    /// The bytes as they came, without edits; those of a message in UTF-16 or UTF-32 as
    /// UTF-8. [`Message::write`] gives the form that came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.base.bytes
    }

    /// The delimiters that MSH-1 and MSH-2 declare.
    #[must_use]
    pub fn delimiters(&self) -> &Delimiters {
        &self.base.delimiters
    }

    /// The character set that MSH-18 of the original names.
    #[must_use]
    pub fn charset(&self) -> Charset {
        self.base.charset
    }

    /// Whether it came as UTF-16 or UTF-32; its bytes here are UTF-8 then.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.base.wide.is_some()
    }

    /// What was read past while indexing.
    #[must_use]
    pub fn tolerances(&self) -> Tolerances {
        self.base.tolerances
    }

    /// MSH.
    #[must_use]
    pub fn header(&self) -> Header<'_> {
        Header::new(self.segment(0).unwrap_or_else(|| Segment::empty(&self.base)))
    }

    /// Number of segments, lines without a name included.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.edits.as_ref().map_or(self.base.entries.len(), |edits| edits.pieces.len())
    }

    /// Segment by its place in the message, from 0.
    #[must_use]
    pub fn segment(&self, index: usize) -> Option<Segment<'_>> {
        let entry = match &self.edits {
            None => *self.base.entries.get(index)?,
            Some(edits) => match edits.pieces.get(index)? {
                Piece::Kept(at) => *self.base.entries.get(*at as usize)?,
                Piece::Edited(edited) => {
                    return Some(Segment::new(
                        &self.base,
                        &edited.content,
                        index,
                        edited.id_ref(),
                        u32::MAX,
                    ));
                }
            },
        };
        let raw = self.base.bytes.get(entry.start as usize..entry.end as usize)?;
        let id = match &self.edits {
            None => &self.base.entries.get(index)?.id,
            Some(edits) => match edits.pieces.get(index)? {
                Piece::Kept(at) => &self.base.entries.get(*at as usize)?.id,
                Piece::Edited(edited) => edited.id_ref(),
            },
        };
        Some(Segment::new(&self.base, raw, index, id, entry.start))
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + '_ {
        (0..self.segment_count()).filter_map(|index| self.segment(index))
    }

    /// Name of a segment by its place, without reading it.
    pub(super) fn segment_id(&self, index: usize) -> Option<SegmentId> {
        match &self.edits {
            None => self.base.entries.get(index).map(|e| e.id),
            Some(edits) => match edits.pieces.get(index)? {
                Piece::Kept(at) => self.base.entries.get(*at as usize).map(|e| e.id),
                Piece::Edited(edited) => Some(*edited.id_ref()),
            },
        }
    }

    /// Places of the segments that a path means, in order.
    pub(super) fn places_of<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = usize> + 'a {
        let scoped = (!path.groups().is_empty()).then(|| self.tree().places(path));
        let count = if scoped.is_some() { 0 } else { self.segment_count() };
        let plain = (0..count).filter(|i| self.segment_id(*i) == Some(path.id()));
        let (skip, take) = match path.occurrence() {
            Pick::Open | Pick::All => (0, usize::MAX),
            Pick::Nth(n) => (n as usize - 1, 1),
        };
        // Inside of groups the tree has already picked the occurrence in each group.
        let (skip, take) = if scoped.is_some() { (0, usize::MAX) } else { (skip, take) };
        scoped.into_iter().flatten().chain(plain).skip(skip).take(take)
    }

    /// First value at the path: of the first segment and first repetition unless the path
    /// says otherwise. A path to a segment gives the whole segment.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Value<'_>> {
        let is_open = path.occurrence() != Pick::All;
        if self.edits.is_none() && path.groups().is_empty() && is_open {
            let n = if let Pick::Nth(n) = path.occurrence() { n as usize - 1 } else { 0 };
            let mut entries = self.base.entries.iter().enumerate();
            let (index, entry) = entries.by_ref().filter(|(_, e)| e.id == path.id()).nth(n)?;
            marks::work(index);
            let raw = self.base.bytes.get(entry.start as usize..entry.end as usize)?;
            return Segment::new(&self.base, raw, index, &entry.id, entry.start).read(path);
        }
        let most = if is_open { 1 } else { usize::MAX };
        self.places_of(path).take(most).find_map(|index| self.segment(index)?.read(path))
    }

    /// All values at the path: of every segment and repetition the path leaves open.
    #[must_use]
    pub fn read_all(&self, path: &Path) -> Vec<Value<'_>> {
        self.places_of(path)
            .filter_map(|index| self.segment(index))
            .flat_map(|segment| segment.descend(path))
            .collect()
    }

    /// Concrete paths of all values at a path that are there, such as `OBX[3]-5[1]`.
    #[must_use]
    pub fn places(&self, path: &Path) -> Vec<Path> {
        let mut out = Vec::new();
        self.each_at(path, &mut |found| {
            let here = path.in_occurrence(found.occurrence);
            let is_open = path.field().is_some() && !matches!(path.repetition(), Pick::Nth(_));
            out.push(if is_open { here.in_repetition(found.repetition) } else { here });
        });
        out
    }

    /// Shows each value at a path that is there, with its numbers: what [`Message::places`]
    /// names, in one pass.
    pub fn each_at<'m>(&'m self, path: &Path, see: &mut dyn FnMut(Found<'m>)) {
        let (mut counted, mut before) = (0, 0);
        let mut ordinals: Vec<u32> = Vec::new();
        for index in self.places_of(path) {
            let Some(segment) = self.segment(index) else { continue };
            // Inside of groups the places may go back: then all are numbered, once.
            if index < counted && ordinals.is_empty() {
                ordinals = self.ordinals_of(path.id());
            }
            let occurrence = match ordinals.get(index) {
                Some(ordinal) => *ordinal as usize,
                None => {
                    let same = |i: &usize| self.segment_id(*i) == Some(path.id());
                    before += (counted..=index).filter(same).count();
                    before
                }
            };
            counted = index + 1;
            let mut show = |repetition: usize, whole: Value<'m>| {
                if let Some(value) = whole.below(path) {
                    see(Found { segment, occurrence, repetition, whole, value });
                }
            };
            match (path.field(), path.repetition()) {
                (None, _) => show(1, segment.whole()),
                (Some(n), Pick::Nth(repetition)) => {
                    let field = segment.field(n);
                    let whole = field.and_then(|field| field.repetition(repetition as usize));
                    if let Some(whole) = whole {
                        show(repetition as usize, whole);
                    }
                }
                (Some(n), Pick::Open | Pick::All) => {
                    let repetitions = segment.field(n).into_iter().flat_map(|f| f.repetitions());
                    (1..).zip(repetitions).for_each(|(n, whole)| show(n, whole));
                }
            }
        }
    }

    /// For every segment, how many of a name there are up to it.
    fn ordinals_of(&self, id: SegmentId) -> Vec<u32> {
        let mut count = 0;
        let numbered = (0..self.segment_count()).map(|i| {
            count += u32::from(self.segment_id(i) == Some(id));
            count
        });
        numbered.collect()
    }

    /// The groups of the message by its structure, read once.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        match &self.edits {
            None => self.base.tree.get_or_init(|| Tree::read(self)),
            Some(edits) => edits.tree.get_or_init(|| Tree::read(self)),
        }
    }

    /// Name of the field that a path means, by the version of the message, such as
    /// `Patient Identifier List`; of the segment where the path has no field.
    #[must_use]
    pub fn describe(&self, path: &Path) -> Option<String> {
        self.describe_by(path, &Site::NONE)
    }

    /// As [`Message::describe`], by the names of a site too.
    #[must_use]
    pub fn describe_by(&self, path: &Path, site: &Site) -> Option<String> {
        let (version, _) = super::tables::version(&self.header().version());
        let segment = site.segment(version, path.segment())?;
        match path.field() {
            None => Some(segment.name.to_owned()),
            Some(n) => segment.field(n).map(|field| field.name.to_owned()),
        }
    }

    /// Whether this answers another message: type `ACK` or `MCF`, or an MSA segment.
    ///
    /// Such a message is never acknowledged. Source: HL7 v2.5.1 §2.9.
    #[must_use]
    pub fn is_acknowledgment(&self) -> bool {
        let msa = SegmentId::new(b"MSA");
        matches!(self.header().message_code().as_ref(), "ACK" | "MCF")
            || (0..self.segment_count()).any(|i| self.segment_id(i) == msa)
    }

    /// Number of MSH segments: more than one in one frame is a batch without envelope.
    #[must_use]
    pub fn header_count(&self) -> usize {
        let msh = SegmentId::new(b"MSH");
        (0..self.segment_count()).filter(|i| self.segment_id(*i) == msh).count()
    }

    /// Checks what every message needs to be processed and answered: MSH-9 and MSH-10.
    ///
    /// # Errors
    /// `W2010` without a message type, `W2011` without a control ID.
    pub fn check_header(&self) -> Result<(), Fault> {
        let header = self.header();
        if header.message_code().trim().is_empty() {
            return Err(Fault::new(W2010).at(Place::path("MSH-9")));
        }
        if !header.control_id().is_valued() {
            return Err(Fault::new(W2011).at(Place::path("MSH-10")));
        }
        Ok(())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message(<phi> {} segments)", self.segment_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "MSH|^~\\&|EMR|E^1.2^ISO|WEIR||20260102||ADT^A01^ADT_A01|77|P|2.5.1^USA\r\
        PID|1||5^^^H&1.2&ISO^MR~6^^^SS||Doe^Jo|\"\"|||^^|a\\T\\b\r\
        OBX|1|ST|||x\rOBX|2|ST||||y~z\r";

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn texts(message: &Message, path: &str) -> Vec<String> {
        let path = Path::parse(path).unwrap();
        message.read_all(&path).iter().map(|value| value.text().into_owned()).collect()
    }

    fn text(message: &Message, path: &str) -> Option<String> {
        let path = Path::parse(path).unwrap();
        let value = message.read(&path)?;
        // The walk of `read` and the descent of `read_all` must agree.
        let mut edited = message.clone();
        edited.remove_segment(message.segment_count() - 1).unwrap();
        edited.insert_segment(99, message.segments().last()?.raw()).unwrap();
        let again = edited.read(&path)?;
        assert_eq!(again.raw(), value.raw(), "{path}");
        if value.range().start > 0 {
            assert_eq!(&message.bytes()[value.range()], value.raw(), "{path}");
        }
        Some(value.text().into_owned())
    }

    #[test]
    fn reads_the_first_value_at_a_path() {
        let message = message(TEXT);
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(text(&message, path).as_deref(), expected, "{path}");
        };
        check("MSH-1", Some("|"));
        check("MSH-2", Some("^~\\&"));
        check("MSH-2.2", None);
        check("MSH-9.2", Some("A01"));
        check("MSH-12", Some("2.5.1^USA"));
        check("PID-3", Some("5^^^H&1.2&ISO^MR"));
        check("PID-3.1", Some("5"));
        check("PID-3.4", Some("H&1.2&ISO"));
        check("PID-3.4.2", Some("1.2"));
        check("PID-3.1.1", Some("5"));
        check("PID-3.1.2", None);
        check("PID-3[2].4", Some("SS"));
        check("PID-3[3]", None);
        check("PID-3.6", None);
        check("PID-10", Some("a&b"));
        check("PID-11", None);
        check("OBX-5", Some("x"));
        check("OBX-6", None);
        check("OBX[2]-6[*]", Some("y"));
        check("OBX[2]-6[2]", Some("z"));
        check("OBX[3]-1", None);
        check("ZZZ-1", None);
        check("OBX[2]", Some("OBX|2|ST||||y~z"));
    }

    #[test]
    fn reads_all_values_at_a_path() {
        let message = message(TEXT);
        assert_eq!(texts(&message, "PID-3.1"), ["5", "6"]);
        assert_eq!(texts(&message, "OBX-1"), ["1", "2"]);
        assert_eq!(texts(&message, "OBX-6"), ["y", "z"]);
        assert_eq!(texts(&message, "OBX[*]-5"), ["x", ""]);
        assert_eq!(texts(&message, "PID-3.4.3"), ["ISO"]);
        assert!(texts(&message, "PID-30").is_empty());
        let places: Vec<String> = message
            .places(&Path::parse("PID-3.4").unwrap())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(places, ["PID[1]-3[1].4", "PID[1]-3[2].4"]);
    }

    #[test]
    fn values_say_whether_they_are_empty_or_null() {
        let message = message(TEXT);
        let pid = message.segment(1).unwrap();
        let check = |n: usize, empty: bool, null: bool| {
            let value = pid.field(n).unwrap();
            assert_eq!((value.is_empty(), value.is_null()), (empty, null), "PID-{n}");
            assert_eq!(value.is_valued(), !empty && !null, "PID-{n}");
        };
        check(2, true, false);
        check(5, false, false);
        check(6, false, true);
        check(9, true, false);
        assert_eq!(pid.field_count(), 10);
        assert_eq!(
            format!("{message:?} {:?}", pid.field(5)),
            "Message(<phi> 4 segments) Some(<phi>)"
        );
    }

    #[test]
    fn a_piece_below_the_asked_level_is_its_own_only_part() {
        let message = message(TEXT);
        let field = message.segment(1).unwrap().field(3).unwrap();
        assert_eq!(field.repetitions().count(), 2);
        assert_eq!(field.components().count(), 5);
        assert_eq!(field.component(4).unwrap().subcomponents().count(), 3);
        let part = field.repetition(2).unwrap();
        assert_eq!(part.repetitions().count(), 1);
        assert_eq!(part.repetition(1).unwrap().component(4).unwrap().text(), "SS");
        assert!(part.repetition(2).is_none());
        let leaf = field.component(4).unwrap().subcomponent(2).unwrap();
        assert_eq!(leaf.component(1).unwrap().text(), "1.2");
        assert!(leaf.component(2).is_none() && leaf.subcomponent(0).is_none());
    }

    #[test]
    fn reads_past_oddities_and_tells_them() {
        let check = |text: &[u8], expected: &[Tolerance]| {
            let parsed = Message::parse(Bytes::copy_from_slice(text)).unwrap();
            assert_eq!(parsed.tolerances().iter().collect::<Vec<_>>(), expected);
            assert_eq!(parsed.header().control_id().raw(), b"7");
            assert_eq!(parsed.write(), text);
        };
        use Tolerance as T;
        check(b"MSH|^~\\&||||||||7\rPID|1\r", &[]);
        check(b"\xef\xbb\xbfMSH|^~\\&||||||||7\r", &[T::ByteOrderMark]);
        check(b"\r\n MSH|^~\\&||||||||7\r", &[T::LeadingBlank]);
        check(b"MSH|^~\\&||||||||7\nPID|1\n", &[T::LineFeed]);
        check(b"MSH|^~\\&||||||||7\r\nPID|1\r\n", &[T::CarriageReturnLineFeed]);
        check(b"MSH|^~\\&||||||||7", &[T::NoFinalTerminator]);
        check(b"MSH|^~\\&||||||||7\rNTE|a\nb\r", &[T::LineFeedInText]);
        check(b"MSH|^~\\&||||||||7\r\rpid|1\r", &[T::BlankLine, T::LowerCaseName]);
        check(b"MSH|^~\\&||||||||7\rhello\r", &[T::TrailingText]);
        check(b"MSH|^~\\&||||||||7\rhello\rPID|1\r", &[T::UnnamedSegment]);
        check(b"MSH|^~\\&||||||||7\ra\rPID|1\rb\rc\r", &[T::UnnamedSegment, T::TrailingText]);
        check(b"MSH|^~\\&||||||||7\rPID|1||\r", &[T::TrailingDelimiters]);
        check(b"MSH|^~\\||||||||7\r", &[T::FewDelimiters]);
        check(b"MSH|^~\\&#!||||||||7\r", &[T::ManyDelimiters]);
        check(b"MSH|^~\\&#||||||||7||2.5\r", &[T::EarlyTruncation]);
        check(b"MSH|^~\\&#||||||||7||2.7.1\r", &[]);
        check(b"MSH$%~\\&$$$$$$$$7\r", &[T::OtherDelimiters]);
        check(b"msh|^~\\&||||||||7\r", &[T::LowerCaseHeader]);
        check(b"12:03 rx> MSH|^~\\&||||||||7\r", &[T::LeadingText]);
        check(b"\r\nport open\r\nMSH|^~\\&||||||||7\r", &[T::LeadingBlank, T::LeadingText]);
        check(b"MSH|^~\\\\&||||||||7\r", &[T::DoubledEscape]);
        let lower = message("MSH|^~\\&\rpid|1\r");
        assert_eq!(text(&lower, "PID-1").as_deref(), Some("1"));
    }

    #[test]
    fn refuses_what_is_no_message() {
        let check = |text: &[u8], code: &str| {
            let fault = Message::parse(Bytes::copy_from_slice(text)).unwrap_err();
            assert_eq!(fault.code().as_str(), code, "{:?}", String::from_utf8_lossy(text));
        };
        check(b"", "W2001");
        check(b"\r\n ", "W2001");
        check(b"PID|1\r", "W2002");
        check(b"PID|1\rMSH|^~\\&|\r", "W2002");
        check(b"XMSH|^~\\&|\r", "W2002");
        check(b"{\"a\": \"MSH|^~\\&|\"}", "W2002");
        check(b"see MSH|^~ for more", "W2002");
        check(b"{}", "W2002");
        check(b"<a/>", "W2002");
        check(b"\x00\x01\x02\xff", "W2002");
        check(b"MSH", "W2003");
        check(b"MSH||", "W2004");
        check(b"FHS|^~\\&|\r", "W2005");
        check(b"BHS|^~\\&|\r", "W2005");
    }

    #[test]
    fn header_fields_are_read_and_checked() {
        let message = message(TEXT);
        let header = message.header();
        assert_eq!(header.message_type(), "ADT^A01");
        assert_eq!((header.structure().as_ref(), header.version().as_ref()), ("ADT_A01", "2.5.1"));
        assert_eq!(header.sending_facility().component(2).unwrap().text(), "1.2");
        assert!(header.accept_ack().is_empty() && !message.is_acknowledgment());
        assert!(message.check_header().is_ok());
        let check = |text: &str, code: &str| {
            let fault = self::message(text).check_header().unwrap_err();
            assert_eq!(fault.code().as_str(), code);
        };
        check("MSH|^~\\&|||||||  |7", "W2010");
        check("MSH|^~\\&|||||||ADT^A01|", "W2011");
        check("MSH|^~\\&", "W2010");
    }

    #[test]
    fn text_follows_the_character_set() {
        let check = |msh18: &str, field: &[u8], expected: &str, fits: bool| {
            let mut bytes = format!("MSH|^~\\&|||||||ADT|7|P|2.5||||||{msh18}\rPID|").into_bytes();
            bytes.extend_from_slice(field);
            let message = Message::parse(Bytes::from(bytes)).unwrap();
            let path = Path::parse("PID-1").unwrap();
            assert_eq!(message.read(&path).unwrap().text(), expected, "{msh18}");
            assert_eq!(message.check_charset().is_ok(), fits, "{msh18}");
        };
        check("", b"M\xc3\xbcller", "M\u{fc}ller", true);
        check("", b"M\xfcller", "M\u{fc}ller", true);
        check("8859/1", b"M\xfcller\\F\\", "M\u{fc}ller|", true);
        check("8859/1~UNICODE UTF-8", b"\xfc", "\u{fc}", true);
        check("UNICODE UTF-8", b"M\xfcller", "M\u{fffd}ller", false);
        check("ASCII", b"M\xfcller", "M\u{fc}ller", false);
        check("EBCDIC", b"a", "a", false);
        check("GB 18030-2000", b"\x83\x7c\x83\x5c|x", "\u{5104}\u{50dc}", true);
    }

    #[test]
    fn new_messages_are_built_by_edits() {
        let mut new =
            Message::build(Delimiters::STANDARD, Charset::Utf8, &["PID", "OBX", "OBX"]).unwrap();
        for (path, value) in
            [("MSH-9", "ORU"), ("MSH-9.2", "R01"), ("PID-5.1", "M\u{fc}ller"), ("OBX[2]-5", "7|8")]
        {
            new.set(&Path::parse(path).unwrap(), value).unwrap();
        }
        assert_eq!(
            String::from_utf8(new.write().to_vec()).unwrap(),
            "MSH|^~\\&|||||||ORU^R01|||||||||UNICODE UTF-8\rPID|||||M\u{fc}ller\rOBX\rOBX|||||7\\F\\8\r"
        );
        assert!(Message::build(Delimiters::STANDARD, Charset::Utf8, &["PI"]).is_err());
    }

    #[test]
    fn fields_are_described_by_version() {
        let message = message(TEXT);
        let check = |path: &str, expected: Option<&str>| {
            let path = Path::parse(path).unwrap();
            assert_eq!(message.describe(&path).as_deref(), expected, "{path}");
        };
        check("PID-3.1", Some("Patient Identifier List"));
        check("OBR-32.1", Some("Principal Result Interpreter"));
        check("PID", Some("Patient Identification"));
        check("PID-99", None);
        check("ZB1-1", None);
    }

    proptest! {
        #[test]
        fn any_bytes_after_msh_are_written_back(
            tail in proptest::collection::vec(
                prop_oneof![Just(b'|'), Just(b'\r'), Just(b'\n'), Just(b'^'), Just(b'P'), any::<u8>()],
                0..200)
        ) {
            for head in [&b"MSH|^~\\&|"[..], b"MSH", b"\xef\xbb\xbfMSH|^~\\&|||||||||||||||GB18030|"] {
                let bytes = Bytes::from([head, &tail].concat());
                let Ok(message) = Message::parse(bytes.clone()) else { continue };
                prop_assert_eq!(message.write(), bytes.clone());
                let mut edited = message.clone();
                edited.clear(&Path::parse("PID-99").unwrap()).unwrap();
                edited.insert_segment(1, b"ZZZ").unwrap();
                edited.remove_segment(1).unwrap();
                prop_assert_eq!(edited.write(), bytes.clone());
                for segment in message.segments() {
                    for field in segment.fields() {
                        prop_assert!(bytes[field.range()] == *field.raw());
                        let _ = field.text();
                    }
                }
            }
        }
    }
}
