//! Resources against profiles: cardinality, types, fixed values, patterns, bindings, slices
//! and rules beyond R4.
//!
//! Source: FHIR R4 profiling.html. Slices are told apart by their discriminators; where
//! what a profile says does not suffice to decide, nothing is said.

use std::cmp::Ordering;

use super::bundle::Found;
use super::knowledge::in_value_set;
use super::reference::is_contained;
use super::walk::Check;
use crate::fault::codes::W2757;
use crate::fhir::doc::{Doc, Node, NodeKind};
use crate::fhir::path::{Context, FhirPath, find, order, type_of};
use crate::fhir::profiles::{Branch, Profile, Slicing};
use crate::fhir::resources::IssueSeverity;
use crate::fhir::tables;

/// Deepest chain of profiles on values, targets and slices within each other.
const PROFILES_DEEP_MAX: usize = 8;

/// Most elements of profiles that one check looks at: a hostile Bundle that names profiles
/// everywhere costs no more than a few seconds.
pub(super) const PROFILE_STEPS_MAX: usize = 2_000_000;

const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'d> Check<'d, '_> {
    /// Checks a resource against the profiles that it claims or a guide asks of all.
    pub fn claimed(&mut self, node: Node<'d>) {
        if let Some(url) = self.options.profile.filter(|_| node.parent().is_none())
            && !self.profile(node, url, 0)
        {
            self.at(node, W2757, "the profile that is asked for is not loaded");
        }
        let Some(knowledge) = self.options.knowledge else { return };
        let ty = node.resource_type().unwrap_or_default();
        let asked: Vec<&str> = knowledge.globals(&ty).collect();
        for url in asked {
            self.profile(node, url, 0);
        }
        let claims = node.get("meta").and_then(|meta| meta.get("profile"));
        for claim in claims.into_iter().flat_map(Node::each) {
            if let Some(url) = claim.string() {
                self.profile(node, &url, 0);
            }
        }
    }

    /// Checks a value against a profile; whether that is known.
    pub fn profile(&mut self, node: Node<'d>, url: &str, depth: usize) -> bool {
        let known = self.options.knowledge.and_then(|known| known.profile(url));
        let Some(profile) = known else { return false };
        if depth > PROFILES_DEEP_MAX || self.conforming.contains(&(node.id(), profile.url.clone()))
        {
            return true;
        }
        self.conforming.push((node.id(), profile.url.clone()));
        self.against(node, profile, depth);
        self.conforming.pop();
        true
    }

    fn against(&mut self, node: Node<'d>, profile: &Profile, depth: usize) {
        let fits = type_of(node).is_none_or(|ty| tables::is_a(ty, &profile.ty));
        if !fits {
            return self.at(node, W2757, format!("the profile is about {}", profile.ty));
        }
        if profile.ty == "Extension"
            && profile.root.child("url").is_none_or(|url| url.fixed.is_none())
            && node.get("url").and_then(|u| u.string()).is_some_and(|u| u != profile.url.as_str())
        {
            self.at(node, W2757, "the `url` is not that of the extension");
        }
        self.fact(node, &profile.root, depth);
    }

    /// The members of a value against what a profile says of each.
    fn facts(&mut self, node: Node<'d>, branch: &Branch, depth: usize) {
        for child in &branch.children {
            self.profile_steps += 1;
            if self.full() || self.profile_steps > PROFILE_STEPS_MAX {
                return;
            }
            let found = find(node, &child.name);
            self.counted(node, child, found.len());
            for value in &found {
                self.fact(*value, child, depth);
            }
            if !child.slices.is_empty() {
                self.slices(node, child, &found, depth);
            }
        }
    }

    fn counted(&mut self, node: Node<'d>, branch: &Branch, count: usize) {
        let name = match &branch.slice {
            Some(slice) => format!("{}:{slice}", branch.name),
            None => branch.name.clone(),
        };
        if branch.min.is_some_and(|min| count < min) {
            let what = format!("the profile requires `{}`", shown(&name));
            self.at(node, W2757, what);
        }
        if branch.max.is_some_and(|max| count > max) {
            let what = format!("the profile allows fewer of `{}`", shown(&name));
            self.at(node, W2757, what);
        }
    }

    /// One value against what a profile says of it.
    fn fact(&mut self, node: Node<'d>, branch: &Branch, depth: usize) {
        self.typed(node, branch, depth);
        if let Some(fixed) = &branch.fixed
            && fixed.root().get("value").is_some_and(|fixed| !same(fixed, node, true))
        {
            self.at(node, W2757, "the profile fixes another value");
        }
        if let Some(pattern) = &branch.pattern
            && pattern.root().get("value").is_some_and(|pattern| !same(pattern, node, false))
        {
            self.at(node, W2757, "the value lacks what the profile's pattern has");
        }
        if let Some(set) = &branch.binding
            && self.coded_in(node, set) == Some(false)
        {
            self.at(node, W2757, "the profile requires a code of another value set");
        }
        let long = |text: &str, max: usize| text.chars().count() > max;
        if branch.max_length.is_some_and(|max| node.text().is_some_and(|text| long(&text, max))) {
            self.at(node, W2757, "the text is longer than the profile allows");
        }
        if compared(node, branch.min_value.as_ref()) == Some(Ordering::Less) {
            self.at(node, W2757, "the value is below the least that the profile allows");
        }
        if compared(node, branch.max_value.as_ref()) == Some(Ordering::Greater) {
            self.at(node, W2757, "the value is above the most that the profile allows");
        }
        // On a resource within another, `%resource` means the outer one: left alone.
        let nested = !branch.is_root && node.resource_type().is_some();
        for rule in &branch.constraints {
            if nested && rule.path.source().contains("%r") {
                continue;
            }
            if matches!(rule.path.holds(node, &Context::default()), Ok(Some(false))) {
                let what = format!("{}: {}", shown(&rule.key), rule.human);
                if rule.is_error {
                    self.at(node, W2757, what);
                } else {
                    self.lesser(node, IssueSeverity::Warning, W2757, what);
                }
            }
        }
        if node.kind() == NodeKind::Object || !branch.children.is_empty() {
            self.facts(node, branch, depth);
        }
    }

    /// Type, profiles of the type, and targets of a reference.
    fn typed(&mut self, node: Node<'d>, branch: &Branch, depth: usize) {
        let Some(actual) = type_of(node) else { return };
        let plain =
            |code: &str| code.contains('/') || matches!(code, "Element" | "BackboneElement");
        let fits = |code: &str| plain(code) || tables::is_a(actual, code);
        if !branch.types.is_empty() && !branch.types.iter().any(|ty| fits(&ty.code)) {
            return self.at(node, W2757, "the profile allows other types");
        }
        let profiles: Vec<&str> = branch
            .types
            .iter()
            .filter(|ty| ty.code == actual)
            .flat_map(|ty| ty.profiles.iter().map(String::as_str))
            .collect();
        match profiles.as_slice() {
            [] => {}
            [one] => {
                self.profile(node, one, depth + 1);
            }
            many => {
                if !many.iter().any(|url| self.conforms(node, url, depth) != Some(false)) {
                    self.at(node, W2757, "the value fits none of the profiles allowed");
                }
            }
        }
        if actual == "Reference" && !branch.targets.is_empty() {
            self.targets(node, &branch.targets, depth);
        }
    }

    /// What a reference points to, where it is at hand, is of one of some profiles.
    fn targets(&mut self, node: Node<'d>, targets: &[String], depth: usize) {
        let Some(target) = self.resolved(node) else { return };
        let Some(ty) = target.resource_type() else { return };
        let fits = |check: &mut Self, url: &String| match url.strip_prefix(R4) {
            Some(name) if tables::is_type(name) => name == "Resource" || name == ty,
            _ => check.conforms(target, url, depth) != Some(false),
        };
        if !targets.iter().any(|url| fits(self, url)) {
            self.at(node, W2757, "the target fits none of the profiles allowed");
        }
    }

    /// Whether a value conforms to a profile; none when that is not known.
    fn conforms(&mut self, node: Node<'d>, url: &str, depth: usize) -> Option<bool> {
        self.trial(|check| check.profile(node, url, depth + 1))
    }

    /// Whether a check finds no error, whose findings are then forgotten.
    fn trial(&mut self, check: impl FnOnce(&mut Self) -> bool) -> Option<bool> {
        let kept = std::mem::take(&mut self.findings);
        let known = check(self);
        let found = std::mem::replace(&mut self.findings, kept);
        known.then(|| !found.has_errors())
    }

    /// The resource a reference points to, contained or in the Bundle.
    fn resolved(&self, node: Node<'d>) -> Option<Node<'d>> {
        let literal = node.get("reference")?.string()?;
        let around = std::iter::successors(Some(node), |node| node.parent());
        let mut resources = around.filter(|node| node.resource_type().is_some());
        let holder = resources.find(|node| !is_contained(*node))?;
        if let Some(id) = literal.strip_prefix('#') {
            if id.is_empty() {
                return Some(holder);
            }
            let named =
                |r: &Node<'d>| r.get("id").and_then(|i| i.string()).is_some_and(|i| i == id);
            return holder.get("contained")?.items().find(named);
        }
        let entry = holder.parent().and_then(|entry| entry.get("fullUrl")?.string());
        match self.bundles.last()?.resolve(&literal, entry.as_deref()) {
            Found::One(target) => Some(target),
            Found::None | Found::Many => None,
        }
    }

    fn coded_in(&self, node: Node<'_>, set: &str) -> Option<bool> {
        let look = |system: Option<&str>, code: &str| {
            in_value_set(self.options.knowledge, set, system, code)
        };
        if node.kind() != NodeKind::Object {
            return look(None, &node.string()?);
        }
        let mut known = None;
        let codings = node.get("coding").map_or_else(|| vec![node], |all| all.items().collect());
        for coding in codings {
            let Some(code) = coding.get("code").and_then(|c| c.string()) else { continue };
            let system = coding.get("system").and_then(|s| s.string());
            match look(system.as_deref(), &code) {
                Some(true) => return Some(true),
                found => known = found.or(known),
            }
        }
        known
    }

    /// Gives each value to its slice, and checks it there.
    fn slices(&mut self, node: Node<'d>, branch: &Branch, found: &[Node<'d>], depth: usize) {
        let slicing = branch.slicing.clone().unwrap_or_else(|| implied(branch));
        let mut taken = vec![false; found.len()];
        let mut clear = true;
        for slice in &branch.slices {
            let mut count = 0;
            for (value, taken) in found.iter().zip(&mut taken) {
                if *taken {
                    continue;
                }
                match self.is_of(*value, slice, &slicing, depth) {
                    Some(true) => {
                        *taken = true;
                        count += 1;
                        self.fact(*value, slice, depth);
                    }
                    Some(false) => {}
                    None => clear = false,
                }
            }
            if clear {
                self.counted(node, slice, count);
            }
        }
        if slicing.closed && clear {
            for (value, _) in found.iter().zip(&taken).filter(|(_, taken)| !**taken) {
                self.at(*value, W2757, "the profile allows none beside its slices");
            }
        }
    }

    /// Whether a value belongs to a slice; none when that cannot be told.
    fn is_of(
        &mut self,
        value: Node<'d>,
        slice: &Branch,
        slicing: &Slicing,
        depth: usize,
    ) -> Option<bool> {
        if slicing.discriminators.is_empty() {
            return None;
        }
        let mut all = true;
        for (kind, path) in &slicing.discriminators {
            match self.told(value, slice, kind, path, depth) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = false,
            }
        }
        all.then_some(true)
    }

    /// Whether one discriminator puts a value into a slice.
    fn told(
        &mut self,
        value: Node<'d>,
        slice: &Branch,
        kind: &str,
        path: &str,
        depth: usize,
    ) -> Option<bool> {
        let values = self.reach(value, path)?;
        let (wanted, rest) = descend(slice, path);
        match kind {
            "exists" => {
                let branch = wanted.filter(|_| rest.is_empty())?;
                Some(if branch.max == Some(0) { values.is_empty() } else { !values.is_empty() })
            }
            "type" => {
                let branch = wanted.filter(|_| rest.is_empty())?;
                if branch.types.is_empty() {
                    let name = slice.slice.as_deref()?;
                    let tail = name.strip_prefix(slice.name.as_str())?;
                    let ends = |node: &Node<'d>| {
                        type_of(*node).is_some_and(|ty| ty.eq_ignore_ascii_case(tail))
                    };
                    return Some(values.iter().any(ends));
                }
                let fits = |node: &Node<'d>| {
                    let ty = type_of(*node);
                    branch.types.iter().any(|known| ty == Some(known.code.as_str()))
                };
                Some(values.iter().any(fits))
            }
            "profile" => {
                let branch = wanted.filter(|_| rest.is_empty())?;
                let urls: Vec<&String> = branch.types.iter().flat_map(|ty| &ty.profiles).collect();
                let urls = if urls.is_empty() { branch.targets.iter().collect() } else { urls };
                let mut known = None;
                for value in &values {
                    for url in &urls {
                        match self.conforms(*value, url, depth) {
                            Some(true) => return Some(true),
                            found => known = found.or(known),
                        }
                    }
                }
                if values.is_empty() { Some(false) } else { known }
            }
            // The URL of an extension is that of its definition.
            _ if path == "url" && wanted.is_none() => {
                let mut urls = slice.types.iter().flat_map(|ty| &ty.profiles).peekable();
                urls.peek()?;
                let urls: Vec<&str> =
                    urls.map(|url| url.split('|').next().unwrap_or(url)).collect();
                let of =
                    |node: &Node<'d>| node.string().is_some_and(|u| urls.contains(&u.as_ref()));
                Some(values.iter().any(of))
            }
            _ => self.says(&values, wanted?, &rest, depth),
        }
    }

    /// Whether values say what a slice fixes, binds or asks of them.
    fn says(
        &mut self,
        values: &[Node<'d>],
        branch: &Branch,
        rest: &[String],
        depth: usize,
    ) -> Option<bool> {
        let constant = branch.fixed.as_ref().map(|doc| (doc, true));
        let constant = constant.or(branch.pattern.as_ref().map(|doc| (doc, false)));
        if let Some((doc, exact)) = constant {
            let expected = within(doc.root().get("value")?, rest)?;
            let exact = exact && rest.is_empty();
            return Some(values.iter().any(|value| same(expected, *value, exact)));
        }
        if !rest.is_empty() {
            return None;
        }
        if let Some(set) = &branch.binding {
            let found: Vec<_> = values.iter().map(|v| self.coded_in(*v, set)).collect();
            if found.contains(&Some(true)) {
                return Some(true);
            }
            return if found.contains(&None) { None } else { Some(false) };
        }
        if branch.children.is_empty() {
            return None;
        }
        let mut any = false;
        for value in values {
            any |= self.trial(|check| {
                check.fact(*value, branch, depth + 1);
                true
            }) == Some(true);
        }
        Some(any)
    }

    /// Values at the path of a discriminator.
    fn reach(&self, value: Node<'d>, path: &str) -> Option<Vec<Node<'d>>> {
        if path == "$this" || path.is_empty() {
            return Some(vec![value]);
        }
        if let Some((before, after)) = path.split_once("resolve()") {
            let from = self.reach(value, before.trim_end_matches('.'))?;
            let targets = from.into_iter().filter_map(|node| self.resolved(node));
            let after = after.trim_start_matches('.');
            let found: Option<Vec<Vec<_>>> = targets.map(|node| self.reach(node, after)).collect();
            return found.map(|found| found.into_iter().flatten().collect());
        }
        FhirPath::parse(path).ok()?.try_select(value).ok()
    }
}

/// How a value stands to a limit of a profile: numbers, dates, and quantities of one unit;
/// none when that cannot be told.
///
/// Source: FHIR R4 elementdefinition.html#ElementDefinition.minValue_x_.
fn compared(node: Node<'_>, limit: Option<&Doc>) -> Option<Ordering> {
    let limit = limit?.root().get("value")?;
    if limit.kind() != NodeKind::Object {
        return order(node, limit);
    }
    let unit = |node: Node<'_>| {
        let text = |name: &str| node.get(name).and_then(|n| n.string()).map(|t| t.into_owned());
        (text("system"), text("code").or_else(|| text("unit")))
    };
    if unit(node) != unit(limit) || node.get("comparator").is_some() {
        return None;
    }
    order(node.get("value")?, limit.get("value")?)
}

