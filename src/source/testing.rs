//! An intake, a listener of events and a clock for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, watch};

use super::*;
use crate::base::{MessageId, Timestamp};
use crate::fault::codes::*;
use crate::ports::{Clock, Ports};

/// Answers each message by its own bytes with `ACK ` before them. What a message says
/// decides: `refuse..` is refused, `close..` closes, `none..` gets no answer, `fail..` is
/// not kept, `wait..` waits for a permit, `panic..` panics.
pub(super) struct TestIntake {
    pub taken: Mutex<Vec<Arrival>>,
    pub refused: Mutex<Vec<(Arrival, Fault)>>,
    pub permits: Semaphore,
    pub seen: mpsc::UnboundedSender<String>,
}

impl TestIntake {
    pub(super) fn texts(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken.iter().map(|a| String::from_utf8_lossy(&a.bytes).into_owned()).collect()
    }
}

#[async_trait]
impl Intake for TestIntake {
    async fn take(&self, arrival: Arrival) -> Answer {
        let text = String::from_utf8_lossy(&arrival.bytes).into_owned();
        self.taken.lock().unwrap().push(arrival);
        let _ = self.seen.send(text.clone());
        if text.starts_with("wait") {
            self.permits.acquire().await.unwrap().forget();
        }
        assert!(!text.starts_with("panic"), "asked to");
        let id = MessageId::new(Timestamp::default(), 1);
        Answer {
            taken: match () {
                () if text.starts_with("fail") => Taken::NotKept(Fault::new(W9001)),
                () if text.starts_with("refuse") => Taken::Refused(Fault::new(W2010)),
                () => Taken::Committed(id),
            },
            replies: if text.starts_with("none") {
                vec![]
            } else {
                vec![Bytes::from(format!("ACK {text}"))]
            },
            close: text.starts_with("close"),
            heard: Heard::Nothing,
        }
    }

    async fn refuse(&self, arrival: Arrival, fault: Fault) -> Answer {
        self.refused.lock().unwrap().push((arrival, fault.clone()));
        let replies = vec![Bytes::from(format!("NAK {}", fault.code()))];
        Answer { taken: Taken::Refused(fault), replies, close: true, heard: Heard::Nothing }
    }
}

/// Hands events on.
pub(super) struct Told(mpsc::UnboundedSender<SourceEvent>);

impl SourceEvents for Told {
    fn note(&self, event: &SourceEvent) {
        let _ = self.0.send(event.clone());
    }
}

/// A source that serves, with all ends of it.
pub(super) struct Rig {
    pub intake: Arc<TestIntake>,
    pub events: mpsc::UnboundedReceiver<SourceEvent>,
    pub seen: mpsc::UnboundedReceiver<String>,
    pub command: watch::Sender<Command>,
    pub serving: Serving,
}

impl Rig {
    pub(super) fn new() -> Self {
        let (seen_tx, seen) = mpsc::unbounded_channel();
        let (events_tx, events) = mpsc::unbounded_channel();
        let (command, orders) = watch::channel(Command::Run);
        let intake = Arc::new(TestIntake {
            taken: Mutex::default(),
            refused: Mutex::default(),
            permits: Semaphore::new(0),
            seen: seen_tx,
        });
        let serving =
            Serving { intake: intake.clone(), events: Arc::new(Told(events_tx)), command: orders };
        Self { intake, events, seen, command, serving }
    }

    /// Binds and serves a plan; the address and the task.
    pub(super) async fn serve(
        &self,
        plan: &SourcePlan,
        ports: &Ports,
    ) -> (Option<SocketAddr>, tokio::task::JoinHandle<()>) {
        let bound = plan.bind(ports).await.unwrap();
        let address = bound.local_addr();
        let serving = self.serving.clone();
        (address, tokio::task::spawn(bound.serve(serving)))
    }

    /// Waits for the first event that fits.
    pub(super) async fn event(&mut self, fits: impl Fn(&SourceEvent) -> bool) -> SourceEvent {
        loop {
            let event = self.events.recv().await.unwrap();
            if fits(&event) {
                return event;
            }
        }
    }

    /// Waits for the end of a connection; its reason and number of messages.
    pub(super) async fn closed(&mut self) -> (String, u64) {
        let event = self.event(|event| matches!(event, SourceEvent::Closed { .. })).await;
        let SourceEvent::Closed { why, messages, .. } = event else { unreachable!() };
        let why = match why {
            Closed::Fault(fault) => fault.code().to_string(),
            other => format!("{other:?}"),
        };
        (why, messages)
    }
}

/// A clock on which a wait passes at once, so that polling needs no time.
#[derive(Default)]
pub(super) struct FastClock(AtomicU64);

#[async_trait]
impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.load(Ordering::Relaxed)).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}
