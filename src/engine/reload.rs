//! Reload: another configuration in force without losing a connection that need not go.
//!
//! What can fail is done first: new addresses are bound before anything stops, so a reload
//! that fails changes nothing. A source whose plan is the same keeps its listener and its
//! connections and only gets other rules, between two messages.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::actions::Actor;
use super::channel::Channel;
use super::running::Engine;
use super::serve;
use crate::audit;
use crate::base::ChannelName;
use crate::config::{self, Changes, ChannelPlan, Plan};
use crate::fault::codes::{W6021, W8901};
use crate::fault::{Fault, Place};
use crate::filter::{Field, Filter, Term};
use crate::observe::{happened, meter};
use crate::source::Bound;

/// Longest time a reload waits for a source or courier that goes.
const STOP_LIMIT: Duration = Duration::from_secs(20);

impl Engine {
    /// What another plan would change.
    #[must_use]
    pub fn reload_plan(&self, next: &Plan) -> Changes {
        config::diff(&self.plan(), next)
    }

    /// Puts another plan in force. `drop_waiting` gives up what waits for destinations
    /// that go; without it such a reload is refused.
    ///
    /// # Errors
    /// `W6021` when messages wait for a destination that goes, the source's fault when an
    /// address cannot be bound, the store's. Nothing has changed then.
    pub async fn reload(
        &self,
        next: Plan,
        drop_waiting: bool,
        by: &Actor,
    ) -> Result<Changes, Fault> {
        let _one_at_a_time = self.0.reloading.lock().await;
        let result = self.reload_inner(next, drop_waiting, by).await;
        let core = &self.0.core;
        let (word, row) = match &result {
            Ok(_) => ("taken", &happened::CONFIG_RELOADED),
            Err(_) => ("refused", &happened::CONFIG_REFUSED),
        };
        core.registry.counter(&meter::CONFIG_RELOADS, &[word]).increment();
        core.registry.gauge(&meter::CONFIG_RELOAD_OK, &[]).set(f64::from(u8::from(result.is_ok())));
        let mut event = core.event(row);
        event.revision = Some(self.plan().revision.0.clone());
        core.observer.emit(match &result {
            Ok(_) => event,
            Err(fault) => event.fault(fault),
        });
        result
    }

    async fn reload_inner(
        &self,
        next: Plan,
        drop_waiting: bool,
        by: &Actor,
    ) -> Result<Changes, Fault> {
        let core = &self.0.core;
        let changes = self.reload_plan(&next);
        let next = Arc::new(next);
        if drop_waiting && by.reason.is_empty() {
            return Err(Fault::new(W8901));
        }
        let gone = self.waiting_for_gone(&next)?;
        if let Some((place, count)) = gone.first()
            && !drop_waiting
        {
            let fault = Fault::new(W6021).at(place.clone());
            return Err(fault.because(format!("{count} messages wait for it")));
        }
        let mut bound = self.bind_new(&next).await?;
        let leaf = audit::config_reloaded(core.now(), &by.name, &next.revision);
        core.act(Vec::new(), vec![leaf]).await?;
        if drop_waiting {
            self.drop_gone(&gone, by).await?;
        }
        let before = self.plan().revision.clone();
        *self.0.plan.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        if before != next.revision {
            core.registry.forget("revision", &before.0);
        }
        self.show_revision();
        for name in &changes.removed {
            if let Ok(channel) = self.channel(name) {
                self.remove(&channel).await;
            }
        }
        for name in changes.changed.iter().map(|change| &change.name).chain(&changes.added) {
            let Some(plan) = next.channel(name.as_str()).cloned() else { continue };
            let bound = bound.remove(name);
            match self.channel(name) {
                Ok(channel) => change(&channel, plan, bound).await,
                Err(_) => {
                    let channel = Arc::new(Channel::new(core.clone(), plan));
                    channel.load_paused()?;
                    self.add(channel, bound);
                }
            }
        }
        // Channels whose files did not change get the new revision all the same.
        for channel in self.channels() {
            if let Some(plan) = next.channel(channel.name.as_str()) {
                channel.set_plan(plan.clone());
            }
        }
        self.load_consent_files().await;
        Ok(changes)
    }

    /// Destinations that go while messages wait for them.
    fn waiting_for_gone(&self, next: &Plan) -> Result<Vec<(Place, u64)>, Fault> {
        let mut gone = Vec::new();
        for row in self.0.core.store.queues()? {
            let stays = next
                .channel(row.channel.as_str())
                .is_some_and(|channel| channel.destination(&row.destination).is_some());
            let waiting = row.waiting + row.held;
            if !stays && waiting > 0 {
                let place = Place::destination(row.channel.shared(), row.destination.shared());
                gone.push((place, waiting));
            }
        }
        Ok(gone)
    }

    /// Gives up what waits for destinations that go.
    async fn drop_gone(&self, gone: &[(Place, u64)], by: &Actor) -> Result<(), Fault> {
        for (place, _) in gone {
            let term = |field, value: &Option<Arc<str>>| Term {
                negated: false,
                field,
                any: value.iter().map(ToString::to_string).collect(),
            };
            let filter = Filter {
                terms: vec![
                    term(Field::Channel, &place.channel),
                    term(Field::Destination, &place.destination),
                ],
            };
            self.queue_act(super::QueueAction::Skip, &filter, by).await?;
        }
        Ok(())
    }

    /// Binds what is new, before anything stops. An address that one of our own sources
    /// holds is bound later, when that source has let it go.
    async fn bind_new(&self, next: &Plan) -> Result<BTreeMap<ChannelName, Box<dyn Bound>>, Fault> {
        let core = &self.0.core;
        let held: Vec<_> =
            self.channels().iter().filter_map(|c| c.live().plan.source.listen()).collect();
        let mut bound = BTreeMap::new();
        for plan in next.channels.iter().filter(|plan| plan.enabled) {
            let same = self
                .channel(plan.name())
                .is_ok_and(|channel| channel.live().plan.source == plan.source);
            let ours = plan.source.listen().is_some_and(|address| held.contains(&address));
            if !same && !ours {
                bound.insert(plan.name().clone(), plan.source.bind(&core.ports).await?);
            }
        }
        Ok(bound)
    }

    async fn remove(&self, channel: &Arc<Channel>) {
        serve::stop_source(channel, STOP_LIMIT).await;
        serve::stop_couriers(channel, STOP_LIMIT).await;
        let mut channels = self.0.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.remove(&channel.name);
        drop(channels);
        self.0.core.registry.forget("channel", channel.name.as_str());
    }
}

/// Puts another plan of a channel in force.
async fn change(channel: &Arc<Channel>, plan: Arc<ChannelPlan>, bound: Option<Box<dyn Bound>>) {
    let before = channel.live();
    let same_source = before.plan.source == plan.source;
    if !same_source {
        serve::stop_source(channel, STOP_LIMIT).await;
    }
    for outlet in &before.outlets {
        let stays = plan.destination(&outlet.name).is_some_and(|to| *to == outlet.plan)
            && plan.rules.destination(&outlet.name).is_some();
        if !stays {
            serve::stop_courier(channel, &outlet.name, STOP_LIMIT).await;
        }
    }
    channel.set_plan(plan);
    serve::start_couriers(channel);
    if !same_source {
        serve::start_source(channel, bound);
    }
}
