//! What the engine says, as views of the API.

use super::api::types::{
    ChangeView, ChannelView, DestinationView, DoneView, FailedView, JourneyView, LedgerRowView,
    OutcomeView, PlannedView, QueueRowView, StatusView, StepView, StoreView, StrandedView,
    TracedView, schema,
};
use super::problem::{fault_view, record_view};
use crate::base::Timestamp;
use crate::config::{Changes, Plan};
use crate::engine::{ChannelStatus, DestinationStatus, Done, QueuePlanned, Status, Traced};
use crate::message::{Fate, Outcome, OutcomeRecord, Receipt};
use crate::store::{DeliveryRow, LedgerRow};

fn time(moment: Timestamp) -> String {
    moment.to_string()
}

fn text(text: &Option<std::sync::Arc<str>>) -> Option<String> {
    text.as_ref().map(ToString::to_string)
}

pub(super) fn status(status: &Status, plan: &Plan) -> StatusView {
    let all = || status.channels.iter().flat_map(|channel| &channel.destinations);
    let rows = || all().filter_map(|to| to.queue.as_ref()).chain(&status.stranded);
    let sum = |count: fn(&crate::store::QueueRow) -> u64| -> u64 { rows().map(count).sum() };
    let enabled = status.channels.iter().filter(|channel| channel.plan.enabled);
    StatusView {
        schema: schema::STATUS.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        site: plan.server.site.to_string(),
        revision: plan.revision.to_string(),
        started: time(status.started),
        now: time(status.now),
        ready: status.ready,
        running: status.channels.iter().filter(|c| c.state == "running").count(),
        channels: enabled.count(),
        waiting: sum(|row| row.waiting),
        held: sum(|row| row.held),
        dead: sum(|row| row.dead),
        unaccounted: status.unaccounted,
        oldest: rows().filter_map(|row| row.oldest).min().map(time),
        store: StoreView {
            bytes: status.usage.bytes,
            free_bytes: status.usage.free_bytes,
            min_free: plan.server.store.min_free.0,
            disk: status.disk.to_owned(),
            last_position: status.usage.last_position,
            segments: status.usage.segments,
            sealed: plan.server.keys.keyring.is_some(),
        },
        list: status.channels.iter().map(channel).collect(),
        stranded: status.stranded.iter().map(stranded).collect(),
    }
}

fn stranded(row: &crate::store::QueueRow) -> StrandedView {
    StrandedView {
        channel: row.channel.to_string(),
        destination: row.destination.to_string(),
        waiting: row.waiting,
        held: row.held,
        oldest: row.oldest.map(time),
    }
}

pub(super) fn channel(status: &ChannelStatus) -> ChannelView {
    let plan = &status.plan;
    let address = status.address.or_else(|| plan.source.listen());
    ChannelView {
        schema: schema::CHANNEL.to_owned(),
        name: plan.name().to_string(),
        state: status.state.to_owned(),
        paused: text(&status.paused),
        fault: status.fault.as_ref().map(fault_view),
        tags: plan.tags.iter().map(ToString::to_string).collect(),
        about: text(&plan.about),
        owner: text(&plan.owner),
        source: plan.source.kind_name().to_owned(),
        listen: address.map(|address| address.to_string()),
        connections: status.connections,
        last_received: status.last_received.map(time),
        received: status.received,
        revision: plan.rules.revision.to_string(),
        destinations: status.destinations.iter().map(destination).collect(),
    }
}

fn destination(status: &DestinationStatus) -> DestinationView {
    let queue = status.queue.as_ref();
    let state = match (&status.paused, status.down_since) {
        (Some(_), _) => "paused",
        (None, Some(_)) => "down",
        (None, None) => "up",
    };
    DestinationView {
        name: status.name.to_string(),
        kind: status.kind.to_owned(),
        target: status.target.clone(),
        state: state.to_owned(),
        paused: text(&status.paused),
        down_since: status.down_since.map(time),
        last_fault: status.last_fault.as_ref().map(|(_, fault)| record_view(fault)),
        last_fault_at: status.last_fault.as_ref().map(|(at, _)| time(*at)),
        last_delivered: status.last_delivered.map(time),
        delivered: status.delivered,
        waiting: queue.map_or(0, |row| row.waiting),
        retrying: queue.map_or(0, |row| row.retrying),
        held: queue.map_or(0, |row| row.held),
        dead: queue.map_or(0, |row| row.dead),
        oldest: queue.and_then(|row| row.oldest).map(time),
        next_try: queue.and_then(|row| row.next_due).map(time),
        p95_ms: status.p95.map(|took| took.as_secs_f64() * 1e3),
    }
}

