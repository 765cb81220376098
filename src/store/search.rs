//! Search and ledger under a filter.
//!
//! One term drives the search, the narrowest there is: an id, a search key, a state that
//! few deliveries have; else all messages are walked, newest or oldest first, within the
//! segments that `since` allows. The other terms are checked on each row.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::time::Duration;

use super::index::row::{Counts, Row};
use super::index::{Index, Order, decode, keys};
use super::{DeliveryRow, LedgerRow, Position, Store};
use crate::base::{ChannelName, DestinationName, MessageId, Timestamp};
use crate::fault::Fault;
use crate::filter::{Facts, Field, Filter, Term};
use crate::message::State;

/// Rows read from the index before the lock is given back for a moment.
const STRIDE: usize = 1024;
/// How far a clock may have been set back and `since` still finds all.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

/// Takes a message with the numbers of its matching deliveries, and says whether to go on.
type Visit<'a> = &'a mut dyn FnMut(Position, &Row, &[usize]) -> Result<ControlFlow<()>, Fault>;
/// Takes a message, and says whether to go on.
type VisitRow<'a> = &'a mut dyn FnMut(Position, &Row) -> Result<ControlFlow<()>, Fault>;

/// What drives a search.
enum Drive {
    /// These positions, no others.
    Positions(BTreeSet<Position>),
    /// Search keys, any of them.
    Keys(Vec<keys::Search>),
    /// States, any of them.
    States(Vec<State>),
    /// All messages.
    All,
}

struct Search<'a> {
    store: &'a Store,
    filter: &'a Filter,
    drive: Drive,
    order: Order,
    first: Position,
    /// Messages whose state is known in memory only: the index has them elsewhere.
    moved: BTreeSet<Position>,
}

