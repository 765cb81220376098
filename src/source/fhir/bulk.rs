//! NDJSON: a resource a line, each a message of its own, taken as they come.
//!
//! Memory holds one line and the messages in hand, however long the body is. What became of
//! the lines is told at the end, with one issue for each that was refused; when one could not
//! be kept, what follows it is not read, and the answer says from where to go on.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer::{Reply, status_of};
use super::gzip::Unpack;
use super::request::{self, Stream};
use super::route::{Call, Endpoint, Outcome};
use crate::fault::codes::{W2326, W2329, W2332, W2339, W2720};
use crate::fault::{Fault, Place};
use crate::fhir::resources::{informed, outcome};
use crate::fhir::rest::{self, Interaction};
use crate::fhir::{Builder, Doc, tables};
use crate::source::flight::{Flight, Pending};
use crate::source::{Answer, Taken};

/// Most lines that are with the intake at a time: enough to share one flush of the disk.
const IN_FLIGHT_MAX: usize = 64;

/// Most bytes with the intake at a time, besides the first line.
const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;

/// Most lines of one body: a sender that has more sends more than one.
const LINES_MAX: u64 = 1_000_000;

/// Most issues that are told; the others are counted.
const ISSUES_MAX: usize = 1_000;

/// How long a sender waits whose line could not be kept.
const NOT_KEPT_WAIT: Duration = Duration::from_secs(5);

/// What came so far.
struct Intake<'a> {
    endpoint: &'a Endpoint,
    call: &'a Call,
    flight: Flight<'a>,
    /// Number and size of each line in flight, the oldest first.
    places: VecDeque<(u64, usize)>,
    in_flight_bytes: usize,
    lines: u64,
    kept: u64,
    refused: u64,
    issues: Vec<Fault>,
    /// The first line that could not be kept, and why.
    stopped: Option<(u64, Fault)>,
    /// Bytes of the line that is arriving.
    partial: Vec<u8>,
    /// The line that is arriving is too long and passed over.
    skips: bool,
}

impl Endpoint {
    /// Takes a body of NDJSON.
    pub(super) async fn bulk(&self, call: &Call, body: Incoming) -> Outcome {
        let mut intake = Intake {
            endpoint: self,
            call,
            flight: Flight::default(),
            places: VecDeque::new(),
            in_flight_bytes: 0,
            lines: 0,
            kept: 0,
            refused: 0,
            issues: Vec::new(),
            stopped: None,
            partial: Vec::new(),
            skips: false,
        };
        let broken = intake.run(body).await.err();
        while !intake.flight.is_empty() {
            intake.settle().await;
        }
        let messages = intake.kept + intake.refused;
        Outcome { reply: Ok(intake.reply(broken)), messages }
    }
}

impl<'a> Intake<'a> {
    async fn run(&mut self, body: Incoming) -> Result<(), Box<Reply>> {
        let limits = &self.endpoint.limits;
        let packed = request::is_packed(self.call.headers())?;
        let mut unpack = packed.then(|| Unpack::new(limits.size.max(64 << 20)));
        let mut stream = Stream::new(body, Instant::now() + limits.time);
        while let Some(chunk) = stream.next().await? {
            let before = self.lines;
            match &mut unpack {
                None => self.take(&chunk).await,
                Some(unpack) => {
                    // In small steps: what a step unpacks to is a thousand times it at most.
                    for part in chunk.chunks(4 << 10) {
                        unpack.push(part).map_err(|wrong| limits.unpacked(wrong))?;
                        let plain = unpack.take();
                        self.take(&plain).await;
                    }
                }
            }
            if self.stopped.is_some() || self.lines >= LINES_MAX {
                return Ok(());
            }
            if self.lines > before {
                stream.until = Instant::now() + limits.time;
            }
        }
        if let Some(unpack) = &mut unpack {
            unpack.finish().map_err(|wrong| limits.unpacked(wrong))?;
            let rest = unpack.take();
            self.take(&rest).await;
        }
        self.end_line().await;
        Ok(())
    }

