//! Writing messages as XML.

use std::fmt::Write as _;

use super::{Item, NAMESPACE, canonical, items};
use crate::fault::Fault;
use crate::hl7v2::form::{Lines, Script, to_hex};
use crate::hl7v2::message::Message;
use crate::hl7v2::scan::{Parts, SegmentId};
use crate::hl7v2::segment::Segment;
use crate::hl7v2::structure::NodeRef;
use crate::hl7v2::tables::{self, SegmentDef, Version};

/// Name of the document where no structure of the message is known.
const UNKNOWN_STRUCTURE: &str = "HL7MESSAGE";

/// Writes a message, with its edits, in the XML encoding.
///
/// # Errors
/// Those of [`Message::parse`] where edits made the message unreadable.
pub fn write(message: &Message) -> Result<String, Fault> {
    let lines = Lines::of(message)?;
    let message = &lines.message;
    let tree = message.tree();
    let (version, _) = tables::version(&message.header().version());
    let root = root_name(message);
    let mut out = String::with_capacity(message.bytes().len() * 4);
    let _ =
        write!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">");
    head(&lines, &mut out);
    let mut open: Vec<NodeRef<'_>> = Vec::new();
    for segment in message.segments() {
        let around = groups(tree.node(segment.index()));
        let shared = open.iter().zip(&around).take_while(|(a, b)| a.is(**b)).count();
        for group in open.drain(shared..).rev() {
            let _ = write!(out, "\n</{root}.{}>", group.name());
        }
        for group in around.get(shared..).unwrap_or_default() {
            let _ = write!(out, "\n<{root}.{}>", group.name());
        }
        open = around;
        let gap = lines.gap(segment.index());
        let end = (gap != lines.terminator).then_some(gap);
        let mut writer = Writer { out: &mut out, script: lines.script, version };
        writer.segment(&segment, end);
    }
    for group in open.iter().rev() {
        let _ = write!(out, "\n</{root}.{}>", group.name());
    }
    let _ = write!(out, "\n</{root}>\n");
    Ok(out)
}

/// Groups around a segment, the outermost first, the message itself left out.
fn groups<'t>(node: Option<NodeRef<'t>>) -> Vec<NodeRef<'t>> {
    let mut out = Vec::new();
    let mut at = node.and_then(NodeRef::parent);
    while let Some(group) = at {
        at = group.parent();
        if at.is_some() {
            out.push(group);
        }
    }
    out.reverse();
    out
}

/// The structure, else the message type, as the name of an element.
fn root_name(message: &Message) -> String {
    if let Some(structure) = message.tree().structure() {
        return structure.to_owned();
    }
    let name = message.header().message_type().replace('^', "_");
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits { name } else { UNKNOWN_STRUCTURE.to_owned() }
}

/// What is to be known of the bytes as a whole.
fn head(lines: &Lines, out: &mut String) {
    let mut facts = String::new();
    if !lines.before().is_empty() {
        let _ = write!(facts, " before=\"{}\"", to_hex(lines.before()));
    }
    if lines.terminator != b"\r" {
        let _ = write!(facts, " terminator=\"{}\"", to_hex(&lines.terminator));
    }
    if let Some(charset) = lines.charset_hint {
        let _ = write!(facts, " charset=\"{charset}\"");
    }
    if let Some(wide) = lines.wide {
        let _ = write!(facts, " encoding=\"{}\"", wide.name());
    }
    if !facts.is_empty() {
        let _ = write!(out, "<?er7{facts}?>");
    }
}

struct Writer<'a> {
    out: &'a mut String,
    script: Script,
    version: &'static Version,
}

