//! Character sets of messages: what MSH-18 names, reading and writing text in it, and
//! which bytes belong together where one character takes several.
//!
//! Invariant: what [`Charset::encode`] writes, [`Charset::decode`] reads back the same.
//! CNS 11643 is known by name only: no table of it is at hand, so it reads as unknown.

mod switch;
mod wide;

use std::borrow::Cow;

use encoding_rs::Encoding;

pub use switch::Switching;
pub(super) use switch::designator;
pub(super) use wide::Wide;

/// Most repetitions of MSH-18 that are read: table 0211 has fewer sets to switch to.
const NAMES_MAX: usize = 16;

/// The character set of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// MSH-18 is empty: UTF-8 where the whole message is valid UTF-8, else 8859/1.
    Unstated,
    /// MSH-18 names a set that is not known here; read like [`Charset::Unstated`].
    Unknown,
    /// `ASCII`.
    Ascii,
    /// `UNICODE UTF-8`.
    Utf8,
    /// `UNICODE UTF-16` or `UNICODE UTF-32`, in a message of single bytes or turned into
    /// such: read like [`Charset::Unstated`].
    Wide,
    /// `8859/1`: every byte is the character of the same number.
    Latin1,
    /// A set of the web that ISO 8859 has with controls at 128 to 159: `8859/9`, `8859/11`.
    Strict(&'static Encoding),
    /// Another set of one or more bytes a character.
    Table(&'static Encoding),
    /// Sets switched within fields: `ISO IR6~ISO IR87`.
    Iso2022(Switching),
}

use Charset::{Ascii, Latin1, Strict, Table, Unstated, Utf8};

/// A character set and its names, reduced to capitals and digits; the first name of each
/// set is that of table 0211 where it has one.
struct Row(&'static str, Charset, &'static [&'static str]);

/// Every set of table 0211, and those that sites use besides.
const ROWS: &[Row] = &[
    Row("", Unstated, &[""]),
    Row("ASCII", Ascii, &["ASCII", "USASCII", "ISOIR6", "8859", "ANSI"]),
    Row("UNICODE UTF-8", Utf8, &["UNICODEUTF8", "UTF8", "UNICODE", "ISOIR192"]),
    Row("UNICODE UTF-16", Charset::Wide, &["UNICODEUTF16", "UTF16", "UTF16LE", "UTF16BE"]),
    Row("UNICODE UTF-32", Charset::Wide, &["UNICODEUTF32", "UTF32", "UTF32LE", "UTF32BE"]),
    Row("8859/1", Latin1, &["88591", "LATIN1", "ISOIR100"]),
    Row("8859/2", Table(encoding_rs::ISO_8859_2), &["88592", "LATIN2", "ISOIR101"]),
    Row("8859/3", Table(encoding_rs::ISO_8859_3), &["88593", "LATIN3", "ISOIR109"]),
    Row("8859/4", Table(encoding_rs::ISO_8859_4), &["88594", "LATIN4", "ISOIR110"]),
    Row("8859/5", Table(encoding_rs::ISO_8859_5), &["88595", "ISOIR144"]),
    Row("8859/6", Table(encoding_rs::ISO_8859_6), &["88596", "ISOIR127"]),
    Row("8859/7", Table(encoding_rs::ISO_8859_7), &["88597", "ISOIR126"]),
    Row("8859/8", Table(encoding_rs::ISO_8859_8), &["88598", "ISOIR138"]),
    Row("8859/9", Strict(encoding_rs::WINDOWS_1254), &["88599", "LATIN5", "ISOIR148"]),
    Row("8859/10", Table(encoding_rs::ISO_8859_10), &["885910", "LATIN6", "ISOIR157"]),
    Row("8859/11", Strict(encoding_rs::WINDOWS_874), &["885911", "TIS620", "ISOIR166"]),
    Row("8859/13", Table(encoding_rs::ISO_8859_13), &["885913", "LATIN7", "ISOIR179"]),
    Row("8859/14", Table(encoding_rs::ISO_8859_14), &["885914", "LATIN8", "ISOIR199"]),
    Row("8859/15", Table(encoding_rs::ISO_8859_15), &["885915", "LATIN9", "ISOIR203"]),
    Row("8859/16", Table(encoding_rs::ISO_8859_16), &["885916", "LATIN10", "ISOIR226"]),
    Row("GB 18030-2000", Table(encoding_rs::GB18030), &["GB180302000", "GB18030", "GBK", "GB2312"]),
    Row("KS X 1001", Table(encoding_rs::EUC_KR), &["KSX1001", "EUCKR", "KSC5601", "CP949"]),
    Row("BIG-5", Table(encoding_rs::BIG5), &["BIG5", "CP950"]),
    Row("WINDOWS-1250", Table(encoding_rs::WINDOWS_1250), &["WINDOWS1250", "CP1250"]),
    Row("WINDOWS-1251", Table(encoding_rs::WINDOWS_1251), &["WINDOWS1251", "CP1251"]),
    Row("WINDOWS-1252", Table(encoding_rs::WINDOWS_1252), &["WINDOWS1252", "CP1252"]),
    Row("WINDOWS-1253", Table(encoding_rs::WINDOWS_1253), &["WINDOWS1253", "CP1253"]),
    Row("WINDOWS-1254", Table(encoding_rs::WINDOWS_1254), &["WINDOWS1254", "CP1254"]),
    Row("WINDOWS-1255", Table(encoding_rs::WINDOWS_1255), &["WINDOWS1255", "CP1255"]),
    Row("WINDOWS-1256", Table(encoding_rs::WINDOWS_1256), &["WINDOWS1256", "CP1256"]),
    Row("WINDOWS-1257", Table(encoding_rs::WINDOWS_1257), &["WINDOWS1257", "CP1257"]),
    Row("WINDOWS-1258", Table(encoding_rs::WINDOWS_1258), &["WINDOWS1258", "CP1258"]),
    Row("WINDOWS-874", Table(encoding_rs::WINDOWS_874), &["WINDOWS874", "CP874"]),
    Row("IBM866", Table(encoding_rs::IBM866), &["IBM866", "CP866"]),
    Row("KOI8-R", Table(encoding_rs::KOI8_R), &["KOI8R"]),
    Row("SHIFT_JIS", Table(encoding_rs::SHIFT_JIS), &["SHIFTJIS", "SJIS", "CP932", "WINDOWS31J"]),
    Row("EUC-JP", Table(encoding_rs::EUC_JP), &["EUCJP"]),
];

/// A name in capitals and digits: senders write `8859/1`, `ISO-8859-1` and `iso8859_1`.
fn reduced(name: &[u8]) -> String {
    let mut out = String::with_capacity(16);
    for byte in name.iter().take(64) {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte.to_ascii_uppercase()));
        }
    }
    // `ISO 2022 IR 87` is how imaging systems write `ISO IR87`.
    let out = out.replace("ISO2022IR", "ISOIR");
    out.strip_prefix("ISO8859").map_or(out.clone(), |n| format!("8859{n}"))
}

