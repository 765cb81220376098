//! `weir run`: serves until told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::args::RunArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, progress};
use super::{check, keys};
use crate::config::{self, LogFormat, LogLevel, Plan, ReloadMode, Seen};
use crate::engine::{Actor, Engine, Start, Stranded};
use crate::fault::Severity;
use crate::observe::{Level, LogPlan, LogStyle, Observer};
use crate::ports::systemd::Notifier;
use crate::ports::{Ports, secrets};
use crate::web::{Doors, Web};

pub fn run(args: &RunArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let (plan, sources) = check::load_or_stop(shell, Exit::Config)?;
    let files = Files::new(Seen::look(&shell.root, &sources, Some(&plan)));
    let keyring = keys::read_or_make(&plan, shell)?;
    let log = log_plan(&plan, args.dev);
    let observer = Arc::new(Observer::new(log, Box::new(std::io::stderr())));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Stop::io)?;
    runtime.block_on(serve((plan, files), keyring, observer, shell))
}

fn log_plan(plan: &Plan, dev: bool) -> LogPlan {
    let level = match plan.server.log.level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug | LogLevel::Trace => Level::Debug,
    };
    let text = dev || plan.server.log.format == LogFormat::Text;
    LogPlan { level, style: if text { LogStyle::Text } else { LogStyle::Json } }
}

async fn serve(
    (plan, mut files): (Plan, Files),
    keyring: Option<crate::seal::Keyring>,
    observer: Arc<Observer>,
    shell: &mut Shell,
) -> Result<Exit, Stop> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Stop::io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Stop::io)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Stop::io)?;
    let manager = Notifier::from_environment();
    let bar = progress(shell, 0, "entries read");
    let ports = Ports::system();
    let doors = Doors::open(&plan.server, &ports).await;
    let doors = doors.map_err(|fault| Stop::Fault(fault, Exit::Config))?;
    let start = Start { ports: ports.clone(), observer, keyring };
    manager.tell("STATUS=opening the store");
    let engine = Engine::start(plan, start, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await
    .map_err(|fault| Stop::Fault(fault, Exit::Config))?;
    bar.finish_and_clear();
    let web = Web::new(engine.clone(), shell.site.as_deref()).serve(doors);
    let web = web.map_err(|fault| Stop::Fault(fault, Exit::Config))?;
    manager.tell(&format!("READY=1\n{}", status(&engine)));
    let mut looked = ports.clock.monotonic();
    let turn = manager.watchdog().map_or(LOOK, |wait| wait.min(LOOK));
    loop {
        let stopped = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            () = engine.stopping() => true,
            _ = hangup.recv() => {
                manager.reloading();
                files = Files::new(reload(&engine, shell, "SIGHUP").await);
                manager.tell(&format!("READY=1\n{}", status(&engine)));
                false
            }
            () = ports.clock.sleep(turn) => false,
        };
        if stopped {
            break;
        }
        if manager.watchdog().is_some() {
            manager.tell("WATCHDOG=1");
        }
        if ports.clock.monotonic().saturating_sub(looked) >= LOOK {
            looked = ports.clock.monotonic();
            if manager.is_heard() {
                manager.tell(&status(&engine));
            }
            if engine.plan().server.reload == ReloadMode::Watch && files.settled() {
                manager.reloading();
                files = Files::new(reload(&engine, shell, "files changed").await);
                manager.tell(&format!("READY=1\n{}", status(&engine)));
            }
        }
    }
    manager.tell("STOPPING=1\nSTATUS=finishing what is in hand");
    engine.stop("signal").await?;
    for task in web {
        task.abort();
    }
    Ok(Exit::Done)
}

/// Between two looks at the files and two words to the service manager.
const LOOK: Duration = Duration::from_secs(2);

/// The line that the service manager shows.
fn status(engine: &Engine) -> String {
    let Ok(status) = engine.status() else { return "STATUS=the store has trouble".to_owned() };
    let running = status.channels.iter().filter(|channel| channel.state == "running").count();
    let enabled = status.channels.iter().filter(|channel| channel.plan.enabled).count();
    let all = status.channels.iter().flat_map(|channel| &channel.destinations);
    let queues = all.filter_map(|to| to.queue.as_ref());
    let (waiting, dead) =
        queues.fold((0, 0), |(waiting, dead), row| (waiting + row.waiting, dead + row.dead));
    format!("STATUS={running} of {enabled} channels run, {waiting} waiting, {dead} dead")
}

/// The files of the configuration as they were when it was read.
struct Files {
    read: Seen,
    last: Seen,
}

impl Files {
    fn new(read: Seen) -> Self {
        Self { last: read.clone(), read }
    }

    /// Whether they changed, and not since the look before: an editor or a checkout writes
    /// many files, and half of them would be another configuration.
    fn settled(&mut self) -> bool {
        let now = self.read.again();
        let quiet = now == self.last;
        self.last = now;
        quiet && self.last != self.read
    }
}

/// Applies the configuration on disk; what is wrong with it is shown, and nothing changes.
/// Gives the files as they were read.
async fn reload(engine: &Engine, shell: &mut Shell, why: &str) -> Seen {
    let (next, problems, sources) = config::load(&shell.root, shell.site.as_deref());
    let now = engine.plan();
    let seen = Seen::look(&shell.root, &sources, Some(next.as_ref().unwrap_or(&now)));
    let worst = || problems.iter().filter(|problem| problem.severity == Severity::Error);
    shell.problems(worst(), |file| sources.text(file).map(ToOwned::to_owned));
    let Some(next) = next else {
        if let Some(problem) = worst().next() {
            engine.reload_refused(&problem.fault);
        }
        return seen;
    };
    secrets::allow(next.programs());
    // What it changed, or why it could not, is in the log.
    if engine.reload(next, &Stranded::Refuse, &Actor::new("signal", why)).await.is_err() {
        secrets::allow(now.programs());
    }
    seen
}
