//! Links in resources, found by the types of their elements and written anew.
//!
//! A link is the `reference` of a Reference, a value of type `uri`, `url`, `oid` or `uuid`
//! (not `canonical`), and `href` of `a` and `src` of `img` in a narrative. It is rewritten
//! when it is the `fullUrl` of an entry, alone, with a version or with a fragment behind it,
//! or when it is relative and its entry's own `fullUrl` makes it one.
//!
//! Source: FHIR R4 http.html#trules, bundle.html#references.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;

use super::{Entry, Identity};
use crate::fault::Fault;
use crate::fhir::rest::{Kind, Refused};
use crate::fhir::tables::{self, Container, Inside, Primitive};
use crate::fhir::{Doc, Node, NodeId};

/// The extension that asks for a link to the version of now.
const VERSIONED: &str = "http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific";

/// What links mean: the identities of entries by their `fullUrl`, and those that searches
/// found by the text of the reference.
#[derive(Default)]
pub struct Links {
    by_url: HashMap<String, Identity>,
    by_search: HashMap<String, Identity>,
}

/// The name of a type of resource.
pub(super) fn resource_name(name: &str) -> Option<Kind> {
    let name = name.strip_prefix('/').unwrap_or(name);
    tables::type_name(name).filter(|name| tables::is_resource(name))
}

/// Whether a text with a `?` is a search for resources here, not an address elsewhere.
pub(super) fn is_search(text: &str) -> bool {
    text.split_once('?').is_some_and(|(kind, _)| resource_name(kind).is_some())
}

/// What kind of link a text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Reference,
    Uri,
    Narrative,
}

/// Calls for every link of a resource. Recursion is bounded by the depth of documents.
fn each<'d, E>(
    node: Node<'d>,
    container: Option<&'static Container>,
    found: &mut dyn FnMut(Link, Node<'d>, Cow<'d, str>) -> Result<(), E>,
) -> Result<(), E> {
    for (name, member) in node.members() {
        let is_shadow = name.starts_with('_');
        let plain = name.strip_prefix('_').unwrap_or(name);
        let entry = container.and_then(|container| container.find(plain));
        let is_reference =
            name == "reference" && container.is_some_and(|container| container.path == "Reference");
        for value in member.each() {
            match entry.map(|entry| entry.inside) {
                Some(Inside::Resource) => each(value, of_resource(value), found)?,
                Some(Inside::Container(number)) => {
                    each(value, tables::container_at(number), found)?;
                }
                Some(Inside::Primitive(_)) if is_shadow => {
                    each(value, tables::container("Element"), found)?;
                }
                Some(Inside::Primitive(primitive)) => {
                    let kind = match primitive {
                        Primitive::String if is_reference => Link::Reference,
                        Primitive::Uri | Primitive::Url | Primitive::Oid | Primitive::Uuid => {
                            Link::Uri
                        }
                        Primitive::Xhtml => Link::Narrative,
                        _ => continue,
                    };
                    if let Some(text) = value.string() {
                        found(kind, value, text)?;
                    }
                }
                None => {}
            }
        }
    }
    Ok(())
}

