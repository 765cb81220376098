//! Compiles the HL7 v2 schemas of all versions into one file, `standard.bin`.
//!
//! Definitions that versions share are written once. The form is read by
//! `src/hl7v2/tables/decode.rs`, which describes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

const VERSIONS: [&str; 13] = [
    "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1",
    "2.8.2",
];
/// The file the tables are committed as.
pub const OUT: &str = "src/hl7v2/tables/standard.bin";

/// Records of one kind, each written once and numbered in order of first use.
#[derive(Default)]
struct Pool {
    numbers: BTreeMap<Vec<u8>, usize>,
    records: Vec<Vec<u8>>,
}

impl Pool {
    fn number(&mut self, record: Vec<u8>) -> usize {
        let next = self.records.len();
        *self.numbers.entry(record).or_insert_with_key(|record| {
            self.records.push(record.clone());
            next
        })
    }
}

#[derive(Default)]
struct Pools {
    strings: Pool,
    fields: Pool,
    components: Pool,
    segments: Pool,
    datatypes: Pool,
    structures: Pool,
}

/// The bytes of the tables, from the schemas in a folder. The same input gives the same bytes.
pub fn make(schema: &Path) -> std::io::Result<Vec<u8>> {
    let mut pools = Pools::default();
    pools.string("");
    let mut versions = Vec::new();
    for version in VERSIONS {
        let read = read(&schema.join(format!("v{version}.json")))?;
        versions.push(pools.version(version, &read).map_err(std::io::Error::other)?);
    }
    let tables = read(&schema.join("tables.json"))?;
    let tables = pools.tables(&tables).map_err(std::io::Error::other)?;
    let mut out = b"weirv2\x00\x01".to_vec();
    let all = [
        pools.strings,
        pools.fields,
        pools.components,
        pools.segments,
        pools.datatypes,
        pools.structures,
    ];
    for (i, pool) in all.iter().enumerate() {
        number(&mut out, pool.records.len());
        for record in &pool.records {
            if i == 0 {
                number(&mut out, record.len());
            }
            out.extend_from_slice(record);
        }
    }
    number(&mut out, versions.len());
    for version in &versions {
        number(&mut out, version.len());
        out.extend_from_slice(version);
    }
    out.extend_from_slice(&tables);
    Ok(out)
}

fn read(path: &Path) -> std::io::Result<Value> {
    let text = std::fs::read(path)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Seven bits a byte, lowest first.
fn number(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn map<'a>(value: &'a Value, key: &str) -> Result<&'a Map<String, Value>, String> {
    value.get(key).and_then(Value::as_object).ok_or_else(|| format!("`{key}` is missing"))
}

