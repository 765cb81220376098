//! Reload: another configuration in force without losing a connection that need not go.
//!
//! What can fail is done first: new addresses are bound before anything stops, so a reload
//! that fails changes nothing. A source whose plan is the same keeps its listener and its
//! connections and only gets other rules, between two messages.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::actions::Actor;
use super::adopt::{self, Stranded};
use super::channel::{Channel, Live, Outlet};
use super::running::Engine;
use super::{application, fragments, receipt, serve};
use crate::audit;
use crate::base::ChannelName;
use crate::config::{self, Changes, ChannelPlan, Plan};
use crate::fault::codes::{W6021, W8901};
use crate::fault::{Fault, Place};
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

    /// Puts another plan in force. `stranded` says what becomes of messages that wait for
    /// destinations that go.
    ///
    /// # Errors
    /// `W6021` when messages wait for a destination that goes, the source's fault when an
    /// address cannot be bound, the store's. The plan in force has not changed then.
    pub async fn reload(
        &self,
        next: Plan,
        stranded: &Stranded,
        by: &Actor,
    ) -> Result<Changes, Fault> {
        let _one_at_a_time = self.0.reloading.lock().await;
        let result = self.reload_inner(next, stranded, by).await;
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
        stranded: &Stranded,
        by: &Actor,
    ) -> Result<Changes, Fault> {
        let core = &self.0.core;
        let changes = self.reload_plan(&next);
        let next = Arc::new(next);
        if *stranded == Stranded::Drop && by.reason.is_empty() {
            return Err(Fault::new(W8901));
        }
        self.stranded(&next, stranded)?;
        let mut bound = self.bind_new(&next).await?;
        let before: BTreeMap<ChannelName, Arc<Live>> =
            self.channels().into_iter().map(|c| (c.name.clone(), c.live())).collect();
        self.swap(&next, stranded, by).await?;
        let revision = self.plan().revision.clone();
        *self.0.plan.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        if revision != next.revision {
            core.registry.forget("revision", &revision.0);
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
            match (self.channel(name), before.get(name)) {
                (Ok(channel), Some(before)) => change(&channel, before, plan, bound).await,
                _ => {
                    let channel = Arc::new(Channel::new(core.clone(), plan));
                    channel.load_paused()?;
                    receipt::recover(&channel)?;
                    fragments::recover(&channel)?;
                    application::recover(&channel)?;
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
        self.reread_credentials().await;
        Ok(changes)
    }

    /// Puts the rules of the next plan in force where destinations go. While it looks at
    /// what waits for them, and until they are out of the rules, their channels take
    /// nothing: a message decided before is on disk by then and seen, one that comes later
    /// is not owed to them. Senders wait meanwhile, as they do for a slow disk.
    async fn swap(&self, next: &Plan, stranded: &Stranded, by: &Actor) -> Result<(), Fault> {
        let core = &self.0.core;
        let losing = adopt::losing(self.channels(), next);
        let mut shut = Vec::with_capacity(losing.len());
        for channel in &losing {
            shut.push(channel.taking.clone().write_owned().await);
        }
        // Again, since messages came after the first look.
        self.stranded(next, stranded)?;
        let gone = |c: &&Arc<Channel>| next.channel(c.name.as_str()).is_none();
        if let Some(busy) = losing.iter().filter(gone).find(|c| c.backlog.left() > 0) {
            let why = "messages were acknowledged on receipt and are not processed yet";
            return Err(Fault::new(W6021).at(Place::channel(busy.name.shared())).because(why));
        }
        if let Some(busy) = losing.iter().filter(gone).find(|c| c.fragments.wait()) {
            let why = "fragments of messages were acknowledged and wait for the rest";
            return Err(Fault::new(W6021).at(Place::channel(busy.name.shared())).because(why));
        }
        for channel in &losing {
            let names = adopt::leaving(channel, next);
            serve::stop_couriers(channel, &names, STOP_LIMIT).await;
        }
        let settled = match self.settle_stranded(next, stranded, by).await {
            Ok(()) => {
                let leaf = audit::config_reloaded(core.now(), &by.name, &next.revision);
                core.act(Vec::new(), vec![leaf]).await
            }
            Err(fault) => Err(fault),
        };
        if settled.is_err() {
            losing.iter().for_each(serve::start_couriers);
            return settled;
        }
        for (channel, open) in losing.iter().zip(&mut shut) {
            match next.channel(channel.name.as_str()) {
                Some(plan) => channel.set_plan(plan.clone()),
                None => **open = false,
            }
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
        serve::stop_all_couriers(std::slice::from_ref(channel), STOP_LIMIT).await;
        let mut channels = self.0.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.remove(&channel.name);
        drop(channels);
        self.0.core.registry.forget("channel", channel.name.as_str());
    }
}

/// Puts another plan of a channel in force; `before` is what was in force.
async fn change(
    channel: &Arc<Channel>,
    before: &Live,
    plan: Arc<ChannelPlan>,
    bound: Option<Box<dyn Bound>>,
) {
    let same_source = before.plan.source == plan.source;
    // The rules first: a courier that stops may take its time, and what comes meanwhile is
    // decided by the rules it will be sent by.
    channel.set_plan(plan.clone());
    if !same_source {
        serve::stop_source(channel, STOP_LIMIT).await;
    }
    let stays = |outlet: &Outlet| {
        plan.destination(&outlet.name).is_some_and(|to| *to == outlet.plan)
            && plan.rules.destination(&outlet.name).is_some()
    };
    let outlets = before.outlets.iter().filter(|outlet| !stays(outlet));
    let names: Vec<_> = outlets.map(|outlet| outlet.name.clone()).collect();
    serve::stop_couriers(channel, &names, STOP_LIMIT).await;
    serve::start_couriers(channel);
    if !same_source {
        serve::start_source(channel, bound);
    }
}
