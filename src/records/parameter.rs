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
    /// Several values that stand together: a code and its value.
    Composite,
    /// Words of all that a resource says.
    Words,
}

impl Kind {
    /// Its name in a SearchParameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String | Self::Words => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Composite => "composite",
        }
    }

    fn of(name: &str) -> Option<Self> {
        if name == "words" {
            return Some(Self::Words);
        }
        [
            Self::Number,
            Self::Date,
            Self::String,
            Self::Token,
            Self::Reference,
            Self::Quantity,
            Self::Uri,
            Self::Composite,
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
    /// The parts of a composite, in order: each named after the parameter that it is like,
    /// with a path from where they stand together.
    pub parts: Vec<Parameter>,
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
        let rest = parts.next().filter(|targets| !matches!(*targets, "-" | "*"));
        let mut own = Self::new(code, kind, path);
        match rest {
            // What they are like is known when all of the type are read.
            Some(rest) if kind == Kind::Composite => {
                let parts = rest.split(';').filter_map(|part| part.split_once('='));
                own.parts = parts.map(|(code, path)| Self::new(code, Kind::Token, path)).collect();
            }
            Some(targets) => own.targets = targets.split(',').collect(),
            None => {}
        }
        Some(own)
    }

    fn new(code: &'static str, kind: Kind, path: &'static str) -> Self {
        let (compiled, codes) = (OnceLock::new(), OnceLock::new());
        Self { code, kind, path, targets: Vec::new(), parts: Vec::new(), compiled, codes }
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
        table.values_mut().for_each(|all| liken(all));
        table
    });
    &TABLE
}

/// Gives the parts of composites the kinds and targets of the parameters that they are like.
fn liken(all: &mut [Parameter]) {
    let known: HashMap<&str, (Kind, Vec<&'static str>)> =
        all.iter().map(|own| (own.code, (own.kind, own.targets.clone()))).collect();
    for part in all.iter_mut().flat_map(|own| own.parts.iter_mut()) {
        if let Some((kind, targets)) = known.get(part.code) {
            (part.kind, part.targets) = (*kind, targets.clone());
        }
    }
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
                assert_eq!(parameter.kind == Kind::Composite, parameter.parts.len() > 1, "{place}");
                for part in &parameter.parts {
                    FhirPath::parse(part.path).expect(&place);
                    let like = super::parameter(kind, part.code).expect(&place);
                    assert_eq!((part.kind, &part.targets), (like.kind, &like.targets), "{place}");
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
