//! Sealing and opening in FHIR.
//!
//! A sealed primitive loses its value and gets two extensions on its `_name` twin: the
//! sealed value ([`SEALED_URL`]) and the reason why there is no value, `masked`. That is
//! valid for every primitive type. What is sealed is the JSON of the value, so a decimal
//! keeps its digits, and of the twin it had. Of an element that is no primitive, each
//! primitive within is sealed. Tokens stand as the value of strings.

use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::apply::{Tools, misfit};
use super::rule::{At, How, SealRule};
use super::value::{Letters, NO_ENTRY, Opener, Spot};
use crate::fault::codes::{W5011, W5013, W5020};
use crate::fault::{Fault, Place};
use crate::fhir::requests::{self, Secrets};
use crate::fhir::{Doc, Node, NodeId, NodeKind};

/// The extension that holds a sealed value as `valueString`.
pub const SEALED_URL: &str = "urn:weir:sealed";

/// The extension that says why an element has no value.
///
/// Source: FHIR R4 extension-data-absent-reason.html.
const ABSENT_URL: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// First byte of a plain text: the JSON of the value alone.
const VALUE_ONLY: u8 = b'j';
/// First byte of a plain text: the JSON of the value and of its twin, as an array of two.
const WITH_TWIN: u8 = b'p';
/// First byte of a plain text: the JSON of a twin that has no value beside it.
const TWIN_ONLY: u8 = b't';

/// Where a primitive stands, as edits need it.
struct Home {
    /// The object that has it as a member, or has the array it is an item of.
    object: NodeId,
    /// Name of the member.
    name: String,
    /// Place in the array, and the array.
    item: Option<(usize, NodeId)>,
}

fn home(node: Node<'_>) -> Option<Home> {
    let parent = node.parent()?;
    match node.name() {
        Some(name) => Some(Home { object: parent.id(), name: name.to_owned(), item: None }),
        None => {
            let (object, name) = (parent.parent()?, parent.name()?);
            let item = Some((node.index()?, parent.id()));
            Some(Home { object: object.id(), name: name.to_owned(), item })
        }
    }
}

impl Home {
    /// The twin of the primitive, where it has one.
    fn twin<'d>(&self, doc: &'d Doc) -> Option<Node<'d>> {
        let twin = doc.node(self.object)?.get(&format!("_{}", self.name))?;
        match self.item {
            None => Some(twin),
            Some((index, _)) => twin.items().nth(index),
        }
    }
}

/// The place of a primitive: counted from its resource, and its Bundle entry.
fn spot(doc: &Doc, shown: String) -> Spot {
    let own = || Spot { place: shown.clone(), entry: NO_ENTRY, shown: shown.clone() };
    let inside = shown.strip_prefix("Bundle.entry[").and_then(|rest| {
        let (entry, rest) = rest.split_once("].resource")?;
        let entry: u32 = entry.parse().ok()?;
        let resource = doc.root().get("entry")?.items().nth(entry as usize)?.get("resource")?;
        Some((entry, format!("{}{rest}", resource.resource_type()?)))
    });
    match inside {
        None => own(),
        Some((entry, place)) => {
            let kind = doc.root().get("type").and_then(|kind| kind.string());
            // Entries of a search result are in an order of their own.
            let found = matches!(kind.as_deref(), Some("searchset" | "history"));
            Spot { place, entry: if found { NO_ENTRY } else { entry }, shown }
        }
    }
}

/// Primitives within a node, itself included, and twins of primitives that have no value;
/// types and names of resources are left alone.
fn primitives(node: Node<'_>, out: &mut Vec<NodeId>) {
    match node.kind() {
        NodeKind::Null => {}
        NodeKind::String | NodeKind::Number | NodeKind::Bool => {
            if node.name() != Some("resourceType") {
                out.push(node.id());
            }
        }
        NodeKind::Object | NodeKind::Array => {
            for child in node.children() {
                match child.name().and_then(|name| name.strip_prefix('_')) {
                    None => primitives(child, out),
                    Some(name) => lone_twins(child, node.get(name), out),
                }
            }
        }
    }
}

