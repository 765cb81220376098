//! Values with their spans, and the types a key can have.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::node::{Kind, Node};
use super::{Document, Table};
use crate::fault::codes::W1011;
use crate::fault::{Code, FilePlace, Problems};

/// A value with the span it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands in its document.
    pub span: Range<usize>,
}

impl<T> Spanned<T> {
    /// Puts value and span together.
    pub const fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }

    /// Changes the value, keeping its span.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

/// Types a key can have.
pub trait Setting: Sized {
    /// JSON Schema of it.
    fn schema() -> Json;

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the value; what it should look like comes from the key.
    fn read(value: &Value<'_>) -> Result<Self, Wrong>;
}

/// Types that are one of a few words; each gets its [`Setting`] from its table of words.
pub trait Word: Copy + 'static {
    /// Every word and what it stands for.
    const WORDS: &'static [(&'static str, Self)];
}

/// What is wrong with a value: at least one mistake.
#[derive(Debug)]
pub struct Wrong(pub(super) Vec<Mistake>);

#[derive(Debug)]
pub(super) struct Mistake {
    pub code: Code,
    /// None: the value is of another kind than the key expects.
    pub cause: Option<Cow<'static, str>>,
    pub remedy: Option<String>,
    /// None: the whole value.
    pub span: Option<Range<usize>>,
}

impl Wrong {
    /// A value of another kind than the key expects.
    #[must_use]
    pub fn kind() -> Self {
        Self(vec![Mistake { code: W1011, cause: None, remedy: None, span: None }])
    }

    /// A mistake with its own code.
    #[must_use]
    pub fn new(code: Code, cause: impl Into<Cow<'static, str>>) -> Self {
        Self(vec![Mistake { code, cause: Some(cause.into()), remedy: None, span: None }])
    }

    /// Says what to type.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if let Some(mistake) = self.0.last_mut() {
            mistake.remedy = Some(remedy.into());
        }
        self
    }

    /// Says where, unless that is known already.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        for mistake in &mut self.0 {
            mistake.span.get_or_insert_with(|| span.clone());
        }
        self
    }

    /// Adds the mistakes of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl<S: Into<Cow<'static, str>>> From<S> for Wrong {
    fn from(cause: S) -> Self {
        Self::new(W1011, cause)
    }
}

/// A TOML value with its span.
#[derive(Clone)]
pub struct Value<'d> {
    document: &'d Document,
    node: &'d Node,
    /// Path of keys to it, for messages.
    path: String,
    problems: &'d Cell<Problems>,
}

impl<'d> Value<'d> {
    pub(super) fn new(
        document: &'d Document,
        node: &'d Node,
        path: String,
        problems: &'d Cell<Problems>,
    ) -> Self {
        Self { document, node, path, problems }
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.node.span.clone()
    }

    /// Where it stands, as a place.
    #[must_use]
    pub fn place(&self) -> FilePlace {
        self.document.place(&self.node.span)
    }

    /// What it is, in words: `text`, `a whole number`, `a table`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        self.node.kind.name()
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&'d str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True or false, where it is that.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.node.kind {
            Kind::Boolean(yes) => Some(yes),
            _ => None,
        }
    }

    /// The number, where it is a whole one of 64 bits.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self.node.kind {
            Kind::Integer(number) => number,
            _ => None,
        }
    }

    /// The number, where it is one; whole ones too.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "settings with decimals are small")]
    pub fn as_float(&self) -> Option<f64> {
        match self.node.kind {
            Kind::Float(number) => Some(number),
            Kind::Integer(number) => number.map(|n| n as f64),
            _ => None,
        }
    }

    /// Whether it is a number of any kind.
    #[must_use]
    pub fn is_number(&self) -> bool {
        matches!(self.node.kind, Kind::Integer(_) | Kind::Float(_))
    }

    /// Whether it is a table.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.node.is_table()
    }

    /// The items, where it is a list.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let Kind::Array(items) = &self.node.kind else { return None };
        let item = |(place, node)| {
            Self::new(self.document, node, format!("{}[{place}]", self.path), self.problems)
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// To be read as a table, where it is one.
    #[must_use]
    pub fn into_table(self) -> Option<Table<'d>> {
        let table = self.node.is_table();
        table.then(|| Table::new(self.document, self.node, self.path, self.problems))
    }

    /// Where bytes `inside` of the text (from 0, end exclusive) stand in the file; the
    /// whole value where escapes make that impossible to say.
    #[must_use]
    pub fn inside(&self, inside: Range<usize>) -> Range<usize> {
        let whole = self.span();
        let (Some(text), raw) = (self.as_str(), self.document.text(&whole)) else { return whole };
        let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        let open = match raw.get(quotes..) {
            Some(rest) if quotes == 3 && rest.starts_with("\r\n") => 5,
            Some(rest) if quotes == 3 && rest.starts_with('\n') => 4,
            _ => quotes,
        };
        let same = raw.get(open..raw.len().saturating_sub(quotes)) == Some(text);
        if !same || inside.end > text.len() || inside.start > inside.end {
            return whole;
        }
        whole.start + open + inside.start..whole.start + open + inside.end
    }

    /// A path as this value gives it: relative ones start at the document's directory.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.document.directory().join(path)
    }

    /// Notes an error at a span of the document.
    pub fn error(&self, fault: crate::fault::Fault, span: &Range<usize>) {
        let mut problems = self.problems.take();
        problems.error(fault.at(self.document.place(span)));
        self.problems.set(problems);
    }

    /// Reads it as a type, noting what is wrong.
    #[must_use]
    pub fn read<T: Setting>(&self, looks_like: &str) -> Option<T> {
        match T::read(self) {
            Ok(value) => Some(value),
            Err(_) if self.document.is_broken_at(&self.node.span) => None,
            Err(wrong) => {
                super::table::note(self, wrong, looks_like);
                None
            }
        }
    }
}

impl<T: Word> Setting for T {
    fn schema() -> Json {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        serde_json::json!({ "enum": words })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        use crate::fault::codes::W1013;
        let text = value.as_str().ok_or_else(Wrong::kind)?;
        if let Some((_, found)) = T::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*found);
        }
        let words = T::WORDS.iter().map(|(word, _)| *word);
        let list = words.clone().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let wrong = Wrong::new(W1013, format!("known here: {list}"));
        Err(match super::nearest(text, words) {
            Some(word) => wrong.remedy(format!("did you mean `{word}`?")),
            None => wrong,
        })
    }
}
