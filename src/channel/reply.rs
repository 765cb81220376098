//! What the sender hears.
//!
//! One answer a message: in enhanced mode the commit acknowledgment where MSH-15 asks for
//! one, else the application acknowledgment where MSH-16 does. Where both are asked for, the
//! second is a message of its own ([`application`]), which leaves when the engine knows the
//! result: never in the place of an answer, since the many senders that wait for exactly one
//! frame would take it for the answer to their next message.
//!
//! Source: HL7 v2.5.1 chapter 2, message processing rules.

use std::sync::Arc;

use bytes::Bytes;

use super::{AckMode, Answering, Encoding, Parsed};
use crate::base::{MessageId, Timestamp};
use crate::fault::Fault;
use crate::fhir;
use crate::hl7v2::ack::{self, AckCode, Condition, Mode, Outcome, Plan, Stage};
use crate::hl7v2::{self, xml};
use crate::message::{Content, ContentKind};

/// The answer to one message.
#[derive(Clone)]
pub struct Reply {
    /// Whether weir is responsible for the message from now on.
    pub accepted: bool,
    /// MSA-1; none where no acknowledgment is due.
    pub code: Option<AckCode>,
    /// The acknowledgment; the OperationOutcome where FHIR is refused; none where none is
    /// due.
    pub body: Option<Bytes>,
    /// Why it was refused.
    pub fault: Option<Fault>,
    /// Whether an application acknowledgment is asked for besides this commit acknowledgment.
    pub application: bool,
    /// What the mapping of the answer left out, or why it gave nothing: codes and places.
    pub warnings: Vec<Arc<str>>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or("", AckCode::as_str);
        write!(f, "Reply({code:?}, accepted: {}, {:?})", self.accepted, self.fault)
    }
}

impl Reply {
    /// No word, for what must not be answered.
    #[must_use]
    pub const fn silent(accepted: bool, fault: Option<Fault>) -> Self {
        let warnings = Vec::new();
        Self { accepted, code: None, body: None, fault, application: false, warnings }
    }

    /// The acknowledgment code as text; empty without one.
    #[must_use]
    pub fn code_text(&self) -> &'static str {
        self.code.map_or("", AckCode::as_str)
    }
}

/// How a message is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// weir has it.
    Accept,
    /// Its content or our state does not allow it now: `AE`, `CE`.
    Error,
    /// The channel does not take such messages: `AR`, `CR`.
    Reject,
}

/// The time of an answer and the message it is about; MSH-10 of the acknowledgment is the
/// first 20 characters of the message's id, the longest that HL7 before 2.7 allows.
pub(super) type Stamp = (MessageId, Timestamp);

/// Builds the answer to a parsed message.
pub(super) fn build(
    how: &Answering,
    parsed: &Parsed,
    answer: Answer,
    fault: Option<Fault>,
    stamp: Stamp,
) -> Reply {
    let accepted = answer == Answer::Accept;
    let Content::Hl7(message) = &parsed.content else {
        let body = match &parsed.content {
            Content::Fhir(_) => fault.as_ref().map(outcome),
            Content::Hl7(_) | Content::Cda(_) | Content::Raw(_) => None,
        };
        return Reply { body, ..Reply::silent(accepted, fault) };
    };
    match code(how.mode, message, answer) {
        Some(code) => {
            let own = Own::of(how, message, code);
            let stamp = (stamp.1, &*control(stamp.0));
            let body = ack::build_as(message, (code, fault.as_ref()), stamp, &own.form(None));
            let body = if parsed.xml { in_xml(body) } else { body };
            let plan = effective(how.mode, message);
            let application = accepted && code.is_commit() && plan.application != Condition::Never;
            let (code, body, warnings) = (Some(code), Some(body), own.warnings);
            Reply { accepted, code, body, fault, application, warnings }
        }
        None => Reply::silent(accepted, fault),
    }
}

