//! Alerts: measures what rules compare, and tells people through `[notify.NAME]`.
//!
//! What is compared and when a notice is due is decided in [`crate::channel::Watch`]; here
//! are the facts it is given, taken from queues, couriers, disk and certificates every few
//! seconds, and the way notices go. A slow receiver of notices delays only notices. Who is
//! muted or has taken up an alert is kept in memory, and in the audit log: after a restart an alert that still
//! holds opens anew, which is what somebody who comes new to it needs.
//!
//! Invariant: a notice holds names of the configuration, numbers and codes, never anything
//! of a message.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::actions::Actor;
use super::channel::{Channel, Outlet};
use super::running::Engine;
use super::tell;
use crate::audit;
use crate::base::Timestamp;
use crate::channel::{
    AlertRule, AlertState, Condition, Fact, Notice, NoticeKind, Subject, Watch, within,
};
use crate::config::{AlertPlan, Expect};
use crate::fault::codes::W1060;
use crate::fault::{Fault, Place};
use crate::filter::Filter;
use crate::observe::{HistogramCounts, happened, meter};
use crate::settings::nearest;
use crate::store::QueueRow;

/// Between two looks: well below the 3 minutes within which people are to be told.
const LOOK: Duration = Duration::from_secs(5);

/// How far `dead.new`, `error.rate` and `latency.p99` look back.
const WINDOW: Duration = Duration::from_secs(300);

/// Between two samples of the window.
const SAMPLE: Duration = Duration::from_secs(15);

/// Notices that wait to be sent: beyond it a receiver is so slow that more would only be
/// noise; the alerts stay to be seen.
const NOTICES_MAX: usize = 1000;

/// What the watch of an engine keeps.
#[derive(Default)]
pub(crate) struct Alerts {
    watch: Mutex<Watch>,
    tracks: Mutex<BTreeMap<Subject, Track>>,
    /// When certificates end, by their use.
    pub(super) certificates: Mutex<Vec<(Arc<str>, Timestamp)>>,
}

/// An alert rule with what is open.
#[derive(Clone, Debug)]
pub struct AlertStatus {
    /// The rule.
    pub rule: AlertRule,
    /// Who is told.
    pub notify: Vec<Arc<str>>,
    /// Until when nobody is.
    pub muted: Option<Timestamp>,
    /// What is pending or open.
    pub states: Vec<(Subject, AlertState)>,
}

/// One notice and whom it is for.
pub(super) struct Due {
    pub(super) notice: Notice,
    pub(super) to: Vec<Arc<str>>,
}

/// Counts of a destination at one moment.
struct Sample {
    at: Duration,
    good: u64,
    failed: u64,
    dead: u64,
    took: HistogramCounts,
}

/// Samples of a destination within the window, oldest first.
#[derive(Default)]
struct Track {
    samples: VecDeque<Sample>,
    /// Dead letters that came since the first look, replayed ones included.
    dead: u64,
    dead_now: Option<u64>,
}

/// Starts looking and sending.
pub(crate) fn spawn(engine: &Engine) {
    let supervisor = &engine.0.core.supervisor;
    let (tell, told) = mpsc::channel(NOTICES_MAX);
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let stop = engine.0.core.stop.subscribe();
    let this = engine.clone();
    let looks = move || look(this.clone(), tell.clone());
    engine.0.tasks.add(supervisor.run("alerts", stop.clone(), looks));
    let this = engine.clone();
    let sends = move || send_all(this.clone(), told.clone());
    engine.0.tasks.add(supervisor.run("notices", stop, sends));
}

async fn look(engine: Engine, tell: mpsc::Sender<Due>) {
    while engine.0.core.pause_for(LOOK).await {
        engine.look_at_alerts(&tell);
    }
}

async fn send_all(engine: Engine, told: Arc<tokio::sync::Mutex<mpsc::Receiver<Due>>>) {
    let mut told = told.lock().await;
    loop {
        let due = tokio::select! {
            due = told.recv() => due,
            () = engine.stopping() => return,
        };
        let Some(due) = due else { return };
        let text = engine.notice_json(&due.notice).to_string();
        for name in &due.to {
            // A failure is in the log; the alert stays to be seen.
            let _ = tell::send(&engine, name, &text).await;
        }
    }
}