/// Without a slicing of its own, extensions are told apart by their URL, a choice by type.
fn implied(branch: &Branch) -> Slicing {
    let (kind, path) = match branch.name.as_str() {
        "extension" | "modifierExtension" => ("value", "url"),
        _ if tables::is_choice(&branch.name) => ("type", "$this"),
        _ => return Slicing::default(),
    };
    Slicing { discriminators: vec![(kind.to_owned(), path.to_owned())], closed: false }
}

/// The branch a discriminator's path leads to in a slice, and the rest of the path when a
/// constant stands above its end.
fn descend<'b>(slice: &'b Branch, path: &str) -> (Option<&'b Branch>, Vec<String>) {
    let mut at = slice;
    let steps: Vec<&str> = path.split('.').filter(|step| *step != "$this").collect();
    for (n, step) in steps.iter().enumerate() {
        if at.fixed.is_some() || at.pattern.is_some() {
            let rest = steps.iter().skip(n).map(|step| (*step).to_owned());
            return (Some(at), rest.collect());
        }
        if step.contains('(') && !step.starts_with("extension(") {
            continue;
        }
        match at.child(step) {
            Some(child) => at = child,
            None => return (None, Vec::new()),
        }
    }
    (Some(at), Vec::new())
}

/// Follows names into a constant, through the first item of arrays.
fn within<'c>(constant: Node<'c>, rest: &[String]) -> Option<Node<'c>> {
    rest.iter()
        .try_fold(constant, |at, step| at.each().next()?.get(step))
        .and_then(|at| at.each().next())
}

/// Whether a value says what a constant says: all of it, and nothing else when `exact`.
fn same(constant: Node<'_>, value: Node<'_>, exact: bool) -> bool {
    match (constant.kind(), value.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            let has = |(name, inner): (&str, Node<'_>)| {
                value.get(name).is_some_and(|value| same(inner, value, exact))
            };
            constant.members().all(has)
                && (!exact || constant.members().count() == value.members().count())
        }
        (NodeKind::Array, NodeKind::Array) => {
            let has = |inner: Node<'_>| value.items().any(|value| same(inner, value, exact));
            constant.items().all(has)
                && (!exact || constant.items().count() == value.items().count())
        }
        (NodeKind::Number, NodeKind::Number) => {
            let read = |node: Node<'_>| node.number()?.parse::<rust_decimal::Decimal>().ok();
            constant.text() == value.text()
                || read(constant).zip(read(value)).is_some_and(|(a, b)| a == b)
        }
        (a, b) => a == b && constant.text() == value.text(),
    }
}

/// Names of a profile as they may be shown: definitions are no patient data, but a hostile
/// one is kept short.
fn shown(name: &str) -> &str {
    name.char_indices().nth(64).map_or(name, |(at, _)| name.get(..at).unwrap_or(name))
}
