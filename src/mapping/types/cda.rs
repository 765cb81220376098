//! Data types of CDA to those of FHIR.
//!
//! What is one text (TS, ST, INT, BL and attributes) goes the way of the texts of v2; here is
//! what has parts.
//!
//! Source: HL7 v3 data types R1; FHIR R4 datatypes.html; C-CDA on FHIR, data type maps.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::arena::{At, Leaf};
use super::super::datum::{Datum, is_null_identifier, said};
use super::interval::period;
use super::time::Wrong;
use super::{Given, Made, Make, narrative, systems};
use crate::cda::{Element, Found};
use crate::fault::codes;
use crate::fhir::tables::Primitive;

/// The element of what is given.
pub(super) fn element<'r>(given: &Given<'r>) -> Option<Element<'r>> {
    match given {
        Given::Value { value, .. } => value.element(),
        Given::Text(_) => None,
    }
}

/// An attribute that has a value.
pub(super) fn attribute<'r>(element: Element<'r>, name: &str) -> Option<Datum<'r>> {
    element.found_attribute(name).map(Datum::Cda).filter(|value| !value.is_empty())
}

/// A child that has a value.
pub(super) fn child<'r>(element: Element<'r>, name: &str) -> Option<Element<'r>> {
    let has = |child: &Element<'r>| !Datum::Cda(Found::Element(*child)).is_null();
    element.children().find(|child| child.name() == name && has(child))
}

/// Children of a name that have values.
fn children<'r>(
    element: Element<'r>,
    name: &'static str,
) -> impl Iterator<Item = Element<'r>> + use<'r> {
    element
        .children()
        .filter(move |child| child.name() == name && !Datum::Cda(Found::Element(*child)).is_null())
}

pub(super) fn whole(element: Element<'_>) -> Datum<'_> {
    Datum::Cda(Found::Element(element))
}

/// Why there is no value, in words of FHIR.
///
/// Source: FHIR R4 cm-data-absent-reason-v3; HL7 v3 NullFlavor.
pub(crate) fn absence(flavor: Option<&str>) -> &'static str {
    match flavor.unwrap_or_default() {
        "ASKU" => "asked-unknown",
        "NAV" => "temp-unknown",
        "NASK" => "not-asked",
        "MSK" => "masked",
        "NA" => "not-applicable",
        "OTH" => "unsupported",
        "NINF" => "negative-infinity",
        "PINF" => "positive-infinity",
        "NP" => "not-permitted",
        _ => "unknown",
    }
}

/// The URI of an identifier's root: of an OID or a UUID; none of anything else.
fn root_uri(root: &str) -> Option<Cow<'static, str>> {
    match root.trim() {
        "2.16.840.1.113883.4.1" => Some("http://hl7.org/fhir/sid/us-ssn".into()),
        "2.16.840.1.113883.4.6" => Some("http://hl7.org/fhir/sid/us-npi".into()),
        root => urn(root),
    }
}

fn urn(root: &str) -> Option<Cow<'static, str>> {
    if systems::is_uuid(root) {
        return Some(format!("urn:uuid:{}", root.to_ascii_lowercase()).into());
    }
    systems::of_oid(root).map(Cow::Owned)
}

const NO_ROOT: Wrong = "its root is neither an OID nor a UUID";

/// II to `Identifier`.
pub(super) fn identifier<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given).filter(|element| !is_null_identifier(*element)) else {
        return Ok(None);
    };
    let (root, extension) = (attribute(element, "root"), attribute(element, "extension"));
    let mark = make.arena.mark();
    let object = make.arena.object();
    let uri = root.and_then(|root| {
        let text = root.text();
        let uri = if extension.is_some() { root_uri(&text) } else { urn(text.trim()) };
        make.used.mark(root.range());
        if uri.is_none() {
            make.leave(codes::W4101, Some(root), NO_ROOT);
        }
        Some((uri?, root))
    });
    let made = match (uri, extension) {
        (uri, Some(extension)) => {
            if let Some((uri, root)) = uri {
                let node = make.arena.say(object, "system", uri);
                make.arena.came_from(node, root.range());
            }
            make.member(object, "value", Primitive::String, Some(extension))
        }
        // A root alone is the identifier.
        (Some((uri, root)), None) => {
            make.arena.say(object, "system", "urn:ietf:rfc:3986");
            let node = make.arena.say(object, "value", uri);
            make.arena.came_from(node, root.range());
            true
        }
        (None, None) => false,
    };
    if made && let Some(name) = attribute(element, "assigningAuthorityName") {
        let assigner = make.arena.object();
        if make.member(assigner, "display", Primitive::String, Some(name)) {
            make.arena.attach(object, "assigner", assigner);
        }
    }
    make.finish(mark, object, made)
}

