//! Consent, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fault::Fault;
use crate::fhir::model::{Choice, Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};
use crate::fhir::{Builder, Node};

use super::codes;
use super::datatypes::*;

record! { domain Consent "Consent" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::ConsentStateCodes>>,
    scope "scope": Option<Box<CodeableConcept>>,
    category "category": Vec<CodeableConcept>,
    patient "patient": Option<Box<Reference>>,
    date_time "dateTime": Primitive<DateTime>,
    performer "performer": Vec<Reference>,
    organization "organization": Vec<Reference>,
    source "sourceAttachment" | "sourceReference": Option<ConsentSource>,
    policy "policy": Vec<ConsentPolicy>,
    policy_rule "policyRule": Option<Box<CodeableConcept>>,
    verification "verification": Vec<ConsentVerification>,
    provision "provision": Option<Box<ConsentProvision>>,
} }

choice! { ConsentSource {
    Attachment "sourceAttachment": Box<Attachment>,
    Reference "sourceReference": Box<Reference>,
} }

record! { backbone ConsentPolicy {
    authority "authority": Primitive<String>,
    uri "uri": Primitive<String>,
} }

record! { backbone ConsentVerification {
    verified "verified": Primitive<bool>,
    verified_with "verifiedWith": Option<Box<Reference>>,
    verification_date "verificationDate": Primitive<DateTime>,
} }

record! { backbone ConsentProvision {
    type_ "type": Primitive<Coded<codes::ConsentProvisionType>>,
    period "period": Option<Box<Period>>,
    actor "actor": Vec<ConsentProvisionActor>,
    action "action": Vec<CodeableConcept>,
    security_label "securityLabel": Vec<Coding>,
    purpose "purpose": Vec<Coding>,
    class "class": Vec<Coding>,
    code "code": Vec<CodeableConcept>,
    data_period "dataPeriod": Option<Box<Period>>,
    data "data": Vec<ConsentProvisionData>,
    provision "provision": Vec<ConsentProvision>,
} }

record! { backbone ConsentProvisionActor {
    role "role": Option<Box<CodeableConcept>>,
    reference "reference": Option<Box<Reference>>,
} }

record! { backbone ConsentProvisionData {
    meaning "meaning": Primitive<Coded<codes::ConsentDataMeaning>>,
    reference "reference": Option<Box<Reference>>,
} }
