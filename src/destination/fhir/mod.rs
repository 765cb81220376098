//! The destination `fhir`: bundles and resources to a FHIR R4 server over HTTP/1.1.
//!
//! A transaction or batch goes to the base, a message bundle to `$process-message`, a
//! resource with an id to its own address by PUT, and one without by POST, with
//! `If-None-Exist` where it has an identifier: so that a second attempt after a lost answer
//! writes nothing twice. What a source wrapped into a transaction of one entry (updates with
//! a condition, patches, deletes) leaves as the single interaction that it was. `call` makes
//! the requests, `together` has small ones leave as one batch, `answer` says what the answers
//! mean, `probe` what the server offers; how weir shows who it is lives in `ports::fhir`.

mod answer;
mod call;
mod probe;
mod shared;
mod together;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_LOCATION, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::{Delivered, DeliveryError, Destination, Outlook};
use crate::fault::{Fault, Problems, codes::*};
use crate::message::Delivery;
use crate::ports::Ports;
use crate::ports::fhir::{self, Caller, Server};
use crate::ports::http::{self, Call, Url};
use crate::ports::tls::{self, TlsClientPlan};
use crate::settings::{Key, KeyRow, KindRow, Shape, Table, Word};

pub use crate::ports::fhir::Auth;
use call::Sending;
pub use shared::Shared;
pub use together::BatchPlan;
use together::{Joined, Lane, Part, Told};

/// Largest answer read: the answer to a bundle of ten thousand entries with minimal
/// returns stays below.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The form in which resources leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// XML.
    Xml,
}

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json",
            Self::Xml => "application/fhir+xml",
        }
    }
}

/// What a conflict of versions (409, 412) leads to, where the sender named no version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// The message is refused.
    #[default]
    Refuse,
    /// The current version is read, and the update sent again over it.
    Reread,
}

impl Word for Format {
    const WORDS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("xml", Self::Xml)];
}

impl Word for OnConflict {
    const WORDS: &'static [(&'static str, Self)] =
        &[("refuse", Self::Refuse), ("reread", Self::Reread)];
}

/// The keys of the destination `fhir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FhirPlan {
    /// Base of the server.
    pub url: Url,
    /// Own roots or client certificate for `https`.
    pub tls: Option<TlsClientPlan>,
    /// How weir shows who it is.
    pub auth: Auth,
    /// The form in which resources leave.
    pub format: Format,
    /// Whether bodies leave packed.
    pub gzip: bool,
    /// Whether the server is asked to work on it later and tell where.
    pub respond_async: bool,
    /// What a conflict of versions leads to.
    pub on_conflict: OnConflict,
    /// How small messages leave together; `None`: each by itself.
    pub batch: Option<BatchPlan>,
    /// What its lanes have in common.
    pub shared: Shared,
}

impl FhirPlan {
    /// A plan with the default of every key that has one.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            tls: None,
            auth: Auth::None,
            format: Format::Json,
            gzip: false,
            respond_async: false,
            on_conflict: OnConflict::Refuse,
            batch: None,
            shared: Shared::default(),
        }
    }

    const fn prefer(&self) -> &'static str {
        if self.respond_async { "return=minimal, respond-async" } else { "return=minimal" }
    }
}

const URL: Key<Arc<str>> =
    Key::new("url", "a URL such as `https://fhir.example/r4`", "Base of the FHIR server.");
const FORMAT: Key<Format> =
    Key::new("format", "`json` or `xml`", "Form in which resources leave.").default("json");
const GZIP: Key<bool> = Key::new(
    "gzip",
    "`true` or `false`",
    "Packs bodies by gzip, for servers that take `Content-Encoding`.",
)
.default("false");
const RESPOND_ASYNC: Key<bool> = Key::new(
    "respond_async",
    "`true` or `false`",
    "Asks the server to work on it later; weir asks at the address it is told until it is done.",
)
.default("false");
const ON_CONFLICT: Key<OnConflict> = Key::new(
    "on_conflict",
    "`refuse` or `reread`",
    "What 409 or 412 to an update by id means whose sender named no version: a refusal, or the \
     current version is read and the update sent again over it.",
)
.default("refuse");

/// The row of this kind.
pub(super) const ROW: KindRow = KindRow {
    name: "fhir",
    about: "Posts FHIR R4 bundles and resources to a server.",
    keys: &[
        URL.required().row(),
        KeyRow::of(
            "tls",
            "Roots and client certificate for `https`; the roots of the machine without.",
            Shape::Table(tls::CLIENT_KEYS),
        ),
        fhir::AUTH_ROW,
        FORMAT.row(),
        GZIP.row(),
        RESPOND_ASYNC.row(),
        ON_CONFLICT.row(),
        together::ROW,
    ],
};

