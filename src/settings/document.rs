//! A parsed file of settings, and others laid over it.

use std::cell::Cell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::node::{Kind, Node};
use super::scan::scan;
use super::{FILE_BYTES_MAX, Table};
use crate::fault::codes::{W1001, W1002, W1003, W1005};
use crate::fault::{Fault, FilePlace, Problems};

/// Most mistakes of syntax that are told of one file: nobody reads more, and a file that is
/// no TOML has one at every byte.
const MISTAKES_MAX: usize = 100;

/// One file of settings: its path as the user would type it and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the root of the configuration, with `/`.
    pub path: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl SourceFile {
    /// Names a text.
    #[must_use]
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// A parsed TOML file, maybe with parts of other files laid over it; owns what [`Table`]
/// borrows.
///
/// Spans count bytes from 0 over all its files, one after another, so that a span tells
/// the file too; in a document of one file they are offsets in its text.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where the spans of each file begin, rising; never empty.
    files: Vec<(usize, SourceFile)>,
    /// Place in `files` of the file it is named after.
    main: usize,
    root: Node,
    /// Where the syntax is wrong.
    mistakes: Vec<Range<usize>>,
    /// The tables in whose text the syntax is wrong: from a header to the next one.
    unsure: Vec<Range<usize>>,
    /// Where relative paths start; empty: the working directory.
    directory: PathBuf,
}

/// A table cut out of a document, to lay over another one.
#[derive(Clone, Debug)]
pub struct Part {
    file: SourceFile,
    node: Node,
    mistakes: Vec<Range<usize>>,
    unsure: Vec<Range<usize>>,
}

impl Document {
    /// Parses with recovery and notes every mistake: `W1001` syntax, `W1002` duplicate keys,
    /// `W1003` forms that TOML 1.0 does not have, `W1005` beyond the limits.
    #[must_use]
    pub fn parse(file: SourceFile, problems: &mut Problems) -> Self {
        let place = |span| FilePlace::find(file.path.clone(), &file.text, span);
        let scanned = scan(&file.text);
        let mut mistakes = Vec::new();
        let too_large = file.text.len() > FILE_BYTES_MAX;
        if too_large || scanned.too_deep.is_some() {
            let at = scanned.too_deep.unwrap_or(0);
            problems.error(Fault::new(W1005).at(place(at..at)));
            let root = Node { span: 0..0, kind: Kind::Table(Vec::new()) };
            return Self {
                files: vec![(0, file)],
                main: 0,
                root,
                mistakes: std::iter::once(at..at).collect(),
                unsure: Vec::new(),
                directory: PathBuf::new(),
            };
        }
        let (table, mut errors) = DeTable::parse_recoverable(&file.text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        let mut unsure: Vec<Range<usize>> = Vec::new();
        let mut told: Option<(u32, bool)> = None;
        for (number, error) in errors.into_iter().enumerate() {
            let span = error.span().unwrap_or(0..0);
            mistakes.push(span.clone());
            if number >= MISTAKES_MAX {
                continue;
            }
            let at = place(span.clone());
            if error.message() == "duplicate key" {
                problems.error(Fault::new(W1002).at(at));
                continue;
            }
            unsure.push(around(&file.text, span.start));
            // The parser stumbles on over the rest of a line that it cannot read, and over
            // the lines that an open bracket swallows.
            let open = ["array", "inline table"].iter().any(|w| error.message().contains(w));
            let follows = told.is_some_and(|(line, swallows)| {
                at.line == line || (swallows && at.line == line + 1)
            });
            told = Some((at.line, open || (follows && told.is_some_and(|(_, swallows)| swallows))));
            if !follows {
                problems.error(Fault::new(W1001).at(at).because(error.message().to_owned()));
            }
        }
        for (what, span) in scanned.newer.into_iter().take(MISTAKES_MAX) {
            problems.error(Fault::new(W1003).at(place(span)).because(what));
        }
        let root = Node::root(table.get_ref());
        let directory = PathBuf::new();
        Self { files: vec![(0, file)], main: 0, root, mistakes, unsure, directory }
    }

    /// Lets relative paths in it start at a directory instead of the working directory.
    #[must_use]
    pub fn under(mut self, directory: &Path) -> Self {
        let here = directory == Path::new(".");
        self.directory = if here { PathBuf::new() } else { directory.to_owned() };
        self
    }

    /// Where relative paths start.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// All values, parts laid over it included, as one text that is the same for the same
    /// settings: no comments, no layout, tables sorted by key. Without the tables named.
    #[must_use]
    pub fn canonical(&self, leaving_out: &[&str]) -> String {
        let mut text = String::new();
        for entry in self.root.sorted() {
            if !leaving_out.contains(&entry.key.as_str()) {
                entry.canonical(&mut text);
            }
        }
        text
    }

    /// The root table. Problems found while reading are noted in `problems`.
    pub fn root<'d>(&'d self, problems: &'d mut Problems) -> Table<'d> {
        Table::new(self, &self.root, String::new(), Cell::from_mut(problems))
    }

    /// The place of a span.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> FilePlace {
        let (base, file) = self.file_of(span.start);
        let local = span.start.saturating_sub(base)..span.end.saturating_sub(base);
        FilePlace::find(file.path.clone(), &file.text, local)
    }

