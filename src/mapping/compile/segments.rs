//! Rules that make HL7 v2 segments, against the structure and the tables of the target.

use std::ops::Range;

use super::super::file::{RawMapping, RawRule, RawValue, Text};
use super::super::program::{From, JoinPart};
use super::super::segments::{Choice, Home, Make, Put, Target};
use super::super::sentence::{self, Alternative as Written, Form, Part, Quantity, Source};
use super::super::structure::Structure;
use super::alternative::Guards;
use super::path::{Inside, Resolved};
use super::{Compiler, Scope};
use crate::fault::{Fault, codes as w};
use crate::hl7v2::EDIT_NUMBER_MAX;
use crate::hl7v2::tables::{self, FieldDef, Usage};

/// Types that say the same in other versions: a value of one goes where another is wanted.
const SAME: &[&[&str]] = &[
    &["CE", "CWE", "CNE", "CF"],
    &["CX", "CK"],
    &["XPN", "PN"],
    &["XCN", "CN"],
    &["XAD", "AD"],
    &["XTN", "TN"],
    &["CP", "MO"],
    &["DR", "RI"],
];

/// Field, repetition (`None` appends) and component with subcomponent of a target.
type Cell = (u16, Option<u16>, [u16; 2]);

/// One target of a rule.
struct Spot<'t> {
    rule: &'t Make,
    /// Type and table of what is written.
    datatype: &'static str,
    table: &'static str,
    many: bool,
    /// Whether it is a whole field.
    whole: bool,
}

/// One sentence being compiled.
struct Line<'t> {
    text: &'t Text,
    span: Range<usize>,
    scope: &'t Scope,
}

