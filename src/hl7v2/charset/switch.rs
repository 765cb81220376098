//! Character sets switched within fields by ISO 2022 escape sequences, as messages from
//! Japan do: MSH-18 names one set to begin with, and others that text may switch to.
//!
//! A sequence designates a set for bytes below 128 (G0) or above (G1). Each part of a
//! message begins with the first set again. Two-byte codes may look like delimiters; they
//! are told apart behind switches written with ESC, not behind those of HL7 (`\M2442\`),
//! which cannot be told from text before a message is divided. Source: HL7 v2.5.1 §2.7, ISO/IEC 2022.

use std::collections::HashMap;
use std::sync::OnceLock;

use encoding_rs::Encoding;

/// The set that a field begins with, and the sets it may switch to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switching {
    /// What bytes above 127 mean before the first switch; `None`: nothing.
    base: Option<&'static Encoding>,
    /// Bits of [`SETS`] that MSH-18 names.
    sets: u32,
}

/// How the codes of a set become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// ASCII, and JIS X 0201 Roman, in which `\` and `~` look different in Japan but are
    /// meant as such.
    Ascii,
    /// Half-width Katakana of JIS X 0201.
    Kana,
    /// Two bytes of JIS X 0208.
    Jis208,
    /// Two bytes of JIS X 0212.
    Jis212,
    /// Two bytes, as the encoding has them above 127.
    Double(&'static Encoding),
    /// One byte, as the encoding has it above 127.
    Single(&'static Encoding),
}

/// A set that can be switched to.
#[derive(Debug)]
struct Set {
    /// Its name in MSH-18, reduced to capitals and digits.
    names: &'static [&'static str],
    /// What follows ESC to designate it.
    designator: &'static [u8],
    /// Whether it takes the place of the bytes below 128.
    is_low: bool,
    form: Form,
}

const fn set(
    names: &'static [&'static str],
    designator: &'static [u8],
    is_low: bool,
    form: Form,
) -> Set {
    Set { names, designator, is_low, form }
}

/// Every set, in the order in which writing tries them.
///
/// Source: table 0211; ISO International Register of Coded Character Sets.
const SETS: &[Set] = &[
    set(&["ASCII", "ISOIR6"], b"(B", true, Form::Ascii),
    set(&["ISOIR14"], b"(J", true, Form::Ascii),
    set(&["88591", "ISOIR100"], b"-A", false, Form::Single(encoding_rs::WINDOWS_1252)),
    set(&["88592", "ISOIR101"], b"-B", false, Form::Single(encoding_rs::ISO_8859_2)),
    set(&["88593", "ISOIR109"], b"-C", false, Form::Single(encoding_rs::ISO_8859_3)),
    set(&["88594", "ISOIR110"], b"-D", false, Form::Single(encoding_rs::ISO_8859_4)),
    set(&["88595", "ISOIR144"], b"-L", false, Form::Single(encoding_rs::ISO_8859_5)),
    set(&["88596", "ISOIR127"], b"-G", false, Form::Single(encoding_rs::ISO_8859_6)),
    set(&["88597", "ISOIR126"], b"-F", false, Form::Single(encoding_rs::ISO_8859_7)),
    set(&["88598", "ISOIR138"], b"-H", false, Form::Single(encoding_rs::ISO_8859_8)),
    set(&["88599", "ISOIR148"], b"-M", false, Form::Single(encoding_rs::WINDOWS_1254)),
    set(&["885915", "ISOIR203"], b"-b", false, Form::Single(encoding_rs::ISO_8859_15)),
    set(&["ISOIR13"], b")I", false, Form::Kana),
    set(&[], b"(I", true, Form::Kana),
    set(&["ISOIR87", "ISOIR168"], b"$B", true, Form::Jis208),
    set(&[], b"$@", true, Form::Jis208),
    set(&["ISOIR159"], b"$(D", true, Form::Jis212),
    set(&["KSX1001", "ISOIR149"], b"$)C", false, Form::Double(encoding_rs::EUC_KR)),
    set(&["GB2312", "ISOIR58"], b"$)A", false, Form::Double(encoding_rs::GBK)),
];

const ESC: u8 = 0x1b;