/// Twins without a value: they may say what the value would have said.
fn lone_twins(twin: Node<'_>, value: Option<Node<'_>>, out: &mut Vec<NodeId>) {
    let lone = |twin: &Node<'_>| twin.kind() == NodeKind::Object && sealed_text(*twin).is_none();
    match value {
        None => out.extend(twin.each().filter(lone).map(|twin| twin.id())),
        Some(value) => {
            let missing = |(value, _): &(Node<'_>, Node<'_>)| value.kind() == NodeKind::Null;
            let pairs = value.items().zip(twin.items()).filter(missing);
            out.extend(pairs.map(|(_, twin)| twin).filter(lone).map(|twin| twin.id()));
        }
    }
}

/// Twins without a value of the element that a path would find if it had one.
fn lone_at(rule: &SealRule, doc: &Doc, out: &mut Vec<NodeId>) -> Result<(), Fault> {
    let At::Fhir { within: Some((parent, name)), .. } = &rule.at else { return Ok(()) };
    // `deceased` stands for `deceasedBoolean` as well.
    let named = |member: &str| {
        member.strip_prefix(name.as_str()).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase())
        })
    };
    for object in parent.try_select(doc.root())? {
        for (member, twin) in object.members() {
            let own = member.strip_prefix('_').filter(|member| named(member));
            if let Some(own) = own {
                lone_twins(twin, object.get(own), out);
            }
        }
    }
    Ok(())
}

/// Whether a node is a twin.
fn is_twin(node: &Node<'_>) -> bool {
    let named = |node: &Node<'_>| node.name().is_some_and(|name| name.starts_with('_'));
    named(node) || node.parent().is_some_and(|list| node.name().is_none() && named(&list))
}

/// Seals or takes out a twin that has no value.
fn protect_twin(
    rule: &SealRule,
    tools: &mut Tools<'_>,
    doc: &mut Doc,
    id: NodeId,
) -> Result<String, Fault> {
    let bug = || Fault::new(W5013).at(Place::path(rule.source()));
    let node = doc.node(id).ok_or_else(bug)?;
    let own = home(node).ok_or_else(bug)?;
    let name = own.name.strip_prefix('_').unwrap_or(&own.name).to_owned();
    let home = Home { name, ..own };
    let shown = path_of(node, &home);
    if rule.how != How::Seal {
        match home.item {
            None => doc.remove(id)?,
            Some(_) => doc.set_json(id, "null")?,
        }
        remove_idle_twins(doc, &home)?;
        return Ok(shown);
    }
    let json = json_of(node);
    let plain = Zeroizing::new([&[TWIN_ONLY][..], &json].concat());
    let sealed = tools.seal(rule, &plain, &spot(doc, shown.clone()), Letters::Base64)?;
    doc.set_json(id, &sealed_twin(&sealed))?;
    Ok(shown)
}

/// The twin that holds a sealed value.
fn sealed_twin(sealed: &str) -> String {
    let twin = json!({"extension": [
        {"url": SEALED_URL, "valueString": sealed},
        {"url": ABSENT_URL, "valueCode": "masked"},
    ]});
    twin.to_string()
}

/// Takes a node and its twin out, with what is empty without them.
fn drop_node(doc: &mut Doc, id: NodeId) -> Result<(), Fault> {
    let Some(home) = doc.node(id).and_then(home) else { return Ok(()) };
    if let Some(twin) = home.twin(doc).map(|twin| twin.id()) {
        doc.remove(twin)?;
        remove_idle_twins(doc, &home)?;
    }
    doc.remove_with_empty(id)
}

