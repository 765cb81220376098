//! Messages that came in fragments: MSH-14, DSC and ADD.
//!
//! A fragment that ends with DSC is continued by the message whose MSH-14 is the same as
//! DSC-1. A segment that is cut ends with an empty ADD behind it; the rest of it stands in
//! the ADD with which the continuation begins. Source: HL7 v2.5.1 §2.10.2.
//!
//! A fragment is looked at first ([`Joiner::offer`]) and taken then ([`Joiner::settle`]), so
//! that one that could not be kept in between changes nothing.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use crate::fault::codes::{W2020, W2052};
use crate::fault::{Fault, Place};
use crate::hl7v2::charset::Wide;
use crate::hl7v2::delimiters::Delimiters;
use crate::hl7v2::header::Header;
use crate::hl7v2::message::Message;

/// Most messages that may be under way at once: a sender has one or two, and each of them
/// holds memory until it is complete.
pub const FRAGMENTS_MAX: usize = 64;

/// Most bytes of fragments that are under way at once, or one largest message: 64 of them
/// could take 64 times `max_size` otherwise.
pub const FRAGMENT_BYTES_MAX: usize = 64 << 20;

/// Segments that cannot be cut, and so are continued by no ADD.
const WHOLE: [&str; 8] = ["MSH", "MSA", "DSC", "PID", "QRD", "QRF", "URD", "URS"];

/// What a fragment made.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// A message that is complete: the very same bytes where it was never cut.
    Whole(Bytes),
    /// A fragment that is kept until the next one comes.
    Waiting,
    /// A fragment that belongs to nothing: `W2052`, or `W2020` where all of them together
    /// are too large.
    Refused(Fault),
}

/// What a fragment would make.
#[derive(Debug)]
pub struct Offer {
    /// What that is.
    pub made: Offered,
    /// The message it goes on, by its place.
    before: Option<usize>,
    /// A message that waits for the same pointer, which now means this one.
    replaces: Option<usize>,
    /// What is under way then.
    next: Option<Parts>,
}

/// What a fragment would make.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is no fragment.
    Single,
    /// It came before and waits already.
    Repeated,
    /// It waits for the next one.
    Waiting,
    /// It makes a message complete.
    Whole(Bytes),
    /// It belongs to nothing, or does not fit: `W2052`, or `W2020` where all of them
    /// together are too large, which ends what was under way.
    Refused(Fault),
}

/// A message that is not under way any more: complete, or given up.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended<T> {
    /// The marks of its fragments, in order.
    pub marks: Vec<T>,
    /// What there is of it, with a DSC behind that says that it goes on.
    pub partial: Bytes,
}

/// Fragments under way, each with a mark by which its owner knows it.
#[derive(Debug)]
pub struct Joiner<T = ()> {
    open: VecDeque<Open<T>>,
    max: usize,
}

#[derive(Debug)]
struct Open<T> {
    parts: Parts,
    marks: Vec<T>,
}

/// A message as far as it came.
#[derive(Clone, Debug)]
struct Parts {
    /// Sending application and facility, and DSC-1.
    key: [Bytes; 3],
    segments: Vec<Bytes>,
    size: usize,
    /// What tells the fragments in it from others: control ID and content, hashed.
    seen: Vec<u64>,
    delimiters: Delimiters,
    /// MSH-18 as it stands.
    charset: Bytes,
    /// The form of Unicode in which it came and is given, where that is a wide one; all else
    /// here is UTF-8 then.
    wide: Option<Wide>,
}

/// MSH-14, where it is valued.
fn pointer<'m>(header: &Header<'m>) -> Option<Bytes> {
    let pointer = header.field(14);
    pointer.is_valued().then(|| Bytes::copy_from_slice(pointer.raw()))
}

/// DSC-1 of a message that goes on in another one that its sender sends by itself.
fn continuation(message: &Message) -> Option<Bytes> {
    let dsc = message.segments().last().filter(|segment| segment.id() == "DSC")?;
    // Interactive continuation, in which the receiver asks for the next part.
    let is_interactive = dsc.field(2).is_some_and(|value| value.text().trim() == "I");
    let next = dsc.field(1).filter(|value| value.is_valued() && !is_interactive)?;
    Some(Bytes::copy_from_slice(next.raw()))
}

