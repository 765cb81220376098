//! Whose answer a sender hears who waits for delivery at a source that hands answers on, and
//! what it hears where there is none.
//!
//! One destination answers: the one that the source names, else the first that keeps records,
//! else the first in the order of the file; of those that the message is for. The others go
//! on by themselves, as when nobody waits: what they refuse is a dead letter as ever.

use std::sync::Arc;

use super::core::{Core, Watch};
use crate::base::{ChannelName, DestinationName, MessageId};
use crate::config::{DestinationPlan, answer_order};
use crate::fault::codes::W2336;
use crate::fault::{Fault, Place};
use crate::message::{Fate, FaultRecord, MessageRecord};

/// Listens to the destination that answers for a message; where the message goes nowhere, to
/// none. `record`: the message as it was decided, which may be a repetition of the first.
pub(super) fn listen(
    core: &Arc<Core>,
    (message, record): (MessageId, &MessageRecord),
    plans: &[DestinationPlan],
    named: Option<&DestinationName>,
) -> Watch {
    let Some((to, fate)) = answering(record, plans, named) else {
        return core.waiters.watch(core, message);
    };
    let watch = core.waiters.listen(core, message, to.clone());
    if let Fate::Dead(fault) = fate {
        core.waiters.died(message, to, fault);
    }
    watch
}

fn answering<'r>(
    record: &'r MessageRecord,
    plans: &[DestinationPlan],
    named: Option<&DestinationName>,
) -> Option<(&'r DestinationName, &'r Fate)> {
    let owed = |name: &DestinationName| {
        let owed = record.owed.iter().find(|owed| owed.destination == *name)?;
        let is_for = !matches!(owed.fate, Fate::Filtered(_) | Fate::Denied(_));
        is_for.then_some((&owed.destination, &owed.fate))
    };
    named.and_then(owed).or_else(|| answer_order(plans).find_map(|plan| owed(&plan.name)))
}

/// Why a message is not delivered, for its sender: the code of its dead letter, and the name
/// of the destination. How a peer is reached is not for the sender to know, so causes of
/// deliveries are left out.
pub(super) fn given_up(
    (channel, to): (&ChannelName, &DestinationName),
    dead: Option<&FaultRecord>,
) -> Fault {
    let place = Place::destination(channel.shared(), to.shared());
    let Some(dead) = dead else {
        return Fault::new(W2336).at(place).because(format!("it was set aside at `{to}`"));
    };
    let own = !dead.code.starts_with("W7");
    let cause = match dead.cause.as_ref().filter(|_| own) {
        Some(cause) => format!("it is not delivered to `{to}`: {cause}"),
        None => format!("it is not delivered to `{to}`"),
    };
    Fault::new(dead.known_code()).at(place).because(cause)
}
