//! Handles of metrics, resolved once when a channel starts.

use std::sync::{Arc, OnceLock};

use crate::base::DestinationName;
use crate::channel::ChannelRules;
use crate::hl7v2::mllp::Oddities;
use crate::hl7v2::{Tolerance, Tolerances};
use crate::message::{Stage, Trail};
use crate::observe::{Counter, Gauge, Histogram, Registry, meter};

/// Metrics of one channel.
pub(crate) struct ChannelMeters {
    registry: Arc<Registry>,
    channel: Arc<str>,
    types: Vec<(Arc<str>, Counter)>,
    other: Counter,
    pub(crate) bytes: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) unused: Counter,
    pub(crate) last_received: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) pressure: Gauge,
    pub(crate) unaccounted: Gauge,
    acks: [Counter; 6],
    stages: [Histogram; STAGES.len()],
    read_past: [OnceLock<Counter>; Tolerance::ALL.len()],
}

/// Metrics of one destination.
#[derive(Clone)]
pub(crate) struct DestinationMeters {
    registry: Arc<Registry>,
    channel: Arc<str>,
    name: Arc<str>,
    pub(crate) up: Gauge,
    pub(crate) ready: Gauge,
    pub(crate) retrying: Gauge,
    pub(crate) held: Gauge,
    pub(crate) dead_now: Gauge,
    pub(crate) queue_bytes: Gauge,
    pub(crate) oldest: Gauge,
    pub(crate) delivered: Counter,
    pub(crate) denied: Counter,
    pub(crate) filtered: Counter,
    pub(crate) skipped: Counter,
    pub(crate) replayed: Counter,
    pub(crate) attempts_ok: Counter,
    pub(crate) attempts_failed: Counter,
    pub(crate) duration: Histogram,
    pub(crate) end_to_end: Histogram,
    pub(crate) last_delivered: Gauge,
}

const STAGES: [Stage; 9] = [
    Stage::Parse,
    Stage::Filter,
    Stage::Validate,
    Stage::Consent,
    Stage::Map,
    Stage::Deidentify,
    Stage::Encrypt,
    Stage::Commit,
    Stage::Deliver,
];

const ACK_CODES: [&str; 6] = ["AA", "AE", "AR", "CA", "CE", "CR"];

impl ChannelMeters {
    /// Resolves the handles of a channel.
    pub(crate) fn new(registry: &Arc<Registry>, rules: &ChannelRules) -> Self {
        let name = rules.name.as_str();
        let one = [name];
        Self {
            types: rules
                .accept
                .0
                .iter()
                .map(|kind| (kind.clone(), registry.counter(&meter::RECEIVED, &[name, kind])))
                .collect(),
            other: registry.counter(&meter::RECEIVED, &[name, "other"]),
            bytes: registry.counter(&meter::RECEIVED_BYTES, &one),
            unused: registry.counter(&meter::UNUSED_FIELDS, &one),
            duplicates: registry.counter(&meter::DUPLICATES, &one),
            last_received: registry.gauge(&meter::LAST_RECEIVED, &one),
            connections: registry.gauge(&meter::SOURCE_CONNECTIONS, &one),
            pressure: registry.gauge(&meter::PRESSURE, &one),
            unaccounted: registry.gauge(&meter::UNACCOUNTED, &one),
            acks: ACK_CODES.map(|code| registry.counter(&meter::ACKS, &[name, code])),
            stages: STAGES
                .map(|stage| registry.histogram(&meter::STAGE_DURATION, &[name, stage.name()])),
            read_past: [const { OnceLock::new() }; Tolerance::ALL.len()],
            registry: registry.clone(),
            channel: rules.name.shared(),
        }
    }

    /// Counts what was read past in a message; gives the notable kinds that the channel
    /// shows for the first time since it started.
    pub(crate) fn read_past(&self, kinds: Tolerances) -> Tolerances {
        let mut new = Tolerances::NONE;
        for kind in kinds.iter() {
            let Some(place) = self.read_past.get(kind as usize) else { continue };
            if place.get().is_none() && kind.is_notable() {
                new.insert(kind);
            }
            place.get_or_init(|| self.deviation(kind.name())).increment();
        }
        new
    }

    /// Counts deviations of the framing.
    pub(crate) fn framing(&self, odd: &Oddities) {
        let all = [
            ("bytes-between-frames", odd.junk_bytes),
            ("blanks-between-frames", odd.blank_bytes),
            ("frame-restarted", odd.restarts),
            ("loose-end", odd.loose_ends),
        ];
        for (name, count) in all.into_iter().filter(|(_, count)| *count > 0) {
            self.deviation(name).add(count);
        }
    }

