//! Runs a program that makes segments.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::codes::Unmapped;
use super::super::datum::Datum;
use super::super::group::Groups;
use super::super::lineage::{self, Lineage};
use super::super::pick::{Found, Go, Here, Item, Pick, holds};
use super::super::program::{Each, From, JoinPart, Program};
use super::super::sentence::Quantity;
use super::super::types::LEFT_MAX;
use super::super::used::Used;
use super::lay::{Piece, lay};
use super::{Choice, Make, Put, Target};
use crate::base::Phi;
use crate::fault::{Fault, Place, codes as w};
use crate::hl7v2::tables;
use crate::hl7v2::{Delimiters, Message, Path, Segment, Value};

/// Most segments that one message may become: as many as a bundle may have entries.
const SEGMENTS_MAX: usize = 50_000;

/// Most repetitions that one target may get.
const VALUES_MAX: usize = 10_000;

/// Number of the first repetition that has no name: behind any with one.
const APPENDED: u16 = 10_000;

/// Two quotation marks: there is no value.
const NULL: &[u8] = b"\"\"";

/// What a run gives.
pub(crate) struct Made {
    /// Segments in order, without terminators, in the input's delimiters and character set.
    pub segments: Vec<Vec<u8>>,
    /// What the rules put into MSH: path and raw bytes.
    header: Vec<(Spot, Vec<u8>)>,
    pub warnings: Vec<Fault>,
    pub values: usize,
    pub unused: usize,
    pub unmapped: Vec<Arc<str>>,
    pub lineage: Option<Lineage>,
    /// Which rules made something.
    pub made: Vec<bool>,
}

/// Field, repetition, component and subcomponent, from 1.
type Spot = [u16; 4];

/// A value on its way into a segment.
struct Written {
    raw: Vec<u8>,
    from: Option<Range<usize>>,
    row: Option<(u16, u32)>,
    line: u32,
}

/// A run under way.
struct Run<'r> {
    program: &'r Program,
    message: &'r Message,
    groups: &'r Groups,
    used: &'r Used,
    trace: bool,
    warnings: Vec<Fault>,
    unmapped: Vec<Arc<str>>,
    dead: Option<Fault>,
    values: usize,
    rows: Vec<lineage::Leaf>,
}

/// Where an instance of a rule stands.
#[derive(Clone, Copy)]
struct Instance<'r> {
    group: u32,
    segment: Option<Segment<'r>>,
    own: Option<Datum<'r>>,
    from: (usize, usize),
}

