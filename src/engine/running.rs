//! The running engine: start, the channels it has, stop.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::channel::Channel;
use super::core::{Core, Disk};
use super::task::Tasks;
use super::{application, fragments, monitor, receipt, serve};
use crate::audit;
use crate::base::{ChannelName, Timestamp};
use crate::config::Plan;
use crate::consent::ConsentBook;
use crate::fault::codes::W6905;
use crate::fault::{Fault, Place};
use crate::observe::{Observer, Registry, happened, meter};
use crate::ports::Ports;
use crate::seal::Keyring;
use crate::source::Bound;
use crate::store::{Recovery, RestKeys, Store};

/// Longest time a stop waits for sources and couriers: longer than the slowest answer that
/// is common, shorter than service managers wait before they kill.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What an engine starts with besides its plan.
pub struct Start {
    /// Time, random bytes, sockets, files.
    pub ports: Ports,
    /// Hears what happens.
    pub observer: Arc<Observer>,
    /// Keys of `[[encrypt]]` and of the journal at rest; none: no sealing, journal in clear.
    pub keyring: Option<Keyring>,
}

/// A running engine. Cheap to clone; [`Engine::stop`] ends it, dropping does not.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Running>);

/// What the clones share.
pub(crate) struct Running {
    pub(crate) core: Arc<Core>,
    pub(crate) plan: RwLock<Arc<Plan>>,
    pub(crate) channels: RwLock<BTreeMap<ChannelName, Arc<Channel>>>,
    pub(crate) tasks: Tasks,
    pub(crate) started: Timestamp,
    pub(crate) recovery: Recovery,
    pub(crate) alerts: super::alerts::Alerts,
    pub(crate) vitals: super::vitals::Vitals,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Opens the store and starts every enabled channel. A channel that cannot start (its
    /// address is taken, say) is shown as failed and tried again; the others run.
    ///
    /// `progress` hears how far a rebuild of the index is.
    ///
    /// # Errors
    /// The store's fault, when it cannot be opened.
    pub async fn start(
        plan: Plan,
        start: Start,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, Fault> {
        Self::start_asking(plan, start, None, progress).await
    }

    /// As [`Engine::start`], with another book of consents in the place of the store's: for
    /// tests of gates that fail.
    #[doc(hidden)]
    pub async fn start_asking(
        plan: Plan,
        start: Start,
        asked: Option<Arc<dyn ConsentBook>>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, Fault> {
        let Start { ports, observer, keyring } = start;
        let rest = keyring.as_ref().map(RestKeys::of).transpose()?;
        let rest = rest.unwrap_or_default();
        let (store, recovery) = Store::open(&ports, &plan.server.store, rest, progress).await?;
        let registry = Arc::new(Registry::default());
        registry.gauge(&meter::BUILD_INFO, &[env!("CARGO_PKG_VERSION")]).set(1.0);
        let mut core = Core::new(ports, store, observer, registry, keyring);
        core.asked = asked;
        let core = Arc::new(core);
        let started = core.now();
        let engine = Self(Arc::new(Running {
            plan: RwLock::new(Arc::new(plan)),
            channels: RwLock::default(),
            tasks: Tasks::default(),
            started,
            recovery,
            alerts: super::alerts::Alerts::default(),
            vitals: super::vitals::Vitals::default(),
            reloading: tokio::sync::Mutex::new(()),
            core,
        }));
        engine.report_start();
        engine.report_stranded()?;
        let leaf = audit::engine_started(started, &engine.plan().revision);
        engine.0.core.act(Vec::new(), vec![leaf]).await?;
        engine.load_consent_files().await;
        for channel in &engine.plan().channels {
            if channel.enabled {
                let channel = Arc::new(Channel::new(engine.0.core.clone(), channel.clone()));
                channel.load_paused()?;
                receipt::recover(&channel)?;
                fragments::recover(&channel)?;
                application::recover(&channel)?;
                engine.add(channel, None);
            }
        }
        monitor::spawn(&engine);
        super::alerts::spawn(&engine);
        super::vitals::spawn(&engine);
        Ok(engine)
    }

    /// Starts a channel's source and couriers and makes it known.
    pub(crate) fn add(&self, channel: Arc<Channel>, bound: Option<Box<dyn Bound>>) {
        self.begin_tracks(&channel);
        serve::start_couriers(&channel);
        serve::start_source(&channel, bound);
        let mut channels = self.0.channels.write().unwrap_or_else(PoisonError::into_inner);
        channels.insert(channel.name.clone(), channel);
    }

    fn report_start(&self) {
        let core = &self.0.core;
        let recovery = &self.0.recovery;
        let row = match recovery.torn_bytes > 0 || recovery.index_rebuilt {
            true => &happened::STORE_REPAIRED,
            false => &happened::STORE_OPENED,
        };
        let mut event = core.event(row);
        event.count = Some(recovery.entries);
        event.duration = Some(recovery.duration);
        core.observer.emit(event);
        let mut event = core.event(&happened::ENGINE_STARTED);
        event.revision = Some(self.plan().revision.0.clone());
        core.observer.emit(event);
        self.show_revision();
    }

    /// Shows the configuration in force.
    pub(crate) fn show_revision(&self) {
        let core = &self.0.core;
        let revision = self.plan().revision.clone();
        core.registry.gauge(&meter::CONFIG_INFO, &[&revision.0]).set(1.0);
        core.registry.gauge(&meter::CONFIG_RELOAD_OK, &[]).set(1.0);
        core.registry.gauge(&meter::CONFIG_RELOAD_AT, &[]).set(core.now().seconds());
    }

    /// The configuration in force.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        self.0.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.core.store
    }

    /// The ports it runs on.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.0.core.ports
    }

    /// The metrics.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.core.registry
    }

