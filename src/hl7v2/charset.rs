//! Character sets of messages: what MSH-18 names, reading and writing text in it, and
//! which bytes belong together where one character takes several.

use std::borrow::Cow;

use encoding_rs::Encoding;

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
    /// `8859/1`: every byte is the character of the same number.
    Latin1,
    /// Another set of one or more bytes a character.
    Table(&'static Encoding),
}

impl Charset {
    /// Finds the set that MSH-18 names, in the spellings of table 0211 and common others.
    ///
    /// Takes the first repetition: later ones name sets switched to inside of fields.
    #[must_use]
    pub fn named(msh18: &[u8]) -> Self {
        let mut name = String::with_capacity(16);
        for byte in msh18.iter().take(64) {
            if byte.is_ascii_alphanumeric() {
                name.push(char::from(byte.to_ascii_uppercase()));
            }
        }
        let name = name.strip_prefix("ISO8859").map_or(name.clone(), |n| format!("8859{n}"));
        match name.as_str() {
            "" => Self::Unstated,
            "ASCII" | "USASCII" | "ISOIR6" | "8859" => Self::Ascii,
            "UNICODEUTF8" | "UTF8" | "UNICODE" => Self::Utf8,
            "88591" | "LATIN1" | "ISOIR100" => Self::Latin1,
            "88592" | "ISOIR101" => Self::Table(encoding_rs::ISO_8859_2),
            "88593" | "ISOIR109" => Self::Table(encoding_rs::ISO_8859_3),
            "88594" | "ISOIR110" => Self::Table(encoding_rs::ISO_8859_4),
            "88595" | "ISOIR144" => Self::Table(encoding_rs::ISO_8859_5),
            "88596" | "ISOIR127" => Self::Table(encoding_rs::ISO_8859_6),
            "88597" | "ISOIR126" => Self::Table(encoding_rs::ISO_8859_7),
            "88598" | "ISOIR138" => Self::Table(encoding_rs::ISO_8859_8),
            "88599" | "ISOIR148" => Self::Table(encoding_rs::WINDOWS_1254),
            "885915" => Self::Table(encoding_rs::ISO_8859_15),
            "WINDOWS1250" | "CP1250" => Self::Table(encoding_rs::WINDOWS_1250),
            "WINDOWS1252" | "CP1252" => Self::Table(encoding_rs::WINDOWS_1252),
            "GB180302000" | "GB18030" | "GBK" | "GB2312" => Self::Table(encoding_rs::GB18030),
            "BIG5" => Self::Table(encoding_rs::BIG5),
            "KSX1001" | "EUCKR" => Self::Table(encoding_rs::EUC_KR),
            "SHIFTJIS" | "SJIS" => Self::Table(encoding_rs::SHIFT_JIS),
            _ => Self::Unknown,
        }
    }

    /// Whether a byte that looks like a delimiter may be the second half of a character.
    #[must_use]
    pub fn hides_delimiters(self) -> bool {
        let Self::Table(table) = self else { return false };
        table == encoding_rs::GB18030
            || table == encoding_rs::BIG5
            || table == encoding_rs::SHIFT_JIS
            || table == encoding_rs::EUC_KR
    }

    /// Whether `byte` is the first of two that belong together in such a set.
    #[must_use]
    pub fn is_lead(self, byte: u8) -> bool {
        match self {
            Self::Table(table) if table == encoding_rs::SHIFT_JIS => {
                matches!(byte, 0x81..=0x9f | 0xe0..=0xfc)
            }
            Self::Table(_) => matches!(byte, 0x81..=0xfe),
            _ => false,
        }
    }

    /// Text of bytes; a replacement character stands for what means nothing.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if bytes.is_ascii() {
            return String::from_utf8_lossy(bytes);
        }
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Latin1 => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
            Self::Ascii | Self::Unstated | Self::Unknown => match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => Self::Latin1.decode(bytes),
            },
            Self::Table(table) => table.decode_without_bom_handling(bytes).0,
        }
    }

    /// Bytes of a text, or `None` where the set lacks one of its characters.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        if text.is_ascii() {
            return Some(Cow::Borrowed(text.as_bytes()));
        }
        match self {
            Self::Utf8 | Self::Unstated | Self::Unknown => Some(Cow::Borrowed(text.as_bytes())),
            Self::Ascii => None,
            Self::Latin1 => {
                let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
                bytes.ok().map(Cow::Owned)
            }
            Self::Table(table) => {
                let (bytes, _, lossy) = table.encode(text);
                (!lossy).then_some(bytes)
            }
        }
    }

    /// Offset from 0 of the first byte that means nothing in this set.
    #[must_use]
    pub fn misfit(self, bytes: &[u8]) -> Option<usize> {
        if bytes.is_ascii() {
            return None;
        }
        match self {
            Self::Latin1 | Self::Unstated | Self::Unknown => None,
            Self::Ascii => bytes.iter().position(|b| !b.is_ascii()),
            Self::Utf8 => std::str::from_utf8(bytes).err().map(|e| e.valid_up_to()),
            Self::Table(table) => {
                if table.decode_without_bom_handling_and_without_replacement(bytes).is_some() {
                    return None;
                }
                bytes.iter().position(|b| !b.is_ascii())
            }
        }
    }

    /// The name of table 0211, for MSH-18 of a new message.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unstated | Self::Unknown => "",
            Self::Ascii => "ASCII",
            Self::Utf8 => "UNICODE UTF-8",
            Self::Latin1 => "8859/1",
            Self::Table(table) => table.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check("EBCDIC", Charset::Unknown);
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
    }

    #[test]
    fn bytes_and_characters_that_do_not_fit_are_told() {
        assert_eq!(Charset::Utf8.misfit(b"ab\xfc"), Some(2));
        assert_eq!(Charset::Ascii.misfit(b"a\xc3\xbc"), Some(1));
        assert_eq!(Charset::Ascii.encode("\u{fc}"), None);
        assert_eq!(Charset::Latin1.encode("\u{20ac}"), None);
        assert_eq!(Charset::Unstated.decode(b"M\xfcller"), "M\u{fc}ller");
        assert_eq!(Charset::Utf8.decode(b"M\xfcller"), "M\u{fffd}ller");
    }
}
