//! A write: its content is read, checked against its address, put into the form in which it
//! travels, and handed to the intake.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;

use super::answer::Reply;
use super::content::{Form, Media};
use super::request::{self, Body};
use super::returned::Sent;
use super::route::{Call, Endpoint, Outcome};
use crate::fault::codes::{W2326, W2327, W2359, W2720};
use crate::fault::{Fault, Place};
use crate::fhir::rest::{self, Change, Interaction, Query};
use crate::fhir::transaction::Transaction;
use crate::fhir::{Doc, Node, tables};
use crate::source::{Answer, Arrival};

/// A write that is ready for the intake.
struct Ready {
    bytes: Bytes,
    message_type: Option<Arc<str>>,
    travels: Travels,
}

/// As what a write travels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Travels {
    /// As one resource, or as the Bundle around it that carries its condition.
    Single,
    /// As the transaction or batch it is.
    Bundle,
    /// As the message it is.
    Message,
}

/// Why content goes no further.
enum Unfit {
    /// It is answered, and nothing is kept of it.
    Answer(Box<Reply>),
    /// It is wrong in itself: kept as refused, as everything that is refused.
    Content(Fault),
    /// It asks for nothing but reads.
    Reads(Doc),
}

impl From<Box<Reply>> for Unfit {
    fn from(reply: Box<Reply>) -> Self {
        Self::Answer(reply)
    }
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Content(fault)
    }
}

impl Endpoint {
    /// Takes a write and answers it.
    pub(super) async fn write(
        &self,
        call: &Call,
        interaction: &Interaction,
        body: Incoming,
    ) -> Outcome {
        let body = match self.content(call, interaction, body).await {
            Ok(body) => body,
            Err(refusal) => return Err(refusal).into(),
        };
        match self.ready(call, interaction, &body) {
            Ok(Ready { bytes, message_type, travels }) => {
                let message = (travels == Travels::Message).then(|| bytes.clone());
                let arrival = self.arrival(call, bytes, message_type);
                let answer = self.intake.take(arrival).await;
                let sent = Sent { message, id: Sent::id_of(&answer.taken) };
                let mut reply = self.answered(call, interaction, answer);
                if matches!(travels, Travels::Bundle | Travels::Message) {
                    reply = self.returned(call, sent, reply).await;
                }
                Outcome { reply, messages: 1 }
            }
            Err(Unfit::Answer(refusal)) => Err(refusal).into(),
            Err(Unfit::Content(fault)) => {
                let answer = self.refuse(call, body.bytes.clone(), fault).await;
                Outcome { reply: self.answered(call, interaction, answer), messages: 1 }
            }
            Err(Unfit::Reads(batch)) => self.read_batch(call, &batch).await.into(),
        }
    }

    /// Has content noted that is wrong in itself.
    pub(super) async fn refuse(&self, call: &Call, bytes: Bytes, fault: Fault) -> Answer {
        self.intake.refuse(self.arrival(call, bytes, None), fault).await
    }

    pub(super) fn arrival(
        &self,
        call: &Call,
        bytes: Bytes,
        message_type: Option<Arc<str>>,
    ) -> Arrival {
        Arrival {
            bytes,
            peer: call.peer.clone(),
            received: self.clock.now(),
            parent: None,
            origin: None,
            message_type,
            waits: !call.prefer.respond_async,
            back: None,
        }
    }

    /// The body of a write; a delete has none.
    async fn content(
        &self,
        call: &Call,
        interaction: &Interaction,
        body: Incoming,
    ) -> Result<Body, Box<Reply>> {
        match interaction {
            Interaction::Delete { .. } | Interaction::ConditionalDelete { .. } => Ok(Body::none()),
            _ => {
                // Before the body: who sends something else need not send all of it.
                let media = request::media(call.headers())?;
                let patches = is_patch(interaction);
                let fits = match media {
                    Media::Resource(_) => true,
                    Media::JsonPatch | Media::XmlPatch => patches,
                    Media::Ndjson | Media::Query => false,
                };
                if !fits {
                    let why = "the interaction is not done with such a body";
                    return Err(Reply::refusal(415, Fault::new(W2327).because(why)));
                }
                request::read(call.headers(), body, &self.limits).await
            }
        }
    }

