//! New messages from a structure: every segment and field that a version requires, filled
//! with plain values of the right form.
//!
//! Serves tests, samples and mappings that make v2: what comes out is valid by the tables,
//! and means nothing. The values are the same each time.

use bytes::Bytes;

use super::message::Message;
use super::tables::{self, NodeKind, Site, StructureDef, Usage, Version};
use crate::fault::codes::W2120;
use crate::fault::{Fault, Place};

/// How much of a structure is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What has to be there.
    Required,
    /// Each segment of the structure once, with every field that may be used.
    Full,
}

/// How many times a structure that holds itself is followed: none of the standard does.
const DEPTH_MAX: usize = 16;

/// Builds a message of a structure, such as `ADT_A01`.
///
/// # Errors
/// `W2120` when the version has no such structure.
pub fn build(version: &'static Version, structure: &str, extent: Extent) -> Result<Message, Fault> {
    let Some(def) = version.structure(structure) else {
        return Err(Fault::new(W2120).at(Place::path("MSH-9.3")));
    };
    let named = version.events().find(|(_, of)| *of == structure);
    let (code, event) = match named {
        Some((event, _)) => event.split_once('_').unwrap_or((event, "")),
        None => structure.split_once('_').unwrap_or((structure, "")),
    };
    let maker = Maker { version, extent, code, event, structure };
    let mut out = String::new();
    maker.node(def, 0, &mut out, 0);
    Message::parse(Bytes::from(out))
}

/// One segment, without terminator, in the standard delimiters. Empty where neither the
/// version nor the site has it.
#[must_use]
pub fn segment(version: &'static Version, site: &Site, id: &str, extent: Extent) -> String {
    let maker = Maker { version, extent, code: "ACK", event: "", structure: "ACK" };
    maker.segment(site, id)
}

struct Maker<'a> {
    version: &'static Version,
    extent: Extent,
    code: &'a str,
    event: &'a str,
    structure: &'a str,
}

