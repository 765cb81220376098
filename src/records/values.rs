//! What a resource is found by: the values of its search parameters, and the keys of them
//! that the index keeps.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::measure::{buckets, decimal};
use super::parameter::{Kind, Parameter, parameters};
use super::span::Span;
use super::{Key, references, words};
use crate::fault::Fault;
use crate::fhir::{Context, Doc, Node, NodeKind, Value, canonical, type_of};

/// Most values of one parameter that are kept as keys: beyond, a resource is looked at in
/// every search, so that a list of thousands does not fill the index.
const KEYS_OF_ONE_MAX: usize = 512;

/// Lengths of beginnings that a text is kept under.
pub(super) const BEGINNINGS: [usize; 3] = [1, 3, 6];

/// One value of a parameter. Patient data.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    Token(Token),
    Date(Span),
    Reference(Reference),
    Number(Decimal),
    Quantity(Quantity),
    Uri(String),
    /// Of a composite the values of its parts that stand together.
    Group(Vec<Vec<Found>>),
}

/// A number with a unit.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Quantity {
    pub value: Decimal,
    pub system: Option<String>,
    pub code: Option<String>,
    pub unit: Option<String>,
    /// The number in base units of UCUM, and what it measures.
    pub canonical: Option<(Decimal, String)>,
}

/// A code or identifier.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Token {
    pub system: Option<String>,
    pub code: Option<String>,
    /// What people read: display and text.
    pub text: Option<String>,
    /// System and code of the types of an identifier.
    pub types: Vec<(Option<String>, Option<String>)>,
    /// Whether letters count as they are, large or small: those of identifiers do, since
    /// taking one patient for another is worse than not finding one.
    pub exact: bool,
}

/// A reference.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Reference {
    /// Type and id, where it has the form of an address.
    pub kind: Option<String>,
    pub id: Option<String>,
    /// The text as it is, without a version, where it is no relative address.
    pub url: Option<String>,
    pub identifier: Option<Token>,
}

/// A text as it is compared: small letters without marks, one space between words.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().map(super::letters::base).flat_map(char::to_lowercase));
    }
    out
}

impl Parameter {
    /// The values of this parameter in a resource.
    ///
    /// # Errors
    /// Those of [`crate::fhir::FhirPath::evaluate`].
    pub(super) fn values(&self, resource: Node<'_>) -> Result<Vec<Found>, Fault> {
        let Some(path) = self.compiled() else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        if self.kind == Kind::Composite {
            for node in path.evaluate(resource, &Context::default())? {
                let Some(node) = node.node() else { continue };
                let parts: Result<Vec<_>, Fault> =
                    self.parts.iter().map(|part| part.values(node)).collect();
                let parts = parts?;
                let whole = parts.iter().all(|part| !part.is_empty());
                out.extend(whole.then_some(Found::Group(parts)));
            }
            return Ok(out);
        }
        for value in path.evaluate(resource, &Context::default())? {
            match value.node() {
                Some(node) => self.node(node, &mut out),
                None => self.computed(&value, &mut out),
            }
        }
        if self.kind == Kind::Reference && !self.targets.is_empty() {
            out.retain(|found| match found {
                Found::Reference(Reference { kind: Some(kind), .. }) => {
                    self.targets.iter().any(|target| target == kind)
                }
                _ => true,
            });
        }
        Ok(out)
    }

    fn computed(&self, value: &Value<'_>, out: &mut Vec<Found>) {
        let Some(text) = value.text() else { return };
        match self.kind {
            Kind::Token => {
                out.push(Found::Token(Token { code: Some(text.into_owned()), ..Token::default() }))
            }
            Kind::String => out.push(Found::Text(text.into_owned())),
            _ => {}
        }
    }

    fn node(&self, node: Node<'_>, out: &mut Vec<Found>) {
        let ty = type_of(node).unwrap_or_default();
        if ty == "Extension" {
            let value = node.members().find(|(name, _)| name.starts_with("value"));
            if let Some((_, value)) = value {
                self.node(value, out);
            }
            return;
        }
        match self.kind {
            Kind::String => text_values(node, out),
            Kind::Token => self.token_values(node, ty, out),
            Kind::Date => out.extend(dates(node, ty).into_iter().map(Found::Date)),
            Kind::Reference => out.extend(reference(node)),
            Kind::Uri => out.extend(text(node).map(Found::Uri)),
            Kind::Number => {
                out.extend(node.number().and_then(decimal).map(Found::Number));
            }
            Kind::Quantity => out.extend(quantity(node)),
            Kind::Words => out.push(Found::Text(words::text(node))),
            Kind::Composite => {}
        }
    }

