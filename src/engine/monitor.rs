//! The monitor: looks at queues, disk and ledger now and then, shows them as metrics,
//! corrects what is counted along, ends drains and prunes.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::channel::{Channel, DRAIN, Pressure, STATES, Target};
use super::core::Disk;
use super::running::Engine;
use crate::base::Timestamp;
use crate::filter::Filter;
use crate::observe::{happened, meter};
use crate::store::QueueRow;

/// Between two looks at queues and disk: the disk can lose some hundred MiB meanwhile,
/// which `min_free` allows for.
const LOOK: Duration = Duration::from_secs(1);

/// Between two sums of the ledger.
const SUM: Duration = Duration::from_secs(30);

/// Between two prunings.
const PRUNE: Duration = Duration::from_secs(600);

/// Starts the monitor and the pruning.
pub(crate) fn spawn(engine: &Engine) {
    let supervisor = &engine.0.core.supervisor;
    let stop = engine.0.core.stop.subscribe();
    let watched = engine.clone();
    let task = supervisor.run("monitor", stop.clone(), move || watch(watched.clone()));
    engine.0.tasks.add(task);
    let pruned = engine.clone();
    engine.0.tasks.add(supervisor.run("prune", stop, move || prune(pruned.clone())));
}

async fn watch(engine: Engine) {
    let core = engine.0.core.clone();
    let mut summed = None;
    loop {
        look_at_disk(&engine);
        look_at_queues(&engine);
        let now = core.ports.clock.monotonic();
        if summed.is_none_or(|last| now.saturating_sub(last) >= SUM) {
            summed = Some(now);
            sum_ledger(&engine);
        }
        if !core.pause_for(LOOK).await {
            return;
        }
    }
}

async fn prune(engine: Engine) {
    let core = engine.0.core.clone();
    while core.pause_for(PRUNE).await {
        let now = core.now();
        let removed = core.store.prune(now).await;
        let lightened = core.store.remove_content(now).await;
        for (row, count) in
            [(&happened::STORE_PRUNED, removed), (&happened::CONTENT_REMOVED, lightened)]
        {
            match count {
                Ok(0) => {}
                Ok(count) => {
                    let mut event = core.event(row);
                    event.count = Some(count);
                    core.observer.emit(event);
                }
                Err(fault) => {
                    core.observer.emit(core.event(&happened::STORE_TROUBLE).fault(&fault));
                }
            }
        }
    }
}

fn look_at_disk(engine: &Engine) {
    let core = &engine.0.core;
    let usage = core.store.usage();
    core.registry.gauge(&meter::STORE_BYTES, &[]).set_count(usage.bytes);
    core.registry.gauge(&meter::STORE_FREE, &[]).set_count(usage.free_bytes);
    let store = &engine.plan().server.store;
    let min_free = store.min_free.0;
    let over = store.max_size.is_some_and(|max| usage.bytes >= max.0);
    let disk = match usage.free_bytes {
        free if free < min_free / 2 || over => Disk::Full,
        free if free < min_free => Disk::Low,
        _ => Disk::Free,
    };
    let was = core.set_disk(disk);
    if disk > was {
        core.observer.emit(core.event(&happened::DISK_LOW));
    } else if disk == Disk::Free && was != Disk::Free {
        core.observer.emit(core.event(&happened::DISK_RECOVERED));
    }
}

fn look_at_queues(engine: &Engine) {
    let core = &engine.0.core;
    let now = core.now();
    let rows = match core.store.queues() {
        Ok(rows) => rows,
        Err(fault) => {
            core.observer.emit(core.event(&happened::STORE_TROUBLE).fault(&fault));
            return;
        }
    };
    for channel in engine.channels() {
        let live = channel.live();
        let mut oldest = None;
        for outlet in &live.outlets {
            let row = rows
                .iter()
                .find(|row| row.channel == channel.name && row.destination == outlet.name);
            let Some(row) = row else { continue };
            outlet.waiting.store(i64::try_from(row.waiting).unwrap_or(0), Ordering::Relaxed);
            let meters = &outlet.meters;
            meters.ready.set_count(row.waiting.saturating_sub(row.retrying));
            meters.retrying.set_count(row.retrying);
            meters.held.set_count(row.held);
            meters.dead_now.set_count(row.dead);
            meters.queue_bytes.set_count(row.bytes);
            let age = row.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
            meters.oldest.set(age.as_secs_f64());
            oldest = oldest.max(row.oldest.map(|oldest| now.since(oldest)));
        }
        let max_age = live.plan.queue.max_age;
        let too_old = max_age.is_some_and(|max| oldest.is_some_and(|age| age > max));
        channel.too_old.store(too_old, Ordering::Relaxed);
        show_pressure(&channel);
        end_drain(&channel);
    }
    show_queues_of_none(engine, &rows, now);
}

/// Queues of channels that do not run, and of destinations that no channel has.
fn show_queues_of_none(engine: &Engine, rows: &[QueueRow], now: Timestamp) {
    let registry = &engine.0.core.registry;
    let runs = |row: &&QueueRow| {
        let live = engine.channel(&row.channel).ok().map(|channel| channel.live());
        live.is_some_and(|live| live.outlets.iter().any(|outlet| outlet.name == row.destination))
    };
    for row in rows.iter().filter(|row| !runs(row)) {
        let to = [row.channel.as_str(), row.destination.as_str()];
        let states = [
            ("ready", row.waiting.saturating_sub(row.retrying)),
            ("retrying", row.retrying),
            ("held", row.held),
            ("dead", row.dead),
        ];
        for (state, count) in states {
            registry.gauge(&meter::QUEUE, &[to[0], to[1], state]).set_count(count);
        }
        let age = row.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        registry.gauge(&meter::QUEUE_OLDEST, &to).set(age.as_secs_f64());
    }
}

fn show_pressure(channel: &Channel) {
    let live = channel.live();
    let (level, free) = match channel.pressure(&live) {
        Pressure::Free => (0.0, true),
        Pressure::Slow(_) => (1.0, false),
        Pressure::Wait(_) | Pressure::Refuse(_) => (2.0, false),
    };
    let was_free = live.meters.pressure.value() == 0.0;
    live.meters.pressure.set(level);
    let row = match (was_free, free) {
        (true, false) => &happened::CHANNEL_SLOWED,
        (false, true) => &happened::CHANNEL_FREED,
        (true, true) | (false, false) => return,
    };
    channel.core.observer.emit(channel.core.event(row).channel(channel.name.shared()));
}

/// Reports a drain that came to its end, once.
fn end_drain(channel: &Channel) {
    let draining = |why: &str| why.starts_with(DRAIN);
    let is = channel.pause_reason(&Target::Source).is_some_and(|why| draining(&why));
    let drained = is && channel.state() == "drained";
    let mut told = channel.drain_told.lock().unwrap_or_else(PoisonError::into_inner);
    if drained && !*told {
        let event = channel.core.event(&happened::DRAINED).channel(channel.name.shared());
        channel.core.observer.emit(event);
        channel.live().meters.state("drained", &STATES);
    }
    *told = drained;
}

fn sum_ledger(engine: &Engine) {
    let core = &engine.0.core;
    let Ok(rows) = core.store.ledger(&Filter::all()) else { return };
    for channel in engine.channels() {
        let missing: i64 = rows
            .iter()
            .filter(|row| row.channel == channel.name)
            .map(|row| row.unaccounted.abs())
            .sum();
        let meters = &channel.live().meters;
        meters.unaccounted.set_count(u64::try_from(missing).unwrap_or(0));
    }
}
