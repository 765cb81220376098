//! Codes as consents and messages write them, and whether two of them are one.
//!
//! A system has many names: `LN`, `urn:oid:2.16.840.1.113883.6.1` and `http://loinc.org`
//! are one. What cannot be told is unsure, so that a denial still holds.

use crate::fhir::systems::{self, CONFIDENTIALITY};
use crate::fhir::{Node, NodeKind};

/// Whether something applies. What cannot be checked is not taken for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// It does not.
    No,
    /// It may.
    Unsure,
    /// It does.
    Yes,
}

impl Match {
    pub fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }
}

/// A code system.
#[derive(Clone, Debug, PartialEq, Eq)]
enum System {
    /// One of the tables, by its URI.
    Known(&'static str),
    /// Any other, in the one spelling of [`systems::normal`].
    Other {
        name: Box<str>,
        /// Whether it is a URI or OID, which name one system only; else a local name.
        global: bool,
    },
}

impl System {
    fn of(text: &str) -> Option<Self> {
        if let Some(uri) = systems::of(text) {
            return Some(Self::Known(uri));
        }
        let name = systems::normal(text);
        let oid = name.contains('.') && name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let global = oid || name.contains('/') || text.contains(':');
        (!name.is_empty()).then(|| Self::Other { name: name.into(), global })
    }

    /// Whether it is the same one.
    fn is(&self, other: &Self) -> Match {
        match (self, other) {
            (one, other) if one == other => Match::Yes,
            (Self::Known(one), Self::Known(other)) => {
                if systems::related(one, other) {
                    Match::Unsure
                } else {
                    Match::No
                }
            }
            (Self::Other { global: true, .. }, Self::Other { global: true, .. }) => Match::No,
            _ if self.is_of_hl7() && other.is_of_hl7() => Match::No,
            _ => Match::Unsure,
        }
    }

    /// Whether it is one of the tables, or has an address of HL7, where no system has two.
    fn is_of_hl7(&self) -> bool {
        match self {
            Self::Known(_) => true,
            Self::Other { name, .. } => name.starts_with("terminology.hl7.org/"),
        }
    }
}

/// A code, with its system where one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    system: Option<System>,
    code: Box<str>,
}

/// Confidentiality from mild to strict: a label covers those before it.
///
/// Source: FHIR R4 consent.html, `Consent.provision.securityLabel`; HL7 v3 Confidentiality.
const CONFIDENTIAL: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

impl Code {
    /// A code of a system, which may be written in any of its names.
    pub fn new(system: Option<&str>, code: &str) -> Self {
        Self { system: system.and_then(System::of), code: code.trim().into() }
    }

    /// A code of a system by its URI in the tables.
    pub fn known(system: &'static str, code: &str) -> Self {
        Self { system: Some(System::Known(system)), code: code.into() }
    }

    /// Reads `system|code` or `code`.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('|') {
            Some((system, code)) => Self::new(Some(system), code),
            None => Self::new(None, text),
        }
    }

    /// A Coding; none when it has no code.
    pub fn of(coding: Node<'_>) -> Option<Self> {
        let code = coding.get("code").filter(|code| code.kind() == NodeKind::String)?.text()?;
        let system = coding.get("system").and_then(|system| system.string());
        (!code.trim().is_empty()).then(|| Self::new(system.as_deref(), &code))
    }

    /// The code without its system.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether it is of a system.
    pub fn is_of(&self, system: &str) -> bool {
        self.system.is_some() && self.system == System::of(system)
    }

    /// The system, where it is one of the tables.
    pub fn known_system(&self) -> Option<&'static str> {
        match &self.system {
            Some(System::Known(uri)) => Some(uri),
            _ => None,
        }
    }

    /// Whether this, which a rule names, is the code that a content has. A rule without
    /// system means every one; a content without may mean any.
    pub fn is(&self, found: &Self) -> Match {
        let same = if self.code == found.code {
            Match::Yes
        } else if alike(&self.code, &found.code) {
            Match::Unsure
        } else {
            return Match::No;
        };
        same.and(self.same_system(found))
    }

    /// Whether a label of a content is of the kind that this is: of its system, or of none.
    pub fn speaks_of(&self, found: &Self) -> bool {
        found.system.is_none() || self.same_system(found) == Match::Yes
    }

    /// Whether the code of a content is of the system that this is of.
    fn same_system(&self, found: &Self) -> Match {
        match (&self.system, &found.system) {
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Unsure,
            (Some(own), Some(found)) => own.is(found),
        }
    }

    /// Whether a code of a content that is not this one tells that this one is not meant:
    /// one of a local system, or of none, may mean anything.
    pub fn compares(&self, found: &Self) -> bool {
        let known = found.known_system().is_some();
        known || self.system.is_none() || self.same_system(found) == Match::Yes
    }

    /// Whether it is a confidentiality that `found` is stricter than.
    pub fn milder_than(&self, found: &Self) -> bool {
        let rank = |code: &Self| {
            let ours = code.system.is_none() || code.known_system() == Some(CONFIDENTIALITY);
            CONFIDENTIAL.iter().position(|c| ours && *c == &*code.code)
        };
        rank(self).zip(rank(found)).is_some_and(|(own, found)| own < found)
    }
}