/// Runs a program over a message.
///
/// # Errors
/// `W4301` when a code must not pass unmapped, `W4303` when there would be too many segments.
pub(crate) fn run(
    program: &Program,
    target: &Target,
    message: &Message,
    trace: bool,
) -> Result<Made, Fault> {
    let used = Used::new(message.bytes().len());
    // What is carried over as it is, or read to do so, is not unused.
    if let Some(header) = message.segment(0) {
        used.mark(header.range());
    }
    let Some(structure) = &program.structure else {
        return Err(Fault::new(w::W4302).because("the mapping reads documents"));
    };
    let groups = Groups::read(message, structure);
    let (warnings, unmapped, rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = Run {
        program,
        message,
        groups: &groups,
        used: &used,
        trace,
        warnings,
        unmapped,
        dead: None,
        values: 0,
        rows,
    };
    let (mut pieces, mut header, mut made) = (Vec::new(), Vec::new(), Vec::new());
    for make in &target.makes {
        let before = (pieces.len(), header.len());
        let mut counts: HashMap<u32, u64> = HashMap::new();
        for instance in run.instances(make) {
            let around = match &make.each {
                Each::Group(_) => groups.parent(instance.group),
                Each::Message | Each::Segment(_) | Each::Field(_) | Each::Tree(_) => instance.group,
            };
            let count = counts.entry(around).or_default();
            let here = run.here(&instance, *count + 1);
            if make.when.as_ref().is_some_and(|when| !holds(when, &here)) {
                continue;
            }
            *count += 1;
            let spots = run.fields(make, &here);
            if &*make.id == "MSH" {
                header.extend(spots);
                continue;
            }
            if spots.is_empty() {
                continue;
            }
            let bytes = write(&make.id, spots, message.delimiters());
            pieces.push(Piece { home: make.home, from: instance.from, bytes });
            if pieces.len() > SEGMENTS_MAX {
                let cause = format!("more than {SEGMENTS_MAX} segments");
                return Err(Fault::new(w::W4303).because(cause));
            }
        }
        made.push(before != (pieces.len(), header.len()));
    }
    let segments = lay(&target.structure, pieces).into_iter().map(|piece| piece.bytes).collect();
    let Run { warnings, unmapped, dead, values, rows, .. } = run;
    if let Some(dead) = dead {
        return Err(dead);
    }
    let unused = lineage::count_unused(message, &used);
    let lineage = trace.then(|| {
        let version = message.header().version().into_owned();
        let mut places = lineage::Places::Hl7(lineage::Index::of(message));
        lineage::assemble(&mut places, rows, program, &used, &version)
    });
    Ok(Made { segments, header, warnings, values, unused, unmapped, lineage, made })
}

impl Made {
    /// The message: MSH of the input with the target's type, what the rules put into it, and
    /// the segments.
    ///
    /// # Errors
    /// Those of editing MSH.
    pub(crate) fn message(&self, input: &Message, target: &Target) -> Result<Message, Fault> {
        let mut bytes = input.segment(0).map_or(Vec::new(), |msh| msh.raw().to_vec());
        bytes.push(b'\r');
        for segment in &self.segments {
            bytes.extend_from_slice(segment);
            bytes.push(b'\r');
        }
        let mut message = Message::parse_as(Bytes::from(bytes), Some(input.charset()))?;
        if input.is_wide() {
            // What was UTF-16 or UTF-32 on its way here leaves as UTF-8.
            message.set_raw(&Path::parse("MSH-18")?, input.charset().name().as_bytes())?;
        }
        let header = input.header();
        let (code, event) = (header.message_code(), header.trigger_event());
        let Target { structure, kind, .. } = target;
        let version = structure.version;
        let (code, event) = match version.event(&code, &event) == Some(&*structure.id) {
            true => (code, event),
            false => (Cow::Borrowed(&*kind.0), Cow::Borrowed(&*kind.1)),
        };
        for (n, part) in [&*code, &*event, &*structure.id].into_iter().enumerate() {
            message.set(&Path::parse(&format!("MSH-9.{}", n + 1))?, part)?;
        }
        if tables::version(&header.version()).0.name != version.name {
            message.set(&Path::parse("MSH-12")?, version.name)?;
        }
        for ([field, _, component, subcomponent], raw) in &self.header {
            let path = format!("MSH-{field}.{component}.{subcomponent}");
            let path = match (component, subcomponent) {
                (0, _) => format!("MSH-{field}"),
                (_, 0) => format!("MSH-{field}.{component}"),
                _ => path,
            };
            message.set_raw(&Path::parse(&path)?, raw)?;
        }
        // Parsed again: it is looked at as what arrived would be.
        let (bytes, charset) = (message.write(), message.charset());
        Message::parse_as(bytes, Some(charset))
    }
}

/// Writes a segment from its values, in any order.
fn write(id: &str, mut spots: Vec<(Spot, Vec<u8>)>, marks: &Delimiters) -> Vec<u8> {
    spots.sort_by_key(|(spot, _)| *spot);
    let mut out = id.as_bytes().to_vec();
    let mut at: Spot = [0, 0, 1, 1];
    for ([field, repetition, component, subcomponent], raw) in spots {
        let (component, subcomponent) = (component.max(1), subcomponent.max(1));
        if field != at[0] {
            out.resize(out.len() + usize::from(field - at[0]), marks.field);
            at = [field, repetition, 1, 1];
        } else if repetition != at[1] {
            out.push(marks.repetition);
            at = [field, repetition, 1, 1];
        }
        if component != at[2] {
            out.resize(out.len() + usize::from(component - at[2]), marks.component);
            at = [field, repetition, component, 1];
        }
        let deeper = usize::from(subcomponent - at[3]);
        match marks.subcomponent {
            Some(mark) => out.resize(out.len() + deeper, mark),
            // The sender has no sign for it: nothing deeper can be written.
            None if deeper > 0 => continue,
            None => {}
        }
        at[3] = subcomponent;
        out.extend_from_slice(&raw);
    }
    out
}

impl<'r> Run<'r> {
    fn here(&self, instance: &Instance<'r>, position: u64) -> Here<'r> {
        Here {
            groups: Some(self.groups),
            used: Some(self.used),
            group: instance.group,
            segment: instance.segment,
            own: instance.own,
            position,
            ..Here::whole(self.message)
        }
    }

    fn instances(&self, make: &'r Make) -> Vec<Instance<'r>> {
        let root = Instance { group: 0, segment: None, own: None, from: (0, 0) };
        let whole = self.here(&root, 1);
        let mut found = Vec::new();
        let go = |found: &Vec<_>| if found.len() > SEGMENTS_MAX { Go::Stop } else { Go::On };
        match &make.each {
            Each::Message => found.push(root),
            // Documents become FHIR only.
            Each::Tree(_) => {}
            Each::Group(node) => {
                found.extend(self.groups.instances_of(*node).map(|group| Instance {
                    group,
                    from: (self.groups.first_of(group), 0),
                    ..root
                }))
            }
            Each::Segment(pick) => {
                pick.segments(&whole, &mut |segment| {
                    let group = self.groups.of_segment(segment.index());
                    let from = (segment.index(), 0);
                    found.push(Instance { group, segment: Some(segment), from, ..root });
                    go(&found)
                });
            }
            Each::Field(pick) => {
                pick.visit(&whole, &mut |value| {
                    if value.value.is_null() {
                        return Go::On;
                    }
                    let index = value.segment.map_or(0, |segment| segment.index());
                    let group = self.groups.of_segment(index);
                    let from = (index, value.value.range().start);
                    let own = Some(value.value);
                    found.push(Instance { group, segment: value.segment, own, from });
                    go(&found)
                });
            }
        }
        found
    }

    /// The values of one segment.
    fn fields(&mut self, make: &'r Make, here: &Here<'r>) -> Vec<(Spot, Vec<u8>)> {
        let mut spots: Vec<(Spot, Vec<u8>)> = Vec::with_capacity(make.puts.len());
        for put in &make.puts {
            let mut given = Vec::new();
            self.value(put, here, &mut given);
            // Repetitions without a name stand behind those with one.
            let first = put.repetition.unwrap_or_else(|| {
                let of = |(spot, _): &&(Spot, _)| spot[0] == put.field && spot[1] >= APPENDED;
                let last = spots.iter().rev().find(of).map(|(spot, _)| spot[1] + 1);
                last.unwrap_or(APPENDED)
            });
            for (nth, written) in (0u16..).zip(given.into_iter().take(VALUES_MAX)) {
                self.values += 1;
                let spot = [put.field, first + nth, put.parts[0], put.parts[1]];
                if self.trace {
                    self.rows.push(self.leaf(make, spot, &written));
                }
                spots.push((spot, written.raw));
            }
        }
        spots
    }

    fn leaf(
        &self,
        make: &Make,
        [field, _, component, sub]: Spot,
        written: &Written,
    ) -> lineage::Leaf {
        let mut target = format!("{}-{field}", make.id);
        for part in [component, sub].into_iter().filter(|part| *part > 0) {
            target.push_str(&format!(".{part}"));
        }
        lineage::Leaf {
            target,
            range: written.from.clone(),
            value: Phi::new(self.message.text_of(&written.raw)),
            line: Some(written.line),
            row: written.row,
        }
    }

    /// The first alternative that yields; else the first that says there is no value.
    fn value(&mut self, put: &'r Put, here: &Here<'r>, out: &mut Vec<Written>) {
        let may = |one: &Choice| one.when.as_ref().is_none_or(|when| holds(when, here));
        for one in &put.value {
            if may(one) {
                self.choice(one, put, here, out);
            }
            if !out.is_empty() {
                return;
            }
        }
        for one in put.value.iter().filter(|one| one.null) {
            let From::Pick { pick, .. } = &one.from else { continue };
            let mut null = None;
            let mut see = |found: Found<'r>| {
                let inside = Here { item: Item::Value(found.value), ..*here };
                let passes = one.filter.as_ref().is_none_or(|filter| holds(filter, &inside));
                if passes && found.value.is_null() {
                    null = Some(found.value.range());
                    return Go::Stop;
                }
                Go::On
            };
            if may(one) {
                pick.visit(here, &mut see);
            }
            if let Some(range) = null {
                self.used.mark(range.clone());
                let (raw, from) = (NULL.to_vec(), Some(range));
                out.push(Written { raw, from, row: None, line: one.line });
                return;
            }
        }
    }

    fn choice(&mut self, one: &'r Choice, put: &Put, here: &Here<'r>, out: &mut Vec<Written>) {
        let From::Pick { pick, .. } = &one.from else {
            if let Some(text) = self.text(&one.from, here) {
                self.give(one, &text, None, out);
            }
            return;
        };
        let many = matches!(one.quantity, Some(Quantity::Each | Quantity::All));
        let mut found: Vec<Value<'r>> = Vec::new();
        pick.visit(here, &mut |each| {
            let inside = Here { item: Item::Value(each.value), ..*here };
            let passes = one.filter.as_ref().is_none_or(|filter| holds(filter, &inside));
            if each.value.is_null() || !passes {
                return Go::On;
            }
            if one.quantity == Some(Quantity::Last) {
                found.clear();
            }
            found.extend(each.value.hl7());
            let on = many && found.len() < VALUES_MAX || one.quantity == Some(Quantity::Last);
            if on { Go::On } else { Go::Stop }
        });
        let from = if pick.parts[1] > 0 { 2 } else { usize::from(pick.parts[0] > 0) };
        let to = if put.parts[1] > 0 { 2 } else { usize::from(put.parts[0] > 0) };
        for value in found {
            let plain = value.component(1).unwrap_or(value);
            if one.via.is_some() {
                self.used.mark(plain.range());
                self.give(one, &plain.text(), Some(plain.range()), out);
                continue;
            }
            let value = if one.first { plain } else { value };
            self.used.mark(value.range());
            let raw = if one.first {
                value.subcomponent(1).unwrap_or(value).raw().to_vec()
            } else {
                self.fitted(value, from, to)
            };
            if !raw.is_empty() {
                out.push(Written { raw, from: Some(value.range()), row: None, line: one.line });
            }
        }
    }

    /// A value carried over, its parts going up or down with it.
    fn fitted(&self, value: Value<'r>, from: usize, to: usize) -> Vec<u8> {
        let marks = self.message.delimiters();
        let join = |parts: Vec<&[u8]>, mark: u8| parts.join(&mark);
        match (from, to) {
            // The parts of a component become components.
            (1, 0) => join(value.subcomponents().map(|part| part.raw()).collect(), marks.component),
            // Components become subcomponents, each by its first part.
            (0, 1) => match marks.subcomponent {
                Some(mark) if value.component(2).is_some() => {
                    let parts = value.components();
                    let first = |part: Value<'r>| part.subcomponent(1).unwrap_or(part).raw();
                    join(parts.map(first).collect(), mark)
                }
                _ => value.component(1).unwrap_or(value).raw().to_vec(),
            },
            (0, 2) => {
                let value = value.component(1).unwrap_or(value);
                value.subcomponent(1).unwrap_or(value).raw().to_vec()
            }
            (1, 2) => value.subcomponent(1).unwrap_or(value).raw().to_vec(),
            _ => value.raw().to_vec(),
        }
    }

    /// Text that no single value gives.
    fn text(&self, from: &'r From, here: &Here<'r>) -> Option<Cow<'r, str>> {
        let plain = |pick: &'r Pick| {
            let value = pick.first(here)?.value.hl7()?;
            let value =
                if pick.parts[0] == 0 { value.component(1).unwrap_or(value) } else { value };
            self.used.mark(value.range());
            Some(value.text())
        };
        match from {
            From::Literal(text) => Some(Cow::Borrowed(text)),
            From::Position => Some(here.position.to_string().into()),
            From::Join { separator, parts } => {
                let mut valued = false;
                let words: Vec<Cow<'r, str>> = parts
                    .iter()
                    .filter_map(|part| match part {
                        JoinPart::Literal(text) => Some(Cow::Borrowed(&**text)),
                        JoinPart::Pick(pick) => {
                            let text = plain(pick)?;
                            valued = true;
                            Some(text)
                        }
                    })
                    .collect();
                valued.then(|| words.join(separator).into())
            }
            From::Split { pick, separator, nth } => {
                let text = plain(pick)?;
                let part = text.split(&**separator).nth(nth.saturating_sub(1))?.trim();
                (!part.is_empty()).then(|| part.to_owned().into())
            }
            From::Pick { .. } | From::Period { .. } | From::Ref(_) | From::Nothing => None,
        }
    }

    /// Writes text, mapped where a code map is asked for.
    fn give(
        &mut self,
        one: &'r Choice,
        text: &str,
        from: Option<Range<usize>>,
        out: &mut Vec<Written>,
    ) {
        let (text, row) = match one.via {
            None => (Cow::Borrowed(text), None),
            Some(via) => match self.mapped(via, text, from.as_ref()) {
                Some((code, row)) => (Cow::Owned(code), row),
                None => return,
            },
        };
        match self.message.escaped(&text) {
            Ok(raw) => out.push(Written { raw, from, row, line: one.line }),
            Err(fault) => self.warn(fault),
        }
    }

    /// The code a map gives, with its row.
    fn mapped(
        &mut self,
        (at, reversed): (u16, bool),
        text: &str,
        from: Option<&Range<usize>>,
    ) -> Option<(String, Option<(u16, u32)>)> {
        let map = self.program.maps.get(usize::from(at))?;
        let row = if reversed { map.find_back(text) } else { map.find(text) };
        if let Some(row) = row {
            let code = if reversed { &row.from } else { &row.to };
            return Some((code.to_string(), Some((at, row.line))));
        }
        let place = from.and_then(|range| {
            lineage::Index::around(self.message, std::iter::once(range)).path(range)
        });
        let told = |code| {
            let fault = Fault::new(code).because(format!("code map `{}`", map.name));
            match &place {
                Some(path) => fault.at(Place::path(path.clone())),
                None => fault,
            }
        };
        match &map.unmapped {
            Unmapped::Keep => return Some((text.to_owned(), None)),
            Unmapped::Fixed(code) => return Some((code.to_string(), None)),
            Unmapped::Drop => {}
            Unmapped::DeadLetter => {
                self.dead.get_or_insert(told(w::W4301));
            }
            Unmapped::Unsaid => {
                self.warn(told(w::W4102));
                self.unmapped.push(map.name.as_ref().into());
            }
        }
        None
    }

    fn warn(&mut self, fault: Fault) {
        if self.warnings.len() < LEFT_MAX {
            self.warnings.push(fault);
        }
    }
}
