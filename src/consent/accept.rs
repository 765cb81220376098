//! A Consent that comes over FHIR: checks before it is stored, and the patients it binds.

use super::compile::identifier;
use super::directive::Directive;
use crate::fault::codes::{W3010, W3012};
use crate::fault::{Fault, Place};
use crate::fhir::{Doc, Node, validate};
use crate::message::PatientKey;

/// Takes a Consent that somebody sent: its structure must be that of R4, and all of it must
/// be understood. Its id is that in the resource, or empty; the store gives the version.
///
/// # Errors
/// `W3010` with the first place where the structure is wrong, else as
/// [`Directive::compile`].
pub fn accept(consent: &Doc) -> Result<(Directive, Vec<PatientKey>), Fault> {
    let id = consent.root().get("id").and_then(|id| id.string());
    let compiled = Directive::compile(consent, id.as_deref().unwrap_or_default(), 0)?;
    match validate::structure(consent).into_iter().next() {
        None => Ok(compiled),
        Some(finding) => Err(Fault::new(W3010).at(Place::path(finding.path)).because(finding.what)),
    }
}

fn add(keys: &mut Vec<PatientKey>, text: &str) {
    let key = PatientKey::new(text);
    if !key.reveal().is_empty() && !keys.contains(&key) {
        keys.push(key);
    }
}

fn add_identifier(keys: &mut Vec<PatientKey>, node: Node<'_>) {
    if let Some((value, system)) = identifier(node) {
        add(keys, &value);
        if let Some(system) = system {
            add(keys, &format!("{system}|{value}"));
        }
    }
}

/// The keys of the patient that a Consent binds.
///
/// - `Consent.patient.reference` `Patient/123` gives `Patient/123` and `123`; an address on
///   a server or a `urn:` gives itself only, since ids of other servers are not ours;
/// - `Consent.patient.identifier` gives its value, and `system|value` where it has a system;
/// - a contained Patient (`#p`) gives the same of each of its identifiers.
///
/// A channel asks with the value at its `patient` path, such as PID-3.1.
///
/// # Errors
/// `W3012` when there is none.
pub fn patients_of(consent: Node<'_>) -> Result<Vec<PatientKey>, Fault> {
    let mut keys = Vec::new();
    let patient = consent.get("patient");
    let reference = patient.and_then(|patient| patient.get("reference")?.string());
    if let Some(reference) = reference.as_deref().map(str::trim) {
        let reference = reference.split("/_history/").next().unwrap_or_default();
        if let Some(local) = reference.strip_prefix('#') {
            let contained = consent.get("contained").into_iter().flat_map(Node::each);
            let own = |node: &Node<'_>| {
                node.get("id").and_then(|id| id.string()).as_deref() == Some(local)
            };
            let identifiers = contained.filter(own).filter_map(|node| node.get("identifier"));
            identifiers.flat_map(Node::each).for_each(|node| add_identifier(&mut keys, node));
        } else {
            add(&mut keys, reference);
            if let Some(id) = reference.strip_prefix("Patient/") {
                add(&mut keys, id);
            }
        }
    }
    if let Some(node) = patient.and_then(|patient| patient.get("identifier")) {
        add_identifier(&mut keys, node);
    }
    if keys.is_empty() {
        Err(Fault::new(W3012).at(Place::path("Consent.patient")))
    } else {
        Ok(keys)
    }
}
