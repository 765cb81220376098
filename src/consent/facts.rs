//! What a content is made of, as far as consent asks: classes, labels, codes, times.

use std::fmt;
use std::sync::Arc;

use super::time::{Range, moment};
use crate::fhir::{Doc, Node};
use crate::hl7v2::{Message, Segment};
use crate::message::{Body, Content, ContentKind};

/// Most different items looked at; what is beyond them counts as unknown, so that a Bundle
/// of thousands cannot take the time of all others.
pub const ITEMS_MAX: usize = 256;

/// One thing in a content: a resource, or a segment that stands for one.
#[derive(Clone, Default, PartialEq)]
pub struct Item {
    /// FHIR resource type; none when it is not known.
    pub class: Option<Arc<str>>,
    /// Security labels, `system|code` or `code`.
    pub labels: Vec<Arc<str>>,
    /// What it is about, `system|code` or `code`; none when it is not known.
    pub codes: Option<Vec<Arc<str>>>,
    /// Its reference, such as `Observation/42`; none when it has none or it is not known.
    pub reference: Option<Arc<str>>,
    /// Who made it: performers, authors, requesters; none when it is not known.
    pub(super) authors: Option<Vec<Arc<str>>>,
    /// Every reference in it; none when it is not known.
    pub(super) links: Option<Vec<Arc<str>>>,
    /// When what it tells of happened.
    pub(super) period: Option<Range>,
}

/// Shows the class only: codes tell of a patient's health.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({} <phi>)", self.class.as_deref().unwrap_or("unknown"))
    }
}

/// What a content is made of. Equal items stand once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    items: Vec<Item>,
}

/// Segments that stand for a resource, with the field of their main code.
const SEGMENTS: &[(&str, &str, usize)] = &[
    ("PID", "Patient", 0),
    ("PV1", "Encounter", 0),
    ("NK1", "RelatedPerson", 0),
    ("GT1", "RelatedPerson", 0),
    ("IN1", "Coverage", 0),
    ("AL1", "AllergyIntolerance", 3),
    ("IAM", "AllergyIntolerance", 3),
    ("DG1", "Condition", 3),
    ("PRB", "Condition", 3),
    ("PR1", "Procedure", 3),
    ("ORC", "ServiceRequest", 0),
    ("OBR", "DiagnosticReport", 4),
    ("OBX", "Observation", 3),
    ("SPM", "Specimen", 4),
    ("RXO", "MedicationRequest", 1),
    ("RXE", "MedicationRequest", 2),
    ("RXD", "MedicationDispense", 2),
    ("RXA", "Immunization", 5),
    ("SCH", "Appointment", 0),
    ("TXA", "DocumentReference", 2),
    ("FT1", "ChargeItem", 7),
];

/// Resources that tell of no patient: consent is not asked about them, so that what a
/// mapping adds around the patient's data changes no answer.
pub(super) const ABOUT_NO_PATIENT: &[&str] = &[
    "AuditEvent",
    "CapabilityStatement",
    "Endpoint",
    "HealthcareService",
    "Location",
    "Medication",
    "MessageHeader",
    "OperationOutcome",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "Substance",
];

