//! Values of metrics, and their text.
//!
//! A handle is resolved once, when a channel starts; adding to it is one atomic operation.
//! The lock is taken to resolve and to write the exposition, never on a message's way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{METRICS, Metric, MetricKind};

/// Upper bounds of the histograms' buckets, in microseconds: 1 ms to 60 s.
const BOUNDS_MICROS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Upper bounds of the buckets of sizes: up to the entries of the largest batch.
const BOUNDS_SIZES: [u64; 15] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024];

/// Counts. Cheap to clone; clones are one counter.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Shows a value. Cheap to clone; clones are one gauge.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Sets it to a count.
    #[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
    pub fn set_count(&self, value: u64) {
        self.set(value as f64);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Counts durations, or sizes, by their size. Cheap to clone; clones are one histogram.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: &'static [u64; BOUNDS_MICROS.len()],
    counts: [AtomicU64; BOUNDS_MICROS.len() + 1],
    /// Of micros, or of sizes.
    sum: AtomicU64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { bounds: &BOUNDS_MICROS, counts: Default::default(), sum: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// One of sizes.
    fn sizes() -> Self {
        Self(Arc::new(Buckets { bounds: &BOUNDS_SIZES, ..Buckets::default() }))
    }

    /// Notes one duration.
    pub fn observe(&self, duration: Duration) {
        self.note(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Notes one size, in a histogram of sizes.
    pub fn observe_size(&self, size: u64) {
        self.note(size);
    }

    fn note(&self, value: u64) {
        let place = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How many were noted, by size.
    #[must_use]
    pub fn counts(&self) -> HistogramCounts {
        let count = |i: usize| self.0.counts.get(i).map_or(0, |c| c.load(Ordering::Relaxed));
        HistogramCounts(std::array::from_fn(count))
    }

    /// How many were noted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts().0.iter().sum()
    }

    /// Upper bound of the bucket in which the quantile of durations lies; none before the
    /// first value.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> Option<Duration> {
        self.counts().quantile(percent)
    }
}

/// How many durations were noted, by size, at one moment.
#[derive(Clone, Debug, Default)]
pub struct HistogramCounts([u64; BOUNDS_MICROS.len() + 1]);

impl HistogramCounts {
    /// Those noted since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let both = |i: usize| (self.0.get(i).copied(), earlier.0.get(i).copied());
        Self(std::array::from_fn(|i| match both(i) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => 0,
        }))
    }

    /// Upper bound of the bucket in which the quantile lies; none when nothing was noted.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> Option<Duration> {
        let total: u64 = self.0.iter().sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (count, bound) in self.0.iter().zip(BOUNDS_MICROS.iter().chain([&u64::MAX])) {
            seen += count;
            if total > 0 && seen >= rank {
                return Some(Duration::from_micros((*bound).min(60_000_000)));
            }
        }
        None
    }
}

#[derive(Clone)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

type Family = BTreeMap<Vec<Arc<str>>, Series>;

/// All series of one engine.
#[derive(Default)]
pub struct Registry {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

impl Registry {
    fn series(&self, metric: &Metric, values: &[&str], make: fn() -> Series) -> Series {
        debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
        let key: Vec<Arc<str>> = values.iter().map(|value| (*value).into()).collect();
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        families.entry(metric.name).or_default().entry(key).or_insert_with(make).clone()
    }

    /// The counter with these label values, in the order of the metric's labels.
    #[must_use]
    pub fn counter(&self, metric: &'static Metric, values: &[&str]) -> Counter {
        match self.series(metric, values, || Series::Counter(Counter::default())) {
            Series::Counter(counter) => counter,
            Series::Gauge(_) | Series::Histogram(_) => Counter::default(),
        }
    }

    /// The gauge with these label values.
    #[must_use]
    pub fn gauge(&self, metric: &'static Metric, values: &[&str]) -> Gauge {
        match self.series(metric, values, || Series::Gauge(Gauge::default())) {
            Series::Gauge(gauge) => gauge,
            Series::Counter(_) | Series::Histogram(_) => Gauge::default(),
        }
    }

    /// The histogram with these label values.
    #[must_use]
    pub fn histogram(&self, metric: &'static Metric, values: &[&str]) -> Histogram {
        let make = match metric.kind {
            MetricKind::Sizes => || Series::Histogram(Histogram::sizes()),
            MetricKind::Histogram | MetricKind::Counter | MetricKind::Gauge => {
                || Series::Histogram(Histogram::default())
            }
        };
        match self.series(metric, values, make) {
            Series::Histogram(histogram) => histogram,
            Series::Counter(_) | Series::Gauge(_) => Histogram::default(),
        }
    }

    /// Drops every series whose label has this value, as when a channel goes.
    pub fn forget(&self, label: &str, value: &str) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in METRICS {
            let Some(place) = metric.labels.iter().position(|known| *known == label) else {
                continue;
            };
            if let Some(family) = families.get_mut(metric.name) {
                family.retain(|key, _| key.get(place).is_none_or(|known| &**known != value));
            }
        }
    }

    /// The text exposition: metrics in the order of their table, series in the order of
    /// their labels. Metrics without a series are left out.
    ///
    /// Source: Prometheus text format 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut out = String::with_capacity(16 * 1024);
        for metric in METRICS {
            let Some(family) = families.get(metric.name).filter(|family| !family.is_empty()) else {
                continue;
            };
            let _ = writeln!(out, "# HELP {} {}", metric.name, metric.help);
            let _ = writeln!(out, "# TYPE {} {}", metric.name, metric.kind.name());
            for (values, series) in family {
                write_series(&mut out, metric, values, series);
            }
        }
        out
    }
}