/// II to a URI: `urn:oid:` or `urn:uuid:` of its root.
pub(super) fn uri_of_ii<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let known = element(given).filter(|element| !is_null_identifier(*element));
    let Some(root) = known.and_then(|element| attribute(element, "root")) else {
        return Ok(None);
    };
    make.used.mark(root.range());
    let uri = urn(root.text().trim()).ok_or(NO_ROOT)?;
    let node = make.arena.add(Leaf::Text(uri));
    make.arena.came_from(node, root.range());
    Ok(Some(node))
}

/// II to a reference by identifier.
pub(super) fn reference_of_ii<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "identifier", identifier)
}

/// The URI of the system that a code says it is of.
pub(crate) fn system(given: &Given<'_>) -> Option<Cow<'static, str>> {
    let system = attribute(element(given)?, "codeSystem")?;
    systems::of_v3(system.text().trim())
}

/// One code with its system, version and display; nothing without a code.
fn coded<'r>(make: &mut Make<'r>, element: Element<'r>) -> Option<At> {
    let code = attribute(element, "code")?;
    let mark = make.arena.mark();
    let object = make.arena.object();
    if let Some(system) = attribute(element, "codeSystem")
        && let Some(uri) = systems::of_v3(system.text().trim())
    {
        make.used.mark(system.range());
        let node = make.arena.say(object, "system", uri);
        make.arena.came_from(node, system.range());
        let version = attribute(element, "codeSystemVersion");
        make.member(object, "version", Primitive::String, version);
    }
    if !make.member(object, "code", Primitive::Code, Some(code)) {
        make.arena.forget(mark);
        return None;
    }
    let display = attribute(element, "displayName");
    make.member(object, "display", Primitive::String, display);
    Some(object)
}

/// The codings of a CD: its own, then its translations.
pub(crate) fn codings<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Vec<At> {
    let Some(element) = element(given) else { return Vec::new() };
    let all = std::iter::once(element).chain(children(element, "translation"));
    all.filter_map(|one| coded(make, one)).collect()
}

/// CD to `Coding`: the first of its codings.
pub(crate) fn coding<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let mut all = std::iter::once(element).chain(children(element, "translation"));
    Ok(all.find_map(|one| coded(make, one)))
}

/// CD to `CodeableConcept`; of an ED or ST its text.
pub(crate) fn concept<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    if element(given).is_none() {
        return super::coded::concept_of_text(make, given);
    }
    let mark = make.arena.mark();
    let object = make.arena.object();
    let mut made = false;
    for coding in codings(make, given) {
        make.arena.push(object, "coding", coding);
        made = true;
    }
    made |= original(make, given, object, made);
    make.finish(mark, object, made)
}

/// The text of a concept: what was said first, else a display without a code.
pub(crate) fn original<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    object: At,
    is_coded: bool,
) -> bool {
    let Some(element) = element(given) else { return false };
    if let Some(original) = child(element, "originalText") {
        let said = told(make, original);
        if make.member(object, "text", Primitive::String, Some(said)) {
            return true;
        }
    }
    let display = attribute(element, "displayName").filter(|_| !is_coded);
    make.member(object, "text", Primitive::String, display)
}

/// What a text says: itself, or the part of the narrative that it refers to.
fn told<'r>(make: &mut Make<'r>, text: Element<'r>) -> Datum<'r> {
    let reference = text.child("reference").and_then(|to| attribute(to, "value"));
    if let Some(reference) = reference {
        make.used.mark(reference.range());
    }
    let said = said(text);
    // Where it stands is told by what was read of it.
    Datum::Cda(Found::Text(said))
}

/// What people would read of a code.
pub(super) fn text_of_code<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let original = child(element, "originalText").map(|text| told(make, text));
    let of = |name| attribute(element, name);
    for value in [original, of("displayName"), of("code")].into_iter().flatten() {
        if let Some(text) = make.text(value) {
            return make.scalar(Primitive::String, text, Some(value));
        }
    }
    Ok(None)
}

