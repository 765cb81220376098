//! Facts of FHIR: every resource of a document, wherever it stands.

use std::borrow::Cow;
use std::sync::Arc;

use super::refs::unversioned;
use super::{ABOUT_NO_PATIENT, Facts, Item, Labels, Links, period};
use crate::consent::code::{Code, concepts};
use crate::fhir::{Node, NodeKind};

/// Members with what a resource is about.
const CODE_MEMBERS: [&str; 4] = ["code", "vaccineCode", "medicationCodeableConcept", "type"];

/// Members that say who made it.
const AUTHOR_MEMBERS: [&str; 6] =
    ["performer", "author", "recorder", "requester", "asserter", "practitioner"];

/// Most references looked at in one resource; one with more counts as not known.
pub(super) const LINKS_MAX: usize = 256;

/// Most codes looked at in one resource besides its main ones; one with more is unclear.
const CODES_MAX: usize = 512;

/// Resources whose codes count with what refers to them.
const SUBSTANCES: [&str; 2] = ["Medication", "Substance"];

/// Members that say when it happened.
const TIME_MEMBERS: [&str; 14] = [
    "effectiveDateTime",
    "effectiveInstant",
    "effectivePeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "onsetPeriod",
    "period",
    "authoredOn",
    "recordedDate",
    "issued",
    "date",
];

/// End of the URL of the extension that labels one element.
///
/// Source: HL7 FHIR DS4P, extension-inline-sec-label.
const INLINE_LABEL: &str = "extension-inline-sec-label";

/// What the resources of a document refer each other by.
#[derive(Default)]
struct Around<'d> {
    /// Full URL, and `Type/id` of its resource.
    urls: Vec<(Cow<'d, str>, Arc<str>)>,
    /// Medications and substances by full URL and `Type/id`.
    substances: Vec<([Option<Arc<str>>; 2], Node<'d>)>,
}

/// Where a resource stands.
#[derive(Clone, Default)]
struct Within {
    labels: Labels,
    also: Vec<&'static str>,
}

/// What a walk through one resource finds.
#[derive(Default)]
struct Found<'d> {
    links: Links,
    codes: Vec<Code>,
    labels: Labels,
    /// Resources within, with their full URLs.
    nested: Vec<(Node<'d>, Option<Cow<'d, str>>)>,
}

pub(super) fn read(facts: &mut Facts, root: Node<'_>) {
    let mut around = Around::default();
    let entries = root.get("entry");
    for entry in entries.iter().flat_map(|entries| entries.each()) {
        let Some(resource) = entry.get("resource") else { continue };
        let (name, url) = (name_of(resource), entry.get("fullUrl").and_then(|url| url.string()));
        let class = resource.resource_type();
        if class.is_some_and(|class| SUBSTANCES.contains(&&*class)) {
            around.substances.push(([url.as_deref().map(Into::into), name.clone()], resource));
        }
        around.urls.extend(url.zip(name));
    }
    resource(facts, root, None, &Within::default(), &around);
}

/// `Type/id` of a resource.
fn name_of(resource: Node<'_>) -> Option<Arc<str>> {
    let id = resource.get("id").and_then(|id| id.string())?;
    Some(format!("{}/{id}", resource.resource_type()?).into())
}

/// Reads a resource and those within it. Recursion is bounded by the depth of documents.
fn resource<'d>(
    facts: &mut Facts,
    node: Node<'d>,
    full_url: Option<Cow<'d, str>>,
    outer: &Within,
    around: &Around<'d>,
) {
    let class = node.resource_type();
    let mut found = Found::default();
    found.walk_resource(node);
    let mut within = outer.clone();
    add_labels(&mut within.labels, node, class.as_deref());
    within.labels.codes.append(&mut found.labels.codes);
    within.labels.unclear |= found.labels.unclear;
    let nested = std::mem::take(&mut found.nested);
    match class.as_deref() {
        Some("Bundle") => {
            within.also.push("Bundle");
            let entries = node.get("entry");
            for entry in entries.iter().flat_map(|entries| entries.each()) {
                if entry.get("resource").is_none() {
                    request(facts, entry, &within);
                }
            }
        }
        Some(class) if ABOUT_NO_PATIENT.contains(&class) => {}
        _ => facts.add(item(node, class.as_deref(), full_url, found, &within, around)),
    }
    if class.as_deref() == Some("Parameters") {
        within.also.push("Parameters");
    }
    for (inner, full_url) in nested {
        resource(facts, inner, full_url, &within, around);
    }
}

