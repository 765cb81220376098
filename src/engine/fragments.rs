//! Messages that come in fragments (`continuation = "join"`): each fragment is journaled and
//! acknowledged for itself, and the whole goes through the gates when its last one came.
//!
//! A sender waits for the answer to one fragment before it sends the next, so no answer can
//! wait for the whole. What is acknowledged is on disk: a fragment is an entry that owes
//! nothing, with a mark (the setting `fragment CHANNEL/ID`) that is on disk before its answer
//! leaves. The whole is committed before the marks go; a crash in between leaves them, the
//! last fragment comes again, and the whole is told as a repetition. At the start the marks
//! say what is under way.
//!
//! The last fragment is answered by what became of the whole. A message whose rest does not
//! come in time, or that is replaced by another under the same pointer, becomes a dead letter
//! with what there is of it: weir said that it has it, and half of a message is not sent.
//! Source: HL7 v2.5.1 §2.10.2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::channel::{Channel, Live};
use super::commit::{self, Hold, Written};
use super::intake::{self, Door};
use super::task;
use crate::base::{MessageId, Timestamp};
use crate::channel;
use crate::fault::Fault;
use crate::hl7v2::batch::{Ended, Joiner, Offered, incomplete, is_fragment};
use crate::message::Content;
use crate::observe::happened;
use crate::source::{Answer, Arrival, Heard, SourceKind, Taken};
use crate::store;

/// Shortest wait before the fragments are looked through for those that are over.
const LOOK_MIN: Duration = Duration::from_millis(100);

/// The fragments of a channel.
#[derive(Default)]
pub(crate) struct Fragments {
    /// Written while a fragment is taken, read while any other message is: so they go on in
    /// the order in which they came.
    joiner: tokio::sync::RwLock<Option<Joiner<Mark>>>,
    /// Somebody waits for the end of their time.
    is_watched: AtomicBool,
}

/// A fragment as the joiner knows it: its entry in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    id: MessageId,
    received: Timestamp,
}

impl Fragments {
    /// Whether any wait for the rest of their message, or are being taken.
    pub(crate) fn wait(&self) -> bool {
        let Ok(state) = self.joiner.try_read() else { return true };
        state.as_ref().is_some_and(Joiner::is_waiting)
    }
}

/// How long the rest of a message is waited for; none where fragments are not put together.
fn patience(live: &Live) -> Option<Duration> {
    match &live.plan.source.kind {
        SourceKind::Mllp(plan) => plan.continuation,
        SourceKind::File(plan) => plan.continuation,
        SourceKind::Fhir(_) | SourceKind::FhirBulk(_) | SourceKind::FhirSubscription(_) => None,
    }
}

fn prefix(channel: &Channel) -> String {
    store::Mark::Fragment.prefix(&channel.name)
}

fn setting(channel: &Channel, id: MessageId) -> Arc<str> {
    store::Mark::Fragment.of(&channel.name, id).into()
}

fn joiner<'s>(state: &'s mut Option<Joiner<Mark>>, live: &Live) -> &'s mut Joiner<Mark> {
    let max = live.plan.source.common.max_size.as_usize();
    let joiner = state.get_or_insert_with(|| Joiner::new(max));
    joiner.set_max(max);
    joiner
}

impl Door {
    /// Takes one message, which may be a fragment.
    pub(super) async fn take_fragments(&self, arrival: Arrival) -> Answer {
        let channel = &self.0;
        let live = channel.live();
        if patience(&live).is_none() {
            return self.take_plain(arrival).await;
        }
        let rules = &live.plan.rules;
        let parsed = channel::parse_as(rules.input, arrival.bytes.clone(), rules.charset).ok();
        let parsed = parsed.filter(|_| rules.encoding.check(&arrival.bytes).is_ok());
        match parsed.map(|parsed| parsed.content) {
            Some(Content::Hl7(message)) if is_fragment(&message) => {
                let mut state = channel.fragments.joiner.write().await;
                let joiner = joiner(&mut state, &live);
                Box::pin(self.take_fragment(joiner, &live, arrival, &message)).await
            }
            _ => {
                let _order = channel.fragments.joiner.read().await;
                self.take_plain(arrival).await
            }
        }
    }

