//! What a configuration says, checked: the plan of the server and of each channel.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::revision::{Digest, commit, short};
use crate::base::{ChannelName, DestinationName, Rate};
use crate::channel::{AlertRule, ChannelRules, RetryPlan};
use crate::consent::Policy;
use crate::destination;
use crate::fault::{Code, FilePlace};
use crate::hl7v2::tables::Site;
use crate::mapping::ValuePath;
use crate::message::Revision;
use crate::ports::tls::TlsServerPlan;
use crate::settings::SecretRef;
use crate::source::SourcePlan;
use crate::store::StorePlan;

/// A whole configuration, checked. Immutable; equal when it means the same.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Directory its files lie in.
    pub root: PathBuf,
    /// Git commit where known, and content digest: `4f2a91c-1b0c6de2a9f3`.
    pub revision: Revision,
    /// What concerns all channels.
    pub server: ServerPlan,
    /// The channels in order of their files, disabled ones too.
    pub channels: Vec<Arc<ChannelPlan>>,
    digest: [u8; 32],
}

impl Plan {
    /// The programs that `exec:` references may run.
    #[must_use]
    pub fn programs(&self) -> Vec<crate::ports::secrets::Program> {
        let programs = self.server.programs.iter();
        let program = |program: &ProgramPlan| crate::ports::secrets::Program {
            name: program.name.clone(),
            argv: program.argv.clone(),
            timeout: program.timeout,
        };
        programs.map(program).collect()
    }

    pub(super) fn new(root: &Path, server: ServerPlan, mut channels: Vec<ChannelPlan>) -> Self {
        let mut digest = Digest::default();
        digest.add(&server.text);
        for policy in server.consent.policies.values() {
            digest.add(&policy.text);
        }
        for channel in &channels {
            digest.add(&short(&channel.digest));
        }
        let digest = digest.finish();
        let content = short(&digest);
        let revision = Revision(match commit(root) {
            Some(commit) => format!("{commit}-{content}").into(),
            None => content.into(),
        });
        for channel in &mut channels {
            channel.rules.revision = revision.clone();
        }
        let channels = channels.into_iter().map(Arc::new).collect();
        Self { root: root.to_owned(), revision, server, channels, digest }
    }

    /// A channel by its name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Arc<ChannelPlan>> {
        self.channels.iter().find(|channel| channel.rules.name.as_str() == name)
    }
}

impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Plan {}

/// config.toml, checked.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// Name of the site; seeds the ids that mappings make.
    pub site: Arc<str>,
    /// Where journal and index live.
    pub data_dir: PathBuf,
    /// When the files are read again.
    pub reload: ReloadMode,
    /// `[store]`.
    pub store: StorePlan,
    /// `[admin]`.
    pub admin: AdminPlan,
    /// Address of `/metrics` and `/health`; none: off.
    pub metrics: Option<SocketAddr>,
    /// `[keys]`.
    pub keys: KeysPlan,
    /// `[consent]`.
    pub consent: ConsentPlan,
    /// `[audit] keep`.
    pub audit_keep: Duration,
    /// `[privacy]`.
    pub privacy: PrivacyPlan,
    /// `[log]`.
    pub log: LogPlan,
    /// `[telemetry]`.
    pub telemetry: TelemetryPlan,
    /// `[exec.NAME]`: programs that may give secrets or take notices.
    pub programs: Vec<ProgramPlan>,
    /// `[notify.NAME]`.
    pub notify: Vec<NotifyPlan>,
    /// `[[alert]]`.
    pub alerts: Vec<AlertPlan>,
    /// `hl7/*.toml`: what this site adds to HL7 v2 and uses otherwise.
    pub hl7: Site,
    /// Everything it was made of, for comparing.
    pub(super) text: String,
}

impl PartialEq for ServerPlan {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.consent == other.consent
    }
}

impl Eq for ServerPlan {}