impl Switching {
    /// Sets by the names of MSH-18, reduced to capitals and digits: the first to begin
    /// with, then those to switch to; `None` where nothing is switched.
    pub(super) fn named(names: &[String]) -> Option<Self> {
        let find = |name: &String| SETS.iter().position(|s| s.names.contains(&name.as_str()));
        let (first, others) = names.split_first()?;
        let begin = match find(first) {
            Some(at) => at,
            None if first.is_empty() => 0,
            None => return None,
        };
        let mut sets = 0;
        for at in others.iter().filter_map(find) {
            sets |= 1 << at;
        }
        let base = match SETS.get(begin)?.form {
            Form::Single(table) => Some(table),
            // The eight-bit form of JIS X 0201 has Katakana above.
            Form::Kana => Some(encoding_rs::SHIFT_JIS),
            Form::Ascii if SETS.get(begin)?.names.contains(&"ISOIR14") => {
                Some(encoding_rs::SHIFT_JIS)
            }
            Form::Ascii => None,
            // Such a set alone is how some name a message that switches to it.
            Form::Jis208 | Form::Jis212 => {
                sets |= 1 << begin;
                None
            }
            Form::Double(table) => Some(table),
        };
        sets &= !(set_bits(|set| set.form == Form::Ascii));
        let is_japanese = base == Some(encoding_rs::SHIFT_JIS);
        (sets != 0 || is_japanese).then_some(Self { base, sets })
    }

    /// Any set may be switched to: for sequences that the message itself did not declare.
    pub(in crate::hl7v2) fn undeclared(base: Option<&'static Encoding>) -> Self {
        Self { base, sets: 0 }
    }

    /// Text of bytes, and whether all of them mean something.
    pub(super) fn decode(self, bytes: &[u8]) -> (String, bool) {
        let mut out = String::with_capacity(bytes.len());
        let mut fits = true;
        let (mut low, mut high) = (Form::Ascii, self.base.map(base_form));
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            if let Some((set, length)) = designated(rest) {
                if set.is_low {
                    low = set.form;
                } else {
                    high = Some(set.form);
                }
                at += length;
                continue;
            }
            let is_high = rest.first().is_some_and(|b| *b >= 0x80);
            let run = rest.iter().skip(1).position(|b| (*b >= 0x80) != is_high || *b == ESC);
            let run = rest.get(..run.map_or(rest.len(), |n| n + 1)).unwrap_or_default();
            at += run.len();
            match if is_high { high } else { Some(low) } {
                Some(form) => fits &= form.decode(run, &mut out),
                None => {
                    fits = false;
                    out.extend(run.iter().map(|_| char::REPLACEMENT_CHARACTER));
                }
            }
        }
        (out, fits)
    }

    /// Bytes of a text; `None` where none of the sets has one of its characters.
    ///
    /// Ends with the set that it began with.
    pub(super) fn encode(self, text: &str) -> Option<Vec<u8>> {
        if text.contains('\u{1b}') {
            return None;
        }
        let mut out = Vec::with_capacity(text.len() + 8);
        let (mut low, mut high) = (Form::Ascii, self.base.map(base_form));
        for c in text.chars() {
            if c.is_ascii() {
                if low != Form::Ascii {
                    designate(b"(B", &mut out);
                    low = Form::Ascii;
                }
                out.extend(u8::try_from(c));
                continue;
            }
            if let Some(code) = high.and_then(|form| form.encode(c)) {
                out.extend(code.into_iter().map(|b| b | 0x80));
                continue;
            }
            if low != Form::Ascii
                && let Some(code) = low.encode(c)
            {
                out.extend(code);
                continue;
            }
            let (set, code) = self.find(c)?;
            designate(set.designator, &mut out);
            if set.is_low {
                low = set.form;
                out.extend(code);
            } else {
                high = Some(set.form);
                out.extend(code.into_iter().map(|b| b | 0x80));
            }
        }
        if low != Form::Ascii {
            designate(b"(B", &mut out);
        }
        // What follows in the same field is read with the set that fields begin with.
        let begin = self.base.map(base_form);
        if high != begin
            && let Some(form) = begin
            && let Some(set) = SETS.iter().find(|set| !set.is_low && set.form == form)
        {
            designate(set.designator, &mut out);
        }
        Some(out)
    }

    /// The first declared set that has a character, and its code there below 128.
    fn find(self, c: char) -> Option<(&'static Set, Vec<u8>)> {
        SETS.iter().enumerate().find_map(|(at, set)| {
            let is_declared = self.sets & (1 << at) != 0;
            (is_declared && set.form != Form::Ascii)
                .then(|| set.form.encode(c))?
                .map(|code| (set, code))
        })
    }
}

/// Bits of the sets that are wanted.
fn set_bits(wanted: impl Fn(&Set) -> bool) -> u32 {
    SETS.iter().enumerate().filter(|(_, set)| wanted(set)).fold(0, |bits, (at, _)| bits | 1 << at)
}

fn designate(designator: &[u8], out: &mut Vec<u8>) {
    out.push(ESC);
    out.extend_from_slice(designator);
}

/// What an encoding means as the set above 127 that fields begin with.
fn base_form(table: &'static Encoding) -> Form {
    if table == encoding_rs::SHIFT_JIS {
        Form::Kana
    } else if table == encoding_rs::EUC_KR || table == encoding_rs::GBK {
        Form::Double(table)
    } else {
        Form::Single(table)
    }
}

