//! Application acknowledgments that come after the commit acknowledgment, as messages of
//! their own.
//!
//! In enhanced mode a message may ask for both (MSH-15 and MSH-16). The commit
//! acknowledgment leaves when the message is on disk; the application acknowledgment when
//! its result is known: on the connection the message came on, or on one that weir opens to
//! the address in `app_ack`. There it asks for a commit acknowledgment itself (MSH-15 `AL`)
//! and is sent again until one comes; it never asks for more, so that nobody acknowledges an
//! acknowledgment without end.
//!
//! They are kept in memory only: the message is safe, and a sender that misses its
//! acknowledgment sends again and hears it then.
//! Source: HL7 v2.5.1 chapter 2, enhanced acknowledgment rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};

use super::channel::{Channel, Live};
use super::{commit, task};
use crate::base::{ChannelName, DestinationName, MessageId};
use crate::channel;
use crate::destination::{DestinationPlan, mllp_to};
use crate::fault::codes::W2313;
use crate::fault::{Class, Fault, Place};
use crate::message::{Body, ContentKind, Delivery, LaneKey};
use crate::observe::{Event, Observer, happened};
use crate::ports::Ports;
use crate::source::{Back, SourceKind};

/// Application acknowledgments of a channel whose result is not known yet: each holds the
/// header of its message and little else. Past it the commit acknowledgments wait.
const LATE_MAX: usize = 1024;

/// Acknowledgments that wait for the connection of `app_ack`; past it they are given up.
const WAITING_MAX: usize = 1024;

/// Attempts to send one, with pauses of 1 s, 2 s, 4 s and so on: about four minutes.
const ATTEMPTS_MAX: u32 = 8;

/// Longest wait for the commit acknowledgment of one.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// What an application acknowledgment is made of, and its way.
#[derive(Clone)]
pub(super) struct Late {
    pub(super) kind: (channel::AckMode, ContentKind),
    pub(super) original: Bytes,
    pub(super) back: Option<Back>,
    pub(super) target: Option<Arc<str>>,
}

/// The address for application acknowledgments of a channel, where it has one.
pub(super) fn target(live: &Live) -> Option<Arc<str>> {
    match &live.plan.source.kind {
        SourceKind::Mllp(plan) => plan.app_ack.clone(),
        SourceKind::File(_) => None,
    }
}

/// The application acknowledgments of a channel.
pub(crate) struct Applications {
    late: Arc<Semaphore>,
    /// The address that is served, and the way there.
    open: Mutex<Option<(Arc<str>, mpsc::Sender<Bytes>)>>,
}

impl Default for Applications {
    fn default() -> Self {
        Self { late: Arc::new(Semaphore::new(LATE_MAX)), open: Mutex::new(None) }
    }
}

impl Late {
    /// Says how it went. `None`: well.
    pub(super) async fn say(&self, channel: &Channel, message: MessageId, fault: Option<Fault>) {
        let core = &channel.core;
        let now = core.now();
        let stamp = (core.new_id(now), now);
        let asks = self.target.is_some();
        let said = channel::application(self.kind, &self.original, fault, asks, stamp);
        let Some(reply) = said else { return };
        commit::note_answer(channel, message, &reply).await;
        let Some(bytes) = reply.body.clone() else { return };
        let sent = match &self.target {
            Some(target) => channel.applications.send(channel, target, bytes),
            None => self.back.as_ref().is_some_and(|back| back.say(bytes)),
        };
        if sent {
            channel.live().meters.acknowledged(reply.code_text());
            return;
        }
        let fault = Fault::new(W2313).at(Place::channel(channel.name.shared()));
        let event = core.event(&happened::SOURCE_TROUBLE).channel(channel.name.shared());
        core.observer.emit(event.message(message).fault(&fault));
    }

    /// Says how it went once that is known; `result` gives the fault, if any. Waits while
    /// too many results are open.
    pub(super) async fn say_later(
        self,
        channel: &Arc<Channel>,
        message: MessageId,
        result: impl Future<Output = Option<Fault>> + Send + 'static,
    ) {
        // The semaphore is never closed.
        let place = channel.applications.late.clone().acquire_owned().await;
        let channel = channel.clone();
        let mut stop = channel.core.stop.subscribe();
        drop(task::spawn(async move {
            let _place = place;
            let fault = tokio::select! {
                fault = result => fault,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            self.say(&channel, message, fault).await;
        }));
    }
}

impl Applications {
    /// Puts one in line for an address. Whether there was room.
    fn send(&self, channel: &Channel, target: &Arc<str>, bytes: Bytes) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let served = open.as_ref().filter(|(to, way)| to == target && !way.is_closed());
        let way = match served {
            Some((_, way)) => way.clone(),
            None => {
                let (way, waiting) = mpsc::channel(WAITING_MAX);
                let core = &channel.core;
                let sender = Sender {
                    channel: channel.name.clone(),
                    kind: mllp_to(target.clone(), ANSWER_WAIT),
                    ports: core.ports.clone(),
                    observer: core.observer.clone(),
                    stop: core.stop.subscribe(),
                };
                drop(task::spawn(sender.run(waiting)));
                *open = Some((target.clone(), way.clone()));
                way
            }
        };
        way.try_send(bytes).is_ok()
    }
}

/// Sends application acknowledgments to one address, one after another.
struct Sender {
    channel: ChannelName,
    kind: DestinationPlan,
    ports: Ports,
    observer: Arc<Observer>,
    stop: watch::Receiver<bool>,
}

impl Sender {
    /// Sends until the channel goes, another address is set, or everything stops.
    async fn run(self, mut waiting: mpsc::Receiver<Bytes>) {
        let mut stop = self.stop.clone();
        let work = async {
            let mut destination = self.kind.build(&self.ports);
            while let Some(bytes) = waiting.recv().await {
                self.send(&mut *destination, bytes).await;
            }
            destination.close().await;
        };
        tokio::select! {
            () = work => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn send(&self, destination: &mut dyn crate::destination::Destination, bytes: Bytes) {
        let Ok(name) = DestinationName::parse("app-ack") else { return };
        let now = self.ports.clock.now();
        let delivery = Delivery {
            message: MessageId::new(now, self.ports.entropy.bits()),
            channel: self.channel.clone(),
            destination: name,
            lane: LaneKey::default(),
            position: 0,
            attempts: 0,
            received: now,
            next_try: now,
            replay: false,
            revision: crate::message::Revision("".into()),
            body: Body { kind: ContentKind::Hl7, bytes: bytes.clone() },
            original: Body { kind: ContentKind::Hl7, bytes },
            message_type: "ACK".into(),
        };
        for attempt in 0..ATTEMPTS_MAX {
            let sent = tokio::select! {
                sent = destination.deliver(&delivery) => sent.map_err(|error| error.fault),
                () = self.ports.clock.sleep(ANSWER_WAIT) => {
                    Err(Fault::new(crate::fault::codes::W7901))
                }
            };
            let Err(fault) = sent else { return };
            let last = attempt + 1 == ATTEMPTS_MAX || fault.class() == Class::Permanent;
            if attempt == 0 || last {
                let fault = fault.at(Place::channel(self.channel.shared()));
                let event = Event::new(&happened::SOURCE_TROUBLE, self.ports.clock.now());
                self.observer.emit(event.channel(self.channel.shared()).fault(&fault));
            }
            if last {
                return;
            }
            self.ports.clock.sleep(Duration::from_secs(1 << attempt)).await;
        }
    }
}