    fn token_values(&self, node: Node<'_>, ty: &str, out: &mut Vec<Found>) {
        match node.kind() {
            NodeKind::Object if node.get("coding").is_some() || ty == "CodeableConcept" => {
                let text = member(node, "text");
                let codings = node.get("coding").into_iter().flat_map(|all| all.items());
                out.extend(codings.map(coded).map(Found::Token));
                let text_alone = Token { text, ..Token::default() };
                out.extend(text_alone.text.is_some().then_some(Found::Token(text_alone)));
            }
            NodeKind::Object if ty == "Identifier" => out.push(Found::Token(identifier(node))),
            NodeKind::Object if ty == "ContactPoint" => {
                let code = member(node, "value");
                out.push(Found::Token(Token { code, ..Token::default() }));
            }
            NodeKind::Object => out.push(Found::Token(coded(node))),
            NodeKind::String | NodeKind::Bool | NodeKind::Number => {
                let code = text(node);
                let system = code.as_deref().and_then(|code| self.system(code));
                let system = match node.kind() {
                    NodeKind::Bool => Some("http://hl7.org/fhir/special-values"),
                    _ => system,
                };
                let exact = self.code == "_id";
                let system = system.map(str::to_owned);
                out.push(Found::Token(Token { system, code, exact, ..Token::default() }));
            }
            NodeKind::Array | NodeKind::Null => {}
        }
    }

    /// The keys of a value, without the parameter's name.
    fn keys_of(&self, found: &Found) -> Vec<String> {
        match found {
            Found::Text(text) => beginnings(&plain(text)).map(|b| format!("s{b}")).collect(),
            Found::Token(token) => token_keys(token),
            Found::Date(span) => span.buckets().into_iter().map(|b| format!("d{b}")).collect(),
            Found::Reference(reference) => reference_keys(reference),
            Found::Uri(uri) => vec![format!("u{uri}")],
            Found::Number(value) => buckets(*value).map(|b| format!("q{b}")).into(),
            Found::Quantity(quantity) => {
                let mut keys: Vec<String> = buckets(quantity.value).map(|b| format!("q{b}")).into();
                if let Some((value, measured)) = &quantity.canonical {
                    keys.extend(buckets(*value).map(|b| measure_key(measured, &b)));
                }
                keys
            }
            Found::Group(_) => Vec::new(),
        }
    }
}

/// The key of a number in base units.
pub(super) fn measure_key(measured: &str, bucket: &str) -> String {
    format!("m{measured}|{bucket}")
}

/// Whether the index knows a parameter: ids are looked up by themselves, times are kept with
/// each version, composites are found by their parts, and words are too many.
pub(super) fn is_indexed(parameter: &Parameter) -> bool {
    !matches!(parameter.code, "_id" | "_lastUpdated")
        && !matches!(parameter.kind, Kind::Composite | Kind::Words)
}

/// Adds the parameter's name to a key.
pub(super) fn named(parameter: &Parameter, key: &str) -> Key {
    Key(format!("{}\u{1f}{key}", parameter.code))
}

/// The key of resources with more values of a parameter than are kept.
pub(super) fn many(parameter: &Parameter) -> Key {
    named(parameter, "*")
}