/// When the files are read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReloadMode {
    /// On `weir reload` or SIGHUP.
    #[default]
    Signal,
    /// Also when a file changes.
    Watch,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPlan {
    /// Address of dashboard and API; none: only the socket.
    pub listen: Option<SocketAddr>,
    /// TLS of `listen`.
    pub tls: Option<TlsServerPlan>,
    /// Socket the command line speaks to.
    pub socket: PathBuf,
    /// How people sign in.
    pub auth: Option<AdminAuth>,
    /// Role of each group of the identity provider.
    pub roles: Vec<(Arc<str>, Role)>,
}

/// How people sign in: an OpenID Connect provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAuth {
    /// Its address.
    pub issuer: Arc<str>,
    /// The name weir is registered with.
    pub client_id: Arc<str>,
    /// The secret that goes with it.
    pub secret: Option<SecretRef>,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// State and counts.
    Viewer,
    /// Masked content, trying messages.
    Analyst,
    /// Pause, retry, skip, replay.
    Operator,
    /// Reveal, review, export.
    Privacy,
    /// Keys and users.
    Security,
    /// Everything.
    Admin,
}

/// `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysPlan {
    /// Where the keyring is; none: nothing can be sealed, and the journal lies in clear.
    pub keyring: Option<SecretRef>,
    /// Age at which keys should be rotated.
    pub rotate: Option<Duration>,
}

/// `[consent]` of config.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsentPlan {
    /// Policies by name.
    pub policies: BTreeMap<Arc<str>, PolicyPlan>,
    /// Files of FHIR Consent resources to read at start.
    pub directives: Vec<PathBuf>,
    /// Policies that are there but wrong: channels that name them are not to blame.
    pub(super) broken: Vec<Arc<str>>,
}

/// A policy and the file it came from.
#[derive(Clone, Debug)]
pub struct PolicyPlan {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Its file.
    pub file: Arc<str>,
    pub(super) text: Arc<str>,
}

impl PartialEq for PolicyPlan {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.text == other.text
    }
}

impl Eq for PolicyPlan {}

/// `[privacy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyPlan {
    /// How long revealed content stays revealed.
    pub reveal_for: Duration,
    /// Actions that need a second person, such as `key-destroy` or `replay:500`.
    pub four_eyes: Vec<Arc<str>>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlan {
    /// Least important level written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
    /// Whether control IDs are written.
    pub control_id: bool,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Faults.
    Error,
    /// And what may become one.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// `[telemetry]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryPlan {
    /// Address of an OTLP collector; none: off.
    pub otlp: Option<Arc<str>>,
    /// Share of messages that are traced, 0 to 1.
    pub sample: f64,
}

/// `[exec.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramPlan {
    /// Its name in `exec:` references.
    pub name: Arc<str>,
    /// Program and arguments, run without a shell.
    pub argv: Vec<String>,
    /// Longest time it may take.
    pub timeout: Duration,
}

/// `[notify.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyPlan {
    /// Its name in alerts.
    pub name: Arc<str>,
    /// How.
    pub kind: NotifyKind,
}

/// How a notice reaches people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyKind {
    /// By HTTP POST.
    Webhook {
        /// To this address, which often holds a token.
        url: SecretRef,
    },
    /// By a program of `[exec.NAME]`.
    Exec {
        /// Its name.
        program: Arc<str>,
    },
}

/// `[[alert]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertPlan {
    /// Name, condition, how long it must hold, how often it is repeated.
    pub rule: AlertRule,
    /// Channels by name or `tag:NAME`; empty: all.
    pub on: Vec<Arc<str>>,
    /// Who is told, names of `[notify.NAME]`.
    pub notify: Vec<Arc<str>>,
}

/// A channel file, checked.
#[derive(Clone)]
pub struct ChannelPlan {
    /// Everything that decides about a message.
    pub rules: ChannelRules,
    /// One sentence about it.
    pub about: Option<Arc<str>>,
    /// Who answers for it.
    pub owner: Option<Arc<str>>,
    /// Groups it belongs to.
    pub tags: Vec<Arc<str>>,
    /// Whether it is started.
    pub enabled: bool,
    /// When silence is worth an alert.
    pub expect: Option<Expect>,
    /// Where messages come from.
    pub source: SourcePlan,
    /// `[queue]`.
    pub queue: QueuePlan,
    /// Why it has no consent gate, where it has none.
    pub ungated: Option<Arc<str>>,
    /// Where messages go, in order of the file, disabled ones too.
    pub destinations: Vec<DestinationPlan>,
    /// Its `[[test]]`s.
    pub tests: Vec<TestCase>,
    /// Its file, from the root.
    pub file: Arc<str>,
    /// Where its `[source]` stands.
    pub(super) source_place: FilePlace,
    pub(super) digest: [u8; 32],
}

