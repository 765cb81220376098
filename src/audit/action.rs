//! The actions a leaf may name.

/// What was done, as leaves, metrics and filters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// A message was taken and is owed.
    MessageAccepted,
    /// A message was refused, its bytes kept.
    MessageRefused,
    /// The sender heard another answer than the one its message was kept with.
    MessageAnswered,
    /// Consent was asked for one recipient and purpose.
    ConsentDecided,
    /// Fields of an outgoing body were sealed, replaced by tokens or dropped.
    MessageSealed,
    /// The peer has it.
    DeliveryDelivered,
    /// No more attempts.
    DeliveryDead,
    /// A person gave it up.
    DeliverySkipped,
    /// Its sender heard that the peer refused it.
    DeliveryAnswered,
    /// A person sends it again.
    DeliveryRequeued,
    /// Kept back.
    DeliveryHeld,
    /// Let go on.
    DeliveryReleased,
    /// A channel or destination was paused.
    ChannelPaused,
    /// A channel or destination goes on.
    ChannelResumed,
    /// Another configuration is in force.
    ConfigReloaded,
    /// A consent came or changed.
    ConsentStored,
    /// A consent was taken back by deletion.
    ConsentDeleted,
    /// Versions of resources were written to the record store.
    RecordsWritten,
    /// Sealed values were opened by the holder of a key.
    MessageUnsealed,
    /// Patient data was shown to a person.
    MessageRevealed,
    /// Versions of resources were shown to a client.
    RecordsRead,
    /// The engine came up.
    EngineStarted,
    /// The engine went down in order.
    EngineStopped,
    /// A person takes an open alert up.
    AlertAcked,
    /// An alert tells nobody for a time.
    AlertMuted,
}

/// What is known of an action.
#[derive(Debug)]
pub struct ActionRow {
    /// The action.
    pub action: Action,
    /// Its word in leaves: never changed, never reused.
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
}

const fn row(action: Action, name: &'static str, about: &'static str) -> ActionRow {
    ActionRow { action, name, about }
}

/// Every action, in the order of the enum.
pub const ACTIONS: &[ActionRow] = &[
    row(Action::MessageAccepted, "message_accepted", "A message was taken and is owed."),
    row(Action::MessageRefused, "message_refused", "A message was refused, its bytes kept."),
    row(Action::MessageAnswered, "message_answered", "The sender heard another answer."),
    row(Action::ConsentDecided, "consent_decided", "Consent was asked for a recipient."),
    row(Action::MessageSealed, "message_sealed", "Fields were sealed, tokenized or dropped."),
    row(Action::DeliveryDelivered, "delivery_delivered", "The peer said that it has it."),
    row(Action::DeliveryDead, "delivery_dead", "No more attempts are made."),
    row(Action::DeliverySkipped, "delivery_skipped", "A person gave a delivery up."),
    row(
        Action::DeliveryAnswered,
        "delivery_answered",
        "The peer refused it, and the sender, who waited, was told.",
    ),
    row(Action::DeliveryRequeued, "delivery_requeued", "A person sends it again."),
    row(Action::DeliveryHeld, "delivery_held", "A delivery is kept back."),
    row(Action::DeliveryReleased, "delivery_released", "A delivery goes on."),
    row(Action::ChannelPaused, "channel_paused", "A channel or destination was paused."),
    row(Action::ChannelResumed, "channel_resumed", "A channel or destination goes on."),
    row(Action::ConfigReloaded, "config_reloaded", "Another configuration is in force."),
    row(Action::ConsentStored, "consent_stored", "A consent came or changed."),
    row(Action::ConsentDeleted, "consent_deleted", "A consent was deleted."),
    row(Action::RecordsWritten, "records_written", "Versions of resources were written."),
    row(Action::MessageUnsealed, "message_unsealed", "Sealed values were opened."),
    row(Action::MessageRevealed, "message_revealed", "Patient data was shown to a person."),
    row(Action::RecordsRead, "records_read", "Resources were shown to a client."),
    row(Action::EngineStarted, "engine_started", "The engine came up."),
    row(Action::EngineStopped, "engine_stopped", "The engine went down in order."),
    row(Action::AlertAcked, "alert_acked", "A person takes an open alert up."),
    row(Action::AlertMuted, "alert_muted", "An alert tells nobody for a time."),
];

impl Action {
    /// Its word in leaves.
    #[must_use]
    pub fn name(self) -> &'static str {
        ACTIONS.iter().find(|row| row.action == self).map_or("", |row| row.name)
    }

    /// Finds an action by its word.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|row| row.name == name).map(|row| row.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_word_in_snake_case() {
        assert!(ACTIONS.is_sorted_by(|a, b| a.action < b.action));
        for row in ACTIONS {
            assert_eq!(Action::find(row.name), Some(row.action));
            assert_eq!(row.action.name(), row.name);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", row.name);
            assert!(row.about.ends_with('.'));
        }
        assert_eq!(Action::find("message_eaten"), None);
    }
}
