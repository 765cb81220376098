//! Reading a table key by key.

use std::cell::Cell;
use std::ops::Range;

use super::document::Document;
use super::node::{Kind, Node};
use super::value::{Mistake, Setting, Spanned, Value, Wrong};
use super::{Key, nearest};
use crate::fault::codes::{W1010, W1011, W1012, W1014};
use crate::fault::{Fault, FilePlace, Problems};

/// A table being read: asks for keys, notes mistakes with their spans, and at
/// [`Table::finish`] those keys nobody asked for.
///
/// Reading goes on after a mistake, to find the others. Missing keys are reported when the
/// table is dropped, unless an unknown key looks like a misspelling of one.
pub struct Table<'d> {
    document: &'d Document,
    node: &'d Node,
    /// Keys from the root to here: `destination.ehr`; empty for the root.
    path: String,
    problems: &'d Cell<Problems>,
    /// Names asked for so far.
    asked: Vec<String>,
    /// Required keys and tables that are not there.
    missing: Vec<(String, Fault)>,
}

impl<'d> Table<'d> {
    pub(super) fn new(
        document: &'d Document,
        node: &'d Node,
        path: String,
        problems: &'d Cell<Problems>,
    ) -> Self {
        Self { document, node, path, problems, asked: Vec::new(), missing: Vec::new() }
    }

    /// Reads a key that must be there; `W1010` otherwise.
    pub fn required<T: Setting>(&mut self, key: &Key<T>) -> Option<T> {
        self.required_spanned(key).map(|found| found.value)
    }

    /// Reads a key that must be there, with its span.
    pub fn required_spanned<T: Setting>(&mut self, key: &Key<T>) -> Option<Spanned<T>> {
        if !self.has(key.name) {
            let here = self.title();
            let fault = Fault::new(W1010)
                .because(format!("{here} needs `{}`, {}", key.name, key.looks_like))
                .remedy(format!("Add `{} = ..`: {}", key.name, key.about));
            self.missing.push((key.name.to_owned(), fault));
        }
        self.spanned(key)
    }

    /// Reads a key that may be left out.
    pub fn optional<T: Setting>(&mut self, key: &Key<T>) -> Option<T> {
        self.spanned(key).map(|found| found.value)
    }

    /// Reads a key that has a default; also gives the default for a wrong value, which is
    /// noted.
    pub fn or<T: Setting>(&mut self, key: &Key<T>, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// Reads a key that may be left out, with its span, for problems found later.
    pub fn spanned<T: Setting>(&mut self, key: &Key<T>) -> Option<Spanned<T>> {
        let value = self.value(key.name)?;
        Some(Spanned::new(value.read(key.looks_like)?, value.span()))
    }

    /// A value as it stands, for keys of more than one form.
    pub fn value(&mut self, name: &str) -> Option<Value<'d>> {
        self.ask(name);
        let node = self.node.child(name)?;
        Some(Value::new(self.document, node, self.path_of(name), self.problems))
    }

