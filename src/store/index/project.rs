//! The projection: entries to rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::row::{Change, ConsentRow, Counts, Head, QueueId, QueueItem, Row, Standing};
use super::{Changes, Index, Location, Position, RecordsChange, keys};
use crate::base::{MessageId, Timestamp};
use crate::fault::{Fault, codes};
use crate::message::{LaneKey, State};

/// An entry of the journal, as far as the index is concerned.
#[derive(Clone, Debug)]
pub enum Event {
    Message {
        position: Position,
        at: Location,
        head: Arc<Head>,
    },
    Outcome {
        position: Position,
        at: Location,
        change: Change,
    },
    Consent {
        position: Position,
        at: Location,
        consent: ConsentChange,
    },
    Settings {
        position: Position,
        values: Vec<(Arc<str>, Arc<str>)>,
    },
    Records {
        position: Position,
        at: Location,
        records: Arc<RecordsChange>,
    },
    /// An entry about things the index no longer holds.
    Nothing {
        position: Position,
    },
}

/// A version of a consent.
#[derive(Clone, Debug)]
pub struct ConsentChange {
    pub id: Arc<str>,
    pub version: u64,
    pub deleted: bool,
    pub patients: Vec<[u8; 16]>,
}

impl Event {
    pub fn position(&self) -> Position {
        match self {
            Self::Message { position, .. }
            | Self::Outcome { position, .. }
            | Self::Consent { position, .. }
            | Self::Settings { position, .. }
            | Self::Records { position, .. }
            | Self::Nothing { position } => *position,
        }
    }
}

/// One batch in the making. Rows are changed in memory and written once; a key put and
/// taken within the batch, as of a message delivered at once, is never written.
pub(super) struct Work<'a> {
    index: &'a mut Index,
    pub(super) changes: Changes,
    /// Keys that this batch put and the index did not hold before.
    new: HashSet<Vec<u8>>,
    rows: HashMap<Position, Row>,
    ids: HashMap<MessageId, Position>,
    counted: HashSet<QueueId>,
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    postcard::to_stdvec(value)
        .map_err(|_| Fault::new(codes::W9001).because("an index row cannot be encoded"))
}

/// Decodes a row of the index.
///
/// # Errors
/// `W6009` when it is not one.
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    postcard::from_bytes(bytes)
        .map_err(|_| Fault::new(codes::W6009).because("a row of the index does not decode"))
}

impl Index {
    /// Applies events in order of their positions, in one batch with the position reached.
    ///
    /// # Errors
    /// `W6009`; nothing is applied then, in memory or on disk.
    pub fn apply(&mut self, events: &[Event]) -> Result<(), Fault> {
        let Some(last) = events.last().map(Event::position) else { return Ok(()) };
        let rising = events.first().is_some_and(|first| first.position() > self.position)
            && events.is_sorted_by(|a, b| a.position() < b.position());
        if !rising {
            // Counting an entry twice would be worse than to stop.
            return Err(Fault::new(codes::W9001).because("the index was given entries twice"));
        }
        let before = self.counts.clone();
        let done = self.try_apply(events, last);
        if done.is_err() {
            self.counts = before;
        }
        done
    }

    fn try_apply(&mut self, events: &[Event], last: Position) -> Result<(), Fault> {
        let mut work = Work::new(self);
        for event in events {
            work.event(event)?;
        }
        work.finish(last)
    }

    /// Takes messages away whose segment was removed; what they counted stays counted.
    ///
    /// # Errors
    /// `W6009`.
    pub fn forget(&mut self, heads: &[(Position, Arc<Head>)], segment: u32) -> Result<(), Fault> {
        let last = self.position;
        let mut work = Work::new(self);
        for (position, head) in heads {
            work.forget(*position, head)?;
        }
        work.changes.insert(keys::removed(segment), Some(Vec::new()));
        work.finish(last)
    }

    /// Adds the totals that a removed segment left behind.
    pub fn add_removed(&mut self, queue: QueueId, totals: &[u64; 8]) {
        Counts::of_queue(&mut self.counts, queue).add_removed(totals);
    }

    /// Position of a message.
    ///
    /// # Errors
    /// `W6009`.
    pub fn position_of(&self, id: MessageId) -> Result<Option<Position>, Fault> {
        Ok(self.kv.read(&keys::id(id))?.map(|value| keys::last_number(&value)))
    }

    /// Row of a message.
    ///
    /// # Errors
    /// `W6009`.
    pub fn row(&self, position: Position) -> Result<Option<Row>, Fault> {
        self.kv.read(&keys::message(position))?.map(|value| decode(&value)).transpose()
    }
}

impl<'a> Work<'a> {
    fn new(index: &'a mut Index) -> Self {
        Self {
            index,
            changes: Changes::new(),
            new: HashSet::new(),
            rows: HashMap::new(),
            ids: HashMap::new(),
            counted: HashSet::new(),
        }
    }

