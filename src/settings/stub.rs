use crate::fault::{Fault, FilePlace, Problems};
use std::ops::Range;
use std::sync::Arc;

/// A value with the byte range it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// One file of settings: its path as the user would type it and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: Arc<str>,
    pub text: Arc<str>,
}

/// A parsed TOML file; owns what `Table` borrows.
pub struct Document(());
impl Document {
    /// Parses with recovery: every syntax error is noted in `problems`. TOML 1.0 only (W1003 for 1.1 forms).
    pub fn parse(_file: SourceFile, _problems: &mut Problems) -> Self {
        todo!()
    }
    /// The root table. Problems found while reading are collected in the document's table tree and handed over by `finish`.
    pub fn root<'d>(&'d self, _problems: &'d mut Problems) -> Table<'d> {
        todo!()
    }
}

/// A table being read: asks for keys, notes mistakes with their spans, and at `finish` the unknown ones.
pub struct Table<'d>(std::marker::PhantomData<&'d ()>);

/// A key: name, what a value looks like, one sentence. Declared as const, schema and reference are made from it.
pub struct Key<T: 'static> {
    pub name: &'static str,
    pub looks_like: &'static str,
    pub about: &'static str,
    pub _t: std::marker::PhantomData<fn() -> T>,
}

/// Types a key can have.
pub trait Setting: Sized {
    /// JSON Schema of it.
    fn schema() -> serde_json::Value;
    /// Reads it; what it should look like comes from the key.
    fn read(_value: &Value<'_>) -> Result<Self, String>;
}
/// A TOML value with span.
pub struct Value<'d>(std::marker::PhantomData<&'d ()>);

/// A reference to a secret: `env:NAME`, `file:/path`, `cred:NAME`, `exec:NAME`. Debug never resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    Env(String),
    File(String),
    Cred(String),
    Exec(String),
}

impl<T> Key<T> {
    pub const fn new(name: &'static str, looks_like: &'static str, about: &'static str) -> Self {
        Self { name, looks_like, about, _t: std::marker::PhantomData }
    }
}

impl<'d> Table<'d> {
    pub fn required<T: Setting>(&mut self, _key: &Key<T>) -> Option<T> {
        todo!()
    }
    pub fn optional<T: Setting>(&mut self, _key: &Key<T>) -> Option<T> {
        todo!()
    }
    pub fn or<T: Setting>(&mut self, _key: &Key<T>, _default: T) -> T {
        todo!()
    }
    /// With its span, for problems found later.
    pub fn spanned<T: Setting>(&mut self, _key: &Key<T>) -> Option<Spanned<T>> {
        todo!()
    }
    /// A sub-table (`[consent]`), None when absent.
    pub fn table(&mut self, _name: &str) -> Option<Table<'_>> {
        todo!()
    }
    /// `[destination.NAME]`: names with their spans, in file order.
    pub fn tables(&mut self, _name: &str) -> Vec<(Spanned<String>, Table<'_>)> {
        todo!()
    }
    /// `[[encrypt]]`.
    pub fn array(&mut self, _name: &str) -> Vec<Table<'_>> {
        todo!()
    }
    /// Notes a problem at a span of this file.
    pub fn error(&mut self, _fault: Fault, _span: &Range<usize>) {
        todo!()
    }
    pub fn place(&self, _span: &Range<usize>) -> FilePlace {
        todo!()
    }
    /// The table's own span (its header).
    pub fn span(&self) -> Range<usize> {
        todo!()
    }
    /// Reports keys nobody asked for, with the nearest known name.
    pub fn finish(self) {
        todo!()
    }
}
