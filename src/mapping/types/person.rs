//! Names, addresses and ways to reach people.

use std::borrow::Cow;

use super::super::arena::At;
use super::super::datum::Datum;
use super::identity::{joined, of_xcn};
use super::{Given, Made, Make};
use crate::fault::codes;
use crate::fhir::tables::Primitive;

fn find(table: &[(&str, &'static str)], code: &str) -> Option<&'static str> {
    table.iter().find(|(from, _)| from.eq_ignore_ascii_case(code)).map(|(_, to)| *to)
}

/// A member that follows from a code of v2; codes FHIR has no word for stay unread.
fn by_table<'r>(
    make: &mut Make<'r>,
    object: At,
    name: &'static str,
    value: Option<Datum<'r>>,
    table: &[(&str, &'static str)],
) -> Option<&'static str> {
    let value = value?;
    let code = find(table, value.text().trim())?;
    make.used.mark(value.range());
    make.implied(object, name, code, value);
    Some(code)
}

/// HL7 table 0200 to name-use.
const NAME_USES: &[(&str, &str)] = &[
    ("L", "official"),
    ("D", "usual"),
    ("M", "maiden"),
    ("N", "nickname"),
    ("S", "anonymous"),
    ("TEMP", "temp"),
    ("NOUSE", "old"),
    ("BAD", "old"),
];

/// Where the parts of a name stand.
#[derive(Clone, Copy)]
struct Places {
    family: usize,
    given: [usize; 2],
    suffixes: [usize; 3],
    prefix: usize,
    kind: usize,
    /// Validity as DR, then as two moments.
    range: usize,
    moments: (usize, usize),
}

const XPN: Places = Places {
    family: 1,
    given: [2, 3],
    suffixes: [4, 6, 14],
    prefix: 5,
    kind: 7,
    range: 10,
    moments: (12, 13),
};
const XCN: Places = Places {
    family: 2,
    given: [3, 4],
    suffixes: [5, 7, 21],
    prefix: 6,
    kind: 10,
    range: 17,
    moments: (19, 20),
};

fn human_name<'r>(make: &mut Make<'r>, given: &Given<'r>, places: Places) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let kind = make.part(given, places.kind);
    by_table(make, object, "use", kind, NAME_USES);
    let mut made = false;
    if let Some(family) = given.below(places.family) {
        // FN: the whole surname stands first, with its parts behind it.
        let surname = make.part(&family, 1).or_else(|| make.part(&family, 3));
        made |= make.member(object, "family", Primitive::String, surname);
    }
    for n in places.given {
        let value = make.part(given, n);
        made |= make.push_string(object, "given", value);
    }
    let prefix = make.part(given, places.prefix);
    made |= make.push_string(object, "prefix", prefix);
    for n in places.suffixes {
        let value = make.part(given, n);
        made |= make.push_string(object, "suffix", value);
    }
    if made {
        validity(make, given, object, places.range, places.moments);
    }
    make.finish(mark, object, made)
}

/// `period` from a DR and, where that is missing, from two moments.
fn validity<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    object: At,
    range: usize,
    moments: (usize, usize),
) {
    let (mut start, mut end) = (make.part(given, moments.0), make.part(given, moments.1));
    if let Some(dr) = given.below(range) {
        start = start.or_else(|| make.part(&dr, 1));
        end = end.or_else(|| make.part(&dr, 2));
    }
    if let Ok(Some(period)) = make.period(start, end) {
        make.arena.attach(object, "period", period);
    }
}

pub(super) fn name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    human_name(make, given, XPN)
}

pub(super) fn name_of_xcn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    human_name(make, given, XCN)
}

pub(super) fn name_of_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "text", super::scalar::string)
}

fn spoken<'r>(make: &mut Make<'r>, given: &Given<'r>, places: Places) -> Made {
    let mut words: Vec<Cow<'r, str>> = Vec::new();
    let [first, second] = places.given;
    for n in [places.prefix, first, second, places.family] {
        words.extend(make.part_text(given, n));
    }
    for n in places.suffixes {
        words.extend(make.part_text(given, n));
    }
    joined(make, given, &words, " ")
}

pub(super) fn text_of_name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    spoken(make, given, XPN)
}

/// The name of a person, else the number.
pub(super) fn text_of_xcn<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    match spoken(make, given, XCN)? {
        Some(node) => Ok(Some(node)),
        None => super::scalar::string(make, given),
    }
}

/// A reference by identifier and name, where no rule makes the person.
pub(super) fn reference<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let identifier = of_xcn(make, given)?;
    if let Some(node) = identifier {
        make.arena.attach(object, "identifier", node);
    }
    let display = spoken(make, given, XCN)?;
    if let Some(node) = display {
        make.arena.attach(object, "display", node);
    }
    make.finish(mark, object, identifier.is_some() || display.is_some())
}

pub(super) fn reference_by_name<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "display", text_of_name)
}

/// HL7 table 0190 to address-use.
const ADDRESS_USES: &[(&str, &str)] = &[
    ("H", "home"),
    ("P", "home"),
    ("B", "work"),
    ("O", "work"),
    ("C", "temp"),
    ("BA", "old"),
    ("BI", "billing"),
];

