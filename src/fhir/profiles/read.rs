//! Reads a StructureDefinition that constrains a type.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Branch, Constraint, Profile, Slicing, TypeFact};
use crate::fhir::doc::{Builder, Doc, Node};
use crate::fhir::path::FhirPath;

/// Most elements of one profile; the largest published have about 1,000.
const ELEMENTS_MAX: usize = 5_000;

fn text(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name)?.string().map(Cow::into_owned)
}

fn items<'n>(node: Node<'n>, name: &str) -> impl Iterator<Item = Node<'n>> {
    node.get(name).into_iter().flat_map(Node::each)
}

fn texts(node: Node<'_>, name: &str) -> Vec<String> {
    items(node, name).filter_map(|item| item.string().map(Cow::into_owned)).collect()
}

/// A value by itself, under a name that is the same for all types.
pub(super) fn alone(value: Node<'_>) -> Doc {
    let mut out = Builder::new();
    out.start_object().name("value").node(value);
    out.end_object();
    out.finish()
}

/// The value of the member that begins so: `fixedUri`.
pub(super) fn choice<'n>(node: Node<'n>, name: &str) -> Option<Node<'n>> {
    let fits = |member: &str| {
        member.strip_prefix(name).is_some_and(|ty| ty.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    node.members().find(|(member, _)| fits(member)).map(|(_, value)| value)
}

/// The facts of a definition; none when it defines a type of its own.
pub(in crate::fhir) fn definition(root: Node<'_>) -> Option<Profile> {
    if root.resource_type().as_deref() != Some("StructureDefinition") {
        return None;
    }
    if text(root, "derivation").as_deref() == Some("specialization") {
        return None;
    }
    let (url, ty) = (text(root, "url")?, text(root, "type")?);
    let source = root.get("differential").or_else(|| root.get("snapshot"))?;
    let mut tree = Branch { name: ty.clone(), ..Branch::default() };
    // Without ids, what follows a slice belongs to it as long as its path goes on.
    let mut slices: Vec<(String, String)> = Vec::new();
    for element in items(source, "element").take(ELEMENTS_MAX) {
        let Some(path) = text(element, "path") else { continue };
        let id = text(element, "id").unwrap_or_else(|| {
            slices.retain(|(slice, _)| path.starts_with(&format!("{slice}.")));
            let rest = slices.last().and_then(|(slice, id)| {
                path.strip_prefix(slice.as_str()).map(|rest| format!("{id}{rest}"))
            });
            let plain = rest.unwrap_or_else(|| path.clone());
            match text(element, "sliceName") {
                Some(name) => {
                    let id = format!("{plain}:{name}");
                    slices.push((path.clone(), id.clone()));
                    id
                }
                None => plain,
            }
        });
        facts(element, tree.at(&id));
    }
    Some(Profile { url, ty, base: text(root, "baseDefinition"), root: tree })
}

fn facts(element: Node<'_>, branch: &mut Branch) {
    branch.min = element.get("min").and_then(|n| n.number()?.parse().ok());
    branch.max = text(element, "max").map(|max| max.parse().unwrap_or(usize::MAX));
    branch.max_length = element.get("maxLength").and_then(|n| n.number()?.parse().ok());
    for ty in items(element, "type") {
        let Some(code) = text(ty, "code") else { continue };
        branch.targets.extend(texts(ty, "targetProfile"));
        branch.types.push(TypeFact { code, profiles: texts(ty, "profile") });
    }
    branch.fixed = choice(element, "fixed").map(alone);
    branch.pattern = choice(element, "pattern").map(alone);
    branch.min_value = choice(element, "minValue").map(alone);
    branch.max_value = choice(element, "maxValue").map(alone);
    if let Some(binding) = element.get("binding")
        && text(binding, "strength").as_deref() == Some("required")
    {
        branch.binding = text(binding, "valueSet");
    }
    if let Some(slicing) = element.get("slicing") {
        let discriminator = |d: Node<'_>| Some((text(d, "type")?, text(d, "path")?));
        branch.slicing = Some(Slicing {
            discriminators: items(slicing, "discriminator").filter_map(discriminator).collect(),
            closed: text(slicing, "rules").as_deref() == Some("closed"),
        });
    }
    branch.constraints.extend(items(element, "constraint").filter_map(constraint));
}

/// A rule that can be run; others are left to those who wrote them.
fn constraint(node: Node<'_>) -> Option<Arc<Constraint>> {
    let path = FhirPath::parse(&text(node, "expression")?).ok()?;
    Some(Arc::new(Constraint {
        key: text(node, "key")?,
        is_error: text(node, "severity").as_deref() != Some("warning"),
        human: text(node, "human").unwrap_or_default(),
        path,
    }))
}
