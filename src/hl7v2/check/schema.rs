//! The definitions of one version, compiled to what a walk over bytes asks for.
//!
//! Made once for a version and a site, when the first message of that version is checked.

use std::collections::HashMap;

use super::relations::{self, Relation};
use super::value::Kind;
use crate::hl7v2::scan::SegmentId;
use crate::hl7v2::tables::{self, SegmentDef, Site, Usage, Version};

/// Stands for no limit of length. Lengths of 65536 and more are the standard's way to say
/// that there is none.
pub(super) const UNLIMITED: u32 = u32::MAX;

/// What one piece of a field has to be. Small, since a message has hundreds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub kind: Kind,
    pub usage: Usage,
    /// Number of its composite type, from 1; 0 for a primitive.
    pub of: u16,
    /// Number of its table, from 1; 0 for none.
    pub table: u16,
    /// Most characters.
    pub length: u32,
}

impl Part {
    const ANY: Self =
        Self { kind: Kind::Any, usage: Usage::Optional, of: 0, table: 0, length: UNLIMITED };
}

/// What a component has to be that has no parts of its own: its own type, or the first part
/// of a composite one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub kind: Kind,
    pub table: u16,
    /// Most characters; 0 where a closer look is due in any case.
    pub length: u32,
}

/// A field of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub part: Part,
    /// Most repetitions; `u32::MAX` for no bound.
    pub max: u32,
    /// Whether the version defines it and it may be used: not withdrawn, not backward.
    pub is_current: bool,
    pub is_defined: bool,
}

/// A composite type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// Its parts in [`Schema::parts`].
    pub first: u32,
    pub count: u16,
    /// Components that have to be there, bit 0 for the first.
    pub required: u64,
    /// Whether it is a code with its system: CE, CWE, CNE, CF.
    pub is_coded: bool,
    /// How it reads where it stands too deep to be divided.
    pub flat: Kind,
    pub name: &'static str,
}

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub first: u32,
    pub count: u32,
    /// Fields that have to be there, bit 0 for field 1.
    pub required: [u64; 2],
    pub relations: &'static [Relation],
    /// Whether it is OBX, whose field 2 tells the type of field 5.
    pub is_observation: bool,
}

/// Length of MSH-9 with a structure; 2.3.1 has the structure and the length without.
const MESSAGE_TYPE: u32 = 15;

/// Slots of the table of segments: a power of two, over twice the segments of a version.
const SLOTS: usize = 1024;

/// A version, compiled for a site.
pub(super) struct Schema {
    slots: Box<[u16; SLOTS]>,
    ids: Vec<SegmentId>,
    pub segments: Vec<Segment>,
    pub fields: Vec<Field>,
    pub types: Vec<Type>,
    pub parts: Vec<Part>,
    /// For each of the parts, what it has to be where it is not divided.
    plain: Vec<Plain>,
    pub tables: Vec<Codes>,
    by_name: HashMap<&'static str, u16>,
}

fn slot(id: SegmentId) -> usize {
    let [a, b, c] = id.bytes().map(usize::from);
    (a * 31 * 31 + b * 31 + c) % SLOTS
}

impl Schema {
    pub(super) fn new(version: &'static Version, site: &Site) -> Self {
        let mut maker = Maker {
            version,
            site,
            types: Vec::new(),
            parts: Vec::new(),
            by_name: HashMap::new(),
            tables: Vec::new(),
            by_table: HashMap::new(),
        };
        let mut schema = Self {
            slots: Box::new([0; SLOTS]),
            ids: Vec::new(),
            segments: Vec::new(),
            fields: Vec::new(),
            types: Vec::new(),
            parts: Vec::new(),
            plain: Vec::new(),
            tables: Vec::new(),
            by_name: HashMap::new(),
        };
        let standard = version.segments().map(|(id, _)| id);
        for id in standard.chain(site.segments().map(|(id, _)| id)) {
            let Some(def) = site.segment(version, id) else { continue };
            let Some(key) = SegmentId::new(id.as_bytes()) else { continue };
            if schema.find(key).is_none() {
                schema.add(&mut maker, id, key, def);
            }
        }
        // Types that only OBX-2 names.
        for (id, _) in version.datatypes() {
            maker.composite(id);
        }
        Self {
            plain: maker.parts.iter().map(|part| maker.plain(part)).collect(),
            types: maker.types,
            parts: maker.parts,
            tables: maker.tables,
            by_name: maker.by_name,
            ..schema
        }
    }