/// ST and ED to text of a kind.
fn text_as<'r>(make: &mut Make<'r>, given: &Given<'r>, kind: Primitive) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let value = told(make, element);
    match make.text(value) {
        Some(text) => make.scalar(kind, text, Some(value)),
        None => Ok(None),
    }
}

pub(super) fn string<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    text_as(make, given, Primitive::String)
}

pub(super) fn markdown<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    text_as(make, given, Primitive::Markdown)
}

pub(super) fn annotation<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "text", markdown)
}

pub(super) fn concept_of_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "text", string)
}

pub(super) fn reference_by_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "display", string)
}

/// ED to `Attachment`: the data as base64, or where it is kept.
pub(super) fn attachment<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    let mime = attribute(element, "mediaType");
    let url = element.child("reference").and_then(|to| attribute(to, "value"));
    let url = url.filter(|url| systems::is_uri(&url.text()));
    if !make.member(object, "contentType", Primitive::Code, mime) && url.is_none() {
        make.arena.say(object, "contentType", "text/plain");
    }
    if let Some(url) = url {
        let made = make.member(object, "url", Primitive::Url, Some(url));
        return make.finish(mark, object, made);
    }
    let value = told(make, element);
    let Some(text) = make.text(value) else { return make.finish(mark, object, false) };
    let is_base64 = attribute(element, "representation").is_some_and(|form| {
        make.used.mark(form.range());
        form.text() == "B64"
    });
    let data = if is_base64 { text } else { STANDARD.encode(text.as_bytes()).into() };
    match make.scalar(Primitive::Base64Binary, data, Some(value)) {
        Ok(Some(node)) => {
            make.arena.attach(object, "data", node);
            Ok(Some(object))
        }
        Ok(None) => make.finish(mark, object, false),
        Err(wrong) => {
            make.arena.forget(mark);
            Err(wrong)
        }
    }
}

/// The first code of an attribute of several that a table knows.
fn by_use<'r>(
    make: &mut Make<'r>,
    (object, element): (At, Element<'r>),
    name: &'static str,
    table: &[(&str, &'static str)],
) -> Option<&'static str> {
    let uses = attribute(element, "use")?;
    let text = uses.text();
    let known = |code: &str| table.iter().find(|(from, _)| *from == code).map(|(_, to)| *to);
    let code = text.split_ascii_whitespace().find_map(known)?;
    make.used.mark(uses.range());
    make.implied(object, name, code, uses);
    Some(code)
}

/// Entity name uses to name-use.
///
/// Source: HL7 v3 EntityNameUse; C-CDA on FHIR, name use.
const NAME_USES: &[(&str, &str)] = &[
    ("L", "official"),
    ("C", "official"),
    ("ASGN", "usual"),
    ("OR", "official"),
    ("P", "nickname"),
    ("A", "nickname"),
    ("ANON", "anonymous"),
    ("M", "maiden"),
    ("OLD", "old"),
];

/// Address uses to address-use and address-type.
const ADDRESS_USES: &[(&str, &str)] = &[
    ("H", "home"),
    ("HP", "home"),
    ("HV", "home"),
    ("WP", "work"),
    ("DIR", "work"),
    ("PUB", "work"),
    ("TMP", "temp"),
    ("BAD", "old"),
    ("OLD", "old"),
];
const ADDRESS_TYPES: &[(&str, &str)] = &[("PST", "postal"), ("PHYS", "physical")];

/// Telecommunication uses to contact-point-use.
const CONTACT_USES: &[(&str, &str)] = &[
    ("H", "home"),
    ("HP", "home"),
    ("HV", "home"),
    ("WP", "work"),
    ("DIR", "work"),
    ("PUB", "work"),
    ("MC", "mobile"),
    ("TMP", "temp"),
    ("BAD", "old"),
    ("OLD", "old"),
];

/// Schemes of a TEL to contact-point-system.
const SCHEMES: &[(&str, &str)] = &[
    ("tel", "phone"),
    ("callto", "phone"),
    ("fax", "fax"),
    ("x-text-fax", "fax"),
    ("mailto", "email"),
    ("sms", "sms"),
    ("x-text-tel", "other"),
    ("http", "url"),
    ("https", "url"),
    ("ftp", "url"),
];

/// `period` of an object from the time in which it holds.
fn validity<'r>(make: &mut Make<'r>, object: At, element: Element<'r>, name: &str) {
    let Some(time) = child(element, name) else { return };
    let given = Given::Value { value: whole(time), deep: false, segment: None, table: None };
    if let Ok(Some(period)) = period(make, &given) {
        make.arena.attach(object, "period", period);
    }
}

