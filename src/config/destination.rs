//! `[destination.NAME]`: the keys that every kind has, and the form each one gets.

use std::sync::Arc;
use std::time::Duration;

use super::channel::{About, Loaded, Maker, Mapped};
use super::plan::DestinationPlan;
use super::revision::Digest;
use super::server::suggest;
use super::words::condition;
use crate::base::{DestinationName, Rate};
use crate::channel::{DestinationRules, OnReject, RetryPlan};
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1021, W1057, W1058, W3001, W7311};
use crate::mapping::Mapping;
use crate::message::ContentKind;
use crate::seal::SealRule;
use crate::settings::{Key, KeyRow, Shape, Spanned, Table};
use crate::{consent, destination};

const RECIPIENT: Key<Arc<str>> = Key::new(
    "recipient",
    "a reference such as `Organization/hie`",
    "Who gets the messages; consent is decided per recipient and purpose.",
);
const PURPOSE: Key<Arc<str>> =
    Key::new("purpose", "a code such as `TREAT`", "What for: a code of HL7 PurposeOfUse.");
const WHEN: Key<Arc<str>> = Key::new(
    "when",
    "a condition such as `OBX-8 != 'N'`",
    "Messages that do not meet it are not sent here.",
)
.default("always");
const MAP: Key<Arc<str>> = Key::new(
    "map",
    "a path such as `mappings/x.toml`, or `\"none\"`",
    "A mapping for this destination instead of the channel's; `none` sends what came in.",
)
.default("the channel's");
const ENABLED: Key<bool> =
    Key::new("enabled", "true or false", "Whether messages are sent here.").default("true");
const TIMEOUT: Key<Duration> =
    Key::new("timeout", "a duration such as `30s`", "Longest time one attempt may take.")
        .default("`30s`");
const PARALLEL: Key<u32> =
    Key::new("parallel", "a whole number", "Lanes worked on at the same time.")
        .default("1; with `batch` as many as go together");
const RATE: Key<Rate> =
    Key::new("rate", "a rate such as `50/s`", "Most attempts in a time.").default("no limit");
const ON_REJECT: Key<OnReject> = Key::new(
    "on_reject",
    "`\"dead-letter\"` or `\"block\"`",
    "Whether a message the peer refuses for good is set aside or blocks its lane.",
)
.default("`dead-letter`");
const FIRST: Key<Duration> =
    Key::new("first", "a duration such as `1s`", "Wait after the first failure.").default("`1s`");
const MAX: Key<Duration> =
    Key::new("max", "a duration such as `5m`", "Longest wait.").default("`5m`");
const FACTOR: Key<u32> =
    Key::new("factor", "a whole number", "By how much each wait is longer than the one before.")
        .default("2");
const GIVE_UP: Key<Duration> = Key::new(
    "give_up",
    "a duration such as `24h`",
    "Stop when the waits add up to this; the message is then a dead letter.",
)
.default("never");

/// Most lanes of one destination: each is a connection to the peer.
const PARALLEL_MAX: u32 = 256;

/// The keys every kind has.
pub(super) const COMMON: &[KeyRow] = &[
    RECIPIENT.row(),
    PURPOSE.row(),
    WHEN.row(),
    MAP.row(),
    ENABLED.row(),
    TIMEOUT.row(),
    PARALLEL.row(),
    RATE.row(),
    KeyRow::of(
        "retry",
        "When to try again; waits grow and vary a little.",
        Shape::Table(&[FIRST.row(), MAX.row(), FACTOR.row(), GIVE_UP.row()]),
    ),
    ON_REJECT.row(),
];

/// A destination's plan and its part of the channel's rules.
pub(super) struct Read {
    pub plan: DestinationPlan,
    pub rules: DestinationRules,
    /// The form that leaves, as far as it is known.
    output: Option<ContentKind>,
}

/// Reads every destination of a channel.
pub(super) fn read_all(
    maker: &mut Maker<'_>,
    root: &mut Table<'_>,
    about: &About,
    digest: &mut Digest,
) -> Vec<Read> {
    let mut shared: Vec<(Option<Loaded>, Arc<[SealRule]>)> = Vec::new();
    let mut found = Vec::new();
    for (name, mut table) in root.tables("destination") {
        let parsed = DestinationName::parse(&name.value);
        if let Err(error) = &parsed {
            table.error(Fault::new(W1011).because(error.to_string()), &name.span);
        }
        let read = read(maker, &mut table, about, parsed.ok(), &mut shared);
        table.finish();
        found.extend(read);
    }
    for (loaded, _) in &shared {
        digest.add(loaded.as_ref().map_or("", |loaded| &loaded.text));
    }
    found
}

