//! Transactions and batches: what their entries ask for, in which order that is done, and
//! the links between them.
//!
//! Pure and without a server: whoever applies a Bundle reads it with [`Transaction::read`],
//! gives each entry the [`Identity`] that its resource has or gets, resolves the
//! [`Conditional`] references, and takes each resource with its links written anew from
//! [`Links::rewrite`]. All of it is linear in the size of the Bundle; that entries refer to
//! each other in circles does not matter, since links are looked up and never followed.
//!
//! Source: FHIR R4 http.html#transaction, http.html#trules, bundle.html#references.

mod links;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::rest::{self, Conditions, Id, Interaction, Kind, Query, Refused};
use super::{Doc, Node, NodeKind};
use crate::fault::codes::{W2752, W2790, W2791, W2792};
use crate::fault::{Fault, Place};

pub use links::Links;

/// Where a resource is or will be: what links to it are written as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Type.
    pub kind: Kind,
    /// Id on the server.
    pub id: Id,
    /// Version that the link shall keep, where it is to keep one.
    pub version: Option<Id>,
}

impl Identity {
    /// `Patient/1`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/{}", self.kind, self.id.as_str())
    }
}

/// One entry of a Bundle.
#[derive(Clone)]
pub struct Entry<'d> {
    /// Its place in the Bundle, from 0.
    pub index: usize,
    /// Its `fullUrl`.
    pub full_url: Option<Cow<'d, str>>,
    /// What it asks for; of a batch, also why it cannot be done.
    pub request: Result<Interaction, Refused>,
    /// Its resource.
    pub resource: Option<Node<'d>>,
}

/// A Bundle of type `transaction` or `batch`, read.
pub struct Transaction<'d> {
    is_batch: bool,
    entries: Vec<Entry<'d>>,
}

/// A reference by a search, to be resolved by whoever has the resources. `Debug` shows only
/// where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Conditional {
    /// The reference as it is written, for [`Links::found`].
    pub text: String,
    /// Type that is searched.
    pub kind: Kind,
    /// The search; never empty.
    pub search: Query,
    /// Where it stands first: `Bundle.entry[2].resource.subject.reference`.
    pub place: String,
}

impl fmt::Debug for Conditional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conditional({} at {}, <phi>)", self.kind, self.place)
    }
}

impl Conditional {
    /// Why the whole transaction fails when not exactly one resource was found.
    ///
    /// Source: FHIR R4 http.html#trules, "Conditional References".
    #[must_use]
    pub fn refused(&self, found: usize) -> Refused {
        let cause = if found == 0 { "it finds nothing" } else { "it finds several resources" };
        let fault = Fault::new(W2792).at(Place::path(self.place.clone())).because(cause);
        Refused { status: 412, fault, allow: "" }
    }
}

impl<'d> Transaction<'d> {
    /// Reads the entries of a Bundle with their requests.
    ///
    /// # Errors
    /// `W2752` (400) for a Bundle of another type, an entry without request, or a `fullUrl`
    /// that two entries of a transaction have. Of a transaction, where one bad entry spoils
    /// all, also `W2320` to `W2326` and `W2791` (400) for a request or resource that does
    /// not fit, and `W2790` (400) for two entries that change one resource; a batch has
    /// these in the [`Entry::request`] that is bad.
    pub fn read(bundle: &'d Doc) -> Result<Self, Refused> {
        let root = bundle.root();
        let kind = root.get("type").and_then(|kind| kind.string());
        let is_batch = match (root.resource_type().as_deref(), kind.as_deref()) {
            (Some("Bundle"), Some("transaction")) => false,
            (Some("Bundle"), Some("batch")) => true,
            _ => return Err(broken("Bundle.type", "it is neither transaction nor batch")),
        };
        let mut entries = Vec::new();
        let mut urls: HashMap<Cow<'d, str>, usize> = HashMap::new();
        let mut targets = Targets::default();
        let listed = root.get("entry").into_iter().flat_map(|all| all.items());
        for (index, node) in listed.enumerate() {
            let entry = Entry::read(index, node);
            if !is_batch {
                entry.request.as_ref().map_err(Clone::clone)?;
                let url = entry.full_url.clone();
                if url.is_some_and(|url| urls.insert(url, index).is_some()) {
                    let place = format!("Bundle.entry[{index}].fullUrl");
                    return Err(broken(&place, "another entry has the same `fullUrl`"));
                }
                targets.claim_written(&entry)?;
            }
            entries.push(entry);
        }
        Ok(Self { is_batch, entries })
    }

