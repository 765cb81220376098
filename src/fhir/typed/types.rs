//! The types that FHIR has and Rust has not.

use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeStruct as _, Serializer};
use serde::{Deserialize, Serialize};

use crate::fhir::doc::Doc;
use crate::fhir::tables;

/// Names under which the types are told to serializer and deserializer.
pub(super) const PRIMITIVE: &str = "$weir::fhir::Primitive";
pub(super) const DECIMAL: &str = "$weir::fhir::Decimal";
pub(super) const ANY: &str = "$weir::fhir::Any";

/// Name of the field that takes the members which a struct does not name.
pub const EXTRA: &str = "$extra";

/// A decimal with the digits it was written with: `7.10` is not `7.1`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

impl Decimal {
    /// Takes a number as JSON writes it; none where it is not one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        tables::Primitive::Decimal.accepts(text).then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

/// A primitive: a value, what stands beside it, or both.
///
/// Give a field of this type `#[serde(default)]` instead of wrapping it in an `Option`,
/// which would not see extensions without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primitive<T> {
    /// The value; none where an extension says why.
    pub value: Option<T>,
    /// Id of the element.
    pub id: Option<String>,
    /// Extensions of the element.
    pub extension: Vec<Any>,
}

impl<T> Primitive<T> {
    /// Whether there is neither a value nor anything beside it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.id.is_none() && self.extension.is_empty()
    }
}

impl<T> Default for Primitive<T> {
    fn default() -> Self {
        Self { value: None, id: None, extension: Vec::new() }
    }
}

impl<T> From<T> for Primitive<T> {
    fn from(value: T) -> Self {
        Self { value: Some(value), id: None, extension: Vec::new() }
    }
}

impl<T: Serialize> Serialize for Primitive<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct(PRIMITIVE, 3)?;
        out.serialize_field("value", &self.value)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("extension", &self.extension)?;
        out.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Primitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Primitive<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a primitive")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Primitive::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match &*name {
                        "value" => found.value = map.next_value()?,
                        "id" => found.id = map.next_value()?,
                        "extension" => found.extension = map.next_value()?,
                        _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_struct(
            PRIMITIVE,
            &["value", "id", "extension"],
            Parts(std::marker::PhantomData),
        )
    }
}

/// Any value, kept as it stands. Its text is patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Any(pub Doc);

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_json();
        let text = std::str::from_utf8(&text).unwrap_or("null");
        serializer.serialize_newtype_struct(ANY, text)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::under(ANY, deserializer)?;
        Doc::parse_json(text.into()).map(Self).map_err(|_| D::Error::custom("no JSON"))
    }
}

/// Members that a struct does not name, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra(pub Vec<(String, Any)>);

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Extra;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extra, A::Error> {
                let mut found = Vec::new();
                while let Some(member) = map.next_entry()? {
                    found.push(member);
                }
                Ok(Extra(found))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A code that an enum knows, or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coded<E> {
    /// A code of the enum.
    Known(E),
    /// A code of others: sites have their own, and later versions of FHIR have more.
    Other(String),
}

impl<E: Serialize> Serialize for Coded<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(code) => code.serialize(serializer),
            Self::Other(code) => serializer.serialize_str(code),
        }
    }
}

impl<'de, E: Deserialize<'de>> Deserialize<'de> for Coded<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let code = serde::de::value::StringDeserializer::<D::Error>::new(text.clone());
        Ok(E::deserialize(code).map_or(Self::Other(text), Self::Known))
    }
}

/// Takes a text, as itself or under the name of one of our types.
struct Text;

impl Text {
    fn under<'de, D: Deserializer<'de>>(name: &'static str, from: D) -> Result<String, D::Error> {
        from.deserialize_newtype_struct(name, Self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    /// Other formats have no such name: what they hold is read as JSON.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        serde_json::Value::deserialize(from).map(|value| value.to_string())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decimal(<phi>)")
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(DECIMAL, &self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::under(DECIMAL, deserializer)?;
        Self::new(&text).ok_or_else(|| D::Error::custom("no decimal"))
    }
}

/// How much of a moment is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2026`
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-22`
    Day,
    /// `06:40:00`, and dates with such a time.
    Second,
    /// `06:40:00.5`, and dates with such a time.
    Fraction,
}

fn precision(text: &str) -> Precision {
    match text.len() {
        _ if text.contains('.') => Precision::Fraction,
        _ if text.contains(':') => Precision::Second,
        0..=4 => Precision::Year,
        5..=7 => Precision::Month,
        _ => Precision::Day,
    }
}

/// Types whose values are texts of a form.
macro_rules! moments {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text of the form of the type; none where it is not.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                tables::Primitive::$name.accepts(text).then(|| Self(text.to_owned()))
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// How much it says.
            #[must_use]
            pub fn precision(&self) -> Precision {
                precision(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(<phi>)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).ok_or_else(|| D::Error::custom("another form"))
            }
        }
    )*};
}

moments! {
    /// A date with the precision it was written with.
    Date
    /// A date that may have a time.
    DateTime
    /// A date with a time and a zone.
    Instant
    /// A time of day.
    Time
}
