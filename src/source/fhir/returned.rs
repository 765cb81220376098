//! What the answer to a Bundle holds besides what was heard: the resources that its sender
//! prefers to see, and the response message to a message.
//!
//! Source: FHIR R4 http.html#ops, messaging.html, messageheader.html.

use std::sync::Arc;

use bytes::Bytes;

use sha2::{Digest as _, Sha256};

use super::answer::{Answered, Reply};
use super::auth::Client;
use super::read::blocking;
use super::route::{Call, Endpoint};
use crate::base::MessageId;
use crate::fault::Fault;
use crate::fhir::resources::informed;
use crate::fhir::rest::{Id, Interaction, Kind, Return};
use crate::fhir::{Builder, Doc, Node, tables};
use crate::records::{Reader, Version};
use crate::source::Taken;

/// A Bundle that was handed to the intake.
pub(super) struct Sent {
    /// Its content where it is a message, which is answered by one.
    pub message: Option<Bytes>,
    /// The message of ours that it became; none where it was refused.
    pub id: Option<MessageId>,
}

impl Sent {
    pub(super) fn id_of(taken: &Taken) -> Option<MessageId> {
        match taken {
            Taken::Committed(id) => Some(*id),
            Taken::Refused(_) | Taken::NotKept(_) => None,
        }
    }
}

impl Endpoint {
    /// The answer to a Bundle as its sender wants it.
    pub(super) async fn returned(&self, call: &Call, sent: Sent, reply: Answered) -> Answered {
        if let Some(message) = sent.message {
            return match reply {
                Ok(reply) => Ok(responded(call, &message, sent.id, reply)),
                Err(refusal) => Err(Box::new(responded(call, &message, sent.id, *refusal))),
            };
        }
        let reply = self.read_beside(call, reply?).await;
        match call.prefer.returns {
            Some(Return::Representation) => self.represented(call, reply).await,
            Some(Return::Outcome) => Ok(with_outcomes(reply)),
            Some(Return::Minimal) | None => Ok(reply),
        }
    }

    /// Writes down what entries that read show beside those that write; what cannot be
    /// written down is not shown.
    async fn read_beside(&self, call: &Call, reply: Reply) -> Reply {
        let (Some(_), Some(bundle)) = (self.reader(), entries_of(&reply)) else { return reply };
        let addresses: Vec<String> = items(&bundle).flat_map(read_by).collect();
        if addresses.is_empty()
            || self.testify(call, &Interaction::Bundle, &addresses).await.is_ok()
        {
            return reply;
        }
        let mut out = Builder::new();
        begin(&mut out, &bundle);
        for entry in items(&bundle) {
            out.start_object();
            for (name, value) in entry.members().filter(|(name, _)| *name != "resource") {
                out.name(name).node(value);
            }
            out.end_object();
        }
        out.end_array().end_object();
        reply.saying(&out.finish())
    }

    /// With the resources of the versions that entries of ours name. Those that were there
    /// before are shown to whoever may read them.
    async fn represented(&self, call: &Call, reply: Reply) -> Answered {
        let (Some(reader), Some(bundle)) = (self.reader(), entries_of(&reply)) else {
            return Ok(reply);
        };
        let client = call.client.clone();
        let shown = blocking(move || shown(&*reader, &client, &bundle)).await;
        // It is written, and an error would be taken for the opposite: where the resources
        // cannot be shown, the answer goes without them.
        let Ok(Ok((doc, addresses))) = shown else { return Ok(reply) };
        match self.testify(call, &Interaction::Bundle, &addresses).await {
            Ok(()) => Ok(reply.saying(&doc)),
            Err(_) => Ok(reply),
        }
    }
}

/// The answer with the resources that the client may read, and their addresses.
fn shown(reader: &dyn Reader, client: &Client, bundle: &Doc) -> Result<(Doc, Vec<String>), Fault> {
    let mut addresses = Vec::new();
    let mut out = Builder::new();
    begin(&mut out, bundle);
    for entry in items(bundle) {
        let version = named(reader, entry)?;
        let doc = version.as_ref().map(Version::doc).transpose()?;
        let doc = doc.filter(|doc| status(entry) == Some(201) || may_see(client, doc));
        addresses.extend(version.filter(|_| doc.is_some()).map(|version| version.address()));
        out.start_object();
        let own = entry.members().filter(|(name, _)| doc.is_none() || *name != "resource");
        for (name, value) in own {
            if let Some(doc) = doc.as_ref().filter(|_| name == "response") {
                out.name("resource").node(doc.root());
            }
            out.name(name).node(value);
        }
        out.end_object();
    }
    out.end_array().end_object();
    Ok((out.finish(), addresses))
}

