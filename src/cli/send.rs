//! `weir send`: an MLLP and FHIR client for trying things.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde_json::json;

use super::args::SendArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::{block_on, read_file, shown};
use crate::base::{MessageId, limits};
use crate::fault::codes::{W7107, W7108};
use crate::fault::{Fault, Place};
use crate::hl7v2::{Message, Path, ack, batch};
use crate::ports::Ports;
use crate::ports::http::{Call, Client, Url};
use crate::ports::tls::{PeerTls, TlsClientPlan, host_and_port};
use crate::tool::client::MllpClient;

/// Where to send.
enum Target {
    Mllp(String),
    Mllps(String),
    Http(String),
}

fn target(text: &str) -> Result<Target, Stop> {
    if let Some(rest) = text.strip_prefix("mllp://") {
        return Ok(Target::Mllp(rest.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("mllps://") {
        return Ok(Target::Mllps(rest.to_owned()));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Target::Http(text.to_owned()));
    }
    let text =
        format!("`{text}` is not a target: write mllp://HOST:PORT, mllps://.. or https://..");
    Err(Stop::Said(Exit::Usage, text))
}

pub fn run(args: &SendArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let to = target(&args.target)?;
    let mut messages = Vec::new();
    for file in &args.files {
        let bytes = Bytes::from(read_file(file)?);
        match &to {
            Target::Http(_) => messages.push((shown(file), bytes)),
            _ => {
                let parts = batch::split(&bytes)
                    .map_or_else(|_| vec![bytes.clone()], |batch| batch.messages);
                let many = parts.len() > 1;
                for (at, part) in parts.into_iter().enumerate() {
                    let number = if many { format!("#{}", at + 1) } else { String::new() };
                    messages.push((format!("{}{number}", shown(file)), part));
                }
            }
        }
    }
    let tls = TlsClientPlan { ca: args.ca.clone(), ..TlsClientPlan::default() };
    block_on(async {
        let ports = Ports::system();
        match to {
            Target::Mllp(address) => {
                let line = Line::open(&ports, &address, None).await?;
                over_mllp(line, &messages, args, shell).await
            }
            Target::Mllps(address) => {
                let peer = PeerTls::new(&tls, host_and_port(&address)?.0)?;
                let line = Line::open(&ports, &address, Some(&peer)).await?;
                over_mllp(line, &messages, args, shell).await
            }
            Target::Http(url) => over_http(&url, &tls, &ports, &messages, args, shell).await,
        }
    })
}

/// A connection to a peer, opened again when the peer closed it after an answer.
struct Line<'a> {
    ports: &'a Ports,
    address: &'a str,
    tls: Option<&'a PeerTls>,
    client: MllpClient,
    /// Answers that came on this connection.
    answers: u64,
}

impl<'a> Line<'a> {
    async fn open(
        ports: &'a Ports,
        address: &'a str,
        tls: Option<&'a PeerTls>,
    ) -> Result<Self, Stop> {
        let client = MllpClient::connect(ports, address, tls).await.map_err(lost)?;
        Ok(Self { ports, address, tls, client, answers: 0 })
    }

    /// Sends a message and waits for its answer. Many peers close after each answer, or
    /// when idle: then the message goes once more, over a new connection.
    async fn ask(&mut self, message: &[u8], timeout: Duration) -> Result<Bytes, Stop> {
        let answer = match self.client.ask(self.ports, message, timeout).await {
            Err(fault) if fault.code() == W7107 && self.answers > 0 => {
                *self = Self::open(self.ports, self.address, self.tls).await?;
                self.client.ask(self.ports, message, timeout).await
            }
            answer => answer,
        };
        self.answers += 1;
        answer.map_err(lost)
    }
}

async fn over_mllp(
    mut line: Line<'_>,
    messages: &[(String, Bytes)],
    args: &SendArgs,
    shell: &mut Shell,
) -> Result<Exit, Stop> {
    let mut exit = Exit::Done;
    for round in 0..args.count {
        for (name, bytes) in messages {
            let bytes =
                if args.count > 1 { renumbered(bytes, round, line.ports) } else { bytes.clone() };
            let answer = line.ask(&bytes, args.timeout).await?;
            if !show_ack(name, &answer, shell)? {
                exit = Exit::No;
            }
            pace(args.rate, line.ports).await;
        }
    }
    Ok(exit)
}

fn lost(fault: Fault) -> Stop {
    if fault.code() == W7108 {
        let remedy = "Wait longer with `--timeout`, or ask why the peer is slow.";
        return Stop::Fault(fault.remedy(remedy), Exit::Timeout);
    }
    Stop::Fault(fault, Exit::Unreachable)
}

/// The same message under a control ID of its own.
fn renumbered(bytes: &Bytes, round: u64, ports: &Ports) -> Bytes {
    let unique = MessageId::new(ports.clock.now(), ports.entropy.bits()).to_string();
    let control_id = format!("{}-{round}", &unique[16..]);
    let changed = Message::parse(bytes.clone()).and_then(|mut message| {
        message.set(&Path::parse("MSH-10")?, &control_id)?;
        Ok(message.write())
    });
    changed.unwrap_or_else(|_| bytes.clone())
}

async fn pace(rate: Option<f64>, ports: &Ports) {
    if let Some(rate) = rate {
        let pause = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        ports.clock.sleep(pause).await;
    }
}

/// Shows an acknowledgment; says whether it is positive.
fn show_ack(name: &str, answer: &Bytes, shell: &mut Shell) -> Result<bool, Stop> {
    let Ok(ack) = ack::read(answer) else {
        shell.line(format!("{name}: {}", shell.paint(Tone::Bad, "the answer is no ACK")))?;
        return Ok(false);
    };
    let positive = ack.code.is_accept();
    let control_id = String::from_utf8_lossy(&ack.control_id).into_owned();
    let said = said(answer);
    if !shell.is_text() {
        shell.json(&json!({
            "schema": "weir.ack.v1", "file": name, "code": ack.code.as_str(),
            "control_id": control_id, "accepted": positive, "error": said,
        }))?;
        return Ok(positive);
    }
    let tone = if positive { Tone::Good } else { Tone::Bad };
    let code = shell.paint(tone, ack.code.as_str());
    shell.line(format!("{name}: {code} {control_id}"))?;
    for line in said {
        shell.line(format!("  {line}"))?;
    }
    shell.flush()?;
    Ok(positive)
}

/// What an acknowledgment says of errors: ERR-2, -3, -5 and -8, else MSA-3.
fn said(answer: &Bytes) -> Vec<String> {
    let Ok(message) = Message::parse(answer.clone()) else { return Vec::new() };
    let text = |segment: &crate::hl7v2::Segment<'_>, field: usize| {
        segment.field(field).map(|v| v.text().into_owned()).unwrap_or_default()
    };
    let errors = message.segments().filter(|segment| segment.id() == "ERR").map(|err| {
        let parts = [text(&err, 5), text(&err, 3), text(&err, 2), text(&err, 8)];
        parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("  ")
    });
    let mut said: Vec<String> = errors.filter(|line| !line.is_empty()).collect();
    if said.is_empty() {
        let msa = message.segments().find(|segment| segment.id() == "MSA");
        said.extend(msa.map(|msa| text(&msa, 3)).filter(|line| !line.is_empty()));
    }
    said
}

