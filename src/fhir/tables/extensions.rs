//! Extensions that the core specification defines.

use std::collections::HashMap;
use std::sync::OnceLock;

const COMMON: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Definition of an extension.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Short name, such as `patient-birthTime`.
    pub id: &'static str,
    /// The URL that stands in documents.
    pub url: &'static str,
    /// Fewest times it occurs at its place.
    pub min: u16,
    /// Most times; 0 stands for any number.
    pub max: u16,
    /// Types its value may have; none when it is made of parts.
    pub value: Vec<&'static str>,
    /// Elements it may stand on: `Patient.birthDate`.
    pub context: Vec<&'static str>,
    /// Resource types that a reference in it may point to; none given means any.
    pub targets: Vec<&'static str>,
    /// Extensions it is made of.
    pub parts: Vec<ExtensionPart>,
}

/// A part of an extension that is made of extensions.
#[derive(Clone, Debug)]
pub struct ExtensionPart {
    /// Its `url`, relative to the whole.
    pub name: &'static str,
    /// Fewest times it occurs.
    pub min: u16,
    /// Most times; 0 stands for any number.
    pub max: u16,
    /// Types its value may have.
    pub value: Vec<&'static str>,
}

struct Table {
    rows: Vec<Extension>,
    by_name: HashMap<&'static str, usize>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("extensions.txt").lines().filter(|line| !line.starts_with('#'));
        let rows: Vec<_> = lines.filter_map(read).collect();
        let names = rows.iter().enumerate().flat_map(|(n, row)| [(row.url, n), (row.id, n)]);
        Table { by_name: names.collect(), rows }
    })
}

fn read(line: &'static str) -> Option<Extension> {
    let mut cells = line.split('\t').map(|cell| if cell == "-" { "" } else { cell });
    let (id, url, range) = (cells.next()?, cells.next()?, cells.next()?);
    let (value, context) = (list(cells.next()?), list(cells.next()?));
    let (targets, parts) = (list(cells.next()?), cells.next()?);
    let url = if url.contains("://") { url } else { format!("{COMMON}{url}").leak() };
    let (min, max) = bounds(range)?;
    let parts = parts.split('|').filter_map(part).collect();
    Some(Extension { id, url, min, max, value, context, targets, parts })
}

fn part(text: &'static str) -> Option<ExtensionPart> {
    // Names may hold colons themselves, ranges and types never do.
    let mut cells = text.rsplitn(3, ':');
    let (value, range, name) = (cells.next()?, cells.next()?, cells.next()?);
    let (min, max) = bounds(range)?;
    Some(ExtensionPart { name, min, max, value: list(value) })
}

fn bounds(range: &str) -> Option<(u16, u16)> {
    let (min, max) = range.split_once("..")?;
    Some((min.parse().ok()?, max.parse().unwrap_or(0)))
}

fn list(text: &'static str) -> Vec<&'static str> {
    text.split(',').filter(|item| !item.is_empty()).collect()
}

/// The extension of that short name: `patient-birthTime`.
#[must_use]
pub fn extension(id: &str) -> Option<&'static Extension> {
    let row = extension_by_url(id)?;
    (row.id == id).then_some(row)
}

/// The extension of that URL.
#[must_use]
pub fn extension_by_url(url: &str) -> Option<&'static Extension> {
    table().rows.get(*table().by_name.get(url)?)
}

/// All extensions, in order of their short names.
pub fn extensions() -> impl Iterator<Item = &'static Extension> {
    table().rows.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_read() {
        let birth = extension("patient-birthTime").unwrap();
        assert_eq!(birth.url, "http://hl7.org/fhir/StructureDefinition/patient-birthTime");
        assert_eq!(
            (&birth.value[..], &birth.context[..]),
            (&["dateTime"][..], &["Patient.birthDate"][..])
        );
        assert_eq!((birth.min, birth.max), (0, 1));
        let citizenship = extension("patient-citizenship").unwrap();
        let parts: Vec<_> = citizenship.parts.iter().map(|p| (p.name, p.value[0])).collect();
        assert_eq!(parts, [("code", "CodeableConcept"), ("period", "Period")]);
        assert!(extension("nothing").is_none());
        assert_eq!(extension_by_url(birth.url).unwrap().id, birth.id);
        assert_eq!(extensions().count(), 393);
        for row in extensions() {
            assert!(row.value.is_empty() != row.parts.is_empty(), "{}", row.id);
            for ty in row.value.iter().chain(row.parts.iter().flat_map(|p| &p.value)) {
                assert!(super::super::is_type(ty), "{} {ty}", row.id);
            }
        }
    }
}
