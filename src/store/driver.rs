//! Drives the writer: takes what waits, appends it as one batch, tells everybody.
//!
//! In the engine a thread of its own does so, since a sync blocks, and another takes the
//! batches into the index. Under simulated ports a task on the caller's runtime does the
//! same; nothing else runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::Position;
use super::journal::{Append, Appender};
use super::shared::Shared;
use crate::fault::{Fault, codes};
use crate::message::Leaf;

/// Most bytes of one batch: more adds nothing to the rate, only to the wait of the first.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Most entries of one batch.
const BATCH_ENTRIES_MAX: usize = 1024;
/// Entries on disk that the index may lag behind before the writer helps it along.
const PENDING_MAX: usize = 16_384;
/// Entries at which the indexer begins without waiting for its next turn.
pub const PENDING_EAGER: usize = 4096;
/// How long the indexer lets entries gather. A message delivered within this time never
/// touches the queue in the index.
const INDEX_EVERY: Duration = Duration::from_millis(250);
/// Batches between two looks at the free space.
const SPACE_EVERY: u64 = 64;

/// One entry on its way.
pub struct Request {
    pub position: Position,
    pub text: Vec<u8>,
    pub leaves: Vec<Leaf>,
    /// Whom to tell; none when nobody waits.
    pub done: Option<oneshot::Sender<Result<Position, Fault>>>,
    /// Given back when the entry is on disk.
    pub permit: OwnedSemaphorePermit,
}

/// The writer with what it works for.
pub struct Driver {
    pub writer: Box<dyn Appender>,
    pub shared: Arc<Shared>,
    pub requests: mpsc::UnboundedReceiver<Request>,
    batches: u64,
    /// Prepares a spare segment.
    preparing: Option<JoinHandle<()>>,
    /// Ends that early.
    ending: Arc<AtomicBool>,
}

impl Driver {
    pub fn new(
        writer: Box<dyn Appender>,
        shared: Arc<Shared>,
        requests: mpsc::UnboundedReceiver<Request>,
    ) -> Self {
        Self { writer, shared, requests, batches: 0, preparing: None, ending: Arc::default() }
    }

    /// Runs on its own thread until the store is closed or every handle of it is gone.
    pub fn run(mut self) {
        self.spare();
        while let Some(first) = self.requests.blocking_recv() {
            self.batch(first);
        }
        // It must not touch the directory when another store has it.
        self.ending.store(true, Ordering::Release);
        if let Some(preparing) = self.preparing.take() {
            let _ = preparing.join();
        }
    }

    /// Runs as a task until the store is closed or every handle of it is gone.
    pub async fn run_task(mut self) {
        while let Some(first) = self.requests.recv().await {
            // Lets others of this turn join the batch.
            tokio::task::yield_now().await;
            self.batch(first);
        }
    }

    fn batch(&mut self, first: Request) {
        let mut bytes = first.text.len();
        let mut batch = vec![first];
        while !self.shared.plan.commit_each
            && batch.len() < BATCH_ENTRIES_MAX
            && bytes < BATCH_BYTES_MAX
            && let Ok(next) = self.requests.try_recv()
        {
            bytes += next.text.len();
            batch.push(next);
        }
        let part = self.writer.part();
        let clock = &self.shared.ports.clock;
        let start = clock.monotonic();
        let in_order = batch.first().is_some_and(|r| r.position == self.writer.next());
        let appends: Vec<Append<'_>> =
            batch.iter().map(|r| Append { text: &r.text, leaves: &r.leaves }).collect();
        let written = if in_order {
            self.writer.append(&appends)
        } else {
            Err(Fault::new(codes::W9001).because("an entry came out of order"))
        };
        let took = clock.monotonic().saturating_sub(start);
        match written {
            Ok(places) => {
                self.shared.landed(&places, took);
                for request in batch {
                    drop(request.permit);
                    if let Some(done) = request.done {
                        // Nobody waits any more when the caller gave up.
                        let _ = done.send(Ok(request.position));
                    }
                }
            }
            Err(fault) => {
                self.shared.poison(&fault);
                for request in batch {
                    if let Some(done) = request.done {
                        let _ = done.send(Err(fault.clone()));
                    }
                }
            }
        }
        self.after(part);
    }

    /// What need not be done before the answers.
    fn after(&mut self, part: u32) {
        self.batches += 1;
        if self.batches.is_multiple_of(SPACE_EVERY) {
            self.shared.look_at_space();
        }
        if self.shared.pending() > PENDING_MAX {
            // The index cannot keep up: senders wait for it now.
            self.shared.catch_up_or_note();
        }
        if self.writer.part() != part {
            self.shared.look_at_space();
            self.shared.flush_wanted.store(true, Ordering::Release);
            self.spare();
        }
    }

    /// Has what later appends need prepared, off this thread.
    fn spare(&mut self) {
        // One at a time, and this before the look: two would write zeros into one file,
        // which the writer may have taken over by then.
        if self.preparing.as_ref().is_some_and(|preparing| !preparing.is_finished()) {
            return;
        }
        let Some(prepare) = self.writer.preparation() else { return };
        let ending = self.ending.clone();
        let spawned = std::thread::Builder::new().name("weir-segment".into()).spawn(move || {
            // When it fails, the next append does it itself and reports what is wrong.
            let _ = prepare(&ending);
        });
        self.preparing = spawned.ok();
    }
}

/// Takes entries into the index, on its own thread, until the store is gone.
pub fn run_indexer(shared: &std::sync::Weak<Shared>) {
    loop {
        let Some(alive) = shared.upgrade() else { return };
        alive.wait_for_work(INDEX_EVERY);
        if alive.is_closed() {
            return;
        }
        alive.catch_up_or_note();
        if alive.flush_wanted.swap(false, Ordering::AcqRel) {
            alive.flush_index();
        }
    }
}
