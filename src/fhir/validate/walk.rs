//! The walk over the nodes of a document: elements, cardinality, types and forms.

use super::Options;
use super::bundle::Entries;
use super::extension::Place;
use super::findings::{Finding, Findings};
use super::reference::Holder;
use super::{narrative, rules};
use crate::fault::Code;
use crate::fault::codes::{
    W2720, W2721, W2722, W2723, W2724, W2725, W2726, W2727, W2730, W2731, W2732, W2750, W2753,
    W2759,
};
use crate::fhir::doc::{Node, NodeId, NodeKind, shown};
use crate::fhir::path::nearest;
use crate::fhir::resources::IssueSeverity;
use crate::fhir::tables::{self, Container, Element, Entry, Inside, Primitive};

/// Most elements of one type or nested element; the widest of R4 has 62.
pub(super) const ELEMENTS_MAX: usize = 128;

/// One check of one document.
pub(super) struct Check<'d, 'o> {
    pub options: &'o Options<'o>,
    pub findings: Findings,
    /// The resources around the place of the walk, without those contained in others.
    pub holders: Vec<Holder<'d>>,
    /// The Bundles around it.
    pub bundles: Vec<Entries<'d>>,
    /// Values and profiles that are being checked, so that circles end.
    pub conforming: Vec<(NodeId, String)>,
    pub profile_steps: usize,
}

/// Which members of an object were seen, by number of element and of JSON name.
struct Seen {
    elements: [u8; ELEMENTS_MAX],
    names: Names,
    shadows: Names,
}

/// A bit for each JSON name.
#[derive(Default)]
struct Names([u64; tables::NAMES_MAX / 64]);

impl Names {
    fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }

    fn add(&mut self, number: usize) {
        if let Some(bits) = self.0.get_mut(number / 64) {
            *bits |= 1 << (number % 64);
        }
    }
}

impl<'d, 'o> Check<'d, 'o> {
    pub fn new(options: &'o Options<'o>) -> Self {
        Self {
            options,
            findings: Findings::default(),
            holders: Vec::new(),
            bundles: Vec::new(),
            conforming: Vec::new(),
            profile_steps: 0,
        }
    }

    pub fn full(&self) -> bool {
        self.findings.is_full()
    }

    pub fn at(&mut self, node: Node<'d>, code: Code, what: impl Into<String>) {
        if !self.full() {
            self.findings.add(node, node.path(), code, what.into());
        }
    }

    /// Adds a finding that is less than an error.
    pub fn lesser(
        &mut self,
        node: Node<'d>,
        severity: IssueSeverity,
        code: Code,
        what: impl Into<String>,
    ) {
        if self.findings.takes(severity) {
            let finding = Finding::error(node.path(), code, what.into());
            self.findings.push(node, Finding { severity, ..finding });
        }
    }

    /// Adds an invariant that does not hold.
    pub fn broken(&mut self, node: Node<'d>, key: &'static str, human: &str, is_error: bool) {
        let severity = if is_error { IssueSeverity::Error } else { IssueSeverity::Warning };
        if self.findings.takes(severity) {
            let finding = Finding::error(node.path(), W2750, format!("{key}: {human}"));
            self.findings.push(node, Finding { severity, key: Some(key), ..finding });
        }
    }

    /// Checks a whole resource: the document, one of a Bundle, or a contained one.
    pub fn resource(&mut self, node: Node<'d>) {
        if node.kind() != NodeKind::Object {
            return self.at(node, W2724, "a resource is an object");
        }
        let name = node.resource_type();
        let known = name.as_deref().filter(|name| tables::is_resource(name));
        match known.and_then(tables::container) {
            Some(container) => self.known_resource(node, container),
            None if name.is_none() => self.at(node, W2720, "`resourceType` is missing"),
            None => self.at(node, W2720, "`resourceType` names no resource of R4"),
        }
    }

    fn known_resource(&mut self, node: Node<'d>, container: &'static Container) {
        let contained = self.enter(node);
        let bundle = container.path == "Bundle";
        if bundle {
            self.bundles.push(Entries::of(node));
        }
        self.object(node, container, None);
        if self.options.rules {
            self.claimed(node);
        }
        if bundle {
            if self.options.rules {
                self.bundle(node);
            }
            self.bundles.pop();
        }
        if container.path == "QuestionnaireResponse" && self.options.rules {
            self.answers(node);
        }
        self.leave(node, contained);
    }

