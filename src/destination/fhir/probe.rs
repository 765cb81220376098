//! What a server says that it offers, against what is going to be sent to it.
//!
//! Source: FHIR R4 capabilitystatement.html, http.html#capabilities.

use super::FhirDestination;
use crate::destination::Outlook;
use crate::fault::{Fault, Problems, codes::*};
use crate::fhir::{self, Doc, Node};

/// Asks for `metadata` and compares.
pub(super) async fn probe(destination: &mut FhirDestination, outlook: &Outlook) -> Problems {
    let mut problems = Problems::new();
    let place = destination.plan.url.target();
    let told = |fault: Fault| {
        let cause = fault.cause().unwrap_or_default().to_owned();
        if cause.starts_with(&place) { fault } else { fault.because(format!("{place}: {cause}")) }
    };
    match statement(destination).await {
        Err(fault) => problems.error(told(fault)),
        Ok(doc) => {
            let format = destination.plan.format.media_type();
            for finding in compare(&doc, format, outlook) {
                match finding.code() {
                    W7223 => problems.warning(told(finding)),
                    _ => problems.error(told(finding)),
                }
            }
        }
    }
    problems
}

async fn statement(destination: &mut FhirDestination) -> Result<Doc, Fault> {
    let path = format!("{}/metadata", destination.plan.url.path);
    let answer = destination.get(path).await.map_err(|error| error.fault)?;
    let status = answer.status;
    match status {
        200 => {}
        401 | 403 => return Err(Fault::new(W7301).because(format!("{status} to `metadata`"))),
        _ => return Err(Fault::new(W7224).because(format!("{status} to `metadata`"))),
    }
    let body = answer.body.ok_or_else(|| Fault::new(W7308))?;
    let doc = if fhir::is_xml(&body) { Doc::parse_xml(body) } else { Doc::parse_json(body) };
    let doc = doc.ok().filter(|doc| doc.resource_type().as_deref() == Some("CapabilityStatement"));
    doc.ok_or_else(|| Fault::new(W7224).because("`metadata` is no CapabilityStatement"))
}

fn text(node: Node<'_>, name: &str) -> String {
    node.get(name).and_then(|node| node.text()).unwrap_or_default().into_owned()
}

/// The findings: `W7222` for another version, `W7223` for what is not offered.
fn compare(doc: &Doc, format: &str, outlook: &Outlook) -> Vec<Fault> {
    let mut findings = Vec::new();
    let root = doc.root();
    let version = text(root, "fhirVersion");
    if !version.starts_with("4.0") {
        let plain = version.len() <= 20 && version.bytes().all(|b| b.is_ascii_graphic());
        let shown = if plain && !version.is_empty() { version.as_str() } else { "no version" };
        findings.push(Fault::new(W7222).because(format!("it says {shown}")));
    }
    let mut lacks = |what: String| findings.push(Fault::new(W7223).because(what));
    let formats: Vec<String> = root
        .get("format")
        .into_iter()
        .flat_map(|formats| formats.items())
        .filter_map(|format| format.text().map(|text| text.into_owned()))
        .collect();
    let short = format.rsplit('+').next().unwrap_or(format);
    if !formats.is_empty() && !formats.iter().any(|known| known.contains(short)) {
        lacks(format!("the format `{format}`"));
    }
    let rest = root.get("rest").into_iter().flat_map(|rest| rest.items());
    let Some(rest) = rest.into_iter().find(|rest| text(*rest, "mode") != "client") else {
        lacks("a RESTful interface".to_owned());
        return findings;
    };
    for code in &outlook.system {
        if !offers(rest, code) {
            lacks(format!("the interaction `{code}`"));
        }
    }
    for (code, kind) in &outlook.types {
        let resources = rest.get("resource").into_iter().flat_map(|all| all.items());
        match resources.into_iter().find(|resource| text(*resource, "type") == **kind) {
            None => lacks(format!("the type {kind}")),
            // Servers that say nothing of interactions say that they take all.
            Some(resource) if resource.get("interaction").is_none() || offers(resource, code) => {}
            Some(_) => lacks(format!("the interaction `{code}` on {kind}")),
        }
    }
    findings
}

fn offers(node: Node<'_>, code: &str) -> bool {
    let all = node.get("interaction").into_iter().flat_map(|all| all.items());
    all.into_iter().any(|interaction| text(interaction, "code") == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_named() {
        let check = |statement: &str, expected: &[&str]| {
            let doc = Doc::parse_json(statement.to_owned().into()).unwrap();
            let outlook = Outlook {
                system: vec!["transaction"],
                types: vec![("create", "Patient".into()), ("update", "Observation".into())],
            };
            let found = compare(&doc, "application/fhir+json", &outlook);
            let told: Vec<String> =
                found.iter().map(|f| format!("{} {}", f.code(), f.cause().unwrap())).collect();
            assert_eq!(told, expected, "{statement}");
        };
        let whole = r#""interaction":[{"code":"transaction"}],"resource":[
            {"type":"Patient","interaction":[{"code":"create"}]},
            {"type":"Observation","interaction":[{"code":"update"}]}]"#;
        let rest = |version: &str, format: &str, rest: &str| {
            format!(
                r#"{{"resourceType":"CapabilityStatement","fhirVersion":"{version}",
                    "format":["{format}"],"rest":[{{"mode":"client"}},{{"mode":"server",{rest}}}]}}"#
            )
        };
        check(&rest("4.0.1", "json", whole), &[]);
        check(&rest("4.0.1", "application/fhir+json", whole), &[]);
        check(&rest("5.0.0", "json", whole), &["W7222 it says 5.0.0"]);
        check(&rest("Doe\u{e4}", "json", whole), &["W7222 it says no version"]);
        check(&rest("4.0.1", "xml", whole), &["W7223 the format `application/fhir+json`"]);
        check(
            &rest(
                "4.0.1",
                "json",
                r#""resource":[{"type":"Patient"},{"type":"Observation",
                "interaction":[{"code":"read"}]}]"#,
            ),
            &[
                "W7223 the interaction `transaction`",
                "W7223 the interaction `update` on Observation",
            ],
        );
        check(
            &rest("4.0.1", "json", r#""interaction":[{"code":"transaction"}]"#),
            &["W7223 the type Patient", "W7223 the type Observation"],
        );
        check("{}", &["W7222 it says no version", "W7223 a RESTful interface"]);
    }
}
