//! Typed forms of the resources that weir itself understands.
//!
//! Owned and lossy on purpose: what a gate or connector asks of a resource. The document
//! stays the truth and is what is sent on; none of these is ever written over it. Members
//! that a reader must not pass over (`modifierExtension`) are kept so that it can refuse.

mod bundle;
mod capability;
mod consent;
mod datatypes;
mod outcome;
mod patient;

use serde::de::DeserializeOwned;

use super::validate;
use super::{Doc, Node};
use crate::fault::codes::W2740;
use crate::fault::{Fault, Place};

pub use bundle::{Bundle, BundleEntry, BundleRequest, BundleResponse};
pub use capability::{
    CapabilityStatement, Interaction, ResourceCapability, RestCapability, SecurityCapability,
};
pub use consent::{
    Consent, ConsentActor, ConsentData, ConsentPolicy, ConsentVerification, Provision,
};
pub use datatypes::{
    Attachment, CodeableConcept, Coding, HumanName, Identifier, Meta, Period, Reference,
};
pub(in crate::fhir) use outcome::outcome_of;
pub use outcome::{Issue, IssueSeverity, OUTCOME_SYSTEM, issues, outcome};
pub use patient::Patient;

/// Hides the content of types that speak about a patient.
macro_rules! masked {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(<phi>)"))
            }
        }
    )*};
}
use masked;

/// A typed form of one type of resource.
pub trait Resource: DeserializeOwned {
    /// The value of `resourceType`.
    const TYPE: &'static str;
}

/// Reads a node as a typed resource.
///
/// # Errors
/// `W2740` when it is another type of resource, or its structure is not that of R4; the
/// cause names the element, never a value.
pub fn read<T: Resource>(node: Node<'_>) -> Result<T, Fault> {
    let fault = || Fault::new(W2740).at(Place::path(node.path()));
    if node.resource_type().as_deref() != Some(T::TYPE) {
        return Err(fault().because(format!("expected a resource of type `{}`", T::TYPE)));
    }
    let json = node.json();
    serde_json::from_slice(&json).map_err(|_| {
        // The parser's own words may quote content, so the check of structure speaks.
        let doc = Doc::parse_json(bytes::Bytes::copy_from_slice(&json)).ok();
        let finding = doc.and_then(|doc| validate::structure(&doc).into_iter().next());
        match finding {
            Some(finding) => fault().because(format!("{}: {}", finding.path, finding.what)),
            None => fault().because("its members do not have the types that are expected"),
        }
    })
}
