//! A search, read: its conditions and what is wanted of the answer.
//!
//! Source: FHIR R4 search.html.

use std::collections::BTreeSet;

use super::look::Shown;
use super::parameter::{Kind, Parameter, parameter, parameters};
use super::term::{NoSuchModifier, Term, split};
use crate::fault::codes::{W7610, W7611, W7613};
use crate::fault::{Fault, Place};
use crate::fhir::rest::{self, Query};
use crate::fhir::tables;

/// Matches on a page when nothing is said.
pub(super) const COUNT: usize = 50;

/// Most matches on a page: a client that asks for more gets this many, as R4 allows.
pub(super) const COUNT_MAX: usize = 1000;

/// Most orders of one search, most `_include`s and most chains: nobody names more by hand.
const MANY: usize = 16;

/// Deepest chain: `subject:Patient.organization.name` has two steps.
const CHAIN_MAX: usize = 3;

/// Name of the parameter that the links to further pages carry.
pub(super) const PAGE: &str = "_page";

/// Name of the parameter that says which types a search of all of them is about.
pub(super) const TYPES: &str = "_type";

/// Parameters about the answer.
const CONTROLS: [&str; 9] =
    ["_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude", PAGE, TYPES];

/// Parameters about the form of an answer, which others care for.
const FORM: [&str; 3] = ["_format", "_pretty", "_contained"];

/// A search, read.
#[derive(Default)]
pub(super) struct Plan {
    pub terms: Vec<Term>,
    pub ids: Option<BTreeSet<String>>,
    pub chains: Vec<Chain>,
    pub orders: Vec<Order>,
    pub count: usize,
    pub count_only: bool,
    pub total: Total,
    pub includes: Vec<Include>,
    pub revincludes: Vec<Include>,
    pub shown: Shown,
    pub page: Option<PagePlace>,
}

/// How the number of all matches is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Total {
    /// When it costs little.
    #[default]
    Cheap,
    Accurate,
    None,
}

/// A condition on another resource.
pub(super) enum Chain {
    /// `subject:Patient.name=x`: one that a reference of this type names.
    Forward { reference: &'static Parameter, kinds: Vec<&'static str>, rest: String, value: String },
    /// `_has:Observation:patient:code=x`: one that names this one.
    Reverse { kind: String, reference: &'static Parameter, rest: String, value: String },
}

/// One order of `_sort`.
pub(super) struct Order {
    pub parameter: &'static Parameter,
    pub descending: bool,
}

/// `Type:parameter:Target` of `_include` or `_revinclude`, or `*` of `_include`.
pub(super) struct Include {
    /// Type of the resources that refer; none for any.
    pub kind: Option<String>,
    /// The parameters; of any type all that are references.
    pub references: Vec<&'static Parameter>,
    pub target: Option<String>,
    pub iterate: bool,
}

/// Behind which resource a page begins. What a link says of it is its address and no value
/// of it: links stand in logs of proxies.
#[derive(Clone)]
pub(super) struct PagePlace {
    /// Its type, where several are searched.
    pub kind: Option<String>,
    pub after: String,
    pub by: PageBy,
}

#[derive(Clone, Copy)]
pub(super) enum PageBy {
    /// How many came before it.
    Count(usize),
    /// The version that a sorted search placed: versions stay, so that the page begins at
    /// the same place when the resource has changed or is gone since.
    Version(u64),
}

impl PagePlace {
    pub fn write(&self) -> String {
        let kind = self.kind.as_ref().map_or_else(String::new, |kind| format!("{kind}~"));
        match self.by {
            PageBy::Count(count) => format!("{kind}{}~{count}", self.after),
            PageBy::Version(number) => format!("{kind}{}~v{number}", self.after),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (before, by) = text.rsplit_once('~')?;
        let (kind, after) = match before.split_once('~') {
            Some((kind, after)) => (Some(kind), after),
            None => (None, before),
        };
        let by = match by.strip_prefix('v') {
            Some(number) => PageBy::Version(number.parse().ok()?),
            None => PageBy::Count(by.parse().ok()?),
        };
        let fits = rest::is_id(after) && kind.is_none_or(tables::is_resource);
        fits.then(|| Self { kind: kind.map(str::to_owned), after: after.to_owned(), by })
    }
}

fn wrong(name: &'static str, why: &'static str) -> Fault {
    Fault::new(W7611).at(Place::path(name)).because(why)
}

/// Whether a search of a type knows a parameter.
pub(super) fn is_known(kind: &str, name: &str) -> bool {
    CONTROLS.contains(&name)
        || FORM.contains(&name)
        || matches!(name, "_id" | "_has")
        || parameter(kind, name).is_some()
}

impl Plan {
    /// Reads a search of one type, whose parameters are all known.
    ///
    /// # Errors
    /// `W7610` for a parameter that is not known, `W7611` for values and modifiers that do not
    /// fit, `W7613` for a page that is none.
    pub fn read(kind: &str, query: &Query) -> Result<Self, Fault> {
        let mut plan = Self { count: COUNT, ..Self::default() };
        for asked in query.iter() {
            let named = (asked.name.as_str(), asked.modifier.as_deref());
            if !plan.control(kind, asked)? && !plan.condition(kind, named, &asked.value, 0)? {
                return Err(unknown(&asked.name));
            }
        }
        if plan.count == 0 {
            plan.count_only = true;
        }
        if plan.count_only {
            plan.total = Total::Accurate;
        }
        let included = !plan.includes.is_empty() || !plan.revincludes.is_empty();
        if plan.shown == Shown::Text && included {
            return Err(wrong("_summary", "texts alone come without inclusions"));
        }
        Ok(plan)
    }

