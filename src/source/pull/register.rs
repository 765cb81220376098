//! Keeping a Subscription in force at a server: registering it, looking after it, and
//! fetching what was missed.
//!
//! A note in the journal says the Subscription's id and from when on what changed is not
//! known to be on disk. That time moves on only when a look came to its end. The secret is
//! made from the store's own and stands nowhere.
//!
//! Source: FHIR R4 subscription.html.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::journey::{Halt, Journey};
use super::notify::{Ask, BODY_TIMEOUT, Door, Hook};
use super::offer::Newest;
use super::subscription::SubscriptionPlan;
use super::sweep::{self, Sweep};
use crate::base::Timestamp;
use crate::fault::{Fault, codes::*};
use crate::fhir::rest;
use crate::fhir::{Doc, Node};
use crate::message::Peer;
use crate::ports::Ports;
use crate::ports::fhir::{Account, Caller, escape, issue_of};
use crate::ports::http::{Answer, Call};
use crate::source::fhir::request::Limits;
use crate::source::fhir::serve::PROTOCOLS;
use crate::source::listener::{self, Listen};
use crate::source::{Bound, Command, Common, Serving, SourceEvent};

/// Largest answer: a page of resources with images in them.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Most connections of the listener: one server notifies.
const CONNECTIONS_MAX: u32 = 200;

/// Most notifications without a resource that wait for a look.
const ASKS_MAX: usize = 1024;

/// Longest wait after a failed look.
const AGAIN_MAX: Duration = Duration::from_secs(60);

const JSON: HeaderValue = HeaderValue::from_static("application/fhir+json");

/// What is known of the registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    /// What of the settings it was made from.
    key: String,
    /// The server.
    url: String,
    /// What is subscribed to.
    criteria: String,
    /// The Subscription's id.
    id: Option<rest::Id>,
    /// From when on what changed has to be fetched.
    since: Option<String>,
}

impl Held {
    fn note(&self) -> String {
        json!({
            "key": self.key,
            "url": self.url,
            "criteria": self.criteria,
            "id": self.id.as_ref().map(rest::Id::as_str),
            "since": self.since,
        })
        .to_string()
    }

    fn read(note: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(note).ok()?;
        let text = |name: &str| json.get(name).and_then(Json::as_str);
        Some(Self {
            key: text("key")?.to_owned(),
            url: text("url")?.to_owned(),
            criteria: text("criteria")?.to_owned(),
            id: text("id").and_then(rest::Id::parse),
            since: text("since").map(str::to_owned),
        })
    }
}

struct SubscriptionBound {
    bound: listener::Bound,
    plan: SubscriptionPlan,
    common: Common,
    ports: Ports,
}

/// Binds the address and reads the certificates.
pub(in crate::source) async fn bind(
    plan: &SubscriptionPlan,
    common: &Common,
    ports: &Ports,
) -> Result<Box<dyn Bound>, Fault> {
    let listen = Listen {
        address: plan.listen,
        max_connections: CONNECTIONS_MAX,
        protocols: PROTOCOLS,
        while_paused: true,
    };
    let bound = listener::bind(listen, common, ports).await?;
    let (plan, common, ports) = (plan.clone(), common.clone(), ports.clone());
    Ok(Box::new(SubscriptionBound { bound, plan, common, ports }))
}

#[async_trait]
impl Bound for SubscriptionBound {
    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.bound.address())
    }

    async fn serve(self: Box<Self>, serving: Serving) {
        let Self { bound, plan, common, ports } = *self;
        let Some(secret) = serving.intake.own_secret("subscription") else {
            let fault = Fault::new(W9001).because("no secret for notifications");
            serving.events.note(&SourceEvent::Trouble { fault });
            return;
        };
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let turn = Arc::new(tokio::sync::Mutex::new(Newest::default()));
        let hook = Hook {
            plan: plan.clone(),
            limits: Limits::new(common.max_size, BODY_TIMEOUT),
            clock: ports.clock.clone(),
            intake: serving.intake.clone(),
            events: serving.events.clone(),
            expected: format!("Bearer {secret}"),
            asks,
            turn: turn.clone(),
            denied: AtomicU64::new(0),
        };
        let caller = Caller::new(plan.server.clone(), Account::default(), &ports, ANSWER_BYTES_MAX);
        let mut keeper = Keeper {
            peer: Peer { address: plan.server.url.target().into(), subject: None },
            header: format!("Authorization: Bearer {secret}"),
            journey: Journey { ports, command: serving.command.clone() },
            plan,
            caller,
            turn,
            held: Held::default(),
            known: false,
            serving: serving.clone(),
        };
        let door = Arc::new(Door(Arc::new(hook)));
        let listens = bound.serve(door, serving.events.clone(), serving.command.clone());
        tokio::join!(listens, keeper.run(asked));
    }
}

