//! A receiver for trying things: answers every message and keeps nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::base::MessageId;
use crate::fault::Fault;
use crate::hl7v2::Message;
use crate::hl7v2::ack::{self, AckCode};
use crate::ports::Ports;
use crate::source::{Answer, Arrival, Heard, Intake, Taken};

/// What the sandbox tells its owner about each arrival.
#[derive(Clone)]
pub struct Seen {
    /// The message as it came.
    pub bytes: Bytes,
    /// Who sent it.
    pub peer: String,
    /// Why it could not be read, when it could not.
    pub fault: Option<Fault>,
    /// The code it was answered with; none: no answer.
    pub answered: Option<AckCode>,
}

/// How a sandbox judges a message: a fault is answered with the code beside it.
pub type Judge = Box<dyn Fn(&Message) -> Result<(), (Option<AckCode>, Fault)> + Send + Sync>;

/// An intake that answers and forgets.
pub struct Sandbox {
    ports: Ports,
    /// The code for messages that can be read; none: never answer.
    reply: Option<AckCode>,
    delay: Duration,
    judge: Option<Judge>,
    seen: Option<mpsc::Sender<Seen>>,
    count: AtomicU64,
}

impl Sandbox {
    /// Makes one that answers with `reply` after `delay`.
    #[must_use]
    pub fn new(ports: Ports, reply: Option<AckCode>, delay: Duration) -> Self {
        Self { ports, reply, delay, judge: None, seen: None, count: AtomicU64::new(0) }
    }

    /// Judges each message before answering.
    #[must_use]
    pub fn judging(mut self, judge: Judge) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Tells each arrival to a channel; a full channel slows the senders.
    #[must_use]
    pub fn telling(mut self, seen: mpsc::Sender<Seen>) -> Self {
        self.seen = Some(seen);
        self
    }

    /// Messages taken so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    async fn tell(&self, arrival: &Arrival, fault: Option<Fault>, answered: Option<AckCode>) {
        if let Some(seen) = &self.seen {
            let bytes = arrival.bytes.clone();
            let peer = arrival.peer.address.to_string();
            // Nobody listens any more when the owner stops; there is nothing to keep.
            let _ = seen.send(Seen { bytes, peer, fault, answered }).await;
        }
    }

    fn control_id(&self) -> (MessageId, String) {
        let id = MessageId::new(self.ports.clock.now(), self.ports.entropy.bits());
        (id, id.to_string().chars().skip(6).collect())
    }
}

#[async_trait]
impl Intake for Sandbox {
    async fn take(&self, arrival: Arrival) -> Answer {
        self.count.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            self.ports.clock.sleep(self.delay).await;
        }
        let now = self.ports.clock.now();
        let (id, control_id) = self.control_id();
        let parsed = Message::parse(arrival.bytes.clone());
        let judged = match (&parsed, &self.judge) {
            (Err(fault), _) => Err((Some(AckCode::AR), fault.clone())),
            (Ok(message), Some(judge)) => judge(message),
            (Ok(_), None) => Ok(()),
        };
        let code = match (&parsed, &judged) {
            // An acknowledgment is never acknowledged.
            (Ok(message), _) if message.is_acknowledgment() => None,
            (_, Err((code, _))) => self.reply.and(*code),
            (_, Ok(())) => self.reply,
        };
        let fault = judged.err().map(|(_, fault)| fault);
        let replies = match (&parsed, code) {
            (_, None) => Vec::new(),
            (Ok(message), Some(code)) => {
                vec![ack::build(message, code, fault.as_ref(), now, &control_id)]
            }
            (Err(fault), Some(code)) => {
                vec![ack::build_unparsed(&arrival.bytes, code, fault, now, &control_id)]
            }
        };
        self.tell(&arrival, fault.clone(), code).await;
        let taken = fault.map_or(Taken::Committed(id), Taken::Refused);
        Answer { taken, replies, close: false, heard: Heard::Nothing }
    }

    async fn refuse(&self, arrival: Arrival, fault: Fault) -> Answer {
        let now = self.ports.clock.now();
        let (_, control_id) = self.control_id();
        let code = self.reply.map(|_| AckCode::AR);
        let answer =
            code.map(|code| ack::build_unparsed(&arrival.bytes, code, &fault, now, &control_id));
        self.tell(&arrival, Some(fault.clone()), code).await;
        let replies = answer.into_iter().collect();
        Answer { taken: Taken::Refused(fault), replies, close: true, heard: Heard::Nothing }
    }
}
