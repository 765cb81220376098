//! Extensions: their form, the values their definitions ask for, and where they may stand.

use super::walk::Check;
use crate::fault::codes::{W2725, W2728, W2754};
use crate::fhir::doc::Node;
use crate::fhir::path::FhirPath;
use crate::fhir::tables::{self, Container, Entry, Extension};

/// What an extension stands on.
#[derive(Clone, Copy)]
pub(super) struct Place<'d> {
    pub node: Node<'d>,
    pub container: &'static Container,
    /// The element that the node is a value of; none for a resource.
    pub entry: Option<&'static Entry>,
}

impl<'d> Check<'d, '_> {
    /// Whether a definition of an extension is loaded.
    ///
    /// Under the address of the core specification later versions define more; they count
    /// as defined, for which places and values are not known here.
    fn is_defined(&self, url: &str) -> bool {
        let known = self.options.knowledge;
        // RFC 2606 keeps the name for examples.
        url.starts_with("http://hl7.org/fhir/StructureDefinition/")
            || url.starts_with("http://example.org/")
            || known.is_some_and(|known| known.find(url, "StructureDefinition").is_some())
    }

    /// Form and value of one extension.
    pub fn extension(&mut self, node: Node<'d>) {
        let value = node.members().find(|(name, _)| is_value(name));
        let parts = node.get("extension");
        match (value, parts) {
            (Some(_), Some(_)) => {
                return self.at(node, W2728, "has both a value and extensions of its own");
            }
            (None, None) => return self.at(node, W2728, "has neither value nor extensions"),
            _ => {}
        }
        let url = node.get("url").and_then(|url| url.string()).unwrap_or_default();
        let Some(known) = tables::extension_by_url(&url).filter(|known| known.url == url) else {
            return;
        };
        let fits = value.is_none_or(|(name, _)| {
            let ty = tables::resolve("Extension", name).map(|(_, ty)| ty);
            known.value.is_empty() && !known.parts.is_empty()
                || ty.is_none_or(|ty| known.value.contains(&ty))
        });
        if !fits {
            let what = format!("the value of `{}` has type {}", known.id, known.value.join(" or "));
            self.at(node, W2728, what);
        } else if value.is_some() && known.value.is_empty() {
            self.at(node, W2728, format!("`{}` is made of extensions", known.id));
        } else if self.options.rules && value.is_none() {
            self.parts(node, known);
        }
    }

    /// The parts of an extension that is made of extensions.
    fn parts(&mut self, node: Node<'d>, known: &'static Extension) {
        if known.parts.is_empty() {
            return self.at(node, W2728, format!("`{}` has a value, not parts", known.id));
        }
        let named = |part: Node<'d>| part.get("url").and_then(|url| url.string());
        let items = || node.get("extension").into_iter().flat_map(|all| all.items());
        for part in items() {
            let url = named(part).unwrap_or_default();
            let local = !url.contains(':');
            if local && !known.parts.iter().any(|known| known.name == url) {
                self.at(part, W2728, format!("`{}` has no part of this name", known.id));
            }
        }
        for part in &known.parts {
            let count = items().filter(|n| named(*n).as_deref() == Some(part.name)).count();
            if count < usize::from(part.min) {
                let what = format!("`{}` needs its part `{}`", known.id, part.name);
                self.at(node, W2728, what);
            } else if part.max > 0 && count > usize::from(part.max) {
                let what = format!("`{}` has its part `{}` too often", known.id, part.name);
                self.at(node, W2728, what);
            }
        }
    }

    /// Whether extensions of an object may stand there.
    ///
    /// Source: FHIR R4 defining-extensions.html#context.
    pub fn extension_places(&mut self, all: Node<'d>, place: Place<'d>) {
        for node in all.items() {
            let Some(url) = node.get("url").and_then(|url| url.string()) else { continue };
            let nested = place.container.path == "Extension";
            if !url.contains(':') {
                if !nested {
                    let url = node.get("url").unwrap_or(node);
                    self.at(url, W2725, "the URL of an extension is absolute");
                }
                continue;
            }
            match tables::extension_by_url(&url).filter(|known| known.url == url) {
                // HL7 marks all its definitions with them, whatever their own context says.
                Some(known) if known.id.starts_with("structuredefinition-") => {}
                Some(known) if !known.context.iter().any(|context| place.is(context)) => {
                    let what = format!("`{}` stands on {}", known.id, known.context.join(", "));
                    self.at(node, W2754, what);
                }
                None if self.is_misplaced(&url, &place) => {
                    self.at(node, W2754, "its definition does not allow the extension here");
                }
                None if self.options.refuse_unknown_extensions && !self.is_defined(&url) => {
                    self.at(node, W2754, "R4 does not define this extension");
                }
                Some(_) | None => {}
            }
        }
    }
}