/// An entry without resource, such as a deletion, tells of the resource it names.
fn request(facts: &mut Facts, entry: Node<'_>, within: &Within) {
    let url = entry.get("request").and_then(|request| request.get("url")?.string());
    let url = url.as_deref().map(unversioned).filter(|url| !url.is_empty());
    let path = url.and_then(|url| url.split('?').next()).unwrap_or_default();
    let steps: Vec<&str> = path.split('/').collect();
    let class = steps.iter().rev().find(|step| crate::fhir::tables::is_resource(step));
    let reference = url.filter(|url| !url.contains('?') && url.contains('/'));
    facts.add(Item {
        class: class.map(|class| Arc::from(*class)),
        reference: reference.map(Arc::from),
        labels: within.labels.clone(),
        also: within.also.clone(),
        ..Item::default()
    });
}

fn item<'d>(
    node: Node<'d>,
    class: Option<&str>,
    full_url: Option<Cow<'d, str>>,
    found: Found<'d>,
    within: &Within,
    around: &Around<'d>,
) -> Item {
    let mut codes = Vec::new();
    let mut unclear = found.codes.len() > CODES_MAX;
    for (_, main) in node.members().filter(|(name, _)| CODE_MEMBERS.contains(name)) {
        unclear |= concepts(main, &mut codes);
    }
    let mut inner = found.codes;
    for component in node.get("component").into_iter().flat_map(Node::each) {
        unclear |= component.get("code").is_some_and(|code| concepts(code, &mut inner));
    }
    let mut also = within.also.clone();
    unclear |= add_substances(node, &mut codes, &mut inner, &mut also, around);
    let mut authors = Found::default();
    for member in AUTHOR_MEMBERS.iter().filter_map(|name| node.get(name)) {
        authors.walk(member);
    }
    let links = found.links.resolved(around);
    let profiles = node.get("meta").and_then(|meta| meta.get("profile"));
    let profiles = profiles.iter().flat_map(|list| list.each()).filter_map(|p| p.string());
    Item {
        class: class.map(Arc::from),
        also,
        labels: within.labels.clone(),
        codes: Some(codes),
        inner,
        unclear,
        reference: name_of(node),
        full_url: full_url.map(|url| Arc::from(&*url)),
        profiles: profiles.map(|profile| Arc::from(&*profile)).collect(),
        authors: Some(authors.links.resolved(around)),
        links: (links.refs.len() <= LINKS_MAX).then_some(links),
        period: TIME_MEMBERS.iter().find_map(|name| period(node.get(name)?)),
    }
}

/// Adds the codes of medications that a resource holds or refers to; whether one of them
/// cannot be found.
fn add_substances<'d>(
    node: Node<'d>,
    codes: &mut Vec<Code>,
    inner: &mut Vec<Code>,
    also: &mut Vec<&'static str>,
    around: &Around<'d>,
) -> bool {
    let (mut unclear, mut held) = (false, false);
    let mut take = |substance: Node<'d>, kind: &'static str| {
        let mut found = Found::default();
        found.walk_resource(substance);
        inner.append(&mut found.codes);
        if !also.contains(&kind) {
            also.push(kind);
        }
        let code = substance.get("code");
        code.is_none_or(|code| concepts(code, codes))
    };
    for contained in node.get("contained").into_iter().flat_map(Node::each) {
        let class = contained.resource_type();
        let kind = SUBSTANCES.iter().find(|kind| class.as_deref() == Some(kind));
        held |= kind.is_some();
        unclear |= kind.is_some_and(|kind| take(contained, kind));
    }
    let reference = node.get("medicationReference");
    let text = reference.and_then(|reference| reference.get("reference")?.string());
    let local = text.as_deref().is_some_and(|text| text.starts_with('#'));
    if reference.is_some() && !(local && held) {
        let text = text.unwrap_or_default();
        let text = unversioned(&text);
        let names = |names: &[Option<Arc<str>>; 2]| names.iter().flatten().any(|n| **n == *text);
        match around.substances.iter().find(|(own, _)| names(own)) {
            Some((_, substance)) => unclear |= take(*substance, "Medication"),
            None => {
                unclear = true;
                also.push("Medication");
            }
        }
    }
    unclear
}