/// The answer to bytes that could not be parsed: `AR` with the reason, for HL7 v2. XML is
/// answered in XML where the channel takes it.
pub(super) fn unparsed(
    (kind, encoding): (ContentKind, Encoding),
    bytes: &[u8],
    code: AckCode,
    fault: Fault,
    stamp: Stamp,
) -> Reply {
    let accepted = code == AckCode::AA;
    if kind != ContentKind::Hl7 {
        let body = (kind == ContentKind::FhirJson && !accepted).then(|| outcome(&fault));
        return Reply { body, ..Reply::silent(accepted, Some(fault)) };
    }
    let (control, now) = (control(stamp.0), stamp.1);
    let body = if encoding != Encoding::Er7 && xml::is_document(bytes) {
        let body = match xml::head(bytes) {
            Some(head) => ack::build(&head, code, Some(&fault), now, &control),
            None => ack::build_unparsed(b"", code, &fault, now, &control),
        };
        in_xml(body)
    } else {
        ack::build_unparsed(bytes, code, &fault, now, &control)
    };
    Reply { code: Some(code), body: Some(body), ..Reply::silent(accepted, Some(fault)) }
}

/// A response of its own (RSP, ORR and the like), where the channel gives any.
#[derive(Default)]
struct Own {
    response: Option<ack::Response>,
    segments: Vec<Vec<u8>>,
    warnings: Vec<Arc<str>>,
}

/// Most warnings that are kept of the mapping of an answer.
const WARNINGS_MAX: usize = 32;

impl Own {
    /// The response to a message; a commit acknowledgment is always ACK. The mapping is asked
    /// for what was taken alone.
    fn of(how: &Answering, message: &hl7v2::Message, code: AckCode) -> Self {
        let Some(responses) = how.responses.as_ref().filter(|_| !code.is_commit()) else {
            return Self::default();
        };
        let Some(response) = ack::response(message) else { return Self::default() };
        let mut own = Self::default();
        let mut made = Vec::new();
        if let Some(mapping) = responses.mapping(message, &response).filter(|_| code.is_accept()) {
            let told = |fault: &Fault| match &fault.place().path {
                Some(path) => format!("{} {path}", fault.code()).into(),
                None => fault.code().as_str().into(),
            };
            match mapping.segments(message) {
                Ok(mapped) => {
                    own.warnings = mapped.warnings.iter().take(WARNINGS_MAX).map(told).collect();
                    made = mapped.content;
                }
                // The message is taken all the same; its sender hears that much.
                Err(fault) => own.warnings.push(told(&fault)),
            }
        }
        let begins = |segment: &[u8], other: &[u8]| segment.get(..3) == other.get(..3);
        own.segments = response.echo(message, code, !made.is_empty());
        // What the mapping says itself stands in the place of what is repeated.
        own.segments.retain(|echo| !made.iter().any(|segment| begins(segment, echo)));
        own.segments.extend(made);
        own.response = Some(response);
        own
    }

    fn form<'a>(&'a self, asks: Option<(&'a str, &'a str)>) -> ack::Form<'a> {
        ack::Form { asks, response: self.response.map(|response| (response, &*self.segments)) }
    }
}

/// The answer to who sent FHIR that is refused.
fn outcome(fault: &Fault) -> Bytes {
    fhir::resources::outcome(std::slice::from_ref(fault)).to_json()
}

/// Refuses a message with a reason of the engine, as when the store cannot take it: `AE`
/// or `CE`. Nothing of it is weir's then.
#[must_use]
pub fn refuse(
    how: &Answering,
    bytes: &Bytes,
    fault: Fault,
    (id, now): (MessageId, Timestamp),
) -> Reply {
    match super::parse(how.input, bytes.clone()) {
        Ok(parsed) => build(how, &parsed, Answer::Error, Some(fault), (id, now)),
        Err(_) => unparsed((how.input, Encoding::Any), bytes, AckCode::AE, fault, (id, now)),
    }
}

