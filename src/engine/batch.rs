//! A batch that comes in one frame: its messages are taken each for itself, in their order,
//! and answered together by a batch of acknowledgments, when all of them are on disk.
//!
//! What is wrong with its envelope loses no message: it is told in the log and in the last
//! trailer of the answer. Source: HL7 v2.5.1 §2.10.3.

use bytes::Bytes;

use super::channel::Channel;
use super::intake::Door;
use super::task;
use crate::fault::codes::W2050;
use crate::fault::{Fault, Place};
use crate::hl7v2::ack::{self, Condition};
use crate::hl7v2::batch::{self, Batch};
use crate::hl7v2::{self, Message};
use crate::observe::happened;
use crate::source::{Answer, Arrival, Heard, Origin, Taken};

/// Messages of a batch that are decided and committed together, so that they share a flush
/// of the disk; as many as the processing of receipts takes.
const AT_ONCE: usize = 64;

/// Most messages in one frame: their answers stay in memory until the last is on disk. Real
/// frames have a few hundred; files are read in pieces and have no such bound.
pub(super) const FRAME_MESSAGES_MAX: usize = 100_000;

/// What stands in a frame.
pub(super) enum Unpacked {
    /// One message, or what is taken for one.
    One,
    /// A batch, and its messages as arrivals of their own.
    Batch(Box<Batch>, Vec<Arrival>),
    /// A batch that cannot be taken apart.
    Refused(Fault),
}

/// Takes a batch apart that came in one frame or file.
pub(super) fn unpacked(channel: &Channel, arrival: &Arrival) -> Unpacked {
    if !hl7v2::is_batch(&arrival.bytes) {
        return Unpacked::One;
    }
    let batch = match batch::split(&arrival.bytes) {
        Ok(batch) => batch,
        Err(fault) => return Unpacked::Refused(fault),
    };
    if batch.messages.len() > FRAME_MESSAGES_MAX {
        let cause = format!("a frame holds at most {FRAME_MESSAGES_MAX} messages");
        return Unpacked::Refused(Fault::new(W2050).because(cause));
    }
    if batch.messages.is_empty() {
        // A batch of nothing is sent where batches are due at set times. One that says that
        // there should be something is another matter: its answer must not say that all is well.
        if let Some(fault) = batch.warnings.first() {
            return Unpacked::Refused(fault.clone());
        }
        if arrival.origin.is_some() {
            return Unpacked::Refused(Fault::new(W2050).because("it holds no message"));
        }
    }
    let parent = channel.core.new_id(channel.core.now());
    // Each part is told from the others, so that none counts as a repetition of another.
    let part = |(number, bytes): (u64, &Bytes)| Arrival {
        bytes: bytes.clone(),
        parent: Some(parent),
        origin: arrival.origin.map(|origin| Origin { part: number, ..origin }),
        ..arrival.clone()
    };
    let parts = (0..).zip(&batch.messages).map(part).collect();
    Unpacked::Batch(Box::new(batch), parts)
}

/// How bad an end is for the sender: what was not kept must be offered again.
const fn rank(taken: &Taken) -> u8 {
    match taken {
        Taken::Committed(_) => 0,
        Taken::Refused(_) => 1,
        Taken::NotKept(_) => 2,
    }
}

impl Door {
    /// Takes the messages of a batch in their order; gives one answer to the whole.
    pub(super) async fn take_batch(&self, batch: &Batch, parts: Vec<Arrival>) -> Answer {
        let core = &self.0.core;
        for fault in &batch.warnings {
            let event = core.event(&happened::SOURCE_TROUBLE).channel(self.0.name.shared());
            let fault = fault.clone().at(Place::channel(self.0.name.shared()));
            core.observer.emit(event.fault(&fault));
        }
        let id = core.new_id(core.now());
        // Of a batch without messages there is nothing to keep.
        let mut taken = Taken::Committed(parts.first().and_then(|p| p.parent).unwrap_or(id));
        let mut close = false;
        let mut replies: Vec<Vec<Bytes>> = Vec::with_capacity(parts.len());
        let mut parts = parts.into_iter();
        loop {
            let next: Vec<Arrival> = parts.by_ref().take(AT_ONCE).collect();
            if next.is_empty() {
                break;
            }
            let answers = next.into_iter().map(|part| self.take_one(part)).collect();
            for answer in task::all(answers).await {
                close |= answer.close;
                // The worst that became of any of them is what became of the batch.
                if rank(&answer.taken) > rank(&taken) {
                    taken = answer.taken;
                }
                replies.push(answer.replies);
            }
        }
        if replies.iter().all(Vec::is_empty) && !replies.is_empty() && !asks_for_any(batch) {
            return Answer { taken, replies: Vec::new(), close, heard: Heard::Nothing };
        }
        let mut control = id.to_string();
        // With room for the numbers of its batches within the length before 2.7.
        control.truncate(16);
        let answer = ack::build_batch(batch, &replies, core.now(), &control);
        Answer { taken, replies: vec![answer], close, heard: Heard::Nothing }
    }
}

/// Whether any message of a batch wants an answer under some condition: that nothing went
/// wrong is said by a batch without acknowledgments then.
fn asks_for_any(batch: &Batch) -> bool {
    batch.messages.iter().any(|bytes| {
        Message::parse(bytes.clone()).is_ok_and(|message| {
            let plan = ack::plan(&message);
            plan.accept != Condition::Never || plan.application != Condition::Never
        })
    })
}
