//! The patient's compartment, as far as weir lets a patient's own scopes reach.
//!
//! A resource lies in it when it is the patient, or when it says of itself whose it is. That
//! is narrower than the compartment of R4, which also takes in what a patient performed or
//! recorded: a grant that is too narrow is noticed, one too wide is not.
//!
//! Source: FHIR R4 compartmentdefinition-patient.html.

use crate::fhir::Node;

/// Elements at the root of a resource by which it says whose it is.
const WHOSE: &[&str] = &["subject", "patient", "beneficiary", "for", "individual"];

/// Whether a resource is the patient with this id, or says that it is theirs. One that names
/// two persons belongs to neither.
#[must_use]
pub fn belongs_to(resource: Node<'_>, patient: &str) -> bool {
    if resource.resource_type().as_deref() == Some("Patient") {
        return resource.get("id").and_then(|id| id.text()).as_deref() == Some(patient);
    }
    let mut named = false;
    for owner in WHOSE.iter().filter_map(|name| resource.get(name)) {
        let reference = owner.get("reference").and_then(|reference| reference.text());
        let theirs = reference.as_deref().and_then(|r| r.strip_prefix("Patient/"));
        if theirs != Some(patient) {
            return false;
        }
        named = true;
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Doc;

    #[test]
    fn a_resource_says_whose_it_is() {
        let check = |json: &str, expected: bool| {
            let doc = Doc::parse_json(json.to_owned().into()).unwrap();
            assert_eq!(belongs_to(doc.root(), "p1"), expected, "{json}");
        };
        check(r#"{"resourceType":"Patient","id":"p1"}"#, true);
        check(r#"{"resourceType":"Patient","id":"p2"}"#, false);
        check(r#"{"resourceType":"Patient"}"#, false);
        let observation = |rest: &str| format!(r#"{{"resourceType":"Observation",{rest}}}"#);
        check(&observation(r#""subject":{"reference":"Patient/p1"}"#), true);
        check(&observation(r#""subject":{"reference":"Patient/p2"}"#), false);
        check(&observation(r#""subject":{"reference":"Group/p1"}"#), false);
        check(&observation(r#""subject":{"reference":"https://other/Patient/p1"}"#), false);
        check(&observation(r#""subject":{"display":"p1"}"#), false);
        check(&observation(r#""status":"final""#), false);
        check(r#"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/p1"}}"#, true);
        check(
            r#"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/p1"},
                "subject":{"reference":"Patient/p2"}}"#,
            false,
        );
    }
}