/// Names of code systems in HL7 v2 and their addresses in FHIR.
const SYSTEMS: &[(&str, &str)] = &[
    ("LN", "http://loinc.org"),
    ("SCT", "http://snomed.info/sct"),
    ("CVX", "http://hl7.org/fhir/sid/cvx"),
    ("NDC", "http://hl7.org/fhir/sid/ndc"),
    ("RXNORM", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("I10", "http://hl7.org/fhir/sid/icd-10"),
    ("I10C", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("I9C", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("C4", "http://www.ama-assn.org/go/cpt"),
];

/// Members with the main code of a resource, in the order they are looked for.
const CODE_MEMBERS: [&str; 4] = ["code", "vaccineCode", "medicationCodeableConcept", "type"];

/// Members that say who made it.
const AUTHOR_MEMBERS: [&str; 6] =
    ["performer", "author", "recorder", "requester", "asserter", "practitioner"];

/// Most references looked at in one resource; one with more counts as not known.
const LINKS_MAX: usize = 256;

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

impl Facts {
    /// Reads the facts of a content.
    ///
    /// FHIR: every resource of a Bundle and every contained one, but for those that tell of
    /// no patient, such as Organization. HL7 v2: the segments that
    /// stand for a resource (PID for Patient, OBX for Observation, ..); Z segments and
    /// those that only complete others are passed over. Anything else is one unknown item.
    #[must_use]
    pub fn of(content: &Content) -> Self {
        let mut facts = Self::default();
        match content {
            Content::Hl7(message) => facts.read_hl7(message),
            Content::Fhir(doc) => facts.read_fhir(doc),
            Content::Raw(_) => {}
        }
        facts
    }

    /// Reads the facts of a body; one that no parser takes is unknown.
    #[must_use]
    pub fn of_body(body: &Body) -> Self {
        let bytes = body.bytes.clone();
        let parsed = match body.kind {
            ContentKind::Hl7 => Message::parse(bytes).map(Content::Hl7).ok(),
            ContentKind::FhirJson => Doc::parse_json(bytes).map(Content::Fhir).ok(),
            ContentKind::Raw => None,
        };
        parsed.map(|content| Self::of(&content)).unwrap_or_default()
    }

    /// Facts of a content of which only classes and labels are known, as when a person asks
    /// what would be decided.
    #[must_use]
    pub fn from_classes(classes: &[&str], labels: &[&str]) -> Self {
        let labels: Vec<Arc<str>> = labels.iter().map(|label| (*label).into()).collect();
        let item = |class: &&str| Item {
            class: Some((*class).into()),
            labels: labels.clone(),
            codes: Some(Vec::new()),
            ..Item::default()
        };
        Self { items: classes.iter().map(item).collect() }
    }

    /// The items; none when nothing is known.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The classes, each once, in the order they came.
    #[must_use]
    pub fn classes(&self) -> Vec<Arc<str>> {
        let mut classes: Vec<Arc<str>> = Vec::new();
        for class in self.items.iter().filter_map(|item| item.class.as_ref()) {
            if !classes.contains(class) {
                classes.push(class.clone());
            }
        }
        classes
    }

    fn add(&mut self, item: Item) {
        if self.items.len() > ITEMS_MAX || self.items.contains(&item) {
            return;
        }
        self.items.push(if self.items.len() == ITEMS_MAX { Item::default() } else { item });
    }

    fn read_hl7(&mut self, message: &Message) {
        for segment in message.segments() {
            let known = SEGMENTS.iter().find(|(id, ..)| *id == segment.id());
            let Some((_, class, code)) = known else { continue };
            self.add(Item {
                class: Some((*class).into()),
                codes: Some(hl7_codes(&segment, *code)),
                ..Item::default()
            });
        }
    }

    fn read_fhir(&mut self, doc: &Doc) {
        let root = doc.root();
        let labels = labels(root);
        match root.resource_type().as_deref() {
            Some("Bundle") => {
                let entries = root.get("entry");
                for entry in entries.iter().flat_map(|entries| entries.items()) {
                    match entry.get("resource") {
                        Some(resource) => self.read_resource(resource, &labels),
                        None => self.read_request(entry),
                    }
                }
            }
            _ => self.read_resource(root, &[]),
        }
    }

    /// An entry without resource, such as a deletion, tells of the resource it names.
    fn read_request(&mut self, entry: Node<'_>) {
        let url = entry.get("request").and_then(|request| request.get("url")?.string());
        let class = url.as_deref().and_then(|url| url.split(['/', '?']).next()).map(Into::into);
        self.add(Item { class, ..Item::default() });
    }

    fn read_resource(&mut self, resource: Node<'_>, outer: &[Arc<str>]) {
        let class = resource.resource_type();
        let id = resource.get("id").and_then(|id| id.string());
        let mut own = labels(resource);
        own.extend(outer.iter().cloned());
        if !class.as_ref().is_some_and(|class| ABOUT_NO_PATIENT.contains(&&**class)) {
            self.add(Item {
                reference: class.as_ref().zip(id).map(|(class, id)| format!("{class}/{id}").into()),
                class: class.map(|class| Arc::from(&*class)),
                labels: own.clone(),
                codes: Some(fhir_codes(resource)),
                authors: Some(authors(resource)),
                links: all_links(resource),
                period: TIME_MEMBERS.iter().find_map(|name| period(resource.get(name)?)),
            });
        }
        let contained = resource.get("contained");
        for inner in contained.iter().flat_map(|contained| contained.items()) {
            self.read_resource(inner, &own);
        }
    }
}

/// `system|code` of a coding, or `code`.
pub(super) fn coding(node: Node<'_>) -> Option<Arc<str>> {
    let code = node.get("code")?.string()?;
    Some(match node.get("system").and_then(|system| system.string()) {
        Some(system) => format!("{system}|{code}").into(),
        None => Arc::from(&*code),
    })
}

fn labels(resource: Node<'_>) -> Vec<Arc<str>> {
    let security = resource.get("meta").and_then(|meta| meta.get("security"));
    security.iter().flat_map(|list| list.items()).filter_map(coding).collect()
}

fn fhir_codes(resource: Node<'_>) -> Vec<Arc<str>> {
    let main = CODE_MEMBERS.iter().find_map(|name| resource.get(name));
    let concepts = main.into_iter().flat_map(Node::each);
    let codings = concepts.filter_map(|concept| concept.get("coding"));
    codings.flat_map(|list| list.items().collect::<Vec<_>>()).filter_map(coding).collect()
}

fn authors(resource: Node<'_>) -> Vec<Arc<str>> {
    let mut found = Vec::new();
    for node in AUTHOR_MEMBERS.iter().filter_map(|name| resource.get(name)) {
        links(node, &mut found);
    }
    found
}

fn all_links(resource: Node<'_>) -> Option<Vec<Arc<str>>> {
    let mut found = Vec::new();
    links(resource, &mut found);
    (found.len() <= LINKS_MAX).then_some(found)
}

/// Collects references. Recursion is bounded by the depth of documents.
fn links(node: Node<'_>, found: &mut Vec<Arc<str>>) {
    if found.len() > LINKS_MAX {
        return;
    }
    let own = node.name() == Some("reference");
    if let Some(text) = node.string().filter(|_| own) {
        found.push(Arc::from(&*text));
    }
    let children = node.members().map(|(_, child)| child).chain(node.items());
    children.for_each(|child| links(child, found));
}

/// A moment, or a Period.
pub(super) fn period(node: Node<'_>) -> Option<Range> {
    if let Some(text) = node.string() {
        return moment(&text);
    }
    let bound = |name: &str| match node.get(name) {
        None => Some(None),
        Some(bound) => bound.string().and_then(|text| moment(&text)).map(Some),
    };
    let (start, end) = (bound("start")?, bound("end")?);
    Some(Range { start: start.and_then(|s| s.start), end: end.and_then(|e| e.end) })
}

/// Codes of a coded field, both triplets.
fn hl7_codes(segment: &Segment<'_>, field: usize) -> Vec<Arc<str>> {
    let Some(field) = segment.field(field).filter(|_| field > 0) else { return Vec::new() };
    let mut codes = Vec::new();
    for repetition in field.repetitions() {
        for first in [1, 4] {
            let part = |n| repetition.component(n).filter(|v| v.is_valued());
            let Some(code) = part(first) else { continue };
            let system = part(first + 2).map(|system| system.text());
            let known = |system: &str| SYSTEMS.iter().find(|(name, _)| *name == system);
            codes.push(match system.as_deref() {
                None => Arc::from(&*code.text()),
                Some(system) => {
                    let system = known(system).map_or(system, |(_, address)| address);
                    format!("{system}|{}", code.text()).into()
                }
            });
        }
    }
    codes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use bytes::Bytes;

    pub fn fhir(json: &str) -> Facts {
        let doc = Doc::parse_json(Bytes::from(json.to_owned())).unwrap();
        Facts::of(&Content::Fhir(doc))
    }

    fn hl7(text: &str) -> Facts {
        Facts::of(&Content::Hl7(Message::parse(Bytes::from(text.to_owned())).unwrap()))
    }

    fn shown(facts: &Facts) -> String {
        let item = |item: &Item| {
            format!(
                "{} {:?} {:?} {}",
                item.class.as_deref().unwrap_or("?"),
                item.labels,
                item.codes.as_deref().unwrap_or_default(),
                item.reference.as_deref().unwrap_or("-")
            )
        };
        facts.items().iter().map(item).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn segments_stand_for_resources() {
        let facts = hl7("MSH|^~\\&|A|B|C|D|20260102||ORU^R01|1|P|2.5.1\rPID|1||5\rPV1|1\r\
             OBR|1|||24323-8^CMP^LN\rOBX|1|NM|2345-7^Glucose^LN^GLU^Glucose^L||9\r\
             OBX|2|NM|2345-7^Glucose^LN^GLU^Glucose^L||8\rNTE|1||text\rZLB|1\rDG1|1||E11\r");
        assert_eq!(
            shown(&facts),
            "Patient [] [] -\nEncounter [] [] -\n\
             DiagnosticReport [] [\"http://loinc.org|24323-8\"] -\n\
             Observation [] [\"http://loinc.org|2345-7\", \"L|GLU\"] -\n\
             Condition [] [\"E11\"] -"
        );
        assert_eq!(facts.classes().len(), 5);
        assert_eq!(format!("{:?}", facts.items()[3]), "Item(Observation <phi>)");
    }

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
            "Patient [\"R\"] [] Patient/1\n\
             Observation [\"urn:s|HIV\", \"R\"] [\"http://loinc.org|2345-7\", \"GLU\"] -\n\
             Specimen [\"urn:s|HIV\", \"R\"] [] -\nComposition [\"R\"] [] -\n\
             Group [\"R\"] [] -\nCondition [] [] -\n? [] [] -"
        );
        assert!(facts.items()[1].period.unwrap().start.is_some());
        assert_eq!(facts.items()[0].period, None);
        assert_eq!(facts.items()[5].codes, None, "what is deleted is not known");
        let one = fhir(r#"{"resourceType":"Patient"}"#);
        assert_eq!(shown(&one), "Patient [] [] -");
        assert_eq!(format!("{:?}", fhir("{}").items()), "[Item(unknown <phi>)]");
    }

    #[test]
    fn raw_content_is_unknown_and_many_items_are_bounded() {
        assert!(Facts::of(&Content::Raw(Bytes::from_static(b"x"))).items().is_empty());
        let entries: Vec<String> = (0..ITEMS_MAX + 9)
            .map(|n| format!(r#"{{"resource":{{"resourceType":"Patient","id":"{n}"}}}}"#))
            .collect();
        let facts =
            fhir(&format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(",")));
        assert_eq!(facts.items().len(), ITEMS_MAX + 1);
        assert_eq!(facts.items()[ITEMS_MAX], Item::default());
    }

    #[test]
    fn references_tell_who_made_it_and_what_it_belongs_to() {
        let facts = fhir(
            r#"{"resourceType":"Observation","encounter":{"reference":"Encounter/1"},
            "performer":[{"reference":"Practitioner/2"}]}"#,
        );
        let item = &facts.items()[0];
        assert_eq!(item.authors, Some(vec!["Practitioner/2".into()]));
        assert_eq!(item.links, Some(vec!["Encounter/1".into(), "Practitioner/2".into()]));
        let many = vec![r#"{"reference":"Practitioner/2"}"#; LINKS_MAX + 2].join(",");
        let facts = fhir(&format!(r#"{{"resourceType":"Observation","performer":[{many}]}}"#));
        assert_eq!(facts.items()[0].links, None);
    }

    #[test]
    fn bodies_are_read_or_unknown() {
        let count = |kind, text: &'static str| {
            let body = Body { kind, bytes: Bytes::from_static(text.as_bytes()) };
            Facts::of_body(&body).items().len()
        };
        assert_eq!(count(ContentKind::Hl7, "MSH|^~\\&|A\rPID|1\r"), 1);
        assert_eq!(count(ContentKind::FhirJson, r#"{"resourceType":"Patient"}"#), 1);
        assert_eq!(count(ContentKind::FhirJson, r#"{"resourceType":"Location"}"#), 0);
        assert_eq!(count(ContentKind::Hl7, "x") + count(ContentKind::FhirJson, "x"), 0);
        assert_eq!(count(ContentKind::Raw, "x"), 0);
    }

    #[test]
    fn periods_have_open_ends() {
        let range =
            |json: &str| period(Doc::parse_json(Bytes::from(json.to_owned())).unwrap().root());
        assert_eq!(range(r#"{"start":"2026"}"#).unwrap().end, None);
        assert_eq!(range(r#"{"end":"2026"}"#).unwrap().start, None);
        assert_eq!(range("{}"), Some(Range::default()));
        assert_eq!(range(r#"{"end":"soon"}"#), None);
        assert_eq!(range(r#"{"start":1}"#), None);
    }

    #[test]
    fn known_classes_make_facts() {
        let facts = Facts::from_classes(&["Patient", "Observation"], &["R"]);
        assert_eq!(shown(&facts), "Patient [\"R\"] [] -\nObservation [\"R\"] [] -");
    }
}