    /// Who hears what happens.
    #[must_use]
    pub fn observer(&self) -> &Arc<Observer> {
        &self.0.core.observer
    }

    /// The address a channel listens on, once it does.
    #[must_use]
    pub fn address(&self, channel: &ChannelName) -> Option<std::net::SocketAddr> {
        let channel = self.channel(channel).ok()?;
        *channel.address.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A running channel.
    pub(crate) fn channel(&self, name: &ChannelName) -> Result<Arc<Channel>, Fault> {
        let channels = self.0.channels.read().unwrap_or_else(PoisonError::into_inner);
        let found = channels.get(name).cloned();
        found.ok_or_else(|| Fault::new(W6905).at(Place::channel(name.shared())))
    }

    /// The running channels, by name.
    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        let channels = self.0.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.values().cloned().collect()
    }

    /// Whether messages can be taken: every source that should run is bound, the store can be
    /// written and its disk has room.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let core = &self.0.core;
        let up = |channel: &Arc<Channel>| !matches!(channel.state(), "failed" | "stopped");
        self.channels().iter().all(up)
            && !core.stopping()
            && core.store.broken().is_none()
            && core.disk() == Disk::Free
    }

    /// Resolves when the engine is told to stop.
    pub async fn stopping(&self) {
        let mut stop = self.0.core.stop.subscribe();
        // A dropped sender means stop as well.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Tells the engine to stop, without waiting: whoever holds it then calls
    /// [`Engine::stop`].
    pub fn ask_to_stop(&self) {
        self.0.core.stop.send_replace(true);
    }

    /// Stops at the next message boundary: sources first, so that nothing new comes, then
    /// couriers, then the store. All sources are told at once and have 20 s together, the
    /// couriers another 20 s. Waits for a reload that is under way.
    ///
    /// # Errors
    /// The store's fault, when it cannot be closed in order. Nothing is lost then: the
    /// journal is read again at the next start.
    pub async fn stop(&self, actor: &str) -> Result<(), Fault> {
        let core = &self.0.core;
        // A reload would start channels again behind us.
        let _no_reload = self.0.reloading.lock().await;
        core.observer.emit(core.event(&happened::ENGINE_STOPPING));
        let channels = self.channels();
        serve::stop_sources(&channels, STOP_LIMIT).await;
        self.ask_to_stop();
        serve::stop_all_couriers(&channels, STOP_LIMIT).await;
        self.0.tasks.end_within(&*core.ports.clock, Duration::from_secs(1)).await;
        let leaf = audit::engine_stopped(core.now(), actor);
        let noted = core.act(Vec::new(), vec![leaf]).await;
        core.store.close().await?;
        core.observer.emit(core.event(&happened::ENGINE_STOPPED));
        noted
    }

    /// Ends every task at once, as a crash would: for tests of recovery.
    #[doc(hidden)]
    pub fn abort(&self) {
        self.0.core.stop.send_replace(true);
        self.0.tasks.abort();
        for channel in self.channels() {
            serve::abort(&channel);
        }
    }
}
