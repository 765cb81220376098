//! Values of sentences.

use std::borrow::Cow;

use super::super::arena::{At, Leaf};
use super::super::codes::Unmapped;
use super::super::datum::Datum;
use super::super::pick::{Found, Go, Here, Item, Pick, holds};
use super::super::program::{
    Alternative, Attempt, CodeAs, From, JoinPart, RefTo, Shape, TypeBy, ViaAs, With,
};
use super::super::sentence::Quantity;
use super::super::types::{self, Given, LEFT_MAX, systems};
use super::Run;
use crate::fault::{Fault, codes as w};
use crate::fhir::tables::Primitive;

/// Values a sentence gave, with the members they are for.
pub(super) struct Yield<'r> {
    pub nodes: Vec<(At, &'r str)>,
    /// Whether the message had a part in them.
    pub dynamic: bool,
}

/// Most values one sentence may give.
const VALUES_MAX: usize = 10_000;

impl<'r> Run<'r> {
    /// An empty yield, in memory that was used before.
    pub(super) fn begin_yield(&mut self) -> Yield<'r> {
        Yield { nodes: self.spare.pop().unwrap_or_default(), dynamic: false }
    }

    /// Gives back the memory of a yield.
    pub(super) fn end_yield(&mut self, done: Yield<'r>) {
        let mut nodes = done.nodes;
        nodes.clear();
        self.spare.push(nodes);
    }

    /// The first alternative that yields.
    pub(super) fn alternatives(
        &mut self,
        list: &'r [Alternative],
        here: &Here<'r>,
        out: &mut Yield<'r>,
    ) {
        for alternative in list {
            if alternative.when.as_ref().is_some_and(|when| !holds(when, here)) {
                continue;
            }
            self.alternative(alternative, here, out);
            if !out.nodes.is_empty() {
                out.dynamic |= !alternative.is_constant();
                return;
            }
        }
        // No alternative has a value: the sender may have said that there is none.
        for alternative in list.iter().filter(|one| one.null.is_some()) {
            if alternative.when.as_ref().is_none_or(|when| holds(when, here)) {
                self.nulled(alternative, here, out);
            }
            if !out.nodes.is_empty() {
                out.dynamic = true;
                return;
            }
        }
    }

    /// Says that there is no value, where the source is `""`.
    fn nulled(&mut self, one: &'r Alternative, here: &Here<'r>, out: &mut Yield<'r>) {
        let (From::Pick { pick, .. }, Some(name)) = (&one.from, &one.null) else { return };
        let mut null = None;
        pick.visit(here, &mut |found| {
            let passes = one.filter.as_ref().is_none_or(|filter| {
                holds(filter, &Here { item: Item::Value(found.value), ..*here })
            });
            if !passes || !found.value.is_null() {
                return Go::On;
            }
            null = Some(found.value);
            Go::Stop
        });
        let Some(null) = null else { return };
        let name: &'r str = match &one.shape {
            Shape::ByType { by, branches, otherwise } => {
                let kind = self.kind(by, Some(null), here);
                let branch = branches.iter().find(|branch| *branch.name == *kind);
                let attempts: &'r [Attempt] = branch.map_or(otherwise, |branch| &branch.attempts);
                match attempts.first().and_then(|attempt| attempt.null.as_deref()) {
                    Some(name) => name,
                    None => return,
                }
            }
            _ => name,
        };
        if self.trace.on {
            self.trace.lines.push((self.make.arena.mark(), one.line));
        }
        self.used.mark(null.range());
        let node = self.absent(Some(null));
        out.nodes.push((node, name));
    }

    fn alternative(&mut self, one: &'r Alternative, here: &Here<'r>, out: &mut Yield<'r>) {
        if self.trace.on {
            self.trace.lines.push((self.make.arena.mark(), one.line));
        }
        match &one.from {
            From::Pick { pick, deep, table } => {
                self.picked(one, (pick, *deep, *table), here, out);
            }
            From::Ref(to) => self.references(one, to, here, out),
            From::Period { start, end } => {
                let start = start.first(here).map(|found| found.value);
                let end = end.first(here).map(|found| found.value);
                let parts = |v: Option<Datum<'r>>| v.map(|v| v.component(1).unwrap_or(v));
                if let Ok(Some(node)) = self.make.period(parts(start), parts(end)) {
                    self.made(one, node, &one.member, here, out);
                }
            }
            From::Nothing => {
                if let Some(node) = self.constant(one) {
                    self.made(one, node, &one.member, here, out);
                }
            }
            From::Literal(text) => {
                let node = match one.is_constant() {
                    true => self.constant(one),
                    false => self.shaped(one, Given::Text(Cow::Borrowed(text)), here),
                };
                if let Some(node) = node {
                    self.made(one, node, &one.member, here, out);
                }
            }
            other => {
                if let Some(text) = self.text_of(other, here)
                    && let Some(node) = self.shaped(one, Given::Text(text.into()), here)
                {
                    self.made(one, node, &one.member, here, out);
                }
            }
        }
    }

    /// Adds what `with` says and hands the node over.
    fn made(
        &mut self,
        one: &'r Alternative,
        node: At,
        member: &'r str,
        here: &Here<'r>,
        out: &mut Yield<'r>,
    ) {
        for with in &one.with {
            self.with(with, node, here);
        }
        if out.nodes.len() < VALUES_MAX {
            out.nodes.push((node, member));
        }
    }

    fn with(&mut self, with: &'r With, node: At, here: &Here<'r>) {
        if self.make.arena.value(node) != Some(&Leaf::Object) {
            return;
        }
        let mut inner = self.begin_yield();
        self.alternative(&with.value, here, &mut inner);
        let first = inner.nodes.first().copied();
        self.end_yield(inner);
        if let Some((value, member)) = first {
            let value = if with.list {
                let list = self.make.arena.add(Leaf::Array);
                self.make.arena.attach(list, "", value);
                list
            } else {
                value
            };
            self.make.arena.set(node, with.order, member, value);
        }
    }

    /// Values of a path, by the quantity that was asked for.
    fn picked(
        &mut self,
        one: &'r Alternative,
        (pick, deep, table): (&'r Pick, bool, Option<&'static str>),
        here: &Here<'r>,
        out: &mut Yield<'r>,
    ) {
        let given = |found: Found<'r>| Given::Value {
            value: found.value,
            deep,
            segment: found.segment,
            table,
        };
        let passes = |found: Found<'r>| match &one.filter {
            Some(filter) => holds(filter, &Here { item: Item::Value(found.value), ..*here }),
            None => true,
        };
        let joins = matches!(&one.shape, Shape::ByType { .. }) && one.quantity.is_none()
            || one.quantity == Some(Quantity::All);
        if joins && pick.has_several(here) && self.joined(one, pick, here, out) {
            return;
        }
        let many = matches!(one.quantity, Some(Quantity::Each | Quantity::All));
        let mut last = None;
        pick.visit(here, &mut |found| {
            if !passes(found) {
                return Go::On;
            }
            if one.quantity == Some(Quantity::Last) {
                if !found.value.is_null() {
                    last = Some(found);
                }
                return Go::On;
            }
            let before = out.nodes.len();
            self.single(one, given(found), here, out);
            if !many && out.nodes.len() > before { Go::Stop } else { Go::On }
        });
        if let Some(found) = last {
            self.single(one, given(found), here, out);
        }
    }

    /// Several repetitions of text as one, a line each. Says whether it did.
    fn joined(
        &mut self,
        one: &'r Alternative,
        pick: &'r Pick,
        here: &Here<'r>,
        out: &mut Yield<'r>,
    ) -> bool {
        let mut values: Vec<Datum<'r>> = Vec::new();
        pick.visit(here, &mut |found| {
            values.push(found.value);
            Go::On
        });
        let (attempts, name) = match &one.shape {
            // What says its type itself stands for itself.
            Shape::ByType { by: TypeBy::Own | TypeBy::Time, .. } => return false,
            Shape::ByType { by: TypeBy::Field(pick), branches, otherwise } => {
                let kind = pick.first(here).map(|found| found.value.text());
                let kind = kind.as_deref().unwrap_or_default();
                if !matches!(kind, "ST" | "TX" | "FT" | "") {
                    return false;
                }
                let found = branches.iter().find(|branch| branch.name == kind);
                let attempts: &'r [Attempt] = found.map_or(otherwise, |branch| &branch.attempts);
                match attempts.first() {
                    Some(attempt) => (attempt.cast, &*attempt.member),
                    None => return false,
                }
            }
            Shape::Cast(cast) => (*cast, &*one.member),
            _ => return false,
        };
        if values.len() < 2 {
            return false;
        }
        let mut text = String::new();
        for value in &values {
            let value = value.component(1).unwrap_or(*value);
            if let Some(line) = self.make.text(value) {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&line);
            }
        }
        if let Ok(Some(node)) = attempts(&mut self.make, &Given::Text(text.into())) {
            if let Some(first) = values.first() {
                self.make.arena.came_from_below(node, first.range());
            }
            self.made(one, node, name, here, out);
        }
        true
    }

    /// One value of the message.
    fn single(
        &mut self,
        one: &'r Alternative,
        given: Given<'r>,
        here: &Here<'r>,
        out: &mut Yield<'r>,
    ) {
        // A part that is taken back has no place in what it is a part of.
        let is_null = value_of(&given).is_some_and(Datum::is_null);
        self.make.says_null = one.null.is_some() && !is_null;
        if let Shape::ByType { by, branches, otherwise } = &one.shape {
            let kind = self.kind(by, value_of(&given), here);
            let branch = branches.iter().find(|branch| *branch.name == *kind);
            let attempts: &'r [Attempt] = branch.map_or(otherwise, |branch| &branch.attempts);
            let mut first = None;
            for attempt in attempts {
                match (attempt.cast)(&mut self.make, &given) {
                    Ok(Some(node)) => {
                        if let (Some(wrong), true) = (first, branch.is_some_and(|b| b.name != "SN"))
                        {
                            self.make.leave(w::W4101, value_of(&given), wrong);
                        }
                        self.made(one, node, &attempt.member, here, out);
                        return;
                    }
                    Ok(None) => {}
                    Err(wrong) => {
                        first.get_or_insert(wrong);
                    }
                }
            }
            if let Some(wrong) = first {
                self.make.leave(w::W4101, value_of(&given), wrong);
            }
            return;
        }
        if let Some(node) = self.shaped(one, given, here) {
            self.made(one, node, &one.member, here, out);
        }
    }

    /// The type that the message names for a value, or that the value has itself.
    fn kind(&mut self, by: &'r TypeBy, value: Option<Datum<'r>>, here: &Here<'r>) -> Cow<'r, str> {
        match by {
            TypeBy::Field(pick) => {
                let kind = pick.first(here).map(|found| found.value);
                kind.and_then(|value| self.make.text(value)).unwrap_or_default()
            }
            TypeBy::Own => value.and_then(Datum::own_type).unwrap_or_default().into(),
            TypeBy::Time => value.and_then(Datum::time_type).unwrap_or_default().into(),
        }
    }

    /// What the shape makes of what is given.
    fn shaped(&mut self, one: &'r Alternative, given: Given<'r>, _: &Here<'r>) -> Option<At> {
        match &one.shape {
            Shape::Cast(cast) => match cast(&mut self.make, &given) {
                Ok(node) => node,
                Err(wrong) => {
                    self.make.leave(w::W4101, value_of(&given), wrong);
                    None
                }
            },
            Shape::Via { map, reversed, as_, coded } => {
                self.via((*map, *reversed, *as_, *coded), &given)
            }
            _ => self.constant(one),
        }
    }

    /// A value known at load.
    fn constant(&mut self, one: &'r Alternative) -> Option<At> {
        let arena = &mut self.make.arena;
        Some(match &one.shape {
            Shape::Text(text) => arena.add(Leaf::Text(Cow::Borrowed(text))),
            Shape::Number(text) => arena.add(Leaf::Number(Cow::Borrowed(text))),
            Shape::Bool(yes) => arena.add(Leaf::Bool(*yes)),
            Shape::Code { system, code, as_ } => match as_ {
                CodeAs::Code => arena.add(Leaf::Text(Cow::Borrowed(code))),
                CodeAs::Coding | CodeAs::Concept => {
                    let coding = arena.object();
                    if let Some(system) = system {
                        arena.say(coding, "system", &**system);
                    }
                    arena.say(coding, "code", &**code);
                    if *as_ == CodeAs::Coding {
                        coding
                    } else {
                        let concept = arena.object();
                        arena.push(concept, "coding", coding);
                        concept
                    }
                }
            },
            _ => return None,
        })
    }

    /// Text a source makes: join, split, position.
    pub(super) fn text_of(&mut self, from: &'r From, here: &Here<'r>) -> Option<String> {
        match from {
            From::Position => Some(here.position.to_string()),
            From::Literal(text) => Some(text.to_string()),
            From::Join { separator, parts } => {
                let mut words: Vec<Cow<'r, str>> = Vec::new();
                let mut valued = false;
                for part in parts {
                    match part {
                        JoinPart::Literal(text) => words.push(Cow::Borrowed(text)),
                        JoinPart::Pick(pick) => {
                            if let Some(text) = self.plain(pick, here) {
                                valued = true;
                                words.push(text);
                            }
                        }
                    }
                }
                valued.then(|| words.join(separator))
            }
            From::Split { pick, separator, nth } => {
                let text = self.plain(pick, here)?;
                let part = text.split(&**separator).nth(nth.saturating_sub(1))?.trim();
                (!part.is_empty()).then(|| part.to_owned())
            }
            From::Pick { .. } | From::Period { .. } | From::Ref(_) | From::Nothing => None,
        }
    }

    fn plain(&mut self, pick: &'r Pick, here: &Here<'r>) -> Option<Cow<'r, str>> {
        let value = pick.first(here)?.value;
        let value = if pick.parts[0] == 0 { value.component(1).unwrap_or(value) } else { value };
        self.make.text(value)
    }

    fn references(
        &mut self,
        one: &'r Alternative,
        to: &'r RefTo,
        here: &Here<'r>,
        out: &mut Yield<'r>,
    ) {
        let many = matches!(one.quantity, Some(Quantity::Each | Quantity::All));
        let mut ids = Seen::default();
        let found: Vec<usize> = if many {
            self.referred(to, here).take(VALUES_MAX).collect()
        } else if one.quantity == Some(Quantity::Last) {
            self.referred(to, here).last().into_iter().collect()
        } else {
            self.referred(to, here).next().into_iter().collect()
        };
        for at in found {
            let Some(instance) = self.instances.get(at) else { continue };
            let id = instance.id;
            // Two roles of one person are one reference in a list.
            if !ids.insert(id) && instance.merged {
                continue;
            }
            let mut url = [0; uuid::fmt::Urn::LENGTH];
            let url = id.urn().encode_lower(&mut url).to_owned();
            let object = self.make.arena.object();
            self.make.arena.say(object, "reference", url);
            self.made(one, object, &one.member, here, out);
        }
    }
}

