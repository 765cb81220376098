//! Codes: CE, CWE, CNE and coded texts to `CodeableConcept` and `Coding`.

use super::super::arena::{At, Leaf};
use super::super::datum::Datum;
use super::{Given, Made, Make, systems};
use crate::fhir::tables::Primitive;

/// Positions of one coding within CWE: code, text, system, version.
const FIRST: [usize; 4] = [1, 2, 3, 7];
const SECOND: [usize; 4] = [4, 5, 6, 8];

/// A `Coding` of one triplet; nothing without a code.
fn triplet<'r>(make: &mut Make<'r>, given: &Given<'r>, places: [usize; 4]) -> Option<At> {
    let [code, text, system, version] = places;
    let code = make.part(given, code)?;
    let mark = make.arena.mark();
    let object = make.arena.object();
    if let Some(name) = make.part(given, system)
        && let Some(uri) = systems::of_message(&name.text())
    {
        make.used.mark(name.range());
        let node = make.arena.say(object, "system", uri);
        make.arena.came_from(node, name.range());
        let version = make.part(given, version);
        make.member(object, "version", Primitive::String, version);
    }
    if !make.member(object, "code", Primitive::Code, Some(code)) {
        make.arena.forget(mark);
        return None;
    }
    let text = make.part(given, text);
    make.member(object, "display", Primitive::String, text);
    Some(object)
}

/// CE, CWE, CNE to `CodeableConcept`: both codings, and the original text where there is
/// one or there is no code.
pub(crate) fn concept<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    match given {
        Given::Text(_) => return concept_of_text(make, given),
        Given::Value { value: Datum::Cda(_), .. } => return super::cda::concept(make, given),
        Given::Value { .. } => {}
    }
    let mark = make.arena.mark();
    let object = make.arena.object();
    let mut made = false;
    for places in [FIRST, SECOND] {
        if let Some(coding) = triplet(make, given, places) {
            make.arena.push(object, "coding", coding);
            made = true;
        }
    }
    made |= original(make, given, object, made);
    make.finish(mark, object, made)
}

/// The text of a concept.
pub(crate) fn original<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    object: At,
    coded: bool,
) -> bool {
    if let Given::Value { value: Datum::Cda(_), .. } = given {
        return super::cda::original(make, given, object, coded);
    }
    if make.string(object, "text", given, 9) {
        return true;
    }
    !coded && (make.string(object, "text", given, 2) || make.string(object, "text", given, 5))
}

/// The first triplet as a `Coding`.
pub(crate) fn coding<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    if let Given::Value { value: Datum::Cda(_), .. } = given {
        return super::cda::coding(make, given);
    }
    Ok(triplet(make, given, FIRST).or_else(|| triplet(make, given, SECOND)))
}

/// All of a concept that is left when its first code is mapped by a code map: the codings
/// as they came.
pub(crate) fn codings<'r>(make: &mut Make<'r>, given: &Given<'r>) -> [Option<At>; 2] {
    [triplet(make, given, FIRST), triplet(make, given, SECOND)]
}

/// A code of a v2 table to `CodeableConcept`.
pub(crate) fn concept_of_table<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.object();
    match coding_of_table(make, given)? {
        Some(coding) => {
            make.arena.push(object, "coding", coding);
            Ok(Some(object))
        }
        None => make.finish(mark, object, false),
    }
}

/// A code of a v2 table to `Coding`.
pub(crate) fn coding_of_table<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Given::Value { value, table, .. } = given else { return Ok(None) };
    let value = value.component(1).unwrap_or(*value);
    let mark = make.arena.mark();
    let object = make.arena.object();
    if let Some(uri) = table.and_then(systems::of_table) {
        make.arena.say(object, "system", uri);
    }
    let made = make.member(object, "code", Primitive::Code, Some(value));
    make.finish(mark, object, made)
}

/// A text to a `CodeableConcept` of text alone.
pub(super) fn concept_of_text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    let Some(text) = make.part_text(given, 1) else { return Ok(None) };
    let mark = make.arena.mark();
    let object = make.arena.object();
    match make.scalar(Primitive::String, text, value_of(given))? {
        Some(node) => {
            make.arena.attach(object, "text", node);
            Ok(Some(object))
        }
        None => make.finish(mark, object, false),
    }
}

/// SPS and the like, whose first component is a coded one.
pub(super) fn concept_in_first<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    given.below(1).map_or(Ok(None), |inner| concept(make, &inner))
}

fn value_of<'r>(given: &Given<'r>) -> Option<Datum<'r>> {
    match given {
        Given::Value { value, .. } => Some(value.component(1).unwrap_or(*value)),
        Given::Text(_) => None,
    }
}

/// What people would read: the original text, the display, the code.
pub(super) fn text<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    if let Given::Value { value: Datum::Cda(_), .. } = given {
        return super::cda::text_of_code(make, given);
    }
    for n in [9, 2, 5, 1] {
        let value = make.part(given, n);
        if let Some(text) = make.part_text(given, n) {
            return make.scalar(Primitive::String, text, value);
        }
    }
    Ok(None)
}

/// A note made of a coded comment.
pub(super) fn annotation<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    wrap(make, given, "text", text)
}

/// A reference by the text alone.
pub(super) fn reference<'r>(make: &mut Make<'r>, given: &Given<'r>) -> Made {
    wrap(make, given, "display", text)
}

/// An object with one member made by a conversion.
pub(super) fn wrap<'r>(
    make: &mut Make<'r>,
    given: &Given<'r>,
    name: &'static str,
    inner: fn(&mut Make<'r>, &Given<'r>) -> Made,
) -> Made {
    let mark = make.arena.mark();
    let object = make.arena.add(Leaf::Object);
    match inner(make, given)? {
        Some(node) => {
            make.arena.attach(object, name, node);
            Ok(Some(object))
        }
        None => make.finish(mark, object, false),
    }
}
