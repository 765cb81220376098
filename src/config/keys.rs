//! The keys of config.toml.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::plan::{LogFormat, LogLevel, ReloadMode, Role};
use super::words::{AuthType, Commit, NotifyType};
use crate::base::ByteSize;
use crate::ports::tls;
use crate::settings::{Key, KeyRow, KindRow, SecretRef, Setting, Shape};

pub(super) const SITE: Key<Arc<str>> = Key::new(
    "site",
    "a name such as `st-elsewhere`",
    "Name of this site: it seeds the ids that mappings make, and `sites/NAME.toml` is laid over \
     the files.",
)
.default("`weir`");
pub(super) const DATA_DIR: Key<PathBuf> =
    Key::new("data_dir", "a directory such as `/var/lib/weir`", "Where journal and index live.")
        .default("`data`");
pub(super) const CHANNELS: Key<Vec<String>> = Key::new(
    "channels",
    "a list of patterns such as `[\"channels/*.toml\"]`",
    "The files of channels.",
)
.default("`[\"channels/*.toml\"]`");
pub(super) const HL7: Key<Vec<String>> = Key::new(
    "hl7",
    "a list of patterns such as `[\"hl7/*.toml\"]`",
    "The files that describe segments of this site.",
)
.default("none");
pub(super) const RELOAD: Key<ReloadMode> = Key::new(
    "reload",
    "`\"signal\"` or `\"watch\"`",
    "Whether the files are read again on `weir reload` and SIGHUP only, or when they change.",
)
.default("`signal`");

pub(super) const LISTEN: Key<SocketAddr> = Key::new(
    "listen",
    "an address such as `127.0.0.1:8443`",
    "Address of dashboard and API; without it only the socket is there.",
);
pub(super) const SOCKET: Key<PathBuf> = Key::new(
    "socket",
    "a path such as `/run/weir/weir.sock`",
    "Socket the command line speaks to.",
)
.default("`weir.sock` in `data_dir`");
pub(super) const METRICS: Key<SocketAddr> = Key::new(
    "listen",
    "an address such as `127.0.0.1:9464`",
    "Address of `/metrics` and `/health`, without login and without patient data.",
);

pub(super) const AUTH_TYPE: Key<AuthType> =
    Key::new("type", "`\"oidc\"`", "How people sign in: an OpenID Connect provider.").required();
pub(super) const ISSUER: Key<Arc<str>> =
    Key::new("issuer", "an address such as `https://sso.example`", "The provider's address.")
        .required();
pub(super) const CLIENT_ID: Key<Arc<str>> =
    Key::new("client_id", "a text", "The name weir is registered with.").required();
pub(super) const SECRET: Key<SecretRef> =
    Key::new("secret", "a reference such as `file:/run/secrets/oidc`", "The client's secret.");
pub(super) const AUTH_KEYS: &[KeyRow] =
    &[AUTH_TYPE.row(), ISSUER.row(), CLIENT_ID.row(), SECRET.row()];

pub(super) const COMMIT: Key<Commit> = Key::new(
    "commit",
    "`\"group\"` or `\"each\"`",
    "Whether messages that come together share one write to disk; answers wait for it anyway.",
)
.default("`group`");
pub(super) const SEGMENT_SIZE: Key<ByteSize> = Key::new(
    "segment_size",
    "a size such as `64 MiB`",
    "Size of the files of the journal; space comes back file by file.",
)
.default("`64 MiB`");
pub(super) const MAX_SIZE: Key<ByteSize> = Key::new(
    "max_size",
    "a size such as `200 GiB`",
    "Size of the journal above which senders are slowed down, then refused.",
)
.default("no limit");
pub(super) const MIN_FREE: Key<ByteSize> = Key::new(
    "min_free",
    "a size such as `5 GiB`",
    "Free space of the disk below which senders are slowed down, then refused.",
)
.default("`1 GiB`");
pub(super) const KEEP_DELIVERED: Key<Duration> = Key::new(
    "delivered",
    "a duration such as `30d`",
    "How long what is known of delivered messages is kept.",
)
.default("`30d`");
pub(super) const KEEP_DEAD: Key<Duration> =
    Key::new("dead", "a duration such as `180d`", "How long dead letters are kept.")
        .default("`180d`");
