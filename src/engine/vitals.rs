//! Vitals: what does not follow from messages but from the machine and its files: memory
//! and files of the process, when certificates end, how old keys are, whether the audit
//! chain holds. Also: certificates and keys that were renewed come into force.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::channel::{Channel, Outlet};
use super::running::Engine;
use super::serve;
use crate::audit::ACTIONS;
use crate::base::{DestinationName, Timestamp};
use crate::config::Plan;
use crate::destination::DestinationPlan;
use crate::fault::Fault;
use crate::message::Leaf;
use crate::observe::{Counter, Registry, happened, meter};
use crate::ports::{process, secrets, tls};
use crate::settings::SecretRef;

/// Between two looks at process and keys: as often as metrics are usually read.
const LOOK: Duration = Duration::from_secs(10);

/// Between two looks at certificates: they end by the day.
const CERTIFICATES: Duration = Duration::from_secs(600);

/// From the start to the first walk along the audit chain: the walk reads the whole
/// journal, which must not hold up a start.
const FIRST_WALK: Duration = Duration::from_secs(300);

/// Between two walks.
const WALK: Duration = Duration::from_secs(24 * 3600);

/// Longest time a reload waits for couriers that get other credentials.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A channel and a destination of it.
type Place = (Arc<str>, Arc<str>);

/// What is remembered between looks.
#[derive(Default)]
pub(crate) struct Vitals {
    /// 0 not known yet, 1 holds, 2 broken.
    chain: AtomicU8,
    /// Digests of the credentials that couriers run with.
    credentials: Mutex<HashMap<Place, [u8; 32]>>,
}

/// Counters of audit records, one an action.
pub(crate) struct AuditMeters(Vec<(&'static str, Counter)>);

impl AuditMeters {
    /// Resolves the handles.
    pub(crate) fn new(registry: &Registry) -> Self {
        let counter = |name| (name, registry.counter(&meter::AUDIT_RECORDS, &[name]));
        Self(ACTIONS.iter().map(|row| counter(row.name)).collect())
    }

    /// Counts leaves that were committed.
    pub(crate) fn count<'l>(&self, leaves: impl IntoIterator<Item = &'l Arc<str>>) {
        for action in leaves {
            if let Some((_, counter)) = self.0.iter().find(|(name, _)| **action == **name) {
                counter.increment();
            }
        }
    }
}

/// The actions of leaves, to count them once they are committed.
pub(crate) fn actions(leaves: &[Leaf]) -> Vec<Arc<str>> {
    leaves.iter().map(|leaf| leaf.action.clone()).collect()
}

/// Starts looking.
pub(crate) fn spawn(engine: &Engine) {
    let supervisor = &engine.0.core.supervisor;
    let stop = engine.0.core.stop.subscribe();
    let this = engine.clone();
    engine.0.tasks.add(supervisor.run("vitals", stop.clone(), move || look(this.clone())));
    let this = engine.clone();
    engine.0.tasks.add(supervisor.run("audit walk", stop, move || walk(this.clone())));
    for channel in engine.channels() {
        engine.note_credentials(&channel);
    }
}

async fn look(engine: Engine) {
    let core = engine.0.core.clone();
    let mut certificates = None;
    loop {
        engine.show_process();
        engine.show_keys();
        engine.show_records();
        let now = core.ports.clock.monotonic();
        if certificates.is_none_or(|last| now.saturating_sub(last) >= CERTIFICATES) {
            certificates = Some(now);
            engine.show_certificates();
        }
        if !core.pause_for(LOOK).await {
            return;
        }
    }
}

async fn walk(engine: Engine) {
    let core = engine.0.core.clone();
    let mut wait = FIRST_WALK;
    while core.pause_for(wait).await {
        wait = WALK;
        let store = core.store.clone();
        // Reads the whole journal: not on the threads that answer senders.
        let walked = tokio::task::spawn_blocking(move || store.verify_chain(&|_, _| {})).await;
        let Ok(walked) = walked else { continue };
        engine.note_chain(&walked.map(|_| ()));
    }
}

impl Engine {
    fn show_process(&self) {
        let Some(facts) = process::facts() else { return };
        let registry = &self.0.core.registry;
        for (row, value) in [
            (&meter::PROCESS_CPU, facts.cpu_seconds),
            (&meter::PROCESS_OPEN_FILES, facts.open_files),
            (&meter::PROCESS_MAX_FILES, facts.open_files_max),
            (&meter::PROCESS_VIRTUAL, facts.virtual_bytes),
            (&meter::PROCESS_RESIDENT, facts.resident_bytes),
            (&meter::PROCESS_THREADS, facts.threads),
            (&meter::PROCESS_STARTED, facts.started),
        ] {
            registry.gauge(row, &[]).set(value);
        }
    }

    fn show_keys(&self) {
        let core = &self.0.core;
        let Some(keyring) = &core.keyring else { return };
        let now = core.now();
        for (name, created) in keyring.created() {
            let age = now.since(created).as_secs_f64();
            core.registry.gauge(&meter::KEY_AGE, &[name]).set(age);
        }
    }

    /// Shows when certificates end; those that cannot be read are told by what uses them.
    fn show_certificates(&self) {
        let core = &self.0.core;
        let mut known: Vec<(Arc<str>, Timestamp)> = Vec::new();
        for (usage, path) in certificates(&self.plan()) {
            if let Ok(Some(ends)) = tls::expires(&path) {
                let gauge = core.registry.gauge(&meter::CERTIFICATE_EXPIRY, &[&usage]);
                gauge.set(ends.seconds());
                known.push((usage, ends));
            }
        }
        let mut shown = self.0.alerts.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        for (usage, _) in shown.iter().filter(|(old, _)| !known.iter().any(|(u, _)| u == old)) {
            core.registry.forget("use", usage);
        }
        *shown = known;
    }

    /// Notes what a walk along the audit chain found.
    fn note_chain(&self, walked: &Result<(), Fault>) {
        let core = &self.0.core;
        let broken = match walked {
            Ok(()) => false,
            Err(fault) => {
                core.observer.emit(core.event(&happened::AUDIT_BROKEN).fault(fault));
                // An entry that cannot be read now says nothing about the chain.
                if fault.code() != crate::fault::codes::W6013 {
                    return;
                }
                true
            }
        };
        self.0.vitals.chain.store(if broken { 2 } else { 1 }, Ordering::Relaxed);
        core.registry.gauge(&meter::AUDIT_VALID, &[]).set(f64::from(u8::from(!broken)));
        core.registry.gauge(&meter::AUDIT_VERIFIED, &[]).set(core.now().seconds());
    }

    /// Whether the audit chain held when it was last walked; none before the first walk.
    pub(super) fn audit_holds(&self) -> Option<bool> {
        match self.0.vitals.chain.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(true),
            _ => Some(false),
        }
    }

    /// Notes a reload that was refused before it came to the engine: the files are wrong.
    pub fn reload_refused(&self, fault: &Fault) {
        let core = &self.0.core;
        core.registry.counter(&meter::CONFIG_RELOADS, &["refused"]).increment();
        core.registry.gauge(&meter::CONFIG_RELOAD_OK, &[]).set(0.0);
        let mut event = core.event(&happened::CONFIG_REFUSED).fault(fault);
        event.revision = Some(self.plan().revision.0.clone());
        core.observer.emit(event);
    }

    /// Reads certificates and keys again: listeners show the new ones to the next
    /// connection, couriers whose credentials changed connect anew. What cannot be read
    /// stays as it was, and is reported.
    pub async fn reread_credentials(&self) {
        let core = &self.0.core;
        for fault in tls::reread() {
            core.observer.emit(core.event(&happened::CREDENTIALS_REFUSED).fault(&fault));
        }
        for channel in self.channels() {
            let changed = self.note_credentials(&channel);
            serve::stop_couriers(&channel, &changed, STOP_LIMIT).await;
            serve::start_couriers(&channel);
        }
        self.show_certificates();
    }

    /// Notes the credentials of a channel's destinations; gives those that differ from what
    /// was noted before.
    fn note_credentials(&self, channel: &Channel) -> Vec<DestinationName> {
        let mut known = self.0.vitals.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        for outlet in &channel.live().outlets {
            let key = (channel.name.shared(), outlet.name.shared());
            let digest = digest(outlet);
            if known.insert(key, digest).is_some_and(|before| before != digest) {
                changed.push(outlet.name.clone());
            }
        }
        changed
    }
}