/// EN and PN to `HumanName`.
pub(super) fn name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    by_use(make, (object, element), "use", NAME_USES);
    let is = |part: &Element<'r>, qualifier: &str| {
        let of = part.attribute("qualifier").unwrap_or_default();
        of.split_ascii_whitespace().any(|one| one == qualifier)
    };
    let mut made = false;
    let families: Vec<_> = children(element, "family").collect();
    // The name of birth stands in a name of its own, unless it is the only one.
    let now: Vec<_> = families.iter().filter(|part| !is(part, "BR")).copied().collect();
    let families = if now.is_empty() { families } else { now };
    if let [only] = families.as_slice() {
        made |= make.member(object, "family", Primitive::String, Some(whole(*only)));
    } else if let Some(first) = families.first() {
        let words: Vec<_> = families.iter().filter_map(|f| make.text(whole(*f))).collect();
        let all = words.join(" ").into();
        if let Ok(Some(node)) = make.scalar(Primitive::String, all, Some(whole(*first))) {
            make.arena.attach(object, "family", node);
            made = true;
        }
    }
    let givens: Vec<_> = children(element, "given").collect();
    // What somebody is called besides is no name in order of the others.
    let called = |part: &Element<'r>| is(part, "CL") && givens.len() > 1;
    for part in givens.iter().filter(|part| !called(part)) {
        made |= make.push_string(object, "given", Some(whole(*part)));
    }
    for list in ["prefix", "suffix"] {
        for part in children(element, list) {
            made |= make.push_string(object, list, Some(whole(part)));
        }
    }
    if !made {
        made =
            make.member(object, "text", Primitive::String, Some(Datum::Cda(Found::Text(element))));
    }
    if made {
        validity(make, object, element, "validTime");
    }
    make.finish(mark, object, made)
}

/// A name as one text: its parts in order.
pub(super) fn text_of_name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let value = Datum::Cda(Found::Text(element));
    match make.text(value) {
        Some(text) => make.scalar(Primitive::String, text, Some(value)),
        None => Ok(None),
    }
}

pub(super) fn reference_by_name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "display", text_of_name)
}

/// AD to `Address`.
pub(super) fn address<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    by_use(make, (object, element), "use", ADDRESS_USES);
    by_use(make, (object, element), "type", ADDRESS_TYPES);
    let mut made = false;
    for name in ["streetAddressLine", "deliveryAddressLine"] {
        for line in children(element, name) {
            made |= make.push_string(object, "line", Some(whole(line)));
        }
    }
    if !made {
        let parts =
            ["houseNumber", "direction", "streetName", "streetNameType", "unitType", "unitID"];
        let parts: Vec<_> = parts.into_iter().filter_map(|name| child(element, name)).collect();
        let words: Vec<_> = parts.iter().filter_map(|part| make.text(whole(*part))).collect();
        let from = parts.first().map(|part| whole(*part));
        if !words.is_empty()
            && let Ok(Some(node)) = make.scalar(Primitive::String, words.join(" ").into(), from)
        {
            make.arena.push(object, "line", node);
            made = true;
        }
    }
    for name in ["additionalLocator", "postBox", "careOf"] {
        let line = child(element, name).map(whole);
        made |= make.push_string(object, "line", line);
    }
    for (to, name) in [
        ("city", "city"),
        ("district", "county"),
        ("state", "state"),
        ("postalCode", "postalCode"),
        ("country", "country"),
    ] {
        let part = child(element, name).map(whole);
        made |= make.member(object, to, Primitive::String, part);
    }
    if !made && element.children().next().is_none() {
        made = make.member(object, "text", Primitive::String, Some(whole(element)));
    }
    if made {
        validity(make, object, element, "useablePeriod");
    }
    make.finish(mark, object, made)
}

/// The scheme of a TEL and what follows it.
fn scheme(text: &str) -> (Option<&'static str>, &str) {
    let Some((scheme, rest)) = text.split_once(':') else { return (None, text) };
    let lower = scheme.trim().to_ascii_lowercase();
    match SCHEMES.iter().find(|(known, _)| *known == lower) {
        Some((_, "url")) => (Some("url"), text),
        Some((_, system)) => (Some(system), rest.trim_start_matches("//").trim()),
        None => (None, text),
    }
}

