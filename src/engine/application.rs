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
//! One for `app_ack` is due on disk before the commit acknowledgment leaves: a setting
//! `app-ack CHANNEL/ID` with its result, where that is known, until the other end committed
//! it or it was given up. A restart takes up what is due. One for the connection of its
//! message ends with it: a sender that misses it sends again and hears it then.
//!
//! Source: HL7 v2.5.1 chapter 2, enhanced acknowledgment rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};

use super::channel::{Channel, Live};
use super::core::Core;
use super::{commit, task};
use crate::base::{ChannelName, DestinationName, MessageId};
use crate::channel;
use crate::destination::{DestinationPlan, mllp_to};
use crate::fault::codes::{W2313, W6903};
use crate::fault::{Class, Code, Fault, Place};
use crate::message::{Body, ContentKind, Delivery, LaneKey};
use crate::observe::{Event, happened};
use crate::source::{AppAck, Back, SourceKind};
use crate::store::{Mark, Setting};

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
    pub(super) kind: channel::Answering,
    pub(super) original: Bytes,
    pub(super) back: Option<Back>,
    pub(super) target: Option<AppAck>,
}

/// The address for application acknowledgments of a channel, where it has one.
pub(super) fn target(live: &Live) -> Option<AppAck> {
    match &live.plan.source.kind {
        SourceKind::Mllp(plan) => plan.app_ack.clone(),
        SourceKind::File(_)
        | SourceKind::Fhir(_)
        | SourceKind::FhirBulk(_)
        | SourceKind::FhirSubscription(_) => None,
    }
}

/// The application acknowledgments of a channel.
pub(crate) struct Applications {
    late: Arc<Semaphore>,
    /// The address that is served, and the way there.
    open: Mutex<Option<(AppAck, mpsc::Sender<Said>)>>,
}

/// An application acknowledgment on its way, with the message it is about.
type Said = (MessageId, Bytes);

/// What a mark says while the result is not known.
const UNKNOWN: &str = "?";
/// What it says when the result is good; else it names the code of a fault.
const GOOD: &str = "AA";

fn prefix(channel: &ChannelName) -> String {
    Mark::Application.prefix(channel)
}

/// The setting that says that an application acknowledgment is due.
pub(super) fn due(channel: &ChannelName, message: MessageId, result: &Option<Fault>) -> Setting {
    let value = result.as_ref().map_or(GOOD, |fault| fault.code().as_str());
    (Mark::Application.of(channel, message).into(), value.into())
}

/// Takes the mark away. A failure leaves it, and the acknowledgment is said once more.
async fn done(core: &Core, channel: &ChannelName, message: MessageId) {
    let key = Mark::Application.of(channel, message).into();
    let _ = core.act(vec![(key, "".into())], Vec::new()).await;
}

/// Takes up what was due when the engine ended.
///
/// # Errors
/// The store's fault.
pub(crate) fn recover(channel: &Arc<Channel>) -> Result<(), Fault> {
    let store = &channel.core.store;
    let prefix = prefix(&channel.name);
    let mut all = Vec::new();
    for (key, value) in store.settings(&prefix)? {
        let id = key.strip_prefix(&prefix).and_then(|id| id.parse::<MessageId>().ok());
        let Some(id) = id else { continue };
        all.push((id, value, store.message(id)?));
    }
    if all.is_empty() {
        return Ok(());
    }
    let channel = channel.clone();
    drop(task::spawn(async move {
        for (id, value, record) in all {
            let live = channel.live();
            let (target, core) = (target(&live), channel.core.clone());
            let (Some(record), Some(target)) = (record, target) else {
                // Neither message nor address is there any more.
                done(&core, &channel.name, id).await;
                continue;
            };
            let late = Late {
                kind: live.plan.rules.answering(record.original.kind),
                original: record.original.bytes,
                back: None,
                target: Some(target),
            };
            let place = Place::channel(channel.name.shared());
            let result = async move {
                match &*value {
                    GOOD => None,
                    UNKNOWN => {
                        let delivered = commit::delivered(&core, id).await;
                        (!delivered).then(|| Fault::new(W6903).at(place))
                    }
                    code => Some(Fault::new(Code::find(code).unwrap_or(W6903)).at(place)),
                }
            };
            late.say_later(&channel, id, result).await;
        }
    }));
    Ok(())
}

