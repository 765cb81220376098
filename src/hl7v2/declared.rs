//! Whether the bytes of a message fit the character set that MSH-18 names.
//!
//! Reading goes on whatever is found here: a wrong declaration is told, not guessed away.

use super::charset::Charset;
use super::message::Message;
use super::segment::Segment;
use crate::fault::codes::{W2060, W2061, W2062};
use crate::fault::{Fault, Place};

/// Most places that are told: one wrong declaration spoils every name in a message.
pub const CHARSET_FINDINGS_MAX: usize = 20;

impl Message {
    /// What is wrong with the character set that MSH-18 names, worst first; at most
    /// `CHARSET_FINDINGS_MAX`.
    ///
    /// `W2061` a set that is not known, `W2060` bytes that mean nothing in the set, by
    /// field, `W2062` a set that takes any bytes, or one of wider characters, where the
    /// bytes are plainly UTF-8.
    #[must_use]
    pub fn charset_findings(&self) -> Vec<Fault> {
        let mut out = Vec::new();
        let declared = self.header().field(18);
        let at_msh18 = |code| Fault::new(code).at(Place::path("MSH-18"));
        for repetition in declared.repetitions() {
            if repetition.is_valued() && !Charset::knows(repetition.raw()) {
                let is_cns = repetition.raw().starts_with(b"CNS 11643");
                let fault = at_msh18(W2061);
                out.push(match is_cns {
                    // Of table 0211 it is the one that no maintained table is at hand for.
                    true => fault.because("CNS 11643-1992 is not read").remedy(
                        "Let the sender use `UNICODE UTF-8`, or `BIG-5` for the same letters.",
                    ),
                    false => fault,
                });
            }
        }
        let charset = self.charset();
        // Nearly all messages end here.
        if self.bytes().is_ascii() && !matches!(charset, Charset::Iso2022(_) | Charset::Wide) {
            return out;
        }
        if let Some(cause) = self.mistaken(charset) {
            out.push(at_msh18(W2062).because(cause));
        }
        for segment in self.segments() {
            if out.len() >= CHARSET_FINDINGS_MAX {
                break;
            }
            if charset.misfit(segment.raw()).is_some() {
                let place = misfit_in(&segment, charset);
                let id = segment.id();
                let before = segment.index() + 1;
                let n = self.segments().take(before).filter(|s| s.id() == id).count();
                let fault = Fault::new(W2060).at(Place::path(format!("{id}[{n}]{place}")));
                out.push(match charset {
                    Charset::Ascii => fault.because("MSH-18 says ASCII"),
                    Charset::Utf8 => fault.because("MSH-18 says UTF-8, and it is not"),
                    _ => fault,
                });
            }
        }
        out.truncate(CHARSET_FINDINGS_MAX);
        out
    }

    /// Checks that the bytes fit the character set that MSH-18 names.
    ///
    /// # Errors
    /// The first of [`Message::charset_findings`].
    pub fn check_charset(&self) -> Result<(), Fault> {
        self.charset_findings().into_iter().next().map_or(Ok(()), Err)
    }

    /// Why the declared set cannot be the one in which the message is written.
    fn mistaken(&self, charset: Charset) -> Option<&'static str> {
        let bytes = self.bytes();
        if charset == Charset::Wide {
            return Some("it names UTF-16 or UTF-32, but each character takes one byte");
        }
        if self.base.wide.is_some() {
            let declared = self.header().field(18);
            let first =
                declared.repetition(1).map_or(Charset::Unstated, |v| Charset::named(v.raw()));
            let fits = matches!(first, Charset::Unstated | Charset::Unknown | Charset::Wide)
                || declared.repetition(1).is_some_and(|v| v.text().trim() == "UNICODE");
            return (!fits).then_some("the message is UTF-16 or UTF-32");
        }
        // In text of one byte a character, sequences of UTF-8 are pairs of letters and
        // signs that nobody writes: each one of them would have to be such a pair.
        let is_utf8 =
            charset.is_single_byte() && !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok();
        is_utf8.then_some("it names a set of single bytes, but the text is UTF-8")
    }
}

