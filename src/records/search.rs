//! The evaluation of a search: candidates of the index, looked at one by one.
//!
//! The index gives at least those that fit (keyed hashes of their values); whether one does
//! is decided by the resource itself. So an index that knows too much, too little order or
//! two values under one hash changes how long a search takes, never what it finds.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::compartment::Member;
use super::kinds::Kinds;
use super::look::{HistoryPage, Look, Mode, Page, Place as Written, Reader, Scope, Search, Within};
use super::parameter::{Kind, Parameter, parameters};
use super::plan::{COUNT, COUNT_MAX, Chain, Include, Order, PAGE, PageBy, PagePlace, Plan, Total};
use super::rank::{Ranks, compare, ranks};
use super::span::Span;
use super::term::{Here, Term};
use super::values::Found;
use super::version::Method;
use super::{Key, Version};
use crate::base::Timestamp;
use crate::fault::codes::{W7611, W7612, W7613};
use crate::fault::{Fault, Place};
use crate::fhir::Doc;
use crate::fhir::rest::{QUERY_BYTES_MAX, Query};

/// Most resources that one search looks at, its chains and inclusions among them, so that it
/// holds up nobody for long. A search that no key narrows is refused there and says so.
pub(super) const LOOKS_MAX: usize = 50_000;

/// Most bytes of resources whose words one search compares (`_text`, `_content`): no key finds
/// them, and parting into words goes on at some 20 MB a second, so this is a few seconds.
pub(super) const WORDS_BYTES_MAX: usize = 64 << 20;

/// Resources looked at for the number of all matches when nobody asked for it.
const COUNT_ON: usize = 1000;

/// Most matches that are sorted: they are kept in memory by id and order.
const SORTED_MAX: usize = 20_000;

/// Most resources that a chain goes on with.
const CHAINED_MAX: usize = 1000;

/// Most resources on a page that were included.
const INCLUDED_MAX: usize = 1000;

/// Most rounds of `_include:iterate`.
const ROUNDS_MAX: usize = 5;

/// Longest search in a link, so that it is read again with the place of a page.
const LINK_BYTES_MAX: usize = QUERY_BYTES_MAX - 256;

/// How many resources may still be looked at: one number for all that a search or a Bundle
/// asks.
pub(super) struct Looks {
    rest: Cell<usize>,
    taken: Cell<u64>,
    /// Bytes of which words may still be compared.
    bytes: Cell<usize>,
}

impl Looks {
    pub fn new(most: usize) -> Self {
        Self { rest: Cell::new(most), taken: Cell::new(0), bytes: Cell::new(WORDS_BYTES_MAX) }
    }

    /// Allows more.
    pub fn allow(&self, more: usize) {
        self.rest.set(self.rest.get().saturating_add(more));
    }

    fn take(&self) -> Result<(), Fault> {
        let rest = self.rest.get().checked_sub(1);
        let rest =
            rest.ok_or_else(|| too_much("it would look at more resources than a search may"))?;
        self.rest.set(rest);
        self.taken.set(self.taken.get() + 1);
        Ok(())
    }

    /// Takes the words of a resource of so many bytes.
    fn take_words(&self, bytes: usize) -> Result<(), Fault> {
        let rest = self.bytes.get().checked_sub(bytes);
        let rest =
            rest.ok_or_else(|| too_much("it would compare more text than a search may read"))?;
        self.bytes.set(rest);
        Ok(())
    }
}

/// What is searched, when, and how much of it may be looked at.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub look: &'a dyn Look,
    pub now: Timestamp,
    /// Base of the endpoint; empty where it is not known.
    pub base: &'a str,
    pub looks: &'a Looks,
}

impl<'a> Run<'a> {
    const fn here(&self) -> Here<'a> {
        Here { now: self.now.micros(), base: self.base }
    }
}

/// What is asked of one type, chains resolved.
struct Asked<'a> {
    run: Run<'a>,
    kind: &'a str,
    terms: Vec<Term>,
    ids: Option<BTreeSet<String>>,
    /// The compartment it belongs to.
    member: Option<Member>,
    orders: Vec<Order>,
    looks: usize,
}

fn too_much(why: &'static str) -> Fault {
    Fault::new(W7612).because(why)
}

