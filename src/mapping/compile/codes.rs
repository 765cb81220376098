//! Code maps of a mapping.

use std::collections::HashSet;

use super::super::Library;
use super::super::codes::{CodeMap, Row, read_csv};
use super::super::file::{RawCodes, RawMapping};
use super::super::types::systems;
use super::{Report, unmapped};
use crate::fault::{Fault, FilePlace, codes as w};

/// Reads every code map, with all mistakes.
pub(super) fn read(
    raw: &RawMapping,
    library: &dyn Library,
    report: &mut Report<'_>,
) -> Vec<CodeMap> {
    raw.codes.iter().map(|codes| read_one(codes, library, report)).collect()
}

fn read_one(codes: &RawCodes, library: &dyn Library, report: &mut Report<'_>) -> CodeMap {
    let mut rows: Vec<Row> = codes
        .rows
        .iter()
        .map(|(from, to)| Row {
            from: from.text.as_str().into(),
            to: to.text.as_str().into(),
            display: None,
            system: None,
            line: report.document.place(&from.span).line,
        })
        .collect();
    let mut file = report.document.file().path.clone();
    match (&codes.file, rows.is_empty()) {
        (None, true) => {
            report.error(w::W4009, &codes.name.span, "a code map needs `file` or `rows`");
        }
        (Some(name), false) => {
            report.error(w::W4009, &name.span, "a code map has `file` or `rows`, not both");
        }
        (None, false) => {}
        (Some(name), true) => match library.file(&name.text) {
            None => report.error(w::W4016, &name.span, format!("`{}`", name.text)),
            Some(source) => {
                file = source.path.clone();
                let (read, mistakes) = read_csv(&source);
                for (span, cause) in mistakes {
                    let place = FilePlace::find(source.path.clone(), &source.text, span);
                    report.errors += 1;
                    report.problems.error(Fault::new(w::W4009).because(cause).at(place));
                }
                rows = read;
            }
        },
    }
    let in_file = file.clone();
    let (mut map, twice) = CodeMap::new(&codes.name.text, file, rows);
    let mut told = HashSet::new();
    for row in twice.iter().filter(|row| told.insert(row.from.clone())) {
        let cause = format!("`{}` stands again in line {} of {in_file}", row.from, row.line);
        report.warning(Fault::new(w::W4009).because(cause), &codes.name.span);
    }
    map.unmapped = unmapped(codes.unmapped.as_ref());
    if let Some(system) = &codes.system {
        match systems::of_mapping(&system.text) {
            Some(uri) => map.system = Some(uri.as_ref().into()),
            None => {
                let cause = format!("`{}` is neither a URI nor a known system", system.text);
                let known = systems::short_names();
                report.unknown(w::W4009, &system.span, cause, (&system.text, known));
            }
        }
    }
    map
}
