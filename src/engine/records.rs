//! The record store as destinations of type `records` and sources of type `fhir` have it.

use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::actions::Actor;
use super::channel::Channel;
use super::core::Core;
use crate::audit::{self, Subject};
use crate::base::DestinationName;
use crate::destination::{Delivered, DeliveryError, RecordKeeper};
use crate::fault::codes::W8901;
use crate::fault::{Class, Fault, Place};
use crate::fhir::rest::{Refused, http_date};
use crate::message::{
    Delivery, FaultRecord, Receipt, RecordAnswer, RecordMethod, RecordVersion, RecordsRecord, Said,
};
use crate::observe::meter;
use crate::records::{self, Answer, Applied, Look as _, Method, Origin, Told, Version};
use crate::source::SourceKind;
use crate::store::{self, RecordWrite};

/// What keeps the records of one destination.
pub(crate) struct Keeper {
    pub(crate) channel: Arc<Channel>,
    pub(crate) destination: DestinationName,
}

/// Ids of new resources: the same for the same body of the same message.
struct Ids<'a> {
    core: &'a Core,
    seed: Vec<u8>,
    count: u64,
}

impl Ids<'_> {
    fn next(&mut self) -> String {
        self.count += 1;
        let value = [self.seed.as_slice(), &self.count.to_be_bytes()].concat();
        let bytes = self.core.store.keyed_hash("record id", &value);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }
}

#[async_trait]
impl RecordKeeper for Keeper {
    async fn keep(
        &self,
        collection: &str,
        delivery: &Delivery,
    ) -> Result<Delivered, DeliveryError> {
        let core = &self.channel.core;
        let body = &delivery.body.bytes;
        let digest: [u8; 32] = Sha256::digest(body).into();
        let write = RecordWrite {
            collection: collection.into(),
            message: delivery.message,
            channel: delivery.channel.clone(),
            destination: self.destination.clone(),
            revision: delivery.revision.clone(),
            body: core.store.keyed_hash("record body", &digest),
            bytes: body.len(),
            now: core.now(),
        };
        let seed = [&delivery.message.to_bytes()[..], &write.body].concat();
        let mut refused = None;
        let begin = core.ports.clock.monotonic();
        let wrote = core
            .store
            .write_records(&write, |look, record| {
                let mut ids = Ids { core, seed, count: 0 };
                let origin = self.origin(delivery, record);
                match records::apply(body, look, &origin, &mut || ids.next()) {
                    Ok(applied) => {
                        fill(record, applied, digest);
                        Ok(())
                    }
                    Err(refusal) => {
                        refused = Some(refusal.clone());
                        Err(refusal.fault)
                    }
                }
            })
            .await;
        let took = core.ports.clock.monotonic().saturating_sub(begin);
        let result = match (&wrote, &refused) {
            (Ok(wrote), _) if wrote.again => "again",
            (Ok(_), _) => "written",
            (Err(_), Some(refused)) if refused.fault.class() == Class::Permanent => "refused",
            (Err(_), _) => "failed",
        };
        core.registry.counter(&meter::RECORDS_WRITES, &[collection, result]).increment();
        core.registry.histogram(&meter::RECORDS_WRITE_DURATION, &[collection]).observe(took);
        let wrote = match (wrote, refused) {
            (Ok(wrote), _) => wrote,
            (Err(_), Some(refused)) => return Err(no(&refused)),
            (Err(fault), None) => return Err(fault.into()),
        };
        if !wrote.again {
            core.audited.count(&super::vitals::actions(&wrote.record.leaves));
        }
        let answers: Vec<Answer> = wrote.record.answers.iter().map(answer).collect();
        let look = core.store.collection(collection);
        let base = self.base();
        let (message_type, now) = (&*delivery.message_type, core.now());
        let asked = records::Asked { message_type, base: &base, now };
        let told = store::aside(|| records::say(body, &asked, &answers, &look));
        // It is written; an answer that cannot be made is no reason to write it again.
        let said = told.map_or_else(|_| Said::status(200), |told| said(&told));
        let faults = answers.iter().map(|answer| (answer.status, answer.fault.clone()));
        if let Some(fault) = records::refused(faults) {
            return Err(DeliveryError { fault, retry_after: None, said: Some(Box::new(said)) });
        }
        let receipt = Receipt::Http { status: said.status, locations: locations(&wrote.record) };
        Ok(Delivered { receipt, said: Some(Box::new(said)) })
    }
}

impl Keeper {
    fn origin(&self, delivery: &Delivery, record: &RecordsRecord) -> Origin {
        let live = self.channel.live();
        let rules = live.plan.rules.destination(&self.destination);
        let mapping = rules.and_then(|rules| rules.mapping.as_ref()).map(|m| m.file().into());
        Origin {
            message: delivery.message,
            channel: delivery.channel.clone(),
            mapping,
            revision: delivery.revision.0.clone(),
            message_type: delivery.message_type.clone(),
            at: record.at,
            base: self.base(),
        }
    }

