//! The check of a document against the structure of R4: elements, cardinality, JSON types,
//! forms of primitives, required codes, choices, extensions and targets of references.
//!
//! Not here: invariants, slicing and profiles. Findings name places and types, never
//! values. One walk over the nodes, with each reference looked up in an index.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use super::doc::{Doc, Node, NodeKind, shown};
use super::tables::{self, Container, Element, Entry, Inside, Primitive};
use crate::fault::codes::{
    W2720, W2721, W2722, W2723, W2724, W2725, W2726, W2727, W2728, W2729, W2730, W2731, W2732,
    W2733,
};
use crate::fault::{Code, Fault, Place};

/// Most findings on one document: a person reads the first ones, and a hostile document
/// must not make more work than a good one.
pub const FINDINGS_MAX: usize = 500;

/// Most elements of one type or nested element, and most JSON names; the widest of R4 have
/// 62 and 100.
const ELEMENTS_MAX: usize = 128;

/// One thing that is not as R4 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: `Bundle.entry[0].resource.gender`.
    pub path: String,
    /// Which kind of thing.
    pub code: Code,
    /// What is wrong there: lower case, no period, no values of the document.
    pub what: String,
}

impl Finding {
    /// The finding as a fault, for answers.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::new(self.code).at(Place::path(self.path.as_str())).because(self.what.clone())
    }
}

/// Checks the structure of a document; nothing found means that it is as R4 has it.
#[must_use]
pub fn structure(doc: &Doc) -> Vec<Finding> {
    let root = doc.root();
    let mut check = Check { root, findings: Vec::new(), targets: OnceCell::new() };
    check.resource(root);
    check.findings
}

struct Check<'d> {
    root: Node<'d>,
    findings: Vec<Finding>,
    /// Types of the resources of a Bundle by their `fullUrl`.
    targets: OnceCell<HashMap<Cow<'d, str>, Cow<'d, str>>>,
}

/// Which members of an object were seen, by number of element and of JSON name.
struct Seen {
    elements: [u8; ELEMENTS_MAX],
    names: u128,
    shadows: u128,
}

impl<'d> Check<'d> {
    fn full(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX
    }

    fn add(&mut self, path: String, code: Code, what: impl Into<String>) {
        match self.findings.len() {
            FINDINGS_MAX.. => {}
            last if last + 1 == FINDINGS_MAX => {
                let what = format!("more than {} findings", FINDINGS_MAX - 1);
                self.findings.push(Finding { path, code: W2733, what });
            }
            _ => self.findings.push(Finding { path, code, what: what.into() }),
        }
    }

    fn at(&mut self, node: Node<'d>, code: Code, what: impl Into<String>) {
        if !self.full() {
            self.add(node.path(), code, what);
        }
    }

    /// Checks a whole resource: the document, one of a Bundle, or a contained one.
    fn resource(&mut self, node: Node<'d>) {
        if node.kind() != NodeKind::Object {
            return self.at(node, W2724, "a resource is an object");
        }
        let name = node.resource_type();
        let known = name.as_deref().filter(|name| tables::is_resource(name));
        match known.and_then(tables::container) {
            Some(container) => self.object(node, container, true),
            None if name.is_none() => self.at(node, W2720, "`resourceType` is missing"),
            None => self.at(node, W2720, "`resourceType` names no resource of R4"),
        }
    }

    fn object(&mut self, node: Node<'d>, container: &'static Container, resource: bool) {
        if node.kind() != NodeKind::Object {
            return self.at(node, W2724, "expected an object");
        }
        if node.is_empty() {
            return self.at(node, W2730, "an object without members");
        }
        let mut seen = Seen { elements: [0; ELEMENTS_MAX], names: 0, shadows: 0 };
        let mut types = 0;
        for (name, value) in node.members() {
            if self.full() {
                return;
            }
            if resource && name == "resourceType" {
                types += 1;
                if types > 1 {
                    self.at(value, W2731, "the type of the resource is given twice");
                }
                continue;
            }
            let (name, shadow) = name.strip_prefix('_').map_or((name, false), |name| (name, true));
            let Some((number, entry)) = container.find_numbered(name) else {
                self.unknown(value, container, name);
                continue;
            };
            self.count(value, entry, number, shadow, &mut seen);
            if shadow {
                self.shadow(node, value, entry);
            } else {
                self.member(node, value, entry);
            }
        }
        for (element, seen) in container.elements.iter().zip(seen.elements) {
            if element.min > 0 && seen == 0 && !self.full() {
                let name = element.path.rsplit_once('.').map_or("", |(_, name)| name);
                self.add(format!("{}.{name}", node.path()), W2722, "R4 requires a value here");
            }
        }
    }

