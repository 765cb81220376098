//! The destination `mllp`: one kept connection, one message at a time, its answer matched
//! by MSA-2.
//!
//! How an answer counts:
//!
//! | answer | counts as |
//! | --- | --- |
//! | AA, CA | delivered; after CA the application's answer is waited for where MSH-16 asks for it and `await_application` is set |
//! | AR, CR | permanent (`W7201`) |
//! | AE, CE with an ERR of table 0357 that blames the data (100 to 105, 200 to 205) | permanent (`W7203`) |
//! | any refusal with 206 (record locked) or 207 (internal error); AE, CE without ERR | transient (`W7202`): the peer's own trouble |
//! | for an earlier message of this connection | passed over: it came late |
//! | for any other message | transient (`W7110`), connection dropped |
//! | a commit block NAK (MLLP release 2, with `commit_bytes`) | transient (`W7111`) |
//! | none in time, broken connection | transient (`W7108`, `W7107`), connection dropped |
//!
//! A message that asks for no answer (MSH-15 and MSH-16 say never) counts as delivered once
//! it is written: that is what its sender chose.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

mod numbers;

use super::{Delivered, DeliveryError, Destination};
use crate::base::MessageId;
use crate::fault::{Fault, codes::*};
use crate::hl7v2::ack::{self, Ack, Condition, Mode};
use crate::hl7v2::mllp::{self, Decoder, Event, Framing};
use crate::hl7v2::{Message, Recode};
use crate::message::{ContentKind, Delivery, Receipt};
use crate::ports::tls::{self, PeerTls, TlsClientPlan};
use crate::ports::{Ports, Stream};
use crate::settings::{Key, KeyRow, KindRow, Shape, Table};

/// Largest answer: acknowledgments have a few hundred bytes, and a peer that sends
/// something else must not fill memory.
const ACK_BYTES_MAX: usize = 1 << 20;

/// Read buffer for answers.
const READ_BYTES: usize = 4 << 10;

/// Control IDs of a connection that are remembered to know late answers.
const RECENT_MAX: usize = 32;

/// Longest control ID of a message that starts the link: the length of MSH-10 before 2.7.
const CONTROL_ID_MAX: usize = 20;

/// Silence after which an FS without CR ends an answer.
const LOOSE_END: Duration = Duration::from_millis(100);

/// The keys of the destination `mllp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MllpPlan {
    /// `host:port` to connect to.
    pub connect: Arc<str>,
    /// TLS; `None`: plain TCP.
    pub tls: Option<TlsClientPlan>,
    /// Longest wait for an answer; `None`: the courier's time-out holds.
    pub ack_timeout: Option<Duration>,
    /// Whether a commit acknowledgment is enough, or the application's is waited for too
    /// where the message asks for it.
    pub await_application: bool,
    /// Whether the peer answers each message by a commit block (ACK or NAK) of MLLP release
    /// 2, and hears one for each answer.
    pub commit_bytes: bool,
    /// Character set in which messages leave; `None`: their own.
    pub recode: Option<Recode>,
    /// Whether messages are numbered by the sequence number protocol.
    pub sequence: bool,
}

const CONNECT: Key<Arc<str>> =
    Key::new("connect", "an address such as `lis.example:6661`", "Peer to connect to.");
const ACK_TIMEOUT: Key<Duration> =
    Key::new("ack_timeout", "a duration such as `30s`", "Longest wait for an answer.")
        .default("the destination's `timeout`");
const AWAIT_APPLICATION: Key<bool> = Key::new(
    "await_application",
    "`true` or `false`",
    "Waits for the application acknowledgment after a commit acknowledgment.",
)
.default("false");

const COMMIT_BYTES: Key<bool> = Key::new(
    "commit_bytes",
    "`true` or `false`",
    "Waits for a commit block of MLLP release 2 before the acknowledgment, and sends one.",
)
.default("false");

