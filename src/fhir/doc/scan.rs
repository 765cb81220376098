//! The JSON reader: one pass over the text, one node a value, no recursion.

use std::ops::Range;

use super::{COOKED, ESCAPED, NONE, NodeKind, Raw, text};
use crate::base::limits::DEPTH_MAX;

/// What is wrong with a text, and at which byte from 0.
#[derive(Debug)]
pub(super) struct Flaw {
    pub at: usize,
    pub what: &'static str,
    pub too_deep: bool,
}

fn flaw<T>(at: usize, what: &'static str) -> Result<T, Flaw> {
    Err(Flaw { at, what, too_deep: false })
}

/// Takes names freed of their escapes.
pub(super) struct Cooked<'a> {
    pub to: &'a mut Vec<u8>,
    /// Offset of the first byte of `to`.
    pub base: usize,
}

/// Where the name of a member lies, or that there is none.
#[derive(Clone, Copy)]
struct Name {
    start: u32,
    len: u16,
    flags: u8,
}

const NO_NAME: Name = Name { start: NONE, len: 0, flags: 0 };

struct Scan<'t, 'a> {
    text: &'t [u8],
    at: usize,
    /// Offset that byte 0 of `text` has in the document.
    base: usize,
    nodes: &'a mut Vec<Raw>,
    cooked: Cooked<'a>,
    name: Name,
    parent: u32,
    /// Last child of each open container.
    last: [u32; DEPTH_MAX + 1],
    depth: usize,
}

/// Reads the one value in `range` of `text` and appends its nodes, the value's own first.
///
/// `base` is the offset of the text in the document, `depth` the containers around it.
pub(super) fn scan<'a>(
    text: &[u8],
    range: Range<usize>,
    base: usize,
    nodes: &'a mut Vec<Raw>,
    cooked: Cooked<'a>,
    depth: usize,
) -> Result<(), Flaw> {
    let text = text.get(..range.end).unwrap_or_default();
    let at = range.start;
    let last = [NONE; DEPTH_MAX + 1];
    let floor = depth.min(DEPTH_MAX);
    let mut scan =
        Scan { text, at, base, nodes, cooked, name: NO_NAME, parent: NONE, last, depth: floor };
    scan.space();
    scan.value(floor)?;
    scan.space();
    if scan.at < text.len() {
        return flaw(scan.at, "text goes on after the end of the value");
    }
    Ok(())
}

impl Scan<'_, '_> {
    /// Reads values until the containers opened above `floor` are closed again.
    fn value(&mut self, floor: usize) -> Result<(), Flaw> {
        loop {
            let opened = match self.peek() {
                Some(b'{') => self.open(NodeKind::Object, b'}')?,
                Some(b'[') => self.open(NodeKind::Array, b']')?,
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if !opened && !self.close(floor)? {
                return Ok(());
            }
        }
    }

    /// Opens a container; true when its first value is to be read next.
    fn open(&mut self, kind: NodeKind, end: u8) -> Result<bool, Flaw> {
        if self.depth >= DEPTH_MAX {
            let what = "containers are nested deeper than 64 levels";
            return Err(Flaw { at: self.at, what, too_deep: true });
        }
        let id = self.push(kind, self.at, self.at + 1, 0);
        self.at += 1;
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            self.end(id);
            return Ok(false);
        }
        self.depth += 1;
        self.parent = id;
        if let Some(last) = self.last.get_mut(self.depth) {
            *last = NONE;
        }
        if kind == NodeKind::Object {
            self.member()?;
        }
        Ok(true)
    }