struct Keeper {
    plan: SubscriptionPlan,
    journey: Journey,
    caller: Caller,
    serving: Serving,
    peer: Peer,
    /// The header that notifications show.
    header: String,
    turn: Arc<tokio::sync::Mutex<Newest>>,
    held: Held,
    /// Whether the note is read.
    known: bool,
}

impl Keeper {
    /// Looks after the subscription until told to stop.
    async fn run(&mut self, mut asked: mpsc::Receiver<Ask>) {
        let mut command = self.serving.command.clone();
        let clock = self.journey.ports.clock.clone();
        let mut next = Duration::ZERO;
        let mut waiting = Vec::new();
        loop {
            let now = *command.borrow_and_update();
            match now {
                Command::Stop => return,
                Command::Pause => {
                    // Who waits is told that it was not done.
                    waiting.clear();
                    while asked.try_recv().is_ok() {}
                    if command.changed().await.is_err() {
                        return;
                    }
                    next = Duration::ZERO;
                    continue;
                }
                Command::Run => {}
            }
            let due = next.saturating_sub(clock.monotonic());
            if due.is_zero() || !waiting.is_empty() {
                let done = self.look(due.is_zero()).await;
                let well = done.is_ok();
                for ask in waiting.drain(..) {
                    let ask: Ask = ask;
                    // A server that did not wait is told by nobody.
                    let _ = ask.send(well);
                }
                let wait = match done {
                    Ok(()) => self.plan.every,
                    Err(Halt::Told) => continue,
                    Err(Halt::Fault(fault)) => {
                        self.serving.events.note(&SourceEvent::Trouble { fault });
                        self.plan.every.min(AGAIN_MAX)
                    }
                };
                if due.is_zero() || !well {
                    next = clock.monotonic() + wait;
                }
                continue;
            }
            tokio::select! {
                changed = command.changed() => if changed.is_err() { return },
                () = clock.sleep(due) => {}
                Some(ask) = asked.recv() => {
                    waiting.push(ask);
                    // All that came before the look is answered by it.
                    while let Ok(ask) = asked.try_recv() {
                        waiting.push(ask);
                    }
                }
            }
        }
    }

    /// Sees that the subscription is in force where that is due, and fetches what was missed.
    async fn look(&mut self, whole: bool) -> Result<(), Halt> {
        self.load()?;
        let mut ensured = Ok(());
        if whole || self.held.id.is_none() {
            ensured = self.ensure().await;
        }
        // What was missed can be had even where the subscription cannot be seen to.
        let since = match (&ensured, self.held.since.clone()) {
            (Err(Halt::Told), _) | (_, None) => return ensured,
            (_, Some(since)) => since,
        };
        let sweep = Sweep {
            plan: &self.plan,
            journey: &self.journey,
            intake: &*self.serving.intake,
            peer: &self.peer,
            turn: &self.turn,
        };
        let swept = sweep.run(&mut self.caller, &since).await?;
        if let Some(code) = swept.first_refused {
            let cause = format!("{} of those fetched, the first: {code}", swept.refused);
            let fault = Fault::new(W2393).because(cause);
            self.serving.events.note(&SourceEvent::Trouble { fault });
        }
        self.held.since = swept.next.or(Some(since));
        self.remember().await?;
        ensured
    }

    /// Reads the note once. What it says of another server says nothing here.
    fn load(&mut self) -> Result<(), Fault> {
        if self.known {
            return Ok(());
        }
        let note = self.serving.intake.recall("subscription")?;
        let held = note.and_then(|note| Held::read(&note)).unwrap_or_default();
        let url = self.plan.server.url.to_string();
        let same = held.url == url;
        let asked = same && *held.criteria == *self.plan.criteria;
        self.held = Held {
            key: held.key,
            id: held.id.filter(|_| same),
            since: held.since.filter(|_| asked),
            criteria: self.plan.criteria.to_string(),
            url,
        };
        self.known = true;
        Ok(())
    }

