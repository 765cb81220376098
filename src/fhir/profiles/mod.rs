//! Profiles as facts: what a definition asks for beyond R4, as a tree of elements.
//!
//! Read from StructureDefinitions and from rows of packages; both give the same tree. A
//! profile on another is laid over it, so that a check sees one tree. Not here: the check.

mod package;
mod read;
mod us_core;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doc::Doc;
use super::path::FhirPath;

pub(in crate::fhir) use package::{rows, value_sets};
pub(in crate::fhir) use read::definition;
pub(in crate::fhir) use us_core::{full, is_us_core, us_core, us_core_versions};

/// Most profiles laid over each other.
const BASES_MAX: usize = 16;

/// A profile, before or after its base is laid under it.
#[derive(Clone, Debug)]
pub(in crate::fhir) struct Profile {
    pub url: String,
    /// The type it is about.
    pub ty: String,
    /// The profile it builds on; R4's own definitions are none here.
    pub base: Option<String>,
    pub root: Branch,
}

/// A value set by what it is made of.
#[derive(Clone, Debug)]
pub(in crate::fhir) struct ValueSet {
    pub url: String,
    pub parts: Vec<Part>,
}

/// A part of a value set: codes of a system, a system of which nothing more is known, or
/// other sets.
#[derive(Clone, Debug)]
pub(in crate::fhir) struct Part {
    pub system: Option<String>,
    /// None when the system's codes are not listed.
    pub codes: Option<Vec<String>>,
    /// A code has to be in all of these.
    pub sets: Vec<String>,
}

impl ValueSet {
    /// Whether it holds a code, of any system when none is given; none when that cannot be
    /// told. `known` answers for other sets.
    pub fn has(
        &self,
        system: Option<&str>,
        code: &str,
        known: &dyn Fn(&str) -> Option<bool>,
    ) -> Option<bool> {
        let mut answer = Some(false);
        for part in &self.parts {
            match part.has(system, code, known) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => answer = None,
            }
        }
        answer
    }
}

impl Part {
    fn has(
        &self,
        system: Option<&str>,
        code: &str,
        known: &dyn Fn(&str) -> Option<bool>,
    ) -> Option<bool> {
        let mut answer = Some(true);
        if let Some(own) = &self.system {
            if system.is_some_and(|system| system != own) {
                return Some(false);
            }
            match &self.codes {
                Some(codes) if codes.iter().any(|known| known == code) => {}
                Some(_) => return Some(false),
                // A set that holds a code of the system says that the system has it.
                None if system.is_some() && !self.sets.is_empty() => {}
                None => answer = None,
            }
        }
        for set in &self.sets {
            match known(set) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => answer = None,
            }
        }
        answer
    }
}

/// A type a value may have, with profiles of it.
#[derive(Clone, Debug)]
pub(in crate::fhir) struct TypeFact {
    pub code: String,
    pub profiles: Vec<String>,
}

/// How values of an element are told apart.
#[derive(Clone, Debug, Default)]
pub(in crate::fhir) struct Slicing {
    /// Kind (`value`, `pattern`, `type`, `exists`, `profile`) and path.
    pub discriminators: Vec<(String, String)>,
    pub closed: bool,
}

/// A rule of a profile.
#[derive(Clone, Debug)]
pub(in crate::fhir) struct Constraint {
    pub key: String,
    pub is_error: bool,
    pub human: String,
    pub path: FhirPath,
}

/// What a profile says of an element, and of those within it.
#[derive(Clone, Debug, Default)]
pub(in crate::fhir) struct Branch {
    /// Name without `[x]`.
    pub name: String,
    pub slice: Option<String>,
    /// Whether it is about the whole resource or value of the profile.
    pub is_root: bool,
    pub min: Option<usize>,
    /// None when nothing is said; `usize::MAX` for `*`.
    pub max: Option<usize>,
    pub types: Vec<TypeFact>,
    /// Profiles of the targets of references.
    pub targets: Vec<String>,
    /// `{"value": value}`, as are all constants.
    pub fixed: Option<Doc>,
    pub pattern: Option<Doc>,
    /// Value set of a required binding.
    pub binding: Option<String>,
    pub max_length: Option<usize>,
    /// `{"value": value}`
    pub min_value: Option<Doc>,
    pub max_value: Option<Doc>,
    pub slicing: Option<Slicing>,
    pub constraints: Vec<Arc<Constraint>>,
    pub children: Vec<Branch>,
    pub slices: Vec<Branch>,
}

