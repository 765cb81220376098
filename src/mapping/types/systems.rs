//! Names of coding systems: what v2 calls them and the URI FHIR knows them by.

use std::borrow::Cow;

use crate::fhir::systems::NAMES as SYSTEMS;

/// Short names a mapping may use besides those: `code v3-ActCode#AMB`.
const SHORT: &[(&str, &str)] = &[
    ("condition-clinical", "http://terminology.hl7.org/CodeSystem/condition-clinical"),
    ("condition-ver-status", "http://terminology.hl7.org/CodeSystem/condition-ver-status"),
    ("condition-category", "http://terminology.hl7.org/CodeSystem/condition-category"),
    (
        "allergyintolerance-clinical",
        "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    ),
    (
        "allergyintolerance-verification",
        "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    ),
    ("data-absent-reason", "http://terminology.hl7.org/CodeSystem/data-absent-reason"),
    ("observation-category", "http://terminology.hl7.org/CodeSystem/observation-category"),
    ("diagnosis-role", "http://terminology.hl7.org/CodeSystem/diagnosis-role"),
    ("location-physical-type", "http://terminology.hl7.org/CodeSystem/location-physical-type"),
    ("organization-type", "http://terminology.hl7.org/CodeSystem/organization-type"),
    ("diagnostic-service-sections", "http://terminology.hl7.org/CodeSystem/v2-0074"),
    ("subscriber-relationship", "http://terminology.hl7.org/CodeSystem/subscriber-relationship"),
    ("admit-source", "http://terminology.hl7.org/CodeSystem/admit-source"),
    ("discharge-disposition", "http://terminology.hl7.org/CodeSystem/discharge-disposition"),
    ("us-ssn", "http://hl7.org/fhir/sid/us-ssn"),
    ("us-npi", "http://hl7.org/fhir/sid/us-npi"),
];

fn find(table: &'static [(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map(|(_, uri)| *uri)
}

/// The URI of a coding system as a message names it (CE.3, CWE.3).
///
/// `HL70001` gives the v2 table, an OID its `urn:oid:`, a URI itself. Local systems (`L`,
/// `99..`) and unknown names have none: a URI made up here would be a lie.
pub(crate) fn of_message(name: &str) -> Option<Cow<'static, str>> {
    let name = name.trim();
    if name.is_empty() || name == "L" {
        return None;
    }
    if let Some(uri) = find(SYSTEMS, name) {
        return Some(uri.into());
    }
    // Versions are often written behind the name: `LN-2.40`, `I10-2019`.
    if let Some(uri) = name.split_once('-').and_then(|(stem, _)| find(SYSTEMS, stem)) {
        return Some(uri.into());
    }
    if let Some(table) = name.strip_prefix("HL7").map(|t| t.trim_start_matches(['-', ' '])) {
        return of_table(table);
    }
    is_uri(name).then(|| name.to_owned().into()).or_else(|| of_oid(name).map(Into::into))
}

/// Code systems of HL7 v3 by the last arc of their OID below `2.16.840.1.113883.5`.
///
/// Source: HL7 Terminology, v3 code systems.
const V3: &[(u16, &str)] = &[
    (1, "AdministrativeGender"),
    (2, "MaritalStatus"),
    (4, "ActCode"),
    (6, "ActClass"),
    (7, "ActPriority"),
    (8, "ActReason"),
    (14, "ActStatus"),
    (25, "Confidentiality"),
    (43, "EntityNamePartQualifier"),
    (45, "EntityNameUse"),
    (60, "LanguageAbilityMode"),
    (61, "LanguageAbilityProficiency"),
    (83, "ObservationInterpretation"),
    (84, "ObservationMethod"),
    (88, "ParticipationFunction"),
    (90, "ParticipationType"),
    (110, "RoleClass"),
    (111, "RoleCode"),
    (112, "RouteOfAdministration"),
    (129, "SpecimenType"),
    (139, "TimingEvent"),
    (1001, "ActMood"),
    (1002, "ActRelationshipType"),
    (1008, "NullFlavor"),
    (1063, "ObservationValue"),
    (1076, "ReligiousAffiliation"),
    (1119, "AddressUse"),
];

/// Systems that documents name and v2 does not.
///
/// Source: FHIR R4 terminologies-systems.html; HL7 Terminology.
const OF_DOCUMENTS: &[(&str, &str)] = &[
    // By the number of the table of v2 that it is, too.
    ("2.16.840.1.113883.12.292", "http://hl7.org/fhir/sid/cvx"),
    ("2.16.840.1.113883.12.227", "http://terminology.hl7.org/CodeSystem/MVX"),
    ("2.16.840.1.113883.6.101", "http://nucc.org/provider-taxonomy"),
    ("2.16.840.1.113883.6.13", "http://www.ada.org/cdt"),
    (
        "2.16.840.1.113883.6.259",
        "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html",
    ),
    ("2.16.840.1.113883.3.26.1.1", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"),
    ("2.16.840.1.113883.6.316", "urn:ietf:bcp:47"),
    ("2.16.840.1.113883.6.121", "urn:ietf:bcp:47"),
    ("2.16.1", "urn:iso:std:iso:3166"),
];

/// The URI of a code system that a document names by its OID or UUID.
pub(crate) fn of_v3(name: &str) -> Option<Cow<'static, str>> {
    if let Some((_, uri)) = OF_DOCUMENTS.iter().find(|(oid, _)| *oid == name) {
        return Some((*uri).into());
    }
    if let Some(uri) = crate::fhir::systems::of(name) {
        return Some(uri.into());
    }
    let arc = |prefix: &str| name.strip_prefix(prefix)?.parse::<u16>().ok();
    if let Some(arc) = arc("2.16.840.1.113883.5.")
        && let Some((_, known)) = V3.iter().find(|(own, _)| *own == arc)
    {
        return Some(format!("http://terminology.hl7.org/CodeSystem/v3-{known}").into());
    }
    if let Some(table) = arc("2.16.840.1.113883.12.") {
        return of_table(&format!("{table:04}"));
    }
    if is_uuid(name) {
        return Some(format!("urn:uuid:{}", name.to_ascii_lowercase()).into());
    }
    is_uri(name).then(|| name.to_owned().into()).or_else(|| of_oid(name).map(Into::into))
}

/// The URI of a system as a mapping names it: `code v2-0203#SS`, `code data-absent-reason#..`.
pub(crate) fn of_mapping(name: &str) -> Option<Cow<'static, str>> {
    if is_uri(name) {
        return Some(name.to_owned().into());
    }
    if let Some(table) = name.strip_prefix("v2-") {
        return of_table(table);
    }
    if name.strip_prefix("v3-").is_some_and(|rest| !rest.is_empty()) {
        return Some(format!("http://terminology.hl7.org/CodeSystem/{name}").into());
    }
    find(SYSTEMS, name).or_else(|| find(SHORT, name)).map(Into::into)
}