/// TEL to `ContactPoint`.
pub(super) fn contact<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let Some(value) = attribute(element, "value") else { return Ok(None) };
    let Some(text) = make.text(value) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    let (system, number) = scheme(&text);
    let uses = attribute(element, "use").map(|uses| uses.text()).unwrap_or_default();
    let is_pager = uses.split_ascii_whitespace().any(|one| one == "PG");
    let system = match system {
        _ if is_pager => "pager",
        Some(system) => system,
        None if number.contains('@') => "email",
        None if number.bytes().any(|b| b.is_ascii_digit()) => "phone",
        None => "other",
    };
    make.arena.say(object, "system", system);
    let number: Cow<'r, str> = number.to_owned().into();
    match make.scalar(Primitive::String, number, Some(value)) {
        Ok(Some(node)) if make.arena.text(node).is_some_and(|text| !text.is_empty()) => {
            make.arena.attach(object, "value", node);
        }
        _ => {
            make.arena.forget(mark);
            return Err("it has nothing behind its scheme");
        }
    }
    by_use(make, (object, element), "use", CONTACT_USES);
    validity(make, object, element, "useablePeriod");
    Ok(Some(object))
}

/// IVL_TS as a moment: its value, else its beginning, else its middle.
fn moment<'r>(make: &mut Make<'r>, given: &Given<'r>, kind: Primitive) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let of = |name| child(element, name).and_then(|part| attribute(part, "value"));
    let value = attribute(element, "value").or_else(|| of("low")).or_else(|| of("center"));
    let Some(value) = value else { return Ok(None) };
    match make.text(value) {
        Some(text) => make.scalar(kind, text, Some(value)),
        None => Ok(None),
    }
}

pub(super) fn date<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    moment(make, given, Primitive::Date)
}

pub(super) fn date_time<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    moment(make, given, Primitive::DateTime)
}

pub(super) fn instant<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    moment(make, given, Primitive::Instant)
}

/// The narrative of a section as `Narrative`.
pub(super) fn narrative<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(div) = xhtml(make, given)? else { return Ok(None) };
    let object = make.arena.object();
    make.arena.say(object, "status", "generated");
    make.arena.attach(object, "div", div);
    Ok(Some(object))
}

/// The narrative of a section as XHTML.
pub(super) fn xhtml<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(element) = element(given) else { return Ok(None) };
    let Some(div) = narrative::div(element) else { return Ok(None) };
    make.used.mark(element.inside());
    let node = make.arena.add(Leaf::Text(div.into()));
    make.arena.came_from(node, element.inside());
    Ok(Some(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::tables;

    #[test]
    fn codes_are_those_of_fhir() {
        for (table, set) in [
            (NAME_USES, "name-use"),
            (ADDRESS_USES, "address-use"),
            (ADDRESS_TYPES, "address-type"),
            (CONTACT_USES, "contact-point-use"),
            (SCHEMES, "contact-point-system"),
        ] {
            for (_, code) in table {
                assert_eq!(tables::has_code(set, code), Some(true), "{set} {code}");
            }
        }
    }

    #[test]
    fn roots_become_uris_only_when_they_are_ones() {
        let check = |root: &str, expected: Option<&str>| {
            assert_eq!(root_uri(root).as_deref(), expected, "{root}");
        };
        check("1.2.3", Some("urn:oid:1.2.3"));
        check("2.16.840.1.113883.4.6", Some("http://hl7.org/fhir/sid/us-npi"));
        let uuid = "5C1B9B4E-6F4B-4C8E-8E0D-0F7C2F0A1B2C";
        check(uuid, Some("urn:uuid:5c1b9b4e-6f4b-4c8e-8e0d-0f7c2f0a1b2c"));
        check("not an oid", None);
        check("", None);
    }

    #[test]
    fn schemes_are_split_off() {
        assert_eq!(scheme("tel:+1(555)123"), (Some("phone"), "+1(555)123"));
        assert_eq!(scheme("MAILTO:a@b.c"), (Some("email"), "a@b.c"));
        assert_eq!(scheme("https://a.b/c"), (Some("url"), "https://a.b/c"));
        assert_eq!(scheme("555-1234"), (None, "555-1234"));
        assert_eq!(scheme("x:1"), (None, "x:1"));
    }
}
