//! `weir demo`: the shipped channels at work on loopback, and what happened to each message.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::DemoArgs;
use super::client::escaped;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::stage::{self, Peer, Stage, free_address};
use super::status::{list, word};
use super::table::Table;
use super::{block_on, init, shown, tree};
use crate::hl7v2::{Message, ack};
use crate::ports::Ports;
use crate::tool::client::MllpClient;
use crate::tool::receiver::Receiver;

/// Longest wait for an answer, and for the queues to run empty.
const WAIT: Duration = Duration::from_secs(30);

/// Patients whose records the receiver refuses, so that one message is dead on purpose.
const REFUSED_FAMILY: &str = "Reject";

/// One message of the tour.
struct Sent {
    file: &'static str,
    kind: String,
    answer: String,
    control_id: String,
}

/// Everything the demonstration talks to.
struct Scene {
    stage: Stage,
    adt: SocketAddr,
    oru: SocketAddr,
    receiver: Receiver,
}

pub fn run(args: &DemoArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    block_on(async {
        let ports = Ports::system();
        let receiver = Receiver::new(Arc::new(|body: &Value| {
            let refused = format!("\"family\":\"{REFUSED_FAMILY}\"");
            body.to_string().contains(&refused).then_some(422)
        }));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (fhir, serve_fhir) = receiver.clone().serve(any).await.map_err(Stop::io)?;
        let (peer, serve_peer) = Peer::start(any, &ports).await?;
        let play = play(args, fhir, peer.address, receiver, &ports, shell);
        tokio::select! {
            done = play => done,
            _ = serve_fhir => Err(Stop::Said(Exit::Bug, "the FHIR receiver ended".to_owned())),
            () = serve_peer => Err(Stop::Said(Exit::Bug, "the MLLP peer ended".to_owned())),
        }
    })
}

async fn play(
    args: &DemoArgs,
    fhir: SocketAddr,
    peer: SocketAddr,
    receiver: Receiver,
    ports: &Ports,
    shell: &mut Shell,
) -> Result<Exit, Stop> {
    let (root, temporary) = stage::folder(args.keep.as_deref(), ports)?;
    tree::write(&root).map_err(Stop::io)?;
    init::write_keyring(&root)?;
    let (adt, oru) = (free_address(ports).await?, free_address(ports).await?);
    let metrics = free_address(ports).await?;
    let intake = free_address(ports).await?;
    write_site(&root, [adt, oru, intake, metrics, fhir, peer])?;
    let stage = Stage::start(root, Some("demo"), temporary && !args.stay, ports).await?;
    let scene = Scene { stage, adt, oru, receiver };
    let text = shell.is_text();
    if text {
        let head = shell.paint(Tone::Strong, "weir demo");
        shell.line(format!("{head}: the shipped channels on loopback"))?;
        shell.line(format!("  adt-main     mllp://{adt}  ->  http://{fhir}/fhir and files"))?;
        shell.line(format!(
            "  lab-results  mllp://{oru}  ->  http://{fhir}/fhir and mllp://{peer}"
        ))?;
        shell.line(format!("  fhir-intake  http://{intake}/fhir  ->  the record store"))?;
        shell.line(format!(
            "  lab-files    {}  ->  files",
            shown(&scene.stage.root.join("drop/lab"))
        ))?;
        shell.flush()?;
    }
    let consent = tree::fixture("consents/winter-opt-out.json").unwrap_or_default();
    let consent: Value = serde_json::from_slice(consent).unwrap_or_default();
    scene.stage.server().post("/fhir/Consent", &consent).await?;
    let sent = send_all(&scene, ports, shell).await?;
    drop_files(&scene.stage.root)?;
    // The directory is looked at every few seconds; what it gave is in the ledger below.
    wait_for_files(&scene, ports).await?;
    let ledger = scene.stage.drained(ports, WAIT).await?;
    let journeys = journeys(&scene, &sent).await?;
    if text {
        show(&scene, &sent, &journeys, &ledger, shell)?;
        further(&scene, metrics, args.stay, shell)?;
    } else {
        let rows: Vec<Value> = sent
            .iter()
            .zip(&journeys)
            .map(|(sent, journey)| {
                json!({
                    "file": sent.file, "type": sent.kind, "answer": sent.answer,
                    "deliveries": journey["deliveries"],
                })
            })
            .collect();
        shell.json(&json!({
            "schema": "weir.demo.v1", "messages": rows, "ledger": ledger["rows"],
            "directory": shown(&scene.stage.root),
        }))?;
    }
    shell.flush()?;
    if args.stay {
        shell.note("serving until Ctrl-C");
        std::future::pending::<()>().await;
    }
    scene.stage.stop(ports).await?;
    Ok(Exit::Done)
}

