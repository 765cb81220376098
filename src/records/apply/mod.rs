//! A write: what a body changes, decided by what stands.
//!
//! [`apply`] turns a body into versions and answers and changes nothing itself; whoever keeps
//! versions calls it while nobody else writes and keeps all of what it gives, or nothing.
//! [`say()`] makes the answer to the sender from the answers that are kept, so that the same
//! message hears the same again after a crash.
//!
//! What a body is: a transaction or batch is carried out entry by entry; a message is taken
//! as a transaction of its resources; anything else is one resource, a document or collection
//! among them. A resource by itself is created when the message says so (`create:Patient`),
//! else updated under its own id, else created unless its first identifier is known.

mod after;
mod bundle;
mod one;
mod provenance;
mod say;
mod stage;
mod stamp;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use super::look::Look;
use super::version::{Method, Version};
use crate::base::{ChannelName, MessageId, Timestamp};
use crate::fault::codes::{W7600, W7607, W7608};
use crate::fault::{Fault, Place};
use crate::fhir::rest::{self, Refused};
use crate::fhir::{Doc, tables};

pub use say::{Asked, Told, refusal, say};
pub(in crate::records) use stage::Stage;

/// Gives ids to new resources: each a FHIR id, none twice.
pub type NewId<'a> = &'a mut dyn FnMut() -> String;

/// Where a write comes from: what its versions and their Provenance say.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The message.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// The mapping that made the body.
    pub mapping: Option<Arc<str>>,
    /// The configuration that made the body.
    pub revision: Arc<str>,
    /// Type of the message: `ADT^A01`, `create:Patient`.
    pub message_type: Arc<str>,
    /// When it is written.
    pub at: Timestamp,
    /// Base of the endpoint that the channel is reached by, without a slash at its end:
    /// references below it are ours. Empty where there is none.
    pub base: Arc<str>,
}

/// What was answered to one resource or entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Type, id and number of the version that the answer names.
    pub version: Option<(Arc<str>, Arc<str>, u64)>,
    /// Why it was refused, when it was.
    pub fault: Option<Fault>,
}

impl Answer {
    fn of(status: u16, version: &Version) -> Self {
        let named = (version.kind.clone(), version.id.clone(), version.number);
        Self { status, version: Some(named), fault: None }
    }

    const fn status(status: u16) -> Self {
        Self { status, version: None, fault: None }
    }

    fn refused(refused: Refused) -> Self {
        Self { status: refused.status, version: None, fault: Some(refused.fault) }
    }
}

/// What a write changes.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The new versions in order of writing, the Provenance of them last.
    pub versions: Vec<Version>,
    /// What is answered, in order of what came.
    pub answers: Vec<Answer>,
}

impl Applied {
    /// Why entries of a batch were refused; the others are written.
    #[must_use]
    pub fn refused(&self) -> Option<Fault> {
        refused(self.answers.iter().map(|answer| (answer.status, answer.fault.clone())))
    }
}

/// The fault of a batch in which entries were refused, by status and fault of each answer;
/// none when none was.
pub fn refused(answers: impl Iterator<Item = (u16, Option<Fault>)>) -> Option<Fault> {
    let mut refused = answers.enumerate().filter(|(_, (status, _))| *status >= 400);
    let (index, (status, fault)) = refused.next()?;
    let code = fault.map_or("", |fault| fault.code().as_str());
    let more = refused.count();
    let cause = format!("{status} {code}, and {more} more");
    let place = Place::path(format!("Bundle.entry[{index}]"));
    Some(Fault::new(W7607).at(place).because(cause))
}

/// The form of a body, which is the form of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One resource.
    One,
    /// One resource with a condition, in a transaction of one entry.
    Wrapped,
    /// A transaction, or a message taken as one.
    Transaction,
    /// A batch.
    Batch,
}

impl Form {
    /// The form of a body.
    ///
    /// # Errors
    /// `W7600` (400) when it is no resource, `W7608` (422) for a Bundle that is nothing to
    /// be written: an answer or a search set.
    pub fn of(doc: &Doc, message_type: &str) -> Result<Self, Refused> {
        let kind = doc.resource_type();
        let Some(kind) = kind.filter(|kind| tables::is_resource(kind)) else {
            return Err(Fault::new(W7600).because("it has no resource type of R4").into());
        };
        if kind != "Bundle" {
            return Ok(Self::One);
        }
        if rest::unwrapped(doc.root(), message_type).is_some() {
            return Ok(Self::Wrapped);
        }
        // What a client wants created or updated is a resource, whatever its type says.
        if matches!(message_type, "create:Bundle" | "update:Bundle") {
            return Ok(Self::One);
        }
        let ty = doc.root().get("type").and_then(|ty| ty.string()).unwrap_or_default();
        match &*ty {
            "transaction" | "message" => Ok(Self::Transaction),
            "batch" => Ok(Self::Batch),
            "document" | "collection" => Ok(Self::One),
            _ => {
                let fault = Fault::new(W7608).at(Place::path("Bundle.type"));
                Err(Refused { status: 422, fault, allow: "" })
            }
        }
    }
}

/// Decides what a body changes.
///
/// # Errors
/// With the HTTP status that says so: `W7600` for what is no resource, `W7601` to `W7605`
/// and `W7609` where conditions are not met, `W7610` and `W7611` for conditions that are not
/// understood, `W7608`; those of [`crate::fhir::transaction`] and [`crate::fhir::patch`];
/// those of the store. Nothing is to be kept then. Entries of a batch are refused one by one
/// in the answers.
///
/// Source: FHIR R4 http.html.
pub fn apply(
    body: &Bytes,
    look: &dyn Look,
    origin: &Origin,
    new_id: NewId<'_>,
) -> Result<Applied, Refused> {
    let doc = Doc::parse_json(body.clone())?;
    let mut stage = Stage::new(look, origin, new_id);
    let answers = match Form::of(&doc, &origin.message_type)? {
        Form::One => vec![one::write(&mut stage, &doc)?],
        Form::Wrapped => bundle::write(&mut stage, &doc).map_err(|refused| alone(refused, &doc))?,
        Form::Transaction | Form::Batch => bundle::write(&mut stage, &bundle::readable(&doc)?)?,
    };
    provenance::add(&mut stage)?;
    Ok(Applied { versions: stage.versions, answers })
}

/// A refusal of one resource whose sender knows of no Bundle around it: its place is in the
/// resource.
fn alone(refused: Refused, bundle: &Doc) -> Refused {
    const AROUND: &str = "Bundle.entry[0]";
    let fault = refused.fault;
    let inner = fault.place().path.as_deref().and_then(|path| path.strip_prefix(AROUND));
    let Some(inner) = inner else { return Refused { fault, ..refused } };
    let entry = rest::entries(bundle.root()).next();
    let asks = entry.and_then(|entry| entry.asks.ok());
    let kind = asks.as_ref().and_then(rest::Interaction::kind).unwrap_or("Resource");
    let place = match inner.strip_prefix(".resource") {
        Some(inside) => format!("{kind}{inside}"),
        None => kind.to_owned(),
    };
    Refused { fault: fault.seen_at(place), ..refused }
}
