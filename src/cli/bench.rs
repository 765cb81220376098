//! `weir bench`: load, acknowledgments, deliveries and durability of this machine, with a
//! baseline in the same run: a receiver that answers and keeps nothing, and the disk alone.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::BenchArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone, progress};
use super::stage::{self, Peer, Stage, free_address};
use super::status::list;
use super::{block_on, init, tree};
use crate::base::ByteSize;
use crate::ports::Ports;
use crate::ports::http::Url;
use crate::tool::disk;
use crate::tool::load::{self, Latency, LoadPlan, LoadReport, Target};
use crate::tool::receiver::Receiver;

/// Syncs measured for the disk's own figure.
const SYNCS: usize = 500;

/// Longest the baseline runs: it needs no more to be steady.
const BASELINE_MAX: Duration = Duration::from_secs(3);

/// Longest wait for an answer, and for the queue to run empty after the load.
const WAIT: Duration = Duration::from_secs(120);

/// A lane for each of the resources made, which have nothing to do with each other.
const ORDER: &str = "order_by = \"Patient.identifier.value\"\n";

/// What was measured.
struct Measured {
    load: LoadReport,
    baseline: Option<LoadReport>,
    disk: Option<Latency>,
    engine: Option<Engine>,
}

/// What the engine's process used, and what its ledger says.
struct Engine {
    cpu: Duration,
    resident: u64,
    committed: u64,
    delivered: u64,
    waiting: u64,
    unaccounted: i64,
    /// From the first message to the last delivery.
    drained: Duration,
    peer_saw: Option<u64>,
}

pub fn run(args: &BenchArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let measured = block_on(async {
        let ports = Ports::system();
        match &args.target {
            Some(target) => {
                let target = match target.starts_with("http") {
                    true => Target::Fhir(Url::parse(target)?),
                    false => {
                        let target = target.strip_prefix("mllp://").unwrap_or(target);
                        Target::Mllp(target.to_owned())
                    }
                };
                let load = loaded(args, target, args.duration, &ports, shell).await?;
                Ok(Measured { load, baseline: None, disk: None, engine: None })
            }
            None => on_stage(args, &ports, shell).await,
        }
    })?;
    report(args, &measured, shell)
}

async fn loaded(
    args: &BenchArgs,
    target: Target,
    duration: Duration,
    ports: &Ports,
    shell: &Shell,
) -> Result<LoadReport, Stop> {
    let plan = LoadPlan {
        target,
        connections: args.connections.max(1),
        duration,
        rate: args.rate,
        size: args.size.as_usize(),
        timeout: WAIT,
        prefix: format!("B{:06x}", ports.entropy.bits() & 0xff_ffff),
    };
    let acked = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let bar = progress(shell, duration.as_secs().max(1), "s");
    let load = load::run(ports, &plan, false, acked.clone(), stop);
    tokio::pin!(load);
    let mut second = 0u64;
    let report = loop {
        tokio::select! {
            report = &mut load => break report?,
            () = ports.clock.sleep(Duration::from_secs(1)) => {
                second += 1;
                bar.set_position(second);
                let rate = acked.load(Ordering::Relaxed) / second;
                bar.set_message(format!("s, {rate} acked/s"));
            }
        }
    };
    bar.finish_and_clear();
    Ok(report)
}