    /// Reads one condition of a chain as a search of its own.
    pub fn of_chain(kind: &str, rest: &str, value: &str, depth: usize) -> Result<Self, Fault> {
        let mut plan = Self::default();
        let (name, modifier) = match rest.find([':', '.']) {
            None => (rest, None),
            Some(at) if rest.as_bytes().get(at) == Some(&b':') => {
                (rest.get(..at).unwrap_or(rest), rest.get(at + 1..))
            }
            Some(at) => (rest.get(..at).unwrap_or(rest), rest.get(at..)),
        };
        if !plan.condition(kind, (name, modifier), value, depth)? {
            return Err(Fault::new(W7611).because("a chain ends in a parameter that is not known"));
        }
        Ok(plan)
    }

    /// Reads a parameter about the answer; whether it is one.
    fn control(&mut self, kind: &str, asked: &rest::Parameter) -> Result<bool, Fault> {
        let value = asked.value.as_str();
        match asked.name.as_str() {
            "_count" => {
                let count = value.parse::<u64>();
                let count = count.map_err(|_| wrong("_count", "it is not a number"))?;
                self.count = usize::try_from(count).unwrap_or(COUNT_MAX).min(COUNT_MAX);
            }
            "_sort" => {
                for part in value.split(',').filter(|part| !part.is_empty()) {
                    let (code, descending) = match part.strip_prefix('-') {
                        Some(code) => (code, true),
                        None => (part, false),
                    };
                    let Some(parameter) = parameter(kind, code) else {
                        return Err(wrong("_sort", "there is no such parameter to sort by"));
                    };
                    self.orders.push(Order { parameter, descending });
                }
            }
            "_total" => {
                self.total = match value {
                    "none" => Total::None,
                    "estimate" => Total::Cheap,
                    "accurate" => Total::Accurate,
                    _ => return Err(wrong("_total", "it is `none`, `estimate` or `accurate`")),
                };
            }
            "_summary" => {
                let shown = match value {
                    "count" => {
                        self.count_only = true;
                        return Ok(true);
                    }
                    "true" => Shown::Summary,
                    "text" => Shown::Text,
                    "data" => Shown::Data,
                    "false" => return Ok(true),
                    _ => return Err(wrong("_summary", "it is no summary that R4 has")),
                };
                // Elements that are named are wanted more than a summary.
                if self.shown == Shown::Whole {
                    self.shown = shown;
                }
            }
            "_elements" => {
                let names = value.split(',').map(str::trim).filter(|name| is_name(name));
                let mut all: Vec<String> = names.map(str::to_owned).collect();
                if let Shown::Elements(before) = &mut self.shown {
                    all.append(before);
                }
                if !all.is_empty() {
                    self.shown = Shown::Elements(all);
                }
            }
            // Which types are searched is decided before.
            TYPES => {}
            "_include" => self.includes.push(include("_include", asked)?),
            "_revinclude" => self.revincludes.push(include("_revinclude", asked)?),
            PAGE => {
                let page = PagePlace::read(value).ok_or_else(|| Fault::new(W7613))?;
                self.page = Some(page);
            }
            name => return Ok(FORM.contains(&name)),
        }
        let many = self.orders.len().max(self.includes.len()).max(self.revincludes.len());
        if many > MANY {
            return Err(Fault::new(W7611).because("it asks for too many orders or inclusions"));
        }
        Ok(true)
    }

    fn chain(&mut self, chain: Chain) -> Result<(), Fault> {
        self.chains.push(chain);
        match self.chains.len() > MANY {
            true => Err(Fault::new(W7611).because("it has too many chains")),
            false => Ok(()),
        }
    }