/// Reads the keys of this kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<FhirPlan> {
    let url = table.required_spanned(&URL);
    let tls = tls::read_client(table);
    let auth = fhir::read_auth(table);
    let format = table.or(&FORMAT, Format::Json);
    let gzip = table.or(&GZIP, false);
    let respond_async = table.or(&RESPOND_ASYNC, false);
    let on_conflict = table.or(&ON_CONFLICT, OnConflict::Refuse);
    let batch = together::read(table);
    if let (Some(span), true) = (table.key_span("batch"), respond_async) {
        let cause = "a server that takes its time is asked for each message by itself";
        table.error(Fault::new(W1011).because(cause), &span);
    }
    let url = url?;
    match Url::parse(&url.value) {
        Ok(url) => {
            let (auth, plan) = (auth?, FhirPlan::new(url));
            let plan = FhirPlan { tls, auth, format, gzip, ..plan };
            Some(FhirPlan { respond_async, on_conflict, batch, ..plan })
        }
        Err(fault) => {
            table.error(fault, &url.span);
            None
        }
    }
}

/// Makes one; connects nothing.
pub(super) fn build(plan: &FhirPlan, ports: &Ports) -> Box<dyn Destination> {
    let server = Server { url: plan.url.clone(), tls: plan.tls.clone(), auth: plan.auth.clone() };
    let caller = Caller::new(server, plan.shared.account(), ports, ANSWER_BYTES_MAX);
    let lane = plan.shared.gathering().lane();
    Box::new(FhirDestination { plan: plan.clone(), ports: ports.clone(), caller, _lane: lane })
}

/// Longest time spent asking how far the server is, within one attempt; then the delivery
/// waits in the queue, where others can be seen to.
const POLL_MAX: Duration = Duration::from_secs(10);

/// Wait between two such questions where the server names none.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Most times that an update is sent over another version within one attempt: who loses more
/// often competes with a program, and waits.
const REREADS_MAX: usize = 3;

struct FhirDestination {
    plan: FhirPlan,
    ports: Ports,
    caller: Caller,
    /// Counts it among those who may join a batch.
    _lane: Lane,
}

#[async_trait]
impl Destination for FhirDestination {
    async fn open(&mut self, _ports: &Ports) -> Result<(), DeliveryError> {
        Ok(self.caller.open().await?)
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        let sending = call::sending(&self.plan, delivery)?;
        let delivered = self.try_deliver(delivery, sending).await;
        delivered.map_err(|mut error| {
            let place = self.plan.url.target();
            let cause = error.fault.cause().unwrap_or_default();
            if !cause.starts_with(&place) {
                error.fault = error.fault.clone().because(format!("{place}: {cause}"));
            }
            error
        })
    }

    async fn probe(&mut self, _ports: &Ports, outlook: &Outlook) -> Problems {
        probe::probe(self, outlook).await
    }

    async fn close(&mut self) {
        self.caller.close();
    }
}

impl FhirDestination {
    async fn try_deliver(
        &mut self,
        delivery: &Delivery,
        sending: Sending,
    ) -> Result<Delivered, DeliveryError> {
        if let Some(path) = self.plan.shared.pending(delivery.message) {
            return self.poll(delivery, path, &sending).await;
        }
        let part = sending.part.clone().filter(|_| delivery.attempts < together::ALONE_AFTER);
        let in_company = match part.zip(self.plan.batch) {
            Some((part, plan)) => self.in_company(part, plan).await?,
            None => None,
        };
        let mut answer = match in_company {
            Some(answer) => answer,
            None => self.send(sending.call.clone()).await?,
        };
        if sending.may_reread && self.plan.on_conflict == OnConflict::Reread {
            for _ in 0..REREADS_MAX {
                if !matches!(answer.status, 409 | 412 | 428) {
                    break;
                }
                answer = self.send_over(&sending).await?;
            }
            if matches!(answer.status, 409 | 412) {
                let error = DeliveryError::from(Fault::new(W7221));
                let retry_after = answer.retry_after(self.ports.clock.now());
                return Err(DeliveryError { retry_after, ..error });
            }
        }
        let location = answer.headers.get(CONTENT_LOCATION).and_then(|v| v.to_str().ok());
        if answer.status == 202
            && let Some(location) = location
        {
            let path = fhir::local(location, &self.plan.url);
            let foreign = || Fault::new(W7304).because("202, and the status is on another server");
            let path = path.ok_or_else(foreign)?;
            self.plan.shared.set_pending(delivery.message, Some(path.clone()));
            return self.poll(delivery, path, &sending).await;
        }
        self.judged(&answer, &sending)
    }

