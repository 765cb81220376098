//! What every part of the engine works with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

use super::book::Book;
use super::task::Supervisor;
use super::vitals::{AuditMeters, actions};
use crate::base::{DestinationName, MessageId, Timestamp};
use crate::channel::Surroundings;
use crate::consent::ConsentBook;
use crate::fault::Fault;
use crate::message::{ActionRecord, Entry, FaultRecord, Leaf, Said};
use crate::observe::{Event, EventRow, Histogram, Observer, Registry};
use crate::ports::Ports;
use crate::seal::Keyring;
use crate::store::Store;

/// Shared by all tasks of one engine.
pub(crate) struct Core {
    pub(crate) ports: Ports,
    pub(crate) store: Store,
    pub(crate) observer: Arc<Observer>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) book: Book,
    /// Asked instead of the book, where a test puts one in its place.
    pub(crate) asked: Option<Arc<dyn ConsentBook>>,
    pub(crate) keyring: Option<Keyring>,
    pub(crate) supervisor: Supervisor,
    /// Set when everything stops.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) waiters: Waiters,
    pub(crate) commit_duration: Histogram,
    pub(crate) audited: AuditMeters,
    disk: AtomicU8,
}

/// How full the disk of the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disk {
    /// Enough room.
    Free,
    /// Below `min_free`: senders are slowed.
    Low,
    /// Below half of it: senders are refused.
    Full,
}

impl Core {
    /// Puts the parts together.
    pub(crate) fn new(
        ports: Ports,
        store: Store,
        observer: Arc<Observer>,
        registry: Arc<Registry>,
        keyring: Option<Keyring>,
    ) -> Self {
        use crate::observe::meter;
        store.count_batches(registry.histogram(&meter::COMMIT_MESSAGES, &[]));
        let supervisor = Supervisor { observer: observer.clone(), clock: ports.clock.clone() };
        Self {
            book: Book::new(store.clone()),
            asked: None,
            commit_duration: registry.histogram(&meter::COMMIT_DURATION, &[]),
            audited: AuditMeters::new(&registry),
            stop: watch::Sender::new(false),
            waiters: Waiters::default(),
            disk: AtomicU8::new(0),
            ports,
            store,
            observer,
            registry,
            keyring,
            supervisor,
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// A new message id.
    pub(crate) fn new_id(&self, now: Timestamp) -> MessageId {
        MessageId::new(now, self.ports.entropy.bits())
    }

    /// An event of now.
    pub(crate) fn event(&self, row: &'static EventRow) -> Event {
        Event::new(row, self.now())
    }

    /// Whether the engine is stopping.
    pub(crate) fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Who knows the directives of patients.
    pub(crate) fn consents(&self) -> &dyn ConsentBook {
        self.asked.as_deref().unwrap_or(&self.book)
    }

    /// Calls `act` with what pure steps may look at.
    pub(crate) fn surrounded<T>(
        &self,
        now: Timestamp,
        act: impl FnOnce(&mut Surroundings<'_>) -> T,
    ) -> T {
        let mut entropy = |buffer: &mut [u8]| self.ports.entropy.fill(buffer);
        let hash = |domain: &str, value: &[u8]| self.store.keyed_hash(domain, value);
        let monotonic = || self.ports.clock.monotonic();
        act(&mut Surroundings {
            now,
            entropy: &mut entropy,
            consents: self.consents(),
            keyring: self.keyring.as_ref(),
            hash: &hash,
            monotonic: &monotonic,
        })
    }

    /// Commits something a person or the engine did.
    pub(crate) async fn act(
        &self,
        settings: Vec<(Arc<str>, Arc<str>)>,
        leaves: Vec<Leaf>,
    ) -> Result<(), Fault> {
        let audited = actions(&leaves);
        let record = ActionRecord { at: self.now(), settings, leaves };
        self.store.commit(Entry::Action(Box::new(record))).await?;
        self.audited.count(&audited);
        Ok(())
    }

    /// How full the disk was when last looked at.
    pub(crate) fn disk(&self) -> Disk {
        match self.disk.load(Ordering::Relaxed) {
            0 => Disk::Free,
            1 => Disk::Low,
            _ => Disk::Full,
        }
    }

    /// Notes how full the disk is; gives what it was.
    pub(crate) fn set_disk(&self, disk: Disk) -> Disk {
        let was = self.disk();
        self.disk.store(disk as u8, Ordering::Relaxed);
        was
    }

    /// Waits, unless the engine stops first. Whether it did wait to the end.
    pub(crate) async fn pause_for(&self, duration: Duration) -> bool {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            () = self.ports.clock.sleep(duration) => true,
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }
}

/// Those who wait for the deliveries of a message (`ack = "after-delivery"`). They are woken
/// when something about it is settled, and look in the store.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<HashMap<MessageId, Waiting>>);

/// Who waits for one message.
#[derive(Default)]
struct Waiting {
    watches: usize,
    notify: Arc<Notify>,
    /// Those among them who hand on what a destination says.
    listening: usize,
    /// The destination that they listen to.
    to: Option<DestinationName>,
    /// What it said in the end: that it has the message, or that it refuses it.
    said: Option<Said>,
    /// Why it was given up there, without a word of its own.
    dead: Option<FaultRecord>,
}

impl Waiters {
    /// Waits for what is settled about a message, until what is given goes.
    pub(crate) fn watch(&self, core: &Arc<Core>, message: MessageId) -> Watch {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = waiting.entry(message).or_default();
        of.watches += 1;
        Watch { core: core.clone(), message, notify: of.notify.clone(), listening: false }
    }

    /// As [`Waiters::watch`], for a sender that hears what this destination says.
    pub(crate) fn listen(
        &self,
        core: &Arc<Core>,
        message: MessageId,
        to: DestinationName,
    ) -> Watch {
        let mut watch = self.watch(core, message);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = waiting.entry(message).or_default();
        of.listening += 1;
        // One whose sender waits already keeps to what that one was promised.
        if of.listening == 1 && of.to.as_ref() != Some(&to) {
            (of.to, of.said, of.dead) = (Some(to), None, None);
        }
        drop(waiting);
        watch.listening = true;
        watch
    }

    /// Hands what a destination said to those who listen to it; false when nobody does.
    pub(crate) fn tell(&self, message: MessageId, from: &DestinationName, said: Said) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listens = |of: &&mut Waiting| of.listening > 0 && of.to.as_ref() == Some(from);
        let Some(of) = waiting.get_mut(&message).filter(listens) else { return false };
        of.said = Some(said);
        true
    }

    /// Tells those who listen to a destination why the message was given up there.
    pub(crate) fn died(&self, message: MessageId, from: &DestinationName, why: &FaultRecord) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = waiting.get_mut(&message).filter(|of| of.to.as_ref() == Some(from)) {
            of.dead = Some(why.clone());
        }
    }

    #[cfg(test)]
    pub(crate) fn is_watched(&self, message: MessageId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&message)
    }

