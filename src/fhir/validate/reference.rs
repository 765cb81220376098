//! References: within a resource, within a Bundle, and to what they may point.
//!
//! Both are looked up in indexes made once a resource and once a Bundle, so that many
//! references to many entries stay linear.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::bundle::Found;
use super::walk::Check;
use crate::fault::codes::{W2725, W2729, W2751};
use crate::fhir::doc::{Node, NodeId, NodeKind};
use crate::fhir::resources::IssueSeverity;
use crate::fhir::tables::{self, Element};

/// A resource that may contain others.
pub(super) struct Holder<'d> {
    pub node: Node<'d>,
    /// What is contained, by id.
    contained: HashMap<Cow<'d, str>, Node<'d>>,
    /// Ids that something points to.
    used: HashSet<String>,
    /// Contained resources that point to the resource around them.
    upward: HashSet<NodeId>,
    /// The contained resource that the walk is in.
    inside: Option<Node<'d>>,
    /// `fullUrl` of its entry.
    full_url: Option<Cow<'d, str>>,
}

/// Whether a resource stands in `contained`.
pub(super) fn is_contained(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        parent.name() == Some("contained") || node.name() == Some("contained")
    })
}

impl<'d> Check<'d, '_> {
    /// Begins a resource; whether it is a contained one.
    pub fn enter(&mut self, node: Node<'d>) -> bool {
        if is_contained(node)
            && let Some(holder) = self.holders.last_mut()
            && holder.inside.is_none()
        {
            holder.inside = Some(node);
            return true;
        }
        let all = node.get("contained").into_iter().flat_map(|all| all.items());
        let named = |r: Node<'d>| Some((r.get("id")?.string()?, r));
        let entry = node.parent().filter(|_| node.name() == Some("resource"));
        self.holders.push(Holder {
            node,
            contained: all.filter_map(named).collect(),
            used: HashSet::new(),
            upward: HashSet::new(),
            inside: None,
            full_url: entry.and_then(|entry| entry.get("fullUrl")?.string()),
        });
        false
    }

    /// Ends a resource.
    pub fn leave(&mut self, node: Node<'d>, contained: bool) {
        if contained {
            if let Some(holder) = self.holders.last_mut() {
                holder.inside = None;
            }
            if self.options.rules {
                self.contained(node);
            }
            return;
        }
        let Some(holder) = self.holders.pop() else { return };
        if !self.options.rules {
            return;
        }
        if node.get("text").is_none_or(|text| text.get("div").is_none())
            && holder.node.resource_type().is_some_and(|ty| tables::is_a(&ty, "DomainResource"))
        {
            let human = "A resource should have narrative for robust management";
            self.broken(node, "dom-6", human, false);
        }
        let all = node.get("contained").into_iter().flat_map(|all| all.items());
        for resource in all.filter(|r| r.kind() == NodeKind::Object) {
            let id = resource.get("id").and_then(|id| id.string());
            let used = id.is_some_and(|id| holder.used.contains(id.as_ref()));
            if !used && !holder.upward.contains(&resource.id()) {
                let human =
                    "the contained resource is not referred to from elsewhere in the resource";
                self.broken(resource, "dom-3", human, true);
            }
        }
    }

    /// What may not stand in a contained resource.
    ///
    /// Source: FHIR R4 domainresource.html, dom-2, dom-4 and dom-5.
    fn contained(&mut self, node: Node<'d>) {
        if node.get("contained").is_some() {
            let human = "a contained resource contains no others";
            self.broken(node, "dom-2", human, true);
        }
        let Some(meta) = node.get("meta") else { return };
        if meta.get("versionId").is_some() || meta.get("lastUpdated").is_some() {
            let human = "a contained resource has no meta.versionId or meta.lastUpdated";
            self.broken(node, "dom-4", human, true);
        }
        if meta.get("security").is_some() {
            self.broken(node, "dom-5", "a contained resource has no security label", true);
        }
    }

    /// Notes that something points to a contained resource.
    pub fn mark_used(&mut self, id: &str) {
        let Some(holder) = self.holders.last_mut() else { return };
        match (id, holder.inside) {
            ("", Some(inside)) => {
                holder.upward.insert(inside.id());
            }
            ("", None) => {}
            _ => {
                holder.used.insert(id.to_owned());
            }
        }
    }

    /// Checks the form and the target of a Reference.
    ///
    /// Source: FHIR R4 references.html, bundle.html#references.
    pub fn reference(&mut self, node: Node<'d>, element: &Element) {
        let literal = node.get("reference").and_then(|r| r.string());
        let said = node.get("type").and_then(|t| t.string());
        let mut found = None;
        if let Some(literal) = literal.as_deref() {
            found = match literal.strip_prefix('#') {
                Some(id) => self.local(node, id),
                None => self.remote(node, literal),
            };
        }
        let any = element.targets.is_empty() || element.targets.contains(&"Resource");
        let Some(ty) = found.or(said).filter(|_| !any) else { return };
        if tables::is_resource(&ty) && !element.targets.contains(&ty.as_ref()) {
            let what = format!("the target is none of {}", element.targets.join(", "));
            self.at(node, W2729, what);
        }
    }

    /// Type of what `#id` points to.
    fn local(&mut self, node: Node<'d>, id: &str) -> Option<Cow<'d, str>> {
        self.mark_used(id);
        let holder = self.holders.last()?;
        if id.is_empty() {
            return holder.node.resource_type();
        }
        let Some(target) = holder.contained.get(id) else {
            if self.options.rules {
                let human = "SHALL have a contained resource if a local reference is provided";
                self.broken(node, "ref-1", human, true);
            }
            return None;
        };
        target.resource_type()
    }

    /// Type of what another reference points to, where that can be known.
    fn remote(&mut self, node: Node<'d>, literal: &str) -> Option<Cow<'d, str>> {
        let named = named(literal);
        let ty = named.map(|(_, ty, _)| ty);
        if self.options.rules {
            self.form(node, literal, ty);
        }
        let base = self.holders.last().and_then(|holder| holder.full_url.as_deref());
        let found = self.bundles.last().map(|entries| entries.resolve(literal, base));
        match found {
            Some(Found::One(target)) => {
                let target = target.resource_type();
                if self.options.rules
                    && let (Some(said), Some(is)) = (ty, target.as_deref())
                    && said != is
                {
                    self.at(
                        node,
                        W2729,
                        format!("the reference says {said}, the entry is another"),
                    );
                    return None;
                }
                return target;
            }
            Some(Found::Many) if self.options.rules => {
                self.at(node, W2751, "several entries of the Bundle have this address");
            }
            Some(Found::None) if self.options.rules && literal.starts_with("urn:uuid:") => {
                self.lesser(
                    node,
                    IssueSeverity::Warning,
                    W2751,
                    "no entry of the Bundle has this `urn:uuid:`",
                );
            }
            _ => {}
        }
        ty.filter(|ty| tables::is_resource(ty)).map(|ty| Cow::Owned(ty.to_owned()))
    }

    /// A reference is a URL, relative ones name type and id.
    fn form(&mut self, node: Node<'d>, literal: &str, ty: Option<&str>) {
        let url = node.get("reference").unwrap_or(node);
        if literal.bytes().any(|byte| byte <= b' ') {
            return self.at(url, W2725, "a reference holds no white space");
        }
        let relative = !literal.contains(':');
        if relative && !literal.contains('?') && ty.is_none() {
            self.at(url, W2725, "a relative reference names type and id, as `Patient/1`");
        } else if relative && ty.is_some_and(|ty| !tables::is_resource(ty)) {
            self.at(url, W2725, "the reference names no type of resource of R4");
        }
    }
}

/// Base, type and id of a RESTful address, without its version.
pub(super) fn named(literal: &str) -> Option<(&str, &str, &str)> {
    let path = literal.split("/_history/").next()?;
    let path = path.split(['#', '|']).next()?;
    let (before, id) = path.rsplit_once('/')?;
    let (base, ty) = before.rsplit_once('/').unwrap_or(("", before));
    let letters = ty.starts_with(|c: char| c.is_ascii_uppercase())
        && ty.bytes().all(|b| b.is_ascii_alphanumeric());
    (letters && !id.is_empty()).then_some((base, ty, id))
}
