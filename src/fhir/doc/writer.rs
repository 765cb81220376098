//! Writes the JSON of a document and nothing else: for what leaves as it was made.

use bytes::Bytes;

use super::{Builder, Doc, text};
use crate::base::limits::DEPTH_MAX;

/// What a document is written to in writing order: a [`Builder`] or a [`Writer`].
///
/// Both write the same bytes for the same calls: objects and arrays that stay empty are
/// taken back with their name, but for the root, and calls that make no sense write nothing.
pub trait Sink {
    /// What comes out.
    type Done;

    /// Starts an object.
    fn start_object(&mut self);
    /// Ends the object begun last.
    fn end_object(&mut self);
    /// Starts an array.
    fn start_array(&mut self);
    /// Ends the array begun last.
    fn end_array(&mut self);
    /// Writes the name of the next member.
    fn name(&mut self, name: &str);
    /// Writes a string value.
    fn string(&mut self, text: &str);
    /// Writes a number as it shall stand; what is no number of JSON as a string.
    fn number(&mut self, text: &str);
    /// Writes `true` or `false`.
    fn bool(&mut self, value: bool);
    /// Ends what is open and gives what was written.
    fn done(self) -> Self::Done;

    /// Writes a member with a string value.
    fn member(&mut self, name: &str, text: &str) {
        self.name(name);
        self.string(text);
    }
}

impl Sink for Builder {
    type Done = Doc;

    fn start_object(&mut self) {
        Self::start_object(self);
    }
    fn end_object(&mut self) {
        Self::end_object(self);
    }
    fn start_array(&mut self) {
        Self::start_array(self);
    }
    fn end_array(&mut self) {
        Self::end_array(self);
    }
    fn name(&mut self, name: &str) {
        Self::name(self, name);
    }
    fn string(&mut self, text: &str) {
        Self::string(self, text);
    }
    fn number(&mut self, text: &str) {
        Self::number(self, text);
    }
    fn bool(&mut self, value: bool) {
        Self::bool(self, value);
    }
    fn done(self) -> Doc {
        self.finish()
    }
}

/// Writes JSON into one buffer, without the nodes a [`Doc`] has.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
    open: Vec<Open>,
    /// Where the name that waits for its value begins, its comma included.
    name: Option<usize>,
    /// Containers that write nothing and are not closed yet.
    skipped: usize,
}

struct Open {
    is_object: bool,
    /// Whether something stands in it.
    any: bool,
    /// Where its own name or comma begins, to take it back.
    mark: usize,
    /// Whether something stood before it in the container around it.
    before: bool,
}

impl Writer {
    /// Starts an empty document with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), open: Vec::with_capacity(16), ..Self::default() }
    }

    fn unname(&mut self) {
        if let Some(mark) = self.name.take() {
            self.out.truncate(mark);
        }
    }

    /// Begins a value, after a comma where one is needed; false where none may stand.
    #[inline]
    fn value(&mut self) -> bool {
        if self.skipped > 0 {
            return false;
        }
        let named = self.name.take().is_some();
        match self.open.last_mut() {
            Some(open) => {
                if open.is_object != named {
                    return false;
                }
                if open.any && !named {
                    self.out.push(b',');
                }
                open.any = true;
                true
            }
            None => self.out.is_empty(),
        }
    }

    fn start(&mut self, is_object: bool) {
        let mark = self.name.unwrap_or(self.out.len());
        let before = self.open.last().is_some_and(|open| open.any);
        if self.open.len() < DEPTH_MAX && self.value() {
            self.out.push(if is_object { b'{' } else { b'[' });
            self.open.push(Open { is_object, any: false, mark, before });
        } else {
            self.unname();
            self.skipped += 1;
        }
    }

    fn end(&mut self) {
        self.unname();
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let Some(open) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(outer) if !open.any => {
                outer.any = open.before;
                self.out.truncate(open.mark);
            }
            _ => self.out.push(if open.is_object { b'}' } else { b']' }),
        }
    }

    fn word(&mut self, word: &str) {
        if self.value() {
            self.out.extend_from_slice(word.as_bytes());
        }
    }
}

impl Sink for Writer {
    type Done = Bytes;

    fn start_object(&mut self) {
        self.start(true);
    }
    fn end_object(&mut self) {
        self.end();
    }
    fn start_array(&mut self) {
        self.start(false);
    }
    fn end_array(&mut self) {
        self.end();
    }

    fn name(&mut self, name: &str) {
        self.unname();
        let Some(open) = self.open.last().filter(|_| self.skipped == 0) else { return };
        if open.is_object && name.len() <= super::NAME_BYTES_MAX {
            self.name = Some(self.out.len());
            if open.any {
                self.out.push(b',');
            }
            text::quote(name, &mut self.out);
            self.out.push(b':');
        }
    }

    fn string(&mut self, text: &str) {
        if self.value() {
            text::quote(text, &mut self.out);
        }
    }

    fn number(&mut self, text: &str) {
        if text::number(text.as_bytes()) == Ok(text.len()) {
            self.word(text);
        } else {
            self.string(text);
        }
    }

    fn bool(&mut self, value: bool) {
        self.word(if value { "true" } else { "false" });
    }

    fn done(mut self) -> Bytes {
        self.unname();
        self.skipped = 0;
        while !self.open.is_empty() {
            self.end();
        }
        if self.out.is_empty() {
            self.word("null");
        }
        Bytes::from(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn play<S: Sink>(mut sink: S, calls: &[u8]) -> S::Done {
        let mut open = Vec::new();
        for call in calls {
            match call {
                0 | 8 => {
                    open.push(true);
                    sink.start_object();
                }
                2 => {
                    open.push(false);
                    sink.start_array();
                }
                1 | 3 => match open.pop() {
                    Some(true) => sink.end_object(),
                    Some(false) => sink.end_array(),
                    None => {}
                },
                4 | 9 | 10 => sink.name("a\"b"),
                5 => sink.string("x\n\u{e9}\u{1}"),
                6 => sink.number(if calls.len().is_multiple_of(2) { "7.10" } else { "1,5" }),
                7 => sink.bool(true),
                _ => sink.member("member", "text"),
            }
        }
        sink.done()
    }

    proptest! {
        #[test]
        fn writes_what_the_builder_writes(calls in proptest::collection::vec(0_u8..12, 0..200)) {
            let built = play(Builder::new(), &calls).to_json();
            let written = play(Writer::default(), &calls);
            prop_assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&built));
        }
    }
}