    /// Notes that a delivery of a message came to an end, or was held.
    pub(crate) fn settled(&self, message: MessageId) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = waiting.get(&message) {
            of.notify.notify_waiters();
        }
    }
}

/// Someone who waits for the deliveries of a message.
pub(crate) struct Watch {
    core: Arc<Core>,
    message: MessageId,
    notify: Arc<Notify>,
    listening: bool,
}

impl Watch {
    /// Resolves when something is settled after it was enabled.
    pub(crate) fn settled(&self) -> Notified<'_> {
        self.notify.notified()
    }

    /// The message.
    pub(crate) const fn message(&self) -> MessageId {
        self.message
    }

    /// The destination that is listened to.
    pub(crate) fn listens_to(&self) -> Option<DestinationName> {
        let waiting = self.core.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        let to = waiting.get(&self.message).and_then(|of| of.to.clone());
        to.filter(|_| self.listening)
    }

    /// Listens no longer, and gives what was said, and why the message was given up. What is
    /// handed over before is given here, and nothing is after: either the sender hears a
    /// refusal or the courier keeps the delivery.
    pub(crate) fn heard(&mut self) -> (Option<Box<Said>>, Option<FaultRecord>) {
        if !std::mem::take(&mut self.listening) {
            return (None, None);
        }
        let mut waiting = self.core.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of) = waiting.get_mut(&self.message) else { return (None, None) };
        of.listening -= 1;
        (of.said.clone().map(Box::new), of.dead.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.core.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = waiting.get_mut(&self.message) {
            of.listening -= usize::from(self.listening);
            of.watches -= 1;
            if of.watches == 0 {
                waiting.remove(&self.message);
            }
        }
    }
}
