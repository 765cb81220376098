//! The arguments of every command, declared once; help, completion and man page follow.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base::{ByteSize, parse_duration};
use crate::hl7v2;

/// A healthcare interface engine: HL7 v2 and FHIR R4 through gates into a durable queue.
#[derive(Debug, Parser)]
#[command(name = "weir", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 a check said no, 2 wrong usage, 3 not reachable, \
    4 not allowed or a reason is missing, 5 partly done, 6 not found, 7 timeout, 70 bug, \
    78 configuration refused, 130 interrupted.\nStart with `weir demo`.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub struct Global {
    /// Directory with config.toml
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Apply sites/NAME.toml
    #[arg(long, global = true, value_name = "NAME", env = "WEIR_SITE")]
    pub site: Option<String>,
    /// How results are written
    #[arg(short, long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Short for `-o json`
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Color in results: also NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
    /// Answer yes to questions
    #[arg(long, global = true)]
    pub yes: bool,
    /// Show the plan and stop; refused by commands that have none
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Why, for the audit record
    #[arg(long, global = true, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
    /// A page, from `view`
    Html,
    /// The XML encoding of HL7 v2, from `view`
    Xml,
    /// HL7 v2 with delimiters, from `view`
    Hl7,
}

/// When to color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a working tree: config, channels, mappings, fixtures, keys
    Init(InitArgs),
    /// Run a complete example on loopback and show what happens to each message
    Demo(DemoArgs),
    /// Check the configuration: all problems at once
    Check(CheckArgs),
    /// Run the tests in channel and mapping files
    Test(TestArgs),
    /// Show for one message where each output value comes from, and what nobody used
    Explain(ExplainArgs),
    /// Show a message as a tree with the field names of its version
    View(ViewArgs),
    /// Print or write the JSON Schemas that editors use
    Schema(SchemaArgs),
    /// Serve
    Run(RunArgs),
    /// Apply the configuration on disk to the running server
    Reload(ReloadArgs),
    /// Summary of the running server
    Status,
    /// Find and explain trouble: disk, ports, configuration, backlog
    Doctor,
    /// Send files over MLLP or HTTP and print the answers
    Send(SendArgs),
    /// Receive over MLLP, show what comes and answer; keeps nothing
    Listen(ListenArgs),
    /// Measure this machine: load, acknowledgments, deliveries, durability
    Bench(BenchArgs),
    /// Live events, metadata only
    Tail(TailArgs),
    /// List, show, pause, resume and drain channels
    Channel(ChannelArgs),
    /// Act on waiting and dead messages of a destination
    Queue(QueueArgs),
    /// Send dead or delivered messages again
    Replay(ReplayArgs),
    /// Show that every committed message is in exactly one state
    Ledger(LedgerArgs),
    /// The journey of a message through gates, queues and attempts
    Trace(TraceArgs),
    /// What the record store holds, one version of a resource, and export
    Records(RecordsArgs),
    /// List, take up, mute and test alerts
    Alert(AlertArgs),
    /// Check or rebuild the store of a stopped server
    Store(StoreArgs),
    /// Open the sealed values of a message, for the holder of the key
    Unseal(UnsealArgs),
    /// Explain an error code
    Errors(ErrorsArgs),
    /// Write the completion script of a shell
    #[command(alias = "completions")]
    Completion(CompletionArgs),
    /// Write the manual page
    Man,
}

/// `weir init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Where; made if missing, refused if it holds a config.toml
    #[arg(default_value = ".")]
    pub directory: PathBuf,
}

/// `weir demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Keep serving after the tour until interrupted
    #[arg(long)]
    pub stay: bool,
    /// Use and keep this directory instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `weir check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Only problems of these files; none: the whole tree
    pub paths: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long, value_name = "WHAT", value_parser = ["warnings"])]
    pub deny: Option<String>,
    /// Also dial destinations
    #[arg(long)]
    pub online: bool,
}