    fn unknown(&mut self, value: Node<'d>, container: &Container, name: &str) {
        let near = super::path::nearest(shown(name), container.names());
        let hint = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        self.at(value, W2721, format!("no element of this name here{hint}"));
    }

    /// Notes a member; a second one of its name or choice is a finding.
    fn count(
        &mut self,
        value: Node<'d>,
        entry: &Entry,
        number: usize,
        shadow: bool,
        seen: &mut Seen,
    ) {
        let bit = 1_u128.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
        let both = seen.names | seen.shadows;
        let side = if shadow { &mut seen.shadows } else { &mut seen.names };
        if *side & bit != 0 {
            return self.at(value, W2731, "the object has two members of this name");
        }
        *side |= bit;
        let Some(count) = seen.elements.get_mut(usize::from(entry.index)) else { return };
        *count = count.saturating_add(1);
        if *count > 1 && both & bit == 0 {
            let what = format!("only one of `{}` may be given", entry.element.path);
            self.at(value, W2727, what);
        }
    }

    /// Checks the value of a member of `parent`.
    fn member(&mut self, parent: Node<'d>, value: Node<'d>, entry: &'static Entry) {
        let element = entry.element;
        if !element.is_list() {
            return match value.kind() {
                NodeKind::Array => self.at(value, W2723, "takes one value, not an array"),
                NodeKind::Null => self.at(value, W2730, "null stands only in arrays"),
                _ => self.value(value, entry),
            };
        }
        if value.kind() != NodeKind::Array {
            return self.at(value, W2724, "expected an array");
        }
        let mut count = 0;
        for item in value.items() {
            count += 1;
            if item.kind() != NodeKind::Null {
                self.value(item, entry);
            } else if !has_shadow(parent, value, count - 1) {
                self.at(item, W2730, "null without an extension in its place");
            }
        }
        if count == 0 {
            self.at(value, W2730, "an array without items");
        }
        if element.max > 1 && count > usize::from(element.max) {
            self.at(value, W2723, format!("takes at most {} values", element.max));
        }
    }

    /// Checks the id and extensions of a primitive: `_birthDate`.
    fn shadow(&mut self, parent: Node<'d>, value: Node<'d>, entry: &Entry) {
        let (Inside::Primitive(_), Some(element)) = (entry.inside, tables::container("Element"))
        else {
            return self.at(value, W2721, "only primitives have a member with `_`");
        };
        if !entry.element.is_list() {
            return self.object(value, element, false);
        }
        if value.kind() != NodeKind::Array {
            return self.at(value, W2724, "expected an array");
        }
        let name = value.name().and_then(|name| name.strip_prefix('_')).unwrap_or_default();
        if let Some(values) = parent.get(name)
            && values.items().count() != value.items().count()
        {
            self.at(value, W2732, "the array is not as long as that of the values");
        }
        for item in value.items() {
            if item.kind() != NodeKind::Null {
                self.object(item, element, false);
            }
        }
    }

    fn value(&mut self, node: Node<'d>, entry: &'static Entry) {
        match entry.inside {
            Inside::Resource => self.resource(node),
            Inside::Primitive(primitive) => self.primitive(node, primitive, entry.element),
            Inside::Container(number) => {
                let Some(container) = tables::container_at(number) else { return };
                self.object(node, container, false);
                match entry.ty {
                    "Extension" => self.extension(node),
                    "Reference" => self.reference(node, entry.element),
                    "CodeableConcept" | "Coding" => self.coded(node, entry.element),
                    _ => {}
                }
            }
        }
    }

