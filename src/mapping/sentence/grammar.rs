//! The grammar of sentences, in nom.
//!
//! Words are read greedily and kept apart by the next letter, so `notvalued` is not
//! `not valued`. The furthest failure is reported: it is where the writer went astray.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, digit1, multispace0};
use nom::combinator::{map, opt, value};
use nom::error::{ErrorKind, ParseError};
use nom::multi::{many0, many1, separated_list1};
use nom::sequence::{delimited, pair, preceded};
use nom::{Err, IResult, Parser};

use super::ast::*;
use super::{NESTING_MAX, SENTENCE_BYTES_MAX};

/// What is wrong with a sentence, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Byte range, from 0.
    pub span: Span,
    /// Cause, in our words.
    pub cause: String,
}

/// Reads a whole sentence.
pub(crate) fn sentence(text: &str, form: Form) -> Result<Sentence, Syntax> {
    let grammar = Grammar { whole: text, form };
    let alternatives = grammar.whole(separated_list1(word("else"), |i| grammar.alternative(i)))?;
    Ok(Sentence { alternatives })
}

/// Reads a whole condition.
pub(crate) fn condition(text: &str, form: Form) -> Result<Condition<Path>, Syntax> {
    let grammar = Grammar { whole: text, form };
    grammar.whole(|i| grammar.any(i, 0))
}

/// Reads a whole path; a segment or group alone is allowed (`OBX in OBSERVATION`).
pub(crate) fn source_path(text: &str, form: Form) -> Result<Path, Syntax> {
    let grammar = Grammar { whole: text, form };
    grammar.whole(|i| grammar.path_or_segment(i, 0))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    /// Bytes left where it happened.
    left: usize,
    expected: &'static str,
}

impl ParseError<&str> for Trouble {
    fn from_error_kind(input: &str, _: ErrorKind) -> Self {
        Self { left: input.len(), expected: "" }
    }
    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
    fn or(self, other: Self) -> Self {
        // The attempt that got furthest explains best.
        let better =
            other.left < self.left || (other.left == self.left && self.expected.is_empty());
        if better { other } else { self }
    }
}

type Read<'a, T> = IResult<&'a str, T, Trouble>;

fn fail<'a, T>(at: &'a str, expected: &'static str) -> Read<'a, T> {
    Err(Err::Failure(Trouble { left: at.len(), expected }))
}

fn miss<'a, T>(at: &'a str, expected: &'static str) -> Read<'a, T> {
    Err(Err::Error(Trouble { left: at.len(), expected }))
}

/// What comes next must be there: its absence is the mistake to report.
fn must<'a, T>(
    expected: &'static str,
    mut inner: impl Parser<&'a str, Output = T, Error = Trouble>,
) -> impl FnMut(&'a str) -> Read<'a, T> {
    move |i| match inner.parse(i) {
        Err(Err::Error(t)) if t.left < i.len() && !t.expected.is_empty() => Err(Err::Failure(t)),
        Err(Err::Error(_)) => fail(i, expected),
        other => other,
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// A whole word of the language, spaces before and after it.
fn word<'a>(text: &'static str) -> impl FnMut(&'a str) -> Read<'a, ()> {
    move |i| {
        let (rest, _) = multispace0(i)?;
        let (rest, _) = tag(text)(rest)?;
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return miss(i, "");
        }
        let (rest, _) = multispace0(rest)?;
        Ok((rest, ()))
    }
}

fn mark<'a>(c: char) -> impl FnMut(&'a str) -> Read<'a, ()> {
    move |i| value((), delimited(multispace0, char(c), multispace0)).parse(i)
}

/// `'text'`, a quote doubled inside: `'it''s'`.
fn quoted(i: &str) -> Read<'_, String> {
    let (mut rest, _) = preceded(multispace0, char('\'')).parse(i)?;
    let mut text = String::new();
    loop {
        match rest.find('\'') {
            None => return fail(i.trim_start(), "a closing quote `'`"),
            Some(at) => {
                text.push_str(&rest[..at]);
                rest = &rest[at + 1..];
            }
        }
        match rest.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return Ok((rest, text)),
        }
    }
}