/// `weir test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Only tests of these files; none: the whole tree
    pub paths: Vec<PathBuf>,
    /// Only tests whose name has this
    #[arg(short = 'k', long = "name", value_name = "NAME")]
    pub name: Option<String>,
    /// Write golden files anew
    #[arg(long)]
    pub bless: bool,
    /// Also write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// `weir explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Channel name
    pub channel: String,
    /// Message file
    pub file: PathBuf,
    /// Only targets that have this path in them
    #[arg(long, value_name = "PATH")]
    pub only: Option<String>,
}

/// `weir view`.
#[derive(Args, Debug)]
pub struct ViewArgs {
    /// Message files, batches too; `-` for standard input, `id:ID` for a message that the
    /// server keeps (needs --reason; its values are masked without --reveal)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only the values at this path
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Show the bytes of each segment above its parts
    #[arg(long)]
    pub raw: bool,
    /// Show the byte range of each part
    #[arg(long)]
    pub offsets: bool,
    /// Write one page of HTML to this file; `-o html` writes it to standard output
    #[arg(long, value_name = "PAGE")]
    pub html: Option<PathBuf>,
    /// With `-o json`: every value by its place and nothing of the bytes lost, a form that
    /// `view` reads again
    #[arg(long)]
    pub lossless: bool,
    /// Leave values out, for pictures and tickets
    #[arg(long)]
    pub mask: bool,
    /// Show the values of a message that the server keeps
    #[arg(long)]
    pub reveal: bool,
    /// What the look at a stored message is for
    #[arg(long, value_name = "CODE", default_value = "HOPERAT")]
    pub purpose: String,
    /// What of a stored message: as it came, or as it leaves for this destination
    #[arg(long, value_name = "DESTINATION")]
    pub of: Option<String>,
    /// Read text in this character set whatever MSH-18 says, as `charset` of a source does;
    /// with --check --channel that of the channel without it
    #[arg(long, value_name = "NAME", value_parser = charset)]
    pub charset: Option<hl7v2::Charset>,
    /// List what is wrong instead, by the tables of the version and the site; a directory
    /// gives a report of all messages in it
    #[arg(long)]
    pub check: bool,
    /// With --check: by the rules of this channel too
    #[arg(long, value_name = "NAME", requires = "check")]
    pub channel: Option<String>,
    /// With --check: the profile that every FHIR resource of its type has to fit: a URL, a
    /// name of US Core such as `us-core-patient`, or `us-core`; `|7.0.0` names a version
    #[arg(long, value_name = "PROFILE", requires = "check")]
    pub profile: Vec<String>,
    /// With --check: files with FHIR profiles, value sets and questionnaires to check by
    #[arg(long, value_name = "FILE", requires = "check")]
    pub definitions: Vec<PathBuf>,
}

/// `weir schema`.
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// Write `.weir/schema/*.json`
    #[arg(long)]
    pub write: bool,
}

/// `weir run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// For a developer's machine: readable logs
    #[arg(long)]
    pub dev: bool,
}

/// `weir reload`.
#[derive(Args, Debug)]
pub struct ReloadArgs {
    /// Show what would change and stop
    #[arg(long)]
    pub plan: bool,
    /// Hand what waits for removed destinations to this one: NAME, or CHANNEL/NAME; OLD=NEW for
    /// what waits for one of them, as often as there are
    #[arg(long, value_name = "[OLD=]NEW", conflicts_with = "drop", value_delimiter = ',')]
    pub adopt: Vec<String>,
    /// Give up what waits for removed destinations; needs --reason
    #[arg(long)]
    pub drop: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.001);
    rate.ok_or_else(|| "a rate is a number of messages a second, such as 50 or 0.5".to_owned())
}

fn size(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).map_err(|error| error.to_string())
}