    /// Checks an object; `place` is the element it stands in, none for a resource.
    pub fn object(
        &mut self,
        node: Node<'d>,
        container: &'static Container,
        place: Option<&'static Entry>,
    ) {
        if node.kind() != NodeKind::Object {
            return self.at(node, W2724, "expected an object");
        }
        if node.is_empty() {
            return self.at(node, W2730, "an object without members");
        }
        let (names, shadows) = (Names::default(), Names::default());
        let mut seen = Seen { elements: [0; ELEMENTS_MAX], names, shadows };
        let (mut types, mut only_id) = (0, true);
        for (name, value) in node.members() {
            if self.full() {
                return;
            }
            if place.is_none() && name == "resourceType" {
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
            only_id &= name == "id";
            self.count(value, entry, number, shadow, &mut seen);
            if shadow {
                self.shadow(node, value, entry);
            } else {
                self.member(node, value, entry);
                if entry.ty == "Extension" && self.options.rules {
                    self.extension_places(value, Place { node, container, entry: place });
                }
            }
        }
        for (element, seen) in container.elements.iter().zip(seen.elements) {
            if element.min > 0 && seen == 0 && !self.full() {
                let name = element.path.rsplit_once('.').map_or("", |(_, name)| name);
                let path = format!("{}.{name}", node.path());
                self.findings.add(node, path, W2722, "R4 requires a value here".to_owned());
            }
        }
        if self.options.rules {
            // The object beside a primitive says enough when the primitive has a value.
            if only_id && place.is_some() && container.path != "Element" {
                self.broken(node, "ele-1", rules::ELE_1, true);
            }
            self.invariants(node, rules::of_container(container.number));
        }
    }

    fn unknown(&mut self, value: Node<'d>, container: &Container, name: &str) {
        let near = nearest(shown(name), container.names());
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
        let known = seen.names.has(number) || seen.shadows.has(number);
        let side = if shadow { &mut seen.shadows } else { &mut seen.names };
        if side.has(number) {
            return self.at(value, W2731, "the object has two members of this name");
        }
        side.add(number);
        let Some(count) = seen.elements.get_mut(usize::from(entry.index)) else { return };
        *count = count.saturating_add(1);
        if *count > 1 && !known {
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
    fn shadow(&mut self, parent: Node<'d>, value: Node<'d>, entry: &'static Entry) {
        let (Inside::Primitive(_), Some(element)) = (entry.inside, tables::container("Element"))
        else {
            return self.at(value, W2721, "only primitives have a member with `_`");
        };
        let name = value.name().and_then(|name| name.strip_prefix('_')).unwrap_or_default();
        let values = parent.get(name);
        if !entry.element.is_list() {
            let alone = values.is_none_or(|value| value.kind() == NodeKind::Null);
            return self.beside(value, element, entry, alone);
        }
        if value.kind() != NodeKind::Array {
            return self.at(value, W2724, "expected an array");
        }
        let mut fills = values.map(|values| values.items());
        if values.is_some_and(|values| values.items().count() != value.items().count()) {
            self.at(value, W2732, "the array is not as long as that of the values");
        }
        for item in value.items() {
            let filled = fills.as_mut().and_then(Iterator::next);
            if item.kind() != NodeKind::Null {
                let alone = filled.is_none_or(|value| value.kind() == NodeKind::Null);
                self.beside(item, element, entry, alone);
            }
        }
    }

    /// Checks what stands beside a primitive; `alone` when there is no value.
    fn beside(
        &mut self,
        node: Node<'d>,
        element: &'static Container,
        entry: &'static Entry,
        alone: bool,
    ) {
        self.object(node, element, Some(entry));
        if alone && self.options.rules && node.get("extension").is_none() {
            self.broken(node, "ele-1", rules::ELE_1, true);
        }
    }

    fn value(&mut self, node: Node<'d>, entry: &'static Entry) {
        match entry.inside {
            Inside::Resource => self.resource(node),
            Inside::Primitive(primitive) => self.primitive(node, primitive, entry.element),
            Inside::Container(number) => {
                let Some(container) = tables::container_at(number) else { return };
                self.object(node, container, Some(entry));
                match entry.ty {
                    "Extension" => self.extension(node),
                    "Reference" => self.reference(node, entry.element),
                    "CodeableConcept" | "Coding" => self.coded(node, entry.element),
                    "Attachment" if self.options.rules => self.attachment(node),
                    _ => {}
                }
                if self.options.rules && entry.element.is_simple && entry.ty == "Quantity" {
                    self.invariants(node, rules::of_simple_quantity());
                }
            }
        }
        if self.options.rules {
            self.invariants(node, rules::of_element(entry.element));
        }
    }

    fn invariants(&mut self, node: Node<'d>, rules: &'static [rules::Rule]) {
        for rule in rules {
            if self.full() {
                return;
            }
            match rule.holds(node) {
                Ok(true) => {}
                Ok(false) => {
                    let invariant = rule.invariant;
                    self.broken(node, invariant.key, invariant.human, invariant.is_error);
                }
                Err(_) => {
                    let what = format!("{}: cannot be computed", rule.invariant.key);
                    self.lesser(node, IssueSeverity::Information, W2750, what);
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
        if self.options.rules {
            self.text(node, primitive, &text);
        }
        if let Some(set) = element.required_binding
            && primitive.is_coded()
            && tables::has_code(set, &text) == Some(false)
        {
            self.at(node, W2726, format!("the code is not in the value set {set}"));
        }
    }

    /// Rules about the content of a text.
    fn text(&mut self, node: Node<'d>, primitive: Primitive, text: &str) {
        match primitive {
            Primitive::Xhtml => {
                narrative::anchors(text).for_each(|id| self.mark_used(id));
                if let Err(what) = narrative::check(text) {
                    self.at(node, W2753, what);
                } else if !narrative::has_content(text) {
                    let human = "The narrative SHALL have some non-whitespace content";
                    self.broken(node, "txt-2", human, true);
                }
            }
            Primitive::Uri | Primitive::Url | Primitive::Canonical => {
                if let Some(id) = text.strip_prefix('#') {
                    self.mark_used(id);
                }
                if text.strip_prefix("urn:uuid:").is_some_and(|_| !is_uuid(text)) {
                    self.at(node, W2725, "not a UUID after `urn:uuid:`");
                }
            }
            Primitive::String | Primitive::Markdown
                if self.options.refuse_markup && narrative::looks_like_markup(text) =>
            {
                self.at(node, W2759, "the text holds what looks like a tag");
            }
            _ => {}
        }
    }
}

fn is_uuid(text: &str) -> bool {
    // In capital letters too, as HL7's own examples have it.
    Primitive::Uuid.accepts(text)
}

/// Whether the extensions beside an array of primitives fill a place of it.
fn has_shadow(parent: Node<'_>, array: Node<'_>, index: usize) -> bool {
    let shadows = array.name().and_then(|name| parent.get(&format!("_{name}")));
    let beside = shadows.and_then(|shadows| shadows.items().nth(index));
    beside.is_some_and(|beside| beside.kind() != NodeKind::Null)
}
