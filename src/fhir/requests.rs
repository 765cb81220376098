//! What repeats a protected value in the rest of a document: requests of Bundle entries
//! (`PUT Patient?identifier=..`, `ifNoneExist`), addresses, references, narratives.
//!
//! What is sealed or taken out of a resource must not leave beside it. A conditional create
//! or update that names a protected value becomes a plain create; a narrative that may
//! repeat it goes; an address or reference with the value in it takes the token that stands
//! for it. What cannot be kept apart from the value is a fault.

use zeroize::Zeroizing;

use super::{Doc, Node, NodeId, NodeKind};
use crate::fault::codes::W2704;
use crate::fault::{Fault, Place};

/// Shortest text looked for in addresses and narratives: shorter ones stand everywhere.
const STRONG_CHARS_MIN: usize = 3;

/// Members whose texts are of a vocabulary or address, and tell of nobody.
const WEAK: &[&str] = &[
    "code",
    "contentType",
    "display",
    "language",
    "reference",
    "resourceType",
    "status",
    "system",
    "type",
    "unit",
    "url",
    "use",
];

/// One protected text.
struct Secret {
    text: Zeroizing<String>,
    /// Whether it is looked for in addresses and narratives, too.
    strong: bool,
    /// Which of the protected nodes it stood in, as they were given.
    of: usize,
    /// Whether it is the value of an Identifier.
    identifier: bool,
    /// What stands for it now.
    token: Option<String>,
}

/// Texts that are protected in a document, to be looked for in the rest of it.
#[derive(Default)]
pub struct Secrets {
    all: Vec<Secret>,
    /// Resources that hold one.
    resources: Vec<NodeId>,
}

/// Whether a node is the value of an Identifier, by the name of what holds it.
fn is_identifier_value(node: &Node<'_>) -> bool {
    let ends = |name: &str| name == "identifier" || name.ends_with("Identifier");
    let holder = node.parent().filter(|_| node.name() == Some("value"));
    let named = holder.and_then(|holder| holder.name().or_else(|| holder.parent()?.name()));
    named.is_some_and(ends)
}

impl Secrets {
    /// The texts within nodes, before these are sealed or taken out. `token` gives what will
    /// stand for the text of the node with that place in `ids`, where something will.
    #[must_use]
    pub fn of(
        doc: &Doc,
        ids: &[NodeId],
        mut token: impl FnMut(usize, &str) -> Option<String>,
    ) -> Self {
        let mut secrets = Self::default();
        for (of, id) in ids.iter().enumerate() {
            let mut open: Vec<Node<'_>> = doc.node(*id).into_iter().collect();
            while let Some(node) = open.pop() {
                open.extend(node.children());
                let Some(text) = node.text().filter(|text| !text.is_empty()) else { continue };
                let weak = node.name().is_some_and(|name| WEAK.contains(&name));
                let long = text.chars().count() >= STRONG_CHARS_MIN;
                secrets.all.push(Secret {
                    strong: node.kind() == NodeKind::String && long && !weak,
                    of,
                    identifier: is_identifier_value(&node),
                    token: token(of, &text),
                    text: Zeroizing::new(text.into_owned()),
                });
            }
            let mut at = doc.node(*id);
            while let Some(node) = at {
                let class = node.resource_type();
                let own = class.is_some_and(|class| !matches!(&*class, "Bundle" | "Parameters"));
                if own && !secrets.resources.contains(&node.id()) {
                    secrets.resources.push(node.id());
                }
                at = node.parent();
            }
        }
        secrets
    }

    /// Identifiers elsewhere in the document with a value that is protected: the node, and
    /// which of the protected nodes it repeats.
    #[must_use]
    pub fn echoes(&self, doc: &Doc, known: &[NodeId]) -> Vec<(NodeId, usize)> {
        let mut found = Vec::new();
        if self.all.iter().any(|secret| secret.identifier) {
            let mut open = vec![doc.root()];
            while let Some(node) = open.pop() {
                open.extend(node.children());
                if !is_identifier_value(&node) || known.contains(&node.id()) {
                    continue;
                }
                let Some(text) = node.string() else { continue };
                let same = |s: &&Secret| s.identifier && s.text.trim() == text.trim();
                found.extend(self.all.iter().find(same).map(|secret| (node.id(), secret.of)));
            }
        }
        found
    }
}

