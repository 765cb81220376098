//! The standard, version by version: segments, fields, data types, message structures,
//! events and code tables.
//!
//! The facts lie in `standard.bin`, which `generate/` writes from the published schemas;
//! they are read when first asked for, and a version when it is first asked for. Nothing
//! here decides what a message may hold: most messages deviate somewhere.

mod decode;
mod site;

use std::sync::OnceLock;

use super::scan::SegmentId;

pub use site::{FieldChange, Site, SiteField, SiteParts, SiteSegment, SiteTable};

/// One version of the standard.
#[derive(Debug)]
pub struct Version {
    /// Its name, such as `2.5.1`.
    pub name: &'static str,
    segments: Vec<(&'static str, &'static SegmentDef)>,
    datatypes: Vec<(&'static str, &'static DatatypeDef)>,
    structures: Vec<(&'static str, &'static StructureDef)>,
    events: Vec<(&'static str, &'static str)>,
}

/// A segment.
#[derive(Clone, Debug)]
pub struct SegmentDef {
    /// Its name in words, such as `Patient Identification`.
    pub name: &'static str,
    /// Where the segment is still referred to but defined no more: the last version that
    /// did; else empty.
    pub withdrawn: &'static str,
    /// Fields from 1 on (index 0 is field 1); `None` where a position is not defined.
    pub fields: Vec<Option<&'static FieldDef>>,
}

impl SegmentDef {
    /// Field `n` from 1.
    #[must_use]
    pub fn field(&self, n: usize) -> Option<&'static FieldDef> {
        self.fields.get(n.checked_sub(1)?).copied().flatten()
    }
}

/// Whether a field or component has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// `R`
    Required,
    /// `O`; before 2.6 also what the standard calls conditional.
    Optional,
    /// `C`
    Conditional,
    /// `B`: kept for older versions.
    Backward,
    /// `W`: must not be used.
    Withdrawn,
}

/// A field of a segment.
#[derive(Clone, Debug)]
pub struct FieldDef {
    /// Its name in words.
    pub name: &'static str,
    /// Data type, such as `CX`; `varies` where another field tells; empty where withdrawn.
    pub datatype: &'static str,
    /// Whether it has to be there.
    pub usage: Usage,
    /// Most repetitions; 0 means no bound, 1 not repeating.
    pub max: u32,
    /// Most characters, where the version says so.
    pub length: Option<u32>,
    /// Table of its codes, four digits, or empty.
    pub table: &'static str,
    /// HL7 item number.
    pub item: Option<u32>,
}

/// A data type.
#[derive(Debug)]
pub struct DatatypeDef {
    /// Its name in words.
    pub name: &'static str,
    /// As of [`SegmentDef::withdrawn`].
    pub withdrawn: &'static str,
    /// Components from 1 on (index 0 is component 1); none for a primitive type.
    pub components: Vec<&'static ComponentDef>,
}

/// A component of a data type.
#[derive(Debug)]
pub struct ComponentDef {
    /// Its name in words.
    pub name: &'static str,
    /// Its own data type.
    pub datatype: &'static str,
    /// Whether it has to be there.
    pub usage: Usage,
    /// Most characters, where the version says so.
    pub length: Option<u32>,
    /// Table of its codes, four digits, or empty.
    pub table: &'static str,
}

/// A message structure: its nodes in order, depth first.
#[derive(Debug)]
pub struct StructureDef {
    /// Nodes; the first is the root, a group without a name.
    pub nodes: Vec<NodeDef>,
    /// Segment nodes by ID, and in order among those of one ID.
    pub(super) by_id: Vec<(&'static str, u16)>,
    /// The same by name as messages have them: where those of each begin and end.
    pub(super) spans: Vec<(SegmentId, u16, u16)>,
    /// Whether there is a place for any segment.
    pub(super) takes_any: bool,
    /// For each node, the place after its last descendant.
    pub(super) ends: Vec<u16>,
}

impl StructureDef {
    /// Places of the segment nodes of an ID, in order.
    #[must_use]
    pub fn places(&self, id: &str) -> &[(&'static str, u16)] {
        let from = self.by_id.partition_point(|(name, _)| *name < id);
        let rest = self.by_id.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|(name, _)| *name == id)).unwrap_or_default()
    }

