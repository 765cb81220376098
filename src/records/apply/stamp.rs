//! Id and version in the body: edits that leave all other bytes as they were.

use crate::base::Timestamp;
use crate::fault::{Fault, Place, codes::W7600};
use crate::fhir::{Doc, NodeId, NodeKind};

/// Sets `id`, `meta.versionId` and `meta.lastUpdated`.
///
/// # Errors
/// `W7600` when the document is no object; those of edits.
pub(super) fn stamp(mut doc: Doc, id: &str, number: u64, at: Timestamp) -> Result<Doc, Fault> {
    let root = doc.root();
    if root.kind() != NodeKind::Object {
        return Err(Fault::new(W7600).at(Place::path("$this")));
    }
    let root = root.id();
    set(&mut doc, root, "id", id)?;
    let (version, at) = (number.to_string(), at.to_string());
    let meta = doc.root().get("meta").map(|meta| (meta.id(), meta.kind()));
    match meta {
        Some((meta, NodeKind::Object)) => {
            set(&mut doc, meta, "versionId", &version)?;
            set(&mut doc, meta, "lastUpdated", &at)?;
        }
        other => {
            let json = format!(r#"{{"versionId":"{version}","lastUpdated":"{at}"}}"#);
            match other {
                Some((meta, _)) => doc.set_json(meta, &json)?,
                None => doc.insert_member(root, "meta", &json)?,
            }
        }
    }
    Ok(doc)
}

/// Sets a member of an object; ids, numbers and times need no escapes.
fn set(doc: &mut Doc, object: NodeId, name: &str, text: &str) -> Result<(), Fault> {
    let own = doc.node(object).and_then(|node| node.get(name)).map(|node| node.id());
    match own {
        Some(own) => doc.set_string(own, text),
        None => doc.insert_member(object, name, &format!("\"{text}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_other_bytes_stay() {
        let check = |json: &'static str, expected: &str| {
            let doc = Doc::parse_json(json.into()).unwrap();
            let at = Timestamp::from_millis(0);
            let stamped = stamp(doc, "x", 7, at).unwrap().to_json();
            assert_eq!(String::from_utf8_lossy(&stamped), expected, "{json}");
        };
        check(
            r#"{"resourceType":"Patient", "x" : 1.50}"#,
            r#"{"resourceType":"Patient", "x" : 1.50, "id":"x", "meta":{"versionId":"7","lastUpdated":"1970-01-01T00:00:00.000Z"}}"#,
        );
        check(
            r#"{"id":"old","meta":{"tag":[ 1e2 ],"versionId":"1"},"b":null}"#,
            r#"{"id":"x","meta":{"tag":[ 1e2 ],"versionId":"7","lastUpdated":"1970-01-01T00:00:00.000Z"},"b":null}"#,
        );
        check(
            r#"{"id":{"a":1},"meta":null}"#,
            r#"{"id":"x","meta":{"versionId":"7","lastUpdated":"1970-01-01T00:00:00.000Z"}}"#,
        );
        assert!(
            stamp(Doc::parse_json("[]".into()).unwrap(), "x", 1, Timestamp::default()).is_err()
        );
    }
}
