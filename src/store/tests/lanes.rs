//! Order in lanes against a simple model: random commits, leases, outcomes and restarts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::ports::sim::SplitMix;

/// A lane by the book: what waits, in order, with its next attempt.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<(u64, Timestamp)>,
    leased: Option<u64>,
}

#[derive(Default)]
struct Model {
    lanes: BTreeMap<u64, Lane>,
    held: Vec<(u64, u64)>,
    done: Vec<(u64, u64)>,
}

impl Model {
    /// What may be leased at a time: heads that are due, of lanes that are free.
    fn due(&self, at: Timestamp) -> Vec<u64> {
        let free = self.lanes.values().filter(|lane| lane.leased.is_none());
        let heads = free.filter_map(|lane| lane.waiting.front());
        heads.filter(|(_, next)| *next <= at).map(|(number, _)| *number).collect()
    }

    fn take_out(&mut self, lane: u64, number: u64) {
        let lane = self.lanes.get_mut(&lane).unwrap();
        lane.waiting.retain(|(n, _)| *n != number);
        if lane.leased == Some(number) {
            lane.leased = None;
        }
    }
}

struct Run {
    store: Store,
    random: SplitMix,
    model: Model,
    next: u64,
    at: Timestamp,
    lanes: u64,
}

impl Run {
    fn pick<T: Copy>(&self, from: &[T]) -> Option<T> {
        from.get(usize::try_from(self.random.below(from.len() as u64)).unwrap()).copied()
    }

    fn waiting(&self) -> Vec<(u64, u64)> {
        let lanes = self.model.lanes.iter();
        lanes.flat_map(|(key, lane)| lane.waiting.iter().map(|(n, _)| (*key, *n))).collect()
    }

    async fn settle(&self, number: u64, what: Outcome) {
        // Every attempt raises the count.
        static ATTEMPTS: AtomicU32 = AtomicU32::new(2);
        let attempts = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
        let record = OutcomeRecord { attempts, ..outcome(number, "ehr", what) };
        if self.random.once_in(2) {
            self.store.settle(record).await.unwrap();
        } else {
            self.store.commit(Entry::Outcome(Box::new(record))).await.unwrap();
        }
    }

    /// A commit lands what was settled before it, so that what is put at the end of its
    /// lane is there.
    async fn land(&self) {
        let action =
            crate::message::ActionRecord { at: self.at, settings: Vec::new(), leaves: Vec::new() };
        self.store.commit(Entry::Action(Box::new(action))).await.unwrap();
    }

    async fn commit(&mut self) {
        for _ in 0..=self.random.below(20) {
            let lane = self.random.below(self.lanes);
            self.store.commit(message(self.next, lane)).await.unwrap();
            let first = (self.next, Timestamp::default());
            self.model.lanes.entry(lane).or_default().waiting.push_back(first);
            self.next += 1;
        }
    }

    async fn lease(&mut self) {
        let max = usize::try_from(self.random.below(10)).unwrap();
        let mut due = self.model.due(self.at);
        due.sort_unstable();
        let leased = lease(&self.store, "ehr", self.at, max).await;
        for number in &leased {
            assert!(due.contains(number), "{number} leased, due are {due:?}");
        }
        assert_eq!(leased.len(), max.min(due.len()), "due {due:?} leased {leased:?}");
        for number in leased {
            let lanes = self.model.lanes.values_mut();
            let lane = lanes.into_iter().find(|l| l.waiting.front().is_some_and(|h| h.0 == number));
            lane.unwrap().leased = Some(number);
        }
    }

    async fn courier(&mut self) {
        let leased: Vec<(u64, u64)> =
            self.model.lanes.iter().filter_map(|(key, l)| Some((*key, l.leased?))).collect();
        for (lane, number) in leased {
            match self.random.below(5) {
                0 => {
                    let next = self.at.after(Duration::from_secs(self.random.below(4000)));
                    self.settle(number, Outcome::Retry { next_try: next, fault: fault() }).await;
                    let lane = self.model.lanes.get_mut(&lane).unwrap();
                    lane.leased = None;
                    if let Some(head) = lane.waiting.iter_mut().find(|(n, _)| *n == number) {
                        head.1 = next;
                    }
                }
                1 => {
                    self.settle(number, Outcome::Dead(fault())).await;
                    self.model.take_out(lane, number);
                    self.model.done.push((lane, number));
                }
                2 => {}
                _ => {
                    self.settle(number, delivered()).await;
                    self.model.take_out(lane, number);
                    self.model.done.push((lane, number));
                }
            }
        }
    }

