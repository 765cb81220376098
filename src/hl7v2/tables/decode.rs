//! Reading of `standard.bin`.
//!
//! The form: eight bytes of magic and format version, then six pools (strings, fields,
//! components, segments, data types, structures), each a count and its records, then the
//! versions, each with its length, then the code tables. Numbers take seven bits a byte,
//! lowest first; strings are numbers into the pool of strings, but for the code tables,
//! where they stand in place.
//!
//! The file is our own and part of the program, so a damaged one reads as empty instead
//! of failing; a test reads all of it.

use std::sync::OnceLock;

use crate::hl7v2::scan::SegmentId;

use super::{
    CodeDef, ComponentDef, DatatypeDef, FieldDef, NodeDef, NodeKind, SegmentDef, StructureDef,
    TableDef, Usage, Version,
};

static STANDARD: &[u8] = include_bytes!("standard.bin");
const MAGIC: &[u8] = b"weirv2\x00\x01";
const VERSIONS: usize = 13;

/// What all versions share.
struct Shared {
    strings: Vec<&'static str>,
    segments: Vec<SegmentDef>,
    datatypes: Vec<DatatypeDef>,
    structures: Vec<StructureDef>,
    versions: Vec<&'static [u8]>,
    tables: &'static [u8],
}

/// Where reading stands.
struct Reader {
    rest: &'static [u8],
}

impl Reader {
    fn number(&mut self) -> usize {
        let (mut n, mut shift) = (0usize, 0);
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            n |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 28 {
                break;
            }
        }
        n
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(0)
    }

    fn optional(&mut self) -> Option<u32> {
        self.small().checked_sub(1)
    }

    fn bytes(&mut self) -> &'static [u8] {
        let length = self.number().min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }

    fn text(&mut self) -> &'static str {
        std::str::from_utf8(self.bytes()).unwrap_or("")
    }

    fn string(&mut self, strings: &[&'static str]) -> &'static str {
        strings.get(self.number()).copied().unwrap_or("")
    }

    fn usage(&mut self, strings: &[&'static str]) -> Usage {
        match self.string(strings) {
            "R" => Usage::Required,
            "C" => Usage::Conditional,
            "B" => Usage::Backward,
            "W" => Usage::Withdrawn,
            _ => Usage::Optional,
        }
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.number().min(self.rest.len());
        (0..count).map(|_| one(self)).collect()
    }
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    static FIELDS: OnceLock<Vec<FieldDef>> = OnceLock::new();
    static COMPONENTS: OnceLock<Vec<ComponentDef>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let mut reader = Reader { rest: STANDARD.strip_prefix(MAGIC).unwrap_or_default() };
        let strings = reader.list(Reader::text);
        let fields = reader.list(|r| FieldDef {
            name: r.string(&strings),
            datatype: r.string(&strings),
            usage: r.usage(&strings),
            max: r.small(),
            length: r.optional(),
            table: r.string(&strings),
            item: r.optional(),
        });
        let fields = FIELDS.get_or_init(|| fields);
        let components = reader.list(|r| ComponentDef {
            name: r.string(&strings),
            datatype: r.string(&strings),
            usage: r.usage(&strings),
            length: r.optional(),
            table: r.string(&strings),
        });
        let components = COMPONENTS.get_or_init(|| components);
        let segments = reader.list(|r| SegmentDef {
            name: r.string(&strings),
            withdrawn: r.string(&strings),
            fields: r.list(|r| r.number().checked_sub(1).and_then(|n| fields.get(n))),
        });
        let datatypes = reader.list(|r| DatatypeDef {
            name: r.string(&strings),
            withdrawn: r.string(&strings),
            components: r.list(|r| components.get(r.number())).into_iter().flatten().collect(),
        });
        let structures = reader.list(|r| structure(r, &strings));
        let versions = reader.list(Reader::bytes);
        Shared { strings, segments, datatypes, structures, versions, tables: reader.rest }
    })
}