/// The part of a path that names the first field whose bytes mean nothing.
fn misfit_in(segment: &Segment<'_>, charset: Charset) -> String {
    for (n, field) in (1..).zip(segment.fields()) {
        if charset.misfit(field.raw()).is_none() {
            continue;
        }
        let bad = (1..).zip(field.repetitions()).find(|(_, r)| charset.misfit(r.raw()).is_some());
        return match bad {
            Some((repetition, _)) => format!("-{n}[{repetition}]"),
            None => format!("-{n}"),
        };
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(charset: &str, name: &[u8]) -> Message {
        let mut bytes =
            format!("MSH|^~\\&|A||||||ADT^A01|1|P|2.5||||||{charset}\rPID|1||5~6||x~").into_bytes();
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b"\rNTE|1\r");
        Message::parse(Bytes::from(bytes)).unwrap()
    }

    #[test]
    fn wrong_declarations_are_told_with_their_place() {
        let check = |charset: &str, name: &[u8], expected: &[&str]| {
            let found: Vec<String> = message(charset, name)
                .charset_findings()
                .iter()
                .map(|fault| format!("{} {}", fault.code(), fault.place()))
                .collect();
            assert_eq!(found, expected, "{charset} {name:?}");
        };
        let misfit = &["W2060 PID[1]-5[2]"][..];
        let mistaken = &["W2062 MSH-18"][..];
        check("", b"M\xfcller", &[]);
        check("", b"M\xc3\xbcller", &[]);
        check("ASCII", b"Muller", &[]);
        check("ASCII", b"M\xfcller", misfit);
        check("ASCII", b"M\xc3\xbcller", misfit);
        check("UNICODE UTF-8", b"M\xc3\xbcller", &[]);
        check("UNICODE UTF-8", b"M\xfcller", misfit);
        check("8859/1", b"M\xfcller", &[]);
        check("8859/1", b"M\xc3\xbcller", mistaken);
        check("8859/15", b"M\xc3\xbcller", mistaken);
        check("8859/7", b"\xff", misfit);
        check("UNICODE UTF-16", b"Muller", mistaken);
        check("EBCDIC", b"Muller", &["W2061 MSH-18"]);
        check("8859/1~EBCDIC", b"Muller", &["W2061 MSH-18"]);
        check("~ISO IR87", b"\x1b$B;3\x1b(B", &[]);
        check("~ISO IR87", b"\xfc", misfit);
        check("GB 18030-2000", b"\xff", misfit);
        check("CNS 11643-1992", b"x", &["W2061 MSH-18"]);
    }

    #[test]
    fn messages_of_wide_characters_are_read_edited_and_written() {
        let text =
            "MSH|^~\\&|A||||||ADT^A01|1|P|2.5||||||UNICODE UTF-16\rPID|1||||M\u{fc}ller^\u{5c71}\r";
        let place = crate::hl7v2::Path::parse("PID-5.2").unwrap();
        for mark in ["", "\u{feff}"] {
            let bytes: Vec<u8> =
                format!("{mark}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            let bytes = Bytes::from(bytes);
            let mut message = Message::parse(bytes.clone()).unwrap();
            assert_eq!(message.read(&place).unwrap().text(), "\u{5c71}");
            assert_eq!(message.write(), bytes);
            assert!(message.check_charset().is_ok() && message.tolerances().is_empty());
            message.set(&place, "\u{20ac}|").unwrap();
            let edited: Vec<u8> = format!("{mark}{text}")
                .replace('\u{5c71}', "\u{20ac}\\F\\")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            assert_eq!(message.write(), edited);
        }
        let cut = Bytes::from_static(b"M\0S\0H\0|\0^");
        assert_eq!(Message::parse(cut).unwrap_err().code(), W2060);
    }
}