    /// Whether each entry stands for itself, so that links between them are not rewritten.
    #[must_use]
    pub const fn is_batch(&self) -> bool {
        self.is_batch
    }

    /// The entries in the order of the Bundle, which is that of the answer.
    #[must_use]
    pub fn entries(&self) -> &[Entry<'d>] {
        &self.entries
    }

    /// The entries in the order in which they are done: what deletes, creates, changes,
    /// and what only reads; among these as in the Bundle. Entries of a batch that ask for
    /// nothing that can be done come last.
    ///
    /// Source: FHIR R4 http.html#trules.
    #[must_use]
    pub fn order(&self) -> Vec<&Entry<'d>> {
        let mut all: Vec<&Entry<'d>> = self.entries.iter().collect();
        all.sort_by_key(|entry| entry.request.as_ref().map_or(5, turn));
        all
    }

    /// The references by a search in the resources that are written, each once. None of a
    /// batch, for which the specification has none.
    ///
    /// # Errors
    /// `W2325` and `W2321` (400) for a search that cannot be read, `W2792` (412) for one
    /// without parameters.
    pub fn conditional(&self) -> Result<Vec<Conditional>, Refused> {
        let mut all: Vec<Conditional> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let writing = self.entries.iter().filter(|entry| !self.is_batch && entry.writes());
        for entry in writing {
            let Some(resource) = entry.resource else { continue };
            links::references(resource, &mut |node, text| {
                if text.contains('?') && links::is_search(text) && seen.insert(text.to_owned()) {
                    all.push(conditional(place(entry, resource, node), text)?);
                }
                Ok(())
            })?;
        }
        Ok(all)
    }

    /// The links that the entries' resources are found by: `identity` says where the
    /// resource of an entry is or will be; nothing for those that are not rewritten.
    #[must_use]
    pub fn links(&self, mut identity: impl FnMut(&Entry<'d>) -> Option<Identity>) -> Links {
        let mut links = Links::default();
        for entry in self.entries.iter().filter(|_| !self.is_batch) {
            let Some(url) = &entry.full_url else { continue };
            if let Some(identity) = identity(entry) {
                links.add(url, identity);
            }
        }
        links
    }
}

impl<'d> Entry<'d> {
    fn read(index: usize, node: Node<'d>) -> Self {
        let full_url = node.get("fullUrl").and_then(|url| url.string());
        let resource = node.get("resource").filter(|node| node.kind() == NodeKind::Object);
        let request = asked(index, node, resource);
        Self { index, full_url, request, resource }
    }

    /// Whether it may change something.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.request.as_ref().is_ok_and(Interaction::writes)
    }

    /// Its path: `Bundle.entry[3]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("Bundle.entry[{}]", self.index)
    }
}

fn asked(index: usize, node: Node<'_>, resource: Option<Node<'_>>) -> Result<Interaction, Refused> {
    let path = |name: &str| format!("Bundle.entry[{index}].{name}");
    let Some(request) = node.get("request") else {
        return Err(broken(&path("request"), "the entry has no request"));
    };
    let text = |name: &str| request.get(name).and_then(|node| node.string());
    let (Some(method), Some(url)) = (text("method"), text("url")) else {
        return Err(broken(&path("request"), "the request has no method or no url"));
    };
    let members = ["ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"].map(text);
    let [if_match, if_none_match, if_none_exist, if_modified_since] = &members;
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        if_none_exist: if_none_exist.as_deref(),
        if_modified_since: if_modified_since.as_deref(),
    };
    let asked = rest::entry(&method, &url, conditions).map_err(|refused| Refused {
        fault: refused.fault.at(Place::path(path("request"))),
        ..refused
    })?;
    let bad = |cause: &'static str| {
        let fault = Fault::new(W2791).at(Place::path(path("resource"))).because(cause);
        Refused { status: 400, fault, allow: "" }
    };
    let needs = matches!(
        asked,
        Interaction::Create { .. }
            | Interaction::Update { .. }
            | Interaction::ConditionalUpdate { .. }
            | Interaction::Patch { .. }
            | Interaction::ConditionalPatch { .. }
    );
    match resource {
        None if needs => Err(bad("the entry has no resource")),
        Some(resource) if needs => {
            let inside = |fault: Fault| Refused::from(fault.at(Place::path(path("resource"))));
            rest::addressed(&asked, resource).map_err(inside)?;
            Ok(asked)
        }
        _ => Ok(asked),
    }
}

