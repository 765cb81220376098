//! The files of a configuration: reading, finding by pattern, and their texts for
//! diagnostics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fault::codes::{W1004, W1031, W1044};
use crate::fault::{DrawStyle, draw};
use crate::fault::{Fault, FilePlace, Place, Problem, Problems};
use crate::hl7v2::tables::Site;
use crate::mapping::Library;
use crate::settings::{Document, SecretRef, SourceFile};

/// Largest file a mapping may name: a code map of all of LOINC stays below.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Most files of one pattern: a site has some hundred channels.
const MATCHES_MAX: usize = 10_000;

/// The files under a root, each read once.
pub(super) struct Tree {
    root: PathBuf,
    files: RefCell<BTreeMap<Arc<str>, Option<SourceFile>>>,
    /// Files asked for since [`Tree::begin`].
    asked: RefCell<Vec<SourceFile>>,
    /// Files that are not UTF-8, each told once.
    mangled: RefCell<Vec<Fault>>,
    /// What `hl7/*.toml` say, once they are read.
    site: RefCell<Site>,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            files: RefCell::default(),
            asked: RefCell::default(),
            mangled: RefCell::default(),
            site: RefCell::default(),
        }
    }

    /// Takes the definitions of the site, which mappings are checked against.
    pub(super) fn define(&self, site: Site) {
        *self.site.borrow_mut() = site;
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a file by its path from the root. None when there is no such file.
    pub(super) fn read(&self, path: &str) -> Option<SourceFile> {
        let path = path.strip_prefix("./").unwrap_or(path);
        if let Some(known) = self.files.borrow().get(path) {
            return known.clone();
        }
        let file = self.fetch(path).ok().map(|text| SourceFile::new(path, text));
        self.files.borrow_mut().insert(path.into(), file.clone());
        file
    }

    /// Reads a file that must be there; `W1004` otherwise.
    pub(super) fn open(&self, path: &str) -> Result<SourceFile, Fault> {
        self.read(path).ok_or_else(|| {
            let fault = Fault::new(W1004).at(Place::file(path));
            match self.fetch(path) {
                Ok(_) => fault,
                Err(error) => fault.caused_by(error),
            }
        })
    }

    fn fetch(&self, path: &str) -> std::io::Result<String> {
        let full = self.root.join(path);
        let facts = std::fs::metadata(&full)?;
        if !facts.is_file() {
            return Err(std::io::Error::other("not a file"));
        }
        if facts.len() > FILE_BYTES_MAX {
            return Err(std::io::Error::other("larger than 64 MiB"));
        }
        let bytes = std::fs::read(full)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| self.decode(path, error)))
    }

    /// The text of a file that is not UTF-8, as far as it can be told, so that everything
    /// else in it is still checked and the files that name it are not blamed; noted as
    /// `W1004`, so that no plan is made of it.
    fn decode(&self, path: &str, error: std::string::FromUtf8Error) -> String {
        let offset = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let wide = encoding_rs::Encoding::for_bom(&bytes).map(|(encoding, _)| encoding);
        let (text, from) = match wide {
            Some(encoding) => (encoding.decode(&bytes).0.into_owned(), encoding.name()),
            None => (String::from_utf8_lossy(&bytes).into_owned(), "WINDOWS-1252"),
        };
        let at = if wide.is_some() { 0 } else { offset };
        let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let place = FilePlace::find(path, &text, at..at + length);
        let fault = Fault::new(W1004).at(place);
        let fault = fault.because(format!("the byte at offset {offset} is not UTF-8"));
        self.mangled.borrow_mut().push(fault.remedy(format!(
            "Save the file as UTF-8 in the editor, or convert it: \
             `iconv -f {from} -t UTF-8 {path} > {path}.utf8`, look at it, and rename it."
        )));
        text
    }

    /// The faults of files that are not UTF-8.
    pub(super) fn mangled(&self) -> Vec<Fault> {
        self.mangled.take()
    }

    /// Bytes of a file that need not be text, such as a message in its own character set.
    pub(super) fn bytes(&self, path: &str) -> Option<bytes::Bytes> {
        let full = self.root.join(path);
        let small =
            std::fs::metadata(&full).is_ok_and(|m| m.is_file() && m.len() <= FILE_BYTES_MAX);
        small.then(|| std::fs::read(full).ok())?.map(Into::into)
    }

    /// Parses a file of settings; its relative paths start at the root.
    pub(super) fn document(&self, file: SourceFile, problems: &mut Problems) -> Document {
        Document::parse(file, problems).under(&self.root)
    }

    /// Paths that a pattern matches, in order of their names. `*` and `?` match within one
    /// part of a path. No match is `W1044` at `place`.
    pub(super) fn matches(
        &self,
        pattern: &str,
        place: FilePlace,
        problems: &mut Problems,
    ) -> Vec<String> {
        let mut found = vec![String::new()];
        for part in pattern.split('/').filter(|part| *part != ".") {
            found = found.iter().flat_map(|at| self.step(at, part)).take(MATCHES_MAX).collect();
        }
        found.retain(|path| self.root.join(path).is_file());
        if found.is_empty() {
            problems.error(Fault::new(W1044).at(place));
        }
        found
    }

    fn step(&self, at: &str, part: &str) -> Vec<String> {
        let join = |name: &str| match at {
            "" if name.is_empty() => "/".to_owned(),
            "" => name.to_owned(),
            at => format!("{}/{name}", at.trim_end_matches('/')),
        };
        if !part.contains(['*', '?']) {
            return vec![join(part)];
        }
        let entries = std::fs::read_dir(self.root.join(at)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.') && like(name.as_bytes(), part.as_bytes()));
        names.sort();
        names.iter().map(|name| join(name)).collect()
    }

    /// Starts to note which files are asked for through [`Library`].
    pub(super) fn begin(&self) {
        self.asked.borrow_mut().clear();
    }

    /// The files asked for since [`Tree::begin`], in order.
    pub(super) fn asked(&self) -> Vec<SourceFile> {
        self.asked.take()
    }

    pub(super) fn into_sources(self, problems: &Problems) -> Sources {
        let files = self.files.into_inner().into_values().flatten();
        let mut texts: BTreeMap<Arc<str>, String> =
            files.map(|file| (file.path, mask_assignments(&file.text))).collect();
        for problem in problems.iter().filter(|p| p.fault.code() == W1031) {
            let Some(place) = &problem.fault.place().file else { continue };
            if let Some(text) = texts.get_mut(&place.file) {
                mask(text, place.span.clone());
            }
        }
        Sources(texts)
    }
}

