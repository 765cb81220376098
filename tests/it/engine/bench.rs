//! A bench for the engine: a configuration in a directory of its own, a sender, and peers
//! that keep what they get.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir::config;
use weir::consent::{ConsentBook, Directive};
use weir::engine::{Engine, Start};
use weir::fault::{DrawStyle, Fault};
use weir::filter::Filter;
use weir::message::PatientKey;
use weir::observe::Observer;
use weir::ports::{Ports, Stream, sim};
use weir::store::{IndexHome, LedgerRow};

/// Writes a configuration tree and loads it. The store is in memory and its directory a
/// simulated one.
pub fn plan(root: &Path, channels: &[(&str, &str)]) -> config::Plan {
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "config.toml",
        r#"
[weir]
site = "test"
data_dir = "data"
channels = ["channels/*.toml"]
[admin]
socket = "data/weir.sock"
[store]
min_free = "1 KiB"
[consent]
policies = ["policies/*.toml"]
"#,
    );
    write(
        "policies/open.toml",
        r#"
[policy]
name       = "open"
about      = "Everything, unless the patient objects."
combine    = "deny-overrides"
default    = "deny"
directives = "honored"
[[rule]]
name    = "treatment"
purpose = ["TREAT"]
then    = "permit"
"#,
    );
    let _ = std::fs::remove_dir_all(root.join("channels"));
    for (name, text) in channels {
        write(&format!("channels/{name}.toml"), text);
    }
    let (plan, problems, sources) = config::load(root, None);
    let drawn: Vec<String> =
        problems.iter().map(|problem| sources.draw(problem, DrawStyle::Plain)).collect();
    let mut plan = plan.unwrap_or_else(|| panic!("{}", drawn.join("\n")));
    plan.server.store.index = IndexHome::Memory;
    plan.server.store.segment_bytes = weir::base::ByteSize(1 << 20);
    plan
}

/// A channel from MLLP to MLLP peers, without consent.
pub fn channel(name: &str, port: u16, destinations: &[(&str, u16)]) -> String {
    channel_with(name, port, "policy = \"none\"\nwhy = \"a test\"", destinations)
}

/// The same with its own `[consent]`.
pub fn channel_with(name: &str, port: u16, consent: &str, destinations: &[(&str, u16)]) -> String {
    let mut text = format!(
        r#"
[channel]
name     = "{name}"
order_by = "PID-3.1"
[source]
type   = "mllp"
listen = "127.0.0.1:{port}"
[consent]
{consent}
"#
    );
    for (to, port) in destinations {
        text.push_str(&format!(
            r#"
[destination.{to}]
type      = "mllp"
connect   = "127.0.0.1:{port}"
recipient = "Organization/{to}"
purpose   = "TREAT"
timeout   = "5s"
retry     = {{ first = "1s", max = "1m" }}
"#
        ));
    }
    text
}

/// Starts an engine on these ports.
pub async fn start(plan: config::Plan, ports: &Ports) -> Engine {
    let observer = match std::env::var_os("WEIR_TEST_LOG") {
        Some(_) => Observer::new(
            weir::observe::LogPlan {
                level: weir::observe::Level::Debug,
                style: weir::observe::LogStyle::Text,
            },
            Box::new(std::io::stderr()),
        ),
        None => Observer::silent(),
    };
    let start = Start { ports: ports.clone(), observer: Arc::new(observer), keyring: None };
    Engine::start(plan, start, &|_, _| {}).await.expect("the engine starts")
}

/// An engine with the channel `adt` of this text, its ports, and a sender connected to 2575.
pub async fn running(seed: u64, text: &str) -> (Engine, Ports, Sender) {
    let dir = tempfile::tempdir().unwrap();
    let (ports, _) = sim::ports(seed);
    let engine = start(plan(dir.path(), &[("adt", text)]), &ports).await;
    let sender = Sender::connect(&ports, 2575).await;
    (engine, ports, sender)
}

/// The same, delivering to the one destination `ehr` on 6000.
pub async fn adt_to_ehr(seed: u64) -> (Engine, Ports, Sender) {
    running(seed, &channel("adt", 2575, &[("ehr", 6000)])).await
}

/// Starts an engine whose consents make the gate panic for the patient `POISON`.
pub async fn start_poisoned(plan: config::Plan, ports: &Ports) -> Engine {
    let observer = Arc::new(Observer::silent());
    let start = Start { ports: ports.clone(), observer, keyring: None };
    Engine::start_asking(plan, start, Some(Arc::new(Poisoned)), &|_, _| {}).await.unwrap()
}

struct Poisoned;

impl ConsentBook for Poisoned {
    fn directives(&self, patient: &PatientKey) -> Result<Arc<[Directive]>, Fault> {
        assert_ne!(patient.reveal(), "POISON", "planted");
        Ok(Arc::from([]))
    }
}

/// An ADT message with a control ID and a patient.
pub fn adt(control: &str, patient: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|EMR|SE|WEIR|SE|20260102030405||ADT^A08^ADT_A01|{control}|T|2.5.1\r\
         EVN|A08|20260102030405\rPID|1||{patient}^^^SE^MR||Doe^Jane\rPV1|1|O\r"
    )
    .into_bytes()
}

const CONSENT: &str = r#"{"resourceType":"Consent","id":"ID","status":"active",
 "scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope",
 "code":"patient-privacy"}]},
 "category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],
 "patient":{"identifier":{"value":"P1"}},"dateTime":"2026-01-01",
 "policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode",
 "code":"OPTIN"}]},
 "provision":{"type":"TYPE"}}"#;

/// A Consent of the patient `P1` with this id: `permit` or `deny` to everything.
pub fn consent(id: &str, kind: &str) -> bytes::Bytes {
    CONSENT.replace("\"ID\"", &format!("\"{id}\"")).replace("TYPE", kind).into()
}