async fn over_http(
    url: &str,
    tls: &TlsClientPlan,
    ports: &Ports,
    messages: &[(String, Bytes)],
    args: &SendArgs,
    shell: &mut Shell,
) -> Result<Exit, Stop> {
    let url = Url::parse(url)?;
    let path = if url.path.is_empty() { "/".to_owned() } else { url.path.to_string() };
    let mut client = Client::new(url.clone(), Some(tls), limits::FRAME_BYTES_MAX.as_usize())?;
    let json = HeaderValue::from_static("application/fhir+json");
    let headers = vec![(CONTENT_TYPE, json.clone()), (ACCEPT, json)];
    let mut exit = Exit::Done;
    for _ in 0..args.count {
        for (name, bytes) in messages {
            let call = Call {
                method: Method::POST,
                path: path.clone(),
                headers: headers.clone(),
                body: bytes.clone(),
            };
            let answer = tokio::select! {
                answer = client.send(&*ports.net, call) => answer.map_err(lost)?,
                () = ports.clock.sleep(args.timeout) => {
                    return Err(lost(Fault::new(W7108).at(Place::path(url.to_string()))));
                }
            };
            if !(200..300).contains(&answer.status) {
                exit = Exit::No;
            }
            let body = answer.body.unwrap_or_default();
            show_response(name, answer.status, &body, shell)?;
            pace(args.rate, ports).await;
        }
    }
    Ok(exit)
}

fn show_response(name: &str, status: u16, body: &Bytes, shell: &mut Shell) -> Result<(), Stop> {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    if !shell.is_text() {
        return shell.json(&json!({
            "schema": "weir.response.v1", "file": name, "status": status, "body": json,
        }));
    }
    let tone = if (200..300).contains(&status) { Tone::Good } else { Tone::Bad };
    let code = shell.paint(tone, status.to_string());
    let kind = json["resourceType"].as_str().unwrap_or_default().to_owned();
    shell.line(format!("{name}: {code} {kind}"))?;
    for issue in json["issue"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |key: &str| issue[key].as_str().unwrap_or_default().to_owned();
        let at = issue["expression"][0].as_str().unwrap_or_default();
        let code = issue["details"]["coding"][0]["code"].as_str().unwrap_or_default();
        let line = [text("severity"), code.to_owned(), at.to_owned(), text("diagnostics")];
        let line: Vec<String> = line.into_iter().filter(|part| !part.is_empty()).collect();
        shell.line(format!("  {}", line.join("  ")))?;
    }
    shell.flush()
}
