//! Rows of the index and how an outcome changes a delivery.
//!
//! [`Standing::after`] is the one place that says what an outcome does; the live queues and
//! the index both use it, and so does a rebuild, so they cannot disagree.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Location, Position};
use crate::base::{ChannelName, MessageId, Timestamp};
use crate::message::{Body, Fate, LaneKey, MessageRecord, Outcome, OutcomeRecord, Revision, State};

/// Number of a (channel, destination) pair within this index.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct QueueId(pub u32);

impl QueueId {
    pub fn slot(self) -> usize {
        self.0 as usize
    }
}

/// How a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub queue: QueueId,
    pub lane: LaneKey,
    pub state: State,
    /// Its place in the queue: the position that put it there.
    pub place: Position,
    pub attempts: u32,
    pub next_try: Timestamp,
    pub changed: Timestamp,
    pub replay: bool,
    /// Bytes of its body, 0 for none; saturating.
    pub bytes: u32,
    /// Position of the outcome that gave it another body.
    pub body_from: Option<Position>,
    pub code: Option<Arc<str>>,
}

/// An outcome without its bodies and leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub message: MessageId,
    pub queue: QueueId,
    pub at: Timestamp,
    pub attempts: u32,
    pub kind: ChangeKind,
}

/// What an outcome does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Delivered,
    Retry {
        next_try: Timestamp,
        code: Arc<str>,
    },
    Dead(Arc<str>),
    Denied,
    Skipped,
    Held,
    Released,
    /// With another body of so many bytes, or the one it had.
    Requeued {
        body: Option<u32>,
    },
}

/// Bytes of a body, as rows keep them.
fn bytes_of(body: &Body) -> u32 {
    u32::try_from(body.bytes.len()).unwrap_or(u32::MAX)
}

impl Change {
    pub fn new(record: &OutcomeRecord, queue: QueueId) -> Self {
        let kind = match &record.outcome {
            Outcome::Delivered(_) => ChangeKind::Delivered,
            Outcome::Retry { next_try, fault } => {
                ChangeKind::Retry { next_try: *next_try, code: fault.code.clone() }
            }
            Outcome::Dead(fault) => ChangeKind::Dead(fault.code.clone()),
            Outcome::Denied(_) => ChangeKind::Denied,
            Outcome::Skipped => ChangeKind::Skipped,
            Outcome::Held => ChangeKind::Held,
            Outcome::Released => ChangeKind::Released,
            Outcome::Requeued { body, .. } => {
                ChangeKind::Requeued { body: body.as_ref().map(bytes_of) }
            }
        };
        let (message, at, attempts) = (record.message, record.at, record.attempts);
        Self { message, queue, at, attempts, kind }
    }
}

impl Standing {
    /// How it stands after an outcome at `position`; none when the outcome changes nothing
    /// because a person was faster: an attempt that fails does not undo a hold or a skip,
    /// and nothing undoes a delivery but sending again.
    pub fn after(&self, change: &Change, position: Position) -> Option<Self> {
        use State::{Dead, Delivered, Held, Skipped, Waiting};
        let mut next = Self { changed: change.at, ..self.clone() };
        let state = self.state;
        match &change.kind {
            ChangeKind::Delivered => {
                next.state = Delivered;
                next.attempts = change.attempts;
                next.code = None;
            }
            ChangeKind::Retry { next_try, code } if matches!(state, Waiting | Held) => {
                // A person who asks for a try at once may have looked before the last one.
                next.attempts = self.attempts.max(change.attempts);
                next.next_try = *next_try;
                next.code = Some(code.clone());
            }
            ChangeKind::Dead(code) if matches!(state, Waiting | Held | Dead) => {
                next.state = Dead;
                next.attempts = change.attempts;
                next.code = Some(code.clone());
            }
            ChangeKind::Denied if matches!(state, Waiting | Held | Dead) => {
                next.state = State::Denied;
            }
            ChangeKind::Skipped if !matches!(state, Delivered) => next.state = Skipped,
            ChangeKind::Held if state == Waiting => next.state = Held,
            ChangeKind::Released if state == Held => {
                next.state = Waiting;
                next.place = position;
                next.next_try = Timestamp::default();
            }
            ChangeKind::Requeued { body } => {
                next.state = Waiting;
                next.place = position;
                next.attempts = 0;
                next.next_try = Timestamp::default();
                next.replay = true;
                next.code = None;
                if let Some(bytes) = body {
                    next.body_from = Some(position);
                    next.bytes = *bytes;
                }
            }
            ChangeKind::Retry { .. }
            | ChangeKind::Dead(_)
            | ChangeKind::Denied
            | ChangeKind::Skipped
            | ChangeKind::Held
            | ChangeKind::Released => return None,
        }
        Some(next)
    }

    /// Whether it is still what an attempt leased from `place`: not sent again or let go on
    /// since. What was delivered counts as long as no other body took the place of the one
    /// that was sent.
    pub fn is_of_attempt(&self, place: Position, kind: &ChangeKind) -> bool {
        let same_body = self.body_from.is_none_or(|from| from <= place);
        self.place == place || (*kind == ChangeKind::Delivered && same_body)
    }
}

/// A message without its bodies, trail and leaves, as live queues and the indexer hand it
/// around.
#[derive(Debug)]
pub struct Head {
    pub id: MessageId,
    pub channel: ChannelName,
    pub received: Timestamp,
    pub revision: Revision,
    pub message_type: Arc<str>,
    pub keys: Vec<([u8; 4], [u8; 16])>,
    pub duplicate_key: Option<[u8; 16]>,
    pub owed: Vec<HeadOwed>,
}