impl<'a> Asked<'a> {
    /// Everything of a type.
    const fn all(run: Run<'a>, kind: &'a str) -> Self {
        Self { run, kind, terms: Vec::new(), ids: None, member: None, orders: Vec::new(), looks: 0 }
    }

    /// Only what belongs to a compartment: by what it refers to, or as the resource itself
    /// whose compartment it is.
    fn within(mut self, within: &Within<'_>) -> Result<Self, Fault> {
        let member = Member::of(within, self.kind);
        if within.kind != self.kind {
            self.member = member;
            return Ok(self);
        }
        let mut own = BTreeSet::from([within.id.to_owned()]);
        if member.is_some() && !within.narrow {
            let mut linked = Self { member, ..Self::all(self.run, self.kind) };
            linked.each(None, &mut |version, _| {
                own.insert(version.id.to_string());
                if own.len() > CHAINED_MAX {
                    return Err(too_much("too many resources belong to its compartment"));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        self.ids = Some(match self.ids.take() {
            Some(before) => before.intersection(&own).cloned().collect(),
            None => own,
        });
        Ok(self)
    }

    fn fits(&mut self, version: &Version) -> Result<bool, Fault> {
        self.looks += 1;
        self.run.looks.take()?;
        if self.terms.is_empty() && self.member.is_none() {
            return Ok(true);
        }
        let texts = self.terms.iter().filter(|term| term.reads_words()).count();
        self.run.looks.take_words(version.body.len().saturating_mul(texts))?;
        let (doc, here) = (version.doc()?, self.run.here());
        let belongs = self.member.as_ref().is_none_or(|member| member.fits(doc.root(), here));
        Ok(belongs && self.terms.iter().all(|term| term.fits(doc.root(), here)))
    }

    /// Visits what fits, from behind `after` on.
    fn each(
        &mut self,
        after: Option<&str>,
        visit: &mut dyn FnMut(Version, usize) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        if let Some(ids) = self.ids.clone() {
            for id in ids.iter().filter(|id| after.is_none_or(|after| id.as_str() > after)) {
                let found = self.run.look.latest(self.kind, id)?.filter(|found| !found.deleted);
                let Some(version) = found else { continue };
                if self.fits(&version)? && visit(version, self.looks)?.is_break() {
                    break;
                }
            }
            return Ok(());
        }
        let here = self.run.here();
        let mut keys: Vec<Vec<Key>> = self.terms.iter().flat_map(|term| term.keys(here)).collect();
        keys.extend(self.member.as_ref().and_then(|member| member.keys(here)));
        let (look, kind) = (self.run.look, self.kind);
        look.visit(kind, &keys, after, &mut |version| {
            if self.fits(&version)? {
                visit(version, self.looks)
            } else {
                Ok(ControlFlow::Continue(()))
            }
        })
    }
}

/// Resolves the chains of a plan: conditions on this type alone, or none when a chain leads
/// nowhere.
fn asked<'a>(
    run: Run<'a>,
    kind: &'a str,
    plan: &mut Plan,
    depth: usize,
) -> Result<Option<Asked<'a>>, Fault> {
    let mut terms = std::mem::take(&mut plan.terms);
    let mut ids = plan.ids.take();
    for chain in std::mem::take(&mut plan.chains) {
        match chain {
            Chain::Forward { reference, kinds, rest, value } => {
                let mut to = Vec::new();
                for target in kinds {
                    for version in chained(run, target, (&rest, &value), depth)? {
                        to.push((target.to_owned(), version.id.to_string()));
                    }
                }
                if to.is_empty() {
                    return Ok(None);
                }
                terms.push(Term::refers(reference, to));
            }
            Chain::Reverse { kind: other, reference, rest, value } => {
                let mut named = BTreeSet::new();
                for version in chained(run, &other, (&rest, &value), depth)? {
                    let doc = version.doc()?;
                    named.extend(
                        referred(reference, &doc, run.base)
                            .filter(|(k, _)| k == kind)
                            .map(|(_, id)| id),
                    );
                }
                ids = Some(match ids.take() {
                    Some(before) => before.intersection(&named).cloned().collect(),
                    None => named,
                });
            }
        }
    }
    let orders = std::mem::take(&mut plan.orders);
    Ok(Some(Asked { terms, ids, orders, ..Asked::all(run, kind) }))
}

/// The resources that a step of a chain finds.
fn chained(
    run: Run<'_>,
    kind: &str,
    (rest, value): (&str, &str),
    depth: usize,
) -> Result<Vec<Version>, Fault> {
    let mut plan = Plan::of_chain(kind, rest, value, depth + 1)?;
    let mut found = Vec::new();
    if let Some(mut asked) = asked(run, kind, &mut plan, depth + 1)? {
        asked.each(None, &mut |version, _| {
            found.push(version);
            if found.len() > CHAINED_MAX {
                return Err(too_much("a step of its chain finds too many resources"));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(found)
}

/// Type and id of what a parameter of a resource refers to here.
fn referred<'b>(
    parameter: &Parameter,
    doc: &Doc,
    base: &'b str,
) -> impl Iterator<Item = (String, String)> + use<'b> {
    let values = parameter.values(doc.root()).unwrap_or_default();
    values.into_iter().filter_map(move |found| match found {
        Found::Reference(reference) => {
            reference.here(base).map(|(kind, id)| (kind.to_owned(), id.to_owned()))
        }
        _ => None,
    })
}

/// Runs a search.
pub(super) fn search(look: &dyn Look, search: &Search<'_>, looks: &Looks) -> Result<Page, Fault> {
    let kinds = Kinds::of(look, search)?;
    let passed_over = kinds.unknown(search)?;
    let names: Vec<&str> = passed_over.iter().map(String::as_str).collect();
    let understood = search.query.clone().without(&names);
    let this = understood.encode();
    if this.len() > LINK_BYTES_MAX {
        return Err(Fault::new(W7611).because("it is too long to stand in a link"));
    }
    let run = Run { look, now: search.now, base: search.base, looks };
    let first = kinds.names.first().map_or("Resource", String::as_str);
    let form = Plan::read(first, &understood)?;
    // Of several types a page begins in one of them; of one type its address says which.
    if form.page.as_ref().is_some_and(|place| place.kind.is_some() == search.kind.is_some()) {
        return Err(Fault::new(W7613));
    }
    let mut page = Page { this, passed_over, ..Page::default() };
    let found = if form.count_only && is_unconditional(&form) && search.within.is_none() {
        let counts = look.counts()?.into_iter();
        let own = counts.filter(|(kind, _)| kinds.names.iter().any(|name| **name == **kind));
        Matches { total: Some(own.map(|(_, count)| count).sum()), ..Matches::default() }
    } else {
        let mut all = Vec::with_capacity(kinds.names.len());
        for kind in &kinds.names {
            let mut plan = Plan::read(kind, &understood)?;
            let Some(asked) = asked(run, kind, &mut plan, 0)? else { continue };
            all.push(match &search.within {
                Some(within) => asked.within(within)?,
                None => asked,
            });
        }
        match form.orders.is_empty() || form.count_only {
            true => unsorted(&mut all, &form)?,
            false => sorted(&mut all, &form)?,
        }
    };
    page.total = found.total;
    if let Some(mut next) = found.next {
        // Where one type is searched, its address says which.
        next.kind = next.kind.filter(|_| search.kind.is_none());
        let place = Query::parse(&format!("{PAGE}={}", next.write()))?;
        page.next = Some(understood.without(&[PAGE]).and(place)?.encode());
    }
    page.entries = found.page.into_iter().map(|version| (Mode::Match, version)).collect();
    included(run, &form, &mut page)?;
    page.shown = form.shown;
    page.looks = looks.taken.get();
    Ok(page)
}

/// Whether a plan asks for everything of its type.
fn is_unconditional(plan: &Plan) -> bool {
    plan.terms.is_empty() && plan.ids.is_none() && plan.chains.is_empty()
}

/// Matches of a page.
#[derive(Default)]
struct Matches {
    page: Vec<Version>,
    total: Option<u64>,
    next: Option<PagePlace>,
}

/// Visits what fits of all types in turn, from behind a place on.
fn each_of(
    all: &mut [Asked<'_>],
    place: Option<&PagePlace>,
    visit: &mut dyn FnMut(Version, usize) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let (mut looks, mut done) = (0, false);
    for asked in all {
        let after = match place.map(|place| (place.kind.as_deref(), place.after.as_str())) {
            Some((Some(kind), _)) if kind > asked.kind => continue,
            Some((Some(kind), _)) if kind < asked.kind => None,
            Some((_, after)) => Some(after),
            None => None,
        };
        asked.looks = looks;
        asked.each(after, &mut |version, looks| {
            let flow = visit(version, looks)?;
            done = flow.is_break();
            Ok(flow)
        })?;
        looks = asked.looks;
        if done {
            break;
        }
    }
    Ok(())
}

/// In the order of the index: stops where the page is full, unless the rest is counted.
fn unsorted(all: &mut [Asked<'_>], plan: &Plan) -> Result<Matches, Fault> {
    let mut found = Matches::default();
    let (mut count, mut whole) = (0_u64, true);
    let want = if plan.count_only { 0 } else { plan.count };
    let first = plan.page.is_none();
    each_of(all, plan.page.as_ref(), &mut |version, looks| {
        count += 1;
        if found.page.len() < want {
            found.page.push(version);
            return Ok(ControlFlow::Continue(()));
        }
        let go_on = match plan.total {
            Total::Accurate => first,
            Total::Cheap => first && looks < COUNT_ON,
            Total::None => false,
        };
        whole = go_on;
        Ok(if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let before = match plan.page.as_ref().map(|page| page.by) {
        Some(PageBy::Count(count)) => count,
        _ => 0,
    };
    found.total = match (first, plan.total) {
        (_, Total::None) => None,
        (true, _) => whole.then_some(count),
        (false, Total::Accurate) => {
            let mut total = 0;
            each_of(all, None, &mut |_, _| {
                total += 1;
                Ok(ControlFlow::Continue(()))
            })?;
            Some(total)
        }
        (false, Total::Cheap) => None,
    };
    if count > found.page.len() as u64
        && let Some(last) = found.page.last()
    {
        let by = PageBy::Count(before.saturating_add(found.page.len()));
        let (kind, after) = (Some(last.kind.to_string()), last.id.to_string());
        found.next = Some(PagePlace { kind, after, by });
    }
    Ok(found)
}

/// A match that is sorted.
struct Sorted {
    ranks: Ranks,
    kind: Arc<str>,
    id: Arc<str>,
    number: u64,
}

impl Sorted {
    fn of(orders: &[Order], version: &Version) -> Result<Self, Fault> {
        let (kind, id, number) = (version.kind.clone(), version.id.clone(), version.number);
        Ok(Self { ranks: ranks(orders, &version.doc()?), kind, id, number })
    }

    fn cmp(&self, other: &Self, orders: &[Order]) -> Ordering {
        let by_name = || (&self.kind, &self.id).cmp(&(&other.kind, &other.id));
        compare(orders, &self.ranks, &other.ranks).then_with(by_name)
    }
}

fn sorted(all: &mut [Asked<'_>], plan: &Plan) -> Result<Matches, Fault> {
    let Some(run) = all.first().map(|asked| asked.run) else {
        let total = (plan.total != Total::None).then_some(0);
        return Ok(Matches { total, ..Matches::default() });
    };
    let mut found: Vec<Sorted> = Vec::new();
    let mut last = None;
    for asked in all {
        let orders = std::mem::take(&mut asked.orders);
        asked.each(None, &mut |version, _| {
            if found.len() >= SORTED_MAX {
                return Err(too_much("it finds more resources than can be sorted"));
            }
            found.push(Sorted::of(&orders, &version)?);
            Ok(ControlFlow::Continue(()))
        })?;
        if let Some(place) = &plan.page
            && place.kind.as_deref().is_none_or(|kind| kind == asked.kind)
        {
            last = Some(then(asked, place, &orders)?);
        }
    }
    found.sort_by(|a, b| a.cmp(b, &plan.orders));
    let begin = match (&plan.page, last) {
        (None, _) => 0,
        (Some(_), Some(last)) => found.partition_point(|own| own.cmp(&last, &plan.orders).is_le()),
        (Some(_), None) => return Err(Fault::new(W7613)),
    };
    let total = (plan.total != Total::None).then_some(found.len() as u64);
    let mut matches = Matches { total, ..Matches::default() };
    let rest = found.get(begin.min(found.len())..).unwrap_or_default();
    for own in rest.iter().take(plan.count) {
        let version = run.look.latest(&own.kind, &own.id)?.filter(|version| !version.deleted);
        matches.page.extend(version);
    }
    if rest.len() > plan.count
        && let Some(last) = rest.get(plan.count.saturating_sub(1))
    {
        let (kind, after) = (Some(last.kind.to_string()), last.id.to_string());
        matches.next = Some(PagePlace { kind, after, by: PageBy::Version(last.number) });
    }
    Ok(matches)
}

/// The last match of the page before as it was sorted then: it may have moved or gone since.
/// One that was no match is none, there or not: its place among others says what it holds.
fn then(asked: &mut Asked<'_>, place: &PagePlace, orders: &[Order]) -> Result<Sorted, Fault> {
    let PageBy::Version(number) = place.by else { return Err(Fault::new(W7613)) };
    let named = asked.ids.as_ref().is_none_or(|ids| ids.contains(&place.after));
    let version = match named {
        true => asked.run.look.version(asked.kind, &place.after, number)?,
        false => None,
    };
    let version = version.filter(|version| !version.deleted).ok_or_else(|| Fault::new(W7613))?;
    if !asked.fits(&version)? {
        return Err(Fault::new(W7613));
    }
    Sorted::of(orders, &version)
}

/// What is added to a page, each resource once.
struct Added {
    known: HashSet<String>,
    fresh: Vec<Version>,
    count: usize,
}

impl Added {
    fn push(&mut self, version: Version) -> Result<(), Fault> {
        if !self.known.insert(version.resource_address()) {
            return Ok(());
        }
        self.count += 1;
        if self.count > INCLUDED_MAX {
            return Err(too_much("it includes more resources than a page holds"));
        }
        self.fresh.push(version);
        Ok(())
    }
}

/// Adds what `_include` and `_revinclude` ask for.
fn included(run: Run<'_>, plan: &Plan, page: &mut Page) -> Result<(), Fault> {
    let known = page.entries.iter().map(|(_, version)| version.resource_address()).collect();
    let mut added = Added { known, fresh: Vec::new(), count: 0 };
    let mut last: Vec<Version> = page.entries.iter().map(|(_, v)| v.clone()).collect();
    for round in 0..ROUNDS_MAX {
        for include in plan.includes.iter().filter(|i| round == 0 || i.iterate) {
            let from = |v: &&Version| include.kind.as_ref().is_none_or(|kind| *v.kind == **kind);
            for version in last.iter().filter(from) {
                forward(run, include, version, &mut added)?;
            }
        }
        for include in plan.revincludes.iter().filter(|i| round == 0 || i.iterate) {
            backward(run, include, &last, &mut added)?;
        }
        last = std::mem::take(&mut added.fresh);
        if last.is_empty() {
            break;
        }
        page.entries.extend(last.iter().map(|version| (Mode::Include, version.clone())));
    }
    Ok(())
}

fn forward(
    run: Run<'_>,
    include: &Include,
    version: &Version,
    added: &mut Added,
) -> Result<(), Fault> {
    let doc = version.doc()?;
    let any = include.kind.is_none().then(|| parameters(&version.kind)).into_iter().flatten();
    let any = any.filter(|parameter| parameter.kind == Kind::Reference);
    for parameter in include.references.iter().copied().chain(any) {
        for (kind, id) in referred(parameter, &doc, run.base) {
            let wanted = include.target.as_ref().is_none_or(|target| *target == kind);
            if !wanted || added.known.contains(&format!("{kind}/{id}")) {
                continue;
            }
            run.looks.take()?;
            if let Some(found) = run.look.latest(&kind, &id)?.filter(|found| !found.deleted) {
                added.push(found)?;
            }
        }
    }
    Ok(())
}

fn backward(
    run: Run<'_>,
    include: &Include,
    last: &[Version],
    added: &mut Added,
) -> Result<(), Fault> {
    let wanted = last.iter().filter(|v| include.target.as_ref().is_none_or(|t| *v.kind == **t));
    let to: Vec<(String, String)> =
        wanted.map(|v| (v.kind.to_string(), v.id.to_string())).collect();
    let Some(kind) = include.kind.as_deref().filter(|_| !to.is_empty()) else { return Ok(()) };
    for parameter in &include.references {
        let terms = vec![Term::refers(parameter, to.clone())];
        let mut asked = Asked { terms, ..Asked::all(run, kind) };
        asked.each(None, &mut |version, _| {
            added.push(version)?;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

/// The first `most` resources that fit a condition of a write.
///
/// # Errors
/// `W7610` and `W7611` for a condition that is not understood: nothing may be written by one.
pub(super) fn first(
    run: Run<'_>,
    kind: &str,
    query: &Query,
    most: usize,
) -> Result<Vec<Version>, Fault> {
    let query = query.clone().criteria();
    let mut plan = Plan::read(kind, &query)?;
    if is_unconditional(&plan) {
        return Err(Fault::new(W7611).because("the condition of a write is empty"));
    }
    let mut found = Vec::new();
    if let Some(mut asked) = asked(run, kind, &mut plan, 0)? {
        asked.each(None, &mut |version, _| {
            found.push(version);
            let full = found.len() >= most;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(found)
}

/// Runs a history.
pub(super) fn history(
    look: &dyn Look,
    scope: Scope<'_>,
    query: &Query,
) -> Result<HistoryPage, Fault> {
    let wrong = |name: &'static str| Fault::new(W7611).at(Place::path(name));
    let count = match query.first("_count") {
        None => COUNT,
        Some(text) => text.parse::<usize>().map_err(|_| wrong("_count"))?.min(COUNT_MAX),
    };
    let since = match query.first("_since") {
        None => None,
        Some(text) => Some(Span::parse(text).ok_or_else(|| wrong("_since"))?.low),
    };
    let at = match query.first("_at") {
        None => None,
        Some(text) => Some(Span::parse(text).ok_or_else(|| wrong("_at"))?),
    };
    let looks = Looks::new(LOOKS_MAX);
    let before = match query.first(PAGE) {
        None => None,
        Some(text) => Some(written(text).ok_or_else(|| Fault::new(W7613))?),
    };
    let mut page = HistoryPage { this: query.encode(), ..HistoryPage::default() };
    let (mut last, mut more) = (None, false);
    look.log(scope, before, &mut |place, version| {
        // Times of versions never fall, so all that follow are older.
        if since.is_some_and(|since| version.at.micros() < since) {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(at) = at {
            looks.take()?;
            if !was_current(look, &version, at)? {
                return Ok(ControlFlow::Continue(()));
            }
        }
        if page.versions.len() >= count {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        last = Some(place);
        if version.method == Method::Put && version.number > 1 {
            let before = look.version(&version.kind, &version.id, version.number - 1)?;
            if before.is_some_and(|before| before.deleted) {
                page.anew.insert(page.versions.len());
            }
        }
        page.versions.push(version);
        Ok(ControlFlow::Continue(()))
    })?;
    if before.is_none() && !more {
        page.total = Some(page.versions.len() as u64);
    } else if let (Scope::Instance(kind, id), None, None) = (scope, since, at) {
        page.total = look.latest(kind, id)?.map(|version| version.number);
    }
    if let Some(Written(position, slot)) = last.filter(|_| more) {
        let place = Query::parse(&format!("{PAGE}={position}.{slot}"))?;
        page.next = Some(query.clone().without(&[PAGE]).and(place)?.encode());
    }
    Ok(page)
}

/// Whether a version was the resource at some point of a time.
///
/// Source: FHIR R4 http.html#history, `_at`.
fn was_current(look: &dyn Look, version: &Version, at: Span) -> Result<bool, Fault> {
    if version.deleted || version.at.micros() >= at.high {
        return Ok(false);
    }
    let next = look.version(&version.kind, &version.id, version.number + 1)?;
    Ok(next.is_none_or(|next| next.at.micros() > at.low))
}

fn written(text: &str) -> Option<Written> {
    let (position, slot) = text.split_once('.')?;
    Some(Written(position.parse().ok()?, slot.parse().ok()?))
}

impl<L: Look + Send + Sync> Reader for L {
    fn read(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault> {
        self.latest(kind, id)
    }

    fn vread(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault> {
        self.version(kind, id, number)
    }

    fn search(&self, wanted: &Search<'_>) -> Result<Page, Fault> {
        search(self, wanted, &Looks::new(LOOKS_MAX))
    }

    fn history(&self, scope: Scope<'_>, query: &Query) -> Result<HistoryPage, Fault> {
        history(self, scope, query)
    }

    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault> {
        Look::counts(self)
    }
}

#[cfg(test)]
mod tests;
