//! Identifiers, authorities, organizations and places.

use std::borrow::Cow;

use super::super::arena::{At, Leaf};
use super::super::datum::Datum;
use super::coded::wrap;
use super::{Given, Made, Make, systems};
use crate::fhir::tables::Primitive;

/// Where the parts of an identifier stand in a type.
#[derive(Clone, Copy)]
struct Places {
    value: usize,
    /// An HD of its own, as in CX.4.
    authority: Option<usize>,
    /// Or namespace, universal ID and its type laid out from here, as in EI.2.
    spread: Option<usize>,
    kind: Option<usize>,
    period: Option<(usize, usize)>,
}

const CX: Places =
    Places { value: 1, authority: Some(4), spread: None, kind: Some(5), period: Some((7, 8)) };
const EI: Places = Places { value: 1, authority: None, spread: Some(2), kind: None, period: None };
const XCN: Places =
    Places { value: 1, authority: Some(9), spread: None, kind: Some(13), period: None };
const XON: Places =
    Places { value: 10, authority: Some(6), spread: None, kind: Some(7), period: None };
/// XON before version 2.7 kept the number in the third component.
const XON_OLD: Places = Places { value: 3, ..XON };

fn identifier<'r>(make: &mut Make<'r>, given: &Given<'r>, places: Places) -> Made {
    let Some(value) = make.part(given, places.value) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    if let Some(kind) = places.kind.and_then(|n| make.part(given, n)) {
        kind_of(make, object, kind);
    }
    let authority = match (places.authority, places.spread) {
        (Some(n), _) => given.below(n).map(|hd| Authority::read(make, &hd, 1)),
        (None, Some(n)) => Some(Authority::read(make, given, n)),
        (None, None) => None,
    };
    let authority = authority.unwrap_or_default();
    if let Some((uri, from)) = authority.uri {
        make.used.mark(from.range());
        let node = make.arena.say(object, "system", uri);
        make.arena.came_from(node, from.range());
    }
    if !make.member(object, "value", Primitive::String, Some(value)) {
        make.arena.forget(mark);
        return Ok(None);
    }
    if let Some((start, end)) = places.period {
        let (start, end) = (make.part(given, start), make.part(given, end));
        if let Some(period) = make.period(start, end)? {
            make.arena.attach(object, "period", period);
        }
    }
    if let Some(name) = authority.name {
        let assigner = make.arena.object();
        if make.member(assigner, "display", Primitive::String, Some(name)) {
            make.arena.attach(object, "assigner", assigner);
        }
    }
    Ok(Some(object))
}

/// `Identifier.type` of table 0203.
fn kind_of<'r>(make: &mut Make<'r>, object: At, kind: Datum<'r>) {
    let concept = make.arena.object();
    let coding = make.arena.object();
    make.arena.say(coding, "system", "http://terminology.hl7.org/CodeSystem/v2-0203");
    if make.member(coding, "code", Primitive::Code, Some(kind)) {
        make.arena.push(concept, "coding", coding);
        make.arena.attach(object, "type", concept);
    }
}

/// An assigning authority: what FHIR can name by a URI, and what only has a name.
#[derive(Default)]
struct Authority<'r> {
    uri: Option<(Cow<'static, str>, Datum<'r>)>,
    name: Option<Datum<'r>>,
}

impl<'r> Authority<'r> {
    /// Reads namespace, universal ID and type from three parts starting at `from`.
    fn read(make: &mut Make<'r>, given: &Given<'r>, from: usize) -> Self {
        let name = make.part(given, from);
        let universal = make.part(given, from + 1);
        let kind = make.part(given, from + 2);
        let uri = universal.and_then(|universal| {
            let text = universal.text();
            let kind_text = kind.map(|k| k.text()).unwrap_or_default();
            Some((universal_uri(text.trim(), kind_text.trim())?, universal))
        });
        if let (Some(_), Some(kind)) = (&uri, kind) {
            make.used.mark(kind.range());
        }
        Self { uri, name }
    }
}

/// The URI of a universal ID and its type.
///
/// Source: HL7 table 0301; FHIR R4 identifier-registry.html.
fn universal_uri(id: &str, kind: &str) -> Option<Cow<'static, str>> {
    let upper = kind.to_ascii_uppercase();
    match upper.as_str() {
        "ISO" | "OID" => systems::of_oid(id).map(Cow::Owned),
        "UUID" | "GUID" => {
            systems::is_uuid(id).then(|| format!("urn:uuid:{}", id.to_ascii_lowercase()).into())
        }
        "URI" | "URL" => systems::is_uri(id).then(|| id.to_owned().into()),
        // Without a type, or with a wrong one, the form tells.
        _ => systems::of_oid(id)
            .map(Cow::Owned)
            .or_else(|| systems::is_uri(id).then(|| id.to_owned().into())),
    }
}

pub(super) fn of_cx<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    identifier(make, given, CX)
}

pub(super) fn of_ei<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    identifier(make, given, EI)
}

