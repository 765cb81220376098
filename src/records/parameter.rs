//! The search parameters of R4, read from the table beside this file on first use.
//!
//! The text is written by the generator (`generate/parameters.rs`) and never by hand.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, OnceLock};

use crate::fhir::{FhirPath, tables};

/// What the values of a parameter are.
///
/// Source: FHIR R4 search.html#ptypes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A number.
    Number,
    /// A moment or a span of time.
    Date,
    /// Text, found by its beginning.
    String,
    /// A code, an identifier, a Boolean.
    Token,
    /// A reference to another resource.
    Reference,
    /// A number with a unit.
    Quantity,
    /// A URI, as it is.
    Uri,
}

impl Kind {
    /// Its name in a SearchParameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [
            Self::Number,
            Self::Date,
            Self::String,
            Self::Token,
            Self::Reference,
            Self::Quantity,
            Self::Uri,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// One parameter of one type of resource.
pub struct Parameter {
    /// Its name in a search: `birthdate`.
    pub code: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Where its values are: a FHIRPath.
    pub path: &'static str,
    /// Types that a reference is looked at for; empty: any.
    pub targets: Vec<&'static str>,
    compiled: OnceLock<Option<FhirPath>>,
    /// Value set of the code under a simple path, which says its system.
    codes: OnceLock<Option<&'static str>>,
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameter({} {})", self.code, self.kind.name())
    }
}

impl Parameter {
    fn read(line: &'static str) -> Option<Self> {
        let mut parts = line.split('\t');
        let (code, kind, path) = (parts.next()?, Kind::of(parts.next()?)?, parts.next()?);
        let targets = parts.next().filter(|targets| !matches!(*targets, "-" | "*"));
        let targets = targets.map(|targets| targets.split(',').collect()).unwrap_or_default();
        let (compiled, codes) = (OnceLock::new(), OnceLock::new());
        Some(Self { code, kind, path, targets, compiled, codes })
    }

    /// Its path, compiled at the first use; none of the table is refused (a test looks).
    pub(super) fn compiled(&self) -> Option<&FhirPath> {
        self.compiled.get_or_init(|| FhirPath::parse(self.path).ok()).as_ref()
    }

    /// The system of a code that stands alone, as of `Patient.gender`.
    pub(super) fn system(&self, code: &str) -> Option<&'static str> {
        let set = self.codes.get_or_init(|| tables::walk(self.path)?.0.required_binding);
        tables::system((*set)?, code)
    }
}

type Table = HashMap<&'static str, Vec<Parameter>>;

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let mut table = Table::new();
        let mut current = "";
        for line in include_str!("parameters.txt").lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('@') {
                Some(name) => current = name,
                None => table.entry(current).or_default().extend(Parameter::read(line)),
            }
        }
        table
    });
    &TABLE
}

/// Name under which the parameters of every type stand.
const EVERY: &str = "Resource";

/// The parameters of a type of resource, its own and those of every resource, sorted by code
/// each.
pub fn parameters(kind: &str) -> impl Iterator<Item = &'static Parameter> {
    let of = |name: &str| table().get(name).map(Vec::as_slice).unwrap_or_default().iter();
    of(EVERY).chain(of(kind))
}

/// The parameter of a type of resource under a code.
#[must_use]
pub fn parameter(kind: &str, code: &str) -> Option<&'static Parameter> {
    parameters(kind).find(|parameter| parameter.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_understood() {
        let mut count = 0;
        for (kind, parameters) in table() {
            let root = if *kind == EVERY { "Patient" } else { kind };
            assert!(tables::is_resource(root), "{kind}");
            for parameter in parameters {
                count += 1;
                let place = format!("{kind} {}: {}", parameter.code, parameter.path);
                let path = FhirPath::parse(parameter.path).expect(&place);
                path.check(Some(root)).map_err(|error| error.what).expect(&place);
                for target in &parameter.targets {
                    assert!(tables::is_resource(target), "{place} {target}");
                }
            }
        }
        assert!(count > 1500, "{count}");
    }

    #[test]
    fn parameters_are_found() {
        let check = |kind, code, expected: Option<(Kind, &str)>| {
            let found = parameter(kind, code).map(|p| (p.kind, p.path));
            assert_eq!(found, expected, "{kind} {code}");
        };
        check("Patient", "birthdate", Some((Kind::Date, "Patient.birthDate")));
        check("Patient", "_id", Some((Kind::Token, "id")));
        check("Encounter", "patient", Some((Kind::Reference, "Encounter.subject")));
        check("Patient", "phonetic", None);
        check("Patient", "status", None);
        check("Nothing", "status", None);
        assert_eq!(parameter("Encounter", "patient").unwrap().targets, ["Patient"]);
        assert!(parameter("Observation", "focus").unwrap().targets.is_empty());
        let gender = parameter("Patient", "gender").unwrap();
        assert_eq!(gender.system("male"), Some("http://hl7.org/fhir/administrative-gender"));
        assert_eq!(gender.system("other?"), None);
    }
}
