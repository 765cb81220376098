//! Bundles: an index of their entries, and the rules of their kinds.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use super::reference::named;
use super::walk::Check;
use crate::fault::codes::{W2751, W2752};
use crate::fhir::doc::{Node, NodeKind};
use crate::fhir::tables;

/// The entries of a Bundle by their addresses; made when first asked.
pub(super) struct Entries<'d> {
    bundle: Node<'d>,
    index: OnceCell<HashMap<Cow<'d, str>, Target<'d>>>,
}

/// What stands at an address.
struct Target<'d> {
    resource: Node<'d>,
    /// Others of the same address with other versions.
    versions: Vec<Node<'d>>,
}

/// What a reference finds.
pub(super) enum Found<'d> {
    None,
    One(Node<'d>),
    Many,
}

impl<'d> Entries<'d> {
    pub fn of(bundle: Node<'d>) -> Self {
        Self { bundle, index: OnceCell::new() }
    }

    fn index(&self) -> &HashMap<Cow<'d, str>, Target<'d>> {
        self.index.get_or_init(|| {
            let mut index: HashMap<Cow<'d, str>, Target<'d>> = HashMap::new();
            for entry in self.bundle.get("entry").into_iter().flat_map(|all| all.items()) {
                let Some(resource) = entry.get("resource") else { continue };
                let Some(url) = entry.get("fullUrl").and_then(|url| url.string()) else { continue };
                match index.get_mut(&url) {
                    Some(target) => target.versions.push(resource),
                    None => {
                        index.insert(url, Target { resource, versions: Vec::new() });
                    }
                }
            }
            index
        })
    }

    /// Finds the entry a reference means; `base` is the `fullUrl` of the resource it is in.
    ///
    /// Source: FHIR R4 bundle.html#references.
    pub fn resolve(&self, literal: &str, base: Option<&str>) -> Found<'d> {
        let (plain, version) = match literal.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (literal, None),
        };
        let found = if plain.contains(':') {
            self.index().get(plain)
        } else {
            let root = base.and_then(named).map(|(root, ..)| root).filter(|r| r.contains(':'));
            root.and_then(|root| self.index().get(format!("{root}/{plain}").as_str()))
        };
        let Some(target) = found else { return Found::None };
        let of = |node: &Node<'d>| node.get("meta")?.get("versionId")?.string();
        match version {
            None if target.versions.is_empty() => Found::One(target.resource),
            None => Found::Many,
            Some(version) => {
                let mut all = std::iter::once(&target.resource).chain(&target.versions);
                let fits = |node: &&Node<'d>| of(node).is_none_or(|v| v == version);
                all.find(fits).map_or(Found::None, |node| Found::One(*node))
            }
        }
    }
}

impl<'d> Check<'d, '_> {
    /// Checks what holds of a Bundle beside its published invariants.
    ///
    /// Source: FHIR R4 bundle.html, http.html#transaction, documents.html#content.
    pub fn bundle(&mut self, bundle: Node<'d>) {
        let kind = bundle.get("type").and_then(|t| t.string()).unwrap_or_default();
        let entries: Vec<Node<'d>> =
            bundle.get("entry").into_iter().flat_map(|all| all.items()).collect();
        for entry in &entries {
            if self.full() {
                return;
            }
            self.full_url(*entry, &kind);
            if matches!(kind.as_ref(), "transaction" | "batch") {
                self.request(*entry);
            }
        }
        let Some(first) = entries.first().and_then(|entry| entry.get("resource")) else { return };
        let base = entries.first().and_then(|entry| entry.get("fullUrl")?.string());
        match (kind.as_ref(), first.resource_type().as_deref()) {
            ("document", Some("Composition")) => {
                let mut within = Vec::new();
                for name in ["subject", "encounter", "author", "custodian"] {
                    within.extend(first.get(name).into_iter().flat_map(Node::each));
                }
                sections(first, &mut within);
                self.held(&within, base.as_deref());
            }
            ("message", Some("MessageHeader")) => {
                let focus = first.get("focus").into_iter().flat_map(Node::each).collect::<Vec<_>>();
                self.held(&focus, base.as_deref());
            }
            _ => {}
        }
    }

    /// What a document or message is about travels with it.
    fn held(&mut self, references: &[Node<'d>], base: Option<&str>) {
        for node in references {
            let Some(literal) = node.get("reference").and_then(|r| r.string()) else { continue };
            // An absolute address may be looked up elsewhere.
            if literal.starts_with('#') || literal.starts_with("http") {
                continue;
            }
            let found = self.bundles.last().map(|entries| entries.resolve(&literal, base));
            if matches!(found, Some(Found::None)) {
                self.at(*node, W2751, "no entry of the Bundle has this address");
            }
        }
    }

    fn full_url(&mut self, entry: Node<'d>, kind: &str) {
        let resource = entry.get("resource").filter(|r| r.kind() == NodeKind::Object);
        let Some(url) = entry.get("fullUrl").and_then(|url| url.string()) else {
            let named = !matches!(
                kind,
                "transaction" | "batch" | "transaction-response" | "batch-response" | ""
            );
            // What a server tells about a search is no resource of its own.
            let told = |r: Node<'d>| r.resource_type().as_deref() == Some("OperationOutcome");
            if named && resource.is_some_and(|r| !told(r)) {
                self.at(entry, W2752, "the entry needs a `fullUrl`");
            }
            return;
        };
        let place = entry.get("fullUrl").unwrap_or(entry);
        if !url.contains(':') {
            return self.at(place, W2752, "a `fullUrl` is an absolute URL");
        }
        let Some(resource) = resource else { return };
        let Some(id) = resource.get("id").and_then(|id| id.string()) else { return };
        let Some(ty) = resource.resource_type() else { return };
        if !url.starts_with("http") {
            return;
        }
        let restful = named(&url).filter(|(_, name, _)| tables::is_resource(name));
        if let Some((_, name, end)) = restful
            && (name != ty || end != id)
        {
            self.at(place, W2752, "the `fullUrl` does not end in type and id of the resource");
        }
    }

    /// What an entry of a batch or transaction asks for.
    fn request(&mut self, entry: Node<'d>) {
        let Some(request) = entry.get("request") else { return };
        let method = request.get("method").and_then(|m| m.string()).unwrap_or_default();
        let resource = entry.get("resource").is_some();
        match method.as_ref() {
            "POST" | "PUT" | "PATCH" if !resource => {
                self.at(entry, W2752, format!("a {method} needs a resource"));
            }
            "GET" | "HEAD" | "DELETE" if resource => {
                self.at(entry, W2752, format!("a {method} has no resource"));
            }
            _ => {}
        }
    }
}

/// Entries of sections, and of those within them.
fn sections<'d>(node: Node<'d>, out: &mut Vec<Node<'d>>) {
    for section in node.get("section").into_iter().flat_map(Node::each) {
        out.extend(section.get("entry").into_iter().flat_map(Node::each));
        sections(section, out);
    }
}