impl Branch {
    pub fn child(&self, name: &str) -> Option<&Branch> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The branch of an element id such as `Patient.identifier:mrn.system`, made if needed.
    fn at(&mut self, id: &str) -> &mut Branch {
        let mut at = self;
        for step in id.split('.').skip(1) {
            let (name, slice) = step.split_once(':').map_or((step, None), |(n, s)| (n, Some(s)));
            let name = name.strip_suffix("[x]").unwrap_or(name);
            at = place(
                &mut at.children,
                |child| child.name == name,
                || Branch { name: name.to_owned(), ..Branch::default() },
            );
            if let Some(slice) = slice {
                let (name, known) = (at.name.clone(), Some(slice.to_owned()));
                at = place(
                    &mut at.slices,
                    |s| s.slice.as_deref() == Some(slice),
                    || Branch { name, slice: known, ..Branch::default() },
                );
            }
        }
        at
    }

    /// Lays what another profile says over this.
    fn lay(&mut self, over: &Branch) {
        fn put<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
            if over.is_some() {
                under.clone_from(over);
            }
        }
        put(&mut self.min, &over.min);
        put(&mut self.max, &over.max);
        put(&mut self.fixed, &over.fixed);
        put(&mut self.pattern, &over.pattern);
        put(&mut self.binding, &over.binding);
        put(&mut self.max_length, &over.max_length);
        put(&mut self.min_value, &over.min_value);
        put(&mut self.max_value, &over.max_value);
        put(&mut self.slicing, &over.slicing);
        if !over.types.is_empty() {
            self.types.clone_from(&over.types);
        }
        if !over.targets.is_empty() {
            self.targets.clone_from(&over.targets);
        }
        self.constraints.extend(over.constraints.iter().cloned());
        for child in &over.children {
            let fresh = || Branch { name: child.name.clone(), ..Branch::default() };
            place(&mut self.children, |known| known.name == child.name, fresh).lay(child);
        }
        for slice in &over.slices {
            let fresh = || Branch {
                name: slice.name.clone(),
                slice: slice.slice.clone(),
                ..Branch::default()
            };
            place(&mut self.slices, |known| known.slice == slice.slice, fresh).lay(slice);
        }
    }
}

/// The one that fits, or a fresh one at the end.
fn place(
    all: &mut Vec<Branch>,
    fits: impl Fn(&Branch) -> bool,
    fresh: impl FnOnce() -> Branch,
) -> &mut Branch {
    let at = all.iter().position(fits).unwrap_or_else(|| {
        all.push(fresh());
        all.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "the place was found or made above")]
    &mut all[at]
}

/// What a canonical means among things known by URL and by `url|version`: its version, else
/// the latest that begins with it (`0.2` means `0.2.1`), else what has the URL.
///
/// Source: FHIR R4 references.html#canonical.
pub(in crate::fhir) fn meant<'a, T>(
    all: &'a BTreeMap<String, T>,
    canonical: &str,
) -> Option<&'a T> {
    let Some((url, _)) = canonical.split_once('|') else { return all.get(canonical) };
    let begun = format!("{canonical}.");
    let numbers = |name: &str| -> Vec<u64> {
        let rest = name.get(begun.len()..).unwrap_or_default();
        rest.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    let latest = || {
        let those = all.range(begun.clone()..).take_while(|(name, _)| name.starts_with(&begun));
        those.max_by_key(|(name, _)| numbers(name)).map(|(_, one)| one)
    };
    all.get(canonical).or_else(latest).or_else(|| all.get(url))
}

/// Profiles with their bases laid under them.
pub(in crate::fhir) fn complete(all: &BTreeMap<String, Profile>) -> BTreeMap<String, Arc<Profile>> {
    let whole = |profile: &Profile| {
        let mut chain = vec![profile];
        let mut at = profile;
        while let Some(base) = at.base.as_deref().and_then(|url| meant(all, url)) {
            if chain.len() >= BASES_MAX {
                break;
            }
            chain.push(base);
            at = base;
        }
        let mut root = Branch { is_root: true, ..Branch::default() };
        chain.iter().rev().for_each(|profile| root.lay(&profile.root));
        Profile { root, ..profile.clone() }
    };
    all.iter().map(|(url, profile)| (url.clone(), Arc::new(whole(profile)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_means_its_version_then_the_latest_of_it_then_its_url() {
        let names = ["u", "u|0.1.3", "u|0.2.1", "u|0.2.10", "u|0.25.0", "v|1.0.0"];
        let all: BTreeMap<String, &str> = names.map(|name| (name.to_owned(), name)).into();
        let check = |canonical: &str, expected: Option<&str>| {
            assert_eq!(meant(&all, canonical).copied(), expected, "{canonical}");
        };
        check("u", Some("u"));
        check("u|0.2.1", Some("u|0.2.1"));
        check("u|0.2", Some("u|0.2.10"));
        check("u|0", Some("u|0.25.0"));
        check("u|7", Some("u"));
        check("v", None);
        check("v|2", None);
    }
}