impl Default for Applications {
    fn default() -> Self {
        Self { late: Arc::new(Semaphore::new(LATE_MAX)), open: Mutex::new(None) }
    }
}

impl Late {
    /// Notes that one is due, with its result where that is known; on disk when this
    /// returns. Only one for an address outlives the engine.
    pub(super) async fn owe(&self, channel: &Channel, message: MessageId, known: bool) {
        if self.target.is_none() {
            return;
        }
        let (key, good) = due(&channel.name, message, &None);
        let mark = (key, if known { good } else { UNKNOWN.into() });
        if let Err(fault) = channel.core.act(vec![mark], Vec::new()).await {
            let event = channel.core.event(&happened::STORE_TROUBLE);
            let event = event.channel(channel.name.shared()).message(message);
            channel.core.observer.emit(event.fault(&fault));
        }
    }

    /// Says how it went. `None`: well.
    pub(super) async fn say(&self, channel: &Channel, message: MessageId, fault: Option<Fault>) {
        let core = &channel.core;
        let now = core.now();
        let stamp = (core.new_id(now), now);
        let asks = self.target.is_some();
        let said = channel::application(&self.kind, &self.original, fault, asks, stamp);
        let Some(reply) = said else { return self.not_due(channel, message).await };
        commit::note_answer(channel, message, &reply).await;
        let Some(bytes) = reply.body.clone() else { return self.not_due(channel, message).await };
        let sent = match &self.target {
            Some(target) => channel.applications.send(channel, target, (message, bytes)),
            None => self.back.as_ref().is_some_and(|back| back.say(bytes)),
        };
        if sent {
            channel.live().meters.acknowledged(reply.code_text());
            return;
        }
        let fault = Fault::new(W2313).at(Place::channel(channel.name.shared()));
        let event = core.event(&happened::SOURCE_TROUBLE).channel(channel.name.shared());
        core.observer.emit(event.message(message).fault(&fault));
        self.not_due(channel, message).await;
    }

    /// Notes that none is due, or no more.
    async fn not_due(&self, channel: &Channel, message: MessageId) {
        if self.target.is_some() {
            done(&channel.core, &channel.name, message).await;
        }
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
    fn send(&self, channel: &Channel, target: &AppAck, said: Said) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let served = open.as_ref().filter(|(to, way)| to == target && !way.is_closed());
        let way = match served {
            Some((_, way)) => way.clone(),
            None => {
                let (way, waiting) = mpsc::channel(WAITING_MAX);
                let core = &channel.core;
                let sender = Sender {
                    channel: channel.name.clone(),
                    kind: mllp_to(target.connect.clone(), target.tls.clone(), ANSWER_WAIT),
                    core: core.clone(),
                    stop: core.stop.subscribe(),
                };
                drop(task::spawn(sender.run(waiting)));
                *open = Some((target.clone(), way.clone()));
                way
            }
        };
        way.try_send(said).is_ok()
    }
}

/// Sends application acknowledgments to one address, one after another.
struct Sender {
    channel: ChannelName,
    kind: DestinationPlan,
    core: Arc<Core>,
    stop: watch::Receiver<bool>,
}

impl Sender {
    /// Sends until the channel goes, another address is set, or everything stops.
    async fn run(self, mut waiting: mpsc::Receiver<Said>) {
        let mut stop = self.stop.clone();
        let work = async {
            let mut destination = self.kind.build(&self.core.ports);
            while let Some((message, bytes)) = waiting.recv().await {
                self.send(&mut *destination, bytes).await;
                done(&self.core, &self.channel, message).await;
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
        let now = self.core.ports.clock.now();
        let delivery = Delivery {
            message: MessageId::new(now, self.core.ports.entropy.bits()),
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
                () = self.core.ports.clock.sleep(ANSWER_WAIT) => {
                    Err(Fault::new(crate::fault::codes::W7901))
                }
            };
            let Err(fault) = sent else { return };
            let last = attempt + 1 == ATTEMPTS_MAX || fault.class() == Class::Permanent;
            if attempt == 0 || last {
                let fault = fault.at(Place::channel(self.channel.shared()));
                let event = Event::new(&happened::SOURCE_TROUBLE, self.core.ports.clock.now());
                self.core.observer.emit(event.channel(self.channel.shared()).fault(&fault));
            }
            if last {
                return;
            }
            self.core.ports.clock.sleep(Duration::from_secs(1 << attempt)).await;
        }
    }
}
