//! Where every output value came from, and which input nobody read.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::datum::Datum;
use super::program::Program;
use super::used::Used;
use crate::base::Phi;
use crate::cda::{self, Found};
use crate::hl7v2::tables::{self, Site};
use crate::hl7v2::{Message, Value};

/// Where every output value came from; made on demand only.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// One row for each value, in order of the output.
    pub rows: Vec<LineageRow>,
    /// Parts of the input that nobody read, in order of the message.
    pub unused: Vec<Unused>,
}

/// Where one output value came from.
#[derive(Clone, Debug)]
pub struct LineageRow {
    /// `Observation[0].code.coding[0].code`; resources are counted by type from 0.
    pub target: String,
    /// `OBX[1]-3.1`; of a document its path with line and column, as in
    /// `recordTarget/patientRole/id/@extension 12:9`. Empty for values the mapping itself gives.
    pub source: String,
    /// The value.
    pub value: Phi<String>,
    /// File and line of the sentence: `mappings/oru-to-fhir.toml:10`; empty for what FHIR
    /// demands and nobody set.
    pub rule: String,
    /// File and line of the row of a code map.
    pub code_row: Option<String>,
}

/// A valued part of the input that nobody read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// `OBX[2]-7`, `recordTarget/patientRole/addr/city`.
    pub path: String,
    /// Its name in the message's version: `Reference Range`.
    pub name: Option<String>,
}

/// A leaf of the output as the run saw it.
pub(crate) struct Leaf {
    pub target: String,
    pub range: Option<Range<usize>>,
    pub value: Phi<String>,
    pub line: Option<u32>,
    pub row: Option<(u16, u32)>,
}

/// A leaf of the input: the smallest part with a value.
#[derive(Clone, Debug)]
struct Part<'m> {
    range: Range<usize>,
    segment: &'m str,
    /// Which segment of its name, from 1.
    occurrence: u32,
    field: u16,
    repetition: u16,
    component: u16,
    subcomponent: u16,
    /// Whether there are several of each, so that the path has to say which.
    several: [bool; 3],
}

/// Leaves of a message with their paths, in order of their bytes.
#[derive(Default)]
pub(crate) struct Index<'m> {
    parts: Vec<Part<'m>>,
    /// How many segments there are of each name.
    counts: HashMap<&'m str, u32>,
}

/// Shows each valued leaf of a field with its repetition, component and subcomponent from 1.
fn leaves<'m>(field: Value<'m>, see: &mut dyn FnMut(Value<'m>, [u16; 3], [bool; 3])) {
    let several_repetitions = field.repetition(2).is_some();
    for (r, repetition) in (1u16..).zip(field.repetitions()) {
        if repetition.is_empty() {
            continue;
        }
        let several_components = repetition.component(2).is_some();
        for (c, component) in (1u16..).zip(repetition.components()) {
            if component.is_empty() {
                continue;
            }
            let several_subcomponents = component.subcomponent(2).is_some();
            for (s, part) in (1u16..).zip(component.subcomponents()) {
                if !part.is_empty() {
                    let several = [several_repetitions, several_components, several_subcomponents];
                    see(part, [r, c, s], several);
                }
            }
        }
    }
}

/// Counts valued leaves that nobody read.
///
/// A leaf begins where a byte that divides nothing follows one that does: one pass over the
/// bytes finds them all. Where bytes may be halves of characters, or are not those of the
/// message, every part is asked.
pub(crate) fn count_unused(message: &Message, used: &Used) -> usize {
    if message.charset().hides_delimiters() || message.is_edited() {
        return count_unused_parts(message, used);
    }
    let delimiters = message.delimiters();
    let mut divides = [false; 256];
    let marks = [delimiters.field, delimiters.component, delimiters.repetition];
    for mark in marks.into_iter().chain(delimiters.subcomponent) {
        divides[usize::from(mark)] = true;
    }
    let mut unused = 0;
    for segment in message.segments() {
        let (raw, mut begin) = (segment.raw(), segment.range().start);
        let mut rest = raw;
        if segment.is_header() {
            for n in [1, 2] {
                let field = segment.field(n).filter(|field| !field.raw().is_empty());
                unused += usize::from(field.is_some_and(|field| !used.has(field.range().start)));
            }
            begin += raw.len().min(4);
            rest = raw.get(4..).unwrap_or_default();
        }
        // Behind the name, or behind MSH-2.
        let skipped = rest.iter().take_while(|b| **b != delimiters.field).count();
        let mut divided = false;
        for (at, byte) in (begin + skipped..).zip(rest.get(skipped..).unwrap_or_default()) {
            let mark = divides[usize::from(*byte)];
            unused += usize::from(divided && !mark && !used.has(at));
            divided = mark;
        }
    }
    unused
}

