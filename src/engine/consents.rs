//! Consents that come, change and go while the engine runs.
//!
//! A consent is in the journal before anyone hears that it was taken; from then on it
//! decides about every message that comes and every delivery that leaves, and it releases
//! what was held for want of it.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::actions::Actor;
use super::running::Engine;
use crate::audit;
use crate::consent::Directive;
use crate::fault::Fault;
use crate::fault::codes::{W6911, W8901, W8903};
use crate::fhir::Doc;
use crate::filter::{Field, Filter, Term};
use crate::message::{ConsentRecord, Entry, PatientKey};
use crate::observe::happened;

/// A consent as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsent {
    /// `Consent.id`.
    pub id: Arc<str>,
    /// Version, from 1.
    pub version: u64,
    /// Whether it is new.
    pub created: bool,
    /// Held deliveries that it let go.
    pub released: u64,
}

/// Longest id of a consent. Source: FHIR R4 datatypes.html#id.
const ID_BYTES_MAX: usize = 64;

impl Engine {
    /// Takes a FHIR R4 Consent, under `id` where given, else under its own id, else under
    /// a new one. Durable when it returns.
    ///
    /// # Errors
    /// The fault of the parser or the compiler of consents (nothing is stored then), or
    /// the store's.
    pub async fn put_consent(
        &self,
        resource: Bytes,
        id: Option<&str>,
        by: &Actor,
    ) -> Result<StoredConsent, Fault> {
        let core = &self.0.core;
        let doc = Doc::parse_json(resource.clone())?;
        let own = doc.root().get("id").and_then(|node| node.text().map(|t| t.into_owned()));
        let id: Arc<str> = match id.map(str::to_owned).or(own) {
            Some(id) if is_id(&id) => id.into(),
            Some(_) => return Err(Fault::new(W8903).because("the id is not a FHIR id")),
            None => core.new_id(core.now()).to_string().into(),
        };
        let before = core.store.consent(&id)?;
        let version = before.as_ref().map_or(1, |record| record.version + 1);
        let (_, patients) = Directive::compile(&doc, &id, version)?;
        let shares = |record: &&ConsentRecord| {
            record.patients.iter().any(|patient| patients.contains(patient))
        };
        if before.as_ref().is_some_and(|record| !record.deleted && !shares(&record)) {
            let cause = "a consent of another patient has this id";
            return Err(Fault::new(W8903).because(cause));
        }
        let now = core.now();
        let digest = Sha256::digest(&resource).into();
        let leaf = audit::consent_stored(now, &by.name, (&id, version), digest);
        let record = ConsentRecord {
            id: id.clone(),
            version,
            patients: patients.clone(),
            at: now,
            resource,
            deleted: false,
            leaves: vec![leaf],
        };
        let audited = super::vitals::actions(&record.leaves);
        core.store.commit(Entry::Consent(Box::new(record))).await?;
        core.audited.count(&audited);
        core.book.forget(&patients);
        let created = before.as_ref().is_none_or(|record| record.deleted);
        if let Some(before) = &before {
            core.book.forget(&before.patients);
        }
        core.observer.emit(core.event(&happened::CONSENT_STORED));
        let released = self.release_for(&patients).await;
        Ok(StoredConsent { id, version, created, released })
    }

    /// Takes a FHIR R4 Consent as a new one, under an id of its own: one that stands in the
    /// resource is another server's name for it, and may be that of another consent here.
    /// Gives what was stored, which has its id.
    ///
    /// # Errors
    /// As [`Engine::put_consent`].
    ///
    /// Source: FHIR R4 http.html#create.
    pub async fn create_consent(
        &self,
        resource: Bytes,
        by: &Actor,
    ) -> Result<(StoredConsent, Bytes), Fault> {
        let core = &self.0.core;
        let id = core.new_id(core.now()).to_string();
        let resource = with_id(Doc::parse_json(resource)?, &id)?;
        Ok((self.put_consent(resource.clone(), Some(&id), by).await?, resource))
    }

    /// Takes a FHIR R4 Consent under an id, as the next version of the one that has it.
    /// Gives what was stored.
    ///
    /// # Errors
    /// `W8903` when the resource has another id, else as [`Engine::put_consent`].
    ///
    /// Source: FHIR R4 http.html#update.
    pub async fn update_consent(
        &self,
        resource: Bytes,
        id: &str,
        by: &Actor,
    ) -> Result<(StoredConsent, Bytes), Fault> {
        let doc = Doc::parse_json(resource)?;
        let own = doc.root().get("id").and_then(|node| node.string().map(|t| t.into_owned()));
        if own.is_some_and(|own| own != id) {
            return Err(Fault::new(W8903).because("the resource has another id than the address"));
        }
        let resource = with_id(doc, id)?;
        Ok((self.put_consent(resource.clone(), Some(id), by).await?, resource))
    }

    /// A consent, for a person who says why. The look is in the audit log before it is
    /// given.
    ///
    /// # Errors
    /// `W8901` without a reason, or the store's fault.
    pub async fn read_consent(&self, id: &str, by: &Actor) -> Result<Option<ConsentRecord>, Fault> {
        if by.reason.trim().is_empty() {
            return Err(Fault::new(W8901).because("a look at a consent is explained"));
        }
        let core = &self.0.core;
        let Some(record) = core.store.consent(id)? else { return Ok(None) };
        let mut leaf = audit::action_done(audit::Action::MessageRevealed, core.now(), &by.name);
        leaf.reason = Some(by.reason.clone());
        leaf.decision = Some(format!("Consent/{}@{}", record.id, record.version).into());
        core.act(Vec::new(), vec![leaf]).await?;
        Ok(Some(record))
    }

