//! Resources in part: what `_summary` and `_elements` leave of them.
//!
//! Source: FHIR R4 search.html#summary, search.html#elements.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::look::Shown;
use crate::fhir::{Builder, Doc, Node, NodeKind, tables};

/// Members that every resource keeps.
const KEPT: [&str; 3] = ["resourceType", "id", "meta"];

/// Elements of a summary by type; the text is written by the generator
/// (`generate/parameters.rs`) and never by hand.
fn summaries() -> &'static HashMap<&'static str, HashSet<&'static str>> {
    static TABLE: LazyLock<HashMap<&'static str, HashSet<&'static str>>> =
        LazyLock::new(|| table(include_str!("summaries.txt")));
    &TABLE
}

/// Elements that change what the others mean, by type; written as those of summaries.
fn modifiers() -> &'static HashMap<&'static str, HashSet<&'static str>> {
    static TABLE: LazyLock<HashMap<&'static str, HashSet<&'static str>>> =
        LazyLock::new(|| table(include_str!("modifiers.txt")));
    &TABLE
}

fn table(text: &'static str) -> HashMap<&'static str, HashSet<&'static str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.filter_map(|line| line.split_once('\t'));
    rows.map(|(kind, elements)| (kind, elements.split(',').collect())).collect()
}

/// Whether a resource is not to be read without an element: it must have it, or it changes
/// what the others mean.
///
/// Source: FHIR R4 search.html#elements, conformance-rules.html#isModifier.
fn is_needed(kind: &str, name: &str) -> bool {
    if matches!(name, "implicitRules" | "modifierExtension") {
        return true;
    }
    let Some((row, _)) = tables::resolve(kind, name) else { return false };
    let own = row.path.split_once('.').map(|(_, own)| own);
    let changes = modifiers().get(kind).is_some_and(|all| own.is_some_and(|own| all.contains(own)));
    row.min > 0 || changes
}

/// Writes a resource as it is to be shown; one in part has a tag that says so.
pub(super) fn write(out: &mut Builder, doc: &Doc, shown: &Shown) {
    let kind = doc.resource_type().unwrap_or_default();
    let keeps = |name: &str| match shown {
        Shown::Whole => true,
        Shown::Elements(names) => names.iter().any(|own| own == name) || is_needed(&kind, name),
        Shown::Data => name != "text",
        Shown::Text => name == "text" || is_needed(&kind, name),
        Shown::Summary => in_summary(&kind, &kind, name).is_some(),
    };
    if *shown == Shown::Whole {
        out.node(doc.root());
        return;
    }
    out.start_object();
    let mut tagged = false;
    for (name, value) in doc.root().members() {
        let own = name.strip_prefix('_').unwrap_or(name);
        if name == "meta" && value.kind() == NodeKind::Object {
            tagged = true;
            out.name(name).start_object();
            for (name, value) in value.members().filter(|(name, _)| *name != "tag") {
                out.name(name).node(value);
            }
            subsetted(out, value.get("tag"));
            out.end_object();
        } else if KEPT.contains(&own) {
            out.name(name).node(value);
        } else if keeps(own) {
            out.name(name);
            match (shown, in_summary(&kind, &kind, own)) {
                (Shown::Summary, Some(Some(within))) => inside(out, value, (&kind, within)),
                _ => {
                    out.node(value);
                }
            }
        }
    }
    if !tagged {
        out.name("meta").start_object();
        subsetted(out, None);
        out.end_object();
    }
    out.end_object();
}

/// Whether a member of a resource, or of an element within it, is part of a summary; and the
/// path of what stands in it, where that has parts of its own.
fn in_summary(kind: &str, within: &str, name: &str) -> Option<Option<&'static str>> {
    let Some(elements) = summaries().get(kind) else { return Some(None) };
    // What changes the meaning of all else is never left out.
    if name == "modifierExtension" {
        return Some(None);
    }
    let (element, ty) = tables::resolve(within, name)?;
    let (_, path) = element.path.split_once('.')?;
    let nested = matches!(ty, "BackboneElement" | "Element") || element.content_ref.is_some();
    elements.contains(path).then(|| nested.then(|| element.inside(ty)))
}

