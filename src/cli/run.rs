//! `weir run`: serves until told to stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::args::RunArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, progress};
use super::{check, keys};
use crate::config::{self, LogFormat, LogLevel, Plan};
use crate::engine::{Actor, Engine, Start, Stranded};
use crate::fault::Severity;
use crate::observe::{Level, LogPlan, LogStyle, Observer};
use crate::ports::Ports;
use crate::web::{Web, WebTask};

pub fn run(args: &RunArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let (plan, _) = check::load_or_stop(shell, Exit::Config)?;
    let keyring = keys::read_or_make(&plan, shell)?;
    let log = log_plan(&plan, args.dev);
    let observer = Arc::new(Observer::new(log, Box::new(std::io::stderr())));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Stop::io)?;
    runtime.block_on(serve(plan, keyring, observer, shell))
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
    plan: Plan,
    keyring: Option<crate::seal::Keyring>,
    observer: Arc<Observer>,
    shell: &mut Shell,
) -> Result<Exit, Stop> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Stop::io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Stop::io)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Stop::io)?;
    let bar = progress(shell, 0, "entries read");
    let start = Start { ports: Ports::system(), observer, keyring };
    let engine = Engine::start(plan, start, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await
    .map_err(|fault| Stop::Fault(fault, Exit::Config))?;
    bar.finish_and_clear();
    let web = open_web(&engine, shell.site.as_deref()).await?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = engine.stopping() => break,
            _ = hangup.recv() => reload(&engine, shell).await,
        }
    }
    engine.stop("signal").await?;
    for task in web {
        task.abort();
    }
    Ok(Exit::Done)
}

/// Opens what the configuration asks for: socket, admin address, metrics.
async fn open_web(engine: &Engine, site: Option<&str>) -> Result<Vec<WebTask>, Stop> {
    let plan = engine.plan();
    let web = Web::new(engine.clone(), site);
    let mut tasks = vec![web.serve_socket(&plan.server.admin.socket)?];
    if let Some(address) = plan.server.admin.listen {
        tasks.push(web.serve_admin(address).await?.0);
    }
    if let Some(address) = plan.server.metrics {
        tasks.push(web.serve_metrics(address).await?.0);
    }
    Ok(tasks)
}

/// Applies the configuration on disk; what is wrong with it is shown, and nothing changes.
async fn reload(engine: &Engine, shell: &mut Shell) {
    let (next, problems, sources) = config::load(&shell.root, shell.site.as_deref());
    let worst = problems.iter().filter(|problem| problem.severity == Severity::Error);
    shell.problems(worst, |file| sources.text(file).map(ToOwned::to_owned));
    if let Some(next) = next {
        // What it changed, or why it could not, is in the log.
        let _ = engine.reload(next, &Stranded::Refuse, &Actor::new("signal", "SIGHUP")).await;
    }
}
