//! What a content is made of, as far as consent asks: classes, labels, codes, times.
//!
//! Invariant: what is in a content and was not understood shows as such (a class, code or
//! reference that is not known), so that a denial which may mean it holds.

mod hl7;
mod refs;
mod resources;

use std::fmt;
use std::sync::Arc;

pub(super) use refs::{Links, same_reference, type_of as refs_type};

use super::code::{Code, Match};
use super::time::{Range, moment};
use crate::fhir::{Doc, Node};
use crate::hl7v2::{Message, xml};
use crate::message::{Body, Content, ContentKind};

/// Most different items looked at; what is beyond them counts as unknown, so that a Bundle
/// of thousands cannot take the time of all others.
pub const ITEMS_MAX: usize = 256;

/// One thing in a content: a resource, or a segment that stands for one.
#[derive(Clone, Default, PartialEq)]
pub struct Item {
    /// FHIR resource type; none when it is not known.
    pub class: Option<Arc<str>>,
    /// Types that it may be as well, or that it holds or stands in.
    pub(super) also: Vec<&'static str>,
    pub(super) labels: Labels,
    /// What it is about; none when it is not known.
    pub(super) codes: Option<Vec<Code>>,
    /// Codes anywhere else in it, such as those of components.
    pub(super) inner: Vec<Code>,
    /// Whether it is about something that has no code, such as a text.
    pub(super) unclear: bool,
    /// Its reference, such as `Observation/42`; none when it has none or it is not known.
    pub(super) reference: Option<Arc<str>>,
    /// `Bundle.entry.fullUrl`.
    pub(super) full_url: Option<Arc<str>>,
    /// Profiles it says it has.
    pub(super) profiles: Vec<Arc<str>>,
    /// Who made it: performers, authors, requesters; none when it is not known.
    pub(super) authors: Option<Links>,
    /// Every reference in it; none when it is not known.
    pub(super) links: Option<Links>,
    /// When what it tells of happened.
    pub(super) period: Option<Range>,
}

/// Security labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Labels {
    pub codes: Vec<Code>,
    /// Whether there is one that has no code.
    pub unclear: bool,
}

/// Shows the class only: codes tell of a patient's health.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({} <phi>)", self.class.as_deref().unwrap_or("unknown"))
    }
}

impl Item {
    /// Whether it is of a resource type.
    pub(super) fn is_class(&self, name: &str) -> Match {
        match self.class.as_deref() {
            Some(class) if class == name => Match::Yes,
            Some(_) if !self.also.contains(&name) => Match::No,
            Some(_) | None => Match::Unsure,
        }
    }
}

/// What a content is made of. Equal items stand once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    items: Vec<Item>,
}

/// Resources that tell of no patient: consent is not asked about them, so that what a
/// mapping adds around the patient's data changes no answer. What a Medication or
/// Substance tells counts with the resource that refers to it.
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

impl Facts {
    /// Reads the facts of a content.
    ///
    /// FHIR: every resource in it, however deep, but for those that tell of no patient,
    /// such as Organization; Bundles are what is in them. HL7 v2: the segments that stand
    /// for a resource (PID for Patient, OBX for Observation, ..); those that only complete
    /// others are passed over, Z segments and others not known are unknown items. Anything
    /// else is one unknown item.
    #[must_use]
    pub fn of(content: &Content) -> Self {
        let mut facts = Self::default();
        match content {
            Content::Hl7(message) => hl7::read(&mut facts, message),
            Content::Fhir(doc) => resources::read(&mut facts, doc.root()),
            Content::Cda(_) | Content::Raw(_) => {}
        }
        facts
    }

    /// Reads the facts of a body; one that no parser takes is unknown.
    #[must_use]
    pub fn of_body(body: &Body) -> Self {
        let bytes = body.bytes.clone();
        let parsed = match body.kind {
            ContentKind::Hl7 if xml::is_document(&bytes) => {
                xml::read(&bytes).map(Content::Hl7).ok()
            }
            ContentKind::Hl7 => Message::parse(bytes).map(Content::Hl7).ok(),
            ContentKind::FhirJson => Doc::parse(bytes).map(Content::Fhir).ok(),
            ContentKind::Cda | ContentKind::Raw | ContentKind::Removed => None,
        };
        parsed.map(|content| Self::of(&content)).unwrap_or_default()
    }

    /// Facts of a content of which only classes and labels are known, as when a person asks
    /// what would be decided.
    #[must_use]
    pub fn from_classes(classes: &[&str], labels: &[&str]) -> Self {
        let codes: Vec<Code> = labels.iter().map(|label| Code::parse(label)).collect();
        let item = |class: &&str| Item {
            class: Some((*class).into()),
            labels: Labels { codes: codes.clone(), unclear: false },
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use bytes::Bytes;

    pub fn fhir(json: &str) -> Facts {
        let doc = Doc::parse_json(Bytes::from(json.to_owned())).unwrap();
        Facts::of(&Content::Fhir(doc))
    }

    /// Class, labels, main codes and reference of each item; `?` for what is not known.
    pub fn shown(facts: &Facts) -> String {
        let list = |codes: &[Code], unclear: bool| {
            let codes = codes.iter().map(Code::code).chain(unclear.then_some("?"));
            let all = codes.collect::<Vec<_>>().join(",");
            if all.is_empty() { "-".to_owned() } else { all }
        };
        let item = |item: &Item| {
            format!(
                "{} {} {} {}",
                item.class.as_deref().unwrap_or("?"),
                list(&item.labels.codes, item.labels.unclear),
                list(
                    item.codes.as_deref().unwrap_or_default(),
                    item.unclear || item.codes.is_none()
                ),
                item.reference.as_deref().unwrap_or("-")
            )
        };
        facts.items().iter().map(item).collect::<Vec<_>>().join("\n")
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
        assert_eq!(shown(&facts), "Patient R - -\nObservation R - -");
    }
}
