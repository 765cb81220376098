//! One request: who asks, what for, and who answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use super::answer::{Answered, Manner, Reply};
use super::auth::{Auth, Client, Guard};
use super::content::{self, Form, Media};
use super::request::{self, Limits};
use super::{FhirPlan, metadata, status};
use crate::channel::Accept;
use crate::fault::Fault;
use crate::fault::codes::{W2320, W2323, W2332, W2333, W2359};
use crate::fhir::rest::{self, Interaction, Prefer, Query};
use crate::message::Peer;
use crate::ports::Clock;
use crate::records::Reader;
use crate::source::{Command, Common, Intake, Serving, SourceEvent, SourceEvents};

/// How long a sender waits while the channel is paused.
const PAUSED_WAIT: Duration = Duration::from_secs(30);

/// Longest id of a request that is sent back with the answer.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What every request of a source works with.
pub(super) struct Endpoint {
    pub plan: FhirPlan,
    pub common: Common,
    pub accept: Accept,
    pub clock: Arc<dyn Clock>,
    pub intake: Arc<dyn Intake>,
    events: Arc<dyn SourceEvents>,
    pub limits: Limits,
    guard: Guard,
    address: SocketAddr,
}

/// One request and who makes it.
pub(super) struct Call {
    pub parts: Parts,
    pub prefer: Prefer,
    /// The base as the client knows it, without a slash at its end.
    pub base: String,
    pub peer: Peer,
    pub client: Client,
}

impl Call {
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }
}

/// What a request came to, and how many messages it brought.
pub(super) struct Outcome {
    pub reply: Answered,
    pub messages: u64,
}

impl From<Answered> for Outcome {
    fn from(reply: Answered) -> Self {
        Self { reply, messages: 0 }
    }
}

impl Endpoint {
    pub(super) fn new(
        plan: FhirPlan,
        common: Common,
        (guard, clock): (Guard, Arc<dyn Clock>),
        (serving, address): (Serving, SocketAddr),
    ) -> Self {
        Self {
            accept: Accept(common.accept.clone()),
            clock,
            intake: serving.intake,
            events: serving.events,
            limits: Limits::new(common.max_size, plan.body_timeout),
            guard,
            address,
            plan,
            common,
        }
    }