    /// The base that the channel's own endpoint is known by, where its settings say so.
    fn base(&self) -> Arc<str> {
        match &self.channel.live().plan.source.kind {
            SourceKind::Fhir(plan) => match &plan.public_url {
                Some(url) => url.to_string().trim_end_matches('/').into(),
                None => Arc::default(),
            },
            SourceKind::Mllp(_)
            | SourceKind::File(_)
            | SourceKind::FhirBulk(_)
            | SourceKind::FhirSubscription(_) => Arc::default(),
        }
    }
}

/// A refusal: what is wrong with the message is for its sender to hear, what is wrong here
/// is tried again.
fn no(refused: &Refused) -> DeliveryError {
    let said = (refused.fault.class() == Class::Permanent)
        .then(|| Box::new(said(&records::refusal(refused))));
    DeliveryError { fault: refused.fault.clone(), retry_after: None, said }
}

fn fill(record: &mut RecordsRecord, applied: Applied, digest: [u8; 32]) {
    let version = |version: Version| RecordVersion {
        kind: version.kind,
        id: version.id,
        number: version.number,
        method: match version.method {
            Method::Post => RecordMethod::Post,
            Method::Put => RecordMethod::Put,
            Method::Patch => RecordMethod::Patch,
            Method::Delete => RecordMethod::Delete,
        },
        body: version.body,
    };
    let answer = |answer: Answer| RecordAnswer {
        status: answer.status,
        version: answer.version,
        fault: answer.fault.as_ref().map(FaultRecord::from),
    };
    record.answers = applied.answers.into_iter().map(answer).collect();
    record.versions = applied.versions.into_iter().map(version).collect();
    if !record.versions.is_empty() {
        let subject = Subject::delivery(record.message, &record.channel, &record.destination);
        let count = record.versions.len();
        let leaf = audit::records_written(record.at, subject, (&record.collection, count), digest);
        record.leaves.push(leaf);
    }
}

fn answer(kept: &RecordAnswer) -> Answer {
    let fault = kept.fault.as_ref().map(|kept| {
        let fault = Fault::new(kept.known_code());
        let fault = match kept.cause.as_ref() {
            Some(cause) => fault.because(cause.to_string()),
            None => fault,
        };
        if kept.place.is_empty() { fault } else { fault.at(Place::path(kept.place.to_string())) }
    });
    Answer { status: kept.status, version: kept.version.clone(), fault }
}

fn said(told: &Told) -> Said {
    Said {
        status: told.status,
        location: told.location.as_deref().map(Into::into),
        etag: told.etag.as_deref().map(Into::into),
        last_modified: told.last_modified.map(|at| http_date(at).into()),
        body: told.body.clone(),
        bundled: told.bundled,
    }
}

fn locations(record: &RecordsRecord) -> Vec<Arc<str>> {
    let named = record.answers.iter().filter_map(|answer| answer.version.as_ref());
    let shown = named.map(|(kind, id, number)| format!("{kind}/{id}/_history/{number}").into());
    shown.take(Receipt::LOCATIONS_MAX).collect()
}

impl super::Engine {
    /// A collection of the record store, to read from: what is durable.
    #[must_use]
    pub fn records(&self, collection: &str) -> crate::store::Collection {
        self.0.core.store.collection(collection)
    }

    /// What the record store holds, by collection and type.
    ///
    /// # Errors
    /// The store's.
    pub fn shelves(&self) -> Result<Vec<crate::store::Shelf>, Fault> {
        self.0.core.store.shelves()
    }

    /// A version of a resource, the latest where none is named, for a person who says why.
    /// The look is in the audit log before it is given.
    ///
    /// # Errors
    /// `W8901` without a reason, or the store's fault.
    pub async fn reveal_record(
        &self,
        collection: &str,
        (kind, id): (&str, &str),
        version: Option<u64>,
        by: &Actor,
    ) -> Result<Option<Version>, Fault> {
        if by.reason.trim().is_empty() {
            return Err(Fault::new(W8901).because("a look at a resource is explained"));
        }
        let core = &self.0.core;
        let all = core.store.collection(collection);
        let found = match version {
            Some(number) => all.version(kind, id, number)?,
            None => all.latest(kind, id)?,
        };
        let Some(version) = found else { return Ok(None) };
        let mut leaf = audit::action_done(audit::Action::MessageRevealed, core.now(), &by.name);
        leaf.reason = Some(by.reason.clone());
        leaf.decision = Some(format!("{} of {collection}", version.address()).into());
        core.act(Vec::new(), vec![leaf]).await?;
        Ok(Some(version))
    }
}
