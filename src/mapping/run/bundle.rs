//! The transaction bundle.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::arena::At;
use super::super::datum::Input;
use super::super::lineage::Leaf;
use super::super::program::{Rule, Write};
use super::Run;
use crate::base::Phi;
use crate::fault::{Fault, codes as w};
use crate::fhir::Sink;

/// The system of identifiers that are URIs themselves.
const URIS: &str = "urn:ietf:rfc:3986";

impl<'r> Run<'r> {
    /// Writes every resource; gives the number of values and, when lineage is asked for,
    /// the leaves.
    pub(super) fn bundle<S: Sink>(&mut self, out: &mut S) -> (usize, Vec<Leaf>) {
        let mut values = 0;
        let mut leaves = Vec::new();
        let mut counts: HashMap<&'static str, usize> = HashMap::new();
        out.start_object();
        out.member("resourceType", "Bundle");
        out.member("type", "transaction");
        out.name("entry");
        out.start_array();
        let mut made = 0;
        for at in 0..self.instances.len() {
            let Some(instance) = self.instances.get(at).copied() else { continue };
            let Some(rule) = self.program.rules.get(usize::from(instance.rule)) else { continue };
            if instance.merged {
                continue;
            }
            self.make.arena.clear();
            self.trace.lines.clear();
            self.trace.rows.clear();
            let root = self.make.arena.object();
            self.make.arena.say(root, "resourceType", rule.make);
            let here = self.here(&instance);
            self.object(&rule.object, root, &here);
            made += 1;
            let mut url = [0; uuid::fmt::Urn::LENGTH];
            out.start_object();
            out.member("fullUrl", instance.id.urn().encode_lower(&mut url));
            out.name("resource");
            if self.trace.on {
                let nth = counts.entry(rule.make).or_default();
                let name = format!("{}[{nth}]", rule.make);
                *nth += 1;
                let mut see = |path: &str, node: At| {
                    leaves.extend(self.leaf(&name, path, node));
                };
                values += self.make.arena.write(root, out, &mut Some(&mut see));
            } else {
                values += self.make.arena.write(root, out, &mut None);
            }
            self.request(rule, root, out);
            out.end_object();
        }
        out.end_array();
        out.end_object();
        if made == 0 {
            self.warn(Fault::new(w::W4106));
        }
        // The name of the type is not a value.
        (values - made.min(values), leaves)
    }

    /// What lineage keeps of a leaf.
    fn leaf(&self, resource: &str, path: &str, node: At) -> Option<Leaf> {
        if path == "resourceType" {
            return None;
        }
        let before = self.trace.lines.partition_point(|(at, _)| at.index() <= node.index());
        let line = before.checked_sub(1).and_then(|at| self.trace.lines.get(at)).map(|l| l.1);
        let row = self.trace.rows.iter().find(|(at, ..)| *at == node);
        Some(Leaf {
            target: format!("{resource}.{path}"),
            range: self.make.arena.origin(node).map(|origin| origin.range.clone()),
            value: Phi::new(self.make.arena.text(node).unwrap_or_default().to_owned()),
            line: line.filter(|line| *line != u32::MAX),
            row: row.map(|(_, map, line)| (*map, *line)),
        })
    }

    fn request<S: Sink>(&self, rule: &Rule, root: At, out: &mut S) {
        let search = match rule.write {
            Write::Create => None,
            Write::CreateIfNone | Write::Update => self.identifier(root),
        };
        out.name("request");
        out.start_object();
        match (rule.write, search) {
            (Write::Update, Some(search)) => {
                out.member("method", "PUT");
                let url = [rule.make, "?", &search].concat();
                out.member("url", &url);
            }
            (Write::CreateIfNone, Some(search)) => {
                out.member("method", "POST");
                out.member("url", rule.make);
                out.member("ifNoneExist", &search);
            }
            _ => {
                out.member("method", "POST");
                out.member("url", rule.make);
            }
        }
        out.end_object();
    }

    /// The search for a resource's identifier: the first with a system, else the first.
    ///
    /// An OID alone, as documents have it, is none to search by: senders write the root of
    /// a kind of numbers where the number itself is missing, and different people became one.
    fn identifier(&self, root: At) -> Option<String> {
        let arena = &self.make.arena;
        let member = arena.get(root, "identifier")?;
        let of = |at: At| {
            let text = |name| arena.get(at, name).and_then(|node| arena.text(node));
            Some((text("system"), text("value")?))
        };
        let is_document = matches!(self.input, Input::Cda(_));
        let names_one = move |(system, value): &(Option<&str>, &str)| {
            !(is_document && *system == Some(URIS) && value.starts_with("urn:oid:"))
        };
        // An identifier that is no list stands for itself.
        let all = || arena.children(member).filter_map(of).chain(of(member)).filter(names_one);
        let (system, value) =
            all().find(|(system, _)| system.is_some()).or_else(|| all().next())?;
        let mut search = String::with_capacity(96);
        search.push_str("identifier=");
        // Without a system the bar stays: the identifier of ours, not one of any system.
        escape(system.unwrap_or_default(), &mut search);
        search.push('|');
        escape(value, &mut search);
        Some(search)
    }
}

/// Escapes what a search value may not hold as such.
///
/// Source: FHIR R4 search.html#escaping; RFC 3986 §2.1.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b',' | b'|' | b'$' | b'\\' => {
                let _ = write!(out, "%5C%{byte:02X}");
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_escaped() {
        let check = |text: &str, expected: &str| {
            let mut out = String::new();
            escape(text, &mut out);
            assert_eq!(out, expected);
        };
        check("urn:oid:1.2", "urn:oid:1.2");
        check("a b&c=d", "a%20b%26c%3Dd");
        check("a|b,c", "a%5C%7Cb%5C%2Cc");
        check("é", "%C3%A9");
    }
}
