//! Sentences against the element they give a value to.

use std::ops::Range;

use super::super::codes::Unmapped;
use super::super::file::Text;
use super::super::program::{
    Alternative, Alternatives, Attempt, Branch, CodeAs, Each, From, JoinPart, RefTo, Shape, TypeBy,
    ViaAs, With,
};
use super::super::sentence::{
    self, Alternative as Written, Cast, Form, Guard, Part, Quantity, Sentence, Source, Via,
};
use super::super::structure::Structure;
use super::super::types::{self, systems};
use super::alternative::Guards;
use super::path::{Inside, Resolved};
use super::{Compiler, Scope, tree};
use crate::fault::{Fault, codes as w};
use crate::fhir::tables::{self, Element, Primitive};
use crate::hl7v2;

/// What a sentence has to fill.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    pub element: &'static Element,
    /// Types it may give.
    pub types: Vec<&'static str>,
    /// Whether any number of values may come (`name[]`).
    pub many: bool,
}

/// What a source gives, before its conversion is chosen.
struct Origin {
    from: From,
    /// v2 type, or `text`, `code`, `ref`, `period`.
    gives: &'static str,
    resolved: Option<Resolved>,
}

/// One sentence being compiled.
struct Line<'t> {
    text: &'t Text,
    span: Range<usize>,
    goal: &'t Goal,
    scope: &'t Scope,
}

