//! Properties of the FHIR document and of paths over it.

use bytes::Bytes;
use weir::fhir::{Builder, Doc, FhirPath, Node, NodeId, model, resources, validate};

/// Whatever comes in: no panic, and what is read is written byte for byte, says the same
/// when copied, and can be checked and pathed.
pub fn json_survives(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(doc) = Doc::parse_json(bytes.clone()) else { return };
    assert_eq!(doc.to_json(), bytes);
    for id in 0..u32::try_from(doc.node_count()).unwrap() {
        let node = doc.node(NodeId(id)).unwrap();
        let _ = (node.text(), node.path(), node.line_column(), weir::fhir::type_of(node));
    }
    for finding in validate::structure(&doc) {
        let _ = resources::outcome(&[finding.fault()]).to_json();
    }
    if let Some(Ok(record)) = model::read_any(doc.root()) {
        let written = model::write(&*record);
        let again = model::read_any(written.root()).unwrap().unwrap();
        assert_eq!(model::write(&*again), written);
    }
    let mut copy = Builder::new();
    copy.node(doc.root());
    let copy = copy.finish();
    assert!(Doc::parse_json(copy.to_json()).is_ok());
}

/// Whatever comes in as XML: no panic, what is read is written byte for byte, and what is
/// written from its values means the same when it is read again.
pub fn xml_survives(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(doc) = Doc::parse_json(bytes.clone()) {
        both_forms_agree(&doc);
    }
    let Ok(doc) = Doc::parse_xml(bytes.clone()) else { return };
    assert_eq!(doc.to_xml().unwrap(), bytes);
    for id in 0..u32::try_from(doc.node_count()).unwrap() {
        let node = doc.node(NodeId(id)).unwrap();
        assert!(node.line_column().is_some());
    }
    for finding in validate::structure(&doc) {
        assert!(finding.line_column.is_some(), "{finding:?}");
    }
    both_forms_agree(&Doc::parse_json(doc.to_json()).unwrap());
}

/// Where a document has a form in XML, that is read without a flaw and written the same.
fn both_forms_agree(doc: &Doc) {
    let Ok(xml) = doc.to_xml() else { return };
    let Ok(read) = Doc::parse_xml(xml.clone()) else {
        // Elements are nested where JSON has one level.
        return;
    };
    let flawed = |finding: &validate::Finding| finding.code.as_str() == "W2734";
    if validate::structure(&read).iter().any(flawed) {
        return;
    }
    let again = Doc::parse_json(read.to_json()).unwrap().to_xml().unwrap();
    assert_eq!(again, xml);
}

/// Whatever is asked: no panic, and a path that is read runs to an end.
pub fn path_survives(text: &str) {
    let Ok(path) = FhirPath::read(text) else { return };
    let doc = Doc::parse_json(Bytes::from_static(BUNDLE)).unwrap();
    let _ = path.check(None);
    let _ = path.check(Some("Bundle"));
    if let Err(fault) = path.try_select(doc.root()) {
        // Values that do not fit, such as many where one is meant; never a lack of bounds.
        assert_eq!(fault.code().as_str(), "W2712", "{text}");
    }
    let _ = (path.test(doc.root()), path.value_text(doc.root()));
}

const BUNDLE: &[u8] = br##"{"resourceType":"Bundle","type":"batch","entry":[
  {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","name":[{"given":["a","b"]}],
   "_birthDate":{"extension":[{"url":"u","valueCode":"c"}]},"birthDate":"2020"}},
  {"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"},
   "valueQuantity":{"value":1.50},"hasMember":[{"reference":"#x"}]}}]}"##;

/// One edit: which node by a number, what, and with which text.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Taken modulo the number of nodes.
    pub node: u32,
    /// Taken modulo the number of kinds of edits.
    pub kind: u8,
    /// A string value or a name.
    pub text: String,
    /// A JSON value.
    pub json: serde_json::Value,
}