impl Engine {
    /// The rules in force: those of config.toml, and one for each channel with `expect`.
    fn alert_plans(&self) -> Vec<AlertPlan> {
        let plan = self.plan();
        let mut all = plan.server.alerts.clone();
        for channel in plan.channels.iter().filter(|channel| channel.enabled) {
            let Some(expect) = channel.expect else { continue };
            let every = crate::base::format_duration(expect.every);
            let Ok(mut condition) = Condition::parse(&format!("source.silent > {every}")) else {
                continue;
            };
            condition.threshold = expect.every.as_secs_f64();
            all.push(AlertPlan {
                rule: AlertRule {
                    name: format!("silent-{}", channel.name()).into(),
                    condition,
                    hold: Duration::ZERO,
                    repeat: Duration::from_secs(4 * 3600),
                },
                on: vec![channel.name().shared()],
                notify: plan.server.notify.iter().map(|way| way.name.clone()).collect(),
            });
        }
        all
    }

    fn look_at_alerts(&self, tell: &mpsc::Sender<Due>) {
        let core = &self.0.core;
        let alerts = &self.0.alerts;
        let now = core.now();
        let rows = core.store.queues().unwrap_or_default();
        self.take_samples(&rows);
        let plans = self.alert_plans();
        let mut watch = alerts.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<Arc<str>> = plans.iter().map(|plan| plan.rule.name.clone()).collect();
        for (name, _, _) in watch.states() {
            if !names.contains(name) {
                core.registry.forget("alert", name);
            }
        }
        watch.keep(&names);
        for plan in &plans {
            let mut facts = self.facts(&plan.rule.condition, &rows, now);
            facts.retain(|fact| self.concerns(&plan.on, &fact.subject));
            for notice in watch.step(&plan.rule, &facts, now) {
                self.report(&notice);
                // A full queue of notices is reported by the failures of those in it.
                let _ = tell.try_send(Due { notice, to: plan.notify.clone() });
            }
            let firing = watch.firing(&plan.rule.name) as u64;
            core.registry.gauge(&meter::ALERTS_FIRING, &[&plan.rule.name]).set_count(firing);
        }
    }

    fn report(&self, notice: &Notice) {
        let core = &self.0.core;
        let row = match notice.kind {
            NoticeKind::Opened => &happened::ALERT_OPENED,
            NoticeKind::Lasts => &happened::ALERT_LASTS,
            NoticeKind::Ended => &happened::ALERT_ENDED,
        };
        let mut event = core.event(row);
        event.channel = notice.subject.channel.clone();
        event.destination = notice.subject.destination.clone();
        event.code = notice.code.as_deref().and_then(crate::fault::Code::find);
        let value = notice.condition.measure.unit.show(notice.value);
        let text = format!("{}: {} is {value}", notice.alert, notice.condition);
        event.detail = Some(text.into());
        core.observer.emit(event);
    }

    /// Whether a rule is about a subject: channels by name or tag; what belongs to no
    /// channel always.
    fn concerns(&self, on: &[Arc<str>], subject: &Subject) -> bool {
        let Some(name) = &subject.channel else { return true };
        let plan = self.plan();
        let tags = plan.channel(name).map(|channel| channel.tags.clone()).unwrap_or_default();
        on.is_empty()
            || on.iter().any(|on| match on.strip_prefix("tag:") {
                Some(tag) => tags.iter().any(|known| **known == *tag),
                None => on == name,
            })
    }

    /// The facts that a condition is about.
    fn facts(&self, condition: &Condition, rows: &[QueueRow], now: Timestamp) -> Vec<Fact> {
        let core = &self.0.core;
        let whole = |value: f64| vec![Fact { subject: Subject::default(), value, code: None }];
        match condition.measure.name {
            "disk.free" => whole(float(core.store.usage().free_bytes)),
            "reload.failed" => {
                let good = core.registry.gauge(&meter::CONFIG_RELOAD_OK, &[]).value();
                whole(1.0 - good)
            }
            "audit.invalid" => match self.audit_holds() {
                Some(holds) => whole(f64::from(u8::from(!holds))),
                None => Vec::new(),
            },
            "cert.days" => self.certificate_facts(now),
            "ledger.unaccounted" => self.ledger_facts(),
            "source.silent" => {
                let channels = self.channels();
                channels.iter().filter_map(|channel| self.silence(channel, now)).collect()
            }
            name => self
                .stranded_facts(name, rows, now)
                .into_iter()
                .chain(self.outlet_facts(name, rows, now))
                .collect(),
        }
    }