/// `weir send`.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// mllp://HOST:PORT, mllps://HOST:PORT, http://.. or https://..
    pub target: String,
    /// Message files; several messages in a file are sent one by one
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Messages a second
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Send the files this many times, each time with control IDs of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u64,
    /// Wait this long for an answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// Certificate authority to trust
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `weir listen`.
#[derive(Args, Debug)]
pub struct ListenArgs {
    /// mllp://HOST:PORT
    pub target: String,
    /// Check each message against this channel and answer as it would
    #[arg(long, value_name = "CHANNEL")]
    pub explain: Option<String>,
    /// Answer
    #[arg(long, default_value = "AA", value_parser = ["AA", "AE", "AR", "none"])]
    pub reply: String,
    /// Wait before the answer
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub delay: Duration,
    /// Stop after this many messages
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Show values; without it they are masked
    #[arg(long)]
    pub reveal: bool,
}

/// `weir bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// A running listener, `mllp://HOST:PORT` or `http://HOST:PORT/BASE`; none: an engine and sink of its own on loopback
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub connections: usize,
    /// How long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// Messages a second over all connections; none: as fast as answers come
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Size of each message
    #[arg(long, value_name = "SIZE", default_value = "1 KiB", value_parser = size)]
    pub size: ByteSize,
    /// What the channel does: forward (v2 to a local MLLP peer), map (to FHIR, to a file-less sink), accept, create (FHIR, answered when on disk) or record (FHIR, answered by the record store)
    #[arg(long, default_value = "forward", value_parser = ["accept", "forward", "map", "create", "record"])]
    pub work: String,
    /// Directory for the store, to measure a certain disk
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