    async fn person(&mut self) {
        let leased: Vec<u64> = self.model.lanes.values().filter_map(|l| l.leased).collect();
        let idle: Vec<_> =
            self.waiting().into_iter().filter(|(_, n)| !leased.contains(n)).collect();
        match self.random.below(4) {
            0 => {
                if let Some((lane, number)) = self.pick(&idle) {
                    self.settle(number, Outcome::Held).await;
                    self.model.take_out(lane, number);
                    self.model.held.push((lane, number));
                }
            }
            1 => {
                if let Some((lane, number)) = self.pick(&self.model.held) {
                    self.settle(number, Outcome::Released).await;
                    self.model.held.retain(|(_, n)| *n != number);
                    let lane = self.model.lanes.get_mut(&lane).unwrap();
                    lane.waiting.push_back((number, Timestamp::default()));
                }
            }
            2 => {
                if let Some((lane, number)) = self.pick(&idle) {
                    self.settle(number, Outcome::Skipped).await;
                    self.model.take_out(lane, number);
                    self.model.done.push((lane, number));
                }
            }
            _ => {
                if let Some((lane, number)) = self.pick(&self.model.done) {
                    let body = self.random.once_in(2).then(|| body(number));
                    let revision = Revision("rev-2".into());
                    self.settle(number, Outcome::Requeued { body, revision }).await;
                    self.model.done.retain(|(_, n)| *n != number);
                    let lane = self.model.lanes.get_mut(&lane).unwrap();
                    lane.waiting.push_back((number, Timestamp::default()));
                }
            }
        }
        self.land().await;
    }

    fn check(&self) {
        let rows = self.store.ledger(&Filter::all()).unwrap();
        let Some(row) = rows.first() else { return };
        let waiting = self.waiting().len() as u64;
        assert_eq!((row.waiting, row.held), (waiting, self.model.held.len() as u64));
        assert_eq!((row.committed, row.unaccounted), (self.next - 1, 0));
    }
}