/// What differs from the shipped configuration: addresses on free ports.
fn write_site(root: &Path, addresses: [SocketAddr; 6]) -> Result<(), Stop> {
    let [adt, oru, intake, metrics, fhir, peer] = addresses;
    let text = format!(
        "# Written by `weir demo`: the shipped channels on free ports.\n\
         [metrics]\nlisten = \"{metrics}\"\n\n\
         [channel.adt-main.source]\nlisten = \"{adt}\"\n\n\
         [channel.adt-main.destination.ehr]\nurl = \"http://{fhir}/fhir\"\n\n\
         [channel.lab-results.source]\nlisten = \"{oru}\"\n\n\
         [channel.fhir-intake.source]\nlisten = \"{intake}\"\n\n\
         [channel.lab-results.destination.ehr]\nurl = \"http://{fhir}/fhir\"\n\n\
         [channel.lab-results.destination.ward]\nconnect = \"{peer}\"\n\n\
         [channel.lab-files.source]\nready = \"100ms\"\npoll = \"200ms\"\n"
    );
    let folder = root.join("sites");
    fs::create_dir_all(&folder).map_err(Stop::io)?;
    fs::write(folder.join("demo.toml"), text).map_err(Stop::io)?;
    fs::create_dir_all(root.join("drop/lab")).map_err(Stop::io)
}

async fn send_all(scene: &Scene, ports: &Ports, shell: &Shell) -> Result<Vec<Sent>, Stop> {
    let mut adt = MllpClient::connect(ports, &scene.adt.to_string(), None).await?;
    let mut oru = MllpClient::connect(ports, &scene.oru.to_string(), None).await?;
    let names: Vec<&'static str> =
        tree::messages().into_iter().filter(|name| !name.starts_with("batch")).collect();
    let bar = super::shell::progress(shell, names.len() as u64, "messages");
    let mut sent = Vec::new();
    for file in names {
        let Some(bytes) = tree::fixture(file) else { continue };
        let Ok(message) = Message::parse(bytes::Bytes::from_static(bytes)) else { continue };
        let kind = message.header().message_type();
        let client = if kind.starts_with("ORU") { &mut oru } else { &mut adt };
        let answer = if message.is_acknowledgment() {
            client.send(bytes).await?;
            "none".to_owned()
        } else {
            let answer = client.ask(ports, bytes, WAIT).await?;
            ack::read(&answer).map_or_else(|_| "?".to_owned(), |ack| ack.code.as_str().to_owned())
        };
        let control_id = message.header().control_id().text().into_owned();
        sent.push(Sent { file, kind, answer, control_id });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sent)
}

/// Puts the batches where the channel `lab-files` looks.
fn drop_files(root: &Path) -> Result<(), Stop> {
    let names = tree::messages().into_iter().filter(|name| name.starts_with("batch"));
    for name in names {
        let bytes = tree::fixture(name).unwrap_or_default();
        fs::write(root.join("drop/lab").join(name), bytes).map_err(Stop::io)?;
    }
    Ok(())
}

