//! Which findings count, and how much: the profile of a channel.

use crate::fault::codes as w;
use crate::fault::{Code, Severity};
use crate::hl7v2::path::{Path, Pick};

/// What kind of rule a finding is about, from the bytes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The bytes: character set, escapes, names of segments.
    Syntax,
    /// Segments, groups and fields: which are there, in which order, how often.
    Structure,
    /// Values: their form, length and parts.
    Type,
    /// Codes and their tables.
    Vocabulary,
    /// Fields that speak about each other.
    Relation,
    /// Rules of the site.
    Site,
    /// What has to come before what.
    Temporal,
}

impl Level {
    /// All levels, from the bytes up.
    pub const ALL: [Self; 7] = [
        Self::Syntax,
        Self::Structure,
        Self::Type,
        Self::Vocabulary,
        Self::Relation,
        Self::Site,
        Self::Temporal,
    ];

    /// The word for it in profiles and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Structure => "structure",
            Self::Type => "type",
            Self::Vocabulary => "vocabulary",
            Self::Relation => "relation",
            Self::Site => "site",
            Self::Temporal => "temporal",
        }
    }
}

/// How much findings of a kind count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As this.
    Count(Severity),
    /// Not at all.
    Ignore,
}

/// A code of a finding, its level, and how much it counts where no profile says so.
///
/// An error is what a conforming message never has and a receiver cannot leave out; what
/// receivers are told to ignore, or what most sites do otherwise, is a warning.
pub const KINDS: &[(Code, Level, Severity)] = &[
    (w::W2012, Level::Syntax, Severity::Note),
    (w::W2013, Level::Syntax, Severity::Note),
    (w::W2060, Level::Syntax, Severity::Warning),
    (w::W2061, Level::Syntax, Severity::Warning),
    (w::W2100, Level::Structure, Severity::Warning),
    (w::W2101, Level::Structure, Severity::Error),
    (w::W2102, Level::Type, Severity::Error),
    (w::W2103, Level::Vocabulary, Severity::Error),
    (w::W2104, Level::Structure, Severity::Error),
    (w::W2105, Level::Type, Severity::Warning),
    (w::W2106, Level::Structure, Severity::Error),
    (w::W2107, Level::Type, Severity::Warning),
    (w::W2108, Level::Structure, Severity::Warning),
    (w::W2109, Level::Structure, Severity::Error),
    (w::W2110, Level::Structure, Severity::Error),
    (w::W2111, Level::Structure, Severity::Warning),
    (w::W2112, Level::Vocabulary, Severity::Warning),
    (w::W2113, Level::Structure, Severity::Note),
    (w::W2114, Level::Structure, Severity::Note),
    (w::W2115, Level::Relation, Severity::Warning),
    (w::W2116, Level::Site, Severity::Error),
    (w::W2117, Level::Temporal, Severity::Warning),
    (w::W2118, Level::Type, Severity::Warning),
    (w::W2119, Level::Syntax, Severity::Warning),
    (w::W2120, Level::Structure, Severity::Note),
    (w::W2121, Level::Syntax, Severity::Warning),
    (w::W2122, Level::Syntax, Severity::Note),
    (w::W2123, Level::Structure, Severity::Warning),
    (w::W2124, Level::Syntax, Severity::Note),
    (w::W2125, Level::Vocabulary, Severity::Warning),
];

/// Level and severity of a code.
#[must_use]
pub fn kind(code: Code) -> (Level, Severity) {
    let found = KINDS.iter().find(|(known, ..)| *known == code);
    found.map_or((Level::Syntax, Severity::Error), |(_, level, severity)| (*level, *severity))
}

/// What counts as error, warning or note, and what is left out. The most exact rule wins:
/// path before code before level before what [`KINDS`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its name; empty for that of the standard.
    pub name: String,
    /// Its version, as its authors count.
    pub version: String,
    /// Version of HL7 to check by, instead of that of MSH-12.
    pub hl7: Option<String>,
    /// By level.
    pub levels: Vec<(Level, Grade)>,
    /// By code.
    pub codes: Vec<(Code, Grade)>,
    /// By place: the path itself and everything below it. The longest path wins.
    pub paths: Vec<(Path, Grade)>,
    /// What has to come before what.
    pub orders: Vec<Order>,
    /// Whether warnings that no rule speaks of are errors.
    pub is_strict: bool,
}

