//! Validation: what of a message is not as its version, its structure and its site say.
//!
//! The levels go from the bytes up: syntax, structure, types, vocabulary, relations between
//! fields, order in time. A finding names a place and a definition, never a value, and is
//! graded by a [`Profile`]. Rules in the mapping language stand above this room and add
//! their findings to the same list.
//!
//! Invariant: checking never fails, never changes a message, and takes time linear in its
//! length; a message without findings costs no allocation below the segment.

mod finding;
mod notes;
mod profile;
mod relations;
mod schema;
mod value;
mod walk;

use std::sync::{Arc, Mutex, OnceLock, Weak};

pub use finding::{Finding, Findings};
pub use profile::{Grade, KINDS, Level, Order, Profile, kind};

use self::notes::{Notes, Spot};
use self::schema::Schema;
use self::value::Moment;
use self::walk::Walk;
use super::message::Message;
use super::scan::SegmentId;
use super::structure::Tree;
use super::tables::{self, Site, VERSIONS, Version};
use super::tolerance::Tolerance;
use crate::fault::codes as w;

/// Most findings that are listed of one message; more say nothing new to a person, and a
/// message of a million broken values must not make a list of a million.
pub const FINDINGS_MAX: usize = 500;

/// Checks messages by the tables, the additions of a site, and a profile.
///
/// Cheap to clone: clones share what was compiled.
#[derive(Clone)]
pub struct Checker(Arc<Inner>);

struct Inner {
    site: Site,
    profile: Profile,
    schemas: Arc<Schemas>,
}

/// The versions, each compiled when first met.
type Schemas = [OnceLock<Schema>; VERSIONS];

/// What is compiled for a site: checkers of one site share it.
fn schemas(site: &Site) -> Arc<Schemas> {
    static KNOWN: Mutex<Vec<(Site, Weak<Schemas>)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    known.retain(|(_, schemas)| schemas.strong_count() > 0);
    if let Some(found) = known.iter().find(|(of, _)| of == site).and_then(|(_, s)| s.upgrade()) {
        return found;
    }
    let made = Arc::new([const { OnceLock::new() }; VERSIONS]);
    known.push((site.clone(), Arc::downgrade(&made)));
    made
}

impl Checker {
    /// Makes a checker; versions are compiled when first met.
    #[must_use]
    pub fn new(site: Site, profile: Profile) -> Self {
        let schemas = schemas(&site);
        Self(Arc::new(Inner { site, profile, schemas }))
    }

    /// The checker of the standard alone.
    #[must_use]
    pub fn standard() -> &'static Self {
        static STANDARD: OnceLock<Checker> = OnceLock::new();
        STANDARD.get_or_init(|| Self::new(Site::NONE, Profile::default()))
    }

    /// The profile that grades.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// The site whose definitions count.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    fn schema(&self, version: &'static Version) -> Option<&Schema> {
        let cell = self.0.schemas.get(version.ordinal())?;
        Some(cell.get_or_init(|| Schema::new(version, &self.0.site)))
    }

    /// Checks a message.
    #[must_use]
    pub fn check(&self, message: &Message) -> Findings {
        let header = message.header();
        let stated = header.version();
        let wanted = self.0.profile.hl7.as_deref().unwrap_or(&stated);
        let (version, is_exact) = tables::version(wanted);
        let mut notes = Notes::new(message, version, &self.0.site, &self.0.profile);
        if !is_exact {
            unknown_version(&mut notes, &stated, version);
        }
        syntax(&mut notes, message);
        if let Some(schema) = self.schema(version) {
            let mut walk = Walk::new(message, schema, &mut notes);
            for index in 0..message.segment_count() {
                let id = message.segment_id(index).unwrap_or(SegmentId::NONE);
                let raw = message.segment(index).map_or(&[][..], |segment| segment.raw());
                walk.segment(index, id, raw);
            }
        }
        let tree = message.tree();
        structure(&mut notes, message, (tree, version));
        for order in &self.0.profile.orders {
            order.check(&mut notes, message);
        }
        let mut findings = notes.findings;
        findings.structure = tree.structure().map(Arc::from);
        if !findings.list.is_empty() {
            place(&mut findings, tree);
        }
        findings
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checker({:?}, {:?})", self.0.profile.name, self.0.site)
    }
}