    /// Queues of destinations that no channel has.
    fn stranded_facts(&self, name: &str, rows: &[QueueRow], now: Timestamp) -> Vec<Fact> {
        let known = self.plan();
        let gone = rows.iter().filter(|row| row.waiting > 0 && !super::adopt::has(&known, row));
        let fact = |row: &QueueRow| {
            let value = match name {
                "queue.messages" => float(row.waiting),
                "queue.oldest" => now.since(row.oldest?).as_secs_f64(),
                _ => return None,
            };
            let subject = Subject {
                channel: Some(row.channel.shared()),
                destination: Some(row.destination.shared()),
                other: None,
            };
            Some(Fact { subject, value, code: Some("W6021".into()) })
        };
        gone.filter_map(fact).collect()
    }

    fn outlet_facts(&self, name: &str, rows: &[QueueRow], now: Timestamp) -> Vec<Fact> {
        self.channels()
            .iter()
            .flat_map(|channel| {
                let live = channel.live();
                let outlets = live.outlets.clone();
                let facts: Vec<Fact> = outlets
                    .iter()
                    .filter_map(|outlet| self.outlet_fact(name, channel, outlet, rows, now))
                    .collect();
                facts
            })
            .collect()
    }

    fn certificate_facts(&self, now: Timestamp) -> Vec<Fact> {
        let known = self.0.alerts.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        let fact = |(usage, ends): &(Arc<str>, Timestamp)| Fact {
            subject: Subject { other: Some(usage.clone()), ..Subject::default() },
            value: (ends.seconds() - now.seconds()) / 86_400.0,
            code: None,
        };
        known.iter().map(fact).collect()
    }

    fn ledger_facts(&self) -> Vec<Fact> {
        let Ok(rows) = self.0.core.store.ledger(&Filter::all()) else { return Vec::new() };
        let fact = |channel: &Arc<Channel>| {
            let own = rows.iter().filter(|row| row.channel == channel.name);
            let missing: i64 = own.map(|row| row.unaccounted.abs()).sum();
            Fact {
                subject: of_channel(channel),
                value: float(u64::try_from(missing).unwrap_or(0)),
                code: None,
            }
        };
        self.channels().iter().map(fact).collect()
    }

    /// How long a channel that runs is silent, within the hours in which it counts.
    fn silence(&self, channel: &Channel, now: Timestamp) -> Option<Fact> {
        if channel.state() != "running" {
            return None;
        }
        let last = Timestamp::from_micros(channel.last_received.load(Ordering::Relaxed));
        let mut silent = now.since(last.max(self.0.started));
        if let Some(expect) = channel.live().plan.expect {
            silent = silent.min(open_for(expect, now)?);
        }
        Some(Fact { subject: of_channel(channel), value: silent.as_secs_f64(), code: None })
    }

