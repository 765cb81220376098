//! Tasks: the one place that spawns, so that every task has an owner.
//!
//! A supervised task that panics is reported and made again; work it had in hand is in the
//! journal and comes back from there.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::observe::{Event, Observer, happened};
use crate::ports::Clock;

/// Wait before a task that panicked is made again: long enough that a task that panics at
/// once does not fill the log, short enough that nobody waits for it.
const RESTART_WAIT: Duration = Duration::from_secs(1);

/// A running task. Dropping it leaves the task running; [`Task::abort`] ends it.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    /// Ends it at its next wait.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }

    /// Waits for its end, at most `limit`; then ends it. Whether it ended by itself.
    pub(crate) async fn end_within(mut self, clock: &dyn Clock, limit: Duration) -> bool {
        tokio::select! {
            _ = &mut self.0 => true,
            () = clock.sleep(limit) => {
                self.0.abort();
                false
            }
        }
    }
}

/// Spawns a task. The only caller of `tokio::spawn`.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Task {
    Task(tokio::spawn(future))
}

/// A task that was given to the engine to run, for other rooms to end.
#[derive(Debug)]
pub struct Owned(Task);

impl Owned {
    /// Ends it at its next wait.
    pub fn abort(&self) {
        self.0.abort();
    }
}

impl super::Engine {
    /// Runs a task of another room, such as a listener of the API.
    #[must_use]
    pub fn own(&self, future: impl Future<Output = ()> + Send + 'static) -> Owned {
        Owned(spawn(future))
    }
}

/// Who hears of panics, and what time it is.
#[derive(Clone)]
pub(crate) struct Supervisor {
    /// Hears of panics.
    pub(crate) observer: Arc<Observer>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Supervisor {
    /// Runs what `make` makes until it returns; when it panics, again after a second. Ends
    /// without a further run when `stop` is set.
    pub(crate) fn run<F>(
        &self,
        name: &'static str,
        stop: watch::Receiver<bool>,
        make: impl Fn() -> F + Send + 'static,
    ) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        spawn(async move {
            while Guarded::new(make()).await.is_err() {
                let mut event = Event::new(&happened::TASK_RESTARTED, this.clock.now());
                event.detail = Some(name.into());
                this.observer.emit(event);
                if *stop.borrow() {
                    return;
                }
                this.clock.sleep(RESTART_WAIT).await;
            }
        })
    }
}

/// A future whose panics come out as errors.
pub(crate) struct Guarded<F>(Pin<Box<F>>);

impl<F: Future> Guarded<F> {
    /// Guards a future.
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = &mut self.0;
        match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Whether a task can be spawned here: not where the runtime is gone.
pub(crate) fn can_spawn() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

/// Waits for both; `first` is polled first, each time.
pub(crate) async fn both<A: Future, B: Future>(first: A, then: B) -> (A::Output, B::Output) {
    tokio::join!(biased; first, then)
}

/// Waits for all futures. They are polled in their order, so that what each does before its
/// first wait happens in that order; their results come in it too.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut done: Vec<_> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        let mut waits = false;
        for (slot, done) in pending.iter_mut().zip(&mut done) {
            if let Some(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => {
                        *done = Some(output);
                        *slot = None;
                    }
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(done.drain(..).flatten().collect()) }
    })
    .await
}

/// Tasks that end together.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<Vec<Task>>);

impl Tasks {
    /// Adds one.
    pub(crate) fn add(&self, task: Task) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Waits for the end of all, at most `limit` together; then ends the rest. How many had
    /// to be ended.
    pub(crate) async fn end_within(&self, clock: &dyn Clock, limit: Duration) -> usize {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let end = clock.monotonic() + limit;
        let mut ended = 0;
        for task in tasks {
            let rest = end.saturating_sub(clock.monotonic());
            ended += usize::from(!task.end_within(clock, rest).await);
        }
        ended
    }

    /// Ends all at once.
    pub(crate) fn abort(&self) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemClock;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_made_again() {
        let supervisor =
            Supervisor { observer: Arc::new(Observer::silent()), clock: Arc::new(SystemClock) };
        let runs = Arc::new(AtomicU32::new(0));
        let (_stop, stopped) = watch::channel(false);
        let seen = runs.clone();
        let task = supervisor.run("test", stopped, move || {
            let run = seen.fetch_add(1, Ordering::SeqCst);
            async move { assert!(run >= 2, "panics twice") }
        });
        assert!(task.end_within(&SystemClock, Duration::from_secs(60)).await);
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }
}