    /// Reads a condition; whether its parameter is known.
    fn condition(
        &mut self,
        kind: &str,
        (name, modifier): (&str, Option<&str>),
        value: &str,
        depth: usize,
    ) -> Result<bool, Fault> {
        if name == "_has" {
            self.chain(reverse(kind, modifier, value, depth)?)?;
            return Ok(true);
        }
        if (name, modifier) == ("_id", None) {
            let ids = split(value, ',').into_iter().map(str::to_owned);
            let ids: BTreeSet<String> = ids.filter(|id| rest::is_id(id)).collect();
            self.ids = Some(match self.ids.take() {
                Some(before) => before.intersection(&ids).cloned().collect(),
                None => ids,
            });
            return Ok(true);
        }
        let Some(parameter) = parameter(kind, name) else { return Ok(false) };
        if let Some(chain) = forward(parameter, modifier, value, depth)? {
            self.chain(chain)?;
            return Ok(true);
        }
        match Term::read(parameter, modifier, value) {
            Ok(term) => self.terms.push(term),
            Err(Ok(NoSuchModifier)) => {
                return Err(Fault::new(W7611)
                    .at(Place::path(parameter.code))
                    .because("the parameter does not have this modifier"));
            }
            Err(Err(fault)) => return Err(fault),
        }
        Ok(true)
    }
}

/// A parameter that is not known.
pub(super) fn unknown(name: &str) -> Fault {
    Fault::new(W7610).at(Place::path(if is_name(name) { name.to_owned() } else { "?".into() }))
}

/// Whether a text looks like the name of an element or a parameter, and may be shown.
fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn too_deep(depth: usize) -> Result<(), Fault> {
    let deep = depth >= CHAIN_MAX;
    if deep { Err(Fault::new(W7611).because("a chain has too many steps")) } else { Ok(()) }
}

/// The chain of `subject:Patient.name` and `subject.name`; none for other modifiers.
fn forward(
    reference: &'static Parameter,
    modifier: Option<&str>,
    value: &str,
    depth: usize,
) -> Result<Option<Chain>, Fault> {
    let Some((ty, rest)) = modifier.and_then(|modifier| modifier.split_once('.')) else {
        return Ok(None);
    };
    if reference.kind != Kind::Reference {
        return Err(Fault::new(W7611).because("a chain leads over a parameter without references"));
    }
    too_deep(depth)?;
    let kinds: Vec<&'static str> = match ty {
        // Without a type, every one that has the parameter and may stand there.
        "" => {
            let code = rest.split([':', '.']).next().unwrap_or(rest);
            let has = |kind: &&&'static str| parameter(kind, code).is_some();
            reference.targets.iter().filter(has).copied().collect()
        }
        ty => reference.targets.iter().filter(|kind| **kind == ty).copied().collect(),
    };
    if kinds.is_empty() {
        return Err(Fault::new(W7611)
            .at(Place::path(reference.code))
            .because("the chain leads to no type that has its parameter; name the type"));
    }
    let (rest, value) = (rest.to_owned(), value.to_owned());
    Ok(Some(Chain::Forward { reference, kinds, rest, value }))
}

/// The chain of `_has:Observation:patient:code`.
fn reverse(
    target: &str,
    modifier: Option<&str>,
    value: &str,
    depth: usize,
) -> Result<Chain, Fault> {
    let wrong = |why| Fault::new(W7611).at(Place::path("_has")).because(why);
    too_deep(depth)?;
    let mut parts = modifier.unwrap_or_default().splitn(3, ':');
    let (kind, code, rest) = (parts.next(), parts.next(), parts.next());
    let (Some(kind), Some(code), Some(rest)) = (kind, code, rest) else {
        return Err(wrong("it is `_has:Type:reference:parameter`"));
    };
    let reference = parameter(kind, code).filter(|p| p.kind == Kind::Reference);
    let reference = reference.ok_or_else(|| wrong("the type has no such reference"))?;
    if !reference.targets.is_empty() && !reference.targets.contains(&target) {
        return Err(wrong("the reference does not lead to the type that is searched"));
    }
    let (kind, rest, value) = (kind.to_owned(), rest.to_owned(), value.to_owned());
    Ok(Chain::Reverse { kind, reference, rest, value })
}

/// Reads `Type:parameter:Target`.
fn include(name: &'static str, asked: &rest::Parameter) -> Result<Include, Fault> {
    let iterate = match asked.modifier.as_deref() {
        None => false,
        Some("iterate" | "recurse") => true,
        Some(_) => return Err(wrong(name, "its modifier is `iterate`")),
    };
    if name == "_include" && asked.value == "*" {
        return Ok(Include { kind: None, references: Vec::new(), target: None, iterate });
    }
    let mut parts = asked.value.splitn(3, ':');
    let kind = parts.next().filter(|kind| tables::is_resource(kind));
    let kind = kind.ok_or_else(|| wrong(name, "it begins with a type of resource"))?;
    let code = parts.next().ok_or_else(|| wrong(name, "it is `Type:parameter`"))?;
    let references: Vec<&'static Parameter> = parameters(kind)
        .filter(|p| p.kind == Kind::Reference && (code == "*" || p.code == code))
        .collect();
    if references.is_empty() {
        return Err(wrong(name, "the type has no such reference"));
    }
    let target = parts.next().filter(|target| !target.is_empty()).map(str::to_owned);
    Ok(Include { kind: Some(kind.to_owned()), references, target, iterate })
}
