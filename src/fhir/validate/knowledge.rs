//! What a check knows beside R4: questionnaires, value sets and profiles that were loaded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::fault::Fault;
use crate::fault::codes::W2760;
use crate::fhir::doc::{Builder, Doc, Node};
use crate::fhir::profiles::{self, Profile, ValueSet};
use crate::fhir::tables;

/// Most resources of one set: packages of profiles hold a few hundred.
pub const KNOWLEDGE_MAX: usize = 10_000;

/// Resources that others name by their canonical URL.
#[derive(Clone, Default)]
pub struct Knowledge {
    docs: BTreeMap<String, Doc>,
    packaged: BTreeMap<String, Profile>,
    /// Value sets of packages.
    sets: BTreeMap<String, ValueSet>,
    /// Types of resources and the profile that a guide asks of all of them.
    globals: Vec<(String, String)>,
    /// Profiles with their bases, made when first asked.
    profiles: OnceLock<BTreeMap<String, Arc<Profile>>>,
}

impl Knowledge {
    /// Adds a resource under its `url`, and again under `url|version`. One without `url`
    /// changes nothing, nor does one too many.
    ///
    /// The first of a URL stays, so that what a site loads first goes before packages.
    pub fn add(&mut self, doc: Doc) {
        if self.docs.len() >= KNOWLEDGE_MAX {
            return;
        }
        let root = doc.root();
        let text = |name: &str| root.get(name).and_then(|value| value.string());
        for global in root.get("global").into_iter().flat_map(Node::each) {
            let part =
                |name: &str| global.get(name).and_then(|v| v.string()).map(|v| v.into_owned());
            self.globals.extend(part("type").zip(part("profile")));
        }
        let Some(url) = text("url").map(std::borrow::Cow::into_owned) else { return };
        if let Some(version) = text("version") {
            self.docs.entry(format!("{url}|{version}")).or_insert_with(|| doc.clone());
        }
        self.docs.entry(url).or_insert(doc);
        self.profiles.take();
    }

    /// Adds the profiles and value sets of a package: one JSON object a line. How many
    /// profiles it has.
    pub fn add_package(&mut self, text: &str) -> usize {
        let mut count = 0;
        for profile in profiles::rows(text).take(KNOWLEDGE_MAX) {
            count += 1;
            self.packaged.entry(profile.url.clone()).or_insert(profile);
        }
        for set in profiles::value_sets(text).take(KNOWLEDGE_MAX) {
            self.sets.entry(set.url.clone()).or_insert(set);
        }
        self.profiles.take();
        count
    }

    /// Adds what a file of definitions holds: a resource, a Bundle of them, or a resource or
    /// row of a package on each line. How many there are.
    ///
    /// # Errors
    /// `W27..` where a line is no JSON, or the file no XML or JSON.
    pub fn add_file(&mut self, text: Bytes) -> Result<usize, Fault> {
        if let Ok(doc) = Doc::parse(text.clone()) {
            return Ok(self.add_all(&doc));
        }
        let lines = || text.split(|byte| *byte == b'\n').filter(|l| !l.trim_ascii().is_empty());
        if lines().count() < 2 {
            return Doc::parse(text.clone()).map(|_| 0);
        }
        let mut count = 0;
        for line in lines() {
            let doc = Doc::parse_json(text.slice_ref(line))?;
            count += match doc.resource_type() {
                Some(_) => self.add_all(&doc),
                None => self.add_package(&String::from_utf8_lossy(line)),
            };
        }
        Ok(count)
    }

    /// Adds a resource, or those of a Bundle.
    fn add_all(&mut self, doc: &Doc) -> usize {
        let root = doc.root();
        let entries =
            root.get("entry").filter(|_| root.resource_type().as_deref() == Some("Bundle"));
        let Some(entries) = entries else {
            self.add(doc.clone());
            return 1;
        };
        let mut count = 0;
        for resource in entries.items().filter_map(|entry| entry.get("resource")) {
            let mut alone = Builder::new();
            alone.node(resource);
            self.add(alone.finish());
            count += 1;
        }
        count
    }

    /// Asks for a profile on every resource of its type: by URL, a profile of US Core by its
    /// short name (`us-core-patient`), or with `us-core` all that are the only ones of
    /// their type. A version of US Core is named behind a bar: `us-core|7.0.0`.
    ///
    /// # Errors
    /// `W2760` where no such profile is loaded.
    pub fn ask(&mut self, name: &str) -> Result<(), Fault> {
        let (plain, version) =
            name.split_once('|').map_or((name, None), |(name, version)| (name, Some(version)));
        let url = profiles::full(plain);
        let all = plain == "us-core";
        if all || profiles::is_us_core(&url) {
            let Some(text) = profiles::us_core(version) else {
                let known: Vec<&str> = profiles::us_core_versions().collect();
                let cause = format!("weir has US Core in versions {}", known.join(", "));
                return Err(Fault::new(W2760).because(cause));
            };
            self.add_package(text);
        }
        if all {
            let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            let of_guide = self.packaged.values().filter(|p| profiles::is_us_core(&p.url));
            for profile in of_guide.filter(|profile| tables::is_resource(&profile.ty)) {
                types.entry(&profile.ty).or_default().push(&profile.url);
            }
            let only = types.iter().filter_map(|(ty, urls)| match urls.as_slice() {
                [url] => Some(((*ty).to_owned(), (*url).to_owned())),
                _ => None,
            });
            let mut only: Vec<(String, String)> = only.collect();
            only.sort();
            self.globals.extend(only);
            return Ok(());
        }
        let Some(ty) = self.profile(&url).map(|profile| profile.ty.clone()) else {
            return Err(Fault::new(W2760).because("no profile of that URL is loaded"));
        };
        self.globals.push((ty, url.into_owned()));
        Ok(())
    }

