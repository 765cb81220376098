//! From a delivery to the request that carries it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, USER_AGENT,
};

use super::together::{PART_BYTES_MAX, Part};
use super::{FhirPlan, Format};
use crate::fault::{Fault, codes::*};
use crate::fhir::rest::{self, Conditions, Interaction, Query, Tags};
use crate::fhir::{Builder, Doc, Node};
use crate::message::{ContentKind, Delivery};
use crate::ports::fhir::escape;
use crate::ports::http::Call;

/// Smallest body that is worth packing: below, the frames of gzip eat what it saves.
const GZIP_BYTES_MIN: usize = 1 << 10;

/// A request, and what its answer has to be looked at for.
#[derive(Clone)]
pub(super) struct Sending {
    pub call: Call,
    /// Whether the answer has entries.
    pub entries: bool,
    /// An update by id whose sender named no version: the current one may be named instead.
    pub may_reread: bool,
    /// The same as an entry of a batch, where it may go with others.
    pub part: Option<Part>,
}

/// What a delivery asks the server to do: everything but format and headers.
struct Ask {
    method: Method,
    /// Below the base, without a slash before it.
    path: String,
    conditions: Vec<(HeaderName, String)>,
    body: Body,
    entries: bool,
    may_reread: bool,
}

enum Body {
    None,
    /// The bytes of the delivery as they are.
    Whole,
    Resource(Doc),
    Patch(HeaderValue, Bytes),
}

impl Ask {
    fn new(method: Method, path: String) -> Self {
        let conditions = Vec::new();
        Self { method, path, conditions, body: Body::Whole, entries: false, may_reread: false }
    }
}

/// The request for a delivery.
///
/// # Errors
/// `W7205` for what is no resource, `W27xx` for what is no JSON, `W7505` for a condition that
/// cannot stand in a header.
pub(super) fn sending(plan: &FhirPlan, delivery: &Delivery) -> Result<Sending, Fault> {
    if delivery.body.kind != ContentKind::FhirJson {
        return Err(Fault::new(W7205));
    }
    let doc = Doc::parse_json(delivery.body.bytes.clone())?;
    let kind = doc.resource_type().filter(|kind| is_name(kind));
    let kind = kind.ok_or_else(|| Fault::new(W7205).because("no resource type"))?;
    let ask = match lone(&doc, &delivery.message_type)? {
        Some(ask) => ask,
        None => plain(&doc, &kind, &delivery.message_type),
    };
    let (entries, may_reread) = (ask.entries, ask.may_reread);
    let part = plan.batch.and_then(|_| part(&ask, &doc, delivery.body.bytes.len()));
    Ok(Sending { call: written(plan, ask, &doc)?, entries, may_reread, part })
}

/// The request for a batch of several deliveries.
///
/// # Errors
/// `W2707` for what has no form in XML.
pub(super) fn batch(plan: &FhirPlan, bundle: &Doc) -> Result<Call, Fault> {
    written(plan, Ask::new(Method::POST, String::new()), bundle)
}

/// One interaction as an entry. Bundles that are carried out go alone, as each of their
/// entries would lose what holds them together; and so does a patch that is no resource,
/// which not every server takes in a batch.
fn part(ask: &Ask, whole: &Doc, bytes: usize) -> Option<Part> {
    let operates = ask.path.is_empty() || ask.path.starts_with('$');
    if ask.entries || operates || bytes > PART_BYTES_MAX {
        return None;
    }
    let resource = match &ask.body {
        Body::None => None,
        Body::Whole => Some(whole.clone()),
        Body::Resource(doc) => Some(doc.clone()),
        Body::Patch(..) => return None,
    };
    let methods = ["POST", "PUT", "PATCH", "DELETE"];
    let method = methods.into_iter().find(|method| ask.method.as_str() == *method)?;
    let (url, conditions) = (ask.path.clone(), ask.conditions.clone());
    Some(Part { method, url, conditions, resource, bytes })
}