    /// As [`StructureDef::places`], by the name that a segment has.
    pub(super) fn places_of(&self, id: SegmentId) -> &[(&'static str, u16)] {
        let at = self.spans.binary_search_by_key(&id, |(known, ..)| *known);
        let span = at.ok().and_then(|at| self.spans.get(at));
        span.map_or(&[], |(_, from, to)| {
            self.by_id.get(usize::from(*from)..usize::from(*to)).unwrap_or_default()
        })
    }
}

/// What a node of a structure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// One segment.
    Segment,
    /// Segments and groups in order.
    Group,
    /// A group of which exactly one child is present.
    Choice,
}

/// A segment or group in a structure.
#[derive(Debug)]
pub struct NodeDef {
    /// What it is.
    pub kind: NodeKind,
    /// Segment ID or group name.
    pub name: &'static str,
    /// Fewest times it has to be there.
    pub min: u32,
    /// Most times; 0 means no bound.
    pub max: u32,
    /// Children, by place in [`StructureDef::nodes`].
    pub children: Vec<u16>,
    /// Place of the group it stands in; the root's own is 0.
    pub parent: u16,
}

/// A table of codes.
#[derive(Debug)]
pub struct TableDef {
    /// Number, four digits.
    pub id: &'static str,
    /// Its name in words.
    pub name: &'static str,
    /// `user`, `hl7` or other.
    pub kind: &'static str,
    /// Object identifier, or empty.
    pub oid: &'static str,
    codes: Vec<CodeDef>,
}

/// A code of a table.
#[derive(Debug)]
pub struct CodeDef {
    /// The code.
    pub code: &'static str,
    /// What it is called.
    pub display: &'static str,
    versions: u32,
}

impl Version {
    /// Finds a segment by its ID in capitals.
    #[must_use]
    pub fn segment(&self, id: &str) -> Option<&'static SegmentDef> {
        find(&self.segments, id)
    }

    /// Segments of the version, in order of their IDs.
    pub fn segments(&self) -> impl Iterator<Item = (&'static str, &'static SegmentDef)> + '_ {
        self.segments.iter().copied()
    }

    /// Data types of the version, in order of their IDs.
    pub fn datatypes(&self) -> impl Iterator<Item = (&'static str, &'static DatatypeDef)> + '_ {
        self.datatypes.iter().copied()
    }

    /// Finds a data type by its ID in capitals.
    #[must_use]
    pub fn datatype(&self, id: &str) -> Option<&'static DatatypeDef> {
        find(&self.datatypes, id)
    }

    /// Its place among all versions, oldest first, from 0.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        NAMES.iter().position(|name| *name == self.name).unwrap_or(DEFAULT)
    }

    /// The ID of a data type as the tables hold it.
    #[must_use]
    pub fn datatype_id(&self, id: &str) -> Option<&'static str> {
        let at = self.datatypes.binary_search_by(|(known, _)| (*known).cmp(id)).ok()?;
        self.datatypes.get(at).map(|(known, _)| *known)
    }

    /// Finds a message structure, such as `ADT_A01`.
    #[must_use]
    pub fn structure(&self, id: &str) -> Option<&'static StructureDef> {
        find(&self.structures, id)
    }

    /// Names of the message structures, in order.
    pub fn structures(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.structures.iter().map(|(id, _)| *id)
    }

    /// Finds the structure that an event uses: `ADT` and `A04` give `ADT_A01`.
    #[must_use]
    pub fn event(&self, code: &str, event: &str) -> Option<&'static str> {
        // No event of the standard has a longer name.
        let mut wanted = [0; 16];
        let length = code.len() + 1 + event.len();
        wanted.get_mut(..code.len())?.copy_from_slice(code.as_bytes());
        *wanted.get_mut(code.len())? = b'_';
        wanted.get_mut(code.len() + 1..length)?.copy_from_slice(event.as_bytes());
        let wanted = wanted.get(..length)?;
        let at = self.events.binary_search_by(|(key, _)| key.as_bytes().cmp(wanted)).ok()?;
        self.events.get(at).map(|(_, structure)| *structure)
    }

    /// Events and their structures, such as `ADT_A04` and `ADT_A01`, in order.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.events.iter().copied()
    }

    /// Component `n`, from 1, of a field; the field itself where its type is primitive and
    /// `n` is 1 gives `None`.
    #[must_use]
    pub fn component(
        &self,
        segment: &str,
        field: usize,
        n: usize,
    ) -> Option<&'static ComponentDef> {
        let field = self.segment(segment)?.field(field)?;
        self.datatype(field.datatype)?.components.get(n.checked_sub(1)?).copied()
    }
}