    /// Profiles that loaded guides ask of every resource of a type.
    ///
    /// Source: FHIR R4 implementationguide-definitions.html#ImplementationGuide.global.
    pub(super) fn globals(&self, ty: &str) -> impl Iterator<Item = &str> {
        let fits = move |(known, _): &&(String, String)| known == ty;
        self.globals.iter().filter(fits).map(|(_, profile)| profile.as_str())
    }

    /// The profile that a canonical means, its version first.
    pub(super) fn profile(&self, canonical: &str) -> Option<&Profile> {
        let all = self.profiles.get_or_init(|| {
            let mut all = self.packaged.clone();
            // Each under the name it was added by: of several versions the first has the URL.
            for (name, doc) in &self.docs {
                if let Some(profile) = profiles::definition(doc.root()) {
                    all.insert(name.clone(), profile);
                }
            }
            profiles::complete(&all)
        });
        profiles::meant(all, canonical).map(Arc::as_ref)
    }

    /// The resource of a type that a canonical means, its version first.
    pub(super) fn find(&self, canonical: &str, ty: &str) -> Option<Node<'_>> {
        let doc = profiles::meant(&self.docs, canonical)?;
        Some(doc.root()).filter(|root| root.resource_type().as_deref() == Some(ty))
    }
}

/// Shows how much is known; definitions of sites may name patients.
impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Knowledge({} resources)", self.docs.len())
    }
}

/// Codes of a value set that lists all it holds.
pub(super) struct Listed {
    codes: Vec<(Option<String>, String)>,
}

impl Listed {
    /// Reads an expansion, or a definition that enumerates its codes; none when it takes
    /// codes from elsewhere.
    pub fn of(set: Node<'_>) -> Option<Self> {
        let mut codes = Vec::new();
        if let Some(all) = set.get("expansion").and_then(|e| e.get("contains")) {
            expanded(all, &mut codes);
            return Some(Self { codes });
        }
        let compose = set.get("compose").filter(|c| c.get("exclude").is_none())?;
        for include in compose.get("include")?.items() {
            if include.get("filter").is_some() || include.get("valueSet").is_some() {
                return None;
            }
            let system = include.get("system").and_then(|s| s.string()).map(|s| s.into_owned());
            for concept in include.get("concept")?.items() {
                let code = concept.get("code").and_then(|c| c.string())?;
                codes.push((system.clone(), code.into_owned()));
            }
        }
        Some(Self { codes })
    }

    /// Whether it holds a code; of any system when none is given.
    pub fn has(&self, system: Option<&str>, code: &str) -> bool {
        let same = |known: &Option<String>| match (known.as_deref(), system) {
            (Some(known), Some(system)) => known == system,
            _ => true,
        };
        self.codes.iter().any(|(known, c)| c == code && same(known))
    }
}

fn expanded(all: Node<'_>, out: &mut Vec<(Option<String>, String)>) {
    for item in all.items() {
        let text = |name: &str| item.get(name).and_then(|v| v.string()).map(|v| v.into_owned());
        if let Some(code) = text("code") {
            out.push((text("system"), code));
        }
        if let Some(inner) = item.get("contains") {
            expanded(inner, out);
        }
    }
}

/// Deepest chain of value sets that are made of others.
const SETS_DEEP_MAX: usize = 8;

/// Whether a value set holds a code: one that is loaded, else one of R4; none when that
/// cannot be told.
pub(super) fn in_value_set(
    knowledge: Option<&Knowledge>,
    set: &str,
    system: Option<&str>,
    code: &str,
) -> Option<bool> {
    in_set(knowledge, set, (system, code), 0)
}

fn in_set(
    knowledge: Option<&Knowledge>,
    set: &str,
    (system, code): (Option<&str>, &str),
    depth: usize,
) -> Option<bool> {
    if depth > SETS_DEEP_MAX {
        return None;
    }
    if let Some(found) = knowledge.and_then(|known| known.find(set, "ValueSet")) {
        return Listed::of(found).map(|listed| listed.has(system, code));
    }
    let plain = set.split('|').next().unwrap_or(set);
    match knowledge.and_then(|known| known.sets.get(plain)) {
        Some(found) => {
            let other = |set: &str| in_set(knowledge, set, (system, code), depth + 1);
            found.has(system, code, &other)
        }
        None => tables::has_coding(set, system, code),
    }
}