    fn put_new(&mut self, key: Vec<u8>, value: Vec<u8>) {
        // A key taken before in this batch is in the index, so taking it again must remove it.
        if self.changes.get(&key) != Some(&None) {
            self.new.insert(key.clone());
        }
        self.changes.insert(key, Some(value));
    }

    fn take(&mut self, key: Vec<u8>) {
        if self.new.remove(&key) {
            self.changes.remove(&key);
        } else {
            self.changes.insert(key, None);
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Message { position, at, head } => self.message(*position, *at, head),
            Event::Outcome { position, at, change } => self.outcome(*position, *at, change),
            Event::Consent { at, consent, .. } => self.consent(*at, consent),
            Event::Settings { position, values } => self.settings(*position, values),
            Event::Records { at, records, .. } => self.records(*at, records),
            Event::Nothing { .. } => Ok(()),
        }
    }

    fn message(&mut self, position: Position, at: Location, head: &Head) -> Result<(), Fault> {
        let row = Row {
            id: head.id,
            channel: head.channel.clone(),
            received: head.received,
            message_type: head.message_type.clone(),
            at,
            deliveries: head.standings(position).collect(),
            outcomes: Vec::new(),
        };
        self.changes.insert(keys::id(head.id), Some(position.to_be_bytes().to_vec()));
        for (name, hash) in &head.keys {
            self.changes.insert(keys::search(&(*name, *hash), position), Some(Vec::new()));
        }
        if let Some(hash) = &head.duplicate_key {
            let value = duplicate_value(head.id, head.received);
            self.changes.insert(keys::duplicate(keys::epoch(position), hash), Some(value));
        }
        for standing in &row.deliveries {
            Counts::of_queue(&mut self.index.counts, standing.queue).commit(standing);
            self.counted.insert(standing.queue);
            self.enter(position, &row, standing)?;
        }
        self.ids.insert(head.id, position);
        self.rows.insert(position, row);
        Ok(())
    }

    fn load(&mut self, id: MessageId) -> Result<Option<Position>, Fault> {
        if let Some(position) = self.ids.get(&id) {
            return Ok(Some(*position));
        }
        let Some(position) = self.index.position_of(id)? else { return Ok(None) };
        let Some(row) = self.index.row(position)? else { return Ok(None) };
        self.ids.insert(id, position);
        self.rows.insert(position, row);
        Ok(Some(position))
    }

    fn outcome(
        &mut self,
        at_position: Position,
        at: Location,
        change: &Change,
    ) -> Result<(), Fault> {
        // An outcome of a message that is no more, as its keep time was over.
        let Some(position) = self.load(change.message)? else { return Ok(()) };
        let Some(mut row) = self.rows.remove(&position) else { return Ok(()) };
        let found = row.deliveries.iter().position(|d| d.queue == change.queue);
        row.note(at_position, at);
        if let Some(found) = found
            && let Some(old) = row.deliveries.get(found).cloned()
            && let Some(new) = old.after(change, at_position)
        {
            self.leave(position, &old);
            Counts::of_queue(&mut self.index.counts, old.queue).shift(&old, &new);
            self.counted.insert(old.queue);
            self.enter(position, &row, &new)?;
            if let Some(place) = row.deliveries.get_mut(found) {
                *place = new;
            }
        }
        self.rows.insert(position, row);
        Ok(())
    }

    fn enter(&mut self, position: Position, row: &Row, standing: &Standing) -> Result<(), Fault> {
        let Standing { queue, lane, state, place, .. } = *standing;
        if state == State::Waiting {
            let item = QueueItem {
                message: row.id,
                at: row.at,
                lane,
                attempts: standing.attempts,
                next_try: standing.next_try,
                since: standing.changed,
                replay: standing.replay,
                bytes: standing.bytes,
                body_from: standing.body_from,
            };
            let value = [lane.0.to_be_bytes().as_slice(), &encode(&item)?].concat();
            self.put_new(keys::queue(queue, place), value);
        }
        if !matches!(state, State::Delivered | State::Filtered) {
            self.put_new(keys::state(state, position, queue), Vec::new());
        }
        Ok(())
    }

    fn leave(&mut self, position: Position, standing: &Standing) {
        let Standing { queue, state, place, .. } = *standing;
        if state == State::Waiting {
            self.take(keys::queue(queue, place));
        }
        if !matches!(state, State::Delivered | State::Filtered) {
            self.take(keys::state(state, position, queue));
        }
    }

