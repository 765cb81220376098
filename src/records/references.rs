//! What a reference names: type and id of an address, or a URL.

use super::values::Reference;
use crate::fhir::{rest, tables};

/// Reads a reference: `Patient/1`, `Patient/1/_history/2`, `https://x/Patient/1`,
/// `urn:uuid:..`, a canonical with a version. References within the resource name nothing.
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
        // An address at another server names another resource.
        id: id.filter(|_| relative).map(str::to_owned),
        url: (!relative).then(|| plain.to_owned()),
        identifier: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let check = |text: &str, kind: Option<&str>, id: Option<&str>, url: Option<&str>| {
            let found = read(text);
            let got = (found.kind.as_deref(), found.id.as_deref(), found.url.as_deref());
            assert_eq!(got, (kind, id, url), "{text}");
        };
        check("Patient/1", Some("Patient"), Some("1"), None);
        check("Patient/1/_history/2", Some("Patient"), Some("1"), None);
        check("http://x/Patient/1", Some("Patient"), None, Some("http://x/Patient/1"));
        check("urn:uuid:1", None, None, Some("urn:uuid:1"));
        check("http://x/y|2", None, None, Some("http://x/y"));
        check("Nothing/1", None, None, Some("Nothing/1"));
        for none in ["", "#a", "Patient?identifier=1"] {
            check(none, None, None, None);
        }
    }
}