    fn outlet_fact(
        &self,
        name: &str,
        channel: &Channel,
        outlet: &Outlet,
        rows: &[QueueRow],
        now: Timestamp,
    ) -> Option<Fact> {
        let subject = of_outlet(channel, outlet);
        let row = || {
            rows.iter().find(|row| row.channel == channel.name && row.destination == outlet.name)
        };
        let code = {
            let last = outlet.last_fault.lock().unwrap_or_else(PoisonError::into_inner);
            last.as_ref().map(|(_, fault)| fault.code.clone())
        };
        let value = match name {
            "queue.messages" => float(row().map_or(0, |row| row.waiting)),
            "queue.oldest" => row()?.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()),
            "destination.down" => now.since(outlet.down_since()?).as_secs_f64(),
            windowed => {
                let tracks = self.0.alerts.tracks.lock().unwrap_or_else(PoisonError::into_inner);
                tracks.get(&subject)?.value(windowed, outlet)?
            }
        };
        Some(Fact { subject, value, code })
    }

    /// Begins to count for a channel that starts: dead letters before are none that come.
    pub(super) fn begin_tracks(&self, channel: &Channel) {
        let Ok(rows) = self.0.core.store.queues() else { return };
        let at = self.0.core.ports.clock.monotonic();
        let mut tracks = self.0.alerts.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        for outlet in &channel.live().outlets {
            let own =
                |row: &&QueueRow| row.channel == channel.name && row.destination == outlet.name;
            let dead = rows.iter().find(own).map_or(0, |row| row.dead);
            tracks.entry(of_outlet(channel, outlet)).or_default().look(at, outlet, dead);
        }
    }

    fn take_samples(&self, rows: &[QueueRow]) {
        let at = self.0.core.ports.clock.monotonic();
        let mut tracks = self.0.alerts.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = Vec::new();
        for channel in self.channels() {
            for outlet in &channel.live().outlets {
                let subject = of_outlet(&channel, outlet);
                let row = rows
                    .iter()
                    .find(|row| row.channel == channel.name && row.destination == outlet.name);
                let track = tracks.entry(subject.clone()).or_default();
                track.look(at, outlet, row.map_or(0, |row| row.dead));
                seen.push(subject);
            }
        }
        tracks.retain(|subject, _| seen.contains(subject));
    }

    /// A notice as receivers get it.
    fn notice_json(&self, notice: &Notice) -> Value {
        let plan = self.plan();
        let unit = notice.condition.measure.unit;
        let link = plan.server.admin.listen.map(|at| {
            let scheme = if plan.server.admin.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{at}/api/v1/alerts")
        });
        json!({
            "schema": "weir.notice.v1",
            "kind": notice.kind.name(),
            "alert": &*notice.alert,
            "site": &*plan.server.site,
            "channel": notice.subject.channel.as_deref(),
            "destination": notice.subject.destination.as_deref(),
            "subject": notice.subject.to_string(),
            "condition": notice.condition.to_string(),
            "value": unit.show(notice.value),
            "threshold": &*notice.condition.written,
            "code": notice.code.as_deref(),
            "since": notice.since.to_string(),
            "at": self.0.core.now().to_string(),
            "link": link,
        })
    }

    /// Every rule with what is open, in order of the configuration.
    #[must_use]
    pub fn alerts(&self) -> Vec<AlertStatus> {
        let now = self.0.core.now();
        let watch = self.0.alerts.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |plan: AlertPlan| {
            let own = watch.states().filter(|(name, _, _)| **name == plan.rule.name);
            AlertStatus {
                muted: watch.muted(&plan.rule.name, now),
                states: own.map(|(_, subject, s)| (subject.clone(), s.clone())).collect(),
                rule: plan.rule,
                notify: plan.notify,
            }
        };
        self.alert_plans().into_iter().map(status).collect()
    }

    fn alert_plan(&self, name: &str) -> Result<AlertPlan, Fault> {
        let plans = self.alert_plans();
        if let Some(found) = plans.iter().find(|plan| *plan.rule.name == *name) {
            return Ok(found.clone());
        }
        let fault = Fault::new(W1060).at(Place::path(name));
        Err(match nearest(name, plans.iter().map(|plan| &*plan.rule.name)) {
            Some(near) => fault.remedy(format!("did you mean `{near}`?")),
            None => fault,
        })
    }

    /// Notes who takes up what is open of an alert: it is not repeated then. How many.
    ///
    /// # Errors
    /// `W1060` for an unknown alert, or the store's fault.
    pub async fn alert_ack(&self, name: &str, by: &Actor) -> Result<usize, Fault> {
        let plan = self.alert_plan(name)?;
        let core = &self.0.core;
        let leaf = audit::alert_acked(core.now(), &by.name, &by.reason, &plan.rule.name);
        core.act(Vec::new(), vec![leaf]).await?;
        let mut watch = self.0.alerts.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = watch.acknowledge(&plan.rule.name, &by.name);
        self.said(&happened::ALERT_ACKED, &plan.rule.name, by);
        Ok(taken)
    }

    /// Tells nobody of an alert for a time; what still holds then is told.
    ///
    /// # Errors
    /// `W1060` for an unknown alert, or the store's fault.
    pub async fn alert_mute(
        &self,
        name: &str,
        time: Duration,
        by: &Actor,
    ) -> Result<Timestamp, Fault> {
        let plan = self.alert_plan(name)?;
        let core = &self.0.core;
        let now = core.now();
        let until = now.after(time);
        let about = (&*plan.rule.name, until);
        let leaf = audit::alert_muted(now, &by.name, &by.reason, about);
        core.act(Vec::new(), vec![leaf]).await?;
        let mut watch = self.0.alerts.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.mute(&plan.rule.name, until);
        self.said(&happened::ALERT_MUTED, &plan.rule.name, by);
        Ok(until)
    }

    /// Sends a notice, marked as a test, to everyone an alert tells. What became of each.
    ///
    /// # Errors
    /// `W1060` for an unknown alert.
    pub async fn alert_test(&self, name: &str) -> Result<Vec<(Arc<str>, Option<Fault>)>, Fault> {
        let plan = self.alert_plan(name)?;
        let now = self.0.core.now();
        let mut text = self.notice_json(&Notice {
            kind: NoticeKind::Opened,
            alert: plan.rule.name.clone(),
            subject: Subject::default(),
            value: plan.rule.condition.threshold,
            condition: plan.rule.condition,
            since: now,
            code: None,
        });
        text["kind"] = json!("test");
        let text = text.to_string();
        let mut all = Vec::new();
        for to in plan.notify {
            let result = tell::send(self, &to, &text).await;
            all.push((to, result.err()));
        }
        Ok(all)
    }

    fn said(&self, row: &'static crate::observe::EventRow, name: &str, by: &Actor) {
        let mut event = self.0.core.event(row);
        event.detail = Some(format!("{name}, by {}", by.name).into());
        self.0.core.observer.emit(event);
    }
}