    fn primitive(&mut self, node: Node<'d>, primitive: Primitive, element: &Element) {
        let expected = match primitive {
            Primitive::Boolean => NodeKind::Bool,
            number if number.is_number() => NodeKind::Number,
            _ => NodeKind::String,
        };
        if node.kind() != expected {
            let word = match expected {
                NodeKind::Bool => "`true` or `false`",
                NodeKind::Number => "a number",
                _ => "a text",
            };
            return self.at(node, W2724, format!("expected {word}"));
        }
        let text = node.text().unwrap_or_default();
        if text.is_empty() {
            return self.at(node, W2730, "a text without characters");
        }
        if !primitive.accepts(&text) {
            return self.at(node, W2725, format!("not a value of type `{}`", primitive.name()));
        }
        if let Some(set) = element.required_binding
            && primitive.is_coded()
            && tables::has_code(set, &text) == Some(false)
        {
            self.at(node, W2726, format!("the code is not in the value set {set}"));
        }
    }

    /// With a required binding, one of the codings has to be of the value set.
    fn coded(&mut self, node: Node<'d>, element: &Element) {
        let Some(set) = element.required_binding else { return };
        let Some(codes) = tables::codes(set) else { return };
        let codings = node.get("coding").map_or_else(|| vec![node], |all| all.items().collect());
        let text = |node: &Node<'d>, name: &str| node.get(name).and_then(|value| value.string());
        let coded: Vec<_> = codings.iter().filter(|c| c.get("code").is_some()).collect();
        let known = coded.iter().any(|coding| {
            let (system, code) = (text(coding, "system"), text(coding, "code"));
            let fits = |known: &str, given: &Option<Cow<'d, str>>| given.as_deref() == Some(known);
            codes.iter().any(|(s, c)| fits(c, &code) && (fits(s, &system) || system.is_none()))
        });
        if !coded.is_empty() && !known {
            self.at(node, W2726, format!("no code is in the value set {set}"));
        }
    }

    fn extension(&mut self, node: Node<'d>) {
        let value = node.members().find(|(name, _)| is_value(name));
        let parts = node.get("extension");
        match (value, parts) {
            (Some(_), Some(_)) => {
                return self.at(node, W2728, "has both a value and extensions of its own");
            }
            (None, None) => return self.at(node, W2728, "has neither value nor extensions"),
            _ => {}
        }
        let url = node.get("url").and_then(|url| url.string()).unwrap_or_default();
        let Some(known) = tables::extension_by_url(&url).filter(|known| known.url == url) else {
            return;
        };
        let fits = value.is_none_or(|(name, _)| {
            let ty = tables::resolve("Extension", name).map(|(_, ty)| ty);
            known.value.is_empty() && !known.parts.is_empty()
                || ty.is_none_or(|ty| known.value.contains(&ty))
        });
        if !fits {
            let what = format!("the value of `{}` has type {}", known.id, known.value.join(" or "));
            self.at(node, W2728, what);
        } else if value.is_some() && known.value.is_empty() {
            self.at(node, W2728, format!("`{}` is made of extensions", known.id));
        }
    }

    fn reference(&mut self, node: Node<'d>, element: &Element) {
        let any = |targets: &[&str]| targets.is_empty() || targets.contains(&"Resource");
        if any(element.targets) {
            return;
        }
        let literal = node.get("reference").and_then(|r| r.string());
        let said = node.get("type").and_then(|t| t.string());
        let found = literal.as_deref().and_then(|literal| self.target(node, literal));
        let Some(ty) = found.or(said) else { return };
        if tables::is_resource(&ty) && !element.targets.contains(&ty.as_ref()) {
            let what = format!("the target is none of {}", element.targets.join(", "));
            self.at(node, W2729, what);
        }
    }

    /// Type of what a reference points to, where that can be known.
    fn target(&self, node: Node<'d>, literal: &str) -> Option<Cow<'d, str>> {
        if let Some(id) = literal.strip_prefix('#') {
            return contained(node, id)?.resource_type();
        }
        if let Some(ty) = self.targets().get(literal) {
            return Some(ty.clone());
        }
        let path = literal.split("/_history/").next()?;
        let mut parts = path.rsplit('/');
        let (_, ty) = (parts.next()?, parts.next()?);
        tables::is_resource(ty).then(|| Cow::Owned(ty.to_owned()))
    }

    fn targets(&self) -> &HashMap<Cow<'d, str>, Cow<'d, str>> {
        self.targets.get_or_init(|| {
            let entries = self.root.get("entry").into_iter().flat_map(|entry| entry.items());
            let target = |entry: Node<'d>| {
                let url = entry.get("fullUrl")?.string()?;
                Some((url, entry.get("resource")?.resource_type()?))
            };
            entries.filter_map(target).collect()
        })
    }
}