/// The set that an escape sequence at the begin of bytes designates, and its length.
fn designated(bytes: &[u8]) -> Option<(&'static Set, usize)> {
    let rest = bytes.strip_prefix(&[ESC])?;
    let set = SETS.iter().find(|set| rest.starts_with(set.designator))?;
    Some((set, 1 + set.designator.len()))
}

/// Bytes that belong together at a place: a run in a set whose codes below 128 may look
/// like delimiters, with the sequences around it; else one.
///
/// A run that does not come back to ASCII, or begins anew before it does, is a mistake of
/// the sender: its bytes then hide nothing, or the rest of the segment would be lost in it.
pub(super) fn width(bytes: &[u8]) -> usize {
    let Some((set, first)) = designated(bytes) else { return 1 };
    if !set.is_low || set.form == Form::Ascii {
        return first;
    }
    let (mut form, mut at) = (set.form, first);
    while let Some(found) = memchr::memchr(ESC, bytes.get(at..).unwrap_or_default()) {
        at += found;
        match designated(bytes.get(at..).unwrap_or_default()) {
            Some((set, length)) if set.form == Form::Ascii => return at + length,
            Some((set, length)) if set.is_low && set.form != form => {
                form = set.form;
                at += length;
            }
            Some(_) => return first,
            None => at += 1,
        }
    }
    first
}

/// What follows ESC for a switch that HL7 writes as `\C2842\` or `\M2442\`, by its name
/// between the escape characters; `None` for sets that are not known here.
pub(in crate::hl7v2) fn designator(name: &[u8]) -> Option<&'static [u8]> {
    let (kind, digits) = name.split_first()?;
    if !matches!(kind, b'C' | b'M') || !matches!(digits.len(), 4 | 6) {
        return None;
    }
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?.to_be_bytes();
    let wanted = code.get(4 - digits.len() / 2..)?;
    let is_double = *kind == b'M';
    let found = SETS
        .iter()
        .find(|set| set.designator == wanted && set.designator.starts_with(b"$") == is_double);
    found.map(|set| set.designator)
}

impl Form {
    /// Adds the text of codes, in either half; whether all of them mean something.
    fn decode(self, codes: &[u8], out: &mut String) -> bool {
        let high: Vec<u8>;
        let (table, bytes): (&'static Encoding, &[u8]) = match self {
            Self::Ascii => {
                out.extend(codes.iter().map(|b| char::from(b & 0x7f)));
                return true;
            }
            Self::Single(table) => return single(table, codes, out),
            Self::Kana => {
                high = codes.iter().map(|b| b | 0x80).collect();
                // Outside of this range Shift_JIS has first bytes of two.
                if !high.iter().all(|b| (0xa1..=0xdf).contains(b)) {
                    out.extend(codes.iter().map(|_| char::REPLACEMENT_CHARACTER));
                    return false;
                }
                (encoding_rs::SHIFT_JIS, &high)
            }
            Self::Jis208 => {
                high = codes.iter().map(|b| b | 0x80).collect();
                (encoding_rs::EUC_JP, &high)
            }
            Self::Jis212 => {
                high = codes
                    .chunks(2)
                    .flat_map(|pair| std::iter::once(0x8f).chain(pair.iter().map(|b| b | 0x80)))
                    .collect();
                (encoding_rs::EUC_JP, &high)
            }
            Self::Double(table) => {
                high = codes.iter().map(|b| b | 0x80).collect();
                (table, &high)
            }
        };
        let (text, lossy) = table.decode_without_bom_handling(bytes);
        out.push_str(&text);
        !lossy
    }

    /// The code of a character below 128; `None` where the set lacks it.
    fn encode(self, c: char) -> Option<Vec<u8>> {
        let text = c.encode_utf8(&mut [0; 4]).to_owned();
        let bytes = match self {
            Self::Ascii => return None,
            Self::Jis212 => {
                let code = *jis212().get(&c)?;
                return Some(vec![(code >> 8) as u8, (code & 0xff) as u8]);
            }
            Self::Kana => exact(encoding_rs::SHIFT_JIS, &text).filter(|b| b.len() == 1)?,
            Self::Jis208 => exact(encoding_rs::EUC_JP, &text).filter(|b| b.len() == 2)?,
            Self::Double(table) => exact(table, &text).filter(|b| b.len() == 2)?,
            Self::Single(table) => exact(table, &text)?,
        };
        // Codes outside of the 94 or 96 places that ISO 2022 switches cannot be written.
        let is_low = bytes.len() == 1 && bytes.iter().all(|b| *b >= 0xa0);
        (is_low || bytes.iter().all(|b| (0xa1..=0xfe).contains(b)))
            .then(|| bytes.iter().map(|b| b & 0x7f).collect())
    }
}

