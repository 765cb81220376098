//! One queue in memory: a window on the deliveries that wait for one destination.
//!
//! The index holds them all; the window holds at most [`WINDOW_MAX`] and one for each lane
//! that waits for its next attempt. Within a lane, order is order of place. The window
//! knows everything up to its horizon, but for lanes that are full: those go on from the
//! index by themselves, so that one blocked lane neither fills the window nor starves the
//! others. A lane with a leased head gives nothing else.
//!
//! A held delivery is not in its lane: it blocks nothing, and when released goes to the
//! lane's end. A dead one is out as well. Nothing here reads a clock or a disk.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Position;
use super::index::row::{Head, QueueItem, Standing};
use super::journal::Location;
use crate::base::{MessageId, Timestamp};
use crate::message::{Body, LaneKey, State};

/// Deliveries in memory per queue, bodies aside: a second or more of the fastest courier,
/// so that reading on from the index is rare.
pub const WINDOW_MAX: usize = 4096;
/// Deliveries in memory per lane while there are many.
pub const LANE_MAX: usize = 256;
/// Below this a lane that goes on in the index is filled again.
const LANE_LOW: usize = 64;
/// Lanes filled from the index in one walk over the queue.
const LANES_AT_ONCE: usize = 1024;
/// Blocked lanes in memory per queue; each costs about 150 bytes. Past this, lanes that
/// come later wait until others are done.
const BLOCKED_MAX: usize = 65_536;

/// How far the clock may seem to be behind: workers look at it before they wait for one
/// another. More was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// One waiting delivery.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub message: MessageId,
    pub at: Location,
    pub lane: LaneKey,
    pub place: Position,
    pub attempts: u32,
    pub next_try: Timestamp,
    /// When the pause before `next_try` began.
    pub since: Timestamp,
    pub replay: bool,
    pub bytes: u32,
    pub body_from: Option<Position>,
    /// Handed over in memory, sparing a read of the journal.
    pub live: Option<Handed>,
}

/// What the courier needs of a message, handed over in memory.
#[derive(Clone, Debug)]
pub struct Handed {
    pub body: Body,
    pub original: Body,
    pub head: Arc<Head>,
}

impl Handed {
    /// Bytes of content that it keeps in memory: those of a body that is the original
    /// count once, those of an original that several destinations get for each of them.
    pub fn bytes(&self) -> usize {
        let same = self.body.bytes.as_ptr() == self.original.bytes.as_ptr();
        self.body.bytes.len() + if same { 0 } else { self.original.bytes.len() }
    }
}

impl Waiting {
    pub fn from_item(item: QueueItem, place: Position) -> Self {
        Self {
            message: item.message,
            at: item.at,
            lane: item.lane,
            place,
            attempts: item.attempts,
            next_try: item.next_try,
            since: item.since,
            replay: item.replay,
            bytes: item.bytes,
            body_from: item.body_from,
            live: None,
        }
    }

    pub fn from_standing(message: MessageId, at: Location, standing: &Standing) -> Self {
        Self {
            message,
            at,
            lane: standing.lane,
            place: standing.place,
            attempts: standing.attempts,
            next_try: standing.next_try,
            since: standing.changed,
            replay: standing.replay,
            bytes: standing.bytes,
            body_from: standing.body_from,
            live: None,
        }
    }

    /// How it stands; its last code and change are not kept here.
    pub fn standing(&self, queue: super::index::row::QueueId) -> Standing {
        Standing {
            queue,
            lane: self.lane,
            state: State::Waiting,
            place: self.place,
            attempts: self.attempts,
            next_try: self.next_try,
            changed: Timestamp::default(),
            replay: self.replay,
            bytes: self.bytes,
            body_from: self.body_from,
            code: None,
        }
    }
}

/// Where a lane stands in the order of leasing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Armed {
    #[default]
    No,
    Ready(Position),
    Timed(Timestamp, Position),
}

#[derive(Debug, Default)]
struct Lane {
    entries: VecDeque<Waiting>,
    leased: Option<MessageId>,
    /// The lane goes on in the index behind `loaded`.
    more: bool,
    /// Largest place that was ever taken into the lane.
    loaded: Position,
    armed: Armed,
}

/// What the window needs from the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Deliveries of any lane, from behind the horizon.
    Horizon(Position),
    /// Deliveries of these lanes, up to the horizon where there is one.
    Lanes(Vec<LaneWant>, Option<Position>),
}