/// Whether a message is a fragment of another.
#[must_use]
pub fn is_fragment(message: &Message) -> bool {
    pointer(&message.header()).is_some() || continuation(message).is_some()
}

impl<T> Joiner<T> {
    /// `max` is the largest message that may be put together, in bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { open: VecDeque::new(), max }
    }

    /// Sets the largest message that may be put together from now on.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Says what a message would make, in the order of arrival.
    ///
    /// MSH of the first fragment stands for the whole; DSC, ADD and later MSH are taken
    /// out. Interactive continuation (DSC-2 `I`) is left as it is.
    #[must_use]
    pub fn offer(&self, message: &Message) -> Offer {
        let refuse = |fault: Fault| Offer::of(Offered::Refused(fault));
        let (pointer, next) = (pointer(&message.header()), continuation(message));
        let has_add = message.segments().any(|segment| segment.id() == "ADD");
        if pointer.is_none() && next.is_none() && !has_add {
            return Offer::of(Offered::Single);
        }
        let mut parts = Parts::of(message);
        let seen = parts.seen.first().copied().unwrap_or_default();
        if self.open.iter().any(|open| open.parts.seen.contains(&seen)) {
            return Offer::of(Offered::Repeated);
        }
        let mut before = None;
        if let Some(pointer) = pointer {
            before = self.find(&parts.keyed(pointer));
            let Some(open) = before.and_then(|at| self.open.get(at)) else {
                let cause = "nothing that was sent before goes on here";
                return refuse(Fault::new(W2052).at(Place::path("MSH-14")).because(cause));
            };
            let form = |parts: &Parts| (parts.delimiters, parts.charset.clone(), parts.wide);
            if form(&open.parts) != form(&parts) {
                let cause = "its delimiters or character set are not those of the first part";
                return refuse(Fault::new(W2052).at(Place::path("MSH-2")).because(cause));
            }
            parts = open.parts.clone();
            parts.seen.push(seen);
        }
        let count = message.segment_count() - usize::from(next.is_some());
        for segment in message.segments().take(count).skip(1) {
            parts.add(segment.id(), segment.raw());
        }
        parts.size = parts.segments.iter().map(|segment| segment.len() + 1).sum();
        if parts.size > self.max {
            let fault = Fault::new(W2020).because("its fragments together are larger");
            return Offer { before, ..refuse(fault) };
        }
        let Some(next) = next else {
            return Offer { before, ..Offer::of(Offered::Whole(parts.written())) };
        };
        parts.key = parts.keyed(next);
        let replaces = self.find(&parts.key).filter(|at| Some(*at) != before);
        let held: usize = self.open.iter().map(|open| open.parts.size).sum();
        let own = before.and_then(|at| self.open.get(at)).map_or(0, |open| open.parts.size);
        let most = FRAGMENT_BYTES_MAX.max(self.max);
        if before.is_none() && self.open.len() >= FRAGMENTS_MAX || held - own + parts.size > most {
            return refuse(Fault::new(W2052).because("too many other messages are under way"));
        }
        Offer { made: Offered::Waiting, before, replaces, next: Some(parts) }
    }

    /// Takes what was offered last, with a mark where it waits; gives what is not under way
    /// any more: the message it completed or ended, and one whose place it took.
    pub fn settle(&mut self, offer: Offer, mark: T) -> Vec<Ended<T>> {
        let Offer { before, replaces, next, .. } = offer;
        let mut marks = Vec::new();
        let mut ended = Vec::new();
        let replaced = replaces.and_then(|at| self.open.remove(at));
        // What stands behind the one that went moved up.
        let shift = |at: usize| at - usize::from(replaces.is_some_and(|gone| gone < at));
        if let Some(open) = before.and_then(|at| self.open.remove(shift(at))) {
            match next {
                Some(_) => marks = open.marks,
                None => ended.push(Ended { marks: open.marks, partial: open.parts.partial() }),
            }
        }
        ended.extend(replaced.map(|open| open.end()));
        if let Some(parts) = next {
            marks.push(mark);
            self.open.push_back(Open { parts, marks });
        }
        ended
    }

    /// Takes a message in the order of arrival, where nobody needs to know what ended.
    pub fn take(&mut self, message: &Message) -> Joined
    where
        T: Default,
    {
        let mut offer = self.offer(message);
        let made = std::mem::replace(&mut offer.made, Offered::Repeated);
        self.settle(offer, T::default());
        match made {
            Offered::Single => Joined::Whole(message.write()),
            Offered::Whole(bytes) => Joined::Whole(bytes),
            Offered::Repeated | Offered::Waiting => Joined::Waiting,
            Offered::Refused(fault) => Joined::Refused(fault),
        }
    }

    /// Gives up every message of which `is_over` says so by its marks.
    pub fn give_up(&mut self, is_over: impl Fn(&[T]) -> bool) -> Vec<Ended<T>> {
        let (over, open): (VecDeque<_>, VecDeque<_>) =
            self.open.drain(..).partition(|open| is_over(&open.marks));
        self.open = open;
        over.into_iter().map(Open::end).collect()
    }

    /// The marks of each message under way.
    pub fn waiting(&self) -> impl Iterator<Item = &[T]> {
        self.open.iter().map(|open| open.marks.as_slice())
    }

    /// The marks of the message that an offer goes on or completes.
    #[must_use]
    pub fn before(&self, offer: &Offer) -> &[T] {
        let open = offer.before.and_then(|at| self.open.get(at));
        open.map_or(&[], |open| open.marks.as_slice())
    }

    /// Whether fragments wait for the next.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }

    /// Gives up what is under way: `W2052` for each message whose rest did not come.
    pub fn finish(&mut self) -> Vec<Fault> {
        self.open.drain(..).map(|_| incomplete()).collect()
    }

    fn find(&self, key: &[Bytes; 3]) -> Option<usize> {
        self.open.iter().position(|open| open.parts.key == *key)
    }
}

