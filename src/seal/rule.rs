//! One `[[encrypt]]` rule, checked when it is read.

use crate::fault::codes::{W5010, W5011, W5014, W5015};
use crate::fault::{Fault, Place};
use crate::fhir::{FhirPath, tables};
use crate::hl7v2;
use crate::message::ContentKind;

/// What a rule does with the values at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Sealed: the holder of the key can open it.
    Seal,
    /// Replaced by a keyed pseudonym: the same value gives the same token, nobody gets the
    /// value back.
    Token,
    /// Taken out.
    Drop,
}

impl How {
    /// The word for it in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Token => "token",
            Self::Drop => "drop",
        }
    }
}

/// The path of a rule in the form that leaves.
#[derive(Clone)]
pub(super) enum At {
    Hl7(hl7v2::Path, Option<Only>),
    Fhir {
        path: FhirPath,
        /// The path without its last step, and that step, where it is a name: what a
        /// primitive without value keeps stands beside it.
        within: Option<(FhirPath, String)>,
    },
}

/// Repetitions that a rule covers: `PID-3[5='SS'].1` those whose component 5 is `SS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Only {
    pub component: usize,
    pub value: String,
}

/// Parts a path of HL7 v2 from its condition: `PID-3[5='SS'].1` is `PID-3.1` where
/// component 5 of the repetition is `SS`.
fn conditional(text: &str) -> Result<(std::borrow::Cow<'_, str>, Option<Only>), Fault> {
    let (Some(open), Some(close)) =
        (text.find("['").or_else(|| condition_at(text)), text.rfind(']'))
    else {
        return Ok((text.into(), None));
    };
    let bad = || {
        let cause = "a condition is a component and a value, as in `PID-3[5='SS'].1`";
        Fault::new(W5010).at(Place::path(text)).because(cause)
    };
    let inner = text.get(open + 1..close).ok_or_else(bad)?;
    let (component, value) = inner.split_once('=').ok_or_else(bad)?;
    let component = component.trim().trim_start_matches('.').parse().map_err(|_| bad())?;
    let value = value.trim();
    let quoted = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
    let value =
        quoted.filter(|value| !value.is_empty() && !value.contains('\'')).ok_or_else(bad)?;
    if component == 0 || !text.get(..open).is_some_and(|before| before.contains('-')) {
        return Err(bad());
    }
    let base: String = [text.get(..open), text.get(close + 1..)].into_iter().flatten().collect();
    Ok((base.into(), Some(Only { component, value: value.to_owned() })))
}

/// Where a bracket with a comparison in it opens.
fn condition_at(text: &str) -> Option<usize> {
    let equals = text.find('=')?;
    text.get(..equals)?.rfind('[')
}

/// One `[[encrypt]]` rule, checked: where, how and with which key.
#[derive(Clone)]
pub struct SealRule {
    text: String,
    pub(super) at: At,
    pub(super) how: How,
    key: String,
}

/// Fields of MSH without which a message can be neither read nor answered.
const MSH_NEEDED: [usize; 5] = [1, 2, 9, 10, 12];

/// Data types of HL7 v2 whose values have a form of their own.
const TYPED: [&str; 7] = ["DT", "TM", "DTM", "TS", "NM", "SI", "GTS"];

/// Types of FHIR that hold any text, so also a token.
const TEXTUAL: [&str; 6] = ["string", "markdown", "code", "id", "uri", "url"];

fn refused(text: &str, cause: &'static str) -> Fault {
    Fault::new(W5010).at(Place::path(text)).because(cause)
}

/// The data type that stands at a path in version 2.5.1, where the tables know it.
fn hl7_type(path: &hl7v2::Path) -> Option<&'static str> {
    let (version, _) = hl7v2::tables::version("2.5.1");
    let field = path.field()?;
    let mut kind = version.segment(path.segment())?.field(field)?.datatype;
    for number in [path.component(), path.subcomponent()].into_iter().flatten() {
        let parts = &version.datatype(kind)?.components;
        match parts.get(number.checked_sub(1)?) {
            Some(part) => kind = part.datatype,
            // The first part of a primitive is itself.
            None if parts.is_empty() && number == 1 => {}
            None => return None,
        }
    }
    Some(kind)
}