    /// Sends a message together with others; the answer to its entry, or none where it is to
    /// go by itself.
    async fn in_company(
        &mut self,
        part: Part,
        plan: BatchPlan,
    ) -> Result<Option<http::Answer>, DeliveryError> {
        let (gathering, clock) = (self.plan.shared.gathering(), self.ports.clock.clone());
        let (ticket, mut told) = gathering.join(part, &*clock);
        let told = loop {
            let taken = tokio::select! {
                biased;
                told = &mut told => break told,
                taken = gathering.gather(&ticket, plan, &*clock) => taken,
            };
            if taken.is_empty() {
                break told.await;
            }
            self.send_together(taken).await;
        };
        match told.unwrap_or_else(|_| together::unanswered("its request was broken off")) {
            Told::Answered(answer) => Ok(Some(*answer)),
            Told::Failed(error) => Err(*error),
            Told::Alone => Ok(None),
        }
    }

    /// Sends what was gathered and tells each what became of it.
    async fn send_together(&mut self, taken: Vec<Joined>) {
        let each_alone = |taken: Vec<Joined>| taken.into_iter().for_each(|j| j.tell(Told::Alone));
        if taken.len() == 1 {
            return each_alone(taken);
        }
        let bundle = together::bundle(taken.iter().map(|joined| &joined.part));
        let Ok(call) = call::batch(&self.plan, &bundle) else { return each_alone(taken) };
        let error = match self.send(call).await {
            Ok(answer) if together::asks_for_each(answer.status) => return each_alone(taken),
            Ok(answer) => {
                match answer::judge(&answer, false, &self.plan.url, self.ports.clock.now()) {
                    Ok(_) => return together::tell_each(&answer, taken),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        for joined in taken {
            joined.tell(Told::Failed(Box::new(error.clone())));
        }
    }

    fn judged(&self, answer: &http::Answer, sending: &Sending) -> Result<Delivered, DeliveryError> {
        answer::judge(answer, sending.entries, &self.plan.url, self.ports.clock.now())
    }

    /// Reads the current version and sends an update over it.
    ///
    /// Source: FHIR R4 http.html#concurrency.
    async fn send_over(&mut self, sending: &Sending) -> Result<http::Answer, DeliveryError> {
        let read = self.get(sending.call.path.clone()).await?;
        let mut call = sending.call.clone();
        match (read.status, read.headers.get(ETAG)) {
            (200, Some(etag)) => call.headers.push((IF_MATCH, etag.clone())),
            // Gone in the meantime: it is made anew, unless someone is faster.
            (404 | 410, _) => call.headers.push((IF_NONE_MATCH, HeaderValue::from_static("*"))),
            _ => {}
        }
        self.send(call).await
    }

    /// Asks how far the server is until it is done, or long enough for one attempt.
    ///
    /// Source: FHIR R4 async.html.
    async fn poll(
        &mut self,
        delivery: &Delivery,
        path: String,
        sending: &Sending,
    ) -> Result<Delivered, DeliveryError> {
        let begin = self.ports.clock.monotonic();
        loop {
            let answer = self.get(path.clone()).await?;
            match answer.status {
                202 => {}
                // It never came to an end, or was asked for too late: it is sent again.
                404 | 410 => {
                    self.plan.shared.set_pending(delivery.message, None);
                    let cause = format!("{}, at the address of the status", answer.status);
                    return Err(Fault::new(W7302).because(cause).into());
                }
                408 | 425 | 429 | 500..=599 | 401 | 403 => return self.judged(&answer, sending),
                _ => {
                    self.plan.shared.set_pending(delivery.message, None);
                    return self.judged(&answer, sending);
                }
            }
            let asked = answer.retry_after(self.ports.clock.now());
            let wait = asked.unwrap_or(POLL_EVERY).max(Duration::from_millis(100));
            if self.ports.clock.monotonic().saturating_sub(begin) + wait > POLL_MAX {
                let error = DeliveryError::from(Fault::new(W7220));
                return Err(DeliveryError { retry_after: Some(wait), ..error });
            }
            self.ports.clock.sleep(wait).await;
        }
    }

    async fn get(&mut self, path: String) -> Result<http::Answer, DeliveryError> {
        let accept = HeaderValue::from_static(self.plan.format.media_type());
        let headers = vec![(ACCEPT, accept)];
        self.send(Call { method: Method::GET, path, headers, body: Bytes::new() }).await
    }

    async fn send(&mut self, call: Call) -> Result<http::Answer, DeliveryError> {
        Ok(self.caller.send(call).await?)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod together_tests;
