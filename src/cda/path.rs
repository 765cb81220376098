//! Paths through a document: the child steps of XPath 1.0.
//!
//! `recordTarget/patientRole/id[@root = '1.2.3']/@extension`,
//! `//observation[code/@code = '8867-4']/value/@value`, `section[2]/title`. A step names a
//! child, `*` any, `//` any below; what stands in brackets is its number among those found
//! so far under one parent, or a condition: a path that must find something, a path and the
//! value it must have (`=`) or not have (`!=`), joined by `and`, `or` and `not(..)`. `.` is
//! the element itself; a path that begins with `/` begins at the document, and
//! `section(11450-4)` means every section of that code or template. Prefixes are left out;
//! `sdtc:` names the namespace of that prefix.
//!
//! Source: XPath 1.0 §2.5, of which this is a part.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, digit1, space0, space1};
use nom::combinator::{map, map_res, not, opt, peek, value};
use nom::multi::{many_m_n, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::Element;
use crate::fault::Fault;
use crate::fault::codes::{W2771, W2772};
use crate::xml::{self, Space};

/// Longest path.
const PATH_BYTES_MAX: usize = 1024;

/// Most conditions of one step, and how deep they may stand in one another.
const CONDITIONS_MAX: usize = 8;

/// Most elements that one selection looks at: some hundred times those of a large document.
const LOOKS_MAX: usize = 20_000_000;

/// A path, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Whether it begins at the document wherever it is asked from.
    pub(super) absolute: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) reach: Reach,
    pub(super) test: Test,
    pub(super) conditions: Vec<Condition>,
}

/// How deep what is asked for may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Right in it.
    Child,
    /// Anywhere below.
    Below,
    /// Where sections stand: in the body and in one another.
    Sections,
}

impl Reach {
    const fn of(below: bool) -> Self {
        if below { Self::Below } else { Self::Child }
    }

