//! Paths through a document: the child steps of XPath 1.0.
//!
//! `recordTarget/patientRole/id[@root = '1.2.3']/@extension`,
//! `//observation[code/@code = '8867-4']/value/@value`, `section[2]/title`. A step names a
//! child, `*` any, `//` any below; what stands in brackets is its number among those found
//! so far under one parent, a path that must find something, or a path and the value it
//! must have. Prefixes are left out; `sdtc:` names the namespace of that prefix.
//!
//! Source: XPath 1.0 §2.5, of which this is a part.

use std::borrow::Cow;
use std::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, digit1, space0};
use nom::combinator::{map, map_res, opt, value};
use nom::multi::{many_m_n, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::Element;
use crate::fault::Fault;
use crate::fault::codes::{W2771, W2772};
use crate::xml::Space;

/// Longest path.
const PATH_BYTES_MAX: usize = 1024;

/// Most conditions of one step, and how deep they may stand in one another.
const CONDITIONS_MAX: usize = 8;

/// Most elements that one selection looks at: some hundred times those of a large document.
const LOOKS_MAX: usize = 20_000_000;

/// A path, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Whether what is asked for may stand anywhere below.
    below: bool,
    test: Test,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// A child; any name without one.
    Child { sdtc: bool, name: Option<String> },
    /// An attribute with its prefix.
    Attribute(String),
    /// The text in it and below.
    Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// Its number, from 1.
    Number(usize),
    /// A path finds something.
    Has(Path),
    /// A path finds this value.
    Is(Path, String),
}

/// What a path found. `Debug` shows no value.
#[derive(Clone)]
pub enum Found<'d> {
    /// An element.
    Element(Element<'d>),
    /// The value of an attribute, or text.
    Value(Cow<'d, str>),
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => element.fmt(f),
            Self::Value(_) => f.write_str("<phi>"),
        }
    }
}

impl<'d> Found<'d> {
    /// The value, or the text of the element.
    #[must_use]
    pub fn text(&self) -> Cow<'d, str> {
        match self {
            Self::Element(element) => element.text().into(),
            Self::Value(value) => value.clone(),
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

    /// What it finds from an element on, in the order of the document.
    ///
    /// # Errors
    /// `W2772` when it would look at too many elements.
    pub fn select<'d>(&self, from: Element<'d>) -> Result<Vec<Found<'d>>, Fault> {
        let mut looks = LOOKS_MAX;
        self.run(from, &mut looks)
    }

    pub(super) fn run<'d>(
        &self,
        from: Element<'d>,
        looks: &mut usize,
    ) -> Result<Vec<Found<'d>>, Fault> {
        let mut now = vec![from];
        let last = self.0.len().saturating_sub(1);
        for (place, step) in self.0.iter().enumerate() {
            if place == last {
                return step.find(&now, looks);
            }
            let found = step.find(&now, looks)?.into_iter();
            now = found
                .filter_map(|found| match found {
                    Found::Element(element) => Some(element),
                    Found::Value(_) => None,
                })
                .collect();
        }
        Ok(Vec::new())
    }
}

impl Step {
    fn find<'d>(&self, from: &[Element<'d>], looks: &mut usize) -> Result<Vec<Found<'d>>, Fault> {
        let mut out = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for start in from {
            if !self.below {
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
                let inner: Vec<_> = element.children().collect();
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
            Test::Attribute(name) => {
                out.extend(element.attribute(name).map(Found::Value));
            }
            Test::Text => out.push(Found::Value(element.text().into())),
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
            let holds = match self {
                Self::Number(number) => place + 1 == *number,
                Self::Has(path) => !path.run(element, looks)?.is_empty(),
                Self::Is(path, wanted) => {
                    path.run(element, looks)?.iter().any(|found| found.text() == *wanted)
                }
            };
            if holds {
                out.push(element);
            }
        }
        Ok(out)
    }
}

fn path(i: &str, depth: usize) -> IResult<&str, Path> {
    if depth > CONDITIONS_MAX {
        return Err(nom::Err::Failure(nom::error::Error::new(i, nom::error::ErrorKind::TooLarge)));
    }
    let (i, first) = opt(alt((tag("//"), tag("/")))).parse(i)?;
    let (i, start) = step(i, first == Some("//"), depth)?;
    let (mut rest, mut steps) = (i, vec![start]);
    while let Ok((after, sign)) =
        alt((tag::<_, _, nom::error::Error<&str>>("//"), tag("/"))).parse(rest)
    {
        if !matches!(steps.last().map(|step| &step.test), Some(Test::Child { .. })) {
            break;
        }
        let (after, next) = step(after, sign == "//", depth)?;
        steps.push(next);
        rest = after;
    }
    Ok((rest, Path(steps)))
}

fn step(i: &str, below: bool, depth: usize) -> IResult<&str, Step> {
    let (i, test) = alt((
        map(preceded(char('@'), attribute), |name| Test::Attribute(name.to_owned())),
        value(Test::Text, tag("text()")),
        value(Test::Child { sdtc: false, name: None }, char('*')),
        map((opt(tag("sdtc:")), name), |(sdtc, name)| Test::Child {
            sdtc: sdtc.is_some(),
            name: Some(name.to_owned()),
        }),
    ))
    .parse(i)?;
    let most = if matches!(test, Test::Child { .. }) { CONDITIONS_MAX } else { 0 };
    let (i, conditions) = many_m_n(0, most, |i| condition(i, depth)).parse(i)?;
    Ok((i, Step { below, test, conditions }))
}

fn condition(i: &str, depth: usize) -> IResult<&str, Condition> {
    let number = map_res(digit1, |digits: &str| digits.parse().map(Condition::Number));
    let asked = map(
        (|i| path(i, depth + 1), opt(preceded(delimited(space0, char('='), space0), quoted))),
        |(path, wanted)| match wanted {
            Some(wanted) => Condition::Is(path, wanted),
            None => Condition::Has(path),
        },
    );
    delimited((char('['), space0), alt((number, asked)), (space0, char(']'))).parse(i)
}

fn name(i: &str) -> IResult<&str, &str> {
    take_while1(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')).parse(i)
}

fn attribute(i: &str) -> IResult<&str, &str> {
    take_while1(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')).parse(i)
}

/// `'text'`, a quote doubled inside.
fn quoted(i: &str) -> IResult<&str, String> {
    let inner = nom::bytes::complete::take_while(|c| c != '\'');
    let parts = separated_list1(tag("''"), inner);
    map(delimited(char('\''), parts, char('\'')), |parts: Vec<&str>| parts.join("'")).parse(i)
}
