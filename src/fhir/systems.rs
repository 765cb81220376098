//! Names of code systems: what v2 calls them, their OIDs, and the URI FHIR knows them by.
//!
//! One table for mappings, which write the URI, and for consent, which must know that two
//! names mean one system. What stands in no table is nobody's here: [`of`] gives none.

use std::sync::LazyLock;

/// Names of HL7 table 0396 and those senders use in their place, with the URI of FHIR.
///
/// Source: FHIR R4 terminologies-systems.html; HL7 table 0396.
pub const NAMES: &[(&str, &str)] = &[
    ("ACR", "http://terminology.hl7.org/CodeSystem/ACR"),
    ("ATC", "http://www.whocc.no/atc"),
    ("C4", CPT),
    ("CAS", "urn:oid:2.16.840.1.113883.6.61"),
    ("CDCREC", "urn:oid:2.16.840.1.113883.6.238"),
    ("CPT", CPT),
    ("CPT4", CPT),
    ("CPTM", CPT),
    ("CVX", "http://hl7.org/fhir/sid/cvx"),
    ("DCM", "http://dicom.nema.org/resources/ontology/DCM"),
    ("HCPCS", "urn:oid:2.16.840.1.113883.6.14"),
    ("I10", ICD_10),
    ("I10C", ICD_10_CM),
    ("I10P", ICD_10_PCS),
    ("I9", ICD_9_CM),
    ("I9C", ICD_9_CM),
    ("I9CDX", ICD_9_CM),
    ("I9CP", ICD_9_CM),
    ("ICD10", ICD_10),
    ("ICD-10", ICD_10),
    ("ICD-10-CM", ICD_10_CM),
    ("ICD10CM", ICD_10_CM),
    ("ICD10PCS", ICD_10_PCS),
    ("ICD9", ICD_9_CM),
    ("ICD-9-CM", ICD_9_CM),
    ("ICD9CM", ICD_9_CM),
    ("ISO3166_1", "urn:iso:std:iso:3166"),
    ("ISO+", "urn:oid:2.16.840.1.113883.6.8"),
    ("LN", LOINC),
    ("LOINC", LOINC),
    ("MEDR", "urn:oid:2.16.840.1.113883.6.163"),
    ("MVX", "http://terminology.hl7.org/CodeSystem/MVX"),
    ("NDC", "http://hl7.org/fhir/sid/ndc"),
    ("NUBC", "urn:oid:2.16.840.1.113883.6.301"),
    ("NUCC", "http://nucc.org/provider-taxonomy"),
    ("RXNORM", RXNORM),
    ("SCT", SNOMED_CT),
    ("SNM", SNOMED_2),
    ("SNM3", "urn:oid:2.16.840.1.113883.6.51.3"),
    ("SNOMED", SNOMED_CT),
    ("SNOMED-CT", SNOMED_CT),
    ("SNOMEDCT", SNOMED_CT),
    ("SNOMED CT", SNOMED_CT),
    ("UCUM", "http://unitsofmeasure.org"),
    ("UNII", "http://fdasis.nlm.nih.gov"),
];

const CPT: &str = "http://www.ama-assn.org/go/cpt";
const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10";
const ICD_10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
const ICD_10_PCS: &str = "http://www.cms.gov/Medicare/Coding/ICD10";
const ICD_9_CM: &str = "http://hl7.org/fhir/sid/icd-9-cm";
const LOINC: &str = "http://loinc.org";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const SNOMED_CT: &str = "http://snomed.info/sct";
const SNOMED_2: &str = "urn:oid:2.16.840.1.113883.6.51";

/// The code system of confidentiality labels.
pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// The code system of sensitivity labels and other acts.
pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// OIDs and other addresses of systems, with the URI of FHIR.
///
/// Source: FHIR R4 terminologies-systems.html (OIDs); FHIR STU3 for `hl7.org/fhir/v3`.
const ALIASES: &[(&str, &str)] = &[
    ("2.16.840.1.113883.6.1", LOINC),
    ("2.16.840.1.113883.6.96", SNOMED_CT),
    ("2.16.840.1.113883.6.88", RXNORM),
    ("2.16.840.1.113883.6.3", ICD_10),
    ("2.16.840.1.113883.6.90", ICD_10_CM),
    ("2.16.840.1.113883.6.4", ICD_10_PCS),
    ("2.16.840.1.113883.6.42", ICD_9_CM),
    ("2.16.840.1.113883.6.103", ICD_9_CM),
    ("2.16.840.1.113883.6.104", ICD_9_CM),
    ("2.16.840.1.113883.6.12", CPT),
    ("2.16.840.1.113883.6.69", "http://hl7.org/fhir/sid/ndc"),
    ("2.16.840.1.113883.12.292", "http://hl7.org/fhir/sid/cvx"),
    ("2.16.840.1.113883.6.59", "http://hl7.org/fhir/sid/cvx"),
    ("2.16.840.1.113883.6.8", "http://unitsofmeasure.org"),
    ("2.16.840.1.113883.6.73", "http://www.whocc.no/atc"),
    ("2.16.840.1.113883.4.9", "http://fdasis.nlm.nih.gov"),
    ("2.16.840.1.113883.5.25", CONFIDENTIALITY),
    ("2.16.840.1.113883.5.4", ACT_CODE),
    ("hl7.org/fhir/v3/confidentiality", CONFIDENTIALITY),
    ("hl7.org/fhir/v3/actcode", ACT_CODE),
    ("hl7.org/fhir/sid/icd-10-pcs", ICD_10_PCS),
    ("snomed.org/sct", SNOMED_CT),
];

