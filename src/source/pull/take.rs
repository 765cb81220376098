//! Taking one file of an export: read piece by piece, cut into lines, each handed to the
//! intake; the place up to which all is on disk is noted as it moves on.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, LOCATION};
use sha2::{Digest, Sha256};

use super::bulk::BulkPlan;
use super::export::{Chain, Running};
use super::journey::{Halt, Journey};
use super::lines::{Line, Lines};
use super::manifest::{self, File, Holds};
use super::offer::{self, Offer};
use crate::base::Timestamp;
use crate::base::limits::FRAME_BYTES_DEFAULT;
use crate::fault::{Fault, codes::*};
use crate::fhir::Doc;
use crate::message::Peer;
use crate::ports::fhir::{Address, Caller};
use crate::ports::http::Download;
use crate::source::fhir::gzip::Unpack;
use crate::source::flight::{Flight, Pending};
use crate::source::{Answer, Arrival, Common, Intake, Origin, Serving, SourceEvent, Taken};

/// Most messages that are with the intake at a time: enough to share one flush of the disk.
const IN_FLIGHT_MAX: usize = 64;

/// Most bytes with the intake at a time, besides the first message.
const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;

/// Lines after which the place is noted: a crash reads this many again, and each note is an
/// entry of the journal.
const NOTE_EVERY: u64 = 500;

/// Wait before a message is offered again that could not be kept.
const AGAIN: Duration = Duration::from_secs(1);

/// Most redirects to a file.
const REDIRECTS_MAX: usize = 3;

/// Most kinds of issues of a file of errors that are told apart.
const ISSUES_MAX: usize = 8;

/// Packed bytes unpacked in a step: a step unpacks to a thousand times it at most.
const UNPACKED_STEP: usize = 4 << 10;

/// Bytes that are cut into lines in a step, so that few lines wait for the intake.
const LINES_STEP: usize = 16 << 10;

/// Most lines of a file that are refused: with more it is another kind of file, and each is
/// kept.
const REFUSED_MAX: u64 = 10_000;

/// What came of the files of an export, since the start.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub committed: u64,
    pub refused: u64,
    /// The file and the number of its lines that differs from what the manifest says: twice
    /// the same, and the manifest is wrong.
    short: Option<(usize, u64)>,
}

/// What taking files works with.
pub(super) struct Take<'a> {
    plan: &'a BulkPlan,
    common: &'a Common,
    journey: &'a Journey,
    serving: &'a Serving,
}

/// A message with the intake.
struct Slot {
    line: u64,
    /// The lines up to this one.
    chain: Chain,
    /// Whether it is the last of its line.
    last: bool,
    arrival: Arrival,
    fault: Option<Fault>,
}

/// Taking one file.
pub(super) struct Pass<'a> {
    take: Take<'a>,
    file: &'a File,
    running: &'a mut Running,
    peer: &'a Peer,
    key: &'a str,
    intake: &'a dyn Intake,
    flight: Flight<'a>,
    slots: VecDeque<Slot>,
    in_flight_bytes: usize,
    /// The line noted last.
    noted: u64,
    /// The line up to which the file was taken before this pass.
    begin: u64,
    /// The lines read so far, in short.
    chain: Chain,
    /// When this pass began, or its last line came.
    came: Timestamp,
    /// Whether the lines up to `begin` were compared.
    compared: bool,
    committed: u64,
    /// Lines refused, and the first of them with its fault.
    refused: u64,
    first_refused: Option<(u64, Fault)>,
    /// Issues of a file of errors: severity and code.
    issues: BTreeMap<String, u64>,
}

impl<'a> Take<'a> {
    pub(super) const fn new(
        (plan, common): (&'a BulkPlan, &'a Common),
        journey: &'a Journey,
        serving: &'a Serving,
    ) -> Self {
        Self { plan, common, journey, serving }
    }

    pub(super) fn of(
        self,
        file: &'a File,
        running: &'a mut Running,
        peer: &'a Peer,
        key: &'a str,
    ) -> Pass<'a> {
        Pass {
            intake: &*self.serving.intake,
            noted: running.line,
            begin: running.line,
            chain: Chain::default(),
            compared: false,
            came: self.journey.ports.clock.now(),
            take: self,
            file,
            running,
            peer,
            key,
            flight: Flight::default(),
            slots: VecDeque::new(),
            in_flight_bytes: 0,
            committed: 0,
            refused: 0,
            first_refused: None,
            issues: BTreeMap::new(),
        }
    }
}

impl<'a> Pass<'a> {
    /// Takes the file from where it was to its end.
    pub(super) async fn run(
        mut self,
        caller: &mut Caller,
        progress: &mut Progress,
    ) -> Result<(), Halt> {
        let taken = self.read(caller, progress).await;
        // What is in hand is answered, whatever happened.
        let drained = self.drain().await;
        progress.committed += self.committed;
        progress.refused += self.refused;
        if self.running.line > self.noted {
            self.note().await?;
        }
        self.tell_refused();
        taken?;
        drained?;
        self.tell_issues();
        Ok(())
    }

