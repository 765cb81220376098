//! `ack = "on-receipt"`: the original is journaled and acknowledged first, the gates and
//! mappings run behind it.
//!
//! The journal has two entries of such a message: the receipt, which owes nothing, with a
//! mark (the setting `received CHANNEL/ID`) that is on disk before the answer leaves; and,
//! as its child, the message with its fates, after which the mark goes. A crash in between
//! leaves the mark, and the next start processes what is marked; a duplicate key made of the
//! receipt's id keeps that from happening twice.
//!
//! What the stages refuse now cannot be refused any more: its sender was told that weir has
//! it. It becomes dead letters, so that the ledger shows it and a person can act.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::application::{self, Late};
use super::channel::{Channel, Courier};
use super::commit::{self, Hold, Written};
use super::{intake, task};
use crate::base::MessageId;
use crate::channel::{self, Processed};
use crate::fault::Fault;
use crate::fault::codes::W9001;
use crate::message::MessageRecord;
use crate::observe::happened;
use crate::store::Mark;

/// Most bytes of messages between their answer and their processing, in KiB: as much as the
/// store takes on its way to disk. Past it answers wait, which slows the senders.
const ROOM_KIB: usize = 64 << 10;

/// Messages processed together, so that their commits share a flush of the disk.
const AT_ONCE: usize = 64;

/// Wait before a message that the store could not take is processed again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Messages of a channel that are acknowledged and not processed.
pub(crate) struct Backlog {
    items: mpsc::UnboundedSender<Item>,
    taken: tokio::sync::Mutex<mpsc::UnboundedReceiver<Item>>,
    room: Arc<Semaphore>,
    /// How many: those on their way here, waiting and being processed.
    left: AtomicUsize,
}

/// One of them.
struct Item {
    receipt: Box<MessageRecord>,
    /// Read from the journal at the start: it may have been processed before.
    again: bool,
    /// For the application acknowledgment, where one is asked for.
    late: Late,
    _room: Option<OwnedSemaphorePermit>,
}

impl Default for Backlog {
    fn default() -> Self {
        let (items, taken) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(ROOM_KIB));
        Self { items, taken: tokio::sync::Mutex::new(taken), room, left: AtomicUsize::new(0) }
    }
}

impl Backlog {
    /// How many are acknowledged and not processed.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }

    fn add(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    fn done(&self) {
        self.left.fetch_sub(1, Ordering::AcqRel);
    }
}

fn mark(channel: &Channel, receipt: MessageId) -> Arc<str> {
    Mark::Received.of(&channel.name, receipt).into()
}

/// Waits for room for so many bytes. Whoever waits holds nothing that processing needs,
/// above all not what keeps a reload away: room comes from processing alone.
pub(super) async fn room(channel: &Channel, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let kib = bytes.div_ceil(1024).clamp(1, ROOM_KIB);
    let room = channel.backlog.room.clone();
    room.acquire_many_owned(u32::try_from(kib).unwrap_or(1)).await.ok()
}

/// Journals a receipt with its mark; its message is processed from then on.
pub(super) async fn keep(
    channel: Arc<Channel>,
    processed: Processed,
    mut hold: Hold,
    late: Late,
) -> Written {
    let core = channel.core.clone();
    let live = channel.live();
    let receipt = Box::new(processed.record.clone());
    let room = hold.room.take();
    channel.backlog.add();
    // Handed over before the receipt: a mark without a receipt says nothing, a receipt
    // without a mark would be forgotten.
    let marked = core.act(vec![(mark(&channel, receipt.id), "1".into())], Vec::new());
    let written = commit::write(channel.clone(), live, processed, hold);
    let (marked, written) = task::both(marked, written).await;
    if let Written::NotKept(..) = written {
        channel.backlog.done();
        return written;
    }
    if let Err(fault) = marked {
        // The journal ended between the two; nothing more is written by this engine.
        channel.backlog.done();
        let stamp = (receipt.id, core.now());
        let kind = channel.live().plan.rules.answering(receipt.original.kind);
        let refused = channel::refuse(&kind, &receipt.original.bytes, fault.clone(), stamp);
        return Written::NotKept(fault, refused);
    }
    // The receiver lives as long as the channel.
    let _ = channel.backlog.items.send(Item { receipt, again: false, late, _room: room });
    written
}

/// Takes up what was acknowledged and not processed when the engine ended.
pub(crate) fn recover(channel: &Channel) -> Result<(), Fault> {
    let store = &channel.core.store;
    let prefix = Mark::Received.prefix(&channel.name);
    for (key, _) in store.settings(&prefix)? {
        let id = key.strip_prefix(&prefix).and_then(|id| id.parse::<MessageId>().ok());
        let receipt = id.map(|id| store.message(id)).transpose()?.flatten();
        // A mark without a receipt: the sender was not answered and has the message.
        let Some(receipt) = receipt else { continue };
        channel.backlog.add();
        let live = channel.live();
        let late = Late {
            kind: live.plan.rules.answering(receipt.original.kind),
            original: receipt.original.bytes.clone(),
            back: None,
            target: application::target(&live),
        };
        let item = Item { receipt: Box::new(receipt), again: true, late, _room: None };
        let _ = channel.backlog.items.send(item);
    }
    Ok(())
}

/// Starts the processing of a channel, unless it runs.
pub(crate) fn start(channel: &Arc<Channel>) {
    let mut processor = channel.processor.lock().unwrap_or_else(PoisonError::into_inner);
    if processor.is_some() {
        return;
    }
    let stop = watch::Sender::new(false);
    let (stopped, this) = (stop.subscribe(), channel.clone());
    let task = channel
        .core
        .supervisor
        .run("receipts", stop.subscribe(), move || run(this.clone(), stopped.clone()));
    *processor = Some(Courier { stop, tasks: vec![task] });
}

/// Processes until told to stop, and then what is here.
async fn run(channel: Arc<Channel>, mut stop: watch::Receiver<bool>) {
    let mut items = channel.backlog.taken.lock().await;
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            taken = items.recv_many(&mut batch, AT_ONCE) => {
                if taken == 0 {
                    return;
                }
            }
            // A dropped sender means stop as well.
            _ = stop.wait_for(|stop| *stop) => return,
        }
        task::all(batch.into_iter().map(|item| process(&channel, item)).collect()).await;
    }
}