/// The certificates that weir shows, by their use: `admin`, a channel, a destination.
fn certificates(plan: &Plan) -> Vec<(Arc<str>, PathBuf)> {
    let mut all: Vec<(Arc<str>, PathBuf)> = Vec::new();
    all.extend(plan.server.admin.tls.iter().map(|tls| ("admin".into(), tls.cert.clone())));
    for channel in plan.channels.iter().filter(|channel| channel.enabled) {
        let tls = channel.source.common.tls.iter();
        all.extend(tls.map(|tls| (channel.name().shared(), tls.cert.clone())));
        for to in channel.destinations.iter().filter(|to| to.enabled) {
            let cert = client_tls(&to.kind).and_then(|tls| tls.cert.clone());
            let usage = || format!("{}/{}", channel.name(), to.name).into();
            all.extend(cert.map(|cert| (usage(), cert)));
        }
    }
    all
}

fn client_tls(kind: &DestinationPlan) -> Option<&tls::TlsClientPlan> {
    match kind {
        DestinationPlan::Mllp(plan) => plan.tls.as_ref(),
        DestinationPlan::Fhir(plan) => plan.tls.as_ref(),
        DestinationPlan::File(_) | DestinationPlan::Records(_) => None,
    }
}

/// A digest over everything a destination shows who it is with.
fn digest(outlet: &Outlet) -> [u8; 32] {
    use crate::destination::Auth;
    let mut digest = Sha256::new();
    let mut add = |bytes: Option<&[u8]>| {
        let bytes = bytes.unwrap_or_default();
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    let file = |path: &Path| std::fs::read(path).ok();
    let kind = &outlet.plan.kind;
    let mut references: Vec<&SecretRef> = Vec::new();
    if let Some(tls) = client_tls(kind) {
        for path in [&tls.ca, &tls.cert].into_iter().flatten() {
            add(file(path).as_deref());
        }
        references.extend(&tls.key);
    }
    if let DestinationPlan::Fhir(plan) = kind {
        match &plan.auth {
            Auth::None => {}
            Auth::Bearer(token) => references.push(token),
            Auth::Basic { password, .. } => references.push(password),
            Auth::SmartBackend { key, .. } => references.push(key),
        }
    }
    for reference in references {
        let bytes = secrets::resolve(reference).ok();
        add(bytes.as_ref().map(|bytes| bytes.as_slice()));
    }
    digest.finalize().into()
}