/// Labels of a resource: `meta.security`, and the elements of documents that label them.
fn add_labels(labels: &mut Labels, node: Node<'_>, class: Option<&str>) {
    let security = node.get("meta").and_then(|meta| meta.get("security"));
    for coding in security.into_iter().flat_map(Node::each) {
        match Code::of(coding) {
            Some(code) => labels.codes.push(code),
            None => labels.unclear = true,
        }
    }
    if let Some(concept) = node.get("securityLabel").filter(|_| class != Some("Consent")) {
        labels.unclear |= concepts(concept, &mut labels.codes);
    }
    let confidentiality = node.get("confidentiality").filter(|_| class == Some("Composition"));
    if let Some(code) = confidentiality.and_then(|code| code.string()) {
        labels.codes.push(Code::known(crate::fhir::systems::CONFIDENTIALITY, &code));
    }
}

impl<'d> Found<'d> {
    /// Walks through the members of a resource, but for what it says of itself.
    fn walk_resource(&mut self, resource: Node<'d>) {
        let apart = |name: &str| matches!(name, "meta" | "text") || CODE_MEMBERS.contains(&name);
        let url = resource.get("fullUrl").and_then(|url| url.string());
        for (_, member) in resource.members().filter(|(name, _)| !apart(name)) {
            self.step(member, url.as_ref());
        }
        // The codings of what it is about are read apart; what else stands there is not.
        let mains = resource.members().filter(|(name, _)| CODE_MEMBERS.contains(name));
        for concept in mains.flat_map(|(_, main)| main.each()) {
            let rest = concept.members().filter(|(name, _)| *name != "coding");
            rest.for_each(|(_, member)| self.step(member, None));
        }
    }

    fn walk(&mut self, node: Node<'d>) {
        self.step(node, None);
    }

    /// Goes into a node; resources are kept for later. Recursion is bounded by the depth of
    /// documents.
    fn step(&mut self, node: Node<'d>, url: Option<&Cow<'d, str>>) {
        match node.kind() {
            NodeKind::Array => node.items().for_each(|item| self.step(item, url)),
            NodeKind::Object => self.object(node, url),
            NodeKind::String | NodeKind::Number | NodeKind::Bool | NodeKind::Null => {}
        }
    }

    fn object(&mut self, node: Node<'d>, url: Option<&Cow<'d, str>>) {
        let (mut code, mut reference, mut identified) = (false, false, false);
        let (mut quantity, mut own_url) = (false, None);
        for (name, member) in node.members() {
            let kind = member.kind();
            match name {
                "resourceType" => {
                    self.nested.push((node, url.cloned()));
                    return;
                }
                "code" => code |= kind == NodeKind::String,
                "reference" => reference |= kind == NodeKind::String,
                "identifier" => identified |= kind == NodeKind::Object,
                "value" => quantity = true,
                "fullUrl" => own_url = member.string(),
                "url" if member.string().is_some_and(|u| u.ends_with(INLINE_LABEL)) => {
                    self.inline_label(node);
                }
                _ => {}
            }
        }
        if code && !quantity && self.codes.len() <= CODES_MAX {
            self.codes.extend(Code::of(node));
        }
        if reference && self.links.refs.len() <= LINKS_MAX {
            let text = node.get("reference").and_then(|text| text.string()).unwrap_or_default();
            self.links.refs.push(unversioned(&text).into());
        } else if identified {
            let kind = node.get("type").and_then(|kind| kind.string()).unwrap_or_default();
            self.links.vague.push((*kind).into());
        }
        for (_, member) in node.members() {
            self.step(member, own_url.as_ref());
        }
    }

    fn inline_label(&mut self, extension: Node<'_>) {
        match extension.get("valueCoding").and_then(Code::of) {
            Some(code) => self.labels.codes.push(code),
            None => self.labels.unclear = true,
        }
    }
}

