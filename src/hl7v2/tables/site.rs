//! What a site adds to the standard or sees otherwise: its own segments, changed fields,
//! more codes.
//!
//! Definitions of a site live as long as the program, like those of the standard, so that
//! readers need not tell the two apart. The same text gives the same definitions, however
//! often it is read: reloading a configuration keeps nothing twice.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use super::{FieldDef, SegmentDef, Usage, VERSIONS, Version};

/// What a site says, as it is written in its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteParts {
    /// Its own segments.
    pub segments: Vec<SiteSegment>,
    /// Fields of the standard that it uses otherwise.
    pub fields: Vec<FieldChange>,
    /// Codes it adds to tables of the standard, and tables of its own.
    pub tables: Vec<SiteTable>,
}

/// A segment of a site, such as `ZLB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSegment {
    /// Its ID.
    pub id: Arc<str>,
    /// Its name in words.
    pub name: Arc<str>,
    /// The segment it follows.
    pub after: Option<Arc<str>>,
    /// Its fields from 1 on.
    pub fields: Vec<SiteField>,
}

/// A field of a site's segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteField {
    /// Its name in words.
    pub name: Arc<str>,
    /// Data type of the standard.
    pub datatype: Arc<str>,
    /// Whether it has to be there.
    pub usage: Usage,
    /// Most repetitions; 0 means no bound.
    pub max: u32,
    /// Most characters.
    pub length: Option<u32>,
    /// Table of its codes; empty for none.
    pub table: Arc<str>,
}

/// What a site changes of a field; what is not said stays as the version has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldChange {
    /// ID of the segment.
    pub segment: Arc<str>,
    /// Number of the field, from 1.
    pub field: usize,
    /// Its name in words.
    pub name: Option<Arc<str>>,
    /// Data type.
    pub datatype: Option<Arc<str>>,
    /// Whether it has to be there.
    pub usage: Option<Usage>,
    /// Most repetitions; 0 means no bound.
    pub max: Option<u32>,
    /// Most characters; 0 takes the limit away.
    pub length: Option<u32>,
    /// Table of its codes; empty takes it away.
    pub table: Option<Arc<str>>,
}

/// Codes a site adds to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteTable {
    /// Number of the table, four digits, or a name of the site's own.
    pub id: Arc<str>,
    /// Code and what it is called.
    pub codes: Vec<(Arc<str>, Arc<str>)>,
    /// Whether only these codes count, those of the standard do not.
    pub replaces: bool,
}

/// The definitions of a site, over those of the standard. Cheap to clone.
#[derive(Clone, Default)]
pub struct Site(Option<Arc<Inner>>);

struct Inner {
    parts: SiteParts,
    segments: Vec<&'static SegmentDef>,
    /// Segments with changed fields, for each version once asked for.
    changed: Vec<Changed>,
}

struct Changed {
    id: Arc<str>,
    defs: [OnceLock<Option<&'static SegmentDef>>; VERSIONS],
}

impl Site {
    /// A site that changes nothing.
    pub const NONE: Self = Self(None);

    /// Takes what a site says.
    #[must_use]
    pub fn new(parts: SiteParts) -> Self {
        static KNOWN: Mutex<Vec<Site>> = Mutex::new(Vec::new());
        if parts == SiteParts::default() {
            return Self::NONE;
        }
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let same = |site: &&Self| site.0.as_ref().is_some_and(|inner| inner.parts == parts);
        if let Some(site) = known.iter().find(same) {
            return site.clone();
        }
        let segments = parts.segments.iter().map(segment).collect();
        let mut changed: Vec<Changed> = Vec::new();
        for change in &parts.fields {
            if !changed.iter().any(|c| c.id == change.segment) {
                let defs = [const { OnceLock::new() }; VERSIONS];
                changed.push(Changed { id: change.segment.clone(), defs });
            }
        }
        let site = Self(Some(Arc::new(Inner { parts, segments, changed })));
        known.push(site.clone());
        site
    }

    /// What it was made of.
    #[must_use]
    pub fn parts(&self) -> Option<&SiteParts> {
        self.0.as_deref().map(|inner| &inner.parts)
    }

