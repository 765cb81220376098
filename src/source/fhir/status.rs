//! How a message stands, for whoever sent it and was told to ask later, and for operators.
//!
//! While it is on its way the answer is 202; then a Bundle of type `batch-response` with an
//! entry for each destination that gets it.
//!
//! Source: FHIR R4 async.html, which is followed as far as it fits.

use std::str::FromStr;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, LOCATION};

use super::answer::{Answered, Reply, status_of_delivery};
use super::route::{Call, Endpoint};
use crate::base::MessageId;
use crate::fault::Fault;
use crate::fault::codes::{W2323, W2335, W2336};
use crate::fhir::resources::{informed, outcome};
use crate::fhir::{Builder, Doc, rest};
use crate::message::{Receipt, State};
use crate::source::{Stand, Standing};

/// Where status addresses stand below the base: no type of resource begins with `_`.
const BELOW: &str = "/_status/";

/// When to ask again: a delivery takes a moment, and one that is tried again takes longer.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The address that tells how a message stands.
pub(super) fn address(base: &str, id: MessageId) -> String {
    format!("{base}{BELOW}{id}")
}

/// The id that a path asks for, where it is a status address.
pub(super) fn asked(path: &str) -> Option<&str> {
    path.strip_prefix(BELOW)
}

/// Says how a message stands.
pub(super) async fn answer(endpoint: &Endpoint, call: &Call, id: &str) -> Answered {
    if call.parts.method != Method::GET && call.parts.method != Method::HEAD {
        let reply = Reply::outcome(405, &[Fault::new(W2323)]);
        return Err(Box::new(reply.with(hyper::header::ALLOW, "GET, HEAD")));
    }
    let unknown = || Reply::refusal(404, Fault::new(W2335));
    let id = MessageId::from_str(id).map_err(|_| unknown())?;
    let found = endpoint.intake.standing(id).await;
    let found = found.map_err(|fault| Reply::refusal(503, fault))?;
    // Whose message it is, is nobody else's to know; not even that there is one.
    let standing = found.filter(|standing| may_ask(endpoint, call, standing));
    let standing = standing.ok_or_else(unknown)?;
    let open = |stand: &&Stand| matches!(stand.state, State::Waiting | State::Held);
    let waiting = standing.destinations.iter().filter(open).count();
    if waiting > 0 {
        let all = standing.destinations.len();
        let progress = format!("{} of {all} destinations are done", all - waiting);
        let name = HeaderName::from_static("x-progress");
        return Ok(Reply::empty(202).with(name, &progress).again_after(ASK_AGAIN));
    }
    let reply = Reply::doc(200, &result(&standing));
    Ok(match location(&standing) {
        Some(location) => reply.with(LOCATION, &format!("{}/{location}", call.base)),
        None => reply,
    })
}

/// Whether a client may hear of a message: its own, or as one of the operators.
fn may_ask(endpoint: &Endpoint, call: &Call, standing: &Standing) -> bool {
    if call.client.sender().is_none() {
        return false;
    }
    standing.sender == call.peer.subject
        || endpoint.plan.operators.iter().any(|name| **name == *call.client.name())
}

/// Where the resource is, when one destination said so.
fn location(standing: &Standing) -> Option<String> {
    let mut all = standing.destinations.iter().filter_map(|stand| match &stand.receipt {
        Some(Receipt::Http { locations, .. }) => match locations.as_slice() {
            [one] if !one.starts_with("W/") && !one.contains("://") => Some(one.to_string()),
            _ => None,
        },
        _ => None,
    });
    all.next()
}

fn result(standing: &Standing) -> Doc {
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "batch-response");
    out.name("entry").start_array();
    if let Some(fault) = &standing.refused {
        let fault = Fault::new(fault.known_code());
        entry(&mut out, super::answer::status_of(&fault), None, Some(&outcome(&[fault])));
    }
    for stand in &standing.destinations {
        match (stand.state, &stand.receipt) {
            (State::Delivered, Some(Receipt::Http { status, locations })) => {
                let place = locations.first().map(|place| &**place);
                entry(&mut out, *status, place, None);
            }
            (State::Delivered, _) => entry(&mut out, 200, None, None),
            // Whether a condition or consent kept it back is not for the sender to know.
            (State::Filtered | State::Denied, _) => {
                entry(&mut out, 200, None, Some(&informed("It goes no further.")));
            }
            (State::Skipped | State::Dead | State::Waiting | State::Held, _) => {
                let code = stand.fault.as_ref().map_or(W2336, |fault| fault.known_code());
                let fault = Fault::new(code).because("it was not delivered");
                let told = outcome(std::slice::from_ref(&fault));
                entry(&mut out, status_of_delivery(&fault), None, Some(&told));
            }
        }
    }
    out.end_array().end_object();
    out.finish()
}

fn entry(out: &mut Builder, status: u16, place: Option<&str>, told: Option<&Doc>) {
    out.start_object().name("response").start_object();
    out.member("status", &rest::status_line(status));
    match place {
        Some(tag) if tag.starts_with("W/") => {
            out.member("etag", tag);
        }
        Some(location) => {
            out.member("location", location);
        }
        None => {}
    }
    if let Some(told) = told {
        out.name("outcome").node(told.root());
    }
    out.end_object().end_object();
}
