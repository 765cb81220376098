//! Reading messages from XML, one segment at a time.

use std::borrow::Cow;

use quick_xml::events::{BytesPI, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Item, NAMESPACE, bytes, canonical};
use crate::base::limits::{FRAME_BYTES_MAX, SEGMENTS_MAX};
use crate::fault::codes::{W2006, W2007, W2032, W2070, W2071, W2072};
use crate::fault::{Fault, Place};
use crate::hl7v2::charset::{Charset, Wide};
use crate::hl7v2::delimiters::Delimiters;
use crate::hl7v2::edit::EDIT_NUMBER_MAX;
use crate::hl7v2::form::{Builder, Parted, Script, of_hex};
use crate::hl7v2::message::Message;
use crate::hl7v2::scan::SegmentId;

/// Deepest nesting that is read: structures of the standard reach 5 groups, and a value 4
/// levels below its segment.
pub const DEPTH_MAX: usize = 32;

/// Deepest nesting within a segment: field, component, subcomponent.
const PLACES_MAX: usize = 3;

/// Reads a message in the XML encoding.
///
/// # Errors
/// `W2070` where it is no XML or not of this encoding, `W2071` too large or too deep,
/// `W2072` a document type or an entity, `W2034` text that cannot be written in the
/// message's character set, `W2032` numbers that are too large; else those of
/// [`Message::parse`].
pub fn read(xml: &[u8]) -> Result<Message, Fault> {
    let text = text(xml)?;
    let mut reader = reader(&text);
    let mut state = State::new(text.len());
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => event,
            Err(_) => {
                let cause = format!("it is not well formed near byte {}", reader.error_position());
                return Err(Fault::new(W2070).because(cause));
            }
        };
        state.take(event)?;
    }
    state.finish()
}

/// Reads the header alone of what [`read`] refuses, for the answer to it; `None` where MSH
/// cannot be read either.
#[must_use]
pub fn head(xml: &[u8]) -> Option<Message> {
    let text = text(xml).ok()?;
    let mut reader = reader(&text);
    let mut state = State::new(HEAD_BYTES.min(text.len()));
    while state.segments < 1 || state.segment.is_some() {
        match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return None,
            Ok(event) => state.take(event).ok()?,
        }
    }
    (state.depth, state.has_root) = (0, true);
    state.finish().ok()
}

/// Bytes that the header of a message takes, about.
const HEAD_BYTES: usize = 4096;

fn text(xml: &[u8]) -> Result<Cow<'_, str>, Fault> {
    if xml.len() > FRAME_BYTES_MAX.as_usize() {
        return Err(Fault::new(W2007));
    }
    let text = match Wide::of(xml) {
        Some(wide) => wide.decode(xml).map(Cow::Owned),
        None => std::str::from_utf8(xml).ok().map(Cow::Borrowed),
    };
    text.ok_or_else(|| bad("it is neither UTF-8 nor UTF-16"))
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    reader
}

/// A place in a segment under construction.
#[derive(Default)]
struct Node {
    number: usize,
    items: Vec<Item>,
    children: Vec<Node>,
    /// The exact bytes, as `<?er7-raw ..?>` says.
    hint: Option<Vec<u8>>,
}

struct State {
    builder: Builder,
    depth: usize,
    /// Whether the root element was seen.
    has_root: bool,
    segments: usize,
    /// Name of the open segment, and its places from the segment down.
    segment: Option<Opened>,
    /// Whether an `escape` element is open, which holds nothing.
    in_escape: bool,
    script: Option<Script>,
    terminator: Vec<u8>,
    charset: Option<Charset>,
    wide: Option<Wide>,
}

struct Opened {
    name: Vec<u8>,
    end: Option<Vec<u8>>,
    places: Vec<Node>,
    fields: Vec<Node>,
}

fn bad(cause: &'static str) -> Fault {
    Fault::new(W2070).because(cause)
}

