//! Taking notifications: with the resource, or without.
//!
//! The answer leaves when what a notification brought, or what it made weir fetch, is on
//! disk. A server whose notification was not answered so sends it again, or weir finds the
//! change at its next look.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION};
use hyper::{Method, Request, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot, watch};

use super::offer::{self, Newest, Offer};
use super::subscription::SubscriptionPlan;
use super::sweep::arrival;
use crate::fault::{Fault, codes::*};
use crate::fhir::rest;
use crate::fhir::{Doc, is_xml, tables};
use crate::message::Peer;
use crate::ports::{Clock, Stream};
use crate::source::fhir::answer::{Answered, Manner, Reply, status_of};
use crate::source::fhir::request::{self, Limits};
use crate::source::fhir::serve::{Pace, speak};
use crate::source::listener::Talk;
use crate::source::{Closed, Command, Intake, SourceEvent, SourceEvents, Taken};

/// How long a server waits that met a full queue or disk, or a paused channel.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Longest silence on a connection, and longest time that an answer may be left unread: as
/// those of a FHIR endpoint.
pub(super) const PACE: Pace =
    Pace { idle: Duration::from_secs(75), write: Duration::from_secs(30) };

/// Longest time for the body of a notification.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait of a notification for its turn: servers give up within some ten seconds, and
/// what waits holds its body.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// Shortest time between two events of callers who do not show the secret.
const DENIED_EVERY: Duration = Duration::from_secs(1);

/// Someone who waits for a look to come to its end: whether it did.
pub(super) type Ask = oneshot::Sender<bool>;

/// What every notification works with.
pub(super) struct Hook {
    pub plan: SubscriptionPlan,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    pub intake: Arc<dyn Intake>,
    pub events: Arc<dyn SourceEvents>,
    /// What the header of a notification says.
    pub expected: String,
    /// Who fetches what changed.
    pub asks: mpsc::Sender<Ask>,
    /// Whose turn it is: that of a page or of a notification.
    pub turn: Arc<tokio::sync::Mutex<Newest>>,
    /// When a caller was refused last, in milliseconds of the monotonic clock.
    pub denied: AtomicU64,
}

/// Serves each connection.
pub(super) struct Door(pub Arc<Hook>);

#[async_trait]
impl Talk for Door {
    async fn talk(
        &self,
        stream: Box<dyn Stream>,
        peer: Peer,
        command: watch::Receiver<Command>,
    ) -> (Closed, u64) {
        let messages = Arc::new(AtomicU64::new(0));
        let (hook, counted, orders) = (self.0.clone(), messages.clone(), command.clone());
        let serve = move |request: Request<Incoming>| {
            let (hook, counted, peer) = (hook.clone(), counted.clone(), peer.clone());
            let now = *orders.borrow();
            async move { hook.serve(request, peer, now, &counted).await }
        };
        let why = speak(stream, (PACE, &*self.0.clock), command, serve).await;
        (why, messages.load(Ordering::Relaxed))
    }
}