/// Systems that are editions or forerunners of one another: one code may stand in each.
const FAMILIES: &[&[&str]] =
    &[&[ICD_10, ICD_10_CM, ICD_10_PCS], &[SNOMED_CT, SNOMED_2, "urn:oid:2.16.840.1.113883.6.51.3"]];

/// An address without what two spellings of it differ in: scheme, `www.`, the slash at its
/// end, case.
///
/// An OID loses its `urn:oid:`; `HL70177` and the OID of that table become the address of
/// `v2-0177`.
#[must_use]
pub fn normal(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let bare = ["http://", "https://", "urn:oid:"].iter().find_map(|s| lower.strip_prefix(s));
    let bare = bare.unwrap_or(&lower);
    let bare = bare.strip_prefix("www.").unwrap_or(bare).trim_end_matches('/');
    let table = bare
        .strip_prefix("hl7")
        .map(|rest| rest.trim_start_matches(['-', ' ']))
        .or_else(|| bare.strip_prefix("2.16.840.1.113883.12."))
        .filter(|digits| (1..=4).contains(&digits.len()))
        .and_then(|digits| digits.parse::<u16>().ok());
    match table {
        Some(number) => format!("terminology.hl7.org/codesystem/v2-{number:04}"),
        None => bare.to_owned(),
    }
}

/// The URI of a system by any of its names: that of v2, OID, URI in another spelling.
///
/// None for local systems (`L`, `99..`) and what is not known here.
#[must_use]
pub fn of(name: &str) -> Option<&'static str> {
    let name = name.trim();
    let own = |stem: &str| {
        NAMES.iter().find(|(short, _)| short.eq_ignore_ascii_case(stem)).map(|(_, uri)| *uri)
    };
    if let Some((_, uri)) = NAMES.iter().find(|(_, uri)| *uri == name) {
        return Some(uri);
    }
    if let Some(uri) = own(name) {
        return Some(uri);
    }
    if !name.contains([':', '.', '/']) {
        // Versions are often written behind the name: `LN-2.40`, `I10-2019`.
        return name.split_once('-').and_then(|(stem, _)| own(stem));
    }
    if [CONFIDENTIALITY, ACT_CODE].contains(&name) {
        return if name == CONFIDENTIALITY { Some(CONFIDENTIALITY) } else { Some(ACT_CODE) };
    }
    let bare = normal(name);
    // An edition of SNOMED CT: `http://snomed.info/sct/900000000000207008`.
    let bare = if bare.starts_with("snomed.info/sct/") { "snomed.info/sct" } else { &*bare };
    let alias = ALIASES.iter().find(|(alias, _)| *alias == bare).map(|(_, uri)| *uri);
    alias
        .or_else(|| BARE.iter().find(|(known, _)| known == bare).map(|(_, uri)| *uri))
        .or_else(|| name.split_once('-').and_then(|(stem, _)| own(stem)))
}

/// The known URIs in their one spelling, made once: every name of a person with a dot in it
/// is looked for here.
static BARE: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
    let known = NAMES.iter().map(|(_, uri)| *uri).chain([CONFIDENTIALITY, ACT_CODE]);
    known.map(|uri| (normal(uri), uri)).collect()
});

/// Whether two URIs of [`of`] name systems that share codes.
#[must_use]
pub fn related(one: &str, other: &str) -> bool {
    one == other || FAMILIES.iter().any(|all| all.contains(&one) && all.contains(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_system_has_many_names() {
        let check = |name: &str, expected: Option<&str>| assert_eq!(of(name), expected, "{name}");
        for name in [
            "LN",
            "ln",
            "LOINC",
            " LN ",
            "LN-2.40",
            "http://loinc.org",
            "https://loinc.org/",
            "http://www.loinc.org",
            "2.16.840.1.113883.6.1",
            "urn:oid:2.16.840.1.113883.6.1",
            "URN:OID:2.16.840.1.113883.6.1",
        ] {
            check(name, Some(LOINC));
        }
        for name in ["SCT", "SNOMED-CT", "snomed ct", "http://snomed.info/sct/900000000000207008"] {
            check(name, Some(SNOMED_CT));
        }
        check("urn:oid:2.16.840.1.113883.6.51", Some(SNOMED_2));
        check("I10-2019", Some(ICD_10));
        check("ICD10CM", Some(ICD_10_CM));
        check("http://hl7.org/fhir/v3/ActCode", Some(ACT_CODE));
        check(ACT_CODE, Some(ACT_CODE));
        check(CONFIDENTIALITY, Some(CONFIDENTIALITY));
        check("https://terminology.hl7.org/CodeSystem/v3-Confidentiality/", Some(CONFIDENTIALITY));
        for name in ["L", "99LAB", "", "HL70001", "http://x.org/y", "1.2.3", "x-y", "-"] {
            check(name, None);
        }
    }

    #[test]
    fn addresses_have_one_spelling() {
        let check = |text: &str, expected: &str| assert_eq!(normal(text), expected, "{text}");
        check("HTTPS://www.X.org/y/", "x.org/y");
        check("HL70177", "terminology.hl7.org/codesystem/v2-0177");
        check("urn:oid:2.16.840.1.113883.12.177", "terminology.hl7.org/codesystem/v2-0177");
        check(
            "http://terminology.hl7.org/CodeSystem/v2-0177",
            "terminology.hl7.org/codesystem/v2-0177",
        );
        check("HL7", "hl7");
        check("99LAB", "99lab");
    }

    #[test]
    fn editions_share_codes() {
        assert!(
            related(ICD_10, ICD_10_CM) && related(LOINC, LOINC) && related(SNOMED_2, SNOMED_CT)
        );
        assert!(!related(LOINC, SNOMED_CT) && !related(ICD_9_CM, ICD_10));
    }
}