async fn on_stage(args: &BenchArgs, ports: &Ports, shell: &mut Shell) -> Result<Measured, Stop> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let receiver = Receiver::open();
    let (fhir, serve_fhir) = receiver.clone().serve(any).await.map_err(Stop::io)?;
    let (peer, serve_peer) = Peer::start(any, ports).await?;
    let work = async {
        let parent = args.store.as_deref();
        let (root, temporary) = stage::folder(parent, ports)?;
        let disk = disk::sync_latency(ports, &root, SYNCS)?;
        let listen = free_address(ports).await?;
        write_tree(&root, args, [listen, free_address(ports).await?, peer.address, fhir])?;
        let target = match speaks_fhir(args) {
            true => fhir_base(fhir)?,
            false => Target::Mllp(peer.address.to_string()),
        };
        shell.note("baseline: a receiver that answers and keeps nothing");
        let span = args.duration.min(BASELINE_MAX);
        let baseline = loaded(args, target, span, ports, shell).await?;
        let peer_before = peer.intake.count();
        let stage = Stage::start(root, None, temporary, ports).await?;
        shell.note(format!("engine: {}", args.work));
        let (cpu_before, _) = process(stage.pid());
        let begin = ports.clock.monotonic();
        let target = match speaks_fhir(args) {
            true => fhir_base(listen)?,
            false => Target::Mllp(listen.to_string()),
        };
        let load = loaded(args, target, args.duration, ports, shell).await?;
        let ledger = stage.drained(ports, WAIT).await?;
        let drained = ports.clock.monotonic().saturating_sub(begin);
        let (cpu, resident) = process(stage.pid());
        let sum = |key: &str| -> i64 {
            list(&ledger, "rows").iter().filter_map(|row| row[key].as_i64()).sum()
        };
        let count = |key: &str| u64::try_from(sum(key)).unwrap_or(0);
        let peer_saw = match args.work.as_str() {
            "forward" => Some(peer.intake.count() - peer_before),
            "map" => Some(receiver.taken()),
            _ => None,
        };
        let engine = Engine {
            cpu: cpu.saturating_sub(cpu_before),
            resident,
            committed: count("committed"),
            delivered: count("delivered"),
            waiting: count("waiting"),
            unaccounted: sum("unaccounted"),
            drained,
            peer_saw,
        };
        stage.stop(ports).await?;
        Ok(Measured { load, baseline: Some(baseline), disk: Some(disk), engine: Some(engine) })
    };
    tokio::select! {
        measured = work => measured,
        _ = serve_fhir => Err(Stop::Said(Exit::Bug, "the FHIR receiver ended".to_owned())),
        () = serve_peer => Err(Stop::Said(Exit::Bug, "the MLLP peer ended".to_owned())),
    }
}

/// Whether the work begins with HTTP.
fn speaks_fhir(args: &BenchArgs) -> bool {
    matches!(args.work.as_str(), "create" | "record")
}

fn fhir_base(address: SocketAddr) -> Result<Target, Stop> {
    Ok(Target::Fhir(Url::parse(&format!("http://{address}/fhir"))?))
}

/// A tree with one channel that does the work asked for.
fn write_tree(root: &Path, args: &BenchArgs, addresses: [SocketAddr; 4]) -> Result<(), Stop> {
    let [listen, metrics, peer, fhir] = addresses;
    tree::write(root).map_err(Stop::io)?;
    init::write_keyring(root)?;
    let (map, destination) = match args.work.as_str() {
        "map" => (
            "[map]\nuse = \"mappings/adt-to-fhir.toml\"\n",
            format!("type = \"fhir\"\nurl = \"http://{fhir}/fhir\"\n"),
        ),
        "accept" => {
            ("", format!("type = \"mllp\"\nconnect = \"{peer}\"\nwhen = \"PV1-2 = 'none'\"\n"))
        }
        "create" | "record" => {
            ("[validate]\non_fail = \"nak\"\n", "type = \"records\"\n".to_owned())
        }
        _ => ("", format!("type = \"mllp\"\nconnect = \"{peer}\"\n")),
    };
    let (order, source) = match args.work.as_str() {
        "create" => (ORDER, "type = \"fhir\"\nreply = \"after-commit\"\n"),
        "record" => (ORDER, "type = \"fhir\"\nreply = \"after-delivery\"\n"),
        _ => ("order_by = \"PID-3.1\"\n", "type = \"mllp\"\n"),
    };
    // Writers of the record store wait for the disk together, the more the better.
    let parallel = if speaks_fhir(args) { 32 } else { 8 };
    let channel = format!(
        "[channel]\nname = \"bench\"\n{order}\
         [source]\n{source}listen = \"{listen}\"\n\
         [consent]\npolicy = \"none\"\nwhy = \"synthetic load\"\n{map}\
         [destination.out]\n{destination}recipient = \"Organization/bench\"\n\
         purpose = \"TREAT\"\nparallel = {parallel}\n"
    );
    let config = format!(
        "[weir]\nsite = \"bench\"\ndata_dir = \"data\"\nchannels = [\"bench.toml\"]\n\
         [admin]\nsocket = \"weir.sock\"\n[metrics]\nlisten = \"{metrics}\"\n\
         [keys]\nkeyring = \"file:keys/keyring.toml\"\n[log]\nlevel = \"warn\"\n\
         [store]\nmin_free = \"64 MiB\"\n"
    );
    fs::write(root.join("bench.toml"), channel).map_err(Stop::io)?;
    fs::write(root.join("config.toml"), config).map_err(Stop::io)
}

