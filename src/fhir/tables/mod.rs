//! The elements, types, codes and extensions of FHIR R4, read from the tables beside this
//! file on first use.
//!
//! The texts are written by the generator (`generate/fhir.rs`) and never by hand. Rows
//! inherited from a base type stand only there and are put in front here, which is the
//! order of the specification.

mod codes;
mod extensions;
mod invariants;
mod load;
mod primitive;

use std::sync::OnceLock;

pub use codes::{codes, display, has_code, has_coding, system};
pub use extensions::{Extension, ExtensionPart, extension, extension_by_url, extensions};
pub use invariants::{Invariant, invariants};
pub(super) use load::{Container, Entry, Inside};
pub use primitive::Primitive;

/// Source: HL7 FHIR R4 (4.0.1) value set URLs share this beginning.
const VALUE_SET: &str = "http://hl7.org/fhir/ValueSet/";

/// Most JSON names of one type or nested element: ElementDefinition has 222.
pub(super) const NAMES_MAX: usize = 256;

/// One element of a type.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Full path, such as `Patient.birthDate`; those of choice elements end in `[x]`.
    pub path: &'static str,
    /// Fewest values.
    pub min: u16,
    /// Most values; 0 stands for any number.
    pub max: u16,
    /// Types it may have; none when it shares the definition of another element.
    pub types: &'static [&'static str],
    /// Resource types that a reference may point to; none given means any.
    pub targets: &'static [&'static str],
    /// URL of the value set that its codes must come from.
    pub required_binding: Option<&'static str>,
    /// URL of the value set that its codes should come from when one of it fits.
    pub extensible_binding: Option<&'static str>,
    /// Whether a Quantity in it is a SimpleQuantity, which has no comparator.
    pub is_simple: bool,
    /// Path of the element whose definition it shares: `Bundle.link`.
    pub content_ref: Option<&'static str>,
}

impl Element {
    /// Its name, without `[x]`: `birthDate`, `deceased`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let name = self.path.rsplit_once('.').map_or(self.path, |(_, name)| name);
        name.strip_suffix("[x]").unwrap_or(name)
    }

    /// Whether it may have one of several types, which the member's name then ends in.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        self.path.ends_with("[x]")
    }

    /// Whether JSON writes it as an array.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.max != 1
    }

    /// Name of the JSON member for a value of a type: `valueQuantity`, `birthDate`.
    #[must_use]
    pub fn member(&self, ty: &str) -> String {
        if !self.is_choice() {
            return self.name().to_owned();
        }
        let mut letters = ty.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        self.name().chars().chain(first).chain(letters).collect()
    }

    /// Path under which the members of a value of this element are found: the type's name,
    /// its own path for nested elements, or the path of the definition it shares.
    #[must_use]
    pub fn inside(&self, ty: &'static str) -> &'static str {
        match (self.content_ref, ty) {
            (Some(path), _) => path,
            (None, "BackboneElement" | "Element") => self.path,
            (None, _) => ty,
        }
    }
}

fn tables() -> &'static load::Tables {
    static TABLES: OnceLock<load::Tables> = OnceLock::new();
    TABLES.get_or_init(load::Tables::load)
}

/// The element of that full path (`Patient.contact.name`, `HumanName.family`); choice
/// elements are asked for with `[x]`.
#[must_use]
pub fn element(path: &str) -> Option<&'static Element> {
    let (within, _) = path.rsplit_once('.')?;
    children(within)?.iter().find(|element| element.path == path)
}

/// The child elements of a type or nested element in the order of the specification,
/// inherited ones first.
#[must_use]
pub fn children(path: &str) -> Option<&'static [Element]> {
    tables().container(path).map(|container| container.elements)
}

/// Finds a member by its JSON name in a type or nested element, with the type of its value.
///
/// `resolve("Observation", "valueQuantity")` gives `Observation.value[x]` and `Quantity`;
/// `_birthDate` is found as `birthDate`. Go on with [`Element::inside`].
#[must_use]
pub fn resolve(within: &str, member: &str) -> Option<(&'static Element, &'static str)> {
    let entry = tables().container(within)?.find(member.strip_prefix('_').unwrap_or(member))?;
    Some((entry.element, entry.ty))
}

/// Follows a path of JSON names from a type: `Patient.contact.name.family`.
#[must_use]
pub fn walk(path: &str) -> Option<(&'static Element, &'static str)> {
    let mut steps = path.split('.');
    let mut within = type_name(steps.next()?)?;
    let mut found = None;
    for step in steps {
        let (element, ty) = resolve(within, step)?;
        within = element.inside(ty);
        found = Some((element, ty));
    }
    found
}

/// Whether some element with a choice of types has this name: `value`, `deceased`.
#[must_use]
pub fn is_choice(name: &str) -> bool {
    static NAMES: OnceLock<std::collections::HashSet<&'static str>> = OnceLock::new();
    let elements = || tables().containers.iter().flat_map(|container| container.elements);
    let names =
        NAMES.get_or_init(|| elements().filter(|e| e.is_choice()).map(Element::name).collect());
    names.contains(name)
}