/// EIP: the placer's, else the filler's.
pub(super) fn of_eip<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    for n in [1, 2] {
        if let Some(inner) = given.below(n)
            && let Some(made) = identifier(make, &inner, EI)?
        {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

pub(super) fn of_xcn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    identifier(make, given, XCN)
}

pub(super) fn of_xon<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    match identifier(make, given, XON)? {
        Some(made) => Ok(Some(made)),
        None => identifier(make, given, XON_OLD),
    }
}

/// HD: its universal ID within its own system, else its namespace.
pub(super) fn of_hd<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let authority = Authority::read(make, given, 1);
    let mark = make.arena.mark();
    let object = make.arena.object();
    if let Some((uri, from)) = authority.uri {
        make.used.mark(from.range());
        make.arena.say(object, "system", "urn:ietf:rfc:3986");
        let node = make.arena.say(object, "value", uri);
        make.arena.came_from(node, from.range());
        return Ok(Some(object));
    }
    let made = make.member(object, "value", Primitive::String, authority.name);
    make.finish(mark, object, made)
}

/// The number alone.
pub(super) fn of_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    match super::scalar::string(make, given)? {
        Some(node) => {
            make.arena.attach(object, "value", node);
            Ok(Some(object))
        }
        None => make.finish(mark, object, false),
    }
}

pub(super) fn uri_of_hd<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let authority = Authority::read(make, given, 1);
    let Some((uri, from)) = authority.uri else {
        return if authority.name.is_some() { Err("no universal ID") } else { Ok(None) };
    };
    make.used.mark(from.range());
    let node = make.arena.add(Leaf::Text(uri));
    make.arena.came_from(node, from.range());
    Ok(Some(node))
}

/// A reference by identifier, with the name where there is one.
fn referring<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    identifier: fn(&mut Make<'r>, &Given<'r>) -> Made,
    display: Option<usize>,
) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let mut made = false;
    if let Some(node) = identifier(make, given)? {
        make.arena.attach(object, "identifier", node);
        made = true;
    }
    if let Some(n) = display {
        made |= make.string(object, "display", given, n);
    }
    make.finish(mark, object, made)
}

pub(super) fn reference<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    referring(make, given, of_ei, None)
}

pub(super) fn reference_of_xon<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    referring(make, given, of_xon, Some(1))
}

pub(super) fn reference_of_hd<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    referring(
        make,
        given,
        |make, given| {
            // A name alone is no identifier.
            if make.part(given, 2).is_some() { of_hd(make, given) } else { Ok(None) }
        },
        Some(1),
    )
}

pub(super) fn reference_of_pl<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    wrap(make, given, "display", text_of_pl)
}

pub(super) fn reference_by_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    wrap(make, given, "display", super::scalar::string)
}

/// PL as people say it: point of care, room, bed, then floor, building and facility.
pub(super) fn text_of_pl<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mut words = Vec::new();
    for n in [1, 2, 3, 8, 7, 4] {
        words.extend(make.part_text(given, n));
    }
    if words.is_empty() {
        words.extend(make.part_text(given, 9));
    }
    joined(make, given, &words, " ")
}

/// PL as an identifier: the comprehensive one of 2.5 and later, else its places joined.
pub(super) fn of_pl<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    if let Some(inner) = given.below(10)
        && let Some(made) = identifier(make, &inner, EI)?
    {
        return Ok(Some(made));
    }
    let mut words = Vec::new();
    for n in [1, 2, 3] {
        words.extend(make.part_text(given, n));
    }
    let mark = make.arena.mark();
    let object = make.arena.object();
    match joined(make, given, &words, "-")? {
        Some(node) => {
            make.arena.attach(object, "value", node);
            if let Some(hd) = given.below(4)
                && let Some(name) = make.part(&hd, 1)
            {
                let assigner = make.arena.object();
                if make.member(assigner, "display", Primitive::String, Some(name)) {
                    make.arena.attach(object, "assigner", assigner);
                }
            }
            Ok(Some(object))
        }
        None => make.finish(mark, object, false),
    }
}

/// A string of words, said to come from the whole.
pub(super) fn joined<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    words: &[Cow<'r, str>],
    separator: &str,
) -> Made {
    if words.is_empty() {
        return Ok(None);
    }
    let from = match given {
        Given::Value { value, .. } => Some(*value),
        Given::Text(_) => None,
    };
    make.scalar(Primitive::String, words.join(separator).into(), from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_become_uris_only_when_they_are_ones() {
        let check = |id: &str, kind: &str, expected: Option<&str>| {
            assert_eq!(universal_uri(id, kind).as_deref(), expected, "{id} {kind}");
        };
        check("1.2.3", "ISO", Some("urn:oid:1.2.3"));
        check("1.2.3", "", Some("urn:oid:1.2.3"));
        check("abc", "ISO", None);
        check("http://a.org", "URI", Some("http://a.org"));
        check("not a uri", "URI", None);
        check("lab.example.org", "DNS", None);
        let uuid = "5C1B9B4E-6F4B-4C8E-8E0D-0F7C2F0A1B2C";
        check(uuid, "UUID", Some("urn:uuid:5c1b9b4e-6f4b-4c8e-8e0d-0f7c2f0a1b2c"));
    }
}
