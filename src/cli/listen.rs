//! `weir listen`: a sandbox receiver.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::args::ListenArgs;
use super::block_on;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use crate::hl7v2::Message;
use crate::hl7v2::ack::AckCode;
use crate::hl7v2::tables::Site;
use crate::ports::Ports;
use crate::source::{Command, Serving, Silent, SourcePlan};
use crate::tool::outline;
use crate::tool::sandbox::{Judge, Sandbox, Seen};

/// Messages shown at most before the printer has caught up; senders wait then.
const SEEN_MAX: usize = 64;

pub fn run(args: &ListenArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let address = address(&args.target)?;
    let site = super::definitions(shell);
    let judge = args.explain.as_deref().map(|channel| judge(channel, shell)).transpose()?;
    let reply = match args.reply.as_str() {
        "AE" => Some(AckCode::AE),
        "AR" => Some(AckCode::AR),
        "none" => None,
        _ => Some(AckCode::AA),
    };
    block_on(async {
        let ports = Ports::system();
        let plan = SourcePlan::mllp(address);
        let bound = plan.bind(&ports).await?;
        let local = bound.local_addr().unwrap_or(address);
        shell.note(format!("listening on mllp://{local}, answering {}", args.reply));
        let (tell, mut seen) = mpsc::channel(SEEN_MAX);
        let mut sandbox = Sandbox::new(ports.clone(), reply, args.delay).telling(tell);
        if let Some(judge) = judge {
            sandbox = sandbox.judging(judge);
        }
        let (stop, command) = watch::channel(Command::Run);
        let (intake, events) = (Arc::new(sandbox), Arc::new(Silent));
        let serving = Serving { intake, events, command };
        let serve = bound.serve(serving);
        tokio::pin!(serve);
        let mut count = 0u64;
        loop {
            tokio::select! {
                () = &mut serve => break,
                Some(one) = seen.recv() => {
                    show(&one, args.reveal, &site, shell)?;
                    count += 1;
                    if args.count.is_some_and(|most| count >= most) {
                        let _ = stop.send(Command::Stop);
                        serve.await;
                        break;
                    }
                }
            }
        }
        Ok(Exit::Done)
    })
}

/// The address of `mllp://HOST:PORT`.
fn address(target: &str) -> Result<std::net::SocketAddr, Stop> {
    use std::net::ToSocketAddrs;
    let rest = target.strip_prefix("mllp://").unwrap_or(target);
    let found = rest.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        let text = format!("`{target}` is not an address: write mllp://127.0.0.1:2575");
        Stop::Said(Exit::Usage, text)
    })
}

/// Judges messages as a channel would: its own pipeline, without store and destinations.
fn judge(channel: &str, shell: &mut Shell) -> Result<Judge, Stop> {
    let rehearsal = super::explain::rehearsal(channel, shell)?;
    Ok(Box::new(move |message: &Message| rehearsal.refusal(message).map_or(Ok(()), Err)))
}

fn show(seen: &Seen, reveal: bool, site: &Site, shell: &mut Shell) -> Result<(), Stop> {
    let answered = seen.answered.map_or("none".to_owned(), |code| code.as_str().to_owned());
    let parsed = Message::parse(seen.bytes.clone());
    if !shell.is_text() {
        let mut json = match &parsed {
            Ok(message) => outline::to_json(&outline::outline(message, site), reveal),
            Err(_) => serde_json::json!({ "schema": "weir.view.v1" }),
        };
        json["bytes"] = seen.bytes.len().into();
        json["peer"] = seen.peer.clone().into();
        json["answered"] = answered.into();
        json["code"] = seen.fault.as_ref().map(|f| f.code().as_str()).into();
        shell.json(&json)?;
        return shell.flush();
    }
    let kind = parsed.as_ref().map_or_else(|_| "?".to_owned(), |m| m.header().message_type());
    let tone = if seen.fault.is_some() { Tone::Bad } else { Tone::Good };
    let head = shell.paint(tone, format!("{kind} -> {answered}"));
    shell.line(format!("{head}  {} bytes from {}", seen.bytes.len(), seen.peer))?;
    if let Some(fault) = &seen.fault {
        shell.line(format!("  {fault}"))?;
        shell.line(format!("  help: {}", fault.help()))?;
    }
    if let Ok(message) = &parsed {
        for branch in outline::outline(message, site) {
            for leaf in branch.leaves {
                let value = if reveal { leaf.value.reveal().clone() } else { "****".to_owned() };
                shell.line(format!("  {:<14} {:<50} {value}", leaf.path, leaf.name))?;
            }
        }
    }
    shell.flush()
}
