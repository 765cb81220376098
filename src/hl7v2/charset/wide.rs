//! Messages in UTF-16 and UTF-32: told by their first bytes, read as UTF-8, written back.
//!
//! Delimiters are single bytes everywhere else, so such a message is turned into UTF-8 as
//! a whole before it is indexed. The bytes that came are kept and given back unedited.

/// A form of Unicode with more than one byte for each character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hl7v2) struct Wide {
    /// Bytes of a unit: 2 or 4.
    unit: Unit,
    /// Whether the byte of most weight comes first.
    is_big: bool,
    /// Whether a byte order mark stands before the text.
    has_mark: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Two,
    Four,
}

const fn wide(unit: Unit, is_big: bool, has_mark: bool) -> Wide {
    Wide { unit, is_big, has_mark }
}

/// How content begins in each form: with a byte order mark, or with a header segment.
///
/// UTF-32 stands before UTF-16, whose mark begins the same in one byte order.
const BEGINS: &[(&[u8], Wide)] = &[
    (b"\xff\xfe\0\0", wide(Unit::Four, false, true)),
    (b"\0\0\xfe\xff", wide(Unit::Four, true, true)),
    (b"\xff\xfe", wide(Unit::Two, false, true)),
    (b"\xfe\xff", wide(Unit::Two, true, true)),
    (b"M\0\0\0S\0\0\0", wide(Unit::Four, false, false)),
    (b"\0\0\0M\0\0\0S", wide(Unit::Four, true, false)),
    (b"M\0S\0H\0", wide(Unit::Two, false, false)),
    (b"\0M\0S\0H", wide(Unit::Two, true, false)),
    (b"F\0H\0S\0", wide(Unit::Two, false, false)),
    (b"B\0H\0S\0", wide(Unit::Two, false, false)),
    (b"\0F\0H\0S", wide(Unit::Two, true, false)),
    (b"\0B\0H\0S", wide(Unit::Two, true, false)),
];

/// Names of all forms.
const NAMES: &[(&str, Wide)] = &[
    ("utf-16le", wide(Unit::Two, false, false)),
    ("utf-16be", wide(Unit::Two, true, false)),
    ("utf-16le bom", wide(Unit::Two, false, true)),
    ("utf-16be bom", wide(Unit::Two, true, true)),
    ("utf-32le", wide(Unit::Four, false, false)),
    ("utf-32be", wide(Unit::Four, true, false)),
    ("utf-32le bom", wide(Unit::Four, false, true)),
    ("utf-32be bom", wide(Unit::Four, true, true)),
];

impl Wide {
    /// Tells the form by the first bytes; `None` for text of single bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // Nearly all messages begin with `M` and `S`: one look settles those.
        if bytes.starts_with(b"MS") {
            return None;
        }
        BEGINS.iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, wide)| *wide)
    }

    /// Name of the form, with ` bom` where a byte order mark stands before it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, wide)| *wide == self).map_or("", |(name, _)| name)
    }

    /// The form of a name.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, wide)| *wide)
    }

    /// Text of bytes; `None` where they are no text of this form.
    pub fn decode(self, bytes: &[u8]) -> Option<String> {
        let mark = match (self.has_mark, self.unit) {
            (false, _) => 0,
            (true, Unit::Two) => 2,
            (true, Unit::Four) => 4,
        };
        let body = bytes.get(mark..)?;
        match self.unit {
            Unit::Two => {
                let (pairs, rest) = body.as_chunks::<2>();
                let read = if self.is_big { u16::from_be_bytes } else { u16::from_le_bytes };
                let text: Result<String, _> =
                    char::decode_utf16(pairs.iter().map(|pair| read(*pair))).collect();
                text.ok().filter(|_| rest.is_empty())
            }
            Unit::Four => {
                let (quads, rest) = body.as_chunks::<4>();
                let read = if self.is_big { u32::from_be_bytes } else { u32::from_le_bytes };
                let text = quads.iter().map(|quad| char::from_u32(read(*quad))).collect();
                rest.is_empty().then_some(text)?
            }
        }
    }

    /// Bytes of a text, with the mark where the message came with one.
    pub fn encode(self, text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 2 + 4);
        let mark = self.has_mark.then_some('\u{feff}');
        for c in mark.into_iter().chain(text.chars()) {
            match self.unit {
                Unit::Two => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.extend(if self.is_big {
                            unit.to_be_bytes()
                        } else {
                            unit.to_le_bytes()
                        });
                    }
                }
                Unit::Four => {
                    let unit = u32::from(c);
                    out.extend(if self.is_big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_are_told_by_their_first_bytes() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            let text = Wide::of(bytes).and_then(|wide| wide.decode(bytes));
            assert_eq!(text.as_deref(), expected, "{bytes:?}");
        };
        check(b"MSH|", None);
        check(b"", None);
        check(b"\xef\xbb\xbfMSH", None);
        check(b"M\0S\0H\0|\0", Some("MSH|"));
        check(b"\0M\0S\0H\0|", Some("MSH|"));
        check(b"\xff\xfeM\0S\0H\0", Some("MSH"));
        check(b"\xfe\xff\0M\0S\0H", Some("MSH"));
        check(b"M\0\0\0S\0\0\0H\0\0\0", Some("MSH"));
        check(b"\xff\xfe\0\0M\0\0\0", Some("M"));
        check(b"\0\0\xfe\xff\0\0\0M", Some("M"));
        // Cut characters and lone surrogates are no text.
        check(b"M\0S\0H\0|", None);
        check(b"M\0S\0H\0\0\xd8", None);
        check(b"\0\0\xfe\xff\0\x11\0\0", None);
    }

    proptest! {
        #[test]
        fn text_is_written_as_it_was_read(text in "MSH\\PC{0,30}") {
            for (_, wide) in BEGINS {
                let bytes = wide.encode(&text);
                prop_assert_eq!(Wide::of(&bytes), Some(*wide));
                let decoded = wide.decode(&bytes);
                prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
                prop_assert_eq!(Wide::named(wide.name()), Some(*wide));
            }
        }
    }
}
