//! The outline of a message: every valued leaf with its path, field name and value.

use serde_json::{Value as Json, json};

use crate::base::Phi;
use crate::hl7v2::{Message, Path, Segment, Value, tables};

/// One leaf of a message.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Path, such as `PID-3[2].4.1`.
    pub path: String,
    /// Field name of the version, such as `Patient Identifier List, Assigning Authority`.
    pub name: String,
    /// Data type, where known.
    pub datatype: String,
    /// The value, decoded.
    pub value: Phi<String>,
}

/// One segment with its leaves.
#[derive(Clone, Debug)]
pub struct Branch {
    /// `PID`, with its number where the segment repeats: `OBX[3]`.
    pub segment: String,
    /// Name of the segment in the version.
    pub name: String,
    /// Its leaves, in order.
    pub leaves: Vec<Leaf>,
}

/// Makes the outline of a whole message.
#[must_use]
pub fn outline(message: &Message) -> Vec<Branch> {
    let (version, _) = tables::version(&message.header().version());
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let totals = message.segments().fold(counts.clone(), |mut totals, segment| {
        *totals.entry(segment.id().to_owned()).or_default() += 1;
        totals
    });
    message
        .segments()
        .map(|segment| {
            let count = counts.entry(segment.id().to_owned()).or_default();
            *count += 1;
            let repeats = totals.get(segment.id()).is_some_and(|total| *total > 1);
            let label = match repeats {
                true => format!("{}[{count}]", segment.id()),
                false => segment.id().to_owned(),
            };
            branch(version, &segment, label)
        })
        .collect()
}

fn branch(version: &tables::Version, segment: &Segment<'_>, label: String) -> Branch {
    let known = version.segment(segment.id());
    let mut leaves = Vec::new();
    for number in 1..=segment.field_count() {
        let Some(field) = segment.field(number).filter(|f| !f.is_empty()) else { continue };
        let def = known.and_then(|s| s.field(number));
        let base = Leaf {
            path: format!("{label}-{number}"),
            name: def.map_or_else(|| "not in this version".to_owned(), |d| d.name.to_string()),
            datatype: def.map_or_else(String::new, |d| d.datatype.to_string()),
            value: Phi::default(),
        };
        let separators = matches!(segment.id(), "MSH" | "FHS" | "BHS") && number <= 2;
        if separators {
            leaves.push(Leaf { value: Phi::new(lossy(field.raw())), ..base });
            continue;
        }
        let repetitions: Vec<Value<'_>> = field.repetitions().collect();
        for (at, repetition) in repetitions.iter().enumerate() {
            let mut of = base.clone();
            if repetitions.len() > 1 {
                of.path = format!("{}[{}]", base.path, at + 1);
            }
            parts(version, *repetition, &of, &mut leaves);
        }
    }
    let name = known.map_or_else(|| "site segment".to_owned(), |s| s.name.to_string());
    Branch { segment: label, name, leaves }
}

fn parts(version: &tables::Version, value: Value<'_>, of: &Leaf, leaves: &mut Vec<Leaf>) {
    let components: Vec<Value<'_>> = value.components().collect();
    let kinds = version.datatype(&of.datatype);
    for (at, component) in components.iter().enumerate().filter(|(_, c)| !c.is_empty()) {
        let known = kinds.and_then(|k| k.components.get(at));
        let mut leaf = of.clone();
        if components.len() > 1 || known.is_some() {
            leaf.path = format!("{}.{}", of.path, at + 1);
        }
        if let Some(known) = known {
            leaf.name = format!("{}, {}", of.name, known.name);
            leaf.datatype = known.datatype.to_string();
        }
        let subs: Vec<Value<'_>> = component.subcomponents().collect();
        if subs.len() > 1 {
            for (at, sub) in subs.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
                let path = format!("{}.{}", leaf.path, at + 1);
                leaves.push(Leaf {
                    path,
                    value: Phi::new(sub.text().into_owned()),
                    ..leaf.clone()
                });
            }
        } else {
            leaf.value = Phi::new(component.text().into_owned());
            leaves.push(leaf);
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The values at one path, in order.
#[must_use]
pub fn values(message: &Message, path: &Path) -> Vec<Phi<String>> {
    message.read_all(path).into_iter().map(|v| Phi::new(v.text().into_owned())).collect()
}

/// The outline as JSON, values included when `reveal` is set.
#[must_use]
pub fn to_json(branches: &[Branch], reveal: bool) -> Json {
    let segments: Vec<Json> = branches
        .iter()
        .map(|branch| {
            let leaves: Vec<Json> =
                branch.leaves.iter().map(|leaf| leaf_json(leaf, reveal)).collect();
            json!({ "segment": branch.segment, "name": branch.name, "fields": leaves })
        })
        .collect();
    json!({ "schema": "weir.view.v1", "segments": segments })
}

fn leaf_json(leaf: &Leaf, reveal: bool) -> Json {
    let mut value = json!({ "path": leaf.path, "name": leaf.name, "type": leaf.datatype });
    if reveal {
        value["value"] = json!(leaf.value.reveal());
    }
    value
}