/// Takes the array of twins out when no twin is left in it.
fn remove_idle_twins(doc: &mut Doc, home: &Home) -> Result<(), Fault> {
    let name = format!("_{}", home.name);
    let twins = doc.node(home.object).and_then(|object| object.get(&name));
    let idle = twins.filter(|twins| {
        twins.kind() == NodeKind::Array && twins.items().all(|t| t.kind() == NodeKind::Null)
    });
    match idle.map(|twins| twins.id()) {
        Some(id) => doc.remove(id),
        None => Ok(()),
    }
}

/// Puts a twin on a primitive, in the place of the one it has.
fn set_twin(doc: &mut Doc, home: &Home, json: &str) -> Result<(), Fault> {
    let name = format!("_{}", home.name);
    let twins = doc.node(home.object).and_then(|object| object.get(&name)).map(|t| t.id());
    match (home.item, twins) {
        (None, None) => doc.insert_member(home.object, &name, json),
        (None, Some(twin)) => doc.set_json(twin, json),
        (Some((index, _)), None) => {
            let list = format!("[{}{json}]", "null,".repeat(index));
            doc.insert_member(home.object, &name, &list)
        }
        (Some((index, _)), Some(list)) => {
            let count = doc.node(list).map_or(0, |list| list.items().count());
            (count..=index).try_for_each(|_| doc.push_item(list, "null"))?;
            let own = doc.node(list).and_then(|list| list.items().nth(index)).map(|t| t.id());
            own.map_or(Ok(()), |own| doc.set_json(own, json))
        }
    }
}

/// The JSON text of a node.
fn json_of(node: Node<'_>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(node.json().into_owned())
}

fn seal_node(
    rule: &SealRule,
    tools: &mut Tools<'_>,
    doc: &mut Doc,
    id: NodeId,
) -> Result<String, Fault> {
    let bug = || Fault::new(W5013).at(Place::path(rule.source()));
    let node = doc.node(id).ok_or_else(bug)?;
    let home = home(node).ok_or_else(bug)?;
    let spot = spot(doc, node.path());
    let value = json_of(node);
    let mut plain = Zeroizing::new(vec![VALUE_ONLY]);
    match home.twin(doc).filter(|twin| twin.kind() != NodeKind::Null) {
        None => plain.extend_from_slice(&value),
        Some(twin) => {
            let twin = json_of(twin);
            *plain = [&[WITH_TWIN, b'['][..], &value, b",", &twin, b"]"].concat();
        }
    }
    let sealed = tools.seal(rule, &plain, &spot, Letters::Base64)?;
    match home.item {
        None => doc.remove(id)?,
        Some(_) => doc.set_json(id, "null")?,
    }
    set_twin(doc, &home, &sealed_twin(&sealed))?;
    Ok(spot.shown)
}

fn token_node(
    rule: &SealRule,
    tools: &Tools<'_>,
    doc: &mut Doc,
    id: NodeId,
) -> Result<String, Fault> {
    let bug = || Fault::new(W5013).at(Place::path(rule.source()));
    let node = doc.node(id).ok_or_else(bug)?;
    let shown = node.path();
    let other = || Fault::new(W5011).at(Place::path(shown.as_str())).because("it is no string");
    let text = Zeroizing::new(node.string().ok_or_else(other)?.into_owned());
    let home = home(node).ok_or_else(bug)?;
    let token = tools.token(rule, &text)?;
    if let Some(twin) = home.twin(doc).map(|twin| twin.id()) {
        match home.item {
            None => doc.remove(twin)?,
            Some(_) => doc.set_json(twin, "null")?,
        }
        remove_idle_twins(doc, &home)?;
    }
    doc.set_string(id, &token)?;
    Ok(shown)
}