/// A resource or Bundle as it stands.
fn plain(doc: &Doc, kind: &str, message_type: &str) -> Ask {
    let text = |name: &str| doc.root().get(name).and_then(|node| node.text());
    if message_type == "update:Bundle" && kind == "Bundle" {
        // A Bundle that is itself what is updated, whatever its type says.
        if let Some(id) = text("id").filter(|id| rest::is_id(id)) {
            return Ask { may_reread: true, ..Ask::new(Method::PUT, format!("{kind}/{id}")) };
        }
    }
    if message_type.strip_prefix("create:") == Some(kind) {
        // A create is a create, whatever id the resource came with.
        //
        // Source: FHIR R4 http.html#create.
        return create(doc, kind);
    }
    match (kind, text("type").as_deref()) {
        ("Bundle", Some("transaction" | "batch")) => {
            Ask { entries: true, ..Ask::new(Method::POST, String::new()) }
        }
        ("Bundle", Some("message")) => Ask::new(Method::POST, "$process-message".to_owned()),
        _ => match text("id").filter(|id| rest::is_id(id)) {
            Some(id) => Ask { may_reread: true, ..Ask::new(Method::PUT, format!("{kind}/{id}")) },
            None => create(doc, kind),
        },
    }
}

fn create(doc: &Doc, kind: &str) -> Ask {
    let conditions = if_none_exist(doc).into_iter().collect();
    Ask { conditions, ..Ask::new(Method::POST, kind.to_owned()) }
}

/// A conditional create by the first identifier with system and value, so that a second
/// attempt after a lost answer writes nothing twice.
///
/// Source: FHIR R4 http.html#ccreate.
fn if_none_exist(doc: &Doc) -> Option<(HeaderName, String)> {
    let identifiers = doc.root().get("identifier")?;
    let search = identifiers.each().find_map(|identifier| {
        let system = identifier.get("system")?.text()?;
        let value = identifier.get("value")?.text()?;
        let whole = !system.is_empty() && !value.is_empty();
        whole.then(|| format!("identifier={}%7C{}", escape(&system), escape(&value)))
    })?;
    Some((HeaderName::from_static("if-none-exist"), search))
}

/// The interaction that a source wrapped into a transaction of one entry, because it carried
/// a condition or no resource: it leaves as what it was.
fn lone(doc: &Doc, message_type: &str) -> Result<Option<Ask>, Fault> {
    let verb = message_type.split_once(':').map(|(verb, _)| verb);
    if !matches!(verb, Some("create" | "update" | "patch" | "delete")) {
        return Ok(None);
    }
    let root = doc.root();
    if root.get("type").and_then(|node| node.text()).as_deref() != Some("transaction") {
        return Ok(None);
    }
    let Some(entries) = root.get("entry") else { return Ok(None) };
    let mut entries = entries.items();
    let (Some(entry), None) = (entries.next(), entries.next()) else { return Ok(None) };
    let Some(request) = entry.get("request") else { return Ok(None) };
    let text = |name: &str| request.get(name).and_then(|node| node.text());
    let (method, url) = (text("method").unwrap_or_default(), text("url").unwrap_or_default());
    let (if_match, if_none_exist) = (text("ifMatch"), text("ifNoneExist"));
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_exist: if_none_exist.as_deref(),
        ..Conditions::default()
    };
    let wrong = |refused: rest::Refused| {
        Fault::new(W7205).because(format!("its entry: {}", refused.fault.code().row().phrase))
    };
    let interaction = match rest::entry(&method, &url, conditions) {
        Ok(interaction) => interaction,
        // The Bundle may be a resource of its own, which need not be carried out.
        Err(_) if message_type.ends_with(":Bundle") => return Ok(None),
        Err(refused) => return Err(wrong(refused)),
    };
    // A source wraps what the type of the message says; all else is a client's transaction.
    if rest::message_type(&interaction).as_deref() != Some(message_type) {
        return Ok(None);
    }
    let Some(mut ask) = asked(&interaction) else { return Ok(None) };
    ask.body = body(&interaction, entry.get("resource"))?;
    Ok(Some(ask))
}

