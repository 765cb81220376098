//! Fetching what changed at a server since a time: a search, page by page.
//!
//! While a page is read and taken, notifications wait: else an old version on the page could
//! follow a newer one that was notified meanwhile.
//!
//! Source: FHIR R4 search.html, http.html#paging.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::sync::MutexGuard;

use super::journey::{Halt, Journey};
use super::offer::{self, Newest, Offer};
use super::subscription::SubscriptionPlan;
use crate::base::Timestamp;
use crate::fault::{Class, Code, Fault, codes::*};
use crate::fhir::{Doc, Node};
use crate::message::Peer;
use crate::ports::fhir::{Address, Caller, escape, issue_of};
use crate::ports::http::{Answer, Call};
use crate::source::flight::Flight;
use crate::source::{Arrival, Intake, Origin, Taken};

/// Resources of a page that are asked for.
const PAGE: u32 = 200;

/// Most pages of one look: with the page asked for, two million resources.
const PAGES_MAX: usize = 10_000;

/// How much before the server's time of a look the next one begins: a change may be stamped
/// before it can be found.
const OVERLAP: Duration = Duration::from_secs(10);

/// The same where the server does not tell its time, for clocks that differ.
const OVERLAP_UNTOLD: Duration = Duration::from_secs(120);

/// Wait before a message is offered again that could not be kept.
const AGAIN: Duration = Duration::from_secs(1);

/// Most times that a page is asked for of a server in trouble.
const TRIES_MAX: u32 = 4;

/// Most messages that are with the intake at a time.
const IN_FLIGHT_MAX: usize = 64;

/// What came of a look.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub refused: u64,
    /// Code of the first refusal.
    pub first_refused: Option<Code>,
    /// From when on the next look asks.
    pub next: Option<String>,
}

/// What a look works with.
pub(super) struct Sweep<'a> {
    pub plan: &'a SubscriptionPlan,
    pub journey: &'a Journey,
    pub intake: &'a dyn Intake,
    pub peer: &'a Peer,
    pub turn: &'a tokio::sync::Mutex<Newest>,
}

/// From when on to ask after an answer: the server's time, and some before.
pub(super) fn from(answer: &Answer, now: Timestamp) -> String {
    let at = match answer.date() {
        Some(date) => date.before(OVERLAP),
        None => now.before(OVERLAP_UNTOLD),
    };
    at.to_string()
}