/// Whether values of a data type of HL7 v2 have a form that no sealed value fits.
pub(super) fn is_typed(kind: &str) -> bool {
    TYPED.contains(&kind)
}

fn check_hl7(text: &str, how: How) -> Result<At, Fault> {
    let (base, only) = conditional(text)?;
    let path = hl7v2::Path::parse(&base)?;
    if only.is_some() && path.repetition() != hl7v2::Pick::Open {
        let cause = "a condition stands in the place of a repetition";
        return Err(refused(text, cause));
    }
    let Some(field) = path.field() else {
        return Err(refused(text, "a whole segment cannot be sealed, name its fields"));
    };
    if path.segment() == "MSH" && MSH_NEEDED.contains(&field) {
        return Err(refused(text, "no message can be read or answered without it"));
    }
    match hl7_type(&path) {
        Some(kind) if how != How::Drop && is_typed(kind) => {
            Err(Fault::new(W5011).at(Place::path(text)).because(format!("its data type is {kind}")))
        }
        _ => Ok(At::Hl7(path, only)),
    }
}

/// Steps of a FHIR path without functions and indexes: `Patient`, `identifier`, `value`.
/// None when it does not start with a resource type or is more than a path.
fn plain_steps(text: &str) -> Option<Vec<String>> {
    let (mut depth, mut step, mut steps) = (0usize, String::new(), Vec::new());
    for c in text.chars().chain(['.']) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            '.' if depth == 0 => steps.push(std::mem::take(&mut step)),
            _ if depth > 0 => {}
            c if c.is_ascii_alphanumeric() => step.push(c),
            _ => return None,
        }
    }
    steps.retain(|step| !matches!(step.as_str(), "where" | "first" | "last" | "ofType"));
    steps.first().is_some_and(|first| tables::is_resource(first)).then_some(steps)
}

/// The element that a FHIR path names and its type, where the tables of R4 lead to it.
fn element_at(text: &str) -> Option<(&'static tables::Element, &'static str)> {
    tables::walk(&plain_steps(text)?.join("."))
}

/// A path without its last step, and that step, where it is a name.
fn within(text: &str) -> Option<(FhirPath, String)> {
    let (parent, name) = text.rsplit_once('.')?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric());
    let parent = FhirPath::parse(parent).ok().filter(|_| plain)?;
    Some((parent, name.to_owned()))
}

/// A comparison in a `where` of a path that may find several values, which is never equal to
/// one: `identifier.where(type.coding.code = 'SS')` with its two parts.
///
/// Source: FHIRPath 2.0.0 §6.1.1 (equality of collections).
fn plural_comparison(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(".where(").map(|at| from + at) {
        from = at + ".where(".len();
        let inner = text.get(from..)?;
        let end = inner.find([')', '(']).unwrap_or(inner.len());
        let Some((left, right)) = inner.get(..end)?.split_once('=') else { continue };
        let left = left.trim().trim_end_matches(['!', '~']).trim_end();
        let base = plain_steps(text.get(..at)?).map(|steps| steps.join("."));
        let Some(base) = base.filter(|_| left.chars().all(is_path_char)) else { continue };
        let steps: Vec<&str> = left.split('.').collect();
        let many = |count: &usize| {
            let part = steps.get(..*count).unwrap_or_default().join(".");
            tables::walk(&format!("{base}.{part}")).is_some_and(|(element, _)| element.max != 1)
        };
        if (1..=steps.len()).any(|count| many(&count)) {
            return Some((left, right.trim()));
        }
    }
    None
}

fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.'
}

fn check_fhir(text: &str, how: How) -> Result<At, Fault> {
    let path = FhirPath::parse(text)?;
    if let Err(error) = path.check(None) {
        return Err(Fault::new(W5010).at(Place::path(text)).because(error.what));
    }
    let steps = plain_steps(text);
    if let Some([_]) = steps.as_deref() {
        return Err(refused(text, "a whole resource cannot be sealed, name its elements"));
    }
    let last = steps.as_ref().and_then(|steps| steps.last());
    if last.is_some_and(|last| last == "resourceType") {
        return Err(refused(text, "no resource can be read without it"));
    }
    let other = |kind: &&str| tables::is_primitive(kind) && !TEXTUAL.contains(kind);
    match element_at(text).map(|(_, kind)| kind).filter(other) {
        Some(kind) if how == How::Token => {
            Err(Fault::new(W5011).at(Place::path(text)).because(format!("its type is {kind}")))
        }
        _ => Ok(At::Fhir { path, within: within(text) }),
    }
}