type Shared = Vec<(Option<Loaded>, Arc<[SealRule]>)>;

fn read(
    maker: &mut Maker<'_>,
    table: &mut Table<'_>,
    about: &About,
    name: Option<DestinationName>,
    shared: &mut Shared,
) -> Option<Read> {
    let kind = destination::read(table);
    let known = table.value("type").is_none_or(|value| {
        value.as_str().is_some_and(|name| destination::KINDS.iter().any(|k| k.row.name == name))
    });
    if !known {
        // Nothing can be said of the other keys then.
        let _ = table.entries();
    }
    let recipient = gated_key(table, &RECIPIENT, about.gated);
    let purpose = gated_key(table, &PURPOSE, about.gated);
    check_purpose(table, &purpose);
    let when = condition(table, &WHEN);
    let map = map(maker, table, about);
    let enabled = table.or(&ENABLED, true);
    let timeout = timeout(table, kind.as_ref());
    let parallel = parallel(table, kind.as_ref());
    if let (Some(destination::DestinationPlan::Mllp(plan)), Some(span)) =
        (&kind, table.key_span("parallel"))
        && plan.sequence
        && parallel > 1
    {
        let cause = "messages with sequence numbers go one after another";
        table.error(Fault::new(W1011).because(cause), &span);
    }
    let rate = table.optional(&RATE);
    let retry = retry(table);
    let on_reject = table.or(&ON_REJECT, OnReject::DeadLetter);
    let output = map.output(about.input);
    let map = map.loaded();
    if let (Some(loaded), Some(input)) = (&map, about.input) {
        check_reads(table, &loaded.mapping, input);
    }
    if let Some(kind) = &kind {
        let span = table.span();
        super::channel::absent(table, &span, paths(kind));
        if let Some(output) = output {
            check_form(table, kind, output);
            if let (true, Some(span)) = (output == ContentKind::FhirJson, table.key_span("charset"))
            {
                let cause = "FHIR leaves in UTF-8; only HL7 v2 has other character sets";
                table.error(Fault::new(W1011).because(cause), &span);
            }
        }
    }
    let seal = output.map(|output| seal(table, about, &map, output, shared)).unwrap_or_default();
    let (name, kind) = (name?, kind?);
    let rules = DestinationRules {
        name: name.clone(),
        recipient,
        purpose,
        when,
        mapping: map.map(|loaded| loaded.mapping),
        seal,
        retry,
        on_reject,
        recode: kind.recode().cloned(),
    };
    let plan = DestinationPlan { name, kind, enabled, timeout, parallel, rate, retry };
    Some(Read { plan, rules, output })
}

/// A key that a channel with a consent gate needs; empty without one.
fn gated_key(table: &mut Table<'_>, key: &Key<Arc<str>>, gated: bool) -> Arc<str> {
    let found = if gated { table.required(key) } else { table.optional(key) };
    found.unwrap_or_else(|| "".into())
}

fn check_purpose(table: &mut Table<'_>, code: &str) {
    if code.is_empty() || consent::is_purpose(code) {
        return;
    }
    let codes = consent::PURPOSES.iter().map(|purpose| purpose.code);
    let fault = suggest(Fault::new(W3001), code, codes);
    let span = table.value(PURPOSE.name).map_or_else(|| table.span(), |value| value.span());
    table.error(fault, &span);
}

fn map(maker: &mut Maker<'_>, table: &mut Table<'_>, about: &About) -> Mapped {
    match table.spanned(&MAP) {
        None if table.has(MAP.name) => Mapped::Broken,
        None => about.map.clone(),
        Some(file) if &*file.value == "none" => Mapped::Not,
        Some(file) => maker.mapping(table, &file).into(),
    }
}

fn timeout(table: &mut Table<'_>, kind: Option<&destination::DestinationPlan>) -> Duration {
    let default = Duration::from_secs(30);
    let answer = kind.and_then(destination::DestinationPlan::answer_timeout);
    match (table.spanned(&TIMEOUT), answer) {
        (Some(timeout), Some(answer)) if timeout.value < answer => {
            let fault = Fault::new(W1021)
                .because("shorter than the wait for an answer within it")
                .remedy("Raise `timeout`, or lower `ack_timeout` or `batch.wait`.");
            table.error(fault, &timeout.span);
            timeout.value
        }
        (Some(timeout), _) => timeout.value,
        // Connecting comes on top of the wait for the answer.
        (None, Some(answer)) => default.max(answer + Duration::from_secs(10)),
        (None, None) => default,
    }
}

