//! An export from its begin to its end: kick-off, status, manifest, files, done.
//!
//! Two notes in the journal say how far it is: `export` where one is under way, with the
//! place up to which its files are taken, and `since` from which time on the next one asks.
//! The second changes when every line of every file is on disk as accepted or refused, in
//! the same entry that ends the first: a crash at any moment takes the export up again where
//! it was, and what was in hand is told apart by its origin.
//!
//! Source: Bulk Data Access IG v2.0.0, export.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_LOCATION, HeaderName, HeaderValue, USER_AGENT};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::bulk::BulkPlan;
use super::journey::{Halt, Journey};
use super::manifest::Manifest;
use super::take::{Progress, Take};
use crate::base::Timestamp;
use crate::fault::{Class, Fault, codes::*};
use crate::fhir::Doc;
use crate::message::Peer;
use crate::ports::Ports;
use crate::ports::fhir::{Account, Address, Caller, Issue, escape, issue_of};
use crate::ports::http::{Answer, Call};
use crate::source::{Bound, Command, Common, Serving, SourceEvent};

/// Largest manifest: a hundred thousand files with addresses of 300 bytes.
const MANIFEST_BYTES_MAX: usize = 32 << 20;

/// First wait between two looks at the status where the server names none; it doubles.
const POLL_FIRST: Duration = Duration::from_secs(1);

/// Longest wait between two looks at the status where the server names none.
const POLL_MAX: Duration = Duration::from_secs(60);

/// Shortest wait between two looks, whatever the server says.
const POLL_MIN: Duration = Duration::from_millis(100);

/// Longest wait that a server may ask for.
const POLL_ASKED_MAX: Duration = Duration::from_secs(3600);

/// Wait after a failed export where `every` names none, or a longer one.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// Most times that a file is begun again without a line of it having been taken meanwhile.
const FILE_TRIES: u32 = 5;

/// An export under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    /// Where its status is told.
    pub status: Address,
    /// From when on it asks; none: everything.
    pub since: Option<String>,
    /// When it was begun.
    pub begun: Timestamp,
    /// What its manifest names, in short; empty before there is one.
    pub outline: String,
    /// Files that are taken.
    pub file: usize,
    /// Lines of the next file that are taken.
    pub line: u64,
    /// What these lines are, in short: those of a file read again are compared with it.
    pub chain: Chain,
    /// How many of the lines of this file were refused.
    pub refused: u64,
    /// When a line was taken last, or weir began or went on to take them. Not in the note: a
    /// time in which weir does not run is none that the server takes.
    pub moved: Timestamp,
}

/// A digest of lines, each over the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain([u8; 16]);

impl Chain {
    /// That of one more line.
    pub(super) fn then(self, line: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(self.0).chain_update(line).finalize();
        let mut next = [0; 16];
        next.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(next)
    }

    fn text(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    fn read(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(|chain| Self(chain.to_be_bytes()))
    }
}

/// The export that came to its end last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Done {
    since: String,
    begun: Timestamp,
}

impl Running {
    /// The note that says it; `plan` tells which settings it belongs to.
    pub(super) fn note(&self, plan: &str) -> String {
        json!({
            "plan": plan,
            "origin": self.status.origin.to_string(),
            "path": self.status.path,
            "since": self.since,
            "begun": self.begun.micros(),
            "outline": self.outline,
            "file": self.file,
            "line": self.line,
            "chain": self.chain.text(),
            "refused": self.refused,
        })
        .to_string()
    }

    /// Has the next file begin with its first line.
    pub(super) fn rewind(&mut self) {
        (self.line, self.chain, self.refused) = (0, Chain::default(), 0);
    }

    /// Reads a note, and whether it belongs to these settings.
    fn read(note: &str, plan: &str) -> Option<(Self, bool)> {
        let json: Json = serde_json::from_str(note).ok()?;
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        let number = |name: &str| json.get(name).and_then(Json::as_u64);
        let own = text("plan")? == plan;
        let origin = crate::ports::http::Url::parse(text("origin")?).ok()?;
        let begun = Timestamp::from_micros(json.get("begun")?.as_i64()?);
        let running = Self {
            status: Address { origin, path: text("path")?.to_owned() },
            since: text("since").map(str::to_owned),
            begun,
            outline: text("outline")?.to_owned(),
            file: usize::try_from(number("file")?).ok()?,
            line: number("line")?,
            chain: Chain::read(text("chain")?)?,
            refused: number("refused").unwrap_or_default(),
            moved: begun,
        };
        Some((running, own))
    }
}