/// Whether a member name is `value[x]` of an extension.
fn is_value(name: &str) -> bool {
    name.trim_start_matches('_').strip_prefix("value").is_some_and(|ty| !ty.is_empty())
}

/// Whether the extensions beside an array of primitives fill a place of it.
fn has_shadow(parent: Node<'_>, array: Node<'_>, index: usize) -> bool {
    let shadows = array.name().and_then(|name| parent.get(&format!("_{name}")));
    let beside = shadows.and_then(|shadows| shadows.items().nth(index));
    beside.is_some_and(|beside| beside.kind() != NodeKind::Null)
}

/// The contained resource of that id in the resource around a node.
fn contained<'d>(node: Node<'d>, id: &str) -> Option<Node<'d>> {
    let mut around = std::iter::successors(Some(node), |n| n.parent());
    let all = around.find_map(|n| n.get("contained"))?;
    let named = |r: &Node<'d>| r.get("id").and_then(|i| i.string()).is_some_and(|i| i == id);
    all.items().find(named)
}

#[cfg(test)]
mod tests {
    use super::super::doc::doc;
    use super::*;

    /// Findings of a text as lines: code, path, what.
    fn found(text: &str) -> Vec<String> {
        let lines = structure(&doc(text));
        lines.iter().map(|f| format!("{} {} {}", f.code, f.path, f.what)).collect()
    }