async fn wait_for_files(scene: &Scene, ports: &Ports) -> Result<(), Stop> {
    let begin = ports.clock.monotonic();
    let left = || -> bool {
        let entries =
            fs::read_dir(scene.stage.root.join("drop/lab")).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.path().is_file())
    };
    while left() && ports.clock.monotonic().saturating_sub(begin) < WAIT {
        ports.clock.sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn journeys(scene: &Scene, sent: &[Sent]) -> Result<Vec<Value>, Stop> {
    let mut journeys = Vec::new();
    for one in sent {
        let path = format!("/api/v1/trace?control={}", escaped(&one.control_id));
        let answer = scene.stage.server().get(&path).await.unwrap_or_default();
        journeys.push(list(&answer, "messages").first().cloned().unwrap_or_default());
    }
    Ok(journeys)
}

fn show(
    scene: &Scene,
    sent: &[Sent],
    journeys: &[Value],
    ledger: &Value,
    shell: &mut Shell,
) -> Result<(), Stop> {
    shell.line("")?;
    let mut table = Table::new(&["FILE", "TYPE", "ANSWER", "WHAT HAPPENED"]);
    for (sent, journey) in sent.iter().zip(journeys) {
        let mut fates: Vec<String> = list(journey, "deliveries")
            .iter()
            .map(|delivery| {
                let state = word(delivery, "state");
                let tone = match state.as_str() {
                    "delivered" => Tone::Good,
                    "dead" => Tone::Bad,
                    _ => Tone::Warn,
                };
                format!("{} {}", word(delivery, "destination"), shell.paint(tone, &state))
            })
            .collect();
        let code = word(&journey["fault"], "code");
        if fates.is_empty() && !code.is_empty() {
            fates.push(shell.paint(Tone::Warn, format!("refused {code}")));
        }
        if sent.answer == "none" {
            fates.push("an acknowledgment is never acknowledged".to_owned());
        }
        table.row([sent.file.to_owned(), sent.kind.clone(), sent.answer.clone(), fates.join(", ")]);
    }
    shell.table(&table)?;
    let story = |name: &str| sent.iter().zip(journeys).find(|(sent, _)| sent.file == name);
    highlights(story, scene, shell)?;
    shell.line("")?;
    let mut table = Table::new(&[
        "LEDGER",
        "",
        ">COMMITTED",
        ">DELIVERED",
        ">DENIED",
        ">DEAD",
        ">WAITING",
        ">UNACCOUNTED",
    ]);
    for row in list(ledger, "rows") {
        let keys =
            ["channel", "destination", "committed", "delivered", "denied", "dead", "waiting"];
        table.row(keys.iter().chain(&["unaccounted"]).map(|key| word(row, key)));
    }
    shell.table(&table)
}

fn highlights<'s>(
    story: impl Fn(&str) -> Option<(&'s Sent, &'s Value)>,
    scene: &Scene,
    shell: &mut Shell,
) -> Result<(), Stop> {
    let detail = |journey: &Value, state: &str| {
        let deliveries = list(journey, "deliveries");
        let found = deliveries.iter().find(|d| d["state"] == state)?;
        let last = list(found, "outcomes").last().map(|outcome| word(outcome, "detail"));
        let why = [word(found, "why"), last.unwrap_or_default()];
        let why = why.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
        Some(format!("{}: {why}", word(found, "destination")))
    };
    shell.line("")?;
    if let Some((sent, journey)) = story("adt-a08-optout.hl7") {
        let head = shell.paint(Tone::Warn, "Denied by consent");
        let why = detail(journey, "denied").unwrap_or_default();
        shell.line(format!("{head}  {}: {why}", sent.file))?;
    }
    let sealed = scene.receiver.bodies().iter().find_map(|body| {
        let text = String::from_utf8_lossy(body).into_owned();
        let at = text.find("weir1.")?;
        Some(text.get(at..)?.chars().take(36).collect::<String>())
    });
    if let Some(token) = sealed {
        let head = shell.paint(Tone::Good, "Sealed field");
        shell.line(format!(
            "{head}       adt-a08.hl7: the social security number left as {token}..; \
             `weir unseal` opens it"
        ))?;
    }
    if let Some((sent, journey)) = story("adt-a08-rejected.hl7") {
        let head = shell.paint(Tone::Bad, "Dead on purpose");
        let why = detail(journey, "dead").unwrap_or_default();
        shell.line(format!("{head}    {}: {why}", sent.file))?;
    }
    Ok(())
}

fn further(scene: &Scene, metrics: SocketAddr, stay: bool, shell: &mut Shell) -> Result<(), Stop> {
    if !stay {
        return shell.line(
            "\nLook further: `weir demo --stay` keeps serving; `weir init my-site` writes this \
             working tree for you.",
        );
    }
    let at = format!("weir -C {} --site demo", shown(&scene.stage.root));
    shell.line(format!(
        "\nLook further:\n  {at} status\n  {at} queue ls state:dead\n  \
         {at} explain adt-main {}\n  {at} send mllp://{} {}\n  curl http://{metrics}/metrics",
        shown(&scene.stage.root.join("fixtures/adt-a08.hl7")),
        scene.adt,
        shown(&scene.stage.root.join("fixtures/adt-a01-admit.hl7")),
    ))
}