/// Edits of a document do the same as those edits of a tree of values.
pub fn edits_are_read_back(text: &str, edits: &[Edit]) {
    let mut doc = Doc::parse_json(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    let mut model: serde_json::Value = serde_json::from_str(text).unwrap();
    for edit in edits {
        let id = NodeId(edit.node % u32::try_from(doc.node_count()).unwrap());
        let Some(node) = doc.node(id) else { continue };
        let pointer = pointer(node);
        let place = model.pointer_mut(&pointer).unwrap();
        let json = edit.json.to_string();
        match edit.kind % 5 {
            0 => {
                doc.set_string(id, &edit.text).unwrap();
                *place = edit.text.clone().into();
            }
            1 => {
                doc.set_json(id, &json).unwrap();
                *place = edit.json.clone();
            }
            2 if doc.insert_member(id, &edit.text, &json).is_ok() => {
                let object = place.as_object_mut().unwrap();
                assert!(object.insert(edit.text.clone(), edit.json.clone()).is_none());
            }
            3 if doc.push_item(id, &json).is_ok() => {
                place.as_array_mut().unwrap().push(edit.json.clone());
            }
            4 if doc.remove(id).is_ok() => {
                let (outer, last) = pointer.rsplit_once('/').unwrap();
                match model.pointer_mut(outer).unwrap() {
                    serde_json::Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                    other => {
                        let name = last.replace("~1", "/").replace("~0", "~");
                        assert!(other.as_object_mut().unwrap().shift_remove(&name).is_some());
                    }
                }
            }
            _ => {}
        }
        let written: serde_json::Value = serde_json::from_slice(&doc.to_json()).unwrap();
        assert_eq!(written, model);
        let again = Doc::parse_json(doc.to_json()).unwrap();
        assert_eq!(again.root().json(), doc.root().json());
    }
}

/// JSON pointer to a node.
fn pointer(node: Node<'_>) -> String {
    let Some(parent) = node.parent() else { return String::new() };
    let step = match node.name() {
        Some(name) => name.replace('~', "~0").replace('/', "~1"),
        None => node.index().unwrap().to_string(),
    };
    format!("{}/{step}", pointer(parent))
}

/// Any text as a FHIRPath.
pub fn fhir_path(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        path_survives(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Eighths: other readers round numbers when they read them.
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
            ".{0,12}".prop_map(Value::from),
            "[ -~]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}|[a-z]{1,4}", inner, 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    /// Writes a value with white space at every place that may have it.
    fn spaced(value: &Value, space: &mut impl Iterator<Item = &'static str>, out: &mut String) {
        let mut gap = |out: &mut String| out.push_str(space.next().unwrap_or(""));
        gap(out);
        match value {
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    spaced(item, space, out);
                }
                out.push_str(space.next().unwrap_or(""));
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(space.next().unwrap_or(""));
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(space.next().unwrap_or(""));
                    out.push(':');
                    spaced(member, space, out);
                }
                out.push_str(space.next().unwrap_or(""));
                out.push('}');
            }
            leaf => out.push_str(&leaf.to_string()),
        }
        out.push_str(space.next().unwrap_or(""));
    }

    fn text() -> impl Strategy<Value = String> {
        let space = prop::sample::select(vec!["", "", " ", "\n  ", "\t", "\r\n"]);
        (json(), prop::collection::vec(space, 1..30)).prop_map(|(value, spaces)| {
            let mut out = String::new();
            spaced(&value, &mut spaces.into_iter().cycle(), &mut out);
            out
        })
    }

    fn edit() -> impl Strategy<Value = Edit> {
        (any::<u32>(), any::<u8>(), ".{0,8}|[a-c]", json())
            .prop_map(|(node, kind, text, json)| Edit { node, kind, text, json })
    }

    /// A resource made of elements that R4 has, and of some that it has not.
    fn resource() -> impl Strategy<Value = Value> {
        let text = "[ -~\u{e9}\n\t]{1,12}";
        let beside = (text, text).prop_map(|(id, value)| {
            serde_json::json!({ "id": id, "extension": [{ "url": "u", "valueString": value }] })
        });
        let given = prop::collection::vec((text, prop::option::of(beside.clone())), 1..4);
        let name = given.prop_map(|all| {
            let mut name = serde_json::json!({ "given": all.iter().map(|(g, _)| g.clone()).collect::<Vec<_>>() });
            if all.iter().any(|(_, beside)| beside.is_some()) {
                name["_given"] = all.into_iter().map(|(_, beside)| beside.unwrap_or(Value::Null)).collect();
            }
            name
        });
        let names = prop::collection::vec(name, 0..3);
        (names, text, prop::option::of(beside), any::<bool>()).prop_map(
            |(names, id, beside, active)| {
                let mut patient = serde_json::json!({
                    "resourceType": "Patient", "id": id, "active": active,
                    "contained": [{ "resourceType": "Basic", "id": "b", "pet": { "name": id } }],
                });
                if !names.is_empty() {
                    patient["name"] = names.into();
                }
                if let Some(beside) = beside {
                    patient["_birthDate"] = beside;
                }
                patient
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn json_is_read_and_written(text in text()) {
            prop_assert!(Doc::parse_json(Bytes::from(text.clone())).is_ok(), "{}", text);
            json_survives(text.as_bytes());
        }

        #[test]
        fn broken_json_is_refused_as_others_refuse_it(text in text(), at in any::<usize>(), byte in any::<u8>()) {
            let mut bytes = text.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            json_survives(&bytes);
            if serde_json::from_slice::<Value>(&bytes).is_ok() {
                prop_assert!(Doc::parse_json(Bytes::from(bytes)).is_ok());
            } else if Doc::parse_json(Bytes::from(bytes.clone())).is_ok() {
                // The other reader knows no numbers beyond its own types.
                prop_assert!(bytes.iter().any(|b| matches!(b, b'e' | b'E')), "{:?}", bytes);
            }
        }

        #[test]
        fn resources_have_both_forms(value in resource()) {
            let text = value.to_string();
            let doc = Doc::parse_json(Bytes::from(text.clone())).unwrap();
            let xml = doc.to_xml().unwrap();
            let read = Doc::parse_xml(xml).unwrap();
            let again: Value = serde_json::from_slice(&read.to_json()).unwrap();
            prop_assert_eq!(again, value);
        }

        #[test]
        fn broken_xml_never_breaks_the_reader(value in resource(), at in any::<usize>(), byte in any::<u8>()) {
            let doc = Doc::parse_json(Bytes::from(value.to_string())).unwrap();
            let mut bytes = doc.to_xml().unwrap().to_vec();
            xml_survives(&bytes);
            let at = at % bytes.len();
            bytes[at] = byte;
            xml_survives(&bytes);
        }

        #[test]
        fn bytes_never_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            json_survives(&bytes);
        }

        #[test]
        fn edits_do_what_they_say(text in text(), edits in prop::collection::vec(edit(), 1..8)) {
            edits_are_read_back(&text, &edits);
        }

        #[test]
        fn paths_never_break(text in "[a-zA-Z.()\\[\\]'=!|<> 0-9]{0,40}|(Patient|Bundle|entry|where\\(|resolve\\(\\)|\\.|name|\\)|= 'a'| and |\\[0\\]|descendants\\(\\)|ofType\\(Quantity\\)|value|count\\(\\)|not\\(\\)){0,12}") {
            path_survives(&text);
        }
    }
}