/// Short names a mapping may use, for suggestions.
pub(crate) fn short_names() -> impl Iterator<Item = &'static str> {
    SHORT.iter().chain(SYSTEMS).map(|(name, _)| *name)
}

/// The URI of an HL7 v2 table by its four digits.
pub(crate) fn of_table(table: &str) -> Option<Cow<'static, str>> {
    let digits = table.len() == 4 && table.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("http://terminology.hl7.org/CodeSystem/v2-{table}").into())
}

/// `urn:oid:..` of something that is an OID.
pub(crate) fn of_oid(text: &str) -> Option<String> {
    is_oid(text).then(|| format!("urn:oid:{text}"))
}

/// Whether a text is an object identifier: `2.16.840.1.113883.6.1`.
pub(crate) fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let first = arcs.next();
    matches!(first, Some("0" | "1" | "2"))
        && text.len() <= 200
        && text.contains('.')
        && arcs.all(|arc| {
            !arc.is_empty()
                && arc.bytes().all(|b| b.is_ascii_digit())
                && (arc == "0" || !arc.starts_with('0'))
        })
}

/// Whether a text is an absolute URI as far as FHIR cares.
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    matches!(scheme, "http" | "https" | "urn" | "ftp" | "mailto")
        && !rest.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && text.strip_prefix("urn:oid:").is_none_or(is_oid)
        && text.strip_prefix("urn:uuid:").is_none_or(is_uuid)
}

/// Whether a text is a UUID as FHIR writes it.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_systems_by_their_v2_names() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(of_message(name).as_deref(), expected, "{name}");
        };
        check("LN", Some("http://loinc.org"));
        check("ln", Some("http://loinc.org"));
        check("SCT", Some("http://snomed.info/sct"));
        check("I10-2019", Some("http://hl7.org/fhir/sid/icd-10"));
        check("HL70001", Some("http://terminology.hl7.org/CodeSystem/v2-0001"));
        check("2.16.840.1.113883.6.1", Some("urn:oid:2.16.840.1.113883.6.1"));
        check("http://x.org/y", Some("http://x.org/y"));
        check("L", None);
        check("99LAB", None);
        check("", None);
        check("HL7", None);
        check("http://a b", None);
    }

    #[test]
    fn knows_systems_of_documents_by_their_oids() {
        let check = |oid: &str, expected: Option<&str>| {
            assert_eq!(of_v3(oid).as_deref(), expected, "{oid}");
        };
        check("2.16.840.1.113883.6.1", Some("http://loinc.org"));
        check("2.16.840.1.113883.6.96", Some("http://snomed.info/sct"));
        check("2.16.840.1.113883.12.292", Some("http://hl7.org/fhir/sid/cvx"));
        check("2.16.840.1.113883.12.74", Some("http://terminology.hl7.org/CodeSystem/v2-0074"));
        let v3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
        check("2.16.840.1.113883.5.83", Some(v3));
        check("2.16.840.1.113883.5.9999", Some("urn:oid:2.16.840.1.113883.5.9999"));
        check("1.2.3", Some("urn:oid:1.2.3"));
        check("not an oid", None);
    }

    #[test]
    fn tells_oids_and_uris() {
        for (text, yes) in
            [("1.2", true), ("1", false), ("1.02", false), ("3.1", false), ("1..2", false)]
        {
            assert_eq!(is_oid(text), yes, "{text}");
        }
        for (text, yes) in
            [("urn:oid:1.2.3", true), ("urn:oid:x", false), ("urn:uuid:1", false), ("a:b", false)]
        {
            assert_eq!(is_uri(text), yes, "{text}");
        }
    }
}