const SEQUENCE: Key<bool> = Key::new(
    "sequence",
    "`true` or `false`",
    "Numbers messages in MSH-13 by the sequence number protocol: from the number that the peer \
     expects, which it is asked for when a connection begins.",
)
.default("false");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "mllp",
    about: "Sends HL7 v2 messages over TCP in MLLP frames and waits for each answer.",
    keys: &[
        CONNECT.required().row(),
        KeyRow::of("tls", "TLS to the peer; plain TCP without.", Shape::Table(tls::CLIENT_KEYS)),
        ACK_TIMEOUT.row(),
        AWAIT_APPLICATION.row(),
        COMMIT_BYTES.row(),
        super::CHARSET.row(),
        super::UNFIT.row(),
        SEQUENCE.row(),
    ],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<MllpPlan> {
    let connect = table.required_spanned(&CONNECT);
    let tls = tls::read_client(table);
    let ack_timeout = table.optional(&ACK_TIMEOUT);
    let await_application = table.or(&AWAIT_APPLICATION, false);
    let commit_bytes = table.or(&COMMIT_BYTES, false);
    let recode = super::recode(table);
    let sequence = table.or(&SEQUENCE, false);
    let connect = connect?;
    if let Err(fault) = tls::host_and_port(&connect.value) {
        table.error(fault, &connect.span);
        return None;
    }
    Some(MllpPlan {
        connect: connect.value,
        tls,
        ack_timeout,
        await_application,
        commit_bytes,
        recode,
        sequence,
    })
}

/// Makes one; connects nothing.
pub(super) fn build(plan: &MllpPlan, ports: &Ports) -> Box<dyn Destination> {
    let (plan, ports) = (plan.clone(), ports.clone());
    Box::new(MllpDestination { plan, ports, tls: None, link: None, unanswered: None })
}

struct MllpDestination {
    plan: MllpPlan,
    ports: Ports,
    /// Made from the plan's files at the first connection.
    tls: Option<PeerTls>,
    link: Option<Link>,
    unanswered: numbers::Unanswered,
}

/// A connection at a message boundary.
struct Link {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    /// Control IDs sent before, newest last.
    recent: VecDeque<Bytes>,
    /// MSA-4 of the last answer.
    expected: Option<i64>,
    /// Sequence number of the next message; none before the peer was asked.
    next: Option<u64>,
}

/// What is asked of the peer for one message.
struct Asked {
    control_id: Bytes,
    /// A commit or an application acknowledgment comes when all is well.
    answer: bool,
    /// The application's is waited for.
    application: bool,
    /// A commit block comes first.
    commit_block: bool,
}

impl Asked {
    /// The same asked for another message.
    fn copy(&self) -> Self {
        Self { control_id: self.control_id.clone(), ..*self }
    }
}

