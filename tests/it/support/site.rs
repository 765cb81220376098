//! A configuration in a temporary directory, and the binary that runs it.

#![allow(clippy::disallowed_methods, reason = "tests wait for a real process")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::free_address;

/// A directory with configuration.
pub struct Site {
    folder: tempfile::TempDir,
    pub metrics: SocketAddr,
}

/// A running server; killed when dropped.
pub struct Running {
    child: Child,
    root: PathBuf,
}

impl Site {
    /// Makes a site with a keyring and no channels.
    pub fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), metrics: free_address() };
        site.file(
            "config.toml",
            &format!(
                "[weir]\nsite = \"test\"\ndata_dir = \"data\"\nchannels = [\"channels/*.toml\"]\n\
                 [admin]\nsocket = \"weir.sock\"\n[metrics]\nlisten = \"{}\"\n\
                 [keys]\nkeyring = \"file:keys/keyring.toml\"\n",
                site.metrics
            ),
        );
        let mut next = 0u8;
        let keyring = weir::seal::Keyring::generate(&["patient-ids"], &mut |buffer| {
            for byte in buffer {
                next = next.wrapping_add(7);
                *byte = next;
            }
        });
        site.file("keys/keyring.toml", &keyring);
        site
    }

    /// Makes a copy of the repository's own working tree.
    pub fn shipped() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let done = weir(folder.path(), &["init", "."]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        Self { folder, metrics: free_address() }
    }

    /// Adds a channel from MLLP to a sink, of any message and without consent; `source` has
    /// the further keys of its `[source]`.
    pub fn relay(&self, name: &str, listen: SocketAddr, sink: SocketAddr, source: &str) {
        let text = format!(
            "[channel]\nname = \"{name}\"\n\
             [source]\ntype = \"mllp\"\nlisten = \"{listen}\"\n{source}\n\
             [consent]\npolicy = \"none\"\nwhy = \"synthetic input\"\n\
             [destination.out]\ntype = \"mllp\"\nconnect = \"{sink}\"\n\
             recipient = \"Organization/out\"\npurpose = \"TREAT\"\n"
        );
        self.file(&format!("channels/{name}.toml"), &text);
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        weir(self.root(), arguments).output().unwrap()
    }

    /// Runs a command that must succeed; gives its stdout.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        assert!(done.status.success(), "{arguments:?}: {:?}\n{out}\n{err}", done.status);
        out
    }

    /// Runs a command that must succeed and speak JSON.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    /// Starts the server and waits until it is ready.
    pub fn start(&self) -> Running {
        self.start_as(None)
    }

    /// Starts the server with the differences of a site.
    pub fn start_as(&self, name: Option<&str>) -> Running {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.root().join("log.jsonl"))
            .unwrap();
        let mut command = weir(self.root(), &["run"]);
        if let Some(name) = name {
            command.args(["--site", name]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut running = Running { child, root: self.root().to_owned() };
        running.wait_ready(self);
        running
    }

    /// The body of a page of the metrics listener.
    #[allow(clippy::disallowed_methods, reason = "tests open real sockets")]
    pub fn http(&self, path: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("log.jsonl")).unwrap_or_default()
    }
}

/// The binary under test, in a directory.
pub fn weir(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(root).args(arguments).env("NO_COLOR", "1").env_remove("WEIR_SITE");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Running {
    fn wait_ready(&mut self, site: &Site) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", site.log());
            }
            if site.run(&["status", "-q"]).status.success() {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "not ready:\n{}", site.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Bytes of memory the server holds now.
    pub fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// Most bytes of memory it held since [`Running::forget_peak`].
    pub fn peak(&self) -> usize {
        self.status("VmHWM:")
    }

    /// Measures the peak anew.
    pub fn forget_peak(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    fn status(&self, name: &str) -> usize {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let text = text.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) << 10
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(done.success());
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "does not stop: {:?}", self.root);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a condition holds, for at most a minute.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