impl SealRule {
    /// Checks a rule for the form that leaves.
    ///
    /// A path of HL7 v2 without numbers in brackets covers every segment and repetition;
    /// one that names a whole repetition covers its components as one value.
    ///
    /// # Errors
    /// The fault of the path when it cannot be read, `W5010` when what it names cannot be
    /// protected, `W5011` when its type can hold neither a sealed value nor a token.
    pub fn parse(at: &str, how: How, key: &str, content: ContentKind) -> Result<Self, Fault> {
        let checked = match content {
            ContentKind::Hl7 => check_hl7(at, how)?,
            ContentKind::FhirJson => check_fhir(at, how)?,
            ContentKind::Cda => {
                return Err(refused(
                    at,
                    "values of documents can be protected in what they become",
                ));
            }
            ContentKind::Raw | ContentKind::Removed => {
                return Err(refused(at, "bytes that no parser takes have no places"));
            }
        };
        Ok(Self { text: at.to_owned(), at: checked, how, key: key.to_owned() })
    }

    /// The name of its key. A rule that drops uses none.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its path as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    /// What it does.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }

    /// Whether it needs its key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.how != How::Drop
    }

    /// Whether a path is one of HL7 v2, a condition in it or not.
    #[must_use]
    pub fn is_hl7(at: &str) -> bool {
        conditional(at).is_ok_and(|(base, _)| hl7v2::Path::parse(&base).is_ok())
    }

    /// What is likely not as meant: `W5014` when it drops an element that must be there,
    /// `W5015` when it compares what may have several values.
    #[must_use]
    pub fn warnings(&self) -> Vec<Fault> {
        self.dropping().into_iter().chain(self.comparing()).collect()
    }

    fn comparing(&self) -> Option<Fault> {
        let fhir = matches!(self.at, At::Fhir { .. });
        let (left, right) = plural_comparison(&self.text).filter(|_| fhir)?;
        let (first, last) = left.rsplit_once('.').unwrap_or(("$this", left));
        let cause = format!("`{left}` may have several values, and several never equal {right}");
        let remedy = format!("Write `{first}.where({last} = {right}).exists()` there.");
        Some(Fault::new(W5015).at(Place::path(self.text.as_str())).because(cause).remedy(remedy))
    }

    fn dropping(&self) -> Option<Fault> {
        let fhir = self.how == How::Drop && matches!(self.at, At::Fhir { .. });
        let (element, _) = element_at(&self.text).filter(|(el, _)| fhir && el.min > 0)?;
        let cause = format!("{} has at least {}", element.path, element.min);
        Some(Fault::new(W5014).at(Place::path(self.text.as_str())).because(cause))
    }
}

