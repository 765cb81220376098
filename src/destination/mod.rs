//! Destinations: the ways out. One file a kind; each sends one delivery and waits for the
//! peer's proof.
//!
//! A destination is owned by one lane worker of the courier, which owns retry, time-out
//! and rate. Nothing here spawns or tries twice. Dropping the future of a `deliver` leaves
//! the destination usable: the connection in use is dropped with it. It knows no store.

mod fhir;
mod file;
mod mllp;
#[cfg(test)]
mod plan_tests;
mod records;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::fault::{
    Fault, Problems,
    codes::{W1011, W1040},
};
use crate::hl7v2::Recode;
use crate::hl7v2::escape::Unfit;
use crate::message::{Delivery, Receipt, Said};
use crate::ports::Ports;
use crate::ports::tls::TlsClientPlan;
use crate::settings::{Key, KeyRow, KindRow, Table, Word, nearest};

pub use fhir::{Auth, BatchPlan, FhirPlan, Format, OnConflict, Shared};
pub use file::{FilePlan, NamePattern};
pub use mllp::MllpPlan;
pub use records::{COLLECTION, RecordKeeper, RecordsPlan};

/// What `[destination.X]` says of its own kind, checked; keys of every kind (retry, rate,
/// consent) are read by their owners. Equal plans need no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationPlan {
    /// HL7 v2 over MLLP.
    Mllp(MllpPlan),
    /// A FHIR server.
    Fhir(FhirPlan),
    /// Files in a directory.
    File(FilePlan),
    /// weir's own record store.
    Records(RecordsPlan),
}

/// A plan for an MLLP peer at `host:port`, with TLS or in clear, with this time-out.
#[must_use]
pub fn mllp_to(
    connect: Arc<str>,
    tls: Option<TlsClientPlan>,
    ack_timeout: Duration,
) -> DestinationPlan {
    DestinationPlan::Mllp(MllpPlan {
        connect,
        tls,
        ack_timeout: Some(ack_timeout),
        await_application: false,
        commit_bytes: false,
        recode: None,
        sequence: false,
    })
}

/// One kind of destination, as help, schema and tests know it.
pub struct Kind {
    /// Its `type`, its sentence and its keys besides those of every destination.
    pub row: KindRow,
    /// Reads its own keys.
    pub read: fn(&mut Table<'_>) -> Option<DestinationPlan>,
}

/// Every kind of destination.
pub const KINDS: &[Kind] = &[
    Kind { row: mllp::ROW, read: |t| mllp::read(t).map(DestinationPlan::Mllp) },
    Kind { row: fhir::ROW, read: |t| fhir::read(t).map(DestinationPlan::Fhir) },
    Kind { row: file::ROW, read: |t| file::read(t).map(DestinationPlan::File) },
    Kind { row: records::ROW, read: |t| records::read(t).map(DestinationPlan::Records) },
];

/// The rows of [`KINDS`], for schema and reference.
pub const KIND_ROWS: &[KindRow] = &{
    let mut rows = [KINDS[0].row; KINDS.len()];
    let mut at = 0;
    while at < KINDS.len() {
        rows[at] = KINDS[at].row;
        at += 1;
    }
    rows
};

const CHARSET: Key<Arc<str>> = Key::new(
    "charset",
    "a name such as `UNICODE UTF-8` or `8859/1`",
    "Character set in which HL7 v2 messages leave, named in MSH-18.",
)
.default("that of each message");
const UNFIT: Key<Unfit> = Key::new(
    "unfit",
    "`refuse` or `hex`",
    "What becomes of a message with a character that `charset` lacks: a dead letter, or the \
     character as `\\X..\\` with its bytes in UTF-8, by agreement with the receiver.",
)
.default("refuse");

impl Word for Unfit {
    const WORDS: &'static [(&'static str, Self)] = &[("refuse", Self::Refuse), ("hex", Self::Hex)];
}

/// Reads the character set in which HL7 v2 messages leave.
fn recode(table: &mut Table<'_>) -> Option<Recode> {
    let charset = table.spanned(&CHARSET);
    let unfit = table.or(&UNFIT, Unfit::Refuse);
    let Some(charset) = charset else {
        if let Some(span) = table.key_span(UNFIT.name) {
            let cause = "messages leave in their own character set without `charset`";
            table.error(Fault::new(W1011).because(cause), &span);
        }
        return None;
    };
    let recode = Recode::new(&charset.value, unfit);
    if recode.is_none() {
        let cause = "no character set of this name is known, or it cannot be written";
        table.error(Fault::new(W1011).because(cause), &charset.span);
    }
    recode
}

const TYPE: Key<Arc<str>> =
    Key::new("type", "the name of a kind of destination", "Kind of destination.");

/// Row of the key `type`.
pub const TYPE_ROW: KeyRow = TYPE.required().row();

/// Why a delivery failed.
///
/// The fault's class drives the courier: transient is tried again, permanent is a dead
/// letter (or blocks, by `on_reject`), operator stops the lane and alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// What went wrong.
    pub fault: Fault,
    /// The peer asks not to be tried before this has passed.
    pub retry_after: Option<Duration>,
    /// What the peer said, where a sender that waits may hear it.
    pub said: Option<Box<Said>>,
}

impl From<Fault> for DeliveryError {
    fn from(fault: Fault) -> Self {
        Self { fault, retry_after: None, said: None }
    }
}

/// The peer has a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its proof, for the journal.
    pub receipt: Receipt,
    /// What it said, where a sender that waits may hear it.
    pub said: Option<Box<Said>>,
}

