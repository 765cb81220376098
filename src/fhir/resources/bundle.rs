//! Bundle: its kind, its entries and what is asked or answered for each.

use std::borrow::Cow;
use std::fmt;

use super::{Node, issues};
use crate::fault::codes::W2740;
use crate::fault::{Fault, Place};
use crate::fhir::resources::Issue;

/// A Bundle over the document it stands in.
#[derive(Clone)]
pub struct Bundle<'d> {
    /// `transaction`, `batch`, `message`, `transaction-response`, ..
    pub type_: Cow<'d, str>,
    /// Its entries, in order.
    pub entries: Vec<BundleEntry<'d>>,
}

/// One entry.
#[derive(Clone)]
pub struct BundleEntry<'d> {
    /// Name of the resource in the Bundle: a URL, or `urn:uuid:..`.
    pub full_url: Option<Cow<'d, str>>,
    /// The resource.
    pub resource: Option<Node<'d>>,
    /// What is asked of a server.
    pub request: Option<BundleRequest<'d>>,
    /// What a server answered.
    pub response: Option<BundleResponse<'d>>,
}

/// What is asked of a server for an entry.
#[derive(Clone)]
pub struct BundleRequest<'d> {
    /// `POST`, `PUT`, ..
    pub method: Cow<'d, str>,
    /// Relative to the base of the server.
    pub url: Cow<'d, str>,
    /// Search that must find nothing for a create.
    pub if_none_exist: Option<Cow<'d, str>>,
    /// Version that an update must meet.
    pub if_match: Option<Cow<'d, str>>,
}

/// What a server answered for an entry.
#[derive(Clone)]
pub struct BundleResponse<'d> {
    /// Status: `201 Created`.
    pub status: Cow<'d, str>,
    /// Where the resource is now.
    pub location: Option<Cow<'d, str>>,
    /// Version of the resource.
    pub etag: Option<Cow<'d, str>>,
    /// Severities and codes of the issues; their texts are not kept.
    pub issues: Vec<Issue>,
}

impl BundleResponse<'_> {
    /// The number of the status, such as 201.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.status.get(..3)?.parse().ok()
    }
}

fn text<'d>(node: Node<'d>, name: &str) -> Option<Cow<'d, str>> {
    node.get(name)?.string()
}

impl<'d> Bundle<'d> {
    /// Reads a node as a Bundle.
    ///
    /// # Errors
    /// `W2740` when it is no Bundle or does not say of what type.
    pub fn read(node: Node<'d>) -> Result<Self, Fault> {
        let fault = |what| Fault::new(W2740).at(Place::path(node.path())).because(what);
        if node.resource_type().as_deref() != Some("Bundle") {
            return Err(fault("expected a resource of type `Bundle`"));
        }
        let type_ = text(node, "type").ok_or_else(|| fault("`type` is missing"))?;
        let entries = node.get("entry").into_iter().flat_map(|all| all.items());
        Ok(Self { type_, entries: entries.map(BundleEntry::read).collect() })
    }

    /// The resources of a type with their entries.
    pub fn resources(&self, name: &str) -> impl Iterator<Item = Node<'d>> {
        let all = self.entries.iter().filter_map(|entry| entry.resource);
        all.filter(move |resource| resource.resource_type().is_some_and(|ty| ty == name))
    }
}

impl<'d> BundleEntry<'d> {
    fn read(node: Node<'d>) -> Self {
        let request = node.get("request").map(|request| BundleRequest {
            method: text(request, "method").unwrap_or_default(),
            url: text(request, "url").unwrap_or_default(),
            if_none_exist: text(request, "ifNoneExist"),
            if_match: text(request, "ifMatch"),
        });
        let response = node.get("response").map(|response| BundleResponse {
            status: text(response, "status").unwrap_or_default(),
            location: text(response, "location"),
            etag: text(response, "etag"),
            issues: response.get("outcome").map(issues).unwrap_or_default(),
        });
        Self { full_url: text(node, "fullUrl"), resource: node.get("resource"), request, response }
    }
}

impl fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle(<phi> {} entries)", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::doc::doc;

    #[test]
    fn entries_are_read() {
        let doc = doc(r#"{"resourceType":"Bundle","type":"transaction-response","entry":[
            {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},
             "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|1"}},
            {"response":{"status":"201 Created","location":"Patient/1/_history/1","etag":"W/\"1\""}},
            {"response":{"status":"422","outcome":{"resourceType":"OperationOutcome","issue":[
              {"severity":"error","code":"required","diagnostics":"Jo Doe"}]}}}]}"#);
        let bundle = Bundle::read(doc.root()).unwrap();
        assert_eq!((bundle.type_.as_ref(), bundle.entries.len()), ("transaction-response", 3));
        let request = bundle.entries[0].request.as_ref().unwrap();
        assert_eq!(request.if_none_exist.as_deref(), Some("identifier=a|1"));
        assert_eq!(bundle.entries[1].response.as_ref().unwrap().code(), Some(201));
        let refused = bundle.entries[2].response.as_ref().unwrap();
        assert_eq!((refused.code(), refused.issues.len()), (Some(422), 1));
        assert_eq!(bundle.resources("Patient").count(), 1);
        assert_eq!(format!("{bundle:?}"), "Bundle(<phi> 3 entries)");
    }

    #[test]
    fn other_resources_are_refused() {
        let cause = |text: &str| {
            let doc = doc(text);
            Bundle::read(doc.root()).unwrap_err().cause().unwrap().to_owned()
        };
        assert_eq!(cause(r#"{"resourceType":"Patient"}"#), "expected a resource of type `Bundle`");
        assert_eq!(cause(r#"{"resourceType":"Bundle"}"#), "`type` is missing");
    }
}
