//! Writing answers.

use bytes::Bytes;
use memchr::memmem;

use super::AckCode;
use super::response::Response;
use super::table::condition;
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::hl7v2::charset::Charset;
use crate::hl7v2::delimiters::Delimiters;
use crate::hl7v2::escape::escape;
use crate::hl7v2::message::Message;
use crate::hl7v2::path::{Path, Pick};
use crate::hl7v2::tables;

/// Longest MSA-3: its length in the versions before 2.5.
const TEXT_MAX: usize = 80;
/// Longest ERR-8: its length in 2.5.
const SENTENCE_MAX: usize = 250;
/// How far into content that cannot be parsed an MSH is looked for.
const SEARCH_MAX: usize = 4096;

/// Builds the answer to a message.
///
/// Sender and receiver are swapped; delimiters, character set, processing ID and version
/// are the sender's. From 2.5 on a fault becomes an ERR segment, before that a text of at
/// most 80 characters in MSA-3. `control_id` is the answer's own MSH-10.
#[must_use]
pub fn build(
    message: &Message,
    code: AckCode,
    fault: Option<&Fault>,
    now: Timestamp,
    control_id: &str,
) -> Bytes {
    build_as(message, (code, fault), (now, control_id), &Form::default())
}

/// What an answer has besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<'a> {
    /// MSH-15 and MSH-16 of the answer's own (table 0155): an application acknowledgment that
    /// travels as a message may ask for a commit acknowledgment, never for more.
    pub asks: Option<(&'a str, &'a str)>,
    /// The message it is instead of ACK, with its segments behind MSA and ERR, each without
    /// terminator.
    pub response: Option<(Response, &'a [Vec<u8>])>,
}

/// As [`build`], in a form of its own.
#[must_use]
pub fn build_as(
    message: &Message,
    (code, fault): (AckCode, Option<&Fault>),
    (now, control_id): (Timestamp, &str),
    form: &Form<'_>,
) -> Bytes {
    let asks = form.asks;
    let header = message.header();
    let version = header.version();
    // A sender that names no version gets the form of the default version.
    let rank = match tables::rank(&version) {
        0 => tables::rank("2.5.1"),
        rank => rank,
    };
    let delimiters = *message.delimiters();
    let mut out = Writer { delimiters, out: Vec::with_capacity(256) };
    out.out.extend_from_slice(b"MSH");
    out.out.push(delimiters.field);
    out.out.extend_from_slice(header.field(2).raw());
    for n in [5, 6, 3, 4] {
        out.field(header.field(n).raw());
    }
    out.field(moment(now, rank).as_bytes());
    out.field(b"");
    out.field(&message_type(message, form.response.map(|(response, _)| response), rank));
    out.text(control_id);
    let processing = header.processing_id();
    out.field(if processing.is_valued() { processing.raw() } else { b"P" });
    let declared = header.field(12);
    out.field(if declared.is_valued() { declared.raw() } else { b"2.5.1" });
    let charset = header.field(18);
    if charset.is_valued() || asks.is_some() {
        let (accept, application) = asks.unwrap_or_default();
        for field in ["", "", accept, application] {
            out.field(field.as_bytes());
        }
    }
    if charset.is_valued() {
        out.field(b"");
        out.field(charset.raw());
    }
    out.segment("MSA");
    out.field(code.as_str().as_bytes());
    out.field(header.control_id().raw());
    if let Some(fault) = fault {
        if rank >= tables::rank("2.5") {
            error(&mut out, message, fault);
        } else {
            out.text(&cut(&brief(fault), TEXT_MAX));
        }
    }
    for segment in form.response.iter().flat_map(|(_, segments)| *segments) {
        out.out.push(b'\r');
        out.out.extend_from_slice(segment);
    }
    // A sender of UTF-16 or UTF-32 reads no other.
    match &message.base.wide {
        None => out.end(),
        Some((wide, _)) => Bytes::from(wide.encode(&String::from_utf8_lossy(&out.end()))),
    }
}

/// Builds the answer to bytes that could not be parsed, from whatever of MSH can be read.
#[must_use]
pub fn build_unparsed(
    bytes: &[u8],
    code: AckCode,
    fault: &Fault,
    now: Timestamp,
    control_id: &str,
) -> Bytes {
    let head = bytes.get(..SEARCH_MAX).unwrap_or(bytes);
    // The first segment alone: what follows may be what cannot be read.
    let found = memmem::find(head, b"MSH").map(|at| &head[at..]);
    let line = found.map(|msh| msh.split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or(msh));
    let readable = line.and_then(|line| Message::parse(Bytes::copy_from_slice(line)).ok());
    let message = match readable {
        Some(message) => message,
        None => match Message::build(Delimiters::STANDARD, Charset::Unstated, &[]) {
            Ok(message) => message,
            Err(_) => return Bytes::new(),
        },
    };
    build(&message, code, Some(fault), now, control_id)
}

/// Segments under construction.
pub(super) struct Writer {
    delimiters: Delimiters,
    out: Vec<u8>,
}