pub(super) const KEEP_CONTENT: Key<Duration> = Key::new(
    "content",
    "a duration such as `7d`",
    "How long the content of messages stays whose deliveries all ended well.",
)
.default("`7d`");
pub(super) const KEEP_KEYS: &[KeyRow] =
    &[KEEP_DELIVERED.row(), KEEP_DEAD.row(), KEEP_CONTENT.row()];

pub(super) const KEYRING: Key<SecretRef> = Key::new(
    "keyring",
    "a reference such as `cred:keyring`",
    "Where the keyring is, with the keys for sealing and for the journal at rest.",
);
pub(super) const ROTATE: Key<Duration> =
    Key::new("rotate", "a duration such as `90d`", "Age at which keys should be rotated.")
        .default("never");

pub(super) const POLICIES: Key<Vec<String>> = Key::new(
    "policies",
    "a list of patterns such as `[\"policies/*.toml\"]`",
    "The files of consent policies.",
)
.default("none");
pub(super) const DIRECTIVES: Key<Vec<String>> = Key::new(
    "directives",
    "a list of patterns such as `[\"consents/*.json\"]`",
    "Files of FHIR Consent resources that are read at start.",
)
.default("none");

pub(super) const AUDIT_KEEP: Key<Duration> =
    Key::new("keep", "a duration such as `6y`", "How long audit records are kept.").default("`6y`");
pub(super) const REVEAL_FOR: Key<Duration> =
    Key::new("reveal_for", "a duration such as `15m`", "How long revealed content stays revealed.")
        .default("`15m`");
pub(super) const FOUR_EYES: Key<Vec<Arc<str>>> = Key::new(
    "four_eyes",
    "a list such as `[\"key-destroy\", \"replay:500\"]`",
    "Actions that need a second person; a number is the size from which they do.",
)
.default("`[\"key-destroy\", \"audit-prune\"]`");

pub(super) const LEVEL: Key<LogLevel> =
    Key::new("level", "a level such as `\"info\"`", "Least important level written.")
        .default("`info`");
pub(super) const FORMAT: Key<LogFormat> =
    Key::new("format", "`\"json\"` or `\"text\"`", "How a line looks.").default("`json`");
pub(super) const CONTROL_ID: Key<bool> =
    Key::new("control_id", "true or false", "Whether control IDs are written.").default("false");

pub(super) const OTLP: Key<Arc<str>> =
    Key::new("otlp", "an address such as `http://127.0.0.1:4318`", "Collector of traces.")
        .default("off");
pub(super) const SAMPLE: Key<f64> =
    Key::new("sample", "a number from 0 to 1", "Share of messages that are traced.")
        .default("0.05");

pub(super) const ARGV: Key<Vec<String>> = Key::new(
    "argv",
    "a list such as `[\"/usr/bin/vault\", \"read\"]`",
    "Program and arguments; no shell is involved.",
)
.required();
pub(super) const PROGRAM_TIMEOUT: Key<Duration> =
    Key::new("timeout", "a duration such as `5s`", "Longest time it may take.").default("`5s`");

pub(super) const NOTIFY_TYPE: Key<NotifyType> =
    Key::new("type", "`\"webhook\"`, `\"email\"` or `\"exec\"`", "How the notice is sent.")
        .required();
pub(super) const URL: Key<SecretRef> = Key::new(
    "url",
    "a reference such as `env:ONCALL_URL`",
    "Address to post to; a reference, since such addresses hold tokens.",
)
.required();
pub(super) const TO: Key<Vec<Arc<str>>> =
    Key::new("to", "a list of mail addresses", "Who gets the mail.").required();
pub(super) const SMTP: Key<Arc<str>> =
    Key::new("server", "a host and port such as `mail.example:25`", "Mail server.").required();
pub(super) const PROGRAM: Key<Arc<str>> =
    Key::new("program", "a name of `[exec.NAME]`", "Program that gets the notice.").required();

pub(super) const ALERT_NAME: Key<Arc<str>> =
    Key::new("name", "a name", "Name of the alert.").required();
