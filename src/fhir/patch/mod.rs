//! Patches of a resource: FHIRPath Patch, JSON Patch and XML Patch.
//!
//! A patch is applied as a whole or not at all, and what comes out is a document read anew.
//! The outcome has the structure of R4 where the resource had it; rules beyond that are for
//! `validate` to check. Type and id of the resource stay.
//! Faults name the operation by its number from 0 and never repeat a value.
//!
//! Source: FHIR R4 http.html#patch, fhirpatch.html; RFC 6901, RFC 6902, RFC 5261.

mod elements;
mod json;
mod parameters;
#[cfg(test)]
mod tests;
mod value;
mod xml;

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::validate::{self, Finding};
use super::{Doc, Node};
use crate::fault::codes::{W2780, W2783, W2785, W2786};
use crate::fault::{Code, Fault, Place};

/// Most operations of a patch: those that programs make from two versions of a resource
/// stay below a hundred.
pub const OPERATIONS_MAX: usize = 1000;

/// Most elements, members and items that the operations of one patch may walk over
/// together: several times the largest resource.
pub const STEPS_MAX: u64 = 20_000_000;

/// Most bytes that copies and moves may add to a document, beyond its own length: a patch
/// that doubles a value with each operation ends here.
pub const COPIED_BYTES_MAX: usize = 4 << 20;

/// The media type of JSON Patch.
pub const JSON_PATCH: &str = "application/json-patch+json";

/// The media type of XML Patch; the second name is that of RFC 7351.
pub const XML_PATCH: [&str; 2] = ["application/xml-patch+xml", "application/xml-patch"];

/// A patch, read as far as its form goes.
#[derive(Clone, Debug)]
pub struct Patch(Kind);

#[derive(Clone)]
enum Kind {
    /// FHIRPath Patch, a resource `Parameters`.
    Parameters(Doc),
    /// JSON Patch, an array of operations.
    Json(Doc),
    /// XML Patch, a document of operations.
    Xml(String),
}

/// Shows the kind only: the content is patient data.
impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Parameters(_) => "FHIRPath(<phi>)",
            Self::Json(_) => "JSON(<phi>)",
            Self::Xml(_) => "XML(<phi>)",
        })
    }
}

impl Patch {
    /// Takes a resource `Parameters` as FHIRPath Patch.
    ///
    /// # Errors
    /// `W2780` when it is another resource.
    pub fn parameters(doc: Doc) -> Result<Self, Fault> {
        if doc.resource_type().as_deref() == Some("Parameters") {
            return Ok(Self(Kind::Parameters(doc)));
        }
        Err(unread("a FHIRPath Patch is a resource `Parameters`"))
    }

    /// Reads a JSON Patch.
    ///
    /// # Errors
    /// As [`Doc::parse_json`], and `W2780` when it is no array.
    pub fn json(bytes: Bytes) -> Result<Self, Fault> {
        let doc = Doc::parse_json(bytes)?;
        if doc.root().kind() == super::NodeKind::Array {
            return Ok(Self(Kind::Json(doc)));
        }
        Err(unread("a JSON Patch is an array of operations"))
    }

    /// Reads an XML Patch.
    ///
    /// # Errors
    /// `W2700`, `W2702`, `W2703`, `W2705`, `W2706`, as [`Doc::parse_xml`].
    pub fn xml(bytes: &[u8]) -> Result<Self, Fault> {
        Ok(Self(Kind::Xml(xml::checked(bytes)?)))
    }

    /// Reads the body of a request by its media type, whose parameters do not matter: JSON
    /// Patch, XML Patch, or a `Parameters` in any media type of FHIR.
    ///
    /// # Errors
    /// `W2780` for a media type that no patch has, else as the reader of that kind.
    pub fn read(media_type: &str, bytes: Bytes) -> Result<Self, Fault> {
        let name = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match &*name {
            JSON_PATCH => Self::json(bytes),
            name if XML_PATCH.contains(&name) => Self::xml(&bytes),
            "application/fhir+json" | "application/json" | "text/json" => {
                Self::parameters(Doc::parse_json(bytes)?)
            }
            "application/fhir+xml" | "application/xml" | "text/xml" => {
                Self::parameters(Doc::parse_xml(bytes)?)
            }
            _ => Err(unread("no patch has this media type")),
        }
    }

    /// Reads the patch that an entry of a Bundle carries: a `Parameters`, or a `Binary` of
    /// the media type of JSON Patch or XML Patch.
    ///
    /// # Errors
    /// `W2780` for any other resource or bad base64, else as the reader of that kind.
    ///
    /// Source: FHIR R4 http.html#patch, "Patching in Bundles".
    pub fn of_resource(resource: Node<'_>) -> Result<Self, Fault> {
        match resource.resource_type().as_deref() {
            Some("Parameters") => {
                let text = resource.json().into_owned();
                Self::parameters(Doc::parse_json(Bytes::from(text))?)
            }
            Some("Binary") => {
                let text = |name: &str| resource.get(name).and_then(|node| node.string());
                let media = text("contentType").unwrap_or_default();
                let name = media.split(';').next().unwrap_or_default().trim();
                if name != JSON_PATCH && !XML_PATCH.contains(&name) {
                    return Err(unread("the `Binary` has no media type of a patch"));
                }
                let data = text("data").unwrap_or_default();
                let data: Vec<u8> = data.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
                let bytes = STANDARD.decode(data).map_err(|_| unread("`data` is no base64"))?;
                Self::read(name, Bytes::from(bytes))
            }
            _ => Err(unread("a patch in a Bundle is a `Parameters` or a `Binary`")),
        }
    }