    /// The file it is named after: the one parsed, whatever lies under or over it.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a document is made of at least one file")]
    pub fn file(&self) -> &SourceFile {
        &self.files[self.main].1
    }

    /// Lays this document over a template, whose settings then hold where this one is
    /// silent. It keeps the name of its file.
    #[must_use]
    pub fn upon(self, mut template: Self) -> Self {
        if let Some(part) = self.part(&[]) {
            template.overlay(part);
            template.main = template.files.len() - 1;
        }
        template
    }

    /// Whether mistakes in the syntax may have hidden parts of it.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.mistakes.is_empty()
    }

    /// Whether the syntax is wrong at a span, so that its value is not what was written.
    pub(super) fn is_broken_at(&self, span: &Range<usize>) -> bool {
        self.mistakes.iter().any(|m| m.start <= span.end && span.start <= m.end)
    }

    /// Whether a key at a span may stand in another table than it was written in, because
    /// the syntax is wrong nearby.
    pub(super) fn is_unsure_at(&self, span: &Range<usize>) -> bool {
        self.unsure.iter().any(|text| text.contains(&span.start))
    }

    /// Cuts out the table at a path, such as `["channel", "adt-main"]`, where there is one.
    ///
    /// Only the first file of a document has parts.
    #[must_use]
    pub fn part(&self, path: &[&str]) -> Option<Part> {
        let node = path.iter().try_fold(&self.root, |node, key| node.child(key))?;
        let one = self.files.len() == 1 && node.is_table();
        let part = || Part {
            file: self.file().clone(),
            node: node.clone(),
            mistakes: self.mistakes.clone(),
            unsure: self.unsure.clone(),
        };
        one.then(part)
    }

    /// Lays a part over this document: tables are merged key by key, all else is replaced.
    /// Problems in what came from the part will name its file.
    pub fn overlay(&mut self, part: Part) {
        let base = self.files.last().map_or(0, |(base, file)| base + file.text.len() + 1);
        let Part { file, mut node, mistakes, unsure } = part;
        node.shift(base);
        let shift = |m: Range<usize>| m.start + base..m.end + base;
        self.mistakes.extend(mistakes.into_iter().map(shift));
        self.unsure.extend(unsure.into_iter().map(shift));
        self.files.push((base, file));
        self.root.merge(node);
    }

    fn file_of(&self, at: usize) -> (usize, &SourceFile) {
        let after = self.files.partition_point(|(base, _)| *base <= at);
        self.files
            .get(after.saturating_sub(1))
            .map_or_else(|| (0, self.file()), |(base, file)| (*base, file))
    }

    /// The text a span stands for.
    pub(super) fn text(&self, span: &Range<usize>) -> &str {
        let (base, file) = self.file_of(span.start);
        file.text.get(span.start - base..span.end.saturating_sub(base)).unwrap_or_default()
    }
}

/// The text from the table header before a place to the one after it.
fn around(text: &str, at: usize) -> Range<usize> {
    let headers = text.match_indices('\n').map(|(at, _)| at + 1);
    let headers = headers.filter(|at| text.get(*at..).is_some_and(|line| line.starts_with('[')));
    let (mut from, mut to) = (0, text.len() + 1);
    for header in headers {
        if header > at {
            to = header;
            break;
        }
        from = header;
    }
    from..to
}

impl Part {
    /// Leaves out an entry.
    pub fn remove(&mut self, key: &str) {
        if let Kind::Table(entries) = &mut self.node.kind {
            entries.retain(|entry| entry.key != key);
        }
    }

    /// Moves all entries but those named into a table of their own called `name`, merged
    /// with one that is there already.
    pub fn gather(&mut self, all_but: &[&str], name: &str) {
        let Kind::Table(entries) = &mut self.node.kind else { return };
        let keep = |key: &str| all_but.contains(&key) || key == name;
        let (kept, moved): (Vec<_>, Vec<_>) =
            std::mem::take(entries).into_iter().partition(|entry| keep(&entry.key));
        *entries = kept;
        if moved.is_empty() {
            return;
        }
        let span = self.node.span.clone();
        let gathered = Node { span: span.clone(), kind: Kind::Table(moved) };
        let entry = super::node::Entry { key: name.to_owned(), key_span: span, node: gathered };
        let over = Node { span: entry.key_span.clone(), kind: Kind::Table(vec![entry]) };
        self.node.merge(over);
    }
}