impl Writer {
    /// Goes on behind what is written already.
    pub fn new(delimiters: Delimiters, out: Vec<u8>) -> Self {
        Self { delimiters, out }
    }

    /// MSH, FHS or BHS with the delimiters.
    pub fn header(&mut self, id: &[u8; 3]) {
        self.out.extend_from_slice(id);
        self.out.push(self.delimiters.field);
        self.out.extend_from_slice(&self.delimiters.encoding_characters());
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn segment(&mut self, id: &str) {
        self.out.push(b'\r');
        self.out.extend_from_slice(id.as_bytes());
    }

    pub fn field(&mut self, raw: &[u8]) {
        self.out.push(self.delimiters.field);
        self.out.extend_from_slice(raw);
    }

    /// A field of our own words: ASCII, so that it fits every character set.
    pub fn text(&mut self, text: &str) {
        let plain: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        match escape(&plain, &self.delimiters, Charset::Ascii) {
            Ok(raw) => self.field(&raw),
            // Without an escape character what would divide the text is left out.
            Err(_) => {
                let marks = self.delimiters;
                let raw: Vec<u8> = plain
                    .bytes()
                    .filter(|b| *b >= b' ' && *b != marks.field && !marks.splits_field(*b))
                    .collect();
                self.field(&raw);
            }
        }
    }

    fn components(&mut self, parts: &[&str]) {
        let component = self.delimiters.component;
        let raw: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.field(&raw.join(&component));
    }

    fn end(mut self) -> Bytes {
        self.out.push(b'\r');
        Bytes::from(self.out)
    }
}

/// MSH-7: with offset and milliseconds where the version knows them.
pub(super) fn moment(now: Timestamp, rank: u32) -> String {
    let text = now.to_jiff().to_string();
    let digits: String = text.chars().take(19).filter(char::is_ascii_digit).collect();
    if rank < tables::rank("2.3") {
        return digits;
    }
    format!("{digits}.{:03}+0000", now.millis().rem_euclid(1000))
}

/// MSH-9: the event of the message or that of the response, and the structure where the
/// version knows it.
fn message_type(message: &Message, response: Option<Response>, rank: u32) -> Vec<u8> {
    let header = message.header();
    let own = header.field(9).component(2).map_or(&[][..], |value| value.raw());
    let (code, event, structure) = match &response {
        Some(response) => (response.code, response.event.as_bytes(), response.structure),
        None => ("ACK", own, "ACK"),
    };
    if response.is_none() && (event.is_empty() || rank < tables::rank("2.2")) {
        return code.as_bytes().to_vec();
    }
    let component = message.delimiters().component;
    let mut out = [code.as_bytes(), event].join(&component);
    if rank >= tables::rank("2.3.1") {
        out.push(component);
        out.extend_from_slice(structure.as_bytes());
    }
    out
}

/// ERR in the form of 2.5.
fn error(out: &mut Writer, message: &Message, fault: &Fault) {
    let row = condition(fault);
    let path = fault.place().path.as_deref().and_then(|path| Path::parse(path).ok());
    out.segment("ERR");
    out.field(b"");
    match &path {
        Some(path) => {
            let parts = location(path);
            out.components(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        }
        None => out.field(b""),
    }
    out.components(&[row.code, row.text, "HL70357"]);
    out.field(b"E");
    out.field(fault.code().as_str().as_bytes());
    out.field(b"");
    out.text(fault.cause().unwrap_or(fault.code().row().phrase));
    let name = path.as_ref().and_then(|path| message.describe(path));
    out.text(&cut(&sentence(fault, name.as_deref()), SENTENCE_MAX));
}

/// ERR-2: segment, its number, field, repetition, component, subcomponent.
fn location(path: &Path) -> Vec<String> {
    let nth = |pick: Pick| if let Pick::Nth(n) = pick { n.to_string() } else { "1".to_owned() };
    let mut parts = vec![path.segment().to_owned(), nth(path.occurrence())];
    let Some(field) = path.field() else { return parts };
    parts.push(field.to_string());
    let Some(component) = path.component() else {
        if let Pick::Nth(n) = path.repetition() {
            parts.push(n.to_string());
        }
        return parts;
    };
    parts.extend([nth(path.repetition()), component.to_string()]);
    parts.extend(path.subcomponent().map(|n| n.to_string()));
    parts
}

/// One sentence for people and what to do: places and phrases, never a value.
fn sentence(fault: &Fault, name: Option<&str>) -> String {
    let mut out = String::new();
    if let Some(path) = fault.place().path.as_deref() {
        out.push_str(path);
        if let Some(name) = name {
            out.push_str(" (");
            out.push_str(name);
            out.push(')');
        }
        out.push_str(": ");
    }
    out.push_str(fault.code().row().phrase);
    if let Some(cause) = fault.cause() {
        out.push_str("; ");
        out.push_str(cause);
    }
    out.push_str(". ");
    out.push_str(fault.help());
    out
}

/// The short text of versions before 2.5.
fn brief(fault: &Fault) -> String {
    let place = fault.place().path.as_deref().map_or(String::new(), |path| format!(" {path}"));
    format!("{}{place}: {}", fault.code(), fault.cause().unwrap_or(fault.code().row().phrase))
}

/// At most `max` characters, at a word where one ends near.
fn cut(text: &str, max: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(max) else { return text.to_owned() };
    let head = &text[..end];
    let at = head.rfind(' ').filter(|at| *at > max / 2).unwrap_or(end);
    head[..at].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;
    use crate::fault::codes::{W2002, W2010, W2104};

    const NOW: Timestamp = Timestamp::from_millis(1_767_323_045_678);

    fn answer(message: &str, code: AckCode, fault: Option<&Fault>) -> String {
        let message = Message::parse(Bytes::copy_from_slice(message.as_bytes())).unwrap();
        let bytes = build(&message, code, fault, NOW, "W1");
        String::from_utf8(bytes.to_vec()).unwrap().replace('\r', "\n")
    }

    #[test]
    fn an_accept_swaps_the_parties_and_echoes_the_control_id() {
        insta::assert_snapshot!(
            answer("MSH|^~\\&|EMR|EAST^1.2^ISO|WEIR|SE|20260102||ADT^A01^ADT_A01|0 7\\T\\|T|2.5.1^USA||||||UNICODE UTF-8\r",
                AckCode::AA, None),
            @r"
        MSH|^~\&|WEIR|SE|EMR|EAST^1.2^ISO|20260102030405.678+0000||ACK^A01^ACK|W1|T|2.5.1^USA||||||UNICODE UTF-8
        MSA|AA|0 7\T\
        ");
    }

    #[test]
    fn a_refusal_names_the_place_in_err() {
        let fault = Fault::new(W2104)
            .at(Place::path("PID-3"))
            .because("this channel needs a medical record number");
        insta::assert_snapshot!(
            answer("MSH|^~\\&|EMR||WEIR||||ADT^A08|77|P|2.5\r", AckCode::AE, Some(&fault)),
            @r"
        MSH|^~\&|WEIR||EMR||20260102030405.678+0000||ACK^A08^ACK|W1|P|2.5
        MSA|AE|77
        ERR||PID^1^3|101^Required field missing^HL70357|E|W2104||this channel needs a medical record number|PID-3 (Patient Identifier List): a required field is empty; this channel needs a medical record number. Let the sender fill the field.
        ");
    }

    #[test]
    fn versions_before_2_5_carry_a_short_text() {
        let fault = Fault::new(W2104).at(Place::path("PID-3")).because("x".repeat(100));
        let text = answer("MSH|^~\\&|EMR||WEIR||||ADT^A08|77|P|2.3\r", AckCode::AE, Some(&fault));
        let text = text.lines().last().unwrap().strip_prefix("MSA|AE|77|").unwrap().to_owned();
        assert!(text.starts_with("W2104 PID-3: xxx") && text.len() == 80, "{text}");
        insta::assert_snapshot!(
            answer("MSH|^~\\&|EMR||WEIR||||ADT^A08|77|P|2.1\r", AckCode::AR, Some(&Fault::new(W2010))),
            @r"
        MSH|^~\&|WEIR||EMR||20260102030405||ACK|W1|P|2.1
        MSA|AR|77|W2010: MSH-9 names no message type
        ");
    }

    #[test]
    fn the_senders_delimiters_are_used() {
        let fault = Fault::new(W2104).at(Place::path("PID-3[2].4.1")).because("a#b");
        insta::assert_snapshot!(
            answer("MSH#!@%$#EMR##WEIR####ADT!A08#7#P#2.5.1\r", AckCode::AE, Some(&fault)),
            @r"
        MSH#!@%$#WEIR##EMR##20260102030405.678+0000##ACK!A08!ACK#W1#P#2.5.1
        MSA#AE#7
        ERR##PID!1!3!2!4!1#101!Required field missing!HL70357#E#W2104##a%F%b#PID-3[2].4.1 (Patient Identifier List): a required field is empty; a%F%b. Let the sender fill the field.
        ");
    }

    #[test]
    fn bytes_that_cannot_be_parsed_get_an_answer_too() {
        let check = |bytes: &[u8], msh: &str, msa: &str| {
            let answer = build_unparsed(bytes, AckCode::AR, &Fault::new(W2002), NOW, "W1");
            let text = String::from_utf8(answer.to_vec()).unwrap();
            let mut lines = text.split('\r');
            assert!(lines.next().unwrap().starts_with(msh), "{text}");
            assert_eq!(lines.next().unwrap(), msa, "{text}");
            assert!(lines.next().unwrap().starts_with("ERR||"), "{text}");
        };
        check(b"", "MSH|^~\\&|||||2026", "MSA|AR|");
        check(b"MSH", "MSH|^~\\&|||||2026", "MSA|AR|");
        check(b"\x00\x01\xff", "MSH|^~\\&|||||2026", "MSA|AR|");
        check(b"xx MSH|^~\\&|A|B|C|D|||ADT|9|P|2.5\rPID", "MSH|^~\\&|C|D|A|B|", "MSA|AR|9");
    }
}