#[async_trait]
impl Destination for MllpDestination {
    async fn open(&mut self, _ports: &Ports) -> Result<(), DeliveryError> {
        if self.link.as_mut().is_some_and(|link| !link.is_broken()) {
            return Ok(());
        }
        self.link = None;
        if let (None, Some(plan)) = (&self.tls, &self.plan.tls) {
            let (host, _) = tls::host_and_port(&self.plan.connect)?;
            self.tls = Some(PeerTls::new(plan, host)?);
        }
        let stream = tls::dial(&*self.ports.net, &self.plan.connect, self.tls.as_ref()).await?;
        self.link = Some(Link {
            stream,
            decoder: Decoder::new(Framing::Lenient, ACK_BYTES_MAX),
            recent: VecDeque::new(),
            expected: None,
            next: None,
        });
        Ok(())
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        if delivery.body.kind != ContentKind::Hl7 {
            return Err(Fault::new(W7205).into());
        }
        if memchr::memchr2(mllp::VT, mllp::FS, &delivery.body.bytes).is_some() {
            return Err(Fault::new(W7206).into());
        }
        let asked = self.asked(&delivery.body.bytes)?;
        let ports = self.ports.clone();
        self.open(&ports).await?;
        let Some(mut link) = self.link.take() else {
            return Err(Fault::new(W9001).because("opened without a connection").into());
        };
        // The connection is out of `self` while it is in use: a dropped future drops it.
        let now = ports.clock.now();
        let mut greeting = MessageId::new(now, ports.entropy.bits()).to_string();
        greeting.truncate(CONTROL_ID_MAX);
        let (limit, unanswered) = (self.plan.ack_timeout, &mut self.unanswered);
        let numbered = self.plan.sequence;
        let exchange = async {
            match numbered {
                true => numbers::exchange(&mut link, unanswered, delivery, &asked, &greeting).await,
                false => link.exchange(&delivery.body.bytes, &asked).await,
            }
        };
        let answered = match limit {
            Some(limit) => timeout(limit, exchange).await.unwrap_or_else(|_| {
                Err(Fault::new(W7108).because(crate::base::format_duration(limit)))
            }),
            None => exchange.await,
        };
        let answered = answered.map_err(|fault| fault.because_at(&self.plan.connect));
        match &answered {
            // The peer answered, whatever it said: the connection is in step.
            Ok(_) => self.link = Some(link),
            Err(fault) if matches!(fault.code(), W7111 | W7201 | W7202 | W7203) => {
                self.link = Some(link)
            }
            Err(_) => {}
        }
        Ok(answered?.into())
    }

    async fn close(&mut self) {
        if let Some(mut link) = self.link.take() {
            // A peer that is gone already needs no goodbye.
            let _ = timeout(LOOSE_END, link.stream.shutdown()).await;
        }
    }
}

/// Completes a cause by the address.
trait BecauseAt {
    fn because_at(self, address: &str) -> Self;
}

impl BecauseAt for Fault {
    fn because_at(self, address: &str) -> Self {
        let cause = match self.cause() {
            Some(cause) => format!("{address}: {cause}"),
            None => address.to_owned(),
        };
        self.because(cause)
    }
}

impl MllpDestination {
    fn asked(&self, bytes: &Bytes) -> Result<Asked, Fault> {
        let message = Message::parse(bytes.clone())?;
        let control_id = message.header().control_id();
        if !control_id.is_valued() {
            return Err(Fault::new(W7204));
        }
        let plan = ack::awaited(&message);
        let comes = |condition| matches!(condition, Condition::Always | Condition::Success);
        Ok(Asked {
            control_id: Bytes::copy_from_slice(control_id.raw()),
            answer: comes(plan.accept) || comes(plan.application),
            application: comes(plan.application)
                && (self.plan.await_application
                    || (plan.mode == Mode::Enhanced && !comes(plan.accept))),
            commit_block: self.plan.commit_bytes,
        })
    }
}

