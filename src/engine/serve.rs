//! Sources and couriers of a channel: started, supervised, stopped.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::channel::{Channel, Courier, STATES};
use super::courier::Worker;
use super::intake::Door;
use super::receipt;
use super::task::Tasks;
use crate::base::DestinationName;
use crate::observe::{Event, EventRow, happened};
use crate::source::{Bound, Closed, Command, Serving, SourceEvent, SourceEvents};

/// Wait before an address that could not be bound is tried again: a predecessor that is
/// stopping frees it within seconds.
const BIND_RETRY: Duration = Duration::from_secs(5);

/// Starts the source of a channel; with `bound` it takes over what is bound already.
pub(crate) fn start_source(channel: &Arc<Channel>, bound: Option<Box<dyn Bound>>) {
    channel.command.send_replace(Command::Run);
    let paused = channel.pause_reason(&super::Target::Source).is_some();
    if paused {
        channel.command.send_replace(Command::Pause);
    }
    let first = Arc::new(Mutex::new(bound));
    let this = channel.clone();
    let stop = channel.core.stop.subscribe();
    let task = channel.core.supervisor.run("source", stop, move || {
        let bound = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        serve(this.clone(), bound)
    });
    *channel.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
}

/// Binds and serves until told to stop.
async fn serve(channel: Arc<Channel>, mut bound: Option<Box<dyn Bound>>) {
    let core = channel.core.clone();
    loop {
        let bound = match bound.take() {
            Some(bound) => bound,
            None => match channel.live().plan.source.bind(&core.ports).await {
                Ok(bound) => bound,
                Err(fault) => {
                    let event = core.event(&happened::CHANNEL_FAILED);
                    core.observer.emit(event.channel(channel.name.shared()).fault(&fault));
                    set_failure(&channel, Some(fault));
                    if wait_or_stop(&channel, BIND_RETRY).await {
                        return;
                    }
                    continue;
                }
            },
        };
        set_failure(&channel, None);
        *channel.address.write().unwrap_or_else(PoisonError::into_inner) = bound.local_addr();
        let event = core.event(&happened::CHANNEL_STARTED).channel(channel.name.shared());
        core.observer.emit(event);
        let serving = Serving {
            intake: Arc::new(Door(channel.clone())),
            events: Arc::new(Ear(channel.clone())),
            command: channel.command.subscribe(),
        };
        bound.serve(serving).await;
        if *channel.command.borrow() == Command::Stop || core.stopping() {
            let event = core.event(&happened::CHANNEL_STOPPED).channel(channel.name.shared());
            core.observer.emit(event);
            return;
        }
        if wait_or_stop(&channel, BIND_RETRY).await {
            return;
        }
    }
}

/// Waits; whether the channel was told to stop meanwhile.
async fn wait_or_stop(channel: &Channel, wait: Duration) -> bool {
    let mut command = channel.command.subscribe();
    tokio::select! {
        () = channel.core.ports.clock.sleep(wait) => channel.core.stopping(),
        _ = command.wait_for(|command| *command == Command::Stop) => true,
    }
}

fn set_failure(channel: &Channel, fault: Option<crate::fault::Fault>) {
    *channel.failure.write().unwrap_or_else(PoisonError::into_inner) = fault;
    channel.live().meters.state(channel.state(), &STATES);
}

/// Stops the source at a message boundary; after `limit` at once.
pub(crate) async fn stop_source(channel: &Arc<Channel>, limit: Duration) {
    stop_sources(std::slice::from_ref(channel), limit).await;
}

/// Stops the sources of channels: all are told before the first is waited for, so that
/// `limit` holds for all together.
pub(crate) async fn stop_sources(channels: &[Arc<Channel>], limit: Duration) {
    let Some(core) = channels.first().map(|channel| channel.core.clone()) else { return };
    let tasks = Tasks::default();
    for channel in channels {
        channel.command.send_replace(Command::Stop);
        let task = channel.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        task.into_iter().for_each(|task| tasks.add(task));
    }
    tasks.end_within(&*core.ports.clock, limit).await;
    for channel in channels {
        *channel.address.write().unwrap_or_else(PoisonError::into_inner) = None;
        channel.live().meters.state(channel.state(), &STATES);
    }
}

/// Starts the workers of every destination that has none, and what feeds them.
pub(crate) fn start_couriers(channel: &Arc<Channel>) {
    receipt::start(channel);
    let mut couriers = channel.couriers.lock().unwrap_or_else(PoisonError::into_inner);
    for outlet in &channel.live().outlets {
        if couriers.contains_key(&outlet.name) {
            continue;
        }
        let stop = watch::Sender::new(false);
        let tasks = (0..outlet.plan.parallel.max(1))
            .map(|_| {
                let (channel, outlet) = (channel.clone(), outlet.clone());
                let stopped = stop.subscribe();
                let supervised = stop.subscribe();
                channel.core.supervisor.clone().run("courier", supervised, move || {
                    let (channel, outlet) = (channel.clone(), outlet.clone());
                    Worker { channel, outlet, stop: stopped.clone() }.run()
                })
            })
            .collect();
        couriers.insert(outlet.name.clone(), Courier { stop, tasks });
    }
}