fn asked(interaction: &Interaction) -> Option<Ask> {
    let with_search = |kind: &str, search: &Query| format!("{kind}?{}", search.encode());
    let (method, path, if_match) = match interaction {
        Interaction::Create { kind, if_none_exist } => {
            let mut ask = Ask::new(Method::POST, (*kind).to_owned());
            let condition = if_none_exist.as_ref().map(Query::encode);
            let name = HeaderName::from_static("if-none-exist");
            ask.conditions.extend(condition.map(|search| (name, search)));
            return Some(ask);
        }
        Interaction::Update { kind, id, if_match } => {
            (Method::PUT, format!("{kind}/{}", id.as_str()), if_match.as_ref())
        }
        Interaction::ConditionalUpdate { kind, search, if_match } => {
            (Method::PUT, with_search(kind, search), if_match.as_ref())
        }
        Interaction::Patch { kind, id, if_match } => {
            (Method::PATCH, format!("{kind}/{}", id.as_str()), if_match.as_ref())
        }
        Interaction::ConditionalPatch { kind, search, if_match } => {
            (Method::PATCH, with_search(kind, search), if_match.as_ref())
        }
        Interaction::Delete { kind, id, if_match } => {
            (Method::DELETE, format!("{kind}/{}", id.as_str()), if_match.as_ref())
        }
        Interaction::ConditionalDelete { kind, search } => {
            (Method::DELETE, with_search(kind, search), None)
        }
        _ => return None,
    };
    let mut ask = Ask::new(method, path);
    ask.may_reread = matches!(interaction, Interaction::Update { if_match: None, .. });
    ask.conditions.extend(if_match.map(|tags: &Tags| (IF_MATCH, tags.to_string())));
    Some(ask)
}

/// What the entry's resource is to the interaction: nothing, a resource, or a patch.
///
/// Source: FHIR R4 http.html#patch.
fn body(interaction: &Interaction, resource: Option<Node<'_>>) -> Result<Body, Fault> {
    let wrong = |why: &'static str| Fault::new(W7205).because(why);
    if matches!(interaction, Interaction::Delete { .. } | Interaction::ConditionalDelete { .. }) {
        return Ok(Body::None);
    }
    let resource = resource.ok_or_else(|| wrong("its entry holds no resource"))?;
    let text = |name: &str| resource.get(name).and_then(|node| node.text());
    let is_patch =
        matches!(interaction, Interaction::Patch { .. } | Interaction::ConditionalPatch { .. });
    if is_patch && resource.resource_type().as_deref() == Some("Binary") {
        let kind = text("contentType").and_then(|kind| HeaderValue::from_str(&kind).ok());
        let data = text("data").and_then(|data| STANDARD.decode(data.as_bytes()).ok());
        let (kind, data) =
            kind.zip(data).ok_or_else(|| wrong("its entry holds no patch that can be read"))?;
        return Ok(Body::Patch(kind, data.into()));
    }
    let mut out = Builder::new();
    out.node(resource);
    Ok(Body::Resource(out.finish()))
}

/// The request in the format and with the headers that the settings ask for.
fn written(plan: &FhirPlan, ask: Ask, whole: &Doc) -> Result<Call, Fault> {
    let base = &plan.url.path;
    let path = match (ask.path.as_str(), base.is_empty()) {
        // The base of a server without a path is the root.
        ("", true) => "/".to_owned(),
        ("", false) => base.to_string(),
        (path, _) => format!("{base}/{path}"),
    };
    let media = HeaderValue::from_static(plan.format.media_type());
    let written = |doc: &Doc| match plan.format {
        Format::Json => Ok(doc.to_json()),
        Format::Xml => doc.to_xml(),
    };
    let (content_type, body) = match ask.body {
        Body::None => (None, Bytes::new()),
        Body::Whole => (Some(media.clone()), written(whole)?),
        Body::Resource(doc) => (Some(media.clone()), written(&doc)?),
        Body::Patch(kind, bytes) => (Some(kind), bytes),
    };
    let mut headers = vec![
        (ACCEPT, media),
        (HeaderName::from_static("prefer"), HeaderValue::from_static(plan.prefer())),
        (USER_AGENT, HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")))),
    ];
    headers.extend(content_type.map(|kind| (CONTENT_TYPE, kind)));
    for (name, value) in ask.conditions {
        let unfit = |_| Fault::new(W7505).because("a condition cannot stand in a header");
        headers.push((name, HeaderValue::from_str(&value).map_err(unfit)?));
    }
    let body = if plan.gzip && body.len() >= GZIP_BYTES_MIN {
        headers.push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        packed(&body)?
    } else {
        body
    };
    Ok(Call { method: ask.method, path, headers, body })
}

fn packed(bytes: &[u8]) -> Result<Bytes, Fault> {
    use std::io::Write as _;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = out.write_all(bytes).and_then(|()| out.finish());
    packed.map(Bytes::from).map_err(|error| Fault::new(W9001).caused_by(error))
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic())
}
