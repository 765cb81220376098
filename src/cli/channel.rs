//! `weir channel`: list, show, pause, resume, drain.

use serde_json::json;

use super::args::{ChannelAction, ChannelArgs};
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::Shell;
use super::status;

pub fn run(args: &ChannelArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    match &args.action {
        ChannelAction::Ls => {
            let channels = block_on(server.get("/api/v1/channels"))?;
            if shell.is_text() {
                status::table(status::list(&channels, "channels"), shell)?;
            } else {
                shell.json(&channels)?;
            }
        }
        ChannelAction::Show { name } => {
            let channel = block_on(server.get(&format!("/api/v1/channels/{}", escaped(name))))?;
            if shell.is_text() {
                status::table(std::slice::from_ref(&channel), shell)?;
                for key in ["about", "owner", "revision", "last_received", "paused"] {
                    let value = status::word(&channel, key);
                    if !value.is_empty() {
                        shell.line(format!("{key:<14} {value}"))?;
                    }
                }
            } else {
                shell.json(&channel)?;
            }
        }
        ChannelAction::Pause { name, target } => act(&server, name, "pause", target, shell)?,
        ChannelAction::Resume { name, target } => act(&server, name, "resume", target, shell)?,
        ChannelAction::Drain { name } => act(&server, name, "drain", "all", shell)?,
    }
    Ok(Exit::Done)
}

fn act(
    server: &Server,
    name: &str,
    action: &str,
    target: &str,
    shell: &mut Shell,
) -> Result<(), Stop> {
    if shell.dry_run {
        return shell.line(format!("{name} {target}: would {action}"));
    }
    let reason = shell.reason.clone().unwrap_or_default();
    let body = json!({ "target": target, "reason": reason });
    let path = format!("/api/v1/channels/{}/{action}", escaped(name));
    let done = block_on(server.post(&path, &body))?;
    if shell.is_text() {
        let past = match action {
            "pause" => "paused",
            "resume" => "resumed",
            _ => "draining",
        };
        shell.line(format!("{name} {target}: {past}"))
    } else {
        shell.json(&done)
    }
}
