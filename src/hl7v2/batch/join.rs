//! Messages that came in fragments: MSH-14, DSC and ADD.
//!
//! A fragment that ends with DSC is continued by the message whose MSH-14 is the same as
//! DSC-1. A segment that is cut ends with an empty ADD behind it; the rest of it stands in
//! the ADD with which the continuation begins. Source: HL7 v2.5.1 §2.10.2.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::fault::codes::{W2020, W2052};
use crate::fault::{Fault, Place};
use crate::hl7v2::message::Message;

/// Most messages that may be under way at once: a sender has one or two, and each of them
/// holds memory until it is complete.
pub const FRAGMENTS_MAX: usize = 64;

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

/// Fragments under way.
#[derive(Debug)]
pub struct Joiner {
    open: VecDeque<Open>,
    max: usize,
}

#[derive(Debug)]
struct Open {
    /// Sending application and facility, and DSC-1.
    key: [Bytes; 3],
    segments: Vec<Bytes>,
    /// The last segment goes on in the next fragment.
    is_cut: bool,
    size: usize,
}

impl Joiner {
    /// `max` is the largest message that may be put together, in bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { open: VecDeque::new(), max }
    }

    /// Takes a message in the order of arrival.
    ///
    /// MSH of the first fragment stands for the whole; DSC, ADD and later MSH are taken
    /// out. Interactive continuation (DSC-2 `I`), in which the receiver asks for the next
    /// part, is left as it is.
    pub fn take(&mut self, message: &Message) -> Joined {
        let own = |raw: &[u8]| Bytes::copy_from_slice(raw);
        let header = message.header();
        let sender = [header.sending_application(), header.sending_facility()];
        let sender = sender.map(|value| own(value.raw()));
        let key = |pointer: &[u8]| [sender[0].clone(), sender[1].clone(), own(pointer)];
        let dsc = message.segments().last().filter(|segment| segment.id() == "DSC");
        let next = dsc.and_then(|dsc| {
            let is_interactive = dsc.field(2).is_some_and(|value| value.text().trim() == "I");
            dsc.field(1).filter(|value| value.is_valued() && !is_interactive)
        });
        let pointer = header.field(14);
        let before = if pointer.is_valued() {
            let wanted = key(pointer.raw());
            match self.open.iter().position(|open| open.key == wanted) {
                Some(at) => self.open.remove(at),
                None => {
                    let cause = "nothing that was sent before goes on here";
                    let fault = Fault::new(W2052).at(Place::path("MSH-14")).because(cause);
                    return Joined::Refused(fault);
                }
            }
        } else {
            None
        };
        let has_add = message.segments().any(|segment| segment.id() == "ADD");
        if before.is_none() && next.is_none() && !has_add {
            return Joined::Whole(message.write());
        }
        let mut open = before.unwrap_or(Open {
            key: key(b""),
            segments: vec![own(message.segment(0).map_or(&[], |msh| msh.raw()))],
            is_cut: false,
            size: 0,
        });
        let count = message.segment_count() - usize::from(next.is_some());
        for segment in message.segments().take(count).skip(1) {
            open.add(segment.id(), segment.raw());
        }
        open.size = open.segments.iter().map(|segment| segment.len() + 1).sum();
        if open.size > self.max {
            return Joined::Refused(Fault::new(W2020).because("its fragments together are larger"));
        }
        if let Some(pointer) = next {
            if self.open.len() >= FRAGMENTS_MAX {
                let cause = "too many other messages are under way";
                return Joined::Refused(Fault::new(W2052).because(cause));
            }
            open.key = key(pointer.raw());
            self.open.push_back(open);
            return Joined::Waiting;
        }
        let mut out = Vec::with_capacity(open.size);
        for segment in &open.segments {
            out.extend_from_slice(segment);
            out.push(b'\r');
        }
        Joined::Whole(Bytes::from(out))
    }

    /// Whether fragments wait for the next.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }

    /// Gives up what is under way: `W2052` for each message whose rest did not come.
    pub fn finish(&mut self) -> Vec<Fault> {
        let fault = |_| Fault::new(W2052).at(Place::path("DSC-1")).because("the rest did not come");
        self.open.drain(..).map(fault).collect()
    }
}

impl Open {
    /// Adds a segment, or the rest of the one before.
    fn add(&mut self, id: &str, raw: &[u8]) {
        let before = self.segments.last_mut();
        let is_whole = before
            .as_ref()
            .is_none_or(|before| WHOLE.iter().any(|name| before.get(..3) == Some(name.as_bytes())));
        if id != "ADD" || is_whole {
            self.segments.push(Bytes::copy_from_slice(raw));
            self.is_cut = false;
            return;
        }
        // An empty ADD only says that the segment goes on.
        let rest = raw.get(4..).unwrap_or_default();
        self.is_cut = rest.is_empty();
        if let Some(before) = before.filter(|_| !rest.is_empty()) {
            *before = [before, rest].concat().into();
        }
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
        let mut joiner = Joiner::new(1000);
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
}
