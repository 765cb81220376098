//! The R4 type of a node, found from the resource it stands in.

use crate::fhir::doc::Node;
use crate::fhir::tables;

/// The type of a node: that of the resource that starts at it, else of the element behind
/// its name, as far as R4 knows it. Items of arrays have the type of the element.
#[must_use]
pub fn type_of(node: Node<'_>) -> Option<&'static str> {
    if let Some(name) = node.resource_type() {
        return tables::type_name(&name);
    }
    let mut names = Vec::new();
    let mut at = node;
    let root = loop {
        names.extend(at.name());
        at = at.parent()?;
        if let Some(name) = at.resource_type() {
            break tables::type_name(&name)?;
        }
    };
    let mut within = root;
    let mut found = None;
    for name in names.iter().rev() {
        let (element, ty) = tables::resolve(within, name)?;
        within = element.inside(ty);
        found = Some(ty);
    }
    found
}

/// The type that the name of a choice member ends in: `valueQuantity` of `value`, but
/// nothing for `responseCode`, which is no choice of `response`.
pub(super) fn choice(member: &str, name: &str) -> Option<&'static str> {
    let suffix = member.strip_prefix(name).filter(|_| tables::is_choice(name))?;
    let first = suffix.chars().next().filter(char::is_ascii_uppercase)?;
    tables::type_name(suffix).or_else(|| {
        let rest = suffix.chars().skip(1);
        let lower: String = std::iter::once(first.to_ascii_lowercase()).chain(rest).collect();
        tables::type_name(&lower)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::doc::doc;
    use crate::fhir::path::FhirPath;

    #[test]
    fn types_follow_from_the_resource() {
        let doc = doc(concat!(
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","#,
            r#""valueQuantity":{"value":1},"component":[{"valueDateTime":"2020"}],"zip":1}}]}"#
        ));
        let check = |path: &str, expected| {
            let found = FhirPath::parse(path).unwrap().select(doc.root());
            assert_eq!(type_of(found[0]), expected, "{path}");
        };
        check("Bundle", Some("Bundle"));
        check("Bundle.entry", Some("BackboneElement"));
        check("Bundle.entry.resource", Some("Observation"));
        check("Observation.value", Some("Quantity"));
        check("Observation.value.value", Some("decimal"));
        check("Observation.component.value", Some("dateTime"));
        check("Observation.zip", None);
        assert_eq!(choice("valueQuantity", "value"), Some("Quantity"));
        assert_eq!(choice("valueDateTime", "value"), Some("dateTime"));
        assert_eq!(choice("valueSet", "value"), None);
        assert_eq!(choice("values", "value"), None);
        assert_eq!(choice("responseCode", "response"), None);
    }
}
