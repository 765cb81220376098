//! The RESTful API of R4 without HTTP: which interaction a request asks for.
//!
//! [`parse`] makes an [`Interaction`] from method, path below the base, query and the few
//! headers that matter; [`entry`] makes the same from an entry of a Bundle; [`wrapped`] turns
//! a write with a condition into the Bundle that carries it. Nothing here looks into content
//! or knows what a server has. The invariant: what came out of `parse` holds a type of R4 and
//! ids that are ids, so that no part of an address can mean anything else to anyone behind.
//!
//! Source: FHIR R4 http.html.

mod entries;
mod headers;
mod query;
mod wrap;

use std::fmt;
use std::sync::Arc;

use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fault::codes::{W2320, W2321, W2322, W2323, W2324, W2325};
use crate::fhir::tables;

pub use entries::{Entry, clean, entries};
pub use headers::{Prefer, Return, Tags, etag, http_date, reason, status_line, version};
pub use query::{PARAMETERS_MAX, Parameter, QUERY_BYTES_MAX, Query};
pub use wrap::{Change, addressed, message_type, message_type_of, unwrapped, wrapped};

/// Longest path below the base: type, id, `_history` and version with room to spare.
pub const PATH_BYTES_MAX: usize = 256;

/// Longest id of a resource or version.
///
/// Source: FHIR R4 datatypes.html#id.
pub const ID_BYTES_MAX: usize = 64;

/// A name of a type of resource, as the tables hold it.
pub type Kind = &'static str;

/// The id of a resource or of a version: 1 to 64 letters, digits, `-` and `.`, not dots alone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Arc<str>);

