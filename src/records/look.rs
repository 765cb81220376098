//! What the room asks of whoever keeps the versions, and what it gives to whoever serves
//! them.
//!
//! [`Look`] is small and knows nothing of FHIR searches: the store implements it over its
//! index. [`Reader`] is what a FHIR endpoint serves from; whatever is a `Look` is a `Reader`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Version;
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fhir::rest::Query;

/// A value under which a resource may be found, in clear. Patient data: `Debug` masks it; the
/// store keeps a keyed hash of it only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

/// Takes a version, and says whether to go on.
pub type Visit<'v> = &'v mut dyn FnMut(Version) -> Result<ControlFlow<()>, Fault>;

/// Sync reads of one collection. What is read is whole: a write is seen with all of its
/// versions or not at all.
pub trait Look {
    /// The latest version of a resource; a deleted one says so.
    ///
    /// # Errors
    /// Those of the store.
    fn latest(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault>;

    /// One version of a resource.
    ///
    /// # Errors
    /// Those of the store.
    fn version(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault>;

    /// Visits the latest versions of resources of a type, each once, deleted ones left out,
    /// in an order that stays the same; from behind the resource of the id `after` on.
    ///
    /// With `keys`, at least all those are visited that have a key of each of these lists;
    /// others may be, since the index holds hashes and may give up where they are many.
    ///
    /// # Errors
    /// Those of the store and of `visit`.
    fn visit(
        &self,
        kind: &str,
        keys: &[Vec<Key>],
        after: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<(), Fault>;

    /// Visits versions with their places, the latest first; those before the place `before`,
    /// where one is given.
    ///
    /// # Errors
    /// Those of the store and of `visit`.
    fn log(
        &self,
        scope: Scope<'_>,
        before: Option<Place>,
        visit: &mut dyn FnMut(Place, Version) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault>;

    /// Types with the number of their resources that are not deleted.
    ///
    /// # Errors
    /// Those of the store.
    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault>;
}

/// Where a version stands in the order of writing: numbers that rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64, pub u32);

/// Of what a history is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Of everything.
    System,
    /// Of a type.
    Type(&'a str),
    /// Of one resource: type and id.
    Instance(&'a str, &'a str),
}

/// A search, as it is asked of a [`Reader`].
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Type of the resources that are looked for; `None`: those that `_type` names, or all.
    pub kind: Option<&'a str>,
    /// The compartment they belong to.
    pub within: Option<Within<'a>>,
    /// The parameters.
    pub query: &'a Query,
    /// Whether parameters that are not known are refused (`Prefer: handling=strict`).
    pub strict: bool,
    /// The time, for `ap` of dates.
    pub now: Timestamp,
    /// Base of the endpoint, without a slash at its end: references below it are ours. Empty
    /// where it is not known.
    pub base: &'a str,
}

impl<'a> Search<'a> {
    /// A search of one type that passes over what is not known, at no base.
    #[must_use]
    pub const fn of(kind: &'a str, query: &'a Query, now: Timestamp) -> Self {
        Self { kind: Some(kind), ..Self::of_all(query, now) }
    }

    /// A search of all types, at no base.
    #[must_use]
    pub const fn of_all(query: &'a Query, now: Timestamp) -> Self {
        Self { kind: None, within: None, query, strict: false, now, base: "" }
    }
}

/// A compartment: all that belongs to one patient, encounter, practitioner, related person or
/// device.
///
/// Source: FHIR R4 compartmentdefinition.html.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    /// Type of the resource whose it is.
    pub kind: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Whether only what says of itself that it is about that resource counts, not what it
    /// performed or recorded.
    pub narrow: bool,
}

/// How much of each resource is shown (`_summary`, `_elements`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    #[default]
    Whole,
    /// These elements, and what is required to know it by.
    Elements(Vec<String>),
    /// The elements of its summary.
    Summary,
    /// Its narrative and what it must have.
    Text,
    /// All but its narrative.
    Data,
}

/// Why a resource is on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It matches.
    Match,
    /// It was asked for by `_include` or `_revinclude`.
    Include,
}

/// One page of what a search found. Patient data, the search among it: `Debug` masks it.
#[derive(Clone, Default)]
pub struct Page {
    /// How many match in all; `None` where counting on would cost too much.
    pub total: Option<u64>,
    /// Matches in order, then what was included.
    pub entries: Vec<(Mode, Version)>,
    /// The search as it was understood, encoded: the `self` link.
    pub this: String,
    /// The search of the next page, encoded.
    pub next: Option<String>,
    /// What was passed over: parameters that are not known.
    pub passed_over: Vec<String>,
    /// How much of each resource is shown.
    pub shown: Shown,
    /// How many resources were looked at for it.
    pub looks: u64,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} <phi>)", self.entries.len())
    }
}

/// One page of a history, the latest version first. Patient data: `Debug` masks it.
#[derive(Clone, Default)]
pub struct HistoryPage {
    /// How many versions there are in all; `None` where they were not counted.
    pub total: Option<u64>,
    /// The versions.
    pub versions: Vec<Version>,
    /// Places of those updates that made a deleted resource anew.
    pub anew: BTreeSet<usize>,
    /// The query of this page, encoded.
    pub this: String,
    /// The query of the next page, encoded.
    pub next: Option<String>,
}

impl fmt::Debug for HistoryPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HistoryPage({} <phi>)", self.versions.len())
    }
}

/// What a FHIR endpoint serves from. Blocking: reads of the index and the journal.
pub trait Reader: Send + Sync {
    /// The latest version of a resource; a deleted one says so.
    ///
    /// # Errors
    /// Those of the store.
    fn read(&self, kind: &str, id: &str) -> Result<Option<Version>, Fault>;

    /// One version of a resource.
    ///
    /// # Errors
    /// Those of the store.
    fn vread(&self, kind: &str, id: &str, number: u64) -> Result<Option<Version>, Fault>;

    /// One page of a search.
    ///
    /// # Errors
    /// `W7610` for a parameter that is not known when it is strict, `W7611` for a value that
    /// does not fit its parameter, `W7612` for a search that would look at too much, `W7613`
    /// for a page that is none of this search; those of the store.
    fn search(&self, search: &Search<'_>) -> Result<Page, Fault>;

    /// One page of a history (`_count`, `_since`, `_at`).
    ///
    /// # Errors
    /// As [`Reader::search`].
    fn history(&self, scope: Scope<'_>, query: &Query) -> Result<HistoryPage, Fault>;

    /// Types with the number of their resources that are not deleted.
    ///
    /// # Errors
    /// Those of the store.
    fn counts(&self) -> Result<Vec<(Arc<str>, u64)>, Fault>;
}
