//! Load: many connections that send HL7 v2 over MLLP or creates over HTTP, as fast as answers
//! come or at a rate, and count what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::fault::codes::W7108;
use crate::fault::{Fault, Place};
use crate::hl7v2::ack;
use crate::ports::Ports;
use crate::ports::http::{Call, Client, Url};

use super::client::MllpClient;

/// Largest answer of a FHIR server that is read: it repeats what it was sent.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Where to send, and with that what.
#[derive(Clone, Debug)]
pub enum Target {
    /// `host:port` of an MLLP listener: ADT^A08.
    Mllp(String),
    /// Base of a FHIR server: `POST Patient`.
    Fhir(Url),
}

/// What to send.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Where to.
    pub target: Target,
    /// Connections.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// Messages a second over all connections; none: as fast as answers come.
    pub rate: Option<f64>,
    /// Size of a message in bytes.
    pub size: usize,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Starts every control ID, so that runs do not collide.
    pub prefix: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// Messages sent.
    pub sent: u64,
    /// Positive answers.
    pub acknowledged: u64,
    /// Negative answers.
    pub refused: u64,
    /// Connections that broke, and messages without an answer.
    pub failed: u64,
    /// Time from the first message to the last answer.
    pub elapsed: Duration,
    /// Time from message to answer.
    pub latency: Latency,
    /// Control IDs acknowledged, when they were asked for.
    pub acknowledged_ids: Vec<String>,
}

/// Latencies in classes of microseconds, about three percent wide.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    classes: BTreeMap<u32, u64>,
    count: u64,
    max: Duration,
}

impl Latency {
    /// Takes one latency.
    pub fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        let top = micros.ilog2();
        let below = if top >= 5 { (micros >> (top - 5)) & 31 } else { (micros << (5 - top)) & 31 };
        let class = (top << 5) | u32::try_from(below).unwrap_or(0);
        *self.classes.entry(class).or_default() += 1;
        self.count += 1;
        self.max = self.max.max(latency);
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: &Self) {
        for (class, count) in &other.classes {
            *self.classes.entry(*class).or_default() += count;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The latency that this share (0 to 1) of all stays below; within three percent.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count needs no more digits"
    )]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, count) in &self.classes {
            seen += count;
            if seen >= wanted {
                let (top, below) = (class >> 5, u64::from(class & 31));
                let micros = ((32 + below + 1) << top) >> 5;
                return Duration::from_micros(micros).min(self.max);
            }
        }
        self.max
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// How many were taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// An ADT^A08 of about `size` bytes for one of 10,000 synthetic patients.
#[must_use]
pub fn message(control_id: &str, number: u64, size: usize) -> Vec<u8> {
    let patient = number % 10_000;
    let mut text = format!(
        "MSH|^~\\&|LOAD|BENCH|WEIR|HIE|20260114083012+0100||ADT^A08^ADT_A01|{control_id}|P|2.5.1||||||UNICODE UTF-8\r\
         EVN|A08|20260114083000+0100\r\
         PID|1||{patient:06}^^^BENCH&1.2.3.4&ISO^MR||Load{patient}^Test^^^^^L||19800101|F|||Lane {patient}^^Elsewhere^EL^40210^DE^H||+49 211 5550142^PRN^PH|de||||||900-{:02}-{:04}\r\
         PV1|1|I|W1^101^1^BENCH||||1204^Brandt^Sven^^^Dr.|||MED||||||||1204^Brandt^Sven^^^Dr.|IP|V{patient:06}^^^BENCH^VN|||||||||||||||||||||||||20260114081500+0100\r",
        patient % 100,
        patient
    );
    while text.len() < size {
        let room = (size - text.len()).min(200);
        text.push_str("NTE|1||");
        text.extend(std::iter::repeat_n('x', room.saturating_sub(8)));
        text.push('\r');
    }
    text.into_bytes()
}

