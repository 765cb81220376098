//! Packages of profile facts: one JSON object a line, a profile or a value set each.
//!
//! The form of the rows is that of `../shared/schema/us-core`: only what differs from R4,
//! with `uscore:` for the address that most URLs share.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::read::{alone, choice};
use super::{Branch, Constraint, Part, Profile, Slicing, TypeFact, ValueSet};
use crate::fhir::doc::{Doc, Node};
use crate::fhir::path::FhirPath;

pub(super) const USCORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";
const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The profiles of a package; lines that are none are passed over.
pub(in crate::fhir) fn rows(text: &str) -> impl Iterator<Item = Profile> {
    text.lines().filter_map(|line| {
        let doc = Doc::parse_json(Bytes::copy_from_slice(line.as_bytes())).ok()?;
        profile(doc.root())
    })
}

/// The value sets of a package; lines that are none are passed over.
pub(in crate::fhir) fn value_sets(text: &str) -> impl Iterator<Item = ValueSet> {
    text.lines().filter_map(|line| {
        let doc = Doc::parse_json(Bytes::copy_from_slice(line.as_bytes())).ok()?;
        let root = doc.root();
        let part = |part: Node<'_>| Part {
            system: string(part, "system").map(Cow::into_owned),
            codes: part.get("codes").is_some().then(|| texts(part, "codes")),
            sets: texts(part, "sets"),
        };
        let parts = root.get("parts")?.items().map(part).collect();
        Some(ValueSet { url: string(root, "valueSet")?.into_owned(), parts })
    })
}

fn url(text: &str) -> String {
    match text.trim_end_matches('!').split_once(':') {
        Some(("uscore", name)) => format!("{USCORE}{name}"),
        Some(_) => text.trim_end_matches('!').to_owned(),
        None => format!("{R4}{}", text.trim_end_matches('!')),
    }
}

fn string<'n>(node: Node<'n>, name: &str) -> Option<Cow<'n, str>> {
    node.get(name)?.string()
}

fn texts(node: Node<'_>, name: &str) -> Vec<String> {
    let all = node.get(name).into_iter().flat_map(Node::each);
    all.filter_map(|item| item.string().map(Cow::into_owned)).collect()
}

fn profile(row: Node<'_>) -> Option<Profile> {
    let ty = string(row, "type")?.into_owned();
    let mut root = Branch { name: ty.clone(), ..Branch::default() };
    for element in row.get("elements")?.items() {
        let Some(id) = string(element, "id") else { continue };
        facts(element, root.at(&id));
    }
    let base = string(row, "base").map(|base| url(&base));
    Some(Profile { url: url(&string(row, "url")?), ty, base, root })
}

fn facts(element: Node<'_>, branch: &mut Branch) {
    let number = |name: &str| element.get(name).and_then(|n| n.number()?.parse().ok());
    branch.min = number("min");
    branch.max_length = number("maxLength");
    branch.max = string(element, "max").map(|max| max.parse().unwrap_or(usize::MAX));
    let profiles: Vec<String> = texts(element, "profiles").iter().map(|p| url(p)).collect();
    for code in texts(element, "types") {
        branch.types.push(TypeFact { code, profiles: profiles.clone() });
    }
    branch.targets = texts(element, "targets").iter().map(|target| url(target)).collect();
    branch.fixed = choice(element, "fixed").map(alone);
    branch.pattern = choice(element, "pattern").map(alone);
    branch.min_value = choice(element, "minValue").map(alone);
    branch.max_value = choice(element, "maxValue").map(alone);
    let binding = texts(element, "binding");
    if let [strength, set] = binding.as_slice()
        && strength == "required"
    {
        branch.binding = Some(set.clone());
    }
    if let Some(slicing) = element.get("slicing") {
        let mut parts = slicing.items();
        let pair = |d: Node<'_>| {
            let mut words = d.items().filter_map(|w| w.string().map(Cow::into_owned));
            Some((words.next()?, words.next()?))
        };
        let discriminators = parts.next().into_iter().flat_map(|all| all.items());
        let discriminators = discriminators.filter_map(pair).collect();
        let closed = parts.next().and_then(|rules| rules.string()).as_deref() == Some("closed");
        branch.slicing = Some(Slicing { discriminators, closed });
    }
    let all = element.get("constraint").into_iter().flat_map(Node::each);
    branch.constraints.extend(all.filter_map(constraint));
}

/// A rule as key, severity, text and path.
fn constraint(row: Node<'_>) -> Option<Arc<Constraint>> {
    let mut words = row.items().filter_map(|word| word.string().map(Cow::into_owned));
    let (key, severity, human) = (words.next()?, words.next()?, words.next()?);
    let path = FhirPath::parse(&words.next()?).ok()?;
    Some(Arc::new(Constraint { key, is_error: severity != "warning", human, path }))
}