    /// The consents of a patient that are in force. The look is in the audit log before
    /// they are given.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn consents_of(
        &self,
        patient: &PatientKey,
        by: &Actor,
    ) -> Result<Vec<ConsentRecord>, Fault> {
        let core = &self.0.core;
        let mut leaf = audit::action_done(audit::Action::MessageRevealed, core.now(), &by.name);
        leaf.reason = Some(by.reason.clone());
        leaf.decision = Some("consents of a patient".into());
        core.act(Vec::new(), vec![leaf]).await?;
        core.store.consents(patient)
    }

    /// Deletes a consent: it decides about nothing any more, its versions stay in the
    /// journal.
    ///
    /// # Errors
    /// `W6911` when there is none, or the store's fault.
    pub async fn delete_consent(&self, id: &str, by: &Actor) -> Result<(), Fault> {
        let core = &self.0.core;
        let before = core.store.consent(id)?.filter(|record| !record.deleted);
        let Some(before) = before else { return Err(Fault::new(W6911)) };
        let now = core.now();
        let version = before.version + 1;
        let record = ConsentRecord {
            version,
            at: now,
            deleted: true,
            leaves: vec![audit::consent_deleted(now, &by.name, (id, version))],
            ..before
        };
        let patients = record.patients.clone();
        let audited = super::vitals::actions(&record.leaves);
        core.store.commit(Entry::Consent(Box::new(record))).await?;
        core.audited.count(&audited);
        core.book.forget(&patients);
        core.observer.emit(core.event(&happened::CONSENT_DELETED));
        Ok(())
    }

    /// Reads the Consent files of the configuration; those that changed become new
    /// versions. A file that cannot be taken is reported and leaves the rest.
    pub(crate) async fn load_consent_files(&self) {
        let core = &self.0.core;
        for path in self.plan().server.consent.directives.clone() {
            if let Err(fault) = self.load_consent_file(&path).await {
                let event = core.event(&happened::CONFIG_REFUSED).fault(&fault);
                core.observer.emit(event);
            }
        }
    }

    async fn load_consent_file(&self, path: &std::path::Path) -> Result<(), Fault> {
        let core = &self.0.core;
        let read = || -> std::io::Result<Vec<u8>> {
            let file = core.ports.files.open(path, false)?;
            let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
            file.read_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        let place = crate::fault::Place::file(path.display().to_string());
        let bytes = read().map_err(|e| Fault::new(W8903).at(place.clone()).caused_by(e))?;
        let resource = Bytes::from(bytes);
        let doc = Doc::parse_json(resource.clone()).map_err(|fault| fault.at(place.clone()))?;
        let own = doc.root().get("id").and_then(|node| node.text().map(|t| t.into_owned()));
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let Some(id) = own.or(stem) else { return Ok(()) };
        // Only a file that changed is taken: what came over the API since then stays.
        let key: Arc<str> = format!("consent-file {}", path.display()).into();
        let digest: Arc<str> = format!("{:x}", Sha256::digest(&resource)).into();
        if core.store.setting(&key)?.as_ref() == Some(&digest) {
            return Ok(());
        }
        let by = Actor::new("weir", "file of the configuration");
        self.put_consent(resource, Some(&id), &by).await.map_err(|f| f.at(place))?;
        core.act(vec![(key, digest)], Vec::new()).await
    }

    /// Lets go what was held for these patients and may leave now. How many.
    async fn release_for(&self, patients: &[PatientKey]) -> u64 {
        let mut released = 0;
        for patient in patients {
            let term =
                |field, value: &str| Term { negated: false, field, any: vec![value.to_owned()] };
            let filter = Filter {
                terms: vec![term(Field::State, "held"), term(Field::Patient, patient.reveal())],
            };
            let by = Actor::new("weir", "a consent came");
            if let Ok(done) = self.queue_act(super::QueueAction::Release, &filter, &by).await {
                released += done.done;
            }
        }
        released
    }
}

/// The resource with an id.
fn with_id(mut doc: Doc, id: &str) -> Result<Bytes, Fault> {
    let own = doc.root().get("id").map(|node| node.id());
    match own {
        Some(own) => doc.set_string(own, id)?,
        None => {
            let root = doc.root().id();
            doc.insert_member(root, "id", &serde_json::Value::from(id).to_string())?;
        }
    }
    Ok(doc.to_json())
}

/// Whether a text is a FHIR id. Source: FHIR R4 datatypes.html#id.
fn is_id(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_replaces_the_one_there_was() {
        let check = |json: &'static str, expected: &str| {
            let doc = Doc::parse_json(Bytes::from_static(json.as_bytes())).unwrap();
            assert_eq!(with_id(doc, "n").unwrap(), expected.as_bytes(), "{json}");
        };
        check(r#"{"resourceType":"Consent","id":"x"}"#, r#"{"resourceType":"Consent","id":"n"}"#);
        check(r#"{"resourceType":"Consent"}"#, r#"{"resourceType":"Consent","id":"n"}"#);
        check(r#"{"id":{"a":1},"b":2}"#, r#"{"id":"n","b":2}"#);
    }

    #[test]
    fn ids_are_fhir_ids() {
        for good in ["a", "01JD8Z4M7QF8B6R3S0K2T4V6WX", "a.b-c"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