/// What is wrong with a message whose rest did not come.
#[must_use]
pub fn incomplete() -> Fault {
    Fault::new(W2052).at(Place::path("DSC-1")).because("the rest did not come")
}

impl Offer {
    const fn of(made: Offered) -> Self {
        Self { made, before: None, replaces: None, next: None }
    }
}

impl<T> Open<T> {
    fn end(self) -> Ended<T> {
        Ended { partial: self.parts.partial(), marks: self.marks }
    }
}

impl Parts {
    /// A message of the first segment of a fragment.
    fn of(message: &Message) -> Self {
        let own = |raw: &[u8]| Bytes::copy_from_slice(raw);
        let header = message.header();
        let sender = [header.sending_application(), header.sending_facility()];
        let [application, facility] = sender.map(|value| own(value.raw()));
        let mut hasher = DefaultHasher::new();
        (header.control_id().raw(), &application, &facility).hash(&mut hasher);
        message.bytes().hash(&mut hasher);
        Self {
            key: [application, facility, Bytes::new()],
            segments: vec![own(message.segment(0).map_or(&[], |msh| msh.raw()))],
            size: 0,
            seen: vec![hasher.finish()],
            delimiters: *message.delimiters(),
            charset: own(header.field(18).raw()),
            wide: message.base.wide.as_ref().map(|(wide, _)| *wide),
        }
    }

    fn keyed(&self, pointer: Bytes) -> [Bytes; 3] {
        let [application, facility, _] = &self.key;
        [application.clone(), facility.clone(), pointer]
    }

    /// Adds a segment, or the rest of the one before.
    fn add(&mut self, id: &str, raw: &[u8]) {
        let before = self.segments.last_mut();
        let is_whole = before
            .as_ref()
            .is_none_or(|before| WHOLE.iter().any(|name| before.get(..3) == Some(name.as_bytes())));
        if id != "ADD" || is_whole {
            self.segments.push(Bytes::copy_from_slice(raw));
            return;
        }
        // An empty ADD only says that the segment goes on.
        let rest = raw.get(4..).unwrap_or_default();
        if let Some(before) = before.filter(|_| !rest.is_empty()) {
            *before = [before, rest].concat().into();
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size);
        for segment in &self.segments {
            out.extend_from_slice(segment);
            out.push(b'\r');
        }
        out
    }