/// A text as it was meant: some were UTF-8 and read as Latin-1 on their way (`LOINCÂ®`), some
/// keep the doubled quotes of the table they were copied from, and blanks that do not break.
fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // The two bytes of a character below U+0800, each read as one character.
        let second = chars.peek().copied().filter(|c| ('\u{80}'..='\u{bf}').contains(c));
        let c = match (c, second) {
            ('\u{c2}'..='\u{df}', Some(second)) => {
                chars.next();
                let code = (u32::from(c) & 0x1f) << 6 | u32::from(second) & 0x3f;
                char::from_u32(code).unwrap_or(c)
            }
            _ => c,
        };
        out.push(if c == '\u{a0}' { ' ' } else { c });
    }
    if out.contains("\"\"") {
        out = out.replace("\"\"", "\"");
        if out.matches('"').count() % 2 == 1 && out.ends_with('"') {
            out.pop();
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by_key(|(key, _)| key.as_str());
    all
}

impl Pools {
    fn string(&mut self, text: &str) -> usize {
        self.strings.number(text.as_bytes().to_vec())
    }

    fn put_string(&mut self, out: &mut Vec<u8>, text: Option<&Value>) {
        let text = text.and_then(Value::as_str).unwrap_or("");
        let n = self.string(&mended(text));
        number(out, n);
    }

    fn version(&mut self, name: &str, read: &Value) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let n = self.string(name);
        number(&mut out, n);
        let segments = sorted(map(read, "segments")?);
        number(&mut out, segments.len());
        for (id, segment) in segments {
            let record = self.segment(segment)?;
            let (id, n) = (self.string(id), self.segments.number(record));
            number(&mut out, id);
            number(&mut out, n);
        }
        let datatypes = sorted(map(read, "datatypes")?);
        number(&mut out, datatypes.len());
        for (id, datatype) in datatypes {
            let record = self.datatype(datatype);
            let (id, n) = (self.string(id), self.datatypes.number(record));
            number(&mut out, id);
            number(&mut out, n);
        }
        let structures = sorted(map(read, "messages")?);
        number(&mut out, structures.len());
        for (id, nodes) in structures {
            let mut record = Vec::new();
            self.nodes(&mut record, nodes)?;
            let (id, n) = (self.string(id), self.structures.number(record));
            number(&mut out, id);
            number(&mut out, n);
        }
        let events = sorted(map(read, "events")?);
        number(&mut out, events.len());
        for (event, structure) in events {
            let id = self.string(event);
            number(&mut out, id);
            self.put_string(&mut out, Some(structure));
        }
        Ok(out)
    }

    fn segment(&mut self, segment: &Value) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        self.put_string(&mut out, segment.get("name"));
        self.put_string(&mut out, segment.get("withdrawn"));
        let fields = segment.get("fields").and_then(Value::as_array).ok_or("no fields")?;
        number(&mut out, fields.len());
        for field in fields {
            // Number 0 stands for a position without a definition.
            let n = if field.is_null() { 0 } else { self.field(field) + 1 };
            number(&mut out, n);
        }
        Ok(out)
    }

    fn field(&mut self, field: &Value) -> usize {
        let mut out = Vec::new();
        self.put_string(&mut out, field.get(0));
        self.put_string(&mut out, field.get(1));
        self.put_string(&mut out, field.get(2));
        put(&mut out, field.get(3), false);
        put(&mut out, field.get(4), true);
        self.put_string(&mut out, field.get(5));
        put(&mut out, field.get(6), true);
        self.fields.number(out)
    }

    fn datatype(&mut self, datatype: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        self.put_string(&mut out, datatype.get("name"));
        self.put_string(&mut out, datatype.get("withdrawn"));
        let components = datatype.get("components").and_then(Value::as_array);
        let components = components.map(Vec::as_slice).unwrap_or_default();
        number(&mut out, components.len());
        for component in components {
            let mut record = Vec::new();
            self.put_string(&mut record, component.get(0));
            self.put_string(&mut record, component.get(1));
            self.put_string(&mut record, component.get(2));
            put(&mut record, component.get(3), true);
            self.put_string(&mut record, component.get(4));
            let n = self.components.number(record);
            number(&mut out, n);
        }
        out
    }

    /// Children in order: their count, then each with its own children, depth first.
    fn nodes(&mut self, out: &mut Vec<u8>, nodes: &Value) -> Result<(), String> {
        let nodes = nodes.as_array().ok_or("a structure is not a list")?;
        number(out, nodes.len());
        for node in nodes {
            let kind = match (node.get(3), node.get(4)) {
                (None, _) => 0,
                (Some(_), None) => 1,
                (Some(_), Some(_)) => 2,
            };
            number(out, kind);
            self.put_string(out, node.get(0));
            put(out, node.get(1), false);
            put(out, node.get(2), false);
            if let Some(children) = node.get(3) {
                self.nodes(out, children)?;
            }
        }
        Ok(())
    }

    fn tables(&mut self, read: &Value) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let tables = sorted(map(read, "tables")?);
        number(&mut out, tables.len());
        // Codes come after all strings, so their texts stand in place.
        for (id, table) in tables {
            text(&mut out, id);
            text(&mut out, &mended(table.get("name").and_then(Value::as_str).unwrap_or("")));
            text(&mut out, table.get("type").and_then(Value::as_str).unwrap_or(""));
            text(&mut out, table.get("oid").and_then(Value::as_str).unwrap_or(""));
            // Codes that differ only in how they were written down are one, in all its versions.
            let mut codes: BTreeMap<String, (String, u64)> = BTreeMap::new();
            for (code, facts) in sorted(map(table, "codes")?) {
                let display = mended(facts.get(0).and_then(Value::as_str).unwrap_or(""));
                let one = codes.entry(mended(code)).or_default();
                if one.0.is_empty() {
                    one.0 = display;
                }
                one.1 |= facts.get(1).and_then(Value::as_u64).unwrap_or(0);
            }
            codes.retain(|code, _| !code.is_empty());
            number(&mut out, codes.len());
            for (code, (display, versions)) in codes {
                text(&mut out, &code);
                text(&mut out, &display);
                number(&mut out, versions as usize);
            }
        }
        Ok(out)
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// A number; where it may be missing, 0 stands for that and all others are one higher.
fn put(out: &mut Vec<u8>, value: Option<&Value>, optional: bool) {
    let n = value.and_then(Value::as_u64).map(|n| n as usize);
    number(out, if optional { n.map_or(0, |n| n + 1) } else { n.unwrap_or(0) });
}
