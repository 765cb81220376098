//! A running channel: its plan, the state of its destinations, what is paused.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::application::Applications;
use super::core::{Core, Disk};
use super::fragments::Fragments;
use super::meters::{ChannelMeters, DestinationMeters};
use super::rate::Bucket;
use super::receipt::Backlog;
use super::sequence::Links;
use super::task::Task;
use crate::base::{ChannelName, DestinationName, Timestamp};
use crate::channel::{Breaker, BreakerPlan};
use crate::config::{ChannelPlan, DestinationPlan, OnFull};
use crate::fault::codes::{W6901, W6902};
use crate::fault::{Fault, Place};
use crate::message::FaultRecord;
use crate::source::Command;

/// States a channel shows, in the words of metrics and screens.
pub(crate) const STATES: [&str; 6] =
    ["running", "paused", "draining", "drained", "failed", "stopped"];

/// What a person may pause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Source and destinations.
    All,
    /// The source.
    Source,
    /// One destination.
    Destination(DestinationName),
}

impl Target {
    /// Reads `all`, `source` or the name of a destination.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "all" => Some(Self::All),
            "source" => Some(Self::Source),
            name => DestinationName::parse(name).ok().map(Self::Destination),
        }
    }

    /// Its key in the journal. `@` cannot stand in the name of a destination.
    pub(crate) fn setting(&self, channel: &ChannelName) -> Arc<str> {
        match self {
            Self::All => format!("pause {channel}/@all").into(),
            Self::Source => format!("pause {channel}/@source").into(),
            Self::Destination(name) => format!("pause {channel}/{name}").into(),
        }
    }

    fn from_setting(rest: &str) -> Option<Self> {
        match rest {
            "@all" => Some(Self::All),
            "@source" => Some(Self::Source),
            name => DestinationName::parse(name).ok().map(Self::Destination),
        }
    }
}

/// A running channel.
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) core: Arc<Core>,
    live: RwLock<Arc<Live>>,
    /// What is paused, and why: `by kim: maintenance`.
    paused: RwLock<BTreeMap<Target, Arc<str>>>,
    /// What the source is told.
    pub(crate) command: watch::Sender<Command>,
    pub(crate) source: Mutex<Option<Task>>,
    pub(crate) couriers: Mutex<HashMap<DestinationName, Courier>>,
    /// Processes what was acknowledged on receipt.
    pub(crate) processor: Mutex<Option<Courier>>,
    /// What that is.
    pub(crate) backlog: Backlog,
    pub(crate) applications: Applications,
    /// Messages that came in part.
    pub(crate) fragments: Fragments,
    /// Numbers of the messages of each sender.
    pub(crate) links: Links,
    /// Why it could not start.
    pub(crate) failure: RwLock<Option<Fault>>,
    pub(crate) address: RwLock<Option<std::net::SocketAddr>>,
    /// Held by the first of those who wait for room, so that they go on in their order.
    pub(crate) gate: tokio::sync::Mutex<()>,
    pub(crate) at_gate: AtomicUsize,
    /// Read-held from the decision about a message to the end of its commit; a reload that
    /// takes destinations away holds it whole, so that no message is owed to one that goes.
    /// Not set any more: the channel goes and takes nothing.
    pub(crate) taking: Arc<tokio::sync::RwLock<bool>>,
    /// Duplicate keys of messages whose commit is under way.
    pub(crate) in_flight: Mutex<HashMap<[u8; 16], Arc<Notify>>>,
    pub(crate) last_received: AtomicI64,
    pub(crate) connections: AtomicI64,
    /// Whether the oldest waiting message is past `max_age`.
    pub(crate) too_old: std::sync::atomic::AtomicBool,
    /// Whether the end of the drain was told.
    pub(crate) drain_told: Mutex<bool>,
}

/// The workers of one destination, or another task that ends when it is told.
pub(crate) struct Courier {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) tasks: Vec<Task>,
}

/// The plan in force, with the handles made for it. Swapped whole on reload.
pub(crate) struct Live {
    pub(crate) plan: Arc<ChannelPlan>,
    /// One for each destination of the rules, in their order.
    pub(crate) outlets: Vec<Arc<Outlet>>,
    pub(crate) meters: ChannelMeters,
}