/// Applies rules to a document.
pub(super) fn apply(
    rules: &[SealRule],
    tools: &mut Tools<'_>,
    mut doc: Doc,
) -> Result<(Doc, Vec<String>), Fault> {
    let Targets { mut dropped, mut kept } = targets(rules, &doc)?;
    let protected: Vec<(&SealRule, NodeId)> = dropped.iter().chain(&kept).copied().collect();
    let ids: Vec<NodeId> = protected.iter().map(|(_, id)| *id).collect();
    let secrets = Secrets::of(&doc, &ids, |of, text| {
        let (rule, _) = protected.get(of)?;
        (rule.how == How::Token).then(|| tools.token(rule, text).ok())?
    });
    for (id, of) in secrets.echoes(&doc, &ids) {
        let Some((rule, _)) = protected.get(of) else { continue };
        if rule.how == How::Drop { dropped.push((*rule, id)) } else { kept.push((*rule, id)) }
    }
    let mut touched: Vec<String> = Vec::new();
    for (_, id) in &dropped {
        touched.extend(doc.node(*id).map(|node| node.path()));
    }
    for (rule, id) in dropped {
        match doc.node(id).is_some_and(|node| is_twin(&node)) {
            true => drop(protect_twin(rule, tools, &mut doc, id)?),
            false => drop_node(&mut doc, id)?,
        }
    }
    for (rule, id) in kept {
        let Some(node) = doc.node(id) else { continue };
        touched.push(match rule.how {
            _ if is_twin(&node) => protect_twin(rule, tools, &mut doc, id)?,
            How::Token => token_node(rule, tools, &mut doc, id)?,
            How::Seal | How::Drop => seal_node(rule, tools, &mut doc, id)?,
        });
    }
    let gone = requests::close(&mut doc, &secrets)
        .map_err(|fault| Fault::new(W5013).at(fault.place().clone()))?;
    touched.extend(gone);
    Ok((doc, touched))
}

/// What rules protect in a document.
struct Targets<'r> {
    dropped: Vec<(&'r SealRule, NodeId)>,
    /// Sealed or replaced.
    kept: Vec<(&'r SealRule, NodeId)>,
}

fn targets<'r>(rules: &'r [SealRule], doc: &Doc) -> Result<Targets<'r>, Fault> {
    let (mut dropped, mut kept) = (Vec::new(), Vec::<(&SealRule, NodeId)>::new());
    let mut known = std::collections::HashSet::new();
    // Most documents have no twins, and need no second look for those without a value.
    let twins = memchr::memmem::find(&doc.root().json(), b"\"_").is_some();
    for rule in rules {
        let At::Fhir { path, .. } = &rule.at else { return Err(misfit(Some(rule))) };
        let mut nodes = Vec::new();
        for node in path.try_select(doc.root())? {
            match rule.how {
                How::Drop => dropped.push((rule, node.id())),
                // A path finds the twin of a primitive that has no value.
                How::Seal | How::Token if is_twin(&node) => nodes.push(node.id()),
                How::Seal | How::Token => primitives(node, &mut nodes),
            }
        }
        if twins {
            lone_at(rule, doc, &mut nodes)?;
        }
        for id in nodes {
            if rule.how == How::Drop {
                dropped.push((rule, id));
            } else if known.insert(id) {
                kept.push((rule, id));
            }
        }
    }
    Ok(Targets { dropped, kept })
}

/// A sealed value found on a twin.
struct Found {
    twin: NodeId,
    home: Home,
    text: String,
    shown: String,
}

fn sealed_text(node: Node<'_>) -> Option<String> {
    let sealed = node.get("extension")?.items().find(|extension| {
        extension.get("url").and_then(|url| url.string()).as_deref() == Some(SEALED_URL)
    })?;
    Some(sealed.get("valueString").and_then(|text| text.string())?.into_owned())
}

/// Everything that is a sealed value. Recursion is bounded by the depth of documents.
fn find(node: Node<'_>, out: &mut Vec<Found>) {
    if let Some(text) = sealed_text(node) {
        let own = home(node).and_then(|own| {
            let name = own.name.strip_prefix('_')?.to_owned();
            Some(Home { name, ..own })
        });
        if let Some(home) = own {
            let shown = path_of(node, &home);
            out.push(Found { twin: node.id(), home, text, shown });
            return;
        }
    }
    let children = node.members().map(|(_, child)| child).chain(node.items());
    children.for_each(|child| find(child, out));
}

