//! Requests of Bundle entries repeat values: `PUT Patient?identifier=..`, `ifNoneExist`.
//!
//! What is sealed or taken out of a resource must not leave in the search that finds it. A
//! conditional create or update that names a protected value becomes a plain create; any
//! other conditional request cannot be kept apart from the value, and is a fault.

use zeroize::Zeroizing;

use super::{Doc, Node, NodeId};
use crate::fault::codes::W2704;
use crate::fault::{Fault, Place};

/// What has to change in one entry.
enum Change {
    /// `ifNoneExist` goes.
    Unconditional(NodeId),
    /// `PUT Type?search` becomes `POST Type`.
    Create { method: NodeId, url: NodeId, kind: String },
}

/// The texts within nodes, to be looked for after the nodes were sealed or taken out.
#[must_use]
pub fn texts(doc: &Doc, ids: &[NodeId]) -> Vec<Zeroizing<String>> {
    let mut found = Vec::new();
    let mut open: Vec<Node<'_>> = ids.iter().filter_map(|id| doc.node(*id)).collect();
    while let Some(node) = open.pop() {
        open.extend(node.members().map(|(_, child)| child).chain(node.items()));
        let text = node.text().filter(|text| !text.is_empty());
        found.extend(text.map(|text| Zeroizing::new(text.into_owned())));
    }
    found
}

/// Takes texts that were protected in resources out of the requests of a Bundle.
///
/// # Errors
/// `W2704` for a conditional request that names a secret and is neither create nor update.
pub fn close(doc: &mut Doc, secrets: &[Zeroizing<String>]) -> Result<(), Fault> {
    if secrets.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    let entries = doc.root().get("entry");
    for entry in entries.iter().flat_map(Node::items) {
        if let Some(request) = entry.get("request") {
            look(request, secrets, &mut changes)?;
        }
    }
    for change in changes {
        match change {
            Change::Unconditional(id) => doc.remove(id)?,
            Change::Create { method, url, kind } => {
                doc.set_string(method, "POST")?;
                doc.set_string(url, &kind)?;
            }
        }
    }
    Ok(())
}

fn look(
    request: Node<'_>,
    secrets: &[Zeroizing<String>],
    changes: &mut Vec<Change>,
) -> Result<(), Fault> {
    if let Some(search) = request.get("ifNoneExist")
        && names(&search, secrets, false)
    {
        changes.push(Change::Unconditional(search.id()));
    }
    let Some(url) = request.get("url").filter(|url| names(url, secrets, true)) else {
        return Ok(());
    };
    let method = request.get("method");
    let text = url.string().unwrap_or_default();
    let kind = text.split('?').next().unwrap_or_default().to_owned();
    match method {
        Some(method) if method.string().as_deref() == Some("PUT") => {
            changes.push(Change::Create { method: method.id(), url: url.id(), kind });
            Ok(())
        }
        _ => Err(Fault::new(W2704).at(Place::path(request.path()))),
    }
}

/// Whether a text names a secret, as it is or percent-encoded; in a URL only after its `?`.
fn names(node: &Node<'_>, secrets: &[Zeroizing<String>], in_url: bool) -> bool {
    let Some(text) = node.string() else { return false };
    let search = match in_url {
        true => text.split_once('?').map_or("", |(_, search)| search),
        false => &text,
    };
    let search = Zeroizing::new(decoded(search));
    let plain = Zeroizing::new(unescaped(&search));
    secrets.iter().any(|secret| {
        let secret = secret.as_bytes();
        let within = |text: &[u8]| text.windows(secret.len()).any(|part| part == secret);
        within(&search) || within(&plain)
    })
}

/// The bytes without the backslashes that keep `,`, `|` and `$` from having a meaning.
///
/// Source: FHIR R4 search.html#escaping.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        out.push(if *byte == b'\\' { *rest.next().unwrap_or(byte) } else { *byte });
    }
    out
}

/// The bytes that percent-encoding and `+` stand for.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let hex = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match (first, rest) {
            (b'%', [high, low, after @ ..]) => {
                if let (Some(high), Some(low)) = (hex(high), hex(low)) {
                    out.push(high << 4 | low);
                    bytes = after;
                    continue;
                }
                out.push(b'%');
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
        bytes = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn closed(request: &str) -> Result<String, Fault> {
        let json = format!(r#"{{"resourceType":"Bundle","entry":[{{"request":{request}}}]}}"#);
        let mut doc = Doc::parse_json(Bytes::from(json)).unwrap();
        close(&mut doc, &[Zeroizing::new("900 44".to_owned())])?;
        Ok(String::from_utf8_lossy(&doc.to_json()).into_owned())
    }

    #[test]
    fn a_search_that_names_a_secret_goes() {
        let check = |request: &str, expected: &str| {
            let whole =
                format!(r#"{{"resourceType":"Bundle","entry":[{{"request":{expected}}}]}}"#);
            assert_eq!(closed(request).unwrap(), whole, "{request}");
        };
        check(
            r#"{"method":"PUT","url":"Patient?identifier=ssn|900 44"}"#,
            r#"{"method":"POST","url":"Patient"}"#,
        );
        check(
            r#"{"method":"PUT","url":"Patient?identifier=ssn%7C900%2044"}"#,
            r#"{"method":"POST","url":"Patient"}"#,
        );
        check(
            r#"{"method":"PUT","url":"Patient?identifier=ssn|900+44"}"#,
            r#"{"method":"POST","url":"Patient"}"#,
        );
        check(
            r#"{"method":"POST","url":"Patient","ifNoneExist":"identifier=ssn|900 44"}"#,
            r#"{"method":"POST","url":"Patient"}"#,
        );
        let other = r#"{"method":"PUT","url":"Patient?identifier=mr|740021"}"#;
        check(other, other);
    }

    #[test]
    fn escapes_of_searches_hide_nothing() {
        let json = r#"{"resourceType":"Bundle","entry":[{"request":
            {"method":"PUT","url":"Patient?identifier=mr|74%5C%2C00%5C%2421"}}]}"#;
        let mut doc = Doc::parse_json(Bytes::from(json)).unwrap();
        close(&mut doc, &[Zeroizing::new("74,00$21".to_owned())]).unwrap();
        assert!(!String::from_utf8_lossy(&doc.to_json()).contains("74"));
    }

    #[test]
    fn what_cannot_be_closed_is_not_sent() {
        let request = r#"{"method":"DELETE","url":"Patient?identifier=ssn|900 44"}"#;
        assert_eq!(closed(request).unwrap_err().code(), W2704);
    }
}