/// The answer of a transaction or batch that an answer holds.
fn entries_of(reply: &Reply) -> Option<Doc> {
    let doc = reply.resource().filter(|_| reply.status == 200)?;
    let kind = doc.root().get("type")?.string()?.into_owned();
    (doc.resource_type().as_deref() == Some("Bundle") && kind.ends_with("-response")).then_some(doc)
}

/// Addresses of the versions that an entry shows because it read them: one that wrote has a
/// `location`.
fn read_by(entry: Node<'_>) -> Vec<String> {
    let wrote = entry.get("response").is_some_and(|told| told.get("location").is_some());
    let Some(resource) = entry.get("resource").filter(|_| !wrote) else { return Vec::new() };
    if resource.resource_type().as_deref() != Some("Bundle") {
        return Vec::from_iter(version_address(resource));
    }
    let entries = resource.get("entry").into_iter().flat_map(|entries| entries.items());
    entries.filter_map(|entry| version_address(entry.get("resource")?)).collect()
}

fn version_address(resource: Node<'_>) -> Option<String> {
    let number = resource.get("meta")?.get("versionId")?.string()?;
    let id = resource.get("id")?.string()?;
    Some(format!("{}/{id}/_history/{number}", resource.resource_type()?))
}

fn items(bundle: &Doc) -> impl Iterator<Item = Node<'_>> {
    bundle.root().get("entry").into_iter().flat_map(|entries| entries.items())
}

/// The version of ours that an entry wrote or found: of its address and its time, so that
/// what another server says is never taken for ours.
fn named(reader: &dyn Reader, entry: Node<'_>) -> Result<Option<Version>, crate::fault::Fault> {
    let text = |name: &str| entry.get("response")?.get(name)?.string();
    let (Some(location), Some(at)) = (text("location"), text("lastModified")) else {
        return Ok(None);
    };
    let mut steps = location.split('/');
    let (Some(kind), Some(id), Some("_history"), Some(number), None) =
        (steps.next(), steps.next(), steps.next(), steps.next(), steps.next())
    else {
        return Ok(None);
    };
    let Ok(number) = number.parse() else { return Ok(None) };
    let version = reader.vread(kind, id, number)?;
    Ok(version.filter(|version| !version.deleted && version.at.to_string() == *at))
}

fn status(entry: Node<'_>) -> Option<u16> {
    entry.get("response")?.get("status")?.string()?.get(..3)?.parse().ok()
}

/// Whether the client may read a resource.
fn may_see(client: &Client, doc: &Doc) -> bool {
    let kind: Option<Kind> = doc.resource_type().and_then(|kind| tables::type_name(&kind));
    let id = doc.root().get("id").and_then(|id| Id::parse(&id.string()?));
    let (Some(kind), Some(id)) = (kind, id) else { return false };
    let read = Interaction::Read { kind, id, if_none_match: None, if_modified_since: None };
    client.may_with(&read, doc.root()).is_ok()
}

fn begin(out: &mut Builder, bundle: &Doc) {
    out.start_object();
    for (name, value) in bundle.root().members().filter(|(name, _)| *name != "entry") {
        out.name(name).node(value);
    }
    out.name("entry").start_array();
}

/// With an OperationOutcome in each entry.
fn with_outcomes(reply: Reply) -> Reply {
    let Some(bundle) = entries_of(&reply) else { return reply };
    let mut out = Builder::new();
    begin(&mut out, &bundle);
    for entry in items(&bundle) {
        out.start_object();
        for (name, value) in entry.members() {
            out.name(name);
            if name != "response" || value.get("outcome").is_some() {
                out.node(value);
                continue;
            }
            out.start_object();
            for (name, value) in value.members() {
                out.name(name).node(value);
            }
            out.name("outcome").node(informed("Done.").root()).end_object();
        }
        out.end_object();
    }
    out.end_array().end_object();
    reply.saying(&out.finish())
}