    /// Reads the content and puts it into the form in which it travels.
    fn ready(&self, call: &Call, interaction: &Interaction, body: &Body) -> Result<Ready, Unfit> {
        let message_type = rest::message_type(interaction);
        if body.is_none() {
            let doc = rest::wrapped(interaction, &Change::Nothing);
            return Ok(wrapped(doc, message_type));
        }
        let media = request::media(call.headers())?;
        if let Media::JsonPatch | Media::XmlPatch = media {
            if body.bytes.is_empty() {
                return Err(Fault::new(W2720).because("the body is empty").into());
            }
            let content_type = request::header(call.headers(), &CONTENT_TYPE).unwrap_or_default();
            let content_type = content_type.split(';').next().unwrap_or_default().trim();
            let change = Change::Patch { content_type, bytes: &body.bytes };
            return Ok(wrapped(rest::wrapped(interaction, &change), message_type));
        }
        let doc = match media {
            Media::Resource(Form::Xml) => Doc::parse_xml(body.bytes.clone())?,
            _ => Doc::parse_json(body.bytes.clone())?,
        };
        let root = doc.root();
        rest::clean(root)?;
        let kind = root.resource_type();
        if !kind.as_deref().is_some_and(tables::is_resource) {
            return Err(Fault::new(W2720).because("no type of resource of R4").into());
        }
        match interaction {
            Interaction::Bundle | Interaction::ProcessMessage { .. } => {
                if self.bundle(call, interaction, &doc)? {
                    return Err(Unfit::Reads(doc));
                }
            }
            _ if is_patch(interaction) => {
                if kind.as_deref() != Some("Parameters") {
                    let cause = "a patch is `Parameters`, a JSON Patch or an XML Patch";
                    return Err(Fault::new(W2326).because(cause).into());
                }
            }
            _ => {
                rest::addressed(interaction, root)?;
                let may = call.client.may_with(interaction, root);
                may.map_err(|denied| self.denied(&denied, &call.peer))?;
            }
        }
        match rest::wrapped(interaction, &Change::Resource(&doc)) {
            Some(bundle) => Ok(wrapped(Some(bundle), message_type)),
            None => {
                let bytes = match media {
                    Media::Resource(Form::Xml) => doc.to_json(),
                    _ => body.bytes.clone(),
                };
                let kind = root.get("type").and_then(|kind| kind.string());
                let travels = match interaction {
                    Interaction::Bundle | Interaction::ProcessMessage { .. } => match &kind {
                        Some(kind) if kind == "message" => Travels::Message,
                        _ => Travels::Bundle,
                    },
                    _ => Travels::Single,
                };
                Ok(Ready { bytes, message_type, travels })
            }
        }
    }

    /// Checks a Bundle; whether it asks for reads only, which are served from here.
    fn bundle(&self, call: &Call, interaction: &Interaction, doc: &Doc) -> Result<bool, Unfit> {
        let root = doc.root();
        let unfit = |why: &'static str| {
            Unfit::Content(Fault::new(W2326).at(Place::path("Bundle.type")).because(why))
        };
        if root.resource_type().as_deref() != Some("Bundle") {
            return Err(unfit("expected a Bundle here"));
        }
        let kind = root.get("type").and_then(|kind| kind.string()).unwrap_or_default();
        let batch = match (&*kind, interaction) {
            ("message", _) => return self.message(call, root).map(|()| false),
            (_, Interaction::ProcessMessage { .. }) => {
                return Err(unfit("`$process-message` takes a Bundle of type `message`"));
            }
            ("transaction", _) => false,
            ("batch", _) => true,
            ("document" | "collection", _) => {
                return Err(unfit(
                    "the base takes Bundles of type `transaction` and `batch`; a document or \
                     collection is a resource, to be sent by `POST [base]/Bundle`",
                ));
            }
            _ => return Err(unfit("the base takes Bundles of type `transaction` and `batch`")),
        };
        let (mut reads, mut any) = (true, false);
        for entry in rest::entries(root) {
            any = true;
            let asks = match entry.asks {
                Ok(asks) => asks,
                // Of a batch the others are carried out all the same.
                Err(_) if batch => {
                    reads = false;
                    continue;
                }
                Err(refused) => return Err(refused.fault.into()),
            };
            reads &= !asks.writes();
            let may = match call.client.may(&asks) {
                // What comes along says whose it is where it is made; of a read it proves
                // nothing.
                Err(denied) if denied.fault.code() == W2359 => match (&asks, entry.resource) {
                    (Interaction::Create { .. }, Some(resource)) => {
                        call.client.may_with(&asks, resource)
                    }
                    _ => Err(denied),
                },
                may => may,
            };
            may.map_err(|denied| self.denied(&denied, &call.peer))?;
        }
        if !batch {
            self.conditional(call, doc)?;
        }
        Ok(batch && reads && any && self.reader().is_some())
    }

    /// Checks who may send a message Bundle, to whichever address. Its resources are written
    /// one by one where records stand behind the channel.
    fn message(&self, call: &Call, root: Node<'_>) -> Result<(), Unfit> {
        let first = root.get("entry").and_then(|entries| entries.items().next());
        let first = first.and_then(|entry| entry.get("resource")).and_then(|r| r.resource_type());
        if first.as_deref() != Some("MessageHeader") {
            let fault = Fault::new(W2326).at(Place::path("Bundle.entry[0].resource"));
            return Err(fault.because("a message begins with its MessageHeader").into());
        }
        let sends = Interaction::ProcessMessage { query: Query::default() };
        call.client.may(&sends).map_err(|denied| self.denied(&denied, &call.peer))?;
        if self.reader().is_some() {
            let resources = rest::entries(root).filter_map(|entry| entry.resource);
            let may = call.client.may_write_all(resources);
            may.map_err(|denied| self.denied(&denied, &call.peer))?;
        }
        Ok(())
    }

    /// Checks the searches that references of a transaction stand for: they tell whether
    /// something is there.
    fn conditional(&self, call: &Call, doc: &Doc) -> Result<(), Unfit> {
        let Ok(transaction) = Transaction::read(doc) else { return Ok(()) };
        for found in transaction.conditional().map_err(|refused| refused.fault)? {
            let (kind, query) = (Some(found.kind), found.search);
            let search = Interaction::Search { kind, compartment: None, query };
            call.client.may(&search).map_err(|denied| self.denied(&denied, &call.peer))?;
        }
        Ok(())
    }
}

const fn is_patch(interaction: &Interaction) -> bool {
    matches!(interaction, Interaction::Patch { .. } | Interaction::ConditionalPatch { .. })
}

fn wrapped(doc: Option<Doc>, message_type: Option<Arc<str>>) -> Ready {
    let bytes = doc.map(|doc| doc.to_json()).unwrap_or_default();
    Ready { bytes, message_type, travels: Travels::Single }
}