impl Writer<'_> {
    fn segment(&mut self, segment: &Segment<'_>, end: Option<&[u8]>) {
        let (raw, name) = (segment.raw(), segment.id());
        let Some(id) = SegmentId::new(name.as_bytes()) else {
            let _ = write!(self.out, "\n<?er7-line {}", to_hex(raw));
            if let Some(end) = end {
                let _ = write!(self.out, " {}.", to_hex(end));
            }
            self.out.push_str("?>");
            return;
        };
        let _ = write!(self.out, "\n<{name}>");
        let written = raw.get(..3).unwrap_or_default();
        if written != name.as_bytes() {
            let _ = write!(self.out, "<?er7-name {}?>", to_hex(written));
        }
        if let Some(end) = end {
            let _ = write!(self.out, "<?er7-end {}?>", to_hex(end));
        }
        if id.is_header() && raw.len() > 3 {
            let _ = write!(self.out, "<{name}.1>");
            self.text(char::from(self.script.delimiters.field).encode_utf8(&mut [0; 4]));
            let _ = write!(self.out, "</{name}.1>");
        }
        let def = self.version.segment(name);
        let script = self.script;
        let mut fields = script.fields(raw, id).peekable();
        while let Some((number, field)) = fields.next() {
            if id.is_header() && number == 2 {
                let _ = write!(self.out, "<{name}.2>");
                self.text(&script.charset.decode(field));
                let _ = write!(self.out, "</{name}.2>");
                continue;
            }
            if field.is_empty() && fields.peek().is_some() {
                continue;
            }
            let place = format!("{name}.{number}");
            let datatype = self.datatype(segment, def, number);
            for repetition in script.repetitions(field) {
                self.repetition(&place, repetition, &datatype);
            }
        }
        let _ = write!(self.out, "</{name}>");
    }

    /// Type of a field, by OBX-2 where the standard leaves it open; empty where not known.
    fn datatype(
        &self,
        segment: &Segment<'_>,
        def: Option<&'static SegmentDef>,
        number: usize,
    ) -> String {
        let datatype = def.and_then(|def| def.field(number)).map_or("", |field| field.datatype);
        if segment.id() == "OBX" && number == 5 {
            return segment.field(2).map_or(String::new(), |value| value.text().into_owned());
        }
        datatype.to_owned()
    }

    fn repetition(&mut self, place: &str, raw: &[u8], datatype: &str) {
        let _ = write!(self.out, "<{place}>");
        if !raw.is_empty() {
            let component = self.script.delimiters.component;
            let parts = ranges(raw, Some(component), self.script);
            self.parts(place, &parts, datatype, true);
            if canonical(raw, self.script) != (raw.to_vec(), true) {
                let _ = write!(self.out, "<?er7-raw {}?>", to_hex(raw));
            }
        }
        let _ = write!(self.out, "</{place}>");
    }

    /// Components of a repetition, or subcomponents of a component.
    fn parts(&mut self, place: &str, parts: &[&[u8]], datatype: &str, divides: bool) {
        let known = name_of(datatype).then(|| self.version.datatype(datatype)).flatten();
        let components = known.map_or(&[][..], |def| def.components.as_slice());
        let subcomponent = self.script.delimiters.subcomponent.filter(|_| divides);
        // A primitive value is the content of its element, and so is null of any type.
        if let [one] = parts
            && (components.is_empty() || *one == b"\"\"")
            && ranges(one, subcomponent, self.script).len() == 1
        {
            self.value(one);
            return;
        }
        let prefix = if known.is_some() { datatype } else { place };
        for (n, part) in (1..).zip(parts) {
            if part.is_empty() && n < parts.len() {
                continue;
            }
            let name = format!("{prefix}.{n}");
            let _ = write!(self.out, "<{name}>");
            let below = components.get(n - 1).map_or("", |component| component.datatype);
            match divides {
                _ if part.is_empty() => {}
                true => {
                    let parts = ranges(part, subcomponent, self.script);
                    self.parts(&name, &parts, below, false);
                }
                false => self.value(part),
            }
            let _ = write!(self.out, "</{name}>");
        }
    }

    fn value(&mut self, raw: &[u8]) {
        for item in items(raw, self.script) {
            match item {
                Item::Text(text) => self.text(&text),
                Item::Escape(name) => {
                    self.out.push_str("<escape V=\"");
                    self.text(&name);
                    self.out.push_str("\"/>");
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                c => self.out.push(c),
            }
        }
    }
}

/// Whether a data type may be part of an element's name.
fn name_of(datatype: &str) -> bool {
    datatype.starts_with(|c: char| c.is_ascii_alphabetic())
        && datatype.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn ranges(raw: &[u8], mark: Option<u8>, script: Script) -> Vec<&[u8]> {
    Parts::new(raw, mark, script.charset).map(|range| raw.get(range).unwrap_or_default()).collect()
}