/// What one lane needs from the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneWant {
    pub lane: LaneKey,
    /// Everything up to here is in memory.
    pub after: Position,
    /// How many more it takes.
    pub room: usize,
}

/// One queue.
#[derive(Debug, Default)]
pub struct Queue {
    lanes: HashMap<LaneKey, Lane>,
    ready: BTreeSet<(Position, LaneKey)>,
    timed: BTreeSet<(Timestamp, Position, LaneKey)>,
    leases: HashMap<MessageId, LaneKey>,
    hungry: HashSet<LaneKey>,
    total: usize,
    /// Everything waiting up to here is in a lane or behind a full one.
    horizon: Position,
    /// There is nothing behind the horizon: it moves with what comes.
    complete: bool,
    /// Latest beginning of a pause that was armed, since the clock was last found set back.
    youngest: Timestamp,
    /// Bytes of content in memory.
    pub live_bytes: usize,
}

impl Queue {
    /// A queue of which the index knows nothing yet.
    pub fn complete() -> Self {
        Self { complete: true, ..Self::default() }
    }

    /// Deliveries that count towards the window: blocked lanes have one beside it.
    fn used(&self) -> usize {
        self.total.saturating_sub(self.timed.len().min(BLOCKED_MAX))
    }

    /// Whether blocked lanes keep their head only.
    fn is_tight(&self) -> bool {
        !self.complete || self.total > WINDOW_MAX / 2
    }

    /// Offers a delivery that has just become waiting; false when it stays in the index for
    /// now. Offers come in order of place.
    pub fn offer(&mut self, waiting: Waiting) -> bool {
        if !self.complete {
            return false;
        }
        if self.used() >= WINDOW_MAX {
            self.complete = false;
            let blocked: Vec<LaneKey> = self.timed.iter().map(|(.., lane)| *lane).collect();
            blocked.into_iter().for_each(|lane| self.shorten(lane));
            self.horizon = waiting.place.saturating_sub(1);
            return false;
        }
        self.push(waiting)
    }

    /// Takes a delivery read from the index behind the horizon, in order of place.
    pub fn refill(&mut self, waiting: Waiting) {
        self.horizon = self.horizon.max(waiting.place);
        self.push(waiting);
    }

    /// Begins to fill one lane from the index: what is offered now is what comes next.
    pub fn begin_lane(&mut self, lane: LaneKey) {
        if let Some(found) = self.lanes.get_mut(&lane) {
            found.more = false;
        }
    }

    /// Takes a delivery read from the index for one lane.
    pub fn refill_lane(&mut self, waiting: Waiting) {
        self.push(waiting);
    }

    /// Ends a refill: `complete` when nothing is left behind, else up to where it went.
    pub fn refilled(&mut self, horizon: Position, complete: bool) {
        self.horizon = self.horizon.max(horizon);
        self.complete |= complete;
    }

    /// Ends the refill of one lane that was wanted up to `asked`: everything up to `reached`
    /// is in memory, unless the lane is full, and `more` may follow.
    pub fn refilled_lane(
        &mut self,
        lane: LaneKey,
        asked: Option<Position>,
        reached: Position,
        more: bool,
    ) {
        self.hungry.remove(&lane);
        // The window was full meanwhile: what came to the lane before was left to this refill,
        // which did not read that far, and now lies before the horizon.
        let cut = asked.is_none() && !self.complete;
        if let Some(found) = self.lanes.get_mut(&lane) {
            if !found.more {
                found.loaded = found.loaded.max(reached);
            }
            found.more |= more || cut;
        }
        self.arm(lane);
    }

    fn push(&mut self, waiting: Waiting) -> bool {
        let key = waiting.lane;
        let tight = self.is_tight();
        let lane = self.lanes.entry(key).or_default();
        if lane.more || waiting.place <= lane.loaded {
            return false;
        }
        let blocked = matches!(lane.armed, Armed::Timed(..)) && tight;
        if lane.entries.len() >= LANE_MAX || (blocked && !lane.entries.is_empty()) {
            lane.more = true;
            return false;
        }
        lane.loaded = waiting.place;
        self.live_bytes += waiting.live.as_ref().map_or(0, Handed::bytes);
        lane.entries.push_back(waiting);
        self.total += 1;
        if lane.entries.len() == 1 {
            self.arm(key);
        }
        true
    }

