//! The table of metrics: names, labels and help, as operators and alert rules know them.
//!
//! Labels hold values of the configuration only: channel, destination, a message type that
//! `accept` names (else `other`), a code, a stage, a result, a key. Never a peer, an id or
//! anything of a message: a label is a series, and a peer must not be able to make series.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in seconds, by size.
    Histogram,
    /// Counts of things that go together, by size.
    Sizes,
}

impl MetricKind {
    /// The word for it in the exposition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram | Self::Sizes => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, `weir_..`, base units; counters end in `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// Declares the rows and the table of all.
macro_rules! metrics {
    ($($row:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        /// One constant a metric.
        pub mod rows {
            use super::{Metric, MetricKind};
            $(
                #[doc = $help]
                pub static $row: Metric = Metric {
                    name: $name,
                    kind: MetricKind::$kind,
                    labels: &[$($label),*],
                    help: $help,
                };
            )*
        }

        /// Every metric, in the order of the exposition.
        pub static METRICS: &[&Metric] = &[$(&rows::$row),*];
    };
}

metrics! {
    BUILD_INFO Gauge "weir_build_info" ["version"] "Version of weir; always 1.";
    CONFIG_INFO Gauge "weir_config_info" ["revision"] "Configuration in force; always 1.";
    CONFIG_RELOADS Counter "weir_config_reloads_total" ["result"]
        "Reloads of the configuration.";
    CONFIG_RELOAD_OK Gauge "weir_config_last_reload_successful" []
        "1 when the last reload was taken, else 0.";
    CONFIG_RELOAD_AT Gauge "weir_config_last_reload_timestamp_seconds" []
        "When the configuration in force was taken.";
    CHANNEL_STATE Gauge "weir_channel_state" ["channel" "state"]
        "1 for the state the channel is in, 0 for the others.";
    SOURCE_CONNECTIONS Gauge "weir_source_connections" ["channel"]
        "Open connections of the source.";
    DESTINATION_UP Gauge "weir_destination_up" ["channel" "destination"]
        "0 while the destination does not answer, else 1.";
    RECEIVED Counter "weir_messages_received_total" ["channel" "type"]
        "Messages that came in, by type within `accept`, else `other`.";
    RECEIVED_BYTES Counter "weir_received_bytes_total" ["channel"] "Bytes of messages received.";
    ACKS Counter "weir_acks_sent_total" ["channel" "code"] "Acknowledgments, by code.";
    DUPLICATES Counter "weir_messages_duplicate_total" ["channel"]
        "Messages that came again within the window and were not taken twice.";
    READ_PAST Counter "weir_deviations_total" ["channel" "deviation"]
        "Deviations from the standard that messages or their framing had, by name.";
    PRESSURE Gauge "weir_channel_pressure" ["channel"]
        "0 while the channel takes messages freely, 1 while senders are slowed, 2 while refused.";
    CONSENT Counter "weir_consent_decisions_total" ["channel" "destination" "decision"]
        "Consent decisions.";
    REVEALS Counter "weir_reveals_total" ["role"] "Looks of people at patient data.";
    MAPPING_FAILURES Counter "weir_mapping_failures_total" ["channel" "code"]
        "Messages that could not be mapped, by code.";
    UNUSED_FIELDS Counter "weir_unused_fields_total" ["channel"]
        "Input fields that no rule used.";
    QUEUE Gauge "weir_queue_messages" ["channel" "destination" "state"]
        "Deliveries by state: ready, retrying, held, dead.";
    QUEUE_BYTES Gauge "weir_queue_bytes" ["channel" "destination"]
        "Bytes of the bodies that wait.";
    QUEUE_OLDEST Gauge "weir_queue_oldest_age_seconds" ["channel" "destination"]
        "Age of the oldest waiting delivery.";
    ATTEMPTS Counter "weir_delivery_attempts_total" ["channel" "destination" "result"]
        "Attempts to deliver, by result.";
    DELIVERED Counter "weir_messages_delivered_total" ["channel" "destination"]
        "Deliveries that the peer confirmed.";
    DEAD Counter "weir_messages_dead_total" ["channel" "destination" "code"]
        "Deliveries that became dead letters, by code.";
    DENIED Counter "weir_messages_denied_total" ["channel" "destination"]
        "Deliveries that consent kept back.";
    FILTERED Counter "weir_messages_filtered_total" ["channel" "destination"]
        "Deliveries that a condition kept back.";
    SKIPPED Counter "weir_messages_skipped_total" ["channel" "destination"]
        "Deliveries that a person gave up.";
    REPLAYED Counter "weir_messages_replayed_total" ["channel" "destination"]
        "Deliveries that a person sent again.";
    STAGE_DURATION Histogram "weir_stage_duration_seconds" ["channel" "stage"]
        "Time a message spends in a stage.";
    DELIVERY_DURATION Histogram "weir_delivery_duration_seconds" ["channel" "destination"]
        "Time from sending to the peer's answer.";
    END_TO_END Histogram "weir_end_to_end_duration_seconds" ["channel" "destination"]
        "Time from receipt of a message to the positive answer of the destination.";
    LAST_RECEIVED Gauge "weir_last_received_timestamp_seconds" ["channel"]
        "When the last message came in.";
    LAST_DELIVERED Gauge "weir_last_delivered_timestamp_seconds" ["channel" "destination"]
        "When the last delivery was confirmed.";
    UNACCOUNTED Gauge "weir_ledger_unaccounted_messages" ["channel"]
        "Messages without an end state; anything but 0 is a loss.";
    STORE_BYTES Gauge "weir_store_bytes" [] "Bytes of the journal.";
    STORE_FREE Gauge "weir_store_free_bytes" [] "Free bytes on the disk of the store.";
    COMMIT_DURATION Histogram "weir_store_commit_duration_seconds" []
        "Time until an entry is on disk.";
    COMMIT_MESSAGES Sizes "weir_store_commit_messages" []
        "Entries that share a write and a sync of the journal.";
    RECORDS_RESOURCES Gauge "weir_records_resources" ["collection"]
        "Resources of a collection of the record store that are not deleted.";
    RECORDS_VERSIONS Gauge "weir_records_versions" ["collection"]
        "Versions of resources of a collection, deletions included.";
    RECORDS_WRITES Counter "weir_records_writes_total" ["collection" "result"]
        "Writes to a collection: written, again (the same message before), refused, failed.";
    RECORDS_WRITE_DURATION Histogram "weir_records_write_duration_seconds" ["collection"]
        "Time until a write to a collection is on disk.";
    RECORDS_SEARCHES Counter "weir_records_searches_total" ["collection" "result"]
        "Searches of a collection: found, refused, failed.";
    RECORDS_SEARCH_DURATION Histogram "weir_records_search_duration_seconds" ["collection"]
        "Time that a search of a collection takes.";
    RECORDS_LOOKS Counter "weir_records_looks_total" ["collection"]
        "Resources that searches looked at: far more than they found means a missing condition.";
    AUDIT_RECORDS Counter "weir_audit_records_total" ["action"] "Audit records written.";
    AUDIT_VALID Gauge "weir_audit_chain_valid" [] "1 when the last check of the chain held.";
    AUDIT_VERIFIED Gauge "weir_audit_verified_timestamp_seconds" []
        "When the chain was last checked.";
    KEY_AGE Gauge "weir_key_age_seconds" ["key"] "Age of a key.";
    CERTIFICATE_EXPIRY Gauge "weir_tls_certificate_expiry_timestamp_seconds" ["use"]
        "When a certificate ends.";
    HTTP_REQUESTS Counter "weir_http_requests_total" ["route" "code"] "Requests to the API.";
    ALERTS_FIRING Gauge "weir_alerts_firing" ["alert"] "Open alerts of a rule.";
    LIVE_CLIENTS Gauge "weir_live_clients" [] "Readers of the stream of events.";
    UNMAPPED_CODES Counter "weir_unmapped_codes_total" ["channel" "table"]
        "Codes without a row in their code map, of messages that were mapped all the same.";
    EVENTS_SUPPRESSED Counter "weir_log_events_suppressed_total" []
        "Log lines left out because the same had just been written.";
    PROCESS_CPU Counter "process_cpu_seconds_total" []
        "Processor time used, user and system, in seconds.";
    PROCESS_OPEN_FILES Gauge "process_open_fds" [] "Open files and sockets.";
    PROCESS_MAX_FILES Gauge "process_max_fds" [] "Most files and sockets that may be open.";
    PROCESS_VIRTUAL Gauge "process_virtual_memory_bytes" [] "Virtual memory in bytes.";
    PROCESS_RESIDENT Gauge "process_resident_memory_bytes" [] "Memory in use in bytes.";
    PROCESS_THREADS Gauge "process_threads" [] "Threads.";
    PROCESS_STARTED Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_custom() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for metric in METRICS {
            let name = metric.name;
            assert!(name.starts_with("weir_") || name.starts_with("process_"), "{name}");
            let counter = metric.kind == MetricKind::Counter;
            assert_eq!(counter, name.ends_with("_total"), "{name}");
            assert!(metric.help.ends_with('.'), "{name}: help is a sentence");
            for label in metric.labels {
                let known = [
                    "channel",
                    "destination",
                    "type",
                    "code",
                    "stage",
                    "result",
                    "key",
                    "state",
                    "decision",
                    "action",
                    "role",
                    "route",
                    "deviation",
                    "version",
                    "revision",
                    "use",
                    "alert",
                    "table",
                    "collection",
                ];
                assert!(known.contains(label), "{name}: {label}");
            }
        }
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "names are unique");
    }
}
