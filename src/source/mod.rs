//! Sources: the ways in. One file a kind; each turns what a peer sends into [`Arrival`]s,
//! hands them to the [`Intake`] and writes back what it answers.
//!
//! A source owns sockets, framing, time-outs, limits and the order of answers. It parses no
//! message, decides nothing and writes no answer of its own: the intake does. It knows no
//! store. The invariant it keeps: bytes that became a frame are handed over exactly once, in
//! the order in which they came, and no answer leaves before the intake gave it.

mod common;
mod fhir;
mod file;
mod flight;
mod intake;
mod listener;
mod mllp;
#[cfg(test)]
mod plan_tests;
mod pull;
#[cfg(test)]
mod testing;

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::channel::Encoding;
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1040};
use crate::ports::Ports;
use crate::settings::{Key, KeyRow, KindRow, Table, nearest};

pub use common::{Charset, Common, KEYS};
pub use fhir::auth;
pub use fhir::{FhirPlan, ReplyWhen};
pub use file::{FilePlan, Ready, Split, Then};
pub use intake::{
    Answer, Arrival, Back, Closed, Command, Heard, Intake, Origin, Serving, Silent, SourceEvent,
    SourceEvents, Stand, Standing, Taken,
};
pub use mllp::{AckWhen, AppAck, MllpPlan, Sequence};
pub use pull::{BulkPlan, Export, SubscriptionPlan};

/// What a channel's `[source]` says, checked. Equal plans need no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlan {
    /// The keys every kind has.
    pub common: Common,
    /// The keys of its kind.
    pub kind: SourceKind,
}

/// The settings of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// HL7 v2 over MLLP.
    Mllp(MllpPlan),
    /// FHIR over HTTP.
    Fhir(FhirPlan),
    /// Files dropped into a directory.
    File(FilePlan),
    /// Exports of a FHIR server, pulled.
    FhirBulk(BulkPlan),
    /// What a FHIR server notifies of.
    FhirSubscription(SubscriptionPlan),
}

/// One kind of source, as help, schema and tests know it.
pub struct Kind {
    /// Its `type`, its sentence and its keys besides [`KEYS`].
    pub row: KindRow,
    /// Whether it listens on an address, so that `allow` and `tls` mean something.
    pub listens: bool,
    /// Reads its own keys.
    pub read: fn(&mut Table<'_>, &Common) -> Option<SourceKind>,
}

/// Every kind of source.
pub const KINDS: &[Kind] = &[
    Kind { row: mllp::ROW, listens: true, read: |t, _| mllp::read(t).map(SourceKind::Mllp) },
    Kind {
        row: fhir::ROW,
        listens: true,
        read: |t, common| fhir::read(t, common).map(SourceKind::Fhir),
    },
    Kind { row: file::ROW, listens: false, read: |t, _| file::read(t).map(SourceKind::File) },
    Kind {
        row: pull::BULK_ROW,
        listens: false,
        read: |t, _| pull::read_bulk(t).map(SourceKind::FhirBulk),
    },
    Kind {
        row: pull::SUBSCRIPTION_ROW,
        listens: true,
        read: |t, common| pull::read_subscription(t, common).map(SourceKind::FhirSubscription),
    },
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

const TYPE: Key<Arc<str>> = Key::new("type", "the name of a kind of source", "Kind of source.");

/// Row of the key `type`.
pub const TYPE_ROW: KeyRow = TYPE.required().row();

impl SourcePlan {
    /// A plain MLLP listener with defaults in everything but the address.
    #[must_use]
    pub fn mllp(listen: SocketAddr) -> Self {
        Self { common: Common::default(), kind: SourceKind::Mllp(MllpPlan::new(listen)) }
    }

    /// Its `type`.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self.kind {
            SourceKind::Mllp(_) => "mllp",
            SourceKind::Fhir(_) => "fhir",
            SourceKind::File(_) => "file",
            SourceKind::FhirBulk(_) => "fhir-bulk",
            SourceKind::FhirSubscription(_) => "fhir-subscription",
        }
    }

    /// The address it listens on, where it listens.
    #[must_use]
    pub const fn listen(&self) -> Option<SocketAddr> {
        match &self.kind {
            SourceKind::Mllp(plan) => Some(plan.listen),
            SourceKind::Fhir(plan) => Some(plan.listen),
            SourceKind::FhirSubscription(plan) => Some(plan.listen),
            SourceKind::File(_) | SourceKind::FhirBulk(_) => None,
        }
    }

    /// Takes hold of what it needs: binds the address, reads certificates, finds the
    /// directory. Spawns nothing; no connection is taken before [`Bound::serve`].
    ///
    /// # Errors
    /// `W23xx` when the address cannot be bound or the directory is not there, `W75xx` for
    /// certificates and secrets. The class is operator: a person must act.
    pub async fn bind(&self, ports: &Ports) -> Result<Box<dyn Bound>, Fault> {
        match &self.kind {
            SourceKind::Mllp(plan) => mllp::bind(plan, &self.common, ports).await,
            SourceKind::Fhir(plan) => fhir::bind(plan, &self.common, ports).await,
            SourceKind::File(plan) => file::bind(plan, &self.common, ports).await,
            SourceKind::FhirBulk(plan) => Ok(pull::bind_bulk(plan, &self.common, ports)),
            SourceKind::FhirSubscription(plan) => {
                pull::bind_subscription(plan, &self.common, ports).await
            }
        }
    }
}

/// A source that holds its listener or directory.
#[async_trait]
pub trait Bound: Send {
    /// The address it is bound to, with the port the machine chose where 0 was asked for.
    fn local_addr(&self) -> Option<SocketAddr>;

    /// Serves until told to stop; returns when the last message in hand is answered and
    /// every connection is closed. Tasks it spawns end with it, also when it is dropped.
    async fn serve(self: Box<Self>, serving: Serving);
}

/// Reads a `[source]` table to its end; problems are noted in it.
#[must_use]
pub fn read(mut table: Table<'_>) -> Option<SourcePlan> {
    let wanted = table.required_spanned(&TYPE)?;
    let Some(kind) = KINDS.iter().find(|kind| *kind.row.name == *wanted.value) else {
        let names = || KINDS.iter().map(|kind| kind.row.name);
        let known = names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        let fault = Fault::new(W1040).because(format!("sources are {known}"));
        let fault = match nearest(&wanted.value, names()) {
            Some(near) => fault.remedy(format!("did you mean `{near}`?")),
            None => fault,
        };
        table.error(fault, &wanted.span);
        return None;
    };
    let common = Common::read(&mut table, kind.listens);
    let own = (kind.read)(&mut table, &common);
    if let (Some(SourceKind::File(plan)), Some(span)) = (&own, table.key_span("encoding")) {
        let cause = match (common.encoding, plan.split) {
            (Encoding::Er7, _) | (_, Split::Whole) => None,
            (_, Split::Hl7Batch) => Some("a batch holds messages with delimiters only"),
            (_, Split::Lines) => Some("a document has many lines; use `split = \"whole\"`"),
            (_, Split::Ndjson) => Some("`split = \"ndjson\"` takes JSON"),
            (_, Split::Cda) => Some("`split = \"cda\"` takes documents of CDA"),
        };
        if let Some(cause) = cause {
            table.error(Fault::new(W1011).because(cause), &span);
        }
    }
    table.finish();
    Some(SourcePlan { common, kind: own? })
}