    async fn read(&mut self, caller: &mut Caller, progress: &mut Progress) -> Result<(), Halt> {
        let mut download = self.open(caller).await?;
        let mut lines = Lines::new(self.take.common.max_size.as_usize());
        let mut unpack: Option<Unpack> = None;
        let mut first = true;
        while let Some(piece) = self.piece(&mut download).await? {
            // NDJSON never begins so, and not every server says what it sends.
            if std::mem::take(&mut first) && piece.starts_with(&[0x1f]) {
                unpack = Some(Unpack::new(self.unpacked_max()));
            }
            self.in_good_time()?;
            for step in piece.chunks(UNPACKED_STEP) {
                match &mut unpack {
                    None => self.lines(&mut lines, step).await?,
                    Some(unpack) => {
                        unpack.push(step).map_err(|_| self.broken("its gzip is broken"))?;
                        self.lines(&mut lines, &unpack.take()).await?;
                    }
                }
            }
        }
        if let Some(unpack) = &mut unpack {
            unpack.finish().map_err(|_| self.broken("its gzip ends too early"))?;
            self.lines(&mut lines, &unpack.take()).await?;
        }
        let mut last = Vec::new();
        lines.finish(&mut last);
        for line in &last {
            self.line(line).await?;
        }
        self.compare()?;
        self.counted(lines.filled, progress)
    }

    /// The next piece of the file; what is with the intake goes on meanwhile.
    async fn piece(&mut self, download: &mut Download) -> Result<Option<Bytes>, Halt> {
        let journey = self.take.journey;
        let mut piece = pin!(journey.in_time(download.piece()));
        loop {
            tokio::select! {
                biased;
                piece = &mut piece => return piece,
                answer = self.flight.next(), if !self.flight.is_empty() => {
                    self.answered(answer).await?;
                }
            }
        }
    }

    /// Takes the lines that end in some bytes, few at a time: packed ones are small.
    async fn lines(&mut self, lines: &mut Lines, bytes: &[u8]) -> Result<(), Halt> {
        let mut found = Vec::new();
        for slice in bytes.chunks(LINES_STEP) {
            lines.push(slice, &mut found);
            for line in found.drain(..) {
                self.line(&line).await?;
                self.came = self.take.journey.ports.clock.now();
            }
        }
        Ok(())
    }

    /// Gives a file up of which pieces come, but no lines.
    fn in_good_time(&self) -> Result<(), Fault> {
        let waited = self.take.journey.ports.clock.now().since(self.came);
        match waited > self.take.plan.timeout {
            true => Err(self.broken("no line of it came within `timeout`")),
            false => Ok(()),
        }
    }

    fn unpacked_max(&self) -> usize {
        self.take.common.max_size.as_usize().max(FRAME_BYTES_DEFAULT.as_usize()).max(64 << 20)
    }

    /// Compares the number of lines with what the manifest says: a connection that breaks may
    /// look like the end of a file.
    fn counted(&self, lines: u64, progress: &mut Progress) -> Result<(), Halt> {
        let Some(count) = self.file.count.filter(|count| *count != lines) else { return Ok(()) };
        let cause = format!("it has {lines} lines, the manifest says {count}");
        let fault = self.broken(&cause);
        if lines > count || progress.short == Some((self.running.file, lines)) {
            self.take.serving.events.note(&SourceEvent::Trouble { fault });
            return Ok(());
        }
        progress.short = Some((self.running.file, lines));
        Err(fault.into())
    }