impl Store {
    /// Deliveries that match a filter, newest first unless `oldest_first`; at most `limit`,
    /// continuing after the message at position `after`. Deliveries of one message are not
    /// parted: when they do not fit they begin the next page, and a first message with more
    /// than `limit` gives all.
    ///
    /// # Errors
    /// `W6009`.
    pub fn search(
        &self,
        filter: &Filter,
        oldest_first: bool,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Vec<DeliveryRow>, Fault> {
        let order = if oldest_first { Order::Up } else { Order::Down };
        let mut found: Vec<DeliveryRow> = Vec::new();
        self.visit(filter, order, after, &mut |position, row, matching| {
            if !found.is_empty() && found.len() + matching.len() > limit {
                return Ok(ControlFlow::Break(()));
            }
            found.extend(matching.iter().filter_map(|at| self.delivery_row(position, row, *at)));
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Messages that match a filter, those that were refused and owe nothing included;
    /// newest first, at most `limit`, continuing after position `after`.
    ///
    /// # Errors
    /// `W6009`.
    pub fn find_messages(
        &self,
        filter: &Filter,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Vec<(Position, MessageId)>, Fault> {
        let mut found = Vec::new();
        let search = self.plan_search(filter, Order::Down)?;
        search.walk(after, &mut |position, row| {
            let whole = Facts {
                id: row.id,
                channel: row.channel.as_str(),
                destination: None,
                state: None,
                message_type: &row.message_type,
                code: None,
                received: row.received,
            };
            let alone = row.deliveries.is_empty() && search.matches(position, &whole)?;
            if alone || !search.matching(position, row)?.is_empty() {
                found.push((position, row.id));
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// The ledger: for each channel and destination how many were committed and in which
    /// state they are. Terms about channel and destination cost nothing; any other counts
    /// the deliveries that match, one by one, without those past their keep time.
    ///
    /// # Errors
    /// `W6009`.
    pub fn ledger(&self, filter: &Filter) -> Result<Vec<LedgerRow>, Fault> {
        let by_name = |term: &Term| matches!(term.field, Field::Channel | Field::Destination);
        let mut rows = if filter.terms.iter().all(by_name) {
            let mut rows = self.ledger_rows();
            rows.retain(|row| {
                let facts = Facts {
                    id: MessageId::from_u128(0),
                    channel: row.channel.as_str(),
                    destination: Some(row.destination.as_str()),
                    state: None,
                    message_type: "",
                    code: None,
                    received: Timestamp::default(),
                };
                filter.matches(&facts, |_, _| Ok::<_, Fault>(false)) == Ok(true)
            });
            rows
        } else {
            self.count(filter)?
        };
        rows.sort_by(|a, b| (&a.channel, &a.destination).cmp(&(&b.channel, &b.destination)));
        Ok(rows)
    }

    fn count(&self, filter: &Filter) -> Result<Vec<LedgerRow>, Fault> {
        let mut counts: BTreeMap<u32, Counts> = BTreeMap::new();
        self.visit(filter, Order::Up, None, &mut |_, row, matching| {
            for standing in matching.iter().filter_map(|at| row.deliveries.get(*at)) {
                counts.entry(standing.queue.0).or_default().commit(standing);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let rows = counts.into_iter().filter_map(|(queue, counts)| {
            let (channel, destination) =
                self.read().names.name(super::index::row::QueueId(queue))?;
            Some(ledger_row(channel, destination, &counts))
        });
        Ok(rows.collect())
    }

    /// Visits messages with a matching delivery: position, row, numbers of the deliveries.
    fn visit(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<Position>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        let search = self.plan_search(filter, order)?;
        search.walk(after, &mut |position, row| {
            let matching = search.matching(position, row)?;
            if matching.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            visit(position, row, &matching)
        })
    }

    fn delivery_row(&self, position: Position, row: &Row, at: usize) -> Option<DeliveryRow> {
        let standing = row.deliveries.get(at)?;
        let (channel, destination) = self.read().names.name(standing.queue)?;
        Some(DeliveryRow {
            message: row.id,
            channel,
            destination,
            state: standing.state,
            lane: standing.lane,
            position,
            attempts: standing.attempts,
            next_try: standing.next_try,
            received: row.received,
            changed: standing.changed,
            replay: standing.replay,
            code: standing.code.clone(),
            message_type: row.message_type.clone(),
        })
    }

    fn plan_search<'a>(&'a self, filter: &'a Filter, order: Order) -> Result<Search<'a>, Fault> {
        let index = self.read().caught_up()?;
        let wanted = || filter.terms.iter().filter(|term| !term.negated);
        let drive = if let Some(term) = wanted().find(|t| t.field == Field::Id) {
            Drive::Positions(positions_of_ids(&index, &term.any)?)
        } else if let Some((term, name)) =
            wanted().find_map(|t| t.field.key_name().map(|name| (t, name)))
        {
            Drive::Keys(term.any.iter().map(|value| self.search_key(name, value)).collect())
        } else if let Some(term) = wanted().find(|t| t.field == Field::State) {
            let states: Vec<State> =
                State::ALL.into_iter().filter(|s| term.any.iter().any(|n| n == s.name())).collect();
            // Those two have no table: nearly all deliveries end so.
            let common = |s: &State| matches!(s, State::Delivered | State::Filtered);
            if states.iter().any(common) { Drive::All } else { Drive::States(states) }
        } else {
            Drive::All
        };
        let first = filter.since().map_or(1, |since| self.first_since(since));
        let moved = match drive {
            Drive::States(_) => self.moved(&index)?,
            Drive::Positions(_) | Drive::Keys(_) | Drive::All => BTreeSet::new(),
        };
        Ok(Search { store: self, filter, drive, order, first, moved })
    }

    /// Messages with an outcome on its way to disk.
    fn moved(&self, index: &Index) -> Result<BTreeSet<Position>, Fault> {
        let ids: BTreeSet<MessageId> = self.read().live().fresh.keys().map(|k| k.0).collect();
        let mut moved = BTreeSet::new();
        for id in ids {
            moved.extend(index.position_of(id)?);
        }
        Ok(moved)
    }

    fn search_key(&self, name: &str, value: &str) -> keys::Search {
        (keys::name_hash(name), self.read().secret.hash(name, value.trim().as_bytes()))
    }

    /// A position before which nothing arrived after `since`.
    fn first_since(&self, since: Timestamp) -> Position {
        self.read().journal.first_since(since.before(CLOCK_SLACK))
    }
}

fn positions_of_ids(index: &Index, prefixes: &[String]) -> Result<BTreeSet<Position>, Fault> {
    let mut found = BTreeSet::new();
    for prefix in prefixes {
        let range = match prefix.parse::<MessageId>() {
            Ok(id) => Some((id, id)),
            Err(_) => MessageId::range_of_prefix(prefix),
        };
        let Some((first, last)) = range else { continue };
        let (from, to) = (Bound::Included(keys::id(first)), Bound::Included(keys::id(last)));
        index.kv.walk(from, to, Order::Up, &mut |_, value| {
            found.insert(keys::last_number(value));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(found)
}

impl Search<'_> {
    fn walk(&self, after: Option<Position>, visit: VisitRow<'_>) -> Result<(), Fault> {
        let shared = self.store.read();
        let mut at = after;
        loop {
            let rows = {
                let index = shared.caught_up()?;
                self.stride(&index, at)?
            };
            let full = rows.len() >= STRIDE;
            for (position, row) in rows {
                at = Some(position);
                let Some(mut row) = row else { continue };
                shared.overlay(&mut row);
                if visit(position, &row)?.is_break() {
                    return Ok(());
                }
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// The next rows after a position, in order.
    fn stride(
        &self,
        index: &Index,
        after: Option<Position>,
    ) -> Result<Vec<(Position, Option<Row>)>, Fault> {
        let (low, high) = match (self.order, after) {
            (Order::Up, Some(after)) => (self.first.max(after + 1), Position::MAX),
            (Order::Down, Some(after)) => (self.first, after.saturating_sub(1)),
            (_, None) => (self.first, Position::MAX),
        };
        if low > high {
            return Ok(Vec::new());
        }
        if let Drive::All = self.drive {
            let mut rows = Vec::new();
            let from = Bound::Included(keys::message(low));
            let to = Bound::Included(keys::message(high));
            index.kv.walk(from, to, self.order, &mut |key, value| {
                rows.push((keys::last_number(key), Some(decode(value)?)));
                Ok(if rows.len() < STRIDE {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            })?;
            return Ok(rows);
        }
        let positions = self.positions(index, low, high)?;
        positions.into_iter().map(|p| Ok((p, index.row(p)?))).collect()
    }

    /// The next positions of the driving term: of each of its alternatives at most a
    /// stride, merged.
    fn positions(
        &self,
        index: &Index,
        low: Position,
        high: Position,
    ) -> Result<Vec<Position>, Fault> {
        let mut found = BTreeSet::new();
        let mut collect = |from: Vec<u8>, to: Vec<u8>, skip: usize| {
            let mut count = 0;
            let (from, to) = (Bound::Included(from), Bound::Included(to));
            index.kv.walk(from, to, self.order, &mut |key, _| {
                if found.insert(keys::number_at(key, skip)) {
                    count += 1;
                }
                Ok(if count < STRIDE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
        };
        match &self.drive {
            Drive::Positions(positions) => found.extend(positions.range(low..=high)),
            Drive::Keys(searches) => {
                let (first, last) = (keys::epoch(low), keys::epoch(high.min(index.position)));
                let mut epochs: Vec<u32> = (first..=last).collect();
                if self.order == Order::Down {
                    epochs.reverse();
                }
                for epoch in epochs {
                    for search in searches {
                        let prefix = keys::search_prefix(epoch, search);
                        let key = |p: Position| [prefix.as_slice(), &p.to_be_bytes()].concat();
                        collect(key(low), key(high), prefix.len())?;
                    }
                }
            }
            Drive::States(states) => {
                for state in states {
                    let mut to = keys::state_at(*state, high);
                    to.extend_from_slice(&[u8::MAX; 4]);
                    collect(keys::state_at(*state, low), to, 2)?;
                }
            }
            Drive::All => {}
        }
        found.extend(self.moved.range(low..=high));
        let mut positions: Vec<Position> = found.into_iter().collect();
        if self.order == Order::Down {
            positions.reverse();
        }
        positions.truncate(STRIDE);
        Ok(positions)
    }

    fn matches(&self, position: Position, facts: &Facts<'_>) -> Result<bool, Fault> {
        self.filter.matches(facts, |name, value| {
            let key = self.store.search_key(name, value);
            self.store.read().kv.has(&keys::search(&key, position))
        })
    }

    /// Numbers of the deliveries of a row that match.
    fn matching(&self, position: Position, row: &Row) -> Result<Vec<usize>, Fault> {
        let mut matching = Vec::new();
        for (at, standing) in row.deliveries.iter().enumerate() {
            let name = self.store.read().names.name(standing.queue);
            let facts = Facts {
                id: row.id,
                channel: row.channel.as_str(),
                destination: name.as_ref().map(|(_, destination)| destination.as_str()),
                state: Some(standing.state),
                message_type: &row.message_type,
                code: standing.code.as_deref(),
                received: row.received,
            };
            if self.matches(position, &facts)? {
                matching.push(at);
            }
        }
        Ok(matching)
    }
}

/// A ledger row from counts.
pub fn ledger_row(
    channel: ChannelName,
    destination: DestinationName,
    counts: &Counts,
) -> LedgerRow {
    LedgerRow {
        channel,
        destination,
        committed: counts.committed,
        waiting: counts.of(State::Waiting),
        held: counts.of(State::Held),
        delivered: counts.of(State::Delivered),
        filtered: counts.of(State::Filtered),
        denied: counts.of(State::Denied),
        skipped: counts.of(State::Skipped),
        dead: counts.of(State::Dead),
        unaccounted: counts.unaccounted(),
    }
}