impl Maker<'_> {
    /// Writes what stands below a node.
    fn node(&self, def: &StructureDef, at: usize, out: &mut String, depth: usize) {
        let Some(node) = def.nodes.get(at).filter(|_| depth < DEPTH_MAX) else { return };
        if node.kind == NodeKind::Segment {
            // `Hxx` and the like stand for any segment.
            let id = if self.version.segment(node.name).is_some() { node.name } else { "NTE" };
            out.push_str(&self.segment(&Site::NONE, id));
            out.push('\r');
            return;
        }
        for (nth, child) in node.children.iter().enumerate() {
            let is_wanted = match node.kind {
                NodeKind::Choice => nth == 0,
                NodeKind::Segment | NodeKind::Group => {
                    let min = def.nodes.get(usize::from(*child)).map_or(0, |child| child.min);
                    min > 0 || self.extent == Extent::Full
                }
            };
            if is_wanted {
                self.node(def, usize::from(*child), out, depth + 1);
            }
        }
    }

    fn segment(&self, site: &Site, id: &str) -> String {
        let Some(def) = site.segment(self.version, id) else { return String::new() };
        let mut fields: Vec<String> = Vec::with_capacity(def.fields.len());
        for (at, field) in def.fields.iter().enumerate() {
            let n = at + 1;
            let wanted = field.filter(|field| match field.usage {
                Usage::Required => true,
                Usage::Optional | Usage::Conditional => self.extent == Extent::Full,
                Usage::Backward | Usage::Withdrawn => false,
            });
            let Some(field) = wanted.or_else(|| field.filter(|_| is_related(id, n))) else {
                fields.push(String::new());
                continue;
            };
            let limit = field.length.map_or(usize::MAX, |length| length as usize);
            let own = self.own(id, n, field.datatype);
            fields.push(own.unwrap_or_else(|| self.value(field.datatype, field.table, limit, 0)));
        }
        if id == "MSH" {
            // MSH-1 is the separator itself.
            fields.drain(..1.min(fields.len()));
        }
        while fields.last().is_some_and(String::is_empty) {
            fields.pop();
        }
        format!("{id}|{}", fields.join("|"))
    }

    /// Fields whose value is known from the message, or from another field.
    fn own(&self, id: &str, n: usize, datatype: &str) -> Option<String> {
        let text = match (id, n) {
            ("MSH", 2) => "^~\\&",
            ("MSH", 9) => {
                let parts = self.version.datatype(datatype).map_or(1, |of| of.components.len());
                // A structure without an event, such as ACK, goes with any.
                let event = if self.event.is_empty() { "A01" } else { self.event };
                let all = [self.code, event, self.structure];
                let wanted = if self.event.is_empty() && parts < 3 { 1 } else { parts.clamp(1, 3) };
                return Some(all.get(..wanted)?.join("^"));
            }
            ("MSH", 10) => "1",
            ("MSH", 11) => "P",
            ("MSH", 12) => self.version.name,
            ("EVN", 1) if !self.event.is_empty() => self.event,
            ("OBX", 2) => "ST",
            ("OBX", 5) => "X",
            ("PID", 30) => "Y",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// A value of a type: its required parts, all parts, or the first.
    fn value(&self, datatype: &str, table: &str, limit: usize, depth: usize) -> String {
        let composite =
            self.version.datatype(datatype).filter(|of| !of.components.is_empty() && depth < 2);
        let Some(of) = composite else {
            return self.plain(datatype, table, limit);
        };
        let is_coded = matches!(datatype, "CE" | "CWE" | "CNE" | "CF");
        let has_required = of.components.iter().any(|part| part.usage == Usage::Required);
        let make = |extent: Extent| -> String {
            let mut parts: Vec<String> = Vec::new();
            for (at, part) in of.components.iter().enumerate() {
                let is_usable = !matches!(part.usage, Usage::Withdrawn | Usage::Backward);
                let wanted = part.usage == Usage::Required
                    || (extent == Extent::Full && is_usable)
                    || (at == 0 && (!has_required || is_coded));
                let table =
                    if at == 0 && is_coded && !table.is_empty() { table } else { part.table };
                let limit = part.length.map_or(usize::MAX, |length| length as usize).min(limit);
                let datatype = match (datatype, at) {
                    ("TS", 0) => "DTM",
                    _ if at == 0 && is_coded => "ID",
                    _ => part.datatype,
                };
                let value = || self.value(datatype, table, limit, depth + 1);
                parts.push(if wanted { value() } else { String::new() });
            }
            while parts.last().is_some_and(String::is_empty) {
                parts.pop();
            }
            parts.join(if depth == 0 { "^" } else { "&" })
        };
        let full = make(self.extent);
        if full.len() <= limit { full } else { make(Extent::Required) }
    }

    /// A primitive value, as short as the limit wants.
    fn plain(&self, datatype: &str, table: &str, limit: usize) -> String {
        let text = match datatype {
            "ID" | "IS" => return self.code(table, limit),
            "NM" | "SI" | "SNM" => "1",
            "DT" if limit >= 8 => "20260102",
            "DT" => "2026",
            "TM" if limit >= 4 => "0304",
            "TM" => "03",
            "DTM" | "TS" if limit >= 12 => "202601020304",
            "DTM" | "TS" if limit >= 8 => "20260102",
            "DTM" | "TS" => "2026",
            // Too deep to be divided: the form of its first part.
            _ => match self.version.datatype(datatype).and_then(|of| of.components.first()) {
                Some(first) if first.datatype != datatype => {
                    let inner = if datatype == "TS" { "DTM" } else { first.datatype };
                    return self.plain(inner, first.table, limit);
                }
                _ => "X",
            },
        };
        text.to_owned()
    }

    /// The first code of a table in this version that fits.
    fn code(&self, table: &str, limit: usize) -> String {
        let ordinal = self.version.ordinal();
        let plain = |code: &&str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
            code.len() <= limit && code.bytes().all(good) && !code.contains("..")
        };
        let codes = tables::table(table).into_iter().flat_map(|table| table.codes());
        let mut known = codes
            .filter(|def| def.is_in_ordinal(ordinal) && !def.code.contains(['.', '\u{2026}']))
            .map(|def| def.code);
        // Where no code of the table fits the length of the field, nothing is right.
        let is_open = known.clone().next().is_none();
        known.find(plain).unwrap_or(if is_open { "X" } else { "" }).to_owned()
    }
}

/// Fields that go without saying: those that rules between fields ask for.
fn is_related(id: &str, n: usize) -> bool {
    matches!((id, n), ("MSH", 9..=12) | ("OBR" | "ORC", 3) | ("SCH", 1) | ("OBX", 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimal_admission() {
        let (version, _) = tables::version("2.5.1");
        let message = build(version, "ADT_A01", Extent::Required).unwrap();
        let text = String::from_utf8(message.bytes().to_vec()).unwrap().replace('\r', "\n");
        insta::assert_snapshot!(text, @r"
        MSH|^~\&|||||202601020304||ADT^A01^ADT_A01|1|P|2.5.1
        EVN||202601020304
        PID|||X||X
        PV1||B
        ");
        assert!(build(version, "XYZ", Extent::Required).is_err());
    }
}
