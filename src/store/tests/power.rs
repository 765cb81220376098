//! Power cuts: what was acknowledged is there afterwards, whatever the disk forgot.
//!
//! `WEIR_SEEDS` sets how many seeds run, `WEIR_SEED` runs one.

use std::collections::BTreeMap;

use super::*;
use crate::message::State;
use crate::ports::sim::SplitMix;
use crate::store::index::row::Standing;

fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    match number("WEIR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WEIR_SEEDS").unwrap_or(default),
    }
}

/// What must be there: by message, the states its delivery may be in. The last settled
/// outcomes may be lost, none before one that is there.
#[derive(Default)]
struct Model {
    /// Acknowledged messages, with each outcome that was settled since.
    states: BTreeMap<u64, Vec<State>>,
    /// Commits whose answer did not come.
    open: Vec<u64>,
    /// How often content was found removed.
    lightened: u64,
}

async fn run_until_cut(store: &Store, random: &SplitMix, next: &mut u64, model: &mut Model) {
    for _ in 0..=random.below(6) {
        let count = 1 + random.below(6);
        let first = *next;
        *next += count;
        let commits: Vec<_> = (first..*next)
            .map(|number| {
                let store = store.clone();
                let lane = random.below(3);
                tokio::spawn(async move { store.commit(message(number, lane)).await })
            })
            .collect();
        // Sometimes the power goes before the answers.
        if random.once_in(8) {
            for _ in 0..random.below(4) {
                tokio::task::yield_now().await;
            }
            model.open.extend(first..*next);
            return;
        }
        for (number, commit) in (first..*next).zip(commits) {
            match commit.await.unwrap() {
                Ok(_) => {
                    model.states.insert(number, vec![State::Waiting]);
                }
                Err(_) => model.open.push(number),
            }
        }
        let at = now().after(Duration::from_secs(random.below(7200)));
        let max = usize::try_from(random.below(4)).unwrap();
        for number in lease(store, "ehr", at, max).await {
            let what = match random.below(4) {
                0 => Outcome::Retry { next_try: at.after(HOUR), fault: fault() },
                1 => Outcome::Dead(fault()),
                _ => delivered(),
            };
            let state = what.state();
            if store.settle(outcome(number, "ehr", what)).await.is_ok() {
                model.states.get_mut(&number).unwrap().push(state);
            }
        }
    }
}

fn check(store: &Store, model: &mut Model, seed: u64) {
    let rows = store.search(&Filter::all(), true, usize::MAX, None).unwrap();
    let found: BTreeMap<u64, State> =
        rows.iter().map(|row| (number_of(row.message), row.state)).collect();
    for (number, states) in &mut model.states {
        let state = found.get(number);
        assert!(
            state.is_some_and(|state| states.contains(state)),
            "seed {seed}: message {number} is {state:?}, must be one of {states:?}"
        );
        states.clear();
        states.extend(state);
        let record = store.message(id(*number)).unwrap().unwrap();
        if record.original.is_removed() {
            model.lightened += 1;
            assert_eq!(state, Some(&State::Delivered), "seed {seed}: message {number}");
        } else {
            assert_eq!(record.original, body(*number), "seed {seed}");
        }
    }
    for number in found.keys().filter(|n| !model.states.contains_key(n)) {
        assert!(model.open.contains(number), "seed {seed}: message {number} came from nowhere");
    }
    for number in model.open.drain(..) {
        if let Some(state) = found.get(&number) {
            model.states.insert(number, vec![*state]);
        }
    }
    store.verify_chain(&|_, _| {}).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    let recount = store.recount(&|_, _| {}).unwrap();
    assert!(recount.agrees(), "seed {seed}: {recount:#?}");
}

/// Bytes cut as torn, and how often content was found removed.
async fn one_seed(seed: u64) -> (u64, u64) {
    let random = SplitMix::new(seed);
    let (mut ports, handles, mut plan) = sim(seed);
    plan.segment_bytes = ByteSize(2048 + random.below(16 << 10));
    plan.commit_each = random.once_in(4);
    let mut model = Model::default();
    let (mut next, mut torn) = (1, 0);
    for _ in 0..3 {
        let opened = Store::open(&ports, &plan, key(), &|_, _| {}).await;
        let (store, recovery) = opened.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        torn += recovery.torn_bytes;
        check(&store, &mut model, seed);
        match random.below(6) {
            0 => handles.disk.fail_syncs(u32::from(random.once_in(2))),
            1 => handles.disk.short_writes(u32::from(random.once_in(2))),
            _ => {}
        }
        run_until_cut(&store, &random, &mut next, &mut model).await;
        if random.once_in(5) {
            // After a broken write closing fails, and must not hang.
            let _ = store.close().await;
        }
        if random.once_in(2) {
            // The power may go at any call while a segment is written anew.
            handles.disk.dies_in(random.once_in(2).then(|| random.below(80)));
            let _ = store.remove_content(now().after(8 * 24 * HOUR)).await;
        }
        handles.disk.fail_syncs(0);
        handles.disk.short_writes(0);
        ports = if random.once_in(3) { handles.kill() } else { handles.power_cut() };
    }
    (torn, model.lightened)
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_any_power_cut() {
    let (mut torn, mut lightened) = (0, 0);
    for seed in seeds(300) {
        let (bytes, times) = one_seed(seed).await;
        torn += u64::from(bytes > 0);
        lightened += times;
    }
    // The property says nothing unless tails are torn and content goes.
    assert!((torn > 0 && lightened > 0) || std::env::var("WEIR_SEED").is_ok());
}

#[test]
fn standing_is_small() {
    // It is kept for each delivery in the window and in each row.
    assert!(size_of::<Standing>() <= 104, "{}", size_of::<Standing>());
}