    async fn take_fragment(
        &self,
        joiner: &mut Joiner<Mark>,
        live: &Arc<Live>,
        arrival: Arrival,
        message: &crate::hl7v2::Message,
    ) -> Answer {
        let channel = &self.0;
        let core = &channel.core;
        let now = core.now();
        let stamped = intake::stamp(channel, &arrival, now);
        let mut processed = intake::decide(channel, live, stamped, now, channel::receive);
        if !processed.reply.accepted {
            let hold = Hold::default();
            return self.commit(live.clone(), processed, hold, (None, false)).await;
        }
        // The last one of a message that is whole, come again.
        if let Some(key) = processed.record.duplicate_key {
            match core.store.duplicate(&key, now, intake::DUPLICATE_WINDOW) {
                Ok(Some(first)) => {
                    // And so did those before it: what they began anew is no other message.
                    let offer = joiner.offer(message);
                    if matches!(offer.made, Offered::Whole(_)) {
                        let marks = joiner.before(&offer).iter();
                        let gone = marks.map(|mark| (setting(channel, mark.id), "".into()));
                        if let Err(fault) = core.act(gone.collect(), Vec::new()).await {
                            return self.not_kept(live, &arrival, fault);
                        }
                        let mark = Mark { id: first, received: now };
                        joiner.settle(offer, mark);
                    }
                    let reply = processed.reply;
                    return Answer {
                        taken: Taken::Committed(first),
                        replies: reply.body.into_iter().collect(),
                        close: false,
                        heard: Heard::Nothing,
                    };
                }
                Ok(None) => {}
                Err(fault) => return self.not_kept(live, &arrival, fault),
            }
        }
        let mut offer = joiner.offer(message);
        let mark = Mark { id: processed.record.id, received: processed.record.received };
        let made = std::mem::replace(&mut offer.made, Offered::Repeated);
        let (answer, ended) = match made {
            Offered::Single | Offered::Repeated => {
                let reply = processed.reply;
                let replies = reply.body.into_iter().collect();
                let taken = Taken::Committed(mark.id);
                return Answer { taken, replies, close: false, heard: Heard::Nothing };
            }
            Offered::Refused(fault) => {
                (self.reject(&arrival, fault).await, joiner.settle(offer, mark))
            }
            Offered::Waiting => {
                processed.record.duplicate_key = None;
                let before = joiner.before(&offer);
                let first = before.first().map_or(mark.id, |first| first.id);
                let value = format!("{first}/{}", before.len());
                let set = core.act(vec![(setting(channel, mark.id), value.into())], Vec::new());
                let answer = self.keep_fragment(live, processed, set).await;
                if !matches!(answer.taken, Taken::Committed(_)) {
                    return answer;
                }
                (answer, joiner.settle(offer, mark))
            }
            Offered::Whole(bytes) => {
                let marks: Vec<Mark> = joiner.before(&offer).to_vec();
                let parent = marks.first().map(|first| first.id);
                let whole = Arrival { bytes, parent, ..arrival.clone() };
                let mut answer = self.take_plain(whole).await;
                // Its header is that of the first; the sender waits for word of the last.
                for reply in &mut answer.replies {
                    let control = message.header().control_id();
                    *reply = channel::amended(reply, 2, control.raw());
                }
                let gone = marks.iter().map(|mark| (setting(channel, mark.id), "".into()));
                let unset = core.act(gone.collect(), Vec::new());
                let done = match &answer.taken {
                    Taken::NotKept(_) => return answer,
                    Taken::Refused(_) => unset.await,
                    Taken::Committed(_) => {
                        let own = self.keep_fragment(live, processed, unset).await;
                        match own.taken {
                            Taken::NotKept(fault) => Err(fault),
                            _ => Ok(()),
                        }
                    }
                };
                if let Err(fault) = done {
                    return self.not_kept(live, &arrival, fault);
                }
                joiner.settle(offer, mark);
                (answer, Vec::new())
            }
        };
        for ended in ended {
            bury(channel, ended).await;
        }
        watch(channel);
        answer
    }

    /// Commits a fragment, which owes nothing, together with what is set beside it.
    async fn keep_fragment(
        &self,
        live: &Arc<Live>,
        processed: channel::Processed,
        set: impl Future<Output = Result<(), Fault>>,
    ) -> Answer {
        let channel = &self.0;
        let id = processed.record.id;
        let original = processed.record.original.bytes.clone();
        let kind = live.plan.rules.answering(processed.record.original.kind);
        let hold = Hold::default();
        let write = commit::write(channel.clone(), live.clone(), processed, hold);
        let (set, written) = task::both(set, write).await;
        let (taken, reply) = match (set, written) {
            (Ok(()), Written::Kept(reply)) => (Taken::Committed(id), reply),
            (_, Written::NotKept(fault, reply)) => (Taken::NotKept(fault), reply),
            (Err(fault), Written::Kept(_)) => {
                let stamp = (id, channel.core.now());
                let reply = channel::refuse(&kind, &original, fault.clone(), stamp);
                (Taken::NotKept(fault), reply)
            }
        };
        live.meters.acknowledged(reply.code_text());
        let replies = reply.body.into_iter().collect();
        Answer { taken, replies, close: false, heard: Heard::Nothing }
    }
}