    async fn remember(&mut self) -> Result<(), Fault> {
        let note = self.held.note();
        self.serving.intake.remember(vec![("subscription", note)]).await
    }

    /// What of the settings the Subscription is made from.
    fn key(&self) -> String {
        let plan = &self.plan;
        let made = (&plan.criteria, &plan.endpoint, plan.payload, plan.lease, &self.header);
        let mut digest = Sha256::new();
        digest.update(format!("{made:?}"));
        digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Sees that the subscription is in force.
    async fn ensure(&mut self) -> Result<(), Halt> {
        let Some(id) = self.held.id.clone() else { return self.create().await };
        let path = format!("{}/Subscription/{}", self.plan.server.url.path, id.as_str());
        let answer = self.call(Method::GET, path, None, None).await?;
        match answer.status {
            200 => {}
            404 | 410 => {
                self.lapsed("the server does not have it any more");
                self.held.id = None;
                return self.create().await;
            }
            _ => return Err(self.refused(&answer).into()),
        }
        let doc = answer.body.clone().and_then(|body| Doc::parse_json(body).ok());
        let doc = doc.filter(|doc| doc.resource_type().as_deref() == Some("Subscription"));
        let doc = doc.ok_or_else(|| {
            Fault::new(W2390).because(self.told("what it has is no Subscription"))
        })?;
        let now = self.journey.ports.clock.now();
        match self.standing(doc.root(), now) {
            Standing::InForce => Ok(()),
            Standing::Renew => self.put(id).await,
            Standing::Lapsed(why) => {
                self.lapsed(&why);
                self.put(id).await
            }
        }
    }

    /// How the Subscription stands that the server has.
    fn standing(&self, root: Node<'_>, now: Timestamp) -> Standing {
        let text = |node: Option<Node<'_>>, name: &str| {
            let value = node.and_then(|node| node.get(name)).and_then(|value| value.string());
            value.unwrap_or_default().into_owned()
        };
        match text(Some(root), "status").as_str() {
            "active" | "requested" => {}
            known @ ("off" | "error") => {
                return Standing::Lapsed(format!("its status is `{known}`"));
            }
            _ => return Standing::Lapsed("its status is none of R4".to_owned()),
        }
        let endpoint = text(root.get("channel"), "endpoint");
        let ours = self.plan.endpoint.to_string();
        if text(Some(root), "criteria") != *self.plan.criteria || endpoint != ours {
            if self.held.key == self.key() {
                return Standing::Lapsed("someone changed it at the server".to_owned());
            }
            return Standing::Renew;
        }
        let ends = Timestamp::parse(&text(Some(root), "end"));
        let soon = ends.is_some_and(|ends| ends.since(now) < self.plan.lease / 2);
        if soon || self.held.key != self.key() { Standing::Renew } else { Standing::InForce }
    }

