//! A stage: a working tree in a directory of its own, the engine as a child process, and
//! the peers it talks to, all on loopback. What `demo` and `bench` play on.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::client::Server;
use super::exit::{Exit, Stop};
use crate::hl7v2::ack::AckCode;
use crate::ports::Ports;
use crate::source::{self, Serving, Silent, SourcePlan};
use crate::tool::sandbox::Sandbox;

/// Longest time an engine may take to start on a machine under load.
const START_MAX: Duration = Duration::from_secs(60);

/// Longest time an engine may take to stop at a message boundary.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Wait between two looks at something that takes milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A directory with a running engine. Ends it when dropped.
pub struct Stage {
    /// Root of the configuration.
    pub root: PathBuf,
    child: Child,
    server: Server,
    /// Removed at the end.
    temporary: bool,
}

/// A loopback address whose port is free now.
pub async fn free_address(ports: &Ports) -> Result<SocketAddr, Stop> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = ports.net.listen(any).await.map_err(Stop::io)?;
    listener.local_addr().map_err(Stop::io)
}

/// A new directory for a stage, readable by its owner only.
pub fn folder(kept: Option<&Path>, ports: &Ports) -> Result<(PathBuf, bool), Stop> {
    use std::os::unix::fs::DirBuilderExt;
    let (path, temporary) = match kept {
        Some(path) => (path.to_owned(), false),
        None => {
            let name = format!("weir-{:08x}", ports.entropy.bits() & 0xffff_ffff);
            (std::env::temp_dir().join(name), true)
        }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(Stop::io)?;
    Ok((path, temporary))
}

impl Stage {
    /// Starts the engine on the configuration in `root` and waits until it answers.
    pub async fn start(
        root: PathBuf,
        site: Option<&str>,
        temporary: bool,
        ports: &Ports,
    ) -> Result<Self, Stop> {
        let log = fs::File::create(root.join("engine.log")).map_err(Stop::io)?;
        let binary = std::env::current_exe().map_err(Stop::io)?;
        let mut command = Command::new(binary);
        command.arg("-C").arg(&root);
        if let Some(site) = site {
            command.args(["--site", site]);
        }
        command.arg("run").env_remove("WEIR_SITE");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(Stop::io)?;
        let server = Server::at(&root, site);
        let mut stage = Self { root, child, server, temporary };
        stage.wait_ready(ports).await?;
        Ok(stage)
    }

    async fn wait_ready(&mut self, ports: &Ports) -> Result<(), Stop> {
        let begin = ports.clock.monotonic();
        loop {
            if self.server.get("/api/v1/status").await.is_ok() {
                return Ok(());
            }
            let ended = self.child.try_wait().map_err(Stop::io)?;
            let waited = ports.clock.monotonic().saturating_sub(begin);
            if ended.is_some() || waited > START_MAX {
                let log = fs::read_to_string(self.root.join("engine.log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                let text = format!("the engine did not start; its last lines:\n{tail}");
                return Err(Stop::Said(Exit::Unreachable, text));
            }
            ports.clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// The way to its API.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Process id of the engine.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until nothing waits any more, at most `limit`. Gives the ledger.
    pub async fn drained(&self, ports: &Ports, limit: Duration) -> Result<Value, Stop> {
        let begin = ports.clock.monotonic();
        loop {
            let ledger = self.server.get("/api/v1/ledger").await?;
            let rows = super::status::list(&ledger, "rows");
            let waiting: u64 = rows.iter().filter_map(|row| row["waiting"].as_u64()).sum();
            let waited = ports.clock.monotonic().saturating_sub(begin);
            if waiting == 0 || waited > limit {
                return Ok(ledger);
            }
            ports.clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Stops the engine at a message boundary.
    pub async fn stop(mut self, ports: &Ports) -> Result<(), Stop> {
        self.terminate();
        let begin = ports.clock.monotonic();
        while self.child.try_wait().map_err(Stop::io)?.is_none() {
            if ports.clock.monotonic().saturating_sub(begin) > STOP_MAX {
                let text = "the engine did not stop in time and was killed".to_owned();
                return Err(Stop::Said(Exit::Timeout, text));
            }
            ports.clock.sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    #[expect(unsafe_code, reason = "kill has no safe form in std")]
    fn terminate(&self) {
        if let Ok(pid) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: the process is our own child and was not waited for yet.
            unsafe {
                libc::kill(pid, libc::SIGTERM);
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.temporary {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// An MLLP peer that answers AA to everything; serves until dropped.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it counts with.
    pub intake: Arc<Sandbox>,
    _stop: watch::Sender<source::Command>,
}

impl Peer {
    /// Starts one; its future must be polled beside the work.
    pub async fn start(
        address: SocketAddr,
        ports: &Ports,
    ) -> Result<(Self, impl Future<Output = ()> + Send), Stop> {
        let bound = SourcePlan::mllp(address).bind(ports).await?;
        let address = bound.local_addr().unwrap_or(address);
        let intake = Arc::new(Sandbox::new(ports.clone(), Some(AckCode::AA), Duration::ZERO));
        let (stop, command) = watch::channel(source::Command::Run);
        let events = Arc::new(Silent);
        let serving = Serving { intake: intake.clone(), events, command };
        Ok((Self { address, intake, _stop: stop }, bound.serve(serving)))
    }
}