/// `weir tail`.
#[derive(Args, Debug)]
pub struct TailArgs {
    /// Filter, such as `channel:adt-* state:dead`
    pub filter: Vec<String>,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// `weir channel`.
#[derive(Args, Debug)]
pub struct ChannelArgs {
    #[command(subcommand)]
    pub action: ChannelAction,
}

/// What to do with channels.
#[derive(Debug, Subcommand)]
pub enum ChannelAction {
    /// List all
    Ls,
    /// Show one
    Show {
        /// Channel name
        name: String,
    },
    /// Stop the source, one destination or all; waiting messages stay
    Pause {
        /// Channel name
        name: String,
        /// `source`, `all` or a destination
        #[arg(default_value = "all")]
        target: String,
    },
    /// Undo a pause
    Resume {
        /// Channel name
        name: String,
        /// `source`, `all` or a destination
        #[arg(default_value = "all")]
        target: String,
    },
    /// Stop taking, finish what is queued
    Drain {
        /// Channel name
        name: String,
    },
}

/// `weir queue`.
#[derive(Args, Debug)]
pub struct QueueArgs {
    #[command(subcommand)]
    pub action: QueueAction,
}

/// What to do with queued messages.
#[derive(Debug, Subcommand)]
pub enum QueueAction {
    /// List waiting, held and dead messages
    Ls(FilterArgs),
    /// Show one message and its attempts
    Show {
        /// Message id
        id: String,
    },
    /// Try waiting messages at once, dead ones again
    Retry(FilterArgs),
    /// Give messages up; needs a reason, ends as `skipped`
    Skip(FilterArgs),
    /// Keep messages back
    Hold(FilterArgs),
    /// Let held messages go
    Release(FilterArgs),
}

/// A filter and a limit.
#[derive(Args, Debug)]
pub struct FilterArgs {
    /// Filter, such as `dest:ehr state:dead code:W7102 since:2h`
    pub filter: Vec<String>,
    /// Most rows
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

/// `weir replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Filter, such as `dest:ehr state:dead since:2h`
    #[arg(required = true)]
    pub filter: Vec<String>,
    /// Only to this destination; `all`: each delivery to its own, where there are several
    #[arg(long, value_name = "DEST")]
    pub to: Option<String>,
    /// Bodies as they were made then, or mapped anew now
    #[arg(long, default_value = "then", value_parser = ["then", "now"])]
    pub config: String,
    /// Messages a second
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
}

/// `weir ledger`.
#[derive(Args, Debug)]
pub struct LedgerArgs {
    /// Filter, such as `channel:adt-main since:24h`
    pub filter: Vec<String>,
    /// Compare with a sender's list: a CSV file with control IDs in its first column
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// Which messages `weir trace` shows.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct TraceWhich {
    /// Message id, or its start
    pub id: Option<String>,
    /// Control ID, MSH-10
    #[arg(long, value_name = "ID")]
    pub control: Option<String>,
    /// Patient identifier; needs `--reason`, and is audited
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
}

/// `weir trace`: which message, and how many of them.
#[derive(Args, Debug)]
pub struct TraceArgs {
    #[command(flatten)]
    pub which: TraceWhich,
    /// Most messages, newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

/// `weir records`.
#[derive(Args, Debug)]
pub struct RecordsArgs {
    #[command(subcommand)]
    pub action: RecordsAction,
}

/// What to do with records.
#[derive(Debug, Subcommand)]
pub enum RecordsAction {
    /// Count resources and versions by collection and type
    Ls,
    /// Show a resource; needs `--reason`, and is audited
    Show {
        /// The resource, `Patient/ID`, or one of its versions, `Patient/ID/_history/2`
        address: String,
        /// Its collection
        #[arg(long, value_name = "NAME", default_value = "main")]
        collection: String,
    },
    /// Write the latest resources as NDJSON, a file a type; needs `--reason`, and is audited
    Export {
        /// Directory that is written to; made if missing
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Collection
        #[arg(long, value_name = "NAME", default_value = "main")]
        collection: String,
        /// Only resources of this type; may be given several times
        #[arg(long = "type", value_name = "TYPE")]
        kinds: Vec<String>,
        /// Only what was written at this time or later, `2026-01-31` or RFC 3339
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
}

/// `weir alert`.
#[derive(Args, Debug)]
pub struct AlertArgs {
    #[command(subcommand)]
    pub action: AlertAction,
}

/// What to do with alerts.
#[derive(Debug, Subcommand)]
pub enum AlertAction {
    /// List all, with what is open
    Ls,
    /// Take up what is open: it is not repeated
    Ack {
        /// Name of the alert
        name: String,
    },
    /// Tell nobody for a time; what still holds then is told
    Mute {
        /// Name of the alert
        name: String,
        /// How long
        #[arg(default_value = "1h", value_parser = duration)]
        time: Duration,
    },
    /// Send a notice, marked as a test, to everyone it tells
    Test {
        /// Name of the alert
        name: String,
    },
}

/// `weir store`.
#[derive(Args, Debug)]
pub struct StoreArgs {
    #[command(subcommand)]
    pub action: StoreAction,
}

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// Read every entry: checksums, hash chain, ledger against index
    Check,
    /// Make the index anew from the journal
    Rebuild,
}

/// `weir unseal`.
#[derive(Args, Debug)]
pub struct UnsealArgs {
    /// File with sealed values: v2 or FHIR JSON
    pub file: PathBuf,
    /// Keyring; none: the one of config.toml
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
    /// Write the whole message with opened values instead of a list
    #[arg(long)]
    pub whole: bool,
}

/// `weir errors`.
#[derive(Args, Debug)]
pub struct ErrorsArgs {
    /// Code, such as W4107; none: all
    pub code: Option<String>,
}

/// `weir completion`.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell
    pub shell: clap_complete::Shell,
}

/// Reads the name of a character set.
fn charset(name: &str) -> Result<hl7v2::Charset, String> {
    match hl7v2::Charset::declared(name.as_bytes(), Some(b'~')) {
        hl7v2::Charset::Unknown | hl7v2::Charset::Unstated => {
            Err("no character set of this name is known".to_owned())
        }
        known => Ok(known),
    }
}