    fn add(&mut self, maker: &mut Maker<'_>, id: &str, key: SegmentId, def: &'static SegmentDef) {
        let first = u32::try_from(self.fields.len()).unwrap_or(0);
        let mut required = [0u64; 2];
        for (at, field) in def.fields.iter().enumerate() {
            let Some(field) = field else {
                let part = Part::ANY;
                let unknown = Field { part, max: u32::MAX, is_current: true, is_defined: false };
                self.fields.push(unknown);
                continue;
            };
            if field.usage == Usage::Required
                && let Some(word) = required.get_mut(at / 64)
            {
                *word |= 1 << (at % 64);
            }
            let mut part = maker.part(field.datatype, field.usage, field.length, field.table);
            if id == "MSH" && at == 8 && part.length < MESSAGE_TYPE {
                part.length = MESSAGE_TYPE;
            }
            let is_current = !matches!(field.usage, Usage::Withdrawn | Usage::Backward);
            let max = if field.max == 0 { u32::MAX } else { field.max };
            self.fields.push(Field { part, max, is_current, is_defined: true });
        }
        let mut at = slot(key);
        while self.slots[at] != 0 {
            at = (at + 1) % SLOTS;
        }
        self.segments.push(Segment {
            first,
            count: u32::try_from(def.fields.len()).unwrap_or(0),
            required,
            relations: relations::of(id),
            is_observation: id == "OBX",
        });
        self.ids.push(key);
        self.slots[at] = u16::try_from(self.segments.len()).unwrap_or(0);
    }

