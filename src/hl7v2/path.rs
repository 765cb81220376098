//! Paths into messages: `PID-3[2].4.1`, `OBX[3]-5`, `ORDER_OBSERVATION[2].OBX-5`.
//!
//! All numbers count from 1. `Display` writes what `parse` reads.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::{map_opt, opt, recognize};
use nom::multi::many0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::scan::SegmentId;
use crate::fault::codes::W2030;
use crate::fault::{Fault, Place};

/// Highest number a path may hold: far beyond any field, and a bound for what a write at
/// a path may add to a message.
pub const PATH_NUMBER_MAX: u32 = 999_999;

/// Deepest nesting of groups in a path: structures of the standard reach 5.
const GROUPS_MAX: usize = 16;

/// Which one of several is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// Not said: the first where one value is read, all where all are.
    Open,
    /// All: `[*]`.
    All,
    /// The one of this number, from 1: `[2]`.
    Nth(u32),
}

/// One group of a path, such as `ORDER_OBSERVATION[2]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupStep {
    /// Name of the group in the message structure.
    pub name: Arc<str>,
    /// Which instance.
    pub pick: Pick,
}

/// A place in a message: a segment, perhaps inside of groups, and what of it is meant.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path {
    groups: Arc<[GroupStep]>,
    segment: SegmentId,
    occurrence: Pick,
    /// 0 where the path ends before.
    field: u32,
    repetition: Pick,
    component: u32,
    subcomponent: u32,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// `W2030`, with the path that was probably meant.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match path(text) {
            Ok(("", path)) => Ok(path),
            _ => {
                let fault = Fault::new(W2030).because(format!("`{text}` cannot be read"));
                Err(match suggestion(text) {
                    Some(better) => fault.remedy(format!("Write `{better}`.")),
                    None => fault,
                })
            }
        }
    }

    /// The first field `n`, from 1, of the first segment of a name.
    ///
    /// # Errors
    /// `W2030` when the name is no segment name or the number is 0.
    pub fn to_field(segment: &str, n: usize) -> Result<Self, Fault> {
        Self::parse(&format!("{segment}-{n}"))
    }

    /// Groups around the segment, outermost first.
    #[must_use]
    pub fn groups(&self) -> &[GroupStep] {
        &self.groups
    }

    /// Segment name in capitals.
    #[must_use]
    pub fn segment(&self) -> &str {
        self.segment.as_str()
    }

    pub(super) fn id(&self) -> SegmentId {
        self.segment
    }

    /// Which segment of that name, in the message or in the innermost group.
    #[must_use]
    pub fn occurrence(&self) -> Pick {
        self.occurrence
    }

    /// Field number; `None` where the path means the segment.
    #[must_use]
    pub fn field(&self) -> Option<usize> {
        number(self.field)
    }

    /// Which repetition of the field.
    #[must_use]
    pub fn repetition(&self) -> Pick {
        self.repetition
    }

    /// Component number.
    #[must_use]
    pub fn component(&self) -> Option<usize> {
        number(self.component)
    }

    /// Subcomponent number.
    #[must_use]
    pub fn subcomponent(&self) -> Option<usize> {
        number(self.subcomponent)
    }

    /// The same place in the segment number `n`, from 1, of that name; without groups.
    #[must_use]
    pub fn in_occurrence(&self, n: usize) -> Self {
        let pick = Pick::Nth(u32::try_from(n).unwrap_or(u32::MAX).max(1));
        Self { groups: Arc::from([]), occurrence: pick, ..self.clone() }
    }

    /// The same place in the repetition number `n`, from 1.
    #[must_use]
    pub fn in_repetition(&self, n: usize) -> Self {
        let pick = Pick::Nth(u32::try_from(n).unwrap_or(u32::MAX).max(1));
        Self { repetition: pick, ..self.clone() }
    }

    /// The whole field, without repetition, component and subcomponent.
    #[must_use]
    pub fn whole_field(&self) -> Self {
        Self { repetition: Pick::Open, component: 0, subcomponent: 0, ..self.clone() }
    }
}

fn number(n: u32) -> Option<usize> {
    (n > 0).then_some(n as usize)
}

fn counted(input: &str) -> IResult<&str, u32> {
    map_opt(digit1, |digits: &str| {
        let n = digits.parse().ok()?;
        (!digits.starts_with('0') && n <= PATH_NUMBER_MAX).then_some(n)
    })
    .parse(input)
}

fn pick(input: &str) -> IResult<&str, Pick> {
    let (rest, inside) = opt(delimited(
        char('['),
        nom::branch::alt((tag("*").map(|_| Pick::All), counted.map(Pick::Nth))),
        char(']'),
    ))
    .parse(input)?;
    Ok((rest, inside.unwrap_or(Pick::Open)))
}

