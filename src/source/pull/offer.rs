//! From a resource that a server sends to the message that it becomes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::base::Timestamp;
use crate::fault::codes::{W2326, W2386, W2720};
use crate::fault::{Code, Fault, Place};
use crate::fhir::rest::{self, Change, Interaction};
use crate::fhir::{Doc, Node, tables};

/// A message to be taken.
#[derive(Debug)]
pub(super) struct Offer {
    /// Its bytes, as they travel.
    pub bytes: Bytes,
    /// Its type.
    pub message_type: Option<Arc<str>>,
    /// Type, id and version, where the resource names one; equal for the same version only.
    pub version: Option<String>,
    /// How old it is, where it says so.
    pub age: Option<Age>,
}

/// Which resource, and how old: what tells a newer version from an older.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    /// Digest of its address.
    resource: [u8; 16],
    /// Where versions are counted.
    number: Option<u64>,
    changed: Option<Timestamp>,
}

impl Age {
    fn of(kind: &str, id: &str, root: Node<'_>) -> Option<Self> {
        let meta = root.get("meta")?;
        let text = |name: &str| meta.get(name).and_then(|value| value.string());
        let number = text("versionId").and_then(|number| number.parse().ok());
        let changed = text("lastUpdated").and_then(|at| Timestamp::parse(&at));
        let digest: [u8; 32] = Sha256::digest(format!("{kind}/{id}")).into();
        let (resource, _) = digest.split_first_chunk()?;
        let told = number.is_some() || changed.is_some();
        told.then_some(Self { resource: *resource, number, changed })
    }

    /// Whether it is certainly older. A clock may be set back, so a count says more.
    fn is_before(&self, other: &Self) -> bool {
        match (self.number.zip(other.number), self.changed.zip(other.changed)) {
            (Some((own, other)), _) => own < other,
            (None, Some((own, other))) => own < other,
            (None, None) => false,
        }
    }
}

/// The newest versions that were taken, as far as they are remembered.
#[derive(Default)]
pub(super) struct Newest(HashMap<[u8; 16], Age>);

/// Resources whose newest version is remembered. Beyond them all are forgotten: what arrives
/// late then is what arrived.
const NEWEST_MAX: usize = 100_000;

impl Newest {
    /// Whether a newer version was taken.
    pub fn overtook(&self, offer: &Offer) -> bool {
        let newest = offer.age.and_then(|age| Some((age, self.0.get(&age.resource)?)));
        newest.is_some_and(|(age, newest)| age.is_before(newest))
    }

    /// Notes what was taken.
    pub fn took(&mut self, offer: &Offer) {
        let Some(age) = offer.age else { return };
        if self.overtook(offer) {
            return;
        }
        if self.0.len() >= NEWEST_MAX {
            self.0.clear();
        }
        self.0.insert(age.resource, age);
    }
}

/// The update that a resource is: of this type, where one is told with the code of all else.
///
/// # Errors
/// `W27xx` for what is no resource, the code for one of another type, `W2326` without an id.
pub(super) fn update(bytes: &Bytes, of_type: Option<(&str, Code)>) -> Result<Offer, Fault> {
    let doc = Doc::parse_json(bytes.clone())?;
    let root = doc.root();
    rest::clean(root)?;
    let kind = root.resource_type().and_then(|kind| tables::type_name(&kind));
    let kind = kind.filter(|kind| tables::is_resource(kind));
    let kind = kind.ok_or_else(|| Fault::new(W2720).because("no type of resource of R4"))?;
    if let Some((expected, code)) = of_type.filter(|(expected, _)| *expected != kind) {
        return Err(Fault::new(code).because(format!("a {kind} among {expected}s")));
    }
    let id = root.get("id").and_then(|id| id.string()).and_then(|id| rest::Id::parse(&id));
    let at = || Place::path(format!("{kind}.id"));
    let id = id.ok_or_else(|| Fault::new(W2326).at(at()).because("without an id"))?;
    let version = version(root).map(|version| format!("{kind}/{}/{version}", id.as_str()));
    let age = Age::of(kind, id.as_str(), root);
    let interaction = Interaction::Update { kind, id, if_match: None };
    let message_type = rest::message_type(&interaction);
    let bytes = match rest::wrapped(&interaction, &Change::Resource(&doc)) {
        Some(bundle) => bundle.to_json(),
        None => bytes.clone(),
    };
    Ok(Offer { bytes, message_type, version, age })
}

/// The delete of a resource.
pub(super) fn delete(kind: &'static str, id: rest::Id) -> Offer {
    let interaction = Interaction::Delete { kind, id, if_match: None };
    let bundle = rest::wrapped(&interaction, &Change::Nothing);
    let message_type = rest::message_type(&interaction);
    let bytes = bundle.map(|bundle| bundle.to_json()).unwrap_or_default();
    Offer { bytes, message_type, version: None, age: None }
}

/// Version and time: servers that keep no versions may name the same one for ever.
fn version(root: Node<'_>) -> Option<String> {
    let meta = root.get("meta")?;
    let text = |name: &str| meta.get(name).and_then(|value| value.string());
    let (version, time) = (text("versionId"), text("lastUpdated"));
    if version.is_none() && time.is_none() {
        return None;
    }
    Some(format!("{}/{}", version.unwrap_or_default(), time.unwrap_or_default()))
}

