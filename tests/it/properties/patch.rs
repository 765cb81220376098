//! Properties of patches.

use bytes::Bytes;
use weir::fhir::patch::{Patch, apply, apply_to_xml};
use weir::fhir::{Doc, Node, NodeKind};

const PATIENT: &[u8] = br#"{"resourceType":"Patient","id":"p","active":true,"birthDate":"2020",
  "_birthDate":{"extension":[{"url":"u","valueCode":"c"}]},"name":[{"given":["a",null,"b"],
  "_given":[null,{"id":"x"},null]},{"family":"c"}],"contact":[{"gender":"male"}]}"#;

/// Whatever comes in, a document on the first line and a patch after it, or a patch alone:
/// no panic, all or nothing, and the resource stays the one it is.
pub fn patch_survives(bytes: &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(0);
    let (first, rest) = bytes.split_at(end);
    let own = Doc::parse(Bytes::copy_from_slice(first)).ok();
    let text = if own.is_some() { rest } else { bytes };
    let doc = own.unwrap_or_else(|| Doc::parse_json(Bytes::from_static(PATIENT)).unwrap());
    let before = doc.to_json();
    let text = text.trim_ascii_start();
    let patch = match text.first() {
        Some(b'<') => {
            let _ = apply_to_xml(first, text);
            Patch::xml(text)
        }
        Some(b'[') => Patch::json(Bytes::copy_from_slice(text)),
        _ => Doc::parse_json(Bytes::copy_from_slice(text)).and_then(Patch::parameters),
    };
    if let Ok(patched) = patch.and_then(|patch| apply(&doc, &patch)) {
        assert_eq!(patched.resource_type(), doc.resource_type());
        assert!(Doc::parse_json(patched.to_json()).is_ok());
        assert!(holds_no_null(patched.root()) || !text.starts_with(b"{"));
    }
    assert_eq!(doc.to_json(), before);
}

/// FHIRPath Patch leaves no `null` where no array of primitives needs it.
fn holds_no_null(node: Node<'_>) -> bool {
    let fine = |(_, value): (&str, Node<'_>)| value.kind() != NodeKind::Null;
    let all_null = |array: Node<'_>| {
        array.items().next().is_some() && array.items().all(|item| item.kind() == NodeKind::Null)
    };
    let is_resource = node.resource_type().as_deref() == Some("Patient");
    !is_resource || node.members().all(fine) && !node.members().any(|(_, value)| all_null(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Every pointer into a value.
    fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
        out.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let token = name.replace('~', "~0").replace('/', "~1");
                    pointers(value, &format!("{at}/{token}"), out);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    pointers(value, &format!("{at}/{index}"), out);
                }
            }
            _ => {}
        }
    }

    fn remove(model: &mut Value, pointer: &str) -> Option<Value> {
        let (outer, last) = pointer.rsplit_once('/')?;
        match model.pointer_mut(outer)? {
            Value::Object(members) => {
                members.shift_remove(&last.replace("~1", "/").replace("~0", "~"))
            }
            Value::Array(items) => Some(items.remove(last.parse().ok()?)),
            _ => None,
        }
    }

    fn add(model: &mut Value, pointer: &str, value: Value) -> Option<()> {
        let Some((outer, last)) = pointer.rsplit_once('/') else {
            *model = value;
            return Some(());
        };
        match model.pointer_mut(outer)? {
            Value::Object(members) => {
                members.insert(last.replace("~1", "/").replace("~0", "~"), value);
            }
            Value::Array(items) => {
                let at = if last == "-" { items.len() } else { last.parse().ok()? };
                items.insert(at, value);
            }
            _ => return None,
        }
        Some(())
    }

    /// One operation on the model, and as it is written.
    fn operation(model: &mut Value, kind: u8, a: usize, b: usize, value: &Value) -> Option<Value> {
        let mut all = Vec::new();
        pointers(model, "", &mut all);
        let (a, b) = (all[a % all.len()].clone(), all[b % all.len()].clone());
        match kind % 6 {
            0 => {
                let path = match model.pointer(&a)? {
                    Value::Array(_) => format!("{a}/-"),
                    Value::Object(_) => format!("{a}/n~1e~0w"),
                    _ => return None,
                };
                add(model, &path, value.clone())?;
                Some(json!({"op": "add", "path": path, "value": value}))
            }
            1 if !a.is_empty() => {
                add(model, &a, value.clone())?;
                Some(json!({"value": value, "op": "add", "path": a}))
            }
            2 if !a.is_empty() => {
                remove(model, &a)?;
                Some(json!({"op": "remove", "path": a}))
            }
            3 => {
                *model.pointer_mut(&a)? = value.clone();
                Some(json!({"op": "replace", "path": a, "value": value}))
            }
            4 if !b.is_empty() => {
                let copied = model.pointer(&a)?.clone();
                add(model, &b, copied)?;
                Some(json!({"op": "copy", "from": a, "path": b}))
            }
            5 => Some(json!({"op": "test", "path": a, "value": model.pointer(&a)?})),
            _ => None,
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1000_i64..1000).prop_map(Value::from),
            "[a-z\"\\\\é/~]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-c/~\"]{0,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn json_operations_do_what_a_model_does(
            start in value(),
            asked in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>(), value()), 0..12),
        ) {
            let mut model = start.clone();
            let mut operations = Vec::new();
            for (kind, a, b, value) in &asked {
                operations.extend(operation(&mut model, *kind, *a, *b, value));
            }
            let doc = Doc::parse_json(Bytes::from(start.to_string())).unwrap();
            let patch = Patch::json(Bytes::from(Value::from(operations).to_string())).unwrap();
            let patched = apply(&doc, &patch).unwrap();
            let patched: Value = serde_json::from_slice(&patched.to_json()).unwrap();
            prop_assert_eq!(patched, model);
        }

        #[test]
        fn path_patches_never_break(
            operations in prop::collection::vec((0_usize..6, 0_usize..9, 0_usize..7, 0_i32..4), 1..6),
        ) {
            let kinds = ["add", "insert", "delete", "replace", "move", "none"];
            let paths = ["Patient", "Patient.birthDate", "Patient.name[0].given[1]", "Patient.name[0].given",
                "Patient.name", "Patient.contact[0]", "Patient.name.given.last()", "Patient.active", "Patient.id"];
            let names = ["given", "contact", "extension", "birthDate", "photo", "active", "deceased"];
            let mut all = Vec::new();
            for (kind, path, name, number) in operations {
                let value = match name % 3 {
                    0 => json!({"name": "value", "valueString": "x", "_valueString": {"id": "i"}}),
                    1 => json!({"name": "value", "part": [{"name": "gender", "valueCode": "male"}]}),
                    _ => json!({"name": "value", "_valueString": {"id": "j"}}),
                };
                all.push(json!({"name": "operation", "part": [
                    {"name": "type", "valueCode": kinds[kind]},
                    {"name": "path", "valueString": paths[path]},
                    {"name": "name", "valueString": names[name]},
                    {"name": "index", "valueInteger": number},
                    {"name": "source", "valueInteger": number},
                    {"name": "destination", "valueInteger": 3 - number},
                    value]}));
                let patch = json!({"resourceType": "Parameters", "parameter": all});
                patch_survives(patch.to_string().as_bytes());
            }
        }

        #[test]
        fn bytes_never_break_patches(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            patch_survives(&bytes);
        }
    }
}