/// The parts of an element that are in a summary. Recursion is bounded by the depth of
/// documents.
fn inside(out: &mut Builder, value: Node<'_>, (kind, within): (&str, &str)) {
    match value.kind() {
        NodeKind::Array => {
            out.start_array();
            for item in value.items() {
                inside(out, item, (kind, within));
            }
            out.end_array();
        }
        NodeKind::Object => {
            out.start_object();
            for (name, value) in value.members() {
                let own = name.strip_prefix('_').unwrap_or(name);
                match in_summary(kind, within, own) {
                    _ if name == "id" => {
                        out.name(name).node(value);
                    }
                    Some(Some(deeper)) => {
                        out.name(name);
                        inside(out, value, (kind, deeper));
                    }
                    Some(None) => {
                        out.name(name).node(value);
                    }
                    None => {}
                }
            }
            out.end_object();
        }
        _ => {
            out.node(value);
        }
    }
}

fn subsetted(out: &mut Builder, tags: Option<Node<'_>>) {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    out.name("tag").start_array();
    for tag in tags.into_iter().flat_map(|tags| tags.items()) {
        out.node(tag);
    }
    out.start_object().member("system", SYSTEM).member("code", "SUBSETTED").end_object();
    out.end_array();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str, shown: &Shown) -> String {
        let doc = Doc::parse_json(json.to_owned().into()).unwrap();
        let mut out = Builder::new();
        write(&mut out, &doc, shown);
        let json = String::from_utf8_lossy(&out.finish().to_json()).into_owned();
        json.replace(
            r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#,
            "@",
        )
    }

    #[test]
    fn resources_are_shown_in_part() {
        let patient = r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","tag":[1]},"text":{"status":"empty"},"active":true,"_birthDate":{"id":"x"},"photo":[{"id":"f"}],"contact":[{"gender":"male"}],"link":[{"other":{"reference":"Patient/b"},"type":"seealso"}],"deceasedBoolean":false,"modifierExtension":[{"url":"u"}],"x":1}"#;
        let check = |how: &Shown, expected: &str| assert_eq!(shown(patient, how), expected);
        check(&Shown::Whole, patient);
        check(
            &Shown::Elements(vec!["birthDate".into(), "active".into()]),
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","tag":[1,@]},"active":true,"_birthDate":{"id":"x"},"link":[{"other":{"reference":"Patient/b"},"type":"seealso"}],"deceasedBoolean":false,"modifierExtension":[{"url":"u"}]}"#,
        );
        check(
            &Shown::Summary,
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","tag":[1,@]},"active":true,"_birthDate":{"id":"x"},"link":[{"other":{"reference":"Patient/b"},"type":"seealso"}],"deceasedBoolean":false,"modifierExtension":[{"url":"u"}]}"#,
        );
        check(
            &Shown::Text,
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","tag":[1,@]},"text":{"status":"empty"},"active":true,"link":[{"other":{"reference":"Patient/b"},"type":"seealso"}],"deceasedBoolean":false,"modifierExtension":[{"url":"u"}]}"#,
        );
        assert!(shown(patient, &Shown::Data).contains(r#""photo":[{"id":"f"}]"#));
        assert!(!shown(patient, &Shown::Data).contains(r#""text""#));
        let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"note":[{"text":"n"}],"component":[{"id":"c","code":{"text":"y"},"interpretation":[{"text":"i"}],"valueString":"v"}],"referenceRange":[{"text":"r"}]}"#;
        assert_eq!(
            shown(observation, &Shown::Summary),
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[{"id":"c","code":{"text":"y"},"valueString":"v"}],"meta":{"tag":[@]}}"#
        );
        assert_eq!(
            shown(observation, &Shown::Text),
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"meta":{"tag":[@]}}"#
        );
        let order = r#"{"resourceType":"MedicationRequest","implicitRules":"u","doNotPerform":true,"note":[{"text":"n"}],"priority":"stat"}"#;
        assert_eq!(
            shown(order, &Shown::Elements(vec!["priority".into()])),
            r#"{"resourceType":"MedicationRequest","implicitRules":"u","doNotPerform":true,"priority":"stat","meta":{"tag":[@]}}"#
        );
    }
}
