//! Keys declared as constants: reading, JSON Schema and reference are made from them.

use std::marker::PhantomData;

use serde_json::Value as Json;

use super::Setting;

/// A key: its name, what a value looks like and one sentence about it.
///
/// ```
/// use weir::settings::Key;
/// use std::net::SocketAddr;
/// const LISTEN: Key<SocketAddr> = Key::new("listen", "an address such as `0.0.0.0:2575`",
///     "Address on which the channel takes connections.").required();
/// ```
#[derive(Debug)]
pub struct Key<T: 'static> {
    /// As written in the file.
    pub name: &'static str,
    /// What a value looks like: continues "expected ..".
    pub looks_like: &'static str,
    /// One sentence for editors and the reference.
    pub about: &'static str,
    /// The default as it would be written, or in words; none where nothing happens without.
    pub default: Option<&'static str>,
    /// Whether the table is wrong without it.
    pub required: bool,
    kind: PhantomData<fn() -> T>,
}

/// What is known of a key without its type: a row of a table's reference.
#[derive(Clone, Copy, Debug)]
pub struct KeyRow {
    /// As written in the file.
    pub name: &'static str,
    /// What a value looks like.
    pub looks_like: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The default as it would be written, or in words.
    pub default: Option<&'static str>,
    /// Whether the table is wrong without it.
    pub required: bool,
    /// What the value is made of.
    pub shape: Shape,
}

/// What the value of a key is made of.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A value with this JSON Schema.
    Value(fn() -> Json),
    /// A table with these keys.
    Table(&'static [KeyRow]),
    /// A table of tables with these keys, by a name of the user's: `[notify.NAME]`.
    Named(&'static [KeyRow]),
    /// A list of tables with these keys: `[[encrypt]]`.
    List(&'static [KeyRow]),
    /// A table whose keys depend on its `type`; the common keys come first.
    Kinds(&'static [KeyRow], &'static [KindRow]),
    /// Such tables by a name of the user's: `[destination.NAME]`.
    NamedKinds(&'static [KeyRow], &'static [KindRow]),
    /// A table of names of the user's, each with a value of this JSON Schema.
    Map(fn() -> Json),
}

/// One `type` of a table whose keys depend on it.
#[derive(Clone, Copy, Debug)]
pub struct KindRow {
    /// The word after `type =`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its keys besides the common ones.
    pub keys: &'static [KeyRow],
}

impl<T> Key<T> {
    /// Declares a key.
    #[must_use]
    pub const fn new(name: &'static str, looks_like: &'static str, about: &'static str) -> Self {
        Self { name, looks_like, about, default: None, required: false, kind: PhantomData }
    }

    /// Declares its default for schema and reference; reading gives it by `Table::or`.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    /// Declares it required for schema and reference.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl<T: Setting> Key<T> {
    /// Its row, without the type.
    #[must_use]
    pub const fn row(&self) -> KeyRow {
        KeyRow {
            name: self.name,
            looks_like: self.looks_like,
            about: self.about,
            default: self.default,
            required: self.required,
            shape: Shape::Value(T::schema),
        }
    }
}

impl KeyRow {
    /// A row for a table or list of tables.
    #[must_use]
    pub const fn of(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Self { name, looks_like: "a table", about, default: None, required: false, shape }
    }

    /// Declares it required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}
