//! What a source and the engine say to each other: arrivals and answers, events and
//! commands.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;
use crate::hl7v2::mllp::Oddities;
use crate::message::{FaultRecord, Leaf, Peer, Receipt, Said, State};
use crate::records::Reader;

/// What came in, before anyone looked inside. `Debug` shows the length only.
#[derive(Clone)]
pub struct Arrival {
    /// The bytes of one message, framing left out. Within the source's `max_size`.
    pub bytes: Bytes,
    /// Who sent it.
    pub peer: Peer,
    /// When its last byte came.
    pub received: Timestamp,
    /// The file it was split from.
    pub parent: Option<MessageId>,
    /// Place within `parent` (from 0) and SHA-256 of where it came from: equal when the same
    /// part of the same file is offered again after a crash, so that the intake can tell a
    /// repetition from a second message that says the same. `None` for connections.
    pub origin: Option<Origin>,
    /// The type of the message where the way it came says more than it does itself, such as
    /// `update:Patient`; `None`: as the message says.
    pub message_type: Option<Arc<str>>,
    /// Whether its sender waits for delivery where the source's settings say so.
    pub waits: bool,
    /// The way back to its connection, for what is said after the answer; `None` where there
    /// is none.
    pub back: Option<Back>,
}

/// The way back to a connection, for messages that are no answers in their turn.
#[derive(Clone)]
pub struct Back(mpsc::UnboundedSender<Bytes>);

impl Back {
    /// A way back and its other end. Whoever says something bounds how much.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Bytes>) {
        let (way, end) = mpsc::unbounded_channel();
        (Self(way), end)
    }

    /// Hands a message over, framing left out; false when the connection is gone. One that
    /// was handed over may still be lost with the connection.
    #[must_use]
    pub fn say(&self, message: Bytes) -> bool {
        self.0.send(message).is_ok()
    }
}

/// Where a part of a file came from; stable over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// SHA-256 over the file, its name, and number and content of this part.
    pub digest: [u8; 32],
    /// Number of the part within the file, from 0.
    pub part: u64,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("bytes", &format_args!("<phi {} B>", self.bytes.len()))
            .field("peer", &self.peer.address)
            .field("received", &self.received)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// What became of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// On disk, with a fate per destination. Also a repetition of a message already there.
    Committed(MessageId),
    /// Refused for good; the refusal is on disk where the store could be written.
    Refused(Fault),
    /// Not on disk, for no fault of the message: the sender keeps it and offers it again.
    NotKept(Fault),
}

/// How a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who sent it: the name of the client, or the subject of its certificate.
    pub sender: Option<Arc<str>>,
    /// Why it was refused, when it was.
    pub refused: Option<FaultRecord>,
    /// How it stands with each destination that it was decided for, in their order.
    pub destinations: Vec<Stand>,
}

/// How a message stands with one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Its state.
    pub state: State,
    /// The peer's proof.
    pub receipt: Option<Receipt>,
    /// Why it was not delivered, as far as it was tried.
    pub fault: Option<FaultRecord>,
}

/// What a source does after an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub taken: Taken,
    /// Messages to write back, in order, framing left out: none, an acknowledgment, or a
    /// commit and an application acknowledgment.
    pub replies: Vec<Bytes>,
    /// Whether the connection closes after them.
    pub close: bool,
    /// What was heard of its destinations, where the answer waited for them.
    pub heard: Heard,
}

/// What came of the wait for the destinations of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Heard {
    /// Nobody waited.
    #[default]
    Nothing,
    /// The destination that was waited for has the message, or each where none is waited for
    /// before others; what it said.
    All(Option<Box<Said>>),
    /// It is still on its way.
    OnTheWay,
    /// The destination that was waited for does not have it and nothing more is tried by
    /// itself: why not, and what it said where that is for the sender to hear.
    Not(Fault, Option<Box<Said>>),
}