fn number(i: &str) -> Read<'_, u64> {
    let (rest, digits) = digit1(i)?;
    match digits.parse() {
        Ok(n) if n <= 1_000_000_000 => Ok((rest, n)),
        _ => fail(i, "a smaller number"),
    }
}

/// A position in a message: from 1, at most 999.
fn place(i: &str) -> Read<'_, u16> {
    let (rest, n) = number(i)?;
    match u16::try_from(n) {
        Ok(n @ 1..=999) => Ok((rest, n)),
        _ => fail(i, "a number from 1 to 999"),
    }
}

fn order(i: &str) -> Read<'_, Order> {
    delimited(
        multispace0,
        alt((
            value(Order::Unequal, tag("!=")),
            value(Order::AtMost, tag("<=")),
            value(Order::AtLeast, tag(">=")),
            value(Order::Equal, tag("=")),
            value(Order::Less, tag("<")),
            value(Order::More, tag(">")),
        )),
        multispace0,
    )
    .parse(i)
}

fn is_group(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

/// `.4`; `..` is a period, no component.
fn part(i: &str) -> Read<'_, u16> {
    match i.strip_prefix('.') {
        Some(more) if !more.starts_with('.') => must("a component number from 1", place)(more),
        _ => miss(i, ""),
    }
}

fn name(i: &str) -> Read<'_, &str> {
    take_while1(is_word)(i)
}

/// Words of the language, which begin no path through a document.
const WORDS: [&str; 19] = [
    "else", "each", "all", "first", "last", "as", "via", "with", "when", "where", "and", "or",
    "not", "in", "valued", "starts", "position", "ref", "base",
];

struct Grammar<'a> {
    whole: &'a str,
    form: Form,
}

impl<'a> Grammar<'a> {
    fn at(&self, rest: &str) -> usize {
        self.whole.len() - rest.len()
    }

    fn span(&self, from: &str, to: &str) -> Span {
        let end = self.at(to);
        let end = self.whole.get(..end).map_or(end, |t| t.trim_end().len());
        let start = self.at(from);
        start..end.max(start)
    }

    fn whole<T>(
        &self,
        mut inner: impl Parser<&'a str, Output = T, Error = Trouble>,
    ) -> Result<T, Syntax> {
        if self.whole.len() > SENTENCE_BYTES_MAX {
            let cause = format!("longer than {SENTENCE_BYTES_MAX} bytes");
            return Err(Syntax { span: 0..self.whole.len(), cause });
        }
        let (rest, _) = multispace0::<_, Trouble>(self.whole).unwrap_or((self.whole, ""));
        let (left, expected) = match inner.parse(rest) {
            Ok((end, done)) if end.trim().is_empty() => return Ok(done),
            Ok((end, _)) => (end.trim_start().len(), "a word of the sentence language"),
            Err(Err::Error(t) | Err::Failure(t)) => (t.left, t.expected),
            Err(Err::Incomplete(_)) => (0, "more"),
        };
        let start = self.whole.len() - left;
        let start = self.whole.len() - self.whole[start..].trim_start().len();
        let found: String =
            self.whole[start..].chars().take_while(|c| is_word(*c)).take(30).collect();
        let width = found.len().max(self.whole[start..].chars().next().map_or(0, char::len_utf8));
        let expected = if expected.is_empty() { "a path or a literal in `'..'`" } else { expected };
        let cause = if start >= self.whole.trim_end().len() {
            format!("the sentence ends where {expected} is expected")
        } else if found.is_empty() {
            format!("expected {expected}")
        } else {
            format!("expected {expected}, found `{found}`")
        };
        Err(Syntax { span: start..start + width, cause })
    }

