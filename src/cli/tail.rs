//! `weir tail`: live events.

use super::args::TailArgs;
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::shell::Shell;
use super::status::word;

pub fn run(args: &TailArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    let path = format!("/api/v1/events?q={}", escaped(&args.filter.join(" ")));
    let mut count = 0;
    block_on(async {
        server
            .lines(&path, |event| {
                if shell.is_text() {
                    let destination = word(&event, "destination");
                    let place = match destination.as_str() {
                        "" => word(&event, "channel"),
                        name => format!("{}/{name}", word(&event, "channel")),
                    };
                    shell.line(format!(
                        "{}  {:<22} {:<24} {} {} {}",
                        word(&event, "ts"),
                        word(&event, "event"),
                        place,
                        word(&event, "message_id"),
                        word(&event, "code"),
                        word(&event, "msg"),
                    ))?;
                } else {
                    shell.line(event.to_string())?;
                }
                shell.flush()?;
                count += 1;
                Ok(args.count.is_none_or(|most| count < most))
            })
            .await
    })?;
    Ok(Exit::Done)
}