impl Check<'_, '_> {
    /// Whether a definition that is loaded names contexts, and this is none of them.
    fn is_misplaced(&self, url: &str, place: &Place<'_>) -> bool {
        let known = self.options.knowledge;
        let Some(found) = known.and_then(|known| known.find(url, "StructureDefinition")) else {
            return false;
        };
        let mut any = false;
        for context in found.get("context").into_iter().flat_map(Node::each) {
            let part = |name: &str| context.get(name).and_then(|value| value.string());
            let Some(expression) = part("expression") else { continue };
            any = true;
            if match part("type").as_deref() {
                Some("fhirpath") => place.is_at(&expression),
                _ => place.is(&expression) || place.inherits(&expression),
            } {
                return false;
            }
        }
        any
    }
}

impl Place<'_> {
    /// Whether a path from the resource leads here; one that cannot be run forbids nothing.
    fn is_at(&self, expression: &str) -> bool {
        let around = std::iter::successors(Some(self.node), |node| node.parent());
        let resource = around.into_iter().find(|node| node.resource_type().is_some());
        let path = FhirPath::parse(expression).ok();
        let found = resource.zip(path).and_then(|(root, path)| path.try_select(root).ok());
        found.is_none_or(|found| found.contains(&self.node))
    }

    /// Whether a context names the element in the type it is inherited from:
    /// `DomainResource.text`.
    fn inherits(&self, context: &str) -> bool {
        let parts = |path: &'static str| path.rsplit_once('.');
        let (Some((ty, name)), Some(entry)) = (context.rsplit_once('.'), self.entry) else {
            return false;
        };
        parts(entry.element.path).is_some_and(|(own, n)| n == name && tables::is_a(own, ty))
    }

    /// Whether a context of a definition means this place: a path, a type or a URL.
    fn is(&self, context: &str) -> bool {
        // Definitions that name `Element` mean resources too, as those of HL7 are used; and
        // what is written into definitions is the matter of those who publish them.
        if context == "Element" || self.container.path.starts_with("ElementDefinition") {
            return true;
        }
        let Some(entry) = self.entry else { return tables::is_a(self.container.path, context) };
        let path = entry.element.path;
        let plain = |path: &str| path.strip_suffix("[x]").map(str::to_owned);
        let bare = plain(path).unwrap_or_else(|| path.to_owned());
        let context = context.strip_suffix("[x]").unwrap_or(context);
        context == bare
            || entry.element.content_ref == Some(context)
            || tables::is_a(entry.ty, context)
            || self.node.get("url").and_then(|url| url.string()).is_some_and(|url| url == context)
            // `Patient.contact.name.family`: a path through a type, whose end is all we see.
            || context.matches('.').count() > 1
                && context.rsplit('.').next() == bare.rsplit('.').next()
    }
}

/// Whether a member name is `value[x]` of an extension.
fn is_value(name: &str) -> bool {
    name.trim_start_matches('_').strip_prefix("value").is_some_and(|ty| !ty.is_empty())
}
