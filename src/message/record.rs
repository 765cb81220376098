//! Records: what the journal keeps. One entry, one commit.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Body, Decision, LaneKey, Peer, Receipt, Revision, State, Trail};
use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};
use crate::fault::{Class, Code, Fault, codes};

/// A patient, by assigning authority and identifier as consents name them.
///
/// Patient data: `Debug` prints `<phi>`. Kept inside encrypted entries only; the index
/// holds a keyed hash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatientKey(Arc<str>);

impl PatientKey {
    /// Makes one from the value at the channel's `patient` path.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.trim().into())
    }

    /// The value, patient data.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

/// A key under which a message is found: its name and a keyed hash of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchKey {
    /// `control`, `patient`, or a name of the channel's `index`.
    pub name: Arc<str>,
    /// First 16 bytes of HMAC-SHA-256 under the store's search key.
    pub hash: [u8; 16],
}

/// A fault as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its code, such as `W7102`.
    pub code: Arc<str>,
    /// Its place, as text.
    pub place: Arc<str>,
    /// Its cause, in our words.
    pub cause: Option<Arc<str>>,
}

impl FaultRecord {
    /// The code, where this version of weir knows it.
    #[must_use]
    pub fn known_code(&self) -> Code {
        Code::find(&self.code).unwrap_or(codes::W9001)
    }

    /// The class of its code.
    #[must_use]
    pub fn class(&self) -> Class {
        self.known_code().row().class
    }
}

impl From<&Fault> for FaultRecord {
    fn from(fault: &Fault) -> Self {
        Self {
            code: fault.code().as_str().into(),
            place: fault.place().to_string().into(),
            cause: fault.cause().map(Into::into),
        }
    }
}

/// One line of the audit log, before it is chained: who did what to which message, and why.
///
/// Holds no patient data. `audit` (layer 4) gives its canonical bytes and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// What was done: a stable snake_case word such as `message_accepted`,
    /// `consent_decided`, `delivery_skipped`.
    pub action: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Who: `weir` for the engine itself, else the person or service.
    pub actor: Arc<str>,
    /// The message.
    pub message: Option<MessageId>,
    /// The channel.
    pub channel: Option<ChannelName>,
    /// The destination.
    pub destination: Option<DestinationName>,
    /// Answer and rule, for decisions: `permit hie-default:14@5f3a..`.
    pub decision: Option<Arc<str>>,
    /// Reason given by a person.
    pub reason: Option<Arc<str>>,
    /// SHA-256 of what it is about: the original bytes of a message, the file of a policy.
    pub digest: Option<[u8; 32]>,
}

/// What was decided for one destination when the message was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// To be sent.
    Deliver(Body),
    /// A condition kept it from this destination; where the condition stands.
    Filtered(Arc<str>),
    /// Consent kept it from this destination.
    Denied(Decision),
    /// Consent holds it back; the body is made anew on release.
    Held(Decision),
    /// It cannot be sent as it is.
    Dead(FaultRecord),
}

impl Fate {
    /// The state in which the ledger starts.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::Deliver(_) => State::Waiting,
            Self::Filtered(_) => State::Filtered,
            Self::Denied(_) => State::Denied,
            Self::Held(_) => State::Held,
            Self::Dead(_) => State::Dead,
        }
    }
}

/// What a message owes one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Where to.
    pub destination: DestinationName,
    /// In which lane.
    pub lane: LaneKey,
    /// The decision.
    pub fate: Fate,
}

/// One message with its story and what it owes: one journal entry, written before the
/// acknowledgment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The id weir gave it.
    pub id: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// When it arrived.
    pub received: Timestamp,
    /// Configuration that handled it.
    pub revision: Revision,
    /// Who sent it.
    pub peer: Peer,
    /// File batch or bundle it was split from.
    pub parent: Option<MessageId>,
    /// Message type: `ADT^A08`, `transaction:Patient`, or empty where none could be read.
    pub message_type: Arc<str>,
    /// HL7 version it declares, such as `2.5.1`.
    pub version: Arc<str>,
    /// The bytes as they came.
    pub original: Body,
    /// SHA-256 of the bytes as they came.
    pub digest: [u8; 32],
    /// Patient it is about.
    pub patient: Option<PatientKey>,
    /// Keys under which it is found.
    pub keys: Vec<SearchKey>,
    /// Keyed hash of sender, control ID and digest, for duplicate detection.
    pub duplicate_key: Option<[u8; 16]>,
    /// Acknowledgment code the sender gets: `AA`, `AE`, `AR`, `CA`, ..; empty when none.
    /// With `ack = "after-delivery"` the one it gets once the message is delivered; another
    /// answer is an audit leaf `message_answered` of its own.
    pub ack: Arc<str>,
    /// Why it was refused, when it was.
    pub fault: Option<FaultRecord>,
    /// What happened in the gates.
    pub trail: Trail,
    /// What it owes, one row a destination of the channel; empty when refused.
    pub owed: Vec<Owed>,
    /// Audit leaves of this message, in order.
    pub leaves: Vec<Leaf>,
}

