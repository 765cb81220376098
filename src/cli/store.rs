//! `weir store`: checks or rebuilds the store of a stopped server.

use serde_json::json;

use super::args::{StoreAction, StoreArgs};
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone, progress};
use super::{block_on, check, keys};
use crate::base::{ByteSize, format_duration};
use crate::config::Plan;
use crate::ports::Ports;
use crate::store::{LedgerRow, Recovery, RestKeys, Store};

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
        }
        Err(fault) => problems.push(fault.line()),
    }
    if let Err(fault) = &chain {
        problems.push(fault.line());
    }
    let (entries, leaves) = chain.as_ref().map_or((0, 0), |chain| (chain.entries, chain.leaves));
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
    } else {
        shell.json(&json!({
            "schema": "weir.store.v1", "entries": entries, "leaves": leaves, "bytes": bytes,
            "torn_bytes": recovery.torn_bytes, "replayed": recovery.replayed_into_index,
            "rebuilt": recovery.index_rebuilt, "problems": problems,
        }))?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::No })
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