impl Done {
    fn note(&self, plan: &str) -> String {
        json!({ "plan": plan, "since": self.since, "begun": self.begun.micros() }).to_string()
    }

    fn read(note: &str, plan: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(note).ok()?;
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        (text("plan")? == plan).then_some(())?;
        let begun = Timestamp::from_micros(json.get("begun")?.as_i64()?);
        Some(Self { since: text("since")?.to_owned(), begun })
    }
}

struct BulkBound {
    plan: BulkPlan,
    common: Common,
    ports: Ports,
}

/// Makes the source; connects nothing.
pub(in crate::source) fn bind(plan: &BulkPlan, common: &Common, ports: &Ports) -> Box<dyn Bound> {
    Box::new(BulkBound { plan: plan.clone(), common: common.clone(), ports: ports.clone() })
}

#[async_trait]
impl Bound for BulkBound {
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn serve(self: Box<Self>, serving: Serving) {
        let Self { plan, common, ports } = *self;
        let caller =
            Caller::new(plan.server.clone(), Account::default(), &ports, MANIFEST_BYTES_MAX);
        let mut exporter = Exporter {
            peer: Peer { address: plan.server.url.target().into(), subject: None },
            key: key(&plan),
            journey: Journey { ports, command: serving.command.clone() },
            plan,
            common,
            serving,
            caller,
            known: false,
            running: None,
            left: None,
            done: None,
            pulled: false,
            asked: false,
            not_before: Duration::ZERO,
        };
        exporter.run().await;
    }
}