pub(super) const ALERT_WHEN: Key<Arc<str>> = Key::new(
    "when",
    "a condition such as `queue.oldest > 5m`",
    "What is compared with which threshold.",
)
.required();
pub(super) const ALERT_FOR: Key<Duration> =
    Key::new("for", "a duration such as `2m`", "How long it must hold.").default("`0s`");
pub(super) const ALERT_ON: Key<Vec<Arc<str>>> =
    Key::new("on", "a list such as `[\"tag:tier1\"]`", "Channels by name or tag.").default("all");
pub(super) const ALERT_NOTIFY: Key<Vec<Arc<str>>> =
    Key::new("notify", "a list of names of `[notify.NAME]`", "Who is told.");
pub(super) const ALERT_REPEAT: Key<Duration> =
    Key::new("repeat", "a duration such as `4h`", "Time between notices while it lasts.")
        .default("`4h`");

/// The keys of config.toml.
pub(super) const KEYS: &[KeyRow] = &[
    KeyRow::of(
        "weir",
        "The server as a whole.",
        Shape::Table(&[SITE.row(), DATA_DIR.row(), CHANNELS.row(), HL7.row(), RELOAD.row()]),
    ),
    KeyRow::of(
        "admin",
        "Dashboard, API and command line.",
        Shape::Table(&[
            LISTEN.row(),
            KeyRow::of("tls", "TLS of `listen`.", Shape::Table(tls::SERVER_KEYS)),
            SOCKET.row(),
            KeyRow::of("auth", "How people sign in.", Shape::Table(AUTH_KEYS)),
            KeyRow::of(
                "roles",
                "Role of each group of the identity provider.",
                Shape::Map(<Role as Setting>::schema),
            ),
        ]),
    ),
    KeyRow::of("metrics", "Metrics and health.", Shape::Table(&[METRICS.row()])),
    KeyRow::of(
        "store",
        "Journal and index.",
        Shape::Table(&[
            COMMIT.row(),
            SEGMENT_SIZE.row(),
            MAX_SIZE.row(),
            MIN_FREE.row(),
            KeyRow::of(
                "keep",
                "How long what is settled is kept; waiting and dead messages are never pruned early.",
                Shape::Table(KEEP_KEYS),
            ),
        ]),
    ),
    KeyRow::of("keys", "Keys.", Shape::Table(&[KEYRING.row(), ROTATE.row()])),
    KeyRow::of("consent", "Consent.", Shape::Table(&[POLICIES.row(), DIRECTIVES.row()])),
    KeyRow::of("audit", "The audit log.", Shape::Table(&[AUDIT_KEEP.row()])),
    KeyRow::of(
        "privacy",
        "Looks at patient data.",
        Shape::Table(&[REVEAL_FOR.row(), FOUR_EYES.row()]),
    ),
    KeyRow::of("log", "The log.", Shape::Table(&[LEVEL.row(), FORMAT.row(), CONTROL_ID.row()])),
    KeyRow::of("telemetry", "Traces.", Shape::Table(&[OTLP.row(), SAMPLE.row()])),
    KeyRow::of(
        "exec",
        "Programs that `exec:` references and notices may run.",
        Shape::Named(&[ARGV.row(), PROGRAM_TIMEOUT.row()]),
    ),
    KeyRow::of(
        "notify",
        "Ways to tell people.",
        Shape::NamedKinds(
            &[],
            &[
                KindRow { name: "webhook", about: "By HTTP POST.", keys: &[URL.row()] },
                KindRow {
                    name: "email",
                    about: "By mail; not available yet.",
                    keys: &[TO.row(), SMTP.row()],
                },
                KindRow { name: "exec", about: "By a program.", keys: &[PROGRAM.row()] },
            ],
        ),
    ),
    KeyRow::of(
        "alert",
        "Conditions people are told about.",
        Shape::List(&[
            ALERT_NAME.row(),
            ALERT_WHEN.row(),
            ALERT_FOR.row(),
            ALERT_ON.row(),
            ALERT_NOTIFY.row(),
            ALERT_REPEAT.row(),
        ]),
    ),
];