/// A sender over MLLP.
pub struct Sender {
    stream: Box<dyn Stream>,
    ports: Ports,
}

impl Sender {
    /// Connects, waiting for the listener to come up.
    pub async fn connect(ports: &Ports, port: u16) -> Self {
        for _ in 0..200 {
            if let Ok(stream) = ports.net.connect(&format!("127.0.0.1:{port}")).await {
                return Self { stream, ports: ports.clone() };
            }
            ports.clock.sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody listens on port {port}");
    }

    /// Sends a message and gives MSA-1 of the answer; empty when there is none in time.
    pub async fn send(&mut self, message: &[u8]) -> String {
        let answer = self.exchange(message).await;
        field(&answer, "MSA", 1)
    }

    /// Reads one more frame.
    pub async fn next(&mut self) -> Vec<u8> {
        let ports = self.ports.clone();
        tokio::select! {
            frame = read_frame(&mut self.stream) => frame.unwrap_or_default(),
            () = ports.clock.sleep(Duration::from_secs(60)) => Vec::new(),
        }
    }

    /// Sends the begin of a frame.
    pub async fn begin(&mut self, bytes: &[u8]) {
        self.stream.write_all(&[&[0x0b], bytes].concat()).await.unwrap();
    }

    /// Sends a message and gives the answer.
    pub async fn exchange(&mut self, message: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x0b];
        frame.extend_from_slice(message);
        frame.extend_from_slice(&[0x1c, 0x0d]);
        if self.stream.write_all(&frame).await.is_err() {
            return Vec::new();
        }
        let ports = self.ports.clone();
        tokio::select! {
            answer = read_frame(&mut self.stream) => answer.unwrap_or_default(),
            () = ports.clock.sleep(Duration::from_secs(60)) => Vec::new(),
        }
    }
}

/// Reads one MLLP frame.
pub async fn read_frame(stream: &mut Box<dyn Stream>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    loop {
        let byte = stream.read_u8().await.ok()?;
        match byte {
            0x0b => frame.clear(),
            0x1c => {
                let _ = stream.read_u8().await.ok()?;
                return Some(frame);
            }
            byte => frame.push(byte),
        }
    }
}

/// A field of the first segment of this name, as text.
pub fn field(message: &[u8], segment: &str, number: usize) -> String {
    let text = String::from_utf8_lossy(message);
    let line = text.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default();
    let shift = usize::from(segment == "MSH");
    line.split('|').nth(number - shift).unwrap_or_default().to_owned()
}

/// A peer that keeps what it gets and answers.
#[derive(Clone)]
pub struct Sink {
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
    answer: Arc<Mutex<&'static str>>,
    mute: Arc<AtomicBool>,
    pub port: u16,
}

impl Sink {
    /// Listens on a port (0: any).
    #[expect(clippy::disallowed_methods, reason = "a peer is no task of the engine")]
    pub async fn listen(ports: &Ports, port: u16) -> Self {
        let listener = ports.net.listen(([127, 0, 0, 1], port).into()).await.unwrap();
        let sink = Self {
            kept: Arc::default(),
            answer: Arc::new(Mutex::new("AA")),
            mute: Arc::default(),
            port: listener.local_addr().unwrap().port(),
        };
        let this = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream));
            }
        });
        sink
    }

    async fn serve(self, mut stream: Box<dyn Stream>) {
        while let Some(message) = read_frame(&mut stream).await {
            if self.mute.load(Ordering::SeqCst) {
                continue;
            }
            let control = field(&message, "MSH", 10);
            let code = *self.answer.lock().unwrap();
            if code == "AA" {
                self.kept.lock().unwrap().push(message);
            }
            let answer = format!(
                "\x0bMSH|^~\\&|SINK|X|WEIR|SE|20260102||ACK|{control}A|T|2.5.1\r\
                 MSA|{code}|{control}\r\x1c\r"
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Answers with this code from now on; only what is answered AA is kept.
    pub fn answer(&self, code: &'static str) {
        *self.answer.lock().unwrap() = code;
    }

    /// Reads and never answers, or answers again.
    pub fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    /// Control IDs and patients, in the order in which they came.
    pub fn got(&self) -> Vec<(String, String)> {
        let kept = self.kept.lock().unwrap();
        kept.iter()
            .map(|m| {
                let patient = field(m, "PID", 3);
                let patient = patient.split('^').next().unwrap_or_default().to_owned();
                (field(m, "MSH", 10), patient)
            })
            .collect()
    }

    /// A field of each message that came.
    pub fn fields(&self, segment: &str, number: usize) -> Vec<String> {
        self.kept.lock().unwrap().iter().map(|m| field(m, segment, number)).collect()
    }

    /// Control IDs, in the order in which they came.
    pub fn controls(&self) -> Vec<String> {
        self.got().into_iter().map(|(control, _)| control).collect()
    }

    /// How many came.
    pub fn count(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

/// Waits until something holds, for at most `secs` of the ports' time.
pub async fn until(ports: &Ports, secs: u64, what: &str, holds: impl Fn() -> bool) {
    let end = ports.clock.monotonic() + Duration::from_secs(secs);
    while !holds() {
        assert!(ports.clock.monotonic() < end, "not within {secs} s: {what}");
        ports.clock.sleep(Duration::from_millis(20)).await;
    }
}

/// The ledger of one destination.
pub fn ledger(engine: &Engine, channel: &str, destination: &str) -> LedgerRow {
    let rows = engine.ledger(&Filter::all()).unwrap();
    let found = rows
        .into_iter()
        .find(|row| row.channel.as_str() == channel && row.destination.as_str() == destination);
    found.unwrap_or_else(|| panic!("no ledger row of {channel}/{destination}"))
}