/// A rule that one time is not after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What comes first.
    pub first: Path,
    /// What comes then; the finding stands there.
    pub then: Path,
    /// What is wrong where it is not so: lower case, no period.
    pub message: String,
    /// How much it counts; a warning where the profile does not say.
    pub severity: Option<Severity>,
}

/// Where a finding stands, as far as paths of profiles ask.
pub(super) struct At<'a> {
    pub segment: &'a str,
    pub occurrence: u32,
    pub field: u32,
    pub repetition: u32,
    pub component: u32,
    pub subcomponent: u32,
}

impl Profile {
    /// How much a finding counts; none where it is left out.
    pub(super) fn grade(
        &self,
        code: Code,
        level: Level,
        severity: Severity,
        at: &At<'_>,
    ) -> Option<Severity> {
        let by_path = self.paths.iter().filter_map(|(path, grade)| Some((depth(path, at)?, grade)));
        let grade = by_path
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, grade)| *grade)
            .or_else(|| of(&self.codes, code))
            .or_else(|| of(&self.levels, level));
        match grade {
            Some(Grade::Ignore) => None,
            Some(Grade::Count(severity)) => Some(severity),
            None if self.is_strict && severity == Severity::Warning => Some(Severity::Error),
            None => Some(severity),
        }
    }
}

fn of<K: PartialEq>(rows: &[(K, Grade)], key: K) -> Option<Grade> {
    rows.iter().find(|(known, _)| *known == key).map(|(_, grade)| *grade)
}

/// How exactly a path covers a place; none where it does not.
fn depth(path: &Path, at: &At<'_>) -> Option<u8> {
    if path.segment() != at.segment {
        return None;
    }
    let mut depth = 1;
    let mut pick = |pick: Pick, number: u32| match pick {
        Pick::Nth(n) if n != number => false,
        Pick::Nth(_) => {
            depth += 1;
            true
        }
        Pick::Open | Pick::All => true,
    };
    if !pick(path.occurrence(), at.occurrence) || !pick(path.repetition(), at.repetition) {
        return None;
    }
    let parts = [
        (path.field(), at.field),
        (path.component(), at.component),
        (path.subcomponent(), at.subcomponent),
    ];
    for (wanted, here) in parts {
        let Some(wanted) = wanted else { break };
        if wanted != here as usize {
            return None;
        }
        depth += 1;
    }
    Some(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_rule_wins() {
        let path = |text: &str| Path::parse(text).unwrap();
        let note = Grade::Count(Severity::Note);
        let profile = Profile {
            levels: vec![(Level::Type, Grade::Count(Severity::Error))],
            codes: vec![(w::W2105, Grade::Ignore)],
            paths: vec![(path("PID-3"), note), (path("PID-3.4"), Grade::Count(Severity::Error))],
            ..Profile::default()
        };
        let check = |code: Code, place: &str, expected: Option<Severity>| {
            let place = path(place);
            let number = |n: Option<usize>| n.unwrap_or(0) as u32;
            let at = At {
                segment: place.segment(),
                occurrence: 1,
                field: number(place.field()),
                repetition: 1,
                component: number(place.component()),
                subcomponent: 0,
            };
            let (level, severity) = kind(code);
            assert_eq!(profile.grade(code, level, severity, &at), expected, "{code} {place}");
        };
        check(w::W2102, "PID-7", Some(Severity::Error));
        check(w::W2107, "PID-7", Some(Severity::Error));
        check(w::W2105, "PID-7", None);
        check(w::W2105, "PID-3.1", Some(Severity::Note));
        check(w::W2105, "PID-3.4", Some(Severity::Error));
        check(w::W2103, "PV1-2", Some(Severity::Error));
        assert!(KINDS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
