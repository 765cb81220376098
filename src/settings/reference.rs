//! The reference of settings for people: Markdown tables made from the rows of keys.

use std::fmt::Write;

use super::{KeyRow, Shape};

/// Writes a section for a table and the tables within it.
///
/// `title` is how the table is written in a file: `[source]`, or a file's name.
#[must_use]
pub fn section(title: &str, keys: &[KeyRow]) -> String {
    let mut text = format!("## `{title}`\n\n");
    rows(&mut text, "", keys);
    text
}

/// Writes the rows of one table, then a section for each table in it.
fn rows(text: &mut String, path: &str, keys: &[KeyRow]) {
    let values: Vec<&KeyRow> =
        keys.iter().filter(|key| matches!(key.shape, Shape::Value(_) | Shape::Map(_))).collect();
    if !values.is_empty() {
        text.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
        for key in values {
            let default = match (key.default, key.required) {
                (Some(default), _) => default,
                (None, true) => "required",
                (None, false) => "",
            };
            let looks = key.looks_like.replace('|', "\\|");
            let about = key.about.replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {looks} | {default} | {about} |", key.name);
        }
        text.push('\n');
    }
    for key in keys {
        let name =
            if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        match key.shape {
            Shape::Value(_) | Shape::Map(_) => {}
            Shape::Table(keys) => sub(text, &format!("[{name}]"), &name, key, keys),
            Shape::Named(keys) => sub(text, &format!("[{name}.NAME]"), &name, key, keys),
            Shape::List(keys) => sub(text, &format!("[[{name}]]"), &name, key, keys),
            Shape::Kinds(common, kinds) | Shape::NamedKinds(common, kinds) => {
                let named = matches!(key.shape, Shape::NamedKinds(..));
                let name = if named { format!("{name}.NAME") } else { name };
                sub(text, &format!("[{name}]"), &name, key, common);
                for kind in kinds {
                    let title = format!("[{name}] type = \"{}\"", kind.name);
                    let _ = writeln!(text, "### `{title}`\n\n{}\n", kind.about);
                    rows(text, &name, kind.keys);
                }
            }
        }
    }
}

fn sub(text: &mut String, title: &str, path: &str, key: &KeyRow, keys: &[KeyRow]) {
    let _ = writeln!(text, "### `{title}`\n\n{}\n", key.about);
    rows(text, path, keys);
}
