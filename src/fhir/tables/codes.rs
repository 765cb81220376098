//! Codes of the value sets that required bindings name, and of the shorter extensible ones.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::VALUE_SET;

struct Coded {
    system: &'static str,
    code: &'static str,
    display: &'static str,
}

type Sets = HashMap<&'static str, Vec<Coded>>;

fn sets() -> &'static Sets {
    static SETS: OnceLock<Sets> = OnceLock::new();
    SETS.get_or_init(|| {
        let mut sets = Sets::new();
        let (mut name, mut system) = ("", "");
        for line in include_str!("codes.txt").lines() {
            match line.split_at_checked(1) {
                Some(("#", _)) | None => {}
                Some(("@", set)) => {
                    name = set;
                    sets.entry(name).or_default();
                }
                Some(("=", url)) if !line.contains('\t') => system = url,
                Some(_) => {
                    let (code, display) = line.split_once('\t').unwrap_or((line, ""));
                    sets.entry(name).or_default().push(Coded { system, code, display });
                }
            }
        }
        sets
    })
}

fn set(url: &str) -> Option<&'static [Coded]> {
    let url = url.split('|').next().unwrap_or(url);
    sets().get(url.strip_prefix(VALUE_SET).unwrap_or(url)).map(Vec::as_slice)
}

/// System and code of each entry of a value set with a binding, by its URL; none
/// when the set takes its codes from an outside code system and cannot be listed here.
#[must_use]
pub fn codes(value_set: &str) -> Option<Vec<(&'static str, &'static str)>> {
    set(value_set).map(|codes| codes.iter().map(|coded| (coded.system, coded.code)).collect())
}

/// Whether a value set holds a code, of whatever system; none when it cannot be listed.
#[must_use]
pub fn has_code(value_set: &str, code: &str) -> Option<bool> {
    set(value_set).map(|codes| codes.iter().any(|coded| coded.code == code))
}

/// Whether a value set holds a code of a system, or of any when none is given; none when it
/// cannot be listed.
#[must_use]
pub fn has_coding(value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
    let fits = |coded: &Coded| coded.code == code && system.is_none_or(|s| s == coded.system);
    set(value_set).map(|codes| codes.iter().any(fits))
}

/// The system of a code of a value set.
#[must_use]
pub fn system(value_set: &str, code: &str) -> Option<&'static str> {
    set(value_set)?.iter().find(|coded| coded.code == code).map(|coded| coded.system)
}

/// The text for people of a code of a value set.
#[must_use]
pub fn display(value_set: &str, code: &str) -> Option<&'static str> {
    let coded = set(value_set)?.iter().find(|coded| coded.code == code)?;
    (!coded.display.is_empty()).then_some(coded.display)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_with_their_system() {
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        let all: Vec<&str> = codes(gender).unwrap().into_iter().map(|(_, code)| code).collect();
        assert_eq!(all, ["male", "female", "other", "unknown"]);
        assert_eq!(has_code(gender, "M"), Some(false));
        assert_eq!(has_code("administrative-gender|4.0.1", "male"), Some(true));
        assert_eq!(system(gender, "male"), Some("http://hl7.org/fhir/administrative-gender"));
        assert_eq!(display(gender, "male"), Some("Male"));
        assert_eq!(has_code("http://hl7.org/fhir/ValueSet/mimetypes", "text/plain"), None);
        assert_eq!(sets().len(), 290);
        assert_eq!(has_coding("observation-interpretation", None, "H"), Some(true));
        assert_eq!(has_coding(gender, Some("urn:x"), "male"), Some(false));
        // `=` is both the mark of a system and a code of its own.
        assert_eq!(has_code("questionnaire-enable-operator", "="), Some(true));
    }
}