fn write_series(out: &mut String, metric: &Metric, values: &[Arc<str>], series: &Series) {
    let name = metric.name;
    match series {
        Series::Counter(counter) => {
            let _ = writeln!(out, "{name}{} {}", labels(metric, values, None), counter.value());
        }
        Series::Gauge(gauge) => {
            let _ = writeln!(out, "{name}{} {}", labels(metric, values, None), gauge.value());
        }
        Series::Histogram(histogram) => {
            let mut seen = 0;
            let counts = histogram.counts().0;
            let shown = |value: u64| match metric.kind {
                MetricKind::Sizes => value.to_string(),
                MetricKind::Histogram | MetricKind::Counter | MetricKind::Gauge => {
                    Duration::from_micros(value).as_secs_f64().to_string()
                }
            };
            for (count, bound) in counts.iter().zip(histogram.0.bounds) {
                seen += count;
                let bound = shown(*bound);
                let labels = labels(metric, values, Some(&bound));
                let _ = writeln!(out, "{name}_bucket{labels} {seen}");
            }
            let total: u64 = counts.iter().sum();
            let all = labels(metric, values, Some("+Inf"));
            let _ = writeln!(out, "{name}_bucket{all} {total}");
            let plain = labels(metric, values, None);
            let sum = shown(histogram.0.sum.load(Ordering::Relaxed));
            let _ = writeln!(out, "{name}_sum{plain} {sum}");
            let _ = writeln!(out, "{name}_count{plain} {total}");
        }
    }
}

fn labels(metric: &Metric, values: &[Arc<str>], bound: Option<&str>) -> String {
    let pairs = metric.labels.iter().copied().zip(values.iter().map(|value| &**value));
    let mut out = String::new();
    for (name, value) in pairs.chain(bound.map(|bound| ("le", bound))) {
        out.push(if out.is_empty() { '{' } else { ',' });
        let _ = write!(out, "{name}=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    if !out.is_empty() {
        out.push('}');
    }
    out
}

const _: () = assert!(matches!(super::metrics::rows::RECEIVED.kind, MetricKind::Counter));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::meter;

    #[test]
    fn writes_what_prometheus_reads() {
        let registry = Registry::default();
        registry.counter(&meter::RECEIVED, &["adt", "ADT^A01"]).add(3);
        registry.counter(&meter::RECEIVED, &["adt", "ADT^A01"]).increment();
        registry.gauge(&meter::CONFIG_INFO, &["a\"b\\"]).set(1.0);
        insta::assert_snapshot!(registry.text(), @r#"
        # HELP weir_config_info Configuration in force; always 1.
        # TYPE weir_config_info gauge
        weir_config_info{revision="a\"b\\"} 1
        # HELP weir_messages_received_total Messages that came in, by type within `accept`, else `other`.
        # TYPE weir_messages_received_total counter
        weir_messages_received_total{channel="adt",type="ADT^A01"} 4
        "#);
    }

    #[test]
    fn histograms_count_up_to_each_bound() {
        let registry = Registry::default();
        let histogram = registry.histogram(&meter::COMMIT_DURATION, &[]);
        for millis in [1, 2, 400, 90_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let text = registry.text();
        for line in [
            "weir_store_commit_duration_seconds_bucket{le=\"0.001\"} 1",
            "weir_store_commit_duration_seconds_bucket{le=\"0.0025\"} 2",
            "weir_store_commit_duration_seconds_bucket{le=\"0.5\"} 3",
            "weir_store_commit_duration_seconds_bucket{le=\"60\"} 3",
            "weir_store_commit_duration_seconds_bucket{le=\"+Inf\"} 4",
            "weir_store_commit_duration_seconds_sum 90.403",
            "weir_store_commit_duration_seconds_count 4",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(histogram.quantile(50), Some(Duration::from_micros(2500)));
        assert_eq!(histogram.quantile(75), Some(Duration::from_millis(500)));
        assert_eq!(Histogram::default().quantile(50), None);
    }

    #[test]
    fn histograms_of_sizes_count_things() {
        let registry = Registry::default();
        let histogram = registry.histogram(&meter::COMMIT_MESSAGES, &[]);
        for size in [1, 1, 5, 2000] {
            histogram.observe_size(size);
        }
        let text = registry.text();
        for line in [
            "# TYPE weir_store_commit_messages histogram",
            "weir_store_commit_messages_bucket{le=\"1\"} 2",
            "weir_store_commit_messages_bucket{le=\"4\"} 2",
            "weir_store_commit_messages_bucket{le=\"6\"} 3",
            "weir_store_commit_messages_bucket{le=\"1024\"} 3",
            "weir_store_commit_messages_bucket{le=\"+Inf\"} 4",
            "weir_store_commit_messages_sum 2007",
            "weir_store_commit_messages_count 4",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_channel_that_goes_takes_its_series_along() {
        let registry = Registry::default();
        registry.counter(&meter::RECEIVED_BYTES, &["adt"]).add(1);
        registry.counter(&meter::RECEIVED_BYTES, &["lab"]).add(1);
        registry.forget("channel", "adt");
        assert!(!registry.text().contains("adt") && registry.text().contains("lab"));
    }
}
