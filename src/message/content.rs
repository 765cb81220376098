//! What a message says, in the form it came.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{cda, fhir, hl7v2};

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContentKind {
    /// HL7 v2, ER7 encoding.
    Hl7,
    /// FHIR R4, JSON.
    FhirJson,
    /// Anything else: bytes that no parser took, kept as they came.
    Raw,
    /// Nothing any more: the bytes were removed when `keep.content` was over. Made by the
    /// store only; no source gives it and no destination takes it.
    Removed,
    /// A document of CDA R2, XML.
    Cda,
}

impl ContentKind {
    /// Media type for HTTP and for people.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Hl7 => "x-application/hl7-v2+er7",
            Self::FhirJson => "application/fhir+json",
            Self::Cda => "application/xml",
            Self::Raw | Self::Removed => "application/octet-stream",
        }
    }
}

/// A parsed message, or the bytes that could not be parsed. Cheap to clone.
#[derive(Clone)]
pub enum Content {
    /// HL7 v2.
    Hl7(hl7v2::Message),
    /// FHIR R4.
    Fhir(fhir::Doc),
    /// A document of CDA R2.
    Cda(cda::Document),
    /// Unparsed bytes.
    Raw(Bytes),
}

impl Content {
    /// Its form.
    #[must_use]
    pub const fn kind(&self) -> ContentKind {
        match self {
            Self::Hl7(_) => ContentKind::Hl7,
            Self::Fhir(_) => ContentKind::FhirJson,
            Self::Cda(_) => ContentKind::Cda,
            Self::Raw(_) => ContentKind::Raw,
        }
    }

    /// Its bytes, edits included.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let bytes = match self {
            Self::Hl7(message) => message.write(),
            Self::Fhir(doc) => doc.to_json(),
            Self::Cda(document) => document.bytes(),
            Self::Raw(bytes) => bytes.clone(),
        };
        Body { kind: self.kind(), bytes }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(<phi>)", self.kind())
    }
}

/// The bytes of a message in one form; `Debug` shows form and length only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The form.
    pub kind: ContentKind,
    /// The bytes, patient data in them.
    pub bytes: Bytes,
}

impl Body {
    /// What is left of a body when its time is over.
    pub const REMOVED: Self = Self { kind: ContentKind::Removed, bytes: Bytes::new() };

    /// Whether its bytes were removed because `keep.content` was over.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.kind == ContentKind::Removed
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(<phi> {} B)", self.kind, self.bytes.len())
    }
}
