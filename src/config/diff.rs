//! The difference of two plans, which is what a reload does.

use std::sync::Arc;

use super::plan::{ChannelPlan, Plan};
use crate::base::{ChannelName, DestinationName};

/// What a reload changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whether settings of config.toml changed.
    pub server: bool,
    /// Settings that only a restart can change, such as `data_dir`.
    pub restart: Vec<&'static str>,
    /// Channels to start: new, or enabled now.
    pub added: Vec<ChannelName>,
    /// Channels to stop: gone, or disabled now.
    pub removed: Vec<ChannelName>,
    /// Channels that go on differently.
    pub changed: Vec<ChannelChange>,
    /// Channels that go on as they are.
    pub unchanged: Vec<ChannelName>,
    /// Destinations whose waiting messages would have nowhere to go (`W6021`).
    pub gone: Vec<Gone>,
}

/// What changes in a channel that runs before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelChange {
    /// The channel.
    pub name: ChannelName,
    /// Whether its source must be opened anew; else its listener stays open.
    pub source: bool,
    /// Destinations that are new or enabled now.
    pub added: Vec<DestinationName>,
    /// Destinations that are gone or disabled now.
    pub removed: Vec<DestinationName>,
    /// Destinations that are reached in another way: address, timing, parallel.
    pub changed: Vec<DestinationName>,
}

/// A destination that is not in the new plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its channel.
    pub channel: ChannelName,
    /// Its name.
    pub destination: DestinationName,
    /// Destinations of the same channel that are new and could adopt what waits.
    pub heirs: Vec<DestinationName>,
}

impl Changes {
    /// Whether a reload would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.server
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.gone.is_empty()
    }
}

/// What is different in `new`.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> Changes {
    let mut changes = Changes {
        server: old.server != new.server,
        restart: restart(old, new),
        ..Changes::default()
    };
    for channel in &new.channels {
        let before = find(old, channel.name());
        let was = before.is_some_and(|before| before.enabled);
        match before {
            Some(before) if was && channel.enabled => {
                if before == channel {
                    changes.unchanged.push(channel.name().clone());
                } else {
                    changes.changed.push(change(before, channel));
                }
            }
            _ if channel.enabled => changes.added.push(channel.name().clone()),
            _ if was => changes.removed.push(channel.name().clone()),
            _ => {}
        }
    }
    for before in &old.channels {
        let after = find(new, before.name());
        if after.is_none() && before.enabled {
            changes.removed.push(before.name().clone());
        }
        changes.gone.extend(gone(before, after));
    }
    changes
}

fn find<'p>(plan: &'p Plan, name: &ChannelName) -> Option<&'p Arc<ChannelPlan>> {
    plan.channels.iter().find(|channel| channel.name() == name)
}

fn restart(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let (old, new) = (&old.server, &new.server);
    let rows = [
        ("[weir] data_dir", old.data_dir != new.data_dir),
        ("[weir] site", old.site != new.site),
        ("[store]", old.store != new.store),
        ("[keys] keyring", old.keys.keyring != new.keys.keyring),
        ("[admin]", old.admin != new.admin),
        ("[metrics]", old.metrics != new.metrics),
    ];
    rows.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn change(before: &ChannelPlan, after: &ChannelPlan) -> ChannelChange {
    let active = |plan: &ChannelPlan, name: &DestinationName| {
        plan.destination(name).is_some_and(|destination| destination.enabled)
    };
    let names = |plan: &ChannelPlan| -> Vec<DestinationName> {
        plan.destinations.iter().filter(|d| d.enabled).map(|d| d.name.clone()).collect()
    };
    let mut change = ChannelChange {
        name: after.name().clone(),
        source: before.source != after.source,
        added: names(after),
        removed: names(before),
        changed: names(after),
    };
    change.added.retain(|name| !active(before, name));
    change.removed.retain(|name| !active(after, name));
    change
        .changed
        .retain(|name| active(before, name) && before.destination(name) != after.destination(name));
    change
}

fn gone(before: &ChannelPlan, after: Option<&Arc<ChannelPlan>>) -> Vec<Gone> {
    let stays = |name| after.is_some_and(|after| after.destination(name).is_some());
    let heirs: Vec<DestinationName> = after
        .iter()
        .flat_map(|after| &after.destinations)
        .map(|destination| destination.name.clone())
        .filter(|name| before.destination(name).is_none())
        .collect();
    let names = before.destinations.iter().map(|destination| &destination.name);
    names
        .filter(|name| !stays(name))
        .map(|name| Gone {
            channel: before.name().clone(),
            destination: name.clone(),
            heirs: heirs.clone(),
        })
        .collect()
}