impl Link {
    /// Whether the peer has closed, as far as can be seen without waiting. Answers that
    /// came late are passed over on the way.
    fn is_broken(&mut self) -> bool {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            let mut read = pin!(self.stream.read_buf(&mut buffer));
            let seen = {
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                read.as_mut().poll(&mut context)
            };
            match seen {
                Poll::Pending => return self.decoder.in_frame(),
                Poll::Ready(Ok(0) | Err(_)) => return true,
                Poll::Ready(Ok(_)) => {}
            }
            self.decoder.push(buffer.split());
            loop {
                match self.decoder.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return true,
                }
            }
        }
    }

    async fn exchange(&mut self, body: &[u8], asked: &Asked) -> Result<Receipt, Fault> {
        let mut out = BytesMut::new();
        mllp::encode(body, &mut out);
        let broke = |error: std::io::Error| Fault::new(W7107).because(error.kind().to_string());
        self.stream.write_all_buf(&mut out).await.map_err(broke)?;
        self.stream.flush().await.map_err(broke)?;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(asked.control_id.clone());
        if asked.commit_block {
            let frame = self.frame().await?;
            match &frame[..] {
                [mllp::ACK] => {}
                [mllp::NAK] => return Err(Fault::new(W7111)),
                _ => return Err(Fault::new(W7109).because("no commit block before the answer")),
            }
        }
        if !asked.answer {
            return Ok(Receipt::Ack { code: "".into() });
        }
        loop {
            let frame = self.frame().await?;
            if asked.commit_block {
                let mut out = BytesMut::new();
                mllp::encode(&[mllp::ACK], &mut out);
                self.stream.write_all_buf(&mut out).await.map_err(broke)?;
                self.stream.flush().await.map_err(broke)?;
            }
            let Some(answer) = self.matched(&frame, &asked.control_id)? else { continue };
            self.expected = answer.expected;
            if !answer.code.is_accept() {
                return Err(refusal(&answer));
            }
            if answer.code.is_commit() && asked.application {
                continue;
            }
            return Ok(Receipt::Ack { code: answer.code.as_str().into() });
        }
    }

    /// Reads one frame.
    async fn frame(&mut self) -> Result<Bytes, Fault> {
        let mut buffer = BytesMut::new();
        loop {
            match self.decoder.next() {
                Ok(Some(Event::Frame(frame))) => return Ok(frame),
                Ok(Some(Event::Junk(_))) => continue,
                Ok(None) => {}
                Err(fault) => return Err(Fault::new(W7109).because(fault.code().as_str())),
            }
            buffer.reserve(READ_BYTES);
            let read = self.stream.read_buf(&mut buffer);
            let read = if self.decoder.awaits_end() {
                match timeout(LOOSE_END, read).await {
                    Ok(read) => read,
                    Err(_) => match self.decoder.release() {
                        Some(Event::Frame(frame)) => return Ok(frame),
                        _ => continue,
                    },
                }
            } else {
                read.await
            };
            match read {
                Ok(0) => match self.decoder.release() {
                    Some(Event::Frame(frame)) => return Ok(frame),
                    _ => return Err(Fault::new(W7107).because("the peer closed")),
                },
                Ok(_) => self.decoder.push(buffer.split()),
                Err(error) => return Err(Fault::new(W7107).because(error.kind().to_string())),
            }
        }
    }

    /// The answer in a frame when it is for this message; `None` when it came late for an
    /// earlier one.
    fn matched(&self, frame: &Bytes, control_id: &[u8]) -> Result<Option<Ack>, Fault> {
        let answer =
            ack::read(frame).map_err(|fault| Fault::new(W7109).because(fault.code().as_str()))?;
        let id = answer.control_id.trim_ascii();
        if id == control_id.trim_ascii() {
            return Ok(Some(answer));
        }
        if self.recent.iter().any(|sent| sent.trim_ascii() == id) {
            return Ok(None);
        }
        Err(Fault::new(W7110))
    }
}

/// What a refusal means. Its texts are left out; codes and places are not content.
fn refusal(answer: &Ack) -> Fault {
    let severe = |e: &&ack::AckError| !matches!(e.severity.as_deref(), Some("I" | "W"));
    let condition = |e: &ack::AckError| e.condition.as_deref().and_then(|c| c.parse::<u16>().ok());
    let errors = || answer.errors.iter().filter(severe);
    let data = errors().find(|e| matches!(condition(e), Some(100..=105 | 200..=205)));
    let theirs = errors().any(|e| matches!(condition(e), Some(206 | 207)));
    let rejected = matches!(answer.code, ack::AckCode::AR | ack::AckCode::CR);
    let code = match (data, theirs, rejected) {
        (Some(_), _, false) => W7203,
        (None, true, _) => W7202,
        (_, _, true) => W7201,
        (None, false, false) => W7202,
    };
    let mut cause = answer.code.to_string();
    if let Some(error) = data.or_else(|| errors().next()) {
        for part in [&error.condition, &error.application].into_iter().flatten() {
            cause.push(' ');
            cause.push_str(part);
        }
        if let Some(place) = &error.place {
            cause.push_str(&format!(" at {place}"));
        }
    }
    Fault::new(code).because(cause)
}

#[cfg(test)]
mod tests;