/// Processes one message and takes its mark away.
async fn process(channel: &Arc<Channel>, item: Item) {
    let core = &channel.core;
    let receipt = &*item.receipt;
    let key = core.store.keyed_hash("received", receipt.id.to_uuid().as_bytes());
    loop {
        let known = match item.again {
            true => core.store.duplicate(&key, core.now(), Duration::MAX),
            false => Ok(None),
        };
        let kept = match known {
            Ok(Some(_)) => Ok(None),
            Ok(None) => write(channel, receipt, key).await,
            Err(fault) => Err(fault),
        };
        let done = match kept {
            Ok(fault) => {
                // Only a commit acknowledgment leaves something to be said.
                let says = matches!(&*receipt.ack, "CA");
                let mut settings = vec![(mark(channel, receipt.id), "".into())];
                if says && item.late.target.is_some() {
                    settings.push(application::due(&channel.name, receipt.id, &fault));
                }
                let done = core.act(settings, Vec::new()).await;
                if says && done.is_ok() {
                    item.late.say(channel, receipt.id, fault).await;
                }
                done
            }
            Err(fault) => Err(fault),
        };
        let Err(fault) = done else { break };
        let event = core.event(&happened::STORE_TROUBLE).channel(channel.name.shared());
        core.observer.emit(event.message(receipt.id).fault(&fault));
        if core.stopping() || !core.pause_for(TRY_AGAIN).await {
            // The mark stays, and the next start goes on.
            break;
        }
    }
    channel.backlog.done();
}

/// Decides about a message with the rules of now and commits it as the child of its receipt;
/// gives why it was not taken, where it was not.
async fn write(
    channel: &Arc<Channel>,
    receipt: &MessageRecord,
    key: [u8; 16],
) -> Result<Option<Fault>, Fault> {
    let core = &channel.core;
    let taking = channel.taking.clone().read_owned().await;
    let live = channel.live();
    let arrival = channel::Arrival {
        id: core.new_id(receipt.received),
        received: receipt.received,
        peer: receipt.peer.clone(),
        parent: Some(receipt.id),
        bytes: receipt.original.bytes.clone(),
        message_type: None,
    };
    let now = core.now();
    let copy = arrival.clone();
    let mut processed = intake::decide(channel, &live, arrival, now, channel::process);
    let mut refused = None;
    if !processed.reply.accepted {
        let fault = processed.reply.fault.take().unwrap_or_else(|| Fault::new(W9001));
        refused = Some(fault.clone());
        processed = channel::wreck(&live.plan.rules, &copy, fault, now, false);
    }
    // The receipt was answered; this is not.
    processed.record.ack = "".into();
    processed.record.duplicate_key = Some(key);
    live.meters.trail(&processed.record.trail);
    let hold = Hold { _taking: Some(taking), ..Hold::default() };
    match commit::write(channel.clone(), live, processed, hold).await {
        Written::Kept(_) => Ok(refused),
        Written::NotKept(fault, _) => Err(fault),
    }
}