impl Compiler<'_> {
    /// Compiles all rules of a mapping to HL7 v2.
    pub(super) fn segments(
        &mut self,
        raw: &RawMapping,
        structure: Structure,
        keeps_null: bool,
    ) -> Option<Target> {
        let version = structure.version;
        let events = || version.events().filter(|(_, of)| **of == *structure.id);
        // The event of the same name, else the first.
        let named =
            events().find(|(event, _)| *event == &*structure.id).or_else(|| events().next());
        let (code, event) = named
            .and_then(|(event, _)| event.split_once('_'))
            .or_else(|| structure.id.split_once('_'))
            .unwrap_or((&structure.id, ""));
        let kind = (code.into(), event.into());
        let mut makes = Vec::new();
        for rule in &raw.rules {
            self.keeps_null = self.keeps_null(rule.on_null.as_ref()).unwrap_or(keeps_null);
            makes.push(self.make(rule, &structure));
        }
        let makes = makes.into_iter().collect::<Option<Vec<_>>>()?.into();
        Some(Target { structure, kind, makes })
    }

    fn make(&mut self, rule: &RawRule, structure: &Structure) -> Option<Make> {
        for text in [rule.write.as_ref(), rule.key.first()].into_iter().flatten() {
            let cause = "`write` and `key` are for mappings to FHIR";
            self.report.error(w::W4002, &text.span, cause);
        }
        if let Some(todo) = &rule.todo {
            self.report.error(w::W4900, &todo.span, format!("see {}", todo.text));
        }
        let scope = self.scope(rule.each.as_ref());
        let place = self.home(rule.make.as_ref().unwrap_or(&rule.name), structure);
        let scope = scope?;
        let when = rule.when.as_ref().map(|text| self.condition(text, &scope));
        let (id, home) = place?;
        let name = rule.name.text.as_str().into();
        let each = scope.each.clone();
        let mut make = Make { name, id: id.into(), home, each, when: None, puts: Vec::new() };
        let mut names: Vec<(u16, String)> = Vec::new();
        let mut written: Vec<Cell> = Vec::new();
        for (target, value) in &rule.set {
            let puts = self.put((target, value), &make, structure, (&scope, &mut names));
            let spot = puts.first().map(|put| (put.field, put.repetition, put.parts));
            let Some(spot) = spot else { continue };
            if written.iter().any(|other| is_same(*other, spot)) {
                let cause = format!("`{}`", target.text);
                self.report.error(w::W4018, &target.span, cause);
            }
            written.push(spot);
            make.puts.extend(puts);
        }
        self.check_required(rule, &make, structure);
        make.when = match when {
            Some(when) => Some(when?),
            None => None,
        };
        Some(make)
    }

    /// Fields that the standard demands and no line gives.
    fn check_required(&mut self, rule: &RawRule, make: &Make, structure: &Structure) {
        if &*make.id == "MSH" {
            return;
        }
        let fields = structure.segment(&make.id).map_or(&[][..], |segment| &segment.fields);
        let mut missing: Vec<String> = (1u16..)
            .zip(fields)
            .filter(|(_, field)| field.is_some_and(|field| field.usage == Usage::Required))
            .filter(|(n, _)| !make.puts.iter().any(|put| put.field == *n))
            .map(|(n, field)| format!("{}-{n} ({})", make.id, field.map_or("", |f| f.name)))
            .collect();
        if missing.is_empty() {
            return;
        }
        missing.truncate(5);
        let fault = Fault::new(w::W4021).because(missing.join(", "));
        self.report.warning(fault, &rule.name.span);
    }

    /// The segment a rule makes and its place in the target.
    fn home(&mut self, text: &Text, structure: &Structure) -> Option<(String, Home)> {
        // Whatever it is, it is no segment.
        let path = sentence::source_path(&text.text, Form::Hl7).ok().filter(|path| path.field == 0);
        let segment = path.and_then(|path| path.segment).filter(|segment| segment.id.len() == 3);
        let Some(segment) = segment else {
            let cause = "a rule makes a segment: `make = \"ORC\"`, `make = \"NTE in ORDER\"`";
            self.report.error(w::W4002, &text.span, cause);
            return None;
        };
        let within = match &segment.group {
            None => 0,
            Some((name, span)) => match structure.group(name) {
                Some(group) => group,
                None => {
                    let names: Vec<String> = structure.names().map(str::to_owned).collect();
                    let known = names.iter().map(String::as_str);
                    let cause = format!("{} has no group `{name}`", structure.id);
                    let span = text.inside(span);
                    self.report.unknown(w::W4003, &span, cause, (name, known));
                    return None;
                }
            },
        };
        let id = segment.id;
        let mut leaves: Vec<u16> = structure.leaves(within, &id).collect();
        let direct: Vec<u16> =
            leaves.iter().copied().filter(|leaf| structure.parent(*leaf) == within).collect();
        if !direct.is_empty() {
            leaves = direct;
        }
        match leaves.as_slice() {
            [leaf] => Some((id, Home::Leaf(*leaf))),
            [] if id.starts_with('Z') => Some((id, Home::End(within))),
            [] => {
                let names: Vec<String> = structure.names().map(str::to_owned).collect();
                let known = names.iter().map(String::as_str);
                let outer = if within == 0 { &structure.id } else { structure.name(within) };
                let cause = format!("{id} does not stand in {outer}");
                self.report.unknown(w::W4003, &text.span, cause, (&id, known));
                None
            }
            several => {
                let mut groups: Vec<String> = several
                    .iter()
                    .map(|leaf| format!("`in {}`", structure.name(structure.parent(*leaf))))
                    .collect();
                groups.dedup();
                let cause = format!("{id} stands in several groups: say {}", groups.join(" or "));
                self.report.error(w::W4004, &text.span, cause);
                None
            }
        }
    }

    /// What a target gets: of a list for a field that repeats, each sentence by itself.
    fn put(
        &mut self,
        (target, value): (&Text, &RawValue),
        make: &Make,
        structure: &Structure,
        (scope, names): (&Scope, &mut Vec<(u16, String)>),
    ) -> Vec<Put> {
        let Some((spot, (field, repetition, parts))) = self.spot(target, make, structure, names)
        else {
            return Vec::new();
        };
        let RawValue::Sentences(texts) = value else {
            let cause = "a field takes a sentence, or a list of them";
            self.report.error(w::W4002, &target.span, cause);
            return Vec::new();
        };
        let chunk = if spot.many { 1 } else { texts.len().max(1) };
        texts
            .chunks(chunk)
            .map(|texts| {
                let value = self.choices(texts, &spot, scope);
                Put { field, repetition, parts, value }
            })
            .collect()
    }

    /// Reads a target.
    fn spot<'m>(
        &mut self,
        target: &Text,
        make: &'m Make,
        structure: &Structure,
        names: &mut Vec<(u16, String)>,
    ) -> Option<(Spot<'m>, Cell)> {
        let Some((field, instance, parts)) = read(&target.text, &make.id) else {
            let cause = format!(
                "expected a field of {id}, as `{id}-3`, `{id}-3[]`, `{id}-3[home].1`",
                id = make.id
            );
            self.report.error(w::W4002, &target.span, cause);
            return None;
        };
        let of = structure.segment(&make.id);
        let def = of.and_then(|segment| segment.field(usize::from(field)));
        if of.is_some() && def.is_none_or(|def| def.usage == Usage::Withdrawn) {
            let cause = format!("version {} has no {}-{field}", structure.version.name, make.id);
            self.report.error(w::W4003, &target.span, cause);
            return None;
        }
        let many = instance.as_deref() == Some("");
        if instance.is_some() && def.is_some_and(|def| def.max == 1) {
            let cause = format!("{}-{field} does not repeat", make.id);
            self.report.error(w::W4006, &target.span, cause);
        }
        let (datatype, table) = self.spot_type(def, parts, target, structure)?;
        let repetition = (!many).then(|| {
            let key = (field, instance.unwrap_or_default());
            let at = names.iter().filter(|(n, _)| *n == field).position(|known| *known == key);
            let at = at.unwrap_or_else(|| {
                names.push(key);
                names.iter().filter(|(n, _)| *n == field).count() - 1
            });
            u16::try_from(at + 1).unwrap_or(u16::MAX)
        });
        let whole = parts == [0, 0];
        let spot = Spot { rule: make, datatype, table, many, whole };
        Some((spot, (field, repetition, parts)))
    }

    /// Type and table of a target.
    fn spot_type(
        &mut self,
        def: Option<&'static FieldDef>,
        parts: [u16; 2],
        target: &Text,
        structure: &Structure,
    ) -> Option<(&'static str, &'static str)> {
        let Some(def) = def else { return Some(("varies", "")) };
        let mut known = (def.datatype, def.table);
        for n in parts.into_iter().filter(|n| *n > 0) {
            if known.0 == "varies" {
                return Some(known);
            }
            let outer = structure.version.datatype(known.0);
            let components = outer.map_or(&[][..], |outer| &outer.components);
            known = match components.get(usize::from(n) - 1) {
                Some(part) => (part.datatype, part.table),
                None if n == 1 => known,
                None => {
                    let cause = format!("{} has {} parts", known.0, components.len().max(1));
                    self.report.error(w::W4003, &target.span, cause);
                    return None;
                }
            };
        }
        Some(known)
    }

    fn choices(&mut self, texts: &[Text], spot: &Spot<'_>, scope: &Scope) -> Vec<Choice> {
        let is_certain = |one: &Choice| {
            one.when.is_none() && one.via.is_none() && matches!(one.from, From::Literal(_))
        };
        self.each_alternative(texts, is_certain, &mut |this, written, at, _| {
            let line = Line { text: at.text, span: at.span, scope };
            let mut one = this.choice(written, spot, &line)?;
            one.line = at.number;
            Some(one)
        })
    }

    fn choice(&mut self, written: &Written, spot: &Spot<'_>, line: &Line<'_>) -> Option<Choice> {
        let guards = self.guards(written, line.text, line.scope);
        if written.cast.is_some() || !written.with.is_empty() {
            let cause = "`as` and `with` are for mappings to FHIR: write the parts of the field";
            self.report.error(w::W4002, &line.span, cause);
        }
        let (from, resolved) = self.from(&written.source, spot, line)?;
        let via = match &written.via {
            None => None,
            Some(via) => {
                let span = line.text.inside(&via.span);
                let at = self.map_named(&via.codes, &span)?;
                let table = resolved.as_ref().and_then(|resolved| resolved.table);
                self.check_rows(at, via.reversed, table, &span);
                self.check_codes(at, via.reversed, spot, &span);
                Some((u16::try_from(at).unwrap_or(u16::MAX), via.reversed))
            }
        };
        let mut first = false;
        if let Some(resolved) = &resolved {
            self.check_several(written, resolved, spot, line);
            if via.is_none() {
                first = self.fits(resolved, spot, line)?;
            }
        }
        let null = self.keeps_null && resolved.is_some();
        let Guards { when, filter } = guards?;
        Some(Choice { quantity: written.quantity, from, via, first, when, filter, null, line: 0 })
    }

    fn from(
        &mut self,
        source: &Source,
        spot: &Spot<'_>,
        line: &Line<'_>,
    ) -> Option<(From, Option<Resolved>)> {
        let cause = match source {
            Source::Path(path) => {
                let resolved = self.path(path, line.text, line.scope, Inside::Rule)?;
                let pick = resolved.pick.clone();
                return Some((From::Pick { pick, deep: false, table: None }, Some(resolved)));
            }
            Source::Literal(text) => {
                self.check_code(text, spot, line);
                return Some((From::Literal(text.as_str().into()), None));
            }
            Source::Position => return Some((From::Position, None)),
            Source::Join { separator, parts } => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|part| match part {
                        Part::Literal(text) => Some(JoinPart::Literal(text.as_str().into())),
                        Part::Path(path) => self
                            .path(path, line.text, line.scope, Inside::Rule)
                            .map(|resolved| JoinPart::Pick(resolved.pick)),
                    })
                    .collect();
                let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
                return Some((From::Join { separator: separator.as_str().into(), parts }, None));
            }
            Source::Split { path, separator, nth } => {
                let pick = self.path(path, line.text, line.scope, Inside::Rule)?.pick;
                let (separator, nth) = (separator.as_str().into(), *nth as usize);
                return Some((From::Split { pick, separator, nth }, None));
            }
            Source::Code { .. } => "write the code as text, its system into the third component",
            Source::Ref { .. } => "segments do not refer to each other",
            Source::Period(..) => "write begin and end into components of their own",
            Source::Base => "`base` stands for the line of a mapping that is extended",
        };
        self.report.error(w::W4007, &line.span, cause);
        None
    }

    fn check_several(
        &mut self,
        written: &Written,
        resolved: &Resolved,
        spot: &Spot<'_>,
        line: &Line<'_>,
    ) {
        let all = matches!(written.quantity, Some(Quantity::Each | Quantity::All));
        if all && !spot.many {
            let cause = format!("`each` fills a field that repeats: write `{}-..[]`", spot.rule.id);
            self.report.error(w::W4006, &line.span, cause);
        }
        if written.quantity.is_some() {
            return;
        }
        if resolved.segments {
            self.report.error(w::W4004, &line.span, "several segments may stand there");
        } else if resolved.repetitions {
            let fault = Fault::new(w::W4004)
                .because("the field may repeat; the first repetition with a value is taken");
            self.report.warning(fault, &line.span);
        }
    }

    /// Whether a value goes where it is wanted; says whether its first component alone does.
    fn fits(&mut self, from: &Resolved, spot: &Spot<'_>, line: &Line<'_>) -> Option<bool> {
        let (given, wanted) = (from.datatype, spot.datatype);
        let parts = |datatype: &str| {
            // Where a version has no such type a later one may.
            let versions = tables::versions().collect::<Vec<_>>();
            let mut found = versions.iter().rev().filter_map(|version| version.datatype(datatype));
            found.next().map_or(0, |datatype| datatype.components.len())
        };
        let same = |group: &&[&str]| group.contains(&given) && group.contains(&wanted);
        if given == wanted || wanted == "varies" || given == "varies" || SAME.iter().any(same) {
            return Some(false);
        }
        match (parts(given) > 1, parts(wanted) > 1) {
            (true, false) => Some(true),
            // Plain text becomes the first part.
            (false, _) => Some(false),
            (true, true) if !spot.whole && given == wanted => Some(false),
            (true, true) => {
                let cause = format!("{given} cannot become {wanted}: write its parts");
                self.report.error(w::W4007, &line.span, cause);
                None
            }
        }
    }

    /// Whether a fixed code is in the table of its field, where the standard says all codes.
    fn check_code(&mut self, code: &str, spot: &Spot<'_>, line: &Line<'_>) {
        let Some(table) = tables::table(spot.table) else { return };
        let version = self.structure.as_ref().map(|structure| structure.version);
        let parts = version.and_then(|version| version.datatype(spot.datatype));
        let is_plain = parts.is_none_or(|of| of.components.is_empty());
        if !is_plain
            || table.kind != "hl7"
            || table.codes().is_empty()
            || table.code(code).is_some()
        {
            return;
        }
        let cause = format!("table {} has no code `{code}`", spot.table);
        let codes = table.codes().iter().map(|code| code.code);
        self.report.unknown(w::W4010, &line.span, cause, (code, codes));
    }

    /// Whether all a code map gives is in the table of the field.
    fn check_codes(&mut self, at: usize, reversed: bool, spot: &Spot<'_>, span: &Range<usize>) {
        let (Some(map), Some(table)) = (self.maps.get(at), tables::table(spot.table)) else {
            return;
        };
        if table.kind != "hl7" || table.codes().is_empty() {
            return;
        }
        let mut bad: Vec<String> = map
            .rows()
            .iter()
            .map(|row| (if reversed { &row.from } else { &row.to }, row.line))
            .filter(|(code, _)| table.code(code).is_none())
            .map(|(code, line)| format!("`{code}` in line {line} of {}", map.file))
            .collect();
        if bad.is_empty() {
            return;
        }
        bad.truncate(5);
        let cause = format!("table {} has no {}", spot.table, bad.join(", "));
        self.report.error(w::W4010, span, cause);
    }
}