/// Processor time and resident bytes of a process, from `/proc`; zero where there is none.
fn process(pid: u32) -> (Duration, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    // Linux counts in hundredths of a second on every machine weir runs on.
    (Duration::from_millis(ticks * 10), resident << 10)
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

fn latency_json(latency: &Latency) -> Value {
    json!({
        "p50_us": micros(latency.quantile(0.5)), "p95_us": micros(latency.quantile(0.95)),
        "p99_us": micros(latency.quantile(0.99)), "max_us": micros(latency.max()),
    })
}

fn load_json(load: &LoadReport) -> Value {
    json!({
        "sent": load.sent, "acknowledged": load.acknowledged, "refused": load.refused,
        "failed": load.failed, "seconds": load.elapsed.as_secs_f64(),
        "acknowledged_per_second": per_second(load.acknowledged, load.elapsed),
        "latency": latency_json(&load.latency),
    })
}

fn report(args: &BenchArgs, measured: &Measured, shell: &mut Shell) -> Result<Exit, Stop> {
    let load = &measured.load;
    let lost = measured.engine.as_ref().map(|engine| {
        // Every positive answer must be a committed message; every delivery one the peer saw.
        let missing = load.acknowledged.saturating_sub(engine.committed);
        let unseen = engine.peer_saw.map_or(0, |saw| engine.delivered.saturating_sub(saw));
        missing + unseen + engine.waiting + engine.unaccounted.unsigned_abs()
    });
    let good = load.acknowledged > 0 && load.failed == 0 && lost.unwrap_or(0) == 0;
    let exit = if good { Exit::Done } else { Exit::No };
    if !shell.is_text() {
        let engine = measured.engine.as_ref().map(|e| {
            json!({
                "committed": e.committed, "delivered": e.delivered, "waiting": e.waiting,
                "unaccounted": e.unaccounted, "peer_saw": e.peer_saw, "lost": lost,
                "delivered_per_second": per_second(e.delivered, e.drained),
                "cpu_us_per_message": micros(e.cpu) / e.committed.max(1),
                "resident_bytes": e.resident,
            })
        });
        shell.json(&json!({
            "schema": "weir.bench.v1", "work": args.work, "connections": args.connections,
            "size_bytes": args.size.0, "load": load_json(load),
            "baseline": measured.baseline.as_ref().map(load_json),
            "disk_sync": measured.disk.as_ref().map(latency_json), "engine": engine,
        }))?;
        return Ok(exit);
    }
    let line = |name: &str, load: &LoadReport| {
        let latency = &load.latency;
        format!(
            "{name:<10} {:>8.0} acked/s   p50 {:>7} us   p95 {:>7} us   p99 {:>7} us   max {:>8} us",
            per_second(load.acknowledged, load.elapsed),
            micros(latency.quantile(0.5)),
            micros(latency.quantile(0.95)),
            micros(latency.quantile(0.99)),
            micros(latency.max()),
        )
    };
    shell.line(format!(
        "{} connections, {} messages, {}, {:.1} s",
        args.connections,
        ByteSize(args.size.0),
        args.work,
        load.elapsed.as_secs_f64()
    ))?;
    if let Some(disk) = &measured.disk {
        let (p50, p99) = (micros(disk.quantile(0.5)), micros(disk.quantile(0.99)));
        shell.line(format!("disk       fdatasync of 4 KiB   p50 {p50} us   p99 {p99} us"))?;
    }
    if let Some(baseline) = &measured.baseline {
        shell.line(line("baseline", baseline))?;
    }
    shell.line(line("weir", load))?;
    if let Some(engine) = &measured.engine {
        shell.line(format!(
            "delivered  {:>8.0} /s        {} us CPU a message   {} resident",
            per_second(engine.delivered, engine.drained),
            micros(engine.cpu) / engine.committed.max(1),
            ByteSize(engine.resident),
        ))?;
        shell.line(format!(
            "durability acked {}, committed {}, delivered {}, seen by the peer {}, waiting {}, \
             unaccounted {}",
            load.acknowledged,
            engine.committed,
            engine.delivered,
            engine.peer_saw.map_or_else(|| "-".to_owned(), |saw| saw.to_string()),
            engine.waiting,
            engine.unaccounted,
        ))?;
    }
    if load.refused + load.failed > 0 {
        let text = format!("{} refused, {} without an answer", load.refused, load.failed);
        let text = shell.paint(Tone::Bad, text);
        shell.line(text)?;
    }
    let verdict = match (good, lost) {
        (true, _) => shell.paint(Tone::Good, "nothing lost"),
        (false, lost) => {
            let text = format!("{} acknowledged or delivered are missing", lost.unwrap_or(0));
            shell.paint(Tone::Bad, text)
        }
    };
    shell.line(verdict)?;
    Ok(exit)
}