/// What of the settings an export belongs to: with others it is another one, and where the
/// last one ended says nothing.
fn key(plan: &BulkPlan) -> String {
    let mut digest = Sha256::new();
    let asked = (&plan.server.url, &plan.export, &plan.types, &plan.filters, &plan.since);
    digest.update(format!("{asked:?}"));
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

struct Exporter {
    plan: BulkPlan,
    common: Common,
    journey: Journey,
    caller: Caller,
    peer: Peer,
    serving: Serving,
    key: String,
    /// Whether the notes are read.
    known: bool,
    running: Option<Running>,
    /// An export that was begun with other settings at the same server: it is of no use.
    left: Option<Running>,
    done: Option<Done>,
    /// Whether an export came to its end since the start.
    pulled: bool,
    /// Whether someone asked for an export that did not come to its end yet.
    asked: bool,
    /// Monotonic time before which nothing is tried after a failure.
    not_before: Duration,
}

impl Exporter {
    async fn run(&mut self) {
        let mut command = self.serving.command.clone();
        let mut ran = false;
        loop {
            let now = *command.borrow_and_update();
            match now {
                Command::Stop => return,
                Command::Pause => {
                    // Who resumes it wants to see something.
                    if ran {
                        (self.asked, self.not_before) = (true, Duration::ZERO);
                    }
                    if command.changed().await.is_err() {
                        return;
                    }
                    self.go_on();
                    continue;
                }
                Command::Run => ran = true,
            }
            let due = match self.load() {
                Ok(()) => self.due(),
                Err(fault) => {
                    self.trouble(fault);
                    Some(AGAIN)
                }
            };
            if due == Some(Duration::ZERO) {
                match self.pull().await {
                    Ok(()) | Err(Halt::Told) => {}
                    Err(Halt::Fault(fault)) => {
                        self.trouble(fault);
                        let wait = self.plan.every.unwrap_or(AGAIN).min(AGAIN);
                        self.not_before = self.journey.ports.clock.monotonic() + wait;
                    }
                }
                continue;
            }
            let clock = self.journey.ports.clock.clone();
            let sleep = async {
                match due {
                    Some(wait) => clock.sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = command.changed() => if changed.is_err() { return },
                () = sleep => {}
            }
        }
    }

    /// Reads the notes once.
    fn load(&mut self) -> Result<(), Fault> {
        if !self.known {
            let intake = &self.serving.intake;
            let read = |name| intake.recall(name);
            let base = &self.plan.server.url;
            match read("export")?.and_then(|note| Running::read(&note, &self.key)) {
                Some((running, true)) => self.running = Some(running),
                Some((other, false)) if other.status.origin.same_origin(base) => {
                    self.left = Some(other);
                }
                // Nobody else is told of it with the credentials of this server.
                Some((_, false)) | None => {}
            }
            self.done = read("since")?.and_then(|note| Done::read(&note, &self.key));
            self.known = true;
            self.go_on();
        }
        Ok(())
    }

    /// Counts the time that files may take without a line from now on.
    fn go_on(&mut self) {
        let now = self.journey.ports.clock.now();
        self.running.iter_mut().for_each(|running| running.moved = now);
    }

    /// In how long there is something to do; none: not before someone asks for it.
    fn due(&self) -> Option<Duration> {
        let clock = &self.journey.ports.clock;
        let held = self.not_before.saturating_sub(clock.monotonic());
        if !held.is_zero() || self.running.is_some() || self.asked {
            return Some(held);
        }
        match (&self.done, self.plan.every) {
            (None, _) => Some(Duration::ZERO),
            (Some(_), None) => (!self.pulled).then_some(Duration::ZERO),
            // At most `every`: the clock may have been set back.
            (Some(done), Some(every)) => {
                Some(done.begun.after(every).since(clock.now()).min(every))
            }
        }
    }

    fn trouble(&self, fault: Fault) {
        self.serving.events.note(&SourceEvent::Trouble { fault });
    }

    /// Takes an export to its end: the one under way, else a new one.
    async fn pull(&mut self) -> Result<(), Halt> {
        if let Some(left) = self.left.clone() {
            self.delete(&left).await?;
            self.forget().await?;
            self.left = None;
        }
        let mut begun = 0;
        loop {
            let running = match self.running.clone() {
                Some(running) => running,
                None => {
                    begun += 1;
                    self.begin().await?
                }
            };
            match self.manifest(&running).await? {
                Some(manifest) => {
                    if self.take(manifest).await? {
                        return Ok(());
                    }
                }
                None => self.forget().await?,
            }
            // The server knows no more of it: a new one asks for the same time, once.
            if begun > 0 && self.running.is_none() {
                let cause = "the server does not know its status any more";
                return Err(Fault::new(W2382).because(self.told(cause)).into());
            }
        }
    }

    /// Asks the server to begin an export.
    async fn begin(&mut self) -> Result<Running, Halt> {
        let since = match &self.done {
            Some(done) => Some(done.since.clone()),
            None => self.plan.since.as_deref().map(str::to_owned),
        };
        let call = self.call(Method::GET, self.kick_off(since.as_deref()));
        let begun = self.journey.ports.clock.now();
        let answer = self.journey.ask_once(&mut self.caller, call).await?;
        let location = answer.headers.get(CONTENT_LOCATION).and_then(|v| v.to_str().ok());
        let status = match (answer.status, location) {
            (202, Some(location)) => self.status_at(location)?,
            (202, None) => {
                let cause = self.told("202, but no `Content-Location`");
                return Err(Fault::new(W2380).because(cause).into());
            }
            (408 | 425 | 429 | 500..=599, _) => return Err(self.refused(W2381, &answer).into()),
            _ => return Err(self.refused(W2380, &answer).into()),
        };
        let running = Running {
            status,
            since,
            begun,
            outline: String::new(),
            file: 0,
            line: 0,
            chain: Chain::default(),
            refused: 0,
            moved: begun,
        };
        self.serving.intake.remember(vec![("export", running.note(&self.key))]).await?;
        self.running = Some(running.clone());
        Ok(running)
    }

    /// Path and query of the kick-off request.
    fn kick_off(&self, since: Option<&str>) -> String {
        let plan = &self.plan;
        let mut query = Vec::new();
        if !plan.types.is_empty() {
            query.push(format!("_type={}", escape(&plan.types.join(","))));
        }
        query.extend(since.map(|since| format!("_since={}", escape(since))));
        query.extend(plan.filters.iter().map(|one| format!("_typeFilter={}", escape(one))));
        let path = format!("{}/{}", plan.server.url.path, plan.export.path());
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// Where the status is told: on the server itself, as the token goes there.
    fn status_at(&self, location: &str) -> Result<Address, Fault> {
        let base = &self.plan.server.url;
        let at = Address::resolve(location, base);
        at.filter(|at| at.origin.same_origin(base)).ok_or_else(|| {
            Fault::new(W2380).because(self.told("its `Content-Location` leads to another server"))
        })
    }

    /// Waits for the end of an export; none when the server does not know of it.
    async fn manifest(&mut self, running: &Running) -> Result<Option<Manifest>, Halt> {
        let mut wait = POLL_FIRST;
        loop {
            let clock = self.journey.ports.clock.clone();
            let call = self.call(Method::GET, running.status.path.clone());
            let answer = self.journey.ask(&mut self.caller, call).await?;
            if let Some(cause) = self.late(running, answer.status) {
                self.give_up(running).await?;
                return Err(Fault::new(W2382).because(self.told(cause)).into());
            }
            match answer.status {
                202 => {
                    let asked = answer.retry_after(clock.now());
                    let next = asked.map_or(wait, |asked| asked.min(POLL_ASKED_MAX));
                    wait = (wait * 2).min(POLL_MAX);
                    self.journey.wait(next.max(POLL_MIN)).await?;
                }
                200 => return self.read_manifest(running, &answer).await.map(Some),
                404 | 410 => return Ok(None),
                401 | 403 => return Err(self.refused(W2380, &answer).into()),
                408 | 425 | 429 | 502..=504 => return Err(self.refused(W2381, &answer).into()),
                _ => {
                    if issue(&answer).code.as_deref() == Some("transient") {
                        return Err(self.refused(W2381, &answer).into());
                    }
                    self.give_up(running).await?;
                    return Err(self.refused(W2382, &answer).into());
                }
            }
        }
    }

    /// Why an export took too long, if it did: the server has `timeout` until its manifest is
    /// there, and then as long again from each line that was taken to the next.
    fn late(&self, running: &Running, status: u16) -> Option<&'static str> {
        let (begin, cause) = match (running.outline.is_empty(), status) {
            (true, 200) => return None,
            (true, _) => (running.begun, "it takes longer than `timeout`"),
            (false, _) => (running.moved, "no line of its files came within `timeout`"),
        };
        (self.journey.ports.clock.now().since(begin) > self.plan.timeout).then_some(cause)
    }

    async fn read_manifest(
        &mut self,
        running: &Running,
        answer: &Answer,
    ) -> Result<Manifest, Halt> {
        let read = match &answer.body {
            Some(body) => {
                let (body, plan) = (body.clone(), self.plan.clone());
                let read = tokio::task::spawn_blocking(move || Manifest::read(&body, &plan)).await;
                read.map_err(|_| Fault::new(W9002).because("while reading a manifest"))?
            }
            None => Err(Fault::new(W2383).because("it is larger than 32 MiB")),
        };
        match read {
            Ok(manifest) => Ok(manifest),
            Err(fault) => {
                // A server that is not named may be named later; the others stay as they are.
                if fault.code() == W2383 {
                    self.give_up(running).await?;
                }
                let cause = self.told(fault.cause().unwrap_or_default());
                Err(fault.because(cause).into())
            }
        }
    }

    /// Takes the files of an export. False when the server does not know of it any more.
    async fn take(&mut self, mut manifest: Manifest) -> Result<bool, Halt> {
        let mut progress = Progress::default();
        let mut tries = 0;
        loop {
            let Some(running) = &mut self.running else { return Ok(false) };
            let outline = manifest.outline();
            if running.outline != outline {
                if running.outline.is_empty() {
                    running.moved = self.journey.ports.clock.now();
                }
                (running.outline, running.file) = (outline, 0);
                running.rewind();
            }
            let Some(file) = manifest.files.get(running.file) else { break };
            let before = (running.file, running.line);
            let take = Take::new((&self.plan, &self.common), &self.journey, &self.serving)
                .of(file, running, &self.peer, &self.key);
            match take.run(&mut self.caller, &mut progress).await {
                Ok(()) => {
                    running.file += 1;
                    running.rewind();
                    let note = running.note(&self.key);
                    self.serving.intake.remember(vec![("export", note)]).await?;
                    tries = 0;
                }
                Err(Halt::Fault(fault)) if fault.class() == Class::Transient => {
                    let moved = before < (running.file, running.line);
                    tries = if moved { 1 } else { tries + 1 };
                    if tries > FILE_TRIES {
                        return Err(fault.into());
                    }
                    // Addresses may have run out, and the connection with them.
                    let running = running.clone();
                    self.journey.wait(POLL_FIRST * tries).await?;
                    match self.manifest(&running).await? {
                        Some(fresh) => manifest = fresh,
                        None => {
                            self.forget().await?;
                            return Ok(false);
                        }
                    }
                }
                Err(Halt::Fault(fault)) if fault.code() == W2396 => {
                    let running = running.clone();
                    self.give_up(&running).await?;
                    return Err(fault.into());
                }
                Err(halt) => return Err(halt),
            }
        }
        self.finish(manifest, &progress).await?;
        Ok(true)
    }

    /// Notes that every line is on disk, and lets the server forget the export.
    async fn finish(&mut self, manifest: Manifest, progress: &Progress) -> Result<(), Halt> {
        let Some(running) = self.running.clone() else { return Ok(()) };
        let done = Done { since: manifest.time, begun: running.begun };
        let notes = vec![("export", String::new()), ("since", done.note(&self.key))];
        self.serving.intake.remember(notes).await?;
        (self.running, self.done, self.pulled) = (None, Some(done), true);
        self.asked = false;
        let (committed, refused) = (progress.committed, progress.refused);
        self.serving.events.note(&SourceEvent::Pulled { committed, refused });
        self.delete(&running).await
    }

    /// Forgets an export that the server gave up or that is of no use.
    async fn give_up(&mut self, running: &Running) -> Result<(), Halt> {
        self.forget().await?;
        self.delete(running).await
    }

    async fn forget(&mut self) -> Result<(), Fault> {
        self.serving.intake.remember(vec![("export", String::new())]).await?;
        self.running = None;
        Ok(())
    }

    /// Tells the server that the export is not needed any more. It is a kindness: what comes
    /// of it changes nothing.
    async fn delete(&mut self, running: &Running) -> Result<(), Halt> {
        let call = self.call(Method::DELETE, running.status.path.clone());
        match self.journey.in_time(self.caller.send(call)).await {
            Err(Halt::Told) => Err(Halt::Told),
            Ok(_) | Err(Halt::Fault(_)) => Ok(()),
        }
    }

    fn call(&self, method: Method, path: String) -> Call {
        let begins = method == Method::GET && self.running.is_none();
        let accept = if begins { "application/fhir+json" } else { "application/json" };
        let mut headers = vec![
            (ACCEPT, HeaderValue::from_static(accept)),
            (USER_AGENT, HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")))),
        ];
        if begins {
            let prefer = HeaderName::from_static("prefer");
            headers.push((prefer, HeaderValue::from_static("respond-async")));
        }
        Call { method, path, headers, body: Bytes::new() }
    }

    /// A cause that begins with the server.
    fn told(&self, cause: &str) -> String {
        format!("{}: {cause}", self.plan.server.url.target())
    }

    /// A fault that says what the server answered.
    fn refused(&self, code: crate::fault::Code, answer: &Answer) -> Fault {
        Fault::new(code).because(self.told(&issue(answer).cause(answer.status)))
    }
}

/// What may be told of the outcome in an answer.
fn issue(answer: &Answer) -> Issue {
    let doc = answer.body.clone().and_then(|body| Doc::parse_json(body).ok());
    doc.and_then(|doc| issue_of(doc.root())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::http::Url;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let status = Url::parse("https://fhir.example:8443").unwrap();
        let running = Running {
            status: Address { origin: status, path: "/r4/status/1?a=b".to_owned() },
            since: Some("2026-01-01T00:00:00Z".to_owned()),
            begun: Timestamp::from_millis(1_767_323_045_678),
            outline: "abcd".to_owned(),
            file: 3,
            line: 17,
            chain: Chain::default().then(b"a"),
            refused: 3,
            moved: Timestamp::from_millis(1_767_323_045_678),
        };
        assert_eq!(Running::read(&running.note("k"), "k"), Some((running.clone(), true)));
        let other = Running::read(&running.note("k"), "other settings");
        assert_eq!(other, Some((running.clone(), false)));
        let done = Done { since: "2026-01-01T00:00:00Z".to_owned(), begun: running.begun };
        assert_eq!(Done::read(&done.note("k"), "k"), Some(done.clone()));
        for bad in ["", "{}", "[]", "{\"plan\":\"k\"}"] {
            assert_eq!((Running::read(bad, "k"), Done::read(bad, "k")), (None, None), "{bad}");
        }
    }

    #[test]
    fn chains_tell_lines_and_their_order_apart() {
        let chain = |lines: &[&str]| {
            lines.iter().fold(Chain::default(), |chain, line| chain.then(line.as_bytes()))
        };
        assert_eq!(chain(&["a", "b"]), chain(&["a", "b"]));
        for other in [&["b", "a"][..], &["a"], &["ab"], &["a", "b", "c"], &["a", "c"]] {
            assert_ne!(chain(&["a", "b"]), chain(other), "{other:?}");
        }
    }

    #[test]
    fn another_server_or_question_is_another_export() {
        let plan = BulkPlan::new(Url::parse("https://fhir.example/r4").unwrap());
        let other = BulkPlan { types: vec!["Patient".into()], ..plan.clone() };
        let later = BulkPlan { every: Some(AGAIN), ..plan.clone() };
        assert_ne!(key(&plan), key(&other));
        assert_eq!(key(&plan), key(&later));
    }
}