/// HL7 table 0190 to address-type.
const ADDRESS_TYPES: &[(&str, &str)] = &[("M", "postal"), ("SH", "postal")];

/// XAD to `Address`.
pub(super) fn address<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let kind = make.part(given, 7);
    by_table(make, object, "use", kind, ADDRESS_USES);
    by_table(make, object, "type", kind, ADDRESS_TYPES);
    let mut made = false;
    if let Some(street) = given.below(1) {
        // SAD: the whole line, else street and number apart.
        let line = make.part(&street, 1);
        if !make.push_string(object, "line", line) {
            let parts: Vec<_> =
                [3, 2].into_iter().filter_map(|n| make.part_text(&street, n)).collect();
            if let Ok(Some(node)) = joined(make, &street, &parts, " ") {
                make.arena.push(object, "line", node);
                made = true;
            }
        } else {
            made = true;
        }
    }
    for n in [2, 8] {
        let line = make.part(given, n);
        made |= make.push_string(object, "line", line);
    }
    for (name, n) in [("city", 3), ("district", 9), ("state", 4), ("postalCode", 5), ("country", 6)]
    {
        made |= make.string(object, name, given, n);
    }
    if made {
        validity(make, given, object, 12, (13, 14));
    }
    make.finish(mark, object, made)
}

pub(super) fn address_of_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    super::coded::wrap(make, given, "text", super::scalar::string)
}

pub(super) fn text_of_address<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mut words = Vec::new();
    for n in [1, 2, 5, 3, 4, 6] {
        words.extend(make.part_text(given, n));
    }
    joined(make, given, &words, ", ")
}

/// HL7 table 0202 to contact-point-system.
const EQUIPMENT: &[(&str, &str)] = &[
    ("PH", "phone"),
    ("CP", "phone"),
    ("SAT", "phone"),
    ("FX", "fax"),
    ("BP", "pager"),
    ("Internet", "email"),
    ("NET", "email"),
    ("X.400", "email"),
    ("MD", "other"),
    ("TDD", "other"),
    ("TTY", "other"),
];

/// HL7 table 0201 to contact-point-use.
const CONTACT_USES: &[(&str, &str)] =
    &[("PRN", "home"), ("ORN", "home"), ("VHN", "temp"), ("WPN", "work"), ("PRS", "mobile")];

/// XTN to `ContactPoint`: the number as sent, else put together from its parts.
pub(super) fn contact<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    let Some((value, mail, from)) = reached(make, given) else {
        return make.finish(mark, object, false);
    };
    let kind = make.part(given, 3);
    if by_table(make, object, "system", kind, EQUIPMENT).is_none() {
        let system = if mail || value.contains('@') { "email" } else { "phone" };
        make.arena.say(object, "system", system);
    }
    let node = match make.scalar(Primitive::String, value, from) {
        Ok(Some(node)) => node,
        Ok(None) => return make.finish(mark, object, false),
        Err(wrong) => {
            make.leave(codes::W4101, from, wrong);
            return make.finish(mark, object, false);
        }
    };
    make.arena.attach(object, "value", node);
    let usage = make.part(given, 2);
    let cell = kind.filter(|kind| kind.text().trim() == "CP");
    match cell {
        Some(cell) => make.implied(object, "use", "mobile", cell),
        None => {
            by_table(make, object, "use", usage, CONTACT_USES);
        }
    }
    if let (Some(_), Some(usage)) = (cell, usage) {
        make.used.mark(usage.range());
    }
    Ok(Some(object))
}

type Reached<'r> = (Cow<'r, str>, bool, Option<Datum<'r>>);

/// The number or mail address, whether it is mail, and where it stands.
fn reached<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Option<Reached<'r>> {
    if let Given::Text(_) = given {
        return Some((make.part_text(given, 1)?, false, None));
    }
    for (n, mail) in [(4, true), (1, false), (12, false)] {
        let value = make.part(given, n);
        if let Some(text) = make.part_text(given, n) {
            return Some((text, mail, value));
        }
    }
    let mut words = Vec::new();
    if let Some(country) = make.part_text(given, 5) {
        let plus = if country.starts_with('+') { "" } else { "+" };
        words.push(format!("{plus}{country}").into());
    }
    for n in [6, 7] {
        words.extend(make.part_text(given, n));
    }
    if let Some(extension) = make.part_text(given, 8) {
        words.push(format!("x{extension}").into());
    }
    let Given::Value { value, .. } = given else { return None };
    (!words.is_empty()).then(|| (words.join(" ").into(), false, Some(*value)))
}

pub(super) fn text_of_contact<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    match reached(make, given) {
        Some((text, _, from)) => make.scalar(Primitive::String, text, from),
        None => Ok(None),
    }
}

/// For tests of tables: every code on the right is one of FHIR's.
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
            (EQUIPMENT, "contact-point-system"),
            (CONTACT_USES, "contact-point-use"),
        ] {
            for (_, code) in table {
                assert_eq!(tables::has_code(set, code), Some(true), "{set} {code}");
            }
        }
    }
}
