//! JSON Schemas for editors, made from the rows of keys.
//!
//! Kinds are selected by `type` with if/then, not oneOf, so that an editor points at the
//! wrong key instead of saying that no alternative fits.

use serde_json::{Map, Value as Json, json};

use super::{KeyRow, KindRow, Shape};

/// The schema of a whole file.
#[must_use]
pub fn file(title: &str, keys: &[KeyRow]) -> Json {
    let mut schema = object(keys.iter());
    if let Some(members) = schema.as_object_mut() {
        members.shift_insert(0, "title".to_owned(), json!(title));
        let draft = json!("http://json-schema.org/draft-07/schema#");
        members.shift_insert(0, "$schema".to_owned(), draft);
    }
    schema
}

/// The schema of a table with these keys and no others.
pub fn object<'k>(keys: impl Iterator<Item = &'k KeyRow>) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        if key.required {
            required.push(key.name);
        }
        properties.insert(key.name.to_owned(), of(key));
    }
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Some(members), false) = (schema.as_object_mut(), required.is_empty()) {
        members.insert("required".to_owned(), json!(required));
    }
    schema
}

fn of(key: &KeyRow) -> Json {
    let mut schema = match key.shape {
        Shape::Value(schema) => schema(),
        Shape::Table(keys) => object(keys.iter()),
        Shape::Named(keys) => by_name(&object(keys.iter())),
        Shape::List(keys) => json!({ "type": "array", "items": object(keys.iter()) }),
        Shape::Kinds(common, kinds) => by_type(common, kinds),
        Shape::NamedKinds(common, kinds) => by_name(&by_type(common, kinds)),
        Shape::Map(schema) => by_name(&schema()),
    };
    if let Some(members) = schema.as_object_mut() {
        let default = key.default.map(|d| format!(" Default: {d}.")).unwrap_or_default();
        members.insert("description".to_owned(), json!(format!("{}{default}", key.about)));
    }
    schema
}

fn by_name(schema: &Json) -> Json {
    json!({ "type": "object", "additionalProperties": schema })
}

fn by_type(common: &[KeyRow], kinds: &[KindRow]) -> Json {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let about: Vec<String> =
        kinds.iter().map(|kind| format!("{}: {}", kind.name, kind.about)).collect();
    let word = json!({ "enum": names, "description": about.join("\n") });
    let cases: Vec<Json> = kinds
        .iter()
        .map(|kind| {
            let mut then = object(common.iter().chain(kind.keys));
            if let Some(properties) = then.get_mut("properties").and_then(Json::as_object_mut) {
                properties.shift_insert(0, "type".to_owned(), json!({ "const": kind.name }));
            }
            let chosen =
                json!({ "properties": { "type": { "const": kind.name } }, "required": ["type"] });
            json!({ "if": chosen, "then": then })
        })
        .collect();
    json!({
        "type": "object",
        "required": ["type"],
        "properties": { "type": word },
        "allOf": cases,
    })
}