/// A Patient of about `size` bytes; its identifier is the control ID, so that each is new.
#[must_use]
pub fn resource(control_id: &str, number: u64, size: usize) -> Vec<u8> {
    let patient = number % 10_000;
    let mut text = format!(
        r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:oid:1.2.3.4","value":"{control_id}"}}],"active":true,"name":[{{"use":"official","family":"Load{patient}","given":["Test"]}}],"telecom":[{{"system":"phone","value":"+49 211 5550142","use":"home"}}],"gender":"female","birthDate":"1980-01-01","address":[{{"line":["Lane {patient}"],"city":"Elsewhere","postalCode":"40210","country":"DE"}}]"#,
    );
    let room = size.saturating_sub(text.len());
    if room > 40 {
        text.push_str(r#","contact":[{"name":{"text":""#);
        text.extend(std::iter::repeat_n('x', room - 32));
        text.push_str(r#""}}]"#);
    }
    text.push('}');
    text.into_bytes()
}

/// Sends until the time is over or `stop` is set; `progress` counts positive answers.
///
/// # Errors
/// When no connection could be made at all.
pub async fn run(
    ports: &Ports,
    plan: &LoadPlan,
    keep_ids: bool,
    progress: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Result<LoadReport, Fault> {
    let begin = ports.clock.monotonic();
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..plan.connections {
        let worker = Worker {
            ports: ports.clone(),
            plan: plan.clone(),
            number,
            begin,
            keep_ids,
            progress: progress.clone(),
            stop: stop.clone(),
        };
        workers.spawn(worker.run());
    }
    let mut total = LoadReport::default();
    let mut first_fault = None;
    while let Some(done) = workers.join_next().await {
        match done {
            Ok(Ok(report)) => {
                total.sent += report.sent;
                total.acknowledged += report.acknowledged;
                total.refused += report.refused;
                total.failed += report.failed;
                total.latency.merge(&report.latency);
                total.acknowledged_ids.extend(report.acknowledged_ids);
            }
            Ok(Err(fault)) => {
                total.failed += 1;
                first_fault = Some(fault);
            }
            Err(_) => total.failed += 1,
        }
    }
    total.elapsed = ports.clock.monotonic().saturating_sub(begin);
    match first_fault {
        Some(fault) if total.sent == 0 => Err(fault),
        _ => Ok(total),
    }
}

struct Worker {
    ports: Ports,
    plan: LoadPlan,
    number: usize,
    begin: Duration,
    keep_ids: bool,
    progress: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    async fn run(self) -> Result<LoadReport, Fault> {
        let mut report = LoadReport::default();
        let (ports, plan) = (&self.ports, &self.plan);
        let mut client = Talk::open(ports, &plan.target).await?;
        let pause = plan.rate.map(|rate| {
            #[expect(clippy::cast_precision_loss, reason = "connections are few")]
            let each = plan.connections as f64 / rate.max(0.001);
            Duration::from_secs_f64(each)
        });
        let mut due = self.begin;
        for sequence in 0u64.. {
            let elapsed = ports.clock.monotonic().saturating_sub(self.begin);
            if elapsed >= plan.duration || self.stop.load(Ordering::Relaxed) {
                break;
            }
            if let Some(pause) = pause {
                let wait = due.saturating_sub(ports.clock.monotonic());
                if !wait.is_zero() {
                    ports.clock.sleep(wait).await;
                }
                due += pause;
            }
            let control_id = format!("{}-{}-{sequence}", plan.prefix, self.number);
            let number = sequence * 64 + self.number as u64;
            let body = client.body(&control_id, number, plan.size);
            let sent_at = ports.clock.monotonic();
            report.sent += 1;
            let Ok(taken) = client.ask(ports, body, &control_id, plan.timeout).await else {
                report.failed += 1;
                match Talk::open(ports, &plan.target).await {
                    Ok(new) => client = new,
                    Err(_) => break,
                }
                continue;
            };
            report.latency.add(ports.clock.monotonic().saturating_sub(sent_at));
            if taken {
                report.acknowledged += 1;
                self.progress.fetch_add(1, Ordering::Relaxed);
                if self.keep_ids {
                    report.acknowledged_ids.push(control_id);
                }
            } else {
                report.refused += 1;
            }
        }
        Ok(report)
    }
}

/// A connection, by what is spoken on it.
enum Talk {
    Mllp(MllpClient),
    Fhir(Client),
}

impl Talk {
    async fn open(ports: &Ports, target: &Target) -> Result<Self, Fault> {
        Ok(match target {
            Target::Mllp(target) => Self::Mllp(MllpClient::connect(ports, target, None).await?),
            Target::Fhir(url) => {
                let mut client = Client::new(url.clone(), None, ANSWER_BYTES_MAX)?;
                client.open(&*ports.net).await?;
                Self::Fhir(client)
            }
        })
    }

    fn body(&self, control_id: &str, number: u64, size: usize) -> Bytes {
        Bytes::from(match self {
            Self::Mllp(_) => message(control_id, number, size),
            Self::Fhir(_) => resource(control_id, number, size),
        })
    }

    /// Sends one body and says whether it was taken: an accepting acknowledgment for its
    /// control ID, or a status 2xx.
    async fn ask(
        &mut self,
        ports: &Ports,
        body: Bytes,
        control_id: &str,
        timeout: Duration,
    ) -> Result<bool, Fault> {
        match self {
            Self::Mllp(client) => {
                let answer = client.ask(ports, &body, timeout).await?;
                Ok(ack::read(&answer).is_ok_and(|ack| {
                    ack.code.is_accept() && ack.control_id == control_id.as_bytes()
                }))
            }
            Self::Fhir(client) => {
                let json = HeaderValue::from_static("application/fhir+json");
                let path = format!("{}/Patient", client.url().path);
                let headers = vec![(CONTENT_TYPE, json)];
                let target = client.url().target();
                let call = Call { method: Method::POST, path, headers, body };
                tokio::select! {
                    answer = client.send(&*ports.net, call) => {
                        Ok(matches!(answer?.status, 200..=299))
                    }
                    () = ports.clock.sleep(timeout) => {
                        Err(Fault::new(W7108).at(Place::path(Arc::<str>::from(target))))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Doc, validate};

    #[test]
    fn quantiles_are_within_three_percent() {
        let mut latency = Latency::default();
        for micros in 1..=10_000 {
            latency.add(Duration::from_micros(micros));
        }
        for (share, micros) in [(0.5, 5000.0), (0.99, 9900.0), (1.0, 10_000.0)] {
            let found = latency.quantile(share).as_secs_f64() * 1e6;
            assert!((found / micros - 1.0f64).abs() < 0.035, "{share}: {found}");
        }
        assert_eq!(latency.count(), 10_000);
        assert_eq!(latency.max(), Duration::from_millis(10));
    }

    #[test]
    fn messages_have_the_size_asked_for() {
        for size in [1024, 4096, 100_000] {
            let made = message("A-1", 7, size).len();
            assert!(made.abs_diff(size) < 60, "{size}: {made}");
            let made = resource("A-1", 7, size).len();
            assert!(made.abs_diff(size) < 60, "{size}: {made}");
        }
    }

    #[test]
    fn resources_are_valid() {
        for size in [0, 1024] {
            let made = Doc::parse_json(Bytes::from(resource("A-1", 7, size))).unwrap();
            let found = validate::resource(&made, &validate::Options::default());
            assert_eq!(found.iter().filter(|found| found.is_error()).count(), 0, "{size}");
        }
    }
}