impl Charset {
    /// Finds a set by one name, in the spellings of table 0211 and common others.
    #[must_use]
    pub fn named(name: &[u8]) -> Self {
        Self::declared(name, None)
    }

    /// Finds the set that MSH-18 names: its first repetition, with the others as sets that
    /// text may switch to.
    #[must_use]
    pub fn declared(msh18: &[u8], repetition: Option<u8>) -> Self {
        if let Some(set) = Self::usual(msh18) {
            return set;
        }
        let names: Vec<String> = match repetition {
            Some(mark) => msh18.split(|b| *b == mark).take(NAMES_MAX).map(reduced).collect(),
            None => vec![reduced(msh18)],
        };
        if let Some(switching) = Switching::named(&names) {
            return Self::Iso2022(switching);
        }
        let first = names.first().map_or("", String::as_str);
        Self::row(first).map_or(Self::Unknown, |row| row.1)
    }

    /// The set with which a value is read that switches without MSH-18 saying so; `None`
    /// where bytes above 127 already belong to characters of several bytes.
    pub(super) fn switching(self, raw: &[u8]) -> Option<Self> {
        Some(Self::Iso2022(match self {
            Self::Iso2022(set) => set,
            Latin1 => Switching::undeclared(Some(encoding_rs::WINDOWS_1252)),
            Strict(table) => Switching::undeclared(Some(table)),
            Table(table) if table.is_single_byte() => Switching::undeclared(Some(table)),
            _ if raw.is_ascii() => Switching::undeclared(None),
            _ => return None,
        }))
    }

