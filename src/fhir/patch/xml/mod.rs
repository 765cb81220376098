//! XML Patch over the XML of a document, or over any XML.
//!
//! Declared namespaces can be added and removed, not replaced: what is written under the
//! old one would silently mean another thing.
//!
//! Source: RFC 5261; FHIR R4 http.html#patch.

mod dom;
mod select;

use bytes::Bytes;

use self::dom::{Dom, Element, Id, NodeKind, declared};
use self::select::{Found, select};
use super::super::Doc;
use super::{Budget, counted, fault, unread, within};
use crate::fault::codes::{W2700, W2703, W2781, W2783, W2785};
use crate::fault::{Fault, FilePlace, Place};
use crate::xml;

/// Takes a text that is well formed and within the limits on documents.
pub(super) fn checked(bytes: &[u8]) -> Result<String, Fault> {
    if bytes.len() > super::super::DOC_BYTES_MAX {
        return Err(Fault::new(W2703));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::new(W2700))?;
    let from = if text.starts_with('\u{feff}') { 3 } else { 0 };
    xml::scan(text, from).map_err(|flaw| {
        let place = FilePlace::find("XML", text, flaw.at..flaw.at);
        Fault::new(flaw.code).because(flaw.what).at(place)
    })?;
    Ok(text.to_owned())
}

/// Applies a patch to the XML of a document.
///
/// What the outcome holds beyond FHIR (text between elements, foreign attributes) is
/// refused: in JSON it would be gone.
pub(super) fn apply(doc: &Doc, patch: &str) -> Result<Doc, Fault> {
    let before = doc.to_xml()?;
    let text = std::str::from_utf8(&before).map_err(|_| Fault::new(W2700))?;
    let patched = Doc::parse_xml(Bytes::from(apply_to_text(text, patch)?))?;
    if let Some(flaw) = patched.flaws().get(doc.flaws().len()) {
        return Err(Fault::new(W2783).because(flaw.what).at(Place::path(flaw.path.clone())));
    }
    Ok(patched)
}

/// Applies a patch to a text; both were checked.
pub(super) fn apply_to_text(text: &str, patch: &str) -> Result<String, Fault> {
    let (mut target, patch) = (Dom::read(text)?, Dom::read(patch)?);
    let root = patch.root().ok_or_else(|| unread("the patch has no element"))?;
    let operations: Vec<Id> =
        patch.children(root).iter().copied().filter(|id| patch.element(*id).is_some()).collect();
    if operations.is_empty() {
        return Err(unread("the patch has no operation"));
    }
    counted(operations.len())?;
    let mut budget = Budget::new(text.len());
    for (number, id) in operations.into_iter().enumerate() {
        let selector = patch.element(id).and_then(|op| op.attribute("sel")).unwrap_or_default();
        let selector = dom::plain(selector);
        let mut patching = Patching { target: &mut target, patch: &patch, id };
        let done = patching.run(&selector, &mut budget);
        done.map_err(|fault| within(fault, number, &selector))?;
    }
    Ok(target.write())
}

/// One operation at work.
struct Patching<'t> {
    target: &'t mut Dom,
    patch: &'t Dom,
    /// The operation's element in the patch.
    id: Id,
}

