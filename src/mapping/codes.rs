//! Code maps: `codes/*.csv` and inline rows.

use std::sync::Arc;

use crate::settings::SourceFile;

/// Most rows of one code map: a hundred times the largest table of v2.
const ROWS_MAX: usize = 100_000;

/// What happens to a code without a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    /// Nothing was said: the value is left out with a warning.
    Unsaid,
    Keep,
    Drop,
    DeadLetter,
    Fixed(Box<str>),
}

/// A code map.
#[derive(Clone, Debug)]
pub(crate) struct CodeMap {
    pub name: Box<str>,
    pub system: Option<Box<str>>,
    pub unmapped: Unmapped,
    /// Rows sorted by `from`.
    rows: Vec<Row>,
    /// Order of the rows by `to`, the first of equal ones being preferred.
    back: Vec<u32>,
    /// File of the rows, for lineage.
    pub file: Arc<str>,
}

/// A row of a code map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub from: Box<str>,
    pub to: Box<str>,
    pub display: Option<Box<str>>,
    pub system: Option<Box<str>>,
    /// Line in its file, from 1.
    pub line: u32,
}

/// What is wrong in a file of codes: byte range and cause.
pub(crate) type Mistake = (std::ops::Range<usize>, String);

impl CodeMap {
    /// A map of these rows; of rows with the same `from`, the first counts and the others
    /// are given back.
    pub(crate) fn new(name: &str, file: Arc<str>, mut rows: Vec<Row>) -> (Self, Vec<Row>) {
        rows.sort_by(|a, b| (&a.from, a.line).cmp(&(&b.from, b.line)));
        let mut twice = Vec::new();
        rows.dedup_by(|later, first| {
            let same = later.from == first.from;
            if same {
                twice.push(later.clone());
            }
            same
        });
        let mut back: Vec<u32> = (0..u32::try_from(rows.len()).unwrap_or(0)).collect();
        back.sort_by_key(|at| rows.get(*at as usize).map(|r| (r.to.clone(), r.line)));
        let map =
            Self { name: name.into(), system: None, unmapped: Unmapped::Unsaid, rows, back, file };
        (map, twice)
    }

    /// The row of a code; exactly, else in any case of letters.
    pub(crate) fn find(&self, code: &str) -> Option<&Row> {
        let at = self.rows.binary_search_by(|row| (*row.from).cmp(code));
        match at {
            Ok(at) => self.rows.get(at),
            Err(_) => self.rows.iter().find(|row| row.from.eq_ignore_ascii_case(code)),
        }
    }

    /// The row that gives a code: the first in the file.
    pub(crate) fn find_back(&self, code: &str) -> Option<&Row> {
        let to = |at: &u32| self.rows.get(*at as usize).map_or("", |row| &*row.to);
        let at = self.back.partition_point(|at| to(at) < code);
        let row = self.rows.get(*self.back.get(at)? as usize)?;
        (&*row.to == code).then_some(row)
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// Reads rows of `from,to,display[,system]`; the first line names the columns.
///
/// Every row is read, so that all mistakes are found at once.
pub(crate) fn read_csv(file: &SourceFile) -> (Vec<Row>, Vec<Mistake>) {
    let mut rows = Vec::new();
    let mut mistakes = Vec::new();
    let mut columns: Option<[Option<usize>; 4]> = None;
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let mut at = file.text.len() - text.len();
    for (line, content) in (1u32..).zip(text.split_inclusive('\n')) {
        let span = at..at + content.trim_end().len();
        at += content.len();
        let content = content.trim_end_matches(['\r', '\n']);
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        let Some(cells) = cells(content) else {
            mistakes.push((span, "a quote is not closed".into()));
            continue;
        };
        let Some(columns) = columns else {
            let find = |name: &str| cells.iter().position(|c| c.eq_ignore_ascii_case(name));
            let found = ["from", "to", "display", "system"].map(find);
            if found[0].is_none() || found[1].is_none() {
                mistakes.push((span, "the first line names no columns `from` and `to`".into()));
                return (rows, mistakes);
            }
            columns = Some(found);
            continue;
        };
        let [from, to, display, system] = columns;
        let cell = |column: Option<usize>| {
            column.and_then(|c| cells.get(c)).map(|c| c.trim()).filter(|c| !c.is_empty())
        };
        match (cell(from), cell(to)) {
            (Some(from), Some(to)) if rows.len() < ROWS_MAX => rows.push(Row {
                from: from.into(),
                to: to.into(),
                display: cell(display).map(Into::into),
                system: cell(system).map(Into::into),
                line,
            }),
            (Some(_), Some(_)) => {
                mistakes.push((span, format!("more than {ROWS_MAX} rows")));
                return (rows, mistakes);
            }
            _ => mistakes.push((span, "a row needs `from` and `to`".into())),
        }
    }
    (rows, mistakes)
}

/// Cells of a line, quotes doubled within quotes.
///
/// Source: RFC 4180 §2, without line breaks in cells.
fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let mut cell = String::new();
        if let Some(mut quoted) = rest.trim_start().strip_prefix('"') {
            loop {
                let end = quoted.find('"')?;
                cell.push_str(quoted.get(..end)?);
                quoted = quoted.get(end + 1..)?;
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        cell.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            rest = quoted.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            cell.push_str(rest.get(..end)?);
            rest = rest.get(end..)?;
        }
        cells.push(cell);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Some(cells),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cells = (String, String, Option<String>);

    fn read(text: &str) -> (Vec<Cells>, Vec<String>) {
        let (rows, mistakes) = read_csv(&SourceFile::new("codes/x.csv", text));
        let rows = rows
            .into_iter()
            .map(|r| (r.from.into(), r.to.into(), r.display.map(Into::into)))
            .collect();
        (rows, mistakes.into_iter().map(|(_, cause)| cause).collect())
    }

    #[test]
    fn rows_are_read() {
        let (rows, mistakes) =
            read("from,to,display\r\nM,male,Male\n\"a\"\"b\",\"x, y\",\n# note\n\nF,female\n");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let row = |a: &str, b: &str, c: Option<&str>| (a.into(), b.into(), c.map(Into::into));
        assert_eq!(
            rows,
            [row("M", "male", Some("Male")), row("a\"b", "x, y", None), row("F", "female", None)]
        );
    }

    #[test]
    fn every_mistake_is_named() {
        assert_eq!(read("a,b\n").1, ["the first line names no columns `from` and `to`"]);
        assert_eq!(
            read("from,to\nM\n\"x,y\nF,f\n").1,
            ["a row needs `from` and `to`", "a quote is not closed"]
        );
    }

    #[test]
    fn maps_go_both_ways() {
        let file = SourceFile::new("f", "to,from\nmale,M\nmale,H\nfemale,F\nx,M\n");
        let (map, twice) = CodeMap::new("sex", file.path.clone(), read_csv(&file).0);
        assert_eq!(map.find("M").map(|r| (&*r.to, r.line)), Some(("male", 2)));
        assert_eq!(map.find("f").map(|r| &*r.to), Some("female"));
        assert_eq!(map.find("X"), None);
        assert_eq!(map.find_back("male").map(|r| &*r.from), Some("M"));
        assert_eq!(map.find_back("other"), None);
        assert_eq!(twice.len(), 1);
    }
}