/// Ids that were referred to: the first stands in place, most lists having one.
#[derive(Default)]
struct Seen {
    first: Option<uuid::Uuid>,
    others: std::collections::HashSet<uuid::Uuid>,
}

impl Seen {
    /// Notes an id; says whether it is new.
    fn insert(&mut self, id: uuid::Uuid) -> bool {
        match self.first {
            None => {
                self.first = Some(id);
                true
            }
            Some(first) => first != id && self.others.insert(id),
        }
    }
}

/// The message's value, where that is what was given.
fn value_of<'r>(given: &Given<'r>) -> Option<Datum<'r>> {
    match given {
        Given::Value { value, .. } => Some(*value),
        Given::Text(_) => None,
    }
}

/// Code maps.
impl<'r> Run<'r> {
    fn via(
        &mut self,
        (at, reversed, as_, coded): (u16, bool, ViaAs, bool),
        given: &Given<'r>,
    ) -> Option<At> {
        let map = self.program.maps.get(usize::from(at))?;
        let Some(code) = self.make.part_text(given, 1) else {
            // Text without a code still says something where text may stand.
            return match as_ {
                ViaAs::Concept if coded => types::concept(&mut self.make, given).ok().flatten(),
                _ => None,
            };
        };
        let row = if reversed { map.find_back(&code) } else { map.find(&code) };
        if let Some(row) = row {
            let to: &'r str = if reversed { &row.from } else { &row.to };
            let system = row.system.as_deref().or(map.system.as_deref());
            let mapped = Mapped { code: to, display: row.display.as_deref(), system };
            let node = self.mapped(mapped, as_, coded, given)?;
            if self.trace.on {
                self.trace.rows.push((node.1, at, row.line));
            }
            return Some(node.0);
        }
        if coded && self.is_of_system(map.system.as_deref(), given) {
            return self.kept(as_, coded, given);
        }
        match &map.unmapped {
            Unmapped::Keep => self.kept(as_, coded, given),
            Unmapped::Drop => None,
            Unmapped::Fixed(code) => {
                let mapped = Mapped { code, display: None, system: map.system.as_deref() };
                self.mapped(mapped, as_, coded, given).map(|(node, _)| node)
            }
            Unmapped::DeadLetter => {
                let fault = Fault::new(w::W4301).because(format!("code map `{}`", map.name));
                self.dead.get_or_insert(fault);
                None
            }
            Unmapped::Unsaid => {
                self.make.leave(w::W4102, value_of(given), "no row in the code map");
                if self.make.unmapped.len() < LEFT_MAX {
                    self.make.unmapped.push((&*map.name).into());
                }
                match as_ {
                    ViaAs::Concept | ViaAs::Coding => self.kept(as_, coded, given),
                    ViaAs::Scalar(_) => None,
                }
            }
        }
    }