    /// Begins to read the file, wherever it is moved to.
    async fn open(&mut self, caller: &mut Caller) -> Result<Download, Halt> {
        let (mut at, mut shows) = (self.file.at.clone(), self.file.shows);
        for _ in 0..=REDIRECTS_MAX {
            let wanted = (&at, "application/fhir+ndjson", shows);
            let download = self.take.journey.fetch(caller, wanted).await?;
            let header = |name| download.headers.get(name).and_then(|v| v.to_str().ok());
            match (download.status, header(LOCATION)) {
                (200, _) => {
                    let html =
                        header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
                    return match html {
                        true => Err(self.broken("a page for people came instead").into()),
                        false => Ok(download),
                    };
                }
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let next = Address::resolve(location, &at.origin);
                    at = next.ok_or_else(|| self.broken("it is moved to no address"))?;
                    let told = |fault: Fault| {
                        let place = fault.cause().unwrap_or_default();
                        let cause = format!("`{}` is moved to {place}", self.file.name);
                        fault.because(cause)
                    };
                    // Signed addresses need no token, and a chain is not followed with one.
                    manifest::leave(&at, false, self.take.plan).map_err(told)?;
                    shows = shows && at.origin.same_origin(&self.take.plan.server.url);
                }
                (status, _) => {
                    let cause = format!("{status} from {}", at.origin.target());
                    return Err(self.broken(&cause).into());
                }
            }
        }
        Err(self.broken("it is moved again and again").into())
    }

    fn broken(&self, why: &str) -> Fault {
        Fault::new(W2385).because(format!("`{}`: {why}", self.file.name))
    }

    /// Compares the lines that are skipped with those that were taken, once: a server may write
    /// its file anew. Where they differ the file begins again; versions are told apart anyway.
    fn compare(&mut self) -> Result<(), Halt> {
        if std::mem::replace(&mut self.compared, true) || self.chain == self.running.chain {
            return Ok(());
        }
        self.running.rewind();
        self.noted = 0;
        Err(self.broken("its lines are not those that were taken of it").into())
    }

    /// Hands a line on, unless it was taken before.
    async fn line(&mut self, line: &Line) -> Result<(), Halt> {
        if line.number > self.begin {
            self.compare()?;
        }
        self.chain = self.chain.then(&line.bytes);
        if line.number <= self.begin {
            return Ok(());
        }
        if self.running.refused >= REFUSED_MAX {
            let cause = format!("`{}`: {REFUSED_MAX} up to line {}", self.file.name, line.number);
            return Err(Fault::new(W2396).because(cause).into());
        }
        if line.too_large {
            return self.offer(line, true, Err(Fault::new(W2389))).await;
        }
        match self.file.holds {
            Holds::Resources(kind) => {
                let offer = offer::update(&line.bytes, Some((kind, W2386)));
                self.offer(line, true, offer).await
            }
            Holds::Deleted => match offer::deletes(&line.bytes) {
                Err(fault) => self.offer(line, true, Err(fault)).await,
                Ok(offers) => {
                    let many = offers.len();
                    for (at, offer) in offers.into_iter().enumerate() {
                        self.offer(line, at + 1 == many, offer).await?;
                    }
                    Ok(())
                }
            },
            Holds::Errors => {
                self.count_issues(&line.bytes);
                Ok(())
            }
        }
    }

    async fn offer(
        &mut self,
        line: &Line,
        last: bool,
        offer: Result<Offer, Fault>,
    ) -> Result<(), Halt> {
        while self.flight.len() >= IN_FLIGHT_MAX
            || (self.in_flight_bytes > IN_FLIGHT_BYTES_MAX && !self.flight.is_empty())
        {
            self.settle().await?;
        }
        let (offer, fault) = match offer {
            Ok(offer) => (offer, None),
            Err(fault) => {
                let bytes = line.bytes.clone();
                let fault = placed(fault, &self.file.name, line.number);
                (Offer { bytes, message_type: None, version: None, age: None }, Some(fault))
            }
        };
        let origin = self.origin(line.number, &offer, fault.is_some());
        let arrival = Arrival {
            bytes: offer.bytes,
            peer: self.peer.clone(),
            received: self.take.journey.ports.clock.now(),
            parent: None,
            origin: Some(origin),
            message_type: offer.message_type,
            waits: false,
            back: None,
        };
        self.in_flight_bytes += arrival.bytes.len();
        let slot = Slot { line: line.number, chain: self.chain, last, arrival, fault };
        self.flight.push(pending(self.intake, &slot));
        self.slots.push_back(slot);
        Ok(())
    }

    /// What tells a line that is offered again from another that says the same.
    ///
    /// A version of a resource is the same in every export for the same time, so that one
    /// begun anew doubles nothing. What names no version, and a delete, may come back with
    /// another meaning: there it is file and line of this export.
    fn origin(&self, line: u64, offer: &Offer, refused: bool) -> Origin {
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(self.take.plan.server.url.to_string().as_bytes());
        let part_number = match &offer.version {
            Some(version) => {
                part(self.running.since.as_deref().unwrap_or_default().as_bytes());
                part(version.as_bytes());
                0
            }
            // What was refused is the same in every export for the same time, too.
            None if refused => {
                part(b"refused");
                part(self.running.since.as_deref().unwrap_or_default().as_bytes());
                part(self.file.name.as_bytes());
                line
            }
            None => {
                part(self.running.status.path.as_bytes());
                // A server may count its exports from 1 again.
                part(&self.running.begun.micros().to_be_bytes());
                part(self.file.name.as_bytes());
                line
            }
        };
        part(&offer.bytes);
        Origin { digest: digest.finalize().into(), part: part_number }
    }

    /// Waits for the oldest answer and notes it.
    async fn settle(&mut self) -> Result<(), Halt> {
        let answer = self.flight.next().await;
        self.answered(answer).await
    }

    /// Notes the answer to the oldest message.
    async fn answered(&mut self, answer: Answer) -> Result<(), Halt> {
        let Some(slot) = self.slots.pop_front() else { return Ok(()) };
        self.in_flight_bytes -= slot.arrival.bytes.len();
        if let Taken::NotKept(_) = answer.taken {
            return self.again(slot).await;
        }
        self.settled(&slot, answer.taken).await
    }

    /// Offers what could not be kept again and again, in order, before anything that follows.
    async fn again(&mut self, slot: Slot) -> Result<(), Halt> {
        let mut waiting = VecDeque::from([(slot, None)]);
        while let Some(slot) = self.slots.pop_front() {
            let answer = self.flight.next().await;
            self.in_flight_bytes -= slot.arrival.bytes.len();
            let kept = Some(answer.taken).filter(|taken| !matches!(taken, Taken::NotKept(_)));
            waiting.push_back((slot, kept));
        }
        for (slot, kept) in waiting {
            let mut taken = kept;
            while taken.is_none() {
                self.take.journey.wait(AGAIN).await?;
                let answer = pending(self.intake, &slot).await;
                taken = Some(answer.taken).filter(|taken| !matches!(taken, Taken::NotKept(_)));
            }
            if let Some(taken) = taken {
                self.settled(&slot, taken).await?;
            }
        }
        Ok(())
    }

    async fn settled(&mut self, slot: &Slot, taken: Taken) -> Result<(), Halt> {
        match taken {
            Taken::Committed(_) => self.committed += 1,
            Taken::Refused(fault) => {
                self.refused += 1;
                self.running.refused += 1;
                self.first_refused.get_or_insert((slot.line, fault));
            }
            Taken::NotKept(_) => return Ok(()),
        }
        if slot.last {
            (self.running.line, self.running.chain) = (slot.line, slot.chain);
            self.running.moved = self.take.journey.ports.clock.now();
            if slot.line - self.noted >= NOTE_EVERY {
                self.note().await?;
            }
        }
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), Halt> {
        while !self.flight.is_empty() {
            self.settle().await?;
        }
        Ok(())
    }

    async fn note(&mut self) -> Result<(), Fault> {
        self.intake.remember(vec![("export", self.running.note(self.key))]).await?;
        self.noted = self.running.line;
        Ok(())
    }

    /// Counts what could not be exported, by codes: its texts may hold anything.
    fn count_issues(&mut self, bytes: &Bytes) {
        let doc = Doc::parse_json(bytes.clone()).ok();
        let root = doc.as_ref().map(|doc| doc.root());
        let issues = root.and_then(|root| root.get("issue"));
        for issue in issues.into_iter().flat_map(|issues| issues.items()) {
            let word = |name: &str| {
                let text = issue.get(name).and_then(|value| value.string());
                let plain = |t: &str| {
                    t.len() <= 40 && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                };
                text.filter(|text| plain(text)).map_or_else(|| "?".to_owned(), Into::into)
            };
            let severity = word("severity");
            if severity == "information" {
                continue;
            }
            let mut told = format!("{severity} {}", word("code"));
            if self.issues.len() >= ISSUES_MAX && !self.issues.contains_key(&told) {
                "others".clone_into(&mut told);
            }
            *self.issues.entry(told).or_default() += 1;
        }
    }

    fn trouble(&self, fault: Fault) {
        self.take.serving.events.note(&SourceEvent::Trouble { fault });
    }

    /// Says what was refused in this pass.
    fn tell_refused(&self) {
        if let Some((line, fault)) = &self.first_refused {
            let (name, many) = (&self.file.name, self.refused);
            let cause = format!("`{name}`: {many}, the first in line {line}: {}", fault.code());
            self.trouble(Fault::new(W2387).because(cause));
        }
    }

    /// Says what the server could not export: a file of errors is read from its front in each
    /// pass.
    fn tell_issues(&self) {
        if !self.issues.is_empty() {
            let each = self.issues.iter().map(|(told, many)| format!("{many} {told}"));
            let cause = format!("`{}`: {}", self.file.name, each.collect::<Vec<_>>().join(", "));
            self.trouble(Fault::new(W2388).because(cause));
        }
    }
}

/// A fault with file and line before its cause.
fn placed(fault: Fault, name: &str, line: u64) -> Fault {
    let cause = match fault.cause() {
        Some(cause) => format!("`{name}` line {line}: {cause}"),
        None => format!("`{name}` line {line}"),
    };
    fault.because(cause)
}

fn pending<'a>(intake: &'a dyn Intake, slot: &Slot) -> Pending<'a> {
    let arrival = slot.arrival.clone();
    match slot.fault.clone() {
        None => intake.take(arrival),
        Some(fault) => intake.refuse(arrival, fault),
    }
}