/// What became of an attempt, or what a person did with a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The peer has it.
    Delivered(Receipt),
    /// It failed and is tried again.
    Retry {
        /// Not before.
        next_try: Timestamp,
        /// Why it failed.
        fault: FaultRecord,
    },
    /// It failed for good.
    Dead(FaultRecord),
    /// Consent, asked again before sending, kept it.
    Denied(Decision),
    /// A person gave it up.
    Skipped,
    /// A person or a consent holds it back.
    Held,
    /// A person or a consent lets it go on.
    Released,
    /// A person sends it again, with this body (none: the body it had).
    Requeued {
        /// The new body, when it was mapped anew.
        body: Option<Body>,
        /// Configuration that made it.
        revision: Revision,
    },
}

impl Outcome {
    /// The state after it.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::Delivered(_) => State::Delivered,
            Self::Retry { .. } | Self::Released | Self::Requeued { .. } => State::Waiting,
            Self::Dead(_) => State::Dead,
            Self::Denied(_) => State::Denied,
            Self::Skipped => State::Skipped,
            Self::Held => State::Held,
        }
    }
}

/// A change of the state of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// Which message.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// The destination.
    pub destination: DestinationName,
    /// When.
    pub at: Timestamp,
    /// Attempts made, this one included.
    pub attempts: u32,
    /// What happened.
    pub outcome: Outcome,
    /// Audit leaves, in order.
    pub leaves: Vec<Leaf>,
}

/// A version of a patient's consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// `Consent.id`.
    pub id: Arc<str>,
    /// Counts from 1.
    pub version: u64,
    /// Whose: every identifier of the patient that it names.
    pub patients: Vec<PatientKey>,
    /// When weir took it.
    pub at: Timestamp,
    /// The resource, FHIR R4 JSON.
    pub resource: Bytes,
    /// Whether it was taken back by deletion.
    pub deleted: bool,
    /// Audit leaves, in order.
    pub leaves: Vec<Leaf>,
}

/// How a version of a record came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RecordMethod {
    /// Created under an id that weir gave.
    Post,
    /// Updated, or created under an id that the sender gave.
    Put,
    /// Patched.
    Patch,
    /// Deleted: the version has no body.
    Delete,
}

/// One version of one resource. Patient data: `Debug` shows type and number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordVersion {
    /// Type of the resource.
    pub kind: Arc<str>,
    /// Its logical id.
    pub id: Arc<str>,
    /// Counts from 1.
    pub number: u64,
    /// How it came to be.
    pub method: RecordMethod,
    /// The resource, FHIR R4 JSON; empty for a deletion.
    pub body: Bytes,
}

impl fmt::Debug for RecordVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/<phi>@{} ({} B)", self.kind, self.number, self.body.len())
    }
}

/// What was answered to one resource of a write. `Debug` leaves the id out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordAnswer {
    /// HTTP status.
    pub status: u16,
    /// Type, id and number of the version that the answer names.
    pub version: Option<(Arc<str>, Arc<str>, u64)>,
    /// Why it was refused, when it was.
    pub fault: Option<FaultRecord>,
}

impl fmt::Debug for RecordAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_ref().map(|(kind, _, number)| (kind, number));
        write!(f, "RecordAnswer({} {version:?} {:?})", self.status, self.fault)
    }
}

/// What one delivery wrote to the record store: one entry, so all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsRecord {
    /// The collection.
    pub collection: Arc<str>,
    /// The message that wrote.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelName,
    /// The destination.
    pub destination: DestinationName,
    /// Keyed hash of the body that was written: the same one of the same message again
    /// writes nothing.
    pub body: [u8; 16],
    /// Configuration that made the body.
    pub revision: Revision,
    /// When: later than every version of the collection before.
    pub at: Timestamp,
    /// The versions, in order.
    pub versions: Vec<RecordVersion>,
    /// What was answered, in order of what came.
    pub answers: Vec<RecordAnswer>,
    /// Audit leaves, in order.
    pub leaves: Vec<Leaf>,
}

/// Something a person or the engine did that is about no single delivery: pause, resume,
/// reload, start, stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// When.
    pub at: Timestamp,
    /// What it sets, by key: `pause adt-main/ehr` = `by kim`. Empty value: unset.
    pub settings: Vec<(Arc<str>, Arc<str>)>,
    /// Audit leaves, in order.
    pub leaves: Vec<Leaf>,
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message was taken or refused.
    Message(Box<MessageRecord>),
    /// A delivery changed its state.
    Outcome(Box<OutcomeRecord>),
    /// A consent came, changed or went.
    Consent(Box<ConsentRecord>),
    /// A person or the engine did something.
    Action(Box<ActionRecord>),
    /// Versions of resources were written.
    Records(Box<RecordsRecord>),
}

impl Entry {
    /// Its audit leaves.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        match self {
            Self::Message(record) => &record.leaves,
            Self::Outcome(record) => &record.leaves,
            Self::Consent(record) => &record.leaves,
            Self::Action(record) => &record.leaves,
            Self::Records(record) => &record.leaves,
        }
    }

    /// Takes its audit leaves out.
    #[must_use]
    pub fn take_leaves(&mut self) -> Vec<Leaf> {
        std::mem::take(match self {
            Self::Message(record) => &mut record.leaves,
            Self::Outcome(record) => &mut record.leaves,
            Self::Consent(record) => &mut record.leaves,
            Self::Action(record) => &mut record.leaves,
            Self::Records(record) => &mut record.leaves,
        })
    }
}