/// The answer to a message: a message whose header says how it went. One that is on its way,
/// or that a server behind answered by a message, stays as it is. The status of HTTP stays,
/// so that whoever looks at it alone knows as well.
fn responded(call: &Call, message: &Bytes, id: Option<MessageId>, reply: Reply) -> Reply {
    let told = reply.resource();
    let is = |doc: &Doc, kind: &str| doc.resource_type().as_deref() == Some(kind);
    let is_message = |doc: &Doc| {
        let kind = doc.root().get("type").and_then(|kind| kind.string());
        is(doc, "Bundle") && kind.as_deref() == Some("message")
    };
    if reply.status == 202 || told.as_ref().is_some_and(is_message) {
        return reply;
    }
    let Ok(request) = Doc::parse_json(message.clone()) else { return reply };
    let outcome = told.filter(|doc| is(doc, "OperationOutcome"));
    let code = match reply.status {
        ..300 => "ok",
        429 | 500.. => "transient-error",
        _ => "fatal-error",
    };
    let doc = response(call, &request, message, (id, code), outcome.as_ref());
    reply.saying(&doc)
}

/// The response message.
///
/// Source: FHIR R4 messageheader.html#MessageHeader.response.
fn response(
    call: &Call,
    request: &Doc,
    message: &Bytes,
    (id, code): (Option<MessageId>, &str),
    outcome: Option<&Doc>,
) -> Doc {
    const OUTCOME: &str = "outcome";
    let first = items(request).next();
    let header = first.and_then(|entry| entry.get("resource"));
    // Of a message that was not taken, its own bytes tell it from others.
    let id = id.unwrap_or_else(|| {
        let digest: [u8; 32] = Sha256::digest(message).into();
        let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        MessageId::from_u128(u128::from_be_bytes(*first))
    });
    let own: Arc<str> = id.to_string().into();
    // The header is the message itself; what belongs to it gets an id of its own kind.
    let url = |of: &str| match of {
        OUTCOME => {
            format!("urn:uuid:{}", uuid::Builder::from_custom_bytes(id.to_bytes()).into_uuid())
        }
        _ => format!("urn:uuid:{}", id.to_uuid()),
    };
    let mut out = Builder::new();
    out.start_object().member("resourceType", "Bundle").member("type", "message");
    out.name("entry").start_array().start_object();
    out.member("fullUrl", &url("header")).name("resource").start_object();
    out.member("resourceType", "MessageHeader").member("id", &own);
    let event = header.and_then(|header| {
        header.members().find(|(name, _)| matches!(*name, "eventCoding" | "eventUri"))
    });
    match event {
        Some((name, event)) => out.name(name).node(event),
        None => out.member("eventUri", "urn:weir:event:unknown"),
    };
    let from = header.and_then(|header| header.get("source"));
    if let Some(endpoint) = from.and_then(|from| from.get("endpoint")) {
        out.name("destination").start_array().start_object();
        if let Some(name) = from.and_then(|from| from.get("name")) {
            out.name("name").node(name);
        }
        out.name("endpoint").node(endpoint).end_object().end_array();
    }
    out.name("source").start_object().member("name", "weir");
    out.member("software", "weir").member("version", env!("CARGO_PKG_VERSION"));
    out.member("endpoint", &call.base).end_object();
    out.name("response").start_object().member("identifier", &identifier(request, first));
    out.member("code", code);
    if outcome.is_some() {
        out.name("details").start_object().member("reference", &url(OUTCOME)).end_object();
    }
    out.end_object().end_object().end_object();
    if let Some(outcome) = outcome {
        out.start_object().member("fullUrl", &url(OUTCOME));
        out.name("resource").node(outcome.root()).end_object();
    }
    out.end_array().end_object();
    out.finish()
}

/// The id of the message that is answered: that of its header; else what comes closest.
fn identifier(request: &Doc, first: Option<Node<'_>>) -> String {
    let text = |node: Option<Node<'_>>| Some(node?.string()?.into_owned());
    let header = first.and_then(|entry| entry.get("resource"));
    let of_header = text(header.and_then(|header| header.get("id")));
    let of_entry = || {
        let url = text(first?.get("fullUrl"))?;
        Some(url.rsplit(['/', ':']).next().unwrap_or(&url).to_owned())
    };
    let of_bundle = || text(request.root().get("id"));
    let found = of_header.or_else(of_entry).or_else(of_bundle);
    found.filter(|id| Id::parse(id).is_some()).unwrap_or_else(|| "unknown".to_owned())
}
