//! Sources: the ways in. One file a kind; each turns what a peer sends into [`Arrival`]s,
//! hands them to the [`Intake`] and writes back what it answers.
//!
//! A source owns sockets, framing, time-outs, limits and the order of answers. It parses no
//! message, decides nothing and writes no answer of its own: the intake does. It knows no
//! store. The invariant it keeps: bytes that became a frame are handed over exactly once, in
//! the order in which they came, and no answer leaves before the intake gave it.

mod common;
mod file;
mod intake;
mod mllp;
mod net;

use std::net::SocketAddr;

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ports::Ports;
use crate::settings::Table;

pub use common::{Charset, Common};
pub use file::{FilePlan, Ready, Split, Then};
pub use intake::{
    Answer, Arrival, Closed, Command, Intake, Origin, Serving, Silent, SourceEvent, SourceEvents,
    Taken,
};
pub use mllp::{AckMode, AckWhen, MllpPlan};
pub use net::IpNet;

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
    /// Files dropped into a directory.
    File(FilePlan),
}

/// One kind of source, as help, schema and tests know it.
pub struct Kind {
    /// Its `type`.
    pub name: &'static str,
    /// What it is: one sentence.
    pub about: &'static str,
    /// Whether it listens on an address, so that `allow` and `tls` mean something.
    pub listens: bool,
    /// Reads its own keys.
    pub read: fn(&mut Table<'_>) -> Option<SourceKind>,
}

/// Every kind of source.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "mllp",
        about: "Takes HL7 v2 messages over TCP in MLLP frames and answers each.",
        listens: true,
        read: |table| mllp::read(table).map(SourceKind::Mllp),
    },
    Kind {
        name: "file",
        about: "Takes files from a directory once they are complete.",
        listens: false,
        read: |table| file::read(table).map(SourceKind::File),
    },
];

impl SourcePlan {
    /// Its `type`.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self.kind {
            SourceKind::Mllp(_) => "mllp",
            SourceKind::File(_) => "file",
        }
    }

    /// The address it listens on, where it listens.
    #[must_use]
    pub const fn listen(&self) -> Option<SocketAddr> {
        match &self.kind {
            SourceKind::Mllp(plan) => Some(plan.listen),
            SourceKind::File(_) => None,
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
            SourceKind::File(plan) => file::bind(plan, &self.common, ports).await,
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

/// Reads a `[source]` table; problems are noted in it.
pub fn read(_table: &mut Table<'_>) -> Option<SourcePlan> {
    None
}