/// When an interaction is done.
const fn turn(interaction: &Interaction) -> u8 {
    match interaction {
        Interaction::Delete { .. } | Interaction::ConditionalDelete { .. } => 0,
        Interaction::Create { .. } | Interaction::Operation { .. } => 1,
        Interaction::Bundle | Interaction::ProcessMessage { .. } => 1,
        Interaction::Update { .. }
        | Interaction::ConditionalUpdate { .. }
        | Interaction::Patch { .. }
        | Interaction::ConditionalPatch { .. } => 2,
        Interaction::Capabilities
        | Interaction::Read { .. }
        | Interaction::Vread { .. }
        | Interaction::Search { .. }
        | Interaction::History { .. } => 3,
    }
}

fn broken(path: &str, cause: &'static str) -> Refused {
    let fault = Fault::new(W2752).at(Place::path(path.to_owned())).because(cause);
    Refused { status: 400, fault, allow: "" }
}

/// Where a node stands, without counting the entries before it.
fn place(entry: &Entry<'_>, resource: Node<'_>, node: Node<'_>) -> String {
    let up = std::iter::successors(Some(node), |node| node.parent());
    let steps: Vec<Node<'_>> = up.take_while(|node| *node != resource).collect();
    let mut out = entry.path() + ".resource";
    for step in steps.iter().rev() {
        out.push_str(&match (step.name(), step.index()) {
            (Some(name), _) => format!(".{}", super::doc::shown(name)),
            (None, index) => format!("[{}]", index.unwrap_or_default()),
        });
    }
    out
}

fn conditional(place: String, text: &str) -> Result<Conditional, Refused> {
    let at = |fault: Fault| Refused::from(fault.at(Place::path(place.clone())));
    let (kind, search) = text.split_once('?').unwrap_or((text, ""));
    let kind = links::resource_name(kind).ok_or_else(|| at(Fault::new(W2792)))?;
    let search = Query::parse(search).map_err(at)?.criteria();
    if search.is_empty() {
        let fault = Fault::new(W2792).at(Place::path(place)).because("it names no parameter");
        return Err(Refused { status: 412, fault, allow: "" });
    }
    Ok(Conditional { text: text.to_owned(), kind, search, place })
}

/// The resources that entries change: each at most once in a transaction.
///
/// [`Transaction::read`] refuses what can be seen in the Bundle alone; conditional requests
/// name their resource only when they are resolved, and are claimed then.
///
/// Source: FHIR R4 http.html#trules: "if any resource identities overlap in steps 1-3, then
/// the transaction SHALL fail".
#[derive(Default)]
pub struct Targets(HashMap<(Kind, Id), usize>);

impl Targets {
    /// Notes that an entry changes a resource.
    ///
    /// # Errors
    /// `W2790` (400) when another entry does, too.
    pub fn claim(&mut self, entry: &Entry<'_>, kind: Kind, id: &Id) -> Result<(), Refused> {
        let before = self.0.insert((kind, id.clone()), entry.index);
        let Some(other) = before.filter(|other| *other != entry.index) else { return Ok(()) };
        let cause = format!("`Bundle.entry[{other}]` changes the same resource");
        let fault = Fault::new(W2790).at(Place::path(entry.path())).because(cause);
        Err(Refused { status: 400, fault, allow: "" })
    }

    /// Notes the resource that the request of an entry names by its id, if it does.
    ///
    /// # Errors
    /// As [`Targets::claim`].
    pub fn claim_written(&mut self, entry: &Entry<'_>) -> Result<(), Refused> {
        let Ok(asked) = &entry.request else { return Ok(()) };
        match (asked, asked.kind(), asked.id()) {
            (Interaction::Operation { .. }, ..) => Ok(()),
            (asked, Some(kind), Some(id)) if asked.writes() => self.claim(entry, kind, id),
            _ => Ok(()),
        }
    }
}