    /// Whether a name in MSH-18 is one of a set known here.
    pub(super) fn knows(name: &[u8]) -> bool {
        if Self::usual(name).is_some() {
            return true;
        }
        let name = reduced(name);
        Self::row(&name).is_some() || Switching::named(&[String::new(), name]).is_some()
    }

    /// The sets that nearly all messages name, as the standard spells them: each message is
    /// asked for its set.
    fn usual(msh18: &[u8]) -> Option<Self> {
        match msh18 {
            b"" => Some(Unstated),
            b"ASCII" => Some(Ascii),
            b"UNICODE UTF-8" => Some(Utf8),
            b"8859/1" => Some(Latin1),
            _ => None,
        }
    }

    fn row(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.2.contains(&name))
    }

    /// Whether a byte that looks like a delimiter may be part of another character.
    #[must_use]
    pub fn hides_delimiters(self) -> bool {
        match self {
            Table(table) => {
                table == encoding_rs::GB18030
                    || table == encoding_rs::BIG5
                    || table == encoding_rs::SHIFT_JIS
            }
            Self::Iso2022(_) => true,
            _ => false,
        }
    }

    /// Whether such a byte may stand in these bytes: a quick look that rules most out.
    #[must_use]
    pub fn may_hide(self, bytes: &[u8]) -> bool {
        match self {
            Self::Iso2022(_) => memchr::memchr(0x1b, bytes).is_some(),
            _ => self.hides_delimiters() && !bytes.is_ascii(),
        }
    }

    /// Number of bytes at the begin of `bytes` that belong together: at least 1.
    #[must_use]
    pub fn width(self, bytes: &[u8]) -> usize {
        match (self, bytes.first()) {
            (Self::Iso2022(_), Some(_)) => switch::width(bytes),
            (_, Some(byte)) if self.is_lead(*byte) => 2,
            _ => 1,
        }
    }

    /// Whether `byte` is the first of two that belong together in such a set.
    fn is_lead(self, byte: u8) -> bool {
        match self {
            Table(table) if table == encoding_rs::SHIFT_JIS => {
                matches!(byte, 0x81..=0x9f | 0xe0..=0xfc)
            }
            Table(_) if self.hides_delimiters() => matches!(byte, 0x81..=0xfe),
            _ => false,
        }
    }

    /// Text of bytes; a replacement character stands for what means nothing.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if let Self::Iso2022(set) = self {
            return Cow::Owned(set.decode(bytes).0);
        }
        if bytes.is_ascii() {
            return String::from_utf8_lossy(bytes);
        }
        match self {
            Utf8 => String::from_utf8_lossy(bytes),
            Latin1 => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
            Ascii | Unstated | Self::Unknown | Self::Wide => match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => Latin1.decode(bytes),
            },
            Strict(table) => Cow::Owned(
                bytes
                    .chunk_by(|a, b| is_control(*a) == is_control(*b))
                    .map(|run| match run.first() {
                        Some(byte) if is_control(*byte) => Latin1.decode(run),
                        _ => table.decode_without_bom_handling(run).0,
                    })
                    .collect(),
            ),
            Table(table) => table.decode_without_bom_handling(bytes).0,
            Self::Iso2022(set) => Cow::Owned(set.decode(bytes).0),
        }
    }

    /// Bytes of a text, or `None` where the set lacks one of its characters.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        if text.is_ascii() && !matches!(self, Self::Iso2022(_)) {
            return Some(Cow::Borrowed(text.as_bytes()));
        }
        match self {
            Utf8 | Unstated | Self::Unknown | Self::Wide => Some(Cow::Borrowed(text.as_bytes())),
            Ascii => None,
            Latin1 => {
                let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
                bytes.ok().map(Cow::Owned)
            }
            Strict(table) => {
                let mut out = Vec::with_capacity(text.len());
                for c in text.chars() {
                    match u8::try_from(c) {
                        Ok(byte) if byte < 0x80 || is_control(byte) => out.push(byte),
                        _ => {
                            let bytes = switch::exact(table, c.encode_utf8(&mut [0; 4]))?;
                            if bytes.iter().any(|b| is_control(*b)) {
                                return None;
                            }
                            out.extend(bytes);
                        }
                    }
                }
                Some(Cow::Owned(out))
            }
            Table(table) => switch::exact(table, text).map(Cow::Owned),
            Self::Iso2022(set) => set.encode(text).map(Cow::Owned),
        }
    }

    /// Offset from 0 of the first byte that means nothing in this set; for sets of more
    /// than one byte a character, of the first byte above 127.
    #[must_use]
    pub fn misfit(self, bytes: &[u8]) -> Option<usize> {
        let first = || Some(bytes.iter().position(|b| !b.is_ascii()).unwrap_or(0));
        if let Self::Iso2022(set) = self {
            let is_plain = bytes.is_ascii() && !bytes.contains(&0x1b);
            return if is_plain || set.decode(bytes).1 { None } else { first() };
        }
        if bytes.is_ascii() {
            return None;
        }
        match self {
            Latin1 | Unstated | Self::Unknown | Self::Wide => None,
            Ascii => bytes.iter().position(|b| !b.is_ascii()),
            Utf8 => std::str::from_utf8(bytes).err().map(|e| e.valid_up_to()),
            Strict(table) => bytes.iter().position(|byte| {
                let found = table.decode_without_bom_handling_and_without_replacement(
                    std::slice::from_ref(byte),
                );
                !is_control(*byte) && found.is_none()
            }),
            Table(table) => {
                let text = table.decode_without_bom_handling_and_without_replacement(bytes);
                if text.is_some() { None } else { first() }
            }
            Self::Iso2022(_) => None,
        }
    }

    /// Whether every character takes one byte: such a set takes any bytes, and so also
    /// those of another set.
    #[must_use]
    pub fn is_single_byte(self) -> bool {
        match self {
            Latin1 | Strict(_) => true,
            Table(table) => table.is_single_byte(),
            _ => false,
        }
    }

    /// The name of table 0211, for MSH-18 of a new message; empty for switched sets.
    #[must_use]
    pub fn name(self) -> &'static str {
        ROWS.iter().find(|row| row.1 == self).map_or("", |row| row.0)
    }
}

