//! Watching a directory: which files are complete, taking each to its end, moving it on.
//!
//! A file stays under its name until every message in it is on disk as accepted or
//! refused; a crash before that offers the messages again, with the same origin, so that
//! the intake tells repetitions. Order within a file is kept.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::take::{self, Taking};
use super::{FilePlan, Ready, Then};
use crate::fault::{Fault, codes::*};
use crate::message::Peer;
use crate::ports::{Files, Ports};
use crate::source::{Bound, Command, Common, Serving, SourceEvent};

/// Pause before a file is tried again whose messages could not be kept.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Most names remembered between two looks; a directory with more is worked off in parts.
const SEEN_MAX: usize = 100_000;

/// Most copies of one name in the directory of taken files.
const COPIES_MAX: u32 = 10_000;

/// What is known of a file that lies in the directory.
#[derive(Clone, Copy)]
struct Seen {
    length: u64,
    /// Monotonic time at which it had this length first.
    since: Duration,
    /// Its messages are taken; only moving it is left.
    taken: bool,
    /// Some of them were refused.
    refused: bool,
    /// A fault about it was told.
    told: bool,
}

struct FileBound {
    plan: FilePlan,
    common: Common,
    ports: Ports,
}

/// Checks the directories.
pub(in crate::source) async fn bind(
    plan: &FilePlan,
    common: &Common,
    ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    let directory = |path: &Path, error: io::Error| {
        Fault::new(W2401).because(format!("`{}`: {error}", path.display()))
    };
    ports.files.list(&plan.dir).map_err(|error| directory(&plan.dir, error))?;
    if let Then::Move(target) = &plan.then {
        ports.files.create_dir(target).map_err(|error| directory(target, error))?;
    }
    if let Some(target) = &plan.ack_dir {
        ports.files.create_dir(target).map_err(|error| directory(target, error))?;
    }
    let (plan, common, ports) = (plan.clone(), common.clone(), ports.clone());
    Ok(Box::new(FileBound { plan, common, ports }))
}

#[async_trait]
impl Bound for FileBound {
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn serve(self: Box<Self>, serving: Serving) {
        let Self { plan, common, ports } = *self;
        let peer = Peer { address: plan.dir.display().to_string().into(), subject: None };
        let mut watcher =
            Watcher { plan, common, ports, peer, serving, seen: HashMap::new(), told: false };
        watcher.run().await;
    }
}

struct Watcher {
    plan: FilePlan,
    common: Common,
    ports: Ports,
    peer: Peer,
    serving: Serving,
    seen: HashMap<PathBuf, Seen>,
    /// That the directory cannot be read was told.
    told: bool,
}

impl Watcher {
    async fn run(&mut self) {
        let mut command = self.serving.command.clone();
        loop {
            let now = *command.borrow_and_update();
            if now == Command::Stop {
                return;
            }
            let mut pause = self.plan.poll;
            if now == Command::Run && self.look(&command).await.is_err() {
                pause = pause.max(RETRY_PAUSE);
            }
            tokio::select! {
                changed = command.changed() => if changed.is_err() { return },
                () = self.ports.clock.sleep(pause) => {}
            }
        }
    }

    /// Looks once and takes what is complete; fails when a message could not be kept.
    async fn look(&mut self, command: &watch::Receiver<Command>) -> Result<(), ()> {
        let (files, dir) = (self.ports.files.clone(), self.plan.dir.clone());
        let names = match blocking(move || files.list(&dir)).await {
            Ok(names) => names,
            Err(error) => {
                let dir = self.plan.dir.display();
                let fault = Fault::new(W2401).because(format!("`{dir}`: {error}"));
                if !std::mem::replace(&mut self.told, true) {
                    self.trouble(fault);
                }
                return Ok(());
            }
        };
        self.told = false;
        let candidates: Vec<PathBuf> =
            names.iter().filter(|path| self.is_candidate(path)).take(SEEN_MAX).cloned().collect();
        self.seen.retain(|path, _| candidates.binary_search(path).is_ok());
        for path in candidates {
            if *command.borrow() != Command::Run {
                return Ok(());
            }
            if self.is_ready(&path, &names).await {
                self.take(&path, command).await?;
            }
        }
        Ok(())
    }