impl Compiler<'_> {
    /// Compiles sentences whose alternatives follow each other.
    pub(super) fn alternatives(
        &mut self,
        texts: &[Text],
        goal: &Goal,
        scope: &Scope,
    ) -> Alternatives {
        self.each_alternative(texts, Alternative::is_certain, &mut |this, written, at, all| {
            let line = Line { text: at.text, span: at.span, goal, scope };
            let mut one = this.alternative(written, &line)?;
            one.line = at.number;
            this.check_same(all, &one, &line);
            Some(one)
        })
    }

    /// The same source again without a condition on the first can never win.
    fn check_same(&mut self, before: &[Alternative], one: &Alternative, line: &Line<'_>) {
        let again = before.iter().any(|other| {
            other.when.is_none()
                && other.filter.is_none()
                && matches!((&other.from, &one.from),
                    (From::Pick { pick: a, .. }, From::Pick { pick: b, .. }) if a == b)
                && other.member == one.member
        });
        if again {
            let cause = "the same path without a condition stands before it";
            self.report.error(w::W4013, &line.span, cause);
        }
    }

    fn alternative(&mut self, written: &Written, line: &Line<'_>) -> Option<Alternative> {
        // All parts are looked at, so that each mistake in them is found.
        let guards = self.guards(written, line.text, line.scope);
        let origin = self.origin(&written.source, written.quantity, line);
        // What the standard demands is there, and what is text needs no luck to convert.
        let certain = written.condition.is_none()
            && origin.as_ref().is_some_and(|origin| match &origin.from {
                From::Ref(to) => self.is_always(to),
                _ => origin.resolved.as_ref().is_some_and(|r| r.required && written.via.is_none()),
            });
        let made = origin.and_then(|origin| {
            self.check_quantity(written, &origin, line);
            let ty = self.choose(written, &origin, line)?;
            let (shape, member) = self.shape(written, &origin, ty, line)?;
            Some((origin.from, shape, member, ty))
        });
        let with: Option<Vec<With>> = match &made {
            Some((_, _, _, ty)) => {
                let with: Vec<_> =
                    written.with.iter().map(|with| self.with(with, ty, line)).collect();
                with.into_iter().collect()
            }
            None => None,
        };
        let (from, shape, member, ty) = made?;
        let Guards { when, filter } = guards?;
        // A list takes all a reference may mean.
        let all = matches!(from, From::Ref(_)) && line.goal.many;
        let quantity = written.quantity.or(all.then_some(Quantity::All));
        let null = matches!(from, From::Pick { .. }).then(|| match shape {
            // What it becomes is known with its type.
            Shape::ByType { .. } => self.keeps_null.then(|| "".into()),
            _ => self.null(line.goal, ty, &member),
        });
        if let Some(None) = null
            && self.keeps_null
        {
            let cause = "`on_null = \"remove\"` cannot be said in a list of plain values";
            let fault = Fault::new(w::W4002).because(cause);
            let remedy = "Nulls are left out here; set `on_null = \"omit\"` for the rule to \
                          say that this is meant.";
            self.report.warning(fault.remedy(remedy), &line.span);
        }
        Some(Alternative {
            quantity,
            from,
            shape,
            member: member.into(),
            with: with?,
            when,
            filter,
            certain,
            null: null.flatten(),
            line: 0,
        })
    }

    /// Name under which a goal says that it has no value: beside a primitive, else in its
    /// place. A list of primitives has no place for that.
    fn null(&self, goal: &Goal, ty: &str, member: &str) -> Option<Box<str>> {
        match tables::is_primitive(ty) {
            _ if !self.keeps_null => None,
            true if goal.element.is_list() => None,
            true => Some(format!("_{member}").into()),
            false => Some(member.into()),
        }
    }

    /// Resolves where the value comes from.
    fn origin(
        &mut self,
        source: &Source,
        quantity: Option<Quantity>,
        line: &Line<'_>,
    ) -> Option<Origin> {
        let plain = |from, gives| Some(Origin { from, gives, resolved: None });
        match source {
            Source::Path(path) => {
                let resolved = self.path(path, line.text, line.scope, Inside::Rule)?;
                let from = From::Pick {
                    pick: resolved.pick.clone(),
                    deep: resolved.pick.parts[0] != 0,
                    // Codes of a table of the site are of no system that others know.
                    table: resolved.table.filter(|id| hl7v2::tables::table(id).is_some()),
                };
                let gives = resolved.datatype;
                Some(Origin { from, gives, resolved: Some(resolved) })
            }
            Source::Literal(text) => plain(From::Literal(text.as_str().into()), "text"),
            Source::Code { .. } => plain(From::Nothing, "code"),
            Source::Position => plain(From::Position, "text"),
            Source::Ref { rule, span } => {
                let to = self.reference(rule, span, quantity, line)?;
                plain(From::Ref(to), "ref")
            }
            Source::Join { separator, parts } => {
                let parts = self.join_parts(parts, line)?;
                plain(From::Join { separator: separator.as_str().into(), parts }, "text")
            }
            Source::Split { path, separator, nth } => {
                let pick = self.path(path, line.text, line.scope, Inside::Rule)?.pick;
                let (separator, nth) = (separator.as_str().into(), *nth as usize);
                plain(From::Split { pick, separator, nth }, "text")
            }
            Source::Period(start, end) => {
                let start = self.path(start, line.text, line.scope, Inside::Rule);
                let end = self.path(end, line.text, line.scope, Inside::Rule);
                let (start, end) = (start?, end?);
                for moment in [&start, &end] {
                    if types::conversion(moment.datatype, "dateTime").is_none() {
                        let cause = format!("{} is no date or time", moment.datatype);
                        self.report.error(w::W4007, &line.span, cause);
                        return None;
                    }
                }
                plain(From::Period { start: start.pick, end: end.pick }, "period")
            }
            Source::Base => {
                let cause = "`base` stands for the line of a mapping that is extended";
                self.report.error(w::W4002, &line.span, cause);
                None
            }
        }
    }

    /// Whether there is always something to refer to.
    fn is_always(&self, to: &RefTo) -> bool {
        self.heads
            .get(usize::from(to.rule))
            .and_then(|head| head.scope.as_ref())
            .is_some_and(|scope| !matches!(scope.each, Each::Field(_)))
    }

    fn join_parts(&mut self, parts: &[Part], line: &Line<'_>) -> Option<Vec<JoinPart>> {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(JoinPart::Literal(text.as_str().into())),
                Part::Path(path) => self
                    .path(path, line.text, line.scope, Inside::Rule)
                    .map(|resolved| JoinPart::Pick(resolved.pick)),
            })
            .collect();
        parts.into_iter().collect()
    }

    /// Finds the rule a `ref` names, and where its instances stand to ours.
    fn reference(
        &mut self,
        rule: &str,
        span: &sentence::Span,
        quantity: Option<Quantity>,
        line: &Line<'_>,
    ) -> Option<RefTo> {
        let span = line.text.inside(span);
        let Some(at) = self.heads.iter().position(|head| head.name == rule) else {
            let names: Vec<String> = self.heads.iter().map(|head| head.name.clone()).collect();
            let known = names.iter().map(String::as_str);
            let cause = format!("there is no rule `{rule}`");
            self.report.unknown(w::W4014, &span, cause, (rule, known));
            return None;
        };
        let head = self.heads.get(at)?;
        let (make, target) = (head.make?, head.scope.clone()?);
        let allowed = line.goal.element.targets;
        if line.goal.types.contains(&"Reference")
            && !allowed.is_empty()
            && !allowed.contains(&make)
            && !allowed.contains(&"Resource")
        {
            let cause = format!(
                "`{rule}` makes {make}; {} refers to {}",
                line.goal.element.path,
                allowed.join(", ")
            );
            self.report.error(w::W4014, &span, cause);
            return None;
        }
        let same_segment = line.scope.leaf.is_some() && line.scope.leaf == target.leaf;
        let anchor = target.leaf.unwrap_or(target.group);
        let (climb, several) = match &self.structure {
            None => (0, tree::may_mean_several(&target, line.scope)),
            Some(structure) => {
                let mut around = structure.enclosing(line.scope.group);
                let climb = around.find(|group| structure.is_within(anchor, *group)).unwrap_or(0);
                let several = if same_segment {
                    target.own.is_some() && target.repeats
                } else {
                    !matches!(target.each, Each::Message)
                        && (structure.repeats_below(climb, anchor)
                            || (target.own.is_some() && target.repeats))
                };
                (climb, several)
            }
        };
        if several && quantity.is_none() && !line.goal.many {
            let cause = format!("there may be several of `{rule}` here");
            self.report.error(w::W4015, &span, cause);
        }
        let rule = u16::try_from(at).unwrap_or(u16::MAX);
        Some(RefTo { rule, climb, same_segment })
    }

    fn check_quantity(&mut self, written: &Written, origin: &Origin, line: &Line<'_>) {
        if matches!(written.quantity, Some(Quantity::Each)) && !line.goal.many {
            let name = line.goal.element.name();
            let list = line.goal.element.is_list();
            let cause = if list {
                format!("`each` fills a list: write `{name}[]`")
            } else {
                format!("`{name}` holds one value: say `first` or `last`")
            };
            self.report.error(w::W4006, &line.span, cause);
        }
        let Some(resolved) = &origin.resolved else { return };
        if written.quantity.is_some() {
            return;
        }
        if resolved.segments {
            let cause = "several segments may stand there";
            self.report.error(w::W4004, &line.span, cause);
        } else if resolved.repetitions
            && !matches!(written.cast, Some(Cast::Path(_)))
            // Nearly everything in documents may repeat.
            && (self.form() == Form::Hl7 || line.goal.many)
        {
            let fault = Fault::new(w::W4004)
                .because("the field may repeat; the first repetition with a value is taken");
            self.report.warning(fault, &line.span);
        }
    }

    /// Chooses the type of the element.
    fn choose(
        &mut self,
        written: &Written,
        origin: &Origin,
        line: &Line<'_>,
    ) -> Option<&'static str> {
        let goal = line.goal;
        let path = goal.element.path;
        if goal.types.iter().any(|ty| matches!(*ty, "BackboneElement" | "Element"))
            || goal.types.is_empty()
        {
            let cause = format!("{path} has members: write `{}.member`", goal.element.name());
            self.report.error(w::W4006, &line.span, cause);
            return None;
        }
        if let Some(Cast::Type { name, span }) = &written.cast {
            let found = goal.types.iter().find(|ty| *ty == name).copied();
            if found.is_none() {
                let cause = format!("{path} is {}, never {name}", goal.types.join(" or "));
                let span = line.text.inside(span);
                let known = goal.types.iter().copied();
                self.report.unknown(w::W4007, &span, cause, (name, known));
            }
            return found;
        }
        let ordered: &[&str] = if written.via.is_some() {
            &[
                "CodeableConcept",
                "code",
                "Coding",
                "boolean",
                "string",
                "uri",
                "integer",
                "positiveInt",
                "decimal",
                "markdown",
            ]
        } else {
            match origin.gives {
                "code" => &["CodeableConcept", "Coding", "code", "string", "uri"],
                "ref" => &["Reference"],
                "period" => &["Period"],
                other => types::natural(other),
            }
        };
        let natural = ordered.iter().find_map(|o| goal.types.iter().find(|ty| *ty == o));
        if let Some(ty) = natural.filter(|_| !says_type(written, origin, line)) {
            return Some(ty);
        }
        let fits: Vec<&'static str> = match origin.gives {
            "code" | "ref" | "period" => Vec::new(),
            gives => {
                let fits = |ty: &&&'static str| types::conversion(gives, ty).is_some();
                goal.types.iter().filter(fits).copied().collect()
            }
        };
        if matches!(written.cast, Some(Cast::Path(_))) || says_type(written, origin, line) {
            return goal.types.first().copied();
        }
        match fits.as_slice() {
            [only] => Some(only),
            [] => {
                let cause =
                    format!("{} cannot become {} ({path})", origin.gives, goal.types.join(" or "));
                self.report.error(w::W4007, &line.span, cause);
                None
            }
            several => {
                let cause = format!("{} may become {}", origin.gives, several.join(" or "));
                self.report.error(w::W4008, &line.span, cause);
                None
            }
        }
    }

    /// What is made of the source, and the member's name.
    fn shape(
        &mut self,
        written: &Written,
        origin: &Origin,
        ty: &'static str,
        line: &Line<'_>,
    ) -> Option<(Shape, String)> {
        let member = line.goal.element.member(ty);
        if let Some(via) = &written.via {
            return Some((self.via(via, origin, ty, line)?, member));
        }
        if let Some(Cast::Path(path)) = &written.cast {
            let pick = self.path(path, line.text, line.scope, Inside::Rule)?.pick;
            return Some((self.by_type(TypeBy::Field(pick), &line.goal.types, line)?, member));
        }
        if says_type(written, origin, line) {
            let types = match written.cast {
                Some(_) => vec![ty],
                None => line.goal.types.clone(),
            };
            self.check_binding(origin, ty, line);
            let by = if origin.gives == "cda:IVL_TS" { TypeBy::Time } else { TypeBy::Own };
            return Some((self.by_type(by, &types, line)?, member));
        }
        let shape = match (&written.source, Primitive::of(ty)) {
            (Source::Literal(text), Some(kind)) => self.literal(text, kind, line)?,
            (Source::Code { system, code, span }, _) => {
                let span = line.text.inside(span);
                self.code(system, code, ty, &span, line)?
            }
            (Source::Ref { .. }, _) => Shape::Reference,
            (Source::Period(..), _) => Shape::Period,
            _ => {
                self.check_binding(origin, ty, line);
                match types::conversion(origin.gives, ty) {
                    Some(cast) => Shape::Cast(cast),
                    None => {
                        let cause = format!("{} cannot become {ty}", origin.gives);
                        self.report.error(w::W4007, &line.span, cause);
                        return None;
                    }
                }
            }
        };
        Some((shape, member))
    }

    /// Texts of a message do not have the codes a binding demands.
    fn check_binding(&mut self, origin: &Origin, ty: &str, line: &Line<'_>) {
        let Some(set) = line.goal.element.required_binding else { return };
        let coded = matches!(ty, "code" | "CodeableConcept" | "Coding");
        if coded && tables::codes(set).is_some() && origin.resolved.is_some() {
            let short = set.rsplit('/').next().unwrap_or(set);
            let cause = format!("{} takes codes of {short} only", line.goal.element.path);
            self.report.error(w::W4010, &line.span, cause);
        }
    }

    fn literal(&mut self, text: &str, kind: Primitive, line: &Line<'_>) -> Option<Shape> {
        if !kind.accepts(text) {
            let cause =
                format!("`{text}` does not have the form of {}", line.goal.types.join(" or "));
            self.report.error(w::W4007, &line.span, cause);
            return None;
        }
        if kind == Primitive::Code {
            self.check_binding_of(text, &line.span.clone(), line)?;
        }
        Some(match kind {
            Primitive::Boolean => Shape::Bool(text == "true"),
            kind if kind.is_number() => Shape::Number(text.into()),
            _ => Shape::Text(text.into()),
        })
    }

    fn check_binding_of(&mut self, code: &str, span: &Range<usize>, line: &Line<'_>) -> Option<()> {
        let Some(set) = line.goal.element.required_binding else { return Some(()) };
        if tables::has_code(set, code) != Some(false) {
            return Some(());
        }
        let short = set.rsplit('/').next().unwrap_or(set);
        let cause = format!("{short} has no code `{code}`");
        let known = tables::codes(set).unwrap_or_default();
        self.report.unknown(w::W4010, span, cause, (code, known.iter().map(|(_, c)| *c)));
        None
    }

    fn code(
        &mut self,
        system: &str,
        code: &str,
        ty: &str,
        span: &Range<usize>,
        line: &Line<'_>,
    ) -> Option<Shape> {
        let Some(uri) = systems::of_mapping(system) else {
            let cause = format!("`{system}` is neither a URI nor a known system");
            self.report.unknown(w::W4002, span, cause, (system, systems::short_names()));
            return None;
        };
        self.check_binding_of(code, span, line)?;
        if let Some(table) = system.strip_prefix("v2-")
            && let Some(known) = hl7v2::tables::table(table)
            && !known.codes().is_empty()
            && known.kind == "hl7"
            && known.code(code).is_none()
        {
            let cause = format!("table {table} has no code `{code}`");
            let codes = known.codes().iter().map(|c| c.code);
            self.report.unknown(w::W4010, span, cause, (code, codes));
            return None;
        }
        let as_ = match ty {
            "CodeableConcept" => CodeAs::Concept,
            "Coding" => CodeAs::Coding,
            _ => CodeAs::Code,
        };
        Some(Shape::Code { system: Some(uri.as_ref().into()), code: code.into(), as_ })
    }

    fn via(&mut self, via: &Via, origin: &Origin, ty: &str, line: &Line<'_>) -> Option<Shape> {
        let span = line.text.inside(&via.span);
        let at = self.map_named(&via.codes, &span)?;
        let as_ = match (ty, Primitive::of(ty)) {
            ("CodeableConcept", _) => ViaAs::Concept,
            ("Coding", _) => ViaAs::Coding,
            (_, Some(kind)) => ViaAs::Scalar(kind),
            (_, None) => {
                let cause = format!("a code map gives codes, and {ty} holds none");
                self.report.error(w::W4007, &span, cause);
                return None;
            }
        };
        if matches!(origin.gives, "code" | "ref" | "period") {
            self.report.error(w::W4007, &span, "a code map takes codes of the message");
            return None;
        }
        self.check_map(at, via.reversed, as_, &span, line);
        let table = origin.resolved.as_ref().and_then(|resolved| resolved.table);
        self.check_rows(at, via.reversed, table, &span);
        let map = u16::try_from(at).unwrap_or(u16::MAX);
        let coded = types::CODED.contains(&origin.gives) || origin.gives == "cda:ANY";
        Some(Shape::Via { map, reversed: via.reversed, as_, coded })
    }

    /// Whether all a code map gives may stand in the element.
    fn check_map(
        &mut self,
        at: usize,
        reversed: bool,
        as_: ViaAs,
        span: &Range<usize>,
        line: &Line<'_>,
    ) {
        let Some(map) = self.maps.get(at) else { return };
        let set = line.goal.element.required_binding.filter(|set| tables::codes(set).is_some());
        let fits = |code: &str| {
            set.is_none_or(|set| tables::has_code(set, code) != Some(false))
                && match as_ {
                    ViaAs::Scalar(kind) => kind.accepts(code),
                    ViaAs::Concept | ViaAs::Coding => Primitive::Code.accepts(code),
                }
        };
        let mut bad: Vec<String> = Vec::new();
        for row in map.rows() {
            let code = if reversed { &row.from } else { &row.to };
            if !fits(code) {
                bad.push(format!("`{code}` in line {} of {}", row.line, map.file));
            }
        }
        match &map.unmapped {
            Unmapped::Fixed(code) if !fits(code) => bad.push(format!("`{code}` as `unmapped`")),
            Unmapped::Keep if set.is_some() => {
                bad.push("whatever `unmapped = \"keep\"` lets through".into());
            }
            _ => {}
        }
        if bad.is_empty() {
            return;
        }
        bad.truncate(5);
        let cause = format!("{} cannot hold {}", line.goal.element.path, bad.join(", "));
        self.report.error(w::W4010, span, cause);
    }

    /// Whether every code of the source's table has a row.
    pub(super) fn check_rows(
        &mut self,
        at: usize,
        reversed: bool,
        table: Option<&str>,
        span: &Range<usize>,
    ) {
        let Some(map) = self.maps.get(at) else { return };
        if map.unmapped != Unmapped::Unsaid || reversed {
            return;
        }
        let Some(table) = table else { return };
        let Some(Structure { version, site, .. }) = &self.structure else { return };
        let own = site.table(table);
        let known = hl7v2::tables::table(table).filter(|_| own.is_none_or(|own| !own.replaces));
        let known = known.into_iter().flat_map(|known| known.codes());
        let standard = known.filter(|code| code.is_in(version.name)).map(|code| code.code);
        let added = own.into_iter().flat_map(|own| &own.codes).map(|(code, _)| &**code);
        let mut missing: Vec<&str> =
            standard.chain(added).filter(|code| map.find(code).is_none()).collect();
        if missing.is_empty() {
            return;
        }
        let count = missing.len();
        missing.truncate(5);
        let more = if count > missing.len() { ", .." } else { "" };
        let cause =
            format!("`{}` has no row for {}{more} of table {table}", map.name, missing.join(", "));
        self.report.error(w::W4011, span, cause);
    }

    /// `as OBX-2`: each type the message may name is checked now.
    fn by_type(&mut self, by: TypeBy, types: &[&'static str], line: &Line<'_>) -> Option<Shape> {
        let element = line.goal.element;
        let attempts = |from: &str, to: &[&'static str]| -> Vec<Attempt> {
            to.iter()
                .filter(|ty| types.contains(ty))
                .filter_map(|ty| {
                    let cast = types::conversion(from, ty)?;
                    let member = element.member(ty);
                    let null = self.null(line.goal, ty, &member);
                    Some(Attempt { member: member.into(), cast, null })
                })
                .collect()
        };
        let of_documents = !matches!(by, TypeBy::Field(_));
        let mut branches: Vec<Branch> = types::BY_TYPE
            .iter()
            .filter(|(name, _)| name.starts_with("cda:") == of_documents)
            .map(|(name, to)| Branch { name, attempts: attempts(name, to) })
            .collect();
        branches.retain(|branch| !branch.attempts.is_empty());
        if branches.is_empty() {
            let cause = format!("no value type becomes {}", types.join(" or "));
            self.report.error(w::W4007, &line.span, cause);
            return None;
        }
        let plain = if of_documents { "cda:ST" } else { "ST" };
        let otherwise = attempts(plain, &["string", "markdown"]);
        Some(Shape::ByType { by, branches, otherwise })
    }

    fn with(&mut self, with: &sentence::With, ty: &'static str, line: &Line<'_>) -> Option<With> {
        let inside = line.goal.element.inside(ty);
        let order = tables::children(inside);
        let found = tables::resolve(inside, &with.member);
        let span = line.text.inside(&with.member_span);
        let (Some(order), false) = (order, tables::is_primitive(ty)) else {
            self.report.error(w::W4005, &span, format!("{ty} has no members"));
            return None;
        };
        let (element, types) = match found {
            Some((element, ty)) => (element, vec![ty]),
            None => match order.iter().find(|e| e.name() == with.member) {
                Some(element) => (element, element.types.to_vec()),
                None => {
                    let cause = format!("{ty} has no `{}`", with.member);
                    let known = order.iter().map(Element::name);
                    self.report.unknown(w::W4005, &span, cause, (&with.member, known));
                    return None;
                }
            },
        };
        let written = Written {
            quantity: None,
            source: with.source.clone(),
            cast: None,
            via: with.via.clone(),
            with: Vec::new(),
            condition: None,
            span: with.span.clone(),
        };
        let goal = Goal { element, types, many: false };
        let span = line.text.inside(&with.span);
        let inner = Line { text: line.text, span, goal: &goal, scope: line.scope };
        let value = self.alternative(&written, &inner)?;
        Some(With { list: element.is_list(), order, value })
    }

    /// A part of a key: plain text.
    pub(super) fn key_part(
        &mut self,
        sentence: &Sentence,
        text: &Text,
        scope: &Scope,
    ) -> Option<Alternatives> {
        let goal = Goal {
            element: tables::element("Identifier.value")?,
            types: vec!["string"],
            many: true,
        };
        let mut parts = Vec::new();
        for written in &sentence.alternatives {
            let span = text.inside(&written.span);
            let line = Line { text, span, goal: &goal, scope };
            if written.cast.is_some() || written.via.is_some() || !written.with.is_empty() {
                self.report.error(w::W4001, &line.span, "a key takes plain values");
            }
            let when = match &written.condition {
                Some(Guard::When(c) | Guard::Where(c)) => {
                    Some(self.resolve_condition(c, text, scope, Inside::Rule)?)
                }
                None => None,
            };
            let origin = self.origin(&written.source, Some(Quantity::First), &line)?;
            if let From::Ref(to) = &origin.from
                && let Some(refs) = self.key_refs.last_mut()
            {
                refs.push(to.rule);
            }
            if matches!(origin.gives, "code" | "period") {
                self.report.error(w::W4001, &line.span, "a key takes plain values");
            }
            parts.push(Alternative {
                quantity: Some(Quantity::First),
                from: origin.from,
                shape: Shape::Plain,
                member: "".into(),
                with: Vec::new(),
                when,
                filter: None,
                certain: false,
                null: None,
                line: 0,
            });
        }
        Some(parts)
    }
}

/// Whether the type of the value is left to the value: it may be any, or a moment as well as
/// a period where the element takes both.
fn says_type(written: &Written, origin: &Origin, line: &Line<'_>) -> bool {
    if written.via.is_some() || matches!(written.cast, Some(Cast::Path(_))) {
        return false;
    }
    match origin.gives {
        "cda:ANY" => true,
        "cda:IVL_TS" => written.cast.is_none() && line.goal.types.len() > 1,
        _ => false,
    }
}