/// The engine's side of a source: parses, decides, commits and builds the answer.
///
/// Calls for one connection or file are made, and first polled, in the order of the
/// arrivals; several may be pending at once. To keep order within a lane, an intake hands
/// its entry to the store before it first waits.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Takes one message. Returns when the answer may leave: after the commit.
    async fn take(&self, arrival: Arrival) -> Answer;

    /// Takes note of input that never became a message: too large, or framing that cannot
    /// be followed. The bytes are what there is of it, cut to a bound.
    async fn refuse(&self, arrival: Arrival, fault: Fault) -> Answer;

    /// How a message of this source stands; none when there is no such message.
    ///
    /// # Errors
    /// The store's.
    async fn standing(&self, message: MessageId) -> Result<Option<Standing>, Fault> {
        let _ = message;
        Ok(None)
    }

    /// Where reads are served from now; `None`: nowhere.
    fn reader(&self) -> Option<Arc<dyn Reader>> {
        None
    }

    /// A secret of this source for a purpose: the same at each start, known to nobody else;
    /// none where there is nothing to make it from.
    fn own_secret(&self, purpose: &str) -> Option<Arc<str>> {
        let _ = purpose;
        None
    }

    /// What the source wrote down last under a name; none where there is nothing.
    ///
    /// # Errors
    /// The store's.
    fn recall(&self, name: &str) -> Result<Option<Arc<str>>, Fault> {
        let _ = name;
        Ok(None)
    }

    /// Writes down how far the source is, by names of its own, all of it or none; on disk
    /// when it returns. An empty text forgets.
    ///
    /// # Errors
    /// The store's.
    async fn remember(&self, notes: Vec<(&'static str, String)>) -> Result<(), Fault> {
        let _ = notes;
        Ok(())
    }

    /// Writes down what is done without a message; on disk when it returns.
    ///
    /// # Errors
    /// The store's.
    async fn testify(&self, leaves: Vec<Leaf>) -> Result<(), Fault> {
        let _ = leaves;
        Ok(())
    }
}

/// What a source is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Take messages.
    #[default]
    Run,
    /// Accept and read nothing; connections stay open, what is in hand is answered.
    Pause,
    /// Finish the frame in hand on each connection, answer, close.
    Stop,
}

/// What [`super::Bound::serve`] works with.
#[derive(Clone)]
pub struct Serving {
    /// Where messages go.
    pub intake: Arc<dyn Intake>,
    /// Who hears what happens.
    pub events: Arc<dyn SourceEvents>,
    /// What to do. A dropped sender means stop.
    pub command: watch::Receiver<Command>,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed it at a message boundary.
    ByPeer,
    /// The source stopped.
    Stopped,
    /// An answer asked for it.
    ByAnswer,
    /// Something went wrong.
    Fault(Fault),
}

/// What happens at a source besides messages. No event holds content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// Takes connections.
    Listening {
        /// The bound address.
        address: SocketAddr,
    },
    /// A connection opened, TLS done.
    Opened {
        /// Who.
        peer: Peer,
    },
    /// A connection that had opened ended.
    Closed {
        /// Who.
        peer: Peer,
        /// Why.
        why: Closed,
        /// Messages taken on it.
        messages: u64,
    },
    /// A connection was turned away before it opened: allow list, limit, TLS.
    TurnedAway {
        /// Address and port.
        peer: SocketAddr,
        /// Why.
        fault: Fault,
    },
    /// A request was refused because of who sent it: nobody known, or one who may not.
    Denied {
        /// Who, as far as known: the subject is the client's name.
        peer: Peer,
        /// Why.
        fault: Fault,
    },
    /// Bytes outside a frame were passed over.
    Junk {
        /// Who sent them.
        peer: Peer,
        /// How many since the last event of this kind.
        bytes: u64,
    },
    /// Framing was looser than the standard says, and was followed all the same.
    Loose {
        /// How often, since the last event of this kind on the connection.
        oddities: Oddities,
    },
    /// A file was taken to its end.
    FileTaken {
        /// Its name, which may say something of its content: for the log at debug only.
        name: Arc<str>,
        /// Messages committed.
        committed: u64,
        /// Messages refused.
        refused: u64,
    },
    /// An export of a server was taken to its end.
    Pulled {
        /// Messages committed.
        committed: u64,
        /// Lines refused.
        refused: u64,
    },
    /// Something is wrong that ends no connection: accept failed, a directory cannot be
    /// read, a file cannot be moved.
    Trouble {
        /// What.
        fault: Fault,
    },
}

/// Hears what happens at a source. Called on the source's tasks: must return at once.
pub trait SourceEvents: Send + Sync {
    /// Takes note of one event.
    fn note(&self, event: &SourceEvent);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl SourceEvents for Silent {
    fn note(&self, _event: &SourceEvent) {}
}