    /// After a value: goes on to the next one, closing containers; false at the very end.
    fn close(&mut self, floor: usize) -> Result<bool, Flaw> {
        while self.depth > floor {
            self.space();
            let Some(container) = self.nodes.get(self.parent as usize) else { break };
            let (object, outer) = (container.kind == NodeKind::Object, container.parent);
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if object {
                        self.member()?;
                    } else {
                        self.name = NO_NAME;
                    }
                    return Ok(true);
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ if object => return flaw(self.at, "expected `,` or `}`"),
                _ => return flaw(self.at, "expected `,` or `]`"),
            }
            self.at += 1;
            self.end(self.parent);
            self.parent = outer;
            self.depth -= 1;
        }
        Ok(false)
    }

    fn end(&mut self, id: u32) {
        let end = self.offset(self.at);
        if let Some(raw) = self.nodes.get_mut(id as usize) {
            raw.end = end;
        }
    }

    /// Offset in the document; fits by the limits on size.
    fn offset(&self, at: usize) -> u32 {
        u32::try_from(self.base + at).unwrap_or(NONE)
    }

    fn push(&mut self, kind: NodeKind, start: usize, end: usize, flags: u8) -> u32 {
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let name = std::mem::replace(&mut self.name, NO_NAME);
        self.nodes.push(Raw {
            start: self.offset(start),
            end: self.offset(end),
            name: name.start,
            next: NONE,
            parent: self.parent,
            first: NONE,
            name_len: name.len,
            kind,
            flags: flags | name.flags,
        });
        let before = self.last.get_mut(self.depth).map(|last| std::mem::replace(last, id));
        if self.parent != NONE {
            if let Some(before) = before.and_then(|id| self.nodes.get_mut(id as usize)) {
                before.next = id;
            } else if let Some(parent) = self.nodes.get_mut(self.parent as usize) {
                parent.first = id;
            }
        }
        id
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads `"name" :` and stands before the value.
    fn member(&mut self) -> Result<(), Flaw> {
        if self.peek() != Some(b'"') {
            return flaw(self.at, "expected the name of a member in quotes");
        }
        let start = self.at + 1;
        let (end, escaped) = self.string()?;
        let raw = self.text.get(start..end - 1).unwrap_or_default();
        let Ok(mut len) = u16::try_from(raw.len()) else {
            return flaw(start, "the name of a member is longer than 65535 bytes");
        };
        let (mut offset, mut flags) = (self.offset(start), 0);
        if escaped {
            let cooked = text::unescape(raw);
            offset = u32::try_from(self.cooked.base + self.cooked.to.len()).unwrap_or(NONE);
            len = u16::try_from(cooked.len()).unwrap_or(len);
            self.cooked.to.extend_from_slice(cooked.as_bytes());
            flags = COOKED;
        }
        self.at = end;
        self.space();
        if self.peek() != Some(b':') {
            return flaw(self.at, "expected `:` after the name of a member");
        }
        self.at += 1;
        self.space();
        self.name = Name { start: offset, len, flags };
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        let (kind, end, flags) = match self.peek() {
            Some(b'"') => {
                let (end, escaped) = self.string()?;
                (NodeKind::String, end, if escaped { ESCAPED } else { 0 })
            }
            Some(b'-' | b'0'..=b'9') => (NodeKind::Number, self.number()?, 0),
            Some(b't') => (NodeKind::Bool, self.word(b"true")?, 0),
            Some(b'f') => (NodeKind::Bool, self.word(b"false")?, 0),
            Some(b'n') => (NodeKind::Null, self.word(b"null")?, 0),
            Some(b'}' | b']') => return flaw(start, "expected a value, as after a last comma"),
            None => return flaw(start, "the text ends where a value is expected"),
            Some(_) => return flaw(start, "expected a value"),
        };
        self.push(kind, start, end, flags);
        self.at = end;
        Ok(())
    }

    fn word(&self, word: &[u8]) -> Result<usize, Flaw> {
        let end = self.at + word.len();
        if self.text.get(self.at..end) == Some(word) {
            return Ok(end);
        }
        flaw(self.at, "expected a value")
    }

    fn number(&self) -> Result<usize, Flaw> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        match text::number(rest) {
            Ok(len) => Ok(self.at + len),
            Err(len) => flaw(self.at + len, "expected a digit of a number"),
        }
    }

    /// End of the string that starts here, past its quote, and whether it holds escapes.
    fn string(&self) -> Result<(usize, bool), Flaw> {
        let mut at = self.at + 1;
        let mut escaped = false;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            at += text::plain(rest);
            match self.text.get(at) {
                Some(b'"') => return Ok((at + 1, escaped)),
                Some(b'\\') => {
                    escaped = true;
                    match text::escape(self.text.get(at..).unwrap_or_default()) {
                        Ok((len, _)) => at += len,
                        Err(what) => return flaw(at, what),
                    }
                }
                Some(_) => return flaw(at, "a control character stands in a string unescaped"),
                None => return flaw(at, "the text ends inside a string"),
            }
        }
    }
}