impl From<Receipt> for Delivered {
    fn from(receipt: Receipt) -> Self {
        Self { receipt, said: None }
    }
}

/// What a destination is going to be sent, as far as settings tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Interactions of R4 with the whole server: `transaction`, `batch`.
    pub system: Vec<&'static str>,
    /// Interactions of R4 with types: `create`, `Patient`.
    pub types: Vec<(&'static str, Arc<str>)>,
}

/// A way out to one peer.
#[async_trait]
pub trait Destination: Send {
    /// Connects, or returns at once when connected. Never spawns. The caller bounds the time.
    async fn open(&mut self, ports: &Ports) -> Result<(), DeliveryError>;

    /// Sends one delivery and waits for the peer's answer; opens first where needed. The
    /// caller owns retry and time-out. A second call with the same message is harmless
    /// where the peer's protocol allows it (same control ID, same file name).
    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, DeliveryError>;

    /// Looks whether the peer is there and takes what is going to be sent, without sending
    /// any of it; by a connection alone where there is nothing to ask. The caller bounds the
    /// time.
    async fn probe(&mut self, ports: &Ports, _outlook: &Outlook) -> Problems {
        let mut problems = Problems::new();
        if let Err(error) = self.open(ports).await {
            problems.error(error.fault);
        }
        problems
    }

    /// Lets go of the connection at a message boundary.
    async fn close(&mut self) {}
}

impl DestinationPlan {
    /// Its `type`.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::Mllp(_) => "mllp",
            Self::Fhir(_) => "fhir",
            Self::File(_) => "file",
            Self::Records(_) => "records",
        }
    }

    /// Where it sends to, for tables and events: an address, never a secret.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Mllp(plan) => plan.connect.to_string(),
            Self::Fhir(plan) => plan.url.to_string(),
            Self::File(plan) => plan.dir.display().to_string(),
            Self::Records(plan) => plan.collection.to_string(),
        }
    }

    /// The longest time the kind itself waits for an answer; the courier's time-out must
    /// not be shorter. `None`: the courier's time-out alone holds.
    #[must_use]
    pub const fn answer_timeout(&self) -> Option<Duration> {
        match self {
            Self::Mllp(plan) => plan.ack_timeout,
            Self::Fhir(plan) => match &plan.batch {
                // Before anything is asked.
                Some(batch) => Some(batch.wait),
                None => None,
            },
            Self::File(_) | Self::Records(_) => None,
        }
    }

    /// How many messages it sends together at most, one of each lane; `None`: it does not.
    #[must_use]
    pub const fn batch_max(&self) -> Option<u32> {
        match self {
            Self::Fhir(plan) => match &plan.batch {
                Some(batch) => Some(batch.max),
                None => None,
            },
            Self::Mllp(_) | Self::File(_) | Self::Records(_) => None,
        }
    }

    /// The character set in which HL7 v2 messages leave; `None`: their own.
    #[must_use]
    pub const fn recode(&self) -> Option<&Recode> {
        match self {
            Self::Mllp(plan) => plan.recode.as_ref(),
            Self::File(plan) => plan.recode.as_ref(),
            Self::Fhir(_) | Self::Records(_) => None,
        }
    }

    /// Makes a destination for one lane worker. Connects nothing.
    #[must_use]
    pub fn build(&self, ports: &Ports) -> Box<dyn Destination> {
        self.build_with(ports, None)
    }

    /// As [`DestinationPlan::build`], with what keeps records for those that write there.
    #[must_use]
    pub fn build_with(
        &self,
        ports: &Ports,
        keeper: Option<Arc<dyn RecordKeeper>>,
    ) -> Box<dyn Destination> {
        match self {
            Self::Mllp(plan) => mllp::build(plan, ports),
            Self::Fhir(plan) => fhir::build(plan, ports),
            Self::File(plan) => file::build(plan, ports),
            Self::Records(plan) => records::build(plan, keeper),
        }
    }
}

/// Reads the keys of a `[destination.X]` that belong to its kind (`type` included);
/// problems are noted in the table, which the caller finishes.
#[must_use]
pub fn read(table: &mut Table<'_>) -> Option<DestinationPlan> {
    let wanted = table.required_spanned(&TYPE)?;
    if let Some(kind) = KINDS.iter().find(|kind| *kind.row.name == *wanted.value) {
        return (kind.read)(table);
    }
    let names = || KINDS.iter().map(|kind| kind.row.name);
    let known = names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let fault = Fault::new(W1040).because(format!("destinations are {known}"));
    let fault = match nearest(&wanted.value, names()) {
        Some(near) => fault.remedy(format!("did you mean `{near}`?")),
        None => fault,
    };
    table.error(fault, &wanted.span);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};
    use crate::message::{Body, ContentKind, LaneKey, Revision};

    /// A delivery of some bytes.
    pub(super) fn delivery(bytes: &str, kind: ContentKind) -> Delivery {
        let received = Timestamp::from_millis(1_767_323_045_678);
        Delivery {
            message: MessageId::new(received, 7),
            channel: ChannelName::parse("adt-main").unwrap(),
            destination: DestinationName::parse("ehr").unwrap(),
            lane: LaneKey(0),
            position: 1,
            attempts: 0,
            received,
            next_try: received,
            replay: false,
            revision: Revision("r1".into()),
            body: Body { kind, bytes: bytes::Bytes::copy_from_slice(bytes.as_bytes()) },
            original: Body { kind, bytes: bytes::Bytes::copy_from_slice(bytes.as_bytes()) },
            message_type: "ADT^A08".into(),
        }
    }
}