impl ChannelPlan {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ChannelName {
        &self.rules.name
    }

    /// A destination by its name.
    #[must_use]
    pub fn destination(&self, name: &DestinationName) -> Option<&DestinationPlan> {
        self.destinations.iter().find(|destination| destination.name == *name)
    }
}

impl PartialEq for ChannelPlan {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ChannelPlan {}

impl fmt::Debug for ChannelPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelPlan")
            .field("rules", &self.rules)
            .field("enabled", &self.enabled)
            .field("source", &self.source)
            .field("destinations", &self.destinations)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// `expect = { every, between }`: when silence is worth an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Longest silence.
    pub every: Duration,
    /// Minutes of the local day within which it counts; the first may be after the last,
    /// across midnight.
    pub between: Option<(u16, u16)>,
}

/// `[queue]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueuePlan {
    /// Most messages waiting for one destination; none: no limit.
    pub max_messages: Option<u64>,
    /// Age at which the oldest waiting message counts as full; none: no limit.
    pub max_age: Option<Duration>,
    /// What happens when it is full.
    pub on_full: OnFull,
}

/// What happens when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Answers wait, so senders slow down.
    #[default]
    Slow,
    /// Messages are refused.
    Nak,
}

/// `[destination.NAME]`: what the courier needs besides the channel's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationPlan {
    /// Its name.
    pub name: DestinationName,
    /// What its kind needs.
    pub kind: destination::DestinationPlan,
    /// Whether messages are sent to it.
    pub enabled: bool,
    /// Longest time one attempt may take.
    pub timeout: Duration,
    /// Lanes worked on at the same time.
    pub parallel: u32,
    /// Most attempts in a time; none: no limit.
    pub rate: Option<Rate>,
    /// When to try again.
    pub retry: RetryPlan,
}

/// A `[[test]]`.
#[derive(Clone)]
pub struct TestCase {
    /// What it shows.
    pub name: Arc<str>,
    /// The file of the input; none when it stands in the test.
    pub input_file: Option<Arc<str>>,
    /// The message that comes in.
    pub input: Bytes,
    /// What consent says instead of the policy.
    pub consent: Option<TestConsent>,
    /// Acknowledgment code of the answer.
    pub ack: Option<Arc<str>>,
    /// Values of the answer: path, value and where that stands.
    pub answer: Vec<(ValuePath, Arc<str>, FilePlace)>,
    /// Destinations the message goes to, and no others.
    pub sent: Option<Vec<DestinationName>>,
    /// Values of what is sent.
    pub expect: Vec<Expectation>,
    /// Paths that have no value in what is sent.
    pub absent: Vec<(DestinationName, ValuePath)>,
    /// Paths that are sealed in what is sent.
    pub sealed: Vec<(DestinationName, ValuePath)>,
    /// Files that what is sent is compared with.
    pub golden: Vec<(DestinationName, Arc<str>)>,
    /// Code of the fault it ends with.
    pub code: Option<Code>,
    /// Where it stands.
    pub place: FilePlace,
}

impl fmt::Debug for TestCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCase").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What consent says in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestConsent {
    /// May be sent.
    Permit,
    /// May not be sent.
    Deny,
    /// Nothing binds.
    Unknown,
}

/// A value that a test expects.
#[derive(Clone)]
pub struct Expectation {
    /// In what is sent there.
    pub destination: DestinationName,
    /// Where.
    pub path: ValuePath,
    /// What.
    pub value: Arc<str>,
    /// Where the expectation stands.
    pub place: FilePlace,
}