/// Makes dead letters of a message whose rest does not come, and takes its marks away.
async fn bury(channel: &Arc<Channel>, ended: Ended<Mark>) {
    let core = &channel.core;
    let Some(first) = ended.marks.first() else { return };
    let live = channel.live();
    let peer = match core.store.message(first.id) {
        Ok(Some(record)) => record.peer,
        _ => crate::message::Peer { address: "".into(), subject: None },
    };
    let fault = incomplete();
    let now = core.now();
    let arrival = channel::Arrival {
        id: core.new_id(now),
        received: first.received,
        peer,
        parent: Some(first.id),
        bytes: ended.partial,
        message_type: None,
    };
    let rules = &live.plan.rules;
    let taking = channel.taking.clone().read_owned().await;
    let processed = channel::wreck(rules, &arrival, fault.clone(), now, false);
    let hold = Hold { _taking: Some(taking), ..Hold::default() };
    let written = commit::write(channel.clone(), live.clone(), processed, hold).await;
    let event = core.event(&happened::SOURCE_TROUBLE).channel(channel.name.shared());
    core.observer.emit(event.message(arrival.id).fault(&fault));
    // What the store did not take is found by its marks at the next start.
    if let Written::Kept(_) = written {
        let gone = ended.marks.iter().map(|mark| (setting(channel, mark.id), "".into()));
        if let Err(fault) = core.act(gone.collect(), Vec::new()).await {
            let event = core.event(&happened::STORE_TROUBLE).channel(channel.name.shared());
            core.observer.emit(event.message(first.id).fault(&fault));
        }
    }
}

/// Sees to it that messages whose rest does not come are given up in time.
fn watch(channel: &Arc<Channel>) {
    if channel.fragments.is_watched.swap(true, Ordering::AcqRel) {
        return;
    }
    let channel = channel.clone();
    // It ends with the last fragment that waits, or with the engine.
    drop(task::spawn(async move {
        while let Some(wait) = expire(&channel).await {
            if !channel.core.pause_for(wait.max(LOOK_MIN)).await {
                return;
            }
        }
    }));
}

/// Gives up what is over; the time until the next one is, none when nothing waits.
async fn expire(channel: &Arc<Channel>) -> Option<Duration> {
    let mut state = channel.fragments.joiner.write().await;
    let live = channel.live();
    let joiner = joiner(&mut state, &live);
    // Where fragments are not put together any more, none will come.
    let patience = patience(&live).unwrap_or(Duration::ZERO);
    let now = channel.core.now();
    let left = |marks: &[Mark]| {
        let last = marks.last().map_or(now, |mark| mark.received);
        patience.saturating_sub(now.since(last))
    };
    for ended in joiner.give_up(|marks| left(marks).is_zero()) {
        bury(channel, ended).await;
    }
    let next = joiner.waiting().map(left).min();
    if next.is_none() {
        channel.fragments.is_watched.store(false, Ordering::Release);
    }
    next
}

/// Takes up the fragments that were acknowledged and waited when the engine ended.
pub(crate) fn recover(channel: &Arc<Channel>) -> Result<(), Fault> {
    let store = &channel.core.store;
    let prefix = prefix(channel);
    // By their message, in the order in which they came.
    let mut found: BTreeMap<(MessageId, usize), MessageId> = BTreeMap::new();
    for (key, value) in store.settings(&prefix)? {
        let id = key.strip_prefix(&prefix).and_then(|id| id.parse::<MessageId>().ok());
        let place = value.split_once('/');
        let place = place.and_then(|(id, n)| Some((id.parse().ok()?, n.parse().ok()?)));
        if let (Some(id), Some(place)) = (id, place) {
            found.insert(place, id);
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let live = channel.live();
    let Ok(mut state) = channel.fragments.joiner.try_write() else { return Ok(()) };
    let joiner = joiner(&mut state, &live);
    let mut over = Vec::new();
    for id in found.into_values() {
        // A mark without its fragment: the sender was not answered and has it.
        let Some(record) = store.message(id)? else { continue };
        let original = &record.original;
        let charset = live.plan.rules.charset;
        let parsed = channel::parse_as(original.kind, original.bytes.clone(), charset);
        let mark = Mark { id, received: record.received };
        if let Ok(Content::Hl7(message)) = parsed.map(|parsed| parsed.content) {
            let offer = joiner.offer(&message);
            if offer.made == Offered::Waiting {
                over.extend(joiner.settle(offer, mark));
                continue;
            }
        }
        // The part before it is gone, or the settings are others now.
        over.push(Ended { marks: vec![mark], partial: record.original.bytes });
    }
    drop(state);
    if !over.is_empty() {
        let channel = channel.clone();
        drop(task::spawn(async move {
            for ended in over {
                bury(&channel, ended).await;
            }
        }));
    }
    watch(channel);
    Ok(())
}
