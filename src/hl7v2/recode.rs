//! Writing a message in another character set than the one it came in.

use std::sync::Arc;

use bytes::Bytes;

use super::charset::Charset;
use super::escape::{Unfit, encode};
use super::form::Lines;
use super::message::Message;
use super::path::Path;
use crate::fault::codes::W2060;
use crate::fault::{Fault, Place};

/// The character set in which messages leave, and what becomes of characters it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recode {
    name: Arc<str>,
    charset: Charset,
    unfit: Unfit,
}

impl Recode {
    /// Takes a set by a name of table 0211 or a usual one; `None` for one that is not known,
    /// and for UTF-16 and UTF-32, in which no message is written that did not come so.
    #[must_use]
    pub fn new(name: &str, unfit: Unfit) -> Option<Self> {
        let charset = Charset::named(name.as_bytes());
        let is_known = !matches!(charset, Charset::Unstated | Charset::Unknown | Charset::Wide);
        // MSH-18 says it in the words of the table.
        is_known.then(|| Self { name: charset.name().into(), charset, unfit })
    }

    /// Writes a message, with its edits, in the set, and says so in MSH-18.
    ///
    /// A message that is in the set already keeps its bytes; in others a character that the
    /// set lacks is refused or becomes `\X..\` with its bytes in UTF-8.
    ///
    /// # Errors
    /// `W2034` for a character that the set lacks, with the segment it stands in, `W2060`
    /// for bytes that mean nothing in the message's own set; else those of
    /// [`Message::parse`].
    pub fn write(&self, message: &Message) -> Result<Bytes, Fault> {
        let lines = Lines::of(message)?;
        let source = lines.script.charset;
        let is_told = message.header().field(18).raw() == self.name.as_bytes();
        if lines.wide.is_none() && is_told && source == self.charset {
            return Ok(message.write());
        }
        let mut out = Vec::with_capacity(lines.message.bytes().len());
        let delimiters = lines.script.delimiters;
        for segment in lines.message.segments() {
            let raw = segment.raw();
            let id = segment.id();
            let at = |fault: Fault| {
                let before = segment.index() + 1;
                let n = lines.message.segments().take(before).filter(|s| s.id() == id).count();
                fault.at(Place::path(format!("{id}[{n}]")))
            };
            if source.misfit(raw).is_some() {
                return Err(at(Fault::new(W2060)));
            }
            encode(&mut out, &source.decode(raw), &delimiters, self.charset, self.unfit)
                .map_err(at)?;
            out.extend_from_slice(lines.gap(segment.index()));
        }
        let mut written = Message::parse_as(Bytes::from(out), Some(self.charset))?;
        written.set_raw(&Path::parse("MSH-18")?, self.name.as_bytes())?;
        Ok(written.write())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(charset: &str, name: &[u8]) -> Message {
        let head = format!("MSH|^~\\&|A||||||ADT^A01|1|P|2.5||||||{charset}|x\rPID|1||||");
        let bytes = [head.as_bytes(), name, b"^J\\T\\\r\nNTE|1\r\n"].concat();
        Message::parse(Bytes::from(bytes)).unwrap()
    }

    #[test]
    fn messages_are_written_in_another_set() {
        let check = |from: &str, name: &[u8], to: &str, unfit, expected: Result<&[u8], &str>| {
            let recode = Recode::new(to, unfit).unwrap();
            let found = recode.write(&message(from, name));
            let found = found.map_err(|fault| format!("{} {}", fault.code(), fault.place()));
            let expected = expected.map(|name| message(&recode.name, name).write());
            assert_eq!(found, expected.map_err(str::to_owned), "{from} {name:?} {to}");
        };
        let (refuse, hex) = (Unfit::Refuse, Unfit::Hex);
        let utf8 = "M\u{fc}ller \u{20ac}".as_bytes();
        check("UNICODE UTF-8", utf8, "8859/15", refuse, Ok(b"M\xfcller \xa4"));
        check("UNICODE UTF-8", utf8, "8859/1", refuse, Err("W2034 PID[1]"));
        check("UNICODE UTF-8", utf8, "8859/1", hex, Ok(b"M\xfcller \\XE282AC\\"));
        check("UNICODE UTF-8", utf8, "ASCII", hex, Ok(b"M\\XC3BC\\ller \\XE282AC\\"));
        check("8859/1", b"M\xfcller", "utf-8", refuse, Ok("M\u{fc}ller".as_bytes()));
        check("", b"M\xfcller", "UNICODE UTF-8", refuse, Ok("M\u{fc}ller".as_bytes()));
        check("8859/1", b"M\xfcller", "8859/1", refuse, Ok(b"M\xfcller"));
        check(
            "ISO IR6~ISO IR87",
            b"\x1b$B;3\x1b(B",
            "UNICODE UTF-8",
            refuse,
            Ok("\u{5c71}".as_bytes()),
        );
        check("UNICODE UTF-8", b"M\xfcller", "8859/1", refuse, Err("W2060 PID[1]"));
        check("GB 18030-2000", b"\x81\x7c", "UNICODE UTF-8", refuse, Ok("\u{4e85}".as_bytes()));
    }

    #[test]
    fn wide_messages_become_narrow() {
        let text = "MSH|^~\\&|A||||||ADT^A01|1|P|2.5||||||UNICODE UTF-16\rPID|1||||\u{5c71}\r";
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let message = Message::parse(Bytes::from(bytes)).unwrap();
        let written = Recode::new("UNICODE UTF-8", Unfit::Refuse).unwrap().write(&message).unwrap();
        assert_eq!(written, text.replace("UTF-16", "UTF-8"));
    }

    #[test]
    fn sets_that_cannot_be_written_are_not_taken() {
        for name in ["", "EBCDIC", "UNICODE UTF-16", "UTF-32", "CNS 11643-1992"] {
            assert_eq!(Recode::new(name, Unfit::Hex), None, "{name}");
        }
        assert_eq!(&*Recode::new("latin1", Unfit::Hex).unwrap().name, "8859/1");
    }
}