fn structure(reader: &mut Reader, strings: &[&'static str]) -> StructureDef {
    let root = NodeDef {
        kind: NodeKind::Group,
        name: "",
        min: 1,
        max: 1,
        children: Vec::new(),
        parent: 0,
    };
    let mut nodes = vec![root];
    // Open groups, each with the count of children still to come.
    let mut open = vec![(0u16, reader.number())];
    while let Some((group, left)) = open.last_mut() {
        let Some(fewer) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = fewer;
        let parent = *group;
        let Ok(at) = u16::try_from(nodes.len()) else { break };
        let kind = match reader.number() {
            0 => NodeKind::Segment,
            1 => NodeKind::Group,
            _ => NodeKind::Choice,
        };
        let (name, min, max) = (reader.string(strings), reader.small(), reader.small());
        nodes.push(NodeDef { kind, name, min, max, children: Vec::new(), parent });
        if let Some(group) = nodes.get_mut(usize::from(parent)) {
            group.children.push(at);
        }
        if kind != NodeKind::Segment {
            open.push((at, reader.number()));
        }
    }
    let mut by_id: Vec<(&'static str, u16)> = (0..)
        .zip(&nodes)
        .filter(|(_, node)| node.kind == NodeKind::Segment)
        .map(|(at, node)| (node.name, at))
        .collect();
    by_id.sort_unstable();
    let mut ends: Vec<u16> = (1..).take(nodes.len()).collect();
    for (at, node) in nodes.iter().enumerate().rev() {
        let last = node.children.last().and_then(|last| ends.get(usize::from(*last)).copied());
        if let (Some(end), Some(last)) = (ends.get_mut(at), last) {
            *end = last;
        }
    }
    let takes_any = by_id.iter().any(|(id, _)| id.len() != 3 || *id == "Hxx");
    let mut spans: Vec<(SegmentId, u16, u16)> = Vec::new();
    for (place, (name, _)) in (0..).zip(&by_id) {
        // `Hxx` is no name: it stands for any.
        let id = SegmentId::new(name.as_bytes()).filter(|id| id.as_str() == *name);
        let Some(id) = id else { continue };
        match spans.last_mut() {
            Some((known, _, end)) if *known == id => *end = place + 1,
            _ => spans.push((id, place, place + 1)),
        }
    }
    StructureDef { nodes, by_id, spans, takes_any, ends }
}

/// Version by its place, oldest first.
pub(super) fn version(at: usize) -> &'static Version {
    static READ: [OnceLock<Version>; VERSIONS] = [const { OnceLock::new() }; VERSIONS];
    let at = at.min(VERSIONS - 1);
    READ[at].get_or_init(|| {
        let shared = shared();
        let mut reader = Reader { rest: shared.versions.get(at).copied().unwrap_or_default() };
        let strings = &shared.strings;
        Version {
            name: reader.string(strings),
            segments: named(&mut reader, &shared.segments),
            datatypes: named(&mut reader, &shared.datatypes),
            structures: named(&mut reader, &shared.structures),
            events: reader.list(|r| (r.string(strings), r.string(strings))),
        }
    })
}

fn named<T>(reader: &mut Reader, pool: &'static [T]) -> Vec<(&'static str, &'static T)> {
    let strings = &shared().strings;
    let pairs = reader.list(|r| (r.string(strings), pool.get(r.number())));
    pairs.into_iter().filter_map(|(id, def)| Some((id, def?))).collect()
}

/// All code tables, in order of their numbers.
pub(super) fn tables() -> Vec<TableDef> {
    let mut reader = Reader { rest: shared().tables };
    reader.list(|r| TableDef {
        id: r.text(),
        name: r.text(),
        kind: r.text(),
        oid: r.text(),
        codes: r.list(|r| CodeDef { code: r.text(), display: r.text(), versions: r.small() }),
    })
}