#[cold]
fn unknown_version(notes: &mut Notes<'_, '_>, stated: &str, version: &Version) {
    let spot = Spot { field: 12, ..Spot::of(0) };
    let read = format!("the message is read as {}", version.name);
    let code = if stated.trim().is_empty() { w::W2012 } else { w::W2013 };
    notes.add(code, spot, read.into());
}

/// What was read past, and whether the bytes fit their character set.
fn syntax(notes: &mut Notes<'_, '_>, message: &Message) {
    let tolerances = message.tolerances();
    for tolerance in Tolerance::ALL {
        // Lines without a name are found one by one.
        let is_news = tolerance.is_notable() && tolerance != Tolerance::UnnamedSegment;
        if is_news && tolerances.contains(tolerance) {
            notes.note(w::W2124, Spot::of(0), tolerance.phrase());
        }
    }
    if let Err(fault) = message.check_charset() {
        let path = fault.place().path.as_deref().and_then(|p| super::Path::parse(p).ok());
        let nth = |path: super::Path| message.places_of(&path).next();
        let spot = match (fault.code() == w::W2061, path.and_then(nth)) {
            (false, Some(segment)) => Spot::of(segment),
            _ => Spot { field: 18, ..Spot::of(0) },
        };
        notes.note(fault.code(), spot, fault.code().row().phrase);
    }
}

fn structure(
    notes: &mut Notes<'_, '_>,
    message: &Message,
    (tree, version): (&Tree, &'static Version),
) {
    let header = message.header();
    for deviation in tree.deviations() {
        notes.deviation(deviation);
    }
    notes.findings.unlisted += tree.deviation_count() - tree.deviations().len();
    if tree.structure().is_none() {
        let spot = Spot { field: 9, ..Spot::of(0) };
        notes.note(w::W2120, spot, "neither MSH-9.3 nor the event leads to a structure");
        return;
    }
    let named = header.structure();
    if named.is_empty() {
        return;
    }
    let event = header.trigger_event();
    if let Some(expected) = version.event(&header.message_code(), &event)
        && *expected != *named
        // A structure that the event of the same name has is named by it, in some tables.
        && version.structure(&named).is_some_and(|_| version.structure(expected).is_some())
    {
        let spot = Spot { field: 9, component: 3, repetition: 1, ..Spot::of(0) };
        notes.add(w::W2123, spot, format!("the event has the structure {expected}").into());
    }
}

/// Fills in the groups around what was found, in one walk over the tree.
#[cold]
fn place(findings: &mut Findings, tree: &Tree) {
    let ordinals = tree.ordinals();
    for finding in &mut findings.list {
        if let Some(node) = finding.segment.and_then(|segment| tree.node(segment)) {
            finding.group = tree.group_path(node, &ordinals);
        }
    }
    // What is missing comes last.
    findings.list.sort_by_key(|finding| finding.segment.unwrap_or(usize::MAX));
}

impl Order {
    fn check(&self, notes: &mut Notes<'_, '_>, message: &Message) {
        let read = |path: &super::Path| {
            let value = message.read(path)?;
            Moment::read(value.subcomponent(1)?.raw()).ok()
        };
        let (Some(first), Some(then)) = (read(&self.first), read(&self.then)) else { return };
        if first.order(&then) != std::cmp::Ordering::Greater {
            return;
        }
        let Some(segment) = message.places_of(&self.then).next() else { return };
        let field = u32::try_from(self.then.field().unwrap_or(0)).unwrap_or(0);
        let spot = Spot { field, ..Spot::of(segment) };
        notes.ruled((w::W2117, self.severity), spot, self.message.clone());
    }
}

#[cfg(test)]
mod tests;
