//! `weir replay`: sends dead or delivered messages again.

use serde_json::json;

use super::args::ReplayArgs;
use super::client::Server;
use super::exit::{Exit, Stop};
use super::queue;
use super::shell::Shell;

pub fn run(args: &ReplayArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    let body = json!({
        "q": args.filter.join(" "),
        "to": args.to,
        "config": args.config,
        "rate": args.rate,
    });
    queue::planned(&server, "/api/v1/replay", body, "replay", shell)
}