fn parallel(table: &mut Table<'_>, kind: Option<&destination::DestinationPlan>) -> u32 {
    let batch = kind.and_then(destination::DestinationPlan::batch_max);
    let Some(parallel) = table.spanned(&PARALLEL) else {
        return batch.unwrap_or(1).min(PARALLEL_MAX);
    };
    if batch.is_some_and(|max| parallel.value < max) {
        let cause = format!("no more than {} lanes are worked on", parallel.value);
        table.warning(Fault::new(W7311).because(cause), &parallel.span);
    }
    if !(1..=PARALLEL_MAX).contains(&parallel.value) {
        let cause = format!("expected a whole number from 1 to {PARALLEL_MAX}");
        table.error(Fault::new(W1021).because(cause), &parallel.span);
        return 1;
    }
    parallel.value
}

fn retry(table: &mut Table<'_>) -> RetryPlan {
    let default = RetryPlan::default();
    let Some(mut table) = table.table("retry") else { return default };
    let first = table.spanned(&FIRST);
    let max = table.spanned(&MAX);
    let factor = table.spanned(&FACTOR);
    let give_up = table.optional(&GIVE_UP);
    let limit = |table: &mut Table<'_>, wrong: bool, span: Option<_>, cause: &'static str| {
        if let (true, Some(span)) = (wrong, span) {
            table.error(Fault::new(W1021).because(cause), &span);
        }
    };
    let span = |s: &Option<Spanned<Duration>>| s.as_ref().map(|s| s.span.clone());
    let plan = RetryPlan {
        first: first.as_ref().map_or(default.first, |first| first.value),
        max: max.as_ref().map_or(default.max, |max| max.value),
        factor: factor.as_ref().map_or(default.factor, |factor| factor.value),
        give_up,
    };
    let hot = plan.first < Duration::from_millis(10);
    limit(&mut table, hot, span(&first), "trying again at once would be a busy loop");
    let order = plan.max < plan.first;
    let at = span(&max).or_else(|| span(&first));
    limit(&mut table, order, at, "the longest wait is shorter than the first");
    let bad = !(1..=100).contains(&plan.factor);
    limit(&mut table, bad, factor.map(|f| f.span), "expected a whole number from 1 to 100");
    table.finish();
    plan
}

/// The files that a kind of destination needs; directories it makes itself.
fn paths(kind: &destination::DestinationPlan) -> Vec<&std::path::Path> {
    let tls = match kind {
        destination::DestinationPlan::Mllp(plan) => plan.tls.as_ref(),
        destination::DestinationPlan::Fhir(plan) => plan.tls.as_ref(),
        destination::DestinationPlan::File(_) | destination::DestinationPlan::Records(_) => None,
    };
    tls.iter().flat_map(|tls| [&tls.ca, &tls.cert]).filter_map(Option::as_deref).collect()
}

/// Refuses a mapping that reads another form than the channel takes.
fn check_reads(table: &mut Table<'_>, mapping: &Mapping, input: ContentKind) {
    let reads = mapping.reads();
    if reads == input || ![reads, input].contains(&ContentKind::Cda) {
        return;
    }
    let form = |kind| match kind {
        ContentKind::Hl7 => "HL7 v2",
        ContentKind::FhirJson => "FHIR",
        ContentKind::Cda => "documents of CDA",
        ContentKind::Raw | ContentKind::Removed => "bytes of any form",
    };
    let cause =
        format!("{} reads {}, the channel takes {}", mapping.file(), form(reads), form(input));
    let remedy = "Name a mapping of the channel's form; documents come by `split = \"cda\"`.";
    let span = table.span();
    table.error(Fault::new(W1057).because(cause).remedy(remedy), &span);
}