    /// A segment as this site uses it in a version: its own, a changed one, or that of the
    /// standard.
    #[must_use]
    pub fn segment(&self, version: &'static Version, id: &str) -> Option<&'static SegmentDef> {
        let Some(inner) = self.0.as_deref() else { return version.segment(id) };
        let own = inner.parts.segments.iter().position(|segment| *segment.id == *id);
        if let Some(at) = own {
            return inner.segments.get(at).copied();
        }
        let Some(changed) = inner.changed.iter().find(|changed| *changed.id == *id) else {
            return version.segment(id);
        };
        let Some(cell) = changed.defs.get(version.ordinal()) else { return version.segment(id) };
        *cell.get_or_init(|| {
            let def = version.segment(id)?;
            Some(change(def, inner.parts.fields.iter().filter(|change| *change.segment == *id)))
        })
    }

    /// The site's own segments: ID and definition.
    pub fn segments(&self) -> impl Iterator<Item = (&str, &'static SegmentDef)> {
        let inner = self.0.as_deref();
        inner.into_iter().flat_map(|inner| {
            inner.parts.segments.iter().map(|s| &*s.id).zip(inner.segments.iter().copied())
        })
    }

    /// What the site says of a table.
    #[must_use]
    pub fn table(&self, id: &str) -> Option<&SiteTable> {
        self.parts()?.tables.iter().find(|table| *table.id == *id)
    }

    /// What a code is called: by the site, else by the standard.
    #[must_use]
    pub fn code(&self, table: &str, code: &str) -> Option<&str> {
        let own = self.table(table);
        let found = own.and_then(|own| own.codes.iter().find(|(known, _)| **known == *code));
        match (found, own) {
            (Some((_, display)), _) => Some(display),
            (None, Some(own)) if own.replaces => None,
            _ => super::code(table, code),
        }
    }
}

impl PartialEq for Site {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Site {}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, fields, tables) =
            self.parts().map_or((0, 0, 0), |p| (p.segments.len(), p.fields.len(), p.tables.len()));
        write!(f, "Site({segments} segments, {fields} changed fields, {tables} tables)")
    }
}

fn keep(text: &str) -> &'static str {
    if text.is_empty() { "" } else { Box::leak(text.to_owned().into_boxed_str()) }
}

fn segment(written: &SiteSegment) -> &'static SegmentDef {
    let field = |field: &SiteField| -> Option<&'static FieldDef> {
        Some(Box::leak(Box::new(FieldDef {
            name: keep(&field.name),
            datatype: keep(&field.datatype),
            usage: field.usage,
            max: field.max,
            length: field.length,
            table: keep(&field.table),
            item: None,
        })))
    };
    Box::leak(Box::new(SegmentDef {
        name: keep(&written.name),
        withdrawn: "",
        fields: written.fields.iter().map(field).collect(),
    }))
}

/// A segment of the standard with some fields changed.
fn change<'c>(
    def: &SegmentDef,
    changes: impl Iterator<Item = &'c FieldChange>,
) -> &'static SegmentDef {
    let mut def = def.clone();
    for change in changes.filter(|change| change.field > 0) {
        let at = change.field - 1;
        if def.fields.len() <= at {
            def.fields.resize(at + 1, None);
        }
        let mut field = def.fields[at].cloned().unwrap_or(FieldDef {
            name: "",
            datatype: "ST",
            usage: Usage::Optional,
            max: 1,
            length: None,
            table: "",
            item: None,
        });
        field.name = change.name.as_deref().map_or(field.name, keep);
        field.datatype = change.datatype.as_deref().map_or(field.datatype, keep);
        field.usage = change.usage.unwrap_or(field.usage);
        field.max = change.max.unwrap_or(field.max);
        field.length = change.length.map_or(field.length, |n| (n > 0).then_some(n));
        field.table = change.table.as_deref().map_or(field.table, keep);
        def.fields[at] = Some(Box::leak(Box::new(field)));
    }
    Box::leak(Box::new(def))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_adds_and_changes() {
        let field = SiteField {
            name: "Bench".into(),
            datatype: "IS".into(),
            usage: Usage::Required,
            max: 1,
            length: Some(20),
            table: "9001".into(),
        };
        let parts = SiteParts {
            segments: vec![SiteSegment {
                id: "ZLB".into(),
                name: "Lab Bench".into(),
                after: Some("OBX".into()),
                fields: vec![field],
            }],
            fields: vec![FieldChange {
                segment: "PID".into(),
                field: 19,
                usage: Some(Usage::Required),
                length: Some(0),
                ..FieldChange::default()
            }],
            tables: vec![SiteTable {
                id: "0001".into(),
                codes: vec![("X".into(), "Diverse".into())],
                replaces: false,
            }],
        };
        let site = Site::new(parts.clone());
        let (version, _) = super::super::version("2.5.1");
        assert_eq!(site.segment(version, "ZLB").unwrap().field(1).unwrap().table, "9001");
        let pid = site.segment(version, "PID").unwrap();
        assert_eq!(pid.field(19).unwrap().usage, Usage::Required);
        assert_eq!(pid.field(19).unwrap().length, None);
        assert_eq!(pid.field(3).unwrap().name, "Patient Identifier List");
        assert!(std::ptr::eq(pid, Site::new(parts).segment(version, "PID").unwrap()));
        assert_eq!(site.code("0001", "X"), Some("Diverse"));
        assert_eq!(site.code("0001", "F"), Some("Female"));
        assert_eq!(site.code("0001", "zz"), None);
        assert_eq!(Site::NONE.segment(version, "PV1").unwrap().name, "Patient Visit");
        assert!(Site::NONE.segment(version, "ZLB").is_none());
    }
}