    /// Whether it goes on into an element.
    fn enters(self, element: &Element<'_>) -> bool {
        const AROUND: [&str; 3] = ["component", "structuredBody", "section"];
        self == Self::Below || AROUND.contains(&element.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// The element itself.
    Own,
    /// A child; any name without one.
    Child { sdtc: bool, name: Option<String> },
    /// An attribute with its prefix.
    Attribute(String),
    /// The text in it and below.
    Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Its number, from 1.
    Number(usize),
    /// A path finds something.
    Has(Path),
    /// A path finds this value.
    Is(Path, String),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// What a path found. `Debug` shows no value.
#[derive(Clone, Copy)]
pub enum Found<'d> {
    /// An element.
    Element(Element<'d>),
    /// An attribute: its element, its name and its value as written.
    Attribute(Element<'d>, &'d str, &'d str),
    /// The text in an element and below.
    Text(Element<'d>),
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => element.fmt(f),
            Self::Attribute(..) | Self::Text(_) => f.write_str("<phi>"),
        }
    }
}

impl<'d> Found<'d> {
    /// The value, or the text of the element.
    #[must_use]
    pub fn text(&self) -> Cow<'d, str> {
        match self {
            Self::Element(element) | Self::Text(element) => element.text().into(),
            // What is malformed was refused when the document was read.
            Self::Attribute(_, _, raw) => xml::value(raw, 0).unwrap_or_default(),
        }
    }

    /// The element, or that of the attribute or text.
    #[must_use]
    pub const fn element(&self) -> Element<'d> {
        match self {
            Self::Element(element) | Self::Attribute(element, ..) | Self::Text(element) => *element,
        }
    }

    /// Bytes of the document that it stands in: the value of an attribute, else what is
    /// between the tags.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        match self {
            Self::Element(element) | Self::Text(element) => element.inside(),
            Self::Attribute(element, _, raw) => element.range_of(raw),
        }
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// `W2771`, with the column where reading ended.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > PATH_BYTES_MAX {
            return Err(Fault::new(W2771).because("it is longer than 1,024 bytes"));
        }
        let wrong = |left: &str| {
            let column = text.len() - left.len() + 1;
            Fault::new(W2771).because(format!("it cannot be read from column {column} on"))
        };
        match delimited(space0, |i| path(i, 0), space0).parse(text) {
            Ok(("", path)) => Ok(path),
            Ok((left, _)) => Err(wrong(left)),
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(wrong(error.input)),
            Err(nom::Err::Incomplete(_)) => Err(wrong("")),
        }
    }

    /// Reads the path that a text begins with; gives it with its length in bytes.
    ///
    /// # Errors
    /// The byte where reading ended.
    pub fn prefix(text: &str) -> Result<(Self, usize), usize> {
        if text.len() > 4 * PATH_BYTES_MAX {
            return Err(0);
        }
        match path(text, 0) {
            Ok((rest, path)) => Ok((path, text.len() - rest.len())),
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
                Err(text.len() - error.input.len())
            }
            Err(nom::Err::Incomplete(_)) => Err(text.len()),
        }
    }

    /// What it finds from an element on, in the order of the document.
    ///
    /// # Errors
    /// `W2772` when it would look at too many elements.
    pub fn select<'d>(&self, from: Element<'d>) -> Result<Vec<Found<'d>>, Fault> {
        let mut looks = LOOKS_MAX;
        self.select_within(from, &mut looks)
    }

    /// As [`select`](Self::select), for many selections that together look at no more
    /// elements than are left in `looks`.
    ///
    /// # Errors
    /// `W2772` when they are used up.
    pub fn select_within<'d>(
        &self,
        from: Element<'d>,
        looks: &mut usize,
    ) -> Result<Vec<Found<'d>>, Fault> {
        let from = if self.absolute { from.document.root() } else { from };
        let mut now = vec![from];
        let last = self.steps.len().saturating_sub(1);
        for (place, step) in self.steps.iter().enumerate() {
            if place == last {
                let mut found = step.find(&now, looks)?;
                if self.steps.iter().any(|step| step.reach != Reach::Child) {
                    // What stands deeper was found after what stands beside.
                    found.sort_by_key(|found| found.element().index());
                }
                return Ok(found);
            }
            let found = step.find(&now, looks)?.into_iter();
            now = found
                .filter_map(|found| match found {
                    Found::Element(element) => Some(element),
                    Found::Attribute(..) | Found::Text(_) => None,
                })
                .collect();
        }
        Ok(Vec::new())
    }

    /// The same path, begun at the document.
    #[must_use]
    pub fn from_document(self) -> Self {
        Self { absolute: true, ..self }
    }

    /// Whether it begins with all steps of another path: what it finds stands in what the
    /// other finds.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        self.absolute == outer.absolute && self.steps.starts_with(&outer.steps)
    }
}

/// Most elements that all selections of one reader look at, as in a mapping.
pub const READER_LOOKS_MAX: usize = LOOKS_MAX;

impl Step {
    fn find<'d>(&self, from: &[Element<'d>], looks: &mut usize) -> Result<Vec<Found<'d>>, Fault> {
        let mut out = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for start in from {
            if self.reach == Reach::Child {
                self.at(*start, &mut out, looks)?;
                continue;
            }
            let mut open = vec![*start];
            while let Some(element) = open.pop() {
                // Below one and below another that stands in it.
                if !seen.insert(element.id) {
                    continue;
                }
                self.at(element, &mut out, looks)?;
                let enters = |child: &Element<'_>| self.reach.enters(child);
                let inner: Vec<_> = element.children().filter(enters).collect();
                open.extend(inner.into_iter().rev());
            }
        }
        Ok(out)
    }

    /// What it finds right under one element.
    fn at<'d>(
        &self,
        element: Element<'d>,
        out: &mut Vec<Found<'d>>,
        looks: &mut usize,
    ) -> Result<(), Fault> {
        spend(looks)?;
        match &self.test {
            Test::Own => out.push(Found::Element(element)),
            Test::Attribute(name) => out.extend(element.found_attribute(name)),
            Test::Text => out.push(Found::Text(element)),
            Test::Child { sdtc, name } => {
                let is = |child: &Element<'_>| {
                    let space = (child.space() == Space::Sdtc) == *sdtc;
                    name.as_deref().is_none_or(|name| space && child.name() == name)
                };
                let mut found = Vec::new();
                for child in element.children() {
                    spend(looks)?;
                    if is(&child) {
                        found.push(child);
                    }
                }
                for condition in &self.conditions {
                    found = condition.keep(found, looks)?;
                }
                out.extend(found.into_iter().map(Found::Element));
            }
        }
        Ok(())
    }
}

