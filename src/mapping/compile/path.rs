//! Paths resolved against the structure, with what the tables say of them.

use super::super::condition::{parts, relative};
use super::super::file::Text;
use super::super::pick::{Find, Pick};
use super::super::program::Each;
use super::super::sentence::{self, Condition, Form, Path, Repetition, SegmentPath};
use super::{Compiler, Scope};
use crate::fault::{Fault, codes as w};
use crate::hl7v2::tables::{self, FieldDef, Usage};

/// What a path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// The rule.
    Rule,
    /// A segment in brackets.
    Segment,
    /// A repetition in brackets or under `where`.
    Field,
}

/// A resolved path and what is known of its values.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub pick: Pick,
    /// v2 data type of the values.
    pub datatype: &'static str,
    pub table: Option<&'static str>,
    /// Whether several segments, or several repetitions, may give values.
    pub segments: bool,
    pub repetitions: bool,
    /// Whether the standard demands a value.
    pub required: bool,
}

impl Compiler<'_> {
    /// What a rule is made of.
    pub(super) fn scope(&mut self, each: Option<&Text>) -> Option<Scope> {
        let root = Scope {
            group: 0,
            leaf: None,
            own: None,
            each: Each::Message,
            repeats: false,
            tree: None,
        };
        let Some(text) = each else { return Some(root) };
        let path = match sentence::source_path(&text.text, self.form()) {
            Ok(path) => path,
            Err(wrong) => {
                self.syntax(text, wrong);
                return None;
            }
        };
        if self.form() == Form::Cda {
            return self.tree_scope(&path, text, root);
        }
        let Some(segment) = &path.segment else {
            let cause = "expected a segment, a group or a field";
            self.report.error(w::W4001, &text.span, cause);
            return None;
        };
        let structure = self.structure.as_ref()?;
        if path.field == 0
            && let Some(group) = structure.group(&segment.id)
            && segment.pick == Repetition::Open
        {
            let repeats = structure.repeats(group);
            let each = Each::Group(group);
            return Some(Scope { group, each, repeats, ..root });
        }
        let pick = self.segment_of(&path, segment, text, &root)?;
        let Find::Scope { leaves, .. } = &pick.0.find else { return None };
        let leaf = *leaves.first()?;
        let structure = self.structure.as_ref()?;
        let group = structure.parent(leaf);
        let mut repeats = structure.repeats(leaf);
        let (own, each) = if path.field == 0 {
            (None, Each::Segment(pick.0))
        } else {
            let resolved = self.path(&path, text, &root, Inside::Rule)?;
            if !path.parts.is_empty() {
                let cause = "a rule is made for repetitions of a field, not for a component";
                self.report.error(w::W4001, &text.span, cause);
            }
            repeats |= resolved.repetitions;
            (Some(path.field), Each::Field(resolved.pick))
        };
        Some(Scope { group, leaf: Some(leaf), own, each, repeats, tree: None })
    }

    /// Resolves a condition, all wrong paths being reported.
    pub(super) fn resolve_condition(
        &mut self,
        condition: &Condition<Path>,
        text: &Text,
        scope: &Scope,
        inside: Inside,
    ) -> Option<Condition<Pick>> {
        condition.map(&mut |path| self.any_path(path, text, scope, inside).map(|r| r.pick))
    }

    /// A path that may name a segment alone.
    fn any_path(
        &mut self,
        path: &Path,
        text: &Text,
        scope: &Scope,
        inside: Inside,
    ) -> Option<Resolved> {
        match &path.segment {
            Some(segment) if path.field == 0 => {
                let (pick, segments) = self.segment_of(path, segment, text, scope)?;
                let (table, repetitions, required) = (None, false, false);
                let datatype = "";
                Some(Resolved { pick, datatype, table, segments, repetitions, required })
            }
            _ => self.path(path, text, scope, inside),
        }
    }

    /// Resolves a path to a field or less.
    pub(super) fn path(
        &mut self,
        path: &Path,
        text: &Text,
        scope: &Scope,
        inside: Inside,
    ) -> Option<Resolved> {
        if path.tree.is_some() {
            return self.tree_path(path, text, scope, inside);
        }
        let Some(segment) = &path.segment else {
            return self.relative(path, text, inside);
        };
        if path.field == 0 {
            let cause = format!("`{}` names no field: write `{}-1`", segment.id, segment.id);
            self.report.error(w::W4003, &text.inside(&path.span), cause);
            return None;
        }
        let (mut pick, segments) = self.segment_of(path, segment, text, scope)?;
        let is_anchor = pick.find == Find::Anchor;
        let field = self.field(path, segment, text)?;
        pick.field = path.field;
        pick.parts = parts(&path.parts);
        pick.repetition = self.brackets(&path.repetition, text, scope, Inside::Field)?;
        let open = pick.repetition == Repetition::Open;
        if is_anchor && open && scope.own == Some(path.field) {
            pick.find = Find::Own;
        }
        let repetitions = open && pick.find != Find::Own && field.is_none_or(|f| f.max != 1);
        let datatype = field.map_or("ST", |f| f.datatype);
        let (datatype, table) = self.component(path, field, datatype, text)?;
        let structure = self.structure.as_ref()?;
        let there = match &pick.find {
            Find::Scope { climb, leaves } => {
                let demanded = |leaf: &u16| structure.is_demanded(*climb, *leaf);
                *climb == scope.group && leaves.iter().any(demanded)
            }
            _ => is_anchor,
        };
        let required =
            there && path.parts.is_empty() && field.is_some_and(|f| f.usage == Usage::Required);
        Some(Resolved { pick, datatype, table, segments, repetitions, required })
    }

    /// A path of numbers alone.
    fn relative(&mut self, path: &Path, text: &Text, inside: Inside) -> Option<Resolved> {
        if inside == Inside::Rule {
            let cause = "a number alone is for brackets and `where`: `PID-3[5 = 'MR']`";
            self.report.error(w::W4001, &text.inside(&path.span), cause);
            return None;
        }
        match relative(path, inside == Inside::Segment) {
            Ok(pick) => Some(Resolved {
                pick,
                datatype: "ST",
                table: None,
                segments: false,
                repetitions: false,
                required: false,
            }),
            Err(wrong) => {
                self.syntax(text, wrong);
                None
            }
        }
    }

    fn brackets(
        &mut self,
        pick: &Repetition<Path>,
        text: &Text,
        scope: &Scope,
        inside: Inside,
    ) -> Option<Repetition<Pick>> {
        Some(match pick {
            Repetition::Open => Repetition::Open,
            Repetition::Nth(n) => Repetition::Nth(*n),
            Repetition::Filter(condition) => Repetition::Filter(Box::new(
                self.resolve_condition(condition, text, scope, inside)?,
            )),
        })
    }

    /// Finds the segment of a path; whether several may match comes with it.
    fn segment_of(
        &mut self,
        path: &Path,
        segment: &SegmentPath,
        text: &Text,
        scope: &Scope,
    ) -> Option<(Pick, bool)> {
        let filter = self.brackets(&segment.pick, text, scope, Inside::Segment)?;
        let open = filter == Repetition::Open;
        let structure = self.structure.as_mut()?;
        let group = match &segment.group {
            None => None,
            Some((name, span)) => match structure.group(name) {
                Some(group) => Some(group),
                None => {
                    let cause = format!("{} has no group `{name}`", structure.id);
                    let names: Vec<_> = structure.names().map(str::to_owned).collect();
                    let known = names.iter().map(String::as_str);
                    let span = text.inside(span);
                    self.report.unknown(w::W4003, &span, cause, (name, known));
                    return None;
                }
            },
        };
        let pick = |find| Pick {
            find,
            segment: filter.clone(),
            field: 0,
            repetition: Repetition::Open,
            parts: [0, 0],
        };
        if let Some(leaf) = scope.leaf
            && structure.name(leaf) == segment.id
            && open
            && group.is_none_or(|group| structure.is_within(leaf, group))
        {
            return Some((pick(Find::Anchor), false));
        }
        if segment.id.starts_with('Z') {
            let home = structure.home(&segment.id, scope.group);
            let (climb, several) = home.unwrap_or((scope.group, true));
            let leaf = structure.loose(&segment.id);
            let find = Find::Scope { climb, leaves: [leaf].into() };
            return Some((pick(find), several && open));
        }
        let (climb, leaves) = self.leaves(path, segment, group, text, scope)?;
        let structure = self.structure.as_ref()?;
        let several =
            leaves.len() > 1 || leaves.iter().any(|leaf| structure.repeats_below(climb, *leaf));
        let open = matches!(filter, Repetition::Open | Repetition::Filter(_));
        Some((pick(Find::Scope { climb, leaves: leaves.into() }), several && open))
    }

    /// The nearest enclosing group that has the segment, and the segment's places in it.
    fn leaves(
        &mut self,
        path: &Path,
        segment: &SegmentPath,
        group: Option<u16>,
        text: &Text,
        scope: &Scope,
    ) -> Option<(u16, Vec<u16>)> {
        let structure = self.structure.as_ref()?;
        let span = text.inside(&path.span);
        for climb in structure.enclosing(scope.group) {
            // `in ORDER` means the order around, not what lies deeper in it.
            if group.is_some_and(|group| climb != group && structure.is_within(climb, group)) {
                continue;
            }
            let mut leaves: Vec<u16> = structure
                .leaves(climb, &segment.id)
                .filter(|leaf| group.is_none_or(|g| structure.is_within(*leaf, g)))
                .collect();
            if leaves.is_empty() {
                continue;
            }
            // `in SPECIMEN` means the group's own segment before those deeper in it.
            let near = group.unwrap_or(climb);
            let direct: Vec<u16> =
                leaves.iter().copied().filter(|leaf| structure.parent(*leaf) == near).collect();
            if !direct.is_empty() {
                leaves = direct;
            }
            let mut homes: Vec<u16> = leaves.iter().map(|leaf| structure.parent(*leaf)).collect();
            homes.dedup();
            if homes.len() > 1 {
                let names: Vec<_> =
                    homes.iter().map(|h| format!("`in {}`", structure.name(*h))).collect();
                let cause =
                    format!("{} stands in several groups: say {}", segment.id, names.join(" or "));
                self.report.error(w::W4004, &span, cause);
                return None;
            }
            return Some((climb, leaves));
        }
        let known = structure.version.segment(&segment.id).is_some();
        let cause = match (known, group) {
            (true, Some(group)) => {
                format!("{} does not stand in {}", segment.id, structure.name(group))
            }
            (true, None) => format!("{} does not stand in {}", segment.id, structure.id),
            (false, _) => {
                format!("version {} has no segment {}", structure.version.name, segment.id)
            }
        };
        let names: Vec<String> = structure.names().map(str::to_owned).collect();
        let known = names.iter().map(String::as_str);
        self.report.unknown(w::W4003, &span, cause, (&segment.id, known));
        None
    }

    /// The definition of a field: of the site, of the declared version, else of a later one.
    /// `Some(None)` for segments that neither describes.
    #[expect(clippy::option_option, reason = "unknown to us and wrong are two things")]
    fn field(
        &mut self,
        path: &Path,
        segment: &SegmentPath,
        text: &Text,
    ) -> Option<Option<&'static FieldDef>> {
        let (structure, n) = (self.structure.as_ref()?, usize::from(path.field));
        if segment.id.starts_with('Z') && structure.segment(&segment.id).is_none() {
            return Some(None);
        }
        let (declared, site) = (structure.version, structure.site.clone());
        let of = |version: &'static tables::Version| {
            site.segment(version, &segment.id).and_then(|s| s.field(n))
        };
        if let Some(field) = of(declared).filter(|f| !f.datatype.is_empty()) {
            return Some(Some(field));
        }
        let span = text.inside(&path.span);
        let other = tables::versions()
            .filter_map(|v| Some((v.name, of(v).filter(|f| !f.datatype.is_empty())?)))
            .min_by_key(|(name, _)| {
                let later = tables::rank(name) < tables::rank(declared.name);
                (later, tables::rank(name).abs_diff(tables::rank(declared.name)))
            });
        match other {
            Some((name, field)) => {
                let cause = format!(
                    "version {} has no {}-{n}, version {name} has",
                    declared.name, segment.id
                );
                let fault = Fault::new(w::W4003).because(cause);
                let fault = fault.at(self.report.document.place(&span));
                self.report.problems.note(fault);
                Some(Some(field))
            }
            None => {
                let count = structure.segment(&segment.id).map_or(0, |s| s.fields.len());
                let cause = format!("{} has {count} fields", segment.id);
                self.report.error(w::W4003, &span, cause);
                None
            }
        }
    }

    /// Type and table of a component.
    fn component(
        &mut self,
        path: &Path,
        field: Option<&'static FieldDef>,
        datatype: &'static str,
        text: &Text,
    ) -> Option<(&'static str, Option<&'static str>)> {
        let version = self.structure.as_ref()?.version;
        let table = field.map(|f| f.table).filter(|t| !t.is_empty());
        let mut known = (datatype, table);
        for n in &path.parts {
            let (outer, _) = known;
            if outer == "varies" || field.is_none() {
                return Some(("ST", None));
            }
            let find = |version: &tables::Version| {
                let found = version.datatype(outer)?;
                if found.components.is_empty() && *n == 1 {
                    return Some((outer, None));
                }
                let component = found.components.get(usize::from(*n) - 1)?;
                let table = Some(component.table).filter(|t| !t.is_empty());
                Some((component.datatype, table))
            };
            let later = || tables::versions().collect::<Vec<_>>().into_iter().rev().find_map(find);
            match find(version).or_else(later) {
                Some((inner, inner_table)) => {
                    // Of a simple type its only component is itself.
                    known = (inner, inner_table.or(known.1.filter(|_| inner == outer || *n == 1)));
                }
                None => {
                    let count = version.datatype(outer).map_or(1, |d| d.components.len().max(1));
                    let cause = format!("{outer} has {count} components");
                    self.report.error(w::W4003, &text.inside(&path.span), cause);
                    return None;
                }
            }
        }
        Some(known)
    }
}