    /// Number of a segment.
    pub(super) fn find(&self, id: SegmentId) -> Option<usize> {
        let mut at = slot(id);
        loop {
            let number = usize::from(self.slots[at]).checked_sub(1)?;
            if self.ids.get(number) == Some(&id) {
                return Some(number);
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// How a field of a type is checked that another field names.
    pub(super) fn named(&self, datatype: &[u8]) -> Option<Part> {
        let name = std::str::from_utf8(datatype).ok()?;
        let of = *self.by_name.get(name)?;
        let kind = if of == 0 { Kind::of(name) } else { Kind::Any };
        Some(Part { kind, of, ..Part::ANY })
    }

    pub(super) fn composite(&self, of: u16) -> Option<&Type> {
        self.types.get(usize::from(of.checked_sub(1)?))
    }

    /// Component `n`, from 1, of a type.
    pub(super) fn component(&self, of: &Type, n: u32) -> Option<&Part> {
        let at = n.checked_sub(1)?;
        if at >= u32::from(of.count) {
            return None;
        }
        self.parts.get((of.first + at) as usize)
    }

    /// What the components of a type have to be where they are not divided.
    pub(super) fn plain_parts(&self, of: &Type) -> &[Plain] {
        let first = of.first as usize;
        self.plain.get(first..first + usize::from(of.count)).unwrap_or_default()
    }

    pub(super) fn codes(&self, table: u16) -> Option<&Codes> {
        self.tables.get(usize::from(table.checked_sub(1)?))
    }
}

/// What grows while a version is compiled.
struct Maker<'a> {
    version: &'static Version,
    site: &'a Site,
    types: Vec<Type>,
    parts: Vec<Part>,
    by_name: HashMap<&'static str, u16>,
    tables: Vec<Codes>,
    by_table: HashMap<&'static str, u16>,
}

impl Maker<'_> {
    /// What a component has to be where it is not divided: what [`super::walk`] asks of it
    /// and of its first part.
    fn plain(&self, part: &Part) -> Plain {
        let Part { kind, table, length, .. } = *part;
        let type_of = |of: u16| self.types.get(usize::from(of.checked_sub(1)?));
        let Some(of) = type_of(part.of) else { return Plain { kind, table, length } };
        let look_closer = Plain { kind, table, length: 0 };
        let Some(first) = self.parts.get(of.first as usize) else { return look_closer };
        if of.required & !1 != 0 || (of.is_coded && table != 0) {
            return look_closer;
        }
        Plain {
            // Deeper than two levels nothing can be divided.
            kind: type_of(first.of).map_or(first.kind, |deeper| deeper.flat),
            table: if first.of == 0 { first.table } else { 0 },
            length: length.min(first.length),
        }
    }

    fn part(
        &mut self,
        datatype: &'static str,
        usage: Usage,
        length: Option<u32>,
        table: &'static str,
    ) -> Part {
        let of = self.composite(datatype);
        let kind = match datatype {
            "varies" => Kind::Varies,
            _ if of != 0 || self.version.datatype(datatype).is_none() => Kind::Any,
            _ => Kind::of(datatype),
        };
        let length = length.filter(|n| *n > 0 && *n < 65_536).unwrap_or(UNLIMITED);
        let table = self.table(table);
        // Some lengths are shorter than the codes of the table, as that of OBX-2 in 2.5.
        let longest = usize::from(table).checked_sub(1).and_then(|at| self.tables.get(at));
        let longest = longest.filter(|_| kind == Kind::Code).map_or(0, |codes| codes.longest);
        Part { kind, usage, of, table, length: length.max(longest) }
    }

    /// Number of a composite type; 0 for a primitive one.
    fn composite(&mut self, name: &'static str) -> u16 {
        if let Some(known) = self.by_name.get(name) {
            return *known;
        }
        let Some(def) = self.version.datatype(name) else { return 0 };
        if def.components.is_empty() {
            self.by_name.insert(name, 0);
            return 0;
        }
        let number = u16::try_from(self.types.len() + 1).unwrap_or(0);
        // Known before its parts are read: a type may hold itself.
        self.by_name.insert(name, number);
        self.types.push(Type {
            first: 0,
            count: 0,
            required: 0,
            is_coded: matches!(name, "CE" | "CWE" | "CNE" | "CF"),
            flat: Kind::Any,
            name,
        });
        let mut required = 0;
        let mut parts = Vec::with_capacity(def.components.len());
        for (at, component) in def.components.iter().enumerate() {
            let mut part =
                self.part(component.datatype, component.usage, component.length, component.table);
            if name == "TS" && at == 0 {
                // Named ST in some versions, but always a moment.
                part.kind = Kind::Moment;
            }
            if part.usage == Usage::Required && at < 64 {
                required |= 1 << at;
            }
            parts.push(part);
        }
        let flat = match parts.first() {
            Some(Part { of: 0, kind, .. }) => *kind,
            Some(Part { of, .. }) => {
                self.types.get(usize::from(*of) - 1).map_or(Kind::Any, |of| of.flat)
            }
            None => Kind::Any,
        };
        let first = u32::try_from(self.parts.len()).unwrap_or(0);
        let count = u16::try_from(parts.len()).unwrap_or(0);
        self.parts.extend(parts);
        if let Some(made) = self.types.get_mut(usize::from(number) - 1) {
            *made = Type { first, count, required, flat, ..*made };
        }
        number
    }

    /// Number of a table; 0 where there is nothing to compare with.
    fn table(&mut self, id: &'static str) -> u16 {
        if id.is_empty() {
            return 0;
        }
        if let Some(known) = self.by_table.get(id) {
            return *known;
        }
        let number = match Codes::new(id, self.version, self.site) {
            Some(codes) => {
                self.tables.push(codes);
                u16::try_from(self.tables.len()).unwrap_or(0)
            }
            None => 0,
        };
        self.by_table.insert(id, number);
        number
    }
}

/// The codes of a table in one version: short ones as numbers in open addressing, so that
/// looking one up reads one or two words.
#[derive(Debug)]
pub(super) struct Codes {
    /// Its number.
    pub id: &'static str,
    /// Whether the standard fixes it, rather than the sites.
    pub is_fixed: bool,
    /// Characters of its longest code.
    longest: u32,
    short: Vec<u64>,
    long: Vec<Box<[u8]>>,
    /// Beginnings of codes that end in digits or letters of a site: `HL7nnnn`, `99zzz`.
    open: Vec<&'static str>,
}

/// The table of code systems, which HL7 adds to between versions.
const CODE_SYSTEMS: &str = "0396";

/// Codes of tables that name definitions, whose lists are shorter than the definitions in
/// some versions: message codes, events, structures, data types.
fn defined(table: &str, version: &'static Version) -> Box<dyn Iterator<Item = &'static str>> {
    let joined = || version.events().map(|(event, _)| event).chain(version.structures());
    match table {
        "0076" => {
            Box::new(joined().map(|name| name.split_once('_').map_or(name, |(code, _)| code)))
        }
        "0003" => Box::new(joined().filter_map(|name| Some(name.split_once('_')?.1))),
        "0354" => Box::new(version.structures().chain(version.events().map(|(_, of)| of))),
        "0125" => Box::new(version.datatypes().map(|(id, _)| id)),
        _ => Box::new(std::iter::empty()),
    }
}

/// Codes that stand for "and others" or for a family of codes.
fn is_template(code: &str) -> bool {
    code.contains("..")
        || code.contains('\u{2026}')
        || code.contains(" _")
        || code.contains(['<', '*'])
        || code.contains("&lt;")
}

impl Codes {
    /// None where the version leaves the table to the sites, and this one says nothing.
    fn new(id: &'static str, version: &'static Version, site: &Site) -> Option<Self> {
        let ordinal = version.ordinal();
        let is_ageless = id == CODE_SYSTEMS;
        let own = site.table(id);
        let standard = tables::table(id).filter(|_| own.is_none_or(|own| !own.replaces));
        let mut codes: Vec<Box<[u8]>> = Vec::new();
        let mut open = Vec::new();
        for def in standard.into_iter().flat_map(|table| table.codes()) {
            if !is_ageless && !def.is_in_ordinal(ordinal) {
                continue;
            }
            let code = def.code.trim();
            if is_template(code) && !is_ageless {
                return None;
            }
            // `99zzz or L` are two.
            for code in code.split(" or ") {
                match code.strip_suffix("nnnn").or_else(|| code.strip_suffix("zzz")) {
                    Some(head) => open.push(head),
                    None => codes.push(code.as_bytes().into()),
                }
            }
        }
        if standard.is_some() {
            codes.extend(defined(id, version).map(|code| Box::from(code.as_bytes())));
        }
        let own = own.into_iter().flat_map(|own| &own.codes);
        codes.extend(own.map(|(code, _)| Box::from(code.as_bytes())));
        if codes.is_empty() {
            return None;
        }
        let mut made = Self {
            id,
            is_fixed: !is_ageless && tables::table(id).is_some_and(|table| table.kind == "hl7"),
            longest: codes
                .iter()
                .map(|code| u32::try_from(code.len()).unwrap_or(0))
                .max()
                .unwrap_or(0),
            short: vec![0; (codes.len() * 2).next_power_of_two()],
            long: Vec::new(),
            open,
        };
        for code in codes {
            match pack(&code) {
                Some(key) => made.insert(key),
                None => made.long.push(code),
            }
        }
        made.long.sort_unstable();
        Some(made)
    }

    fn insert(&mut self, key: u64) {
        let mask = self.short.len() - 1;
        let mut at = spread(key) & mask;
        while self.short[at] != 0 && self.short[at] != key {
            at = (at + 1) & mask;
        }
        self.short[at] = key;
    }

    pub(super) fn has(&self, code: &[u8]) -> bool {
        let found = match pack(code) {
            Some(key) => {
                let mask = self.short.len() - 1;
                let mut at = spread(key) & mask;
                loop {
                    match self.short.get(at) {
                        Some(&known) if known == key => break true,
                        Some(0) | None => break false,
                        Some(_) => at = (at + 1) & mask,
                    }
                }
            }
            None => self.long.binary_search_by(|known| (**known).cmp(code)).is_ok(),
        };
        found || self.open.iter().any(|head| code.starts_with(head.as_bytes()))
    }

    /// Whether another version of the standard has the code.
    pub(super) fn is_elsewhere(&self, code: &[u8]) -> bool {
        let code = std::str::from_utf8(code).unwrap_or("");
        tables::table(self.id).is_some_and(|table| table.code(code).is_some())
    }
}

/// A code of up to eight bytes as a number; none for longer and empty ones.
fn pack(code: &[u8]) -> Option<u64> {
    if code.is_empty() || code.len() > 8 {
        return None;
    }
    // Words that overlap say the same where they do: copying a few bytes would be a call.
    let key = match (code.first_chunk::<4>(), code.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|word| u64::from(u32::from_le_bytes(*word)));
            first | last << (8 * (code.len() - 4))
        }
        _ => code.iter().rev().fold(0, |key, byte| key << 8 | u64::from(*byte)),
    };
    (key != 0).then_some(key)
}