pub(super) fn queue_row(row: &DeliveryRow) -> QueueRowView {
    let failed = row.attempts > 0 && row.state == crate::message::State::Waiting;
    QueueRowView {
        message: row.message.to_string(),
        channel: row.channel.to_string(),
        destination: row.destination.to_string(),
        state: row.state.name().to_owned(),
        message_type: row.message_type.to_string(),
        lane: format!("{:016x}", row.lane.0),
        attempts: row.attempts,
        received: time(row.received),
        next_try: failed.then(|| time(row.next_try)),
        code: text(&row.code),
        position: row.position,
    }
}

pub(super) fn planned(planned: &QueuePlanned) -> PlannedView {
    PlannedView {
        schema: schema::PLANNED.to_owned(),
        count: planned.count,
        channels: planned.channels.iter().map(ToString::to_string).collect(),
        destinations: planned.destinations.iter().map(ToString::to_string).collect(),
        oldest: planned.oldest.map(time),
        newest: planned.newest.map(time),
    }
}

pub(super) fn done(done: &Done) -> DoneView {
    let failed = done.failed.iter().map(|(row, fault)| FailedView {
        message: row.message.to_string(),
        destination: row.destination.to_string(),
        fault: fault_view(fault),
    });
    DoneView {
        schema: schema::DONE.to_owned(),
        done: done.done,
        failed: failed.collect(),
        failed_count: done.failed_count,
    }
}

pub(super) fn ledger_row(row: &LedgerRow) -> LedgerRowView {
    LedgerRowView {
        channel: row.channel.to_string(),
        destination: row.destination.to_string(),
        committed: row.committed,
        waiting: row.waiting,
        held: row.held,
        delivered: row.delivered,
        filtered: row.filtered,
        denied: row.denied,
        skipped: row.skipped,
        dead: row.dead,
        unaccounted: row.unaccounted,
    }
}

pub(super) fn journey(traced: &Traced) -> JourneyView {
    let record = &traced.record;
    let steps = record.trail.steps.iter().map(|step| StepView {
        stage: step.stage.name().to_owned(),
        destination: text(&step.destination),
        micros: step.micros,
        note: text(&step.note),
        warnings: step.warnings.iter().map(ToString::to_string).collect(),
    });
    let deliveries = traced.states.iter().map(|(name, state)| {
        let fate = record.owed.iter().find(|owed| owed.destination == *name).map(|o| &o.fate);
        let (word, why) = fate.map_or(("deliver", None), fate_view);
        let own = traced.outcomes.iter().filter(|outcome| outcome.destination == *name);
        TracedView {
            destination: name.to_string(),
            state: state.name().to_owned(),
            fate: word.to_owned(),
            why,
            outcomes: own.map(outcome_view).collect(),
        }
    });
    let heard = Heard::of(&record.ack, traced.answered.as_deref());
    let told = record.fault.as_ref().map(|fault| fault.code.to_string());
    JourneyView {
        message: record.id.to_string(),
        channel: record.channel.to_string(),
        received: time(record.received),
        message_type: record.message_type.to_string(),
        version: record.version.to_string(),
        revision: record.revision.to_string(),
        peer: record.peer.address.to_string(),
        client: record.peer.subject.as_deref().map(str::to_owned),
        parent: record.parent.map(|id| id.to_string()),
        bytes: record.original.bytes.len() as u64,
        content_removed: record.original.is_removed(),
        digest: hex(&record.digest),
        ack: heard.first.to_owned(),
        application_ack: heard.then.map(str::to_owned),
        ack_code: heard.code.map(str::to_owned).or(told),
        fault: record.fault.as_ref().map(record_view),
        steps: steps.collect(),
        deliveries: deliveries.collect(),
    }
}

/// What the sender heard of a message.
#[derive(Debug, PartialEq, Eq)]
struct Heard<'a> {
    first: &'a str,
    then: Option<&'a str>,
    code: Option<&'a str>,
}