    fn is_candidate(&self, path: &Path) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
        let marker = match &self.plan.ready {
            Ready::Marker(ending) => name.ends_with(&**ending),
            Ready::Unchanged(_) => false,
        };
        !marker && !name.starts_with('.') && matches(&self.plan.name, name)
    }

    async fn is_ready(&mut self, path: &Path, names: &[PathBuf]) -> bool {
        if self.seen.get(path).is_some_and(|seen| seen.taken) {
            return true;
        }
        let (files, file) = (self.ports.files.clone(), path.to_owned());
        let length = match blocking(move || files.open_read(&file)?.len()).await {
            Ok(length) => length,
            Err(error) => {
                // Directories and links are not files for us; they are passed over silently.
                if error.kind() == io::ErrorKind::PermissionDenied {
                    self.tell(path, Fault::new(W2402).caused_by(error));
                }
                return false;
            }
        };
        let now = self.ports.clock.monotonic();
        let seen = self.seen.entry(path.to_owned()).or_insert(Seen {
            length,
            since: now,
            taken: false,
            refused: false,
            told: false,
        });
        if seen.length != length {
            (seen.length, seen.since) = (length, now);
        }
        match &self.plan.ready {
            Ready::Unchanged(wait) => now.saturating_sub(seen.since) >= *wait,
            Ready::Marker(ending) => marker_of(path, ending, names).is_some(),
        }
    }

    async fn take(&mut self, path: &Path, command: &watch::Receiver<Command>) -> Result<(), ()> {
        if !self.seen.get(path).is_some_and(|seen| seen.taken) {
            let taking = Taking {
                plan: &self.plan,
                common: &self.common,
                ports: &self.ports,
                peer: &self.peer,
                intake: &*self.serving.intake,
                command,
            };
            let taken = match take::file(&taking, path).await {
                Ok(Some(taken)) => taken,
                Ok(None) => return Ok(()),
                Err(fault) => {
                    let kept_back = matches!(fault.code(), W2406 | W2408);
                    self.tell(path, fault);
                    return if kept_back { Err(()) } else { Ok(()) };
                }
            };
            if let Err(fault) = self.write_errors(path, taken.errors).await {
                self.tell(path, fault);
                return Ok(());
            }
            if let Some(seen) = self.seen.get_mut(path) {
                (seen.taken, seen.told, seen.refused) = (true, false, taken.refused > 0);
            }
            let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
            let (committed, refused) = (taken.committed, taken.refused);
            let event = SourceEvent::FileTaken { name: name.into(), committed, refused };
            self.serving.events.note(&event);
        }
        let refused = self.seen.get(path).is_some_and(|seen| seen.refused);
        match self.move_on(path, refused).await {
            Ok(()) => drop(self.seen.remove(path)),
            Err(error) => self.tell(path, Fault::new(W2403).caused_by(error)),
        }
        Ok(())
    }

    /// Writes `NAME.errors` to where the file goes, before the file goes there.
    async fn write_errors(&self, path: &Path, errors: String) -> Result<(), Fault> {
        if errors.is_empty() {
            return Ok(());
        }
        let files = self.ports.files.clone();
        let directory = match &self.plan.then {
            Then::Move(target) => target.clone(),
            Then::Delete => self.plan.dir.clone(),
        };
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".errors");
        let hidden = directory.join(&name);
        // A leading point in the watched directory keeps it from being taken as a message.
        let shown = match &self.plan.then {
            Then::Move(_) => directory.join(name.to_string_lossy().trim_start_matches('.')),
            Then::Delete => hidden.clone(),
        };
        blocking(move || {
            let file = files.open(&hidden, true)?;
            file.set_len(0)?;
            file.write_at(errors.as_bytes(), 0)?;
            file.sync()?;
            if hidden != shown {
                files.rename(&hidden, &shown)?;
            }
            files.sync_dir(&directory)
        })
        .await
        .map_err(|error| Fault::new(W2403).caused_by(error))
    }

    /// Moves a taken file away, or deletes it. One with refused messages is never deleted:
    /// it has the only copy of them, and stays as `.NAME.refused`.
    async fn move_on(&self, path: &Path, refused: bool) -> io::Result<()> {
        let (files, then) = (self.ports.files.clone(), self.plan.then.clone());
        let (path, dir) = (path.to_owned(), self.plan.dir.clone());
        let marker = match &self.plan.ready {
            Ready::Marker(ending) => Some(ending.clone()),
            Ready::Unchanged(_) => None,
        };
        blocking(move || {
            if let Some(ending) = marker {
                let names = files.list(&dir)?;
                if let Some(marker) = marker_of(&path, &ending, &names) {
                    files.remove(marker)?;
                }
            }
            match then {
                Then::Delete if refused => {
                    let mut name = std::ffi::OsString::from(".");
                    name.push(path.file_name().unwrap_or_default());
                    name.push(".refused");
                    files.rename(&path, &free_name(&*files, &dir, Path::new(&name))?)?;
                }
                Then::Delete => files.remove(&path)?,
                Then::Move(target) => {
                    files.rename(&path, &free_name(&*files, &target, &path)?)?;
                    files.sync_dir(&target)?;
                }
            }
            files.sync_dir(&dir)
        })
        .await
    }

    /// Tells a fault about a file once. The name stays out: it may hold an identifier.
    fn tell(&mut self, path: &Path, fault: Fault) {
        let told = self.seen.get_mut(path).is_some_and(|s| std::mem::replace(&mut s.told, true));
        if !told {
            self.trouble(fault);
        }
    }

    fn trouble(&self, fault: Fault) {
        self.serving.events.note(&SourceEvent::Trouble { fault });
    }
}