impl TableDef {
    /// Finds a code, exactly as written.
    #[must_use]
    pub fn code(&self, code: &str) -> Option<&CodeDef> {
        let at = self.codes.binary_search_by(|def| def.code.cmp(code)).ok()?;
        self.codes.get(at)
    }

    /// Its codes, in order.
    #[must_use]
    pub fn codes(&self) -> &[CodeDef] {
        &self.codes
    }
}

impl CodeDef {
    /// Whether a version of the standard has the code; `utg` stands for HL7 terminology.
    #[must_use]
    pub fn is_in(&self, version: &str) -> bool {
        let at = NAMES.iter().position(|name| *name == version);
        at.is_some_and(|at| self.is_in_ordinal(at))
    }

    /// As [`CodeDef::is_in`], by [`Version::ordinal`].
    pub(super) fn is_in_ordinal(&self, at: usize) -> bool {
        self.versions & (1 << at) != 0
    }
}

/// Number of versions there are tables of.
pub const VERSIONS: usize = NAMES.len() - 1;

/// Versions in order, and last the current terminology.
const NAMES: [&str; 14] = [
    "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1",
    "2.8.2", "utg",
];

/// Version to read messages by that name none: the one most used.
const DEFAULT: usize = 6;

fn find<T: Copy>(sorted: &[(&'static str, T)], key: &str) -> Option<T> {
    let at = sorted.binary_search_by(|(id, _)| (*id).cmp(key)).ok()?;
    sorted.get(at).map(|(_, value)| *value)
}

/// A version as a number that orders versions: `2.5.1` is 20501; 0 when it is none.
///
/// What follows a component separator or blank is left out, so `2.5.1^USA` will do.
#[must_use]
pub fn rank(version: &str) -> u32 {
    let digits = version.trim_start().split(|c: char| !c.is_ascii_digit() && c != '.').next();
    let mut parts = digits.unwrap_or("").split('.');
    let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or(0).min(99);
    let (major, minor, patch) = (next(), next(), next());
    major * 10_000 + minor * 100 + patch
}

/// Finds a version of the standard by MSH-12, and whether it is exactly that one.
///
/// Else gives the nearest before it, the first where there is none, and 2.5.1 where the
/// text names no version 2 at all.
#[must_use]
pub fn version(name: &str) -> (&'static Version, bool) {
    // Most messages name a version exactly.
    let exact = NAMES.iter().take(NAMES.len() - 1).position(|known| *known == name);
    if let Some(at) = exact {
        return (decode::version(at), true);
    }
    let wanted = rank(name);
    let mut known = NAMES.iter().take(NAMES.len() - 1);
    let at = if (20_000..30_000).contains(&wanted) {
        known.rposition(|name| rank(name) <= wanted).unwrap_or(0)
    } else {
        DEFAULT
    };
    let found = decode::version(at);
    (found, rank(found.name) == wanted)
}

/// All versions, oldest first.
pub fn versions() -> impl Iterator<Item = &'static Version> {
    (0..NAMES.len() - 1).map(decode::version)
}

/// Finds a table of codes by its number, with or without leading zeros.
#[must_use]
pub fn table(id: &str) -> Option<&'static TableDef> {
    static TABLES: OnceLock<Vec<TableDef>> = OnceLock::new();
    let tables = TABLES.get_or_init(decode::tables);
    let padded;
    let id = if id.len() < 4 {
        padded = format!("{id:0>4}");
        &padded
    } else {
        id
    };
    let at = tables.binary_search_by(|table| table.id.cmp(id)).ok()?;
    tables.get(at)
}