/// Stops the workers of some destinations after the attempts they are at, all at the same
/// time and within `limit` together.
pub(crate) async fn stop_couriers(channel: &Channel, names: &[DestinationName], limit: Duration) {
    let stopping: Vec<Courier> = {
        let mut couriers = channel.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter_map(|name| couriers.remove(name)).collect()
    };
    end(stopping, channel, limit).await;
}

/// Stops the workers of all destinations of channels, all at the same time and within
/// `limit` together.
pub(crate) async fn stop_all_couriers(channels: &[Arc<Channel>], limit: Duration) {
    let Some(first) = channels.first() else { return };
    let processor = |channel: &Arc<Channel>| {
        channel.processor.lock().unwrap_or_else(PoisonError::into_inner).take()
    };
    // First what was acknowledged and is not processed, then those who send it.
    end(channels.iter().filter_map(processor).collect(), first, limit).await;
    let mut stopping = Vec::new();
    for channel in channels {
        let mut couriers = channel.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        stopping.extend(std::mem::take(&mut *couriers).into_values());
    }
    end(stopping, first, limit).await;
}

async fn end(stopping: Vec<Courier>, channel: &Channel, limit: Duration) {
    let tasks = Tasks::default();
    for courier in stopping {
        courier.stop.send_replace(true);
        courier.tasks.into_iter().for_each(|task| tasks.add(task));
    }
    tasks.end_within(&*channel.core.ports.clock, limit).await;
}

/// Ends source and couriers at once.
pub(crate) fn abort(channel: &Channel) {
    channel.command.send_replace(Command::Stop);
    if let Some(task) = &*channel.source.lock().unwrap_or_else(PoisonError::into_inner) {
        task.abort();
    }
    let couriers = channel.couriers.lock().unwrap_or_else(PoisonError::into_inner);
    let processor = channel.processor.lock().unwrap_or_else(PoisonError::into_inner);
    for courier in couriers.values().chain(&*processor) {
        courier.stop.send_replace(true);
        courier.tasks.iter().for_each(super::task::Task::abort);
    }
}

/// Reports what happens at a source.
struct Ear(Arc<Channel>);

impl Ear {
    fn event(&self, row: &'static EventRow) -> Event {
        self.0.core.event(row).channel(self.0.name.shared())
    }

    fn connections(&self, change: i64) {
        let open = self.0.connections.fetch_add(change, Ordering::Relaxed) + change;
        self.0.live().meters.connections.set_count(u64::try_from(open).unwrap_or(0));
    }
}

impl SourceEvents for Ear {
    fn note(&self, event: &SourceEvent) {
        let event = match event {
            SourceEvent::Listening { address } => {
                *self.0.address.write().unwrap_or_else(PoisonError::into_inner) = Some(*address);
                let mut event = self.event(&happened::SOURCE_LISTENING);
                event.detail = Some(address.to_string().into());
                event
            }
            SourceEvent::Opened { peer } => {
                self.connections(1);
                let mut event = self.event(&happened::CONNECTION_OPENED);
                event.peer = Some(peer.address.clone());
                event
            }
            SourceEvent::Closed { peer, why, messages } => {
                self.connections(-1);
                let mut event = match why {
                    Closed::Fault(fault) => self.event(&happened::CONNECTION_FAILED).fault(fault),
                    Closed::ByPeer | Closed::Stopped | Closed::ByAnswer => {
                        self.event(&happened::CONNECTION_CLOSED)
                    }
                };
                event.peer = Some(peer.address.clone());
                event.count = Some(*messages);
                event
            }
            SourceEvent::TurnedAway { peer, fault } => {
                let mut event = self.event(&happened::CONNECTION_REFUSED).fault(fault);
                event.peer = Some(peer.to_string().into());
                event
            }
            SourceEvent::Denied { peer, fault } => {
                let mut event = self.event(&happened::CALLER_REFUSED).fault(fault);
                event.peer = Some(peer.address.clone());
                if let Some(client) = &peer.subject {
                    let why = event.detail.take().unwrap_or_default();
                    event.detail = Some(format!("{client}: {why}").into());
                }
                event
            }
            SourceEvent::Junk { peer, bytes } => {
                let mut event = self.event(&happened::SOURCE_JUNK);
                event.peer = Some(peer.address.clone());
                event.count = Some(*bytes);
                event
            }
            SourceEvent::Loose { oddities } => {
                self.0.live().meters.framing(oddities);
                return;
            }
            SourceEvent::FileTaken { name: _, committed, refused } => {
                let mut event = self.event(&happened::FILE_TAKEN);
                event.count = Some(committed + refused);
                event
            }
            SourceEvent::Pulled { committed, refused } => {
                let mut event = self.event(&happened::EXPORT_TAKEN);
                event.count = Some(committed + refused);
                event
            }
            SourceEvent::Trouble { fault } => self.event(&happened::SOURCE_TROUBLE).fault(fault),
        };
        self.0.core.observer.emit(event);
    }
}