impl Sweep<'_> {
    /// Takes all that changed since a time.
    pub(super) async fn run(&self, caller: &mut Caller, since: &str) -> Result<Swept, Halt> {
        let mut swept = Swept::default();
        let mut path = self.first(since);
        let mut seen = HashSet::new();
        loop {
            if !seen.insert(path.clone()) || seen.len() > PAGES_MAX {
                return Err(self.unfit("its pages lead back, or there are too many").into());
            }
            let accept = (ACCEPT, HeaderValue::from_static("application/fhir+json"));
            let call =
                Call { method: Method::GET, path, headers: vec![accept], body: Bytes::new() };
            let (mut turn, answer) = self.ask(caller, call).await?;
            if swept.next.is_none() {
                swept.next = Some(from(&answer, self.journey.ports.clock.now()));
            }
            let doc = self.page(&answer)?;
            self.take(&doc, &mut turn, &mut swept).await?;
            match self.next(&doc)? {
                Some(next) => path = next,
                None => return Ok(swept),
            }
        }
    }

    /// Asks for a page, and holds the turn from when it was asked on. Between two attempts it
    /// is given back.
    async fn ask(
        &self,
        caller: &mut Caller,
        call: Call,
    ) -> Result<(MutexGuard<'_, Newest>, Answer), Halt> {
        for tried in 1.. {
            let turn = self.journey.until_told(self.turn.lock()).await?;
            match self.journey.in_time(caller.send(call.clone())).await {
                Ok(answer) if !matches!(answer.status, 429 | 502..=504) || tried >= TRIES_MAX => {
                    return Ok((turn, answer));
                }
                Err(Halt::Fault(fault))
                    if fault.class() != Class::Transient || tried >= TRIES_MAX =>
                {
                    return Err(fault.into());
                }
                Err(Halt::Told) => break,
                Err(Halt::Fault(_)) => caller.close(),
                Ok(_) => {}
            }
            drop(turn);
            self.journey.wait(AGAIN * tried).await?;
        }
        Err(Halt::Told)
    }

    fn first(&self, since: &str) -> String {
        let criteria = &self.plan.criteria;
        let joint = if criteria.contains('?') { '&' } else { '?' };
        let base = &self.plan.server.url.path;
        let since = escape(since);
        format!("{base}/{criteria}{joint}_lastUpdated=ge{since}&_sort=_lastUpdated&_count={PAGE}")
    }

    fn page(&self, answer: &Answer) -> Result<Doc, Fault> {
        let body = answer.body.clone().ok_or_else(|| self.unfit("a page is too large"))?;
        let doc = Doc::parse_json(body).ok();
        if answer.status != 200 {
            let issue = doc.and_then(|doc| issue_of(doc.root())).unwrap_or_default();
            let code = if matches!(answer.status, 400..=499) { W2390 } else { W2394 };
            return Err(Fault::new(code).because(self.told(&issue.cause(answer.status))));
        }
        let doc = doc.filter(|doc| doc.resource_type().as_deref() == Some("Bundle"));
        doc.ok_or_else(|| self.unfit("a page is no Bundle"))
    }

    /// The path of the page behind one, on the same server.
    fn next(&self, doc: &Doc) -> Result<Option<String>, Fault> {
        let text = |node: Node<'_>, name: &str| {
            node.get(name).and_then(|value| value.string()).unwrap_or_default().into_owned()
        };
        let mut links = doc.root().get("link").into_iter().flat_map(|links| links.items());
        let Some(next) = links.find(|link| text(*link, "relation") == "next") else {
            return Ok(None);
        };
        let base = &self.plan.server.url;
        let at = Address::resolve(&text(next, "url"), base);
        let at = at.filter(|at| at.origin.same_origin(base));
        at.map(|at| Some(at.path)).ok_or_else(|| self.unfit("its `next` leads to another server"))
    }

    /// Hands the resources of a page on; returns when all are on disk as accepted or refused.
    async fn take(&self, doc: &Doc, newest: &mut Newest, swept: &mut Swept) -> Result<(), Halt> {
        let entries = doc.root().get("entry");
        let mut offers = Vec::new();
        for entry in entries.into_iter().flat_map(|entries| entries.items()) {
            let mode = entry.get("search").and_then(|search| search.get("mode"));
            let mode = mode.and_then(|mode| mode.string());
            let Some(resource) = entry.get("resource") else { continue };
            if mode.as_deref() == Some("outcome") {
                continue;
            }
            let bytes = Bytes::copy_from_slice(&resource.json());
            offers.push((bytes.clone(), offer::update(&bytes, None)));
        }
        for some in offers.chunks(IN_FLIGHT_MAX) {
            self.take_some(some, swept).await?;
            some.iter().filter_map(|(_, offer)| offer.as_ref().ok()).for_each(|o| newest.took(o));
        }
        Ok(())
    }

    async fn take_some(
        &self,
        offers: &[(Bytes, Result<Offer, Fault>)],
        swept: &mut Swept,
    ) -> Result<(), Halt> {
        let now = self.journey.ports.clock.now();
        let arrivals: Vec<(Arrival, Option<Fault>)> = offers
            .iter()
            .map(|(bytes, offer)| match offer {
                Ok(offer) => (arrival(self.plan, self.peer, offer, now), None),
                Err(fault) => {
                    let bytes = bytes.clone();
                    let bare = Offer { bytes, message_type: None, version: None, age: None };
                    (arrival(self.plan, self.peer, &bare, now), Some(fault.clone()))
                }
            })
            .collect();
        let mut answers = Vec::new();
        {
            let mut flight = Flight::default();
            for (arrival, fault) in &arrivals {
                flight.push(self.offered(arrival, fault.as_ref()));
            }
            while !flight.is_empty() {
                answers.push(flight.next().await.taken);
            }
        }
        for ((arrival, fault), mut taken) in arrivals.iter().zip(answers) {
            while let Taken::NotKept(_) = taken {
                self.journey.wait(AGAIN).await?;
                taken = self.offered(arrival, fault.as_ref()).await.taken;
            }
            if let Taken::Refused(fault) = taken {
                swept.refused += 1;
                swept.first_refused.get_or_insert(fault.code());
            }
        }
        Ok(())
    }

    fn offered<'s>(
        &'s self,
        arrival: &Arrival,
        fault: Option<&Fault>,
    ) -> crate::source::flight::Pending<'s> {
        match fault {
            None => self.intake.take(arrival.clone()),
            Some(fault) => self.intake.refuse(arrival.clone(), fault.clone()),
        }
    }

    fn told(&self, cause: &str) -> String {
        format!("{}: {cause}", self.plan.server.url.target())
    }

    fn unfit(&self, cause: &str) -> Fault {
        Fault::new(W2395).because(self.told(cause))
    }
}

/// What is taken of a resource. A version is the same whether it was notified or found.
pub(super) fn arrival(
    plan: &SubscriptionPlan,
    peer: &Peer,
    offer: &Offer,
    received: Timestamp,
) -> Arrival {
    let origin = offer.version.as_ref().map(|version| {
        let mut digest = Sha256::new();
        for part in [plan.server.url.to_string().as_bytes(), version.as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Origin { digest: digest.finalize().into(), part: 0 }
    });
    Arrival {
        bytes: offer.bytes.clone(),
        peer: peer.clone(),
        received,
        parent: None,
        origin,
        message_type: offer.message_type.clone(),
        waits: false,
        back: None,
    }
}
