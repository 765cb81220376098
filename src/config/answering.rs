//! Whose answer the sender hears: `reply_from` against the destinations of the channel.

use super::destination::Read;
use super::plan::DestinationPlan;
use super::server::suggest;
use crate::destination;
use crate::fault::Fault;
use crate::fault::codes::{W2340, W2341};
use crate::settings::Table;
use crate::source::{ReplyWhen, SourceKind, SourcePlan};

/// Destinations in the order in which they answer senders where none is named: those that keep
/// records, then the others as the file has them.
pub fn answer_order(plans: &[DestinationPlan]) -> impl Iterator<Item = &DestinationPlan> {
    let others = |plan: &&DestinationPlan| !keeps_records(plan);
    plans.iter().filter(|plan| keeps_records(plan)).chain(plans.iter().filter(others))
}

const fn keeps_records(plan: &DestinationPlan) -> bool {
    matches!(plan.kind, destination::DestinationPlan::Records(_))
}

/// Notes a destination that is not there, and several of which none is named.
pub(super) fn check(root: &mut Table<'_>, source: &SourcePlan, all: &[Read]) {
    let SourceKind::Fhir(plan) = &source.kind else { return };
    if plan.reply != ReplyWhen::AfterDelivery || all.is_empty() {
        return;
    }
    let enabled = || all.iter().map(|read| &read.plan).filter(|plan| plan.enabled);
    let key = if plan.reply_from.is_some() { "reply_from" } else { "reply" };
    let value = root.value("source").and_then(|value| value.into_table()?.value(key));
    let span = value.map_or_else(|| root.span(), |value| value.span());
    if let Some(name) = &plan.reply_from {
        if enabled().any(|plan| plan.name == *name) {
            return;
        }
        let fault = match all.iter().any(|read| read.plan.name == *name) {
            true => Fault::new(W2340).because(format!("`{name}` is not enabled")),
            false => suggest(Fault::new(W2340), name.as_str(), enabled().map(|p| p.name.as_str())),
        };
        root.error(fault, &span);
        return;
    }
    let all: Vec<DestinationPlan> = enabled().cloned().collect();
    let keeping = all.iter().filter(|plan| keeps_records(plan)).count();
    if all.len() > 1 && keeping != 1 {
        let first = answer_order(&all).next().map_or("", |plan| plan.name.as_str());
        let cause = format!("`{first}` answers, unless a message is not for it");
        root.warning(Fault::new(W2341).because(cause), &span);
    }
}