fn spend(looks: &mut usize) -> Result<(), Fault> {
    *looks = looks.checked_sub(1).ok_or_else(|| Fault::new(W2772))?;
    Ok(())
}

impl Condition {
    fn keep<'d>(
        &self,
        found: Vec<Element<'d>>,
        looks: &mut usize,
    ) -> Result<Vec<Element<'d>>, Fault> {
        let mut out = Vec::new();
        for (place, element) in found.into_iter().enumerate() {
            if self.holds(element, place + 1, looks)? {
                out.push(element);
            }
        }
        Ok(out)
    }

    fn holds(&self, element: Element<'_>, nth: usize, looks: &mut usize) -> Result<bool, Fault> {
        Ok(match self {
            Self::Number(number) => nth == *number,
            Self::Has(path) => !path.select_within(element, looks)?.is_empty(),
            Self::Is(path, wanted) => {
                path.select_within(element, looks)?.iter().any(|found| found.text() == *wanted)
            }
            Self::Not(inner) => !inner.holds(element, nth, looks)?,
            Self::All(list) => {
                for one in list {
                    if !one.holds(element, nth, looks)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(list) => {
                for one in list {
                    if one.holds(element, nth, looks)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

type Read<'a, T> = IResult<&'a str, T>;

fn too_deep<T>(i: &str) -> Read<'_, T> {
    Err(nom::Err::Failure(nom::error::Error::new(i, nom::error::ErrorKind::TooLarge)))
}

fn path(i: &str, depth: usize) -> Read<'_, Path> {
    if depth > CONDITIONS_MAX {
        return too_deep(i);
    }
    let (rest, first) = opt(alt((tag("//"), tag("/")))).parse(i)?;
    // Within brackets a path is asked of the element in question.
    let absolute = first.is_some() && depth == 0;
    let (rest, mut steps, absolute) = match sections(rest) {
        Ok((rest, step)) if first.is_none() => (rest, vec![step], depth == 0),
        _ => {
            let (rest, start) = step(rest, first == Some("//"), depth)?;
            (rest, vec![start], absolute)
        }
    };
    let mut rest = rest;
    while let Ok((after, sign)) =
        alt((tag::<_, _, nom::error::Error<&str>>("//"), tag("/"))).parse(rest)
    {
        if !matches!(steps.last().map(|step| &step.test), Some(Test::Child { .. } | Test::Own)) {
            break;
        }
        let (after, next) = step(after, sign == "//", depth)?;
        steps.push(next);
        rest = after;
    }
    Ok((rest, Path { absolute, steps }))
}

/// `section(11450-4)`: every section of that code or template.
fn sections(i: &str) -> Read<'_, Step> {
    let (rest, id) = delimited(
        (tag("section("), space0),
        take_while1(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')),
        (space0, char(')')),
    )
    .parse(i)?;
    let child = |name: &str| Step {
        reach: Reach::Child,
        test: Test::Child { sdtc: false, name: Some(name.to_owned()) },
        conditions: Vec::new(),
    };
    let part = |name: &str, attribute: &str| {
        let test = Test::Attribute(attribute.to_owned());
        let steps = vec![child(name), Step { reach: Reach::Child, test, conditions: Vec::new() }];
        Condition::Is(Path { absolute: false, steps }, id.to_owned())
    };
    let is = Condition::Any(vec![part("code", "code"), part("templateId", "root")]);
    let (rest, more) = many_m_n(0, CONDITIONS_MAX, |i| condition(i, 0)).parse(rest)?;
    let conditions = std::iter::once(is).chain(more).collect();
    Ok((rest, Step { reach: Reach::Sections, conditions, ..child("section") }))
}

fn step(i: &str, below: bool, depth: usize) -> Read<'_, Step> {
    let (i, test) = alt((
        map(preceded(char('@'), attribute), |name| Test::Attribute(name.to_owned())),
        value(Test::Text, tag("text()")),
        value(Test::Child { sdtc: false, name: None }, char('*')),
        value(Test::Own, (char('.'), not(char('.')))),
        map((opt(tag("sdtc:")), name), |(sdtc, name)| Test::Child {
            sdtc: sdtc.is_some(),
            name: Some(name.to_owned()),
        }),
    ))
    .parse(i)?;
    let most = if matches!(test, Test::Child { .. }) { CONDITIONS_MAX } else { 0 };
    let (i, conditions) = many_m_n(0, most, |i| condition(i, depth)).parse(i)?;
    Ok((i, Step { reach: Reach::of(below), test, conditions }))
}

fn condition(i: &str, depth: usize) -> Read<'_, Condition> {
    let number = map_res(digit1, |digits: &str| digits.parse().map(Condition::Number));
    let asked = |i| any(i, depth + 1);
    delimited((char('['), space0), alt((number, asked)), (space0, char(']'))).parse(i)
}

/// A word between conditions.
fn word<'a>(text: &'static str) -> impl FnMut(&'a str) -> Read<'a, ()> {
    move |i| value((), (space1, tag(text), peek(alt((space1, tag("(")))), space0)).parse(i)
}

fn any(i: &str, depth: usize) -> Read<'_, Condition> {
    if depth > CONDITIONS_MAX {
        return too_deep(i);
    }
    let all = |i| {
        let (rest, mut list) = separated_list1(word("and"), |i| test(i, depth)).parse(i)?;
        let one = if list.len() == 1 { list.pop() } else { None };
        Ok((rest, one.unwrap_or(Condition::All(list))))
    };
    let (rest, mut list) = separated_list1(word("or"), all).parse(i)?;
    let one = if list.len() == 1 { list.pop() } else { None };
    Ok((rest, one.unwrap_or(Condition::Any(list))))
}

fn test(i: &str, depth: usize) -> Read<'_, Condition> {
    let open = |i| value((), (char('('), space0)).parse(i);
    let close = |i| value((), (space0, char(')'))).parse(i);
    if let Ok((rest, _)) = (tag::<_, _, nom::error::Error<&str>>("not"), space0, open).parse(i) {
        let (rest, inner) = any(rest, depth + 1)?;
        let (rest, ()) = close(rest)?;
        return Ok((rest, Condition::Not(Box::new(inner))));
    }
    if let Ok((rest, ())) = open(i) {
        let (rest, inner) = any(rest, depth + 1)?;
        let (rest, ()) = close(rest)?;
        return Ok((rest, inner));
    }
    let sign = alt((value(true, char('=')), value(false, tag("!="))));
    let (rest, path) = path(i, depth)?;
    let (rest, wanted) = opt((delimited(space0, sign, space0), quoted)).parse(rest)?;
    Ok((
        rest,
        match wanted {
            Some((true, wanted)) => Condition::Is(path, wanted),
            Some((false, wanted)) => Condition::Not(Box::new(Condition::Is(path, wanted))),
            None => Condition::Has(path),
        },
    ))
}

/// A name; two dots end it, for they stand between begin and end of a period.
fn name(i: &str) -> Read<'_, &str> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let (_, all) = take_while1(inside).parse(i)?;
    let end = all.find("..").unwrap_or(all.len());
    if end == 0 {
        return Err(nom::Err::Error(nom::error::Error::new(i, nom::error::ErrorKind::Alpha)));
    }
    let (name, rest) = i.split_at(end);
    Ok((rest, name))
}

fn attribute(i: &str) -> Read<'_, &str> {
    take_while1(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')).parse(i)
}

/// `'text'`, a quote doubled inside.
fn quoted(i: &str) -> Read<'_, String> {
    let inner = nom::bytes::complete::take_while(|c| c != '\'');
    let parts = separated_list1(tag("''"), inner);
    map(delimited(char('\''), parts, char('\'')), |parts: Vec<&str>| parts.join("'")).parse(i)
}