    /// Puts a lane where it belongs after its head, lease or length changed.
    fn arm(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        match std::mem::take(&mut lane.armed) {
            Armed::No => {}
            Armed::Ready(place) => {
                self.ready.remove(&(place, key));
            }
            Armed::Timed(at, place) => {
                self.timed.remove(&(at, place, key));
            }
        }
        let timed = match lane.entries.front() {
            Some(head) if lane.leased.is_none() => {
                if head.next_try > Timestamp::default() {
                    self.youngest = self.youngest.max(head.since);
                    lane.armed = Armed::Timed(head.next_try, head.place);
                    self.timed.insert((head.next_try, head.place, key));
                    true
                } else {
                    lane.armed = Armed::Ready(head.place);
                    self.ready.insert((head.place, key));
                    false
                }
            }
            Some(_) => false,
            None if lane.leased.is_none() && !lane.more => {
                // What is gone is known up to the horizon; the lane may begin anew.
                if self.complete || lane.loaded <= self.horizon {
                    self.lanes.remove(&key);
                }
                self.hungry.remove(&key);
                return;
            }
            None => false,
        };
        let (count, more) = (lane.entries.len(), lane.more);
        if timed && count > 1 && self.is_tight() {
            self.shorten(key);
        } else if more && count <= LANE_LOW && !timed {
            self.hungry.insert(key);
        }
    }

    /// Leaves only the head of a blocked lane in memory.
    fn shorten(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if lane.entries.len() < 2 {
            return;
        }
        for gone in lane.entries.drain(1..) {
            self.total -= 1;
            self.live_bytes -= gone.live.as_ref().map_or(0, Handed::bytes);
        }
        lane.more = true;
        lane.loaded = lane.entries.front().map_or(0, |head| head.place);
    }

    /// What to read from the index before leasing goes on, if anything.
    pub fn want(&self) -> Option<Want> {
        if !self.complete && self.used() < WINDOW_MAX / 2 {
            return Some(Want::Horizon(self.horizon));
        }
        let wants: Vec<LaneWant> = self
            .hungry
            .iter()
            .take(LANES_AT_ONCE)
            .map(|key| {
                let lane = self.lanes.get(key);
                let after = lane.map_or(0, |lane| lane.loaded);
                let room = LANE_MAX.saturating_sub(lane.map_or(0, |lane| lane.entries.len()));
                LaneWant { lane: *key, after, room }
            })
            .collect();
        let horizon = (!self.complete).then_some(self.horizon);
        (!wants.is_empty()).then_some(Want::Lanes(wants, horizon))
    }

    /// Deliveries that may still be taken before the window is full.
    pub fn free(&self) -> usize {
        WINDOW_MAX.saturating_sub(self.used())
    }

    /// Begins pauses anew that lie in the future altogether: the clock was set back, and
    /// by its new time they would last as much longer as it was set.
    fn rearm(&mut self, now: Timestamp) {
        let latest = now.after(CLOCK_SLACK);
        if self.youngest <= latest {
            return;
        }
        self.youngest = Timestamp::default();
        let timed: Vec<LaneKey> = self.timed.iter().map(|(.., lane)| *lane).collect();
        for key in timed {
            let head = self.lanes.get_mut(&key).and_then(|lane| lane.entries.front_mut());
            if let Some(head) = head.filter(|head| head.since > latest) {
                head.next_try = now.after(head.next_try.since(head.since));
                head.since = now;
            }
            self.arm(key);
        }
    }