    /// Registers it. One of the same endpoint, which a crash may have left, is found again.
    async fn create(&mut self) -> Result<(), Halt> {
        let path = format!("{}/Subscription", self.plan.server.url.path);
        let condition = format!("url={}", escape(&self.plan.endpoint.to_string()));
        let answer = self.call(Method::POST, path, Some(self.body(None)), Some(condition)).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(self.refused(&answer).into());
        }
        let id = registered(&answer);
        let id = id.ok_or_else(|| {
            Fault::new(W2390).because(self.told("it does not say the id of the Subscription"))
        })?;
        self.begin(id.clone(), &answer).await?;
        // It was there already: with which criteria and secret nobody knows.
        if answer.status == 200 { self.put(id).await } else { Ok(()) }
    }

    /// Writes it anew under its id.
    async fn put(&mut self, id: rest::Id) -> Result<(), Halt> {
        let path = format!("{}/Subscription/{}", self.plan.server.url.path, id.as_str());
        let answer = self.call(Method::PUT, path, Some(self.body(Some(&id))), None).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(self.refused(&answer).into());
        }
        self.begin(id, &answer).await
    }

    /// Notes that it is registered. What changed since an earlier time is still to be fetched.
    async fn begin(&mut self, id: rest::Id, answer: &Answer) -> Result<(), Halt> {
        self.held.id = Some(id);
        self.held.key = self.key();
        if self.held.since.is_none() {
            let now = self.journey.ports.clock.now();
            let set = self.plan.since.as_deref().map(str::to_owned);
            self.held.since = Some(set.unwrap_or_else(|| sweep::from(answer, now)));
        }
        Ok(self.remember().await?)
    }

    fn body(&self, id: Option<&rest::Id>) -> Bytes {
        let now = self.journey.ports.clock.now();
        let mut channel = json!({
            "type": "rest-hook",
            "endpoint": self.plan.endpoint.to_string(),
            "header": [self.header],
        });
        let mut body = json!({
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "weir takes what changes",
            "criteria": &*self.plan.criteria,
            "end": now.after(self.plan.lease).to_string(),
        });
        if let (true, Some(channel)) = (self.plan.payload, channel.as_object_mut()) {
            channel.insert("payload".to_owned(), json!("application/fhir+json"));
        }
        if let Some(body) = body.as_object_mut() {
            body.insert("channel".to_owned(), channel);
            if let Some(id) = id {
                body.insert("id".to_owned(), json!(id.as_str()));
            }
        }
        Bytes::from(body.to_string())
    }

    async fn call(
        &mut self,
        method: Method,
        path: String,
        body: Option<Bytes>,
        if_none_exist: Option<String>,
    ) -> Result<Answer, Halt> {
        let mut headers = vec![(ACCEPT, JSON)];
        if body.is_some() {
            headers.push((CONTENT_TYPE, JSON));
            // Without it a server may answer by a status alone, and the id stays unknown.
            let prefer = HeaderName::from_static("prefer");
            headers.push((prefer, HeaderValue::from_static("return=representation")));
        }
        if let Some(condition) = if_none_exist.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.push((HeaderName::from_static("if-none-exist"), condition));
        }
        let call = Call { method, path, headers, body: body.unwrap_or_default() };
        self.journey.ask(&mut self.caller, call).await
    }

    fn lapsed(&self, why: &str) {
        let fault = Fault::new(W2391).because(self.told(why));
        self.serving.events.note(&SourceEvent::Trouble { fault });
    }

    fn told(&self, cause: &str) -> String {
        format!("{}: {cause}", self.plan.server.url.target())
    }

    fn refused(&self, answer: &Answer) -> Fault {
        let doc = answer.body.clone().and_then(|body| Doc::parse_json(body).ok());
        let issue = doc.and_then(|doc| issue_of(doc.root())).unwrap_or_default();
        let code = if matches!(answer.status, 429 | 500..=599) { W2394 } else { W2390 };
        Fault::new(code).because(self.told(&issue.cause(answer.status)))
    }
}

/// How a Subscription stands.
enum Standing {
    InForce,
    /// It has to be written anew, and nothing is wrong.
    Renew,
    Lapsed(String),
}

/// The id that a server gave: that of the resource, else that in `Location`.
fn registered(answer: &Answer) -> Option<rest::Id> {
    let doc = answer.body.clone().and_then(|body| Doc::parse_json(body).ok());
    let doc = doc.filter(|doc| doc.resource_type().as_deref() == Some("Subscription"));
    let own =
        doc.and_then(|doc| doc.root().get("id")?.string().and_then(|id| rest::Id::parse(&id)));
    own.or_else(|| {
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        let (_, rest) = location.split_once("Subscription/")?;
        rest::Id::parse(rest.split('/').next()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderMap;

    #[test]
    fn ids_are_found_in_body_or_location() {
        let check = |location: &str, body: &'static str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
            let answer = Answer { status: 201, headers, body: Some(Bytes::from(body)) };
            let found = registered(&answer);
            assert_eq!(found.as_ref().map(rest::Id::as_str), expected, "{location} {body}");
        };
        check("", r#"{"resourceType":"Subscription","id":"a"}"#, Some("a"));
        check("https://x/r4/Subscription/b/_history/1", "", Some("b"));
        check("Subscription/c", r#"{"resourceType":"OperationOutcome","id":"o"}"#, Some("c"));
        check("https://x/r4/Subscription/../x", "", None);
        check("", "{}", None);
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        let held = Held {
            key: "k".to_owned(),
            url: "https://fhir.example/r4".to_owned(),
            criteria: "Patient".to_owned(),
            id: rest::Id::parse("s1"),
            since: Some("2026-01-01T00:00:00.000Z".to_owned()),
        };
        assert_eq!(Held::read(&held.note()), Some(held));
        assert_eq!(Held::read(&Held::default().note()), Some(Held::default()));
        for bad in ["", "{}", "[]"] {
            assert_eq!(Held::read(bad), None, "{bad}");
        }
    }
}
