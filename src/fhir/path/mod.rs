//! FHIRPath, compiled once and run over a document.
//!
//! Built is the whole of N1 with the functions of R4 and those of the drafts that published
//! paths use (see [`functions`]). Not built: `defineVariable`, terminology beyond the value
//! sets of R4 (`memberOf` gives nothing then), profiles beyond the types (`conformsTo`), and
//! units beyond those of [`ucum`]. Decimals are exact to 28 digits. A name that this does not
//! know is refused when the path is read, never passed over when it runs.
//!
//! Four readings beyond the standard: a leading type name (`Patient.name`) finds, in a
//! Bundle, each entry's resource of that type; a member that a peer sent twice gives both
//! values, and a union keeps nodes of equal content apart, so that no rule about privacy
//! misses one; and a text in the form of a date is compared with dates as one.
//!
//! Source: FHIRPath N1 (2.0.0), functions of the 3.0.0 draft; FHIR R4 fhirpath.html.

mod ast;
mod call;
mod check;
mod convert;
mod eval;
mod lex;
mod moment;
mod parse;
mod quantity;
mod text;
mod types;
mod ucum;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Node;
use crate::base::Timestamp;
use crate::fault::codes::{W2710, W2711, W2712};
use crate::fault::{Fault, Place};

pub use ast::functions;
pub(super) use eval::find;
pub(super) use parse::nearest;
pub use quantity::canonical;
pub use types::type_of;

/// Longest path in bytes: those written by people stay below 200, published ones below 3,000.
pub const PATH_BYTES_MAX: usize = 4096;

/// Deepest nesting of parentheses and arguments of a path: reading and running recurse.
pub const PATH_DEPTH_MAX: usize = 32;

/// Most operators of a path: running recurses over them. Published paths have up to 60.
pub const PATH_OPERATORS_MAX: usize = 96;

/// Most items that one run may look at: some runs over the largest Bundle, and far less
/// than nested conditions over it could ask for.
pub const STEPS_MAX: u64 = 20_000_000;

/// A compiled path. Cheap to clone.
#[derive(Clone)]
pub struct FhirPath(Arc<Compiled>);

struct Compiled {
    source: String,
    expression: ast::Expression,
}

/// What a run knows beside the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The time, for `now()`, `today()` and `timeOfDay()`, which fail without it.
    pub now: Option<Timestamp>,
}

/// Which of two values comes first, as `<` has it; none when they have no order, or when
/// precision or units leave it open.
pub(super) fn order(a: Node<'_>, b: Node<'_>) -> Option<std::cmp::Ordering> {
    value::Item::Node(a).order(&value::Item::Node(b)).ok().flatten()
}

/// A value found or computed. Its text is patient data.
#[derive(Clone)]
pub struct Value<'d>(value::Item<'d>);

impl<'d> Value<'d> {
    /// The node, when it was found in the document.
    #[must_use]
    pub fn node(&self) -> Option<Node<'d>> {
        self.0.clone().node()
    }

    /// What it says; nothing for objects. Dates without `@`, quantities as `4 'mg'`.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'d, str>> {
        self.0.clone().into_text()
    }

    /// Its type: `FHIR.code` of an element, `System.Integer` of a computed value.
    #[must_use]
    pub fn type_name(&self) -> Option<String> {
        match &self.0 {
            value::Item::Node(node) => type_of(*node).map(|name| format!("FHIR.{name}")),
            computed => computed.system_type().map(|ty| format!("System.{}", ty.name())),
        }
    }
}