/// All keys of a resource, sorted, each once.
///
/// A parameter whose path fails on this resource is passed over: it then is not found by it,
/// as a search that evaluates the same path would not find it either.
#[must_use]
pub fn keys(doc: &Doc) -> Vec<Key> {
    let root = doc.root();
    let kind = root.resource_type().unwrap_or_default();
    let mut all = Vec::new();
    for parameter in parameters(&kind).filter(|parameter| is_indexed(parameter)) {
        let values = parameter.values(root).unwrap_or_default();
        let begin = all.len();
        for found in &values {
            all.extend(parameter.keys_of(found).iter().map(|key| named(parameter, key)));
            if all.len() - begin > KEYS_OF_ONE_MAX {
                all.truncate(begin);
                all.push(many(parameter));
                break;
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The beginnings of a plain text that it is kept under: those of all lengths it has.
fn beginnings(plain: &str) -> impl Iterator<Item = String> + '_ {
    let count = plain.chars().count();
    let lengths = BEGINNINGS.into_iter().filter(move |length| *length <= count);
    lengths.map(|length| plain.chars().take(length).collect())
}

fn token_keys(token: &Token) -> Vec<String> {
    let Some(code) = &token.code else { return Vec::new() };
    // Small letters find both; what counts letters as they are is looked at afterwards.
    let code = code.to_lowercase();
    let mut keys = vec![format!("c{code}")];
    keys.extend(token.system.iter().map(|system| format!("t{system}|{code}")));
    keys
}

fn reference_keys(reference: &Reference) -> Vec<String> {
    let mut keys = Vec::new();
    if let Some(id) = &reference.id {
        keys.push(format!("i{id}"));
        keys.extend(reference.kind.iter().map(|kind| format!("r{kind}/{id}")));
    }
    keys.extend(reference.url.iter().map(|url| format!("u{url}")));
    let tokens = reference.identifier.iter().flat_map(token_keys);
    keys.extend(tokens.map(|key| format!("n{key}")));
    keys
}

fn text(node: Node<'_>) -> Option<String> {
    node.text().map(Cow::into_owned).filter(|text| !text.is_empty())
}

fn member(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name).and_then(text)
}

/// The texts of a string parameter: of a name or an address each of its parts.
fn text_values(node: Node<'_>, out: &mut Vec<Found>) {
    const PARTS: [&str; 11] = [
        "text",
        "family",
        "given",
        "prefix",
        "suffix",
        "line",
        "city",
        "district",
        "state",
        "postalCode",
        "country",
    ];
    if node.kind() != NodeKind::Object {
        out.extend(text(node).map(Found::Text));
        return;
    }
    for name in PARTS {
        let values = node.get(name).into_iter().flat_map(Node::each);
        out.extend(values.filter_map(text).map(Found::Text));
    }
}

fn coded(coding: Node<'_>) -> Token {
    Token {
        system: member(coding, "system"),
        code: member(coding, "code"),
        text: member(coding, "display"),
        ..Token::default()
    }
}

fn identifier(node: Node<'_>) -> Token {
    let text = node.get("type").and_then(|ty| member(ty, "text"));
    let codings = node.get("type").and_then(|ty| ty.get("coding"));
    let codings = codings.into_iter().flat_map(|all| all.items());
    let types = codings.map(|coding| (member(coding, "system"), member(coding, "code"))).collect();
    Token { system: member(node, "system"), code: member(node, "value"), text, types, exact: true }
}

fn span(node: Option<Node<'_>>) -> Option<Span> {
    Span::parse(&node?.string()?)
}

fn dates(node: Node<'_>, ty: &str) -> Vec<Span> {
    match node.kind() {
        NodeKind::String => span(Some(node)).into_iter().collect(),
        NodeKind::Object if ty == "Timing" => {
            let events = node.get("event").into_iter().flat_map(|all| all.items());
            let mut spans: Vec<Span> = events.filter_map(|event| span(Some(event))).collect();
            let bounds = node.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
            spans.extend(bounds.map(period));
            spans
        }
        NodeKind::Object if node.get("start").is_some() || node.get("end").is_some() => {
            vec![period(node)]
        }
        _ => Vec::new(),
    }
}

fn period(node: Node<'_>) -> Span {
    Span::between(span(node.get("start")), span(node.get("end")))
}

fn reference(node: Node<'_>) -> Option<Found> {
    let url = match node.kind() {
        NodeKind::Object => member(node, "reference"),
        _ => text(node),
    };
    let mut found = url.map(|url| references::read(&url)).unwrap_or_default();
    found.identifier = node.get("identifier").map(identifier);
    (found != Reference::default()).then_some(Found::Reference(found))
}

/// The code system of units that are converted.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

fn quantity(node: Node<'_>) -> Option<Found> {
    let value = decimal(node.get("value")?.number()?)?;
    let (system, code) = (member(node, "system"), member(node, "code"));
    let code = code.or_else(|| member(node, "currency"));
    let known = code.as_deref().filter(|_| system.as_deref() == Some(UCUM));
    let canonical = known.and_then(|code| canonical(value, code));
    Some(Found::Quantity(Quantity { value, system, code, unit: member(node, "unit"), canonical }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Vec<String> {
        let doc = Doc::parse_json(json.to_owned().into()).unwrap();
        keys(&doc).into_iter().map(|key| key.0.replace('\u{1f}', ":")).collect()
    }

    #[test]
    fn a_patient_is_kept_under_its_keys() {
        let all = of(r#"{"resourceType":"Patient","id":"p1","active":true,
            "identifier":[{"system":"urn:mrn","value":"A1"},{"value":"B2"}],
            "name":[{"family":"Müller","given":["Jo"]}],"gender":"male",
            "birthDate":"1970-05-02","managingOrganization":{"reference":"Organization/o/_history/3"},
            "telecom":[{"system":"phone","value":"555"}],"meta":{"tag":[{"code":"t"}]}}"#);
        for key in [
            "identifier:ca1",
            "identifier:turn:mrn|a1",
            "identifier:cb2",
            "family:sm",
            "family:smul",
            "family:smuller",
            "given:sj",
            "name:smul",
            "birthdate:d23644m",
            "birthdate:d1970y",
            "gender:thttp://hl7.org/fhir/administrative-gender|male",
            "active:ctrue",
            "organization:rOrganization/o",
            "organization:io",
            "phone:c555",
            "telecom:c555",
            "_tag:ct",
            "deceased:cfalse",
        ] {
            assert!(all.iter().any(|k| k == key), "{key} in {all:?}");
        }
        assert!(!all.iter().any(|key| key.starts_with("_id:") || key.contains("email")));
    }

    #[test]
    fn values_of_all_kinds_are_kept() {
        let check = |json: &str, expected: &[&str]| {
            let all = of(json);
            for key in expected {
                assert!(all.iter().any(|k| k == key), "{key} in {all:?}");
            }
        };
        check(
            r#"{"resourceType":"Observation","status":"final","code":{"coding":[
               {"system":"http://loinc.org","code":"1234-5"}],"text":"x"},
               "subject":{"reference":"Patient/p"},"effectivePeriod":{"start":"2020-01-02"},
               "component":[{"code":{"coding":[{"code":"a"}]},"valueCodeableConcept":
               {"coding":[{"code":"v"}]}},{"code":{"coding":[{"code":"b"}]},
               "valueCodeableConcept":{"coding":[{"code":"w"}]}}]}"#,
            &[
                "code:thttp://loinc.org|1234-5",
                "patient:rPatient/p",
                "subject:ip",
                "date:dw",
                "component-value-concept:cw",
                "combo-code:cb",
                "combo-value-concept:cv",
            ],
        );
        check(
            r#"{"resourceType":"Provenance","target":[{"reference":"Patient/p/_history/2"},
               {"reference":"urn:uuid:1"}],"recorded":"2020-01-02T03:04:05Z"}"#,
            &["target:rPatient/p", "patient:rPatient/p", "target:uurn:uuid:1", "recorded:d2020y"],
        );
        check(
            r#"{"resourceType":"Encounter","class":{"system":"s","code":"IMP"},
               "subject":{"identifier":{"system":"m","value":"7"}}}"#,
            &["class:ts|imp", "subject:ntm|7"],
        );
        check(
            r#"{"resourceType":"ServiceRequest","occurrenceTiming":{"event":["2021-03-01"]}}"#,
            &["occurrence:d2021y"],
        );
        check(
            r#"{"resourceType":"Consent","dateTime":"2021","policyRule":{"text":"x"}}"#,
            &["date:d2021y"],
        );
    }

    #[test]
    fn references_to_other_types_are_not_those_of_the_parameter() {
        let all = of(r#"{"resourceType":"Encounter","subject":{"reference":"Group/g"}}"#);
        assert!(all.contains(&"subject:rGroup/g".to_owned()));
        assert!(!all.iter().any(|key| key.starts_with("patient:")));
    }

    #[test]
    fn too_many_values_are_one_key() {
        let many: Vec<String> = (0..2000).map(|n| format!(r#"{{"value":"{n}"}}"#)).collect();
        let json = format!(r#"{{"resourceType":"Patient","identifier":[{}]}}"#, many.join(","));
        let all = of(&json);
        assert!(all.contains(&"identifier:*".to_owned()) && all.len() < 100);
    }

    #[test]
    fn texts_are_compared_without_marks() {
        assert_eq!(plain("  Müller-LÜDENSCHEIDT  É  "), "muller-ludenscheidt e");
        assert_eq!(plain("Łódź ß"), "lodz ß");
    }
}