    fn written(&self) -> Bytes {
        self.formed(self.text())
    }

    /// In the form in which the parts came.
    fn formed(&self, text: Vec<u8>) -> Bytes {
        match self.wide {
            None => Bytes::from(text),
            Some(wide) => Bytes::from(wide.encode(&String::from_utf8_lossy(&text))),
        }
    }

    fn partial(&self) -> Bytes {
        let [_, _, pointer] = &self.key;
        let mut out = self.text();
        out.extend_from_slice(b"DSC");
        out.push(self.delimiters.field);
        out.extend_from_slice(pointer);
        out.push(b'\r');
        self.formed(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn msh(id: &str, pointer: &str) -> String {
        format!("MSH|^~\\&|A|B|||||ORU^R01|{id}|P|2.5||{pointer}")
    }

    /// Takes fragments and says what became of each.
    fn check(fragments: &[String], expected: &[&str], left: usize) {
        let mut joiner: Joiner = Joiner::new(1000);
        let found: Vec<String> = fragments
            .iter()
            .map(|text| match joiner.take(&message(text)) {
                Joined::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Joined::Waiting => "waiting".to_owned(),
                Joined::Refused(fault) => fault.code().to_string(),
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(joiner.finish().len(), left);
    }

    #[test]
    fn fragments_are_put_together() {
        let (one, two, three) = (msh("1", ""), msh("2", "p1"), msh("3", "p2"));
        check(
            &[
                format!("{one}\rPID|1\rOBX|1\rDSC|p1|F\r"),
                format!("{two}\rOBX|2\rDSC|p2\r"),
                format!("{three}\rOBX|3\r"),
            ],
            &["waiting", "waiting", &format!("{one}\rPID|1\rOBX|1\rOBX|2\rOBX|3\r")],
            0,
        );
        // A segment that is cut goes on in ADD.
        check(
            &[format!("{one}\rANY|12\rADD\rDSC|p1\r"), format!("{two}\rADD|345|678|90\rOBX|2\r")],
            &["waiting", &format!("{one}\rANY|12345|678|90\rOBX|2\r")],
            0,
        );
        check(
            &[format!("{one}\rANY|12\rADD|345|678\rOBX|2\r")],
            &[&format!("{one}\rANY|12345|678\rOBX|2\r")],
            0,
        );
    }

    #[test]
    fn what_was_never_cut_stays_as_it_is() {
        let one = msh("1", "");
        for rest in ["\nPID|1\n", "\rPID|1\rDSC|\r", "\rQAK|1\rDSC|p1|I\r"] {
            let text = format!("{one}{rest}");
            check(std::slice::from_ref(&text), &[&text], 0);
        }
    }

    #[test]
    fn fragments_that_fit_nothing_are_refused() {
        check(&[format!("{}\rOBX|2\r", msh("2", "p1"))], &["W2052"], 0);
        let one = format!("{}\rOBX|1\rDSC|p1\r", msh("1", ""));
        let other = format!("{}\rOBX|2\r", msh("2", "p1")).replace("|A|", "|C|");
        check(&[one.clone(), other], &["waiting", "W2052"], 1);
        let large = format!("{}\rOBX|{}\r", msh("2", "p1"), "x".repeat(2000));
        check(&[one, large], &["waiting", "W2020"], 0);
        let many: Vec<String> =
            (0..70).map(|n| format!("{}\rOBX|1\rDSC|p{n}\r", msh("1", ""))).collect();
        let mut expected = vec!["waiting"; FRAGMENTS_MAX];
        expected.resize(70, "W2052");
        check(&many, &expected, FRAGMENTS_MAX);
    }

    #[test]
    fn what_is_offered_changes_nothing_before_it_is_settled() {
        let mut joiner: Joiner<u8> = Joiner::new(1000);
        let one = message(&format!("{}\rOBX|1\rDSC|p1\r", msh("1", "")));
        let two = message(&format!("{}\rOBX|2\r", msh("2", "p1")));
        assert_eq!(joiner.offer(&one).made, Offered::Waiting);
        assert!(matches!(joiner.offer(&two).made, Offered::Refused(_)));
        let offer = joiner.offer(&one);
        assert_eq!(joiner.settle(offer, 1), []);
        assert_eq!(joiner.offer(&one).made, Offered::Repeated);
        for _ in 0..2 {
            assert!(matches!(joiner.offer(&two).made, Offered::Whole(_)));
        }
        let offer = joiner.offer(&two);
        assert_eq!(joiner.before(&offer), [1]);
        let ended = joiner.settle(offer, 2);
        assert_eq!((ended.len(), &ended[0].marks[..]), (1, &[1][..]));
        assert!(!joiner.is_waiting());
    }

    #[test]
    fn a_pointer_that_is_used_again_means_the_newer_message() {
        let mut joiner: Joiner<u8> = Joiner::new(1000);
        let first =
            |id: &str, text: &str| message(&format!("{}\rOBX|{text}\rDSC|p1\r", msh(id, "")));
        let offer = joiner.offer(&first("1", "old"));
        joiner.settle(offer, 1);
        let offer = joiner.offer(&first("9", "new"));
        let ended = joiner.settle(offer, 2);
        assert_eq!(ended[0].marks, [1]);
        assert!(ended[0].partial.ends_with(b"OBX|old\rDSC|p1\r"), "{:?}", ended[0].partial);
        let last = message(&format!("{}\rOBX|2\r", msh("2", "p1")));
        let Offered::Whole(whole) = joiner.offer(&last).made else { panic!() };
        assert!(whole.ends_with(b"OBX|new\rOBX|2\r"));
        let ended = joiner.give_up(|marks| marks == [2]);
        assert_eq!((ended.len(), joiner.is_waiting()), (1, false));
    }

    #[test]
    fn parts_in_another_form_are_not_mixed() {
        let mut joiner: Joiner = Joiner::new(1000);
        let one = format!("{}||||8859/1\rOBX|1\rDSC|p1\r", msh("1", ""));
        assert_eq!(joiner.take(&message(&one)), Joined::Waiting);
        for other in [
            format!("{}||||UNICODE UTF-8\rOBX|2\r", msh("2", "p1")),
            format!("{}||||8859/1\rOBX|2\r", msh("2", "p1")).replace("^~\\&", "$~\\&"),
        ] {
            let refused = joiner.take(&message(&other));
            assert!(
                matches!(&refused, Joined::Refused(fault) if fault.code() == W2052),
                "{refused:?}"
            );
        }
        let right = format!("{}||||8859/1\rOBX|2\r", msh("2", "p1"));
        assert!(matches!(joiner.take(&message(&right)), Joined::Whole(_)), "it waits all the same");
    }

    #[test]
    fn parts_of_wider_characters_are_put_together() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let utf32 = |text: &str| -> Vec<u8> {
            text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()
        };
        let parts = [
            format!("{}||||UNICODE\rNTE|1||Mü\rADD|\rDSC|p1\r", msh("1", "")),
            format!("{}||||UNICODE\rADD|ller\rNTE|2||\u{1f600}\r", msh("2", "p1")),
        ];
        let whole = format!("{}||||UNICODE\rNTE|1||Müller\rNTE|2||\u{1f600}\r", msh("1", ""));
        for form in [&utf16 as &dyn Fn(&str) -> Vec<u8>, &utf32] {
            let mut joiner: Joiner = Joiner::new(1000);
            let read = |text: &str| Message::parse(Bytes::from(form(text))).unwrap();
            assert_eq!(joiner.take(&read(&parts[0])), Joined::Waiting);
            let other = joiner.take(&message(&parts[1]));
            assert!(matches!(&other, Joined::Refused(fault) if fault.code() == W2052));
            assert_eq!(joiner.take(&read(&parts[1])), Joined::Whole(form(&whole).into()));
            assert_eq!(joiner.take(&read(&parts[0])), Joined::Waiting);
            let ended = joiner.give_up(|_| true);
            let partial = format!("{}||||UNICODE\rNTE|1||Mü\rDSC|p1\r", msh("1", ""));
            assert_eq!(ended[0].partial, form(&partial));
        }
    }
}
