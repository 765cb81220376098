//! Addresses that a server names: which origin, and the path on it.

use crate::ports::http::Url;

/// Longest address: a signature and a session token of a store of files stay below.
const ADDRESS_BYTES_MAX: usize = 8 << 10;

/// A place on some server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The server: its URL without a path.
    pub origin: Url,
    /// Path from the root, with its query.
    pub path: String,
}

impl Address {
    /// Reads an absolute URL, or a path from the root of `near`. A fragment is left out.
    /// `None` for all else: other schemes, user names, control characters, and what is
    /// longer than 8 KiB.
    #[must_use]
    pub fn resolve(text: &str, near: &Url) -> Option<Self> {
        let text = text.split('#').next().unwrap_or_default();
        if text.len() > ADDRESS_BYTES_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        if text.starts_with('/') {
            let path = text.to_owned();
            return (!text.starts_with("//")).then(|| Self { origin: near.origin(), path });
        }
        let scheme = ["https://", "http://"].into_iter().find(|scheme| {
            text.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme))
        })?;
        let rest = text.get(scheme.len()..)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A reader that takes `\` for `/` would see another server.
        if text.contains('\\') {
            return None;
        }
        let origin = Url::parse(&format!("{scheme}{}", authority.to_ascii_lowercase())).ok()?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { origin, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_an_origin_and_a_path() {
        let near = Url::parse("https://fhir.example/r4").unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let found = Address::resolve(text, &near);
            let found = found.map(|at| format!("{} {}", at.origin, at.path));
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("/r4/status/1?x=y", Some("https://fhir.example /r4/status/1?x=y"));
        check("https://FHIR.example:443/a#b", Some("https://fhir.example /a"));
        check(
            "https://store.example:8443/x?sig=a%2Fb",
            Some("https://store.example:8443 /x?sig=a%2Fb"),
        );
        check("http://fhir.example", Some("http://fhir.example /"));
        check("http://fhir.example?a", Some("http://fhir.example /?a"));
        check("https://fhir.example@evil.example/", None);
        check("https://user:word@fhir.example/", None);
        check("//evil.example/x", None);
        check("https:\\\\evil.example", None);
        check("https://fhir.example\\@evil.example/", None);
        check("file:///etc/passwd", None);
        check("status/1", None);
        check("", None);
        check("/a b", None);
        check(&format!("/{}", "x".repeat(9000)), None);
    }
}
