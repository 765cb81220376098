//! CapabilityStatement, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain CapabilityStatement "CapabilityStatement" {
    url "url": Primitive<String>,
    version "version": Primitive<String>,
    name "name": Primitive<String>,
    title "title": Primitive<String>,
    status "status": Primitive<Coded<codes::PublicationStatus>>,
    experimental "experimental": Primitive<bool>,
    date "date": Primitive<DateTime>,
    publisher "publisher": Primitive<String>,
    contact "contact": Vec<ContactDetail>,
    description "description": Primitive<String>,
    use_context "useContext": Vec<UsageContext>,
    jurisdiction "jurisdiction": Vec<CodeableConcept>,
    purpose "purpose": Primitive<String>,
    copyright "copyright": Primitive<String>,
    kind "kind": Primitive<Coded<codes::CapabilityStatementKind>>,
    instantiates "instantiates": Vec<Primitive<String>>,
    imports "imports": Vec<Primitive<String>>,
    software "software": Option<Box<CapabilityStatementSoftware>>,
    implementation "implementation": Option<Box<CapabilityStatementImplementation>>,
    fhir_version "fhirVersion": Primitive<Coded<codes::FhirVersion>>,
    format "format": Vec<Primitive<String>>,
    patch_format "patchFormat": Vec<Primitive<String>>,
    implementation_guide "implementationGuide": Vec<Primitive<String>>,
    rest "rest": Vec<CapabilityStatementRest>,
    messaging "messaging": Vec<CapabilityStatementMessaging>,
    document "document": Vec<CapabilityStatementDocument>,
} }

record! { backbone CapabilityStatementSoftware {
    name "name": Primitive<String>,
    version "version": Primitive<String>,
    release_date "releaseDate": Primitive<DateTime>,
} }

record! { backbone CapabilityStatementImplementation {
    description "description": Primitive<String>,
    url "url": Primitive<String>,
    custodian "custodian": Option<Box<Reference>>,
} }

record! { backbone CapabilityStatementRest {
    mode "mode": Primitive<Coded<codes::RestfulCapabilityMode>>,
    documentation "documentation": Primitive<String>,
    security "security": Option<Box<CapabilityStatementRestSecurity>>,
    resource "resource": Vec<CapabilityStatementRestResource>,
    interaction "interaction": Vec<CapabilityStatementRestInteraction>,
    search_param "searchParam": Vec<CapabilityStatementRestResourceSearchParam>,
    operation "operation": Vec<CapabilityStatementRestResourceOperation>,
    compartment "compartment": Vec<Primitive<String>>,
} }

record! { backbone CapabilityStatementMessaging {
    endpoint "endpoint": Vec<CapabilityStatementMessagingEndpoint>,
    reliable_cache "reliableCache": Primitive<u32>,
    documentation "documentation": Primitive<String>,
    supported_message "supportedMessage": Vec<CapabilityStatementMessagingSupportedMessage>,
} }

record! { backbone CapabilityStatementDocument {
    mode "mode": Primitive<Coded<codes::DocumentMode>>,
    documentation "documentation": Primitive<String>,
    profile "profile": Primitive<String>,
} }

record! { backbone CapabilityStatementRestSecurity {
    cors "cors": Primitive<bool>,
    service "service": Vec<CodeableConcept>,
    description "description": Primitive<String>,
} }

record! { backbone CapabilityStatementRestResource {
    type_ "type": Primitive<String>,
    profile "profile": Primitive<String>,
    supported_profile "supportedProfile": Vec<Primitive<String>>,
    documentation "documentation": Primitive<String>,
    interaction "interaction": Vec<CapabilityStatementRestResourceInteraction>,
    versioning "versioning": Primitive<Coded<codes::VersioningPolicy>>,
    read_history "readHistory": Primitive<bool>,
    update_create "updateCreate": Primitive<bool>,
    conditional_create "conditionalCreate": Primitive<bool>,
    conditional_read "conditionalRead": Primitive<Coded<codes::ConditionalReadStatus>>,
    conditional_update "conditionalUpdate": Primitive<bool>,
    conditional_delete "conditionalDelete": Primitive<Coded<codes::ConditionalDeleteStatus>>,
    reference_policy "referencePolicy": Vec<Primitive<Coded<codes::ReferenceHandlingPolicy>>>,
    search_include "searchInclude": Vec<Primitive<String>>,
    search_rev_include "searchRevInclude": Vec<Primitive<String>>,
    search_param "searchParam": Vec<CapabilityStatementRestResourceSearchParam>,
    operation "operation": Vec<CapabilityStatementRestResourceOperation>,
} }

record! { backbone CapabilityStatementRestInteraction {
    code "code": Primitive<Coded<codes::SystemRestfulInteraction>>,
    documentation "documentation": Primitive<String>,
} }

record! { backbone CapabilityStatementMessagingEndpoint {
    protocol "protocol": Option<Box<Coding>>,
    address "address": Primitive<String>,
} }

record! { backbone CapabilityStatementMessagingSupportedMessage {
    mode "mode": Primitive<Coded<codes::EventCapabilityMode>>,
    definition "definition": Primitive<String>,
} }

record! { backbone CapabilityStatementRestResourceInteraction {
    code "code": Primitive<Coded<codes::TypeRestfulInteraction>>,
    documentation "documentation": Primitive<String>,
} }

record! { backbone CapabilityStatementRestResourceSearchParam {
    name "name": Primitive<String>,
    definition "definition": Primitive<String>,
    type_ "type": Primitive<Coded<codes::SearchParamType>>,
    documentation "documentation": Primitive<String>,
} }

record! { backbone CapabilityStatementRestResourceOperation {
    name "name": Primitive<String>,
    definition "definition": Primitive<String>,
    documentation "documentation": Primitive<String>,
} }