impl<'a> Heard<'a> {
    /// From the code that its entry names and the answer that was noted later, such as
    /// `AE W6903`: in the place of the first one, or behind a commit acknowledgment.
    fn of(recorded: &'a str, noted: Option<&'a str>) -> Self {
        let Some(noted) = noted else { return Self { first: recorded, then: None, code: None } };
        let (said, code) = match noted.split_once(' ') {
            Some((said, code)) => (said, Some(code)),
            None => (noted, None),
        };
        match recorded.starts_with('C') {
            true => Self { first: recorded, then: Some(said), code },
            false => Self { first: said, then: None, code },
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn fate_view(fate: &Fate) -> (&'static str, Option<String>) {
    let rule = |decision: &crate::message::Decision| {
        let rule = decision.rule.as_ref().map_or("no rule binds".to_owned(), ToString::to_string);
        Some(format!("{} by {rule}", decision.verdict.name()))
    };
    match fate {
        Fate::Deliver(_) => ("deliver", None),
        Fate::Filtered(place) => ("filtered", Some(place.to_string())),
        Fate::Denied(decision) => ("denied", rule(decision)),
        Fate::Held(decision) => ("held", rule(decision)),
        Fate::Dead(fault) => ("dead", Some(fault_line(fault))),
    }
}

fn fault_line(fault: &crate::message::FaultRecord) -> String {
    let phrase = fault.known_code().row().phrase;
    match &fault.cause {
        Some(cause) => format!("{}: {phrase}: {cause}", fault.code),
        None => format!("{}: {phrase}", fault.code),
    }
}

fn outcome_view(record: &OutcomeRecord) -> OutcomeView {
    let (what, detail) = match &record.outcome {
        Outcome::Delivered(receipt) => ("delivered", Some(receipt_line(receipt))),
        Outcome::Retry { next_try, fault } => {
            ("retry", Some(format!("{}; next try {next_try}", fault_line(fault))))
        }
        Outcome::Dead(fault) => ("dead", Some(fault_line(fault))),
        Outcome::Denied(decision) => {
            ("denied", decision.rule.as_ref().map(|rule| format!("by {rule}")))
        }
        Outcome::Skipped => ("skipped", None),
        Outcome::Held => ("held", None),
        Outcome::Released => ("released", None),
        Outcome::Requeued { body, revision } => {
            let how = if body.is_some() { "mapped anew" } else { "as it was" };
            ("requeued", Some(format!("{how}, configuration {revision}")))
        }
    };
    let by =
        record.leaves.last().filter(|leaf| &*leaf.actor != "weir").map(|leaf| match &leaf.reason {
            Some(reason) => format!("{}: {reason}", leaf.actor),
            None => leaf.actor.to_string(),
        });
    OutcomeView {
        at: time(record.at),
        what: what.to_owned(),
        attempts: record.attempts,
        detail,
        by,
    }
}

fn receipt_line(receipt: &Receipt) -> String {
    match receipt {
        Receipt::Ack { code } => format!("acknowledged {code}"),
        Receipt::Http { status, locations } => match locations.len() {
            0 => format!("HTTP {status}"),
            many => format!("HTTP {status}, {many} resources"),
        },
        // The name of a file may hold an identifier.
        Receipt::File { sha256, .. } => format!("file, SHA-256 {}", hex(sha256)),
    }
}

pub(super) fn changes(changes: &Changes) -> Vec<ChangeView> {
    let plain = |channel: &str, what: &str, details: Vec<String>| ChangeView {
        channel: channel.to_owned(),
        what: what.to_owned(),
        details,
    };
    let mut views = Vec::new();
    if changes.server {
        let restart = changes.restart.iter().map(|key| format!("{key} needs a restart"));
        views.push(plain("", "changed", restart.collect()));
    }
    views.extend(changes.added.iter().map(|name| plain(name.as_str(), "added", Vec::new())));
    views.extend(changes.removed.iter().map(|name| plain(name.as_str(), "removed", Vec::new())));
    for change in &changes.changed {
        let listener = if change.source { "source restarts" } else { "listener kept" };
        let mut details = vec![listener.to_owned()];
        let mut name = |what: &str, names: &[crate::base::DestinationName]| {
            details.extend(names.iter().map(|name| format!("destination {name} {what}")));
        };
        name("added", &change.added);
        name("removed", &change.removed);
        name("changed", &change.changed);
        views.push(plain(change.name.as_str(), "changed", details));
    }
    views
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_one_that_was_heard() {
        let check = |recorded, noted, first, then, code| {
            assert_eq!(Heard::of(recorded, noted), Heard { first, then, code }, "{recorded}");
        };
        check("AA", None, "AA", None, None);
        check("", None, "", None, None);
        check("AA", Some("AE W6903"), "AE", None, Some("W6903"));
        check("CA", Some("AE W6903"), "CA", Some("AE"), Some("W6903"));
        check("CA", Some("AA"), "CA", Some("AA"), None);
    }
}