impl Id {
    /// Reads an id; `None` for what is none. Dots alone are refused though R4 allows them:
    /// in an address they mean a step up.
    ///
    /// Source: FHIR R4 datatypes.html#id; RFC 3986 §5.2.4.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Id {
    /// Ids are made by servers, but some are made of identifiers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

/// Whether a text is an id that can stand in an address.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(fits)
        && text.bytes().any(|b| b != b'.')
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Interaction {
    /// `GET metadata`.
    Capabilities,
    /// `GET Type/id`.
    Read {
        /// Type.
        kind: Kind,
        /// Id.
        id: Id,
        /// Answered by 304 when it is one of these versions.
        if_none_match: Option<Tags>,
        /// Answered by 304 when nothing changed since.
        if_modified_since: Option<Timestamp>,
    },
    /// `GET Type/id/_history/version`.
    Vread {
        /// Type.
        kind: Kind,
        /// Id.
        id: Id,
        /// Version.
        version: Id,
    },
    /// `PUT Type/id`.
    Update {
        /// Type.
        kind: Kind,
        /// Id.
        id: Id,
        /// Only when this is the current version.
        if_match: Option<Tags>,
    },
    /// `PUT Type?search`.
    ConditionalUpdate {
        /// Type.
        kind: Kind,
        /// What finds the one resource, or none; never empty.
        search: Query,
        /// Only when this is its current version.
        if_match: Option<Tags>,
    },
    /// `PATCH Type/id`.
    Patch {
        /// Type.
        kind: Kind,
        /// Id.
        id: Id,
        /// Only when this is the current version.
        if_match: Option<Tags>,
    },
    /// `PATCH Type?search`.
    ConditionalPatch {
        /// Type.
        kind: Kind,
        /// What finds the one resource; never empty.
        search: Query,
        /// Only when this is its current version.
        if_match: Option<Tags>,
    },
    /// `DELETE Type/id`.
    Delete {
        /// Type.
        kind: Kind,
        /// Id.
        id: Id,
        /// Only when this is the current version.
        if_match: Option<Tags>,
    },
    /// `DELETE Type?search`.
    ConditionalDelete {
        /// Type.
        kind: Kind,
        /// What finds the one resource; never empty.
        search: Query,
    },
    /// `POST Type`.
    Create {
        /// Type.
        kind: Kind,
        /// Only when this finds nothing; never empty.
        if_none_exist: Option<Query>,
    },
    /// `GET Type?search`, `POST Type/_search`, the same of all types or of a compartment.
    Search {
        /// Type; `None`: all.
        kind: Option<Kind>,
        /// `Patient/23` of `GET Patient/23/Observation`.
        compartment: Option<(Kind, Id)>,
        /// The search; may be empty.
        query: Query,
    },
    /// `GET Type/id/_history`, `GET Type/_history`, `GET _history`.
    History {
        /// Type; `None`: all.
        kind: Option<Kind>,
        /// Id; `None`: all of the type.
        id: Option<Id>,
        /// `_count`, `_since`, `_at`.
        query: Query,
    },
    /// `POST` of a Bundle to the base: batch or transaction, as the Bundle says.
    Bundle,
    /// `POST $process-message`.
    ProcessMessage {
        /// `async`, `response-url`.
        query: Query,
    },
    /// Any other `$name`.
    Operation {
        /// Type; `None`: of the server.
        kind: Option<Kind>,
        /// Id; `None`: of the type.
        id: Option<Id>,
        /// Its name, `$` left out: letters, digits and `-`.
        name: Arc<str>,
        /// Parameters in the address.
        query: Query,
    },
}

impl Interaction {
    /// Its code in a CapabilityStatement.
    ///
    /// Source: FHIR R4 valueset-type-restful-interaction.html, valueset-system-restful-interaction.html.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Read { .. } => "read",
            Self::Vread { .. } => "vread",
            Self::Update { .. } | Self::ConditionalUpdate { .. } => "update",
            Self::Patch { .. } | Self::ConditionalPatch { .. } => "patch",
            Self::Delete { .. } | Self::ConditionalDelete { .. } => "delete",
            Self::Create { .. } => "create",
            Self::Search { kind: Some(_), .. } => "search-type",
            Self::Search { kind: None, .. } => "search-system",
            Self::History { id: Some(_), .. } => "history-instance",
            Self::History { kind: Some(_), id: None, .. } => "history-type",
            Self::History { kind: None, id: None, .. } => "history-system",
            Self::Bundle => "transaction",
            Self::ProcessMessage { .. } | Self::Operation { .. } => "operation",
        }
    }

    /// The type it is about; `None` where it may be about any.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Read { kind, .. }
            | Self::Vread { kind, .. }
            | Self::Update { kind, .. }
            | Self::ConditionalUpdate { kind, .. }
            | Self::Patch { kind, .. }
            | Self::ConditionalPatch { kind, .. }
            | Self::Delete { kind, .. }
            | Self::ConditionalDelete { kind, .. }
            | Self::Create { kind, .. } => Some(*kind),
            Self::Search { kind, .. }
            | Self::History { kind, .. }
            | Self::Operation { kind, .. } => *kind,
            Self::Capabilities | Self::Bundle | Self::ProcessMessage { .. } => None,
        }
    }

    /// The id it names.
    #[must_use]
    pub const fn id(&self) -> Option<&Id> {
        match self {
            Self::Read { id, .. }
            | Self::Vread { id, .. }
            | Self::Update { id, .. }
            | Self::Patch { id, .. }
            | Self::Delete { id, .. } => Some(id),
            Self::History { id, .. } | Self::Operation { id, .. } => id.as_ref(),
            Self::ConditionalUpdate { .. }
            | Self::ConditionalPatch { .. }
            | Self::ConditionalDelete { .. }
            | Self::Create { .. }
            | Self::Search { .. }
            | Self::Capabilities
            | Self::Bundle
            | Self::ProcessMessage { .. } => None,
        }
    }

    /// Whether it may change something.
    #[must_use]
    pub const fn writes(&self) -> bool {
        match self {
            Self::Update { .. }
            | Self::ConditionalUpdate { .. }
            | Self::Patch { .. }
            | Self::ConditionalPatch { .. }
            | Self::Delete { .. }
            | Self::ConditionalDelete { .. }
            | Self::Create { .. }
            | Self::Bundle
            | Self::ProcessMessage { .. }
            | Self::Operation { .. } => true,
            Self::Capabilities
            | Self::Read { .. }
            | Self::Vread { .. }
            | Self::Search { .. }
            | Self::History { .. } => false,
        }
    }
}