    /// Takes the lines that end in a chunk.
    async fn take(&mut self, mut chunk: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (line, rest) = chunk.split_at(end);
            self.add(line);
            self.end_line().await;
            chunk = rest.get(1..).unwrap_or_default();
            if self.stopped.is_some() {
                return;
            }
        }
        self.add(chunk);
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.skips || self.partial.len() + bytes.len() > self.endpoint.limits.size {
            self.skips = true;
            self.partial = Vec::new();
            return;
        }
        self.partial.extend_from_slice(bytes);
    }

    async fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let skipped = std::mem::take(&mut self.skips);
        if !skipped && line.iter().all(u8::is_ascii_whitespace) {
            self.lines += u64::from(!line.is_empty());
            return;
        }
        if self.lines >= LINES_MAX {
            let cause = format!("a body has at most {LINES_MAX} lines");
            self.stop(self.lines + 1, Fault::new(W2329).because(cause));
            return;
        }
        self.lines += 1;
        let number = self.lines;
        if skipped {
            self.refuse(number, Fault::new(W2329));
            return;
        }
        while self.flight.len() >= IN_FLIGHT_MAX
            || (self.in_flight_bytes > IN_FLIGHT_BYTES_MAX && !self.flight.is_empty())
        {
            self.settle().await;
        }
        if self.stopped.is_some() {
            return;
        }
        let bytes = Bytes::from(line);
        self.places.push_back((number, bytes.len()));
        self.in_flight_bytes += bytes.len();
        let pending = self.pending(bytes);
        self.flight.push(pending);
    }

    /// Hands a line to the intake: as a message, or as what is wrong in itself.
    fn pending(&self, bytes: Bytes) -> Pending<'a> {
        let (endpoint, call) = (self.endpoint, self.call);
        match self.read(&bytes) {
            Ok(interaction) => {
                let message_type = rest::message_type(&interaction);
                let mut arrival = endpoint.arrival(call, bytes, message_type);
                arrival.waits = false;
                endpoint.intake.take(arrival)
            }
            Err(fault) => Box::pin(endpoint.refuse(call, bytes, fault)),
        }
    }

    /// What a line asks for: a resource with an id is updated, one without created.
    fn read(&self, bytes: &Bytes) -> Result<Interaction, Fault> {
        let doc = Doc::parse_json(bytes.clone())?;
        let root = doc.root();
        let kind = root.resource_type().and_then(|kind| tables::type_name(&kind));
        let kind = kind.filter(|kind| tables::is_resource(kind));
        let kind = kind.ok_or_else(|| Fault::new(W2720).because("no type of resource of R4"))?;
        let id = root.get("id").and_then(|id| id.string());
        let interaction = match id.map(|id| rest::Id::parse(&id)) {
            None => Interaction::Create { kind, if_none_exist: None },
            Some(Some(id)) => Interaction::Update { kind, id, if_match: None },
            Some(None) => {
                let cause = "its id is none";
                return Err(Fault::new(W2326).at(Place::path(format!("{kind}.id"))).because(cause));
            }
        };
        rest::addressed(&interaction, root)?;
        if !self.endpoint.takes(&interaction) {
            let cause = format!("it is no {} of {kind} that it takes", interaction.code());
            return Err(Fault::new(W2332).because(cause));
        }
        let may = self.call.client.may_with(&interaction, root);
        may.map_err(|denied| denied.fault)?;
        Ok(interaction)
    }

    /// Waits for the oldest answer and notes it.
    async fn settle(&mut self) {
        let Answer { taken, .. } = self.flight.next().await;
        let (number, size) = self.places.pop_front().unwrap_or_default();
        self.in_flight_bytes -= size;
        match taken {
            Taken::Committed(_) => self.kept += 1,
            Taken::Refused(fault) => self.refuse(number, fault),
            Taken::NotKept(fault) => self.stop(number, fault),
        }
    }

    fn refuse(&mut self, number: u64, fault: Fault) {
        self.refused += 1;
        if self.issues.len() < ISSUES_MAX {
            let cause = match fault.cause() {
                Some(cause) => format!("line {number}: {cause}"),
                None => format!("line {number}"),
            };
            self.issues.push(fault.because(cause));
        }
    }

    fn stop(&mut self, number: u64, fault: Fault) {
        if self.stopped.as_ref().is_none_or(|(first, _)| number < *first) {
            self.stopped = Some((number, fault));
        }
    }

    /// What became of the lines. `broken`: the body did not come to its end.
    fn reply(self, broken: Option<Box<Reply>>) -> Reply {
        let Self { kept, refused, mut issues, stopped, lines, .. } = self;
        let summary = format!("{kept} lines are kept, {refused} are refused.");
        if let Some((number, fault)) = stopped {
            let again = Fault::new(W2339)
                .because(format!("{summary} Go on from line {number}: {}", fault.code()));
            issues.insert(0, again);
            let status = if fault.code() == W2329 { 413 } else { 503 };
            return Reply::outcome(status, &issues).again_after(NOT_KEPT_WAIT);
        }
        if let Some(broken) = broken {
            let next = lines + 1;
            let again = Fault::new(W2339).because(format!("{summary} Go on from line {next}"));
            issues.insert(0, again);
            return Reply::outcome(broken.status, &issues);
        }
        match (kept, issues.first()) {
            (_, None) => Reply::doc(200, &informed(&summary)),
            (0, Some(first)) => Reply::outcome(status_of(first), &issues),
            (_, Some(_)) => Reply::doc(200, &joined(&summary, &issues)),
        }
    }
}

/// An OperationOutcome that says first how much went well.
fn joined(summary: &str, issues: &[Fault]) -> Doc {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "OperationOutcome").name("issue").start_array();
    for doc in [informed(summary), outcome(issues)] {
        for issue in doc.root().get("issue").into_iter().flat_map(|all| all.items()) {
            out.node(issue);
        }
    }
    out.end_array().end_object();
    out.finish()
}