/// What a message owes one destination, without the body.
#[derive(Debug)]
pub struct HeadOwed {
    pub queue: QueueId,
    pub lane: LaneKey,
    pub state: State,
    /// Bytes of the body, 0 for none.
    pub bytes: u32,
    pub code: Option<Arc<str>>,
}

impl Head {
    /// Takes what the index needs; `queues` are those of `record.owed`, in order.
    pub fn new(record: &MessageRecord, queues: &[QueueId]) -> Self {
        let owed = record.owed.iter().zip(queues).map(|(owed, queue)| {
            let (bytes, code) = match &owed.fate {
                Fate::Dead(fault) => (0, Some(fault.code.clone())),
                Fate::Deliver(body) => (bytes_of(body), None),
                Fate::Filtered(_) | Fate::Denied(_) | Fate::Held(_) => (0, None),
            };
            HeadOwed { queue: *queue, lane: owed.lane, state: owed.fate.state(), bytes, code }
        });
        Self {
            id: record.id,
            channel: record.channel.clone(),
            received: record.received,
            revision: record.revision.clone(),
            message_type: record.message_type.clone(),
            keys: record
                .keys
                .iter()
                .map(|key| (super::keys::name_hash(&key.name), key.hash))
                .collect(),
            duplicate_key: record.duplicate_key,
            owed: owed.collect(),
        }
    }

    /// How its deliveries stand at the start.
    pub fn standings(&self, position: Position) -> impl Iterator<Item = Standing> + '_ {
        self.owed.iter().map(move |owed| Standing {
            queue: owed.queue,
            lane: owed.lane,
            state: owed.state,
            place: position,
            attempts: 0,
            next_try: Timestamp::default(),
            changed: self.received,
            replay: false,
            bytes: owed.bytes,
            body_from: None,
            code: owed.code.clone(),
        })
    }
}

/// A message in the index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub id: MessageId,
    pub channel: ChannelName,
    pub received: Timestamp,
    pub message_type: Arc<str>,
    pub at: Location,
    pub deliveries: Vec<Standing>,
    /// Outcomes in order: where their entries lie.
    pub outcomes: Vec<(Position, Location)>,
}

/// Outcomes whose places a row keeps. A destination that is down for days retries
/// thousands of times; the row keeps the first ones and the latest.
pub const OUTCOMES_MAX: usize = 64;
/// Of those, the first ones that are always kept.
const OUTCOMES_FIRST: usize = 8;

impl Row {
    /// Notes an outcome's place, dropping one from the middle when there are too many. One
    /// that holds a body in use is never dropped.
    pub fn note(&mut self, position: Position, at: Location) {
        if self.outcomes.len() >= OUTCOMES_MAX {
            let bodies: Vec<Position> =
                self.deliveries.iter().filter_map(|d| d.body_from).collect();
            let spare = self
                .outcomes
                .iter()
                .enumerate()
                .skip(OUTCOMES_FIRST)
                .find(|(_, (p, _))| !bodies.contains(p))
                .map(|(at, _)| at);
            if let Some(spare) = spare {
                self.outcomes.remove(spare);
            }
        }
        self.outcomes.push((position, at));
    }
}

/// A waiting delivery in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueItem {
    pub message: MessageId,
    pub at: Location,
    pub lane: LaneKey,
    pub attempts: u32,
    pub next_try: Timestamp,
    /// When the pause before it began.
    pub since: Timestamp,
    pub replay: bool,
    pub bytes: u32,
    pub body_from: Option<Position>,
}

/// A consent in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRow {
    pub version: u64,
    pub deleted: bool,
    pub at: Location,
    pub patients: Vec<[u8; 16]>,
}

/// Committed deliveries and how they stand, in the order of `State::ALL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub committed: u64,
    pub states: [u64; 7],
    /// Bytes of the bodies that wait.
    pub waiting_bytes: u64,
}

impl Counts {
    /// Those of a queue among the counts of all, grown to it.
    pub fn of_queue(all: &mut Vec<Self>, queue: QueueId) -> &mut Self {
        let slot = queue.slot();
        if all.len() <= slot {
            all.resize(slot + 1, Self::default());
        }
        #[expect(clippy::indexing_slicing, reason = "made large enough just above")]
        &mut all[slot]
    }

    pub fn commit(&mut self, standing: &Standing) {
        self.committed += 1;
        self.enter(standing);
    }

    fn enter(&mut self, standing: &Standing) {
        if let Some(count) = self.states.get_mut(standing.state as usize) {
            *count += 1;
        }
        if standing.state == State::Waiting {
            self.waiting_bytes += u64::from(standing.bytes);
        }
    }

    pub fn shift(&mut self, from: &Standing, to: &Standing) {
        if let Some(count) = self.states.get_mut(from.state as usize) {
            *count = count.saturating_sub(1);
        }
        if from.state == State::Waiting {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(u64::from(from.bytes));
        }
        self.enter(to);
    }

    pub fn of(&self, state: State) -> u64 {
        self.states.get(state as usize).copied().unwrap_or(0)
    }

    pub fn add_removed(&mut self, totals: &[u64; 8]) {
        let [committed, states @ ..] = totals;
        self.committed += committed;
        for (count, more) in self.states.iter_mut().zip(states) {
            *count += more;
        }
    }

    pub fn unaccounted(&self) -> i64 {
        let sum: u64 = self.states.iter().sum();
        i64::try_from(self.committed).unwrap_or(i64::MAX) - i64::try_from(sum).unwrap_or(i64::MAX)
    }
}