    /// Answers one request; also says how many messages it brought.
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        now: Command,
    ) -> (Response<Full<Bytes>>, u64) {
        let (parts, body) = request.into_parts();
        let name = HeaderName::from_static("x-request-id");
        let id = request::header(&parts.headers, &name).map(str::to_owned);
        let (manner, refused) = manner(&parts);
        let (reply, messages) = match refused {
            Some(fault) => (Err(Reply::refusal(406, fault)), 0),
            None if now == Command::Pause => {
                let fault = Fault::new(W2333).because("the channel is paused");
                let reply = Reply::outcome(503, &[fault]).again_after(PAUSED_WAIT);
                (Err(Box::new(reply)), 0)
            }
            None => {
                let outcome = self.answer((parts, body), peer).await;
                (outcome.reply, outcome.messages)
            }
        };
        let mut reply = reply.unwrap_or_else(|refusal| *refusal);
        if let Some(id) = id.filter(|id| id.len() <= REQUEST_ID_BYTES_MAX) {
            reply = reply.with(name, &id);
        }
        (reply.write(manner), messages)
    }

    async fn answer(&self, (parts, body): (Parts, Incoming), peer: Peer) -> Outcome {
        let Some(path) = below(parts.uri.path(), &self.plan.path).map(str::to_owned) else {
            let fault = Fault::new(W2320).because("the base is another path");
            return Err(Reply::refusal(404, fault)).into();
        };
        let base = self.base(&parts);
        if is_public(&parts, &path) {
            return match self.guard.visit(&peer) {
                Ok(()) => metadata::answer(self, &path, &base).into(),
                Err(denied) => Err(self.denied(&denied, &peer)).into(),
            };
        }
        let admitted = self.guard.admit(&parts.headers, &peer).await;
        if let Some(fault) = self.guard.trouble() {
            self.events.note(&SourceEvent::Trouble { fault });
        }
        let client = match admitted {
            Ok(client) => client,
            Err(denied) => return Err(self.denied(&denied, &peer)).into(),
        };
        let peer = match &self.plan.guard.auth {
            // The certificate says more than a name that everybody has.
            Auth::None => peer,
            _ => Peer { subject: client.sender().or(Some(&client.name().into())).cloned(), ..peer },
        };
        let prefer = request::header(&parts.headers, &HeaderName::from_static("prefer"));
        let prefer = prefer.map(Prefer::parse).unwrap_or_default();
        let call = Call { parts, prefer, base, peer, client };
        if let Some(id) = status::asked(&path) {
            return status::answer(self, &call, id).await.into();
        }
        let posts = call.parts.method == Method::POST;
        if posts && path.trim_matches('/').is_empty() && is_ndjson(call.headers()) {
            return self.bulk(&call, body).await;
        }
        match self.interaction(&call, &path, body).await {
            Ok((interaction, body)) => self.carry_out(&call, &interaction, body).await,
            Err(refusal) => Err(refusal).into(),
        }
    }

    /// Finds what is asked; the body, where it is not part of that.
    async fn interaction(
        &self,
        call: &Call,
        path: &str,
        body: Incoming,
    ) -> Result<(Interaction, Option<Incoming>), Box<Reply>> {
        let headers = call.headers();
        let searches = call.parts.method == Method::POST && path.ends_with("_search");
        let (form, body) = match searches && headers.contains_key(CONTENT_TYPE) {
            true if request::media(headers)? == Media::Query => {
                let read = request::read(headers, body, &self.limits).await?;
                (Some(String::from_utf8_lossy(&read.bytes).into_owned()), None)
            }
            _ => (None, Some(body)),
        };
        let asked = rest::Request {
            method: call.parts.method.as_str(),
            path,
            query: call.parts.uri.query(),
            form: form.as_deref(),
            conditions: request::conditions(headers),
        };
        Ok((rest::parse(&asked)?, body))
    }

    /// Does what is asked, where the client may and the channel does such things.
    async fn carry_out(
        &self,
        call: &Call,
        interaction: &Interaction,
        body: Option<Incoming>,
    ) -> Outcome {
        let by_content = matches!(
            interaction,
            Interaction::Create { .. } | Interaction::Read { .. } | Interaction::Vread { .. }
        );
        match call.client.may(interaction) {
            Ok(()) => {}
            // Whose it is, its content says.
            Err(denied) if denied.fault.code() == W2359 && by_content => {}
            Err(denied) => return Err(self.denied(&denied, &call.peer)).into(),
        }
        match (interaction, body) {
            (Interaction::Capabilities, _) => metadata::answer(self, "metadata", &call.base).into(),
            (Interaction::Operation { kind: Some("Patient"), id: Some(_), name, .. }, _)
                if &**name == "everything" && self.reader().is_some() =>
            {
                match call.parts.method {
                    Method::GET | Method::HEAD => self.read(call, interaction).await.into(),
                    _ => {
                        let fault = Fault::new(W2323).because("`$everything` is asked for by GET");
                        let reply = Reply::outcome(405, &[fault]);
                        Err(Box::new(reply.with(hyper::header::ALLOW, "GET, HEAD"))).into()
                    }
                }
            }
            (Interaction::Operation { .. }, _) => {
                let fault = Fault::new(W2320).because("weir has no such operation");
                Err(Reply::refusal(404, fault)).into()
            }
            (interaction, Some(body)) if interaction.writes() => match self.takes(interaction) {
                true => self.write(call, interaction, body).await,
                false => Err(self.not_taken(interaction)).into(),
            },
            (interaction, _) => self.read(call, interaction).await.into(),
        }
    }

    /// Where reads are served from now.
    pub(super) fn reader(&self) -> Option<Arc<dyn Reader>> {
        self.intake.reader()
    }

    /// Whether the channel takes such writes. Bundles say themselves what they are, and the
    /// intake decides on them.
    pub(super) fn takes(&self, interaction: &Interaction) -> bool {
        metadata::takes(&self.accept, self.reader().is_some(), interaction)
    }

    fn not_taken(&self, interaction: &Interaction) -> Box<Reply> {
        let kind = interaction.kind().unwrap_or("Bundle");
        let fault = Fault::new(W2332)
            .because(format!("it is no {} of {kind} that it takes", interaction.code()));
        let allow = metadata::allow(self, kind);
        Box::new(Reply::outcome(405, &[fault]).with(hyper::header::ALLOW, &allow))
    }

    /// The answer to a caller who may not; an event, too, but for those who only come too
    /// often: each of them would be one.
    pub(super) fn denied(&self, denied: &super::auth::Denied, peer: &Peer) -> Box<Reply> {
        if denied.status != 429 {
            let (peer, fault) = (peer.clone(), denied.fault.clone());
            self.events.note(&SourceEvent::Denied { peer, fault });
        }
        let reply = Reply::outcome(denied.status, std::slice::from_ref(&denied.fault));
        Box::new(reply.with_all(denied.headers()))
    }

    /// The base as the client knows it.
    fn base(&self, parts: &Parts) -> String {
        if let Some(url) = &self.plan.public_url {
            return url.to_string();
        }
        let named = parts.uri.authority().map(hyper::http::uri::Authority::as_str);
        let host = named.or_else(|| request::header(&parts.headers, &HOST));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
        let host = host.filter(|host| !host.is_empty() && host.bytes().all(plain));
        let scheme = if self.common.tls.is_some() { "https" } else { "http" };
        match host {
            Some(host) => format!("{scheme}://{host}{}", self.plan.path),
            None => format!("{scheme}://{}{}", self.address, self.plan.path),
        }
    }
}

/// In which form the answer is wanted; and why none of ours fits.
fn manner(parts: &Parts) -> (Manner, Option<Fault>) {
    let headers = &parts.headers;
    let text = |name| request::header(headers, name);
    let query = Query::parse(parts.uri.query().unwrap_or_default()).unwrap_or_default();
    // A client that sends XML and does not say what it wants reads XML.
    let default = match content::media(text(&CONTENT_TYPE)) {
        Ok(Media::Resource(form)) => form,
        _ => Form::Json,
    };
    let wanted = content::wanted(query.first("_format"), text(&ACCEPT), default);
    let gzip = content::takes_gzip(text(&ACCEPT_ENCODING));
    let head = parts.method == Method::HEAD;
    let form = wanted.as_ref().copied().unwrap_or_default();
    (Manner { form, gzip, head }, wanted.err())
}

/// What follows the base in a path; none where it is not below it.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(base)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// What everybody may read: what the endpoint can do.
fn is_public(parts: &Parts, path: &str) -> bool {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    reads && matches!(path, "/metadata" | "/.well-known/smart-configuration")
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    matches!(request::media(headers), Ok(Media::Ndjson))
}
