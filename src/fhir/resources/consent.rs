//! Consent, whole, as R4 has it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attachment, CodeableConcept, Coding, Identifier, Meta, Period, Reference, Resource, masked,
};

/// A patient's choice about who may do what with their data.
///
/// Source: FHIR R4 consent.html.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// Logical id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Version, security labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    /// Contained resources, such as a Group of actors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contained: Vec<Value>,
    /// Extensions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Value>,
    /// Extensions that change the meaning: who does not know them must not use the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modifier_extension: Vec<Value>,
    /// Rules that must be known to understand the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implicit_rules: Option<String>,
    /// Identifiers of the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifier: Vec<Identifier>,
    /// `draft`, `proposed`, `active`, `rejected`, `inactive`, `entered-in-error`
    pub status: String,
    /// What it is about: `patient-privacy`, `research`, `treatment`, `adr`.
    pub scope: CodeableConcept,
    /// Classification.
    pub category: Vec<CodeableConcept>,
    /// Whose data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<Reference>,
    /// When it was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_time: Option<String>,
    /// Who agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub performer: Vec<Reference>,
    /// Who keeps it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organization: Vec<Reference>,
    /// The paper it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_attachment: Option<Attachment>,
    /// The record it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_reference: Option<Reference>,
    /// Policies it falls under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<ConsentPolicy>,
    /// Regulation it falls under: `OPTIN`, `OPTOUT`, ..
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_rule: Option<CodeableConcept>,
    /// Whether it was verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verification: Vec<ConsentVerification>,
    /// The rule, with exceptions nested in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provision: Option<Provision>,
}

impl Resource for Consent {
    const TYPE: &'static str = "Consent";
}

/// A policy.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsentPolicy {
    /// Who enforces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Which policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// A check with the patient or family.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentVerification {
    /// Whether it was verified.
    pub verified: bool,
    /// With whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_with: Option<Reference>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_date: Option<String>,
}

/// A rule or, nested, an exception to the rule around it. Nesting is bounded by the depth
/// of documents.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Provision {
    /// Extensions that change the meaning: who does not know them must not use the rest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modifier_extension: Vec<Value>,
    /// `deny` or `permit`
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// When the rule holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// To whom it applies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actor: Vec<ConsentActor>,
    /// What is done: `collect`, `access`, `use`, `disclose`, `correct`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<CodeableConcept>,
    /// Labels that data of the rule carry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_label: Vec<Coding>,
    /// Purposes of use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purpose: Vec<Coding>,
    /// Types of resources or documents, or profiles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class: Vec<Coding>,
    /// Codes that data of the rule have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<CodeableConcept>,
    /// Time from which data of the rule come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_period: Option<Period>,
    /// Data the rule is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<ConsentData>,
    /// Exceptions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provision: Vec<Provision>,
}

/// Someone a rule applies to.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentActor {
    /// How they are involved.
    pub role: CodeableConcept,
    /// Who they are.
    pub reference: Reference,
}

/// Data that a rule is about.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentData {
    /// `instance`, `related`, `dependents`, `authoredby`
    pub meaning: String,
    /// Which resource.
    pub reference: Reference,
}

masked!(Consent, ConsentPolicy, ConsentVerification, Provision, ConsentActor, ConsentData);

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::fhir::doc::doc;

    const CONSENT: &str = r#"{"resourceType":"Consent","id":"c1","meta":{"versionId":"2"},
      "status":"active","scope":{"coding":[{"system":"s","code":"patient-privacy"}]},
      "category":[{"coding":[{"code":"59284-0"}]}],"patient":{"reference":"Patient/1"},
      "dateTime":"2026-01-02","policyRule":{"coding":[{"code":"OPTIN"}]},
      "verification":[{"verified":true}],
      "provision":{"type":"permit","period":{"start":"2026"},"provision":[{"type":"deny",
        "actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Organization/o"}}],
        "action":[{"coding":[{"code":"disclose"}]}],"purpose":[{"code":"HRESCH"}],
        "class":[{"code":"Observation"}],"securityLabel":[{"code":"R"}],
        "dataPeriod":{"end":"2025"},"data":[{"meaning":"instance","reference":{"reference":"X/1"}}],
        "code":[{"text":"c"}]}]}}"#;

    #[test]
    fn is_read_with_nested_provisions() {
        let consent: Consent = read(doc(CONSENT).root()).unwrap();
        assert_eq!(consent.status, "active");
        assert!(consent.scope.has("s", "patient-privacy"));
        let root = consent.provision.as_ref().unwrap();
        let nested = &root.provision[0];
        assert_eq!(
            (root.type_.as_deref(), nested.type_.as_deref()),
            (Some("permit"), Some("deny"))
        );
        assert_eq!(nested.actor[0].reference.reference.as_deref(), Some("Organization/o"));
        assert_eq!(nested.purpose[0].code.as_deref(), Some("HRESCH"));
        assert_eq!(format!("{consent:?}"), "Consent(<phi>)");
        // What is written back means the same.
        let json = serde_json::to_string(&consent).unwrap();
        let json = json.replacen('{', r#"{"resourceType":"Consent","#, 1);
        assert!(read::<Consent>(doc(&json).root()).unwrap() == consent);
    }

    #[test]
    fn faults_name_the_element_and_no_value() {
        let check = |text: &str, expected: &str| {
            let fault = read::<Consent>(doc(text).root()).unwrap_err();
            assert_eq!(fault.cause(), Some(expected), "{text}");
        };
        check(r#"{"resourceType":"Patient"}"#, "expected a resource of type `Consent`");
        check(
            r#"{"resourceType":"Consent","scope":{"text":"x"},"category":[{"text":"x"}]}"#,
            "Consent.status: R4 requires a value here",
        );
        check(
            &CONSENT.replace("[{\"code\":\"HRESCH\"}]", "\"HRESCH\""),
            "Consent.provision.provision[0].purpose: expected an array",
        );
        // A second provision would leave open which of the two holds.
        check(
            &CONSENT.replacen("\"status\"", "\"status\":\"draft\",\"status\"", 1),
            "Consent.status: the object has two members of this name",
        );
    }
}
