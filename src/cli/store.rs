//! `weir store`: checks or rebuilds the store of a stopped server.

use serde_json::{Value, json};

use super::args::{StoreAction, StoreArgs};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone, progress};
use super::{block_on, check, keys};
use crate::base::{ByteSize, ChannelName, MessageId, format_duration};
use crate::config::Plan;
use crate::ports::Ports;
use crate::store::{Damage, LedgerRow, Recovery, RestKeys, Store, Survey};

pub fn run(args: &StoreArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let (plan, _) = check::load_or_stop(shell, Exit::Config)?;
    if !plan.server.data_dir.join("journal").exists() {
        let text = format!("no store in `{}` yet", plan.server.data_dir.display());
        return Err(Stop::Said(Exit::NotFound, text));
    }
    match args.action {
        StoreAction::Check => verify(&plan, shell),
        StoreAction::Rebuild => rebuild(&plan, shell),
    }
}

/// Opens the store of a stopped server; a running one holds its lock.
fn open(plan: &Plan, shell: &mut Shell) -> Result<(Store, Recovery), Stop> {
    let rest = keys::read(plan)?.map(|keyring| RestKeys::of(&keyring)).transpose()?;
    let rest = rest.unwrap_or_default();
    let bar = progress(shell, 0, "entries into the index");
    let opened = block_on(async {
        let ports = Ports::system();
        let told = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        Ok(Store::open(&ports, &plan.server.store, rest, &told).await?)
    });
    bar.finish_and_clear();
    opened
}

fn verify(plan: &Plan, shell: &mut Shell) -> Result<Exit, Stop> {
    let (store, recovery) = open(plan, shell)?;
    let bar = progress(shell, 0, "entries");
    let told = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let recount = store.recount(&told);
    let chain = store.verify_chain(&told);
    bar.finish_and_clear();
    let mut problems = Vec::new();
    match &recount {
        Ok(recount) if recount.agrees() => {}
        Ok(recount) => {
            problems.push(
                "the ledger of the index differs from the journal: run `weir store rebuild`"
                    .to_owned(),
            );
            problems.extend(differences(&recount.journal, &recount.index));
            let (journal, index) = recount.versions;
            if journal != index {
                problems.push(format!(
                    "versions of resources: {journal} in the journal, {index} in the index"
                ));
            }
        }
        Err(fault) => problems.push(fault.line()),
    }
    // Both read everything, so one damage stops both.
    if let Err(fault) = &chain
        && !problems.contains(&fault.line())
    {
        problems.push(fault.line());
    }
    let survey = match (&recount, &chain) {
        (Ok(_), Ok(chain)) => {
            Survey { entries: chain.entries, leaves: chain.leaves, damaged: Vec::new() }
        }
        _ => store.survey()?,
    };
    let (entries, leaves) = (survey.entries, survey.leaves);
    for damage in &survey.damaged {
        problems.retain(|line| *line != damage.fault.line());
        problems.push(format!(
            "{}; {} messages and {} outcomes in it cannot be read",
            damage.fault.line(),
            damage.message_count,
            damage.outcome_count
        ));
    }
    let bytes = store.usage().bytes;
    block_on(async { Ok(store.close().await?) })?;
    if shell.is_text() {
        shell.line(format!(
            "{entries} entries, {leaves} audit leaves, {}, {} torn bytes cut, {} problems",
            ByteSize(bytes),
            recovery.torn_bytes,
            problems.len()
        ))?;
        for problem in &problems {
            let problem = shell.paint(Tone::Bad, problem);
            shell.line(problem)?;
        }
        for damage in &survey.damaged {
            name_lost(damage, shell)?;
        }
    } else {
        shell.json(&json!({
            "schema": "weir.store.v1", "entries": entries, "leaves": leaves, "bytes": bytes,
            "torn_bytes": recovery.torn_bytes, "replayed": recovery.replayed_into_index,
            "rebuilt": recovery.index_rebuilt, "problems": problems,
            "damaged": survey.damaged.iter().map(damage_json).collect::<Vec<_>>(),
        }))?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::No })
}

/// The messages that a damaged segment took, and what to do.
fn name_lost(damage: &Damage, shell: &mut Shell) -> Result<(), Stop> {
    for (channel, id) in &damage.messages {
        shell.line(format!("  cannot be read: {id} of {channel}"))?;
    }
    let more = damage.message_count.saturating_sub(damage.messages.len() as u64);
    if more > 0 {
        shell.line(format!("  and {more} more"))?;
    }
    shell.line(format!("  help: {}", damage.fault.help()))
}

fn damage_json(damage: &Damage) -> Value {
    let message = |(channel, id): &(ChannelName, MessageId)| json!({ "message": id.to_string(), "channel": channel.as_str() });
    json!({
        "code": damage.fault.code().as_str(),
        "file": damage.fault.place().file.as_ref().map(|place| &*place.file),
        "cause": damage.fault.cause(), "message_count": damage.message_count,
        "messages": damage.messages.iter().map(message).collect::<Vec<_>>(),
        "outcome_count": damage.outcome_count,
    })
}

/// The rows in which two ledgers differ, a line for each state.
fn differences(journal: &[LedgerRow], index: &[LedgerRow]) -> Vec<String> {
    let cells = |row: &LedgerRow| {
        [
            ("committed", row.committed),
            ("waiting", row.waiting),
            ("held", row.held),
            ("delivered", row.delivered),
            ("filtered", row.filtered),
            ("denied", row.denied),
            ("skipped", row.skipped),
            ("dead", row.dead),
        ]
    };
    let mut lines = Vec::new();
    for row in journal {
        let same = |other: &&LedgerRow| {
            other.channel == row.channel && other.destination == row.destination
        };
        let other = index.iter().find(same).map_or([("", 0); 8], cells);
        let place = format!("{}/{}", row.channel, row.destination);
        for ((state, journal), (_, index)) in cells(row).into_iter().zip(other) {
            if journal != index {
                lines.push(format!(
                    "{place} {state}: {journal} in the journal, {index} in the index"
                ));
            }
        }
        if row.unaccounted != 0 {
            lines.push(format!("{place}: {} unaccounted", row.unaccounted));
        }
    }
    lines
}

fn rebuild(plan: &Plan, shell: &mut Shell) -> Result<Exit, Stop> {
    // Opening takes the lock first, so that a running server keeps its index.
    let (store, _) = open(plan, shell)?;
    block_on(async { Ok(store.close().await?) })?;
    drop(store);
    let index = plan.server.data_dir.join("index");
    std::fs::remove_dir_all(&index).map_err(Stop::io)?;
    let (store, recovery) = open(plan, shell)?;
    block_on(async { Ok(store.close().await?) })?;
    if shell.is_text() {
        shell.line(format!(
            "index made anew from {} entries in {}",
            recovery.replayed_into_index,
            format_duration(recovery.duration)
        ))?;
    } else {
        shell.json(&json!({
            "schema": "weir.store.v1", "entries": recovery.replayed_into_index,
            "seconds": recovery.duration.as_secs_f64(),
        }))?;
    }
    Ok(Exit::Done)
}
