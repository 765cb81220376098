//! What a reference names: type and id of an address, or a URL.

use super::values::Reference;
use crate::fhir::{rest, tables};

/// Reads a reference: `Patient/1`, `Patient/1/_history/2`, `https://x/Patient/1`,
/// `urn:uuid:..`, a canonical with a version. References within the resource name nothing.
/// Whose `https://x` is, [`Reference::here`] says.
///
/// Source: FHIR R4 references.html#literal.
pub(super) fn read(text: &str) -> Reference {
    let text = text.split_once('|').map_or(text, |(url, _)| url);
    if text.is_empty() || text.starts_with('#') || text.contains('?') {
        return Reference::default();
    }
    let plain = text.split_once("/_history/").map_or(text, |(plain, _)| plain);
    let mut steps = plain.rsplit('/');
    let (id, kind) = (steps.next(), steps.next());
    let found = kind.zip(id).filter(|(kind, id)| tables::is_resource(kind) && rest::is_id(id));
    let relative = steps.next().is_none() && found.is_some();
    let (kind, id) = found.map_or((None, None), |(kind, id)| (Some(kind), Some(id)));
    Reference {
        kind: kind.map(str::to_owned),
        id: id.map(str::to_owned),
        url: (!relative).then(|| plain.to_owned()),
        identifier: None,
    }
}

/// Type and id of an address below a base; none for any other. A base that is not known is
/// empty, and nothing lies below it.
pub(super) fn below<'t>(text: &'t str, base: &str) -> Option<(&'t str, &'t str)> {
    let rest = text.strip_prefix(base).filter(|_| !base.is_empty())?;
    let (kind, id) = rest.strip_prefix('/')?.split_once('/')?;
    (tables::is_resource(kind) && rest::is_id(id)).then_some((kind, id))
}

impl Reference {
    /// Type and id of the resource of ours that is meant: by a relative reference, or by an
    /// absolute one below our own base. An address at another server names another resource.
    ///
    /// Source: FHIR R4 references.html#literal.
    pub fn here(&self, base: &str) -> Option<(&str, &str)> {
        match &self.url {
            Some(url) => below(url, base),
            None => self.kind.as_deref().zip(self.id.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ours_is_the_resource_itself() {
        let check = |text: &str, base: &str, expected: Option<(&str, &str)>| {
            assert_eq!(read(text).here(base), expected, "{text} at {base}");
        };
        let own = Some(("Patient", "1"));
        check("Patient/1", "", own);
        check("Patient/1", "https://x/fhir", own);
        check("https://x/fhir/Patient/1", "https://x/fhir", own);
        check("https://x/fhir/Patient/1/_history/2", "https://x/fhir", own);
        check("https://x/fhir/Patient/1", "", None);
        check("https://x/fhir/Patient/1", "https://x", None);
        check("https://x/fhir/Patient/1", "https://x/fhi", None);
        check("https://y/fhir/Patient/1", "https://x/fhir", None);
        check("https://x/fhir/Nothing/1", "https://x/fhir", None);
        check("urn:uuid:1", "https://x/fhir", None);
    }

    #[test]
    fn references_are_read() {
        let check = |text: &str, kind: Option<&str>, id: Option<&str>, url: Option<&str>| {
            let found = read(text);
            let got = (found.kind.as_deref(), found.id.as_deref(), found.url.as_deref());
            assert_eq!(got, (kind, id, url), "{text}");
        };
        check("Patient/1", Some("Patient"), Some("1"), None);
        check("Patient/1/_history/2", Some("Patient"), Some("1"), None);
        check("http://x/Patient/1", Some("Patient"), Some("1"), Some("http://x/Patient/1"));
        check("urn:uuid:1", None, None, Some("urn:uuid:1"));
        check("http://x/y|2", None, None, Some("http://x/y"));
        check("Nothing/1", None, None, Some("Nothing/1"));
        for none in ["", "#a", "Patient?identifier=1"] {
            check(none, None, None, None);
        }
    }
}
