//! The outline of a message: every valued leaf with its path, field name and value.

use serde_json::{Value as Json, json};

use super::view::{self, Item};
use crate::base::Phi;
use crate::hl7v2::tables::Site;
use crate::hl7v2::{Message, Path};

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

/// Makes the outline of a whole message, by the names of its version and of a site.
#[must_use]
pub fn outline(message: &Message, site: &Site) -> Vec<Branch> {
    let mut branches: Vec<Branch> = Vec::new();
    let _ = view::walk(message, site, &mut |item| {
        match item {
            Item::Group { .. } => {}
            Item::Segment { label, name, .. } => branches.push(Branch {
                segment: (*label).to_owned(),
                name: (*name).to_owned(),
                leaves: Vec::new(),
            }),
            Item::Leaf(leaf) => {
                if let Some(branch) = branches.last_mut() {
                    branch.leaves.push(Leaf {
                        path: leaf.path.to_owned(),
                        name: leaf.name.to_owned(),
                        datatype: leaf.datatype.to_owned(),
                        value: Phi::new(leaf.text.clone().into_owned()),
                    });
                }
            }
        }
        Ok(())
    });
    branches
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