    #[test]
    fn good_resources_are_accepted() {
        for text in [
            r#"{"resourceType":"Patient"}"#,
            r#"{"resourceType":"Patient","gender":"male","birthDate":"1970","deceasedBoolean":false,
                "_birthDate":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime":"1970-01-01T01:02:03Z"}]},"name":[{"given":["a",null],
                "_given":[null,{"id":"x"}]}],"contact":[{"name":{"family":"x"}}]}"#,
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
                "valueQuantity":{"value":1.50},"component":[{"code":{"text":"y"},"valueString":"z",
                "referenceRange":[{"low":{"value":1}}]}],"subject":{"reference":"Patient/1"}}"#,
            r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],
                "_status":{"extension":[{"url":"u","valueCode":"unknown"}]},"code":{"text":"x"},
                "subject":{"reference":"#p"}}"##,
            r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1",
                "resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}"#,
            r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b",
                "valueDate":"2020-01-01"}]}]}"#,
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn faults_of_structure_are_found() {
        let patient = |inside: &str, expected: &str| {
            let text = format!(r#"{{"resourceType":"Patient",{inside}}}"#);
            assert_eq!(found(&text).join("\n"), expected, "{inside}");
        };
        let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
        patient(
            r#""gendr":"male""#,
            "W2721 Patient.gendr no element of this name here, did you mean `gender`?",
        );
        patient(r#""Jo Doe":1"#, "W2721 Patient.? no element of this name here");
        patient(
            r#""gender":"M""#,
            &format!("W2726 Patient.gender the code is not in the value set {set}"),
        );
        patient(r#""gender":["male"]"#, "W2723 Patient.gender takes one value, not an array");
        patient(r#""gender":1"#, "W2724 Patient.gender expected a text");
        patient(r#""gender":null"#, "W2730 Patient.gender null stands only in arrays");
        patient(r#""gender":"""#, "W2730 Patient.gender a text without characters");
        patient(
            r#""gender":"male","gender":"male""#,
            "W2731 Patient.gender the object has two members of this name",
        );
        patient(r#""active":"true""#, "W2724 Patient.active expected `true` or `false`");
        patient(
            r#""birthDate":"1970-02-30""#,
            "W2725 Patient.birthDate not a value of type `date`",
        );
        patient(r#""id":"a b""#, "W2725 Patient.id not a value of type `id`");
        patient(r#""name":{"family":"x"}"#, "W2724 Patient.name expected an array");
        patient(r#""name":[]"#, "W2730 Patient.name an array without items");
        patient(r#""name":[{}]"#, "W2730 Patient.name[0] an object without members");
        patient(r#""name":["x"]"#, "W2724 Patient.name[0] expected an object");
        patient(
            r#""name":[{"given":["a",null]}]"#,
            "W2730 Patient.name[0].given[1] null without an extension in its place",
        );
        patient(
            r#""name":[{"given":["a"],"_given":[null,{"id":"x"}]}]"#,
            "W2732 Patient.name[0]._given the array is not as long as that of the values",
        );
        patient(
            r#""deceasedBoolean":true,"deceasedDateTime":"2020""#,
            "W2727 Patient.deceasedDateTime only one of `Patient.deceased[x]` may be given",
        );
        patient(
            r#""multipleBirthInteger":1.5"#,
            "W2725 Patient.multipleBirthInteger not a value of type `integer`",
        );
        patient(r#""_name":[{}]"#, "W2721 Patient._name only primitives have a member with `_`");
        patient(
            r#""extension":[{"valueString":"x"}]"#,
            "W2722 Patient.extension[0].url R4 requires a value here",
        );
        patient(
            r#""extension":[{"url":"u"}]"#,
            "W2728 Patient.extension[0] has neither value nor extensions",
        );
        patient(
            r#""extension":[{"url":"u","valueCode":"x","extension":[{"url":"v","valueCode":"y"}]}]"#,
            "W2728 Patient.extension[0] has both a value and extensions of its own",
        );
        patient(
            r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-religion","valueCode":"x"}]"#,
            "W2728 Patient.extension[0] the value of `patient-religion` has type CodeableConcept",
        );
        patient(
            r#""generalPractitioner":[{"reference":"http://a/Patient/1/_history/2"}]"#,
            "W2729 Patient.generalPractitioner[0] the target is none of Organization, Practitioner, PractitionerRole",
        );
        patient(
            r#""contact":[{"gender":"x","nme":1}]"#,
            &format!(
                "W2726 Patient.contact[0].gender the code is not in the value set {set}\nW2721 Patient.contact[0].nme no element of this name here, did you mean `name`?"
            ),
        );
        patient(
            r#""communication":[{"preferred":true}]"#,
            "W2722 Patient.communication[0].language R4 requires a value here",
        );
        patient(
            r#""contained":[{"id":"x"}]"#,
            "W2720 Patient.contained[0] `resourceType` is missing",
        );
        let check =
            |text: &str, expected: &str| assert_eq!(found(text).join("\n"), expected, "{text}");
        check("[]", "W2724 $this a resource is an object");
        check("{}", "W2720 $this `resourceType` is missing");
        check(r#"{"resourceType":"Jo"}"#, "W2720 $this `resourceType` names no resource of R4");
        check(
            r#"{"resourceType":"DomainResource"}"#,
            "W2720 $this `resourceType` names no resource of R4",
        );
        check(
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":
               {"resourceType":"Group","type":"person","actual":true}},{"resource":{"resourceType":"Encounter",
               "status":"x","class":{"code":"AMB"},"subject":{"reference":"urn:uuid:1"},
               "serviceProvider":{"reference":"urn:uuid:1"}}}]}"#,
            "W2726 Bundle.entry[1].resource.status the code is not in the value set http://hl7.org/fhir/ValueSet/encounter-status\n\
             W2729 Bundle.entry[1].resource.serviceProvider the target is none of Organization",
        );
    }

    #[test]
    fn findings_end() {
        let many = r#"{"x":1},"#.repeat(2000);
        let found =
            structure(&doc(&format!(r#"{{"resourceType":"Patient","name":[{many}{{"y":1}}]}}"#)));
        assert_eq!(found.len(), FINDINGS_MAX);
        assert_eq!(found.last().unwrap().code, W2733);
    }

    #[test]
    fn every_type_fits_the_limits_of_the_walk() {
        for name in tables::resources() {
            let container = tables::container(name).unwrap();
            assert!(container.elements.len() <= ELEMENTS_MAX && container.names().count() <= 128);
        }
        assert!(tables::container("ElementDefinition").unwrap().names().count() > 0);
    }
}