/// The headers that say under which condition something is done, or the members of
/// `Bundle.entry.request` of the same names.
#[derive(Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// `If-Match`.
    pub if_match: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// `If-None-Exist`.
    pub if_none_exist: Option<&'a str>,
    /// `If-Modified-Since`: a date of HTTP, or an instant.
    pub if_modified_since: Option<&'a str>,
}

/// A request as far as it says which interaction it asks for.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// Method, in capitals. `HEAD` asks for what `GET` does.
    pub method: &'a str,
    /// What follows the base, as it came: `Patient/1`, with or without a slash before it.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: Option<&'a str>,
    /// The form of `POST _search`.
    pub form: Option<&'a str>,
    /// Its conditions.
    pub conditions: Conditions<'a>,
}

/// Why a request is no interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// What is wrong.
    pub fault: Fault,
    /// Methods that the address knows, for the header `Allow` of a 405.
    pub allow: &'static str,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let status = match fault.code() {
            W2320 | W2321 => 404,
            W2323 => 405,
            _ => 400,
        };
        Self { status, fault, allow: "" }
    }
}

/// Finds the interaction that a request asks for.
///
/// # Errors
/// `W2320` (404) for addresses that R4 does not have, `W2321` (404) for unknown types,
/// `W2322` (400) for ids that are none, `W2323` (405) for methods, `W2324` (400) for
/// conditions, `W2325` (400) for searches.
pub fn parse(request: &Request<'_>) -> Result<Interaction, Refused> {
    let place = Place::of(request.path)?;
    let query = Query::parse(request.query.unwrap_or_default())?;
    let asked = Asked { method: request.method, query, conditions: request.conditions };
    match request.method {
        "GET" | "HEAD" => asked.get(place),
        "POST" => asked.post(place, request.form),
        "PUT" | "PATCH" | "DELETE" => asked.change(place),
        _ => Err(not_allowed(&place)),
    }
}

/// Finds the interaction that an entry of a Bundle asks for: the address of its `request`
/// may begin with a slash and hold a query.
///
/// # Errors
/// As [`parse`]; `W2323` also for what an entry cannot ask for: another Bundle, an operation
/// that takes a message, and a search by POST.
pub fn entry(method: &str, url: &str, conditions: Conditions<'_>) -> Result<Interaction, Refused> {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let method = if method == "HEAD" { "GET" } else { method };
    let found = parse(&Request { method, path, query, form: None, conditions })?;
    let searches_by_post = method == "POST" && matches!(found, Interaction::Search { .. });
    match found {
        Interaction::Bundle | Interaction::ProcessMessage { .. } => {
            let fault = Fault::new(W2323).because("an entry of a Bundle asks for a Bundle");
            Err(fault.into())
        }
        _ if searches_by_post => {
            Err(Fault::new(W2323).because("an entry of a Bundle searches by GET").into())
        }
        found => Ok(found),
    }
}

/// What an address names.
enum Place {
    Base,
    Metadata,
    Search(Option<Kind>),
    History(Option<Kind>, Option<Id>),
    Version(Kind, Id, Id),
    Type(Kind),
    Instance(Kind, Id),
    Compartment((Kind, Id), Option<Kind>),
    Operation(Option<Kind>, Option<Id>, Arc<str>),
}