    /// A sub-table (`[consent]` or `consent = { .. }`), none when absent.
    pub fn table(&mut self, name: &str) -> Option<Table<'d>> {
        let value = self.value(name)?;
        let (span, kind) = (value.span(), value.kind_name());
        let table = value.into_table();
        if table.is_none() {
            self.error(expected("a table", kind), &span);
        }
        table
    }

    /// A sub-table that must be there; `W1014` otherwise.
    pub fn required_table(&mut self, name: &str) -> Option<Table<'d>> {
        if !self.has(name) {
            let fault = Fault::new(W1014).because(format!(
                "{} needs [{}]",
                self.title(),
                self.path_of(name)
            ));
            self.missing.push((name.to_owned(), fault));
        }
        self.table(name)
    }

    /// `[destination.NAME]`: names with their spans and their tables, in file order.
    pub fn tables(&mut self, name: &str) -> Vec<(Spanned<String>, Table<'d>)> {
        let Some(mut outer) = self.table(name) else { return Vec::new() };
        let mut tables = Vec::new();
        for (key, value) in outer.entries() {
            let (span, kind) = (value.span(), value.kind_name());
            match value.into_table() {
                Some(table) => tables.push((key, table)),
                None => self.error(expected("a table", kind), &span),
            }
        }
        tables
    }

    /// `[[encrypt]]`: its tables in order.
    pub fn array(&mut self, name: &str) -> Vec<Table<'d>> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(items) = value.items() else {
            let fault = expected("a list of tables", value.kind_name())
                .remedy(format!("Write `[[{name}]]`, with two brackets, for each."));
            self.error(fault, &value.span());
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            let (span, kind) = (item.span(), item.kind_name());
            match item.into_table() {
                Some(table) => tables.push(table),
                None => self.error(expected("a table", kind), &span),
            }
        }
        tables
    }

    /// Every entry in file order, for tables whose keys are the user's; none is unknown then.
    pub fn entries(&mut self) -> Vec<(Spanned<String>, Value<'d>)> {
        let mut entries = Vec::new();
        for entry in self.node.entries() {
            self.asked.push(entry.key.clone());
            let path = self.path_of(&entry.key);
            let value = Value::new(self.document, &entry.node, path, self.problems);
            entries.push((Spanned::new(entry.key.clone(), entry.key_span.clone()), value));
        }
        entries
    }

    /// Every entry read as one type, in file order.
    pub fn pairs<T: Setting>(&mut self, looks_like: &str) -> Vec<(Spanned<String>, Spanned<T>)> {
        let entries = self.entries().into_iter();
        let read = |(key, value): (_, Value<'d>)| {
            Some((key, Spanned::new(value.read(looks_like)?, value.span())))
        };
        entries.filter_map(read).collect()
    }

    /// Whether a key is there, whatever its value. Does not count as asking for it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.node.child(name).is_some()
    }

    /// Span of a key's name, where the key is there.
    #[must_use]
    pub fn key_span(&self, name: &str) -> Option<Range<usize>> {
        let entry = self.node.entries().iter().find(|entry| entry.key == name)?;
        Some(entry.key_span.clone())
    }

    /// Makes names known without reading them.
    pub fn ask(&mut self, name: &str) {
        if !self.asked.iter().any(|asked| asked == name) {
            self.asked.push(name.to_owned());
        }
    }

    /// Notes an error at a span of this document.
    pub fn error(&mut self, fault: Fault, span: &Range<usize>) {
        let fault = fault.at(self.place(span));
        self.with_problems(|problems| problems.error(fault));
    }

    /// Notes a warning at a span of this document.
    pub fn warning(&mut self, fault: Fault, span: &Range<usize>) {
        let fault = fault.at(self.place(span));
        self.with_problems(|problems| problems.warning(fault));
    }

    /// Hands over the problems noted so far, for readers that take them directly.
    pub fn with_problems<T>(&self, f: impl FnOnce(&mut Problems) -> T) -> T {
        let mut problems = self.problems.take();
        let result = f(&mut problems);
        self.problems.set(problems);
        result
    }

    /// The place of a span of this document.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> FilePlace {
        self.document.place(span)
    }

    /// The document it belongs to.
    #[must_use]
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// The table's own span: its header, or the whole inline table.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.node.span.clone()
    }

    /// Its name in messages: `[destination.ehr]`, or `the file` for the root.
    #[must_use]
    pub fn title(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.path) }
    }

    /// Reports keys nobody asked for (`W1012`), with the nearest known name.
    pub fn finish(mut self) {
        for entry in self.node.entries() {
            if self.asked.contains(&entry.key) {
                continue;
            }
            let what = if entry.node.is_table() && self.path.is_empty() { "table" } else { "key" };
            let fault = Fault::new(W1012).because(format!(
                "`{}` is not a {what} of {}",
                entry.key,
                self.title()
            ));
            let known = self.asked.iter().map(String::as_str);
            let fault = match nearest(&entry.key, known) {
                Some(near) => {
                    let near = near.to_owned();
                    self.missing.retain(|(name, _)| *name != near);
                    fault.remedy(format!("did you mean `{near}`?"))
                }
                // It may be known where it was meant to stand; the mistake itself is told.
                None if self.document.is_unsure_at(&entry.key_span) => continue,
                None => fault,
            };
            self.error(fault, &entry.key_span);
        }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        // What syntax errors hid is not missing.
        if self.document.is_broken() {
            return;
        }
        let span = self.span();
        for (_, fault) in std::mem::take(&mut self.missing) {
            self.error(fault, &span);
        }
    }
}

fn expected(looks_like: &str, found: &str) -> Fault {
    Fault::new(W1011).because(format!("expected {looks_like}, found {found}"))
}

/// Notes what is wrong with a value.
pub(super) fn note(value: &Value<'_>, wrong: Wrong, looks_like: &str) {
    for Mistake { code, cause, remedy, span } in wrong.0 {
        let fault = match cause {
            Some(cause) => Fault::new(code).because(cause),
            None => expected(looks_like, value.kind_name()),
        };
        let fault = match remedy {
            Some(remedy) => fault.remedy(remedy),
            None => fault,
        };
        value.error(fault, &span.unwrap_or_else(|| value.span()));
    }
}