    /// The form of the patch: `FHIRPath`, `JSON` or `XML`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Kind::Parameters(_) => "FHIRPath",
            Kind::Json(_) => "JSON",
            Kind::Xml(_) => "XML",
        }
    }
}

/// Applies a patch: the document that comes out, read anew from JSON.
///
/// # Errors
/// `W2780` to `W2786`, with the operation that failed; then nothing was changed. `W2702` and
/// `W2703` when the outcome is nested too deeply or too large, `W2707` when an XML Patch
/// meets a resource that has no form in XML.
pub fn apply(doc: &Doc, patch: &Patch) -> Result<Doc, Fault> {
    let patched = match &patch.0 {
        Kind::Parameters(patch) => parameters::apply(doc, patch)?,
        Kind::Json(patch) => json::apply(doc, patch)?,
        Kind::Xml(patch) => xml::apply(doc, patch)?,
    };
    let patched = Doc::parse_json(patched.to_json())?;
    let id = |doc: &Doc| doc.root().get("id").and_then(|id| id.text()).map(|id| id.into_owned());
    let moved = id(doc).is_some_and(|before| id(&patched).as_ref() != Some(&before));
    let turned = doc.resource_type() != patched.resource_type();
    if doc.resource_type().is_some() && (moved || turned) {
        let place = Place::path(if turned { "resourceType" } else { "id" });
        return Err(Fault::new(W2786).at(place));
    }
    sound(doc, &patched)?;
    Ok(patched)
}

/// Refuses an outcome whose structure is not that of R4, where that of the resource was:
/// what was wrong before does not keep a patch from mending something else.
///
/// Source: FHIR R4 fhirpatch.html: "Servers SHALL return an error if the outcome of the patch
/// operation is not a valid resource".
fn sound(before: &Doc, after: &Doc) -> Result<(), Fault> {
    if !after.resource_type().is_some_and(|name| super::tables::is_resource(&name)) {
        return Ok(());
    }
    let errors = |doc: &Doc| validate::structure(doc).into_iter().filter(Finding::is_error);
    let mut after = errors(after).peekable();
    if after.peek().is_none() {
        return Ok(());
    }
    let plain = |path: &str| path.replace(|c: char| c.is_ascii_digit(), "");
    let key = |finding: &Finding| (finding.code.as_str(), plain(&finding.path));
    let known: HashSet<_> = errors(before).map(|finding| key(&finding)).collect();
    match after.find(|finding| !known.contains(&key(finding))) {
        Some(finding) => Err(Fault::new(W2783).at(Place::path(finding.path)).because(finding.what)),
        None => Ok(()),
    }
}

/// Applies an XML Patch to any XML text.
///
/// # Errors
/// As [`apply`], and as [`Patch::xml`] for the text.
pub fn apply_to_xml(text: &[u8], patch: &[u8]) -> Result<String, Fault> {
    xml::apply_to_text(&xml::checked(text)?, &xml::checked(patch)?)
}

fn unread(cause: &'static str) -> Fault {
    Fault::new(W2780).because(cause)
}

/// What all operations of one patch may spend together.
struct Budget {
    steps: u64,
    bytes: usize,
}

impl Budget {
    fn new(doc_bytes: usize) -> Self {
        Self { steps: STEPS_MAX, bytes: COPIED_BYTES_MAX.saturating_add(doc_bytes) }
    }

    /// Pays for elements walked over.
    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        let left = self.steps.checked_sub(steps as u64 + 1);
        self.steps = left.ok_or_else(|| {
            Fault::new(W2785).because("its operations walk over too many elements")
        })?;
        Ok(())
    }

    /// Pays for text that is written a second time.
    fn copy(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| {
            Fault::new(W2785).because("it copies more text than the resource and 4 MiB")
        })?;
        Ok(())
    }
}

/// Refuses a patch with too many operations.
fn counted(operations: usize) -> Result<(), Fault> {
    if operations > OPERATIONS_MAX {
        return Err(Fault::new(W2785).because("it has more than 1000 operations"));
    }
    Ok(())
}

fn fault(code: Code, cause: &'static str) -> Fault {
    Fault::new(code).because(cause)
}

/// Adds the number of the operation, and its path as far as that holds no values.
fn within(fault: Fault, number: usize, path: &str) -> Fault {
    let quiet = |c: char| c.is_ascii_alphanumeric() || "._-[]()/~@:$".contains(c);
    let shown: &str = path.split(|c| !quiet(c)).next().unwrap_or_default();
    let short = shown.get(..shown.len().min(120)).unwrap_or_default();
    let cut = if short.len() < path.len() { ".." } else { "" };
    let gap = if path.is_empty() { "" } else { " " };
    fault.at(Place::path(format!("operation[{number}]{gap}{short}{cut}")))
}
