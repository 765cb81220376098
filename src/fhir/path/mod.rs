//! FHIRPath, as much as seals, tests, filters and mappings need, compiled once.
//!
//! Built: member names, `[n]`, `$this`, literals, `=` `!=` `<` `<=` `>` `>=` `in` `contains`
//! `|` `and` `or` `xor` `implies`, and the functions of [`functions`]. Not built: arithmetic,
//! quantities, types of `System`. A name that FHIRPath has and this does not is refused when
//! the path is read, never passed over when it runs. Texts in the form of dates are ordered
//! as dates, and equal only to date literals as dates.
//!
//! Two readings beyond the standard: a leading type name (`Patient.name`) finds, in a
//! Bundle, each entry's resource of that type; and a member that a peer sent twice gives
//! both values, so that no rule about privacy misses one.
//!
//! Source: FHIRPath N1 (2.0.0); FHIR R4 fhirpath.html.

mod check;
mod eval;
mod lex;
mod moment;
mod parse;
mod types;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Node;
use crate::fault::codes::{W2710, W2711};
use crate::fault::{Fault, Place};

pub use parse::functions;
pub(super) use parse::nearest;
pub use types::type_of;

/// Longest path in bytes: those written by people stay below 200.
pub const PATH_BYTES_MAX: usize = 4096;

/// Deepest nesting of parentheses and arguments, and most operators, of a path: reading
/// and running recurse over both.
pub const PATH_DEPTH_MAX: usize = 32;

/// Most items that one run may look at: some runs over the largest Bundle, and far less
/// than nested conditions over it could ask for.
pub const STEPS_MAX: u64 = 20_000_000;

/// A compiled path. Cheap to clone.
#[derive(Clone)]
pub struct FhirPath(Arc<Compiled>);

struct Compiled {
    source: String,
    expression: parse::Expression,
}

/// Why a path could not be read or does not fit R4, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// Byte in the text, from 0.
    pub at: usize,
    /// What was expected or is wrong there, in lower case without period.
    pub what: String,
}

impl PathError {
    fn fault(&self, source: &str) -> Fault {
        let before = source.get(..self.at).unwrap_or(source);
        let column = before.chars().count() + 1;
        Fault::new(W2710).at(Place::path(source)).because(format!("column {column}: {}", self.what))
    }
}

impl FhirPath {
    /// Reads a path.
    ///
    /// # Errors
    /// `W2710` with the column from 1 and what was expected there.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Self::read(text).map_err(|error| error.fault(text))
    }

    /// Reads a path, with the place of an error for those who know the file around it.
    ///
    /// # Errors
    /// The first place that is not understood.
    pub fn read(text: &str) -> Result<Self, PathError> {
        let expression = parse::parse(text)?;
        Ok(Self(Arc::new(Compiled { source: text.to_owned(), expression })))
    }

    /// Checks its names against the elements of R4, as far as types are known: from a
    /// leading type name on, or from `root` when that is given.
    ///
    /// # Errors
    /// The first name that no element has.
    pub fn check(&self, root: Option<&str>) -> Result<(), PathError> {
        check::check(&self.0.expression, root)
    }

    /// The nodes it finds, in order; computed values such as counts are left out.
    ///
    /// Gives nothing when the run is cut off at [`STEPS_MAX`]: whoever must not miss a
    /// value, as a seal must not, uses [`FhirPath::try_select`].
    #[must_use]
    pub fn select<'d>(&self, node: Node<'d>) -> Vec<Node<'d>> {
        self.try_select(node).unwrap_or_default()
    }

    /// The nodes it finds, in order.
    ///
    /// # Errors
    /// `W2711` when the run looks at more than [`STEPS_MAX`] items.
    pub fn try_select<'d>(&self, node: Node<'d>) -> Result<Vec<Node<'d>>, Fault> {
        let items = self.run(node)?;
        Ok(items.into_iter().filter_map(eval::Item::node).collect())
    }

    /// Whether it holds on a node: a single `true`, or a single value that is no Boolean.
    /// Nothing found is false, as are several values and a run that is cut off.
    #[must_use]
    pub fn test(&self, node: Node<'_>) -> bool {
        self.run(node).ok().and_then(|items| eval::truth(&items)).unwrap_or(false)
    }

    /// The text of the first value it finds or computes.
    #[must_use]
    pub fn value_text<'d>(&self, node: Node<'d>) -> Option<Cow<'d, str>> {
        self.run(node).ok()?.into_iter().find_map(eval::Item::into_text)
    }

    /// The path as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The resource type it starts with, when it starts with one.
    #[must_use]
    pub fn root_type(&self) -> Option<&str> {
        self.0.expression.root_type()
    }

    fn run<'d>(&self, node: Node<'d>) -> Result<Vec<eval::Item<'d>>, Fault> {
        let cut = |_| Fault::new(W2711).at(Place::path(self.source()));
        eval::Run::new(node).start(&self.0.expression).map_err(cut)
    }
}

