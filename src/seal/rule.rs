//! One `[[encrypt]]` rule, checked when it is read.

use crate::fault::codes::{W5010, W5011, W5014};
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
    Hl7(hl7v2::Path),
    Fhir(FhirPath),
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
    let path = hl7v2::Path::parse(text)?;
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
        _ => Ok(At::Hl7(path)),
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
        _ => Ok(At::Fhir(path)),
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
            ContentKind::Raw => {
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

    /// What is likely not as meant: `W5014` when it drops an element that must be there.
    #[must_use]
    pub fn warnings(&self) -> Vec<Fault> {
        self.warning().into_iter().collect()
    }

    fn warning(&self) -> Option<Fault> {
        let fhir = self.how == How::Drop && matches!(self.at, At::Fhir(_));
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
    fn dropping_what_must_be_there_warns() {
        let check = |at: &str, how, expected: bool| {
            let rule = parse(at, how, ContentKind::FhirJson).unwrap();
            assert_eq!(rule.warning().is_some(), expected, "{at}");
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
        assert!(rule.warning().is_none() && !rule.needs_key());
        assert_eq!(format!("{rule:?}"), "drop PID-3");
        let rule = parse("PID-3", How::Token, ContentKind::Hl7).unwrap();
        assert_eq!((rule.key(), rule.source(), rule.how()), ("patient-ids", "PID-3", How::Token));
        assert!(rule.needs_key() && format!("{rule:?}").starts_with("token"));
        let rule = parse("PID-3", How::Seal, ContentKind::Hl7).unwrap();
        assert_eq!(format!("{rule:?}"), "seal PID-3");
    }
}
