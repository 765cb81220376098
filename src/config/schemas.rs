//! JSON Schemas and reference of every kind of file, made from the rows of keys; and the
//! head of a mapping, which only the configuration reads.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::tree::Tree;
use super::{channel_keys, hl7, keys, validate};
use crate::fault::Problems;
use crate::message::ContentKind;
use crate::settings::{
    Document, Key, KeyRow, KindRow, Shape, SourceFile, reference as page, schema,
};
use crate::{consent, destination, source};

/// The common keys of sources.
pub(super) const SOURCE_COMMON: &[KeyRow] = source::KEYS;
/// The kinds of sources.
pub(super) const SOURCE_KINDS: &[KindRow] = source::KIND_ROWS;
/// The kinds of destinations.
pub(super) const DESTINATION_KINDS: &[KindRow] = destination::KIND_ROWS;

const TO: Key<Arc<str>> =
    Key::new("to", "`\"fhir-r4\"` or `\"hl7v2\"`", "The form that is made.").default("`fhir-r4`");
const EXTENDS: Key<Arc<str>> = Key::new(
    "extends",
    "a path such as `oru-to-fhir.toml`",
    "A mapping whose rules hold where this one says nothing.",
);

fn anything() -> Json {
    json!({ "type": "object" })
}

const MAPPING_KEYS: &[KeyRow] = &[
    KeyRow::of("mapping", "The mapping as a whole.", Shape::Value(anything)),
    KeyRow::of("codes", "Code maps by name.", Shape::Value(anything)),
    KeyRow::of("rule", "Rules by name.", Shape::Map(anything)),
    KeyRow::of("test", "Tests of the mapping.", Shape::Value(tests)),
];

fn tests() -> Json {
    json!({ "type": "array", "items": { "type": "object" } })
}

const POLICY_KEYS: &[KeyRow] = &[
    KeyRow::of("policy", "The policy as a whole.", Shape::Table(consent::POLICY_KEYS)).required(),
    KeyRow::of(
        "rule",
        "Its rules; what more than one says is settled by `combine`.",
        Shape::List(consent::RULE_KEYS),
    ),
];

/// The JSON Schemas for editors: file name and schema, to be written to `.weir/schema/`.
#[must_use]
pub fn schemas() -> Vec<(String, Json)> {
    let channel_schema = schema::file("weir channel", channel_keys::KEYS);
    let site = site(&channel_schema);
    vec![
        ("config.json".to_owned(), schema::file("weir server", keys::KEYS)),
        ("channel.json".to_owned(), channel_schema),
        ("mapping.json".to_owned(), schema::file("weir mapping", MAPPING_KEYS)),
        ("policy.json".to_owned(), schema::file("weir consent policy", POLICY_KEYS)),
        ("hl7.json".to_owned(), schema::file("weir definitions of a site", hl7::KEYS)),
        ("profile.json".to_owned(), schema::file("weir profile", validate::FILE_KEYS)),
        ("site.json".to_owned(), site),
    ]
}

/// A site holds the tables of config.toml and, by channel, those of channel files; nothing
/// is required of it.
fn site(channel_schema: &Json) -> Json {
    let mut channel = channel_schema.clone();
    let mut site = schema::file("weir site", keys::KEYS);
    // The keys of `[channel]` stand directly in `[channel.NAME]`.
    let head = channel.pointer("/properties/channel/properties").cloned();
    if let Some(properties) = channel.get_mut("properties").and_then(Json::as_object_mut) {
        properties.shift_remove("channel");
        for (key, schema) in head.as_ref().and_then(Json::as_object).into_iter().flatten() {
            properties.insert(key.clone(), schema.clone());
        }
    }
    if let Some(members) = channel.as_object_mut() {
        members.shift_remove("$schema");
        members.shift_remove("title");
    }
    let by_name = json!({
        "type": "object",
        "description": "What differs in channels, by their names.",
        "additionalProperties": channel,
    });
    if let Some(properties) = site.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert("channel".to_owned(), by_name);
    }
    relax(&mut site);
    site
}

/// Takes back what is required, at any depth.
fn relax(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            if members.get("required").is_some_and(Json::is_array) {
                members.shift_remove("required");
            }
            // A condition stays one: a site need not repeat the `type`.
            members.iter_mut().filter(|(key, _)| *key != "if").for_each(|(_, inner)| relax(inner));
        }
        Json::Array(items) => items.iter_mut().for_each(relax),
        _ => {}
    }
}

/// The reference of all settings, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = "# Reference of settings\n\nMade from the declarations of the keys by \
                    `weir schema --write`.\n\n"
        .to_owned();
    text.push_str(&page::section("config.toml", keys::KEYS));
    text.push_str(&page::section("channels/*.toml", channel_keys::KEYS));
    text.push_str(&page::section("policies/*.toml", POLICY_KEYS));
    text.push_str(&page::section("hl7/*.toml", hl7::KEYS));
    text.push_str(&page::section("hl7/profiles/*.toml", validate::FILE_KEYS));
    text
}

/// The form a mapping makes, by its head or that of the mapping it extends.
pub(super) fn output_of(file: &SourceFile, tree: &Tree) -> ContentKind {
    /// A mapping extends another a few times at most; a circle must end.
    const STEPS_MAX: usize = 8;
    let mut file = file.clone();
    for _ in 0..STEPS_MAX {
        let mut unread = Problems::new();
        let document = Document::parse(file.clone(), &mut unread);
        let mut root = document.root(&mut unread);
        let Some(mut table) = root.table("mapping") else { break };
        if let Some(to) = table.optional(&TO) {
            return if to.starts_with("hl7v2") { ContentKind::Hl7 } else { ContentKind::FhirJson };
        }
        let Some(extends) = table.optional(&EXTENDS) else { break };
        let beside = file.path.rsplit_once('/').map(|(dir, _)| format!("{dir}/{extends}"));
        let next = beside.and_then(|path| tree.read(&path)).or_else(|| tree.read(&extends));
        let Some(next) = next else { break };
        file = next;
    }
    ContentKind::FhirJson
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_describes_every_key() {
        fn check(name: &str, schema: &Json) {
            if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
                for (key, inner) in properties {
                    let told = inner.get("description").and_then(Json::as_str).is_some();
                    assert!(told || inner.get("const").is_some(), "{name}: {key}");
                    check(name, inner);
                }
            }
            for inner in ["items", "additionalProperties", "then"] {
                schema.get(inner).into_iter().for_each(|inner| check(name, inner));
            }
            for case in schema.get("allOf").and_then(Json::as_array).into_iter().flatten() {
                check(name, case);
            }
        }
        for (name, schema) in schemas() {
            check(&name, &schema);
        }
    }

    #[test]
    fn the_reference_names_every_table() {
        let text = reference();
        for title in ["[weir]", "[store.keep]", "[source]", "[destination.NAME]", "[[test]]"] {
            assert!(text.contains(&format!("### `{title}`")), "{title}");
        }
    }
}