/// The deletes that a Bundle of a file of what was deleted asks for, each on its own.
///
/// # Errors
/// `W27xx` for what is no resource, `W2386` for what is no such Bundle.
///
/// Source: Bulk Data Access IG v2.0.0, export, `deleted`.
pub(super) fn deletes(bytes: &Bytes) -> Result<Vec<Result<Offer, Fault>>, Fault> {
    let doc = Doc::parse_json(bytes.clone())?;
    let root = doc.root();
    rest::clean(root)?;
    let kind = root.get("type").and_then(|kind| kind.string());
    if root.resource_type().as_deref() != Some("Bundle") || kind.as_deref() != Some("transaction") {
        return Err(Fault::new(W2386).because("no Bundle of type `transaction`"));
    }
    let offers = rest::entries(root).map(|entry| match entry.asks {
        Ok(Interaction::Delete { kind, id, .. }) => Ok(delete(kind, id)),
        Ok(_) => Err(Fault::new(W2386).because("an entry is no delete of a resource")),
        Err(refused) => Err(refused.fault),
    });
    Ok(offers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offer: Result<Offer, Fault>) -> String {
        match offer {
            Ok(offer) => format!(
                "{} {}",
                offer.message_type.as_deref().unwrap_or_default(),
                offer.version.as_deref().unwrap_or("-")
            ),
            Err(fault) => fault.code().to_string(),
        }
    }

    #[test]
    fn an_older_version_never_overtakes() {
        let offer = |id: &str, version: &str, at: &str| {
            let text = format!(
                r#"{{"resourceType":"Patient","id":"{id}","meta":{{"versionId":"{version}","lastUpdated":"{at}"}}}}"#
            );
            update(&Bytes::from(text), None).unwrap()
        };
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
        let check = |taken: (&str, &str), then: (&str, &str), late: bool| {
            let mut newest = Newest::default();
            newest.took(&offer("a", taken.0, taken.1));
            assert_eq!(newest.overtook(&offer("a", then.0, then.1)), late, "{taken:?} {then:?}");
            assert!(!newest.overtook(&offer("b", then.0, then.1)));
        };
        check(("3", late), ("2", early), true);
        check(("2", early), ("3", late), false);
        check(("2", early), ("2", early), false);
        // A clock set back, and versions that are not counted.
        check(("2", late), ("3", early), false);
        check(("x", late), ("y", early), true);
        check(("x", early), ("y", late), false);
        let bare = update(&Bytes::from(r#"{"resourceType":"Patient","id":"a"}"#), None).unwrap();
        let mut newest = Newest::default();
        newest.took(&offer("a", "3", late));
        assert!(!newest.overtook(&bare));
    }

    #[test]
    fn resources_become_updates() {
        let check = |text: &'static str, of_type: Option<&str>, expected: &str| {
            assert_eq!(
                told(update(&Bytes::from(text), of_type.map(|name| (name, W2386)))),
                expected,
                "{text}"
            );
        };
        let patient = r#"{"resourceType":"Patient","id":"p","meta":{"versionId":"3"}}"#;
        check(patient, Some("Patient"), "update:Patient Patient/p/3/");
        check(patient, None, "update:Patient Patient/p/3/");
        check(patient, Some("Observation"), "W2386");
        check(r#"{"resourceType":"Patient","id":"p"}"#, None, "update:Patient -");
        check(r#"{"resourceType":"Patient"}"#, None, "W2326");
        check(r#"{"resourceType":"Patient","id":"../x"}"#, None, "W2326");
        check(r#"{"resourceType":"Nothing","id":"p"}"#, None, "W2720");
        check(r#"{"resourceType":"Patient","id":"p","id":"q"}"#, None, "W2731");
        assert!(told(update(&Bytes::from("<html>"), None)).starts_with("W27"));
        let bundle = r#"{"resourceType":"Bundle","id":"b","type":"transaction"}"#;
        let offer = update(&Bytes::from(bundle), None).unwrap();
        assert_eq!(offer.message_type.as_deref(), Some("update:Bundle"));
        assert!(offer.bytes.len() > bundle.len(), "wrapped");
    }

    #[test]
    fn bundles_of_what_was_deleted_become_deletes() {
        let check = |entries: &str, expected: &[&str]| {
            let text =
                format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#);
            let offers = deletes(&Bytes::from(text)).unwrap();
            let found: Vec<String> = offers.into_iter().map(told).collect();
            assert_eq!(found, expected, "{entries}");
        };
        check("", &[]);
        check(
            r#"{"request":{"method":"DELETE","url":"Patient/a"}},
               {"request":{"method":"DELETE","url":"Observation/b"}}"#,
            &["delete:Patient -", "delete:Observation -"],
        );
        check(
            r#"{"request":{"method":"PUT","url":"Patient/a"},
                "resource":{"resourceType":"Patient","id":"a"}},
               {"request":{"method":"DELETE","url":"Patient?name=x"}}, {}"#,
            &["W2386", "W2386", "W2323"],
        );
        for bad in [r#"{"resourceType":"Patient","id":"p"}"#, r#"{"resourceType":"Bundle"}"#] {
            assert_eq!(deletes(&Bytes::from(bad)).unwrap_err().code(), W2386, "{bad}");
        }
    }
}