/// Shows nothing: the value is patient data.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(<phi>)")
    }
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
    /// The first name that no element has, or function that does not fit the type.
    pub fn check(&self, root: Option<&str>) -> Result<(), PathError> {
        let roots: &[&str] = root.as_slice();
        check::check(&self.0.expression, roots, check::Rules { strict: false })
    }

    /// Checks it as the standard alone would have it, for a value of one of some types:
    /// without the names of JSON (`valueQuantity`), with the root resource only, and without
    /// places in lists that have no order.
    ///
    /// # Errors
    /// As [`FhirPath::check`].
    pub fn check_strictly(&self, roots: &[&str]) -> Result<(), PathError> {
        check::check(&self.0.expression, roots, check::Rules { strict: true })
    }

    /// The nodes it finds, in order; computed values such as counts are left out.
    ///
    /// Gives nothing when the run fails: whoever must not miss a value, as a seal must
    /// not, uses [`FhirPath::try_select`].
    #[must_use]
    pub fn select<'d>(&self, node: Node<'d>) -> Vec<Node<'d>> {
        self.try_select(node).unwrap_or_default()
    }

    /// The nodes it finds, in order.
    ///
    /// # Errors
    /// As [`FhirPath::evaluate`].
    pub fn try_select<'d>(&self, node: Node<'d>) -> Result<Vec<Node<'d>>, Fault> {
        let items = self.run(node, &Context::default())?;
        Ok(items.into_iter().filter_map(value::Item::node).collect())
    }

    /// The nodes it finds, in order, with `steps` counted on; none when one of the values
    /// is computed and stands nowhere.
    ///
    /// # Errors
    /// As [`FhirPath::evaluate`].
    pub(in crate::fhir) fn select_counted<'d>(
        &self,
        node: Node<'d>,
        steps: &mut u64,
    ) -> Result<Option<Vec<Node<'d>>>, Fault> {
        let context = Context::default();
        let run = eval::Run::new(node, &context);
        let items =
            run.start_counted(&self.0.expression, steps).map_err(|stop| self.fault(stop))?;
        Ok(items.into_iter().map(value::Item::node).collect())
    }

    /// All it finds and computes, in order.
    ///
    /// # Errors
    /// `W2711` when the run looks at more than [`STEPS_MAX`] items, `W2712` when values do
    /// not fit the path, such as several where one is needed.
    pub fn evaluate<'d>(&self, node: Node<'d>, context: &Context) -> Result<Vec<Value<'d>>, Fault> {
        Ok(self.run(node, context)?.into_iter().map(Value).collect())
    }

    /// Whether it holds on a node: a single `true`, or a single value that is no Boolean.
    /// Nothing found is false, as are several values and a run that fails.
    #[must_use]
    pub fn test(&self, node: Node<'_>) -> bool {
        self.holds(node, &Context::default()).ok().flatten().unwrap_or(false)
    }

    /// Whether it holds on a node; none when it finds nothing, which an invariant takes as
    /// satisfied.
    ///
    /// # Errors
    /// As [`FhirPath::evaluate`].
    pub fn holds(&self, node: Node<'_>, context: &Context) -> Result<Option<bool>, Fault> {
        let items = self.run(node, context)?;
        eval::truth(&items).map_err(|stop| self.fault(stop))
    }

    /// The text of the first value it finds or computes.
    #[must_use]
    pub fn value_text<'d>(&self, node: Node<'d>) -> Option<Cow<'d, str>> {
        let items = self.run(node, &Context::default()).ok()?;
        items.into_iter().find_map(value::Item::into_text)
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

    fn run<'d>(&self, node: Node<'d>, context: &Context) -> Result<Vec<value::Item<'d>>, Fault> {
        eval::Run::new(node, context).start(&self.0.expression).map_err(|stop| self.fault(stop))
    }

    fn fault(&self, stop: eval::Stop) -> Fault {
        match stop {
            eval::Stop::CutOff => Fault::new(W2711).at(Place::path(self.source())),
            eval::Stop::Wrong(what) => {
                Fault::new(W2712).at(Place::path(self.source())).because(what)
            }
        }
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
        check("Observation.value.where($this is string).as(string)", "a\"b");
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
        check("Patient.name[]", "column 14: expected a number from 0");
        check("Patient.name[0", "column 15: expected `]`");
        check("Patient.where(", "column 15: expected a name, a literal or `(`");
        check("Patient.where()", "column 9: `where` takes 1 argument");
        check("Patient.name.first(1)", "column 14: `first` takes no argument");
        check("Patient.name.frist()", "column 14: no function `frist`, did you mean `first`?");
        check("Patient.name.defineVariable(1)", "column 14: no function `defineVariable`");
        check("Patient.name.replace('a')", "column 14: `replace` takes 2 arguments");
        check("Patient.name.matches('(')", "column 14: the pattern is no regular expression");
        check("a /* b", "column 3: the comment is not closed by `*/`");
        check(
            "@2014-13-01",
            "column 1: expected a date or time such as `@2015-02-04T14:34:28Z` or `@T14:34`",
        );
        check("$that", "column 1: after `$` comes `this`, `index` or `total`");
        check(
            "1234567890123456789012345678901",
            "column 1: the number has more digits than can be kept",
        );
        check("Patient.name = 'x", "column 16: the text is not closed by `'`");
        check("Patient.name = 'x' 'y'", "column 20: expected an operator or the end");
        check("Patient.name # x", "column 14: `#` has no meaning here");
        check("Patient.name.where(a = 1", "column 25: expected `)`");
        check("a + ", "column 5: expected a name, a literal or `(`");
        check("% x", "column 1: expected the name of a variable after `%`");
        check("Patient.ofType('x')", "column 16: expected the name of a type");
        check("Patient.ofType(Foo)", "column 16: R4 has no type `Foo`");
        check(&"(".repeat(33), "column 33: nested deeper than 32 levels");
        check(&"a and ".repeat(100), "column 579: more than 96 operators");
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
        check("Observation.valueQuantity.unit", None);
        check("%nothing", Some("0 there is no variable `%nothing`"));
        check(
            "Patient.identifier.startsWith('x')",
            Some("19 `startsWith` is applied to `Identifier`, which has no text"),
        );
        check("Observation.value is Period implies Observation.value.unit.exists()", None);
    }

    #[test]
    fn the_standard_alone_is_stricter() {
        let check = |text: &str, roots: &[&str], expected: Option<&str>| {
            let found = FhirPath::read(text).unwrap().check_strictly(roots);
            assert_eq!(found.err().map(|error| error.what).as_deref(), expected, "{text}");
        };
        check(
            "Observation.valueQuantity",
            &["Observation"],
            Some("`Observation` has no element `valueQuantity`"),
        );
        check(
            "Encounter.id",
            &["Patient"],
            Some("the path starts at `Encounter`, the resource is `Patient`"),
        );
        check(
            "children().skip(1)",
            &["Patient"],
            Some("`skip` asks for a place in `children()`, which has no order"),
        );
        check("children().sort(id).skip(1)", &["Patient"], None);
        check("$this is Period or $this.toString() = 'x'", &["Period"], None);
        check(
            "$this is Period and $this.toString() = 'x'",
            &["Period", "Timing"],
            Some("`toString` is applied to `Period`, which has no text"),
        );
        check("iif($this is dateTime, toString(), '')", &["Period", "dateTime"], None);
    }

    #[test]
    fn values_that_do_not_fit_are_told_without_their_text() {
        let doc = doc(BUNDLE);
        let check = |text: &str, expected: &str| {
            let path = FhirPath::parse(text).unwrap();
            let fault = path.evaluate(doc.root(), &Context::default()).unwrap_err();
            assert_eq!((fault.code(), fault.cause()), (W2712, Some(expected)), "{text}");
            assert!(!path.test(doc.root()) && path.select(doc.root()).is_empty(), "{text}");
        };
        check("Patient.name.single()", "`single` found several values");
        check(
            "Patient.name.given.substring(1)",
            "`substring` is applied to one value, there are several",
        );
        check("Patient.name.given > 'a'", "several values stand where one is compared");
        check("Patient.gender > 1", "values of these kinds have no order");
        check("Patient.gender - 1", "values of these kinds cannot be reckoned with");
        check("-Patient.gender", "a sign stands before what is no number");
        check("iif(Patient.gender, 1)", "the condition of `iif` is no Boolean");
        check("Patient.name.length()", "`length` is applied to one value, there are several");
        check(
            "Patient.birthDate + 1 'kg'",
            "a date or time takes years down to milliseconds of the calendar",
        );
        check("now()", "the time is not known where this path runs");
        check("Patient.name.given and true", "several values stand where one Boolean is needed");
        check(
            "Patient.gender.matches(Patient.birthDate & '(')",
            "`matches` takes a regular expression",
        );
    }

    #[test]
    fn values_are_computed() {
        let doc = doc(BUNDLE);
        let now = Context { now: Timestamp::parse("2026-01-02T03:04:05Z") };
        let check = |text: &str, expected: &str| {
            let path = FhirPath::parse(text).unwrap();
            let found = path.evaluate(doc.root(), &now).unwrap();
            let texts: Vec<_> = found.iter().filter_map(Value::text).collect();
            assert_eq!(texts.join(" "), expected, "{text}");
        };
        check("Patient.birthDate + 1 month", "1970-02-02");
        check("today() - 1 day", "2026-01-01");
        check("now()", "2026-01-02T03:04:05.000Z");
        check("timeOfDay()", "03:04:05.000");
        check("Patient.name.given.aggregate($total & $this, '')", "JoAnnJ");
        check("Patient.name.given.select($index)", "0 1 2");
        check("Patient.name.given.sort()", "Ann J Jo");
        check("Patient.name.given.join('-').upper()", "JO-ANN-J");
        check("Patient.name.given.intersect('Jo' | 'X')", "Jo");
        check("(1 | 2).combine(2).exclude(1)", "2 2");
        check("7.10 + 1", "8.10");
        check("2 / 4", "0.5");
        check("(5 div 2).toString() & 'x'", "2x");
        check("Observation.value.ofType(Quantity).value * 2", "14.20");
        check("'2020-01-01'.toDateTime().toString().length()", "10");
        check("%resource.type().name", "Bundle");
        check(
            "Patient.gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')",
            "true",
        );
        check("Patient.gender.type().namespace & '.' & Patient.gender.type().name", "FHIR.code");
        check("'a,b'.split(',')", "a b");
        check("'aXbX'.lastIndexOf('X')", "3");
        check("'x'.encode('hex').decode('hex')", "x");
        check("'<'.escape('html').unescape('html')", "<");
        check("(-8).power(2) | 9.sqrt() | 8.log(2)", "64 3");
        check("'abc'.replaceMatches('(b)', '[$1]')", "a[b]c");
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
