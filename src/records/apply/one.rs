//! One resource: created, updated, patched or deleted.
//!
//! Source: FHIR R4 http.html.

use super::super::look::Look;
use super::super::search::first;
use super::{Answer, Method, Stage, Version};
use crate::fault::codes::{W7601, W7602, W7603, W7604, W7605};
use crate::fault::{Fault, Place};
use crate::fhir::patch::{self, Patch};
use crate::fhir::rest::{self, Query, Refused, Tags};
use crate::fhir::{Doc, Node};

/// A refusal with its status.
pub(super) fn refused(status: u16, fault: Fault) -> Refused {
    Refused { status, fault, allow: "" }
}

/// Text of a member of a resource.
pub(super) fn text(resource: Node<'_>, name: &str) -> Option<String> {
    resource.get(name)?.string().map(|text| text.into_owned())
}

/// A resource that came by itself.
pub(super) fn write(stage: &mut Stage<'_>, doc: &Doc) -> Result<Answer, Refused> {
    let kind = doc.resource_type().unwrap_or_default().into_owned();
    let act = stage.origin.message_type.split(':').next().unwrap_or_default().to_owned();
    let id = text(doc.root(), "id").filter(|id| rest::is_id(id));
    match (act.as_str(), id) {
        ("create", _) => create(stage, &kind, doc.clone(), None),
        ("update", None) => {
            let place = Place::path(format!("{kind}.id"));
            Err(refused(400, Fault::new(W7605).at(place)))
        }
        (_, Some(id)) => update(stage, (&kind, &id), doc.clone(), None),
        (_, None) => {
            let known = by_identifier(doc.root());
            let known = known.map(|search| Query::parse(&search)).transpose()?;
            match known.map(|search| sought(stage, &kind, &search)).transpose()?.flatten() {
                Some(version) => Ok(Answer::of(200, &version)),
                None => create(stage, &kind, doc.clone(), None),
            }
        }
    }
}

/// The search for the first identifier with system and value, encoded.
///
/// Source: FHIR R4 http.html#ccreate.
pub(super) fn by_identifier(resource: Node<'_>) -> Option<String> {
    resource.get("identifier")?.each().find_map(|identifier| {
        let (system, value) = (text(identifier, "system")?, text(identifier, "value")?);
        let whole = !system.is_empty() && !value.is_empty();
        whole.then(|| format!("identifier={}%7C{}", escaped(&system), escaped(&value)))
    })
}

/// A text as a value of a search: what has a meaning there escaped, then percent-encoded.
///
/// Source: FHIR R4 search.html#escaping; RFC 3986 §2.3.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | ',' | '|' | '$') {
            out.push_str("%5C");
        }
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

/// The one resource that a condition fits, by what stood before this write.
///
/// # Errors
/// `W7604` (412) when it fits several; `W7610` and `W7611` (400) when it is not understood.
pub(super) fn sought(
    stage: &Stage<'_>,
    kind: &str,
    search: &Query,
) -> Result<Option<Version>, Refused> {
    let found = first(stage.run(), kind, search, 2)?;
    if found.len() > 1 {
        return Err(refused(412, Fault::new(W7604).at(Place::path(kind.to_owned()))));
    }
    Ok(found.into_iter().next())
}

/// Creates a resource, under an id that was given to it before or a new one.
pub(super) fn create(
    stage: &mut Stage<'_>,
    kind: &str,
    doc: Doc,
    id: Option<&str>,
) -> Result<Answer, Refused> {
    let id = match id {
        Some(id) => id.to_owned(),
        None => stage.new_id(),
    };
    let version = stage.add(kind, &id, Method::Post, Some(doc))?;
    Ok(Answer::of(201, &version))
}

/// Writes the next version of a resource, or its first one.
pub(super) fn update(
    stage: &mut Stage<'_>,
    (kind, id): (&str, &str),
    doc: Doc,
    if_match: Option<&Tags>,
) -> Result<Answer, Refused> {
    let before = stage.latest(kind, id)?.filter(|version| !version.deleted);
    matches(if_match, before.as_ref())?;
    let version = stage.add(kind, id, Method::Put, Some(doc))?;
    Ok(Answer::of(if before.is_some() { 200 } else { 201 }, &version))
}

/// Changes parts of a resource.
pub(super) fn patch(
    stage: &mut Stage<'_>,
    (kind, id): (&str, &str),
    change: Node<'_>,
    if_match: Option<&Tags>,
) -> Result<Answer, Refused> {
    let before = there(stage.latest(kind, id)?, kind)?;
    matches(if_match, Some(&before))?;
    let patched = applied(&before, change)?;
    let version = stage.add(kind, id, Method::Patch, Some(patched))?;
    Ok(Answer::of(200, &version))
}

/// What a patch would make of a resource.
pub(super) fn patched(
    stage: &Stage<'_>,
    (kind, id): (&str, &str),
    change: &Doc,
) -> Result<Doc, Refused> {
    applied(&there(stage.latest(kind, id)?, kind)?, change.root())
}

fn applied(before: &Version, change: Node<'_>) -> Result<Doc, Refused> {
    let patch = Patch::of_resource(change)?;
    patch::apply(&before.doc()?, &patch).map_err(|fault| refused(422, fault))
}

/// Deletes a resource; one that is not there is deleted already.
pub(super) fn delete(
    stage: &mut Stage<'_>,
    (kind, id): (&str, &str),
    if_match: Option<&Tags>,
) -> Result<Answer, Refused> {
    let before = stage.latest(kind, id)?.filter(|version| !version.deleted);
    matches(if_match, before.as_ref())?;
    if before.is_none() {
        return Ok(Answer::status(204));
    }
    let version = stage.add(kind, id, Method::Delete, None)?;
    Ok(Answer::of(204, &version))
}

/// The resource, where it is there.
///
/// # Errors
/// `W7601` (404) when there is none, `W7602` (410) when it was deleted.
pub(super) fn there(version: Option<Version>, kind: &str) -> Result<Version, Refused> {
    let place = || Place::path(kind.to_owned());
    match version {
        None => Err(refused(404, Fault::new(W7601).at(place()))),
        Some(version) if version.deleted => Err(refused(410, Fault::new(W7602).at(place()))),
        Some(version) => Ok(version),
    }
}

/// Whether a resource has a version that is expected.
///
/// # Errors
/// `W7603` (412) when it has another, or is not there.
fn matches(if_match: Option<&Tags>, before: Option<&Version>) -> Result<(), Refused> {
    let Some(tags) = if_match else { return Ok(()) };
    if before.is_some_and(|version| tags.names(&version.number.to_string())) {
        return Ok(());
    }
    let cause = match before {
        Some(version) => format!("its version is {}", version.number),
        None => "it is not there".to_owned(),
    };
    Err(refused(412, Fault::new(W7603).because(cause)))
}