impl Library for Tree {
    fn file(&self, path: &str) -> Option<SourceFile> {
        let file = self.read(path)?;
        self.asked.borrow_mut().push(file.clone());
        Some(file)
    }

    fn site(&self) -> Site {
        self.site.borrow().clone()
    }
}

/// Whether a name is like a pattern of `*` (any run) and `?` (one byte).
fn like(name: &[u8], pattern: &[u8]) -> bool {
    let (mut n, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((n, p));
                p += 1;
            }
            Some(c) if *c == b'?' || name.get(n) == Some(c) => {
                n += 1;
                p += 1;
            }
            _ => match retry {
                Some((from, star)) => {
                    retry = Some((from + 1, star));
                    n = from + 1;
                    p = star + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

/// The texts of the files a configuration is made of, to draw problems with. Secrets that
/// stand where they should not are masked.
#[derive(Clone, Debug, Default)]
pub struct Sources(BTreeMap<Arc<str>, String>);

impl Sources {
    /// The text of a file by its path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Paths of the files, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|path| &**path)
    }

    /// Draws a problem under the line it speaks about.
    #[must_use]
    pub fn draw(&self, problem: &Problem, style: DrawStyle) -> String {
        let file = problem.fault.place().file.as_ref();
        // A place without a span is the file as a whole: there is no line to show.
        let text = file.filter(|f| !f.span.is_empty()).and_then(|f| self.text(&f.file));
        draw(problem, text, style)
    }
}

/// Puts stars over a span, keeping its length.
fn mask(text: &mut String, span: std::ops::Range<usize>) {
    if text.get(span.clone()).is_some() {
        let stars: String = text
            .get(span.clone())
            .unwrap_or_default()
            .bytes()
            .map(|b| if b == b'\n' { '\n' } else { '*' })
            .collect();
        text.replace_range(span, &stars);
    }
}

/// Masks values of keys that hold secrets by their name, for lines that could not be read
/// as far as their type.
fn mask_assignments(text: &str) -> String {
    let mut masked = text.to_owned();
    for name in ["secret", "password", "passphrase", "token"] {
        let places: Vec<usize> = text.match_indices(name).map(|(at, _)| at + name.len()).collect();
        for after in places {
            let rest = text.get(after..).unwrap_or_default();
            let line = rest.split('\n').next().unwrap_or_default();
            let trimmed = line.trim_start_matches(['"', '\'', ' ', '\t']);
            let Some(value) = trimmed.strip_prefix('=') else { continue };
            let value = value.trim_start();
            let quoted = value.trim_start_matches(['"', '\'']);
            let end = quoted.find(['"', '\'', ',', '}']).unwrap_or(quoted.len());
            let inner = quoted.get(..end).unwrap_or_default();
            if inner.is_empty() || SecretRef::parse(inner.trim_end()).is_some() {
                continue;
            }
            let start = after + (line.len() - quoted.len());
            mask(&mut masked, start..start + end);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check = |name: &str, pattern: &str, expected: bool| {
            assert_eq!(like(name.as_bytes(), pattern.as_bytes()), expected, "{name} {pattern}");
        };
        check("adt.toml", "*.toml", true);
        check("adt.toml", "adt.toml", true);
        check("adt.toml.bak", "*.toml", false);
        check("a.toml.toml", "*.toml", true);
        check("adt-1.toml", "adt-?.toml", true);
        check("", "*", true);
        check("", "?", false);
    }

    #[test]
    fn secrets_are_masked() {
        let check = |text: &str, expected: &str| assert_eq!(mask_assignments(text), expected);
        check("secret = \"hunter2\"\n", "secret = \"*******\"\n");
        check("a = { password = 'x y', b = 1 }", "a = { password = '***', b = 1 }");
        check("token = hunter2\nb = 1", "token = *******\nb = 1");
        check("secret = \"env:X\"", "secret = \"env:X\"");
        check("as = \"token\"", "as = \"token\"");
        check("secret = \"hunter2", "secret = \"*******");
    }
}
