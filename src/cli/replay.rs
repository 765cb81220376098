//! `weir replay`: sends dead or delivered messages again.

use serde_json::json;

use super::args::ReplayArgs;
use super::client::Server;
use super::exit::{Exit, Stop};
use super::queue::{self, Bulk};
use super::shell::Shell;
use crate::filter::{Field, Filter};
use crate::ports::Ports;

/// The word of `--to` for every delivery to its own destination.
const ALL: &str = "all";

pub fn run(args: &ReplayArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    if !shell.dry_run {
        shell.reason_needed("`replay`")?;
    }
    let server = Server::find(shell)?;
    let filter = args.filter.join(" ");
    let body = json!({
        "q": filter,
        "to": args.to.as_deref().unwrap_or(ALL),
        "config": args.config,
        "rate": args.rate,
    });
    let named = args.to.is_some() || names_destinations(&filter);
    let bulk = Bulk { path: "/api/v1/replay", body, verb: "replay", named };
    queue::planned(&server, bulk, shell)
}

/// Whether a filter says which destinations it is about. What is wrong with it the server
/// says.
fn names_destinations(filter: &str) -> bool {
    let filter = Filter::parse(filter, Ports::system().clock.now());
    let named = |filter: Filter| {
        filter.terms.iter().any(|term| term.field == Field::Destination && !term.negated)
    };
    filter.is_ok_and(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_destinations_by_dest() {
        let check = |filter, expected| assert_eq!(names_destinations(filter), expected, "{filter}");
        check("dest:ehr state:dead since:2h", true);
        check("dest:ehr,lis", true);
        check("-dest:ehr", false);
        check("state:dead", false);
        check("id:01J dest", false);
    }
}