impl State {
    fn new(length: usize) -> Self {
        Self {
            builder: Builder::new(length),
            depth: 0,
            has_root: false,
            segments: 0,
            segment: None,
            in_escape: false,
            script: None,
            terminator: b"\r".to_vec(),
            charset: None,
            wide: None,
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(start) => self.start(&start),
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let c = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c),
                    Ok(None) => predefined(&reference),
                    Err(_) => return Err(bad("a character reference means no character")),
                };
                let Some(c) = c else {
                    return Err(Fault::new(W2072).because("it refers to an entity of its own"));
                };
                self.text(c.encode_utf8(&mut [0; 4]))
            }
            Event::PI(instruction) => self.instruction(&instruction),
            Event::DocType(_) => Err(Fault::new(W2072)),
            Event::Comment(_) | Event::Decl(_) | Event::Empty(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::new(W2071).because("its elements are nested too deeply"));
        }
        if self.in_escape {
            return Err(bad("an `escape` element is not empty"));
        }
        let name = start.local_name();
        let name: &str = name.as_ref();
        if self.depth == 1 {
            if self.has_root {
                return Err(bad("there is a second document element"));
            }
            self.has_root = true;
            let namespace = start.try_get_attribute("xmlns").ok().flatten();
            return match namespace {
                Some(namespace) if namespace.value != NAMESPACE => {
                    Err(bad("its namespace is not `urn:hl7-org:v2xml`"))
                }
                _ => Ok(()),
            };
        }
        let Some(segment) = &mut self.segment else {
            // Whatever is not a segment is a group, which says nothing that order does not.
            if let Some(id) = SegmentId::new(name.as_bytes()) {
                self.segments += 1;
                if self.segments > SEGMENTS_MAX {
                    return Err(Fault::new(W2006));
                }
                let name = id.as_str().as_bytes().to_vec();
                self.segment =
                    Some(Opened { name, end: None, places: Vec::new(), fields: Vec::new() });
            }
            return Ok(());
        };
        if name == "escape"
            && let Some(place) = segment.places.last_mut()
        {
            let value = start.try_get_attribute("V").ok().flatten();
            let value =
                value.and_then(|value| value.normalized_value(XmlVersion::Implicit1_0).ok());
            let fits = |v: &Cow<'_, str>| {
                v.bytes().all(|b| b.is_ascii_alphanumeric() || b".+- ".contains(&b))
            };
            let value = value.filter(fits).ok_or_else(|| bad("an `escape` needs a plain `V`"))?;
            place.items.push(Item::Escape(value.into_owned()));
            self.in_escape = true;
            return Ok(());
        }
        let number = name.rsplit_once('.').and_then(|(_, n)| n.parse::<usize>().ok());
        let number = number.filter(|n| *n > 0);
        let number = number.ok_or_else(|| bad("an element in a segment has no number"))?;
        if number > EDIT_NUMBER_MAX {
            return Err(Fault::new(W2032));
        }
        if segment.places.len() >= PLACES_MAX {
            return Err(Fault::new(W2071).because("a value is divided too often"));
        }
        segment.places.push(Node { number, ..Node::default() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.depth = self.depth.saturating_sub(1);
        if std::mem::take(&mut self.in_escape) {
            return Ok(());
        }
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let Some(done) = segment.places.pop() else {
            return match self.segment.take() {
                Some(segment) => self.close(segment),
                None => Ok(()),
            };
        };
        match segment.places.last_mut() {
            Some(parent) => parent.children.push(done),
            None => segment.fields.push(done),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        let is_blank = text.bytes().all(|b| b.is_ascii_whitespace());
        let place = self.segment.as_mut().and_then(|segment| segment.places.last_mut());
        match place {
            Some(_) if self.in_escape && !is_blank => Err(bad("an `escape` element is not empty")),
            Some(_) if self.in_escape => Ok(()),
            Some(place) => {
                match place.items.last_mut() {
                    Some(Item::Text(before)) => before.push_str(text),
                    _ => place.items.push(Item::Text(text.to_owned())),
                }
                Ok(())
            }
            None if is_blank => Ok(()),
            None => Err(bad("text stands outside of fields")),
        }
    }

    fn instruction(&mut self, instruction: &BytesPI<'_>) -> Result<(), Fault> {
        let content = instruction.content();
        let digits = || of_hex(content).ok_or_else(|| bad("an `er7` instruction has no digits"));
        match (instruction.target(), &mut self.segment) {
            ("er7", None) if self.depth == 1 && self.builder.out.is_empty() => {
                for fact in instruction.attributes().flatten() {
                    self.fact(fact.key.as_ref(), &fact.value)?;
                }
            }
            ("er7-line", None) if self.depth > 0 => {
                let mut words = content.split_ascii_whitespace();
                let line = words.next().and_then(of_hex).filter(|line| !line.contains(&b'\r'));
                let line = line.ok_or_else(|| bad("an `er7` instruction has no digits"))?;
                let end = match words.next().map(|end| end.trim_end_matches('.')) {
                    None => self.terminator.clone(),
                    Some(end) => terminator(of_hex(end))?,
                };
                self.builder.push(&line)?;
                self.builder.push(&end)?;
            }
            ("er7-name", Some(segment)) if segment.places.is_empty() => {
                let name = digits()?;
                if name.eq_ignore_ascii_case(&segment.name) {
                    segment.name = name;
                }
            }
            ("er7-end", Some(segment)) if segment.places.is_empty() => {
                segment.end = Some(terminator(Some(digits()?))?);
            }
            ("er7-raw", Some(segment)) => {
                if let [field] = segment.places.as_mut_slice() {
                    field.hint = Some(digits()?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One fact about the bytes as a whole.
    fn fact(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let unknown = || bad("an `er7` instruction says what is not known");
        match name {
            "before" => self.builder.push(&of_hex(value).ok_or_else(unknown)?),
            "terminator" => {
                self.terminator = terminator(of_hex(value))?;
                Ok(())
            }
            "charset" => {
                self.charset = Some(Charset::named(value.as_bytes()));
                Ok(())
            }
            "encoding" => {
                self.wide = Some(Wide::named(value).ok_or_else(unknown)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes a segment that has ended.
    fn close(&mut self, mut segment: Opened) -> Result<(), Fault> {
        let script = match self.script {
            Some(script) => script,
            None => *self.script.insert(self.script_of(&segment)?),
        };
        let is_header = SegmentId::new(&segment.name).is_some_and(SegmentId::is_header);
        segment.fields.sort_by_key(|field| field.number);
        let mut fields: Vec<(usize, Vec<u8>)> = Vec::with_capacity(segment.fields.len());
        let name = String::from_utf8_lossy(&segment.name).into_owned();
        for field in segment.fields {
            let number = field.number;
            let at = |fault: Fault| fault.at(Place::path(format!("{name}-{number}")));
            let raw = if is_header && number <= 2 {
                verbatim(&field, script).map_err(at)?
            } else {
                repetition(field, script).map_err(at)?
            };
            match fields.last_mut() {
                Some((last, before)) if *last == number => {
                    before.push(script.delimiters.repetition);
                    before.extend_from_slice(&raw);
                }
                _ => fields.push((number, raw)),
            }
        }
        self.builder.segment(&segment.name, &fields, script.delimiters.field)?;
        self.builder.push(segment.end.as_deref().unwrap_or(&self.terminator))
    }

    /// Delimiters and character set by the first segment.
    fn script_of(&self, header: &Opened) -> Result<Script, Fault> {
        if !header.name.eq_ignore_ascii_case(b"MSH") {
            return Err(bad("the first segment is not MSH"));
        }
        let text = |number: usize, fallback: &str| {
            let field = header.fields.iter().find(|field| field.number == number);
            field.map_or(fallback.to_owned(), |field| plain_text(field).unwrap_or_default())
        };
        let (separator, marks) = (text(1, "|"), text(2, "^~\\&"));
        let delimiters = Delimiters::read(format!("MSH{separator}{marks}{separator}").as_bytes())?;
        let charset = match (self.wide, self.charset) {
            (Some(_), _) => Charset::Utf8,
            (None, Some(charset)) => charset,
            (None, None) => {
                let names: Vec<String> = header
                    .fields
                    .iter()
                    .filter(|field| field.number == 18)
                    .map(|field| plain_text(field).unwrap_or_default())
                    .collect();
                Charset::declared(names.join("~").as_bytes(), Some(b'~'))
            }
        };
        Ok(Script { delimiters, charset })
    }

    fn finish(self) -> Result<Message, Fault> {
        if !self.has_root || self.depth > 0 {
            return Err(bad("it ends before its document element does"));
        }
        if self.script.is_none() {
            return Err(bad("it holds no segment"));
        }
        Message::parse_as(self.builder.finish(self.wide), self.charset)
    }
}

/// One of the five entities that every document has.
fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// Bytes that may end a segment.
fn terminator(bytes: Option<Vec<u8>>) -> Result<Vec<u8>, Fault> {
    bytes
        .filter(|bytes| bytes.iter().all(|b| matches!(b, b'\r' | b'\n')))
        .ok_or_else(|| bad("an `er7` instruction ends a segment with more than CR and LF"))
}

/// The text of a place that is not divided.
fn plain_text(node: &Node) -> Option<String> {
    if let [child] = node.children.as_slice() {
        return plain_text(child);
    }
    match node.items.as_slice() {
        [] => Some(String::new()),
        [Item::Text(text)] => Some(text.clone()),
        _ => None,
    }
}

/// MSH-1 and MSH-2.
fn verbatim(field: &Node, script: Script) -> Result<Vec<u8>, Fault> {
    let text = plain_text(field).ok_or_else(|| bad("delimiters are plain text"))?;
    let bytes = script.charset.encode(&text).map(Cow::into_owned);
    let bytes = bytes.filter(|bytes| {
        !bytes.iter().any(|b| *b == b'\r' || *b == b'\n' || *b == script.delimiters.field)
            || field.number == 1
    });
    bytes.ok_or_else(|| bad("delimiters are plain text"))
}

/// Bytes of a repetition.
fn repetition(field: Node, script: Script) -> Result<Vec<u8>, Fault> {
    let hint = field.hint.clone();
    let mut fits = true;
    let parted = parted(field, script, &mut fits)?;
    let written = script.join(&parted)?;
    script.settle(written, fits, hint, |hint| canonical(hint, script).0)
}

fn parted(field: Node, script: Script, fits: &mut bool) -> Result<Parted<Vec<u8>>, Fault> {
    let mut out = Vec::new();
    for component in divided(field)? {
        let parts = divided(component)?;
        out.push(parts.iter().map(|part| bytes(&part.items, script, fits)).collect());
    }
    Ok(out)
}

/// Parts of a place by their numbers, empty ones filled in; itself where it has none.
fn divided(mut node: Node) -> Result<Vec<Node>, Fault> {
    if node.children.is_empty() {
        return Ok(vec![Node { number: 1, ..node }]);
    }
    let is_blank = node.items.iter().all(
        |item| matches!(item, Item::Text(text) if text.bytes().all(|b| b.is_ascii_whitespace())),
    );
    if !is_blank {
        return Err(bad("an element holds text beside other elements"));
    }
    node.children.sort_by_key(|child| child.number);
    let mut out: Vec<Node> = Vec::new();
    for child in node.children {
        if out.len() >= child.number {
            return Err(bad("a component stands twice in one element"));
        }
        out.resize_with(child.number - 1, Node::default);
        out.push(child);
    }
    Ok(out)
}
