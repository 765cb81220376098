//! The keys of a channel file.

use std::sync::Arc;
use std::time::Duration;

use super::plan::OnFull;
use super::words::Hours;
use super::{cases, destination, schemas};
use crate::base::ChannelName;
use crate::channel::{OnDeny, OnUnknown};
use crate::seal::How;
use crate::settings::{Key, KeyRow, Setting, Shape};

pub(super) const NAME: Key<ChannelName> =
    Key::new("name", "a name such as `adt-main`", "Name of the channel.")
        .default("the file's name");
pub(super) const ABOUT: Key<Arc<str>> = Key::new("about", "a sentence", "What the channel is for.");
pub(super) const OWNER: Key<Arc<str>> =
    Key::new("owner", "an address such as `integration@example.org`", "Who answers for it.");
pub(super) const TAGS: Key<Vec<Arc<str>>> = Key::new(
    "tags",
    "a list such as `[\"adt\", \"tier1\"]`",
    "Groups it belongs to in dashboard, filters, alerts and roles.",
);
pub(super) const ENABLED: Key<bool> = Key::new(
    "enabled",
    "true or false",
    "Whether it is started; a disabled channel is still checked and tested.",
)
.default("true");
pub(super) const ORDER_BY: Key<Arc<str>> = Key::new(
    "order_by",
    "a path such as `PID-3.1`",
    "Messages with the same value here keep their order; others may pass them.",
)
.default("one lane for all");
pub(super) const EXTENDS: Key<String> = Key::new(
    "extends",
    "a path such as `templates/lab.toml`",
    "A file whose settings hold where this one says nothing.",
);
pub(super) const EVERY: Key<Duration> =
    Key::new("every", "a duration such as `10m`", "Longest silence that is normal.").required();
pub(super) const BETWEEN: Key<Hours> = Key::new(
    "between",
    "hours such as `06:00-22:00`",
    "Part of the local day in which silence counts.",
)
.default("all day");

pub(super) const WHEN: Key<Arc<str>> = Key::new(
    "when",
    "a condition such as `PV1-2 = 'I'`",
    "Messages that do not meet it go nowhere and are recorded as filtered.",
)
.required();

pub(super) const POLICY: Key<Arc<str>> = Key::new(
    "policy",
    "a name such as `hie-default`, or `\"none\"`",
    "The policy that decides; `none` for a channel without a gate.",
)
.required();
pub(super) const WHY: Key<Arc<str>> =
    Key::new("why", "a sentence", "Why the channel has no gate, where `policy = \"none\"`.");
pub(super) const PATIENT: Key<Arc<str>> =
    Key::new("patient", "a path such as `PID-3.1`", "Where the patient's identifier stands.");
pub(super) const ON_DENY: Key<OnDeny> = Key::new(
    "on_deny",
    "`\"record\"`, `\"hold\"` or `\"nak\"`",
    "Whether a denied message is acknowledged and recorded, held, or refused.",
)
.default("`record`");
pub(super) const ON_UNKNOWN: Key<OnUnknown> = Key::new(
    "on_unknown",
    "`\"deny\"` or `\"permit\"`",
    "What counts where no directive and no rule binds.",
)
.default("`deny`");

pub(super) const USE: Key<Arc<str>> =
    Key::new("use", "a path such as `mappings/adt-to-fhir.toml`", "The mapping.").required();

pub(super) const ANSWER_MAP: Key<Vec<Arc<str>>> = Key::new(
    "map",
    "a list such as `[\"mappings/oml-to-orl.toml\"]`",
    "Mappings to HL7 v2 that make the segments of answers, one for each kind of question; \
     without one an answer repeats the question alone.",
)
.default("none");

pub(super) const AT: Key<Arc<str>> = Key::new(
    "at",
    "a path such as `PID-19` or `Patient.identifier.value`",
    "What is protected, in the form in which it leaves.",
)
.required();
pub(super) const AS: Key<How> = Key::new(
    "as",
    "`\"seal\"`, `\"token\"` or `\"drop\"`",
    "Sealed for holders of the key, replaced by the same token each time, or removed.",
)
.required();
pub(super) const KEY: Key<Arc<str>> =
    Key::new("key", "the name of a key in the keyring", "The key; `drop` needs none.");

pub(super) const MAX_MESSAGES: Key<u64> =
    Key::new("max_messages", "a whole number", "Most messages that may wait for one destination.")
        .default("no limit");
pub(super) const MAX_AGE: Key<Duration> = Key::new(
    "max_age",
    "a duration such as `24h`",
    "Age of the oldest waiting message at which the queue counts as full.",
)
.default("no limit");
pub(super) const ON_FULL: Key<OnFull> = Key::new(
    "on_full",
    "`\"slow\"` or `\"nak\"`",
    "Whether senders are slowed down or refused when the queue is full.",
)
.default("`slow`");

/// Tables of a channel file; in a site's `[channel.NAME]` all else belongs to `[channel]`.
pub(super) const TABLES: &[&str] = &[
    "source",
    "filter",
    "validate",
    "consent",
    "map",
    "deidentify",
    "encrypt",
    "answer",
    "queue",
    "destination",
    "test",
];

pub(super) const ENCRYPT_KEYS: &[KeyRow] = &[AT.row(), AS.row(), KEY.row()];

/// The keys of a channel file.
pub(super) const KEYS: &[KeyRow] = &[
    KeyRow::of(
        "channel",
        "The channel as a whole.",
        Shape::Table(&[
            NAME.row(),
            ABOUT.row(),
            OWNER.row(),
            TAGS.row(),
            ENABLED.row(),
            ORDER_BY.row(),
            KeyRow::of(
                "expect",
                "When silence is worth an alert.",
                Shape::Table(&[EVERY.row(), BETWEEN.row()]),
            ),
            EXTENDS.row(),
            KeyRow::of(
                "index",
                "Search keys of its own: name and path, such as `visit = \"PV1-19\"`.",
                Shape::Map(<String as Setting>::schema),
            ),
        ]),
    ),
    KeyRow::of(
        "source",
        "Where messages come from.",
        Shape::Kinds(schemas::SOURCE_COMMON, schemas::SOURCE_KINDS),
    )
    .required(),
    KeyRow::of("filter", "Which messages go on.", Shape::Table(&[WHEN.row()])),
    KeyRow::of(
        "validate",
        "The check of HL7 v2 messages; without it none is checked.",
        Shape::Table(super::validate::KEYS),
    ),
    KeyRow::of(
        "consent",
        "The consent gate; a channel without one says why.",
        Shape::Table(&[POLICY.row(), WHY.row(), PATIENT.row(), ON_DENY.row(), ON_UNKNOWN.row()]),
    )
    .required(),
    KeyRow::of("map", "How messages are changed.", Shape::Table(&[USE.row()])),
    KeyRow::of(
        "answer",
        "Answers queries and orders by messages of their own (RSP, ORR, ORL and the like) \
         where the version has one; without it everything is answered by ACK.",
        Shape::Table(&[ANSWER_MAP.row()]),
    ),
    KeyRow::of("encrypt", "What leaves only under protection.", Shape::List(ENCRYPT_KEYS)),
    KeyRow::of(
        "queue",
        "Limits of what waits.",
        Shape::Table(&[MAX_MESSAGES.row(), MAX_AGE.row(), ON_FULL.row()]),
    ),
    KeyRow::of(
        "destination",
        "Where messages go.",
        Shape::NamedKinds(destination::COMMON, schemas::DESTINATION_KINDS),
    )
    .required(),
    KeyRow::of("test", "What the channel does with one message.", Shape::List(cases::KEYS)),
];