/// The same, part by part.
fn count_unused_parts(message: &Message, used: &Used) -> usize {
    let mut unused = 0;
    for segment in message.segments() {
        for field in segment.fields().filter(|field| !field.is_empty()) {
            leaves(field, &mut |part, _, _| {
                unused += usize::from(!used.has(part.range().start));
            });
        }
    }
    unused
}

impl<'m> Index<'m> {
    /// Reads all leaves of a message.
    pub(crate) fn of(message: &'m Message) -> Self {
        Self::read(message, &mut |_| true)
    }

    /// Reads the leaves of those segments in which one of the ranges begins: enough to give
    /// these ranges their paths.
    pub(crate) fn around<'a>(
        message: &'m Message,
        ranges: impl Iterator<Item = &'a Range<usize>> + Clone,
    ) -> Self {
        if ranges.clone().next().is_none() {
            return Self::default();
        }
        Self::read(message, &mut |within| ranges.clone().any(|range| within.contains(&range.start)))
    }

    fn read(message: &'m Message, wanted: &mut dyn FnMut(Range<usize>) -> bool) -> Self {
        let mut index = Self::default();
        for segment in message.segments() {
            let id = segment.id();
            let count = index.counts.entry(id).or_default();
            *count += 1;
            let occurrence = *count;
            if !wanted(segment.range()) {
                continue;
            }
            for (n, field) in (1_usize..).zip(segment.fields()) {
                leaves(field, &mut |part, [repetition, component, subcomponent], several| {
                    index.parts.push(Part {
                        range: part.range(),
                        segment: id,
                        occurrence,
                        field: u16::try_from(n).unwrap_or(u16::MAX),
                        repetition,
                        component,
                        subcomponent,
                        several,
                    });
                });
            }
        }
        index
    }

    /// The path of a range of bytes: of its first leaf, shortened to what the range covers.
    pub(crate) fn path(&mut self, range: &Range<usize>) -> Option<String> {
        let at = self.parts.partition_point(|part| part.range.end <= range.start);
        let part = self.parts.get(at).filter(|part| part.range.start < range.end)?;
        let next = self.parts.get(at + 1).filter(|next| next.range.start < range.end);
        let level = match next {
            None => 3,
            Some(next)
                if next.component == part.component && next.repetition == part.repetition =>
            {
                2
            }
            Some(next) if next.repetition == part.repetition => 1,
            Some(_) => 0,
        };
        Some(self.show(part, level))
    }

    fn show(&self, part: &Part<'_>, level: usize) -> String {
        let mut path = part.segment.to_owned();
        if self.counts.get(part.segment).is_some_and(|count| *count > 1) {
            path.push_str(&format!("[{}]", part.occurrence));
        }
        path.push_str(&format!("-{}", part.field));
        if part.several[0] && level > 0 {
            path.push_str(&format!("[{}]", part.repetition));
        }
        let deep = part.several[2] || part.subcomponent > 1;
        if (part.several[1] || part.component > 1 || deep) && level > 1 {
            path.push_str(&format!(".{}", part.component));
            if deep && level > 2 {
                path.push_str(&format!(".{}", part.subcomponent));
            }
        }
        path
    }

    /// Leaves nobody read.
    fn unused(&self, used: &Used, version: &str, site: &Site) -> Vec<Unused> {
        let (version, _) = tables::version(version);
        let by = (version, site);
        let unread = self.parts.iter().filter(|part| !used.has(part.range.start));
        unread.map(|part| Unused { path: self.show(part, 3), name: name_of(by, part) }).collect()
    }
}

