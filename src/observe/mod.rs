//! Being watched: the table of metrics and their exposition, the table of log events, the
//! writer of log lines, and the stream that `weir tail` follows.
//!
//! Knows no message. An [`Event`] has typed fields only (names, ids, codes, faults), and
//! metric labels come from configuration, so that no content can get out this way.
//! `tracing` with its free-form fields was left aside for that reason.

mod event;
mod events;
mod metrics;
mod registry;
mod writer;

pub use event::{Event, Level};
pub use events::{EVENTS, EventRow, row};
pub use metrics::{METRICS, Metric, MetricKind};
pub use registry::{Counter, Gauge, Histogram, HistogramCounts, Registry};
pub use writer::{LogPlan, LogStyle, Observer};

/// The rows of the table of events, by name.
pub mod happened {
    pub use super::events::rows::*;
}

/// The rows of the table of metrics, by name.
pub mod meter {
    pub use super::metrics::rows::*;
}