/// Whether one of two targets covers the other.
fn is_same(one: Cell, other: Cell) -> bool {
    let covers =
        |a: [u16; 2], b: [u16; 2]| a[0] == 0 || a[0] == b[0] && (a[1] == 0 || a[1] == b[1]);
    one.0 == other.0
        && one.1.is_some()
        && one.1 == other.1
        && (covers(one.2, other.2) || covers(other.2, one.2))
}

/// A target: field, name of the repetition, component and subcomponent.
fn read(text: &str, id: &str) -> Option<(u16, Option<String>, [u16; 2])> {
    let rest = text.strip_prefix(id)?.strip_prefix('-')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (field, rest) = rest.split_at(digits);
    let (instance, rest) = match rest.strip_prefix('[') {
        None => (None, rest),
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            (is_name.then(|| name.to_owned()), is_name.then_some(rest)?)
        }
    };
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|n| plain && *n > 0);
        number.filter(|n: &u16| usize::from(*n) <= EDIT_NUMBER_MAX)
    };
    let mut parts = [0, 0];
    if !rest.is_empty() {
        let mut words = rest.strip_prefix('.')?.split('.');
        parts[0] = number(words.next()?)?;
        if let Some(word) = words.next() {
            parts[1] = number(word)?;
        }
        if words.next().is_some() {
            return None;
        }
    }
    // One for each value, and then a part of it: nobody could say of which.
    if instance.as_deref() == Some("") && parts[1] > 0 {
        return None;
    }
    Some((number(field)?, instance, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let check = |text: &str, expected: Option<(u16, Option<&str>, [u16; 2])>| {
            let expected = expected.map(|(f, i, p)| (f, i.map(str::to_owned), p));
            assert_eq!(read(text, "PID"), expected, "{text}");
        };
        check("PID-3", Some((3, None, [0, 0])));
        check("PID-3.4.2", Some((3, None, [4, 2])));
        check("PID-3[]", Some((3, Some(""), [0, 0])));
        check("PID-3[].1", Some((3, Some(""), [1, 0])));
        check("PID-3[mrn].1", Some((3, Some("mrn"), [1, 0])));
        for bad in [
            "",
            "PID",
            "PID-",
            "PID-0",
            "PV1-3",
            "PID-3[1]",
            "PID-3[a",
            "PID-3.",
            "PID-3.1.2.3",
            "PID-3.0",
            "PID-3.x",
            "PID-3 ",
            "PID-99999",
            "PID-3[].1.1",
            "PID-3[a b]",
            "pid-3",
        ] {
            check(bad, None);
        }
    }
}