/// `Patient Identifier List, ID Number`.
fn name_of((version, site): (&'static tables::Version, &Site), part: &Part<'_>) -> Option<String> {
    let field = site.segment(version, part.segment)?.field(usize::from(part.field))?;
    let components = version.datatype(field.datatype).map(|of| of.components.as_slice());
    let at = usize::from(part.component).checked_sub(1);
    match at.and_then(|at| components?.get(at)) {
        Some(component) if part.several[1] || part.component > 1 => {
            Some(format!("{}, {}", field.name, component.name))
        }
        _ => Some(field.name.to_owned()),
    }
}

/// Paths of what was read.
pub(crate) enum Places<'m> {
    Hl7(Index<'m>),
    Cda(&'m cda::Document),
}

impl Places<'_> {
    /// The path of a range of bytes.
    pub(crate) fn path(&mut self, range: &Range<usize>) -> Option<String> {
        match self {
            Self::Hl7(index) => index.path(range),
            Self::Cda(_) if range.is_empty() && range.start == 0 => None,
            Self::Cda(document) => Some(document.holding(range)?.path()),
        }
    }

    /// The same with where it stands, for documents, which people read by lines.
    fn source(&mut self, range: &Range<usize>) -> Option<String> {
        match self {
            Self::Hl7(index) => index.path(range),
            Self::Cda(document) => {
                let found = document.holding(range)?;
                let (line, column) = found.place();
                Some(format!("{} {line}:{column}", found.path()))
            }
        }
    }

    /// Leaves nobody read.
    fn unused(&self, program: &Program, used: &Used, version: &str) -> Vec<Unused> {
        match (self, &program.structure) {
            (Self::Hl7(index), Some(structure)) => index.unused(used, version, &structure.site),
            (Self::Hl7(_), None) => Vec::new(),
            (Self::Cda(document), _) => {
                let mut unused = Vec::new();
                unread(document, used, &mut |found| {
                    unused.push(Unused { path: found.path(), name: None });
                });
                unused
            }
        }
    }
}

/// Shows each value of a document that nobody read.
fn unread<'d>(document: &'d cda::Document, used: &Used, see: &mut dyn FnMut(Found<'d>)) {
    document.leaves(&mut |found, at| {
        if !used.has(at) {
            see(found);
        }
    });
}

/// Counts the values of a document that nobody read.
pub(crate) fn count_unread(document: &cda::Document, used: &Used) -> usize {
    let mut count = 0;
    unread(document, used, &mut |_| count += 1);
    count
}

/// What weir itself reads of every document is not unused: its number and its kind.
pub(crate) fn read_by_engine(document: &cda::Document, used: &Used) {
    for name in ["id", "code"] {
        let Some(element) = document.root().child(name) else { continue };
        used.mark(Datum::Cda(Found::Element(element)).range());
    }
}

/// Puts the lineage together.
pub(crate) fn assemble(
    index: &mut Places<'_>,
    leaves: Vec<Leaf>,
    program: &Program,
    used: &Used,
    version: &str,
) -> Lineage {
    let rows = leaves
        .into_iter()
        .map(|leaf| LineageRow {
            source: leaf.range.and_then(|range| index.source(&range)).unwrap_or_default(),
            rule: leaf
                .line
                .and_then(|line| program.lines.get(line as usize))
                .map_or_else(String::new, |place| format!("{}:{}", place.file, place.line)),
            code_row: leaf.row.and_then(|(map, line)| {
                let map = program.maps.get(usize::from(map))?;
                Some(format!("{}:{line}", map.file))
            }),
            target: leaf.target,
            value: leaf.value,
        })
        .collect();
    Lineage { rows, unused: index.unused(program, used, version) }
}

impl Lineage {
    /// Unused paths without the numbers of segments and repetitions, each with how often it
    /// occurs when that is more than once: `OBX-7 (2)`. Sorted.
    #[must_use]
    pub fn unused_summary(&self) -> Vec<String> {
        let mut counts: std::collections::BTreeMap<String, usize> = Default::default();
        for unused in &self.unused {
            let mut path = String::new();
            let mut inside = false;
            for c in unused.path.chars() {
                match c {
                    '[' => inside = true,
                    ']' => inside = false,
                    c if !inside => path.push(c),
                    _ => {}
                }
            }
            *counts.entry(path).or_default() += 1;
        }
        counts
            .into_iter()
            .map(|(path, count)| if count > 1 { format!("{path} ({count})") } else { path })
            .collect()
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn one_pass_counts_what_asking_every_part_counts() {
        let long = format!("OBX|1|ED|x||{}|~^&|&a\r", "^b~c&\\F\\d".repeat(40));
        for text in [
            "MSH|^~\\&|A|B^1.2&x||||||7\rPID|1||5^^^E&1&ISO~6||\"\"|a^^b~|\r",
            "MSH|^~|A\rnot a segment|x\rPID\rPID|\rZ\r|a\r",
            "MSH|^~\\&|A\nNTE|1||two\nlines^b\n",
            "MSH*#!%@*A#B\rPID*1*2#3@4!5\rBHS|^~\\&|x\r",
            &format!("MSH|^~\\&|A\r{long}"),
            "MSH|^~\\&",
        ] {
            let message = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            for step in [1, 7, 10_000] {
                let used = Used::new(text.len());
                for at in (0..text.len()).step_by(step).skip(1) {
                    used.mark(at..at + 1);
                }
                let counted = count_unused(&message, &used);
                assert_eq!(counted, count_unused_parts(&message, &used), "{text:?} {step}");
            }
        }
    }
}
