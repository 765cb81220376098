//! JSON of which few members are wanted: the others are skipped while they are read, so that
//! a large text takes no more memory than what is kept of it.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What is kept of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Null,
    Flag(bool),
    Count(u64),
    Text(String),
    List(Vec<Part>),
    Members(Vec<(&'static str, Part)>),
    /// Another number.
    Other,
}

/// Why a text cannot be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no JSON.
    NoJson,
    /// It has more parts than may be kept.
    TooMany,
}

impl Part {
    /// Reads a text; keeps the members of these names, wherever they are, and at most so many
    /// parts.
    pub(super) fn read(text: &[u8], names: &[&'static str], max: usize) -> Result<Self, Wrong> {
        let room = Cell::new(max);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let read = Keep { names, room: &room }.deserialize(&mut reader);
        match read.and_then(|part| reader.end().map(|()| part)) {
            Ok(part) => Ok(part),
            Err(_) if room.get() == 0 => Err(Wrong::TooMany),
            Err(_) => Err(Wrong::NoJson),
        }
    }

    /// A member; of several with one name the last.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Members(members) = self else { return None };
        members.iter().rev().find(|(of, _)| *of == name).map(|(_, part)| part)
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) const fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(*count),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
struct Keep<'a> {
    names: &'a [&'static str],
    /// Parts that may still be kept.
    room: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Keep<'_> {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Part, D::Error> {
        let left = self.room.get().checked_sub(1);
        self.room.set(left.ok_or_else(|| D::Error::custom("too many parts"))?);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keep<'_> {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Part, E> {
        Ok(Part::Flag(flag))
    }

    fn visit_u64<E>(self, count: u64) -> Result<Part, E> {
        Ok(Part::Count(count))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Part, E> {
        Ok(Part::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part, E> {
        Ok(Part::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Part, E> {
        Ok(Part::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Part, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element_seed(self)? {
            parts.push(part);
        }
        Ok(Part::List(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match self.names.iter().find(|wanted| **wanted == name) {
                Some(wanted) => members.push((*wanted, map.next_value_seed(self)?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Part::Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_kept() {
        let read = |text: &str, max| Part::read(text.as_bytes(), &["a", "b"], max);
        let text = r#"{"x":[[1,2,3],{"a":1}],"a":[{"b":"t","y":{}},null,true,7,-1,0.5]}"#;
        let part = read(text, 9).unwrap();
        assert_eq!(part.get("x"), None);
        let list = part.get("a").unwrap().as_array().unwrap();
        assert_eq!(list[0].get("b").unwrap().as_str(), Some("t"));
        assert_eq!(list[1], Part::Null);
        assert_eq!((list[2].as_bool(), list[3].as_u64()), (Some(true), Some(7)));
        assert_eq!(list[4..], [Part::Other, Part::Other]);
        assert_eq!(read(text, 8), Err(Wrong::TooMany));
        for bad in ["", "{", "{} x", "<html>", r#"{"a":}"#] {
            assert_eq!(read(bad, 9), Err(Wrong::NoJson), "{bad}");
        }
        assert_eq!(read(&"[".repeat(100_000), 9999), Err(Wrong::NoJson), "too deep");
    }
}
