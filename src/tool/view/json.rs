//! The view as JSON, `weir.view.v1`: written while it is told, so that it takes no memory.

use std::io::{self, Write};

use serde_json::{Value as Json, json as value};

use super::{Item, Leaf, Look, summary, walk};
use crate::hl7v2::Message;

/// Writes a message as one JSON object, without a line break at its end.
///
/// # Errors
/// What `out` fails with.
pub fn json(message: &Message, look: Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let all = summary(message);
    let notes: Vec<Json> = all
        .notes
        .iter()
        .map(|note| value!({ "name": note.name, "place": note.place, "phrase": note.phrase }))
        .collect();
    let head = value!({
        "schema": "weir.view.v1", "type": all.message_type, "version": all.version,
        "tables": all.tables, "structure": all.structure, "charset": all.charset,
        "bytes": all.bytes, "notes": notes,
    });
    let head = head.to_string();
    write!(out, "{},\"segments\":[", head.strip_suffix('}').unwrap_or_default())?;
    let mut groups: Vec<String> = Vec::new();
    let (mut segments, mut leaves) = (0, 0);
    walk(message, look.site, &mut |item| match item {
        Item::Group { depth, label } => {
            groups.truncate(*depth);
            groups.push((*label).to_owned());
            Ok(())
        }
        Item::Segment { depth, label, name, segment } => {
            groups.truncate(*depth);
            let end = if segments > 0 { "]}," } else { "" };
            segments += 1;
            leaves = 0;
            let start = segment.range().start;
            let mut head = value!({
                "segment": label, "name": name, "groups": groups,
                "offset": start, "length": segment.raw().len(),
            });
            if look.raw && look.values {
                head["raw"] = message.charset().decode(segment.raw()).into();
            }
            let head = head.to_string();
            write!(out, "{end}{},\"fields\":[", head.strip_suffix('}').unwrap_or_default())
        }
        Item::Leaf(leaf) => {
            let comma = if leaves > 0 { "," } else { "" };
            leaves += 1;
            write!(out, "{comma}{}", of(leaf, look))
        }
    })?;
    write!(out, "{}]}}", if segments > 0 { "]}" } else { "" })
}

fn of(leaf: &Leaf<'_>, look: Look<'_>) -> Json {
    let mut all = value!({
        "path": leaf.path, "name": leaf.name, "type": leaf.datatype,
        "offset": leaf.range.start, "length": leaf.range.len(),
    });
    if leaf.is_null {
        all["null"] = true.into();
    }
    if look.values {
        all["value"] = (&*leaf.text).into();
        if let Some(meaning) = leaf.meaning {
            all["meaning"] = meaning.into();
        }
    }
    all
}