/// Path of the primitive whose twin is looked at.
fn path_of(twin: Node<'_>, home: &Home) -> String {
    let list = twin.parent().filter(|_| home.item.is_some());
    let object = list.map_or_else(|| twin.parent(), |list| list.parent());
    let path = object.map(|object| object.path()).unwrap_or_default();
    match home.item {
        None => format!("{path}.{}", home.name),
        Some((index, _)) => format!("{path}.{}[{index}]", home.name),
    }
}

fn damaged(found: &Found) -> Fault {
    Fault::new(W5020).at(Place::path(found.shown.as_str()))
}

/// Puts one opened value back in its place.
fn restore(doc: &mut Doc, found: &Found, plain: &[u8]) -> Result<(), Fault> {
    let bad = || damaged(found);
    let (kind, json) = plain.split_first().ok_or_else(bad)?;
    let text = std::str::from_utf8(json).map_err(|_| bad())?;
    if *kind == TWIN_ONLY {
        return doc.set_json(found.twin, text);
    }
    let (value, twin) = if *kind == WITH_TWIN {
        let pair = Doc::parse_json(bytes::Bytes::copy_from_slice(json)).map_err(|_| bad())?;
        let mut items = pair.root().items();
        let mut next = || items.next().map(|n| String::from_utf8_lossy(&n.json()).into_owned());
        (next().ok_or_else(bad)?, next())
    } else {
        (text.to_owned(), None)
    };
    match (found.home.item, twin) {
        (None, Some(twin)) => doc.set_json(found.twin, &twin)?,
        (None, None) => doc.remove(found.twin)?,
        (Some(_), twin) => doc.set_json(found.twin, twin.as_deref().unwrap_or("null"))?,
    }
    let object = found.home.object;
    match found.home.item {
        None => doc.insert_member(object, &found.home.name, &value),
        Some((index, _)) => {
            remove_idle_twins(doc, &found.home)?;
            let list = doc.node(object).and_then(|object| object.get(&found.home.name));
            let item = list.and_then(|list| list.items().nth(index)).map(|item| item.id());
            doc.set_json(item.ok_or_else(bad)?, &value)
        }
    }
}

/// Opens every sealed value of a document in its place; gives their paths and values.
///
/// Values of one resource must be of one message, those of a search result may not.
pub(super) fn open(
    opener: &mut Opener<'_>,
    expected: Option<crate::base::MessageId>,
    mut doc: Doc,
) -> Result<(Doc, Vec<(String, String)>), Fault> {
    let mut all = Vec::new();
    find(doc.root(), &mut all);
    let mut opened = Vec::new();
    let mut resource = String::new();
    for found in all {
        let spot = spot(&doc, found.shown.clone());
        let own = found.shown.split("].resource").next().unwrap_or_default();
        if spot.entry == NO_ENTRY && resource != own {
            own.clone_into(&mut resource);
            opener.next_resource(expected);
        }
        let plain = opener.open(&found.text, &spot)?;
        restore(&mut doc, &found, &plain)?;
        opened.push((found.shown.clone(), shown_value(&plain)));
    }
    Ok((doc, opened))
}

/// The value of a plain text as people read it.
fn shown_value(plain: &[u8]) -> String {
    let (kind, json) = plain.split_first().unwrap_or((&VALUE_ONLY, &[]));
    let value: Json = serde_json::from_slice(json).unwrap_or_default();
    let value = if *kind == WITH_TWIN { value.get(0).cloned() } else { Some(value) };
    match value {
        Some(Json::String(text)) => text,
        other => other.map(|v| v.to_string()).unwrap_or_default(),
    }
}
