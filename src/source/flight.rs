//! Messages in flight: handed to the intake, answered in the order in which they came.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Answer;

/// An answer to come.
pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

enum Slot<'a> {
    Pending(Pending<'a>),
    Done(Answer),
}

/// A queue of pending answers. All of them are polled, so that their commits share one
/// flush of the disk; they leave in order. They run on the task that owns the queue, which
/// is what keeps their first polls in order too: spawned tasks would race.
#[derive(Default)]
pub(super) struct Flight<'a>(VecDeque<Slot<'a>>);

impl<'a> Flight<'a> {
    pub(super) fn push(&mut self, pending: Pending<'a>) {
        self.0.push_back(Slot::Pending(pending));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for the answer at the head. Cancel-safe. Never returns while empty.
    pub(super) async fn next(&mut self) -> Answer {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The answer at the head, if it is there already.
    pub(super) fn ready(&mut self) -> Option<Answer> {
        match self.0.pop_front()? {
            Slot::Done(answer) => Some(answer),
            pending @ Slot::Pending(_) => {
                self.0.push_front(pending);
                None
            }
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        for slot in &mut self.0 {
            if let Slot::Pending(pending) = slot
                && let Poll::Ready(answer) = pending.as_mut().poll(context)
            {
                *slot = Slot::Done(answer);
            }
        }
        self.ready().map_or(Poll::Pending, Poll::Ready)
    }
}
