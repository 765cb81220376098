//! The list of findings while it grows: grades them by the profile and names their places.

use std::borrow::Cow;
use std::collections::HashMap;

use super::FINDINGS_MAX;
use super::finding::{Finding, Findings};
use super::profile::{At, Profile, kind};
use super::schema::Codes;
use crate::fault::codes as w;
use crate::fault::{Code, Severity};
use crate::hl7v2::escape::unescape;
use crate::hl7v2::message::Message;
use crate::hl7v2::scan::SegmentId;
use crate::hl7v2::structure::{Deviation, DeviationKind};
use crate::hl7v2::tables::{Site, Version};

/// A place in a message by numbers; all but the segment from 1, 0 where it ends before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spot {
    pub segment: usize,
    pub field: u32,
    pub repetition: u32,
    pub component: u32,
    pub subcomponent: u32,
}

impl Spot {
    pub(super) fn of(segment: usize) -> Self {
        Self { segment, ..Self::default() }
    }
}

/// The findings of one message so far.
pub(super) struct Notes<'m, 's> {
    message: &'m Message,
    version: &'static Version,
    site: &'s Site,
    profile: &'s Profile,
    pub findings: Findings,
    /// The segment whose occurrence was counted last.
    counted: Option<(usize, u32)>,
    /// Occurrence of every segment, once it was needed in a message of many: counting anew
    /// for each finding would take the square of its length.
    ordinals: Vec<u32>,
}

/// Segments that are counted anew for each finding: fewer than a list is worth.
const FEW: usize = 64;

impl<'m, 's> Notes<'m, 's> {
    pub(super) fn new(
        message: &'m Message,
        version: &'static Version,
        site: &'s Site,
        profile: &'s Profile,
    ) -> Self {
        let findings = Findings { version: version.name, ..Findings::default() };
        let ordinals = Vec::new();
        Self { message, version, site, profile, findings, counted: None, ordinals }
    }

    #[cold]
    pub(super) fn note(&mut self, code: Code, spot: Spot, cause: &'static str) {
        self.add(code, spot, cause.into());
    }

    #[cold]
    pub(super) fn add(&mut self, code: Code, spot: Spot, cause: Cow<'static, str>) {
        self.push(code, None, spot, cause);
    }

    /// A code that its table does not have.
    #[cold]
    pub(super) fn code(&mut self, value: &[u8], codes: &Codes, spot: Spot) {
        let id = codes.id;
        if codes.is_elsewhere(value) {
            let cause = format!("table {id} has the code, but not in {}", self.version.name);
            self.add(w::W2112, spot, cause.into());
        } else if codes.is_fixed {
            self.add(w::W2103, spot, format!("table {id} has no such code").into());
        } else {
            self.add(w::W2125, spot, format!("table {id} has no such code").into());
        }
    }

    /// What a profile or site asks for, with its own severity.
    pub(super) fn ruled(
        &mut self,
        (code, severity): (Code, Option<Severity>),
        spot: Spot,
        cause: String,
    ) {
        self.push(code, severity, spot, cause.into());
    }

    fn push(
        &mut self,
        code: Code,
        severity: Option<Severity>,
        spot: Spot,
        cause: Cow<'static, str>,
    ) {
        let occurrence = self.occurrence(spot.segment);
        let message = self.message;
        let id = message.segment(spot.segment).map_or("", |segment| segment.id());
        let at = At {
            segment: id,
            occurrence,
            field: spot.field,
            repetition: spot.repetition,
            component: spot.component,
            subcomponent: spot.subcomponent,
        };
        let (level, usual) = kind(code);
        let severity = severity.unwrap_or(usual);
        let Some(severity) = self.profile.grade(code, level, severity, &at) else { return };
        if self.findings.list.len() >= FINDINGS_MAX {
            self.findings.unlisted += 1;
            return;
        }
        let (path, name) = (path(&at), self.name(id, spot));
        self.findings.list.push(Finding {
            code,
            level,
            severity,
            segment: Some(spot.segment),
            path,
            group: String::new(),
            name,
            cause,
        });
    }

    /// A deviation from the message structure.
    pub(super) fn deviation(&mut self, deviation: &Deviation) {
        let fault = deviation.to_fault();
        let code = fault.code();
        let (level, severity) = kind(code);
        let at = At {
            segment: &deviation.name,
            occurrence: u32::try_from(deviation.occurrence).unwrap_or(0),
            field: 0,
            repetition: 0,
            component: 0,
            subcomponent: 0,
        };
        let Some(severity) = self.profile.grade(code, level, severity, &at) else { return };
        let name = match deviation.kind {
            DeviationKind::Missing if deviation.name.len() > 3 => String::new(),
            _ => self.name(&deviation.name, Spot::default()),
        };
        self.findings.add(Finding {
            code,
            level,
            severity,
            segment: deviation.segment,
            path: path(&at),
            group: deviation.group.to_owned(),
            name,
            cause: fault.cause().unwrap_or_default().to_owned().into(),
        });
    }

    /// Which segment of its name one is, from 1.
    fn occurrence(&mut self, index: usize) -> u32 {
        if let Some((known, occurrence)) = self.counted
            && known == index
        {
            return occurrence;
        }
        let count = self.message.segment_count();
        if count > FEW {
            if self.ordinals.is_empty() {
                let mut counts: HashMap<Option<SegmentId>, u32> = HashMap::new();
                let ordinal = |at| {
                    let count = counts.entry(self.message.segment_id(at)).or_default();
                    *count += 1;
                    *count
                };
                self.ordinals = (0..count).map(ordinal).collect();
            }
            return self.ordinals.get(index).copied().unwrap_or(0);
        }
        let id = self.message.segment_id(index);
        let before = (0..=index).filter(|at| self.message.segment_id(*at) == id).count();
        let occurrence = u32::try_from(before).unwrap_or(u32::MAX);
        self.counted = Some((index, occurrence));
        occurrence
    }

    /// What a place is called: segment, or field, and component.
    fn name(&self, id: &str, spot: Spot) -> String {
        let Some(segment) = self.site.segment(self.version, id) else { return String::new() };
        if spot.field == 0 {
            return segment.name.to_owned();
        }
        let Some(field) = segment.field(spot.field as usize) else { return String::new() };
        let datatype = self.version.datatype(field.datatype);
        let at = (spot.component as usize).checked_sub(1);
        let component = at.and_then(|at| datatype?.components.get(at));
        match component {
            Some(component) => format!("{}, {}", field.name, component.name),
            None => field.name.to_owned(),
        }
    }

    /// Characters of a value, with each escape sequence counted as what it stands for.
    pub(super) fn characters(&self, value: &[u8]) -> usize {
        let charset = self.message.base.text_charset();
        let raw = unescape(value, self.message.delimiters(), charset);
        charset.decode(&raw).chars().count()
    }
}

/// A path as people write it: without `[1]`.
fn path(at: &At<'_>) -> String {
    let mut out = if at.segment.is_empty() { "line".to_owned() } else { at.segment.to_owned() };
    let nth = |out: &mut String, n: u32| {
        if n > 1 {
            out.push_str(&format!("[{n}]"));
        }
    };
    nth(&mut out, at.occurrence);
    if at.field > 0 {
        out.push_str(&format!("-{}", at.field));
        nth(&mut out, at.repetition);
    }
    for part in [at.component, at.subcomponent] {
        if part == 0 {
            break;
        }
        out.push_str(&format!(".{part}"));
    }
    out
}