/// Whether ISO 8859 has a control character at this byte, where the web has others.
const fn is_control(byte: u8) -> bool {
    matches!(byte, 0x80..=0x9f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_table_0211_and_common_spellings() {
        let check = |name: &str, expected: Charset| {
            assert_eq!(Charset::named(name.as_bytes()), expected, "{name}");
        };
        check("", Charset::Unstated);
        check("ASCII", Charset::Ascii);
        check("UNICODE UTF-8", Charset::Utf8);
        check("utf-8", Charset::Utf8);
        check("8859/1", Charset::Latin1);
        check("ISO-8859-1", Charset::Latin1);
        check("8859/15", Charset::Table(encoding_rs::ISO_8859_15));
        check("GB 18030-2000", Charset::Table(encoding_rs::GB18030));
        check("8859/9", Charset::Strict(encoding_rs::WINDOWS_1254));
        check("iso8859_9", Charset::Strict(encoding_rs::WINDOWS_1254));
        check("windows-1252", Charset::Table(encoding_rs::WINDOWS_1252));
        check("UNICODE UTF-16", Charset::Wide);
        check("CNS 11643-1992", Charset::Unknown);
        check("EBCDIC", Charset::Unknown);
    }

    #[test]
    fn repetitions_name_sets_to_switch_to() {
        let check = |msh18: &str, switches: bool, plain: Charset| {
            let found = Charset::declared(msh18.as_bytes(), Some(b'~'));
            assert_eq!(matches!(found, Charset::Iso2022(_)), switches, "{msh18}");
            if !switches {
                assert_eq!(found, plain, "{msh18}");
            }
        };
        check("~ISO IR87", true, Unstated);
        check("ISO IR6~ISO IR87~ISO IR159", true, Unstated);
        check("ISO IR14~ISO IR87", true, Unstated);
        check("ISO IR87", true, Unstated);
        check("8859/1~8859/2", true, Unstated);
        check("ASCII~ISO IR14", false, Ascii);
        check("8859/1", false, Latin1);
        check("UNICODE UTF-8~ISO IR87", false, Utf8);
        check("ASCII~EBCDIC", false, Ascii);
        check("", false, Unstated);
        for row in ROWS.iter().filter(|row| row.1 != Charset::Wide) {
            assert_eq!(Charset::named(row.0.as_bytes()), row.1, "{}", row.0);
            assert_eq!(row.1.name(), row.0);
        }
    }

    #[test]
    fn reads_and_writes_text() {
        let check = |set: Charset, bytes: &[u8], text: &str| {
            assert_eq!(set.decode(bytes), text, "{set:?}");
            assert_eq!(set.encode(text).as_deref(), Some(bytes), "{set:?}");
            assert_eq!(set.misfit(bytes), None, "{set:?}");
        };
        check(Charset::Ascii, b"abc", "abc");
        check(Charset::Utf8, "M\u{fc}ller".as_bytes(), "M\u{fc}ller");
        check(Charset::Unstated, "M\u{fc}ller".as_bytes(), "M\u{fc}ller");
        check(Charset::Latin1, b"M\xfcller", "M\u{fc}ller");
        check(Charset::Table(encoding_rs::ISO_8859_15), b"\xa4", "\u{20ac}");
        check(Charset::Table(encoding_rs::GB18030), b"\x83\x7c", "\u{5104}");
        check(Charset::named(b"8859/9"), b"\xf0\x85", "\u{11f}\u{85}");
        check(Charset::named(b"8859/11"), b"\xa1\x20", "\u{e01} ");
        check(Charset::named(b"BIG-5"), b"\xa4\xa4", "\u{4e2d}");
        check(Charset::named(b"KS X 1001"), b"\xb1\xe8", "\u{ae40}");
        check(Charset::named(b"windows-1251"), b"\xcf", "\u{41f}");
    }

    #[test]
    fn bytes_and_characters_that_do_not_fit_are_told() {
        assert_eq!(Charset::Utf8.misfit(b"ab\xfc"), Some(2));
        assert_eq!(Charset::Ascii.misfit(b"a\xc3\xbc"), Some(1));
        assert_eq!(Charset::Ascii.encode("\u{fc}"), None);
        assert_eq!(Charset::Latin1.encode("\u{20ac}"), None);
        assert_eq!(Charset::named(b"8859/9").encode("\u{20ac}"), None);
        assert_eq!(Charset::named(b"8859/11").misfit(b"a\xdb"), Some(1));
        assert_eq!(Charset::named(b"SHIFT_JIS").encode("\u{a5}"), None);
        assert_eq!(Charset::Unstated.decode(b"M\xfcller"), "M\u{fc}ller");
        assert_eq!(Charset::Utf8.decode(b"M\xfcller"), "M\u{fffd}ller");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(text in "\\PC{0,20}") {
            for set in ROWS.iter().map(|row| row.1).chain([
                Charset::declared(b"ISO IR14~ISO IR87~ISO IR159", Some(b'~')),
                Charset::declared(b"8859/1~8859/2~8859/5~KS X 1001~GB2312", Some(b'~')),
            ]) {
                for part in text.split_inclusive(|_: char| true) {
                    if let Some(bytes) = set.encode(part) {
                        prop_assert_eq!(set.decode(&bytes), part, "{:?}", set);
                        prop_assert_eq!(set.misfit(&bytes), None, "{:?}", set);
                    }
                }
                if let Some(bytes) = set.encode(&text) {
                    prop_assert_eq!(set.decode(&bytes), text.as_str(), "{:?}", set);
                }
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for row in ROWS {
                let text = row.1.decode(&bytes);
                if row.1.misfit(&bytes).is_none() && row.1 != Charset::Wide {
                    prop_assert!(text.is_empty() == bytes.is_empty());
                }
                prop_assert!(row.1.width(&bytes) >= 1);
            }
        }
    }
}