/// Whether it names a resource that can stand by itself.
#[must_use]
pub fn is_resource(name: &str) -> bool {
    tables().types.get(name).is_some_and(|ty| ty.kind == load::Kind::Resource)
}

/// Whether it names a primitive type.
#[must_use]
pub fn is_primitive(name: &str) -> bool {
    Primitive::of(name).is_some()
}

/// Whether it names a type of R4, abstract ones included.
#[must_use]
pub fn is_type(name: &str) -> bool {
    tables().types.contains_key(name)
}

/// The name of a type as the tables hold it.
#[must_use]
pub fn type_name(name: &str) -> Option<&'static str> {
    tables().types.get_key_value(name).map(|(name, _)| *name)
}

/// Whether a type is another or, over any number of steps, made from it: `code` is a
/// `string`, `Age` is a `Quantity`.
#[must_use]
pub fn is_a(name: &str, base: &str) -> bool {
    // The longest way up has four steps.
    let mut at = name;
    for _ in 0..6 {
        if at == base && !at.is_empty() {
            return true;
        }
        let Some(ty) = tables().types.get(at) else { return false };
        at = ty.base;
    }
    false
}

/// Names of all resources, in order.
pub fn resources() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<_> = tables()
        .types
        .iter()
        .filter(|(_, ty)| ty.kind == load::Kind::Resource)
        .map(|(name, _)| *name)
        .collect();
    names.sort_unstable();
    names.into_iter()
}

pub(super) fn container(path: &str) -> Option<&'static Container> {
    tables().container(path)
}

pub(super) fn container_count() -> usize {
    tables().containers.len()
}

pub(super) fn container_at(index: u32) -> Option<&'static Container> {
    tables().containers.get(index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_path() {
        let birth = element("Patient.birthDate").unwrap();
        assert_eq!((birth.min, birth.max, birth.types), (0, 1, &["date"][..]));
        let gender = element("Patient.gender").unwrap();
        let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
        assert_eq!(gender.required_binding, Some(set));
        let subject = element("DiagnosticReport.subject").unwrap();
        assert_eq!(subject.targets, ["Patient", "Group", "Device", "Location"]);
        assert_eq!(element("Bundle.entry.link").unwrap().content_ref, Some("Bundle.link"));
        assert_eq!(element("Observation.value[x]").unwrap().member("dateTime"), "valueDateTime");
        assert_eq!(element("Patient.id").unwrap().types, ["id"]);
        assert_eq!(element("Patient.contact.id").unwrap().types, ["string"]);
        assert!(element("Patient.birthdate").is_none() && element("Patient").is_none());
    }

    #[test]
    fn children_come_in_the_order_of_the_specification() {
        let names: Vec<_> = children("Patient").unwrap().iter().map(Element::name).collect();
        assert_eq!(
            names[..10],
            [
                "id",
                "meta",
                "implicitRules",
                "language",
                "text",
                "contained",
                "extension",
                "modifierExtension",
                "identifier",
                "active"
            ]
        );
        let names: Vec<_> = children("Patient.link").unwrap().iter().map(Element::name).collect();
        assert_eq!(names, ["id", "extension", "modifierExtension", "other", "type"]);
        let names: Vec<_> = children("Age").unwrap().iter().map(Element::name).collect();
        assert_eq!(names, ["id", "extension", "value", "comparator", "unit", "system", "code"]);
    }

    #[test]
    fn members_resolve_with_their_type() {
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let found = walk(path).map(|(element, ty)| (element.path, ty));
            assert_eq!(found, expected, "{path}");
        };
        check("Observation.valueQuantity", Some(("Observation.value[x]", "Quantity")));
        check("Observation.valueQuantity.value", Some(("Quantity.value", "decimal")));
        check("Observation.value", None);
        check(
            "Observation.component.valueString",
            Some(("Observation.component.value[x]", "string")),
        );
        check(
            "Observation.component.referenceRange.low",
            Some(("Observation.referenceRange.low", "Quantity")),
        );
        check("Patient.contact.name.family", Some(("HumanName.family", "string")));
        check("Patient._birthDate", Some(("Patient.birthDate", "date")));
        check("Patient.deceasedDateTime", Some(("Patient.deceased[x]", "dateTime")));
        check("Patient.deceasedDate", None);
        check("Timing.repeat.boundsPeriod.start", Some(("Period.start", "dateTime")));
        check(
            "Consent.provision.provision.actor.reference",
            Some(("Consent.provision.actor.reference", "Reference")),
        );
        check("Bundle.entry.resource", Some(("Bundle.entry.resource", "Resource")));
        check("Patient.extension.extension.valueCode", Some(("Extension.value[x]", "code")));
        check("Nothing.id", None);
    }

    #[test]
    fn types_are_told_apart() {
        assert!(is_resource("Patient") && !is_resource("HumanName") && !is_resource("Resource"));
        assert!(is_primitive("dateTime") && !is_primitive("Quantity"));
        assert!(is_type("Quantity") && is_type("DomainResource") && !is_type("Foo"));
        assert!(is_a("code", "string") && is_a("Age", "Element") && is_a("Patient", "Resource"));
        assert!(!is_a("string", "code") && !is_a("nothing", "Element") && !is_a("Patient", ""));
        assert_eq!(resources().count(), 146);
    }
}
