//! What the sender hears.
//!
//! Source: FHIR R4 http.html#transaction-response.

use std::fmt;

use bytes::Bytes;

use super::super::look::Look;
use super::super::search::{LOOKS_MAX, Looks, Run};
use super::{Answer, Form, bundle};
use crate::base::Timestamp;
use crate::fault::Fault;
use crate::fhir::resources::outcome;
use crate::fhir::rest::{self, Interaction, Refused};
use crate::fhir::transaction::Transaction;
use crate::fhir::{Builder, Doc};

/// An answer as HTTP has it. Patient data: `Debug` shows status and length.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Status.
    pub status: u16,
    /// `Location`, below the base: `Patient/1/_history/2`.
    pub location: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<Timestamp>,
    /// The body, FHIR JSON; empty where there is none.
    pub body: Bytes,
    /// Whether the body answers a Bundle, entry by entry.
    pub bundled: bool,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Told({} <phi {} B>)", self.status, self.body.len())
    }
}

/// The answer to a write that was refused whole.
#[must_use]
pub fn refusal(refused: &Refused) -> Told {
    let body = outcome(std::slice::from_ref(&refused.fault)).to_json();
    Told { status: refused.status, body, ..Told::default() }
}

/// The answer to a write from the answers that were kept with it: of one resource its
/// version, of a Bundle a Bundle. What entries read is read as it stands now.
///
/// # Errors
/// Those of the store and of the body, which was read before.
pub fn say(
    body: &Bytes,
    asked: &Asked<'_>,
    answers: &[Answer],
    look: &dyn Look,
) -> Result<Told, Refused> {
    let doc = Doc::parse_json(body.clone())?;
    match (Form::of(&doc, asked.message_type)?, answers) {
        (Form::One | Form::Wrapped, [answer]) => Ok(one(answer, look)?),
        (Form::Batch, answers) => whole(&doc, "batch-response", answers, (look, asked)),
        (_, answers) => whole(&doc, "transaction-response", answers, (look, asked)),
    }
}

/// How an answer was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Type of the message.
    pub message_type: &'a str,
    /// As [`super::Origin::base`].
    pub base: &'a str,
    /// The time.
    pub now: Timestamp,
}

fn one(answer: &Answer, look: &dyn Look) -> Result<Told, Fault> {
    let mut told = Told { status: answer.status, ..Told::default() };
    if let Some(fault) = &answer.fault {
        told.body = outcome(std::slice::from_ref(fault)).to_json();
    }
    if let Some((kind, id, number)) = &answer.version {
        told.location = Some(format!("{kind}/{id}/_history/{number}"));
        told.etag = Some(rest::etag(&number.to_string()));
        if let Some(version) = look.version(kind, id, *number)? {
            told.last_modified = Some(version.at);
            told.body = version.body;
        }
    }
    Ok(told)
}

fn whole(
    doc: &Doc,
    ty: &str,
    answers: &[Answer],
    (look, by): (&dyn Look, &Asked<'_>),
) -> Result<Told, Refused> {
    let readable = bundle::readable(doc)?;
    let asked = Transaction::read(&readable)?;
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", ty);
    out.name("entry").start_array();
    let more = answers.len().saturating_mul(bundle::LOOKS_PER_ENTRY);
    let looks = Looks::new(LOOKS_MAX.saturating_add(more));
    let run = Run { look, now: by.now, base: by.base, looks: &looks };
    for (index, answer) in answers.iter().enumerate() {
        let interaction = asked.entries().get(index).and_then(|entry| entry.request.as_ref().ok());
        out.start_object();
        entry(&mut out, interaction, answer, run)?;
        out.end_object();
    }
    out.end_array().end_object();
    let body = out.finish().to_json();
    Ok(Told { status: 200, body, bundled: true, ..Told::default() })
}

fn entry(
    out: &mut Builder,
    interaction: Option<&Interaction>,
    answer: &Answer,
    run: Run<'_>,
) -> Result<(), Refused> {
    let reads = interaction.is_some_and(|interaction| !interaction.writes());
    let named = match &answer.version {
        Some((kind, id, number)) => run.look.version(kind, id, *number)?,
        None => None,
    };
    if reads && answer.status < 300 {
        match (&named, interaction) {
            (Some(version), _) => {
                out.name("resource").node(version.doc()?.root());
            }
            (None, Some(interaction)) => {
                let found = bundle::found(run, interaction)?;
                out.name("resource").node(found.root());
            }
            (None, None) => {}
        }
    }
    out.name("response").start_object();
    out.member("status", &rest::status_line(answer.status));
    if let Some((kind, id, number)) = &answer.version {
        if !reads {
            out.member("location", &format!("{kind}/{id}/_history/{number}"));
        }
        out.member("etag", &rest::etag(&number.to_string()));
    }
    if let Some(version) = &named {
        out.member("lastModified", &version.at.to_string());
    }
    if let Some(fault) = &answer.fault {
        out.name("outcome").node(outcome(std::slice::from_ref(fault)).root());
    }
    out.end_object();
    Ok(())
}