fn spread(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_compiles() {
        for version in tables::versions() {
            let schema = Schema::new(version, &Site::NONE);
            assert_eq!(schema.segments.len(), version.segments().count());
            for (id, def) in version.segments() {
                let at = schema.find(SegmentId::new(id.as_bytes()).unwrap()).unwrap();
                let segment = &schema.segments[at];
                assert_eq!(segment.count as usize, def.fields.len(), "{id}");
                assert!(def.fields.len() <= 128, "{id}: the masks of fields are too small");
            }
            assert!(schema.find(SegmentId::new(b"ZZZ").unwrap()).is_none());
            assert!(schema.types.iter().all(|of| of.count > 0 && of.count <= 64));
        }
    }

    #[test]
    fn codes_of_versions() {
        let check = |id: &'static str, version: &str, good: &[&str], bad: &[&str]| {
            let (version, _) = tables::version(version);
            let codes = Codes::new(id, version, &Site::NONE).unwrap();
            for code in good {
                assert!(codes.has(code.as_bytes()), "{id} {code}");
            }
            for code in bad {
                assert!(!codes.has(code.as_bytes()), "{id} {code}");
            }
        };
        check("0001", "2.5.1", &["F", "M", "A"], &["", "X", "FF", "a-very-long-code"]);
        check("0001", "2.3", &["F", "M"], &["A"]);
        check("0076", "2.5.1", &["ADT", "ORU"], &["ZZZ"]);
        check("0354", "2.5.1", &["ADT_A01", "ORU_R01"], &["ADT_A99", "ADT_A01X"]);
        check("0125", "2.5.1", &["NM", "CWE"], &["XX"]);
        let (version, _) = tables::version("2.5.1");
        assert!(Codes::new("0010", version, &Site::NONE).is_none());
        let (older, _) = tables::version("2.3");
        let codes = Codes::new("0001", older, &Site::NONE).unwrap();
        assert!(codes.is_elsewhere(b"A") && !codes.is_elsewhere(b"Q"));
        check("0396", "2.5.1", &["LN", "L", "99LAB", "HL70001"], &["X", "HL6"]);
    }
}