/// What has to change.
enum Change {
    Remove(NodeId),
    Set(NodeId, String),
    /// `PUT Type?search` becomes `POST Type`.
    Create {
        method: NodeId,
        url: NodeId,
        kind: String,
    },
}

/// Takes texts that were protected out of the rest of a document; gives the paths of
/// narratives that went.
///
/// # Errors
/// `W2704` for a conditional request or reference that names a secret and is neither create
/// nor update, and for an address, id or reference that holds one for which no token
/// stands.
pub fn close(doc: &mut Doc, secrets: &Secrets) -> Result<Vec<String>, Fault> {
    if secrets.all.is_empty() {
        return Ok(Vec::new());
    }
    let (mut changes, mut gone) = (Vec::new(), Vec::new());
    let inside = secrets.resources.contains(&doc.root().id());
    walk(doc.root(), inside, secrets, &mut changes)?;
    for change in changes {
        match change {
            Change::Remove(id) => {
                let node = doc.node(id);
                let div = node.as_ref().is_some_and(|node| node.kind() == NodeKind::Object);
                gone.extend(node.filter(|_| div).map(|node| node.path()));
                doc.remove_with_empty(id)?;
            }
            Change::Set(id, text) => doc.set_string(id, &text)?,
            Change::Create { method, url, kind } => {
                doc.set_string(method, "POST")?;
                doc.set_string(url, &kind)?;
            }
        }
    }
    Ok(gone)
}

/// Looks at every object. Recursion is bounded by the depth of documents.
fn walk(
    node: Node<'_>,
    inside: bool,
    secrets: &Secrets,
    changes: &mut Vec<Change>,
) -> Result<(), Fault> {
    let is_resource = node.get("resourceType").is_some();
    for (name, member) in node.members() {
        match name {
            "request" if member.get("method").is_some() => look(member, secrets, changes)?,
            "fullUrl" | "reference" => address(&member, secrets, changes)?,
            "id" if is_resource => address(&member, secrets, changes)?,
            "div" if inside || tells(&member, secrets) => {
                changes.push(Change::Remove(node.id()));
            }
            _ => {}
        }
    }
    for child in node.children() {
        let inside = inside || secrets.resources.contains(&child.id());
        walk(child, inside, secrets, changes)?;
    }
    Ok(())
}

/// Whether a narrative holds a secret, as it is or with the entities of XHTML.
fn tells(div: &Node<'_>, secrets: &Secrets) -> bool {
    let Some(text) = div.string() else { return false };
    let plain = Zeroizing::new(plain_text(&text));
    secrets.all.iter().any(|s| s.strong && (text.contains(&**s.text) || plain.contains(&**s.text)))
}