    fn deviation(&self, name: &str) -> Counter {
        self.registry.counter(&meter::READ_PAST, &[&self.channel, name])
    }

    /// Counts a message by its type within `accept`.
    pub(crate) fn received(&self, message_type: &str) {
        let known = self.types.iter().find(|(kind, _)| &**kind == message_type);
        known.map_or(&self.other, |(_, counter)| counter).increment();
    }

    /// Messages counted since the start.
    pub(crate) fn received_total(&self) -> u64 {
        self.types.iter().map(|(_, counter)| counter.value()).sum::<u64>() + self.other.value()
    }

    /// Counts an acknowledgment.
    pub(crate) fn acknowledged(&self, code: &str) {
        if let Some(place) = ACK_CODES.iter().position(|known| *known == code)
            && let Some(counter) = self.acks.get(place)
        {
            counter.increment();
        }
    }

    /// Notes how long a stage took.
    pub(crate) fn stage(&self, stage: Stage, took: std::time::Duration) {
        if let Some(place) = STAGES.iter().position(|known| *known == stage)
            && let Some(histogram) = self.stages.get(place)
        {
            histogram.observe(took);
        }
    }

    /// Notes how long the stages of a trail took.
    pub(crate) fn trail(&self, trail: &Trail) {
        for step in &trail.steps {
            self.stage(step.stage, std::time::Duration::from_micros(step.micros.into()));
        }
    }

    /// Counts a code without a row in its code map, by the map's name.
    pub(crate) fn unmapped(&self, table: &str) {
        self.registry.counter(&meter::UNMAPPED_CODES, &[&self.channel, table]).increment();
    }

    /// Counts a message that could not be mapped.
    pub(crate) fn mapping_failed(&self, code: &str) {
        let channel: &str = &self.channel;
        self.registry.counter(&meter::MAPPING_FAILURES, &[channel, code]).increment();
    }

    /// Shows the state the channel is in.
    pub(crate) fn state(&self, state: &str, all: &[&str]) {
        for known in all {
            let gauge = self.registry.gauge(&meter::CHANNEL_STATE, &[&self.channel, known]);
            gauge.set(f64::from(u8::from(*known == state)));
        }
    }
}

impl DestinationMeters {
    /// Resolves the handles of a destination.
    pub(crate) fn new(
        registry: &Arc<Registry>,
        channel: &Arc<str>,
        name: &DestinationName,
    ) -> Self {
        let to = [&**channel, name.as_str()];
        let queue = |state| registry.gauge(&meter::QUEUE, &[to[0], to[1], state]);
        let attempts = |result| registry.counter(&meter::ATTEMPTS, &[to[0], to[1], result]);
        let up = registry.gauge(&meter::DESTINATION_UP, &to);
        up.set(1.0);
        Self {
            up,
            ready: queue("ready"),
            retrying: queue("retrying"),
            held: queue("held"),
            dead_now: queue("dead"),
            queue_bytes: registry.gauge(&meter::QUEUE_BYTES, &to),
            oldest: registry.gauge(&meter::QUEUE_OLDEST, &to),
            delivered: registry.counter(&meter::DELIVERED, &to),
            denied: registry.counter(&meter::DENIED, &to),
            filtered: registry.counter(&meter::FILTERED, &to),
            skipped: registry.counter(&meter::SKIPPED, &to),
            replayed: registry.counter(&meter::REPLAYED, &to),
            attempts_ok: attempts("delivered"),
            attempts_failed: attempts("failed"),
            duration: registry.histogram(&meter::DELIVERY_DURATION, &to),
            end_to_end: registry.histogram(&meter::END_TO_END, &to),
            last_delivered: registry.gauge(&meter::LAST_DELIVERED, &to),
            registry: registry.clone(),
            channel: channel.clone(),
            name: name.shared(),
        }
    }

    /// Counts a dead letter.
    pub(crate) fn dead(&self, code: &str) {
        self.registry.counter(&meter::DEAD, &[&self.channel, &self.name, code]).increment();
    }

    /// Counts a consent decision.
    pub(crate) fn decided(&self, verdict: &str) {
        let labels = [&*self.channel, &*self.name, verdict];
        self.registry.counter(&meter::CONSENT, &labels).increment();
    }
}