    pub(super) fn current(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.index.kv.read(key),
        }
    }

    /// Settings that pruning appended again count only where nothing newer was set; so an
    /// empty value is kept as such.
    fn settings(
        &mut self,
        position: Position,
        values: &[(Arc<str>, Arc<str>)],
    ) -> Result<(), Fault> {
        let carried = values.iter().find(|(name, _)| &**name == CARRIED);
        let carried = carried.and_then(|(_, last)| last.parse::<Position>().ok());
        for (name, value) in values.iter().filter(|(name, _)| &**name != CARRIED) {
            // An index made anew reads of answers to messages that are no more.
            if let Some(message) = keys::answered_message(name)
                && self.load(message)?.is_none()
            {
                continue;
            }
            let key = keys::setting(name);
            // So does the end of a mark, which otherwise hides older ones.
            if value.is_empty()
                && let Some(message) = keys::marked_message(name)
                && self.load(message)?.is_none()
            {
                self.changes.insert(key, None);
                continue;
            }
            if let Some(last) = carried
                && let Some(current) = self.current(&key)?
                && read_setting(&current).is_some_and(|(at, _)| at > last)
            {
                continue;
            }
            let value = [&position.to_be_bytes(), value.as_bytes()].concat();
            self.changes.insert(key, Some(value));
        }
        Ok(())
    }

    fn consent(&mut self, at: Location, consent: &ConsentChange) -> Result<(), Fault> {
        let key = keys::consent(&consent.id);
        if let Some(old) = self.current(&key)? {
            let old: ConsentRow = decode(&old)?;
            // One that pruning appended again, while a newer one came.
            if old.version > consent.version {
                return Ok(());
            }
            for patient in &old.patients {
                self.changes.insert(keys::patient(patient, &consent.id), None);
            }
        }
        for patient in &consent.patients {
            self.changes.insert(keys::patient(patient, &consent.id), Some(Vec::new()));
        }
        let row = ConsentRow {
            version: consent.version,
            deleted: consent.deleted,
            at,
            patients: consent.patients.clone(),
        };
        self.changes.insert(key, Some(encode(&row)?));
        Ok(())
    }

    fn forget(&mut self, position: Position, head: &Head) -> Result<(), Fault> {
        if let Some(row) = self.index.row(position)? {
            for standing in &row.deliveries {
                self.leave(position, standing);
            }
        }
        self.changes.insert(keys::message(position), None);
        self.changes.insert(keys::id(head.id), None);
        let about = std::iter::once(keys::answered(head.id));
        for name in about.chain(keys::marks(&head.channel, head.id)) {
            let key = keys::setting(&name);
            if self.index.kv.read(&key)?.is_some() {
                self.changes.insert(key, None);
            }
        }
        for (name, hash) in &head.keys {
            self.changes.insert(keys::search(&(*name, *hash), position), None);
        }
        if let Some(hash) = &head.duplicate_key {
            let key = keys::duplicate(keys::epoch(position), hash);
            let ours = duplicate_value(head.id, head.received);
            if self.index.kv.read(&key)?.is_some_and(|value| value == ours) {
                self.changes.insert(key, None);
            }
        }
        Ok(())
    }

    fn finish(mut self, last: Position) -> Result<(), Fault> {
        for (position, row) in std::mem::take(&mut self.rows) {
            self.changes.insert(keys::message(position), Some(encode(&row)?));
        }
        for queue in std::mem::take(&mut self.counted) {
            let counts = encode(Counts::of_queue(&mut self.index.counts, queue))?;
            self.changes.insert(keys::counts(queue), Some(counts));
        }
        let names = self.index.names.all(self.index.named);
        for (at, name) in names.iter().enumerate() {
            let slot = u32::try_from(self.index.named + at).unwrap_or(u32::MAX);
            let queue = QueueId(slot);
            self.changes.insert(keys::names(queue), Some(encode(name)?));
            let counts = encode(Counts::of_queue(&mut self.index.counts, queue))?;
            self.changes.insert(keys::counts(queue), Some(counts));
        }
        self.changes.insert(keys::POSITION.to_vec(), Some(last.to_be_bytes().to_vec()));
        self.index.kv.apply(self.changes)?;
        self.index.named += names.len();
        self.index.position = last;
        Ok(())
    }
}

/// Setting by which pruning marks settings that it appends again: the position up to which
/// they were current.
pub const CARRIED: &str = "!carried";

/// Position and text of a setting.
pub fn read_setting(value: &[u8]) -> Option<(Position, &[u8])> {
    let (position, text) = value.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*position), text))
}

/// Lane and item under a place of a queue.
///
/// # Errors
/// `W6009` when it is not one.
pub fn read_item(value: &[u8]) -> Result<(LaneKey, QueueItem), Fault> {
    let (lane, item) = value.split_at_checked(8).unwrap_or_default();
    Ok((LaneKey(keys::last_number(lane)), decode(item)?))
}

/// Message id and arrival under a duplicate key.
pub fn duplicate_value(id: MessageId, received: Timestamp) -> Vec<u8> {
    let mut value = id.to_bytes().to_vec();
    value.extend_from_slice(&received.micros().to_be_bytes());
    value
}

/// Reads what [`duplicate_value`] wrote.
pub fn read_duplicate(value: &[u8]) -> Option<(MessageId, Timestamp)> {
    let (id, rest) = value.split_first_chunk::<16>()?;
    let micros = rest.first_chunk::<8>()?;
    let id = MessageId::from_u128(u128::from_be_bytes(*id));
    Some((id, Timestamp::from_micros(i64::from_be_bytes(*micros))))
}
