//! How a write travels: plain, or as the one entry of a transaction that carries its
//! condition.

use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, Id, Interaction, Kind, Query, Tags, entries};
use crate::fault::codes::{W2322, W2326};
use crate::fault::{Fault, Place};
use crate::fhir::{Builder, Doc, Node, tables};

/// What a request sends along.
pub enum Change<'d> {
    /// Nothing, as with a delete.
    Nothing,
    /// A resource; for a patch, the `Parameters` of a FHIRPath Patch.
    Resource(&'d Doc),
    /// A JSON Patch or XML Patch in its own form.
    Patch {
        /// Its media type.
        content_type: &'d str,
        /// Its bytes.
        bytes: &'d Bytes,
    },
}

/// The transaction of one entry that says what a request with a condition said; `None` for
/// an interaction that needs none, or is no write of one resource. A patch that is no
/// resource is carried as `Binary`; a transaction that is itself the resource to be written
/// is wrapped, too, so that it is never taken for the wrapper.
///
/// Source: FHIR R4 http.html#transaction, http.html#patch.
#[must_use]
pub fn wrapped(interaction: &Interaction, change: &Change<'_>) -> Option<Doc> {
    let with_id = |kind: Kind, id: &Id| format!("{kind}/{}", id.as_str());
    let with_search = |kind: Kind, search: &Query| format!("{kind}?{}", search.encode());
    let mut condition = None;
    let (method, url, if_match) = match interaction {
        Interaction::Create { kind, if_none_exist }
            if if_none_exist.is_some() || is_transaction(change) =>
        {
            condition = if_none_exist.as_ref().map(Query::encode);
            ("POST", (*kind).to_owned(), None)
        }
        Interaction::Update { kind, id, if_match }
            if if_match.is_some() || is_transaction(change) =>
        {
            ("PUT", with_id(kind, id), if_match.as_ref())
        }
        Interaction::ConditionalUpdate { kind, search, if_match } => {
            ("PUT", with_search(kind, search), if_match.as_ref())
        }
        Interaction::Patch { kind, id, if_match } => {
            ("PATCH", with_id(kind, id), if_match.as_ref())
        }
        Interaction::ConditionalPatch { kind, search, if_match } => {
            ("PATCH", with_search(kind, search), if_match.as_ref())
        }
        Interaction::Delete { kind, id, if_match } => {
            ("DELETE", with_id(kind, id), if_match.as_ref())
        }
        Interaction::ConditionalDelete { kind, search } => {
            ("DELETE", with_search(kind, search), None)
        }
        _ => return None,
    };
    Some(bundle(change, method, &url, (if_match, condition.as_deref())))
}

/// Whether a client sends a transaction as a resource to be written.
fn is_transaction(change: &Change<'_>) -> bool {
    matches!(change, Change::Resource(doc) if transaction(doc.root()))
}

fn transaction(root: Node<'_>) -> bool {
    let ty = root.get("type").and_then(|ty| ty.string());
    root.resource_type().as_deref() == Some("Bundle") && ty.as_deref() == Some("transaction")
}

/// The entry of a body that [`wrapped`] made: the only one, and it asks for what the type of
/// the message says (`create:Patient`: a POST of a Patient). `None` for all other bodies: a
/// transaction of a client is never taken for a wrapper by its content alone.
#[must_use]
pub fn unwrapped<'d>(body: Node<'d>, of_type: &str) -> Option<Entry<'d>> {
    if !transaction(body) {
        return None;
    }
    let mut all = entries(body);
    let (Some(entry), None) = (all.next(), all.next()) else { return None };
    let asks = entry.asks.as_ref().ok()?;
    (message_type(asks).as_deref() == Some(of_type)).then_some(entry)
}

fn bundle(
    change: &Change<'_>,
    method: &str,
    url: &str,
    (if_match, if_none_exist): (Option<&Tags>, Option<&str>),
) -> Doc {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "transaction");
    out.name("entry").start_array().start_object();
    match change {
        Change::Nothing => {}
        Change::Resource(doc) => {
            out.name("resource").node(doc.root());
        }
        Change::Patch { content_type, bytes } => {
            use base64::Engine as _;
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.name("resource").start_object().member("resourceType", "Binary");
            out.member("contentType", content_type).member("data", &data).end_object();
        }
    }
    out.name("request").start_object().member("method", method).member("url", url);
    if let Some(tags) = if_match {
        out.member("ifMatch", &tags.to_string());
    }
    if let Some(search) = if_none_exist {
        out.member("ifNoneExist", search);
    }
    out.end_object().end_object().end_array().end_object();
    out.finish()
}

/// Checks that a resource belongs to the address it was sent to: its type, and for an update
/// its id.
///
/// # Errors
/// `W2326` when it does not.
///
/// Source: FHIR R4 http.html#update.
pub fn addressed(interaction: &Interaction, resource: Node<'_>) -> Result<(), Fault> {
    let fault = |place: &str, why: &'static str| {
        Err(Fault::new(W2326).at(Place::path(place.to_owned())).because(why))
    };
    let (kind, id) = match interaction {
        Interaction::Create { kind, .. } | Interaction::ConditionalUpdate { kind, .. } => {
            (*kind, None)
        }
        Interaction::Update { kind, id, .. } => (*kind, Some(id)),
        _ => return Ok(()),
    };
    if resource.resource_type().as_deref() != Some(kind) {
        return fault(kind, "the resource is of another type than its address");
    }
    let own = resource.get("id").map(|id| id.string().unwrap_or_default());
    let path = || format!("{kind}.id");
    match (id, own) {
        (None, None) => Ok(()),
        (None, Some(own)) if super::is_id(&own) => Ok(()),
        (None, Some(_)) => Err(Fault::new(W2322).at(Place::path(path()))),
        (Some(_), None) => fault(&path(), "an update needs the id of its address"),
        (Some(id), Some(own)) if id.as_str() == own => Ok(()),
        (Some(_), Some(_)) => fault(&path(), "it is not the id of the address"),
    }
}

/// The type of the message that a plain write of a resource makes, as far as the resource
/// tells: an update where it has an id, else a create; `None` for Bundles.
#[must_use]
pub fn message_type_of(resource: Node<'_>) -> Option<Arc<str>> {
    let kind = resource.resource_type().filter(|kind| tables::is_resource(kind))?;
    if kind == "Bundle" {
        return None;
    }
    let code = if resource.get("id").is_some() { "update" } else { "create" };
    Some(format!("{code}:{kind}").into())
}

/// The type of the message that a write makes: `create:Patient`, `update:Patient`,
/// `patch:Patient`, `delete:Patient`; `None` for all others, among them Bundles, which say
/// themselves what they are.
#[must_use]
pub fn message_type(interaction: &Interaction) -> Option<Arc<str>> {
    match interaction {
        Interaction::Create { .. }
        | Interaction::Update { .. }
        | Interaction::ConditionalUpdate { .. }
        | Interaction::Patch { .. }
        | Interaction::ConditionalPatch { .. }
        | Interaction::Delete { .. }
        | Interaction::ConditionalDelete { .. } => {
            let kind = interaction.kind()?;
            Some(format!("{}:{kind}", interaction.code()).into())
        }
        _ => None,
    }
}