    fn alternative(&self, i: &'a str) -> Read<'a, Alternative> {
        let (start, _) = multispace0(i)?;
        let (rest, quantity) = opt(alt((
            value(Quantity::Each, word("each")),
            value(Quantity::All, word("all")),
            value(Quantity::First, word("first")),
            value(Quantity::Last, word("last")),
        )))
        .parse(start)?;
        let (rest, source) =
            must("a path, a literal in `'..'`, `code`, `ref`, `join` or `split`", |i| {
                self.source(i)
            })(rest)?;
        let (rest, cast) = opt(|i| self.cast(i)).parse(rest)?;
        let (rest, via) = opt(|i| self.via(i)).parse(rest)?;
        let (rest, with) = many0(|i| self.with(i)).parse(rest)?;
        let (rest, condition) = opt(alt((
            map(preceded(word("when"), must("a condition", |i| self.any(i, 0))), Guard::When),
            map(preceded(word("where"), must("a condition", |i| self.any(i, 0))), Guard::Where),
        )))
        .parse(rest)?;
        let span = self.span(start, rest);
        Ok((rest, Alternative { quantity, source, cast, via, with, condition, span }))
    }

    fn source(&self, i: &'a str) -> Read<'a, Source> {
        let (i, _) = multispace0(i)?;
        alt((
            map(quoted, Source::Literal),
            |i| self.code(i),
            |i| self.reference(i),
            |i| self.join(i),
            |i| self.split(i),
            value(Source::Position, word("position")),
            value(Source::Base, word("base")),
            |i| self.path_or_period(i),
        ))
        .parse(i)
    }

    fn code(&self, i: &'a str) -> Read<'a, Source> {
        let (rest, _) = word("code")(i)?;
        // In a document `code` is the name of an element too.
        let next = rest.split_whitespace().next().unwrap_or_default();
        if self.form == Form::Cda && !next.contains('#') {
            return miss(i, "");
        }
        let start = rest;
        let (rest, system) =
            must("a code system", take_while1(|c: char| is_word(c) || c == ':' || c == '/'))(rest)?;
        let (rest, _) = must("`#` and a code", char('#'))(rest)?;
        let (rest, code) = must("a code", name)(rest)?;
        let span = self.span(start, rest);
        Ok((rest, Source::Code { system: system.into(), code: code.into(), span }))
    }

    fn reference(&self, i: &'a str) -> Read<'a, Source> {
        let (start, _) = word("ref")(i)?;
        let (rest, rule) = must("the name of a rule", name)(start)?;
        Ok((rest, Source::Ref { rule: rule.into(), span: self.span(start, rest) }))
    }

    fn join(&self, i: &'a str) -> Read<'a, Source> {
        let (rest, _) = pair(tag("join"), mark('(')).parse(i)?;
        let (rest, separator) = must("a separator in `'..'`", quoted)(rest)?;
        let part = alt((map(quoted, Part::Literal), map(|i| self.path(i, 0), Part::Path)));
        let (rest, parts) = must("`, ` and what to join", many1(preceded(mark(','), part)))(rest)?;
        let (rest, _) = must("`)`", mark(')'))(rest)?;
        Ok((rest, Source::Join { separator, parts }))
    }

    fn split(&self, i: &'a str) -> Read<'a, Source> {
        let (rest, _) = pair(tag("split"), mark('(')).parse(i)?;
        let (rest, path) = must("a path", |i| self.path(i, 0))(rest)?;
        let (rest, separator) = must("`, 'separator'`", preceded(mark(','), quoted))(rest)?;
        let (rest, nth) = must("`, ` and which part, from 1", preceded(mark(','), place))(rest)?;
        let (rest, _) = must("`)`", mark(')'))(rest)?;
        if separator.is_empty() {
            return fail(i, "a separator that is not empty");
        }
        Ok((rest, Source::Split { path, separator, nth: nth.into() }))
    }

    fn path_or_period(&self, i: &'a str) -> Read<'a, Source> {
        let (rest, from) = self.path(i, 0)?;
        match delimited(multispace0, tag::<_, _, Trouble>(".."), multispace0).parse(rest) {
            Err(_) => Ok((rest, Source::Path(from))),
            Ok((rest, _)) => {
                let (rest, to) = must("the path of the end", |i| self.path(i, 0))(rest)?;
                Ok((rest, Source::Period(from, to)))
            }
        }
    }

    fn cast(&self, i: &'a str) -> Read<'a, Cast> {
        let (start, _) = word("as")(i)?;
        if self.form == Form::Hl7
            && let Ok((rest, path)) = self.path(start, 0)
            && path.segment.is_some()
        {
            return Ok((rest, Cast::Path(path)));
        }
        let (rest, kind) = must("a FHIR type or a path", name)(start)?;
        Ok((rest, Cast::Type { name: kind.into(), span: self.span(start, rest) }))
    }

    fn via(&self, i: &'a str) -> Read<'a, Via> {
        let (start, _) = word("via")(i)?;
        let (rest, codes) = must("the name of a code map", name)(start)?;
        let span = self.span(start, rest);
        let (rest, reversed) = opt(word("reversed")).parse(rest)?;
        Ok((rest, Via { codes: codes.into(), reversed: reversed.is_some(), span }))
    }

    fn with(&self, i: &'a str) -> Read<'a, With> {
        let (start, _) = word("with")(i)?;
        let (rest, member) = must("a member of the target", name)(start)?;
        let member_span = self.span(start, rest);
        let (rest, _) = must("`=`", mark('='))(rest)?;
        let (rest, source) = must("a literal, `code` or a path", |i| self.source(i))(rest)?;
        let (rest, via) = opt(|i| self.via(i)).parse(rest)?;
        let span = self.span(start, rest);
        Ok((rest, With { member: member.into(), member_span, source, via, span }))
    }

    /// `PID-3[5 = 'MR'].4.1`, or relative: `4.1`.
    fn path(&self, i: &'a str, depth: usize) -> Read<'a, Path> {
        let (rest, path) = self.path_or_segment(i, depth)?;
        if path.segment.is_some() && path.field == 0 {
            return miss(i, "");
        }
        Ok((rest, path))
    }

    /// `recordTarget/patientRole/id[@root = '1.2']/@extension`.
    fn tree(&self, start: &'a str) -> Read<'a, Path> {
        match crate::cda::Path::prefix(start) {
            Ok((tree, _)) if tree.first_name().is_some_and(|name| WORDS.contains(&name)) => {
                miss(start, "")
            }
            Ok((tree, length)) => {
                let rest = start.get(length..).unwrap_or_default();
                let (segment, repetition, parts) = (None, Repetition::Open, Vec::new());
                let (tree, span) = (Some(Box::new(tree)), self.span(start, rest));
                Ok((rest, Path { tree, segment, field: 0, repetition, parts, span }))
            }
            Err(0) => miss(start, ""),
            Err(at) => fail(start.get(at..).unwrap_or_default(), "a step of a path"),
        }
    }

    /// A path, or a segment or group alone: `OBX[1 = '1'] in OBSERVATION`.
    ///
    /// Both in one, since reading the brackets twice would double the work at each level.
    fn path_or_segment(&self, i: &'a str, depth: usize) -> Read<'a, Path> {
        let (start, _) = multispace0(i)?;
        if self.form == Form::Cda {
            return self.tree(start);
        }
        let tree = None;
        if start.starts_with(|c: char| c.is_ascii_digit()) {
            let (rest, parts) = separated_list1(char('.'), place).parse(start)?;
            let (segment, repetition) = (None, Repetition::Open);
            let span = self.span(start, rest);
            return Ok((rest, Path { tree, segment, field: 0, repetition, parts, span }));
        }
        let (rest, id) = take_while1(is_group)(start)?;
        if !id.starts_with(|c: char| c.is_ascii_uppercase())
            || rest.starts_with(|c: char| c.is_ascii_lowercase())
        {
            return miss(start, "");
        }
        let (rest, pick) = self.brackets(rest, depth)?;
        let (mut rest, mut field, mut repetition, mut parts) =
            (rest, 0, Repetition::Open, Vec::new());
        if let (3, Some(more)) = (id.len(), rest.strip_prefix('-')) {
            (rest, field) = must("a field number from 1 to 999", place)(more)?;
            (rest, repetition) = self.brackets(rest, depth)?;
            (rest, parts) = many0(part).parse(rest)?;
            if parts.len() > 2 {
                return fail(start, "a component and a subcomponent at most");
            }
        }
        let (rest, group) = opt(|i| self.group(i)).parse(rest)?;
        let segment = Some(SegmentPath { id: id.to_owned(), pick, group });
        let span = self.span(start, rest);
        Ok((rest, Path { tree, segment, field, repetition, parts, span }))
    }

    /// `in GROUP`; not `in (..)`, which is a test.
    fn group(&self, i: &'a str) -> Read<'a, (String, Span)> {
        let (start, _) = word("in")(i)?;
        if start.starts_with('(') {
            return miss(i, "");
        }
        let (rest, group) =
            must("a group such as `OBSERVATION`, or `(`", take_while1(is_group))(start)?;
        Ok((rest, (group.to_owned(), self.span(start, rest))))
    }

    fn brackets(&self, i: &'a str, depth: usize) -> Read<'a, Repetition<Path>> {
        let Some(inside) = i.strip_prefix('[') else { return Ok((i, Repetition::Open)) };
        let nth = delimited(multispace0, number, mark(']')).parse(inside);
        if let Ok((rest, n)) = nth {
            return match u32::try_from(n) {
                Ok(n @ 1..) => Ok((rest, Repetition::Nth(n))),
                _ => fail(inside, "a repetition from 1"),
            };
        }
        let (rest, condition) =
            must("a repetition or a condition", |i| self.any(i, depth + 1))(inside)?;
        let (rest, _) = must("`]`", preceded(multispace0, char(']')))(rest)?;
        Ok((rest, Repetition::Filter(Box::new(condition))))
    }
}

/// Conditions.
impl<'a> Grammar<'a> {
    fn any(&self, i: &'a str, depth: usize) -> Read<'a, Condition<Path>> {
        if depth > NESTING_MAX {
            return fail(i, "fewer levels of nesting");
        }
        let both = |i| separated_list1(word("and"), |i| self.test(i, depth)).parse(i);
        let (rest, mut list) = separated_list1(word("or"), map(both, one_or_all)).parse(i)?;
        match (list.len(), list.pop()) {
            (1, Some(only)) => Ok((rest, only)),
            (_, last) => {
                list.extend(last);
                Ok((rest, Condition::Any(list)))
            }
        }
    }

    fn test(&self, i: &'a str, depth: usize) -> Read<'a, Condition<Path>> {
        let (i, _) = multispace0(i)?;
        if depth > NESTING_MAX {
            return fail(i, "fewer levels of nesting");
        }
        if let Ok((rest, ())) = word("not")(i) {
            let (rest, inner) = must("a condition", |i| self.test(i, depth + 1))(rest)?;
            return Ok((rest, Condition::Not(Box::new(inner))));
        }
        if let Ok((rest, ())) = mark('(')(i) {
            let (rest, inner) = must("a condition", |i| self.any(i, depth + 1))(rest)?;
            let (rest, _) = must("`)`", mark(')'))(rest)?;
            return Ok((rest, inner));
        }
        if let Ok((rest, ())) = word("position")(i) {
            let (rest, (order, n)) = must("a comparison with a number", pair(order, number))(rest)?;
            return Ok((rest, Condition::Position(order, n)));
        }
        if let Ok((rest, measure)) = alt((
            value(Measure::Count, pair(tag::<_, _, Trouble>("count"), mark('('))),
            value(Measure::Length, pair(tag("length"), mark('('))),
        ))
        .parse(i)
        {
            let (rest, path) = must("a path", |i| self.path_or_segment(i, depth))(rest)?;
            let (rest, _) = must("`)`", mark(')'))(rest)?;
            let (rest, (order, n)) = must("a comparison with a number", pair(order, number))(rest)?;
            return Ok((rest, Condition::Number(measure, path, order, n)));
        }
        let (rest, path) = self.path_or_segment(i, depth)?;
        self.relation(rest, path, depth)
    }

    fn relation(&self, i: &'a str, path: Path, depth: usize) -> Read<'a, Condition<Path>> {
        const EXPECTED: &str =
            "`=`, `!=`, `in (..)`, `not in (..)`, `valued`, `not valued` or `starts`";
        let negated = word("not")(i);
        let (rest, negated) = match negated {
            Ok((rest, ())) => (rest, true),
            Err(_) => (i, false),
        };
        let turn = |c: Condition<Path>| if negated { Condition::Not(Box::new(c)) } else { c };
        if let Ok((rest, ())) = word("valued")(rest) {
            return Ok((rest, turn(Condition::Valued(path))));
        }
        if let Ok((rest, ())) = word("in")(rest) {
            let (rest, _) = must("`(`", mark('('))(rest)?;
            let (rest, list) =
                must("a literal in `'..'`", separated_list1(mark(','), literal))(rest)?;
            let (rest, _) = must("`)`", mark(')'))(rest)?;
            return Ok((rest, turn(Condition::In(path, list))));
        }
        if let Ok((rest, ())) = word("starts")(rest) {
            let (rest, text) = must("a literal in `'..'`", quoted)(rest)?;
            return Ok((rest, turn(Condition::Starts(path, text))));
        }
        if negated {
            return fail(rest, "`valued`, `in (..)` or `starts` after `not`");
        }
        let (rest, how) = must(EXPECTED, order)(i)?;
        let operand =
            alt((map(literal, Operand::Text), map(|i| self.path(i, depth), Operand::Path)));
        let (end, operand) = must("a literal in `'..'`, a number or a path", operand)(rest)?;
        let equal = Condition::Equal(path, operand);
        match how {
            Order::Equal => Ok((end, equal)),
            Order::Unequal => Ok((end, Condition::Not(Box::new(equal)))),
            _ => fail(i, "`=` or `!=`; compare sizes with `count(..)` or `length(..)`"),
        }
    }
}

fn one_or_all(mut list: Vec<Condition<Path>>) -> Condition<Path> {
    match (list.len(), list.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            list.extend(last);
            Condition::All(list)
        }
    }
}

/// `'text'`, or a bare number standing for its digits.
fn literal(i: &str) -> Read<'_, String> {
    alt((quoted, map(preceded(multispace0, digit1), str::to_owned))).parse(i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_samples_of_the_guide() {
        for text in [
            "each PID-3",
            "PID-19",
            "'http://hl7.org/fhir/sid/us-ssn'",
            "code v2-0203#SS",
            "PID-7 when length(PID-7) > 8",
            "PID-8 via sex",
            "each PID-13 with use = 'home'",
            "PID-29 as dateTime",
            "ref pcp",
            "OBR-3 else ORC-3 else OBR-2",
            "PID-3[5 = 'MR'].4.1",
            "OBR-3 else ORC-3 with type = code v2-0203#FILL",
            "OBR-7 .. OBR-8 when OBR-8 valued",
            "all ref specimen",
            "OBX-5 as OBX-2",
            "code data-absent-reason#unknown when OBX-5 not valued and OBX-11 in ('X', 'N')",
            "each NTE-3 in OBSERVATION",
            "position",
            "OBX-5 as Quantity with comparator = '<' when OBX-2 = 'ST' and OBX-5 starts '<'",
            "base",
            "PID-8 via sex reversed",
            "each PID-13 where 2 != 'WPN'",
            "join(' ', PID-5.2, 'x', PID-5.1)",
            "split(PID-5.1, '-', 2)",
            "OBX[3 = 'A']-5[2].1.2 in OBSERVATION",
            "each OBX[1]-5",
            "'it''s'",
            "PID-7..PID-8",
        ] {
            if let Err(wrong) = sentence(text, Form::Hl7) {
                panic!("{text}: {wrong:?}");
            }
        }
        for text in [
            "OBX-2 != 'ED' and OBX-29 not in ('QST', 'SCI')",
            "PV1-2 = 'I' or (PID-19 valued and not PID-30 valued)",
            "count(OBX in OBSERVATION) >= 2",
            "PID-3.1 = PV1-19",
            "PID-1 = 1",
            "IN1 valued",
        ] {
            if let Err(wrong) = condition(text, Form::Hl7) {
                panic!("{text}: {wrong:?}");
            }
        }
        for text in ["PID", "OBX in OBSERVATION", "ORDER_OBSERVATION", "PD1-4", "OBX[1 = '1']"] {
            if let Err(wrong) = source_path(text, Form::Hl7) {
                panic!("{text}: {wrong:?}");
            }
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let read = condition("PID-1 valued or PID-2 valued and PID-3 valued", Form::Hl7).unwrap();
        let Condition::Any(list) = read else { panic!("{read:?}") };
        assert_eq!(list.len(), 2);
        assert!(matches!(&list[1], Condition::All(both) if both.len() == 2));
    }

    #[test]
    fn points_at_the_mistake() {
        fn check(text: &str, at: Span, cause: &str) {
            let wrong = sentence(text, Form::Hl7).expect_err(text);
            assert_eq!((wrong.span, wrong.cause.as_str()), (at, cause), "{text}");
        }
        let source = "a path, a literal in `'..'`, `code`, `ref`, `join` or `split`";
        check("", 0..0, &format!("the sentence ends where {source} is expected"));
        check("each", 4..4, &format!("the sentence ends where {source} is expected"));
        check("PID-3 els PID-4", 6..9, "expected a word of the sentence language, found `els`");
        check("PID-3 else", 10..10, &format!("the sentence ends where {source} is expected"));
        check("'abc", 0..1, "expected a closing quote `'`");
        check("PID-0", 4..5, "expected a number from 1 to 999, found `0`");
        check(
            "PID-3.1.2.3",
            0..11,
            "expected a component and a subcomponent at most, found `PID-3.1.2.3`",
        );
        check("PID-3[5 = 'MR'", 14..14, "the sentence ends where `]` is expected");
        check("pid-3", 0..5, &format!("expected {source}, found `pid-3`"));
        check("PID-8 via", 9..9, "the sentence ends where the name of a code map is expected");
        check("code v2-0203", 12..12, "the sentence ends where `#` and a code is expected");
        check(
            "PID-8 when PID-8 is 'M'",
            17..19,
            "expected `=`, `!=`, `in (..)`, `not in (..)`, `valued`, `not valued` or `starts`, found `is`",
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}PID-1 valued{}", "(".repeat(200), ")".repeat(200));
        assert!(condition(&deep, Form::Hl7).is_err());
        let deep = format!("{}PID-1 valued", "not ".repeat(200));
        assert!(condition(&deep, Form::Hl7).is_err());
        let deep = "PID-3[".repeat(300);
        assert!(sentence(&deep, Form::Hl7).is_err());
        assert!(sentence(&"x".repeat(SENTENCE_BYTES_MAX + 1), Form::Hl7).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[-A-Z0-9'\\[\\]().,#= a-z\u{e9}]{0,60}") {
            let _ = sentence(&text, Form::Hl7);
            let _ = condition(&text, Form::Hl7);
            let _ = source_path(&text, Form::Hl7);
        }

        #[test]
        fn words_in_any_order_never_panic(words in proptest::collection::vec(
            proptest::sample::select(vec![
                "PID-3", "[", "]", "(", ")", "each", "as", "via", "with", "=", "!=", "when",
                "where", "'x'", "..", "not", "in", "valued", "5", "else", "code", "a#b", "ref",
                "join(", "split(", ",", "count(", ">", "position", "OBX", "OBSERVATION",
            ]), 0..20)) {
            let text = words.join(" ");
            let _ = sentence(&text, Form::Hl7);
            let _ = condition(&text, Form::Hl7);
        }
    }
}