/// The state of one destination; outlives reloads that keep the destination.
pub(crate) struct Outlet {
    pub(crate) name: DestinationName,
    pub(crate) plan: DestinationPlan,
    pub(crate) meters: DestinationMeters,
    pub(crate) breaker: Mutex<Breaker>,
    pub(crate) bucket: Option<Bucket>,
    /// Deliveries waiting, counted along; the monitor corrects it.
    pub(crate) waiting: AtomicI64,
    /// Deliveries on their way.
    pub(crate) running: AtomicUsize,
    pub(crate) last_delivered: AtomicI64,
    pub(crate) last_fault: Mutex<Option<(Timestamp, FaultRecord)>>,
    /// Wakes idle workers when a pause ends or a person acts.
    pub(crate) wake: Notify,
}

impl Outlet {
    fn new(core: &Core, channel: &Arc<str>, plan: &DestinationPlan) -> Self {
        Self {
            name: plan.name.clone(),
            meters: DestinationMeters::new(&core.registry, channel, &plan.name),
            breaker: Mutex::new(Breaker::new(BreakerPlan::default())),
            bucket: plan.rate.map(Bucket::new),
            waiting: AtomicI64::new(0),
            running: AtomicUsize::new(0),
            last_delivered: AtomicI64::new(0),
            last_fault: Mutex::new(None),
            wake: Notify::new(),
            plan: plan.clone(),
        }
    }

    /// Since when it is down; none while it answers.
    pub(crate) fn down_since(&self) -> Option<Timestamp> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).down_since()
    }
}

/// Whether the channel takes messages.
#[derive(Clone, Debug)]
pub(crate) enum Pressure {
    /// Freely.
    Free,
    /// After this wait.
    Slow(Duration),
    /// Not before there is room.
    Wait(Fault),
    /// Not at all.
    Refuse(Fault),
}

/// Longest wait that slows a sender down while there is still room.
const SLOW_MAX: Duration = Duration::from_millis(500);

impl Channel {
    /// A channel that is not serving yet.
    pub(crate) fn new(core: Arc<Core>, plan: Arc<ChannelPlan>) -> Self {
        let live = Arc::new(Live::new(&core, plan.clone(), None));
        Self {
            name: plan.name().clone(),
            live: RwLock::new(live),
            paused: RwLock::default(),
            command: watch::Sender::new(Command::Pause),
            source: Mutex::new(None),
            couriers: Mutex::default(),
            processor: Mutex::new(None),
            backlog: Backlog::default(),
            applications: Applications::default(),
            fragments: Fragments::default(),
            links: Links::default(),
            failure: RwLock::default(),
            address: RwLock::default(),
            gate: tokio::sync::Mutex::new(()),
            at_gate: AtomicUsize::new(0),
            taking: Arc::new(tokio::sync::RwLock::new(true)),
            in_flight: Mutex::default(),
            last_received: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            too_old: false.into(),
            drain_told: Mutex::new(false),
            core,
        }
    }

    /// The plan in force.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another plan in force; destinations that stay keep their state.
    pub(crate) fn set_plan(&self, plan: Arc<ChannelPlan>) {
        let next = Arc::new(Live::new(&self.core, plan, Some(&self.live())));
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// A destination by its name.
    pub(crate) fn outlet(&self, name: &DestinationName) -> Option<Arc<Outlet>> {
        self.live().outlets.iter().find(|outlet| outlet.name == *name).cloned()
    }

    /// Reads what is paused from the journal.
    pub(crate) fn load_paused(&self) -> Result<(), Fault> {
        let prefix = format!("pause {}/", self.name);
        let mut paused = BTreeMap::new();
        for (key, why) in self.core.store.settings(&prefix)? {
            let target = key.strip_prefix(&prefix).and_then(Target::from_setting);
            if let Some(target) = target
                && !why.is_empty()
            {
                paused.insert(target, why);
            }
        }
        *self.paused.write().unwrap_or_else(PoisonError::into_inner) = paused;
        self.apply_paused();
        Ok(())
    }

    /// Notes a pause, or with none its end, and tells source and couriers.
    pub(crate) fn set_paused(&self, target: Target, why: Option<Arc<str>>) {
        let mut paused = self.paused.write().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => paused.insert(target, why),
            None => paused.remove(&target),
        };
        drop(paused);
        self.apply_paused();
    }

    fn apply_paused(&self) {
        let command = match self.pause_reason(&Target::Source) {
            Some(_) => Command::Pause,
            None => Command::Run,
        };
        self.command.send_if_modified(|now| {
            let changed = *now != Command::Stop && *now != command;
            if changed {
                *now = command;
            }
            changed
        });
        for outlet in &self.live().outlets {
            outlet.wake.notify_waiters();
        }
        let state = self.state();
        self.live().meters.state(state, &STATES);
    }

