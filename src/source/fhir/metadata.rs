//! What the endpoint says of itself: the CapabilityStatement, made from the channel, and the
//! SMART configuration.
//!
//! Source: FHIR R4 capabilitystatement.html, SMART App Launch 2.2 conformance.

use super::answer::{Answered, Reply};
use super::auth::Auth;
use super::route::Endpoint;
use crate::channel::Accept;
use crate::fault::Fault;
use crate::fault::codes::W2320;
use crate::fhir::rest::{Interaction, Kind};
use crate::fhir::{Builder, Doc, tables};
use crate::records;

/// Writes of a resource, as `accept` and a CapabilityStatement name them, with the methods.
const WRITES: [(&str, &str); 4] =
    [("create", "POST"), ("update", "PUT"), ("patch", "PATCH"), ("delete", "DELETE")];

/// Reads, where records stand behind.
const READS: [&str; 5] = ["read", "vread", "search-type", "history-instance", "history-type"];

/// Day of the release of R4 that the statement describes; the statement itself follows the
/// configuration and has no date of its own.
const DATE: &str = "2026-11-22";

/// Answers `metadata` and `.well-known/smart-configuration`.
pub(super) fn answer(endpoint: &Endpoint, path: &str, base: &str) -> Answered {
    if path.ends_with("smart-configuration") {
        return match &endpoint.plan.guard.auth {
            Auth::Oauth2(issuer) => Ok(Reply::doc(200, &smart(&issuer.issuer))),
            Auth::None | Auth::ApiKey(_) | Auth::Basic(_) | Auth::Mtls(_) => {
                let cause = "the endpoint is not secured by an authorization server";
                Err(Reply::refusal(404, Fault::new(W2320).because(cause)))
            }
        };
    }
    Ok(Reply::doc(200, &statement(endpoint, base)))
}

/// Whether a channel takes such a write. Without `accept` it takes everything; what changes
/// or deletes a part of what is there only where records stand behind, since other
/// destinations have to be made for it and are named then.
pub(super) fn takes(accept: &Accept, records: bool, interaction: &Interaction) -> bool {
    let family = |name: &str| {
        let own = |row: &str| row == "*" || row.split(':').next() == Some(name);
        accept.0.is_empty() || accept.0.iter().any(|row| own(row))
    };
    match interaction {
        Interaction::Bundle => ["transaction", "batch", "message"].into_iter().any(family),
        Interaction::ProcessMessage { .. } => family("message"),
        _ => interaction
            .kind()
            .is_some_and(|kind| takes_write(accept, records, interaction.code(), kind)),
    }
}

fn takes_write(accept: &Accept, records: bool, code: &str, kind: Kind) -> bool {
    match accept.0.is_empty() {
        true => records || matches!(code, "create" | "update"),
        false => accept.takes(&format!("{code}:{kind}")),
    }
}

/// The methods that the endpoint has for resources of a type, for the header `Allow`.
pub(super) fn allow(endpoint: &Endpoint, kind: &str) -> String {
    let records = endpoint.reader().is_some();
    let kind = tables::type_name(kind).unwrap_or("Bundle");
    let reads = records.then_some(["GET", "HEAD"]).into_iter().flatten();
    let writes =
        WRITES.iter().filter(|(code, _)| takes_write(&endpoint.accept, records, code, kind));
    let all: Vec<&str> = reads.chain(writes.map(|(_, method)| *method)).collect();
    all.join(", ")
}

