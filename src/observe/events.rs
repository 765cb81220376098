//! The table of log events. Names are stable: scripts and alert rules search for them.

use super::Level;

/// One kind of event.
#[derive(Debug)]
pub struct EventRow {
    /// Its name: snake_case, never changed.
    pub name: &'static str,
    /// How loud.
    pub level: Level,
    /// What happened, for people: a phrase without a period.
    pub phrase: &'static str,
}

macro_rules! events {
    ($($row:ident $level:ident $name:literal $phrase:literal;)*) => {
        /// One constant an event.
        pub mod rows {
            use super::EventRow;
            use crate::observe::Level;
            $(
                #[doc = $phrase]
                pub static $row: EventRow =
                    EventRow { name: $name, level: Level::$level, phrase: $phrase };
            )*
        }

        /// Every event.
        pub static EVENTS: &[&EventRow] = &[$(&rows::$row),*];
    };
}

events! {
    ENGINE_STARTED Info "engine_started" "weir is up";
    ENGINE_STOPPING Info "engine_stopping" "weir is stopping at the next message boundary";
    ENGINE_STOPPED Info "engine_stopped" "weir has stopped";
    STORE_OPENED Info "store_opened" "the store is open";
    STORE_REPAIRED Warn "store_repaired" "the store was not closed in order and has been repaired";
    STORE_TROUBLE Error "store_trouble" "the store does not take entries";
    STORE_PRUNED Info "store_pruned" "old segments were removed";
    CONTENT_REMOVED Info "content_removed" "content past `keep.content` was removed";
    DISK_LOW Warn "disk_low" "free space is below `min_free`: senders are slowed, then refused";
    DISK_RECOVERED Info "disk_recovered" "free space is above `min_free` again";
    CONFIG_RELOADED Info "config_reloaded" "another configuration is in force";
    CONFIG_REFUSED Error "config_refused" "the new configuration was refused; nothing changed";
    CHANNEL_STARTED Info "channel_started" "the channel takes messages";
    CHANNEL_STOPPED Info "channel_stopped" "the channel has stopped";
    CHANNEL_FAILED Error "channel_failed" "the channel could not start";
    QUEUE_STRANDED Error "queue_stranded" "messages wait for a destination that no channel has: reload with `--adopt` or `--drop`";
    CHANNEL_SLOWED Warn "channel_slowed" "the queue is full: senders are slowed";
    CHANNEL_FREED Info "channel_freed" "the queue has room again";
    PAUSED Info "paused" "paused by a person";
    RESUMED Info "resumed" "resumed by a person";
    DRAINED Info "drained" "everything queued has been delivered";
    SOURCE_LISTENING Info "source_listening" "the source takes connections";
    CONNECTION_OPENED Debug "connection_opened" "a peer connected";
    CONNECTION_CLOSED Debug "connection_closed" "a connection ended";
    CONNECTION_FAILED Warn "connection_failed" "a connection ended with a fault";
    CONNECTION_REFUSED Warn "connection_refused" "a connection was turned away";
    CALLER_REFUSED Warn "caller_refused" "a request was refused because of who sent it";
    SOURCE_JUNK Warn "source_junk" "bytes outside a frame were passed over";
    SOURCE_TROUBLE Warn "source_trouble" "the source has trouble";
    FILE_TAKEN Info "file_taken" "a file was taken to its end";
    EXPORT_TAKEN Info "export_taken" "an export of a server was taken to its end";
    MESSAGE_ACCEPTED Debug "message_accepted" "a message was taken";
    MESSAGE_REFUSED Warn "message_refused" "a message was refused";
    MESSAGE_DEVIATES Warn "message_deviates"
        "a message deviates from the standard in a way that was read past";
    MESSAGE_DUPLICATE Info "message_duplicate" "a message came again and was not taken twice";
    MESSAGE_NOT_KEPT Error "message_not_kept" "a message could not be kept; the sender has it";
    STAGE_PANICKED Error "stage_panicked" "a stage panicked; the message is kept as dead";
    DELIVERY_DELIVERED Debug "delivery_delivered" "the peer has it";
    DELIVERY_RETRY Warn "delivery_retry" "an attempt failed and is made again later";
    DELIVERY_DEAD Error "delivery_dead" "no more attempts are made";
    DELIVERY_DENIED Info "delivery_denied" "consent, asked again, keeps the delivery back";
    DELIVERY_HELD Info "delivery_held" "the delivery is held";
    DELIVERY_BLOCKED Error "delivery_blocked" "the peer refuses the message; its lane waits";
    DELIVERY_SKIPPED Warn "delivery_skipped" "a person gave the delivery up";
    DELIVERY_REQUEUED Info "delivery_requeued" "a person sends the message again";
    DELIVERY_RELEASED Info "delivery_released" "the delivery goes on";
    DESTINATION_DOWN Error "destination_down" "the destination does not answer";
    DESTINATION_UP Info "destination_up" "the destination answers again";
    CONSENT_STORED Info "consent_stored" "a consent came or changed";
    CONSENT_DELETED Info "consent_deleted" "a consent was deleted";
    TASK_RESTARTED Error "task_restarted" "a task panicked and was started again";
    ADMIN_LISTENING Info "admin_listening" "the API takes requests";
    ADMIN_TROUBLE Warn "admin_trouble" "a request could not be served";
    ALERT_OPENED Error "alert_opened" "an alert opened";
    ALERT_LASTS Error "alert_lasts" "an alert is still open";
    ALERT_ENDED Info "alert_ended" "an alert is over";
    ALERT_ACKED Info "alert_acked" "a person takes an alert up";
    ALERT_MUTED Warn "alert_muted" "an alert tells nobody for a time";
    NOTICE_FAILED Error "notice_failed" "a notice did not reach its receiver";
    AUDIT_BROKEN Error "audit_broken" "the audit chain could not be walked to its end";
    CREDENTIALS_REFUSED Error "credentials_refused" "a renewed certificate or key cannot be used";
    CONTENT_REVEALED Warn "content_revealed" "a person looked at the content of a message";
}

/// The row of an event by its name.
#[must_use]
pub fn row(name: &str) -> Option<&'static EventRow> {
    EVENTS.iter().copied().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case_and_unique() {
        let mut names: Vec<&str> = EVENTS.iter().map(|row| row.name).collect();
        for row in EVENTS {
            let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(row.name.bytes().all(plain), "{}", row.name);
            assert!(!row.phrase.ends_with('.'), "{}", row.name);
        }
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
        assert!(row("message_refused").is_some() && row("nothing").is_none());
    }
}
