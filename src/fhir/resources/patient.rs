//! Patient, as far as weir asks who it is.

use serde::{Deserialize, Serialize};

use super::{HumanName, Identifier, Meta, Resource, masked};

/// Who a patient is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Patient {
    /// Logical id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Version, security labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Meta>,
    /// Identifiers, such as record numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifier: Vec<Identifier>,
    /// Whether the record is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub name: Vec<HumanName>,
    /// `male`, `female`, `other`, `unknown`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// A `date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
}

impl Resource for Patient {
    const TYPE: &'static str = "Patient";
}

masked!(Patient);