fn of_resource(node: Node<'_>) -> Option<&'static Container> {
    let name = node.resource_type()?;
    if tables::is_resource(&name) { tables::container(&name) } else { None }
}

/// Calls for the text of every Reference of a resource.
pub(super) fn references<'d>(
    resource: Node<'d>,
    found: &mut dyn FnMut(Node<'d>, &str) -> Result<(), Refused>,
) -> Result<(), Refused> {
    each(resource, of_resource(resource), &mut |kind, node, text| match kind {
        Link::Reference => found(node, &text),
        _ => Ok(()),
    })
}

impl Links {
    /// Notes that an address means a resource.
    pub fn add(&mut self, full_url: &str, identity: Identity) {
        self.by_url.insert(full_url.to_owned(), identity);
    }

    /// Notes what the search of a [`super::Conditional`] found, by its text.
    pub fn found(&mut self, text: &str, identity: Identity) {
        self.by_search.insert(text.to_owned(), identity);
    }

    /// The resource of an entry with every link that means another entry, or is a search
    /// that was resolved, written anew; all else byte for byte. None without a resource.
    ///
    /// # Errors
    /// `W2703` when it grows too large.
    pub fn rewrite(&self, entry: &Entry<'_>) -> Result<Option<Doc>, Fault> {
        let Some(resource) = entry.resource else { return Ok(None) };
        let text = Bytes::from(resource.json().into_owned());
        let doc = Doc::parse_json(text)?;
        self.rewrite_doc(doc, entry.full_url.as_deref()).map(Some)
    }

    /// As [`Links::rewrite`], of a resource by itself and the `fullUrl` of its entry.
    ///
    /// # Errors
    /// As [`Links::rewrite`].
    pub fn rewrite_doc(&self, mut doc: Doc, full_url: Option<&str>) -> Result<Doc, Fault> {
        let base = full_url.and_then(base);
        let mut changes: Vec<(NodeId, String)> = Vec::new();
        let seen: Result<(), Fault> =
            each(doc.root(), of_resource(doc.root()), &mut |kind, node, text| {
                let new = match kind {
                    Link::Narrative => self.narrative(&text, base),
                    Link::Reference => self
                        .search(&text)
                        .or_else(|| self.address(&text, base, wants_version(node))),
                    // A relative `uri` is not known to be an address of a resource.
                    Link::Uri => self.address(&text, None, false),
                };
                changes.extend(new.map(|new| (node.id(), new)));
                Ok(())
            });
        seen?;
        for (id, text) in changes {
            doc.set_string(id, &text)?;
        }
        Ok(doc)
    }

    fn search(&self, text: &str) -> Option<String> {
        self.by_search.get(text).filter(|_| text.contains('?')).map(Identity::address)
    }

    /// The link that takes the place of another: `versioned` also writes the version.
    fn address(&self, text: &str, base: Option<&str>, versioned: bool) -> Option<String> {
        if text.starts_with('#') || self.by_url.is_empty() {
            return None;
        }
        let (plain, fragment) = text.find('#').map_or((text, ""), |at| text.split_at(at));
        let (plain, version) = match plain.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (plain, None),
        };
        let identity = if plain.contains(':') {
            self.by_url.get(plain)
        } else {
            base.and_then(|base| self.by_url.get(&format!("{base}{plain}")))
        }?;
        let mut out = identity.address();
        if let Some(now) = identity.version.as_ref().filter(|_| versioned || version.is_some()) {
            out = format!("{out}/_history/{}", now.as_str());
        }
        out.push_str(fragment);
        Some(out)
    }

    /// A narrative with its links rewritten; none when no link changes.
    fn narrative(&self, html: &str, base: Option<&str>) -> Option<String> {
        let mut out = String::new();
        let mut done = 0;
        for (start, end) in link_values(html) {
            let raw = html.get(start..end).unwrap_or_default();
            let text = raw.replace("&amp;", "&");
            let Some(new) = self.address(&text, base, false) else { continue };
            out.push_str(html.get(done..start).unwrap_or_default());
            out.push_str(&new);
            done = end;
        }
        if done == 0 {
            return None;
        }
        out.push_str(html.get(done..).unwrap_or_default());
        Some(out)
    }
}

/// The address of the server in a `fullUrl`, with the slash: `http://a/fhir/` of
/// `http://a/fhir/Patient/1`.
fn base(full_url: &str) -> Option<&str> {
    let (rest, id) = full_url.rsplit_once('/')?;
    let at = rest.rfind('/')? + 1;
    let kind = rest.get(at..)?;
    let is_restful = resource_name(kind).is_some() && crate::fhir::rest::is_id(id);
    if is_restful { rest.get(..at) } else { None }
}

/// Whether a reference asks for a link to a version.
fn wants_version(reference: Node<'_>) -> bool {
    let Some(holder) = reference.parent() else { return false };
    let own = holder.get("extension").into_iter().flat_map(|all| all.items());
    let beside = holder.get("_reference").and_then(|node| node.get("extension"));
    let beside = beside.into_iter().flat_map(|all| all.items());
    own.chain(beside).any(|extension| {
        extension.get("url").and_then(|url| url.string()).as_deref() == Some(VERSIONED)
            && extension.get("valueBoolean").and_then(|value| value.bool()) == Some(true)
    })
}

/// Where the values of `href` of `a` and `src` of `img` stand, in one pass.
fn link_values(html: &str) -> Vec<(usize, usize)> {
    let bytes = html.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'<', bytes.get(at..).unwrap_or_default()) {
        at += open + 1;
        let rest = html.get(at..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            at += 3 + comment.find("-->").map_or(comment.len(), |end| end + 3);
            continue;
        }
        let blank = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/');
        let name = rest.split(blank).next().unwrap_or_default();
        at += name.len();
        let local = name.rsplit(':').next().unwrap_or(name);
        let wanted = match local {
            "a" => "href",
            "img" => "src",
            _ => "",
        };
        at = attributes(html, at, wanted, &mut found);
    }
    found
}

/// Goes through the attributes of a tag; where the tag ends.
fn attributes(html: &str, from: usize, wanted: &str, found: &mut Vec<(usize, usize)>) -> usize {
    let bytes = html.as_bytes();
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(next) = rest.iter().position(|b| matches!(b, b'>' | b'=' | b'"' | b'\'')) else {
            return bytes.len();
        };
        let stop = at + next;
        match bytes.get(stop) {
            Some(b'=') => {
                let name = html.get(at..stop).unwrap_or_default().trim();
                let value = bytes.get(stop + 1..).unwrap_or_default();
                let gap = value.iter().take_while(|b| b.is_ascii_whitespace()).count();
                let Some(quote @ (b'"' | b'\'')) = value.get(gap).copied() else {
                    at = stop + 1;
                    continue;
                };
                let start = stop + 1 + gap + 1;
                let inside = bytes.get(start..).unwrap_or_default();
                let Some(length) = memchr::memchr(quote, inside) else { return bytes.len() };
                if !wanted.is_empty() && name == wanted {
                    found.push((start, start + length));
                }
                at = start + length + 1;
            }
            Some(b'>') => return stop + 1,
            _ => at = stop + 1,
        }
    }
}