impl Track {
    fn look(&mut self, at: Duration, outlet: &Outlet, dead_now: u64) {
        let before = self.dead_now.replace(dead_now).unwrap_or(dead_now);
        self.dead += dead_now.saturating_sub(before);
        let due = self.samples.back().is_none_or(|last| at.saturating_sub(last.at) >= SAMPLE);
        if !due {
            return;
        }
        self.samples.push_back(Sample {
            at,
            good: outlet.meters.attempts_ok.value(),
            failed: outlet.meters.attempts_failed.value(),
            dead: self.dead,
            took: outlet.meters.duration.counts(),
        });
        while self.samples.front().is_some_and(|old| at.saturating_sub(old.at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// A value over the window; none where nothing happened in it.
    fn value(&self, name: &str, outlet: &Outlet) -> Option<f64> {
        let old = self.samples.front()?;
        match name {
            "dead.new" => Some(float(self.dead.saturating_sub(old.dead))),
            "error.rate" => {
                let good = outlet.meters.attempts_ok.value().saturating_sub(old.good);
                let failed = outlet.meters.attempts_failed.value().saturating_sub(old.failed);
                (good + failed > 0).then(|| float(failed) / float(good + failed))
            }
            "latency.p99" => {
                let took = outlet.meters.duration.counts();
                took.since(&old.took).quantile(99).map(|took| took.as_secs_f64())
            }
            _ => None,
        }
    }
}

fn of_channel(channel: &Channel) -> Subject {
    Subject { channel: Some(channel.name.shared()), ..Subject::default() }
}

fn of_outlet(channel: &Channel, outlet: &Outlet) -> Subject {
    Subject { destination: Some(outlet.name.shared()), ..of_channel(channel) }
}

#[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
fn float(count: u64) -> f64 {
    count as f64
}

/// How long the hours in which a channel is expected to speak have been open; none outside
/// of them. Hours are those of the machine's time zone.
fn open_for(expect: Expect, now: Timestamp) -> Option<Duration> {
    let Some((from, _)) = expect.between else { return Some(Duration::MAX) };
    let local = now.to_jiff().to_zoned(jiff::tz::TimeZone::system()).time();
    let hour = u16::try_from(local.hour()).unwrap_or(0);
    let minute = hour * 60 + u16::try_from(local.minute()).unwrap_or(0);
    let open = (minute + 1440 - from) % 1440;
    within(minute, expect.between).then(|| Duration::from_secs(u64::from(open) * 60))
}