impl Place {
    fn of(path: &str) -> Result<Self, Refused> {
        let nowhere = || Refused::from(Fault::new(W2320));
        if path.len() > PATH_BYTES_MAX {
            return Err(nowhere());
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut steps = [""; 5];
        let mut count = 0;
        for step in path.split('/').filter(|_| !path.is_empty()) {
            *steps.get_mut(count).ok_or_else(nowhere)? = step;
            count += 1;
        }
        let of_type = |name| known(name).ok_or_else(|| Refused::from(Fault::new(W2321)));
        match steps.get(..count).unwrap_or_default() {
            [] => Ok(Self::Base),
            ["metadata"] => Ok(Self::Metadata),
            ["_search"] => Ok(Self::Search(None)),
            ["_history"] => Ok(Self::History(None, None)),
            [name] if operation(name).is_some() => Ok(Self::Operation(None, None, named(name)?)),
            [kind] => Ok(Self::Type(of_type(kind)?)),
            [kind, "_search"] => Ok(Self::Search(Some(of_type(kind)?))),
            [kind, "_history"] => Ok(Self::History(Some(of_type(kind)?), None)),
            [kind, name] if operation(name).is_some() => {
                Ok(Self::Operation(Some(of_type(kind)?), None, named(name)?))
            }
            [kind, id] => Ok(Self::Instance(of_type(kind)?, id_of(id)?)),
            [kind, id, "_history"] => Ok(Self::History(Some(of_type(kind)?), Some(id_of(id)?))),
            [kind, id, name] if operation(name).is_some() => {
                Ok(Self::Operation(Some(of_type(kind)?), Some(id_of(id)?), named(name)?))
            }
            [kind, id, "*"] => Ok(Self::Compartment((of_type(kind)?, id_of(id)?), None)),
            [kind, id, within] => {
                Ok(Self::Compartment((of_type(kind)?, id_of(id)?), Some(of_type(within)?)))
            }
            [kind, id, "_history", version] => {
                Ok(Self::Version(of_type(kind)?, id_of(id)?, id_of(version)?))
            }
            _ => Err(nowhere()),
        }
    }

    /// Methods that R4 has for it.
    const fn allow(&self) -> &'static str {
        match self {
            Self::Base => "GET, POST",
            Self::Metadata | Self::History(..) | Self::Version(..) | Self::Compartment(..) => {
                "GET, HEAD"
            }
            Self::Search(_) => "POST",
            Self::Type(_) => "GET, HEAD, POST, PUT, PATCH, DELETE",
            Self::Instance(..) => "GET, HEAD, PUT, PATCH, DELETE",
            Self::Operation(..) => "GET, POST",
        }
    }
}

fn known(name: &str) -> Option<Kind> {
    tables::type_name(name).filter(|name| tables::is_resource(name))
}

fn id_of(text: &str) -> Result<Id, Refused> {
    Id::parse(text).ok_or_else(|| Fault::new(W2322).into())
}

/// What follows the `$` of an operation, which some clients escape.
fn operation(step: &str) -> Option<&str> {
    step.strip_prefix('$').or_else(|| step.strip_prefix("%24"))
}

fn named(step: &str) -> Result<Arc<str>, Refused> {
    let name = operation(step).unwrap_or_default();
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let good = (1..=ID_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits);
    if good { Ok(name.into()) } else { Err(Fault::new(W2320).into()) }
}

fn not_allowed(place: &Place) -> Refused {
    Refused { allow: place.allow(), ..Fault::new(W2323).into() }
}

fn unfit(why: &'static str) -> Refused {
    Fault::new(W2324).because(why).into()
}

/// A request whose address is known.
struct Asked<'a> {
    method: &'a str,
    query: Query,
    conditions: Conditions<'a>,
}