/// Text of single bytes above 127, in whichever half they stand; 128 to 159 are controls.
fn single(table: &'static Encoding, codes: &[u8], out: &mut String) -> bool {
    let mut fits = true;
    for code in codes {
        if (0x80..0xa0).contains(code) {
            out.push(char::from(*code));
            continue;
        }
        let byte = [code | 0x80];
        let (text, lossy) = table.decode_without_bom_handling(&byte);
        out.push_str(&text);
        fits &= !lossy;
    }
    fits
}

/// Bytes of a text that read back as that text; `None` where the encoding lacks it or
/// writes something that only looks like it.
pub(super) fn exact(table: &'static Encoding, text: &str) -> Option<Vec<u8>> {
    let (bytes, _, lossy) = table.encode(text);
    if lossy {
        return None;
    }
    let back = table.decode_without_bom_handling_and_without_replacement(&bytes)?;
    (back == text).then(|| bytes.into_owned())
}

/// Codes of JIS X 0212 by character: encoders of the web write none of them.
fn jis212() -> &'static HashMap<char, u16> {
    static CODES: OnceLock<HashMap<char, u16>> = OnceLock::new();
    CODES.get_or_init(|| {
        let mut codes = HashMap::new();
        for row in 0x21..=0x7e_u8 {
            for cell in 0x21..=0x7e_u8 {
                let bytes = [0x8f, row | 0x80, cell | 0x80];
                let text =
                    encoding_rs::EUC_JP.decode_without_bom_handling_and_without_replacement(&bytes);
                if let Some(c) = text.and_then(|text| text.chars().next()) {
                    codes.entry(c).or_insert(u16::from_be_bytes([row, cell]));
                }
            }
        }
        codes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Switching {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Switching::named(&names).unwrap()
    }

    #[test]
    fn reads_and_writes_switched_text() {
        let check = |names: &[&str], bytes: &[u8], text: &str| {
            let set = named(names);
            assert_eq!(set.decode(bytes), (text.to_owned(), true), "{names:?}");
            assert_eq!(set.encode(text).as_deref(), Some(bytes), "{names:?}");
        };
        check(&["", "ISOIR87"], b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "山田^太郎");
        check(&["ISOIR6", "ISOIR87"], b"Yamada", "Yamada");
        check(&["ISOIR87"], b"\x1b$B;3\x1b(B", "山");
        check(&["ISOIR14", "ISOIR87"], b"\xd4\xcf \x1b$B;3\x1b(B", "ﾔﾏ 山");
        check(&["ASCII", "ISOIR159"], b"\x1b$(D0!\x1b(B", "丂");
        check(&["ISOIR6", "ISOIR87", "ISOIR159"], b"\x1b$B;3\x1b$(D0!\x1b(B.", "山丂.");
        check(&["88591", "88592"], b"\xfc\x1b-B\xb1\x1b-A", "ü\u{105}");
        check(&["ASCII", "KSX1001"], b"\x1b$)C\xb1\xe8", "김");
        check(&["ASCII", "GB2312"], b"\x1b$)A\xd6\xd0", "中");
    }

    #[test]
    fn what_means_nothing_is_told() {
        let set = named(&["", "ISOIR87"]);
        assert_eq!(set.decode(b"a\xe4"), ("a\u{fffd}".to_owned(), false));
        assert!(!set.decode(b"\x1b$B\x7e\x7e\x1b(B").1);
        assert_eq!(set.encode("ü"), None);
        assert_eq!(set.encode("山\u{1f600}"), None);
        // A sequence that is not known is text.
        assert_eq!(set.decode(b"a\x1b%Gb").0, "a\x1b%Gb");
    }

    #[test]
    fn runs_of_two_byte_codes_belong_together() {
        let check = |bytes: &[u8], expected: usize| assert_eq!(width(bytes), expected);
        check(b"a|", 1);
        check(b"\x1b$B|^~\\\x1b(B|", 10);
        check(b"\x1b$B|^~\\", 3);
        check(b"\x1b$B|^\x1b$B;3\x1b(B", 3);
        check(b"\x1b$B|^\x1b$(D;3\x1b(B|", 14);
        check(b"\x1b(B|", 3);
        check(b"\x1b-A\xfc", 3);
        check(b"\\M2442\\|", 1);
        check(b"\x1b", 1);
    }

    #[test]
    fn switches_of_hl7_are_those_of_iso_2022() {
        let check = |name: &str, expected: Option<&str>| {
            let found =
                designator(name.as_bytes()).map(|found| std::str::from_utf8(found).unwrap());
            assert_eq!(found, expected, "{name}");
        };
        check("M2442", Some("$B"));
        check("C2842", Some("(B"));
        check("M242844", Some("$(D"));
        check("C2D41", Some("-A"));
        check("M2842", None);
        check("C9999", None);
        check("M24", None);
        check("X2442", None);
        check("", None);
    }
}