/// Accepts a message that only says something about the link: there is nothing to keep.
#[must_use]
pub fn accept(how: &Answering, bytes: &Bytes, stamp: (MessageId, Timestamp)) -> Reply {
    match super::parse(how.input, bytes.clone()) {
        // Such a message asks nothing: a general acknowledgment is all that is wanted.
        Ok(parsed) => {
            let how = Answering { responses: None, ..how.clone() };
            build(&how, &parsed, Answer::Accept, None, stamp)
        }
        Err(fault) => Reply::silent(false, Some(fault)),
    }
}

/// The application acknowledgment of a message whose commit was acknowledged before; none
/// where it is not asked for. `asks`: it asks for a commit acknowledgment itself, as where it
/// travels on a connection of its own.
#[must_use]
pub fn application(
    how: &Answering,
    bytes: &Bytes,
    fault: Option<Fault>,
    asks: bool,
    (id, now): (MessageId, Timestamp),
) -> Option<Reply> {
    let parsed = super::parse(how.input, bytes.clone()).ok()?;
    let Content::Hl7(message) = &parsed.content else { return None };
    let plan = effective(how.mode, message);
    plan.answer(Stage::Commit, Outcome::Accepted)?;
    let outcome = if fault.is_some() { Outcome::Error } else { Outcome::Accepted };
    let code = plan.answer(Stage::Application, outcome)?;
    let asks = Some((if asks { "AL" } else { "NE" }, "NE"));
    let own = Own::of(how, message, code);
    let stamp = (now, &*control(id));
    let body = ack::build_as(message, (code, fault.as_ref()), stamp, &own.form(asks));
    let body = if parsed.xml { in_xml(body) } else { body };
    let (code, body, warnings) = (Some(code), Some(body), own.warnings);
    Some(Reply { code, body, warnings, ..Reply::silent(fault.is_none(), fault) })
}

/// An answer in the XML encoding.
fn in_xml(body: Bytes) -> Bytes {
    let written = hl7v2::Message::parse(body.clone()).and_then(|ack| xml::write(&ack));
    // What was just built can be read.
    written.map_or(body, Bytes::from)
}

/// Puts bytes into a field of MSA of an answer, in whichever encoding it is: for what only
/// the engine knows of the answer.
#[must_use]
pub fn amended(body: &Bytes, field: usize, raw: &[u8]) -> Bytes {
    let is_xml = xml::is_document(body);
    let changed = || {
        let mut ack = if is_xml { xml::read(body)? } else { hl7v2::Message::parse(body.clone())? };
        ack.set_raw(&hl7v2::Path::parse(&format!("MSA-{field}"))?, raw)?;
        if is_xml { xml::write(&ack).map(Bytes::from) } else { Ok::<_, Fault>(ack.write()) }
    };
    changed().unwrap_or_else(|_| body.clone())
}

fn control(id: MessageId) -> String {
    let mut text = id.to_string();
    text.truncate(20);
    text
}

/// Which code is due, if any.
fn code(mode: AckMode, message: &hl7v2::Message, answer: Answer) -> Option<AckCode> {
    let plan = effective(mode, message);
    let outcome = match answer {
        Answer::Accept => Outcome::Accepted,
        Answer::Error => Outcome::Error,
        Answer::Reject => Outcome::Rejected,
    };
    plan.answer(Stage::Commit, outcome).or_else(|| plan.answer(Stage::Application, outcome))
}

/// What a message asks for under the mode of its channel.
fn effective(mode: AckMode, message: &hl7v2::Message) -> Plan {
    let asked = ack::plan(message);
    match (mode, asked.mode) {
        (AckMode::Original, _) => Plan::ORIGINAL,
        (AckMode::Enhanced, Mode::Original) => {
            Plan { mode: Mode::Enhanced, accept: Condition::Always, application: Condition::Never }
        }
        (AckMode::Auto | AckMode::Enhanced, _) => asked,
    }
}
