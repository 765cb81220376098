//! The tree a document is kept in: values with their spans, tables in the order of the file.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text(String),
    /// None when it is beyond 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Time,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

impl Kind {
    /// What it is, in words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a decimal number",
            Self::Boolean(_) => "true or false",
            Self::Time => "a date or time",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// Takes over a parsed value.
    pub(super) fn from_toml(value: &toml::Spanned<DeValue<'_>>) -> Self {
        let kind = match value.get_ref() {
            DeValue::String(text) => Kind::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                Kind::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(yes) => Kind::Boolean(*yes),
            DeValue::Datetime(_) => Kind::Time,
            DeValue::Array(items) => Kind::Array(items.iter().map(Self::from_toml).collect()),
            DeValue::Table(table) => Kind::Table(entries(table)),
        };
        Self { span: value.span(), kind }
    }

    /// Takes over a parsed file.
    pub(super) fn root(table: &DeTable<'_>) -> Self {
        Self { span: 0..0, kind: Kind::Table(entries(table)) }
    }

    /// Moves every span by `by` bytes.
    pub(super) fn shift(&mut self, by: usize) {
        let move_by = |span: &mut Range<usize>| *span = span.start + by..span.end + by;
        move_by(&mut self.span);
        match &mut self.kind {
            Kind::Array(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Kind::Table(entries) => {
                for entry in entries {
                    move_by(&mut entry.key_span);
                    entry.node.shift(by);
                }
            }
            _ => {}
        }
    }

    /// Lays `over` upon this: tables are merged key by key, all else is replaced.
    pub(super) fn merge(&mut self, over: Self) {
        match (&mut self.kind, over.kind) {
            (Kind::Table(under), Kind::Table(entries)) => {
                for entry in entries {
                    match under.iter_mut().find(|old| old.key == entry.key) {
                        Some(old) if old.node.is_table() && entry.node.is_table() => {
                            old.node.merge(entry.node);
                        }
                        Some(old) => *old = entry,
                        None => under.push(entry),
                    }
                }
            }
            (kind, other) => {
                *kind = other;
                self.span = over.span;
            }
        }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.kind, Kind::Table(_))
    }

    /// The entries, none when it is no table.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The entries in the order of their names.
    pub(super) fn sorted(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.entries().iter().collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    fn canonical(&self, text: &mut String) {
        use std::fmt::Write;
        let _ = match &self.kind {
            Kind::Text(value) => write!(text, "{value:?}"),
            Kind::Integer(value) => write!(text, "{value:?}"),
            Kind::Float(value) => write!(text, "{value:?}"),
            Kind::Boolean(value) => write!(text, "{value}"),
            Kind::Time => write!(text, "time"),
            Kind::Array(items) => {
                text.push('[');
                for item in items {
                    item.canonical(text);
                    text.push(',');
                }
                write!(text, "]")
            }
            Kind::Table(_) => {
                text.push('{');
                for entry in self.sorted() {
                    entry.canonical(text);
                }
                write!(text, "}}")
            }
        };
    }

    /// The value of a key.
    pub(super) fn child(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
}

impl Entry {
    pub(super) fn canonical(&self, text: &mut String) {
        use std::fmt::Write;
        let _ = write!(text, "{:?}=", self.key);
        self.node.canonical(text);
        text.push('\n');
    }
}

/// Entries in the order of the file; the parser keeps them in the order of their names.
fn entries(table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().clone().into_owned(),
            key_span: key.span(),
            node: Node::from_toml(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}