    /// Why a target does not run; none when it does.
    pub(crate) fn pause_reason(&self, target: &Target) -> Option<Arc<str>> {
        let paused = self.paused.read().unwrap_or_else(PoisonError::into_inner);
        paused.get(target).or_else(|| paused.get(&Target::All)).cloned()
    }

    /// What is paused.
    pub(crate) fn paused(&self) -> Vec<(Target, Arc<str>)> {
        let paused = self.paused.read().unwrap_or_else(PoisonError::into_inner);
        paused.iter().map(|(target, why)| (target.clone(), why.clone())).collect()
    }

    /// Whether nothing waits for any destination.
    pub(crate) fn is_empty(&self) -> bool {
        let live = self.live();
        live.outlets.iter().all(|outlet| outlet.waiting.load(Ordering::Relaxed) <= 0)
    }

    /// The state in one word of [`STATES`].
    pub(crate) fn state(&self) -> &'static str {
        if self.failure.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return "failed";
        }
        if *self.command.borrow() == Command::Stop {
            return "stopped";
        }
        match self.pause_reason(&Target::Source) {
            Some(why) if why.starts_with(DRAIN) && self.is_empty() => "drained",
            Some(why) if why.starts_with(DRAIN) => "draining",
            Some(_) => "paused",
            None => "running",
        }
    }

    /// Whether the channel takes messages now.
    pub(crate) fn pressure(&self, live: &Live) -> Pressure {
        match self.core.disk() {
            Disk::Full => return Pressure::Refuse(Fault::new(W6902)),
            Disk::Low => return Pressure::Slow(SLOW_MAX),
            Disk::Free => {}
        }
        let queue = &live.plan.queue;
        let full = |why: &'static str| {
            let fault = Fault::new(W6901).at(Place::channel(self.name.shared())).because(why);
            match queue.on_full {
                OnFull::Slow => Pressure::Wait(fault),
                OnFull::Nak => Pressure::Refuse(fault),
            }
        };
        if queue.max_age.is_some() && self.too_old.load(Ordering::Relaxed) {
            return full("the oldest waiting message is older than `max_age`");
        }
        let Some(max) = queue.max_messages else { return Pressure::Free };
        let waiting = live
            .outlets
            .iter()
            .map(|outlet| u64::try_from(outlet.waiting.load(Ordering::Relaxed)).unwrap_or(0))
            .max()
            .unwrap_or(0);
        if waiting >= max {
            return full("`max_messages` are waiting");
        }
        // The last tenth of the room is where senders are slowed down more and more.
        let tenth = (max / 10).max(1);
        let into = waiting.saturating_sub(max - tenth);
        if into == 0 || queue.on_full == OnFull::Nak {
            return Pressure::Free;
        }
        let share = u32::try_from(into * 100 / tenth).unwrap_or(100);
        Pressure::Slow(SLOW_MAX * share / 100)
    }
}

/// How the reason of a pause begins that is a drain.
pub(crate) const DRAIN: &str = "drain ";

impl Live {
    fn new(core: &Core, plan: Arc<ChannelPlan>, before: Option<&Self>) -> Self {
        let channel = plan.name().shared();
        let outlets = plan
            .rules
            .destinations
            .iter()
            .filter_map(|rules| plan.destination(&rules.name))
            .map(|to| {
                let known = before.and_then(|live| {
                    live.outlets.iter().find(|outlet| outlet.plan == *to).cloned()
                });
                known.unwrap_or_else(|| {
                    let outlet = Outlet::new(core, &channel, to);
                    let same_name =
                        before.and_then(|live| live.outlets.iter().find(|old| old.name == to.name));
                    if let Some(old) = same_name {
                        let waiting = old.waiting.load(Ordering::Relaxed);
                        outlet.waiting.store(waiting, Ordering::Relaxed);
                    }
                    Arc::new(outlet)
                })
            })
            .collect();
        Self { meters: ChannelMeters::new(&core.registry, &plan.rules), outlets, plan }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_kept() {
        let channel = ChannelName::parse("adt-main").unwrap();
        for (text, setting) in [
            ("all", "pause adt-main/@all"),
            ("source", "pause adt-main/@source"),
            ("ehr", "pause adt-main/ehr"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(&*target.setting(&channel), setting);
            let rest = setting.strip_prefix("pause adt-main/").unwrap();
            assert_eq!(Target::from_setting(rest), Some(target));
        }
        assert_eq!(Target::parse("No Name"), None);
    }
}