impl std::fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the values: some may be secrets that should not be there.
        let Kind::Table(entries) = &self.node.kind else { return f.write_str("{}") };
        f.debug_set().entries(entries.iter().map(|entry| &entry.key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{DrawStyle, draw};
    use crate::settings::SourceFile;

    const NAME: Key<String> = Key::new("name", "a text", "What it is called.").required();
    const COUNT: Key<u16> = Key::new("count", "a whole number", "How many.");

    fn problems(text: &str, read: impl Fn(&mut Table<'_>)) -> Vec<String> {
        let mut problems = Problems::new();
        let document = Document::parse(SourceFile::new("t.toml", text), &mut problems);
        let mut root = document.root(&mut problems);
        read(&mut root);
        root.finish();
        problems
            .iter()
            .map(|problem| {
                let fault = &problem.fault;
                let place = fault.place().file.as_ref().unwrap();
                let cause = fault.cause().unwrap_or_default();
                format!("{}:{} {} {cause}", place.line, place.column, fault.code())
            })
            .collect()
    }

    #[test]
    fn every_mistake_is_found() {
        let check = |text: &str, expected: &[&str]| {
            let read = |table: &mut Table<'_>| {
                let _ = table.required(&NAME);
                let _ = table.or(&COUNT, 3);
            };
            assert_eq!(problems(text, read), expected, "{text}");
        };
        check("name = 'a'", &[]);
        check("name = 'a'\ncount = 70000", &["2:9 W1021 expected a whole number from 0 to 65535"]);
        check("name = 1", &["1:8 W1011 expected a text, found a whole number"]);
        check("count = 1", &["1:1 W1010 the file needs `name`, a text"]);
        check("nmae = 'a'", &["1:1 W1012 `nmae` is not a key of the file"]);
        check(
            "name = 'a'\nname = 'b'\n\n[x]\n",
            &["2:1 W1002 ", "4:2 W1012 `x` is not a table of the file"],
        );
        check(
            "name = 'a'\ncount = \n",
            &["2:9 W1001 string values must be quoted, expected literal string"],
        );
    }

    #[test]
    fn tables_know_their_names() {
        let text = "[destination.ehr]\nname = 'x'\nretyr = 1\n[[encrypt]]\nat = 1\n[queue]\n";
        let read = |root: &mut Table<'_>| {
            for (_, mut table) in root.tables("destination") {
                let _ = table.required(&NAME);
                table.ask("retry");
                table.finish();
            }
            for table in root.array("encrypt") {
                table.finish();
            }
            let mut queue = root.required_table("queue").unwrap();
            let _ = queue.required(&NAME);
            queue.finish();
            assert!(root.required_table("source").is_none());
        };
        let expected = [
            "3:1 W1012 `retyr` is not a key of [destination.ehr]",
            "5:1 W1012 `at` is not a key of [encrypt[0]]",
            "6:1 W1010 [queue] needs `name`, a text",
            "1:1 W1014 the file needs [source]",
        ];
        assert_eq!(problems(text, read), expected);
    }

    #[test]
    fn points_into_a_text() {
        let check = |text: &str, inside: Range<usize>, expected: &str| {
            let mut problems = Problems::new();
            let document = Document::parse(SourceFile::new("t.toml", text), &mut problems);
            let mut root = document.root(&mut problems);
            let (_, value) = root.entries().remove(0);
            let span = value.inside(inside);
            assert_eq!(&text[span], expected, "{text}");
        };
        check("a = 'PID-3 via x'", 6..9, "via");
        check("a = \"PID-3 via x\"", 6..9, "via");
        check("a = \"PID\\t-3\"", 1..2, "\"PID\\t-3\"");
        check("a = '''\nPID-3'''", 0..3, "PID");
        check("a = 'PID'", 9..10, "'PID'");
    }

    #[test]
    fn a_part_of_another_file_keeps_its_name() {
        let mut found = Problems::new();
        let mut base = Document::parse(
            SourceFile::new("base.toml", "[source]\nname = 'a'\ncount = 1\n"),
            &mut found,
        );
        let site = SourceFile::new("site.toml", "[channel.a.source]\ncount = 'x'\nname = 'b'\n");
        let site = Document::parse(site, &mut found);
        base.overlay(site.part(&["channel", "a"]).unwrap());
        let mut root = base.root(&mut found);
        let mut source = root.table("source").unwrap();
        assert_eq!(source.required(&NAME).as_deref(), Some("b"));
        assert_eq!(source.optional(&COUNT), None);
        source.finish();
        root.finish();
        let places: Vec<_> = found.iter().map(|p| p.fault.place().to_string()).collect();
        assert_eq!(places, ["site.toml:2:9"]);
    }

    #[test]
    fn draws_like_the_specification() {
        let text = "[consent]\npolicy = 'x'\non_unknwon = \"deny\"\n";
        let mut problems = Problems::new();
        let document = Document::parse(SourceFile::new("channels/lab.toml", text), &mut problems);
        let mut root = document.root(&mut problems);
        let mut consent = root.table("consent").unwrap();
        consent.ask("policy");
        consent.ask("on_unknown");
        consent.finish();
        drop(root);
        let drawn = draw(problems.iter().next().unwrap(), Some(text), DrawStyle::Plain);
        insta::assert_snapshot!(drawn, @r#"
        error[W1012]: unknown key
          ╭▸ channels/lab.toml:3:1
          │
        3 │ on_unknwon = "deny"
          │ ━━━━━━━━━━ `on_unknwon` is not a key of [consent]
          │
          ╰ help: did you mean `on_unknown`?  (more: weir errors W1012)
        "#);
    }
}