fn statement(endpoint: &Endpoint, base: &str) -> Doc {
    let records = endpoint.reader().is_some();
    let mut out = Builder::new();
    out.start_object().member("resourceType", "CapabilityStatement");
    out.member("status", "active").member("date", DATE).member("kind", "instance");
    out.name("software").start_object().member("name", "weir");
    out.member("version", env!("CARGO_PKG_VERSION")).end_object();
    out.name("implementation").start_object();
    out.member("description", "A channel of weir").member("url", base).end_object();
    out.member("fhirVersion", "4.0.1");
    list(&mut out, "format", &["application/fhir+json", "application/fhir+xml", "json", "xml"]);
    let patches = ["application/json-patch+json", "application/xml-patch+xml"];
    list(&mut out, "patchFormat", &[patches[0], patches[1], "application/fhir+json"]);
    out.name("rest").start_array().start_object().member("mode", "server");
    security(&mut out, endpoint);
    out.name("resource").start_array();
    for kind in tables::resources() {
        resource(&mut out, endpoint, kind, records);
    }
    out.end_array();
    let mut codes = Vec::new();
    for (code, row) in [("transaction", "transaction"), ("batch", "batch")] {
        let own = |accepted: &str| accepted == "*" || accepted.split(':').next() == Some(row);
        if endpoint.accept.0.is_empty() || endpoint.accept.0.iter().any(|row| own(row)) {
            codes.push(code);
        }
    }
    if records {
        codes.extend(["history-system", "search-system"]);
    }
    interactions(&mut out, &codes);
    if records {
        out.name("searchParam").start_array();
        for parameter in records::parameters("Resource") {
            out.start_object().member("name", parameter.code);
            out.member("type", parameter.kind.name()).end_object();
        }
        out.end_array();
    }
    let message = Interaction::ProcessMessage { query: Default::default() };
    if endpoint.takes(&message) {
        out.name("operation").start_array().start_object().member("name", "process-message");
        let definition = "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message";
        out.member("definition", definition).end_object().end_array();
    }
    if records {
        let of = ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"];
        let url =
            |of| format!("http://hl7.org/fhir/CompartmentDefinition/{}", str::to_lowercase(of));
        let all: Vec<String> = of.into_iter().map(url).collect();
        list(&mut out, "compartment", &all.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out.end_object().end_array().end_object();
    out.finish()
}

fn resource(out: &mut Builder, endpoint: &Endpoint, kind: Kind, records: bool) {
    let writes =
        WRITES.iter().filter(|(code, _)| takes_write(&endpoint.accept, records, code, kind));
    let mut codes: Vec<&str> = writes.map(|(code, _)| *code).collect();
    let (creates, updates, deletes) =
        (codes.contains(&"create"), codes.contains(&"update"), codes.contains(&"delete"));
    if records {
        codes.extend(READS);
    }
    if codes.is_empty() {
        return;
    }
    out.start_object().member("type", kind);
    interactions(out, &codes);
    if records {
        out.member("versioning", "versioned").name("readHistory").bool(true);
        out.name("updateCreate").bool(updates);
    }
    // Carried to the destination, which decides.
    out.name("conditionalCreate").bool(creates);
    if records {
        out.member("conditionalRead", "full-support");
    }
    out.name("conditionalUpdate").bool(updates);
    if deletes {
        out.member("conditionalDelete", "single");
    }
    if records {
        out.name("searchParam").start_array();
        for parameter in records::parameters(kind) {
            out.start_object().member("name", parameter.code);
            out.member("type", parameter.kind.name()).end_object();
        }
        out.end_array();
        if kind == "Patient" {
            let definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything";
            out.name("operation").start_array().start_object().member("name", "everything");
            out.member("definition", definition).end_object().end_array();
        }
    }
    out.end_object();
}

fn security(out: &mut Builder, endpoint: &Endpoint) {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";
    let code = match &endpoint.plan.guard.auth {
        Auth::None | Auth::ApiKey(_) => None,
        Auth::Basic(_) => Some("Basic"),
        Auth::Mtls(_) => Some("Certificates"),
        Auth::Oauth2(_) => Some("SMART-on-FHIR"),
    };
    let Some(code) = code else { return };
    out.name("security").start_object().name("service").start_array().start_object();
    out.name("coding").start_array().start_object();
    out.member("system", SYSTEM).member("code", code).end_object().end_array();
    out.end_object().end_array().end_object();
}

/// What SMART clients look for first. Where tokens are made the issuer says itself.
fn smart(issuer: &str) -> Doc {
    let mut out = Builder::new();
    out.start_object().member("issuer", issuer);
    let below = |name: &str| format!("{}/{name}", issuer.trim_end_matches('/'));
    out.member("openid_configuration", &below(".well-known/openid-configuration"));
    list(&mut out, "grant_types_supported", &["client_credentials"]);
    list(&mut out, "scopes_supported", &["system/*.cruds", "user/*.cruds", "patient/*.cruds"]);
    list(
        &mut out,
        "capabilities",
        &["client-confidential-asymmetric", "permission-v1", "permission-v2", "permission-patient"],
    );
    out.end_object();
    out.finish()
}

fn list(out: &mut Builder, name: &str, values: &[&str]) {
    out.name(name).start_array();
    for value in values {
        out.string(value);
    }
    out.end_array();
}

fn interactions(out: &mut Builder, codes: &[&str]) {
    if codes.is_empty() {
        return;
    }
    out.name("interaction").start_array();
    for code in codes {
        out.start_object().member("code", code).end_object();
    }
    out.end_array();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::rest::{Request, parse};

    #[test]
    fn what_is_taken_follows_accept_and_what_stands_behind() {
        let check = |rows: &[&str], records: bool, line: &str, expected: bool| {
            let accept = Accept(rows.iter().map(|row| (*row).into()).collect());
            let (method, path) = line.split_once(' ').unwrap();
            let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
            let asked = parse(&Request { method, path, query, ..Request::default() }).unwrap();
            assert_eq!(takes(&accept, records, &asked), expected, "{rows:?} {line}");
        };
        check(&[], false, "POST Patient", true);
        check(&[], false, "PUT Patient?a=1", true);
        check(&[], false, "DELETE Patient/1", false);
        check(&[], true, "DELETE Patient/1", true);
        check(&["delete:Patient"], false, "DELETE Patient/1", true);
        check(&["delete:Patient"], true, "POST Patient", false);
        check(&["create"], false, "POST Group", true);
        check(&["*"], false, "PATCH Group/1", true);
        check(&["create:Patient"], false, "POST /", false);
        check(&["transaction:Patient"], false, "POST /", true);
        check(&["transaction:Patient"], false, "POST $process-message", false);
        check(&["message"], false, "POST $process-message", true);
    }
}