impl fmt::Debug for FhirPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FhirPath({})", self.0.source)
    }
}

/// The same text.
impl PartialEq for FhirPath {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for FhirPath {}

impl fmt::Display for FhirPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.source)
    }
}

#[cfg(test)]
mod tests {
    use super::super::doc::doc;
    use super::*;

    const BUNDLE: &str = r##"{"resourceType":"Bundle","type":"transaction","entry":[
      {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","active":true,
        "identifier":[{"type":{"coding":[{"code":"SS"}]},"value":"123"},
                      {"type":{"coding":[{"code":"MR"}]},"value":"456"}],
        "name":[{"given":["Jo","Ann"],"family":"Doe"},{"given":["J"]}],
        "birthDate":"1970-01-02","_birthDate":{"extension":[{"url":"u","valueCode":"x"}]},
        "gender":"male","deceasedDateTime":"2020","contained":[{"resourceType":"Basic","id":"c"}],
        "managingOrganization":{"reference":"#c"}}},
      {"fullUrl":"urn:uuid:2","resource":{"resourceType":"DiagnosticReport",
        "identifier":[{"value":"F1"}],"subject":{"reference":"urn:uuid:1"},
        "result":[{"reference":"Observation/o1"}]}},
      {"fullUrl":"urn:uuid:3","resource":{"resourceType":"DiagnosticReport",
        "identifier":[{"value":"F2"}],"subject":{"reference":"urn:uuid:1"},
        "result":[{"reference":"Observation/o1"},{"reference":"Observation/o2"}]}},
      {"fullUrl":"http://a/Observation/o1","resource":{"resourceType":"Observation","id":"o1",
        "valueQuantity":{"value":7.10,"unit":"mg"},"effectiveDateTime":"2020-01-01"}},
      {"resource":{"resourceType":"Observation","id":"o2","valueString":"a\"b"}}
    ]}"##;

    fn found(path: &str) -> String {
        let doc = doc(BUNDLE);
        let path = FhirPath::parse(path).unwrap();
        path.check(Some("Bundle")).unwrap();
        let nodes = path.select(doc.root());
        let text = |n: &Node<'_>| n.text().map_or_else(|| n.path(), Cow::into_owned);
        nodes.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_are_selected() {
        let check = |path: &str, expected: &str| assert_eq!(found(path), expected, "{path}");
        check("Patient.identifier.where(type.coding.code = 'SS').value", "123");
        check("Bundle.entry[0].resource.gender", "male");
        check("Patient.gender", "male");
        check("entry[0].resource.gender", "male");
        check("Patient.name.given", "Jo Ann J");
        check("Patient.name[0].given[1]", "Ann");
        check("Patient.name.given.last()", "J");
        check("Patient.name.given.first()", "Jo");
        check("Patient.name.given.tail()", "Ann J");
        check("Patient.name.given.skip(1).take(1)", "Ann");
        check("DiagnosticReport.subject.reference", "urn:uuid:1 urn:uuid:1");
        check("DiagnosticReport.subject.resolve().gender", "male");
        check("DiagnosticReport.result.resolve().id", "o1 o2");
        check("Patient.managingOrganization.resolve().id", "c");
        check("Observation.value", "Bundle.entry[3].resource.valueQuantity a\"b");
        check("Observation.value.ofType(Quantity).value", "7.10");
        check("Observation.value.ofType(FHIR.string)", "a\"b");
        check("Observation.value.as(string)", "a\"b");
        check("Observation.effective.ofType(time)", "");
        check("Observation.effective.ofType(dateTime)", "2020-01-01");
        check("Bundle.entry.resource.ofType(Patient).id", "p");
        check("Patient.deceased", "2020");
        check("Patient.birthDate.extension.value", "x");
        check("Patient.birthDate.extension('u').valueCode", "x");
        check("Patient.birthDate.extension('v').valueCode", "");
        check("Patient.(gender | birthDate)", "male 1970-01-02");
        check("Patient.gender | Patient.gender", "male");
        check("Patient.name.where(given contains 'Jo').family", "Doe");
        check("Patient.name.where('J' in given).given", "J");
        check("Patient.name.where($this.family.exists().not()).given", "J");
        check("Patient.name.where(given.count() > 1).family", "Doe");
        check(
            "Bundle.entry.where(fullUrl.startsWith('urn:uuid:') and resource.id = 'p').fullUrl",
            "urn:uuid:1",
        );
        check("Encounter.status", "");
        check("Patient.contact.name", "");
        check("Patient.identifier.value.where($this = '456')", "456");
        check("Patient.descendants().where(code = 'SS').code", "SS");
        check("Patient.`gender`", "male");
    }

    #[test]
    fn conditions_are_tested() {
        let doc = doc(BUNDLE);
        let check = |path: &str, expected: bool| {
            let compiled = FhirPath::parse(path).unwrap();
            assert_eq!(compiled.test(doc.root()), expected, "{path}");
        };
        check("DiagnosticReport.where(identifier.value = 'F2').result.count() = 2", true);
        check("DiagnosticReport.where(identifier.value = 'F1').result.count() = 2", false);
        check("Patient.gender = 'male'", true);
        check("Patient.gender != 'male'", false);
        check("Patient.active", true);
        check("Patient.active = true and Patient.gender = 'male'", true);
        check("Patient.active.not()", false);
        check("Patient.gender", true);
        check("Patient.name.given", false);
        check("Patient.name.given = 'Jo'", false);
        check("Patient.photo.exists() or Patient.photo.empty()", true);
        check("Patient.photo = 'x'", false);
        check("Patient.photo != 'x'", false);
        check("(Patient.photo = 'x').empty()", true);
        check("Patient.name.exists(family = 'Doe')", true);
        check("Patient.name.all(given.exists())", true);
        check("Patient.name.all(family.exists())", false);
        check("Observation.value.ofType(Quantity).value = 7.1", true);
        check("Observation.value.ofType(Quantity).value >= 7.2", false);
        check("Observation.value.first() is Quantity", true);
        check("Patient.birthDate < '1980'", true);
        check("Patient.birthDate = @1970-01-02 and Patient.birthDate > @1969", true);
        check("Patient.birthDate = @1970-01", false);
        check("Patient.gender is string and Patient.gender.is(code)", true);
        check("Patient.gender in ('male' | 'female')", true);
        check("Patient.gender.contains('al') and Patient.gender.endsWith('e')", true);
        check("Patient.gender.upper() = 'MALE' and Patient.gender.length() = 4", true);
        check("true xor false", true);
        check("Patient.photo.exists() implies false", true);
        check("Patient.photo = 'x' and false", false);
        check("(Patient.photo = 'x' or true)", true);
        check(
            "Patient.name.given.isDistinct() and Patient.name.given.distinct().count() = 3",
            true,
        );
        check("iif(Patient.active, 'a', 'b') = 'a'", true);
        check("{}", false);
        check("1 = 1.0", true);
        check("Patient.identifier = Patient.identifier", true);
        check("Patient.identifier[0] = Patient.identifier[1]", false);
    }

    #[test]
    fn a_member_sent_twice_is_found_twice() {
        let doc = doc(r#"{"resourceType":"Patient","gender":"male","gender":"female"}"#);
        assert_eq!(FhirPath::parse("Patient.gender").unwrap().select(doc.root()).len(), 2);
    }

    #[test]
    fn texts_are_computed() {
        let doc = doc(BUNDLE);
        let text = |path: &str| {
            let path = FhirPath::parse(path).unwrap();
            path.value_text(doc.root()).map(Cow::into_owned)
        };
        assert_eq!(text("Patient.name.given.count()").as_deref(), Some("3"));
        assert_eq!(text("Patient.name.given").as_deref(), Some("Jo"));
        assert_eq!(text("Patient.photo"), None);
        assert_eq!(FhirPath::parse("Patient.id").unwrap().root_type(), Some("Patient"));
        assert_eq!(FhirPath::parse("id").unwrap().root_type(), None);
    }

    #[test]
    fn bad_paths_are_refused_with_column_and_expectation() {
        let check = |text: &str, expected: &str| {
            let fault = FhirPath::parse(text).unwrap_err();
            assert_eq!(fault.code(), W2710);
            assert_eq!(fault.cause(), Some(expected), "{text}");
        };
        check("", "column 1: expected a name, a literal or `(`");
        check("Patient.", "column 9: expected a name after `.`");
        check("Patient..id", "column 9: expected a name after `.`");
        check("Patient.name[x]", "column 14: expected a number from 0");
        check("Patient.name[0", "column 15: expected `]`");
        check("Patient.where(", "column 15: expected a name, a literal or `(`");
        check("Patient.where()", "column 9: `where` takes 1 argument");
        check("Patient.name.first(1)", "column 14: `first` takes no argument");
        check("Patient.name.frist()", "column 14: no function `frist`, did you mean `first`?");
        check("Patient.name.aggregate(1)", "column 14: no function `aggregate`");
        check("Patient.name = 'x", "column 16: the text is not closed by `'`");
        check("Patient.name = 'x' 'y'", "column 20: expected an operator or the end");
        check("Patient.name # x", "column 14: `#` has no meaning here");
        check("Patient.name.where(a = 1", "column 25: expected `)`");
        check("a + 1", "column 3: arithmetic is not supported");
        check("%resource.id", "column 1: `%` has no meaning here");
        check("Patient.ofType('x')", "column 16: expected the name of a type");
        check("Patient.ofType(Foo)", "column 16: R4 has no type `Foo`");
        check(&"(".repeat(33), "column 33: nested deeper than 32 levels");
        check(&"a and ".repeat(40), "column 195: more than 32 operators");
        check(&"a.".repeat(3000), "column 1: longer than 4096 bytes");
    }

    #[test]
    fn names_are_checked_against_r4() {
        let check = |text: &str, expected: Option<&str>| {
            let found = FhirPath::read(text).unwrap().check(None);
            let what = found.err().map(|error| format!("{} {}", error.at, error.what));
            assert_eq!(what.as_deref(), expected, "{text}");
        };
        check("Patient.name.given", None);
        check("Patient.contact.name.family", None);
        check("Observation.value.unit", None);
        check("Observation.component.value.ofType(Quantity).unit", None);
        check("Observation.value.ofType(Quantity).low", Some("35 `Quantity` has no element `low`"));
        check("Patient.nam", Some("8 `Patient` has no element `nam`, did you mean `name`?"));
        check(
            "Patient.name.where(gven = 'x')",
            Some("19 `HumanName` has no element `gven`, did you mean `given`?"),
        );
        check(
            "Patient.identifier.exists(valu = 1)",
            Some("26 `Identifier` has no element `valu`, did you mean `value`?"),
        );
        check("Bundle.entry.resource.anything.goes", None);
        check("Patient.generalPractitioner.resolve().anything", None);
        check("Patient.birthDate.extension.url", None);
        check("anything.at.all", None);
        check("Patient.contained.id", None);
    }

    #[test]
    fn a_run_without_end_is_cut_off() {
        let many = format!("[{}1]", "1,".repeat(9000));
        let doc = doc(&format!(r#"{{"a":{many}}}"#));
        let nested = "descendants().where(descendants().empty().not()).descendants()";
        assert!(FhirPath::parse(nested).unwrap().try_select(doc.root()).is_ok());
        let text = r#"{"entry":[{"fullUrl":"a","resource":{"l":[{"reference":"a"}]}}]}"#;
        let doc = super::super::doc::doc(text);
        let chain = "entry.resource".to_owned() + &".l.resolve()".repeat(50);
        assert_eq!(FhirPath::parse(&chain).unwrap().try_select(doc.root()).unwrap().len(), 1);
    }
}