fn group(input: &str) -> IResult<&str, GroupStep> {
    let name = recognize((
        take_while_m_n(1, 1, |c: char| c.is_ascii_uppercase()),
        take_while1(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
    ));
    let (rest, (name, pick)) = terminated((name, pick), char('.')).parse(input)?;
    Ok((rest, GroupStep { name: name.into(), pick }))
}

fn segment(input: &str) -> IResult<&str, SegmentId> {
    map_opt(
        take_while_m_n(3, 3, |c: char| c.is_ascii_uppercase() || c.is_ascii_digit()),
        |name: &str| SegmentId::new(name.as_bytes()),
    )
    .parse(input)
}

/// Field, repetition, component and subcomponent, as far as a path names them.
type Inside = (u32, Pick, Option<(u32, Option<u32>)>);

fn inside(input: &str) -> IResult<&str, Inside> {
    let subcomponent = opt(preceded(char('.'), counted));
    let component = opt((preceded(char('.'), counted), subcomponent));
    (preceded(char('-'), counted), pick, component).parse(input)
}

fn path(input: &str) -> IResult<&str, Path> {
    let (rest, (groups, segment, occurrence, inside)) =
        (many0(group), segment, pick, opt(inside)).parse(input)?;
    if groups.len() > GROUPS_MAX {
        return Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::TooLarge,
        )));
    }
    let (field, repetition, below) = inside.unwrap_or((0, Pick::Open, None));
    let (component, subcomponent) = below.unwrap_or((0, None));
    let path = Path {
        groups: groups.into(),
        segment,
        occurrence,
        field,
        repetition,
        component,
        subcomponent: subcomponent.unwrap_or(0),
    };
    Ok((rest, path))
}

/// The path that was probably meant: wrong case, `.` or `_` before the field, `-` after
/// it, `(1)` for `[1]`, one level too many.
fn suggestion(text: &str) -> Option<String> {
    if text.len() > 200 {
        return None;
    }
    let clean = text.trim().to_ascii_uppercase().replace('(', "[").replace(')', "]");
    let (head, tail) = match clean.find('-') {
        Some(at) => (clean[..at].to_owned(), clean[at + 1..].replace(['-', '_', '^'], ".")),
        None => {
            // `PID.3.1`: the first number after a segment name is the field.
            let at = clean.char_indices().find(|(i, c)| {
                matches!(c, '.' | '_' | ' ')
                    && clean[i + 1..].starts_with(|c: char| c.is_ascii_digit())
            })?;
            (clean[..at.0].to_owned(), clean[at.0 + 1..].replace(['-', '_', '^'], "."))
        }
    };
    let mut better = format!("{head}-{tail}");
    for _ in 0..4 {
        if Path::from_text(&better).is_some() {
            return Some(better);
        }
        better.truncate(better.rfind('.')?);
    }
    None
}

impl Path {
    fn from_text(text: &str) -> Option<Self> {
        path(text).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, path)| path)
    }
}

impl FromStr for Path {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => Ok(()),
            Self::All => f.write_str("[*]"),
            Self::Nth(n) => write!(f, "[{n}]"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.groups.iter() {
            write!(f, "{}{}.", group.name, group.pick)?;
        }
        write!(f, "{}{}", self.segment.as_str(), self.occurrence)?;
        if self.field > 0 {
            write!(f, "-{}{}", self.field, self.repetition)?;
        }
        if self.component > 0 {
            write!(f, ".{}", self.component)?;
        }
        if self.subcomponent > 0 {
            write!(f, ".{}", self.subcomponent)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::path(path.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes() {
        for text in [
            "PID",
            "PID-3",
            "PID-3[2].4.1",
            "PID-3[*]",
            "OBX[3]-5",
            "OBX[*]-5[*].1",
            "ZB1-4",
            "ORDER_OBSERVATION[2].OBX-5",
            "PATIENT_RESULT.ORDER_OBSERVATION[*].OBX[2]-5.1.2",
            "OBSERVATION.OBX",
        ] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_and_suggests() {
        let check = |text: &str, better: &str| {
            let fault = Path::parse(text).unwrap_err();
            assert_eq!(fault.code(), W2030, "{text}");
            if better.is_empty() {
                assert_eq!(fault.help(), W2030.row().remedy, "{text}");
            } else {
                assert_eq!(fault.help(), format!("Write `{better}`."), "{text}");
            }
        };
        check("PID.3", "PID-3");
        check("PID.3.4", "PID-3.4");
        check("pid-3", "PID-3");
        check("PID_5", "PID-5");
        check("PID-3-4", "PID-3.4");
        check("PID-3(2)", "PID-3[2]");
        check("PID-3.1.2.3", "PID-3.1.2");
        check("PID-0", "");
        check("PID-3[0]", "");
        check("PID-1000000", "");
        check("PI-3", "");
        check("", "");
        check("PID-", "");
        check("PID-3.", "PID-3");
        check("PID-3[", "");
        check("\u{e9}PID-3", "");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(path.to_string(), text);
            }
        }

        #[test]
        fn written_paths_read_the_same(
            text in "([A-Z][A-Z_]{1,8}(\\[([1-9][0-9]{0,3}|\\*)\\])?\\.){0,3}[A-Z][A-Z0-9]{2}\
                     (\\[([1-9]|\\*)\\])?(-[1-9][0-9]?(\\[([1-9]|\\*)\\])?(\\.[1-9](\\.[1-9])?)?)?"
        ) {
            prop_assert_eq!(Path::parse(&text).unwrap().to_string(), text);
        }
    }
}