impl Hook {
    async fn serve(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        now: Command,
        counted: &AtomicU64,
    ) -> Response<Full<Bytes>> {
        let reply = self.answer(request, peer, now, counted).await;
        reply.unwrap_or_else(|refusal| *refusal).write(Manner::default())
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        now: Command,
        counted: &AtomicU64,
    ) -> Answered {
        let (parts, body) = request.into_parts();
        let shown = request::header(&parts.headers, &AUTHORIZATION).unwrap_or_default();
        if !same(shown, &self.expected) {
            return Err(self.denied(&peer));
        }
        if now == Command::Pause {
            let fault = Fault::new(W2333).because("the channel is paused");
            return Err(Box::new(Reply::outcome(503, &[fault]).again_after(BUSY_WAIT)));
        }
        let address = address(parts.uri.path());
        if parts.method == Method::DELETE {
            let Some((kind, id)) = address.filter(|(kind, _)| Some(*kind) == self.plan.kind())
            else {
                let fault = Fault::new(W2393).because("no address of what was subscribed to");
                return Err(Reply::refusal(404, fault));
            };
            let offer = offer::delete(kind, id);
            counted.fetch_add(1, Ordering::Relaxed);
            return self.keep(&peer, &offer, None).await;
        }
        if parts.method != Method::POST && parts.method != Method::PUT {
            let fault = Fault::new(W2393).because("a notification is POST, PUT or DELETE");
            let reply = Reply::outcome(405, &[fault]).with(ALLOW, "POST, PUT, DELETE");
            return Err(Box::new(reply));
        }
        let body = request::read(&parts.headers, body, &self.limits).await?;
        if body.bytes.iter().all(u8::is_ascii_whitespace) {
            return self.fetched().await;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        let (bytes, offer) = match self.offer(&body.bytes, address) {
            Ok(offer) => (Bytes::new(), Ok(offer)),
            Err(fault) => (body.bytes.clone(), Err(fault)),
        };
        match offer {
            Ok(offer) => self.keep(&peer, &offer, None).await,
            Err(fault) => {
                let bare = Offer { bytes, message_type: None, version: None, age: None };
                self.keep(&peer, &bare, Some(fault)).await
            }
        }
    }

    /// The message that a notification is.
    fn offer(
        &self,
        body: &Bytes,
        address: Option<(&'static str, rest::Id)>,
    ) -> Result<Offer, Fault> {
        let bytes = match is_xml(body) {
            true => Doc::parse_xml(body.clone())?.to_json(),
            false => body.clone(),
        };
        let offer = offer::update(&bytes, self.plan.kind().map(|kind| (kind, W2393)))?;
        if let Some((kind, id)) = address {
            let doc = Doc::parse_json(bytes)?;
            rest::addressed(&rest::Interaction::Update { kind, id, if_match: None }, doc.root())?;
        }
        Ok(offer)
    }

    /// Has a message kept, and says what came of it. A version that a newer one overtook,
    /// fetched meanwhile, goes no further.
    async fn keep(&self, peer: &Peer, offer: &Offer, fault: Option<Fault>) -> Answered {
        let arrival = arrival(&self.plan, peer, offer, self.clock.now());
        let taken = {
            let mut turn = tokio::select! {
                turn = self.turn.lock() => turn,
                () = self.clock.sleep(TURN_WAIT) => {
                    let fault = Fault::new(W2394).because("what was missed is being taken");
                    return Err(Box::new(Reply::outcome(503, &[fault]).again_after(BUSY_WAIT)));
                }
            };
            if turn.overtook(offer) {
                return Ok(Reply::empty(200));
            }
            match fault {
                None => {
                    let taken = self.intake.take(arrival).await.taken;
                    if matches!(taken, Taken::Committed(_)) {
                        turn.took(offer);
                    }
                    taken
                }
                Some(fault) => self.intake.refuse(arrival, fault).await.taken,
            }
        };
        match taken {
            Taken::Committed(_) => Ok(Reply::empty(200)),
            Taken::Refused(fault) => Err(Reply::refusal(status_of(&fault), fault)),
            Taken::NotKept(fault) => {
                // Not every server sends it again: the next look finds it.
                Err(Box::new(Reply::outcome(503, &[fault]).again_after(BUSY_WAIT)))
            }
        }
    }

    /// Has what changed fetched; answers when it is on disk.
    async fn fetched(&self) -> Answered {
        let (done, end) = oneshot::channel();
        let asked = self.asks.try_send(done).is_ok();
        match asked && end.await.unwrap_or(false) {
            true => Ok(Reply::empty(200)),
            false => {
                let reply = Reply::outcome(503, &[Fault::new(W2394)]);
                Err(Box::new(reply.again_after(BUSY_WAIT)))
            }
        }
    }

    /// The answer to who does not show the secret; an event now and then.
    fn denied(&self, peer: &Peer) -> Box<Reply> {
        let fault = Fault::new(W2392);
        let now = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        let every = u64::try_from(DENIED_EVERY.as_millis()).unwrap_or(u64::MAX);
        let last = self.denied.load(Ordering::Relaxed);
        if last == 0 || now.saturating_sub(last) >= every {
            self.denied.store(now.max(1), Ordering::Relaxed);
            self.events.note(&SourceEvent::Denied { peer: peer.clone(), fault: fault.clone() });
        }
        Reply::refusal(401, fault)
    }
}

/// Compares without telling by its time where two texts differ.
fn same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| Sha256::digest(text.as_bytes()));
    one.as_slice().ct_eq(other.as_slice()).into()
}

/// Type and id at the end of a path, where they stand there: below which path the source is
/// reached is the business of whoever stands between.
fn address(path: &str) -> Option<(&'static str, rest::Id)> {
    let mut steps = path.rsplit('/');
    let (id, kind) = (steps.next()?, steps.next()?);
    let kind = tables::type_name(kind).filter(|kind| tables::is_resource(kind))?;
    Some((kind, rest::Id::parse(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_end_in_an_address_or_not() {
        let check = |path: &str, expected: Option<&str>| {
            let found = address(path).map(|(kind, id)| format!("{kind}/{}", id.as_str()));
            assert_eq!(found.as_deref(), expected, "{path}");
        };
        check("/notify/Patient/p-1", Some("Patient/p-1"));
        check("/Patient/p-1", Some("Patient/p-1"));
        check("/notify", None);
        check("/notify/Patient", None);
        check("/notify/Nothing/1", None);
        check("/notify/Patient/a b", None);
        check("/", None);
    }

    #[test]
    fn secrets_are_the_same_or_not() {
        assert!(same("Bearer abc", "Bearer abc"));
        for other in ["", "Bearer ab", "Bearer abd", "bearer abc", "Bearer abcd"] {
            assert!(!same("Bearer abc", other), "{other}");
        }
    }
}