impl Links {
    /// Adds `Type/id` of what is referred to by its full URL. What is contained is no
    /// resource that another could name, but it may stand for one of its type.
    fn resolved(mut self, around: &Around<'_>) -> Self {
        let named = |own: &Arc<str>| around.urls.iter().find(|(url, _)| **url == **own);
        let more: Vec<Arc<str>> =
            self.refs.iter().filter_map(|own| Some(named(own)?.1.clone())).collect();
        let settled = |own: &Arc<str>| own.starts_with('#') || named(own).is_some();
        let urns = |own: &Arc<str>| own.starts_with("urn:") && settled(own);
        self.refs.retain(|own| !own.starts_with('#') && !urns(own));
        self.refs.extend(more);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fhir, shown};
    use super::*;
    use crate::consent::code::Match;

    #[test]
    fn resources_of_a_bundle_and_contained_ones() {
        let facts = fhir(
            r#"{"resourceType":"Bundle","meta":{"security":[{"code":"R"}]},"entry":[
            {"resource":{"resourceType":"Patient","id":"1"}},
            {"resource":{"resourceType":"Observation","effectiveDateTime":"2026-01-02",
              "meta":{"security":[{"system":"urn:s","code":"HIV"},{"display":"no code"}]},
              "code":{"coding":[{"system":"http://loinc.org","code":"2345-7"},{"code":"GLU"}]},
              "contained":[{"resourceType":"Specimen"}]}},
            {"resource":{"resourceType":"Composition","type":{"text":"no coding"}}},
            {"resource":{"resourceType":"Organization","contained":[{"resourceType":"Group"}]}},
            {"request":{"method":"DELETE","url":"Condition?patient=1"}},{}]}"#,
        );
        assert_eq!(
            shown(&facts),
            "Condition R ? -\n? R ? -\nPatient R - Patient/1\n\
             Observation R,HIV,? 2345-7,GLU -\nSpecimen R,HIV,? - -\n\
             Composition R ? -\nGroup R - -"
        );
        assert!(facts.items()[3].period.unwrap().start.is_some());
        assert_eq!(facts.items()[2].period, None);
        assert_eq!(facts.items()[0].codes, None, "what is deleted is not known");
        let one = fhir(r#"{"resourceType":"Patient"}"#);
        assert_eq!(shown(&one), "Patient - - -");
        assert_eq!(format!("{:?}", fhir("{}").items()), "[Item(unknown <phi>)]");
    }

    #[test]
    fn resources_are_found_however_deep_they_stand() {
        let facts = fhir(
            r#"{"resourceType":"Parameters","meta":{"security":[{"code":"V"}]},"parameter":[
            {"name":"a","part":[{"name":"b","resource":{"resourceType":"Bundle","entry":[
              {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Bundle","entry":[
                {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Condition","id":"7",
                  "contained":[{"resourceType":"Patient"}]}}]}}]}}]}]}"#,
        );
        assert_eq!(shown(&facts), "Parameters V - -\nCondition V - Condition/7\nPatient V - -");
        let condition = &facts.items()[1];
        assert_eq!(condition.full_url.as_deref(), Some("urn:uuid:2"));
        assert_eq!(condition.is_class("Bundle"), Match::Unsure);
        assert_eq!(condition.is_class("Parameters"), Match::Unsure);
        assert_eq!(condition.is_class("Observation"), Match::No);
    }

    #[test]
    fn labels_stand_in_many_places() {
        let check = |json: &str, expected: &str| assert_eq!(shown(&fhir(json)), expected);
        check(
            r#"{"resourceType":"DocumentReference","securityLabel":[
                {"coding":[{"code":"PSY"}]},{"text":"secret"}]}"#,
            "DocumentReference PSY,? - -",
        );
        check(r#"{"resourceType":"Composition","confidentiality":"V"}"#, "Composition V - -");
        let inline = |rest: &str| {
            format!(
                r#"{{"resourceType":"Patient","identifier":[{{"extension":[{{
                "url":"http://hl7.org/fhir/uv/x/extension-inline-sec-label"{rest}}}]}}]}}"#
            )
        };
        check(&inline(r#","valueCoding":{"code":"R"}"#), "Patient R - -");
        check(&inline(""), "Patient ? - -");
    }

    #[test]
    fn codes_stand_in_components_reasons_and_medications() {
        let item = |json: &str| fhir(json).items()[0].clone();
        let inner = |item: &Item| {
            item.inner.iter().map(|code| code.code().to_owned()).collect::<Vec<_>>().join(",")
        };
        let panel = item(
            r#"{"resourceType":"Observation","code":{"coding":[{"code":"A"}]},
            "component":[{"code":{"coding":[{"code":"B"}]},
                "valueQuantity":{"value":1,"code":"mg"}}],
            "reasonCode":[{"coding":[{"code":"C"}]}]}"#,
        );
        assert!(inner(&panel).contains('B') && inner(&panel).contains('C') && !panel.unclear);
        assert!(!inner(&panel).contains("mg"), "units are no codes");
        let text = item(
            r#"{"resourceType":"Observation","code":{"coding":[{"code":"A"}]},
            "component":[{"code":{"text":"HIV"}}]}"#,
        );
        assert!(text.unclear);
        let contained = item(
            r##"{"resourceType":"MedicationRequest","medicationReference":{"reference":"#m"},
            "contained":[{"resourceType":"Medication","id":"m","code":{"coding":[{"code":"X"}]},
              "ingredient":[{"itemCodeableConcept":{"coding":[{"code":"Y"}]}}]}]}"##,
        );
        assert_eq!(contained.codes.as_ref().unwrap()[0].code(), "X");
        assert!(inner(&contained).contains('Y') && !contained.unclear);
        assert_eq!(contained.is_class("Medication"), Match::Unsure);
        let bundle = |reference: &str| {
            fhir(&format!(
                r#"{{"resourceType":"Bundle","entry":[
                {{"resource":{{"resourceType":"MedicationRequest",
                    "medicationReference":{{"reference":"{reference}"}}}}}},
                {{"fullUrl":"urn:uuid:m","resource":{{"resourceType":"Medication","id":"9",
                    "code":{{"coding":[{{"code":"X"}}]}}}}}}]}}"#
            ))
        };
        for reference in ["urn:uuid:m", "Medication/9", "Medication/9/_history/1"] {
            let item = bundle(reference).items()[0].clone();
            assert_eq!(item.codes.unwrap()[0].code(), "X", "{reference}");
        }
        assert!(bundle("Medication/1").items()[0].unclear, "it is not here");
        assert_eq!(bundle("urn:uuid:m").items().len(), 1);
        assert!(item(r#"{"resourceType":"MedicationRequest","medicationReference":{}}"#).unclear);
        let no_code = r##"{"resourceType":"MedicationRequest","contained":[
            {"resourceType":"Medication","id":"m"}]}"##;
        assert!(item(no_code).unclear);
    }

    #[test]
    fn references_tell_who_made_it_and_what_it_belongs_to() {
        let facts = fhir(
            r##"{"resourceType":"Bundle","entry":[
            {"fullUrl":"urn:uuid:e","resource":{"resourceType":"Encounter","id":"1"}},
            {"resource":{"resourceType":"Observation","encounter":{"reference":"urn:uuid:e"},
            "subject":{"reference":"#p"},"focus":[{"type":"Device","identifier":{"value":"1"}}],
            "performer":[{"reference":"Practitioner/2/_history/3"}]}}]}"##,
        );
        let item = &facts.items()[1];
        assert_eq!(item.authors.as_ref().unwrap().refs, ["Practitioner/2".into()]);
        let links = item.links.as_ref().unwrap();
        assert_eq!(links.refs, ["Practitioner/2".into(), "Encounter/1".into()]);
        assert_eq!(links.vague, ["Device".into()]);
        let many = vec![r#"{"reference":"Practitioner/2"}"#; LINKS_MAX + 2].join(",");
        let facts = fhir(&format!(r#"{{"resourceType":"Observation","performer":[{many}]}}"#));
        assert_eq!(facts.items()[0].links, None);
    }

    #[test]
    fn a_deletion_names_what_it_deletes() {
        let check = |url: &str, class: Option<&str>, reference: Option<&str>| {
            let facts = fhir(&format!(
                r#"{{"resourceType":"Bundle","entry":[{{"request":{{"url":"{url}"}}}}]}}"#
            ));
            let item = &facts.items()[0];
            assert_eq!(item.class.as_deref(), class, "{url}");
            assert_eq!(item.reference.as_deref(), reference, "{url}");
        };
        check("Condition/7", Some("Condition"), Some("Condition/7"));
        check("Condition/7/_history/2", Some("Condition"), Some("Condition/7"));
        check("https://x.org/Condition/7", Some("Condition"), Some("https://x.org/Condition/7"));
        check("Condition?patient=1", Some("Condition"), None);
        check("", None, None);
    }
}