impl Patching<'_> {
    fn run(&mut self, selector: &str, budget: &mut Budget) -> Result<(), Fault> {
        let patch = self.patch;
        let Some(op) = patch.element(self.id) else { return Ok(()) };
        if op.attribute("sel").is_none() {
            return Err(unread("an operation has no `sel`"));
        }
        let space = |prefix: &str| patch.meaning(self.id, prefix);
        let found = select(self.target, selector, &space, budget)?;
        match op.local() {
            "add" => self.add(op, found, budget),
            "replace" => self.replace(found),
            "remove" => self.remove(op, found),
            _ => Err(unread("an operation is none of `add`, `replace` and `remove`")),
        }
    }

    /// The text of the operation as written.
    fn text(&self) -> Result<String, Fault> {
        let mut out = String::new();
        for child in self.patch.children(self.id) {
            match self.patch.kind(*child) {
                Some(NodeKind::Text(raw)) => out.push_str(raw),
                _ => return Err(unread("an operation holds more than a text")),
            }
        }
        Ok(out)
    }

    fn add(&mut self, op: &Element, found: Found, budget: &mut Budget) -> Result<(), Fault> {
        let Found::Node(at) = found else {
            return Err(fault(W2783, "nothing can be added to an attribute"));
        };
        if let Some(ty) = op.attribute("type") {
            return self.add_attribute(at, ty);
        }
        let pos = op.attribute("pos");
        let (parent, place) = match pos {
            None => (at, self.target.children(at).len()),
            Some("prepend") => (at, 0),
            Some("before") => (self.target.parent(at), self.target.place(at).unwrap_or(0)),
            Some("after") => (self.target.parent(at), self.target.place(at).map_or(0, |p| p + 1)),
            Some(_) => return Err(unread("`pos` is none of prepend, before and after")),
        };
        if self.target.element(parent).is_none() {
            return Err(fault(W2783, "only an element can hold others"));
        }
        let content = self.patch.children(self.id);
        if content.is_empty() {
            return Err(unread("an operation adds nothing"));
        }
        // The children behind the place move on.
        budget.spend(self.target.children(parent).len() / 16)?;
        let mut copies = Vec::with_capacity(content.len());
        for child in content {
            let ink = !matches!(
                self.patch.kind(*child),
                Some(NodeKind::Comment(_) | NodeKind::Instruction(_))
            );
            if parent == 0 && ink {
                return Err(fault(W2783, "only comments can stand beside the outermost element"));
            }
            let copy = self.target.adopt(self.patch, *child);
            self.target.fits(parent, copy)?;
            copies.push(copy);
        }
        self.target.hang(parent, place, copies);
        Ok(())
    }

    fn add_attribute(&mut self, at: Id, ty: &str) -> Result<(), Fault> {
        let name = match (ty.strip_prefix('@'), ty.strip_prefix("namespace::")) {
            (Some(name), _) => {
                let local = name.strip_prefix("xml:").unwrap_or(name);
                if !xml::is_name(local) || declared(name).is_some() {
                    return Err(unread("`type` names no attribute that can be added"));
                }
                name.to_owned()
            }
            (None, Some(prefix)) if xml::is_name(prefix) => format!("xmlns:{prefix}"),
            _ => return Err(unread("`type` is neither an attribute nor a namespace")),
        };
        let value = dom::for_attribute(&self.text()?);
        let Some(element) = self.target.element_mut(at) else {
            return Err(fault(W2783, "only an element can have attributes"));
        };
        if element.attribute(&name).is_some() {
            return Err(fault(W2783, "the attribute is there already"));
        }
        if element.attributes.len() >= 64 {
            return Err(Fault::new(W2785).because("an element would have more than 64 attributes"));
        }
        element.attributes.push((name, value));
        Ok(())
    }

    fn replace(&mut self, found: Found) -> Result<(), Fault> {
        let id = match found {
            Found::Attribute(_, name) if declared(&name).is_some() => {
                return Err(fault(W2783, "a declared namespace cannot be replaced"));
            }
            Found::Attribute(id, name) => {
                let value = dom::for_attribute(&self.text()?);
                if let Some(element) = self.target.element_mut(id)
                    && let Some(own) = element.attributes.iter_mut().find(|(n, _)| *n == name)
                {
                    own.1 = value;
                }
                return Ok(());
            }
            Found::Node(id) => id,
        };
        if let Some(NodeKind::Text(_)) = self.target.kind(id) {
            let text = self.text()?;
            if text.is_empty() {
                self.target.unhook(id);
            } else if let Some(NodeKind::Text(own)) = self.target.kind_mut(id) {
                *own = text;
            }
            return Ok(());
        }
        let blank = |id: &Id| match self.patch.kind(*id) {
            Some(NodeKind::Text(raw)) => raw.trim().is_empty(),
            _ => false,
        };
        let mut content = self.patch.children(self.id).iter().filter(|id| !blank(id));
        let (Some(one), None) = (content.next(), content.next()) else {
            return Err(unread("`replace` holds not one node but none or several"));
        };
        let same = match (self.target.kind(id), self.patch.kind(*one)) {
            (Some(a), Some(b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
            _ => false,
        };
        if !same {
            return Err(fault(W2783, "`replace` holds a node of another kind"));
        }
        let (parent, place) = (self.target.parent(id), self.target.place(id).unwrap_or(0));
        let copy = self.target.adopt(self.patch, *one);
        self.target.fits(parent, copy)?;
        if let Some(holder) = self.target.element_mut(parent) {
            holder.children.remove(place);
        }
        self.target.hang(parent, place, vec![copy]);
        Ok(())
    }

    fn remove(&mut self, op: &Element, found: Found) -> Result<(), Fault> {
        let id = match found {
            Found::Attribute(id, name) => return self.remove_attribute(id, &name),
            Found::Node(id) => id,
        };
        if Some(id) == self.target.root() {
            return Err(fault(W2783, "the outermost element cannot be removed"));
        }
        let (before, after) = match op.attribute("ws") {
            None => (false, false),
            Some("before") => (true, false),
            Some("after") => (false, true),
            Some("both") => (true, true),
            Some(_) => return Err(unread("`ws` is none of before, after and both")),
        };
        let place = self.target.place(id).unwrap_or(0);
        let siblings = self.target.children(self.target.parent(id));
        let mut gone = Vec::new();
        for (wanted, at) in [(before, place.checked_sub(1)), (after, place.checked_add(1))] {
            if wanted {
                let beside = at.and_then(|at| siblings.get(at)).copied();
                let blank = |id: &Id| match self.target.kind(*id) {
                    Some(NodeKind::Text(raw)) => raw.trim().is_empty(),
                    _ => false,
                };
                let beside = beside.filter(blank);
                gone.push(
                    beside.ok_or_else(|| fault(W2781, "no white space stands where `ws` says"))?,
                );
            }
        }
        for id in gone {
            self.target.unhook(id);
        }
        self.target.unhook(id);
        Ok(())
    }

    fn remove_attribute(&mut self, id: Id, name: &str) -> Result<(), Fault> {
        if let Some(prefix) = declared(name)
            && self.uses(id, prefix)
        {
            return Err(fault(W2783, "the namespace is in use"));
        }
        if let Some(element) = self.target.element_mut(id) {
            element.attributes.retain(|(known, _)| known != name);
        }
        Ok(())
    }

    /// Whether an element or one below it has a prefix. Recursion is bounded by the depth.
    fn uses(&self, id: Id, prefix: &str) -> bool {
        let Some(element) = self.target.element(id) else { return false };
        let has = |name: &str| name.split_once(':').map_or("", |(prefix, _)| prefix) == prefix;
        let attribute = |(name, _): &(String, String)| {
            !prefix.is_empty() && declared(name).is_none() && has(name)
        };
        has(&element.name)
            || element.attributes.iter().any(attribute)
            || element.children.iter().any(|child| self.uses(*child, prefix))
    }
}