/// Whether codes differ only in what senders leave out: `E11.9` and `E119`, `2345-7`.
fn alike(one: &str, other: &str) -> bool {
    fn plain(text: &str) -> impl Iterator<Item = u8> + '_ {
        let kept = text.bytes().filter(|b| !matches!(b, b'.' | b'-' | b' '));
        kept.map(|b| b.to_ascii_uppercase())
    }
    plain(one).eq(plain(other))
}

/// Codes of a CodeableConcept, or of a list of them; whether one of them has none, such as
/// one with a text only.
pub(super) fn concepts(node: Node<'_>, codes: &mut Vec<Code>) -> bool {
    let mut unclear = false;
    for concept in node.each().filter(|concept| concept.kind() == NodeKind::Object) {
        let before = codes.len();
        let codings = concept.get("coding");
        codes.extend(codings.iter().flat_map(|list| list.each()).filter_map(Code::of));
        unclear |= codes.len() == before;
    }
    unclear
}

#[cfg(test)]
mod tests {
    use super::*;
    use Match::{No, Unsure, Yes};

    #[test]
    fn codes_are_one_in_every_spelling_of_their_system() {
        let check = |own: &str, found: &str, expected| {
            assert_eq!(Code::parse(own).is(&Code::parse(found)), expected, "{own} {found}");
        };
        check("http://loinc.org|2345-7", "LN|2345-7", Yes);
        check("http://loinc.org|2345-7", "urn:oid:2.16.840.1.113883.6.1|2345-7", Yes);
        check("urn:oid:2.16.840.1.113883.6.1|2345-7", "LOINC|2345-7", Yes);
        check("http://snomed.info/sct|165816005", "SCT|165816005", Yes);
        check("http://snomed.info/sct|165816005", "SNM|165816005", Unsure);
        check("http://hl7.org/fhir/sid/icd-10|E11.9", "I10|E119", Unsure);
        check("http://hl7.org/fhir/sid/icd-10|E11.9", "ICD10CM|E11.9", Unsure);
        check("http://loinc.org|1", "http://snomed.info/sct|1", No);
        check("http://loinc.org|1", "LN|2", No);
        check("http://loinc.org|1", "1", Unsure);
        check("http://loinc.org|1", "L|1", Unsure);
        check("http://loinc.org|1", "http://x.org|1", Unsure);
        check("http://loinc.org|R", "http://terminology.hl7.org/CodeSystem/v3-ActReason|R", No);
        check("http://x.org/a|1", "https://x.org/a/|1", Yes);
        check("http://x.org/a|1", "http://x.org/b|1", No);
        check("http://x.org/a|1", "1.2.3|1", No);
        check("1.2.3|1", "urn:oid:1.2.3|1", Yes);
        check("1", "http://loinc.org|1", Yes);
        check("http://terminology.hl7.org/CodeSystem/v2-0177|R", "HL70177|R", Yes);
    }

    #[test]
    fn what_is_of_no_known_system_tells_nothing() {
        let check = |own: &str, found: &str, expected| {
            assert_eq!(Code::parse(own).compares(&Code::parse(found)), expected, "{own} {found}");
        };
        check("http://loinc.org|1", "SCT|2", true);
        check("http://loinc.org|1", "L|2", false);
        check("http://loinc.org|1", "2", false);
        check("http://x.org|1", "http://x.org|2", true);
        check("1", "L|2", true);
    }

    #[test]
    fn confidentiality_has_an_order() {
        let check = |own: &str, found: &str, expected| {
            assert_eq!(Code::parse(own).milder_than(&Code::parse(found)), expected, "{own}");
        };
        check("R", "V", true);
        check("http://hl7.org/fhir/v3/Confidentiality|N", "R", true);
        check("V", "R", false);
        check("R", "R", false);
        check("HIV", "V", false);
        check("http://x.org|R", "V", false);
    }
}