impl Asked<'_> {
    fn get(self, place: Place) -> Result<Interaction, Refused> {
        let query = self.query;
        let search = |kind, compartment, query| Interaction::Search { kind, compartment, query };
        Ok(match place {
            Place::Metadata => Interaction::Capabilities,
            Place::Base => search(None, None, query),
            Place::Type(kind) => search(Some(kind), None, query),
            Place::Compartment(within, kind) => search(kind, Some(within), query),
            Place::History(kind, id) => Interaction::History { kind, id, query },
            Place::Version(kind, id, version) => Interaction::Vread { kind, id, version },
            Place::Instance(kind, id) => Interaction::Read {
                kind,
                id,
                if_none_match: self.conditions.if_none_match.map(Tags::parse).transpose()?,
                if_modified_since: match self.conditions.if_none_match {
                    // The tags count, the date does not: RFC 9110 §13.1.3.
                    Some(_) => None,
                    // A date that is none is passed over: RFC 9110 §13.1.3.
                    None => self.conditions.if_modified_since.and_then(|d| headers::date(d).ok()),
                },
            },
            Place::Operation(kind, id, name) => Interaction::Operation { kind, id, name, query },
            Place::Search(_) => return Err(not_allowed(&place)),
        })
    }

    fn post(self, place: Place, form: Option<&str>) -> Result<Interaction, Refused> {
        let if_none_exist = self.conditions.if_none_exist;
        if if_none_exist.is_some() && !matches!(place, Place::Type(_)) {
            return Err(unfit("`If-None-Exist` is for a create"));
        }
        if self.conditions.if_match.is_some() {
            return Err(unfit("`If-Match` is for a resource that exists"));
        }
        match place {
            Place::Type(kind) => {
                let if_none_exist = if_none_exist.map(|text| sought(kind, text)).transpose()?;
                Ok(Interaction::Create { kind, if_none_exist })
            }
            Place::Search(kind) => {
                let query = self.query.and(Query::parse(form.unwrap_or_default())?)?;
                Ok(Interaction::Search { kind, compartment: None, query })
            }
            Place::Base => Ok(Interaction::Bundle),
            Place::Operation(None, None, name) if &*name == "process-message" => {
                Ok(Interaction::ProcessMessage { query: self.query })
            }
            Place::Operation(kind, id, name) => {
                Ok(Interaction::Operation { kind, id, name, query: self.query })
            }
            place => Err(not_allowed(&place)),
        }
    }

    /// What changes a resource that may exist.
    fn change(self, place: Place) -> Result<Interaction, Refused> {
        if self.conditions.if_none_exist.is_some() {
            return Err(unfit("`If-None-Exist` is for a create"));
        }
        if self.conditions.if_none_match.is_some() {
            return Err(unfit("`If-None-Match` is for a read"));
        }
        let if_match = self.conditions.if_match.map(Tags::parse).transpose()?;
        let found = match place {
            Place::Instance(kind, id) => {
                return Ok(match self.method {
                    "PUT" => Interaction::Update { kind, id, if_match },
                    "PATCH" => Interaction::Patch { kind, id, if_match },
                    _ => Interaction::Delete { kind, id, if_match },
                });
            }
            Place::Type(kind) => kind,
            place => return Err(not_allowed(&place)),
        };
        let search = criteria(self.query)?;
        match self.method {
            "PUT" => Ok(Interaction::ConditionalUpdate { kind: found, search, if_match }),
            "PATCH" => Ok(Interaction::ConditionalPatch { kind: found, search, if_match }),
            _ if if_match.is_some() => Err(unfit("a delete by search knows no `If-Match`")),
            _ => Ok(Interaction::ConditionalDelete { kind: found, search }),
        }
    }
}

/// The search of a condition: one without parameters would mean every resource there is.
fn criteria(query: Query) -> Result<Query, Refused> {
    let search = query.criteria();
    match search.is_empty() {
        true => Err(Fault::new(W2325).because("nothing says which resource is meant").into()),
        false => Ok(search),
    }
}

/// The search of `If-None-Exist`: parameters, which some clients put behind `?` or `Type?`.
fn sought(kind: Kind, text: &str) -> Result<Query, Refused> {
    let text = text.trim();
    let text = text.strip_prefix(kind).filter(|rest| rest.starts_with('?')).unwrap_or(text);
    criteria(Query::parse(text.strip_prefix('?').unwrap_or(text))?)
}

#[cfg(test)]
mod tests;
