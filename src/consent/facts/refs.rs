//! References, and whether two of them mean one resource.

use std::sync::Arc;

use crate::consent::code::Match;

/// References that a resource holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::consent) struct Links {
    /// As they are written, without version; those into the same Bundle also as
    /// `Type/id`.
    pub refs: Vec<Arc<str>>,
    /// Types of what is referred to in a way that cannot be followed, such as by an
    /// identifier; empty for any type.
    pub vague: Vec<Arc<str>>,
}

/// A reference without its version.
pub(super) fn unversioned(text: &str) -> &str {
    text.trim().split("/_history/").next().unwrap_or_default()
}

/// `Type/id` at the end of a reference that is relative or an address; none for a `urn:`,
/// a contained one or a search.
fn tail(text: &str) -> Option<&str> {
    if text.starts_with(['#']) || text.contains('?') || text.starts_with("urn:") {
        return None;
    }
    let start = text.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    text.get(start..).filter(|tail| tail.contains('/'))
}

/// The resource type that a reference names, where it does.
pub(in crate::consent) fn type_of(text: &str) -> Option<&str> {
    match text.split_once('?') {
        Some((path, _)) => path.rsplit('/').next(),
        None => tail(text)?.split('/').next(),
    }
}

/// Whether two references mean one resource. Those of two servers may: one server has many
/// addresses. A `urn:` or a search may mean anything that its type does not exclude.
pub(in crate::consent) fn same_reference(one: &str, other: &str) -> Match {
    let (one, other) = (unversioned(one), unversioned(other));
    if one == other {
        return Match::Yes;
    }
    match (tail(one), tail(other)) {
        (Some(one), Some(other)) => {
            if one == other {
                Match::Unsure
            } else {
                Match::No
            }
        }
        _ => match (type_of(one), type_of(other)) {
            (Some(one), Some(other)) if one != other => Match::No,
            _ => Match::Unsure,
        },
    }
}

impl Links {
    /// Whether one of them means a resource.
    pub fn mean(&self, reference: &str) -> Match {
        let of = type_of(reference);
        let vague = self.vague.iter().any(|t| t.is_empty() || of.is_none_or(|of| *of == **t));
        let floor = if vague { Match::Unsure } else { Match::No };
        self.refs.iter().map(|own| same_reference(reference, own)).fold(floor, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Match::{No, Unsure, Yes};

    #[test]
    fn references_are_one_in_every_form() {
        let check = |one: &str, other: &str, expected| {
            assert_eq!(same_reference(one, other), expected, "{one} {other}");
            assert_eq!(same_reference(other, one), expected, "{other} {one}");
        };
        check("Observation/1", "Observation/1", Yes);
        check("Observation/1", "Observation/1/_history/4", Yes);
        check("Observation/1", "Observation/2", No);
        check("Observation/1", "https://x.org/fhir/Observation/1", Unsure);
        check("https://y.org/Observation/1/_history/2", "https://x.org/fhir/Observation/1", Unsure);
        check("https://x.org/fhir/Observation/1", "https://x.org/fhir/Observation/2", No);
        check("Observation/1", "urn:uuid:1b0c", Unsure);
        check("urn:uuid:1b0c", "urn:uuid:1b0c", Yes);
        check("urn:uuid:1b0c", "urn:uuid:2b0c", Unsure);
        check("Observation/1", "Observation?identifier=1", Unsure);
        check("Observation/1", "Patient?identifier=1", No);
        check("#a", "Observation/1", Unsure);
        check("x", "Observation/1", Unsure);
    }

    #[test]
    fn what_cannot_be_followed_may_mean_it() {
        let links = |vague: &[&str]| Links {
            refs: vec!["Patient/1".into()],
            vague: vague.iter().map(|t| (*t).into()).collect(),
        };
        assert_eq!(links(&[]).mean("Encounter/1"), No);
        assert_eq!(links(&[]).mean("Patient/1"), Yes);
        assert_eq!(links(&["Encounter"]).mean("Encounter/1"), Unsure);
        assert_eq!(links(&["Patient"]).mean("Encounter/1"), No);
        assert_eq!(links(&[""]).mean("Encounter/1"), Unsure);
        assert_eq!(links(&["Patient"]).mean("urn:uuid:1b0c"), Unsure);
    }
}
