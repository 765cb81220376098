//! What can only be seen over all channels.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::plan::{ChannelPlan, ServerPlan};
use crate::destination::DestinationPlan;
use crate::fault::codes::{W1041, W1042, W1065};
use crate::fault::{Fault, FilePlace, Place, Problems};
use crate::source::SourceKind;

/// Notes names used twice and addresses two listeners would share.
pub(super) fn check(server: &ServerPlan, channels: &[ChannelPlan], problems: &mut Problems) {
    for (at, channel) in channels.iter().enumerate() {
        let before = channels.iter().take(at).find(|other| other.name() == channel.name());
        if let Some(other) = before {
            let fault = Fault::new(W1041).at(Place::file(channel.file.clone()));
            let cause = format!("`{}` is also the channel of {}", channel.name(), other.file);
            problems.error(fault.because(cause));
        }
    }
    listeners(server, channels, problems);
    directories(server, channels, problems);
    policies(server, channels, problems);
}

/// Warns of rules of policies that no destination reaches.
fn policies(server: &ServerPlan, channels: &[ChannelPlan], problems: &mut Problems) {
    for plan in server.consent.policies.values() {
        let uses = |channel: &&ChannelPlan| {
            let own = channel.rules.consent.policy.as_ref();
            own.is_some_and(|policy| policy.name() == plan.policy.name())
        };
        let asked: Vec<(&str, &str)> = channels
            .iter()
            .filter(uses)
            .flat_map(|channel| &channel.rules.destinations)
            .map(|to| (&*to.recipient, &*to.purpose))
            .collect();
        // What is missing was told before, and would reach rules once it is there.
        if asked.is_empty() || asked.iter().any(|(who, why)| who.is_empty() || why.is_empty()) {
            continue;
        }
        for (span, fault) in plan.policy.unreached(&asked) {
            problems.warning(fault.at(FilePlace::find(plan.file.clone(), &plan.text, span)));
        }
    }
}

fn listeners(server: &ServerPlan, channels: &[ChannelPlan], problems: &mut Problems) {
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    taken.extend(server.admin.listen.map(|at| (at, "[admin] of config.toml".to_owned())));
    if let Some(metrics) = server.metrics {
        if let Some((_, other)) = taken.iter().find(|(at, _)| clash(*at, metrics)) {
            let fault = Fault::new(W1042).at(Place::file("config.toml"));
            problems.error(fault.because(format!("[metrics] and {other} both use {metrics}")));
        }
        taken.push((metrics, "[metrics] of config.toml".to_owned()));
    }
    for channel in channels.iter().filter(|channel| channel.enabled) {
        let Some(listen) = channel.source.listen() else { continue };
        if let Some((_, other)) = taken.iter().find(|(at, _)| clash(*at, listen)) {
            let fault = Fault::new(W1042).at(channel.source_place.clone());
            problems.error(fault.because(format!("{listen} is also used by {other}")));
        }
        taken.push((listen, format!("{} of {}", channel.name(), channel.file)));
    }
}

/// Finds file destinations that would write where weir keeps its data or takes files from.
fn directories(server: &ServerPlan, channels: &[ChannelPlan], problems: &mut Problems) {
    let own = |name: &str| (server.data_dir.join(name), format!("`{name}` of `data_dir`"));
    let mut taken = vec![own("journal"), own("index")];
    for channel in channels.iter().filter(|channel| channel.enabled) {
        if let SourceKind::File(source) = &channel.source.kind {
            let whose = format!("the directory from which {} takes files", channel.name());
            taken.push((source.dir.clone(), whose));
        }
    }
    for channel in channels.iter().filter(|channel| channel.enabled) {
        for to in &channel.destinations {
            let DestinationPlan::File(file) = &to.kind else { continue };
            let inside = |(dir, _): &&(PathBuf, String)| file.dir.starts_with(dir);
            let found = taken.iter().find(inside);
            if let Some((_, whose)) = found {
                let dir = file.dir.display();
                let cause = format!("`{dir}` of `{}` is in {whose}", to.name);
                let place = Place::file(channel.file.clone());
                problems.error(Fault::new(W1065).at(place).because(cause));
            }
        }
    }
}

/// Whether two listeners cannot both have their addresses; port 0 never clashes.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let all = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (all || a.ip() == b.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_clash_by_port_and_address() {
        let check = |a: &str, b: &str, expected: bool| {
            assert_eq!(clash(a.parse().unwrap(), b.parse().unwrap()), expected, "{a} {b}");
        };
        check("127.0.0.1:2575", "127.0.0.1:2575", true);
        check("127.0.0.1:2575", "127.0.0.1:2576", false);
        check("127.0.0.1:2575", "127.0.0.2:2575", false);
        check("0.0.0.0:2575", "127.0.0.1:2575", true);
        check("127.0.0.1:0", "127.0.0.1:0", false);
    }
}