/// Refuses to send what the kind of destination cannot carry.
fn check_form(table: &mut Table<'_>, kind: &destination::DestinationPlan, output: ContentKind) {
    let cause = match (kind, output) {
        (destination::DestinationPlan::Fhir(_), ContentKind::Hl7) => {
            "a FHIR server gets HL7 v2 here: a mapping to FHIR is missing"
        }
        (
            destination::DestinationPlan::Fhir(_) | destination::DestinationPlan::Records(_),
            ContentKind::Cda,
        ) => "a FHIR server gets documents of CDA here: a mapping to FHIR is missing",
        (destination::DestinationPlan::Mllp(_), ContentKind::Cda) => {
            "an MLLP peer gets documents of CDA here, which are no HL7 v2"
        }
        (destination::DestinationPlan::Records(_), ContentKind::Hl7) => {
            "the record store gets HL7 v2 here: a mapping to FHIR is missing"
        }
        (destination::DestinationPlan::Mllp(_), ContentKind::FhirJson) => {
            "an MLLP peer gets FHIR here: a mapping to HL7 v2 is missing, or `map = \"none\"`"
        }
        _ => return,
    };
    let span = table.span();
    table.error(Fault::new(W1057).because(cause), &span);
}

/// The `[[encrypt]]` rules for the form in which messages leave here. Destinations with the
/// same mapping share them.
fn seal(
    table: &mut Table<'_>,
    about: &About,
    map: &Option<Loaded>,
    output: ContentKind,
    shared: &mut Shared,
) -> Arc<[SealRule]> {
    let same = |other: &Option<Loaded>| match (other, map) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(&a.mapping, &b.mapping),
        _ => false,
    };
    if let Some((_, rules)) = shared.iter().find(|(other, _)| same(other)) {
        return rules.clone();
    }
    let mut rules = Vec::new();
    for protect in about.protect.iter().filter(|p| p.hl7 == (output == ContentKind::Hl7)) {
        match SealRule::parse(&protect.at.value, protect.how, &protect.key, output) {
            Ok(rule) => {
                let warnings = rule.warnings().into_iter().map(|fault| (false, fault));
                warnings.for_each(|found| note(table, protect, found));
                rules.push(rule);
            }
            Err(fault) => note(table, protect, (true, fault)),
        }
    }
    let rules: Arc<[SealRule]> = rules.into();
    shared.push((map.clone(), rules.clone()));
    rules
}

/// Notes what is wrong with a rule, once: it may be so for several destinations.
fn note(
    table: &mut Table<'_>,
    protect: &super::channel::Protect,
    (is_error, fault): (bool, Fault),
) {
    let fault = fault.at(protect.place.clone());
    table.with_problems(|problems| {
        if problems.iter().any(|problem| problem.fault == fault) {
            return;
        }
        if is_error { problems.error(fault) } else { problems.warning(fault) }
    });
}

/// Warns of batches where all messages are in one lane, of which one leaves at a time.
pub(super) fn lonely(root: &mut Table<'_>, all: &[Read], in_order: bool) {
    let batches = |read: &&Read| read.plan.enabled && read.plan.kind.batch_max().is_some();
    if let Some(read) = all.iter().find(batches).filter(|_| !in_order) {
        let name = &read.plan.name;
        let cause = format!("all messages to `{name}` are in one lane without `order_by`");
        let span = root.key_span("channel").unwrap_or_else(|| root.span());
        root.warning(Fault::new(W7311).because(cause), &span);
    }
}

/// Refuses `[[encrypt]]` rules that are in the form of no destination: they would protect
/// nothing.
pub(super) fn unused_rules(root: &mut Table<'_>, about: &About, all: &[Read]) {
    if all.is_empty() || all.iter().any(|d| d.output.is_none()) {
        return;
    }
    for protect in &about.protect {
        let outputs = all.iter().map(|d| match (&d.rules.mapping, &d.plan.kind) {
            (None, _) => about.input.unwrap_or(ContentKind::Raw),
            (
                _,
                destination::DestinationPlan::Fhir(_) | destination::DestinationPlan::Records(_),
            ) => ContentKind::FhirJson,
            (_, destination::DestinationPlan::Mllp(_)) => ContentKind::Hl7,
            (Some(_), destination::DestinationPlan::File(_)) => ContentKind::Raw,
        });
        let fits = |output: ContentKind| {
            output == ContentKind::Raw || protect.hl7 == (output == ContentKind::Hl7)
        };
        if !outputs.into_iter().any(fits) {
            let form = if protect.hl7 { "HL7 v2" } else { "FHIR" };
            let fault = Fault::new(W1058).at(protect.place.clone());
            let fault = fault.because(format!("this is a path of {form}"));
            root.with_problems(|problems| problems.error(fault));
        }
    }
}