async fn one_seed(seed: u64, steps: u64, lanes: u64) {
    let random = SplitMix::new(seed);
    let (mut ports, handles, plan) = sim(seed);
    let (store, _) = open(&ports, &plan).await;
    let mut run = Run { store, random, model: Model::default(), next: 1, at: now(), lanes };
    for _ in 0..steps {
        match run.random.below(12) {
            0..=2 => run.commit().await,
            3..=5 => run.lease().await,
            6..=8 => run.courier().await,
            9 => run.person().await,
            10 => run.at = run.at.after(Duration::from_secs(run.random.below(3000))),
            _ => {
                run.land().await;
                if run.random.once_in(2) {
                    run.store.close().await.unwrap();
                }
                ports = if run.random.once_in(2) { handles.kill() } else { handles.power_cut() };
                run.store = open(&ports, &plan).await.0;
                run.model.lanes.values_mut().for_each(|lane| lane.leased = None);
            }
        }
        run.check();
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_keep_their_order_through_everything() {
    for seed in 0..60 {
        one_seed(seed, 60, 1 + seed % 9).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_larger_than_the_window_leaves_in_order() {
    let (ports, handles, mut plan) = sim(1);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    let total = 5500;
    let lane_of = |number: u64| if number.is_multiple_of(3) { 0 } else { number % 50 };
    for number in 1..=total {
        store.commit(message(number, lane_of(number))).await.unwrap();
    }
    let drain = async |store: &Store, most: usize| {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        let mut count = 0;
        while count < most {
            let leased = lease(store, "ehr", now(), 64).await;
            if leased.is_empty() {
                break;
            }
            for number in leased {
                let before = last.insert(lane_of(number), number).unwrap_or(0);
                assert!(before < number, "{number} after {before}");
                count += 1;
                store.settle(outcome(number, "ehr", delivered())).await.unwrap();
            }
        }
        count
    };
    let first = drain(&store, 1000).await;
    store.close().await.unwrap();
    let (store, _) = open(&handles.kill(), &plan).await;
    assert_eq!(first + drain(&store, usize::MAX).await, usize::try_from(total).unwrap());
    let row = &store.ledger(&Filter::all()).unwrap()[0];
    assert_eq!((row.delivered, row.waiting), (total, 0));
}

#[tokio::test(start_paused = true)]
async fn blocked_lanes_starve_nobody() {
    let (ports, _handles, mut plan) = sim(1);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    // One lane with more than a window of waiting deliveries, and its head fails.
    for number in 1..=4500 {
        store.commit(message(number, 0)).await.unwrap();
    }
    assert_eq!(lease(&store, "ehr", now(), 64).await, [1]);
    let next_try = now().after(HOUR);
    store.settle(outcome(1, "ehr", Outcome::Retry { next_try, fault: fault() })).await.unwrap();
    for number in 4501..=4510 {
        store.commit(message(number, number)).await.unwrap();
    }
    assert_eq!(lease(&store, "ehr", now(), 64).await, (4501..=4510).collect::<Vec<_>>());
    assert_eq!(store.next_due(&channel(), &destination("ehr")), Some(next_try));
    for number in 1..=4500 {
        assert_eq!(lease(&store, "ehr", next_try, 1).await, [number]);
        store.settle(outcome(number, "ehr", delivered())).await.unwrap();
    }
    let shown = store.queues().unwrap();
    assert_eq!((shown[0].waiting, shown[0].leased, shown[0].retrying), (10, 10, 0));
}

#[tokio::test(start_paused = true)]
async fn many_blocked_lanes_starve_nobody() {
    let (ports, _handles, mut plan) = sim(1);
    plan.segment_bytes = ByteSize(1 << 20);
    let (store, _) = open(&ports, &plan).await;
    let lanes = 4200;
    for number in 1..=2 * lanes {
        store.commit(message(number, number % lanes)).await.unwrap();
    }
    let next_try = now().after(HOUR);
    let mut blocked = 0;
    loop {
        let leased = lease(&store, "ehr", now(), 256).await;
        if leased.is_empty() {
            break;
        }
        for number in leased {
            assert!(number <= lanes, "{number} overtook its head");
            blocked += 1;
            let what = Outcome::Retry { next_try, fault: fault() };
            store.settle(outcome(number, "ehr", what)).await.unwrap();
        }
    }
    assert_eq!(blocked, lanes);
    store.commit(message(20_000, 77_777)).await.unwrap();
    assert_eq!(lease(&store, "ehr", now(), 256).await, [20_000]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_parks_nobody() {
    let (ports, handles, plan) = sim(1);
    let (store, _) = open(&ports, &plan).await;
    let day = 24 * HOUR;
    let ahead = now().after(day);
    for number in 1..=3 {
        store.commit(message(number, number)).await.unwrap();
    }
    assert_eq!(lease(&store, "ehr", ahead, 9).await, [1, 2, 3]);
    for number in 1..=3 {
        let next_try = ahead.after(Duration::from_secs(60 * number));
        let what = Outcome::Retry { next_try, fault: fault() };
        let record = OutcomeRecord { at: ahead, ..outcome(number, "ehr", what) };
        store.commit(Entry::Outcome(Box::new(record))).await.unwrap();
    }
    let check = async |store: &Store| {
        // By the clock set back, each pause is as long as it was meant to be.
        let due = |minutes: u64| now().after(Duration::from_secs(60 * minutes));
        assert_eq!(lease(store, "ehr", now(), 9).await, Vec::<u64>::new());
        assert_eq!(store.next_due(&channel(), &destination("ehr")), Some(due(1)));
        assert_eq!(lease(store, "ehr", due(1), 1).await, [1]);
        assert_eq!(lease(store, "ehr", due(3), 9).await, [2, 3]);
    };
    check(&store).await;
    // Read from the index after a restart as well.
    drop(store);
    let (store, _) = open(&handles.kill(), &plan).await;
    check(&store).await;
}
