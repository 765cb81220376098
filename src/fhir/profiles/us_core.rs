//! The profiles of US Core, as packages that are part of the program.

use super::package::USCORE;

/// A version with its package. The first is the one that ONC HTI-1 requires.
///
/// Source: HL7 package `hl7.fhir.us.core` (CC0-1.0), written by `generate us-core`.
const VERSIONS: [(&str, &str); 3] = [
    ("6.1.0", include_str!("us-core-6.1.0.jsonl")),
    ("7.0.0", include_str!("us-core-7.0.0.jsonl")),
    ("8.0.0", include_str!("us-core-8.0.0.jsonl")),
];

/// The package of a version, or of the first one.
pub(in crate::fhir) fn us_core(version: Option<&str>) -> Option<&'static str> {
    let mut all = VERSIONS.iter();
    all.find(|(known, _)| version.is_none_or(|version| version == *known)).map(|(_, text)| *text)
}

/// The versions there are.
pub(in crate::fhir) fn us_core_versions() -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().map(|(version, _)| *version)
}

/// Whether a URL is that of a profile of US Core.
pub(in crate::fhir) fn is_us_core(url: &str) -> bool {
    url.starts_with(USCORE)
}

/// The URL of a profile that is named shortly, `us-core-patient`; others as they are.
pub(in crate::fhir) fn full(name: &str) -> std::borrow::Cow<'_, str> {
    if name.starts_with("us-core-") && !name.contains('/') {
        format!("{USCORE}{name}").into()
    } else {
        name.into()
    }
}