    /// Leases up to `max` heads that are due, in order of place.
    pub fn lease(&mut self, now: Timestamp, max: usize) -> Vec<Waiting> {
        self.rearm(now);
        while let Some((at, place, key)) = self.timed.first().copied() {
            if at > now {
                break;
            }
            self.timed.pop_first();
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.armed = Armed::Ready(place);
            }
            self.ready.insert((place, key));
        }
        let mut leased = Vec::new();
        while leased.len() < max
            && let Some((_, key)) = self.ready.pop_first()
        {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.armed = Armed::No;
            let Some(head) = lane.entries.front_mut() else { continue };
            lane.leased = Some(head.message);
            self.leases.insert(head.message, key);
            let live = head.live.take();
            self.live_bytes -= live.as_ref().map_or(0, Handed::bytes);
            leased.push(Waiting { live, ..head.clone() });
            if lane.more && lane.entries.len() <= LANE_LOW {
                self.hungry.insert(key);
            }
        }
        leased
    }

    /// The delivery of a message in memory, given its lane when known.
    pub fn find(&self, message: MessageId, lane: Option<LaneKey>) -> Option<&Waiting> {
        let lane = self.lanes.get(&lane.or_else(|| self.leases.get(&message).copied())?)?;
        lane.entries.iter().find(|w| w.message == message)
    }

    /// Whether this very delivery is leased: the message, and the place it was leased from.
    pub fn is_leased(&self, message: MessageId, key: LaneKey, place: Position) -> bool {
        self.leases.get(&message) == Some(&key)
            && self.find(message, Some(key)).is_some_and(|waiting| waiting.place == place)
    }

    /// Ends the lease of a message, if it has one.
    pub fn unlease(&mut self, message: MessageId) {
        if let Some(key) = self.leases.remove(&message) {
            if let Some(lane) = self.lanes.get_mut(&key)
                && lane.leased == Some(message)
            {
                lane.leased = None;
            }
            self.arm(key);
        }
    }

    /// Takes a delivery out, wherever it is in its lane.
    pub fn remove(&mut self, message: MessageId, key: LaneKey, place: Position) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let found = lane.entries.iter().position(|w| w.message == message && w.place == place);
        if let Some(gone) = found.and_then(|at| lane.entries.remove(at)) {
            self.total -= 1;
            self.live_bytes -= gone.live.as_ref().map_or(0, Handed::bytes);
        }
        self.arm(key);
    }

    /// Notes the next attempt of a delivery that stays in its place.
    pub fn retry(&mut self, message: MessageId, new: &Standing) {
        let key = new.lane;
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if let Some(found) = lane.entries.iter_mut().find(|w| w.message == message) {
            found.attempts = new.attempts;
            found.next_try = new.next_try;
            found.since = new.changed;
            let live = found.live.take();
            self.live_bytes -= live.map_or(0, |handed| handed.bytes());
        }
        self.arm(key);
    }

    /// Whether leasing at `now` may give something.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        !self.ready.is_empty()
            || self.timed.first().is_some_and(|(at, ..)| *at <= now)
            || self.want().is_some()
    }

    /// Earliest next attempt of a head that waits for one.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timed.first().map(|(at, ..)| *at)
    }

    /// Lanes that wait for their next attempt, and deliveries leased.
    pub fn sizes(&self) -> (usize, usize) {
        (self.timed.len(), self.leases.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn waiting(place: Position, lane: u64) -> Waiting {
        Waiting {
            message: MessageId::new(Timestamp::from_micros(place.cast_signed()), u128::from(place)),
            at: Location::default(),
            lane: LaneKey(lane),
            place,
            attempts: 0,
            next_try: Timestamp::default(),
            since: Timestamp::default(),
            replay: false,
            body_from: None,
            bytes: 0,
            live: None,
        }
    }

    /// A lane longer than memory is read on from the index. While that is under way one more
    /// comes to it, and then the window fills up with others: the one must come all the same,
    /// and before those behind it.
    #[test]
    fn what_comes_while_a_lane_is_read_is_not_left_behind_a_full_window() {
        let long = 7;
        let mut queue = Queue::complete();
        let mut place = 0;
        let mut next = |lane| {
            place += 1;
            waiting(place, lane)
        };
        while queue.offer(next(long)) {}
        let in_index = LANE_MAX as Position + 1;
        for _ in 0..LANE_MAX - LANE_LOW + 1 {
            let head = queue.lease(Timestamp::default(), 1).remove(0);
            queue.remove(head.message, head.lane, head.place);
            queue.unlease(head.message);
        }
        let Some(Want::Lanes(wants, None)) = queue.want() else { panic!("the lane goes on") };
        assert_eq!(wants[0].after, in_index - 1);

        let late = next(long);
        assert!(!queue.offer(late.clone()), "left to the refill");
        let mut others = 1_000;
        while queue.offer(next(others)) {
            others += 1;
        }
        queue.begin_lane(LaneKey(long));
        queue.refill_lane(waiting(in_index, long));
        queue.refilled_lane(LaneKey(long), None, in_index, false);

        for _ in 0..LANE_LOW {
            let head = queue.lease(Timestamp::default(), 1).remove(0);
            assert_eq!(head.lane, LaneKey(long));
            queue.remove(head.message, head.lane, head.place);
            queue.unlease(head.message);
        }
        let lanes = match queue.want() {
            Some(Want::Lanes(wants, Some(horizon))) if horizon >= late.place => wants,
            other => panic!("{other:?}"),
        };
        assert!(lanes.iter().any(|want| want.lane == LaneKey(long) && want.after < late.place));
    }
}