/// What a code of a table is called: `code("0001", "F")` is `Female`.
#[must_use]
pub fn code(table_id: &str, code: &str) -> Option<&'static str> {
    table(table_id)?.code(code).map(|def| def.display)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_exactly_or_near() {
        let check = |name: &str, found: &str, is_exact: bool| {
            let (version, exact) = version(name);
            assert_eq!((version.name, exact), (found, is_exact), "{name:?}");
        };
        check("2.5.1", "2.5.1", true);
        check("2.5.1^USA", "2.5.1", true);
        check(" 2.3", "2.3", true);
        check("2.9", "2.8.2", false);
        check("2.0D", "2.1", false);
        check("2.3.2", "2.3.1", false);
        check("9.9", "2.5.1", false);
        check("", "2.5.1", false);
        check("x", "2.5.1", false);
    }

    #[test]
    fn definitions_of_2_5_1() {
        let (version, _) = version("2.5.1");
        let pid = version.segment("PID").unwrap();
        assert_eq!(pid.name, "Patient Identification");
        let field = pid.field(3).unwrap();
        assert_eq!((field.name, field.datatype, field.max), ("Patient Identifier List", "CX", 0));
        assert_eq!(
            (field.usage, field.length, field.item),
            (Usage::Required, Some(250), Some(106))
        );
        assert_eq!(pid.field(8).unwrap().table, "0001");
        assert!(pid.field(0).is_none() && pid.field(99).is_none());
        let cx = version.datatype("CX").unwrap();
        assert_eq!(cx.components.len(), 10);
        assert_eq!(cx.components[3].name, "Assigning Authority");
        assert!(version.datatype("ST").unwrap().components.is_empty());
        assert_eq!(version.component("OBR", 32, 1).unwrap().datatype, "CNN");
        assert_eq!(version.event("ADT", "A04"), Some("ADT_A01"));
        assert_eq!(version.event("ADT", "ZZZ"), None);
        assert!(version.segment("ZZZ").is_none());
    }

    #[test]
    fn structures_are_trees() {
        let (version, _) = version("2.5.1");
        let oru = version.structure("ORU_R01").unwrap();
        let names = |at: usize| -> Vec<&str> {
            oru.nodes[at].children.iter().map(|i| oru.nodes[usize::from(*i)].name).collect()
        };
        assert_eq!(names(0), ["MSH", "SFT", "PATIENT_RESULT", "DSC"]);
        let result = oru.nodes.iter().position(|n| n.name == "PATIENT_RESULT").unwrap();
        assert_eq!(names(result), ["PATIENT", "ORDER_OBSERVATION"]);
        for (at, node) in oru.nodes.iter().enumerate() {
            assert!(
                node.children.iter().all(|i| usize::from(oru.nodes[usize::from(*i)].parent) == at)
            );
        }
    }

    #[test]
    fn every_version_reads() {
        for version in versions() {
            assert!(version.segment("MSH").is_some(), "{}", version.name);
            for (id, segment) in version.segments() {
                assert!(!segment.name.is_empty() || segment.fields.is_empty(), "{id}");
            }
            assert!(version.structures().count() > 30);
        }
    }

    #[test]
    fn codes() {
        assert_eq!(code("0001", "F"), Some("Female"));
        assert_eq!(code("1", "F"), Some("Female"));
        assert_eq!(code("0001", "zz"), None);
        assert_eq!(code("9999", "F"), None);
        let def = table("0001").unwrap().code("A").unwrap();
        assert!(def.is_in("2.5.1") && !def.is_in("2.3"));
    }
}