/// The text of XHTML without tags, its entities replaced.
fn plain_text(html: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(html.len()), html);
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let end = if rest.starts_with('<') { '>' } else { ';' };
        let Some((inner, after)) = rest.get(1..).and_then(|inner| inner.split_once(end)) else {
            break;
        };
        if end == ';' {
            let number = match inner.strip_prefix('#') {
                Some(hex) if hex.starts_with(['x', 'X']) => {
                    u32::from_str_radix(hex.get(1..).unwrap_or_default(), 16).ok()
                }
                Some(digits) => digits.parse().ok(),
                None => None,
            };
            out.extend(number.and_then(char::from_u32).or(match inner {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some(' '),
                _ => None,
            }));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// An address, reference or id: parts of its path that are a secret take its token.
fn address(node: &Node<'_>, secrets: &Secrets, changes: &mut Vec<Change>) -> Result<(), Fault> {
    let Some(text) = node.string() else { return Ok(()) };
    if text.contains('?') && names(node, secrets, true) {
        return Err(Fault::new(W2704).at(Place::path(node.path())));
    }
    if let Some(changed) = rewritten(&text, secrets, node)? {
        changes.push(Change::Set(node.id(), changed));
    }
    Ok(())
}

/// The address with tokens in the place of secrets; none where it holds none.
fn rewritten(text: &str, secrets: &Secrets, node: &Node<'_>) -> Result<Option<String>, Fault> {
    let (path, search) = match text.split_once('?') {
        Some((path, _)) => (path, text.get(path.len()..).unwrap_or_default()),
        None => (text, ""),
    };
    let (mut out, mut changed) = (String::with_capacity(text.len()), false);
    for part in path.split_inclusive(['/', ':', '#', '|']) {
        let word = part.trim_end_matches(['/', ':', '#', '|']);
        let plain = Zeroizing::new(decoded(word));
        let same = |s: &&Secret| s.strong && s.text.trim().as_bytes() == plain.as_slice();
        match secrets.all.iter().find(same).map(|secret| &secret.token) {
            None => out.push_str(part),
            Some(Some(token)) => {
                changed = true;
                out.push_str(token);
                out.push_str(part.get(word.len()..).unwrap_or_default());
            }
            Some(None) => return Err(Fault::new(W2704).at(Place::path(node.path()))),
        }
    }
    out.push_str(search);
    Ok(changed.then_some(out))
}

fn look(request: Node<'_>, secrets: &Secrets, changes: &mut Vec<Change>) -> Result<(), Fault> {
    if let Some(search) = request.get("ifNoneExist")
        && names(&search, secrets, false)
    {
        changes.push(Change::Remove(search.id()));
    }
    let Some(url) = request.get("url") else { return Ok(()) };
    let text = url.string().unwrap_or_default();
    let path = rewritten(&text, secrets, &url)?;
    if !names(&url, secrets, true) {
        changes.extend(path.map(|path| Change::Set(url.id(), path)));
        return Ok(());
    }
    let kind = path.as_deref().unwrap_or(&text);
    let kind = kind.split('?').next().unwrap_or_default().to_owned();
    match request.get("method") {
        Some(method) if method.string().as_deref() == Some("PUT") => {
            changes.push(Change::Create { method: method.id(), url: url.id(), kind });
            Ok(())
        }
        _ => Err(Fault::new(W2704).at(Place::path(request.path()))),
    }
}

/// Whether a text names a secret, as it is or percent-encoded; in a URL only after its `?`.
fn names(node: &Node<'_>, secrets: &Secrets, in_url: bool) -> bool {
    let Some(text) = node.string() else { return false };
    let search = match in_url {
        true => text.split_once('?').map_or("", |(_, search)| search),
        false => &text,
    };
    if search.is_empty() {
        return false;
    }
    let search = Zeroizing::new(decoded(search));
    let plain = Zeroizing::new(unescaped(&search));
    secrets.all.iter().any(|secret| {
        let within = |text: &[u8]| memchr::memmem::find(text, secret.text.as_bytes()).is_some();
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

    fn secret(text: &str, token: Option<&str>) -> Secrets {
        let text = Zeroizing::new(text.to_owned());
        let token = token.map(str::to_owned);
        Secrets {
            all: vec![Secret { text, strong: true, of: 0, identifier: true, token }],
            resources: Vec::new(),
        }
    }

    fn closed(request: &str) -> Result<String, Fault> {
        let json = format!(r#"{{"resourceType":"Bundle","entry":[{{"request":{request}}}]}}"#);
        let mut doc = Doc::parse_json(Bytes::from(json)).unwrap();
        close(&mut doc, &secret("900 44", None))?;
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
        let no_url = r#"{"method":"POST"}"#;
        check(no_url, no_url);
    }

    #[test]
    fn escapes_of_searches_hide_nothing() {
        let json = r#"{"resourceType":"Bundle","entry":[{"request":
            {"method":"PUT","url":"Patient?identifier=mr|74%5C%2C00%5C%2421%ZZ"}}]}"#;
        let mut doc = Doc::parse_json(Bytes::from(json)).unwrap();
        close(&mut doc, &secret("74,00$21", None)).unwrap();
        assert!(!String::from_utf8_lossy(&doc.to_json()).contains("74"));
    }

    #[test]
    fn what_cannot_be_closed_is_not_sent() {
        let request = r#"{"method":"DELETE","url":"Patient?identifier=ssn|900 44"}"#;
        assert_eq!(closed(request).unwrap_err().code(), W2704);
        let request = r#"{"method":"PUT","url":"Patient/900%2044"}"#;
        assert_eq!(closed(request).unwrap_err().code(), W2704);
    }

    #[test]
    fn addresses_and_references_take_the_token_or_are_not_sent() {
        let check = |json: &str, expected: Option<&str>| {
            let run = |token| {
                let mut doc = Doc::parse_json(Bytes::from(json.to_owned())).unwrap();
                close(&mut doc, &secret("A1B2", token)).map_err(|fault| fault.code())?;
                Ok(String::from_utf8_lossy(&doc.to_json()).into_owned())
            };
            assert_eq!(run(None), Err(W2704), "{json}");
            let expected = expected.map(str::to_owned).ok_or(W2704);
            assert_eq!(run(Some("TOKEN")), expected, "{json}");
        };
        check(
            r#"{"fullUrl":"https://x.org/Patient/A1B2"}"#,
            Some(r#"{"fullUrl":"https://x.org/Patient/TOKEN"}"#),
        );
        check(r#"{"fullUrl":"urn:x:A1B2"}"#, Some(r#"{"fullUrl":"urn:x:TOKEN"}"#));
        check(
            r#"{"reference":"Patient/A1B2/_history/1"}"#,
            Some(r#"{"reference":"Patient/TOKEN/_history/1"}"#),
        );
        check(
            r#"{"resourceType":"Patient","id":"A1B2"}"#,
            Some(r#"{"resourceType":"Patient","id":"TOKEN"}"#),
        );
        check(
            r#"{"request":{"method":"PUT","url":"Patient/A1B2?x=1"}}"#,
            Some(r#"{"request":{"method":"PUT","url":"Patient/TOKEN?x=1"}}"#),
        );
        check(r#"{"reference":"Patient?identifier=mr|A1B2"}"#, None);
    }

    #[test]
    fn other_texts_stay() {
        for json in [
            r#"{"reference":"Patient/A1B22","fullUrl":"urn:uuid:1","x":{"id":"A1B2"}}"#,
            r#"{"reference":1,"text":{"div":"<div>A1-B2</div>"}}"#,
            r#"{"text":{"div":1}}"#,
        ] {
            let mut doc = Doc::parse_json(Bytes::from(json)).unwrap();
            assert!(close(&mut doc, &secret("A1B2", None)).unwrap().is_empty());
            assert_eq!(doc.to_json(), json.as_bytes());
        }
    }

    #[test]
    fn narratives_are_read_as_text() {
        let check = |html: &str, expected: &str| assert_eq!(plain_text(html), expected, "{html}");
        check("<div>O&#39;Br<b>ien</b> &amp; &#x41;&nbsp;&zz;</div>", "O'Brien & A ");
        check("&lt;&gt;&quot;&apos;", "<>\"'");
        check("a < b", "a < b");
        check("", "");
        let json = r#"{"text":{"div":"<div>O&#39;Brien</div>"},"x":1}"#;
        let mut doc = Doc::parse_json(Bytes::from(json)).unwrap();
        assert_eq!(close(&mut doc, &secret("O'Brien", None)).unwrap().len(), 1);
        assert_eq!(doc.to_json().as_ref(), br#"{"x":1}"#);
    }
}
