//! The Provenance of a write: which versions it made, from which message, by what.

use super::{Method, Stage};
use crate::fault::Fault;
use crate::fhir::Builder;

/// System of the identifiers of messages.
pub const MESSAGE: &str = "urn:weir:message";
/// System of the names of channels.
pub const CHANNEL: &str = "urn:weir:channel";
/// System of the names of mappings.
pub const MAPPING: &str = "urn:weir:mapping";
/// What the URI of a revision of the configuration begins with.
pub const REVISION: &str = "urn:weir:revision:";

const AGENT_TYPES: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const OPERATIONS: &str = "http://terminology.hl7.org/CodeSystem/v3-DataOperation";

/// Adds the Provenance of all versions so far, where there are any.
///
/// Source: FHIR R4 provenance.html.
pub(super) fn add(stage: &mut Stage<'_>) -> Result<(), Fault> {
    if stage.versions.is_empty() {
        return Ok(());
    }
    let id = stage.new_id();
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Provenance");
    out.name("target").start_array();
    for version in &stage.versions {
        out.start_object().member("reference", &version.address()).end_object();
    }
    out.end_array();
    out.member("recorded", &stage.origin.at.to_string());
    let revision: String = stage.origin.revision.chars().filter(|c| !c.is_whitespace()).collect();
    out.name("policy").start_array().string(&format!("{REVISION}{revision}")).end_array();
    if let Some(code) = operation(stage) {
        out.name("activity").start_object();
        coding(&mut out, OPERATIONS, code);
        out.end_object();
    }
    out.name("agent").start_array();
    agent(&mut out, "transmitter", CHANNEL, stage.origin.channel.as_str());
    if let Some(mapping) = &stage.origin.mapping {
        agent(&mut out, "assembler", MAPPING, mapping);
    }
    out.end_array();
    out.name("entity").start_array().start_object().member("role", "source");
    who(&mut out, "what", MESSAGE, &stage.origin.message.to_string());
    out.end_object().end_array().end_object();
    stage.add("Provenance", &id, Method::Post, Some(out.finish()))?;
    Ok(())
}

/// The one operation of all versions.
fn operation(stage: &Stage<'_>) -> Option<&'static str> {
    let code = |method: Method, number: u64| match (method, number) {
        (Method::Post, _) | (Method::Put, 1) => "CREATE",
        (Method::Put | Method::Patch, _) => "UPDATE",
        (Method::Delete, _) => "DELETE",
    };
    let mut codes = stage.versions.iter().map(|version| code(version.method, version.number));
    let first = codes.next()?;
    codes.all(|code| code == first).then_some(first)
}

fn coding(out: &mut Builder, system: &str, code: &str) {
    out.name("coding").start_array().start_object();
    out.member("system", system).member("code", code).end_object().end_array();
}

fn agent(out: &mut Builder, kind: &str, system: &str, value: &str) {
    out.start_object().name("type").start_object();
    coding(out, AGENT_TYPES, kind);
    out.end_object();
    who(out, "who", system, value);
    out.end_object();
}

fn who(out: &mut Builder, name: &str, system: &str, value: &str) {
    out.name(name).start_object().name("identifier").start_object();
    out.member("system", system).member("value", value).end_object().end_object();
}
