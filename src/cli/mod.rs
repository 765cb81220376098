//! The command line: arguments in, text or JSON out, an exit code at the end.
//!
//! One file a command. A command's work is done in `tool`, `config` or by the server; here
//! it is only asked for and shown. Results go to stdout, all else to stderr.

mod args;
mod exit;
mod shell;
mod table;

mod alert;
mod bench;
mod channel;
mod check;
mod client;
mod completion;
mod demo;
mod doctor;
mod errors;
mod explain;
mod init;
mod keys;
mod ledger;
mod listen;
mod queue;
mod records;
mod records_export;
mod reload;
mod replay;
mod run;
mod schema;
mod send;
mod stage;
mod status;
mod store;
mod tail;
mod test;
mod trace;
mod tree;
mod unseal;
mod view;
mod view_cda;
mod view_check;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use args::{AlertAction, Cli, Command, Format, StoreAction};
pub use exit::Exit;
use exit::Stop;
use shell::Shell;

use crate::engine::mask_panics;
use crate::hl7v2::tables::Site;

/// Reads the arguments, does what they say, and gives the exit code of the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, so they are no mistake.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    let mut shell = Shell::new(&cli.global);
    // A panic text may quote what was being read.
    mask_panics();
    let run = AssertUnwindSafe(|| dispatch(cli.command, &mut shell));
    let outcome = catch_unwind(run).unwrap_or_else(|_| {
        let text = "a bug: weir met what it holds to be impossible; please report the command";
        Err(Stop::Said(Exit::Bug, text.to_owned()))
    });
    let outcome = outcome.and_then(|exit| {
        shell.flush()?;
        Ok(exit)
    });
    match outcome {
        Ok(exit) => exit.into(),
        Err(stop) => shell.explain(&stop).into(),
    }
}

fn dispatch(command: Command, shell: &mut Shell) -> Result<Exit, Stop> {
    let of_view = matches!(shell.format, Format::Html | Format::Xml | Format::Hl7);
    if of_view && !matches!(command, Command::View(_)) {
        let text = "only `weir view` writes this form: use text, json or jsonl".to_owned();
        return Err(Stop::Said(Exit::Usage, text));
    }
    if let Some(name) = without_plan(&command).filter(|_| shell.dry_run) {
        let text = format!("`weir {name}` has no plan to show: run it without `--dry-run`");
        return Err(Stop::Said(Exit::Usage, text));
    }
    match command {
        Command::Init(args) => init::run(&args, shell),
        Command::Demo(args) => demo::run(&args, shell),
        Command::Check(args) => check::run(&args, shell),
        Command::Test(args) => test::run(&args, shell),
        Command::Explain(args) => explain::run(&args, shell),
        Command::View(args) => view::run(&args, shell),
        Command::Schema(args) => schema::run(&args, shell),
        Command::Run(args) => run::run(&args, shell),
        Command::Reload(args) => reload::run(&args, shell),
        Command::Status => status::run(shell),
        Command::Doctor => doctor::run(shell),
        Command::Send(args) => send::run(&args, shell),
        Command::Listen(args) => listen::run(&args, shell),
        Command::Bench(args) => bench::run(&args, shell),
        Command::Tail(args) => tail::run(&args, shell),
        Command::Channel(args) => channel::run(&args, shell),
        Command::Queue(args) => queue::run(&args, shell),
        Command::Replay(args) => replay::run(&args, shell),
        Command::Ledger(args) => ledger::run(&args, shell),
        Command::Records(args) => records::run(&args, shell),
        Command::Alert(args) => alert::run(&args, shell),
        Command::Trace(args) => trace::run(&args, shell),
        Command::Store(args) => store::run(&args, shell),
        Command::Unseal(args) => unseal::run(&args, shell),
        Command::Errors(args) => errors::run(&args, shell),
        Command::Completion(args) => completion::completion(&args, shell),
        Command::Man => completion::man(shell),
    }
}

/// What the configuration says of HL7 v2, where there is one: names of its own segments,
/// fields and codes.
fn definitions(shell: &Shell) -> Site {
    let has_config = shell.root.join("config.toml").is_file();
    match has_config {
        true => crate::config::definitions(&shell.root, shell.site.as_deref()),
        false => Site::NONE,
    }
}

/// The name of a command that acts and has no plan to stop after. With `--dry-run` it is
/// refused: done in spite of it would be worse than not done.
fn without_plan(command: &Command) -> Option<&'static str> {
    match command {
        Command::Init(_) => Some("init"),
        Command::Demo(_) => Some("demo"),
        Command::Run(_) => Some("run"),
        Command::Send(_) => Some("send"),
        Command::Listen(_) => Some("listen"),
        Command::Bench(_) => Some("bench"),
        Command::Test(args) if args.bless => Some("test --bless"),
        Command::Test(args) if args.junit.is_some() => Some("test --junit"),
        Command::Schema(args) if args.write => Some("schema --write"),
        Command::View(args) if args.html.is_some() => Some("view --html"),
        Command::Alert(args) => match args.action {
            AlertAction::Ls => None,
            AlertAction::Ack { .. } => Some("alert ack"),
            AlertAction::Mute { .. } => Some("alert mute"),
            AlertAction::Test { .. } => Some("alert test"),
        },
        Command::Store(args) => match args.action {
            StoreAction::Check => None,
            StoreAction::Rebuild => Some("store rebuild"),
        },
        // These show a plan.
        Command::Reload(_) | Command::Channel(_) | Command::Queue(_) | Command::Replay(_) => None,
        // And these change nothing.
        Command::Check(_)
        | Command::Test(_)
        | Command::Explain(_)
        | Command::View(_)
        | Command::Schema(_)
        | Command::Status
        | Command::Doctor
        | Command::Tail(_)
        | Command::Ledger(_)
        | Command::Records(_)
        | Command::Trace(_)
        | Command::Unseal(_)
        | Command::Errors(_)
        | Command::Completion(_)
        | Command::Man => None,
    }
}

/// Runs a future on a runtime of its own, for commands that talk to peers.
fn block_on<T>(future: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Stop::io)?;
    runtime.block_on(async {
        tokio::select! {
            done = future => done,
            _ = tokio::signal::ctrl_c() => Err(Stop::Exit(Exit::Interrupted)),
        }
    })
}

/// The name of a file as people typed it, for messages.
fn shown(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// A text as a shell takes it: in quotes where it has to be.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Reads a file that the user named.
fn read_file(path: &std::path::Path) -> Result<Vec<u8>, Stop> {
    std::fs::read(path).map_err(|error| {
        let found =
            if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::No };
        Stop::Said(found, format!("cannot read `{}`: {error}", shown(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_split_is_quoted() {
        let check = |text, expected| assert_eq!(quoted(text), expected, "{text}");
        check("my-site/x.hl7", "my-site/x.hl7");
        check("my site", "'my site'");
        check("it's", r"'it'\''s'");
        check("$HOME", "'$HOME'");
        check("", "''");
    }
}
