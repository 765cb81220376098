//! What a server says it can do. No patient data in it.

use serde::{Deserialize, Serialize};

use super::{CodeableConcept, Resource};

/// The parts of a CapabilityStatement that a client decides by.
///
/// Source: FHIR R4 capabilitystatement.html.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CapabilityStatement {
    /// `4.0.1`
    pub fhir_version: Option<String>,
    /// Formats it takes: `json`, `application/fhir+json`, ..
    pub format: Vec<String>,
    /// What it does over HTTP.
    pub rest: Vec<RestCapability>,
}

/// One mode of REST.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestCapability {
    /// `client` or `server`
    pub mode: String,
    /// How it is secured.
    pub security: Option<SecurityCapability>,
    /// Types of resources.
    pub resource: Vec<ResourceCapability>,
    /// Interactions with the whole: `transaction`, `batch`, ..
    pub interaction: Vec<Interaction>,
}

/// How a server is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityCapability {
    /// `OAuth`, `SMART-on-FHIR`, `Basic`, ..
    pub service: Vec<CodeableConcept>,
}

/// What can be done with one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceCapability {
    /// The type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Interactions: `create`, `update`, ..
    pub interaction: Vec<Interaction>,
    /// Whether `If-None-Exist` is understood.
    pub conditional_create: bool,
    /// Whether updates may name their target by search.
    pub conditional_update: bool,
}

/// An interaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interaction {
    /// Its code.
    pub code: String,
}

impl Resource for CapabilityStatement {
    const TYPE: &'static str = "CapabilityStatement";
}

impl CapabilityStatement {
    /// Whether the server takes Bundles of that kind: `transaction` or `batch`.
    #[must_use]
    pub fn takes(&self, interaction: &str) -> bool {
        let server = self.rest.iter().filter(|rest| rest.mode == "server");
        server.flat_map(|rest| &rest.interaction).any(|i| i.code == interaction)
    }

    /// What the server does with a type of resource.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&ResourceCapability> {
        let server = self.rest.iter().filter(|rest| rest.mode == "server");
        server.flat_map(|rest| &rest.resource).find(|resource| resource.type_ == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::fhir::doc::doc;

    #[test]
    fn a_client_learns_what_it_may_ask() {
        let text = r#"{"resourceType":"CapabilityStatement","status":"active","fhirVersion":"4.0.1",
            "format":["json"],"rest":[{"mode":"server","interaction":[{"code":"transaction"}],
            "resource":[{"type":"Patient","interaction":[{"code":"create"}],"conditionalCreate":true}]}]}"#;
        let statement: CapabilityStatement = read(doc(text).root()).unwrap();
        assert!(statement.takes("transaction") && !statement.takes("batch"));
        assert!(statement.resource("Patient").unwrap().conditional_create);
        assert!(statement.resource("Group").is_none());
    }
}