    /// Whether the code is of the system the map leads to already.
    fn is_of_system(&self, system: Option<&str>, given: &Given<'r>) -> bool {
        let own = match value_of(given) {
            Some(Datum::Cda(_)) => types::cda::system(given),
            _ => given.raw_part(3).and_then(|name| systems::of_message(&name.text())),
        };
        system.is_some() && own.as_deref() == system
    }

    /// The code as it came.
    fn kept(&mut self, as_: ViaAs, coded: bool, given: &Given<'r>) -> Option<At> {
        let made = match as_ {
            ViaAs::Concept if coded => types::concept(&mut self.make, given),
            ViaAs::Coding if coded => types::coding(&mut self.make, given),
            ViaAs::Concept => types::concept_of_table(&mut self.make, given),
            ViaAs::Coding => types::coding_of_table(&mut self.make, given),
            ViaAs::Scalar(kind) => {
                let text = self.make.part_text(given, 1)?;
                self.make.scalar(kind, text, value_of(given))
            }
        };
        match made {
            Ok(node) => node,
            Err(wrong) => {
                self.make.leave(w::W4101, value_of(given), wrong);
                None
            }
        }
    }

    /// The code a row gives; of a concept, the codings of the message behind it. The
    /// second node is the leaf of the code.
    fn mapped(
        &mut self,
        mapped: Mapped<'r>,
        as_: ViaAs,
        coded: bool,
        given: &Given<'r>,
    ) -> Option<(At, At)> {
        let from = given.raw_part(1).or(value_of(given));
        let kind = match as_ {
            ViaAs::Scalar(kind) => kind,
            ViaAs::Concept | ViaAs::Coding => Primitive::Code,
        };
        let leaf = match kind {
            Primitive::Boolean => Leaf::Bool(mapped.code == "true"),
            kind if kind.is_number() => Leaf::Number(Cow::Borrowed(mapped.code)),
            _ => Leaf::Text(Cow::Borrowed(mapped.code)),
        };
        if let ViaAs::Scalar(_) = as_ {
            let node = self.make.arena.add(leaf);
            if let Some(from) = from {
                self.make.arena.came_from(node, from.range());
            }
            return Some((node, node));
        }
        let coding = self.make.arena.object();
        if let Some(system) = mapped.system {
            self.make.arena.say(coding, "system", system);
        }
        let code = self.make.arena.add(leaf);
        if let Some(from) = from {
            self.make.arena.came_from(code, from.range());
        }
        self.make.arena.attach(coding, "code", code);
        if let Some(display) = mapped.display {
            self.make.arena.say(coding, "display", display);
        }
        if as_ == ViaAs::Coding {
            return Some((coding, code));
        }
        let concept = self.make.arena.object();
        self.make.arena.push(concept, "coding", coding);
        if coded {
            let others = match value_of(given) {
                Some(Datum::Cda(_)) => types::cda::codings(&mut self.make, given),
                _ => types::codings(&mut self.make, given).into_iter().flatten().collect(),
            };
            for other in others {
                let text = |run: &Self, name| {
                    let node = run.make.arena.get(other, name)?;
                    run.make.arena.text(node).map(str::to_owned)
                };
                let same = text(self, "system").as_deref() == mapped.system
                    && text(self, "code").as_deref() == Some(mapped.code);
                if !same {
                    self.make.arena.push(concept, "coding", other);
                }
            }
            types::original(&mut self.make, given, concept, true);
        }
        Some((concept, code))
    }
}

/// What a row of a code map gives.
struct Mapped<'r> {
    code: &'r str,
    display: Option<&'r str>,
    system: Option<&'r str>,
}