/// Shows how and where; names of keys are no secret, but nobody needs them here.
impl std::fmt::Debug for SealRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.how.name(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Code;

    fn parse(at: &str, how: How, kind: ContentKind) -> Result<SealRule, Code> {
        SealRule::parse(at, how, "patient-ids", kind).map_err(|fault| fault.code())
    }

    #[test]
    fn hl7_places_must_hold_text() {
        let check = |at: &str, how, expected: Result<(), Code>| {
            assert_eq!(parse(at, how, ContentKind::Hl7).map(|_| ()), expected, "{at}");
        };
        check("PID-19", How::Seal, Ok(()));
        check("PID-3[2].1", How::Token, Ok(()));
        check("PID-3[*].1", How::Seal, Ok(()));
        check("OBX[2]-5", How::Seal, Ok(()));
        check("ZPI-3", How::Seal, Ok(()));
        check("PID", How::Drop, Err(W5010));
        for field in ["MSH-1", "MSH-2", "MSH-9", "MSH-10", "MSH-12.1"] {
            check(field, How::Drop, Err(W5010));
        }
        check("MSH-4", How::Seal, Ok(()));
        check("PID-7", How::Seal, Err(W5011));
        check("PID-7", How::Token, Err(W5011));
        check("PID-7", How::Drop, Ok(()));
        check("OBX-1", How::Seal, Err(W5011));
        assert!(parse("pid.3", How::Seal, ContentKind::Hl7).is_err());
        assert_eq!(parse("PID-3", How::Seal, ContentKind::Raw).err(), Some(W5010));
    }

    #[test]
    fn fhir_places_must_hold_what_the_rule_puts_there() {
        let check = |at: &str, how, expected: Result<(), Code>| {
            assert_eq!(parse(at, how, ContentKind::FhirJson).map(|_| ()), expected, "{at}");
        };
        let ssn = "Patient.identifier.where(type.coding.code = 'SS').value";
        check(ssn, How::Seal, Ok(()));
        check(ssn, How::Token, Ok(()));
        check("Patient.name[0].given", How::Token, Ok(()));
        check("Patient.birthDate", How::Seal, Ok(()));
        check("Patient.birthDate", How::Token, Err(W5011));
        check("Patient.birthDate", How::Drop, Ok(()));
        check("Patient.multipleBirth", How::Token, Ok(()));
        check("Patient", How::Drop, Err(W5010));
        check("Patient.resourceType", How::Drop, Err(W5010));
        assert!(parse("Patient.(", How::Seal, ContentKind::FhirJson).is_err());
    }

    #[test]
    fn conditions_choose_repetitions() {
        let check = |at: &str, expected: Result<(), Code>| {
            assert_eq!(parse(at, How::Seal, ContentKind::Hl7).map(|_| ()), expected, "{at}");
            assert_eq!(SealRule::is_hl7(at), expected.is_ok(), "{at}");
        };
        check("PID-3[5='SS'].1", Ok(()));
        check("PID-3[.5 = 'SS']", Ok(()));
        for bad in [
            "PID-3['SS'].1",
            "PID-3[5=SS]",
            "PID-3[0='S']",
            "PID[5='SS']-3",
            "PID-3[x='S']",
            "PID-3[5='']",
        ] {
            check(bad, Err(W5010));
        }
        assert_eq!(parse("PID-3[2][5='SS']", How::Seal, ContentKind::Hl7).err(), Some(W5010));
        assert!(SealRule::is_hl7("PID-3[2].1") && !SealRule::is_hl7("Patient.name"));
    }

    #[test]
    fn comparing_what_may_be_many_warns() {
        let check = |at: &str, expected: Option<&str>| {
            let rule = parse(at, How::Seal, ContentKind::FhirJson).unwrap();
            let warnings = rule.warnings();
            let found = warnings.first().map(|fault| fault.help().to_owned());
            assert_eq!(found.as_deref(), expected, "{at}");
        };
        check(
            "Patient.identifier.where(type.coding.code = 'SS').value",
            Some("Write `type.coding.where(code = 'SS').exists()` there."),
        );
        check("Patient.identifier.where(type.coding.where(code = 'SS').exists()).value", None);
        check("Patient.identifier.where(system = 'urn:x').value", None);
        check("Patient.identifier.value", None);
    }

    #[test]
    fn dropping_what_must_be_there_warns() {
        let check = |at: &str, how, expected: bool| {
            let rule = parse(at, how, ContentKind::FhirJson).unwrap();
            assert_eq!(!rule.warnings().is_empty(), expected, "{at}");
        };
        check("Observation.code", How::Drop, true);
        check("Observation.status", How::Drop, true);
        check("Observation.status", How::Seal, false);
        check("Observation.component.code", How::Drop, true);
        check("Observation.component.referenceRange.text", How::Drop, false);
        check("Patient.identifier.value", How::Drop, false);
        check("Bundle.entry.resource", How::Drop, false);
        check("identifier.value", How::Drop, false);
        let rule = parse("PID-3", How::Drop, ContentKind::Hl7).unwrap();
        assert!(rule.warnings().is_empty() && !rule.needs_key());
        assert_eq!(format!("{rule:?}"), "drop PID-3");
        let rule = parse("PID-3", How::Token, ContentKind::Hl7).unwrap();
        assert_eq!((rule.key(), rule.source(), rule.how()), ("patient-ids", "PID-3", How::Token));
        assert!(rule.needs_key() && format!("{rule:?}").starts_with("token"));
        let rule = parse("PID-3", How::Seal, ContentKind::Hl7).unwrap();
        assert_eq!(format!("{rule:?}"), "seal PID-3");
    }
}