/// Runs file calls where they may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::other("the runtime is stopping")),
    }
}

/// The marker beside a file: `a.done` or `a.hl7.done` for `a.hl7`.
fn marker_of<'n>(path: &Path, ending: &str, names: &'n [PathBuf]) -> Option<&'n PathBuf> {
    let mut long = path.as_os_str().to_owned();
    long.push(ending);
    let short = path.with_extension(ending.trim_start_matches('.'));
    names.iter().find(|name| **name == short || name.as_os_str() == long)
}

/// A name in `target` that nothing has: an earlier file of the same name is not replaced.
pub(super) fn free_name(files: &dyn Files, target: &Path, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default();
    let taken = files.list(target)?;
    for copy in 0..COPIES_MAX {
        let mut candidate = name.to_owned();
        if copy > 0 {
            candidate.push(format!(".{copy}"));
        }
        let candidate = target.join(candidate);
        if taken.binary_search(&candidate).is_err() {
            return Ok(candidate);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files of one name"))
}

/// Whether a name fits a pattern of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        };
        check("*.hl7", "a.hl7", true);
        check("*.hl7", ".hl7", true);
        check("*.hl7", "a.hl7.tmp", false);
        check("*", "", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxaxxbxx", false);
        check("LAB_*_?.txt", "LAB_2026_01_1.txt", true);
        check("", "a", false);
    }

    #[test]
    fn markers_lie_beside_their_file() {
        let names: Vec<PathBuf> =
            ["d/a.done", "d/b.hl7.done", "d/c.hl7"].iter().map(PathBuf::from).collect();
        let check = |path: &str, expected: Option<&str>| {
            let found = marker_of(Path::new(path), ".done", &names);
            assert_eq!(found.map(|p| p.as_path()), expected.map(Path::new), "{path}");
        };
        check("d/a.hl7", Some("d/a.done"));
        check("d/b.hl7", Some("d/b.hl7.done"));
        check("d/c.hl7", None);
    }
}
